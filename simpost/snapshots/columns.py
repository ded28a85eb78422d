"""Columns: what a reader hands over and every stage adds to.

A `Columns` is a struct of arrays with one row per cell or particle. `COLUMNS` is the one table of
names, units and meanings; each column also carries where it came from (`read: ...`,
`derived: ...` or `override: ...`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from simpost.core import units as u
from simpost.core.errors import InputError, nearest_name
from simpost.core.units import quantity

if TYPE_CHECKING:
    import unyt

Array = NDArray


class ColumnMeaning(NamedTuple):
    """Unit, meaning and possible range of a column; `n` rows, or `n x 3`, or `n x groups`."""

    unit: str
    meaning: str
    low: float = -np.inf
    high: float = np.inf


_NONE = u.DIMENSIONLESS
SLACK = 1e-3  # single precision and advection carry fractions this far over their bounds
COLUMNS: dict[str, ColumnMeaning] = {
    # geometry
    "position": ColumnMeaning(
        u.LENGTH, "centre of the cell or particle relative to the region's centre, (n, 3)"
    ),
    "size": ColumnMeaning(u.LENGTH, "leaf width (AMR) or cube root of the cell volume (Voronoi)"),
    "volume": ColumnMeaning("kpc**3", "cell volume"),
    "level": ColumnMeaning(_NONE, "RAMSES refinement level of a leaf"),
    "corner": ColumnMeaning(_NONE, "lower corner of a leaf in units of the finest cell, int64 (n, 3)"),
    # content
    "mass": ColumnMeaning(u.MASS, "mass", low=0.0),
    "density": ColumnMeaning("Msun/kpc**3", "gas mass density", low=0.0),
    "velocity": ColumnMeaning(u.VELOCITY, "peculiar velocity, (n, 3)"),
    "metallicity": ColumnMeaning(_NONE, "metal mass fraction", low=0.0, high=1.0),
    "hydrogen_fraction": ColumnMeaning(_NONE, "hydrogen mass fraction X", low=0.0, high=1.0),
    "temperature_over_mu": ColumnMeaning(u.TEMPERATURE, "P m_H / (rho k_B)", low=0.0),
    "internal_energy": ColumnMeaning("km**2/s**2", "specific thermal energy", low=0.0),
    "nonthermal_energy": ColumnMeaning("km**2/s**2", "specific non-thermal (turbulent) energy", low=0.0),
    "star_formation_rate": ColumnMeaning(u.SFR, "instantaneous star-formation rate of the cell", low=0.0),
    "high_resolution_fraction": ColumnMeaning(_NONE, "share of the cell mass from the zoom region"),
    "f_HI": ColumnMeaning(_NONE, "n_HI / n_H", low=0.0, high=1.0),
    "f_HII": ColumnMeaning(_NONE, "n_HII / n_H", low=0.0, high=1.0),
    "f_H2": ColumnMeaning(_NONE, "2 n_H2 / n_H", low=0.0, high=1.0),
    "f_HeII": ColumnMeaning(_NONE, "n_HeII / n_He", low=0.0, high=1.0),
    "f_HeIII": ColumnMeaning(_NONE, "n_HeIII / n_He", low=0.0, high=1.0),
    "electron_fraction": ColumnMeaning(_NONE, "n_e / n_H", low=0.0, high=2.0),
    "photon_flux": ColumnMeaning("1/s/cm**2", "physical photon flux per group, (n, groups)", low=0.0),
    # particles
    "initial_mass": ColumnMeaning(u.MASS, "stellar mass at birth", low=0.0),
    "age": ColumnMeaning(u.TIME, "stellar age", low=0.0),
    "identity": ColumnMeaning(_NONE, "particle identity number"),
    # state of the interstellar medium, added by simpost.ism
    "n_H": ColumnMeaning(u.NUMBER_DENSITY, "hydrogen nuclei density"),
    "mean_molecular_weight": ColumnMeaning(_NONE, "mean mass per particle / m_H"),
    "temperature": ColumnMeaning(u.TEMPERATURE, "gas temperature"),
    "neutral_fraction": ColumnMeaning(_NONE, "(n_HI + 2 n_H2) / n_H", low=0.0, high=1.0),
    "habing": ColumnMeaning(u.HABING, "6-13.6 eV flux over 1.6e-3 erg/s/cm^2"),
    "ionisation_parameter": ColumnMeaning(_NONE, "ionising photons per hydrogen nucleus"),
    "sound_speed": ColumnMeaning(u.VELOCITY, "isothermal sound speed"),
    "turbulent_velocity": ColumnMeaning(u.VELOCITY, "3-D rms turbulent velocity of the cell"),
    "mach": ColumnMeaning(_NONE, "turbulent Mach number of the density PDF"),
    "column_density": ColumnMeaning(u.COLUMN_DENSITY, "hydrogen column through the cell"),
    "has_young_star": ColumnMeaning(_NONE, "cell hosts a star younger than the limit"),
    "resolved_hii": ColumnMeaning(_NONE, "HII region resolved on the fly"),
    "ionising": ColumnMeaning(_NONE, "use the spectrum with photons above 13.6 eV"),
    "dark": ColumnMeaning(_NONE, "too hot for C+: emits nothing"),
}


class Columns(Mapping[str, Array]):
    """A struct of arrays with one origin per column.

    Parameters
    ----------
    values : mapping of name to array
        Arrays of equal length; names must be in `COLUMNS`.
    origin : mapping of name to str
        `read: ...`, `derived: ...` or `override: ...` for each column.
    """

    def __init__(self, values: Mapping[str, Array], origin: Mapping[str, str]) -> None:
        for name in values:
            if name not in COLUMNS:
                raise InputError(
                    f"column '{name}'", "an unknown name", "a known column", nearest_name(name, list(COLUMNS))
                )
        lengths = {len(array) for array in values.values()}
        if len(lengths) > 1:
            raise InputError("columns", f"lengths {sorted(lengths)}", "one common length")
        self._values = dict(values)
        self.origin = {name: origin[name] for name in values}
        self.size = lengths.pop() if lengths else 0

    def __getitem__(self, name: str) -> Array:
        try:
            return self._values[name]
        except KeyError:
            raise InputError(
                f"column '{name}'", "not in this snapshot", f"one of {', '.join(sorted(self._values))}"
            ) from None

    def quantity(self, name: str) -> unyt.unyt_array:
        """The column as a unyt array in its unit."""
        return quantity(self[name], COLUMNS[name].unit)

    def get(self, name: str, default: Any = None) -> Any:
        """The column, or `default` where there is none."""
        return self._values.get(name, default)

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def select(self, rows: Array) -> Columns:
        """The rows picked by a boolean mask or index array."""
        return Columns({name: array[rows] for name, array in self._values.items()}, self.origin)

    def with_columns(self, values: Mapping[str, Array], origin: Mapping[str, str]) -> Columns:
        """A copy with columns added or replaced."""
        return Columns({**self._values, **values}, {**self.origin, **origin})

    def check(self, source: object) -> None:
        """Raise `InputError` naming the first column with NaN, infinity or values that cannot be."""
        for name, array in self._values.items():
            if array.dtype.kind != "f":
                continue
            low, high = COLUMNS[name].low - SLACK, COLUMNS[name].high + SLACK
            good = np.isfinite(array) & (array >= low) & (array <= high)
            if not np.all(good):
                bad = array[~good]
                raise InputError(
                    f"{source}, column '{name}' ({self.origin[name]})",
                    f"{bad.size} impossible value(s), first {bad.flat[0]:g}",
                    f"finite numbers from {COLUMNS[name].low:g} to {COLUMNS[name].high:g}",
                    "the file is damaged or in other units: check it at its source",
                )


def concatenate(parts: Iterable[Columns]) -> Columns:
    """Join chunks of the same columns; at least one chunk is needed."""
    chunks = list(parts)
    if not chunks:
        raise InputError("columns", "no chunk", "at least one chunk")
    return Columns(
        {name: np.concatenate([chunk[name] for chunk in chunks]) for name in chunks[0]}, chunks[0].origin
    )
