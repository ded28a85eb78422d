"""Where the stars of the galaxies of a set were born."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np

from simpost.analysis.in_situ import InSitu, arepo_in_situ_fraction, catalogue_estimate
from simpost.analysis.simulation_sets import CENTRAL, TARGET, InSituPoint
from simpost.config.shen2025 import EfficiencyConfig, InSituConfig
from simpost.core.errors import SimpostError
from simpost.pipeline.shen2025.histories import FARTHEST, Simulation
from simpost.trees.track import Track


def in_situ_fractions(
    simulations: list[Simulation],
    options: InSituConfig,
    haloes: EfficiencyConfig,
    notes: list[str],
    failures: list[str],
) -> list[InSituPoint]:
    """Measure every central with stars in the snapshots nearest the target redshifts.

    Runs without snapshots give the estimate from their trees, flagged.
    """
    points = []
    for simulation in simulations:
        taken: dict[int, float] = {}
        for target in options.redshifts:
            name = f"{simulation.config.name}, z = {target:g}"
            number = simulation.standing_for(target, simulation.paths or simulation.forest.outputs)
            if number is None:
                notes.append(f"{name}: no snapshot within {FARTHEST:g} in redshift, no in-situ fractions")
            elif number in taken:
                notes.append(f"{name}: its snapshot stands for z = {taken[number]:g} already")
            else:
                taken[number] = target
                points += _of_snapshot(simulation, target, number, options, haloes, notes, failures)
    return points


def _of_snapshot(
    simulation: Simulation,
    target: float,
    number: int,
    options: InSituConfig,
    haloes: EfficiencyConfig,
    notes: list[str],
    failures: list[str],
) -> list[InSituPoint]:
    points = []
    for root, track in simulation.tracks_at(number, haloes.least_mass).items():
        if track is None or simulation.is_clean_at(track, number) is False:
            continue
        track, row = _until(track, number), simulation.row_at(root, number)
        if not track.m_star[-1] > 0.0:
            continue
        if row is None:
            notes.append(f"{track.name}: lost at z = {target:g}, no in-situ fraction")
            continue
        try:
            result = _measure(simulation, row, track, options)
        except SimpostError as error:
            failures.append(f"in-situ fraction of {track.name}, z = {target:g}: {error}")
            continue
        points.append(
            InSituPoint(
                run=simulation.label,
                group=TARGET if root in simulation.target_roots else CENTRAL,
                name=track.name,
                target=target,
                redshift=simulation.redshift(number),
                m_200c=float(track.m_halo[-1]),
                fraction=result.fraction,
                low=result.low,
                high=result.high,
                reason="; ".join(result.flags),
            )
        )
    return points


def _measure(simulation: Simulation, row: int, track: Track, options: InSituConfig) -> InSitu:
    if simulation.paths:
        return arepo_in_situ_fraction(track, simulation.files, options.definition)
    return catalogue_estimate(simulation.forest, row)


def _until(track: Track, number: int) -> Track:
    """The part of a track up to a snapshot."""
    chosen = track.scale_factor <= track.scale_factor[track.snapshot == number].max(initial=0.0)
    columns = {
        item.name: getattr(track, item.name)[chosen]
        for item in fields(track)
        if isinstance(getattr(track, item.name), np.ndarray)
    }
    return replace(track, **columns)
