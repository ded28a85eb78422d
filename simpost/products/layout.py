"""Between a product and the flat `path -> value` form in which it is checked and stored."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from simpost.core import units as u
from simpost.core.errors import InputError
from simpost.products.product import (
    Coverage,
    EnsembleMember,
    FieldOrigin,
    GalaxyProduct,
    ProductMap,
    ViewProduct,
)
from simpost.products.schema import SCHEMA_VERSION, attribute_units, find_entry


def flatten(product: GalaxyProduct) -> dict[str, Any]:
    """Return every value of a product by its path in the file, with the unit of every number."""
    items: dict[str, Any] = {
        "/@schema": SCHEMA_VERSION,
        "/@simpost_version": product.simpost_version,
        "/@created": product.created,
        "/@config": product.config,
        "/@config_hash": product.config_hash,
        "/@provenance": _to_json(product.provenance),
    }
    _add_attributes(items, "/galaxy", product.galaxy)
    items["/galaxy@units"] = json.dumps(attribute_units("/galaxy"))
    shares = product.coverage.values()
    _add_table(items, "/coverage/shares", {"name": list(product.coverage)})
    for column in (field.name for field in fields(Coverage)):
        _add_table(items, "/coverage/shares", {column: [getattr(share, column) for share in shares]})
    for column in ("column", "origin", "share_of_mass"):
        _add_table(items, "/coverage/fields", {column: [getattr(row, column) for row in product.fields]})
    if product.ensemble:
        for column in (field.name for field in fields(EnsembleMember)):
            _add_table(items, "/ensemble", {column: [getattr(row, column) for row in product.ensemble]})
    for name, view in product.views.items():
        _add_view(items, f"/views/{name}", view)
    return items


def _to_json(provenance: dict[str, Any]) -> str:
    try:
        text = json.dumps(provenance, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InputError("provenance", str(error), "values that JSON can hold") from error
    if json.loads(text) != provenance:
        raise InputError("provenance", "values that JSON changes", "text keys, and lists in place of tuples")
    return text


def _add_attributes(items: dict[str, Any], holder: str, attributes: Mapping[str, Any]) -> None:
    items.update({f"{holder}@{name}": value for name, value in attributes.items()})


def _add_table(items: dict[str, Any], table: str, columns: Mapping[str, list[Any]]) -> None:
    for name, values in columns.items():
        path = f"{table}/{name}"
        entry = find_entry(path)
        is_text = entry is not None and entry.dtype == "text"
        items[path] = np.array(values, dtype=object if is_text else float)
        if not is_text and entry is not None:
            items[f"{path}@unit"] = entry.unit


def _add_view(items: dict[str, Any], path: str, view: ViewProduct) -> None:
    _add_attributes(items, path, view.attributes)
    items[f"{path}@units"] = json.dumps(attribute_units("/views/<view>"))
    for group, images in (("maps", view.maps), ("cubes", view.cubes)):
        for name, image in images.items():
            holder = f"{path}/{group}/{name}"
            items[holder] = image.values
            _add_attributes(items, holder, {**image.attributes, "unit": image.unit, "closure": image.closure})
    if view.velocity is not None:
        items[f"{path}/velocity"] = view.velocity
        items[f"{path}/velocity@unit"] = u.VELOCITY


def assemble(items: dict[str, Any]) -> GalaxyProduct:
    """Rebuild the product from checked `items`; the inverse of `flatten`."""
    columns = _columns(items, "/coverage/fields")
    origins = zip(columns["column"], columns["origin"], columns["share_of_mass"], strict=True)
    views = dict.fromkeys(
        path.split("/")[2].partition("@")[0] for path in items if path.startswith("/views/")
    )
    return GalaxyProduct(
        galaxy=_attributes(items, "/galaxy"),
        coverage=_coverage(_columns(items, "/coverage/shares")),
        fields=tuple(FieldOrigin(column, origin, float(share)) for column, origin, share in origins),
        views={name: _view(items, f"/views/{name}") for name in views},
        config=items["/@config"],
        config_hash=items["/@config_hash"],
        provenance=json.loads(items["/@provenance"]),
        ensemble=_ensemble(_columns(items, "/ensemble")),
        simpost_version=items["/@simpost_version"],
        created=items["/@created"],
    )


def _coverage(columns: dict[str, Any]) -> dict[str, Coverage]:
    names = columns.pop("name").tolist()
    rows = zip(*(values.tolist() for values in columns.values()), strict=True)
    return {
        name: Coverage(**dict(zip(columns, row, strict=True))) for name, row in zip(names, rows, strict=True)
    }


def _ensemble(columns: dict[str, Any]) -> tuple[EnsembleMember, ...]:
    names = [field.name for field in fields(EnsembleMember)]
    rows = zip(*(columns[name].tolist() for name in names), strict=True) if columns else ()
    return tuple(EnsembleMember(*row) for row in rows)


def _attributes(items: dict[str, Any], holder: str) -> dict[str, Any]:
    start = f"{holder}@"
    names = {path.removeprefix(start): value for path, value in items.items() if path.startswith(start)}
    names.pop("units", None)  # documents the file; the schema knows them
    return names


def _columns(items: dict[str, Any], table: str) -> dict[str, Any]:
    start = f"{table}/"
    return {
        p.removeprefix(start): value for p, value in items.items() if p.startswith(start) and "@" not in p
    }


def _view(items: dict[str, Any], path: str) -> ViewProduct:
    def images(group: str) -> dict[str, ProductMap]:
        found = {}
        for name, values in _columns(items, f"{path}/{group}").items():
            attributes = _attributes(items, f"{path}/{group}/{name}")
            found[name] = ProductMap(values, attributes.pop("unit"), attributes.pop("closure"), attributes)
        return found

    return ViewProduct(
        attributes=_attributes(items, path),
        maps=images("maps"),
        cubes=images("cubes"),
        velocity=items.get(f"{path}/velocity"),
    )
