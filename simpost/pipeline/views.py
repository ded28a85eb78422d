"""The views of a configuration around one galaxy, and whether their maps fit into memory."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from simpost.config import Config
from simpost.config.models import IsmConfig, SpreadViews, StatedView
from simpost.config.quantities import OfHalo
from simpost.core.errors import InputError
from simpost.ism.recipes import Recipes
from simpost.ism.state import Surroundings, gas_state
from simpost.maps.directions import EDGE_ON, EDGE_ON_2, FACE_ON, default_up, disc_views, spread_directions
from simpost.maps.view import Vector, View
from simpost.snapshots.columns import Columns
from simpost.snapshots.galaxies import Galaxy
from simpost.snapshots.protocol import Snapshot, SnapshotInfo
from simpost.snapshots.regions import Sphere

Array = NDArray[np.float64]

OF_DISC = (FACE_ON, EDGE_ON, EDGE_ON_2)
LEAST_ROTATION = 0.01  # order below which the axis is chance (our choice)
# what mass, motion and ions of the gas take, whatever the code; a snapshot has some of them
_COLUMNS = (
    "position", "size", "mass", "density", "velocity", "hydrogen_fraction", "temperature_over_mu",
    "internal_energy", "star_formation_rate", "f_HI", "f_HII", "f_H2", "f_HeII", "f_HeIII",
    "neutral_fraction", "electron_fraction",
)  # fmt: skip


@dataclass(frozen=True)
class Rotation:
    """Angular momentum of the gas within a radius, relative to the galaxy."""

    angular_momentum: Array  # (3,) Msun kpc km/s
    order: float  # its modulus over the sum of m r v: near 1 for a cold disc, 0 for radial or random motion
    gas: str  # which gas it is


def make_views(
    snapshot: Snapshot, galaxy: Galaxy, recipes: Recipes, config: Config
) -> tuple[tuple[View, ...], tuple[str, ...]]:
    """Views in the order of the configuration, and notes on how they were found.

    Only face-on and edge-on views look at cells: one pass over the gas within
    `maps.angular_momentum_radius`, reading positions, velocities, masses and ions.

    Raises
    ------
    InputError
        There is no net rotation to define a disc, or a length is in units of an R_200c that is not known.
    """
    maps = config.maps
    width, pixel = in_kpc(maps.width, "maps.width", galaxy), maps.pixel
    depth = width if maps.depth is None else in_kpc(maps.depth, "maps.depth", galaxy)
    axes: dict[str, tuple[Vector, Vector]] = {}
    notes: tuple[str, ...] = ()
    if any(view in OF_DISC for view in config.views):
        stated = maps.angular_momentum_radius
        key = "maps.angular_momentum_radius"
        radius = 0.5 * width if stated is None else in_kpc(stated, key, galaxy)
        rotation = gas_rotation(snapshot, galaxy, recipes, config.ism, radius)
        axes = disc_views(rotation.angular_momentum)
        toward = ", ".join(f"{component:.3f}" for component in axes[FACE_ON][0])
        notes = (
            f"face-on and edge-on: angular momentum of {rotation.gas} within {radius:.4g} kpc, along "
            f"({toward}), {rotation.order:.0%} of the sum of m r v",
        )
    views = []
    for view in config.views:
        if isinstance(view, SpreadViews):
            directions = spread_directions(view.directions)
            spread = zip(view.names, directions, map(default_up, directions), strict=True)
            views += [View(name, toward, up, width, depth, pixel) for name, toward, up in spread]
        elif isinstance(view, StatedView):
            up = view.up or default_up(view.line_of_sight)
            views.append(View(view.name, view.line_of_sight, up, width, depth, pixel))
        elif view in OF_DISC:
            views.append(View(view, *axes[view], width, depth, pixel))
        else:
            views.append(View.named(view, width, depth, pixel))
    return tuple(views), notes


def gas_rotation(
    snapshot: Snapshot, galaxy: Galaxy, recipes: Recipes, options: IsmConfig, radius: float
) -> Rotation:
    """Angular momentum of the neutral gas whose cells' centres lie within `radius` [kpc] of the galaxy.

    Velocities are relative to the galaxy's. Where there is no neutral gas, or the snapshot cannot tell,
    all gas counts, and `gas` says so.

    Raises
    ------
    InputError
        No gas, no velocities, or an angular momentum below `LEAST_ROTATION` of the sum of m r v.
    """
    where = f"face-on and edge-on views of {galaxy.identity}"
    if "velocity" not in snapshot.info.fields_read["gas"]:
        raise InputError(where, "no gas velocities", "a rotating disc", "name a line of sight instead")
    momentum, most = np.zeros((2, 3)), np.zeros(2)  # of all gas, of the neutral gas
    for chunk in snapshot.gas_chunks(Sphere(galaxy.centre, radius), _COLUMNS):
        chunk = chunk.select(np.linalg.norm(chunk["position"], axis=1) <= radius)
        neutral = _neutral_fraction(chunk, snapshot.info, recipes, options)
        position, velocity = chunk["position"], chunk["velocity"] - np.asarray(galaxy.velocity)
        weights = np.stack((chunk["mass"], chunk["mass"] * neutral))
        momentum += weights @ np.cross(position, velocity)
        most += weights @ (np.linalg.norm(position, axis=1) * np.linalg.norm(velocity, axis=1))
    which, gas = 1, "the neutral gas"
    if most[1] == 0.0:
        which = 0
        gas = "all gas (no neutral gas there)" if recipes.complete else "all gas (no phases are known)"
    order = float(np.linalg.norm(momentum[which]) / most[which]) if most[which] > 0.0 else 0.0
    if order < LEAST_ROTATION:
        found = f"no net rotation of gas within {radius:.4g} kpc ({order:.2%} of the sum of m r v)"
        remedy = "change maps.angular_momentum_radius, or name a line of sight instead"
        raise InputError(where, found, f"at least {LEAST_ROTATION:.0%}", remedy)
    return Rotation(momentum[which], order, gas)


def _neutral_fraction(gas: Columns, info: SnapshotInfo, recipes: Recipes, options: IsmConfig) -> Array:
    """(n_HI + 2 n_H2)/n_H as on the maps; zero where phases are unknown.

    It depends on neither light, metals, turbulence nor H2: their columns are not read for it.
    """
    if not recipes.complete:
        return np.zeros(gas.size)
    plain = replace(recipes, metallicity="none", molecular="none", habing="floor", turbulence="none")
    around = Surroundings(None, None, np.zeros(gas.size, dtype=bool), None, None)
    options = options.model_copy(update={"column": "cell"})
    state, _ = gas_state(gas, slice(None), around, info, plain, options)
    return np.asarray(state["neutral_fraction"])


def check_memory(views: tuple[View, ...], n_quantities: int) -> None:
    """Refuse maps that the machine cannot hold, before cells are made luminous.

    Raises
    ------
    InputError
        All maps and the images of one view need more than the physical memory.
    """
    n_pixels = views[0].n_pixels
    refuse_beyond_memory(
        "maps.pixel, views",
        f"{n_quantities} quantities of {n_pixels}^2 pixels in {len(views)} view(s)",
        8 * n_quantities * n_pixels**2 * (len(views) + 1),
        "enlarge the pixels or ask for fewer views",
    )


def refuse_beyond_memory(what: str, found: str, needed: int, remedy: str) -> None:
    """Raise InputError if `found` needs more bytes than the physical memory, where that is known."""
    if "SC_PHYS_PAGES" not in getattr(os, "sysconf_names", {}):
        return
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if needed > memory:
        there = f"at most the {memory / 1e9:.3g} GB of this machine"
        raise InputError(what, f"{found}: {needed / 1e9:.3g} GB", there, remedy)


def in_kpc(length: float | OfHalo, key: str, galaxy: Galaxy) -> float:
    """A length of the configuration [kpc]; `key` is its place there.

    Raises
    ------
    InputError
        It is in units of R_200c, and the galaxy has none.
    """
    if not isinstance(length, OfHalo):
        return length
    if not np.isfinite(galaxy.r_200c):
        raise InputError(
            f"{key} of {galaxy.identity}", f"{length}, and no R_200c", "a halo", "state the length in kpc"
        )
    return length.factor * galaxy.r_200c
