"""Exact deposit of axis-aligned cubes on square pixels."""

from __future__ import annotations

import math

import numpy as np

from simpost.core.compile import kernel

BLOCK = 8  # pixels along the side of a block: a wide leaf fills blocks, and pixels only along its rim


@kernel
def deposit_leaves(position, size, quantities, axes, half_width, half_depth, image, blocks, totals):
    """Add to each pixel every leaf's quantities times the share of the leaf above the pixel, in the slab.

    Parameters
    ----------
    position, size : (n, 3), (n,) float64
        Leaf centres and sides [kpc], sides positive.
    quantities : (n, k) float64
        Extensive quantities of the leaves, any unit.
    axes : (3, 2) int64
        For right, up and line of sight: the column of `position` and its sign.
    half_width, half_depth : float64
        Half the window's side and half the slab's thickness [kpc].
    image : (k, ny, nx) float64
        Added to in place: quantity per pixel. What falls outside the window is not deposited.
    blocks : (k, ny // BLOCK, nx // BLOCK) float64
        Added to in place: quantity for every pixel of the block, see `add_blocks`.
    totals : (3, k) float64
        Added to: sum and sum of moduli of what is in the view, and what is in the slab beside the window,
        by the shares of leaves in the window, without pixels.

    Returns
    -------
    int
        Number of leaves at least partly in the view.
    """
    n_quantities, ny, nx = image.shape
    per_pixel = nx / (2.0 * half_width)
    right_axis, up_axis, sight_axis = np.uint64(axes[0, 0]), np.uint64(axes[1, 0]), np.uint64(axes[2, 0])
    to_right, to_up = per_pixel * axes[0, 1], per_pixel * axes[1, 1]
    middle_x, middle_y = half_width * per_pixel, half_width * per_pixel
    count = 0
    for n in range(size.size):
        half = 0.5 * size[n]
        depth = axes[2, 1] * position[n, sight_axis]
        in_slab = 1.0
        if abs(depth) + half > half_depth:
            in_slab = (min(depth + half, half_depth) - max(depth - half, -half_depth)) / size[n]
            if in_slab <= 0.0:
                continue
        x, y = position[n, right_axis] * to_right + middle_x, position[n, up_axis] * to_up + middle_y
        half *= per_pixel
        left, right, bottom, top = x - half, x + half, y - half, y + half
        if left >= 0.0 and bottom >= 0.0 and right <= nx and top <= ny:
            # the last pixel is ceil - 1: a leaf that ends on a pixel edge does not touch the next pixel
            i, j = np.int64(left), np.int64(bottom)
            if right <= i + 1.0 and top <= j + 1.0:
                count += 1
                for k in range(n_quantities):
                    value = in_slab * quantities[n, k]
                    totals[0, k] += value
                    totals[1, k] += abs(value)
                    image[k, min(j, ny - 1), min(i, nx - 1)] += value
                continue
            in_view = in_slab
        else:
            width, height = min(right, nx) - max(left, 0.0), min(top, ny) - max(bottom, 0.0)
            in_view = 0.0
            if width > 0.0 and height > 0.0:
                in_view = in_slab * min(width * height / ((right - left) * (top - bottom)), 1.0)
        for k in range(n_quantities):
            totals[0, k] += in_view * quantities[n, k]
            totals[1, k] += in_view * abs(quantities[n, k])
            totals[2, k] += (in_slab - in_view) * quantities[n, k]
        if in_view > 0.0:
            count += 1
            _spread(left, right, bottom, top, in_slab, quantities, n, image, blocks)
    return count


@kernel
def add_blocks(blocks, image):
    """Add the value of every block (k, by, bx) to each of its pixels in `image` (k, ny, nx)."""
    for k in range(blocks.shape[0]):
        for j in range(blocks.shape[1] * BLOCK):
            for b in range(blocks.shape[2]):
                value = blocks[k, j // BLOCK, b]
                if value != 0.0:
                    for i in range(np.uint64(b * BLOCK), np.uint64((b + 1) * BLOCK)):
                        image[k, j, i] += value


@kernel
def _spread(left, right, bottom, top, in_slab, quantities, n, image, blocks):
    """Add one leaf to the pixels it overlaps (pixel units), and to the blocks that it covers whole."""
    n_quantities, ny, nx = image.shape
    i_first, j_first = max(math.floor(left), 0), max(math.floor(bottom), 0)
    i_stop = min(max(math.ceil(right), i_first + 1), nx)
    j_stop = min(max(math.ceil(top), j_first + 1), ny)
    share = in_slab / ((right - left) * (top - bottom))
    a = b = c = d = 0
    if right - left >= 2 * BLOCK:
        # blocks are added up apart and spread at the end: no cancelling sums, dark pixels stay exactly dark
        a, b = (max(math.ceil(left), 0) + BLOCK - 1) // BLOCK, min(math.floor(right), nx) // BLOCK
        c, d = (max(math.ceil(bottom), 0) + BLOCK - 1) // BLOCK, min(math.floor(top), ny) // BLOCK
        for k in range(n_quantities):
            for j in range(c, d):
                for i in range(a, b):
                    blocks[k, j, i] += share * quantities[n, k]
    for j in range(j_first, j_stop):
        height = share * (min(top, j + 1.0) - max(bottom, j))
        for k in range(n_quantities):
            value = quantities[n, k] * height
            if a < b and c <= j // BLOCK < d:
                _add_row(image[k, j], i_first, a * BLOCK, left, right, value)
                _add_row(image[k, j], b * BLOCK, i_stop, left, right, value)
            else:
                _add_row(image[k, j], i_first, i_stop, left, right, value)


@kernel
def _add_row(row, i_start, i_stop, left, right, value):
    """Add `value` times the overlap of [left, right] with each pixel of `row` (pixel units)."""
    if i_start >= i_stop:
        return
    row[i_start] += value * (min(right, i_start + 1.0) - max(left, i_start))
    if i_stop - i_start > 1:
        # inner pixels are covered whole; an unsigned index needs no test for wrapping around, so the loop
        # vectorises
        for i in range(np.uint64(i_start + 1), np.uint64(i_stop - 1)):
            row[i] += value
        row[i_stop - 1] += value * (min(right, i_stop) - max(left, i_stop - 1.0))
