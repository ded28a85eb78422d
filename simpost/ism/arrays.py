"""What every function of this room asks of the arrays it is given."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simpost.core.errors import InputError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]
Values = Floats | float  # a column, or one number for all of it

# Fractions come from single-precision files and passive-scalar advection: this much beyond [0, 1] is noise.
FRACTION_TOLERANCE = 1e-3


def shaped(name: str, values: ArrayLike, *shape: int | None) -> Floats:
    """Return `values` as a contiguous float64 array of `shape` (None: any length).

    Raises
    ------
    InputError
        Another number of dimensions or another length.
    """
    array = np.ascontiguousarray(values, dtype=np.float64)
    fits = array.ndim == len(shape) and all(
        want is None or have == want for have, want in zip(array.shape, shape, strict=True)
    )
    if not fits:
        expected = ", ".join("any" if want is None else str(want) for want in shape)
        raise InputError(name, f"shape {array.shape}", f"shape ({expected})")
    return array


def finite(name: str, values: ArrayLike) -> Floats:
    """Return `values` as float64, all of them finite; else raise InputError."""
    array = np.asarray(values, dtype=np.float64)
    bad = int(array.size - np.count_nonzero(np.isfinite(array)))
    if bad:
        raise InputError(name, f"{bad} of {array.size} values not finite", "finite numbers")
    return array


def positive(name: str, values: ArrayLike, zero_allowed: bool = False) -> Floats:
    """Return `values` as float64, all finite and above zero (or not below it); else raise InputError."""
    array = finite(name, values)
    if array.size:
        lowest = float(array.min())
        if lowest < 0.0 or (lowest == 0.0 and not zero_allowed):
            raise InputError(name, f"a lowest value of {lowest:g}", ">= 0" if zero_allowed else "> 0")
    return array


def fraction(name: str, values: ArrayLike) -> Floats:
    """Return `values` as float64, all within [0, 1] to `FRACTION_TOLERANCE`; else raise InputError."""
    array = finite(name, values)
    if array.size:
        lowest, highest = float(array.min()), float(array.max())
        if lowest < -FRACTION_TOLERANCE or highest > 1.0 + FRACTION_TOLERANCE:
            raise InputError(name, f"values from {lowest:g} to {highest:g}", "fractions in [0, 1]")
    return array


def choice(name: str, value: str, known: tuple[str, ...]) -> str:
    """Return `value` if it is one of `known`; else raise InputError that names the nearest."""
    if value not in known:
        from simpost.core.errors import nearest_name

        raise InputError(name, repr(value), "one of " + ", ".join(known), nearest_name(value, list(known)))
    return value
