"""One galaxy of one snapshot: cells are read and made luminous once, and deposited for every view."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from simpost.config import Config
from simpost.core.errors import InputError
from simpost.emission.density_pdf import AveragedTable
from simpost.emission.luminosity import CellLuminosity, table_marks
from simpost.ism.recipes import Recipes, choose_recipes
from simpost.ism.state import Surroundings, gas_state, survey
from simpost.maps.cube import CubeResult
from simpost.maps.deposit import MapResult
from simpost.maps.view import View
from simpost.pipeline.cubes import CubePass, cube_notes
from simpost.pipeline.deposits import Deposits, KernelDeposits, LeafDeposits
from simpost.pipeline.ensemble import NO_ENSEMBLE, Ensemble, EnsemblePass, EnsembleResult
from simpost.pipeline.lighting import light_cells
from simpost.pipeline.stars import WINDOWS, star_attributes, star_maps, star_notes
from simpost.pipeline.tally import Tally
from simpost.pipeline.treatments import treatments
from simpost.pipeline.true_cells import TrueCellDeposits
from simpost.pipeline.views import check_memory, make_views
from simpost.products import Coverage, FieldOrigin
from simpost.products.schema import BEYOND_TABLE, LINE_CII
from simpost.snapshots.columns import Columns
from simpost.snapshots.galaxies import Galaxy
from simpost.snapshots.protocol import LEAVES, Snapshot
from simpost.snapshots.regions import Cube, Sphere

Array = NDArray[np.float64]
Of = TypeVar("Of")
Report = Callable[[str, float], None]  # stage, and how much is done (0 to 1)

WARN_LOW_RESOLUTION = 0.01  # share of the gas mass that is not of the zoom region
MEANS = {"density": "n_H", "metallicity": "metallicity", "mach": "mach", "habing": "habing"}


@dataclass(frozen=True)
class GalaxyMaps:
    """Maps of one galaxy by view and quantity, and what they rest on.

    `totals` are sums over the cube of the width of the maps around the galaxy, whatever the views
    and their depth: cells by the part inside (a Voronoi cell as the cube of its volume, unless the true cells
    are drawn), stars by position. `gas_sphere` and `neutral_sphere` are those of the cells whose centre lies
    in the sphere inscribed in it, as Shen+2025 count gas.
    """

    views: tuple[View, ...]
    deposits: dict[str, dict[str, Any]]  # view -> how cells and stars were put on pixels
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
    report("field of view", 0.0)
    recipes = choose_recipes(snapshot.info, config.ism)
    lines = list(tables) if recipes.has_lines else []
    views, of_views = make_views(snapshot, galaxy, recipes, config)
    half_width = 0.5 * views[0].width
    members = EnsemblePass(ensemble, config)
    names = quantity_names(snapshot, recipes, lines) + members.names
    check_memory(views, len(names) + 1 + len(WINDOWS))
    deposits = _deposits(snapshot, galaxy, views, names, config)
    region = deposits.region
    report("stars", 0.05)
    virial = galaxy.r_200c if np.isfinite(galaxy.r_200c) else 0.0
    corner = np.sqrt(3.0) * region.half_width
    reach = virial + corner  # all that can light a cell of the region
    stars = snapshot.stars(Sphere(galaxy.centre, max(reach, corner + (config.maps.star_smoothing or 0.0))))
    report("surroundings", 0.1)
    around = survey(snapshot, region, stars, recipes, config.ism, cutoff=virial or np.inf, reach=reach)
    report("cells", 0.3)
    lit = {line: tables[line] for line in lines}
    cubes = CubePass(views, lines, galaxy, config, snapshot.info.geometry == LEAVES)
    cells = _Cells(snapshot, deposits, recipes, around, config, lit, members, cubes)
    cells.deposit(lambda share: report("cells", 0.3 + 0.6 * share))
    if cells.n_inside == 0:
        raise InputError(
            snapshot.info.path,
            f"no gas cell within {half_width:g} kpc of {galaxy.identity}",
            "a galaxy with gas",
            "check the centre and the width of the maps",
        )
    of_stars, star_totals = star_maps(stars, views, config.maps)
    report("maps", 0.9)
    gas, of_ensemble = cells.finish()
    of_lines = cubes.finish()
    return GalaxyMaps(
        views=views,
        deposits={view.name: deposits.attributes(view.name) | star_attributes(config.maps) for view in views},
        gas=gas,
        stars=of_stars,
        cubes=of_lines,
        totals=cells.totals | star_totals,
        coverage=cells.tally.coverage(),
        fields=_field_origins(cells, recipes),
        recipes=recipes,
        stellar=stars,
        n_cells=cells.n_inside,
        wind_mass=float(snapshot.wind(Cube(galaxy.centre, half_width))["mass"].sum()),
        notes=(
            *of_views,
            *deposits.notes,
            *star_notes(config.maps),
            *cube_notes(of_lines),
            *(table.note for table in tables.values() if table.note),
            *(of_ensemble.notes(config.emission.warn_outside) if of_ensemble is not None else ()),
        ),
        ensemble=of_ensemble,
    )


def _deposits(
    snapshot: Snapshot, galaxy: Galaxy, views: tuple[View, ...], names: list[str], config: Config
) -> Deposits:
    """Leaves as they are, Voronoi cells as the configuration says."""
    kernel, workers = config.maps.kernel, config.workers
    if snapshot.info.geometry == LEAVES:
        return LeafDeposits(snapshot, galaxy, views, names, kernel, workers)
    if kernel == "voronoi":
        return TrueCellDeposits(snapshot, galaxy, views, names, workers)
    return KernelDeposits(snapshot, galaxy, views, names, kernel, workers)


class _Cells:
    """The one pass over the gas cells of a galaxy."""

    def __init__(
        self,
        snapshot: Snapshot,
        deposits: Deposits,
        recipes: Recipes,
        around: Surroundings,
        config: Config,
        tables: dict[str, AveragedTable],
        members: EnsemblePass,
        cubes: CubePass,
    ) -> None:
        self._snapshot, self._deposits, self._recipes, self._around = snapshot, deposits, recipes, around
        self._config, self._tables = config, tables
        self._members, self._cubes = members, cubes
        self.tally = Tally(treatments(_main(tables), recipes))
        self.totals: dict[str, float] = {}
        self.n_inside = 0

    def deposit(self, report: Callable[[float], None]) -> None:
        total = max(len(self._around.has_young_star), 1)
        start = 0
        for chunk in self._snapshot.gas_chunks(self._deposits.region):
            drawn = self._deposits.drawn(chunk, start)
            rows = start + drawn  # the others have lent their velocities already
            start += chunk.size
            if len(drawn) == 0:
                continue
            state, marks = gas_state(
                chunk.select(drawn), rows, self._around, self._snapshot.info, self._recipes, self._config.ism
            )
            options, workers = self._config.emission, self._config.workers
            emission = {
                line: light_cells(state, state["mach"], table, options, workers)
                for line, table in self._tables.items()
            }
            share = self._deposits.share_in_cube(rows, state)
            quantities = _quantities(state, emission, self._recipes, self._config.maps.helium)
            quantities |= self._members.light(state, share)
            self._deposits.add(rows, state, quantities)
            self._cubes.add(state, emission)
            self._account(state, share, marks, emission, quantities)
            report(start / total)

    def finish(self) -> tuple[dict[str, dict[str, MapResult]], EnsembleResult | None]:
        """Maps by view and quantity; and the ensemble, whose members' maps are no longer needed."""
        maps = self._deposits.maps()
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
            self.totals[name] = self.totals.get(name, 0.0) + float(values[inside] @ share)
        main = _main(emission)
        luminosity = main.luminosity[inside] * share if main is not None else np.zeros(len(share))
        every: dict[str, NDArray] = dict(marks)
        if main is not None:
            every |= table_marks(main)
            every |= {name: state[name] for name in ("ionising", "resolved_hii", "has_young_star")}
            every["non_ionising"] = ~state["ionising"]
        self._account_sphere(state, quantities)
        mass = state["mass"][inside] * share
        self.tally.add(mass, luminosity, {name: mark[inside] for name, mark in every.items()})

    def _account_sphere(self, state: Columns, quantities: dict[str, Array]) -> None:
        """Gas and neutral gas of the cells whose centre lies within half the width, one helium convention."""
        near = np.linalg.norm(state["position"], axis=1) <= 0.5 * self._deposits.views[0].width
        masses = {"gas_sphere": _mass_of_phases(state, self._config.maps.helium)}
        if "neutral" in quantities:
            masses["neutral_sphere"] = quantities["neutral"]
        for name, mass in masses.items():
            self.totals[name] = self.totals.get(name, 0.0) + float(mass[near].sum())


def _main(of_lines: dict[str, Of]) -> Of | None:
    """That of the line the coverage speaks of: [CII], else the first; None without lines."""
    return of_lines.get(LINE_CII, next(iter(of_lines.values()), None))


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


def _mass_of_phases(state: Columns, helium: bool) -> Array:
    """Mass (n,) of cells that neutral and molecular gas are fractions of [Msun]."""
    return np.asarray(state["mass"] if helium else state["mass"] * state["hydrogen_fraction"])


def _quantities(
    state: Columns, emission: dict[str, CellLuminosity], recipes: Recipes, helium: bool
) -> dict[str, Array]:
    mass = state["mass"]
    quantities = {"gas": mass}
    if recipes.complete:
        of_phases = _mass_of_phases(state, helium)
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
