"""What one Cloudy model printed and saved, as a slab; or why it is no good.

Conventions of the saved tables, each seen in real files: one row per zone, the depth being that of the
zone's centre while cumulative fluxes and columns belong to its outer edge; with several iterations and
without the word `last` the table is repeated, and the last one counts; releases 10 and 13 print log10.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simpost.core.errors import InputError
from simpost.emission.cloudy.decks import TABLES
from simpost.emission.cloudy.releases import find_column
from simpost.emission.lines import CII

Array = NDArray[np.float64]

_COLUMN_AGREES = 0.02  # .pdr prints three digits of the column

_VERSION = re.compile(r"^Cloudy\s+\(?c?(\d\d[\w.]*)")
_STOPPED = re.compile(r"Calculation stopped because (.*?)\.?\s+Iteration \d+ of \d+(.*)")
_UNCONVERGED = re.compile(r"ConvFail|^C-.*not converge")
_ZONES = re.compile(r"Cloudy ends:\s*(\d+) zones?")
_ENDING = re.compile(r"\[Stop in .*, (Cloudy exited OK|something went wrong)\]")
_REPLACED = re.compile(r"no exact matching lines found|Taking best match", re.IGNORECASE)
_ABUNDANCE = re.compile(r"\b([A-Z][a-z]?)\s*:\s*(-?\d+\.\d+)")


class Reason(StrEnum):
    """Why a model cannot be used."""

    NOT_RUN = "not run"
    OTHER_DECK = "made from another deck"
    KILLED = "killed before its end"
    TIMED_OUT = "timed out"
    CRASHED = "ended with an error"
    WARNED = "ended with a warning"
    UNCONVERGED = "not converged"
    LINE_REPLACED = "line replaced by another"
    HALF_WRITTEN = "half-written or missing files"
    INCONSISTENT = "files that contradict each other"


class ModelError(Exception):
    """A model that cannot be used: its reason and a detail."""

    def __init__(self, reason: Reason, detail: str) -> None:
        self.reason, self.detail = reason, " ".join(detail.split())
        super().__init__(f"{reason}: {self.detail}")


class Ending(NamedTuple):
    """What the main output of a good model says."""

    version: str
    stop_reason: str
    zones: int
    abundances: dict[str, float]  # element to number per hydrogen nucleus, gas phase
    commands: tuple[str, ...]  # the deck as Cloudy echoes it


@dataclass(frozen=True)
class Slab:
    """A model that ended well; arrays have one entry per zone.

    Attributes
    ----------
    version, stop_reason, abundances
        As in `Ending`.
    column : array
        Hydrogen column at the outer edge of each zone [cm^-2].
    flux, emergent : dict of array
        Line label to the cumulative flux from the face to the outer edge, over 4 pi [erg/s/cm^2]: all that
        is emitted (escape probability included), and what dust lets out.
    temperature, density : array
        Gas temperature [K] and hydrogen nuclei [cm^-3].
    n_e, n_HI, n_H2 : array
        Electrons, hydrogen atoms and molecules [cm^-3].
    """

    version: str
    stop_reason: str
    abundances: dict[str, float]
    column: Array
    flux: dict[str, Array]
    emergent: dict[str, Array]
    temperature: Array
    density: Array
    n_e: Array
    n_HI: Array  # noqa: N815
    n_H2: Array  # noqa: N815


def read_table(path: Path) -> dict[str, Array]:
    """Columns of a saved table by their header; of repeated tables the last.

    Raises
    ------
    ModelError
        The file is missing, ends within a row, has no row, or has rows of different length.
    """
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise ModelError(Reason.HALF_WRITTEN, f"{path.name}: {error.strerror}") from None
    if not text.endswith("\n"):
        raise ModelError(Reason.HALF_WRITTEN, f"{path.name} ends within a row")
    header, *lines = text.splitlines()
    blocks: list[list[str]] = [[]]
    for line in lines:
        if line.startswith("#"):
            blocks.append([])
        else:
            blocks[-1].append(line)
    names = header.removeprefix("#").split("\t")
    rows = [line.split("\t") for line in next((block for block in reversed(blocks) if block), [])]
    if not rows or any(len(row) != len(names) for row in rows):
        detail = f"{path.name} has {len(rows)} rows, not all of {len(names)} columns"
        raise ModelError(Reason.HALF_WRITTEN, detail)
    try:
        values = np.array(rows, dtype=float)
    except ValueError as error:
        raise ModelError(Reason.HALF_WRITTEN, f"{path.name}: {error}") from None
    if (np.isnan(values) | (values == np.inf)).any():
        raise ModelError(Reason.INCONSISTENT, f"{path.name} has values that are not finite")
    return dict(zip(names, values.T, strict=True))


def read_ending(path: Path) -> Ending:
    """Version, stop reason, zones and composition of a model that ended well.

    `PROBLEM DISASTER` alone is no failure: Cloudy prints it for an optional data file it does without.

    Raises
    ------
    ModelError
        The model was killed, ended with an error or a warning, did not converge, or put another line in
        place of one that was asked for.
    """
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise ModelError(Reason.NOT_RUN, f"{path.name}: {error.strerror}") from None
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    endings = [match[1] for line in lines[-10:] if (match := _ENDING.search(line))]
    if not endings:
        raise ModelError(Reason.KILLED, f"{path.name} has no ending")
    warnings = [line.removeprefix("W-") for line in lines if line.startswith("W-")]
    if "OK" not in endings[-1]:
        raise ModelError(Reason.CRASHED, warnings[0] if warnings else _last_words(lines))
    for line in lines:
        if _REPLACED.search(line):
            raise ModelError(Reason.LINE_REPLACED, line)
    if warnings:
        raise ModelError(Reason.WARNED, warnings[0])
    stops = [match for line in lines if (match := _STOPPED.search(line))]
    zones = [int(match[1]) for line in lines[-10:] if (match := _ZONES.search(line))]
    versions = [match[1] for line in lines[:5] if (match := _VERSION.match(line))]
    if not stops or not zones or not versions:
        raise ModelError(Reason.INCONSISTENT, f"{path.name} lacks its version, stop reason or zone count")
    unconverged = [line for line in lines if _UNCONVERGED.search(line)]
    if unconverged or "not converged" in stops[-1][2]:
        raise ModelError(Reason.UNCONVERGED, unconverged[0] if unconverged else stops[-1][0])
    return Ending(versions[0], stops[-1][1], zones[0], _composition(lines), _echo(lines))


def _last_words(lines: Sequence[str]) -> str:
    """What Cloudy said before its ending: up to three lines, without the echo of the deck."""
    echoed = [i for i, line in enumerate(lines) if line.startswith("*")]
    said = lines[echoed[-1] + 1 : -1] if echoed else lines[:-1]
    return " ".join(said[-3:])[:300]


def _composition(lines: Sequence[str]) -> dict[str, float]:
    starts = [i for i, line in enumerate(lines) if line.startswith("Gas Phase Chemical Composition")]
    found: dict[str, float] = {}
    for line in lines[starts[0] + 1 :] if starts else ():
        entries = _ABUNDANCE.findall(line)
        if not entries:
            break
        found |= {element: 10.0 ** float(value) for element, value in entries if element != "H"}
    return found


def _echo(lines: Sequence[str]) -> tuple[str, ...]:
    return tuple(_plain_command(line.strip("* ")) for line in lines if line.startswith("* "))


def _plain_command(command: str) -> str:
    """A command as it can be compared with its echo, in which Cloudy replaces underscores."""
    return " ".join(command.replace("_", " ").split()).lower()[:70]


def outer_edges(centres: Array) -> Array:
    """Depths of the outer edges of zones from those of their centres.

    outer_i = 2 centre_i - outer_(i-1); each lies between two centres, so that the digits that Cloudy does
    not print cannot add up.
    """
    edges = np.empty_like(centres)
    inner = 0.0
    for i, centre in enumerate(centres):
        following = centres[i + 1] if i + 1 < centres.size else np.inf
        inner = edges[i] = min(max(2.0 * centre - inner, centre), following)
    return edges


def read_slab(folder: Path, name: str, lines: Sequence[str], physics: Sequence[str]) -> Slab:
    """Read the model `name` in `folder` and prove it whole.

    Parameters
    ----------
    lines : sequence of str
        Labels of the lines it must hold.
    physics : sequence of str
        Commands that the model must have been run with.

    Raises
    ------
    ModelError
        See `Reason`.
    """
    ending = read_ending(folder / f"{name}.out")
    missing = [command for command in physics if _plain_command(command) not in ending.commands]
    if missing:
        raise ModelError(Reason.OTHER_DECK, f"the output does not show the command {missing[0]!r}")
    tables = {suffix: read_table(folder / f"{name}{suffix}") for suffix in TABLES}
    for suffix, table in tables.items():
        rows = table["depth"].size
        if rows != ending.zones:
            raise ModelError(Reason.HALF_WRITTEN, f"{name}{suffix} has {rows} of {ending.zones} zones")
    state = _state(tables[".ovr"])
    column = _column(tables, state["hden"], name)
    return Slab(
        version=ending.version,
        stop_reason=ending.stop_reason,
        abundances=ending.abundances,
        column=column,
        flux=_fluxes(tables[".cum"], lines),
        emergent=_fluxes(tables[".ecm"], lines),
        temperature=state["Te"],
        density=state["hden"],
        n_e=state["eden"],
        n_HI=state["HI"] * state["hden"],
        n_H2=0.5 * state["2H_2/H"] * state["hden"],
    )


def _state(overview: dict[str, Array]) -> dict[str, Array]:
    """The columns of an overview that are needed, linear; a negative heating rate is a logarithm."""
    try:
        wanted = {name: overview[name] for name in ("Te", "hden", "eden", "HI", "2H_2/H")}
        logarithmic = bool((overview["Htot"] < 0.0).all())
    except KeyError as error:
        raise ModelError(Reason.INCONSISTENT, f"the overview has no column {error}") from None
    return {name: 10.0**values if logarithmic else values for name, values in wanted.items()}


def _column(tables: dict[str, dict[str, Array]], density: Array, name: str) -> Array:
    """Column at the outer edges, held against the one that Cloudy prints with three digits."""
    depth, printed = tables[".cum"]["depth"], tables[".pdr"].get("H colden")
    column = np.cumsum(np.diff(outer_edges(depth), prepend=0.0) * density)
    if printed is None or np.abs(column / printed - 1.0).max() > _COLUMN_AGREES:
        raise ModelError(Reason.INCONSISTENT, f"the columns of {name}.pdr are not those of its depths")
    return np.asarray(column)


def _fluxes(table: dict[str, Array], lines: Sequence[str]) -> dict[str, Array]:
    """Fluxes by simpost's labels, linear; fluxes of [CII] that are all negative are logarithms."""
    try:
        headers = {line: find_column(line, table) for line in lines}
    except InputError as error:
        raise ModelError(Reason.OTHER_DECK, str(error)) from None
    fluxes = {line: table[header] for line, header in headers.items()}
    if (fluxes[CII] < 0.0).all():
        return {line: 10.0**flux for line, flux in fluxes.items()}
    return fluxes
