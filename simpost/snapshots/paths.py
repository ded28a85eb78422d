"""The snapshots that a configuration names: globs and samples become paths, paths become labels."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from pathlib import Path

from simpost.core.errors import ConfigError
from simpost.core.files import user_path
from simpost.snapshots.samples import PREFIX, resolve_sample


def snapshot_paths(entries: Sequence[str], key: str = "snapshots") -> list[str]:
    """Paths of the snapshots that `entries` name, in their order; globs sorted by name.

    Parameters
    ----------
    entries : sequence of str
        Paths, globs, `sample:NAME`, or `sample:NAME/GLOB` for files of one sample.
    key : str
        Key of the configuration, for messages.

    Raises
    ------
    ConfigError
        A glob matches nothing, or a snapshot is named twice.
    """
    paths: list[str] = []
    for entry in entries:
        if not glob.has_magic(entry):
            paths.append(entry)
            continue
        pattern = str(resolve_sample(entry) if entry.startswith(PREFIX) else user_path(entry, key))
        found = sorted(glob.glob(pattern))  # noqa: PTH207 - absolute patterns, too
        if not found:
            raise ConfigError(f"{key}: {entry}", "no file or folder that matches", "at least one")
        if entry.startswith(PREFIX):
            folder = entry.rpartition("/")[0]
            found = [f"{folder}/{Path(path).name}" for path in found]
        paths += found
    if len({_place(path) for path in paths}) != len(paths):
        raise ConfigError(key, "a snapshot named twice", "every snapshot once")
    return paths


def snapshot_labels(paths: Sequence[str]) -> list[str]:
    """A name for each snapshot, unique among them: `ramses-zoom`, `output_00042`, `snap_007`.

    Snapshots of the same name in different folders get as many folders in front as it takes.
    """
    parts = [_name_parts(path) for path in paths]
    depth = [1] * len(parts)
    while True:
        labels = ["_".join(p[-d:]) for p, d in zip(parts, depth, strict=True)]
        twice = [labels.count(label) > 1 for label in labels]
        if not any(more and d < len(p) for more, d, p in zip(twice, depth, parts, strict=True)):
            return labels
        depth = [d + (more and d < len(p)) for more, d, p in zip(twice, depth, parts, strict=True)]


def _place(path: str) -> Path:
    """Where a snapshot really is: links followed, an info file stands for its folder."""
    if path.startswith(PREFIX):
        return Path(path)
    place = user_path(path, "snapshots").resolve()
    return place.parent if place.name.startswith("info_") else place


def _name_parts(path: str) -> list[str]:
    if path.startswith(PREFIX):
        parts = path.removeprefix(PREFIX).split("/")
        return [*parts[:-1], _stem(parts[-1])]
    place = _place(path)
    return [*place.parent.parts[1:], _stem(place.name)]


def _stem(name: str) -> str:
    return name.removesuffix(".hdf5").removesuffix(".h5").removesuffix(".0")
