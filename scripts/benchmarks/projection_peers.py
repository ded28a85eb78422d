"""What the projection benchmark compares with: the same maps by other packages.

Every peer is a function that draws one image (ny, nx) of surface density in a window around zero.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from benchmarks.projection_workload import Octree, Particles
from simpost.maps.view import View

Array = NDArray[np.float64]
Draw = Callable[[], Array]

GAMMA = 1.897367  # H/h of swiftsimio's projections


def swiftsimio(backend: str, some: Particles, n_pixels: int) -> Draw:
    """A projection backend of swiftsimio on the whole box, in the precision that it declares.

    Raises
    ------
    ImportError
        swiftsimio is not installed.
    """
    from swiftsimio.visualisation.projection_backends import backends

    x, y = (np.ascontiguousarray(some.position[:, axis] + 0.5) for axis in (0, 1))
    mass, length = some.mass.astype(np.float32), (some.support / GAMMA).astype(np.float32)
    scatter = partial(backends[backend], x=x, y=y, m=mass, h=length, res=n_pixels, box_x=0.0, box_y=0.0)
    return lambda: np.asarray(scatter(), dtype=float).T


def yt_dataset(tree: Octree, **fields: tuple[Array, str]) -> object:
    """Octree in the memory of yt, eight cells to a node as RAMSES has them; fields besides the density.

    Raises
    ------
    ImportError
        yt is not installed.
    """
    import yt

    yt.set_log_level("critical")
    yt.config.ytcfg["yt", "suppress_stream_logging"] = True  # progress bars, too
    columns = {"density": (tree.density, "g/cm**3"), **fields}
    return yt.load_octree(
        tree.node_is_split,
        {("stream", name): (values.reshape(-1, 8), unit) for name, (values, unit) in columns.items()},
        bbox=np.array([[-0.5, 0.5]] * 3),
        periodicity=(False, False, False),
        num_zones=2,
        partial_coverage=0,
    )


def yt_aligned(tree: Octree, n_pixels: int) -> Draw:
    """Projection of yt along z and fixed-resolution buffer; what yt keeps of the tree is not timed again."""
    dataset = yt_dataset(tree)

    def draw() -> Array:
        projection = dataset.proj(("gas", "density"), "z")  # type: ignore[attr-defined]
        buffer = projection.to_frb((1.0, "code_length"), n_pixels)
        return np.asarray(buffer["gas", "density"])

    return draw


def yt_oblique(tree: Octree, view: View) -> Draw:
    """`off_axis_projection` of yt, with the depth at which its images hold about the true mass."""
    dataset = yt_dataset(tree)
    from yt.visualization.volume_rendering.api import off_axis_projection

    width = [view.width, view.width, np.sqrt(3.0)]

    def draw() -> Array:
        image = off_axis_projection(
            dataset,
            [0.0, 0.0, 0.0],
            view.line_of_sight,
            width,
            view.n_pixels,
            ("gas", "density"),
            north_vector=view.up,
        )
        return np.asarray(image).T

    return draw


def level_histograms(tree: Octree, n_pixels: int) -> Draw:
    """One `histogram2d` of numpy per level, no finer than the image; exact for powers of two only."""
    level = np.rint(-np.log2(tree.size)).astype(int)
    x, y, mass = tree.position[:, 0], tree.position[:, 1], tree.mass

    def draw() -> Array:
        image = np.zeros((n_pixels, n_pixels))
        for this in np.unique(level):
            bins = min(2**this, n_pixels)
            of_level = level == this
            counts, _, _ = np.histogram2d(
                y[of_level], x[of_level], bins, ((-0.5, 0.5), (-0.5, 0.5)), weights=mass[of_level]
            )
            repeat = n_pixels // bins
            image += np.repeat(np.repeat(counts * bins**2, repeat, axis=0), repeat, axis=1)
        return image

    return draw
