"""Gas on an effective equation of state, whose stored temperature is only a pressure.

Whether a run has such gas is known from its parameters, never from the data alone: the caller says
which cells it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from simpost.core import constants as c
from simpost.core.errors import InputError
from simpost.ism.arrays import Booleans, Floats, Values, choice, fraction, positive, shaped
from simpost.ism.chemistry import GAMMA, electron_fraction, mean_molecular_weight

OPTIONS = ("cold_neutral", "two_phase", "keep")
COLD_NEUTRAL_TEMPERATURE = 100.0  # K (our choice)
KEEP_CEILING = 1e4  # K, what a kept effective temperature is capped at (our choice)


@dataclass(frozen=True)
class SpringelHernquist:
    """Parameters of the two-phase model of Springel & Hernquist (2003); their fiducial values.

    `softening` is the weight of the model in a blend with an isothermal gas of
    `softening_temperature` (1: the pure model; IllustrisTNG blends with 0.3 and 1e4 K).
    """

    threshold: float = 0.128  # n_H [cm^-3]
    supernova_temperature: float = 1e8  # K
    evaporation: float = 1000.0  # A_0
    cloud_temperature: float = 1e3  # K
    softening: float = 1.0
    softening_temperature: float = 1e4  # K

    def cold_fraction(
        self, internal_energy: Values, n_H: Values, X: Values = c.X_HYDROGEN
    ) -> tuple[Floats, Booleans]:
        """Mass fraction in cold clouds of cells of specific energy u [(km/s)^2] and n_H [cm^-3].

        u_eff = x u_cold + (1 - x) u_hot with u_hot = u_SN/(1 + A) + u_cold, A = A_0 (n/n_th)^-0.8.

        Returns
        -------
        fraction, outside
            x in [0, 1], and where u lies outside the model's range so that x was clipped.
        """
        neutral = mean_molecular_weight(0.0, X=X)
        # supernova-heated gas is fully ionised: x_HeIII = 1
        ionised = mean_molecular_weight(electron_fraction(1.0, 0.0, 1.0, X), X=X)
        cold = _specific_energy(self.cloud_temperature, neutral)
        isothermal = _specific_energy(self.softening_temperature, neutral)
        evaporation = self.evaporation * (positive("n_H", n_H) / self.threshold) ** -0.8
        hot = _specific_energy(self.supernova_temperature, ionised) / (1.0 + evaporation) + cold
        stored = positive("internal energy", internal_energy)
        effective = (stored - (1.0 - self.softening) * isothermal) / self.softening
        share = (hot - effective) / (hot - cold)
        return np.clip(share, 0.0, 1.0), (share < 0.0) | (share > 1.0)


class EosOverride(NamedTuple):
    """Columns (n,) after the override: T [K], n_HII/n_H, and cells `outside` the two-phase model."""

    temperature: Floats
    ionised_fraction: Floats
    outside: Booleans


def override_effective_eos(
    temperature: Values,
    x_HII: Values,
    affected: Booleans,
    option: str = "cold_neutral",
    *,
    internal_energy: Values | None = None,
    n_H: Values | None = None,
    model: SpringelHernquist | None = None,
    X: Values = c.X_HYDROGEN,
) -> EosOverride:
    """Replace T and x_HII of `affected` cells; all columns (n,).

    Parameters
    ----------
    temperature, x_HII : array
        As stored [K], and n_HII/n_H.
    affected : array of bool
        Gas on the effective equation of state.
    option : {"cold_neutral", "two_phase", "keep"}
        `cold_neutral`: T = 100 K, neutral. `two_phase`: T of the clouds, x_HII the hot mass share;
        needs `internal_energy` [(km/s)^2], `n_H` [cm^-3] and `model`. `keep`: x_HII as stored,
        T capped at 1e4 K.
    internal_energy, n_H : array, optional
        Stored specific energy [(km/s)^2] and density [cm^-3].
    model : SpringelHernquist, optional
        The run's own parameters.
    X : float or array
        Hydrogen mass fraction, default 0.76.
    """
    temperature = shaped("temperature", positive("temperature", temperature), None)
    x_HII = shaped("x_HII", fraction("x_HII", x_HII), temperature.size)
    shaped("affected", affected, temperature.size)
    outside = np.zeros(temperature.size, dtype=bool)
    if choice("eeos", option, OPTIONS) == "keep":
        return EosOverride(
            np.where(affected, np.minimum(temperature, KEEP_CEILING), temperature), x_HII, outside
        )
    if option == "cold_neutral":
        return EosOverride(
            np.where(affected, COLD_NEUTRAL_TEMPERATURE, temperature), np.where(affected, 0.0, x_HII), outside
        )
    if internal_energy is None or n_H is None or model is None:
        raise InputError(
            "eeos: two_phase",
            "no internal energy, density or model",
            "all three",
            "take the model's parameters from the run, or use cold_neutral",
        )
    cold, clipped = model.cold_fraction(internal_energy, n_H, X)
    return EosOverride(
        np.where(affected, model.cloud_temperature, temperature),
        np.where(affected, 1.0 - cold, x_HII),
        affected & clipped,
    )


def _specific_energy(temperature: float, mu: Floats) -> Floats:
    """Specific internal energy [(km/s)^2] of gas at T [K] and mu."""
    return c.K_B * temperature / ((GAMMA - 1.0) * mu * c.M_H) / c.KM**2
