"""`simpost run CONFIG`: snapshots to products, figures and a summary table."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from simpost.cli.main import print_json, with_output
from simpost.cli.progress import with_progress
from simpost.core.errors import EXIT_OK, EXIT_TASKS_FAILED, EXIT_WRONG_INPUT

if TYPE_CHECKING:
    from simpost.config import Config
    from simpost.pipeline.galaxy import Report
    from simpost.pipeline.run import RunResult
    from simpost.products import GalaxyProduct


@click.command("run")
@click.argument("config_path", metavar="CONFIG", type=click.Path())
@click.option("--output", help="Folder for the results, instead of the configuration's.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@click.option("--quiet", is_flag=True, help="Print no progress, notes and coverage.")
def command(config_path: str, output: str | None, as_json: bool, quiet: bool) -> int:
    """Make maps, FITS files, figures and a summary of every galaxy that CONFIG names.

    Under the summary stands what each galaxy rests on: shares of its gas mass and of its [CII].
    """
    from simpost.config import load_config

    config = load_config(config_path)
    config = with_output(config, output)
    result = with_progress(lambda report: _run(config, report), quiet)
    for note in [] if quiet else result.notes:
        click.echo(f"note: {note}", err=True)
    for warning in result.warnings:
        click.echo(f"warning: {warning}", err=True)
    for failure in result.failures:
        click.echo(f"error: {failure}", err=True)
    from simpost.products.summary import print_summary, summary_rows

    if result.products:
        rows = summary_rows(result.products)
        if as_json:
            print_json({"rows": rows, "folders": [str(path) for path in result.paths]})
        else:
            print_summary(rows, sys.stdout)
            if not quiet:
                _print_coverage(result.products)
            click.echo(
                f"results in {config.output}: product.h5, maps.fits and panel_*.png per galaxy, summary.ecsv"
            )
    if result.failures:
        return EXIT_TASKS_FAILED if result.products else EXIT_WRONG_INPUT
    return EXIT_OK


def _run(config: Config, report: Report) -> RunResult:
    from simpost.pipeline import run

    return run(config, report)


def _print_coverage(products: list[GalaxyProduct]) -> None:
    from simpost.products.coverage_report import coverage_text

    for product in products:
        text = coverage_text(product)
        if text:
            click.echo("\n".join(["", *text]))
    click.echo()
