"""`simpost inspect PATH`: what a snapshot holds, what would be derived and how, what is missing."""

from __future__ import annotations

from typing import Any

import click

from simpost.cli.main import print_json


@click.command("inspect")
@click.argument("path")
@click.option(
    "--config", "config_path", type=click.Path(), help="Configuration whose options decide the recipes."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(path: str, config_path: str | None, as_json: bool) -> None:
    """Show redshift, box, counts, fields read and derived, and haloes of the snapshot at PATH.

    PATH is a RAMSES folder output_NNNNN or its info file, any file of an Arepo set or its folder,
    or sample:NAME. No cell is loaded.
    """
    from simpost.config import load_config
    from simpost.ism.inspection import inspect_snapshot
    from simpost.snapshots.open import open_snapshot

    if config_path:
        config = load_config(config_path)
        report = inspect_snapshot(open_snapshot(path, config.reader), config.ism)
    else:
        report = inspect_snapshot(open_snapshot(path))
    if as_json:
        print_json(report)
    else:
        _print(report)


def _print(report: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    cosmology = report["cosmology"]
    console.print(f"[bold]{report['path']}[/bold]")
    console.print(
        f"{report['code']}, z = {report['redshift']:.4f}, age {report['time_Myr']:.1f} Myr, "
        f"box {report['box_size_comoving_Mpc']:.4g} cMpc ({report['box_size_kpc']:.5g} kpc proper)"
    )
    console.print(
        f"H0 {cosmology['H0']:.4g}, Omega_m {cosmology['Omega_m']:.4g}, "
        f"Omega_Lambda {cosmology['Omega_Lambda']:.4g}; "
        + ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in report["counts"].items())
        + f"; {report['files']} files"
    )
    table = Table("column", "origin", box=None, pad_edge=False)
    for kind, columns in report["read"].items():
        for name, where in columns.items():
            table.add_row(f"{kind}.{name}", f"read: {where}")
    for name, recipe in report["derived"].items():
        table.add_row(f"gas.{name}", f"derived: {recipe}")
    console.print(table)
    for group in report["photon_groups"] or []:
        high = "" if group["high_eV"] is None else f"{group['high_eV']:g}"
        console.print(f"photon group {group['low_eV']:g}-{high} eV, mean {group['mean_eV']:g} eV")
    for line in report["missing"]:
        console.print(f"missing: {line}")
    for line in report["notes"]:
        console.print(f"note: {line}")
    _print_haloes(console, report["haloes"])


def _print_haloes(console: Any, haloes: dict[str, Any] | None) -> None:
    if haloes is None:
        console.print("haloes: no catalogue beside the snapshot; the built-in finder will be used")
        return
    console.print(f"haloes: {haloes['count']} in {haloes['catalogue']}")
    for halo in haloes["largest"]:
        x, y, z = halo["position_kpc"]
        console.print(
            f"  row {halo['row']}: M_200c {halo['M_200c']:.3g} Msun, R_200c {halo['R_200c_kpc']:.3g} kpc, "
            f"at ({x:.2f}, {y:.2f}, {z:.2f}) kpc"
        )
