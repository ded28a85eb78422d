"""Growth histories of known truth: their trees, tracks, efficiencies and fits, and the analysis of a set of runs."""

from __future__ import annotations

import json
from dataclasses import replace

import h5py
import numpy as np
import pytest
from click.testing import CliRunner

from simpost.analysis import shen2025
from simpost.analysis.double_power_law import DoublePowerLaw
from simpost.analysis.double_power_law_fit import REPORTED_LOG_MASS, fit_double_power_law
from simpost.analysis.efficiency import halo_efficiency
from simpost.analysis.halo import baryon_fraction
from simpost.cli.main import simpost
from simpost.config.shen2025 import (
    CosmologyConfig,
    DoublePowerLawConfig,
    EfficiencyConfig,
    SimulationConfig,
)
from simpost.core import constants as c
from simpost.core.cosmology import Cosmology
from simpost.core.errors import InputError
from simpost.pipeline.shen2025.efficiencies import fit_efficiencies, measure_efficiencies
from simpost.pipeline.shen2025.histories import open_simulation
from simpost.snapshots.synthetic.history import HistorySet, TrueEfficiency, write_histories
from simpost.trees.forest import tracks_of
from simpost.trees.open import open_forest

SHEN = shen2025.cosmology()
F_B = baryon_fraction(SHEN)
SINGLE = 3e-7  # relative rounding of the single-precision columns
PRINTED = {
    (6.0, "half"): (41, 3.778281e-2, 4.768473e-2, 5.704923e-2, 10.99230),
    (6.0, "full"): (14, 4.488045e-2, 4.803882e-2, 5.113959e-2, 11.00092),
    (8.0, "half"): (29, 1.832647e-2, 2.550579e-2, 3.278517e-2, 10.29768),
    (8.0, "full"): (10, 2.355367e-2, 2.588811e-2, 2.823019e-2, 10.31383),
}


def law_of(redshift):
    return shen2025.efficiency_evolution().at(redshift)


def truth_of(law):
    return TrueEfficiency(law.log_eps0, law.log_m0, law.alpha, law.beta)


def histories(**changes):
    """The z = 6 row of Table 3 at all times."""
    settings = {"count": 40, "missing": 6, "merging": 6, "falling": 6, "seed": 3} | changes
    return HistorySet(truth_of(law_of(6)), SHEN, **settings)


def age(redshift):
    return float(SHEN.age(1.0 / (1.0 + redshift)))


def efficiency_of(track, redshift, **options):
    return halo_efficiency(
        track.name, track.time, track.m_halo, track.m_star, redshift, SHEN,
        is_bridged=track.is_bridged, **options,
    )  # fmt: skip


@pytest.fixture(scope="module")
def truth():
    return histories()


@pytest.fixture(scope="module")
def path(truth, tmp_path_factory):
    return write_histories(truth, tmp_path_factory.mktemp("histories") / "set")


@pytest.fixture(scope="module")
def forest(path):
    return open_forest(path, SHEN)


@pytest.fixture(scope="module")
def tracks(truth, forest):
    """Of every halo of the last snapshot, in the order of the truth."""
    pieces = [tracks_of(forest, int(root)) for root in forest.roots()]
    assert [len(piece) for piece in pieces] == [1] * truth.count
    return [piece[0] for piece in pieces]


def peculiar(truth, tracks, name):
    found = [(h, t) for h, t in zip(truth.haloes, tracks, strict=True) if getattr(h, name) is not None]
    assert len(found) == 6
    return found


class TestTruth:
    @pytest.mark.parametrize("redshift", [4, 5, 6, 7, 8, 14])
    def test_the_quadrature_is_the_closed_form_of_shen_eq_2(self, redshift):
        law, mass = law_of(redshift), np.logspace(5, 12.5, 31)
        own = truth_of(law)
        np.testing.assert_allclose(own(mass), 10.0 ** law.log_efficiency(np.log10(mass)), rtol=1e-12)
        free = DoublePowerLaw(law.log_eps0, law.log_m0, law.alpha, law.beta)
        np.testing.assert_allclose(own.integral(mass), free.stellar_mass(mass, 1.0), rtol=1e-10)

    def test_haloes_grow_exponentially_in_redshift_to_their_last_mass(self):
        truth = histories(missing=0, merging=0, falling=0, growth_scatter=0.0, log_mass=(9.0, 11.0))
        z = truth.snapshot_redshifts
        assert np.all(np.diff(z) < 0.0)
        for halo, log_mass in zip(truth.haloes, np.linspace(11.0, 9.0, 40), strict=True):
            expected = 10.0**log_mass * np.exp(-0.79 * (z - 4.5))
            np.testing.assert_allclose(truth.halo_mass(halo), expected, rtol=1e-12)

    def test_snapshots_are_equally_spaced_in_time_and_end_at_the_last_redshift(self, truth):
        np.testing.assert_allclose(np.diff(truth.ages), 10.0, rtol=1e-12)
        np.testing.assert_allclose(SHEN.age(1.0 / (1.0 + truth.snapshot_redshifts)), truth.ages, rtol=1e-12)
        assert truth.snapshot_redshifts[-1] == 4.5
        assert 0.0 <= truth.ages[0] - age(12.0) < 10.0

    def test_scatter_is_log_normal_about_the_law(self):
        truth = histories(count=4000, missing=0, merging=0, falling=0)
        factor = np.log10([halo.efficiency_factor for halo in truth.haloes])
        growth = np.log10([halo.growth / 0.79 for halo in truth.haloes])
        for found, width in ((factor, 0.25), (growth, 0.1)):
            error = width / np.sqrt(4000)
            assert abs(found.mean()) < 4.0 * error
            assert abs(found.std() - width) < 4.0 * error / np.sqrt(2.0)
        assert abs(np.corrcoef(factor, growth)[0, 1]) < 4.0 / np.sqrt(4000)

    def test_events_come_on_top_of_the_same_haloes(self, truth):
        calm = histories(missing=0, merging=0, falling=0)
        for halo, same in zip(truth.haloes, calm.haloes, strict=True):
            assert (halo.growth, halo.efficiency_factor) == (same.growth, same.efficiency_factor)
            events = (halo.missing_from, halo.infall, halo.turns_at)
            assert sum(event is not None for event in events) <= 1
            assert (same.missing_from, same.infall, same.turns_at) == (None, None, None)

    def test_equal_seeds_give_equal_histories(self, truth):
        assert histories().truth() == truth.truth()
        assert histories(seed=4).haloes[0].growth != truth.haloes[0].growth


class TestFile:
    def test_links_make_whole_trees(self, path, truth):
        with h5py.File(path) as file:
            assert int(file["Header"].attrs["NtreesPerFile"]) == truth.count
            for number, length in enumerate(file["Header/TreeNHalos"]):
                group = {name: np.asarray(values) for name, values in file[f"Tree{number}"].items()}
                assert {len(values) for values in group.values()} == {int(length)}
                check_tree(group)

    def test_haloes_are_numbered_as_in_catalogues(self, path):
        with h5py.File(path) as file:
            columns = {
                name: np.concatenate([file[f"Tree{i}/{name}"][:] for i in range(len(file) - 1)])
                for name in ("SnapNum", "SubhaloNumber", "SubhaloGrNr", "Group_M_Crit200")
            }
            totals = file["Header/TotNsubhalos"][:]
        for snapshot, total in enumerate(totals):
            chosen = columns["SnapNum"] == snapshot
            order = np.argsort(columns["SubhaloNumber"][chosen])
            np.testing.assert_array_equal(columns["SubhaloNumber"][chosen][order], np.arange(total))
            group, mass = columns["SubhaloGrNr"][chosen][order], columns["Group_M_Crit200"][chosen][order]
            assert set(np.diff(group)) <= {0, 1}
            assert group[0] == 0
            np.testing.assert_array_equal(mass[1:] == 0.0, np.diff(group) == 0)
            assert np.all(np.diff(mass[mass > 0.0]) <= 0.0)

    def test_ytree_follows_the_same_branches(self, path, truth):
        """An independent reader of the format, which takes its unit of mass for 1e10 solar masses."""
        ytree = pytest.importorskip("ytree")
        arbor = ytree.load(
            str(path), hubble_constant=0.6774, box_size=64.7, omega_matter=0.3089, omega_lambda=0.6911
        )
        assert arbor.size == truth.count
        arbor.set_selector("max_field_value", "Group_M_Crit200")
        for halo, tree in zip(truth.haloes, arbor, strict=True):
            mass = np.asarray(tree["prog", "Group_M_Crit200"].to("Msun"))[::-1]
            snapshot = np.asarray(tree["prog", "SnapNum"]).astype(int)[::-1]
            expected = truth.halo_mass(halo)[snapshot] * c.M_SUN / 1.989e33
            np.testing.assert_allclose(mass, expected, rtol=SINGLE)

    def test_truth_lies_beside_the_trees(self, path, truth):
        stored = json.loads(path.with_name("truth.json").read_text())
        assert stored == json.loads(json.dumps(truth.truth()))
        assert stored["haloes"][5]["efficiency_factor"] == truth.haloes[5].efficiency_factor
        again = HistorySet(
            TrueEfficiency(**stored["efficiency"]), Cosmology(**stored["cosmology"]),
            **{key: stored[key] for key in ("count", "missing", "merging", "falling", "seed")},
        )  # fmt: skip
        assert again.truth() == truth.truth()

    def test_a_folder_with_content_is_refused(self, truth, path):
        before = path.read_bytes()
        with pytest.raises(InputError, match="folder with content"):
            write_histories(truth, path.parent)
        assert path.read_bytes() == before


def check_tree(group):
    """Every link of a tree leads where the format says, and every row is reached once."""
    n = len(group["SnapNum"])
    for row in range(n):
        progenitors = chain(group, group["FirstProgenitor"][row], "NextProgenitor")
        assert progenitors == sorted(np.flatnonzero(group["Descendant"] == row))
        assert np.all(group["SnapNum"][progenitors] < group["SnapNum"][row])
        first = group["FirstHaloInFOFGroup"][row]
        members = chain(group, first, "NextHaloInFOFGroup")
        assert members == list(np.flatnonzero(group["FirstHaloInFOFGroup"] == first))
        assert len(set(group["SnapNum"][members])) == 1
        assert (group["Group_M_Crit200"][row] > 0.0) == (first == row)
    assert list(np.flatnonzero(group["Descendant"] == -1)) == [0]


def chain(group, row, link):
    found = []
    while row != -1:
        found.append(int(row))
        row = group[link][row]
    return found


class TestTracks:
    def test_tracks_are_the_truth(self, truth, tracks):
        for halo, track in zip(truth.haloes, tracks, strict=True):
            mass = truth.halo_mass(halo)
            there = ~track.is_bridged
            stars = truth.stellar_mass(mass, halo.efficiency_factor)
            np.testing.assert_allclose(track.time, truth.ages, rtol=1e-12)
            np.testing.assert_allclose(track.m_halo[there], mass[there], rtol=SINGLE)
            np.testing.assert_allclose(track.m_star[there], stars[there], rtol=SINGLE)
            assert not np.any(track.is_satellite)

    def test_rates_are_the_growth_of_the_stars(self, truth, tracks):
        """Inner snapshots of calm haloes: central differences over 20 Myr are right to a per cent at z < 9."""
        calm = [
            track
            for halo, track in zip(truth.haloes, tracks, strict=True)
            if (halo.missing_from, halo.infall, halo.turns_at) == (None, None, None)
        ]
        assert len(calm) == 22
        for track in calm:
            late = (track.redshift < 9.0) & (np.arange(len(track)) < len(track) - 1)
            rate = np.gradient(track.m_star, track.time) * 1e-6
            np.testing.assert_allclose(track.sfr[late], rate[late], rtol=1e-2)

    def test_a_lost_snapshot_is_bridged_and_flagged(self, truth, tracks):
        for halo, track in peculiar(truth, tracks, "missing_from"):
            assert list(np.flatnonzero(track.is_bridged)) == [halo.missing_from]
            assert track.row[halo.missing_from] == -1
            assert any(f"interpolated at snapshot(s) {halo.missing_from}" in note for note in track.notes)
            mass = truth.halo_mass(halo)
            assert track.m_halo[halo.missing_from] == pytest.approx(mass[halo.missing_from], rel=2e-2)

    def test_only_what_is_lost_is_bridged(self, truth, tracks):
        for halo, track in zip(truth.haloes, tracks, strict=True):
            assert np.count_nonzero(track.is_bridged) == (halo.missing_from is not None)

    def test_a_merger_is_a_jump_of_the_mass(self, truth, tracks):
        """At z < 10; before, the smooth growth of 10 Myr reaches 25 % in the fastest haloes."""
        for halo, track in zip(truth.haloes, tracks, strict=True):
            late = np.flatnonzero(track.mass_jump & (track.redshift < 10.0))
            expected = [] if halo.infall is None or track.redshift[halo.infall] >= 10.0 else [halo.infall]
            assert list(late) == expected

    def test_falling_mass_is_flagged_from_the_turn(self, truth, tracks):
        for halo, track in zip(truth.haloes, tracks, strict=True):
            first = len(track) if halo.turns_at is None else halo.turns_at + 1
            np.testing.assert_array_equal(track.mass_falls, np.arange(len(track)) >= first)

    def test_a_halo_that_fell_in_has_a_track_until_it_is_a_satellite(self, truth, forest):
        ends = np.flatnonzero(
            ~forest.is_central & (forest.main_progenitor[forest.descendant] != np.arange(len(forest)))
        )
        infalls = sorted(h.infall for h in truth.haloes if h.infall is not None)
        assert sorted(forest.snapshot[ends] - 2) == infalls
        for end in ends:
            (track,) = tracks_of(forest, int(end))
            infall = int(forest.snapshot[end]) - 2
            assert track.snapshot[-1] == infall - 1
            assert any("3 snapshots without a halo mass dropped" in note for note in track.notes)
            host = [h for h in truth.haloes if h.infall == infall]
            masses = [truth.companion_mass(halo)[:infall] for halo in host]
            assert any(np.allclose(track.m_halo, mass, rtol=SINGLE) for mass in masses)

    def test_a_longer_gap_splits_the_track(self, tmp_path):
        truth = histories(gap=2, merging=0, falling=0)
        forest = open_forest(write_histories(truth, tmp_path / "gap"), SHEN)
        for halo, root in zip(truth.haloes, forest.roots(), strict=True):
            pieces = tracks_of(forest, int(root))
            if halo.missing_from is None:
                assert len(pieces) == 1
            else:
                late, early = pieces
                assert late.snapshot[0] == halo.missing_from + 2
                assert early.snapshot[-1] == halo.missing_from - 1
                assert not np.any(late.is_bridged)


class TestEfficiency:
    @pytest.mark.parametrize(("case", "printed"), PRINTED.items(), ids=str)
    def test_track_of_the_specification_through_a_file(self, case, printed, tmp_path):
        """1e11 Msun at z = 6 grows with 0.79 by the z = 6 row, snapshots at t_0 + k 10 Myr."""
        redshift, window = case
        last = float(1.0 / SHEN.scale_factor_of_age(age(redshift) + 400.0) - 1.0)
        log_mass = 11.0 - 0.79 * (last - 6.0) / np.log(10.0)
        truth = HistorySet(
            truth_of(law_of(6)), SHEN, count=1, log_mass=(log_mass, log_mass), redshifts=(17.0, last),
            growth_scatter=0.0, efficiency_scatter=0.0,
        )  # fmt: skip
        forest = open_forest(write_histories(truth, tmp_path / "one"), SHEN)
        (track,) = tracks_of(forest, 0)
        result = efficiency_of(track, redshift, window=window)
        n, *percentiles, log_mass = printed
        assert result.n_segments == n
        found = result.efficiency
        # interpolation between snapshots changes the fifth digit
        np.testing.assert_allclose([found.p16, found.median, found.p84], percentiles, rtol=3e-5)
        assert result.log_mass.median == pytest.approx(log_mass, abs=2e-5)

    def test_every_segment_is_that_of_the_law(self, truth, tracks):
        """Mean of eps between the two masses, times the factor of the galaxy."""
        for halo, track in zip(truth.haloes, tracks, strict=True):
            segments = efficiency_of(track, 6.0).segments
            start, end = segments.halo_start, segments.halo_end
            clean = ~segments.has_jump & ~segments.has_bridge & ~segments.is_censored
            if halo.turns_at is not None:  # the pchip of the turn is rounder than the truth
                clean &= segments.end <= truth.ages[halo.turns_at]
            mean = (truth.efficiency.integral(end) - truth.efficiency.integral(start)) / (end - start)
            expected = halo.efficiency_factor * mean
            np.testing.assert_allclose(segments.efficiency[clean], expected[clean], rtol=2e-4)

    def test_medians_are_the_law_times_the_factor(self, truth, tracks):
        """At the geometric mean mass; the average over a dynamical time of growth lies a few per cent above."""
        law, above = law_of(6), []
        for halo, track in zip(truth.haloes, tracks, strict=True):
            if halo.turns_at is None and halo.infall is None:
                result = efficiency_of(track, 6.0)
                mass = 10.0**result.log_mass.median
                growth = np.sqrt(np.median(result.segments.halo_end / result.segments.halo_start))
                span = np.array([mass / growth, mass * growth])
                mean = np.diff(truth.efficiency.integral(span))[0] / np.diff(span)[0]
                assert result.efficiency.median == pytest.approx(halo.efficiency_factor * mean, rel=5e-3)
                above.append(mean / 10.0 ** law.log_efficiency(result.log_mass.median))
        assert min(above) > 1.0
        assert max(above) < 1.05

    def test_segments_on_a_lost_snapshot_are_flagged(self, truth, tracks):
        n = 0
        for halo, track in peculiar(truth, tracks, "missing_from"):
            segments = efficiency_of(track, 6.0).segments
            time, lost = truth.ages, halo.missing_from
            touched = (segments.start < time[lost + 1] - 1e-6) & (segments.end > time[lost - 1] + 1e-6)
            np.testing.assert_array_equal(segments.has_bridge, touched)
            n += np.count_nonzero(touched)
        assert n > 20

    def test_segments_over_a_merger_are_flagged(self, truth, tracks):
        n = 0
        for halo, track in peculiar(truth, tracks, "infall"):
            segments = efficiency_of(track, 6.0).segments
            time, at = truth.ages, halo.infall
            touched = (segments.start < time[at] - 1e-6) & (segments.end > time[at - 1] + 1e-6)
            np.testing.assert_array_equal(segments.has_jump, touched)
            n += np.count_nonzero(touched)
        assert n > 20

    def test_segments_without_growth_are_censored_and_counted(self, truth, tracks):
        """M = M_peak exp(-r |z - z_turn|): a segment grows if its end is nearer to the turn than its start."""
        reasons = set()
        for halo, track in peculiar(truth, tracks, "turns_at"):
            result = efficiency_of(track, 6.0)
            turn = truth.snapshot_redshifts[halo.turns_at]
            segments = result.segments
            z_start, z_end = (1.0 / SHEN.scale_factor_of_age(t) - 1.0 for t in (segments.start, segments.end))
            grows = np.abs(z_end - turn) < np.abs(z_start - turn)
            assert result.n_censored == np.count_nonzero(~grows)
            np.testing.assert_array_equal(segments.is_censored, ~grows)
            too_many = 2 * result.n_censored > result.n_segments
            assert np.isnan(result.efficiency.median) == too_many
            assert ("does not grow" in result.reason) == too_many
            reasons.add(too_many)
        assert reasons == {True, False}

    def test_stars_stay_when_the_halo_shrinks(self, truth, tracks):
        for halo, track in peculiar(truth, tracks, "turns_at"):
            after = track.m_star[halo.turns_at :]
            np.testing.assert_array_equal(after, after[0])
            assert np.all(track.sfr[halo.turns_at + 1 :] == 0.0)
            assert efficiency_of(track, 6.0).n_negative == 0


def measured(truth, redshift):
    """log M and efficiency of every halo, from what the file holds to single precision."""
    points = [
        halo_efficiency(
            "halo", truth.ages, mass := truth.halo_mass(halo),
            truth.stellar_mass(mass, halo.efficiency_factor), redshift, SHEN,
        )
        for halo in truth.haloes
    ]  # fmt: skip
    return np.array([(float(p.log_mass.median), float(p.efficiency.median)) for p in points]).T


@pytest.fixture(scope="module", params=[4, 6], ids=["Table 3 z=4", "Table 3 z=6"])
def recovered(request):
    """Fits with M0 fixed to 40 sets of 150 galaxies that follow one row of Table 3.

    Four sets of haloes, each with ten draws of factors: an efficiency is proportional to its factor.
    """
    law = law_of(request.param)
    truth = HistorySet(truth_of(law), SHEN, count=150, redshifts=(8.2, 4.8), efficiency_scatter=0.0)
    fits = []
    for haloes in range(4):
        log_mass, efficiency = measured(replace(truth, seed=haloes), 6.0)
        for seed in range(10 * haloes, 10 * haloes + 10):
            drawn = replace(truth, efficiency_scatter=0.25, seed=100 + seed).haloes
            factor = np.array([halo.efficiency_factor for halo in drawn])
            fits.append(
                fit_double_power_law(
                    log_mass, factor * efficiency, fixed_log_m0=law.log_m0, collapse=False, n_bootstrap=100,
                    seed=seed,
                )
            )  # fmt: skip
    return law, fits


class TestFit:
    def test_slopes_are_recovered_on_the_mean(self, recovered):
        law, fits = recovered
        slopes = np.array([(fit.law.alpha, fit.law.beta) for fit in fits])
        np.testing.assert_allclose(slopes.mean(axis=0), (law.alpha, law.beta), atol=0.05)

    def test_scatter_between_galaxies_is_recovered(self, recovered):
        _, fits = recovered
        assert np.mean([fit.scatter for fit in fits]) == pytest.approx(0.25, abs=0.01)

    def test_efficiencies_at_fixed_masses_lie_within_their_errors(self, recovered):
        """Pulls of 40 sets at three masses have unit width, to 4 of its standard errors."""
        law, fits = recovered
        expected = law.log_efficiency(REPORTED_LOG_MASS)
        spread = [fit.bootstrap.log_efficiency for fit in fits]
        pulls = np.array(
            [
                (f.log_efficiency - expected) / (0.5 * (s.p84 - s.p16))
                for f, s in zip(fits, spread, strict=True)
            ]
        )
        assert pulls.shape == (40, 3)
        assert np.all(np.abs(pulls) < 4.0)
        width = np.sqrt(np.mean(pulls**2, axis=0))
        np.testing.assert_allclose(width, 1.0, atol=4.0 / np.sqrt(2.0 * 40))
        bias = np.mean([f.log_efficiency for f in fits], axis=0) - expected
        assert np.all(np.abs(bias) < 0.015)

    def test_without_scatter_nothing_is_left_but_the_average_over_segments(self):
        law = law_of(6)
        truth = HistorySet(truth_of(law), SHEN, count=60, efficiency_scatter=0.0, redshifts=(8.2, 4.8))
        fit = fit_double_power_law(
            *measured(truth, 6.0), fixed_log_m0=law.log_m0, collapse=False, n_bootstrap=0
        )
        assert fit.law.alpha == pytest.approx(law.alpha, abs=0.01)
        assert fit.law.beta == pytest.approx(law.beta, abs=0.01)
        assert fit.scatter < 0.005
        np.testing.assert_allclose(fit.log_efficiency, law.log_efficiency(REPORTED_LOG_MASS), atol=0.01)


ZOOMS = {"heavy": (10.8, 11.8), "middle": (9.6, 10.8), "light": (8.4, 9.6)}
REDSHIFTS = [6.0, 8.0]


def simulation_of(name, truth, folder, **settings):
    trees = write_histories(truth, folder / name)
    stated = {key: getattr(SHEN, key) for key in ("h0", "omega_m", "omega_lambda", "omega_b")}
    config = SimulationConfig(name=name, trees=str(trees), cosmology=CosmologyConfig(**stated), **settings)
    return open_simulation(config)


@pytest.fixture(scope="module")
def sets():
    return {
        name: histories(
            count=60, missing=5, merging=5, falling=5, log_mass=log_mass, seed=seed, mass_ratio=0.3
        )
        for seed, (name, log_mass) in enumerate(ZOOMS.items())
    }


@pytest.fixture(scope="module")
def simulations(sets, tmp_path_factory):
    folder = tmp_path_factory.mktemp("zooms")
    return [simulation_of(name, truth, folder, targets=5) for name, truth in sets.items()]


@pytest.fixture(scope="module")
def found(simulations):
    options = EfficiencyConfig(redshifts=REDSHIFTS, least_mass="1e5 Msun")
    return measure_efficiencies(simulations, options)


class TestSetOfRuns:
    """Three runs of one law, five main targets each, as the configuration of the analysis takes them."""

    def test_runs_say_what_they_lack(self, simulations):
        for simulation in simulations:
            assert any("contamination not checked" in note for note in simulation.notes)
            assert any("units not stated" in note for note in simulation.notes)

    @pytest.mark.parametrize("redshift", REDSHIFTS)
    def test_every_central_is_measured_once(self, redshift, found, sets, simulations):
        """Those of the last snapshot, and those that fall into them later."""
        points = found.points[redshift]
        names = [point.track.name for point in points]
        assert len(set(names)) == len(names)
        for (name, truth), simulation in zip(sets.items(), simulations, strict=True):
            number = simulation.nearest(redshift)
            away = np.abs(truth.snapshot_redshifts - redshift)
            assert away[number] == away.min()
            own = [point for point in points if point.run.name == name]
            roots = {
                int(p.track.name.split("/")[2]) for p in own if f"/{len(truth.ages) - 1}/" in p.track.name
            }
            assert roots >= {i for i, halo in enumerate(truth.haloes) if halo.missing_from != number}
            companions = sum(halo.infall is not None and halo.infall > number for halo in truth.haloes)
            assert len(own) == len(roots) + companions
            assert sum(point.group == "target" for point in own) == 5

    def test_main_targets_are_the_heaviest_of_the_last_snapshot(self, found):
        for redshift in REDSHIFTS:
            targets = {point.track.name for point in found.points[redshift] if point.group == "target"}
            assert targets == {f"{name}/97/{i}" for name in ZOOMS for i in range(5)}

    def test_flags_are_counted_galaxy_by_galaxy(self, found, sets):
        seen = {"bridge": 0, "jump": 0, "censored": 0}
        for point in found.points[6.0]:
            truth, identity = sets[point.run.name], int(point.track.name.split("/")[2])
            if f"/{len(truth.ages) - 1}/" not in point.track.name:
                continue
            halo, segments = truth.haloes[identity], point.result.segments
            if halo.missing_from is None:
                assert not np.any(segments.has_bridge)
            if halo.turns_at is None:
                assert point.result.n_censored == 0
            seen["bridge"] += bool(np.any(segments.has_bridge))
            seen["jump"] += bool(np.any(segments.has_jump))
            seen["censored"] += point.result.n_censored > 0
        assert all(count > 5 for count in seen.values()), seen

    @pytest.mark.parametrize("redshift", REDSHIFTS)
    def test_the_law_is_recovered_within_its_errors(self, redshift, found):
        """At the masses that the points cover; both redshifts follow the same law."""
        options = DoublePowerLawConfig(fixed_log_break=dict.fromkeys(REDSHIFTS, 9.32), resamplings=200)
        fits = [fit for fit in fit_efficiencies(found, options, 0) if fit.redshift == redshift]
        assert len(fits) == 1
        assert fits[0].reason == ""
        fit = fits[0].fit
        usable = ~fit.is_extrapolated
        assert np.count_nonzero(usable) >= 2
        interval = fit.bootstrap.log_efficiency
        error = 0.5 * (interval.p84 - interval.p16)[usable]
        expected = law_of(6).log_efficiency(np.array(REPORTED_LOG_MASS)[usable])
        assert np.all(error < 0.1)
        assert np.all(np.abs(fit.log_efficiency[usable] - expected) < 3.0 * error)
        assert fit.scatter == pytest.approx(0.25, abs=0.05)
        assert set(fit.n_points) == {"target", "central"}
        assert fit.n_points["target"] + fit.n_points["central"] + fit.n_left_out == len(
            found.points[redshift]
        )

    def test_pieces_of_a_split_track_are_measured_each_where_it_is(self, tmp_path):
        """A gap of two snapshots: the earlier piece at z = 8, the later one at z = 6."""
        truth = histories(count=30, missing=20, merging=0, falling=0, gap=2)
        simulation = simulation_of("split", truth, tmp_path)
        options = EfficiencyConfig(redshifts=REDSHIFTS, least_mass="1e5 Msun")
        points = measure_efficiencies([simulation], options).points
        n = 0
        for redshift in REDSHIFTS:
            number = simulation.nearest(redshift)
            for point in points[redshift]:
                n += 1
                assert number in point.track.snapshot
        missing = [halo.missing_from for halo in truth.haloes if halo.missing_from is not None]
        lost = sum(simulation.nearest(z) in (at, at + 1) for z in REDSHIFTS for at in missing)
        assert n == 2 * 30 - lost


class TestRefusals:
    @pytest.mark.parametrize(
        ("settings", "words"),
        [
            ({"count": 0}, "count: found 0"),
            ({"log_mass": (11.0, 9.0)}, "lightest <= heaviest"),
            ({"log_mass": (float("nan"), 9.0)}, "lightest <= heaviest"),
            ({"redshifts": (4.0, 6.0)}, "first > last"),
            ({"redshifts": (4.6, 4.5)}, "snapshots every 10 Myr"),
            ({"cadence": 0.0}, "cadence: found 0.0"),
            ({"cadence": float("nan")}, "cadence: found nan"),
            ({"growth": -0.79}, "growth: found -0.79"),
            ({"efficiency_scatter": -0.1}, "efficiency_scatter: found -0.1"),
            ({"missing": -1}, "missing: found -1"),
            ({"missing": 39, "merging": 2}, "at most 40"),
            ({"gap": 0}, "gap: found 0"),
            ({"gap": 90}, "gap: found 90"),
            ({"cadence": 1e-9}, "found 970004760687"),
            ({"growth": 100.0}, "grows by e^"),
            ({"growth_scatter": 2.0}, "0 to 1 dex"),
            ({"efficiency_scatter": float("nan")}, "0 to 1 dex"),
            ({"seed": -1}, "seed: found -1"),
        ],
        ids=str,
    )
    def test_numbers_that_cannot_be_honoured(self, settings, words):
        with pytest.raises(InputError) as error:
            histories(**settings)
        assert words in str(error.value)

    def test_a_law_or_a_cosmology_without_a_stellar_mass(self):
        for slopes in ((-1.0, 0.5), (0.6, 0.3), (0.3, float("nan"))):
            with pytest.raises(InputError, match="alpha <= beta"):
                HistorySet(TrueEfficiency(-1.7, 9.0, *slopes), SHEN)
        with pytest.raises(InputError, match="finite numbers"):
            HistorySet(TrueEfficiency(-1.7, float("inf"), 0.3, 0.6), SHEN)
        with pytest.raises(InputError, match="omega_b"):
            HistorySet(truth_of(law_of(6)), Cosmology(67.74, 0.3089, 0.6911))

    def test_only_a_halo_with_an_infall_has_a_companion(self, truth):
        calm = next(halo for halo in truth.haloes if halo.infall is None)
        with pytest.raises(InputError, match="no infall"):
            truth.companion_mass(calm)


class TestCommand:
    def test_trees_are_made_and_opened(self, tmp_path):
        made = CliRunner().invoke(
            simpost, ["sample", "make-trees", str(tmp_path / "set"), "--count", "30", "--redshift", "8"]
        )
        assert made.exit_code == 0
        forest = open_forest(made.output.strip(), SHEN)
        assert len(forest.roots()) == 30
        stored = json.loads((tmp_path / "set" / "truth.json").read_text())
        assert stored["efficiency"]["alpha"] == stored["efficiency"]["beta"] == 0.54
        assert (stored["missing"], stored["merging"], stored["falling"]) == (10, 10, 5)
