"""The summary says the right numbers, with units, to people and to programs."""

import dataclasses
import io
import json
import re

import made_up
import numpy as np
import pytest
from astropy import units
from astropy.table import Table

from simpost.products.summary import COLUMNS, print_summary, summary_rows, write_ecsv, write_json


@pytest.fixture
def rows():
    whole = made_up.disc_galaxy(pixels=20, views=("x", "z"))
    gas = whole.views["z"].maps["surface_density_gas"]
    maps = whole.views["z"].maps | {"surface_density_gas": dataclasses.replace(gas, closure=-2e-4)}
    worse = {"x": whole.views["x"], "z": dataclasses.replace(whole.views["z"], maps=maps)}
    bare = made_up.disc_galaxy(
        pixels=20, views=(), id="[red]dark", alpha_CII=np.nan, alpha_CII_reason="no line was computed"
    )
    return summary_rows([dataclasses.replace(whole, views=worse), dataclasses.replace(bare, coverage={})])


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_rows_hold_the_products_numbers(rows):
    assert [column.name for column in COLUMNS] == list(rows[0])
    assert rows[0]["alpha_CII"] == pytest.approx(rows[0]["M_gas"] / rows[0]["L_CII-158um"], rel=1e-14)
    assert rows[0]["worst_closure"] == -2e-4  # largest in size, sign kept
    assert rows[0]["share_beyond_table"] == 0.0123
    assert np.isnan([rows[1]["worst_closure"], rows[1]["share_beyond_table"], rows[1]["alpha_CII"]]).all()


def test_ecsv_comes_back_with_units(rows, tmp_path):
    write_ecsv(rows, tmp_path / "s.ecsv")
    table = Table.read(tmp_path / "s.ecsv")
    assert table["M_gas"].unit == units.Msun
    assert table["SFR_30"].unit == units.Msun / units.yr
    assert table["M_gas"][0] == rows[0]["M_gas"]
    assert list(table["id"]) == ["galaxy_0001", "[red]dark"]
    write_ecsv([], tmp_path / "none.ecsv")
    assert len(Table.read(tmp_path / "none.ecsv")) == 0


def test_json_is_strict_and_names_units(rows, tmp_path):
    write_json(rows, tmp_path / "s.json")

    def refuse(constant):
        raise AssertionError(constant)

    read = json.loads((tmp_path / "s.json").read_text(), parse_constant=refuse)
    assert read["units"]["depletion_time"] == "Myr"
    assert read["rows"][1]["alpha_CII"] is None
    assert read["rows"][0]["L_CII-158um"] == rows[0]["L_CII-158um"]


def test_plain_text_in_a_pipe(rows):
    file = io.StringIO()
    print_summary(rows, file)
    lines = file.getvalue().splitlines()
    assert len(lines) == 4 and file.getvalue().isascii()
    ends = [lines[0].index("M_gas") + 5, lines[1].index("[Msun]") + 6]
    assert ends[0] == ends[1]
    assert "1.23%" in lines[2] and " - " in lines[3]


def test_range_of_the_ensemble_is_printed_only_where_there_is_one(rows, tmp_path):
    names = ("L_CII-158um_p16", "L_CII-158um_p84")
    shown, hidden = io.StringIO(), io.StringIO()
    print_summary(rows, shown)
    none = [row | dict.fromkeys(names, np.nan) for row in rows]
    print_summary(none, hidden)
    assert "L (16 %)" in shown.getvalue() and "L (84 %)" in shown.getvalue()
    assert "L (" not in hidden.getvalue()
    assert [rows[0][name] / rows[0]["L_CII-158um"] for name in names] == pytest.approx([0.5, 1.5])
    write_ecsv(none, tmp_path / "s.ecsv")  # a program finds the same columns in every table
    assert np.isnan(Table.read(tmp_path / "s.ecsv")[names[0]]).all()


@pytest.mark.parametrize("width", [40, 80, 200])
def test_terminal_of_any_width_shows_every_column_whole(rows, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.delenv("TERM", raising=False)
    file = Terminal()
    print_summary(rows, file)
    text = re.sub(r"\x1b\[[0-9;]*m", "", file.getvalue())
    assert all(column.heading in text for column in COLUMNS)
    assert "[red]dark" in text  # a name is not markup
    assert all(len(line) <= width for line in text.splitlines())
