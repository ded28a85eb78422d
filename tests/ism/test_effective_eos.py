import numpy as np
import pytest

from simpost.core.errors import InputError
from simpost.ism.chemistry import sound_speed
from simpost.ism.effective_eos import SpringelHernquist, override_effective_eos

AFFECTED = np.array([True, True, False])
TEMPERATURE, IONISED = np.array([3e4, 5e3, 2e4]), np.array([0.9, 0.8, 0.7])


def test_cold_neutral_is_the_default():
    result = override_effective_eos(TEMPERATURE, IONISED, AFFECTED)
    assert result.temperature.tolist() == [100.0, 100.0, 2e4]
    assert result.ionised_fraction.tolist() == [0.0, 0.0, 0.7]
    assert not result.outside.any()


def test_keep_caps_at_1e4():
    result = override_effective_eos(TEMPERATURE, IONISED, AFFECTED, "keep")
    assert result.temperature.tolist() == [1e4, 5e3, 2e4]
    assert result.ionised_fraction.tolist() == [0.9, 0.8, 0.7]


def energy(temperature, mu):
    return float(sound_speed(temperature, mu)) ** 2 / (2.0 / 3.0)


def test_two_phase_recovers_the_cold_fraction_it_was_mixed_from():
    model = SpringelHernquist()
    x, n_H = np.array([0.95, 0.99, 0.9]), np.array([0.3, 10.0, 1.0])
    cold = energy(1e3, 4 / (1 + 3 * 0.76))
    hot = energy(1e8, 4 / (8 - 5 * (1 - 0.76))) / (1 + 1000 * (n_H / 0.128) ** -0.8) + cold
    mixed = x * cold + (1 - x) * hot
    result = override_effective_eos(
        TEMPERATURE, IONISED, AFFECTED, "two_phase", internal_energy=mixed, n_H=n_H, model=model
    )
    np.testing.assert_allclose(result.ionised_fraction, [0.05, 0.01, 0.7], rtol=1e-10)
    assert result.temperature.tolist() == [1e3, 1e3, 2e4]
    assert not result.outside.any()
    # a blend with isothermal gas of 1e4 K is undone
    blend = 0.3 * mixed + 0.7 * energy(1e4, 4 / (1 + 3 * 0.76))
    np.testing.assert_allclose(SpringelHernquist(softening=0.3).cold_fraction(blend, n_H)[0], x, rtol=1e-10)


def test_energies_outside_the_model_are_flagged():
    model = SpringelHernquist()
    share, outside = model.cold_fraction([1.0, 1e9], [1.0, 1.0])
    assert share.tolist() == [1.0, 0.0]
    assert outside.all()


def test_bad_input():
    with pytest.raises(InputError, match="two_phase"):
        override_effective_eos(TEMPERATURE, IONISED, AFFECTED, "two_phase")
    with pytest.raises(InputError, match="did you mean"):
        override_effective_eos(TEMPERATURE, IONISED, AFFECTED, "cold_neutrl")
    with pytest.raises(InputError, match="affected"):
        override_effective_eos(TEMPERATURE, IONISED, AFFECTED[:2])
