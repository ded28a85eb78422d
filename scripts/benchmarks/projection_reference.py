"""Brute force for the projection benchmarks: slow, obvious images that errors are taken from.

Images hold the mass per pixel, (ny, nx); the window is [-half_width, half_width]^2.
"""

from __future__ import annotations

from math import ceil, floor, log, pi, sqrt

import numpy as np
from numpy.typing import NDArray

from simpost.core.compile import kernel

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

NODES, NODE_WEIGHTS = np.polynomial.legendre.leggauss(3)
FAINT = 0.01  # of the mean: pixels below it do not count in the relative error


def error(image: Array, expected: Array) -> float:
    """Worst of the rms over the rms of the map, the relative rms per pixel and the total mass."""
    difference = image - expected
    bright = expected > FAINT * expected.mean()
    return max(
        float(np.sqrt(np.mean(difference**2) / np.mean(expected**2))),
        float(np.sqrt(np.mean((difference[bright] / expected[bright]) ** 2))),
        float(abs(image.sum() / expected.sum() - 1.0)),
    )


@kernel
def add_squares(
    x: Array, y: Array, size: Array, mass: Array, half_width: float, pixel: float, image: Array
) -> None:
    """Leaves along the line of sight: overlap of two intervals on either axis."""
    ny, nx = image.shape
    for n in range(x.size):
        left, right = x[n] - 0.5 * size[n] + half_width, x[n] + 0.5 * size[n] + half_width
        low, high = y[n] - 0.5 * size[n] + half_width, y[n] + 0.5 * size[n] + half_width
        for j in range(max(0, floor(low / pixel)), min(ny, ceil(high / pixel))):
            tall = min(high, (j + 1) * pixel) - max(low, j * pixel)
            for i in range(max(0, floor(left / pixel)), min(nx, ceil(right / pixel))):
                wide = min(right, (i + 1) * pixel) - max(left, i * pixel)
                image[j, i] += mass[n] * tall * wide / size[n] ** 2


@kernel
def add_cubes(
    x: Array, y: Array, size: Array, mass: Array, axes: Array, half_width: float, pixel: float, image: Array
) -> None:
    """Leaves at any angle: lengths of many rays in the cube, 4 to a pixel's side and 32 to the cube's.

    axes (3, 3) holds the directions to the right, up and to the observer.
    """
    ny, nx = image.shape
    reach_x, reach_y = 0.5 * np.abs(axes[0]).sum(), 0.5 * np.abs(axes[1]).sum()
    for n in range(x.size):
        a = size[n]
        u, v = (x[n] + half_width) / pixel, (y[n] + half_width) / pixel
        wide, tall = reach_x * a / pixel, reach_y * a / pixel
        if floor(u - wide) == floor(u + wide) and floor(v - tall) == floor(v + tall):
            j, i = floor(v), floor(u)
            if 0 <= j < ny and 0 <= i < nx:
                image[j, i] += mass[n]
            continue
        parts = ceil(max(4.0, 32.0 * pixel / a))
        i0, i1 = floor((u - wide) * parts), ceil((u + wide) * parts)
        j0, j1 = floor((v - tall) * parts), ceil((v + tall) * parts)
        total = 0.0
        for turn in range(2):  # first the sum of all rays, then its share in every pixel
            for j in range(j0, j1):
                for i in range(i0, i1):
                    dx, dy = ((i + 0.5) / parts - u) * pixel / a, ((j + 0.5) / parts - v) * pixel / a
                    enter, leave = -1e30, 1e30
                    for axis in range(3):
                        p = dx * axes[0, axis] + dy * axes[1, axis]
                        k = axes[2, axis]
                        if abs(k) < 1e-12:
                            if abs(p) > 0.5:
                                leave = -2e30
                        else:
                            t0, t1 = (-0.5 - p) / k, (0.5 - p) / k
                            enter, leave = max(enter, min(t0, t1)), min(leave, max(t0, t1))
                    if leave > enter:
                        if turn == 0:
                            total += leave - enter
                        elif 0 <= i < nx * parts and 0 <= j < ny * parts:
                            image[j // parts, i // parts] += mass[n] * (leave - enter) / total


@kernel
def add_discs(
    x: Array,
    y: Array,
    support: Array,
    mass: Array,
    projected: bool,
    nodes: Array,
    node_weights: Array,
    half_width: float,
    pixel: float,
    chosen: Integers,
    image: Array,
) -> None:
    """Wendland-C2 kernels, flat or `projected`: Gauss-Legendre points on panels of H/4 in every pixel.

    image (rows, nx) holds only the `chosen` rows of the map.
    """
    nx = image.shape[1]
    for n in range(x.size):
        u, v, radius = (x[n] + half_width) / pixel, (y[n] + half_width) / pixel, support[n] / pixel
        for place in range(chosen.size):
            j = chosen[place]
            if j + 1.0 <= v - radius or j >= v + radius:
                continue
            low, high = max(float(j), v - radius), min(j + 1.0, v + radius)
            rows = ceil(4.0 * (high - low) / radius)
            for i in range(max(0, floor(u - radius)), min(nx, ceil(u + radius))):
                left, right = max(float(i), u - radius), min(i + 1.0, u + radius)
                columns = ceil(4.0 * (right - left) / radius)
                nearest_x, nearest_y = max(left - u, u - right, 0.0), max(low - v, v - high, 0.0)
                if nearest_x**2 + nearest_y**2 >= radius**2:
                    continue
                tall, wide = (high - low) / rows, (right - left) / columns
                total = 0.0
                for row in range(rows * nodes.size):
                    panel, node = row // nodes.size, row % nodes.size
                    dy = low + (panel + 0.5 + 0.5 * nodes[node]) * tall - v
                    for column in range(columns * nodes.size):
                        other, point = column // nodes.size, column % nodes.size
                        dx = left + (other + 0.5 + 0.5 * nodes[point]) * wide - u
                        weight = 0.25 * node_weights[node] * node_weights[point]
                        total += weight * _wendland(sqrt(dx * dx + dy * dy) / radius, projected)
                image[place, i] += mass[n] * total * tall * wide / radius**2


@kernel
def _wendland(q: float, projected: bool) -> float:
    """Kernel times H^2 at q = R/H: W2 or the column of W3 (Dehnen & Aly 2012)."""
    if q >= 1.0:
        return 0.0
    if not projected:
        return 7.0 / pi * (1.0 - q) ** 4 * (1.0 + 4.0 * q)
    z = sqrt(1.0 - q * q)
    inner = z * (1.0 / 3.0 - 7.0 / 3.0 * q**2 - 27.0 / 4.0 * q**4)
    return 21.0 / pi * (inner + log((1.0 + z) / max(q, 1e-30)) * q**4 * (7.5 + 1.25 * q**2))
