"""Closure of every map, and what the galaxy looks like from x, y and z, face-on and inclined."""

from __future__ import annotations

import numpy as np
import pytest
from truth_runs import configuration, product_of, write_pair
from truth_tracers import CODES, IMAGE_AXES, SIGMAS, Carried, Cells, draw_tracers

from simpost.snapshots.columns import concatenate
from simpost.snapshots.galaxies import galaxy_at
from simpost.snapshots.open import open_snapshot
from simpost.snapshots.regions import whole_box
from simpost.snapshots.synthetic import AnalyticGalaxy

pytestmark = pytest.mark.slow

HALF, PIXEL = 2.5, 0.05
CLOSURE = {"RAMSES": 1e-10, "Arepo": 1e-6}
POINTS = 1e-10  # stars are points in both codes


def moments(points, mass, values):
    """Statistic: mass in the window, its mean position, and its second moments (xx, yy, xy) there."""
    inside = (np.abs(points) < HALF).all(axis=1)
    x, y = (PIXEL * (np.floor(points[inside, :2] / PIXEL) + 0.5)).T
    total = mass[inside].sum()
    means = [(mass[inside] * product).sum() / total for product in (x, y, x * x, y * y, x * y)]
    return np.array([total, *means])


def moments_of_map(image):
    middle = (np.arange(len(image)) + 0.5) * PIXEL - HALF
    x, y = np.meshgrid(middle, middle)
    points = np.stack([x.ravel(), y.ravel(), np.zeros(x.size)], axis=1)
    return moments(points, image.ravel() * PIXEL**2, None)


@pytest.fixture(scope="module")
def inclined():
    return AnalyticGalaxy(seed=2, inclination=60.0, position_angle=30.0)


@pytest.fixture(scope="module")
def inclined_runs(inclined, tmp_path_factory):
    """Cells and product of the inclined galaxy by code; no lines."""
    written = write_pair(
        inclined, tmp_path_factory.mktemp("inclined"), leaves=20_000, levelmax=9, n_cells=6000, n_stars=500
    )
    runs = {}
    for code, path in written.items():
        snapshot = open_snapshot(path)
        gas = concatenate(snapshot.gas_chunks(whole_box(snapshot.info.box_size)))
        mesh = Cells(gas["position"], gas["size"], code == "RAMSES", inclined.box_size)
        place = galaxy_at(snapshot, np.full(3, 0.5 * inclined.box_size), "inclined")
        runs[code] = mesh, product_of(snapshot, place, configuration(path))
    return runs


def test_closure_of_every_map(products, inclined_runs):
    worst = dict.fromkeys(CODES, 0.0)
    for code in CODES:
        for product in (products[code], inclined_runs[code][1]):
            for name, view in product.views.items():
                for quantity, image in view.maps.items():
                    if quantity.startswith("mean_"):
                        assert np.isnan(image.closure) and image.attributes["closure_reason"]
                        continue
                    stellar = quantity.startswith(
                        ("surface_density_stars", "surface_density_sfr_1", "surface_density_sfr_3")
                    )
                    limit = POINTS if stellar else CLOSURE[code]
                    assert abs(image.closure) < limit, f"{code} {name} {quantity}"
                    worst[code] = max(worst[code], abs(image.closure))
    print(f"\nworst closure {worst}")


@pytest.mark.parametrize("view", IMAGE_AXES)
@pytest.mark.parametrize("which", ["face-on", "inclined"])
@pytest.mark.parametrize("code", CODES)
def test_mass_and_shape_in_every_view(code, which, view, galaxy, inclined, cells, products, inclined_runs):
    """Mass, centroid and second moments of the maps are those of the galaxy to their sampling error."""
    truth = galaxy if which == "face-on" else inclined
    mesh, product = (cells[code], products[code]) if which == "face-on" else inclined_runs[code]
    carried = Carried.through(draw_tracers(truth, 300_000, half_width=6.0), mesh, view)
    (expected, known), (sampling, error) = carried.sampled(moments)
    found = moments_of_map(product.view(view).map("surface_density_gas").values)
    tolerance = SIGMAS * np.hypot(known, error)
    print(f"\n{code} {which} {view}: mass {found[0] / expected[0] - 1:.1e}, moments {found[1:]}")
    assert (np.abs(found - expected - sampling) < tolerance).all()


def test_extents_of_the_disc(products, galaxy):
    """Face-on the disc is round and wide, edge-on it is flat along the box's z axis."""
    # second moments of the whole disc: 3 R_d^2 along x, y; pi^2 h^2/12 along z
    wide, thin = 3.0 * galaxy.scale_length**2, np.pi**2 / 12.0 * galaxy.scale_height**2
    for code in CODES:
        second = {
            view: moments_of_map(products[code].view(view).map("surface_density_gas").values)
            for view in "xyz"
        }
        for view, along_z in (("x", 4), ("y", 3)):
            across = 7 - along_z
            assert second[view][along_z] < 3.0 * thin < 0.1 * second[view][across]
        assert min(second["z"][3], second["z"][4]) > 0.5 * wide
        assert max(second["z"][3], second["z"][4]) < 1.2 * wide


def test_totals_are_the_same_in_every_view(products, cells, gas):
    """A cube of leaves holds the same from every side, and M_gas is it.

    Kernels cross the faces of the cube differently in each view: M_gas is that of the parts in it.
    """
    for code in CODES:
        total = {
            name: view.map("surface_density_gas").values.sum() * PIXEL**2
            for name, view in products[code].views.items()
        }
        spread = max(total.values()) / min(total.values()) - 1.0
        print(f"\n{code}: totals of the views differ by {spread:.1e}")
        assert spread < (1e-12 if code == "RAMSES" else 1e-3)
        limit = CLOSURE[code] if code == "RAMSES" else 5e-3
        assert total["x"] == pytest.approx(products[code].galaxy["M_gas"], rel=limit)
