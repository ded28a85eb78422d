# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, disable-error-code="call-arg"
"""Deposit of smoothed cells that touch no more than two by two pixels, by a table of the double integral."""

from __future__ import annotations

import math

import numpy as np

from simpost.core.compile import kernel
from simpost.maps.vector_kernels import share_among_four


@kernel
def add_single(chosen, circles, rows, quantities, plane, flat):
    """Add cells whose kernels lie inside one pixel; see `add_narrow`."""
    first = 3 * (circles.size // 5)
    for m in chosen:
        at, row = np.uint64(circles[first + m]), np.uint64(rows[m])
        for k in range(np.uint64(quantities.shape[1])):
            flat[at] += quantities[row, k]
            at += np.uint64(plane)


@kernel(fused=True)
def add_narrow(chosen, circles, rows, table, quantities, stride, plane, corners, flat):
    """Add cells whose kernels lie inside two by two pixels.

    Parameters
    ----------
    chosen : (n,) int64
        Their places in a group.
    circles : (5 g,) float64
        Of a group of g, see `block_kernels._to_pixels`.
    rows, table, quantities
        See `block_kernels.deposit_cells`; rows of the group.
    stride, plane : int
        Of a row and of the planes.
    corners : (6 g') float64
        Work space, g' the next multiple of eight.
    flat : (k plane,) float64
        The planes one after the other, added to in place.
    """
    flat_table, side, step_8 = table.reshape(table.size), table.shape[0], corners.size // 6
    group, step = np.uint64(circles.size // 5), np.uint64(corners.size // 6)
    for c in range(np.uint64(chosen.size)):
        m = np.uint64(chosen[c])
        u, v, radius = circles[m], circles[group + m], circles[np.uint64(2) * group + m]
        per_radius = 1.0 / radius
        corners[c] = (math.floor(u - radius) + 1.0 - u) * per_radius
        corners[step + c] = (math.floor(v - radius) + 1.0 - v) * per_radius
    for c in range(0, chosen.size, 8):
        share_among_four(flat_table, side, corners, c, step_8)
    for c in range(np.uint64(chosen.size)):
        m = np.uint64(chosen[c])
        at, row = np.uint64(circles[np.uint64(3) * group + m]), np.uint64(rows[m])
        lower_left, lower_right = corners[np.uint64(2) * step + c], corners[np.uint64(3) * step + c]
        upper_left, upper_right = corners[np.uint64(4) * step + c], corners[np.uint64(5) * step + c]
        for k in range(np.uint64(quantities.shape[1])):
            quantity = quantities[row, k]
            flat[at] += quantity * lower_left
            flat[at + np.uint64(1)] += quantity * lower_right
            flat[at + np.uint64(stride)] += quantity * upper_left
            flat[at + np.uint64(stride + 1)] += quantity * upper_right
            at += np.uint64(plane)
