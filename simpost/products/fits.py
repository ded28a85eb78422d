"""Export the maps of a product to FITS, with a celestial and a kpc coordinate system."""

from __future__ import annotations

import io
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from simpost.core import units as u
from simpost.core.cosmology import Cosmology
from simpost.core.errors import InputError
from simpost.core.files import write_whole
from simpost.products.astropy_units import fits_unit
from simpost.products.product import EnsembleMember, GalaxyProduct, ProductMap, ViewProduct
from simpost.products.schema import find_entry

if TYPE_CHECKING:
    from astropy.io.fits import BinTableHDU, Header, ImageHDU


def write_fits(
    product: GalaxyProduct,
    path: Path | str,
    *,
    ra: float = 180.0,
    dec: float = 0.0,
    distance: float | None = None,
) -> None:
    """Write one image HDU per map and view: EXTNAME is the map, EXTVER and VIEW the view.

    The members of an ensemble, if there is one, follow as the table `ENSEMBLE`.
    Images are (ny, nx) as in the product. The primary WCS is a tangent projection of the sky as seen from
    Earth with north up and east to the left, the alternate WCS `K` the offset from the centre in kpc.

    Parameters
    ----------
    product : GalaxyProduct
        What `read_product` returns.
    path : Path
        The file to write; it is whole or untouched.
    ra, dec : float
        Nominal place of the galaxy's centre on the sky [deg]. The default lies away from RA = 0, where the
        image would straddle 0 and 360 degrees.
    distance : float, optional
        Angular-diameter distance [kpc]; by default that of the galaxy's redshift in its own cosmology.

    Raises
    ------
    InputError
        The redshift is not above zero and `distance` is not given, or the file cannot be written.
    """
    from astropy.io import fits

    if distance is None:
        distance = angular_diameter_distance(product)
    hdus = fits.HDUList([fits.PrimaryHDU(header=galaxy_header(product))])
    for version, (name, view) in enumerate(product.views.items(), start=1):
        for map_name, image in view.maps.items():
            hdu = image_hdu(map_name, image)
            hdu.header["EXTVER"] = version
            hdu.header["VIEW"] = ascii_text(name)
            hdu.header.update(view_header(view))
            hdu.header.update(galaxy_header(product))
            hdu.header.update(sky_wcs(image, view.attributes["pixel"] / distance, ra, dec))
            hdu.header.update(_offset_wcs(image, view.attributes["pixel"]))
            hdus.append(hdu)
    if product.ensemble:
        hdus.append(_ensemble_hdu(product))
    buffer = io.BytesIO()
    hdus.writeto(buffer, output_verify="exception")
    write_whole(path, buffer.getvalue())


def angular_diameter_distance(product: GalaxyProduct) -> float:
    """Angular-diameter distance [kpc] in the galaxy's own cosmology; InputError at redshift 0."""
    galaxy = product.galaxy
    redshift = galaxy["redshift"]
    if not redshift > 0.0:
        remedy = "give the distance to place it at"
        raise InputError(f"galaxy {galaxy['id']}", f"redshift {redshift}", "a redshift above 0", remedy)
    cosmology = Cosmology(galaxy["h0"], galaxy["omega_m"], galaxy["omega_lambda"])
    return cosmology.angular_diameter_distance(redshift)


def ascii_text(text: str) -> str:
    """FITS headers hold ASCII alone."""
    return text.encode("ascii", "backslashreplace").decode()


def galaxy_header(product: GalaxyProduct) -> Header:
    """Cards of the galaxy and of how it was made."""
    from astropy.io import fits

    galaxy = product.galaxy
    header = fits.Header()
    header["OBJECT"] = ascii_text(galaxy["id"])
    header["SNAPSHOT"] = ascii_text(galaxy["snapshot"])
    header["SIMCODE"] = (ascii_text(galaxy["code"]), "simulation code")
    header["REDSHIFT"] = (galaxy["redshift"], "of the snapshot")
    header["HUBBLE"] = (galaxy["h0"], "km/s/Mpc")
    header["OMEGA_M"] = galaxy["omega_m"]
    header["OMEGA_L"] = galaxy["omega_lambda"]
    header["GASMEANS"] = (ascii_text(galaxy["gas"]), "what gas stands for")
    header["HELIUM"] = (galaxy["helium"], "gas masses include helium and metals")
    header["CREATOR"] = ascii_text(f"simpost {product.simpost_version}")
    header["DATE"] = product.created.removesuffix("+00:00")
    header["CONFHASH"] = ascii_text(product.config_hash)
    return header


def view_header(view: ViewProduct) -> Header:
    """Cards of a view: directions, width, depth, depositor."""
    from astropy.io import fits

    header = fits.Header()
    for axis, component in zip("XYZ", view.attributes["line_of_sight"], strict=True):
        header[f"LOS_{axis}"] = (float(component), "line of sight in the snapshot's frame")
    header["DEPTH"] = (view.attributes["depth"], "[kpc] along the line of sight")
    header["DEPOSIT"] = (ascii_text(view.attributes["depositor"]), "how cells were put on pixels")
    return header


def image_hdu(name: str, image: ProductMap) -> ImageHDU:
    """An image with its unit, closure and totals."""
    from astropy.io import fits

    hdu = fits.ImageHDU(data=image.values, name=name)
    hdu.header["BUNIT"] = (fits_unit(image.unit), "Habing field G0" if image.unit == u.HABING else "")
    if np.isnan(image.closure):
        hdu.header["CLOSREAS"] = ascii_text(f"no closure: {image.attributes['closure_reason']}")
    else:
        hdu.header["CLOSURE"] = (image.closure, "pixel sum over what went in, minus one")
    if "weight" in image.attributes:
        hdu.header["WEIGHT"] = ascii_text(image.attributes["weight"])
    return hdu


def _ensemble_hdu(product: GalaxyProduct) -> BinTableHDU:
    from astropy.io import fits

    columns = []
    for name in (field.name for field in fields(EnsembleMember)):
        values = [getattr(member, name) for member in product.ensemble]
        if isinstance(values[0], str):
            texts = [ascii_text(text) for text in values]
            columns.append(fits.Column(name, f"{max(1, *map(len, texts))}A", array=texts))
        else:
            entry = find_entry(f"/ensemble/{name}")
            unit = fits_unit(entry.unit) if entry is not None else ""
            columns.append(fits.Column(name, "D", unit=unit or None, array=values))
    return fits.BinTableHDU.from_columns(columns, header=galaxy_header(product), name="ENSEMBLE")


def sky_wcs(image: ProductMap, pixel_radian: float, ra: float, dec: float) -> Header:
    """Tangent-plane world coordinates of an image (ny, nx) centred on ra, dec [deg]."""
    from astropy.io import fits

    ny, nx = image.values.shape
    pixel = float(np.degrees(pixel_radian))
    header = fits.Header()
    header["RADESYS"] = "ICRS"
    axes = (("RA---TAN", nx, ra, -pixel), ("DEC--TAN", ny, dec, pixel))
    for axis, (kind, length, value, step) in enumerate(axes, start=1):
        header[f"CTYPE{axis}"] = kind
        header[f"CUNIT{axis}"] = "deg"
        header[f"CRPIX{axis}"] = 0.5 * (length + 1)
        header[f"CRVAL{axis}"] = (value, "nominal: a simulation has no place on the sky")
        header[f"CDELT{axis}"] = step
    return header


def _offset_wcs(image: ProductMap, pixel: float) -> Header:
    from astropy.io import fits

    header = fits.Header()
    header["WCSNAMEK"] = "offset in kpc"
    for axis, length in enumerate(reversed(image.values.shape), start=1):
        header[f"CTYPE{axis}K"] = "LINEAR"
        header[f"CUNIT{axis}K"] = "kpc"
        header[f"CRPIX{axis}K"] = 0.5 * (length + 1)
        header[f"CRVAL{axis}K"] = 0.0
        header[f"CDELT{axis}K"] = pixel
    return header
