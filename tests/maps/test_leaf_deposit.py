"""Octree leaves on pixels: exact overlap, closure, additivity, symmetry."""

import naive_maps
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simpost.maps.amr_kernels import per_area
from simpost.maps.deposit import Depositor
from simpost.maps.images import padded_image
from simpost.maps.view import View


@st.composite
def windows_with_leaves(draw):
    n_pixels = draw(st.sampled_from([1, 2, 7, 8, 9, 10, 16, 50]))  # 8 pixels are added at once
    n = draw(st.integers(1, 12))
    # centres on multiples of 1/64 put edges on pixel edges of the power-of-two windows
    grid = st.integers(-96, 96).map(lambda i: i / 64)
    coordinate = st.one_of(grid, st.floats(-1.5, 1.5))
    side = st.one_of(st.sampled_from([1 / 64, 1 / 16, 1 / 4, 1.0, 4.0]), st.floats(1e-6, 5.0))
    position = np.array(draw(st.lists(st.tuples(*[coordinate] * 3), min_size=n, max_size=n)))
    size = np.array(draw(st.lists(side, min_size=n, max_size=n)))
    mass = np.array(draw(st.lists(st.floats(0.1, 1.0), min_size=n, max_size=n)))
    return n_pixels, position, size, mass


def leaf_maps(view, position, size, **quantities):
    depositor = Depositor(view, list(quantities))
    depositor.add_leaves(position, size, quantities)
    return depositor.finish()


@given(windows_with_leaves())
@settings(max_examples=150, deadline=None)
def test_kernel_agrees_with_the_twin(case):
    n_pixels, position, size, mass = case
    quantities = np.stack([mass, -3.0 * mass**2], axis=1)
    view = View.named("z", 2.0, 2.0, 2.0 / n_pixels)
    maps = leaf_maps(view, position, size, a=quantities[:, 0], b=quantities[:, 1])
    image = np.stack([maps["a"].values, maps["b"].values]) * view.pixel**2
    expected = naive_maps.leaf_image(*position.T, size, quantities, 1.0, 1.0, n_pixels)
    # shares of a leaf of side s carry the rounding of coordinates of order one
    np.testing.assert_allclose(image, expected, rtol=0, atol=1e-14 * np.sum(1 + 1 / size))


@given(windows_with_leaves())
@settings(max_examples=150, deadline=None)
def test_closure_and_nothing_folded_into_the_border(case):
    n_pixels, position, size, mass = case
    view = View.named("z", 2.0, 2.0, 2.0 / n_pixels)
    result = leaf_maps(view, position, size, mass=mass)["mass"]
    on_map = result.values.sum() * view.pixel**2
    assert result.closure_reason or abs(result.closure) < 1e-10
    np.testing.assert_allclose(
        on_map + result.total_outside_fov, result.total_selected, rtol=1e-10, atol=1e-300
    )
    # no pixel may hold more than its area's share of every leaf
    column = np.minimum(size, 2.0) / size**3  # mass per area of a leaf of mass one inside the slab
    assert np.all(result.values <= np.sum(mass * column) * (1 + 1e-9))


def test_an_eighth_of_the_slab_counts_as_an_eighth():
    view = View.named("z", 4.0, 1.0, 0.5)
    # a cube of side 2: from 0.25 to 2.25 along the line of sight, an eighth of it inside the slab
    result = leaf_maps(view, [[0.1, 0.2, 1.25]], [2.0], mass=[8.0])["mass"]
    np.testing.assert_allclose(result.total_selected, 1.0, rtol=1e-14)
    np.testing.assert_allclose(result.values.sum() * 0.25, 1.0, rtol=1e-14)
    assert (result.n_cells, result.total_outside_fov) == (1, 0.0)
    outside = leaf_maps(view, [[0.1, 0.2, 1.5]], [2.0], mass=[8.0])["mass"]
    assert (outside.n_cells, outside.closure_reason) == (0, "no cells")


@pytest.mark.parametrize("n_pixels", [16, 50, 137])
@pytest.mark.parametrize("name", ["x", "y", "z"])
def test_splitting_leaves_in_eight_changes_nothing(name, n_pixels):
    rng = np.random.default_rng(5)
    size = 2.0 ** -rng.integers(0, 8, 300)
    position, mass = rng.uniform(-1.2, 1.2, (300, 3)), rng.uniform(0.1, 1, 300)
    corners = np.array([(i, j, k) for i in (-1, 1) for j in (-1, 1) for k in (-1, 1)]) / 4
    children = (position[:, None, :] + size[:, None, None] * corners).reshape(-1, 3)
    view = View.named(name, 2.0, 1.5, 2.0 / n_pixels)
    whole = leaf_maps(view, position, size, mass=mass)["mass"]
    split = leaf_maps(view, children, np.repeat(size / 2, 8), mass=np.repeat(mass / 8, 8))["mass"]
    np.testing.assert_allclose(split.values, whole.values, rtol=1e-12, atol=1e-12 * whole.values.max())


def test_views_agree_with_turned_input():
    position, mass = naive_maps.random_cells(1, 400)
    size = np.full(400, 0.13)
    maps = {
        name: leaf_maps(View.named(name, 1.5, 1.0, 0.1), np.roll(position, shift, axis=1), size, mass=mass)
        for name, shift in (("z", 0), ("x", 1), ("y", 2))
    }
    for name in ("x", "y"):
        np.testing.assert_array_equal(maps[name]["mass"].values, maps["z"]["mass"].values)


def test_moving_by_a_pixel_moves_the_map():
    position, mass = naive_maps.random_cells(2, 200, spread=0.7)
    size = np.random.default_rng(2).uniform(0.01, 0.3, 200)
    view = View.named("z", 2.0, 4.0, 0.125)
    image = leaf_maps(view, position, size, mass=mass)["mass"].values
    moved = leaf_maps(view, position + np.array([0.125, -0.25, 0.0]), size, mass=mass)["mass"].values
    np.testing.assert_allclose(moved[:-2, 1:], image[2:, :-1], rtol=1e-12, atol=1e-12 * image.max())


@pytest.mark.parametrize("n_pixels", [64, 100, 137])
def test_wide_leaves_anywhere_agree_with_the_twin(n_pixels):
    rng = np.random.default_rng(n_pixels)
    position, size = rng.uniform(-1.6, 1.6, (200, 3)), rng.uniform(0.2, 2.5, 200)
    position[:40], size[:40] = np.round(8 * position[:40]) / 8, 0.5
    mass = rng.uniform(0.1, 1, 200)
    image = leaf_maps(View.named("z", 2.0, 2.0, 2.0 / n_pixels), position, size, mass=mass)["mass"].values
    expected = naive_maps.leaf_image(*position.T, size, mass[:, None], 1.0, 1.0, n_pixels)[0]
    np.testing.assert_allclose(image * (2.0 / n_pixels) ** 2, expected, rtol=1e-12)


def test_dark_pixels_beside_bright_wide_leaves_are_exactly_zero():
    # pixels that no leaf touches, between leaves of very different brightness
    position = np.array([[-0.5, -0.5, 0.0], [0.5, 0.3, 0.0]])
    image = leaf_maps(View.named("z", 2.0, 9.0, 0.01), position, [0.71, 0.31], light=[1e20, 1e-20])[
        "light"
    ].values
    size, one = np.array([0.71, 0.31]), np.ones((2, 1))
    touched = naive_maps.leaf_image(*position.T, size, one, 1.0, 9.0, 200)[0] > 0
    assert np.all(image[~touched] == 0.0)
    assert np.all(image[touched] > 0.0)


def test_pixels_beside_leaves_of_any_width_are_exactly_zero():
    rng = np.random.default_rng(11)
    for width in 2.0 ** rng.uniform(-8, 0, 60):
        position = np.append(rng.uniform(-0.5, 0.5, (1, 2)), [[0.0]], axis=1)
        image = leaf_maps(View.named("z", 2.0, 9.0, 2 / 77), position, [width], light=[1e10])["light"].values
        edges = np.linspace(-1, 1, 78)
        low, high = position[0, :2, None] - width / 2, position[0, :2, None] + width / 2
        reached = (edges[1:] > low) & (edges[:-1] < high)
        np.testing.assert_array_equal(image > 0.0, reached[1][:, None] & reached[0])


def test_chunks_add_up():
    position, mass = naive_maps.random_cells(3, 100)
    size = np.full(100, 0.2)
    view = View.named("y", 1.0, 1.0, 0.1)
    depositor = Depositor(view, ["mass"])
    for part in (slice(0, 30), slice(30, 30), slice(30, 100)):
        depositor.add_leaves(position[part], size[part], {"mass": mass[part]})
    whole, parts = leaf_maps(view, position, size, mass=mass)["mass"], depositor.finish()["mass"]
    np.testing.assert_allclose(parts.values, whole.values, rtol=1e-13)
    assert parts.n_cells == whole.n_cells
    np.testing.assert_allclose(parts.total_selected, whole.total_selected, rtol=1e-13)


@pytest.mark.parametrize("n_pixels", [1, 8, 37, 64])
def test_maps_are_pixels_and_the_planes_of_their_blocks(n_pixels):
    rng = np.random.default_rng(n_pixels)
    n_blocks = n_pixels // 8
    image, blocks = padded_image(1, n_pixels)[0], rng.normal(size=(3, n_blocks, n_blocks))
    image[:, :n_pixels] = rng.normal(size=(n_pixels, n_pixels))
    image[:, n_pixels:] = np.nan  # no pixel of the map
    expected = image[:, :n_pixels].copy()
    for y, x in np.ndindex(n_blocks, n_blocks):
        for j, i in np.ndindex(8, 8):
            plane = blocks[0, y, x] + i * blocks[1, y, x] + j * blocks[2, y, x]
            expected[8 * y + j, 8 * x + i] += plane
    values = np.empty((n_pixels, n_pixels))
    total = per_area(image, blocks, 4.0, values)
    np.testing.assert_allclose(values, 4.0 * expected, rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(total, expected.sum(), rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("n_pixels", [1, 8, 500, 512, 2048])
def test_rows_of_an_image_take_an_odd_number_of_lines_of_memory(n_pixels):
    image = padded_image(2, n_pixels)
    assert image.shape[:2] == (2, n_pixels)
    assert n_pixels <= image.shape[2] <= n_pixels + 15
    assert image.shape[2] % 16 == 8
    assert image.ctypes.data % 64 == 0


@pytest.mark.parametrize("direction", [(0, 0, 1), (3, 2, 1)])
def test_what_comes_after_a_first_map_is_added_to_it(direction):
    position, mass = naive_maps.random_cells(4, 60)
    size = np.random.default_rng(4).choice([0.01, 0.1, 0.8], 60)
    depositor = Depositor(View("any", direction, (0, 1, 0), 1.0, 1.0, 1.0 / 100), ["mass"])
    depositor.add_leaves(position, size, {"mass": mass})
    first, again = (depositor.finish()["mass"].values for _ in range(2))
    np.testing.assert_array_equal(again, first)
    first[:] = 0.0  # a map is the caller's own
    depositor.add_leaves(position, size, {"mass": mass})
    np.testing.assert_allclose(depositor.finish()["mass"].values, 2.0 * again, rtol=1e-12)
