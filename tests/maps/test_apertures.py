"""Masses inside apertures and columns of bodies known in closed form, from seven directions."""

import numpy as np
import pytest

from simpost.maps.deposit import Depositor
from simpost.maps.view import View

DIRECTIONS = {
    "x": ((1, 0, 0), (0, 0, 1)),
    "z": ((0, 0, 1), (0, 1, 0)),
    "110": ((1, 1, 0), (0, 0, 1)),
    "111": ((1, 1, 1), (0, 0, 1)),
    "321": ((3, 2, 1), (0, 0, 1)),
    "back": ((-0.3, 0.5, -0.8), (0, 1, 0.2)),
    "nearly z": ((1e-3, -2e-3, 1), (0, 1, 0)),
}
CELLS = 48  # along the diameter of the sphere


@pytest.fixture(scope="module")
def sphere():
    """Leaves of a uniform sphere of radius and mass one: those whose centre lies inside."""
    line = (np.arange(CELLS) + 0.5) / CELLS * 2.0 - 1.0
    position = np.stack(np.meshgrid(line, line, line), axis=-1).reshape(-1, 3)
    position = position[np.linalg.norm(position, axis=1) < 1.0]
    return position, np.full(len(position), 1.0 / len(position))


def radius_of_pixels(view):
    middle = 0.5 * (view.edges()[1:] + view.edges()[:-1])
    return np.hypot(middle[:, None], middle[None, :])


def aperture_mass(values, view, radius):
    return values[radius_of_pixels(view) < radius].sum() * view.pixel**2


@pytest.mark.parametrize("name", DIRECTIONS)
@pytest.mark.parametrize("n_pixels", [60, 64, 100, 127, 256])
def test_leaves_of_a_uniform_sphere(sphere, name, n_pixels):
    position, mass = sphere
    view = View(name, *DIRECTIONS[name], width=2.6, depth=4.0, pixel=2.6 / n_pixels)
    depositor = Depositor(view, ["mass"])
    depositor.add_leaves(position, np.full(len(mass), 2.0 / CELLS), {"mass": mass})
    values = depositor.finish()["mass"].values
    pixels = np.sort(radius_of_pixels(view).ravel())
    for radius in (0.3, 0.6, 0.9):
        # what pixels whose middle lies within `radius` really cover: the disc of their number
        covered = np.sqrt(np.searchsorted(pixels, radius) * view.pixel**2 / np.pi)
        expected = 1.0 - (1.0 - covered**2) ** 1.5
        np.testing.assert_allclose(aperture_mass(values, view, radius), expected, rtol=0.01)
    np.testing.assert_allclose(values.sum() * view.pixel**2, 1.0, rtol=1e-12)
    # the column through the middle is 3/(2 pi), and nothing inside is dark
    inner = radius_of_pixels(view) < 0.2
    np.testing.assert_allclose(values[inner].mean(), 1.5 / np.pi * (1 - 0.01), rtol=0.02)
    assert values[radius_of_pixels(view) < 0.95].min() > 0.0


@pytest.mark.parametrize("name", DIRECTIONS)
def test_smoothed_cells_of_a_uniform_sphere(sphere, name):
    position, mass = sphere
    view = View(name, *DIRECTIONS[name], width=2.6, depth=4.0, pixel=2.6 / 100)
    depositor = Depositor(view, ["mass"], kernel="support")
    r_cell = np.full(len(mass), 2.0 / CELLS * np.cbrt(0.75 / np.pi))
    depositor.add_cells(position, r_cell, {"mass": mass})
    values = depositor.finish()["mass"].values
    for radius in (0.3, 0.6):  # kernels of a twentieth of the radius move no mass across these
        expected = 1.0 - (1.0 - radius**2) ** 1.5
        np.testing.assert_allclose(aperture_mass(values, view, radius), expected, rtol=0.02)
    np.testing.assert_allclose(values.sum() * view.pixel**2, 1.0, rtol=1e-6)
    assert values[radius_of_pixels(view) < 0.95].min() > 0.0


@pytest.mark.parametrize("name", [name for name, (toward, _) in DIRECTIONS.items() if toward[2]])
def test_a_slab_has_the_column_of_its_slant(name):
    toward = np.asarray(DIRECTIONS[name][0]) / np.linalg.norm(DIRECTIONS[name][0])
    line = (np.arange(64) + 0.5) / 64 * 4.0 - 2.0
    position = np.stack(np.meshgrid(line, line, [-0.03125, 0.03125]), axis=-1).reshape(-1, 3)
    size = np.full(len(position), 4.0 / 64)
    view = View(name, *DIRECTIONS[name], width=0.8, depth=8.0, pixel=0.8 / 37)
    depositor = Depositor(view, ["mass"])
    depositor.add_leaves(position, size, {"mass": size**3})
    column = depositor.finish()["mass"].values  # of density one: thickness over the cosine
    np.testing.assert_allclose(column, 0.125 / abs(toward[2]), rtol=2e-3)
