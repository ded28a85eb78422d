import numpy as np
import pytest

from simpost.core.errors import InputError
from simpost.statistics.resampling import interval, resampled_counts

GROUPS = np.array(["a"] * 5 + ["b"] * 20 + ["c"])


def counts(n=400, seed=0):
    return resampled_counts(GROUPS, n, np.random.default_rng(seed))


def test_every_resample_holds_as_many_points_of_each_group():
    drawn = counts()
    for label, size in (("a", 5), ("b", 20), ("c", 1)):
        assert (drawn[:, label == GROUPS].sum(axis=1) == size).all()


def test_points_are_drawn_once_on_average_with_the_variance_of_a_multinomial():
    drawn = counts(20000)[:, :5]
    assert drawn.mean(axis=0) == pytest.approx(1.0, abs=0.03)
    assert drawn.var(axis=0) == pytest.approx(0.8, abs=0.04)


def test_seeds_decide():
    np.testing.assert_array_equal(counts(seed=4), counts(seed=4))
    assert (counts(seed=4) != counts(seed=5)).any()


def test_intervals_of_a_mean_cover_honestly():
    generator = np.random.default_rng(8)
    n, trials = 60, 400
    hits = 0
    for _ in range(trials):
        sample = generator.exponential(size=n)
        means = resampled_counts(np.zeros(n), 200, generator) @ sample / n
        found = interval(means)
        hits += found.p16 <= 1.0 <= found.p84
    assert 0.60 < hits / trials < 0.76


def test_interval_is_along_the_first_axis():
    samples = np.arange(101.0)[:, None] * [1.0, -1.0]
    found = interval(samples)
    np.testing.assert_allclose(found.median, [50, -50])
    np.testing.assert_allclose(found.p16, [16, -84])
    np.testing.assert_allclose(found.p84, [84, -16])


def test_nothing_to_draw_is_refused():
    with pytest.raises(InputError, match="groups"):
        resampled_counts([], 10, np.random.default_rng(0))
    with pytest.raises(InputError, match="resamples"):
        resampled_counts([1, 2], 0, np.random.default_rng(0))
