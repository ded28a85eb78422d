"""The built-in finder on haloes of known mass, without any file."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from simpost.core.cosmology import Cosmology
from simpost.core.errors import InputError
from simpost.snapshots.columns import Columns
from simpost.snapshots.galaxies import find_galaxies, galaxies_from_catalogue, galaxy_at
from simpost.snapshots.protocol import VORONOI, HaloCatalogue, SnapshotInfo
from simpost.snapshots.regions import offset_from

COSMOLOGY = Cosmology(67.74, 0.3089, 0.6911)
SCALE = 1.0 / 7.0
BOX = 200.0


class ToySnapshot:
    """Singular isothermal haloes of gas, stars and dark matter in a periodic box."""

    def __init__(self, haloes, n=6000, seed=3):
        draw = np.random.default_rng(seed)
        self.info = SnapshotInfo(
            path=Path("toy"), code="toy", geometry=VORONOI, redshift=1 / SCALE - 1, scale_factor=SCALE,
            time=934.0, box_size=BOX, cosmology=COSMOLOGY, counts={}, fields_read={"gas": {}},
            photon_groups=None, files=(),
        )  # fmt: skip
        places, velocities, masses = [], [], []
        for centre, r_200c, velocity in haloes:
            # M(<r) proportional to r out to 3 R_200c, with R_200c where the mean density is 200 rho_c
            m_200c = 800.0 / 3.0 * np.pi * COSMOLOGY.critical_density(SCALE) * r_200c**3
            radius = 3.0 * r_200c * (np.arange(n) + 0.5) / n
            direction = draw.normal(size=(n, 3))
            direction /= np.linalg.norm(direction, axis=1)[:, None]
            places.append((centre + radius[:, None] * direction) % BOX)
            velocities.append(np.tile(velocity, (n, 1)))
            masses.append(np.full(n, 3.0 * m_200c / n))
        self.position, self.velocity, self.mass = map(np.concatenate, (places, velocities, masses))
        kind = draw.random(len(self.mass))
        self.rows = {"gas": kind < 0.3, "stars": (kind >= 0.3) & (kind < 0.5), "dark": kind >= 0.5}

    def _columns(self, kind, region):
        rows = np.flatnonzero(self.rows[kind])
        offset = offset_from(self.position[rows], region.centre, BOX)
        inside = region.overlaps(offset)
        rows, offset = rows[inside], offset[inside]
        values = {"position": offset, "mass": self.mass[rows], "velocity": self.velocity[rows]}
        if kind == "gas":
            near = np.full(len(rows), np.inf)
            for centre in self.centres:
                gap = offset_from(self.position[rows], centre, BOX)
                near = np.minimum(near, np.linalg.norm(gap, axis=1))
            values["density"] = 1e9 / (near + 0.1) ** 2
        return Columns(values, dict.fromkeys(values, "read: toy"))

    def gas_chunks(self, region, columns=None):
        yield self._columns("gas", region)

    def stars(self, region):
        return self._columns("stars", region)

    def dark_matter(self, region):
        return self._columns("dark", region)


HALOES = [
    (np.array([50.0, 60.0, 70.0]), 8.0, np.array([10.0, -20.0, 30.0])),
    (np.array([199.5, 0.3, 100.0]), 5.0, np.array([0.0, 50.0, 0.0])),  # across the corner of the box
    (np.array([150.0, 150.0, 20.0]), 3.0, np.array([-5.0, 0.0, 0.0])),
]


@pytest.fixture(scope="module")
def toy():
    snapshot = ToySnapshot(HALOES)
    snapshot.centres = [centre for centre, _, _ in HALOES]
    return snapshot


def test_finder_returns_haloes_by_stellar_mass(toy):
    found = find_galaxies(toy, 3)
    for galaxy, (centre, r_200c, velocity) in zip(found, HALOES, strict=True):
        gap = offset_from(np.array([galaxy.centre]), centre, BOX)[0]
        assert np.linalg.norm(gap) < 0.1 * r_200c
        assert galaxy.r_200c == pytest.approx(r_200c, rel=0.02)
        expected = 800.0 / 3.0 * np.pi * COSMOLOGY.critical_density(SCALE) * r_200c**3
        assert galaxy.m_200c == pytest.approx(expected, rel=0.05)
        np.testing.assert_allclose(galaxy.velocity, velocity, atol=1e-9)
        assert all(0 <= x < BOX for x in galaxy.centre)
    assert [galaxy.identity for galaxy in found] == ["peak-0", "peak-1", "peak-2"]


def test_no_peak_is_one_line(toy, monkeypatch):
    monkeypatch.setattr(
        toy, "_columns", lambda kind, region: ToySnapshot._columns(toy, kind, region).select([])
    )
    with pytest.raises(InputError, match="no gas peak"):
        find_galaxies(toy, 1)


def test_catalogue_rows_are_ordered_cut_and_completed(toy):
    centres = np.array([centre for centre, _, _ in HALOES])
    catalogue = HaloCatalogue(
        source=Path("tab"),
        position=centres,
        velocity=np.zeros((3, 3)),
        mass=np.ones(3),
        m_200c=np.array([1e9, 0.0, 5e8]),
        r_200c=np.array([8.0, 0.0, 3.0]),
        is_central=np.array([True, True, False]),
        group=np.arange(3),
    )
    found = galaxies_from_catalogue(toy, catalogue)
    assert [galaxy.identity for galaxy in found] == ["halo-0", "halo-1"]
    assert found[1].r_200c == pytest.approx(5.0, rel=0.02)  # not in the catalogue: measured
    assert len(galaxies_from_catalogue(toy, catalogue, count=1)) == 1
    with pytest.raises(InputError, match="no central halo above 1e"):
        galaxies_from_catalogue(toy, catalogue, min_mass=1e20)
    assert len(galaxies_from_catalogue(toy, replace(catalogue, is_central=np.array([True] * 3)))) == 3


def test_a_place_in_the_void_has_no_virial_radius(toy):
    galaxy = galaxy_at(toy, np.array([100.0, 100.0, 180.0]), "void")
    assert np.isnan(galaxy.r_200c)
