"""`simpost grid build|show`: line grids."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from simpost.cli.cloudy import cloudy_decks, from_cloudy, run_cloudy
from simpost.cli.main import print_json


@click.group("grid")
def command() -> None:
    """Build and show line grids."""


for _verb in (cloudy_decks, run_cloudy, from_cloudy):
    command.add_command(_verb)


@command.command("build")
@click.argument("path", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--workers", type=click.IntRange(min=1), default=2, show_default=True, help="Threads.")
def build(path: Path, workers: int) -> None:
    """Compute the built-in slab grid (some minutes) and write it to FILE."""
    from simpost.cli.progress import Progress
    from simpost.emission.build import build_slab_grid
    from simpost.emission.grid import write_grid

    with Progress() as progress:
        grid = build_slab_grid(
            workers=workers, progress=lambda done, total: progress.report("slabs", done / total)
        )
    write_grid(grid, path)
    click.echo(f"{path}: checksum {grid.checksum}")


@command.command("show")
@click.argument("name", default="slab")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(name: str, as_json: bool) -> None:
    """Show axes, lines, origin and checksum of a packaged grid or a grid file."""
    from simpost.emission.grid import load_grid

    grid = load_grid(name)
    report: dict[str, Any] = {
        "checksum": grid.checksum,
        "code": grid.code,
        "version": grid.version,
        "made": grid.made,
        "abundances": {element: float(x) for element, x in grid.abundances.items()},
        "cmb_in_grid": grid.cmb_in_grid,
        "variants": list(grid.variants),
        "lines": list(grid.emission),
        "axes": {
            name: {
                "unit": axis.unit,
                "from": float(axis.nodes[0]),
                "to": float(axis.nodes[-1]),
                "nodes": len(axis.nodes),
                "below": axis.below,
                "above": axis.above,
            }
            for name, axis in grid.axes.items()
        },
        "notes": list(grid.notes),
    }
    if as_json:
        print_json(report)
        return
    for key, value in report.items():
        if key == "axes":
            for name, axis in value.items():
                span = f"{axis['from']:g} to {axis['to']:g} [{axis['unit']}], {axis['nodes']} nodes"
                click.echo(
                    f"{name}: {span}; below: {_policy(axis['below'])}; above: {_policy(axis['above'])}"
                )
        elif key == "abundances":
            click.echo(f"{key}: {', '.join(f'{x}/H {n:g}' for x, n in value.items()) or 'not stated'}")
        elif key == "notes":
            for note in value:
                click.echo(f"note: {note}")
        else:
            click.echo(f"{key}: {', '.join(value) if isinstance(value, list) else value}")


def _policy(beyond: float | str) -> str:
    """What is done beyond an end of an axis, in words."""
    if isinstance(beyond, str):
        return "refused"
    return "constant" if beyond == 0.0 else f"log l goes on with slope {beyond:g}"
