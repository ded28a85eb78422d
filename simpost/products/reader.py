"""Read a product back, or say in one line why it cannot be trusted."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from simpost.core.errors import InputError
from simpost.products.check import checked
from simpost.products.layout import assemble
from simpost.products.product import GalaxyProduct
from simpost.products.schema import SCHEMA_VERSION
from simpost.products.writer import HEADER_BYTES, HEADER_START


def read_product(path: Path | str) -> GalaxyProduct:
    """Read the product that `write_product` wrote; every value comes back exactly.

    Raises
    ------
    InputError
        The file is missing, not a product, damaged, of a newer schema, or does not obey its schema.
    """
    image = _whole_image(Path(path))
    with h5py.File(h5py.h5f.open_file_image(image)) as file:
        schema = int(file.attrs.get("schema", 0))
        if schema != SCHEMA_VERSION:
            remedy = "use a newer simpost" if schema > SCHEMA_VERSION else "make the product again"
            raise InputError(path, f"product schema {schema}", f"schema {SCHEMA_VERSION}", remedy)
        items = _items(file)
    return assemble(checked(items, path))


def _whole_image(path: Path) -> bytes:
    """HDF5 image of a product file, its digest verified before HDF5 sees a byte of it."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(path, str(error.strerror), "a product file that can be read") from error
    header, image = content[:HEADER_BYTES], content[HEADER_BYTES:]
    if not header.startswith(HEADER_START):
        raise InputError(path, f"{len(content)} bytes of something else", "a simpost product")
    promised = header.removeprefix(HEADER_START).rstrip().decode("ascii", "replace")
    if hashlib.sha256(image).hexdigest() != promised:
        raise InputError(path, "other bytes than were written", "a whole file", "copy or make it again")
    return image


def _items(file: h5py.File) -> dict[str, Any]:
    items: dict[str, Any] = {}

    def take(holder: str, node: h5py.HLObject) -> None:
        items.update({f"{holder}@{name}": value for name, value in node.attrs.items()})
        if isinstance(node, h5py.Dataset):
            is_text = h5py.check_string_dtype(node.dtype) is not None
            items[holder] = node.asstr()[...] if is_text else node[...]

    take("/", file)
    file.visititems(lambda name, node: take(f"/{name}", node))
    return {path: _plain(value) for path, value in items.items()}


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
