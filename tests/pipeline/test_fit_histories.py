"""Which haloes the analysis of a set follows, what it counts as left out, and what fails alone."""

from dataclasses import replace

import numpy as np
import pytest

from simpost.analysis.double_power_law_fit import fit_double_power_law
from simpost.config.shen2025 import EfficiencyConfig, SimulationConfig
from simpost.core.errors import InputError
from simpost.pipeline.shen2025.efficiencies import measure_efficiencies
from simpost.pipeline.shen2025.histories import Simulation, open_simulation
from simpost.snapshots.galaxies import galaxy_at
from simpost.snapshots.open import open_snapshot
from simpost.snapshots.samples import resolve_sample
from tests.trees.forests import PLANCK, forest

HISTORY = "sample:arepo-zoom-history"
COSMOLOGY = replace(PLANCK, omega_b=0.0486)
LAST = 7  # snapshots 0 to 7 every 40 Myr
OUTPUTS = {n: float(COSMOLOGY.scale_factor_of_age(600.0 + 40.0 * n)) for n in range(LAST + 1)}
TARGET_AT_5 = 1  # row of its catalogue: the subhalo of most stars, second of a group that FoF has bridged


@pytest.fixture(scope="module")
def bridged():
    """The packaged zoom, up to the snapshot at which the main target is not the first of its group."""
    folder = resolve_sample(HISTORY).parent
    paths = [str(folder / f"snap_{number:03d}.hdf5") for number in (3, 4, 5)]
    return open_simulation(SimulationConfig(name="zoom", snapshots=paths))


def toy(n_haloes=3, name="toy", **columns):
    """A run without files, row `snapshot * n_haloes + halo`: all grow alike, a hundredth of them is stars."""
    snapshot = np.repeat(np.arange(LAST + 1), n_haloes)
    descendant = np.where(snapshot < LAST, np.arange(len(snapshot)) + n_haloes, -1)
    mass = 1e9 * 1.2**snapshot * (1.0 + np.tile(np.arange(n_haloes), LAST + 1))
    known = {"m_star": 1e-2 * mass, "outputs": OUTPUTS, "cosmology": COSMOLOGY}
    wood = forest(descendant, snapshot, mass, **(known | columns))
    return Simulation(SimulationConfig(name=name, trees="toy"), wood, {})


class TestTargets:
    def test_a_target_that_is_not_first_of_its_group_is_found(self, bridged):
        (root,) = bridged.target_roots
        catalogue = bridged.catalogues[5]
        assert bridged.forest.identity[root] == TARGET_AT_5
        assert not catalogue.is_first[TARGET_AT_5]
        assert catalogue.m_200c[TARGET_AT_5] == 0.0
        snapshot = open_snapshot(bridged.paths[5])
        expected = galaxy_at(snapshot, catalogue.position[TARGET_AT_5], "target").m_200c
        assert bridged.forest.m_200c[root] == expected == pytest.approx(1.61e9, rel=0.01)
        assert bridged.centrals(5, 1e8)[0] == root

    def test_what_was_measured_is_said_of_that_track_alone(self, bridged):
        said = [note for note in bridged.notes if "measured" in note]
        assert said == [
            "main target zoom/5/1: M_200c measured around the halo itself at snapshot(s) 5, "
            "where its group's is that of another subhalo"
        ]
        notes = {root: track.notes for root, track in bridged.tracks_at(5, 1e7).items() if track is not None}
        assert len(notes) > 1
        measured = [root for root in notes if any("measured" in note for note in notes[root])]
        assert measured == bridged.target_roots

    def test_the_track_says_what_the_forest_says(self, bridged):
        (root,) = bridged.target_roots
        assert bridged.forest.is_central[root]
        track = bridged.track(root)
        assert not np.any(track.is_satellite | track.is_bridged)

    def test_it_is_measured_once(self, bridged, monkeypatch):
        _ = bridged.target_roots
        before = bridged.forest

        def never(*_):
            raise AssertionError("measured again")

        monkeypatch.setattr("simpost.pipeline.shen2025.histories.with_measured_masses", never)
        bridged.centrals(5, 1e8)
        bridged.tracks_at(5, 1e8)
        assert bridged.forest is before

    def test_contaminated_giants_do_not_hide_it(self, bridged, monkeypatch):
        """Haloes of low resolution are heavier than anything a zoom is about; they set no limit."""
        (root,) = bridged.target_roots
        fresh = open_simulation(bridged.config)
        giant = fresh.forest.row_of(5, int(fresh.forest.identity[fresh.centrals(5, 1e7)[-1]]))
        m_200c = fresh.forest.m_200c.copy()
        m_200c[root], m_200c[giant] = np.nan, 1e13
        fresh = Simulation(
            fresh.config, replace(fresh.forest, m_200c=m_200c, measured=frozenset()), fresh.paths
        )
        clean = Simulation.is_clean
        monkeypatch.setattr(Simulation, "is_clean", lambda self, row: row != giant and clean(self, row))
        assert fresh.target_roots == [root]

    def test_no_target_wanted(self):
        simulation = toy()
        simulation.config = simulation.config.model_copy(update={"targets": 0})
        assert simulation.target_roots == []
        assert simulation.notes == []


class TestNearest:
    def test_one_rule_in_redshift(self):
        """z = 6.80 is nearer to 7 in redshift, z = 7.21 in age."""
        late, early = 1 / 7.80, 1 / 8.21
        simulation = toy(outputs={n: 0.05 + 0.01 * n for n in range(6)} | {6: early, 7: late})
        age = {a: float(COSMOLOGY.age(a)) for a in (early, 1 / 8, late)}
        assert age[late] - age[1 / 8] > age[1 / 8] - age[early]
        assert simulation.nearest(7.0) == simulation.standing_for(7.0, simulation.forest.outputs) == 7
        assert simulation.nearest(7.0, [0, 6]) == simulation.standing_for(7.0, [0, 6]) == 6
        assert simulation.standing_for(7.0, [0]) is None
        assert simulation.standing_for(7.0, []) is None


class TestLeftOut:
    OPTIONS = EfficiencyConfig(redshifts=[7.0], least_mass="1e8 Msun")
    AT = 4  # the snapshot nearest to it

    def test_a_tree_without_a_mass_is_counted(self):
        whole = toy(5)
        m_200c = whole.forest.mass.copy()
        m_200c[[5 * (self.AT - 1) + 1, 5 * self.AT + 1]] = np.nan  # of the second halo there and before
        m_200c[5 * self.AT + 2] = np.nan  # of the third there only: bridged, and measured
        m_200c[4] = np.nan  # of the last, long before
        simulation = toy(5, m_200c=m_200c)
        assert simulation.nearest(7.0) == self.AT
        found = measure_efficiencies([simulation], self.OPTIONS)
        names = {point.track.name for point in found.points[7.0]}
        assert names == {f"toy/7/{35 + halo}" for halo in (0, 2, 3, 4)}
        assert [note for note in found.notes if "M_200c" in note] == [
            f"toy, z = 7: 1 haloes without M_200c left out (z = {simulation.redshift(self.AT):.2f})"
        ]
        assert not any("M_200c" in note for note in measure_efficiencies([whole], self.OPTIONS).notes)

    def test_a_target_without_a_mass_is_noted(self):
        m_200c = toy().forest.mass.copy()
        m_200c[23] = np.nan  # the most massive of the last snapshot
        simulation = toy(m_200c=m_200c)
        assert simulation.target_roots == [22]
        assert simulation.notes == [
            "centrals of the last snapshot without M_200c, not taken for main targets: 1"
        ]

    def test_below_the_least_mass_nothing_is_counted(self):
        m_200c = toy().forest.mass.copy()
        m_200c[3:] = np.nan
        options = EfficiencyConfig(redshifts=[7.0], least_mass="1e12 Msun")
        assert measure_efficiencies([toy(m_200c=m_200c)], options).notes == []


class TestFailures:
    OPTIONS = EfficiencyConfig(redshifts=[6.9, 7.0], least_mass="1e8 Msun")

    def test_one_bad_galaxy_is_a_line_and_the_others_are_whole(self):
        m_star = toy(4).forest.m_star.copy()
        m_star[13] = -1e5
        found = measure_efficiencies([toy(4, m_star=m_star)], self.OPTIONS)
        whole = measure_efficiencies([toy(4)], self.OPTIONS)
        (line,) = found.failures
        assert line.startswith("efficiency of toy/7/29, z = 6.9, 7: ")
        assert "M_*" in line or "stellar" in line, line
        for redshift, points in whole.points.items():
            medians = {point.track.name: point.result.efficiency.median for point in points}
            assert medians.pop("toy/7/29") > 0.0
            assert {p.track.name: p.result.efficiency.median for p in found.points[redshift]} == medians
        assert whole.failures == []

    def test_one_bad_run_is_a_line_and_the_others_are_whole(self, monkeypatch):
        bad, good = toy(name="bad"), toy(name="good")

        def broken(number, least_mass):
            raise InputError("snap_002.hdf5", "a damaged file", "a whole one")

        monkeypatch.setattr(bad, "tracks_at", broken)
        found = measure_efficiencies([bad, good], self.OPTIONS)
        assert found.failures == [
            "efficiency of bad, z = 6.9, 7: snap_002.hdf5: found a damaged file, expected a whole one"
        ]
        assert {point.run.name for points in found.points.values() for point in points} == {"good"}
        assert [len(points) for points in found.points.values()] == [3, 3]


class TestSmallSamples:
    """Resamples of few galaxies may be one galaxy n times: no slope, and no overflow (warnings are errors)."""

    @pytest.mark.parametrize("loss", ["linear", "soft_l1"])
    @pytest.mark.parametrize(("n", "seed"), [(5, 5), (6, 38)])
    def test_resamples_of_one_galaxy(self, n, seed, loss):
        draw = np.random.default_rng(seed)
        log_mass = draw.uniform(8.0, 11.5, n)
        log_efficiency = -2.0 + 0.5 * (log_mass - 10.0) + draw.normal(0.0, 0.3, n)
        fit = fit_double_power_law(
            log_mass, 10.0**log_efficiency, loss=loss, n_bootstrap=450, seed=seed, fixed_log_m0=9.5
        )
        assert np.all(np.isfinite(fit.log_efficiency))
        assert np.all(np.isfinite(fit.bootstrap.log_efficiency.median))
