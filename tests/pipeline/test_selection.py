"""Which galaxies a configuration asks for, and which are left out for low-resolution dark matter."""

import numpy as np
import pytest

from simpost.config.models import GalaxiesConfig
from simpost.core.errors import InputError
from simpost.pipeline.selection import select_galaxies
from simpost.snapshots.open import open_snapshot
from simpost.snapshots.regions import whole_box


@pytest.fixture(scope="module")
def zoom():
    return open_snapshot("sample:arepo-zoom")


def coarse_within(snapshot, galaxy):
    """Twin: dark-matter particles above the finest mass within R_200c, one by one."""
    box = whole_box(snapshot.info.box_size)
    matter = snapshot.dark_matter(box)
    offset = matter["position"] + np.asarray(box.centre) - np.asarray(galaxy.centre)
    inside = np.linalg.norm(offset, axis=1) < galaxy.r_200c
    return int(np.count_nonzero(matter["mass"][inside] > 1.01 * matter["mass"].min()))


def test_only_haloes_of_fine_dark_matter_are_kept(zoom):
    every, nothing = select_galaxies(zoom, GalaxiesConfig(count=5, min_mass="1e8 Msun"))
    kept, left_out = select_galaxies(zoom, GalaxiesConfig(count=5, min_mass="1e8 Msun", uncontaminated=True))
    assert nothing == ()
    coarse = {galaxy.identity: coarse_within(zoom, galaxy) for galaxy in every}
    assert [galaxy.identity for galaxy in kept] == [name for name, number in coarse.items() if not number]
    assert [note.split()[0] for note in left_out] == [name for name, number in coarse.items() if number]
    assert len(kept) == len(left_out) == 1
    (bad,) = [galaxy.identity for galaxy in every if coarse[galaxy.identity]]
    expected = (
        f"{bad} left out: {coarse[bad]} low-resolution dark-matter particles within R_200c (0.29 of the"
    )
    assert left_out[0].startswith(expected)


def test_the_next_halo_takes_the_place_of_one_left_out(zoom):
    """With `count: 1` the search goes on behind contaminated haloes, and stops at the first that is clean."""
    kept, left_out = select_galaxies(zoom, GalaxiesConfig(count=1, uncontaminated=True))
    assert len(kept) == 1 and left_out == ()
    everything = select_galaxies(zoom, GalaxiesConfig(count=100, uncontaminated=True, min_mass="3e7 Msun"))
    assert len(everything[0]) + len(everything[1]) > 2


def test_no_clean_galaxy_is_one_line(zoom):
    galaxy = select_galaxies(zoom, GalaxiesConfig(count=5, min_mass="1e8 Msun"))[0][1]
    centre = tuple(f"{x!r} kpc" for x in galaxy.centre)
    options = GalaxiesConfig(finder="centres", centres=[centre], uncontaminated=True)
    with pytest.raises(InputError, match=r"centre-0 left out: .* low-resolution dark-matter") as caught:
        select_galaxies(zoom, options)
    assert "\n" not in str(caught.value)
    void = GalaxiesConfig(finder="centres", centres=[("1 kpc", "1 kpc", "1 kpc")], uncontaminated=True)
    with pytest.raises(InputError, match="centre-0 left out: no R_200c to look within"):
        select_galaxies(zoom, void)
