"""Kernels of the starlight field: an octree over the stars and its sum over cells.

The tree is stored depth first: a node holds the sorted stars start:stop, its first child (if any)
follows it, and `after` is the node beyond its subtree.
"""

from __future__ import annotations

import numpy as np

from simpost.core.compile import kernel

_TOP_SHIFT = 60  # the highest octant digit of a 63-bit Morton key


@kernel
def build_tree(keys, bucket, start, stop, after):
    """Split sorted Morton `keys` (s,) into octants of at most `bucket` stars; return how many nodes.

    start, stop, after: int64 arrays (2 s) to fill.
    """
    nodes, top = 0, 1
    low, high = np.empty(256, dtype=np.int64), np.empty(256, dtype=np.int64)  # octants to do: 7 a level
    low[0], high[0] = 0, keys.shape[0]
    while top > 0:
        top -= 1
        first, last = low[top], high[top]
        start[nodes], stop[nodes] = first, last
        nodes += 1
        shift = _TOP_SHIFT  # down to the first digit that tells these stars apart
        while shift >= 0 and keys[first] >> shift == keys[last - 1] >> shift:
            shift -= 3
        if last - first <= bucket or shift < 0:
            continue
        end = last
        while end > first:  # the last octant first, so that the first is done next
            begin = end - 1
            while begin > first and keys[begin - 1] >> shift == keys[end - 1] >> shift:
                begin -= 1
            low[top], high[top] = begin, end
            top += 1
            end = begin
    for node in range(nodes - 1, -1, -1):
        following = node + 1
        while following < nodes and start[following] < stop[node]:
            following = after[following]
        after[node] = following
    return nodes


@kernel
def node_moments(start, stop, position, luminosity, softening, centre, scalars, quadrupole):
    """Fill the moments of every node.

    position (s, 3) and softening (s,) [kpc], luminosity (s,) > 0. centre (nodes, 3): of light.
    scalars (nodes, 5): luminosity, radius about the centre, softening^2 (light-weighted mean,
    lowest, highest). quadrupole (nodes, 6): sum L d_i d_j in the order xx yy zz xy xz yz.
    """
    for node in range(start.shape[0]):
        total, square = 0.0, 0.0
        lowest, highest = np.inf, 0.0
        centre[node] = 0.0
        for s in range(start[node], stop[node]):
            total += luminosity[s]
            soft = softening[s] * softening[s]
            square += luminosity[s] * soft
            lowest, highest = min(lowest, soft), max(highest, soft)
            for a in range(3):
                centre[node, a] += luminosity[s] * position[s, a]
        centre[node] /= total
        quadrupole[node] = 0.0
        radius = 0.0
        for s in range(start[node], stop[node]):
            dx = position[s, 0] - centre[node, 0]
            dy = position[s, 1] - centre[node, 1]
            dz = position[s, 2] - centre[node, 2]
            radius = max(radius, dx * dx + dy * dy + dz * dz)
            quadrupole[node, 0] += luminosity[s] * dx * dx
            quadrupole[node, 1] += luminosity[s] * dy * dy
            quadrupole[node, 2] += luminosity[s] * dz * dz
            quadrupole[node, 3] += luminosity[s] * dx * dy
            quadrupole[node, 4] += luminosity[s] * dx * dz
            quadrupole[node, 5] += luminosity[s] * dy * dz
        scalars[node, 0], scalars[node, 1] = total, np.sqrt(radius)
        scalars[node, 2], scalars[node, 3], scalars[node, 4] = square / total, lowest, highest


@kernel
def _node_field(dx, dy, dz, softened, luminosity, q):
    """Sum of L/(r^2 + eps^2) over a distant node to second order; `softened` is that denominator."""
    trace = q[0] + q[1] + q[2]
    along = q[0] * dx * dx + q[1] * dy * dy + q[2] * dz * dz
    along += 2.0 * (q[3] * dx * dy + q[4] * dx * dz + q[5] * dy * dz)
    return (luminosity + (4.0 * along / softened - trace) / softened) / softened


@kernel
def starlight(
    cell,
    start,
    stop,
    after,
    position,
    luminosity,
    softening,
    centre,
    scalars,
    quadrupole,
    angle,
    cutoff,
    field,
):
    """Fill `field` (n,) with sum L/(r^2 + eps^2) [luminosity/kpc^2] at `cell` (n, 3) [kpc].

    A node counts as a whole where its width (twice its radius) is seen under less than `angle`,
    where its softenings do not matter one by one, and where all of it is within `cutoff` [kpc].
    """
    nodes, half = start.shape[0], 0.5 * angle
    for i in range(cell.shape[0]):
        total = 0.0
        node = 0
        while node < nodes:
            dx = cell[i, 0] - centre[node, 0]
            dy = cell[i, 1] - centre[node, 1]
            dz = cell[i, 2] - centre[node, 2]
            square = dx * dx + dy * dy + dz * dz
            distance, radius = np.sqrt(square), scalars[node, 1]
            spread = scalars[node, 4] - scalars[node, 3]
            if distance - radius > cutoff:
                node = after[node]
            elif (
                radius < half * distance
                and spread <= half * half * (square + scalars[node, 3])
                and distance + radius <= cutoff
            ):
                total += _node_field(
                    dx, dy, dz, square + scalars[node, 2], scalars[node, 0], quadrupole[node]
                )
                node = after[node]
            elif after[node] > node + 1:
                node += 1
            else:
                for s in range(start[node], stop[node]):
                    dx = cell[i, 0] - position[s, 0]
                    dy = cell[i, 1] - position[s, 1]
                    dz = cell[i, 2] - position[s, 2]
                    square = dx * dx + dy * dy + dz * dz
                    if square <= cutoff * cutoff:
                        total += luminosity[s] / (square + softening[s] * softening[s])
                node = after[node]
        field[i] = total
