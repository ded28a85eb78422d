"""Cell luminosities: a slow twin, the reference cells, policies beyond the axes, marks, wrong input."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.interpolate import RegularGridInterpolator

from simpost.core import constants as c
from simpost.core.errors import InputError
from simpost.emission.axes import REFUSE, standard_axis
from simpost.emission.density_pdf import EMISSION_UNIT, average_over_pdf
from simpost.emission.exact import exact_emission
from simpost.emission.grid import LineGrid
from simpost.emission.lines import CII
from simpost.emission.log_normal import log_normal_mean, log_normal_width
from simpost.emission.luminosity import FLAGS, line_luminosity, table_marks
from simpost.emission.slab import slab_model

# n, Dx [pc], Z, G0, M, N, M_gas [Msun], L none, mass, volume, meanC [Lsun]
CELLS = [
    (100, 30, 0.5, 100, 10, 9.257033e21, 9.079933e4, 1857.6, 3149.3, 1316.2, 4421.4),
    (10, 60, 0.1, 10, 5, 1.851407e21, 7.263946e4, 135.25, 199.24, 108.34, 247.92),
    (1000, 15, 1, 1000, 20, 4.628516e22, 1.134992e5, 2640.5, 3325.8, 1467.3, 3638.7),
]
PDFS = ("none", "mass", "volume", "meanC")


def slab_per_nucleus(n, z, g0, column, ionising=False):
    model = slab_model(n, z, g0, ionising)
    log_flux = np.interp(np.log10(column), np.log10(model.column), np.log10(model.flux[CII]))
    return 10.0**log_flux / column


def exact_luminosity(n, z, g0, mach, column, nuclei, pdf, ionising=False):
    """Slab solved at every density node: 25 equal steps over +- 6 widths, or one density."""
    clumping = 1.0 + (mach / 3.0) ** 2
    if pdf in ("none", "meanC"):
        return (
            nuclei
            * slab_per_nucleus(n * (clumping if pdf == "meanC" else 1.0), z, g0, column, ionising)
            / c.L_SUN
        )
    sigma = log_normal_width(mach)
    mean = log_normal_mean(sigma, pdf)
    s = mean + sigma * np.linspace(-6.0, 6.0, 25)
    weight = np.exp(-0.5 * ((s - mean) / sigma) ** 2)
    values = [slab_per_nucleus(n * np.exp(x), z, g0, column, ionising) for x in s]
    return nuclei * np.average(values, weights=weight) / c.L_SUN


@pytest.fixture(scope="module")
def tables(slab_grid):
    """Averaged tables on the part of the packaged grid that the reference cells need."""
    pick = {"log_n": slice(None), "log_z": slice(3, 7), "log_g0": slice(3, 9), "log_column": slice(40, 57)}
    axes = {name: axis._replace(nodes=axis.nodes[pick[name]]) for name, axis in slab_grid.axes.items()}
    table = slab_grid.line(CII)[:, *pick.values()]
    grid = LineGrid(axes=axes, variants=slab_grid.variants, emission={CII: table})
    return {pdf: average_over_pdf(grid, CII, pdf) for pdf in PDFS}


@pytest.mark.parametrize("cell", CELLS)
def test_reference_cells_by_slabs_and_by_the_packaged_grid(cell, tables):
    n, dx, z, g0, mach, column, mass, *expected = cell
    side = dx * c.PC
    nuclei = n * side**3
    assert n * side == pytest.approx(column, rel=1e-6)
    assert nuclei * 1.36 * c.M_H / c.M_SUN == pytest.approx(mass, rel=1e-6)
    for pdf, reference in zip(PDFS, expected, strict=True):
        exact = exact_luminosity(n, z, g0, mach, column, nuclei, pdf)
        assert exact == pytest.approx(reference, rel=0.03)
        cells = line_luminosity(tables[pdf], [n], z, g0, column, mach, False, nuclei)
        # half a dex between the nodes costs up to 8 %, always downwards where log l is concave
        assert cells.luminosity[0] == pytest.approx(reference, rel=0.08)
        assert cells.flags[0] == 0


def test_reference_cell_with_ionising_photons(tables):
    nuclei = 100 * (30 * c.PC) ** 3
    for pdf, reference in zip(PDFS, (1907.8, 3176.6, 1341.0, 4432.0), strict=True):
        exact = exact_luminosity(100, 0.5, 100, 10, 9.257033e21, nuclei, pdf, ionising=True)
        assert exact == pytest.approx(reference, rel=0.03)
        cells = line_luminosity(tables[pdf], [100.0], 0.5, 100.0, 9.257033e21, 10.0, True, nuclei)
        assert cells.luminosity[0] == pytest.approx(reference, rel=0.08)


@pytest.mark.parametrize(("ionising", "worst", "rms"), [(False, 0.20, 0.06), (True, 0.60, 0.25)])
def test_packaged_grid_against_slabs_of_random_cells(slab_grid, ionising, worst, rms):
    rng = np.random.default_rng(3)
    n, z, g0, column = (10.0 ** rng.uniform(*r, 60) for r in ((-1, 4), (-1.5, 0.3), (-0.5, 2), (20, 23)))
    table = average_over_pdf(slab_grid, CII, "none")
    cells = line_luminosity(table, n, z, g0, column, 1.0, ionising, c.L_SUN)
    slabs = [slab_per_nucleus(*cell, ionising) for cell in zip(n, z, g0, column, strict=True)]
    error = cells.luminosity / slabs - 1.0
    assert np.abs(error).max() < worst
    assert np.sqrt(np.mean(error**2)) < rms


def toy_grid(uniform=True):
    """Random log l on small axes, equally spaced or not."""
    rng = np.random.default_rng(11)
    nodes = {
        "log_n": np.linspace(0.0, 3.0, 4),
        "log_z": np.linspace(-1.0, 0.0, 3),
        "log_g0": np.linspace(0.0, 2.0, 3),
        "log_column": np.linspace(18.0, 22.0, 5),
    }
    if not uniform:
        nodes = {name: x[0] + (x - x[0]) ** 1.2 / (x[-1] - x[0]) ** 0.2 for name, x in nodes.items()}
    axes = {name: standard_axis(name, x) for name, x in nodes.items()}
    shape = (2, *(x.size for x in nodes.values()))
    table = -25.0 + rng.uniform(-1.0, 1.0, shape)
    return LineGrid(axes=axes, variants=("non_ionising", "ionising"), emission={CII: table})


def slow_luminosity(table, cells, mach, ionising, nuclei, b=1.0 / 3.0):
    """The cells by scipy's float64 interpolation, with the policies beyond the ends."""
    extra, places = 0.0, []
    for axis, x in zip(table.axes.values(), np.log10(cells), strict=True):
        first, last = axis.nodes[[0, -1]]
        extra = extra + axis.below * np.minimum(x - first, 0.0) + axis.above * np.maximum(x - last, 0.0)
        places.append(np.clip(x, first, last))
    nodes, values = [axis.nodes for axis in table.axes.values()], table.log2_l.astype(float)
    if table.pdf == "none":
        values = values[..., 0, :]
    else:
        nodes.append(table.widths)
        places.append(np.minimum(np.sqrt(np.log(1.0 + (b * mach) ** 2)), table.widths[-1]))
    both = RegularGridInterpolator(nodes, values)(np.stack(places, axis=-1))
    log2_l = np.where(ionising, both[:, 1], both[:, 0])
    return nuclei * EMISSION_UNIT * 2.0**log2_l * 10.0**extra / c.L_SUN


@pytest.mark.parametrize(("uniform", "pdf"), [(True, "mass"), (False, "mass"), (True, "none")])
@pytest.mark.parametrize("size", [1, 511, 1537])
def test_kernel_against_its_slow_twin(uniform, pdf, size):
    table = average_over_pdf(toy_grid(uniform), CII, pdf)
    rng = np.random.default_rng(2)
    ranges = ((-1, 4), (-2, 1), (-1, 3), (17, 23), (-4, 3))
    cells = np.array([10.0 ** rng.uniform(*r, size) for r in ranges])
    cells[:, :20] = 10.0 ** np.array([0.0, -1.0, 0.0, 18.0, -0.5])[:, None]  # on the lowest nodes
    cells[:, 20:40] = 10.0 ** np.array([3.0, 0.0, 2.0, 22.0, 2.5])[:, None]  # on the highest
    ionising = rng.random(size) < 0.5
    nuclei = 10.0 ** rng.uniform(58, 62, size)
    found = line_luminosity(table, *cells, ionising, nuclei).luminosity
    expected = slow_luminosity(table, cells[:4], cells[4], ionising, nuclei)
    np.testing.assert_allclose(found, expected, rtol=2e-5)


def test_b_is_a_factor_of_the_mach_number(toy):
    for b in (0.01, 0.4, 1.0):
        one, two = luminosity(toy, mach=3.0, b=b), luminosity(toy, mach=9.0 * b)
        assert one.luminosity == pytest.approx(two.luminosity, rel=1e-5)


def test_unequal_steps_are_resampled_on_finer_equal_ones(slab_grid):
    pick = [0, 1, 2, 4, 5, 7, 9, 12, 13, 16]
    axes = dict(slab_grid.axes)
    axes["log_n"] = axes["log_n"]._replace(nodes=axes["log_n"].nodes[pick])
    grid = LineGrid(axes=axes, variants=slab_grid.variants, emission={CII: slab_grid.line(CII)[:, pick]})
    table = average_over_pdf(grid, CII, "none")
    steps = np.diff(table.axes["log_n"].nodes)
    np.testing.assert_allclose(steps, steps[0])
    n = np.geomspace(1e-2, 1e6, 300)
    found = line_luminosity(table, n, 0.1, 100.0, 1e21, 1.0, False, c.L_SUN).luminosity
    row = grid.line(CII)[0, :, 4, 6, 40].astype(float)
    np.testing.assert_allclose(found, 10.0 ** np.interp(np.log10(n), grid.nodes("log_n"), row), rtol=0.03)


def test_policy_to_refuse(toy):
    axes = dict(toy.axes)
    axes["log_g0"] = axes["log_g0"]._replace(above=REFUSE)
    strict = replace(toy, axes=axes)
    assert luminosity(strict, g0=100.0).luminosity == luminosity(toy, g0=100.0).luminosity
    assert luminosity(strict, g0=0.1).luminosity == luminosity(toy, g0=0.1).luminosity
    with pytest.raises(InputError, match="log_g0: found 1 of 1 cells above 2, expected none"):
        luminosity(strict, g0=101.0)
    assert luminosity(strict, g0=101.0, dark=True).luminosity == 0.0  # it would not shine anyway


def test_interpolating_flux_or_flux_per_column_is_the_same():
    grid = toy_grid()
    as_flux = LineGrid(
        axes=dict(grid.axes) | {"log_column": grid.axes["log_column"]._replace(above=0.0)},
        variants=grid.variants,
        emission={CII: grid.line(CII).astype(float) + grid.nodes("log_column") - 20.0},
    )
    column = np.geomspace(1e18, 1e22, 50)
    per_nucleus, flux = (
        line_luminosity(
            average_over_pdf(g, CII, "none"), np.full(50, 30.0), 0.3, 5.0, column, 1.0, False, 1.0
        )
        for g in (grid, as_flux)
    )
    np.testing.assert_allclose(per_nucleus.luminosity * column / 1e20, flux.luminosity, rtol=1e-5)


@pytest.fixture(scope="module")
def toy():
    return average_over_pdf(toy_grid(), CII, "mass")


INSIDE = {"n_H": 30.0, "z_solar": 0.3, "g0": 5.0, "column": 1e20, "mach": 3.0}


def luminosity(table, **changes):
    extra = {
        k: changes.pop(k)
        for k in list(changes)
        if k in ("ionising", "hydrogen_nuclei", "dark", "illumination", "b")
    }
    cell = {name: np.atleast_1d(float(v)) for name, v in (INSIDE | changes).items()}
    return line_luminosity(table, **cell, **({"ionising": False, "hydrogen_nuclei": 1e60} | extra))


@pytest.mark.parametrize(
    ("name", "edge", "factor", "ratio", "flag"),
    [
        ("n_H", 1.0, 0.1, 0.1, "density_low"),
        ("n_H", 1e3, 10.0, 1.0, "density_high"),
        ("z_solar", 0.1, 0.1, 0.1, "metallicity_low"),
        ("z_solar", 1.0, 10.0, 1.0, "metallicity_high"),
        ("g0", 1.0, 0.1, 1.0, "field_low"),
        ("g0", 1e2, 10.0, 1.0, "field_high"),
        ("column", 1e18, 0.1, 1.0, "column_low"),
        ("column", 1e22, 10.0, 0.1, "column_high"),
        ("mach", 3.0 * np.sqrt(np.expm1(3.39**2)), 10.0, 1.0, "mach_high"),
    ],
)
def test_beyond_the_axes(toy, name, edge, factor, ratio, flag):
    # a distribution of densities reaches back into the grid: that is test_cells_beyond_the_densities
    table = toy if name == "mach" else average_over_pdf(toy_grid(), CII, "none")
    inside, beyond = luminosity(table, **{name: edge}), luminosity(table, **{name: edge * factor})
    near = 0.05 if name == "mach" else 1e-5  # just inside the widest distribution
    assert beyond.luminosity[0] / inside.luminosity[0] == pytest.approx(ratio, rel=near)
    assert inside.flags[0] == 0
    assert beyond.flags[0] == 1 << FLAGS.index(flag)


@pytest.mark.parametrize("pdf", ["mass", "volume"])
def test_cells_up_to_a_dex_beyond_the_densities(slab_grid, pdf):
    """Their distribution reaches back into the grid, here one from 0.1 to 1e4 cm^-3."""
    part = slice(2, 13)
    axes = dict(slab_grid.axes)
    axes["log_n"] = axes["log_n"]._replace(nodes=axes["log_n"].nodes[part])
    grid = LineGrid(axes=axes, variants=slab_grid.variants, emission={CII: slab_grid.line(CII)[:, part]})
    rng = np.random.default_rng(4)
    n = 10.0 ** np.concatenate([rng.uniform(-2.0, -1.0, 200), rng.uniform(4.0, 5.0, 200)])
    cells = {"log_n": n} | {
        name: 10.0 ** rng.uniform(*span, 400)
        for name, span in (("log_z", (-1.5, 0.0)), ("log_g0", (0.0, 3.0)), ("log_column", (19.0, 22.0)))
    }
    mach = 10.0 ** rng.uniform(0.0, 1.5, 400)
    exact = exact_emission(grid, grid.line(CII), cells, log_normal_width(mach), np.zeros(400, int), pdf)
    found = line_luminosity(
        average_over_pdf(grid, CII, pdf), *cells.values(), mach, False, c.L_SUN / EMISSION_UNIT
    )
    error = found.luminosity * EMISSION_UNIT / exact - 1.0
    assert np.abs(error).max() < 0.05
    assert np.sqrt(np.mean(error**2)) < 0.01
    assert ((found.flags & 3) > 0).all()


@pytest.mark.parametrize(
    ("changes", "flag"),
    [
        ({"n_H": 0.0}, "no_density"),
        ({"n_H": -1.0}, "no_density"),
        ({"z_solar": 0.0}, "no_metals"),
        ({"dark": True}, "dark"),
    ],
)
def test_cells_that_emit_nothing(toy, changes, flag):
    cells = luminosity(toy, **changes)
    assert cells.luminosity[0] == 0.0
    assert cells.flags[0] == 1 << FLAGS.index(flag)


def test_no_field_no_column_no_turbulence(toy):
    assert luminosity(toy, g0=0.0).luminosity == pytest.approx(luminosity(toy, g0=1.0).luminosity)
    assert luminosity(toy, column=0.0).luminosity == pytest.approx(luminosity(toy, column=1e18).luminosity)
    still = average_over_pdf(toy_grid(), CII, "none")
    assert luminosity(toy, mach=0.0).luminosity == pytest.approx(luminosity(still).luminosity, rel=1e-5)


def test_illumination(toy):
    two = luminosity(toy, illumination="two_sided")
    assert two.luminosity == pytest.approx(luminosity(toy, column=0.5e20).luminosity, rel=1e-12)


def test_luminosity_is_extensive_and_keeps_the_shape(toy):
    n = np.full((2, 3), 30.0)
    cells = line_luminosity(toy, n, 0.3, 5.0, 1e20, 3.0, False, 1e60)
    assert cells.luminosity.shape == cells.flags.shape == cells.pdf_outside.shape == (2, 3)
    double = line_luminosity(toy, n, 0.3, 5.0, 1e20, 3.0, False, 2e60)
    np.testing.assert_allclose(double.luminosity, 2.0 * cells.luminosity, rtol=1e-12)


def test_share_from_beyond_the_grid_follows_the_density(toy):
    edge, middle = luminosity(toy, n_H=1.0, mach=1.0), luminosity(toy, n_H=30.0, mach=0.3)
    assert 0.2 < edge.pdf_outside[0] < 0.6
    assert middle.pdf_outside[0] == 0.0


def test_marks(toy):
    n = np.array([0.1, 30.0, 0.0, 30.0])
    cells = line_luminosity(toy, n, 0.3, [5.0, 5.0, 5.0, 1e4], 1e20, 3.0, False, 1e60)
    marks = table_marks(cells)
    assert marks["density_low"].tolist() == [True, False, False, False]
    assert marks["no_density"].tolist() == [False, False, True, False]
    assert marks["field_high"].tolist() == [False, False, False, True]
    assert marks["beyond_table"].tolist() == [True, False, False, True]
    assert not marks["mach_high"].any()
    np.testing.assert_array_equal(marks["pdf_outside"], cells.pdf_outside)


@pytest.mark.parametrize("name", ["n_H", "z_solar", "g0", "column", "mach", "hydrogen_nuclei"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_not_finite(toy, name, value):
    with pytest.raises(InputError, match=f"^{name}: found 1 of 1 values NaN"):
        luminosity(toy, **{name: np.array([value]) if name == "hydrogen_nuclei" else value})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"g0": -1.0}, "g0: found a lowest value of -1"),
        ({"hydrogen_nuclei": np.ones(3)}, "hydrogen_nuclei: found shape"),
        ({"illumination": "two-sided"}, "did you mean 'two_sided'"),
    ],
)
def test_wrong_input(toy, changes, message):
    with pytest.raises(InputError, match=message):
        luminosity(toy, **changes)


def test_missing_variant(toy):
    plain = replace(toy, variants=("non_ionising",))
    assert luminosity(plain).luminosity == luminosity(toy).luminosity
    with pytest.raises(InputError, match="variant ionising"):
        luminosity(plain, ionising=True)
    flipped = replace(
        toy,
        variants=toy.variants[::-1],
        packed=toy.packed[..., ::-1].copy(),
        outside=toy.outside[..., ::-1].copy(),
    )
    for ionising in (False, True):
        assert (
            luminosity(flipped, ionising=ionising).luminosity == luminosity(toy, ionising=ionising).luminosity
        )


def test_forcing_parameter_is_checked(toy):
    for b in (0.0, 1.1, np.nan):
        with pytest.raises(InputError, match="forcing"):
            luminosity(toy, b=b)
