"""Line grids: what a hydrogen nucleus emits, on axes of density, metallicity, field and column.

A grid holds, per line, log10 of l = F/N [erg/s per H nucleus], where F(N) = int 4 pi j dz
[erg/s/cm^2] is everything emitted, in both directions, through a slab of column N. The values are kept
in float32, which is 4e-6 of l; a file and the grid read from it are therefore identical.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simpost.core.errors import InputError, nearest_name
from simpost.core.files import atomic_path
from simpost.emission.lines import line_named

if TYPE_CHECKING:
    import h5py

AXES = ("log_n", "log_z", "log_g0", "log_column")
AXIS_UNITS = ("log10 cm^-3", "log10 solar (Z/0.0134)", "log10 Habing", "log10 cm^-2")
VARIANTS = ("non_ionising", "ionising")
QUANTITY = "F_4pi_j"
FORMAT, SCHEMA = "simpost line grid", 1
FLOOR = -60.0  # log10 of the l that stands for no emission

# Slope d ln l / d ln x beyond the (lowest, highest) node of each axis: C+ is sub-critical below the
# lowest density, l follows the abundance below the lowest Z, a slab is optically thin below the lowest
# column, and no more light comes from beyond the highest.
DEFAULT_POLICY: Mapping[str, tuple[float, float]] = MappingProxyType(
    {"log_n": (1.0, 0.0), "log_z": (1.0, 0.0), "log_g0": (0.0, 0.0), "log_column": (0.0, -1.0)}
)


@dataclass(frozen=True)
class LineGrid:
    """Line emission per hydrogen nucleus.

    Attributes
    ----------
    log_n, log_z, log_g0, log_column : array
        Ascending log10 axes: H nuclei [cm^-3], metallicity [solar], field [Habing], column [cm^-2].
    variants : tuple of str
        Spectra of the incident field, the leading axis of every table.
    emission : mapping
        Line label to log10(F/N) [erg/s per H], shape (variant, n, Z, G0, N).
    t_cii, c_cii : array or None
        [CII]-weighted temperature [K] and de-excitation rate over density C/n [cm^3/s] from the face
        to each column, same shape; without them no CMB correction can be made.
    code, version, abundances, made : str
        The code behind the numbers, its version, its abundances, and how the grid was made.
    cmb_in_grid : bool
        Whether the models already contain the CMB as a radiation field.
    policy : mapping
        Axis name to the slopes of log l beyond its lowest and highest node.

    Raises
    ------
    InputError
        Shapes disagree, an axis does not ascend, or a value is not finite.
    """

    log_n: NDArray[np.float64]
    log_z: NDArray[np.float64]
    log_g0: NDArray[np.float64]
    log_column: NDArray[np.float64]
    variants: tuple[str, ...]
    emission: Mapping[str, NDArray[np.float32]]
    t_cii: NDArray[np.float32] | None = None
    c_cii: NDArray[np.float32] | None = None
    code: str = "unknown"
    version: str = "unknown"
    abundances: str = "unknown"
    made: str = "unknown"
    cmb_in_grid: bool = False
    policy: Mapping[str, tuple[float, float]] = field(default_factory=lambda: DEFAULT_POLICY)

    def __post_init__(self) -> None:
        for name in AXES:
            axis = np.asarray(getattr(self, name), dtype=float)
            if axis.ndim != 1 or axis.size < 2 or not np.all(np.diff(axis) > 0):
                raise InputError(f"grid axis {name}", f"shape {axis.shape}", "two or more ascending values")
            object.__setattr__(self, name, axis)
        unknown = set(self.variants) - set(VARIANTS)
        if unknown or not self.variants or len(set(self.variants)) != len(self.variants):
            raise InputError("grid variants", str(self.variants), f"one or more of {VARIANTS}")
        if set(self.policy) != set(AXES):
            raise InputError("grid policy", str(sorted(self.policy)), f"slopes for {AXES}")
        if not self.emission:
            raise InputError("grid", "no line", "at least one line")
        tables = {line_named(label).label: self._table(label, t) for label, t in self.emission.items()}
        object.__setattr__(self, "emission", MappingProxyType(tables))
        for name in ("t_cii", "c_cii"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, self._table(name, getattr(self, name)))

    @property
    def shape(self) -> tuple[int, ...]:
        """(variants, n, Z, G0, N)."""
        return (len(self.variants), *(getattr(self, name).size for name in AXES))

    def _table(self, name: str, values: ArrayLike) -> NDArray[np.float32]:
        table = np.ascontiguousarray(values, dtype=np.float32)
        if table.shape != self.shape:
            raise InputError(f"grid table {name}", f"shape {table.shape}", f"shape {self.shape}")
        if not np.isfinite(table).all():
            raise InputError(f"grid table {name}", "values that are not finite", "finite values")
        return table

    def line(self, label: str) -> NDArray[np.float32]:
        """log10(F/N) of one line; InputError if the grid does not hold it."""
        if label not in self.emission:
            raise InputError(
                "line", repr(label), "a line of the grid", nearest_name(label, list(self.emission))
            )
        return self.emission[label]

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
        content: dict[str, NDArray[Any]] = {f"axes/{name}": getattr(self, name) for name in AXES}
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
            "policy": json.dumps({name: list(map(float, self.policy[name])) for name in AXES}),
            "code": self.code,
            "version": self.version,
            "abundances": self.abundances,
            "made": self.made,
            "cmb_in_grid": bool(self.cmb_in_grid),
        }


def log_per_nucleus(flux: ArrayLike, log_column: ArrayLike) -> NDArray[np.float32]:
    """log10(F/N) [erg/s per H] of cumulative fluxes F(..., N) [erg/s/cm^2]; zeros become 1e-60."""
    flux = np.asarray(flux, dtype=float)
    smallest = np.finfo(float).tiny
    log_l = np.log10(np.maximum(flux, smallest)) - np.asarray(log_column, dtype=float)
    return np.where(flux > 0.0, np.maximum(log_l, FLOOR), FLOOR).astype(np.float32)


def write_grid(grid: LineGrid, path: str | Path) -> None:
    """Write a grid as HDF5, whole or not at all."""
    import h5py

    units = dict(zip((f"axes/{name}" for name in AXES), AXIS_UNITS, strict=True))
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
        The file is missing, not a line grid of this schema, incomplete or damaged.
    """
    import h5py

    path = Path(path)
    if not path.is_file():
        raise InputError(path, "no file", "a line grid (HDF5)")
    try:
        with h5py.File(path, "r") as file:
            grid, checksum = _grid_of(file, path), str(file.attrs["checksum"])
    except InputError:
        raise
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
        raise InputError(path, found, f"schema {SCHEMA}, quantity {QUANTITY}")
    return LineGrid(
        log_n=file["axes/log_n"][()],
        log_z=file["axes/log_z"][()],
        log_g0=file["axes/log_g0"][()],
        log_column=file["axes/log_column"][()],
        variants=tuple(json.loads(attrs["variants"])),
        emission={label: table[()] for label, table in file["lines"].items()},
        t_cii=file["t_cii"][()] if "t_cii" in file else None,
        c_cii=file["c_cii"][()] if "c_cii" in file else None,
        code=str(attrs["code"]),
        version=str(attrs["version"]),
        abundances=str(attrs["abundances"]),
        made=str(attrs["made"]),
        cmb_in_grid=bool(attrs["cmb_in_grid"]),
        policy={name: (low, high) for name, (low, high) in json.loads(attrs["policy"]).items()},
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
