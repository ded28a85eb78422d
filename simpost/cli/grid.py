"""`simpost grid build|show`: line grids."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from simpost.cli.main import print_json


@click.group("grid")
def command() -> None:
    """Build and show line grids."""


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
    from simpost.emission.grid import AXES, load_grid

    grid = load_grid(name)
    axes = {axis: getattr(grid, axis) for axis in AXES}
    report: dict[str, Any] = {
        "checksum": grid.checksum,
        "code": grid.code,
        "version": grid.version,
        "abundances": grid.abundances,
        "made": grid.made,
        "cmb_in_grid": grid.cmb_in_grid,
        "variants": list(grid.variants),
        "lines": list(grid.emission),
        "axes": {
            axis: {
                "from": float(values[0]),
                "to": float(values[-1]),
                "nodes": len(values),
                "beyond": grid.policy[axis],
            }
            for axis, values in axes.items()
        },
    }
    if as_json:
        print_json(report)
        return
    for key, value in report.items():
        if key == "axes":
            for axis, facts in value.items():
                low, high = facts["beyond"]
                click.echo(
                    f"{axis}: {facts['from']:g} to {facts['to']:g}, {facts['nodes']} nodes; "
                    f"beyond them log l goes with slope {low:g} below and {high:g} above"
                )
        else:
            click.echo(f"{key}: {', '.join(value) if isinstance(value, list) else value}")
