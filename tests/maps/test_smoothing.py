"""Kernel shapes and conventions: the numbers of the specification and of Dehnen & Aly (2012)."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import brentq

from simpost.core.errors import InputError
from simpost.maps.closure_kernels import enclosed_share, select_cells, share_below, share_in_square
from simpost.maps.smoothing import (
    KERNELS,
    RANK,
    corner_table,
    separable_table,
    smoothing_kernel,
)

NODES, NODE_WEIGHTS = np.polynomial.legendre.leggauss(16)  # as the depositor has them
W2, S = KERNELS["s25"], KERNELS["support"]

# q, S H^2, W2 H^2, enclosed S, enclosed W2
REFERENCE = [
    (0.1, 2.07235209, 2.04666254, 0.06750195, 0.06702580),
    (0.2, 1.68624588, 1.64278459, 0.24384125, 0.23978240),
    (0.3, 1.21014972, 1.17696354, 0.46913655, 0.45881460),
    (0.5, 0.40899180, 0.41778173, 0.84294785, 0.82812500),
    (0.7, 0.05740268, 0.06858305, 0.98423337, 0.97953940),
    (0.9, 0.00053837, 0.00102496, 0.99994259, 0.99988020),
]


@pytest.mark.parametrize(("q", "s", "w2", "enclosed_s", "enclosed_w2"), REFERENCE)
def test_reference_values(q, s, w2, enclosed_s, enclosed_w2):
    found = (S.profile(q), W2.profile(q), enclosed_share(1, q), enclosed_share(0, q))
    np.testing.assert_allclose(found, (s, w2, enclosed_s, enclosed_w2), rtol=0, atol=6e-9)


@pytest.mark.parametrize("kernel", [W2, S], ids=["W2", "S"])
def test_enclosed_share_is_the_integral_of_the_profile(kernel):
    for q in (1e-6, 0.01, 0.15, 0.5, 0.99, 1.0, 1.5):
        expected = quad(
            lambda r: 2 * np.pi * r * kernel.profile(r), 0, min(q, 1.0), epsabs=1e-13, epsrel=1e-12
        )[0]
        assert abs(enclosed_share(kernel.shape, q) - expected) < 1e-12
    assert kernel.profile(np.array([1.0, 1.2])).tolist() == [0.0, 0.0]
    np.testing.assert_allclose(kernel.profile(0.0), 7 / np.pi, rtol=1e-14)


def test_projection_of_the_three_dimensional_kernel():
    for q in (0.05, 0.4, 0.85):
        column = quad(
            lambda z, q=q: (1 - np.hypot(q, z)) ** 4 * (1 + 4 * np.hypot(q, z)), 0, np.sqrt(1 - q * q)
        )
        np.testing.assert_allclose(S.profile(q), 2 * 21 / (2 * np.pi) * column[0], rtol=1e-9)


@pytest.mark.parametrize(("kernel", "half_mass"), [(S, 0.313598), (W2, 0.318686)], ids=["S", "W2"])
def test_half_mass_radius(kernel, half_mass):
    found = brentq(lambda q: enclosed_share(kernel.shape, q) - 0.5, 0.1, 0.6)
    assert abs(found - half_mass) < 6e-7


@pytest.mark.parametrize(
    ("name", "h_over_r_cell", "half_mass"),
    [
        ("s25", 4.743417, 1.5117),
        ("support", 2.5, 0.7840),
        ("wendland_3d", 4.841230, 1.5182),
        ("gadget", 5.0, 1.5680),
    ],
)
def test_conventions_of_the_smoothing_length(name, h_over_r_cell, half_mass):
    kernel = smoothing_kernel(name)
    assert abs(kernel.h_over_r_cell - h_over_r_cell) < 1e-6
    found = brentq(lambda q: enclosed_share(kernel.shape, q) - 0.5, 0.1, 0.6) * kernel.h_over_r_cell
    assert abs(found - half_mass) < 6e-5


def test_support_is_in_units_of_the_rms_width():
    # Dehnen & Aly 2012: h is twice the rms per axis
    for kernel, width in ((S, 0.258199), (W2, 0.263523)):
        variance = quad(lambda r, k=kernel: np.pi * r**3 * k.profile(r), 0, 1)[0]
        assert abs(np.sqrt(variance) - width) < 1e-6


@pytest.mark.parametrize(("side", "share"), [(0.5, 0.42423849), (1.0, 0.89950891), (2.0, 1.0)])
def test_share_of_a_centred_pixel(side, share):
    assert abs(share_in_square(0.0, 0.0, 1.0, 1, side / 2, NODES, NODE_WEIGHTS) - share) < 6e-9


@pytest.mark.parametrize("kernel", [W2, S], ids=["W2", "S"])
def test_share_below_a_line_is_an_integral_of_the_profile(kernel):
    nodes, weights = np.polynomial.legendre.leggauss(200)

    def along_a_line(s):
        half_chord = np.sqrt(max(1.0 - s * s, 0.0))
        # half of the line, for the profile has a kink in the middle
        return half_chord * weights @ kernel.profile(np.hypot(s, half_chord * 0.5 * (nodes + 1.0)))

    for s in (0.0, 1e-9, 0.03, 0.1, 0.33, 0.6, 0.9, 0.99):
        beyond = quad(along_a_line, s, 1.0, epsabs=1e-14, epsrel=1e-12)[0]
        assert abs(share_below(kernel.shape, -s) - beyond) < 1e-13
        assert abs(share_below(kernel.shape, s) + share_below(kernel.shape, -s) - 1.0) < 1e-14
    for s, share in ((-1.0, 0.0), (-3.0, 0.0), (1.0, 1.0), (7.0, 1.0)):
        assert share_below(kernel.shape, s) == share
    shares = [share_below(kernel.shape, s) for s in np.linspace(-1.0, 1.0, 2001)]
    assert np.all(np.diff(shares) >= -1e-15)


@pytest.mark.parametrize("kernel", [W2, S], ids=["W2", "S"])
def test_a_line_is_the_edge_of_a_wide_window(kernel):
    for s in np.linspace(-0.99, 0.99, 23):
        # the window's right edge is s H beyond the centre, the others far away
        share = share_in_square(10.0 - s, 0.3, 1.0, kernel.shape, 10.0, NODES, NODE_WEIGHTS)
        assert abs(share - share_below(kernel.shape, s)) < 1e-13


@pytest.mark.parametrize("kernel", [W2, S], ids=["W2", "S"])
def test_cells_are_selected_one_by_one(kernel):
    # groups wholly inside, wholly outside, behind the slab, cut by edges and corners, and of all kinds
    rng = np.random.default_rng(3)
    n = 1500
    position = rng.uniform(-0.4, 0.4, (n, 3))
    position[300:600, 0] += 2.0
    position[600:900, 2] += 1.0
    position[900:] = rng.uniform(-1.3, 1.3, (600, 3))
    r_cell, quantity = 10 ** rng.uniform(-3.0, -1.0, n), rng.normal(size=(n, 2))
    r_cell[1400:] *= 30.0  # wider than the window
    row, numbers, totals = np.empty(n, np.int64), np.empty((4, n)), np.zeros((3, 2))
    half_width, half_depth, view = 0.5, 0.6, np.eye(3)[[1, 2, 0]]
    found = select_cells(
        position, r_cell, quantity, view, half_width, half_depth, 2.0, kernel.shape, NODES, NODE_WEIGHTS, row,
        *numbers, totals,
    )  # fmt: skip
    x, y, depth = view @ position.T
    share = np.array(
        [
            share_in_square(x[m], y[m], 2.0 * r_cell[m], kernel.shape, half_width, NODES, NODE_WEIGHTS)
            for m in range(n)
        ]
    )
    in_slab = (depth >= -half_depth) & (depth < half_depth)
    expected = np.flatnonzero(in_slab & (share > 0.0))
    assert 0 < found == expected.size < n
    np.testing.assert_array_equal(row[:found], expected)
    np.testing.assert_array_equal(numbers[:3, :found], [x[expected], y[expected], 2.0 * r_cell[expected]])
    np.testing.assert_allclose(numbers[3, :found], share[expected], rtol=0, atol=1e-12)
    parts = share[expected, None] * quantity[expected]
    beside = ((1.0 - share)[:, None] * quantity)[in_slab].sum(axis=0)
    np.testing.assert_allclose(totals, [parts.sum(axis=0), np.abs(parts).sum(axis=0), beside], rtol=1e-10)


@pytest.mark.parametrize("kernel", [W2, S], ids=["W2", "S"])
def test_share_inside_a_window_against_quadrature(kernel):
    rng = np.random.default_rng(7)
    x, y = rng.uniform(-2.0, 2.0, (2, 40))
    support = 10 ** rng.uniform(-1.5, 1.0, 40)
    nodes, weights = np.polynomial.legendre.leggauss(400)
    for n in range(40):
        cell = x[n], y[n], support[n], kernel.shape, 1.0
        found = share_in_square(*cell, NODES, NODE_WEIGHTS)
        low = np.clip((-1.0 - np.array([x[n], y[n]])) / support[n], -1, 1)
        high = np.clip((1.0 - np.array([x[n], y[n]])) / support[n], -1, 1)
        points = 0.5 * (high - low)[:, None] * (nodes + 1) + low[:, None]
        value = weights @ kernel.profile(np.hypot(points[0][:, None], points[1][None, :])) @ weights
        assert abs(found - 0.25 * np.prod(high - low) * value) < 1e-6
        # and the rule has converged
        assert abs(found - share_in_square(*cell, nodes, weights)) < 1e-10


@pytest.mark.parametrize("kernel", [W2, S], ids=["W2", "S"])
def test_separable_terms_are_the_kernel(kernel):
    weights, table = separable_table(kernel.shape)
    assert weights.size == table.shape[2] == RANK
    total = np.sum(weights * (table[-1, 0] - table[0, 0]) ** 2)
    # the cubics and their slopes join
    following = table[1:]
    np.testing.assert_allclose(table[:-1].sum(axis=1), following[:, 0], rtol=0, atol=1e-13)
    slope = np.einsum("ikr,k->ir", table[:-1], np.arange(4.0))
    np.testing.assert_allclose(slope[:-1], following[:-1, 1], rtol=0, atol=1e-13)
    np.testing.assert_allclose(total, 1.0, rtol=1e-14)
    # cells of 1/32 of the support; their mean against the profile integrated by quadrature
    integral = np.diff(table[:: (table.shape[0] - 1) // 64, 0], axis=0)
    found = (integral * weights) @ integral.T
    nodes, gauss = np.polynomial.legendre.leggauss(8)
    points = ((np.arange(64)[:, None] + 0.5 * (nodes + 1)) / 32 - 1).ravel()
    values = kernel.profile(np.hypot(points[:, None], points[None, :])) * np.outer(
        np.tile(gauss, 64), np.tile(gauss, 64)
    )
    expected = values.reshape(64, 8, 64, 8).sum(axis=(1, 3)) / 64**2
    assert np.abs(found - expected).max() < 5e-5 * expected.max()


@pytest.mark.parametrize("kernel", [W2, S], ids=["W2", "S"])
def test_corner_table_is_the_share_of_rectangles(kernel):
    table = corner_table(kernel.shape)
    assert table[-1, -1] == 0.25
    assert np.all(np.diff(table.astype(float), axis=0) >= 0.0)
    np.testing.assert_array_equal(table, table.T)
    half_sides = np.array([0.125, 0.25, 0.5, 0.75])
    found = [share_in_square(0.0, 0.0, 1.0, kernel.shape, half, NODES, NODE_WEIGHTS) for half in half_sides]
    nodes = (half_sides * (table.shape[0] - 1)).astype(int)
    np.testing.assert_allclose(4 * table[nodes, nodes], found, rtol=0, atol=3e-7)


def test_unknown_kernel_is_refused():
    with pytest.raises(InputError, match="did you mean 'support'"):
        smoothing_kernel("suport")
