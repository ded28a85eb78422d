"""The text files, headers and sizes of a RAMSES output, read and checked before yt sees them.

yt trusts what it reads: a truncated hydro file gives wrong numbers or a crash. Every file's exact
size follows from the octree counts in its AMR header, so damage is found by arithmetic, in a few
reads per domain. The run's numbers stand in several files and are compared with each other.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from simpost.core.errors import SnapshotError
from simpost.snapshots.protocol import PhotonGroups

_RESTORE = "restore the file from its source"
_OUTPUT_NAME = re.compile(r"output_(\d{5})$")
_INFO_INTEGERS = ("ncpu", "ndim", "levelmin", "levelmax", "ngridmax", "nstep_coarse")
_INFO_FLOATS = ("boxlen", "time", "aexp", "H0", "omega_m", "omega_l", "omega_k", "omega_b")
_UNITS = ("unit_l", "unit_d", "unit_t")
_BASIC = ("density", "velocity_x", "velocity_y", "velocity_z", "pressure")
_HYDRO_ALIASES = {
    "thermal_pressure": "pressure",
    "metal": "metallicity",
    "metals": "metallicity",
    "HI": "f_HI",
    "HII": "f_HII",
    "HeII": "f_HeII",
    "HeIII": "f_HeIII",
    "H_p1_fraction": "f_HII",
    "He_p1_fraction": "f_HeII",
    "He_p2_fraction": "f_HeIII",
    "x_HI": "f_HI",
    "x_HII": "f_HII",
    "x_HeII": "f_HeII",
    "x_HeIII": "f_HeIII",
}
_IONS_BY_COUNT = {
    1: ("f_HII",),
    2: ("f_HI", "f_HII"),
    3: ("f_HII", "f_HeII", "f_HeIII"),
    4: ("f_HI", "f_HII", "f_HeII", "f_HeIII"),
}


def find_output(path: Path) -> Path:
    """Folder `output_NNNNN` that `path` (the folder, or a file in it) names.

    Raises
    ------
    SnapshotError
        No such folder, or no info file in it.
    """
    folder = path if path.is_dir() else path.parent
    match = _OUTPUT_NAME.search(folder.resolve().name)
    if match is None:
        raise SnapshotError(path, f"folder '{folder.name}'", "a RAMSES folder named output_NNNNN")
    if (folder / "group_00001").is_dir():
        raise SnapshotError(
            path,
            "an output split over group_NNNNN folders",
            "all files in one folder",
            "move or link the files of the groups into one output_NNNNN folder",
        )
    info = folder / f"info_{match.group(1)}.txt"
    if not info.is_file():
        raise SnapshotError(path, f"no {info.name}", "a RAMSES output with its info file")
    return folder


def _key_values(path: Path) -> dict[str, str]:
    try:
        text = path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise SnapshotError(path, f"an unreadable file ({error})", "a RAMSES text file", _RESTORE) from error
    pairs = (line.split("=", 1) for line in text.splitlines() if "=" in line)
    return {key.strip(): value.strip() for key, value in pairs}


def _number(path: Path, pairs: dict[str, str], key: str, kind: type[int] | type[float]) -> int | float:
    if key not in pairs:
        raise SnapshotError(path, f"no '{key}'", "every key RAMSES writes", _RESTORE)
    try:
        value = kind(pairs[key])
    except ValueError:
        value = float("nan")
    if not np.isfinite(value):
        raise SnapshotError(path, f"{key} = {pairs[key]!r}", "a finite number", _RESTORE)
    return value


@dataclass(frozen=True)
class RamsesHeader:
    """Numbers of info_NNNNN.txt, checked against each other; units are CGS."""

    path: Path
    integers: dict[str, int]
    floats: dict[str, float]

    def __getitem__(self, key: str) -> float:
        return self.integers[key] if key in self.integers else self.floats[key]

    @property
    def is_cosmological(self) -> bool:
        """Whether the run has an expanding background (RAMSES' own criterion, as in yt)."""
        return not (self["time"] >= 0 and self["H0"] == 1 and self["aexp"] == 1)


def read_header(folder: Path) -> RamsesHeader:
    """Read and check info_NNNNN.txt of an output folder."""
    path = folder / f"info_{folder.resolve().name[-5:]}.txt"
    pairs = _key_values(path)
    integers = {key: int(_number(path, pairs, key, int)) for key in _INFO_INTEGERS}
    floats = {key: float(_number(path, pairs, key, float)) for key in (*_INFO_FLOATS, *_UNITS)}
    header = RamsesHeader(path, integers, floats)
    limits = {"ncpu": (1, 10**7), "ndim": (3, 3), "levelmin": (1, 30), "levelmax": (1, 40)}
    for key, (low, high) in limits.items():
        if not low <= header[key] <= high:
            raise SnapshotError(path, f"{key} = {header[key]:g}", f"{low} to {high}", _RESTORE)
    for key in ("boxlen", "aexp", "H0", *_UNITS):
        if header[key] <= 0:
            raise SnapshotError(path, f"{key} = {header[key]:g}", "a positive number", _RESTORE)
    if header["levelmax"] < header["levelmin"]:
        raise SnapshotError(path, "levelmax below levelmin", "levelmin <= levelmax", _RESTORE)
    if header.is_cosmological:
        _check_cosmological_units(header)
    return header


def _check_cosmological_units(header: RamsesHeader) -> None:
    """unit_d and unit_t of a cosmological run follow from H0, Omega_m and aexp (RAMSES units.f90)."""
    a, h = header["aexp"], header["H0"] / 100.0
    expected = {
        "unit_d": header["omega_m"] * 1.8800000e-29 * h**2 / a**3,
        "unit_t": a**2 / (header["H0"] * 1e5 / 3.08e24),
    }
    for key, value in expected.items():
        if abs(header[key] / value - 1.0) > 5e-3:  # rho_c and Mpc differ between code versions
            raise SnapshotError(
                header.path,
                f"{key} = {header[key]:.6g}, which does not fit H0, omega_m and aexp",
                f"{value:.6g}",
                _RESTORE,
            )
    curvature = 1.0 - header["omega_m"] - header["omega_l"] - header["omega_k"]
    if abs(curvature) > 1e-3 or not 0 < header["omega_m"] < 2 or not a < 1.5:
        raise SnapshotError(
            header.path,
            f"omega_m {header['omega_m']:g}, omega_l {header['omega_l']:g}, omega_k "
            f"{header['omega_k']:g}, aexp {a:g}",
            "densities that add up to one and a scale factor below 1.5",
            _RESTORE,
        )


class FortranRecords:
    """Sequential reader of Fortran unformatted records that checks every marker."""

    def __init__(self, path: Path, stream: BinaryIO) -> None:
        self.path, self._stream = path, stream

    def read(self, dtype: str, count: int | None = None) -> NDArray:
        """Next record as an array of `dtype`; `count` elements are demanded when given."""
        head = self._stream.read(4)
        size = struct.unpack("<i", head)[0] if len(head) == 4 else -1
        itemsize = np.dtype(dtype).itemsize
        if size < 0 or size % itemsize or (count is not None and size != count * itemsize) or size > 2**31 - 9:
            wanted = f"{count} value(s) of {itemsize} bytes" if count is not None else "a whole record"
            raise SnapshotError(self.path, f"a record of {size} bytes in the header", wanted, _RESTORE)
        body, tail = self._stream.read(size), self._stream.read(4)
        if len(body) != size or tail != head:
            raise SnapshotError(self.path, "a broken record in the header", "equal record markers", _RESTORE)
        return np.frombuffer(body, dtype=dtype)

    def skip(self, count: int = 1) -> None:
        """Step over records, checking their markers."""
        for _ in range(count):
            self.read("u1")

    @property
    def position(self) -> int:
        """Byte offset of the next record."""
        return self._stream.tell()


@dataclass(frozen=True)
class DomainTree:
    """Octree counts of one AMR file: `octs[level, cpu or boundary]`, and what its header says."""

    octs: NDArray[np.int64]
    own_octs: int


def read_domain_tree(path: Path, header: RamsesHeader, domain: int) -> DomainTree:
    """Read one AMR header, compare it with the info file, and check the size of the file."""
    ncpu, levels = header.integers["ncpu"], header.integers["levelmax"]
    with _open(path) as stream:
        records = FortranRecords(path, stream)
        _expect(path, "ncpu", int(records.read("<i4", 1)[0]), ncpu)
        _expect(path, "ndim", int(records.read("<i4", 1)[0]), 3)
        records.read("<i4", 3)
        _expect(path, "nlevelmax", int(records.read("<i4", 1)[0]), levels)
        records.skip()
        boundaries = int(records.read("<i4", 1)[0])
        if not 0 <= boundaries <= 100:
            raise SnapshotError(path, f"{boundaries} boundary regions", "0 to 100", _RESTORE)
        records.skip()
        _expect_close(path, "boxlen", float(records.read("<f8", 1)[0]), header["boxlen"])
        records.skip(3)
        _expect_close(path, "time", float(records.read("<f8", 1)[0]), header["time"])
        records.skip(4)
        omega_m, omega_l, omega_k, omega_b, h0, _, boxlen_ini = records.read("<f8", 7)
        aexp = float(records.read("<f8", 5)[0])
        if header.is_cosmological:
            stored = {"omega_m": omega_m, "omega_l": omega_l, "omega_k": omega_k, "omega_b": omega_b, "H0": h0}
            for key, value in {**stored, "aexp": aexp}.items():
                _expect_close(path, key, float(value), header[key])
            unit_l = aexp * boxlen_ini * 3.08e24 / (h0 / 100.0)
            _expect_close(path, "unit_l", float(unit_l), header["unit_l"], tolerance=5e-3)
        records.skip(3)
        numbl = records.read("<i4", ncpu * levels).reshape(levels, ncpu).astype(np.int64)
        records.skip()
        boundary_octs = np.zeros((levels, 0), dtype=np.int64)
        if boundaries:
            records.skip(2)
            boundary_octs = records.read("<i4", boundaries * levels).reshape(levels, boundaries).astype(np.int64)
        records.skip()
        ordering = bytes(records.read("u1")).decode("ascii", "replace").strip()
        if ordering not in ("hilbert", "bisection"):
            raise SnapshotError(path, f"domain ordering '{ordering}'", "hilbert or bisection")
        records.skip((1 if ordering == "hilbert" else 5) + 3)
        start = records.position
    octs = np.concatenate([numbl, boundary_octs], axis=1)
    if octs.min() < 0:
        raise SnapshotError(path, "a negative number of octs", "counts of zero or more", _RESTORE)
    used = octs[octs > 0]
    # ind_grid next prev father, 6 nbor, 8 son, 8 cpu_map, 8 flag1 (int32) and xg (3 float64)
    expected = start + int(np.sum(34 * (4 * used + 8) + 3 * (8 * used + 8)))
    _expect_size(path, expected)
    return DomainTree(octs, int(numbl[:, domain - 1].sum()))


def check_fluid_file(path: Path, header: RamsesHeader, tree: DomainTree) -> tuple[int, float]:
    """Check header and size of a hydro or rt file; returns (number of variables, gamma)."""
    levels = header.integers["levelmax"]
    with _open(path) as stream:
        records = FortranRecords(path, stream)
        _expect(path, "ncpu", int(records.read("<i4", 1)[0]), header.integers["ncpu"])
        n_variables = int(records.read("<i4", 1)[0])
        _expect(path, "ndim", int(records.read("<i4", 1)[0]), 3)
        _expect(path, "nlevelmax", int(records.read("<i4", 1)[0]), levels)
        _expect(path, "nboundary", int(records.read("<i4", 1)[0]), tree.octs.shape[1] - header.integers["ncpu"])
        gamma = float(records.read("<f8", 1)[0])
        start = records.position
    if not 1 <= n_variables <= 1000:
        raise SnapshotError(path, f"{n_variables} variables", "1 to 1000", _RESTORE)
    used = tree.octs[tree.octs > 0]
    expected = start + tree.octs.size * 24 + int(np.sum(8 * n_variables * (8 * used + 8)))
    _expect_size(path, expected)
    return n_variables, gamma


def check_particle_file(path: Path, header: RamsesHeader) -> int:
    """Walk the records of a particle file; returns the number of particles."""
    with _open(path) as stream:
        records = FortranRecords(path, stream)
        _expect(path, "ncpu", int(records.read("<i4", 1)[0]), header.integers["ncpu"])
        _expect(path, "ndim", int(records.read("<i4", 1)[0]), 3)
        n_particles = int(records.read("<i4", 1)[0])
        if n_particles < 0:
            raise SnapshotError(path, f"{n_particles} particles", "zero or more", _RESTORE)
        records.skip(5)
        end = path.stat().st_size
        position = records.position
        while position < end:
            stream.seek(position)
            head = stream.read(4)
            size = struct.unpack("<i", head)[0] if len(head) == 4 else -1
            stream.seek(position + 4 + max(size, 0))
            if size < 0 or stream.read(4) != head or size not in (n_particles * k for k in (1, 2, 4, 8)):
                raise SnapshotError(
                    path, f"a broken record at byte {position}", f"records of {n_particles} particles", _RESTORE
                )
            position += size + 8
    return n_particles


def _open(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise SnapshotError(path, str(error.strerror).lower(), "a file of this output", _RESTORE) from error


def _expect(path: Path, name: str, found: int, expected: int) -> None:
    if found != expected:
        raise SnapshotError(path, f"{name} = {found}", f"{expected} as in the info file", "it belongs to another output")


def _expect_close(path: Path, name: str, found: float, expected: float, tolerance: float = 1e-6) -> None:
    if not abs(found - expected) <= tolerance * max(abs(found), abs(expected), 1e-30):
        raise SnapshotError(
            path, f"{name} = {found:.8g}", f"{expected:.8g} as in the info file", "one of the two files is damaged"
        )


def _expect_size(path: Path, expected: int) -> None:
    found = path.stat().st_size
    if found != expected:
        state = "truncated" if found < expected else "of another output or damaged"
        raise SnapshotError(path, f"{found} bytes", f"{expected} bytes by its octree", f"the file is {state}: {_RESTORE}")


def read_descriptor(path: Path) -> list[str] | None:
    """Variable names of a file descriptor, in order; None where it is absent or empty."""
    if not path.is_file():
        return None
    text = path.read_text(encoding="ascii", errors="replace")
    if not text.strip():
        return None
    if re.match(r"#\s*version:\s*1\b", text):
        rows = [line.split(",") for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
        names = [row[1].strip() if len(row) == 3 else "" for row in rows]
        numbers = [row[0].strip() for row in rows]
    else:
        found = re.findall(r"variable\s*#\s*(\d+)\s*:\s*(\S+)", text)
        numbers, names = [number for number, _ in found], [name for _, name in found]
    if not names or "" in names or numbers != [str(i + 1) for i in range(len(names))]:
        raise SnapshotError(path, "lines that are no numbered variables", "a RAMSES file descriptor", _RESTORE)
    return names


@dataclass(frozen=True)
class RadiationHeader:
    """Numbers of info_rt_NNNNN.txt."""

    path: Path
    first_ion: int  # 1-based index among the hydro variables
    n_ions: int
    hydrogen_fraction: float
    unit_photon_flux: float  # 1/s/cm^2
    groups: PhotonGroups
    pressure_floor: tuple[float, float, float]


def read_radiation_header(folder: Path, header: RamsesHeader) -> RadiationHeader | None:
    """Read info_rt_NNNNN.txt; None for a run without radiation."""
    path = folder / header.path.name.replace("info_", "info_rt_")
    if not path.is_file():
        return None
    pairs = _key_values(path)
    n_groups = int(_number(path, pairs, "nGroups", int))
    n_ions = int(_number(path, pairs, "nIons", int))
    if not 1 <= n_groups <= 99 or n_ions not in _IONS_BY_COUNT:
        raise SnapshotError(path, f"{n_groups} groups and {n_ions} ions", "1-99 groups and 1-4 ions", _RESTORE)
    fraction = pairs.get("rt_c_frac", "").split()
    if len(set(fraction)) > 1:
        raise SnapshotError(path, "a speed of light that varies with level", "one reduced speed of light")
    light = float(_number(path, {"rt_c_frac": fraction[0] if fraction else ""}, "rt_c_frac", float))
    text = path.read_text(encoding="ascii")
    edges = {key: _row(path, text, key, n_groups) for key in ("groupL0", "groupL1")}
    energies = [float(value) for value in re.findall(r"egy\s*\[eV\]\s*=\s*(\S+)", text)]
    high = tuple(value if value > 0 else float("inf") for value in edges["groupL1"])
    if len(energies) != n_groups:
        raise SnapshotError(path, f"{len(energies)} mean energies", f"{n_groups} 'egy' lines", _RESTORE)
    for group, (low, mean, up) in enumerate(zip(edges["groupL0"], energies, high, strict=True), 1):
        if not 0.99 * low <= mean <= 1.01 * up:
            raise SnapshotError(
                path, f"mean energy {mean:g} eV in group {group}", f"between its edges {low:g} and {up:g} eV", _RESTORE
            )
    unit_flux = float(_number(path, pairs, "unit_pf", float))
    velocity_unit = header["unit_l"] / header["unit_t"]
    _expect_close(path, "unit_pf", unit_flux, float(_number(path, pairs, "unit_np", float)) * velocity_unit, 1e-3)
    if not 0 < light <= 1:
        raise SnapshotError(path, f"rt_c_frac = {light:g}", "above 0, at most 1", _RESTORE)
    hydrogen = float(_number(path, pairs, "X_fraction", float))
    if not 0 < hydrogen <= 1:
        raise SnapshotError(path, f"X_fraction = {hydrogen:g}", "above 0, at most 1", _RESTORE)
    floor = tuple(float(_number(path, pairs, key, float)) for key in ("n_star", "T2_star", "g_star"))
    return RadiationHeader(
        path,
        int(_number(path, pairs, "iIons", int)),
        n_ions,
        hydrogen,
        unit_flux,
        PhotonGroups(edges["groupL0"], high, tuple(energies), light),
        (floor[0], floor[1], floor[2]),
    )


def _row(path: Path, text: str, key: str, count: int) -> tuple[float, ...]:
    match = re.search(rf"{key}\s*\[eV\]\s*=(.*)", text)
    try:
        values = tuple(float(value) for value in match.group(1).split()) if match else ()
    except ValueError:
        values = ()
    if len(values) != count:
        raise SnapshotError(path, f"{len(values)} numbers for {key}", f"{count}", _RESTORE)
    return values


def hydro_meanings(
    folder: Path, n_variables: int, radiation: RadiationHeader | None, given: tuple[str, ...] | None = None
) -> list[str]:
    """What each hydro variable is, in file order.

    From `given` names, else the descriptor, else RAMSES' fixed order where it is unambiguous.
    Ions are placed by iIons and nIons of info_rt, never by name alone: RAMSES versions write them
    as `scalar_01` and the like. Names simpost has no use for are kept as they are.
    """
    path = folder / "hydro_file_descriptor.txt"
    names = list(given) if given else read_descriptor(path)
    if names is None:
        names = _hydro_order_without_descriptor(path, n_variables, radiation)
    if len(names) != n_variables:
        raise SnapshotError(path, f"{len(names)} names", f"{n_variables} as in the hydro files", _RESTORE)
    meanings = [_HYDRO_ALIASES.get(name.removeprefix("hydro_"), name) for name in names]
    if radiation is not None:
        first = radiation.first_ion - 1
        for offset, ion in enumerate(_IONS_BY_COUNT[radiation.n_ions]):
            index = first + offset
            known = meanings[index] if index < n_variables else "nothing"
            if known != ion and (index >= n_variables or known in _BASIC or known in _HYDRO_ALIASES.values()):
                raise SnapshotError(
                    path, f"'{known}' as variable {index + 1}", f"{ion[2:]} as info_rt says (iIons, nIons)", _RESTORE
                )
            meanings[index] = ion
    if "metallicity" not in meanings and len(meanings) > 5 and re.fullmatch(r"(passive_)?scalar_0*1", meanings[5]):
        namelist = read_namelist(folder)
        if namelist.get("metal", "").lower() in (".true.", "t", "true"):
            meanings[5] = "metallicity"  # the first passive scalar when metals are on (imetal = 6)
    for name in _BASIC:
        if meanings.count(name) != 1:
            raise SnapshotError(path, f"{meanings.count(name)} variables called '{name}'", "exactly one", _RESTORE)
    return meanings


def _hydro_order_without_descriptor(path: Path, n_variables: int, radiation: RadiationHeader | None) -> list[str]:
    plain = list(_BASIC)
    if radiation is None and n_variables in (5, 6):
        return [*plain, "metallicity"][:n_variables]
    if radiation is not None:
        before = radiation.first_ion - 1
        if before in (5, 6) and before + radiation.n_ions <= n_variables:
            rest = n_variables - before
            return [*plain, "metallicity"][:before] + [f"scalar_{i + 1:02d}" for i in range(rest)]
    raise SnapshotError(
        path,
        f"no descriptor for {n_variables} variables",
        "a descriptor, or 5 or 6 variables before the ions",
        "name the variables under 'hydro_variables' of the configuration",
    )


def photon_records(folder: Path, n_variables: int, n_groups: int) -> list[int]:
    """Index of each group's photon record (c_red N in flux units, whatever it is called)."""
    path = folder / "rt_file_descriptor.txt"
    if n_variables != 4 * n_groups:
        raise SnapshotError(path, f"{n_variables} radiation variables", f"{4 * n_groups} for {n_groups} groups", _RESTORE)
    names = read_descriptor(path)
    if names is None:
        return [4 * group for group in range(n_groups)]
    pattern = re.compile(r"photon_(?:density|flux)_0*(\d+)$", re.IGNORECASE)
    found = {int(m.group(1)): i for i, name in enumerate(names) if (m := pattern.search(name))}
    if len(names) != n_variables or sorted(found) != list(range(1, n_groups + 1)):
        raise SnapshotError(path, f"photon records of groups {sorted(found)}", f"one for each of {n_groups}", _RESTORE)
    return [found[group] for group in range(1, n_groups + 1)]


def read_namelist(folder: Path) -> dict[str, str]:
    """Keys and values of namelist.txt (last one wins), empty where it is absent."""
    path = folder / "namelist.txt"
    if not path.is_file():
        return {}
    text = path.read_text(encoding="ascii", errors="replace")
    return {key.lower(): value.strip() for key, value in re.findall(r"^\s*(\w+)\s*=\s*([^!\n]*)", text, re.M)}


class RamsesFiles:
    """The files of one output: headers at once, each domain checked when it is first asked for."""

    def __init__(self, path: Path, hydro_variables: tuple[str, ...] | None = None) -> None:
        self.folder = find_output(path)
        self.header = read_header(self.folder)
        self.number = self.folder.resolve().name[-5:]
        self.radiation = read_radiation_header(self.folder, self.header)
        self._given = hydro_variables
        self._checked: dict[int, DomainTree] = {}
        missing = [name for domain in range(1, self.n_domains + 1) for name in self._missing(domain)]
        if missing:
            raise SnapshotError(
                self.folder, f"{len(missing)} file(s) missing, first {missing[0]}", f"{self.n_domains} domains", _RESTORE
            )

    @property
    def n_domains(self) -> int:
        """Number of domains (MPI tasks of the run)."""
        return self.header.integers["ncpu"]

    @property
    def has_particles(self) -> bool:
        """Whether the output has particle files."""
        return self.file("part", 1).is_file()

    def file(self, kind: str, domain: int) -> Path:
        """Path of the amr, hydro, rt or part file of a domain (1-based)."""
        return self.folder / f"{kind}_{self.number}.out{domain:05d}"

    def _missing(self, domain: int) -> list[str]:
        kinds = ["amr", "hydro", *(["rt"] if self.radiation else []), *(["part"] if self.has_particles else [])]
        return [path.name for kind in kinds if not (path := self.file(kind, domain)).is_file()]

    @cached_property
    def hydro(self) -> list[str]:
        """Meaning of each hydro variable."""
        n_variables, _ = check_fluid_file(self.file("hydro", 1), self.header, self.tree(1))
        return hydro_meanings(self.folder, n_variables, self.radiation, self._given)

    @cached_property
    def photons(self) -> list[int]:
        """Index of each group's photon record among the rt variables."""
        if self.radiation is None:
            return []
        n_variables, _ = check_fluid_file(self.file("rt", 1), self.header, self.tree(1))
        return photon_records(self.folder, n_variables, len(self.radiation.groups))

    def tree(self, domain: int) -> DomainTree:
        """Octree counts of a domain; checks its AMR file the first time."""
        if domain not in self._checked:
            self._checked[domain] = read_domain_tree(self.file("amr", domain), self.header, domain)
        return self._checked[domain]

    def check_domain(self, domain: int) -> None:
        """Check every file of a domain; raises `SnapshotError` on the first that is damaged."""
        tree = self.tree(domain)
        n_hydro, _ = check_fluid_file(self.file("hydro", domain), self.header, tree)
        if n_hydro != len(self.hydro):
            raise SnapshotError(self.file("hydro", domain), f"{n_hydro} variables", f"{len(self.hydro)}", _RESTORE)
        if self.radiation is not None:
            n_rt, _ = check_fluid_file(self.file("rt", domain), self.header, tree)
            if n_rt != 4 * len(self.radiation.groups):
                raise SnapshotError(
                    self.file("rt", domain), f"{n_rt} variables", f"{4 * len(self.radiation.groups)}", _RESTORE
                )
        if self.has_particles:
            check_particle_file(self.file("part", domain), self.header)

    def all_paths(self) -> tuple[Path, ...]:
        """Every file simpost reads from this output."""
        return tuple(sorted(path for path in self.folder.iterdir() if path.is_file()))
