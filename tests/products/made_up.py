"""A made-up galaxy at z = 6: exponential disc with clumps, young clusters in them, an old smooth disc."""

import numpy as np

from simpost.products.product import (
    Coverage,
    EnsembleMember,
    FieldOrigin,
    GalaxyProduct,
    ProductMap,
    ViewProduct,
)

LINE = "CII-158um"


def disc_maps(pixels=167, width=5.0, seed=1):
    rng = np.random.default_rng(seed)
    pixel = width / pixels
    edge = (np.arange(pixels) + 0.5) * pixel - width / 2
    x, y = np.meshgrid(edge, edge)
    y_disc = y / 0.6
    radius, angle = np.hypot(x, y_disc), np.arctan2(y_disc, x)
    arms = 1 + 0.8 * np.cos(2 * angle - 3.5 * np.log(radius + 0.1))
    gas = 2e8 * np.exp(-radius / 0.6) * arms + 3e3 * np.exp(-radius / 2)
    sfr = {window: np.zeros_like(gas) for window in ("10", "30", "100")}
    for _ in range(40):
        r, phi = rng.gamma(2, 0.5), rng.uniform(0, 2 * np.pi)
        size = rng.uniform(0.03, 0.1)
        cx, cy = r * np.cos(phi), 0.6 * r * np.sin(phi)
        gas += 3e9 * np.exp(-r / 0.6) * np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * size**2))
        for _ in range(rng.poisson(500 * np.exp(-r / 0.8))):
            j, i = (int((c + rng.normal(0, size) + width / 2) / pixel) for c in (cy, cx))
            if 0 <= i < pixels and 0 <= j < pixels:
                age = rng.exponential(20)
                for window, image in sfr.items():
                    if age < float(window):
                        image[j, i] += 1.2e4 * rng.lognormal(0, 0.8) / (float(window) * 1e6) / pixel**2
    gas *= rng.lognormal(0, 0.15, gas.shape)
    gas[radius > 2.6] = 0.0
    ratio = 15 * (np.maximum(gas, 1e3) / 1e8) ** -0.3 * rng.lognormal(0, 0.1, gas.shape)
    neutral = gas * gas / (gas + 3e5)
    line = neutral / ratio
    return pixel, gas, neutral, line, sfr


def disc_galaxy(pixels=167, views=("z",), seed=1, **galaxy):
    width = 5.0
    pixel, gas, neutral, line, sfr = disc_maps(pixels, width, seed)
    area = pixel**2
    surface = {"total_selected": 1.0, "total_outside_fov": 0.0, "n_cells": 1000}

    def image(values, unit, **attributes):
        return ProductMap(values, unit, 3e-14, attributes)

    maps = {
        "surface_density_gas": image(gas, "Msun/kpc**2", **surface),
        "surface_density_neutral": image(neutral, "Msun/kpc**2", **surface),
        f"surface_brightness_{LINE}": image(line, "Lsun/kpc**2", **surface),
        "mean_density_mass_weighted": ProductMap(
            np.where(gas > 0, gas / 1e6, np.nan),
            "cm**-3",
            np.nan,
            {"weight": "mass", "closure_reason": "a mean is not conserved"},
        ),
        f"mean_habing_{LINE}_weighted": image(np.where(gas > 0, 1e3, np.nan), "habing", weight=LINE),
    }
    for percentile, factor in (("p16", 0.5), ("p84", 1.5)):
        maps[f"surface_brightness_{LINE}_{percentile}"] = ProductMap(
            factor * line, "Lsun/kpc**2", np.nan, {"closure_reason": "a percentile is not conserved"}
        )
    for window, values in sfr.items():
        maps[f"surface_density_sfr_{window}"] = image(values, "Msun/yr/kpc**2")
    attributes = {
        "line_of_sight": np.array([0.0, 0.0, 1.0]),
        "up": np.array([0.0, 1.0, 0.0]),
        "width": width,
        "depth": 5.0,
    }
    attributes |= {"pixel": pixel, "depositor": "amr"}
    attributes |= {"star_depositor": "projected Wendland-C2 kernel", "star_smoothing": 0.1}
    velocity = np.array([-20.0, 0.0, 20.0])
    cube = line * np.array([0.25, 0.5, 0.25])[:, None, None] / 20.0
    seen = {
        name: ViewProduct(attributes, maps, {LINE: image(cube, "Lsun*s/km/kpc**2")}, velocity)
        for name in views
    }
    m_gas, luminosity = gas.sum() * area, line.sum() * area
    scalars = {
        "id": "galaxy_0001",
        "snapshot": "output_00042",
        "code": "RAMSES-RT",
        "centre": np.array([1.5, -2.25, 1e5 / 3]),
        "velocity": np.array([10.0, -200.0, 0.1]),
        "redshift": 6.031,
        "h0": 67.74,
        "omega_m": 0.3089,
        "omega_lambda": 0.6911,
        "R_200c": np.nan,
        "R_200c_reason": "no halo catalogue",
        "M_200c": np.nan,
        "M_200c_reason": "no halo catalogue",
        "gas": "total",
        "helium": True,
        "cmb": True,
        "cmb_floored": 0.0116,
        "M_gas": m_gas,
        "M_neutral": neutral.sum() * area,
        "M_molecular": 0.3 * m_gas,
        "M_stars": 4e9,
        "SFR_10": sfr["10"].sum() * area,
        "SFR_30": sfr["30"].sum() * area,
        "SFR_100": sfr["100"].sum() * area,
        "SFR_instantaneous": np.nan,
        "SFR_instantaneous_reason": "the code does not store it",
        "alpha_CII": m_gas / luminosity,
        "alpha_CII_neutral": neutral.sum() * area / luminosity,
        "depletion_time": m_gas / (sfr["10"].sum() * area * 1e6),
        "mean_metallicity_mass_weighted": 0.0067,
    }
    scalars[f"L_{LINE}"] = luminosity
    scalars |= {f"L_{LINE}_p16": 0.5 * luminosity, f"L_{LINE}_p84": 1.5 * luminosity}
    scalars[f"mean_mach_{LINE}_weighted"] = 12.0
    return GalaxyProduct(
        galaxy=scalars | galaxy,
        coverage={
            "beyond_table": Coverage(0.1, 0.05, 0.0123),
            "density_high": Coverage(0.0, 0.0, 0.0, "clamped"),
        },
        fields=(
            FieldOrigin("density", "read: Density", 1.0),
            FieldOrigin("temperature", "read: Temperature", 0.9),
            FieldOrigin("temperature", "override: effective equation of state, 100 K", 0.1),
            FieldOrigin("mach", "derived: velocity differences of neighbours", 1.0),
        ),
        views=seen,
        ensemble=(
            EnsembleMember("as configured", "", luminosity, 1.0, 0.01, -1e-15),
            EnsembleMember("b = 1", "emission.pdf_b: 1 instead of 0.3333", 2 * luminosity, 2.0, 0.01, np.nan),
            EnsembleMember("CMB off", "emission.cmb: off instead of on", *[np.nan] * 4, "no T_CII"),
        ),
        config="preset: serra\nmaps:\n  pixel: 30 pc  # Σ, ☉\n",
        config_hash="0123456789abcdef" * 4,
        provenance={"files": [{"name": "info_00042.txt", "bytes": 4096}], "seed": 1, "x": 0.1},
        simpost_version="0.1.0",
        created="2026-11-21T12:00:00+00:00",
    )
