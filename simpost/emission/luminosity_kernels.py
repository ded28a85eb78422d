# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls
"""Kernel that turns cells into line luminosities by multilinear interpolation of an averaged table."""

from __future__ import annotations

import math

import numpy as np

from simpost.core.compile import kernel

SMALLEST = 1e-99  # stands for zero under a logarithm

# bits of a cell's flags: 2 a and 2 a + 1 below and above axis a (n, Z, G0, N), then these
MACH_HIGH, NO_DENSITY, NO_METALS, DARK = 256, 512, 1024, 2048


@kernel
def _locate(nodes, x):
    """Lower node, weight of the upper one, and the distance beyond the ends (negative below)."""
    last = nodes.size - 1
    if x <= nodes[0]:
        return 0, 0.0, x - nodes[0]
    if x >= nodes[last]:
        return last - 1, 1.0, x - nodes[last]
    i = min(int((x - nodes[0]) / (nodes[last] - nodes[0]) * last), last - 1)
    # the guess is right, or one off by rounding, where the nodes are equally spaced
    while x < nodes[i]:
        i -= 1
    while x >= nodes[i + 1]:
        i += 1
    return i, (x - nodes[i]) / (nodes[i + 1] - nodes[i]), 0.0


@kernel
def _mach_position(log_mach, mach):
    """Lower entry of the table's last axis, weight of the upper one, whether below the first node, above."""
    first = 10.0 ** log_mach[0]
    if mach < first:
        return 0, (mach / first) ** 2, True, False
    i, weight, beyond = _locate(log_mach, math.log10(mach))
    return i + 1, weight, False, beyond > 0.0


@kernel
def _blend(table, variant, low, weight, m, upper):
    """Multilinear value over the first four axes, at entries `m` and `upper` of the last one."""
    value, value_upper = 0.0, 0.0
    for a in range(2):
        share_a = weight[0] if a else 1.0 - weight[0]
        for b in range(2):
            share_b = share_a * (weight[1] if b else 1.0 - weight[1])
            for c in range(2):
                share_c = share_b * (weight[2] if c else 1.0 - weight[2])
                for d in range(2):
                    share = share_c * (weight[3] if d else 1.0 - weight[3])
                    near = table[variant, low[0] + a, low[1] + b, low[2] + c, low[3] + d]
                    value += share * near[m]
                    value_upper += share * near[upper]
    return value, value_upper


@kernel
def interpolate_cells(
    table, outside_table, log_n, log_z, log_g0, log_column, log_mach, slopes,
    n_H, z_solar, g0, column, mach, variant, dark, log_l, outside, flags,
):  # fmt: skip
    """Fill log10 l, the share from beyond the grid and the flags of every cell.

    table, outside_table (variant, n, Z, G0, N, 1 + Mach): log10 l [erg/s per H] and shares in 1/255;
    log_*: node positions; slopes (4, 2): d log l beyond the ends of the first four axes.
    Cells, all (cells,): n_H [cm^-3], z_solar, g0 [Habing], column [cm^-2], mach; variant int64 index,
    dark bool. Filled, (cells,): log_l (-inf without emission), outside [0-1], flags int64 bits.
    """
    low = np.empty(4, np.int64)
    weight = np.empty(4)
    x = np.empty(4)
    for cell in range(n_H.size):
        log_l[cell], outside[cell], flags[cell] = -math.inf, 0.0, 0
        if n_H[cell] <= 0.0:
            flags[cell] |= NO_DENSITY
        if z_solar[cell] <= 0.0:
            flags[cell] |= NO_METALS
        if dark[cell]:
            flags[cell] |= DARK
        if flags[cell] != 0:
            continue
        x[0], x[1] = math.log10(n_H[cell]), math.log10(z_solar[cell])
        x[2], x[3] = math.log10(max(g0[cell], SMALLEST)), math.log10(max(column[cell], SMALLEST))
        extrapolated = 0.0
        for axis in range(4):
            nodes = (log_n, log_z, log_g0, log_column)[axis]
            low[axis], weight[axis], beyond = _locate(nodes, x[axis])
            if beyond < 0.0:
                flags[cell] |= 1 << (2 * axis)
                extrapolated += slopes[axis, 0] * beyond
            elif beyond > 0.0:
                flags[cell] |= 2 << (2 * axis)
                extrapolated += slopes[axis, 1] * beyond
        m, weight_m, linear = 0, 0.0, False
        if log_mach.size > 0:
            m, weight_m, linear, above = _mach_position(log_mach, mach[cell])
            if above:
                flags[cell] |= MACH_HIGH
        upper = m + 1 if weight_m > 0.0 else m
        v = variant[cell]
        value, value_upper = _blend(table, v, low, weight, m, upper)
        if linear:
            value += math.log10(1.0 - weight_m + weight_m * 10.0 ** (value_upper - value))
        else:
            value += weight_m * (value_upper - value)
        log_l[cell] = value + extrapolated
        for axis in range(4):
            low[axis] += int(weight[axis] > 0.5)
        nearest = upper if weight_m > 0.5 else m
        outside[cell] = outside_table[v, low[0], low[1], low[2], low[3], nearest] / 255.0
