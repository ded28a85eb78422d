"""Export the cubes of a product to FITS, as radio astronomers' tools read them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from simpost.core.errors import InputError, nearest_name
from simpost.core.files import write_whole
from simpost.products.fits import (
    angular_diameter_distance,
    ascii_text,
    galaxy_header,
    image_hdu,
    sky_wcs,
    view_header,
)
from simpost.products.product import GalaxyProduct, ProductMap

if TYPE_CHECKING:
    from astropy.io.fits import Header
    from numpy.typing import NDArray


def write_cube_fits(
    product: GalaxyProduct,
    view: str,
    line: str,
    frequency: float,
    path: Path | str,
    *,
    ra: float = 180.0,
    dec: float = 0.0,
    distance: float | None = None,
) -> None:
    """Write one cube as the primary HDU (nv, ny, nx): right ascension, declination, radio velocity.

    The sky is as in the maps of `write_fits`. Velocities are relative to the galaxy and rise with the
    channel; the rest frequency in `RESTFRQ` is that of the line at the galaxy's redshift, so that velocity 0
    is the galaxy's and channels keep their width in every tool; `LINEFRQ` holds the line's own. `PIXEL` is
    the side of a pixel [kpc].

    Parameters
    ----------
    product : GalaxyProduct
        What `read_product` returns.
    view, line : str
        Which cube.
    frequency : float
        Of the line at rest [GHz].
    path : Path
        The file to write; it is whole or untouched.
    ra, dec : float
        Nominal place of the galaxy's centre on the sky [deg].
    distance : float, optional
        Angular-diameter distance [kpc]; by default that of the galaxy's redshift in its own cosmology.

    Raises
    ------
    InputError
        There is no such view or cube, fewer than two channels, the redshift is not above zero and
        `distance` is not given, or the file cannot be written.
    """
    from astropy.io import fits

    seen = product.view(view)
    if line not in seen.cubes:
        remedy = nearest_name(line, list(seen.cubes)) if seen.cubes else "it was made without cubes"
        raise InputError(f"view '{view}'", f"no cube '{line}'", "one of its cubes", remedy)
    cube, velocity = seen.cubes[line], seen.velocity
    if velocity is None or len(velocity) < 2:
        raise InputError(f"view '{view}'", "fewer than two channels", "a band of channels")
    if distance is None:
        distance = angular_diameter_distance(product)
    pixel = seen.attributes["pixel"]
    plane = ProductMap(cube.values[0], cube.unit, cube.closure, cube.attributes)
    described = image_hdu(line, cube).header
    header = fits.Header()
    for card in ("BUNIT", "CLOSURE", "CLOSREAS"):
        if card in described:
            header.append(described.cards[card])
    header["VIEW"] = ascii_text(view)
    header["LINE"] = ascii_text(line)
    header.update(view_header(seen))
    header.update(galaxy_header(product))
    header.update(sky_wcs(plane, pixel / distance, ra, dec))
    header.update(_velocity_wcs(velocity, frequency, product.galaxy["redshift"]))
    # no second coordinate system beside it: spectral-cube 0.7 fails on headers that have one
    header["PIXEL"] = (pixel, "[kpc] side of a pixel")
    buffer = io.BytesIO()
    fits.PrimaryHDU(data=cube.values, header=header).writeto(buffer, output_verify="exception")
    write_whole(path, buffer.getvalue())


def _velocity_wcs(velocity: NDArray[np.float64], frequency: float, redshift: float) -> Header:
    from astropy.io import fits

    header = fits.Header()
    header["CTYPE3"] = ("VRAD", "relative to the galaxy, receding positive")
    header["CUNIT3"] = "m/s"
    header["CRPIX3"] = 1.0
    header["CRVAL3"] = 1e3 * float(velocity[0])
    header["CDELT3"] = 1e3 * _step(velocity)
    header["RESTFRQ"] = (1e9 * frequency / (1.0 + redshift), "[Hz] of the line at the redshift")
    header["LINEFRQ"] = (1e9 * frequency, "[Hz] of the line at rest")
    header["SPECSYS"] = "BARYCENT"
    header["VELREF"] = (258, "radio velocity, barycentric")
    header["EQUINOX"] = 2000.0
    return header


def _step(velocity: NDArray[np.float64]) -> float:
    return float((velocity[-1] - velocity[0]) / (len(velocity) - 1))
