# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, disable-error-code="call-arg"
"""Deposit of smoothed cells on a pyramid of images, each with pixels twice as wide as the one before.

A cell goes to the level where its kernel is a few pixels wide, so that wide kernels cost little more than
narrow ones. On its level every pixel holds the integral of the kernel: the narrowest by a table of the
double integral, the others by separable terms, in pieces of rows of sixteen floats. numba forms no vectors
in loops this short, hence the intrinsics.
"""

from __future__ import annotations

import math

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from simpost.core.compile import kernel
from simpost.maps.smoothing import RANK

TERMS = 8  # of the separable kernel: one vector of doubles
LANES = 16  # pixels of a row that are added at once
QUEUE = 64  # kernels that are worked on together
GHOSTS = 8  # pixels kept around the window: what a finer level needs near the edge
SMALLEST = 1e-12  # support in pixels that stands for anything smaller
REACH = 4  # pixels to either side that a split depends on; no more than GHOSTS / 2
# halves of a pixel by its neighbours' differences: of the polynomial with the same integrals over nine pixels
SPLIT_1, SPLIT_2, SPLIT_3, SPLIT_4 = 3461.0 / 32768.0, -949.0 / 32768.0, 185.0 / 32768.0, -35.0 / 65536.0

_INT, _FLOAT, _DOUBLE = ir.IntType(32), ir.FloatType(), ir.DoubleType()
_ALIGN = {_INT: 4, _FLOAT: 4, _DOUBLE: 8}
_ZERO = ir.Constant(_INT, 0)


def _data(context, builder, signature, arguments, n):
    return context.make_array(signature.args[n])(context, builder, arguments[n]).data


def _load(builder, kind, width, base, offset):
    """`width` adjacent numbers from base[offset] on."""
    pointer = builder.bitcast(builder.gep(base, [offset]), ir.VectorType(kind, width).as_pointer())
    return builder.load(pointer, align=_ALIGN[kind])


def _after(builder, index, n):
    return builder.add(index, ir.Constant(index.type, n))


def _store(builder, vector, base, offset):
    pointer = builder.bitcast(builder.gep(base, [offset]), vector.type.as_pointer())
    builder.store(vector, pointer, align=_ALIGN[vector.type.element])


def _spread(builder, x, width):
    """A vector of `width` copies of a number."""
    one = builder.insert_element(
        ir.Constant(ir.VectorType(x.type, width), ir.Undefined), x, ir.Constant(_INT, 0)
    )
    return builder.shuffle_vector(one, one, ir.Constant(ir.VectorType(_INT, width), [0] * width))


def _multiply_add(builder, a, b, c):
    """Return a b + c, rounded once where the machine can."""
    return builder.fadd(builder.fmul(a, b, flags=("contract",)), c, flags=("contract",))


@intrinsic
def _place_edges(typingctx, first, scale, last, nodes, between, to):
    """Lines of the table below the sixteen edges s = first + i scale, and their places between two lines.

    s is in nodes and kept within 0 and `last`.
    """
    signature = types.void(first, scale, last, nodes, between, to)

    def generate(context, builder, signature, arguments):
        nodes, between = (_data(context, builder, signature, arguments, n) for n in (3, 4))
        element = context.get_data_type(signature.args[4].dtype)
        numbers = arguments[:3]
        if isinstance(element, ir.FloatType):
            numbers = [builder.fptrunc(number, element) for number in numbers]
        first, scale, last = (_spread(builder, number, LANES) for number in numbers)
        kind = first.type
        lane = ir.Constant(kind, [float(i) for i in range(LANES)])
        s = _larger(builder, _multiply_add(builder, lane, scale, first), ir.Constant(kind, [0.0] * LANES))
        s = builder.select(builder.fcmp_ordered("<", s, last), s, last)
        node = builder.fptosi(s, ir.VectorType(_INT, LANES))
        _store(builder, builder.fsub(s, builder.sitofp(node, kind)), between, arguments[5])
        line = builder.mul(node, ir.Constant(node.type, [2 * TERMS] * LANES))
        _store(builder, line, nodes, arguments[5])
        return context.get_dummy_value()

    return signature, generate


def _larger(builder, a, b):
    return builder.select(builder.fcmp_ordered(">", a, b), a, b)


def _pixel_terms(context, builder, signature, arguments):
    """Integrals of the terms over eight pixels, vectors of floats, from the places of their nine edges."""
    table, nodes, between = (_data(context, builder, signature, arguments, n) for n in range(3))
    kind = context.get_data_type(signature.args[0].dtype)
    edges = []
    for i in range(9):
        place = _after(builder, arguments[3], i)
        line = builder.load(builder.gep(nodes, [place]))
        t = _spread(builder, builder.load(builder.gep(between, [place])), TERMS)
        step = _load(builder, kind, TERMS, table, _after(builder, line, TERMS))
        edges.append(_multiply_add(builder, step, t, _load(builder, kind, TERMS, table, line)))
    pixels = [builder.fsub(edges[i + 1], edges[i]) for i in range(8)]
    if isinstance(kind, ir.FloatType):
        return pixels
    return [builder.fptrunc(pixel, ir.VectorType(_FLOAT, TERMS)) for pixel in pixels]


@intrinsic
def _row_factors(typingctx, table, nodes, between, at, signs, out, to):
    """out[to + 8 j + r] = signs[r] times the integral of term r over pixel j, j, r = 0 ... 7.

    The edges of the pixels are at nodes[at : at + 9] and between[at : at + 9], see `_place_edges`.
    """
    signature = types.void(table, nodes, between, at, signs, out, to)

    def generate(context, builder, signature, arguments):
        signs, out = (_data(context, builder, signature, arguments, n) for n in (4, 5))
        signs = _load(builder, _FLOAT, TERMS, signs, _ZERO)
        for j, factors in enumerate(_pixel_terms(context, builder, signature, arguments)):
            _store(builder, builder.fmul(factors, signs), out, _after(builder, arguments[6], TERMS * j))
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def _column_factors(typingctx, table, nodes, between, at, out, to):
    """out[to + 8 r + i] = integral of term r over pixel i, r, i = 0 ... 7; edges as in `_row_factors`."""
    signature = types.void(table, nodes, between, at, out, to)

    def generate(context, builder, signature, arguments):
        out = _data(context, builder, signature, arguments, 4)
        rows = _pixel_terms(context, builder, signature, arguments)
        picks = ([half + k // 2 + 8 * (k % 2) for k in range(8)] for half in (0, 4))
        low, high = (ir.Constant(ir.VectorType(_INT, 8), pick) for pick in picks)
        for _ in range(3):  # each perfect shuffle moves one bit of the place to the row
            rows = [builder.shuffle_vector(rows[i], rows[i + 4], p) for i in range(4) for p in (low, high)]
        for r in range(TERMS):
            _store(builder, rows[r], out, _after(builder, arguments[5], 8 * r))
        return context.get_dummy_value()

    return signature, generate


def _shares_of_width(width):
    """Make the intrinsic for blocks of `width` = 8 or 16 pixels of a row."""

    @intrinsic
    def block_shares(typingctx, scratch, column, left, row, n_rows, bottom, radius, to):
        """scratch[to + width j + i] = share of pixel (j, i) of a block, in float32.

        It is sum_r scratch[row + 8 j + r] scratch[column + 8 r + i] (the ninth pixel's are 64 further on than
        the first's), but not below zero, and zero beyond the support. left, bottom: place of the block's
        corner from the kernel's centre, radius: of support, in pixels.
        """
        signature = types.void(scratch, column, left, row, n_rows, bottom, radius, to)

        def generate(context, builder, signature, arguments):
            scratch = _data(context, builder, signature, arguments, 0)
            _, column, left, first, n_rows, bottom, radius, to = arguments
            zero = ir.Constant(ir.VectorType(_FLOAT, width), [0.0] * width)
            parts = [
                [
                    _load(builder, _FLOAT, 8, scratch, _after(builder, column, 64 * b + 8 * r))
                    for b in range(width // 8)
                ]
                for r in range(RANK)
            ]
            every = ir.Constant(ir.VectorType(_INT, width), list(range(width)))
            factors = [builder.shuffle_vector(part[0], part[-1], every) for part in parts]
            lane = ir.Constant(ir.VectorType(_FLOAT, width), [float(i) for i in range(width)])
            across = _square_distance(builder, builder.fadd(lane, _spread(builder, left, width)))
            square = builder.fmul(radius, radius)
            with cgutils.for_range(builder, n_rows) as loop:
                j = loop.index
                row = builder.add(first, builder.mul(j, ir.Constant(j.type, TERMS)))
                share = zero
                for r in range(RANK):
                    factor = builder.load(builder.gep(scratch, [_after(builder, row, r)]))
                    share = _multiply_add(builder, factors[r], _spread(builder, factor, width), share)
                up = _square_distance(builder, builder.fadd(builder.sitofp(j, _FLOAT), bottom))
                chord = _spread(builder, builder.fsub(square, up), width)
                inside = builder.fcmp_ordered("<", across, chord)
                inside = builder.and_(inside, builder.fcmp_ordered(">", share, zero))
                place = builder.add(to, builder.mul(j, ir.Constant(j.type, width)))
                _store(builder, builder.select(inside, share, zero), scratch, place)
            return context.get_dummy_value()

        return signature, generate

    return block_shares


def _square_distance(builder, edge):
    """Square of the distance from zero to the interval [edge, edge + 1], of a float or a vector of them."""
    width = getattr(edge.type, "count", 0)
    zero, minus_one = (ir.Constant(edge.type, [x] * width if width else x) for x in (0.0, -1.0))
    beyond = builder.fsub(minus_one, edge)
    nearest = _larger(builder, _larger(builder, edge, beyond), zero)
    return builder.fmul(nearest, nearest)


def _add_of_width(width):
    """Make the intrinsic for blocks of `width` = 8 or 16 pixels of a row."""

    @intrinsic
    def add_block(typingctx, shares, first, n_rows, quantity, image, at, stride):
        """image[at + j stride + i] += quantity shares[first + width j + i]."""
        signature = types.void(shares, first, n_rows, quantity, image, at, stride)

        def generate(context, builder, signature, arguments):
            shares, image = (_data(context, builder, signature, arguments, n) for n in (0, 4))
            _, first, n_rows, quantity, _, at, stride = arguments
            quantity = _spread(builder, quantity, width)
            with cgutils.for_range(builder, n_rows) as loop:
                j = loop.index
                share = builder.add(first, builder.mul(j, ir.Constant(j.type, width)))
                share = _load(builder, _FLOAT, width, shares, share)
                share = builder.fpext(share, ir.VectorType(_DOUBLE, width))
                place = builder.add(at, builder.mul(j, stride))
                old = _load(builder, _DOUBLE, width, image, place)
                _store(builder, _multiply_add(builder, share, quantity, old), image, place)
            return context.get_dummy_value()

        return signature, generate

    return add_block


_shares_8, _shares_16 = _shares_of_width(8), _shares_of_width(16)
_add_8, _add_16 = _add_of_width(8), _add_of_width(16)


@kernel(fused=True)
def deposit_on_pyramid(
    x, y, support, quantities, table, fine_table, signs, corner,
    half_width, pixel, widest, aligned, levels, planes,
):  # fmt: skip
    """Add to each pixel of a level every cell's quantities times the share of its kernel in the pixel.

    Parameters
    ----------
    x, y : (n,) float64
        Kernel centres on the image plane [kpc]; the window is [-half_width, half_width] on both axes.
    support : (n,) float64
        Radii of support H [kpc], positive.
    quantities : (n, k) float64
        Extensive quantities of the cells, any unit.
    table, fine_table : (16 (2 m + 1),) float32, (16 (2 M + 1),) float64
        Integrals of eight separable terms at each node and their steps to the next. The finer one is for
        kernels cut by the window, whose inside share must be exact, and those wider than `widest`.
    signs : (8,) float32
        Signs of the terms.
    corner : (c + 1, c + 1) float32
        Share of the kernel in the rectangle between its centre and (s, t), in units of H.
    half_width, pixel : float64
        Half the window's side and the pixel's side [kpc].
    widest : float64
        Support [pixels of its level] of the widest kernels; those of half that are the narrowest of a level.
    aligned : int
        Last level whose pixels end where the window ends.
    levels : (l, 3) int64
        Pixels along the window, stride of a row and place of the first window pixel in a plane.
    planes : (k, p) float64
        The levels of each quantity, one after the other; added to in place.
    """
    n_quantities, plane = planes.shape
    flat = planes.reshape(planes.size)
    n_pixels, longest = levels[0, 0], (np.max(levels[:, 1]) + LANES) // LANES * LANES
    places, circles = np.empty((2 * QUEUE, 7), np.int64), np.empty((2 * QUEUE, 3))
    waiting, waiting_cut, room = 0, 0, max(QUEUE * LANES, longest)
    nodes, between = np.empty(QUEUE * 4 * LANES, np.int32), np.empty(QUEUE * 4 * LANES, np.float32)
    fine_nodes, fine_between = np.empty(4 * room, np.int32), np.empty(4 * room)
    scratch = np.empty(room * (2 * TERMS + LANES), np.float32)
    per_pixel = 1.0 / pixel
    for n in range(x.size):
        radius = max(support[n] * per_pixel, SMALLEST)
        u, v = (x[n] + half_width) * per_pixel, (y[n] + half_width) * per_pixel
        low, high = min(u, v) - radius, max(u, v) + radius
        if min(u, v) + radius <= 0.0 or max(u, v) - radius >= n_pixels:
            continue
        is_cut = low < 0.0 or high > n_pixels
        if radius <= 1.0 and not is_cut:
            i, j = math.floor(u - radius), math.floor(v - radius)
            at = levels[0, 2] + j * levels[0, 1] + i
            if u + radius <= i + 1 and v + radius <= j + 1:
                for k in range(n_quantities):
                    flat[k * plane + at] += quantities[n, k]
            else:
                _add_narrow(u - i, v - j, radius, corner, quantities, n, levels[0, 1], plane, at, flat)
            continue
        level = _level(high, radius, widest, aligned, levels)
        scale = 1.0 / (1 << level)
        radius, u, v = radius * scale, u * scale, v * scale
        size, stride, origin = levels[level, 0], levels[level, 1], levels[level, 2]
        low, high = float(-GHOSTS), float(size + GHOSTS)
        i_start, i_stop = math.floor(max(u - radius, low)), math.ceil(min(u + radius, high))
        j_start, j_stop = math.floor(max(v - radius, low)), math.ceil(min(v + radius, high))
        is_fine = is_cut or radius > widest
        q = QUEUE + waiting_cut if is_fine else waiting
        places[q, 0], places[q, 1], places[q, 2] = n, i_start, i_stop - i_start
        places[q, 3], places[q, 4] = j_start, j_stop - j_start
        places[q, 5], places[q, 6] = origin + j_start * stride + i_start, stride
        circles[q, 0], circles[q, 1], circles[q, 2] = u, v, radius
        room = (max(i_stop - i_start, j_stop - j_start) + LANES - 1) // LANES * LANES
        if room > LANES:  # too wide to wait with others
            _add_kernels(
                places, circles, q, q + 1, room, fine_table, signs, fine_nodes, fine_between, scratch,
                quantities, plane, flat,
            )  # fmt: skip
        elif is_fine:
            waiting_cut += 1
        else:
            waiting += 1
        if waiting_cut == QUEUE:
            _add_kernels(
                places, circles, QUEUE, 2 * QUEUE, LANES, fine_table, signs, fine_nodes, fine_between,
                scratch, quantities, plane, flat,
            )  # fmt: skip
            waiting_cut = 0
        if waiting == QUEUE:
            _add_kernels(
                places, circles, 0, QUEUE, LANES, table, signs, nodes, between,
                scratch, quantities, plane, flat,
            )  # fmt: skip
            waiting = 0
    _add_kernels(
        places, circles, QUEUE, QUEUE + waiting_cut, LANES, fine_table, signs, fine_nodes, fine_between,
        scratch, quantities, plane, flat,
    )  # fmt: skip
    _add_kernels(
        places, circles, 0, waiting, LANES, table, signs, nodes, between, scratch, quantities, plane, flat
    )  # fmt: skip


@kernel(fused=True)
def _add_kernels(
    places, circles, first, end, room, table, signs, nodes, between, scratch, quantities, plane, flat
):  # fmt: skip
    """Add the kernels first ... end - 1 of the queue, up to `room` pixels across.

    Each step is done for all of them before the next, so that the steps of one need not wait for each other.
    """
    _integrate_terms(places, circles, first, end, room, table, signs, nodes, between, scratch)
    for i in range(0, room, LANES):
        _share_blocks(places, circles, first, end, room, i, scratch)
        _add_blocks(places, first, end, room, i, scratch, quantities, plane, flat)


@kernel(fused=True)
def _integrate_terms(places, circles, first, end, room, table, signs, nodes, between, scratch):
    """Write to `scratch` the integrals of the terms over the rows, then over the columns, of each kernel."""
    edges, factors = 2 * room, room * TERMS
    columns = (end - first) * factors
    middle = 0.5 * (table.size // (2 * TERMS) - 1)
    for n in range(first, end):
        scale, at = middle / circles[n, 2], 2 * (n - first) * edges
        u = (places[n, 1] - circles[n, 0]) * scale + middle
        v = (places[n, 3] - circles[n, 1]) * scale + middle
        for j in range(0, places[n, 4], 8):
            _place_edges(v + j * scale, scale, 2.0 * middle, nodes, between, at + 2 * j)
        for i in range(0, places[n, 2], 8):
            _place_edges(u + i * scale, scale, 2.0 * middle, nodes, between, at + edges + 2 * i)
    for n in range(first, end):
        at, to = 2 * (n - first) * edges, (n - first) * factors
        for j in range(0, places[n, 4], 8):
            _row_factors(table, nodes, between, at + 2 * j, signs, scratch, to + 8 * j)
        for i in range(0, places[n, 2], 8):
            _column_factors(table, nodes, between, at + edges + 2 * i, scratch, columns + to + 8 * i)


@kernel(fused=True)
def _share_blocks(places, circles, first, end, room, i, scratch):
    """Write to `scratch`, after the terms, the shares of the pixels from column i on of each kernel."""
    factors = room * TERMS
    columns = (end - first) * factors
    for n in range(first, end):
        n_columns, n_rows = places[n, 2] - i, places[n, 4]
        left = np.float32(places[n, 1] + i - circles[n, 0])
        bottom, radius = np.float32(places[n, 3] - circles[n, 1]), np.float32(circles[n, 2])
        row, to = (n - first) * factors, 2 * columns + (n - first) * room * LANES
        column = columns + row + 8 * i
        if n_columns > 8:
            _shares_16(scratch, column, left, row, n_rows, bottom, radius, to)
        elif n_columns > 0:
            _shares_8(scratch, column, left, row, n_rows, bottom, radius, to)


@kernel(fused=True)
def _add_blocks(places, first, end, room, i, scratch, quantities, plane, flat):
    """Add the shares of the pixels from column i on, times each quantity."""
    shares = 2 * (end - first) * room * TERMS
    for n in range(first, end):
        at, to = shares + (n - first) * room * LANES, places[n, 5] + i
        n_columns, n_rows, stride = places[n, 2] - i, places[n, 4], places[n, 6]
        for k in range(quantities.shape[1]):
            quantity = quantities[places[n, 0], k]
            if n_columns > 8:
                _add_16(scratch, at, n_rows, quantity, flat, k * plane + to, stride)
            elif n_columns > 0:
                _add_8(scratch, at, n_rows, quantity, flat, k * plane + to, stride)


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
def _add_narrow(u, v, radius, corner, quantities, n, stride, plane, at, flat):
    """Add a kernel of two or three pixels across: (u, v) is its centre from the corner of the first."""
    per_radius = 1.0 / radius
    s1, t1 = (1.0 - u) * per_radius, (1.0 - v) * per_radius
    s2, t2 = min(s1 + per_radius, 1.0), min(t1 + per_radius, 1.0)
    s1, t1 = min(s1, 1.0), min(t1, 1.0)
    # shares left of an edge, below an edge and in the corner between both
    left_1, below_1 = _half_share(s1, corner), _half_share(t1, corner)
    c11 = _corner_share(s1, t1, left_1, below_1, corner)
    # not below zero: the table is rounded
    if s2 >= 1.0 and t2 >= 1.0:
        right, above = max(below_1 - c11, 0.0), max(left_1 - c11, 0.0)
        rest = max(1.0 - below_1 - left_1 + c11, 0.0)
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
    p22 = max(1.0 - left_2 - below_2 + c22, 0.0)
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
    last = corner.shape[0] - 1
    a, b = min(abs(s), 1.0) * last, min(abs(t), 1.0) * last
    i, j = min(np.uint64(a), np.uint64(last - 1)), min(np.uint64(b), np.uint64(last - 1))
    i1, j1 = i + np.uint64(1), j + np.uint64(1)
    c00, c01 = np.float64(corner[j, i]), np.float64(corner[j, i1])
    c10, c11 = np.float64(corner[j1, i]), np.float64(corner[j1, i1])
    low, high = c00 + (a - i) * (c01 - c00), c10 + (a - i) * (c11 - c10)
    quadrant = math.copysign(low + (b - j) * (high - low), s * t)
    return max(0.5 * (left + below) - 0.25 + quadrant, 0.0)


@kernel(fused=True)
def collapse_pyramid(levels, planes, image):
    """Move what lies on coarse levels to the finest and add it to the image; the planes are left at zero.

    A pixel is split in two along each axis, its sum unchanged, as the polynomial of degree eight through the
    integrals over nine pixels would have it.

    Parameters
    ----------
    levels, planes : (l, 3) int64, (k, p) float64
        See `deposit_on_pyramid`.
    image : (k, ny, nx) float64
        Added to in place.
    """
    for k in range(planes.shape[0]):
        for level in range(levels.shape[0] - 1, 0, -1):
            _split_level(planes[k], levels[level], levels[level - 1])
        size, stride, origin = levels[0]
        for j in range(size):
            row = planes[k, origin + j * stride : origin + j * stride + size]
            for i in range(np.uint64(size)):
                image[k, j, i] += row[i]
        planes[k, :] = 0.0


@kernel(fused=True)
def _split_level(plane, coarse, fine):
    """Add the level `coarse` to the level `fine`, ghosts included."""
    size, stride, origin = coarse
    fine_size, fine_stride, fine_origin = fine
    ghosts = GHOSTS // 2
    width = size + 2 * ghosts
    lower, upper = np.empty(width + 2 * REACH), np.empty(width + 2 * REACH)
    for j in range(-ghosts, size + ghosts):
        first = np.uint64(origin + j * stride - ghosts - REACH)
        for m in range(np.uint64(width + 2 * REACH)):
            rise = _rise(plane, first + m, np.uint64(stride))
            half = 0.5 * plane[first + m]
            lower[m], upper[m] = half - rise, half + rise
        for side in range(2):
            if 2 * j + side >= fine_size + GHOSTS:
                continue
            row = upper if side else lower
            at = np.uint64(fine_origin + (2 * j + side) * fine_stride - GHOSTS)
            for m in range(np.uint64(min(width, (fine_size + 2 * GHOSTS) // 2))):
                c = m + np.uint64(REACH)
                rise, half = _rise(row, c, np.uint64(1)), 0.5 * row[c]
                to = at + np.uint64(2) * m
                plane[to] += half - rise
                plane[to + np.uint64(1)] += half + rise


@kernel(fused=True)
def _rise(values, at, step):
    """What the upper half of pixel `at` holds beyond one half, from its neighbours `step` apart.

    Between neighbours of one sign no half has the other: nothing spreads beyond the pixels of a kernel.
    """
    two, three, four = np.uint64(2) * step, np.uint64(3) * step, np.uint64(4) * step
    before, value, after = values[at - step], values[at], values[at + step]
    rise = SPLIT_1 * (after - before) + SPLIT_2 * (values[at + two] - values[at - two])
    rise += SPLIT_3 * (values[at + three] - values[at - three])
    rise += SPLIT_4 * (values[at + four] - values[at - four])
    is_one_sign = (min(before, min(value, after)) >= 0.0) | (max(before, max(value, after)) <= 0.0)
    most = 0.5 * abs(value)
    return min(max(rise, -most), most) if is_one_sign else rise
