import numpy as np
import pytest

from simpost.core.cosmology import Cosmology

SHEN = Cosmology(67.74, 0.3089, 0.6911)
SERRA = Cosmology(67.8, 0.308, 0.692)
ACCARD = Cosmology(70.0, 0.3, 0.7)
REDSHIFTS = np.array([0.0, 3.0, 6.0, 9.0])


@pytest.mark.parametrize(
    ("cosmology", "ages"),
    [
        (SHEN, [13802.7183, 2151.8534, 933.8629, 547.3175]),
        (SERRA, [13801.8091, 2153.0363, 934.3944, 547.6307]),
        (ACCARD, [13466.9839, 2112.5272, 916.9769, 537.4374]),
    ],
)
def test_ages_equal_independent_integration(cosmology, ages):
    np.testing.assert_allclose(cosmology.age(1 / (1 + REDSHIFTS)), ages, atol=6e-5)


@pytest.mark.parametrize(
    ("cosmology", "tau"),
    [(SHEN, [-3.11628737, -5.42135258, -7.27641828]), (SERRA, [-3.11945676, -5.42780942, -7.28556806])],
)
def test_conformal_time_of_ramses(cosmology, tau):
    np.testing.assert_allclose(cosmology.conformal_time(1 / (1 + REDSHIFTS[1:])), tau, atol=6e-9)


def test_einstein_de_sitter_is_analytic():
    universe = Cosmology(70.0, 1.0, 0.0)
    a = np.array([0.05, 0.3, 1.0])
    np.testing.assert_allclose(universe.age(a), 2 / 3 * universe.hubble_time * a**1.5, rtol=1e-12)
    np.testing.assert_allclose(universe.conformal_time(a), 2 - 2 / np.sqrt(a), atol=1e-12)


@pytest.mark.parametrize("cosmology", [SHEN, ACCARD, Cosmology(67.0, 0.3, 0.6)])
def test_inverses_return_the_scale_factor(cosmology):
    a = np.geomspace(0.02, 1.0, 50)
    np.testing.assert_allclose(
        cosmology.scale_factor_of_conformal_time(cosmology.conformal_time(a)), a, rtol=1e-10
    )
    np.testing.assert_allclose(cosmology.scale_factor_of_age(cosmology.age(a)), a, rtol=1e-10)


@pytest.mark.parametrize("shape", [(), (0,), (1,), (3,), (2, 3)])
def test_results_have_the_shape_of_the_argument(shape):
    a = np.full(shape, 0.2)
    assert SHEN.age(a).shape == SHEN.conformal_time(a).shape == shape
    assert SHEN.scale_factor_of_conformal_time(SHEN.conformal_time(a)).shape == shape


@pytest.mark.parametrize("z", [0.1, 3.0, 6.5])
def test_distances_agree_with_astropy(z):
    from astropy.cosmology import LambdaCDM

    peer = LambdaCDM(H0=67.74, Om0=0.3089, Ode0=0.6911, Tcmb0=0)
    assert SHEN.luminosity_distance(z) == pytest.approx(peer.luminosity_distance(z).to_value("kpc"), rel=1e-6)
    assert SHEN.angular_diameter_distance(z) == pytest.approx(
        peer.angular_diameter_distance(z).to_value("kpc"), rel=1e-6
    )
    peer_density = peer.critical_density(z).to_value("g/cm3") * (3.0856775814913673e21) ** 3 / 1.98840987e33
    assert SHEN.critical_density(1 / (1 + z)) == pytest.approx(
        peer_density, rel=2e-5
    )  # astropy's own G and Msun


def test_radius_within_which_the_density_is_so_many_times_critical():
    cosmology = Cosmology(67.74, 0.3089, 0.6911)
    for a in (1.0, 1.0 / 7.0):
        for overdensity in (200.0, 500.0):
            radius = cosmology.radius_within(1e10, a, overdensity)
            density = 1e10 / (4.0 / 3.0 * np.pi * radius**3)
            assert density == pytest.approx(overdensity * cosmology.critical_density(a), rel=1e-12)
