import numpy as np
import pytest

from simpost.core import constants as c
from simpost.core.errors import InputError
from simpost.core.units import MASS_DENSITY_CGS
from simpost.ism import column as col


def density_of(n_H):
    return n_H * c.M_H / 0.76 / MASS_DENSITY_CGS


def test_cell_column():
    assert float(col.cell_column(100, 0.03)) == pytest.approx(9.257033e21, rel=1e-7)


# reference values: (mu = 1.27; the second printed for the same mu)
@pytest.mark.parametrize(
    ("n", "temperature", "length_pc", "column"),
    [(100, 100, 15.590436, 4.810706e21), (1e3, 50, 3.486127, 1.075707e22)],
)
def test_jeans_column(n, temperature, length_pc, column):
    length = col.jeans_length(temperature, 1.27, density_of(n))
    assert float(length) * 1e3 == pytest.approx(length_pc, abs=5e-7)
    assert float(col.hydrogen_column("jeans", n, 0.03, jeans=length)[0]) == pytest.approx(column, abs=5e15)


def test_cell_jeans_takes_the_smaller():
    n, size, jeans = np.array([1.0, 1.0]), np.array([0.1, 0.1]), np.array([0.01, 1.0])
    column, replaced = col.hydrogen_column("cell_jeans", n, size, jeans=jeans)
    np.testing.assert_allclose(column, np.array([0.01, 0.1]) * c.KPC, rtol=1e-14)
    assert not replaced.any()


def test_sobolev_of_an_exponential_is_its_scale_length():
    x = np.array([0.0, 0.5, 2.0])
    density = np.exp(-x / 0.2)
    gradient = np.zeros((3, 3))
    gradient[:, 1] = -density / 0.2
    length, undefined = col.sobolev_length(density, gradient)
    np.testing.assert_allclose(length, 0.2, rtol=1e-14)
    column, _ = col.hydrogen_column("sobolev", np.full(3, 5.0), np.ones(3), sobolev=length)
    np.testing.assert_allclose(column, c.KPC, rtol=1e-14)
    assert not undefined.any()


def test_sobolev_without_a_scale_takes_the_cell_column():
    gradient = np.array([[0.0, 0.0, 0.0], [np.nan] * 3, [1.0, 0.0, 0.0]])
    length, undefined = col.sobolev_length(np.ones(3), gradient)
    assert undefined.tolist() == [True, True, False]
    column, replaced = col.hydrogen_column("sobolev", np.full(3, 2.0), np.full(3, 0.1), sobolev=length)
    assert replaced.tolist() == [True, True, False]
    np.testing.assert_allclose(column, np.array([0.2, 0.2, 2.0]) * c.KPC, rtol=1e-14)


def test_neutral_surface_density():
    # reference values: 1e22 H/cm^2 = 8.013632e7 Msun/kpc^2 of hydrogen
    assert float(col.neutral_surface_density(1e22, 1.0, 1.0)) == pytest.approx(80.13632, rel=1e-7)
    assert float(col.neutral_surface_density(1e22, 0.5)) == pytest.approx(80.13632 / 1.52, rel=1e-7)


def test_dust():
    z = np.array([1.0, 0.3, 0.1, 0.03])
    np.testing.assert_allclose(1 / col.dust_to_gas(z, "rr14"), [162.18, 540.60, 11481.5, 479650], rtol=2e-5)
    np.testing.assert_allclose(col.dust_to_gas(z), z / 162, rtol=1e-15)
    assert col.dust_to_gas(np.zeros(2), "rr14").tolist() == [0.0, 0.0]
    assert col.dust_to_gas(np.zeros(1)).tolist() == [0.0]


def test_bad_input():
    with pytest.raises(InputError, match="did you mean"):
        col.hydrogen_column("cel", 1.0, 1.0)
    with pytest.raises(InputError, match="no length"):
        col.hydrogen_column("jeans", 1.0, 1.0)
    with pytest.raises(InputError, match="dust"):
        col.dust_to_gas(1.0, "none")
    with pytest.raises(InputError, match="z_solar"):
        col.dust_to_gas(-1.0)
    with pytest.raises(InputError, match="size"):
        col.cell_column(1.0, 0.0)
