"""The state of the interstellar medium, chunk by chunk.

What a cell can know by itself is computed per chunk; what needs neighbours or stars (turbulence,
young stars, starlight) is surveyed once over the region and sliced (`Surroundings`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simpost.config.models import IsmConfig
from simpost.core import constants as c
from simpost.ism import chemistry, column, flags, radiation, turbulence
from simpost.ism.gradient import leaf_gradient, voronoi_gradient
from simpost.ism.octree import LeafIndex
from simpost.ism.phases import gas_phases
from simpost.ism.recipes import Recipes
from simpost.snapshots.columns import Columns, concatenate
from simpost.snapshots.protocol import LEAVES, Snapshot, SnapshotInfo
from simpost.snapshots.regions import Region, Sphere

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

# a constant star-formation rate over 100 Myr shines like this mass of stars below 4 Myr
YOUNG_MASS_PER_SFR = 12.25692e6  # Msun per Msun/yr
HIGH_RESOLUTION = 0.5  # share of a cell's mass from the zoom region, below which the cell is not part of it


@dataclass(frozen=True)
class Surroundings:
    """Columns of every cell of a region, in reading order, that need more than the cell."""

    gradient_velocity: Array | None  # km/s, from the velocity gradient
    gradient_undefined: Mask | None
    has_young_star: Mask
    starlight: Array | None  # Habing, where the field comes from stars
    density_scale: Array | None  # kpc, for the sobolev column


class _Survey:
    """Columns of the whole region that the surroundings are made from."""

    def __init__(self, snapshot: Snapshot, region: Region, recipes: Recipes, options: IsmConfig) -> None:
        info = snapshot.info
        names = ["position", "size"]
        names += ["corner", "level"] if info.geometry == LEAVES else []
        names += ["velocity"] if recipes.turbulence in ("gradient", "both") else []
        names += ["density"] if options.column == "sobolev" else []
        parts: dict[str, list[NDArray]] = {name: [] for name in names}
        for chunk in snapshot.gas_chunks(region, names):
            for name in names:
                parts[name].append(chunk[name])
        self.columns = {
            name: np.concatenate(arrays) if arrays else np.empty(0) for name, arrays in parts.items()
        }
        self.n_cells = len(self.columns["size"])
        self.centre = np.asarray(region.centre)
        self.info = info
        self.index = self._leaf_index() if info.geometry == LEAVES and self.n_cells else None

    def _leaf_index(self) -> LeafIndex:
        """Leaves on one lattice without wrap: corners near the region's centre, from a common origin."""
        finest = self.info.finest_level
        cell = self.info.box_size / 2**finest
        from_centre = self.columns["position"] - 0.5 * self.columns["size"][:, None]
        unwrapped = np.rint((from_centre + self.centre) / cell).astype(np.int64)
        width = 1 << (finest - int(self.columns["level"].min()))
        self.origin = unwrapped.min(axis=0) // width * width
        self.finest_cell = cell
        return LeafIndex(unwrapped - self.origin, self.columns["level"], finest)

    def gradient(self, values: Array) -> Array:
        if self.index is not None:
            return np.asarray(leaf_gradient(self.index, values, self.columns["size"]).value)
        return np.asarray(voronoi_gradient(self.columns["position"], values).value)

    def hosts(self, position: Array) -> NDArray[np.int64]:
        """Cell of each star (-1: none in the region)."""
        if self.index is not None:
            return flags.host_leaf(self.index, (position + self.centre) / self.finest_cell - self.origin)
        return flags.host_generator(self.columns["position"], position)


def survey(
    snapshot: Snapshot,
    region: Region,
    stars: Columns,
    recipes: Recipes,
    options: IsmConfig,
    cutoff: float,
    reach: float,
) -> Surroundings:
    """Turbulence, young stars and starlight of every cell that overlaps `region`.

    Parameters
    ----------
    stars : Columns
        Star particles relative to the region's centre; those outside the region shine, too.
    cutoff : float
        Sources farther than this from a cell do not light it [kpc] (R_vir).
    reach : float
        Radius around the region's centre within which sources are looked for [kpc].
    """
    cells = _Survey(snapshot, region, recipes, options)
    velocity = undefined = scale = starlight = None
    if recipes.turbulence in ("gradient", "both") and cells.n_cells:
        velocity, undefined = turbulence.turbulent_velocity(
            cells.gradient(cells.columns["velocity"]),
            cells.columns["size"],
            subtract_divergence=options.subtract_divergence,
            subtract_rotation=options.subtract_rotation,
        )
    if options.column == "sobolev" and cells.n_cells:
        slope = cells.gradient(cells.columns["density"][:, None])[:, 0]
        scale, _ = column.sobolev_length(cells.columns["density"], slope)
    young = np.zeros(cells.n_cells, dtype=bool)
    has_ages = "age" in stars and stars.size > 0 and cells.n_cells > 0
    hosts = cells.hosts(stars["position"]) if has_ages else None
    if hosts is not None:
        inside = region.overlaps(stars["position"])
        young = flags.has_young_star(
            np.where(inside, hosts, -1), stars["age"], cells.n_cells, options.young_star_age
        )
    if recipes.habing == "stars" and hosts is not None:
        starlight = radiation.stellar_habing_field(
            cells.columns["position"],
            cells.columns["size"],
            stars["position"],
            stars["initial_mass"],
            stars["age"],
            hosts,
            background=options.habing_floor,
            cutoff=cutoff,
        ).value
    elif recipes.habing == "star_formation" and cells.n_cells:
        sources = _forming_gas(snapshot, Sphere(region.centre, reach))
        starlight = radiation.stellar_habing_field(
            cells.columns["position"],
            cells.columns["size"],
            sources["position"],
            sources["star_formation_rate"] * YOUNG_MASS_PER_SFR,
            np.zeros(sources.size),
            cells.hosts(sources["position"]),
            background=options.habing_floor,
            cutoff=cutoff,
        ).value
    return Surroundings(velocity, undefined, young, starlight, scale)


def _forming_gas(snapshot: Snapshot, region: Region) -> Columns:
    """Position and star-formation rate of the star-forming cells in `region`."""
    names = ("position", "star_formation_rate")
    chunks = [chunk.select(chunk["star_formation_rate"] > 0) for chunk in snapshot.gas_chunks(region, names)]
    if chunks:
        return concatenate(chunks)
    return Columns({names[0]: np.empty((0, 3)), names[1]: np.empty(0)}, dict.fromkeys(names, "read: none"))


def gas_state(
    gas: Columns,
    rows: slice | NDArray[np.int64],
    around: Surroundings,
    info: SnapshotInfo,
    recipes: Recipes,
    options: IsmConfig,
) -> tuple[Columns, dict[str, Mask]]:
    """Add the state of the interstellar medium to a chunk of gas.

    Parameters
    ----------
    gas : Columns
        A chunk of the region surveyed.
    rows : slice or array of int
        Where the cells of the chunk stand in reading order.

    Returns
    -------
    state : Columns
        The chunk with n_H, temperature, phases, radiation, turbulence and column added.
    marks : dict
        Cells where something was assumed, overridden or clipped, by name.
    """
    hydrogen = gas["hydrogen_fraction"] if recipes.hydrogen == "read" else np.full(gas.size, c.X_HYDROGEN)
    columns: dict[str, NDArray] = {
        "hydrogen_fraction": hydrogen,
        "metallicity": _metallicity(gas, recipes, options),
        "n_H": np.asarray(chemistry.hydrogen_number_density(gas["density"], hydrogen)),
    }
    marks: dict[str, Mask] = {}
    if not recipes.complete:
        columns["column_density"], _ = column.hydrogen_column("cell", columns["n_H"], gas["size"])
        return gas.with_columns(columns, recipes.origins), marks
    t_over_mu = _temperature_over_mu(gas, columns["n_H"], info, recipes, options, marks)
    columns |= _radiation(gas, rows, around, info, recipes, options, marks)
    columns |= gas_phases(gas, columns, t_over_mu, info, recipes, options, marks)
    if "high_resolution_fraction" in gas:
        marks["low_resolution"] = gas["high_resolution_fraction"] < HIGH_RESOLUTION
    columns["sound_speed"] = np.asarray(
        chemistry.sound_speed(columns["temperature"], columns["mean_molecular_weight"])
    )
    _turbulence(gas, rows, around, columns, recipes, options, marks)
    _column_density(gas, rows, around, columns, options, marks)
    _spectrum(gas, rows, around, columns, info, recipes, options)
    return gas.with_columns(columns, {**recipes.origins, **_flag_origins(recipes)}), marks


def _metallicity(gas: Columns, recipes: Recipes, options: IsmConfig) -> Array:
    if recipes.metallicity == "read":
        return np.asarray(gas["metallicity"])
    return np.full(gas.size, (options.assumed_metallicity or 0.0) * c.Z_SUN)


def _temperature_over_mu(
    gas: Columns, n_H: Array, info: SnapshotInfo, recipes: Recipes, options: IsmConfig, marks: dict[str, Mask]
) -> Array:
    if recipes.temperature == "energy":
        return np.asarray(chemistry.t_over_mu_from_internal_energy(gas["internal_energy"]))
    values = np.asarray(gas["temperature_over_mu"])
    if options.pressure_floor == "subtract" and info.pressure_floor is not None:
        n_star, t2_star, g_star = info.pressure_floor
        values, marks["on_pressure_floor"] = chemistry.subtract_pressure_floor(
            values, n_H, n_star=n_star, t2_star=t2_star, g_star=g_star
        )
    return values


def _radiation(
    gas: Columns,
    rows: slice | NDArray[np.int64],
    around: Surroundings,
    info: SnapshotInfo,
    recipes: Recipes,
    options: IsmConfig,
    marks: dict[str, Mask],
) -> dict[str, Array]:
    if recipes.habing == "groups" and info.photon_groups is not None:
        groups = info.photon_groups
        field = radiation.habing_field(
            gas["photon_flux"],
            np.array(groups.mean_energy),
            np.array(groups.low),
            np.array(groups.high),
            options.habing_floor,
        )
        marks["habing_at_floor"] = field.at_floor
        return {"habing": np.asarray(field.value)}
    light = (
        around.starlight[rows] if around.starlight is not None else np.full(gas.size, options.habing_floor)
    )
    # the field is floor plus starlight: below twice the floor the stars give less than it
    marks["habing_at_floor"] = np.asarray(light < 2.0 * options.habing_floor)
    return {"habing": light}


def _turbulence(
    gas: Columns,
    rows: slice | NDArray[np.int64],
    around: Surroundings,
    columns: dict[str, NDArray],
    recipes: Recipes,
    options: IsmConfig,
    marks: dict[str, Mask],
) -> None:
    squares = np.zeros(gas.size)
    if recipes.turbulence in ("stored", "both"):
        squares += 2.0 * gas["nonthermal_energy"]
    if recipes.turbulence in ("gradient", "both") and around.gradient_velocity is not None:
        squares += around.gradient_velocity[rows] ** 2
        if around.gradient_undefined is not None:
            marks["gradient_undefined"] = around.gradient_undefined[rows]
    columns["turbulent_velocity"] = np.sqrt(squares)
    columns["mach"], marks["mach_clipped"] = turbulence.mach_number(
        columns["turbulent_velocity"], columns["sound_speed"], options.mach, options.sigma_dimension
    )


def _column_density(
    gas: Columns,
    rows: slice | NDArray[np.int64],
    around: Surroundings,
    columns: dict[str, NDArray],
    options: IsmConfig,
    marks: dict[str, Mask],
) -> None:
    jeans = None
    if options.column in ("jeans", "cell_jeans"):
        jeans = column.jeans_length(columns["temperature"], columns["mean_molecular_weight"], gas["density"])
    scale = around.density_scale[rows] if around.density_scale is not None else None
    columns["column_density"], replaced = column.hydrogen_column(
        options.column, columns["n_H"], gas["size"], jeans=jeans, sobolev=scale
    )
    if options.column == "sobolev":
        marks["column_replaced"] = replaced


def _spectrum(
    gas: Columns,
    rows: slice | NDArray[np.int64],
    around: Surroundings,
    columns: dict[str, NDArray],
    info: SnapshotInfo,
    recipes: Recipes,
    options: IsmConfig,
) -> None:
    """Young-star and resolved-HII flags, the SED variant, ionisation parameter, and hot gas."""
    ionised = 1.0 - columns["neutral_fraction"]
    columns["has_young_star"] = around.has_young_star[rows]
    groups = info.photon_groups
    ionising = (
        radiation.ionising_groups(np.array(groups.low)) if groups is not None else np.zeros(0, dtype=bool)
    )
    if np.any(ionising) and "photon_flux" in gas:
        columns["resolved_hii"] = flags.is_resolved_hii(ionised, gas["photon_flux"][:, ionising].sum(axis=1))
        columns["ionisation_parameter"] = radiation.ionisation_parameter(
            gas["photon_flux"], ionising, columns["n_H"]
        )
    else:
        lit = options.habing_floor * 2.0 if recipes.habing != "floor" else np.inf
        columns["resolved_hii"] = flags.is_resolved_hii_without_rt(
            ionised, columns["temperature"], columns["habing"], lit
        )
    columns["ionising"] = flags.uses_ionising_variant(columns["resolved_hii"], columns["has_young_star"])
    if "ionisation_parameter" not in columns:
        from_habing = radiation.ionisation_parameter_from_habing(columns["habing"], columns["n_H"])
        columns["ionisation_parameter"] = np.where(columns["ionising"], from_habing, 0.0)
    columns["dark"] = flags.is_hot(columns["temperature"])


def _flag_origins(recipes: Recipes) -> dict[str, str]:
    with_groups = recipes.habing == "groups"
    return {
        "has_young_star": "derived: star particles in the cell",
        "resolved_hii": "derived: HII and ionising photons"
        if with_groups
        else "derived: HII, T and FUV field",
        "ionising": "derived: resolved HII region or young star",
        "ionisation_parameter": "derived: ionising groups" if with_groups else "derived: FUV field",
        "dark": "derived: T > 5e4 K",
    }
