"""Stars, dark matter and gas tracers drawn from an `AnalyticGalaxy`.

Positions are physical kpc relative to the galaxy's centre, in the frame of the box.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simpost.snapshots.synthetic.galaxy import AnalyticGalaxy, Array

# additive recurrence with the powers of the root of x^4 = x + 1: evenly spread points in 3-D
_KRONECKER = 1.0 / 1.2207440846057596 ** np.arange(1, 4)
_STREAM_STARS, _STREAM_HALO = 1, 2  # child streams of the galaxy's seed; 0 places the clumps


@dataclass(frozen=True)
class Particles:
    """Collisionless particles: (n, 3) positions [kpc] and velocities [km/s], masses [Msun].

    Stars also have `initial_mass` [Msun], `age` [Myr] and `metallicity`; for dark matter these are 0.
    """

    position: Array
    velocity: Array
    mass: Array
    initial_mass: Array
    age: Array
    metallicity: Array

    def __len__(self) -> int:
        return len(self.mass)


def even_points(count: int, shift: float = 0.5) -> Array:
    """`count` evenly spread points in the unit cube, shape (count, 3) (Kronecker sequence)."""
    steps = np.arange(1, count + 1, dtype=float)[:, None]
    return (shift + steps * _KRONECKER) % 1.0


def disc_positions(points: Array, scale_length: float, scale_height: float) -> Array:
    """Map points of the unit cube onto an exponential sech^2 disc, (n, 3) in the disc frame."""
    s = np.linspace(0.0, 30.0, 20001)
    radius = scale_length * np.interp(points[:, 0], 1.0 - (1.0 + s) * np.exp(-s), s)
    angle = 2.0 * np.pi * points[:, 1]
    height = scale_height * np.arctanh(np.clip(2.0 * points[:, 2] - 1.0, -1.0 + 1e-12, 1.0 - 1e-12))
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), height], axis=1)


def gas_tracers(galaxy: AnalyticGalaxy, count: int) -> Array:
    """`count` equal-mass positions (n, 3) of the structured gas (disc and clumps, no background).

    Points beyond the box (a share e^-12 or less) are left out, so a few may be missing.
    """
    per_clump = round(count * galaxy.clump_mass / galaxy.structured_gas_mass)
    in_disc = count - per_clump * galaxy.clump_count
    parts = [disc_positions(even_points(in_disc), galaxy.scale_length, galaxy.scale_height)]
    for number, centre in enumerate(galaxy.clump_positions):
        u = even_points(per_clump, shift=(0.5 + 0.618 * number) % 1.0)
        normal = _normal_points(u)
        parts.append(centre + galaxy.clump_radius * normal)
    positions = galaxy.to_box(np.concatenate(parts))
    return positions[(np.abs(positions) < 0.5 * galaxy.box_size).all(axis=1)]


def _normal_points(points: Array) -> Array:
    from scipy.special import ndtri

    return np.asarray(ndtri(np.clip(points, 1e-12, 1.0 - 1e-12)), dtype=float)


def sample_stars(galaxy: AnalyticGalaxy, count: int) -> Particles:
    """`count` stars of equal initial mass in the stellar disc.

    Ages are quantiles of the star formation history, so the mass younger than any age is right to
    one particle. Stars rotate with the gas and carry its metallicity.
    """
    rng = np.random.default_rng([galaxy.seed, _STREAM_STARS])
    disc = disc_positions(rng.random((count, 3)), galaxy.stellar_scale_length, galaxy.stellar_scale_height)
    limit = 0.499 * galaxy.box_size / np.sqrt(3.0)
    position = galaxy.to_box(np.clip(disc, -limit, limit))

    lookback = np.linspace(0.0, galaxy.oldest_age, 100001)
    formed = galaxy.stars_formed(lookback)
    quantile = rng.permutation((np.arange(count) + 0.5) / count)
    age = np.interp(quantile * formed[-1], formed, lookback)

    initial = np.full(count, formed[-1] / max(count, 1))
    kept = np.where(age > galaxy.mass_loss_age, 1.0 - galaxy.stellar_mass_loss, 1.0)
    return Particles(
        position, galaxy.velocity(position), initial * kept, initial, age, galaxy.metallicity(position)
    )


def sample_dark_matter(galaxy: AnalyticGalaxy, count: int) -> Particles:
    """`count` equal-mass particles of the dark halo (Hernquist 1990), isotropic velocities."""
    rng = np.random.default_rng([galaxy.seed, _STREAM_HALO])
    edge = galaxy.halo_edge / (galaxy.halo_edge + galaxy.halo_scale_radius)
    root = edge * np.sqrt((np.arange(count) + 0.5) / count)
    radius = galaxy.halo_scale_radius * root / (1.0 - root)
    direction = rng.normal(size=(count, 3))
    direction /= np.linalg.norm(direction, axis=1)[:, None]
    speed = galaxy.halo_dispersion(radius)[:, None] * rng.normal(size=(count, 3))
    zero = np.zeros(count)
    return Particles(
        direction * radius[:, None],
        speed + np.asarray(galaxy.bulk_velocity),
        np.full(count, galaxy.halo_mass / count),
        zero,
        zero,
        zero,
    )
