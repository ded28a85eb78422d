import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from printed import assert_printed

from simpost.analysis import decomposition as d
from simpost.analysis import shen2025
from simpost.analysis.accretion import accretion_rate
from simpost.analysis.halo import baryon_fraction, dynamical_time, virial_velocity
from simpost.core.errors import InputError

SHEN = shen2025.cosmology()
positive = st.floats(0.01, 100.0)


def decompose(gas, time, halo, growth, z, helium=(True, True)):
    return d.decompose(
        gas, time, halo, growth, z, SHEN, mass_includes_helium=helium[0], time_includes_helium=helium[1]
    )


@given(positive, positive, positive, positive, st.floats(0.0, 15.0))
def test_product_is_the_efficiency_of_any_galaxy(gas, rate, halo, growth, z):
    gas, halo, growth = gas * 1e9, halo * 1e10, growth * 10
    factors = decompose(gas, gas / rate / 1e9, halo, growth, z)
    assert factors.efficiency == pytest.approx(rate / (baryon_fraction(SHEN) * growth), rel=1e-12, abs=0.0)


def test_factors_by_hand():
    factors = decompose(2e9, 0.5, 1e11, 263.0, 6.0)
    assert factors.supply == pytest.approx(2e9 / (0.0486 / 0.3089 * 1e11), rel=1e-12)
    assert factors.consumption == pytest.approx(1.397763 / 0.5, rel=1e-6)
    assert factors.growth == pytest.approx(1e11 / (263.0 * 1.397763e9), rel=1e-6)


def test_helium_moves_supply_and_consumption_but_not_their_product():
    with_it = decompose(2e9, 0.5, 1e11, 263.0, 6.0)
    without = decompose(0.76 * 2e9, 0.76 * 0.5, 1e11, 263.0, 6.0, (False, False))
    assert without.supply == pytest.approx(0.76 * with_it.supply, rel=1e-12)
    assert without.efficiency == pytest.approx(with_it.efficiency, rel=1e-12)
    assert (with_it.includes_helium, without.includes_helium) == (True, False)


def test_mixed_helium_is_refused():
    with pytest.raises(InputError, match=r"without helium and a depletion time with"):
        decompose(2e9, 0.5, 1e11, 263.0, 6.0, (False, True))


def test_residual_is_the_share_of_star_formation_inside():
    inside, total, gas = 3.0, 4.0, 1e9
    measured = decompose(gas, gas / inside / 1e9, 1e11, 263.0, 6.0).efficiency
    whole = total / (baryon_fraction(SHEN) * 263.0)
    assert measured / whole == pytest.approx(d.residual(inside, total), rel=1e-12)
    assert np.isnan(d.residual(0.0, 0.0))


def test_a_galaxy_that_forms_no_stars_has_no_efficiency():
    assert decompose(1e9, np.inf, 1e11, 263.0, 6.0).efficiency == 0.0
    for bad in (np.nan, 0.0, -1.0):
        with pytest.raises(InputError, match="depletion time"):
            decompose(1e9, bad, 1e11, 263.0, 6.0)


def test_effective_surface_density_gives_the_total_rate_of_a_quadratic_relation():
    generator = np.random.default_rng(1)
    sigma, area = generator.lognormal(2.0, 1.0, 500), generator.uniform(0.5, 1.5, 500)
    forms = generator.random(500) < 0.7
    rate = 3e-5 * sigma**2 * area
    effective = d.effective_surface_density(sigma, forms, area)
    assert rate[forms].sum() / (sigma * area)[forms].sum() == pytest.approx(3e-5 * effective, rel=1e-12)
    assert d.effective_surface_density([5.0, 5.0, 900.0], [True, True, False]) == 5.0
    assert np.isnan(d.effective_surface_density([5.0], [False]))


def test_scalings_of_the_paper():
    mass, z = np.array([1e9, 1e11]), 8.0
    # rho^(1/2) sigma with rho ~ (1+z)^3 and sigma ~ V_vir, in matter domination
    ratio = virial_velocity(mass, 12.0, SHEN) * 13.0**1.5 / (virial_velocity(mass, z, SHEN) * 9.0**1.5)
    expected = d.relative_surface_density(mass, 12.0) / d.relative_surface_density(mass, z)
    np.testing.assert_allclose(expected, ratio, rtol=2e-3)
    assert d.relative_surface_density(8e10, 6.0) == pytest.approx(2.0)
    # t_H Sigma (1+z)^-gamma
    times = dynamical_time(12.0, SHEN) / dynamical_time(z, SHEN)
    expected = ratio * times * (13.0 / 9.0) ** -0.3
    got = d.relative_efficiency(mass, 12.0, 0.3) / d.relative_efficiency(mass, z, 0.3)
    np.testing.assert_allclose(got, expected, rtol=4e-3)


def test_efficiency_of_the_paper_does_not_depend_on_redshift():
    np.testing.assert_allclose(d.relative_efficiency(1e11, [4.0, 6.0, 8.0]), 10 ** (1 / 3), rtol=1e-12)


def test_growth_term():
    np.testing.assert_allclose(d.relative_growth(0.5, [3.0, 8.0], SHEN), [0.5, 1 / 3], rtol=1e-12)


def test_specific_rates_of_the_specification():
    z = np.array([4.0, 6, 8, 10])
    assert_printed(d.specific_rate_of_paper(z), "2 3.92 6.48 9.68")
    assert_printed(d.specific_rate("y24", 1e10, z, 1 / 3, SHEN), "1.242 3.082 5.465 8.220")
    assert_printed(d.specific_rate("rp16_dyn", 1e10, z, 1 / 3, SHEN), "1.541 3.375 5.795 8.716")
    excess = [
        d.specific_rate_of_paper(z) / d.specific_rate(n, 1e10, z, 1 / 3, SHEN) for n in ("y24", "rp16_dyn")
    ]
    assert (np.min(excess), np.max(excess)) == pytest.approx((1.11, 1.61), abs=5e-3)


def test_specific_rate_is_that_of_the_integral():
    # M_* = f_b eps0 M^(1+a)/(1+a): SFR/M_* = f_b eps Mdot / M_*
    law = shen2025.efficiency_evolution().at(8)
    mass, f_b = 1e10, baryon_fraction(SHEN)
    rate = f_b * law(mass) * accretion_rate("y24", mass, 8.0, SHEN) / law.stellar_mass(mass, f_b) * 1e9
    assert d.specific_rate("y24", mass, 8.0, law.alpha, SHEN) == pytest.approx(rate, rel=1e-12)
