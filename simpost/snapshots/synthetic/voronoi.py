"""Volumes of the Voronoi cells of points in a periodic box."""

from __future__ import annotations

from itertools import chain, product

import numpy as np
from scipy.spatial import Voronoi

from simpost.core.errors import InputError
from simpost.snapshots.synthetic.galaxy import Array
from simpost.snapshots.synthetic.octree import Integers


def periodic_voronoi_volumes(points: Array, box: float, margin: float) -> Array:
    """Volume of every point's Voronoi cell in the periodic box [0, box)^3, shape (n,).

    Images of the points within `margin` of a face are added on the other side; `margin` must exceed
    twice the largest distance from a border cell's generator to its vertices.

    Raises
    ------
    InputError
        The cells do not fill the box to 1e-9, so `margin` was too small.
    """
    images = [points + box * np.array(shift) for shift in product((-1, 0, 1), repeat=3) if any(shift)]
    around = np.concatenate(images)
    around = around[((around > -margin) & (around < box + margin)).all(axis=1)]
    diagram = Voronoi(np.concatenate([points, around]))
    volumes = _cell_volumes(diagram, len(points))
    if abs(volumes.sum() / box**3 - 1.0) > 1e-9:
        found = f"cells filling {volumes.sum() / box**3:.12f} of the box"
        raise InputError("margin", found, "1", "use more background cells")
    return volumes


def _cell_volumes(diagram: Voronoi, count: int) -> Array:
    """Sum over a cell's faces of pyramids: face area times half the distance to the neighbour, over 3.

    Faces are convex polygons with vertices in order (Qhull writes them so in three dimensions).
    """
    pairs = diagram.ridge_points
    inner = (pairs < count).any(axis=1)
    faces = [diagram.ridge_vertices[i] for i in np.flatnonzero(inner)]
    pairs = pairs[inner]
    length: Integers = np.fromiter(map(len, faces), dtype=np.int64, count=len(faces))
    vertices: Integers = np.fromiter(chain.from_iterable(faces), dtype=np.int64, count=int(length.sum()))

    # area vector of a polygon: half the sum of cross products of consecutive vertices, about the first
    face = np.repeat(np.arange(len(faces)), length)
    start = np.cumsum(length) - length
    following = np.arange(1, len(vertices) + 1)
    following[start + length - 1] = start
    corner = diagram.vertices[vertices] - diagram.vertices[vertices[start]][face]
    cross = np.cross(corner, corner[following])
    area = 0.5 * np.linalg.norm(np.add.reduceat(cross, start, axis=0), axis=1)

    distance = np.linalg.norm(diagram.points[pairs[:, 0]] - diagram.points[pairs[:, 1]], axis=1)
    pyramid = area * distance / 6.0
    total = np.bincount(pairs.ravel(), weights=np.repeat(pyramid, 2), minlength=count)
    return np.asarray(total[:count], dtype=float)
