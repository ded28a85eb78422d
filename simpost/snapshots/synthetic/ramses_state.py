"""Cell values of a synthetic RAMSES-RT output: leaves from the galaxy, coarser cells averaged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simpost.core import constants as c
from simpost.core.units import MASS_DENSITY_CGS
from simpost.snapshots.synthetic.galaxy import NON_THERMAL_GAMMA, AnalyticGalaxy, Array
from simpost.snapshots.synthetic.octree import Octree, cell_average
from simpost.snapshots.synthetic.radiation import SERRA_GROUPS

REDUCED_LIGHT_SPEED = 0.01  # c_r/c; SERRA-like runs use 1e-3 to 1e-2
_STREAMING = 0.1  # |flux vector| over c_r N, outward in the disc plane


@dataclass(frozen=True)
class RamsesUnits:
    """Code units in CGS as RAMSES sets them for a cosmological run with boxlen = 1."""

    length: float
    density: float
    time: float
    photon_density: float

    @classmethod
    def of(cls, galaxy: AnalyticGalaxy) -> RamsesUnits:
        """Units from box size, Omega_m, H0 and scale factor (RAMSES `units.f90`)."""
        cosmology, a = galaxy.cosmology, galaxy.scale_factor
        hubble = cosmology.h0 * c.KM / (1e3 * c.KPC)
        critical = 3.0 * hubble**2 / (8.0 * np.pi * c.G_NEWTON)
        return cls(
            length=galaxy.box_size * c.KPC,
            density=cosmology.omega_m * critical / a**3,
            time=a**2 / hubble,
            photon_density=1.0 / a**3,
        )

    @property
    def velocity(self) -> float:
        """Code velocity in cm/s."""
        return self.length / self.time

    @property
    def mass(self) -> float:
        """Code mass in g."""
        return self.density * self.length**3

    @property
    def photon_flux(self) -> float:
        """Photons/s/cm^2 in a stored unit (`unit_pf`)."""
        return self.photon_density * self.velocity


@dataclass(frozen=True)
class HydroLayout:
    """Which variables the hydro file holds, in the order of RAMSES' `output_hydro`."""

    molecular: bool
    non_thermal: bool

    @property
    def ions(self) -> tuple[str, ...]:
        """Ion scalars; with molecular chemistry they start with HI."""
        return (("HI",) if self.molecular else ()) + ("HII", "HeII", "HeIII")

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the descriptor file; non-thermal pressures stand before the thermal one."""
        extra = ("non_thermal_pressure_01",) if self.non_thermal else ()
        motion = ("velocity_x", "velocity_y", "velocity_z")
        return ("density", *motion, *extra, "pressure", "metallicity", *self.ions)

    @property
    def first_ion(self) -> int:
        """`iIons`: 1-based index of the first ion."""
        return len(self.names) - len(self.ions) + 1


def hydro_values(galaxy: AnalyticGalaxy, tree: Octree, layout: HydroLayout) -> dict[int, Array]:
    """Per level (octs, 8, variables) in code units.

    Leaf densities are cell averages (4^3 Gauss-Legendre points); all else is evaluated at the leaf's
    centre and, where the galaxy ties it to density, at that average density. Coarser cells hold
    the volume mean of density and pressures and the mass-weighted mean of everything else.
    """
    weighted = np.array(["density" not in name and "pressure" not in name for name in layout.names])
    units = RamsesUnits.of(galaxy)

    def leaf_values(centres: Array, size: float) -> Array:
        density = cell_average(galaxy.gas_density, centres, size)
        columns = _hydro_columns(galaxy, layout, units, centres, density)
        return np.stack([columns[name] for name in layout.names], axis=1)

    return _fill(galaxy, tree, leaf_values, len(layout.names), weighted)


def _hydro_columns(
    galaxy: AnalyticGalaxy, layout: HydroLayout, units: RamsesUnits, centres: Array, density: Array
) -> dict[str, Array]:
    velocity = galaxy.velocity(centres) * c.KM / units.velocity
    code_density = density * MASS_DENSITY_CGS / units.density
    thermal = galaxy.thermal_velocity_squared(density) * (c.KM / units.velocity) ** 2
    # e_nt = rho sigma^2/2 with the 3-D dispersion, P_nt = (gamma_nt - 1) e_nt
    turbulent = (galaxy.turbulent_dispersion * c.KM / units.velocity) ** 2
    ionised = galaxy.ionised_fraction(density)
    return {
        "density": code_density,
        "velocity_x": velocity[:, 0],
        "velocity_y": velocity[:, 1],
        "velocity_z": velocity[:, 2],
        "non_thermal_pressure_01": 0.5 * (NON_THERMAL_GAMMA - 1.0) * code_density * turbulent,
        "pressure": code_density * thermal,
        "metallicity": galaxy.metallicity(centres),
        "HI": galaxy.atomic_fraction(density) if layout.molecular else 1.0 - ionised,
        "HII": ionised,
        "HeII": ionised,
        "HeIII": np.zeros(len(density)),
    }


def photon_values(galaxy: AnalyticGalaxy, tree: Octree) -> dict[int, Array]:
    """Per level (octs, 8, 4 x groups): c_r N and its flux vector in units of `unit_pf`, at the centre."""
    unit = RamsesUnits.of(galaxy).photon_flux

    def leaf_values(centres: Array, size: float) -> Array:
        flux = SERRA_GROUPS.photon_flux(galaxy, centres) / unit
        disc = galaxy.to_disc(centres) * np.array([1.0, 1.0, 0.0])
        outward = galaxy.to_box(disc / np.maximum(galaxy.radius(centres), 1e-9)[:, None])
        vector = _STREAMING * flux[:, :, None] * outward[:, None, :]
        return np.concatenate([flux[:, :, None], vector], axis=2).reshape(len(centres), -1)

    variables = 4 * len(SERRA_GROUPS)
    return _fill(galaxy, tree, leaf_values, variables, np.zeros(variables, dtype=bool))


def _fill(
    galaxy: AnalyticGalaxy,
    tree: Octree,
    leaf_values: Callable[[Array, float], Array],
    variables: int,
    mass_weighted: NDArray[np.bool_],
) -> dict[int, Array]:
    values: dict[int, Array] = {}
    for level in range(tree.levelmax, 0, -1):
        size = galaxy.box_size / 2**level
        sons = tree.sons[level]
        cells = np.empty((*sons.shape, variables))
        leaf = sons < 0
        centres = (tree.cell_coordinates(level)[leaf] + 0.5) * size - 0.5 * galaxy.box_size
        if len(centres):
            cells[leaf] = leaf_values(centres, size)
        if not leaf.all():
            cells[~leaf] = _restrict(values[level + 1], mass_weighted)[sons[~leaf]]
        values[level] = cells
    return values


def _restrict(children: Array, mass_weighted: NDArray[np.bool_]) -> Array:
    """Mean over the eight cells of every oct, weighted by the first variable where asked."""
    mean: Array = children.mean(axis=1)
    if mass_weighted.any():
        density = children[:, :, :1]
        by_mass = (children * density).sum(axis=1) / density.sum(axis=1)
        mean = np.where(mass_weighted, by_mass, mean)
    return mean
