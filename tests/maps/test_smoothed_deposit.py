"""Smoothed cells on pixels: integrated per pixel, conserved, closed, symmetric."""

import naive_maps
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simpost.maps.deposit import Depositor
from simpost.maps.pyramid import Pyramid
from simpost.maps.pyramid_kernels import GHOSTS
from simpost.maps.smoothing import KERNELS
from simpost.maps.view import View

SHAPES = [KERNELS["s25"], KERNELS["support"]]


BACKENDS = ["pyramid", "pixel_integrated"]


def kernel_deposit(kernel, x, y, support, n_pixels, half_width, backend="pixel_integrated"):
    """Shares of the pixels of a kernel."""
    view = View.named("z", 2 * half_width, 1.0, 2 * half_width / n_pixels)
    r_cell = support / kernel.h_over_r_cell
    return cell_maps(view, [[x, y, 0.0]], [r_cell], kernel.name, backend, one=[1.0])["one"].values * (
        view.pixel**2
    )


def cell_maps(view, position, r_cell, kernel="s25", backend="pixel_integrated", **quantities):
    depositor = Depositor(view, list(quantities), kernel, backend)
    depositor.add_cells(position, r_cell, quantities)
    return depositor.finish()


def brute_force_case(kernel, support, backend):
    """Deposits and brute-force integrals of kernels near the corner of four pixels."""
    rng = np.random.default_rng(int(100 * support))
    n_pixels = int(2 * np.ceil(support + 1))
    for _ in range(3 if support < 10 else 1):
        # near the middle corner, so that narrow kernels are cut, too
        x, y = rng.uniform(-0.6, 0.6, 2) * min(support, 1.0)
        image = kernel_deposit(kernel, x, y, support, n_pixels, n_pixels / 2, backend)
        yield image, naive_maps.kernel_image(x, y, support, kernel.profile, n_pixels / 2, n_pixels)


@pytest.mark.parametrize("kernel", SHAPES, ids=["W2", "S"])
@pytest.mark.parametrize(
    ("backend", "support"),
    [("pixel_integrated", s) for s in (0.05, 0.3, 0.5, 0.8, 1.0, 1.7, 3.1, 8.0, 20.0, 50.0)]
    + [("pyramid", s) for s in (0.05, 0.3, 0.5, 0.8, 1.0, 1.01, 1.7, 3.1, 3.6, 5.5, 7.5)],
)
def test_every_pixel_against_brute_force(kernel, backend, support):
    for image, expected in brute_force_case(kernel, support, backend):
        assert np.abs(image - expected).max() < 5e-5 * expected.max()
        assert np.all(image >= 0.0)
        np.testing.assert_allclose(image.sum(), 1.0, rtol=0, atol=1e-6)


@pytest.mark.parametrize("kernel", SHAPES, ids=["W2", "S"])
@pytest.mark.parametrize("support", [9.0, 16.0, 31.0, 63.0])
def test_a_lone_wide_kernel_on_the_pyramid(kernel, support):
    n_pixels, rng = 160, np.random.default_rng(int(support))
    x, y = rng.uniform(-8.0, 8.0, 2)
    image, expected = (kernel_deposit(kernel, x, y, support, n_pixels, 80.0, b) for b in BACKENDS)
    np.testing.assert_allclose(image.sum(), 1.0, rtol=0, atol=1e-6)
    assert np.abs(image - expected).max() < 0.05 * expected.max()
    assert np.all(image >= 0.0)
    assert np.sqrt(np.sum((image - expected) ** 2)) < 0.025 * np.sqrt(np.sum(expected**2))
    pixel = np.arange(n_pixels) - 79.5
    for axis, centre in ((0, x), (1, y)):
        assert abs(np.sum(image.sum(axis=axis) * pixel) - centre) < 1e-4 * support


@pytest.mark.parametrize("kernel", ["s25", "support"])
@pytest.mark.parametrize("n_pixels", [64, 256, 300, 501])
def test_pyramid_of_a_galaxy_is_good_to_a_thousandth(kernel, n_pixels):
    rng = np.random.default_rng(n_pixels)
    # a steep cloud whose cells are as large as its density says, as in a snapshot
    n, slope = 20000, 1.5
    radius = 1.2 * rng.random(n) ** (1 / (3 - slope))
    direction = rng.normal(size=(n, 3))
    position = radius[:, None] * direction / np.linalg.norm(direction, axis=1)[:, None]
    volume = 4 * np.pi * 1.2 ** (3 - slope) * radius**slope / ((3 - slope) * n)
    r_cell = np.cbrt(3 * volume / (4 * np.pi))
    view = View.named("z", 1.6, 4.0, 1.6 / n_pixels)
    ours, exact = (
        cell_maps(view, position, r_cell, kernel, b, mass=rng.uniform(1.0, 1.0, n))["mass"] for b in BACKENDS
    )
    assert np.sqrt(np.mean((ours.values / exact.values - 1) ** 2)) < 1e-3
    assert np.sqrt(np.sum((ours.values - exact.values) ** 2) / np.sum(exact.values**2)) < 1e-3
    assert abs(ours.closure) < 1e-6
    assert ours.values.min() > 0.0


@pytest.mark.parametrize("kernel", SHAPES, ids=["W2", "S"])
@pytest.mark.parametrize("support", [63.0, 65.0, 290.0])
def test_kernels_of_hundreds_of_pixels(kernel, support):
    n_pixels = int(2 * np.ceil(support + 1))
    centre = np.array([0.31, -0.17])
    image = kernel_deposit(kernel, *centre, support, n_pixels, n_pixels / 2)
    left, expected = np.arange(n_pixels) - n_pixels / 2, np.zeros((n_pixels, n_pixels))
    nodes, weights = np.polynomial.legendre.leggauss(3)
    for node, weight in zip(nodes, weights, strict=True):
        for other, other_weight in zip(nodes, weights, strict=True):
            x, y = left + 0.5 * (1.0 + node) - centre[0], left + 0.5 * (1.0 + other) - centre[1]
            radius = np.hypot(x[None, :], y[:, None])
            expected += 0.25 * weight * other_weight * kernel.profile(radius / support) / support**2
    assert np.abs(image - expected).max() < 5e-5 * expected.max()
    np.testing.assert_allclose(image.sum(), 1.0, rtol=0, atol=1e-6)
    assert image.min() == 0.0
    assert np.all(image[radius < 0.9 * support] > 0.0)  # beyond, 1e-5 of the peak is rounded to nothing


@pytest.mark.parametrize("kernel", ["s25", "support"])
@pytest.mark.parametrize("n_pixels", [16, 37, 64, 128])
def test_wide_kernels_cut_by_the_window_hold_their_share(kernel, n_pixels):
    # each alone: its closure is the error of its own mass inside
    rng = np.random.default_rng(n_pixels)
    view = View.named("z", 2.0, 10.0, 2.0 / n_pixels)
    for _ in range(30):
        position, r_cell = [[*rng.uniform(-1.6, 1.6, 2), 0.0]], [10 ** rng.uniform(-2.0, 1.0)]
        result = cell_maps(view, position, r_cell, kernel, mass=[-3.0])["mass"]
        if result.n_cells:
            inside = -3.0 - result.total_outside_fov
            assert abs(result.closure) < 1e-6 or abs(inside) < 1e-9
            assert np.all(result.values <= 0.0)


def test_maps_add_up():
    position, mass = naive_maps.random_cells(8, 600, spread=1.2)
    r_cell = 10 ** np.random.default_rng(8).uniform(-3.5, 0.3, 600)
    view = View.named("x", 2.0, 9.0, 2.0 / 100)
    first, second, both = (
        cell_maps(view, position[part], r_cell[part], mass=mass[part])["mass"].values
        for part in (slice(0, 250), slice(250, 600), slice(0, 600))
    )
    np.testing.assert_allclose(first + second, both, rtol=0, atol=1e-13 * both.max())
    gone = cell_maps(
        view, np.concatenate((position, position)), np.tile(r_cell, 2), mass=np.concatenate((mass, -mass))
    )
    assert np.abs(gone["mass"].values).max() < 1e-13 * both.max()


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_cell_does_not_know_of_the_others(backend):
    # one to a few pixels across, so that all kinds of blocks are treated together
    rng = np.random.default_rng(21)
    n = 300
    position, mass = rng.uniform(-0.8, 0.8, (n, 3)), rng.uniform(0.5, 1.0, n)
    r_cell = 10 ** rng.uniform(-3.0, -1.3, n)
    view = View.named("z", 2.0, 2.0, 2.0 / 40)
    together = cell_maps(view, position, r_cell, backend=backend, mass=mass)["mass"].values
    alone = np.zeros_like(together)
    for m in range(n):
        cell = slice(m, m + 1)
        alone += cell_maps(view, position[cell], r_cell[cell], backend=backend, mass=mass[cell])[
            "mass"
        ].values
    np.testing.assert_allclose(together, alone, rtol=1e-12, atol=1e-13 * alone.max())


@pytest.mark.parametrize("kernel", SHAPES, ids=["W2", "S"])
def test_kernels_inside_two_by_two_pixels(kernel):
    # many at once; each spreads over its own four pixels, and none beyond
    rng = np.random.default_rng(22)
    n, n_pixels = 61, 8 * 3
    slot = np.arange(n)
    corner = 3.0 * np.stack((slot % 8, slot // 8), axis=1) + 1.0  # in pixels
    support = rng.uniform(0.05, 1.0, n)
    offset = rng.uniform(-1.0, 1.0, (n, 2)) * np.minimum(1.0 - support, 1.0)[:, None]
    support[0], offset[0], offset[1, 0], offset[2] = 1.0, 0.0, 0.0, 0.0
    place = np.column_stack((corner + offset - 0.5 * n_pixels, np.zeros(n)))
    view = View.named("z", float(n_pixels), 1.0, 1.0)
    image = cell_maps(view, place, support / kernel.h_over_r_cell, kernel.name, one=np.ones(n))["one"].values
    for m in range(n):
        i, j = np.int64(corner[m]) - 1
        expected = naive_maps.kernel_image(*offset[m], support[m], kernel.profile, 1.0, 2)
        np.testing.assert_allclose(image[j : j + 2, i : i + 2], expected, rtol=0, atol=2e-5)
        assert abs(image[j : j + 3, i : i + 3].sum() - 1.0) < 1e-15 * 4
        assert not np.any(image[j + 2, i : i + 3]) and not np.any(image[j : j + 3, i + 2])


def test_more_cells_than_are_treated_at_once():
    rng = np.random.default_rng(12)
    n = 40000
    position, r_cell, mass = (
        rng.uniform(-1, 1, (n, 3)),
        10 ** rng.uniform(-3.0, -1.3, n),
        rng.uniform(0, 1, n),
    )
    view = View("oblique", (1.0, 1.0, 2.0), (0.0, 0.0, 1.0), 2.0, 1.0, 2.0 / 48)
    whole = cell_maps(view, position, r_cell, mass=mass)["mass"]
    depositor = Depositor(view, ["mass"])
    for start in range(0, n, 999):
        part = slice(start, start + 999)
        depositor.add_cells(position[part], r_cell[part], {"mass": mass[part]})
    parts = depositor.finish()["mass"]
    np.testing.assert_allclose(parts.values, whole.values, rtol=0, atol=1e-13 * whole.values.max())
    assert parts.n_cells == whole.n_cells
    for name in ("total_selected", "total_outside_fov"):
        np.testing.assert_allclose(getattr(parts, name), getattr(whole, name), rtol=1e-12)
    # and the account is that of the definition
    x, y, depth = view.project(position)
    in_slab = (depth >= -0.5) & (depth < 0.5)
    np.testing.assert_allclose(whole.total_selected, mass[in_slab].sum(), rtol=1e-12)
    reach = KERNELS["s25"].h_over_r_cell * r_cell
    touches = in_slab & (np.hypot(*(np.maximum(np.abs([x, y]) - 1.0, 0.0))) < reach)
    assert abs(whole.n_cells - np.count_nonzero(touches)) <= 0.001 * whole.n_cells


def test_cells_leaves_and_points_share_a_map():
    depositor = Depositor(View.named("z", 2.0, 2.0, 0.25), ["mass"])
    place = [[0.1, 0.2, 0.0]]
    depositor.add_cells(place, [0.1], {"mass": [1.0]})
    depositor.add_leaves(place, [0.5], {"mass": [2.0]})
    depositor.add_points(place, {"mass": [4.0]})
    apart = []
    for add, lengths, mass in (
        ("add_cells", [[0.1]], 1.0),
        ("add_leaves", [[0.5]], 2.0),
        ("add_points", [], 4.0),
    ):
        alone = Depositor(View.named("z", 2.0, 2.0, 0.25), ["mass"])
        getattr(alone, add)(place, *lengths, {"mass": [mass]})
        apart.append(alone.finish()["mass"].values)
    both = depositor.finish()["mass"]
    np.testing.assert_allclose(both.values, sum(apart), rtol=1e-14)
    assert abs(both.closure) < 1e-6
    assert (both.n_cells, both.total_selected) == (3, 7.0)


def test_a_kernel_much_larger_than_the_map():
    # thousands of pixels wide: what a pixel holds is the kernel at its middle
    kernel = KERNELS["support"]
    for n_pixels in (7, 64, 200):
        pixel = 2.0 / n_pixels
        middle = (np.arange(n_pixels) + 0.5) * pixel - 1.0
        radius = np.hypot(middle[None, :] - 0.3, middle[:, None] + 0.2)
        expected = kernel.profile(radius / 50.0) / 50.0**2
        exact, quick = (kernel_deposit(kernel, 0.3, -0.2, 50.0, n_pixels, 1.0, b) for b in BACKENDS[::-1])
        np.testing.assert_allclose(exact / pixel**2, expected, rtol=5e-5)
        np.testing.assert_allclose(quick, exact, rtol=2e-4)


def test_splitting_a_level_is_exact_for_polynomials():
    # integrals of x^8 y^7 + x over pixels of 4 levels' width come out as integrals over the finest
    pyramid = Pyramid(1, 128, 0, is_one_level=False)
    levels, planes = pyramid._levels, pyramid._planes

    def integrals(size, pixel):
        edges = (np.arange(size + 2 * GHOSTS + 1) - GHOSTS) * pixel - 1.0
        x8, y7, x1, one = (np.diff(edges**p / p) for p in (9, 8, 2, 1))
        return np.outer(y7, x8) + np.outer(one, x1)

    size, stride, origin = levels[-1]
    rows = integrals(size, 2.0 / size)
    for j in range(size + 2 * GHOSTS):
        start = origin + (j - GHOSTS) * stride - GHOSTS
        planes[0, start : start + size + 2 * GHOSTS] = rows[j]
    image, total = pyramid.map(0, per_area=2.0)
    expected = integrals(128, 2.0 / 128)[GHOSTS:-GHOSTS, GHOSTS:-GHOSTS]
    np.testing.assert_allclose(image, 2.0 * expected, rtol=0, atol=1e-11 * np.abs(expected).max())
    assert abs(total - expected.sum()) < 1e-12 * np.abs(expected).sum()
    # what has been split is on the finest level: nothing is split twice
    np.testing.assert_array_equal(pyramid.map(0, per_area=2.0)[0], image)


@pytest.mark.parametrize("backend", BACKENDS)
def test_chunks_and_repeated_results_change_nothing(backend):
    position, mass = naive_maps.random_cells(9, 300)
    r_cell = 10 ** np.random.default_rng(2).uniform(-3, -0.5, 300)
    view = View.named("y", 1.5, 3.0, 0.03)
    whole = cell_maps(view, position, r_cell, backend=backend, mass=mass)["mass"].values
    depositor = Depositor(view, ["mass"], backend=backend)
    for part in (slice(0, 7), slice(7, 290), slice(290, 300)):
        depositor.add_cells(position[part], r_cell[part], {"mass": mass[part]})
    np.testing.assert_allclose(depositor.finish()["mass"].values, whole, rtol=1e-12)
    np.testing.assert_array_equal(depositor.finish()["mass"].values, depositor.finish()["mass"].values)


@pytest.mark.parametrize("kernel", SHAPES, ids=["W2", "S"])
@pytest.mark.parametrize(("backend", "support"), [("pixel_integrated", 9.0), ("pyramid", 7.0)])
def test_nothing_beyond_the_support(kernel, backend, support):
    image = kernel_deposit(kernel, 0.2, -0.3, support, 24, 12.0, backend)
    centre = np.arange(24) + 0.5 - 12
    nearest = np.maximum(np.abs([centre - 0.2, centre + 0.3]) - 0.5, 0.0)
    beyond = np.hypot(nearest[1][:, None], nearest[0][None, :]) >= support
    assert np.all(image[beyond] == 0.0)
    assert np.count_nonzero(beyond) > 100


@pytest.mark.parametrize(("pixel", "share"), [(0.5, 0.42423849), (1.0, 0.89950891), (2.0, 1.0)])
def test_share_of_a_centred_pixel(pixel, share):
    exact = kernel_deposit(KERNELS["support"], 0.0, 0.0, 1.0, 5, 2.5 * pixel)
    assert abs(exact[2, 2] - share) < 1e-6
    quick = kernel_deposit(KERNELS["support"], 0.0, 0.0, 1.0, 5, 2.5 * pixel, "pyramid")
    assert abs(quick[2, 2] - share) < 2e-5


@pytest.mark.parametrize("name", ["s25", "support", "wendland_3d", "gadget"])
def test_half_of_the_mass_lies_within_the_half_mass_radius(name):
    half_mass = {"s25": 1.5117, "support": 0.7840, "wendland_3d": 1.5182, "gadget": 1.5680}[name]
    view = View.named("z", 12.0, 1.0, 0.02)
    image = cell_maps(view, [[0.0, 0.0, 0.0]], [1.0], name, mass=[1.0])["mass"].values * view.pixel**2
    centre = view.edges()[:-1] + 0.5 * view.pixel
    inside = np.hypot(centre[:, None], centre[None, :]) < half_mass
    assert abs(image[inside].sum() - 0.5) < 1e-3


@st.composite
def cells(draw):
    n_pixels = draw(st.sampled_from([1, 3, 16, 37, 50]))
    n = draw(st.integers(1, 10))
    coordinate = st.one_of(st.sampled_from([-1.0, -0.5, 0.0, 0.25, 1.0]), st.floats(-2.0, 2.0))
    radius = st.floats(-5.0, 1.0).map(lambda exponent: 10**exponent)
    position = np.array(draw(st.lists(st.tuples(*[coordinate] * 3), min_size=n, max_size=n)))
    r_cell = np.array(draw(st.lists(radius, min_size=n, max_size=n)))
    return n_pixels, position, r_cell, draw(st.sampled_from(sorted(KERNELS))), draw(st.sampled_from(BACKENDS))


@given(cells())
@settings(max_examples=150, deadline=None)
def test_closure_of_every_cell(case):
    n_pixels, position, r_cell, kernel, backend = case
    view = View.named("z", 2.0, 10.0, 2.0 / n_pixels)
    for n in range(len(r_cell)):
        result = cell_maps(view, position[n : n + 1], r_cell[n : n + 1], kernel, backend, mass=[1.0])["mass"]
        on_map = result.values.sum() * view.pixel**2
        assert abs(on_map + result.total_outside_fov - 1.0) < 3e-6


@pytest.mark.parametrize("kernel", ["s25", "support"])
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("n_pixels", [1, 8, 100, 137, 256])
def test_closure_of_a_galaxy_cut_by_the_window(kernel, backend, n_pixels):
    position, mass = naive_maps.random_cells(n_pixels, 1000, spread=1.3)
    r_cell = 10 ** np.random.default_rng(1).uniform(-3, -0.5, 1000)
    view = View("tilted", (1.0, 2.0, 3.0), (0.0, 0.0, 1.0), 2.0, 1.5, 2.0 / n_pixels)
    result = cell_maps(view, position, r_cell, kernel, backend, mass=mass)["mass"]
    assert abs(result.closure) < 1e-6
    depth = view.project(position)[2]
    np.testing.assert_allclose(result.total_selected, mass[np.abs(depth) < 0.75].sum(), rtol=1e-13)
    assert 0.05 < result.total_outside_fov / result.total_selected < 0.6
    assert 0 < result.n_cells < 1000


def test_a_cell_on_the_far_end_of_the_slab_is_out():
    view = View.named("z", 2.0, 1.0, 0.1)
    position = [[0.0, 0.0, -0.5], [0.0, 0.0, 0.5], [0.0, 0.0, 0.51]]
    result = cell_maps(view, position, [0.05] * 3, mass=[1.0, 10.0, 100.0])["mass"]
    assert (result.total_selected, result.n_cells) == (1.0, 1)


def test_turning_view_and_galaxy_together_changes_nothing():
    position, mass = naive_maps.random_cells(11, 200)
    r_cell = np.full(200, 0.07)
    axis = np.array([1.0, -2.0, 0.5]) / np.linalg.norm([1.0, -2.0, 0.5])
    cross = np.cross(np.eye(3), axis)
    turn = np.cos(0.7) * np.eye(3) + np.sin(0.7) * cross + (1 - np.cos(0.7)) * np.outer(axis, axis)
    view = View("turned", tuple(turn @ [0, 0, 1]), tuple(turn @ [0, 1, 0]), 1.5, 9.0, 0.1)
    still = cell_maps(View.named("z", 1.5, 9.0, 0.1), position, r_cell, mass=mass)["mass"].values
    turned = cell_maps(view, position @ turn.T, r_cell, mass=mass)["mass"].values
    np.testing.assert_allclose(turned, still, rtol=0, atol=1e-11 * still.max())


def test_views_agree_with_rolled_input():
    position, mass = naive_maps.random_cells(1, 300)
    r_cell = np.full(300, 0.05)
    z, x, y = (
        cell_maps(View.named(name, 1.5, 1.0, 0.1), np.roll(position, shift, axis=1), r_cell, mass=mass)[
            "mass"
        ]
        for name, shift in (("z", 0), ("x", 1), ("y", 2))
    )
    np.testing.assert_array_equal(x.values, z.values)
    np.testing.assert_array_equal(y.values, z.values)


@pytest.mark.parametrize(("backend", "tolerance"), [("pixel_integrated", 1e-7), ("pyramid", 5e-5)])
def test_mirror_and_moving_by_a_pixel(backend, tolerance):
    position, mass = naive_maps.random_cells(2, 100, spread=0.5)
    r_cell = 10 ** np.random.default_rng(4).uniform(-3, -1.5, 100)
    view, options = View.named("z", 2.0, 4.0, 0.0625), {"backend": backend, "mass": mass}
    image = cell_maps(view, position, r_cell, **options)["mass"].values
    mirrored = cell_maps(view, position * [-1, 1, 1], r_cell, **options)["mass"].values
    np.testing.assert_allclose(mirrored, image[:, ::-1], rtol=0, atol=tolerance * image.max())
    moved = cell_maps(view, position + np.array([0.0625, -0.125, 0.0]), r_cell, **options)["mass"].values
    np.testing.assert_allclose(moved[:-2, 1:], image[2:, :-1], rtol=0, atol=tolerance * image.max())


@pytest.mark.parametrize(("backend", "tolerance"), [("pixel_integrated", 1e-6), ("pyramid", 5e-5)])
def test_cut_kernels_keep_only_their_inside_share(backend, tolerance):
    # the same cells on a window and on a larger one with the same pixels
    position, mass = naive_maps.random_cells(3, 100)
    r_cell, options = np.full(100, 0.1), {"backend": backend, "mass": mass}
    small = cell_maps(View.named("z", 1.0, 9.0, 0.125), position, r_cell, **options)["mass"].values
    large = cell_maps(View.named("z", 3.0, 9.0, 0.125), position, r_cell, **options)["mass"].values
    np.testing.assert_allclose(small, large[8:16, 8:16], rtol=0, atol=tolerance * large.max())


@pytest.mark.parametrize("backend", BACKENDS)
def test_several_quantities_are_deposited_alike(backend):
    position, mass = naive_maps.random_cells(4, 100)
    # kernels from less than a pixel to half the window
    r_cell, quantities = 10 ** np.random.default_rng(5).uniform(-3, -1, 100), {"a": mass, "b": -2 * mass}
    maps = cell_maps(
        View.named("x", 1.0, 1.0, 0.01), position, r_cell, backend=backend, c=0 * mass, **quantities
    )
    np.testing.assert_allclose(maps["b"].values, -2 * maps["a"].values, rtol=1e-14)
    assert not np.any(maps["c"].values)
    assert abs(maps["b"].closure + maps["a"].closure) < 1e-12
    assert "zero" in maps["c"].closure_reason
