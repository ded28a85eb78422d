"""`simpost sample list|path|make|make-trees`: packaged real snapshots, synthetic ones of known truth."""

from __future__ import annotations

from pathlib import Path

import click

from simpost.cli.main import print_json


@click.group("sample")
def command() -> None:
    """Packaged sample snapshots, and synthetic ones."""


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_samples(as_json: bool) -> None:
    """List the real snapshots that come with the package; use them as sample:NAME."""
    from simpost.snapshots.samples import SAMPLES

    if as_json:
        print_json({name: sample.description for name, sample in SAMPLES.items()})
    else:
        for name, sample in SAMPLES.items():
            click.echo(f"sample:{name:18s} {sample.description}")


@command.command("path")
@click.argument("name")
def path(name: str) -> None:
    """Unpack sample NAME if need be and print where it is."""
    from simpost.snapshots.samples import PREFIX, resolve_sample

    click.echo(resolve_sample(PREFIX + name.removeprefix(PREFIX)))


@command.command("make")
@click.argument("kind", type=click.Choice(["ramses", "arepo"]))
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--size", type=click.Choice(["small", "medium", "large"]), default="small", show_default=True)
@click.option("--cells", type=click.IntRange(min=100), help="About so many gas cells, instead of the size's.")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True)
def make(kind: str, folder: Path, size: str, cells: int | None, seed: int) -> None:
    """Write a synthetic snapshot of an analytic galaxy, with every field, into FOLDER."""
    from simpost.snapshots.synthetic import make_sample

    click.echo(make_sample(kind, folder, size, seed, cells))


@command.command("make-trees")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--count", type=click.IntRange(min=1), default=200, show_default=True, help="Haloes.")
@click.option(
    "--redshift",
    type=float,
    default=6.0,
    show_default=True,
    help="Row of Shen+2025 Table 3 that they follow.",
)
@click.option(
    "--missing", type=click.IntRange(min=0), default=10, show_default=True, help="Lost for a snapshot."
)
@click.option("--merging", type=click.IntRange(min=0), default=10, show_default=True, help="With a merger.")
@click.option(
    "--falling", type=click.IntRange(min=0), default=5, show_default=True, help="With falling mass."
)
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True)
def make_trees(
    folder: Path, count: int, redshift: float, missing: int, merging: int, falling: int, seed: int
) -> None:
    """Write merger trees of haloes that grow and form stars by a known law, and that truth, into FOLDER."""
    from simpost.analysis import shen2025
    from simpost.snapshots.synthetic.history import HistorySet, TrueEfficiency, write_histories

    law = shen2025.efficiency_evolution().at(redshift)
    histories = HistorySet(
        TrueEfficiency(law.log_eps0, law.log_m0, law.alpha, law.beta),
        shen2025.cosmology(),
        count=count,
        missing=missing,
        merging=merging,
        falling=falling,
        seed=seed,
    )
    click.echo(write_histories(histories, folder))
