"""Make a line grid from the built-in slab model."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simpost.core.constants import CARBON_SOLAR, OXYGEN_SOLAR
from simpost.core.errors import InputError
from simpost.emission.axes import equal_steps, standard_axis
from simpost.emission.grid import VARIANTS, LineGrid, log_per_nucleus
from simpost.emission.lines import CII, OI_63
from simpost.emission.slab import LOG_COLUMN_RANGE, solve_slab

SLAB_VERSION = "1"
MIN_DEPTHS = 1601  # fluxes of the slab then lie within 0.15 % of converged ones


class GridAxes(NamedTuple):
    """log10 axes: density [cm^-3], metallicity [solar], field [Habing], column [cm^-2]."""

    log_n: NDArray[np.float64]
    log_z: NDArray[np.float64]
    log_g0: NDArray[np.float64]
    log_column: NDArray[np.float64]


# 17 x 8 x 12 models as in Vallini+2025, whose ranges are lost; every step is 0.5 dex
DEFAULT_AXES = GridAxes(
    np.linspace(-2.0, 6.0, 17),
    np.linspace(-3.0, 0.5, 8),
    np.linspace(-1.0, 4.5, 12),
    np.linspace(*LOG_COLUMN_RANGE, 65),
)


def build_slab_grid(
    axes: GridAxes = DEFAULT_AXES,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> LineGrid:
    """Solve a slab at every (variant, n, Z, G0) and store its cumulative emission on the column axis.

    Parameters
    ----------
    axes : GridAxes
        Default: 0.5 dex steps, n = 1e-2-1e6 cm^-3, Z = 1e-3-3 solar, G0 = 0.1-3e4, 65 columns; the
        column axis must be equally spaced and start at 1e17 cm^-2 or below.
    workers : int
        Threads (the kernel holds no lock). The default grid takes about 3 core-minutes.
    progress : callable, optional
        Called as progress(models done, models in all).

    Raises
    ------
    InputError
        The column axis is not equally spaced or starts too deep.
    """
    depths, every = _depths(axes.log_column)
    models = list(itertools.product(range(len(VARIANTS)), *(range(axis.size) for axis in axes[:3])))
    shape = (len(VARIANTS), *(axis.size for axis in axes))
    f_cii, f_oi, t_cii, c_cii = np.empty((4, *shape))

    def solve(model: tuple[int, ...]) -> None:
        variant, i, j, k = model
        values = (10.0 ** axes.log_n[i], 10.0 ** axes.log_z[j], 10.0 ** axes.log_g0[k])
        slab = solve_slab(*values, VARIANTS[variant] == "ionising", depths)
        f_cii[model], f_oi[model] = slab.flux[CII][::every], slab.flux[OI_63][::every]
        t_cii[model], c_cii[model] = slab.t_cii[::every], slab.c_cii[::every]

    with ThreadPoolExecutor(workers) as pool:
        for done, _ in enumerate(pool.map(solve, models), start=1):
            if progress is not None:
                progress(done, len(models))
    return LineGrid(
        axes={name: standard_axis(name, nodes) for name, nodes in axes._asdict().items()},
        variants=VARIANTS,
        emission={
            CII: log_per_nucleus(f_cii, axes.log_column),
            OI_63: log_per_nucleus(f_oi, axes.log_column),
        },
        t_cii=t_cii.astype(np.float32),
        c_cii=c_cii.astype(np.float32),
        code="simpost slab",
        version=SLAB_VERSION,
        made=f"simpost.emission.build.build_slab_grid, {depths.size} depths",
        abundances={"C": CARBON_SOLAR, "O": OXYGEN_SOLAR},
        cmb_in_grid=False,
        notes=(
            "Abundances are those of Asplund+2009 times Z; no carbon is locked up in dust.",
            "Ionising photons: 1e10 per erg of 6-13.6 eV, as of about 10 Myr of continuous star formation.",
        ),
    )


def _depths(log_column: NDArray[np.float64]) -> tuple[NDArray[np.float64], int]:
    """Columns [cm^-2] the slab is solved at, and the stride that gives the grid's own."""
    steps = np.diff(log_column)
    if not equal_steps(log_column) or steps[0] <= 0.0:
        raise InputError("log_column", "unequal steps", "an equally spaced, ascending axis")
    if log_column[0] > 17.0:
        raise InputError("log_column", f"a first column of 10^{log_column[0]:g}", "at most 1e17 cm^-2")
    every = math.ceil((MIN_DEPTHS - 1) / steps.size)
    return np.logspace(log_column[0], log_column[-1], steps.size * every + 1), every
