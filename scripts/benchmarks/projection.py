"""`scripts/benchmark projection`: maps of smoothed particles and of octree leaves, along an axis and oblique.

Ours is the public `Depositor`, from its making to the finished map with its closure. Errors are the worst of
three (`projection_reference.error`) against brute force, beside every peer its own.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from benchmarks import projection_peers as peer
from benchmarks.projection_reference import NODE_WEIGHTS, NODES, add_cubes, add_discs, add_squares, error
from benchmarks.projection_workload import Octree, Particles, octree, particles, sorted_by_tile
from benchmarks.timing import Competitor, Record, compare
from simpost.maps.deposit import PIXEL_INTEGRATED, PYRAMID, Depositor
from simpost.maps.smoothing import KERNELS
from simpost.maps.view import View

Array = NDArray[np.float64]

# pixels along each side; 500 has no edge in common with the leaves
SMOOTHED_PIXELS, ALIGNED_PIXELS, OBLIQUE_PIXELS = (64, 512, 2048), (512, 500, 2048), (512, 2048)
OBLIQUE_WIDTH = 0.7  # of the box
DEEP = 4.0  # holds the box from every side
# pixels under kernels that slow competitors work on (the first particles) and brute force does (some rows of
# the map): a second or few each
AFFORDABLE_PIXELS = {
    "fast": 300_000_000,
    "subsampled": 20_000_000,
    "brute force": 20_000_000,
}
FEWEST_ROWS = 4
CHECKED_LEAVES = 50_000
SLOW = 1e12  # pixels times leaves beyond which yt's oblique maps take tens of seconds: one round

FLAT, PROJECTED = "s25", "wendland_3d"
MANY, MANY_PIXELS = 25, 512  # quantities at once, on maps up to this size
MARGIN = 8.0  # pixels: even the narrowest kernel costs as much as one of this diameter


def records(options: Namespace) -> Iterator[Record]:
    """Every case in turn."""
    for n in options.n:
        some = particles(n)
        for n_pixels in SMOOTHED_PIXELS:
            yield from _pyramid(some, n_pixels, options.rounds)
            few = affordable(PIXEL_INTEGRATED, some, n_pixels)
            yield from _smoothed(few, n_pixels, PIXEL_INTEGRATED, options.rounds)
        tree, checked = octree(n), octree(min(n, CHECKED_LEAVES))
        for n_pixels in ALIGNED_PIXELS:
            yield from _aligned(tree, checked, n_pixels, options.rounds)
        for n_pixels in OBLIQUE_PIXELS:
            yield from _oblique(tree, checked, n_pixels, options.rounds)


def axis_view(n_pixels: int) -> View:
    return View.named("z", 1.0, DEEP, 1.0 / n_pixels)


def oblique_view(n_pixels: int) -> View:
    """50 degrees from z, 30 from x."""
    theta, phi = np.deg2rad(50.0), np.deg2rad(30.0)
    toward = (np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta))
    return View("oblique", toward, (0.0, 0.0, 1.0), OBLIQUE_WIDTH, DEEP, OBLIQUE_WIDTH / n_pixels)


def smoothed_map(
    some: Particles, n_pixels: int, backend: str, kernel: str = FLAT, threads: int = 1, quantities: int = 1
) -> peer.Draw:
    """Surface density of the particles by simpost, whose cells have the radii that give these supports.

    Of several `quantities`, deposited together, the first.
    """
    r_cell, names = some.support / KERNELS[kernel].h_over_r_cell, [str(k) for k in range(quantities)]
    view = axis_view(n_pixels)

    def draw(part: slice) -> Array:
        depositor = Depositor(view, names, kernel, backend)
        mass = some.mass[part]
        depositor.add_cells(some.position[part], r_cell[part], dict.fromkeys(names, mass))
        return depositor.finish()["0"].values

    return _in_threads(draw, some.mass.size, threads)


def leaf_map(tree: Octree, view: View, threads: int = 1) -> peer.Draw:
    """Surface density of the leaves by simpost."""
    mass = tree.mass

    def draw(part: slice) -> Array:
        depositor = Depositor(view, ["mass"])
        depositor.add_leaves(tree.position[part], tree.size[part], {"mass": mass[part]})
        return depositor.finish()["mass"].values

    return _in_threads(draw, mass.size, threads)


def smoothed_error(draw: peer.Draw, some: Particles, n_pixels: int, kernel: str) -> float:
    """Error of a map of the particles, on rows as many as brute force can afford."""
    affordable_part = AFFORDABLE_PIXELS["brute force"] / _pixels(some, n_pixels).sum()
    n_rows = min(n_pixels, max(FEWEST_ROWS, int(n_pixels * affordable_part)))
    rows = ((np.arange(n_rows) + 0.5) * n_pixels / n_rows).astype(np.int64)
    expected = np.zeros((n_rows, n_pixels))
    x, y = np.ascontiguousarray(some.position[:, 0]), np.ascontiguousarray(some.position[:, 1])
    projected, pixel = KERNELS[kernel].shape == 1, 1.0 / n_pixels
    add_discs(x, y, some.support, some.mass, projected, NODES, NODE_WEIGHTS, 0.5, pixel, rows, expected)
    return error(draw()[rows] * pixel**2, expected)


def affordable(worker: str, some: Particles, n_pixels: int) -> Particles:
    """The first particles, as many as the worker can draw in about a second."""
    pixels = np.cumsum(_pixels(some, n_pixels))
    n = np.searchsorted(pixels, AFFORDABLE_PIXELS.get(worker, np.inf))
    return some.part(slice(max(1, int(n))))


def _pixels(some: Particles, n_pixels: int) -> Array:
    """Under every kernel, (n,)."""
    return np.asarray((2.0 * some.support * n_pixels + MARGIN) ** 2)


def leaf_error(draw: peer.Draw, tree: Octree, view: View, scaled: bool = False) -> float:
    """Error of a map of the tree's leaves; `scaled` to the true mass first."""
    expected = np.zeros((view.n_pixels, view.n_pixels))
    x, y, _ = view.project(tree.position)
    if view.is_axis_aligned:
        add_squares(x, y, tree.size, tree.mass, 0.5 * view.width, view.pixel, expected)
    else:
        axes = np.array((view.right, view.up, view.line_of_sight))
        add_cubes(x, y, tree.size, tree.mass, axes, 0.5 * view.width, view.pixel, expected)
    image = draw() * view.pixel**2
    return error(image * (expected.sum() / image.sum()) if scaled else image, expected)


def _smoothed(some: Particles, n_pixels: int, backend: str, rounds: int) -> Iterator[Record]:
    ours = smoothed_map(some, n_pixels, backend)
    others: dict[str, Competitor] = {}
    for name in ("nested", "fast", "subsampled"):
        others |= _swiftsimio(name, affordable(name, some, n_pixels), n_pixels)
    wrong = smoothed_error(ours, some, n_pixels, FLAT)
    n, case = some.mass.size, f"{backend}, {n_pixels}^2"
    one = Competitor(ours, n)
    yield from compare(case, one, others, rounds, wrong)

    ours = smoothed_map(some, n_pixels, backend, PROJECTED)
    wrong = smoothed_error(ours, some, n_pixels, PROJECTED)
    flat = {"simpost, flat": one}
    yield from compare(f"{case}, projected 3-D kernel", Competitor(ours, n), flat, rounds, wrong)
    if n_pixels <= MANY_PIXELS:
        ours = smoothed_map(some, n_pixels, backend, quantities=MANY)
        wrong = smoothed_error(ours, some, n_pixels, FLAT)
        alone = {"simpost, one quantity": one}
        yield from compare(f"{case}, {MANY} quantities", Competitor(ours, n), alone, rounds, wrong)


def _pyramid(some: Particles, n_pixels: int, rounds: int) -> Iterator[Record]:
    """The fast backend: beside its peers, then with sorted particles and two threads."""
    yield from _smoothed(some, n_pixels, PYRAMID, rounds)
    n, case = some.mass.size, f"{PYRAMID}, {n_pixels}^2"

    in_order = sorted_by_tile(some)
    ours = smoothed_map(in_order, n_pixels, PYRAMID)
    others = _peer("swiftsimio nested", lambda: peer.swiftsimio("nested", in_order, n_pixels), n)
    wrong = smoothed_error(ours, in_order, n_pixels, FLAT)
    yield from compare(f"{case}, sorted", Competitor(ours, n), others, rounds, wrong)

    one = {"simpost, 1 thread": Competitor(smoothed_map(some, n_pixels, PYRAMID), n)}
    two = Competitor(smoothed_map(some, n_pixels, PYRAMID, threads=2), n)
    yield from compare(case, two, one, rounds, threads=2)


def _swiftsimio(backend: str, some: Particles, n_pixels: int) -> dict[str, Competitor]:
    prepare = partial(peer.swiftsimio, backend, some, n_pixels)
    return _peer(
        f"swiftsimio {backend}",
        prepare,
        some.mass.size,
        lambda: smoothed_error(prepare(), some, n_pixels, FLAT),
    )


def _aligned(tree: Octree, checked: Octree, n_pixels: int, rounds: int) -> Iterator[Record]:
    view, n, case = axis_view(n_pixels), tree.size.size, f"leaves along z, {n_pixels}^2"
    ours = Competitor(leaf_map(tree, view), n)
    others = _peer(
        "yt projection",
        lambda: peer.yt_aligned(tree, n_pixels),
        n,
        lambda: leaf_error(peer.yt_aligned(checked, n_pixels), checked, view),
    )
    if n_pixels & (n_pixels - 1) == 0:
        others |= _peer(
            "numpy histogram2d",
            lambda: peer.level_histograms(tree, n_pixels),
            n,
            lambda: leaf_error(peer.level_histograms(checked, n_pixels), checked, view),
        )
    yield from compare(case, ours, others, rounds, leaf_error(leaf_map(checked, view), checked, view))
    two = Competitor(leaf_map(tree, view, threads=2), n)
    yield from compare(case, two, {"simpost, 1 thread": ours}, rounds, threads=2)


def _oblique(tree: Octree, checked: Octree, n_pixels: int, rounds: int) -> Iterator[Record]:
    view, n, case = oblique_view(n_pixels), tree.size.size, f"leaves oblique, {n_pixels}^2"
    ours = Competitor(leaf_map(tree, view), n)
    others = _peer(
        "yt off_axis_projection",
        lambda: peer.yt_oblique(tree, view),
        n,
        lambda: leaf_error(peer.yt_oblique(checked, view), checked, view, scaled=True),
    )
    wrong = leaf_error(leaf_map(checked, view), checked, view)
    yield from compare(case, ours, others, 1 if n * n_pixels**2 > SLOW else rounds, wrong)
    two = Competitor(leaf_map(tree, view, threads=2), n)
    yield from compare(case, two, {"simpost, 1 thread": ours}, rounds, threads=2)


def _peer(
    name: str, prepare: Callable[[], peer.Draw], n: int, wrong: Callable[[], float] | None = None
) -> dict[str, Competitor]:
    """A peer under its name and error; without `run` where its package is missing."""
    try:
        draw = prepare()
    except ImportError:
        return {name: Competitor(None, n)}
    return {name if wrong is None else f"{name}, error {wrong():.0e}": Competitor(draw, n)}


def _in_threads(draw: Callable[[slice], Array], n: int, threads: int) -> peer.Draw:
    """The sum of the images of equal parts of the elements, a thread and an image for each."""
    bounds = np.linspace(0, n, threads + 1).astype(int)
    parts = [slice(a, b) for a, b in pairwise(bounds)]

    def run() -> Array:
        if threads == 1:
            return draw(parts[0])
        with ThreadPoolExecutor(threads) as pool:
            first, *others = pool.map(draw, parts)
        for other in others:
            first += other
        return first

    return run
