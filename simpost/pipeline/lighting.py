"""From a configuration to averaged line tables, and from them to the luminosity of cells."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from simpost.config.models import EmissionConfig
from simpost.core import constants as c
from simpost.core.units import HYDROGEN_PER_MSUN
from simpost.emission.cmb import cell_attenuation
from simpost.emission.density_pdf import AveragedTable, average_over_pdf
from simpost.emission.grid import LineGrid, load_grid
from simpost.emission.luminosity import CellLuminosity, line_luminosity
from simpost.snapshots.columns import Columns


def line_grid(options: EmissionConfig) -> LineGrid:
    """The line grid, at the stated values of axes that cells do not have."""
    grid = load_grid(options.grid)
    for axis, value in options.at.items():
        grid = grid.at(axis, value)
    return grid


def averaged_table(
    grid: LineGrid, line: str, options: EmissionConfig, redshift: float, workers: int = 1
) -> AveragedTable:
    """A line of the grid averaged over sub-grid densities, with the CMB of `redshift` if configured."""
    return average_over_pdf(
        grid,
        line,
        options.pdf,
        redshift if options.cmb else None,
        options.pdf_column,
        options.cmb_on,
        workers=workers,
    )


def light_cells(
    state: Columns,
    mach: NDArray[np.float64],
    table: AveragedTable,
    options: EmissionConfig,
    workers: int = 1,
) -> CellLuminosity:
    """Luminosity of cells (n,) with the state of `ism.state.gas_state`, at Mach numbers `mach` (n,)."""
    cells = line_luminosity(
        table,
        state["n_H"],
        state["metallicity"] / c.Z_SUN,
        state["habing"],
        state["column_density"],
        mach,
        state["ionising"],
        state["mass"] * state["hydrogen_fraction"] * HYDROGEN_PER_MSUN,
        dark=state["dark"],
        illumination=options.illumination,
        b=options.pdf_b,
        workers=workers,
    )
    if table.redshift_of_cells is None:
        return cells
    n_H, molecules = state["n_H"], 0.5 * state["f_H2"]
    atoms = np.maximum(state["neutral_fraction"] - state["f_H2"], 0.0)
    eta = cell_attenuation(
        state["temperature"],
        n_H * state["electron_fraction"],
        n_H * atoms,
        n_H * molecules,
        table.redshift_of_cells,
    )
    return replace(cells, luminosity=cells.luminosity * eta)
