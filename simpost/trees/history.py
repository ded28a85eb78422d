"""Growth histories of haloes as tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simpost.core import units as u
from simpost.core.errors import InputError
from simpost.trees.track import Track

Array = NDArray[np.float64]

# column of the table -> (attribute of the track, unit)
_COLUMNS = {
    "snapshot": ("snapshot", u.DIMENSIONLESS),
    "redshift": ("redshift", u.DIMENSIONLESS),
    "scale_factor": ("scale_factor", u.DIMENSIONLESS),
    "time": ("time", u.TIME),
    "m_halo": ("m_halo", u.MASS),
    "r_halo": ("r_halo", u.LENGTH),
    "m_star": ("m_star", u.MASS),
    "sfr": ("sfr", u.SFR),
    "row": ("row", u.DIMENSIONLESS),
    "is_bridged": ("is_bridged", u.DIMENSIONLESS),
    "is_satellite": ("is_satellite", u.DIMENSIONLESS),
    "mass_jump": ("mass_jump", u.DIMENSIONLESS),
    "mass_falls": ("mass_falls", u.DIMENSIONLESS),
    "has_no_stars": ("has_no_stars", u.DIMENSIONLESS),
}
COLUMN_UNITS = {name: unit for name, (_, unit) in _COLUMNS.items()} | {
    "track": u.DIMENSIONLESS,
    "peak_m_halo": u.MASS,
    "halo_growth_rate": u.SFR,
    "stellar_growth_rate": u.SFR,
}


def growth_table(tracks: Sequence[Track]) -> dict[str, NDArray[Any]]:
    """Histories of one or more tracks, one below the other, early to late.

    Columns and units are those of `COLUMN_UNITS`: the track's own, the largest mass so far
    (`peak_m_halo`), and net growth rates [Msun/yr] by second-order differences in time.
    """
    if not tracks:
        raise InputError("growth table", "no track", "one track or more")
    table: dict[str, list[NDArray[Any]]] = {name: [] for name in ("track", *COLUMN_UNITS)}
    for track in tracks:
        table["track"].append(np.full(len(track), track.name))
        for name, (attribute, _) in _COLUMNS.items():
            table[name].append(getattr(track, attribute))
        table["peak_m_halo"].append(np.maximum.accumulate(track.m_halo))
        table["halo_growth_rate"].append(growth_rate(track.time, track.m_halo))
        table["stellar_growth_rate"].append(growth_rate(track.time, track.m_star))
    return {name: np.concatenate(parts) for name, parts in table.items()}


def growth_rate(time: Array, mass: Array) -> Array:
    """dM/dt [Msun/yr] of a history, times in Myr; one-sided at the ends, NaN for a single snapshot."""
    if len(time) < 2:
        return np.full(len(time), np.nan)
    return np.asarray(np.gradient(mass, time, edge_order=2 if len(time) > 2 else 1)) * 1e-6
