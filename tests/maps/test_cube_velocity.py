"""Velocities, widths and channels of lines."""

import numpy as np
import pytest

from simpost.core.errors import InputError
from simpost.maps.velocity import Channels, emitter_mass, line_dispersion, radial_velocity
from simpost.maps.view import View

CII = "CII-158um"


@pytest.mark.parametrize(("temperature", "sigma"), [(100, 0.26322), (1000, 0.83239), (8000, 2.35435)])
def test_thermal_width_of_carbon(temperature, sigma):
    assert line_dispersion([temperature], [0.0], CII)[0] == pytest.approx(sigma, abs=5e-6)


def test_turbulence_adds_one_dimension_of_three():
    found = line_dispersion([100.0, 0.0], [30.0, 30.0], CII)
    assert found[1] == pytest.approx(30.0 / np.sqrt(3.0), rel=1e-14)
    assert found[0] ** 2 - found[1] ** 2 == pytest.approx(0.26322**2, rel=1e-4)


def test_gradient_adds_the_spread_of_a_uniform_flow_across_the_cell():
    """A cube in v = A x, seen along any direction: the variance of v.los over its volume."""
    rng = np.random.default_rng(1)
    gradient, size = rng.normal(0.0, 50.0, (3, 3)), 0.2
    toward = View("o", (1.0, 2.0, -2.0), (0.0, 1.0, 0.0), 1.0, 1.0, 0.1).line_of_sight
    step = (np.arange(40) + 0.5) / 40 - 0.5
    places = size * np.stack(np.meshgrid(step, step, step), -1).reshape(-1, 3)
    spread = radial_velocity(places @ gradient.T, toward).std()
    found = line_dispersion(
        [0.0], [0.0], CII, gradient=gradient[None], size=np.array([size]), line_of_sight=toward
    )
    assert found[0] == pytest.approx(spread, rel=1e-3)
    with pytest.raises(InputError, match="no size or line of sight"):
        line_dispersion([0.0], [0.0], CII, gradient=gradient[None])


def test_receding_is_positive_and_relative_to_the_galaxy():
    view = View.named("z", 1.0, 1.0, 0.1)  # the observer is at +z
    velocity = np.array([[5.0, 5.0, -30.0], [0.0, 0.0, 70.0]])
    found = radial_velocity(velocity, view.line_of_sight, (1.0, 2.0, 20.0))
    np.testing.assert_allclose(found, [50.0, -50.0])


@pytest.mark.parametrize(
    ("line", "mass"),
    [(CII, 12.0), ("OI-63um", 15.995), ("NII-205um", 14.003), ("SiII-35um", 27.977), ("CO-3-2", 27.995),
     ("CI-609um", 12.0), ("OIII-88um", 15.995)],
)  # fmt: skip
def test_mass_of_the_emitter(line, mass):
    assert emitter_mass(line) == pytest.approx(mass * 1.66053906660e-24, rel=1e-9)


def test_every_line_of_the_package_has_a_mass():
    from simpost.emission.lines import LINES

    assert all(emitter_mass(line) > 0.0 for line in LINES)
    with pytest.raises(InputError, match="known species"):
        emitter_mass("XeII-1um")


@pytest.mark.parametrize("values", [[-1.0], [np.nan], [np.inf]])
def test_bad_temperature_or_turbulence_is_refused(values):
    with pytest.raises(InputError, match="temperature: found 1 negative"):
        line_dispersion(values, [1.0], CII)
    with pytest.raises(InputError, match="turbulent velocity: found 1 negative"):
        line_dispersion([1.0], values, CII)


def test_channels_know_their_edges_and_centres():
    channels = Channels(10.0, 4, 5.0)
    np.testing.assert_allclose(channels.edges(), [-15.0, -5.0, 5.0, 15.0, 25.0])
    np.testing.assert_allclose(channels.centres(), [-10.0, 0.0, 10.0, 20.0])
    assert Channels.from_edges(channels.edges()) == channels


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ((0.0, 3), "channel width"),
        ((np.nan, 3), "channel width"),
        ((1.0, 0), "number of channels"),
        ((1.0, 2.5), "number of channels"),
        ((1.0, 3, np.inf), "centre of the velocity band"),
    ],
)
def test_bad_channels_are_refused(arguments, match):
    with pytest.raises(InputError, match=match):
        Channels(*arguments)


@pytest.mark.parametrize("edges", [[], [1.0], [0.0, 1.0, 3.0], [1.0, 0.0], [[0.0, 1.0]]])
def test_bad_edges_are_refused(edges):
    with pytest.raises(InputError, match="channel edges"):
        Channels.from_edges(edges)
