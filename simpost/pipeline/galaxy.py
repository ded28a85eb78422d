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
from simpost.maps.cube import CubeResult
from simpost.maps.deposit import Depositor, MapResult
from simpost.maps.smoothing import smoothing_kernel
from simpost.maps.view import View
from simpost.pipeline.cubes import CubePass, cube_notes
from simpost.pipeline.ensemble import NO_ENSEMBLE, Ensemble, EnsemblePass, EnsembleResult
from simpost.pipeline.lighting import light_cells
from simpost.pipeline.stars import WINDOWS, star_maps, star_notes
from simpost.pipeline.tally import Tally
from simpost.pipeline.views import check_memory, make_views
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
    cubes: dict[str, dict[str, CubeResult]]  # view -> line -> cube
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
    report("field of view", 0.0)
    recipes = choose_recipes(snapshot.info, config.ism)
    lines = list(tables) if recipes.has_lines else []
    views, of_views = make_views(snapshot, galaxy, recipes, config)
    of_gas = len(quantity_names(snapshot, recipes, lines)) + len(ensemble.tables)
    check_memory(views, of_gas + 1 + len(WINDOWS))
    region, of_region = _region(snapshot, galaxy, views, config.maps.kernel)
    report("stars", 0.05)
    virial = galaxy.r_200c if np.isfinite(galaxy.r_200c) else 0.0
    corner = np.sqrt(3.0) * region.half_width
    reach = virial + corner  # all that can light a cell of the region
    stars = snapshot.stars(Sphere(galaxy.centre, max(reach, corner + (config.maps.star_smoothing or 0.0))))
    report("surroundings", 0.1)
    around = survey(snapshot, region, stars, recipes, config.ism, cutoff=virial or np.inf, reach=reach)
    report("cells", 0.3)
    lit = {line: tables[line] for line in lines}
    cubes = CubePass(views, lines, galaxy, config.maps, snapshot.info.geometry == LEAVES)
    cells = _Cells(snapshot, region, recipes, around, config, lit, views, ensemble, cubes)
    cells.deposit(lambda share: report("cells", 0.3 + 0.6 * share))
    if cells.n_inside == 0:
        raise InputError(
            snapshot.info.path,
            f"no gas cell within {0.5 * width:g} kpc of {galaxy.identity}",
            "a galaxy with gas",
            "check the centre and the width of the maps",
        )
    of_stars, star_totals = star_maps(stars, views, config.maps)
    report("maps", 0.9)
    gas, of_ensemble = cells.finish()
    of_lines = cubes.finish()
    return GalaxyMaps(
        views=views,
        gas=gas,
        stars=of_stars,
        cubes=of_lines,
        totals=cells.totals | star_totals,
        coverage=cells.tally.coverage(),
        fields=_field_origins(cells, recipes),
        recipes=recipes,
        stellar=stars,
        n_cells=cells.n_inside,
        wind_mass=float(snapshot.wind(Cube(galaxy.centre, 0.5 * width))["mass"].sum()),
        notes=(
            *of_views,
            *of_region,
            *star_notes(config.maps),
            *cube_notes(of_lines),
            *(table.note for table in tables.values() if table.note),
            *(of_ensemble.notes(config.emission.warn_outside) if of_ensemble is not None else ()),
        ),
        ensemble=of_ensemble,
    )


def _region(
    snapshot: Snapshot, galaxy: Galaxy, views: tuple[View, ...], kernel: str
) -> tuple[Region, tuple[str, ...]]:
    """Cube of cells to read: the field of view and a margin around it; and what is left out.

    The cube holds the cube of the maps' width and every window, turned as its view is. It may fill half
    the periodic box at most: beyond that, cells and kernels that reach across its seam would be cut.
    Voronoi cells are drawn as kernels much wider than themselves, so the cube grows until the outermost
    cells in it no longer reach a window.
    """
    box = snapshot.info.box_size
    half_width = max(0.5 * views[0].width, *(float(view.half_extents.max()) for view in views))
    if 2.0 * half_width > 0.5 * box:
        turned = "" if all(view.is_axis_aligned for view in views) else " (the field of view, turned)"
        raise InputError(
            "maps.width",
            f"{2.0 * half_width:g} kpc{turned}",
            f"at most half the box of {box:.6g} kpc of {snapshot.info.path}",
        )
    if snapshot.info.geometry == LEAVES:
        return Cube(galaxy.centre, LEAF_MARGIN * half_width), ()
    largest = min(LARGEST_MARGIN * half_width, 0.499 * box)
    extent = KERNEL_MARGIN * half_width
    while True:
        region = Cube(galaxy.centre, min(extent, largest))
        farthest = _farthest_that_reaches(snapshot, region, views, kernel)
        if farthest * KERNEL_GROWTH <= region.half_width:
            return region, ()
        if region.half_width >= largest:
            return region, (f"kernels of cells beyond {largest:.4g} kpc may reach the maps: left out",)
        extent *= KERNEL_GROWTH


def _reach(geometry: str, kernel: str, view: View) -> float:
    """How far a cell is drawn around its position, over its size: half a leaf, turned, or a kernel."""
    if geometry == LEAVES:
        return 0.5 * view.cube_extent
    return float(smoothing_kernel(kernel).h_over_r_cell * np.cbrt(0.75 / np.pi))


def _is_drawn(cells: Columns, views: tuple[View, ...], geometry: str, kernel: str) -> NDArray[np.bool_]:
    """Which cells reach into a window, or into the cube of the maps' width."""
    position, size = cells["position"], cells["size"]
    drawn = np.asarray(np.abs(position).max(axis=1) - 0.5 * size < 0.5 * views[0].width)
    for view in views:
        rest = np.flatnonzero(~drawn)
        drawn[rest] = view.touches(position[rest], _reach(geometry, kernel, view) * size[rest])
    return drawn


def _farthest_that_reaches(snapshot: Snapshot, region: Region, views: tuple[View, ...], kernel: str) -> float:
    """Largest distance along an axis [kpc] of a cell whose kernel reaches into a window."""
    farthest = 0.0
    for chunk in snapshot.gas_chunks(region, ("position", "size")):
        drawn = _is_drawn(chunk, views, snapshot.info.geometry, kernel)
        farthest = max(farthest, float(np.abs(chunk["position"][drawn]).max(initial=0.0)))
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
        cubes: CubePass,
    ) -> None:
        self._snapshot, self._region, self._recipes, self._around = snapshot, region, recipes, around
        self._config, self._tables = config, tables
        self._views, self._half_width = views, 0.5 * views[0].width
        self._members, self._cubes = EnsemblePass(ensemble, config), cubes
        names = quantity_names(snapshot, recipes, list(tables)) + self._members.names
        self._depositors = [Depositor(view, names, config.maps.kernel) for view in views]
        self.tally = Tally()
        self.totals = dict.fromkeys(names, 0.0)
        self.n_inside = 0

    def deposit(self, report: Callable[[float], None]) -> None:
        total = max(len(self._around.has_young_star), 1)
        start = 0
        geometry = self._snapshot.info.geometry
        for chunk in self._snapshot.gas_chunks(self._region):
            drawn = np.flatnonzero(_is_drawn(chunk, self._views, geometry, self._config.maps.kernel))
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
                if geometry == LEAVES:
                    depositor.add_leaves(state["position"], state["size"], quantities)
                else:
                    radius = np.cbrt(0.75 / np.pi) * state["size"]
                    depositor.add_cells(state["position"], radius, quantities)
            self._cubes.add(state, emission)
            self._account(state, share, marks, emission, quantities)
            report(start / total)

    def finish(self) -> tuple[dict[str, dict[str, MapResult]], EnsembleResult | None]:
        """Maps by view and quantity; and the ensemble, whose members' maps are no longer needed."""
        maps = {}
        while self._depositors:  # an image goes when its maps are made: memory holds all maps and one image
            depositor = self._depositors.pop(0)
            maps[depositor.view.name] = depositor.finish()
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
