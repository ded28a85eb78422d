"""In-situ fractions of stars of known origin (science G.6), and of a real zoom."""

from dataclasses import replace

import h5py
import numpy as np
import pytest

from simpost.analysis.in_situ import (
    EX_SITU,
    IN_SITU,
    UNKNOWN,
    StarPlaces,
    TargetStars,
    arepo_in_situ_fraction,
    cadence,
    catalogue_estimate,
    in_situ_fraction,
)
from simpost.core.errors import InputError
from simpost.trees.forest import NOBODY, tracks_of
from simpost.trees.linking import link_snapshots
from simpost.trees.track import Steps, make_tracks
from tests.trees.forests import PLANCK, forest

BOX = 1000.0  # comoving kpc
N = 6  # snapshots
SCALE = 0.1 + 0.01 * np.arange(N)
MAIN, OTHER = np.array([500.0, 500.0, 500.0]), np.array([700.0, 500.0, 500.0])  # comoving


def main_track(centre=MAIN, m_halo=1e10):
    steps = Steps(
        snapshot=np.arange(N), scale_factor=SCALE, m_halo=np.full(N, m_halo), m_star=np.full(N, 1e8),
        sfr=np.full(N, 1.0), position=centre * SCALE[:, None], row=np.zeros(N, dtype=np.int64),
        is_satellite=np.zeros(N, dtype=bool),
    )  # fmt: skip
    return make_tracks("main", steps, PLANCK, comoving_box=BOX)[0]


class Merger:
    """Two haloes 200 comoving kpc apart that merge before the last snapshot.

    Stars are born between snapshots at one of the two; those of the other halo move to the main one at the
    last snapshot, and scatter there within half of R_vir.
    """

    def __init__(self, n=400, seed=5, first=0.02, centre=MAIN, other=OTHER):
        draw = np.random.default_rng(seed)
        self.track = main_track(centre)
        time = self.track.time
        self.identity = draw.permutation(10 * n)[:n]
        self.mass = draw.uniform(1e3, 1e4, n)
        self.birth = draw.uniform(time[0] - first * (time[-1] - time[0]), time[-1], n)
        self.in_situ = draw.random(n) < 0.7
        self.scatter = draw.normal(size=(n, 3))
        self.scatter /= np.linalg.norm(self.scatter, axis=1)[:, None]
        self.centre, self.other = centre, other

    def places(self, number):
        """Positions of all stars born by then; the other halo arrives at the last snapshot."""
        track, a = self.track, SCALE[number]
        born = self.birth <= track.time[number]
        home = self.in_situ | (number == N - 1)
        comoving = np.where(home[:, None], self.centre, self.other)
        position = (comoving * a + 0.5 * track.r_halo[number] * self.scatter) % (BOX * a)
        shuffle = np.random.default_rng(number).permutation(np.count_nonzero(born))
        return StarPlaces(self.identity[born][shuffle], position[born][shuffle], self.in_situ[born][shuffle])

    def stars(self, **changes):
        return replace(TargetStars(self.identity, self.mass, self.birth), **changes)

    def expected(self):
        """Mass in situ, ex situ, and unknown, by origin."""
        late = self.birth > self.track.time[0]
        # a star of the other halo born after the last but one snapshot is first seen in the merged halo
        seen_home = self.in_situ | (self.birth > self.track.time[N - 2])
        return tuple(self.mass[rows].sum() for rows in (late & seen_home, late & ~seen_home, ~late))


@pytest.fixture
def merger():
    return Merger()


def check(found, expected):
    mass_in, mass_ex, unknown = expected
    assert found.mass_in_situ == pytest.approx(mass_in, rel=1e-12)
    assert found.mass_ex_situ == pytest.approx(mass_ex, rel=1e-12)
    assert found.mass_unknown == pytest.approx(unknown, rel=1e-12)
    total = mass_in + mass_ex + unknown
    assert found.fraction == pytest.approx(mass_in / (mass_in + mass_ex), rel=1e-12)
    assert found.low == pytest.approx(mass_in / total, rel=1e-12)
    assert found.high == pytest.approx((mass_in + unknown) / total, rel=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_a_merger_of_known_origin_is_exact(seed):
    merger = Merger(seed=seed)
    found = in_situ_fraction(merger.stars(), merger.track, merger.places)
    check(found, merger.expected())
    assert found.low <= found.fraction <= found.high
    assert found.n_in_situ + found.n_ex_situ + found.n_unknown == len(merger.identity)
    early = merger.birth <= merger.track.time[0]
    np.testing.assert_array_equal(found.label == UNKNOWN, early)


def test_birth_times_from_first_appearance(merger):
    """The public code stores none: the same labels, and a flag."""
    found = in_situ_fraction(merger.stars(birth_time=None), merger.track, merger.places)
    known = in_situ_fraction(merger.stars(), merger.track, merger.places)
    np.testing.assert_array_equal(found.label, known.label)
    assert "birth times: first appearance" in found.flags
    assert "birth times: first appearance" not in known.flags


def test_across_the_border_of_the_box():
    shift = np.array([499.9, -499.95, 480.0])
    moved = Merger(centre=(MAIN + shift) % BOX, other=(OTHER + shift) % BOX)
    still = Merger()
    a = in_situ_fraction(moved.stars(), moved.track, moved.places)
    b = in_situ_fraction(still.stars(), still.track, still.places)
    np.testing.assert_array_equal(a.label, b.label)


def test_a_star_at_r_vir_is_inside(merger):
    """r <= R_vir(s), with the R_vir of the snapshot after its birth."""
    track = merger.track
    radius = track.r_halo[2]
    for share, label in ((1.0 - 1e-9, IN_SITU), (1.0 + 1e-9, EX_SITU)):

        def places(number, share=share):
            position = track.position[number] + np.array([share * radius, 0.0, 0.0])
            return StarPlaces(np.array([5]), position[None, :])

        star = TargetStars(np.array([5]), np.array([1e3]), np.array([0.5 * (track.time[1] + track.time[2])]))
        assert in_situ_fraction(star, track, places).label.tolist() == [label]


def test_only_the_first_snapshot_after_birth_counts(merger):
    """A star born outside that falls in later stays ex situ, one born inside and ejected in situ."""
    track = merger.track
    born = np.full(2, 0.5 * (track.time[0] + track.time[1]))

    def places(number):
        away = np.array([0.0, 200.0 * SCALE[number], 0.0])
        inside_first = number == 1
        position = track.position[number] + np.array([away * (not inside_first), away * inside_first])
        return StarPlaces(np.array([1, 2]), position)

    found = in_situ_fraction(TargetStars(np.array([1, 2]), np.array([3e3, 1e3]), born), track, places)
    assert found.label.tolist() == [IN_SITU, EX_SITU]
    assert found.fraction == pytest.approx(0.75, rel=1e-15)


def test_snapshots_not_at_hand_are_skipped(merger):
    """Births are then seen in the next snapshot, at the end inside the merged halo."""
    some = in_situ_fraction(
        merger.stars(), merger.track, lambda n: merger.places(n) if n in (0, 2, 5) else None
    )
    time = merger.track.time
    seen_home = merger.in_situ | (merger.birth > time[2])
    late = merger.birth > time[0]
    check(some, tuple(merger.mass[rows].sum() for rows in (late & seen_home, late & ~seen_home, ~late)))
    assert len(some.cadence) == 2
    with pytest.raises(InputError, match="no stars of its last snapshot 5"):
        in_situ_fraction(merger.stars(), merger.track, lambda n: merger.places(n) if n < 5 else None)


def test_a_star_that_is_missing_is_unknown_and_counted(merger):
    def without_one(number):
        there = merger.places(number)
        keep = there.identity != merger.identity[np.argmin(np.abs(merger.birth - merger.track.time[1] - 1))]
        return StarPlaces(there.identity[keep], there.position[keep])

    found = in_situ_fraction(merger.stars(), merger.track, without_one)
    full = in_situ_fraction(merger.stars(), merger.track, merger.places)
    assert found.n_unknown == full.n_unknown + 1
    assert any(flag.startswith("1 stars not in the first snapshot") for flag in found.flags)


def test_birth_positions_are_exact_at_any_cadence(merger):
    """Centre and R_vir interpolated to the birth: the late arrivals are told apart too."""
    home = np.where(merger.in_situ[:, None], MAIN, OTHER)
    stars = merger.stars(birth_position=home + 3.0 * merger.scatter)
    found = in_situ_fraction(stars, merger.track, merger.places)
    late = merger.birth > merger.track.time[0]
    rows = (late & merger.in_situ, late & ~merger.in_situ, ~late)
    check(found, tuple(merger.mass[r].sum() for r in rows))
    assert found.method == "birth_positions"
    by_place = in_situ_fraction(stars, merger.track, merger.places, birth_pos=False)
    assert by_place.method == "places"
    check(by_place, merger.expected())


def test_birth_positions_around_a_moving_centre():
    """A centre that drifts across the border, linear in time."""
    track = main_track()
    drift = (track.time - track.time[0]) / (track.time[-1] - track.time[0])
    comoving = np.array([980.0, 500.0, 500.0]) + np.outer(drift, [40.0, 0.0, 0.0])
    track = replace(track, position=comoving % BOX * SCALE[:, None])
    born = np.linspace(track.time[0] + 1, track.time[-1], 50)
    here = np.array([980.0, 500.0, 500.0]) + np.outer(np.interp(born, track.time, drift), [40.0, 0.0, 0.0])
    radius = np.exp(np.interp(born, track.time, np.log(track.r_halo / SCALE)))
    for share, label in ((0.999, IN_SITU), (1.001, EX_SITU)):
        place = (here + np.outer(share * radius, [0.0, 1.0, 0.0])) % BOX
        stars = TargetStars(np.arange(50), np.ones(50), born, place)
        assert set(in_situ_fraction(stars, track, lambda n: None).label.tolist()) == {label}


def test_the_subhalo_definition(merger):
    """Stars born in a satellite already inside R_vir: in situ by S25, ex situ by subhalo."""
    track = merger.track
    born = np.full(2, 0.5 * (track.time[2] + track.time[3]))
    bound = np.array([True, False])

    def places(number):
        return StarPlaces(np.array([1, 2]), np.tile(track.position[number], (2, 1)) + 0.1, bound)

    stars = TargetStars(np.array([1, 2]), np.array([1e3, 1e3]), born)
    assert in_situ_fraction(stars, track, places).fraction == 1.0
    assert in_situ_fraction(stars, track, places, definition="subhalo").fraction == 0.5
    with pytest.raises(InputError, match="use definition: halo"):
        in_situ_fraction(stars, track, lambda n: replace(places(n), in_subhalo=None), definition="subhalo")
    with pytest.raises(InputError, match="'halo' or 'subhalo'"):
        in_situ_fraction(stars, track, places, definition="galaxy")


def test_cadence_in_units_of_t_dyn(merger):
    """t_dyn = 139.77631 Myr at z = 6 (science G.0)."""
    a = 1.0 / 7.0
    time = float(PLANCK.age(a))
    track = replace(merger.track, scale_factor=np.array([0.14, a]), time=np.array([time - 13.977631, time]))
    assert cadence(track, np.array([0, 1]))[0] == pytest.approx(0.1, rel=1e-7)
    found = in_situ_fraction(merger.stars(), merger.track, merger.places)
    assert any(flag.startswith("coarse cadence: dt/t_dyn up to") for flag in found.flags)


def test_no_stars_is_no_fraction(merger):
    empty = TargetStars(np.empty(0, dtype=np.int64), np.empty(0), np.empty(0))
    found = in_situ_fraction(empty, merger.track, merger.places)
    assert np.isnan(found.fraction)
    assert np.isnan(found.low)
    assert "no stars inside R_vir" in found.flags


def test_all_unknown_leaves_the_whole_bracket(merger):
    stars = merger.stars(birth_time=np.full(len(merger.mass), merger.track.time[0] - 50.0))
    found = in_situ_fraction(stars, merger.track, merger.places)
    assert np.isnan(found.fraction)
    assert (found.low, found.high) == (0.0, 1.0)


def test_bad_input_is_one_line(merger):
    twice = merger.identity.copy()
    twice[1] = twice[0]
    with pytest.raises(InputError, match="stars of the halo: found an identity twice"):
        in_situ_fraction(merger.stars(identity=twice), merger.track, merger.places)
    with pytest.raises(InputError, match="after the last snapshot"):
        in_situ_fraction(merger.stars(birth_time=merger.birth + 100.0), merger.track, merger.places)
    with pytest.raises(InputError, match="birth masses"):
        in_situ_fraction(merger.stars(birth_mass=np.zeros(len(twice))), merger.track, merger.places)

    def doubled(number):
        there = merger.places(number)
        return StarPlaces(
            np.r_[there.identity, there.identity[:1]], np.r_[there.position, there.position[:1]]
        )

    with pytest.raises(InputError, match="stars of a snapshot: found an identity twice"):
        in_situ_fraction(merger.stars(), merger.track, doubled)


# -- catalogues only ---------------------------------------------------------------------------------


def two_branches(m_secondary, place):
    """Main halo of snapshots 0-3 (rows 0-3); a secondary (rows 4-6) that joins it at snapshot 3."""
    scale = 0.1 + 0.02 * np.array([0, 1, 2, 3, 0, 1, 2])
    position = np.tile(MAIN, (7, 1))
    position[4:, 0] = MAIN[0] + np.asarray(place)
    return forest(
        [1, 2, 3, NOBODY, 5, 6, 3],
        [0, 1, 2, 3, 0, 1, 2],
        [1e10, 2e10, 3e10, 5e10, 1e9, 1e9, 1e9],
        position=position * scale[:, None],
        m_star=np.array([1e7, 2e7, 4e7, 1e8, *m_secondary]),
    )


def test_catalogue_estimate_takes_the_last_snapshot_outside():
    """Inside R_vir at the snapshot before the merger: stripped there, so the one before counts."""
    outside = catalogue_estimate(two_branches([1e6, 5e6, 2e7], [300.0, 250.0, 200.0]), 3)
    assert outside.fraction == pytest.approx(0.8, rel=1e-12)
    inside = catalogue_estimate(two_branches([1e6, 5e6, 2e7], [300.0, 200.0, 10.0]), 3)
    assert inside.fraction == pytest.approx(0.95, rel=1e-12)
    assert (inside.low, inside.high, inside.n_ex_situ) == (inside.fraction, inside.fraction, 1)
    assert inside.method == "catalogue_estimate"
    assert "catalogue_estimate" in inside.flags


def test_catalogue_estimate_with_unknown_mergers():
    never_outside = catalogue_estimate(two_branches([1e6, 5e6, 2e7], [10.0, 10.0, 10.0]), 3)
    assert (never_outside.n_ex_situ, never_outside.n_unknown) == (0, 1)
    assert never_outside.low == pytest.approx(0.8, rel=1e-12)
    assert never_outside.high == 1.0
    dark = catalogue_estimate(two_branches([0.0, 0.0, 0.0], [300.0, 250.0, 200.0]), 3)
    assert dark.fraction == 1.0
    too_much = catalogue_estimate(two_branches([1e6, 5e6, 3e8], [300.0, 250.0, 200.0]), 3)
    assert any("more stars than the halo has" in flag for flag in too_much.flags)
    with pytest.raises(InputError, match="a halo with stars"):
        catalogue_estimate(replace(two_branches([1, 1, 1], [0, 0, 0]), m_star=np.zeros(7)), 3)


# -- a real zoom -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def zoom(shared_data):
    folder = shared_data / "arepo/zoom"
    paths = {n: folder / f"snap_{n:03d}.hdf5" for n in (0, 1, 3, 4, 5)}
    paths[7] = folder / "snapdir_007/snap_007.0.hdf5"
    wood = link_snapshots(list(paths.values()))
    return paths, wood, tracks_of(wood, wood.row_of(7, 0))[0]


def test_real_zoom(zoom):
    """Stars by first appearance equal a plain count; every star of z = 12 is unknown."""
    paths, wood, track = zoom
    found = arepo_in_situ_fraction(track, paths)
    assert found.n_in_situ + found.n_ex_situ + found.n_unknown == 429  # inside R_200c, README of the data
    assert found.n_unknown == 9  # there at the first snapshot
    assert 0.5 < found.low <= found.fraction <= found.high <= 1.0
    assert "birth times: first appearance" in found.flags
    assert "birth mass: current mass (no GFM_InitialMass)" in found.flags
    assert any("coarse cadence" in flag for flag in found.flags)
    assert _plain_count(paths, track) == (found.n_in_situ, found.n_ex_situ)
    by_subhalo = arepo_in_situ_fraction(track, paths, definition="subhalo")
    assert by_subhalo.n_unknown == 9
    assert catalogue_estimate(wood, wood.row_of(7, 0)).fraction > 0.9
    with pytest.raises(InputError, match="no snapshot 7"):
        arepo_in_situ_fraction(track, {n: path for n, path in paths.items() if n < 7})


def _plain_count(paths, track):
    """In situ and ex situ, star by star, with h5py and dictionaries."""
    length = 3.085678e21 / 0.6774 / 3.0856775814913673e21
    last = []
    for part in (0, 1):
        with h5py.File(str(paths[7]).replace(".0.hdf5", f".{part}.hdf5")) as file:
            if "PartType4" in file:
                last += zip(file["PartType4/ParticleIDs"][:], file["PartType4/Coordinates"][:], strict=True)
    stars = []
    for row, number in enumerate(track.snapshot.tolist()):
        if number == 7:
            pairs = last
        else:
            with h5py.File(paths[number]) as file:
                pairs = list(
                    zip(file["PartType4/ParticleIDs"][:], file["PartType4/Coordinates"][:], strict=True)
                )
        radius = {
            int(i): np.linalg.norm(x * length * track.scale_factor[row] - track.position[row])
            for i, x in pairs
        }
        stars.append((radius, track.r_halo[row]))
    inside = counted = 0
    for identity, radius in stars[-1][0].items():
        if radius >= stars[-1][1]:
            continue
        first = next(k for k, (there, _) in enumerate(stars) if identity in there)
        if first > 0:
            counted += 1
            inside += stars[first][0][identity] <= stars[first][1]
    return inside, counted - inside
