"""Points, weighted means, and what the depositor refuses."""

import numpy as np
import pytest
import unyt

from simpost.core.errors import InputError
from simpost.maps.deposit import Depositor, ratio_map
from simpost.maps.view import View

VIEW = View.named("z", 2.0, 2.0, 0.5)


def test_points_lie_in_half_open_pixels():
    depositor = Depositor(VIEW, ["mass"])
    position = [[-1.0, -1.0, 0.0], [-0.5, 0.99, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    depositor.add_points(position, {"mass": [1.0, 2.0, 4.0, 8.0, 16.0]})
    result = depositor.finish()["mass"]
    expected = np.zeros((4, 4))
    expected[0, 0], expected[3, 1] = 1.0, 2.0
    np.testing.assert_array_equal(result.values, expected / 0.25)
    assert (result.total_selected, result.total_outside_fov, result.n_cells) == (15.0, 12.0, 2)
    assert result.closure == 0.0


@pytest.mark.parametrize("n_pixels", [3, 7, 167])
def test_points_agree_with_histogram2d(n_pixels):
    rng = np.random.default_rng(n_pixels)
    view = View.named("y", 5.0, 20.0, 5.0 / n_pixels)
    position = rng.normal(0, 2, (5000, 3))
    on_edges = rng.choice(view.edges(), (500, 3))
    on_edges = on_edges[np.all(on_edges < 2.5, axis=1)]
    position = np.concatenate((position, on_edges))
    mass = rng.uniform(0.1, 1, len(position))
    depositor = Depositor(view, ["mass"])
    depositor.add_points(position, {"mass": mass})
    result = depositor.finish()["mass"]
    expected = np.histogram2d(
        position[:, 0], position[:, 2], bins=(view.edges(), view.edges()), weights=mass
    )[0]
    np.testing.assert_allclose(result.values * view.pixel**2, expected, rtol=1e-12)
    assert abs(result.closure) < 1e-12


def test_weighted_mean_of_leaves_is_the_mean_over_the_overlap():
    # two leaves share the pixel (0.5 x 0.5) half and half in area, with masses 1 and 3
    depositor = Depositor(VIEW, ["mass", "mass_times_density"])
    mass, density = np.array([1.0, 3.0]), np.array([10.0, 20.0])
    position = [[0.125, 0.125, 0.0], [0.375, 0.375, 0.0]]
    depositor.add_leaves(position, [0.25, 0.25], {"mass": mass, "mass_times_density": mass * density})
    maps = depositor.finish()
    mean = ratio_map(maps["mass_times_density"], maps["mass"])
    np.testing.assert_allclose(mean[2, 2], 17.5, rtol=1e-14)
    assert np.count_nonzero(np.isnan(mean)) == 15


@pytest.mark.parametrize("kernel", ["s25", "support"])
def test_mean_of_a_constant_is_the_constant(kernel):
    rng = np.random.default_rng(0)
    mass = rng.uniform(0, 1, 200)
    depositor = Depositor(View.named("z", 2.0, 2.0, 0.1), ["w", "qw"], kernel)
    depositor.add_cells(rng.uniform(-1, 1, (200, 3)), np.full(200, 0.04), {"w": mass, "qw": 7.0 * mass})
    maps = depositor.finish()
    mean = ratio_map(maps["qw"], maps["w"])
    np.testing.assert_allclose(mean[~np.isnan(mean)], 7.0, rtol=1e-12)
    np.testing.assert_array_equal(np.isnan(mean), maps["w"].values == 0.0)


@pytest.mark.parametrize("add", ["add_leaves", "add_cells", "add_points"])
def test_empty_view_is_a_map_of_zeros_with_a_reason(add):
    depositor = Depositor(VIEW, ["mass"])
    lengths = [] if add == "add_points" else [np.zeros(0)]
    getattr(depositor, add)(np.zeros((0, 3)), *lengths, {"mass": np.zeros(0)})
    result = depositor.finish()["mass"]
    assert not np.any(result.values)
    assert result.values.shape == (4, 4)
    assert np.isnan(result.closure)
    assert result.closure_reason == "no cells"
    assert (result.total_selected, result.n_cells) == (0.0, 0)


def test_closure_of_a_signed_quantity_that_cancels():
    depositor = Depositor(VIEW, ["momentum"])
    depositor.add_leaves([[0.1, 0.1, 0.0], [0.3, 0.1, 0.0]], [0.3, 0.3], {"momentum": [1.0, -1.0]})
    assert abs(depositor.finish()["momentum"].closure) < 1e-14


ONE = [[0.0, 0.0, 0.0]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0.0, 0.0, 0.0], [1.0], {"mass": [1.0]}), r"shape \(n, 3\)"),
        ((ONE, [1.0, 2.0], {"mass": [1.0]}), "size"),
        ((ONE, [0.0], {"mass": [1.0]}), "positive lengths"),
        ((ONE, [-1.0], {"mass": [1.0]}), "positive lengths"),
        ((ONE, [1.0], {"mass": [np.nan]}), "quantity 'mass'.*1 NaN"),
        (([[np.inf, 0, 0]], [1.0], {"mass": [1.0]}), "position.*1 NaN"),
        ((ONE, [1.0], {"mass": [1.0], "mas": [1.0]}), "did you mean 'mass'"),
        ((ONE, [1.0], {}), "quantity 'mass'.*no column"),
        ((ONE, [1.0], {"mass": [[1.0]]}), r"shape \(1,\)"),
        ((unyt.unyt_array(ONE, "pc"), [1.0], {"mass": [1.0]}), "a quantity in pc"),
    ],
)
def test_bad_chunks_are_refused_and_leave_no_trace(arguments, message):
    depositor = Depositor(VIEW, ["mass"])
    with pytest.raises(InputError, match=message):
        depositor.add_leaves(*arguments)
    assert depositor.finish()["mass"].total_selected == 0.0


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"kernel": "cubic"}, "kernel"),
        ({"backend": "nest"}, "did you mean 'nested'"),
        ({"backend": "subsampled", "kernel": "support"}, "only one backend"),
        ({"quantities": []}, "one or more"),
        ({"quantities": ["mass", "mass"]}, "different names"),
    ],
)
def test_bad_depositors_are_refused(keywords, message):
    with pytest.raises(InputError, match=message):
        Depositor(VIEW, **{"quantities": ["mass"], **keywords})
