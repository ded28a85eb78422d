"""Which cells see ionising radiation, and which are too hot to hold C+."""

from __future__ import annotations

import numpy as np

from simpost.core.errors import InputError
from simpost.ism.arrays import Booleans, Integers, Values, fraction, positive, shaped
from simpost.ism.octree import LeafIndex

YOUNG_STAR_AGE = 10.0  # Myr; the limit is lost in Vallini+2025, our choice
IONISED_FRACTION = 0.5  # x_HII of a resolved HII region (our choice)
PHOTOIONISED_TEMPERATURE = 3e4  # K; hotter gas is ionised by collisions (our choice)
HOT_TEMPERATURE = 5e4  # K; carbon is beyond C+ (our choice)


def host_leaf(index: LeafIndex, star_position: Values) -> Integers:
    """Leaf (s,) that contains each star (s, 3) [finest cells, origin of the corners]; -1 if none does."""
    return index.locate(star_position)


def host_generator(generator: Values, star_position: Values) -> Integers:
    """Voronoi cell (s,) of each star: the nearest generator; generators (n, 3) and stars (s, 3) in kpc."""
    from scipy.spatial import cKDTree

    generator = shaped("generator", generator, None, 3)
    if not len(generator):
        raise InputError("generator", "no cell", "at least one cell")
    stars = shaped("star position", star_position, None, 3)
    return np.asarray(cKDTree(generator).query(stars)[1], dtype=np.int64)


def has_young_star(
    host: Integers, star_age: Values, n_cells: int, maximum_age: float = YOUNG_STAR_AGE
) -> Booleans:
    """Cells (n,) that hold a star younger than `maximum_age` [Myr], from host cells and ages (s,)."""
    age = shaped("star age", star_age, len(host))
    flag = np.zeros(n_cells, dtype=bool)
    flag[host[(age < maximum_age) & (host >= 0)]] = True
    return flag


def is_resolved_hii(x_HII: Values, ionising_flux: Values) -> Booleans:
    """HII region resolved on the fly: x_HII >= 0.5 and ionising photons [1/s/cm^2] present; all (n,)."""
    flux = positive("ionising flux", ionising_flux, zero_allowed=True)
    return np.asarray((fraction("x_HII", x_HII) >= IONISED_FRACTION) & (flux > 0.0))


def is_resolved_hii_without_rt(x_HII: Values, temperature: Values, g0: Values, background: float) -> Booleans:
    """The same without photon fluxes: ionised, below 3e4 K, and lit by stars (G0 above `background`)."""
    cool = positive("temperature", temperature) < PHOTOIONISED_TEMPERATURE
    lit = positive("G0", g0, zero_allowed=True) > background
    return np.asarray((fraction("x_HII", x_HII) >= IONISED_FRACTION) & cool & lit)


def is_hot(temperature: Values, limit: float = HOT_TEMPERATURE) -> Booleans:
    """Cells that emit no [CII]: T above `limit` [K] ionises C+ by collisions."""
    return np.asarray(positive("temperature", temperature) > limit)


def uses_ionising_variant(resolved_hii: Booleans, young_star: Booleans) -> Booleans:
    """Cells that take the grid with ionising photons: a resolved HII region or a young star."""
    return resolved_hii | young_star
