"""Axes of a line grid: what they are called, their units, and what is done beyond their ends."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simpost.core.errors import InputError, nearest_name

Array = NDArray[np.float64]
REFUSE: Literal["refuse"] = "refuse"
# Slope d log l / d axis beyond an end: 0 clamps, any other number extrapolates; or cells there are refused
Beyond = float | Literal["refuse"]


class Axis(NamedTuple):
    """One axis: ascending log10 nodes, their unit, and what lies beyond the lowest and highest."""

    nodes: Array
    unit: str
    below: Beyond
    above: Beyond


class CellAxis(NamedTuple):
    """An axis along which cells find their own place: unit, default policy, what it means."""

    unit: str
    below: Beyond
    above: Beyond
    meaning: str


# C+ is sub-critical below the lowest density, l follows the abundance below the lowest metallicity, a slab
# is thin below the lowest column, and no more light comes from beyond the highest. The names are the keyword
# arguments of `luminosity.line_luminosity`; any other axis of a grid is used at one stated value.
CELL_AXES = {
    "log_n": CellAxis("log10 cm^-3", 1.0, 0.0, "hydrogen nuclei"),
    "log_z": CellAxis("log10 solar", 1.0, 0.0, "metallicity, Z/0.0134"),
    "log_g0": CellAxis("log10 Habing", 0.0, 0.0, "field at the face, 6-13.6 eV"),
    "log_column": CellAxis("log10 cm^-2", 0.0, -1.0, "hydrogen column from the face"),
}
DENSITY, COLUMN = "log_n", "log_column"


def standard_axis(name: str, nodes: ArrayLike) -> Axis:
    """An axis of `CELL_AXES` with its unit and default policy."""
    if name not in CELL_AXES:
        raise InputError("axis", repr(name), "a cell's axis", nearest_name(name, list(CELL_AXES)))
    unit, below, above, _ = CELL_AXES[name]
    return Axis(np.asarray(nodes, dtype=float), unit, below, above)


def check_axis(name: str, axis: Axis) -> Axis:
    """The axis with float nodes.

    Raises
    ------
    InputError
        Fewer than two nodes, nodes that do not ascend or are not finite, another unit than the cells'
        values have, or a policy that is neither a slope nor `refuse`.
    """
    where = f"grid axis {name}"
    nodes = np.asarray(axis.nodes, dtype=float)
    if nodes.ndim != 1 or nodes.size < 2 or not np.isfinite(nodes).all() or not (np.diff(nodes) > 0).all():
        raise InputError(where, _nodes_found(nodes), "two or more finite, ascending nodes")
    if name in CELL_AXES and axis.unit != CELL_AXES[name].unit:
        raise InputError(where, f"unit {axis.unit!r}", repr(CELL_AXES[name].unit), "convert the nodes")
    for beyond in (axis.below, axis.above):
        if beyond != REFUSE and not (isinstance(beyond, int | float) and np.isfinite(beyond)):
            raise InputError(where, f"policy {beyond!r}", "a finite slope or 'refuse'")
    return axis._replace(nodes=nodes)


def equal_steps(nodes: Array) -> bool:
    """Whether nodes are equally spaced to 1e-6 of a step."""
    steps = np.diff(nodes)
    return bool(np.allclose(steps, steps[0], rtol=1e-6, atol=0.0))


def _nodes_found(nodes: Array) -> str:
    if nodes.ndim != 1 or nodes.size < 2:
        return f"shape {nodes.shape}"
    if not np.isfinite(nodes).all():
        return "nodes that are not finite"
    return "nodes that do not ascend"
