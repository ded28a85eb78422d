"""Synthetic Arepo snapshots, read by h5py and yt, against the galaxy they were made from."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
import yt
from yt.frontends.arepo.api import ArepoHDF5Dataset

from simpost.core import constants as c
from simpost.core.errors import InputError
from simpost.snapshots.synthetic import AnalyticGalaxy, write_arepo
from simpost.snapshots.synthetic.arepo_catalogue import sphere_mass

pytestmark = pytest.mark.filterwarnings("ignore")  # yt's own
yt.set_log_level(50)

GALAXY = AnalyticGalaxy(bulk_velocity=(30.0, -20.0, 10.0), stellar_mass_loss=0.1)
OPTIONS = {"n_cells": 6000, "n_stars": 3000, "n_dark_matter": 4000, "n_winds": 4}
A, H = GALAXY.scale_factor, GALAXY.cosmology.h0 / 100.0
KPC = 3.085678e21 / c.KPC * A / H  # physical kpc in a code length
MSUN = 1.989e43 / c.M_SUN / H


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return write_arepo(GALAXY, tmp_path_factory.mktemp("arepo") / "run", snapshot=12, n_files=3, **OPTIONS)


def columns(path: Path, kind: int) -> dict[str, np.ndarray]:
    """Fields of one particle type over all files, in file order."""
    parts: list[dict[str, np.ndarray]] = []
    for name in sorted(path.parent.glob("snap_*.hdf5")):
        with h5py.File(name) as file:
            if f"PartType{kind}" in file:
                parts.append({field: values[:] for field, values in file[f"PartType{kind}"].items()})
    return {field: np.concatenate([part[field] for part in parts]) for field in parts[0]}


@pytest.fixture(scope="module")
def gas(path):
    return columns(path, 0)


def positions(columns):
    """Relative to the galaxy [kpc]."""
    return columns["Coordinates"] * KPC - 0.5 * GALAXY.box_size


def catalogue(path: Path) -> dict[str, np.ndarray]:
    out: dict[str, list[np.ndarray]] = {}
    for name in sorted((path.parents[1] / "groups_012").glob("*.hdf5")):
        with h5py.File(name) as file:
            for table in ("Group", "Subhalo"):
                for field, values in file[table].items():
                    out.setdefault(field, []).append(values[:])
    return {field: np.concatenate(parts) for field, parts in out.items()}


def test_cells_fill_the_box_and_hold_the_mass(gas):
    volume = gas["Masses"].astype(float) / gas["Density"] * KPC**3
    assert volume.sum() == pytest.approx(GALAXY.box_size**3, rel=1e-6)
    np.testing.assert_allclose(gas["Volume"] * KPC**3, volume, rtol=5e-7)
    assert gas["Masses"].sum(dtype=float) * MSUN == pytest.approx(GALAXY.gas_mass, rel=1e-6)


def test_surface_density_profile(gas):
    radius = GALAXY.radius(positions(gas))
    edges = np.array([0.0, 0.5, 1.0, 1.5, 2.2])
    rings = np.histogram(radius, edges, weights=gas["Masses"] * MSUN)[0]
    truth = np.diff(GALAXY.gas_mass_within(edges, depth=0.0))
    np.testing.assert_allclose(rings, truth, rtol=0.05)


def test_cell_values_follow_the_galaxy(gas):
    where, density = positions(gas), gas["Density"].astype(float) * MSUN / KPC**3
    np.testing.assert_allclose(gas["Velocities"] * np.sqrt(A), GALAXY.velocity(where), atol=1e-3)
    np.testing.assert_allclose(gas["GFM_Metallicity"], GALAXY.metallicity(where), rtol=1e-5)
    np.testing.assert_allclose(gas["HI_Fraction"], GALAXY.atomic_fraction(density), atol=1e-6)
    np.testing.assert_allclose(gas["H2_Fraction"], GALAXY.molecular_fraction(density), atol=1e-6)
    helium = gas["HeI_Fraction"] + gas["HeII_Fraction"] + gas["HeIII_Fraction"]
    np.testing.assert_allclose(helium, 1.0, rtol=1e-6)
    # T = (2/3) u mu m_H/k with mu from x_e and H2
    x, y = GALAXY.hydrogen_fraction, GALAXY.helium_per_hydrogen
    mu = 1.0 / (x * (1.0 - 0.5 * gas["H2_Fraction"] + y + gas["ElectronAbundance"]))
    temperature = 2.0 / 3.0 * gas["InternalEnergy"] * 1e10 * mu * c.M_H / c.K_B
    np.testing.assert_allclose(temperature, GALAXY.temperature(density), rtol=1e-4)
    metals = gas["GFM_Metals"]
    np.testing.assert_allclose(metals.sum(axis=1), 1.0, rtol=1e-6)
    np.testing.assert_allclose(metals[:, 2:].sum(axis=1), gas["GFM_Metallicity"], rtol=1e-5)


def test_photon_density_gives_the_habing_field(path, gas):
    with h5py.File(path) as file:
        parameters = dict(file["Parameters"].attrs)
        scaling = dict(file["PartType0/PhotonDensity"].attrs)
    energy = parameters["PhotonGroupMeanEnergy_in_eV"] * c.EV
    lower, upper = parameters["PhotonGroupLower_in_eV"], parameters["PhotonGroupUpper_in_eV"]
    cgs = scaling["to_cgs"] * A ** scaling["a_scaling"] * H ** scaling["h_scaling"]
    flux = gas["PhotonDensity"] * cgs * parameters["ReducedSpeedOfLight"] * c.C_LIGHT
    share = np.clip(np.minimum(upper, 13.6) - np.maximum(lower, 6.0), 0.0, None) / (upper - lower)
    np.testing.assert_allclose(flux @ (share * energy) / 1.6e-3, GALAXY.habing(positions(gas)), rtol=1e-5)
    ionising = flux[:, lower >= 13.6].sum(axis=1)
    np.testing.assert_allclose(ionising, GALAXY.ionising_flux(positions(gas)), rtol=1e-5)


def test_star_formation(path, gas):
    assert gas["StarFormationRate"].sum(dtype=float) == pytest.approx(GALAXY.instantaneous_sfr, rel=1e-6)
    stars = columns(path, 4)
    born = stars["GFM_StellarFormationTime"]
    assert (born <= 0.0).sum() == OPTIONS["n_winds"]
    real = born > 0.0
    age = float(GALAXY.cosmology.age(A)) - GALAXY.cosmology.age(born[real].astype(float))
    initial = stars["GFM_InitialMass"][real].astype(float) * MSUN
    for window in (10.0, 30.0, 100.0):
        measured = initial[age < window].sum() / window / 1e6
        assert measured == pytest.approx(GALAXY.mean_sfr(window), abs=2.0 * initial[0] / window / 1e6)
    assert stars["Masses"][real].sum(dtype=float) * MSUN == pytest.approx(GALAXY.stellar_mass, rel=1e-3)


def test_header_counts_types_and_files(path):
    total = np.zeros(6, dtype=int)
    identity = []
    for number, name in enumerate(sorted(path.parent.glob("*.hdf5"))):
        with h5py.File(name) as file:
            header = dict(file["Header"].attrs)
            assert "VORONOI" in file["Config"].attrs
            here = [len(file[f"PartType{k}/ParticleIDs"]) if f"PartType{k}" in file else 0 for k in range(6)]
            assert here == header["NumPart_ThisFile"].tolist()
            assert ("PartType3" in file) == (number == 2)
            identity += [file[f"PartType{k}/ParticleIDs"][:] for k in range(6) if here[k]]
            total += here
    assert total.tolist() == header["NumPart_Total"].tolist()
    assert len(np.unique(np.concatenate(identity))) == total.sum()
    light = header["MassTable"][1] * MSUN
    assert light * OPTIONS["n_dark_matter"] == pytest.approx(GALAXY.halo_mass, rel=1e-12)
    for kind in (2, 3):
        far = np.linalg.norm(positions(columns(path, kind)), axis=1)
        assert far.min() > 1.5 * GALAXY.virial_radius


def test_catalogue_offsets_and_spheres(path, gas):
    table = catalogue(path)
    types = {0: gas, 1: columns(path, 1), 4: columns(path, 4)}
    with h5py.File(path) as file:
        mass_table = file["Header"].attrs["MassTable"]
    mass = {
        k: cols.get("Masses", np.full(len(cols["ParticleIDs"]), mass_table[k])) for k, cols in types.items()
    }
    for kind in types:
        ends = np.cumsum(table["GroupLenType"][:, kind])
        for group, (start, end) in enumerate(zip(np.r_[0, ends[:-1]], ends, strict=True)):
            expected = table["GroupMassType"][group, kind]
            assert mass[kind][start:end].sum(dtype=float) == pytest.approx(expected, rel=1e-5, abs=1e-12)
            inside = start
            first = table["GroupFirstSub"][group]
            for sub in range(first, first + table["GroupNsubs"][group]):
                length = table["SubhaloLenType"][sub, kind]
                members = slice(inside, inside + length)
                expected = table["SubhaloMassType"][sub, kind]
                assert mass[kind][members].sum(dtype=float) == pytest.approx(expected, rel=1e-5, abs=1e-12)
                where = positions(types[kind])[members] - (table["SubhaloPos"][sub] * KPC - 20.0)
                assert (np.linalg.norm(where, axis=1) < 1.01 * GALAXY.virial_radius).all()
                inside += length
            assert inside <= end
    assert table["SubhaloGrNr"].tolist() == [0, 0, 1]
    # R_200c is the galaxy's own to the granularity of the particles
    assert table["Group_R_Crit200"][0] * KPC == pytest.approx(GALAXY.virial_radius, rel=5e-3)
    np.testing.assert_allclose(table["GroupPos"][0] * KPC, 20.0, rtol=1e-6)
    # GroupVel carries a factor a, SubhaloVel does not
    members = table["GroupLenType"][0]
    weight = {k: mass[k][: members[k]].astype(float) for k in types}
    mean = sum(weight[k] @ (types[k]["Velocities"][: members[k]] * np.sqrt(A)) for k in types)
    mean /= sum(w.sum() for w in weight.values())
    np.testing.assert_allclose(table["GroupVel"][0] / A, mean, atol=1e-3)
    assert np.linalg.norm(table["SubhaloVel"][2] - GALAXY.bulk_velocity) < 5.0


def test_catalogue_counts_all_matter(path, gas):
    table = catalogue(path)
    where, mass = [], []
    with h5py.File(path) as file:
        mass_table = file["Header"].attrs["MassTable"]
    for kind in range(5):
        cols = columns(path, kind)
        where.append(positions(cols))
        mass.append(cols.get("Masses", np.full(len(where[-1]), mass_table[kind])) * MSUN)
    density = 200.0 * GALAXY.cosmology.critical_density(A)
    expected, _ = sphere_mass(np.concatenate(where), np.concatenate(mass), density)
    assert table["Group_M_Crit200"][0] * MSUN == pytest.approx(expected, rel=1e-5)


def test_yt_reads_the_set(path, gas):
    ds = yt.load(str(path), index_filename=str(path.parents[1] / "index.ewah"))
    assert isinstance(ds, ArepoHDF5Dataset)
    data = ds.all_data()
    assert data["gas", "mass"].to("g").d.sum() / c.M_SUN == pytest.approx(GALAXY.gas_mass, rel=1e-5)
    assert data["gas", "cell_volume"].to("cm**3").d.sum() == pytest.approx(
        (GALAXY.box_size * c.KPC) ** 3, rel=1e-5
    )
    speed = data["gas", "velocity_x"].to("km/s").d
    order = np.argsort(data["PartType0", "ParticleIDs"].d)
    expected = GALAXY.velocity(positions(gas))[np.argsort(gas["ParticleIDs"]), 0]
    np.testing.assert_allclose(speed[order], expected, atol=1e-3)


def test_tng_style_single_file(tmp_path):
    path = write_arepo(GALAXY, tmp_path / "tng", n_files=1, thesan_zoom=False, **OPTIONS)
    assert path == tmp_path / "tng" / "snap_001.hdf5"
    assert (tmp_path / "tng" / "fof_subhalo_tab_001.hdf5").is_file()
    cells = columns(path, 0)
    assert not {"HI_Fraction", "H2_Fraction", "PhotonDensity"} & set(cells)
    density = cells["Density"].astype(float) * MSUN / KPC**3
    neutral = GALAXY.atomic_fraction(density) + GALAXY.molecular_fraction(density)
    np.testing.assert_allclose(cells["NeutralHydrogenAbundance"], neutral, atol=1e-6)
    assert isinstance(yt.load(str(path)), ArepoHDF5Dataset)


def test_whole_or_absent(tmp_path, path):
    with pytest.raises(InputError, match="new or empty"):
        write_arepo(GALAXY, path.parents[1], **OPTIONS)
    for options in ({"n_cells": 100}, {"n_files": 0}, {"snapshot": 1000}):
        with pytest.raises(InputError):
            write_arepo(GALAXY, tmp_path / "new", **(OPTIONS | options))
    assert not any(tmp_path.iterdir())
