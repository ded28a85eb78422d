"""FoF/Subfind catalogues: units, stars, centrals, sets of files, GADGET-4's names, and damage."""

import h5py
import numpy as np
import pytest

from simpost.core import constants as c
from simpost.core.errors import InputError, SnapshotError
from simpost.snapshots.arepo_files import read_files
from simpost.snapshots.arepo_haloes import catalogue_of, open_catalogue, read_catalogue
from simpost.snapshots.arepo_members import subhalo_members
from simpost.snapshots.arepo_stars import read_star_table
from simpost.snapshots.open import open_snapshot
from tests.conftest import YT_MSUN

H, A = 0.6774, 0.125
MASS = 1.989e43 / H / c.M_SUN  # Msun per code mass
LENGTH = 3.085678e21 * A / H / c.KPC  # proper kpc per code length
GROUP_OF = np.array([0, 0, 0, 2])  # group 1 has no subhalo
STARS = np.array([0.02, 0.05, 0.0, 0.0])  # of four subhaloes, code units


def tables(gadget4=False):
    """Group and Subhalo tables of three groups and four subhaloes in code units."""
    by_type = np.zeros((4, 6), dtype=np.float32)
    by_type[:, 1], by_type[:, 4] = [1.0, 0.4, 0.3, 0.2], STARS
    radius = np.zeros((4, 6), dtype=np.float32)
    radius[:2, 4] = 4.0, 2.0
    group = {
        "GroupPos": np.array([[10, 20, 30], [40, 50, 60], [70, 80, 90]], dtype=np.float32),
        "GroupVel": np.full((3, 3), 12.5, dtype=np.float32),
        "GroupMass": np.array([2.0, 0.5, 0.4], dtype=np.float32),
        "Group_M_Crit200": np.array([1.5, 0.4, 0.25], dtype=np.float32),
        "Group_R_Crit200": np.array([9.0, 5.0, 4.0], dtype=np.float32),
        "GroupFirstSub": np.array([0, -1, 3], dtype=np.int32),
    }
    subhalo = {
        "SubhaloPos": np.array([[10, 20, 30], [11, 21, 31], [9, 19, 29], [70, 80, 90]], dtype=np.float32),
        "SubhaloVel": np.arange(12, dtype=np.float32).reshape(4, 3),
        "SubhaloMass": by_type.sum(axis=1),
        "SubhaloGrNr": GROUP_OF.astype(np.int32),
        "SubhaloMassType": by_type,
        "SubhaloMassInRadType": (0.75 * by_type).astype(np.float32),
        "SubhaloHalfmassRadType": radius,
        "SubhaloSFR": np.array([0.5, 0.25, 0.0, 0.0], dtype=np.float32),
        "SubhaloIDMostbound": np.array([7, 8, -2, 9], dtype=np.int32),
    }
    if gadget4:
        subhalo["SubhaloGroupNr"] = subhalo.pop("SubhaloGrNr").astype(np.int64)
        subhalo["SubhaloRankInGr"] = np.array([0, 1, 2, 0], dtype=np.int32)
        del subhalo["SubhaloMassInRadType"]  # GADGET-4 does not write it
    return group, subhalo


def write(path, group, subhalo, n_files=1, totals=None, gadget4=False, **parameters):
    """A catalogue file; GADGET-4 keeps h, Omega and units in Parameters only."""
    with h5py.File(path, "w") as file:
        header = file.create_group("Header")
        n_sub = "Nsubhalos" if gadget4 else "Nsubgroups"
        totals = totals or (len(group["GroupPos"]), len(subhalo.get("SubhaloPos", ())))
        header.attrs.update({"Time": A, "Redshift": 1 / A - 1, "BoxSize": 1700.0, "NumFiles": n_files})
        header.attrs.update({"Ngroups_Total": totals[0], f"{n_sub}_Total": totals[1]})
        stated = {"HubbleParam": H, "Omega0": 0.3089, "OmegaLambda": 0.6911}
        if gadget4:
            stated |= {"Hubble": 0.1, "UnitLength_in_cm": 3.085678e21, "UnitMass_in_g": 1.989e43}
            stated |= {"UnitVelocity_in_cm_per_s": 1e5, "OmegaBaryon": 0.0486}
            file.create_group("Parameters").attrs.update(stated | parameters)
        else:
            header.attrs.update(stated | parameters)
        for name, table in (("Group", group), ("Subhalo", subhalo)):
            file.create_group(name)
            for dataset, values in table.items():
                file.create_dataset(f"{name}/{dataset}", data=values)
    return path


def part(table, rows):
    return {name: values[rows] for name, values in table.items()}


@pytest.fixture(params=[False, True], ids=["arepo", "gadget4"])
def catalogue(request, tmp_path):
    path = tmp_path / "fof_subhalo_tab_017.hdf5"
    return open_catalogue(write(path, *tables(request.param), gadget4=request.param))


def test_units(catalogue):
    group, subhalo = tables()
    np.testing.assert_allclose(catalogue.position, subhalo["SubhaloPos"].astype(float) * LENGTH, rtol=1e-12)
    np.testing.assert_allclose(catalogue.velocity, subhalo["SubhaloVel"], rtol=1e-12)
    np.testing.assert_allclose(catalogue.mass, subhalo["SubhaloMass"].astype(float) * MASS, rtol=1e-12)
    np.testing.assert_allclose(
        catalogue.stellar_mass, STARS.astype(np.float32).astype(float) * MASS, rtol=1e-12
    )
    assert catalogue.m_200c.tolist() == pytest.approx([1.5 * MASS, 0, 0, 0.25 * MASS], rel=1e-12)
    assert catalogue.r_200c.tolist() == pytest.approx([9 * LENGTH, 0, 0, 4 * LENGTH], rel=1e-12)
    assert catalogue.group.tolist() == GROUP_OF.tolist()
    assert catalogue.sfr.tolist() == [0.5, 0.25, 0.0, 0.0]
    assert (catalogue.number, catalogue.scale_factor) == (17, A)
    assert catalogue.cosmology.h0 == pytest.approx(67.74, rel=1e-12)
    assert catalogue.box_size == pytest.approx(1700.0 * LENGTH, rel=1e-12)
    assert len(catalogue) == len(group["GroupPos"]) + 1


def test_a_subhalo_without_stars_has_no_radius_rather_than_zero(catalogue):
    assert catalogue.stellar_half_mass_radius[:2].tolist() == pytest.approx(
        [4 * LENGTH, 2 * LENGTH], rel=1e-12
    )
    assert np.all(np.isnan(catalogue.stellar_half_mass_radius[2:]))


def test_identities_are_unsigned(catalogue):
    """Arepo writes unsigned 32-bit identities under a signed label."""
    assert catalogue.most_bound.tolist() == [7, 8, 2**32 - 2, 9]


def test_what_is_not_in_the_file_is_absent(tmp_path):
    group, subhalo = tables()
    for name in list(subhalo):
        if name not in ("SubhaloPos", "SubhaloVel", "SubhaloMass", "SubhaloGrNr"):
            del subhalo[name]
    bare = open_catalogue(write(tmp_path / "fof_subhalo_tab_001.hdf5", group, subhalo))
    for name in ("stellar_mass", "galaxy_stellar_mass", "stellar_half_mass_radius", "sfr", "most_bound"):
        assert getattr(bare, name) is None
    with pytest.raises(SnapshotError, match="SubhaloMassType"):
        open_catalogue(bare.source, central="stellar")


def test_both_centrals(tmp_path):
    path = write(tmp_path / "fof_subhalo_tab_001.hdf5", *tables())
    first, stellar = open_catalogue(path), open_catalogue(path, central="stellar")
    assert first.is_central.tolist() == [True, False, False, True]
    assert stellar.is_central.tolist() == [False, True, False, True]  # without stars: Subfind's first
    assert stellar.is_first.tolist() == first.is_central.tolist()
    # M_200c is measured around the first: the stellar central has none of its own
    assert stellar.m_200c.tolist() == first.m_200c.tolist()
    assert stellar.m_200c[1] == 0.0
    with pytest.raises(InputError, match="'first' or 'stellar'"):
        open_catalogue(path, central="biggest")


def test_a_set_of_files_is_the_same_catalogue(tmp_path):
    """Groups and subhaloes are split independently, and a file may hold none of either."""
    group, subhalo = tables()
    whole = open_catalogue(write(tmp_path / "fof_subhalo_tab_002.hdf5", group, subhalo))
    folder = tmp_path / "groups_002"
    folder.mkdir()
    splits = [([0], [0, 1, 2]), ([1, 2], []), ([], [3])]
    for k, (groups, subs) in enumerate(splits):
        write(folder / f"fof_subhalo_tab_002.{k}.hdf5", part(group, groups), part(subhalo, subs), 3, (3, 4))
    for k in range(3):
        split = open_catalogue(folder / f"fof_subhalo_tab_002.{k}.hdf5")
        for name in ("position", "m_200c", "stellar_mass", "most_bound", "group", "is_central"):
            np.testing.assert_array_equal(getattr(split, name), getattr(whole, name))


def test_groups_alone(tmp_path):
    group, _ = tables()
    found = open_catalogue(write(tmp_path / "fof_tab_003.hdf5", group, {}))
    np.testing.assert_allclose(found.velocity, 12.5 / A, rtol=1e-12)  # GroupVel carries a factor a
    assert found.m_200c.tolist() == pytest.approx([1.5 * MASS, 0.4 * MASS, 0.25 * MASS], rel=1e-6)
    assert found.stellar_mass is None


def test_units_without_h(tmp_path):
    """GADGET-4 with HubbleParam = 1 and the true H0 in `Hubble`."""
    path = tmp_path / "fof_subhalo_tab_001.hdf5"
    write(path, *tables(True), gadget4=True, HubbleParam=1.0, Hubble=0.06774)
    found = open_catalogue(path)
    assert found.cosmology.h0 == pytest.approx(67.74, rel=3e-7)  # the stated kpc is 1.4e-7 off
    assert found.box_size == pytest.approx(1700.0 * A * 3.085678e21 / c.KPC, rel=1e-12)


def doubled(subhalo):
    return {name: np.concatenate([values, values[1:2]]) for name, values in subhalo.items()}


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda g, s: s.update(doubled(s)), "subhaloes 1 and 4 with the same most bound particle"),
        (lambda g, s: s.pop("SubhaloVel"), "no Subhalo/SubhaloVel"),
        (lambda g, s: s.update(SubhaloGrNr=np.array([0, 0, 0, 3])), "SubhaloGrNr up to 3"),
        (lambda g, s: s.update(SubhaloSFR=np.zeros(3)), "3 rows in Subhalo/SubhaloSFR"),
        (lambda g, s: g.update({k: v[:0] for k, v in g.items()}), "no group"),
    ],
)
def test_damage_is_named(tmp_path, damage, message):
    group, subhalo = tables()
    damage(group, subhalo)
    with pytest.raises(SnapshotError, match=message):
        open_catalogue(write(tmp_path / "fof_subhalo_tab_001.hdf5", group, subhalo))


def test_missing_and_doubled_files_are_named(tmp_path):
    group, subhalo = tables()
    for k, rows in enumerate(([0, 1, 2], [3])):
        none = part(group, [] if k else [0, 1, 2])
        write(tmp_path / f"fof_subhalo_tab_002.{k}.hdf5", none, part(subhalo, rows), 2, (3, 4))
    (tmp_path / "fof_subhalo_tab_002.1.hdf5").unlink()
    with pytest.raises(SnapshotError, match=r"1 file\(s\), expected 2"):
        open_catalogue(tmp_path / "fof_subhalo_tab_002.0.hdf5")
    path = write(tmp_path / "fof_subhalo_tab_004.hdf5", group, subhalo, totals=(3, 9))
    with pytest.raises(SnapshotError, match="4 rows of Subhalo, expected 9"):
        open_catalogue(path)
    with pytest.raises(SnapshotError, match="no such file"):
        open_catalogue(tmp_path / "fof_subhalo_tab_099.hdf5")
    (tmp_path / "fof_subhalo_tab_098.hdf5").write_bytes(b"not HDF5")
    with pytest.raises(SnapshotError, match="damaged or foreign"):
        open_catalogue(tmp_path / "fof_subhalo_tab_098.hdf5")


# -- with the snapshots that come with the package ---------------------------------------------------


@pytest.fixture(scope="module")
def zoom():
    return open_snapshot("sample:arepo-zoom")


def test_opened_alone_or_with_its_snapshot(zoom):
    with_snapshot = zoom.haloes()
    alone = open_catalogue(with_snapshot.source)
    for name in ("position", "velocity", "mass", "m_200c", "galaxy_stellar_mass", "sfr"):
        np.testing.assert_allclose(getattr(alone, name), getattr(with_snapshot, name), rtol=1e-9)
    assert alone.cosmology.h0 == pytest.approx(zoom.info.cosmology.h0, rel=1e-12)
    assert alone.box_size == pytest.approx(zoom.info.box_size, rel=1e-9)
    assert alone.number == 7


def test_catalogue_of_another_snapshot(zoom, sample_copy):
    box = sample_copy("arepo-box")
    files, header = read_files(zoom.info.path), read_files(box).header
    with pytest.raises(SnapshotError, match="it belongs to another snapshot"):
        read_catalogue((zoom.haloes().source,), header)
    with pytest.raises(SnapshotError, match="it belongs to another snapshot"):
        catalogue_of(files.paths[0], header)
    for path in box.parent.glob("fof_subhalo_tab_*"):
        path.unlink()
    with pytest.raises(SnapshotError, match="no group catalogue of the same number"):
        catalogue_of(box, header)


def test_stars_of_subhaloes_are_their_members(zoom):
    """Bound stellar mass and mass within twice the half-mass radius, recounted from the particles."""
    haloes, members = zoom.haloes(), subhalo_members(zoom.info.path, kind=4)
    stars = read_star_table(zoom.info.path)
    row_of = {identity: row for row, identity in enumerate(stars.identity.tolist())}
    for subhalo in range(4):
        rows = [row_of[identity] for identity in members.of(subhalo).tolist()]
        mass = stars.birth_mass[rows]
        radius = np.linalg.norm(stars.position[rows] - haloes.position[subhalo], axis=1)
        half = haloes.stellar_half_mass_radius[subhalo]
        assert mass.sum() == pytest.approx(haloes.stellar_mass[subhalo], rel=1e-6)
        assert mass[radius < 2 * half].sum() == pytest.approx(haloes.galaxy_stellar_mass[subhalo], rel=1e-6)
        assert mass[radius < half].sum() == pytest.approx(0.5 * mass.sum(), abs=2 * mass.max())


def test_members_tile_their_groups(zoom):
    members = subhalo_members(zoom.info.path)
    ends = members.start + members.length
    order = np.argsort(members.start, kind="stable")
    assert np.all(members.start[order][1:] >= ends[order][:-1])
    assert (
        len(np.unique(np.concatenate([members.of(row) for row in range(len(ends))]))) == members.length.sum()
    )
    # the most bound particle of a subhalo, where it is dark matter, is its first member
    bound = zoom.haloes().most_bound
    first = np.array([members.of(row)[0] for row in range(len(ends))])
    dark = np.isin(bound, members.identity)
    assert np.count_nonzero(dark) > 0
    np.testing.assert_array_equal(first[dark], bound[dark])


def test_a_snapshot_that_is_not_ordered_by_group(sample_copy):
    box = sample_copy("arepo-box")
    with h5py.File(box, "r+") as file:
        identity = file["PartType1/ParticleIDs"]
        identity[:] = np.roll(identity[:], len(identity) // 2)
    with pytest.raises(SnapshotError, match="ordered by group"):
        subhalo_members(box)


def test_star_table(zoom, sample_copy):
    from simpost.snapshots.regions import whole_box

    table = read_star_table(zoom.info.path)
    everywhere = zoom.stars(whole_box(zoom.info.box_size))
    assert len(table) == everywhere.size == 1737
    assert table.birth_mass.sum() == pytest.approx(everywhere["initial_mass"].sum(), rel=1e-12)
    assert table.birth_time is None
    assert table.birth_position is None
    assert table.notes == ("birth mass: current mass (no GFM_InitialMass)",)
    box = sample_copy("arepo-box")
    with h5py.File(box, "r+") as file:
        n = len(file["PartType4/ParticleIDs"])
        birth = np.full(n, 0.1)
        birth[:3] = -0.1, 0.0, -1.0  # wind
        file["PartType4/GFM_StellarFormationTime"] = birth
        file["PartType4/GFM_InitialMass"] = 1.25 * file["PartType4/Masses"][:]
        file["PartType4/BirthPos"] = np.full((n, 3), 10.0)
    given = read_star_table(box)
    header = read_files(box).header
    assert len(given) == n - 3
    assert given.birth_time == pytest.approx(np.full(n - 3, header.cosmology.age(0.1)), rel=1e-12)
    comoving = 10.0 * 3.085678e21 / c.KPC / header.hubble
    np.testing.assert_allclose(given.birth_position, comoving, rtol=1e-12)
    with h5py.File(box, "r+") as file:
        file["PartType4/ParticleIDs"][5] = file["PartType4/ParticleIDs"][6]
    with pytest.raises(SnapshotError, match="identities of stars twice"):
        read_star_table(box)


def test_real_box_and_zoom(shared_data):
    """Figures of data/arepo/README.md, which were taken with h5py alone (masses in yt's Msun)."""
    box = open_catalogue(shared_data / "arepo/box/fof_subhalo_tab_006.hdf5")
    assert len(box) == 31
    largest = int(np.argmax(box.m_200c))
    assert box.m_200c[largest] * c.M_SUN / YT_MSUN == pytest.approx(6.49e9, rel=1e-3)
    assert box.sfr[largest] == pytest.approx(0.41, rel=0.05)
    zoom = open_catalogue(shared_data / "arepo/zoom/groups_007/fof_subhalo_tab_007.0.hdf5")
    main = int(np.argmax(zoom.m_200c))
    assert zoom.m_200c[main] * c.M_SUN / YT_MSUN == pytest.approx(2.84e9, rel=2e-3)
    assert zoom.r_200c[main] == pytest.approx(5.35, abs=0.01)
    # at z = 7.9 the main progenitor has more stars than the first subhalo of its (bridged) group
    earlier = open_catalogue(shared_data / "arepo/zoom/fof_subhalo_tab_005.hdf5", central="stellar")
    assert earlier.is_central[:2].tolist() == [False, True]
