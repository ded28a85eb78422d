"""From maps to a product: names, units and scalars of the product schema."""

from __future__ import annotations

import math
import platform
from importlib.metadata import version
from typing import Any

import numpy as np

from simpost.config import Config, canonical_yaml, config_hash
from simpost.core.files import sha256
from simpost.emission.density_pdf import AveragedTable
from simpost.maps.cube import CubeResult
from simpost.maps.deposit import MapResult, ratio_map
from simpost.maps.view import View
from simpost.pipeline.galaxy import MEANS, GalaxyMaps
from simpost.pipeline.stars import WINDOWS
from simpost.products import GalaxyProduct, ProductMap, ViewProduct
from simpost.products.schema import CUBE_UNIT, LINE_CII, PERCENTILES, map_unit
from simpost.snapshots.galaxies import Galaxy
from simpost.snapshots.protocol import Snapshot

HEADER_BYTES = 1 << 16  # digested of every snapshot file: enough to tell files apart, quick on any disk
INNER_RADIUS = 0.15  # of R_200c, for the stellar mass (our choice)
_MEAN_REASON = "a mean is not conserved"
_PERCENTILE_REASON = "a percentile is not conserved"


def make_product(
    snapshot: Snapshot,
    galaxy: Galaxy,
    name: str,
    maps: GalaxyMaps,
    tables: dict[str, AveragedTable],
    config: Config,
) -> GalaxyProduct:
    """Everything known of one galaxy, as the product schema names it; `name` is its id in the run."""
    views = {view.name: _view_product(view, maps) for view in maps.views}
    return GalaxyProduct(
        galaxy={"id": name, **_galaxy_attributes(snapshot, galaxy, maps, tables, config)},
        coverage=maps.coverage,
        fields=maps.fields,
        views=views,
        config=canonical_yaml(config),
        config_hash=config_hash(config),
        provenance=_provenance(snapshot, galaxy, maps, config),
        ensemble=maps.ensemble.rows if maps.ensemble is not None else (),
    )


def _view_product(view: View, maps: GalaxyMaps) -> ViewProduct:
    attributes: dict[str, Any] = {
        "line_of_sight": np.asarray(view.line_of_sight),
        "up": np.asarray(view.up),
        "width": view.width,
        "depth": view.depth,
        "pixel": view.pixel,
        **maps.deposits[view.name],
    }
    gas, stars = maps.gas[view.name], maps.stars[view.name]
    images = {}
    for quantity, result in {**gas, **stars}.items():
        if " x " not in quantity:
            name = _map_name(quantity)
            images[name] = _image(name, result)
    weights = {"mass": "gas"} | {line: line for line in gas if f"density x {line}" in gas}
    for weight, quantity in weights.items():
        for mean in MEANS:
            if f"{mean} x {weight}" in gas:
                name = f"mean_{mean}_{weight}_weighted"
                values = ratio_map(gas[f"{mean} x {weight}"], gas[quantity])
                reason = {"weight": weight, "closure_reason": _MEAN_REASON}
                images[name] = ProductMap(values, map_unit(name), math.nan, reason)
    if maps.ensemble is not None:
        for percentile, values in maps.ensemble.maps.get(view.name, {}).items():
            name = f"surface_brightness_{LINE_CII}_{percentile}"
            reason = {"closure_reason": _PERCENTILE_REASON}
            images[name] = ProductMap(values, map_unit(name), math.nan, reason)
    cubes = {line: _cube(result) for line, result in maps.cubes.get(view.name, {}).items()}
    velocity = next((result.channels.centres() for result in maps.cubes.get(view.name, {}).values()), None)
    return ViewProduct(attributes, images, cubes, velocity)


def _map_name(quantity: str) -> str:
    known = ("gas", "neutral", "molecular", "stars", "sfr_instantaneous", *(f"sfr_{w}" for w in WINDOWS))
    return f"surface_density_{quantity}" if quantity in known else f"surface_brightness_{quantity}"


def _cube(result: CubeResult) -> ProductMap:
    whole = result.map
    attributes: dict[str, Any] = {
        "total_selected": whole.total_selected,
        "total_outside_fov": whole.total_outside_fov,
        "n_cells": whole.n_cells,
        "share_outside_band": result.share_outside_band,
        "moment_0_deviation": result.moment_0_deviation,
    }
    if math.isnan(result.closure):
        attributes["closure_reason"] = whole.closure_reason
    return ProductMap(result.values, CUBE_UNIT, result.closure, attributes)


def _image(name: str, result: MapResult) -> ProductMap:
    attributes: dict[str, Any] = {
        "total_selected": result.total_selected,
        "total_outside_fov": result.total_outside_fov,
        "n_cells": result.n_cells,
    }
    if math.isnan(result.closure):
        attributes["closure_reason"] = result.closure_reason
    return ProductMap(result.values, map_unit(name), result.closure, attributes)


def _galaxy_attributes(
    snapshot: Snapshot,
    galaxy: Galaxy,
    maps: GalaxyMaps,
    tables: dict[str, AveragedTable],
    config: Config,
) -> dict[str, Any]:
    values = _identity(snapshot, galaxy, config)
    scalars = _Scalars(maps)
    scalars.put(values, "R_200c", galaxy.r_200c, "never 200 times the critical density")
    scalars.put(values, "M_200c", galaxy.m_200c, "never 200 times the critical density")
    _put_integrals(values, scalars, maps, tables)
    if config.emission.ensemble:
        _put_range(values, scalars, maps)
    if np.isfinite(galaxy.r_200c):
        near = np.linalg.norm(maps.stellar["position"], axis=1) < INNER_RADIUS * galaxy.r_200c
        values["M_stars_inner"] = float(maps.stellar["mass"][near].sum())
    for weight, quantity in {"mass": "gas", **{line: line for line in tables}}.items():
        for mean in MEANS:
            value = _ratio(scalars.total(f"{mean} x {weight}"), scalars.total(quantity))
            if math.isfinite(value):
                values[f"mean_{mean}_{weight}_weighted"] = value
    if tables and maps.recipes.has_lines:
        values |= _settings(tables.get(LINE_CII, next(iter(tables.values()))), maps, config)
    return values


def _identity(snapshot: Snapshot, galaxy: Galaxy, config: Config) -> dict[str, Any]:
    info = snapshot.info
    return {
        "snapshot": info.path.name,
        "code": info.code,
        "centre": np.asarray(galaxy.centre),
        "velocity": np.asarray(galaxy.velocity),
        "redshift": info.redshift,
        "h0": info.cosmology.h0,
        "omega_m": info.cosmology.omega_m,
        "omega_lambda": info.cosmology.omega_lambda,
        "gas": "total",
        "helium": config.maps.helium,
    }


def _put_integrals(
    values: dict[str, Any], scalars: _Scalars, maps: GalaxyMaps, tables: dict[str, AveragedTable]
) -> None:
    """Masses, rates and luminosities in the field of view, and their ratios."""
    incomplete = "; ".join(maps.recipes.missing) or "no cell"
    scalars.put(values, "M_gas", scalars.total("gas"), "no cell")
    scalars.put(values, "M_neutral", scalars.total("neutral"), incomplete)
    scalars.put(values, "M_molecular", scalars.total("molecular"), incomplete)
    scalars.put(values, "M_gas_sphere", scalars.total("gas_sphere"), "no cell")
    scalars.put(values, "M_neutral_sphere", scalars.total("neutral_sphere"), incomplete)
    scalars.put(values, "M_stars", scalars.total("stars"), "no stars")
    for window in WINDOWS:
        scalars.put(values, f"SFR_{window}", scalars.total(f"sfr_{window}"), "no stellar ages")
    scalars.put(values, "SFR_instantaneous", scalars.total("sfr_instantaneous"), "not stored by the run")
    for line in tables:
        scalars.put(values, f"L_{line}", scalars.total(line), incomplete)
    luminosity = scalars.total(LINE_CII)
    for name, mass in (("alpha_CII", "M_gas"), ("alpha_CII_neutral", "M_neutral")):
        scalars.put(values, name, _ratio(values[mass], luminosity), "no [CII] luminosity")
    source = "SFR_instantaneous" if math.isnan(values["SFR_10"]) else "SFR_10"
    values["depletion_time_source"] = source
    depletion_time = _ratio(values["M_gas"], values[source]) / 1e6
    scalars.put(values, "depletion_time", depletion_time, values.get(f"{source}_reason", "no star formation"))


def _put_range(values: dict[str, Any], scalars: _Scalars, maps: GalaxyMaps) -> None:
    """Percentiles of the [CII] luminosity over the ensemble."""
    for percentile in PERCENTILES:
        value, reason = math.nan, "; ".join(maps.recipes.missing) or "no ensemble"
        if maps.ensemble is not None:
            value, reason = maps.ensemble.luminosity[percentile], maps.ensemble.reason
        scalars.put(values, f"L_{LINE_CII}_{percentile}", value, reason)


def _settings(table: AveragedTable, maps: GalaxyMaps, config: Config) -> dict[str, Any]:
    """How the line was computed."""
    options, origins = config.emission, maps.recipes.origins
    of_cmb = {} if table.redshift is None else {"cmb_floored": table.floored}
    return {
        **of_cmb,
        "line_grid": options.grid,
        "line_grid_checksum": table.grid_checksum,
        "density_pdf": f"{options.pdf}, b = {options.pdf_b:.6g}, column {options.pdf_column}",
        "mach_source": f"{origins['mach']}; {origins['turbulent_velocity']}",
        "column_source": origins["column_density"],
        "illumination": options.illumination,
        "cmb": table.redshift is not None or table.redshift_of_cells is not None,
    }


class _Scalars:
    """Totals in the cube of the maps' width, and where they go."""

    def __init__(self, maps: GalaxyMaps) -> None:
        self._totals = maps.totals

    def total(self, quantity: str) -> float:
        return self._totals.get(quantity, math.nan)

    def put(self, values: dict[str, Any], name: str, value: float, reason: str) -> None:
        values[name] = float(value)
        if math.isnan(value):
            values[f"{name}_reason"] = reason


def _ratio(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator > 0 else math.nan


def _provenance(snapshot: Snapshot, galaxy: Galaxy, maps: GalaxyMaps, config: Config) -> dict[str, Any]:
    info = snapshot.info
    packages = ("numpy", "numba", "h5py", "yt", "unyt", "swiftsimio", "scipy")
    return {
        "snapshot": {
            "path": str(info.path),
            "code": info.code,
            "files": [
                {"name": path.name, "bytes": path.stat().st_size, "head_sha256": sha256(path, HEADER_BYTES)}
                for path in info.files
            ],
        },
        "galaxy": galaxy.source,
        "notes": [*info.notes, *maps.recipes.missing, *maps.notes],
        "wind_mass_Msun": maps.wind_mass,
        "cells": maps.n_cells,
        "seed": config.seed,
        "python": platform.python_version(),
        "versions": {name: version(name) for name in packages},
    }
