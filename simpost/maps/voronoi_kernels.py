# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls
"""True Voronoi cells on pixels: each cell as a polyhedron, its faces integrated over the pixels they cross.

A cell starts as a cube around its generator and is cut by the bisectors towards other generators. A
generator cuts only if a vertex of the cell is nearer to it than to the cell's own generator, so branches of
a k-d tree whose box lies outside every sphere around a vertex through the generator are passed over: what
is left out cannot matter. The column of a cell is the sum over its faces of depth x signed projected area.

Polyhedra are simple: three faces meet in every vertex (where more do, vertices coincide). `owner[a, b]` is
the vertex whose faces, in order, hold b after a; the other end of the edge of a and b is `owner[b, a]`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from simpost.core.compile import kernel

NO_ROOM = -1
TOLERANCE = 1e-12  # of half the cube's side: vertices as near to a plane as that are not above it
ATTEMPTS = 5  # at a cut through vertices that coincide, each a little deeper
EXCESS = 0.1  # a polyhedron this much larger than the cell's own volume lacks neighbours and is cut down
CUT_DOWN_TOLERANCE = 1e-3  # of the volume
BISECTIONS = 24

X, Y, Z, ABOVE, NEW = 0, 1, 2, 3, 4  # rows of `vertex`; the new ones take three
REMOVED, EDGE = 3, 4  # rows of `corner` after the three faces
DEGREE, NEXT, FIRST = 0, 1, 2  # rows of `face`


class Polyhedron(NamedTuple):
    """One cell and the scratch to cut it; faces by number, positions relative to the generator."""

    vertex: np.ndarray  # (7, vertices) float64: x, y, z; distance above the cut; x, y, z of new vertices
    corner: (
        np.ndarray
    )  # (6, vertices) int64: the faces that meet, in order; what is removed; faces of new ones
    face: np.ndarray  # (3, faces) int64: vertices (0: free number); next face around the cut or -1; a vertex
    owner: np.ndarray  # (faces, faces) int32
    polygon: np.ndarray  # (6, points, 3) float64: faces and pieces of them
    failed: np.ndarray  # (1,) int64: cuts given up


class Tree(NamedTuple):
    """Balanced k-d tree: node k has the children 2k and 2k + 1; the last half of the nodes are leaves."""

    point: np.ndarray  # (n, 3) float64, in the order of the leaves
    low: np.ndarray  # (nodes, 3) float64: boxes
    high: np.ndarray


@kernel
def sort_into_tree(point, order, low, high):
    """Sort `point` (n, 3) and `order` (n,) in place into the leaves of a balanced tree; fill its boxes.

    low, high: (2 m, 3), m leaves, a power of two not above n; row 0 is not used.
    """
    n, width = point.shape[0], 1
    while width < low.shape[0]:
        for k in range(width):
            start, stop = k * n // width, (k + 1) * n // width
            for axis in range(3):
                low[width + k, axis] = np.min(point[start:stop, axis])
                high[width + k, axis] = np.max(point[start:stop, axis])
            if 2 * width < low.shape[0]:
                widest = np.argmax(high[width + k] - low[width + k])
                _divide(point, order, start, stop, (2 * k + 1) * n // (2 * width), widest)
        width *= 2


@kernel
def _divide(point, order, start, stop, middle, axis):
    """Rearrange rows start ... stop - 1 so that none before `middle` is above any after (quickselect)."""
    stop -= 1
    while start < stop:
        pivot = point[(start + stop) // 2, axis]
        i, j = start, stop
        while i <= j:
            while point[i, axis] < pivot:
                i += 1
            while point[j, axis] > pivot:
                j -= 1
            if i <= j:
                for c in range(3):
                    point[i, c], point[j, c] = point[j, c], point[i, c]
                order[i], order[j] = order[j], order[i]
                i += 1
                j -= 1
        if middle <= j:
            stop = j
        elif middle >= i:
            start = i
        else:
            return


@kernel
def _new_polyhedron(n_faces):
    """Scratch for cells of up to `n_faces` faces."""
    n_vertices = 2 * n_faces
    vertex, corner = np.empty((7, n_vertices)), np.empty((6, n_vertices), np.int64)
    face, owner = np.full((3, n_faces), -1), np.empty((n_faces, n_faces), np.int32)
    return Polyhedron(vertex, corner, face, owner, np.empty((6, 2 * n_faces + 16, 3)), np.zeros(1, np.int64))


@kernel
def _set_corner(corner, owner, v, a, b, c):
    corner[0, v], corner[1, v], corner[2, v] = a, b, c
    owner[a, b] = owner[b, c] = owner[c, a] = v


@kernel
def _start_cube(vertex, corner, face, owner, half):
    """Make the cell a cube of side 2 `half`, faces 0 ... 5 at +x, -x, +y, -y, +z, -z."""
    face[DEGREE, :6] = 4
    face[DEGREE, 6:] = 0
    for v in range(8):
        i, j, k = v & 1, v >> 1 & 1, v >> 2
        vertex[X, v], vertex[Y, v], vertex[Z, v] = half * (1 - 2 * i), half * (1 - 2 * j), half * (1 - 2 * k)
        if (i + j + k) % 2 == 0:
            _set_corner(corner, owner, v, i, 2 + j, 4 + k)
        else:
            _set_corner(corner, owner, v, i, 4 + k, 2 + j)
    return 8


@kernel(fused=True)
def _count_above(vertex, n, normal_x, normal_y, normal_z, offset, tolerance):
    """Fill row ABOVE; the number of vertices above the plane normal . x = offset."""
    count = 0
    for v in range(np.uint64(n)):
        above = normal_x * vertex[X, v] + normal_y * vertex[Y, v] + normal_z * vertex[Z, v] - offset
        vertex[ABOVE, v] = above
        count += above > tolerance
    return count


@kernel
def _cut(vertex, corner, face, owner, failed, n, normal_x, normal_y, normal_z, offset, tolerance):
    """Cut off what lies above normal . x = offset (unit normal); the new number of vertices or NO_ROOM."""
    deeper = tolerance
    for _ in range(ATTEMPTS):
        n_above = _count_above(vertex, n, normal_x, normal_y, normal_z, offset, tolerance)
        if n_above == 0:
            return n
        if n_above == n:
            return 0
        n_new = _find_rim(vertex, corner, face, owner, n, tolerance)
        if n_new > 0:
            return _replace(vertex, corner, face, owner, n, n_above, n_new)
        # rounding has scattered vertices that coincide to both sides: a deeper cut takes all of them
        offset -= deeper
        deeper *= 10.0
    failed[0] += 1
    return n


@kernel
def _find_rim(vertex, corner, face, owner, n, tolerance):
    """List the vertices above the plane and make the new ones, where edges cross it.

    Returns the number of new ones, or 0 if they do not form one closed polygon.
    """
    n_removed, n_new, is_simple = 0, 0, True
    for v in range(n):
        above = vertex[ABOVE, v]
        if above <= tolerance:
            continue
        corner[REMOVED, n_removed] = v
        n_removed += 1
        for c in range(3):
            a, b = corner[c, v], corner[c + 1 if c < 2 else 0, v]
            w = owner[b, a]
            if vertex[ABOVE, w] > tolerance:
                continue
            if face[NEXT, a] >= 0:
                is_simple = False
                continue
            face[NEXT, a] = b
            corner[EDGE, n_new], corner[EDGE + 1, n_new] = a, b
            t = max(vertex[ABOVE, w] / (vertex[ABOVE, w] - above), 0.0)
            for axis in range(3):
                vertex[NEW + axis, n_new] = vertex[axis, w] + t * (vertex[axis, v] - vertex[axis, w])
            n_new += 1
    start = corner[EDGE, 0]
    length, around = 1, face[NEXT, start]
    while around >= 0 and around != start and length < n_new:
        around = face[NEXT, around]
        length += 1
    for k in range(n_new):
        face[NEXT, corner[EDGE, k]] = -1
    return n_new if is_simple and n_new > 2 and length == n_new and around == start else 0


@kernel
def _replace(vertex, corner, face, owner, n, n_removed, n_new):
    """Put the new vertices and the face between them in the place of the removed ones."""
    number = 0
    while number < face.shape[1] and face[DEGREE, number] > 0:
        number += 1
    if number == face.shape[1]:
        return NO_ROOM
    for k in range(n_removed):
        v = corner[REMOVED, k]
        for c in range(3):
            face[DEGREE, corner[c, v]] -= 1
    face[DEGREE, number] = n_new
    for k in range(n_new):
        v = corner[REMOVED, k] if k < n_removed else n + k - n_removed
        a, b = corner[EDGE, k], corner[EDGE + 1, k]
        face[DEGREE, a] += 1
        face[DEGREE, b] += 1
        _set_corner(corner, owner, v, a, b, number)
        for axis in range(3):
            vertex[axis, v] = vertex[NEW + axis, k]
    n += n_new - n_removed
    # holes that are left are filled from the end, the last hole first
    for k in range(n_removed - 1, n_new - 1, -1):
        hole, last = corner[REMOVED, k], n + k - n_new
        if hole != last:
            _set_corner(corner, owner, hole, corner[0, last], corner[1, last], corner[2, last])
            for axis in range(3):
                vertex[axis, hole] = vertex[axis, last]
    return n


@kernel(fused=True)
def _is_reached(vertex, n, low_x, high_x, low_y, high_y, low_z, high_z):
    """Whether a point of the box (relative to the generator) may be nearer to a vertex than the generator."""
    near = 0
    for v in range(np.uint64(n)):
        x, y, z = vertex[X, v], vertex[Y, v], vertex[Z, v]
        dx, dy, dz = (
            max(low_x - x, x - high_x, 0.0),
            max(low_y - y, y - high_y, 0.0),
            max(low_z - z, z - high_z, 0.0),
        )
        near += dx * dx + dy * dy + dz * dz < x * x + y * y + z * z
    return near > 0


@kernel
def _distance(low, high, node, x, y, z):
    """Squared distance of a point from the box of a node."""
    dx = max(low[node, 0] - x, x - high[node, 0], 0.0)
    dy = max(low[node, 1] - y, y - high[node, 1], 0.0)
    dz = max(low[node, 2] - z, z - high[node, 2], 0.0)
    return dx * dx + dy * dy + dz * dz


@kernel
def _carve(cell, tree, g, half, tolerance, stack):
    """Make the cell of generator g inside a cube of side 2 `half`; the number of vertices or NO_ROOM."""
    vertex, corner, face, owner, failed = cell.vertex, cell.corner, cell.face, cell.owner, cell.failed
    point, low, high = tree.point, tree.low, tree.high
    n_points, n_leaves = point.shape[0], low.shape[0] // 2
    n = _start_cube(vertex, corner, face, owner, half)
    x, y, z = point[g, 0], point[g, 1], point[g, 2]
    stack[0], top = 1, 1
    while top > 0:
        top -= 1
        node = stack[top]
        if not _is_reached(
            vertex, n, low[node, 0] - x, high[node, 0] - x, low[node, 1] - y, high[node, 1] - y,
            low[node, 2] - z, high[node, 2] - z,
        ):  # fmt: skip
            continue
        if node < n_leaves:
            near = 2 * node
            if _distance(low, high, near, x, y, z) > _distance(low, high, near + 1, x, y, z):
                near += 1
            stack[top], stack[top + 1] = near ^ 1, near
            top += 2
            continue
        leaf = node - n_leaves
        for i in range(leaf * n_points // n_leaves, (leaf + 1) * n_points // n_leaves):
            dx, dy, dz = point[i, 0] - x, point[i, 1] - y, point[i, 2] - z
            distance = math.sqrt(dx * dx + dy * dy + dz * dz)
            if distance > 0.0:
                per = 1.0 / distance
                n = _cut(
                    vertex,
                    corner,
                    face,
                    owner,
                    failed,
                    n,
                    dx * per,
                    dy * per,
                    dz * per,
                    0.5 * distance,
                    tolerance,
                )
                if n == NO_ROOM:
                    return n
    return n


@kernel
def _trace(cell, number, polygon, shift_x, shift_y, per_pixel):
    """Write the corners of a face, (x + shift) per_pixel and z, in order; their number."""
    v, m = cell.face[FIRST, number], 0
    while True:
        polygon[m, 0] = (cell.vertex[X, v] + shift_x) * per_pixel
        polygon[m, 1] = (cell.vertex[Y, v] + shift_y) * per_pixel
        polygon[m, 2] = cell.vertex[Z, v]
        m += 1
        before = cell.corner[2, v]
        if cell.corner[1, v] == number:
            before = cell.corner[0, v]
        elif cell.corner[2, v] == number:
            before = cell.corner[1, v]
        v = cell.owner[number, before]
        if v == cell.face[FIRST, number]:
            return m


@kernel
def _list_faces(cell, n):
    """Note a vertex of each face; the number of faces (Euler, three edges in every vertex)."""
    for v in range(n):
        for c in range(3):
            cell.face[FIRST, cell.corner[c, v]] = v
    return n // 2 + 2


@kernel(fused=True)
def _column(polygon, m):
    """Integral of z over the projection of a polygon, positive where its corners run counter-clockwise."""
    total = 0.0
    for i in range(2, m):
        ax, ay = polygon[i - 1, 0] - polygon[0, 0], polygon[i - 1, 1] - polygon[0, 1]
        bx, by = polygon[i, 0] - polygon[0, 0], polygon[i, 1] - polygon[0, 1]
        total += (ax * by - ay * bx) * (polygon[0, 2] + polygon[i - 1, 2] + polygon[i, 2])
    return total / 6.0


@kernel
def _volume(cell, n):
    """Volume of the cell, as it is now."""
    total, n_faces, face = 0.0, _list_faces(cell, n), 0
    while n_faces > 0:
        if cell.face[DEGREE, face] > 0:
            polygon = cell.polygon[0]
            total += _column(polygon, _trace(cell, face, polygon, 0.0, 0.0, 1.0))
            n_faces -= 1
        face += 1
    return total


@kernel
def _split(polygon, m, axis, position, low, high):
    """Divide a convex polygon at a coordinate; the corners of both parts."""
    n_low, n_high, before = 0, 0, m - 1
    for i in range(m):
        a, b = polygon[before, axis] - position, polygon[i, axis] - position
        if (a < 0.0 and b > 0.0) or (a > 0.0 and b < 0.0):
            t = a / (a - b)
            for c in range(3):
                value = polygon[before, c] + t * (polygon[i, c] - polygon[before, c])
                low[n_low, c] = high[n_high, c] = value
            low[n_low, axis] = high[n_high, axis] = position
            n_low += 1
            n_high += 1
        if b <= 0.0:
            low[n_low, 0], low[n_low, 1], low[n_low, 2] = polygon[i, 0], polygon[i, 1], polygon[i, 2]
            n_low += 1
        if b >= 0.0:
            high[n_high, 0], high[n_high, 1], high[n_high, 2] = polygon[i, 0], polygon[i, 1], polygon[i, 2]
            n_high += 1
        before = i
    return n_low, n_high


@kernel
def _pixel_range(polygon, m, axis, n_pixels):
    """First and last pixel that a polygon touches; rounding may carry it past the ends."""
    low = high = polygon[0, axis]
    for i in range(1, m):
        low, high = min(low, polygon[i, axis]), max(high, polygon[i, axis])
    first = min(max(math.floor(low), 0), n_pixels - 1)
    return first, min(max(math.ceil(high) - 1, first), n_pixels - 1)


@kernel
def _add_pixels(row, first, last, polygon, m, piece, rest):
    """Add the column of a polygon to pixels first ... last of a row, which it does not leave."""
    for i in range(first, last):
        n_piece, m_rest = _split(polygon, m, 0, i + 1.0, piece, rest)
        row[i] += _column(piece, n_piece)
        polygon, rest, m = rest, polygon, m_rest
    row[last] += _column(polygon, m)


@kernel
def _whole_pixels(polygon, m, bottom, top):
    """Pixels (start, stop) that a strip between two pixel edges covers from the lower to the upper one."""
    start, stop = -np.inf, np.inf
    for edge in (bottom, top):
        left, right = np.inf, -np.inf
        for i in range(m):
            if polygon[i, 1] == edge:
                left, right = min(left, polygon[i, 0]), max(right, polygon[i, 0])
        start, stop = max(start, left), min(stop, right)
    if start >= stop:
        return 0, 0
    return math.ceil(start), math.floor(stop)


@kernel
def _add_strip(row, j, strip, m, slope, piece, rest, other):
    """Add the column of a polygon that lies in row j; z rises by `slope` from pixel to pixel."""
    first, last = _pixel_range(strip, m, 0, row.size)
    start, stop = _whole_pixels(strip, m, float(j), j + 1.0)
    if stop - start < 3:
        _add_pixels(row, first, last, strip, m, piece, rest)
        return
    n_piece, n_rest = _split(strip, m, 0, start, piece, rest)
    if start > first:
        _add_pixels(row, first, start - 1, piece, n_piece, strip, other)
    n_piece, n_strip = _split(rest, n_rest, 0, stop, piece, strip)
    middle = _column(piece, n_piece) / (stop - start)
    # the sign of a face seen from below is that of its area, which is all there is besides z
    for i in range(start, stop):
        row[i] += middle + slope * (i + 0.5 - 0.5 * (start + stop))
    if last >= stop:
        _add_pixels(row, stop, last, strip, n_strip, piece, rest)


@kernel
def _slope(polygon, m):
    """Rise of z per unit of x on a face, times the sign of its projected area."""
    area_x = area_z = 0.0
    for i in range(2, m):
        ax, ay = polygon[i - 1, 0] - polygon[0, 0], polygon[i - 1, 1] - polygon[0, 1]
        bx, by = polygon[i, 0] - polygon[0, 0], polygon[i, 1] - polygon[0, 1]
        az, bz = polygon[i - 1, 2] - polygon[0, 2], polygon[i, 2] - polygon[0, 2]
        area_x += ay * bz - az * by
        area_z += ax * by - ay * bx
    return -area_x / abs(area_z)


@kernel
def _add_faces(cell, n, shift_x, shift_y, per_pixel, columns):
    """Add to each pixel the integral of the cell's depth over it; columns (ny, nx) begins at the cell."""
    n_faces, face = _list_faces(cell, n), 0
    strip, piece, spare, other = cell.polygon[2], cell.polygon[3], cell.polygon[4], cell.polygon[5]
    while n_faces > 0:
        if cell.face[DEGREE, face] > 0:
            polygon, rest = cell.polygon[0], cell.polygon[1]
            m = _trace(cell, face, polygon, shift_x, shift_y, per_pixel)
            slope = _slope(polygon, m)
            first, last = _pixel_range(polygon, m, 1, columns.shape[0])
            for j in range(first, last):
                n_strip, n_rest = _split(polygon, m, 1, j + 1.0, strip, rest)
                _add_strip(columns[j], j, strip, n_strip, slope, piece, spare, other)
                polygon, rest, m = rest, polygon, n_rest
            _add_strip(columns[last], last, polygon, m, slope, piece, spare, other)
            n_faces -= 1
        face += 1


@kernel
def _deposit(cell, n, corner_x, corner_y, pixel, share, whole, scratch, quantities, image):
    """Add a cell to the pixels; its generator lies at corner_x, corner_y from the image's corner."""
    n_quantities, ny, nx = image.shape
    x, y, per_pixel = cell.vertex[X, :n], cell.vertex[Y, :n], 1.0 / pixel
    i_first = min(max(math.floor((np.min(x) + corner_x) * per_pixel), 0), nx - 1)
    j_first = min(max(math.floor((np.min(y) + corner_y) * per_pixel), 0), ny - 1)
    n_x = min(max(math.ceil((np.max(x) + corner_x) * per_pixel), i_first + 1), nx) - i_first
    n_y = min(max(math.ceil((np.max(y) + corner_y) * per_pixel), j_first + 1), ny) - j_first
    if n_x == 1 and n_y == 1:
        for k in range(n_quantities):
            image[k, j_first, i_first] += quantities[k] * share
        return
    columns = scratch[: n_x * n_y].reshape((n_y, n_x))
    columns[:] = 0.0
    _add_faces(cell, n, corner_x - i_first * pixel, corner_y - j_first * pixel, per_pixel, columns)
    for k in range(n_quantities):
        per_column = quantities[k] * pixel * pixel / whole
        for j in range(n_y):
            row, column = image[k, j_first + j, i_first : i_first + n_x], columns[j]
            for i in range(np.uint64(n_x)):
                row[i] += per_column * max(column[i], 0.0)  # rounding may leave less than nothing


@kernel
def _horizon(vertex, n, x, y, z):
    """Half the side of the cube around zero that holds every point which could still cut the cell.

    Those are the spheres around its vertices through its generator, which lies at x, y, z.
    """
    farthest = 0.0
    for v in range(n):
        a, b, c = vertex[X, v], vertex[Y, v], vertex[Z, v]
        radius = math.sqrt(a * a + b * b + c * c)
        farthest = max(farthest, max(abs(x + a), abs(y + b), abs(z + c)) + radius)
    return farthest


@kernel
def _carve_own(cell, tree, g, half, volume, tolerance, stack):
    """Make the cell of generator g; one that lacks neighbours in a cube small enough for its own volume.

    Returns the number of vertices or NO_ROOM, the volume, whether the cell was cut down, and its horizon
    before that.
    """
    n = _carve(cell, tree, g, half, tolerance, stack)
    polyhedron, horizon = 0.0, 0.0
    if n > 0:
        polyhedron = _volume(cell, n)
        horizon = _horizon(cell.vertex, n, tree.point[g, 0], tree.point[g, 1], tree.point[g, 2])
    if polyhedron <= volume * (1.0 + EXCESS):
        return n, polyhedron, False, horizon
    low, high = 0.5 * volume ** (1.0 / 3.0), half
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        n = _carve(cell, tree, g, middle, tolerance, stack)
        if n == NO_ROOM:
            break
        polyhedron = _volume(cell, n)
        if abs(polyhedron - volume) <= CUT_DOWN_TOLERANCE * volume:
            break
        if polyhedron > volume:
            high = middle
        else:
            low = middle
    return n, polyhedron, True, horizon


@kernel
def _limit(cell, n, axis, centre, half_width, tolerance):
    """Cut off what lies beyond +-half_width along an axis; the number of vertices or NO_ROOM."""
    for sign in (-1.0, 1.0):
        if n > 0:
            normal_x, normal_y, normal_z = sign * (axis == X), sign * (axis == Y), sign * (axis == Z)
            n = _cut(
                cell.vertex, cell.corner, cell.face, cell.owner, cell.failed,
                n, normal_x, normal_y, normal_z, half_width - sign * centre, tolerance,
            )  # fmt: skip
    return n


@kernel
def _reaches(cell, n, axis, centre):
    """Largest distance of the cell from zero along an axis; `centre` is where its generator lies."""
    low = high = cell.vertex[axis, 0]
    for v in range(1, n):
        low, high = min(low, cell.vertex[axis, v]), max(high, cell.vertex[axis, v])
    return max(centre + high, -centre - low)


@kernel
def deposit_cells(
    tree, volume, reach, quantities, half_width, half_depth, pixel, begin, stop, n_faces, image, volumes,
    cut_down,
):  # fmt: skip
    """Add to each pixel every cell's quantities times the share of the cell that lies behind the pixel.

    Parameters
    ----------
    tree : Tree
        Generators (n, 3): x, y on the image plane and depth [kpc].
    volume, reach : (n,) float64
        Volumes of the cells [kpc^3], and half the side of the cube that each cell is looked for in [kpc];
        zero for a cell that is only a neighbour.
    quantities : (n, k) float64
        Extensive quantities of the cells, any unit.
    half_width, half_depth, pixel : float64
        Half the window's side, half the slab's depth, the pixel's side [kpc].
    begin, stop : int
        Cells to deposit; all are neighbours.
    n_faces : int
        Faces that a cell may have while it is cut.
    image : (k, ny, nx) float64
        Added to in place: quantity per pixel. What falls outside window and slab is not deposited.
    volumes : (n, 4) float64
        Filled: volume of the polyhedron, of its part in the slab, of its part in slab and window [kpc^3], and
        half the side of the cube around the view that holds all generators which could still cut it [kpc];
        zero where the cell's cube lies outside.
    cut_down : (n,) bool
        Filled: whether the cell lacks neighbours and was cut down to its own volume.

    Returns
    -------
    tuple of int
        The first cell that was not deposited for want of faces (`stop`: none), and cuts that were given up.
    """
    cell, stack, scratch = _new_polyhedron(n_faces), np.empty(128, np.int64), np.empty(image[0].size)
    for g in range(begin, stop):
        x, y, z = tree.point[g, 0], tree.point[g, 1], tree.point[g, 2]
        is_far = max(abs(x), abs(y)) - reach[g] >= half_width or abs(z) - reach[g] >= half_depth
        if is_far or reach[g] == 0.0:
            continue
        tolerance = TOLERANCE * reach[g]
        n, whole, cut_down[g], horizon = _carve_own(cell, tree, g, reach[g], volume[g], tolerance, stack)
        in_slab = inside = whole
        if n > 0 and _reaches(cell, n, Z, z) > half_depth:
            n = _limit(cell, n, Z, z, half_depth, tolerance)
            in_slab = inside = _volume(cell, n) if n > 0 else 0.0
        if n > 0 and max(_reaches(cell, n, X, x), _reaches(cell, n, Y, y)) > half_width:
            n = _limit(cell, _limit(cell, n, X, x, half_width, tolerance), Y, y, half_width, tolerance)
            inside = _volume(cell, n) if n > 0 else 0.0
        if n == NO_ROOM:
            return g, cell.failed[0]
        volumes[g, 0], volumes[g, 1], volumes[g, 2], volumes[g, 3] = whole, in_slab, inside, horizon
        if n > 0:
            corner_x, corner_y, share = x + half_width, y + half_width, inside / whole
            _deposit(cell, n, corner_x, corner_y, pixel, share, whole, scratch, quantities[g], image)
    return stop, cell.failed[0]
