# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, disable-error-code="call-arg"
"""Vector instructions for the deposit of smoothed cells: rows of sixteen floats, eight terms at once.

numba forms no vectors in loops this short. What is written here is inlined in `block_kernels`, whose
cached machine code numba does not renew when only this file changes: change a byte of that one, too.
"""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from simpost.maps.smoothing import RANK

TERMS = 8  # of the separable kernel, the last of them zero: one vector of doubles
ORDERS = 4  # coefficients of the cubics of a table
LANES = 16  # pixels of a row that are added at once

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
def place_edges(typingctx, first, scale, last, nodes, between, to):
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
        line = builder.mul(node, ir.Constant(node.type, [ORDERS * TERMS] * LANES))
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
        value = None
        for order in reversed(range(ORDERS)):
            coefficient = _load(builder, kind, TERMS, table, _after(builder, line, TERMS * order))
            value = coefficient if value is None else _multiply_add(builder, value, t, coefficient)
        edges.append(value)
    pixels = [builder.fsub(edges[i + 1], edges[i]) for i in range(8)]
    if isinstance(kind, ir.FloatType):
        return pixels
    return [builder.fptrunc(pixel, ir.VectorType(_FLOAT, TERMS)) for pixel in pixels]


@intrinsic
def row_factors(typingctx, table, nodes, between, at, signs, out, to):
    """out[to + 8 j + r] = signs[r] times the integral of term r over pixel j, j, r = 0 ... 7.

    The edges of the pixels are at nodes[at : at + 9] and between[at : at + 9], see `place_edges`.
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
def column_factors(typingctx, table, nodes, between, at, out, to, step):
    """out[to + step r + i] = integral of term r over pixel i, r, i = 0 ... 7; edges as in `row_factors`."""
    signature = types.void(table, nodes, between, at, out, to, step)

    def generate(context, builder, signature, arguments):
        out = _data(context, builder, signature, arguments, 4)
        rows = _pixel_terms(context, builder, signature, arguments)
        picks = ([half + k // 2 + 8 * (k % 2) for k in range(8)] for half in (0, 4))
        low, high = (ir.Constant(ir.VectorType(_INT, 8), pick) for pick in picks)
        for _ in range(3):  # each perfect shuffle moves one bit of the place to the row
            rows = [builder.shuffle_vector(rows[i], rows[i + 4], p) for i in range(4) for p in (low, high)]
        place = arguments[5]
        for r in range(TERMS):
            _store(builder, rows[r], out, place)
            place = builder.add(place, arguments[6])
        return context.get_dummy_value()

    return signature, generate


def _shares_of_width(width):
    """Make the intrinsic for blocks of `width` = 8 or 16 pixels of a row."""

    @intrinsic
    def block_shares(typingctx, scratch, column, step, left, row, n_rows, bottom, radius, to):
        """scratch[to + width j + i] = share of pixel (j, i) of a block, in float32.

        It is sum_r scratch[row + 8 j + r] scratch[column + step r + i], but not below zero, and zero beyond
        the support. left, bottom: place of the block's corner from the kernel's centre, radius: of support,
        in pixels.
        """
        signature = types.void(scratch, column, step, left, row, n_rows, bottom, radius, to)

        def generate(context, builder, signature, arguments):
            scratch = _data(context, builder, signature, arguments, 0)
            _, column, step, left, first, n_rows, bottom, radius, to = arguments
            factors = []
            for _ in range(RANK):
                factors.append(_load(builder, _FLOAT, width, scratch, column))
                column = builder.add(column, step)
            across = _square_distance(builder, _places(builder, left, width))
            square = builder.fmul(radius, radius)
            with cgutils.for_range(builder, n_rows) as loop:
                j = loop.index
                row = builder.add(first, builder.mul(j, ir.Constant(j.type, TERMS)))
                terms = [builder.load(builder.gep(scratch, [_after(builder, row, r)])) for r in range(RANK)]
                up = _square_distance(builder, builder.fadd(builder.sitofp(j, _FLOAT), bottom))
                chord = _spread(builder, builder.fsub(square, up), width)
                terms = [_spread(builder, term, width) for term in terms]
                place = builder.add(to, builder.mul(j, ir.Constant(j.type, width)))
                _store(builder, _share(builder, factors, terms, across, chord), scratch, place)
            return context.get_dummy_value()

        return signature, generate

    return block_shares


def _places(builder, first, width):
    """The vector first, first + 1, ..."""
    lane = ir.Constant(ir.VectorType(_FLOAT, width), [float(i) for i in range(width)])
    return builder.fadd(lane, _spread(builder, first, width))


def _share(builder, factors, terms, across, chord):
    """Sum of products, zero where it is negative or the square distance `across` is not below `chord`."""
    zero = ir.Constant(across.type, [0.0] * across.type.count)
    inside = builder.fcmp_ordered("<", across, chord)
    return builder.select(inside, _larger(builder, _products(builder, factors, terms), zero), zero)


def _products(builder, factors, terms):
    """Sum of products of vectors."""
    total = builder.fmul(factors[0], terms[0])
    for factor, term in zip(factors[1:], terms[1:], strict=True):
        total = _multiply_add(builder, factor, term, total)
    return total


@intrinsic
def block_total(typingctx, shares, first, n_rows):
    """Sum of shares[first + i], i = 0 ... 16 n_rows - 1, as float64."""
    signature = types.float64(shares, first, n_rows)

    def generate(context, builder, signature, arguments):
        scratch = _data(context, builder, signature, arguments, 0)
        kind = ir.VectorType(_DOUBLE, LANES)
        total = cgutils.alloca_once_value(builder, ir.Constant(kind, [0.0] * LANES))
        with cgutils.for_range(builder, arguments[2]) as loop:
            i = builder.mul(loop.index, ir.Constant(loop.index.type, LANES))
            piece = _load(builder, _FLOAT, LANES, scratch, builder.add(arguments[1], i))
            builder.store(builder.fadd(builder.load(total), builder.fpext(piece, kind)), total)
        vector = builder.load(total)
        parts = [builder.extract_element(vector, ir.Constant(_INT, i)) for i in range(LANES)]
        while len(parts) > 1:
            parts = [builder.fadd(a, b) for a, b in zip(parts[::2], parts[1::2], strict=True)]
        return parts[0]

    return signature, generate


def _add(builder, shares, share, quantity, image, place):
    """Add quantity times a vector of shares from `share` on to the image from `place` on."""
    width = quantity.type.count
    share = builder.fpext(_load(builder, _FLOAT, width, shares, share), quantity.type)
    old = _load(builder, _DOUBLE, width, image, place)
    _store(builder, _multiply_add(builder, share, quantity, old), image, place)


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
                _add(builder, shares, share, quantity, image, builder.add(at, builder.mul(j, stride)))
            return context.get_dummy_value()

        return signature, generate

    return add_block


shares_8, shares_16 = _shares_of_width(8), _shares_of_width(LANES)
add_8, add_16 = _add_of_width(8), _add_of_width(LANES)
