"""Everything an analysis has measured so far."""

from __future__ import annotations

from dataclasses import dataclass, field

from simpost.analysis.simulation_sets import EfficiencyFit, EfficiencyPoint, InSituPoint, UVCurve
from simpost.pipeline.shen2025.histories import Simulation
from simpost.pipeline.shen2025.pixels import PixelResults


@dataclass(eq=False)
class Found:
    """What failed stays empty."""

    simulations: list[Simulation] = field(default_factory=list)
    points: dict[float, list[EfficiencyPoint]] = field(default_factory=dict)
    fits: list[EfficiencyFit] = field(default_factory=list)
    pixels: PixelResults = field(default_factory=PixelResults)
    in_situ: list[InSituPoint] = field(default_factory=list)
    curves: list[UVCurve] = field(default_factory=list)
