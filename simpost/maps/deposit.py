"""Put cells on the pixels of a view and account for every bit of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simpost.core.errors import InputError, nearest_name
from simpost.maps import swiftsimio_backends
from simpost.maps.amr_kernels import BLOCK, deposit_leaves, per_area
from simpost.maps.checks import column, plain
from simpost.maps.closure_kernels import select_cells
from simpost.maps.images import padded_image
from simpost.maps.oblique import deposit_oblique
from simpost.maps.pyramid import NODE_WEIGHTS, NODES, Pyramid
from simpost.maps.smoothing import smoothing_kernel
from simpost.maps.view import View

FloatArray = NDArray[np.float64]

PYRAMID, PIXEL_INTEGRATED = "pyramid", "pixel_integrated"
_CELLS_AT_ONCE = 16384  # their places and shares fit the cache


@dataclass(frozen=True)
class MapResult:
    """A map and the account of what it holds.

    Parameters
    ----------
    values : (ny, nx)
        Quantity per kpc^2, row 0 at the bottom.
    closure : float
        (sum of the map x pixel area - Q_view) / Q_view, where Q_view is the sum over the selected
        cells of their quantity times their share inside the field of view, computed without the
        pixels. For quantities of either sign the denominator is the sum of moduli. NaN if there is
        nothing to compare.
    closure_reason : str
        Why `closure` is NaN; empty otherwise.
    total_selected : float
        Sum of the quantity inside the slab of depth (leaves: the part of them inside).
    total_outside_fov : float
        What of `total_selected` lies beside the field of view and is not on the map.
    n_cells : int
        Cells (or points) that lie at least partly inside slab and field of view.
    """

    values: FloatArray
    closure: float
    closure_reason: str
    total_selected: float
    total_outside_fov: float
    n_cells: int


class Depositor:
    """Accumulates chunks of leaves, smoothed cells or points on the pixels of one view.

    Memory is one image per quantity. Positions are relative to the galaxy's centre. Slab and window
    are half-open: a point on the far edge is outside.

    Parameters
    ----------
    view : View
        Window, slab and pixels.
    quantities : sequence of str
        Names of the extensive quantities that every chunk will bring.
    kernel : str
        Smoothing kernel of `add_cells`, see `smoothing.KERNELS`; default "s25" (Shen+2025).
    backend : str
        How `add_cells` deposits: "pixel_integrated" (default) integrates every kernel over every pixel (to
        5e-5 of its peak, its mass inside the window to 1e-6; below 1e-5 of the peak a kernel's rim is dark),
        and maps add up; "pyramid" does so for kernels of H up to 7.5 pixels, and integrates wider ones over
        larger pixels, which are then split: faster where kernels are tens of pixels wide, with the same
        mass, and where tens of kernels overlap good to 0.1 % a pixel, but a lone wide kernel may be 5 % off
        at its peak, the faintest rim of a galaxy by more, and there maps do not add up exactly; or a backend
        of swiftsimio, as a check.

    Raises
    ------
    InputError
        Unknown kernel or backend, or a backend of swiftsimio with a kernel that is not its own W2.
    """

    def __init__(
        self, view: View, quantities: Sequence[str], kernel: str = "s25", backend: str = PIXEL_INTEGRATED
    ) -> None:
        known = [PYRAMID, PIXEL_INTEGRATED, *swiftsimio_backends.BACKENDS]
        if backend not in known:
            raise InputError("backend", f"'{backend}'", "a deposit backend", nearest_name(backend, known))
        self.view = view
        self.kernel = smoothing_kernel(kernel)
        self.backend = backend
        if backend in swiftsimio_backends.BACKENDS and self.kernel.shape != 0:
            raise InputError("kernel", f"'{kernel}'", f"'s25', the only one backend '{backend}' knows")
        self._names = tuple(quantities)
        if not self._names or len(set(self._names)) != len(self._names):
            raise InputError("quantities", str(list(self._names)), "one or more different names")
        self._direct: FloatArray | None = None
        n_blocks = view.n_pixels // BLOCK
        self._blocks = np.zeros((len(self._names), 3, n_blocks, n_blocks))
        self._selected, self._inside, self._modulus, self._outside = np.zeros((4, len(self._names)))
        self._n_cells = 0
        self._pyramid: Pyramid | None = None

    def add_leaves(self, position: ArrayLike, size: ArrayLike, quantities: Mapping[str, ArrayLike]) -> None:
        """Add octree leaves by their overlap with pixels and slab, seen from any direction.

        Along the coordinate axes the overlap is exact. In other directions wide leaves and leaves
        cut by the slab are integrated exactly, the others by tables: see `oblique.deposit_oblique`.

        Parameters
        ----------
        position : (n, 3)
            Leaf centres [kpc].
        size : (n,)
            Leaf sides [kpc].
        quantities : mapping of name to (n,)
            Extensive quantities, any unit.

        Raises
        ------
        InputError
            Shapes, names or values are wrong.
        """
        position, size, columns = self._chunk(position, size, "size", quantities)
        view, totals = self.view, np.zeros((3, len(self._names)))
        if view.is_axis_aligned:
            axes = np.rint((view.right, view.up, view.line_of_sight))
            lengths = 0.5 * view.width, 0.5 * view.depth
            n_cells = deposit_leaves(
                position, size, columns, axes, *lengths, self._image, self._blocks, totals
            )
        else:
            n_cells = deposit_oblique(view, position, size, columns, self._image, self._blocks, totals)
        self._account(totals)
        self._n_cells += int(n_cells)

    def add_cells(self, position: ArrayLike, r_cell: ArrayLike, quantities: Mapping[str, ArrayLike]) -> None:
        """Add Voronoi cells as smoothing kernels; a cell is in the slab when its centre is.

        Parameters
        ----------
        position : (n, 3)
            Generators [kpc].
        r_cell : (n,)
            Radii (3 V/4 pi)^(1/3) of the cells [kpc]; the kernel's H is a fixed multiple of them.
        quantities : mapping of name to (n,)
            Extensive quantities, any unit.

        Raises
        ------
        InputError
            Shapes, names or values are wrong.
        """
        position, r_cell, columns = self._chunk(position, r_cell, "r_cell", quantities)
        view, at_once = self.view, max(len(r_cell), 1)
        if self.backend in (PYRAMID, PIXEL_INTEGRATED):
            at_once = min(at_once, _CELLS_AT_ONCE)
            if self._pyramid is None:
                is_one_level = self.backend == PIXEL_INTEGRATED
                self._pyramid = Pyramid(len(self._names), view.n_pixels, self.kernel.shape, is_one_level)
        axes = np.array((view.right, view.up, view.line_of_sight))
        numbers = np.empty((4, at_once))
        row, totals = np.empty(at_once, np.int64), np.zeros((3, len(self._names)))
        for start in range(0, len(r_cell), at_once):
            part = slice(start, start + at_once)
            n = select_cells(
                position[part], r_cell[part], columns[part], axes, 0.5 * view.width, 0.5 * view.depth,
                self.kernel.h_over_r_cell, self.kernel.shape, NODES, NODE_WEIGHTS, row, *numbers, totals,
            )  # fmt: skip
            self._n_cells += int(n)
            if self._pyramid:
                cells = row[:n], *numbers[:, :n]
                self._pyramid.add(cells, columns[part], 0.5 * view.width, view.pixel)
            else:
                x, y, support, _ = numbers[:, :n]
                for k in range(len(self._names)):
                    self._unpadded[k] += swiftsimio_backends.deposit(
                        self.backend, view, x, y, support, columns[row[:n], k]
                    )
        self._account(totals)

    def add_points(self, position: ArrayLike, quantities: Mapping[str, ArrayLike]) -> None:
        """Add points (stars) to the pixels they lie in.

        Parameters
        ----------
        position : (n, 3)
            Positions [kpc].
        quantities : mapping of name to (n,)
            Extensive quantities, any unit.

        Raises
        ------
        InputError
            Shapes, names or values are wrong.
        """
        position, _, columns = self._chunk(position, None, "", quantities)
        x, y, depth = self.view.project(position)
        selected = self._in_slab(depth)
        x, y, columns = x[selected], y[selected], columns[selected]
        half_width, n_pixels = 0.5 * self.view.width, self.view.n_pixels
        inside = (x >= -half_width) & (x < half_width) & (y >= -half_width) & (y < half_width)
        self._record(columns, inside.astype(float))
        edges = self.view.edges()[1:-1]
        pixel = np.searchsorted(edges, y[inside], side="right") * n_pixels
        pixel += np.searchsorted(edges, x[inside], side="right")
        for k in range(len(self._names)):
            counts = np.bincount(pixel, weights=columns[inside, k], minlength=n_pixels**2)
            self._unpadded[k] += counts.reshape(n_pixels, n_pixels)

    def finish(self) -> dict[str, MapResult]:
        """Return the map of every quantity [per kpc^2] with its closure.

        More chunks may follow; on the pyramid, what comes later is split by itself.
        """
        return {name: self._result(k) for k, name in enumerate(self._names)}

    def _result(self, k: int) -> MapResult:
        values, total = self._pixels(k)
        inside, modulus = float(self._inside[k]), float(self._modulus[k])
        selected, outside = float(self._selected[k]), float(self._outside[k])
        return account_of(values, total, inside, modulus, selected, outside, self._n_cells)

    def _pixels(self, k: int) -> tuple[FloatArray, float]:
        """Quantity per kpc^2, (ny, nx), and its sum over the pixels."""
        n_pixels, pixels_per_area = self.view.n_pixels, self.view.pixel**-2
        if self._pyramid is not None and self._direct is None:
            return self._pyramid.map(k, pixels_per_area)
        values = np.empty((n_pixels, n_pixels))
        total = per_area(self._image[k], self._blocks[k], pixels_per_area, values)
        if self._pyramid is not None:
            smoothed, total_smoothed = self._pyramid.map(k, pixels_per_area)
            values += smoothed
            total += total_smoothed
        return values, total

    @property
    def _image(self) -> FloatArray:
        """Pixels (k, ny, stride) of everything but our own smoothed cells, which the pyramid holds."""
        if self._direct is None:
            self._direct = padded_image(len(self._names), self.view.n_pixels)
        return self._direct

    @property
    def _unpadded(self) -> FloatArray:
        """The same, (k, ny, nx)."""
        return self._image[:, :, : self.view.n_pixels]

    def _in_slab(self, depth: FloatArray) -> NDArray[np.bool_]:
        half_depth = 0.5 * self.view.depth
        return np.asarray((depth >= -half_depth) & (depth < half_depth))

    def _record(self, columns: FloatArray, share: FloatArray) -> None:
        """Account for a chunk: `share` is the part of each cell inside the field of view."""
        self._account(np.array((share @ columns, share @ np.abs(columns), (1.0 - share) @ columns)))
        self._n_cells += int(np.count_nonzero(share))

    def _account(self, totals: FloatArray) -> None:
        """Add what lies inside the field of view, its modulus and what lies beside it, (3, k)."""
        self._selected += totals[0] + totals[2]
        self._inside += totals[0]
        self._modulus += totals[1]
        self._outside += totals[2]

    def _chunk(
        self,
        position: ArrayLike,
        radius: ArrayLike | None,
        radius_name: str,
        quantities: Mapping[str, ArrayLike],
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Checked float64 arrays: position (n, 3), size or radius (n,), quantities (n, k)."""
        position = plain("position", position)
        if position.ndim != 2 or position.shape[1] != 3:
            raise InputError("position", f"shape {position.shape}", "shape (n, 3)")
        n = position.shape[0]
        length = np.ones(n) if radius is None else column(radius_name, radius, n)
        if np.any(length <= 0.0):
            found = f"{np.count_nonzero(length <= 0.0)} values not above zero"
            raise InputError(radius_name, found, "positive lengths in kpc")
        for name in quantities:
            if name not in self._names:
                remedy = nearest_name(name, list(self._names))
                raise InputError(f"quantity '{name}'", "no map of that name", "a declared quantity", remedy)
        for name in self._names:
            if name not in quantities:
                raise InputError(f"quantity '{name}'", "no column", "a column in every chunk")
        each = [column(f"quantity '{name}'", quantities[name], n) for name in self._names]
        columns = np.stack(each, axis=1) if len(each) > 1 else each[0][:, None]  # one needs no copy
        return position, length, columns


def account_of(
    values: FloatArray,
    total: float,
    inside: float,
    modulus: float,
    selected: float,
    outside: float,
    n_cells: int,
) -> MapResult:
    """A map with its closure.

    Parameters
    ----------
    values : (ny, nx)
        Quantity per kpc^2.
    total : float
        Sum over the pixels, of the quantity itself.
    inside, modulus : float
        Sum of what the cells put into the field of view, known without pixels, and of its moduli.
    selected, outside : float
        What lies in the slab, and what of it beside the field of view.
    n_cells : int
        Cells at least partly inside.
    """
    closure, reason = float("nan"), ""
    if n_cells == 0:
        reason = "no cells"
    elif modulus == 0.0:
        reason = "quantity is zero in every cell"
    else:
        closure = (total - inside) / modulus
    return MapResult(values, closure, reason, selected, outside, n_cells)


def ratio_map(weighted: MapResult, weight: MapResult) -> FloatArray:
    """Weighted mean <q>_w per pixel: map of q w over map of w, NaN where the map of w is zero.

    Parameters
    ----------
    weighted, weight : MapResult
        Maps of q w and of w from the same view, (ny, nx).
    """
    mean = np.full_like(weight.values, np.nan)
    np.divide(weighted.values, weight.values, out=mean, where=weight.values != 0.0)
    return mean
