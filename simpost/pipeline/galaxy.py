"""One galaxy of one snapshot: cells are read and made luminous once, and deposited for every view."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simpost.config import Config
from simpost.core.errors import InputError
from simpost.emission.density_pdf import AveragedTable
from simpost.emission.luminosity import CellLuminosity, table_marks
from simpost.ism.recipes import Recipes, choose_recipes
from simpost.ism.state import Surroundings, gas_state, survey
from simpost.maps.deposit import Depositor, MapResult
from simpost.maps.smoothing import smoothing_kernel
from simpost.maps.view import View
from simpost.pipeline.ensemble import NO_ENSEMBLE, Ensemble, EnsemblePass, EnsembleResult
from simpost.pipeline.lighting import light_cells
from simpost.pipeline.tally import Tally
from simpost.products import Coverage, FieldOrigin
from simpost.products.schema import BEYOND_TABLE, LINE_CII
from simpost.snapshots.columns import Columns
from simpost.snapshots.galaxies import Galaxy
from simpost.snapshots.protocol import LEAVES, Snapshot
from simpost.snapshots.regions import Cube, Region, Sphere

Array = NDArray[np.float64]
Report = Callable[[str, float], None]  # stage, and how much is done (0 to 1)

LEAF_MARGIN = 1.2  # of the half-width: leaves beyond the window lend their gradients to those inside
KERNEL_MARGIN = 1.6  # the same for Voronoi cells at first; it grows until no kernel outside reaches in
KERNEL_GROWTH = 1.5
LARGEST_MARGIN = 20.0
WARN_LOW_RESOLUTION = 0.01  # share of the gas mass that is not of the zoom region
WINDOWS = (10, 30, 100)  # Myr, of the stellar star-formation rates (S25, V25, and FUV light)
MEANS = {"density": "n_H", "metallicity": "metallicity", "mach": "mach", "habing": "habing"}


@dataclass(frozen=True)
class GalaxyMaps:
    """Maps of one galaxy by view and quantity, and what they rest on.

    `totals` are sums over the cube of the width of the maps around the galaxy, whatever the views
    and their depth: cells by the part inside (a Voronoi cell as the cube of its volume), stars by position.
    """

    views: tuple[View, ...]
    gas: dict[str, dict[str, MapResult]]  # view -> extensive quantity -> map
    stars: dict[str, dict[str, MapResult]]
    coverage: dict[str, Coverage]
    fields: tuple[FieldOrigin, ...]
    recipes: Recipes
    totals: dict[str, float]
    stellar: Columns
    n_cells: int
    wind_mass: float
    notes: tuple[str, ...]
    ensemble: EnsembleResult | None


def map_galaxy(
    snapshot: Snapshot,
    galaxy: Galaxy,
    config: Config,
    tables: dict[str, AveragedTable],
    report: Report,
    ensemble: Ensemble = NO_ENSEMBLE,
) -> GalaxyMaps:
    """Read, state, light and deposit the cells around a galaxy.

    Parameters
    ----------
    tables : dict
        Averaged line tables at the redshift of the snapshot, by label.
    report : callable
        Called with a stage and its progress (0 to 1).
    ensemble : Ensemble
        Other models of the [CII] luminosity; default none.

    Raises
    ------
    InputError
        No cell in the field of view, a damaged snapshot, or more of the luminosity from outside the
        line table than the configuration allows.
    """
    width = config.maps.width
    depth = config.maps.depth or width
    half_width = 0.5 * max(width, depth)
    report("field of view", 0.0)
    region, notes = _region(snapshot, galaxy, half_width, config.maps.kernel)
    views = tuple(View.named(name, width, depth, config.maps.pixel) for name in config.views)
    recipes = choose_recipes(snapshot.info, config.ism)
    report("stars", 0.05)
    virial = galaxy.r_200c if np.isfinite(galaxy.r_200c) else 0.0
    reach = virial + np.sqrt(3.0) * region.half_width  # all that can light a cell of the region
    stars = snapshot.stars(Sphere(galaxy.centre, reach))
    report("surroundings", 0.1)
    around = survey(snapshot, region, stars, recipes, config.ism, cutoff=virial or np.inf, reach=reach)
    report("cells", 0.3)
    lines = list(tables) if recipes.has_lines else []
    lit = {line: tables[line] for line in lines}
    cells = _Cells(snapshot, region, recipes, around, config, lit, views, ensemble)
    cells.deposit(lambda share: report("cells", 0.3 + 0.6 * share))
    if cells.n_inside == 0:
        raise InputError(
            snapshot.info.path,
            f"no gas cell within {0.5 * width:g} kpc of {galaxy.identity}",
            "a galaxy with gas",
            "check the centre and the width of the maps",
        )
    star_maps, star_totals = _star_maps(stars, views, 0.5 * width)
    report("maps", 0.9)
    gas, of_ensemble = cells.finish()
    return GalaxyMaps(
        views=views,
        gas=gas,
        stars=star_maps,
        totals=cells.totals | star_totals,
        coverage=cells.tally.coverage(),
        fields=_field_origins(cells, recipes),
        recipes=recipes,
        stellar=stars,
        n_cells=cells.n_inside,
        wind_mass=float(snapshot.wind(Cube(galaxy.centre, 0.5 * width))["mass"].sum()),
        notes=(
            *notes,
            *(table.note for table in tables.values() if table.note),
            *(of_ensemble.notes(config.emission.warn_outside) if of_ensemble is not None else ()),
        ),
        ensemble=of_ensemble,
    )


def _region(
    snapshot: Snapshot, galaxy: Galaxy, half_width: float, kernel: str
) -> tuple[Region, tuple[str, ...]]:
    """Cube of cells to read: the field of view and a margin around it; and what is left out.

    A field of view may fill half the periodic box at most: beyond that, cells and kernels that
    reach across its seam would be cut. Voronoi cells are drawn as kernels much wider than
    themselves, so the cube grows until the outermost cells in it no longer reach the window.
    """
    box = snapshot.info.box_size
    if 2.0 * half_width > 0.5 * box:
        raise InputError(
            "maps.width",
            f"{2.0 * half_width:g} kpc",
            f"at most half the box of {box:.6g} kpc of {snapshot.info.path}",
        )
    if snapshot.info.geometry == LEAVES:
        return Cube(galaxy.centre, LEAF_MARGIN * half_width), ()
    largest = min(LARGEST_MARGIN * half_width, 0.499 * box)
    extent = KERNEL_MARGIN * half_width
    while True:
        region = Cube(galaxy.centre, min(extent, largest))
        farthest = _farthest_that_reaches(snapshot, region, half_width, kernel)
        if farthest * KERNEL_GROWTH <= region.half_width:
            return region, ()
        if region.half_width >= largest:
            return region, (f"kernels of cells beyond {largest:.4g} kpc may reach the maps: left out",)
        extent *= KERNEL_GROWTH


def _reach(geometry: str, kernel: str) -> float:
    """How far a cell is drawn around its position, over its size: half a leaf, or a kernel."""
    if geometry == LEAVES:
        return 0.5
    return float(smoothing_kernel(kernel).h_over_r_cell * np.cbrt(0.75 / np.pi))


def _farthest_that_reaches(snapshot: Snapshot, region: Region, half_width: float, kernel: str) -> float:
    """Largest distance along an axis [kpc] of a cell whose kernel reaches into the window."""
    reach = _reach(snapshot.info.geometry, kernel)
    farthest = 0.0
    for chunk in snapshot.gas_chunks(region, ("position", "size")):
        distance = np.abs(chunk["position"]).max(axis=1)
        reaches = distance - reach * chunk["size"] < half_width
        farthest = max(farthest, float(distance[reaches].max(initial=0.0)))
    return farthest


class _Cells:
    """The one pass over the gas cells of a galaxy."""

    def __init__(
        self,
        snapshot: Snapshot,
        region: Region,
        recipes: Recipes,
        around: Surroundings,
        config: Config,
        tables: dict[str, AveragedTable],
        views: tuple[View, ...],
        ensemble: Ensemble,
    ) -> None:
        self._snapshot, self._region, self._recipes, self._around = snapshot, region, recipes, around
        self._config, self._tables = config, tables
        self._half_width = 0.5 * views[0].width
        self._window = 0.5 * max(views[0].width, views[0].depth)
        self._reach = _reach(snapshot.info.geometry, config.maps.kernel)
        self._members = EnsemblePass(ensemble, config)
        names = quantity_names(snapshot, recipes, list(tables)) + self._members.names
        self._depositors = [Depositor(view, names, config.maps.kernel) for view in views]
        self.tally = Tally()
        self.totals = dict.fromkeys(names, 0.0)
        self.n_inside = 0

    def deposit(self, report: Callable[[float], None]) -> None:
        total = max(len(self._around.has_young_star), 1)
        start = 0
        for chunk in self._snapshot.gas_chunks(self._region):
            distance = np.abs(chunk["position"]).max(axis=1)
            drawn = np.flatnonzero(distance - self._reach * chunk["size"] < self._window)
            rows = start + drawn  # the others have lent their velocities already
            start += chunk.size
            if len(drawn) == 0:
                continue
            state, marks = gas_state(
                chunk.select(drawn), rows, self._around, self._snapshot.info, self._recipes, self._config.ism
            )
            emission = {
                line: light_cells(state, state["mach"], table, self._config.emission)
                for line, table in self._tables.items()
            }
            share = self._share_in_cube(state)
            quantities = _quantities(state, emission, self._recipes, self._config.maps.helium)
            quantities |= self._members.light(state, share)
            for depositor in self._depositors:
                if self._snapshot.info.geometry == LEAVES:
                    depositor.add_leaves(state["position"], state["size"], quantities)
                else:
                    radius = np.cbrt(0.75 / np.pi) * state["size"]
                    depositor.add_cells(state["position"], radius, quantities)
            self._account(state, share, marks, emission, quantities)
            report(start / total)

    def finish(self) -> tuple[dict[str, dict[str, MapResult]], EnsembleResult | None]:
        """Maps by view and quantity; and the ensemble, whose members' maps are no longer needed."""
        maps = {depositor.view.name: depositor.finish() for depositor in self._depositors}
        beyond = self.tally.coverage().get(BEYOND_TABLE)
        share = beyond.share_of_luminosity if beyond is not None else float("nan")
        ensemble = self._members.result(maps, self.totals, share)
        for name in self._members.names:
            del self.totals[name]
            for of_view in maps.values():
                del of_view[name]
        return maps, ensemble

    def _account(
        self,
        state: Columns,
        share: Array,
        marks: dict[str, NDArray[np.bool_]],
        emission: dict[str, CellLuminosity],
        quantities: dict[str, Array],
    ) -> None:
        """Totals and shares over the cube of the maps' width: by the part of each cell inside."""
        inside = share > 0.0
        share = share[inside]
        self.n_inside += len(share)
        for name, values in quantities.items():
            self.totals[name] += float(values[inside] @ share)
        main = emission.get(LINE_CII) or next(iter(emission.values()), None)
        luminosity = main.luminosity[inside] * share if main is not None else np.zeros(len(share))
        every: dict[str, NDArray] = dict(marks)
        if main is not None:
            every |= table_marks(main)
            every |= {name: state[name] for name in ("ionising", "resolved_hii", "has_young_star")}
            every["non_ionising"] = ~state["ionising"]
        mass = state["mass"][inside] * share
        self.tally.add(mass, luminosity, {name: mark[inside] for name, mark in every.items()})

    def _share_in_cube(self, state: Columns) -> Array:
        """Part of each cell in the cube; a Voronoi cell stands as the cube of its volume."""
        offset, half = np.abs(state["position"]), 0.5 * state["size"][:, None]
        overlap = np.minimum(offset + half, self._half_width) - np.maximum(offset - half, -self._half_width)
        return np.asarray(np.prod(np.clip(overlap / (2.0 * half), 0.0, 1.0), axis=1))


def quantity_names(snapshot: Snapshot, recipes: Recipes, lines: list[str]) -> list[str]:
    """Names of the extensive quantities of the gas that are deposited."""
    names = ["gas"]
    if recipes.complete:
        names += ["neutral", "molecular"]
    if "star_formation_rate" in snapshot.info.fields_read["gas"]:
        names.append("sfr_instantaneous")
    names += lines
    if recipes.complete:
        names += [f"{mean} x {weight}" for weight in ("mass", *lines) for mean in MEANS]
    return names


def _quantities(
    state: Columns, emission: dict[str, CellLuminosity], recipes: Recipes, helium: bool
) -> dict[str, Array]:
    mass = state["mass"]
    quantities = {"gas": mass}
    if recipes.complete:
        of_phases = mass if helium else mass * state["hydrogen_fraction"]
        quantities["neutral"] = of_phases * state["neutral_fraction"]
        quantities["molecular"] = of_phases * state["f_H2"]
    if "star_formation_rate" in state:
        quantities["sfr_instantaneous"] = state["star_formation_rate"]
    weights = {"mass": mass} if recipes.complete else {}
    for line, result in emission.items():
        quantities[line] = weights[line] = result.luminosity
    for weight, values in weights.items():
        for mean, column in MEANS.items():
            quantities[f"{mean} x {weight}"] = state[column] * values
    return quantities


def _star_maps(
    stars: Columns, views: tuple[View, ...], half_width: float
) -> tuple[dict[str, dict[str, MapResult]], dict[str, float]]:
    """Maps by view, and totals in the cube."""
    quantities = {"stars": stars["mass"]}
    if "age" in stars:
        for window in WINDOWS:
            young = stars["age"] < window
            quantities[f"sfr_{window}"] = np.where(young, stars["initial_mass"], 0.0) / (window * 1e6)
    maps = {}
    for view in views:
        depositor = Depositor(view, list(quantities))
        depositor.add_points(stars["position"], quantities)
        maps[view.name] = depositor.finish()
    inside = np.all(np.abs(stars["position"]) <= half_width, axis=1)
    return maps, {name: float(values[inside].sum()) for name, values in quantities.items()}


def _field_origins(cells: _Cells, recipes: Recipes) -> tuple[FieldOrigin, ...]:
    """Where each column came from; an override has the share of the mass it was done to."""
    coverage = cells.tally.coverage()
    overridden = coverage.get("effective_equation_of_state", Coverage(0.0, 0.0, 0.0)).share_of_mass
    rows = []
    for column, origin in sorted({**cells._snapshot.info.fields_read["gas"], **recipes.origins}.items()):
        text = recipes.origins.get(column, f"read: {origin}")
        base, _, override = text.partition("; override: ")
        rows.append(FieldOrigin(column, base, 1.0 - overridden if override else 1.0))
        if override:
            rows.append(FieldOrigin(column, f"override: {override}", overridden))
    return tuple(rows)


def check_coverage(coverage: dict[str, Coverage], config: Config, name: str) -> list[str]:
    """Warnings about luminosity from outside the table; raises above the configured share.

    Raises
    ------
    InputError
        The share exceeds `emission.refuse_outside`.
    """
    beyond = coverage.get(BEYOND_TABLE)
    share = beyond.share_of_luminosity if beyond is not None else float("nan")
    options = config.emission
    if options.refuse_outside is not None and share > options.refuse_outside:
        raise InputError(
            name,
            f"{share:.1%} of L from outside the line table",
            f"at most {options.refuse_outside:.1%}",
            "use a wider grid, or raise emission.refuse_outside",
        )
    warnings = []
    if share > options.warn_outside:
        warnings.append(f"{name}: {share:.1%} of L from outside the line table (emission.warn_outside)")
    coarse = coverage.get("low_resolution")
    if coarse is not None and coarse.share_of_mass > WARN_LOW_RESOLUTION:
        warnings.append(f"{name}: {coarse.share_of_mass:.1%} of the gas is from outside the zoom region")
    return warnings
