"""What the analysis of several simulations gives, galaxy by galaxy and sample by sample."""

from __future__ import annotations

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
        Of the galaxy.
    run : RunLabel
        Its simulation.
    target, redshift : float
        Redshift it stands for, and of its snapshot.
    m_200c : float
        Msun.
    supply, supply_total : float
        Neutral and total gas of the field of view (0.6 R_200c) over f_b M_200c.
    helium : bool
        Whether the gas counts its helium.
    depletion_time : float
        Of the pixels' gas [Gyr].
    effective_surface_density : float
        Msun/pc^2.
    """

    name: str
    run: RunLabel
    target: float
    redshift: float
    m_200c: float
    supply: float
    supply_total: float
    helium: bool
    depletion_time: float
    effective_surface_density: float


@dataclass(frozen=True, eq=False)
class InSituPoint:
    """In-situ share of the stars of one galaxy at one target redshift, with the bracket of unknown births."""

    run: RunLabel
    group: str
    name: str
    target: float
    m_200c: float
    fraction: float
    low: float
    high: float
    reason: str


@dataclass(frozen=True, eq=False)
class UVCurve:
    """One model of the UV luminosity function at one redshift."""

    label: str
    redshift: float
    function: UVLuminosityFunction
