"""The camera's axes, pixels and refusals."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simpost.core.errors import InputError
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
