"""The averaged tables on the cells of the sample galaxies, against every cell's own average."""

import numpy as np
import pytest

from simpost.config import resolve
from simpost.core import constants as c
from simpost.core.units import HYDROGEN_PER_MSUN
from simpost.emission.cmb import cmb_attenuation
from simpost.emission.density_pdf import ETA_FLOOR, average_over_pdf
from simpost.emission.exact import exact_emission
from simpost.emission.grid import load_grid
from simpost.emission.lines import CII
from simpost.emission.log_normal import log_normal_width
from simpost.emission.luminosity import line_luminosity
from simpost.ism.recipes import choose_recipes
from simpost.ism.state import gas_state, survey
from simpost.snapshots.columns import concatenate
from simpost.snapshots.galaxies import find_galaxies
from simpost.snapshots.open import open_snapshot
from simpost.snapshots.regions import Cube, Sphere

pytestmark = pytest.mark.slow

HALF = 2.5  # kpc


@pytest.fixture(scope="module", params=["sample:ramses-zoom", "sample:arepo-zoom"])
def galaxy(request):
    """Redshift and cells of the largest galaxy; gas without metals at 0.1 solar."""
    config = resolve({"preset": "serra", "snapshots": [request.param], "ism": {"assumed_metallicity": 0.1}})
    snapshot = open_snapshot(request.param, config.reader)
    centre = find_galaxies(snapshot, 1, 0.0)[0].centre
    recipes = choose_recipes(snapshot.info, config.ism)
    stars = snapshot.stars(Sphere(centre, 2.0 * HALF))
    around = survey(snapshot, Cube(centre, HALF), stars, recipes, config.ism, np.inf, 2.0 * HALF)
    gas = concatenate(snapshot.gas_chunks(Cube(centre, HALF)))
    state, _ = gas_state(gas, slice(0, gas.size), around, snapshot.info, recipes, config.ism)
    return snapshot.info.redshift, state.select(~state["dark"])


@pytest.mark.parametrize("name", ["slab", "cloudy"])
def test_cells_with_99_percent_of_the_light_are_within_1_percent(galaxy, name):
    redshift, state = galaxy
    grid = load_grid(name)
    cells = {
        "log_n": state["n_H"],
        "log_z": state["metallicity"] / c.Z_SUN,
        "log_g0": state["habing"],
        "log_column": state["column_density"],
    }
    nuclei = state["mass"] * state["hydrogen_fraction"] * HYDROGEN_PER_MSUN
    table = average_over_pdf(grid, CII, redshift=redshift, workers=2)
    found = line_luminosity(table, *cells.values(), state["mach"], state["ionising"], nuclei).luminosity
    density = 10.0 ** grid.nodes("log_n").reshape(-1, 1, 1, 1)
    eta = cmb_attenuation(grid.t_cii.astype(float), grid.c_cii.astype(float) * density, redshift)
    log_l = grid.line(CII) + np.log10(np.maximum(eta, ETA_FLOOR))
    width, variant = log_normal_width(state["mach"]), state["ionising"].astype(int)
    exact = exact_emission(grid, log_l, cells, width, variant) * nuclei / c.L_SUN
    error = np.abs(found / exact - 1.0)
    assert exact[error > 0.01].sum() < 0.01 * exact.sum()
    assert found.sum() == pytest.approx(exact.sum(), rel=3e-3)
