"""Least squares of the double power law for many sets of weights at once.

The model is linear in log eps0 and alpha, so a grid over (log M0, delta) gives the start, and damped
Gauss-Newton steps on all free parameters the minimum. One row of weights is one fit; a bootstrap is a
matrix of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simpost.ism.arrays import Booleans, Floats

LN10 = np.log(10.0)
STEEPEST = 5.0  # largest beta - alpha
OUTSIDE = 0.5  # dex by which M0 may leave the sampled masses
START_DELTA = (0.1, 0.2, 0.4, 0.8, 1.5, 3.0)
START_SPACING = 0.25  # dex of M0
MAX_STEPS = 200
TOLERANCE = 1e-10  # of the loss, relative, between steps
SAME_MASS = 1e-12  # variance of log M - log M0 over its mean square: below, all masses are one, slope 0
LOG_EPS0, LOG_M0, ALPHA, DELTA = range(4)


@dataclass(frozen=True)
class Bounds:
    """Limits of log M0 [Msun] and of delta = beta - alpha; equal limits fix them."""

    log_m0: tuple[float, float]
    delta: tuple[float, float] = (0.0, STEEPEST)

    @classmethod
    def of_sample(cls, x: Floats, fixed_log_m0: float | None) -> Bounds:
        """M0 fixed, or at most 0.5 dex outside the sampled log masses."""
        if fixed_log_m0 is not None:
            return cls((fixed_log_m0, fixed_log_m0))
        return cls((float(x.min()) - OUTSIDE, float(x.max()) + OUTSIDE))

    def single(self, log_m0: float) -> Bounds:
        """Those of a single power law."""
        return Bounds((log_m0, log_m0), (0.0, 0.0))

    @property
    def grid(self) -> tuple[Floats, Floats]:
        """Starting values of log M0 and of delta."""
        low, high = self.log_m0
        masses = np.linspace(low, high, max(1, 1 + round((high - low) / START_SPACING)))
        return masses, np.array(START_DELTA if self.delta[1] > self.delta[0] else self.delta[:1])

    @property
    def limits(self) -> tuple[Floats, Floats]:
        """Lowest and highest (4,) of (log eps0, log M0, alpha, delta)."""
        low = np.array([-np.inf, self.log_m0[0], -np.inf, self.delta[0]])
        return low, np.array([np.inf, self.log_m0[1], np.inf, self.delta[1]])


@dataclass(frozen=True, eq=False)
class Solutions:
    """Parameters (b, 4) in the order of this module, losses (b,), and how the fits ended (b,)."""

    parameters: Floats
    loss: Floats
    converged: Booleans
    at_bound: Booleans


def fit_one(x: Floats, y: Floats, weights: Floats, bounds: Bounds, scale: float | None) -> Solutions:
    """The fit of `fit_all` for one row of weights (n,), from a start at every M0 of the grid."""
    starts, _ = _starts(x, y, weights[None, :], bounds)
    found = _descend(x, y, np.tile(weights, (len(starts), 1)), starts[:, 0], bounds, scale)
    best = slice(i := int(np.argmin(found.loss)), i + 1)
    return Solutions(found.parameters[best], found.loss[best], found.converged[best], found.at_bound[best])


def fit_all(
    x: Floats, y: Floats, weights: Floats, bounds: Bounds, scale: float | None, guess: Floats
) -> Solutions:
    """Minimise sum w rho(y - model) for every row of weights (b, n).

    Parameters
    ----------
    x, y : (n,)
        log M [Msun] and log eps.
    weights : (b, n)
        Not negative.
    bounds : Bounds
        Of log M0 and delta.
    scale : float or None
        Of the soft-L1 loss rho = 2 s^2 (sqrt(1 + r^2/s^2) - 1) [dex]; None for squares.
    guess : (4,)
        A start beside the best one of the grid: the solution of the whole sample.
    """
    starts, losses = _starts(x, y, weights, bounds)
    start = starts[np.argmin(losses, axis=0), np.arange(len(weights))]
    found = _descend(x, y, weights, start, bounds, scale)
    other = _descend(x, y, weights, np.tile(guess, (len(weights), 1)), bounds, scale)
    lower = other.loss < found.loss
    return Solutions(
        np.where(lower[:, None], other.parameters, found.parameters),
        np.where(lower, other.loss, found.loss),
        np.where(lower, other.converged, found.converged),
        np.where(lower, other.at_bound, found.at_bound),
    )


def _starts(x: Floats, y: Floats, weights: Floats, bounds: Bounds) -> tuple[Floats, Floats]:
    """Parameters (m, b, 4) and squared losses (m, b) at each M0 of the grid with its best delta.

    log eps0 and alpha are those of linear least squares at the node.
    """
    masses, deltas = bounds.grid
    u = (x - masses[:, None])[:, None, :]
    target = y + _softplus(-deltas[:, None] * u)  # (m, d, n): linear in u for the right delta
    s0 = weights.sum(axis=1)
    s1, s2 = (weights @ u.swapaxes(1, 2))[..., 0], (weights @ (u * u).swapaxes(1, 2))[..., 0]
    t0, t1, t2 = (target * f @ weights.T for f in (1.0, u, target))  # (m, d, b)
    spread = s0 * s2 - s1 * s1
    # a resample may be one galaxy n times: the quotient would be that of two rounding errors
    inverse = np.divide(1.0, spread, out=np.zeros_like(spread), where=spread > SAME_MASS * s0 * s2)
    alpha = (s0 * t1 - s1[:, None] * t0) * inverse[:, None]
    zero = (t0 - alpha * s1[:, None]) / s0
    loss = t2 - zero * t0 - alpha * t1
    best = np.argmin(loss, axis=1)[:, None]

    def at_best(values: Floats) -> Floats:
        return np.take_along_axis(values, best, axis=1)[:, 0]

    mass, delta = np.broadcast_to(masses[:, None], best.shape[::2]), deltas[best[:, 0]]
    return np.stack([at_best(zero), mass, at_best(alpha), delta], axis=2), at_best(loss)


def _descend(
    x: Floats, y: Floats, weights: Floats, start: Floats, bounds: Bounds, scale: float | None
) -> Solutions:
    """Levenberg-Marquardt steps within bounds for all rows; those that have converged are left alone."""
    low, high = bounds.limits
    p = np.clip(start, low, high)
    loss = _loss(y - _model(x, p), weights, scale)
    damping = np.full(len(p), 1e-3)
    active = np.arange(len(p))
    for _ in range(MAX_STEPS):
        step = _step(x, y, weights[active], p[active], damping[active], low, high, scale)
        trial = np.clip(p[active] + step, low, high)
        trial_loss = _loss(y - _model(x, trial), weights[active], scale)
        gain = loss[active] - trial_loss
        better = gain >= 0.0
        p[active[better]], loss[active[better]] = trial[better], trial_loss[better]
        damping[active] *= np.where(better, 0.5, 3.0)
        floor = TOLERANCE * loss[active] + 1e-28 * weights[active].sum(axis=1)
        done = (better & (gain <= floor)) | (damping[active] > 1e12)
        active = active[~done]
        if active.size == 0:
            break
        damping[active] = np.maximum(damping[active], 1e-9)
    converged = np.ones(len(p), dtype=bool)
    converged[active] = False
    free = high > low
    at_bound = np.any(((p <= low) | (p >= high)) & free, axis=1)
    return Solutions(p, loss, converged, at_bound)


def _step(
    x: Floats,
    y: Floats,
    weights: Floats,
    p: Floats,
    damping: Floats,
    low: Floats,
    high: Floats,
    scale: float | None,
) -> Floats:
    """Damped Gauss-Newton step (b, 4); zero for parameters that are held by a bound."""
    u = x - p[:, LOG_M0, None]
    low_mass_share = 1.0 / (1.0 + 10.0 ** np.minimum(p[:, DELTA, None] * u, 300.0))
    jacobian = np.empty((len(p), 4, x.size))
    jacobian[:, LOG_EPS0] = 1.0
    jacobian[:, ALPHA] = u
    np.multiply(u, low_mass_share, out=jacobian[:, DELTA])
    jacobian[:, LOG_M0] = -(p[:, ALPHA, None] + p[:, DELTA, None] * low_mass_share)
    residual = y - _model(x, p)
    if scale is not None:
        weights = weights / np.sqrt(1.0 + (residual / scale) ** 2)
    weighted = jacobian * weights[:, None, :]
    gradient = (weighted @ residual[:, :, None])[:, :, 0]
    curvature = weighted @ jacobian.transpose(0, 2, 1)
    held = ((p <= low) & (gradient <= 0.0)) | ((p >= high) & (gradient >= 0.0))
    gradient[held] = 0.0
    free = ~held
    curvature *= free[:, :, None] & free[:, None, :]
    diagonal = np.einsum("bii->bi", curvature)
    diagonal += damping[:, None] * diagonal + np.where(held, 1.0, 1e-12)
    return np.asarray(np.linalg.solve(curvature, gradient[:, :, None])[:, :, 0], dtype=np.float64)


def _model(x: Floats, p: Floats) -> Floats:
    """Model log eps (b, n) for parameters (b, 4)."""
    u = x - p[:, LOG_M0, None]
    return p[:, LOG_EPS0, None] + p[:, ALPHA, None] * u - _softplus(-p[:, DELTA, None] * u)


def _softplus(t: Floats) -> Floats:
    """log10(1 + 10^t) without overflow."""
    return np.maximum(t, 0.0) + np.log1p(np.exp(-LN10 * np.abs(t))) / LN10


def _loss(residual: Floats, weights: Floats, scale: float | None) -> Floats:
    squared = residual * residual
    if scale is not None:
        squared = 2.0 * scale**2 * (np.sqrt(1.0 + squared / scale**2) - 1.0)
    return np.einsum("bn,bn->b", weights, squared)
