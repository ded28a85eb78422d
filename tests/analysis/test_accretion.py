import numpy as np
import pytest
from printed import assert_printed

from simpost.analysis import shen2025
from simpost.analysis.accretion import RATE_NAMES, accretion_rate, growth_exponent
from simpost.core.cosmology import Cosmology
from simpost.core.errors import InputError

SHEN = shen2025.cosmology()
NAMES = ("rp16_dyn", "rp16_inst", "y24", "f10_mean", "f10_median")
RATES = """
10 4 11.559 12.664 9.3146 9.9201 7.6059
11 4 131.97 134.47 123.29 124.89 95.753
10 6 25.313 27.017 23.117 23.009 17.969
11 6 279.34 278.56 262.99 289.67 226.21
10 10 65.373 68.177 61.648 71.425 56.692
9 12 8.5696 9.4595 9.0246 8.6236 6.8743
10 12 90.583 93.890 84.335 108.56 86.542
11 12 957.49 931.90 788.11 1366.7 1089.5
10 14 118.75 122.54 108.59 155.39 124.26
"""
REDSHIFTS = np.array([4.0, 5, 6, 7, 8, 10, 12, 14])


@pytest.mark.parametrize("row", RATES.strip().splitlines())
def test_rates_of_the_table(row):
    log_mass, z, expected = row.split(maxsplit=2)
    assert set(NAMES) == set(RATE_NAMES)
    rates = [accretion_rate(name, 10 ** float(log_mass), float(z), SHEN) for name in NAMES]
    assert_printed(rates, expected)


def test_exponents_of_the_table():
    assert_printed(
        growth_exponent("beta", REDSHIFTS, SHEN), "0.740 0.577 0.471 0.396 0.341 0.266 0.217 0.183"
    )
    full = growth_exponent("full", REDSHIFTS, SHEN)
    assert_printed(full, "1.52 1.19 0.95 0.77 0.64 0.44 0.32 0.22")
    np.testing.assert_array_equal(growth_exponent(0.5, REDSHIFTS, SHEN), 0.5)


def test_paper_exponents_are_means_of_beta():
    below, above = (
        growth_exponent("beta", [5, 6, 7], SHEN).mean(),
        growth_exponent("beta", [10, 12, 14], SHEN).mean(),
    )
    assert below == pytest.approx(0.5, abs=0.05)
    assert above == pytest.approx(0.2, abs=0.05)


@pytest.mark.parametrize("rate", RATE_NAMES)
def test_full_exponent_is_the_slope_of_the_specific_rate(rate):
    z = np.array([0.0, 2.0, 9.0])
    factor = 1.00001
    ratio = [
        accretion_rate(rate, 3e10, (1 + z) * f - 1, SHEN) / SHEN.hubble(1 / ((1 + z) * f))
        for f in (1.0, factor)
    ]
    slope = np.log(ratio[1] / ratio[0]) / np.log(factor)
    np.testing.assert_allclose(growth_exponent("full", z, SHEN, rate=rate, mass=3e10), slope, atol=3e-5)


@pytest.mark.parametrize("name", ["y24", "rp16_dyn", "rp16_inst"])
def test_beta_is_the_rate_without_its_mass_slope(name):
    # at M = 1e12/E (y24) or 1e12/h (rp16) the power of the mass is 1, and the rate shows beta alone
    z = np.array([6.0, 6.001])
    expansion = SHEN.expansion(1 / (1 + z))
    h = 0.6774
    pivot, unit = (1e12 / expansion, 1.0) if name == "y24" else (1e12 / h, expansion / h)
    log_beta = np.log(accretion_rate(name, pivot, z, SHEN) / unit)
    slope = np.diff(log_beta)[0] / np.log(7.001 / 7)
    assert growth_exponent("beta", 6.0, SHEN, rate=name) == pytest.approx(slope, abs=1e-3)


def test_curvature_does_not_enter_the_rates():
    curved = Cosmology(67.74, 0.3089, 0.5, 0.0486)
    assert accretion_rate("y24", 1e10, 6, curved) == accretion_rate("y24", 1e10, 6, SHEN)


def test_masses_and_redshifts_broadcast():
    assert accretion_rate("y24", np.full((3, 1), 1e10), REDSHIFTS, SHEN).shape == (3, 8)


@pytest.mark.parametrize(
    ("name", "mass", "z", "message"),
    [
        ("rp16", 1e10, 6, "rp16_dyn"),
        ("y24", 0.0, 6, "halo mass"),
        ("y24", np.nan, 6, "halo mass"),
        ("y24", 1e10, -1, "redshift"),
    ],
)
def test_bad_input_is_named(name, mass, z, message):
    with pytest.raises(InputError, match=message):
        accretion_rate(name, mass, z, SHEN)


def test_exponents_that_do_not_exist_are_refused():
    with pytest.raises(InputError, match="gamma"):
        growth_exponent("alpha", 6, SHEN)
    with pytest.raises(InputError, match="full"):
        growth_exponent("beta", 6, SHEN, rate="f10_mean")
