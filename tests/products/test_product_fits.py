"""FITS files say where a pixel is, which way is up, and what it is worth."""

import dataclasses
import warnings

import made_up
import numpy as np
import pytest
from astropy import units
from astropy.io import fits
from astropy.wcs import WCS

from simpost.core.cosmology import Cosmology
from simpost.core.errors import InputError
from simpost.products.fits import write_fits

PIXELS = 21
GAS = "surface_density_gas"


@pytest.fixture
def product():
    """One bright pixel towards +x and, less, +y of the centre; everything else zero."""
    product = made_up.disc_galaxy(pixels=PIXELS, views=("z", "x"))
    gas = product.views["z"].maps[GAS].values
    gas[:] = 0.0
    gas[13, 18] = 7.0
    return product


@pytest.fixture
def opened(product, tmp_path):
    write_fits(product, tmp_path / "g.fits", ra=150.0, dec=2.0)
    with fits.open(tmp_path / "g.fits") as hdus:
        yield hdus


def test_file_is_valid_fits_and_holds_every_map(opened, product):
    opened.verify("exception")
    images = [hdu for hdu in opened[1:] if hdu.name != "ENSEMBLE"]
    names = {(hdu.name.lower(), hdu.header["VIEW"]) for hdu in images}
    assert names == {(m.lower(), v) for v, view in product.views.items() for m in view.maps}
    for hdu in images:
        view = product.views[hdu.header["VIEW"]]
        image = next(image for name, image in view.maps.items() if name.lower() == hdu.name.lower())
        assert np.array_equal(hdu.data, image.values, equal_nan=True)
        assert units.Unit(hdu.header.get("BUNIT", ""), format="fits") is not None


def test_image_is_not_transposed_and_north_is_up_east_left(opened, product):
    hdu = opened[GAS, 1]
    j, i = np.unravel_index(np.argmax(hdu.data), hdu.data.shape)
    assert (j, i) == (13, 18)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sky, offset = WCS(hdu.header), WCS(hdu.header, key="K")
    pixel = product.views["z"].attributes["pixel"]
    x, y = offset.pixel_to_world_values(i, j)
    assert (x, y) == pytest.approx(((18 - 10) * pixel, (13 - 10) * pixel), rel=1e-12)
    assert offset.world_axis_units == ["kpc", "kpc"]
    ra, dec = sky.pixel_to_world_values(i, j)
    assert ra < 150.0 and dec > 2.0  # right of the centre is west
    assert sky.pixel_to_world_values(10, 10) == pytest.approx((150.0, 2.0), abs=1e-12)


def test_angles_follow_from_the_angular_diameter_distance(opened, product):
    sky = WCS(opened[GAS, 1].header)
    centre, spot = (sky.pixel_to_world(*at) for at in ((10, 10), (18, 13)))
    galaxy = product.galaxy
    distance = Cosmology(galaxy["h0"], galaxy["omega_m"], galaxy["omega_lambda"]).angular_diameter_distance(
        6.031
    )
    kpc = np.hypot(8, 3) * product.views["z"].attributes["pixel"]
    assert centre.separation(spot).radian * distance == pytest.approx(kpc, rel=1e-8)
    # at z = 6 one proper kpc is about 0.17 arcsec
    assert centre.separation(spot).arcsec / kpc == pytest.approx(0.172, abs=0.003)


def test_headers_carry_what_the_image_means(opened, product):
    header = opened[GAS, 1].header
    assert units.Unit(header["BUNIT"], format="fits") == units.Msun / units.kpc**2
    assert header["CLOSURE"] == 3e-14
    assert header["CONFHASH"] == product.config_hash
    assert header["CREATOR"] == "simpost 0.1.0"
    assert (header["OBJECT"], header["REDSHIFT"], header["VIEW"]) == ("galaxy_0001", 6.031, "z")
    mean = opened["mean_density_mass_weighted", 1].header
    assert "CLOSURE" not in mean and "a mean is not conserved" in mean["CLOSREAS"]
    assert mean["WEIGHT"] == "mass"
    assert opened["mean_habing_CII-158um_weighted", 2].header.get("BUNIT", "") == ""


def test_members_of_the_ensemble_are_a_table(opened, product, tmp_path):
    table = opened["ENSEMBLE"]
    assert list(table.data["name"]) == [member.name for member in product.ensemble]
    assert list(table.data["left_out"]) == ["", "", "no T_CII"]
    luminosities = [member.luminosity for member in product.ensemble]
    np.testing.assert_array_equal(table.data["luminosity"], luminosities)
    assert units.Unit(table.columns["luminosity"].unit, format="fits") == units.Lsun
    assert table.header["CONFHASH"] == product.config_hash
    write_fits(dataclasses.replace(product, ensemble=()), tmp_path / "none.fits")
    with fits.open(tmp_path / "none.fits") as hdus:
        assert "ENSEMBLE" not in [hdu.name for hdu in hdus]


def test_names_beyond_ascii_and_long_ones_survive(product, tmp_path):
    odd = dataclasses.replace(product, galaxy=product.galaxy | {"id": "Größe " + 90 * "x"})
    write_fits(odd, tmp_path / "g.fits")
    with fits.open(tmp_path / "g.fits") as hdus:
        hdus.verify("exception")
        assert hdus[1].header["OBJECT"] == r"Gr\xf6\xdfe " + 90 * "x"


def test_no_distance_today(product, tmp_path):
    today = dataclasses.replace(product, galaxy=product.galaxy | {"redshift": 0.0})
    with pytest.raises(InputError, match="redshift above 0"):
        write_fits(today, tmp_path / "g.fits")
    assert not (tmp_path / "g.fits").exists()
    write_fits(today, tmp_path / "g.fits", distance=1e4)
    header = fits.getheader(tmp_path / "g.fits", 1)
    assert np.radians(header["CDELT2"]) * 1e4 == pytest.approx(5.0 / PIXELS)
