"""The binary files of a RAMSES output, checked before yt sees them.

yt trusts what it reads: a truncated hydro file gives wrong numbers or a crash. Every file's exact
size follows from the octree counts in its AMR header, so damage is found by arithmetic, in a few
reads per domain.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from simpost.core.errors import SnapshotError
from simpost.snapshots.ramses_headers import RESTORE, RamsesHeader, expect_close


class FortranRecords:
    """Sequential reader of Fortran unformatted records that checks every marker."""

    def __init__(self, path: Path, stream: BinaryIO) -> None:
        self.path, self._stream = path, stream

    def read(self, dtype: str, count: int | None = None) -> NDArray:
        """Next record as an array of `dtype`; `count` elements are demanded when given."""
        head = self._stream.read(4)
        size = struct.unpack("<i", head)[0] if len(head) == 4 else -1
        itemsize = np.dtype(dtype).itemsize
        if (
            size < 0
            or size % itemsize
            or (count is not None and size != count * itemsize)
            or size > 2**31 - 9
        ):
            wanted = f"{count} value(s) of {itemsize} bytes" if count is not None else "a whole record"
            raise SnapshotError(self.path, f"a record of {size} bytes in the header", wanted, RESTORE)
        body, tail = self._stream.read(size), self._stream.read(4)
        if len(body) != size or tail != head:
            raise SnapshotError(self.path, "a broken record in the header", "equal record markers", RESTORE)
        return np.frombuffer(body, dtype=dtype)

    def skip(self, count: int = 1) -> None:
        """Step over records, checking their markers."""
        for _ in range(count):
            self.read("u1")

    @property
    def position(self) -> int:
        """Byte offset of the next record."""
        return self._stream.tell()


@dataclass(frozen=True)
class DomainTree:
    """Octree counts of one AMR file: `octs[level, cpu or boundary]`, and what its header says."""

    octs: NDArray[np.int64]
    total: NDArray[np.int64]  # octs per level of the whole run


def read_domain_tree(path: Path, header: RamsesHeader) -> DomainTree:
    """Read one AMR header, compare it with the info file, and check the size of the file."""
    ncpu, levels = header.integers["ncpu"], header.integers["levelmax"]
    with _open(path) as stream:
        records = FortranRecords(path, stream)
        _expect(path, "ncpu", int(records.read("<i4", 1)[0]), ncpu)
        _expect(path, "ndim", int(records.read("<i4", 1)[0]), 3)
        records.read("<i4", 3)
        _expect(path, "nlevelmax", int(records.read("<i4", 1)[0]), levels)
        records.skip()
        boundaries = int(records.read("<i4", 1)[0])
        if not 0 <= boundaries <= 100:
            raise SnapshotError(path, f"{boundaries} boundary regions", "0 to 100", RESTORE)
        records.skip()
        expect_close(path, "boxlen", float(records.read("<f8", 1)[0]), header["boxlen"])
        records.skip(3)
        expect_close(path, "time", float(records.read("<f8", 1)[0]), header["time"])
        records.skip(4)
        omega_m, omega_l, omega_k, omega_b, h0, _, boxlen_ini = records.read("<f8", 7)
        aexp = float(records.read("<f8", 5)[0])
        if header.is_cosmological:
            stored = {
                "omega_m": omega_m,
                "omega_l": omega_l,
                "omega_k": omega_k,
                "omega_b": omega_b,
                "H0": h0,
            }
            for key, value in {**stored, "aexp": aexp}.items():
                expect_close(path, key, float(value), header[key])
            unit_l = aexp * boxlen_ini * 3.08e24 / (h0 / 100.0)
            expect_close(path, "unit_l", float(unit_l), header["unit_l"], tolerance=5e-3)
        records.skip(3)
        numbl = records.read("<i4", ncpu * levels).reshape(levels, ncpu).astype(np.int64)
        total = records.read("<i4", 10 * levels).reshape(levels, 10)[:, 0].astype(np.int64)
        boundary_octs = np.zeros((levels, 0), dtype=np.int64)
        if boundaries:
            records.skip(2)
            boundary_octs = (
                records.read("<i4", boundaries * levels).reshape(levels, boundaries).astype(np.int64)
            )
        records.skip()
        ordering = bytes(records.read("u1")).decode("ascii", "replace").strip()
        if ordering not in ("hilbert", "bisection"):
            raise SnapshotError(path, f"domain ordering '{ordering}'", "hilbert or bisection")
        records.skip((1 if ordering == "hilbert" else 5) + 3)
        start = records.position
    octs = np.concatenate([numbl, boundary_octs], axis=1)
    if octs.min() < 0:
        raise SnapshotError(path, "a negative number of octs", "counts of zero or more", RESTORE)
    used = octs[octs > 0]
    # ind_grid next prev father, 6 nbor, 8 son, 8 cpu_map, 8 flag1 (int32) and xg (3 float64)
    expected = start + int(np.sum(34 * (4 * used + 8) + 3 * (8 * used + 8)))
    _expect_size(path, expected)
    return DomainTree(octs, total)


def check_fluid_file(path: Path, header: RamsesHeader, tree: DomainTree) -> tuple[int, float]:
    """Check header and size of a hydro or rt file; returns (number of variables, gamma)."""
    levels = header.integers["levelmax"]
    with _open(path) as stream:
        records = FortranRecords(path, stream)
        _expect(path, "ncpu", int(records.read("<i4", 1)[0]), header.integers["ncpu"])
        n_variables = int(records.read("<i4", 1)[0])
        _expect(path, "ndim", int(records.read("<i4", 1)[0]), 3)
        _expect(path, "nlevelmax", int(records.read("<i4", 1)[0]), levels)
        _expect(
            path, "nboundary", int(records.read("<i4", 1)[0]), tree.octs.shape[1] - header.integers["ncpu"]
        )
        gamma = float(records.read("<f8", 1)[0])
        start = records.position
    if not 1 <= n_variables <= 1000:
        raise SnapshotError(path, f"{n_variables} variables", "1 to 1000", RESTORE)
    used = tree.octs[tree.octs > 0]
    expected = start + tree.octs.size * 24 + int(np.sum(8 * n_variables * (8 * used + 8)))
    _expect_size(path, expected)
    return n_variables, gamma


def check_particle_file(path: Path, header: RamsesHeader) -> int:
    """Walk the records of a particle file; returns the number of particles."""
    with _open(path) as stream:
        records = FortranRecords(path, stream)
        _expect(path, "ncpu", int(records.read("<i4", 1)[0]), header.integers["ncpu"])
        _expect(path, "ndim", int(records.read("<i4", 1)[0]), 3)
        n_particles = int(records.read("<i4", 1)[0])
        if n_particles < 0:
            raise SnapshotError(path, f"{n_particles} particles", "zero or more", RESTORE)
        records.skip(5)
        end = path.stat().st_size
        position = records.position
        while position < end:
            stream.seek(position)
            head = stream.read(4)
            size = struct.unpack("<i", head)[0] if len(head) == 4 else -1
            stream.seek(position + 4 + max(size, 0))
            if size < 0 or stream.read(4) != head or size not in (n_particles * k for k in (1, 2, 4, 8)):
                raise SnapshotError(
                    path,
                    f"a broken record at byte {position}",
                    f"records of {n_particles} particles",
                    RESTORE,
                )
            position += size + 8
    return n_particles


def _open(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise SnapshotError(path, str(error.strerror).lower(), "a file of this output", RESTORE) from error


def _expect(path: Path, name: str, found: int, expected: int) -> None:
    if found != expected:
        raise SnapshotError(
            path, f"{name} = {found}", f"{expected} as in the info file", "it belongs to another output"
        )


def _expect_size(path: Path, expected: int) -> None:
    found = path.stat().st_size
    if found != expected:
        state = "truncated" if found < expected else "of another output or damaged"
        raise SnapshotError(
            path, f"{found} bytes", f"{expected} bytes by its octree", f"the file is {state}: {RESTORE}"
        )


def particle_record_widths(path: Path) -> tuple[int, ...] | None:
    """Bytes per particle of each record of a particle file; None for a file without particles."""
    raw = path.read_bytes()
    sizes, at = [], 0
    while at < len(raw):
        size = int(np.frombuffer(raw, "<i4", 1, at)[0])
        sizes.append((size, at))
        at += size + 8
    n_particles = int(np.frombuffer(raw, "<i4", 1, sizes[2][1] + 4)[0])
    if n_particles == 0:
        return None
    return tuple(size // n_particles for size, _ in sizes[8:])
