# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, disable-error-code="call-arg"
"""Kernel that looks cells up in a table of log2 emission: multilinear, both spectra at once.

Cells go through in blocks, each step a loop of its own that the compiler vectorises: logarithms by the bits
of a float32 and a polynomial (5e-8), lower node and weight per axis, the blend of the corners, powers of two
the same way (1e-7). The table repeats each node of the next-to-last axis beside the one before it, so that
four corners of both variants are one load of eight floats; numba forms no such vectors, hence the intrinsics.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from simpost.core.compile import kernel

BLOCK = 512
LOG, WIDTH = 0, 1  # an axis' position is log2 x, or [ln(1 + x^2)]^(1/2)

ZERO, HALF, ONE = np.float32(0.0), np.float32(0.5), np.float32(1.0)
LN2 = np.float32(0.6931471805599453)
SMALL = np.float32(0.25)
SQRT_HALF = np.int32(0x3F3504F3)  # bits of 2^-1/2: mantissas are taken from 2^-1/2 to 2^1/2
SHIFT, BIAS = np.int32(23), np.int32(127)
LOWEST, HIGHEST = np.float32(-126.0), np.float32(127.0)  # exponents of normal floats
# minimax: log2(1 + u)/u for |u| up to 2^1/2 - 1, and 2^f for |f| up to 1/2
L0, L1, L2, L3, L4, L5, L6, L7 = (
    np.float32(x)
    for x in (
        1.4426947832107544, -0.7213571667671204, 0.48093944787979126, -0.36008718609809875,
        0.2867075502872467, -0.2500692903995514, 0.2368897795677185, -0.14574295282363892,
    )
)  # fmt: skip
E0, E1, E2, E3, E4, E5 = (
    np.float32(x)
    for x in (
        1.0000001192092896, 0.6931469440460205, 0.24022120237350464,
        0.05550713464617729, 0.009675540961325169, 0.0013276466634124517,
    )
)  # fmt: skip

LINE = 8  # float64 values of a cache line

_FLOAT, _INT, _BYTE = ir.FloatType(), ir.IntType(32), ir.IntType(8)


def _fetch(builder, pointer):
    """Ask for the cache line at an address that is needed soon."""
    kind = ir.FunctionType(ir.VoidType(), [_BYTE.as_pointer(), _INT, _INT, _INT])
    function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
    reading, keep, data = (ir.Constant(_INT, x) for x in (0, 3, 1))
    builder.call(function, [builder.bitcast(pointer, _BYTE.as_pointer()), reading, keep, data])


@intrinsic
def _prefetch(typingctx, array, i):
    """Fetch array[i], which may lie beyond the end."""

    def generate(context, builder, signature, arguments):
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        _fetch(builder, builder.gep(data, [arguments[1]]))
        return context.get_dummy_value()

    return types.void(array, i), generate


def _vector(builder, base, offset, width):
    """Load `width` adjacent floats."""
    kind = ir.VectorType(_FLOAT, width)
    return builder.load(builder.bitcast(builder.gep(base, [offset]), kind.as_pointer()), align=4)


def _spread(builder, x, width):
    """A vector of `width` copies of a float."""
    one = builder.insert_element(
        ir.Constant(ir.VectorType(_FLOAT, width), ir.Undefined), x, ir.Constant(_INT, 0)
    )
    return builder.shuffle_vector(one, one, ir.Constant(ir.VectorType(_INT, width), [0] * width))


def _halves(builder, vector, width):
    """The lower and the upper `width` floats of a vector."""
    numbers = list(range(2 * width))
    for pick in (numbers[:width], numbers[width:]):
        yield builder.shuffle_vector(vector, vector, ir.Constant(ir.VectorType(_INT, width), pick))


def _mix(builder, low, high, weight):
    """Low + weight (high - low), as one fused step."""
    rise = builder.fsub(high, low, flags=("contract",))
    return builder.fadd(low, builder.fmul(rise, weight, flags=("contract",)), flags=("contract",))


@intrinsic
def _blend(typingctx, table, at, strides, weights, beyond, cell, result):
    """result[2 cell : 2 cell + 2] = multilinear value of both variants + beyond[cell].

    table (any,) float32, at every node of the last axis the two corners along the next-to-last, of two
    variants each; at: index of the lowest corner; strides: tuple, floats from node to node of all axes but
    the last two; weights (axes, block) float32 of the upper nodes.
    """
    n_leading = len(strides)
    signature = types.void(table, at, strides, weights, beyond, cell, result)

    def generate(context, builder, signature, arguments):
        table, at, strides, weights, beyond, cell, result = arguments
        base = context.make_array(signature.args[0])(context, builder, table).data
        weights = context.make_array(signature.args[3])(context, builder, weights)
        block = builder.extract_value(weights.shape, 1)
        index = at.type

        def weight(axis, width):
            place = builder.add(builder.mul(block, ir.Constant(index, axis)), cell)
            return _spread(builder, builder.load(builder.gep(weights.data, [place])), width)

        def corner(axis, place):
            """Blend of everything along `axis` and later leading ones, from the corner at `place`."""
            if axis == n_leading:
                return _vector(builder, base, place, 8)
            upper = builder.add(place, builder.extract_value(strides, axis))
            return _mix(builder, corner(axis + 1, place), corner(axis + 1, upper), leading[axis])

        leading = [weight(axis, 8) for axis in range(n_leading)]
        four = _mix(builder, *_halves(builder, corner(0, at), 4), weight(n_leading + 1, 4))
        two = _mix(builder, *_halves(builder, four, 2), weight(n_leading, 2))
        shift = context.make_array(signature.args[4])(context, builder, beyond).data
        two = builder.fadd(two, _spread(builder, builder.load(builder.gep(shift, [cell])), 2))
        out = context.make_array(signature.args[6])(context, builder, result).data
        place = builder.gep(out, [builder.shl(cell, ir.Constant(index, 1))])
        builder.store(two, builder.bitcast(place, two.type.as_pointer()), align=4)
        return context.get_dummy_value()

    return signature, generate


@kernel(fused=True)
def _log2(x, bits, mantissa, result):
    """Result = log2 x; bits and mantissa are two views of one scratch array."""
    for i in range(x.size):
        mantissa[i] = np.float32(x[i])
    for i in range(x.size):
        exponent = np.int32(np.int32(bits[i] - SQRT_HALF) >> SHIFT)
        result[i] = np.float32(exponent)
        bits[i] = np.int32(bits[i] - np.int32(exponent << SHIFT))
    for i in range(x.size):
        u = mantissa[i] - ONE
        p = ((((((L7 * u + L6) * u + L5) * u + L4) * u + L3) * u + L2) * u + L1) * u + L0
        result[i] = result[i] + u * p


@kernel(fused=True)
def _width(x, factor, bits, mantissa, result):
    """Result = [ln(1 + (factor x)^2)]^(1/2)."""
    for i in range(x.size):
        b_mach = np.float32(x[i]) * factor
        result[i] = ONE + b_mach * b_mach
    _log2(result, bits, mantissa, result)
    for i in range(x.size):  # 1 + u loses the digits of a small u
        b_mach = np.float32(x[i]) * factor
        u = b_mach * b_mach
        p = ((((((L7 * u + L6) * u + L5) * u + L4) * u + L3) * u + L2) * u + L1) * u + L0
        log2 = u * p if u < SMALL else result[i]
        result[i] = np.sqrt(log2 * LN2)


@kernel(fused=True)
def _place(position, first, per_step, last, stride, below, above, lower, weight, at, beyond):
    """Lower node and weight of the upper one; what they add to the index `at` and the policy to `beyond`."""
    for i in range(position.size):
        p = (position[i] - first) * per_step
        q = p if p > ZERO else ZERO
        q = q if q < last else last
        node = np.int32(q)
        lower[i] = node
        weight[i] = q - np.float32(node)
        at[i] = np.int32(at[i] + np.int32(node * stride))
        outside = p - q
        beyond[i] += outside * (below if outside < ZERO else above)


@kernel
def _nearest(lower, weights, strides, marks, marked):
    """Marked (cells, 2) = marks of both variants at the nearest node.

    lower int32, weights (axes, block): lower nodes and weights of the upper; strides (axes,): of the marks.
    """
    for i in range(marked.shape[0]):
        index = np.int64(0)
        for axis in range(strides.size):
            index += (np.int64(lower[axis, i]) + np.int64(weights[axis, i] > HALF)) * strides[axis]
        marked[i, 0], marked[i, 1] = marks[index], marks[index + 1]


@kernel(fused=True)
def _exp2(x, bits, power):
    """X = 2^x in place; bits and power are two views of one scratch array."""
    for i in range(x.size):
        y = x[i]
        y = y if y > LOWEST else LOWEST
        y = y if y < HIGHEST else HIGHEST
        whole = np.floor(y + HALF)
        f = y - whole
        bits[i] = np.int32(np.int32(np.int32(whole) + BIAS) << SHIFT)
        x[i] = ((((E5 * f + E4) * f + E3) * f + E2) * f + E1) * f + E0
    for i in range(x.size):
        x[i] = x[i] * power[i]


@kernel(fused=True)
def look_up(
    table, leading, columns, kinds, factors, first, per_step, last, slopes, strides, marks, result, marked
):  # fmt: skip
    """Emission of both variants for every cell, and the marks of the nearest node.

    table (any,) float32: log2 of the emission; axes in order, the next-to-last one node shorter, then that
    axis' two corners (2) and the variant (2); leading: tuple of int64, floats from node to node of all axes
    but the last two. Per axis: columns, tuple of float64 (cells,) arrays, finite and above zero (a `WIDTH`
    column may be zero); kinds `LOG` or `WIDTH`; factors, float32, of a `WIDTH` column; first, per_step, last,
    float32: first node, nodes per unit of position, the largest float32 below the number of the last node;
    slopes (axes, 2) float32: change of the log2 per step beyond the first and the last node; strides
    (axes, 2) int64, of table and marks. marks (any,) uint8: axes in order, then the variant (2), or empty.
    Filled: result (cells, 2) float32, clamped to 2^-126 and 2^127; marked (cells, 2) uint8, unless empty.
    """
    n_cells, n_axes = columns[0].size, len(columns)
    scratch = np.empty(2 * BLOCK, np.int32)
    floats = scratch.view(np.float32)
    position = np.empty(BLOCK, np.float32)
    weights = np.empty((n_axes, BLOCK), np.float32)
    lower = np.empty((n_axes, BLOCK), np.int32)
    at = np.empty(BLOCK, np.int32)
    beyond = np.empty(BLOCK, np.float32)
    emission = result.ravel()  # cell by cell, two variants each
    for start in range(0, n_cells, BLOCK):
        stop = min(n_cells, start + BLOCK)
        size = stop - start
        at[:] = 0
        beyond[:] = ZERO
        for axis in range(n_axes):
            cells = columns[axis][start:stop]
            here = position[:size]
            if kinds[axis] == LOG:
                _log2(cells, scratch, floats, here)
            else:
                _width(cells, factors[axis], scratch, floats, here)
            _place(
                here, first[axis], per_step[axis], last[axis], np.int32(strides[axis, 0]),
                slopes[axis, 0], slopes[axis, 1], lower[axis], weights[axis], at, beyond,
            )  # fmt: skip
        # a block of float64 is a page, where the hardware's own prefetching starts anew
        values = emission[2 * start : 2 * stop]
        for line in range(0, size, LINE):
            for axis in range(n_axes):
                _prefetch(columns[axis], np.int64(stop + line))
            _prefetch(emission, np.int64(2 * (stop + line)))
            for i in range(line, min(line + LINE, size)):
                _blend(table, np.int64(at[i]), leading, weights, beyond, np.int64(i), values)
        if marks.size > 0:
            _nearest(lower, weights, strides[:, 1], marks, marked[start:stop])
        _exp2(values, scratch, floats)
