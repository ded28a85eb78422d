"""The command line: a thin shell. Each verb is one module, imported when it is called."""

from __future__ import annotations

import importlib
import signal
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from simpost.core.errors import EXIT_BUG, EXIT_WRONG_INPUT, InputError, SimpostError

if TYPE_CHECKING:
    from pydantic import BaseModel

# verb: (module, what it does); the words stand here so that --help imports nothing
_VERBS = {
    "inspect": ("inspect", "What a snapshot holds and what would be derived, in seconds."),
    "run": ("run", "Snapshots to products, figures and a summary table."),
    "fit": ("fit", "The analysis of a paper: tables, figures and a summary of every fit."),
    "config": ("config", "Show a resolved configuration or the schema."),
    "sample": ("sample", "Packaged sample snapshots, and synthetic ones."),
    "grid": ("grid", "Line grids: build and show."),
}


class _LazyGroup(click.Group):
    def list_commands(self, context: click.Context) -> list[str]:
        return list(_VERBS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in _VERBS:
            return None
        module = importlib.import_module(f"simpost.cli.{_VERBS[name][0]}")
        command: click.Command = module.command
        return command

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, words) for name, (_, words) in _VERBS.items()])


@click.command(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="simpost")
def simpost() -> None:
    """Maps of gas, [CII] and star formation from RAMSES-RT and Arepo-RT snapshots.

    Exit codes: 0 fine, 1 some tasks failed (the rest is whole), 2 wrong input or configuration,
    70 a bug in simpost.
    """


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; errors become one line and an exit code."""
    try:
        signal.signal(signal.SIGTERM, _interrupt)  # batch systems stop jobs so
        code = simpost.main(arguments, standalone_mode=False)
    except SimpostError as error:
        for line in str(error).splitlines():
            click.echo(f"error: {line}", err=True)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(EXIT_WRONG_INPUT)
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted: galaxies that are finished are whole, the others absent", err=True)
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(EXIT_WRONG_INPUT)
    except Exception as error:
        click.echo(f"bug in simpost ({type(error).__name__}): {_write_traceback()}", err=True)
        sys.exit(EXIT_BUG)
    sys.exit(code if isinstance(code, int) else 0)


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def _write_traceback() -> str:
    """Write the traceback to a file; where it is, and what to do with it."""
    path = Path("simpost-traceback.txt").resolve()
    try:
        path.write_text(traceback.format_exc(), encoding="utf-8")
    except OSError:
        return traceback.format_exc()
    return f"please report it with {path}"


Model = TypeVar("Model", bound="BaseModel")


def with_output(config: Model, output: str | None) -> Model:
    """The configuration with its output folder replaced, where the option was given."""
    if output is None:
        return config
    if not output:
        raise InputError("--output", "an empty name", "a folder")
    return config.model_copy(update={"output": output})


def print_json(value: Any) -> None:
    """Print plain values as JSON (non-finite numbers as null)."""
    import json
    import math

    def clean(item: Any) -> Any:
        if isinstance(item, dict):
            return {key: clean(inner) for key, inner in item.items()}
        if isinstance(item, list | tuple):
            return [clean(inner) for inner in item]
        return None if isinstance(item, float) and not math.isfinite(item) else item

    click.echo(json.dumps(clean(value), indent=2))
