"""Smoothing kernels of Voronoi cells: their shapes, sizes and separable tables.

A cell's mass is spread over a disc of radius H (the radius of support) with the Wendland-C2 kernel
(Wendland 1995; Dehnen & Aly 2012), either in its two-dimensional form W2 or as the projection S of
the three-dimensional one. Both are sums of few separable terms,

    W(x, y) = sum_r weight_r f_r(x) f_r(y),

so that the integral over any pixel is sum_r weight_r F_r(x)|F_r(y)| with F_r the integral of f_r:
a pixel of any size is integrated, not sampled, and all pixels together hold the whole mass.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from simpost.core.errors import InputError, nearest_name

FloatArray = NDArray[np.float64]

# Seven terms make pixels good to 5e-5 of the kernel's peak and its mass to 1e-6 (far better for kernels of
# few pixels).
RANK = 7
_INTERVALS = 256  # cells on [0, 1] whose exact integrals are decomposed


def wendland_2d(q: FloatArray) -> FloatArray:
    """W2(q) H^2 = 7/pi (1-q)^4 (1+4q), q = R/H; zero beyond 1."""
    q = np.minimum(q, 1.0)
    return 7.0 / np.pi * (1.0 - q) ** 4 * (1.0 + 4.0 * q)


def projected_wendland_3d(q: FloatArray) -> FloatArray:
    """S(q) H^2: column of W3 = 21/(2 pi H^3) (1-q)^4 (1+4q) along a ray at R = q H; zero beyond 1."""
    b = np.clip(q, 1e-100, 1.0)
    z = np.sqrt((1.0 - b) * (1.0 + b))
    b2 = b * b
    polynomial = z * (1.0 / 3.0 - b2 * (7.0 / 3.0 + 27.0 / 4.0 * b2))
    return 21.0 / np.pi * (polynomial + np.log((1.0 + z) / b) * b2 * b2 * (7.5 + 1.25 * b2))


@dataclass(frozen=True)
class SmoothingKernel:
    """A kernel shape and its size in units of the cell's radius r_cell = (3 V/4 pi)^(1/3).

    `shape` is 0 for W2 and 1 for S (the number the closure kernels take); `h_over_r_cell` is H/r_cell.
    """

    name: str
    shape: int
    h_over_r_cell: float

    @property
    def profile(self) -> Callable[[FloatArray], FloatArray]:
        """The kernel as a function of q = R/H, times H^2."""
        return (wendland_2d, projected_wendland_3d)[self.shape]


SWIFTSIMIO_GAMMA = 1.897367  # H/h of the projection backends of swiftsimio (Dehnen & Aly 2012, 2-D)
_S25_LENGTH = 2.5  # smoothing length over r_cell (Shen+2025, footnote on the kernel)
KERNELS = {
    kernel.name: kernel
    for kernel in (
        SmoothingKernel("s25", 0, _S25_LENGTH * SWIFTSIMIO_GAMMA),  # h given to swiftsimio
        SmoothingKernel("support", 1, _S25_LENGTH),  # 2.5 r_cell read as the radius of support
        SmoothingKernel("wendland_3d", 1, _S25_LENGTH * 1.936492),  # H/h of Dehnen & Aly 2012, 3-D
        SmoothingKernel("gadget", 1, _S25_LENGTH * 2.0),  # H = 2h
    )
}


def smoothing_kernel(name: str) -> SmoothingKernel:
    """Return the kernel called `name`: s25, support, wendland_3d or gadget.

    Raises
    ------
    InputError
        No kernel has that name.
    """
    if name not in KERNELS:
        raise InputError("kernel", f"'{name}'", "a smoothing kernel", nearest_name(name, list(KERNELS)))
    return KERNELS[name]


@lru_cache(maxsize=2)
def separable_table(shape: int) -> tuple[FloatArray, FloatArray]:
    """Separable terms of a kernel shape with H = 1.

    Returns
    -------
    weights : (RANK,)
        Weight of each term; the total mass is exactly one.
    table : (2 _INTERVALS + 1, 4, RANK)
        F_r(s) = int_0^s f_r as cubics: sum_k table[i, k, r] t^k with t = (s + 1) _INTERVALS - i in [0, 1].
        The slopes join, too, so that pixels narrower than an interval show no steps.
    """
    from scipy.interpolate import CubicSpline

    eigenvalues, vectors = np.linalg.eigh(_quadrant_cells(shape))
    largest = np.argsort(-np.abs(eigenvalues))[:RANK]
    half = np.zeros((_INTERVALS + 1, RANK))
    np.cumsum(vectors[:, largest], axis=0, out=half[1:])
    integral = np.concatenate((-half[:0:-1], half))
    table = np.zeros((2 * _INTERVALS + 1, 4, RANK))
    table[:-1] = CubicSpline(np.arange(2 * _INTERVALS + 1), integral).c[::-1].transpose(1, 0, 2)
    table[-1, 0] = integral[-1]
    weights = eigenvalues[largest]
    return weights / np.sum(weights * (2.0 * half[-1]) ** 2), table


@lru_cache(maxsize=2)
def corner_table(shape: int) -> NDArray[np.float32]:
    """Share of a kernel with H = 1 in the rectangle between its centre and (s, t).

    Returns
    -------
    table : (_INTERVALS + 1, _INTERVALS + 1) float32
        At s, t = i/_INTERVALS; the whole quadrant holds exactly a quarter. Read by linear interpolation on
        both axes it is good to 5e-6.
    """
    table = np.zeros((_INTERVALS + 1, _INTERVALS + 1))
    table[1:, 1:] = _quadrant_cells(shape).cumsum(axis=0).cumsum(axis=1)
    return (table * (0.25 / table[-1, -1])).astype(np.float32)


def _quadrant_cells(shape: int) -> FloatArray:
    """Exact integrals of a kernel with H = 1 over _INTERVALS^2 cells of the unit square."""
    profile = (wendland_2d, projected_wendland_3d)[shape]
    nodes, node_weights = np.polynomial.legendre.leggauss(4)
    s = ((np.arange(_INTERVALS)[:, None] + 0.5 * (nodes + 1.0)) / _INTERVALS).ravel()
    w = np.tile(0.5 * node_weights / _INTERVALS, _INTERVALS)
    density = profile(np.hypot(s[:, None], s[None, :])) * w[:, None] * w[None, :]
    return density.reshape(_INTERVALS, 4, _INTERVALS, 4).sum(axis=(1, 3))
