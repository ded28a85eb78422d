"""How the gas cells of one galaxy come onto the pixels of its views, chunk by chunk.

Octree leaves are drawn as they are, Voronoi cells as smoothing kernels; `true_cells` draws the cells.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simpost.core.errors import InputError
from simpost.maps.deposit import Depositor, MapResult
from simpost.maps.view import View
from simpost.snapshots.columns import Columns
from simpost.snapshots.galaxies import Galaxy
from simpost.snapshots.protocol import Snapshot
from simpost.snapshots.regions import Cube

Array = NDArray[np.float64]

LEAF_MARGIN = 1.2  # of the half-width: leaves beyond the window lend their gradients to those inside
KERNEL_MARGIN = 1.6  # the same for Voronoi cells at first; it grows until none outside matters
KERNEL_GROWTH = 1.5
LARGEST_MARGIN = 20.0
MOST_OF_BOX = 0.499  # of the periodic box: largest half-width of a region


class Deposits(ABC):
    """Cells on the pixels of every view of a galaxy; views are deposited by threads, each view by one.

    Attributes
    ----------
    region : Cube
        Where cells are read: the field of view and a margin around it.
    """

    region: Cube

    def __init__(self, views: tuple[View, ...], workers: int) -> None:
        self.views, self._workers = views, workers

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user must know of the deposits, once they are done."""
        return ()

    @abstractmethod
    def drawn(self, cells: Columns, start: int) -> NDArray[np.intp]:
        """Rows of a chunk that reach into a window, or into the cube of the maps' width.

        The chunk begins with cell number `start` of the region.
        """

    @abstractmethod
    def add(self, rows: NDArray[np.intp], state: Columns, quantities: Mapping[str, Array]) -> None:
        """Add drawn cells; `rows` (n,) are their numbers in the region."""

    @abstractmethod
    def maps(self) -> dict[str, dict[str, MapResult]]:
        """Maps by view and quantity; the images' memory is given back."""

    @abstractmethod
    def attributes(self, view: str) -> dict[str, Any]:
        """How the maps of a view were made, by the names of the product; known once they are."""

    def share_in_cube(self, rows: NDArray[np.intp], state: Columns) -> Array:
        """Part (n,) of drawn cells in the cube of the maps' width; here each as the cube of its volume."""
        half_width = 0.5 * self.views[0].width
        offset, half = np.abs(state["position"]), 0.5 * state["size"][:, None]
        overlap = np.minimum(offset + half, half_width) - np.maximum(offset - half, -half_width)
        return np.asarray(np.prod(np.clip(overlap / (2.0 * half), 0.0, 1.0), axis=1))


def half_width_of(snapshot: Snapshot, views: tuple[View, ...]) -> float:
    """Half the side [kpc] of the cube around the maps' cube and every window, turned as its view is.

    It may fill half the periodic box at most: beyond that, cells that reach across its seam would be cut.

    Raises
    ------
    InputError
        It is larger than that.
    """
    half_width = max(0.5 * views[0].width, *(float(view.half_extents.max()) for view in views))
    if 2.0 * half_width > 0.5 * snapshot.info.box_size:
        turned = "" if all(view.is_axis_aligned for view in views) else " (the field of view, turned)"
        raise InputError(
            "maps.width",
            f"{2.0 * half_width:g} kpc{turned}",
            f"at most half the box of {snapshot.info.box_size:.6g} kpc of {snapshot.info.path}",
        )
    return half_width


class _ChunkDeposits(Deposits):
    """Cells that need not know each other: each chunk is deposited when it comes."""

    def __init__(
        self, views: tuple[View, ...], names: Sequence[str], workers: int, kernel: str | None = None
    ) -> None:
        super().__init__(views, workers)
        of_kernel = {} if kernel is None else {"kernel": kernel}
        self._depositors = [Depositor(view, names, **of_kernel) for view in views]

    def _reaching(self, cells: Columns, reaches: Sequence[float]) -> NDArray[np.bool_]:
        """Which cells reach into a window, or into the cube; `reaches`, in sizes, one for each view."""
        position, size = cells["position"], cells["size"]
        drawn = np.asarray(np.abs(position).max(axis=1) - 0.5 * size < 0.5 * self.views[0].width)
        for view, reach in zip(self.views, reaches, strict=True):
            rest = np.flatnonzero(~drawn)
            drawn[rest] = view.touches(position[rest], reach * size[rest])
        return drawn

    def _in_threads(self, add: Callable[[Depositor], None]) -> None:
        with ThreadPoolExecutor(self._workers) as pool:
            list(pool.map(add, self._depositors))

    def maps(self) -> dict[str, dict[str, MapResult]]:
        """Maps by view and quantity; the images go as they are made."""
        maps = {}
        while self._depositors:  # an image goes when its maps are made: memory holds all maps and one image
            depositor = self._depositors.pop(0)
            maps[depositor.view.name] = depositor.finish()
        return maps


class LeafDeposits(_ChunkDeposits):
    """Octree leaves, exact whatever `maps.kernel` says."""

    def __init__(
        self,
        snapshot: Snapshot,
        galaxy: Galaxy,
        views: tuple[View, ...],
        names: Sequence[str],
        kernel: str,
        workers: int,
    ) -> None:
        super().__init__(views, names, workers)
        self._kernel = kernel
        self.region = Cube(galaxy.centre, LEAF_MARGIN * half_width_of(snapshot, views))

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user must know of the deposits."""
        asked_for = self._kernel == "voronoi"
        return ("maps.kernel voronoi: octree leaves are drawn as they are in any case",) if asked_for else ()

    def drawn(self, cells: Columns, start: int) -> NDArray[np.intp]:
        """Rows of a chunk that reach into a window, or into the cube of the maps' width."""
        return np.flatnonzero(self._reaching(cells, [0.5 * view.cube_extent for view in self.views]))

    def add(self, rows: NDArray[np.intp], state: Columns, quantities: Mapping[str, Array]) -> None:
        """Add drawn cells of a chunk."""
        position, size = state["position"], state["size"]
        self._in_threads(lambda depositor: depositor.add_leaves(position, size, quantities))

    def attributes(self, view: str) -> dict[str, Any]:
        """How the maps of a view were made."""
        return {"depositor": "exact overlap of leaves"}


class KernelDeposits(_ChunkDeposits):
    """Voronoi cells as smoothing kernels.

    They are much wider than the cells, so the region grows until the outermost cells in it no longer
    reach a window.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        galaxy: Galaxy,
        views: tuple[View, ...],
        names: Sequence[str],
        kernel: str,
        workers: int,
    ) -> None:
        super().__init__(views, names, workers, kernel)
        self._support = self._depositors[0].kernel.h_over_r_cell
        self._kernel, self._left_out = kernel, ""
        half_width = half_width_of(snapshot, views)
        largest = min(LARGEST_MARGIN * half_width, MOST_OF_BOX * snapshot.info.box_size)
        extent = KERNEL_MARGIN * half_width
        while True:
            self.region = Cube(galaxy.centre, min(extent, largest))
            if self._farthest(snapshot) * KERNEL_GROWTH <= self.region.half_width:
                return
            if self.region.half_width >= largest:
                self._left_out = f"kernels of cells beyond {largest:.4g} kpc may reach the maps: left out"
                return
            extent *= KERNEL_GROWTH

    def _farthest(self, snapshot: Snapshot) -> float:
        """Largest distance along an axis [kpc] of a cell whose kernel reaches into a window."""
        farthest = 0.0
        for chunk in snapshot.gas_chunks(self.region, ("position", "size")):
            drawn = self.drawn(chunk, 0)
            farthest = max(farthest, float(np.abs(chunk["position"][drawn]).max(initial=0.0)))
        return farthest

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user must know of the deposits."""
        return (self._left_out,) if self._left_out else ()

    def drawn(self, cells: Columns, start: int) -> NDArray[np.intp]:
        """Rows of a chunk that reach into a window, or into the cube of the maps' width."""
        reach = float(self._support * np.cbrt(0.75 / np.pi))
        return np.flatnonzero(self._reaching(cells, [reach] * len(self.views)))

    def add(self, rows: NDArray[np.intp], state: Columns, quantities: Mapping[str, Array]) -> None:
        """Add drawn cells of a chunk."""
        position, radius = state["position"], np.cbrt(0.75 / np.pi) * state["size"]
        self._in_threads(lambda depositor: depositor.add_cells(position, radius, quantities))

    def attributes(self, view: str) -> dict[str, Any]:
        """How the maps of a view were made."""
        return {
            "depositor": "pixel-integrated smoothing kernel",
            "kernel": self._kernel,
            "support_over_r_cell": self._support,
        }
