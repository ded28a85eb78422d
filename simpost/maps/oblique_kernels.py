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
    _deposit_small(x, y, size, kind, in_view, quantities, reach, half_width, corners, image)
    _deposit_stencils(x, y, size, kind, in_view, quantities, reach, half_width, layout, stencils, image)


@kernel(fused=True)
def _deposit_small(x, y, size, kind, in_view, quantities, reach, half_width, corners, image):
    """Add leaves no wider than a pixel: what lies left of, below, and both, of the edges that cross them."""
    ny, nx = image.shape[1:]
    plane, pixels = ny * nx, image.reshape(image.size)
    per_pixel, middle = nx / (2.0 * half_width), (corners.shape[0] - 1) // 2
    last, nodes_per_side = corners.shape[0] - 1.0, middle / max(reach[0], reach[1])
    for n in range(x.size):
        if kind[n] != SMALL:
            continue
        u, v, side = (x[n] + half_width) * per_pixel, (y[n] + half_width) * per_pixel, size[n] * per_pixel
        i, j = math.floor(u - reach[0] * side), math.floor(v - reach[1] * side)
        last_x = last_y = np.inf
        if in_view[n] == 1.0:  # what lies beside the window is rounding
            i, j, last_x, last_y = min(max(i, 0), nx - 1), min(max(j, 0), ny - 1), nx - 1.0, ny - 1.0
        right = u + reach[0] * side > i + 1 and i < last_x
        above = v + reach[1] * side > j + 1 and j < last_y
        place = j * nx + i
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
                pixels[here + nx] += value * (west - both)
                if right:
                    pixels[here + nx + 1] += value * (1.0 - west - south + both)


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
    ny, nx = image.shape[1:]
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
def _deposit_stencils(x, y, size, kind, in_view, quantities, reach, half_width, layout, stencils, image):
    """Add leaves by the stencil of the nearest tabulated offset, shifted to first order."""
    values, ranges, sums = stencils
    ny, nx = image.shape[1:]
    per_pixel = nx / (2.0 * half_width)
    latest, step = 0, 1.0
    offsets = n_rows = width = first_value = first_range = first_sum = 0
    # written out: to hand arrays to a helper, numba counts references, which takes longer than a small leaf
    for n in range(x.size):
        if kind[n] < FIRST_STENCIL:
            continue
        u, v, side = (x[n] + half_width) * per_pixel, (y[n] + half_width) * per_pixel, size[n] * per_pixel
        if kind[n] != latest:
            latest = kind[n]
            s = latest - FIRST_STENCIL
            offsets, n_rows, width = layout[s, 0], layout[s, 1], layout[s, 2]
            first_value, first_range, first_sum = layout[s, 3], layout[s, 4], layout[s, 5]
            step = 1.0 / offsets  # offsets are powers of two: products with it are exact
        node_x, node_y = np.floor(u * offsets + 0.5), np.floor(v * offsets + 0.5)
        dx, dy = u * offsets - node_x, v * offsets - node_y
        base_x, base_y = np.floor(node_x * step), np.floor(node_y * step)
        offset_x, offset_y = node_x - base_x * offsets, node_y - base_y * offsets
        i = np.int64(base_x + np.floor((offset_x - 1.0) * step - reach[0] * side))
        j = np.int64(base_y + np.floor((offset_y - 1.0) * step - reach[1] * side))
        block = np.int64(offset_y * offsets + offset_x)
        at, first = first_value + block * n_rows * 3 * width, first_range + block * n_rows
        if in_view[n] < 1.0 or i < 0 or i + width > nx or j < 0 or j + n_rows > ny:
            _deposit_at_edge(i, j, dx, dy, n_rows, width, at, values, quantities, n, in_view[n], image)
            continue
        total = first_sum + block
        scale = 1.0 / (sums[total, 0] + dx * sums[total, 1] + dy * sums[total, 2])
        for row in range(n_rows):
            start, stop = ranges[first + row, 0], ranges[first + row, 1]
            for k in range(quantities.shape[1]):
                place = (k * ny + j + row) * nx + i
                value = quantities[n, k] * scale
                for m in range(start, stop, LANES):
                    _add_vector(image, place + m, values, at + m, width, value, dx * value, dy * value)
            at += 3 * width


@kernel(fused=True)
def _deposit_at_edge(i, j, dx, dy, n_rows, width, at, values, quantities, n, in_view, image):
    """Add the share of a leaf in view to those pixels of a stencil that are in the image."""
    ny, nx = image.shape[1:]
    j_first, j_stop = max(-j, 0), min(ny - j, n_rows)
    i_first, i_stop = max(-i, 0), min(nx - i, width)
    found = 0.0
    for row in range(j_first, j_stop):
        here = at + 3 * row * width
        found += _row_sum(values, here + i_first, here + i_stop, width, dx, dy)
    scale = in_view / found if found > 0.0 else 0.0
    for row in range(j_first, j_stop):
        here = at + 3 * row * width + i_first
        for k in range(quantities.shape[1]):
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
