"""Low-resolution matter in haloes of a zoom: counts, shares and distances against a hand-made snapshot."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from simpost.core.cosmology import Cosmology
from simpost.core.errors import InputError
from simpost.snapshots.columns import Columns
from simpost.snapshots.contamination import coarse_matter, contamination
from simpost.snapshots.open import open_snapshot
from simpost.snapshots.protocol import VORONOI, SnapshotInfo
from simpost.snapshots.regions import offset_from

BOX = 100.0


class ZoomSnapshot:
    """Dark matter of three masses, given as they are; cells with a share of high-resolution gas."""

    def __init__(self, position, mass, cells=(), share=None):
        fields = {"gas": {} if share is None else {"high_resolution_fraction": "HighResGasMass / Masses"}}
        self.info = SnapshotInfo(
            path=Path("zoom"), code="toy", geometry=VORONOI, redshift=6.0, scale_factor=1 / 7, time=934.0,
            box_size=BOX, cosmology=Cosmology(67.74, 0.3089, 0.6911), counts={}, fields_read=fields,
            photon_groups=None, files=(),
        )  # fmt: skip
        self.position, self.mass = (
            np.asarray(position, dtype=float).reshape(-1, 3),
            np.asarray(mass, dtype=float),
        )
        self.cells, self.share = np.asarray(cells, dtype=float).reshape(-1, 3), share

    def _columns(self, position, region, **values):
        offset = offset_from(position, region.centre, BOX)
        inside = region.overlaps(offset)
        columns = {"position": offset[inside]} | {name: v[inside] for name, v in values.items()}
        return Columns(columns, dict.fromkeys(columns, "read: toy"))

    def dark_matter(self, region):
        return self._columns(self.position, region, mass=self.mass)

    def gas_chunks(self, region, columns=None):
        ones = np.ones(len(self.cells))
        for half in (slice(None, None, 2), slice(1, None, 2)):  # two chunks
            yield self._columns(
                self.cells[half],
                region,
                mass=ones[half],
                high_resolution_fraction=np.asarray(self.share)[half],
            )


FINE = [[50.0, 50.0, 50.0 + x] for x in (-2.0, -1.0, 0.0, 1.0, 2.0)]


def test_counts_shares_and_the_nearest():
    zoom = ZoomSnapshot([*FINE, [50, 53, 50], [50, 50, 70]], [1.0] * 5 + [8.0, 64.0])
    found = contamination(zoom, (50, 50, 50), 4.0)
    assert (found.n_low_resolution, found.is_clean) == (1, False)
    assert found.mass_share == pytest.approx(8.0 / 13.0, rel=1e-14)
    assert found.nearest == pytest.approx(3.0, rel=1e-14)
    clean = contamination(zoom, (50, 50, 50), 2.5)
    assert (clean.n_low_resolution, clean.mass_share, clean.is_clean) == (0, 0.0, True)
    assert clean.nearest == pytest.approx(3.0, rel=1e-14)
    assert contamination(zoom, (50, 50, 50), 25.0).n_low_resolution == 2


def test_a_sphere_without_fine_particles_is_wholly_coarse():
    zoom = ZoomSnapshot([*FINE, [10, 10, 10]], [1.0] * 5 + [8.0])
    found = contamination(zoom, (10, 10, 10), 1.0)
    assert (found.n_low_resolution, found.mass_share) == (1, 1.0)
    empty = contamination(zoom, (80, 80, 80), 1.0)
    assert (empty.n_low_resolution, empty.mass_share) == (0, 0.0)


def test_the_finest_mass_is_that_of_the_run_not_of_the_sphere():
    """A halo of coarse particles only, all alike: contaminated though nothing in it is coarser."""
    zoom = ZoomSnapshot([*FINE, [10, 10, 10], [10, 10, 11]], [1.0] * 5 + [8.0, 8.0])
    assert contamination(zoom, (10, 10, 10), 2.0).n_low_resolution == 2


def test_masses_equal_to_round_off_are_one_resolution():
    draw = np.random.default_rng(1)
    uniform = ZoomSnapshot(draw.uniform(0, BOX, (200, 3)), 1.0 + 1e-6 * draw.normal(size=200))
    found = contamination(uniform, (50, 50, 50), 40.0)
    assert found.is_clean
    assert found.nearest == np.inf


@pytest.mark.parametrize("shift", [0.0, 17.0, 49.5, 88.0])
def test_across_the_border_of_the_box(shift):
    position = np.array([*FINE, [50, 53, 50]]) + shift
    zoom = ZoomSnapshot(position % BOX, [1.0] * 5 + [8.0])
    found = contamination(zoom, tuple((50.0 + shift) % BOX for _ in range(3)), 4.0)
    assert found.n_low_resolution == 1
    assert found.nearest == pytest.approx(3.0, rel=1e-12)


def test_random_haloes_equal_a_plain_count():
    draw = np.random.default_rng(4)
    position, mass = draw.uniform(0, BOX, (600, 3)), draw.choice([1.0, 8.0, 64.0], 600)
    zoom = ZoomSnapshot(position, mass, [[50, 50, 50]], share=[1.0])
    coarse = coarse_matter(zoom)
    for centre in draw.uniform(0, BOX, (8, 3)):
        gap = np.abs(position - centre)
        inside = np.sqrt((np.minimum(gap, BOX - gap) ** 2).sum(axis=1)) <= 30.0
        found = contamination(zoom, centre, 30.0, coarse)
        assert found.n_low_resolution == np.count_nonzero(inside & (mass > 1))
        expected = mass[inside & (mass > 1)].sum() / mass[inside].sum()
        assert found.mass_share == pytest.approx(expected, rel=1e-12)
        assert found == contamination(zoom, centre, 30.0)


def test_coarse_gas_is_reported():
    cells = [[50, 50, 50], [50, 51, 50], [50, 52, 50], [50, 90, 50]]
    zoom = ZoomSnapshot(FINE, [1.0] * 5, cells, share=[1.0, 0.4, 0.5, 0.0])
    found = contamination(zoom, (50, 50, 50), 4.0)
    assert found.n_coarse_gas == 1  # a cell of exactly half still forms stars
    assert found.coarse_gas_share == pytest.approx(1.0 / 3.0, rel=1e-14)
    assert found.is_clean  # gas is reported, dark matter judged
    assert contamination(zoom, (10, 10, 10), 1.0).n_coarse_gas == 0


def test_gas_without_a_tracer_is_unknown_not_clean():
    assert contamination(ZoomSnapshot(FINE, [1.0] * 5), (50, 50, 50), 4.0).n_coarse_gas is None
    reset = ZoomSnapshot(FINE, [1.0] * 5, [[50, 50, 50], [50, 51, 50]], share=[0.0, 0.0])
    found = contamination(reset, (50, 50, 50), 4.0)  # as Arepo's post-processing restart leaves it
    assert found.n_coarse_gas is None
    assert np.isnan(found.coarse_gas_share)


def test_bad_input_is_one_line():
    zoom = ZoomSnapshot(FINE, [1.0] * 5)
    with pytest.raises(InputError, match="no dark-matter particles"):
        contamination(ZoomSnapshot(np.empty((0, 3)), []), (1, 1, 1), 1.0)
    with pytest.raises(InputError, match="three finite coordinates"):
        contamination(zoom, (1, np.nan, 1), 1.0)
    for radius in (0.0, -1.0, np.nan):
        with pytest.raises(InputError, match="sphere radius"):
            contamination(zoom, (1, 1, 1), radius)


def test_real_zoom(shared_data):
    """No particle of types 2 and 3 in R_200c; the nearest at 2.38 R_200c (measured with h5py alone)."""
    snapshot = open_snapshot(str(shared_data / "arepo/zoom/snapdir_007/snap_007.0.hdf5"))
    haloes = snapshot.haloes()
    main = int(np.argmax(haloes.m_200c))
    centre, r_200c = haloes.position[main], haloes.r_200c[main]
    coarse = coarse_matter(snapshot)
    assert len(coarse.mass) == 2780 + 3650
    found = contamination(snapshot, centre, r_200c, coarse)
    assert (found.is_clean, found.n_low_resolution, found.n_coarse_gas) == (True, 0, 0)
    assert found.nearest / r_200c == pytest.approx(2.38, abs=0.005)
    fine_type_2 = replace(
        coarse, position=coarse.position[coarse.mass > 5e7], mass=coarse.mass[coarse.mass > 5e7]
    )
    type_3 = contamination(snapshot, centre, r_200c, fine_type_2)
    assert type_3.nearest / r_200c == pytest.approx(7.39, abs=0.005)
    assert not contamination(snapshot, centre, 3.0 * r_200c, coarse).is_clean
