"""Products: one file per galaxy and snapshot, its schema, its exports and its summary."""

from simpost.products.product import (
    Coverage,
    EnsembleMember,
    FieldOrigin,
    GalaxyProduct,
    ProductMap,
    ViewProduct,
)
from simpost.products.reader import read_product
from simpost.products.writer import write_product

__all__ = [
    "Coverage",
    "EnsembleMember",
    "FieldOrigin",
    "GalaxyProduct",
    "ProductMap",
    "ViewProduct",
    "read_product",
    "write_product",
]
