"""The camera's axes, pixels and refusals."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simpost.core.errors import InputError
from simpost.maps.deposit import Depositor
from simpost.maps.view import View

components = st.floats(-1.0, 1.0).filter(lambda value: abs(value) > 1e-3)
directions = st.tuples(components, components, components)


@pytest.mark.parametrize(("name", "right", "up"), [("z", 0, 1), ("x", 1, 2), ("y", 2, 0)])
def test_named_views_show_the_cyclic_axes(name, right, up):
    view = View.named(name, 2.0, 2.0, 0.1)
    position = np.array([[1.0, 2.0, 3.0]])
    x, y, depth = view.project(position)
    assert (x[0], y[0], depth[0]) == (position[0, right], position[0, up], position[0, "xyz".index(name)])
    assert view.is_axis_aligned


@given(directions, directions)
def test_axes_are_right_handed_and_keep_lengths(line_of_sight, up):
    if np.linalg.norm(np.cross(line_of_sight, up)) < 0.05:
        return
    view = View("any", line_of_sight, up, 1.0, 1.0, 0.1)
    axes = np.array([view.right, view.up, view.line_of_sight])
    np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-14)
    np.testing.assert_allclose(np.linalg.det(axes), 1.0, atol=1e-14)
    position = np.array([[0.3, -0.2, 0.7], [-1.0, 0.5, 0.1]])
    np.testing.assert_allclose(np.stack(view.project(position)), axes @ position.T, atol=1e-15)


@pytest.mark.parametrize(
    ("width", "pixel", "expected"), [(5.0, 0.03, 167), (1.0, 3.0, 1), (1.0, 0.3, 3), (1.0, 1.0, 1)]
)
def test_pixel_divides_the_width(width, pixel, expected):
    view = View.named("z", width, 1.0, pixel)
    assert view.n_pixels == expected
    assert view.pixel == width / expected
    assert view.edges().size == expected + 1
    assert dataclasses.replace(view) == view


@pytest.mark.parametrize("key", ["width", "depth", "pixel"])
@pytest.mark.parametrize("value", [0.0, -1.0, np.nan, np.inf])
def test_refuses_lengths_that_are_none(key, value):
    lengths = {"width": 1.0, "depth": 1.0, "pixel": 0.1, key: value}
    with pytest.raises(InputError, match=key):
        View.named("z", **lengths)


@pytest.mark.parametrize(
    ("line_of_sight", "up"),
    [((0, 0, 0), (0, 1, 0)), ((0, 0, 1), (0, 0, -2)), ((0, 0, np.nan), (0, 1, 0)), ((0, 1), (0, 0, 1))],
)
def test_refuses_directions_that_are_none(line_of_sight, up):
    with pytest.raises(InputError, match="view 'v'"):
        View("v", line_of_sight, up, 1.0, 1.0, 0.1)


def test_unknown_name_is_refused():
    with pytest.raises(InputError, match="one of x, y, z"):
        View.named("w", 1.0, 1.0, 0.1)


def test_oblique_is_not_axis_aligned():
    assert not View("v", (1, 1e-6, 0), (0, 0, 1), 1.0, 1.0, 0.1).is_axis_aligned
    assert View("v", (0, 0, -1), (1, 0, 0), 1.0, 1.0, 0.1).is_axis_aligned


@pytest.mark.parametrize("size", [1e-200, 1e200])
def test_length_of_a_direction_does_not_matter(size):
    view = View("v", (size, size, 0), (0, 0, size), 1.0, 1.0, 0.1)
    np.testing.assert_allclose(view.line_of_sight, np.sqrt([0.5, 0.5, 0.0]), rtol=1e-15)


def corners(half):
    return np.stack(np.meshgrid(*([-h, h] for h in half), indexing="ij"), axis=-1).reshape(-1, 3)


@given(directions, directions, st.floats(0.1, 3.0))
def test_extents_hold_the_turned_window_tightly(line_of_sight, up, depth):
    if np.linalg.norm(np.cross(line_of_sight, up)) < 0.05:
        return
    view = View("v", line_of_sight, up, 1.0, depth, 0.1)
    axes = np.array([view.right, view.up, view.line_of_sight])
    in_box = corners((0.5, 0.5, 0.5 * depth)) @ axes
    np.testing.assert_allclose(view.half_extents, in_box.max(axis=0), rtol=1e-13)
    of_cube = np.abs(corners((1.0, 1.0, 1.0)) @ axes.T).max()
    assert view.cube_extent == pytest.approx(of_cube, rel=1e-13)


def test_extents_of_a_view_along_an_axis_are_exact():
    view = View.named("x", 3.0, 2.0, 0.1)
    assert view.half_extents.tolist() == [1.0, 1.5, 1.5]
    assert view.cube_extent == 1.0


@given(directions, directions, st.integers(0, 1000))
def test_what_touches_a_window_is_never_missed(line_of_sight, up, seed):
    """Against points strewn over each cube: a cube with a point inside window and slab touches."""
    if np.linalg.norm(np.cross(line_of_sight, up)) < 0.05:
        return
    view = View("v", line_of_sight, up, 1.0, 0.5, 0.1)
    rng = np.random.default_rng(seed)
    position, size = rng.uniform(-2.0, 2.0, (30, 3)), rng.uniform(0.1, 1.0, 30)
    points = position[:, None, :] + size[:, None, None] * rng.uniform(-0.5, 0.5, (30, 200, 3))
    x, y, depth = view.project(points.reshape(-1, 3))
    inside = (np.abs(x) < 0.5) & (np.abs(y) < 0.5) & (np.abs(depth) < 0.25)
    touched = view.touches(position, 0.5 * view.cube_extent * size)
    assert np.all(touched[inside.reshape(30, 200).any(axis=1)])
    far = view.touches(position + 10.0 * np.sign(position), 0.5 * view.cube_extent * size)
    assert not np.any(far)


# Input that is odd or wrong: a defined result or one clear line


def test_a_million_pixels_are_refused_with_the_memory_they_take():
    with pytest.raises(
        InputError, match=r"1e\+06 pixels a side \(8e\+03 GB for each quantity\).*at most 20000"
    ):
        View.named("z", 1.0, 1.0, 1e-6)
    assert View.named("z", 1.0, 1.0, 1.0 / 20000).n_pixels == 20000


OBLIQUE = View("v", (1, 2, 3), (0, 0, 1), 1.0, 2.0, 0.25)
LIT = np.array([[0.1, 0.0, 0.2], [-0.2, 0.1, 0.0]])


def test_view_smaller_than_a_pixel_is_one_pixel():
    depositor = Depositor(View("v", (1, 2, 3), (0, 0, 1), 1.0, 2.0, 30.0), ["mass"])
    depositor.add_cells(LIT, [0.02, 0.03], {"mass": [1.0, 3.0]})
    result = depositor.finish()["mass"]
    assert result.values.shape == (1, 1)
    assert result.values[0, 0] == pytest.approx(4.0, rel=1e-9)


def test_no_cell_in_an_oblique_view_is_an_empty_map_that_says_so():
    depositor = Depositor(OBLIQUE, ["mass"])
    depositor.add_cells(LIT + 50.0, [0.02, 0.03], {"mass": [1.0, 3.0]})
    depositor.add_points(LIT + 50.0, {"mass": [1.0, 3.0]})
    result = depositor.finish()["mass"]
    assert not np.any(result.values) and np.isnan(result.closure)
    assert result.closure_reason == "no cells"


@pytest.mark.parametrize("add", ["add_cells", "add_points"])
def test_positions_that_are_no_numbers_are_refused(add):
    lengths = [] if add == "add_points" else [[0.02, 0.03]]
    with pytest.raises(InputError, match="position: found 1 NaN"):
        getattr(Depositor(OBLIQUE, ["mass"]), add)(
            np.where(LIT == 0.2, np.nan, LIT), *lengths, {"mass": [1.0, 3.0]}
        )


def test_kernel_larger_than_the_map_leaves_its_share_there():
    """A kernel 40 times as wide as the window is flat there: 7/(pi H^2) of it per area."""
    depositor = Depositor(OBLIQUE, ["mass"])
    radius = np.full(1, 20.0 / depositor.kernel.h_over_r_cell)
    depositor.add_cells(np.zeros((1, 3)), radius, {"mass": [5.0]})
    result = depositor.finish()["mass"]
    np.testing.assert_allclose(result.values, 5.0 * 7.0 / (np.pi * 20.0**2), rtol=0.02)
    assert abs(result.closure) < 1e-4
    assert result.total_outside_fov == pytest.approx(5.0 - result.values.mean(), rel=1e-4)


def test_negative_quantities_are_deposited_with_their_sign():
    maps = {}
    for sign in (1.0, -1.0):
        depositor = Depositor(OBLIQUE, ["mass"])
        depositor.add_cells(LIT, [0.02, 0.03], {"mass": [sign, 3.0 * sign]})
        depositor.add_points(LIT, {"mass": [sign, 3.0 * sign]})
        maps[sign] = depositor.finish()["mass"]
    np.testing.assert_array_equal(maps[-1.0].values, -maps[1.0].values)
    assert maps[1.0].values.min() >= 0.0
    assert maps[-1.0].closure == -maps[1.0].closure
