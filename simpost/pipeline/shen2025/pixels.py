"""Maps of the galaxies of a set, and the relation between gas and star formation in their pixels."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from simpost.analysis.halo import baryon_fraction
from simpost.analysis.kennicutt_schmidt import (
    Pixels,
    distributions,
    floor_of,
    has_rate,
    measure_relation,
    pixels_of,
)
from simpost.analysis.simulation_sets import GalaxyPixels, PixelSample
from simpost.config import Config, resolve
from simpost.config.shen2025 import KennicuttSchmidtConfig, MapSettings
from simpost.core.errors import InputError
from simpost.pipeline.galaxy import Report
from simpost.pipeline.run import run
from simpost.pipeline.shen2025.histories import FARTHEST, Simulation
from simpost.products import GalaxyProduct
from simpost.snapshots.regions import whole_box


@dataclass(frozen=True, eq=False)
class MappedSnapshot:
    """Products of one snapshot of one run, made for a target redshift."""

    simulation: Simulation
    target: float
    redshift: float
    products: list[GalaxyProduct]
    rows: list[int]  # of the forest: the halo of each product
    particle_mass: float  # Msun, of a star particle; NaN without any


@dataclass(frozen=True, eq=False)
class _MapTask:
    """A snapshot to map for a target redshift, and the rows of its galaxies in the forest."""

    simulation: Simulation
    target: float
    number: int
    rows: list[int]


@dataclass(eq=False)
class PixelResults:
    """Everything from pixels; lines of what went wrong or must be known."""

    star_formation: str = ""
    by_redshift: list[PixelSample] = field(default_factory=list)  # all runs of the first variant
    by_run: list[PixelSample] = field(default_factory=list)
    galaxies: list[GalaxyPixels] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


def map_simulations(
    simulations: list[Simulation],
    settings: MapSettings,
    options: KennicuttSchmidtConfig,
    output: Path,
    results: PixelResults,
    report: Report,
) -> list[MappedSnapshot]:
    """Map every clean central above a share of the target's mass, in the snapshots nearest the redshifts.

    Products go to `output`/RUN/SNAPSHOT, as `simpost run` makes them.
    """
    tasks = list(_tasks(simulations, options, results.notes))
    mapped = []
    for index, task in enumerate(tasks):

        def within(stage: str, share: float, done: int = index) -> None:
            report(stage, (done + share) / len(tasks))

        made = run(_map_config(task, settings, output), within)
        results.failures += made.failures
        results.notes += [f"{task.simulation.config.name}/{line}" for line in (*made.warnings, *made.notes)]
        if made.products:
            simulation, number = task.simulation, task.number
            mass = simulation.config.particle_mass or _particle_mass(simulation, number)
            redshift = simulation.redshift(number)
            rows = [_row(task.rows, product) for product in made.products]
            mapped.append(MappedSnapshot(simulation, task.target, redshift, made.products, rows, mass))
    return mapped


def measure_pixels(
    mapped: list[MappedSnapshot], options: KennicuttSchmidtConfig, results: PixelResults
) -> None:
    """Measure the relation by redshift and by run, and what each galaxy's pixels add up to."""
    products = [product for snapshot in mapped for product in snapshot.products]
    if not products:
        results.notes.append("Kennicutt-Schmidt relation: no galaxy was mapped")
        return
    results.star_formation = _star_formation(products, options)
    if results.star_formation == "young_stars":
        results.notes += _without_particle_mass(mapped)
    first = mapped[0].simulation.config.variant
    for target in dict.fromkeys(snapshot.target for snapshot in mapped):
        chosen = [snapshot for snapshot in mapped if snapshot.target == target]
        together = [s for s in chosen if s.simulation.config.variant == first]
        _add_sample(results.by_redshift, f"z = {target:g}", together, options, results)
        for snapshot in chosen:
            _add_sample(results.by_run, snapshot.simulation.config.name, [snapshot], options, results)
            results.galaxies += [
                _of_galaxy(snapshot, row, product, options, results)
                for row, product in zip(snapshot.rows, snapshot.products, strict=True)
            ]


def _tasks(
    simulations: list[Simulation], options: KennicuttSchmidtConfig, notes: list[str]
) -> Iterable[_MapTask]:
    for simulation in simulations:
        taken: dict[int, float] = {}
        for target in options.redshifts:
            number = simulation.standing_for(target, simulation.paths)
            name = f"{simulation.config.name}, z = {target:g}"
            if number is None:
                notes.append(f"{name}: no snapshot within {FARTHEST:g} in redshift, not mapped")
                continue
            if number in taken:
                notes.append(f"{name}: its snapshot stands for z = {taken[number]:g} already")
                continue
            least = options.share_of_target_mass * _target_mass(simulation, number)
            rows = _galaxies(simulation, number, least) if np.isfinite(least) else []
            if not rows:
                notes.append(f"{name}: no clean central as massive as the target asks for, not mapped")
                continue
            taken[number] = target
            yield _MapTask(simulation, target, number, rows)


def _galaxies(simulation: Simulation, number: int, least_mass: float) -> list[int]:
    """Clean centrals of a snapshot above a mass, and the main targets even as satellites of FoF's bridges."""
    rows = simulation.centrals(number, least_mass)
    branches = [simulation.row_at(root, number) for root in simulation.target_roots]
    rows += [row for row in branches if row is not None and row not in rows]
    return [row for row in rows if simulation.is_clean(row)]


def _map_config(task: _MapTask, settings: MapSettings, output: Path) -> Config:
    """What `simpost run` would be told."""
    name, number = task.simulation.config.name, task.number
    places = task.simulation.forest.position[task.rows]
    return resolve(
        {
            **settings.model_dump(mode="json"),
            "snapshots": [task.simulation.paths[number]],
            "galaxies": {
                "finder": "centres",
                "centres": [[f"{x:.12g} kpc" for x in place] for place in places.tolist()],
            },
            "output": str(output / name / f"snapshot_{number:03d}"),
        }
    )


def _row(rows: list[int], product: GalaxyProduct) -> int:
    """Row of the halo a product is of: products are called after their place among the centres."""
    return rows[int(str(product.galaxy["id"]).rpartition("-")[2])]


def _target_mass(simulation: Simulation, number: int) -> float:
    """Mass of the most massive main target at a snapshot [Msun]; NaN if none is there."""
    tracks = [simulation.track(root, number) for root in simulation.target_roots]
    masses = [float(t.m_halo[t.snapshot == number][0]) for t in tracks if t is not None]
    return max(masses, default=float("nan"))


def _particle_mass(simulation: Simulation, number: int) -> float:
    """Median initial (else present) mass of the star particles of a snapshot [Msun]."""
    snapshot = simulation.snapshot(number)
    stars = snapshot.stars(whole_box(snapshot.info.box_size))
    if stars.size == 0:
        return float("nan")
    return float(np.median(stars["initial_mass" if "initial_mass" in stars else "mass"]))


def _star_formation(products: list[GalaxyProduct], options: KennicuttSchmidtConfig) -> str:
    wanted = options.star_formation
    if wanted != "auto":
        return wanted
    for kind in ("young_stars", "instantaneous"):
        if has_rate(products, kind):
            return kind
    raise InputError(
        "kennicutt_schmidt.star_formation",
        "neither stars with ages nor rates of gas cells",
        "one of them in every snapshot",
    )


def _add_sample(
    samples: list[PixelSample],
    label: str,
    mapped: list[MappedSnapshot],
    options: KennicuttSchmidtConfig,
    results: PixelResults,
) -> None:
    products = [product for snapshot in mapped for product in snapshot.products]
    if not products:
        return
    try:
        pixels = pixels_of(products, options.phase, results.star_formation)
        floor = _floor(mapped, pixels) if results.star_formation == "young_stars" else 0.0
        relation = measure_relation(pixels, options.bin_width, floor, options.least_young_particles)
        variant = mapped[0].simulation.config.variant
        sample = PixelSample(label, variant, mapped[0].target, pixels, relation, *distributions(pixels))
        samples.append(sample)
        if np.isnan(floor):
            results.notes.append(f"{label}: resolution floor unknown, no bin counts as resolved")
    except InputError as error:
        results.failures.append(f"Kennicutt-Schmidt relation, {label}: {error}")


def _floor(mapped: list[MappedSnapshot], pixels: Pixels) -> float:
    """That of the heaviest star particle known; NaN where none is."""
    known = [snapshot.particle_mass for snapshot in mapped if np.isfinite(snapshot.particle_mass)]
    return floor_of(max(known), pixels) if known else float("nan")


def _without_particle_mass(mapped: list[MappedSnapshot]) -> list[str]:
    return [
        f"{snapshot.simulation.config.name}, z = {snapshot.target:g}: no star-particle mass for the floor"
        for snapshot in mapped
        if not np.isfinite(snapshot.particle_mass)
    ]


def _of_galaxy(
    mapped: MappedSnapshot,
    row: int,
    product: GalaxyProduct,
    options: KennicuttSchmidtConfig,
    results: PixelResults,
) -> GalaxyPixels:
    pixels = pixels_of([product], options.phase, results.star_formation)
    galaxy, simulation = product.galaxy, mapped.simulation
    forest, track = simulation.forest, simulation.track(row)
    baryons = baryon_fraction(simulation.cosmology) * float(galaxy["M_200c"])
    width = float(next(iter(product.views.values())).attributes["width"])
    return GalaxyPixels(
        name=f"{simulation.config.name}/{forest.snapshot[row]}/{forest.identity[row]}",
        track=track.name if track is not None else "",
        run=simulation.label,
        target=mapped.target,
        redshift=mapped.redshift,
        m_200c=float(galaxy["M_200c"]),
        aperture=0.5 * width / float(galaxy["R_200c"]),
        supply=float(galaxy["M_neutral_sphere"]) / baryons,
        supply_total=float(galaxy["M_gas_sphere"]) / baryons,
        helium=bool(galaxy["helium"]),
        phase=pixels.phase,
        star_formation=pixels.star_formation,
        depletion_time=pixels.depletion_time(),
        effective_surface_density=pixels.effective_surface_density(),
    )
