"""Smoothed cells on pixels: integrated per pixel, conserved, closed, symmetric."""

import naive_maps
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simpost.maps.deposit import Depositor
from simpost.maps.smoothed_kernels import deposit_smoothed
from simpost.maps.smoothing import KERNELS, separable_table
from simpost.maps.view import View

SHAPES = [KERNELS["s25"], KERNELS["support"]]


def kernel_deposit(kernel, x, y, support, n_pixels, half_width):
    image = np.zeros((1, n_pixels, n_pixels))
    one = np.ones((1, 1))
    centre = np.array([x]), np.array([y]), np.array([support])
    deposit_smoothed(
        *centre, one, *separable_table(kernel.shape), half_width, 2 * half_width / n_pixels, image
    )
    return image[0]


def cell_maps(view, position, r_cell, kernel="s25", backend="pixel_integrated", **quantities):
    depositor = Depositor(view, list(quantities), kernel, backend)
    depositor.add_cells(position, r_cell, quantities)
    return depositor.finish()


@pytest.mark.parametrize("kernel", SHAPES, ids=["W2", "S"])
@pytest.mark.parametrize("support", [0.05, 0.3, 0.5, 0.8, 1.0, 1.7, 3.1, 8.0, 20.0, 50.0])
def test_every_pixel_against_brute_force(kernel, support):
    rng = np.random.default_rng(int(100 * support))
    n_pixels = int(2 * np.ceil(support + 1))
    for _ in range(3 if support < 10 else 1):
        # near the middle corner of four pixels, so that narrow kernels are cut, too
        x, y = rng.uniform(-0.6, 0.6, 2) * min(support, 1.0)
        image = kernel_deposit(kernel, x, y, support, n_pixels, n_pixels / 2)
        expected = naive_maps.kernel_image(x, y, support, kernel.profile, n_pixels / 2, n_pixels)
        assert np.abs(image - expected).max() < 5e-5 * expected.max()
        assert np.all(image >= 0.0)
        np.testing.assert_allclose(image.sum(), 1.0, rtol=0, atol=1e-6)


@pytest.mark.parametrize("kernel", SHAPES, ids=["W2", "S"])
def test_nothing_beyond_the_support(kernel):
    image = kernel_deposit(kernel, 0.2, -0.3, 9.0, 24, 12.0)
    centre = np.arange(24) + 0.5 - 12
    nearest = np.maximum(np.abs([centre - 0.2, centre + 0.3]) - 0.5, 0.0)
    beyond = np.hypot(nearest[1][:, None], nearest[0][None, :]) >= 9.0
    assert np.all(image[beyond] == 0.0)
    assert np.count_nonzero(beyond) > 100


@pytest.mark.parametrize(("pixel", "share"), [(0.5, 0.42423849), (1.0, 0.89950891), (2.0, 1.0)])
def test_share_of_a_centred_pixel(pixel, share):
    image = kernel_deposit(KERNELS["support"], 0.0, 0.0, 1.0, 5, 2.5 * pixel)
    assert abs(image[2, 2] - share) < 1e-6


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
    n_pixels = draw(st.sampled_from([1, 3, 16, 50]))
    n = draw(st.integers(1, 10))
    coordinate = st.one_of(st.sampled_from([-1.0, -0.5, 0.0, 0.25, 1.0]), st.floats(-2.0, 2.0))
    radius = st.floats(-5.0, 1.0).map(lambda exponent: 10**exponent)
    position = np.array(draw(st.lists(st.tuples(*[coordinate] * 3), min_size=n, max_size=n)))
    r_cell = np.array(draw(st.lists(radius, min_size=n, max_size=n)))
    return n_pixels, position, r_cell, draw(st.sampled_from(sorted(KERNELS)))


@given(cells())
@settings(max_examples=150, deadline=None)
def test_closure_of_every_cell(case):
    n_pixels, position, r_cell, kernel = case
    view = View.named("z", 2.0, 10.0, 2.0 / n_pixels)
    for n in range(len(r_cell)):
        result = cell_maps(view, position[n : n + 1], r_cell[n : n + 1], kernel, mass=[1.0])["mass"]
        on_map = result.values.sum() * view.pixel**2
        assert abs(on_map + result.total_outside_fov - 1.0) < 3e-6


@pytest.mark.parametrize("kernel", ["s25", "support"])
@pytest.mark.parametrize("n_pixels", [8, 100, 137])
def test_closure_of_a_galaxy_cut_by_the_window(kernel, n_pixels):
    position, mass = naive_maps.random_cells(n_pixels, 1000, spread=1.3)
    r_cell = 10 ** np.random.default_rng(1).uniform(-3, -0.5, 1000)
    view = View("tilted", (1.0, 2.0, 3.0), (0.0, 0.0, 1.0), 2.0, 1.5, 2.0 / n_pixels)
    result = cell_maps(view, position, r_cell, kernel, mass=mass)["mass"]
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


def test_mirror_and_moving_by_a_pixel():
    position, mass = naive_maps.random_cells(2, 100, spread=0.5)
    r_cell = 10 ** np.random.default_rng(4).uniform(-3, -1.5, 100)
    view = View.named("z", 2.0, 4.0, 0.0625)
    image = cell_maps(view, position, r_cell, mass=mass)["mass"].values
    mirrored = cell_maps(view, position * [-1, 1, 1], r_cell, mass=mass)["mass"].values
    np.testing.assert_allclose(mirrored, image[:, ::-1], rtol=0, atol=1e-11 * image.max())
    moved = cell_maps(view, position + np.array([0.0625, -0.125, 0.0]), r_cell, mass=mass)["mass"].values
    np.testing.assert_allclose(moved[:-2, 1:], image[2:, :-1], rtol=0, atol=1e-11 * image.max())


def test_cut_kernels_keep_only_their_inside_share():
    # the same cells on a window and on a larger one with the same pixels
    position, mass = naive_maps.random_cells(3, 100)
    r_cell = np.full(100, 0.1)
    small = cell_maps(View.named("z", 1.0, 9.0, 0.125), position, r_cell, mass=mass)["mass"].values
    large = cell_maps(View.named("z", 3.0, 9.0, 0.125), position, r_cell, mass=mass)["mass"].values
    np.testing.assert_allclose(small, large[8:16, 8:16], rtol=0, atol=1e-12 * large.max())


def test_several_quantities_are_deposited_alike():
    position, mass = naive_maps.random_cells(4, 100)
    maps = cell_maps(
        View.named("x", 1.0, 1.0, 0.1), position, np.full(100, 0.03), a=mass, b=-2 * mass, c=0 * mass
    )
    np.testing.assert_allclose(maps["b"].values, -2 * maps["a"].values, rtol=1e-14)
    assert not np.any(maps["c"].values)
    assert abs(maps["b"].closure + maps["a"].closure) < 1e-12
    assert "zero" in maps["c"].closure_reason
