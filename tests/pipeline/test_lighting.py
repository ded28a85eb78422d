"""From a configuration to the luminosity of cells: what is not in the averaged table."""

import numpy as np
import pytest

from simpost.config import resolve
from simpost.core import constants as c
from simpost.emission import two_level as tl
from simpost.emission.axes import standard_axis
from simpost.emission.grid import LineGrid
from simpost.emission.lines import CII
from simpost.pipeline.lighting import averaged_table, light_cells
from simpost.snapshots.columns import Columns


def test_cmb_by_the_cells_own_state_is_the_two_level_atom():
    """A grid without [CII] temperatures, of atomic gas at 100 K: the correction is that of its two levels."""
    log_n = np.linspace(-2.0, 6.0, 33)
    power = np.log10(c.CARBON_SOLAR * tl.net_power(100.0, 7.6e-10 * 10.0**log_n))
    grid = LineGrid(
        axes={"log_n": standard_axis("log_n", log_n)}, variants=("non_ionising",), emission={CII: power[None]}
    )
    emission = {"pdf": "none", "cmb_on": "cell"}
    options = resolve({"snapshots": ["x"], "emission": emission}).emission
    n = np.array([1.0, 100.0, 1e4])
    values = {
        "n_H": n,
        "temperature": np.full(3, 100.0),
        "neutral_fraction": np.ones(3),
        "f_H2": np.zeros(3),
        "electron_fraction": np.zeros(3),
        "metallicity": np.full(3, c.Z_SUN),
        "habing": np.ones(3),
        "column_density": np.full(3, 1e18),
        "mass": np.ones(3),
        "hydrogen_fraction": np.full(3, 0.76),
        "ionising": np.zeros(3, bool),
        "dark": np.zeros(3, bool),
    }
    state = Columns(values, dict.fromkeys(values, "read: test"))
    table = averaged_table(grid, CII, options, redshift=6.0)
    bright = averaged_table(grid, CII, options.model_copy(update={"cmb": False}), redshift=6.0)
    found, without = (light_cells(state, np.ones(3), t, options).luminosity for t in (table, bright))
    expected = tl.net_power(100.0, 7.6e-10 * n, 19.0785) / tl.net_power(100.0, 7.6e-10 * n)
    assert found / without == pytest.approx(expected, rel=1e-6)
    assert found[0] < without[0]
