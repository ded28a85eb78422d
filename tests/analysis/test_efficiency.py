import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from printed import assert_printed

from simpost.analysis import shen2025
from simpost.analysis.efficiency import (
    BornStars,
    efficiency_table,
    halo_efficiency,
    segment_efficiency,
)
from simpost.analysis.halo import baryon_fraction, dynamical_time
from simpost.core.cosmology import Cosmology
from simpost.core.errors import InputError

SHEN = shen2025.cosmology()
F_B = baryon_fraction(SHEN)
LAW = shen2025.efficiency_evolution().at(6)


def age(z):
    return float(SHEN.age(1 / (1 + z)))


def redshift(time):
    return 1 / SHEN.scale_factor_of_age(time) - 1


def halo_mass(time):
    """The test track of the specification: M = 1e11 exp(-0.79 (z - 6))."""
    return 1e11 * np.exp(-0.79 * (redshift(time) - 6))


def stellar_mass(time):
    return LAW.stellar_mass(halo_mass(time), F_B, extrapolate=True)


def snapshots(z, step=10.0, half_width=600.0):
    n = int(half_width / step)
    times = age(z) + step * np.arange(-n, n + 1)
    return times[times > 150.0]


def measure(z=6.0, time=None, halo=None, stars=None, **options):
    time = snapshots(z) if time is None else np.asarray(time)
    halo = halo_mass(time) if halo is None else halo
    stars = stellar_mass(time) if stars is None else stars
    return halo_efficiency("m", time, halo, stars, z, SHEN, **options)


TRACKS = """
6 half 41 3.778281e-2 4.768473e-2 5.704923e-2 10.99230
6 full 14 4.488045e-2 4.803882e-2 5.113959e-2 11.00092
8 half 29 1.832647e-2 2.550579e-2 3.278517e-2 10.29768
8 full 10 2.355367e-2 2.588811e-2 2.823019e-2 10.31383
"""


@pytest.mark.parametrize("row", TRACKS.strip().splitlines())
def test_track_of_the_specification(row):
    z, window, n, expected = row.split(maxsplit=3)
    result = measure(float(z), window=window)
    segments = result.segments
    assert result.n_segments == int(n)
    ends = halo_mass(segments.start), halo_mass(segments.end)
    exact = segment_efficiency(*ends, stellar_mass(segments.start), stellar_mass(segments.end), F_B)
    log_mass = 0.5 * np.log10(ends[0] * ends[1])
    assert_printed([*np.percentile(exact, (16, 50, 84)), np.median(log_mass)], expected)
    # interpolation between snapshots every 10 Myr changes the fifth digit
    np.testing.assert_allclose(segments.efficiency, exact, rtol=3e-5)
    found = result.efficiency
    np.testing.assert_allclose(
        [found.p16, found.median, found.p84], np.percentile(exact, (16, 50, 84)), rtol=3e-5
    )
    assert result.log_mass.median == pytest.approx(np.median(log_mass), abs=1e-5)
    assert result.reason == ""
    assert not result.is_coarse


def test_tiled_segments_of_the_specification():
    result = measure(6.0, spacing="tiled")
    s = result.segments
    exact = segment_efficiency(
        halo_mass(s.start), halo_mass(s.end), stellar_mass(s.start), stellar_mass(s.end), F_B
    )
    assert_printed(exact, "3.226552e-2 4.266361e-2 5.257782e-2 6.188087e-2")
    np.testing.assert_allclose(s.efficiency, exact, rtol=3e-5)
    np.testing.assert_allclose(s.start[1:], s.end[:-1])


@pytest.mark.parametrize(
    ("z", "segment", "instant"), [(6, "4.769266e-2", "4.746528e-2"), (8, "2.565703e-2", "2.537053e-2")]
)
def test_one_centred_segment(z, segment, instant):
    half = 0.5 * dynamical_time(z, SHEN)
    start, end = np.array([age(z) - half]), np.array([age(z) + half])
    exact = segment_efficiency(halo_mass(start), halo_mass(end), stellar_mass(start), stellar_mass(end), F_B)
    assert_printed(exact, segment)
    assert_printed(LAW(halo_mass(age(z))), instant)


@given(st.floats(-0.5, 1.5), st.floats(1.05, 10.0))
def test_segment_of_a_power_law(a, ratio):
    first, last = 1e10, 1e10 * ratio
    formed = [F_B * 0.02 / (1 + a) * m ** (1 + a) / 1e10**a for m in (first, last)]
    eps = segment_efficiency(*(np.array([v]) for v in (first, last, *formed)), F_B)[0] / 0.02
    expected = (last ** (1 + a) - first ** (1 + a)) / ((1 + a) * (last - first) * first**a)
    assert eps == pytest.approx(expected, rel=1e-10)


def test_segment_mean_of_the_specification():
    m1, m2, a = 1.0, 2.0, 1 / 3
    mean = (m2 ** (1 + a) - m1 ** (1 + a)) / (1 + a) / (m2 - m1)
    ends = [np.array([v]) for v in (m1, m2, m1 ** (1 + a) / (1 + a), m2 ** (1 + a) / (1 + a))]
    assert segment_efficiency(*ends, 1.0)[0] == pytest.approx(mean, rel=1e-12)
    assert_printed([mean, mean / (m1 * m2) ** (a / 2)], "1.1398815748 1.0155190339")


@pytest.mark.parametrize("a", [0.0, 1 / 3, 2 / 3, 1.0])
def test_slopes_of_synthetic_tracks_are_recovered(a):
    # haloes of different mass on tracks of the same form, eps = 0.02 (M/1e10)^a
    time = snapshots(6.0)
    log_mass, log_eps = [], []
    for mass in np.geomspace(1e9, 1e11, 9):
        halo = halo_mass(time) / 1e11 * mass
        stars = F_B * 0.02 * (halo / 1e10) ** a * halo / (1 + a)
        result = measure(6.0, time, halo, stars)
        log_mass.append(result.log_mass.median)
        log_eps.append(np.log10(result.efficiency.median))
    slope, zero = np.polyfit(np.array(log_mass) - 10, log_eps, 1)
    assert slope == pytest.approx(a, abs=1e-4)
    # the mean over a segment of growth r, relative to the efficiency at the geometric mean of its masses
    r = np.median(result.segments.halo_end / result.segments.halo_start)
    excess = (r ** (1 + a) - 1) / ((1 + a) * (r - 1)) / r ** (a / 2)
    assert zero == pytest.approx(np.log10(0.02 * excess), abs=5e-4)


def test_units_of_mass_cancel_and_time_only_orders():
    plain, scaled = (
        measure(),
        measure(halo=1e3 * halo_mass(snapshots(6)), stars=1e3 * stellar_mass(snapshots(6))),
    )
    np.testing.assert_allclose(scaled.segments.efficiency, plain.segments.efficiency, rtol=1e-9)


def test_ratio_of_sums_is_the_whole_change_of_the_window():
    for spacing in ("sliding", "tiled"):
        result = measure(spacing=spacing)
        edges = age(6) + 2 * np.array([-1, 1]) * result.dynamical_time
        exact = np.diff(stellar_mass(edges))[0] / (F_B * np.diff(halo_mass(edges))[0])
        assert result.efficiency_ratio == pytest.approx(exact, rel=1e-6)


def test_local_dynamical_times_grow_over_the_window():
    s = measure(dynamical_time_at="local").segments
    np.testing.assert_allclose(s.end - s.start, dynamical_time(redshift(s.start), SHEN), rtol=1e-6)
    central = float(dynamical_time(6.0, SHEN))
    starts = age(6) + central * np.array([-2, 1])
    assert_printed(dynamical_time(redshift(starts), SHEN) / central, "0.70 1.15")
    assert s.end.max() <= age(6) + 2 * central
    tiles = measure(dynamical_time_at="local", spacing="tiled").segments
    np.testing.assert_allclose(
        tiles.end - tiles.start, dynamical_time(redshift(tiles.start), SHEN), rtol=1e-6
    )


def test_linear_and_cubic_interpolation_differ_little_but_do():
    linear, cubic = measure(interpolation="linear"), measure()
    np.testing.assert_allclose(linear.segments.efficiency, cubic.segments.efficiency, rtol=3e-3)
    assert (linear.segments.efficiency != cubic.segments.efficiency).any()


def test_interpolation_is_monotone():
    time = snapshots(6.0)
    stars = np.where(time < age(6), 1e8, 2e8)  # a burst within one step
    segments = measure(stars=stars).segments
    assert segments.star_start.min() >= 1e8
    assert segments.star_end.max() <= 2e8 * (1 + 1e-12)
    assert not segments.is_negative.any()


def test_nothing_is_extrapolated():
    time = snapshots(6.0)
    time = time[(time > age(6) - 150) & (time < age(6) + 150)]
    result = measure(time=time)
    assert result.segments.start.min() >= time[0]
    assert result.segments.end.max() <= time[-1]
    # segments may begin until 2 t_dyn - t_dyn = 139.8 Myr after the centre; on the track until 10 Myr after
    starts = time[time <= age(6) + result.dynamical_time]
    assert result.n_segments + result.n_dropped == starts.size
    assert result.n_dropped == np.count_nonzero(starts + result.dynamical_time > time[-1]) > 0
    assert result.coverage == pytest.approx((time[-1] - time[0]) / (4 * result.dynamical_time))
    tiled = measure(time=time, spacing="tiled")
    assert (tiled.n_segments, tiled.n_dropped) == (2, 2)


def test_halo_that_stops_growing_is_censored_and_counted():
    time = snapshots(6.0)
    halo = np.where(time > age(6) + 100, 0.9, 1.0) * np.minimum(halo_mass(time), halo_mass(age(6) + 100))
    result = measure(halo=halo)
    s = result.segments
    assert 0 < result.n_censored < 0.5 * result.n_segments
    np.testing.assert_array_equal(np.isnan(s.efficiency), s.halo_end <= s.halo_start)
    assert result.efficiency.median == np.median(s.efficiency[~s.is_censored])
    assert result.reason == ""
    edges = result.dynamical_time * 2 * np.array([-1, 1]) + age(6)
    growth = np.diff(np.exp(np.interp(edges, time, np.log(halo))))[0]
    exact = np.diff(stellar_mass(edges))[0] / (F_B * growth)
    assert result.efficiency_ratio == pytest.approx(exact, rel=2e-3)


def test_mostly_censored_galaxy_has_no_median_but_says_why():
    time = snapshots(6.0)
    halo = 1e11 * np.exp(-0.001 * np.abs(time - age(6) + 200))
    result = measure(halo=halo)
    assert result.n_censored > 0.5 * result.n_segments
    assert np.isnan([result.efficiency.median, result.efficiency.p16, result.efficiency.p84]).all()
    assert f"does not grow in {result.n_censored} of {result.n_segments}" in result.reason
    assert np.isnan(result.efficiency_ratio)  # it shrinks in total
    assert np.isfinite(result.log_mass.median)


def test_falling_stellar_mass_is_kept_negative_and_flagged():
    time = snapshots(6.0)
    stars = np.where(time > age(6), 0.5, 1.0) * stellar_mass(time)
    result = measure(stars=stars)
    assert result.n_negative > 0
    assert (result.segments.efficiency[result.segments.is_negative] < 0).all()
    efficiency = result.segments.efficiency
    assert result.efficiency.p16 == np.percentile(efficiency, 16)
    assert result.efficiency.p16 < np.percentile(efficiency[efficiency > 0], 16)


def test_halo_without_stars_has_zero_efficiency_and_a_flag():
    result = measure(stars=np.zeros(snapshots(6.0).size))
    assert result.efficiency.median == 0.0
    assert result.has_no_stars
    assert not measure().has_no_stars


def test_mergers_and_bridges_flag_the_segments_on_them():
    time = snapshots(6.0)
    i = int(np.argmin(abs(time - age(6))))
    halo = halo_mass(time) * np.where(np.arange(time.size) > i, 1.3, 1.0)
    bridged = np.arange(time.size) == i
    result = measure(halo=halo, is_bridged=bridged)
    s = result.segments
    overlaps = (s.start < time[i + 1] - 1e-6) & (s.end > time[i] + 1e-6)
    np.testing.assert_array_equal(s.has_jump, overlaps)
    rests = (s.start < time[i + 1] - 1e-6) & (s.end > time[i - 1] + 1e-6)
    np.testing.assert_array_equal(s.has_bridge, rests)
    assert 0 < s.has_jump.sum() < s.start.size
    assert not measure().segments.has_jump.any()


def test_coarse_tracks_take_the_nearest_pair_and_say_so():
    assert measure(time=snapshots(6.0, 46.0)).is_coarse is False
    assert measure(time=snapshots(6.0, 47.0)).is_coarse is True
    result = measure(time=snapshots(6.0, 200.0))
    assert result.is_coarse
    lengths = result.segments.end - result.segments.start
    np.testing.assert_allclose(lengths, 200.0)  # real duration, longer than t_dyn = 139.8
    # 400 Myr is wider than the window of 2 t_dyn: the step around the centre is taken
    wide = measure(time=[age(6) - 150, age(6) + 250, age(6) + 650], window="full")
    assert wide.segments.start.tolist() == [age(6) - 150]
    assert wide.segments.end.tolist() == [age(6) + 250]
    assert wide.reason == ""


def test_redshift_beyond_the_track_gives_nan_with_the_reason():
    result = measure(z=12.0, time=snapshots(6.0)[60:])
    assert result.n_segments == 0
    assert np.isnan(result.efficiency.median)
    assert np.isnan(result.log_mass.median)
    assert "does not reach the redshift" in result.reason
    assert result.coverage == 0.0


def test_track_that_ends_before_the_redshift_is_no_measurement_of_it():
    time = snapshots(6.0)
    half = 0.5 * float(dynamical_time(6.0, SHEN))
    near, far = (measure(time=time[time <= age(6) - gap]) for gap in (0.8 * half, 1.2 * half))
    assert near.reason == ""
    assert near.efficiency.median == np.median(near.segments.efficiency)
    assert far.n_segments > 0
    assert "does not reach the redshift" in far.reason
    assert np.isnan([far.efficiency.median, far.efficiency_sfh.median]).all()


def test_track_shorter_than_a_segment_says_so():
    time = age(6) + np.array([-40.0, 0.0, 40.0])
    result = measure(time=time)
    assert result.n_segments == 0
    assert result.n_dropped == 3
    assert "holds no segment of 139.8 Myr" in result.reason


def born_stars(returned=0.0):
    """Stars that the track formed until the end of the window, none of them returned."""
    time = np.linspace(160.0, age(6) + 300, 40001)
    mass = np.diff(stellar_mass(time)) / (1 - returned)
    return BornStars(0.5 * (time[1:] + time[:-1]), mass, float(time[-1]))


def test_birth_times_give_the_same_efficiency_without_mass_return():
    result = measure()
    with_ages = halo_efficiency(
        "m",
        snapshots(6.0),
        halo_mass(snapshots(6.0)),
        stellar_mass(snapshots(6.0)),
        6.0,
        SHEN,
        stars=born_stars(),
    )
    np.testing.assert_allclose(with_ages.segments.efficiency_sfh, result.segments.efficiency, rtol=1e-3)
    assert with_ages.n_sfh == with_ages.n_segments
    assert np.isnan(result.efficiency_sfh.median)
    time = snapshots(6.0)
    returning = halo_efficiency(
        "m", time, halo_mass(time), stellar_mass(time), 6.0, SHEN, stars=born_stars(0.3)
    )
    ratio = returning.efficiency_sfh.median / returning.efficiency.median
    assert ratio == pytest.approx(1 / 0.7, rel=1e-3)


def test_segments_after_the_stars_snapshot_have_no_birth_times():
    time = snapshots(6.0)
    until = age(6) + 50
    stars = BornStars(np.linspace(300, until, 100), np.full(100, 1e5), until)
    result = halo_efficiency("m", time, halo_mass(time), stellar_mass(time), 6.0, SHEN, stars=stars)
    s = result.segments
    np.testing.assert_array_equal(np.isnan(s.efficiency_sfh), s.end > until)
    assert 0 < result.n_sfh < result.n_segments


def test_birth_times_are_counted_half_open():
    stars = BornStars(np.array([30.0, 10.0, 20.0]), np.array([4.0, 1.0, 2.0]), 30.0)
    born = stars.born(np.array([0.0, 10.0, 20.0, 10.0]), np.array([10.0, 20.0, 30.0, 31.0]))
    np.testing.assert_array_equal(born, [1.0, 2.0, 4.0, np.nan])


def test_table_has_one_row_for_each_galaxy():
    results = [measure(), measure(z=12.0, time=snapshots(6.0)[60:])]
    table = efficiency_table(results)
    assert {len(column) for column in table.values()} == {2}
    assert table["efficiency"][0] == results[0].efficiency.median
    assert np.isnan(table["efficiency"][1])
    assert table["n_segments"].tolist() == [41, 0]
    assert table["reason"][0] == "" != table["reason"][1]
    assert efficiency_table([])["efficiency"].size == 0


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.floats(5.0, 150.0), min_size=3, max_size=40),
    st.sampled_from(["half", "full"]),
    st.integers(0, 99),
)
def test_any_cadence_gives_segments_on_track_and_in_window(steps, window, seed):
    generator = np.random.default_rng(seed)
    time = 500.0 + np.cumsum(steps)
    halo = 1e10 * np.exp(np.cumsum(generator.normal(0.02, 0.1, time.size)))
    stars = 1e7 * np.exp(np.cumsum(generator.normal(0.02, 0.1, time.size)))
    result = measure(6.0, time, halo, stars, window=window)
    s = result.segments
    assert np.all((s.start >= time[0]) & (s.end <= time[-1] * (1 + 1e-9)))
    assert np.all(s.end - s.start >= result.dynamical_time * (1 - 1e-9))
    assert np.isfinite(result.efficiency.median) == (result.reason == "")
    assert s.is_censored.sum() == np.isnan(s.efficiency).sum()


TIME = snapshots(6.0)
FIFTH = np.arange(TIME.size) == 5
GOOD = {"time": TIME, "halo": halo_mass(TIME), "stars": stellar_mass(TIME)}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"time": TIME[::-1]}, "do not rise"),
        ({"time": np.where(FIFTH, TIME[4], TIME)}, "do not rise"),
        ({"time": TIME * 20}, "today"),
        ({"halo": np.where(FIFTH, np.nan, halo_mass(TIME))}, "halo mass.* not finite"),
        ({"halo": np.where(FIFTH, 0.0, halo_mass(TIME))}, "halo mass"),
        ({"stars": np.where(FIFTH, -1.0, stellar_mass(TIME))}, "stellar mass"),
        ({"stars": stellar_mass(TIME)[1:]}, "shape"),
        ({"time": TIME[:1], "halo": GOOD["halo"][:1], "stars": GOOD["stars"][:1]}, "at least two"),
        ({"window": "quarter"}, "window"),
        ({"spacing": "slide"}, "sliding"),
        ({"interpolation": "cubic"}, "pchip"),
        ({"dynamical_time_at": "start"}, "local"),
        ({"is_bridged": [True]}, "bridged"),
        ({"z": -2.0}, "redshift"),
    ],
)
def test_bad_tracks_are_refused_by_name(change, message):
    with pytest.raises(InputError, match=message) as caught:
        measure(**{**GOOD, **change})
    assert "\n" not in str(caught.value)


def test_stars_born_after_their_snapshot_are_refused():
    with pytest.raises(InputError, match="2 born after"):
        BornStars(np.array([1.0, 11.0, 12.0]), np.ones(3), 10.0)


def test_cosmology_without_baryons_is_refused():
    with pytest.raises(InputError, match="Omega_b"):
        halo_efficiency("m", TIME, GOOD["halo"], GOOD["stars"], 6.0, Cosmology(67.74, 0.3089, 0.6911))
