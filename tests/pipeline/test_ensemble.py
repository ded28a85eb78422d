"""The range over modelling choices: each member is the model it is named after, on cells read once."""

import dataclasses
import re
import shutil
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from simpost.config import resolve
from simpost.emission.axes import REFUSE
from simpost.emission.grid import LineGrid, load_grid
from simpost.ism import state as ism_state
from simpost.ism.recipes import choose_recipes
from simpost.pipeline import ensemble as stage
from simpost.pipeline import lighting, run
from simpost.pipeline.ensemble import AS_CONFIGURED, EnsemblePass, ensemble_members, prepare_ensemble
from simpost.pipeline.galaxy import map_galaxy
from simpost.pipeline.lighting import averaged_table, line_grid
from simpost.pipeline.product import make_product
from simpost.products import read_product, write_product
from simpost.products.schema import LINE_CII
from simpost.snapshots.galaxies import find_galaxies
from simpost.snapshots.open import open_snapshot

NAMES = [
    "as configured", "pdf = volume", "pdf = none", "pdf = meanC", "b = 0.4", "b = 1", "Mach x 0.5", "Mach x 2",
    "Mach = sigma/c_s", "Mach = (sigma + c_s)/c_s", "grid = cloudy", "CMB off",
]  # fmt: skip
RANGE = [f"L_{LINE_CII}_{percentile}" for percentile in ("p16", "p84")]


def configuration(sample="ramses-zoom", ensemble=True, **emission):
    return resolve(
        {
            "snapshots": [f"sample:{sample}"],
            "views": ["z", "x"],
            "maps": {"width": "5 kpc", "pixel": "250 pc"},
            "ism": {"assumed_metallicity": 0.1},
            "emission": {"ensemble": ensemble, **emission},
        }
    )


class Scene:
    """One galaxy of a sample, its tables and ensemble; counts what is read and averaged."""

    def __init__(self, config):
        self.config = config
        self.snapshot = open_snapshot(config.snapshots[0], config.reader)
        self.galaxy = find_galaxies(self.snapshot, 1)[0]
        self.reads, self.averaged, self.member_maps = [], [], {}
        self._count()
        self.redshift = self.snapshot.info.redshift
        recipes = choose_recipes(self.snapshot.info, config.ism)
        with pytest.MonkeyPatch.context() as patch:
            average = lighting.average_over_pdf
            patch.setattr(
                lighting,
                "average_over_pdf",
                lambda *given, **more: self.averaged.append(given) or average(*given, **more),
            )
            self.table = averaged_table(line_grid(config.emission), LINE_CII, config.emission, self.redshift)
            self.ensemble = prepare_ensemble(config, recipes, {LINE_CII: self.table}, self.redshift)

    def _count(self):
        chunks = self.snapshot.gas_chunks

        def counted(region, columns=None):
            self.reads.append("all" if columns is None else columns)
            return chunks(region, columns)

        self.snapshot.gas_chunks = counted

    def product(self, config=None, table=None, ensemble=stage.NO_ENSEMBLE):
        config, tables = config or self.config, {LINE_CII: table or self.table}
        self.reads.clear()
        maps = map_galaxy(self.snapshot, self.galaxy, config, tables, lambda stage, share: None, ensemble)
        return make_product(self.snapshot, self.galaxy, "galaxy", maps, tables, config)

    def product_with_members(self):
        """The product, and in `member_maps` the maps of every member by view."""
        original = EnsemblePass.result

        def spied(of_galaxy, maps, totals, beyond):
            for view, of_view in maps.items():
                quantities = {AS_CONFIGURED: LINE_CII} | {name: name for name in of_galaxy.names}
                self.member_maps[view] = {name: of_view[q].values for name, q in quantities.items()}
            return original(of_galaxy, maps, totals, beyond)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(EnsemblePass, "result", spied)
            return self.product(ensemble=self.ensemble)


@pytest.fixture(scope="module")
def scene():
    return Scene(configuration())


@pytest.fixture(scope="module")
def product(scene):
    return scene.product_with_members()


def row_of(product, name):
    (row,) = [row for row in product.ensemble if row.name == name]
    return row


def member_of(ensemble, name):
    (member,) = [member for member in ensemble.members if member.name == name]
    return member


def test_every_member_is_named_and_says_what_differs(product):
    assert [row.name for row in product.ensemble] == NAMES
    assert row_of(product, "pdf = volume").differs == "emission.pdf: volume instead of mass"
    assert row_of(product, "CMB off").differs == "emission.cmb: off instead of on"
    assert not any(row.left_out for row in product.ensemble)
    assert len({row.luminosity for row in product.ensemble}) == len(NAMES)  # none repeats another


def test_the_configured_model_is_the_run_without_an_ensemble(scene, product):
    plain = scene.product(configuration(ensemble=False))
    assert plain.ensemble == ()
    for view, seen in plain.views.items():
        for name, image in seen.maps.items():
            np.testing.assert_array_equal(product.views[view].maps[name].values, image.values)
        more = set(product.views[view].maps) - set(seen.maps)
        assert more == {f"surface_brightness_{LINE_CII}_p16", f"surface_brightness_{LINE_CII}_p84"}
    assert set(product.galaxy) - set(plain.galaxy) == set(RANGE)
    for name, value in plain.galaxy.items():
        np.testing.assert_array_equal(product.galaxy[name], value, err_msg=name)
    configured = row_of(product, AS_CONFIGURED)
    assert (configured.luminosity, configured.ratio) == (plain.galaxy[f"L_{LINE_CII}"], 1.0)
    beyond = plain.coverage["beyond_table"].share_of_luminosity
    assert configured.share_beyond_table == beyond


@pytest.mark.parametrize("name", ["b = 1", "Mach = sigma/c_s", "pdf = none", "grid = cloudy"])
def test_a_member_is_a_run_configured_so(scene, product, name):
    member = member_of(scene.ensemble, name)
    options = member.config.emission
    table = scene.table  # its own if it shares none
    if member.table_key != scene.ensemble.members[0].table_key:
        table = averaged_table(line_grid(options), LINE_CII, options, scene.redshift)
    alone = scene.product(member.config, table)
    row = row_of(product, name)
    assert row.luminosity == pytest.approx(alone.galaxy[f"L_{LINE_CII}"], rel=1e-12)
    share = alone.coverage["beyond_table"].share_of_luminosity
    assert row.share_beyond_table == pytest.approx(share, rel=1e-9, abs=1e-15)
    for view, images in scene.member_maps.items():
        expected = alone.views[view].maps[f"surface_brightness_{LINE_CII}"].values
        np.testing.assert_allclose(images[name], expected, rtol=1e-12)


def test_mach_x_2_is_a_state_of_twice_the_mach_number(scene, product, monkeypatch):
    def twice(*given):
        mach, clipped = original(*given)
        return 2.0 * mach, clipped

    original = ism_state.turbulence.mach_number
    monkeypatch.setattr(ism_state.turbulence, "mach_number", twice)
    alone = scene.product()
    assert row_of(product, "Mach x 2").luminosity == pytest.approx(alone.galaxy[f"L_{LINE_CII}"], rel=1e-12)
    for view, images in scene.member_maps.items():
        expected = alone.views[view].maps[f"surface_brightness_{LINE_CII}"].values
        np.testing.assert_allclose(images["Mach x 2"], expected, rtol=1e-12)


def test_more_turbulence_is_more_light_where_mass_is_conserved(product):
    """Below the critical density l grows with n, so for pdf `mass` L grows with b M; the CMB takes light."""
    ratio = {row.name: row.ratio for row in product.ensemble}
    assert ratio["Mach x 0.5"] < 1.0 < ratio["Mach x 2"]
    assert 1.0 < ratio["b = 0.4"] < ratio["b = 1"]
    assert ratio["Mach = sigma/c_s"] < 1.0 < ratio["Mach = (sigma + c_s)/c_s"]
    assert ratio["pdf = volume"] < ratio["pdf = none"] < 1.0 < ratio["CMB off"]


def linear_percentile(values, q):
    """Linear between the ranks of sorted values, member by member."""
    ordered = np.sort(values, axis=0)
    place = q / 100.0 * (len(values) - 1)
    low = int(place)
    return ordered[low] + (place - low) * (ordered[low + 1] - ordered[low])


@pytest.mark.parametrize(("name", "q"), [("p16", 16.0), ("p84", 84.0)])
def test_percentiles_are_those_of_the_members(scene, product, name, q):
    luminosities = np.array([row.luminosity for row in product.ensemble])
    expected = linear_percentile(luminosities, q)
    assert product.galaxy[f"L_{LINE_CII}_{name}"] == pytest.approx(expected, rel=1e-12)
    for view, images in scene.member_maps.items():
        assert list(images) == NAMES
        made = product.views[view].maps[f"surface_brightness_{LINE_CII}_{name}"]
        expected = linear_percentile(np.stack(list(images.values())), q)
        np.testing.assert_allclose(made.values, expected, rtol=1e-10, atol=0)
        assert np.isnan(made.closure)
        assert made.attributes["closure_reason"] == "a percentile is not conserved"


def test_range_brackets_two_thirds_of_the_members_in_every_pixel(scene, product):
    for view, images in scene.member_maps.items():
        maps = product.views[view].maps
        low, high = (maps[f"surface_brightness_{LINE_CII}_{p}"].values for p in ("p16", "p84"))
        members = np.stack(list(images.values()))
        lit = members.max(axis=0) > 0
        assert lit.sum() > 100
        assert np.all(low[lit] < high[lit])
        inside = ((members >= low) & (members <= high)).sum(axis=0)
        assert np.all(inside[lit] == 8)  # of twelve: two below the 16th percentile, two above the 84th


def test_maps_of_members_close(scene, product):
    for row in product.ensemble:
        assert abs(row.closure) < 1e-10, row.name
    area = product.views["z"].attributes["pixel"] ** 2
    for name, image in scene.member_maps["z"].items():
        assert image.sum() * area == pytest.approx(row_of(product, name).luminosity, rel=1e-10)


def test_cells_are_read_once_with_or_without_members(scene):
    scene.product()
    alone = list(scene.reads)
    scene.product(ensemble=scene.ensemble)
    assert scene.reads == alone
    assert scene.reads.count("all") == 1


def test_members_share_averaged_tables(scene):
    """One new table per new (grid, PDF, CMB); b, the Mach number and its definitions take the configured."""
    assert len(scene.averaged) == 1 + 5
    for member in scene.ensemble.members[1:]:
        table, options = scene.ensemble.tables[member.name], member.config.emission
        assert (table.pdf, table.redshift is not None) == (options.pdf, options.cmb)
        assert table.grid_checksum == load_grid(options.grid).checksum
        unchanged = member.table_key == scene.ensemble.members[0].table_key
        assert (table is scene.table) == unchanged
        assert unchanged == (member.name.startswith(("b =", "Mach")))


def test_variations_around_another_model():
    config = configuration(ensemble=["pdf", "b", "mach_definition", "grid", "cmb"], pdf="volume", pdf_b=0.333)
    config = config.model_copy(update={"ism": config.ism.model_copy(update={"mach": "literal"})})
    config = config.model_copy(
        update={
            "emission": config.emission.model_copy(update={"grid": "cloudy", "cmb": False, "at": {"x": 1}})
        }
    )
    members = ensemble_members(config)
    assert [member.name for member in members] == [
        "as configured", "pdf = mass", "pdf = none", "pdf = meanC", "b = 0.4", "b = 1",
        "Mach = sqrt(sigma^2 + c_s^2)/c_s", "Mach = sigma/c_s", "Mach = (sigma + c_s)/c_s", "grid = slab", "CMB on",
    ]  # fmt: skip
    for member in members[1:]:  # one thing at a time
        before, after = config.model_dump(), member.config.model_dump()
        changed = [
            f"{part}.{key}"
            for part in ("ism", "emission")
            for key, value in after[part].items()
            if before[part][key] != value
        ]
        assert changed[0] == member.differs.split(":")[0]
        assert changed[1:] == (["emission.at"] if member.name == "grid = slab" else [])
        assert {k: v for k, v in before.items() if k not in ("ism", "emission")} == {
            k: v for k, v in after.items() if k not in ("ism", "emission")
        }


def test_the_python_of_the_page_prints_every_member(product, tmp_path, monkeypatch, capsys):
    page = (Path(__file__).parents[2] / "docs" / "explanation" / "uncertainty.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^```py\n(.*?)^```$", page, re.M | re.S)
    folder = tmp_path / "results" / "uncertainty" / "ramses-zoom_peak-0"
    folder.mkdir(parents=True)
    write_product(product, folder / "product.h5")
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "uncertainty.md", "exec"), {})
    printed = capsys.readouterr().out
    assert all(f"{name} " in printed for name in NAMES)
    assert all(f"`{name}`" in page for name in NAMES[1:-1])


def box_product(ensemble, **emission):
    """A product without sub-grid structure, whose tables are small; and its notes on the ensemble."""
    scene = Scene(configuration("arepo-box", ensemble, **{"pdf": "none", **emission}))
    product = scene.product(ensemble=scene.ensemble)
    return product, [note for note in product.provenance["notes"] if note.startswith("ensemble: ")]


def box_run(folder, ensemble, **ism):
    """The same by a whole run, read back from its file; and what the run says."""
    config = configuration("arepo-box", ensemble, pdf="none")
    config = config.model_copy(update={"output": str(folder / "results"), "views": ["z"]})
    result = run(config.model_copy(update={"ism": config.ism.model_copy(update=ism)}))
    assert result.failures == []
    return read_product(result.paths[0] / "product.h5"), result.notes


def assert_no_range(product):
    assert np.isnan([product.galaxy[name] for name in RANGE]).all()
    assert not [name for name in product.views["z"].maps if name.endswith(("_p16", "_p84"))]
    return {product.galaxy[f"{name}_reason"] for name in RANGE}


def test_members_without_effect_are_left_out_by_name(tmp_path):
    product, notes = box_run(tmp_path, ["b", "mach", "grid", "cmb"])
    reason = "without a sub-grid PDF the Mach number and b have no effect"
    lost = [row.name for row in product.ensemble if row.left_out == reason]
    assert lost == ["b = 0.4", "b = 1", "Mach x 0.5", "Mach x 2"]
    assert all(np.isnan(row_of(product, name).luminosity) for name in lost)
    assert all(any(f": ensemble: {name} left out: {reason}" in note for note in notes) for name in lost)
    kept = [row.luminosity for row in product.ensemble if not row.left_out]
    assert len(kept) == 3  # as configured, grid = cloudy, CMB off
    assert [product.galaxy[name] for name in RANGE] == pytest.approx(
        [linear_percentile(np.array(kept), q) for q in (16.0, 84.0)], rel=1e-12
    )


def test_too_few_members_make_no_range_and_it_says_so():
    product, notes = box_product(["cmb"])
    (reason,) = assert_no_range(product)
    assert reason == "2 models make no range: it takes 3, the configured one among them"
    assert notes[-1].endswith(reason)
    assert row_of(product, "CMB off").ratio > 1.0  # the comparison itself is there


def test_without_a_line_there_is_no_range(tmp_path):
    product, _ = box_run(tmp_path, ["cmb"], assumed_metallicity=None)
    (reason,) = assert_no_range(product)
    assert "no metals" in reason and product.ensemble == ()


def one_variant(grid):
    return LineGrid(
        axes=grid.axes,
        variants=grid.variants[:1],
        emission={label: table[:1] for label, table in grid.emission.items()},
        t_cii=grid.t_cii[:1],
        c_cii=grid.c_cii[:1],
    )


def refusing(grid):
    axis = grid.axes["log_n"]
    tight = axis._replace(nodes=axis.nodes, below=REFUSE, above=REFUSE)
    return dataclasses.replace(grid, axes=dict(grid.axes) | {"log_n": tight})


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (refusing, "grid axis log_n: found"),
        (one_variant, "the variant ionising that cells need"),
        (lambda grid: dataclasses.replace(grid, t_cii=None), "no T_CII"),
        (lambda grid: dataclasses.replace(grid, emission={"OI-63um": grid.line("OI-63um")}), "CII-158um"),
    ],
)
def test_a_grid_that_cannot_be_used_is_left_out_with_its_reason(monkeypatch, change, reason):
    original = lighting.line_grid
    monkeypatch.setattr(
        stage,
        "line_grid",
        lambda options: change(original(options)) if options.grid == "cloudy" else original(options),
    )
    product, notes = box_product(["grid", "cmb"])
    row = row_of(product, "grid = cloudy")
    assert reason in row.left_out and "\n" not in row.left_out
    assert np.isnan([row.luminosity, row.ratio, row.share_beyond_table, row.closure]).all()
    assert any(f"ensemble: grid = cloudy left out: {row.left_out}" in note for note in notes)
    assert "2 models make no range" in assert_no_range(product).pop()


def test_a_copy_of_the_configured_grid_is_no_member(tmp_path):
    copy = tmp_path / "mine.h5"
    shutil.copy(str(resources.files("simpost") / "data" / "grids" / "slab.h5"), copy)
    product, _ = box_product(["grid", "cmb"], grid=str(copy))
    assert "the content of the configured one" in row_of(product, "grid = slab").left_out
    assert row_of(product, "grid = cloudy").luminosity > 0


def test_a_member_beyond_its_grid_is_noted_or_refused():
    product, notes = box_product(["grid", "cmb"], warn_outside=0.0)
    share = row_of(product, "grid = cloudy").share_beyond_table
    configured = row_of(product, AS_CONFIGURED).share_beyond_table
    assert 0.0 < configured < share
    assert any(f"grid = cloudy: {share:.1%} of its L from outside its line table" in note for note in notes)
    limit = 0.5 * (configured + share)
    product, _ = box_product(["grid", "cmb"], refuse_outside=limit)
    assert "of L from outside its line table" in row_of(product, "grid = cloudy").left_out
    assert_no_range(product)


def test_without_turbulence_its_definitions_are_left_out(scene):
    recipes = dataclasses.replace(choose_recipes(scene.snapshot.info, scene.config.ism), turbulence="none")
    config = configuration(ensemble=["mach", "mach_definition"])
    ensemble = prepare_ensemble(config, recipes, {LINE_CII: scene.table}, scene.redshift)
    assert set(ensemble.tables) == {"Mach x 0.5", "Mach x 2"}
    assert set(ensemble.left_out) == {"Mach = sigma/c_s", "Mach = (sigma + c_s)/c_s"}
    assert set(ensemble.left_out.values()) == {"the snapshot has no turbulent velocity"}
