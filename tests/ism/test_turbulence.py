import numpy as np
import pytest
from test_gradient import uniform_grid

from simpost.core.errors import InputError
from simpost.ism.turbulence import (
    knn_dispersion,
    leaf_velocity_gradient,
    mach_number,
    turbulent_velocity,
    voronoi_velocity_gradient,
)

FLOWS = {
    "expansion": np.eye(3),
    "rotation": np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]),
    "shear": np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]),
}
# reference values: flow, option, sigma/Dx
EXACT = [
    ("expansion", {}, 1.7320508075688772),
    ("expansion", {"subtract_divergence": True}, 0.0),
    ("rotation", {}, 1.4142135623730951),
    ("rotation", {"subtract_rotation": True}, 0.0),
    ("shear", {}, 1.0),
    ("shear", {"subtract_rotation": True}, 0.7071067811865476),
    ("rotation", {"subtract_divergence": True}, 1.4142135623730951),
    ("shear", {"hubble": 2.0}, np.sqrt(13.0)),
    ("shear", {"hubble": 2.0, "subtract_divergence": True, "subtract_rotation": True}, 0.7071067811865476),
]


def refined_grid():
    """A 4^3 grid with its central 2^3 cells refined: corners, levels, widths, centres."""
    corner, level = uniform_grid(4) * 2, np.full(64, 2)
    middle = np.all((corner >= 2) & (corner < 6), axis=1)
    corner = np.vstack([corner[~middle], uniform_grid(4) + 2])
    level = np.r_[level[~middle], np.full(64, 3)]
    width = np.ldexp(1.0, 3 - level)
    return corner, level, width, corner + 0.5 * width[:, None]


@pytest.mark.parametrize(("flow", "options", "expected"), EXACT)
def test_exact_flows(flow, options, expected):
    corner = uniform_grid(4)
    centre = corner + 0.5
    ones = np.ones(64)
    velocity = centre @ FLOWS[flow].T
    leaves = leaf_velocity_gradient(corner, np.full(64, 2), 2, velocity, ones).value
    cells = voronoi_velocity_gradient(centre, velocity).value
    for gradient in (leaves, cells):
        sigma, undefined = turbulent_velocity(gradient, ones, **options)
        assert not undefined.any()
        np.testing.assert_allclose(sigma, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("flow", "options", "expected"), EXACT)
def test_exact_flows_across_a_level_jump(flow, options, expected):
    corner, level, width, centre = refined_grid()
    gradient = leaf_velocity_gradient(corner, level, 3, centre @ FLOWS[flow].T, width).value
    sigma, undefined = turbulent_velocity(gradient, width, **options)
    assert not undefined.any()
    np.testing.assert_allclose(sigma / width, expected, rtol=0, atol=1e-12)


def test_sigma_does_not_turn_with_the_axes_nor_move_with_the_frame():
    rng = np.random.default_rng(1)
    gradient = rng.normal(size=(50, 3, 3))
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    size = rng.uniform(0.1, 1.0, 50)
    for options in ({}, {"subtract_divergence": True}, {"subtract_rotation": True}):
        straight = turbulent_velocity(gradient, size, **options)[0]
        turned = turbulent_velocity(turn @ gradient @ turn.T, size, **options)[0]
        np.testing.assert_allclose(turned, straight, rtol=1e-12)


def test_undefined_gradients_are_zero_and_flagged():
    gradient = np.full((3, 3, 3), np.nan)
    gradient[1] = 0.0
    sigma, undefined = turbulent_velocity(gradient, np.ones(3))
    assert sigma.tolist() == [0.0, 0.0, 0.0]
    assert undefined.tolist() == [True, False, True]


def test_knn_dispersion_twin_and_scaling():
    rng = np.random.default_rng(6)
    position, velocity = rng.normal(size=(200, 3)), rng.normal(size=(200, 3))
    mass, size = rng.uniform(1, 2, 200), rng.uniform(0.1, 0.2, 200)
    sigma = knn_dispersion(position, velocity, mass, size, 10)
    for i in range(0, 200, 7):
        distance = np.linalg.norm(position - position[i], axis=1)
        group = np.argsort(distance)[:11]
        mean = np.average(velocity[group], axis=0, weights=mass[group])
        variance = np.average(((velocity[group] - mean) ** 2).sum(axis=1), weights=mass[group])
        assert sigma[i] == pytest.approx(np.sqrt(variance) * size[i] / distance[group[-1]], rel=1e-12)
    # blind to a bulk motion; and follows a linear flow from scale to scale
    np.testing.assert_allclose(knn_dispersion(position, velocity + 100.0, mass, size, 10), sigma, rtol=1e-10)
    large = knn_dispersion(10 * position, 10 * position, mass, size, 10)
    np.testing.assert_allclose(large, knn_dispersion(position, position, mass, size, 10), rtol=1e-12)


@pytest.mark.parametrize(
    ("definition", "expected"),
    [
        ("total_over_thermal", np.sqrt(10.0)),
        ("turbulent_over_thermal", 3.0),
        ("linear_sum", 4.0),
        ("literal", 4.0 / 3.0),
    ],
)
def test_mach_definitions(definition, expected):
    mach, clipped = mach_number([6.0], [2.0], definition)
    assert mach[0] == pytest.approx(expected, rel=1e-15)
    assert not clipped[0]
    assert mach_number([6.0 * np.sqrt(3.0)], [2.0], definition, "1d")[0][0] == pytest.approx(
        expected, rel=1e-14
    )


def test_mach_limits_and_clipping():
    assert mach_number([0.0], [1.0])[0][0] == 1.0  # thermal only
    mach, clipped = mach_number([0.0, 1.0, 1e4], [1.0, 1.0, 1.0], "turbulent_over_thermal")
    assert mach.tolist() == [1e-3, 1.0, 300.0]
    assert clipped.tolist() == [True, False, True]
    assert mach_number([0.0], [1.0], "literal")[0][0] == 300.0


def test_bad_input():
    with pytest.raises(InputError, match="did you mean 'linear_sum'"):
        mach_number([1.0], [1.0], "linear_summ")
    with pytest.raises(InputError, match="sound speed"):
        mach_number([1.0], [0.0])
    with pytest.raises(InputError, match="velocity gradient"):
        turbulent_velocity(np.ones((2, 3)), np.ones(2))
