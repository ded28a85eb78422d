"""Phases of the gas: ions, override of the effective equation of state, then H2, mu and temperature."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simpost.config.models import IsmConfig
from simpost.core import constants as c
from simpost.ism import chemistry, column, effective_eos
from simpost.ism.recipes import Recipes
from simpost.snapshots.columns import Columns
from simpost.snapshots.protocol import SnapshotInfo

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


def gas_phases(
    gas: Columns,
    known: dict[str, NDArray],
    t_over_mu: Array,
    info: SnapshotInfo,
    recipes: Recipes,
    options: IsmConfig,
    marks: dict[str, Mask],
) -> dict[str, Array]:
    """Neutral and molecular fractions, electrons, mu and temperature of a chunk (n,).

    Parameters
    ----------
    known : dict
        `hydrogen_fraction`, `n_H`, `metallicity` and `habing` of the chunk.
    t_over_mu : array (n,)
        [K].
    marks : dict
        Gets the cells that were overridden.
    """
    X = known["hydrogen_fraction"]
    neutral = _neutral(gas, known, t_over_mu, recipes, options)
    electrons = _electrons(gas, 1.0 - neutral, X, recipes)
    overridden = np.zeros(gas.size, dtype=bool)
    temperature = t_over_mu
    if recipes.effective_eos in effective_eos.OPTIONS:
        # T of the stored state, without H2: `keep` caps it, the other options replace it
        stored = chemistry.mean_molecular_weight(electrons, 0.0, X) * t_over_mu
        result = _override(gas, known, stored, 1.0 - neutral, info, recipes)
        overridden = np.asarray(gas["star_formation_rate"] > 0)
        temperature = np.asarray(result.temperature)
        marks["effective_equation_of_state"] = overridden
        marks["outside_two_phase_model"] = result.outside
        if recipes.effective_eos != "keep":
            neutral = 1.0 - np.asarray(result.ionised_fraction)
            free = chemistry.electron_fraction(1.0 - neutral, X=X)
            electrons = np.where(overridden, free, electrons)
    molecular = np.clip(_molecular(gas, known, neutral, recipes), 0.0, neutral)
    mu = np.asarray(chemistry.mean_molecular_weight(electrons, molecular, X))
    return {
        "neutral_fraction": neutral,
        "f_H2": molecular,
        "electron_fraction": electrons,
        "mean_molecular_weight": mu,
        "temperature": np.where(overridden, temperature, mu * t_over_mu),
    }


def _neutral(
    gas: Columns, known: dict[str, NDArray], t_over_mu: Array, recipes: Recipes, options: IsmConfig
) -> Array:
    if recipes.ions == "read_ionised":
        neutral = 1.0 - gas["f_HII"]
    elif recipes.ions == "read_atomic":
        neutral = gas["f_HI"] + gas.get("f_H2", 0.0)
    elif recipes.ions == "read_neutral":
        neutral = gas["neutral_fraction"]
    else:
        neutral = chemistry.ionisation_equilibrium(
            t_over_mu, known["n_H"], options.uvb_rate or 0.0, known["hydrogen_fraction"]
        ).neutral_fraction
    return np.clip(neutral, 0.0, 1.0)  # float32 sums overshoot by rounding


def _electrons(gas: Columns, ionised: Array, X: Array, recipes: Recipes) -> Array:
    if recipes.electrons == "read":
        return np.asarray(gas["electron_fraction"])
    helium, doubly = gas.get("f_HeII"), gas.get("f_HeIII", 0.0)
    return np.asarray(chemistry.electron_fraction(ionised, helium, doubly, X))


def _override(
    gas: Columns,
    known: dict[str, NDArray],
    temperature: Array,
    ionised: Array,
    info: SnapshotInfo,
    recipes: Recipes,
) -> effective_eos.EosOverride:
    return effective_eos.override_effective_eos(
        temperature,
        ionised,
        np.asarray(gas["star_formation_rate"] > 0),
        recipes.effective_eos,
        internal_energy=gas["internal_energy"],
        n_H=known["n_H"],
        model=effective_eos.SpringelHernquist(**info.two_phase_model),
        X=known["hydrogen_fraction"],
    )


def _molecular(gas: Columns, known: dict[str, NDArray], neutral: Array, recipes: Recipes) -> Array:
    """2 n_H2/n_H: as stored, what HI and HII leave, or a share of the neutral hydrogen."""
    if recipes.molecular == "read":
        return np.asarray(gas["f_H2"])
    if recipes.molecular == "remainder":
        return 1.0 - gas["f_HI"] - gas["f_HII"]
    z_solar = known["metallicity"] / c.Z_SUN
    if recipes.molecular == "kmt":
        hydrogen = column.cell_column(known["n_H"], gas["size"])
        surface = column.neutral_surface_density(hydrogen, neutral, known["hydrogen_fraction"])
        return neutral * chemistry.molecular_fraction_kmt(surface, z_solar)
    if recipes.molecular == "gk11":
        field = known["habing"] / c.DRAINE_IN_HABING
        return neutral * chemistry.molecular_fraction_gk11(known["n_H"], z_solar, field)
    return np.zeros(gas.size)
