"""The true Voronoi cells of one galaxy on the pixels of its views.

A cell is known only when all its neighbours are: the region grows until no generator outside it could
still cut a cell in view. All cells of the region are in memory at once, with what they hold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simpost.maps.deposit import MapResult
from simpost.maps.view import View
from simpost.maps.voronoi import VoronoiAccount, deposit_voronoi, voronoi_maps
from simpost.pipeline.deposits import (
    KERNEL_GROWTH,
    KERNEL_MARGIN,
    MOST_OF_BOX,
    Deposits,
    half_width_of,
)
from simpost.pipeline.views import refuse_beyond_memory
from simpost.snapshots.columns import Columns
from simpost.snapshots.galaxies import Galaxy
from simpost.snapshots.protocol import Snapshot
from simpost.snapshots.regions import Cube

Array = NDArray[np.float64]

BYTES_PER_CELL = 250  # of a view being drawn, besides the quantities: tree, volumes, order


class TrueCellDeposits(Deposits):
    """Voronoi cells as polyhedra.

    Parameters
    ----------
    names : sequence of str
        The extensive quantities that `add` will bring.

    Raises
    ------
    InputError
        The cells with their quantities need more memory than there is.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        galaxy: Galaxy,
        views: tuple[View, ...],
        names: Sequence[str],
        workers: int,
    ) -> None:
        super().__init__(views, workers)
        self._names, self._done = tuple(names), dict[str, VoronoiAccount]()
        half_width = half_width_of(snapshot, views)
        self._read(snapshot, galaxy, half_width)
        self._is_drawn, self._share = self._around.in_view > 0.0, self._around.in_view
        if half_width > 0.5 * views[0].width:
            self._share = self._in_box(0.5 * views[0].width, self._is_drawn).in_view
        self._check_memory()
        self._columns = np.zeros((self._volume.size, len(self._names)))

    def _read(self, snapshot: Snapshot, galaxy: Galaxy, half_width: float) -> None:
        """Choose the region around the box of `half_width` that holds all views, and read its cells."""
        largest = MOST_OF_BOX * snapshot.info.box_size
        extent = KERNEL_MARGIN * half_width
        while True:
            self.region = Cube(galaxy.centre, min(extent, largest))
            position, size = _geometry(snapshot, self.region)
            self._position, self._volume = position, size**3
            self._around = self._in_box(half_width)
            needed = float(self._around.horizon[self._around.in_view > 0.0].max(initial=0.0))
            if needed <= self.region.half_width or self.region.half_width >= largest:
                return
            # a cell that lacks neighbours seems to need far more than it does
            extent = min(KERNEL_GROWTH * self.region.half_width, 1.01 * needed)

    def _in_box(self, half_width: float, drawn: NDArray[np.bool_] | None = None) -> VoronoiAccount:
        """The cells in a cube around the galaxy."""
        side = 2.0 * half_width
        box, nothing = View.named("z", side, side, side), np.empty((self._volume.size, 0))
        place = box.project(self._position)
        return deposit_voronoi(*place, self._volume, nothing, box, self._workers, drawn)[1]

    def _check_memory(self) -> None:
        n, quantities = self._volume.size, len(self._names)
        at_once = min(self._workers, len(self.views))
        needed = n * (8 * quantities + at_once * (8 * quantities + BYTES_PER_CELL))
        refuse_beyond_memory(
            "maps.kernel voronoi",
            f"{n} cells with {quantities} quantities, {at_once} view(s) at once",
            needed,
            "take another kernel, a smaller field of view, or fewer workers",
        )

    def drawn(self, cells: Columns, start: int) -> NDArray[np.intp]:
        """Rows of a chunk that reach into a window, or into the cube of the maps' width."""
        return np.flatnonzero(self._is_drawn[start : start + cells.size])

    def share_in_cube(self, rows: NDArray[np.intp], state: Columns) -> Array:
        """Part (n,) of drawn cells in the cube of the maps' width."""
        return self._share[rows]

    def add(self, rows: NDArray[np.intp], state: Columns, quantities: Mapping[str, Array]) -> None:
        """Add drawn cells of a chunk."""
        for k, name in enumerate(self._names):
            self._columns[rows, k] = quantities[name]

    def maps(self) -> dict[str, dict[str, MapResult]]:
        """Maps by view and quantity; the images go as they are made."""

        def draw(view: View) -> dict[str, MapResult]:
            maps, self._done[view.name] = voronoi_maps(
                self._position, self._volume, self._columns, self._names, view, self._is_drawn
            )
            return maps

        with ThreadPoolExecutor(self._workers) as pool:
            maps = list(pool.map(draw, self.views))
        return {view.name: of_view for view, of_view in zip(self.views, maps, strict=True)}

    def attributes(self, view: str) -> dict[str, Any]:
        """How the maps of a view were made."""
        account = self._done[view]
        return {
            "depositor": "true Voronoi cells",
            "kernel": "voronoi",
            "rms_rescaling": account.rms_rescaling,
            "n_cut_down": account.n_cut_down,
            "n_failed_cuts": account.n_failed_cuts,
        }

    @property
    def notes(self) -> tuple[str, ...]:
        """Cells in the box around all views that are not the true ones, with their share of the gas there."""
        half_width, found = self.region.half_width, []
        open_cells = (self._around.horizon > half_width) & self._is_drawn & ~self._around.cut_down
        if np.any(open_cells):
            found.append(
                f"{self._counted(open_cells)} may have neighbours beyond {half_width:.4g} kpc, not read"
            )
        if self._around.n_cut_down:
            cut_down = self._counted(self._around.cut_down & self._is_drawn)
            found.append(f"{cut_down} lack neighbours or share their generator: cut down to their own volume")
        n_failed = sum(account.n_failed_cuts for account in self._done.values())
        if n_failed:
            found.append(f"{n_failed} cuts given up for rounding: as many cells are too large")
        return tuple(f"true Voronoi cells: {line}" for line in found)

    def _counted(self, which: NDArray[np.bool_]) -> str:
        mass = self._columns[:, self._names.index("gas")] * self._around.in_view
        share = mass[which].sum() / mass.sum() if mass.sum() > 0.0 else 0.0
        return f"{np.count_nonzero(which)} of {self._around.n_cells} cells ({share:.2g} of the gas)"


def _geometry(snapshot: Snapshot, region: Cube) -> tuple[Array, Array]:
    """Generators (n, 3) relative to the region's centre and sizes (n,) of its cells [kpc]."""
    position, size = [np.empty((0, 3))], [np.empty(0)]
    for chunk in snapshot.gas_chunks(region, ("position", "size")):
        position.append(chunk["position"])
        size.append(chunk["size"])
    return np.concatenate(position), np.concatenate(size)
