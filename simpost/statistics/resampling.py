"""Bootstrap resampling and the intervals it gives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simpost.core.errors import InputError

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Interval:
    """Median and 16th and 84th percentiles of resampled values; arrays of one shape, or numbers."""

    median: Floats
    p16: Floats
    p84: Floats


def resampled_counts(groups: ArrayLike, n_resamples: int, generator: np.random.Generator) -> Floats:
    """How often each point is drawn (n_resamples, n), drawing with replacement within each group.

    Counts are weights: a statistic that takes weights is resampled in one vectorised call.

    Parameters
    ----------
    groups : (n,)
        Label of the group of each point; every resample holds as many points of a group as the sample.
    n_resamples : int
        Number of resamples.
    generator : numpy.random.Generator
        Made from a seed; the same seed gives the same resamples.

    Raises
    ------
    InputError
        No points, or fewer than one resample.
    """
    groups = np.asarray(groups)
    if groups.ndim != 1 or groups.size == 0:
        raise InputError("groups", f"shape {groups.shape}", "one label for each of at least one point")
    if n_resamples < 1:
        raise InputError("number of resamples", str(n_resamples), "at least 1")
    counts = np.empty((n_resamples, groups.size))
    for label in np.unique(groups):
        members = np.flatnonzero(groups == label)
        equal = np.full(members.size, 1.0 / members.size)
        counts[:, members] = generator.multinomial(members.size, equal, size=n_resamples)
    return counts


def interval(samples: ArrayLike) -> Interval:
    """Median and 16-84 % along the first axis (n_resamples, ...); NaN if a sample is NaN."""
    p16, median, p84 = np.percentile(np.asarray(samples, dtype=float), (16.0, 50.0, 84.0), axis=0)
    return Interval(median, p16, p84)
