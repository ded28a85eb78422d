"""Reference pages made from the code when the site is built, so that they cannot fall behind it.

`mkdocs.yml` names this file as a hook; `PAGES` maps each page to the function that returns its Markdown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from simpost.cli.main import simpost
from simpost.config import Config, preset_names
from simpost.config.shen2025 import Shen2025Config
from simpost.products.schema import schema_markdown
from simpost.snapshots.columns import COLUMNS

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

# blocks of an analysis that are those of a run
ELSEWHERE = ("maps.reader", "maps.views", "maps.maps", "maps.ism", "maps.emission")
ROOT = Path(__file__).resolve().parents[1]
_NARROW = 88  # characters of a line of help


def commands(
    command: click.Command = simpost, parent: click.Context | None = None
) -> Iterator[tuple[str, click.Command, click.Context]]:
    """Every command with its full name, groups before their verbs."""
    name = command.name or "simpost"
    context = click.Context(
        command, parent=parent, info_name=name, terminal_width=_NARROW, **command.context_settings
    )
    yield context.command_path, command, context
    if isinstance(command, click.Group):
        for verb in command.list_commands(context):
            inner = command.get_command(context, verb)
            if inner is not None:
                yield from commands(inner, context)


def cli_markdown() -> str:
    """Return the help of every verb."""
    lines = [
        "# Command line",
        "",
        "Results go to standard output; progress, warnings and errors to standard error. An error is one",
        "line: where, what was found, what was expected, what to do. Exit codes: 0 fine; 1 some galaxies or",
        "snapshots failed and the rest is whole; 2 wrong input or configuration; 70 a bug in simpost (the",
        "traceback is in `simpost-traceback.txt`); 130 interrupted.",
        "",
        "`SIMPOST_CACHE` names the folder for unpacked samples and compiled kernels (default: the cache",
        "folder of the user).",
    ]
    for path, command, context in commands():
        lines += ["", f"## {path}", "", "```text", command.get_help(context), "```"]
    return "\n".join(lines) + "\n"


def configuration_markdown() -> str:
    """Return every key of a configuration, and the packaged presets."""
    schema = Config.model_json_schema()
    defaults = Config(snapshots=["-"]).model_dump(mode="json")
    lines = [
        "# Configuration",
        "",
        "A YAML file. Quantities are written with their unit (`pixel: 30 pc`); a number without one is",
        "refused, and so is an unknown key. A configuration may start from a preset and change what it",
        "names. `simpost config show FILE` prints the whole, resolved configuration.",
        "",
        "V25 is Vallini et al. 2025, S25 is Shen et al. 2025. What the keys under `ism` decide is explained",
        "in [Read or derived](../explanation/read-or-derived.md), those under `emission` in",
        "[Emission](../explanation/emission.md), those under `maps` in [Maps](../explanation/maps.md). Marks",
        "such as `science B.2` number sections of the specification that simpost was built from.",
    ]
    lines += _section("Top level", schema, schema, defaults, [])
    lines += ["", "## Presets", "", "What a preset does not name has the default given above."]
    for name in preset_names():
        text = (resources.files("simpost") / "data" / "presets" / f"{name}.yaml").read_text(encoding="utf-8")
        lines += ["", f"### `{name}`", "", "```yaml", text.strip(), "```"]
    return "\n".join(lines) + "\n"


def analyses_markdown() -> str:
    """Return every key of the configurations of `simpost fit`."""
    schema = Shen2025Config.model_json_schema()
    example: dict[str, Any] = {"analysis": "shen2025", "runs": [{"name": "example", "trees": "trees.hdf5"}]}
    example |= {"efficiency": {"redshifts": [6]}, "maps": {"maps": {}}}
    example |= {"kennicutt_schmidt": {"redshifts": [6]}, "in_situ": {"redshifts": [6]}, "uv_luminosity": {}}
    defaults = Shen2025Config.model_validate(example).model_dump(mode="json")
    lines = [
        "# Analyses",
        "",
        "What `simpost fit` takes: a YAML file whose key `analysis` names the paper. Quantities are written",
        "with their unit. How to use it: [Shen+2025, whole](../how-to/shen2025.md).",
        "",
        "S25 is Shen et al. 2025, S24b Shen et al. 2024 (MNRAS 533, 3923). The keys of `maps.maps`,",
        "`maps.ism`, `maps.emission` and `maps.reader` are those of [a run](configuration.md).",
    ]
    return "\n".join(lines + _section("shen2025", schema, schema, defaults, [], ELSEWHERE)) + "\n"


def _section(
    title: str,
    model: dict[str, Any],
    schema: dict[str, Any],
    defaults: Any,
    keys: list[str],
    elsewhere: tuple[str, ...] = (),
) -> list[str]:
    """Table of one block of keys, followed by the blocks inside it but for those described elsewhere."""
    lines = ["", f"## {title}", "", "| key | value | default | meaning |", "|---|---|---|---|"]
    blocks = []
    for key, entry in model["properties"].items():
        inner, path = _model_of(entry, schema), [*keys, key]
        needed = key in model.get("required", [])
        default = _of_list(entry) if defaults is None else defaults.get(key)
        if inner is not None:
            value, shown = "a block of keys, below", "none" if default is None else "as below"
            blocks.append((f"`{'.'.join(path)}`", inner, schema, default or None, path))
        else:
            value, shown = _value(entry, schema), "needed" if needed else _default(default)
            blocks += [
                (f"`{'.'.join(path)}`: {_block_with(block)}", block, schema, None, path)
                for block in _blocks_in(entry, schema)
            ]
        lines.append(f"| `{key}` | {value} | {shown} | {entry.get('description', '')} |")
    for block in blocks:
        if ".".join(block[-1]) not in elsewhere:
            lines += _section(*block, elsewhere)
    return lines


def _of_list(entry: dict[str, Any]) -> Any:
    """Default of a key of blocks in a list; quantities have it in the internal unit: not shown."""
    return "" if "examples" in entry else entry.get("default", "")


def _model_of(entry: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any] | None:
    """The model that a key holds, if it holds one."""
    for option in (entry, *entry.get("anyOf", ())):
        if "$ref" in option:
            model: dict[str, Any] = schema["$defs"][option["$ref"].rpartition("/")[2]]
            return model
    return None


def _blocks_in(entry: dict[str, Any], schema: dict[str, Any]) -> list[dict[str, Any]]:
    """The models that entries of a list may be."""
    items = entry.get("items", {})
    options = items.get("oneOf", (items,))
    found = (_model_of(option, schema) for option in options)
    return [model for model in found if model is not None]


def _block_with(model: dict[str, Any]) -> str:
    return f"a block with `{next(iter(model['properties']))}`"


def _value(entry: dict[str, Any], schema: dict[str, Any]) -> str:
    """What a key takes, in words."""
    options = [option for option in entry.get("anyOf", [entry]) if option.get("type") != "null"]
    return " or ".join(_one_value(option, schema) for option in options)


def _one_value(entry: dict[str, Any], schema: dict[str, Any]) -> str:
    if "oneOf" in entry:
        return " or ".join(_one_value(option, schema) for option in entry["oneOf"])
    model = _model_of(entry, schema)
    if model is not None:
        return f"{_block_with(model)}, below"
    if "enum" in entry or "const" in entry:
        return ", ".join(f"`{name}`" for name in entry.get("enum", [entry.get("const")]))
    if entry.get("type") == "array":
        inner = entry.get("items") or entry["prefixItems"][0]
        count = f"{len(entry['prefixItems'])} of " if "prefixItems" in entry else ""
        return f"list of {count}({_one_value(inner, schema)})"
    if entry.get("type") == "object":
        return f"block of (name: {_one_value(entry['additionalProperties'], schema)})"
    if "examples" in entry:
        return f"quantity, like `{entry['examples'][0]}`"
    words = {"string": "text", "boolean": "`true`, `false`", "integer": "whole number", "number": "number"}
    low, high = entry.get("minimum"), entry.get("maximum")
    above = entry.get("exclusiveMinimum")
    limits = [f"> {above:g}"] if above is not None else [f">= {low:g}"] if low is not None else []
    limits += [f"<= {high:g}"] if high is not None else []
    return f"{words[entry['type']]} {' and '.join(limits)}".strip()


def _default(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, list):
        return f"`[{', '.join(map(str, value))}]`"
    if isinstance(value, dict):
        return f"`{{{', '.join(f'{name}: {entry}' for name, entry in value.items())}}}`"
    return f"`{value}`" if value != "" else ""


def columns_markdown() -> str:
    """Return every column of gas, stars and dark matter."""
    lines = [
        "# Columns",
        "",
        "What a reader hands over and the state of the gas adds to: one array per name, one row per cell or",
        "particle. Each column carries its origin, `read: ...`, `derived: ...` or `override: ...`.",
        "",
        "| column | unit | meaning |",
        "|---|---|---|",
    ]
    lines += [f"| `{name}` | `{column.unit}` | {column.meaning} |" for name, column in COLUMNS.items()]
    return "\n".join(lines) + "\n"


def product_markdown() -> str:
    """Return the schema of the product file, with its units safe from Markdown."""
    return schema_markdown().replace("*", r"\*")


PAGES: dict[str, Callable[[], str]] = {
    "reference/cli.md": cli_markdown,
    "reference/configuration.md": configuration_markdown,
    "reference/analyses.md": analyses_markdown,
    "reference/columns.md": columns_markdown,
    "reference/product-schema.md": product_markdown,
    "contributing.md": lambda: (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"),
    "changelog.md": lambda: (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"),
}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages to the site; called by mkdocs."""
    from mkdocs.structure.files import File

    for path, make in PAGES.items():
        files.append(File.generated(config, path, content=make()))
    return files
