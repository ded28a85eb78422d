"""The log-normal density distribution: reference tables, closed form, and the averaged table."""

import itertools

import numpy as np
import pytest
from scipy.integrate import quad

from simpost.core import constants as c
from simpost.core.errors import InputError
from simpost.emission import two_level as tl
from simpost.emission.axes import Axis, standard_axis
from simpost.emission.cmb import cmb_attenuation
from simpost.emission.density_pdf import EMISSION_UNIT, average_over_pdf
from simpost.emission.density_pdf_kernels import average_rows, segment_integral
from simpost.emission.exact import exact_emission
from simpost.emission.grid import LineGrid
from simpost.emission.lines import CII, OI_63
from simpost.emission.log_normal import density_weights, log_normal_mean, log_normal_width
from simpost.emission.luminosity import line_luminosity

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


def log_normal(mach, b=1.0 / 3.0, weight="mass"):
    """Mean and width."""
    width = log_normal_width(mach, b)
    return log_normal_mean(width, weight), width


def averaged(ln_l, n_nodes, n0, machs, weight, b=1.0 / 3.0):
    means, sigmas = (np.atleast_1d(x) for x in log_normal(machs, b, weight))
    out, outside = np.empty((2, means.size))
    rows = np.repeat(ln_l[None], means.size, axis=0)
    ln_n = np.full(means.size, np.log(n0))
    average_rows(rows, np.log(n_nodes), ln_n, 1.0, 0.0, means, sigmas, out, outside)
    return out, outside


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
    nodes = {
        "log_n": log_n,
        "log_z": [-1.0, 0.0],
        "log_g0": [0.0, 1.0],
        "log_column": np.linspace(16.0, 24.0, 65) if columns is None else columns,
    }
    axes = {name: standard_axis(name, x) for name, x in nodes.items()}
    power = np.log10(c.CARBON_SOLAR * tl.net_power(100.0, 7.6e-10 * 10.0**log_n))
    shape = (1, *(axis.nodes.size for axis in axes.values()))
    table = np.broadcast_to((power[:, None] + axes["log_z"].nodes)[None, :, :, None, None], shape)
    content = {"t_cii": np.full(shape, 100.0), "c_cii": np.full(shape, 7.6e-10)} | changes
    return LineGrid(axes=axes, variants=("non_ionising",), emission={CII: table}, **content)


def log_l(table):
    """log10 l [erg/s per H] of a table of one variant: (n, Z, G0, N, width)."""
    return table.log2_l[..., 0].astype(float) * np.log10(2.0) + np.log10(EMISSION_UNIT)


def quadrature(grid, line, cell, mach, weight, exponent=0.0):
    """256-node Gauss-Legendre average over +- 8 sigma of a grid of one variant, multilinear in log l."""
    mean, sigma = log_normal(mach, 1.0 / 3.0, weight)
    x, w = GAUSS
    s = mean + 8.0 * sigma * x
    place = {name: np.full(s.size, np.log10(cell[name])) for name in grid.axes}
    place["log_n"] = place["log_n"] + s / LN10
    place["log_column"] = place["log_column"] + exponent * s / LN10
    low, share, beyond = [], [], np.zeros(s.size)
    for name, axis in grid.axes.items():
        at, nodes = place[name], axis.nodes
        low.append(np.clip(np.searchsorted(nodes, at, side="right") - 1, 0, nodes.size - 2))
        step = nodes[low[-1] + 1] - nodes[low[-1]]
        share.append(np.clip((at - nodes[low[-1]]) / step, 0.0, 1.0))
        beyond += axis.below * np.minimum(at - nodes[0], 0.0) + axis.above * np.maximum(at - nodes[-1], 0.0)
    values = np.zeros(s.size)
    for corner in itertools.product((0, 1), repeat=len(low)):
        weight = np.prod([f if up else 1.0 - f for f, up in zip(share, corner, strict=True)], axis=0)
        values += weight * grid.line(line)[0][tuple(i + up for i, up in zip(low, corner, strict=True))]
    weights = w * 8.0 * sigma * np.exp(-0.5 * (8.0 * x) ** 2) / (sigma * np.sqrt(2.0 * np.pi))
    return float((weights * 10.0 ** (values + beyond)).sum())


def random_cells(size, seed=7):
    """Typical gas, from diffuse to molecular clouds: values by axis, and Mach numbers."""
    rng = np.random.default_rng(seed)
    ranges = {"log_n": (-1.0, 4.0), "log_z": (-1.5, 0.3), "log_g0": (-0.5, 4.0), "log_column": (19.0, 23.0)}
    cells = {name: 10.0 ** rng.uniform(*span, size) for name, span in ranges.items()}
    return cells, 10.0 ** rng.uniform(-0.5, 2.0, size)


def one_variant(grid, variant):
    """[CII] of one variant."""
    table = grid.line(CII)[variant : variant + 1]
    return LineGrid(axes=grid.axes, variants=(grid.variants[variant],), emission={CII: table})


@pytest.mark.parametrize("weight", ["mass", "volume"])
@pytest.mark.parametrize("exponent", [-1.0, 0.0, 1.0])
def test_weights_integrate_polynomials_and_their_tails(weight, exponent):
    """Moments of exp(exponent s) over the whole axis: fine nodes inside, the slope of the ends beyond."""
    width = np.array([0.0, 0.3, 1.0, 2.5])
    mean = log_normal_mean(width, weight)
    for ends in ((-1.0, 2.0), (-12.0, 14.0), (0.5, 3.0), (-3.0, -0.5)):
        s = np.linspace(*ends, 4001)
        inside, beyond = density_weights(s, mean, width, exponent, exponent)
        f = np.exp(exponent * s)
        found = f @ inside + f[[0, -1]] @ beyond
        np.testing.assert_allclose(found, np.exp(exponent * mean + 0.5 * (exponent * width) ** 2), rtol=1e-5)
        np.testing.assert_allclose(
            inside.sum(axis=0) + density_weights(s, mean, width, 0.0, 0.0)[1].sum(axis=0), 1.0, rtol=1e-12
        )
        assert (inside > -1e-13).all()


@pytest.mark.parametrize(("pdf_column", "exponent"), [("cell", 0.0), ("clump", 2.0 / 3.0), ("depth", 1.0)])
@pytest.mark.parametrize("pdf", ["mass", "volume"])
def test_exact_path_is_the_quadrature(slab_grid, pdf, pdf_column, exponent):
    cells, mach = random_cells(60)
    for variant in (0, 1):
        grid = one_variant(slab_grid, variant)
        found = exact_emission(
            grid, grid.line(CII), cells, log_normal_width(mach), np.zeros(60, int), pdf, pdf_column
        )
        expected = [
            quadrature(grid, CII, {name: x[i] for name, x in cells.items()}, mach[i], pdf, exponent)
            for i in range(60)
        ]
        # the quadrature meets kinks at nodes of the grid: a few 1e-4; the diagonal is followed in steps
        np.testing.assert_allclose(found, expected, rtol=2e-3 if exponent == 0.0 else 6e-3)


@pytest.mark.parametrize(("variant", "worst", "p99", "rms"), [(0, 0.02, 0.01, 0.004), (1, 0.15, 0.03, 0.008)])
def test_table_against_the_exact_path(slab_grid, variant, worst, p99, rms):
    """Between all nodes. The ionised layer ends between two of them: there the table is off most."""
    cells, mach = random_cells(4000, seed=variant)
    grid = one_variant(slab_grid, variant)
    exact = exact_emission(grid, grid.line(CII), cells, log_normal_width(mach), np.zeros(4000, int))
    table = average_over_pdf(grid, CII)
    found = line_luminosity(table, *cells.values(), mach, variant == 1, c.L_SUN).luminosity
    error = np.abs(found / exact - 1.0)
    assert error.max() < worst
    assert np.quantile(error, 0.99) < p99
    assert np.sqrt(np.mean(error**2)) < rms


@pytest.mark.parametrize(("pdf_column", "exponent"), [("clump", 2.0 / 3.0), ("depth", 1.0)])
def test_table_of_columns_that_follow_the_density(slab_grid, pdf_column, exponent):
    grid = one_variant(slab_grid, 0)
    pick = {"log_n": slice(None), "log_z": slice(4, 6), "log_g0": slice(5, 7), "log_column": slice(None)}
    axes = {name: axis._replace(nodes=axis.nodes[pick[name]]) for name, axis in grid.axes.items()}
    small = LineGrid(
        axes=axes, variants=grid.variants, emission={CII: grid.line(CII)[0][tuple(pick.values())][None]}
    )
    cells, mach = random_cells(200)
    cells["log_z"], cells["log_g0"] = (10.0 ** np.full(200, small.nodes(a)[0]) for a in ("log_z", "log_g0"))
    exact = exact_emission(
        small, small.line(CII), cells, log_normal_width(mach), np.zeros(200, int), "mass", pdf_column
    )
    table = average_over_pdf(small, CII, pdf_column=pdf_column)
    found = line_luminosity(table, *cells.values(), mach, False, c.L_SUN).luminosity
    np.testing.assert_allclose(found, exact, rtol=0.03)
    assert np.sqrt(np.mean((found / exact - 1.0) ** 2)) < 0.006


def test_column_does_not_matter_where_the_gas_is_thin():
    tables = [log_l(average_over_pdf(two_level_grid(), CII, pdf_column=p)) for p in ("cell", "clump")]
    thin = np.s_[:, :, :, :20, :10]  # the densest sub-elements stay within the column axis
    np.testing.assert_allclose(tables[0][thin], tables[1][thin], atol=2e-5)


def test_order_of_the_options():
    grid = two_level_grid()
    rng = np.random.default_rng(5)
    n, mach = 10.0 ** rng.uniform(-1.0, 5.0, 500), 10.0 ** rng.uniform(-1.0, 2.0, 500)
    none, mass, volume, mean = (
        line_luminosity(average_over_pdf(grid, CII, pdf), n, 1.0, 1.0, 1e18, mach, False, 1e60).luminosity
        for pdf in ("none", "mass", "volume", "meanC")
    )
    tolerance = 1.02  # of the log-log table
    assert (volume <= none * tolerance).all()
    assert (none <= mass * tolerance).all()
    assert (mass <= mean * tolerance).all()


@pytest.mark.parametrize("variant", [0, 1])
def test_one_clumping_factor_is_the_grid_at_the_clumped_density(slab_grid, variant):
    cells, mach = random_cells(1000)
    grid = one_variant(slab_grid, variant)
    exact = exact_emission(
        grid, grid.line(CII), cells, log_normal_width(mach), np.zeros(1000, int), pdf="meanC"
    )
    table = average_over_pdf(grid, CII, "meanC")
    found = line_luminosity(table, *cells.values(), mach, variant == 1, c.L_SUN / EMISSION_UNIT).luminosity
    np.testing.assert_allclose(found * EMISSION_UNIT, exact, rtol=3e-4)


def test_no_width_is_no_structure():
    grid = two_level_grid()
    tables = [log_l(average_over_pdf(grid, CII, pdf))[..., 0] for pdf in ("none", "mass", "volume", "meanC")]
    for table in tables[1:]:
        np.testing.assert_allclose(table, tables[0], atol=2e-5)


def test_share_from_beyond_the_grid():
    """Low densities with a wide PDF reach below the lowest node, high ones beyond the highest."""
    table = average_over_pdf(two_level_grid(), CII, "volume")
    share = table.outside[:, 0, 0, 0, :, 0].astype(float) / 255.0
    assert share[6, 1] == pytest.approx(0.5, abs=0.1)  # at the lowest density half of a narrow PDF is below
    assert share[0, 1] == 1.0  # a dex below, all of it
    assert share[30, :8].max() < 0.01
    assert share[-7, 1] > 0.4
    mean = average_over_pdf(two_level_grid(), CII, "meanC")
    cells = line_luminosity(mean, [1e2, 1e2], 1.0, 1.0, 1e18, [300.0, 3e2 / 1e2], False, 1e60)
    assert cells.pdf_outside.tolist() == [1.0, 0.0]  # 1e2 cm^-3 times 1 + 100^2 is beyond 1e6


@pytest.mark.parametrize("cmb_on", ["node", "cell"])
def test_cmb_is_applied_to_nodes_before_the_average_or_to_the_cell(cmb_on):
    # where eta varies with density, the average of eta l is not eta(n0) times the average of l
    grid, z = two_level_grid(np.linspace(-2.0, 6.0, 161), np.array([16.0, 24.0])), 10.0
    table = average_over_pdf(grid, CII, "mass", redshift=z, cmb_on=cmb_on)
    m, i = 8, int(np.argmin(np.abs(table.axes["log_n"].nodes - 2.0)))
    sigma = table.widths[m]
    mean = log_normal_mean(sigma)
    s = mean + sigma * np.linspace(-8.0, 8.0, 4001)
    n = 10.0 ** (table.axes["log_n"].nodes[i] + s / LN10)
    eta = cmb_attenuation(100.0, 7.6e-10 * n, z)
    p = np.exp(-0.5 * ((s - mean) / sigma) ** 2) / (sigma * np.sqrt(2.0 * np.pi))
    node = c.CARBON_SOLAR * tl.net_power(100.0, 7.6e-10 * n)
    before = np.trapezoid(p * eta * node, s)
    after = np.trapezoid(p * node, s) * cmb_attenuation(100.0, 7.6e-10 * 1e2, z)
    value = 10.0 ** log_l(table)[i, -1, 0, 0, m]
    assert value == pytest.approx(before if cmb_on == "node" else after, rel=2e-3, abs=0.0)
    assert abs(after / before - 1.0) > 0.02
    assert (table.redshift, table.note, table.floored) == (z, "", 0.0)


def test_gas_at_the_cmb_is_dark_and_counted():
    grid = two_level_grid(t_cii=np.full((1, 17, 2, 2, 65), 15.0))
    bright, dark = (average_over_pdf(grid, CII, "none", redshift=z) for z in (None, 8.0))
    np.testing.assert_allclose(log_l(dark) - log_l(bright), -3.0, atol=1e-5)
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
    one, two = (average_over_pdf(two_level_grid(), CII, workers=w).log2_l for w in (1, 2))
    assert (one == two).all()


def test_order_of_the_axes_does_not_matter():
    grid = two_level_grid()
    names = ["log_column", "log_n", "log_g0", "log_z"]
    order = [0, *(grid.number(name) for name in names)]
    turned = LineGrid(
        axes={name: grid.axes[name] for name in names},
        variants=grid.variants,
        emission={CII: np.transpose(grid.line(CII), order)},
    )
    cells, mach = random_cells(50)
    one, two = (
        line_luminosity(average_over_pdf(g, CII), *cells.values(), mach, False, c.L_SUN).luminosity
        for g in (grid, turned)
    )
    np.testing.assert_allclose(one, two, rtol=1e-5)


def test_any_number_of_axes():
    """Density alone, or without a column; an axis that cells do not have needs a value."""
    log_n = np.linspace(-2.0, 6.0, 17)
    power = np.log10(c.CARBON_SOLAR * tl.net_power(100.0, 7.6e-10 * 10.0**log_n))
    cells, mach = random_cells(50)
    few = LineGrid(
        axes={"log_n": standard_axis("log_n", log_n)}, variants=("non_ionising",), emission={CII: power[None]}
    )
    full = two_level_grid()
    found, expected = (
        line_luminosity(average_over_pdf(g, CII), *cells.values(), mach, False, c.L_SUN).luminosity
        for g in (few, full)
    )
    np.testing.assert_allclose(found * np.minimum(cells["log_z"], 1.0), expected, rtol=1e-5)
    with pytest.raises(InputError, match=r"pdf_column.*no column axis"):
        average_over_pdf(few, CII, pdf_column="clump")
    rays = {"log_cosmic_rays": Axis(np.array([-16.0, -15.0]), "log10 s^-1", 0.0, 0.0)}
    more = LineGrid(
        axes=dict(few.axes) | rays,
        variants=few.variants,
        emission={CII: np.stack([few.line(CII), few.line(CII) + 1.0], axis=-1)},
    )
    with pytest.raises(InputError, match=r"log_cosmic_rays.*set emission.at: \{log_cosmic_rays: value\}"):
        average_over_pdf(more, CII)
    table = average_over_pdf(more.at("log_cosmic_rays", -15.0), CII)
    brighter = line_luminosity(table, *cells.values(), mach, False, c.L_SUN).luminosity
    np.testing.assert_allclose(brighter, 10.0 * found, rtol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pdf": "masses"}, "did you mean 'mass'"),
        ({"cmb_on": "nodes"}, "did you mean 'node'"),
        ({"pdf_column": "cells"}, "did you mean 'cell'"),
    ],
)
def test_wrong_options(options, message):
    with pytest.raises(InputError, match=message):
        average_over_pdf(two_level_grid(), CII, **options)


def test_correction_by_the_cells_own_state_is_left_to_the_caller_and_noted():
    grid = two_level_grid(t_cii=None, c_cii=None)
    table = average_over_pdf(grid, CII, "none", redshift=6.0, cmb_on="cell")
    assert (table.redshift, table.redshift_of_cells) == (None, 6.0)
    assert "each cell's own temperature" in table.note
    plain = average_over_pdf(grid, CII, "none")
    assert plain.redshift_of_cells is None
    np.testing.assert_array_equal(table.log2_l, plain.log2_l)
