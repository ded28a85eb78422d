"""Tables of results as ECSV: astropy reads them back with units and descriptions."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike

from simpost.core.files import write_whole
from simpost.core.units import DIMENSIONLESS
from simpost.products.astropy_units import astropy_unit


@dataclass(frozen=True, eq=False)
class TableColumn:
    """Values (n,) of one column, their unit (empty for text and pure numbers) and meaning."""

    values: ArrayLike
    unit: str = ""
    description: str = ""


def write_table(
    path: Path | str,
    columns: Mapping[str, TableColumn],
    comments: Sequence[str] = (),
    meta: Mapping[str, Any] | None = None,
) -> None:
    """Write columns of equal length as an ECSV table; the file is whole or untouched.

    Parameters
    ----------
    columns : mapping of name to TableColumn
        In the order of the table.
    comments : sequence of str
        Lines on what the table is, kept in its header.
    meta : mapping, optional
        Settings the numbers rest on: anything that YAML can hold.

    Raises
    ------
    InputError
        The file cannot be written.
    """
    from astropy.table import Column, Table

    table = Table(
        [
            Column(column.values, name=name, description=column.description or None)
            for name, column in columns.items()
        ],
        meta={**(dict(meta) if meta else {}), **({"comments": list(comments)} if comments else {})},
    )
    for name, column in columns.items():
        if column.unit not in ("", DIMENSIONLESS):
            table[name].unit = astropy_unit(column.unit)
    text = io.StringIO()
    table.write(text, format="ascii.ecsv")
    write_whole(path, text.getvalue().encode())
