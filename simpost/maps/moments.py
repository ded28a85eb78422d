"""What is read off a cube: moments, spectrum, position-velocity slice, coarser channels.

Cubes are (nv, ny, nx) in brightness per km/s, `velocity` (nv,) holds the channels' centres [km/s].
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simpost.core.errors import InputError

FloatArray = NDArray[np.float64]
BooleanArray = NDArray[np.bool_]

FWHM_PER_SIGMA = 2.0 * np.sqrt(2.0 * np.log(2.0))  # of a Gaussian


@dataclass(frozen=True, eq=False)
class Moments:
    """Moment maps (ny, nx).

    `brightness` is the integral over velocity (moment 0) of every channel, masked or not: it is the map.
    `velocity` (moment 1) and `dispersion` (moment 2) [km/s] are NaN where the mask leaves nothing.
    """

    brightness: FloatArray
    velocity: FloatArray
    dispersion: FloatArray


def moments(
    cube: ArrayLike,
    velocity: ArrayLike,
    mask: ArrayLike | None = None,
    *,
    subtract_channel_width: bool = False,
) -> Moments:
    """Moments 0, 1 and 2 of a cube.

    M0 = sum I dv; M1 = sum I v dv/M0; M2 = [sum I (v - M1)^2 dv/M0]^(1/2), of which M1 and M2 with the
    channels of the mask alone.

    Parameters
    ----------
    cube : (nv, ny, nx)
    velocity : (nv,)
        Centres of the channels [km/s], equally spaced.
    mask : (nv, ny, nx) of bool, optional
        True where a channel counts for M1 and M2; default everywhere.
    subtract_channel_width : bool
        Take dv^2/12, what averaging over channels adds, out of M2^2. Default no, as observers do.

    Raises
    ------
    InputError
        Shapes do not agree, or the channels are not equally spaced.
    """
    cube, velocity, step = _checked(cube, velocity)
    brightness = cube.sum(axis=0) * step
    if mask is not None:
        mask = np.asarray(mask)
        if mask.shape != cube.shape or mask.dtype != bool:
            raise InputError("mask", f"{mask.dtype} {mask.shape}", f"bool {cube.shape}")
        cube = np.where(mask, cube, 0.0)
    weight = cube.sum(axis=0)
    counts = weight > 0.0
    weight = np.where(counts, weight, np.nan)
    mean = np.einsum("v,vyx->yx", velocity, cube) / weight
    variance = np.zeros_like(mean)
    for channel, plane in zip(velocity, cube, strict=True):  # no second cube in memory
        variance += plane * (channel - mean) ** 2
    variance /= weight
    if subtract_channel_width:
        variance -= step**2 / 12.0
    return Moments(brightness, mean, np.sqrt(np.maximum(variance, 0.0)))


def significance_mask(
    cube: ArrayLike, velocity: ArrayLike, rms: float, channel: float = 3.0, integrated: float = 5.0
) -> BooleanArray:
    """Mask (nv, ny, nx): channels above `channel` rms in pixels whose moment 0 is above `integrated` rms_M0.

    rms_M0 = rms dv sqrt(nv), of independent channels. Defaults as for mock observations of this line.

    Parameters
    ----------
    cube : (nv, ny, nx)
    velocity : (nv,)
        Centres of the channels [km/s].
    rms : float
        Noise of one channel, in the unit of the cube.

    Raises
    ------
    InputError
        Shapes do not agree, or `rms` is not positive.
    """
    cube, _, step = _checked(cube, velocity)
    if not rms > 0.0:
        raise InputError("rms", str(rms), "a noise above zero")
    bright = cube.sum(axis=0) * step > integrated * rms * step * np.sqrt(len(cube))
    return np.asarray((cube > channel * rms) & bright)


def smooth_and_clip_mask(
    cube: ArrayLike,
    velocity: ArrayLike,
    fwhm_pixels: float,
    fwhm_channels: float,
    *,
    clip: float = 5.0,
    peak_fraction: float = 0.0,
    noise: float | None = None,
) -> BooleanArray:
    """Mask (nv, ny, nx) of what is coherent in space and velocity, and of its surroundings.

    The moment masking of Dame (2011, arXiv:1101.1499): a copy of the cube is smoothed by Gaussians and
    clipped, and what is left grows by half the smoothing width. The mask is meant for the cube as it is:
    noise of either sign stays in, so moments are unbiased also where single channels are faint.

    Parameters
    ----------
    cube : (nv, ny, nx)
    velocity : (nv,)
        Centres of the channels [km/s].
    fwhm_pixels, fwhm_channels : float
        Full widths at half maximum to smooth by; Dame takes twice the beam, and about the width of the
        narrowest lines. Zero smooths not at all.
    clip : float
        Lowest brightness of the smoothed cube, in units of its noise; default 5 (Dame 2011).
    peak_fraction : float
        Lowest brightness as a fraction of the peak of the smoothed cube; default 0. The higher of the two
        limits counts; a limit of zero masks nothing.
    noise : float, optional
        Rms of the smoothed cube; default that of its negative values, which are noise alone. A cube without
        noise has none: clip it by `peak_fraction`.

    Raises
    ------
    InputError
        Shapes do not agree, a value of the cube is not finite, or a number is negative or not finite.
    """
    from scipy.ndimage import distance_transform_edt, gaussian_filter

    cube, _, _ = _checked(cube, velocity)
    numbers = {"fwhm_pixels": fwhm_pixels, "fwhm_channels": fwhm_channels, "clip": clip}
    numbers |= {"peak_fraction": peak_fraction} | ({} if noise is None else {"noise": noise})
    for name, value in numbers.items():
        if not (np.isfinite(value) and value >= 0.0):
            raise InputError(name, str(value), "a finite number, zero or more")
    widths = np.array((fwhm_channels, fwhm_pixels, fwhm_pixels), dtype=float)
    if not np.isfinite(cube.sum()):
        raise InputError("cube", "NaN or infinite values", "finite values", "set what was not observed to 0")
    smooth = gaussian_filter(cube, widths / FWHM_PER_SIGMA, mode="constant")
    if noise is None:
        negative = smooth[smooth < 0.0]
        noise = float(np.sqrt(np.mean(negative**2))) if negative.size else 0.0
    level = max(clip * noise, peak_fraction * float(smooth.max()))
    core = smooth > level if level > 0.0 else np.ones(cube.shape, dtype=bool)
    if not core.any():
        return core
    # no width: the nearest neighbour is infinitely far
    distance = distance_transform_edt(~core, sampling=1.0 / np.maximum(widths, 1e-3))
    return np.asarray(distance <= 0.5)


def spectrum(cube: ArrayLike, pixel: float, aperture: ArrayLike | None = None) -> FloatArray:
    """Integrated spectrum (nv,): luminosity per km/s.

    Parameters
    ----------
    cube : (nv, ny, nx)
        Luminosity per kpc^2 and km/s.
    pixel : float
        Side of a pixel [kpc].
    aperture : (ny, nx) of bool, optional
        Pixels to add up; default all.

    Raises
    ------
    InputError
        The aperture is not an image of booleans like the cube's.
    """
    cube = np.asarray(cube, dtype=float)
    if aperture is None:
        return np.asarray(cube.sum(axis=(1, 2)) * pixel**2)
    aperture = np.asarray(aperture)
    if aperture.shape != cube.shape[1:] or aperture.dtype != bool:
        raise InputError("aperture", f"{aperture.dtype} {aperture.shape}", f"bool {cube.shape[1:]}")
    return np.asarray(cube[:, aperture].sum(axis=1) * pixel**2)


def position_velocity(
    cube: ArrayLike, angle: float = 0.0, centre: tuple[float, float] = (0.0, 0.0), slit: float = 1.0
) -> tuple[FloatArray, FloatArray]:
    """Position-velocity slice: mean brightness across a slit, at steps of a pixel along it.

    Parameters
    ----------
    cube : (nv, ny, nx)
    angle : float
        Of the slit, from the image's right towards up [deg]; default 0.
    centre : (x, y)
        Of the slit, in pixels from the centre of the image; default there.
    slit : float
        Width of the slit [pixels]; default one.

    Returns
    -------
    offset : (n,)
        Along the slit from its centre [pixels]; n covers what lies inside the image.
    slice : (nv, n)
        NaN where the slit leaves the image.

    Raises
    ------
    InputError
        The slit is not at least a pixel wide, or its centre lies outside the image.
    """
    from scipy.ndimage import map_coordinates

    cube = np.asarray(cube, dtype=float)
    _, ny, nx = cube.shape
    if not slit >= 1.0:
        raise InputError("slit", f"{slit} pixels", "a width of one pixel or more")
    middle = np.array((0.5 * (nx - 1), 0.5 * (ny - 1)))
    at = middle + np.asarray(centre, dtype=float)
    if not (0.0 <= at[0] <= nx - 1 and 0.0 <= at[1] <= ny - 1):
        raise InputError("centre of the slit", f"{centre} pixels", "a place inside the image")
    along = np.array((np.cos(np.radians(angle)), np.sin(np.radians(angle))))
    reach = int(np.hypot(nx, ny)) + 1
    # a slit of whole pixels has a line of samples through the middle of each of its rows
    rows = max(1, round(slit))
    shift = (np.arange(rows) - 0.5 * (rows - 1)) * slit / rows
    # the centre of an even image is a corner of pixels: samples half a step off it are pixel centres
    offset = np.arange(-reach, reach) + (0.0 if nx % 2 else 0.5)
    x = at[0] + offset * along[0] - shift[:, None] * along[1]
    y = at[1] + offset * along[1] + shift[:, None] * along[0]
    places = np.stack((y, x))
    sampled = np.stack([map_coordinates(plane, places, order=1, cval=np.nan).mean(axis=0) for plane in cube])
    inside = np.flatnonzero(np.isfinite(sampled).any(axis=0))
    part = slice(inside[0], inside[-1] + 1)
    return np.asarray(offset[part]), np.asarray(sampled[:, part])


def velocity_gradient_angle(seen: Moments) -> float:
    """Direction along which the light is displaced with velocity [deg], from the image's right towards up.

    Of the vector <v x>, <v y> about the means, weighted by brightness; 0 if there is no gradient. Unlike the
    slope of a fitted plane it stays on the major axis of a thin disc, across which the slope is uncertain.
    """
    rows, columns = np.nonzero(np.isfinite(seen.velocity) & (seen.brightness > 0.0))
    if rows.size < 3:
        return 0.0
    weight = seen.brightness[rows, columns]
    velocity = seen.velocity[rows, columns]
    velocity = velocity - np.average(velocity, weights=weight)
    right, up = (weight * velocity) @ columns, (weight * velocity) @ rows
    return float(np.degrees(np.arctan2(up, right)))


def coarser_channels(cube: ArrayLike, velocity: ArrayLike, factor: int) -> tuple[FloatArray, FloatArray]:
    """Mean of every `factor` channels, (nv // factor, ny, nx), and the centres of the new channels.

    Channels that do not fill a new one are left out at both ends alike (one more at the upper end).

    Raises
    ------
    InputError
        `factor` is not between 1 and the number of channels.
    """
    cube, velocity, _ = _checked(cube, velocity)
    if not 1 <= factor <= len(cube):
        raise InputError("factor", str(factor), f"a whole number from 1 to {len(cube)}")
    number = len(cube) // factor
    first = (len(cube) - number * factor) // 2
    kept = slice(first, first + number * factor)
    shape = (number, factor, *cube.shape[1:])
    return cube[kept].reshape(shape).mean(axis=1), velocity[kept].reshape(number, factor).mean(axis=1)


def _checked(cube: ArrayLike, velocity: ArrayLike) -> tuple[FloatArray, FloatArray, float]:
    """Cube, velocity, and the width of a channel."""
    cube, velocity = np.asarray(cube, dtype=float), np.asarray(velocity, dtype=float)
    if cube.ndim != 3 or velocity.shape != cube.shape[:1]:
        raise InputError("cube", f"shape {cube.shape}, {velocity.shape} velocities", "(nv, ny, nx) and (nv,)")
    if len(velocity) < 2:
        raise InputError("cube", "a single channel", "two or more, of which the width is known")
    steps = np.diff(velocity)
    if not (steps[0] > 0.0 and np.allclose(steps, steps[0], rtol=1e-6, atol=0.0)):
        raise InputError("velocity", "unequal or falling steps", "channels rising in equal steps")
    return cube, velocity, float((velocity[-1] - velocity[0]) / (len(velocity) - 1))
