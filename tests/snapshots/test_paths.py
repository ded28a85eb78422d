import pytest

from simpost.core.errors import ConfigError, InputError
from simpost.snapshots.paths import snapshot_labels, snapshot_paths
from simpost.snapshots.samples import resolve_sample

HISTORY = "sample:arepo-zoom-history"


def test_a_glob_inside_a_sample_names_its_snapshots_in_order():
    paths = snapshot_paths([f"{HISTORY}/snap_*.hdf5", "sample:arepo-zoom"])
    numbers = [f"snap_00{i}" for i in (0, 1, 3, 4, 5)]
    assert paths == [f"{HISTORY}/{number}.hdf5" for number in numbers] + ["sample:arepo-zoom"]
    assert snapshot_labels(paths) == [*numbers, "arepo-zoom"]
    assert all(resolve_sample(path).is_file() for path in paths)


def test_files_of_a_sample_and_of_a_folder_of_the_same_name_get_different_labels(tmp_path):
    (tmp_path / "snap_000.hdf5").touch()
    labels = snapshot_labels([f"{HISTORY}/snap_000.hdf5", str(tmp_path / "snap_000.hdf5")])
    assert len(set(labels)) == 2


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ([f"{HISTORY}/snap_9*.hdf5"], "no file or folder that matches"),
        (["/nowhere/at/all_*.hdf5"], "no file or folder that matches"),
        ([f"{HISTORY}/snap_*.hdf5", f"{HISTORY}/snap_000.hdf5"], "named twice"),
    ],
)
def test_what_names_no_snapshot_or_one_twice_is_refused(entries, words):
    with pytest.raises(ConfigError, match=words):
        snapshot_paths(entries)


def test_a_glob_inside_an_unknown_sample_names_the_known_ones():
    with pytest.raises(InputError, match="arepo-zoom"):
        snapshot_paths(["sample:arepo-zum/snap_*.hdf5"])
