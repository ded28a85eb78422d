"""The same cells whatever the descriptors say or whether they are there at all."""

import numpy as np
import pytest

from simpost.core.errors import SnapshotError
from simpost.snapshots.columns import concatenate
from simpost.snapshots.open import open_snapshot
from simpost.snapshots.regions import Sphere, whole_box


def _read(path, **options):
    from simpost.config.models import ReaderConfig

    snapshot = open_snapshot(path, ReaderConfig(**options))
    size = snapshot.info.box_size
    region = Sphere((0.5 * size, 0.546 * size, 0.504 * size), 20.0)
    return concatenate(snapshot.gas_chunks(region)), snapshot.stars(whole_box(size))


@pytest.fixture(scope="module")
def hydro():
    return _read("sample:ramses-hydro")


@pytest.fixture(scope="module")
def radiation():
    return _read("sample:ramses-zoom")


def _equal(found, expected):
    for mine, theirs in zip(found, expected, strict=True):
        assert set(mine) == set(theirs)
        for name in mine:
            np.testing.assert_array_equal(mine[name], theirs[name], err_msg=name)


def test_hydro_without_descriptors(sample_copy, hydro):
    folder = sample_copy("ramses-hydro")
    (folder / "hydro_file_descriptor.txt").unlink()
    (folder / "part_file_descriptor.txt").unlink()
    _equal(_read(folder), hydro)


def test_hydro_with_old_descriptor(sample_copy, hydro):
    folder = sample_copy("ramses-hydro")
    names = ["density", "velocity_x", "velocity_y", "velocity_z", "thermal_pressure", "passive_scalar_1"]
    lines = ["nvar        =          6"] + [f"variable #{i + 1:3d}: {name}" for i, name in enumerate(names)]
    (folder / "hydro_file_descriptor.txt").write_text("\n".join(lines) + "\n")
    _equal(_read(folder), hydro)


@pytest.mark.parametrize("style", ["none", "empty", "photon_flux"])
def test_radiation_descriptor_styles(sample_copy, radiation, style):
    path = sample_copy("ramses-zoom") / "rt_file_descriptor.txt"
    text = path.read_text()
    if style == "none":
        path.unlink()
    else:
        path.write_text(text.replace("photon_density_", "photon_flux_") if style == "photon_flux" else "")
    _equal(_read(path.parent), radiation)


@pytest.mark.parametrize("names", [("scalar_01", "scalar_02", "scalar_03"), None])
def test_ions_are_found_by_info_rt(sample_copy, radiation, names):
    path = sample_copy("ramses-zoom") / "hydro_file_descriptor.txt"
    if names is None:
        path.unlink()
    else:
        text = path.read_text()
        for ion, name in zip((" HII,", " HeII,", " HeIII,"), names, strict=True):
            text = text.replace(ion, f" {name},")
        path.write_text(text)
    _equal(_read(path.parent), radiation)


def test_names_of_a_descriptor_that_contradict_info_rt_are_refused(sample_copy):
    path = sample_copy("ramses-zoom") / "hydro_file_descriptor.txt"
    path.write_text(path.read_text().replace(" HII,", " metallicity,"))
    with pytest.raises(SnapshotError, match="info_rt"):
        open_snapshot(path.parent)


def test_given_names_replace_the_descriptor(sample_copy, hydro):
    folder = sample_copy("ramses-hydro")
    path = folder / "hydro_file_descriptor.txt"
    path.write_text(path.read_text().replace("metallicity", "tracer").replace("pressure", "p"))
    with pytest.raises(SnapshotError, match="pressure"):
        open_snapshot(folder)
    names = ["density", "velocity_x", "velocity_y", "velocity_z", "pressure", "metallicity"]
    _equal(_read(folder, hydro_variables=names), hydro)


def test_an_output_without_particles_still_has_gas(sample_copy, hydro):
    folder = sample_copy("ramses-hydro")
    for path in folder.glob("part_*"):
        path.unlink()
    gas, stars = _read(folder)
    assert gas["mass"].sum() == hydro[0]["mass"].sum()
    assert stars.size == 0
    assert any("no particle files" in note for note in open_snapshot(folder).info.notes)
