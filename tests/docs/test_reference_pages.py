"""Generated pages hold every verb, key, column and name; the site holds every page; links lead somewhere."""

import re

import pytest
from pages import PAGES, ROOT, reference

from simpost.config import Config, preset_names
from simpost.config.shen2025 import Shen2025Config
from simpost.products.schema import SCHEMA
from simpost.snapshots.columns import COLUMNS

MADE = reference()


def test_every_verb_and_option():
    text = MADE["cli_markdown"]()
    for path, command, _ in MADE["commands"]():
        section = text.partition(f"\n## {path}\n")[2].partition("\n## ")[0]
        assert section, path
        for option in command.params:
            assert all(name in section for name in option.opts if name.startswith("-")), (path, option.name)


def keys_of(model, path=()):
    for key, field in model.model_fields.items():
        yield (*path, key), field.description
        for kind in (field.annotation, *getattr(field.annotation, "__args__", ())):
            if hasattr(kind, "model_fields"):
                yield from keys_of(kind, (*path, key))


def test_every_configuration_key():
    text = MADE["configuration_markdown"]()
    keys = list(keys_of(Config))
    assert len(keys) > 40
    for path, description in keys:
        title = f"`{'.'.join(path[:-1])}`" if len(path) > 1 else "Top level"
        section = text.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
        (row,) = [line for line in section.splitlines() if line.startswith(f"| `{path[-1]}` |")]
        assert row.endswith(f"| {description} |"), path


def test_every_key_of_an_analysis():
    text = MADE["analyses_markdown"]()
    for path, description in keys_of(Shen2025Config):
        if path[0] == "maps" and len(path) > 2:
            continue  # those of a run
        assert f"| {description} |" in text, path


def test_defaults_are_those_of_the_code():
    text = MADE["configuration_markdown"]()
    assert "| `width` | quantity, like `1 kpc` | `5 kpc` |" in text
    assert "| `count` | whole number >= 1 and <= 100000 | `1` |" in text
    assert "| `cmb` | `true`, `false` | `true` |" in text
    assert "| `uvb_rate` | number >= 0 and <= 1e-08 | none |" in text
    assert all(f"### `{name}`" in text for name in preset_names())


def test_every_column():
    text = MADE["columns_markdown"]()
    for name, column in COLUMNS.items():
        assert f"| `{name}` | `{column.unit}` | {column.meaning} |" in text


def test_every_name_of_the_product():
    text = MADE["product_markdown"]()
    for entry in SCHEMA:
        name = entry.path.removeprefix(entry.parent).lstrip("/@")
        section = text.partition(f"\n## `{entry.parent}`\n")[2].partition("\n## ")[0]
        assert f"| `{name}` | {entry.kind} |" in section
    assert not re.search(r"(?<!\\)\*", text)  # Markdown would take a bare star for emphasis


def test_every_recipe_option_is_explained():
    """The pages on the physics name every choice that the configuration offers."""
    explained = "".join(
        page.read_text(encoding="utf-8") for page in (ROOT / "docs" / "explanation").glob("*.md")
    )
    sections = Config.model_json_schema()["$defs"]
    for section in ("ism", "emission"):
        for key, entry in sections[f"{section.capitalize()}Config"]["properties"].items():
            assert f"`{section}.{key}" in explained, key
            for option in entry.get("enum", ()):
                assert f"`{option}`" in explained or f"{key}: {option}" in explained, (key, option)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_pages(page):
    generated = {(ROOT / "docs" / name).resolve() for name in MADE["PAGES"]}
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
        if not target.startswith(("http:", "https:")):
            path = (page.parent / target).resolve()
            assert path.exists() or path in generated, target


def test_every_public_name_is_on_the_python_page():
    import simpost

    text = (ROOT / "docs" / "reference" / "api.md").read_text()
    for name in set(simpost.__all__) - {"__version__"}:
        assert re.search(rf"^::: [\w.]+\.{name}$", text, re.M), name


def test_citation_has_the_version_of_the_package():
    version = re.search(r"^version = (\S+)$", (ROOT / "setup.cfg").read_text(), re.M).group(1)
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text()
    assert f"## [{version}]" in (ROOT / "CHANGELOG.md").read_text()
