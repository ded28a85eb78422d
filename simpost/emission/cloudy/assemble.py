"""From the outputs of a grid of Cloudy models to a line grid.

F(N) is the intrinsic cumulative flux, all that the gas emits with the escape probability included: that is
int 4 pi j dz. The emergent one also loses what dust in the slab absorbs on the way to the face, which
Cloudy calls unreliable in a first iteration; for [CII] it is lower by 0.0003 dex (median) and at most
0.0023 dex in 219 slabs of Cloudy 17.02 with N = 1e22. Between the edges of zones, which are uniform, F is
linear in N.

Failed models are filled along log n only, by log-linear interpolation between two good neighbours that are
adjacent nodes; everything else that is missing is refused.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simpost.core.errors import InputError
from simpost.emission.axes import standard_axis
from simpost.emission.cloudy.decks import Node, grid_nodes, grid_variants
from simpost.emission.cloudy.outputs import ModelError, Reason, Slab
from simpost.emission.cloudy.runner import FAILED, FAILURE_NAME, MODELS, check_release, open_grid, read_model
from simpost.emission.cloudy.settings import CloudyGridConfig
from simpost.emission.grid import FLOOR, LineGrid, log_per_nucleus
from simpost.emission.lines import CII
from simpost.emission.two_level import deexcitation_rate

Array = NDArray[np.float64]

T_CII, C_CII = "t_cii", "c_cii"
DEFAULT_MAX_FILLED = 0.05  # of the models; more holes than this are no accident
_ROUNDING = 1e-3  # of a column: depths are printed with six digits
_SAME_ABUNDANCE = 1e-3  # of a number; Cloudy prints four decimals of its logarithm
_NAMED = 20  # models named in a note; a longer list is counted


class IncompleteGridError(InputError):
    """Nodes are missing that may not be filled; `missing` names them, one line each."""

    def __init__(self, what: object, found: str, missing: tuple[str, ...]) -> None:
        self.missing = missing
        remedy = (
            "run the failed models again, or leave out the nodes or the deepest columns (--max-log-column)"
        )
        super().__init__(what, found, "a model for every node", remedy)


class Failure(NamedTuple):
    """A model that cannot be used."""

    node: Node
    reason: Reason
    detail: str


@dataclass
class Survey:
    """What a folder of models holds: tables with NaN where there is nothing, and what was wrong.

    `tables` are log10(F/N) by line label and log10 of `t_cii` [K] and `c_cii` [cm^3/s], of the shape
    (variant, n, Z, G0, N); `short` maps models that stopped before the last column to why.
    """

    config: CloudyGridConfig
    log_column: Array
    tables: dict[str, Array]
    version: str = "unknown"
    abundances: dict[str, float] = field(default_factory=dict)
    good: int = 0
    failures: list[Failure] = field(default_factory=list)
    short: dict[str, str] = field(default_factory=dict)
    filled: list[str] = field(default_factory=list)
    emergent_lower: float = 0.0  # dex, [CII], the largest of all models

    def report(self) -> list[str]:
        """Counts as lines: good, short, failed by reason, filled."""
        reasons = Counter(failure.reason.value for failure in self.failures)
        counts = "".join(f", {count} {reason}" for reason, count in sorted(reasons.items()))
        return [
            f"models: {self.good + len(self.failures)}; good: {self.good}{counts}",
            f"good but shorter than the column axis: {len(self.short)}",
            f"filled between neighbours in density: {len(self.filled)}",
        ]


def at_columns(slab: Slab, column: Array) -> dict[str, Array]:
    """Cumulative quantities of a slab at columns [cm^-2]; NaN beyond its end.

    Fluxes by line label [erg/s/cm^2], and the [CII]-weighted temperature `t_cii` [K] and de-excitation rate
    over density `c_cii` [cm^3/s] from the face to each column.
    """
    edges = np.concatenate([[0.0], slab.column])
    inside = np.where(column <= slab.column[-1] * (1.0 + _ROUNDING), column, np.nan)

    def upto(cumulative: Array) -> Array:
        values = np.interp(inside, edges, np.concatenate([[0.0], cumulative]))
        return np.where(np.isnan(inside), np.nan, values)

    found = {line: upto(flux) for line, flux in slab.flux.items()}
    emitted = np.diff(slab.flux[CII], prepend=0.0)
    rate = deexcitation_rate(slab.temperature, slab.n_e, slab.n_HI, slab.n_H2) / slab.density
    for name, values in ((T_CII, slab.temperature), (C_CII, rate)):
        with np.errstate(invalid="ignore"):  # no emission, no weight
            found[name] = upto(np.cumsum(values * emitted)) / found[CII]
    return found


def survey(
    folder: Path,
    max_log_column: float | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Survey:
    """Read every model of a grid.

    Parameters
    ----------
    folder : Path
        Made by `write_decks`, with models in `models/NAME/`.
    max_log_column : float, optional
        Leave out the columns beyond; default: the whole axis of the configuration.
    progress : callable, optional
        Called as progress(models read, models in all), about 12 ms apart.

    Raises
    ------
    InputError
        Models of two versions of Cloudy or of other abundances, two models for one node, models that are
        not of this grid, or no good model at all.
    """
    config = open_grid(folder)
    nodes = list(grid_nodes(config))
    places = _places(folder, {node.name for node in nodes})
    found = _empty(config, max_log_column)
    flat = {name: table.reshape(len(nodes), -1) for name, table in found.tables.items()}  # views
    slabs: dict[str, tuple[str, dict[str, float]]] = {}
    for i, node in enumerate(nodes):
        if progress is not None:
            progress(i, len(nodes))
        try:
            slab = read_model(places.get(node.name, folder / MODELS / node.name), node, config)
        except ModelError as error:
            found.failures.append(_failure(folder, node, error))
            continue
        _store(found, node, slab, {name: table[i] for name, table in flat.items()})
        slabs[node.name] = slab.version, _at_solar(slab, node)
    if not slabs:
        raise InputError(
            folder, "no good model", "models made by `simpost grid run-cloudy`", "\n".join(found.report())
        )
    found.version = _one_version(folder, [version for version, _ in slabs.values()])
    check_release(found.version, config, folder)
    found.abundances = _one_composition({name: abundances for name, (_, abundances) in slabs.items()})
    return found


def _empty(config: CloudyGridConfig, max_log_column: float | None) -> Survey:
    log_column = np.array(config.log_column)
    if max_log_column is not None:
        log_column = log_column[log_column <= max_log_column]
        if log_column.size < 2:
            expected = f"at least {config.log_column[1]:g}"
            raise InputError("max_log_column", f"{max_log_column:g}", expected)
    shape = (
        len(grid_variants(config)),
        len(config.log_n),
        len(config.log_z),
        len(config.log_g0),
        len(log_column),
    )
    return Survey(
        config, log_column, {name: np.full(shape, np.nan) for name in (*config.lines, T_CII, C_CII)}
    )


def _places(folder: Path, names: set[str]) -> dict[str, Path]:
    """Folder of each model; InputError for two of one node and for models that are not of this grid."""
    outputs = sorted((folder / MODELS).rglob("*.out"))
    count = Counter(output.stem for output in outputs)
    doubled = [name for name, times in count.items() if times > 1]
    if doubled:
        raise InputError(
            folder, f"two models for one node: {_some(doubled)}", "one model per node", "remove one"
        )
    foreign = [name for name in count if name not in names]
    if foreign:
        expected = "models of this grid only"
        raise InputError(folder, f"{len(foreign)} others: {_some(foreign)}", expected, "move them elsewhere")
    return {output.stem: output.parent for output in outputs}


def _failure(folder: Path, node: Node, error: ModelError) -> Failure:
    """The failure of a node, with what the runner noted about it."""
    note = folder / FAILED / node.name / FAILURE_NAME
    if error.reason is Reason.NOT_RUN and note.is_file():
        reason, _, detail = note.read_text(encoding="utf-8").partition("\n")
        if reason in {item.value for item in Reason}:
            return Failure(node, Reason(reason), detail.strip())
    return Failure(node, error.reason, error.detail)


def _store(found: Survey, node: Node, slab: Slab, rows: Mapping[str, Array]) -> None:
    values = at_columns(slab, 10.0**found.log_column)
    for line in found.config.lines:
        inside = ~np.isnan(values[line])
        rows[line][inside] = log_per_nucleus(values[line][inside], found.log_column[inside])
    for name in (T_CII, C_CII):
        rows[name][:] = np.log10(values[name])
    found.good += 1
    lowered = float(np.log10(slab.flux[CII][-1] / slab.emergent[CII][-1]))
    found.emergent_lower = max(found.emergent_lower, lowered)
    if np.isnan(values[CII][-1]):
        end = f"log N = {np.log10(slab.column[-1]):.2f}"
        found.short[node.name] = f"{slab.stop_reason or 'unknown reason'} at {end}"


def _at_solar(slab: Slab, node: Node) -> dict[str, float]:
    """Abundances at Z = 1: metals are proportional to Z, helium is not."""
    scale = 10.0**node.log_z
    return {element: x if element == "He" else x / scale for element, x in slab.abundances.items()}


def _one_version(folder: Path, versions: list[str]) -> str:
    count = Counter(versions)
    if len(count) > 1:
        text = ", ".join(f"{times} of Cloudy {version}" for version, times in sorted(count.items()))
        raise InputError(
            folder, f"models of {len(count)} versions ({text})", "one version", "run all with one"
        )
    return versions[0]


def _one_composition(compositions: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    first, reference = next(iter(compositions.items()))
    for name, abundances in compositions.items():
        same = set(abundances) == set(reference) and all(
            abs(x / reference[element] - 1.0) <= _SAME_ABUNDANCE for element, x in abundances.items()
        )
        if not same:
            expected = f"the abundances of {first}, scaled with Z"
            raise InputError(name, "other abundances", expected, "run all models with one abundance set")
    return {element: float(f"{x:.3g}") for element, x in reference.items()}


def fill(found: Survey) -> None:
    """Fill isolated holes along log n in place: log-linear between two good, adjacent nodes.

    A hole at an end of the density axis, beside another hole, or beside a node without emission of a line
    that its other neighbour emits stays.
    """
    log_n = np.array(found.config.log_n)
    have = _have(found)
    holes = np.argwhere(~have[:, 1:-1] & have[:, :-2] & have[:, 2:])
    filled = set()
    for variant, below, *rest in holes.tolist():
        low, hole, high = ((variant, below + step, *rest) for step in range(3))
        weight = (log_n[below + 1] - log_n[below]) / (log_n[below + 2] - log_n[below])
        pairs = {name: (table[low], table[high]) for name, table in found.tables.items()}
        if any((a <= FLOOR) != (b <= FLOOR) for a, b in pairs.values()):
            continue
        for name, (a, b) in pairs.items():
            found.tables[name][hole] = (1.0 - weight) * a + weight * b
        filled.add(_name_at(found.config, hole))
    found.filled = sorted(filled)


def _have(found: Survey) -> NDArray[np.bool_]:
    return ~np.isnan(np.array(list(found.tables.values()))).any(axis=0)


def _name_at(config: CloudyGridConfig, index: tuple[int, ...]) -> str:
    variant, i, j, k = index[:4]
    return Node(grid_variants(config)[variant], config.log_n[i], config.log_z[j], config.log_g0[k]).name


def assemble(found: Survey, max_filled: float = DEFAULT_MAX_FILLED) -> LineGrid:
    """Fill what may be filled, and make the line grid.

    Parameters
    ----------
    found : Survey
        Its `filled` is set, and its tables are completed in place.
    max_filled : float
        Share of the models that may be filled.

    Raises
    ------
    IncompleteGridError
        Nodes are missing still, or more than `max_filled` had to be filled.
    """
    config = found.config
    fill(found)
    missing = sorted({_name_at(config, index) for index in map(tuple, np.argwhere(~_have(found)).tolist())})
    if missing:
        raise IncompleteGridError(
            "grid", f"{len(missing)} nodes missing: {_some(missing)}", _why(found, missing)
        )
    models = found.good + len(found.failures)
    if len(found.filled) > max_filled * models:
        text = f"{len(found.filled)} of {models} models to be filled, above {max_filled:g}"
        raise IncompleteGridError("grid", text, _why(found, found.filled))
    axes = {name: standard_axis(name, getattr(config, name)) for name in ("log_n", "log_z", "log_g0")}
    return LineGrid(
        axes=axes | {"log_column": standard_axis("log_column", found.log_column)},
        variants=grid_variants(config),
        emission={line: found.tables[line].astype(np.float32) for line in config.lines},
        t_cii=(10.0 ** found.tables[T_CII]).astype(np.float32),
        c_cii=(10.0 ** found.tables[C_CII]).astype(np.float32),
        code="Cloudy",
        version=found.version,
        made=f"simpost.emission.cloudy from {models} models",
        abundances=found.abundances,
        cmb_in_grid=False,
        notes=_notes(found),
    )


def _why(found: Survey, names: list[str]) -> tuple[str, ...]:
    failed = {failure.node.name: f"{failure.reason.value}: {failure.detail}" for failure in found.failures}
    return tuple(f"{name}: {failed.get(name) or found.short.get(name, 'unknown')}" for name in names)


def _notes(found: Survey) -> tuple[str, ...]:
    config = found.config
    spectra = "; ".join(f"{variant} {command}" for variant, command in config.spectra.items())
    notes = [
        f"Incident spectra: {spectra}; non_ionising is extinguished beyond 13.6 eV.",
        f"Z multiplies metals and grains of Cloudy's set {config.abundances}; Z = 1 means its abundances.",
        "F is intrinsic: escape probability included, dust absorption on the way out not; emergent [CII] is "
        f"lower by at most {found.emergent_lower:.4f} dex.",
        "The models contain the CMB of z = 0, whose effect on [CII] is negligible; CO lines are net of it.",
    ]
    if found.filled:
        notes.append(
            f"Filled, as failed or ended early: {len(found.filled)} models, by log-linear interpolation "
            f"between their two neighbours in density: {_some(found.filled)}."
        )
    return tuple(notes)


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
