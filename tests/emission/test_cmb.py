"""CMB attenuation: the reference table, the identity with the two-level powers, the limits."""

import numpy as np
import pytest

from simpost.core.errors import InputError
from simpost.emission import two_level as tl
from simpost.emission.cmb import cmb_attenuation, cmb_temperature

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


@pytest.mark.parametrize("row", ETA)
def test_reference_table(row):
    z, t, ionised, *expected = row
    electrons, atoms = (DENSITIES, 0.0) if ionised else (1.6e-4 * DENSITIES, DENSITIES)
    collisions = np.append(tl.deexcitation_rate(t, electrons, atoms, 0.0), 1e12)
    eta = cmb_attenuation(t, collisions, z, t_floor_cmb=False)
    np.testing.assert_allclose(eta, expected, rtol=0.0, atol=6e-7)


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


def test_negative_redshift():
    with pytest.raises(InputError, match="redshift"):
        cmb_temperature(-1.0)
