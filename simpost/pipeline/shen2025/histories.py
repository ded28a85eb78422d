"""The haloes of one simulation in time: tracks of all centrals, main targets, contamination."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from simpost.analysis.simulation_sets import RunLabel
from simpost.config.models import ReaderConfig
from simpost.config.shen2025 import SimulationConfig
from simpost.core.cosmology import Cosmology
from simpost.core.errors import InputError
from simpost.snapshots.columns import Columns
from simpost.snapshots.contamination import CoarseMatter, coarse_matter, contamination
from simpost.snapshots.open import open_snapshot
from simpost.snapshots.paths import snapshot_paths
from simpost.snapshots.protocol import HaloCatalogue, Snapshot
from simpost.snapshots.regions import whole_box
from simpost.snapshots.samples import resolve_sample
from simpost.trees.forest import NOBODY, Forest, main_branch, tracks_of
from simpost.trees.linking import link_snapshots
from simpost.trees.measure import with_measured_masses
from simpost.trees.open import open_forest
from simpost.trees.track import Track, is_same_epoch

FARTHEST = 0.5  # in redshift: a snapshot further from the target does not stand for it (S25 Fig. 2: z +- 0.5)
LEAST_BOUND = 0.1  # of M_200c: a subhalo with less bound mass lies in another halo and is no main target


@dataclass(eq=False)
class Simulation:
    """One run of the set, opened: its forest and what its snapshots say.

    Attributes
    ----------
    config : SimulationConfig
        As configured.
    forest : Forest
        Haloes of all snapshots and their links.
    paths : dict of int to str
        Snapshot files by their number in the forest; empty for a tree without snapshots.
    notes : list of str
        Facts a reader must know, one line each.
    reader : ReaderConfig, optional
        What the snapshots do not tell about themselves.
    """

    config: SimulationConfig
    forest: Forest
    paths: dict[int, str]
    notes: list[str] = field(default_factory=list)
    reader: ReaderConfig | None = None

    @cached_property
    def cosmology(self) -> Cosmology:
        """The run's own; Omega_b of the configuration where the files have none."""
        cosmology, stated = self.forest.cosmology, self.config.cosmology
        if stated is not None and not cosmology.omega_b > 0.0:
            cosmology = replace(cosmology, omega_b=stated.omega_b)
        return cosmology

    @property
    def label(self) -> RunLabel:
        """What tables and figures call the run."""
        return RunLabel(self.config.name, self.config.level, self.config.variant)

    @cached_property
    def catalogues(self) -> dict[int, HaloCatalogue]:
        """Halo catalogues by snapshot number, where a snapshot has one."""
        found = {number: self.snapshot(number).haloes() for number in self.paths}
        return {number: catalogue for number, catalogue in found.items() if catalogue is not None}

    @cached_property
    def _opened(self) -> dict[int, Snapshot]:
        return {}

    @cached_property
    def _coarse(self) -> dict[int, CoarseMatter]:
        return {}

    @cached_property
    def _tracks(self) -> dict[int, list[Track]]:
        return {}

    @cached_property
    def _stars(self) -> dict[int, Columns]:
        return {}

    @cached_property
    def _tried(self) -> set[int]:
        """Rows whose M_200c was measured, or could not be."""
        return set()

    @property
    def files(self) -> dict[int, Path]:
        """Paths of the snapshots by number, samples unpacked."""
        return {number: resolve_sample(path) for number, path in self.paths.items()}

    def snapshot(self, number: int) -> Snapshot:
        """Snapshot of the forest's number `number`."""
        if number not in self._opened:
            self._opened[number] = open_snapshot(self.paths[number], self.reader)
        return self._opened[number]

    def stars(self, number: int) -> Columns:
        """All stars of a snapshot, positions from the middle of the box; the last one asked for is kept."""
        if number not in self._stars:
            self._stars.clear()
            snapshot = self.snapshot(number)
            self._stars[number] = snapshot.stars(whole_box(snapshot.info.box_size))
        return self._stars[number]

    def nearest(self, redshift: float, among: Collection[int] | None = None) -> int:
        """Number of the snapshot `among` some, by default all of the forest, that is nearest in redshift."""
        return min(among or self.forest.outputs, key=lambda n: abs(self.redshift(n) - redshift))

    def standing_for(self, redshift: float, among: Collection[int]) -> int | None:
        """The nearest snapshot `among` some; None beyond 0.5 in redshift."""
        number = self.nearest(redshift, among) if among else None
        return number if number is not None and abs(self.redshift(number) - redshift) <= FARTHEST else None

    def redshift(self, number: int) -> float:
        """Redshift of a snapshot."""
        return 1.0 / self.forest.outputs[number] - 1.0

    def centrals(self, number: int, least_mass: float) -> list[int]:
        """Rows of the centrals of a snapshot above an M_200c [Msun], most massive first.

        M_200c is measured where the catalogue has it around another subhalo of the group only and the bound
        mass is above the same limit.
        """
        self._measure(row for row in self.without_mass(number, least_mass) if self._is_not_first(row))
        return self._with_mass(number, least_mass)

    def _with_mass(self, number: int, least_mass: float) -> list[int]:
        forest = self.forest
        chosen = (forest.snapshot == number) & forest.is_central & (forest.m_200c >= least_mass)
        rows = np.flatnonzero(chosen)
        return [int(row) for row in rows[np.argsort(-forest.m_200c[rows], kind="stable")]]

    def without_mass(self, number: int, least_mass: float) -> list[int]:
        """Rows of the centrals of a snapshot that have no M_200c, but a bound mass above a limit [Msun]."""
        forest = self.forest
        chosen = (forest.snapshot == number) & forest.is_central & (forest.mass >= least_mass)
        return [int(row) for row in np.flatnonzero(chosen & ~(forest.m_200c > 0.0))]

    def _is_not_first(self, row: int) -> bool:
        """Whether the catalogue's M_200c of the group is around another subhalo."""
        catalogue = self.catalogues.get(int(self.forest.snapshot[row]))
        identity = int(self.forest.identity[row])
        if catalogue is None or catalogue.is_first is None or not 0 <= identity < len(catalogue):
            return False
        return not catalogue.is_first[identity]

    def _measure(self, rows: Iterable[int]) -> None:
        """M_200c around the haloes themselves, where they have none and there is a snapshot; once each."""
        numbers, m_200c = self.forest.snapshot, self.forest.m_200c
        new = {row for row in rows if not m_200c[row] > 0.0 and int(numbers[row]) in self.paths} - self._tried
        if new:
            snapshots = {number: self.snapshot(number) for number in {int(numbers[row]) for row in new}}
            self.forest = with_measured_masses(self.forest, sorted(new), snapshots)
            self._tried.update(new)

    def root(self, row: int) -> int:
        """Row of a halo where its branch merges or the run ends."""
        while (later := int(self.forest.descendant[row])) != NOBODY and (
            self.forest.main_progenitor[later] == row
        ):
            row = later
        return row

    def _name(self, root: int) -> str:
        return f"{self.config.name}/{self.forest.snapshot[root]}/{self.forest.identity[root]}"

    def row_at(self, root: int, number: int) -> int | None:
        """Row of a branch at a snapshot; None where it is not found there."""
        branch = main_branch(self.forest, root)
        found = branch[self.forest.snapshot[branch] == number]
        return int(found[0]) if len(found) else None

    def track(self, row: int, number: int | None = None) -> Track | None:
        """The track through a halo, from its first progenitor to where it merges or the run ends.

        The piece that holds snapshot `number`, by default that of `row`; None without a second snapshot.
        """
        root = self.root(row)
        if root not in self._tracks:
            _ = self.target_roots  # their branches are measured when they are chosen
            branch = main_branch(self.forest, root).tolist()
            self._measure(r for r in branch if self.forest.is_central[r] and self._is_not_first(r))
            self._tracks[root] = tracks_of(self.forest, root, self.catalogues or None, self._name(root))
        at = int(self.forest.snapshot[row]) if number is None else number
        found = (piece for piece in self._tracks[root] if at in piece.snapshot and len(piece) > 1)
        return next(found, None)

    def tracks_at(self, number: int, least_mass: float) -> dict[int, Track | None]:
        """Tracks of the clean centrals of a snapshot and of the main targets, by the rows of their roots.

        Haloes that were lost just there have their bridge; None where a halo has one snapshot only.
        """
        before = max((n for n in self.forest.outputs if self._is_before(n, number)), default=None)
        rows = self.centrals(number, least_mass)
        found = {self.root(row): self.track(row) for row in rows}
        lost = [] if before is None else self.centrals(before, least_mass)
        for row in [*self.target_roots, *lost]:
            root, track = self.root(row), self.track(row, number)
            if root not in found and track is not None:
                found[root] = track
        return found

    def _is_before(self, number: int, other: int) -> bool:
        return self.forest.outputs[number] < self.forest.outputs[other]

    def is_clean(self, row: int) -> bool | None:
        """Whether no low-resolution dark matter lies in R_200c; None where there is no snapshot to ask."""
        number = int(self.forest.snapshot[row])
        radius = self.cosmology.radius_within(self.forest.m_200c[row], self.forest.outputs[number])
        return self._is_clean(number, self.forest.position[row], float(radius))

    def is_clean_at(self, track: Track, number: int) -> bool | None:
        """The same of a track at one of its snapshots, also a bridged one."""
        step = int(np.flatnonzero(track.snapshot == number)[0])
        return self._is_clean(number, track.position[step], float(track.r_halo[step]))

    def _is_clean(self, number: int, position: NDArray[np.float64], radius: float) -> bool | None:
        if number not in self.paths:
            return None
        snapshot = self.snapshot(number)
        if number not in self._coarse:
            self._coarse[number] = coarse_matter(snapshot)
        coarse = self._coarse[number]
        return len(coarse.mass) == 0 or contamination(snapshot, position, radius, coarse).is_clean

    @cached_property
    def target_roots(self) -> list[int]:
        """Rows of the main targets: the most massive clean centrals of the last snapshot."""
        last = max(self.forest.outputs, key=lambda number: self.forest.outputs[number])
        wanted = self.config.targets
        if not wanted:
            return []
        known = self._heaviest_clean(last, wanted)
        least = LEAST_BOUND * float(self.forest.m_200c[known[-1]]) if len(known) == wanted else 0.0
        self.centrals(last, least)  # measures what the catalogue lacks
        rows = self._heaviest_clean(last, wanted)
        self._note_targets(rows, len(self.without_mass(last, least)))
        return rows

    def _heaviest_clean(self, number: int, count: int) -> list[int]:
        clean = (row for row in self._with_mass(number, 0.0) if self.is_clean(row) is not False)
        return list(islice(clean, count))

    def _note_targets(self, roots: list[int], without_mass: int) -> None:
        """Measure what the targets lack along their branches, and say so."""
        if without_mass:
            self.notes.append(
                f"centrals of the last snapshot without M_200c, not taken for main targets: {without_mass}"
            )
        for root in roots:
            branch = main_branch(self.forest, root)
            self._measure(branch.tolist())
            if numbers := self.forest.measured_at(branch):
                self.notes.append(
                    f"main target {self._name(root)}: M_200c measured around the halo itself at snapshot(s) "
                    f"{', '.join(map(str, numbers))}, where its group's is that of another subhalo"
                )


def open_simulation(config: SimulationConfig, reader: ReaderConfig | None = None) -> Simulation:
    """Read the trees of a run, or link its subhaloes, and find its snapshots.

    `reader` says what the snapshots do not tell about themselves.

    Raises
    ------
    InputError
        No snapshot matches, a tree's snapshots are missing or of other epochs, fewer than two snapshots
        and no tree.
    """
    paths = snapshot_paths(config.snapshots, f"runs.{config.name}.snapshots")
    if config.trees is None:
        if len(paths) < 2:
            raise InputError(
                f"runs.{config.name}",
                f"{len(paths)} snapshot(s) and no trees",
                "two snapshots or more, or merger trees",
            )
        forest = link_snapshots([resolve_sample(path) for path in paths], central="stellar")
    else:
        forest = open_forest(resolve_sample(config.trees), _stated(config))
    numbered = _numbered(config, forest, paths, reader)
    simulation = Simulation(config, forest, numbered, list(forest.notes), reader)
    if not simulation.paths:
        simulation.notes.append("no snapshots: contamination not checked, nothing mapped")
    return simulation


def _stated(config: SimulationConfig) -> Cosmology | None:
    stated = config.cosmology
    return None if stated is None else Cosmology(**stated.model_dump())


def _numbered(
    config: SimulationConfig, forest: Forest, paths: list[str], reader: ReaderConfig | None
) -> dict[int, str]:
    """Snapshots by their number in the forest, matched by epoch."""
    numbered: dict[int, str] = {}
    for path in paths:
        scale = open_snapshot(path, reader).info.scale_factor
        number = _number_at(forest.outputs, scale)
        if number is None:
            raise InputError(
                path,
                f"a = {scale:.6g}",
                f"an epoch of the trees of run '{config.name}'",
                "the trees are of another run, or end before",
            )
        numbered[number] = path
    return numbered


def _number_at(outputs: Mapping[int, float], scale: float) -> int | None:
    number = min(outputs, key=lambda n: abs(outputs[n] - scale))
    return number if is_same_epoch(outputs[number], scale) else None
