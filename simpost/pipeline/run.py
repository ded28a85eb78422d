"""A run: every galaxy of every snapshot of a configuration."""

from __future__ import annotations

import gc
from dataclasses import dataclass, field
from pathlib import Path

from simpost.config import Config, stamp
from simpost.core.errors import InputError, SimpostError
from simpost.core.files import whole_folder
from simpost.emission.density_pdf import AveragedTable
from simpost.emission.grid import LineGrid
from simpost.emission.lines import line_named
from simpost.figures.cube import channel_maps, moment_panel
from simpost.figures.panel import galaxy_panel
from simpost.ism.recipes import choose_recipes
from simpost.pipeline.ensemble import Ensemble, prepare_ensemble
from simpost.pipeline.galaxy import Report, check_coverage, map_galaxy
from simpost.pipeline.lighting import averaged_table, line_grid
from simpost.pipeline.output import check_output, claim_output
from simpost.pipeline.product import make_product
from simpost.pipeline.selection import select_galaxies
from simpost.products import GalaxyProduct, read_product, write_product
from simpost.products.cube_fits import write_cube_fits
from simpost.products.fits import write_fits
from simpost.products.summary import summary_rows, write_ecsv, write_json
from simpost.snapshots.galaxies import Galaxy
from simpost.snapshots.open import open_snapshot
from simpost.snapshots.paths import snapshot_labels, snapshot_paths
from simpost.snapshots.protocol import Snapshot


@dataclass
class RunResult:
    """What a run made, in the order of the configuration; failures, warnings, notes: one line each."""

    products: list[GalaxyProduct] = field(default_factory=list)
    paths: list[Path] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def run(config: Config, report: Report = lambda stage, share: None) -> RunResult:
    """Make products, FITS files, figures and a summary in `config.output`.

    A snapshot or galaxy that fails is a line in `failures`; the others are whole.

    Raises
    ------
    InputError
        No snapshot matches, the output folder belongs to another configuration, or the line grid
        cannot be used.
    """
    paths = snapshot_paths(config.snapshots)
    grid = line_grid(config.emission)
    for line in config.emission.lines:
        grid.line(line)  # refuse an unknown line before anything is read
    output = check_output(config.output, stamp(config))
    result = RunResult()
    try:
        for number, (path, label) in enumerate(zip(paths, snapshot_labels(paths), strict=True)):
            within = _part(report, number, len(paths))
            try:
                _run_snapshot(path, label, output, config, grid, result, within)
            except SimpostError as error:
                result.failures.append(str(error))
            # figures leave cycles that hold the frames of the run, and with them the line tables
            gc.collect()
    finally:  # also when the run is stopped: what is done is summed up
        if result.products:
            rows = summary_rows(result.products)
            write_ecsv(rows, output / "summary.ecsv")
            write_json(rows, output / "summary.json")
    return result


def _part(report: Report, index: int, count: int, start: float = 0.0) -> Report:
    """Report of part `index` of `count`, which fill the range from `start` to 1."""

    def inside(stage: str, share: float) -> None:
        report(stage, start + (1.0 - start) * (index + share) / count)

    return inside


def _run_snapshot(
    path: str, label: str, output: Path, config: Config, grid: LineGrid, result: RunResult, report: Report
) -> None:
    report(f"{label}: opening", 0.0)
    snapshot = open_snapshot(path, config.reader)
    redshift = snapshot.info.redshift
    report(f"{label}: line tables at z = {redshift:.2f}", 0.02)
    options = config.emission
    tables = {line: averaged_table(grid, line, options, redshift, config.workers) for line in options.lines}
    if options.ensemble:
        report(f"{label}: line tables of the ensemble", 0.06)
    ensemble = prepare_ensemble(config, choose_recipes(snapshot.info, config.ism), tables, redshift)
    report(f"{label}: galaxies", 0.2)
    galaxies, left_out = select_galaxies(snapshot, config.galaxies)
    result.notes.extend(f"{label}: {note}" for note in left_out)
    for index, galaxy in enumerate(galaxies):
        name = f"{label}_{galaxy.identity}"
        within = _part(report, index, len(galaxies), start=0.3)
        try:
            product, warnings = _make_galaxy(snapshot, galaxy, name, tables, ensemble, config, within)
            within(f"{name}: files and figures", 0.92)
            claim_output(output, stamp(config))
            _write_galaxy(product, output / name)
            within(f"{name}: done", 1.0)
        except MemoryError:
            room = InputError(
                name,
                "too little memory",
                "room for its cells and maps",
                "enlarge the pixels, or use fewer workers",
            )
            result.failures.append(str(room))
        except SimpostError as error:
            result.failures.append(str(error))
        else:
            result.products.append(product)
            result.paths.append(output / name)
            result.warnings.extend(warnings)
            result.notes.extend(f"{name}: {note}" for note in product.provenance["notes"])


def _make_galaxy(
    snapshot: Snapshot,
    galaxy: Galaxy,
    name: str,
    tables: dict[str, AveragedTable],
    ensemble: Ensemble,
    config: Config,
    report: Report,
) -> tuple[GalaxyProduct, list[str]]:
    maps = map_galaxy(
        snapshot, galaxy, config, tables, lambda stage, share: report(f"{name}: {stage}", share), ensemble
    )
    warnings = check_coverage(maps.coverage, config, name)
    return make_product(snapshot, galaxy, name, maps, tables, config), warnings


def _write_galaxy(product: GalaxyProduct, folder: Path) -> None:
    """Everything of one galaxy, or nothing; replaces results of the same snapshot files only.

    Raises
    ------
    InputError
        The folder holds the product of other files (a path that was turned to another snapshot).
    """
    old = folder / "product.h5"
    if old.is_file() and read_product(old).provenance["snapshot"] != product.provenance["snapshot"]:
        raise InputError(
            folder,
            "the product of other snapshot files",
            "none, or one of the same files",
            "set 'output' to another folder, or move the old results away",
        )
    with whole_folder(folder, replace=True) as temporary:
        write_product(product, temporary / "product.h5")
        write_fits(product, temporary / "maps.fits")
        for name, view in product.views.items():
            galaxy_panel(product, name, temporary / f"panel_{name}.png")
            for line in view.cubes:
                write_cube_fits(
                    product,
                    name,
                    line,
                    line_named(line).frequency_ghz,
                    temporary / f"cube_{name}_{line}.fits",
                )
                moment_panel(product, name, line, temporary / f"moments_{name}_{line}.png")
                channel_maps(product, name, line, temporary / f"channels_{name}_{line}.png")
