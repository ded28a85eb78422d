"""The pyramid of images that smoothed cells are deposited on, and its tables."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from simpost.maps.pyramid_kernels import GHOSTS, LANES, TERMS, collapse_pyramid, deposit_on_pyramid
from simpost.maps.smoothing import corner_table, separable_table

FloatArray = NDArray[np.float64]

# Measured on 1e5 clustered cells of 58 neighbours, 64 to 2048 pixels across, against every kernel integrated
# over every pixel: 0.04-0.08 % rms a pixel; 6 pixels: 0.3 %. A row of sixteen pixels holds no wider kernel.
WIDEST = 0.5 * (LANES - 1)
_COARSE_NODES = 256  # per support: the table of the usual kernels fits the smallest cache
_SMALLEST = 16  # pixels along the window of the last level


class Pyramid:
    """Images of k quantities at pixels of p, 2 p, 4 p ..., each with ghost pixels around the window.

    Memory is 4/3 of the image. Pixels of a level are aligned at the window's lower left corner; a kernel
    that crosses the other end goes to a level whose pixels end there, so windows of 2^m pixels are fastest.

    Parameters
    ----------
    n_quantities, n_pixels : int
        Number of images and pixels along each side.
    shape : int
        Kernel shape, see `smoothing.SmoothingKernel`.
    widest : float
        Support in pixels of the widest kernels of a level, half that of the narrowest; no more than the
        default, 7.5.
    """

    def __init__(self, n_quantities: int, n_pixels: int, shape: int, widest: float = WIDEST) -> None:
        sizes = [n_pixels]
        while sizes[-1] > _SMALLEST:
            sizes.append((sizes[-1] + 1) // 2)
        levels, end = [], 0
        for size in sizes:
            stride = -(-(size + 2 * GHOSTS) // 8) * 8 + LANES
            levels.append((size, stride, end + GHOSTS * stride + GHOSTS))
            end += stride * (size + 2 * GHOSTS)
        self._levels = np.array(levels, dtype=np.int64)
        self._planes = np.zeros((n_quantities, end + LANES))
        self._aligned = (n_pixels & -n_pixels).bit_length() - 1
        self._widest = min(widest, WIDEST)
        self._tables = _term_tables(shape)
        self._corner = corner_table(shape)

    def add(
        self,
        x: FloatArray,
        y: FloatArray,
        support: FloatArray,
        columns: FloatArray,
        half_width: float,
        pixel: float,
    ) -> None:
        """Deposit kernels: centres and radii of support [kpc] (n,), quantities (n, k)."""
        deposit_on_pyramid(
            x, y, support, columns, *self._tables, self._corner, half_width, pixel,
            self._widest, self._aligned, self._levels, self._planes,
        )  # fmt: skip

    def empty_into(self, image: FloatArray) -> None:
        """Add everything to `image` (k, ny, nx) and start anew."""
        collapse_pyramid(self._levels, self._planes, image)


@lru_cache(maxsize=2)
def _term_tables(shape: int) -> tuple[NDArray[np.float32], FloatArray, NDArray[np.float32]]:
    """Separable terms times the roots of their weights: coarse and fine table, flat; the weights' signs."""
    weights, table = separable_table(shape)
    fine = np.zeros((*table.shape[:2], TERMS))
    fine[:, :, : weights.size] = table * np.sqrt(np.abs(weights))
    value = fine[:: (fine.shape[0] - 1) // (2 * _COARSE_NODES), 0].copy()
    # straight lines between nodes on the curve lie to one side of it; a twelfth of the bend centres them
    value[1:-1] -= np.diff(value, 2, axis=0) / 12.0
    coarse = np.stack((value, np.diff(value, axis=0, append=value[-1:])), axis=1)
    signs = np.ones(TERMS, dtype=np.float32)
    signs[: weights.size] = np.sign(weights)
    return coarse.astype(np.float32).ravel(), fine.ravel(), signs
