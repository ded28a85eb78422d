"""Line grids: what a hydrogen nucleus emits, on axes of density, metallicity, field, column and more.

A grid holds, per line, log10 of l = F/N [erg/s per H nucleus], where F(N) = int 4 pi j dz
[erg/s/cm^2] is everything emitted, in both directions, through a slab of column N. The values are kept
in float32, which is 4e-6 of l; a file and the grid read from it are therefore identical.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simpost.core.errors import InputError, nearest_name
from simpost.core.files import atomic_path
from simpost.emission.axes import DENSITY, Axis, check_axis
from simpost.emission.lines import line_named

if TYPE_CHECKING:
    import h5py

Table = NDArray[np.float32]

VARIANTS = ("non_ionising", "ionising")
QUANTITY = "F_4pi_j"
FORMAT, SCHEMA = "simpost line grid", 2
FLOOR = -60.0  # log10 of the l that stands for no emission


@dataclass(frozen=True)
class LineGrid:
    """Line emission per hydrogen nucleus.

    Attributes
    ----------
    axes : mapping of str to Axis
        In the order of the tables. `log_n`, the density of H nuclei, is required; cells place themselves
        along the axes of `axes.CELL_AXES`, any other needs a value (`at`).
    variants : tuple of str
        Spectra of the incident field, without and with ionising photons: the leading axis of every table.
    emission : mapping
        Line label to log10(F/N) [erg/s per H], shape (variant, *axes); -60 stands for no emission.
    t_cii, c_cii : array or None
        [CII]-weighted temperature [K] and de-excitation rate over density C/n [cm^3/s] from the face
        to each column, same shape; without them no CMB correction can be made node by node.
    code, version, made : str
        The code behind the numbers, its version, and how the grid was made.
    abundances : mapping
        Element to number per hydrogen nucleus at Z = 1.
    cmb_in_grid : bool
        Whether the models already contain the CMB as a radiation field.
    notes : tuple of str
        What a user of the grid must know, one sentence each.

    Raises
    ------
    InputError
        Shapes disagree, an axis does not ascend or has another unit, or a value is not finite.
    """

    axes: Mapping[str, Axis]
    variants: tuple[str, ...]
    emission: Mapping[str, Table]
    t_cii: Table | None = None
    c_cii: Table | None = None
    code: str = "unknown"
    version: str = "unknown"
    made: str = "unknown"
    abundances: Mapping[str, float] = field(default_factory=dict)
    cmb_in_grid: bool = False
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if DENSITY not in self.axes:
            raise InputError("grid axes", ", ".join(self.axes) or "none", f"{DENSITY} among them")
        axes = {name: check_axis(name, axis) for name, axis in self.axes.items()}
        object.__setattr__(self, "axes", MappingProxyType(axes))
        unknown = set(self.variants) - set(VARIANTS)
        if unknown or not self.variants or len(set(self.variants)) != len(self.variants):
            raise InputError("grid variants", str(self.variants), f"one or more of {VARIANTS}")
        if not self.emission:
            raise InputError("grid", "no line", "at least one line")
        tables = {line_named(label).label: self._table(label, t) for label, t in self.emission.items()}
        object.__setattr__(self, "emission", MappingProxyType(tables))
        object.__setattr__(self, "abundances", MappingProxyType(dict(self.abundances)))
        for name in ("t_cii", "c_cii"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, self._table(name, getattr(self, name)))

    @property
    def shape(self) -> tuple[int, ...]:
        """(variants, *axes)."""
        return (len(self.variants), *(axis.nodes.size for axis in self.axes.values()))

    def nodes(self, name: str) -> NDArray[np.float64]:
        """Nodes of one axis; InputError if the grid does not have it."""
        if name not in self.axes:
            raise InputError(
                "grid axis", repr(name), "an axis of the grid", nearest_name(name, list(self.axes))
            )
        return self.axes[name].nodes

    def number(self, name: str) -> int:
        """Which array axis of the tables is the axis `name` (the variant is number 0)."""
        return 1 + list(self.axes).index(name)

    def _table(self, name: str, values: ArrayLike) -> Table:
        table = np.ascontiguousarray(values, dtype=np.float32)
        if table.shape != self.shape:
            raise InputError(f"grid table {name}", f"shape {table.shape}", f"shape {self.shape}")
        if not np.isfinite(table).all():
            count = int(np.count_nonzero(~np.isfinite(table)))
            raise InputError(
                f"grid table {name}", f"{count} of {table.size} values not finite", "finite values"
            )
        return table

    def line(self, label: str) -> Table:
        """log10(F/N) of one line; InputError if the grid does not hold it."""
        if label not in self.emission:
            raise InputError(
                "line", repr(label), "a line of the grid", nearest_name(label, list(self.emission))
            )
        return self.emission[label]

    def at(self, name: str, value: float) -> LineGrid:
        """The grid at one value of an axis, which it loses; linear in log between the nodes.

        Raises
        ------
        InputError
            No such axis, or a value beyond its ends.
        """
        nodes = self.nodes(name)
        if not nodes[0] <= value <= nodes[-1]:
            raise InputError(f"grid axis {name}", f"the value {value:g}", f"{nodes[0]:g} to {nodes[-1]:g}")
        low = min(int(np.searchsorted(nodes, value, side="right")) - 1, nodes.size - 2)
        weight = (value - nodes[low]) / (nodes[low + 1] - nodes[low])

        def cut(table: Table) -> Table:
            below, above = (np.take(table, i, axis=self.number(name)) for i in (low, low + 1))
            return np.asarray((1.0 - weight) * below + weight * above, dtype=np.float32)

        return replace(
            self,
            axes={other: axis for other, axis in self.axes.items() if other != name},
            emission={label: cut(table) for label, table in self.emission.items()},
            t_cii=None if self.t_cii is None else cut(self.t_cii),
            c_cii=None if self.c_cii is None else cut(self.c_cii),
            made=f"{self.made}; at {name} = {value:g}",
        )

    def floored_share(self, label: str) -> float:
        """Share of the nodes at which the line has no emission (set to 1e-60 erg/s per H)."""
        return float(np.mean(self.line(label) <= FLOOR))

    @cached_property
    def checksum(self) -> str:
        """SHA-256 over axes, tables and attributes."""
        digest = hashlib.sha256(json.dumps(self._attributes(), sort_keys=True).encode())
        for name, table in self._content().items():
            digest.update(name.encode())
            digest.update(np.asarray(table).astype(table.dtype.newbyteorder("<")).tobytes())
        return digest.hexdigest()

    def _content(self) -> dict[str, NDArray[Any]]:
        content: dict[str, NDArray[Any]] = {f"axes/{name}": axis.nodes for name, axis in self.axes.items()}
        content |= {f"lines/{label}": self.emission[label] for label in sorted(self.emission)}
        for name in ("t_cii", "c_cii"):
            if getattr(self, name) is not None:
                content[name] = getattr(self, name)
        return content

    def _attributes(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "schema": SCHEMA,
            "quantity": QUANTITY,
            "variants": json.dumps(self.variants),
            "axes": json.dumps({name: list(axis[1:]) for name, axis in self.axes.items()}),
            "code": self.code,
            "version": self.version,
            "made": self.made,
            "abundances": json.dumps(dict(self.abundances)),
            "cmb_in_grid": bool(self.cmb_in_grid),
            "notes": json.dumps(self.notes),
        }


def log_per_nucleus(flux: ArrayLike, log_column: ArrayLike) -> Table:
    """log10(F/N) [erg/s per H] of cumulative fluxes F(..., N) [erg/s/cm^2]; zeros become 1e-60."""
    flux = np.asarray(flux, dtype=float)
    smallest = np.finfo(float).tiny
    log_l = np.log10(np.maximum(flux, smallest)) - np.asarray(log_column, dtype=float)
    return np.where(flux > 0.0, np.maximum(log_l, FLOOR), FLOOR).astype(np.float32)


def write_grid(grid: LineGrid, path: str | Path) -> None:
    """Write a grid as HDF5, whole or not at all."""
    import h5py

    units = {f"axes/{name}": axis.unit for name, axis in grid.axes.items()}
    units |= {"t_cii": "K", "c_cii": "cm^3/s"}
    with atomic_path(Path(path)) as temporary, h5py.File(temporary, "w") as file:
        file.attrs.update(grid._attributes() | {"checksum": grid.checksum})
        for name, table in grid._content().items():
            compressed: dict[str, Any] = (
                {"compression": "gzip", "compression_opts": 9, "shuffle": True} if table.ndim > 1 else {}
            )
            data = file.create_dataset(name, data=table, **compressed)
            data.attrs["unit"] = units.get(name, "log10 erg/s per H nucleus")


def read_grid(path: str | Path) -> LineGrid:
    """Read a line grid and verify its checksum.

    Raises
    ------
    InputError
        The file is missing, not a line grid of this schema, incomplete, damaged or wrong in content.
    """
    import h5py

    path = Path(path)
    if not path.is_file():
        raise InputError(path, "no file", "a line grid (HDF5)")
    try:
        with h5py.File(path, "r") as file:
            grid, checksum = _grid_of(file, path), str(file.attrs["checksum"])
    except InputError as error:
        if error.what == str(path):
            raise
        raise InputError(f"{path}: {error.what}", error.found, error.expected, error.remedy) from error
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise InputError(
            path, f"{type(error).__name__}: {error}", "a whole line grid", "make it again"
        ) from error
    if grid.checksum != checksum:
        raise InputError(path, "content that differs from its checksum", "a whole line grid", "make it again")
    return grid


def _grid_of(file: h5py.File, path: Path) -> LineGrid:
    attrs = file.attrs
    if attrs.get("format") != FORMAT:
        raise InputError(path, "another kind of HDF5 file", "a simpost line grid")
    if attrs["schema"] != SCHEMA or attrs["quantity"] != QUANTITY:
        found = f"schema {attrs['schema']}, quantity {attrs['quantity']}"
        raise InputError(path, found, f"schema {SCHEMA}, quantity {QUANTITY}", "make it again")
    axes: dict[str, Axis] = {}
    for name, (_, below, above) in json.loads(attrs["axes"]).items():
        nodes = file[f"axes/{name}"]
        axes[name] = Axis(nodes[()], str(nodes.attrs["unit"]), below, above)
    return LineGrid(
        axes=axes,
        variants=tuple(json.loads(attrs["variants"])),
        emission={label: table[()] for label, table in file["lines"].items()},
        t_cii=file["t_cii"][()] if "t_cii" in file else None,
        c_cii=file["c_cii"][()] if "c_cii" in file else None,
        code=str(attrs["code"]),
        version=str(attrs["version"]),
        made=str(attrs["made"]),
        abundances=json.loads(attrs["abundances"]),
        cmb_in_grid=bool(attrs["cmb_in_grid"]),
        notes=tuple(json.loads(attrs["notes"])),
    )


def load_grid(name_or_path: str | Path) -> LineGrid:
    """Load a packaged grid by name (`slab`) or a grid file by path (anything with a `/` or a suffix)."""
    text = str(name_or_path)
    if Path(text).suffix or len(Path(text).parts) > 1:
        return read_grid(text)
    folder = Path(str(resources.files("simpost"))) / "data" / "grids"
    packaged = sorted(path.stem for path in folder.glob("*.h5"))
    if text not in packaged:
        raise InputError("grid", repr(text), "a packaged grid or a file", nearest_name(text, packaged))
    return read_grid(folder / f"{text}.h5")
