"""From the configuration of a set of runs to tables, figures and a summary."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from simpost.config import stamp
from simpost.config.shen2025 import Shen2025Config
from simpost.core.errors import SimpostError
from simpost.core.files import write_whole
from simpost.pipeline.galaxy import Report
from simpost.pipeline.output import check_output, claim_output
from simpost.pipeline.shen2025 import tables
from simpost.pipeline.shen2025.efficiencies import fit_efficiencies, measure_efficiencies
from simpost.pipeline.shen2025.found import Found
from simpost.pipeline.shen2025.histories import open_simulation
from simpost.pipeline.shen2025.luminosity import luminosity_functions
from simpost.pipeline.shen2025.origins import in_situ_fractions
from simpost.pipeline.shen2025.pictures import draw_figures
from simpost.pipeline.shen2025.pixels import map_simulations, measure_pixels


class UnreadableRunsError(SimpostError):
    """No run of the set can be read: one line for each."""


@dataclass
class AnalysisResult:
    """What an analysis wrote; failures and notes: one line each; the summary as written."""

    files: list[Path] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    summary: str = ""


def analyse(config: Shen2025Config, report: Report = lambda stage, share: None) -> AnalysisResult:
    """Run every step that the configuration asks for; a step that fails is a line, the others are whole.

    Raises
    ------
    UnreadableRunsError, InputError
        No run can be read; the output folder belongs to another configuration.
    """
    output = check_output(config.output, stamp(config))
    result, found = AnalysisResult(), Found()
    _open(config, found, result, report)
    claim_output(output, stamp(config))
    steps: list[tuple[str, Callable[[], None]]] = [
        ("efficiencies", lambda: _efficiencies(config, found, result)),
        ("maps and pixels", lambda: _pixels(config, found, output, result, report)),
        ("in-situ fractions", lambda: _in_situ(config, found, result)),
        ("UV luminosity functions", lambda: _luminosity(config, found, result)),
    ]
    left = [name for name, _ in steps]
    try:
        for index, (name, step) in enumerate(steps):
            report(name, 0.2 + 0.15 * index)
            try:
                step()
            except SimpostError as error:
                result.failures.append(f"{name}: {error}")
            left.remove(name)
    finally:  # also when the analysis is stopped: what is done is written
        if left:
            result.failures.append(f"stopped: {', '.join(left)} not done")
        report("tables", 0.8)
        result.notes = tables.together(result.notes)
        _write_tables(found, output, result)
        _write_summary(found, output, result)
    report("figures", 0.85)
    result.files += draw_figures(found, config, output)
    report("done", 1.0)
    return result


def _open(config: Shen2025Config, found: Found, result: AnalysisResult, report: Report) -> None:
    for index, run in enumerate(config.runs):
        report(f"{run.name}: haloes", 0.2 * index / len(config.runs))
        try:
            simulation = open_simulation(run, config.maps.reader if config.maps is not None else None)
            targets = len(simulation.target_roots)
        except SimpostError as error:
            result.failures.append(f"{run.name}: {error}")
        else:
            found.simulations.append(simulation)
            report(f"{run.name}: {targets} main target(s)", 0.2 * (index + 0.5) / len(config.runs))
            result.notes += [f"{run.name}: {note}" for note in simulation.notes]
    if not found.simulations:
        raise UnreadableRunsError("\n".join(result.failures))
    _check_one_cosmology(found, result)


def _check_one_cosmology(found: Found, result: AnalysisResult) -> None:
    """Say where runs of one set do not share their background: figures are drawn in that of the first."""
    first, *others = found.simulations
    for other in others:
        if other.cosmology != first.cosmology:
            result.notes.append(
                f"{other.config.name}: another cosmology than {first.config.name}, whose lines figures show"
            )


def _efficiencies(config: Shen2025Config, found: Found, result: AnalysisResult) -> None:
    measured = measure_efficiencies(found.simulations, config.efficiency)
    found.points = measured.points
    result.notes += measured.notes
    result.failures += measured.failures
    found.fits = fit_efficiencies(measured, config.double_power_law, config.seed)


def _pixels(
    config: Shen2025Config, found: Found, output: Path, result: AnalysisResult, report: Report
) -> None:
    if config.kennicutt_schmidt is None or config.maps is None:
        return

    def within(stage: str, share: float) -> None:
        report(stage, 0.35 + 0.15 * share)

    options, pixels = config.kennicutt_schmidt, found.pixels
    try:
        mapped = map_simulations(found.simulations, config.maps, options, output / "maps", pixels, within)
        measure_pixels(mapped, options, pixels)
    finally:
        result.notes += pixels.notes
        result.failures += pixels.failures


def _in_situ(config: Shen2025Config, found: Found, result: AnalysisResult) -> None:
    if config.in_situ is not None:
        found.in_situ = in_situ_fractions(
            found.simulations, config.in_situ, config.efficiency, result.notes, result.failures
        )


def _luminosity(config: Shen2025Config, found: Found, result: AnalysisResult) -> None:
    if config.uv_luminosity is not None:
        found.curves = luminosity_functions(config.uv_luminosity, found.fits, result.notes, result.failures)


def _write_tables(found: Found, output: Path, result: AnalysisResult) -> None:
    points = [point for at_redshift in found.points.values() for point in at_redshift]
    tracks = list({point.track.name: point.track for point in points}.values())
    pixels = found.pixels
    samples = [*pixels.by_redshift, *pixels.by_run]
    tasks: list[tuple[str, int, Callable[[Path], None]]] = [
        ("growth", len(tracks), lambda path: tables.write_growth(path, tracks)),
        ("efficiency", len(points), lambda path: tables.write_efficiencies(path, points)),
        ("double_power_law", len(found.fits), lambda path: tables.write_fits(path, found.fits)),
        ("kennicutt_schmidt", len(samples), lambda path: tables.write_relations(path, samples)),
        ("galaxies", len(pixels.galaxies), lambda path: tables.write_galaxies(path, pixels.galaxies)),
        ("in_situ", len(found.in_situ), lambda path: tables.write_in_situ(path, found.in_situ)),
        (
            "uv_luminosity",
            len(found.curves),
            lambda path: tables.write_luminosity_functions(path, found.curves),
        ),
    ]
    for name, rows, write in tasks:
        if rows:
            path = output / f"{name}.ecsv"
            write(path)
            result.files.append(path)


def _write_summary(found: Found, output: Path, result: AnalysisResult) -> None:
    lines = ["Halo-scale efficiency (Shen+2025 eq. 3)", *_indent(tables.fit_words(found.fits))]
    if found.pixels.by_redshift:
        lines += ["", "Kennicutt-Schmidt relation"]
        lines += _indent(tables.relation_words([*found.pixels.by_redshift, *found.pixels.by_run]))
    lines += ["", "Notes", *_indent(result.notes)]
    if result.failures:
        lines += ["", "Failures", *_indent(result.failures)]
    result.summary = "\n".join(lines)
    write_whole(output / "summary.txt", (result.summary + "\n").encode())
    result.files.append(output / "summary.txt")


def _indent(lines: list[str]) -> list[str]:
    return [f"  {line}" for line in lines]
