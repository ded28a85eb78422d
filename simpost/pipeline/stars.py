"""Maps of the stars of a galaxy on the pixels of its views, as points or kernels."""

from __future__ import annotations

from typing import Any

import numpy as np

from simpost.config.models import MapsConfig
from simpost.maps.deposit import Depositor, MapResult
from simpost.maps.view import View
from simpost.snapshots.columns import Columns

WINDOWS = (10, 30, 100)  # Myr, of the stellar star-formation rates (S25, V25, and FUV light)
KERNEL = "support"  # the projected three-dimensional kernel, sized by its radius of support


def star_maps(
    stars: Columns, views: tuple[View, ...], options: MapsConfig
) -> tuple[dict[str, dict[str, MapResult]], dict[str, float]]:
    """Maps by view and quantity, and totals of the stars whose position is in the cube of the maps' width.

    Quantities are the mass [Msun] and, where ages are known, the mean star-formation rate over each of
    `WINDOWS` [Msun/yr]. With `star_smoothing` every star is a kernel that ends at that radius.
    """
    quantities = {"stars": stars["mass"]}
    if "age" in stars:
        for window in WINDOWS:
            young = stars["age"] < window
            quantities[f"sfr_{window}"] = np.where(young, stars["initial_mass"], 0.0) / (window * 1e6)
    maps = {}
    for view in views:
        depositor = Depositor(view, list(quantities), KERNEL)
        if options.star_smoothing is None:
            depositor.add_points(stars["position"], quantities)
        else:
            radius = options.star_smoothing / depositor.kernel.h_over_r_cell
            depositor.add_cells(stars["position"], np.full(stars.size, radius), quantities)
        maps[view.name] = depositor.finish()
    inside = np.all(np.abs(stars["position"]) <= 0.5 * views[0].width, axis=1)
    return maps, {name: float(values[inside].sum()) for name, values in quantities.items()}


def star_attributes(options: MapsConfig) -> dict[str, Any]:
    """How stars were put on the pixels of a view, by the names of the product."""
    if options.star_smoothing is None:
        return {"star_depositor": "points"}
    return {"star_depositor": "projected Wendland-C2 kernel", "star_smoothing": options.star_smoothing}


def star_notes(options: MapsConfig) -> tuple[str, ...]:
    """What must be known of the maps of stars."""
    if options.star_smoothing is None:
        return ()
    return (f"stars: projected Wendland-C2 kernels that end at {options.star_smoothing:.6g} kpc",)
