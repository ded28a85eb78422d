"""Which galaxies of a snapshot a configuration asks for."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from simpost.config.models import GalaxiesConfig
from simpost.core.errors import InputError
from simpost.snapshots.contamination import CoarseMatter, coarse_matter, contamination
from simpost.snapshots.galaxies import Galaxy, find_galaxies, galaxies_from_catalogue, galaxy_at
from simpost.snapshots.protocol import Snapshot


def select_galaxies(snapshot: Snapshot, options: GalaxiesConfig) -> tuple[list[Galaxy], tuple[str, ...]]:
    """Galaxies in the order they were found, at most `options.count`; and why others were left out.

    Raises
    ------
    InputError
        There is none, or the finder cannot be used.
    """
    galaxies = _candidates(snapshot, options)
    if not options.uncontaminated:
        return galaxies, ()
    kept, left_out = _uncontaminated(snapshot, galaxies, options.count)
    if not kept:
        raise InputError(
            f"{snapshot.info.path}: galaxies.uncontaminated",
            "; ".join(left_out[:3]) + (f"; and {len(left_out) - 3} more" if len(left_out) > 3 else ""),
            "a galaxy without low-resolution dark matter within R_200c",
        )
    return kept, tuple(left_out)


def _candidates(snapshot: Snapshot, options: GalaxiesConfig) -> list[Galaxy]:
    if options.finder == "centres":
        return [
            galaxy_at(snapshot, np.asarray(centre), f"centre-{i}")
            for i, centre in enumerate(options.centres or [])
        ]
    haloes = snapshot.haloes() if options.finder in ("auto", "catalogue") else None
    if haloes is not None:
        count = None if options.uncontaminated else options.count  # the next ones take the place of others
        return galaxies_from_catalogue(snapshot, haloes, count, options.min_mass or 0.0)
    if options.finder == "catalogue":
        raise InputError(
            snapshot.info.path,
            "no halo catalogue beside it",
            "fof_subhalo_tab_NNN.hdf5",
            "use 'finder: peak'",
        )
    return find_galaxies(snapshot, options.count, options.min_mass or 0.0)


def _uncontaminated(
    snapshot: Snapshot, galaxies: Iterable[Galaxy], count: int
) -> tuple[list[Galaxy], list[str]]:
    """The first `count` without low-resolution dark matter within R_200c, and why others are left out."""
    coarse, kept, left_out = coarse_matter(snapshot), list[Galaxy](), list[str]()
    for galaxy in galaxies:
        if len(kept) == count:
            break
        reason = _contaminant(snapshot, galaxy, coarse)
        if reason:
            left_out.append(f"{galaxy.identity} left out: {reason}")
        else:
            kept.append(galaxy)
    return kept, left_out


def _contaminant(snapshot: Snapshot, galaxy: Galaxy, coarse: CoarseMatter) -> str:
    """Why a galaxy is not known to be free of low-resolution dark matter; empty if it is."""
    if not np.isfinite(galaxy.r_200c):
        return "no R_200c to look within"
    found = contamination(snapshot, galaxy.centre, galaxy.r_200c, coarse)
    if found.is_clean:
        return ""
    return (
        f"{found.n_low_resolution} low-resolution dark-matter particles within R_200c "
        f"({found.mass_share:.2g} of the dark matter, the nearest at {found.nearest:.4g} kpc)"
    )
