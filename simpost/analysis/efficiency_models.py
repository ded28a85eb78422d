"""Halo-scale efficiencies eps(M) = SFR / (f_b dM_halo/dt) to compare, by name or from a function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from simpost.analysis.conventions import imf_factor
from simpost.analysis.double_power_law import DoublePowerLaw
from simpost.analysis.halo import baryon_fraction
from simpost.analysis.relations import Relation, relation
from simpost.analysis.shen2025 import efficiency_evolution
from simpost.core.cosmology import Cosmology
from simpost.core.errors import InputError
from simpost.ism.arrays import Booleans, Floats, choice, positive

_FROM_RELATIONS = ("canonical", "harikane22", "tacchella18", "firebox")
EFFICIENCY_NAMES = ("shen25", *_FROM_RELATIONS)


def _never(mass: Floats) -> Booleans:
    return np.zeros(np.shape(mass), dtype=bool)


@dataclass(frozen=True)
class EfficiencyModel:
    """An efficiency with the limits of what is known about it.

    Parameters
    ----------
    name, source : str
    function : callable
        Halo masses [Msun], shape (n,), to efficiencies, shape (n,).
    is_extrapolated : callable
        Halo masses [Msun] to whether they lie beyond those it was measured at; default: never.
    imf : str, optional
        Of its SFR; None where unknown, and then never converted.
    """

    name: str
    function: Callable[[Floats], ArrayLike]
    source: str = "user"
    is_extrapolated: Callable[[Floats], Booleans] = _never
    imf: str | None = None

    def __call__(self, mass: ArrayLike, log_mass_cap: float = float("inf")) -> Floats:
        """Efficiency of haloes [Msun], constant beyond 10^`log_mass_cap`.

        Raises
        ------
        InputError
            The function returns anything but one positive, finite number for each mass.
        """
        mass = positive("halo mass", mass)
        efficiency = np.asarray(self.function(np.minimum(mass, 10.0**log_mass_cap)), dtype=float)
        what = f"efficiency {self.name}"
        if efficiency.shape != mass.shape:
            raise InputError(what, f"shape {efficiency.shape}", f"shape {mass.shape}, one for each mass")
        return positive(what, efficiency)

    def imf_factor_to(self, imf: str | None) -> float:
        """Factor that turns the SFR of this efficiency into one with another IMF.

        1 where this efficiency's own IMF is unknown; InputError where only the wanted one is.
        """
        if self.imf is None:
            return 1.0
        if imf is None:
            found = f"efficiency {self.name} with {self.imf} IMF"
            raise InputError("UV calibration", f"no IMF, {found}", "an IMF", "state that of the calibration")
        return imf_factor(self.imf, imf)


def efficiency_model(
    efficiency: str | EfficiencyModel | DoublePowerLaw | Callable[[Floats], ArrayLike],
    redshift: float,
    cosmology: Cosmology,
) -> EfficiencyModel:
    """An efficiency by name, or a function as it is.

    Parameters
    ----------
    efficiency : str, EfficiencyModel, DoublePowerLaw or callable
        `shen25`: Table 3 of Shen+2025, log eps linear in redshift between rows, Chabrier IMF.
        `canonical`, `harikane22`, `tacchella18`, `firebox`: the relations of these names.
        A callable takes halo masses [Msun].
    redshift : float
        Only `shen25` depends on it.
    cosmology : Cosmology
        For f_b, where the source gives SFR / (dM_halo/dt).
    """
    if isinstance(efficiency, EfficiencyModel):
        return efficiency
    if isinstance(efficiency, DoublePowerLaw):
        return EfficiencyModel(
            "double power law",
            lambda mass: efficiency(mass, extrapolate=True),
            is_extrapolated=efficiency.is_extrapolated,
        )
    if callable(efficiency):
        return EfficiencyModel(getattr(efficiency, "__name__", type(efficiency).__name__), efficiency)
    choice("efficiency", efficiency, EFFICIENCY_NAMES)
    if efficiency == "shen25":
        return _shen25(redshift)
    return _from_relation(relation(efficiency), cosmology)


def _shen25(redshift: float) -> EfficiencyModel:
    table = efficiency_evolution()
    return EfficiencyModel(
        "shen25",
        lambda mass: table(mass, redshift, extrapolate=True),
        f"Shen+2025, Table 3 at z = {redshift:g}",
        lambda mass: table.is_extrapolated(mass, redshift),
        "chabrier",
    )


def _from_relation(published: Relation, cosmology: Cosmology) -> EfficiencyModel:
    per_accretion = 1.0 if published.y == "efficiency" else 1.0 / baryon_fraction(cosmology)
    return EfficiencyModel(
        published.key, lambda mass: per_accretion * published(mass), published.source, imf=published.imf
    )
