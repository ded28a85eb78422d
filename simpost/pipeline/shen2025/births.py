"""Stars of a galaxy by their birth times, for an efficiency that cannot be negative (Shen+2025 eq. 1)."""

from __future__ import annotations

import numpy as np

from simpost.analysis.efficiency import BornStars
from simpost.pipeline.shen2025.histories import Simulation
from simpost.snapshots.regions import offset_from
from simpost.trees.track import Track

HALF_MASS_RADII = 2.0  # within which stars belong to the galaxy (Shen+2025 section 2.4)


def born_stars(simulation: Simulation, track: Track, end: float) -> BornStars | None:
    """Stars within twice the stellar half-mass radius at the first snapshot from `end` [Myr] on, or the last.

    None where that snapshot is not at hand, the halo was lost there, its catalogue has no half-mass radius,
    or its stars have no ages.
    """
    step = min(int(np.searchsorted(track.time, end)), len(track) - 1)
    number, row = int(track.snapshot[step]), int(track.row[step])
    catalogue = simulation.catalogues.get(number)
    if catalogue is None or row < 0 or catalogue.stellar_half_mass_radius is None:
        return None
    radius = HALF_MASS_RADII * float(catalogue.stellar_half_mass_radius[row])
    stars = simulation.stars(number)
    if not radius > 0.0 or "age" not in stars:
        return None
    box = simulation.snapshot(number).info.box_size
    place = track.position[step] - 0.5 * box
    inside = np.linalg.norm(offset_from(stars["position"], place, box), axis=1) <= radius
    observed = float(track.time[step])
    mass = stars["initial_mass" if "initial_mass" in stars else "mass"][inside]
    return BornStars(observed - stars["age"][inside], mass, observed)
