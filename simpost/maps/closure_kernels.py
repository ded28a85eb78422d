"""Shares of a kernel inside the field of view, by quadrature of its enclosed mass.

This is the other side of the closure: it knows nothing of pixels or of the deposit's tables.
"""

from __future__ import annotations

import math

import numpy as np

from simpost.core.compile import kernel


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
    n_chosen = 0
    for n in range(np.uint64(r_cell.size)):
        p, q, r = position[n, 0], position[n, 1], position[n, 2]
        depth = p * axes[2, 0] + q * axes[2, 1] + r * axes[2, 2]
        if not -half_depth <= depth < half_depth:
            continue
        u = p * axes[0, 0] + q * axes[0, 1] + r * axes[0, 2]
        v = p * axes[1, 0] + q * axes[1, 1] + r * axes[1, 2]
        radius, inside = h_over_r_cell * r_cell[n], 1.0
        if max(abs(u), abs(v)) + radius > half_width:
            inside = share_in_square(u, v, radius, shape, half_width, nodes, node_weights)
            for k in range(quantities.shape[1]):
                totals[2, k] += (1.0 - inside) * quantities[n, k]
        if inside > 0.0:
            row[n_chosen], share[n_chosen], support[n_chosen] = n, inside, radius
            x[n_chosen], y[n_chosen] = u, v
            n_chosen += 1
    for k in range(quantities.shape[1]):
        total, modulus = 0.0, 0.0
        for m in range(n_chosen):
            part = share[m] * quantities[row[m], k]
            total += part
            modulus += abs(part)
        totals[0, k] += total
        totals[1, k] += modulus
    return n_chosen


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
    if left <= -1.0 and bottom <= -1.0 and right >= 1.0 and top >= 1.0:
        return 1.0
    if left >= 1.0 or bottom >= 1.0 or right <= -1.0 or top <= -1.0:
        return 0.0
    if left <= -1.0 and right >= 1.0:  # the same, turned: most kernels are cut by one edge only
        left, right, bottom, top = bottom, top, left, right
    below_top = _corner_share(shape, right, top, nodes, node_weights)
    below_top -= _corner_share(shape, left, top, nodes, node_weights)
    if bottom <= -1.0 and top >= 1.0:
        return max(2.0 * below_top, 0.0)
    above_bottom = _corner_share(shape, left, bottom, nodes, node_weights)
    above_bottom -= _corner_share(shape, right, bottom, nodes, node_weights)
    return max(below_top + above_bottom, 0.0)


@kernel
def _corner_share(shape, a, b, nodes, node_weights):
    """Signed share inside the rectangle between the kernel's centre and (a, b), in units of H."""
    sign = math.copysign(1.0, a) * math.copysign(1.0, b)
    a, b = min(abs(a), 1.0), min(abs(b), 1.0)
    both = _triangle_share(shape, a, b, nodes, node_weights) + _triangle_share(
        shape, b, a, nodes, node_weights
    )
    return sign * both


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
