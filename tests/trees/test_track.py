"""Tracks: times and radii, bridges over one lost snapshot, splits at longer gaps, and flags."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simpost.core.errors import InputError
from simpost.trees.history import COLUMN_UNITS, growth_rate, growth_table
from simpost.trees.track import Steps, make_tracks
from tests.trees.forests import PLANCK

NAN = float("nan")


def scale(number):
    return 0.08 + 0.01 * np.asarray(number, dtype=float)


def steps(number, m_halo=None, **columns):
    """Steps at the given snapshot numbers; halo mass exactly exponential in time by default."""
    number = np.asarray(number, dtype=np.int64)
    a, n = scale(number), len(number)
    values = {
        "m_halo": 1e9 * np.exp(PLANCK.age(a) / 200.0) if m_halo is None else np.asarray(m_halo, dtype=float),
        "m_star": 1e6 * PLANCK.age(a),
        "sfr": np.full(n, 1.5),
        "position": np.stack([100.0 * a, 200.0 * a, 300.0 * a], axis=1),
        "row": np.arange(n),
        "is_satellite": np.zeros(n, dtype=bool),
    }
    return Steps(snapshot=number, scale_factor=a, **(values | columns))


def outputs(*numbers):
    return {int(n): float(scale(n)) for n in numbers}


@pytest.mark.parametrize(
    ("z", "radius"),
    [(3, 16.60798), (4, 13.36019), (6, 9.57881), (8, 7.45873), (10, 6.10541), (12, 5.16726), (14, 4.47882)],
)
def test_virial_radius_of_1e10(z, radius):
    """R_200c of 1e10 Msun, to the digits of the table."""
    found = PLANCK.radius_within(1e10, 1.0 / (1 + z))
    assert found == pytest.approx(radius, abs=6e-6)


def test_columns_run_from_early_to_late():
    track = make_tracks("h", steps([5, 3, 4]), PLANCK)[0]
    assert track.snapshot.tolist() == [3, 4, 5]
    np.testing.assert_allclose(track.time, PLANCK.age(scale([3, 4, 5])), rtol=1e-14)
    np.testing.assert_allclose(track.redshift, 1 / scale([3, 4, 5]) - 1, rtol=1e-14)
    np.testing.assert_allclose(
        track.m_halo, 800 * np.pi / 3 * track.r_halo**3
        * np.array([PLANCK.critical_density(a) for a in track.scale_factor]), rtol=1e-12,
    )  # fmt: skip
    assert track.row.tolist() == [1, 2, 0]
    assert not np.any(track.is_bridged)
    assert len(track) == 3


def test_one_lost_snapshot_is_bridged():
    """ln M linear in time: exact for this history; M_* linear, the place comoving."""
    whole = make_tracks("h", steps(range(8)), PLANCK)[0]
    lost = make_tracks("h", steps([0, 1, 2, 4, 5, 7]), PLANCK, outputs(*range(8)))
    assert len(lost) == 1
    track = lost[0]
    assert track.is_bridged.tolist() == [False, False, False, True, False, False, True, False]
    assert track.row.tolist() == [0, 1, 2, -1, 3, 4, -1, 5]
    np.testing.assert_allclose(track.m_halo, whole.m_halo, rtol=1e-12)
    np.testing.assert_allclose(track.m_star, whole.m_star, rtol=1e-12)
    np.testing.assert_allclose(track.position, whole.position, rtol=1e-12)
    np.testing.assert_allclose(track.r_halo, whole.r_halo, rtol=1e-12)
    assert any("interpolated at snapshot(s) 3, 6" in note for note in track.notes)


def test_a_longer_gap_splits_the_track():
    pieces = make_tracks("h", steps([0, 1, 4, 5, 7]), PLANCK, outputs(*range(8)))
    assert [piece.name for piece in pieces] == ["h", "h.1"]
    assert [piece.snapshot.tolist() for piece in pieces] == [[4, 5, 6, 7], [0, 1]]
    assert any("2 snapshots without a halo mass dropped, track in 2 piece(s)" in n for n in pieces[0].notes)


def test_a_satellite_without_its_own_mass_is_bridged_and_flagged():
    m_halo = np.array([1e9, NAN, 4e9, 5e9])
    track = make_tracks(
        "h", steps(range(4), m_halo, is_satellite=np.array([False, True, False, False])), PLANCK
    )[0]
    assert track.is_bridged.tolist() == [False, True, False, False]
    assert track.is_satellite.tolist() == [False, True, False, False]
    assert 1e9 < track.m_halo[1] < 4e9
    assert track.m_star[1] == 1e6 * track.time[1]  # the stars were found: not interpolated
    assert track.row[1] == 1
    lost = make_tracks("h", steps(range(4), [1e9, 0.0, NAN, 5e9]), PLANCK)  # zero is no mass either
    assert [piece.snapshot.tolist() for piece in lost] == [[3], [0]]


def test_missing_ends_are_cut_not_extrapolated():
    track = make_tracks("h", steps(range(5), [NAN, 2e9, 3e9, 4e9, NAN]), PLANCK)[0]
    assert track.snapshot.tolist() == [1, 2, 3]
    assert any("2 snapshots without a halo mass dropped" in note for note in track.notes)


def test_a_bridge_across_the_border_of_the_box():
    a = scale([0, 2])
    position = np.array([[999.0, 5.0, 5.0], [3.0, 5.0, 5.0]]) * a[:, None]
    known = steps([0, 2], position=position)
    track = make_tracks("h", known, PLANCK, outputs(0, 1, 2), comoving_box=1000.0)[0]
    comoving = track.position[1, 0] / track.scale_factor[1]
    share = (track.time[1] - track.time[0]) / (track.time[2] - track.time[0])
    assert comoving == pytest.approx((999.0 + 4.0 * share) % 1000.0, rel=1e-12)


def test_flags_of_masses():
    track = make_tracks(
        "h",
        steps(range(5), [1e9, 1.2e9, 1.6e9, 1.5e9, 1.0e9], m_star=np.array([0.0, 0, 1e6, 2e6, 2e6])),
        PLANCK,
    )[0]
    assert track.mass_jump.tolist() == [False, False, True, False, True]  # more than 25 %, up or down
    assert track.mass_falls.tolist() == [False, False, False, True, True]
    assert track.has_no_stars.tolist() == [True, True, False, False, False]


def test_unknown_stars_stay_unknown():
    unknown = make_tracks("h", steps(range(3), m_star=np.full(3, NAN), sfr=np.full(3, NAN)), PLANCK)[0]
    assert np.all(np.isnan(unknown.m_star) & np.isnan(unknown.sfr))
    assert not np.any(unknown.has_no_stars)
    partly = make_tracks("h", steps([0, 1, 3], m_star=np.array([1e6, NAN, 3e6])), PLANCK, outputs(*range(4)))[
        0
    ]
    assert np.isnan(partly.m_star[1])  # the catalogue did not say
    assert np.isfinite(partly.m_star[2])  # the halo was lost


@pytest.mark.parametrize(
    ("given", "run", "message"),
    [
        (steps([]), None, "no step"),
        (steps([1, 1]), None, "two nodes at snapshot 1"),
        (steps([1, 2], [NAN, 0.0]), None, "no snapshot with a halo mass"),
        (steps([1, 2]), outputs(1, 3), "a node at snapshot 2"),
        (steps([1, 2]), {1: 0.09, 2: 0.2}, "snapshot 2 at a = 0.1 in the tree, 0.2 in the run"),
    ],
)
def test_bad_input_is_one_line(given, run, message):
    with pytest.raises(InputError, match=message):
        make_tracks("h", given, PLANCK, run)


@given(st.lists(st.booleans(), min_size=2, max_size=14))
def test_every_found_snapshot_is_in_one_piece(found):
    numbers = [n for n, there in enumerate(found) if there]
    if not numbers:
        return
    pieces = make_tracks("h", steps(numbers), PLANCK, outputs(*range(len(found))))
    kept = np.concatenate([piece.snapshot[~piece.is_bridged] for piece in pieces])
    assert sorted(kept.tolist()) == numbers
    for piece in pieces:
        assert not piece.is_bridged[0]
        assert not piece.is_bridged[-1]
        assert np.all(np.diff(piece.snapshot) == 1)
        assert not np.any(piece.is_bridged[1:] & piece.is_bridged[:-1])


# -- histories ---------------------------------------------------------------------------------------


def test_growth_rates_of_a_parabola_are_exact():
    time = np.array([100.0, 130.0, 190.0, 200.0, 260.0])
    mass = 3e8 + 2e6 * time + 1e4 * time**2
    np.testing.assert_allclose(growth_rate(time, mass), (2e6 + 2e4 * time) * 1e-6, rtol=1e-12)
    assert np.all(np.isnan(growth_rate(time[:1], mass[:1])))


def test_growth_table():
    pieces = make_tracks("h", steps([0, 1, 4, 5, 7]), PLANCK, outputs(*range(8)))
    table = growth_table(pieces)
    assert set(table) == set(COLUMN_UNITS)
    assert {len(column) for column in table.values()} == {6}
    assert table["track"].tolist() == ["h"] * 4 + ["h.1"] * 2
    np.testing.assert_array_equal(table["m_halo"][:4], pieces[0].m_halo)
    falling = make_tracks("f", steps(range(3), [2e9, 1e9, 3e9]), PLANCK)
    assert growth_table(falling)["peak_m_halo"].tolist() == pytest.approx([2e9, 2e9, 3e9], rel=1e-12)
    with pytest.raises(InputError, match="no track"):
        growth_table([])
