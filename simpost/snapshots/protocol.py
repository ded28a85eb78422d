"""What every snapshot offers, whatever code wrote it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from simpost.core.cosmology import Cosmology
from simpost.snapshots.columns import Columns
from simpost.snapshots.regions import Region

LEAVES = "leaves"
VORONOI = "voronoi"


@dataclass(frozen=True)
class PhotonGroups:
    """Energy bands of a radiation field: edges and mean photon energies [eV], one entry per group."""

    low: tuple[float, ...]
    high: tuple[float, ...]  # inf where there is no upper limit
    mean_energy: tuple[float, ...]
    light_speed_fraction: float  # reduced over true speed of light

    def __len__(self) -> int:
        return len(self.low)


@dataclass(frozen=True)
class SnapshotInfo:
    """Everything about a snapshot that needs no cell.

    Lengths are proper kpc, times Myr. `fields_read` maps column names to where they are read from;
    `notes` are one-line facts a user must know (ambiguities resolved, things that are absent).
    """

    path: Path
    code: str
    geometry: str
    redshift: float
    scale_factor: float
    time: float
    box_size: float
    cosmology: Cosmology
    counts: dict[str, int]
    fields_read: dict[str, dict[str, str]]
    photon_groups: PhotonGroups | None
    files: tuple[Path, ...]
    effective_equation_of_state: bool = False
    two_phase_model: dict[str, float] = field(default_factory=dict)  # as the run states it
    coarsest_cell: float = 0.0  # kpc, leaves only
    finest_level: int = 0  # leaves only
    pressure_floor: tuple[float, float, float] | None = None  # n_star [cm^-3], T2_star [K], g_star
    notes: tuple[str, ...] = field(default=())


@dataclass(frozen=True)
class HaloCatalogue:
    """Haloes of a group catalogue; lengths proper kpc, one row per subhalo or group.

    Optional columns are None where the catalogue has none; a value the catalogue cannot give for one row
    (the stellar half-mass radius of a subhalo without stars) is NaN.
    """

    source: Path
    position: NDArray[np.float64]  # (n, 3) from the corner of the box
    velocity: NDArray[np.float64]  # (n, 3) peculiar km/s
    mass: NDArray[np.float64]  # Msun, bound mass (subhaloes) or FoF mass (groups)
    m_200c: NDArray[np.float64]  # Msun, 0 where the catalogue has none around this row
    r_200c: NDArray[np.float64]  # kpc, 0 where the catalogue has none around this row
    is_central: NDArray[np.bool_]
    group: NDArray[np.int64]
    stellar_mass: NDArray[np.float64] | None = None  # Msun, all bound stars
    galaxy_stellar_mass: NDArray[np.float64] | None = None  # Msun, within twice the stellar half-mass radius
    stellar_half_mass_radius: NDArray[np.float64] | None = None  # kpc
    sfr: NDArray[np.float64] | None = None  # Msun/yr, all bound gas
    most_bound: NDArray[np.int64] | None = None  # identity of the most bound particle
    is_first: NDArray[np.bool_] | None = None  # first of its group, around which M_200c is measured
    number: int | None = None  # of the snapshot, from the file's name
    scale_factor: float = float("nan")
    cosmology: Cosmology | None = None
    box_size: float = float("nan")  # kpc

    def __len__(self) -> int:
        return len(self.position)


class Snapshot(Protocol):
    """One snapshot, opened but with no cell loaded."""

    info: SnapshotInfo

    def gas_chunks(self, region: Region, columns: Collection[str] | None = None) -> Iterator[Columns]:
        """Gas cells that overlap `region`, chunk by chunk (memory is bounded by a chunk).

        `columns` names what is wanted; default all. The order of cells is always the same.
        """

    def stars(self, region: Region) -> Columns:
        """Star particles in `region`, wind particles excluded."""

    def wind(self, region: Region) -> Columns:
        """Wind particles in `region`: gas in flight, part of the gas budget but of no map."""

    def dark_matter(self, region: Region) -> Columns:
        """Dark-matter particles of every type in `region`."""

    def haloes(self) -> HaloCatalogue | None:
        """The group catalogue that lies beside the snapshot, if any."""
