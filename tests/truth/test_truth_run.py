"""Whole runs, from a configuration to product files, and galaxies that lack something."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from truth_runs import AREPO_SIZE, LINE, RAMSES_SIZE, configuration, product_of
from truth_tracers import CODES

from simpost.config import resolve
from simpost.core.errors import InputError
from simpost.pipeline.run import run
from simpost.products import read_product, write_product
from simpost.snapshots.galaxies import Galaxy, galaxy_at
from simpost.snapshots.open import open_snapshot
from simpost.snapshots.synthetic import AnalyticGalaxy, write_arepo, write_ramses

pytestmark = pytest.mark.slow

SMALL_RAMSES = RAMSES_SIZE | {"levelmax": 8, "leaves": 8000, "n_stars": 300, "n_dark_matter": 500}
SMALL_AREPO = AREPO_SIZE | {"n_cells": 2500, "n_stars": 300, "n_dark_matter": 500}


def write_small(code, galaxy, folder, **changes):
    if code == "RAMSES":
        return write_ramses(galaxy, folder, **(SMALL_RAMSES | changes))
    winds = {"n_winds": 0} if changes.get("n_stars") == 0 else {}
    return write_arepo(galaxy, folder / "run", **(SMALL_AREPO | changes | winds))


def product_at_centre(path, galaxy, tables, **sections):
    snapshot = open_snapshot(path)
    place = galaxy_at(snapshot, np.full(3, 0.5 * galaxy.box_size), "galaxy")
    return product_of(snapshot, place, configuration(path, **sections), {LINE: tables["mass"]})


@pytest.fixture(scope="module")
def ran(paths, products, tmp_path_factory):
    """Both snapshots in one run, galaxies found as the snapshots allow; one view for speed."""
    raw = {
        "snapshots": [str(paths[code]) for code in CODES],
        "galaxies": {"finder": "auto", "count": 1},
        "views": ["z"],
        "maps": {"width": "5 kpc", "pixel": "50 pc"},
        "ism": {"sigma": "gradient"},
        "emission": {"pdf": "none"},
        "output": str(tmp_path_factory.mktemp("results") / "out"),
    }
    return run(resolve(raw))


def test_run_makes_whole_products(ran):
    assert ran.failures == []
    assert len(ran.products) == len(CODES)
    for folder, product in zip(ran.paths, ran.products, strict=True):
        kept = read_product(folder / "product.h5")
        assert kept.galaxy["M_gas"] == product.galaxy["M_gas"]
        for name, image in product.view("z").maps.items():
            np.testing.assert_array_equal(kept.view("z").map(name).values, image.values)
        assert (folder / "maps.fits").is_file() and (folder / "panel_z.png").is_file()


def test_galaxies_are_found_where_they_are(ran, galaxy, places):
    """Subfind's centre is exact in single precision; the finder's is good to the cells it looks at."""
    catalogue, centre = ran.products[1].galaxy, np.full(3, 0.5 * galaxy.box_size)
    np.testing.assert_allclose(catalogue["centre"], centre, rtol=2e-7)
    found = ran.products[0].galaxy
    leaf = galaxy.box_size / 2 ** RAMSES_SIZE["levelmax"]
    offset = np.linalg.norm(found["centre"] - centre)
    print(f"\nbuilt-in finder: {1e3 * offset:.1f} pc off; leaves of {1e3 * leaf:.1f} pc")
    assert offset < leaf
    # the radius moves by a third of the relative mass of each particle at the edge, which few can be
    particle = galaxy.halo_mass / RAMSES_SIZE["n_dark_matter"] / galaxy.mass_within(galaxy.virial_radius)
    for radius in (catalogue["R_200c"], found["R_200c"], *(place.r_200c for place in places.values())):
        assert radius == pytest.approx(galaxy.virial_radius, rel=4.0 * particle)


def test_found_galaxy_has_the_maps_of_the_stated_one(ran, galaxy, products):
    """Through the catalogue the maps are the same; the finder's offset moves them by less than a pixel."""
    for code, product in zip(CODES, ran.products, strict=True):
        stated = products[code].view("z").map("surface_density_gas").values
        found = product.view("z").map("surface_density_gas").values
        moved = np.abs(found - stated).sum() / stated.sum()
        print(f"\n{code}: {moved:.1e} of the mass elsewhere")
        # mass that leaves a pixel of width p when it moves by d is at most 2 d/p (in and out, x and y)
        offset = np.abs(product.galaxy["centre"] - np.full(3, 0.5 * galaxy.box_size))[:2].sum()
        assert moved < 2.0 * offset / product.view("z").attributes["pixel"] + 1e-5


@pytest.mark.parametrize("code", CODES)
def test_galaxy_without_stars(code, tables, tmp_path):
    galaxy = AnalyticGalaxy()
    path = write_small(code, galaxy, tmp_path, n_stars=0)
    product = product_at_centre(path, galaxy, tables)
    attributes = product.galaxy
    for name in ("SFR_10", "SFR_30", "SFR_100", "M_stars"):
        value = attributes[name]
        assert value == 0.0 or (np.isnan(value) and attributes[f"{name}_reason"]), name
    # only gas cells can tell how fast the gas is used up, where the code stores their rates
    assert np.isnan(attributes["depletion_time"]) == (code == "RAMSES")
    assert attributes[f"L_{LINE}"] > 0.0
    assert product.coverage["has_young_star"].share_of_cells == 0.0
    write_product(product, tmp_path / "product.h5")
    assert read_product(tmp_path / "product.h5").galaxy["M_gas"] == attributes["M_gas"]


def test_gas_without_metals(tables, tmp_path):
    """No carbon: maps of zero luminosity with a reason for the missing closure, and no alpha_CII."""
    galaxy = AnalyticGalaxy(central_metallicity=0.0, metallicity_floor=0.0)
    product = product_at_centre(write_small("RAMSES", galaxy, tmp_path), galaxy, tables)
    assert product.galaxy[f"L_{LINE}"] == 0.0
    assert np.isnan(product.galaxy["alpha_CII"]) and product.galaxy["alpha_CII_reason"]
    image = product.view("z").map(f"surface_brightness_{LINE}")
    assert not image.values.any()
    assert np.isnan(image.closure) and image.attributes["closure_reason"]
    assert product.galaxy["M_gas"] > 0.0
    write_product(product, tmp_path / "product.h5")


def test_snapshot_without_a_metallicity_column(tables, tmp_path):
    """Assumed metals give a line; without them it is zero and the product says why."""
    galaxy = AnalyticGalaxy()
    path = write_arepo(galaxy, tmp_path / "run", n_files=1, **SMALL_AREPO)
    with h5py.File(path, "r+") as file:
        for name in ("GFM_Metallicity", "GFM_Metals"):
            del file["PartType0"][name]
    product = product_at_centre(path, galaxy, tables)
    assert product.galaxy[f"L_{LINE}"] == 0.0 or np.isnan(product.galaxy[f"L_{LINE}"])
    assert any("metals" in note for note in product.provenance["notes"])
    assumed = product_at_centre(path, galaxy, tables, ism={"assumed_metallicity": 0.5})
    assert assumed.galaxy[f"L_{LINE}"] > 0.0


def test_region_without_cells(snapshots, paths, galaxy):
    """A window between the generators of the outskirts: one line that says what to do."""
    corner = (0.1 * galaxy.box_size,) * 3
    nowhere = Galaxy("nowhere", corner, (0.0, 0.0, 0.0), float("nan"), float("nan"), "test")
    config = configuration(paths["Arepo"], maps={"width": "20 pc", "pixel": "10 pc"})
    with pytest.raises(InputError, match="no gas cell") as error:
        product_of(snapshots["Arepo"], nowhere, config)
    assert "\n" not in str(error.value) and "width" in str(error.value)


def test_window_wider_than_the_box(snapshots, paths, places):
    config = configuration(paths["RAMSES"], maps={"width": "41 kpc", "pixel": "1 kpc"})
    with pytest.raises(InputError, match="at most half the box") as error:
        product_of(snapshots["RAMSES"], places["RAMSES"], config)
    assert "\n" not in str(error.value)
