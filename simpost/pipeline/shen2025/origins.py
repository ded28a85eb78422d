"""Where the stars of the galaxies of a set were born."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np

from simpost.analysis.in_situ import arepo_in_situ_fraction
from simpost.analysis.simulation_sets import CENTRAL, TARGET, InSituPoint
from simpost.config.shen2025 import EfficiencyConfig, InSituConfig
from simpost.core.errors import SimpostError
from simpost.pipeline.shen2025.histories import Simulation
from simpost.trees.track import Track


def in_situ_fractions(
    simulations: list[Simulation],
    options: InSituConfig,
    haloes: EfficiencyConfig,
    failures: list[str],
) -> list[InSituPoint]:
    """Measure every central with stars in the snapshots nearest the target redshifts."""
    points = []
    for simulation in simulations:
        done = set()
        for target in options.redshifts:
            number = simulation.nearest(target)
            if number not in simulation.paths or number in done:
                continue
            done.add(number)
            for root, track in simulation.tracks_at(number, haloes.least_mass).items():
                if track is None or simulation.is_clean_at(track, number) is False:
                    continue
                track = _until(track, number)
                if not track.m_star[-1] > 0.0:
                    continue
                group = TARGET if root in simulation.target_roots else CENTRAL
                try:
                    points.append(_measure(simulation, track, group, target, options))
                except SimpostError as error:
                    failures.append(f"in-situ fraction of {track.name}, z = {target:g}: {error}")
    return points


def _measure(
    simulation: Simulation, track: Track, group: str, target: float, options: InSituConfig
) -> InSituPoint:
    result = arepo_in_situ_fraction(track, simulation.files, options.definition)
    return InSituPoint(
        run=simulation.label,
        group=group,
        name=track.name,
        target=target,
        m_200c=float(track.m_halo[-1]),
        fraction=result.fraction,
        low=result.low,
        high=result.high,
        reason="; ".join(result.flags),
    )


def _until(track: Track, number: int) -> Track:
    """The part of a track up to a snapshot."""
    chosen = track.scale_factor <= track.scale_factor[track.snapshot == number].max(initial=0.0)
    columns = {
        item.name: getattr(track, item.name)[chosen]
        for item in fields(track)
        if isinstance(getattr(track, item.name), np.ndarray)
    }
    return replace(track, **columns)
