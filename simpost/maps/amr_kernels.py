# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, disable-error-code="call-arg"
"""Exact deposit of axis-aligned cubes on square pixels.

Leaves go through in groups small enough for the innermost cache: places are found by a loop that vectorises,
leaves whole in one pixel are added without a branch, then the others window by window. A window is a line of
memory, so that a processor which still has to write one leaf's pixels can hand them to the next leaf whole.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from simpost.core.compile import kernel

BLOCK = 8  # pixels added at once; a wide leaf fills square blocks of as many, and pixels only along its rim
GROUP = 128  # leaves

_DOUBLE = ir.DoubleType()
_LEFT, _RIGHT, _BOTTOM, _TOP, _DEPTH, _IS_WITHIN, _IN_SLAB, _IN_VIEW, _PER_PIXEL = range(9)


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
    image : (k, ny, stride) float64
        Added to in place: quantity per pixel, of rows of ny pixels; see `images.padded_image`. What falls
        outside the window is not deposited.
    blocks : (k, 3, ny // BLOCK, ny // BLOCK) float64
        Added to in place: quantity for every pixel of the block, see `per_area`.
    totals : (3, k) float64
        Added to: sum and sum of moduli of what is in the view, and what is in the slab beside the window,
        by the shares of leaves in the window, without pixels.

    Returns
    -------
    int
        Number of leaves at least partly in the view.
    """
    n_pixels, stride = image.shape[1], image.shape[2]
    plane, pixels, coordinates = n_pixels * stride, image.reshape(image.size), position.reshape(position.size)
    pixel, others, place = np.empty(GROUP, np.int32), np.empty(GROUP, np.uint64), np.empty((9, GROUP))
    is_within, in_slab, in_view = place[_IS_WITHIN], place[_IN_SLAB], place[_IN_VIEW]
    count = 0
    for start in range(0, size.size, GROUP):
        n = min(GROUP, size.size - start)
        _find(coordinates, size, start, n, axes, half_width, half_depth, n_pixels, stride, pixel, place)
        n_others = 0
        for m in range(n):
            others[np.uint64(n_others)] = m
            n_others += is_within[m] == 0.0
        count += n - n_others
        count += _cut(others, n_others, size, start, half_depth, n_pixels, place)
        for k in range(quantities.shape[1]):
            inside, modulus, beside = 0.0, 0.0, 0.0
            for m in range(n):
                value = is_within[m] * quantities[start + m, k]
                pixels[np.uint64(np.int64(pixel[m]) + k * plane)] += value
                inside += value
                modulus += abs(value)
            for o in range(n_others):
                m = others[np.uint64(o)]
                value = quantities[np.uint64(start) + m, k]
                inside += in_view[m] * value
                modulus += in_view[m] * abs(value)
                beside += (in_slab[m] - in_view[m]) * value
            totals[0, k] += inside
            totals[1, k] += modulus
            totals[2, k] += beside
            _spread(others, n_others, place, quantities, start, k, stride, pixels, k * plane, blocks)
    return count


@kernel
def _find(position, size, start, n, axes, half_width, half_depth, n_pixels, stride, pixel, place):
    """Set edges [pixels] and depth [kpc] of n leaves, and which are whole in the slab and in one `pixel`."""
    a0, a1, a2 = axes[0, 0], axes[0, 1], axes[0, 2]
    b0, b1, b2 = axes[1, 0], axes[1, 1], axes[1, 2]
    c0, c1, c2 = axes[2, 0], axes[2, 1], axes[2, 2]
    pixels_per_kpc, last, pixels_per_row = n_pixels / (2.0 * half_width), n_pixels - 1.0, np.float64(stride)
    for m in range(np.uint64(n)):
        at = np.uint64(3) * (np.uint64(start) + m)
        p, q, r = position[at], position[at + np.uint64(1)], position[at + np.uint64(2)]
        half = 0.5 * size[np.uint64(start) + m]
        depth = c0 * p + c1 * q + c2 * r
        x = (a0 * p + a1 * q + a2 * r + half_width) * pixels_per_kpc
        y = (b0 * p + b1 * q + b2 * r + half_width) * pixels_per_kpc
        reach = half * pixels_per_kpc
        left, right, bottom, top = x - reach, x + reach, y - reach, y + reach
        i = min(max(np.floor(left), 0.0), last)
        j = min(max(np.floor(bottom), 0.0), last)
        # the last pixel is ceil - 1: a leaf that ends on a pixel edge does not touch the next pixel
        is_within = (left >= i) & (bottom >= j) & (right <= i + 1.0) & (top <= j + 1.0)
        is_within &= abs(depth) + half <= half_depth
        place[_LEFT, m], place[_RIGHT, m], place[_BOTTOM, m], place[_TOP, m] = left, right, bottom, top
        place[_DEPTH, m] = depth
        place[_IS_WITHIN, m] = 1.0 if is_within else 0.0
        pixel[m] = np.int32(j * pixels_per_row + i)


@kernel
def _cut(leaves, n_leaves, size, start, half_depth, n_pixels, place):
    """Cut leaves at slab and window: their edges and shares inside; return how many are in the view."""
    edge, count = np.float64(n_pixels), 0
    for o in range(np.uint64(n_leaves)):
        m = leaves[o]
        depth, side, in_slab = place[_DEPTH, m], size[np.uint64(start) + m], 1.0
        if abs(depth) + 0.5 * side > half_depth:
            in_slab = (min(depth + 0.5 * side, half_depth) - max(depth - 0.5 * side, -half_depth)) / side
            in_slab = max(in_slab, 0.0)
        left, right, bottom, top = place[_LEFT, m], place[_RIGHT, m], place[_BOTTOM, m], place[_TOP, m]
        area, in_view = (right - left) * (top - bottom), in_slab
        if left < 0.0 or bottom < 0.0 or right > edge or top > edge:
            left, right, bottom, top = max(left, 0.0), min(right, edge), max(bottom, 0.0), min(top, edge)
            in_view = 0.0
            if right > left and top > bottom:
                in_view = in_slab * min((right - left) * (top - bottom) / area, 1.0)
            place[_LEFT, m], place[_RIGHT, m], place[_BOTTOM, m], place[_TOP, m] = left, right, bottom, top
        place[_IN_SLAB, m], place[_IN_VIEW, m], place[_PER_PIXEL, m] = in_slab, in_view, in_slab / area
        count += in_view > 0.0
    return count


@kernel
def _spread(leaves, n_leaves, place, quantities, start, k, stride, pixels, first_pixel, blocks):
    """Add leaves to the pixels they overlap, and to the blocks that they cover whole."""
    for o in range(np.uint64(n_leaves)):
        m = leaves[o]
        if place[_IN_VIEW, m] <= 0.0:
            continue
        left, right, bottom, top = place[_LEFT, m], place[_RIGHT, m], place[_BOTTOM, m], place[_TOP, m]
        value = place[_PER_PIXEL, m] * quantities[np.uint64(start) + m, k]
        if min(right - left, top - bottom) >= 2 * BLOCK:
            _spread_wide(left, right, bottom, top, value, stride, pixels, first_pixel, blocks[k, 0])
            continue
        j_first, j_stop = np.int64(bottom), np.int64(np.ceil(top))
        for window in range(np.int64(left) // BLOCK, -(-np.int64(np.ceil(right)) // BLOCK)):
            at = first_pixel + j_first * stride + window * BLOCK
            # written out: to hand arrays to a helper, numba counts references, which takes longer than a row
            for j in range(j_first, j_stop):
                height = min(top, j + 1.0) - max(bottom, np.float64(j))
                _add_overlap(pixels, at, np.float64(window * BLOCK), left, right, value * height)
                at += stride


@kernel
def _spread_wide(left, right, bottom, top, value, stride, pixels, first_pixel, blocks):
    """Add a wide leaf's value per pixel: below, left of, right of and above the blocks that it covers whole.

    Blocks are added up apart and spread at the end: no cancelling sums, dark pixels stay exactly dark.
    """
    i_first, i_stop = np.int64(left) // BLOCK, -(-np.int64(np.ceil(right)) // BLOCK)
    j_first, j_stop = np.int64(bottom), np.int64(np.ceil(top))
    a, b = -(-np.int64(np.ceil(left)) // BLOCK), np.int64(right) // BLOCK
    c, d = -(-np.int64(np.ceil(bottom)) // BLOCK), np.int64(top) // BLOCK
    for j in range(c, d):
        for i in range(np.uint64(a), np.uint64(b)):
            blocks[j, i] += value
    c, d = c * BLOCK, d * BLOCK
    windows = ((i_first, i_stop), (i_first, a), (b, i_stop), (i_first, i_stop))
    rows = ((j_first, c), (c, d), (c, d), (d, j_stop))
    for part in range(4):
        for window in range(windows[part][0], windows[part][1]):
            at = first_pixel + rows[part][0] * stride + window * BLOCK
            for j in range(rows[part][0], rows[part][1]):
                height = min(top, j + 1.0) - max(bottom, np.float64(j))
                _add_overlap(pixels, at, np.float64(window * BLOCK), left, right, value * height)
                at += stride


@kernel
def per_area(image, blocks, pixels_per_area, values):
    """Set a map from pixels and blocks, in one pass; return its sum without the factor.

    Parameters
    ----------
    image : (ny, stride) float64
        Quantity per pixel.
    blocks : (3, ny // BLOCK, ny // BLOCK) float64
        Quantity for the first pixel of the block, and its change per pixel to the right and upwards.
    pixels_per_area : float64
        Factor.
    values : (ny, ny) float64
        Set to quantity per area.
    """
    n, of_blocks, sums = values.shape[0], np.zeros(values.shape[0]), np.zeros(values.shape[0])
    for j in range(n):
        y = j // BLOCK
        if y >= blocks.shape[1]:
            of_blocks[:] = 0.0
        elif j % BLOCK == 0 or np.any(blocks[1:, y] != 0.0):
            for x in range(np.uint64(blocks.shape[2])):
                c = blocks[0, y, x] + blocks[2, y, x] * (j % BLOCK)
                for m in range(np.uint64(BLOCK)):
                    of_blocks[np.uint64(x * BLOCK) + m] = c + blocks[1, y, x] * np.float64(np.int64(m))
        row, target = image[j], values[j]
        for i in range(np.uint64(n)):
            value = row[i] + of_blocks[i]
            sums[i] += value
            target[i] = value * pixels_per_area
    return sums.sum()


@intrinsic
def _add_overlap(typingctx, image, place, at, left, right, value):
    """Add value times the overlap of [left, right] with pixels at, at + 1, ... to BLOCK numbers."""
    signature = types.void(image, place, at, left, right, value)

    def generate(context, builder, signature, arguments):
        image, place, at, left, right, value = arguments
        kind = ir.VectorType(_DOUBLE, BLOCK)
        pixels = ir.Constant(kind, [float(lane) for lane in range(BLOCK)])
        one, nothing = ir.Constant(kind, [1.0] * BLOCK), ir.Constant(kind, [0.0] * BLOCK)

        def spread(value):
            lanes = ir.Constant(kind, ir.Undefined)
            for lane in range(BLOCK):
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
