"""The text files of a RAMSES-RT output: info, info_rt, header, namelist and descriptors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from simpost.core import constants as c
from simpost.snapshots.synthetic.galaxy import NON_THERMAL_GAMMA, AnalyticGalaxy
from simpost.snapshots.synthetic.octree import Domains, Octree
from simpost.snapshots.synthetic.radiation import SERRA_GROUPS
from simpost.snapshots.synthetic.ramses_state import REDUCED_LIGHT_SPEED, HydroLayout, RamsesUnits

GAMMA = 5.0 / 3.0
PARTICLE_COLUMNS = (
    *((f"position_{axis}", "d") for axis in "xyz"),
    *((f"velocity_{axis}", "d") for axis in "xyz"),
    ("mass", "d"),
    ("identity", "i"),
    ("levelp", "i"),
    ("family", "b"),
    ("tag", "b"),
    ("birth_time", "d"),
    ("metallicity", "d"),
)
# Star formation threshold and floor: written because info_rt states them; the galaxy has no floor.
_STAR_DENSITY, _STAR_TEMPERATURE, _STAR_GAMMA = 10.0, 0.0, 5.0 / 3.0
_CROSS_SECTIONS = {  # cm^2 for HI, HeI, HeII, of a real run with the same groups
    "HI": (3.373e-18, 0.0, 0.0),
    "HeI": (6.513e-19, 4.902e-18, 0.0),
    "HeII": (1.163e-19, 1.614e-18, 1.395e-19),
}


def _fortran(value: float) -> str:
    """E23.15 as Fortran prints it: 0.xxxE+yy."""
    if value == 0.0:
        return "  0.000000000000000E+00"
    mantissa, exponent = f"{abs(value):.14E}".split("E")
    digits = mantissa.replace(".", "")
    sign = "-" if value < 0.0 else " "
    return f" {sign}0.{digits}E{int(exponent) + 1:+03d}"


def _pairs(rows: Sequence[tuple[str, int | float]], width: int = 12) -> list[str]:
    out = []
    for name, value in rows:
        shown = f"{value:11d}" if isinstance(value, int) else _fortran(float(value))
        out.append(f"{name:<{width}}={shown}")
    return out


def info_text(galaxy: AnalyticGalaxy, tree: Octree, domains: Domains, grid_maximum: int) -> str:
    """`info_XXXXX.txt`."""
    cosmology, units, a = galaxy.cosmology, RamsesUnits.of(galaxy), galaxy.scale_factor
    counts = [
        ("ncpu", len(domains)),
        ("ndim", 3),
        ("levelmin", tree.levelmin),
        ("levelmax", tree.levelmax),
        ("ngridmax", grid_maximum),
        ("nstep_coarse", 0),
    ]
    reals = [
        ("boxlen", 1.0),
        ("time", float(cosmology.conformal_time(a))),
        ("aexp", a),
        ("H0", cosmology.h0),
        ("omega_m", cosmology.omega_m),
        ("omega_l", cosmology.omega_lambda),
        ("omega_k", cosmology.omega_k),
        ("omega_b", cosmology.omega_b),
        ("unit_l", units.length),
        ("unit_d", units.density),
        ("unit_t", units.time),
    ]
    lines = [*_pairs(counts), "", *_pairs(reals), "", "ordering type=hilbert".ljust(94)]
    lines.append("   DOMAIN   ind_min                 ind_max")
    for number, (low, high) in enumerate(zip(domains.bounds[:-1], domains.bounds[1:], strict=True), 1):
        lines.append(f"{number:8d} {_fortran(low)} {_fortran(high)}")
    return "\n".join(lines) + "\n"


def info_rt_text(galaxy: AnalyticGalaxy, layout: HydroLayout) -> str:
    """`info_rt_XXXXX.txt`; an upper edge of 0 means no limit."""
    units, groups = RamsesUnits.of(galaxy), SERRA_GROUPS
    upper = [high if np.isfinite(high) else 0.0 for high in groups.upper]
    ionising = [number for number, share in enumerate(groups.ionising_share, 1) if share > 0.0]
    counts = [("nRTvar", 4 * len(groups)), ("nIons", len(layout.ions)), ("nGroups", len(groups))]
    lines = [*_pairs([*counts, ("iIons", layout.first_ion)], 13), ""]
    x = galaxy.hydrogen_fraction
    lines += [*_pairs([("X_fraction", x), ("Y_fraction", 1.0 - x)], 13), ""]
    lines += _pairs([("unit_np", units.photon_density), ("unit_pf", units.photon_flux)], 13)
    lines += [*_pairs([("rt_c_frac", REDUCED_LIGHT_SPEED)], 13), ""]
    star = [("n_star", _STAR_DENSITY), ("T2_star", _STAR_TEMPERATURE), ("g_star", _STAR_GAMMA)]
    lines += [*_pairs(star, 13), "", " Photon group properties------------------------------ "]
    lines.append("  groupL0  [eV]  =" + "".join(f"{value:12.3f}" for value in groups.lower))
    lines.append("  groupL1  [eV]  =" + "".join(f"{value:12.3f}" for value in upper))
    lines.append("  spec2group     =" + "".join(f"{number:12d}" for number in ionising))
    for number, (name, energy) in enumerate(zip(groups.name, groups.mean_energy, strict=True), 1):
        h2 = (0.0,) if layout.molecular else ()
        sigma = (*h2, *_CROSS_SECTIONS.get(name, (0.0, 0.0, 0.0)))
        lines += [f"  ---Group {number}", f"  egy      [eV]  ={energy:12.3E}"]
        lines += [f"  {kind}    [cm^2]  =" + "".join(f"{s:12.3E}" for s in sigma) for kind in ("csn", "cse")]
    lines.append(" -------------------------------------------------------")
    return "\n".join(lines) + "\n"


def header_text(n_dark: int, n_stars: int) -> str:
    """`header_XXXXX.txt`: particle families and their numbers."""
    families = ["other_tracer", "debris_tracer", "cloud_tracer", "star_tracer", "other_tracer", "gas_tracer"]
    families += ["DM", "star", "cloud", "debris", "other", "undefined"]
    number = {"DM": n_dark, "star": n_stars}
    lines = ["#      Family     Count"]
    lines += [f"{name:>13}{number.get(name, 0):10d}" for name in families]
    lines += [" Particle fields", "pos vel mass iord level family tag tform metal "]
    return "\n".join(lines) + "\n"


def descriptor_text(columns: Sequence[tuple[str, str]]) -> str:
    """A file descriptor of version 1."""
    lines = ["# version:  1", "# ivar, variable_name, variable_type"]
    lines += [f"{number:2d}, {name}, {kind}" for number, (name, kind) in enumerate(columns, 1)]
    return "\n".join(lines) + "\n"


def photon_descriptor(style: str) -> str:
    """`rt_file_descriptor.txt` with the record c_r N named as `style` (photon_density or photon_flux)."""
    columns = []
    for group in range(1, len(SERRA_GROUPS) + 1):
        columns.append((f"{style}_{group:02d}", "d"))
        columns += [(f"photon_flux_{group:02d}_{axis}", "d") for axis in "xyz"]
    return descriptor_text(columns)


def namelist_text(galaxy: AnalyticGalaxy, tree: Octree, layout: HydroLayout, proper_time: bool) -> str:
    """`namelist.txt` of a run that could have made this output."""

    def flag(value: bool) -> str:
        return ".true." if value else ".false."

    groups = {
        "RUN_PARAMS": [
            *(f"{physics}=.true." for physics in ("cosmo", "pic", "poisson", "hydro", "rt")),
            f"use_proper_time={flag(proper_time)}",
        ],
        "OUTPUT_PARAMS": ["noutput=1", f"aout={galaxy.scale_factor:.10f}"],
        "AMR_PARAMS": [f"levelmin={tree.levelmin}", f"levelmax={tree.levelmax}"],
        "HYDRO_PARAMS": [f"gamma={GAMMA:.7f}"]
        + ([f"gamma_rad={NON_THERMAL_GAMMA}"] if layout.non_thermal else []),
        "SF_PARAMS": [
            f"n_star={_STAR_DENSITY}",
            f"T2_star={_STAR_TEMPERATURE}",
            f"g_star={_STAR_GAMMA:.7f}",
        ],
        "RT_PARAMS": [
            f"X={galaxy.hydrogen_fraction}",
            f"Y={1.0 - galaxy.hydrogen_fraction:.6f}",
            f"rt_c_fraction={REDUCED_LIGHT_SPEED}",
            f"isH2={flag(layout.molecular)}",
        ],
    }
    lines = ["! synthetic output written by simpost"]
    for name, rows in groups.items():
        lines += [f"&{name}", *rows, "/", ""]
    return "\n".join(lines)


def comoving_box(galaxy: AnalyticGalaxy) -> float:
    """`boxlen_ini`: comoving box in Mpc/h."""
    return galaxy.box_size * c.KPC / galaxy.scale_factor * galaxy.cosmology.h0 / 100.0 / (1e3 * c.KPC)
