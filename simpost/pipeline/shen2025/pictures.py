"""The figures of the analysis, named after what they show; numbers are those of Shen+2025."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from simpost.analysis.simulation_sets import TARGET, EfficiencyPoint
from simpost.config.shen2025 import Shen2025Config
from simpost.core.cosmology import Cosmology
from simpost.figures.depletion_time import draw_depletion_time
from simpost.figures.double_power_laws import draw_double_power_laws
from simpost.figures.efficiency import draw_efficiencies
from simpost.figures.growth import draw_growth_histories
from simpost.figures.in_situ import draw_in_situ
from simpost.figures.kennicutt_schmidt import draw_kennicutt_schmidt
from simpost.figures.star_forming_region import draw_effective_surface_density, draw_supply
from simpost.figures.stellar_mass import draw_stellar_halo_mass
from simpost.figures.uv_luminosity import draw_uv_luminosity
from simpost.pipeline.shen2025.found import Found
from simpost.trees.track import Track

MOST_TRACKS = 12  # in the figure of growth, main targets first


def draw_figures(found: Found, config: Shen2025Config, output: Path) -> list[Path]:
    """Draw every figure there is something for."""
    drawn = []
    for name, draw in [*_of_haloes(found, config), *_of_pixels(found, config), *_of_light(found)]:
        path = output / f"{name}.png"
        draw(path)
        drawn.append(path)
    return drawn


Figures = list[tuple[str, Callable[[Path], None]]]


def _of_haloes(found: Found, config: Shen2025Config) -> Figures:
    points = [point for at_redshift in found.points.values() for point in at_redshift]
    if not points:
        return []
    cosmology, fits = _cosmology(found), found.fits
    return [
        ("growth", lambda path: draw_growth_histories(_tracks(points), path)),
        ("figure_02_stellar_mass", lambda path: draw_stellar_halo_mass(found.points, cosmology, path)),
        (
            "figure_04_efficiency",
            lambda path: draw_efficiencies(found.points, fits, cosmology, path, imf=config.imf),
        ),
        (
            "figure_05_double_power_law",
            lambda path: draw_double_power_laws(found.points, fits, cosmology, path),
        ),
    ]


def _of_pixels(found: Found, config: Shen2025Config) -> Figures:
    options, pixels = config.kennicutt_schmidt, found.pixels
    if options is None or not pixels.by_redshift:
        return []
    cosmology, galaxies = _cosmology(found), pixels.galaxies
    model: dict[str, Any] = {"imf": config.imf, "momentum": options.momentum, "fudge": options.fudge}
    relation: Callable[..., None] = partial(draw_kennicutt_schmidt, **model)
    time: Callable[..., None] = partial(draw_depletion_time, **model)
    figures: Figures = [
        ("figure_07_supply", lambda path: draw_supply(galaxies, path)),
        (
            "figure_08_kennicutt_schmidt",
            lambda path: relation(pixels.by_redshift, path),
        ),
        (
            "figure_09_depletion_time",
            lambda path: time(pixels.by_redshift, cosmology, path),
        ),
        (
            "figure_11_effective_surface_density",
            lambda path: draw_effective_surface_density(galaxies, path),
        ),
    ]
    for redshift in dict.fromkeys(sample.redshift for sample in pixels.by_run):
        samples = [sample for sample in pixels.by_run if sample.redshift == redshift]
        name = f"figure_10_kennicutt_schmidt_by_run_z{redshift:g}"
        figures.append((name, partial(relation, samples)))
    return figures


def _of_light(found: Found) -> Figures:
    figures: Figures = []
    if found.in_situ:
        figures.append(("figure_13_in_situ", lambda path: draw_in_situ(found.in_situ, path)))
    if found.curves:
        figures.append(("figure_14_uv_luminosity", lambda path: draw_uv_luminosity(found.curves, path)))
    return figures


def _tracks(points: Sequence[EfficiencyPoint]) -> dict[str, Track]:
    """Main targets first, then the most massive others."""
    ranked = sorted(points, key=lambda p: (p.group != TARGET, -p.track.m_halo[-1]))
    return dict(list({p.track.name: p.track for p in ranked}.items())[:MOST_TRACKS])


def _cosmology(found: Found) -> Cosmology:
    """Of the first run: that of all runs of one set."""
    return found.simulations[0].cosmology
