"""The schema describes every name that is written, in units that others can parse."""

import re

import made_up
import pytest
import unyt

from simpost.core.units import quantity
from simpost.products.astropy_units import astropy_unit, fits_unit
from simpost.products.check import checked
from simpost.products.layout import flatten
from simpost.products.schema import SCHEMA, find_entry, schema_markdown

UNITS = sorted({entry.unit for entry in SCHEMA} - {""})


def test_every_written_name_is_in_the_document():
    items = checked(flatten(made_up.disc_galaxy(pixels=20)), "product")
    document = schema_markdown()
    assert len(items) > 90
    for path in items:
        entry = find_entry(path)
        group = document.split(f"## `{entry.parent}`\n", 1)[1].split("\n## ")[0]
        name = entry.path.removeprefix(entry.parent).lstrip("/@")
        assert re.search(rf"^\| `{re.escape(name)}` \| {entry.kind} \|", group, re.M), path


def test_document_has_one_row_per_entry_and_every_row_a_meaning():
    rows = [line for line in schema_markdown().splitlines() if line.startswith("| `")]
    assert len(rows) == len(SCHEMA) == len({entry.path for entry in SCHEMA})
    assert all(len(row.split("|")) == 9 for row in rows)
    assert all(entry.description and entry.source for entry in SCHEMA)


def test_names_of_the_design_are_there():
    for name in ("gas", "neutral", "molecular", "sfr_10", "sfr_30", "sfr_100", "sfr_instantaneous", "stars"):
        assert find_entry(f"/views/face-on/maps/surface_density_{name}").unit.endswith("kpc**2")
    assert find_entry("/views/z/maps/surface_brightness_OI-63um").unit == "Lsun/kpc**2"
    for name in ("density", "metallicity", "mach", "habing"):
        for weight in ("mass", "CII-158um"):
            assert find_entry(f"/views/z/maps/mean_{name}_{weight}_weighted").blank
    assert find_entry("/galaxy@L_CII-158um").unit == "Lsun"


@pytest.mark.parametrize(
    "path", ["/galaxy@L_", "/galaxy@mass", "/views/../maps/surface_density_gas", "/views/a b@up"]
)
def test_other_names_are_unknown(path):
    assert find_entry(path) is None


def test_numeric_entries_have_a_unit():
    bare = {e.path.rpartition("@")[2] for e in SCHEMA if e.dtype == "float" and not e.unit}
    assert bare == {"total_selected", "total_outside_fov"}  # in the unit of their map, integrated


@pytest.mark.parametrize("unit", UNITS)
def test_units_mean_the_same_to_unyt_astropy_and_fits(unit):
    from astropy import units

    ours = quantity(1.0, unit)
    theirs = astropy_unit(unit)
    again = units.Unit(fits_unit(unit), format="fits")
    in_cgs = float(unyt.unyt_quantity(ours).in_cgs().value)
    for value in (theirs, again):
        # unyt's solar luminosity, 3.827e33 erg/s, is 2.6e-4 below the nominal one of IAU 2015
        assert value.cgs.scale == pytest.approx(in_cgs, rel=3e-4)
