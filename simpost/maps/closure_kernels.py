"""Shares of a kernel inside the field of view, by quadrature of its enclosed mass.

This is the other side of the closure: it knows nothing of pixels or of the deposit's tables.
"""

from __future__ import annotations

import math

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
def shares_in_square(x, y, support, shape, half_width, nodes, node_weights, out):
    """Write to `out` each kernel's share inside the square [-half_width, half_width]^2.

    Parameters
    ----------
    x, y, support : (n,) float64
        Kernel centres and radii of support [kpc].
    shape : int
        0: W2, 1: projected W3.
    half_width : float64
        Half the square's side [kpc].
    nodes, node_weights : (m,) float64
        Gauss-Legendre rule on [-1, 1].
    out : (n,) float64
        Shares between 0 and 1.
    """
    for n in range(x.size):
        per_support = 1.0 / support[n]
        left, right = (-half_width - x[n]) * per_support, (half_width - x[n]) * per_support
        bottom, top = (-half_width - y[n]) * per_support, (half_width - y[n]) * per_support
        if left <= -1.0 and bottom <= -1.0 and right >= 1.0 and top >= 1.0:
            out[n] = 1.0
        elif left >= 1.0 or bottom >= 1.0 or right <= -1.0 or top <= -1.0:
            out[n] = 0.0
        else:
            out[n] = (
                _corner_share(shape, right, top, nodes, node_weights)
                - _corner_share(shape, left, top, nodes, node_weights)
                - _corner_share(shape, right, bottom, nodes, node_weights)
                + _corner_share(shape, left, bottom, nodes, node_weights)
            )


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
        cosh = math.cosh(0.5 * s_split * (nodes[m] + 1.0))
        total += node_weights[m] * enclosed_share(shape, distance * cosh) / cosh
    total *= 0.5 * s_split
    if s_end > s_support:
        total += math.atan(math.sinh(s_end)) - math.atan(math.sinh(s_support))
    return total / (2.0 * math.pi)
