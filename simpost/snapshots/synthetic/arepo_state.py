"""Cells and particles of a synthetic Arepo snapshot in code units, ordered by group."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from simpost.core import constants as c
from simpost.snapshots.synthetic.galaxy import AnalyticGalaxy, Array
from simpost.snapshots.synthetic.particles import (
    Particles,
    even_points,
    gas_tracers,
    sample_dark_matter,
    sample_stars,
)
from simpost.snapshots.synthetic.radiation import THESAN_ZOOM_GROUPS
from simpost.snapshots.synthetic.voronoi import periodic_voronoi_volumes

UNIT_LENGTH = 3.085678e21  # cm, as Arepo's parameter files write 1 kpc
UNIT_MASS = 1.989e43  # g, as Arepo's parameter files write 1e10 Msun
UNIT_VELOCITY = 1e5  # cm/s
REDUCED_LIGHT_SPEED = 0.01  # c_r/c of THESAN-ZOOM (Shen+2025)
UNIT_PHOTONS = 1e63  # photons in a stored unit: Arepo-RT's choice, stated in the file's attributes
SOLAR_PATTERN = (0.0, 0.0, 0.177, 0.052, 0.429, 0.094, 0.053, 0.050, 0.097)  # C N O Ne Mg Si Fe in Z
_STAR_FORMING_DENSITY = 10.0  # cm^-3: cells above share the instantaneous SFR by mass
_DUST_TO_METALS = 0.3
_GRID_SHARE, _GRADED_SHARE = 12, 6  # one cell in so many belongs to the box grid, to the graded points
_COARSEST_GRID = 8  # cells per side of the box
_TRACERS_PER_CELL = 100
_MOST_TRACERS = 4_000_000  # bounds the memory

Columns = dict[str, NDArray]


@dataclass(frozen=True)
class ArepoUnits:
    """Factors from physical internal units to comoving /h code units."""

    scale_factor: float
    h: float

    @property
    def length(self) -> float:
        """Code lengths in 1 kpc."""
        return c.KPC / UNIT_LENGTH * self.h / self.scale_factor

    @property
    def mass(self) -> float:
        """Code masses in 1 Msun."""
        return c.M_SUN / UNIT_MASS * self.h

    @property
    def velocity(self) -> float:
        """Code velocities (km/s sqrt(a)) in 1 km/s."""
        return 1.0 / float(np.sqrt(self.scale_factor))

    @property
    def photon_density(self) -> float:
        """Code photon densities in 1 photon per physical cm^3."""
        return (UNIT_LENGTH * self.scale_factor / self.h) ** 3 / UNIT_PHOTONS


@dataclass(frozen=True)
class GasCells:
    """Voronoi cells: generators (n, 3) [kpc, centred], volume [kpc^3], mass [Msun]."""

    position: Array
    volume: Array
    mass: Array

    @property
    def density(self) -> Array:
        """Mean density of the cell [Msun/kpc^3]."""
        density: Array = self.mass / self.volume
        return density


def gas_cells(galaxy: AnalyticGalaxy, count: int) -> GasCells:
    """`count` cells that fill the periodic box, three quarters of them following the gas mass.

    Generators: an even grid over the box, points of constant number per ln r that grade the cells
    between disc and box, and tracers of disc and clumps. Volumes are those of the true tessellation.
    The mass of a cell is what the galaxy holds inside it, counted with about a hundred
    equal-mass tracers per cell plus background x volume: the sum is exact, single cells scatter by
    a few per cent.
    """
    background = max(round((count / _GRID_SHARE) ** (1.0 / 3.0)), _COARSEST_GRID)
    generators = [_box_grid(galaxy, background), _graded_points(galaxy, count // _GRADED_SHARE)]
    generators.append(gas_tracers(galaxy, count - sum(map(len, generators))))
    position = np.concatenate(generators)
    margin = 2.5 * galaxy.box_size / background
    volume = periodic_voronoi_volumes(position + 0.5 * galaxy.box_size, galaxy.box_size, margin)

    tracers = gas_tracers(galaxy, min(_TRACERS_PER_CELL * count, _MOST_TRACERS))
    _, cell = cKDTree(position).query(tracers)
    share = np.bincount(cell, minlength=len(position)) / len(tracers)
    mass = share * galaxy.structured_gas_mass + galaxy.background_density * volume
    return GasCells(position, volume, mass)


def _box_grid(galaxy: AnalyticGalaxy, background: int) -> Array:
    rng = np.random.default_rng([galaxy.seed, 3])
    axis = (np.arange(background) + 0.5) / background - 0.5
    grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    jittered: Array = (grid + 0.6 / background * (rng.random(grid.shape) - 0.5)) * galaxy.box_size
    return jittered


def _graded_points(galaxy: AnalyticGalaxy, count: int) -> Array:
    u = even_points(count, shift=0.25)
    inner, outer = galaxy.scale_length, 0.4 * galaxy.box_size
    radius = inner * (outer / inner) ** u[:, 0]
    cosine, angle = 2.0 * u[:, 1] - 1.0, 2.0 * np.pi * u[:, 2]
    sine = np.sqrt(1.0 - cosine**2)
    direction: Array = np.stack([sine * np.cos(angle), sine * np.sin(angle), cosine], axis=1)
    return radius[:, None] * direction


def gas_columns(galaxy: AnalyticGalaxy, cells: GasCells, units: ArepoUnits, thesan_zoom: bool) -> Columns:
    """PartType0 fields but for the ids; float32 except coordinates, as Arepo writes them."""
    density, mass = cells.density, cells.mass
    x_e = galaxy.electron_abundance(density)
    # u = (3/2) k_B T/(mu m_H) in (km/s)^2, no factors of a
    internal = 1.5 * galaxy.thermal_velocity_squared(density)
    metals = galaxy.metallicity(cells.position)
    high_resolution = np.where(np.linalg.norm(cells.position, axis=1) < galaxy.halo_edge, mass, 0.0)
    forming = mass * (galaxy.hydrogen_density(density) > _STAR_FORMING_DENSITY)
    columns = {
        "Density": density * units.mass / units.length**3,
        "ElectronAbundance": x_e,
        "GFM_Metallicity": metals,
        "GFM_Metals": metal_fractions(galaxy, metals),
        "HighResGasMass": high_resolution * units.mass,
        "InternalEnergy": internal,
        "Masses": mass * units.mass,
        "StarFormationRate": galaxy.instantaneous_sfr * forming / max(forming.sum(), 1e-300),
        "Velocities": galaxy.velocity(cells.position) * units.velocity,
        "Volume": cells.volume * units.length**3,
    }
    ionised = galaxy.ionised_fraction(density)
    if thesan_zoom:
        columns |= {
            "GFM_DustMetallicity": _DUST_TO_METALS * metals,
            "HI_Fraction": galaxy.atomic_fraction(density),
            "H2_Fraction": galaxy.molecular_fraction(density),
            "HeI_Fraction": 1.0 - ionised,
            "HeII_Fraction": ionised,
            "HeIII_Fraction": np.zeros(len(mass)),
            "PhotonDensity": photon_density(galaxy, cells.position, units),
        }
    else:
        columns["NeutralHydrogenAbundance"] = 1.0 - ionised
    return single_precision(columns) | {"Coordinates": coordinates(galaxy, cells.position, units)}


def photon_density(galaxy: AnalyticGalaxy, position: Array, units: ArepoUnits) -> Array:
    """N = F/c_r of every group in code units, shape (n, groups)."""
    flux = THESAN_ZOOM_GROUPS.photon_flux(galaxy, position)
    return flux / (REDUCED_LIGHT_SPEED * c.C_LIGHT) * units.photon_density


def metal_fractions(galaxy: AnalyticGalaxy, metallicity: Array) -> Array:
    """GFM_Metals (n, 10): H He C N O Ne Mg Si Fe and the untracked metals, mass fractions."""
    hydrogen = galaxy.hydrogen_fraction
    fractions: Array = metallicity[:, None] * np.array([*SOLAR_PATTERN, 0.0])
    fractions[:, 0] = hydrogen
    fractions[:, 1] = 1.0 - hydrogen - metallicity
    fractions[:, 9] = metallicity * (1.0 - sum(SOLAR_PATTERN))
    return fractions


def star_columns(galaxy: AnalyticGalaxy, count: int, winds: int, units: ArepoUnits) -> Columns:
    """PartType4 fields: `count` stars, then `winds` wind particles (formation time <= 0)."""
    stars = sample_stars(galaxy, count)
    age_now = float(galaxy.cosmology.age(galaxy.scale_factor))
    birth = galaxy.cosmology.scale_factor_of_age(age_now - stars.age)
    rng = np.random.default_rng([galaxy.seed, 4])
    blown = stars.position[rng.choice(count, winds, replace=False)] * 2.0
    position = np.concatenate([stars.position, blown])
    wind_mass = stars.initial_mass[:winds]
    columns = {
        "GFM_InitialMass": np.concatenate([stars.initial_mass, wind_mass]) * units.mass,
        "GFM_Metallicity": galaxy.metallicity(position),
        "GFM_StellarFormationTime": np.concatenate([birth, -0.01 * np.arange(winds)]),
        "Masses": np.concatenate([stars.mass, wind_mass]) * units.mass,
        "Velocities": galaxy.velocity(position) * units.velocity,
    }
    columns["GFM_Metals"] = metal_fractions(galaxy, columns["GFM_Metallicity"])
    return single_precision(columns) | {"Coordinates": coordinates(galaxy, position, units)}


@dataclass(frozen=True)
class DarkMatter:
    """Particles of types 1 to 3 and the mass per particle [code] of each type."""

    columns: dict[int, Columns]
    mass_table: Array


def dark_matter(galaxy: AnalyticGalaxy, count: int, companion: int, units: ArepoUnits) -> DarkMatter:
    """Main halo and a companion clump (type 1), and a few heavy particles in the corners (types 2, 3)."""
    halo: Particles = sample_dark_matter(galaxy, count)
    rng = np.random.default_rng([galaxy.seed, 5])
    centre = companion_centre(galaxy)
    blob = centre + 0.02 * galaxy.box_size * np.clip(rng.normal(size=(companion, 3)), -2.5, 2.5)
    spread = rng.normal(size=(companion, 3)) * galaxy.halo_dispersion(galaxy.halo_scale_radius) / 5.0
    positions = {1: np.concatenate([halo.position, blob])}
    velocities = {1: np.concatenate([halo.velocity, spread + np.asarray(galaxy.bulk_velocity)])}
    for kind, number in ((2, 64), (3, 27)):
        sign = rng.choice([-1.0, 1.0], size=(number, 3))
        positions[kind] = sign * galaxy.box_size * (0.42 + 0.07 * rng.random((number, 3)))
        velocities[kind] = np.zeros((number, 3))
    columns = {
        kind: single_precision({"Velocities": velocities[kind] * units.velocity})
        | {"Coordinates": coordinates(galaxy, positions[kind], units)}
        for kind in positions
    }
    light = galaxy.halo_mass / count * units.mass
    return DarkMatter(columns, np.array([0.0, light, 8.0 * light, 64.0 * light, 0.0, 0.0]))


def companion_centre(galaxy: AnalyticGalaxy) -> Array:
    """Centre (3,) [kpc] of the dark companion, outside the main halo's cut."""
    return np.array([0.38, 0.30, 0.0]) * galaxy.box_size


def coordinates(galaxy: AnalyticGalaxy, position: Array, units: ArepoUnits) -> Array:
    """Code coordinates in [0, BoxSize) of centred positions [kpc]."""
    box = galaxy.box_size * units.length
    code: Array = (position * units.length + 0.5 * box) % box
    return code


def single_precision(columns: Columns) -> Columns:
    """Columns as float32."""
    return {name: values.astype(np.float32) for name, values in columns.items()}
