"""Shares of cells, mass and luminosity, summed over chunks."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from simpost.products import Coverage

Array = NDArray[np.float64]


class Tally:
    """Accumulates for which share of cells, gas mass and [CII] luminosity something is true.

    `treatments` says what is done to such cells, by name.
    """

    def __init__(self, treatments: Mapping[str, str] | None = None) -> None:
        self._treatments = treatments or {}
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
        rows = {}
        for name, three in shares.items():
            of_cells, of_mass, of_luminosity = map(float, three)
            rows[name] = Coverage(of_cells, of_mass, of_luminosity, self._treatments.get(name, ""))
        return rows
