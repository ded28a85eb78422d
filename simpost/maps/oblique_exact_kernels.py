# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls
"""Exact integrals of cubes seen from any direction over rectangles and square pixels.

A cube of side one seen along the unit vector k has the column min_i front_i - max_j back_j above the image
point (x, y), each a linear function of x and y: a front face lies where the line of sight leaves the cube, a
back face where it enters. So a rectangle of pixels holds nothing, or one linear piece (its integral is the
value in the middle), or is cut in two until it is a pixel, which convex clipping integrates exactly. The
faces of the slab of depth are one more front and one more back.
"""

from __future__ import annotations

import math

import numpy as np

from simpost.core.compile import kernel

NOTHING, SMALL, EXACT, FIRST_STENCIL = 0, 1, 2, 3  # how a leaf is deposited
EMPTY, MIXED = -1, -2  # else the number of one linear piece: 4 * front + back


@kernel
def classify_leaves(
    position, size, axes, reach, half_width, half_depth, faces, walls, largest, out, sizes, n_sizes
):
    """Project leaves; decide how each is deposited and which share of it the view holds.

    Parameters
    ----------
    position, size : (n, 3), (n,) float64
        Centres and sides [kpc].
    axes, reach : (3, 3), (3,) float64
        Rows right, up, line of sight; half the extent of a unit cube along each.
    half_width, half_depth : float64
        Half the window and half the slab [kpc].
    faces, walls : (2, m + 1, 3), (w, 3) float64
        Planes of the unit cube, see `oblique.Cube`; the last front and back are scratch for the slab.
    largest : (2,) float64
        Largest sides [kpc] of leaves to be deposited by the cumulative share, and by stencils.
    out : kind (n,) int8, x, y, depth, in_slab, in_view (n,) float64
        Way of deposit, projection [kpc], shares of the cube inside the slab, and inside slab and window.
    sizes : (s,) float64
        Receives the different sides of leaves that want a stencil; beyond s they are deposited exactly.
    n_sizes : int
        Number of different sides already there.

    Returns
    -------
    int
        Number of different sides found.
    """
    kind, x, y, depth, in_slab, in_view = out
    a0, a1, a2 = axes[0, 0], axes[0, 1], axes[0, 2]
    b0, b1, b2 = axes[1, 0], axes[1, 1], axes[1, 2]
    c0, c1, c2 = axes[2, 0], axes[2, 1], axes[2, 2]
    reach_x, reach_y, reach_z, small, tabulated = reach[0], reach[1], reach[2], largest[0], largest[1]
    scratch, latest, latest_size = np.empty((2, 24, 2)), 0, 0.0  # no leaf is of size zero
    for n in range(size.size):
        p, q, r, side = position[n, 0], position[n, 1], position[n, 2], size[n]
        u, v, w = a0 * p + a1 * q + a2 * r, b0 * p + b1 * q + b2 * r, c0 * p + c1 * q + c2 * r
        x[n], y[n], depth[n], in_slab[n], in_view[n] = u, v, w, 1.0, 1.0
        beyond = abs(w) - half_depth
        beside = max(abs(u) + reach_x * side, abs(v) + reach_y * side) - half_width
        cut = beyond > -reach_z * side
        if cut or beside > 0.0:
            in_slab[n], in_view[n] = _shares(
                u, v, w, side, cut, beside > 0.0, half_width, half_depth, reach, faces, walls, scratch
            )
            # what barely reaches into the window may be less than the tables' error
            if cut or in_view[n] < 0.02:
                kind[n] = EXACT if in_view[n] > 0.0 else NOTHING
                continue
        if side <= small:
            kind[n] = SMALL
            continue
        if side != latest_size and side <= tabulated:
            latest, latest_size = 0, side
            while latest < n_sizes and sizes[latest] != side:
                latest += 1
            if latest == n_sizes and n_sizes < sizes.size:
                sizes[n_sizes] = side
                n_sizes += 1
        kind[n] = FIRST_STENCIL + latest if side <= tabulated and latest < n_sizes else EXACT
    return n_sizes


@kernel
def _shares(x, y, depth, side, cut, beside, half_width, half_depth, reach, faces, walls, scratch):
    """Shares of a cube in the slab, whose faces `cut` it, and in slab and window, which it is `beside`."""
    in_slab, n_faces = 1.0, faces.shape[1] - 1
    if abs(depth) - half_depth >= reach[2] * side:
        return 0.0, 0.0
    if cut:
        _set_slab(faces, depth, side, half_depth)
        n_faces += 1
        in_slab = _volume(
            -reach[0], reach[0], -reach[1], reach[1], faces[0], faces[1], n_faces, walls, scratch
        )
    if not beside:
        return in_slab, in_slab
    left, right = max((-half_width - x) / side, -reach[0]), min((half_width - x) / side, reach[0])
    bottom, top = max((-half_width - y) / side, -reach[1]), min((half_width - y) / side, reach[1])
    return in_slab, _volume(left, right, bottom, top, faces[0], faces[1], n_faces, walls, scratch)


@kernel
def account_leaves(quantities, in_slab, in_view, totals):
    """Add to totals (3, k): what is in the view, its modulus, and what is in the slab beside the window.

    Returns the number of leaves (n,) with a share `in_view` above zero; quantities are (n, k).
    """
    for k in range(quantities.shape[1]):
        inside, modulus, beside = 0.0, 0.0, 0.0
        for n in range(in_slab.size):
            value = quantities[n, k]
            inside += in_view[n] * value
            modulus += in_view[n] * abs(value)
            beside += (in_slab[n] - in_view[n]) * value
        totals[0, k] += inside
        totals[1, k] += modulus
        totals[2, k] += beside
    count = 0
    for n in range(in_view.size):
        count += in_view[n] > 0.0
    return count


@kernel
def deposit_exact(x, y, depth, size, kind, quantities, reach, half_width, half_depth, faces, walls, image):
    """Add every leaf of kind EXACT by clipping; parameters as in `classify_leaves`, image (k, ny, stride)."""
    per_pixel = image.shape[1] / (2.0 * half_width)
    scratch, stack = np.empty((2, 24, 2)), np.empty((128, 4), np.int64)
    for n in range(x.size):
        if kind[n] != EXACT:
            continue
        n_faces = faces.shape[1] - 1
        if abs(depth[n]) + reach[2] * size[n] > half_depth:
            _set_slab(faces, depth[n], size[n], half_depth)
            n_faces += 1
        u, v, side = (x[n] + half_width) * per_pixel, (y[n] + half_width) * per_pixel, size[n] * per_pixel
        _deposit_cube(u, v, side, quantities[n], reach, faces, n_faces, walls, scratch, stack, image)


@kernel
def integrate_cube(side, reach, faces, walls, image):
    """Add a cube of side `side` pixels at the centre of image (1, n, n), pixel by pixel."""
    scratch, stack = np.empty((2, 24, 2)), np.empty((128, 4), np.int64)
    u, v, n_faces = 0.5 * image.shape[1], 0.5 * image.shape[1], faces.shape[1] - 1
    _deposit_cube(u, v, side, np.ones(1), reach, faces, n_faces, walls, scratch, stack, image)


@kernel
def find_pieces(side, first_x, first_y, margin, reach, faces, walls, pieces):
    """Set which linear piece of a cube of `side` pixels each of pieces (ny, nx) is in, else MIXED.

    Pixels count from (first_x, first_y) from the cube's centre, and are taken larger by `margin` all around.
    """
    n_faces, per_side = faces.shape[1] - 1, 1.0 / side
    for j in range(pieces.shape[0]):
        bottom, top = (first_y + j - margin) * per_side, (first_y + j + 1 + margin) * per_side
        for i in range(pieces.shape[1]):
            left, right = (first_x + i - margin) * per_side, (first_x + i + 1 + margin) * per_side
            pieces[j, i] = MIXED
            if left >= -reach[0] and right <= reach[0] and bottom >= -reach[1] and top <= reach[1]:
                piece = _piece(left, right, bottom, top, faces[0], faces[1], n_faces, walls)
                pieces[j, i] = piece if piece >= 0 else MIXED


@kernel
def _set_slab(faces, depth, side, half_depth):
    """Make the slab's faces the last front and back of a cube, in units of its side."""
    last = faces.shape[1] - 1
    faces[0, last, 0] = (half_depth - depth) / side
    faces[1, last, 0] = (-half_depth - depth) / side


@kernel
def _deposit_cube(u, v, side, quantity, reach, faces, n_faces, walls, scratch, stack, image):
    """Add one cube at (u, v) pixels: cut its rectangle of pixels in two until each part is one piece."""
    n_pixels = image.shape[1]
    fronts, backs = faces[0], faces[1]
    stack[0, 0] = max(math.floor(u - reach[0] * side), 0)
    stack[0, 1] = min(math.ceil(u + reach[0] * side), n_pixels)
    stack[0, 2] = max(math.floor(v - reach[1] * side), 0)
    stack[0, 3] = min(math.ceil(v + reach[1] * side), n_pixels)
    if stack[0, 0] >= stack[0, 1] or stack[0, 2] >= stack[0, 3]:
        return
    n_stack, per_side = 1, 1.0 / side
    while n_stack > 0:
        n_stack -= 1
        i0, i1, j0, j1 = stack[n_stack, 0], stack[n_stack, 1], stack[n_stack, 2], stack[n_stack, 3]
        left, right = (i0 - u) * per_side, (i1 - u) * per_side
        bottom, top = (j0 - v) * per_side, (j1 - v) * per_side
        inside = left >= -reach[0] and right <= reach[0] and bottom >= -reach[1] and top <= reach[1]
        left, right, bottom, top = (
            max(left, -reach[0]),
            min(right, reach[0]),
            max(bottom, -reach[1]),
            min(top, reach[1]),
        )
        piece = _piece(left, right, bottom, top, fronts, backs, n_faces, walls)
        if piece >= 0 and not inside:
            piece = MIXED
        if piece == EMPTY:
            continue
        if piece == MIXED and i1 - i0 == 1 and j1 - j0 == 1:
            volume = _mixed_volume(left, right, bottom, top, fronts, backs, n_faces, walls, scratch)
            for k in range(quantity.size):
                image[k, j0, i0] += quantity[k] * volume
        elif piece == MIXED:
            stack[n_stack + 1] = stack[n_stack]
            if i1 - i0 >= j1 - j0:
                stack[n_stack, 1] = stack[n_stack + 1, 0] = (i0 + i1) // 2
            else:
                stack[n_stack, 3] = stack[n_stack + 1, 2] = (j0 + j1) // 2
            n_stack += 2
        else:
            _add_linear(fronts[piece // 4], backs[piece % 4], i0, i1, j0, j1, u, v, per_side, quantity, image)


@kernel
def _add_linear(front, back, i0, i1, j0, j1, u, v, per_side, quantity, image):
    """Add a linear piece to pixels that it covers whole."""
    area = per_side * per_side
    slope = (front[1] - back[1]) * per_side
    for j in range(j0, j1):
        height = (j + 0.5 - v) * per_side
        start = front[0] - back[0] + (front[2] - back[2]) * height + slope * (0.5 - u)
        for k in range(quantity.size):
            row, value = image[k, j], quantity[k] * area
            for i in range(np.uint64(i0), np.uint64(i1)):
                row[i] += value * (start + slope * np.float64(np.int64(i)))


@kernel
def _volume(left, right, bottom, top, fronts, backs, n_faces, walls, scratch):
    """Volume of the unit cube above a rectangle around its centre."""
    if (
        left >= right
        or bottom >= top
        or _piece(left, right, bottom, top, fronts, backs, n_faces, walls) == EMPTY
    ):
        return 0.0
    return _mixed_volume(left, right, bottom, top, fronts, backs, n_faces, walls, scratch)


@kernel
def _least(c, gx, gy, left, right, bottom, top):
    """Least value of c + gx x + gy y in a rectangle."""
    return c + min(gx * left, gx * right) + min(gy * bottom, gy * top)


@kernel
def _least_gap(uppers, i, lowers, j, left, right, bottom, top):
    """Least height of plane i of one set above plane j of another in a rectangle."""
    c, gx, gy = uppers[i, 0] - lowers[j, 0], uppers[i, 1] - lowers[j, 1], uppers[i, 2] - lowers[j, 2]
    return _least(c, gx, gy, left, right, bottom, top)


@kernel
def _faces_seen(planes, n_faces, sign, left, right, bottom, top):
    """Bits of the planes that are lowest (sign 1) or highest (-1) somewhere in a rectangle."""
    seen = (1 << n_faces) - 1
    for i in range(n_faces):
        for o in range(n_faces):
            if o != i and seen >> o & 1:
                if sign > 0:
                    gap = _least_gap(planes, i, planes, o, left, right, bottom, top)
                else:
                    gap = _least_gap(planes, o, planes, i, left, right, bottom, top)
                if gap >= 0.0:
                    seen &= ~(1 << i)
                    break
    return seen


@kernel
def _piece(left, right, bottom, top, fronts, backs, n_faces, walls):
    """Say whether a rectangle is EMPTY, MIXED, or one linear piece, and which."""
    whole = True
    for w in range(walls.shape[0]):
        c, gx, gy = walls[w, 0], walls[w, 1], walls[w, 2]
        if -_least(-c, -gx, -gy, left, right, bottom, top) <= 0.0:
            return EMPTY
        whole &= _least(c, gx, gy, left, right, bottom, top) >= 0.0
    for i in range(n_faces):
        for j in range(n_faces):
            if _least_gap(backs, j, fronts, i, left, right, bottom, top) >= 0.0:
                return EMPTY
    front = _faces_seen(fronts, n_faces, 1, left, right, bottom, top)
    back = _faces_seen(backs, n_faces, -1, left, right, bottom, top)
    if not whole or front & (front - 1) or back & (back - 1):
        return MIXED
    i, j = 0, 0
    while not front >> i & 1:
        i += 1
    while not back >> j & 1:
        j += 1
    return 4 * i + j if _least_gap(fronts, i, backs, j, left, right, bottom, top) >= 0.0 else MIXED


@kernel
def _mixed_volume(left, right, bottom, top, fronts, backs, n_faces, walls, scratch):
    """Volume above a rectangle, the sum over pairs of faces of the polygon where both are seen."""
    front = _faces_seen(fronts, n_faces, 1, left, right, bottom, top)
    back = _faces_seen(backs, n_faces, -1, left, right, bottom, top)
    total = 0.0
    for i in range(n_faces):
        for j in range(n_faces):
            if not (front >> i & 1 and back >> j & 1):
                continue
            scratch[0, 0, 0] = scratch[0, 3, 0] = left
            scratch[0, 1, 0] = scratch[0, 2, 0] = right
            scratch[0, 0, 1] = scratch[0, 1, 1] = bottom
            scratch[0, 2, 1] = scratch[0, 3, 1] = top
            here, corners = 0, 4
            for w in range(walls.shape[0]):
                corners = _clip(scratch, here, corners, walls[w, 0], walls[w, 1], walls[w, 2])
                here = 1 - here
            for o in range(n_faces):
                if o != i and front >> o & 1:
                    corners = _clip_above(scratch, here, corners, fronts, o, fronts, i)
                    here = 1 - here
            for o in range(n_faces):
                if o != j and back >> o & 1:
                    corners = _clip_above(scratch, here, corners, backs, j, backs, o)
                    here = 1 - here
            corners = _clip_above(scratch, here, corners, fronts, i, backs, j)
            total += _integral(scratch, 1 - here, corners, fronts, i, backs, j)
    return total


@kernel
def _clip_above(polygons, here, corners, uppers, i, lowers, j):
    """Clip a polygon to where plane i of one set is above plane j of another."""
    c, gx, gy = uppers[i, 0] - lowers[j, 0], uppers[i, 1] - lowers[j, 1], uppers[i, 2] - lowers[j, 2]
    return _clip(polygons, here, corners, c, gx, gy)


@kernel
def _clip(polygons, here, corners, c, gx, gy):
    """Write the part of convex polygon `here` (of two) where c + gx x + gy y >= 0 to the other.

    Returns its number of corners.
    """
    if corners == 0:
        return 0
    count, there = 0, 1 - here
    x0, y0 = polygons[here, corners - 1, 0], polygons[here, corners - 1, 1]
    value0 = c + gx * x0 + gy * y0
    for m in range(corners):
        x1, y1 = polygons[here, m, 0], polygons[here, m, 1]
        value1 = c + gx * x1 + gy * y1
        if (value0 < 0.0) != (value1 < 0.0):
            share = value0 / (value0 - value1)
            polygons[there, count, 0] = x0 + share * (x1 - x0)
            polygons[there, count, 1] = y0 + share * (y1 - y0)
            count += 1
        if value1 >= 0.0:
            polygons[there, count, 0], polygons[there, count, 1] = x1, y1
            count += 1
        x0, y0, value0 = x1, y1, value1
    return count


@kernel
def _integral(polygons, here, corners, fronts, i, backs, j):
    """Integral of front i - back j over convex polygon `here`: triangles from its first corner."""
    if corners < 3:
        return 0.0
    c, gx, gy = fronts[i, 0] - backs[j, 0], fronts[i, 1] - backs[j, 1], fronts[i, 2] - backs[j, 2]
    x0, y0 = polygons[here, 0, 0], polygons[here, 0, 1]
    start, total = c + gx * x0 + gy * y0, 0.0
    for m in range(1, corners - 1):
        dx1, dy1 = polygons[here, m, 0] - x0, polygons[here, m, 1] - y0
        dx2, dy2 = polygons[here, m + 1, 0] - x0, polygons[here, m + 1, 1] - y0
        mean = start + (gx * (dx1 + dx2) + gy * (dy1 + dy2)) / 3.0
        total += 0.5 * (dx1 * dy2 - dx2 * dy1) * mean
    return total
