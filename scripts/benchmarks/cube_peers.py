"""What the cube benchmark compares with: the same cubes by other packages.

Every peer is a function that draws one cube (ny, nx, nv), in a unit of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.projection_peers import yt_dataset
from benchmarks.projection_workload import Octree

Array = NDArray[np.float64]
Draw = Callable[[], Array]

N_PIXELS, N_CHANNELS, CHANNEL = 167, 100, 5.0  # km/s
BOLTZMANN, ATOMIC_MASS = 1.380649e-16, 1.67262192e-24  # cgs; yt and martini take the proton's mass
CHUNK = 10_000  # lines at a time, for numpy


@dataclass(frozen=True)
class Lines:
    """Emitters on the image plane, all (n,): `length` is the side of a leaf or the radius of support."""

    x: Array
    y: Array
    length: Array
    mass: Array
    velocity: Array
    width: Array

    def part(self, chosen: slice) -> Lines:
        """Some of the emitters."""
        columns = (self.x, self.y, self.length, self.mass, self.velocity, self.width)
        return Lines(*(np.ascontiguousarray(column[chosen]) for column in columns))


def edges() -> Array:
    """Of the channels [km/s]."""
    half = 0.5 * CHANNEL * N_CHANNELS
    return np.linspace(-half, half, N_CHANNELS + 1)


def shares(velocity: Array, width: Array) -> Array:
    """Integral of the Gaussian line over every channel, (n, nv)."""
    from scipy.special import ndtr

    below = ndtr((edges() - velocity[:, None]) / width[:, None])
    return np.asarray(below[:, 1:] - below[:, :-1])


def nearest_pixel(lines: Lines) -> Draw:
    """With numpy and scipy, the whole line into the pixel of its centre."""
    column, row = (
        np.clip(((place + 0.5) * N_PIXELS).astype(int), 0, N_PIXELS - 1) for place in (lines.x, lines.y)
    )

    def draw() -> Array:
        cube = np.zeros((N_PIXELS, N_PIXELS, N_CHANNELS))
        for start in range(0, lines.x.size, CHUNK):
            some = slice(start, start + CHUNK)
            light = lines.mass[some, None] * shares(lines.velocity[some], lines.width[some])
            np.add.at(cube, (row[some], column[some]), light)
        return cube

    return draw


def ppv_cube(tree: Octree) -> Draw:
    """`PPVCube` of yt_astro_analysis along z, its lines widened by temperatures that give our widths.

    Raises
    ------
    ImportError
        yt_astro_analysis is not installed.
    """
    from yt_astro_analysis.ppv_cube.api import PPVCube

    temperature = (1e5 * tree.width) ** 2 * 12.0 * ATOMIC_MASS / BOLTZMANN
    dataset = yt_dataset(tree, velocity_z=(1e5 * tree.velocity[:, 2], "cm/s"), temperature=(temperature, "K"))

    def draw() -> Array:
        cube = PPVCube(
            dataset,
            "z",
            ("gas", "density"),
            (edges()[0], edges()[-1], N_CHANNELS, "km/s"),
            width=(1.0, "code_length"),
            dims=N_PIXELS,
            thermal_broad=True,
            atomic_weight=12.0,
        )
        return np.asarray(cube.data)

    return draw


def martini(lines: Lines, floor: float) -> Draw:
    """astromartini, insertion only: Wendland-C2 kernels of support `length`, widened to `floor` at least.

    Raises
    ------
    ImportError
        astromartini is not installed.
    """
    import astropy.units as u
    from martini import DataCube, Martini
    from martini.sources import SPHSource
    from martini.spectral_models import GaussianSpectrum
    from martini.sph_kernels import WendlandC2Kernel, _WendlandC2Kernel

    n, far = lines.x.size, 100.0 * u.Mpc  # the box is 1 kpc wide: a flat sky
    zero = np.zeros(n)
    source = SPHSource(
        distance=far,
        h=0.0,
        T_g=(1e5 * lines.width) ** 2 * ATOMIC_MASS / BOLTZMANN * u.K,
        mHI_g=lines.mass * u.Msun,
        xyz_g=np.stack((zero, lines.x, lines.y), axis=1) * u.kpc,
        vxyz_g=np.stack((lines.velocity, zero, zero), axis=1) * u.km / u.s,
        hsm_g=np.maximum(lines.length, floor) / _WendlandC2Kernel().size_in_fwhm * u.kpc,
        coordinate_axis=1,
    )
    cube = DataCube(
        n_px_x=N_PIXELS,
        n_px_y=N_PIXELS,
        n_channels=N_CHANNELS,
        px_size=(1.0 * u.kpc / N_PIXELS / far).to(u.arcsec, u.dimensionless_angles()),
        channel_width=CHANNEL * u.km / u.s,
        spectral_centre=0.0 * u.km / u.s,
    )
    model = Martini(
        source=source,
        datacube=cube,
        sph_kernel=WendlandC2Kernel(),
        spectral_model=GaussianSpectrum(sigma="thermal"),
        quiet=True,
    )

    def draw() -> Array:
        model.reset()
        model.insert_source_in_cube(skip_validation=True)
        array = np.asarray(model.datacube._array.value)
        # right ascension grows to the left; channels may run downwards
        order = 1 if np.diff(model.datacube.velocity_channel_edges.value)[0] > 0 else -1
        return array[::-1, :, ::order].transpose(1, 0, 2)

    return draw
