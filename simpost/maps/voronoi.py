"""Columns through the true Voronoi cells of an Arepo snapshot.

Arepo stores the generators of its mesh, not the mesh. Here each cell is built again as the polyhedron of all
points nearest to its generator, clipped by slab and window, and its depth is integrated over every pixel:
nothing is sampled, and a cell of any size keeps all it holds. A cell's quantity is spread evenly over its
polyhedron, so the map holds what the cells do to rounding; how far polyhedra and volumes of the snapshot
differ is reported.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simpost.core.errors import InputError
from simpost.maps.checks import plain
from simpost.maps.deposit import MapResult, account_of
from simpost.maps.view import View
from simpost.maps.voronoi_kernels import Tree, deposit_cells, sort_into_tree

FloatArray = NDArray[np.float64]

REACH = (
    10.0  # r_cell: a cell is looked for in a cube of half this side; in Arepo's meshes none reaches beyond 5
)
_POINTS_PER_LEAF = 2  # at least; measured
_FACES = (
    120  # at first, while a cell is cut; real ones have about 15 (rows of a power of two collide in cache)
)


@dataclass(frozen=True)
class VoronoiAccount:
    """What the cells that were deposited are like.

    Parameters
    ----------
    in_slab, in_view : (n,)
        Share of each cell inside the slab, and inside slab and window.
    volume_ratio : (n,)
        Volume of the polyhedron over the volume that was given; NaN for cells far from the window, which
        are not built.
    cut_down : (n,) bool
        Cells whose polyhedron was more than 10 % larger than the given volume: their neighbours were not
        given, or another generator coincides with theirs. They were cut down to a cube around the generator
        that leaves the given volume.
    horizon : (n,)
        Half the side [kpc] of the cube around the view's centre, along the image axes and the depth, that
        holds every point which could still cut the cell: if all generators in it were given, the cell is
        the true one. Zero for cells that are not built.
    n_cells : int
        Cells at least partly in view.
    rms_rescaling : float
        Root mean square of `volume_ratio` - 1 over the cells in view that were not cut down; NaN if
        there are none. It is what a density of quantity over given volume had to be rescaled by.
    largest_rescaling : float
        The largest modulus of `volume_ratio` - 1 of them.
    n_cut_down : int
        Cells in view that were cut down.
    n_failed_cuts : int
        Planes left out because rounding defeated them (never seen; such a cell is too large).
    """

    in_slab: FloatArray
    in_view: FloatArray
    volume_ratio: FloatArray
    cut_down: NDArray[np.bool_]
    horizon: FloatArray
    n_cells: int
    rms_rescaling: float
    largest_rescaling: float
    n_cut_down: int
    n_failed_cuts: int


def deposit_voronoi(
    x: ArrayLike,
    y: ArrayLike,
    depth: ArrayLike,
    volume: ArrayLike,
    columns: ArrayLike,
    view: View,
    threads: int = 1,
    drawn: NDArray[np.bool_] | None = None,
) -> tuple[FloatArray, VoronoiAccount]:
    """Image of extensive quantities spread evenly over the true Voronoi cells.

    Window and slab cut the cells exactly. All cells that reach into the view must be given, and around them
    their neighbours, which may lie outside: without them the outermost cells are too large.

    Parameters
    ----------
    x, y, depth : (n,)
        Generators as `View.project` gives them [kpc].
    volume : (n,)
        Volumes of the cells [kpc^3], mass over density.
    columns : (n, k)
        Extensive quantities of the cells, any unit.
    view : View
        Window, slab and pixels; any direction.
    threads : int
        Threads to share the cells; each but the first has an image of its own. Default 1.
    drawn : (n,) bool, optional
        Cells to put on the image; the others are only neighbours, not built, and in no account. Default all.

    Returns
    -------
    image : (k, ny, nx)
        Quantity per pixel, row 0 at the bottom.
    account : VoronoiAccount
        What to judge it by.

    Raises
    ------
    InputError
        Shapes differ, values are not finite, a volume is not positive, or threads are fewer than one.
    """
    if threads < 1:
        raise InputError("threads", str(threads), "1 or more")
    point, own_volume, quantities = _checked(x, y, depth, volume, columns)
    n = own_volume.size
    if drawn is not None and drawn.shape != (n,):
        raise InputError("drawn", f"shape {drawn.shape}", f"shape ({n},), one value per cell")
    tree, order = _plant(point)
    own_volume, quantities = own_volume[order], np.ascontiguousarray(quantities[order])
    reach = REACH * np.cbrt(own_volume * (0.75 / np.pi))
    if drawn is not None:
        reach[~drawn[order]] = 0.0
    volumes, cut_down = np.zeros((n, 4)), np.zeros(n, dtype=bool)

    def part(begin: int, stop: int) -> tuple[FloatArray, int]:
        return _deposit_part(tree, own_volume, reach, quantities, view, begin, stop, volumes, cut_down)

    edges = [n * i // threads for i in range(threads + 1)]
    with ThreadPoolExecutor(threads) as pool:
        parts = list(pool.map(part, edges[:-1], edges[1:]))
    image = parts[0][0]
    for other, _ in parts[1:]:
        image += other
    back = np.empty_like(order)
    back[order] = np.arange(n)
    n_failed = sum(failed for _, failed in parts)
    return image, _account(volumes[back], own_volume[back], cut_down[back], n_failed)


def voronoi_maps(
    position: ArrayLike,
    volume: ArrayLike,
    columns: ArrayLike,
    names: Sequence[str],
    view: View,
    drawn: NDArray[np.bool_] | None = None,
) -> tuple[dict[str, MapResult], VoronoiAccount]:
    """Maps of extensive quantities spread evenly over the true Voronoi cells.

    Parameters
    ----------
    position : (n, 3)
        Generators relative to the galaxy's centre [kpc], the neighbours of the cells in view among them.
    volume : (n,)
        Volumes of the cells [kpc^3].
    columns : (n, k)
        Extensive quantities, any unit.
    names : sequence of str
        What the k quantities are called.
    view : View
        Window, slab and pixels; any direction.
    drawn : (n,) bool, optional
        As of `deposit_voronoi`.

    Returns
    -------
    maps : dict
        `MapResult` by name. The closure compares the pixels with the cells' parts in view, known by the
        volumes of the clipped polyhedra. `total_selected` is of the cells near the window.
    account : VoronoiAccount
        What to judge them by.

    Raises
    ------
    InputError
        As `deposit_voronoi`.
    """
    quantities = plain("columns", columns)
    image, account = deposit_voronoi(
        *view.project(plain("position", position)), volume, quantities, view, drawn=drawn
    )
    selected, inside = (quantities.T @ share for share in (account.in_slab, account.in_view))
    modulus = np.abs(quantities).T @ account.in_view
    maps = {
        name: account_of(
            image[k] / view.pixel**2,
            float(image[k].sum()),
            float(inside[k]),
            float(modulus[k]),
            float(selected[k]),
            float(selected[k] - inside[k]),
            account.n_cells,
        )
        for k, name in enumerate(names)
    }
    return maps, account


def _checked(
    x: ArrayLike, y: ArrayLike, depth: ArrayLike, volume: ArrayLike, columns: ArrayLike
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Generators (n, 3), volumes (n,) and quantities (n, k)."""
    given = {"x": x, "y": y, "depth": depth, "volume": volume}
    lengths = [plain(name, values) for name, values in given.items()]
    quantities = plain("columns", columns)
    n = quantities.shape[0] if quantities.ndim == 2 else -1
    if any(array.shape != (n,) for array in lengths):
        sizes = ", ".join(
            f"{name} of shape {array.shape}" for name, array in zip(given, lengths, strict=True)
        )
        raise InputError("cells", f"{sizes}, columns of shape {quantities.shape}", "one row per cell")
    not_positive = np.count_nonzero(lengths[3] <= 0.0)
    if not_positive:
        raise InputError("volume", f"{not_positive} not above zero", "volumes in kpc^3")
    return np.stack(lengths[:3], axis=1), lengths[3], quantities


def _deposit_part(
    tree: Tree,
    own_volume: FloatArray,
    reach: FloatArray,
    quantities: FloatArray,
    view: View,
    begin: int,
    stop: int,
    volumes: FloatArray,
    cut_down: NDArray[np.bool_],
) -> tuple[FloatArray, int]:
    """Image (k, ny, nx) of cells begin ... stop - 1, and cuts given up; fills their rows of the last two."""
    image = np.zeros((quantities.shape[1], view.n_pixels, view.n_pixels))
    n_faces, failed = _FACES, 0
    while begin < stop:
        begin, given_up = deposit_cells(
            tree, own_volume, reach, quantities, 0.5 * view.width, 0.5 * view.depth, view.pixel,
            begin, stop, n_faces, image, volumes, cut_down,
        )  # fmt: skip
        n_faces, failed = 2 * n_faces, failed + given_up
    return image, failed


def _plant(point: FloatArray) -> tuple[Tree, NDArray[np.int64]]:
    """Tree of the points, which are sorted in place, and their former numbers."""
    order = np.arange(point.shape[0])
    n_leaves = 1
    while 2 * _POINTS_PER_LEAF * n_leaves <= point.shape[0]:
        n_leaves *= 2
    low, high = np.zeros((2, 2 * n_leaves, 3))
    if order.size:
        sort_into_tree(point, order, low, high)
    return Tree(point, low, high), order


def _account(
    volumes: FloatArray, own_volume: FloatArray, cut_down: NDArray[np.bool_], n_failed: int
) -> VoronoiAccount:
    whole = np.where(volumes[:, 0] > 0.0, volumes[:, 0], np.nan)
    in_slab, in_view = (np.nan_to_num(volumes[:, i] / whole) for i in (1, 2))
    ratio = whole / own_volume
    deviation = ratio[(in_view > 0.0) & ~cut_down] - 1.0
    return VoronoiAccount(
        in_slab=in_slab,
        in_view=in_view,
        volume_ratio=ratio,
        cut_down=cut_down,
        horizon=volumes[:, 3],
        n_cells=int(np.count_nonzero(in_view)),
        rms_rescaling=float(np.sqrt(np.mean(deviation**2))) if deviation.size else float("nan"),
        largest_rescaling=float(np.max(np.abs(deviation))) if deviation.size else float("nan"),
        n_cut_down=int(np.count_nonzero(cut_down & (in_view > 0.0))),
        n_failed_cuts=n_failed,
    )
