import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from octree_twins import balance, leaf_gradient_twin, octrees

from simpost.core.errors import InputError
from simpost.ism.gradient import NeighbourLists, leaf_gradient, voronoi_gradient
from simpost.ism.octree import LeafIndex
from simpost.ism.turbulence import leaf_velocity_gradient, voronoi_velocity_gradient

FINEST = 4
SLOPE = np.array([[0.3, -1.2, 2.0], [0.7, 0.1, -0.4], [-1.1, 0.9, 0.6]])


def uniform_grid(n):
    return np.stack(np.meshgrid(*[np.arange(n)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)


def agrees_with_twin(corner, level, fields, rng, periodic):
    values = rng.normal(size=(len(level), fields))
    index = LeafIndex(corner, level, FINEST, periodic)
    result = leaf_gradient(index, values, np.ldexp(1.0, FINEST - level))
    box = 2**FINEST if periodic else None
    gradient, rank = leaf_gradient_twin(corner, level, FINEST, values, box)
    np.testing.assert_array_equal(result.n_directions, rank)
    np.testing.assert_allclose(result.value, gradient, rtol=0, atol=1e-12)


@settings(max_examples=40, deadline=None)
@given(octrees(FINEST, balanced=True), st.integers(0, 2**32 - 1), st.integers(1, 4))
def test_leaf_kernel_agrees_with_the_slow_twin_on_parts_of_trees(tree, seed, fields):
    corner, level = tree
    rng = np.random.default_rng(seed)
    keep = rng.random(len(level)) < 0.8
    keep[0] = True
    agrees_with_twin(corner[keep], level[keep], fields, rng, periodic=False)


@settings(max_examples=20, deadline=None)
@given(octrees(FINEST, balanced=True, base=2), st.integers(0, 2**32 - 1))
def test_leaf_kernel_agrees_with_the_slow_twin_in_a_periodic_box(tree, seed):
    corner, level = balance(*tree, FINEST, 2**FINEST)
    agrees_with_twin(corner, level, 1, np.random.default_rng(seed), periodic=True)


@settings(max_examples=40, deadline=None)
@given(octrees(FINEST, refinements=12), st.integers(0, 2**32 - 1))
def test_linear_fields_are_exact_on_any_tree_and_any_part_of_it(tree, seed):
    corner, level = tree
    keep = np.random.default_rng(seed).random(len(level)) < 0.8
    keep[0] = True
    corner, level = corner[keep], level[keep]
    width = np.ldexp(1.0, FINEST - level)
    centre = corner + 0.5 * width[:, None]
    result = leaf_velocity_gradient(corner, level, FINEST, centre @ SLOPE.T + 1.0, width)
    defined = result.n_directions == 3
    assert np.all(np.isnan(result.value) == ~defined[:, None, None])
    # in units of the cell, against velocities of order 16
    np.testing.assert_allclose(
        result.value[defined], np.broadcast_to(SLOPE, (defined.sum(), 3, 3)), rtol=0, atol=1e-12
    )


def test_level_jump_has_the_distances_of_the_specification():
    """Finer neighbours count as their mean at 0.75 Dx, a coarser one at 1.5 Dx, off the axis by 0.5 Dx."""
    fine = np.array([[x, y, z] for x in (2, 3) for y in (2, 3) for z in (2, 3)])
    coarse = np.array([[4, 2, 2], [6, 2, 2], [4, 4, 2], [4, 0, 2], [4, 2, 4], [4, 2, 0]])
    corner, level = np.vstack([fine, coarse]), np.r_[np.full(8, 3), np.full(6, 2)]
    values = np.zeros((14, 1))
    values[4:8, 0] = [0.0, 1.0, 2.0, 5.0]  # the four that touch the leaf at (4, 2, 2): mean 2
    values[9, 0] = 7.0  # its neighbour at +x
    index = LeafIndex(corner, level, 3)
    gradient = leaf_gradient(index, values, np.ldexp(1.0, 3 - level)).value
    # widths of 2: x weights 1/d^2, so sum d f/d^2 = -2/0.75 + 7/1 over A_xx = 2
    np.testing.assert_allclose(gradient[8, 0], [0.5 * (7.0 - 2.0 / 0.75) / 2.0, 0.0, 0.0], atol=1e-14)
    steps = np.array([[1.5, 0.5, 0.5], [-1, 0, 0], [0, 1, 0], [0, 0, 1]])  # around the leaf at (3, 2, 2)
    changes = values[[8, 0, 6, 5], 0] - values[4, 0]
    weight = 1.0 / np.linalg.norm(steps, axis=1)
    expected = np.linalg.lstsq(steps * weight[:, None], changes * weight, rcond=None)[0]
    np.testing.assert_allclose(gradient[4, 0], expected, atol=1e-14)


def test_uniform_grid_gives_central_differences_and_scales_with_the_cell():
    n, size = 8, 0.03
    corner = uniform_grid(n)
    rng = np.random.default_rng(2)
    field = rng.normal(size=(n, n, n))
    index = LeafIndex(corner, np.full(n**3, 3), 3, periodic=True)
    gradient = leaf_gradient(index, field.reshape(-1, 1), np.full(n**3, size)).value
    for axis in range(3):
        central = (np.roll(field, -1, axis) - np.roll(field, 1, axis)) / (2.0 * size)
        np.testing.assert_allclose(gradient[:, 0, axis], central.ravel(), rtol=1e-12, atol=1e-10)


def test_too_few_directions_are_nan_and_counted():
    corner = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [7, 7, 7]])
    result = leaf_gradient(LeafIndex(corner, np.full(4, 3), 3), np.ones((4, 2)), np.ones(4))
    assert result.n_directions.tolist() == [2, 1, 1, 0]
    assert np.all(np.isnan(result.value))


def test_many_leaves_agree_whatever_their_order():
    rng = np.random.default_rng(3)
    corner, level = uniform_grid(16) * 2, np.full(4096, 4)
    fine = np.linalg.norm(corner - 16.0, axis=1) < 9
    octants = uniform_grid(2)
    corner = np.vstack([corner[~fine], (corner[fine][:, None] + octants).reshape(-1, 3)])
    level = np.r_[level[~fine], np.full(8 * fine.sum(), 5)]
    values, size = rng.normal(size=(len(level), 3)), np.ldexp(1.0, -level)
    shuffle = rng.permutation(len(level))
    straight = leaf_gradient(LeafIndex(corner, level, 5), values, size)
    shuffled = leaf_gradient(LeafIndex(corner[shuffle], level[shuffle], 5), values[shuffle], size[shuffle])
    np.testing.assert_array_equal(shuffled.value, straight.value[shuffle])
    np.testing.assert_array_equal(shuffled.n_directions, straight.n_directions[shuffle])


def voronoi_twin(position, values, neighbours):
    gradient = np.full((len(position), values.shape[1], 3), np.nan)
    for i, cells in enumerate(neighbours):
        steps = position[cells] - position[i]
        weight = 1.0 / np.linalg.norm(steps, axis=1)[:, None]
        if np.linalg.matrix_rank(steps * weight, tol=1e-4) == 3:
            gradient[i] = np.linalg.lstsq(steps * weight, (values[cells] - values[i]) * weight, rcond=None)[
                0
            ].T
    return gradient


def test_voronoi_kernel_agrees_with_the_slow_twin():
    rng = np.random.default_rng(4)
    position, values = rng.normal(size=(300, 3)), rng.normal(size=(300, 2))
    distance = np.linalg.norm(position[:, None] - position, axis=2)
    nearest = list(np.argsort(distance, axis=1)[:, 1:13])
    np.testing.assert_allclose(
        voronoi_gradient(position, values, 12).value, voronoi_twin(position, values, nearest), rtol=1e-9
    )
    listed = [cells[: rng.integers(0, 13)] for cells in nearest]  # natural neighbours vary in number
    lists = NeighbourLists(np.r_[0, np.cumsum([len(c) for c in listed])], np.concatenate(listed))
    result = voronoi_gradient(position, values, lists)
    np.testing.assert_allclose(result.value, voronoi_twin(position, values, listed), rtol=1e-9)
    few = np.array([len(c) for c in listed]) < 3
    assert np.all(result.n_directions[few] < 3)
    assert np.all(result.n_directions[few] == [min(len(c), 3) for c in np.array(listed, object)[few]])


def test_voronoi_linear_field_is_exact_and_planes_are_nan():
    position = np.random.default_rng(5).uniform(size=(2000, 3))
    result = voronoi_velocity_gradient(position, position @ SLOPE.T)
    np.testing.assert_allclose(result.value, np.broadcast_to(SLOPE, (2000, 3, 3)), rtol=0, atol=1e-12)
    position[:, 2] = 0.5
    flat = voronoi_velocity_gradient(position, position @ SLOPE.T)
    assert np.all(flat.n_directions == 2)
    assert np.all(np.isnan(flat.value))


def test_voronoi_with_fewer_cells_than_neighbours_and_with_twins_in_place():
    position = np.vstack([np.eye(3), np.zeros((1, 3)), np.zeros((1, 3))])
    result = voronoi_gradient(position, position @ SLOPE.T)
    np.testing.assert_allclose(result.value, np.broadcast_to(SLOPE, (5, 3, 3)), atol=1e-13)


@pytest.mark.parametrize(
    "lists",
    [
        NeighbourLists(np.array([0, 1, 2]), np.array([1, 0])),
        NeighbourLists(np.array([0, 1, 1, 1]), np.array([3])),
        NeighbourLists(np.array([0, 2, 1, 2]), np.array([1, 0])),
        NeighbourLists(np.array([0, 1, 2, 2]), np.array([1, -1])),
    ],
)
def test_bad_neighbour_lists_are_refused(lists):
    with pytest.raises(InputError, match="neighbour lists"):
        voronoi_gradient(np.eye(3), np.ones((3, 1)), lists)


def test_bad_fields_are_refused():
    index = LeafIndex(np.zeros((1, 3), dtype=int), np.zeros(1, dtype=int), 0)
    with pytest.raises(InputError, match="not finite"):
        leaf_gradient(index, [[np.nan]], [1.0])
    with pytest.raises(InputError, match="shape"):
        leaf_gradient(index, np.ones((2, 1)), [1.0])
    with pytest.raises(InputError, match="leaf size"):
        leaf_gradient(index, [[1.0]], [0.0])
    with pytest.raises(InputError, match="at least 1"):
        voronoi_gradient(np.eye(3), np.eye(3), 0)
