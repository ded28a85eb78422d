# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls
"""Split the coarse levels of a pyramid of images, and make the finest a map."""

from __future__ import annotations

import numpy as np

from simpost.core.compile import kernel

GHOSTS = 8  # pixels kept around the window: what a finer level needs near the edge
REACH = 4  # pixels to either side that a split depends on; no more than GHOSTS / 2
# halves of a pixel by its neighbours' differences: of the polynomial with the same integrals over nine pixels
SPLIT_1, SPLIT_2, SPLIT_3, SPLIT_4 = 3461.0 / 32768.0, -949.0 / 32768.0, 185.0 / 32768.0, -35.0 / 65536.0


@kernel(fused=True)
def collapse_pyramid(levels, planes):
    """Move what lies on coarse levels to the finest.

    A pixel is split in two along each axis, its sum unchanged, as the polynomial of degree eight through the
    integrals over nine pixels would have it.

    Parameters
    ----------
    levels, planes : (l, 3) int64, (k, p) float64
        See `block_kernels.deposit_cells`; with eight ghost pixels around the window. The coarse levels are
        left at zero.
    """
    for k in range(planes.shape[0]):
        for level in range(levels.shape[0] - 1, 0, -1):
            _split_level(planes[k], levels[level], levels[level - 1])
            size, stride, origin = levels[level]
            planes[k, origin - GHOSTS * (stride + 1) : origin - GHOSTS + (size + GHOSTS) * stride] = 0.0


@kernel(fused=True)
def scale_plane(plane, stride, origin, factor, out):
    """Write the pixels of a level times `factor` to `out` and return their sum without it.

    Parameters
    ----------
    plane : (p,) float64
        Rows of `stride` numbers, the first pixel at `origin`.
    factor : float64
    out : (ny, nx) float64
    """
    ny, nx = out.shape
    columns = np.zeros(nx)
    for j in range(ny):
        row, written = plane[origin + j * stride : origin + j * stride + nx], out[j]
        for i in range(np.uint64(nx)):
            value = row[i]
            columns[i] += value
            written[i] = value * factor
    return columns.sum()


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
