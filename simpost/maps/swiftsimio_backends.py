"""The projection backends of swiftsimio, to check our own smoothed maps against.

They sample the W2 kernel at pixel centres or sub-pixels; their closure is reported like any other.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simpost.core.errors import InputError
from simpost.maps.smoothing import SWIFTSIMIO_GAMMA
from simpost.maps.view import View

FloatArray = NDArray[np.float64]

BACKENDS = ("fast", "histogram", "nested", "renormalised", "subsampled", "subsampled_extreme")


def deposit(
    backend: str, view: View, x: FloatArray, y: FloatArray, support: FloatArray, quantity: FloatArray
) -> FloatArray:
    """Image (ny, nx) of `quantity` per pixel.

    Parameters
    ----------
    backend : str
        One of `BACKENDS`.
    view : View
        Window and pixels.
    x, y, support, quantity : (n,)
        Image coordinates and radius of support H [kpc]; the backend is handed h = H/1.897367.

    Raises
    ------
    InputError
        The backend refuses this number of pixels (`nested` wants a multiple of 16).
    """
    from swiftsimio.visualisation.projection_backends import backends

    try:
        # unit window, no periodic copies (box_x = box_y = 0); images come as (x, y)
        image = backends[backend](
            x=x / view.width + 0.5,
            y=y / view.width + 0.5,
            m=quantity,
            h=support / (SWIFTSIMIO_GAMMA * view.width),
            res=view.n_pixels,
            box_x=0.0,
            box_y=0.0,
        )
    except ValueError as error:
        raise InputError(f"backend '{backend}'", f"{view.n_pixels} pixels", str(error)) from error
    return np.asarray(image, dtype=float).T / view.n_pixels**2
