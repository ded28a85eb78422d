"""Write an `AnalyticGalaxy` as a RAMSES-RT output with everything a SERRA-like run could hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from simpost.core import constants as c
from simpost.core.errors import InputError
from simpost.core.files import whole_folder
from simpost.snapshots.synthetic import ramses_text as text
from simpost.snapshots.synthetic.galaxy import AnalyticGalaxy, Array
from simpost.snapshots.synthetic.octree import Domains, Integers, Octree, build_octree, split_domains
from simpost.snapshots.synthetic.particles import Particles, sample_dark_matter, sample_stars
from simpost.snapshots.synthetic.ramses_binary import (
    AmrHeader,
    domain_octs,
    oct_totals,
    write_amr,
    write_fields,
    write_particles,
)
from simpost.snapshots.synthetic.ramses_state import (
    HydroLayout,
    RamsesUnits,
    hydro_values,
    photon_values,
)

PHOTON_DESCRIPTORS = ("photon_density", "photon_flux", None)
_FAMILY_DARK, _FAMILY_STAR = 1, 2


def write_ramses(
    galaxy: AnalyticGalaxy,
    folder: Path,
    *,
    output: int = 1,
    levelmin: int = 5,
    levelmax: int = 9,
    leaves: int = 100_000,
    n_domains: int = 4,
    n_stars: int = 10_000,
    n_dark_matter: int = 20_000,
    photon_descriptor: str | None = "photon_density",
    proper_time: bool = True,
    molecular_chemistry: bool = False,
    non_thermal_pressure: bool = False,
) -> Path:
    """Write `folder/output_XXXXX`, whole or not at all.

    The galaxy sits at the centre of a periodic cosmological box of `galaxy.box_size`, code length 1.
    Leaf densities are cell averages by 4^3 Gauss-Legendre points, so the written gas mass differs
    from `galaxy.gas_mass` by 2e-5 with the default tree (5e-4 at 3e4 leaves); other fields are values at leaf
    centres. The radiation record is c_r N in flux units with c_r = 0.01 c, in the five
    groups of SERRA. Stars carry their present mass: RAMSES keeps no initial mass.

    Parameters
    ----------
    galaxy, folder, output
        What to write, where, and the number of the output (1 to 99999).
    levelmin, levelmax, n_domains
        Coarsest and finest cell level, and the number of Hilbert domains (files of each kind).
    n_stars, n_dark_matter
        Numbers of star and dark-matter particles.
    leaves
        Number of leaf cells aimed at (2:1 grading adds up to a third); cells are split by gas mass.
    photon_descriptor
        Name of the c_r N record in `rt_file_descriptor.txt`: "photon_density", "photon_flux"
        (newer RAMSES), or None for no descriptor.
    proper_time
        Birth times as proper time in 1/H0 (True, as RAMSES-RT forces) or super-conformal time.
    molecular_chemistry
        Ion scalars start with HI, so that n_H2/n_H = (1 - x_HI - x_HII)/2.
    non_thermal_pressure
        Add `non_thermal_pressure_01` = (gamma_nt - 1) rho sigma^2/2 of `galaxy.turbulent_dispersion`.

    Returns
    -------
    Path
        The info file, `folder/output_XXXXX/info_XXXXX.txt`.

    Raises
    ------
    InputError
        The output exists already, or an option cannot be honoured.
    """
    if photon_descriptor not in PHOTON_DESCRIPTORS:
        raise InputError("photon_descriptor", repr(photon_descriptor), f"one of {PHOTON_DESCRIPTORS}")
    if not 0 < output < 100_000:
        raise InputError("output", f"{output}", "a number from 1 to 99999")
    number = f"{output:05d}"
    target = Path(folder) / f"output_{number}"
    with whole_folder(target) as temporary:
        layout = HydroLayout(molecular_chemistry, non_thermal_pressure)
        tree = build_octree(galaxy, levelmin, levelmax, leaves)
        domains = split_domains(tree, n_domains)
        grid_maximum = _write_mesh(temporary, galaxy, tree, domains, layout, output)
        stars, dark = sample_stars(galaxy, n_stars), sample_dark_matter(galaxy, n_dark_matter)
        _write_particles(temporary, number, galaxy, domains, stars, dark, proper_time)
        files = {
            f"info_{number}.txt": text.info_text(galaxy, tree, domains, grid_maximum),
            f"info_rt_{number}.txt": text.info_rt_text(galaxy, layout),
            f"header_{number}.txt": text.header_text(len(dark), len(stars)),
            "namelist.txt": text.namelist_text(galaxy, tree, layout, proper_time),
            "hydro_file_descriptor.txt": text.descriptor_text([(name, "d") for name in layout.names]),
            "part_file_descriptor.txt": text.descriptor_text(text.PARTICLE_COLUMNS),
        }
        if photon_descriptor is not None:
            files["rt_file_descriptor.txt"] = text.photon_descriptor(photon_descriptor)
        for name, content in files.items():
            (temporary / name).write_text(content)
    return target / f"info_{number}.txt"


def _write_mesh(
    folder: Path, galaxy: AnalyticGalaxy, tree: Octree, domains: Domains, layout: HydroLayout, output: int
) -> int:
    """Write amr, hydro and rt files of all domains; return `ngridmax`."""
    hydro, photons = hydro_values(galaxy, tree, layout), photon_values(galaxy, tree)
    owners: dict[int, Integers] = {
        level: domains.of_cells(tree.oct_coordinates(level), level - 1) for level in tree.octs
    }
    held = [domain_octs(tree, domains, domain, owners) for domain in range(len(domains))]
    grid_maximum = 1000 + max(int(octs.counts(tree.levelmax).sum()) for octs in held)
    cosmology, a = galaxy.cosmology, galaxy.scale_factor
    header = AmrHeader(
        time=float(cosmology.conformal_time(a)),
        scale_factor=a,
        hubble_rate=float(a**2 * cosmology.expansion(a)),
        cosmology=(
            cosmology.omega_m,
            cosmology.omega_lambda,
            cosmology.omega_k,
            cosmology.omega_b,
            cosmology.h0,
        ),
        box_comoving=text.comoving_box(galaxy),
        output=output,
        grid_maximum=grid_maximum,
        oct_totals=oct_totals(tree, owners, len(domains)),
    )
    for octs in held:
        suffix = f"{output:05d}.out{octs.domain + 1:05d}"
        write_amr(folder / f"amr_{suffix}", header, tree, domains, octs)
        write_fields(folder / f"hydro_{suffix}", hydro, text.GAMMA, octs, tree.levelmax)
        write_fields(folder / f"rt_{suffix}", photons, text.GAMMA, octs, tree.levelmax)
    return grid_maximum


def _write_particles(
    folder: Path,
    number: str,
    galaxy: AnalyticGalaxy,
    domains: Domains,
    stars: Particles,
    dark: Particles,
    proper_time: bool,
) -> None:
    units = RamsesUnits.of(galaxy)
    position = np.concatenate([dark.position, stars.position]) / galaxy.box_size + 0.5
    velocity = np.concatenate([dark.velocity, stars.velocity]) * c.KM / units.velocity
    mass = np.concatenate([dark.mass, stars.mass]) * c.M_SUN / units.mass
    total = len(mass)
    family = np.repeat(np.array([_FAMILY_DARK, _FAMILY_STAR], dtype=np.int8), [len(dark), len(stars)])
    columns: list[NDArray] = [
        *position.T,
        *velocity.T,
        mass,
        np.arange(1, total + 1, dtype=np.int32),
        np.full(total, domains.levelmax, dtype=np.int32),
        family,
        np.zeros(total, dtype=np.int8),
        np.concatenate([np.zeros(len(dark)), birth_times(galaxy, stars.age, proper_time)]),
        np.concatenate([dark.metallicity, stars.metallicity]),
    ]
    in_stars = (len(stars), float(mass[len(dark) :].sum()))
    domain = domains.of_points(position)
    for index in range(len(domains)):
        mine = domain == index
        path = folder / f"part_{number}.out{index + 1:05d}"
        write_particles(path, len(domains), [column[mine] for column in columns], in_stars)


def birth_times(galaxy: AnalyticGalaxy, ages: Array, proper_time: bool) -> Array:
    """RAMSES birth times of stars of `ages` [Myr]: 1/H0 units from today, or super-conformal time."""
    cosmology = galaxy.cosmology
    birth = float(cosmology.age(galaxy.scale_factor)) - ages
    if (birth <= 0.0).any():
        raise InputError("ages", f"{ages.max():.0f} Myr", "less than the age of the universe")
    if proper_time:
        return (birth - float(cosmology.age(1.0))) / cosmology.hubble_time
    return cosmology.conformal_time(cosmology.scale_factor_of_age(birth))
