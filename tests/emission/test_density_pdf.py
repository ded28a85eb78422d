"""The log-normal density distribution: reference tables, closed form, and the averaged table."""

import numpy as np
import pytest
from scipy.integrate import quad

from simpost.core import constants as c
from simpost.core.errors import InputError
from simpost.emission import two_level as tl
from simpost.emission.cmb import cmb_attenuation
from simpost.emission.density_pdf import average_over_pdf, log_normal
from simpost.emission.density_pdf_kernels import average_rows, segment_integral
from simpost.emission.grid import LineGrid
from simpost.emission.lines import CII, OI_63

LN10 = np.log(10.0)
GAUSS = np.polynomial.legendre.leggauss(256)
MACHS = np.array([1.0, 5.0, 10.0, 30.0])
# n0, weight, average of min(n/3000, 1) at M = 1, 5, 10, 30
BROKEN = [
    (1, "mass", 3.7037037e-4, 1.25925924e-3, 4.03241569e-3, 2.73240708e-2),
    (1, "volume", 3.33333333e-4, 3.33333333e-4, 3.33332543e-4, 3.32791929e-4),
    (100, "mass", 0.037037037, 0.120743829, 0.253729889, 0.475652519),
    (100, "volume", 0.0333333333, 0.0332502998, 0.0320809833, 0.027092792),
    (3000, "mass", 0.912428675, 0.876038476, 0.893162954, 0.922811215),
    (3000, "volume", 0.871072431, 0.564317279, 0.429738227, 0.282759232),
    (1e5, "mass", 1.0, 0.999967043, 0.999591556, 0.9986289),
    (1e5, "volume", 1.0, 0.998099741, 0.967286134, 0.824979474),
]
# n0, M, average f_u by mass, by volume, at the mean density by mass
TWO_LEVEL = [
    (1, 1, 2.96018488e-4, 2.66436308e-4, 2.96040328e-4),
    (1, 5, 9.98855359e-4, 2.66015666e-4, 1.00493433e-3),
    (1, 10, 3.03190092e-3, 2.64798906e-4, 3.20574886e-3),
    (1, 30, 1.53978568e-2, 2.57397991e-4, 2.53930137e-2),
    (100, 1, 0.0275996883, 0.0250095302, 0.0277766023),
    (100, 5, 0.0662047466, 0.0226990514, 0.0821473927),
    (100, 10, 0.111373386, 0.0199957481, 0.187204994),
    (100, 30, 0.190114113, 0.0152831848, 0.382240933),
    (3000, 1, 0.289902165, 0.279328732, 0.29673465),
    (3000, 5, 0.325298395, 0.215775735, 0.38823822),
    (3000, 10, 0.34931846, 0.172648342, 0.425890498),
    (3000, 30, 0.379409652, 0.118620403, 0.443032942),
    (1e5, 1, 0.438168092, 0.437372445, 0.43887627),
    (1e5, 5, 0.438429964, 0.421699636, 0.443514396),
    (1e5, 10, 0.438876478, 0.394976178, 0.444862271),
    (1e5, 30, 0.439960453, 0.330101203, 0.445402326),
]


def averaged(ln_l, n_nodes, n0, machs, weight, b=1.0 / 3.0):
    means, sigmas = log_normal(machs, b, weight)
    out, outside = np.empty((2, 1, np.size(machs)))
    average_rows(
        np.ascontiguousarray(ln_l)[None], np.log(n_nodes / n0), 1.0, 0.0, np.atleast_1d(means),
        np.atleast_1d(sigmas), out, outside,
    )  # fmt: skip
    return out[0], outside[0]


@pytest.mark.parametrize(
    ("b", "variance"),
    [
        (1.0 / 3.0, [0.105360516, 1.32913595, 2.4941233, 4.61512052]),
        (0.4, [0.148420005, 1.60943791, 2.83321334, 4.97673374]),
        (1.0, [0.693147181, 3.25809654, 4.61512052, 6.80350526]),
    ],
)
def test_width_and_moments(b, variance):
    mean, sigma = log_normal(MACHS, b, "volume")
    np.testing.assert_allclose(sigma**2, variance, rtol=1e-8)
    # moments of the density by one segment over all s: <n>_V = n0, <n^2>_V = <n>_M n0 = (1 + b^2 M^2) n0^2
    everywhere = [
        [segment_integral(0.0, p, -np.inf, np.inf, m, s) for m, s in zip(mean, sigma, strict=True)]
        for p in (0.0, 1.0, 2.0)
    ]
    np.testing.assert_allclose(everywhere[:2], 1.0, rtol=1e-12)
    np.testing.assert_allclose(everywhere[2], 1.0 + (b * MACHS) ** 2, rtol=1e-12)
    mean, sigma = log_normal(MACHS, b, "mass")
    inverse = [segment_integral(0.0, -1.0, -np.inf, np.inf, m, s) for m, s in zip(mean, sigma, strict=True)]
    np.testing.assert_allclose(inverse, 1.0, rtol=1e-12)


def test_square_root_moment():
    mean, sigma = log_normal(MACHS, 1.0 / 3.0, "volume")
    root = [segment_integral(0.0, 0.5, -np.inf, np.inf, m, s) for m, s in zip(mean, sigma, strict=True)]
    np.testing.assert_allclose(root, [0.986916281, 0.846925968, 0.732153262, 0.561642325], rtol=1e-8)


def test_closed_form_reference_value():
    mean, sigma = log_normal(10.0)
    assert segment_integral(-0.3, 0.7, -1.0, 0.5, mean, sigma) == pytest.approx(0.168243570632, rel=1e-11)


@pytest.mark.parametrize("slope", [-9.0, -1.0, 0.0, 0.7, 9.0])
@pytest.mark.parametrize("sigma", [0.1, 1.0, 3.0])
@pytest.mark.parametrize(
    ("low", "high"), [(-1.0, 0.5), (2.0, 3.2), (-6.0, -4.8), (11.9, 12.1), (-25.0, -24.0)]
)
def test_closed_form_is_the_integral(slope, sigma, low, high):
    mean = 0.5 * sigma**2

    def log_integrand(s):
        return slope * s - 0.5 * ((s - mean) / sigma) ** 2 - np.log(sigma * np.sqrt(2.0 * np.pi))

    top = np.clip(mean + slope * sigma**2, low, high)
    shift = log_integrand(top)
    width = 40.0 * min(sigma, 1.0 / max(abs(slope + (mean - top) / sigma**2), 1e-9))
    ends = max(low, top - width), min(high, top + width)
    expected, _ = quad(lambda s: np.exp(log_integrand(s) - shift), *ends, epsabs=0.0, epsrel=1e-11, limit=400)
    # the intercept takes the huge or tiny factor away, as a table of l does not have it
    assert segment_integral(-shift, slope, low, high, mean, sigma) == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("row", BROKEN)
def test_broken_power_law(row):
    n0, weight, *expected = row
    nodes = np.array([1e-2, 3000.0, 1e6])
    values, _ = averaged(np.log(np.minimum(nodes / 3000.0, 1.0)), nodes, n0, MACHS, weight)
    np.testing.assert_allclose(values, expected, rtol=1e-8)


@pytest.mark.parametrize("row", TWO_LEVEL)
def test_two_level_atom(row):
    n0, mach, by_mass, by_volume, at_mean = row
    nodes = 10.0 ** np.arange(-6.0, 14.0, 0.005)

    def excited(n):
        return tl.excited_fraction(100.0, 7.6e-10 * n)

    for weight, expected in (("mass", by_mass), ("volume", by_volume)):
        values, _ = averaged(np.log(excited(nodes)), nodes, n0, mach, weight)
        assert values[0] == pytest.approx(expected, rel=1e-5)
    assert excited(n0 * (1.0 + (mach / 3.0) ** 2)) == pytest.approx(at_mean, rel=1e-7)
    assert by_volume <= excited(n0) <= by_mass <= at_mean


def two_level_grid(log_n=None, columns=None, **changes):
    """A thin grid of the two-level atom at 100 K, the same for every metallicity but for the abundance."""
    log_n = np.linspace(-2.0, 6.0, 17) if log_n is None else log_n
    log_z, log_g0 = np.array([-1.0, 0.0]), np.array([0.0, 1.0])
    log_column = np.linspace(16.0, 24.0, 65) if columns is None else columns
    power = np.log10(c.CARBON_SOLAR * tl.net_power(100.0, 7.6e-10 * 10.0**log_n))
    table = np.broadcast_to(
        (power[:, None] + log_z)[None, :, :, None, None], (1, log_n.size, 2, 2, log_column.size)
    )
    content = {
        "t_cii": np.full(table.shape, 100.0),
        "c_cii": np.full(table.shape, 7.6e-10),
    } | changes
    return LineGrid(log_n, log_z, log_g0, log_column, ("non_ionising",), {CII: table}, **content)


def quadrature(grid, index, log_n0, mach, weight, exponent=0.0, log_column=None):
    """256-node Gauss-Legendre average over +- 8 sigma, between the nodes linear in log-log."""
    mean, sigma = log_normal(mach, 1.0 / 3.0, weight)
    x, w = GAUSS
    s = mean + 8.0 * sigma * x
    log_n = log_n0 + s / LN10
    table = grid.line(CII)[index].astype(float)
    beyond = np.minimum(log_n - grid.log_n[0], 0.0)
    if exponent == 0.0:
        log_l = np.interp(log_n, grid.log_n, table)
    else:
        target = log_column + exponent * s / LN10
        by_column = np.array([np.interp(target, grid.log_column, row) for row in table])
        log_l = np.array([np.interp(log_n[q], grid.log_n, by_column[:, q]) for q in range(256)])
        log_l = log_l - np.maximum(target - grid.log_column[-1], 0.0)
    weights = w * 8.0 * sigma * np.exp(-0.5 * (8.0 * x) ** 2) / (sigma * np.sqrt(2.0 * np.pi))
    return float((weights * 10.0 ** (log_l + beyond)).sum())


def interpolate(table, index, log_n0, mach):
    """Averaged table at one (Z, G0, N) node, any density and Mach number; numpy twin of the kernel's rule."""
    values = table.log_l[index].astype(float)
    at = [np.interp(log_n0, table.log_n, values[:, m]) for m in range(values.shape[1])]
    first = 10.0 ** table.log_mach[0]
    if mach < first:
        share = (mach / first) ** 2
        return (1.0 - share) * 10.0 ** at[0] + share * 10.0 ** at[1]
    return 10.0 ** np.interp(np.log10(mach), table.log_mach, at[1:])


def part_of(grid, variant, z=slice(4, 6), g0=slice(5, 7), column=slice(None)):
    """One variant of [CII] on a part of the axes."""
    pick = (slice(variant, variant + 1), slice(None), z, g0, column)
    axes = (grid.log_n, grid.log_z[z], grid.log_g0[g0], grid.log_column[column])
    return LineGrid(*axes, (grid.variants[variant],), {CII: grid.line(CII)[pick]})


TABLE_ACCURACY = [(0, 0.01, 1.0, 0.003), (1, 0.05, 0.95, 0.004)]


@pytest.mark.parametrize(("variant", "worst", "share", "rms"), TABLE_ACCURACY)
@pytest.mark.parametrize("pdf", ["mass", "volume"])
def test_averaged_table_against_quadrature(slab_grid, pdf, variant, worst, share, rms):
    """Typical gas, from diffuse to molecular clouds, between the nodes in density and Mach number."""
    grid = part_of(slab_grid, variant, slice(3, 8), slice(1, 11, 3), slice(24, 57, 4))
    table = average_over_pdf(grid, CII, pdf)
    rng = np.random.default_rng(7)
    errors = []
    for _ in range(1000):
        index = (0, slice(None), *(rng.integers(0, size) for size in grid.shape[2:]))
        log_n0, mach = rng.uniform(-1.0, 4.0), 10.0 ** rng.uniform(-1.0, 2.0)
        expected = quadrature(grid, index, log_n0, mach, pdf)
        errors.append(interpolate(table, index, log_n0, mach) / expected - 1.0)
    assert np.abs(errors).max() < worst
    assert np.quantile(np.abs(errors), share) < 0.01
    assert np.sqrt(np.mean(np.square(errors))) < rms


def test_nodes_are_exact(slab_grid):
    grid = part_of(slab_grid, 1, column=slice(40, 42))
    table = average_over_pdf(grid, CII)
    index = (0, slice(None), 0, 1, 0)
    for i, m in ((9, 4), (20, 12), (41, 20)):
        expected = quadrature(grid, index, table.log_n[i], 10.0 ** table.log_mach[m], "mass")
        assert 10.0 ** table.log_l[0, i, 0, 1, 0, m + 1] == pytest.approx(expected, rel=2e-3)


@pytest.mark.parametrize(("pdf_column", "exponent"), [("clump", 2.0 / 3.0), ("depth", 1.0)])
def test_columns_that_follow_the_density(slab_grid, pdf_column, exponent):
    grid = part_of(slab_grid, 0)
    table = average_over_pdf(grid, CII, "mass", pdf_column=pdf_column)
    for i, k, m in ((16, 32, 8), (32, 40, 12), (40, 48, 16), (24, 24, 20)):
        index = (0, slice(None), 1, 1)
        expected = quadrature(
            grid, index, table.log_n[i], 10.0 ** table.log_mach[m], "mass", exponent, grid.log_column[k]
        )
        assert 10.0 ** table.log_l[0, i, 1, 1, k, m + 1] == pytest.approx(expected, rel=0.01)


def test_column_does_not_matter_where_the_gas_is_thin():
    tables = [average_over_pdf(two_level_grid(), CII, pdf_column=p).log_l for p in ("cell", "clump")]
    thin = np.s_[:, :, :, :, :20]  # the densest sub-elements stay within the column axis
    np.testing.assert_allclose(tables[0][thin][..., :15], tables[1][thin][..., :15], atol=2e-5)


def test_order_of_the_options():
    grid = two_level_grid()
    none, mass, volume, mean = (
        average_over_pdf(grid, CII, pdf).log_l[0, 4:60, 0, 0, 0].astype(float)
        for pdf in ("none", "mass", "volume", "meanC")
    )
    tolerance = 0.01  # of the log-log table
    assert none.shape[-1] == 1
    assert (volume <= none + tolerance).all()
    assert (none <= mass + tolerance).all()
    assert (mass <= mean + tolerance).all()


def test_share_from_beyond_the_grid():
    """Low densities with a wide PDF reach below the lowest node, high ones beyond the highest."""
    table = average_over_pdf(two_level_grid(), CII, "volume")
    share = table.outside[0, :, 0, 0, 0].astype(float) / 255.0
    assert (share[:, 0] == 0.0).all()
    assert share[0, 1] == pytest.approx(0.5, abs=0.1)  # at the lowest density half of a narrow PDF is below
    assert share[32].max() < 0.01
    assert share[-1, 1] > 0.4
    mean = average_over_pdf(two_level_grid(), CII, "meanC")
    assert mean.outside[0, 32, 0, 0, 0, -1] == 255  # 1e2 cm^-3 times 1 + (316/3)^2
    assert mean.outside[0, 32, 0, 0, 0, 1] == 0


def test_cmb_is_applied_to_nodes_before_the_average():
    # where eta varies with density, the average of eta l is not eta(n0) times the average of l
    grid, z = two_level_grid(np.linspace(-2.0, 6.0, 161), np.array([16.0, 24.0])), 10.0
    table = average_over_pdf(grid, CII, "mass", redshift=z)
    m, i = 13, int(np.argmin(np.abs(table.log_n - 2.0)))
    mean, sigma = log_normal(10.0 ** table.log_mach[m])
    s = mean + sigma * np.linspace(-8.0, 8.0, 4001)
    n = 10.0 ** (table.log_n[i] + s / LN10)
    eta = cmb_attenuation(100.0, 7.6e-10 * n, z)
    p = np.exp(-0.5 * ((s - mean) / sigma) ** 2) / (sigma * np.sqrt(2.0 * np.pi))
    node = c.CARBON_SOLAR * tl.net_power(100.0, 7.6e-10 * n)
    expected = np.trapezoid(p * eta * node, s)
    after = np.trapezoid(p * node, s) * cmb_attenuation(100.0, 7.6e-10 * 1e2, z)
    value = 10.0 ** float(table.log_l[0, i, 1, 0, 0, m + 1])
    assert value == pytest.approx(expected, rel=2e-3)
    assert abs(after / expected - 1.0) > 0.02
    assert (table.redshift, table.note, table.floored) == (z, "", 0.0)


def test_gas_at_the_cmb_is_dark_and_counted():
    grid = two_level_grid(t_cii=np.full((1, 17, 2, 2, 65), 15.0))
    bright, dark = (average_over_pdf(grid, CII, "none", redshift=z) for z in (None, 8.0))
    np.testing.assert_allclose(dark.log_l - bright.log_l, -3.0, atol=1e-5)
    assert (bright.floored, dark.floored) == (0.0, 1.0)


def test_cmb_is_not_applied_silently_wrong(slab_grid):
    grid = two_level_grid(t_cii=None, c_cii=None)
    with pytest.raises(InputError, match="T_CII"):
        average_over_pdf(grid, CII, redshift=6.0)
    with pytest.raises(InputError, match="contain the CMB"):
        average_over_pdf(two_level_grid(cmb_in_grid=True), CII, redshift=6.0)
    oxygen = average_over_pdf(slab_grid, OI_63, "none", redshift=6.0)
    assert oxygen.redshift is None
    assert OI_63 in oxygen.note


def test_threads_give_the_same_table():
    one, two = (average_over_pdf(two_level_grid(), CII, workers=w).log_l for w in (1, 2))
    assert (one == two).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pdf": "masses"}, "did you mean 'mass'"),
        ({"b": 0.0}, "forcing"),
        ({"b": float("nan")}, "forcing"),
        ({"pdf_column": "cells"}, "did you mean 'cell'"),
    ],
)
def test_wrong_options(options, message):
    with pytest.raises(InputError, match=message):
        average_over_pdf(two_level_grid(), CII, **options)
