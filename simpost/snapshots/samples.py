"""The real snapshots that come with the package, unpacked on first use.

`sample:NAME` stands wherever a path does. The archives hold what `data/samples/README.md` says,
with origin and licence; they are unpacked once into `cache_folder()/samples`, checked by digest.
"""

from __future__ import annotations

import shutil
import tarfile
import tempfile
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from simpost.core.errors import InputError, nearest_name
from simpost.core.files import CACHE_VARIABLE, cache_folder, sha256, user_path

PREFIX = "sample:"


@dataclass(frozen=True)
class Sample:
    """A packaged snapshot: archive, its digest, and the path to open inside it."""

    archive: str
    digest: str
    entry: str
    description: str


SAMPLES: dict[str, Sample] = {
    "ramses-zoom": Sample(
        "ramses-zoom.tar.xz",
        "f0015e74a46d6ac6325f7f9a5ac7af8291869a4a4cba9a2f89c7af704ce32767",
        "output_00006",
        "RAMSES-RT zoom, z = 9.87: 392505 leaves in 4 domains, 5 photon groups, stars, a rotating disc",
    ),
    "ramses-hydro": Sample(
        "ramses-hydro.tar.xz",
        "c42796d5aac68136ab37d6173e3951e1d9dc13ca91940e10262704dea256e852",
        "output_00007",
        "RAMSES zoom without radiation, z = 9.86: 114640 leaves, 1 domain, conformal birth times",
    ),
    "arepo-zoom": Sample(
        "arepo-zoom.tar.xz",
        "3351e6c0aa00317fa3d4072315fac6022869e02ce4f42e8e869a6dd7899f8263",
        "snapdir_007/snap_007.0.hdf5",
        "Arepo zoom, z = 7.24: 121183 cells in 2 files, effective equation of state, Subfind catalogue",
    ),
    "arepo-zoom-history": Sample(
        "arepo-zoom-history.tar.xz",
        "ef7fe149997e6504b6a6a0d7678eecbfb7b089b5cc364e436888734f40543feb",
        "snap_005.hdf5",
        "earlier snapshots of arepo-zoom, with catalogues: snap_000, 001, 003, 004, 005, z = 12.0 to 7.9",
    ),
    "arepo-box": Sample(
        "arepo-box.tar.xz",
        "a525825509cb3577c4923ea1bb07b34f0575a1763e8b12d253d9b2efd7cd0b27",
        "snap_006.hdf5",
        "Arepo box of 2.5 cMpc, z = 6.04: 32650 cells, effective equation of state, Subfind catalogue",
    ),
}


def _archive_folder() -> Path:
    return Path(str(resources.files("simpost") / "data" / "samples"))


def resolve_sample(path: str) -> Path:
    """Path of `sample:NAME` (unpacked if need be); any other path is returned as it is.

    `sample:NAME/REST` is the path `REST` inside the sample.

    Raises
    ------
    InputError
        Unknown sample, or the cache folder cannot be written.
    """
    if not path.startswith(PREFIX):
        return user_path(path, "snapshot")
    name, _, rest = path.removeprefix(PREFIX).partition("/")
    if name not in SAMPLES:
        raise InputError(path, "no such sample", "a sample of the package", nearest_name(name, list(SAMPLES)))
    sample = SAMPLES[name]
    folder = cache_folder() / "samples" / f"{name}-{sample.digest[:12]}"
    if not folder.is_dir():
        _unpack(sample, folder)
    return folder / (rest or sample.entry)


def _unpack(sample: Sample, folder: Path) -> None:
    """Unpack whole or not at all; two processes may do so at once."""
    archive = _archive_folder() / sample.archive
    if sha256(archive) != sample.digest:
        raise InputError(archive, "another digest", sample.digest, "reinstall simpost")
    # the filter came with Python 3.11.4; the archives are ours and checked by digest
    options: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=folder.parent))
        try:
            with tarfile.open(archive) as tar:
                tar.extractall(temporary, **options)
            if not folder.is_dir():
                temporary.rename(folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        if folder.is_dir():  # another process was first
            return
        raise InputError(
            folder.parent,
            str(error),
            "a folder with room that can be written to",
            f"set {CACHE_VARIABLE} to one",
        ) from error
