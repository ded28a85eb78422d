"""Which recipe gives each quantity of the interstellar medium, decided once per snapshot.

The decision needs no cell, so `simpost inspect` shows it before anything is computed; the state
follows the same decision, so what is shown is what is done.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from simpost.config.models import IsmConfig
from simpost.core import constants as c
from simpost.core.errors import InputError
from simpost.snapshots.protocol import SnapshotInfo


@dataclass(frozen=True)
class Recipes:
    """The recipe of each quantity; `origins` puts them in words, `missing` says what is lost."""

    hydrogen: str  # read | constant
    metallicity: str  # read | assumed | none
    ions: str  # read_ionised | read_neutral | read_atomic | equilibrium | none
    molecular: str  # read | remainder | kmt | gk11 | none
    electrons: str  # read | ions | none
    temperature: str  # pressure | energy | none
    habing: str  # groups | stars | star_formation | floor
    turbulence: str  # stored | gradient | both | none
    effective_eos: str  # none | cold_neutral | two_phase | keep | unknown (no rates tell which gas)
    origins: dict[str, str]
    missing: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether there is a state: temperature and ions are known."""
        return self.temperature != "none" and self.ions != "none"

    @property
    def has_lines(self) -> bool:
        """Whether lines can be computed: there is a state, there are metals, and no hidden cold gas."""
        return self.complete and self.metallicity != "none" and self.effective_eos != "unknown"


def choose_recipes(info: SnapshotInfo, options: IsmConfig) -> Recipes:
    """Choose each recipe from the columns the snapshot has and the configuration."""
    gas = info.fields_read["gas"]
    temperature = (
        "pressure" if "temperature_over_mu" in gas else "energy" if "internal_energy" in gas else "none"
    )
    ions = _ions(gas, temperature)
    electrons = "read" if "electron_fraction" in gas else "none" if ions == "none" else "ions"
    molecular = (
        "read" if "f_H2" in gas else "remainder" if {"f_HI", "f_HII"} <= set(gas) else options.molecular
    )
    choices = {
        "hydrogen": "read" if "hydrogen_fraction" in gas else "constant",
        "metallicity": "read"
        if "metallicity" in gas
        else "none"
        if options.assumed_metallicity is None
        else "assumed",
        "ions": ions,
        "molecular": molecular if ions != "none" else "none",
        "electrons": electrons,
        "temperature": temperature,
        "habing": _habing(info),
        "turbulence": _turbulence(gas, options),
        "effective_eos": _effective_eos(info, options),
    }
    return Recipes(**choices, origins=_origins(choices, info, options), missing=_missing(choices, info))


def _ions(gas: Collection[str], temperature: str) -> str:
    if "f_HII" in gas:
        return "read_ionised"
    if "f_HI" in gas:
        return "read_atomic"
    if "neutral_fraction" in gas:
        return "read_neutral"
    return "equilibrium" if temperature != "none" else "none"


def _habing(info: SnapshotInfo) -> str:
    """Photon groups in 6-13.6 eV; else the stars if they have ages; else star-forming gas; else the floor."""
    if info.photon_groups is not None and "photon_flux" in info.fields_read["gas"]:
        low, high = c.HABING_BAND_EV
        groups = zip(info.photon_groups.low, info.photon_groups.high, strict=True)
        if any(lower < high - 0.01 and upper > low for lower, upper in groups):
            return "groups"
    if "age" in info.fields_read.get("stars", {}):
        return "stars"
    return "star_formation" if "star_formation_rate" in info.fields_read["gas"] else "floor"


def _effective_eos(info: SnapshotInfo, options: IsmConfig) -> str:
    if not info.effective_equation_of_state:
        return "none"
    known = "star_formation_rate" in info.fields_read["gas"]
    return options.effective_equation_of_state if known else "unknown"


def _turbulence(gas: Collection[str], options: IsmConfig) -> str:
    stored, gradient = "nonthermal_energy" in gas, "velocity" in gas
    if options.sigma in ("stored", "both") and not stored:
        raise InputError(
            f"ism.sigma: {options.sigma}",
            "no stored non-thermal energy",
            "a run that stores it",
            "use 'auto'",
        )
    if options.sigma == "both" and gradient:
        return "both"
    if stored and options.sigma != "gradient":
        return "stored"
    return "gradient" if gradient else "none"


def _origins(choices: dict[str, str], info: SnapshotInfo, options: IsmConfig) -> dict[str, str]:
    gas = info.fields_read["gas"]
    uvb = f"UV background {options.uvb_rate:g}/s" if options.uvb_rate else "no UV background (ism.uvb_rate)"
    recipes = {
        "hydrogen_fraction": {"constant": f"derived: X = {c.X_HYDROGEN}"},
        "metallicity": {
            "assumed": f"derived: {options.assumed_metallicity} Z_sun assumed (ism.assumed_metallicity)",
            "none": "derived: none in the snapshot, 0",
        },
        "neutral_fraction": {
            "read_ionised": "derived: 1 - HII",
            "read_atomic": "derived: HI + H2",
            "equilibrium": f"derived: ionisation equilibrium (Rahmati+2013), {uvb}",
        },
        "f_H2": {
            "remainder": "derived: 1 - HI - HII",
            "kmt": "derived: McKee & Krumholz 2010",
            "gk11": "derived: Gnedin & Kravtsov 2011",
            "none": "derived: none",
        },
        "electron_fraction": {"ions": "derived: HII and helium ions"},
        "temperature": {"pressure": "derived: mu x T/mu", "energy": "derived: internal energy and mu"},
        "habing": {
            "groups": "derived: photon groups in 6-13.6 eV",
            "stars": "derived: starlight, l_FUV(age), unshielded",
            "star_formation": "derived: light of star-forming gas, unshielded",
            "floor": f"derived: floor of {options.habing_floor:g} Habing",
        },
        "turbulent_velocity": {
            "stored": "derived: stored non-thermal energy",
            "gradient": "derived: velocity gradient x cell size",
            "both": "derived: stored energy and gradient, added in quadrature",
            "none": "derived: no velocities, 0",
        },
    }
    key = {
        "hydrogen_fraction": "hydrogen",
        "neutral_fraction": "ions",
        "f_H2": "molecular",
        "electron_fraction": "electrons",
        "turbulent_velocity": "turbulence",
    }
    origins = {}
    for column, texts in recipes.items():
        text = texts.get(choices[key.get(column, column)])
        if text is not None:
            origins[column] = text
        elif column in gas:
            origins[column] = f"read: {gas[column]}"
    origins["n_H"] = "derived: X density / m_H"
    origins["column_density"] = f"derived: {options.column}"
    if choices["temperature"] != "none" and choices["ions"] != "none":
        origins |= {
            "mean_molecular_weight": "derived: electrons, H2, helium",
            "sound_speed": "derived: isothermal",
            "mach": f"derived: {options.mach}, {options.sigma_dimension}",
        }
        both = ("temperature", "neutral_fraction")
        overrides: dict[str, tuple[str, tuple[str, ...]]] = {
            "keep": ("as stored, at most 1e4 K", both[:1]),
            "cold_neutral": ("cold_neutral", both),
            "two_phase": (_two_phase(info), both),
        }
        words, columns = overrides.get(choices["effective_eos"], ("", ()))
        for column in columns:
            origins[column] += f"; override: {words} where SFR > 0 (effective equation of state)"
    return origins


def _two_phase(info: SnapshotInfo) -> str:
    stated = info.two_phase_model.get("threshold")
    return (
        "two_phase" if stated else "two_phase (threshold of 0.128 cm^-3 assumed, the run does not state it)"
    )


def _missing(choices: dict[str, str], info: SnapshotInfo) -> tuple[str, ...]:
    missing = []
    if choices["temperature"] == "none":
        missing.append("no pressure or internal energy: no temperature, no phases, no lines")
    if choices["effective_eos"] == "unknown":
        missing.append("no star-formation rates to tell the gas on the effective equation of state: no lines")
    if choices["metallicity"] == "none":
        missing.append("no metals: no lines unless ism.assumed_metallicity is set")
    if choices["turbulence"] == "none":
        missing.append("no velocities: no turbulence, Mach number 1")
    if "age" not in info.fields_read.get("stars", {}):
        missing.append("no stellar ages: no star-formation rates from stars")
    if "star_formation_rate" not in info.fields_read["gas"]:
        missing.append("no star-formation rate of gas cells: no instantaneous map")
    return tuple(missing)
