"""One row per galaxy: the numbers a reader asks for first, with units."""

from __future__ import annotations

import io
import json
import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TextIO

from simpost.core import units as u
from simpost.core.files import write_whole
from simpost.products.astropy_units import astropy_unit
from simpost.products.product import GalaxyProduct
from simpost.products.schema import BEYOND_TABLE, LINE_CII

if TYPE_CHECKING:
    from rich.table import Table

Row = dict[str, Any]
_GAP = 3  # characters between two columns of a rich table
_EDGES = 2  # characters beside the outermost columns


@dataclass(frozen=True)
class SummaryColumn:
    """Name and unit of a column, its heading on a terminal and how its numbers are printed there.

    An `optional` column is printed only where a galaxy has a number for it.
    """

    name: str
    unit: str
    heading: str
    form: str
    optional: bool = False

    def shown(self, row: Row) -> str:
        """Text of this column of `row`; `-` where there is no number."""
        value = row[self.name]
        if isinstance(value, float) and math.isnan(value):
            return "-"
        return format(value, self.form)


COLUMNS = (
    SummaryColumn("id", "", "galaxy", "s"),
    SummaryColumn("snapshot", "", "snapshot", "s"),
    SummaryColumn("redshift", u.DIMENSIONLESS, "z", ".3f"),
    SummaryColumn("M_gas", u.MASS, "M_gas", ".3g"),
    SummaryColumn("M_neutral", u.MASS, "M_neutral", ".3g"),
    SummaryColumn(f"L_{LINE_CII}", u.LUMINOSITY, "L_[CII]", ".3g"),
    SummaryColumn(f"L_{LINE_CII}_p16", u.LUMINOSITY, "L (16 %)", ".3g", optional=True),
    SummaryColumn(f"L_{LINE_CII}_p84", u.LUMINOSITY, "L (84 %)", ".3g", optional=True),
    SummaryColumn("SFR_10", u.SFR, "SFR_10", ".3g"),
    SummaryColumn("SFR_30", u.SFR, "SFR_30", ".3g"),
    SummaryColumn("SFR_100", u.SFR, "SFR_100", ".3g"),
    SummaryColumn("SFR_instantaneous", u.SFR, "SFR_inst", ".3g"),
    SummaryColumn("alpha_CII", "Msun/Lsun", "alpha_[CII]", ".3g"),
    SummaryColumn("depletion_time", u.TIME, "t_dep", ".3g"),
    SummaryColumn("worst_closure", u.DIMENSIONLESS, "closure", ".1e"),
    SummaryColumn("share_beyond_table", u.DIMENSIONLESS, "off-grid L", ".2%"),
)


def summary_rows(products: Iterable[GalaxyProduct]) -> list[Row]:
    """Return one row per product with the names of `COLUMNS`; NaN where a product has no number.

    `worst_closure` is the closure farthest from zero of all maps and cubes that have one;
    `share_beyond_table` the share of the [CII] luminosity from cells beyond the line grid.
    """
    return [_row(product) for product in products]


def _row(product: GalaxyProduct) -> Row:
    row = {column.name: product.galaxy.get(column.name, math.nan) for column in COLUMNS}
    images = [
        image for view in product.views.values() for image in (*view.maps.values(), *view.cubes.values())
    ]
    closures = [image.closure for image in images if not math.isnan(image.closure)]
    row["worst_closure"] = max(closures, key=abs, default=math.nan)
    beyond = product.coverage.get(BEYOND_TABLE)
    row["share_beyond_table"] = beyond.share_of_luminosity if beyond else math.nan
    return row


def write_ecsv(rows: Sequence[Row], path: Path | str) -> None:
    """Write the rows as an ECSV table, which astropy reads back with units."""
    from astropy.table import Column, Table

    table = Table(
        [
            Column([row[column.name] for row in rows], name=column.name, dtype=None if rows else float)
            for column in COLUMNS
        ]
    )
    for column in COLUMNS:
        if column.unit not in ("", u.DIMENSIONLESS):
            table[column.name].unit = astropy_unit(column.unit)
    text = io.StringIO()
    table.write(text, format="ascii.ecsv")
    write_whole(path, text.getvalue().encode())


def write_json(rows: Sequence[Row], path: Path | str) -> None:
    """Write `{"units": {...}, "rows": [...]}`; NaN becomes null."""
    units = {column.name: column.unit for column in COLUMNS if column.unit}
    plain = [
        {
            name: None if isinstance(value, float) and math.isnan(value) else value
            for name, value in row.items()
        }
        for row in rows
    ]
    text = json.dumps({"units": units, "rows": plain}, indent=1, allow_nan=False)
    write_whole(path, text.encode() + b"\n")


def print_summary(rows: Sequence[Row], file: TextIO | None = None) -> None:
    """Print the rows: a rich table on a terminal, aligned plain text in a file or pipe.

    A terminal too narrow for all columns gets them in several tables, each with the galaxy's name.
    """
    file = file or sys.stdout
    columns = [
        column
        for column in COLUMNS
        if not (column.optional and all(math.isnan(row[column.name]) for row in rows))
    ]
    cells = [[column.heading for column in columns], [_unit_shown(column) for column in columns]]
    cells += [[column.shown(row) for column in columns] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    if file.isatty():
        from rich.console import Console

        console = Console(file=file)
        for band in _bands(widths, console.width - _EDGES):
            console.print(_rich_table([[line[i] for i in band] for line in cells]))
        return
    for line in cells:
        text = "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True))
        file.write(text.rstrip() + "\n")


def _unit_shown(column: SummaryColumn) -> str:
    return "" if column.unit in ("", u.DIMENSIONLESS) else f"[{column.unit}]"


def _bands(widths: Sequence[int], available: int) -> list[list[int]]:
    """Indices of the columns of each table, the first column in all of them."""
    bands = [[0]]
    for i in range(1, len(widths)):
        if sum(widths[j] + _GAP for j in [*bands[-1], i]) > available and len(bands[-1]) > 1:
            bands.append([0])
        bands[-1].append(i)
    return bands


def _rich_table(cells: Sequence[Sequence[str]]) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.markup import escape
    from rich.table import Table

    headings, units, *lines = cells
    table = Table(box=SIMPLE_HEAD, padding=(0, 1))
    for i, (heading, unit) in enumerate(zip(headings, units, strict=True)):
        justify: Literal["left", "right"] = "left" if i == 0 else "right"
        table.add_column(escape(f"{heading}\n{unit}"), justify=justify, overflow="fold")
    for line in lines:
        table.add_row(*map(escape, line))
    return table
