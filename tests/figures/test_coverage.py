"""What a figure and the terminal say that a galaxy rests on is what the product says."""

import dataclasses
import json
import math

import made_up
import numpy as np
import pytest

from simpost.emission.luminosity import FLAGS, CellLuminosity, table_marks
from simpost.figures.panel import HEIGHT, galaxy_figure
from simpost.products import Coverage, FieldOrigin
from simpost.products.coverage_report import LABELS, OFF_GRID, coverage_text, shown

SHARES = {
    "mach_clipped": Coverage(0.0, 0.0, 0.0),
    "dark": Coverage(0.5, 0.25, 0.0),
    "column_high": Coverage(0.01, 0.125, 0.375, "extrapolated, slope -1"),
    "beyond_table": Coverage(0.01, 0.13, 0.385),
    "ionising": Coverage(0.1, 0.2, 0.75),
    "non_ionising": Coverage(0.9, 0.8, 0.25),
    "has_young_star": Coverage(0.01, 0.21, 0.75),
    "field_low": Coverage(0.0, 1e-5, 2e-5, "clamped"),
}
BY_LIGHT = ["has_young_star", "ionising", "beyond_table", "column_high", "non_ionising", "field_low", "dark"]
FIELDS = (
    FieldOrigin("density", "read: Density", 1.0),
    FieldOrigin("n_H", "derived: X density / m_H", 1.0),
    FieldOrigin("temperature", "override: cold_neutral where SFR > 0", 0.1),
    FieldOrigin("metallicity", "derived: 0.1 Z_sun assumed (ism.assumed_metallicity)", 1.0),
    FieldOrigin("habing", "read: G0", 1.0),
)


def galaxy(coverage=SHARES, fields=FIELDS, **scalars):
    return dataclasses.replace(
        made_up.disc_galaxy(pixels=30, **scalars), coverage=dict(coverage), fields=fields
    )


def panel(product):
    """The figure, the two axes with bars, and the labels of their rows."""
    figure = galaxy_figure(product, "z")
    figure.canvas.draw()
    mass, light = (axis for axis in figure.axes if axis.containers)
    return figure, mass, light, [label.get_text() for label in mass.get_yticklabels()]


def shares(axis):
    """Lengths of the bars over the length of a whole one, and the texts, from top to bottom."""
    whole, part = axis.containers
    pairs = sorted(zip(whole, part, axis.texts, strict=True), key=lambda row: -row[0].get_window_extent().y0)
    widths = [[bar.get_window_extent().width for bar in row[:2]] for row in pairs]
    return [inner / outer for outer, inner in widths], [text.get_text() for *_, text in pairs]


def test_bars_are_as_long_as_the_shares():
    _, mass, light, labels = panel(galaxy())
    rows = [name for name in BY_LIGHT if name != "field_low"]  # below 0.1 %
    assert labels == [LABELS[name] for name in rows]
    for axis, column in ((mass, "share_of_mass"), (light, "share_of_luminosity")):
        lengths, texts = shares(axis)
        values = [getattr(SHARES[name], column) for name in rows]
        assert lengths == pytest.approx(values, abs=1e-9)
        assert texts == [f"{value:.1%}" for value in values]
    assert "gas mass" in mass.get_title("left") and "[CII]" in light.get_title("left")


def test_rows_off_the_grid_stand_out():
    _, mass, _, labels = panel(galaxy())
    colours = {label: bar.get_facecolor() for label, bar in zip(labels, mass.containers[1], strict=True)}
    off = {colours[LABELS[name]] for name in ("beyond_table", "column_high")}
    others = {colours[LABELS[name]] for name in ("ionising", "non_ionising", "dark")}
    assert len(off) == len(others) == 1 and off != others


@pytest.mark.parametrize("many", [False, True])
def test_everything_lies_in_the_figure_and_the_maps_keep_their_size(many):
    coverage = {name: Coverage(0.5, 0.5, 0.5) for name in LABELS} if many else SHARES
    names = ("metallicity", "habing", "turbulent_velocity", "column_density")
    recipes = tuple(FieldOrigin(name, "derived: light of stars, unshielded; or not", 1.0) for name in names)
    figure, mass, light, _ = panel(galaxy(coverage, recipes if many else FIELDS))
    alone = galaxy_figure(galaxy({}), "z")
    alone.canvas.draw()
    assert alone.get_size_inches() == pytest.approx((7.1, HEIGHT))
    for axis, other in zip([a for a in figure.axes if a.images], alone.axes, strict=True):
        size, before = axis.get_window_extent(), other.get_window_extent()
        assert size.width == pytest.approx(before.width, rel=0.015)
        assert size.height == pytest.approx(size.width)
    whole = figure.bbox
    texts = [
        *mass.get_yticklabels(),
        *mass.texts,
        *light.texts,
        *(sub._supxlabel for sub in figure.subfigs[1:]),
    ]
    boxes = [text.get_window_extent() for text in texts]
    for box in boxes:
        assert box.x0 >= whole.x0 and box.x1 <= whole.x1 and box.y0 >= whole.y0 and box.y1 <= whole.y1
    rows = [label.get_window_extent() for label in mass.get_yticklabels()]
    assert all(not a.overlaps(b) for i, a in enumerate(rows) for b in rows[:i])
    assert not any(row.overlaps(boxes[-1]) for row in rows)


def test_a_galaxy_without_light_is_drawn_and_told():
    nothing = {
        name: dataclasses.replace(share, share_of_luminosity=math.nan) for name, share in SHARES.items()
    }
    dark = galaxy(nothing)
    del dark.galaxy["L_CII-158um"]
    _, mass, light, labels = panel(dark)
    assert labels[0] == LABELS["non_ionising"]  # by mass
    assert set(shares(light)[0]) == {0.0} and len(set(shares(light)[1])) == 1
    assert max(shares(mass)[0]) == pytest.approx(0.8)
    assert "[CII]" not in light.get_title("left")
    text = coverage_text(dark)
    assert all(line.split()[-1] == "-" or "extrapolated" in line or "clamped" in line for line in text[1:-1])
    empty = galaxy({}, ())
    assert coverage_text(empty) == []
    assert not [axis for axis in galaxy_figure(empty, "z").axes if axis.containers]


def test_text_holds_every_row_that_is_not_zero_by_falling_light():
    text = coverage_text(galaxy())
    assert text[0].split() == ["galaxy_0001", "rests", "on", "gas", "[CII]"]
    assert [next(name for name in BY_LIGHT if LABELS[name] in line) for line in text[1:-1]] == BY_LIGHT
    assert "12.5%   37.5%  extrapolated, slope -1" in text[1 + BY_LIGHT.index("column_high")]
    assert "<0.1%   <0.1%  clamped" in text[1 + BY_LIGHT.index("field_low")]
    assert text[-1] == "  derived, not read: metallicity = 0.1 Z_sun assumed (ism.assumed_metallicity)"
    assert all(line.isascii() and len(line) <= 100 for line in text)


def test_what_was_done_stands_behind_its_row():
    done = "below extrapolated, slope +0.5; above clamped"
    text = coverage_text(galaxy({"pdf_outside": Coverage(0.1, 0.1, 0.1, done), "dark": SHARES["dark"]}))
    (line,) = [line for line in text if LABELS["pdf_outside"] in line]
    assert line.endswith(f"10.0%  {done}")
    (line,) = [line for line in text if LABELS["dark"] in line]
    assert line.endswith("0.0%")


def test_the_sum_over_axes_stands_only_beside_several():
    one = {name: SHARES[name] for name in ("column_high", "beyond_table")}
    assert not any(LABELS["beyond_table"] in line for line in coverage_text(galaxy(one)))
    assert any(LABELS["column_high"] in line for line in coverage_text(galaxy(one)))


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.0, "0.0%"), (1e-9, "<0.1%"), (0.0006, "0.1%"), (0.9996, ">99.9%"), (1.0, "100.0%"), (math.nan, "-")],
)
def test_small_and_nearly_whole_shares_are_not_rounded_away(share, text):
    assert shown(share) == text


def test_every_mark_of_the_table_has_a_label():
    result = CellLuminosity(np.ones(1), np.zeros(1, dtype=np.int64), np.zeros(1))
    assert set(table_marks(result)) <= set(LABELS)
    assert {*FLAGS[:9], "beyond_table", "pdf_outside"} == OFF_GRID
    assert len(set(LABELS.values())) == len(LABELS)


@pytest.mark.parametrize("options", [(), ("--quiet",), ("--json",)])
def test_a_run_prints_what_its_galaxies_rest_on(options, tmp_path, monkeypatch):
    from click.testing import CliRunner

    import simpost.pipeline
    from simpost.cli.run import command
    from simpost.pipeline.run import RunResult

    names = ("first", "second")
    result = RunResult([galaxy(id=name) for name in names], [tmp_path], [], ["careful"], ["by the way"])
    monkeypatch.setattr(simpost.pipeline, "run", lambda config, report=None: result)
    (tmp_path / "run.yaml").write_text("snapshots: [sample:arepo-box]\n")
    found = CliRunner().invoke(command, [str(tmp_path / "run.yaml"), *options], standalone_mode=False)
    assert found.exception is None and found.return_value == 0
    assert "warning: careful" in found.stderr
    told = [f"{name} rests on" in found.stdout for name in names]
    assert told == [not options] * 2
    if not options:
        assert "\n".join(coverage_text(result.products[1])) in found.stdout
    quiet = "--quiet" in options
    assert ("note: by the way" in found.stderr, "starting" in found.stderr) == (not quiet, not quiet)
    assert json.loads(found.stdout)["rows"] if "--json" in options else "M_gas" in found.stdout
