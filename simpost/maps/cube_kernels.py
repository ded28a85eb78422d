# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, disable-error-code="call-arg"
"""Kernels of position-position-velocity cubes: channel shares of lines, and leaves put into a cube.

A line is a Gaussian cut at LIMIT sigma and renormalised. Its share of a channel is the difference of the
cumulative distribution at the channel's two edges, so that the shares of all channels add up to one by
construction. The cumulative distribution is a polynomial, and eight channels are done at once: numba does
not form vectors in loops of so few channels, hence the intrinsics.
"""

from __future__ import annotations

import math

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from simpost.core.compile import kernel

LIMIT = 5.0  # sigma at which a line is cut: 6e-7 of a Gaussian lie beyond
LANES = 8  # float64 values of a vector, and of a cache line
# Cumulative distribution of the cut line, minus 1/2: x sum_k TERMS[k] u^k with u = 2 (x/LIMIT)^2 - 1, x in
# sigma. Chebyshev interpolation of erf scaled to 1/2 at the cut: good to 2e-8, and rising everywhere.
TERMS = (
    0.14136388295960903, -0.07029690870942723, 0.05151932218904971, -0.04042440153095407,
    0.03145495790452254, -0.023428366722826152, 0.01636699103451292, -0.010569217433703778,
    0.0063925926604474805, -0.0037567710526756107, 0.0019229929638032407, -0.0006928517608886141,
    0.00033657204461702534, -0.0003027317900224324, 0.0001139372439359084,
)  # fmt: skip

_DOUBLE, _INT = ir.DoubleType(), ir.IntType(32)
_EIGHT = ir.VectorType(_DOUBLE, LANES)


def _splat(builder, x):
    """A vector of copies of a number."""
    one = builder.insert_element(ir.Constant(_EIGHT, ir.Undefined), x, ir.Constant(_INT, 0))
    return builder.shuffle_vector(one, one, ir.Constant(ir.VectorType(_INT, LANES), [0] * LANES))


def _constant(numbers):
    return ir.Constant(_EIGHT, [ir.Constant(_DOUBLE, float(number)) for number in numbers])


def _times_plus(builder, a, b, c):
    """Product a b + c, rounded once."""
    product = builder.fmul(a, b, flags=("contract",))
    return builder.fadd(product, c, flags=("contract",))


def _clip(builder, x):
    """The vector x, between -LIMIT and LIMIT."""
    for order, limit in (("<", LIMIT), (">", -LIMIT)):
        bound = _constant([limit] * LANES)
        x = builder.select(builder.fcmp_ordered(order, x, bound), x, bound)
    return x


def _address(context, builder, kind, array, at):
    """Where the vector that starts at item `at` of an array lies."""
    data = context.make_array(kind)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [at]), _EIGHT.as_pointer())


@intrinsic
def _eight_shares(typingctx, profile, at, edge, step, below):
    """profile[at : at + 8] = shares of eight channels; returns the cumulative distribution at their end.

    edge: lower edge of the first channel [sigma from the line's centre]; step: channel width [sigma];
    below: cumulative distribution, minus 1/2, at `edge`.
    """
    signature = types.float64(profile, at, edge, step, below)

    def generate(context, builder, signature, arguments):
        profile, at, edge, step, below = arguments
        upper = _constant(range(1, LANES + 1))
        x = _clip(builder, _times_plus(builder, upper, _splat(builder, step), _splat(builder, edge)))
        square = builder.fmul(x, x)
        variable = _times_plus(
            builder, square, _constant([2.0 / LIMIT**2] * LANES), _constant([-1.0] * LANES)
        )
        value = _constant([TERMS[-1]] * LANES)
        for term in TERMS[-2::-1]:
            value = _times_plus(builder, value, variable, _constant([term] * LANES))
        above = builder.fmul(value, x)
        first = _splat(builder, below)
        order = ir.Constant(ir.VectorType(_INT, LANES), [LANES - 1, *range(LANES, 2 * LANES - 1)])
        lower = builder.shuffle_vector(first, above, order)
        place = _address(context, builder, signature.args[0], profile, at)
        builder.store(builder.fsub(above, lower), place, align=8)
        return builder.extract_element(above, ir.Constant(_INT, LANES - 1))

    return signature, generate


@intrinsic
def _add_eight(typingctx, cube, at, profile, channel, value):
    """cube[at : at + 8] += value * profile[channel : channel + 8], of flat arrays."""
    signature = types.void(cube, at, profile, channel, value)

    def generate(context, builder, signature, arguments):
        cube, at, profile, channel, value = arguments
        shares = builder.load(_address(context, builder, signature.args[2], profile, channel), align=8)
        place = _address(context, builder, signature.args[0], cube, at)
        added = _times_plus(builder, shares, _splat(builder, value), builder.load(place, align=8))
        builder.store(added, place, align=8)
        return context.get_dummy_value()

    return signature, generate


@kernel(fused=True)
def _cumulative(x):
    """Cumulative distribution of the cut line, minus 1/2, at x sigma from its centre."""
    x = min(max(x, -LIMIT), LIMIT)
    variable = x * x * (2.0 / LIMIT**2) - 1.0
    value = 0.0
    for term in range(len(TERMS) - 1, -1, -1):
        value = value * variable + TERMS[term]
    return value * x


@kernel(fused=True)
def _line(centre, sigma, n_channels, profile):
    """Write a line's channel shares to `profile`; returns first channel, end, and share outside the band.

    centre, sigma [channels], from the lower edge of the band; profile: (n,) float64. Whole blocks of LANES
    channels are written from the first one, a multiple of LANES; beyond the band they hold anything.
    """
    low, high = centre - LIMIT * sigma, centre + LIMIT * sigma
    if high <= 0.0 or low >= n_channels:
        return 0, 0, 1.0
    per_sigma = 1.0 / sigma
    first = int(max(low, 0.0)) // LANES * LANES
    stop = min(math.ceil(high), n_channels)
    below = -0.5 if low >= 0.0 else _cumulative(-centre * per_sigma)
    for channel in range(first, stop, LANES):
        edge = (channel - centre) * per_sigma
        below = _eight_shares(profile, channel, edge, per_sigma, below)
    if low >= 0.0 and high <= n_channels:
        return first, stop, 0.0
    outside = 1.0 - _cumulative((n_channels - centre) * per_sigma)
    outside += _cumulative(-centre * per_sigma)
    return first, stop, max(outside, 0.0)


@kernel
def add_lines(
    start, pixels, shares, luminosity, velocity, dispersion, lowest, width, narrowest, n_channels,
    first_row, end_row, cube, outside,
):  # fmt: skip
    """Add the lines of cells to the channels of the pixels of their footprints.

    Parameters
    ----------
    start : (n + 1,) int64
        Where the footprint of each cell begins among `pixels` and `shares`.
    pixels, shares : (m,) int64, (m,) float64
        Pixels j nx + i of the footprints, rising within a cell, and the share of the cell in each.
    luminosity, velocity, dispersion, lowest, width, narrowest, n_channels : As of `add_leaf_lines`.
    first_row, end_row, cube, outside : As of `add_leaf_lines`.
    """
    nx, stride = cube.shape[1:]
    pencils, beside = cube.reshape(-1), outside.reshape(-1)
    profile = np.empty(stride)
    per_width = 1.0 / width
    low, high = first_row * nx, end_row * nx
    for n in range(luminosity.size):
        at, end = start[n], start[n + 1]
        while at < end and pixels[at] < low:
            at += 1
        if at == end or pixels[at] >= high or luminosity[n] == 0.0:
            continue
        centre, sigma = (velocity[n] - lowest) * per_width, max(dispersion[n] * per_width, narrowest)
        first, stop, missed = _line(centre, sigma, n_channels, profile)
        while at < end and pixels[at] < high:
            value, pencil = luminosity[n] * shares[at], pixels[at] * stride
            for channel in range(first, stop, LANES):
                _add_eight(pencils, pencil + channel, profile, channel, value)
            if missed > 0.0:
                beside[pixels[at]] += value * missed
            at += 1


@kernel
def add_leaf_lines(
    x, y, depth, size, luminosity, velocity, dispersion, half_width, half_depth, pixel,
    lowest, width, narrowest, n_channels, first_row, end_row, cube, outside,
):  # fmt: skip
    """Add every leaf's line to the channels of the pixels that its square overlaps.

    Parameters
    ----------
    x, y, depth : (n,) float64
        Leaf centres [kpc]; the window is [-half_width, half_width] on both axes, the slab
        [-half_depth, half_depth].
    size : (n,) float64
        Leaf sides [kpc], positive.
    luminosity : (n,) float64
        Of the leaves, any unit.
    velocity, dispersion : (n,) float64
        Line centres and one-dimensional dispersions [km/s].
    half_width, half_depth, pixel : float64
        Half the window's side and the slab's thickness, and the pixel's side [kpc].
    lowest, width : float64
        Lower edge of the band and width of a channel [km/s].
    narrowest : float64
        Least dispersion of a line [channels].
    n_channels : int
        Channels of the band.
    first_row, end_row : int
        Only these rows of pixels are added to, so that threads may share a cube.
    cube : (ny, nx, m) float64
        Added to in place: luminosity per pixel and channel. m is n_channels or more and a multiple of LANES;
        channels beyond the band hold anything.
    outside : (ny, nx) float64
        Added to in place: luminosity per pixel outside the band.
    """
    nx, stride = cube.shape[1:]
    pencils = cube.reshape(-1)
    profile = np.empty(stride)
    per_pixel, per_width = 1.0 / pixel, 1.0 / width
    for n in range(x.size):
        half = 0.5 * size[n]
        bottom = (y[n] - half + half_width) * per_pixel
        top = (y[n] + half + half_width) * per_pixel
        left = (x[n] - half + half_width) * per_pixel
        right = (x[n] + half + half_width) * per_pixel
        thick = min(depth[n] + half, half_depth) - max(depth[n] - half, -half_depth)
        if top <= first_row or bottom >= end_row or right <= 0.0 or left >= nx or thick <= 0.0:
            continue
        if luminosity[n] == 0.0:
            continue
        # the last pixel is ceil - 1: a leaf that ends on a pixel edge does not touch the next pixel
        i_first, j_first = math.floor(left), math.floor(bottom)
        i_last, j_last = max(math.ceil(right) - 1, i_first), max(math.ceil(top) - 1, j_first)
        centre, sigma = (velocity[n] - lowest) * per_width, max(dispersion[n] * per_width, narrowest)
        first, stop, missed = _line(centre, sigma, n_channels, profile)
        whole = luminosity[n] * min(thick / size[n], 1.0)
        if i_first == i_last and j_first == j_last:
            pencil = (j_first * nx + i_first) * stride
            for channel in range(first, stop, LANES):
                _add_eight(pencils, pencil + channel, profile, channel, whole)
            if missed > 0.0:
                outside[j_first, i_first] += whole * missed
            continue
        per_area = 1.0 / ((right - left) * (top - bottom))
        for j in range(max(j_first, first_row), min(j_last + 1, end_row)):
            height = (min(top, j + 1.0) - max(bottom, j)) * per_area
            for i in range(max(i_first, 0), min(i_last + 1, nx)):
                value = whole * height * (min(right, i + 1.0) - max(left, i))
                pencil = (j * nx + i) * stride
                for channel in range(first, stop, LANES):
                    _add_eight(pencils, pencil + channel, profile, channel, value)
                if missed > 0.0:
                    outside[j, i] += value * missed


@kernel
def pencils_to_planes(cube, scale, planes, sums, first_row, end_row):
    """Write rows of a cube with velocity fastest in the order of FITS, and their sums over the channels.

    Parameters
    ----------
    cube : (ny, nx, m) float64
        See `add_leaf_lines`.
    scale : float64
        Factor of `planes`, not of `sums`.
    first_row, end_row : int
        Only these rows of pixels are written.
    planes : (n_channels, ny, nx) float64
        Filled.
    sums : (ny, nx) float64
        Filled: sum of every pixel over the channels.
    """
    nx = cube.shape[1]
    for j in range(first_row, end_row):
        for i in range(nx):
            total = 0.0
            for channel in range(planes.shape[0]):
                total += cube[j, i, channel]
            sums[j, i] = total
        for channel in range(planes.shape[0]):  # LANES in turn read the same cache lines
            for i in range(nx):
                planes[channel, j, i] = scale * cube[j, i, channel]
