"""Memory of images, laid out for kernels that add to them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_LINE = 64  # bytes that the processor's cache moves together


def padded_image(n_quantities: int, n_pixels: int) -> NDArray[np.float64]:
    """Zeros (k, n_pixels, stride): rows of pixels and room behind them, each from a line of memory on.

    Rows take an odd number of lines. At a power of two the pixels of a column would share one corner of the
    cache and drive each other out.
    """
    per_line = _LINE // 8
    stride = (-(-n_pixels // per_line) | 1) * per_line
    return aligned_zeros(n_quantities * n_pixels * stride, np.float64).reshape(n_quantities, n_pixels, stride)


def aligned_zeros(size: int, kind: type) -> NDArray[Any]:
    """Zeros from the beginning of a line of memory on, (size,)."""
    room: NDArray[Any] = np.zeros(size + _LINE, kind)
    start = -room.ctypes.data % _LINE // room.itemsize
    return room[start : start + size]
