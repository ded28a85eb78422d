"""Kernels on cells: Morton keys, look-up of leaves, weighted least-squares gradients.

An octree is a list of leaves sorted by the Morton key of their low corner, in units of the finest
cell. A leaf of level l covers the 8^(finest - l) keys from its own; keys that no leaf covers are
outside the region. Keys are int64 below 2^63 (21 bits an axis, x in the lowest bit).

`table[k]` is the first leaf whose key is at least k << shift: the search starts from there.
"""

from __future__ import annotations

import numpy as np

from simpost.core.compile import kernel

_AXIS_BITS = 0x1249249249249249  # every third bit, from the lowest: the x bits of a key
# A 3x3 sum of unit vectors' outer products has lost a direction when an eigenvalue falls below
# this times the next: the neighbours lie within about 1e-4 rad of a plane or a line.
_RANK_TOLERANCE = 1e-8


@kernel
def _spread(value):
    """Bits of a 21-bit integer moved to every third place."""
    value &= 0x1FFFFF
    value = (value | value << 32) & 0x1F00000000FFFF
    value = (value | value << 16) & 0x1F0000FF0000FF
    value = (value | value << 8) & 0x100F00F00F00F00F
    value = (value | value << 4) & 0x10C30C30C30C30C3
    return (value | value << 2) & 0x1249249249249249


@kernel
def morton_keys(corner, keys):
    """Fill `keys` (n,) int64 from non-negative coordinates `corner` (n, 3) int64 below 2^21."""
    for i in range(corner.shape[0]):
        keys[i] = _spread(corner[i, 0]) | _spread(corner[i, 1]) << 1 | _spread(corner[i, 2]) << 2


@kernel
def _find(keys, depth, table, shift, key):
    """Index of the leaf that covers `key`, or -1."""
    low = table[key >> shift]
    length = table[(key >> shift) + 1] - low
    while length > 0:  # first leaf beyond `key`
        half = length >> 1
        if keys[low + half] <= key:
            low += half + 1
            length -= half + 1
        else:
            length = half
    low -= 1
    if low >= 0 and key - keys[low] < 1 << (3 * depth[low]):
        return low
    return -1


@kernel
def locate_leaves(keys, depth, table, shift, wanted, found):
    """Fill `found` (m,) with the leaf that covers each key of `wanted` (m,), -1 where none does.

    `keys` (n,) sorted, `depth` (n,) int64 = finest level - level.
    """
    for i in range(wanted.shape[0]):
        found[i] = _find(keys, depth, table, shift, wanted[i])


@kernel
def _face_key(key, axis, sign, depth, domain, periodic):
    """Key of the cell of the same size beyond one face; -1 beyond the region."""
    mask = (_AXIS_BITS << axis) & domain
    step = 1 << (3 * depth + axis)
    old = key & mask
    new = ((key | ~mask) + step) & mask if sign > 0 else (old - step) & mask
    if not periodic and (new - old) * sign <= 0:
        return -1
    return new | (key & ~mask)


@kernel
def _accumulate(normal, moment, dx, dy, dz, change):
    """Add one neighbour at (dx, dy, dz) with field change (m,), weight 1/d^2, to the normal equations."""
    square = dx * dx + dy * dy + dz * dz
    wx, wy, wz = dx / square, dy / square, dz / square
    normal[0] += wx * dx
    normal[1] += wy * dy
    normal[2] += wz * dz
    normal[3] += wx * dy
    normal[4] += wx * dz
    normal[5] += wy * dz
    for c in range(change.shape[0]):
        moment[0, c] += wx * change[c]
        moment[1, c] += wy * change[c]
        moment[2, c] += wz * change[c]


@kernel
def _solve(normal, moment, scale, gradient):
    """Write the gradient (m, 3) times `scale`, NaN below rank 3; return the rank."""
    xx, yy, zz = normal[0], normal[1], normal[2]
    xy, xz, yz = normal[3], normal[4], normal[5]
    cxx, cyy, czz = yy * zz - yz * yz, xx * zz - xz * xz, xx * yy - xy * xy
    cxy, cxz, cyz = xz * yz - xy * zz, xy * yz - xz * yy, xy * xz - xx * yz
    trace = xx + yy + zz
    minors = cxx + cyy + czz
    determinant = xx * cxx + xy * cxy + xz * cxz
    # with eigenvalues a >= b >= c: trace ~ a, minors ~ a b, determinant = a b c
    if determinant > _RANK_TOLERANCE * minors * trace and minors > _RANK_TOLERANCE * trace * trace:
        factor = scale / determinant
        for c in range(gradient.shape[0]):
            mx, my, mz = moment[0, c], moment[1, c], moment[2, c]
            gradient[c, 0] = factor * (cxx * mx + cxy * my + cxz * mz)
            gradient[c, 1] = factor * (cxy * mx + cyy * my + cyz * mz)
            gradient[c, 2] = factor * (cxz * mx + cyz * my + czz * mz)
        return 3
    gradient[:] = np.nan
    if minors > _RANK_TOLERANCE * trace * trace:
        return 2
    return 1 if trace > 0.0 else 0


@kernel
def _mean_of_finer(keys, depth, table, shift, centre, values, i, axis, sign, beyond, mean, below):
    """Mean position and field of the leaves in the four quarters beyond a face; their number.

    `mean` (3 + m,) is filled with twice the position [finest cells] and the field. `beyond` is the
    key of the cell of the same size across the face.
    """
    quarter = 1 << (3 * depth[i] - 3)
    first = beyond
    if sign < 0:  # the touching layer is the far one of that cell
        first |= (_AXIS_BITS << axis) & ((1 << (3 * depth[i])) - 1)
    b, c = quarter << ((axis + 1) % 3), quarter << ((axis + 2) % 3)
    count = 0
    mean[:] = 0.0
    for part in range(4):
        key = first | (b if part & 1 else 0) | (c if part & 2 else 0)
        j = _find(keys, depth, table, shift, key)
        if j < 0:
            continue
        count += 1
        if sign > 0:
            below[j, axis] = i
        for a in range(3):
            mean[a] += centre[j, a]
        for m in range(values.shape[1]):
            mean[3 + m] += values[j, m]
    if count > 0:
        mean /= count
    return count


@kernel
def _add_distant(normal, moment, centre, mean, values, i, axis, sign, depth, box, change):
    """Add a neighbour of another level, given by `mean` as `_mean_of_finer` fills it."""
    unit = 0.5 / (1 << depth)  # centres are doubled; lengths are in cells of leaf i
    d = (mean[0] - centre[i, 0], mean[1] - centre[i, 1], mean[2] - centre[i, 2])
    wrap = 0.0
    if d[axis] * sign < 0.0:
        wrap = 2.0 * box * sign  # only across a periodic border
    for m in range(values.shape[1]):
        change[m] = mean[3 + m] - values[i, m]
    _accumulate(
        normal,
        moment,
        (d[0] + (wrap if axis == 0 else 0.0)) * unit,
        (d[1] + (wrap if axis == 1 else 0.0)) * unit,
        (d[2] + (wrap if axis == 2 else 0.0)) * unit,
        change,
    )


@kernel
def leaf_gradients(
    keys, depth, centre, table, shift, domain, box, periodic, order, values, size, gradient, rank
):
    """Least-squares gradient of m fields over the face neighbours of every leaf.

    keys, depth, centre (n, 3), values (n, m) are in key order: sorted keys, finest level - level,
    twice the centre [finest cells], the fields. `domain` has all key bits of the region set, `box`
    is its width [finest cells]. size (n,) [kpc], gradient (n, m, 3) [field/kpc] and rank (n,) are
    in the caller's order, `order` (n,) leads there.
    """
    n, fields = values.shape
    normal, moment = np.empty(6), np.empty((3, fields))
    mean, change = np.empty(3 + fields), np.empty(fields)
    below = np.full((n, 3), -1, dtype=np.int32)  # leaves that have met this one as a neighbour above
    for i in range(n):
        normal[:] = 0.0
        moment[:] = 0.0
        for face in range(6):
            axis, sign = face >> 1, 1 - 2 * (face & 1)
            key = _face_key(keys[i], axis, sign, depth[i], domain, periodic)
            if key < 0:
                continue
            j = below[i, axis] if sign < 0 else i + (1 << axis)  # a sibling, three times of six
            if j < 0 or (sign > 0 and (j >= n or keys[j] != key)):
                j = _find(keys, depth, table, shift, key)
            if j >= 0 and depth[j] == depth[i]:
                if sign > 0:
                    below[j, axis] = i
                normal[axis] += 1.0
                for m in range(fields):
                    moment[axis, m] += sign * (values[j, m] - values[i, m])
                continue
            if j >= 0 and depth[j] > depth[i]:
                for a in range(3):
                    mean[a] = centre[j, a]
                for m in range(fields):
                    mean[3 + m] = values[j, m]
            elif depth[i] == 0 or not _mean_of_finer(
                keys, depth, table, shift, centre, values, i, axis, sign, key, mean, below
            ):
                continue
            _add_distant(normal, moment, centre, mean, values, i, axis, sign, depth[i], box, change)
        target = order[i]
        rank[target] = _solve(normal, moment, 1.0 / size[target], gradient[target])


@kernel
def generator_gradients(first, position, values, offsets, neighbours, gradient, rank):
    """Least-squares gradient of m fields over listed neighbours of Voronoi generators.

    position (n, 3) [kpc], values (n, m); cells `first` to `first + t` are done: their neighbours are
    neighbours[offsets[i]:offsets[i + 1]] with offsets (t + 1,), of which the cell itself and
    generators at its own place are left out. gradient (t, m, 3) [field/kpc], rank (t,).
    """
    fields = values.shape[1]
    normal, moment, change = np.empty(6), np.empty((3, fields)), np.empty(fields)
    for t in range(offsets.shape[0] - 1):
        i = first + t
        normal[:] = 0.0
        moment[:] = 0.0
        for entry in range(offsets[t], offsets[t + 1]):
            j = neighbours[entry]
            dx = position[j, 0] - position[i, 0]
            dy = position[j, 1] - position[i, 1]
            dz = position[j, 2] - position[i, 2]
            if dx == 0.0 and dy == 0.0 and dz == 0.0:
                continue
            for m in range(fields):
                change[m] = values[j, m] - values[i, m]
            _accumulate(normal, moment, dx, dy, dz, change)
        rank[t] = _solve(normal, moment, 1.0, gradient[t])
