# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, disable-error-code="call-arg"
"""Vector instructions for the deposit of smoothed cells: rows of sixteen floats, eight terms at once.

numba forms no vectors in loops this short, nor where a table is read at any place.
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


@intrinsic
def share_among_four(typingctx, table, side, corners, at, step):
    """Shares of the four pixels around each of eight corners, of kernels that lie inside the four.

    corners[at + i], corners[at + step + i]: place (s, t) of corner i = 0 ... 7 in units of H from the
    kernel's centre. Written from corners[at + 2 step] on, a step apart: shares of the pixels lower left,
    lower right, upper left and upper right of it, not below zero. table: `smoothing.corner_table`, flat, of
    `side` numbers along each axis.
    """
    signature = types.void(table, side, corners, at, step)

    def generate(context, builder, signature, arguments):
        table, corners = (_data(context, builder, signature, arguments, n) for n in (0, 2))
        width, step = arguments[1], arguments[4]
        places = [arguments[3]]
        for _ in range(5):
            places.append(builder.add(places[-1], step))
        s, t = (
            builder.fptrunc(_load(builder, _DOUBLE, 8, corners, place), ir.VectorType(_FLOAT, 8))
            for place in places[:2]
        )
        last = builder.trunc(_after(builder, width, -1), _INT)
        (column, dx), (row, dy) = (_interval(builder, edge, last) for edge in (s, t))
        width = _spread(builder, builder.trunc(width, _INT), 8)
        rim = builder.mul(width, _spread(builder, last, 8))
        node = builder.add(builder.mul(row, width), column)
        half, quarter = (ir.Constant(s.type, [x] * 8) for x in (0.5, 0.25))
        sides = []
        for edge, place, t_ in ((s, column, dx), (t, row, dy)):
            value = _smaller(builder, _between(builder, table, builder.add(rim, place), t_), quarter)
            sides.append(builder.fadd(half, _with_sign(builder, builder.fadd(value, value), edge)))
        left, below = sides
        low, high = (_between(builder, table, line, dx) for line in (node, builder.add(node, width)))
        quadrant = _multiply_add(builder, dy, builder.fsub(high, low), low)
        mean = builder.fmul(half, builder.fadd(left, below))
        both = _with_sign(builder, quadrant, builder.fmul(s, t))
        both = builder.fadd(builder.fsub(mean, quarter), both)
        left, below, both = (builder.fpext(x, ir.VectorType(_DOUBLE, 8)) for x in (left, below, both))
        one, zero = (ir.Constant(left.type, [x] * 8) for x in (1.0, 0.0))
        # the table is rounded, but none of the four is below zero, and all pixels beyond the kernel stay dark
        least = _larger(builder, builder.fsub(builder.fadd(left, below), one), zero)
        both = _smaller(builder, _larger(builder, both, least), _smaller(builder, left, below))
        right, above = builder.fsub(below, both), builder.fsub(left, both)
        rest = builder.fsub(builder.fsub(one, left), right)
        for share, place in zip((both, right, above, rest), places[2:], strict=True):
            _store(builder, share, corners, place)
        return context.get_dummy_value()

    return signature, generate


def _interval(builder, edge, last):
    """Interval of a table of [0, 1] that |edge| lies in, and its place between the ends; at most the last."""
    positive = builder.select(
        builder.fcmp_ordered("<", edge, ir.Constant(edge.type, [0.0] * 8)), builder.fneg(edge), edge
    )
    end = _spread(builder, builder.sitofp(last, _FLOAT), 8)
    place = builder.fmul(positive, end)
    place = _smaller(builder, place, end)
    node, most = builder.fptosi(place, ir.VectorType(_INT, 8)), _spread(builder, _after(builder, last, -1), 8)
    node = builder.select(builder.icmp_signed("<", node, most), node, most)
    return node, builder.fsub(place, builder.sitofp(node, edge.type))


def _between(builder, table, nodes, t):
    """Linear interpolation between table[node] and table[node + 1]."""
    pairs = ir.Constant(ir.VectorType(_DOUBLE, 8), ir.Undefined)
    for i in range(8):
        lane = ir.Constant(_INT, i)
        pointer = builder.gep(table, [builder.extract_element(nodes, lane)])
        pair = builder.load(builder.bitcast(pointer, _DOUBLE.as_pointer()), align=_ALIGN[_FLOAT])
        pairs = builder.insert_element(pairs, pair, lane)
    pairs = builder.bitcast(pairs, ir.VectorType(_FLOAT, 16))
    low, high = (
        builder.shuffle_vector(pairs, pairs, ir.Constant(ir.VectorType(_INT, 8), list(range(k, 16, 2))))
        for k in (0, 1)
    )
    return _multiply_add(builder, t, builder.fsub(high, low), low)


def _with_sign(builder, x, sign):
    """Return x, not below zero, with the sign of another."""
    is_negative = builder.fcmp_ordered("<", sign, ir.Constant(sign.type, [0.0] * sign.type.count))
    return builder.select(is_negative, builder.fneg(x), x)


@intrinsic
def prefetch_rows(typingctx, image, at, n_rows, stride):
    """Ask for the memory of n_rows rows of up to sixteen numbers from image[at] on, `stride` apart."""
    signature = types.void(image, at, n_rows, stride)

    def generate(context, builder, signature, arguments):
        image = _data(context, builder, signature, arguments, 0)
        pointer = ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [pointer, _INT, _INT, _INT])
        prefetch = builder.module.declare_intrinsic("llvm.prefetch", [pointer], kind)
        options = [ir.Constant(_INT, option) for option in (0, 2, 1)]  # to read, for the second cache, data
        with cgutils.for_range(builder, arguments[2]) as loop:
            place = builder.add(arguments[1], builder.mul(loop.index, arguments[3]))
            for shift in (0, 8):
                address = builder.gep(image, [_after(builder, place, shift)])
                builder.call(prefetch, [builder.bitcast(address, pointer), *options])
        return context.get_dummy_value()

    return signature, generate


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
        s = _smaller(builder, s, last)
        node = builder.fptosi(s, ir.VectorType(_INT, LANES))
        _store(builder, builder.fsub(s, builder.sitofp(node, kind)), between, arguments[5])
        line = builder.mul(node, ir.Constant(node.type, [ORDERS * TERMS] * LANES))
        _store(builder, line, nodes, arguments[5])
        return context.get_dummy_value()

    return signature, generate


def _smaller(builder, a, b):
    return builder.select(builder.fcmp_ordered("<", a, b), a, b)


def _larger(builder, a, b):
    return builder.select(builder.fcmp_ordered(">", a, b), a, b)


def _pixel_terms(context, builder, signature, arguments, width):
    """Integrals of the terms over `width` pixels, vectors of floats, from the places of their edges."""
    table, nodes, between = (_data(context, builder, signature, arguments, n) for n in range(3))
    kind = context.get_data_type(signature.args[0].dtype)
    edges = []
    for i in range(width + 1):
        place = _after(builder, arguments[3], i)
        line = builder.load(builder.gep(nodes, [place]))
        t = _spread(builder, builder.load(builder.gep(between, [place])), TERMS)
        value = None
        for order in reversed(range(ORDERS)):
            coefficient = _load(builder, kind, TERMS, table, _after(builder, line, TERMS * order))
            value = coefficient if value is None else _multiply_add(builder, value, t, coefficient)
        edges.append(value)
    pixels = [builder.fsub(edges[i + 1], edges[i]) for i in range(width)]
    if isinstance(kind, ir.FloatType):
        return pixels
    return [builder.fptrunc(pixel, ir.VectorType(_FLOAT, TERMS)) for pixel in pixels]


def _row_factors_of_width(width):
    """Make the intrinsic for `width` = 4 or 8 rows."""

    @intrinsic
    def row_factors(typingctx, table, nodes, between, at, signs, bottom, radius, out, to):
        """out[to + 8 j + r] = signs[r] times the integral of term r over pixel j, j = 0 ... width - 1.

        The edges of the pixels are at nodes[at : at + width + 1] and in `between`, see `place_edges`. In
        place of the last term comes the square of half the chord of the kernel along the row. bottom: place
        of the first row from the kernel's centre, radius: of support, in pixels.
        """
        signature = types.void(table, nodes, between, at, signs, bottom, radius, out, to)

        def generate(context, builder, signature, arguments):
            signs, out = (_data(context, builder, signature, arguments, n) for n in (4, 7))
            signs = _load(builder, _FLOAT, TERMS, signs, _ZERO)
            up = _square_distance(builder, _places(builder, arguments[5], width))
            square = builder.fmul(arguments[6], arguments[6])
            chords = builder.fsub(_spread(builder, square, width), up)
            for j, factors in enumerate(_pixel_terms(context, builder, signature, arguments, width)):
                chord = builder.extract_element(chords, ir.Constant(_INT, j))
                row = builder.insert_element(builder.fmul(factors, signs), chord, ir.Constant(_INT, RANK))
                _store(builder, row, out, _after(builder, arguments[8], TERMS * j))
            return context.get_dummy_value()

        return signature, generate

    return row_factors


def _column_factors_of_width(width):
    """Make the intrinsic for `width` = 4 or 8 columns."""

    @intrinsic
    def column_factors(typingctx, table, nodes, between, at, out, to, step):
        """out[to + step r + i] = integral of term r over pixel i, i = 0 ... width - 1; see `row_factors`.

        `step` is no less than width, and width if that is below 8.
        """
        signature = types.void(table, nodes, between, at, out, to, step)

        def generate(context, builder, signature, arguments):
            out = _data(context, builder, signature, arguments, 4)
            rows = _pixel_terms(context, builder, signature, arguments, width)
            picks = ([half + k // 2 + 8 * (k % 2) for k in range(8)] for half in (0, 4))
            low, high = (ir.Constant(ir.VectorType(_INT, 8), pick) for pick in picks)
            half = width // 2
            for _ in range(width.bit_length() - 1):  # a perfect shuffle moves one bit of the place to the row
                pairs = [(rows[i], rows[i + half]) for i in range(half)]
                rows = [builder.shuffle_vector(*pair, pick) for pair in pairs for pick in (low, high)]
            place = arguments[5]
            step = builder.mul(arguments[6], ir.Constant(arguments[6].type, TERMS // width))
            for row in rows:
                _store(builder, row, out, place)
                place = builder.add(place, step)
            return context.get_dummy_value()

        return signature, generate

    return column_factors


def _shares_of_width(width):
    """Make the intrinsic for blocks of `width` = 4, 8 or 16 pixels of a row."""

    @intrinsic
    def block_shares(typingctx, scratch, column, step, left, row, n_rows, to):
        """scratch[to + width j + i] = share of pixel (j, i) of a block, in float32.

        It is sum_r scratch[row + 8 j + r] scratch[column + step r + i], r = 0 ... 6, but not below zero, and
        zero beyond the chord, see `row_factors`. left: place of the first column from the kernel's centre,
        in pixels.
        """
        signature = types.void(scratch, column, step, left, row, n_rows, to)

        def generate(context, builder, signature, arguments):
            scratch = _data(context, builder, signature, arguments, 0)
            _, column, step, left, first, n_rows, to = arguments
            factors = []
            for _ in range(RANK):
                factors.append(_load(builder, _FLOAT, width, scratch, column))
                column = builder.add(column, step)
            across = _square_distance(builder, _places(builder, left, width))
            with cgutils.for_range(builder, n_rows) as loop:
                j = loop.index
                row = builder.add(first, builder.mul(j, ir.Constant(j.type, TERMS)))
                terms = [builder.load(builder.gep(scratch, [_after(builder, row, r)])) for r in range(RANK)]
                chord = builder.load(builder.gep(scratch, [_after(builder, row, RANK)]))
                chord = _spread(builder, chord, width)
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
    """Squares of the distances from zero to the intervals [edge, edge + 1]."""
    zero, minus_one = (ir.Constant(edge.type, [x] * edge.type.count) for x in (0.0, -1.0))
    beyond = builder.fsub(minus_one, edge)
    nearest = _larger(builder, _larger(builder, edge, beyond), zero)
    return builder.fmul(nearest, nearest)


def _add_of_width(width):
    """Make the intrinsic for blocks of `width` = 4, 8 or 16 pixels of a row."""

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


row_factors_4, row_factors_8 = _row_factors_of_width(4), _row_factors_of_width(8)
column_factors_4, column_factors_8 = _column_factors_of_width(4), _column_factors_of_width(8)
shares_4, shares_8, shares_16 = _shares_of_width(4), _shares_of_width(8), _shares_of_width(LANES)
add_4, add_8, add_16 = _add_of_width(4), _add_of_width(8), _add_of_width(LANES)
