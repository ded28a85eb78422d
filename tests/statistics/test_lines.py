import numpy as np
import pytest

from simpost.core.errors import InputError
from simpost.statistics.lines import fit_lines


def test_points_on_a_line_give_it_all_three_ways():
    x = np.array([0.0, 1.0, 3.0, 7.0])
    lines = fit_lines(x, 2.0 + 1.5 * x, [1, 2, 1, 5], slope=1.5)
    for slope, zero in (lines.y_on_x, lines.bisector, lines.fixed):
        assert slope == pytest.approx(1.5, rel=1e-12)
        assert zero == pytest.approx(2.0 + 1.5 * lines.pivot, rel=1e-12)


def test_weights_are_repeats():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(2, 8))
    n = rng.integers(1, 5, 8)
    weighted, repeated = (
        fit_lines(x, y, n, 2.0),
        fit_lines(np.repeat(x, n), np.repeat(y, n), np.ones(n.sum()), 2.0),
    )
    assert weighted.y_on_x == pytest.approx(repeated.y_on_x, rel=1e-12)
    assert weighted.bisector == pytest.approx(repeated.bisector, rel=1e-12)


def test_bisector_is_halfway_in_angle_and_symmetric():
    rng = np.random.default_rng(2)
    x = rng.normal(size=200)
    y = 1.3 * x + rng.normal(size=200)
    ones = np.ones(200)
    forward, backward = fit_lines(x, y, ones, 1.0), fit_lines(y, x, ones, 1.0)
    assert forward.bisector[0] == pytest.approx(1.0 / backward.bisector[0], rel=1e-12)
    angle = 0.5 * (np.arctan(forward.y_on_x[0]) + np.arctan(1.0 / backward.y_on_x[0]))
    assert np.arctan(forward.bisector[0]) == pytest.approx(angle, rel=1e-12)
    assert forward.y_on_x == pytest.approx((np.polyfit(x, y, 1)[0], y.mean()), rel=1e-10)


@pytest.mark.parametrize(
    ("x", "weights", "words"),
    [([1.0], [1.0], "at least two"), ([2.0, 2.0], [1, 1], "at least two"), ([1.0, 2.0], [1, -1], "weights")],
)
def test_what_defines_no_line_is_refused(x, weights, words):
    with pytest.raises(InputError, match=words):
        fit_lines(x, x, weights, 2.0)
