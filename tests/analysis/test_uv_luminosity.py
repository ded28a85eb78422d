"""UV luminosity functions: printed values, an obvious twin, conservation, limits and hostile input."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from pytest import approx

from simpost.analysis import shen2025
from simpost.analysis.double_power_law import DoublePowerLaw
from simpost.analysis.efficiency_models import EFFICIENCY_NAMES, EfficiencyModel, efficiency_model
from simpost.analysis.halo_mass_function import HaloMassFunction, halo_mass_function
from simpost.analysis.relations import points
from simpost.analysis.ultraviolet import (
    CALIBRATIONS,
    ConstantScatter,
    LinearScatter,
    PowerLawScatter,
    UVCalibration,
    attenuated_magnitude,
    uv_magnitude,
)
from simpost.analysis.uv_luminosity import UVModel, halo_light, uv_luminosity_function
from simpost.core.cosmology import Cosmology
from simpost.core.errors import InputError

PLANCK = shen2025.cosmology()
MAGNITUDES = np.arange(-17.0, -22.1, -0.5)
NO_SCATTER = ConstantScatter(0.0)
UNCAPPED = 99.0
CAPPED = UVModel(log_mass_cap=10.0)


@pytest.fixture(scope="module")
def mass_functions():
    return {z: halo_mass_function(float(z), PLANCK) for z in (6, 12, 14)}


@pytest.fixture
def power_law_haloes():
    """Haloes n = 1e-2 M_9^-1 at z = 6, without any library."""
    log_mass = np.arange(8.0, 13.0001, 0.01)
    return HaloMassFunction(log_mass, 1e-2 * 10.0 ** -(log_mass - 9.0), 6.0, PLANCK)


# --- printed values ---

# redshift, efficiency, cap, scatter: log10 phi at -17, -17.5 ... -22
PRINTED = [
    (12, "shen25", 10, True, "-2.742 -3.009 -3.289 -3.583 -3.898 -4.247 -4.647 -5.116 -5.672 -6.331 -7.112"),
    (12, "shen25", 12, True, "-2.743 -3.011 -3.293 -3.589 -3.900 -4.228 -4.574 -4.941 -5.332 -5.749 -6.194"),
    (
        12,
        "canonical",
        None,
        True,
        "-3.417 -3.724 -4.048 -4.391 -4.754 -5.141 -5.555 -6.000 -6.480 -7.004 -7.578",
    ),
    (14, "shen25", 10, True, "-3.331 -3.631 -3.947 -4.281 -4.633 -5.013 -5.430 -5.903 -6.450 -7.088 -7.834"),
    (14, "shen25", 12, True, "-3.331 -3.631 -3.948 -4.283 -4.635 -5.008 -5.404 -5.823 -6.270 -6.748 -7.260"),
    (
        14,
        "canonical",
        None,
        True,
        "-4.075 -4.429 -4.805 -5.203 -5.627 -6.080 -6.565 -7.088 -7.653 -8.269 -8.944",
    ),
    (
        6,
        "shen25",
        UNCAPPED,
        True,
        "-1.788 -1.981 -2.180 -2.387 -2.613 -2.873 -3.185 -3.560 -4.007 -4.543 -5.128",
    ),
    (
        6,
        "canonical",
        None,
        True,
        "-1.985 -2.161 -2.340 -2.525 -2.725 -2.958 -3.238 -3.574 -3.979 -4.491 -5.116",
    ),
    (12, "shen25", 12, False, "-3.250 -3.525 -3.813 -4.115 -4.433 -4.769 -5.124 -5.500 -5.899 -6.325 -6.780"),
    (12, "shen25", 10, False, "-3.250 -3.525 -3.813 -4.047 -4.579 -5.160 -5.800 -6.509 -7.300 -8.187 -9.189"),
    (
        12,
        "canonical",
        None,
        False,
        "-3.957 -4.272 -4.605 -4.957 -5.332 -5.732 -6.161 -6.623 -7.124 -7.672 -8.277",
    ),
]


@pytest.mark.parametrize(("redshift", "efficiency", "cap", "scatter", "printed"), PRINTED)
def test_printed_luminosity_functions(mass_functions, redshift, efficiency, cap, scatter, printed):
    model = UVModel(efficiency, cap, scatter=LinearScatter() if scatter else NO_SCATTER)
    function = uv_luminosity_function(MAGNITUDES, model, mass_functions[redshift])
    assert function.log_phi == approx([float(value) for value in printed.split()], abs=1e-3)
    assert function.haloes.dust_applied == (redshift == 6)


@pytest.mark.parametrize(
    ("change", "mass_function", "printed"),
    [
        ({}, "tinker08", (-2.787, -3.340, -3.956, -4.712, -5.743, -7.190)),
        ({"accretion": "y24"}, "behroozi13", (-2.711, -3.277, -3.913, -4.704, -5.792, -7.326)),
        ({"accretion": "f10_median"}, "behroozi13", (-2.862, -3.390, -3.976, -4.702, -5.693, -7.070)),
        ({"centre": "mean_luminosity"}, "behroozi13", (-3.125, -3.648, -4.253, -5.043, -6.140, -7.660)),
        ({"scatter": ConstantScatter(0.8)}, "behroozi13", (-3.063, -3.582, -4.166, -4.941, -5.974, -7.233)),
    ],
)
def test_printed_variants(mass_functions, change, mass_function, printed):
    haloes = (
        mass_functions[12]
        if mass_function == "behroozi13"
        else halo_mass_function(12.0, PLANCK, model=mass_function)
    )
    model = dataclasses.replace(CAPPED, **change)
    assert uv_luminosity_function(MAGNITUDES[::2], model, haloes).log_phi == approx(printed, abs=1e-3)


def test_literal_power_law_scatter_has_no_meaning_without_its_limits(mass_functions):
    widest = halo_mass_function(12.0, PLANCK, log_mass_min=7.0)
    for log_mass_min, log_phi in ((7.0, -0.63), (8.0, -2.12), (9.0, -3.72)):
        model = dataclasses.replace(CAPPED, scatter=PowerLawScatter(100.0, log_mass_min))
        function = uv_luminosity_function([-20.0], model, widest)
        assert function.log_phi == approx([log_phi], abs=5e-3)
        assert function.haloes.mass[0] == approx(10.0**log_mass_min)
        assert function.share_lowest_masses[0] > 0.5  # the limit makes the answer
    model = dataclasses.replace(CAPPED, scatter=PowerLawScatter(2.0, 8.0))
    assert uv_luminosity_function([-20.0], model, mass_functions[12]).log_phi == approx([-3.75], abs=5e-3)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [({}, "sigma_max"), ({"sigma_max": 2.0}, "log_mass_min"), ({"log_mass_min": 8.0}, "sigma_max")],
)
def test_power_law_scatter_is_refused_without_its_limits(arguments, named):
    with pytest.raises(InputError, match=named):
        PowerLawScatter(**arguments)


def test_scatter_forms():
    log_mass = np.array([6.0, 8.0, 9.5, 10.5, 11.0, 12.0])
    assert LinearScatter()(log_mass) == approx([2.0, 1.65, 1.14, 0.8, 0.63, 0.4])
    power = PowerLawScatter(100.0, 6.0)(np.array([7.0, 8.0, 9.0, 10.5, 12.0]))
    assert power == approx([11.70, 5.45, 2.53, 0.8, 0.4], abs=0.05)
    assert ConstantScatter(0.3)(log_mass) == approx([0.3] * 6)


def test_smallest_mass(mass_functions):
    reference = uv_luminosity_function([-17.0, -19.0], CAPPED, mass_functions[12])
    for log_mass_min, shift in ((8.5, (-0.019, -0.001)), (9.0, (-0.132, -0.010))):
        haloes = halo_mass_function(12.0, PLANCK, log_mass_min=log_mass_min)
        cut = uv_luminosity_function([-17.0, -19.0], CAPPED, haloes)
        assert cut.log_phi - reference.log_phi == approx(shift, abs=6e-4)
    # the share kept with the function is that of the first half dex
    assert np.log10(1 - reference.share_lowest_masses) == approx((-0.019, -0.001), abs=6e-4)


def test_figure_14_in_words(mass_functions):
    canonical = UVModel("canonical")
    extrapolated = UVModel(log_mass_cap=12.0)
    below = {
        z: uv_luminosity_function(MAGNITUDES[2:9:2], CAPPED, mass_functions[z]).log_phi
        - uv_luminosity_function(MAGNITUDES[2:9:2], canonical, mass_functions[z]).log_phi
        for z in (12, 14)
    }
    assert below[12] == approx((0.76, 0.86, 0.91, 0.81), abs=6e-3)
    assert np.all(below[14] > 0.85) and np.all(below[14] < 1.21)
    bright = np.array([-19.0, -20.0, -21.0, -22.0])
    gain = (
        uv_luminosity_function(bright, extrapolated, mass_functions[12]).log_phi
        - uv_luminosity_function(bright, CAPPED, mass_functions[12]).log_phi
    )
    assert gain == approx((0.0, 0.07, 0.34, 0.92), abs=6e-3)


def test_donnan24_is_followed_to_minus_20_75(mass_functions):
    data = points("donnan24_z12p5").table
    residual = uv_luminosity_function(data[:, 0], CAPPED, mass_functions[12]).log_phi - data[:, 1]
    assert residual == approx((0.23, 0.36, 0.30, 0.03, -0.07, 0.02, -0.47), abs=5e-3)
    # the model is the independent table, within the error of linear interpolation in it
    table = np.array([float(value) for value in PRINTED[0][-1].split()])
    interpolated = np.interp(-data[:, 0], -MAGNITUDES, table) - data[:, 1]
    assert residual == approx(interpolated, abs=0.015)


def test_canonical_against_table_3():
    mass = 10.0 ** np.array([9.0, 10.0, 11.0])
    shen = halo_light(UVModel(log_mass_cap=UNCAPPED), mass, 12.0, PLANCK).efficiency
    assert shen / halo_light(UVModel("canonical"), mass, 12.0, PLANCK).efficiency == approx(
        (3.0, 3.2, 3.6), abs=0.05
    )


# --- the steps of the chain ---


def test_magnitude_of_one_solar_mass_a_year():
    assert uv_magnitude(1.0) == approx(-18.7551, abs=5e-5)
    assert CALIBRATIONS["madau14_chabrier"].kappa == approx(7.245e-29, rel=1e-12, abs=0.0)
    for calibration, magnitude in (
        ("madau14_salpeter", -18.2535),
        ("madau14_kroupa", -18.6883),
        ("kennicutt12", -18.5284),
        ("kennicutt98", -18.0399),
        (UVCalibration(0.66 * 1.15e-28), -18.7046),
        (UVCalibration(0.72e-28), -18.7619),
    ):
        assert uv_magnitude(1.0, calibration) == approx(magnitude, abs=5e-5)
    assert uv_magnitude(100.0) - uv_magnitude(1.0) == approx(-5.0)


@pytest.mark.parametrize(
    ("redshift", "magnitudes"), [(12.0, (-14.027, -18.137, -22.247)), (6.0, (-12.192, -15.937, -19.553))]
)
def test_median_magnitude_of_a_halo(redshift, magnitudes):
    haloes = halo_light(UVModel(log_mass_cap=UNCAPPED), [1e9, 1e10, 1e11], redshift, PLANCK)
    assert haloes.magnitude == approx(magnitudes, abs=6e-4)


@pytest.mark.parametrize(
    ("redshift", "observed"),
    [
        (6.0, (-16.9980, -17.9700, -18.8051, -19.5348, -20.2510, -20.9664)),
        (8.0, (-16.9985, -17.9831, -18.8805, -19.6603, -20.4107, -21.1582)),
    ],
)
def test_dust(redshift, observed):
    assert attenuated_magnitude(np.arange(-17.0, -22.1, -1.0), redshift) == approx(observed, abs=5e-5)


def test_dust_solves_the_attenuation_law():
    """Where A is well above zero, A = 4.43 + 1.99 beta(M_observed); it is never negative; none beyond z = 10."""
    for redshift, slope, zero in (
        (4.2, -0.11, -1.85),
        (5.0, -0.14, -1.91),
        (6.5, -0.20, -2.05),
        (9.0, -0.17, -2.085),
    ):
        magnitude = np.linspace(-26.0, -10.0, 50)
        observed = attenuated_magnitude(magnitude, redshift)
        attenuation = observed - magnitude
        law = 4.43 + 1.99 * (zero + slope * (observed + 19.5))
        heavy = attenuation > 1.0
        assert heavy.any() and attenuation[heavy] == approx(law[heavy], abs=2e-4)
        assert np.all(attenuation >= 0.0) and np.all(np.diff(observed) > 0.0)
    assert np.array_equal(attenuated_magnitude([-22.0], 10.01), [-22.0])
    assert attenuated_magnitude([-22.0], 10.0)[0] > -21.3
    with pytest.raises(InputError, match="redshift"):
        attenuated_magnitude([-22.0], 2.0)


def test_cap_and_limit_of_the_efficiency():
    mass = np.array([1e9, 1e10, 1e11, 1e13])
    capped = halo_light(CAPPED, mass, 12.0, PLANCK)
    assert capped.efficiency == approx([9.5273e-3, 3.9716e-2, 3.9716e-2, 3.9716e-2], rel=2e-5, abs=0.0)
    assert halo_light(UVModel(log_mass_cap=UNCAPPED), mass, 12.0, PLANCK).efficiency[-1] == 1.0
    assert capped.extrapolated.tolist() == [False, True, True, True]


def test_efficiency_follows_the_imf_of_the_calibration():
    mass = np.array([1e10, 1e11])
    chabrier = halo_light(UVModel("harikane22"), mass, 6.0, PLANCK)
    salpeter = halo_light(UVModel("harikane22", calibration="madau14_salpeter"), mass, 6.0, PLANCK)
    assert (chabrier.imf_factor, salpeter.imf_factor) == (0.63, 1.0)
    assert chabrier.sfr == approx(0.63 * salpeter.sfr)
    assert chabrier.magnitude == approx(salpeter.magnitude)  # the light does not depend on the IMF assumed
    ratio = mass / 10**11.5
    assert salpeter.efficiency == approx(0.064 / (0.0486 / 0.3089) / (ratio**0.5 + ratio**-1.2))
    with pytest.raises(InputError, match="calibration"):
        halo_light(UVModel("harikane22", calibration=UVCalibration(1e-28)), mass, 6.0, PLANCK)


def test_every_named_efficiency_is_a_sensible_number():
    mass = 10.0 ** np.linspace(8.0, 12.0, 41)
    for name in EFFICIENCY_NAMES:
        values = efficiency_model(name, 10.0, PLANCK)(mass, 12.0)
        assert np.all((values > 1e-6) & (values < 2.0))
        assert efficiency_model(name, 10.0, PLANCK).source != "user"


# --- the integral ---


def phi_of_obvious_loops(magnitude, haloes):
    """Luminosity function of z = 6 haloes, canonical efficiency and dust, one halo mass after the other."""
    a, h = 1 / 7, 0.6774
    expansion = math.sqrt(0.3089 * 7**3 + 0.6911)
    total = 0.0
    for log_mass, n in zip(haloes.log_mass, haloes.abundance, strict=True):
        x = 10**log_mass / 1e12
        eps = 0.2 / (x**0.5 + x**-0.6)
        growth = (
            10 ** (2.730 - 1.828 * a + 0.654 * a**2)
            * (x * h) ** (1.0 + 0.329 * a - 0.206 * a**2)
            * expansion
            / h
        )
        sfr = eps * 0.0486 / 0.3089 * growth
        light = sfr / 7.245e-29 / (4 * math.pi * (10 * 3.0856775814913673e18) ** 2)
        median = -2.5 * math.log10(light) - 48.6
        observed = (median + 4.43 - 1.99 * 2.0 - 1.99 * 0.2 * 19.5) / (1 + 1.99 * 0.2)
        median += math.log(1 + math.exp(10 * (observed - median))) / 10
        sigma = min(max(0.8 - 0.34 * (log_mass - 10.5), 0.4), 2.0)
        end = 0.5 if log_mass in (haloes.log_mass[0], haloes.log_mass[-1]) else 1.0
        gauss = math.exp(-((magnitude - median) ** 2) / (2 * sigma**2)) / math.sqrt(2 * math.pi) / sigma
        total += end * 0.01 * n * gauss
    return total


def test_obvious_twin(power_law_haloes):
    function = uv_luminosity_function([-16.0, -19.0, -21.5], UVModel("canonical"), power_law_haloes)
    twin = [phi_of_obvious_loops(magnitude, power_law_haloes) for magnitude in (-16.0, -19.0, -21.5)]
    assert function.phi == approx(twin, rel=1e-10, abs=0.0)


@pytest.mark.parametrize("scatter", [LinearScatter(), ConstantScatter(0.3), NO_SCATTER])
def test_every_halo_is_counted_once(power_law_haloes, scatter):
    magnitudes = np.arange(-35.0, 15.0, 0.005)
    function = uv_luminosity_function(magnitudes, UVModel("canonical", scatter=scatter), power_law_haloes)
    counted = np.trapezoid(function.phi, magnitudes)
    assert counted == approx(
        np.trapezoid(power_law_haloes.abundance, power_law_haloes.log_mass), rel=1e-3, abs=0.0
    )


def test_mean_luminosity_keeps_the_light(power_law_haloes):
    magnitudes = np.arange(-40.0, 10.0, 0.02)
    luminosity = 10.0 ** (-0.4 * magnitudes)
    light = {}
    for centre in ("median", "mean_luminosity"):
        model = UVModel("canonical", dust="none", scatter=ConstantScatter(0.7), centre=centre)
        light[centre] = np.trapezoid(
            uv_luminosity_function(magnitudes, model, power_law_haloes).phi * luminosity, magnitudes
        )
    bare = halo_light(
        UVModel("canonical", dust="none"), 10.0**power_law_haloes.log_mass, 6.0, PLANCK
    ).magnitude
    expected = np.trapezoid(power_law_haloes.abundance * 10.0 ** (-0.4 * bare), power_law_haloes.log_mass)
    assert light["mean_luminosity"] == approx(expected, rel=1e-6, abs=0.0)
    assert light["median"] == approx(
        expected * np.exp(0.5 * (0.4 * np.log(10) * 0.7) ** 2), rel=1e-6, abs=0.0
    )


def test_without_scatter_it_is_the_analytic_power_law(power_law_haloes):
    """n ~ M^-1 and L ~ M^q with q = 0.5 + the slope of rp16_dyn: phi = n 0.4 / q."""
    a = 1 / 7
    q = 0.5 + 1.0 + 0.329 * a - 0.206 * a**2
    model = UVModel(lambda mass: 0.01 * (mass / 1e10) ** 0.5, dust="none", scatter=NO_SCATTER)
    at_ten = float(halo_light(model, [1e10], 6.0, PLANCK).magnitude[0])
    magnitudes = np.array([-12.0, -15.0, -18.3, -20.0])
    log_mass = 10.0 - 0.4 * (magnitudes - at_ten) / q
    function = uv_luminosity_function(magnitudes, model, power_law_haloes)
    assert function.phi == approx(1e-2 * 10.0 ** -(log_mass - 9.0) * 0.4 / q, rel=1e-6, abs=0.0)
    # a power law stays one under scatter, raised by exp of half the squared width
    scattered = uv_luminosity_function(
        magnitudes[1:3], dataclasses.replace(model, scatter=ConstantScatter(0.3)), power_law_haloes
    )
    raised = np.exp(0.5 * (0.4 * np.log(10.0) / q * 0.3) ** 2)
    assert scattered.phi == approx(function.phi[1:3] * raised, rel=1e-6, abs=0.0)


def test_vanishing_scatter_has_the_analytic_limit(mass_functions):
    fine = halo_mass_function(12.0, PLANCK, step=1e-4)
    model = UVModel(log_mass_cap=UNCAPPED, scatter=NO_SCATTER)
    limit = uv_luminosity_function(MAGNITUDES[::2], model, fine).phi
    errors = []
    for sigma, most in ((0.01, 2.5e-4), (0.02, 1e-3), (0.05, 6e-3)):
        scattered = uv_luminosity_function(
            MAGNITUDES[::2], dataclasses.replace(model, scatter=ConstantScatter(sigma)), fine
        )
        errors.append(np.max(np.abs(scattered.phi / limit - 1.0)))
        assert errors[-1] < most
    assert errors[2] / errors[0] == approx(25.0, rel=0.05)  # as sigma^2
    coarse = uv_luminosity_function(MAGNITUDES[::2], model, mass_functions[12]).phi
    assert coarse == approx(limit, rel=2e-3, abs=0.0)


def test_median_that_turns_counts_both_masses(power_law_haloes):
    """An efficiency that falls steeply makes M_UV(M) turn over: two masses have the same light."""
    model = UVModel(lambda mass: 0.1 * np.exp(-mass / 1e11), scatter=NO_SCATTER, dust="none")
    light = halo_light(model, 10.0 ** power_law_haloes.log_mass[:451], 6.0, PLANCK).magnitude
    magnitude = float(light.min() + 1.0)
    haloes = HaloMassFunction(power_law_haloes.log_mass[:451], power_law_haloes.abundance[:451], 6.0, PLANCK)
    turn = int(np.argmin(light))
    parts = [
        HaloMassFunction(haloes.log_mass[cut], haloes.abundance[cut], 6.0, PLANCK)
        for cut in (slice(0, turn + 1), slice(turn, None))
    ]
    both, light_ones, heavy_ones = (
        uv_luminosity_function([magnitude], model, part).phi[0] for part in (haloes, *parts)
    )
    assert min(light_ones, heavy_ones) > 0.0
    assert both == approx(light_ones + heavy_ones, rel=1e-12, abs=0.0)


def test_brightest_and_faintest_have_no_haloes(power_law_haloes):
    function = uv_luminosity_function(
        [-40.0, -18.0, 5.0], UVModel("canonical", scatter=NO_SCATTER), power_law_haloes
    )
    assert function.log_phi[[0, 2]].tolist() == [-np.inf, -np.inf]
    assert np.isnan(function.share_extrapolated[[0, 2]]).all() and function.share_extrapolated[1] == 0.0


def test_share_of_extrapolated_haloes(mass_functions):
    """At z = 12 Table 3 ends at log M = 9.90: the bright end is made by heavier haloes, and it is said so."""
    function = uv_luminosity_function([-17.0, -20.0, -22.0], CAPPED, mass_functions[12])
    keep = mass_functions[12].log_mass <= 9.9 + 1e-6
    light_ones = HaloMassFunction(
        mass_functions[12].log_mass[keep], mass_functions[12].abundance[keep], 12.0, PLANCK
    )
    without = uv_luminosity_function([-17.0, -20.0, -22.0], CAPPED, light_ones)
    assert function.share_extrapolated == approx(1.0 - without.phi / function.phi, abs=0.01)
    assert np.all(np.diff(function.share_extrapolated) > 0.0) and function.share_extrapolated[1] > 0.5


def test_everything_used_is_kept(mass_functions):
    function = uv_luminosity_function([-20.0], CAPPED, mass_functions[12])
    assert function.model is CAPPED and function.mass_function is mass_functions[12]
    assert len(function.haloes.mass) == 601


# --- what cannot be used ---


def test_own_law_like_table_3_needs_a_cap(mass_functions):
    law = shen2025.efficiency_evolution().at(12)
    assert isinstance(law, DoublePowerLaw)
    for efficiency in ("shen25", law):
        with pytest.raises(InputError, match="log_mass_cap"):
            uv_luminosity_function([-20.0], UVModel(efficiency), mass_functions[12])
    by_name = uv_luminosity_function([-20.0], CAPPED, mass_functions[12])
    by_law = uv_luminosity_function([-20.0], UVModel(law, 10.0), mass_functions[12])
    assert by_law.phi == approx(by_name.phi, rel=1e-12, abs=0.0)


def test_grid_too_coarse_for_the_scatter_is_refused(power_law_haloes):
    with pytest.raises(InputError, match="step") as error:
        uv_luminosity_function([-20.0], UVModel("canonical", scatter=ConstantScatter(0.01)), power_law_haloes)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"efficiency": "canonicle"}, "canonical"),
        ({"accretion": "rp16"}, "rp16_dyn"),
        ({"calibration": "madau"}, "calibration"),
        ({"dust": "calzetti"}, "dust"),
        ({"centre": "mode"}, "centre"),
        ({"log_mass_cap": float("nan")}, "log_mass_cap"),
        ({"efficiency": lambda mass: np.where(mass > 1e9, 0.1, 0.0)}, "efficiency"),
        ({"efficiency": lambda mass: np.full_like(mass, np.nan)}, "efficiency"),
        ({"efficiency": lambda mass: 0.1}, "shape"),
        ({"efficiency": EfficiencyModel("mine", lambda mass: -mass)}, "mine"),
        ({"scatter": lambda log_mass: -np.ones_like(log_mass)}, "sigma_UV"),
        ({"scatter": lambda log_mass: np.where(log_mass > 10.0, 0.5, 0.0)}, "sigma_UV"),
        ({"scatter": lambda log_mass: 0.5}, "sigma_UV"),
        ({"scatter": PowerLawScatter(2.0, 7.0)}, "log_mass_min"),
        ({"scatter": PowerLawScatter(2.0, 13.0)}, "log_mass_min"),
    ],
)
def test_bad_models(power_law_haloes, change, named):
    with pytest.raises(InputError, match=named) as error:
        uv_luminosity_function([-20.0], UVModel(**{"efficiency": "canonical", **change}), power_law_haloes)
    assert "\n" not in str(error.value)


def test_other_bad_input(power_law_haloes):
    model = UVModel("canonical")
    for magnitudes in ([np.nan], [np.inf], [[-20.0]]):
        with pytest.raises(InputError, match="magnitudes"):
            uv_luminosity_function(magnitudes, model, power_law_haloes)
    no_baryons = dataclasses.replace(power_law_haloes, cosmology=Cosmology(67.74, 0.3089, 0.6911))
    with pytest.raises(InputError, match="Omega_b"):
        uv_luminosity_function([-20.0], model, no_baryons)
    for build in (
        lambda: ConstantScatter(-0.1),
        lambda: ConstantScatter(float("nan")),
        lambda: LinearScatter(sigma_min=1.0, sigma_max=0.5),
        lambda: UVCalibration(0.0),
        lambda: UVCalibration(1e-28, "imf"),
        lambda: uv_magnitude([1.0, 0.0]),
    ):
        with pytest.raises(InputError):
            build()
