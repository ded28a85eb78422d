"""Write a product: checked, built in memory, then one file that is whole or absent.

The HDF5 image is made in memory because HDF5 itself leaves damaged files, or crashes, on a full disk.
It stands behind 512 bytes of text that hold its SHA-256; every HDF5 tool skips such a header.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from simpost.core.files import write_whole
from simpost.products.check import checked
from simpost.products.layout import flatten
from simpost.products.product import GalaxyProduct

HEADER_BYTES = 512  # the smallest offset at which HDF5 looks for its own signature
HEADER_START = b"simpost product; SHA-256 of the bytes after the first 512: "


def write_product(product: GalaxyProduct, path: Path | str) -> None:
    """Write `product` to `path` (HDF5, schema 1); equal products give equal bytes.

    Raises
    ------
    InputError
        The product does not obey the schema, or the file cannot be written; `path` is then untouched.
    """
    image = _hdf5_image(checked(flatten(product), path))
    header = HEADER_START + hashlib.sha256(image).hexdigest().encode() + b"\n"
    write_whole(path, header.ljust(HEADER_BYTES) + image)


def _hdf5_image(items: dict[str, Any]) -> bytes:
    with h5py.File("product", "w", driver="core", backing_store=False, libver=("v110", "v110")) as file:
        for path in sorted(items, key=lambda path: ("@" in path, path)):
            holder, _, name = path.rpartition("@")
            if not holder:
                _write_dataset(file, path, items[path])
                continue
            node = file[holder] if holder in file else file.create_group(holder)
            node.attrs[name] = items[path]
        file.flush()
        return bytes(file.id.get_file_image())


def _write_dataset(file: h5py.File, path: str, values: np.ndarray) -> None:
    how: dict[str, Any] = {}
    if values.dtype == object:
        how = {"dtype": h5py.string_dtype()}
    elif values.ndim > 1 and values.size:
        how = {"compression": "gzip", "shuffle": True}
    file.create_dataset(path, data=values, **how)
