# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, disable-error-code="call-arg"
"""Exact deposit of axis-aligned cubes on square pixels.

Leaves go through in groups small enough for the innermost cache: pixels are found by a loop that vectorises,
leaves whole in one pixel are added without a branch, then the others row by row.
"""

from __future__ import annotations

import math

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from simpost.core.compile import kernel

BLOCK = 8  # pixels along the side of a block: a wide leaf fills blocks, and pixels only along its rim
GROUP = 256  # leaves
LANES = 8  # pixels added at once

_DOUBLE = ir.DoubleType()


@kernel
def deposit_leaves(position, size, quantities, axes, half_width, half_depth, image, blocks, totals):
    """Add to each pixel every leaf's quantities times the share of the leaf above the pixel, in the slab.

    Parameters
    ----------
    position, size : (n, 3), (n,) float64
        Leaf centres and sides [kpc], sides positive.
    quantities : (n, k) float64
        Extensive quantities of the leaves, any unit.
    axes : (3, 3) float64
        Rows right, up and line of sight, of zeros and one 1 or -1.
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
    n_pixels = image.shape[2]
    plane = image.shape[1] * n_pixels
    coordinates, pixels = position.reshape(position.size), image.reshape(image.size)
    pixel, is_within, others = np.empty(GROUP), np.empty(GROUP), np.empty(GROUP, np.int64)
    count = 0
    for start in range(0, size.size, GROUP):
        n = min(GROUP, size.size - start)
        _find_pixels(coordinates, size, start, n, axes, half_width, half_depth, n_pixels, pixel, is_within)
        n_others = 0
        for m in range(n):
            others[n_others] = start + m
            n_others += is_within[m] == 0.0
        for k in range(quantities.shape[1]):
            inside, modulus = 0.0, 0.0
            for m in range(n):
                value = is_within[m] * quantities[start + m, k]
                pixels[np.uint64(np.int64(pixel[m]) + k * plane)] += value
                inside += value
                modulus += abs(value)
            totals[0, k] += inside
            totals[1, k] += modulus
        count += n - n_others
        count += _spread(
            others, n_others, coordinates, size, quantities, axes, half_width, half_depth, n_pixels,
            image, blocks, totals,
        )  # fmt: skip
    return count


@kernel
def _find_pixels(position, size, start, n, axes, half_width, half_depth, n_pixels, pixel, is_within):
    """Set the first pixel of n leaves, and 1 for those whole in it and in the slab, 0 for others."""
    a0, a1, a2 = axes[0, 0], axes[0, 1], axes[0, 2]
    b0, b1, b2 = axes[1, 0], axes[1, 1], axes[1, 2]
    c0, c1, c2 = axes[2, 0], axes[2, 1], axes[2, 2]
    per_pixel = n_pixels / (2.0 * half_width)
    last = n_pixels - 1.0
    for m in range(n):
        at = np.uint64(3 * (start + m))
        p, q, r = position[at], position[at + np.uint64(1)], position[at + np.uint64(2)]
        half = 0.5 * size[np.uint64(start + m)]
        depth = c0 * p + c1 * q + c2 * r
        x = (a0 * p + a1 * q + a2 * r + half_width) * per_pixel
        y = (b0 * p + b1 * q + b2 * r + half_width) * per_pixel
        reach = half * per_pixel
        left, bottom = x - reach, y - reach
        i = min(max(np.floor(left), 0.0), last)
        j = min(max(np.floor(bottom), 0.0), last)
        # the last pixel is ceil - 1: a leaf that ends on a pixel edge does not touch the next pixel
        within = (left >= i) & (bottom >= j) & (x + reach <= i + 1.0) & (y + reach <= j + 1.0)
        within &= abs(depth) + half <= half_depth
        pixel[np.uint64(m)] = j * n_pixels + i
        is_within[np.uint64(m)] = 1.0 if within else 0.0


@kernel
def _spread(
    leaves,
    n_leaves,
    position,
    size,
    quantities,
    axes,
    half_width,
    half_depth,
    n_pixels,
    image,
    blocks,
    totals,
):
    """Add leaves to the pixels they overlap, and to the blocks that they cover whole; return how many."""
    per_pixel, edge, plane = n_pixels / (2.0 * half_width), np.float64(n_pixels), n_pixels * n_pixels
    pixels, count = image.reshape(image.size), 0
    for m in range(n_leaves):
        n = leaves[m]
        p, q, r, side = position[3 * n], position[3 * n + 1], position[3 * n + 2], size[n]
        depth = axes[2, 0] * p + axes[2, 1] * q + axes[2, 2] * r
        in_slab = 1.0
        if abs(depth) + 0.5 * side > half_depth:
            in_slab = (min(depth + 0.5 * side, half_depth) - max(depth - 0.5 * side, -half_depth)) / side
            if in_slab <= 0.0:
                continue
        x = (axes[0, 0] * p + axes[0, 1] * q + axes[0, 2] * r + half_width) * per_pixel
        y = (axes[1, 0] * p + axes[1, 1] * q + axes[1, 2] * r + half_width) * per_pixel
        half = 0.5 * side * per_pixel
        left, right, bottom, top = x - half, x + half, y - half, y + half
        area, in_view = (right - left) * (top - bottom), in_slab
        if left < 0.0 or bottom < 0.0 or right > edge or top > edge:
            left, right, bottom, top = max(left, 0.0), min(right, edge), max(bottom, 0.0), min(top, edge)
            in_view = 0.0
            if right > left and top > bottom:
                in_view = in_slab * min((right - left) * (top - bottom) / area, 1.0)
        for k in range(quantities.shape[1]):
            totals[0, k] += in_view * quantities[n, k]
            totals[1, k] += in_view * abs(quantities[n, k])
            totals[2, k] += (in_slab - in_view) * quantities[n, k]
        if in_view <= 0.0:
            continue
        count += 1
        first, stop = math.floor(left), math.ceil(right)
        if stop - first <= LANES <= n_pixels:
            at = min(first, n_pixels - LANES)
            for k in range(quantities.shape[1]):
                column = in_slab * quantities[n, k] / area
                for j in range(math.floor(bottom), math.ceil(top)):
                    value = column * (min(top, j + 1.0) - max(bottom, j))
                    _add_overlap(pixels, k * plane + j * n_pixels + at, np.float64(at), left, right, value)
        else:
            _spread_wide(left, right, bottom, top, in_slab / area, quantities, n, image, blocks)
    return count


@kernel
def _spread_wide(left, right, bottom, top, share, quantities, n, image, blocks):
    """Add leaf n to the pixels it overlaps (pixel units), and to the blocks that it covers whole."""
    i_first, i_stop = math.floor(left), math.ceil(right)
    a = b = c = d = 0
    if min(right - left, top - bottom) >= 2 * BLOCK:
        # blocks are added up apart and spread at the end: no cancelling sums, dark pixels stay exactly dark
        a, b = math.ceil(left / BLOCK), math.floor(right / BLOCK)
        c, d = math.ceil(bottom / BLOCK), math.floor(top / BLOCK)
        for k in range(quantities.shape[1]):
            for j in range(c, d):
                for i in range(np.uint64(a), np.uint64(b)):
                    blocks[k, j, i] += share * quantities[n, k]
    rim = left < a * BLOCK or right > b * BLOCK
    for k in range(quantities.shape[1]):
        value = share * quantities[n, k]
        for j in range(math.floor(bottom), math.ceil(top)):
            height = min(top, j + 1.0) - max(bottom, j)
            if not c <= j // BLOCK < d:
                _add_row(image[k, j], i_first, i_stop, left, right, value * height)
            elif rim:
                _add_row(image[k, j], i_first, a * BLOCK, left, right, value * height)
                _add_row(image[k, j], b * BLOCK, i_stop, left, right, value * height)


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


@intrinsic
def _add_overlap(typingctx, image, place, at, left, right, value):
    """Add value times the overlap of [left, right] with pixels at, at + 1, ... to LANES numbers."""
    signature = types.void(image, place, at, left, right, value)

    def generate(context, builder, signature, arguments):
        image, place, at, left, right, value = arguments
        kind = ir.VectorType(_DOUBLE, LANES)
        pixels = ir.Constant(kind, [float(lane) for lane in range(LANES)])
        one, nothing = ir.Constant(kind, [1.0] * LANES), ir.Constant(kind, [0.0] * LANES)

        def spread(value):
            lanes = ir.Constant(kind, ir.Undefined)
            for lane in range(LANES):
                lanes = builder.insert_element(lanes, value, ir.Constant(ir.IntType(32), lane))
            return lanes

        def larger(a, b):
            return builder.select(builder.fcmp_ordered(">", a, b), a, b)

        def smaller(a, b):
            return builder.select(builder.fcmp_ordered("<", a, b), a, b)

        low = builder.fadd(spread(at), pixels)
        high = smaller(builder.fadd(low, one), spread(right))
        overlap = larger(builder.fsub(high, larger(low, spread(left))), nothing)
        data = context.make_array(signature.args[0])(context, builder, image).data
        target = builder.bitcast(builder.gep(data, [place]), kind.as_pointer())
        total = builder.fadd(builder.load(target, align=8), builder.fmul(overlap, spread(value)))
        builder.store(total, target, align=8)
        return context.get_dummy_value()

    return signature, generate
