"""The figures of Shen+2025 show what they are given, in the places and signs they promise."""

from dataclasses import replace

import numpy as np
import pytest

from simpost.analysis import shen2025
from simpost.analysis.decomposition import relative_surface_density
from simpost.analysis.double_power_law import DoublePowerLaw
from simpost.analysis.double_power_law_fit import fit_double_power_law
from simpost.analysis.efficiency import halo_efficiency
from simpost.analysis.efficiency_models import efficiency_model
from simpost.analysis.halo import baryon_fraction, hubble_time, virial_velocity
from simpost.analysis.halo_mass_function import HaloMassFunction
from simpost.analysis.kennicutt_schmidt import Pixels, distributions, measure_relation
from simpost.analysis.relations import relation
from simpost.analysis.simulation_sets import (
    CENTRAL,
    TARGET,
    EfficiencyFit,
    EfficiencyPoint,
    GalaxyPixels,
    InSituPoint,
    PixelSample,
    RunLabel,
    UVCurve,
)
from simpost.analysis.turbulent_equilibrium import star_formation_surface_density
from simpost.analysis.uv_luminosity import UVModel, uv_luminosity_function
from simpost.core.errors import InputError
from simpost.figures import (
    depletion_time,
    double_power_laws,
    efficiency,
    growth,
    in_situ,
    kennicutt_schmidt,
    relation_axes,
    star_forming_region,
    stellar_mass,
    uv_luminosity,
)
from simpost.trees.track import Steps, make_tracks

COSMOLOGY = shen2025.cosmology()
FRACTION = baryon_fraction(COSMOLOGY)
RUNS = (
    RunLabel("m12.6", "L4", "fiducial"),
    RunLabel("m10.8", "L8", "fiducial"),
    RunLabel("m9.3", "L16", "fiducial"),
    RunLabel("m11.5", "coarse", "no_esf"),
)
TABLE = shen2025.efficiency_evolution()


# --- made-up data ---


def grown(name, final_mass, *, noise=0.0, seed=0, stars=1.0, lost=(), jump_at=None, number=90):
    """A track of M exp(-0.79 (z - 3)) with the stars of Table 3 at z = 6, from z = 13 to 3."""
    redshift = np.linspace(13.0, 3.0, number)
    generator = np.random.default_rng(seed)
    mass = final_mass * np.exp(-0.79 * (redshift - 3.0))
    if jump_at is not None:
        mass[redshift < jump_at] *= 1.6
    stellar = stars * TABLE.at(6.0).stellar_mass(mass, FRACTION, extrapolate=True)
    stellar = stellar * 10.0 ** (noise * np.cumsum(generator.normal(size=number)) / np.sqrt(number))
    kept = ~np.isin(np.arange(number), lost)
    n = int(kept.sum())
    steps = Steps(
        np.arange(number)[kept], 1.0 / (1.0 + redshift[kept]), mass[kept], stellar[kept], np.full(n, np.nan),
        np.full((n, 3), np.nan), np.zeros(n, dtype=np.int64), np.zeros(n, dtype=bool),
    )  # fmt: skip
    outputs = dict(enumerate(1.0 / (1.0 + redshift)))
    return make_tracks(name, steps, COSMOLOGY, outputs)[0]


def point(run, group, track, redshift):
    result = halo_efficiency(
        track.name, track.time, track.m_halo, track.m_star, redshift, COSMOLOGY, is_bridged=track.is_bridged
    )
    return EfficiencyPoint(run, group, track, result)


@pytest.fixture(scope="module")
def tracks():
    found = [grown(f"halo {i}", 10.0**m, noise=0.05, seed=i) for i, m in enumerate((12.6, 10.8, 9.3, 11.5))]
    small = [
        grown(f"small {i}", 10.0**m, noise=0.25, seed=10 + i, number=60)
        for i, m in enumerate(np.random.default_rng(5).uniform(9.0, 12.4, 40))
    ]
    return found, small


@pytest.fixture(scope="module")
def points(tracks):
    found, small = tracks
    return {
        z: [point(run, TARGET, track, z) for run, track in zip(RUNS, found, strict=True)]
        + [point(RUNS[i % 3], CENTRAL, track, z) for i, track in enumerate(small)]
        for z in (4.0, 6.0, 8.0, 10.0)
    }


@pytest.fixture(scope="module")
def fits(points):
    found = []
    for z, group in points.items():
        chosen = [p for p in group if p.run.variant == "fiducial"]
        fit = fit_double_power_law(
            [float(p.result.log_mass.median) for p in chosen],
            [float(p.result.efficiency.median) for p in chosen],
            [p.group for p in chosen],
            n_bootstrap=60,
        )
        found.append(EfficiencyFit(z, "fiducial", fit, ""))
        found.append(
            EfficiencyFit(z, "no_esf", None, "double power law: found 1 points, expected at least 4")
        )
    return found


def sample(
    label="z = 6", redshift=6.0, seed=0, momentum=8000.0, floor=9.09e-4, helium=True, n=6000, **others
):
    """Pixels of Sigma_SFR = A Sigma^2 with 0.3 dex of scatter, in whole young particles."""
    generator = np.random.default_rng(seed)
    gas = 10.0 ** generator.normal(1.4, 0.6, n)
    rate = star_formation_surface_density(gas, momentum) * 10.0 ** generator.normal(0.0, 0.3, n)
    if floor > 0.0:
        rate = floor * generator.poisson(rate / floor)
    pixels = Pixels(
        gas, rate, np.ones(n), np.zeros(n, dtype=np.int64), ("one",), others.get("phase", "neutral"),
        "young_stars" if floor else "instantaneous", helium, "wendland_c2",
    )  # fmt: skip
    return PixelSample(
        label, others.get("variant", "fiducial"), redshift, pixels, measure_relation(pixels, floor=floor),
        *distributions(pixels),
    )  # fmt: skip


@pytest.fixture(scope="module")
def samples():
    return [sample(f"z = {z:g}", z, seed=int(z)) for z in (3.0, 6.0, 11.0)]


def galaxies(variant="fiducial", helium=True, phase="neutral", aperture=0.3):
    generator = np.random.default_rng(2)
    found = []
    for z in (3.0, 6.0, 10.0):
        for i, log_mass in enumerate(generator.uniform(9.3, 12.2 - 0.1 * z, 24 if z < 9 else 5)):
            mass = 10.0**log_mass
            surface = 60.0 * float(relative_surface_density(mass, z)) * 10.0 ** generator.normal(0.0, 0.15)
            supply = 0.2 * 10.0 ** generator.normal(0.0, 0.1)
            found.append(
                GalaxyPixels(
                    f"galaxy {i}",
                    f"track {i}",
                    replace(RUNS[i % 3], variant=variant),
                    z,
                    z + 0.02,
                    mass,
                    aperture,
                    supply,
                    supply * (1.0 + 3.0 / z),
                    helium,
                    phase,
                    "young_stars",
                    0.5,
                    surface,
                )
            )
    return found


def born(target, group, log_mass, fraction, low, high, run=RUNS[0], reason="", name=""):
    return InSituPoint(
        run, group, name or f"{target}:{log_mass}", target, 10.0**log_mass, fraction, low, high, reason
    )


def births():
    generator = np.random.default_rng(4)
    found = []
    for z in (3.0, 6.0, 10.0):
        for i, log_mass in enumerate(generator.uniform(8.3, 12.0 - 0.15 * z, 12)):
            fraction = 1.0 - 0.1 * max(log_mass - 10.0, 0.0) - 0.05 * generator.uniform()
            group = TARGET if i < 6 else CENTRAL
            found.append(
                born(z, group, log_mass, fraction, fraction - 0.06, min(fraction + 0.02, 1.0), RUNS[i % 3])
            )
    found.append(born(6.0, CENTRAL, 9.0, np.nan, np.nan, np.nan, reason="no star in the halo"))
    return found


def mass_function(redshift, log_mass=None):
    """A Schechter-like abundance near that of z = 12 [Mpc^-3 dex^-1]."""
    log_mass = np.arange(8.0, 13.0, 0.01) if log_mass is None else log_mass
    x = 10.0 ** (log_mass - 10.0)
    return HaloMassFunction(log_mass, 2e-3 * x**-1.3 * np.exp(-x / 1.5), redshift, COSMOLOGY)


@pytest.fixture(scope="module")
def curves():
    magnitudes = np.arange(-23.0, -15.9, 0.25)
    models = {
        "Table 3, capped at 1e10": UVModel(log_mass_cap=10.0),
        "Table 3, extrapolated to 1e12": UVModel(log_mass_cap=12.0),
        "canonical": UVModel("canonical"),
        "own fit": UVModel(DoublePowerLaw(-1.78, 9.0, 0.6, 0.6, 10.23), log_mass_cap=12.0),
    }
    return [
        UVCurve(label, z, uv_luminosity_function(magnitudes, model, mass_function(z)))
        for z in (12.0, 14.0)
        for label, model in models.items()
    ]


# --- how artists are found ---


def artists(axis, gid):
    return [artist for artist in axis.get_children() if artist.get_gid() == gid]


def line(axis, gid):
    """x and y of the one line of that gid."""
    (found,) = artists(axis, gid)
    return np.asarray(found.get_xdata(), dtype=float), np.asarray(found.get_ydata(), dtype=float)


def texts(figure):
    """Everything that is written in a figure."""
    from matplotlib.text import Text

    return "\n".join(text.get_text() for text in figure.findobj(Text))


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def is_open(artist):
    return artist.get_markerfacecolor() == "white"


def assert_clear(figure):
    """Legend and labels lie in the figure, the legend below all panels."""
    figure.canvas.draw()
    whole = figure.bbox
    (found,) = figure.legends
    box = found.get_window_extent()
    assert box.x0 >= whole.x0 and box.x1 <= whole.x1 and box.y0 >= whole.y0
    for axis in (axis for axis in figure.axes if axis.get_visible()):
        around = axis.get_tightbbox()
        assert around.x0 >= whole.x0 - 1 and around.x1 <= whole.x1 + 1 and around.y1 <= whole.y1 + 1
        assert around.y0 >= box.y1 - 1


# --- growth histories ---


def test_histories_lie_at_their_masses_with_bridges_open_and_jumps_marked():
    track = grown("merger", 3e11, jump_at=6.0, lost=(20, 40))
    figure = growth.growth_histories_figure({"merger": track, "small": grown("small", 1e10)})
    above, below = figure.axes[:2]
    for axis, mass in ((above, track.m_halo), (below, track.m_star)):
        x, y = line(axis, "history:merger")
        assert x == pytest.approx(track.time / 1e3)
        assert y == pytest.approx(mass)
        (bridged,) = artists(axis, growth.BRIDGED)
        assert is_open(bridged)
        assert bridged.get_ydata() == pytest.approx(mass[[20, 40]])
    x, y = line(above, growth.MASS_JUMP)
    after = np.flatnonzero(track.redshift < 6.0)[0]
    assert x == pytest.approx(track.time[[after]] / 1e3)
    assert y > track.m_halo[after]
    assert {"merger", "small", "bridged (2 snapshots)", "halo mass changes by > 25 % (1 snapshots)"} == set(
        legend(figure)
    )
    assert_clear(figure)


def test_redshifts_stand_above_their_ages():
    figure = growth.growth_histories_figure({"one": grown("one", 1e11)})
    (top,) = figure.axes[0].child_axes
    figure.canvas.draw()
    ages = {
        label.get_text(): tick for label, tick in zip(top.get_xticklabels(), top.get_xticks(), strict=True)
    }
    assert {"3", "4", "6"} <= set(ages)
    for redshift, age in ages.items():
        assert age == pytest.approx(float(COSMOLOGY.age(1.0 / (1.0 + float(redshift)))) / 1e3, rel=1e-12)
    other = replace(grown("two", 1e11), cosmology=replace(COSMOLOGY, h0=70.0))
    mixed = growth.growth_histories_figure({"one": grown("one", 1e11), "two": other})
    assert not mixed.axes[0].child_axes
    assert "cosmologies differ" in mixed.axes[0].get_title()


def test_tracks_without_stars_are_arrows_and_unknown_ones_are_named():
    starless, track = grown("starless", 1e9, stars=0.0, number=12), grown("one", 1e10, number=12)
    unknown = replace(track, name="unknown", m_star=np.full(12, np.nan), has_no_stars=np.zeros(12, bool))
    figure = growth.growth_histories_figure({"starless": starless, "one": track, "tree only": unknown})
    below = figure.axes[1]
    assert line(below, relation_axes.NOT_ON_AXIS)[0] == pytest.approx(starless.time / 1e3)
    assert "no stars (12 snapshots)" in legend(figure)
    assert "stellar mass unknown: tree only" in texts(figure)
    assert "no stellar mass in the catalogues" in texts(growth.growth_histories_figure({"a": unknown}))
    assert "no stars at any snapshot" in texts(growth.growth_histories_figure({"a": starless}))


# --- stellar mass over halo mass ---


def test_medians_are_those_within_half_a_redshift():
    track = grown("one", 1e11)
    near = np.abs(track.redshift - 5.0) <= 0.5
    assert near.sum() > 5
    halo, stars = stellar_mass.median_masses(track, 5.0)
    assert halo == np.median(track.m_halo[near]) and stars == np.median(track.m_star[near])
    assert np.isnan(stellar_mass.median_masses(track, 1.0)).all()


def test_stellar_masses_of_targets_and_lines(points):
    figure = stellar_mass.stellar_halo_mass_figure({3.0: points[4.0], 6.0: points[6.0]}, COSMOLOGY)
    late, early = figure.axes[:2]
    for point_ in points[6.0][:4]:
        (symbol,) = artists(early, f"target:{point_.track.name}")
        assert (symbol.get_xdata()[0], symbol.get_ydata()[0]) == stellar_mass.median_masses(point_.track, 6.0)
        assert is_open(symbol) == (point_.run.variant != "fiducial")
    markers = [artists(early, f"target:{p.track.name}")[0].get_marker() for p in points[6.0][:4]]
    assert markers[:3] == ["o", "s", "*"] and markers[3] not in "os*"
    assert line(early, relation_axes.CENTRALS)[0].size == 40
    for share in (1.0, 0.1, 0.01):
        x, y = line(early, f"baryons:{share:g}")
        assert y == pytest.approx(share * FRACTION * x)
    x, y = line(early, stellar_mass.TABLE_3)
    law = TABLE.at(6.0)
    inside = np.isfinite(y)
    assert x[inside].max() <= 10.0**law.log_m_max < x[~inside].min()
    assert y[inside] == pytest.approx(law.stellar_mass(x[inside], FRACTION))
    x, y = line(early, f"{stellar_mass.TABLE_3}:extrapolated")
    assert y[~inside] == pytest.approx(law.stellar_mass(x[~inside], FRACTION, extrapolate=True))
    (dotted,) = artists(early, f"{stellar_mass.TABLE_3}:extrapolated")
    assert dotted.get_linestyle() == ":"
    assert "Table 3 of z = 4" in "".join(t.get_text() for t in late.texts)
    assert "Table 3 of" not in "".join(t.get_text() for t in early.texts)
    assert_clear(figure)


def test_haloes_without_stars_are_arrows_and_counted():
    starless = grown("starless", 1e9, stars=0.0)
    group = [point(RUNS[0], TARGET, starless, 6.0), point(RUNS[0], CENTRAL, grown("one", 1e10), 6.0)]
    figure = stellar_mass.stellar_halo_mass_figure({6.0: group, 8.0: group[:1], 10.0: []}, COSMOLOGY)
    first, second, third = figure.axes[:3]
    assert line(first, relation_axes.NOT_ON_AXIS)[0] == stellar_mass.median_masses(starless, 6.0)[0]
    assert "1 without stars" in first.texts[-1].get_text()
    assert "1 without stars" in second.texts[-1].get_text()
    assert "no galaxy at this redshift" in third.texts[-1].get_text().replace("\n", " ")


def test_haloes_without_a_snapshot_or_a_mass_are_told_apart():
    away, near = grown("away", 1e9, number=4), grown("near", 1e9)
    unknown = replace(near, m_star=np.full(len(near), np.nan))
    group = [EfficiencyPoint(RUNS[0], TARGET, track, None) for track in (away, unknown)]
    assert not (np.abs(away.redshift - 5.0) <= 0.5).any()
    told = texts(stellar_mass.stellar_halo_mass_figure({5.0: group}, COSMOLOGY)).replace("\n", " ")
    assert "1 without a snapshot within ± 0.5" in told and "1 without a stellar mass" in told


# --- efficiencies ---


def test_efficiencies_and_their_bars(points, fits):
    figure = efficiency.efficiencies_figure(points, fits, COSMOLOGY)
    assert [axis.get_title() for axis in figure.axes if axis.get_visible()] == [f"z = {z:g}" for z in points]
    for axis, group in zip(figure.axes, points.values(), strict=False):
        for point_ in group[:4]:
            (symbol,) = artists(axis, f"target:{point_.track.name}")
            eps, log_mass = point_.result.efficiency, point_.result.log_mass
            assert symbol.get_xdata()[0] == pytest.approx(10.0 ** float(log_mass.median))
            assert symbol.get_ydata()[0] == pytest.approx(float(eps.median))
            (bars,) = [c for c in axis.containers if c.lines[0] is symbol]
            across, along = (stem.get_segments()[0] for stem in bars.lines[2])
            assert across[:, 0] == pytest.approx(10.0 ** np.array([float(log_mass.p16), float(log_mass.p84)]))
            assert along[:, 1] == pytest.approx([max(float(eps.p16), 1e-5), float(eps.p84)])
        _, y = line(axis, relation_axes.CENTRALS)
        central = [p for p in group if p.group == CENTRAL and p.result.efficiency.median > 0]
        assert y == pytest.approx([float(p.result.efficiency.median) for p in central])
        assert (axis.get_ylim()[0] < y).all() and (y < axis.get_ylim()[1]).all()
    assert_clear(figure)


def test_own_fit_is_solid_on_its_sample_only(points, fits):
    axis = efficiency.efficiencies_figure(points, fits, COSMOLOGY).axes[1]
    masses = [float(p.result.log_mass.median) for p in points[6.0] if p.run.variant == "fiducial"]
    fit = next(f.fit for f in fits if f.redshift == 6.0 and f.fit)
    gid = f"{efficiency.OWN_FIT}:fiducial"
    x, y = line(axis, gid)
    inside = np.isfinite(y)
    assert y[inside] == pytest.approx(fit.law(x[inside]))
    assert np.log10(x[inside][0]) - min(masses) < 0.03 and max(masses) - np.log10(x[inside][-1]) < 0.03
    x, y = line(axis, f"{gid}:extrapolated")
    assert (np.isfinite(y) == ~inside).all()
    assert (
        artists(axis, gid)[0].get_linestyle()
        == "-"
        != artists(axis, f"{gid}:extrapolated")[0].get_linestyle()
    )


def test_a_variant_keeps_its_line_style_where_others_are_missing(points, fits):
    other = [replace(p, run=replace(p.run, variant="no_esf")) for p in points[6.0]]
    both = [fits[0], replace(fits[2], variant="no_esf")]
    figure = efficiency.efficiencies_figure({4.0: points[4.0], 6.0: other}, both, COSMOLOGY)
    laws = double_power_laws.double_power_laws_figure({4.0: points[4.0], 6.0: other}, both, COSMOLOGY)
    for first, second in (
        (artists(figure.axes[0], "own-fit:fiducial"), artists(figure.axes[1], "own-fit:no_esf")),
        (artists(laws.axes[0], "own-fit:4:fiducial"), artists(laws.axes[0], "own-fit:6:no_esf")),
    ):
        assert first[0].get_linestyle() == "-" != second[0].get_linestyle()


def test_models_are_converted_to_the_imf_of_the_simulations(points, fits):
    for imf, factor in (("chabrier", 0.63), (None, 1.0)):
        figure = efficiency.efficiencies_figure(points, fits, COSMOLOGY, imf)
        for name in efficiency.COMPARED:
            x, y = line(figure.axes[0], f"model:{name}")
            model = efficiency_model(name, 4.0, COSMOLOGY)
            assert y == pytest.approx((factor if name == "harikane22" else 1.0) * model(x))
        (label,) = [text for text in legend(figure) if "Harikane" in text]
        assert ("times 0.63" in label) == (imf == "chabrier") and "Salpeter" in label
    with pytest.raises(InputError, match="imf"):
        efficiency.efficiencies_figure(points, fits, COSMOLOGY, "kropua")


def test_table_3_is_dotted_beyond_its_largest_mass(points):
    axis = efficiency.efficiencies_figure({8.0: points[8.0], 9.2: points[8.0]}, [], COSMOLOGY).axes
    law = TABLE.at(8.0)
    x, y = line(axis[0], efficiency.TABLE_3)
    assert (np.isfinite(y) == (x <= 10.0**law.log_m_max)).all()
    assert y[np.isfinite(y)] == pytest.approx(law(x[np.isfinite(y)]))
    x, y = line(axis[0], f"{efficiency.TABLE_3}:extrapolated")
    assert (np.isfinite(y) == (x > 10.0**law.log_m_max)).all() and np.nanmax(y) <= 1.0
    assert "Table 3 of z = 10" in "".join(text.get_text() for text in axis[1].texts)


def made(efficiency_, name="one", run=RUNS[0], group=TARGET):
    """A point of given 16, 50, 84 % of the efficiency at 1e10 Msun."""
    found = point(run, group, grown(name, 1e11), 6.0)
    spread = replace(found.result.efficiency, p16=efficiency_[0], median=efficiency_[1], p84=efficiency_[2])
    return replace(found, result=replace(found.result, efficiency=spread))


def test_efficiencies_that_no_log_axis_has_are_arrows_and_counted():
    group = [
        made((-0.02, -0.01, 0.01), "falling"),
        made((0.0, 0.0, 0.0), "none", group=CENTRAL),
        made((np.nan,) * 3, "unknown"),
        made((-0.01, 0.01, 0.02), "half"),
    ]
    figure = efficiency.efficiencies_figure({6.0: group, 8.0: group[:2]}, [], COSMOLOGY)
    first, second = figure.axes[:2]
    assert len(artists(first, relation_axes.NOT_ON_AXIS)) == 2
    assert "2 with efficiency <= 0 (arrows)" in texts(figure).replace("\n", " ")
    assert "1 without an efficiency" in texts(figure).replace("\n", " ")
    assert not artists(first, "target:falling") and not artists(first, "target:unknown")
    (symbol,) = artists(first, "target:half")
    (bars,) = [c for c in first.containers if c.lines[0] is symbol]
    assert 0.0 < bars.lines[2][1].get_segments()[0][0, 1] < first.get_ylim()[0]
    assert "none of 2 galaxies has an efficiency above zero" in second.texts[-1].get_text().replace("\n", " ")


def test_a_missing_fit_is_told_with_its_reason_and_one_without_points_is_refused(points, fits):
    figure = efficiency.efficiencies_figure(points, fits, COSMOLOGY)
    told = [text.replace("\n", " ") for text in legend(figure)]
    assert (
        "no own fit of no_esf at z = 4, 6, 8, 10: double power law: found 1 points, expected at least 4"
        in told
    )
    for draw in (efficiency.efficiencies_figure, double_power_laws.double_power_laws_figure):
        with pytest.raises(InputError, match="points of fiducial"):
            draw({6.0: [p for p in points[6.0] if p.run.variant != "fiducial"]}, fits, COSMOLOGY)


def test_what_is_wrong_with_a_fit_is_told(points, fits):
    doubtful = [replace(fits[0], reason="too few targets")]
    figure = efficiency.efficiencies_figure({4.0: points[4.0]}, doubtful, COSMOLOGY)
    assert legend(figure)[-1].replace("\n", " ") == "own fit of fiducial at z = 4: too few targets"
    assert artists(figure.axes[0], f"{efficiency.OWN_FIT}:fiducial")


def test_laws_over_mass_and_over_velocity(points, fits):
    figure = double_power_laws.double_power_laws_figure(points, fits, COSMOLOGY)
    by_mass, by_velocity = figure.axes
    for entry in (entry for entry in fits if entry.fit):
        gid = f"{efficiency.OWN_FIT}:{entry.redshift:g}:fiducial"
        mass, eps = line(by_mass, gid)
        assert eps == pytest.approx(entry.fit.law(mass))
        masses = [
            float(p.result.log_mass.median) for p in points[entry.redshift] if p.run.variant == "fiducial"
        ]
        assert np.log10(mass[[0, -1]]) == pytest.approx([min(masses), max(masses)])
        velocity, same = line(by_velocity, gid)
        assert velocity == pytest.approx(virial_velocity(mass, entry.redshift, COSMOLOGY))
        assert (same == eps).all()
        (own,), (table,) = artists(by_mass, gid), artists(by_mass, f"{efficiency.TABLE_3}:{entry.redshift:g}")
        assert (
            own.get_linestyle() == "-"
            and table.get_linestyle() == "--"
            and own.get_color() == table.get_color()
        )
        x, y = table.get_data()
        law = TABLE.at(entry.redshift)
        assert x.max() == pytest.approx(10.0**law.log_m_max) and y == pytest.approx(law(x))
    for axis, slopes in ((by_mass, (1 / 3, 2 / 3)), (by_velocity, (1.0, 2.0))):
        guides = artists(axis, double_power_laws.SLOPE_GUIDE)
        found = [np.diff(np.log(g.get_ydata()))[0] / np.diff(np.log(g.get_xdata()))[0] for g in guides]
        assert found == pytest.approx(slopes)
    assert_clear(figure)


# --- star-forming regions ---


def test_supply_is_a_median_of_three_and_single_galaxies_of_fewer():
    sample_ = galaxies()
    figure = star_forming_region.supply_figure(sample_)
    (axis,) = figure.axes
    drawn = {gid: artists(axis, gid) for gid in (star_forming_region.NEUTRAL, star_forming_region.TOTAL)}
    assert not any(is_open(a) for a in drawn["neutral"]) and all(is_open(a) for a in drawn["total"])
    for gid, attribute in (("neutral", "supply"), ("total", "supply_total")):
        for low, high in ((-np.inf, 10.0), (10.0, 11.0), (11.0, np.inf)):
            for z in (3.0, 6.0, 10.0):
                values = [
                    getattr(g, attribute)
                    for g in sample_
                    if g.target == z and low <= np.log10(g.m_200c) < high
                ]
                if len(values) >= 3:
                    assert any(a.get_ydata() == pytest.approx([np.median(values)]) for a in drawn[gid])
                elif values:
                    assert any(np.array_equal(a.get_ydata(), values) for a in drawn[gid])
    shown = {gid: sum(a.get_marker() == "s" for a in drawn[gid]) for gid in drawn}
    assert shown["neutral"] == shown["total"] == 6
    assert "with He" in axis.get_ylabel()
    assert_clear(figure)


def test_no_galaxy_falls_out_of_the_mass_bins_and_variants_stand_apart():
    sample_ = [replace(g, m_200c=10.0 ** (6 + i)) for i, g in enumerate(galaxies()[:8])]
    figure = star_forming_region.supply_figure(sample_, (9.0,))
    values = np.concatenate([a.get_ydata() for a in artists(figure.axes[0], "neutral")])
    assert len([g for g in sample_ if g.m_200c < 1e9]) == 3 and values.size == 2  # two medians
    both = star_forming_region.supply_figure(galaxies() + galaxies("no_esf"))
    assert [axis.get_title() for axis in both.axes] == ["fiducial", "no_esf"]
    label = star_forming_region.supply_figure(galaxies(helium=False)).axes[0].get_ylabel()
    assert "H only" in label and r"<0.3\,R_{\rm vir}" in label
    some = galaxies()
    some[0] = replace(some[0], aperture=0.5)
    label = star_forming_region.supply_figure(some).axes[0].get_ylabel()
    assert r"<0.3{\rm -}0.5\,R_{\rm vir}" in label
    surface = star_forming_region.effective_surface_density_figure(galaxies(phase="molecular"))
    assert "molecular" in surface.axes[0].get_ylabel()
    with pytest.raises(InputError, match="one convention"):
        star_forming_region.supply_figure(galaxies() + galaxies(helium=False))
    with pytest.raises(InputError, match="rising"):
        star_forming_region.supply_figure(galaxies(), (11.0, 10.0))


def test_effective_surface_density_lies_on_equation_13_through_its_reference():
    exact = [
        replace(g, effective_surface_density=60.0 * float(relative_surface_density(g.m_200c, g.redshift)))
        for g in galaxies()
    ]
    figure = star_forming_region.effective_surface_density_figure(exact)
    (axis,) = figure.axes
    for z in (3.0, 6.0, 10.0):
        x, y = line(axis, f"{star_forming_region.EQUATION_13}:{z:g}")
        assert y == pytest.approx(60.0 * relative_surface_density(x, z))
        x, y = line(axis, f"{star_forming_region.GALAXIES}:{z:g}")
        assert y == pytest.approx(60.0 * relative_surface_density(x, z + 0.02))
        chosen = [g for g in exact if g.target == z]
        for symbol in artists(axis, f"{star_forming_region.MEDIANS}:{z:g}"):
            number = np.floor(np.log10(symbol.get_xdata()[0]) / 0.5)
            inside = [
                g.effective_surface_density for g in chosen if np.floor(np.log10(g.m_200c) / 0.5) == number
            ]
            assert len(inside) >= 3 and symbol.get_ydata()[0] == pytest.approx(np.median(inside))
    assert any("normalised at z = 3" in text for text in legend(figure))
    assert_clear(figure)


def test_galaxies_without_star_formation_are_counted():
    dark = [replace(g, effective_surface_density=np.nan) for g in galaxies()]
    some = star_forming_region.effective_surface_density_figure(galaxies() + dark[:4])
    assert "4 without star-forming pixels" in texts(some)
    assert "no galaxy with star-forming pixels" in texts(
        star_forming_region.effective_surface_density_figure(dark)
    )


# --- Kennicutt-Schmidt ---


def test_both_statistics_are_drawn_and_unresolved_bins_open(samples):
    figure = kennicutt_schmidt.kennicutt_schmidt_figure(samples)
    above, main = figure.axes
    medians = [a for a in artists(main, kennicutt_schmidt.MEDIAN) if a.get_linestyle() == "-"]
    filled = [a for a in artists(main, kennicutt_schmidt.MEDIAN) if a.get_marker() == "o"]
    hollow = artists(main, kennicutt_schmidt.UNRESOLVED)
    ratios = artists(main, kennicutt_schmidt.RATIO)
    for found, median, full, empty, ratio in zip(samples, medians, filled, hollow, ratios, strict=True):
        relation_ = found.relation
        middle, resolved = 10.0**relation_.log_gas_median, relation_.is_resolved
        np.testing.assert_array_equal(median.get_data(), (middle, relation_.median))
        np.testing.assert_array_equal(full.get_data(), (middle[resolved], relation_.median[resolved]))
        np.testing.assert_array_equal(empty.get_data(), (middle[~resolved], relation_.median[~resolved]))
        assert (
            not is_open(full)
            and is_open(empty)
            and resolved.any()
            and (relation_.median[~resolved] > 0).any()
        )
        known = relation_.ratio > 0.0
        np.testing.assert_array_equal(ratio.get_xdata(), relation_.mean_gas)
        assert np.asarray(ratio.get_ydata())[known] == pytest.approx(relation_.ratio[known])
        assert ratio.get_linestyle() == "--"
    assert len(artists(main, kennicutt_schmidt.BAND)) == 3
    for found, stairs in zip(samples, artists(above, kennicutt_schmidt.DISTRIBUTION), strict=True):
        assert stairs.get_data().values == pytest.approx(found.by_rate)
        assert (stairs.get_data().values * 0.1).sum() == pytest.approx(1.0)
    assert_clear(figure)


def test_lines_of_the_relation_are_where_they_should_be(samples):
    axis = kennicutt_schmidt.kennicutt_schmidt_figure(samples).axes[1]
    for momentum in (8000, 3000):
        x, y = line(axis, f"{kennicutt_schmidt.EQUILIBRIUM}:{momentum}")
        assert y == pytest.approx(star_formation_surface_density(x, momentum)) and x.max() <= 1e4
    at_100 = [np.interp(2.0, *np.log10(line(axis, f"equilibrium:{p}"))) for p in (8000, 3000)]
    assert at_100 == pytest.approx(np.log10([7.33100e-2, 0.195493]), abs=1e-6)
    for time in (0.1, 1, 10):
        x, y = line(axis, f"{kennicutt_schmidt.CONSTANT_TIME}:{time:g}")
        assert y == pytest.approx(1e-3 * x / time)
    (floor,) = artists(axis, kennicutt_schmidt.FLOOR)
    assert floor.get_y() + floor.get_height() == pytest.approx(9.09e-4)


@pytest.mark.parametrize(
    ("helium", "imf", "at_100"), [(False, "chabrier", 0.0994), (False, "salpeter", 0.1577)]
)
def test_relations_are_converted_and_the_factors_printed(helium, imf, at_100):
    found = [sample(helium=helium)]
    figure = kennicutt_schmidt.kennicutt_schmidt_figure(found, imf=imf)
    x, y = line(figure.axes[1], f"{kennicutt_schmidt.RELATION}:k98")
    assert 10.0 ** np.interp(2.0, np.log10(x), np.log10(y)) == pytest.approx(at_100, abs=5e-5)
    (label,) = [text for text in legend(figure) if "Kennicutt 1998" in text]
    assert ("rate x 0.63" in label) == (imf == "chabrier") and "gas x" not in label
    assert "H only" in figure.axes[1].get_xlabel()


def test_helium_moves_the_relation_and_not_the_data(samples):
    figure = kennicutt_schmidt.kennicutt_schmidt_figure(samples)
    x, y = line(figure.axes[1], f"{kennicutt_schmidt.RELATION}:k98")
    assert y == pytest.approx(0.63 * relation("k98")(x / 1.36))
    assert x.min() >= 1.36 * 10.0 * (1 - 1e-9)  # its own range begins at 10 without helium
    (label,) = [text for text in legend(figure) if "Kennicutt 1998" in text]
    assert "gas x 1.36" in label and "rate x 0.63" in label
    with pytest.raises(InputError, match="one phase, helium convention and tracer"):
        kennicutt_schmidt.kennicutt_schmidt_figure([*samples, sample(helium=False)])


def test_relations_with_unknown_numbers_are_named_and_not_drawn(samples):
    figure = kennicutt_schmidt.kennicutt_schmidt_figure(samples)
    axis = figure.axes[1]
    assert not artists(axis, "relation:kdr21_ms") and not artists(axis, "relation:kdr21_sb")
    assert "not drawn, zero point unknown: Kennicutt & de los Reyes 2021" in [
        t.replace("\n", " ") for t in legend(figure)
    ]
    given = relation("kdr21_ms").with_coefficients(zero=-3.5)
    known = kennicutt_schmidt.kennicutt_schmidt_figure(samples, relations=[given])
    x, y = line(known.axes[1], "relation:kdr21_ms")
    assert y == pytest.approx(0.63 / 0.67 * given(x))  # its helium is unsure: only the IMF is converted
    assert any("He unsure" in text and "rate x 0.94" in text for text in legend(known))


def test_runs_have_colours_of_their_own_and_floors_too():
    found = [
        sample("m12.6"),
        sample("m10.8", floor=1.14e-4),
        sample("m12.6", variant="no_esf", momentum=3000.0),
    ]
    figure = kennicutt_schmidt.kennicutt_schmidt_figure(found)
    axis = figure.axes[1]
    medians = [a for a in artists(axis, kennicutt_schmidt.MEDIAN) if a.get_linestyle() == "-"]
    assert len({a.get_color() for a in medians}) == 3
    assert {"m12.6, fiducial", "m10.8, fiducial", "m12.6, no_esf"} <= set(legend(figure))
    heights = [floor.get_y() + floor.get_height() for floor in artists(axis, kennicutt_schmidt.FLOOR)]
    assert heights == pytest.approx([1.14e-4, 9.09e-4])


def test_rates_of_gas_cells_have_no_floor():
    figure = kennicutt_schmidt.kennicutt_schmidt_figure([sample(floor=0.0)])
    axis = figure.axes[1]
    assert not artists(axis, kennicutt_schmidt.FLOOR) and not artists(axis, kennicutt_schmidt.UNRESOLVED)
    assert "gas cells" in axis.get_ylabel() and not any("particle" in text for text in legend(figure))


def test_pixels_without_star_formation_say_so():
    found = sample(floor=9.09e-4)
    dark = replace(found.pixels, rate=np.zeros_like(found.pixels.rate))
    empty = replace(found, pixels=dark, relation=measure_relation(dark, floor=9.09e-4))
    empty = replace(empty, by_rate=np.full_like(found.by_rate, np.nan))
    for figure in (
        kennicutt_schmidt.kennicutt_schmidt_figure([empty]),
        depletion_time.depletion_time_figure([empty], COSMOLOGY),
    ):
        assert "no pixel forms stars" in texts(figure)


def test_depletion_times(samples):
    figure = depletion_time.depletion_time_figure(samples, COSMOLOGY)
    (axis,) = figure.axes
    medians = [a for a in artists(axis, kennicutt_schmidt.MEDIAN) if a.get_linestyle() == "-"]
    for found, median, ratio in zip(samples, medians, artists(axis, kennicutt_schmidt.RATIO), strict=True):
        np.testing.assert_array_equal(median.get_ydata(), found.relation.depletion_time)
        known = found.relation.ratio > 0.0
        times = 1e-3 * found.relation.mean_gas[known] / found.relation.ratio[known]
        np.testing.assert_array_equal(median.get_xdata(), 10.0**found.relation.log_gas_median)
        assert np.asarray(ratio.get_ydata())[known] == pytest.approx(times)
    x, y = line(axis, "equilibrium:3000")
    assert 10.0 ** np.interp(2.0, np.log10(x), np.log10(y)) == pytest.approx(0.511526, rel=1e-5)
    drawn = [np.unique(a.get_ydata()) for a in artists(axis, depletion_time.HUBBLE_TIME)]
    assert np.ravel(drawn) == pytest.approx(
        [float(hubble_time(z, COSMOLOGY)) / 1e3 for z in (3.0, 6.0, 11.0)]
    )
    assert drawn[0] == pytest.approx(3.191105, abs=1e-6) and drawn[1] == pytest.approx(1.397763, abs=1e-6)
    assert_clear(figure)


# --- in situ ---


def test_in_situ_fractions_with_their_brackets():
    found = [
        born(6.0, TARGET, 10.0, 0.9, 0.8, 0.95, name="a"),
        born(6.0, CENTRAL, 9.0, 1.0, 1.0, 1.0, RUNS[2], name="b"),
        born(3.0, TARGET, 11.0, np.nan, 0.0, 1.0, RUNS[1], name="c"),
        born(3.0, TARGET, 11.5, np.nan, np.nan, np.nan, RUNS[1], "no stars", "d"),
    ]
    figure = in_situ.in_situ_figure(found)
    (axis,) = figure.axes
    (a,), (b,) = artists(axis, "galaxy:a"), artists(axis, "galaxy:b")
    assert (a.get_xdata()[0], a.get_ydata()[0]) == (1e10, 0.9) and a.get_marker() == "o" and not is_open(a)
    assert b.get_marker() == "*" and is_open(b) and b.get_color() == a.get_color()
    (bracket,) = artists(axis, "bracket:a")
    assert bracket.get_segments()[0][:, 1] == pytest.approx([0.8, 0.95])
    assert not artists(axis, "bracket:b") and not artists(axis, "galaxy:c")
    (unknown,) = artists(axis, "bracket:c")
    assert unknown.get_segments()[0][:, 1] == pytest.approx([0.0, 1.0])
    assert "2 of 4 not measured" in texts(figure)
    assert {"z = 3", "z = 6", "L4", "L8", "L16"} <= set(legend(figure))
    flagged = in_situ.in_situ_figure([replace(found[0], reason="coarse cadence")])
    assert "1 galaxies: coarse cadence" in legend(flagged)
    assert "no stars" in texts(in_situ.in_situ_figure(found[3:]))
    assert_clear(figure)


# --- UV luminosity functions ---


def test_luminosity_functions_are_shaded_where_extrapolated(curves):
    figure = uv_luminosity.uv_luminosity_figure(curves)
    first, second = figure.axes[:2]
    for axis, z in ((first, 12.0), (second, 14.0)):
        group = [curve for curve in curves if curve.redshift == z]
        for curve in group:
            x, y = line(axis, f"curve:{curve.label}")
            assert x == pytest.approx(curve.function.magnitudes) and y == pytest.approx(
                curve.function.log_phi
            )
        beyond = [c for c in group if (c.function.share_extrapolated > 0.5).any()]
        shades = artists(axis, uv_luminosity.EXTRAPOLATED)
        assert [c.label.split(",")[-1].split()[0] for c in beyond] == ["capped", "extrapolated", "own"]
        for curve, shade in zip(beyond, shades, strict=True):
            assert (np.isfinite(shade.get_ydata()) == (curve.function.share_extrapolated > 0.5)).all()
    styles = {
        c: (artists(first, f"curve:{c}")[0].get_color(), artists(first, f"curve:{c}")[0].get_linestyle())
        for c in (x.label for x in curves[:4])
    }
    assert [style for _, style in styles.values()] == ["-", "-.", "--", "-"]
    assert [colour for colour, _ in styles.values()] == ["#d62728", "#e377c2", "#2ca02c", "black"]
    assert_clear(figure)


def test_observed_points_stand_near_their_redshift_only(curves):
    figure = uv_luminosity.uv_luminosity_figure(curves)
    x, y = line(figure.axes[0], uv_luminosity.OBSERVED)
    assert x[0] == -18.25 and y[0] == -3.66 and x.size == 7
    assert not artists(figure.axes[1], uv_luminosity.OBSERVED)
    assert any("Donnan+2024" in text and "0.2 to 0.4 dex" in text for text in legend(figure))


def test_a_curve_that_hangs_on_the_smallest_mass_is_thin_and_told():
    model = UVModel(log_mass_cap=10.0)
    heavy = mass_function(12.0, np.arange(10.5, 13.0, 0.01))
    found = UVCurve("capped", 12.0, uv_luminosity_function(np.arange(-21.0, -16.0, 0.5), model, heavy))
    figure = uv_luminosity.uv_luminosity_figure([found])
    assert (found.function.share_lowest_masses > 0.5).any()
    (thin,) = artists(figure.axes[0], uv_luminosity.LOWEST_MASSES)
    assert (np.isfinite(thin.get_ydata()) == (found.function.share_lowest_masses > 0.5)).all()
    assert "hangs on the smallest halo mass (capped)" in texts(figure).replace("\n", " ")


def test_styles_follow_the_model_not_the_label(curves):
    plain = {"capped": UVModel(TABLE.at(12.0), 10.0), "higher": UVModel(TABLE.at(12.0), 12.0)}
    own = {
        "first": UVModel(replace(TABLE.at(12.0), alpha=0.3), 10.5),
        "second": UVModel(TABLE.at(6.0).__call__),
    }
    found = [
        replace(curves[0], label=label, function=replace(curves[0].function, model=model))
        for label, model in {**own, **plain, "usual": UVModel("canonical")}.items()
    ]
    colours = [colour for colour, _ in uv_luminosity.curve_styles(found)]
    assert colours == ["black", "#0072b2", "#d62728", "#e377c2", "#2ca02c"]
    several = [found[0], found[0], found[0]]
    assert len({str(style) for style in uv_luminosity.curve_styles(several)}) == 3


# --- all of them ---


def test_levels_and_runs_have_styles_of_their_own():
    markers = relation_axes.level_markers(["L16", "mine", "L4", "yours", "L8"])
    assert [markers[level] for level in ("L4", "L8", "L16")] == ["o", "s", "*"] and len(
        set(markers.values())
    ) == 5
    assert len(set(relation_axes.name_colours([str(i) for i in range(14)]).values())) == 14
    colours = relation_axes.redshift_colours([3.0, 12.0, 6.0])
    assert list(colours) == [3.0, 6.0, 12.0] and len(set(colours.values())) == 3


def test_names_are_shown_as_they_are(points):
    odd = RunLabel("_a$b$", "", "fid_$1$")
    found = [replace(p, run=odd) for p in points[6.0][:1]]
    figure = efficiency.efficiencies_figure({6.0: found}, [], COSMOLOGY)
    figure.canvas.draw()
    (shown,) = [text for text in legend(figure) if "fid" in text]
    assert shown == r" _a\$b\$, fid_\$1\$"  # escaped: drawn as dollars


@pytest.mark.parametrize(
    ("module", "name", "arguments", "reason"),
    [
        (growth, "growth_histories", ({},), "no track"),
        (stellar_mass, "stellar_halo_mass", ({}, COSMOLOGY), "no redshift was analysed"),
        (efficiency, "efficiencies", ({}, [], COSMOLOGY), "no redshift was analysed"),
        (double_power_laws, "double_power_laws", ({}, [], COSMOLOGY), "no redshift was analysed"),
        (star_forming_region, "supply", ([],), "no galaxy was mapped"),
        (star_forming_region, "effective_surface_density", ([],), "no galaxy was mapped"),
        (kennicutt_schmidt, "kennicutt_schmidt", ([],), "no galaxy was mapped"),
        (depletion_time, "depletion_time", ([], COSMOLOGY), "no galaxy was mapped"),
        (in_situ, "in_situ", ([],), "no galaxy was analysed"),
        (uv_luminosity, "uv_luminosity", ([],), "no luminosity function was computed"),
    ],
)
def test_an_empty_figure_is_written_and_says_why(module, name, arguments, reason, tmp_path):
    assert reason in texts(getattr(module, f"{name}_figure")(*arguments))
    getattr(module, f"draw_{name}")(*arguments, tmp_path / "figure.png")
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG\r\n")


def test_a_figure_that_cannot_be_written_is_an_input_error(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError):
        in_situ.draw_in_situ([], tmp_path / "file" / "in_situ.png")
