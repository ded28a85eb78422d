from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from printed import assert_printed
from scipy.integrate import quad
from scipy.optimize import least_squares

from simpost.analysis import shen2025
from simpost.analysis.double_power_law import DoublePowerLaw, EfficiencyEvolution
from simpost.analysis.double_power_law_fit import REPORTED_LOG_MASS, fit_double_power_law
from simpost.analysis.halo import baryon_fraction
from simpost.core.errors import InputError

EVOLUTION = shen2025.efficiency_evolution()
F_B = baryon_fraction(shen2025.cosmology())
LOG_MASS = np.arange(8, 12.1, 0.5)
EFFICIENCIES = """
4 1.3084e-3 3.0663e-3 6.6356e-3 1.2852e-2 2.1972e-2 3.3622e-2 4.7507e-2 6.3930e-2 8.3739e-2
5 1.4165e-3 3.5855e-3 7.5091e-3 1.2975e-2 1.9550e-2 2.7348e-2 3.6961e-2 4.9225e-2 6.5160e-2*
6 2.0354e-3 3.7096e-3 6.5666e-3 1.1266e-2 1.8729e-2 3.0216e-2 4.7465e-2 7.2890e-2* 1.0990e-1*
7 1.4976e-3 3.5740e-3 7.1776e-3 1.3157e-2 2.3179e-2 4.0201e-2 6.9308e-2 1.1922e-1* 2.0491e-1*
8 1.9905e-3 3.7066e-3 6.9019e-3 1.2852e-2 2.3932e-2 4.4563e-2 8.2979e-2* 1.5451e-1* 2.8772e-1*
10 1.9009e-3 3.9716e-3 8.2979e-3 1.7337e-2 3.6222e-2 7.5678e-2* 1.5811e-1* 3.3035e-1* 6.9019e-1*
12 2.2854e-3 4.6663e-3 9.5273e-3 1.9452e-2 3.9716e-2* 8.1091e-2* 1.6557e-1* 3.3804e-1* 6.9019e-1*
14 2.0843e-3 4.4052e-3 9.3104e-3 1.9678e-2 4.1588e-2* 8.7896e-2* 1.8577e-1* 3.9262e-1* 8.2979e-1*
"""
STELLAR_MASSES = """
4 4.06303 5.79626 7.37047 8.75552 10.02604
5 4.06617 5.85732 7.35047 8.66082 9.91543*
6 4.31672 5.83874 7.30973 8.72855 10.10455*
7 4.08412 5.84508 7.38665 8.86905 10.34090*
8 4.30827 5.84827 7.38827 8.92827* 10.46827*
10 4.26094 5.90094 7.54094 9.18094* 10.82094*
12 4.34627 5.96627 7.58627* 9.20627* 10.82627*
14 4.29830 5.94830 7.59830* 9.24830* 10.89830*
"""


def rows(table):
    return [(float(row.split()[0]), row.split(maxsplit=1)[1]) for row in table.strip().splitlines()]


@pytest.mark.parametrize(("z", "expected"), rows(EFFICIENCIES))
def test_efficiencies_of_the_table(z, expected):
    law = EVOLUTION.at(z)
    assert_printed(law(10**LOG_MASS, extrapolate=True), expected)
    assert law.is_extrapolated(10**LOG_MASS).tolist() == [word.endswith("*") for word in expected.split()]


@pytest.mark.parametrize(("z", "expected"), rows(STELLAR_MASSES))
def test_stellar_masses_of_the_table(z, expected):
    law = EVOLUTION.at(z)
    mass = 10.0 ** np.arange(8, 13)
    assert_printed(np.log10(law.stellar_mass(mass, F_B, extrapolate=True)), expected)
    assert law.is_extrapolated(mass).tolist() == [word.endswith("*") for word in expected.split()]


def test_local_slopes_of_the_specification():
    mass = 10.0 ** np.array([8, 9, 10, 11])
    assert_printed(EVOLUTION.at(6).slope(mass), "0.5331 0.4826 0.4281 0.3818")
    assert_printed(EVOLUTION.at(4).slope(mass), "0.7648 0.6262 0.4138 0.2752")


@given(st.floats(-0.5, 1.5), st.floats(0.0, 3.0), st.floats(6.0, 13.0))
def test_slope_is_the_derivative(alpha, delta, log_mass):
    law = DoublePowerLaw(-1.7, 9.3, alpha, alpha + delta)
    step = 1e-4
    derivative = (law.log_efficiency(log_mass + step) - law.log_efficiency(log_mass - step)) / (2 * step)
    assert law.slope(10**log_mass) == pytest.approx(derivative, abs=1e-6)


def test_amplitude_at_m0_is_half_of_eps0():
    assert DoublePowerLaw(-1.7, 9.3, 0.2, 0.9)(10**9.3) == pytest.approx(0.5 * 10**-1.7, rel=1e-12)
    single = DoublePowerLaw(-1.7, 9.3, 0.5, 0.5)
    assert single(10**11.3) == pytest.approx(0.5 * 10**-1.7 * 10, rel=1e-12)


def test_extrapolation_is_refused_unless_asked_for():
    law = EVOLUTION.at(12)
    with pytest.raises(InputError, match=r"log M = 10\.50.*log M = 9\.90"):
        law(10**10.5)
    with pytest.raises(InputError, match=r"9\.90"):
        law.stellar_mass([1e9, 10**10.5], F_B)
    assert law(10**9.9) > 0.0


def test_extrapolated_efficiencies_stop_at_one():
    for z, log_m in ((12, "12.260"), (10, "12.252"), (14, "12.125")):
        law = EVOLUTION.at(z)
        reached = 9.0 + (np.log10(2) - law.log_eps0) / law.alpha
        assert_printed(reached, log_m)
        assert law(10.0 ** (reached - 0.001), extrapolate=True) < 1.0
        assert law(10.0 ** (reached + 0.5), extrapolate=True) == 1.0


def test_stellar_mass_beyond_the_cap_takes_all_baryons():
    law = EVOLUTION.at(12)
    first, last = law.stellar_mass([10**12.5, 10**13.0], F_B, extrapolate=True)
    assert last - first == pytest.approx(F_B * (10**13.0 - 10**12.5), rel=1e-12)
    total = quad(
        lambda u: float(law(np.exp(u), extrapolate=True)) * np.exp(u), 5, 13 * np.log(10), limit=500
    )[0]
    assert last == pytest.approx(F_B * total, rel=1e-6)


def quadrature(law, mass):
    """Int_0^M eps dM in ln M, in pieces."""
    ln_mass = np.log(mass)
    edges = ln_mass + np.concatenate([[-150, -60], np.arange(-30, 1, 2)])

    def integrand(u):
        return 10 ** law.log_efficiency(u / np.log(10)) * np.exp(u)

    pieces = pairwise(edges)
    return sum(quad(integrand, low, high, epsabs=0, epsrel=1e-13)[0] for low, high in pieces)


@pytest.mark.parametrize("log_mass", [6.0, 9.5, 12.0, 18.0])
@pytest.mark.parametrize(
    ("alpha", "beta"),
    [(0.21, 0.83), (0.3, 0.3), (0.3, 0.3 + 1e-9), (0.3, 0.3001), (0.3, 3.0), (-0.5, 2.0), (0.1, 6.0)],
)
def test_stellar_mass_agrees_with_quadrature(alpha, beta, log_mass):
    law = DoublePowerLaw(-2.0, 9.5, alpha, beta)
    assert law.stellar_mass(10**log_mass, 1.0) == pytest.approx(
        quadrature(law, 10**log_mass), rel=1e-11, abs=0.0
    )


def test_lower_limit_of_the_specification():
    law, mass = EVOLUTION.at(6), 10.0 ** np.array([9, 10, 11])
    whole, cut = law.stellar_mass(mass, F_B), law.stellar_mass(mass, F_B, lower_mass=1e8)
    assert_printed(100 * (1 - cut / whole), "3.0 0.10 0.004")
    assert law.stellar_mass(1e7, F_B, lower_mass=1e8) == 0.0


def test_returned_mass_and_slopes_of_stellar_mass():
    law = EVOLUTION.at(8)
    assert law.stellar_mass(1e10, F_B, return_fraction=0.1) == pytest.approx(
        0.9 * law.stellar_mass(1e10, F_B)
    )
    for a in (1 / 3, 2 / 3):
        law = DoublePowerLaw(-2, 9, a, a)
        ratio = law.stellar_mass(1e11, F_B) / law.stellar_mass(1e10, F_B)
        assert np.log10(ratio) == pytest.approx(1 + a, rel=1e-12)


def test_between_redshifts_log_efficiency_is_linear():
    mass = 10.0 ** np.array([8.0, 10.0, 11.5])
    low, high = EVOLUTION.at(4)(mass), EVOLUTION.at(5)(mass)
    np.testing.assert_allclose(EVOLUTION(mass, 4.3), low**0.7 * high**0.3, rtol=1e-12)
    np.testing.assert_allclose(EVOLUTION(mass, 5.0), high, rtol=1e-12)


def test_evolution_knows_its_limits():
    with pytest.raises(InputError, match="4 to 14"):
        EVOLUTION(1e9, 3.9)
    with pytest.raises(InputError, match=r"log M = 9\.53"):
        EVOLUTION(10**9.7, 13.0)  # sampled at z = 12, not at 14
    assert EVOLUTION.is_extrapolated(10.0 ** np.array([9.4, 9.7, 10.0]), 13.0).tolist() == [False, True, True]
    assert not EVOLUTION.is_extrapolated(10**9.7, 12.0)
    with pytest.raises(InputError, match="interpolate"):
        EVOLUTION.at(4.5)
    with pytest.raises(InputError, match="rising"):
        EfficiencyEvolution((5.0, 4.0), (EVOLUTION.at(4), EVOLUTION.at(5)))
    with pytest.raises(InputError, match="one law"):
        EfficiencyEvolution((5.0,), ())


def test_laws_that_are_none_are_refused():
    with pytest.raises(InputError, match="alpha <= beta"):
        DoublePowerLaw(-1.7, 9.3, 0.9, 0.2)
    with pytest.raises(InputError, match="finite"):
        DoublePowerLaw(-1.7, np.nan, 0.2, 0.9)
    with pytest.raises(InputError, match="diverges"):
        DoublePowerLaw(-1.7, 9.3, -1.2, 0.9).stellar_mass(1e9, F_B)
    for bad in (0.0, -1e9, np.nan):
        with pytest.raises(InputError, match="halo mass"):
            EVOLUTION.at(4)(bad)
    with pytest.raises(InputError, match="return fraction"):
        EVOLUTION.at(4).stellar_mass(1e9, F_B, return_fraction=1.0)


# --- the fit -------------------------------------------------------------------------------------


def sample(law, seed, n_target=30, n_central=200, scatter=0.25):
    """log mass, efficiency and group of synthetic galaxies, uniform in log mass from 8 to the limit."""
    generator = np.random.default_rng(seed)
    n = n_target + n_central
    x = generator.uniform(8, law.log_m_max, n)
    eps = 10 ** (law.log_efficiency(x) + scatter * generator.normal(size=n))
    return x, eps, ["target"] * n_target + ["central"] * n_central


def fits(z, n_seeds, fixed):
    law = EVOLUTION.at(z)
    log_m0 = law.log_m0 if fixed else None
    return [
        fit_double_power_law(*sample(law, seed), fixed_log_m0=log_m0, collapse=False, n_bootstrap=0)
        for seed in range(n_seeds)
    ]


@pytest.mark.parametrize("z", [4, 6])
def test_slopes_are_recovered_with_m0_fixed(z):
    law, found = EVOLUTION.at(z), fits(z, 100, True)
    slopes = np.array([(fit.double.alpha, fit.double.beta) for fit in found])
    np.testing.assert_allclose(slopes.mean(axis=0), (law.alpha, law.beta), atol=0.05)
    offset = np.array([fit.log_efficiency for fit in found]) - law.log_efficiency([9, 10, 11])
    np.testing.assert_allclose(offset.mean(axis=0), 0.0, atol=0.01)


@pytest.mark.parametrize("z", [4, 6])
def test_efficiencies_are_recovered_with_m0_free(z):
    law = EVOLUTION.at(z)
    offset = np.array([fit.log_efficiency for fit in fits(z, 100, False)]) - law.log_efficiency([9, 10, 11])
    np.testing.assert_allclose(offset.mean(axis=0), 0.0, atol=0.015)
    assert (offset.std(axis=0) < 0.06).all()


def test_fit_without_scatter_is_exact():
    law = EVOLUTION.at(5)
    fit = fit_double_power_law(*sample(law, 1, scatter=0.0), n_bootstrap=0)
    assert not fit.beta_redundant
    got = (fit.law.log_eps0, fit.law.log_m0, fit.law.alpha, fit.law.beta)
    assert got == pytest.approx((law.log_eps0, law.log_m0, law.alpha, law.beta), abs=1e-4)
    assert fit.scatter < 1e-6


@pytest.mark.parametrize(
    ("seed", "loss", "fixed"),
    [(0, "linear", None), (3, "linear", None), (3, "linear", 9.0), (5, "soft_l1", None)],
)
def test_minimum_is_that_of_scipy(seed, loss, fixed):
    x, eps, group = sample(EVOLUTION.at(4), seed, 20, 60)
    y, weight = np.log10(eps), np.where(np.array(group) == "target", 2.0, 80 / 120)
    fit = fit_double_power_law(x, eps, group, loss=loss, fixed_log_m0=fixed, collapse=False, n_bootstrap=0)

    def residuals(p):
        log_m0 = p[1] if fixed is None else fixed
        u = x - log_m0
        return y - (p[0] + p[2] * u - np.log10(1 + 10 ** (-p[3] * u)))

    def total(p):
        r = residuals(p)
        return weight @ (r * r if loss == "linear" else 2 * 0.25**2 * (np.sqrt(1 + (r / 0.25) ** 2) - 1))

    def root(p):
        r = residuals(p)
        rho = r * r if loss == "linear" else 2 * 0.25**2 * (np.sqrt(1 + (r / 0.25) ** 2) - 1)
        return np.sign(r) * np.sqrt(weight * rho)

    bounds = ([-9, x.min() - 0.5, -9, 0], [9, x.max() + 0.5, 9, 5])
    starts = [(-2, m, a, d) for m in (8.5, 9, 9.5, 10) for a in (0.2, 0.6) for d in (0.01, 0.4, 0.8)]
    best = min(total(least_squares(root, start, bounds=bounds, xtol=1e-12, ftol=1e-12).x) for start in starts)
    law = fit.double
    got = total((law.log_eps0, law.log_m0, law.alpha, law.beta - law.alpha))
    assert got <= best * (1 + 1e-5)


def test_groups_have_equal_weight_whatever_their_size():
    # two groups on parallel power laws 1 dex apart: the fit runs in the middle, or near the larger group
    x = np.tile(np.linspace(8, 11, 10), 11)
    group = np.array(["target"] * 10 + ["central"] * 100)
    eps = 10 ** (0.3 * (x - 9) - np.where(group == "target", 1.5, 2.5))
    equal = fit_double_power_law(x, eps, group, n_bootstrap=0)
    assert equal.law.log_efficiency(9.0) == pytest.approx(-2.0, abs=1e-6)
    points = fit_double_power_law(x, eps, group, weights="equal_points", n_bootstrap=0)
    assert points.law.log_efficiency(9.0) == pytest.approx(-(1.5 * 10 + 2.5 * 100) / 110, abs=1e-6)
    assert equal.n_points == {"central": 100, "target": 10}


def test_targets_among_the_centrals_count_once():
    x, eps, group = sample(EVOLUTION.at(4), 2)
    names = [f"g{i}" for i in range(230)]
    names[40], names[50] = "g3", "g4"
    fit = fit_double_power_law(x, eps, group, galaxy=names, n_bootstrap=0)
    assert (fit.n_duplicates, fit.n_points) == (2, {"central": 198, "target": 30})
    kept = np.delete(np.arange(230), [40, 50])
    without = fit_double_power_law(x[kept], eps[kept], np.array(group)[kept], n_bootstrap=0)
    assert fit.law == without.law


def test_efficiencies_without_logarithm_are_counted():
    x, eps, group = sample(EVOLUTION.at(4), 2)
    kept = fit_double_power_law(x[3:], eps[3:], group[3:], n_bootstrap=0)
    eps[:3] = 0.0, -0.01, np.nan
    fit = fit_double_power_law(x, eps, group, n_bootstrap=0)
    assert fit.n_left_out == 3
    assert fit.law == kept.law


def test_a_single_power_law_is_reported_as_one():
    law = EVOLUTION.at(10)
    collapsed = [fit_double_power_law(*sample(law, seed), n_bootstrap=0) for seed in range(20)]
    assert sum(fit.beta_redundant for fit in collapsed) >= 18
    fit = next(fit for fit in collapsed if fit.beta_redundant)
    assert fit.law.alpha == fit.law.beta == pytest.approx(0.64, abs=0.1)
    assert fit.law.log_m0 == 9.0
    assert fit.m0_fixed
    assert fit.collapse_reason
    # by hand: least squares of a line with the weights of the groups
    x, eps, group = sample(law, 0)
    w = np.where(np.array(group) == "target", 230 / 60, 230 / 400)
    slope, zero = np.polyfit(x - 9, np.log10(eps), 1, w=np.sqrt(w))
    assert (collapsed[0].single.alpha, collapsed[0].single.log_eps0) == pytest.approx(
        (slope, zero + np.log10(2)), abs=1e-6
    )


def test_a_clear_break_is_kept_and_one_at_the_edge_is_not():
    x = np.linspace(8, 12, 60)
    for log_m0, kept in ((10.0, True), (8.1, False), (11.9, False)):
        eps = 10 ** DoublePowerLaw(-1.5, log_m0, 0.0, 2.0).log_efficiency(x)
        fit = fit_double_power_law(x, eps, n_bootstrap=0)
        assert fit.bic_gain > 2
        assert fit.beta_redundant != kept
        assert ("0.3 dex inside the sample" in fit.collapse_reason) != kept
        assert (fit.collapse_reason == "") == kept
        assert not fit_double_power_law(x, eps, n_bootstrap=0, collapse=False).beta_redundant


def test_fixed_m0_stays_when_collapsed():
    fit = fit_double_power_law(*sample(EVOLUTION.at(10), 1), fixed_log_m0=9.5, n_bootstrap=0)
    assert fit.beta_redundant
    assert fit.law.log_m0 == 9.5


def test_bic_is_that_of_gaussian_residuals():
    x, eps, group = sample(EVOLUTION.at(4), 7)
    fit = fit_double_power_law(x, eps, group, n_bootstrap=0, collapse=False)
    w = np.where(np.array(group) == "target", 230 / 60, 230 / 400)

    def bic(law, k):
        return 230 * np.log(w @ (np.log10(eps) - law.log_efficiency(x)) ** 2 / 230) + k * np.log(230)

    assert fit.bic_gain == pytest.approx(bic(fit.single, 2) - bic(fit.double, 4), rel=1e-9)


def test_robust_loss_resists_outliers():
    law = EVOLUTION.at(4)
    x, eps, group = sample(law, 4, scatter=0.05)
    eps[::12] *= 30
    plain, robust = (
        fit_double_power_law(x, eps, group, loss=loss, n_bootstrap=0).log_efficiency
        - law.log_efficiency([9, 10, 11])
        for loss in ("linear", "soft_l1")
    )
    assert (np.abs(robust) < 0.5 * np.abs(plain)).all()


def test_errors_weigh_points_and_leave_the_intrinsic_scatter():
    law = EVOLUTION.at(4)
    x, eps, group = sample(law, 5, 100, 900, scatter=0.2)
    generator = np.random.default_rng(0)
    sigma = generator.uniform(0.05, 0.6, x.size)
    noisy = 10 ** (np.log10(eps) + sigma * generator.normal(size=x.size))
    fit = fit_double_power_law(x, noisy, group, sigma=sigma, fixed_log_m0=9.5, n_bootstrap=50)
    assert fit.scatter == pytest.approx(0.2, abs=0.03)
    assert (fit.law.alpha, fit.law.beta) == pytest.approx((law.alpha, law.beta), abs=0.08)
    plain = fit_double_power_law(x, noisy, group, fixed_log_m0=9.5, n_bootstrap=50)
    assert np.trace(fit.bootstrap.covariance) < np.trace(plain.bootstrap.covariance)


def test_bootstrap_reports_the_degeneracy():
    x, eps, group = sample(EVOLUTION.at(4), 1)
    fit = fit_double_power_law(x, eps, group)
    boot = fit.bootstrap
    assert boot.n_resamples == 1000
    assert boot.n_unconverged <= 20
    deviation = np.sqrt(np.diag(boot.covariance))
    correlation = boot.covariance / np.outer(deviation, deviation)
    assert correlation[0, 1] > 0.9  # eps0 and M0
    # what the data fix is known ten times better than the parameters
    width = boot.log_efficiency.p84 - boot.log_efficiency.p16
    assert (width < 0.12).all()
    assert (boot.parameters.p84 - boot.parameters.p16)[0] > 5 * width.max()
    assert (
        (boot.log_efficiency.p16 < fit.log_efficiency) & (fit.log_efficiency < boot.log_efficiency.p84)
    ).all()


def test_bootstrap_with_fixed_m0_and_its_seed():
    x, eps, group = sample(EVOLUTION.at(4), 1)
    first, same, other = (
        fit_double_power_law(x, eps, group, fixed_log_m0=9.5, n_bootstrap=100, seed=seed).bootstrap
        for seed in (3, 3, 4)
    )
    assert first.covariance[1].tolist() == [0.0] * 4
    np.testing.assert_array_equal(first.covariance, same.covariance)
    assert (first.covariance != other.covariance).any()
    assert first.parameters.median[1] == 9.5


def test_resampled_fits_are_fits_of_resamples():
    from simpost.analysis.double_power_law_solver import Bounds, fit_all, fit_one

    x, eps, _ = sample(EVOLUTION.at(5), 9, 10, 50)
    y = np.log10(eps)
    weights = np.random.default_rng(2).multinomial(60, np.full(60, 1 / 60), 30).astype(float)
    bounds = Bounds.of_sample(x, None)
    guess = fit_one(x, y, np.ones(60), bounds, None).parameters[0]
    batch = fit_all(x, y, weights, bounds, None, guess)
    alone = [fit_one(x, y, w, bounds, None).loss[0] for w in weights]
    np.testing.assert_allclose(batch.loss, alone, rtol=2e-3)


def test_intervals_cover_honestly():
    law = EVOLUTION.at(4)
    truth = np.array([*law.log_efficiency([9, 10, 11]), law.alpha, law.beta])
    hits = []
    for seed in range(150):
        fit = fit_double_power_law(
            *sample(law, seed, 30, 90), fixed_log_m0=9.5, collapse=False, n_bootstrap=120, seed=seed
        )
        boot = fit.bootstrap
        low = [*boot.log_efficiency.p16, *boot.parameters.p16[2:]]
        high = [*boot.log_efficiency.p84, *boot.parameters.p84[2:]]
        hits.append((low <= truth) & (truth <= high))
    assert 0.60 < np.mean(hits) < 0.76


def test_masses_outside_the_sample_are_flagged():
    x, eps, group = sample(EVOLUTION.at(10), 0)
    fit = fit_double_power_law(x, eps, group, n_bootstrap=0)
    assert fit.is_extrapolated.tolist() == [False, False, True]
    assert fit.law.log_m_max == x.max()
    with pytest.raises(InputError, match="extrapolation"):
        fit.law(1e11)


X4, EPS4 = np.array([8.0, 9.0, 10.0, 11.0]), np.array([0.001, 0.005, 0.02, 0.05])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"efficiency": [0.001, 0.005, 0.02, 0.0]}, "3 points.*at least 4"),
        ({"log_mass": [9.0, 9.1, 9.2, 9.4]}, r"0\.40 dex"),
        ({"efficiency": EPS4[1:]}, "shape"),
        ({"group": ["a", "b"]}, "2 labels for 4 points"),
        ({"galaxy": ["a", "b"]}, "galaxy"),
        ({"weights": "equal"}, "equal_groups"),
        ({"loss": "huber"}, "soft_l1"),
        ({"sigma": [-0.1, 0.1, 0.1, 0.1]}, "error of log efficiency"),
    ],
)
def test_bad_fits_are_refused_by_name(change, message):
    with pytest.raises(InputError, match=message):
        fit_double_power_law(**{"log_mass": X4, "efficiency": EPS4, "n_bootstrap": 0, **change})


def test_four_points_are_enough():
    fit = fit_double_power_law(X4, EPS4, n_bootstrap=20)
    assert np.isfinite(fit.log_efficiency).all()


def test_intervals_include_the_doubt_about_the_form():
    """Where most samples collapse, the held form alone would cover the truth at 1e10 Msun half the time."""
    law = EVOLUTION.at(6)
    truth = law.log_efficiency(np.array(REPORTED_LOG_MASS))
    inside, collapsed = np.zeros(3), 0
    seeds = 60
    for seed in range(seeds):
        generator = np.random.default_rng(seed)
        x = generator.uniform(8.5, law.log_m_max, 200)
        y = law.log_efficiency(x) + generator.normal(0, 0.25, 200)
        fit = fit_double_power_law(x, 10**y, fixed_log_m0=law.log_m0, n_bootstrap=100, seed=seed)
        errors = fit.bootstrap.log_efficiency
        inside += (errors.p16 <= truth) & (truth <= errors.p84)
        collapsed += fit.beta_redundant
        assert 0.0 < fit.bootstrap.share_of_form <= 1.0
    assert collapsed > seeds / 2
    # three standard deviations of a share of 0.68 in so many seeds, and no bias below
    assert np.all(inside / seeds > 0.68 - 3 * np.sqrt(0.68 * 0.32 / seeds))
