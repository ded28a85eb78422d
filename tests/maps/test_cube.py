"""Cubes hold every cell's line, channel by channel, on the pixels of its map."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from scipy.special import erf

from simpost.core.errors import InputError
from simpost.maps import cube as cube_module
from simpost.maps.cube import CubeDepositor
from simpost.maps.cube_kernels import LIMIT
from simpost.maps.deposit import Depositor
from simpost.maps.footprints import ObliqueFootprints, SmoothedFootprints
from simpost.maps.velocity import Channels
from simpost.maps.view import View

CHANNELS = Channels(10.0, 21)
OBLIQUE = View("oblique", (0.3, -0.5, 0.8), (0.0, 1.0, 0.2), 1.0, 4.0, 0.05)
FINE = View.named("z", 1.0, 1.0, 1 / 61)


def cut_gaussian(x):
    """Cumulative distribution of a Gaussian cut at LIMIT sigma and renormalised."""
    return 0.5 * (1.0 + erf(np.clip(x, -LIMIT, LIMIT) / math.sqrt(2)) / math.erf(LIMIT / math.sqrt(2)))


def naive_shares(centre, sigma, number):
    return np.diff(cut_gaussian((np.arange(number + 1) - centre[:, None]) / sigma[:, None]), axis=1)


def shares(centre, sigma, number):
    """Channel shares (n, number) of lines with a pixel each, and what lies outside the band; in channels."""
    side = math.ceil(math.sqrt(len(centre)))
    view = View.named("z", float(side), 1.0, 1.0)
    n = np.arange(len(centre))
    position = np.column_stack((n % side + 0.5 * (1 - side), n // side + 0.5 * (1 - side), np.zeros(n.size)))
    depositor = CubeDepositor(view, Channels(1.0, number, 0.5 * number))
    depositor.add_leaves(position, np.full(n.size, 0.5), np.ones(n.size), centre, sigma)
    result = depositor.finish()
    return result.values.reshape(number, -1).T[n], result.outside.ravel()[n]


def lines(seed, n, spread=60.0):
    """Luminosities, velocities and dispersions of n cells."""
    rng = np.random.default_rng(seed)
    return rng.uniform(0.1, 1.0, n), rng.normal(0.0, spread, n), 10 ** rng.uniform(-2, 1.6, n)


def leaves(seed, n, spread=0.7):
    rng = np.random.default_rng(seed)
    return rng.uniform(-spread, spread, (n, 3)), 2.0 ** -rng.integers(0, 9, n)


def naive_cube(view, channels, position, size, light, velocity, sigma):
    """Every leaf against every pixel and channel: (nv, ny, nx) per pixel, and the light outside the band."""
    slab = np.array((-0.5, 0.5)) * view.depth
    overlaps = []
    for centre, edges in zip(view.project(position), (view.edges(), view.edges(), slab), strict=True):
        low, high = centre - size / 2, centre + size / 2
        part = np.minimum.outer(high, edges[1:]) - np.maximum.outer(low, edges[:-1])
        overlaps.append(np.clip(part, 0.0, None) / size[:, None])
    x, y, depth = overlaps
    centre = (velocity - channels.lowest) / channels.width
    part = naive_shares(centre, sigma / channels.width, channels.number)
    columns = light[:, None] * np.column_stack((part, 1.0 - part.sum(axis=1)))
    cube = np.einsum("nv,ny,nx,nd->vyx", columns, y, x, depth)
    return cube[:-1], cube[-1]


@pytest.mark.parametrize(
    ("sigma", "expected"),
    [
        (5.0, (0.682689, 0.157305, 0.001350)),
        (2.0, (0.987581, 0.006210)),
        (10.0, (0.382925, 0.241730, 0.060598)),
        (20.0, (0.197413, 0.174666, 0.120978)),
    ],
)
def test_reference_shares_of_a_line_at_a_channel_centre(sigma, expected):
    found, outside = shares([25.5], [sigma / 10], 51)
    for distance, share in enumerate(expected):
        assert found[0, 25 + distance] == pytest.approx(share, abs=2e-6)
        assert found[0, 25 - distance] == pytest.approx(share, abs=2e-6)
    assert outside[0] == 0.0


@pytest.mark.parametrize("number", [1, 7, 8, 9, 100])
def test_shares_agree_with_erf_and_add_up_to_one(number):
    rng = np.random.default_rng(number)
    centre = rng.uniform(-0.3 * number - 3, 1.3 * number + 3, 3000)
    sigma = 10 ** rng.uniform(-3, 1.5, 3000)
    found, outside = shares(centre, sigma, number)
    np.testing.assert_allclose(found, naive_shares(centre, sigma, number), rtol=0, atol=5e-8)
    # edges of lines of 1e-3 channels are thousands of sigma away, and round accordingly
    np.testing.assert_allclose(found.sum(axis=1) + outside, 1.0, rtol=0, atol=1e-12)
    assert found.min() >= 0.0 and outside.min() >= 0.0


@pytest.mark.parametrize("name", ["x", "y", "z"])
@pytest.mark.parametrize("pixels", [1, 16, 23])
def test_leaves_agree_with_a_naive_twin(name, pixels):
    view = View.named(name, 1.0, 0.8, 1.0 / pixels)
    position, size = leaves(pixels, 120)
    light, velocity, sigma = lines(pixels, 120)
    depositor = CubeDepositor(view, CHANNELS)
    for half in (slice(0, 50), slice(50, None)):
        depositor.add_leaves(position[half], size[half], light[half], velocity[half], sigma[half])
    result = depositor.finish()
    expected, outside = naive_cube(view, CHANNELS, position, size, light, velocity, np.maximum(sigma, 1e-2))
    area, tolerance = view.pixel**2, 5e-8 * light.sum()
    np.testing.assert_allclose(result.values * area * CHANNELS.width, expected, rtol=0, atol=tolerance)
    np.testing.assert_allclose(result.outside * area, outside, rtol=0, atol=tolerance)


GRAZING = (0.0, 0.0, 1.0, 1 / 1024, 0.0, 0.0)  # behind the slab; beside it a leaf inside by a rounding


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.tuples(
            *[st.floats(-1, 1)] * 3,
            st.sampled_from([1 / 1024, 0.01, 1 / 16, 0.1, 0.25, 1.0, 7.0]),
            st.floats(-200, 200),
            st.sampled_from([0.0, 0.1, 3.0, 10.0, 90.0]),
        ),
        min_size=1,
        max_size=6,
    ),
    st.sampled_from([1, 4, 10]),
)
@example([GRAZING, (0.0, -0.9999999999999999, 0.0, 1.0, 0.0, 0.0)], 1)
@example([GRAZING, (0.0, -0.9999999999999999, 0.0, 1.0, 0.0, 0.0)], 10)
@example([GRAZING, (0.0, 0.9999999999999999, 0.0, 1.0, 0.0, 0.0)], 1)
def test_any_leaf_is_accounted_for(cells, pixels):
    x, y, z, size, velocity, sigma = np.array(cells).T
    view = View.named("z", 1.0, 0.6, 1.0 / pixels)
    position = np.column_stack((x, y, z))
    light = np.ones(len(x))
    depositor = CubeDepositor(view, CHANNELS)
    depositor.add_leaves(position, size, light, velocity, sigma)
    result = depositor.finish()
    assert result.values.min() >= 0.0
    if result.map.n_cells == 0:
        assert math.isnan(result.closure)
        assert result.values.sum() * CHANNELS.width * view.pixel**2 <= 1e-15 * light.sum()
        return
    scale = result.map.values.max()
    moment_0 = result.values.sum(axis=0) * CHANNELS.width
    rounding = 1e-12 * scale + 1e-15 * light.sum() / view.pixel**2
    np.testing.assert_allclose(moment_0 + result.outside, result.map.values, rtol=0, atol=rounding)
    assert result.closure == pytest.approx(0.0, abs=1e-12) or scale < 1e-9
    expected, _ = naive_cube(view, CHANNELS, position, size, light, velocity, np.maximum(sigma, 1e-2))
    found = result.values * view.pixel**2 * CHANNELS.width
    np.testing.assert_allclose(found, expected, rtol=0, atol=5e-8 * light.sum())


def add(depositor, kind, position, size, *line):
    (depositor.add_leaves if kind == "leaves" else depositor.add_cells)(position, size, *line)


@pytest.mark.parametrize(
    ("kind", "view"),
    [
        ("leaves", View.named("y", 1.0, 1.0, 0.04)),
        ("cells", View.named("z", 1.0, 1.0, 0.04)),
        ("leaves", OBLIQUE),
        ("cells", OBLIQUE),
    ],
)
def test_moment_0_is_the_map_of_the_same_cells(kind, view):
    position, size = leaves(3, 400)
    size *= 0.1
    line = lines(4, 400, spread=25.0)
    depositor = CubeDepositor(view, Channels(10.0, 40), kernel="support")
    add(depositor, kind, position, size, *line)
    result = depositor.finish()
    mapped = Depositor(view, ["L"], "support")
    add(mapped, kind, position, size, {"L": line[0]})
    image = mapped.finish()["L"]
    moment_0 = result.values.sum(axis=0) * result.channels.width
    np.testing.assert_allclose(
        moment_0 + result.outside, image.values, rtol=0, atol=1e-10 * image.values.max()
    )
    assert result.moment_0_deviation < 1e-10
    assert result.closure == pytest.approx(image.closure, abs=1e-10)
    in_view = image.total_selected - image.total_outside_fov
    total = result.values.sum() * view.pixel**2 * result.channels.width
    assert total == pytest.approx(in_view * (1.0 - result.share_outside_band), rel=1e-6)


THIN = dataclasses.replace(OBLIQUE, depth=0.7)  # whose faces cut leaves
TALL = View("tall", (0.6, 0.8, 0.0), (0.0, 0.0, 1.0), 1.0, 4.0, 1 / 32)  # leaves' edges on those of pixels


@pytest.mark.parametrize(
    ("kind", "view"), [("cells", OBLIQUE), ("leaves", OBLIQUE), ("leaves", THIN), ("leaves", TALL)]
)
def test_footprints_are_maps_of_single_cells(kind, view):
    position, size = leaves(15, 150)
    position[::5] = np.round(16 * position[::5]) / 16
    size[size > 0.3] = 0.3
    if kind == "cells":
        source = SmoothedFootprints(view, "support", position, size)
    else:
        source = ObliqueFootprints(view, position, size)
    pixels = np.zeros((len(size), view.n_pixels**2))
    for first, end in source.runs(500):
        found = source.record(first, end)
        assert found.rows.sum() == found.start[-1]
        for n, cell in enumerate(source.cells[first:end]):
            part = slice(found.start[n], found.start[n + 1])
            assert np.all(np.diff(found.pixels[part]) > 0)
            pixels[cell, found.pixels[part]] = found.shares[part]
    assert pixels.any(axis=1).sum() > 40
    for n in range(len(size)):
        depositor = Depositor(view, ["L"], "support")
        add(depositor, kind, position[n : n + 1], size[n : n + 1], {"L": np.ones(1)})
        image = depositor.finish()["L"].values.ravel() * view.pixel**2
        np.testing.assert_allclose(pixels[n], image, rtol=0.0, atol=1e-14)  # of one


@pytest.mark.parametrize(("kind", "slanted"), [("cells", False), ("cells", True), ("leaves", True)])
def test_a_channel_is_the_map_of_the_luminosities_in_it(monkeypatch, kind, slanted):
    """Whichever footprints are recorded at a time."""
    monkeypatch.setattr(cube_module, "_RUN", 100)
    view = OBLIQUE if slanted else View.named("x", 1.0, 1.0, 0.07)
    position, size = leaves(5, 200)
    size *= 0.05
    light, velocity, sigma = lines(6, 200)
    depositor = CubeDepositor(view, CHANNELS, kernel="support", workers=2)
    for chosen in (slice(0, 50), slice(50, None)):
        line = light[chosen], velocity[chosen], sigma[chosen]
        add(depositor, kind, position[chosen], size[chosen], *line)
    values = depositor.finish().values
    part = naive_shares(
        (velocity - CHANNELS.lowest) / CHANNELS.width,
        np.maximum(sigma / CHANNELS.width, 1e-3),
        CHANNELS.number,
    )
    names = [str(channel) for channel in range(CHANNELS.number)]
    mapped = Depositor(view, names, "support")
    add(mapped, kind, position, size, dict(zip(names, light * part.T, strict=True)))
    for plane, image in zip(values, mapped.finish().values(), strict=True):
        expected = image.values / CHANNELS.width
        np.testing.assert_allclose(plane, expected, rtol=0, atol=1e-6 * values.max())


@pytest.mark.parametrize(("kind", "view"), [("leaves", FINE), ("cells", FINE), ("leaves", OBLIQUE)])
def test_threads_and_chunks_change_nothing(monkeypatch, kind, view):
    monkeypatch.setattr(cube_module, "_RUN", 3000)
    position, size = leaves(7, 3000)
    size *= 0.1
    line = lines(8, 3000)
    cubes = []
    for workers, parts in ((1, 1), (2, 1), (3, 4)):
        depositor = CubeDepositor(view, CHANNELS, kernel="support", workers=workers)
        for chosen in np.array_split(np.arange(3000), parts):
            add(depositor, kind, position[chosen], size[chosen], *(column[chosen] for column in line))
        cubes.append(depositor.finish().values)
    np.testing.assert_array_equal(cubes[0], cubes[1])
    np.testing.assert_allclose(cubes[0], cubes[2], rtol=0, atol=1e-14 * cubes[0].max())


def test_turning_everything_by_90_degrees_permutes_the_pixels():
    position, size = leaves(9, 300)
    size *= 0.1
    line = lines(10, 300)
    cubes = []
    for place in (position, np.column_stack((-position[:, 1], position[:, 0], position[:, 2]))):
        depositor = CubeDepositor(View.named("z", 1.0, 1.0, 1 / 16), CHANNELS)
        depositor.add_leaves(place, size, *line)
        cubes.append(depositor.finish().values)
    np.testing.assert_allclose(np.rot90(cubes[0], -1, (1, 2)), cubes[1], rtol=0, atol=1e-12 * cubes[0].max())


def test_splitting_a_leaf_in_eight_changes_nothing():
    view = View.named("z", 1.0, 0.7, 0.03)
    position, size = leaves(11, 100)
    light, velocity, sigma = lines(12, 100)
    whole, split = CubeDepositor(view, CHANNELS), CubeDepositor(view, CHANNELS)
    whole.add_leaves(position, size, light, velocity, sigma)
    corners = np.array([[i, j, k] for i in (-1, 1) for j in (-1, 1) for k in (-1, 1)]) / 4
    children = (position[:, None] + corners * size[:, None, None]).reshape(-1, 3)
    split.add_leaves(children, *(np.repeat(a, 8) for a in (size / 2, light / 8, velocity, sigma)))
    a, b = whole.finish().values, split.finish().values
    np.testing.assert_allclose(a, b, rtol=0, atol=1e-12 * a.max())


def test_a_line_beyond_the_band_is_counted_and_said():
    view = View.named("z", 1.0, 1.0, 0.25)
    depositor = CubeDepositor(view, CHANNELS)  # -105 to 105 km/s
    place, one = np.zeros((3, 3)), np.ones(3)
    depositor.add_leaves(place, 0.5 * one, one, np.array([0.0, 105.0, -900.0]), 5.0 * one)
    result = depositor.finish()
    assert result.share_outside_band == pytest.approx((0.5 + 1.0) / 3.0, rel=1e-7)
    assert "0.5 of the luminosity lies outside the band of -105 to 105 km/s" in result.warning
    assert result.closure == pytest.approx(0.0, abs=1e-14)
    inside = CubeDepositor(view, CHANNELS)
    inside.add_leaves(place[:1], 0.5 * one[:1], one[:1], np.zeros(1), one[:1])
    assert inside.finish().warning == ""


def test_a_moment_0_that_is_not_the_map_is_said():
    depositor = CubeDepositor(View.named("z", 1.0, 1.0, 0.25), CHANNELS)
    one = np.ones(1)
    depositor.add_leaves(np.zeros((1, 3)), 0.5 * one, one, 0.0 * one, 5.0 * one)
    result = depositor.finish()
    assert result.warning == ""
    off = dataclasses.replace(result, moment_0_deviation=2e-9)
    assert off.warning == "moment 0 is off the map by 2e-09 of its brightest pixel"


def test_channels_may_be_given_as_edges_and_default_to_those_of_serra():
    view = View.named("z", 1.0, 1.0, 0.5)
    depositor = CubeDepositor(view, np.linspace(-30.0, 50.0, 9))
    assert depositor.channels == Channels(10.0, 8, 10.0)
    assert CubeDepositor(view).channels == Channels(10.0, 100, 0.0)
    with pytest.raises(InputError, match="equal steps"):
        CubeDepositor(view, [0.0, 1.0, 3.0])


def test_no_cells_give_an_empty_cube_that_says_so():
    depositor = CubeDepositor(View.named("z", 1.0, 1.0, 0.5), CHANNELS)
    depositor.add_leaves(np.zeros((0, 3)), *(np.zeros(0),) * 4)
    depositor.add_cells(np.zeros((0, 3)), *(np.zeros(0),) * 4)
    result = depositor.finish()
    assert not result.values.any() and math.isnan(result.closure)
    assert result.map.closure_reason == "no cells"
    assert math.isnan(result.share_outside_band) and result.warning == ""


@pytest.mark.parametrize(
    ("column", "value", "match"),
    [
        (0, np.nan, "position: found 3 NaN"),
        (1, 0.0, "not above zero"),
        (2, -1.0, "luminosity: found 1 values below zero"),
        (3, np.inf, "velocity: found 1 NaN or infinite"),
        (4, -1.0, "dispersion: found 1 values below zero"),
        (4, np.nan, "dispersion: found 1 NaN"),
    ],
)
@pytest.mark.parametrize("method", ["add_leaves", "add_cells"])
def test_bad_cells_are_refused_and_leave_no_trace(method, column, value, match):
    depositor = CubeDepositor(View.named("z", 1.0, 1.0, 0.5), CHANNELS, workers=2)
    cells = [np.zeros((2, 3)), *(np.ones(2) for _ in range(4))]
    cells[column][0] = value
    with pytest.raises(InputError, match=match):
        getattr(depositor, method)(*cells)
    assert not depositor.finish().values.any()
    with pytest.raises(InputError, match="one value per position"):
        getattr(depositor, method)(np.zeros((2, 3)), *(np.ones(2),) * 3, np.ones(3))
    with pytest.raises(InputError, match=r"shape \(n, 3\)"):
        getattr(depositor, method)(np.zeros((2, 2)), *(np.ones(2),) * 4)


def test_a_cube_larger_than_memory_is_refused_with_its_size():
    view = View.named("z", 1.0, 1.0, 1 / 8000)
    with pytest.raises(InputError, match=r"8000 x 8000 pixels x 100000 channels: 1\.024e\+05 GB"):
        CubeDepositor(view, Channels(0.01, 100000))


def test_random_cells_keep_their_mean_velocity_and_width():
    """First and second moment of the whole cube are those of the cells, plus what channels add."""
    rng = np.random.default_rng(14)
    position, light = rng.uniform(-0.3, 0.3, (500, 3)), rng.uniform(0.1, 1.0, 500)
    velocity, sigma = rng.normal(20.0, 30.0, 500), rng.uniform(3.0, 20.0, 500)
    channels = Channels(10.0, 60)
    depositor = CubeDepositor(View.named("z", 1.0, 1.0, 0.1), channels)
    depositor.add_leaves(position, np.full(500, 0.02), light, velocity, sigma)
    spectrum = depositor.finish().values.sum(axis=(1, 2))
    at = channels.centres()
    mean = np.average(at, weights=spectrum)
    variance = np.average((at - mean) ** 2, weights=spectrum)
    expected = np.average(velocity, weights=light)
    assert mean == pytest.approx(expected, abs=0.05)
    spread = np.average(sigma**2 + (velocity - expected) ** 2, weights=light)
    assert variance == pytest.approx(spread + 10.0**2 / 12.0, rel=2e-3)
