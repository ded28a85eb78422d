"""A forest of merger trees as columns, and the main branch of any of its haloes.

Readers turn every tree format into a `Forest`; what follows a branch knows nothing of formats.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from simpost.core.cosmology import Cosmology
from simpost.core.errors import InputError
from simpost.snapshots.protocol import HaloCatalogue
from simpost.trees.track import Steps, Track, is_same_epoch, make_tracks

Array = NDArray[np.float64]
Rows = NDArray[np.int64]

NOBODY = -1
_SAME_PLACE = 1e-3  # of the box: tree and catalogue store places in single precision


@dataclass(frozen=True)
class Forest:
    """Nodes of merger trees, one row per halo and snapshot, in any order.

    `descendant` and `main_progenitor` are rows of this forest (-1: none). Columns with a default are
    filled with NaN where the tree has none.

    Raises
    ------
    InputError
        Columns of different length, links to rows that do not exist or do not lie later (earlier) in
        time, or the same halo twice at one snapshot.
    """

    source: str
    cosmology: Cosmology
    comoving_box: float  # kpc, NaN if unknown
    outputs: Mapping[int, float]  # scale factor of every snapshot of the run
    descendant: Rows
    main_progenitor: Rows
    snapshot: Rows
    identity: Rows  # unique at a snapshot: row in its catalogue, or the tree's own number
    mass: Array  # Msun, bound mass
    m_200c: Array  # Msun, NaN where none is measured around the halo
    position: Array  # (n, 3) proper kpc
    is_central: NDArray[np.bool_]
    m_star: Array
    sfr: Array
    notes: tuple[str, ...] = field(default=())  # of the whole source
    measured: frozenset[int] = frozenset()  # rows whose m_200c is not the catalogue's

    def __post_init__(self) -> None:
        n = len(self.descendant)
        for name in (
            "main_progenitor",
            "snapshot",
            "identity",
            "mass",
            "m_200c",
            "is_central",
            "m_star",
            "sfr",
        ):
            if getattr(self, name).shape != (n,):
                raise InputError(self.source, f"{getattr(self, name).shape} values of '{name}'", f"({n},)")
        if self.position.shape != (n, 3):
            raise InputError(self.source, f"positions of shape {self.position.shape}", f"({n}, 3)")
        _check_snapshots(self)
        _check_unique(self)
        _check_links(self, "descendant", self.descendant, later=True)
        _check_links(self, "main progenitor", self.main_progenitor, later=False)

    def __len__(self) -> int:
        return len(self.descendant)

    @property
    def scale_factor(self) -> Array:
        """Scale factor of every node."""
        numbers = np.array(sorted(self.outputs), dtype=np.int64)
        scale = np.array([self.outputs[int(n)] for n in numbers])
        return np.asarray(scale[np.searchsorted(numbers, self.snapshot)])

    def row_of(self, snapshot: int, identity: int) -> int:
        """Row of a halo by snapshot number and identity (its row in that catalogue).

        Raises
        ------
        InputError
            The forest has no such halo.
        """
        found = np.flatnonzero((self.snapshot == snapshot) & (self.identity == identity))
        if len(found) != 1:
            raise InputError(
                self.source,
                f"no halo {identity} at snapshot {snapshot}",
                f"one of the {np.count_nonzero(self.snapshot == snapshot)} haloes of that snapshot",
            )
        return int(found[0])

    def measured_at(self, rows: Rows) -> list[int]:
        """Snapshots, in order, at which the M_200c of any of the `rows` is not the catalogue's."""
        return sorted({int(self.snapshot[row]) for row in rows.tolist() if row in self.measured})

    def roots(self) -> Rows:
        """Rows of the haloes of the last snapshot, most massive first."""
        if not len(self):
            return np.empty(0, dtype=np.int64)
        last = np.flatnonzero(self.scale_factor == self.scale_factor.max())
        return np.asarray(last[np.argsort(-self.mass[last], kind="stable")])


def most_massive_progenitors(descendant: Rows, mass: Array) -> Rows:
    """The main progenitor of every node as the most massive of those it descends from; -1 without any."""
    main = np.full(len(descendant), NOBODY, dtype=np.int64)
    child = np.flatnonzero(descendant >= 0)
    # written lightest first, so that the most massive (of equals the first row) is what remains
    order = child[np.lexsort((-child, mass[child]))]
    main[descendant[order]] = order
    return main


def main_branch(forest: Forest, root: int) -> Rows:
    """Rows of the main branch of `root`, from the root back in time."""
    if not 0 <= root < len(forest):
        raise InputError(forest.source, f"root {root}", f"a row of the forest, 0 to {len(forest) - 1}")
    branch = [int(root)]
    while (earlier := int(forest.main_progenitor[branch[-1]])) != NOBODY:
        branch.append(earlier)
    return np.array(branch, dtype=np.int64)


def tracks_of(
    forest: Forest, root: int, catalogues: Mapping[int, HaloCatalogue] | None = None, name: str | None = None
) -> list[Track]:
    """Main-progenitor track of `root`, the latest piece first (see `make_tracks`).

    Parameters
    ----------
    root : int
        Row of the forest; see `Forest.row_of` and `Forest.roots`.
    catalogues : mapping of snapshot number to HaloCatalogue, optional
        Where the tree has no stars: stellar mass within twice the stellar half-mass radius (else all bound
        stars, which is noted) and SFR, by the row `identity`; M_200c where the tree has none. Whether
        a halo is a satellite is what the tree says.
    name : str, optional
        Default `halo IDENTITY of snapshot NUMBER`.

    Raises
    ------
    InputError
        A catalogue that is not of the tree's snapshot (other epoch, fewer rows, the halo elsewhere).
    """
    rows = main_branch(forest, root)
    label = name or f"halo {forest.identity[root]} of snapshot {forest.snapshot[root]}"
    steps = Steps(
        snapshot=forest.snapshot[rows],
        scale_factor=forest.scale_factor[rows],
        m_halo=forest.m_200c[rows],
        m_star=forest.m_star[rows],
        sfr=forest.sfr[rows],
        position=forest.position[rows],
        row=forest.identity[rows],
        is_satellite=~forest.is_central[rows],
    )
    notes = forest.notes
    if measured := forest.measured_at(rows):
        notes += (f"M_200c measured around the halo itself at snapshot(s) {', '.join(map(str, measured))}",)
    if catalogues is not None:
        steps, more = _with_catalogues(steps, catalogues, label)
        notes += more
    return make_tracks(label, steps, forest.cosmology, forest.outputs, forest.comoving_box, notes)


def _with_catalogues(
    steps: Steps, catalogues: Mapping[int, HaloCatalogue], label: str
) -> tuple[Steps, tuple[str, ...]]:
    columns = {name: getattr(steps, name).copy() for name in ("m_halo", "m_star", "sfr")}
    absent, bound_only = [], False
    for i, (number, row) in enumerate(zip(steps.snapshot.tolist(), steps.row.tolist(), strict=True)):
        catalogue = catalogues.get(number)
        if catalogue is None:
            absent.append(number)
            continue
        check_same_halo(catalogue, row, float(steps.scale_factor[i]), steps.position[i], label)
        stars = catalogue.galaxy_stellar_mass
        bound_only |= stars is None and catalogue.stellar_mass is not None
        stars = catalogue.stellar_mass if stars is None else stars
        if stars is not None:
            columns["m_star"][i] = stars[row]
        if catalogue.sfr is not None:
            columns["sfr"][i] = catalogue.sfr[row]
        if not columns["m_halo"][i] > 0:
            columns["m_halo"][i] = catalogue.m_200c[row]
    notes = []
    if absent:
        notes.append(f"no catalogue for snapshot(s) {', '.join(map(str, sorted(absent)))}")
    if bound_only:
        notes.append("m_star: all bound stars, not those within twice the stellar half-mass radius")
    return Steps(**{**vars(steps), **columns}), tuple(notes)


def check_same_halo(
    catalogue: HaloCatalogue, row: int, scale_factor: float, position: Array, label: str
) -> None:
    """Refuse a catalogue that is not of the snapshot a tree node belongs to."""
    remedy = "the catalogue is of another snapshot or run than the tree"
    if np.isfinite(catalogue.scale_factor) and not is_same_epoch(catalogue.scale_factor, scale_factor):
        raise InputError(
            catalogue.source,
            f"a catalogue of a = {catalogue.scale_factor:.6g}",
            f"{scale_factor:.6g} for track '{label}'",
            remedy,
        )
    if not 0 <= row < len(catalogue):
        raise InputError(
            catalogue.source, f"{len(catalogue)} haloes", f"halo {row} of track '{label}'", remedy
        )
    if catalogue.box_size > 0 and np.all(np.isfinite(position)):
        gap = (catalogue.position[row] - position) / catalogue.box_size
        gap = float(np.abs(gap - np.round(gap)).max())
        if gap > _SAME_PLACE:
            raise InputError(
                catalogue.source,
                f"halo {row} {gap * catalogue.box_size:.4g} kpc away",
                f"the place of track '{label}'",
                remedy,
            )


def _check_snapshots(forest: Forest) -> None:
    strange = np.setdiff1d(forest.snapshot, np.array(sorted(forest.outputs), dtype=np.int64))
    if len(strange):
        raise InputError(
            forest.source,
            f"haloes of snapshot {strange[0]}",
            f"one of the {len(forest.outputs)} snapshots with a known time",
            "snapshots of the tree are missing: give the times of all",
        )


def _check_unique(forest: Forest) -> None:
    order = np.lexsort((forest.identity, forest.snapshot))
    number, identity = forest.snapshot[order], forest.identity[order]
    twice = np.flatnonzero((np.diff(number) == 0) & (np.diff(identity) == 0))
    if len(twice):
        raise InputError(
            forest.source,
            f"halo {identity[twice[0]]} twice at snapshot {number[twice[0]]} ({len(twice)} such)",
            "every halo once per snapshot",
            "a file is doubled or the tree is damaged",
        )


def _check_links(forest: Forest, name: str, link: Rows, later: bool) -> None:
    linked = np.flatnonzero(link != NOBODY)
    if np.any((link[linked] < 0) | (link[linked] >= len(forest))):
        raise InputError(
            forest.source, f"a {name} outside the forest", f"rows up to {len(forest) - 1}, or -1"
        )
    scale = forest.scale_factor
    growth = scale[link[linked]] - scale[linked]
    wrong = linked[(growth <= 0) if later else (growth >= 0)]
    if len(wrong):
        raise InputError(
            forest.source,
            f"{len(wrong)} {name} links that do not lead {'forward' if later else 'back'} in time, "
            f"first of halo {forest.identity[wrong[0]]} at snapshot {forest.snapshot[wrong[0]]}",
            "links from snapshot to snapshot",
            "the tree is damaged",
        )
