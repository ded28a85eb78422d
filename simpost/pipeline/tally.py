"""Shares of cells, mass and luminosity, summed over chunks."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from simpost.emission.luminosity import FLAGS, CellLuminosity
from simpost.products import Coverage
from simpost.products.schema import BEYOND_TABLE

Array = NDArray[np.float64]

_AXIS_FLAGS = 9  # the first flags say that an axis of the table was left


class Tally:
    """Accumulates which part of the cells, of the gas mass and of the [CII] luminosity something is true for."""

    def __init__(self) -> None:
        self._totals = np.zeros(3)
        self._sums: dict[str, Array] = {}

    def add(self, mass: Array, luminosity: Array, marks: Mapping[str, NDArray]) -> None:
        """Add a chunk; `marks` holds a boolean, or a share between 0 and 1, per cell."""
        weights = np.stack([np.ones(len(mass)), mass, luminosity])
        self._totals += weights.sum(axis=1)
        for name, mark in marks.items():
            self._sums[name] = self._sums.get(name, np.zeros(3)) + weights @ np.asarray(mark, dtype=float)

    def coverage(self) -> dict[str, Coverage]:
        """Shares of the totals; NaN where a total is zero."""
        with np.errstate(divide="ignore", invalid="ignore"):
            shares = {name: np.clip(sums / self._totals, 0.0, 1.0) for name, sums in self._sums.items()}
        return {name: Coverage(*(float(share) for share in three)) for name, three in shares.items()}


def table_marks(emission: CellLuminosity) -> dict[str, NDArray]:
    """Marks of cells beyond each axis of the line table, beyond any, and of sub-grid densities beyond it."""
    marks: dict[str, NDArray] = {name: emission.flags >> bit & 1 for bit, name in enumerate(FLAGS)}
    marks[BEYOND_TABLE] = (emission.flags & ((1 << _AXIS_FLAGS) - 1)) > 0
    marks["pdf_outside"] = emission.pdf_outside
    return marks
