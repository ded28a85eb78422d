"""A run: every galaxy of every snapshot of a configuration."""

from __future__ import annotations

import glob
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from simpost.config import Config, canonical_yaml, config_hash
from simpost.core.errors import ConfigError, InputError, SimpostError
from simpost.core.files import atomic_path
from simpost.emission.density_pdf import AveragedTable, average_over_pdf
from simpost.emission.grid import load_grid
from simpost.figures.panel import galaxy_panel
from simpost.pipeline.galaxy import check_coverage, map_galaxy
from simpost.pipeline.product import make_product
from simpost.products import GalaxyProduct, write_product
from simpost.products.fits import write_fits
from simpost.products.summary import summary_rows, write_ecsv, write_json
from simpost.snapshots.galaxies import Galaxy, find_galaxies, galaxies_from_catalogue, galaxy_at
from simpost.snapshots.open import open_snapshot
from simpost.snapshots.protocol import Snapshot
from simpost.snapshots.samples import PREFIX

CONFIG_FILE = "config.yaml"

# stage, how far the whole run is (0 to 1)
Report = Callable[[str, float], None]


@dataclass(frozen=True)
class RunResult:
    """What a run made.

    `products` and `folders` are in the order of the configuration; `failures` one line each;
    `warnings` one line each.
    """

    products: list[GalaxyProduct]
    paths: list[Path]
    failures: list[str]
    warnings: list[str]


def run(config: Config, report: Report = lambda stage, share: None) -> RunResult:
    """Make products, FITS files, figures and a summary in `config.output`.

    A snapshot or galaxy that fails is a line in `failures`; the others are whole.

    Raises
    ------
    InputError
        No snapshot matches, the output folder belongs to another configuration, or the line grid
        cannot be used.
    """
    paths = _snapshot_paths(config)
    output = _claim_output(config)
    grid = load_grid(config.emission.grid)
    for line in config.emission.lines:
        grid.line(line)  # refuse an unknown line before anything is read
    products: list[GalaxyProduct] = []
    made: list[Path] = []
    failures: list[str] = []
    warnings: list[str] = []

    def one_galaxy(
        snapshot: Snapshot, galaxy: Galaxy, name: str, tables: dict[str, AveragedTable], at: Report
    ) -> None:
        maps = map_galaxy(
            snapshot, galaxy, config, tables, lambda stage, share: at(f"{name}: {stage}", share)
        )
        warnings.extend(check_coverage(maps.coverage, config, name))
        product = make_product(snapshot, galaxy, name, maps, tables, config)
        folder = output / name
        write_product(product, folder / "product.h5")
        write_fits(product, folder / "maps.fits")
        for view in product.views:
            galaxy_panel(product, view, folder / f"panel_{view}.png")
        products.append(product)
        made.append(folder)

    for number, path in enumerate(paths):

        def at(stage: str, share: float, number: int = number) -> None:
            report(stage, (number + share) / len(paths))

        label = _label(path)
        try:
            at(f"{label}: opening", 0.0)
            snapshot = open_snapshot(path, config.reader)
            redshift = snapshot.info.redshift if config.emission.cmb else None
            at(f"{label}: line tables at z = {snapshot.info.redshift:.2f}", 0.02)
            tables = {
                line: average_over_pdf(
                    grid,
                    line,
                    config.emission.pdf,
                    config.emission.pdf_b,
                    redshift,
                    config.emission.pdf_column,
                    workers=2,
                )
                for line in config.emission.lines
            }
            at(f"{label}: galaxies", 0.2)
            galaxies = _galaxies(snapshot, config)
        except SimpostError as error:
            failures.append(str(error))
            continue
        for index, galaxy in enumerate(galaxies):

            def within(stage: str, share: float, index: int = index) -> None:
                at(stage, 0.3 + 0.7 * (index + share) / len(galaxies))  # noqa: B023 - used at once

            try:
                one_galaxy(snapshot, galaxy, f"{label}_{galaxy.identity}", tables, within)
            except SimpostError as error:
                failures.append(str(error))
    if products:
        rows = summary_rows(products)
        write_ecsv(rows, output / "summary.ecsv")
        write_json(rows, output / "summary.json")
    return RunResult(products, made, failures, warnings)


def _snapshot_paths(config: Config) -> list[str]:
    paths: list[str] = []
    for entry in config.snapshots:
        if entry.startswith(PREFIX) or not glob.has_magic(entry):
            paths.append(entry)
            continue
        found = sorted(glob.glob(str(Path(entry).expanduser())))  # noqa: PTH207 - absolute patterns, too
        if not found:
            raise ConfigError(f"snapshots: {entry}", "no file or folder that matches", "at least one")
        paths += found
    if len(set(paths)) != len(paths):
        raise ConfigError("snapshots", "a snapshot named twice", "every snapshot once")
    return paths


def _label(path: str) -> str:
    """Name of a snapshot in file names: `ramses-zoom`, `output_00042`, `snap_007`."""
    if path.startswith(PREFIX):
        return path.removeprefix(PREFIX)
    place = Path(path)
    name = place.parent.name if place.name.startswith("info_") else place.name
    return name.removesuffix(".hdf5").removesuffix(".h5").removesuffix(".0")


def _claim_output(config: Config) -> Path:
    """Make the output folder, or take one of the same configuration."""
    output = Path(config.output).expanduser()
    stamp = output / CONFIG_FILE
    mine = f"# hash {config_hash(config)}\n{canonical_yaml(config)}"
    if output.exists() and not output.is_dir():
        raise InputError(output, "a file", "a folder for the results", "set 'output' to another place")
    if stamp.is_file():
        if stamp.read_text(encoding="utf-8").splitlines()[:1] != mine.splitlines()[:1]:
            raise InputError(
                output,
                "results of another configuration",
                "an empty folder or results of this one",
                "set 'output' to another folder, or move the old results away",
            )
    elif output.is_dir() and any(output.iterdir()):
        raise InputError(
            output,
            "a folder with files that are not simpost's",
            "an empty or new folder",
            "set 'output' to another",
        )
    with atomic_path(stamp) as temporary:
        temporary.write_text(mine, encoding="utf-8")
    return output


def _galaxies(snapshot: Snapshot, config: Config) -> list[Galaxy]:
    options = config.galaxies
    if options.finder == "centres":
        return [
            galaxy_at(snapshot, np.asarray(centre), f"centre-{i}")
            for i, centre in enumerate(options.centres or [])
        ]
    haloes = snapshot.haloes() if options.finder in ("auto", "catalogue") else None
    if haloes is not None:
        return galaxies_from_catalogue(snapshot, haloes, options.count, options.min_mass or 0.0)
    if options.finder == "catalogue":
        raise InputError(
            snapshot.info.path,
            "no halo catalogue beside it",
            "fof_subhalo_tab_NNN.hdf5",
            "use 'finder: peak'",
        )
    return [g for g in find_galaxies(snapshot, options.count) if g.m_200c >= (options.min_mass or 0.0)]
