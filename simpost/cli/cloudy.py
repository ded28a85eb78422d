"""`simpost grid cloudy-decks|run-cloudy|from-cloudy`: line grids made with Cloudy."""

from __future__ import annotations

from pathlib import Path

import click

from simpost.core.errors import EXIT_OK, EXIT_TASKS_FAILED


@click.command("cloudy-decks")
@click.argument("config_path", metavar="CONFIG", type=click.Path())
@click.option("--output", required=True, type=click.Path(path_type=Path), help="New folder for the decks.")
def cloudy_decks(config_path: str, output: Path) -> None:
    """Write the Cloudy input decks of the grid that CONFIG describes."""
    from simpost.emission.cloudy.decks import write_decks
    from simpost.emission.cloudy.settings import load_cloudy_config

    count = write_decks(load_cloudy_config(config_path), output)
    click.echo(f"{output}: {count} decks; next: simpost grid run-cloudy {output} --cloudy PATH")


@click.command("run-cloudy")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--cloudy", default="cloudy.exe", show_default=True, help="Cloudy executable: path or name.")
@click.option("--workers", type=click.IntRange(min=1), default=2, show_default=True, help="Models at a time.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=3600.0,
    show_default=True,
    help="Seconds until a model is given up.",
)
def run_cloudy(folder: Path, cloudy: str, workers: int, timeout: float) -> int:
    """Run the decks in DIR that are not finished yet; may be stopped and started again at any time."""
    from simpost.cli.progress import Progress
    from simpost.emission.cloudy.runner import run_grid

    with Progress() as progress:
        report = run_grid(
            folder, cloudy, workers, timeout, lambda done, total: progress.report("models", done / total)
        )
    for failure in report.failures:
        click.echo(f"error: {failure}", err=True)
    click.echo(
        f"{folder}: {report.before} models were finished, {report.now} are new, {len(report.failures)} failed"
    )
    return EXIT_TASKS_FAILED if report.failures else EXIT_OK


@click.command("from-cloudy")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--output", required=True, type=click.Path(path_type=Path), help="Grid file to write (.h5).")
@click.option("--max-log-column", type=float, help="Leave out columns beyond [log10 cm^-2].")
@click.option(
    "--max-filled",
    type=click.FloatRange(0.0, 1.0),
    default=0.05,
    show_default=True,
    help="Share of the models that may be filled between neighbours in density.",
)
def from_cloudy(folder: Path, output: Path, max_log_column: float | None, max_filled: float) -> None:
    """Read the models in DIR, count what is wrong, and write a grid file if the grid is whole."""
    from simpost.cli.progress import Progress
    from simpost.core.files import write_whole
    from simpost.emission.cloudy.assemble import IncompleteGridError, assemble, survey
    from simpost.emission.grid import write_grid

    with Progress() as progress:
        found = survey(folder, max_log_column, lambda read, total: progress.report("models", read / total))
    missing = output.with_name(f"{output.name}.missing.txt")
    try:
        grid = assemble(found, max_filled)
    except IncompleteGridError as error:
        write_whole(missing, "".join(f"{line}\n" for line in error.missing).encode())
        click.echo(f"missing nodes are listed in {missing}", err=True)
        raise
    finally:
        for failure in found.failures:
            click.echo(f"failed: {failure.node.name}: {failure.reason}: {failure.detail}", err=True)
        for name, why in found.short.items():
            click.echo(f"short: {name}: {why}", err=True)
        for line in found.report():
            click.echo(line)
    write_grid(grid, output)
    missing.unlink(missing_ok=True)
    click.echo(f"{output}: checksum {grid.checksum}")
