"""Synthetic snapshots with every field and an analytically known truth.

No public snapshot holds all fields simpost reads; these do. `AnalyticGalaxy` is the truth,
`write_ramses` and `write_arepo` write it in the two codes' own formats, `make_sample` in set sizes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from simpost.core.errors import InputError, nearest_name
from simpost.snapshots.synthetic.arepo_writer import write_arepo
from simpost.snapshots.synthetic.galaxy import AnalyticGalaxy
from simpost.snapshots.synthetic.ramses_writer import write_ramses

__all__ = ["AnalyticGalaxy", "make_sample", "write_arepo", "write_ramses"]

_RAMSES_SIZES: dict[str, dict[str, Any]] = {
    "small": {"levelmin": 4, "levelmax": 9, "leaves": 20_000, "n_stars": 2_000, "n_dark_matter": 4_000},
    "medium": {"levelmin": 5, "levelmax": 10, "leaves": 100_000},
    "large": {"levelmin": 6, "levelmax": 11, "leaves": 1_000_000, "n_stars": 50_000, "n_domains": 16},
}
_AREPO_SIZES: dict[str, dict[str, Any]] = {
    "small": {"n_cells": 5_000, "n_stars": 2_000, "n_dark_matter": 4_000},
    "medium": {"n_cells": 20_000},
    "large": {"n_cells": 60_000, "n_stars": 50_000, "n_dark_matter": 100_000},
}
_SIZES = {"ramses": _RAMSES_SIZES, "arepo": _AREPO_SIZES}


def make_sample(
    kind: str, folder: Path, size: str = "small", seed: int = 1, cells: int | None = None
) -> Path:
    """Write the default galaxy of `seed` as a snapshot of `kind` "ramses" or "arepo".

    `size` is "small" (2e4 leaves, 5e3 cells), "medium" (1e5, 2e4) or "large" (1e6, 6e4); `cells` asks
    for another number of gas cells. RAMSES goes to `folder/output_00001`, Arepo to
    `folder/snapdir_001` and `folder/groups_001`. Returns the file to open.

    Raises
    ------
    InputError
        Unknown kind or size, or the target has content.
    """
    if kind not in _SIZES:
        raise InputError("kind", repr(kind), "ramses or arepo", nearest_name(kind, list(_SIZES)))
    sizes = _SIZES[kind]
    if size not in sizes:
        raise InputError("size", repr(size), "small, medium or large", nearest_name(size, list(sizes)))
    wanted = dict(sizes[size])
    if cells is not None:
        wanted["leaves" if kind == "ramses" else "n_cells"] = cells
    write = write_ramses if kind == "ramses" else write_arepo
    return write(AnalyticGalaxy(seed=seed), Path(folder), **wanted)
