# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls
"""Kernels around the look-up of a line table: what goes in is checked and flagged, what comes out scaled."""

from __future__ import annotations

import math

import numpy as np

from simpost.core.compile import kernel

# bits of a cell's flags: 2 a and 2 a + 1 below and above axis a (n, Z, G0, N), then these
MACH_HIGH, NO_DENSITY, NO_METALS, DARK = 256, 512, 1024, 2048
DARK_BITS = NO_DENSITY | NO_METALS | DARK
SMALLEST = 1e-37  # stands for zero under a float32 logarithm


@kernel
def admit(cells, nuclei, dark, face, low, high, highest_mach, clumping, places, flags):
    """Flag every cell and make its values fit for logarithms; False if one is not finite or negative.

    cells (5, cells): n_H [cm^-3], z_solar, g0 [Habing], column [cm^-2], Mach number; nuclei (cells,); dark
    (cells,) bool; face: share of the column one face lights; low, high (4,): ends of the axes, linear;
    clumping: b of a density that is 1 + b^2 M^2 times the cell's, else 0. Filled: places (5, cells), as cells
    but at least 1e-37, the column times `face`, the density clumped; flags (cells,) int64.
    """
    good = True
    for i in range(flags.size):
        flag = 0
        n_h, z, mach = cells[0, i], cells[1, i], cells[4, i]
        if n_h <= 0.0:
            flag |= NO_DENSITY
        if z <= 0.0:
            flag |= NO_METALS
        if dark[i]:
            flag |= DARK
        finite = math.isfinite(n_h) and math.isfinite(nuclei[i]) and nuclei[i] >= 0.0
        for axis in range(4):
            x = cells[axis, i]
            finite = finite and math.isfinite(x) and (axis == 0 or x >= 0.0)
            x = max(x * face if axis == 3 else x, SMALLEST)
            places[axis, i] = x
            if flag < NO_DENSITY:
                if x < low[axis]:
                    flag |= 1 << (2 * axis)
                elif x > high[axis]:
                    flag |= 2 << (2 * axis)
        finite = finite and math.isfinite(mach) and mach >= 0.0
        places[0, i] *= 1.0 + (clumping * mach) ** 2
        places[4, i] = max(mach, 0.0)
        if flag < NO_DENSITY and mach > highest_mach:
            flag |= MACH_HIGH
        flags[i] = flag
        good = good and finite
    return good


@kernel
def scale(emission, marked, variant, nuclei, unit, flags, luminosity, outside):
    """Luminosity of every cell, and its share from beyond the grid.

    emission (cells, 2) float32 and marked (cells, 2) uint8, or empty, of the two variants; variant (cells,)
    int64; nuclei (cells,); unit: luminosity of a nucleus of emission 1. Filled: luminosity, outside (cells,);
    zero where flags say that a cell does not shine.
    """
    for i in range(flags.size):
        if flags[i] & DARK_BITS:
            luminosity[i], outside[i] = 0.0, 0.0
            continue
        v = variant[i]
        luminosity[i] = nuclei[i] * unit * np.float64(emission[i, v])
        outside[i] = marked[i, v] / 255.0 if marked.size > 0 else 0.0
