"""Moments, spectra and slices of cubes whose answers are known."""

import numpy as np
import pytest

from simpost.core.errors import InputError
from simpost.maps.cube import CubeDepositor
from simpost.maps.moments import (
    coarser_channels,
    moments,
    position_velocity,
    significance_mask,
    smooth_and_clip_mask,
    spectrum,
    velocity_gradient_angle,
)
from simpost.maps.velocity import Channels
from simpost.maps.view import View


def one_pixel(sigma, velocity=0.0, width=10.0):
    channels = Channels(width, 61)
    depositor = CubeDepositor(View.named("z", 1.0, 1.0, 1.0), channels)
    depositor.add_leaves(np.zeros((1, 3)), [0.5], [3.0], [velocity], [sigma])
    return depositor.finish().values, channels.centres()


@pytest.mark.parametrize(("sigma", "seen"), [(10.0, 10.40833), (5.0, 5.77350), (2.0, 3.51188)])
def test_channels_widen_lines_by_a_twelfth(sigma, seen):
    """Variance about the true velocity, over all places of the line in a channel; broad lines: at any place."""
    squares = []
    for place in (np.arange(40) + 0.5) / 4.0 - 5.0:
        cube, velocity = one_pixel(sigma, place)
        found = moments(cube, velocity)
        assert found.brightness[0, 0] == pytest.approx(3.0, rel=1e-14)
        squares.append(found.dispersion[0, 0] ** 2 + (found.velocity[0, 0] - place) ** 2)
    # a line cut at 5 sigma is narrower by 8e-6, and the polynomial is good to 2e-8 of the line
    assert np.sqrt(np.mean(squares)) == pytest.approx(seen, rel=2e-5)


def test_width_of_channels_is_taken_out_on_request():
    cube, velocity = one_pixel(10.0, 2.0)
    assert moments(cube, velocity).dispersion[0, 0] == pytest.approx(10.40833, rel=3e-5)
    corrected = moments(cube, velocity, subtract_channel_width=True)
    assert corrected.dispersion[0, 0] == pytest.approx(10.0, rel=3e-5)


def test_moment_1_is_the_velocity():
    cube, velocity = one_pixel(20.0, 37.0)
    assert moments(cube, velocity).velocity[0, 0] == pytest.approx(37.0, abs=1e-3)


def test_mask_acts_on_velocity_and_dispersion_alone():
    rng = np.random.default_rng(1)
    cube, velocity = rng.random((7, 3, 4)), np.arange(7) * 5.0 - 10.0
    mask = rng.random(cube.shape) < 0.6
    mask[:, 1, 2] = False
    found = moments(cube, velocity, mask)
    np.testing.assert_allclose(found.brightness, cube.sum(axis=0) * 5.0)
    for j in range(3):
        for i in range(4):
            kept = mask[:, j, i]
            if not kept.any():
                assert np.isnan(found.velocity[j, i]) and np.isnan(found.dispersion[j, i])
                continue
            weights = cube[kept, j, i]
            mean = np.average(velocity[kept], weights=weights)
            width = np.sqrt(np.average((velocity[kept] - mean) ** 2, weights=weights))
            assert found.velocity[j, i] == pytest.approx(mean, rel=1e-12)
            assert found.dispersion[j, i] == pytest.approx(width, rel=1e-10, abs=1e-10)


def test_dark_pixels_have_no_velocity():
    found = moments(np.zeros((3, 2, 2)), [0.0, 1.0, 2.0])
    assert not found.brightness.any() and np.isnan(found.velocity).all() and np.isnan(found.dispersion).all()


def test_significance_mask_wants_bright_channels_in_bright_pixels():
    cube = np.zeros((4, 1, 3))
    cube[:, 0, 0] = 2.9  # bright in all, 5.8 sigma, but no channel is above 3
    cube[1, 0, 1] = 9.0  # 4.5 sigma in all
    cube[1:3, 0, 2] = 6.0, 2.0  # 4 sigma in all
    cube[0, 0, 2] = 4.0  # 6 sigma
    mask = significance_mask(cube, np.arange(4.0), 1.0)
    assert mask[:, 0].T.tolist() == [[False] * 4, [False] * 4, [True, True, False, False]]
    with pytest.raises(InputError, match="rms"):
        significance_mask(cube, np.arange(4.0), 0.0)


RADIUS = np.hypot(*np.mgrid[-19.5:20.5, -19.5:20.5])


def noisy_lines(peak, seed=3, sigma=20.0, velocity=13.0):
    """Gaussian lines of dispersion `sigma` in the middle of an image, `peak` rms high, with noise of rms 1."""
    at = np.arange(-400.0, 401.0, 10.0)
    bright = RADIUS < 12.0
    line = peak * np.exp(-0.5 * ((at - velocity) / sigma) ** 2)
    noise = np.random.default_rng(seed).normal(0.0, 1.0, (at.size, *bright.shape))
    return line[:, None, None] * bright + noise, at, line


@pytest.mark.parametrize("peak", [4.0, 12.0])
def test_smooth_and_clip_recovers_the_moments_of_noisy_lines(peak):
    """Flux, velocity and width, of which clipping channel by channel loses the wings or takes up noise."""
    cube, at, line = noisy_lines(peak)
    mask = smooth_and_clip_mask(cube, at, 4.0, 4.0)
    inner = RADIUS < 9.0
    kept = (mask[:, inner] * line[:, None]).sum() / (line.sum() * inner.sum())
    assert kept > 0.99  # of the light
    assert not mask[:, RADIUS > 18.0].any()  # one and a half smoothing widths beyond the bright disc
    found = moments(cube, at, mask)
    # error of the mean over pixels, of a window of n channels: dv sqrt(sum (v - v0)^2) / M0, and the like
    n, m0 = inner.sum(), line.sum()
    window = mask[:, inner].any(axis=1)
    offset = at[window] - 13.0
    error = np.sqrt((offset**2).sum() / n) / m0
    assert found.velocity[inner].mean() == pytest.approx(13.0, abs=4.0 * error)
    flux = np.where(mask, cube, 0.0).sum(axis=0)[inner].mean()
    assert flux == pytest.approx(m0, abs=4.0 * np.sqrt(window.sum() / n) + 0.01 * m0)
    stacked = np.where(mask, cube, 0.0)[:, inner].sum(axis=1)
    mean = np.average(at, weights=stacked)
    width = np.sqrt(np.average((at - mean) ** 2, weights=stacked))
    assert width == pytest.approx(20.0, rel=0.03)
    clipped = np.where(cube > 3.0, cube, 0.0)[:, inner].sum() / n
    assert abs(flux - m0) < 0.2 * abs(clipped - m0)


def test_smooth_and_clip_of_noise_alone_leaves_nothing():
    cube, at, _ = noisy_lines(0.0)
    assert smooth_and_clip_mask(cube, at, 4.0, 4.0).mean() < 1e-3
    assert not smooth_and_clip_mask(cube, at, 4.0, 4.0, clip=20.0).any()


def test_a_limit_of_zero_masks_nothing():
    cube, at, _ = noisy_lines(4.0)
    assert smooth_and_clip_mask(cube, at, 4.0, 4.0, clip=0.0).all()
    assert smooth_and_clip_mask(np.abs(cube), at, 4.0, 4.0).all()  # no negative value: no noise
    masked, bare = moments(cube, at, smooth_and_clip_mask(cube, at, 0.0, 0.0, clip=0.0)), moments(cube, at)
    np.testing.assert_array_equal(masked.velocity, bare.velocity)
    np.testing.assert_array_equal(masked.dispersion, bare.dispersion)


def test_smooth_and_clip_without_smoothing_is_a_clip():
    cube, at, _ = noisy_lines(4.0)
    expected = cube > 3.5 * np.sqrt(np.mean(cube[cube < 0.0] ** 2))
    np.testing.assert_array_equal(smooth_and_clip_mask(cube, at, 0.0, 0.0, clip=3.5), expected)
    np.testing.assert_array_equal(smooth_and_clip_mask(cube, at, 0, 0, noise=0.5, clip=6), cube > 3.0)
    limit = smooth_and_clip_mask(cube, at, 0.0, 0.0, clip=0.0, peak_fraction=0.5)
    np.testing.assert_array_equal(limit, cube > 0.5 * cube.max())


def test_the_mask_grows_by_half_the_smoothing_width():
    cube = np.zeros((15, 21, 21))
    cube[7, 10, 10] = 1.0
    mask = smooth_and_clip_mask(cube, np.arange(15.0), 6.0, 4.0, peak_fraction=0.99)
    v, y, x = np.mgrid[:15, :21, :21] - np.array((7, 10, 10))[:, None, None, None]
    np.testing.assert_array_equal(mask, (v / 2.0) ** 2 + (x**2 + y**2) / 9.0 <= 1.0)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"clip": -1.0}, "clip"),
        ({"fwhm_pixels": np.nan}, "fwhm_pixels"),
        ({"noise": np.inf}, "noise"),
        ({"peak_fraction": -0.1}, "peak_fraction"),
    ],
)
def test_limits_and_widths_are_checked(change, match):
    options = {"fwhm_pixels": 2.0, "fwhm_channels": 2.0} | change
    with pytest.raises(InputError, match=match):
        smooth_and_clip_mask(np.ones((3, 2, 2)), np.arange(3.0), **options)
    with pytest.raises(InputError, match="NaN or infinite values"):
        smooth_and_clip_mask(np.full((3, 2, 2), np.nan), np.arange(3.0), 2.0, 2.0)


def test_spectrum_holds_the_luminosity():
    cube, velocity = one_pixel(20.0)
    assert spectrum(cube, 1.0).sum() * (velocity[1] - velocity[0]) == pytest.approx(3.0, rel=1e-14)
    cube = np.arange(24.0).reshape(2, 3, 4)
    aperture = np.zeros((3, 4), bool)
    aperture[1, 2] = aperture[0, 0] = True
    np.testing.assert_allclose(spectrum(cube, 0.5, aperture), 0.25 * (cube[:, 1, 2] + cube[:, 0, 0]))
    with pytest.raises(InputError, match="aperture"):
        spectrum(cube, 0.5, aperture.T)


@pytest.mark.parametrize("n", [6, 7])
def test_slice_along_rows_and_columns_is_their_mean(n):
    cube = np.random.default_rng(n).random((3, n, n))
    rows = slice(n // 2 - 1, n // 2 + 1) if n % 2 == 0 else slice(n // 2 - 1, n // 2 + 2)
    slit = 2.0 if n % 2 == 0 else 3.0
    places = np.arange(n) - 0.5 * (n - 1)
    for angle, expected in ((0.0, cube[:, rows].mean(axis=1)), (180.0, cube[:, rows].mean(axis=1)[:, ::-1])):
        offset, plane = position_velocity(cube, angle, slit=slit)
        inside = np.isfinite(plane).all(axis=0)
        np.testing.assert_allclose(offset[inside], places[np.isin(places, offset[inside])], atol=1e-12)
        assert inside.sum() >= n - 2
        kept = np.isin(places, offset[inside])
        np.testing.assert_allclose(plane[:, inside], expected[:, kept], rtol=1e-9)
    offset, plane = position_velocity(cube, 90.0, slit=slit)
    inside = np.isfinite(plane).all(axis=0)
    kept = np.isin(places, offset[inside])
    np.testing.assert_allclose(plane[:, inside], cube[:, :, rows].mean(axis=2)[:, kept], rtol=1e-9)


def test_oblique_slice_follows_a_linear_field_and_ends_at_the_border():
    y, x = np.mgrid[:41, :41] - 20.0
    cube = np.stack((2.0 * x - y, np.ones_like(x)))
    offset, plane = position_velocity(cube, 30.0, centre=(3.0, -2.0))
    expected = 2.0 * (3.0 + offset * np.cos(np.pi / 6)) - (-2.0 + offset * np.sin(np.pi / 6))
    np.testing.assert_allclose(plane[0], expected, atol=1e-9)
    assert offset[-1] == pytest.approx(17.0 / np.cos(np.pi / 6), abs=1.0)
    for wrong, match in (({"slit": 0.5}, "slit"), ({"centre": (30.0, 0.0)}, "centre of the slit")):
        with pytest.raises(InputError, match=match):
            position_velocity(cube, **wrong)


def test_steepest_rise_of_a_turning_disc():
    y, x = np.mgrid[:31, :31] - 15.0
    angle = np.radians(130.0)
    velocity = 3.0 * (x * np.cos(angle) + y * np.sin(angle)) + 20.0
    cube, at = [], np.arange(-200.0, 201.0, 10.0)
    for v in at:
        cube.append(np.exp(-((v - velocity) ** 2) / 800.0))
    assert velocity_gradient_angle(moments(np.array(cube), at)) == pytest.approx(130.0, abs=0.1)
    assert velocity_gradient_angle(moments(np.zeros((3, 4, 4)), [0.0, 1.0, 2.0])) == 0.0


def test_coarser_channels_keep_the_light():
    cube, velocity = np.random.default_rng(2).random((12, 2, 2)), np.arange(12) * 10.0
    planes, at = coarser_channels(cube, velocity, 3)
    np.testing.assert_allclose(at, [10.0, 40.0, 70.0, 100.0])
    np.testing.assert_allclose(planes.sum(axis=0) * 30.0, cube.sum(axis=0) * 10.0)
    planes, at = coarser_channels(cube, velocity, 5)  # one channel is left out at either end
    np.testing.assert_allclose(planes.sum(axis=0) * 5.0, cube[1:11].sum(axis=0))
    np.testing.assert_allclose(at, [30.0, 80.0])
    with pytest.raises(InputError, match="factor"):
        coarser_channels(cube, velocity, 13)


@pytest.mark.parametrize(
    ("cube", "velocity"),
    [
        (np.zeros((3, 2)), np.arange(3.0)),
        (np.zeros((3, 2, 2)), np.arange(4.0)),
        (np.zeros((1, 2, 2)), np.arange(1.0)),
        (np.zeros((3, 2, 2)), np.array([0.0, 1.0, 3.0])),
        (np.zeros((3, 2, 2)), np.array([2.0, 1.0, 0.0])),
    ],
)
def test_shapes_and_steps_are_checked(cube, velocity):
    with pytest.raises(InputError):
        moments(cube, velocity)


def test_mask_of_another_shape_is_refused():
    with pytest.raises(InputError, match="mask"):
        moments(np.zeros((3, 2, 2)), np.arange(3.0), np.ones((3, 2)))
