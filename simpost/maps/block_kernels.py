# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, disable-error-code="call-arg"
"""Deposit of smoothed cells: the kernel integrated over every pixel it touches.

Kernels inside two by two pixels are read from a table of the double integral, the others are sums of
separable terms: those of up to sixteen pixels in blocks, many at a time, wider ones in strips of sixteen
columns.
"""

from __future__ import annotations

import math

import numpy as np

from simpost.core.compile import kernel
from simpost.maps.narrow_kernels import add_narrow, add_single
from simpost.maps.pyramid_kernels import REACH
from simpost.maps.vector_kernels import (
    LANES,
    ORDERS,
    TERMS,
    add_4,
    add_8,
    add_16,
    block_total,
    column_factors_4,
    column_factors_8,
    place_edges,
    prefetch_rows,
    row_factors_4,
    row_factors_8,
    shares_4,
    shares_8,
    shares_16,
)

FINE = 64.0  # pixels of support from which single precision does not do for the edges of pixels
TILE = 128  # pixels: wide kernels are taken tile by tile, so that their pixels are still in the cache
GROUP = 256  # cells that are sorted together
QUEUE = 64  # of them, kernels that are worked on together
ROWS = 128  # of a wide kernel that are worked on together
MANTISSA = 1 << 52  # as a bit pattern, the step from one power of two to the next
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
    plane, n_pixels, stride, origin = planes.shape[1], levels[0, 0], levels[0, 1], levels[0, 2]
    flat, group = planes.reshape(planes.size), min(GROUP, rows.size)
    circles, lists = np.empty(5 * group), np.empty((4, group), np.int64)
    single, narrow, others, order = lists[0], lists[1], lists[2], lists[3]
    corners = np.empty(6 * ((group + 7) // 8 * 8))
    places, rounds = np.empty((group, 7), np.int64), np.empty((group, 3))
    edges = min(QUEUE, group) * 4 * LANES
    nodes, between = np.empty(edges, np.int32), np.empty(edges, np.float32)
    scratch = np.empty(min(QUEUE, group) * LANES * (2 * TERMS + LANES), np.float32)
    far, n_wide = np.empty((2, rows.size), np.int64), 0
    wide, tiles = far[0], far[1]
    for start in range(0, rows.size, GROUP):
        n, at = min(GROUP, rows.size - start), rows[start:]
        _to_pixels(x, y, support, share, start, n, half_width, 1.0 / pixel, stride, origin, circles)
        n_single, n_narrow, n_others = _sort_by_width(circles, n, single, narrow, others)
        if n_single > 0:
            add_single(single[:n_single], circles, at, quantities, plane, flat)
        if n_narrow > 0:
            add_narrow(narrow[:n_narrow], circles, at, corner, quantities, stride, plane, corners, flat)
        if n_others == 0:
            continue
        _place(others[:n_others], circles, at, widest, aligned, ghosts, levels, places, rounds)
        n_blocks = 0
        for c in range(n_others):
            m = start + others[c]
            if places[c, 2] <= LANES and places[c, 4] <= LANES and (share[m] == 1.0 or ghosts > 0):
                order[n_blocks] = c
                n_blocks += 1
            else:
                u, v = circles[others[c]], circles[group + others[c]]
                wide[n_wide], tiles[n_wide] = m, _tile(u, n_pixels) + n_pixels * _tile(v, n_pixels)
                n_wide += 1
        _sort_by_size(places, order[:n_blocks], others)
        for first in range(0, n_blocks, QUEUE):
            _add_blocks(
                others[first : min(first + QUEUE, n_blocks)], places, rounds, table, signs, nodes, between,
                scratch, quantities, plane, flat,
            )  # fmt: skip
    if n_wide == 0:
        return
    single, fine_between = np.zeros(1, np.int64), np.empty(LANES)
    for m in wide[:n_wide][np.argsort(tiles[:n_wide])]:  # neighbours find each other's pixels in the cache
        _to_pixels(x, y, support, share, m, 1, half_width, 1.0 / pixel, stride, origin, circles[:5])
        _place(single, circles[:5], rows[m:], widest, aligned, ghosts, levels, places, rounds)
        values = quantities[rows[m]]
        if share[m] == 1.0 and rounds[0, 2] < FINE:
            _add_strips(places[0], rounds[0], 0.0, table, signs, nodes, between, strips, values, plane, flat)
        else:
            wanted = share[m] if ghosts == 0 and share[m] < 1.0 else 0.0
            _add_strips(
                places[0], rounds[0], wanted, fine_table, signs, nodes, fine_between, strips, values, plane,
                flat,
            )  # fmt: skip


@kernel(fused=True)
def _to_pixels(x, y, support, share, start, n, half_width, per_pixel, stride, origin, circles):
    """Write where n kernels are on the finest level.

    circles (5 g,): first coordinates of a group of g, second ones, radii of support [pixels]; places of their
    first pixels in a plane; pixels across: 1, 2, or 3 if more or if cut by the window.
    """
    one = np.uint64(circles.size // 5)
    for i in range(n):
        m, at = np.uint64(i), np.uint64(start + i)
        u, v = (x[at] + half_width) * per_pixel, (y[at] + half_width) * per_pixel
        radius = max(support[at] * per_pixel, SMALLEST)
        column, row = np.floor(u - radius), np.floor(v - radius)
        end = max(u + radius - column, v + radius - row)
        across = 1.0 if end <= 1.0 else (2.0 if end <= 2.0 else 3.0)
        circles[m], circles[one + m], circles[np.uint64(2) * one + m] = u, v, radius
        circles[np.uint64(3) * one + m] = origin + row * stride + column
        circles[np.uint64(4) * one + m] = across if share[at] == 1.0 else 3.0


@kernel
def _sort_by_width(circles, n, single, narrow, others):
    """List the kernels of a group that are one pixel across, two, and others; return how many each."""
    first, n_single, n_narrow, n_others = 4 * (circles.size // 5), 0, 0, 0
    for m in range(n):
        across = circles[first + m]
        single[n_single], narrow[n_narrow], others[n_others] = m, m, m
        n_single += across == 1.0
        n_narrow += across == 2.0
        n_others += across > 2.0
    return n_single, n_narrow, n_others


@kernel
def _sort_by_size(places, kernels, order):
    """Write the kernels so that blocks of one size follow each other: their loops end alike."""
    if kernels.size == 1:
        order[0] = kernels[0]
        return
    begin = np.zeros(3 * LANES + 2, np.int64)
    for m in kernels:
        begin[_size(places[m, 2], places[m, 4]) + 1] += 1
    for size in range(begin.size - 1):
        begin[size + 1] += begin[size]
    for m in kernels:
        size = _size(places[m, 2], places[m, 4])
        order[begin[size]] = m
        begin[size] += 1


@kernel
def _size(n_columns, n_rows):
    """Number of rows, and sixteen more for every wider kind of block."""
    return n_rows + LANES * ((n_columns > 4 or n_rows > 4) + (n_columns > 8))


@kernel
def _tile(u, n_pixels):
    """Number of the tile along an axis that u [pixels] is in, of those on the map the nearest."""
    return np.int64(min(max(u, 0.0), float(n_pixels))) // TILE


@kernel
def _place(chosen, circles, rows, widest, aligned, ghosts, levels, places, rounds):
    """Write where kernels of a group lie on their levels.

    places (n, 7): row, first column and number of columns, first row and number of rows, place of the first
    pixel in a plane, stride of a row; rounds (n, 3): centre and radius of support in pixels of the level.
    """
    group = circles.size // 5
    for c in range(chosen.size):
        m = chosen[c]
        u, v, radius = circles[m], circles[group + m], circles[2 * group + m]
        level = (np.float64(radius / widest).view(np.int64) + MANTISSA - 1) // MANTISSA - 1023  # ceil(log2)
        level = max(np.int64(0), min(level, np.int64(levels.shape[0] - 1)))
        # a split reaches REACH pixels, the next one half as many, and so on; on a level whose pixels do not
        # end where the window ends they would carry mass across the edge
        end, n_pixels = max(u, v) + radius, levels[0, 0]
        while level > aligned and math.ceil(end / (1 << level)) + 2 * REACH > n_pixels / (1 << level):
            level -= 1
        scale = 1.0 / (1 << level)
        radius, u, v = radius * scale, u * scale, v * scale
        size, stride, origin = levels[level, 0], levels[level, 1], levels[level, 2]
        low, high = float(-ghosts), float(size + ghosts)
        i, j = math.floor(max(u - radius, low)), math.floor(max(v - radius, low))
        places[c, 0], places[c, 1], places[c, 2] = rows[m], i, math.ceil(min(u + radius, high)) - i
        places[c, 3], places[c, 4] = j, math.ceil(min(v + radius, high)) - j
        places[c, 5], places[c, 6] = origin + j * stride + i, stride
        rounds[c, 0], rounds[c, 1], rounds[c, 2] = u, v, radius


@kernel(fused=True)
def _add_blocks(order, places, circles, table, signs, nodes, between, scratch, quantities, plane, flat):
    """Add kernels of up to sixteen pixels across, in an order of their places.

    Each step is done for all of them before the next, so that the steps of one need not wait for each other.
    """
    factors = LANES * TERMS  # of the rows or the columns of a kernel; then come its shares
    columns, shares = order.size * factors, 2 * order.size * factors
    middle = 0.5 * (table.size // (ORDERS * TERMS) - 1)
    for n in range(order.size):
        m = order[n]
        prefetch_rows(flat, places[m, 5], places[m, 4], places[m, 6])
        scale, at = middle / circles[m, 2], 4 * LANES * n
        u = (places[m, 1] - circles[m, 0]) * scale + middle
        v = (places[m, 3] - circles[m, 1]) * scale + middle
        for j in range(0, places[m, 4], 8):
            place_edges(v + j * scale, scale, 2.0 * middle, nodes, between, at + 2 * j)
        for i in range(0, places[m, 2], 8):
            place_edges(u + i * scale, scale, 2.0 * middle, nodes, between, at + 2 * LANES + 2 * i)
    for n in range(order.size):
        at, to, m = 4 * LANES * n, factors * n, order[n]
        bottom, radius = np.float32(places[m, 3] - circles[m, 1]), np.float32(circles[m, 2])
        if places[m, 2] <= 4 and places[m, 4] <= 4:
            row_factors_4(table, nodes, between, at, signs, bottom, radius, scratch, to)
            column_factors_4(table, nodes, between, at + 2 * LANES, scratch, columns + to, 4)
            continue
        for j in range(0, places[m, 4], 8):
            up = bottom + np.float32(j)
            row_factors_8(table, nodes, between, at + 2 * j, signs, up, radius, scratch, to + 8 * j)
        for i in range(0, places[m, 2], 8):
            column_factors_8(table, nodes, between, at + 2 * (LANES + i), scratch, columns + to + i, LANES)
    for n in range(order.size):
        row, to, m = factors * n, shares + LANES * LANES * n, order[n]
        column, n_rows, left = columns + row, places[m, 4], np.float32(places[m, 1] - circles[m, 0])
        if places[m, 2] <= 4 and n_rows <= 4:
            shares_4(scratch, column, 4, left, row, n_rows, to)
        elif places[m, 2] <= 8:
            shares_8(scratch, column, LANES, left, row, n_rows, to)
        else:
            shares_16(scratch, column, LANES, left, row, n_rows, to)
    for n in range(order.size):
        m = order[n]
        at, n_rows, to, stride = shares + LANES * LANES * n, places[m, 4], places[m, 5], places[m, 6]
        for k in range(quantities.shape[1]):
            quantity = quantities[places[m, 0], k]
            if places[m, 2] <= 4 and n_rows <= 4:
                add_4(scratch, at, n_rows, quantity, flat, k * plane + to, stride)
            elif places[m, 2] <= 8:
                add_8(scratch, at, n_rows, quantity, flat, k * plane + to, stride)
            else:
                add_16(scratch, at, n_rows, quantity, flat, k * plane + to, stride)


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
        bottom = np.float32(j_start + j - v)
        row_factors_8(table, nodes, between, 0, signs, bottom, np.float32(radius), scratch, 8 * j)
    first = (i_start - u) * scale + middle
    width = (n_columns + LANES - 1) // LANES * LANES
    for i in range(0, width, 8):
        place_edges(first + i * scale, scale, 2.0 * middle, nodes, between, 0)
        column_factors_8(table, nodes, between, 0, scratch, columns + i, width)
    for r in range(TERMS):  # what pads the last columns may lie beyond the window
        scratch[columns + r * width + n_columns : columns + (r + 1) * width] = 0.0
    total = 0.0
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
                shares_16(scratch, columns + i, width, np.float32(left), row, n, shares)
                if not is_last:
                    total += block_total(scratch, shares, n)
                    continue
                to = at + (j - j_start) * stride + i
                for k in range(quantities.size):
                    add_16(scratch, shares, n, quantities[k] * enlarged, flat, k * plane + to, stride)
