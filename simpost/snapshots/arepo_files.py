"""Headers and shapes of an Arepo snapshot set and its group catalogue, checked before yt sees them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simpost.core import constants as c
from simpost.core.cosmology import Cosmology
from simpost.core.errors import SnapshotError

_RESTORE = "restore the file from its source"
_FILE_NAME = re.compile(r"^(?P<stem>.*?_(?P<number>\d{3,4}))(?:\.(?P<part>\d+))?\.(?:hdf5|h5)$")
_DEFAULT_UNITS = {  # Arepo's usual units, where a file states none
    "UnitLength_in_cm": 3.085678e21,
    "UnitMass_in_g": 1.989e43,
    "UnitVelocity_in_cm_per_s": 1e5,
}
GAS, STARS = "PartType0", "PartType4"
COLLISIONLESS = ("PartType1", "PartType2", "PartType3")


@contextmanager
def open_hdf5(path: Path) -> Iterator[Any]:
    """Open an HDF5 file for reading; any failure inside becomes one line."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            yield file
    except (OSError, KeyError, RuntimeError, ValueError, TypeError) as error:
        if isinstance(error, FileNotFoundError):
            raise SnapshotError(path, "no such file", "an HDF5 file") from error
        text = " ".join(str(error).split())[:160]
        raise SnapshotError(
            path, f"a damaged or foreign file ({text})", "a whole HDF5 file", _RESTORE
        ) from error


@dataclass(frozen=True)
class ArepoHeader:
    """Header of one file of a set; factors turn code values into internal units."""

    path: Path
    scale_factor: float
    hubble: float  # h
    cosmology: Cosmology
    box_size_code: float
    mass_table: NDArray[np.float64]
    counts: NDArray[np.int64]  # in this file
    total: NDArray[np.int64]  # in the set
    n_files: int
    units: dict[str, float]
    units_stated: bool

    @property
    def length(self) -> float:
        """Proper kpc in one code length (comoving, per h)."""
        return self.units["UnitLength_in_cm"] * self.scale_factor / self.hubble / c.KPC

    @property
    def mass(self) -> float:
        """Msun in one code mass (per h)."""
        return self.units["UnitMass_in_g"] / self.hubble / c.M_SUN

    @property
    def velocity(self) -> float:
        """Peculiar km/s in one code velocity of cells and particles (sqrt(a))."""
        return self.units["UnitVelocity_in_cm_per_s"] / c.KM * np.sqrt(self.scale_factor)

    @property
    def specific_energy(self) -> float:
        """(km/s)^2 in one code specific energy (no a, no h)."""
        return (self.units["UnitVelocity_in_cm_per_s"] / c.KM) ** 2


def read_header(file: Any, path: Path) -> ArepoHeader:
    """Read and check the Header group of an open HDF5 file."""
    if "Header" not in file:
        raise SnapshotError(path, "no Header group", "an Arepo snapshot")
    attributes = dict(file["Header"].attrs)
    parameters = dict(file["Parameters"].attrs) if "Parameters" in file else {}

    def number(name: str, low: float, high: float, default: float | None = None) -> float:
        value = attributes.get(name, parameters.get(name, default))
        if value is None:
            raise SnapshotError(path, f"no '{name}' in the Header", "an Arepo header", _RESTORE)
        array = np.asarray(value)
        if array.ndim:
            raise SnapshotError(
                path,
                f"'{name}' stored as an array of {array.size}",
                "a scalar attribute, as Arepo writes it (yt reads no other)",
                "rewrite the Header with scalar attributes",
            )
        try:
            result = float(array)
        except (TypeError, ValueError):
            result = float("nan")
        if not low <= result <= high:
            raise SnapshotError(path, f"{name} = {result:g}", f"{low:g} to {high:g}", _RESTORE)
        other = parameters.get(name)
        if name in attributes and other is not None and not np.isclose(float(other), result, rtol=1e-6):
            raise SnapshotError(
                path, f"{name} = {result:g} in Header, {float(other):g} in Parameters", "one value", _RESTORE
            )
        return result

    hubble = number("HubbleParam", 0.1, 2.0)
    a, z = number("Time", 1e-4, 1.1), number("Redshift", -0.1, 1e4)
    if abs(a * (1.0 + z) - 1.0) > 1e-5:
        raise SnapshotError(
            path,
            f"Time {a:g} and Redshift {z:g}",
            "Time = 1/(1 + Redshift)",
            "simpost reads comoving (cosmological) Arepo runs; else the header is damaged",
        )
    cosmology = Cosmology(
        100.0 * hubble,
        number("Omega0", 1e-3, 2.0),
        number("OmegaLambda", 0.0, 2.0),
        number("OmegaBaryon", 0.0, 1.0, default=0.0),
    )
    stated = [name for name in _DEFAULT_UNITS if name in attributes or name in parameters]
    units = {name: number(name, 1e-10, 1e60, default) for name, default in _DEFAULT_UNITS.items()}
    return ArepoHeader(
        path=path,
        scale_factor=a,
        hubble=hubble,
        cosmology=cosmology,
        box_size_code=number("BoxSize", 1e-10, 1e15),
        mass_table=_counts(attributes, "MassTable", path, float),
        counts=_counts(attributes, "NumPart_ThisFile", path, int),
        total=_counts(attributes, "NumPart_Total", path, int, "NumPart_ThisFile"),
        n_files=int(number("NumFilesPerSnapshot", 1, 1e6, default=1)),
        units=units,
        units_stated=len(stated) == len(_DEFAULT_UNITS),
    )


def _counts(attributes: dict[str, Any], name: str, path: Path, kind: type, instead: str = "") -> NDArray:
    value = np.asarray(attributes.get(name, attributes.get(instead, ())))
    if value.ndim != 1 or not 4 < value.size < 20 or value.dtype.kind not in "iuf":
        raise SnapshotError(path, f"'{name}' = {value!r}", "one number per particle type", _RESTORE)
    if np.any(value < 0) or not np.all(np.isfinite(value)):
        raise SnapshotError(path, f"{name} = {value.tolist()}", "counts of zero or more", _RESTORE)
    return value.astype(np.int64 if kind is int else np.float64)


@dataclass(frozen=True)
class ArepoFiles:
    """One snapshot set: its files in order, the common header, and the fields of each type."""

    paths: tuple[Path, ...]
    header: ArepoHeader
    fields: dict[str, dict[str, int]]  # type -> dataset -> number of components
    config: dict[str, Any]
    parameters: dict[str, Any]
    header_attributes: dict[str, Any] = field(repr=False)


def snapshot_members(folder: Path) -> list[Path]:
    """Files in `folder` that are named like a snapshot, in order."""
    return sorted(p for p in folder.iterdir() if _FILE_NAME.match(p.name) and not p.name.startswith("fof_"))


def find_snapshot_file(path: Path) -> Path:
    """First file of the set that `path` (a file, or a snapdir folder) names."""
    if path.is_dir():
        found = snapshot_members(path)
        if not found:
            raise SnapshotError(path, "no file named *_NNN.hdf5 or *_NNN.K.hdf5", "an Arepo snapshot folder")
        stems = {_FILE_NAME.match(p.name).group("stem") for p in found}  # type: ignore[union-attr]
        if len(stems) > 1:
            raise SnapshotError(
                path, f"{len(stems)} snapshots ({', '.join(sorted(stems)[:3])})", "one", "name a file"
            )
        path = found[0]
    elif not path.is_file():
        raise SnapshotError(path, "no such file", "an Arepo snapshot")
    match = _FILE_NAME.match(path.name)
    if match and match.group("part") is not None:
        first = path.with_name(f"{match.group('stem')}.0{path.suffix}")
        return first if first.is_file() else path
    return path


def read_files(path: Path) -> ArepoFiles:
    """Open every file of the set, compare headers, counts and shapes; no array is loaded."""
    first = find_snapshot_file(path)
    with open_hdf5(first) as file:
        header = read_header(file, first)
        config = dict(file["Config"].attrs) if "Config" in file else {}
        parameters = dict(file["Parameters"].attrs) if "Parameters" in file else {}
        attributes = dict(file["Header"].attrs)
        if any(group in file for group in ("Group", "Subhalo", "FOF")):
            raise SnapshotError(first, "a group catalogue", "a snapshot")
    paths = _set_paths(first, header.n_files)
    fields: dict[str, dict[str, int]] = {}
    found = np.zeros_like(header.total)
    for member in paths:
        with open_hdf5(member) as file:
            own = read_header(file, member)
            _same_run(own, header)
            _check_shapes(file, own, fields)
            found += own.counts
    if not np.array_equal(found, header.total):
        raise SnapshotError(
            first.parent,
            f"{found.tolist()} particles in {len(paths)} file(s)",
            f"{header.total.tolist()} (NumPart_Total)",
            "a file of the set is missing, doubled or damaged",
        )
    if GAS not in fields or "Coordinates" not in fields[GAS]:
        raise SnapshotError(first, "no gas cells (PartType0/Coordinates)", "an Arepo snapshot with gas")
    for name in ("Masses", "Density"):
        if name not in fields[GAS]:
            raise SnapshotError(first, f"no {GAS}/{name}", "masses and densities of the Voronoi cells")
    return ArepoFiles(paths, header, fields, config, parameters, attributes)


def _set_paths(first: Path, n_files: int) -> tuple[Path, ...]:
    if n_files == 1:
        return (first,)
    match = _FILE_NAME.match(first.name)
    if match is None or match.group("part") is None:
        raise SnapshotError(first, f"one of {n_files} files, by a name without its number", "NAME_NNN.K.hdf5")
    paths = tuple(first.with_name(f"{match.group('stem')}.{part}{first.suffix}") for part in range(n_files))
    missing = [p.name for p in paths if not p.is_file()]
    if missing:
        raise SnapshotError(
            first.parent,
            f"{len(missing)} of {n_files} files missing, first {missing[0]}",
            "the whole set",
            _RESTORE,
        )
    return paths


def _same_run(own: ArepoHeader, header: ArepoHeader) -> None:
    for name in ("scale_factor", "hubble", "box_size_code", "n_files", "cosmology"):
        if getattr(own, name) != getattr(header, name):
            raise SnapshotError(
                own.path,
                f"{name} {getattr(own, name)}",
                f"{getattr(header, name)} as in {header.path.name}",
                "it belongs to another snapshot",
            )
    if not np.array_equal(own.total, header.total) or not np.array_equal(own.mass_table, header.mass_table):
        raise SnapshotError(
            own.path,
            "other totals or mass table",
            f"those of {header.path.name}",
            "it belongs to another snapshot",
        )


def _check_shapes(file: Any, header: ArepoHeader, fields: dict[str, dict[str, int]]) -> None:
    for index, count in enumerate(header.counts):
        name = f"PartType{index}"
        if not count:
            continue
        if name not in file:
            raise SnapshotError(header.path, f"no {name}", f"{count} rows as in NumPart_ThisFile", _RESTORE)
        for dataset, values in file[name].items():
            if not len(getattr(values, "shape", ())):
                raise SnapshotError(
                    header.path, f"{name}/{dataset} that is no array", "one row per particle", _RESTORE
                )
            if values.shape[0] != count:
                raise SnapshotError(
                    header.path,
                    f"{values.shape[0]} rows in {name}/{dataset}",
                    f"{count} as in NumPart_ThisFile",
                    _RESTORE,
                )
            components = int(np.prod(values.shape[1:], dtype=int))
            known = fields.setdefault(name, {})
            if known.setdefault(dataset, components) != components:
                raise SnapshotError(
                    header.path, f"{components} components in {name}/{dataset}", f"{known[dataset]}", _RESTORE
                )


def find_catalogue(snapshot: Path) -> tuple[Path, ...]:
    """Files of the FoF/Subfind catalogue beside a snapshot file, in order; empty if there is none."""
    match = _FILE_NAME.match(snapshot.name)
    if match is None:
        return ()
    number = match.group("number")
    for folder in (
        snapshot.parent,
        snapshot.parent / f"groups_{number}",
        snapshot.parent.parent / f"groups_{number}",
    ):
        for stem in (f"fof_subhalo_tab_{number}", f"fof_tab_{number}"):
            whole = folder / f"{stem}.hdf5"
            if whole.is_file():
                return (whole,)
            parts = sorted(folder.glob(f"{stem}.*.hdf5"), key=lambda p: int(p.suffixes[-2][1:] or 0))
            if parts:
                return tuple(parts)
    return ()
