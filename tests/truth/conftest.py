"""One galaxy of known truth as a RAMSES-RT and as an Arepo-RT snapshot, and its maps by simpost."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from truth_runs import LINE, configuration, product_of, write_pair
from truth_tracers import CODES, Cells

from simpost.emission.density_pdf import average_over_pdf
from simpost.emission.grid import load_grid
from simpost.snapshots.columns import concatenate
from simpost.snapshots.galaxies import galaxy_at
from simpost.snapshots.open import open_snapshot
from simpost.snapshots.regions import whole_box
from simpost.snapshots.synthetic import AnalyticGalaxy


@pytest.fixture(scope="session")
def galaxy():
    return AnalyticGalaxy(bulk_velocity=(30.0, -20.0, 10.0))


@pytest.fixture(scope="session")
def paths(galaxy, tmp_path_factory):
    return write_pair(galaxy, tmp_path_factory.mktemp("truth"))


@pytest.fixture(scope="session")
def snapshots(paths):
    return {code: open_snapshot(path) for code, path in paths.items()}


@pytest.fixture(scope="session")
def gas(snapshots):
    """All cells by code, positions from the galaxy's centre."""
    return {
        code: concatenate(snapshot.gas_chunks(whole_box(snapshot.info.box_size)))
        for code, snapshot in snapshots.items()
    }


@pytest.fixture(scope="session")
def cells(galaxy, gas):
    return {
        code: Cells(columns["position"], columns["size"], code == "RAMSES", galaxy.box_size)
        for code, columns in gas.items()
    }


@pytest.fixture(scope="session")
def grid():
    return load_grid("slab")


@pytest.fixture(scope="session")
def tables(grid, galaxy):
    """Averaged [CII] tables by sub-grid option and whether the CMB is on."""
    return {
        "mass": average_over_pdf(grid, LINE, "mass", redshift=galaxy.redshift, workers=2),
        "none": average_over_pdf(grid, LINE, "none", redshift=galaxy.redshift),
        "none, no CMB": average_over_pdf(grid, LINE, "none", redshift=None),
    }


@pytest.fixture(scope="session")
def places(snapshots, galaxy):
    """The galaxy by code, its centre stated."""
    centre = np.full(3, 0.5 * galaxy.box_size)
    return {code: galaxy_at(snapshot, centre, "galaxy") for code, snapshot in snapshots.items()}


@pytest.fixture(scope="session")
def products(snapshots, places, paths, tables):
    return {
        code: product_of(snapshots[code], places[code], configuration(paths[code]), {LINE: tables["mass"]})
        for code in CODES
    }


@pytest.fixture(params=CODES)
def case(request, galaxy, snapshots, gas, cells, places, products):
    """Everything about one code."""
    code = request.param
    return SimpleNamespace(
        code=code, galaxy=galaxy, snapshot=snapshots[code], gas=gas[code], cells=cells[code],
        place=places[code], product=products[code],
    )  # fmt: skip
