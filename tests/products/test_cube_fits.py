"""Cubes and maps open in spectral-cube with the right units, places and velocities."""

import dataclasses
import logging
import warnings

import made_up
import numpy as np
import pytest
from astropy import units
from astropy.io import fits
from astropy.wcs import WCS

from simpost.core.errors import InputError
from simpost.products.cube_fits import write_cube_fits
from simpost.products.fits import write_fits
from simpost.products.product import ProductMap

LINE, FREQUENCY, REDSHIFT = made_up.LINE, 1900.5369, 6.031
PIXELS, CHANNELS = 21, 5
BRIGHT = (3, 13, 18)  # channel, row, column: receding, above and to the right of the centre


@pytest.fixture
def product():
    product = made_up.disc_galaxy(pixels=PIXELS)
    values = np.random.default_rng(1).random((CHANNELS, PIXELS, PIXELS))
    values[BRIGHT] = 100.0
    seen = product.views["z"]
    cube = ProductMap(values, seen.cubes[LINE].unit, 2e-15, {})
    velocity = 10.0 * np.arange(CHANNELS) - 20.0
    seen = dataclasses.replace(seen, cubes={LINE: cube}, velocity=velocity)
    return dataclasses.replace(product, views={"z": seen})


@pytest.fixture
def path(product, tmp_path):
    write_cube_fits(product, "z", LINE, FREQUENCY, tmp_path / "cube.fits", ra=150.0, dec=2.0)
    return tmp_path / "cube.fits"


@pytest.fixture(scope="module")
def spectral_cube():
    """The real library, whose own warnings about its dependencies are not ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        library = pytest.importorskip("spectral_cube", reason="spectral-cube is not installed")
    logging.getLogger("astropy").setLevel(logging.ERROR)
    return library


def test_file_is_valid_and_holds_the_cube(path, product):
    with fits.open(path) as hdus:
        hdus.verify("exception")
        (hdu,) = hdus
        assert hdu.data.shape == (CHANNELS, PIXELS, PIXELS)
        np.testing.assert_array_equal(hdu.data, product.views["z"].cubes[LINE].values)
        header = hdu.header
    assert units.Unit(header["BUNIT"], format="fits") == units.Lsun / units.kpc**2 / (units.km / units.s)
    assert header["CLOSURE"] == 2e-15
    assert (header["OBJECT"], header["VIEW"], header["LINE"]) == ("galaxy_0001", "z", LINE)
    assert header["CONFHASH"] == product.config_hash
    assert header["PIXEL"] == product.views["z"].attributes["pixel"]


def test_places_and_velocities(path, product):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        wcs = WCS(fits.getheader(path))
    channel, row, column = BRIGHT
    ra, dec, velocity = wcs.pixel_to_world_values(column, row, channel)
    assert ra < 150.0 and dec > 2.0  # north up, east left
    assert velocity == pytest.approx(10e3)  # m/s, receding
    assert wcs.pixel_to_world_values(10, 10, 2) == pytest.approx((150.0, 2.0, 0.0), abs=1e-9)


def test_rest_frequency_is_that_at_the_redshift(path):
    header = fits.getheader(path)
    assert header["RESTFRQ"] == pytest.approx(1900.5369e9 / 7.031, rel=1e-14)
    assert header["LINEFRQ"] == pytest.approx(1900.5369e9, rel=1e-14)
    assert (header["REDSHIFT"], header["SPECSYS"], header["VELREF"]) == (REDSHIFT, "BARYCENT", 258)


def test_spectral_cube_reads_the_cube(path, product, spectral_cube):
    cube = spectral_cube.SpectralCube.read(path)
    values = product.views["z"].cubes[LINE].values
    brightness = units.Lsun / units.kpc**2 / (units.km / units.s)
    assert cube.shape == values.shape
    assert cube.unit == brightness
    np.testing.assert_array_equal(cube.unmasked_data[:].to_value(brightness), values)
    velocity = cube.spectral_axis.to_value("km/s")
    np.testing.assert_allclose(velocity, product.views["z"].velocity, atol=1e-9)
    assert np.unravel_index(np.argmax(cube.unmasked_data[:]), cube.shape) == BRIGHT
    dec, ra = cube.spatial_coordinate_map
    assert ra[BRIGHT[1:]].to_value("deg") < 150.0
    assert dec[BRIGHT[1:]].to_value("deg") > 2.0


def test_spectral_cube_finds_our_moments(path, product, spectral_cube):
    from simpost.maps.moments import moments

    seen = product.views["z"]
    ours = moments(seen.cubes[LINE].values, seen.velocity)
    cube = spectral_cube.SpectralCube.read(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = [cube.moment(order=order) for order in (0, 1, 2)]
    surface = theirs[0].to_value(units.Lsun / units.kpc**2)
    np.testing.assert_allclose(surface, ours.brightness, rtol=1e-12)
    np.testing.assert_allclose(theirs[1].to_value("km/s"), ours.velocity, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(theirs[2].to_value("km2/s2"), ours.dispersion**2, rtol=1e-9, atol=1e-9)


def test_channels_keep_their_width_as_frequencies(path, spectral_cube):
    """A rest frequency without the redshift would make channels of 1.4 km/s of them."""
    cube = spectral_cube.SpectralCube.read(path)
    observed = 1900.5369 / 7.031
    frequency = cube.with_spectral_unit("GHz", velocity_convention="radio").spectral_axis.to_value("GHz")
    np.testing.assert_allclose(np.diff(frequency), -observed * 10.0 / 299792.458, rtol=1e-6)
    assert frequency[2] == pytest.approx(observed, rel=1e-9)


def test_maps_open_in_spectral_cube(product, tmp_path, spectral_cube):
    write_fits(product, tmp_path / "maps.fits", ra=150.0, dec=2.0)
    with fits.open(tmp_path / "maps.fits") as hdus:
        image = spectral_cube.Projection.from_hdu(hdus["surface_density_gas"])
    expected = product.views["z"].maps["surface_density_gas"].values
    np.testing.assert_array_equal(image.to_value(units.Msun / units.kpc**2), expected)


def test_no_distance_today_and_no_such_cube(product, tmp_path):
    today = dataclasses.replace(product, galaxy=product.galaxy | {"redshift": 0.0})
    path = tmp_path / "cube.fits"
    with pytest.raises(InputError, match="redshift above 0"):
        write_cube_fits(today, "z", LINE, FREQUENCY, path)
    with pytest.raises(InputError, match=r"no cube 'CII-158'.*did you mean 'CII-158um'"):
        write_cube_fits(product, "z", "CII-158", FREQUENCY, path)
    with pytest.raises(InputError, match="no view 'y'"):
        write_cube_fits(product, "y", LINE, FREQUENCY, path)
    assert not path.exists()
    write_cube_fits(today, "z", LINE, FREQUENCY, path, distance=1e4)
    header = fits.getheader(path)
    assert header["RESTFRQ"] == pytest.approx(1900.5369e9)
    assert np.radians(header["CDELT2"]) * 1e4 == pytest.approx(5.0 / PIXELS)


def test_a_single_channel_is_refused_without_width(product, tmp_path):
    seen = product.views["z"]
    cube = dataclasses.replace(seen.cubes[LINE], values=seen.cubes[LINE].values[:1])
    one = dataclasses.replace(seen, cubes={LINE: cube}, velocity=seen.velocity[:1])
    with pytest.raises(InputError, match="fewer than two channels"):
        write_cube_fits(
            dataclasses.replace(product, views={"z": one}), "z", LINE, FREQUENCY, tmp_path / "c.fits"
        )
