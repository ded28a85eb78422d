"""Deposit of smoothed cells: the kernel integrated over every pixel it touches."""

from __future__ import annotations

import math

import numpy as np

from simpost.core.compile import kernel


@kernel
def deposit_smoothed(x, y, support, quantities, weights, table, half_width, pixel, image):
    """Add to each pixel every cell's quantities times the share of its kernel in the pixel.

    Parameters
    ----------
    x, y : (n,) float64
        Kernel centres on the image plane [kpc]; the window is [-half_width, half_width] on both axes.
    support : (n,) float64
        Radii of support H [kpc], positive.
    quantities : (n, k) float64
        Extensive quantities of the cells, any unit.
    weights, table : (7,), (2 m + 1, 2, 7) float64
        Separable terms of the kernel, see `smoothing.separable_table`.
    half_width, pixel : float64
        Half the window's side and the pixel's side [kpc].
    image : (k, ny, nx) float64
        Added to in place: quantity per pixel. What falls outside the window is not deposited.
    """
    n_quantities, ny, nx = image.shape
    columns, rows = np.zeros((7, nx)), np.zeros((7, ny))
    per_pixel = 1.0 / pixel
    for n in range(x.size):
        radius = support[n] * per_pixel
        u, v = (x[n] + half_width) * per_pixel, (y[n] + half_width) * per_pixel
        if u + radius <= 0.0 or u - radius >= nx or v + radius <= 0.0 or v - radius >= ny:
            continue
        i_first, j_first = math.floor(u - radius), math.floor(v - radius)
        i_last, j_last = max(math.ceil(u + radius) - 1, i_first), max(math.ceil(v + radius) - 1, j_first)
        if i_first == i_last and j_first == j_last:
            for k in range(n_quantities):
                image[k, j_first, i_first] += quantities[n, k]
            continue
        i_start, i_stop = max(i_first, 0), min(i_last + 1, nx)
        j_start, j_stop = max(j_first, 0), min(j_last + 1, ny)
        _integrate_terms(u, radius, i_start, i_stop, table, columns)
        _integrate_terms(v, radius, j_start, j_stop, table, rows)
        for j in range(j_start, j_stop):
            # pixels beyond the circle hold nothing: the row's chord at its point nearest to the centre
            nearest = max(j - v, v - (j + 1.0), 0.0)
            half_chord = math.sqrt(max(radius * radius - nearest * nearest, 0.0))
            i_low = max(i_start, math.floor(u - half_chord))
            i_high = min(i_stop, math.ceil(u + half_chord))
            for k in range(n_quantities):
                _add_row(image[k, j], i_low, i_high, weights, rows, j, columns, quantities[n, k])


@kernel
def _integrate_terms(centre, radius, start, stop, table, out):
    """Write to out[r, i] the integral of f_r over pixel i = start ... stop - 1 (pixel units).

    The terms are written out: a loop over them is not kept in registers and is twice as slow.
    """
    middle = (table.shape[0] - 1) // 2
    scale, last = middle / radius, float(table.shape[0] - 1)
    b0 = b1 = b2 = b3 = b4 = b5 = b6 = 0.0
    for edge in range(start, stop + 1):
        s = min(max((edge - centre) * scale + middle, 0.0), last)
        node = np.uint64(s)
        t = s - node
        value, step = table[node, 0], table[node, 1]
        v0, v1, v2 = value[0] + t * step[0], value[1] + t * step[1], value[2] + t * step[2]
        v3, v4, v5 = value[3] + t * step[3], value[4] + t * step[4], value[5] + t * step[5]
        v6 = value[6] + t * step[6]
        if edge > start:
            i = edge - 1
            out[0, i], out[1, i], out[2, i] = v0 - b0, v1 - b1, v2 - b2
            out[3, i], out[4, i], out[5, i], out[6, i] = v3 - b3, v4 - b4, v5 - b5, v6 - b6
        b0, b1, b2, b3, b4, b5, b6 = v0, v1, v2, v3, v4, v5, v6


@kernel
def _add_row(row, i_low, i_high, weights, rows, j, columns, quantity):
    """Add `quantity` times the kernel's share of pixel (j, i) to row[i], i = i_low ... i_high - 1."""
    a0, a1, a2 = weights[0] * rows[0, j], weights[1] * rows[1, j], weights[2] * rows[2, j]
    a3, a4, a5 = weights[3] * rows[3, j], weights[4] * rows[4, j], weights[5] * rows[5, j]
    a6 = weights[6] * rows[6, j]
    # the loop vectorises because an unsigned index needs no test for wrapping around, and because
    # seven terms need fewer than nine tests for overlapping memory (the compiler's limit)
    for i in range(np.uint64(i_low), np.uint64(i_high)):
        share = a0 * columns[0, i] + a1 * columns[1, i] + a2 * columns[2, i] + a3 * columns[3, i]
        share += a4 * columns[4, i] + a5 * columns[5, i] + a6 * columns[6, i]
        # the few terms may fall below zero by 1e-5 of the peak near the rim
        row[i] += quantity * max(share, 0.0)
