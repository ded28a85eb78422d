# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls
"""Footprints of single cells: the pixels that a map deposit gives each cell to, with its shares.

The deposits themselves write them, a cell at a time on an empty image: whatever they do, a footprint is what
a map holds. numba does not see that another file changed: after editing a deposit, clear its cache.
"""

from __future__ import annotations

import math

import numpy as np

from simpost.core.compile import kernel
from simpost.maps.block_kernels import deposit_cells
from simpost.maps.oblique_exact_kernels import EXACT, deposit_exact
from simpost.maps.oblique_kernels import deposit_tabulated


@kernel
def record_smoothed(
    x, y, support, share, table, fine_table, signs, corner, half_width, pixel, widest, aligned, ghosts,
    levels, strips, planes, start, pixels, shares, rows,
):  # fmt: skip
    """Write the footprint of every kernel.

    Parameters
    ----------
    x, y, support, share, table, ... strips :
        See `block_kernels.deposit_cells`; a single level.
    planes : (1, p) float64
        Zero, before and after.
    start : (n + 1,) int64
        Filled: where each footprint begins.
    pixels, shares : (m,) int64, (m,) float64
        Filled: pixels j nx + i, rising within a cell, and the share of the cell in each.
    rows : (ny,) int64
        Added to: number of pixels of footprints in every row.
    """
    first, one, per_pixel = np.zeros(1, np.int64), np.ones((1, 1)), 1.0 / pixel
    size, stride, origin = levels[0, 0], levels[0, 1], levels[0, 2]
    image = planes[0, origin - origin % stride :]  # whole rows
    image = image[: image.size // stride * stride].reshape((-1, stride))
    count = 0
    for n in range(x.size):
        start[n] = count
        cell = slice(n, n + 1)
        deposit_cells(
            first, x[cell], y[cell], support[cell], share[cell], one, table, fine_table, signs, corner,
            half_width, pixel, widest, aligned, ghosts, levels, strips, planes,
        )  # fmt: skip
        u, v = (x[n] + half_width) * per_pixel, (y[n] + half_width) * per_pixel
        reach = support[n] * per_pixel
        count = _gather(u, v, reach, image, origin % stride, size, count, pixels, shares, rows)
    start[x.size] = count


@kernel
def record_oblique(
    x, y, depth, size, kind, in_view, most, reach, half_width, half_depth, faces, walls,
    corners, layout, stencils, image, start, pixels, shares, rows,
):  # fmt: skip
    """Write the footprint of every octree leaf seen from any direction.

    Parameters
    ----------
    x, y, depth, size, kind, in_view, reach, half_width, half_depth, faces, walls :
        See `oblique_exact_kernels.classify_leaves`; no leaf of kind NOTHING.
    most : (n,) float64
        How far footprints reach on either axis [kpc].
    corners, layout, stencils :
        See `oblique_kernels.deposit_tabulated`.
    image : (1, ny, stride) float64
        Zero in its rows of ny pixels, before and after; see `images.padded_image`.
    start, pixels, shares, rows :
        See `record_smoothed`.
    """
    one, n_pixels = np.ones((1, 1)), image.shape[1]
    no_blocks = np.zeros((1, 3, 0, 0))  # so that wide leaves, too, go to pixels
    per_pixel = n_pixels / (2.0 * half_width)
    count = 0
    for n in range(x.size):
        start[n] = count
        cell = slice(n, n + 1)
        if kind[n] == EXACT:
            deposit_exact(
                x[cell], y[cell], depth[cell], size[cell], kind[cell], one,
                reach, half_width, half_depth, faces, walls, image,
            )  # fmt: skip
        else:
            deposit_tabulated(
                x[cell], y[cell], size[cell], kind[cell], in_view[cell], one,
                reach, half_width, corners, layout, stencils, image, no_blocks,
            )  # fmt: skip
        u, v = (x[n] + half_width) * per_pixel, (y[n] + half_width) * per_pixel
        count = _gather(u, v, most[n] * per_pixel, image[0], 0, n_pixels, count, pixels, shares, rows)
    start[x.size] = count


@kernel
def _gather(u, v, reach, image, column, size, count, pixels, shares, rows):
    """Move what lies on an image within reach of (u, v) [pixels] to the end of a list; return its length.

    The window has `size` pixels on either axis, from the first row and from `column` on.
    """
    i_first, j_first = max(math.floor(u - reach), 0), max(math.floor(v - reach), 0)
    i_stop, j_stop = min(math.floor(u + reach) + 1, size), min(math.floor(v + reach) + 1, size)
    for j in range(j_first, j_stop):
        before = count
        for i in range(i_first, i_stop):
            share = image[j, column + i]
            if share != 0.0:
                image[j, column + i] = 0.0
                pixels[count], shares[count] = j * size + i, share
                count += 1
        rows[j] += count - before
    return count
