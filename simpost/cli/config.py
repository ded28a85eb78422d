"""`simpost config show FILE` and `simpost config schema`."""

from __future__ import annotations

import click

from simpost.cli.main import print_json


@click.group("config")
def command() -> None:
    """Show a resolved configuration or the schema."""


@command.command("show")
@click.argument("path", type=click.Path())
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(path: str, as_json: bool) -> None:
    """Print the whole configuration that FILE resolves to, every default written out."""
    from simpost.config import canonical_yaml, config_hash, load_config

    config = load_config(path)
    if as_json:
        print_json({"hash": config_hash(config), "config": config.model_dump(mode="json")})
    else:
        click.echo(f"# hash {config_hash(config)}\n{canonical_yaml(config)}", nl=False)


@command.command("schema")
def schema() -> None:
    """Print the JSON schema of a configuration: every key, its unit, range, default and meaning."""
    from simpost.config import Config

    print_json(Config.model_json_schema())
