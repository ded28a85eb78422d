"""Shares of a kernel inside the field of view, by quadrature of its enclosed mass.

This is the other side of the closure: it knows nothing of pixels or of the deposit's tables.
"""

from __future__ import annotations

import math

import numpy as np

from simpost.core.compile import kernel

GROUP = 256  # cells that are worked on together
CUT = -1.0  # stands for a share that is not known yet


@kernel
def enclosed_share(shape, q):
    """Share of the kernel's mass within R = q H; `shape` 0: W2, 1: projected W3."""
    if q >= 1.0:
        return 1.0
    if shape == 0:
        return q * q * (7.0 + q * q * (-35.0 + q * (56.0 + q * (-35.0 + 8.0 * q))))
    if q <= 0.0:
        return 0.0
    z = math.sqrt((1.0 - q) * (1.0 + q))
    z2, q2 = z * z, q * q
    odd = z * (45.0 / 32.0 + z2 * (-125.0 / 32.0 + z2 * (337.0 / 96.0 - z2 * 221.0 / 224.0)))
    return 1.0 - 42.0 * (odd - math.log((1.0 + z) / q) * q2 * q2 * q2 * (1.25 + 0.15625 * q2))


@kernel
def share_below(shape, s):
    """Share of the kernel on the lower side of a line at s H from its centre; `shape` as above.

    Beyond the line, int q^n over the disc is 2 (theta - s I_n)/(n + 2) with theta = arccos(s), I_n half the
    integral of q^n along the line, and W2 = 7/pi (1 - 10 q^2 + 20 q^3 - 15 q^4 + 4 q^5). Of W3 it is the
    share beyond a plane, 21 int (q^2 - s q) (1 - q)^4 (1 + 4 q) dq, a polynomial.
    """
    t = abs(s)
    if t >= 1.0:
        return 1.0 if s > 0.0 else 0.0
    t2 = t * t
    if shape == 0:
        if t2 == 0.0:
            return 0.5
        i0 = math.sqrt((1.0 - t) * (1.0 + t))
        i1 = 0.5 * (i0 + t2 * math.log((1.0 + i0) / t))
        i2, i3 = (i0 + 2.0 * t2 * i0) / 3.0, (i0 + 3.0 * t2 * i1) / 4.0
        i4, i5 = (i0 + 4.0 * t2 * i2) / 5.0, (i0 + 5.0 * t2 * i3) / 6.0
        line = i0 - 5.0 * i2 + 8.0 * i3 - 5.0 * i4 + 8.0 / 7.0 * i5
        beyond = (math.acos(t) - 7.0 * t * line) / math.pi
    else:
        u = 1.0 - t
        beyond = 0.5 * (u * u * u) ** 2 * (1.0 + 3.0 * t + 3.0 * t2)
    return 1.0 - beyond if s > 0.0 else max(beyond, 0.0)


@kernel
def select_cells(
    position, r_cell, quantities, axes, half_width, half_depth, h_over_r_cell, shape, nodes, node_weights,
    row, x, y, support, share, totals,
):  # fmt: skip
    """Project smoothed cells, list those in slab and window, and account for all of the slab.

    Parameters
    ----------
    position, r_cell : (n, 3), (n,) float64
        Centres and radii [kpc]; a cell is in the slab [-half_depth, half_depth) when its centre is.
    quantities : (n, k) float64
        Extensive quantities, any unit.
    axes : (3, 3) float64
        Unit vectors to the right, up and to the observer.
    half_width, half_depth : float64
        Half the side of the window and half the thickness of the slab [kpc].
    h_over_r_cell : float64
        Radius of support over r_cell.
    shape, nodes, node_weights
        See `share_in_square`.
    row, x, y, support, share : (n,) int64, float64
        Written: places in `position`, centres and radii of support [kpc] and shares inside the window of the
        kernels that are at least partly inside.
    totals : (3, k) float64
        Added to: quantity inside the window, its modulus, and what lies in the slab beside the window.

    Returns
    -------
    int
        Number of cells written.
    """
    group = min(GROUP, r_cell.size)
    coordinates, places = position.reshape(position.size), np.empty(3 * group)
    inside, cut = np.empty(group), np.empty(group, np.int64)
    sums = np.zeros((quantities.shape[1], 2, group))  # as many as cells, so that none waits for the last
    n_chosen = 0
    for start in range(0, r_cell.size, GROUP):
        n = min(GROUP, r_cell.size - start)
        _project(coordinates, r_cell, start, n, axes, half_width, half_depth, h_over_r_cell, places, inside)
        n_cut = 0
        for m in range(n):
            cut[n_cut] = m
            n_cut += inside[m] == CUT
        for m in cut[:n_cut]:
            u, v, radius = places[m], places[group + m], places[2 * group + m]
            # up to the nearest edges, in units of H; most kernels are cut by one edge only
            right, top = (half_width - abs(u)) / radius, (half_width - abs(v)) / radius
            if max(right, top) >= 1.0 and radius <= half_width:
                inside[m] = share_below(shape, min(right, top))
            else:
                inside[m] = share_in_square(u, v, radius, shape, half_width, nodes, node_weights)
            for k in range(quantities.shape[1]):
                totals[2, k] += (1.0 - inside[m]) * quantities[start + m, k]
        for k in range(quantities.shape[1]):
            _add_up(inside, quantities, start, n, k, sums[k])
        n_inside = 0
        for i in range(n):
            n_inside += inside[np.uint64(i)] > 0.0
        to = slice(n_chosen, n_chosen + n)
        if n_inside == n:
            _copy_group(start, places, inside, row[to], x[to], y[to], support[to], share[to])
        elif n_inside > 0:
            for m in range(n):
                row[n_chosen], share[n_chosen] = start + m, inside[m]
                x[n_chosen], y[n_chosen] = places[m], places[group + m]
                support[n_chosen] = places[2 * group + m]
                n_chosen += inside[m] > 0.0
            continue
        n_chosen += n_inside
    for k in range(quantities.shape[1]):
        totals[0, k] += sums[k, 0].sum()
        totals[1, k] += sums[k, 1].sum()
    return n_chosen


@kernel
def _project(position, r_cell, start, n, axes, half_width, half_depth, h_over_r_cell, places, inside):
    """Write centres on the image and radii of support of n cells, and whether they are inside.

    places (3 g,): x, then y, then radii [kpc] of a group of g; inside: 1, 0 or CUT.
    """
    a0, a1, a2 = axes[0, 0], axes[0, 1], axes[0, 2]
    b0, b1, b2 = axes[1, 0], axes[1, 1], axes[1, 2]
    c0, c1, c2 = axes[2, 0], axes[2, 1], axes[2, 2]
    group = np.uint64(inside.size)
    for i in range(n):
        m = np.uint64(i)
        at = np.uint64(3 * (start + i))
        p, q, r = position[at], position[at + np.uint64(1)], position[at + np.uint64(2)]
        depth = p * c0 + q * c1 + r * c2
        u = p * a0 + q * a1 + r * a2
        v = p * b0 + q * b1 + r * b2
        radius = h_over_r_cell * r_cell[np.uint64(start + i)]
        places[m], places[group + m], places[np.uint64(2) * group + m] = u, v, radius
        within = 1.0 if max(abs(u), abs(v)) + radius <= half_width else CUT
        inside[m] = within if (depth >= -half_depth) & (depth < half_depth) else 0.0


@kernel
def _copy_group(start, places, inside, row, x, y, support, share):
    """Write all cells of a group from `start` on to the first numbers of the others."""
    group = np.uint64(inside.size)
    for i in range(row.size):
        m = np.uint64(i)
        row[m], share[m] = start + i, inside[m]
        x[m], y[m], support[m] = places[m], places[group + m], places[np.uint64(2) * group + m]


@kernel
def _add_up(inside, quantities, start, n, k, sums):
    """Add to every sum of a group, (2, g), the quantity of a cell inside the window and its modulus."""
    for i in range(n):
        m = np.uint64(i)
        part = inside[m] * quantities[np.uint64(start + i), k]
        sums[0, m] += part
        sums[1, m] += abs(part)


@kernel
def share_in_square(x, y, support, shape, half_width, nodes, node_weights):
    """Share of a kernel inside the square [-half_width, half_width]^2, between 0 and 1.

    Parameters
    ----------
    x, y, support : float64
        Kernel centre and radius of support [kpc].
    shape : int
        0: W2, 1: projected W3.
    half_width : float64
        Half the square's side [kpc].
    nodes, node_weights : (m,) float64
        Gauss-Legendre rule on [-1, 1].
    """
    per_support = 1.0 / support
    left, right = (-half_width - x) * per_support, (half_width - x) * per_support
    bottom, top = (-half_width - y) * per_support, (half_width - y) * per_support
    if left >= 1.0 or bottom >= 1.0 or right <= -1.0 or top <= -1.0:
        return 0.0
    inside = _corner_share(shape, right, top, nodes, node_weights)
    if left > -1.0:
        inside -= _corner_share(shape, left, top, nodes, node_weights)
    if bottom > -1.0:
        inside -= _corner_share(shape, right, bottom, nodes, node_weights)
    if left > -1.0 and bottom > -1.0:
        inside += _corner_share(shape, left, bottom, nodes, node_weights)
    return max(inside, 0.0)


@kernel
def _corner_share(shape, a, b, nodes, node_weights):
    """Share of the kernel where x < a and y < b, in units of H; both above -1."""
    if a >= 1.0:
        return share_below(shape, b)
    if b >= 1.0:
        return share_below(shape, a)
    p, q = abs(a), abs(b)  # the rectangle between the centre and (a, b)
    between = _triangle_share(shape, p, q, nodes, node_weights)
    between += _triangle_share(shape, q, p, nodes, node_weights)
    sides = 0.5 * (share_below(shape, a) + share_below(shape, b))
    return sides - 0.25 + math.copysign(between, a * b)


@kernel
def _triangle_share(shape, distance, length, nodes, node_weights):
    """Share inside the triangle (0, 0), (distance, 0), (distance, length), in units of H.

    It is int dtheta/(2 pi) M(distance/cos(theta)) with M the enclosed share. tan(theta) = sinh(s)
    spreads the steep end evenly; where the edge leaves the support M = 1 and the rest is an angle.
    """
    if distance <= 0.0 or length <= 0.0:
        return 0.0
    if distance >= 1.0:
        return math.atan(length) / (2.0 * math.pi)
    s_end = math.asinh(length / distance)
    s_support = math.acosh(1.0 / distance)
    s_split = min(s_end, s_support)
    total = 0.0
    for m in range(nodes.size):
        exp = math.exp(0.5 * s_split * (nodes[m] + 1.0))
        cosh = 0.5 * (exp + 1.0 / exp)  # in half the time of math.cosh
        total += node_weights[m] * enclosed_share(shape, distance * cosh) / cosh
    total *= 0.5 * s_split
    if s_end > s_support:
        total += math.atan(math.sinh(s_end)) - math.atan(math.sinh(s_support))
    return total / (2.0 * math.pi)
