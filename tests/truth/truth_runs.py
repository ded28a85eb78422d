"""Sizes of the synthetic snapshots of known truth, and how they are written and mapped."""

from __future__ import annotations

from simpost.config import resolve
from simpost.pipeline.galaxy import map_galaxy
from simpost.pipeline.product import make_product
from simpost.snapshots.synthetic import write_arepo, write_ramses

LINE = "CII-158um"
N_STARS = 5000
RAMSES_SIZE = {"levelmin": 4, "levelmax": 10, "leaves": 40_000, "n_stars": N_STARS, "n_dark_matter": 5000}
AREPO_SIZE = {"n_cells": 12_000, "n_stars": N_STARS, "n_dark_matter": 5000}


def configuration(path, **sections):
    """Maps of 5 kpc in 50 pc pixels with turbulence from the velocity gradient, in both codes alike."""
    raw = {
        "snapshots": [str(path)],
        "maps": {"width": "5 kpc", "pixel": "50 pc"},
        "ism": {"sigma": "gradient"},
    }
    return resolve(raw | sections)


def product_of(snapshot, galaxy, config, tables=None):
    """Map a galaxy without writing anything."""
    tables = tables or {}
    maps = map_galaxy(snapshot, galaxy, config, tables, lambda stage, share: None)
    return make_product(snapshot, galaxy, "galaxy", maps, tables, config)


def write_pair(galaxy, folder, **changes):
    """Both snapshots of a galaxy; returns the paths to open by code."""
    ramses = {key: value for key, value in (RAMSES_SIZE | changes).items() if key in RAMSES_SIZE}
    arepo = {key: value for key, value in (AREPO_SIZE | changes).items() if key in AREPO_SIZE}
    return {
        "RAMSES": write_ramses(
            galaxy, folder / "ramses", non_thermal_pressure=True, molecular_chemistry=True, **ramses
        ),
        "Arepo": write_arepo(galaxy, folder / "arepo", **arepo),
    }
