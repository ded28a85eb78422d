"""Trees where there are none: subhaloes of successive catalogues linked by the particles they share.

Subhaloes are linked, not groups: FoF bridges neighbours at high redshift, and the group that holds most of
a halo's particles may be another halo's. A subhalo's descendant is the one that holds most of its
particles, the bound core counting most; its main progenitor is the one of its progenitors that shares most
particles with it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from simpost.core.cosmology import Cosmology
from simpost.core.errors import InputError
from simpost.snapshots.arepo_files import read_files
from simpost.snapshots.arepo_haloes import Central, catalogue_of
from simpost.snapshots.arepo_members import Members, subhalo_members
from simpost.snapshots.protocol import HaloCatalogue
from simpost.trees.forest import NOBODY, Forest, Rows

Array = NDArray[np.float64]
Weight = Literal["rank", "count"]
SAME_PARTICLE = 1e-3  # relative, of the dark-matter particle masses of two snapshots of one run


@dataclass(frozen=True)
class Links:
    """Pairs of an earlier and a later subhalo that share particles."""

    earlier: Rows  # (pairs,) row of the earlier catalogue
    later: Rows  # (pairs,) row of the later catalogue
    shared: NDArray[np.int64]  # (pairs,) number of shared particles
    score: Array  # (pairs,) sum of the weights of the shared particles in the earlier subhalo


def shared_particles(earlier: Members, later: Members, weight: Weight = "rank") -> Links:
    """All pairs of subhaloes that share particles.

    Parameters
    ----------
    earlier, later : Members
        Identities of the members, the most bound first.
    weight : {"rank", "count"}
        `rank` (default): the k-th most bound particle of the earlier subhalo counts 1/k, so that the core
        decides (Rodriguez-Gomez et al. 2015, SubLink); `count`: every particle counts 1.

    Raises
    ------
    InputError
        A particle is a member of two subhaloes, or a weight that is not known.
    """
    if weight not in ("rank", "count"):
        raise InputError("weight of shared particles", repr(weight), "'rank' or 'count'")
    identity, owner, rank = _members(earlier)
    other, other_owner, _ = _members(later)
    place = np.searchsorted(other, identity)
    same = place < len(other)
    same[same] = other[place[same]] == identity[same]
    first, second = owner[same], other_owner[place[same]]
    value = 1.0 / (1.0 + rank[same]) if weight == "rank" else np.ones(len(first))
    n_later = len(later.length)
    key, inverse, shared = np.unique(
        first * max(n_later, 1) + second, return_inverse=True, return_counts=True
    )
    score = np.bincount(inverse, weights=value, minlength=len(key)).astype(float)
    return Links(key // max(n_later, 1), key % max(n_later, 1), shared, score)


def _members(members: Members) -> tuple[Rows, Rows, Rows]:
    """Identity, subhalo and binding rank (0 first) of every member of a subhalo, by ascending identity."""
    owner = np.repeat(np.arange(len(members.length)), members.length)
    rank = np.arange(len(owner)) - np.repeat(np.cumsum(members.length) - members.length, members.length)
    identity = members.identity[members.start[owner] + rank]
    order = np.argsort(identity)
    identity = identity[order]
    twice = np.count_nonzero(np.diff(identity) == 0)
    if twice:
        raise InputError(
            members.source,
            f"{twice} particle identities twice",
            "every particle in one subhalo",
            "the snapshot has duplicated identities or a file of it is doubled",
        )
    return identity, owner[order], rank[order]


def descendants(links: Links, n_earlier: int) -> Rows:
    """The later subhalo of highest score for every earlier one; -1 where none shares a particle."""
    found = np.full(n_earlier, NOBODY, dtype=np.int64)
    order = np.lexsort((-links.later, links.shared, links.score))  # the best is written last
    found[links.earlier[order]] = links.later[order]
    return found


def main_progenitors(links: Links, descendant: Rows, n_later: int) -> Rows:
    """Of the subhaloes that descend into a later one, that which shares most particles with it."""
    found = np.full(n_later, NOBODY, dtype=np.int64)
    own = descendant[links.earlier] == links.later
    earlier, later, shared = links.earlier[own], links.later[own], links.shared[own]
    order = np.lexsort((-earlier, shared))
    found[later[order]] = earlier[order]
    return found


def link_snapshots(
    snapshots: Sequence[Path | str],
    weight: Weight = "rank",
    central: Central = "first",
    read: Callable[[Path, Central], tuple[HaloCatalogue, Callable[[], Members]]] | None = None,
) -> Forest:
    """A forest of the subhaloes of several snapshots, linked by the dark matter they share.

    A subhalo without progenitor in the snapshot before takes the one two snapshots before that shares
    most with it (it was lost for a step), unless that one is already the main progenitor of another.

    Parameters
    ----------
    snapshots : sequence of Path
        Arepo or GADGET-4 snapshots with their catalogues beside them, in any order, two or more.
    weight : {"rank", "count"}
        See `shared_particles`.
    central : {"first", "stellar"}
        See `simpost.snapshots.arepo_haloes.read_catalogue`.
    read : callable, optional
        Gives the catalogue of a snapshot and what reads its members, of which three snapshots are held at
        a time; default: those of Arepo files.

    Raises
    ------
    SnapshotError, InputError
        No catalogue, two snapshots of one epoch or of different runs (another cosmology, box or mass of
        dark-matter particles), or duplicated identities.
    """
    reader = _read_snapshot if read is None else read
    sources = sorted((reader(Path(path), central) for path in snapshots), key=lambda s: s[0].scale_factor)
    catalogues = [catalogue for catalogue, _ in sources]
    cosmology = _check_one_run(catalogues)
    start = np.r_[0, np.cumsum([len(catalogue) for catalogue in catalogues])]
    descendant = np.full(start[-1], NOBODY, dtype=np.int64)
    main = np.full(start[-1], NOBODY, dtype=np.int64)
    before: Members | None = None
    here = sources[0][1]()
    for i in range(len(catalogues) - 1):
        after = sources[i + 1][1]()
        _check_same_particles(here, after)
        links = shared_particles(here, after, weight)
        to = descendants(links, len(catalogues[i]))
        descendant[start[i] : start[i + 1]] = np.where(to >= 0, to + start[i + 1], NOBODY)
        back = main_progenitors(links, to, len(catalogues[i + 1]))
        main[start[i + 1] : start[i + 2]] = np.where(back >= 0, back + start[i], NOBODY)
        if before is not None:
            _bridge(shared_particles(before, after, weight), descendant, main, start[i - 1 : i + 3])
        before, here = here, after
    return _forest(catalogues, cosmology, start, descendant, main)


def _bridge(over: Links, descendant: Rows, main: Rows, start: Rows) -> None:
    """Give subhaloes without progenitor one of two snapshots before; changes the links in place."""
    to = descendants(over, int(start[1] - start[0]))
    back = main_progenitors(over, to, int(start[3] - start[2]))
    for row in np.flatnonzero((main[start[2] : start[3]] == NOBODY) & (back >= 0)):
        earlier, later = back[row] + start[0], row + start[2]
        between = descendant[earlier]
        if between == NOBODY or main[between] != earlier:
            descendant[earlier], main[later] = later, earlier


def _read_snapshot(path: Path, central: Central) -> tuple[HaloCatalogue, Callable[[], Members]]:
    files = read_files(path)
    return catalogue_of(files.paths[0], files.header, central), partial(subhalo_members, files.paths[0])


def _check_one_run(catalogues: list[HaloCatalogue]) -> Cosmology:
    """The cosmology of the run."""
    if len(catalogues) < 2:
        raise InputError("snapshots to link", f"{len(catalogues)}", "two or more")
    first = catalogues[0]
    if first.cosmology is None:
        raise InputError(first.source, "no cosmology", "that of the run", "use a catalogue that states it")
    for before, after in pairwise(catalogues):
        if after.scale_factor - before.scale_factor < 1e-9 or after.number == before.number:
            raise InputError(
                after.source,
                f"a = {after.scale_factor:.6g}, number {after.number}, like {before.source}",
                "every snapshot once",
                "drop the doubled snapshot",
            )
        box = after.box_size / after.scale_factor, first.box_size / first.scale_factor
        if after.cosmology != first.cosmology or abs(box[0] / box[1] - 1.0) > 1e-6:
            raise InputError(
                after.source, "another cosmology or box", f"those of {first.source}", "link one run"
            )
    return first.cosmology


def _check_same_particles(before: Members, after: Members) -> None:
    """Two runs of one box and cosmology may still be of different particles."""
    if abs(after.particle_mass / before.particle_mass - 1.0) > SAME_PARTICLE:
        raise InputError(
            after.source,
            f"dark-matter particles of {after.particle_mass:.3g} Msun",
            f"{before.particle_mass:.3g} as in {before.source}",
            "link one run",
        )


def _forest(
    catalogues: list[HaloCatalogue], cosmology: Cosmology, start: Rows, descendant: Rows, main: Rows
) -> Forest:
    last = catalogues[-1]
    numbers = [i if c.number is None else c.number for i, c in enumerate(catalogues)]
    length = np.diff(start)

    def joined(name: str) -> Array:
        columns = [getattr(c, name) for c in catalogues]
        return np.concatenate(
            [np.full(len(c), np.nan) if x is None else x for c, x in zip(catalogues, columns, strict=True)]
        )

    notes = [f"linked by shared dark matter over {len(catalogues)} snapshots"]
    skipped = sorted(set(range(numbers[0], numbers[-1])) - set(numbers))
    if skipped:
        notes.append(f"no snapshot of number {', '.join(map(str, skipped))}")
    has_inner = all(c.galaxy_stellar_mass is not None for c in catalogues)
    if not has_inner:
        notes.append("m_star: all bound stars, not those within twice the stellar half-mass radius")
    m_200c = joined("m_200c")
    return Forest(
        source=str(last.source),
        cosmology=cosmology,
        comoving_box=last.box_size / last.scale_factor,
        outputs={n: c.scale_factor for n, c in zip(numbers, catalogues, strict=True)},
        descendant=descendant,
        main_progenitor=main,
        snapshot=np.repeat(np.array(numbers, dtype=np.int64), length),
        identity=np.concatenate([np.arange(n) for n in length]),
        mass=joined("mass"),
        m_200c=np.where(m_200c > 0, m_200c, np.nan),
        position=np.concatenate([c.position for c in catalogues]),
        is_central=np.concatenate([c.is_central for c in catalogues]),
        m_star=joined("galaxy_stellar_mass" if has_inner else "stellar_mass"),
        sfr=joined("sfr"),
        notes=tuple(notes),
    )
