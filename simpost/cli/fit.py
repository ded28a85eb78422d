"""`simpost fit CONFIG`: the analysis of a paper, whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from simpost.cli.main import print_json, with_output
from simpost.cli.progress import with_progress
from simpost.core.errors import EXIT_OK, EXIT_TASKS_FAILED, EXIT_WRONG_INPUT

if TYPE_CHECKING:
    from simpost.config.shen2025 import Shen2025Config
    from simpost.pipeline.galaxy import Report
    from simpost.pipeline.shen2025 import AnalysisResult


@click.command("fit")
@click.argument("config_path", metavar="CONFIG", type=click.Path())
@click.option("--output", help="Folder for the results, instead of the configuration's.")
@click.option("--json", "as_json", is_flag=True, help="Print what was written as JSON.")
@click.option("--quiet", is_flag=True, help="Print no progress and no notes.")
def command(config_path: str, output: str | None, as_json: bool, quiet: bool) -> int:
    """Make the tables, figures and summary of the analysis that CONFIG names.

    Galaxies are mapped where the analysis needs maps.
    """
    from simpost.config.analyses import load_analysis

    config = load_analysis(config_path)
    config = with_output(config, output)
    result = with_progress(lambda report: _analyse(config, report), quiet)
    for note in [] if quiet else result.notes:
        click.echo(f"note: {note}", err=True)
    for failure in result.failures:
        click.echo(f"error: {failure}", err=True)
    if as_json:
        files = [str(path) for path in result.files]
        print_json({"files": files, "failures": result.failures, "notes": result.notes})
    elif result.files:
        click.echo(result.summary)
        kinds = sorted({path.suffix for path in result.files})
        click.echo(f"results in {config.output}: {len(result.files)} files ({', '.join(kinds)})")
    if result.failures:
        return EXIT_TASKS_FAILED if result.files else EXIT_WRONG_INPUT
    return EXIT_OK


def _analyse(config: Shen2025Config, report: Report) -> AnalysisResult:
    from simpost.pipeline.shen2025 import analyse

    return analyse(config, report)
