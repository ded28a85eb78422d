"""Main branches of forests: hand-made, random against a slow walk, and of three real trees."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from simpost.core.errors import InputError
from simpost.snapshots.protocol import HaloCatalogue
from simpost.trees.forest import NOBODY, main_branch, most_massive_progenitors, tracks_of
from tests.trees.forests import PLANCK, forest, random_forest, read_galacticus, read_millennium, read_treefrog

# two haloes (rows 3, 4 at snapshot 2; 1, 2 at snapshot 1) merge into row 0 of snapshot 3; 5 is the first
MERGER = {
    "descendant": [NOBODY, 3, 4, 0, 0, 1],
    "snapshot": [3, 1, 1, 2, 2, 0],
    "mass": [1e11, 3e10, 2e10, 4e10, 5e10, 1e10],
}


def test_the_most_massive_progenitor_is_followed():
    assert main_branch(forest(**MERGER), 0).tolist() == [0, 4, 2]
    assert main_branch(forest(**MERGER), 3).tolist() == [3, 1, 5]


def test_links_of_the_tree_itself_come_first():
    """A tree that states its main progenitors (GADGET-4, TreeFrog) is not second-guessed by mass."""
    stated = forest(**MERGER, main=[3, 5, NOBODY, 1, 2, NOBODY])
    assert main_branch(stated, 0).tolist() == [0, 3, 1, 5]


def test_of_equal_progenitors_the_first_row():
    assert most_massive_progenitors(np.array([3, 3, 3, NOBODY]), np.array([2.0, 5.0, 5.0, 1.0])).tolist() == [
        NOBODY,
        NOBODY,
        NOBODY,
        1,
    ]


@pytest.mark.parametrize("seed", range(25))
def test_random_forests_equal_a_slow_walk(seed):
    wood = random_forest(seed)

    def slow(node):
        progenitors = [i for i in range(len(wood)) if wood.descendant[i] == node]
        if not progenitors:
            return [node]
        best = max(progenitors, key=lambda i: (wood.mass[i], -i))
        return [node, *slow(best)]

    for root in range(len(wood)):
        assert main_branch(wood, root).tolist() == slow(root)


@pytest.mark.parametrize("seed", range(5))
def test_the_order_of_rows_does_not_matter(seed):
    wood = random_forest(seed)
    wood = replace(wood, mass=wood.mass + 1e-3 * np.arange(len(wood)))  # no ties
    wood = replace(wood, main_progenitor=most_massive_progenitors(wood.descendant, wood.mass))
    order = np.random.default_rng(seed).permutation(len(wood))
    new_row = np.argsort(order)
    per_node = ("snapshot", "identity", "mass", "m_200c", "position", "is_central", "m_star", "sfr")
    moved = {name: getattr(wood, name)[order] for name in per_node}
    for name in ("descendant", "main_progenitor"):
        link = getattr(wood, name)[order]
        moved[name] = np.where(link == NOBODY, NOBODY, new_row[link])
    shuffled = replace(wood, **moved)
    for root in range(len(wood)):
        np.testing.assert_array_equal(order[main_branch(shuffled, new_row[root])], main_branch(wood, root))


def test_roots_and_rows():
    wood = forest(**MERGER)
    assert wood.roots().tolist() == [0]
    assert wood.row_of(2, 4) == 4
    with pytest.raises(InputError, match="no halo 99 at snapshot 2"):
        wood.row_of(2, 99)
    with pytest.raises(InputError, match="root 6"):
        main_branch(wood, 6)
    assert len(forest([], [], []).roots()) == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"identity": np.array([0, 1, 1, 3, 4, 5])}, "halo 1 twice at snapshot 1"),
        ({"descendant": [NOBODY, 3, 4, 0, 0, 9], "main": [NOBODY] * 6}, "descendant outside the forest"),
        ({"descendant": [NOBODY, 3, 4, 0, 3, 1], "main": [NOBODY] * 6}, "do not lead forward in time"),
        ({"descendant": [5, 3, 4, 0, 0, 1], "main": [NOBODY] * 6}, "do not lead forward in time"),
        ({"main": [NOBODY, 3, NOBODY, NOBODY, NOBODY, NOBODY]}, "do not lead back in time"),
        ({"outputs": {0: 0.1, 1: 0.12, 3: 0.16}}, "haloes of snapshot 2"),
        ({"m_star": np.zeros(5)}, r"\(5,\) values of 'm_star'"),
        ({"position": np.zeros((6, 2))}, r"positions of shape \(6, 2\)"),
    ],
)
def test_damage_is_named(change, message):
    with pytest.raises(InputError, match=message):
        forest(**(MERGER | change))


# -- stars from catalogues ---------------------------------------------------------------------------


def catalogue(number, n=6, **columns):
    a = 0.1 + 0.02 * number
    values = {
        "source": Path(f"tab_{number:03d}"),
        "position": np.zeros((n, 3)),
        "velocity": np.zeros((n, 3)),
        "mass": np.ones(n),
        "m_200c": np.zeros(n),
        "r_200c": np.zeros(n),
        "is_central": np.ones(n, dtype=bool),
        "group": np.arange(n),
        "galaxy_stellar_mass": 1e7 * (1.0 + np.arange(n)),
        "stellar_mass": 2e7 * (1.0 + np.arange(n)),
        "sfr": 0.5 + np.arange(n),
        "scale_factor": a,
        "number": number,
        "cosmology": PLANCK,
        "box_size": 1000.0 * a,
    }
    return HaloCatalogue(**(values | columns))


def test_stars_come_from_the_catalogues_by_row():
    wood = forest(**MERGER)
    track = tracks_of(wood, 0, {n: catalogue(n) for n in (1, 2, 3)})[0]
    assert track.m_star.tolist() == [3e7, 5e7, 1e7]  # rows 2, 4, 0
    assert track.sfr.tolist() == [2.5, 4.5, 0.5]
    assert track.m_halo.tolist() == pytest.approx([2e10, 5e10, 1e11], rel=1e-12)
    assert not np.any(track.is_satellite)
    fourth = np.arange(6) != 4
    other = tracks_of(wood, 0, {n: catalogue(n, is_central=fourth) for n in (1, 2, 3)})[0]
    assert not np.any(other.is_satellite)  # which subhalo is the central is what the forest says
    own = tracks_of(replace(wood, is_central=fourth), 0, {n: catalogue(n) for n in (1, 2, 3)})[0]
    assert own.is_satellite.tolist() == [False, True, False]
    bound = tracks_of(wood, 0, {n: catalogue(n, galaxy_stellar_mass=None) for n in (1, 2, 3)})[0]
    assert bound.m_star.tolist() == [6e7, 1e8, 2e7]
    assert any("all bound stars" in note for note in bound.notes)
    lacking = tracks_of(wood, 0, {1: catalogue(1), 3: catalogue(3)})[0]
    assert np.isnan(lacking.m_star[1])
    assert any("no catalogue for snapshot(s) 2" in note for note in lacking.notes)


def test_a_mass_the_tree_lacks_comes_from_the_catalogue():
    wood = forest(**MERGER, m_200c=np.array([1e11, 3e10, np.nan, 4e10, 5e10, 1e10]))
    m_200c = np.full(6, 7e9)
    track = tracks_of(wood, 0, {n: catalogue(n, m_200c=m_200c) for n in (1, 2, 3)})[0]
    assert track.m_halo.tolist() == pytest.approx([7e9, 5e10, 1e11], rel=1e-12)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (catalogue(2, scale_factor=0.2), "a catalogue of a = 0.2"),
        (catalogue(2, n=3), "3 haloes, expected halo 4"),
        (catalogue(2, position=np.full((6, 3), 50.0)), "halo 4 50 kpc away"),
    ],
)
def test_a_catalogue_of_another_snapshot_is_refused(wrong, message):
    with pytest.raises(InputError, match=message):
        tracks_of(forest(**MERGER), 0, {2: wrong})


# -- real trees --------------------------------------------------------------------------------------


def test_unit_simulation(shared_data):
    """Figures of data/trees/README.md: 105 nodes back to a = 0.0999, mass not monotonic."""
    wood = read_galacticus(shared_data / "trees/unit_forest.hdf5")
    assert (len(wood), len(wood.outputs)) == (21484, 111)
    assert np.count_nonzero(wood.descendant == NOBODY) == 75
    assert np.count_nonzero(~wood.is_central) == 4621
    root = wood.row_of(110, 16306890616)
    branch = main_branch(wood, root)
    assert len(branch) == 105
    h = 0.6774
    assert wood.mass[branch[0]] * h == pytest.approx(9.617e13, rel=1e-4)
    assert wood.mass[branch[-1]] * h == pytest.approx(2.245e10, rel=1e-3)
    assert wood.scale_factor[branch[-1]] == pytest.approx(0.0999, abs=5e-5)
    track = tracks_of(wood, root)[0]
    assert len(track) == 105
    falls = np.isclose(track.scale_factor, 0.9567, atol=5e-5)
    assert track.m_halo[falls].item() * h == pytest.approx(9.692e13, rel=1e-4)
    assert track.mass_falls[-1] or track.m_halo[-2] < track.m_halo[-1]
    assert np.count_nonzero(track.mass_falls) > 0
    np.testing.assert_array_equal(track.mass_falls[1:], np.diff(track.m_halo) < 0)


def test_milli_millennium(shared_data):
    wood = read_millennium(shared_data / "trees/millimillennium_trees.csv.gz")
    assert len(wood) == 12920
    roots = np.flatnonzero(wood.descendant == NOBODY)
    assert len(roots) == 166  # those of 71 trees and the satellites that live on to z = 0
    for root in roots[wood.is_central[roots]][:20]:
        branch = main_branch(wood, root)
        assert np.all(np.diff(wood.snapshot[branch]) < 0)
        main_mass = wood.mass[branch[1]]
        assert main_mass == wood.mass[wood.descendant == root].max()


def test_treefrog(shared_data):
    wood = read_treefrog(shared_data / "trees/treefrog/VELOCIraptor.walkabletree.forestIDs.hdf5")
    assert len(wood) == 4974
    roots = wood.roots()
    assert len(roots) == 522
    assert wood.mass[roots[0]] == pytest.approx(5.985e14, rel=1e-3)
    branch = main_branch(wood, int(roots[0]))
    assert len(branch) > 10
    np.testing.assert_array_equal(wood.descendant[branch[1:]], branch[:-1])
    track = tracks_of(wood, int(roots[0]))[0]
    assert track.redshift[-1] == pytest.approx(0.0, abs=1e-12)
    gap = np.linalg.norm(np.diff(track.position / track.scale_factor[:, None], axis=0), axis=1)
    assert gap.max() < 3e3  # comoving kpc between snapshots: one object, not a jump across the box
