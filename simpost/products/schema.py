"""The product file, written once: every name it may hold, with unit, shape, meaning and source.

Writer and reader check against `SCHEMA`; `schema_markdown` turns it into the reference page. A path is
`/group/dataset` or `/group@attribute`; `<line>`, `<view>` and the like stand for a name of the run.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Literal

from simpost.core import units as u

SCHEMA_VERSION = 1
LINE_CII = "CII-158um"
PERCENTILES = {"p16": 16.0, "p84": 84.0}  # of the ensemble, by the ending of names
BEYOND_TABLE = "beyond_table"  # coverage row: cells beyond any axis of the line grid

Kind = Literal["attribute", "map", "column", "dataset"]
Dtype = Literal["text", "integer", "float", "boolean"]

_NAME = r"[A-Za-z0-9][A-Za-z0-9.+-]*"
_LONG_NAME = r"[A-Za-z0-9][A-Za-z0-9_.+-]*"
_PLACEHOLDERS = {
    "<line>": _NAME,
    "<weight>": _NAME,  # mass, or the line that weights
    "<view>": _LONG_NAME,
    "<map>": _LONG_NAME,
    "<name>": _LONG_NAME,
}


@dataclass(frozen=True)
class Entry:
    """One name of the product file.

    `shape` holds numbers or axis names (`ny`); equal axis names of one view or table are equal lengths.
    `blank` says that NaN may stand where there is nothing to measure. `required` holds wherever the
    group or dataset that the entry belongs to exists.
    """

    path: str
    kind: Kind
    unit: str
    dtype: Dtype
    shape: tuple[int | str, ...]
    description: str
    source: str = "simpost"
    required: bool = True
    blank: bool = False

    @property
    def parent(self) -> str:
        """Path of the group or dataset that holds this entry."""
        return parent_path(self.path)

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Pattern of the concrete paths that this entry describes."""
        return path_pattern(self.path)


def parent_path(path: str) -> str:
    """Path of the group or dataset that holds `path`."""
    holder = path.rpartition("@")[0] if "@" in path else path.rpartition("/")[0]
    return holder or "/"


@cache
def path_pattern(path: str) -> re.Pattern[str]:
    """Pattern of the concrete paths meant by a path with placeholders."""
    pieces = re.split(r"(<\w+>)", path)
    return re.compile("".join(_PLACEHOLDERS.get(piece, re.escape(piece)) for piece in pieces))


def find_entry(path: str) -> Entry | None:
    """Return the schema entry of a concrete path, or None."""
    exact = _EXACT.get(path)
    return exact or next((entry for entry in _PATTERNED if entry.pattern.fullmatch(path)), None)


def map_unit(name: str) -> str:
    """Unit of the map called `name`."""
    entry = find_entry(f"/views/<view>/maps/{name}") or find_entry(f"/views/z/maps/{name}")
    if entry is None:
        raise KeyError(name)
    return entry.unit


def attribute_units(group: str) -> dict[str, str]:
    """Units of the numeric attributes of `group`, by the name of the attribute."""
    return {
        entry.path.rpartition("@")[2]: entry.unit
        for entry in SCHEMA
        if entry.kind == "attribute" and entry.parent == group and entry.unit
    }


def _attribute(group: str, name: str, unit: str, description: str, source: str = "simpost") -> Entry:
    return Entry(f"{group}@{name}", "attribute", unit, "float", (), description, source)


def _text(group: str, name: str, description: str, required: bool = True) -> Entry:
    return Entry(f"{group}@{name}", "attribute", "", "text", (), description, required=required)


def _optional(name: str, unit: str, description: str, source: str) -> Entry:
    return Entry(f"/galaxy@{name}", "attribute", unit, "float", (), description, source, required=False)


def _vector(group: str, name: str, unit: str, description: str) -> Entry:
    return Entry(f"{group}@{name}", "attribute", unit, "float", (3,), description)


def _column(
    table: str,
    name: str,
    dtype: Dtype,
    description: str,
    unit: str = u.DIMENSIONLESS,
    required: bool = True,
) -> Entry:
    text = dtype == "text"
    path, of_text = f"{table}/{name}", "" if text else unit
    return Entry(path, "column", of_text, dtype, ("rows",), description, required=required, blank=not text)


def _of_true_cells(name: str, dtype: Dtype, description: str) -> Entry:
    unit = u.DIMENSIONLESS if dtype == "float" else ""
    path, blank = f"/views/<view>@{name}", dtype == "float"
    return Entry(path, "attribute", unit, dtype, (), description, required=False, blank=blank)


def _percentile(name: str) -> str:
    return f"{PERCENTILES[name]:.0f}th percentile over the members of the ensemble"


def _map(name: str, unit: str, description: str, source: str, required: bool = False) -> Entry:
    path = f"/views/<view>/maps/{name}"
    blank = name.startswith("mean_")
    return Entry(path, "map", unit, "float", ("ny", "nx"), description, source, required, blank)


_FILE = (
    Entry("/@schema", "attribute", "", "integer", (), "version of this schema"),
    _text("/", "simpost_version", "version of simpost that wrote the product"),
    _text("/", "created", "time of making, ISO 8601, UTC"),
    _text("/", "config", "the whole resolved configuration, canonical YAML"),
    _text("/", "config_hash", "digest of the canonical configuration"),
    _text("/", "provenance", "JSON: snapshot files and digests, readers, library versions, seed"),
)

_IDENTITY = (
    _text("/galaxy", "id", "name of the galaxy, unique in the run"),
    _text("/galaxy", "snapshot", "snapshot it was found in"),
    _text("/galaxy", "code", "simulation code (RAMSES, RAMSES-RT, Arepo, ...)"),
    _text("/galaxy", "units", "JSON: unit of every numeric attribute of this group"),
    _text("/galaxy", "<name>_reason", "why the attribute `<name>` is NaN", required=False),
    _vector("/galaxy", "centre", u.LENGTH, "centre in the snapshot's frame, physical"),
    _vector("/galaxy", "velocity", u.VELOCITY, "bulk velocity in the snapshot's frame, peculiar"),
    _attribute("/galaxy", "redshift", u.DIMENSIONLESS, "redshift of the snapshot", "snapshot header"),
    _attribute("/galaxy", "h0", "km/s/Mpc", "Hubble constant", "snapshot header"),
    _attribute("/galaxy", "omega_m", u.DIMENSIONLESS, "matter density parameter", "snapshot header"),
    _attribute(
        "/galaxy", "omega_lambda", u.DIMENSIONLESS, "dark-energy density parameter", "snapshot header"
    ),
    _attribute("/galaxy", "R_200c", u.LENGTH, "radius of 200 times the critical density, physical"),
    _attribute("/galaxy", "M_200c", u.MASS, "mass within R_200c"),
)

_SETTINGS = (
    _text("/galaxy", "gas", "what 'gas' means here: total, neutral, molecular or cold"),
    Entry(
        "/galaxy@helium",
        "attribute",
        "",
        "boolean",
        (),
        "whether neutral and molecular gas count their helium",
    ),
    _text("/galaxy", "line_grid", "name of the line grid", required=False),
    _text("/galaxy", "line_grid_checksum", "SHA-256 of the content of the line grid", required=False),
    _text("/galaxy", "density_pdf", "sub-grid density PDF: mass, volume, none or meanC", required=False),
    _text("/galaxy", "mach_source", "where Mach numbers come from", required=False),
    _text("/galaxy", "column_source", "where cell columns come from", required=False),
    _text("/galaxy", "illumination", "one_sided or two_sided", required=False),
    Entry(
        "/galaxy@cmb", "attribute", "", "boolean", (), "whether the CMB correction is applied", required=False
    ),
    _optional(
        "cmb_floored",
        u.DIMENSIONLESS,
        "share of the line grid's nodes at or below T_CMB, whose attenuation is 1e-3 instead of zero",
        "simpost",
    ),
)

_SFR = tuple(
    _attribute("/galaxy", f"SFR_{window}", u.SFR, meaning, source)
    for window, meaning, source in (
        ("10", "mass of stars younger than 10 Myr over 10 Myr", "Shen+2025"),
        ("30", "mass of stars younger than 30 Myr over 30 Myr", "Vallini+2025"),
        ("100", "mass of stars younger than 100 Myr over 100 Myr", "simpost"),
        ("instantaneous", "sum of the star formation rates of gas cells", "Shen+2025"),
    )
)

_MEANS = (
    ("density", u.NUMBER_DENSITY, "hydrogen number density of cells, not boosted by the sub-grid PDF"),
    ("metallicity", u.DIMENSIONLESS, "metal mass fraction"),
    ("mach", u.DIMENSIONLESS, "turbulent Mach number"),
    ("habing", u.HABING, "FUV field G0, 6.0-13.6 eV (Habing 1968)"),
)
_WEIGHTING = "weighted by `<weight>`: `mass`, or the luminosity of that line"

_HELIUM = "with helium as `helium` says"
_SPHERE = f"cells whose centre lies within half the width; {_HELIUM}"

_INTEGRALS = (
    _attribute("/galaxy", "M_gas", u.MASS, "all gas in the region, always with helium", "Vallini+2025"),
    _attribute("/galaxy", "M_neutral", u.MASS, f"mass of HI and H2, {_HELIUM}", "Shen+2025"),
    _attribute("/galaxy", "M_molecular", u.MASS, f"mass of H2, {_HELIUM}"),
    _optional("M_gas_sphere", u.MASS, f"mass of {_SPHERE}", "Shen+2025"),
    _optional("M_neutral_sphere", u.MASS, f"mass of HI and H2 of {_SPHERE}", "Shen+2025"),
    _attribute("/galaxy", "M_stars", u.MASS, "stellar mass in the region"),
    *_SFR,
    _attribute("/galaxy", "alpha_CII", "Msun/Lsun", f"M_gas / L_{LINE_CII}", "Vallini+2025"),
    _attribute("/galaxy", "alpha_CII_neutral", "Msun/Lsun", f"M_neutral / L_{LINE_CII}", "Vallini+2025"),
    _attribute("/galaxy", "depletion_time", u.TIME, "M_gas over the rate named as its source", "Shen+2025"),
    _text(
        "/galaxy",
        "depletion_time_source",
        "SFR_10, or without ages SFR_instantaneous",
        required=False,
    ),
    _optional("M_stars_inner", u.MASS, "stellar mass within 0.15 R_200c", "simpost"),
    _optional("L_<line>", u.LUMINOSITY, "luminosity of the line in the region", "Vallini+2025"),
    *(
        _optional(f"L_{LINE_CII}_{name}", u.LUMINOSITY, f"luminosity, {_percentile(name)}", "simpost")
        for name in PERCENTILES
    ),
    _optional(
        "half_light_radius_<line>", u.LENGTH, "radius of half the light, from its centroid", "Vallini+2025"
    ),
    _optional("alpha_CII_inner", "Msun/Lsun", f"alpha within half_light_radius_{LINE_CII}", "Vallini+2025"),
    *(
        _optional(f"mean_{name}_<weight>_weighted", unit, f"mean {meaning}, {_WEIGHTING}", "Vallini+2025")
        for name, unit, meaning in _MEANS
    ),
)

_COVERAGE = (
    _column(
        "/coverage/shares",
        "name",
        "text",
        f"what the cells share; `{BEYOND_TABLE}`: beyond any axis of the line grid",
    ),
    _column("/coverage/shares", "share_of_cells", "float", "share of the number of cells"),
    _column("/coverage/shares", "share_of_mass", "float", "share of the gas mass"),
    _column("/coverage/shares", "share_of_luminosity", "float", f"share of the {LINE_CII} luminosity"),
    _column(
        "/coverage/shares",
        "treatment",
        "text",
        "what was done to them: `clamped`, `extrapolated, slope +1`, an override, or empty",
        required=False,
    ),
    _column("/coverage/fields", "column", "text", "column of the gas or the stars"),
    _column(
        "/coverage/fields", "origin", "text", "`read: <where>`, `derived: <recipe>` or `override: <by whom>`"
    ),
    _column("/coverage/fields", "share_of_mass", "float", "share of the mass whose value came this way"),
    Entry("/coverage/<name>/<name>@unit", "attribute", "", "text", (), "unit of the column", required=False),
)

_ENSEMBLE = (
    _column("/ensemble", "name", "text", "member of the ensemble; the first is the configured model"),
    _column("/ensemble", "differs", "text", "what was changed, one thing at a time"),
    _column("/ensemble", "luminosity", "float", f"{LINE_CII} luminosity in the region", u.LUMINOSITY),
    _column("/ensemble", "ratio", "float", "luminosity over that of the configured model"),
    _column("/ensemble", "share_beyond_table", "float", "share of it from cells beyond the line grid"),
    _column("/ensemble", "closure", "float", "of the member's own map, the worst of all views"),
    _column("/ensemble", "left_out", "text", "why the member was left out, else empty"),
    Entry("/ensemble/<name>@unit", "attribute", "", "text", (), "unit of the column", required=False),
)

_VIEW = (
    _text("/views/<view>", "units", "JSON: unit of every numeric attribute of this group"),
    _vector("/views/<view>", "line_of_sight", u.DIMENSIONLESS, "unit vector from the galaxy to the observer"),
    _vector("/views/<view>", "up", u.DIMENSIONLESS, "unit vector that points up in the image"),
    _attribute("/views/<view>", "width", u.LENGTH, "side of the square image; row 0 is at the bottom"),
    _attribute("/views/<view>", "depth", u.LENGTH, "depth along the line of sight, centred on the galaxy"),
    _attribute("/views/<view>", "pixel", u.LENGTH, "side of a pixel"),
    _text("/views/<view>", "depositor", "how cells were put on pixels"),
    _text(
        "/views/<view>",
        "kernel",
        "smoothing kernel of Voronoi cells; `voronoi`: the true cells",
        required=False,
    ),
    Entry(
        "/views/<view>@support_over_r_cell",
        "attribute",
        u.DIMENSIONLESS,
        "float",
        (),
        "kernel support radius over the radius of the sphere with the cell's volume",
        "Shen+2025",
        required=False,
    ),
    _of_true_cells("rms_rescaling", "float", "rms of polyhedron over given volume, minus one; NaN: no cell"),
    _of_true_cells("n_cut_down", "integer", "cells in view cut down to their volume: they lack neighbours"),
    _of_true_cells("n_failed_cuts", "integer", "cuts given up for rounding"),
    _text("/views/<view>", "star_depositor", "how stars were put on pixels", required=False),
    Entry(
        "/views/<view>@star_smoothing",
        "attribute",
        u.LENGTH,
        "float",
        (),
        "radius at which the stars' kernel ends, where there is one",
        required=False,
    ),
)

_MAPS = (
    _map("surface_density_gas", u.SURFACE_DENSITY, "all gas, always with helium", "Vallini+2025", True),
    _map("surface_density_neutral", u.SURFACE_DENSITY, "HI and H2", "Shen+2025"),
    _map("surface_density_hi", u.SURFACE_DENSITY, "HI", "Shen+2025"),
    _map("surface_density_molecular", u.SURFACE_DENSITY, "H2", "Shen+2025"),
    _map("surface_density_metals", u.SURFACE_DENSITY, "metals", "simpost"),
    _map("surface_density_stars", u.SURFACE_DENSITY, "stars of all ages", "simpost"),
    *(
        _map(
            f"surface_density_{e.path.partition('@')[2].lower()}",
            u.SFR_SURFACE_DENSITY,
            e.description,
            e.source,
        )
        for e in _SFR
    ),
    _map("surface_brightness_<line>", u.SURFACE_BRIGHTNESS, "emitted line luminosity", "Vallini+2025"),
    *(
        _map(f"surface_brightness_{LINE_CII}_{p}", u.SURFACE_BRIGHTNESS, _percentile(p), "simpost")
        for p in PERCENTILES
    ),
    *(
        _map(f"mean_{name}_<weight>_weighted", unit, f"mean {meaning}, {_WEIGHTING}", "Vallini+2025")
        for name, unit, meaning in _MEANS
    ),
)

CUBE_UNIT = "Lsun*s/km/kpc**2"
_CUBES = (
    Entry(
        "/views/<view>/cubes/<line>",
        "dataset",
        CUBE_UNIT,
        "float",
        ("nv", "ny", "nx"),
        "line surface brightness per velocity",
        "Vallini+2025",
        required=False,
    ),
    Entry(
        "/views/<view>/velocity",
        "dataset",
        u.VELOCITY,
        "float",
        ("nv",),
        "centres of the channels, relative to the galaxy, receding positive",
        required=False,
    ),
    _text("/views/<view>/velocity", "unit", "unit of the dataset"),
    *(
        Entry(
            f"/views/<view>/cubes/<line>@{name}",
            "attribute",
            u.DIMENSIONLESS,
            "float",
            (),
            description,
            required=False,
        )
        for name, description in (
            ("share_outside_band", "share of the light at velocities outside the channels"),
            ("moment_0_deviation", "largest difference of moment 0 and map, over the brightest pixel"),
        )
    ),
)


def _image_attributes(path: str) -> tuple[Entry, ...]:
    def optional(name: str, dtype: Dtype, description: str) -> Entry:
        return Entry(f"{path}@{name}", "attribute", "", dtype, (), description, required=False)

    return (
        _text(path, "unit", "unit of the dataset"),
        _attribute(path, "closure", u.DIMENSIONLESS, "sum over pixels over what went in, minus one"),
        optional("closure_reason", "text", "why `closure` is NaN"),
        optional("weight", "text", "what a mean is weighted by"),
        optional("total_selected", "float", "amount of the quantity in the depth of the view"),
        optional("total_outside_fov", "float", "part of it outside the image"),
        optional("n_cells", "integer", "number of cells or stars in the depth of the view"),
    )


SCHEMA: tuple[Entry, ...] = (
    *_FILE,
    *_IDENTITY,
    *_SETTINGS,
    *_INTEGRALS,
    *_COVERAGE,
    *_ENSEMBLE,
    *_VIEW,
    *_MAPS,
    *_image_attributes("/views/<view>/maps/<map>"),
    *_CUBES,
    *_image_attributes("/views/<view>/cubes/<line>"),
)
_EXACT = {entry.path: entry for entry in SCHEMA if "<" not in entry.path}
_PATTERNED = tuple(entry for entry in SCHEMA if "<" in entry.path)
ALWAYS_THERE = ("/", "/galaxy", "/coverage/shares", "/coverage/fields")


def schema_markdown() -> str:
    """Return the schema as Markdown: one table per group or dataset."""
    lines = [
        f"# Product file, schema {SCHEMA_VERSION}",
        "",
        "One HDF5 file per galaxy and snapshot. The first 512 bytes are a line of text with the SHA-256 of",
        "the rest (`tail -c +513 FILE | sha256sum`), so that damage is seen before anything is read. Numbers",
        "are float64 in the units named; a scalar that cannot be measured is NaN and has a `<name>_reason`.",
    ]
    for holder in dict.fromkeys(entry.parent for entry in SCHEMA):
        lines += ["", f"## `{holder}`", "", "| name | kind | unit | type | needed | meaning | source |"]
        lines += ["|---|---|---|---|---|---|---|"]
        lines += [_markdown_row(entry) for entry in SCHEMA if entry.parent == holder]
    return "\n".join(lines) + "\n"


def _markdown_row(entry: Entry) -> str:
    name = entry.path.removeprefix(entry.parent).lstrip("/@")
    shape = f" ({', '.join(map(str, entry.shape))})" if entry.shape else ""
    needed = "yes" if entry.required else "no"
    cells = (entry.kind, entry.unit, f"{entry.dtype}{shape}", needed, entry.description, entry.source)
    return f"| `{name}` | " + " | ".join(cells) + " |"
