"""CMB attenuation: the reference table, the identity with the two-level powers, the limits."""

import numpy as np
import pytest

from simpost.core import constants as c
from simpost.core.errors import InputError
from simpost.emission import two_level as tl
from simpost.emission.cmb import cell_attenuation, cmb_attenuation, cmb_temperature
from simpost.emission.lines import CII
from simpost.emission.slab import slab_model


def close(value: float, rel: float):
    """Within a relative tolerance; pytest's own absolute one of 1e-12 would pass any CGS emissivity."""
    return pytest.approx(value, rel=rel, abs=0.0)


DENSITIES = np.array([1.0, 1e2, 3e3, 1e5])
# z, T, fully ionised, eta at the four densities, eta in LTE
ETA = [
    (5, 20, False, 0.633563, 0.633772, 0.636985, 0.640544, 0.640776),
    (5, 50, False, 0.969237, 0.969683, 0.975418, 0.980016, 0.980270),
    (5, 100, False, 0.983157, 0.983809, 0.990450, 0.994169, 0.994346),
    (5, 8000, True, 0.989404, 0.998494, 0.999901, 0.999955, 0.999956),
    (6, 20, False, 0.194443, 0.194584, 0.196767, 0.199216, 0.199376),
    (6, 30, False, 0.810962, 0.811614, 0.821200, 0.830933, 0.831537),
    (6, 50, False, 0.932373, 0.933315, 0.945544, 0.955474, 0.956026),
    (6, 100, False, 0.962974, 0.964377, 0.978818, 0.987008, 0.987398),
    (6, 300, False, 0.972341, 0.974487, 0.990654, 0.996741, 0.996994),
    (6, 8000, True, 0.976687, 0.996649, 0.999779, 0.999899, 0.999903),
    (10, 20, False, -3.253656, -3.266144, -3.470058, -3.724865, -3.742667),
    (10, 30, False, 0.001804, 0.001811, 0.001931, 0.002066, 0.002075),
    (10, 50, False, 0.642896, 0.646341, 0.693941, 0.736989, 0.739508),
    (10, 100, False, 0.804481, 0.810710, 0.879671, 0.923189, 0.925351),
    (10, 300, False, 0.853938, 0.863986, 0.946319, 0.980717, 0.982194),
    (10, 8000, True, 0.876070, 0.980461, 0.998690, 0.999403, 0.999425),
]


@pytest.mark.parametrize(("z", "t_cmb"), [(5, 16.3530), (6, 19.0785), (10, 29.9805)])
def test_temperature_of_the_cmb(z, t_cmb):
    assert cmb_temperature(z) == pytest.approx(t_cmb, abs=5e-5)


@pytest.mark.parametrize("row", ETA)
def test_reference_table(row):
    z, t, ionised, *expected = row
    electrons, atoms = (DENSITIES, 0.0) if ionised else (1.6e-4 * DENSITIES, DENSITIES)
    eta = cell_attenuation(t, electrons, atoms, 0.0, z, t_floor_cmb=False)
    np.testing.assert_allclose(eta, expected[:4], rtol=0.0, atol=6e-7)
    thermal = cmb_attenuation(t, 1e12, z, t_floor_cmb=False)
    assert thermal == pytest.approx(expected[4], abs=6e-7)


def test_limits_of_density():
    """Thick with collisions the contrast alone (da Cunha+2013); without them the pumped ion dims further."""
    for t, z in ((40.0, 6.0), (100.0, 10.0)):
        n_cmb, n_gas = tl.photon_occupation(cmb_temperature(z)), tl.photon_occupation(t)
        contrast = 1.0 - n_cmb / n_gas
        assert cmb_attenuation(t, 1e9, z) == close(contrast, rel=1e-9)
        pumped = 1.0 + (1.0 + c.CII_G_RATIO) * n_cmb
        assert cmb_attenuation(t, 0.0, z) == close(contrast / pumped, rel=1e-12)
    assert (np.diff(cmb_attenuation(100.0, np.geomspace(1e-12, 1e-2, 50), 10.0)) >= 0.0).all()


def test_a_cell_is_the_two_level_ion_in_its_own_gas():
    rng = np.random.default_rng(3)
    t, n_e, n_hi, n_h2 = 10.0 ** rng.uniform([[1.5], [-3], [-2], [-2]], [[4], [2], [4], [5]], (4, 200))
    rate = tl.deexcitation_rate(t, n_e, n_hi, n_h2)
    expected = tl.net_power(t, rate, cmb_temperature(7.0)) / tl.net_power(t, rate)
    np.testing.assert_allclose(cell_attenuation(t, n_e, n_hi, n_h2, 7.0), expected, rtol=1e-9)
    assert (cell_attenuation([5.0, 21.8], 0.0, 1e3, 1e3, 7.0) == 0.0).all()
    assert (cell_attenuation([5.0, 21.8], 0.0, 1e3, 1e3, 7.0, t_floor_cmb=False) < 0.0).all()


def test_per_node_and_per_cell_agree_without_a_density_distribution():
    """Attenuate the nodes and interpolate, or interpolate l, T and C and attenuate: the same to 0.3 %."""
    log_n, column = np.arange(0.0, 5.1, 0.5), 1e21
    slabs = [slab_model(10.0**x, 1.0, 1e2, False) for x in log_n]
    at = np.searchsorted(slabs[0].column, column)
    ln_l = np.log([slab.flux[CII][at] / column for slab in slabs])
    t, rate = (np.array([getattr(slab, name)[at] for slab in slabs]) for name in ("t_cii", "c_cii"))
    density = 10.0**log_n
    cells = np.concatenate([log_n, log_n[:-1] + 0.25, log_n[:-1] + 0.1])

    def interpolated(values):
        return np.interp(cells, log_n, values)

    for z, tolerance in ((6.0, 5e-4), (10.0, 3e-3)):
        per_node = interpolated(ln_l + np.log(cmb_attenuation(t, rate * density, z)))
        eta = cmb_attenuation(
            np.exp(interpolated(np.log(t))), np.exp(interpolated(np.log(rate))) * 10.0**cells, z
        )
        per_cell = interpolated(ln_l) + np.log(eta)
        np.testing.assert_allclose(per_cell[: log_n.size], per_node[: log_n.size], rtol=1e-13)
        np.testing.assert_allclose(per_cell, per_node, rtol=0.0, atol=tolerance)
        assert eta.min() < 0.98  # there is something to agree about


def test_the_fall_back_is_the_grid_for_gas_of_one_state():
    """A thin, uniform slab: T_CII and C_CII are the gas's own."""
    slab = slab_model(10.0, 0.1, 1.0, False)
    x_e = 1e-3  # cosmic rays and carbon; its share in C is a few per cent
    own = cell_attenuation(slab.temperature[0], 10.0 * x_e, 10.0, 0.0, 8.0)
    grid = cmb_attenuation(slab.t_cii[0], 10.0 * slab.c_cii[0], 8.0)
    assert own == close(float(grid), rel=1e-3)


def test_is_net_power_with_over_without_cmb():
    t = np.array([20.0, 30.0, 100.0, 8000.0])[:, None]
    collisions = np.geomspace(1e-9, 1e-3, 13)
    for z in (0.0, 5.0, 10.0):
        ratio = tl.net_power(t, collisions, cmb_temperature(z)) / tl.net_power(t, collisions)
        np.testing.assert_allclose(cmb_attenuation(t, collisions, z, t_floor_cmb=False), ratio, rtol=1e-9)


def test_floor_at_the_cmb():
    assert cmb_attenuation(5.0, 1e-7, 10.0) == 0.0
    assert cmb_attenuation(5.0, 1e-7, 10.0, t_floor_cmb=False) < 0.0
    assert cmb_attenuation(50.0, 1e-7, 10.0) == cmb_attenuation(50.0, 1e-7, 10.0, t_floor_cmb=False)


@pytest.mark.parametrize("z", [-1.0, float("nan"), float("inf")])
def test_impossible_redshift(z):
    with pytest.raises(InputError, match="redshift"):
        cmb_temperature(z)


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (([50.0, float("nan")], 0.0, 1.0, 0.0), "temperature: found 1 of 2 values not above zero"),
        ((0.0, 0.0, 1.0, 0.0), "temperature"),
        ((50.0, -1.0, 1.0, 0.0), "n_e: found 1 of 1 values not of at least zero"),
        ((50.0, 0.0, float("nan"), 0.0), "n_HI"),
        ((50.0, 0.0, 1.0, [-1.0, 1.0]), "n_H2"),
    ],
)
def test_impossible_gas(state, message):
    with pytest.raises(InputError, match=message):
        cell_attenuation(*state, 6.0)


def test_impossible_rate():
    with pytest.raises(InputError, match="collisions"):
        cmb_attenuation(50.0, -1e-9, 6.0)
