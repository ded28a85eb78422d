"""Octree leaves seen from any direction: exact shares, and tables that agree with them."""

import naive_maps
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from simpost.maps.amr_kernels import per_area
from simpost.maps.deposit import Depositor
from simpost.maps.images import padded_image
from simpost.maps.oblique import Cube, deposit_oblique
from simpost.maps.view import View

DIRECTIONS = {
    "321": ((3, 2, 1), (0, 0, 1)),
    "110": ((1, 1, 0), (0, 0, 1)),
    "111": ((1, 1, 1), (0, 0, 1)),
    "back": ((-0.3, 0.5, -0.8), (0, 1, 0.2)),
    "z turned": ((0, 0, 1), (1, 1, 0)),
    "nearly z": ((1e-3, -2e-3, 1), (0, 1, 0)),
    "steep": ((0.02, 1, 0.7), (1, 0, 0)),
}


def axes_of(view):
    return np.array((view.right, view.up, view.line_of_sight))


def deposit(view, position, size, columns, exact=False):
    """Image (k, ny, nx), totals (3, k) and count of leaves."""
    columns = np.ascontiguousarray(columns, dtype=float)
    k, n = columns.shape[1], view.n_pixels
    image, blocks = padded_image(k, n), np.zeros((k, 3, n // 8, n // 8))
    totals = np.zeros((3, columns.shape[1]))
    position, size = np.ascontiguousarray(position, dtype=float), np.ascontiguousarray(size, dtype=float)
    count = deposit_oblique(view, position, size, columns, image, blocks, totals, exact=exact)
    whole = np.empty((k, n, n))
    for q in range(k):
        per_area(image[q], blocks[q], 1.0, whole[q])
    return whole, totals, count


def octree_cells(seed, n=1500):
    """Leaves of the levels of an octree of box side 1.6, clustered, of all sizes against the pixels."""
    rng = np.random.default_rng(seed)
    level = rng.integers(2, 13, n)
    size = 1.6 * 0.5**level
    position = 0.5 * rng.normal(0, 1, (n, 3)) * size[:, None] ** 0.3
    return position, size, rng.uniform(0.2, 1, n) * size**1.5


# (3, 2, 1)/sqrt 14, right = (-0.5547002, 0.8320503, 0): volumes of convex polytopes, to 1e-10
@pytest.mark.parametrize(
    ("x", "y", "side", "share"),
    [
        (0.0, 0.0, 0.25, 0.0779511956),
        (0.3, 0.2, 0.5, 0.2072099031),
        (0.6, 0.3, 0.25, 0.0134029769),
        (-0.5, -0.6, 0.4, 0.0156942758),
        (0.9, 0.0, 0.3, 0.0),
    ],
)
def test_reference_pixel_shares(x, y, side, share):
    view = View("321", *DIRECTIONS["321"], width=side, depth=10, pixel=side)
    position = np.array([[-x, -y, 0.0]]) @ axes_of(view)
    image, totals, _ = deposit(view, position, [1.0], [[1.0]], exact=True)
    np.testing.assert_allclose(image[0, 0, 0], share, rtol=0, atol=1e-10)
    np.testing.assert_allclose(totals[0], share, rtol=0, atol=1e-10)


@pytest.mark.parametrize(
    ("name", "centre", "area"),
    [("110", 2**0.5, 2**0.5), ("111", 3**0.5, 3**0.5), ("321", 1.247219129, 1.603567451)],
)
def test_central_chord_and_area_of_the_footprint(name, centre, area):
    view = View(name, *DIRECTIONS[name], width=2.0, depth=10, pixel=2.0 / 501)
    image = deposit(view, [[0, 0, 0]], [1.0], [[1.0]], exact=True)[0][0] / view.pixel**2
    # the middle pixel has the front edge in it: its mean is below the peak by a pixel's slope
    np.testing.assert_allclose(image[250, 250], centre, rtol=3e-3)
    assert image.max() <= centre * (1 + 1e-12)
    np.testing.assert_allclose(np.count_nonzero(image) * view.pixel**2, area, rtol=1e-2)
    np.testing.assert_allclose(image.sum() * view.pixel**2, 1.0, rtol=1e-13)


def test_reference_chords_and_marginal():
    view = View("321", *DIRECTIONS["321"], width=2.0, depth=10, pixel=2.0)
    cube = Cube(axes_of(view))
    for x, y, length in ((0, 0, 1.2472191289), (0.3, 0.2, 0.8844870330), (0.6, 0.3, 0.2099501548)):
        front, back = (cube.faces[side, :3] @ (1, x, y) for side in (0, 1))
        np.testing.assert_allclose(front.min() - back.max(), length, rtol=1e-9)
    fine = cube.integrated(1000.0, 2000).sum(axis=1) * 1000
    # pixels have edges at multiples of 0.001
    for y, density in ((0.0, 1.0377490451), (0.3, 1.0375562102), (0.45, 0.6673307828), (0.6, 0.0709158118)):
        # the mean over 0.002 differs from the value by the curvature: 2e-6 of the peak
        i = 1000 + round(1000 * y)
        np.testing.assert_allclose(0.5 * (fine[i - 1] + fine[i]), density, rtol=0, atol=1e-5)


component = st.one_of(st.sampled_from([0.0, 1.0, -1.0, 1e-4]), st.floats(-1, 1))
direction = st.tuples(component, component, component)


@given(direction, direction, st.tuples(*[st.floats(-1.2, 1.2)] * 3), st.floats(0.05, 3), st.floats(0.05, 3))
@settings(max_examples=150, deadline=None)
def test_share_of_the_view_is_the_volume_of_the_cut_cube(toward, up, position, width, depth):
    toward, up = np.array(toward), np.array(up)
    assume(np.linalg.norm(toward) > 0.1 and np.linalg.norm(up) > 0.1)
    assume(np.linalg.norm(np.cross(toward, up)) > 0.05)
    view = View("any", tuple(toward), tuple(up), width, depth, width)
    centre = axes_of(view) @ np.array(position)
    half = 0.5 * np.array([width, width, depth])
    expected = naive_maps.cut_cube_volume(axes_of(view), np.stack([-half - centre, half - centre], axis=1))
    image, totals, _ = deposit(view, [position], [1.0], [[1.0]])
    np.testing.assert_allclose(totals[0, 0], expected, rtol=0, atol=1e-6)
    np.testing.assert_allclose(image[0, 0, 0], totals[0, 0], rtol=0, atol=1e-13)


@given(st.sampled_from(sorted(DIRECTIONS)), st.integers(1, 40), st.integers(0, 2**32 - 1), st.floats(0.3, 4))
@settings(max_examples=25, deadline=None)
def test_exact_deposit_agrees_with_rays(name, n_pixels, seed, depth):
    rng = np.random.default_rng(seed)
    view = View(name, *DIRECTIONS[name], 1.0, depth, 1.0 / n_pixels)
    size = 0.5 ** rng.integers(0, 3, 4)
    position, mass = rng.uniform(-0.8, 0.8, (4, 3)), rng.uniform(0.1, 1, 4)
    samples = max(480 // n_pixels, 24)
    expected = naive_maps.oblique_image(axes_of(view), position, size, mass, view, samples)
    image = deposit(view, position, size, mass[:, None], exact=True)[0][0]
    # rays sample a face seen edge-on with an error of a ray's width
    error = np.abs(image - expected) / max(expected.max(), 1e-3)
    assert error.max() < 4.0 / samples


@pytest.mark.parametrize("name", DIRECTIONS)
@pytest.mark.parametrize("n_pixels", [50, 100, 137, 200, 256])
def test_tables_agree_with_the_exact_integral(name, n_pixels):
    position, size, mass = octree_cells(n_pixels)
    view = View(name, *DIRECTIONS[name], 1.0, 3.0, 1.0 / n_pixels)
    exact, totals, count = deposit(view, position, size, mass[:, None], exact=True)
    image, totals_again, count_again = deposit(view, position, size, mass[:, None])
    assert np.sqrt(np.mean((image - exact) ** 2) / np.mean(exact**2)) < 5e-4
    np.testing.assert_allclose(image.sum(), totals[0, 0], rtol=1e-11)
    np.testing.assert_allclose(exact.sum(), totals[0, 0], rtol=1e-12)
    np.testing.assert_array_equal(totals, totals_again)
    assert count == count_again


@pytest.mark.parametrize("side", [1e-3, 0.03, 0.3, 0.69, 0.8, 1.0, 1.6, 3.0, 6.0, 11.0, 23.0, 60.0, 1000.0])
def test_leaves_of_every_width_in_pixels(side):
    rng = np.random.default_rng(int(side * 1000))
    view = View("321", *DIRECTIONS["321"], 64.0, 1e4, 1.0)
    n = 2 if side > 100 else 300
    position, mass = rng.uniform(-40, 40, (n, 3)), rng.uniform(0.5, 1, n)
    exact, totals, _ = deposit(view, position, np.full(n, side), mass[:, None], exact=True)
    image, _, _ = deposit(view, position, np.full(n, side), mass[:, None])
    assert np.sqrt(np.mean((image - exact) ** 2) / np.mean(exact**2)) < 1.5e-3
    np.testing.assert_allclose(image.sum(), totals[0, 0], rtol=1e-11)


@pytest.mark.parametrize("name", DIRECTIONS)
def test_splitting_leaves_in_eight_changes_nothing(name):
    position, size, mass = octree_cells(7, 300)
    corners = np.array([(i, j, k) for i in (-1, 1) for j in (-1, 1) for k in (-1, 1)]) / 4
    children = (position[:, None, :] + size[:, None, None] * corners).reshape(-1, 3)
    view = View(name, *DIRECTIONS[name], 1.0, 0.4, 1.0 / 60)
    whole = deposit(view, position, size, mass[:, None], exact=True)
    split_input = children, np.repeat(size / 2, 8), np.repeat(mass / 8, 8)[:, None]
    split = deposit(view, *split_input, exact=True)
    np.testing.assert_allclose(split[0], whole[0], rtol=1e-12, atol=1e-12 * whole[0].max())
    np.testing.assert_allclose(split[1], whole[1], rtol=1e-12)
    by_tables = deposit(view, *split_input)[0]
    assert np.sqrt(np.mean((by_tables - whole[0]) ** 2) / np.mean(whole[0] ** 2)) < 1e-3


def test_turning_the_view_by_right_angles_permutes_pixels():
    position, size, mass = octree_cells(11, 500)
    view = View("321", *DIRECTIONS["321"], 1.0, 3.0, 1.0 / 64)
    turned = View("turned", view.line_of_sight, tuple(-np.array(view.right)), 1.0, 3.0, 1.0 / 64)
    image = deposit(view, position, size, mass[:, None])[0][0]
    # the new right is the old up, the new up the old left
    again = deposit(turned, position, size, mass[:, None])[0][0]
    np.testing.assert_allclose(np.rot90(again, -1), image, rtol=0, atol=2e-4 * image.max())
    exact = deposit(view, position, size, mass[:, None], exact=True)[0][0]
    again = deposit(turned, position, size, mass[:, None], exact=True)[0][0]
    np.testing.assert_allclose(np.rot90(again, -1), exact, rtol=0, atol=1e-12 * exact.max())


def test_turning_galaxy_and_view_together_changes_nothing():
    position, size, mass = octree_cells(12, 500)
    views = [
        View("a", direction, up, 1.0, 0.7, 1.0 / 64)
        for direction, up in (((3, 2, 1), (0, 0, 1)), ((1, 3, 2), (1, 0, 0)))
    ]
    image = deposit(views[0], position, size, mass[:, None])[0]
    # the cyclic permutation x, y, z -> z, x, y
    again = deposit(views[1], np.roll(position, 1, axis=1), size, mass[:, None])[0]
    np.testing.assert_allclose(again, image, rtol=0, atol=2e-4 * image.max())
    assert np.abs(again - image).sum() < 1e-4 * image.sum()


@pytest.mark.parametrize("name", DIRECTIONS)
def test_a_filled_box_has_no_empty_pixel_and_the_column_of_the_box(name):
    n = 24
    centre = (np.arange(n) + 0.5) / n - 0.5
    position = np.stack(np.meshgrid(centre, centre, centre), axis=-1).reshape(-1, 3)
    view = View(name, *DIRECTIONS[name], 2.0, 5.0, 2.0 / 61)
    size, mass = np.full(n**3, 1 / n), np.full((n**3, 1), 1 / n**3)
    whole = deposit(view, [[0, 0, 0]], [1.0], [[1.0]], exact=True)[0]
    image = deposit(view, position, size, mass)[0]
    assert np.all(image[whole > 0.01 * whole.max()] > 0.0)
    assert np.all(image >= 0.0)
    assert image[whole == 0.0].sum() < 1e-5
    np.testing.assert_allclose(image, whole, rtol=0, atol=2e-3 * whole.max())
    assert np.sqrt(np.mean((image - whole) ** 2) / np.mean(whole**2)) < 5e-4


@pytest.mark.parametrize("name", ["321", "z turned"])
def test_window_and_depth_change_nothing_inside(name):
    position, size, mass = octree_cells(13)
    position *= 0.5
    wide = View(name, *DIRECTIONS[name], 2.0, 20.0, 2.0 / 128)
    image = deposit(wide, position, size, mass[:, None])[0][0]
    narrow = View(name, *DIRECTIONS[name], 0.5, 40.0, 0.5 / 32)
    again = deposit(narrow, position, size, mass[:, None])[0][0]
    # leaves across the window's edge are scaled to their exact share, the others equal
    np.testing.assert_allclose(again[2:-2, 2:-2], image[50:78, 50:78], rtol=0, atol=3e-4 * image.max())


@pytest.mark.parametrize("name", DIRECTIONS)
@pytest.mark.parametrize("side", [0.003, 0.05, 0.7])
def test_half_a_leaf_counts_half_at_the_window_and_at_the_slab(name, side):
    view = View(name, *DIRECTIONS[name], 2.0, 2.0, 0.1)
    for edge in ([1.0, 0.02, 0.0], [0.02, -1.0, 0.0], [0.02, 0.03, 1.0]):
        image, totals, count = deposit(view, [np.array(edge) @ axes_of(view)], [side], [[8.0]])
        np.testing.assert_allclose(image.sum(), 4.0, rtol=1e-9)
        np.testing.assert_allclose(totals[:2, 0], 4.0, rtol=1e-9)
        np.testing.assert_allclose(totals[2, 0], 0.0 if edge[2] else 4.0, rtol=1e-9)
        assert count == 1


def test_several_quantities_in_one_pass_are_each_its_own_map():
    position, size, mass = octree_cells(14)
    columns = np.stack([mass, -2.0 * mass, 7.0 * mass**2], axis=1)
    view = View("321", *DIRECTIONS["321"], 1.0, 0.5, 1.0 / 90)
    together = deposit(view, position, size, columns)[0]
    for k in range(3):
        alone = deposit(view, position, size, columns[:, k : k + 1])[0][0]
        np.testing.assert_allclose(together[k], alone, rtol=1e-12, atol=1e-13 * np.abs(alone).max())


def test_sizes_that_no_octree_has_are_integrated_exactly():
    rng = np.random.default_rng(15)
    view = View("321", *DIRECTIONS["321"], 1.0, 3.0, 1.0 / 40)
    position, size = rng.uniform(-0.4, 0.4, (60, 3)), np.concatenate([rng.uniform(0.03, 0.05, 60)])
    exact, totals, _ = deposit(view, position, size, np.ones((60, 1)), exact=True)
    image, _, _ = deposit(view, position, size, np.ones((60, 1)))
    np.testing.assert_allclose(image, exact, rtol=0, atol=1e-3 * exact.max())
    np.testing.assert_allclose(image.sum(), totals[0, 0], rtol=1e-11)


@pytest.mark.parametrize("name", ["321", "110", "z turned"])
def test_depositor_takes_leaves_from_any_direction(name):
    position, size, mass = octree_cells(16)
    view = View(name, *DIRECTIONS[name], 0.8, 0.5, 0.8 / 70)
    depositor = Depositor(view, ["mass"])
    for part in (slice(0, 400), slice(400, 400), slice(400, None)):
        depositor.add_leaves(position[part], size[part], {"mass": mass[part]})
    result = depositor.finish()["mass"]
    image, totals, count = deposit(view, position, size, mass[:, None])
    np.testing.assert_allclose(result.values * view.pixel**2, image[0], rtol=1e-11, atol=1e-14 * image.max())
    assert abs(result.closure) < 1e-11
    np.testing.assert_allclose(
        [result.total_selected, result.total_outside_fov],
        [totals[0, 0] + totals[2, 0], totals[2, 0]],
        rtol=1e-12,
    )
    assert result.n_cells == count


@pytest.mark.parametrize("side", [1e-30, 1e-3, 0.3])
@pytest.mark.parametrize("name", ["321", "z turned", "back"])
def test_leaves_that_touch_the_edge_of_the_window_from_inside(name, side):
    rng = np.random.default_rng(3)
    view = View(name, *DIRECTIONS[name], 0.7, 10.0, 0.7 / 33)
    pixel, axes = view.pixel, axes_of(view)
    half = 0.35 - Cube(axes).reach[:2] * side * pixel
    for edge, away in ((0, 1), (1, 0)):
        for sign in (-1.0, 1.0):
            image_place = np.zeros((200, 3))
            image_place[:, edge] = sign * half[edge]
            image_place[:, away] = rng.choice([-half[away], 0.0, 0.1, half[away]], 200)
            size, mass = np.full(200, side * pixel), np.ones((200, 1))
            image, totals, count = deposit(view, image_place @ axes, size, mass)
            np.testing.assert_allclose(image.sum(), totals[0, 0], rtol=1e-11)
            assert count > 0 or side < 1e-20  # points on the edge may be outside by rounding
            row_or_column = np.take(image[0], 0 if sign < 0 else -1, axis=1 - edge)
            np.testing.assert_allclose(row_or_column.sum(), totals[0, 0], rtol=1e-9)
