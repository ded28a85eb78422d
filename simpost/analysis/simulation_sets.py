"""What the analysis of several simulations gives, galaxy by galaxy and sample by sample."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simpost.analysis.double_power_law_fit import DoublePowerLawFit
from simpost.analysis.efficiency import HaloEfficiency
from simpost.analysis.kennicutt_schmidt import PixelRelation, Pixels
from simpost.analysis.uv_luminosity import UVLuminosityFunction
from simpost.trees.track import Track

TARGET, CENTRAL = "target", "central"


@dataclass(frozen=True)
class RunLabel:
    """Name, resolution level and physics variant of a simulation, as configured."""

    name: str
    level: str
    variant: str


@dataclass(frozen=True, eq=False)
class EfficiencyPoint:
    """One galaxy at one target redshift.

    Attributes
    ----------
    run : RunLabel
        Its simulation.
    group : str
        `target` or `central`.
    track : Track
        Its history.
    result : HaloEfficiency
        What was measured.
    """

    run: RunLabel
    group: str
    track: Track
    result: HaloEfficiency


@dataclass(frozen=True, eq=False)
class EfficiencyFit:
    """Fit of one variant at one redshift; None with the reason where there was none.

    With a fit, `reason` is a caution about its errors, or empty.
    """

    redshift: float
    variant: str
    fit: DoublePowerLawFit | None
    reason: str


@dataclass(frozen=True, eq=False)
class PixelSample:
    """Pixels that stand together, their relation, and their distributions of log gas surface density."""

    label: str
    variant: str
    redshift: float
    pixels: Pixels
    relation: PixelRelation
    edges: NDArray[np.float64]
    by_rate: NDArray[np.float64]
    by_gas: NDArray[np.float64]


@dataclass(frozen=True)
class GalaxyPixels:
    """What the pixels of one galaxy add up to.

    Attributes
    ----------
    name : str
        RUN/SNAPSHOT/HALO.
    track : str
        Name of its track; empty without a second snapshot.
    run : RunLabel
        Its simulation.
    target, redshift : float
        Redshift it stands for, and of its snapshot.
    m_200c : float
        Msun.
    aperture : float
        Radius of the sphere of `supply` over R_200c: half the width of the maps.
    supply, supply_total : float
        Neutral and total gas of that sphere over f_b M_200c.
    helium : bool
        Whether the gas, neutral and total, counts its helium.
    phase, star_formation : str
        What the gas and the rate of the pixels are.
    depletion_time : float
        Of the pixels' gas [Gyr].
    effective_surface_density : float
        Msun/pc^2.
    """

    name: str
    track: str
    run: RunLabel
    target: float
    redshift: float
    m_200c: float
    aperture: float
    supply: float
    supply_total: float
    helium: bool
    phase: str
    star_formation: str
    depletion_time: float
    effective_surface_density: float


@dataclass(frozen=True, eq=False)
class InSituPoint:
    """In-situ share of the stars of one galaxy at one target redshift, with the bracket of unknown births.

    `redshift` is that of the snapshot, NaN where it is not stated.
    """

    run: RunLabel
    group: str
    name: str
    target: float
    m_200c: float
    fraction: float
    low: float
    high: float
    reason: str
    redshift: float = math.nan


@dataclass(frozen=True, eq=False)
class UVCurve:
    """One model of the UV luminosity function at one redshift."""

    label: str
    redshift: float
    function: UVLuminosityFunction
