"""Typed configuration: YAML with units, presets, one hash."""

from simpost.config.load import (
    InvalidConfigError,
    canonical_yaml,
    config_hash,
    load_config,
    preset_names,
    resolve,
    stamp,
)
from simpost.config.models import Config

__all__ = [
    "Config",
    "InvalidConfigError",
    "canonical_yaml",
    "config_hash",
    "load_config",
    "preset_names",
    "resolve",
    "stamp",
]
