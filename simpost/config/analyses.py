"""Configurations of `simpost fit`, one model per paper."""

from __future__ import annotations

from pathlib import Path

from simpost.config.load import read_yaml, validate
from simpost.config.shen2025 import Shen2025Config
from simpost.core.errors import ConfigError, nearest_name
from simpost.core.files import user_path

ANALYSES = {"shen2025": Shen2025Config}


def load_analysis(path: str | Path) -> Shen2025Config:
    """Read and validate the configuration of an analysis; its key `analysis` says which.

    Raises
    ------
    ConfigError, InvalidConfigError
        No such file, no or an unknown analysis, or one line for every wrong key.
    """
    path = user_path(str(path), "configuration")
    raw = read_yaml(path)
    name = raw.get("analysis")
    if name not in ANALYSES:
        found = "no key 'analysis'" if name is None else f"analysis {str(name)!r}"
        remedy = nearest_name(str(name), list(ANALYSES)) if name else "a configuration of maps is for `run`"
        raise ConfigError(path, found, f"one of {', '.join(ANALYSES)}", remedy)
    return validate(ANALYSES[name], raw, str(path))
