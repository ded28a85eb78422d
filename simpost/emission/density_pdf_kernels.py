# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls
"""Kernels that average log-log tables over a log-normal density distribution, in closed form."""

from __future__ import annotations

import math

from simpost.core.compile import kernel

REACH = 9.0  # widths beyond which a segment is not looked at
NARROW = 1e-6  # width below which a distribution is a point
FAR = 12.0  # argument from which erfc is taken from its series, good to 1e-9 there


@kernel
def _far_tail(intercept, slope, s, mean, sigma, x):
    """exp(intercept + slope s) Gaussian(s) exp(x^2) erfc(x) for x >= FAR by erfc's asymptotic series."""
    if math.isinf(s):
        return 0.0
    y = 0.5 / (x * x)
    scaled = (1.0 - y * (1.0 - 3.0 * y * (1.0 - 5.0 * y * (1.0 - 7.0 * y)))) / (x * math.sqrt(math.pi))
    return scaled * math.exp(intercept + slope * s - 0.5 * ((s - mean) / sigma) ** 2)


@kernel
def segment_integral(intercept, slope, low, high, mean, sigma):
    """Integral of exp(intercept + slope s) Normal(s; mean, sigma^2) over low < s < high (may be infinite).

    Completing the square moves the Gaussian to mean + slope sigma^2. Complementary error functions keep
    the digits on either side of that peak; far from it the exponents are combined before they are taken,
    so that nothing overflows.
    """
    scale = sigma * math.sqrt(2.0)
    peak = mean + slope * sigma * sigma
    x1, x2 = (low - peak) / scale, (high - peak) / scale
    if x1 >= FAR:
        near = _far_tail(intercept, slope, low, mean, sigma, x1)
        return 0.5 * (near - _far_tail(intercept, slope, high, mean, sigma, x2))
    if x2 <= -FAR:
        near = _far_tail(intercept, slope, high, mean, sigma, -x2)
        return 0.5 * (near - _far_tail(intercept, slope, low, mean, sigma, -x1))
    half = 0.5 * math.exp(intercept + slope * mean + 0.5 * (slope * sigma) ** 2)
    if x1 >= 0.0:
        return half * (math.erfc(x1) - math.erfc(x2))
    if x2 <= 0.0:
        return half * (math.erfc(-x2) - math.erfc(-x1))
    return half * (math.erf(x2) - math.erf(x1))


@kernel
def _at_mean(ln_l, s, slope_below, slope_above):
    """exp(ln l) at s = 0 and whether that is beyond the ends."""
    last = s.size - 1
    if s[0] > 0.0:
        return math.exp(ln_l[0] - slope_below * s[0]), 1.0
    if s[last] < 0.0:
        return math.exp(ln_l[last] - slope_above * s[last]), 1.0
    i = 0
    while i < last - 1 and s[i + 1] <= 0.0:
        i += 1
    return math.exp(ln_l[i] - (ln_l[i + 1] - ln_l[i]) * s[i] / (s[i + 1] - s[i])), 0.0


@kernel
def average_rows(ln_l, ln_nodes, ln_n, slope_below, slope_above, means, sigmas, average, outside):
    """Average each row of a table over its own log-normal of density.

    ln_l (rows, nodes): ln of the table; ln_nodes (nodes,): ascending ln n of the nodes; ln_n (rows,): ln n0;
    slope_below, slope_above: d ln l / d ln n beyond the ends; means, sigmas (rows,) of the Gaussians in
    s = ln(n/n0), a sigma below 1e-6 evaluates at s = 0. Filled: average (rows,), in the table's unit;
    outside (rows,), the share of it that comes from beyond the ends.
    """
    last = ln_nodes.size - 1
    for r in range(ln_l.shape[0]):
        s = ln_nodes - ln_n[r]
        mean, sigma = means[r], sigmas[r]
        if sigma < NARROW:
            average[r], outside[r] = _at_mean(ln_l[r], s, slope_below, slope_above)
            continue
        beyond = segment_integral(ln_l[r, 0] - slope_below * s[0], slope_below, -math.inf, s[0], mean, sigma)
        beyond += segment_integral(
            ln_l[r, last] - slope_above * s[last], slope_above, s[last], math.inf, mean, sigma
        )
        inside = 0.0
        for i in range(last):
            if s[i + 1] < mean - REACH * sigma or s[i] > mean + REACH * sigma:
                continue
            slope = (ln_l[r, i + 1] - ln_l[r, i]) / (s[i + 1] - s[i])
            inside += segment_integral(ln_l[r, i] - slope * s[i], slope, s[i], s[i + 1], mean, sigma)
        average[r] = inside + beyond
        outside[r] = beyond / (inside + beyond)
