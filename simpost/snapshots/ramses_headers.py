"""The text files of a RAMSES output: info, info_rt, descriptors, namelist, and what variables mean.

The run's numbers stand in several files; they are compared with each other where they are read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from simpost.core.errors import SnapshotError
from simpost.snapshots.protocol import PhotonGroups

RESTORE = "restore the file from its source"
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


def expect_close(path: Path, name: str, found: float, expected: float, tolerance: float = 1e-6) -> None:
    """Raise where `found` differs from the number of the info file."""
    if not abs(found - expected) <= tolerance * max(abs(found), abs(expected), 1e-30):
        raise SnapshotError(
            path,
            f"{name} = {found:.8g}",
            f"{expected:.8g} as in the info file",
            "one of the two files is damaged",
        )


def _key_values(path: Path) -> dict[str, str]:
    try:
        text = path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise SnapshotError(path, f"an unreadable file ({error})", "a RAMSES text file", RESTORE) from error
    pairs = (line.split("=", 1) for line in text.splitlines() if "=" in line)
    return {key.strip(): value.strip() for key, value in pairs}


def _number(path: Path, pairs: dict[str, str], key: str, kind: type[int] | type[float]) -> int | float:
    if key not in pairs:
        raise SnapshotError(path, f"no '{key}'", "every key RAMSES writes", RESTORE)
    try:
        value = kind(pairs[key])
    except ValueError:
        value = float("nan")
    if not np.isfinite(value):
        raise SnapshotError(path, f"{key} = {pairs[key]!r}", "a finite number", RESTORE)
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
            raise SnapshotError(path, f"{key} = {header[key]:g}", f"{low} to {high}", RESTORE)
    for key in ("boxlen", "aexp", "H0", *_UNITS):
        if header[key] <= 0:
            raise SnapshotError(path, f"{key} = {header[key]:g}", "a positive number", RESTORE)
    if header["levelmax"] < header["levelmin"]:
        raise SnapshotError(path, "levelmax below levelmin", "levelmin <= levelmax", RESTORE)
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
                RESTORE,
            )
    curvature = 1.0 - header["omega_m"] - header["omega_l"] - header["omega_k"]
    if abs(curvature) > 1e-3 or not 0 < header["omega_m"] < 2 or not a < 1.5:
        raise SnapshotError(
            header.path,
            f"omega_m {header['omega_m']:g}, omega_l {header['omega_l']:g}, omega_k "
            f"{header['omega_k']:g}, aexp {a:g}",
            "densities that add up to one and a scale factor below 1.5",
            RESTORE,
        )


def read_descriptor(path: Path) -> list[str] | None:
    """Variable names of a file descriptor, in order; None where it is absent or empty."""
    if not path.is_file():
        return None
    text = path.read_text(encoding="ascii", errors="replace")
    if not text.strip():
        return None
    if re.match(r"#\s*version:\s*1\b", text):
        rows = [
            line.split(",")
            for line in text.splitlines()
            if line.strip() and not line.lstrip().startswith("#")
        ]
        names = [row[1].strip() if len(row) == 3 else "" for row in rows]
        numbers = [row[0].strip() for row in rows]
    else:
        found = re.findall(r"variable\s*#\s*(\d+)\s*:\s*(\S+)", text)
        numbers, names = [number for number, _ in found], [name for _, name in found]
    if not names or "" in names or numbers != [str(i + 1) for i in range(len(names))]:
        raise SnapshotError(path, "lines that are no numbered variables", "a RAMSES file descriptor", RESTORE)
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
        raise SnapshotError(path, f"{n_groups} groups and {n_ions} ions", "1-99 groups and 1-4 ions", RESTORE)
    fraction = pairs.get("rt_c_frac", "").split()
    if len(set(fraction)) > 1:
        raise SnapshotError(path, "a speed of light that varies with level", "one reduced speed of light")
    light = float(_number(path, {"rt_c_frac": fraction[0] if fraction else ""}, "rt_c_frac", float))
    text = path.read_text(encoding="ascii")
    edges = {key: _row(path, text, key, n_groups) for key in ("groupL0", "groupL1")}
    energies = [float(value) for value in re.findall(r"egy\s*\[eV\]\s*=\s*(\S+)", text)]
    high = tuple(value if value > 0 else float("inf") for value in edges["groupL1"])
    if len(energies) != n_groups:
        raise SnapshotError(path, f"{len(energies)} mean energies", f"{n_groups} 'egy' lines", RESTORE)
    for group, (low, mean, up) in enumerate(zip(edges["groupL0"], energies, high, strict=True), 1):
        if not 0.99 * low <= mean <= 1.01 * up:
            raise SnapshotError(
                path,
                f"mean energy {mean:g} eV in group {group}",
                f"between its edges {low:g} and {up:g} eV",
                RESTORE,
            )
    unit_flux = float(_number(path, pairs, "unit_pf", float))
    velocity_unit = header["unit_l"] / header["unit_t"]
    expect_close(
        path, "unit_pf", unit_flux, float(_number(path, pairs, "unit_np", float)) * velocity_unit, 1e-3
    )
    if not 0 < light <= 1:
        raise SnapshotError(path, f"rt_c_frac = {light:g}", "above 0, at most 1", RESTORE)
    hydrogen = float(_number(path, pairs, "X_fraction", float))
    if not 0 < hydrogen <= 1:
        raise SnapshotError(path, f"X_fraction = {hydrogen:g}", "above 0, at most 1", RESTORE)
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
        raise SnapshotError(path, f"{len(values)} numbers for {key}", f"{count}", RESTORE)
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
    if given and len(given) != n_variables:
        raise SnapshotError(
            "reader.hydro_variables", f"{len(given)} names", f"{n_variables}, as many as the hydro files have"
        )
    if len(names) != n_variables:
        raise SnapshotError(path, f"{len(names)} names", f"{n_variables} as in the hydro files", RESTORE)
    meanings = [_HYDRO_ALIASES.get(name.removeprefix("hydro_"), name) for name in names]
    if radiation is not None:
        first = radiation.first_ion - 1
        for offset, ion in enumerate(_IONS_BY_COUNT[radiation.n_ions]):
            index = first + offset
            known = meanings[index] if index < n_variables else "nothing"
            if known != ion and (index >= n_variables or known in _BASIC or known in _HYDRO_ALIASES.values()):
                raise SnapshotError(
                    path,
                    f"'{known}' as variable {index + 1}",
                    f"{ion[2:]} as info_rt says (iIons, nIons)",
                    RESTORE,
                )
            meanings[index] = ion
    if (
        "metallicity" not in meanings
        and len(meanings) > 5
        and re.fullmatch(r"(passive_)?scalar_0*1", meanings[5])
    ):
        namelist = read_namelist(folder)
        if namelist.on("metal"):
            meanings[5] = "metallicity"  # the first passive scalar when metals are on (imetal = 6)
    for name in _BASIC:
        if meanings.count(name) != 1:
            raise SnapshotError(
                path, f"{meanings.count(name)} variables called '{name}'", "exactly one", RESTORE
            )
    return meanings


def _hydro_order_without_descriptor(
    path: Path, n_variables: int, radiation: RadiationHeader | None
) -> list[str]:
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
        raise SnapshotError(
            path, f"{n_variables} radiation variables", f"{4 * n_groups} for {n_groups} groups", RESTORE
        )
    names = read_descriptor(path)
    if names is None:
        return [4 * group for group in range(n_groups)]
    pattern = re.compile(r"photon_(?:density|flux)_0*(\d+)$", re.IGNORECASE)
    found = {int(m.group(1)): i for i, name in enumerate(names) if (m := pattern.search(name))}
    if len(names) != n_variables or sorted(found) != list(range(1, n_groups + 1)):
        raise SnapshotError(
            path, f"photon records of groups {sorted(found)}", f"one for each of {n_groups}", RESTORE
        )
    return [found[group] for group in range(1, n_groups + 1)]


class Namelist(Mapping[str, str]):
    """Assignments of a Fortran namelist, keys in lower case; the last of a key counts."""

    def __init__(self, path: Path, text: str) -> None:
        self._path = path
        lines = (line.split("!")[0] for line in text.splitlines())
        pattern = re.compile(r"(\w+)(?:\([^)]*\))?\s*=\s*(.*?)\s*(?=,?\s*\w+(?:\([^)]*\))?\s*=|,?\s*/?\s*$)")
        self._values = {key.lower(): value for line in lines for key, value in pattern.findall(line)}

    def __getitem__(self, key: str) -> str:
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def on(self, key: str) -> bool:
        """Whether a logical key is set to true."""
        return self._values.get(key, "").lower().startswith((".t", "t"))

    def number(self, key: str, default: float) -> float:
        """First number of a key, in Fortran's notation; `default` where the key is absent."""
        text = self._values.get(key)
        if text is None:
            return default
        try:
            return float(text.split(",")[0].lower().replace("d", "e"))
        except ValueError:
            raise SnapshotError(self._path, f"{key} = {text}", "a number", "correct the namelist") from None


def read_namelist(folder: Path) -> Namelist:
    """namelist.txt of an output, empty where it is absent."""
    path = folder / "namelist.txt"
    text = path.read_text(encoding="ascii", errors="replace") if path.is_file() else ""
    return Namelist(path, text)


def read_particle_counts(folder: Path) -> dict[str, int]:
    """Counts by family name from header_NNNNN.txt, or `total` in the old format; empty without one."""
    path = folder / f"header_{folder.resolve().name[-5:]}.txt"
    if not path.is_file():
        return {}
    text = path.read_text(encoding="ascii", errors="replace")
    old = re.search(r"Total number of particles\s+(\d+)", text)
    if old:
        return {"total": int(old.group(1))}
    return {name: int(count) for name, count in re.findall(r"^\s*(\w+)\s+(\d+)\s*$", text, re.M)}
