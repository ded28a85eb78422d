"""How much matter of low resolution a zoom's halo holds.

A zoom has dark matter of several masses: the finest in the region of interest, coarser ones around
it. S25 keeps haloes with "no low-resolution particle of any type" inside R_vir (science G.1).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simpost.core.errors import InputError
from simpost.snapshots.protocol import Snapshot
from simpost.snapshots.regions import Sphere, offset_from, whole_box

COARSER = 1.5  # times the finest particle; levels of a zoom differ by 8 or more, round-off by 1e-7
COARSE_GAS = 0.5  # share of high-resolution gas below which Arepo's zooms form no stars
_HIGH_RESOLUTION = "high_resolution_fraction"


@dataclass(frozen=True)
class CoarseMatter:
    """Dark matter of low resolution in a whole snapshot; positions in kpc from the corner of the box."""

    finest_mass: float  # Msun, smallest dark-matter particle of the run
    position: NDArray[np.float64]  # (n, 3)
    mass: NDArray[np.float64]  # (n,) Msun


@dataclass(frozen=True)
class Contamination:
    """Matter of low resolution inside a sphere.

    Dark matter counts when its particle is above 1.5 times the finest of the run. Gas counts when less
    than half of a cell's mass is high-resolution gas; `n_coarse_gas` is None where the snapshot does not
    tell: no HighResGasMass, or zero in every cell of the sphere, as Arepo's post-processing leaves it.
    """

    n_low_resolution: int
    mass_share: float  # of all dark matter inside; 0 where there is none
    nearest: float  # kpc from the centre, in the whole box; infinite where all particles are fine
    n_coarse_gas: int | None
    coarse_gas_share: float  # of the gas mass inside; NaN where n_coarse_gas is None

    @property
    def is_clean(self) -> bool:
        """No dark-matter particle of low resolution inside (gas is reported, not judged)."""
        return self.n_low_resolution == 0


def coarse_matter(snapshot: Snapshot) -> CoarseMatter:
    """All dark matter of low resolution of a snapshot, read once for any number of haloes.

    Raises
    ------
    InputError
        The snapshot has no dark matter, so nothing can be said about its resolution.
    """
    box = whole_box(snapshot.info.box_size)
    matter = snapshot.dark_matter(box)
    if matter.size == 0:
        raise InputError(
            snapshot.info.path,
            "no dark-matter particles",
            "dark matter to judge contamination by",
            "do without the check of contamination for this run",
        )
    finest = float(matter["mass"].min())
    coarse = matter["mass"] > COARSER * finest
    return CoarseMatter(
        finest, matter["position"][coarse] + np.asarray(box.centre), matter["mass"][coarse].astype(float)
    )


def contamination(
    snapshot: Snapshot, centre: ArrayLike, radius: float, coarse: CoarseMatter | None = None
) -> Contamination:
    """Matter of low resolution within `radius` [kpc] of `centre` [kpc from the corner of the box].

    Parameters
    ----------
    snapshot : Snapshot
        Any snapshot with dark matter.
    centre : array_like, (3,)
        Proper kpc; distances go to the nearest periodic image.
    radius : float
        Proper kpc, R_200c for the criterion of S25 (science G.1).
    coarse : CoarseMatter, optional
        From `coarse_matter`, when many haloes are checked; default: read here.

    Raises
    ------
    InputError
        No dark matter in the snapshot, or a centre or radius that is no place or length.
    """
    x, y, z = (float(value) for value in _finite(centre))
    sphere = Sphere((x, y, z), float(radius))
    coarse = coarse_matter(snapshot) if coarse is None else coarse
    distance = np.linalg.norm(offset_from(coarse.position, (x, y, z), snapshot.info.box_size), axis=1)
    inside = distance <= radius
    total = float(snapshot.dark_matter(sphere)["mass"].sum())
    n_gas, gas_share = _coarse_gas(snapshot, sphere)
    return Contamination(
        n_low_resolution=int(np.count_nonzero(inside)),
        mass_share=float(coarse.mass[inside].sum()) / total if total > 0 else 0.0,
        nearest=float(distance.min(initial=np.inf)),
        n_coarse_gas=n_gas,
        coarse_gas_share=gas_share,
    )


def _coarse_gas(snapshot: Snapshot, sphere: Sphere) -> tuple[int | None, float]:
    """Number and mass share of coarse cells; (None, NaN) where the snapshot does not tell."""
    if _HIGH_RESOLUTION not in snapshot.info.fields_read.get("gas", {}):
        return None, float("nan")
    count, coarse, total, finest_share = 0, 0.0, 0.0, 0.0
    for chunk in snapshot.gas_chunks(sphere, ("position", "mass", _HIGH_RESOLUTION)):
        is_coarse = chunk[_HIGH_RESOLUTION] < COARSE_GAS
        count += int(np.count_nonzero(is_coarse))
        coarse += float(chunk["mass"][is_coarse].sum())
        total += float(chunk["mass"].sum())
        finest_share = max(finest_share, float(chunk[_HIGH_RESOLUTION].max(initial=0.0)))
    if total == 0.0:
        return 0, 0.0
    return (count, coarse / total) if finest_share > 0.0 else (None, float("nan"))


def _finite(centre: ArrayLike) -> NDArray[np.float64]:
    place = np.asarray(centre, dtype=float)
    if place.shape != (3,) or not np.all(np.isfinite(place)):
        raise InputError("centre of the halo", str(place), "three finite coordinates in kpc")
    return place
