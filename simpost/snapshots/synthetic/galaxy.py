"""A disc galaxy whose every field is an analytic function: the truth of the synthetic snapshots.

Positions are (n, 3) arrays in kpc (physical) relative to the galaxy's centre, in the frame of the box.
R and z are cylindrical coordinates of the disc. The defaults describe a star-forming disc at z = 6 of
the kind of Vallini+2025; they are choices of this module, not measurements.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.stats import ncx2

from simpost.core import constants as c
from simpost.core.cosmology import Cosmology
from simpost.core.errors import InputError
from simpost.core.units import G_INTERNAL, MASS_DENSITY_CGS

Array = NDArray[np.float64]
_POSITIVE = (
    "box_size",
    "disc_mass",
    "scale_length",
    "scale_height",
    "clump_radius",
    "background_density",
    "halo_mass",
    "halo_scale_radius",
    "solid_body_radius",
)
NON_THERMAL_GAMMA = 1.4  # science choice of simpost where a run does not state its own


@dataclass(frozen=True)
class AnalyticGalaxy:
    """Exponential sech^2 gas disc with Gaussian clumps, stars, a dark halo and radiation.

    Units are those of `simpost.core.units` (kpc, Msun, km/s, Myr, K, cm^-3, Habing); star formation
    rates are Msun/yr, angles degrees, `metallicity_gradient` dex/kpc. `box_size` is physical and the
    galaxy is meant to sit at the centre of the box. The background is uniform over the box.

    Raises
    ------
    InputError
        A mass, length or count that cannot be (negative, or a disc too large for its box).
    """

    cosmology: Cosmology = field(default_factory=lambda: Cosmology(67.74, 0.3089, 0.6911, 0.0486))
    redshift: float = 6.0
    box_size: float = 40.0
    seed: int = 1

    disc_mass: float = 2e9
    scale_length: float = 0.6
    scale_height: float = 0.1
    clump_count: int = 12
    clump_mass: float = 2e7
    clump_radius: float = 0.06
    background_density: float = 2e3

    inclination: float = 0.0
    position_angle: float = 0.0
    bulk_velocity: tuple[float, float, float] = (0.0, 0.0, 0.0)
    rotation_velocity: float = 150.0
    solid_body_radius: float = 0.5
    turbulent_dispersion: float = 15.0

    hydrogen_fraction: float = c.X_HYDROGEN
    central_metallicity: float = 0.5 * c.Z_SUN
    metallicity_floor: float = 1e-3 * c.Z_SUN
    metallicity_gradient: float = -0.2
    central_habing: float = 300.0
    habing_floor: float = 0.1
    radiation_scale_length: float = 0.8
    central_ionising_flux: float = 3e9
    ionising_flux_floor: float = 1e5
    ionisation_density: float = 0.1
    molecular_density: float = 50.0
    neutral_temperature: float = 100.0
    ionised_temperature: float = 1.5e4

    constant_sfr: float = 10.0
    constant_duration: float = 200.0
    burst_sfr: float = 20.0
    burst_duration: float = 20.0
    stellar_scale_length: float = 0.5
    stellar_scale_height: float = 0.1
    stellar_mass_loss: float = 0.0
    mass_loss_age: float = 10.0

    halo_mass: float = 3e10
    halo_scale_radius: float = 4.0

    def __post_init__(self) -> None:
        for name in _POSITIVE:
            if not getattr(self, name) > 0.0:
                raise InputError(name, f"{getattr(self, name)}", "a number above 0")
        if self.clump_count < 0 or self.redshift < 0.0:
            raise InputError("clump_count, redshift", "a negative number", "0 or more")
        if self.box_size < 24.0 * self.scale_length:
            raise InputError(
                "box_size", f"{self.box_size} kpc", "at least 24 scale lengths", "take a larger box"
            )

    # Geometry

    @property
    def scale_factor(self) -> float:
        """Scale factor 1/(1+z) of the snapshot."""
        return 1.0 / (1.0 + self.redshift)

    @cached_property
    def rotation(self) -> Array:
        """(3, 3) matrix from disc to box frame: inclined about x, then turned about z."""
        i, p = np.radians([self.inclination, self.position_angle])
        about_x = np.array([[1, 0, 0], [0, np.cos(i), -np.sin(i)], [0, np.sin(i), np.cos(i)]])
        about_z = np.array([[np.cos(p), -np.sin(p), 0], [np.sin(p), np.cos(p), 0], [0, 0, 1]])
        return np.asarray(about_z @ about_x, dtype=float)

    def to_disc(self, positions: Array) -> Array:
        """Positions or vectors (n, 3) of the box frame in the frame of the disc."""
        return np.asarray(positions, dtype=float) @ self.rotation

    def to_box(self, positions: Array) -> Array:
        """Positions or vectors (n, 3) of the disc frame in the frame of the box."""
        return np.asarray(positions, dtype=float) @ self.rotation.T

    def radius(self, positions: Array) -> Array:
        """Cylindrical radius R [kpc], shape (n,)."""
        disc = self.to_disc(positions)
        return np.hypot(disc[:, 0], disc[:, 1])

    @cached_property
    def clump_positions(self) -> Array:
        """Clump centres (clump_count, 3) in the disc frame [kpc]: in the plane, within 3 R_d."""
        rng = np.random.default_rng([self.seed, 0])
        radius = self.scale_length * (0.5 + 2.5 * rng.random(self.clump_count))
        angle = 2.0 * np.pi * rng.random(self.clump_count)
        return np.stack([radius * np.cos(angle), radius * np.sin(angle), np.zeros_like(radius)], axis=1)

    # Gas

    def gas_density(self, positions: Array) -> Array:
        """Gas density [Msun/kpc^3] of disc, clumps and background, shape (n,)."""
        disc = self.to_disc(positions)
        radius = np.hypot(disc[:, 0], disc[:, 1])
        with np.errstate(over="ignore"):  # cosh far above the disc: 1/inf = 0 is meant
            vertical = np.cosh(disc[:, 2] / self.scale_height) ** -2.0
        density: Array = vertical * np.exp(-radius / self.scale_length)
        density *= self.surface_density_disc(0.0) / (2.0 * self.scale_height)
        norm = self.clump_mass / ((2.0 * np.pi) ** 1.5 * self.clump_radius**3)
        for centre in self.clump_positions:
            distance2 = ((disc - centre) ** 2).sum(axis=1) / self.clump_radius**2
            near = distance2 < 81.0  # e^-40: beyond double precision of the sum
            density[near] += norm * np.exp(-0.5 * distance2[near])
        return density + self.background_density

    def hydrogen_density(self, density: ArrayLike) -> Array:
        """n_H [cm^-3] of gas of `density` [Msun/kpc^3]."""
        factor = MASS_DENSITY_CGS * self.hydrogen_fraction / c.M_H
        return np.asarray(density, dtype=float) * factor

    def ionised_fraction(self, density: ArrayLike) -> Array:
        """x_HII = n_HII/n_H = 1/(1 + n_H/n_ion); x_HeII is the same, x_HeIII is 0."""
        return 1.0 / (1.0 + self.hydrogen_density(density) / self.ionisation_density)

    def molecular_fraction(self, density: ArrayLike) -> Array:
        """2 n_H2/n_H = (1 - x_HII) n_H/(n_H + n_mol)."""
        n_h = self.hydrogen_density(density)
        return (1.0 - self.ionised_fraction(density)) * n_h / (n_h + self.molecular_density)

    def atomic_fraction(self, density: ArrayLike) -> Array:
        """x_HI = n_HI/n_H."""
        return 1.0 - self.ionised_fraction(density) - self.molecular_fraction(density)

    def electron_abundance(self, density: ArrayLike) -> Array:
        """n_e/n_H with x_HeII = x_HII."""
        return self.ionised_fraction(density) * (1.0 + self.helium_per_hydrogen)

    @property
    def helium_per_hydrogen(self) -> float:
        """n_He/n_H = (1 - X)/(4 X)."""
        return (1.0 - self.hydrogen_fraction) / (4.0 * self.hydrogen_fraction)

    def mean_molecular_weight(self, density: ArrayLike) -> Array:
        """Mean molecular weight in m_H: 1/(X (1 - x_H2f/2 + y + x_e)), metals neglected in number."""
        particles = 1.0 - 0.5 * self.molecular_fraction(density) + self.helium_per_hydrogen
        return 1.0 / (self.hydrogen_fraction * (particles + self.electron_abundance(density)))

    def temperature(self, density: ArrayLike) -> Array:
        """T [K] = T_neutral^(1 - x_HII) T_ionised^x_HII."""
        x = self.ionised_fraction(density)
        return self.neutral_temperature ** (1.0 - x) * self.ionised_temperature**x

    def thermal_velocity_squared(self, density: ArrayLike) -> Array:
        """P/rho = k_B T/(mu m_H) in (km/s)^2."""
        mu = self.mean_molecular_weight(density)
        return c.K_B * self.temperature(density) / (mu * c.M_H) / c.KM**2

    def metallicity(self, positions: Array) -> Array:
        """Metal mass fraction Z_floor + Z_0 10^(gradient R), shape (n,)."""
        slope = 10.0 ** (self.metallicity_gradient * self.radius(positions))
        return self.metallicity_floor + self.central_metallicity * slope

    # Radiation

    def habing(self, positions: Array) -> Array:
        """FUV field G0 [Habing, 6-13.6 eV] = floor + G_0 e^(-R/R_rad), shape (n,)."""
        decline = np.exp(-self.radius(positions) / self.radiation_scale_length)
        return self.habing_floor + self.central_habing * decline

    def ionising_flux(self, positions: Array) -> Array:
        """Photon flux above 13.6 eV [1/s/cm^2] = floor + F_0 e^(-R/R_rad), shape (n,)."""
        decline = np.exp(-self.radius(positions) / self.radiation_scale_length)
        return self.ionising_flux_floor + self.central_ionising_flux * decline

    # Motion

    def velocity(self, positions: Array) -> Array:
        """Velocity (n, 3) [km/s] in the box frame: bulk motion plus rotation about the disc axis."""
        disc = self.to_disc(positions)
        omega: Array = self.rotation_velocity / np.maximum(self.radius(positions), self.solid_body_radius)
        spin: Array = np.stack([-omega * disc[:, 1], omega * disc[:, 0], np.zeros(len(disc))], axis=1)
        bulk: Array = np.asarray(self.bulk_velocity, dtype=float)
        return self.to_box(spin) + bulk

    def velocity_gradient_norm(self, positions: Array) -> Array:
        """Frobenius norm of dv_i/dx_j [km/s/kpc]: sqrt((dv/dR)^2 + (v/R)^2), shape (n,)."""
        radius = self.radius(positions)
        omega = self.rotation_velocity / np.maximum(radius, self.solid_body_radius)
        shape: Array = np.where(radius < self.solid_body_radius, np.sqrt(2.0), 1.0)
        return omega * shape

    # Truth: gas

    @property
    def gas_mass(self) -> float:
        """Gas mass in the box [Msun]; the disc's share beyond it is below 1e-4."""
        return self.structured_gas_mass + self.background_density * self.box_size**3

    @property
    def structured_gas_mass(self) -> float:
        """Gas mass of disc and clumps [Msun]."""
        return self.disc_mass + self.clump_count * self.clump_mass

    def surface_density_disc(self, radius: ArrayLike) -> Array:
        """Face-on surface density of the smooth disc [Msun/kpc^2]: Sigma_0 e^(-R/R_d)."""
        central = self.disc_mass / (2.0 * np.pi * self.scale_length**2)
        return central * np.exp(-np.asarray(radius, dtype=float) / self.scale_length)

    def surface_density_gas(self, x: Array, y: Array, depth: float | None = None) -> Array:
        """Face-on gas surface density [Msun/kpc^2] at disc-plane (x, y), background over `depth`.

        `depth` [kpc] defaults to the box; it must hold the whole disc.
        """
        total = self.surface_density_disc(np.hypot(x, y))
        total = total + self.background_density * (self.box_size if depth is None else depth)
        norm = self.clump_mass / (2.0 * np.pi * self.clump_radius**2)
        for x_c, y_c, _ in self.clump_positions:
            total += norm * np.exp(-0.5 * ((x - x_c) ** 2 + (y - y_c) ** 2) / self.clump_radius**2)
        return total

    def gas_mass_within(self, radius: ArrayLike, depth: float | None = None) -> Array:
        """Gas mass [Msun] in a face-on cylinder around the centre; `depth` as above."""
        radius = np.asarray(radius, dtype=float)
        s = radius / self.scale_length
        mass = self.disc_mass * (1.0 - (1.0 + s) * np.exp(-s))
        mass = mass + np.pi * radius**2 * self.background_density * (
            self.box_size if depth is None else depth
        )
        for x_c, y_c, _ in self.clump_positions:
            offset2 = (x_c**2 + y_c**2) / self.clump_radius**2
            mass = mass + self.clump_mass * ncx2.cdf((radius / self.clump_radius) ** 2, 2, offset2)
        return mass

    # Truth: stars and dark matter

    @property
    def instantaneous_sfr(self) -> float:
        """Star formation rate now [Msun/yr]."""
        return self.constant_sfr + self.burst_sfr

    def stars_formed(self, lookback: ArrayLike) -> Array:
        """Initial mass [Msun] of all stars born in the last `lookback` Myr."""
        lookback = np.asarray(lookback, dtype=float)
        steady = self.constant_sfr * np.minimum(lookback, self.constant_duration)
        burst = self.burst_sfr * np.minimum(lookback, self.burst_duration)
        formed: Array = 1e6 * (steady + burst)
        return formed

    def mean_sfr(self, window: float) -> float:
        """Mean star formation rate [Msun/yr] over the last `window` Myr."""
        return float(self.stars_formed(window)) / (window * 1e6)

    @property
    def oldest_age(self) -> float:
        """Age of the oldest star [Myr]."""
        return max(self.constant_duration, self.burst_duration)

    @property
    def stellar_mass(self) -> float:
        """Present stellar mass [Msun]: stars older than `mass_loss_age` lost `stellar_mass_loss`."""
        formed = float(self.stars_formed(self.oldest_age))
        young = float(self.stars_formed(self.mass_loss_age))
        return young + (1.0 - self.stellar_mass_loss) * (formed - young)

    @property
    def halo_edge(self) -> float:
        """Radius [kpc] at which the dark halo is cut: 0.4 box sizes."""
        return 0.4 * self.box_size

    def dark_matter_within(self, radius: ArrayLike) -> Array:
        """Dark-matter mass [Msun] inside `radius`: Hernquist 1990 eq. 3, cut at `halo_edge`.

        `halo_mass` is the mass inside the cut.
        """
        r = np.minimum(np.asarray(radius, dtype=float), self.halo_edge)
        profile = (r / (r + self.halo_scale_radius)) ** 2
        whole = (1.0 + self.halo_scale_radius / self.halo_edge) ** 2
        return np.asarray(self.halo_mass * whole * profile)

    def mass_within(self, radius: float) -> float:
        """All mass [Msun] in a sphere that holds the whole disc (radius >= 10 scale lengths)."""
        if radius < 10.0 * self.scale_length:
            raise InputError("radius", f"{radius} kpc", f"at least {10.0 * self.scale_length} kpc")
        background = 4.0 / 3.0 * np.pi * radius**3 * self.background_density
        baryons = self.structured_gas_mass + self.stellar_mass + background
        return baryons + float(self.dark_matter_within(radius))

    @cached_property
    def virial_radius(self) -> float:
        """R_200c [kpc]: mean density 200 times critical."""
        density = 200.0 * self.cosmology.critical_density(self.scale_factor)

        def excess(radius: float) -> float:
            return self.mass_within(radius) - 4.0 / 3.0 * np.pi * radius**3 * density

        return float(brentq(excess, 10.0 * self.scale_length, 10.0 * self.box_size))

    def halo_dispersion(self, radius: ArrayLike) -> Array:
        """One-dimensional speed [km/s] sqrt(G M_dm(<r)/(3 r)) given to the halo's particles."""
        safe = np.maximum(np.asarray(radius, dtype=float), 1e-6)
        return np.asarray(np.sqrt(G_INTERNAL * self.dark_matter_within(safe) / (3.0 * safe)))
