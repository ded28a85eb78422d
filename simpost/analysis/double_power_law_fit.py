"""Fit of the double power law of Shen+2025 eq. 3 to the efficiencies of galaxies.

In log10, with u = log M - log M0 and delta = beta - alpha >= 0,
    log eps = log eps0 + alpha u - log10(1 + 10^(-delta u)).
eps0 and M0 are strongly degenerate where the break is weak: read the efficiencies at fixed masses and the
covariance, not the parameters one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar

from simpost.analysis.double_power_law import DoublePowerLaw
from simpost.analysis.double_power_law_solver import Bounds, fit_all, fit_one
from simpost.core.errors import InputError
from simpost.ism.arrays import Booleans, Floats, choice, positive, shaped
from simpost.statistics.resampling import Interval, interval, resampled_counts

GroupWeights = Literal["equal_groups", "equal_points"]
Loss = Literal["linear", "soft_l1"]

FEWEST_POINTS = 4
NARROWEST_RANGE = 0.5  # dex of halo mass
LEAST_GAIN = 2.0  # in BIC, for which the double power law is kept
INSIDE = 0.3  # dex between M0 and both ends of the sample, else collapsed
COLLAPSED_LOG_M0 = 9.0  # where Shen+2025 fix M0 of single power laws
REPORTED_LOG_MASS = (9.0, 10.0, 11.0)
N_BOOTSTRAP = 1000
SOFT_SCALE = 0.25  # dex: residuals beyond it count linearly (soft_l1); our choice


@dataclass(frozen=True, eq=False)
class Bootstrap:
    """Resampled fits; for the parameters the chosen form (double or single) is held.

    Attributes
    ----------
    parameters : Interval
        Of (log eps0, log M0, alpha, beta), arrays (4,).
    covariance : (4, 4)
        Of the same; zero rows for what is fixed.
    log_efficiency : Interval
        Of log10 eps at `REPORTED_LOG_MASS`, arrays (3,): each resample chooses its own form, so that the
        doubt about the form is part of the interval.
    share_of_form : float
        Of the resamples that choose the form of the sample.
    n_resamples, n_unconverged, n_at_bound : int
        Resamples; fits that stopped before convergence; fits with log M0 or delta at a bound.
    seed : int
        Of the generator.
    """

    parameters: Interval
    covariance: Floats
    log_efficiency: Interval
    share_of_form: float
    n_resamples: int
    n_unconverged: int
    n_at_bound: int
    seed: int


@dataclass(frozen=True, eq=False)
class DoublePowerLawFit:
    """Result of a fit.

    Attributes
    ----------
    law : DoublePowerLaw
        The chosen form, valid to the largest mass of the sample.
    double, single : DoublePowerLaw
        Both forms.
    beta_redundant : bool
        The single power law was chosen.
    collapse_reason : str
        Why it was; empty if the double one was kept.
    bic_gain : float
        BIC of the single minus BIC of the double power law.
    m0_fixed : bool
        M0 was not fitted.
    scatter : float
        Weighted rms of the residuals of `law` [dex]; with errors, the fitted intrinsic scatter.
    n_points : dict
        Points of each group in the fit.
    n_left_out, n_duplicates : int
        Points without a positive efficiency; centrals that are targets too.
    log_efficiency : (3,)
        Of `law` at `REPORTED_LOG_MASS`.
    is_extrapolated : (3,) bool
        Which of these masses lie outside the sample.
    bootstrap : Bootstrap or None
        Errors, if asked for.
    """

    law: DoublePowerLaw
    double: DoublePowerLaw
    single: DoublePowerLaw
    beta_redundant: bool
    collapse_reason: str
    bic_gain: float
    m0_fixed: bool
    scatter: float
    n_points: dict[str, int]
    n_left_out: int
    n_duplicates: int
    log_efficiency: Floats
    is_extrapolated: Booleans
    bootstrap: Bootstrap | None


@dataclass(frozen=True, eq=False)
class _Sample:
    """Points that are fitted: log M [dex], log eps [dex], error [dex], group, weight of sum n."""

    x: Floats
    y: Floats
    sigma: Floats
    group: NDArray
    weight: Floats


@dataclass(frozen=True, eq=False)
class _Form:
    """Best fit of the double or the single power law: parameters (4,), scatter [dex], -2 ln L.

    `variance` (n,) [dex^2] is what residuals are weighed with; ones where errors are not known.
    """

    bounds: Bounds
    parameters: Floats
    scatter: float
    badness: float
    variance: Floats


def fit_double_power_law(
    log_mass: ArrayLike,
    efficiency: ArrayLike,
    group: Sequence[str] | None = None,
    *,
    galaxy: Sequence[str] | None = None,
    target_group: str = "target",
    sigma: ArrayLike | None = None,
    fixed_log_m0: float | None = None,
    weights: GroupWeights = "equal_groups",
    loss: Loss = "linear",
    collapse: bool = True,
    n_bootstrap: int = N_BOOTSTRAP,
    seed: int = 0,
) -> DoublePowerLawFit:
    """Fit eps(M) to one point per galaxy (Shen+2025 section 3.2, Table 3).

    Parameters
    ----------
    log_mass, efficiency : (n,)
        log10 M_halo [Msun] and the median efficiency of galaxies. Efficiencies that are NaN or <= 0 are
        left out and counted.
    group : (n,) of str, optional
        Group of each point (targets, all centrals); default one group.
    galaxy : (n,) of str, optional
        Names; a galaxy of `target_group` that is in another group too is kept only in the target group.
    sigma : (n,), optional
        Errors of log eps [dex], for instance half the 16-84 % range; an intrinsic scatter is then fitted
        too. Default none, as in Shen+2025.
    fixed_log_m0 : float, optional
        Fix log10 M0 [Msun]; default free.
    weights : "equal_groups" or "equal_points"
        Each group counts the same (default, Shen+2025), or each point.
    loss : "linear" or "soft_l1"
        Squared residuals (default), or robust ones that grow linearly beyond 0.25 dex.
    collapse : bool
        Report a single power law unless the double one lowers the BIC by more than 2 and M0 lies 0.3 dex
        inside the sampled masses; default true. M0 is then `fixed_log_m0`, or 1e9 Msun.
    n_bootstrap : int
        Resamples of galaxies within each group; 0 for no errors. Default 1000.
    seed : int
        Of the resampling.

    Raises
    ------
    InputError
        Fewer than 4 points, masses that span less than 0.5 dex, columns of other lengths, unknown options.
    """
    choice("weights", weights, ("equal_groups", "equal_points"))
    choice("loss", loss, ("linear", "soft_l1"))
    sample, n_left_out, n_duplicates = _sample(
        log_mass, efficiency, group, galaxy, target_group, sigma, weights
    )
    scale = SOFT_SCALE if loss == "soft_l1" else None
    bounds = Bounds.of_sample(sample.x, fixed_log_m0)
    flat = bounds.single(COLLAPSED_LOG_M0 if fixed_log_m0 is None else fixed_log_m0)
    with_errors = sigma is not None
    forms = _best(sample, bounds, scale, with_errors), _best(sample, flat, scale, with_errors)
    double, single = forms
    penalty = (1 if fixed_log_m0 is not None else 2) * np.log(sample.x.size)
    gain = single.badness - double.badness - penalty
    reason = _collapse_reason(float(gain), double.parameters[1], sample.x) if collapse else ""
    redundant = bool(reason)
    best = single if redundant else double
    limit = float(sample.x.max())
    law = _law(best.parameters, limit)
    labels, counts = np.unique(sample.group, return_counts=True)
    return DoublePowerLawFit(
        law,
        _law(double.parameters, limit),
        _law(single.parameters, limit),
        redundant,
        reason,
        float(gain),
        redundant or fixed_log_m0 is not None,
        best.scatter,
        {str(label): int(count) for label, count in zip(labels, counts, strict=True)},
        n_left_out,
        n_duplicates,
        law.log_efficiency(REPORTED_LOG_MASS),
        (np.array(REPORTED_LOG_MASS) > limit) | (np.array(REPORTED_LOG_MASS) < sample.x.min()),
        _bootstrap(sample, forms, redundant, penalty if collapse else None, scale, n_bootstrap, seed)
        if n_bootstrap
        else None,
    )


def _sample(
    log_mass: ArrayLike,
    efficiency: ArrayLike,
    group: Sequence[str] | None,
    galaxy: Sequence[str] | None,
    target_group: str,
    sigma: ArrayLike | None,
    weights: str,
) -> tuple[_Sample, int, int]:
    x = shaped("log halo mass", log_mass, None)
    n = x.size
    eps = shaped("efficiency", efficiency, n)
    labels = _labels("group", group, n)
    errors = np.zeros(n) if sigma is None else shaped("error of log efficiency", sigma, n)
    usable = np.isfinite(x) & np.isfinite(eps) & (eps > 0.0) & np.isfinite(errors)
    duplicate = np.zeros(n, dtype=bool)
    if galaxy is not None:
        names = _labels("galaxy", galaxy, n)
        is_target = labels == target_group
        duplicate = ~is_target & np.isin(names, names[is_target & usable])
    kept = usable & ~duplicate
    x, labels = x[kept], labels[kept]
    if x.size < FEWEST_POINTS:
        raise InputError(
            "double power law", f"{x.size} points with efficiency > 0", f"at least {FEWEST_POINTS}"
        )
    if np.ptp(x) < NARROWEST_RANGE:
        raise InputError(
            "double power law", f"masses over {np.ptp(x):.2f} dex", f"at least {NARROWEST_RANGE} dex"
        )
    weight = np.ones(x.size)
    if weights == "equal_groups":
        _, index, counts = np.unique(labels, return_inverse=True, return_counts=True)
        weight = x.size / (counts.size * counts[index])
    errors = positive("error of log efficiency", errors[kept], zero_allowed=True)
    sample = _Sample(x, np.log10(eps[kept]), errors, labels, weight)
    return sample, int(np.count_nonzero(~usable & ~duplicate)), int(np.count_nonzero(duplicate & usable))


def _labels(name: str, labels: Sequence[str] | None, n: int) -> NDArray:
    array = np.full(n, "all") if labels is None else np.asarray(labels, dtype=str)
    if array.shape != (n,):
        raise InputError(name, f"{array.size} labels for {n} points", "one for each point")
    return array


def _best(sample: _Sample, bounds: Bounds, scale: float | None, with_errors: bool) -> _Form:
    """The best fit of one form."""
    n = sample.x.size
    weight = sample.weight
    if not with_errors:
        result = fit_one(sample.x, sample.y, weight, bounds, scale)
        rms = float(np.sqrt(result.loss[0] / n))
        return _Form(bounds, result.parameters[0], rms, float(_badness(result.loss, n)[0]), np.ones(n))
    variance = sample.sigma**2
    intrinsic, loss = 0.0, np.inf
    parameters = np.empty(4)
    for _ in range(50):
        total = np.maximum(variance + intrinsic**2, 1e-12)
        result = fit_one(sample.x, sample.y, weight / total, bounds, scale)
        parameters, previous = result.parameters[0], loss
        loss = float(result.loss[0] + weight @ np.log(total))
        intrinsic = _intrinsic_scatter(sample, parameters)
        if abs(previous - loss) < 1e-9 * n:
            break
    return _Form(bounds, parameters, intrinsic, loss, np.maximum(variance + intrinsic**2, 1e-12))


def _badness(loss: Floats, n: int) -> Floats:
    """-2 ln L of n points whose scatter is that of their residuals, up to a constant."""
    return np.asarray(n * np.log(np.maximum(loss / n, np.finfo(float).tiny)))


def _intrinsic_scatter(sample: _Sample, parameters: Floats) -> float:
    """Scatter s [dex] of highest likelihood for residuals of variance sigma^2 + s^2."""
    squared = (sample.y - _law(parameters, np.inf).log_efficiency(sample.x)) ** 2
    variance = sample.sigma**2

    def minus_two_ln_likelihood(s: float) -> float:
        total = np.maximum(variance + s * s, 1e-12)
        return float(sample.weight @ (squared / total + np.log(total)))

    widest = max(2.0 * float(np.sqrt(squared.max())), 1e-6)
    return float(minimize_scalar(minus_two_ln_likelihood, bounds=(0.0, widest), method="bounded").x)


def _break_limits(x: Floats) -> tuple[float, float]:
    """Between which log M0 must lie for the double power law to be kept."""
    return float(x.min()) + INSIDE, float(x.max()) - INSIDE


def _collapse_reason(gain: float, log_m0: float, x: Floats) -> str:
    if gain <= LEAST_GAIN:
        return f"the double power law lowers the BIC by {gain:.2f}, not by more than {LEAST_GAIN:g}"
    low, high = _break_limits(x)
    if not low <= log_m0 <= high:
        return f"log M0 = {log_m0:.2f} lies outside {low:.2f}-{high:.2f}, {INSIDE} dex inside the sample"
    return ""


def _bootstrap(
    sample: _Sample,
    forms: tuple[_Form, _Form],
    redundant: bool,
    penalty: float | None,
    scale: float | None,
    n_resamples: int,
    seed: int,
) -> Bootstrap:
    """Resamples of the double and the single power law; `penalty` of the BIC is None if none may collapse."""
    counts = resampled_counts(sample.group, n_resamples, np.random.default_rng(seed))
    double, single = (
        fit_all(sample.x, sample.y, counts * sample.weight / f.variance, f.bounds, scale, f.parameters)
        for f in forms
    )
    is_double = np.full(n_resamples, not redundant)
    if penalty is not None:
        # -2 ln L of a resample differs between the forms by their losses, scaled where errors are not known
        if np.all(forms[0].variance == 1.0):
            gain = _badness(single.loss, sample.x.size) - _badness(double.loss, sample.x.size) - penalty
        else:
            gain = single.loss - double.loss - penalty
        low, high = _break_limits(sample.x)
        log_m0 = double.parameters[:, 1]
        is_double = (gain > LEAST_GAIN) & (log_m0 >= low) & (log_m0 <= high)
    own = single if redundant else double
    drawn = np.where(is_double[:, None], double.parameters, single.parameters)
    log_eps0, log_m0, alpha, delta = own.parameters.T
    parameters = np.stack([log_eps0, log_m0, alpha, alpha + delta], axis=1)
    at_masses = np.stack([_law(p, np.inf).log_efficiency(REPORTED_LOG_MASS) for p in drawn])
    return Bootstrap(
        interval(parameters),
        np.cov(parameters, rowvar=False) if n_resamples > 1 else np.full((4, 4), np.nan),
        interval(at_masses),
        float(np.mean(is_double != redundant)),
        n_resamples,
        int(np.count_nonzero(~own.converged)),
        int(np.count_nonzero(own.at_bound)),
        seed,
    )


def _law(parameters: Floats, limit: float) -> DoublePowerLaw:
    log_eps0, log_m0, alpha, delta = (float(value) for value in parameters)
    return DoublePowerLaw(log_eps0, log_m0, alpha, alpha + max(delta, 0.0), limit)
