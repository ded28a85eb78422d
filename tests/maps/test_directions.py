"""Lines of sight by rule: spread over the hemisphere, and those of a rotating disc."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simpost.core.errors import InputError
from simpost.maps.directions import default_up, disc_views, spread_directions
from simpost.maps.view import View

COUNTS = [1, 2, 3, 12, 50, 97, 500]
components = st.floats(-1.0, 1.0).filter(lambda value: abs(value) > 1e-6)
directions = st.tuples(components, components, components)


@pytest.mark.parametrize("count", COUNTS)
def test_spread_directions_are_unit_vectors_of_one_hemisphere_with_equal_areas(count):
    points = np.array(spread_directions(count))
    assert points.shape == (count, 3)
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1.0, rtol=1e-14)
    # cos(inclination) is uniform: one direction in the middle of each of n bands of equal area
    np.testing.assert_allclose(np.sort(points[:, 2]) * count, np.arange(count) + 0.5, rtol=1e-12)


@pytest.mark.parametrize("count", COUNTS[3:])
def test_spread_directions_have_no_preferred_axis_and_keep_their_distance(count):
    points = np.array(spread_directions(count))
    isotropy = points.T @ points / count
    assert np.abs(isotropy - np.eye(3) / 3.0).max() < 0.5 / count
    # as lines through the centre: nearest neighbours, those on the other side of the sky among them
    cosine = np.abs(points @ points.T) - 2.0 * np.eye(count)
    nearest = np.arccos(cosine.max(axis=1))
    square = np.sqrt(2.0 * np.pi / count)  # side of the patch of sky of each
    assert nearest.min() > 0.45 * square
    assert np.median(nearest) > 0.75 * square


def test_mean_of_a_smooth_function_over_directions_is_that_over_the_sky():
    """Path through an ellipsoid of axes 1, 1, 1/5: mean projected area is a quarter of the surface."""
    axes = np.array([1.0, 1.0, 0.2])
    for count, tolerance in ((12, 3e-2), (100, 3e-3), (1000, 1e-4)):
        points = np.array(spread_directions(count))
        area = np.pi * np.prod(axes) * np.sqrt(((points / axes) ** 2).sum(axis=1))
        e = np.sqrt(1.0 - axes[2] ** 2)
        surface = 2.0 * np.pi * (1.0 + (1.0 - e**2) / e * np.arctanh(e))
        assert area.mean() == pytest.approx(surface / 4.0, rel=tolerance)


@pytest.mark.parametrize("count", [0, -1])
def test_no_direction_is_refused(count):
    with pytest.raises(InputError, match="at least 1"):
        spread_directions(count)


@pytest.mark.parametrize(
    ("line_of_sight", "up"),
    [
        ((0, 0, 1), (0, 1, 0)),
        ((0, 0, -3), (0, 1, 0)),
        ((0.17, 0, 1), (0, 1, 0)),  # 9.6 degrees from z
        ((0.18, 0, 1), (0, 0, 1)),  # 10.2 degrees
        ((1, 0, 0), (0, 0, 1)),
        ((0, 1e-200, 0), (0, 0, 1)),
        ((0, 0, 1e200), (0, 1, 0)),
    ],
)
def test_default_up(line_of_sight, up):
    assert default_up(line_of_sight) == up
    View("any", line_of_sight, up, 1.0, 1.0, 0.1)  # never parallel


@pytest.mark.parametrize("name", ["x", "z"])
def test_default_up_is_that_of_the_named_views(name):
    view = View.named(name, 1.0, 1.0, 0.1)
    assert default_up(view.line_of_sight) == view.up


@given(directions, st.floats(1e-3, 1e12))
def test_disc_views_share_axes(momentum, size):
    views = {
        name: View(name, toward, up, 1.0, 1.0, 0.1)
        for name, (toward, up) in disc_views(size * np.array(momentum)).items()
    }
    axis = np.array(momentum) / np.linalg.norm(momentum)
    face, edge, edge_2 = (views[name] for name in ("face-on", "edge-on", "edge-on-2"))
    np.testing.assert_allclose(face.line_of_sight, axis, atol=1e-15)
    np.testing.assert_allclose([edge.up, edge_2.up], [axis, axis], atol=1e-14)
    np.testing.assert_allclose(edge.right, face.right, atol=1e-14)
    np.testing.assert_allclose(edge_2.right, face.up, atol=1e-14)
    for view in (edge, edge_2):
        assert abs(np.dot(view.line_of_sight, axis)) < 1e-14
    assert abs(np.dot(edge.line_of_sight, edge_2.line_of_sight)) < 1e-14


def test_a_disc_in_the_plane_of_the_box_is_seen_as_from_z():
    views = disc_views((0.0, 0.0, 5.0))
    assert views["face-on"] == ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0))
    assert views["edge-on"] == ((0.0, -1.0, 0.0), (0.0, 0.0, 1.0))
    assert views["edge-on-2"] == ((1.0, 0.0, 0.0), (0.0, 0.0, 1.0))


def test_a_disc_seen_face_on_turns_counter_clockwise():
    rng = np.random.default_rng(3)
    momentum = rng.normal(size=3)
    position = rng.normal(size=(50, 3))
    velocity = np.cross(momentum, position)  # rigid rotation about the angular momentum
    toward, up = disc_views(momentum)["face-on"]
    view = View("face-on", toward, up, 1.0, 1.0, 0.1)
    x, y, _ = view.project(position)
    vx, vy, along = view.project(velocity)
    assert np.all(x * vy - y * vx > 0.0)
    np.testing.assert_allclose(along, 0.0, atol=1e-14)


@pytest.mark.parametrize("momentum", [(0, 0, 0), (np.nan, 0, 1), (1, np.inf, 0), (1, 2)])
def test_no_angular_momentum_is_refused(momentum):
    with pytest.raises(InputError, match="angular momentum"):
        disc_views(momentum)
