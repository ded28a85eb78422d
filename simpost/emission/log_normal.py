"""The log-normal distribution of density in turbulent gas, and integrals over it.

With s = ln(n/n0) and sigma_s^2 = ln(1 + b^2 M^2) (Padoan & Nordlund 2002; Federrath+2010) the volume-weighted
distribution is Normal(-sigma_s^2/2, sigma_s^2) and the mass-weighted one Normal(+sigma_s^2/2, sigma_s^2).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import log_ndtr, ndtr

from simpost.core.errors import InputError

Array = NDArray[np.float64]

DEFAULT_B = 1.0 / 3.0  # solenoidal driving, Federrath+2010
NARROW = 1e-6  # width below which a distribution is a point


def log_normal_width(mach: ArrayLike, b: float = DEFAULT_B) -> Array:
    """sigma_s = [ln(1 + b^2 M^2)]^(1/2) at Mach numbers `mach`."""
    return np.asarray(np.sqrt(np.log1p((b * np.asarray(mach, dtype=float)) ** 2)))


def log_normal_mean(width: ArrayLike, weight: str = "mass") -> Array:
    """Mean of s = ln(n/n0) of a log-normal of this width, weighted by `mass` or `volume`."""
    if weight not in ("mass", "volume"):
        raise InputError("weight", repr(weight), "'mass' or 'volume'")
    return (0.5 if weight == "mass" else -0.5) * np.asarray(width, dtype=float) ** 2


def density_weights(
    s: Array, means: Array, widths: Array, slope_below: float, slope_above: float
) -> tuple[Array, Array]:
    """Weights that integrate a function of s, linear between nodes, over normal distributions.

    Parameters
    ----------
    s : array
        Ascending nodes, shape (nodes,).
    means, widths : array
        Of the distributions, shape (distributions,); a width of 0 evaluates the function at the mean.
    slope_below, slope_above : float
        d ln f / ds beyond the first and the last node.

    Returns
    -------
    inside : array
        Shape (nodes, distributions): the integral between the ends is f(s) @ inside.
    ends : array
        Shape (2, distributions): what f at the first and last node adds for what lies beyond them.

    Notes
    -----
    With G'' the density of the distribution, the weight of a node is a second difference of G. G is used
    without its straight branch max(s - mean, 0), whose second difference is the interpolation at the mean:
    so no digits are lost in the tails, and a width of zero is no special case.
    """
    width = np.maximum(widths, NARROW)
    z = (s[:, None] - means) / width
    tail = ndtr(-np.abs(z))
    curved = width * (np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi) - np.abs(z) * tail)
    steps = np.diff(curved, axis=0) / np.diff(s)[:, None]
    inside = np.zeros_like(z)
    inside[:-1] += steps
    inside[1:] -= steps
    signed = np.where(z > 0.0, -tail, tail)
    inside[0] -= signed[0]
    inside[-1] += signed[-1]
    within = np.flatnonzero((means >= s[0]) & (means < s[-1]))
    low = np.searchsorted(s, means[within], side="right") - 1
    share = (means[within] - s[low]) / (s[low + 1] - s[low])
    inside[low, within] += 1.0 - share
    inside[low + 1, within] += share

    def beyond(end: float, slope: float, side: float) -> Array:
        edge = side * (end - means - slope * width * width) / width
        return np.asarray(np.exp(slope * (means - end) + 0.5 * (slope * width) ** 2 + log_ndtr(edge)))

    return inside, np.stack([beyond(s[0], slope_below, 1.0), beyond(s[-1], slope_above, -1.0)])
