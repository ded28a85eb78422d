"""The built-in slab: acceptance rows of the specification, limits, and a slow twin of its balance."""

import math

import numpy as np
import pytest
from scipy.optimize import brentq

from simpost.core import constants as c
from simpost.core.errors import InputError
from simpost.emission import slab_kernels as kernels
from simpost.emission import two_level as tl
from simpost.emission.lines import CII, OI_63
from simpost.emission.slab import ionisation_parameter, ionised_column, slab_model

# n, Z, G0, T at log N = 19, 21, 22, N_C+ at 21, 22, F at 20-23, F with ionising photons at 20-22
ACCEPTANCE = [
    (
        1e2,
        1,
        1,
        40.07,
        43.72,
        60.35,
        2.5150e17,
        4.2769e17,
        4.9013e-6,
        3.5601e-5,
        5.8845e-5,
        6.8885e-5,
        6.3597e-6,
        3.7059e-5,
        6.0304e-5,
    ),
    (
        1e3,
        1,
        1e1,
        44.56,
        48.99,
        38.72,
        2.5242e17,
        3.9357e17,
        4.4940e-5,
        3.2309e-4,
        4.5956e-4,
        4.6259e-4,
        4.6469e-5,
        3.2462e-4,
        4.6110e-4,
    ),
    (
        1e3,
        1,
        1e2,
        102.89,
        114.49,
        39.94,
        2.6850e17,
        7.5465e17,
        1.3760e-4,
        1.1178e-3,
        2.1476e-3,
        2.1507e-3,
        1.4766e-4,
        1.1283e-3,
        2.1584e-3,
    ),
    (
        1e3,
        1,
        1e4,
        401.59,
        330.89,
        65.48,
        2.6900e17,
        1.5390e18,
        2.4878e-4,
        2.2264e-3,
        7.4920e-3,
        7.4974e-3,
        2.9851e-5,
        1.7142e-3,
        7.1425e-3,
    ),
    (
        1e4,
        1,
        1e3,
        169.64,
        201.37,
        29.38,
        2.6864e17,
        7.6453e17,
        3.6832e-4,
        3.3120e-3,
        7.5855e-3,
        7.5856e-3,
        3.7093e-4,
        3.3162e-3,
        7.5914e-3,
    ),
    (
        1e5,
        1,
        1e4,
        277.17,
        403.11,
        25.94,
        2.6874e17,
        7.8371e17,
        4.5082e-4,
        4.3741e-3,
        1.1821e-2,
        1.1821e-2,
        4.5060e-4,
        4.3742e-3,
        1.1822e-2,
    ),
    (
        1e3,
        0.2,
        1e2,
        79.89,
        76.97,
        72.61,
        5.3789e16,
        5.3553e17,
        2.1456e-5,
        2.0623e-4,
        1.3162e-3,
        1.6562e-3,
        2.3682e-5,
        2.0847e-4,
        1.3185e-3,
    ),
    (
        1e3,
        0.05,
        1e2,
        83.89,
        83.20,
        77.05,
        1.3448e16,
        1.3446e17,
        5.6754e-6,
        5.6241e-5,
        5.1273e-4,
        1.6495e-3,
        6.2217e-6,
        5.6788e-5,
        5.1329e-4,
    ),
    (
        1e2,
        0.1,
        1e1,
        98.08,
        94.88,
        79.09,
        2.6887e16,
        2.6861e17,
        2.1759e-6,
        2.1361e-5,
        1.7470e-4,
        4.0929e-4,
        3.3946e-6,
        2.2580e-5,
        1.7592e-4,
    ),
    (
        1e1,
        0.3,
        1,
        131.41,
        116.66,
        96.31,
        8.0586e16,
        7.2711e17,
        1.0721e-6,
        1.0144e-5,
        6.0667e-5,
        1.4204e-4,
        2.7640e-6,
        1.1836e-5,
        6.2359e-5,
    ),
    (
        0.1,
        0.3,
        1,
        8945.3,
        8933.0,
        8853.7,
        8.0696e16,
        8.0545e17,
        1.0927e-7,
        1.0896e-6,
        1.0267e-5,
        6.7578e-5,
        5.6471e-8,
        9.2244e-7,
        1.0100e-5,
    ),
    (
        1e5,
        0.1,
        1e2,
        53.15,
        63.96,
        59.93,
        2.6472e16,
        2.1800e17,
        2.0473e-5,
        2.2183e-4,
        1.6029e-3,
        1.7346e-3,
        2.0483e-5,
        2.2184e-4,
        1.6029e-3,
    ),
    (
        1e4,
        0.01,
        1e3,
        101.79,
        101.70,
        100.81,
        2.6899e15,
        2.6899e16,
        2.9985e-6,
        2.9938e-5,
        2.9474e-4,
        2.5324e-3,
        3.0470e-6,
        2.9987e-5,
        2.9479e-4,
    ),
]


def at(model, values, log_column):
    return 10.0 ** np.interp(log_column, np.log10(model.column), np.log10(values))


@pytest.mark.parametrize("row", ACCEPTANCE)
def test_acceptance(row):
    n, z, g0, *expected = row
    plain, ionised = (slab_model(n, z, g0, ionising) for ionising in (False, True))
    temperatures = [at(plain, plain.temperature, x) for x in (19, 21, 22)]
    np.testing.assert_allclose(temperatures[:2], expected[:2], rtol=0.02)
    assert temperatures[2] == pytest.approx(expected[2], rel=0.06)
    np.testing.assert_allclose([at(plain, plain.n_cplus, x) for x in (21, 22)], expected[3:5], rtol=0.02)
    np.testing.assert_allclose(
        [at(plain, plain.flux[CII], x) for x in (20, 21, 22, 23)], expected[5:9], rtol=0.02
    )
    np.testing.assert_allclose(
        [at(ionised, ionised.flux[CII], x) for x in (20, 21, 22)], expected[9:], rtol=0.02
    )


@pytest.mark.parametrize(
    ("n", "z", "g0", "flux", "x2"),
    [(1e3, 1.0, 1e2, 6.328e-4, 0.4959), (1e4, 1.0, 1e3, 1.626e-2, 0.4996), (1e3, 0.2, 1e2, 1.906e-4, 0.4745)],
)
def test_oxygen_and_molecules(n, z, g0, flux, x2):
    model = slab_model(n, z, g0, False)
    assert at(model, model.flux[OI_63], 22) == pytest.approx(flux, rel=0.02)
    assert at(model, model.x2, 22) == pytest.approx(x2, rel=2e-3)


@pytest.mark.parametrize(
    ("n", "z", "g0", "u", "column"),
    [
        (1e3, 1.0, 1e2, 5.337e-5, 3.3664e18),
        (1e3, 1.0, 1e4, 5.337e-3, 2.7835e20),
        (0.1, 0.3, 1.0, 5.337e-3, 3.1703e20),
        (1e5, 0.1, 1e2, 5.337e-7, 3.3736e16),
    ],
)
def test_ionised_layer(n, z, g0, u, column):
    assert ionisation_parameter(n, g0) == pytest.approx(u, rel=1e-4)
    assert ionised_column(n, z, g0) == pytest.approx(column, rel=1e-4)


def test_thin_limit_is_the_two_level_ion():
    model = slab_model(1e3, 1.0, 1e2, False)
    t, n = model.temperature[0], 1e3
    assert t == pytest.approx(103.1, rel=2e-3)
    x_e = c.CARBON_SOLAR
    power = tl.net_power(t, tl.deexcitation_rate(t, x_e * n, n * (1.0 - x_e), 0.0))
    per_nucleus = model.flux[CII][0] / model.column[0]
    assert per_nucleus == pytest.approx(1.4030e-24, rel=3e-3)
    assert per_nucleus == pytest.approx(c.CARBON_SOLAR * float(power), rel=3e-3)


def test_dense_thin_gas_is_thermal():
    model = slab_model(1e7, 1.0, 1e3, False)
    k = np.searchsorted(model.column, 1e18)
    boltzmann = 2.0 * math.exp(-c.CII_T_STAR / model.t_cii[k])
    thermal = c.CII_PHOTON_ERG * c.CII_A_UL * boltzmann / (1.0 + boltzmann)
    assert model.flux[CII][k] / model.n_cplus[k] == pytest.approx(thermal, rel=5e-3)


@pytest.mark.parametrize("ionising", [False, True])
@pytest.mark.parametrize(
    ("n", "z", "g0"), [(0.1, 0.3, 1.0), (1e3, 1.0, 1e4), (1e6, 3.0, 0.1), (1e-2, 1e-3, 3e4)]
)
def test_cumulative_quantities_only_grow(n, z, g0, ionising):
    model = slab_model(n, z, g0, ionising)
    for values in (*model.flux.values(), model.n_cplus):
        assert np.isfinite(values).all()
        assert (np.diff(values) >= 0.0).all()
    assert (model.n_cplus <= c.CARBON_SOLAR * z * model.column * (1.0 + 1e-9)).all()
    assert ((model.temperature >= 10.0) & (model.temperature <= 2.0e4)).all()


def test_emission_is_linear_in_metals_at_vanishing_metallicity():
    # cosmic rays and Lyman alpha set T there, so T does not move and F follows the carbon
    low, lower = (slab_model(1e-2, z, 1.0, False) for z in (1e-6, 1e-7))
    assert low.temperature[0] == pytest.approx(lower.temperature[0], rel=1e-3)
    assert low.flux[CII][0] / lower.flux[CII][0] == pytest.approx(10.0, rel=5e-3)


@pytest.mark.parametrize("n", [1e2, 1e4])
def test_face_temperature_follows_the_field(n):
    log_ratio = np.arange(-3.0, 5.1, 0.5)
    face = np.array([slab_model(n, 1.0, n * 10.0**x, False).temperature[0] for x in log_ratio])
    rising = face[log_ratio <= 2.0]
    assert (rising[1:] >= 0.98 * rising[:-1]).all()
    assert rising[-1] > 2.0 * rising[0]
    # charged grains: the field heats less and less, and in the end the gas cools again
    assert face[-1] < 0.9 * face.max()
    assert log_ratio[face.argmax()] >= 2.0


def test_converges_with_the_number_of_depths():
    coarse, fine = (slab_model(1e3, 1.0, 1e2, False, k) for k in (401, 1601))
    for x in (20, 21, 22, 23):
        assert at(coarse, coarse.flux[CII], x) == pytest.approx(at(fine, fine.flux[CII], x), rel=0.01)


def test_weighted_means_of_a_uniform_slab():
    model = slab_model(0.1, 0.3, 1.0, False)
    k = np.searchsorted(model.column, 1e20)
    assert model.t_cii[k] == pytest.approx(model.temperature[k], rel=2e-3)
    # the C+ power at the weighted T and C is the emission itself
    power = tl.net_power(model.t_cii[k], 0.1 * model.c_cii[k])
    assert model.flux[CII][k] / model.n_cplus[k] == pytest.approx(float(power), rel=2e-3)


def test_kernel_rate_is_the_public_rate():
    for t in (15.0, 100.0, 9e3):
        expected = tl.deexcitation_rate(t, 0.3, 20.0, 5.0)
        assert kernels.cii_collision_rate(t, 0.3, 20.0, 5.0) == pytest.approx(float(expected), rel=1e-12)
        upper = kernels.cii_upper_fraction(t, expected, 1.0)
        assert upper == pytest.approx(float(tl.excited_fraction(t, expected)), rel=1e-12)


def test_oxygen_levels_solve_the_rate_equations():
    for t, n_hi, n_h2, escape in ((30.0, 10.0, 400.0, 1.0), (300.0, 1e5, 1.0, 0.1), (8e3, 0.1, 0.0, 0.7)):
        f = np.array(kernels._oxygen_levels(t, n_hi, n_h2, escape))
        matrix = _oxygen_matrix(t, n_hi, n_h2, escape)
        matrix[0] = 1.0
        np.testing.assert_allclose(f, np.linalg.solve(matrix, [1.0, 0.0, 0.0]), rtol=1e-9)


def _oxygen_matrix(t, n_hi, n_h2, escape):
    """dn/dt = matrix n, from the rates of Draine 2011 written as a table."""
    t2 = t / 100.0
    energy, weight = np.array([0.0, 227.712, 326.569]), np.array([5.0, 3.0, 1.0])
    table = {
        (1, 0): (3.57e-10, 0.419, -0.003, 1.49e-10, 0.369, -0.026, 1.37e-10, 0.395, -0.005, 8.91e-5 * escape),
        (2, 0): (3.19e-10, 0.369, -0.006, 1.90e-10, 0.203, 0.041, 2.23e-10, 0.237, 0.058, 1.34e-10),
        (2, 1): (4.34e-10, 0.755, -0.160, 2.10e-12, 0.889, 0.043, 3.00e-12, 1.198, 0.525, 1.75e-5),
    }
    matrix = np.zeros((3, 3))
    for (u, d), (h, h1, h2, p, p1, p2, o, o1, o2, a) in table.items():
        k = n_hi * h * t2 ** (h1 + h2 * np.log(t2))
        k += 0.25 * n_h2 * p * t2 ** (p1 + p2 * np.log(t2)) + 0.75 * n_h2 * o * t2 ** (o1 + o2 * np.log(t2))
        up = k * weight[u] / weight[d] * np.exp(-(energy[u] - energy[d]) / t)
        matrix[d, u] += k + a
        matrix[u, u] -= k + a
        matrix[u, d] += up
        matrix[d, d] -= up
    return matrix


def test_charge_and_heat_are_in_balance():
    """Charge neutrality by an independent root finder; no net heating at the temperature found."""
    for n, z, g0, depth in ((1e3, 1.0, 1e2, 1e20), (0.1, 0.3, 1.0, 1e17), (1e4, 1.0, 10.0, 1e22)):
        local = kernels.local_conditions(n, z, g0, depth, 0.05 * depth, 0.0, 0.0, 0.0, 0.0)
        t = kernels.equilibrium_temperature(local)
        ions = kernels.charge_balance(t, local)
        gas = (t, math.log(t), kernels._carbon_recombination(t))
        t4 = t / 1e4
        recombination = 2.54e-13 * t4 ** (-0.8163 - 0.0208 * math.log(t4))
        collisional = 5.85e-11 * math.sqrt(t) * math.exp(-157809.1 / t) if t > 3000.0 else 0.0

        def excess(log_x, local=local, gas=gas, rates=(recombination, collisional)):
            found = kernels._ions_at(10.0**log_x, local, *gas, *rates)
            return found.x_cplus + found.x_hplus - 10.0**log_x

        assert ions.x_e == pytest.approx(10.0 ** brentq(excess, -9.0, math.log10(1.3), xtol=1e-13), rel=1e-9)
        loss, gain = kernels.cooling(t, local, ions), kernels.heating(t, local, ions)
        assert loss == pytest.approx(gain, rel=1e-9)
        for colder in np.geomspace(10.0, 0.999 * t, 50):
            ions = kernels.charge_balance(colder, local)
            assert kernels.cooling(colder, local, ions) < kernels.heating(colder, local, ions)


def test_molecules_are_in_balance():
    local = kernels.local_conditions(1e3, 1.0, 1e2, 2e21, 1e20, 1e20, 0.0, 0.0, 0.0)
    lyman_werner = 1e2 * math.exp(-3.74 * 2e21 / 1.87e21)
    loss = kernels._h2_dissociation(local.x2, 1e20, 1e20, lyman_werner) * local.x2
    assert loss == pytest.approx(3e-17 * 1e3 * (1.0 - 2.0 * local.x2), rel=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((-1.0, 1.0, 1.0, False), "n_H"),
        ((1.0, 0.0, 1.0, False), "z_solar"),
        ((1.0, 1.0, float("nan"), False), "g0"),
        ((1.0, 1.0, 1.0, False, 100), "n_columns"),
    ],
)
def test_wrong_input(arguments, message):
    with pytest.raises(InputError, match=message):
        slab_model(*arguments)
