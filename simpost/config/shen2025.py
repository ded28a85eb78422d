"""The configuration of `analysis: shen2025`: star-formation efficiencies of sets of runs (Shen+2025)."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from simpost.config.models import (
    EmissionConfig,
    IsmConfig,
    MapsConfig,
    ReaderConfig,
    Section,
    ViewConfig,
)
from simpost.config.quantities import Mass, Velocity

_RUN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _.+-]{0,59}")  # safe in any file system


def _rising(value: list[float]) -> list[float]:
    if not value or any(z < 0 for z in value) or len(set(value)) != len(value):
        raise ValueError(f"{value}; expected: one or more different redshifts, none below zero")
    return sorted(value)


Redshifts = Annotated[list[float], AfterValidator(_rising)]


class CosmologyConfig(Section):
    """Parameters at z = 0."""

    h0: float = Field(gt=0, description="Hubble constant [km/s/Mpc]")
    omega_m: float = Field(gt=0, le=1, description="matter")
    omega_lambda: float = Field(ge=0, le=1, description="dark energy")
    omega_b: float = Field(gt=0, lt=1, description="baryons")


class SimulationConfig(Section):
    """One simulation of the set: its snapshots in time, and how its haloes are followed."""

    name: str = Field(description="label in tables, figures and paths; letters, digits, space and _ . + -")
    snapshots: list[str] = Field(
        [], description="paths, globs, or sample:NAME, in any order; none only where `trees` hold the stars"
    )
    trees: str | None = Field(
        None,
        description="merger trees: GADGET-4 or LHaloTree HDF5, or anything ytree reads; "
        "default: link subhaloes by shared particle ids",
    )
    level: str = Field("", max_length=20, description="resolution level, one marker each (S25: L4, L8, L16)")
    variant: str = Field("fiducial", max_length=60, description="physics variant, one panel or line each")
    cosmology: CosmologyConfig | None = Field(
        None, description="of the run, where its files do not state it (LHaloTree) or lack omega_b"
    )
    targets: int = Field(1, ge=0, description="so many of the most massive haloes are the run's main targets")
    particle_mass: Mass | None = Field(
        None,
        description="initial mass of a star particle, for the resolution floor; "
        "default: the median of the star particles",
    )

    @field_validator("name")
    @classmethod
    def _is_file_name(cls, value: str) -> str:
        if not _RUN_NAME.fullmatch(value):
            raise ValueError(
                f"{value[:60]!r}; expected: up to 60 letters, digits, spaces or _.+-, a letter or digit first"
            )
        return value

    @model_validator(mode="after")
    def _has_something(self) -> SimulationConfig:
        if not self.snapshots and self.trees is None:
            raise ValueError("neither 'snapshots' nor 'trees'; expected: one of them, or both")
        return self


class MapSettings(Section):
    """How the galaxies are mapped: as in the configuration of `simpost run`."""

    reader: ReaderConfig = Field(default_factory=ReaderConfig, description="what the snapshots do not tell")
    views: list[ViewConfig] = Field(["x", "y", "z"], min_length=1, description="lines of sight (S25: three)")
    maps: MapsConfig = Field(description="field of view and pixels (S25: 0.6 R_200c, about 1 kpc)")
    ism: IsmConfig = Field(default_factory=IsmConfig, description="state of the interstellar medium")
    emission: EmissionConfig = Field(default_factory=EmissionConfig, description="line luminosities")


class EfficiencyConfig(Section):
    """Halo-scale efficiency along the main-progenitor track (S25 section 3)."""

    redshifts: Redshifts = Field(description="target redshifts (S25: 4 to 14)")
    window: Literal["half", "full"] = Field(
        "half", description="segments within 2 t_dyn to both sides of the target, or 2 t_dyn in all"
    )
    segments: Literal["sliding", "tiled"] = Field("sliding", description="from every snapshot, or disjoint")
    interpolation: Literal["pchip", "linear"] = Field("pchip", description="between snapshots")
    dynamical_time: Literal["central", "local"] = Field(
        "central", description="at the target redshift, or at each segment's start"
    )
    least_mass: Mass = Field(1e8, description="smallest M_200c at the target redshift (S25: 1e8 Msun)")
    contaminated: bool = Field(False, description="keep haloes with low-resolution particles inside R_200c")


class DoublePowerLawConfig(Section):
    """Fit of efficiency over halo mass (S25 eq. 3)."""

    fixed_log_break: dict[float, float] = Field(
        {4.0: 9.5}, description="log10 of M_0 [Msun] by target redshift where it is not fitted (S25 Table 3)"
    )
    weights: Literal["equal_groups", "equal_points"] = Field(
        "equal_groups", description="main targets and all centrals weigh the same (S25), or every point does"
    )
    loss: Literal["linear", "soft_l1"] = Field(
        "linear", description="least squares of the residuals in dex, or softened beyond 0.25 dex"
    )
    resamplings: int = Field(1000, ge=0, le=100000, description="bootstrap resamplings of the galaxies")


class KennicuttSchmidtConfig(Section):
    """Pixels of neutral gas and star formation (S25 section 4)."""

    redshifts: Redshifts = Field(description="the nearest snapshot of each run is mapped")
    share_of_target_mass: float = Field(
        0.5, gt=0, le=1, description="smallest M_200c over that of the main target (S25: 0.5)"
    )
    phase: Literal["neutral", "molecular"] = Field("neutral", description="HI and H2 (S25), or H2")
    star_formation: Literal["auto", "young_stars", "instantaneous"] = Field(
        "auto", description="stars below 10 Myr (S25), or gas cells; `auto`: stars where they have ages"
    )
    bin_width: float = Field(0.25, gt=0, le=2, description="of log gas surface density [dex]")
    least_young_particles: float = Field(
        3.0, gt=0, description="bins whose median is below so many particles a pixel are flagged (our choice)"
    )
    momentum: list[Velocity] = Field(
        [8000.0, 3000.0],
        min_length=1,
        description="P/m of feedback: fiducial, without early feedback",
    )
    fudge: float = Field(0.3, gt=0, description="f of the equilibrium model (S25 eq. 12)")


class InSituConfig(Section):
    """Share of the stars that formed in the main progenitor (S25 section 5.1)."""

    redshifts: Redshifts = Field(description="target redshifts")
    definition: Literal["halo", "subhalo"] = Field("halo", description="born in R_200c, or in the subhalo")


class UVLuminosityConfig(Section):
    """UV luminosity functions (S25 section 5.3)."""

    redshifts: Redshifts = Field([12.0, 14.0], description="one panel each (S25: 12, 14)")
    log_mass_caps: list[float] = Field(
        [10.0, 12.0],
        description="log10 of halo masses [Msun] beyond which the efficiency stays constant, one curve each "
        "(S25: 10, and 12 extrapolated); never below the masses that were sampled",
    )
    own_fit: bool = Field(True, description="also with this set's own efficiency where it was fitted")
    mass_function: Literal["behroozi13", "tinker08", "sheth99"] = Field(
        "behroozi13", description="halo mass function (S24b)"
    )
    accretion: Literal["rp16_dyn", "rp16_inst", "y24", "f10_mean", "f10_median"] = Field(
        "rp16_dyn", description="halo accretion rate (S24b)"
    )
    scatter: Literal["linear", "power", "constant"] = Field(
        "linear", description="sigma_UV over log halo mass; `power` needs `sigma_max` and `log_mass_min`"
    )
    sigma: float | None = Field(None, ge=0, description="of `scatter: constant` [mag]")
    sigma_max: float | None = Field(None, gt=0, description="of `scatter: power` [mag]")
    log_mass_min: float | None = Field(None, description="of `scatter: power`: smallest halo [log10 Msun]")
    dust: Literal["shen23", "none"] = Field("shen23", description="attenuation; none above z = 10")
    centre: Literal["median", "mean_luminosity"] = Field(
        "median", description="what the efficiency gives: median magnitude, or mean luminosity"
    )

    @model_validator(mode="after")
    def _scatter_is_whole(self) -> UVLuminosityConfig:
        needs = {"linear": (), "power": ("sigma_max", "log_mass_min"), "constant": ("sigma",)}
        for kind, names in needs.items():
            for name in names:
                if (getattr(self, name) is None) != (self.scatter != kind):
                    raise ValueError(f"one of '{name}' and 'scatter: {kind}'; expected: both or neither")
        return self


class Shen2025Config(Section):
    """Everything of one analysis."""

    analysis: Literal["shen2025"] = Field(description="the paper")
    runs: list[SimulationConfig] = Field(min_length=1, description="simulations analysed together")
    maps: MapSettings | None = Field(None, description="default: no maps, no Kennicutt-Schmidt relation")
    imf: Literal["salpeter", "kroupa", "chabrier"] = Field(
        "chabrier", description="of the runs' stars (S25), to which relations in figures are converted"
    )
    efficiency: EfficiencyConfig = Field(description="halo-scale efficiency")
    double_power_law: DoublePowerLawConfig = Field(
        default_factory=DoublePowerLawConfig, description="fit of efficiency over halo mass"
    )
    kennicutt_schmidt: KennicuttSchmidtConfig | None = Field(None, description="needs `maps`; default: none")
    in_situ: InSituConfig | None = Field(None, description="default: none")
    uv_luminosity: UVLuminosityConfig | None = Field(None, description="default: none")
    output: str = Field("results", min_length=1, description="folder for tables, figures and maps")
    seed: int = Field(0, ge=0, description="of every random number")

    @field_validator("runs")
    @classmethod
    def _names_differ(cls, value: list[SimulationConfig]) -> list[SimulationConfig]:
        names = [run.name for run in value]
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise ValueError(f"more than one run '{twice[0]}'; expected: names of their own")
        return value

    @model_validator(mode="after")
    def _maps_are_for_pixels(self) -> Shen2025Config:
        if (self.kennicutt_schmidt is None) != (self.maps is None):
            raise ValueError("one of 'kennicutt_schmidt' and 'maps'; expected: both or neither")
        return self

    @model_validator(mode="after")
    def _fixed_breaks_are_of_targets(self) -> Shen2025Config:
        fixed = self.double_power_law.fixed_log_break
        stray = set(fixed) - set(self.efficiency.redshifts)
        if stray and fixed != DoublePowerLawConfig().fixed_log_break:
            redshifts = ", ".join(f"{z:g}" for z in sorted(stray))
            raise ValueError(f"fixed_log_break at z = {redshifts}; expected: redshifts of 'efficiency'")
        return self
