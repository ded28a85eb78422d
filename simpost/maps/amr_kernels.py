"""Exact deposit of axis-aligned cubes on square pixels."""

from __future__ import annotations

import math

import numpy as np

from simpost.core.compile import kernel


@kernel
def deposit_leaves(x, y, size, quantities, half_width, pixel, image):
    """Add to each pixel every leaf's quantities times the share of the leaf's square in the pixel.

    Parameters
    ----------
    x, y : (n,) float64
        Leaf centres on the image plane [kpc]; the window is [-half_width, half_width] on both axes.
    size : (n,) float64
        Leaf sides [kpc], positive.
    quantities : (n, k) float64
        Extensive quantities of the leaves, any unit.
    half_width, pixel : float64
        Half the window's side and the pixel's side [kpc].
    image : (k, ny, nx) float64
        Added to in place: quantity per pixel. What falls outside the window is not deposited.
    """
    n_quantities, ny, nx = image.shape
    per_pixel = 1.0 / pixel
    for n in range(x.size):
        half = 0.5 * size[n]
        left = (x[n] - half + half_width) * per_pixel
        right = (x[n] + half + half_width) * per_pixel
        bottom = (y[n] - half + half_width) * per_pixel
        top = (y[n] + half + half_width) * per_pixel
        if right <= 0.0 or left >= nx or top <= 0.0 or bottom >= ny:
            continue
        # the last pixel is ceil - 1: a leaf that ends on a pixel edge does not touch the next pixel
        i_first, j_first = math.floor(left), math.floor(bottom)
        i_last, j_last = max(math.ceil(right) - 1, i_first), max(math.ceil(top) - 1, j_first)
        if i_first == i_last and j_first == j_last:
            for k in range(n_quantities):
                image[k, j_first, i_first] += quantities[n, k]
            continue
        per_area = 1.0 / ((right - left) * (top - bottom))
        i_start, i_stop = max(i_first, 0), min(i_last + 1, nx)
        for j in range(max(j_first, 0), min(j_last + 1, ny)):
            height = (min(top, j + 1.0) - max(bottom, j)) * per_area
            for k in range(n_quantities):
                value = quantities[n, k] * height
                _add_row(image[k, j], i_start, i_stop, left, right, value)


@kernel
def _add_row(row, i_start, i_stop, left, right, value):
    """Add `value` times the overlap of [left, right] with each pixel of `row` (pixel units)."""
    row[i_start] += value * (min(right, i_start + 1.0) - max(left, i_start))
    if i_stop - i_start > 1:
        # Inner pixels are covered whole. Adding to each is slower than a difference image, but leaves no
        # rounding residue of bright leaves in pixels that hold little or nothing. An unsigned index needs
        # no test for wrapping around, so the loop vectorises.
        for i in range(np.uint64(i_start + 1), np.uint64(i_stop - 1)):
            row[i] += value
        row[i_stop - 1] += value * (right - max(left, i_stop - 1.0) if right < i_stop else 1.0)
