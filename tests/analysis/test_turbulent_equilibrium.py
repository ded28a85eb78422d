import numpy as np
import pytest
from printed import assert_printed

from simpost.analysis import shen2025
from simpost.analysis import turbulent_equilibrium as te
from simpost.core.errors import InputError
from simpost.core.units import G_INTERNAL


def test_depletion_times_of_the_specification():
    times = [
        te.depletion_time(100.0, te.MOMENTUM_SUPERNOVAE),
        te.depletion_time(100.0, te.MOMENTUM_SUPERNOVAE, fudge=1.0),
        te.depletion_time(100.0),
    ]
    assert_printed(times, "0.511526 1.705088 1.364070")


def test_rates_of_the_specification():
    assert_printed(
        te.star_formation_surface_density([10.0, 100.0, 1000.0], 3000.0), "1.95493e-3 0.195493 19.5493"
    )
    assert_printed(te.star_formation_surface_density(100.0), "7.33100e-2")


def test_runs_without_early_feedback_deplete_faster_by_eight_thirds():
    assert te.depletion_time(50.0) / te.depletion_time(50.0, te.MOMENTUM_SUPERNOVAE) == pytest.approx(8 / 3)


def test_rate_is_gas_over_depletion_time():
    sigma = np.geomspace(1, 1e4, 20)
    rate = te.star_formation_surface_density(sigma)
    np.testing.assert_allclose(rate * te.depletion_time(sigma) * 1e9, sigma * 1e6, rtol=1e-12)
    np.testing.assert_allclose(np.diff(np.log(rate)) / np.diff(np.log(sigma)), 2.0, rtol=1e-10)


def test_momentum_in_proportion_to_gas_makes_a_linear_relation():
    sigma = np.array([1e4, 2e4, 1e5])
    rate = te.star_formation_surface_density(sigma, 0.1 * sigma)
    np.testing.assert_allclose(rate / sigma, rate[0] / sigma[0], rtol=1e-12)


def test_balance_of_dissipation_and_injection_gives_the_depletion_time():
    density, size, momentum = 3e8, 0.05, 8000.0  # Msun/kpc^3, kpc, km/s
    velocity = te.turbulent_velocity(density, size)
    mass = te.turbulent_jeans_mass(density, velocity)
    assert mass == pytest.approx(4 * np.pi / 3 * density * size**3, rel=1e-12)
    assert velocity == pytest.approx(2 * np.sqrt(G_INTERNAL * density) * size, rel=1e-12)
    per_unit_rate = te.injection_rate(1.0, velocity, momentum)
    rate = te.dissipation_rate(density, size, velocity) / per_unit_rate  # Msun per kpc/(km/s)
    crossing = mass / rate * 0.9777922216807892  # Gyr
    assert crossing == pytest.approx(te.depletion_time(density * size / 1e6, momentum, fudge=1.0), rel=1e-12)


def test_resolution_floors_of_the_levels():
    floors = [te.resolution_floor(level.baryon_mass) for level in shen2025.resolution_levels().values()]
    assert_printed(floors, "9.09e-4 1.14e-4 1.42e-5")


def test_floor_scales_with_pixel_and_age():
    assert te.resolution_floor(1e3, pixel_area=0.25, young_age=20.0) == pytest.approx(2e-4, rel=1e-12)


def test_bins_at_three_floors_are_not_resolved():
    floor = te.resolution_floor(9.09e3)
    medians = np.array([0.0, floor, 3 * floor, 3.01 * floor, np.nan])
    assert te.is_resolved(medians, floor).tolist() == [False, False, False, True, False]
    assert te.is_resolved(medians, floor, 0.5).tolist() == [False, True, True, True, False]


def test_cloud_relation():
    assert te.cloud_depletion_time(20.0, 0.5, 0.04) == pytest.approx(1000.0)


@pytest.mark.parametrize("bad", [0.0, -1.0, np.nan, np.inf])
def test_surface_densities_that_are_none_are_refused(bad):
    with pytest.raises(InputError, match="surface density"):
        te.depletion_time([10.0, bad])
    with pytest.raises(InputError, match="pixel area"):
        te.resolution_floor(1e3, pixel_area=bad)
