"""Arepo and Arepo-RT snapshots, cells through yt.

yt opens public Arepo files as Gadget and leaves side files beside them; here its Arepo class is
named outright and its index goes to a temporary folder. Raw code values are read and every factor
of a and h is removed once, here. yt treats cells as smoothed particles and selects all whose
kernel touches a region; simpost keeps those whose generator lies inside.
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
from simpost.core.errors import SnapshotError
from simpost.snapshots.arepo_files import COLLISIONLESS, GAS, STARS, find_catalogue, read_files
from simpost.snapshots.arepo_haloes import read_catalogue
from simpost.snapshots.columns import Columns, concatenate
from simpost.snapshots.protocol import VORONOI, HaloCatalogue, PhotonGroups, SnapshotInfo
from simpost.snapshots.regions import Region, offset_from
from simpost.snapshots.yt_data import load_dataset, reported_as, select

# Arepo-RT stores photon numbers in units of 1e63 per (code length)^3, comoving (Kannan+2019)
_PHOTON_UNIT = 1e63
_SCALARS = {  # column -> (dataset, code unit attribute of the header or None)
    "metallicity": "GFM_Metallicity",
    "f_HI": "HI_Fraction",
    "f_H2": "H2_Fraction",
    "f_HeII": "HeII_Fraction",
    "f_HeIII": "HeIII_Fraction",
    "electron_fraction": "ElectronAbundance",
    "star_formation_rate": "StarFormationRate",
}


class ArepoSnapshot:
    """An Arepo snapshot set, opened; see `simpost.snapshots.protocol.Snapshot`.

    Parameters
    ----------
    path : Path
        Any file of the set, or its `snapdir_NNN` folder.
    photon_groups : PhotonGroups, optional
        Energy bands of `PhotonDensity`, for files that do not state them.
    effective_equation_of_state : bool, optional
        Whether star-forming gas lies on an effective equation of state; default: from the
        run's own Config and Parameters groups.

    Raises
    ------
    SnapshotError
        A file is missing, damaged, or belongs to another snapshot.
    """

    def __init__(
        self,
        path: Path,
        photon_groups: PhotonGroups | None = None,
        effective_equation_of_state: bool | None = None,
    ) -> None:
        self._files = read_files(path)
        self._header = self._files.header
        self._given_groups = photon_groups
        self._given_eos = effective_equation_of_state
        self._catalogue_paths = find_catalogue(self._files.paths[0])
        self.info = self._make_info()

    # -- what needs no cell ------------------------------------------------------------------

    def _make_info(self) -> SnapshotInfo:
        header = self._header
        groups = self._photon_groups()
        total = header.total
        eos, eos_note = self._effective_equation_of_state()
        notes = [eos_note] if eos_note else []
        if not header.units_stated:
            notes.append("units not stated in the file: kpc/h, 1e10 Msun/h, km/s assumed")
        stars = self._files.fields.get(STARS, {})
        if not stars:
            notes.append("no star particles")
        if stars and "GFM_InitialMass" not in stars:
            notes.append("initial_mass: current (no GFM_InitialMass)")
        if "PhotonDensity" in self._files.fields[GAS] and groups is None:
            notes.append("PhotonDensity without known energy bands: set 'photon_groups' in the configuration")
        return SnapshotInfo(
            path=self._files.paths[0],
            code="Arepo-RT" if "PhotonDensity" in self._files.fields[GAS] else "Arepo",
            geometry=VORONOI,
            redshift=1.0 / header.scale_factor - 1.0,
            scale_factor=header.scale_factor,
            time=float(header.cosmology.age(header.scale_factor)),
            box_size=header.box_size_code * header.length,
            cosmology=header.cosmology,
            counts={
                "gas": int(total[0]),
                "dark_matter": int(total[1:4].sum()),
                "stars_and_wind": int(total[4]),
            },
            fields_read=self._fields_read(groups),
            photon_groups=groups,
            files=self._files.paths + self._catalogue_paths,
            effective_equation_of_state=eos,
            two_phase_model=self._two_phase_model(),
            notes=tuple(notes),
        )

    def _photon_groups(self) -> PhotonGroups | None:
        """Bands from the configuration, else as the file states them."""
        n_groups = self._files.fields[GAS].get("PhotonDensity")
        if n_groups is None:
            if self._given_groups is not None:
                raise SnapshotError(
                    self._files.paths[0],
                    "no PhotonDensity",
                    "a radiation field",
                    "drop 'reader: photon_groups'",
                )
            return None
        groups = self._given_groups or _stated_groups(self._files.parameters)
        if groups is not None and len(groups) != n_groups:
            raise SnapshotError(
                self._files.paths[0],
                f"{n_groups} photon groups in PhotonDensity",
                f"{len(groups)} as 'photon_groups' says",
            )
        return groups

    def _effective_equation_of_state(self) -> tuple[bool, str]:
        """From the parameters of the run, never from the data alone."""
        if self._given_eos is not None:
            return self._given_eos, ""
        config, parameters = self._files.config, self._files.parameters
        if "FactorEVP" in parameters:
            return not any(str(flag).startswith("SMUGGLE") for flag in config), ""
        if "USE_SFR" in config and not parameters:
            raise SnapshotError(
                self._files.paths[0],
                "star formation (USE_SFR) but no Parameters group",
                "the parameters of its model",
                "say in 'reader: {effective_equation_of_state: true}' (or false) what the gas is on",
            )
        label = self._files.header_attributes.get("RunLabel", b"")
        label = label.decode(errors="replace") if isinstance(label, bytes) else str(label)
        if "TNG" in label or "Illustris" in label:
            return True, ""
        if "StarFormationRate" in self._files.fields[GAS] and not config:
            return (
                False,
                "no Config group: star-forming gas taken as resolved (no effective equation of state)",
            )
        return False, ""

    def _two_phase_model(self) -> dict[str, float]:
        """Parameters of the Springel & Hernquist (2003) model that the run states; zero means its default."""
        names = {
            "threshold": "CritPhysDensity",
            "supernova_temperature": "TempSupernova",
            "evaporation": "FactorEVP",
            "cloud_temperature": "TempClouds",
        }
        stated = {key: float(self._files.parameters.get(name, 0.0)) for key, name in names.items()}
        return {key: value for key, value in stated.items() if value > 0.0}

    def _fields_read(self, groups: PhotonGroups | None) -> dict[str, dict[str, str]]:
        cells = self._files.fields[GAS]
        gas = {
            "position": "Coordinates",
            "mass": "Masses",
            "density": "Density",
            "volume": "Masses / Density",
            "size": "(Masses / Density)^(1/3)",
        }
        optional = {"velocity": "Velocities", "internal_energy": "InternalEnergy", **_SCALARS}
        gas |= {column: dataset for column, dataset in optional.items() if dataset in cells}
        if "f_HI" not in gas and "NeutralHydrogenAbundance" in cells:
            gas["neutral_fraction"] = "NeutralHydrogenAbundance"  # no split between HI and H2
        if cells.get("GFM_Metals", 0) > 1:
            gas["hydrogen_fraction"] = "GFM_Metals[:, 0]"
        if "HighResGasMass" in cells:
            gas["high_resolution_fraction"] = "HighResGasMass / Masses"
        if groups is not None:
            gas["photon_flux"] = "PhotonDensity x reduced speed of light"
        fields = {"gas": gas}
        dark = [name for name in COLLISIONLESS if self._files.fields.get(name)]
        if dark:
            columns = ["position", "mass"]
            if all("Velocities" in self._files.fields[name] for name in dark):
                columns.append("velocity")
            fields["dark_matter"] = dict.fromkeys(columns, ", ".join(dark))
        stars = self._files.fields.get(STARS, {})
        if "Coordinates" in stars:
            fields["stars"] = {
                "position": "Coordinates",
                "mass": "Masses",
                "initial_mass": "Masses (current)",
            }
            if "Velocities" in stars:
                fields["stars"]["velocity"] = "Velocities"
            if "GFM_InitialMass" in stars:
                fields["stars"]["initial_mass"] = "GFM_InitialMass"
            if "GFM_StellarFormationTime" in stars:
                fields["stars"]["age"] = "GFM_StellarFormationTime"
            if "GFM_Metallicity" in stars:
                fields["stars"]["metallicity"] = "GFM_Metallicity"
        return fields

    # -- yt ----------------------------------------------------------------------------------

    @cached_property
    def _dataset(self) -> Any:
        from yt.frontends.arepo.api import ArepoHDF5Dataset

        folder = tempfile.mkdtemp(prefix="simpost-index-")
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        index = Path(folder) / "index.ewah"
        dataset = load_dataset(self._files.paths[0], ArepoHDF5Dataset, index_filename=str(index))
        with reported_as(self._files.paths[0]):
            dataset.index  # noqa: B018 - builds the field lists
        return dataset

    def _chunks(self, region: Region) -> Iterator[Any]:
        """Yt chunks (at most 262144 particles of a file) of the region."""
        data = select(self._dataset, region, self._header.length, self.info.box_size)
        with reported_as(self._files.paths[0]):
            chunks = data.chunks([], "io")
        while True:
            with reported_as(self._files.paths[0]):
                if next(chunks, None) is None:
                    return
            yield data

    def _read(self, data: Any, kind: str, dataset: str) -> NDArray[np.float64]:
        """A raw dataset; yt splits some (n, k) arrays into k fields and leaves others whole."""
        components = self._files.fields[kind].get(dataset, 1)
        with reported_as(self._files.paths[0]):
            if (kind, f"{dataset}_00") in self._dataset.field_list:
                parts = [np.asarray(data[kind, f"{dataset}_{i:02d}"], dtype=float) for i in range(components)]
                return np.stack(parts, axis=1)
            return np.asarray(data[kind, dataset], dtype=float)

    def _offset(self, data: Any, kind: str, region: Region) -> NDArray[np.float64]:
        code, size = self._read(data, kind, "Coordinates").reshape(-1, 3), self._header.box_size_code
        outside = np.count_nonzero(~np.all((code >= -1e-6 * size) & (code <= (1.0 + 1e-6) * size), axis=1))
        if outside:
            raise SnapshotError(
                self._files.paths[0],
                f"{outside} positions in {kind}/Coordinates outside the box",
                f"0 to {size:g} code units",
                "the file is damaged: restore it from its source",
            )
        return offset_from(code * self._header.length, region.centre, self.info.box_size)

    # -- cells and particles -------------------------------------------------------------------

    def gas_chunks(self, region: Region, columns: Collection[str] | None = None) -> Iterator[Columns]:
        """Cells whose generator lies in `region`; `columns` names what is wanted."""
        names = [name for name in self.info.fields_read["gas"] if columns is None or name in columns]
        for data in self._chunks(region):
            offset = self._offset(data, GAS, region)
            inside = region.overlaps(offset)
            if np.any(inside):
                values = self._cell_columns(data, inside, names)
                values["position"] = offset[inside]
                origin = {name: f"read: {self.info.fields_read['gas'][name]}" for name in names}
                chunk = Columns({name: values[name] for name in names}, origin)
                chunk.check(self._files.paths[0])
                yield chunk

    def _cell_columns(
        self, data: Any, inside: NDArray[np.bool_], names: Collection[str]
    ) -> dict[str, NDArray]:
        header = self._header
        columns: dict[str, NDArray] = {}
        if not {"mass", "density", "volume", "size", "high_resolution_fraction"}.isdisjoint(names):
            mass = self._positive(data, "Masses", inside) * header.mass
            density = self._positive(data, "Density", inside) * header.mass / header.length**3
            volume = mass / density
            columns |= {"mass": mass, "density": density, "volume": volume, "size": np.cbrt(volume)}
        factor = {"velocity": header.velocity, "internal_energy": header.specific_energy}
        for name in names:
            where = self.info.fields_read["gas"][name]
            if where in self._files.fields[GAS] and name not in ("position", *columns):
                columns[name] = self._read(data, GAS, where)[inside] * factor.get(name, 1.0)
        if "hydrogen_fraction" in names:
            columns["hydrogen_fraction"] = self._read(data, GAS, "GFM_Metals")[inside, 0]
        if "high_resolution_fraction" in names:
            share = self._read(data, GAS, "HighResGasMass")[inside] * header.mass / columns["mass"]
            columns["high_resolution_fraction"] = np.clip(share, 0.0, 1.0)
        groups = self.info.photon_groups
        if groups is not None and "photon_flux" in names:
            photons = self._read(data, GAS, "PhotonDensity")[inside].reshape(-1, len(groups))
            per_cm3 = _PHOTON_UNIT / (header.length * c.KPC) ** 3
            columns["photon_flux"] = photons * per_cm3 * groups.light_speed_fraction * c.C_LIGHT
        return columns

    def _positive(self, data: Any, dataset: str, inside: NDArray[np.bool_]) -> NDArray[np.float64]:
        values = self._read(data, GAS, dataset)[inside]
        if not np.all(values > 0):
            raise SnapshotError(
                self._files.paths[0],
                f"{np.count_nonzero(~(values > 0))} cells with {GAS}/{dataset} not above zero",
                "positive values",
                "the file is damaged: restore it from its source",
            )
        return values

    def stars(self, region: Region) -> Columns:
        """Star particles inside `region`, wind particles excluded."""
        return self._formed(region, wind=False)

    def wind(self, region: Region) -> Columns:
        """Wind particles (PartType4 born at or before a = 0) inside `region`: gas in flight."""
        return self._formed(region, wind=True)

    def _formed(self, region: Region, wind: bool) -> Columns:
        fields = self.info.fields_read.get("stars", {})
        parts = []
        for data in self._chunks(region) if fields else ():
            offset = self._offset(data, STARS, region)
            keep = region.overlaps(offset)
            birth = self._read(data, STARS, "GFM_StellarFormationTime") if "age" in fields else None
            keep &= ((birth <= 0) == wind) if birth is not None else (not wind)
            if np.any(keep):
                parts.append(self._star_columns(data, keep, offset, None if wind else birth))
        if parts:
            joined = concatenate(parts)
        else:
            names = {"position": np.empty((0, 3)), "mass": np.empty(0), "initial_mass": np.empty(0)}
            names |= {"age": np.empty(0)} if "age" in fields else {}
            joined = Columns(names, dict.fromkeys(names, "read: none in the region"))
        joined.check(self._files.paths[0])
        return joined

    def _star_columns(
        self,
        data: Any,
        keep: NDArray[np.bool_],
        offset: NDArray[np.float64],
        birth: NDArray[np.float64] | None,
    ) -> Columns:
        fields, header = self.info.fields_read["stars"], self._header
        columns = {"position": offset[keep], "mass": self._read(data, STARS, "Masses")[keep] * header.mass}
        columns["initial_mass"] = columns["mass"]
        if "GFM_InitialMass" in self._files.fields[STARS]:
            columns["initial_mass"] = self._read(data, STARS, "GFM_InitialMass")[keep] * header.mass
        if "velocity" in fields:
            columns["velocity"] = self._read(data, STARS, "Velocities")[keep] * header.velocity
        if "metallicity" in fields:
            columns["metallicity"] = self._read(data, STARS, "GFM_Metallicity")[keep]
        if birth is not None:
            if np.any(birth[keep] > header.scale_factor * 1.01):
                raise SnapshotError(
                    self._files.paths[0],
                    f"a star born at a = {birth[keep].max():.4g}",
                    f"births up to a = {header.scale_factor:.4g}",
                    "the file is damaged: restore it from its source",
                )
            born = header.cosmology.age(birth[keep])
            columns["age"] = np.maximum(self.info.time - born, 0.0)
        return Columns(columns, {name: f"read: {fields[name]}" for name in columns})

    def dark_matter(self, region: Region) -> Columns:
        """Collisionless particles (types 1, 2 and 3) inside `region`."""
        fields = self.info.fields_read.get("dark_matter", {})
        parts = []
        for kind in COLLISIONLESS:
            if not self._files.fields.get(kind):
                continue
            for data in self._chunks(region):
                offset = self._offset(data, kind, region)
                keep = region.overlaps(offset)
                if np.any(keep):
                    columns = {
                        "position": offset[keep],
                        "mass": self._read(data, kind, "Masses")[keep] * self._header.mass,
                    }
                    if "velocity" in fields:
                        columns["velocity"] = (
                            self._read(data, kind, "Velocities")[keep] * self._header.velocity
                        )
                    parts.append(Columns(columns, {name: f"read: {fields[name]}" for name in columns}))
        if parts:
            joined = concatenate(parts)
            joined.check(self._files.paths[0])
            return joined
        names = {"position": np.empty((0, 3)), "mass": np.empty(0)}
        return Columns(names, dict.fromkeys(names, "read: none in the region"))

    def haloes(self) -> HaloCatalogue | None:
        """The FoF/Subfind catalogue beside the snapshot; None if absent or empty."""
        if not self._catalogue_paths:
            return None
        return read_catalogue(self._catalogue_paths, self._header)


def _stated_groups(parameters: dict[str, Any]) -> PhotonGroups | None:
    """Bands and light speed as the Parameters group of the file states them, if it does."""
    names = (
        "PhotonGroupLower_in_eV",
        "PhotonGroupUpper_in_eV",
        "PhotonGroupMeanEnergy_in_eV",
        "ReducedSpeedOfLight",
    )
    if any(name not in parameters for name in names):
        return None
    low, high, mean = (tuple(float(x) for x in np.atleast_1d(parameters[name])) for name in names[:3])
    return PhotonGroups(low, tuple(x if x > 0 else np.inf for x in high), mean, float(parameters[names[3]]))
