"""`scripts/benchmark cube`: position-position-velocity cubes of 167 x 167 pixels and 100 channels.

Ours is the public `CubeDepositor`, from its making to the finished cube with its map and its account. Errors
are the worst of three (`error`) against brute force, beside every peer its own.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from benchmarks import cube_peers as peer
from benchmarks.cube_peers import N_CHANNELS, N_PIXELS, Lines
from benchmarks.projection import axis_view, oblique_view
from benchmarks.projection_reference import NODE_WEIGHTS, NODES, add_cubes, add_discs, add_squares
from benchmarks.projection_workload import Octree, octree, particles
from benchmarks.timing import Competitor, Record, compare
from simpost.maps.cube import CubeDepositor
from simpost.maps.smoothing import KERNELS
from simpost.maps.view import View

Array = NDArray[np.float64]

KERNEL = "wendland_3d"  # the projected kernel, which is martini's
AXIS = axis_view(N_PIXELS)
OBLIQUE = replace(oblique_view(N_PIXELS), width=AXIS.width, pixel=AXIS.pixel)
NARROW = 3.7  # km/s: lines within a channel or two, as PPVCube was once timed with
FLOOR = 1.0 / 128.0  # martini's leaves are kernels of their size, and at least as wide as this
# emitters that a slow competitor works on: about a second each
MOST = {"martini": 50_000, "numpy, scipy: nearest pixel": 200_000}
MOST_PPV = 200_000  # leaves; beyond, PPVCube is left out
MOST_SMOOTHED = 100_000  # particles
CHECKED, CHECKED_SMOOTHED, CHECKED_OBLIQUE = 20_000, 2_000, 2_000  # emitters that brute force works on
FINER = 4  # parts of a pixel's side in which brute force looks at oblique leaves


def records(options: Namespace) -> Iterator[Record]:
    """Every case in turn."""
    for n in options.n:
        tree, checked = octree(n), octree(min(n, CHECKED))
        yield from _leaves(tree, checked, options.rounds)
        yield from _narrow(tree, checked, options.rounds)
        yield from _oblique(tree, octree(min(n, CHECKED_OBLIQUE)), options.rounds)
    for n in sorted({min(n, MOST_SMOOTHED) for n in options.n}):
        yield from _smoothed(n, options.rounds)


def of_leaves(tree: Octree, view: View = AXIS) -> Lines:
    """Their lines as an observer sees them: what moves towards them approaches."""
    x, y, _ = view.project(tree.position)
    return Lines(x, y, tree.size, tree.mass, -(tree.velocity @ np.array(view.line_of_sight)), tree.width)


def of_particles(n: int) -> Lines:
    """Smoothed emitters with velocities and widths like those of the leaves."""
    some, rng = particles(n), np.random.default_rng(n)
    x, y = np.ascontiguousarray(some.position[:, 0]), np.ascontiguousarray(some.position[:, 1])
    velocity = 120.0 * some.position[:, 2] + rng.normal(0.0, 40.0, n)
    return Lines(x, y, some.support, some.mass, velocity, rng.uniform(8.0, 25.0, n))


def cube_of(lines: Lines, smoothed: bool, workers: int = 1, view: View = AXIS) -> peer.Draw:
    """The cube (ny, nx, nv) by simpost."""
    position = lines.x[:, None] * np.array(view.right) + lines.y[:, None] * np.array(view.up)
    length = lines.length / KERNELS[KERNEL].h_over_r_cell if smoothed else lines.length

    def draw() -> Array:
        depositor = CubeDepositor(view, peer.edges(), KERNEL, workers)
        add = depositor.add_cells if smoothed else depositor.add_leaves
        add(position, length, lines.mass, lines.velocity, lines.width)
        return depositor.finish().values.transpose(1, 2, 0)

    return draw


def brute_force(lines: Lines, smoothed: bool, view: View = AXIS) -> Array:
    """Emitter by emitter: its own image times its own spectrum."""
    cube = np.zeros((N_PIXELS, N_PIXELS, N_CHANNELS))
    spectra = lines.mass[:, None] * peer.shares(lines.velocity, lines.width)
    one, rows, window = np.ones(1), np.arange(N_PIXELS), (0.5, 1.0 / N_PIXELS)
    axes = np.array((view.right, view.up, view.line_of_sight))
    for n, spectrum in enumerate(spectra):
        image = np.zeros((N_PIXELS, N_PIXELS))
        emitter = lines.x[n : n + 1], lines.y[n : n + 1], lines.length[n : n + 1], one
        if smoothed:
            add_discs(*emitter, True, NODES, NODE_WEIGHTS, *window, rows, image)
        elif view.is_axis_aligned:
            add_squares(*emitter, *window, image)
        else:  # the rays of whole pixels are off by as much as the tables
            rays = np.zeros((FINER * N_PIXELS, FINER * N_PIXELS))
            add_cubes(*emitter, axes, 0.5, 1.0 / len(rays), rays)
            image = rays.reshape(N_PIXELS, FINER, N_PIXELS, FINER).sum(axis=(1, 3))
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


def _narrow(tree: Octree, checked: Octree, rounds: int) -> Iterator[Record]:
    """PPVCube takes as long whatever the lines: of all peers the one to time with narrow ones."""
    tree, checked = (replace(some, width=np.full_like(some.width, NARROW)) for some in (tree, checked))
    lines, few = of_leaves(tree), of_leaves(checked)
    expected = brute_force(few, smoothed=False)
    others: dict[str, Competitor] = {}
    if lines.x.size <= MOST_PPV:
        ppv = partial(peer.ppv_cube, tree), lines.x.size, partial(peer.ppv_cube, checked)
        others = _peer("yt PPVCube", *ppv, expected)
    yield from _cases("leaves, narrow lines", lines, few, False, others, expected, rounds)


def _oblique(tree: Octree, checked: Octree, rounds: int) -> Iterator[Record]:
    lines, few = of_leaves(tree, OBLIQUE), of_leaves(checked, OBLIQUE)
    expected = brute_force(few, smoothed=False, view=OBLIQUE)
    others = _slow_peers(lines, few, expected)
    yield from _cases("leaves oblique", lines, few, False, others, expected, rounds, OBLIQUE)


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
    view: View = AXIS,
) -> Iterator[Record]:
    n, case = lines.x.size, f"cube of {kind}"
    unit = peer.CHANNEL / N_PIXELS**2
    wrong = error(cube_of(few, smoothed, view=view)(), expected, unit)
    ours = Competitor(cube_of(lines, smoothed, view=view), n)
    yield from compare(case, ours, others, rounds, wrong)
    two = Competitor(cube_of(lines, smoothed, workers=2, view=view), n)
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
