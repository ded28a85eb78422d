# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, disable-error-code="call-arg"
"""Deposit of smoothed cells: the kernel integrated over every pixel it touches.

Kernels narrower than a pixel or two are read from a table of the double integral, the others are sums of
separable terms: those of up to sixteen pixels in blocks, many at a time, wider ones in strips of sixteen
columns.
"""

from __future__ import annotations

import math

import numpy as np

from simpost.core.compile import kernel
from simpost.maps.pyramid_kernels import REACH
from simpost.maps.vector_kernels import (
    LANES,
    ORDERS,
    TERMS,
    add_8,
    add_16,
    block_total,
    column_factors,
    place_edges,
    row_factors,
    shares_8,
    shares_16,
)

FINE = 64.0  # pixels of support from which single precision does not do for the edges of pixels
TILE = 128  # pixels: wide kernels are taken tile by tile, so that their pixels are still in the cache
QUEUE = 64  # kernels that are worked on together
ROWS = 128  # of a wide kernel that are worked on together
SMALLEST = 1e-12  # support in pixels that stands for anything smaller
MOST_SCALED = 2.0  # of the inside share: the terms know nothing of a sliver of a kernel's rim


@kernel(fused=True)
def deposit_cells(
    rows, x, y, support, share, quantities, table, fine_table, signs, corner,
    half_width, pixel, widest, aligned, ghosts, levels, strips, planes,
):  # fmt: skip
    """Add to each pixel every cell's quantities times the share of its kernel in the pixel.

    Parameters
    ----------
    rows : (n,) int64
        Places of the cells among `quantities`.
    x, y : (n,) float64
        Kernel centres on the image plane [kpc]; the window is [-half_width, half_width] on both axes.
    support : (n,) float64
        Radii of support H [kpc], positive.
    share : (n,) float64
        Of the kernel inside the window, above zero.
    quantities : (m, k) float64
        Extensive quantities, any unit.
    table, fine_table : (32 (2 m + 1),) float32, (32 (2 M + 1),) float64
        Integrals of eight separable terms between nodes, as cubics. The finer one is for kernels hundreds of
        pixels wide or cut by the window.
    signs : (8,) float32
        Signs of the terms.
    corner : (c + 1, c + 1) float32
        Share of the kernel in the rectangle between its centre and (s, t), in units of H.
    half_width, pixel : float64
        Half the window's side and the pixel's side [kpc].
    widest : float64
        Support [pixels of its level] of the widest kernels of a level, wherever there is a next one.
    aligned : int
        Last level whose pixels end where the window ends.
    ghosts : int
        Pixels around the window that are wanted, too. Without any, the pixels of a kernel that the window
        cuts are scaled to hold its share.
    levels : (l, 3) int64
        Pixels along the window, stride of a row and place of the first window pixel in a plane. A row has at
        least 16 more than pixels and ghosts.
    strips : (s,) float32
        Work space for wide kernels: sixteen numbers for each pixel of the longest row and 16 ROWS more.
    planes : (k, p) float64
        The levels of each quantity, one after the other; added to in place.
    """
    plane = planes.shape[1]
    flat = planes.reshape(planes.size)
    queue = min(QUEUE, rows.size)
    places, circles = np.empty((queue, 7), np.int64), np.empty((queue, 3))
    nodes, between = np.empty(queue * 4 * LANES, np.int32), np.empty(queue * 4 * LANES, np.float32)
    scratch = np.empty(queue * LANES * (2 * TERMS + LANES), np.float32)
    wide, tiles = np.empty(rows.size, np.int64), np.empty(rows.size, np.int64)
    n_waiting, n_wide, per_pixel = 0, 0, 1.0 / pixel
    for m in range(rows.size):
        n, radius = rows[m], max(support[m] * per_pixel, SMALLEST)
        u, v = (x[m] + half_width) * per_pixel, (y[m] + half_width) * per_pixel
        if radius <= 1.0 and share[m] == 1.0:
            _add_narrow(u, v, radius, corner, quantities, n, levels[0, 1], levels[0, 2], plane, flat)
            continue
        place = places[n_waiting]
        _place(u, v, radius, n, widest, aligned, ghosts, levels, place, circles[n_waiting])
        if place[2] <= LANES and place[4] <= LANES and share[m] == 1.0:
            n_waiting += 1
        else:
            wide[n_wide], tiles[n_wide] = m, _tile(u, levels[0, 0]) + levels[0, 0] * _tile(v, levels[0, 0])
            n_wide += 1
        if n_waiting == queue:
            _add_blocks(
                places, circles, queue, table, signs, nodes, between, scratch, quantities, plane, flat
            )
            n_waiting = 0
    _add_blocks(places, circles, n_waiting, table, signs, nodes, between, scratch, quantities, plane, flat)
    fine_between = np.empty(LANES)
    for m in wide[:n_wide][np.argsort(tiles[:n_wide])]:  # neighbours find each other's pixels in the cache
        n, radius = rows[m], max(support[m] * per_pixel, SMALLEST)
        u, v = (x[m] + half_width) * per_pixel, (y[m] + half_width) * per_pixel
        _place(u, v, radius, n, widest, aligned, ghosts, levels, places[0], circles[0])
        if share[m] == 1.0 and radius < FINE:
            _add_strips(
                places[0], circles[0], 0.0, table, signs, nodes, between, strips, quantities[n], plane, flat
            )
        else:
            wanted = share[m] if ghosts == 0 and share[m] < 1.0 else 0.0
            _add_strips(
                places[0], circles[0], wanted, fine_table, signs, nodes, fine_between, strips,
                quantities[n], plane, flat,
            )  # fmt: skip


@kernel
def _tile(u, n_pixels):
    """Number of the tile along an axis that u [pixels] is in, of those on the map the nearest."""
    return np.int64(min(max(u, 0.0), float(n_pixels))) // TILE


@kernel
def _place(u, v, radius, n, widest, aligned, ghosts, levels, place, circle):
    """Write where a kernel lies on its level.

    place (7,): n, first column and number of columns, first row and number of rows, place of the first pixel
    in a plane, stride of a row; circle (3,): centre and radius of support in pixels of the level.
    """
    level = _level(max(u, v) + radius, radius, widest, aligned, levels)
    scale = 1.0 / (1 << level)
    radius, u, v = radius * scale, u * scale, v * scale
    size, stride, origin = levels[level, 0], levels[level, 1], levels[level, 2]
    low, high = float(-ghosts), float(size + ghosts)
    i, j = math.floor(max(u - radius, low)), math.floor(max(v - radius, low))
    place[0], place[1], place[2] = n, i, math.ceil(min(u + radius, high)) - i
    place[3], place[4] = j, math.ceil(min(v + radius, high)) - j
    place[5], place[6] = origin + j * stride + i, stride
    circle[0], circle[1], circle[2] = u, v, radius


@kernel
def _level(end, radius, widest, aligned, levels):
    """Level on which the kernel is no wider than `widest` and no pixel of it sticks out of the window's end.

    On a level whose pixels do not end where the window ends, the splits would carry mass across the edge.
    """
    level, scale = 0, 1.0
    while radius * scale > widest and level < levels.shape[0] - 1:
        level, scale = level + 1, 0.5 * scale
    # a split reaches REACH pixels, the next one half as many, and so on
    while level > aligned and math.ceil(end * scale) + 2 * REACH > levels[0, 0] * scale:
        level, scale = level - 1, 2.0 * scale
    return level


@kernel(fused=True)
def _add_blocks(places, circles, end, table, signs, nodes, between, scratch, quantities, plane, flat):
    """Add the kernels 0 ... end - 1 of the queue, up to sixteen pixels across.

    Each step is done for all of them before the next, so that the steps of one need not wait for each other.
    """
    factors = LANES * TERMS  # of the rows or the columns of a kernel; then come its shares
    columns, shares = end * factors, 2 * end * factors
    middle = 0.5 * (table.size // (ORDERS * TERMS) - 1)
    for n in range(end):
        scale, at = middle / circles[n, 2], 4 * LANES * n
        u = (places[n, 1] - circles[n, 0]) * scale + middle
        v = (places[n, 3] - circles[n, 1]) * scale + middle
        for j in range(0, places[n, 4], 8):
            place_edges(v + j * scale, scale, 2.0 * middle, nodes, between, at + 2 * j)
        for i in range(0, places[n, 2], 8):
            place_edges(u + i * scale, scale, 2.0 * middle, nodes, between, at + 2 * LANES + 2 * i)
    for n in range(end):
        at, to = 4 * LANES * n, factors * n
        for j in range(0, places[n, 4], 8):
            row_factors(table, nodes, between, at + 2 * j, signs, scratch, to + 8 * j)
        for i in range(0, places[n, 2], 8):
            column_factors(table, nodes, between, at + 2 * (LANES + i), scratch, columns + to + i, LANES)
    for n in range(end):
        row, to = factors * n, shares + LANES * LANES * n
        left, bottom = np.float32(places[n, 1] - circles[n, 0]), np.float32(places[n, 3] - circles[n, 1])
        radius = np.float32(circles[n, 2])
        if places[n, 2] > 8:
            shares_16(scratch, columns + row, LANES, left, row, places[n, 4], bottom, radius, to)
        else:
            shares_8(scratch, columns + row, LANES, left, row, places[n, 4], bottom, radius, to)
    for n in range(end):
        at, n_rows, to, stride = shares + LANES * LANES * n, places[n, 4], places[n, 5], places[n, 6]
        for k in range(quantities.shape[1]):
            quantity = quantities[places[n, 0], k]
            if places[n, 2] > 8:
                add_16(scratch, at, n_rows, quantity, flat, k * plane + to, stride)
            else:
                add_8(scratch, at, n_rows, quantity, flat, k * plane + to, stride)


@kernel(fused=True)
def _add_strips(place, circle, wanted, table, signs, nodes, between, scratch, quantities, plane, flat):
    """Add one kernel in strips of sixteen columns, its pixels scaled to `wanted` if that is above zero."""
    i_start, n_columns, j_start, n_rows, at, stride = place[1:]
    u, v, radius = circle
    shift = i_start & 7  # the beginning of a line of memory, unless it costs a strip
    if (shift + n_columns - 1) // LANES == (n_columns - 1) // LANES:
        i_start, n_columns, at = i_start - shift, n_columns + shift, at - shift
    columns = (scratch.size - ROWS * LANES) // 2
    shares, middle = 2 * columns, 0.5 * (table.size // (ORDERS * TERMS) - 1)
    scale = middle / radius
    first = (j_start - v) * scale + middle
    for j in range(0, n_rows, 8):
        place_edges(first + j * scale, scale, 2.0 * middle, nodes, between, 0)
        row_factors(table, nodes, between, 0, signs, scratch, 8 * j)
    first = (i_start - u) * scale + middle
    width = (n_columns + LANES - 1) // LANES * LANES
    for i in range(0, width, 8):
        place_edges(first + i * scale, scale, 2.0 * middle, nodes, between, 0)
        column_factors(table, nodes, between, 0, scratch, columns + i, width)
    for r in range(TERMS):  # what pads the last columns may lie beyond the window
        scratch[columns + r * width + n_columns : columns + (r + 1) * width] = 0.0
    total, radius_32 = 0.0, np.float32(radius)
    for is_last in range(2):
        if not is_last and wanted == 0.0:
            continue
        enlarged = min(wanted / total, MOST_SCALED) if total > 0.0 else 1.0
        for i in range(0, width, LANES):
            # pixels beyond the circle hold nothing: the chord of the columns nearest to the centre
            left = i_start + i - u
            nearest = max(left, -LANES - left, 0.0)
            half_chord = math.sqrt(max(radius * radius - nearest * nearest, 0.0))
            begin = max(math.floor(v - half_chord), j_start)
            end = min(math.ceil(v + half_chord), j_start + n_rows)
            for j in range(begin, end, ROWS):
                n, row = min(ROWS, end - j), (j - j_start) * TERMS
                shares_16(
                    scratch, columns + i, width, np.float32(left), row, n, np.float32(j - v), radius_32,
                    shares,
                )  # fmt: skip
                if not is_last:
                    total += block_total(scratch, shares, n)
                    continue
                to = at + (j - j_start) * stride + i
                for k in range(quantities.size):
                    add_16(scratch, shares, n, quantities[k] * enlarged, flat, k * plane + to, stride)


@kernel(fused=True)
def _add_narrow(u, v, radius, corner, quantities, n, stride, origin, plane, flat):
    """Add a kernel of one to three pixels across."""
    i, j = math.floor(u - radius), math.floor(v - radius)
    at = origin + j * stride + i
    if u + radius <= i + 1 and v + radius <= j + 1:
        for k in range(quantities.shape[1]):
            flat[k * plane + at] += quantities[n, k]
        return
    u, v, per_radius = u - i, v - j, 1.0 / radius
    s1, t1 = (1.0 - u) * per_radius, (1.0 - v) * per_radius
    s2, t2 = min(s1 + per_radius, 1.0), min(t1 + per_radius, 1.0)
    s1, t1 = min(s1, 1.0), min(t1, 1.0)
    # shares left of an edge, below an edge and in the corner between both
    left_1, below_1 = _half_share(s1, corner), _half_share(t1, corner)
    c11 = _corner_share(s1, t1, left_1, below_1, corner)
    # not below zero: the table is rounded
    if s2 >= 1.0 and t2 >= 1.0:
        right, above = max(below_1 - c11, 0.0), max(left_1 - c11, 0.0)
        rest = max((1.0 - left_1) - (below_1 - c11), 0.0)
        for k in range(quantities.shape[1]):
            q, m = quantities[n, k], k * plane + at
            flat[m] += q * c11
            flat[m + 1] += q * right
            flat[m + stride] += q * above
            flat[m + stride + 1] += q * rest
        return
    left_2, below_2 = _half_share(s2, corner), _half_share(t2, corner)
    c12 = _corner_share(s1, t2, left_1, below_2, corner)
    c21 = _corner_share(s2, t1, left_2, below_1, corner)
    c22 = _corner_share(s2, t2, left_2, below_2, corner)
    p01, p02, p10 = max(c21 - c11, 0.0), max(below_1 - c21, 0.0), max(c12 - c11, 0.0)
    p11, p12 = max(c22 - c12 - c21 + c11, 0.0), max(below_2 - c22 - below_1 + c21, 0.0)
    p20, p21 = max(left_1 - c12, 0.0), max(left_2 - c22 - left_1 + c12, 0.0)
    p22 = max((1.0 - below_2) - (left_2 - c22), 0.0)
    for k in range(quantities.shape[1]):
        q, m = quantities[n, k], k * plane + at
        flat[m] += q * c11
        flat[m + 1] += q * p01
        flat[m + 2] += q * p02
        m += stride
        flat[m] += q * p10
        flat[m + 1] += q * p11
        flat[m + 2] += q * p12
        m += stride
        flat[m] += q * p20
        flat[m + 1] += q * p21
        flat[m + 2] += q * p22


@kernel(fused=True)
def _half_share(s, corner):
    """Share of the kernel left of the line at s H from its centre."""
    last = corner.shape[0] - 1
    a = min(abs(s), 1.0) * last
    i = min(np.uint64(a), np.uint64(last - 1))
    low, high = np.float64(corner[last, i]), np.float64(corner[last, i + np.uint64(1)])
    return 0.5 + math.copysign(2.0 * (low + (a - i) * (high - low)), s)


@kernel(fused=True)
def _corner_share(s, t, left, below, corner):
    """Share of the kernel left of s H and below t H, given the shares left of the one and below the other."""
    if s >= 1.0:  # and no rounding: pixels beyond the kernel stay dark
        return below
    if t >= 1.0:
        return left
    last = corner.shape[0] - 1
    a, b = min(abs(s), 1.0) * last, min(abs(t), 1.0) * last
    i, j = min(np.uint64(a), np.uint64(last - 1)), min(np.uint64(b), np.uint64(last - 1))
    i1, j1 = i + np.uint64(1), j + np.uint64(1)
    c00, c01 = np.float64(corner[j, i]), np.float64(corner[j, i1])
    c10, c11 = np.float64(corner[j1, i]), np.float64(corner[j1, i1])
    low, high = c00 + (a - i) * (c01 - c00), c10 + (a - i) * (c11 - c10)
    quadrant = math.copysign(low + (b - j) * (high - low), s * t)
    return max(0.5 * (left + below) - 0.25 + quadrant, 0.0)
