"""Far-ultraviolet field and ionising photons at cells, from photon groups or from the stars.

Photon fluxes are physical: reduced speed of light times stored photon density, photons/s/cm^2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simpost.core import constants as c
from simpost.core.errors import InputError
from simpost.ism.arrays import Booleans, Floats, Integers, Values, finite, positive, shaped

G0_FLOOR = 0.1  # Habing; the grid's edge, where a preset gives no background (our choice)
LYMAN_LIMIT_EV = 13.59  # group edges are written as 13.6 or 13.598
FUV_LUMINOSITY = 1.69988e36  # erg/s/Msun in 6-13.6 eV below 4 Myr: 1 Msun/yr is Kennicutt 1998's (our choice)
FUV_PLATEAU = 4.0  # Myr
FUV_SLOPE = -1.3
FUV_LIFETIME = 100.0  # Myr
SOFTENING_MINIMUM = 0.01  # kpc
OPENING_ANGLE = 0.5  # width of a node over its distance (our choice)
PHOTONS_PER_ERG = 1e10  # ionising photons per erg of 6-13.6 eV, continuous star formation (our choice)
_EXTINCTION = 1.8 * 5.35e-22  # FUV over visual depth, times tau_V per H column at solar metallicity
_BUCKET = 8
_KEY_CELLS = 1 << 21


@dataclass(frozen=True)
class HabingField:
    """G0 [Habing] of cells and where the floor (or the background) makes most of it."""

    value: Floats
    at_floor: Booleans

    @property
    def floor_share(self) -> float:
        """Share of the cells that rest on the floor; NaN without cells."""
        return float(self.at_floor.mean()) if self.at_floor.size else float("nan")


def habing_share(lower_ev: Values, upper_ev: Values) -> Floats:
    """Share (g,) of each group's energy in 6-13.6 eV, flat in energy inside the group.

    An upper edge of 0 or infinity means no limit.

    Raises
    ------
    InputError
        A group without upper edge starts below 13.6 eV: its share is not known.
    """
    lower, upper = _edges(lower_ev, upper_ev)
    low, high = c.HABING_BAND_EV
    if np.any(np.isinf(upper) & (lower < LYMAN_LIMIT_EV)):
        raise InputError(
            "photon group", "no upper edge above a lower one inside or below 6-13.6 eV", "both edges"
        )
    overlap = np.clip(np.minimum(upper, high) - np.maximum(lower, low), 0.0, None)
    return np.asarray(overlap / (upper - lower))


def ionising_groups(lower_ev: Values) -> Booleans:
    """Groups (g,) whose lower edge is at or above the Lyman limit."""
    return positive("lower edges", lower_ev, zero_allowed=True) >= LYMAN_LIMIT_EV


def _edges(lower_ev: Values, upper_ev: Values) -> tuple[Floats, Floats]:
    lower = shaped("lower edges", positive("lower edges", lower_ev, zero_allowed=True), None)
    upper = shaped("upper edges", upper_ev, lower.size)
    upper = np.where(upper == 0.0, np.inf, upper)
    if not np.all(upper > lower):
        raise InputError("photon group", f"edges {lower} to {upper} eV", "upper edges above the lower ones")
    return lower, upper


def habing_field(
    photon_flux: Values,
    mean_energy_ev: Values,
    lower_ev: Values,
    upper_ev: Values,
    floor: float = G0_FLOOR,
) -> HabingField:
    """G0 = sum_g f_g F_g e_g / 1.6e-3 from photon groups, not below `floor`.

    Parameters
    ----------
    photon_flux : array (n, g)
        F_g = c_r N_g [photons/s/cm^2].
    mean_energy_ev, lower_ev, upper_ev : array (g,)
        Mean photon energy and edges of the groups [eV].
    floor : float
        Habing; default 0.1.

    Raises
    ------
    InputError
        Also if no group reaches into 6-13.6 eV: then the field must come from the stars.
    """
    energy = shaped("mean energies", positive("mean energies", mean_energy_ev), None)
    share = habing_share(shaped("lower edges", lower_ev, energy.size), upper_ev)
    if not np.any(share > 0.0):
        raise InputError("photon groups", "no group in 6-13.6 eV", "at least one", "use stellar_habing_field")
    flux = shaped("photon flux", positive("photon flux", photon_flux, zero_allowed=True), None, energy.size)
    value = flux @ (share * energy * c.EV / c.HABING_FLUX)
    at_floor = value < floor
    return HabingField(np.where(at_floor, floor, value), at_floor)


def ionisation_parameter(photon_flux: Values, ionising: Booleans, n_H: Values) -> Floats:
    """U = sum over ionising groups of F_g/(c n_H), with F_g (n, g) [1/s/cm^2], `ionising` (g,) bool."""
    flux = shaped("photon flux", positive("photon flux", photon_flux, zero_allowed=True), None, ionising.size)
    density = shaped("n_H", positive("n_H", n_H), len(flux))
    return np.asarray(flux[:, ionising].sum(axis=1) / (c.C_LIGHT * density))


def ionisation_parameter_from_habing(
    g0: Values, n_H: Values, photons_per_erg: float = PHOTONS_PER_ERG
) -> Floats:
    """U = 1.6e-3 G0 q_ion/(c n_H) for cells that see young stars in runs without ionising groups."""
    g0 = positive("G0", g0, zero_allowed=True)
    return c.HABING_FLUX * g0 * photons_per_erg / (c.C_LIGHT * positive("n_H", n_H))


def fuv_luminosity(age: Values) -> Floats:
    """l_FUV [erg/s/Msun] in 6-13.6 eV at an age [Myr].

    1.69988e36 min[1, (t/4 Myr)^-1.3], none from 100 Myr on; constant star formation of 1 Msun/yr
    then gives the 2.0835e43 erg/s of Kennicutt 1998 for a Chabrier mass function.
    """
    age = positive("star age", age, zero_allowed=True)
    fading = (np.maximum(age, FUV_PLATEAU) / FUV_PLATEAU) ** FUV_SLOPE
    return np.where(age < FUV_LIFETIME, FUV_LUMINOSITY * fading, 0.0)


def dust_optical_depth(column: Values, z_solar: Values) -> Floats:
    """FUV depth 1.8 x 5.35e-22 Z_solar N_H of a local column [cm^-2] (the Jeans column)."""
    column = positive("column", column, zero_allowed=True)
    return _EXTINCTION * column * positive("z_solar", z_solar, zero_allowed=True)


def stellar_habing_field(
    cell_position: Values,
    cell_size: Values,
    star_position: Values,
    star_initial_mass: Values,
    star_age: Values,
    star_host: Integers | None = None,
    *,
    background: float = G0_FLOOR,
    optical_depth: Values | None = None,
    cutoff: float = np.inf,
    opening_angle: float = OPENING_ANGLE,
) -> HabingField:
    """G0 of cells from the stars around them, for runs without a far-ultraviolet group.

    G_bg + (1/1.6e-3) sum m l_FUV(t) e^-tau/(4 pi (r^2 + eps^2)), summed by an octree over the stars
    to second order; eps is the size of the star's cell, at least 10 pc.

    Parameters
    ----------
    cell_position, cell_size : array (n, 3), (n,)
        [kpc].
    star_position, star_initial_mass, star_age : array (s, 3), (s,), (s,)
        [kpc], [Msun], [Myr].
    star_host : array (s,) of int, optional
        Cell of each star as `flags.host_leaf` gives it (-1: none, eps = 10 pc); by default the
        cell with the nearest centre, which is right for Voronoi cells.
    background : float
        G_bg [Habing].
    optical_depth : array (n,), optional
        Local shielding of each cell (`dust_optical_depth`); none by default.
    cutoff : float
        Stars farther from a cell than this [kpc] do not count.
    opening_angle : float
        0 sums star by star.

    Returns
    -------
    HabingField
        `at_floor` where the stars give less than the background.
    """
    cells = finite("cell position", shaped("cell position", cell_position, None, 3))
    size = positive("cell size", shaped("cell size", cell_size, len(cells)))
    stars = finite("star position", shaped("star position", star_position, None, 3))
    mass = positive("star mass", shaped("star mass", star_initial_mass, len(stars)), zero_allowed=True)
    luminosity = mass * fuv_luminosity(shaped("star age", star_age, len(stars)))
    stellar = np.zeros(len(cells))
    shining = np.flatnonzero(luminosity > 0.0)
    if shining.size and len(cells):
        host = None if star_host is None else np.asarray(star_host)[shining]
        softening = _softening(cells, size, stars[shining], host)
        stellar = _tree_sum(cells, stars[shining], luminosity[shining], softening, opening_angle, cutoff)
        stellar /= 4.0 * np.pi * c.KPC**2 * c.HABING_FLUX
    if optical_depth is not None:
        depth = positive("optical depth", optical_depth, zero_allowed=True)
        stellar *= np.exp(-shaped("optical depth", depth, len(cells)))
    return HabingField(background + stellar, stellar < background)


def _softening(cells: Floats, size: Floats, stars: Floats, host: Integers | None) -> Floats:
    """Size of the cell around each star [kpc], at least 10 pc."""
    if host is None:
        from simpost.ism.flags import host_generator

        host = host_generator(cells, stars)
    return np.maximum(np.where(host >= 0, size[host], 0.0), SOFTENING_MINIMUM)


def _tree_sum(
    cells: Floats, stars: Floats, luminosity: Floats, softening: Floats, angle: float, cutoff: float
) -> Floats:
    """Sum of L/(r^2 + eps^2) over stars (s, 3) at cells (n, 3), per kpc^2."""
    from simpost.ism.gradient_kernels import morton_keys
    from simpost.ism.radiation_kernels import build_tree, node_moments, starlight

    low = stars.min(axis=0)
    width = max(float((stars.max(axis=0) - low).max()), np.finfo(float).tiny)
    grid = np.minimum((stars - low) / width * _KEY_CELLS, _KEY_CELLS - 1).astype(np.int64)
    keys = np.empty(len(stars), dtype=np.int64)
    morton_keys(grid, keys)
    order = np.argsort(keys)
    position, luminosity, softening = stars[order], luminosity[order], softening[order]
    start, stop, after = (np.empty(2 * len(stars), dtype=np.int64) for _ in range(3))
    nodes = build_tree(keys[order], _BUCKET, start, stop, after)
    start, stop, after = start[:nodes], stop[:nodes], after[:nodes]
    centre, scalars, quadrupole = np.empty((nodes, 3)), np.empty((nodes, 5)), np.empty((nodes, 6))
    node_moments(start, stop, position, luminosity, softening, centre, scalars, quadrupole)
    field = np.empty(len(cells))
    starlight(
        cells,
        start,
        stop,
        after,
        position,
        luminosity,
        softening,
        centre,
        scalars,
        quadrupole,
        angle,
        cutoff,
        field,
    )
    return field
