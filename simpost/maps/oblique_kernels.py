# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, disable-error-code="call-arg"
"""Deposit of cubes seen from any direction by tables of their exact integrals.

Leaves narrower than a pixel take the cumulative share below and left of a pixel corner, wider ones a stencil
of pixel shares. numba does not vectorise rows this short, hence the intrinsic.
"""

from __future__ import annotations

import math

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from simpost.core.compile import kernel

SMALL, FIRST_STENCIL = 1, 3  # as in `oblique_exact_kernels`: a cached kernel does not see other files change
EMPTY = -1  # a square without light; others are one plane, or else mixed
LANES = 8  # pixels added at once, and along the side of a block
SHIFTS = 256.0  # places between two offsets: sums of shares and changes then need no rounding
GAP = LANES - 1  # zeros before each row of a stencil

_DOUBLE = ir.DoubleType()


@kernel(fused=True)
def deposit_tabulated(
    x, y, size, kind, in_view, quantities, reach, half_width, corners, layout, stencils, image, blocks
):
    """Add every leaf of kind SMALL or with a stencil.

    Parameters
    ----------
    x, y, size, kind, in_view : (n,)
        As in `oblique_exact_kernels.classify_leaves`. A leaf on the window's edge is scaled to `in_view`.
    quantities : (n, k) float64
        Extensive quantities, any unit.
    reach : (3,) float64
        Half the extent of a unit cube along right and up (and depth).
    half_width : float64
        Half the window's side [kpc].
    corners : (m + 1, m + 1, 8) float64
        Share of a cube below and left of a point, as a polynomial around nodes, see `oblique.Cube`.
    layout : (s, 7) int64
        Of each stencil: offsets per pixel, rows and columns of pixels, first value, sum, corner and square
        (-1 if it has none).
    stencils : values (any,) float32, sums, corner_sums (any, 3), squares (any,) int8, planes (any, p, 5)
        End to end, as in `oblique.Stencil`; sums are over all pixels.
    image : (k, ny, stride) float64
        Added to in place: quantity per pixel, of rows of ny pixels; see `images.padded_image`.
    blocks : (k, 3, ny // LANES, ny // LANES) float64
        Added to in place: planes for the pixels of a block, see `amr_kernels.per_area`.
    """
    _deposit_small(x, y, size, kind, in_view, quantities, reach, half_width, corners, image)
    _deposit_stencils(
        x, y, size, kind, in_view, quantities, reach, half_width, layout, stencils, image, blocks
    )


@kernel(fused=True)
def _deposit_small(x, y, size, kind, in_view, quantities, reach, half_width, corners, image):
    """Add leaves no wider than a pixel: what lies left of, below, and both, of the edges that cross them."""
    n_pixels, stride = image.shape[1:]
    plane, pixels, last_pixel = n_pixels * stride, image.reshape(image.size), n_pixels - 1
    per_pixel, middle = n_pixels / (2.0 * half_width), (corners.shape[0] - 1) // 2
    last, nodes_per_side = corners.shape[0] - 1.0, middle / max(reach[0], reach[1])
    for n in range(x.size):
        if kind[n] != SMALL:
            continue
        u, v, side = (x[n] + half_width) * per_pixel, (y[n] + half_width) * per_pixel, size[n] * per_pixel
        i, j = math.floor(u - reach[0] * side), math.floor(v - reach[1] * side)
        last_x = last_y = np.inf
        if in_view[n] == 1.0:  # what lies beside the window is rounding
            i, j = min(max(i, 0), last_pixel), min(max(j, 0), last_pixel)
            last_x = last_y = np.float64(last_pixel)
        right = u + reach[0] * side > i + 1 and i < last_x
        above = v + reach[1] * side > j + 1 and j < last_y
        place = j * stride + i
        if in_view[n] == 1.0 and not right and not above:
            for k in range(quantities.shape[1]):
                pixels[k * plane + place] += quantities[n, k]
            continue
        nodes = nodes_per_side / side
        p, q = (i + 1 - u) * nodes + middle, (j + 1 - v) * nodes + middle
        west = min(max(_below(corners, p, last), 0.0), 1.0) if right else 1.0
        south = min(max(_below(corners, last, q), 0.0), 1.0) if above else 1.0
        both = _below(corners, p, q) if right and above else west * south
        both = min(max(both, west + south - 1.0, 0.0), west, south)
        if in_view[n] < 1.0:
            _deposit_four(i, j, both, west, south, in_view[n], quantities, n, image)
            continue
        for k in range(quantities.shape[1]):
            value, here = quantities[n, k], k * plane + place
            pixels[here] += value * both
            if right:
                pixels[here + 1] += value * (south - both)
            if above:
                pixels[here + stride] += value * (west - both)
                if right:
                    pixels[here + stride + 1] += value * (1.0 - west - south + both)


@kernel(fused=True)
def _below(corners, p, q):
    """Share of a cube left of and below a point, in nodes of the table; it does not leave 0 to 1 by much."""
    last = corners.shape[0] - 1.0
    p, q = min(max(p, 0.0), last), min(max(q, 0.0), last)
    i, j = np.uint64(p + 0.5), np.uint64(q + 0.5)
    dx, dy = p - np.float64(np.int64(i)), q - np.float64(np.int64(j))
    c = corners[j, i]
    return c[0] + dx * (c[1] + dx * c[3] + dy * c[4]) + dy * (c[2] + dy * c[5])


@kernel(fused=True)
def _deposit_four(i, j, both, west, south, in_view, quantities, n, image):
    """Add the share of a leaf in view to those of its four pixels that are in the image."""
    n_pixels = image.shape[1]
    shares = (both, south - both, west - both, 1.0 - west - south + both)
    found = 0.0
    for m in range(4):
        if 0 <= i + m % 2 < n_pixels and 0 <= j + m // 2 < n_pixels:
            found += shares[m]
    if found <= 0.0:
        return
    for m in range(4):
        if 0 <= i + m % 2 < n_pixels and 0 <= j + m // 2 < n_pixels and shares[m] > 0.0:
            for k in range(quantities.shape[1]):
                image[k, j + m // 2, i + m % 2] += quantities[n, k] * shares[m] * (in_view / found)


@kernel(fused=True)
def _deposit_stencils(
    x, y, size, kind, in_view, quantities, reach, half_width, layout, stencils, image, blocks
):
    """Add leaves by the stencil of the nearest tabulated offset, shifted to first order."""
    values, sums, corner_sums, squares, planes = stencils
    n_pixels, stride = image.shape[1:]
    per_pixel, pixels = n_pixels / (2.0 * half_width), image.reshape(image.size)
    latest, step = 0, 1.0
    offsets = n_rows = n_columns = width = 0
    first_value = first_sum = first_corner = first_square = 0
    # written out: to hand arrays to a helper, numba counts references, which takes longer than a small leaf
    for n in range(x.size):
        if kind[n] < FIRST_STENCIL:
            continue
        u, v, side = (x[n] + half_width) * per_pixel, (y[n] + half_width) * per_pixel, size[n] * per_pixel
        if kind[n] != latest:
            latest = kind[n]
            s = latest - FIRST_STENCIL
            offsets, n_rows, n_columns = layout[s, 0], layout[s, 1], layout[s, 2]
            first_value, first_sum = layout[s, 3], layout[s, 4]
            first_corner, first_square = layout[s, 5], layout[s, 6]
            step, width = 1.0 / offsets, n_columns + GAP  # offsets are powers of two: products are exact
        node_x, node_y = np.floor(u * offsets + 0.5), np.floor(v * offsets + 0.5)
        dx = np.rint((u * offsets - node_x) * SHIFTS) / SHIFTS
        dy = np.rint((v * offsets - node_y) * SHIFTS) / SHIFTS
        base_x, base_y = np.floor(node_x * step), np.floor(node_y * step)
        offset_x, offset_y = node_x - base_x * offsets, node_y - base_y * offsets
        i = int(base_x + np.floor((offset_x - 1.0) * step - reach[0] * side))
        j = int(base_y + np.floor((offset_y - 1.0) * step - reach[1] * side))
        left, right = max(i, 0), min(i + n_columns, n_pixels)
        bottom, top = max(j, 0), min(j + n_rows, n_pixels)
        if left >= right or bottom >= top:
            continue
        block = np.int64(offset_y * offsets + offset_x)
        at = first_value + block * n_rows * 3 * width
        total = first_sum + block
        found = sums[total, 0] + dx * sums[total, 1] + dy * sums[total, 2]
        if in_view[n] < 1.0 or right - left < n_columns or top - bottom < n_rows:
            corner = first_corner + block * (n_rows + 1) * (n_columns + 1)
            part = left - i, right - i, bottom - j, top - j
            found = _sum_of_part(corner_sums, corner, n_columns + 1, part, dx, dy)
            if found <= 0.0:
                continue
        scale = in_view[n] / found
        if first_square >= 0:
            square = first_square + block * (n_rows + GAP) * width
            bounds = left, right, bottom, top
            _deposit_squares(
                i, j, dx, dy, width, at, square, total, bounds, values, squares, planes, quantities, n, scale,
                pixels, stride, n_pixels, blocks,
            )  # fmt: skip
            continue
        for k in range(quantities.shape[1]):
            value = quantities[n, k] * scale
            for window in range(left // LANES, (right - 1) // LANES + 1):
                place = (k * n_pixels + bottom) * stride + window * LANES
                here = at + (bottom - j) * 3 * width + window * LANES - i + GAP
                for _ in range(bottom, top):
                    _add_window(pixels, place, values, here, width, dx, dy, value)
                    place += stride
                    here += 3 * width


@kernel(fused=True)
def _deposit_squares(
    i, j, dx, dy, width, at, square, total, bounds, values, squares, planes, quantities, n, scale,
    pixels, stride, n_pixels, blocks,
):  # fmt: skip
    """Add a wide leaf square by square of the blocks: where it is one plane as such, else pixel by pixel."""
    left, right, bottom, top = bounds
    n_blocks = blocks.shape[2]  # at the far end of the window a block may be missing
    for k in range(quantities.shape[1]):
        value = quantities[n, k] * scale
        for y in range(bottom // LANES, (top - 1) // LANES + 1):
            row, row_stop = max(y * LANES, bottom), min((y + 1) * LANES, top)
            first = square + (y * LANES - j + GAP) * width + GAP
            for x in range(left // LANES, (right - 1) // LANES + 1):
                column = x * LANES - i
                piece = np.int64(squares[np.uint64(first + column)])
                if piece >= 0 and max(x, y) < n_blocks:
                    c, gx, gy = planes[total, piece, 0], planes[total, piece, 1], planes[total, piece, 2]
                    c += gx * column + gy * (y * LANES - j)
                    c += dx * planes[total, piece, 3] + dy * planes[total, piece, 4]
                    blocks[k, 0, y, x] += value * c
                    blocks[k, 1, y, x] += value * gx
                    blocks[k, 2, y, x] += value * gy
                elif piece != EMPTY:
                    place = (k * n_pixels + row) * stride + x * LANES
                    here = at + (row - j) * 3 * width + column + GAP
                    for _ in range(row, row_stop):
                        _add_window(pixels, place, values, here, width, dx, dy, value)
                        place += stride
                        here += 3 * width


@kernel(fused=True)
def _sum_of_part(corner_sums, first, width, part, dx, dy):
    """Sum of the shares of a rectangle (left, right, bottom, top) of a stencil's pixels."""
    left, right, bottom, top = part
    below, above = first + bottom * width, first + top * width
    total = 0.0
    for m, factor in enumerate((1.0, dx, dy)):
        found = corner_sums[above + right, m] - corner_sums[above + left, m]
        found -= corner_sums[below + right, m] - corner_sums[below + left, m]
        total += found * factor
    return total


@intrinsic
def _add_window(typingctx, image, place, shares, here, width, dx, dy, value):
    """Add value (share + dx change + dy change) to LANES pixels; changes lie `width` further each."""
    signature = types.void(image, place, shares, here, width, dx, dy, value)

    def generate(context, builder, signature, arguments):
        image, place, shares, here, width, dx, dy, value = arguments
        kind, narrow = ir.VectorType(_DOUBLE, LANES), ir.VectorType(ir.FloatType(), LANES)

        def vector(number, array, offset, kind):
            data = context.make_array(signature.args[number])(context, builder, array).data
            return builder.bitcast(builder.gep(data, [offset]), kind.as_pointer())

        def spread(value, kind):
            lanes = ir.Constant(kind, ir.Undefined)
            for lane in range(LANES):
                lanes = builder.insert_element(lanes, value, ir.Constant(ir.IntType(32), lane))
            return lanes

        def add_product(a, b, c):
            product = builder.fmul(a, b, flags=("contract",))
            return builder.fadd(product, c, flags=("contract",))

        share = builder.load(vector(2, shares, here, narrow), align=4)
        for distance in (dx, dy):
            here = builder.add(here, width)
            change = builder.load(vector(2, shares, here, narrow), align=4)
            share = add_product(change, spread(builder.fptrunc(distance, ir.FloatType()), narrow), share)
        target = vector(0, image, place, kind)
        light = add_product(builder.fpext(share, kind), spread(value, kind), builder.load(target, align=8))
        builder.store(light, target, align=8)
        return context.get_dummy_value()

    return signature, generate
