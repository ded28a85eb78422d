"""Whether the flat form of a product obeys the schema; used by writer and reader alike."""

from __future__ import annotations

from typing import Any

import numpy as np

from simpost.core.errors import InputError, nearest_name
from simpost.products.schema import ALWAYS_THERE, SCHEMA, Entry, find_entry, parent_path, path_pattern

_VIEW = path_pattern("/views/<view>")
_SCALARS: dict[str, tuple[type, ...]] = {
    "text": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "float": (float, int),
}


def checked(items: dict[str, Any], file: object) -> dict[str, Any]:
    """Return `items` with plain Python scalars and float64 arrays, or raise.

    Raises
    ------
    InputError
        An unknown or missing name, a wrong kind or shape, a wrong unit, an infinite number, or a NaN
        without a reason; `file` opens the message.
    """
    values = {}
    lengths: dict[tuple[str, str], int] = {}
    for path, raw in items.items():
        entry = find_entry(path)
        if entry is None:
            raise InputError(f"{file} {path}", "an unknown name", "a name of the schema", _remedy(path))
        what = f"{file} {path}"
        values[path] = _scalar(raw, entry, what) if entry.shape == () else _array(raw, entry, what)
        _check_lengths(path, values[path], entry, lengths, what)
    _check_all_there(values, file)
    for path, value in values.items():
        _check_finite(path, value, values, file)
        _check_unit(path, value, file)
    for (scope, axis), length in lengths.items():
        if axis in ("ny", "nx"):
            _check_pixel(scope, axis, length, values, file)
    return values


def _remedy(path: str) -> str:
    siblings = [entry.path for entry in SCHEMA if path_pattern(entry.parent).fullmatch(parent_path(path))]
    return nearest_name(path, siblings or [entry.path for entry in SCHEMA])


def _scalar(raw: Any, entry: Entry, what: str) -> Any:
    value = raw.item() if isinstance(raw, np.generic | np.ndarray) and np.ndim(raw) == 0 else raw
    right = isinstance(value, _SCALARS[entry.dtype])
    if not right or (isinstance(value, bool) and entry.dtype != "boolean"):
        raise InputError(what, f"{type(value).__name__} {str(value)[:40]!r}", entry.dtype)
    return float(value) if entry.dtype == "float" else value


def _array(raw: Any, entry: Entry, what: str) -> np.ndarray:
    values = np.asarray(raw)
    if entry.dtype == "text":
        right = all(isinstance(value, str) for value in values.flat)
    else:
        right = values.dtype.kind in "fiu"
    if not right:
        raise InputError(what, f"an array of {values.dtype}", f"{entry.dtype} values")
    if values.ndim != len(entry.shape):
        raise InputError(what, f"shape {values.shape}", f"axes ({', '.join(map(str, entry.shape))})")
    return values if entry.dtype == "text" else np.ascontiguousarray(values, dtype=np.float64)


def _check_lengths(
    path: str, value: Any, entry: Entry, lengths: dict[tuple[str, str], int], what: str
) -> None:
    """Axes of the same name must have the same length within one view or one table."""
    scope = parent_path(path) if entry.kind == "column" else "/".join(path.split("/")[:3])
    for axis, length in zip(entry.shape, np.shape(value), strict=True):
        wanted = axis if isinstance(axis, int) else lengths.setdefault((scope, axis), length)
        if length != wanted:
            expected = (
                str(wanted) if isinstance(axis, int) else f"{wanted} along {axis} as elsewhere in {scope}"
            )
            raise InputError(what, f"{length} elements", expected)


def _check_all_there(values: dict[str, Any], file: object) -> None:
    holders = set(ALWAYS_THERE)
    for path in values:
        node = parent_path(path) if "@" in path else path
        while node != "/":
            holders.add(node)
            node = parent_path(node)
    holders |= {f"{holder}/maps" for holder in holders if _VIEW.fullmatch(holder)}
    for entry in SCHEMA:
        if not entry.required:
            continue
        name = entry.path.removeprefix(entry.parent)
        for holder in sorted(holders):
            path = entry.path if holder == "/" else holder + name
            if path not in values and path_pattern(entry.parent).fullmatch(holder):
                raise InputError(file, f"no {path}", f"a {entry.dtype} {entry.kind}: {entry.description}")


def _check_finite(path: str, value: Any, values: dict[str, Any], file: object) -> None:
    entry = find_entry(path)
    if entry is None or entry.dtype != "float":
        return
    if np.isinf(value).any():
        raise InputError(f"{file} {path}", "an infinite number", "finite numbers, or NaN with a reason")
    if entry.blank or not np.isnan(value).any():
        return
    if entry.shape:
        raise InputError(f"{file} {path}", f"{int(np.isnan(value).sum())} NaN values", "finite numbers")
    if f"{path}_reason" not in values:
        raise InputError(f"{file} {path}", "NaN without a reason", "a number", f"or say why in {path}_reason")


def _check_unit(path: str, value: Any, file: object) -> None:
    holder, _, name = path.rpartition("@")
    entry = find_entry(holder) if name == "unit" else None
    if entry is not None and value != entry.unit:
        raise InputError(f"{file} {path}", repr(value), repr(entry.unit), "convert the values first")


def _check_pixel(view: str, axis: str, length: int, values: dict[str, Any], file: object) -> None:
    width, pixel = values[f"{view}@width"], values[f"{view}@pixel"]
    if not (pixel > 0.0 and abs(width / pixel - length) < 1e-6 * length):
        expected = f"{width} kpc / {pixel} kpc pixels"
        raise InputError(f"{file} {view}", f"images with {axis} = {length}", expected)
