"""Two-level C+: the reference tables of the specification, limits and detailed balance."""

import numpy as np
import pytest

from simpost.core import constants as c
from simpost.core.errors import InputError
from simpost.core.units import HYDROGEN_PER_MSUN
from simpost.emission import two_level as tl


def close(value: float, rel: float):
    """Within a relative tolerance; pytest's own absolute one of 1e-12 would pass any CGS emissivity."""
    return pytest.approx(value, rel=rel, abs=0.0)


# T, R_e, R_H, R_H2, A/R_e, A/R_H, A/R_H2
RATES = [
    (20, 4.78101e-7, 6.06677e-10, 4.57670e-10, 4.7898, 3774.66, 5003.61),
    (100, 2.63573e-7, 7.60000e-10, 5.15025e-10, 8.6883, 3013.16, 4446.38),
    (500, 1.45305e-7, 9.52071e-10, 5.86628e-10, 15.7599, 2405.28, 3903.67),
    (1000, 1.12435e-7, 1.04909e-9, 6.00303e-10, 20.3674, 2182.84, 3814.74),
    (8000, 5.20903e-8, 1.40361e-9, 6.13444e-10, 43.9621, 1631.51, 3733.02),
    (1e4, 4.79623e-8, 1.44815e-9, 6.13837e-10, 47.7458, 1581.33, 3730.63),
]
# T, n, x_e, phase, C, P, Lambda/n^2, L/M
POWERS = [
    (50, 1e2, 1e-4, "HI", 7.237085e-8, 2.822860e-22, 7.593492e-28, 0.016835),
    (100, 1, 1e-3, "HI", 1.022813e-9, 1.033910e-23, 2.781218e-27, 0.000617),
    (100, 1e2, 1.6e-4, "HI", 8.020500e-8, 7.632010e-22, 2.053011e-27, 0.045516),
    (100, 3e3, 1.6e-4, "HI", 2.406150e-6, 8.408880e-21, 7.539963e-28, 0.501490),
    (100, 1e5, 1.6e-4, "HI", 8.020500e-5, 1.264649e-20, 3.401905e-29, 0.754213),
    (50, 1e3, 1e-5, "H2", 2.424529e-7, 8.642075e-22, 2.324718e-28, 0.051540),
    (30, 1e4, 1e-6, "H2", 2.315441e-6, 1.322956e-21, 3.558752e-29, 0.078899),
    (300, 1e3, 2e-4, "HI", 9.212907e-7, 8.577477e-21, 2.307341e-27, 0.511545),
    (8000, 0.3, 0.02, "HI", 7.252030e-10, 1.804102e-23, 1.617678e-26, 0.001076),
    (8000, 1e2, 1, "HII", 5.209032e-6, 1.668814e-20, 4.489109e-26, 0.995249),
    (1e4, 1e3, 1, "HII", 4.796234e-5, 1.886484e-20, 5.074643e-27, 1.125064),
]


@pytest.mark.parametrize("row", RATES)
def test_rates_and_critical_densities(row):
    rates = tl.deexcitation_rates(row[0])
    np.testing.assert_allclose(rates, row[1:4], rtol=1e-5)
    np.testing.assert_allclose(c.CII_A_UL / np.array(rates), row[4:], rtol=1e-5)


@pytest.mark.parametrize("row", POWERS)
def test_powers(row):
    t, n, x_e, phase, collisions, power, lambda_n2, light_to_mass = row
    n_hi = {"HI": n * (1.0 - x_e), "HII": 0.0, "H2": 0.0}[phase]
    n_h2 = n / 2.0 if phase == "H2" else 0.0
    rate = tl.deexcitation_rate(t, x_e * n, n_hi, n_h2)
    p = tl.net_power(t, rate)
    assert rate == close(collisions, rel=1e-6)
    assert p == close(power, rel=1e-6)
    assert p * c.CARBON_SOLAR / n == close(lambda_n2, rel=1e-6)
    assert p * c.CARBON_SOLAR * HYDROGEN_PER_MSUN / 1.4 / c.L_SUN == close(light_to_mass, rel=1e-3)


def test_goldsmith_is_the_set_of_ferrara_2019():
    """Their collision strengths: 0.67 T^0.13 for electrons, 1.84e-4 T^0.64 for hydrogen atoms."""
    t = np.geomspace(20.0, 1e4, 30)
    electrons, atoms, _ = tl.deexcitation_rates(t)
    unit = 8.629e-6 / (4.0 * np.sqrt(t))
    np.testing.assert_allclose(electrons, unit * 0.67 * t**0.13, rtol=6e-3)
    np.testing.assert_allclose(atoms, unit * 1.84e-4 * t**0.64, rtol=6e-3)


def test_molecules_cool_as_published():
    """Wiesenfeld & Goldsmith 2014: sub-critical cooling by H2, 1e-24 (11.5 + 4 e^(-100/T)) e^(-T_*/T)."""
    t, n_h2 = np.array([20.0, 100.0, 400.0]), 1e-6
    power = tl.net_power(t, tl.deexcitation_rate(t, 0.0, 0.0, n_h2))
    published = 1e-24 * (11.5 + 4.0 * np.exp(-100.0 / t)) * np.exp(-91.211386 / t)
    np.testing.assert_allclose(power / n_h2, published, rtol=1e-6)


def test_draine_differs_from_goldsmith_as_stated():
    cold_e, cold_h, _ = tl.deexcitation_rates(20.0, "draine2011")
    hot_e, _, _ = tl.deexcitation_rates(1e4, "draine2011")
    reference = tl.deexcitation_rates(np.array([20.0, 1e4]))
    assert cold_e / reference[0][0] == pytest.approx(1.57, abs=0.005)
    assert hot_e / reference[0][1] == pytest.approx(0.93, abs=0.005)
    assert cold_h / reference[1][0] == pytest.approx(1.04, abs=0.005)
    warm = np.geomspace(50.0, 500.0, 20)
    ratio = tl.deexcitation_rates(warm, "draine2011")[1] / tl.deexcitation_rates(warm)[1]
    assert round(np.abs(ratio - 1.0).max(), 2) <= 0.01


def test_power_is_the_balance_of_the_levels():
    """Emission minus absorption counted photon by photon from the populations."""
    t, collisions, t_cmb = np.array([15.0, 40.0, 8000.0])[:, None], np.geomspace(1e-9, 1e-3, 7), 19.0785
    f_u = tl.excited_fraction(t, collisions, t_cmb)
    n_g = tl.photon_occupation(t_cmb)
    photons = f_u * c.CII_A_UL * (1.0 + n_g) - (1.0 - f_u) * c.CII_G_RATIO * c.CII_A_UL * n_g
    power = tl.net_power(t, collisions, t_cmb)
    # both terms are of order A n_g, so the difference of them is good to that times the round-off
    np.testing.assert_allclose(
        photons * c.CII_PHOTON_ERG, power, rtol=1e-9, atol=1e-14 * c.CII_PHOTON_ERG * c.CII_A_UL
    )


def test_limits():
    boltzmann = 2.0 * np.exp(-c.CII_T_STAR / 100.0)
    assert tl.excited_fraction(100.0, 1e6) == close(boltzmann / (1.0 + boltzmann), rel=1e-9)
    # no collisions: the levels follow the CMB and nothing is emitted in excess of it
    cmb = 2.0 * np.exp(-c.CII_T_STAR / 30.0)
    assert tl.excited_fraction(1e4, 0.0, 30.0) == close(cmb / (1.0 + cmb), rel=1e-12)
    assert tl.net_power(1e4, 0.0, 30.0) == 0.0
    # thermal at the temperature of the CMB: no net line at any density
    assert tl.net_power(30.0, 1e-6, 30.0) == pytest.approx(0.0, abs=1e-32)
    assert tl.photon_occupation(0.0) == 0.0


def test_ceiling_per_ion():
    assert tl.net_power(1e9, 1e9) == close(c.CII_PHOTON_ERG * c.CII_A_UL * 2.0 / 3.0, rel=1e-6)
    assert tl.net_power(1e9, 1e9) == close(1.92e-20, rel=2e-3)
    # hence at most 1/0.87 Lsun per Msun of gas of solar metallicity
    brightest = 1.92e-20 * c.CARBON_SOLAR * HYDROGEN_PER_MSUN / 1.4 / c.L_SUN
    assert 1.0 / brightest == pytest.approx(0.87, abs=0.005)


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan")])
@pytest.mark.parametrize("function", [tl.excited_fraction, tl.net_power])
def test_impossible_temperature(function, temperature):
    with pytest.raises(InputError, match="temperature: found 1 of 2 values not above zero"):
        function([10.0, temperature], 1e-9)


def test_wrong_input():
    with pytest.raises(InputError, match="did you mean 'draine2011'"):
        tl.deexcitation_rates(100.0, "draine2001")
    with pytest.raises(InputError, match="n_H2"):
        tl.deexcitation_rate(100.0, 0.0, 1.0, -1.0)
    for function in (tl.excited_fraction, tl.net_power):
        with pytest.raises(InputError, match="collisions"):
            function(100.0, float("nan"))
