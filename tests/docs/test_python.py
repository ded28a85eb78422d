"""The Python of the pages runs, page by page, from the results of a small run."""

import itertools
import re

import pytest
from pages import ROOT, blocks

BY_PAGE = {page: list(of_page) for page, of_page in itertools.groupby(blocks("python"), lambda b: b.page)}


def test_pages_show_python():
    assert {page.rpartition("/")[2] for page in BY_PAGE} >= {"read-products.md", "rebuild-the-grid.md"}


@pytest.mark.parametrize("page", BY_PAGE)
def test_python_of_a_page(page, workshop, monkeypatch, capsys):
    monkeypatch.chdir(workshop)
    namespace: dict[str, object] = {}
    for block in BY_PAGE[page]:
        exec(compile(block.text, block.name, "exec"), namespace)
    assert capsys.readouterr().out.strip()


def test_mass_on_the_map(workshop, monkeypatch, capsys):
    """What the page prints as the mass on the map is the mass of the product."""
    monkeypatch.chdir(workshop)
    page = next(page for page in BY_PAGE if page.endswith("read-products.md"))
    namespace: dict[str, object] = {}
    exec(compile(BY_PAGE[page][0].text, page, "exec"), namespace)
    printed = float(capsys.readouterr().out.split("mass on the map")[1].split()[0])
    assert printed == pytest.approx(namespace["product"].galaxy["M_gas"], rel=1e-9)


def test_every_row_of_the_coverage_is_explained(workshop, monkeypatch):
    from simpost import read_product
    from simpost.emission.luminosity import FLAGS

    monkeypatch.chdir(workshop)
    product = read_product("results/quickstart/ramses-zoom_peak-0/product.h5")
    text = (ROOT / "docs" / "how-to" / "read-products.md").read_text()
    for name in {*product.coverage, *FLAGS}:
        assert f"`{name}`" in text, name


def test_every_map_is_explained(workshop, monkeypatch):
    from simpost import read_product

    monkeypatch.chdir(workshop)
    product = read_product("results/quickstart/ramses-zoom_peak-0/product.h5")
    text = (ROOT / "docs" / "explanation" / "maps.md").read_text()
    table = text.partition("## What is mapped")[2].partition("## ")[0]
    for name in product.view("z").maps:
        generic = re.sub(r"^(surface_brightness_).*", r"\1<line>", name)
        generic = re.sub(r"^mean_.*_weighted$", "mean_<quantity>_<weight>_weighted", generic)
        assert f"`{generic}`" in table, name


def test_tutorial_shows_the_table_that_is_printed():
    """Headings and units of the summary, in order."""
    from simpost.products.summary import COLUMNS

    columns = [column for column in COLUMNS if not column.optional]
    text = (ROOT / "docs" / "tutorials" / "quickstart.md").read_text()
    headings, units, *rows = text.partition("```text\n")[2].partition("```")[0].splitlines()
    assert headings.split() == " ".join(column.heading for column in columns).split()
    shown = [column.unit for column in columns if column.unit not in ("", "dimensionless")]
    assert [unit.strip("[]") for unit in units.split()] == shown
    assert len(rows) == 2
    assert all(len(row.split()) == len(columns) for row in rows)
