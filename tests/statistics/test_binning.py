from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from simpost.core.errors import InputError
from simpost.statistics.binning import (
    bin_index,
    binned_counts,
    binned_density,
    binned_percentiles,
    binned_sums,
    weighted_percentile,
)

EDGES = np.array([0.0, 1.0, 2.0, 4.0])
values = arrays(float, st.integers(1, 40), elements=st.floats(-1e3, 1e3))
GENERATOR = np.random.default_rng(3)
X, Y, W = GENERATOR.uniform(-1, 5, 500), GENERATOR.normal(size=500), GENERATOR.random(500)


@given(values)
def test_equal_weights_are_numpys_percentiles(y):
    got = weighted_percentile(y, (0, 16, 50, 84, 100), np.full(y.size, 0.3))
    np.testing.assert_allclose(got, np.percentile(y, (0, 16, 50, 84, 100)), rtol=1e-9, atol=1e-9)


def test_weighted_median_follows_the_weight():
    y = np.arange(5.0)
    assert weighted_percentile(y, (50,), [1, 1, 1, 1, 100])[0] > 3.4
    assert weighted_percentile(y, (50,), [0, 0, 1, 0, 0])[0] == 2.0
    symmetric = weighted_percentile(y, (16, 50, 84), [1, 2, 3, 2, 1])
    assert symmetric[1] == pytest.approx(2.0)
    assert symmetric[0] + symmetric[2] == pytest.approx(4.0)


def test_no_weight_no_percentile():
    assert np.isnan(weighted_percentile([1.0, 2.0], weights=[0.0, 0.0])).all()
    assert np.isnan(weighted_percentile([])).all()


def test_bins_are_those_of_numpy():
    x = np.append(X, EDGES)
    assert binned_counts(x, EDGES).tolist() == np.histogram(x, EDGES)[0].tolist()
    assert bin_index([-1e-9, 0.0, 1.0, 4.0, 4.1, np.nan, np.inf], EDGES).tolist() == [-1, 0, 1, 2, -1, -1, -1]


def test_percentiles_in_bins_are_those_of_their_points():
    got = binned_percentiles(X, Y, EDGES)
    weighted = binned_percentiles(X, Y, EDGES, (25, 75), W)
    for i, (low, high) in enumerate(pairwise(EDGES)):
        inside = bin_index(X, [low, high]) == 0
        np.testing.assert_allclose(got[:, i], np.percentile(Y[inside], (16, 50, 84)), rtol=1e-12)
        np.testing.assert_array_equal(weighted[:, i], weighted_percentile(Y[inside], (25, 75), W[inside]))


def test_empty_bins_have_no_percentiles():
    got = binned_percentiles([0.5, 3.0], [1.0, 2.0], EDGES)
    assert np.isnan(got[:, 1]).all()
    assert got[:, [0, 2]].tolist() == [[1.0, 2.0]] * 3


def test_sums_over_bins_are_the_total_of_what_is_inside():
    inside = (X >= 0) & (X <= 4)
    assert binned_sums(X, W, EDGES).sum() == pytest.approx(W[inside].sum(), rel=1e-12)


def test_densities_integrate_to_one_and_obey_their_ratio():
    gas, rate = W, W * np.abs(Y)
    widths = np.diff(EDGES)
    density_gas, density_rate = binned_density(X, gas, EDGES), binned_density(X, rate, EDGES)
    assert density_gas @ widths == pytest.approx(1.0, rel=1e-12)
    ratio = binned_sums(X, rate, EDGES) / binned_sums(X, gas, EDGES)
    total = binned_sums(X, gas, EDGES).sum() / binned_sums(X, rate, EDGES).sum()
    np.testing.assert_allclose(density_rate, density_gas * ratio * total, rtol=1e-12)
    assert np.isnan(binned_density([9.0], [1.0], EDGES)).all()


@pytest.mark.parametrize("edges", [[1.0], [0.0, 0.0, 1.0], [2.0, 1.0], [0.0, np.nan]])
def test_edges_that_do_not_rise_are_refused(edges):
    with pytest.raises(InputError, match="bin edges"):
        binned_counts(X, edges)


def test_values_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match="one for every x"):
        binned_sums(X, W[1:], EDGES)
    with pytest.raises(InputError, match="values"):
        binned_percentiles(X, np.where(X < 1, np.nan, Y), EDGES)
    with pytest.raises(InputError, match="weights"):
        weighted_percentile([1.0, 2.0], weights=[1.0, -1.0])
    with pytest.raises(InputError, match="weights"):
        weighted_percentile([1.0, 2.0], weights=[1.0])
