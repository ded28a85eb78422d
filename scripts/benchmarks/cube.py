"""`scripts/benchmark cube`: position-position-velocity cubes of 167 x 167 pixels and 100 channels.

Ours is the public `CubeDepositor`, from its making to the finished cube with its map and its account. Errors
are the worst of three (`error`) against brute force, beside every peer its own.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray

from benchmarks import cube_peers as peer
from benchmarks.cube_peers import N_CHANNELS, N_PIXELS, Lines
from benchmarks.projection import DEEP
from benchmarks.projection_reference import NODE_WEIGHTS, NODES, add_discs, add_squares
from benchmarks.projection_workload import Octree, octree, particles
from benchmarks.timing import Competitor, Record, compare
from simpost.maps.cube import CubeDepositor
from simpost.maps.smoothing import KERNELS
from simpost.maps.view import View

Array = NDArray[np.float64]

KERNEL = "wendland_3d"  # the projected kernel, which is martini's
FLOOR = 1.0 / 128.0  # martini's leaves are kernels of their size, and at least as wide as this
# emitters that a slow competitor works on: about a second each
MOST = {"martini": 50_000, "numpy, scipy: nearest pixel": 200_000}
MOST_PPV = 200_000  # leaves; beyond, PPVCube is left out
MOST_SMOOTHED = 100_000  # particles
CHECKED, CHECKED_SMOOTHED = 20_000, 2_000  # emitters that brute force works on


def records(options: Namespace) -> Iterator[Record]:
    """Every case in turn."""
    for n in options.n:
        yield from _leaves(octree(n), octree(min(n, CHECKED)), options.rounds)
    for n in sorted({min(n, MOST_SMOOTHED) for n in options.n}):
        yield from _smoothed(n, options.rounds)


def of_leaves(tree: Octree) -> Lines:
    """Their lines, seen along z: what moves up the axis approaches."""
    x, y = np.ascontiguousarray(tree.position[:, 0]), np.ascontiguousarray(tree.position[:, 1])
    return Lines(x, y, tree.size, tree.mass, -tree.velocity[:, 2], tree.width)


def of_particles(n: int) -> Lines:
    """Smoothed emitters with velocities and widths like those of the leaves."""
    some, rng = particles(n), np.random.default_rng(n)
    x, y = np.ascontiguousarray(some.position[:, 0]), np.ascontiguousarray(some.position[:, 1])
    velocity = 120.0 * some.position[:, 2] + rng.normal(0.0, 40.0, n)
    return Lines(x, y, some.support, some.mass, velocity, rng.uniform(8.0, 25.0, n))


def cube_of(lines: Lines, smoothed: bool, workers: int = 1) -> peer.Draw:
    """The cube (ny, nx, nv) by simpost."""
    view = View.named("z", 1.0, DEEP, 1.0 / N_PIXELS)
    position = np.stack((lines.x, lines.y, np.zeros(lines.x.size)), axis=1)
    length = lines.length / KERNELS[KERNEL].h_over_r_cell if smoothed else lines.length

    def draw() -> Array:
        depositor = CubeDepositor(view, peer.edges(), KERNEL, workers)
        add = depositor.add_cells if smoothed else depositor.add_leaves
        add(position, length, lines.mass, lines.velocity, lines.width)
        return depositor.finish().values.transpose(1, 2, 0)

    return draw


def brute_force(lines: Lines, smoothed: bool) -> Array:
    """Emitter by emitter: its own image times its own spectrum."""
    cube = np.zeros((N_PIXELS, N_PIXELS, N_CHANNELS))
    spectra = lines.mass[:, None] * peer.shares(lines.velocity, lines.width)
    one, rows = np.ones(1), np.arange(N_PIXELS)
    for n, spectrum in enumerate(spectra):
        image = np.zeros((N_PIXELS, N_PIXELS))
        where, window = (
            (lines.x[n : n + 1], lines.y[n : n + 1], lines.length[n : n + 1]),
            (0.5, 1.0 / N_PIXELS),
        )
        if smoothed:
            add_discs(*where, one, True, NODES, NODE_WEIGHTS, *window, rows, image)
        else:
            add_squares(*where, one, *window, image)
        touched = image.any(axis=1), image.any(axis=0)
        cube[np.ix_(*touched)] += image[np.ix_(*touched)][..., None] * spectrum
    return cube


def error(cube: Array, expected: Array, unit: float) -> float:
    """Worst of the rms over the rms of the cube, the largest difference over the peak and the total."""
    difference = cube * unit - expected
    return max(
        float(np.sqrt(np.mean(difference**2) / np.mean(expected**2))),
        float(np.abs(difference).max() / expected.max()),
        float(abs(difference.sum() / expected.sum())),
    )


def _leaves(tree: Octree, checked: Octree, rounds: int) -> Iterator[Record]:
    lines, few = of_leaves(tree), of_leaves(checked)
    expected = brute_force(few, smoothed=False)
    others = _slow_peers(lines, few, expected)
    if lines.x.size <= MOST_PPV:
        ppv = partial(peer.ppv_cube, tree), lines.x.size, partial(peer.ppv_cube, checked)
        others |= _peer("yt PPVCube", *ppv, expected)
    yield from _cases("leaves", lines, few, False, others, expected, rounds)


def _smoothed(n: int, rounds: int) -> Iterator[Record]:
    lines = of_particles(n)
    few = lines.part(slice(CHECKED_SMOOTHED))
    expected = brute_force(few, smoothed=True)
    some = lines.part(slice(MOST["martini"]))
    martini = partial(peer.martini, floor=0.0)
    others = _peer("martini", partial(martini, some), some.x.size, partial(martini, few), expected)
    yield from _cases("smoothed", lines, few, True, others, expected, rounds)


def _slow_peers(lines: Lines, few: Lines, expected: Array) -> dict[str, Competitor]:
    """Those that treat leaves one by one, on leaves from everywhere in the tree."""
    makers: dict[str, Callable[[Lines], peer.Draw]] = {
        "numpy, scipy: nearest pixel": peer.nearest_pixel,
        "martini": partial(peer.martini, floor=FLOOR),
    }
    others: dict[str, Competitor] = {}
    for name, make in makers.items():
        some = lines.part(slice(None, None, -(-lines.x.size // MOST[name])))
        others |= _peer(name, partial(make, some), some.x.size, partial(make, few), expected)
    return others


def _cases(
    kind: str,
    lines: Lines,
    few: Lines,
    smoothed: bool,
    others: dict[str, Competitor],
    expected: Array,
    rounds: int,
) -> Iterator[Record]:
    n, case = lines.x.size, f"cube of {kind}, {N_PIXELS}^2 x {N_CHANNELS}"
    unit = peer.CHANNEL / N_PIXELS**2
    wrong = error(cube_of(few, smoothed)(), expected, unit)
    ours = Competitor(cube_of(lines, smoothed), n)
    yield from compare(case, ours, others, rounds, wrong)
    if not smoothed:  # the only ones that are shared among threads
        two = Competitor(cube_of(lines, smoothed, workers=2), n)
        yield from compare(case, two, {"simpost, 1 thread": ours}, rounds, threads=2)


def _peer(
    name: str, prepare: Callable[[], peer.Draw], n: int, check: Callable[[], peer.Draw], expected: Array
) -> dict[str, Competitor]:
    """A peer under its name and error, in the unit that makes its total right; without `run` if missing."""
    try:
        draw = prepare()
    except ImportError:
        return {name: Competitor(None, n)}
    cube = check()()
    wrong = error(cube, expected, expected.sum() / cube.sum())
    return {f"{name}, error {wrong:.0e}": Competitor(draw, n)}
