"""The packaged grid `cloudy`: against the models it was made from, those it was not, and plain physics."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from simpost.core.constants import CARBON_SOLAR, CII_A_UL, CII_PHOTON_ERG
from simpost.core.errors import InputError
from simpost.emission.grid import VARIANTS, load_grid
from simpost.emission.ionised_front import (
    CIIProfile,
    behind_front,
    cii_with_front,
    flux_behind_front,
    ionised_front,
)
from simpost.emission.lines import CII
from simpost.emission.resample import on_columns, refine, with_midpoints
from simpost.emission.slab import ionised_column
from simpost.emission.two_level import net_power

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
NEUTRAL, IONISING = (VARIANTS.index(name) for name in ("non_ionising", "ionising"))


def script(name: str):
    spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


make_cloudy_grid = script("make_cloudy_grid")


@pytest.fixture(scope="module")
def cloudy():
    return load_grid("cloudy")


@pytest.fixture(scope="module")
def models(shared_data):
    folder = shared_data / "cloudy" / "models"
    with h5py.File(folder / make_cloudy_grid.SLABS, "r") as file:
        yield file


def look_up(grid, label, variant, *coordinates):
    from scipy.interpolate import RegularGridInterpolator

    axes = [grid.nodes(name) for name in grid.axes]
    points = np.stack(np.broadcast_arrays(*coordinates), axis=-1)
    return RegularGridInterpolator(axes, grid.line(label)[variant].astype(float))(points)


class TestPackagedGrid:
    def test_says_what_it_is(self, cloudy):
        assert (cloudy.code, cloudy.version, cloudy.cmb_in_grid) == ("Cloudy", "17.02", False)
        assert cloudy.variants == VARIANTS
        assert cloudy.abundances == {"C": 2.51e-4, "O": 3.19e-4}
        assert make_cloudy_grid.TARGET.stat().st_size < 3e6
        assert any("1e22" in note for note in cloudy.notes)

    def test_covers_what_the_models_cover(self, cloudy):
        ends = {name: (axis.nodes[0], axis.nodes[-1]) for name, axis in cloudy.axes.items()}
        assert ends["log_n"] == (-1.0, 4.0)
        assert ends["log_z"] == pytest.approx((np.log10(0.03), np.log10(2.0)))
        assert ends["log_g0"] == (0.0, 4.0)
        assert ends["log_column"] == (16.0, 22.0)

    def test_flux_never_falls_with_column(self, cloudy):
        for label, table in cloudy.emission.items():
            flux = table.astype(float) + cloudy.nodes("log_column")
            assert np.diff(flux, axis=-1).min() > -1e-5, label  # float32 of 60

    def test_no_more_than_two_thirds_of_the_ions_shine(self, cloudy):
        metals = 10.0 ** cloudy.nodes("log_z")[:, None, None]
        ceiling = np.log10(CII_PHOTON_ERG * CII_A_UL * 2.0 / 3.0 * cloudy.abundances["C"] * metals)
        room = ceiling - cloudy.line(CII)
        assert room.min() > 0.0
        assert room.min() < 0.05  # pumped gas comes near: the test is not idle

    def test_the_face_is_thin(self, cloudy):
        # nothing absorbs yet; where the continuum pumps (G0 > n), its lines do
        table = cloudy.line(CII)[NEUTRAL].astype(float)
        pumped = cloudy.nodes("log_g0") > cloudy.nodes("log_n")[:, None]
        change = np.abs(table[..., 4] - table[..., 0]).max(axis=1)
        assert change[~pumped].max() < 0.03

    def test_weighted_means_are_those_of_gas(self, cloudy):
        assert cloudy.t_cii.min() > 8.0 and cloudy.t_cii.max() < 2e4
        assert cloudy.c_cii.min() > 1e-10 and cloudy.c_cii.max() < 1e-7  # C+ with H2 or H; with electrons

    def test_the_ionising_variant_starts_with_the_layer_and_ends_with_the_slab(self, cloudy):
        n_nodes, z_nodes, g_nodes = (10.0 ** cloudy.nodes(a) for a in ("log_n", "log_z", "log_g0"))
        columns = 10.0 ** cloudy.nodes("log_column")
        tested = 0
        for i, j, k in np.ndindex(n_nodes.size, z_nodes.size, g_nodes.size):
            front = ionised_front(n_nodes[i], z_nodes[j], g_nodes[k], cloudy.abundances["C"])
            within = columns < front.column
            values = 10.0 ** cloudy.line(CII)[IONISING, i, j, k, within].astype(float)
            np.testing.assert_allclose(values, front.cii_per_nucleus, rtol=3e-4)
            assert np.all(cloudy.t_cii[IONISING, i, j, k, within] == pytest.approx(1e4, rel=3e-4))
            tested += int(within.sum())
            if front.column < 1e16:
                deep = 10.0 ** cloudy.line(CII)[:, i, j, k, -1].astype(float)
                of_layer = front.cii_per_nucleus * front.column / columns[-1]
                assert deep[IONISING] == pytest.approx(deep[NEUTRAL] + of_layer, rel=1e-3)
        assert tested > 1000


class TestAgainstTheModels:
    def test_the_script_makes_the_packaged_file(self, shared_data, cloudy):
        grid = make_cloudy_grid.build(shared_data / "cloudy" / "models")
        assert grid.checksum == cloudy.checksum

    def test_every_model_of_the_block_is_in_the_grid(self, models, cloudy):
        tested = 0
        for (log_n, z, log_g0), group in make_cloudy_grid.model_groups(models, "fuv").items():
            if log_n not in make_cloudy_grid.LOG_N or log_g0 not in make_cloudy_grid.LOG_G0:
                continue
            zones, emergent = group["zones"][()].astype(float), group["cum_emergent"][()].astype(float)
            # read here on its own: columns 1 and 13 of the zones are NH and [CII], 1 of the lines [OI] 63
            edges = np.log10(zones[:, 1])
            inside = (edges > 16.0) & (edges < 22.0)
            for label, flux in ((CII, zones[:, 13]), ("OI-63um", emergent[:, 1])):
                grid = look_up(cloudy, label, NEUTRAL, log_n, np.log10(z), log_g0, edges[inside])
                # between two columns 0.125 dex apart the flux is taken as a power law
                assert np.abs(grid - (np.log10(flux) - edges)[inside]).max() < 0.02, (group.name, label)
            tested += 1
        assert tested == 150

    @pytest.mark.parametrize(
        ("label", "median", "ninety", "worst"),
        [
            (CII, 0.012, 0.035, 0.08),
            ("OI-63um", 0.03, 0.115, 0.23),
            ("OI-145um", 0.04, 0.12, 0.26),
            ("CI-609um", 0.02, 0.13, 0.21),
            ("CI-370um", 0.02, 0.13, 0.20),
        ],
    )
    def test_models_that_were_not_used_lie_near(self, models, cloudy, label, median, ninety, worst):
        columns = make_cloudy_grid.LOG_COLUMN[make_cloudy_grid.LOG_COLUMN >= 18.0]
        errors = []
        for (log_n, z, log_g0), group in make_cloudy_grid.model_groups(models, "fuv").items():
            if log_n % 1.0 == 0.5:
                slab = make_cloudy_grid.read_slab(group)
                true = np.log10(on_columns(slab.column, slab.flux[label], columns)) - columns
                errors.append(look_up(cloudy, label, NEUTRAL, log_n, np.log10(z), log_g0, columns) - true)
        assert len(errors) == 21
        errors = np.abs(errors)
        assert np.median(errors) < median
        assert np.percentile(errors, 90) < ninety
        assert errors.max() < worst

    def test_the_cubic_is_nearer_than_straight_lines(self, models):
        tables = make_cloudy_grid.model_tables(models)
        table, nodes = tables[CII], make_cloudy_grid.MODEL_NODES
        cubic, straight = [], []
        for (log_n, z, log_g0), group in make_cloudy_grid.model_groups(models, "fuv").items():
            if log_n % 1.0 != 0.5:
                continue
            slab = make_cloudy_grid.read_slab(group)
            columns = make_cloudy_grid.LOG_COLUMN
            true = np.log10(on_columns(slab.column, slab.flux[CII], columns)) - columns
            j, k = (np.flatnonzero(a == v)[0] for a, v in ((nodes[1], np.log10(z)), (nodes[2], log_g0)))
            cubic.append(refine(table, [nodes[0]], [[log_n]])[0, j, k] - true)
            i = int(np.searchsorted(nodes[0], log_n))
            straight.append(0.5 * (table[i - 1, j, k] + table[i, j, k]) - true)
        assert np.median(np.abs(cubic)) < 0.6 * np.median(np.abs(straight))

    def test_a_model_that_stopped_early_is_refused(self, models):
        class Early:
            name, attrs = "/early", {"exited_ok": True, "stop_reason": "zones", "ending": "too few zones"}

        with pytest.raises(InputError, match="stop column"):
            make_cloudy_grid.checked(Early())


class TestTwoLevelIon:
    """Both grids in the thin limit against the two-level ion of their own gas."""

    def test_slab_grid(self):
        grid = load_grid("slab")
        n, z, g0 = (10.0 ** grid.nodes(name) for name in ("log_n", "log_z", "log_g0"))
        thin = grid.nodes("log_column") <= 19.0
        power = net_power(grid.t_cii[NEUTRAL], grid.c_cii[NEUTRAL] * n[:, None, None, None])
        all_ions = np.log10(grid.abundances["C"] * z[:, None, None] * power)
        difference = (grid.line(CII)[NEUTRAL] - all_ions)[..., thin]
        assert difference.max() < 1e-3  # never more than all carbon gives
        ionised_carbon = np.broadcast_to((g0 / n[:, None] >= 1.0)[:, None, :, None], difference.shape)
        assert np.abs(difference[ionised_carbon]).max() < 0.003

    def test_cloudy_grid(self, cloudy):
        n, z, g0 = (10.0 ** cloudy.nodes(name) for name in ("log_n", "log_z", "log_g0"))
        thin = cloudy.nodes("log_column") <= 19.0
        power = net_power(cloudy.t_cii[NEUTRAL], cloudy.c_cii[NEUTRAL] * n[:, None, None, None])
        difference = cloudy.line(CII)[NEUTRAL] - np.log10(cloudy.abundances["C"] * z[:, None, None] * power)

        def part(low, high):
            ratio = np.broadcast_to((g0 / n[:, None])[:, None, :, None], difference.shape)
            return difference[..., thin][((ratio >= low) & (ratio < high))[..., thin]]

        unpumped = part(0.01, 1.0)
        assert abs(np.median(unpumped)) < 0.01
        assert np.mean(np.abs(unpumped) < 0.05) > 0.85
        assert np.median(part(1e3, np.inf)) > 1.0  # continuum pumping, which no two-level formula has

    def test_cloudy_models_zone_by_zone(self, models):
        compare = script("compare_grids")
        collisional, pumped = [], []
        for (log_n, _, log_g0), group in make_cloudy_grid.model_groups(models, "fuv").items():
            own, _, line = compare.cloudy_two_level(group)
            sums = on_columns(group["zones"][:, 1].astype(float), [own, line], [19.0])[:, 0]
            difference = np.log10(sums[1] / sums[0])
            if log_g0 <= log_n:
                collisional.append(difference)
            elif log_g0 - log_n >= 3.0:
                pumped.append(difference)
        assert abs(np.median(collisional)) < 0.01
        assert np.abs(collisional).max() < 0.07  # worst in gas of 8000 K, where the rates differ
        assert min(pumped) > 0.03


class TestIonisedFront:
    def test_layer_depends_on_the_ionising_photons_alone(self):
        twice = ionised_front(1e2, 1.0, 1e2, CARBON_SOLAR, q_ion=2e10)
        assert twice.column == ionised_column(1e2, 1.0, 2e2)
        assert twice.column > ionised_front(1e2, 1.0, 1e2, CARBON_SOLAR).column
        assert twice.g0_behind < 1e2

    def test_no_field_no_layer(self):
        front = ionised_front(1e2, 1.0, 0.0, CARBON_SOLAR)
        assert front.column == 0.0
        np.testing.assert_allclose(
            behind_front(front, [[1.0, 2.0]] * 2, [0.0, 1.0], [18.0, 19.0]), [1.0, 2.0]
        )

    def test_behind_a_thin_layer_the_slab_is_as_it_was(self):
        table = np.log10(np.outer([1.0, 3.0], [1.0, 0.9, 0.5]))
        front = ionised_front(1e6, 1.0, 1.0, CARBON_SOLAR)._replace(column=0.0, g0_behind=1.0)
        np.testing.assert_allclose(behind_front(front, table, [0.0, 1.0], [18.0, 19.0, 20.0]), table[0])

    def test_within_the_layer_the_slab_emits_nothing(self):
        front = ionised_front(1e2, 1.0, 1e3, CARBON_SOLAR)
        columns = np.array([17.0, np.log10(front.column), 22.0])
        flux = flux_behind_front(front, np.full((2, 3), -24.0), [0.0, 4.0], columns)
        np.testing.assert_allclose(flux, [0.0, 0.0, 1e-24 * (1e22 - front.column)], atol=1e-20)

    def test_makes_the_ionising_slabs_from_the_others(self):
        """On the slab grid the same step gives that grid's own ionising variant."""
        grid = load_grid("slab")
        log_g0, columns = grid.nodes("log_g0"), grid.nodes("log_column")
        differences = []
        for i, j, k in np.ndindex(17, 8, 12):
            if (i + j + k) % 7 or not (2 <= k <= 10 and j >= 3):
                continue
            n_H, z, g0 = (10.0 ** grid.nodes(a)[m] for a, m in (("log_n", i), ("log_z", j), ("log_g0", k)))
            front = ionised_front(n_H, z, g0, CARBON_SOLAR)
            behind = flux_behind_front(front, grid.line(CII)[NEUTRAL, i, j], log_g0, columns)
            made = cii_with_front(front, CIIProfile(behind, behind, behind), columns).flux
            differences.append(np.log10(made) - columns - grid.line(CII)[IONISING, i, j, k])
        assert np.abs(differences).max() < 0.06
        assert np.percentile(np.abs(differences), 95) < 0.02

    def test_against_models_with_ionising_photons(self, models):
        """The layer is too faint by 0.2 dex in front of a 40000 K black body; never by more than 0.75 dex."""
        differences = script("compare_grids").star_differences(models)[CII]
        assert differences.shape[0] == 22
        for log_column, median in ((19.0, -0.16), (20.0, -0.20), (21.0, -0.24), (22.0, -0.07)):
            values = differences[:, np.flatnonzero(log_column == make_cloudy_grid.LOG_COLUMN)[0]]
            assert np.median(values) == pytest.approx(median, abs=0.02)
            assert np.abs(values).max() < 0.75


class TestResample:
    def test_power_laws_are_exact(self):
        edges = np.logspace(15.0, 22.0, 29)
        wanted = np.linspace(16.0, 22.0, 50)
        found = on_columns(edges, [2e-24 * edges, 1e-14 * edges**0.5], wanted)
        np.testing.assert_allclose(found, [2e-24 * 10.0**wanted, 1e-14 * 10.0 ** (0.5 * wanted)], rtol=1e-12)

    def test_thin_above_the_first_edge(self):
        found = on_columns([1e18, 1e19], [3e-6, 2e-5], [16.0, 17.0])
        np.testing.assert_allclose(found, [3e-8, 3e-7])

    def test_no_emission_stays_none(self):
        np.testing.assert_array_equal(on_columns([1e16, 1e20], [0.0, 0.0], [17.0, 19.0]), [0.0, 0.0])

    def test_no_column_beyond_the_slab(self):
        with pytest.raises(InputError, match="where it stops"):
            on_columns([1e16, 1e21], [1.0, 2.0], [22.0])

    def test_edges_must_ascend(self):
        with pytest.raises(InputError, match="ascend"):
            on_columns([1e16, 1e16], [1.0, 2.0], [16.0])

    def test_passes_through_its_nodes_and_straight_lines(self):
        x, y = np.array([0.0, 1.0, 2.5, 4.0]), np.array([-1.0, 0.5, 2.0])
        table = np.random.default_rng(3).normal(size=(4, 3, 5))
        denser = refine(table, [x, y], [with_midpoints(x), with_midpoints(y)])
        np.testing.assert_allclose(denser[::2, ::2], table, atol=1e-14)
        plane = x[:, None] - 2.0 * y
        fine_x, fine_y = with_midpoints(x), with_midpoints(y)
        np.testing.assert_allclose(refine(plane, [x, y], [fine_x, fine_y]), fine_x[:, None] - 2.0 * fine_y)

    def test_makes_no_new_extremum(self):
        step = np.array([0.0, 0.0, 1.0, 1.0])
        fine = refine(step, [np.arange(4.0)], [np.linspace(0.0, 3.0, 61)])
        assert fine.min() >= 0.0 and fine.max() <= 1.0
        assert np.all(np.diff(fine) >= 0.0)

    def test_only_interpolates(self):
        with pytest.raises(InputError, match="within 0 to 1"):
            refine([1.0, 2.0], [[0.0, 1.0]], [[0.5, 1.5]])
