import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from octree_twins import octrees

from simpost.core.errors import InputError
from simpost.ism.octree import LeafIndex

FINEST = 5


@settings(max_examples=60, deadline=None)
@given(octrees(FINEST, refinements=12), st.integers(0, 2**32 - 1), st.integers(-3, 3), st.booleans())
def test_every_point_is_found_in_the_leaf_that_contains_it(tree, seed, shift, part):
    corner, level = tree
    rng = np.random.default_rng(seed)
    corner = corner + shift * 2**FINEST
    if part:
        keep = rng.random(len(level)) < 0.6
        keep[0] = True
        corner, level = corner[keep], level[keep]
    points = shift * 2**FINEST + rng.uniform(-4, 2**FINEST + 4, size=(50, 3))
    points[:10] = np.floor(points[:10])  # on the faces: a face belongs to the leaf above it
    found = LeafIndex(corner, level, FINEST).locate(points)
    width = 2 ** (FINEST - level)
    low, high = corner[None], (corner + width[:, None])[None]
    inside = np.all((points[:, None] >= low) & (points[:, None] < high), axis=2)
    expected = np.where(inside.any(axis=1), inside.argmax(axis=1), -1)
    assert np.array_equal(found, expected)


def test_periodic_box_wraps():
    corner = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)])
    index = LeafIndex(corner, np.ones(8, dtype=int), 1, periodic=True)
    assert np.array_equal(index.locate([[2.5, -0.5, 0.5]]), index.locate([[0.5, 1.5, 0.5]]))
    assert LeafIndex(corner, np.ones(8, dtype=int), 1).locate([[2.5, 0.5, 0.5]])[0] == -1


def test_deep_zoom_far_from_the_origin():
    """Twenty levels, corners beyond 2^40: only the extent of the region is limited."""
    origin = np.array([3, 5, 7], dtype=np.int64) << 40
    corner = origin + np.array([[0, 0, 0], [2**19, 0, 0], [2**19 + 1, 0, 0]])
    index = LeafIndex(corner, np.array([21, 40, 40]), 40)
    assert index.locate(origin + np.array([[5.0, 5.0, 5.0], [2**19 + 1.0, 0.5, 0.5]])).tolist() == [0, 2]


@pytest.mark.parametrize(
    ("corner", "level", "message"),
    [
        ([[0, 0, 0], [0, 0, 0]], [1, 2], "overlap"),
        ([[0, 0, 0], [0, 0, 0]], [2, 2], "overlap"),
        ([[1, 0, 0]], [1], "no multiple of their width"),
        ([[0, 0, 0]], [3], "levels from 3"),
        ([[0.0, 0, 0]], [1], "integers"),
        ([[0, 0]], [1], "(n, 3)"),
        ([[0, 0, 0], [2**22, 0, 0]], [2, 2], "smaller region"),
    ],
)
def test_bad_leaves_are_refused(corner, level, message):
    with pytest.raises(InputError, match=r".") as caught:
        LeafIndex(np.array(corner), np.array(level), 2)
    assert message in str(caught.value)


def test_periodic_corners_must_lie_in_the_box():
    with pytest.raises(InputError, match="periodic box"):
        LeafIndex(np.array([[4, 0, 0]]), np.array([2]), 2, periodic=True)
