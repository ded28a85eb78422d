"""Readers of tree files: GADGET-4, LHaloTree and what ytree reads; units, main branches, damage."""

import builtins

import h5py
import numpy as np
import pytest

from simpost.core import constants as c
from simpost.core.cosmology import Cosmology
from simpost.core.errors import InputError, SnapshotError
from simpost.trees.forest import NOBODY, main_branch, tracks_of
from simpost.trees.gadget4 import read_gadget4_trees
from simpost.trees.lhalotree import read_lhalotree
from simpost.trees.open import open_forest
from simpost.trees.through_ytree import read_with_ytree
from tests.trees.forests import PLANCK
from tests.trees.writers import (
    CONSISTENT_NODES,
    NODES,
    SCALE,
    H,
    columns,
    write_consistent_trees,
    write_gadget4,
    write_lhalotree,
)

MASS = 1.989e43 / H / c.M_SUN
LENGTH = 3.085678e21 / H / c.KPC


# -- GADGET-4 ----------------------------------------------------------------------------------------


def test_gadget4_units_and_links(tmp_path):
    wood = read_gadget4_trees(write_gadget4(tmp_path))
    np.testing.assert_allclose(wood.mass, np.array(NODES["SubhaloMass"]) * MASS, rtol=1e-12)
    expected = columns()["SubhaloPos"].astype(float) * LENGTH * SCALE[NODES["SnapNum"]][:, None]
    np.testing.assert_allclose(wood.position, expected, rtol=1e-12)
    assert wood.comoving_box == pytest.approx(1700.0 * LENGTH, rel=1e-12)  # kpc/h, not Mpc/h as ytree has it
    assert wood.cosmology == Cosmology(pytest.approx(67.74, rel=1e-12), 0.3089, 0.6911, 0.0486)
    assert wood.outputs == {n: float(a) for n, a in enumerate(SCALE)}
    # the second tree begins at row 7: its links are moved there
    assert wood.descendant.tolist() == [NOBODY, 0, 0, 1, 2, 3, NOBODY, NOBODY, 7]
    assert wood.main_progenitor.tolist() == [1, 3, 4, 5, NOBODY, NOBODY, NOBODY, 8, NOBODY]


def test_gadget4_follows_the_main_progenitor_not_the_first(tmp_path):
    wood = read_gadget4_trees(write_gadget4(tmp_path))
    assert main_branch(wood, wood.row_of(4, 0)).tolist() == [0, 1, 3, 5]
    assert main_branch(wood, wood.row_of(4, 1)).tolist() == [7, 8]


def test_gadget4_track(tmp_path):
    """Satellite at snapshot 3: no M_200c there, so one step is bridged and flagged."""
    wood = read_gadget4_trees(write_gadget4(tmp_path))
    track = tracks_of(wood, 0)[0]
    assert track.snapshot.tolist() == [1, 2, 3, 4]
    assert track.row.tolist() == [0, 0, 1, 0]
    assert track.is_satellite.tolist() == [False, False, True, False]
    assert track.is_bridged.tolist() == [False, False, True, False]
    known = np.array([0.08, 0.25, 0.9]) * MASS
    np.testing.assert_allclose(track.m_halo[[0, 1, 3]], known, rtol=1e-12)
    time = track.time
    share = (time[2] - time[1]) / (time[3] - time[1])
    assert np.log(track.m_halo[2] / known[1]) == pytest.approx(share * np.log(known[2] / known[1]), rel=1e-12)
    assert np.all(np.isnan(track.m_star))  # the format has no stars


def test_gadget4_in_several_files_is_the_same(tmp_path):
    whole = read_gadget4_trees(write_gadget4(tmp_path))
    first = write_gadget4(tmp_path, n_files=3)
    for k in range(3):
        split = read_gadget4_trees(first.with_name(f"trees.{k}.hdf5"))
        for name in ("descendant", "main_progenitor", "snapshot", "identity", "mass", "m_200c", "is_central"):
            np.testing.assert_array_equal(getattr(split, name), getattr(whole, name))


def test_gadget4_in_other_units(tmp_path):
    """The same run in Mpc/h: the same physical forest."""
    table = columns()
    table["SubhaloPos"] = table["SubhaloPos"].astype(float) / 1000.0
    (tmp_path / "mpc").mkdir()
    units = {"UnitLength_in_cm": 3.085678e24, "BoxSize": 1.7, "Hubble": 100.0}
    in_mpc = read_gadget4_trees(write_gadget4(tmp_path / "mpc", table, parameters=units))
    in_kpc = read_gadget4_trees(write_gadget4(tmp_path))
    np.testing.assert_allclose(in_mpc.position, in_kpc.position, rtol=1e-12)
    assert in_mpc.comoving_box == pytest.approx(in_kpc.comoving_box, rel=1e-12)
    assert in_mpc.cosmology.h0 == pytest.approx(in_kpc.cosmology.h0, rel=1e-12)


def change(name, row, value):
    table = columns()
    table[name][row] = value
    return table


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"table": change("TreeDescendant", 1, 8)}, "TreeDescendant that leads out of its tree"),
        ({"table": change("TreeDescendant", 0, 3)}, "do not lead forward in time"),
        ({"table": change("SubhaloNr", 1, 0)}, "halo 0 twice at snapshot 3"),
        ({"table": change("SnapNum", 0, 9)}, "snapshots of the tree are missing"),
        ({"scale": SCALE[:4]}, "snapshots of the tree are missing"),
        ({"trees": (6, 2)}, "trees that overlap or leave gaps"),
        (
            {"table": {k: v for k, v in columns().items() if k != "TreeMainProgenitor"}},
            "no TreeHalos/TreeMain",
        ),
    ],
)
def test_gadget4_damage_is_named(tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        read_gadget4_trees(write_gadget4(tmp_path, **options))


def test_gadget4_missing_files_are_named(tmp_path):
    first = write_gadget4(tmp_path, n_files=3)
    first.with_name("trees.1.hdf5").unlink()
    with pytest.raises(InputError, match=r"2 file\(s\), expected 3"):
        read_gadget4_trees(first)
    with pytest.raises(InputError, match="no such file"):
        read_gadget4_trees(tmp_path / "trees.hdf5")
    with h5py.File(tmp_path / "snap.hdf5", "w") as file:
        file.create_group("Header")
    with pytest.raises(InputError, match="no group TreeTable"):
        read_gadget4_trees(tmp_path / "snap.hdf5")


@pytest.mark.parametrize("write", [write_gadget4, write_lhalotree])
def test_a_truncated_file_is_one_line(tmp_path, write):
    path = write(tmp_path)
    assert len(open_forest(path, PLANCK)) == 9
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert h5py.is_hdf5(path)
    with pytest.raises(SnapshotError, match=rf"^{path}: found a damaged or foreign file .*truncated"):
        open_forest(path, PLANCK)


# -- LHaloTree ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_files", [1, 2])
def test_lhalotree(tmp_path, n_files):
    wood = read_lhalotree(write_lhalotree(tmp_path, n_files), PLANCK, box_size=1700.0 / H)
    assert wood.descendant.tolist() == [NOBODY, 0, 0, 1, 2, 3, NOBODY, NOBODY, 7]
    assert main_branch(wood, 0).tolist() == [0, 1, 3, 5]
    np.testing.assert_allclose(wood.mass, np.array(NODES["SubhaloMass"]) * MASS, rtol=1e-6)
    np.testing.assert_allclose(wood.m_star, 0.05 * wood.mass, rtol=1e-6)  # within twice the half-mass radius
    assert wood.sfr.tolist() == (np.arange(9) / 10).tolist()
    # the host's M_200c is no mass of the satellite
    assert np.isnan(wood.m_200c[1])
    track = tracks_of(wood, 0)[0]
    assert track.is_bridged.tolist() == [False, False, True, False]
    assert track.sfr.tolist() == [0.5, 0.3, 0.1, 0.0]
    assert any("units not stated" in note for note in track.notes)


def test_lhalotree_without_the_inner_mass(tmp_path):
    wood = read_lhalotree(write_lhalotree(tmp_path, drop=("SubhaloMassInRadType", "SubhaloSFR")), PLANCK)
    np.testing.assert_allclose(wood.m_star, 0.1 * wood.mass, rtol=1e-6)
    assert any("all bound stars" in note for note in wood.notes)
    assert np.all(np.isnan(wood.sfr))


def test_lhalotree_damage_is_named(tmp_path):
    path = write_lhalotree(tmp_path, drop=("Descendant",))
    with pytest.raises(InputError, match="no Tree0/Descendant"):
        read_lhalotree(path, PLANCK)
    path = write_lhalotree(tmp_path)
    with h5py.File(path, "r+") as file:
        file["Tree0/SnapNum"][2] = 11
    with pytest.raises(InputError, match="snapshots of the tree are missing"):
        read_lhalotree(path, PLANCK)
    with h5py.File(path, "r+") as file:
        del file["Tree1"]
    with pytest.raises(InputError, match=r"no Tree1, expected 2 trees"):
        read_lhalotree(path, PLANCK)
    with pytest.raises(InputError, match="no Header/Redshifts"):
        read_lhalotree(write_gadget4(tmp_path), PLANCK)


# -- through ytree -----------------------------------------------------------------------------------


@pytest.fixture
def ytree():
    return pytest.importorskip("ytree")


@pytest.mark.filterwarnings("ignore")
def test_consistent_trees(ytree, tmp_path, capsys):
    wood = read_with_ytree(write_consistent_trees(tmp_path / "tree_0_0_0.dat"))
    assert capsys.readouterr().out == ""
    root = wood.row_of(3, 4)
    assert wood.identity[main_branch(wood, root)].tolist() == [4, 2, 1]  # by mmp?, not by mass
    track = tracks_of(wood, root)[0]
    np.testing.assert_allclose(track.m_halo, 0.9 / 0.7 * np.array([1e11, 4e11, 1e12]), rtol=1e-6)
    np.testing.assert_allclose(track.scale_factor, [0.25, 0.5, 1.0], rtol=1e-6)
    box = 10.0e3 / 0.7
    assert wood.comoving_box == pytest.approx(box, rel=1e-6)
    np.testing.assert_allclose(
        track.position[:, 0] / track.scale_factor, [0.01 * box, 0.01 * box, 0.99 * box], rtol=1e-5
    )
    assert wood.is_central[wood.row_of(2, 2)]
    assert not wood.is_central[wood.row_of(2, 3)]
    assert any("Msun/h assumed" in note for note in track.notes)


@pytest.mark.filterwarnings("ignore")
def test_a_mass_may_be_named(ytree, tmp_path):
    path = write_consistent_trees(tmp_path / "tree_0_0_0.dat", mass_200c="")
    with pytest.raises(InputError, match=r"no field of M_200c.*name a mass field.*Mvir"):
        read_with_ytree(path)
    wood = read_with_ytree(path, m_200c="Mvir")
    np.testing.assert_allclose(
        np.sort(wood.m_200c), np.sort([node[6] / 0.7 for node in CONSISTENT_NODES]), rtol=1e-6
    )
    assert "m_halo: Mvir as ytree reads it" in wood.notes
    with pytest.raises(InputError, match="no field M999"):
        read_with_ytree(path, m_200c="M999")


@pytest.mark.filterwarnings("ignore")
def test_formats_with_their_own_reader(ytree, tmp_path):
    with pytest.raises(InputError, match="read_gadget4_trees"):
        read_with_ytree(write_gadget4(tmp_path))
    with pytest.raises(InputError, match="read_lhalotree"):
        read_with_ytree(write_lhalotree(tmp_path))


@pytest.mark.filterwarnings("ignore")
def test_what_ytree_cannot_read(ytree, tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_with_ytree(tmp_path / "none.dat")
    (tmp_path / "foreign.txt").write_text("1 2 3\n")
    with pytest.raises(
        InputError, match=r"foreign\.txt: found data that ytree cannot read.*expected a merger tree"
    ):
        read_with_ytree(tmp_path / "foreign.txt")
    twice = [*CONSISTENT_NODES, CONSISTENT_NODES[1]]
    with pytest.raises(InputError, match="halo identity 2 twice"):
        read_with_ytree(write_consistent_trees(tmp_path / "tree_0_0_0.dat", nodes=twice))


def test_without_ytree(monkeypatch, tmp_path):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("ytree"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(InputError, match=r"pip install simpost\[trees\]"):
        read_with_ytree(tmp_path / "tree_0_0_0.dat")
