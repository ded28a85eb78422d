"""Damaged, incomplete and swapped files: one clear line, never a traceback or a wrong number."""

import shutil
from functools import cache

import h5py
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simpost.core.errors import SimpostError
from simpost.snapshots.columns import concatenate
from simpost.snapshots.open import open_snapshot
from simpost.snapshots.regions import whole_box
from simpost.snapshots.samples import resolve_sample


def read_all(path):
    snapshot = open_snapshot(path)
    box = whole_box(snapshot.info.box_size)
    gas = concatenate(snapshot.gas_chunks(box))
    stars, dark = snapshot.stars(box), snapshot.dark_matter(box)
    return (
        float(gas["mass"].sum()), float(stars["mass"].sum()), float(dark["mass"].sum()),
        snapshot.info.redshift, snapshot.info.box_size,
    )  # fmt: skip


read_once = cache(read_all)


def refusal(path) -> str:
    with pytest.raises(SimpostError) as caught:
        read_all(path)
    line = str(caught.value)
    assert "\n" not in line
    assert "found" in line and "expected" in line
    return line


KINDS = ["amr", "hydro", "rt", "part"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("damage", ["truncated", "one byte short", "empty", "missing", "swapped"])
def test_damaged_ramses_file(sample_copy, kind, damage):
    folder = sample_copy("ramses-zoom")
    path, other = folder / f"{kind}_00006.out00003", folder / f"{kind}_00006.out00004"
    if damage == "missing":
        path.unlink()
    elif damage == "swapped":
        spare = folder / "spare"
        path.rename(spare)
        other.rename(path)
        spare.rename(other)
    else:
        size = path.stat().st_size
        keep = {"truncated": size // 2, "one byte short": size - 1, "empty": 0}[damage]
        with path.open("r+b") as stream:
            stream.truncate(keep)
    if kind == "part" and damage == "swapped":
        pytest.skip("particles of a box may lie in any file: order does not matter")
    line = refusal(folder)
    # exchanged octrees do not fit their hydro files, and it is those that are named
    assert f"{'hydro' if (kind, damage) == ('amr', 'swapped') else kind}_00006.out0000" in line


@pytest.mark.parametrize("name", ["info_00006.txt", "info_rt_00006.txt", "hydro_file_descriptor.txt"])
def test_truncated_text_file(sample_copy, name):
    path = sample_copy("ramses-zoom") / name
    path.write_text(path.read_text()[:60])
    assert name in refusal(path.parent)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("info_00006.txt", "0.676600036621094E+02", "0.776600036621094E+02"),  # H0
        ("info_00006.txt", "0.919859762776009E-01", "0.919859762776009E-02"),  # aexp
        ("info_00006.txt", "0.343998886453151E-26", "0.343998886453151E-25"),  # unit_d
        ("info_00006.txt", "0.385888445548929E+16", "0.185888445548929E+16"),  # unit_t
        ("info_00006.txt", "0.167803170863750E+25", "0.267803170863750E+25"),  # unit_l
        ("info_rt_00006.txt", "0.558693375812024E+12", "0.558693375812024E+10"),  # unit_pf
        ("info_rt_00006.txt", "8.482E+00", "8.482E+01"),  # mean energy outside its group
    ],
)
def test_numbers_that_do_not_fit_each_other(sample_copy, name, old, new):
    path = sample_copy("ramses-zoom") / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    refusal(path.parent)


@pytest.mark.parametrize("damage", ["truncated", "empty", "missing", "doubled", "foreign"])
def test_damaged_arepo_set(sample_copy, damage):
    path = sample_copy("arepo-zoom")
    second = path.with_name("snap_007.1.hdf5")
    if damage == "missing":
        second.unlink()
    elif damage == "doubled":
        shutil.copy(path, second)
    elif damage == "foreign":
        with h5py.File(second, "r+") as file:
            file["Header"].attrs["Time"] = 0.2
            file["Header"].attrs["Redshift"] = 4.0
    else:
        with second.open("r+b") as stream:
            stream.truncate(0 if damage == "empty" else second.stat().st_size // 2)
    refusal(path)


@pytest.mark.parametrize("field", ["Masses", "Density", "Coordinates"])
def test_misspelt_arepo_field(sample_copy, field):
    path = sample_copy("arepo-box")
    with h5py.File(path, "r+") as file:
        file["PartType0"].move(field, field + "s")
    assert field in refusal(path)


@pytest.mark.parametrize(
    ("field", "value"), [("Density", float("nan")), ("Masses", -1.0), ("InternalEnergy", float("inf"))]
)
def test_bad_numbers_in_an_arepo_field(sample_copy, field, value):
    path = sample_copy("arepo-box")
    with h5py.File(path, "r+") as file:
        file["PartType0"][field][1000] = value
    line = refusal(path)
    assert field in line or "internal_energy" in line


def test_nan_in_a_hydro_file(sample_copy):
    folder = sample_copy("ramses-hydro")
    path = folder / "hydro_00007.out00001"
    raw = bytearray(path.read_bytes())
    middle = len(raw) // 2 // 8 * 8
    for start in range(middle, middle + 4096):
        raw[start] = 0xFF  # a run of NaN inside one variable: the size of the file stays right
    path.write_bytes(raw)
    line = refusal(folder)
    assert "impossible value" in line or "zero or negative density" in line or "cannot read" in line


def test_places_that_are_no_snapshot(tmp_path):
    assert "no such file" in refusal(tmp_path / "none")
    assert "RAMSES:" in refusal(tmp_path)
    (tmp_path / "snap_001.hdf5").write_bytes(b"")
    assert "empty file" in refusal(tmp_path / "snap_001.hdf5")
    (tmp_path / "output_00001").mkdir()
    assert "info_00001.txt" in refusal(tmp_path / "output_00001")


RAMSES_HEADERS = {
    "info_00007.txt": 700, "hydro_file_descriptor.txt": 155, "amr_00007.out00001": 400,
    "hydro_00007.out00001": 80, "part_00007.out00001": 120,
}  # fmt: skip


def damages(reach):
    """A few bytes somewhere in the first `reach` bytes of a file."""
    return st.lists(st.tuples(st.integers(0, reach - 1), st.integers(0, 255)), min_size=1, max_size=4)


def right_or_one_line(path, damaged, changes, right):
    raw = bytearray(damaged.read_bytes())
    for place, value in changes:
        raw[min(place, len(raw) - 1)] = value
    damaged.write_bytes(raw)
    try:
        found = read_all(path)
    except SimpostError as error:
        assert "\n" not in str(error)
    else:
        # digits that nothing cross-checks may change in the last places only
        assert found == pytest.approx(right, rel=1e-2)


SOME = settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)


@SOME
@given(data=st.data())
def test_random_bytes_in_ramses_headers(data, tmp_path_factory):
    source = resolve_sample("sample:ramses-hydro")
    name = data.draw(st.sampled_from(sorted(RAMSES_HEADERS)))
    folder = tmp_path_factory.mktemp("damaged") / source.name
    folder.mkdir()
    for path in source.iterdir():
        if path.name == name:
            shutil.copy(path, folder)
        else:
            (folder / path.name).symlink_to(path)
    changes = data.draw(damages(RAMSES_HEADERS[name]))
    right_or_one_line(folder, folder / name, changes, read_once("sample:ramses-hydro"))


@SOME
@given(changes=damages(4096))
def test_random_bytes_in_an_arepo_header(changes, tmp_path_factory):
    path = tmp_path_factory.mktemp("damaged") / "snap_006.hdf5"
    shutil.copy(resolve_sample("sample:arepo-box"), path)
    right_or_one_line(path, path, changes, read_once("sample:arepo-box"))
