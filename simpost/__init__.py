"""simpost: maps of gas, [CII] and star formation from zoom-in simulation snapshots.

The public names below are imported when they are first used, so `import simpost` stays fast.
"""

from __future__ import annotations

import importlib
from typing import Any

_PUBLIC = {
    "Config": "simpost.config",
    "Cosmology": "simpost.core.cosmology",
    "SimpostError": "simpost.core.errors",
    "find_galaxies": "simpost.snapshots.galaxies",
    "inspect_snapshot": "simpost.ism.inspection",
    "load_config": "simpost.config",
    "open_snapshot": "simpost.snapshots.open",
    "read_product": "simpost.products",
    "run": "simpost.pipeline",
}
__all__ = ["__version__", *_PUBLIC]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("simpost")
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'simpost' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)
