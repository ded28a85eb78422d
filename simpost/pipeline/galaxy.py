"""One galaxy of one snapshot: cells are read and made luminous once, and deposited for every view."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simpost.config import Config
from simpost.core import constants as c
from simpost.core.errors import InputError
from simpost.core.units import HYDROGEN_PER_MSUN
from simpost.emission.density_pdf import AveragedTable
from simpost.emission.luminosity import CellLuminosity, line_luminosity, table_marks
from simpost.ism.recipes import Recipes, choose_recipes
from simpost.ism.state import Surroundings, gas_state, survey
from simpost.maps.deposit import Depositor, MapResult
from simpost.maps.view import View
from simpost.pipeline.tally import Tally
from simpost.products import Coverage, FieldOrigin
from simpost.products.schema import BEYOND_TABLE, LINE_CII
from simpost.snapshots.columns import Columns
from simpost.snapshots.galaxies import Galaxy
from simpost.snapshots.protocol import LEAVES, Snapshot
from simpost.snapshots.regions import Cube, Region, Sphere

Array = NDArray[np.float64]
Report = Callable[[str, float], None]

# cells beyond the window lend their gradients (leaves) or their kernels (Voronoi) to those inside
MARGIN = {LEAVES: 1.2, "voronoi": 1.6}
WINDOWS = (10, 30, 100)  # Myr, of the stellar star-formation rates (S25, V25, and FUV light)
MEANS = {"density": "n_H", "metallicity": "metallicity", "mach": "mach", "habing": "habing"}


@dataclass(frozen=True)
class GalaxyMaps:
    """Maps of one galaxy by view and quantity, and what they rest on."""

    views: tuple[View, ...]
    gas: dict[str, dict[str, MapResult]]  # view -> extensive quantity -> map
    stars: dict[str, dict[str, MapResult]]
    coverage: dict[str, Coverage]
    fields: tuple[FieldOrigin, ...]
    recipes: Recipes
    stellar: Columns
    n_cells: int
    wind_mass: float
    notes: tuple[str, ...]


def map_galaxy(
    snapshot: Snapshot, galaxy: Galaxy, config: Config, tables: dict[str, AveragedTable], report: Report
) -> GalaxyMaps:
    """Read, state, light and deposit the cells around a galaxy.

    Parameters
    ----------
    tables : dict
        Averaged line tables at the redshift of the snapshot, by label.
    report : callable
        Called with a stage and its progress (0 to 1).

    Raises
    ------
    InputError
        No cell in the field of view, a damaged snapshot, or more of the luminosity from outside the
        line table than the configuration allows.
    """
    width = config.maps.width
    depth = config.maps.depth or width
    region = _region(snapshot, galaxy, 0.5 * max(width, depth))
    views = tuple(View.named(name, width, depth, config.maps.pixel) for name in config.views)
    recipes = choose_recipes(snapshot.info, config.ism)
    report("stars", 0.0)
    reach = galaxy.r_200c if np.isfinite(galaxy.r_200c) else 0.0
    stars = snapshot.stars(Sphere(galaxy.centre, max(reach, np.sqrt(3.0) * region.half_width)))
    report("surroundings", 0.1)
    around = survey(snapshot, region, stars, recipes, config.ism, cutoff=reach or np.inf)
    report("cells", 0.3)
    lines = list(tables) if recipes.complete else []
    cells = _Cells(snapshot, region, recipes, around, config, {line: tables[line] for line in lines}, views)
    cells.deposit(lambda share: report("cells", 0.3 + 0.6 * share))
    if cells.n_inside == 0:
        raise InputError(
            snapshot.info.path,
            f"no gas cell within {0.5 * width:g} kpc of {galaxy.identity}",
            "a galaxy with gas",
            "check the centre and the width of the maps",
        )
    star_maps = _star_maps(stars, views)
    report("maps", 0.9)
    return GalaxyMaps(
        views=views,
        gas={view.name: depositor.finish() for view, depositor in zip(views, cells.depositors, strict=True)},
        stars=star_maps,
        coverage=cells.tally.coverage(),
        fields=_field_origins(cells, recipes),
        recipes=recipes,
        stellar=stars,
        n_cells=cells.n_inside,
        wind_mass=_wind_mass(snapshot, galaxy, 0.5 * max(width, depth)),
        notes=tuple(table.note for table in tables.values() if table.note),
    )


def _region(snapshot: Snapshot, galaxy: Galaxy, half_width: float) -> Region:
    """Cube of cells to read: the field of view and a margin around it.

    A field of view may fill half the periodic box at most: beyond that, cells and kernels that
    reach across its seam would be cut.
    """
    box = snapshot.info.box_size
    if 2.0 * half_width > 0.5 * box:
        raise InputError(
            "maps.width",
            f"{2.0 * half_width:g} kpc",
            f"at most half the box of {box:.6g} kpc of {snapshot.info.path}",
        )
    return Cube(galaxy.centre, MARGIN[snapshot.info.geometry] * half_width)


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
    ) -> None:
        self._snapshot, self._region, self._recipes, self._around = snapshot, region, recipes, around
        self._config, self._tables = config, tables
        self._half_width = 0.5 * max(views[0].width, views[0].depth)
        names = quantity_names(snapshot, recipes, list(tables))
        self.depositors = [Depositor(view, names, config.maps.kernel) for view in views]
        self.tally = Tally()
        self.origin_mass: dict[tuple[str, str], float] = {}
        self.mass = 0.0
        self.n_inside = 0

    def deposit(self, report: Callable[[float], None]) -> None:
        total = max(len(self._around.has_young_star), 1)
        start = 0
        for chunk in self._snapshot.gas_chunks(self._region):
            rows = slice(start, start + chunk.size)
            start = rows.stop
            state, marks = gas_state(
                chunk, rows, self._around, self._snapshot.info, self._recipes, self._config.ism
            )
            emission = {line: self._emission(state, table) for line, table in self._tables.items()}
            quantities = _quantities(state, emission, self._recipes, self._config.maps.helium)
            for depositor in self.depositors:
                if self._snapshot.info.geometry == LEAVES:
                    depositor.add_leaves(state["position"], state["size"], quantities)
                else:
                    radius = np.cbrt(0.75 / np.pi) * state["size"]
                    depositor.add_cells(state["position"], radius, quantities)
            self._account(state, marks, emission)
            report(start / total)

    def _emission(self, state: Columns, table: AveragedTable) -> CellLuminosity:
        return line_luminosity(
            table,
            state["n_H"],
            state["metallicity"] / c.Z_SUN,
            state["habing"],
            state["column_density"],
            state["mach"],
            state["ionising"],
            state["mass"] * state["hydrogen_fraction"] * HYDROGEN_PER_MSUN,
            dark=state["dark"],
            illumination=self._config.emission.illumination,
        )

    def _account(
        self, state: Columns, marks: dict[str, NDArray[np.bool_]], emission: dict[str, CellLuminosity]
    ) -> None:
        """Shares over the cells that reach into the field of view."""
        size = state["size"] if self._snapshot.info.geometry == LEAVES else 0.0
        inside = Cube(self._region.centre, self._half_width).overlaps(state["position"], size)
        self.n_inside += int(np.count_nonzero(inside))
        mass = state["mass"][inside]
        self.mass += float(mass.sum())
        main = emission.get(LINE_CII) or next(iter(emission.values()), None)
        luminosity = main.luminosity[inside] if main is not None else np.zeros(len(mass))
        every: dict[str, NDArray] = dict(marks)
        if main is not None:
            every |= table_marks(main)
            every |= {name: state[name] for name in ("ionising", "resolved_hii", "has_young_star")}
            every["non_ionising"] = ~state["ionising"]
        self.tally.add(mass, luminosity, {name: mark[inside] for name, mark in every.items()})


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


def _star_maps(stars: Columns, views: tuple[View, ...]) -> dict[str, dict[str, MapResult]]:
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
    return maps


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


def _wind_mass(snapshot: Snapshot, galaxy: Galaxy, half_width: float) -> float:
    """Mass of wind particles in the field of view: gas in flight, reported but not on the maps."""
    return float(snapshot.wind(Cube(galaxy.centre, half_width))["mass"].sum())


def check_coverage(coverage: dict[str, Coverage], config: Config, name: str) -> list[str]:
    """Warnings about luminosity from outside the table; raises above the configured share.

    Raises
    ------
    InputError
        The share exceeds `emission.refuse_outside`.
    """
    beyond = coverage.get(BEYOND_TABLE)
    share = beyond.share_of_luminosity if beyond is not None else float("nan")
    if share > config.emission.refuse_outside:
        raise InputError(
            name,
            f"{share:.1%} of L from outside the line table",
            f"at most {config.emission.refuse_outside:.1%}",
            "use a wider grid, or raise emission.refuse_outside",
        )
    if share > config.emission.warn_outside:
        return [f"{name}: {share:.1%} of L from outside the line table (emission.warn_outside)"]
    return []
