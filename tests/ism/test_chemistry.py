import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simpost.core import constants as c
from simpost.core.errors import InputError
from simpost.core.units import HYDROGEN_PER_MSUN, MASS_DENSITY_CGS
from simpost.ism import chemistry as chem


# reference values: limits at X = 0.76
@pytest.mark.parametrize(
    ("ions", "x_h2", "expected"),
    [
        ((0.0,), 0.0, 1.219512),
        ((0.0,), 1.0, 2.272727),
        ((1.0, 0.0, 0.0), 0.0, 0.632911),
        ((1.0,), 0.0, 0.609756),
    ],
)
def test_mean_molecular_weight_limits(ions, x_h2, expected):
    mu = chem.mean_molecular_weight(chem.electron_fraction(*ions), x_h2)
    assert float(mu) == pytest.approx(expected, abs=5e-7)


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.floats(0.5, 1))
def test_particles_per_nucleus_route_agrees_with_counting(x_hii, he_share, he_ion, X):
    """mu from electrons equals mu from the count of every kind of particle, reference values: ."""
    y = (1 - X) / (4 * X)
    he_ii, he_iii = he_ion * he_share, he_ion * (1 - he_share)
    x_h2 = 0.5 * (1 - x_hii)
    particles = 1 - x_h2 / 2 + x_hii + y * (1 + he_ii + 2 * he_iii)
    electrons = chem.electron_fraction(x_hii, he_ii, he_iii, X)
    assert float(electrons) == pytest.approx(x_hii + y * (he_ii + 2 * he_iii), rel=1e-14, abs=1e-300)
    mu = chem.mean_molecular_weight(electrons, x_h2, X)
    assert float(mu) == pytest.approx(1 / X / particles, rel=1e-14)


def test_mu_of_arepo_electron_abundance():
    x_e, X = np.array([0.0, 0.3, 1.16]), 0.76
    np.testing.assert_allclose(chem.mean_molecular_weight(x_e), 4 / (1 + 3 * X + 4 * X * x_e), rtol=1e-14)


def test_hydrogen_fraction_may_differ_from_cell_to_cell():
    X, ions = np.array([0.76, 0.70]), np.array([0.2, 0.9])
    together = (
        chem.hydrogen_number_density([1e7, 1e7], X),
        chem.electron_fraction(ions, X=X),
        chem.mean_molecular_weight(ions, X=X),
        chem.ionisation_equilibrium(np.full(2, 1.5e4), 1.0, 1e-13, X).temperature,
    )
    for i in range(2):
        one_by_one = (
            chem.hydrogen_number_density(1e7, X[i]),
            chem.electron_fraction(ions[i], X=X[i]),
            chem.mean_molecular_weight(ions[i], X=X[i]),
            chem.ionisation_equilibrium(1.5e4, 1.0, 1e-13, X[i]).temperature,
        )
        np.testing.assert_allclose([column[i] for column in together], one_by_one, rtol=1e-14)


def test_hydrogen_density_and_helium():
    assert chem.helium_per_hydrogen() == pytest.approx(0.078947, abs=5e-7)
    # reference values: rho/n_H = 1.315789 m_H
    density = 1.315789473684 * c.M_H / MASS_DENSITY_CGS
    assert float(chem.hydrogen_number_density(density)) == pytest.approx(1.0, rel=1e-12)
    atoms = float(chem.hydrogen_number_density(1.0, 1.0)) * c.KPC**3  # in 1 Msun of hydrogen
    assert atoms == pytest.approx(HYDROGEN_PER_MSUN, rel=1e-14)


# reference values:
@pytest.mark.parametrize(
    ("temperature", "mu", "isothermal", "adiabatic"),
    [(100, 1.27, 0.805977, 1.040512), (1e4, 0.6, 11.725973, 15.138166), (30, 2.33, 0.325917, 0.420757)],
)
def test_sound_speed(temperature, mu, isothermal, adiabatic):
    assert float(chem.sound_speed(temperature, mu)) == pytest.approx(isothermal, abs=5e-7)
    assert float(chem.sound_speed(temperature, mu, "adiabatic")) == pytest.approx(adiabatic, abs=5e-7)


def test_internal_energy_agrees_with_the_sound_speed():
    """u = c_s^2/(gamma - 1) leads back to the temperature."""
    temperature, mu = np.array([50.0, 1e4, 1e6]), np.array([1.3, 0.9, 0.6])
    square = chem.sound_speed(temperature, mu) ** 2
    from_energy = mu * chem.t_over_mu_from_internal_energy(square / (2 / 3))
    np.testing.assert_allclose(from_energy, temperature, rtol=1e-13)


def test_pressure_floor_comes_off():
    n_H = np.array([0.1, 10.0, 1000.0])
    thermal = np.array([8000.0, 200.0, 0.0])
    polytrope = 500.0 * (n_H / 10.0) ** 0.6
    left, at_minimum = chem.subtract_pressure_floor(
        thermal + polytrope, n_H, n_star=10.0, t2_star=500.0, g_star=1.6
    )
    np.testing.assert_allclose(left, [8000.0, 200.0, 10.0], rtol=1e-12)
    assert at_minimum.tolist() == [False, False, True]


# reference values:
RAHMATI = [
    (1e-4, 1e4, 3.6e-13, 1.2021e-4, 5e-9),
    (1e-2, 1e4, 3.6e-13, 0.30819132, 5e-9),
    (0.1, 1e4, 3.6e-13, 0.90565516, 5e-9),
    (1, 1e4, 3.6e-13, 0.98667838, 5e-9),
    (10, 1e3, 1e-12, 0.99875910, 5e-9),
    (1e-2, 3e4, 3.6e-13, 2.74265e-3, 5e-9),
]


@pytest.mark.parametrize(("n", "temperature", "rate", "expected", "digit"), RAHMATI)
def test_neutral_fraction_table(n, temperature, rate, expected, digit):
    assert float(chem.neutral_fraction(n, temperature, rate)) == pytest.approx(expected, abs=digit)


@given(st.floats(-6, 4), st.floats(1, 8), st.sampled_from([0.0, 1e-14, 1e-12]))
def test_neutral_fraction_balances_its_rates(log_n, log_t, rate):
    n, temperature = 10**log_n, 10**log_t
    x = float(chem.neutral_fraction(n, temperature, rate))
    ratio = 315614 / temperature
    recombination = 1.269e-13 * ratio**1.503 / (1 + (ratio / 0.522) ** 0.47) ** 1.923
    collisions = (
        1.17e-10 * temperature**0.5 * np.exp(-157809 / temperature) / (1 + (temperature / 1e5) ** 0.5)
    )
    depth = n / (6.73e-3 * (temperature / 1e4) ** 0.17 * (rate / 1e-12) ** (2 / 3)) if rate else np.inf
    shielded = rate * (0.98 * (1 + depth**1.64) ** -2.28 + 0.02 * (1 + depth) ** -0.84)
    gain = n * recombination * (1 - x) ** 2
    loss = shielded * x + collisions * n * x * (1 - x)
    assert 0 <= x <= 1
    # x is known to a few 1e-16, so 1 - x is too, however small it is
    slack = 1e-15 * (shielded + n * collisions + 2 * n * recombination * (1 - x))
    assert gain == pytest.approx(loss, rel=1e-12, abs=slack)


def test_neutral_fraction_without_background_depends_on_temperature_only():
    x = chem.neutral_fraction([1e-3, 1e3], [2e4, 2e4], 0.0)
    assert x[0] == x[1]
    assert 0.0 < x[0] < 1.0


@pytest.mark.parametrize("rate", [0.0, 3e-13])
def test_ionisation_equilibrium_solves_for_the_temperature(rate):
    """Also at 1e4 to 3e4 K, where plain iteration does not settle."""
    t_over_mu = np.geomspace(10, 1e7, 400)
    for n in (1e-4, 1e-2, 1.0, 100.0):
        result = chem.ionisation_equilibrium(t_over_mu, n, rate)
        neutral = chem.neutral_fraction(np.full(400, n), result.temperature, rate)
        mu = chem.mean_molecular_weight(chem.electron_fraction(1 - neutral))
        # T is known to 4e-7, and mu falls faster than 1/T where collisions ionise
        np.testing.assert_allclose(result.temperature, mu * t_over_mu, rtol=2e-6)
        np.testing.assert_allclose(result.temperature, result.mu * t_over_mu, rtol=1e-14)
        np.testing.assert_allclose(result.neutral_fraction, neutral, rtol=1e-14)
        assert np.all(np.diff(result.temperature) > 0)


# reference values:
@pytest.mark.parametrize(
    ("surface_density", "z", "expected"),
    [
        (10, 1, 0),
        (30, 1, 0.44286058),
        (100, 1, 0.80788314),
        (100, 0.2, 0.38132728),
        (300, 0.1, 0.59675053),
        (1000, 0.05, 0.76695338),
    ],
)
def test_kmt(surface_density, z, expected):
    assert float(chem.molecular_fraction_kmt(surface_density, z)) == pytest.approx(expected, abs=5e-9)
    # the clumping factor stands beside the column
    assert chem.molecular_fraction_kmt(surface_density / 5, z, 5.0) == pytest.approx(expected, abs=5e-9)


def test_kmt_limits():
    assert chem.molecular_fraction_kmt([0.0, 100.0, 1e9], [1.0, 0.0, 1.0]).tolist()[:2] == [0.0, 0.0]
    assert float(chem.molecular_fraction_kmt(1e9, 1.0)) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize(
    ("n", "dust", "u", "expected"),
    [(10, 1, 1, 0.82025899), (100, 0.1, 10, 0.70277024), (1e3, 0.03, 10, 0.99601476)],
)
def test_gk11(n, dust, u, expected):
    assert float(chem.molecular_fraction_gk11(n, dust, u)) == pytest.approx(expected, abs=5e-9)


def test_gk11_limits():
    extremes = chem.molecular_fraction_gk11([1e-6, 1e8, 100.0], [1.0, 1.0, 0.0], 1.0)
    np.testing.assert_allclose(extremes, [0.0, 1.0, 0.0], atol=1e-12)


@pytest.mark.parametrize(
    "call",
    [
        lambda: chem.sound_speed(-1.0, 1.0),
        lambda: chem.sound_speed(np.nan, 1.0),
        lambda: chem.sound_speed(1.0, 1.0, "isotherm"),
        lambda: chem.electron_fraction(1.1),
        lambda: chem.mean_molecular_weight(-0.1),
        lambda: chem.helium_per_hydrogen(0.0),
        lambda: chem.neutral_fraction(1.0, 1e4, np.nan),
        lambda: chem.neutral_fraction(0.0, 1e4, 1e-12),
        lambda: chem.molecular_fraction_gk11(1.0, 1.0, 0.0),
        lambda: chem.hydrogen_number_density(-1.0),
    ],
)
def test_bad_input(call):
    with pytest.raises(InputError):
        call()
