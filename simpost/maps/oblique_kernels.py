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
LANES = 4  # values added at once

_DOUBLE = ir.DoubleType()


@kernel(fused=True)
def deposit_tabulated(
    x, y, size, kind, in_view, quantities, reach, half_width, corners, layout, stencils, image
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
    layout : (s, 6) int64
        Of each stencil: offsets per pixel, pixels per column and per row, first value, row range and sum.
    stencils : values (any,) float32, ranges (any, 2) int64, sums (any, 3) float64
        Shares of pixels with their derivatives, the part of each row that is not zero, sums over pixels.
    image : (k, ny, nx) float64
        Added to in place: quantity per pixel.
    """
    per_pixel = image.shape[2] / (2.0 * half_width)
    middle = (corners.shape[0] - 1) // 2
    nodes_per_side = middle / max(reach[0], reach[1])
    for n in range(x.size):
        if kind[n] != SMALL and kind[n] < FIRST_STENCIL:
            continue
        u, v, side = (x[n] + half_width) * per_pixel, (y[n] + half_width) * per_pixel, size[n] * per_pixel
        if kind[n] == SMALL:
            nodes = nodes_per_side / side
            _deposit_small(u, v, side, nodes, middle, reach, corners, quantities, n, in_view[n], image)
        else:
            stencil = layout[kind[n] - FIRST_STENCIL]
            _deposit_stencil(u, v, side, reach, stencil, stencils, quantities, n, in_view[n], image)


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
def _deposit_small(u, v, side, nodes, middle, reach, corners, quantities, n, in_view, image):
    """Add a leaf no wider than a pixel: what lies left of, below, and both, of the edges that cross it."""
    ny, nx = image.shape[1:]
    i, j = math.floor(u - reach[0] * side), math.floor(v - reach[1] * side)
    p, q = (i + 1 - u) * nodes + middle, (j + 1 - v) * nodes + middle
    right = u + reach[0] * side > i + 1
    above = v + reach[1] * side > j + 1
    if in_view == 1.0 and not right and not above:
        for k in range(quantities.shape[1]):
            image[k, j, i] += quantities[n, k]
        return
    last = corners.shape[0] - 1.0
    west = _below(corners, p, last) if right else 1.0
    south = _below(corners, last, q) if above else 1.0
    west, south = min(max(west, 0.0), 1.0), min(max(south, 0.0), 1.0)
    both = _below(corners, p, q) if right and above else west * south
    both = min(max(both, west + south - 1.0, 0.0), west, south)
    if in_view == 1.0:
        for k in range(quantities.shape[1]):
            value = quantities[n, k]
            image[k, j, i] += value * both
            if right:
                image[k, j, i + 1] += value * (south - both)
            if above:
                image[k, j + 1, i] += value * (west - both)
                if right:
                    image[k, j + 1, i + 1] += value * (1.0 - west - south + both)
        return
    shares = (both, south - both, west - both, 1.0 - west - south + both)
    found = 0.0
    for m in range(4):
        if 0 <= i + m % 2 < nx and 0 <= j + m // 2 < ny:
            found += shares[m]
    if found <= 0.0:
        return
    for m in range(4):
        if 0 <= i + m % 2 < nx and 0 <= j + m // 2 < ny and shares[m] > 0.0:
            for k in range(quantities.shape[1]):
                image[k, j + m // 2, i + m % 2] += quantities[n, k] * shares[m] * (in_view / found)


@kernel(fused=True)
def _deposit_stencil(u, v, side, reach, stencil, stencils, quantities, n, in_view, image):
    """Add a leaf by the stencil of the nearest tabulated offset, shifted to first order."""
    values, ranges, sums = stencils
    ny, nx = image.shape[1:]
    offsets, n_rows, width = stencil[0], stencil[1], stencil[2]
    node_x, node_y = math.floor(u * offsets + 0.5), math.floor(v * offsets + 0.5)
    dx, dy = u * offsets - node_x, v * offsets - node_y
    i, j = node_x // offsets, node_y // offsets
    offset_x, offset_y = node_x - i * offsets, node_y - j * offsets
    i += math.floor((offset_x - 1.0) / offsets - reach[0] * side)
    j += math.floor((offset_y - 1.0) / offsets - reach[1] * side)
    block = offset_y * offsets + offset_x
    total = sums[stencil[5] + block]
    scale = 1.0 / (total[0] + dx * total[1] + dy * total[2])
    at, first_range = stencil[3] + block * n_rows * 3 * width, stencil[4] + block * n_rows
    n_quantities = quantities.shape[1]
    if in_view == 1.0 and i >= 0 and i + width <= nx and j >= 0 and j + n_rows <= ny:
        for row in range(n_rows):
            start, stop = ranges[first_range + row, 0], ranges[first_range + row, 1]
            for k in range(n_quantities):
                place = (k * ny + j + row) * nx + i
                value = quantities[n, k] * scale
                for m in range(start, stop, LANES):
                    _add_vector(image, place + m, values, at + m, width, value, dx * value, dy * value)
            at += 3 * width
        return
    j_first, j_stop = max(-j, 0), min(ny - j, n_rows)
    i_first, i_stop = max(-i, 0), min(nx - i, width)
    found = 0.0
    for row in range(j_first, j_stop):
        here = at + 3 * row * width
        found += _row_sum(values, here + i_first, here + i_stop, width, dx, dy)
    scale = in_view / found if found > 0.0 else 0.0
    for row in range(j_first, j_stop):
        here = at + 3 * row * width + i_first
        for k in range(n_quantities):
            value = quantities[n, k] * scale
            target = image[k, j + row, i + i_first : i + i_stop]
            for m in range(np.uint64(target.size)):
                target[m] += _share(
                    values, np.uint64(here) + m, np.uint64(width), value, dx * value, dy * value
                )


@kernel(fused=True)
def _row_sum(values, first, stop, width, dx, dy):
    """Sum of the shares of a row of pixels; four sums at a time, since each waits for the last."""
    a = b = c = d = 0.0
    for m in range(first, stop - 3, 4):
        a += _share(values, m, width, 1.0, dx, dy)
        b += _share(values, m + 1, width, 1.0, dx, dy)
        c += _share(values, m + 2, width, 1.0, dx, dy)
        d += _share(values, m + 3, width, 1.0, dx, dy)
    for m in range(stop - (stop - first) % 4, stop):
        a += _share(values, m, width, 1.0, dx, dy)
    return a + b + c + d


@kernel(fused=True)
def _share(values, at, width, scale, dx, dy):
    """Share of a pixel, from the stencil's value and its derivatives `width` and 2 `width` further."""
    return scale * values[at] + dx * values[at + width] + dy * values[at + 2 * width]


@intrinsic
def _add_vector(typingctx, image, place, values, here, width, scale, dx, dy):
    """Add `_share` to LANES values of image from `place` on; arrays flat."""
    signature = types.void(image, place, values, here, width, scale, dx, dy)

    def generate(context, builder, signature, arguments):
        image, place, values, here, width, scale, dx, dy = arguments
        kind, narrow = ir.VectorType(_DOUBLE, LANES), ir.VectorType(ir.FloatType(), LANES)

        def data(number, array):
            return context.make_array(signature.args[number])(context, builder, array).data

        def vector(base, offset, kind):
            return builder.bitcast(builder.gep(base, [offset]), kind.as_pointer())

        def wide(offset):
            return builder.fpext(builder.load(vector(base, offset, narrow), align=4), kind)

        def spread(value):
            lanes = ir.Constant(kind, ir.Undefined)
            for lane in range(LANES):
                lanes = builder.insert_element(lanes, value, ir.Constant(ir.IntType(32), lane))
            return lanes

        def add_product(a, b, c):
            product = builder.fmul(a, b, flags=("contract",))
            return builder.fadd(product, c, flags=("contract",))

        base = data(2, values)
        target = vector(data(0, image), place, kind)
        share = add_product(wide(here), spread(scale), builder.load(target, align=8))
        share = add_product(wide(builder.add(here, width)), spread(dx), share)
        share = add_product(wide(builder.add(here, builder.add(width, width))), spread(dy), share)
        builder.store(share, target, align=8)
        return context.get_dummy_value()

    return signature, generate
