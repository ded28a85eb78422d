"""Masses of the sphere inscribed in the maps' cube, against a plain sum over the cells of the snapshot."""

import h5py
import numpy as np
import pytest

from simpost.config import resolve
from simpost.core.constants import X_HYDROGEN
from simpost.pipeline import run
from simpost.snapshots.open import open_snapshot
from simpost.snapshots.regions import Cube

HALF_WIDTH = 1.5  # kpc


def galaxy_of(folder, snapshot, helium):
    config = {
        "snapshots": [str(snapshot)],
        "galaxies": {"count": 1},
        "views": ["z"],
        "maps": {"width": f"{2 * HALF_WIDTH} kpc", "pixel": "300 pc", "helium": helium},
        "ism": {"assumed_metallicity": 0.1},
        "emission": {"pdf": "none"},
        "output": str(folder / f"results-{helium}"),
    }
    result = run(resolve(config))
    assert result.failures == []
    return result.products[0].galaxy


@pytest.mark.parametrize("sample", ["sample:ramses-zoom", "sample:arepo-zoom"])
def test_masses_are_those_of_cells_whose_centre_lies_in_the_sphere(tmp_path, sample):
    with_helium, without = (galaxy_of(tmp_path, sample, helium) for helium in (True, False))
    snapshot = open_snapshot(sample)
    cube = Cube(tuple(with_helium["centre"]), HALF_WIDTH)
    mass, hydrogen = 0.0, 0.0
    for chunk in snapshot.gas_chunks(cube):
        for place, cell, row in zip(chunk["position"], chunk["mass"], range(chunk.size), strict=True):
            if place[0] ** 2 + place[1] ** 2 + place[2] ** 2 <= HALF_WIDTH**2:
                fraction = chunk["hydrogen_fraction"][row] if "hydrogen_fraction" in chunk else X_HYDROGEN
                mass, hydrogen = mass + cell, hydrogen + cell * fraction
    assert with_helium["M_gas_sphere"] == pytest.approx(mass, rel=1e-10)
    assert without["M_gas_sphere"] == pytest.approx(hydrogen, rel=1e-10)
    for galaxy in (with_helium, without):
        assert 0.0 < galaxy["M_neutral_sphere"] <= galaxy["M_gas_sphere"] * (1.0 + 1e-12)
        assert galaxy["M_neutral_sphere"] < galaxy["M_neutral"]
    # all gas of the field of view is the same whatever `helium` says
    assert with_helium["M_gas"] == pytest.approx(without["M_gas"], rel=1e-12)
    assert without["M_neutral_sphere"] / with_helium["M_neutral_sphere"] == pytest.approx(
        hydrogen / mass, rel=1e-3
    )


def test_neutral_gas_that_cannot_be_known_says_why(tmp_path, sample_copy):
    path = sample_copy("arepo-box")
    with h5py.File(path, "r+") as file:
        del file["PartType0/InternalEnergy"]
    galaxy = galaxy_of(tmp_path, path, False)
    assert 0.0 < galaxy["M_gas_sphere"] < X_HYDROGEN * galaxy["M_gas"]
    assert np.isnan(galaxy["M_neutral_sphere"])
    assert "no phases" in galaxy["M_neutral_sphere_reason"]
