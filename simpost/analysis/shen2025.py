"""Tables 1-3 and the cosmology of Shen et al. 2025, read from `data/shen2025.yaml`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from simpost.analysis.double_power_law import DoublePowerLaw, EfficiencyEvolution
from simpost.config.load import read_yaml
from simpost.core.cosmology import Cosmology

VARIANTS = ("no_esf", "no_rlim", "vary_epsff")


@dataclass(frozen=True)
class ResolutionLevel:
    """A row of Table 1: masses [Msun], softening lengths [comoving pc]."""

    name: str
    particles_per_side: int
    dark_matter_mass: float
    baryon_mass: float
    softening: float
    gas_softening: float


@dataclass(frozen=True)
class TargetHalo:
    """A row of Table 2: M_200c [Msun] at z = 3 without baryons, highest level, physics variants.

    `variants` holds True, False, or None where only the number of marks, `n_variants`, is known.
    """

    name: str
    mass: float
    level: str
    n_variants: int
    variants: dict[str, bool | None]


@cache
def tables() -> dict[str, Any]:
    """The whole content of `data/shen2025.yaml`."""
    return read_yaml(Path(str(resources.files("simpost") / "data" / "shen2025.yaml")))


@cache
def cosmology() -> Cosmology:
    """The cosmology of THESAN-ZOOM."""
    values = tables()["cosmology"]
    return Cosmology(*(float(values[key]) for key in ("h0", "omega_m", "omega_lambda", "omega_b")))


@cache
def resolution_levels() -> dict[str, ResolutionLevel]:
    """Table 1 by name of the level."""
    return {name: ResolutionLevel(name, **row) for name, row in tables()["resolution_levels"].items()}


@cache
def targets() -> dict[str, TargetHalo]:
    """Table 2 by name of the halo."""
    return {
        name: TargetHalo(
            name, float(row["mass"]), row["level"], row["n_variants"], {key: row[key] for key in VARIANTS}
        )
        for name, row in tables()["targets"].items()
    }


@cache
def efficiency_evolution() -> EfficiencyEvolution:
    """Table 3 as double power laws at z = 4 to 14."""
    rows = tables()["double_power_laws"]
    keys = ("log_eps0", "log_m0", "alpha", "beta", "log_m_max")
    return EfficiencyEvolution(
        tuple(float(row["redshift"]) for row in rows),
        tuple(DoublePowerLaw(*(float(row[key]) for key in keys)) for row in rows),
    )
