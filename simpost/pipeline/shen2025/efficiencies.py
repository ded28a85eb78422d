"""Halo-scale efficiencies of all galaxies of a set at every target redshift, and their fits."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from simpost.analysis.double_power_law_fit import DoublePowerLawFit, fit_double_power_law
from simpost.analysis.efficiency import HALF_WIDTH, halo_efficiency
from simpost.analysis.halo import dynamical_time
from simpost.analysis.simulation_sets import CENTRAL, TARGET, EfficiencyFit, EfficiencyPoint
from simpost.config.shen2025 import DoublePowerLawConfig, EfficiencyConfig
from simpost.core.errors import InputError, SimpostError
from simpost.pipeline.shen2025.births import born_stars
from simpost.pipeline.shen2025.histories import Simulation
from simpost.trees.track import Track

FEW = 5  # galaxies of a group: at 1, 3, 5 its 16-84 % intervals hold the truth in 3, 56, 58 % of sets
FEW_IN_ALL = 10  # galaxies below which 16-84 % intervals hold the truth in 50 to 63 % of sets


@dataclass(eq=False)
class Efficiencies:
    """Points by target redshift, which haloes were left out, and what failed: one line each."""

    points: dict[float, list[EfficiencyPoint]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


def measure_efficiencies(simulations: list[Simulation], options: EfficiencyConfig) -> Efficiencies:
    """Measure every clean central, and the main targets, at every redshift of the configuration.

    A galaxy that cannot be measured, or a run that cannot be read, is a line of `failures` with the
    redshifts it is missing at; the others are whole.
    """
    found = Efficiencies()
    failed: dict[tuple[str, str], list[str]] = {}
    for redshift in options.redshifts:
        points = found.points.setdefault(redshift, [])
        for simulation in simulations:
            failures: dict[str, str] = {}
            try:
                points += _of_run(simulation, redshift, options, found.notes, failures)
            except SimpostError as error:
                failures[simulation.config.name] = str(error)
            for reason in failures.items():
                failed.setdefault(reason, []).append(f"{redshift:g}")
    found.failures = [
        f"efficiency of {name}, z = {', '.join(redshifts)}: {error}"
        for (name, error), redshifts in failed.items()
    ]
    return found


def fit_efficiencies(found: Efficiencies, options: DoublePowerLawConfig, seed: int) -> list[EfficiencyFit]:
    """Fit a double power law to the points of each variant at each redshift."""
    fits = []
    for redshift, points in found.points.items():
        for variant in dict.fromkeys(point.run.variant for point in points):
            chosen = [point for point in points if point.run.variant == variant]
            try:
                fit = fit_double_power_law(
                    [float(point.result.log_mass.median) for point in chosen],
                    [float(point.result.efficiency.median) for point in chosen],
                    [point.group for point in chosen],
                    galaxy=[point.track.name for point in chosen],
                    target_group=TARGET,
                    fixed_log_m0=options.fixed_log_break.get(redshift),
                    weights=options.weights,
                    loss=options.loss,
                    n_bootstrap=options.resamplings,
                    seed=seed,
                )
                fits.append(EfficiencyFit(redshift, variant, fit, _caution(fit, options)))
            except InputError as error:
                fits.append(EfficiencyFit(redshift, variant, None, str(error)))
    return fits


def _caution(fit: DoublePowerLawFit, options: DoublePowerLawConfig) -> str:
    """What errors of a fit do not say; empty if nothing."""
    fewest = min(fit.n_points, key=lambda group: fit.n_points[group])
    total = sum(fit.n_points.values())
    if len(fit.n_points) > 1 and options.weights == "equal_groups" and fit.n_points[fewest] < FEW:
        return (
            f"group '{fewest}' of {fit.n_points[fewest]} carries half the weight and hardly varies in "
            "resamples: errors are too small; use 'weights: equal_points'"
        )
    return f"errors from {total} galaxies are too small" if total < FEW_IN_ALL else ""


def _of_run(
    simulation: Simulation,
    redshift: float,
    options: EfficiencyConfig,
    notes: list[str],
    failures: dict[str, str],
) -> list[EfficiencyPoint]:
    """Points of one run; counts of what was left out go to `notes`, errors to `failures` by track."""
    run, number = simulation.config, simulation.nearest(redshift)
    tracks = simulation.tracks_at(number, options.least_mass)
    without_mass = simulation.without_mass(number, options.least_mass)
    left_out = {
        "contaminated": 0,
        "with one snapshot only": 0,
        "without a stellar mass": 0,
        "without M_200c": sum(simulation.root(row) not in tracks for row in without_mass),
    }
    points = []
    for root, track in tracks.items():
        is_target = root in simulation.target_roots
        if track is None:
            left_out["with one snapshot only"] += 1
            continue
        if not (is_target or options.contaminated) and simulation.is_clean_at(track, number) is False:
            left_out["contaminated"] += 1
            continue
        if not np.all(np.isfinite(track.m_star)):
            left_out["without a stellar mass"] += 1
            continue
        group = TARGET if is_target else CENTRAL
        try:
            points.append(_point(simulation, group, track, redshift, options))
        except SimpostError as error:
            failures[track.name] = str(error)
    starless = sum(point.result.has_no_stars for point in points)
    shrinking = sum(point.result.n_censored > 0 for point in points)
    for count, words in ((starless, "without stars"), (shrinking, "with segments in which the halo shrinks")):
        if count:
            notes.append(f"{run.name}, z = {redshift:g}: {count} of {len(points)} haloes {words}")
    found = simulation.redshift(number)
    for reason, count in left_out.items():
        if count:
            notes.append(f"{run.name}, z = {redshift:g}: {count} haloes {reason} left out (z = {found:.2f})")
    return points


def _point(
    simulation: Simulation, group: str, track: Track, redshift: float, options: EfficiencyConfig
) -> EfficiencyPoint:
    t_dyn = float(dynamical_time(redshift, simulation.cosmology))
    end = float(simulation.cosmology.age(1.0 / (1.0 + redshift))) + HALF_WIDTH[options.window] * t_dyn
    result = halo_efficiency(
        track.name,
        track.time,
        track.m_halo,
        track.m_star,
        redshift,
        simulation.cosmology,
        is_bridged=track.is_bridged,
        stars=born_stars(simulation, track, end),
        window=options.window,
        spacing=options.segments,
        dynamical_time_at=options.dynamical_time,
        interpolation=options.interpolation,
    )
    return EfficiencyPoint(simulation.label, group, track, result)
