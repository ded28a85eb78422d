"""Open a snapshot whatever code wrote it, or say why none can."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from simpost.config.models import ReaderConfig
from simpost.core.errors import SnapshotError
from simpost.snapshots.arepo import ArepoSnapshot
from simpost.snapshots.arepo_files import snapshot_members
from simpost.snapshots.protocol import PhotonGroups, Snapshot
from simpost.snapshots.ramses import RamsesSnapshot
from simpost.snapshots.samples import resolve_sample

_HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"


def _refuses_ramses(path: Path) -> str:
    """Why `path` is no RAMSES output; empty if it looks like one."""
    folder = path if path.is_dir() else path.parent
    if not folder.resolve().name.startswith("output_"):
        return "no folder named output_NNNNN"
    if path.is_file() and path.suffix in (".hdf5", ".h5"):
        return "an HDF5 file"
    return ""


def _refuses_arepo(path: Path) -> str:
    """Why `path` is no Arepo snapshot; empty if it looks like one."""
    if path.is_dir():
        return "" if snapshot_members(path) else "no file named *_NNN.hdf5 or *_NNN.K.hdf5 in the folder"
    with path.open("rb") as stream:
        start = stream.read(len(_HDF5_MAGIC))
    if path.suffix in (".hdf5", ".h5") and start != _HDF5_MAGIC:
        raise SnapshotError(
            path,
            "an empty file" if not start else "a file without the HDF5 signature",
            "an HDF5 file",
            "restore it",
        )
    return "" if start == _HDF5_MAGIC else "no HDF5 file"


_CANDIDATES: tuple[tuple[str, Callable[[Path], str]], ...] = (
    ("RAMSES", _refuses_ramses),
    ("Arepo", _refuses_arepo),
)


def open_snapshot(path: str | Path, options: ReaderConfig | None = None) -> Snapshot:
    """Open the snapshot at `path`; no cell is loaded.

    Parameters
    ----------
    path : str or Path
        A RAMSES folder `output_NNNNN` or its info file; any file of an Arepo set or its folder;
        `sample:NAME` for packaged data.
    options : ReaderConfig, optional
        Section `reader` of a configuration: what the snapshot itself does not tell.

    Raises
    ------
    SnapshotError
        The path is no snapshot (each candidate with its reason), or one that is damaged.

    Examples
    --------
    >>> snapshot = open_snapshot("sample:arepo-zoom")  # doctest: +SKIP
    >>> snapshot.info.code  # doctest: +SKIP
    'Arepo'
    """
    options = options or ReaderConfig()
    place = resolve_sample(str(path))
    if not place.exists():
        raise SnapshotError(place, "no such file or folder", "a snapshot", "check the path")
    reasons = {name: refuses(place) for name, refuses in _CANDIDATES}
    if not reasons["RAMSES"]:
        variables = tuple(options.hydro_variables) if options.hydro_variables else None
        return RamsesSnapshot(place, variables, options.birth_time)
    if not reasons["Arepo"]:
        given, groups = options.photon_groups, None
        if given is not None:
            edges = (tuple(given.low), tuple(given.high), tuple(given.mean_energy))
            groups = PhotonGroups(*edges, given.light_speed_fraction)
        return ArepoSnapshot(place, groups, options.effective_equation_of_state)
    tried = "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
    raise SnapshotError(place, f"no snapshot simpost knows ({tried})", "a RAMSES or Arepo snapshot")
