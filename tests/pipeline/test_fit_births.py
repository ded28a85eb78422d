"""Births of a galaxy's stars, beside the columns of the file they are read from."""

from types import SimpleNamespace

import h5py
import numpy as np
import pytest

from simpost.pipeline.shen2025.births import born_stars
from simpost.snapshots.open import open_snapshot
from simpost.snapshots.regions import whole_box
from simpost.snapshots.synthetic import make_sample


class History(SimpleNamespace):
    """What of a track is asked for."""

    def __len__(self):
        return len(self.time)


@pytest.fixture(scope="module")
def galaxy(tmp_path_factory):
    path = make_sample("arepo", tmp_path_factory.mktemp("births"))
    snapshot = open_snapshot(path)
    catalogue = snapshot.haloes()
    stars = snapshot.stars(whole_box(snapshot.info.box_size))
    simulation = SimpleNamespace(
        catalogues={3: catalogue}, snapshot=lambda number: snapshot, stars=lambda number: stars
    )
    track = History(
        time=np.array([snapshot.info.time - 100.0, snapshot.info.time]),
        snapshot=np.array([2, 3]),
        row=np.array([0, 0]),
        position=np.stack([catalogue.position[0]] * 2),
    )
    return path, snapshot, simulation, track


def test_births_are_those_of_the_file(galaxy):
    path, snapshot, simulation, track = galaxy
    found = born_stars(simulation, track, snapshot.info.time)
    radius = 2.0 * simulation.catalogues[3].stellar_half_mass_radius[0]
    parts = []
    for member in sorted(path.parent.glob("*.hdf5")):
        with h5py.File(member) as file:
            h, a, stars = file["Header"].attrs["HubbleParam"], file["Header"].attrs["Time"], file["PartType4"]
            names = ("Coordinates", "GFM_StellarFormationTime", "GFM_InitialMass")
            parts.append([stars[name][:] for name in names])
    place, birth, mass = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    gap = place * a / h - track.position[1]
    gap -= snapshot.info.box_size * np.round(gap / snapshot.info.box_size)
    inside = (np.linalg.norm(gap, axis=1) <= radius) & (birth > 0)
    mass = mass[inside] * 1e10 / h
    time = snapshot.info.cosmology.age(birth[inside])
    assert found.birth_mass.size == inside.sum() > 10
    assert found.birth_mass.sum() == pytest.approx(mass.sum(), rel=1e-3)  # the file's solar mass is another
    start, end = snapshot.info.time - 50.0, snapshot.info.time
    expected = mass[(time > start) & (time <= end)].sum()
    assert found.born(np.array([start]), np.array([end]))[0] == pytest.approx(expected, rel=1e-3)


def test_what_cannot_be_known_is_none(galaxy):
    _, snapshot, simulation, track = galaxy
    assert born_stars(simulation, track, snapshot.info.time - 150.0) is None  # no catalogue at snapshot 2
    lost = History(**{**vars(track), "row": np.array([0, -1])})
    assert born_stars(simulation, lost, snapshot.info.time) is None
    ageless = simulation.stars(3).select(slice(None))
    del ageless._values["age"]
    without = SimpleNamespace(**{**vars(simulation), "stars": lambda number: ageless})
    assert born_stars(without, track, snapshot.info.time) is None
