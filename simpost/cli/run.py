"""`simpost run CONFIG`: snapshots to products, figures and a summary table."""

from __future__ import annotations

import sys

import click

from simpost.cli.main import print_json
from simpost.core.errors import EXIT_OK, EXIT_TASKS_FAILED, EXIT_WRONG_INPUT


@click.command("run")
@click.argument("config_path", metavar="CONFIG", type=click.Path())
@click.option("--output", help="Folder for the results, instead of the configuration's.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def command(config_path: str, output: str | None, as_json: bool) -> int:
    """Make maps, FITS files, figures and a summary of every galaxy that CONFIG names."""
    from simpost.cli.progress import Progress
    from simpost.config import load_config

    config = load_config(config_path)
    if output:
        config = config.model_copy(update={"output": output})
    with Progress() as progress:
        progress.report("starting", 0.0)
        from simpost.pipeline import run

        result = run(config, progress.report)
    for note in result.notes:
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
            click.echo(
                f"results in {config.output}: product.h5, maps.fits and panel_*.png per galaxy, summary.ecsv"
            )
    if result.failures:
        return EXIT_TASKS_FAILED if result.products else EXIT_WRONG_INPUT
    return EXIT_OK
