"""Checks of the columns that depositors are given."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simpost.core.errors import InputError

FloatArray = NDArray[np.float64]


def plain(name: str, values: ArrayLike) -> FloatArray:
    """Contiguous float64 values; InputError if they carry units, are NaN or infinite."""
    if hasattr(values, "units"):
        raise InputError(
            name, f"a quantity in {values.units}", "plain numbers in internal units", "convert it"
        )
    array = np.ascontiguousarray(values, dtype=float)
    with np.errstate(all="ignore"):
        suspicious = not np.isfinite(array.sum())
    bad = array.size - np.count_nonzero(np.isfinite(array)) if suspicious else 0
    if bad:
        raise InputError(name, f"{bad} NaN or infinite values", "finite numbers")
    return array


def column(name: str, values: ArrayLike, n: int) -> FloatArray:
    """The same, one value for each of `n` positions."""
    array = plain(name, values)
    if array.shape != (n,):
        raise InputError(name, f"shape {array.shape}", f"shape ({n},), one value per position")
    return array
