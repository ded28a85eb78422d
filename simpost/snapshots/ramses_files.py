"""The files of one RAMSES output: headers at once, each domain checked when it is first asked for."""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path

from simpost.core.errors import SnapshotError
from simpost.snapshots.ramses_headers import (
    RESTORE,
    hydro_meanings,
    photon_records,
    read_header,
    read_radiation_header,
)
from simpost.snapshots.ramses_records import (
    DomainTree,
    check_fluid_file,
    check_particle_file,
    read_domain_tree,
)

_OUTPUT_NAME = re.compile(r"output_(\d{5})$")


def find_output(path: Path) -> Path:
    """Folder `output_NNNNN` that `path` (the folder, or a file in it) names.

    Raises
    ------
    SnapshotError
        No such folder, or no info file in it.
    """
    folder = path if path.is_dir() else path.parent
    match = _OUTPUT_NAME.search(folder.resolve().name)
    if match is None:
        raise SnapshotError(path, f"folder '{folder.name}'", "a RAMSES folder named output_NNNNN")
    if (folder / "group_00001").is_dir():
        raise SnapshotError(
            path,
            "an output split over group_NNNNN folders",
            "all files in one folder",
            "move or link the files of the groups into one output_NNNNN folder",
        )
    info = folder / f"info_{match.group(1)}.txt"
    if not info.is_file():
        raise SnapshotError(path, f"no {info.name}", "a RAMSES output with its info file")
    return folder


class RamsesFiles:
    """The files of one output: headers at once, each domain checked when it is first asked for."""

    def __init__(self, path: Path, hydro_variables: tuple[str, ...] | None = None) -> None:
        self.folder = find_output(path)
        self.header = read_header(self.folder)
        self.number = self.folder.resolve().name[-5:]
        self.radiation = read_radiation_header(self.folder, self.header)
        self._given = hydro_variables
        self._trees: dict[int, DomainTree] = {}
        self._whole: set[int] = set()
        present = {path.name for path in self.folder.iterdir()}  # one listing, however many domains
        self.has_particles = self.file("part", 1).name in present
        kinds = ["amr", "hydro", *["rt"] * bool(self.radiation), *["part"] * self.has_particles]
        wanted = [self.file(kind, domain).name for domain in range(1, self.n_domains + 1) for kind in kinds]
        missing = [name for name in wanted if name not in present]
        if missing:
            raise SnapshotError(
                self.folder,
                f"{len(missing)} file(s) missing, first {missing[0]}",
                f"{self.n_domains} domains",
                RESTORE,
            )

    @property
    def n_domains(self) -> int:
        """Number of domains (MPI tasks of the run)."""
        return self.header.integers["ncpu"]

    def file(self, kind: str, domain: int) -> Path:
        """Path of the amr, hydro, rt or part file of a domain (1-based)."""
        return self.folder / f"{kind}_{self.number}.out{domain:05d}"

    @cached_property
    def hydro(self) -> list[str]:
        """Meaning of each hydro variable."""
        n_variables, _ = check_fluid_file(self.file("hydro", 1), self.header, self.tree(1))
        return hydro_meanings(self.folder, n_variables, self.radiation, self._given)

    @cached_property
    def photons(self) -> list[int]:
        """Index of each group's photon record among the rt variables."""
        if self.radiation is None:
            return []
        n_variables, _ = check_fluid_file(self.file("rt", 1), self.header, self.tree(1))
        return photon_records(self.folder, n_variables, len(self.radiation.groups))

    def tree(self, domain: int) -> DomainTree:
        """Octree counts of a domain; checks its AMR file the first time."""
        if domain not in self._trees:
            self._trees[domain] = read_domain_tree(self.file("amr", domain), self.header)
        return self._trees[domain]

    def check_domain(self, domain: int) -> None:
        """Check every file of a domain, once; raises `SnapshotError` on the first that is damaged."""
        if domain in self._whole:
            return
        tree = self.tree(domain)
        n_hydro, _ = check_fluid_file(self.file("hydro", domain), self.header, tree)
        if n_hydro != len(self.hydro):
            raise SnapshotError(
                self.file("hydro", domain), f"{n_hydro} variables", f"{len(self.hydro)}", RESTORE
            )
        if self.radiation is not None:
            n_rt, _ = check_fluid_file(self.file("rt", domain), self.header, tree)
            if n_rt != 4 * len(self.radiation.groups):
                raise SnapshotError(
                    self.file("rt", domain),
                    f"{n_rt} variables",
                    f"{4 * len(self.radiation.groups)}",
                    RESTORE,
                )
        if self.has_particles:
            check_particle_file(self.file("part", domain), self.header)
        self._whole.add(domain)

    def all_paths(self) -> tuple[Path, ...]:
        """Every file simpost reads from this output."""
        return tuple(sorted(path for path in self.folder.iterdir() if path.is_file()))
