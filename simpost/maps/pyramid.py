"""The pyramid of images that smoothed cells are deposited on, and its tables."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simpost.maps.block_kernels import ROWS, deposit_cells
from simpost.maps.images import aligned_zeros
from simpost.maps.pyramid_kernels import GHOSTS, collapse_pyramid, scale_plane
from simpost.maps.smoothing import corner_table, separable_table
from simpost.maps.vector_kernels import LANES, TERMS

FloatArray = NDArray[np.float64]

# Measured on 1e5 clustered cells of 58 neighbours, 64 to 2048 pixels across, against every kernel integrated
# over every pixel: 0.04-0.08 % rms a pixel; 6 pixels: 0.3 %. A row of sixteen pixels holds no wider kernel.
WIDEST = 0.5 * (LANES - 1)
NODES, NODE_WEIGHTS = np.polynomial.legendre.leggauss(16)  # shares inside a window good to 1e-10
_THINNED = 4  # intervals of the fine table to one of the coarse, which fits the smallest cache
_SMALLEST = 16  # pixels along the window of the last level


class Pyramid:
    """Images of k quantities at pixels of p, 2 p, 4 p ..., each with ghost pixels around the window.

    On one level alone every kernel is integrated over every pixel of the map, and one that the window cuts is
    scaled to its share inside. On several, memory is 4/3 of the image. Pixels of a level are aligned at the
    window's lower left corner; a kernel that crosses the other end goes to a level whose pixels end there, so
    windows of 2^m pixels are fastest.

    Parameters
    ----------
    n_quantities, n_pixels : int
        Number of images and pixels along each side.
    shape : int
        Kernel shape, see `smoothing.SmoothingKernel`.
    is_one_level : bool
        Whether there is the finest level only.
    """

    def __init__(self, n_quantities: int, n_pixels: int, shape: int, is_one_level: bool) -> None:
        sizes = [n_pixels]
        while sizes[-1] > _SMALLEST and not is_one_level:
            sizes.append((sizes[-1] + 1) // 2)
        levels, end = [], 0
        for size in sizes:
            stride = -(-(size + 2 * GHOSTS) // 8) * 8 + LANES
            levels.append((size, stride, end + GHOSTS * stride + GHOSTS))
            end += stride * (size + 2 * GHOSTS)
        self._levels = np.array(levels, dtype=np.int64)
        self._planes = aligned_zeros(n_quantities * (end + LANES), np.float64).reshape(n_quantities, -1)
        longest = max(stride for _, stride, _ in levels) + LANES
        self._scratch = aligned_zeros(longest // LANES * LANES * 2 * TERMS + ROWS * LANES, np.float32)
        self._ghosts = 0 if is_one_level else GHOSTS
        self._aligned = (n_pixels & -n_pixels).bit_length() - 1
        self._tables = _term_tables(shape)
        self._corner = corner_table(shape)

    def add(
        self, cells: Sequence[NDArray[Any]], columns: FloatArray, half_width: float, pixel: float
    ) -> None:
        """Deposit kernels.

        Parameters
        ----------
        cells : five arrays (n,)
            Their rows in `columns`, x, y, radii of support [kpc] and shares inside the window, see
            `closure_kernels.select_cells`.
        columns : (m, k)
            Quantities.
        half_width, pixel : float
            Half the window's side and the pixels' [kpc].
        """
        deposit_cells(*cells, columns, *self.kernel_arguments(half_width, pixel))

    def kernel_arguments(self, half_width: float, pixel: float) -> tuple[Any, ...]:
        """Tables, sizes [kpc] and images: what `block_kernels.deposit_cells` takes besides the cells."""
        sizes = half_width, pixel, WIDEST, self._aligned, self._ghosts
        return *self._tables, self._corner, *sizes, self._levels, self._scratch, self._planes

    def map(self, k: int, per_area: float) -> tuple[FloatArray, float]:
        """Everything of quantity `k` times `per_area`, (ny, nx), and its sum without that factor."""
        collapse_pyramid(self._levels, self._planes[k : k + 1])
        n_pixels, stride, origin = self._levels[0]
        values = np.empty((n_pixels, n_pixels))
        return values, scale_plane(self._planes[k], stride, origin, per_area, values)


@lru_cache(maxsize=2)
def _term_tables(shape: int) -> tuple[NDArray[np.float32], FloatArray, NDArray[np.float32]]:
    """Separable terms times the roots of their weights, coarse and fine, flat; the signs of the weights."""
    weights, table = separable_table(shape)
    fine = np.zeros((*table.shape[:2], TERMS))
    fine[:, :, : weights.size] = table * np.sqrt(np.abs(weights))
    coarse = fine[::_THINNED].copy()
    rise, slope = np.diff(coarse[:, 0], axis=0), _THINNED * coarse[:, 1]
    coarse[:, 1] = slope
    coarse[:-1, 2] = 3.0 * rise - 2.0 * slope[:-1] - slope[1:]
    coarse[:-1, 3] = slope[:-1] + slope[1:] - 2.0 * rise
    signs = np.ones(TERMS, dtype=np.float32)
    signs[: weights.size] = np.sign(weights)
    return coarse.astype(np.float32).ravel(), fine.ravel(), signs
