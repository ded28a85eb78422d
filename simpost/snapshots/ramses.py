"""RAMSES and RAMSES-RT outputs, cells through yt.

yt serves raw values in code units, by domain; everything physical is made here, because yt's own
derived fields are wrong for RAMSES-RT (star ages, photon densities, temperature without mu).
"""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Collection, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simpost.core import constants as c
from simpost.core.cosmology import Cosmology
from simpost.core.errors import SnapshotError
from simpost.core.units import MASS_DENSITY_CGS
from simpost.snapshots.columns import Columns, concatenate
from simpost.snapshots.protocol import LEAVES, HaloCatalogue, SnapshotInfo
from simpost.snapshots.ramses_files import RamsesFiles
from simpost.snapshots.ramses_headers import read_descriptor, read_namelist, read_particle_counts
from simpost.snapshots.ramses_records import particle_record_widths
from simpost.snapshots.regions import Region, offset_from
from simpost.snapshots.yt_data import load_dataset, reported_as, select

GAMMA_NONTHERMAL = 1.4  # where the namelist has no gamma_rad (our choice)
AGE_TOLERANCE = 0.01  # of the cosmic time: births may lie this far in the future (coarse time step)
_FAMILY_DM, _FAMILY_STAR = 1, 2
_FAMILIES = {"dark_matter": "DM", "stars": "star", "particles": "total"}
_EXTRA_PARTICLE_RECORDS = {  # by the widths of the records after the nine that every version writes
    (): (),
    (8,): ("birth_time",),
    (8, 8): ("birth_time", "metallicity"),
    (1, 1): ("family", "tag"),
    (1, 1, 8): ("family", "tag", "birth_time"),
    (1, 1, 8, 8): ("family", "tag", "birth_time", "metallicity"),
}
_YT_TYPE = {1: "b", 8: "d"}


class RamsesSnapshot:
    """A RAMSES output, opened; see `simpost.snapshots.protocol.Snapshot`.

    Parameters
    ----------
    path : Path
        Folder `output_NNNNN` or its info file.
    hydro_variables : tuple of str, optional
        Names of the hydro variables in file order, for outputs without a usable descriptor.
    birth_time : {"conformal", "proper"}, optional
        How to read birth times where neither the values nor the namelist decide.

    Raises
    ------
    SnapshotError
        The output is incomplete or damaged.
    """

    def __init__(
        self, path: Path, hydro_variables: tuple[str, ...] | None = None, birth_time: str | None = None
    ) -> None:
        self._files = RamsesFiles(path, hydro_variables)
        self._namelist = read_namelist(self._files.folder)
        self._birth_time = birth_time
        header = self._files.header
        self._length = header["unit_l"] * header["boxlen"] / c.KPC  # kpc in one code length
        self._velocity = header["unit_l"] / header["unit_t"] / c.KM  # km/s in one code velocity
        self._density = header["unit_d"] / MASS_DENSITY_CGS
        self._mass = header["unit_d"] * header["unit_l"] ** 3 / c.M_SUN
        self.info = self._make_info()

    # -- what needs no cell ------------------------------------------------------------------

    def _make_info(self) -> SnapshotInfo:
        files, header = self._files, self._files.header
        cosmology = Cosmology(header["H0"], header["omega_m"], header["omega_l"], header["omega_b"])
        cosmological = header.is_cosmological
        scale_factor = header["aexp"] if cosmological else 1.0
        levelmin, levelmax = int(header["levelmin"]), int(header["levelmax"])
        time = (
            float(cosmology.age(scale_factor)) if cosmological else header["time"] * header["unit_t"] / c.MYR
        )
        return SnapshotInfo(
            path=files.folder,
            code="RAMSES-RT" if files.radiation else "RAMSES",
            geometry=LEAVES,
            redshift=1.0 / scale_factor - 1.0,
            scale_factor=scale_factor,
            time=time,
            box_size=self._length,
            cosmology=cosmology,
            counts=self._counts(),
            fields_read=self._fields_read(),
            photon_groups=files.radiation.groups if files.radiation else None,
            files=files.all_paths(),
            coarsest_cell=self._length / 2**levelmin,
            finest_level=levelmax,
            pressure_floor=self._pressure_floor(),
            notes=self._notes(),
        )

    def _counts(self) -> dict[str, int]:
        """Leaves and particles of the run, from the first domain and the header file: one read each."""
        octs = self._files.tree(1).total[self._files.header.integers["levelmin"] - 1 :]
        # every oct beyond the coarsest level replaces one leaf by eight
        counts = {"gas": int(7 * octs.sum() + octs[0])}
        families = read_particle_counts(self._files.folder)
        return counts | {name: families[key] for name, key in _FAMILIES.items() if key in families}

    def _fields_read(self) -> dict[str, dict[str, str]]:
        files = self._files
        number = {meaning: f"hydro variable {i + 1}" for i, meaning in enumerate(files.hydro)}
        gas = {
            "position": "amr files",
            "size": "amr files",
            "volume": "amr files",
            "level": "amr files",
            "corner": "amr files",
            "mass": f"{number['density']} x leaf volume",
            "density": number["density"],
            "velocity": "hydro variables velocity_x, _y, _z",
            "temperature_over_mu": f"{number['pressure']} / {number['density']}",
        }
        gas |= {name: number[name] for name in ("metallicity", *self._ions) if name in number}
        if self._nonthermal:
            gas["nonthermal_energy"] = f"{', '.join(number[name] for name in self._nonthermal)} / density"
        if files.radiation:
            gas["hydrogen_fraction"] = f"X_fraction of {files.radiation.path.name}"
            gas["photon_flux"] = f"photon records of {len(files.photons)} groups x unit_pf"
        elif "x" in self._namelist:
            gas["hydrogen_fraction"] = "X of namelist.txt"
        fields = {"gas": gas}
        if files.has_particles:
            fields["dark_matter"] = dict.fromkeys(("position", "velocity", "mass"), "part files")
            if "birth_time" in self._particle_names:
                columns = ["position", "velocity", "mass", "initial_mass", "age"]
                columns += ["metallicity"] * ("metallicity" in self._particle_names)
                fields["stars"] = dict.fromkeys(columns, "part files")
                fields["stars"]["initial_mass"] = "part files, current mass: RAMSES keeps no mass at birth"
        return fields

    def _notes(self) -> tuple[str, ...]:
        notes = []
        if not self._files.has_particles:
            notes.append("no particle files: no stars, no dark matter")
        elif "birth_time" not in self._particle_names:
            notes.append("no birth times in the particle files: no stars")
        else:
            notes.append("initial_mass: current (RAMSES stores no mass at birth)")
        if not self._files.header.is_cosmological:
            notes.append("not a cosmological run: redshift 0")
        return tuple(notes)

    def _pressure_floor(self) -> tuple[float, float, float] | None:
        if self._files.radiation:
            return self._files.radiation.pressure_floor
        if any(key not in self._namelist for key in ("n_star", "t2_star", "g_star")):
            return None
        n_star, t2_star, g_star = (self._namelist.number(key, 0.0) for key in ("n_star", "t2_star", "g_star"))
        return n_star, t2_star, g_star

    @property
    def _ions(self) -> list[str]:
        return [name for name in self._files.hydro if name in ("f_HI", "f_HII", "f_HeII", "f_HeIII")]

    @property
    def _nonthermal(self) -> list[str]:
        return [name for name in self._files.hydro if name.startswith("non_thermal_pressure")]

    @cached_property
    def _particle_names(self) -> tuple[str, ...]:
        """Names of the particle records, from the descriptor or the widths of the records."""
        if not self._files.has_particles:
            return ()
        names = read_descriptor(self._files.folder / "part_file_descriptor.txt")
        if names is not None:
            return tuple(names)
        return tuple(name for name, _ in self._extra_particle_records())

    def _extra_particle_records(self) -> list[tuple[str, str]]:
        for domain in range(1, self._files.n_domains + 1):
            path = self._files.file("part", domain)
            widths = particle_record_widths(path)
            if widths is None:  # a domain without particles does not tell
                continue
            names = _EXTRA_PARTICLE_RECORDS.get(widths[9:])
            if names is None:
                raise SnapshotError(
                    path,
                    f"particle records of widths {widths}",
                    "a layout known without part_file_descriptor.txt",
                )
            return [(name, _YT_TYPE[width]) for name, width in zip(names, widths[9:], strict=True)]
        return []

    # -- yt ----------------------------------------------------------------------------------

    @cached_property
    def _dataset(self) -> Any:
        from yt.frontends.ramses.api import RAMSESDataset

        options: dict[str, Any] = {"use_conformal_time": self._files.header.is_cosmological or None}
        if self._files.has_particles and not (self._files.folder / "part_file_descriptor.txt").is_file():
            extra = self._extra_particle_records()
            options["extra_particle_fields"] = [(f"particle_{name}", kind) for name, kind in extra]
        dataset = load_dataset(self._path_for_yt(), RAMSESDataset, **options)
        with reported_as(self._files.folder):
            dataset.index  # noqa: B018 - builds the field lists
        return dataset

    def _path_for_yt(self) -> Path:
        """The info file, by a link where the folder's path has `info_` in it.

        yt makes the path of info_rt by replacing every `info_`, folders included.
        """
        folder = self._files.folder.resolve()
        if "info_" not in str(folder):
            return self._files.header.path
        links = tempfile.mkdtemp(prefix="simpost-link-")
        weakref.finalize(self, shutil.rmtree, links, ignore_errors=True)
        (Path(links) / folder.name).symlink_to(folder)
        return Path(links) / folder.name / self._files.header.path.name

    def _yt_names(self, kind: str) -> list[tuple[str, str]]:
        """Yt's names of the hydro or rt variables in file order (it has no public list of them)."""
        from yt.frontends.ramses import field_handlers

        handler = {"hydro": field_handlers.HydroFieldFileHandler, "rt": field_handlers.RTFieldFileHandler}[
            kind
        ]
        return list(handler._detected_field_list[self._dataset.unique_identifier])

    def _chunks(self, region: Region) -> Iterator[Any]:
        """Yt chunks (one a domain) of at least the region, each domain's files checked before it is read.

        yt selects leaves by their centre, and drops a domain of which it selects no leaf, with all
        its particles. Half a diagonal of the coarsest leaf more finds all that overlap the region.
        """
        padded = region.padded(0.5 * np.sqrt(3.0) * self.info.coarsest_cell)
        data = select(self._dataset, padded, self._length, self._length)
        with reported_as(self._files.folder):
            data.index._identify_base_chunk(data)
            domains = [subset.domain.domain_id for subset in data._chunk_info]
        for domain in domains:
            self._files.check_domain(domain)
        for _ in data.chunks([], "io"):
            yield data

    # -- cells and particles -------------------------------------------------------------------

    def gas_chunks(self, region: Region, columns: Collection[str] | None = None) -> Iterator[Columns]:
        """Leaves that overlap `region`, one chunk a domain; `columns` names what is wanted."""
        names = [name for name in self.info.fields_read["gas"] if columns is None or name in columns]
        for data in self._chunks(region):
            with reported_as(self._files.folder):
                size = np.asarray(data["index", "dx"]) * self._length
                centre_code = np.stack([np.asarray(data["index", axis]) for axis in "xyz"], axis=1)
            offset = offset_from(centre_code * self._length, region.centre, self._length)
            inside = region.overlaps(offset, size)
            if np.any(inside):
                with reported_as(self._files.folder):
                    values = self._leaf_columns(data, inside, names)
                geometry = {"position": offset[inside], "size": size[inside], "volume": size[inside] ** 3}
                values |= {name: column for name, column in geometry.items() if name in names}
                if "corner" in names:
                    values["corner"] = self._corner(centre_code[inside], size[inside])
                if "mass" in names:
                    values["mass"] = values["density"] * geometry["volume"]
                chunk = Columns({name: values[name] for name in names}, self._origins("gas"))
                chunk.check(self._files.folder)
                yield chunk

    def _origins(self, kind: str) -> dict[str, str]:
        return {name: f"read: {where}" for name, where in self.info.fields_read[kind].items()}

    def _corner(self, centre_code: NDArray, size: NDArray) -> NDArray[np.int64]:
        finest = 2.0**self.info.finest_level
        return np.rint((centre_code - 0.5 * (size / self._length)[:, None]) * finest).astype(np.int64)

    def _leaf_columns(
        self, data: Any, inside: NDArray[np.bool_], names: Collection[str]
    ) -> dict[str, NDArray]:
        """The wanted columns that stand in hydro and rt files; density with mass."""
        key = dict(zip(self._files.hydro, self._yt_names("hydro"), strict=True))

        def read(name: tuple[str, str]) -> NDArray[np.float64]:
            return np.asarray(data[name], dtype=float)[inside]

        columns: dict[str, NDArray] = {}
        if not {"mass", "density", "temperature_over_mu", "nonthermal_energy"}.isdisjoint(names):
            density = read(key["density"])
            if not np.all(density > 0):
                raise SnapshotError(
                    self._files.folder,
                    f"{np.count_nonzero(~(density > 0))} leaves of zero or negative density",
                    "positive densities",
                    "the hydro files are damaged",
                )
            columns["density"] = density * self._density
        if "level" in names:
            level = np.asarray(data["index", "grid_level"])[inside].astype(np.int64)
            columns["level"] = level + int(self._files.header["levelmin"])
        if "velocity" in names:
            parts = [read(key[f"velocity_{axis}"]) for axis in "xyz"]
            columns["velocity"] = np.stack(parts, axis=1) * self._velocity
        if "temperature_over_mu" in names:
            unit = c.M_H / c.K_B * (self._velocity * c.KM) ** 2
            columns["temperature_over_mu"] = read(key["pressure"]) / density * unit
        columns |= {name: read(key[name]) for name in names if name in key and name not in columns}
        if "nonthermal_energy" in names:
            pressure = sum(read(key[name]) for name in self._nonthermal)
            gamma = self._namelist.number("gamma_rad", GAMMA_NONTHERMAL)
            columns["nonthermal_energy"] = pressure / ((gamma - 1.0) * density) * self._velocity**2
        if "hydrogen_fraction" in names:
            columns["hydrogen_fraction"] = np.full(np.count_nonzero(inside), self._hydrogen_fraction)
        radiation = self._files.radiation
        if radiation and "photon_flux" in names:
            photons = [self._yt_names("rt")[index] for index in self._files.photons]
            flux = np.stack([read(name) for name in photons], axis=1)
            columns["photon_flux"] = flux * radiation.unit_photon_flux
        return columns

    @property
    def _hydrogen_fraction(self) -> float:
        radiation = self._files.radiation
        return radiation.hydrogen_fraction if radiation else self._namelist.number("x", c.X_HYDROGEN)

    def stars(self, region: Region) -> Columns:
        """Star particles inside `region`; ages from our own integration of the birth times."""
        if "birth_time" not in self._particle_names:
            return self._no_particles("stars")
        return self._particles(region, "stars")

    def wind(self, region: Region) -> Columns:
        """RAMSES has no wind particles: always empty."""
        return self._no_particles("wind")

    def dark_matter(self, region: Region) -> Columns:
        """Dark-matter particles inside `region`."""
        return self._particles(region, "dark_matter")

    def _no_particles(self, kind: str) -> Columns:
        columns = {"position": np.empty((0, 3)), "velocity": np.empty((0, 3)), "mass": np.empty(0)}
        if kind == "stars":
            columns["initial_mass"] = np.empty(0)
            if "stars" in self.info.fields_read:
                columns["age"] = np.empty(0)
        return Columns(columns, dict.fromkeys(columns, "read: none in the snapshot"))

    def _particles(self, region: Region, kind: str) -> Columns:
        parts = []
        if self._files.has_particles:
            for data in self._chunks(region):
                with reported_as(self._files.folder):
                    part = self._particle_columns(data, region, kind)
                if part is not None:
                    parts.append(part)
        joined = concatenate(parts) if parts else self._no_particles(kind)
        joined.check(self._files.folder)
        return joined

    def _particle_columns(self, data: Any, region: Region, kind: str) -> Columns | None:
        position = np.stack([np.asarray(data["io", f"particle_position_{a}"]) for a in "xyz"], axis=1)
        offset = offset_from(position * self._length, region.centre, self._length)
        keep = self._is_kind(data, kind) & region.overlaps(offset)
        if not np.any(keep):
            return None
        velocity = np.stack([np.asarray(data["io", f"particle_velocity_{a}"]) for a in "xyz"], axis=1)
        columns = {
            "position": offset[keep],
            "velocity": velocity[keep] * self._velocity,
            "mass": np.asarray(data["io", "particle_mass"])[keep] * self._mass,
        }
        if kind == "stars":
            columns["initial_mass"] = columns["mass"]
            columns["age"] = self._ages(self._birth_values(data)[keep])
            if "metallicity" in self._particle_names:
                columns["metallicity"] = np.asarray(data["io", "particle_metallicity"])[keep]
        return Columns(columns, self._origins(kind))

    def _birth_values(self, data: Any) -> NDArray[np.float64]:
        """Birth times as they are on disk."""
        name = "conformal_birth_time" if self._files.header.is_cosmological else "particle_birth_time"
        return np.asarray(data["io", name], dtype=float)

    def _is_kind(self, data: Any, kind: str) -> NDArray[np.bool_]:
        if "family" in self._particle_names:
            family = np.asarray(data["io", "particle_family"])
            return family == (_FAMILY_STAR if kind == "stars" else _FAMILY_DM)
        if "birth_time" not in self._particle_names:
            return np.ones(len(data["io", "particle_mass"]), dtype=bool)
        born = self._birth_values(data) != 0.0
        return born if kind == "stars" else ~born

    def _ages(self, birth: NDArray[np.float64]) -> NDArray[np.float64]:
        """Ages [Myr] from raw birth times.

        Cosmological runs write conformal time, or with `use_proper_time` or `rt_star` proper time
        in units of 1/H0 that is zero today. The values tell which: a birth must not lie after the
        snapshot in the right reading, nor before the Big Bang.
        """
        header, info = self._files.header, self.info
        if not header.is_cosmological:
            return (header["time"] - birth) * header["unit_t"] / c.MYR
        cosmology = info.cosmology
        today, hubble_time = float(cosmology.age(1.0)), cosmology.hubble_time
        slack = AGE_TOLERANCE * info.time
        proper = birth * hubble_time + today
        conformal = cosmology.age(cosmology.scale_factor_of_conformal_time(birth))
        readings = {"conformal": conformal, "proper": proper}
        possible = [
            name for name, born in readings.items() if np.all((born > 0) & (born <= info.time + slack))
        ]
        if self._birth_time:  # stated by the user: right only where the values allow it
            possible = [name for name in possible if name == self._birth_time]
        elif len(possible) == 2:
            stated = self._namelist_birth_time()
            possible = [stated] if stated else possible
        if len(possible) != 1:
            raise SnapshotError(
                self._files.folder,
                f"birth times {birth.min():.4g} to {birth.max():.4g} that fit "
                + (
                    "both conformal and proper time"
                    if possible
                    else f"no {self._birth_time or 'known'} reading"
                ),
                "births before the snapshot",
                "set 'birth_time: conformal' or 'birth_time: proper' in the configuration",
            )
        return np.maximum(info.time - readings[possible[0]], 0.0)

    def _namelist_birth_time(self) -> str | None:
        if not len(self._namelist):
            return None
        return (
            "proper" if self._namelist.on("use_proper_time") or self._namelist.on("rt_star") else "conformal"
        )

    def haloes(self) -> HaloCatalogue | None:
        """RAMSES writes no group catalogue beside its outputs: always None."""
        return None
