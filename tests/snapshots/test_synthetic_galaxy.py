"""The analytic galaxy against quadrature, finite differences and the closed forms it is made of."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.spatial import cKDTree

from simpost.core import constants as c
from simpost.core.errors import InputError
from simpost.snapshots.synthetic import AnalyticGalaxy, make_sample
from simpost.snapshots.synthetic.arepo_catalogue import sphere_mass
from simpost.snapshots.synthetic.octree import (
    build_octree,
    cell_average,
    find,
    neighbours,
    pack,
    split_domains,
    unpack,
)
from simpost.snapshots.synthetic.particles import gas_tracers, sample_dark_matter, sample_stars
from simpost.snapshots.synthetic.radiation import SERRA_GROUPS, THESAN_ZOOM_GROUPS
from simpost.snapshots.synthetic.voronoi import periodic_voronoi_volumes


@pytest.mark.parametrize(("x", "y"), [(0.0, 0.0), (0.7, -0.2), (1.5, 1.1)])
def test_column_of_density_is_the_surface_density(x, y):
    galaxy = AnalyticGalaxy()
    half = 0.5 * galaxy.box_size
    points = np.r_[-half, -1.0, -0.2, 0.0, 0.2, 1.0, half]
    total = sum(
        quad(lambda z: galaxy.gas_density(np.array([[x, y, z]]))[0], a, b, epsabs=0, epsrel=1e-10, limit=400)[
            0
        ]
        for a, b in pairwise(points)
    )
    assert total == pytest.approx(float(galaxy.surface_density_gas(np.array(x), np.array(y))), rel=1e-9)


def test_mass_within_is_the_integral_of_the_surface_density():
    galaxy = AnalyticGalaxy(clump_count=2)
    r, w = np.polynomial.legendre.leggauss(400)
    radius, weight = 0.5 * 2.0 * (r + 1.0), w  # R from 0 to 2 kpc
    angle = np.linspace(0.0, 2.0 * np.pi, 800, endpoint=False)
    x, y = radius[:, None] * np.cos(angle), radius[:, None] * np.sin(angle)
    ring = 2.0 * np.pi * radius * galaxy.surface_density_gas(x, y).mean(axis=1)
    assert float(galaxy.gas_mass_within(2.0)) == pytest.approx(float(weight @ ring), rel=1e-8)
    # the box holds all of disc and clumps
    assert float(galaxy.gas_mass_within(15.0, depth=1e-12)) == pytest.approx(galaxy.structured_gas_mass)


@pytest.mark.parametrize("inclination", [0.0, 55.0])
def test_velocity_gradient_norm_is_that_of_finite_differences(inclination):
    galaxy = AnalyticGalaxy(inclination=inclination, position_angle=20.0, bulk_velocity=(5.0, -3.0, 1.0))
    positions = np.random.default_rng(2).uniform(-1.5, 1.5, size=(50, 3))
    away = np.abs(galaxy.radius(positions) - galaxy.solid_body_radius) > 1e-3
    positions, step = positions[away], 1e-5
    jacobian = np.stack(
        [
            (galaxy.velocity(positions + step * e) - galaxy.velocity(positions - step * e)) / (2 * step)
            for e in np.eye(3)
        ],
        axis=-1,
    )
    norm = np.sqrt((jacobian**2).sum(axis=(1, 2)))
    np.testing.assert_allclose(galaxy.velocity_gradient_norm(positions), norm, rtol=1e-7)
    inner = galaxy.radius(positions) < galaxy.solid_body_radius
    exact = np.sqrt(2.0) * galaxy.rotation_velocity / galaxy.solid_body_radius
    np.testing.assert_allclose(norm[inner], exact, rtol=1e-7)


def test_inclined_disc_is_the_same_disc_turned():
    flat, tilted = AnalyticGalaxy(), AnalyticGalaxy(inclination=40.0, position_angle=70.0)
    disc = np.random.default_rng(0).normal(size=(100, 3))
    np.testing.assert_allclose(tilted.gas_density(tilted.to_box(disc)), flat.gas_density(disc), rtol=1e-10)
    np.testing.assert_allclose(
        np.linalg.norm(tilted.velocity(tilted.to_box(disc)), axis=1),
        np.linalg.norm(flat.velocity(disc), axis=1),
        rtol=1e-12,
    )
    np.testing.assert_allclose(tilted.rotation @ tilted.rotation.T, np.eye(3), atol=1e-15)


def test_chemistry_limits():
    galaxy = AnalyticGalaxy()
    n_h = np.array([1e-9, 0.1, 50.0, 1e9])
    density = n_h / galaxy.hydrogen_density(1.0)
    np.testing.assert_allclose(galaxy.ionised_fraction(density)[[0, 1]], [1.0, 0.5], rtol=1e-7)
    fractions = (
        galaxy.ionised_fraction(density),
        galaxy.atomic_fraction(density),
        galaxy.molecular_fraction(density),
    )
    np.testing.assert_allclose(sum(fractions), 1.0, rtol=1e-12)
    # H and He singly ionised, and all hydrogen molecular, X = 0.76
    assert galaxy.mean_molecular_weight(density)[0] == pytest.approx(0.609756, abs=2e-6)
    assert galaxy.mean_molecular_weight(density)[3] == pytest.approx(2.272727, abs=2e-6)
    np.testing.assert_allclose(galaxy.temperature(density)[[0, 3]], [1.5e4, 100.0], rtol=1e-6)


@pytest.mark.parametrize("groups", [SERRA_GROUPS, THESAN_ZOOM_GROUPS])
def test_photon_groups_return_the_habing_field_and_the_ionising_flux(groups):
    galaxy = AnalyticGalaxy()
    positions = np.random.default_rng(1).normal(size=(30, 3))
    flux = groups.photon_flux(galaxy, positions)
    energy = np.array(groups.mean_energy) * c.EV
    lower, upper = np.array(groups.lower), np.array(groups.upper)
    inside = np.clip(np.minimum(upper, 13.6) - np.maximum(lower, 6.0), 0.0, None) / (upper - lower)
    np.testing.assert_allclose(flux @ (inside * energy) / 1.6e-3, galaxy.habing(positions), rtol=1e-12)
    np.testing.assert_allclose(
        flux[:, lower >= 13.6].sum(axis=1), galaxy.ionising_flux(positions), rtol=1e-12
    )


def test_star_formation_history():
    galaxy = AnalyticGalaxy(stellar_mass_loss=0.2)
    stars = sample_stars(galaxy, 4000)
    for window, expected in ((10.0, 30.0), (30.0, 10.0 + 20.0 * 20.0 / 30.0), (100.0, 14.0)):
        assert galaxy.mean_sfr(window) == pytest.approx(expected, rel=1e-12)
        measured = stars.initial_mass[stars.age < window].sum() / (window * 1e6)
        assert measured == pytest.approx(expected, abs=stars.initial_mass[0] / (window * 1e6))
    assert stars.mass.sum() == pytest.approx(galaxy.stellar_mass, abs=stars.initial_mass[0])
    assert stars.age.max() < galaxy.oldest_age


def test_dark_matter_and_virial_radius():
    galaxy = AnalyticGalaxy()
    dark = sample_dark_matter(galaxy, 5000)
    radius = np.linalg.norm(dark.position, axis=1)
    for limit in (2.0, 6.0, 12.0):
        expected = float(galaxy.dark_matter_within(limit))
        assert dark.mass[radius < limit].sum() == pytest.approx(expected, abs=dark.mass[0])
    assert galaxy.dark_matter_within(100.0) == pytest.approx(galaxy.halo_mass)
    volume = 4.0 / 3.0 * np.pi * galaxy.virial_radius**3
    mean = galaxy.mass_within(galaxy.virial_radius) / volume
    assert mean == pytest.approx(200.0 * galaxy.cosmology.critical_density(1.0 / 7.0), rel=1e-9)


def test_tracers_follow_the_gas():
    galaxy = AnalyticGalaxy(clump_count=0)
    tracers = gas_tracers(galaxy, 100_000)
    radius, s = np.hypot(tracers[:, 0], tracers[:, 1]), 1.5 / galaxy.scale_length
    assert (radius < 1.5).mean() == pytest.approx(1.0 - (1.0 + s) * np.exp(-s), abs=2e-4)
    height = np.abs(tracers[:, 2]) < galaxy.scale_height
    assert height.mean() == pytest.approx(np.tanh(1.0), abs=2e-4)


def test_cell_average_is_exact_for_polynomials():
    centres = np.random.default_rng(0).random((7, 3))
    average = cell_average(lambda p: p[:, 0] ** 6 * p[:, 2], centres, 0.4)
    low, high = centres[:, 0] - 0.2, centres[:, 0] + 0.2
    np.testing.assert_allclose(average, (high**7 - low**7) / (7 * 0.4) * centres[:, 2], rtol=1e-12)


def test_octree_is_graded_and_fills_the_box():
    galaxy = AnalyticGalaxy(inclination=30.0)
    tree = build_octree(galaxy, 3, 9, 10_000)
    volume = sum((son < 0).sum() / 8.0**level for level, son in tree.sons.items())
    assert volume == 1.0
    assert 10_000 <= tree.leaf_count() < 14_000
    for level in range(tree.levelmin + 1, tree.levelmax):
        fathers = neighbours(tree.octs[level + 1], level)  # cells beside refined cells exist
        assert (find(tree.octs[level], pack(unpack(fathers.ravel()) >> 1)) >= 0).all()
    domains = split_domains(tree, 5)
    owner = [
        domains.of_cells(tree.cell_coordinates(level)[son < 0], level) for level, son in tree.sons.items()
    ]
    share = np.bincount(np.concatenate(owner), minlength=5) / tree.leaf_count()
    np.testing.assert_allclose(share, 0.2, atol=2e-4)


def test_voronoi_volumes_agree_with_counting():
    points = np.random.default_rng(4).random((400, 3))
    volumes = periodic_voronoi_volumes(points, 1.0, 0.5)
    assert volumes.sum() == pytest.approx(1.0, abs=1e-12)
    samples = np.random.default_rng(5).random((200_000, 3))
    _, nearest = cKDTree(points, boxsize=1.0).query(samples)
    counted = np.bincount(nearest, minlength=400)
    expected = volumes * len(samples)
    chi2 = ((counted - expected) ** 2 / expected).sum()
    assert abs(chi2 - 399.0) < 5.0 * np.sqrt(2.0 * 399.0)
    cube = np.stack(np.meshgrid(*[np.arange(6) / 6] * 3), axis=-1).reshape(-1, 3) + 1e-4 * points[:216]
    np.testing.assert_allclose(periodic_voronoi_volumes(cube, 1.0, 0.5), 1.0 / 216.0, rtol=5e-3)


def test_voronoi_refuses_too_small_a_margin():
    with pytest.raises(InputError, match="margin"):
        periodic_voronoi_volumes(np.random.default_rng(0).random((30, 3)), 1.0, 0.05)


def test_sphere_mass_of_a_uniform_ball():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(20_000, 3))
    points *= (2.0 * rng.random(20_000) ** (1.0 / 3.0) / np.linalg.norm(points, axis=1))[:, None]
    total, inside = 20_000.0, 4.0 / 3.0 * np.pi
    mass, radius = sphere_mass(points, np.ones(20_000), total / (inside * 8.0) / 8.0)
    assert mass == total  # eight times thinner than the ball: all of it, twice the radius
    assert radius == pytest.approx(4.0, rel=1e-12)
    assert sphere_mass(points + 50.0, np.ones(20_000), 1.0) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("options", "word"),
    [({"disc_mass": -1.0}, "disc_mass"), ({"box_size": 5.0}, "box_size"), ({"redshift": -1.0}, "redshift")],
)
def test_impossible_galaxies_are_refused(options, word):
    with pytest.raises(InputError, match=word):
        AnalyticGalaxy(**options)


def test_make_sample_refuses_unknown_names(tmp_path):
    with pytest.raises(InputError, match="did you mean 'ramses'"):
        make_sample("ramsess", tmp_path)
    with pytest.raises(InputError, match="small, medium or large"):
        make_sample("arepo", tmp_path, "huge")
    assert not any(tmp_path.iterdir())
