"""The Kennicutt-Schmidt relation of pixels (Shen+2025 section 4, specification F.3).

Pixels of all galaxies and lines of sight at one redshift stand together. Two statistics of the rate in
bins of gas surface density are kept apart: the median over star-forming pixels, which saturates where a
pixel holds one young particle, and the ratio of sums, which is the gas-weighted mean of 1/t_dep and does
not. Surface densities are Msun/pc^2 and Msun/yr/kpc^2, times Gyr.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simpost.analysis.decomposition import effective_surface_density
from simpost.analysis.turbulent_equilibrium import MIN_YOUNG_PARTICLES, is_resolved, resolution_floor
from simpost.core.errors import InputError
from simpost.products.product import GalaxyProduct
from simpost.statistics.binning import binned_counts, binned_density, binned_percentiles, binned_sums
from simpost.statistics.lines import Lines, fit_lines

FloatArray = NDArray[np.float64]

PHASES = ("neutral", "molecular")
RATES = {"young_stars": "surface_density_sfr_10", "instantaneous": "surface_density_sfr_instantaneous"}
SLOPE = 2.0  # of the equilibrium model, held in the third fit (Shen+2025 eq. 12)
LEAST_BINS = 3  # through which a line is drawn
_PC2_PER_KPC2 = 1e6
_YR_PER_GYR = 1e9
_SAME_SETTINGS = ("helium", "gas")  # attributes of the galaxy that all products must share
_LOG_OF_ZERO = -1e6  # stands for the log of no rate: what lies between it and any rate is zero again
_MOST_PIXEL_RATIO = 3.0  # of the largest pixel to the smallest: rounding to whole pixels gives up to 2.25


@dataclass(frozen=True, eq=False)
class Pixels:
    """Pixels of galaxies and lines of sight at one redshift.

    Attributes
    ----------
    gas : (n,)
        Surface density [Msun/pc^2].
    rate : (n,)
        Star-formation rate surface density [Msun/yr/kpc^2].
    area : (n,)
        Of the pixel [kpc^2].
    galaxy : (n,) int
        Which of `galaxies` it belongs to.
    galaxies : tuple of str
        Names.
    phase, star_formation : str
        What the gas and the rate are.
    helium : bool
        Whether the gas counts its helium.
    kernel : str
        Smoothing kernel of the maps; empty for leaves.
    """

    gas: FloatArray
    rate: FloatArray
    area: FloatArray
    galaxy: NDArray[np.int64]
    galaxies: tuple[str, ...]
    phase: str
    star_formation: str
    helium: bool
    kernel: str

    def depletion_time(self) -> float:
        """Total gas over total rate [Gyr]; infinite without star formation, NaN without either."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return float(_gas_mass(self).sum() / np.float64(_star_formation(self).sum()) / _YR_PER_GYR)

    def effective_surface_density(self) -> float:
        """<Sigma^2>/<Sigma> over star-forming pixels [Msun/pc^2], see `effective_surface_density`."""
        return effective_surface_density(self.gas, self.rate > 0.0, self.area)


@dataclass(frozen=True, eq=False)
class PixelRelation:
    """The relation in bins of log gas surface density; arrays (bins,), NaN where a bin has no such pixel.

    Attributes
    ----------
    log_gas : (bins + 1,)
        Edges of the bins [dex of Msun/pc^2].
    n_pixels, n_star_forming : (bins,) int
        All pixels, and those with a rate above zero.
    median, p16, p84 : (bins,)
        Of the rate [Msun/yr/kpc^2] over the star-forming pixels (over all, if so asked for), linear in the
        log between two pixels.
    log_gas_median : (bins,)
        Median log gas surface density [dex of Msun/pc^2] of the pixels that `median` is taken over: where it
        stands. Pixels crowd to one side of a bin, so through the middle of bins the slope would be too low.
    ratio : (bins,)
        Sum of rates over sum of gas, times `mean_gas` [Msun/yr/kpc^2]: the mean rate, immune to the floor.
    mean_gas : (bins,)
        Sum of gas over sum of area [Msun/pc^2] of all pixels with gas: where `ratio` stands.
    depletion_time : (bins,)
        Median of gas over rate in star-forming pixels [Gyr].
    share_of_rate : (bins,)
        Of the rate of all pixels.
    floor : float
        Rate of one young particle in a pixel [Msun/yr/kpc^2]; NaN where it is unknown.
    is_resolved : (bins,) bool
        Whether the median is that of enough young particles; nowhere if the floor is unknown.
    lines : Lines or None
        Through the medians of the resolved bins where they stand, weighted by their pixels, in dex; None for
        too few.
    """

    log_gas: FloatArray
    n_pixels: NDArray[np.int64]
    n_star_forming: NDArray[np.int64]
    median: FloatArray
    p16: FloatArray
    p84: FloatArray
    log_gas_median: FloatArray
    ratio: FloatArray
    mean_gas: FloatArray
    depletion_time: FloatArray
    share_of_rate: FloatArray
    floor: float
    is_resolved: NDArray[np.bool_]
    lines: Lines | None


def pixels_of(
    products: Sequence[GalaxyProduct], phase: str = "neutral", star_formation: str = "young_stars"
) -> Pixels:
    """Gather the pixels of all views of products that were made alike.

    Parameters
    ----------
    products : sequence of GalaxyProduct
        Galaxies at one redshift.
    phase : str
        "neutral" (HI and H2, Shen+2025; default) or "molecular".
    star_formation : str
        "young_stars" (younger than 10 Myr, Shen+2025; default) or "instantaneous" (of gas cells).

    Raises
    ------
    InputError
        No product, one without the maps, or products that differ in settings or in pixel scale.
    """
    if not products:
        raise InputError("products", "none", "at least one galaxy")
    _check_alike(products)
    parts = []
    for number, product in enumerate(products):
        for view in product.views.values():
            gas = view.map(f"surface_density_{phase}").values.ravel() / _PC2_PER_KPC2
            rate = view.map(RATES[star_formation]).values.ravel()
            area = np.full(gas.size, float(view.attributes["pixel"]) ** 2)
            parts.append((gas, rate, area, np.full(gas.size, number)))
    gas, rate, area, galaxy = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    _check_pixels(products, np.sqrt(area))
    first = products[0]
    kernels = {str(view.attributes.get("kernel", "")) for view in first.views.values()}
    return Pixels(
        gas, rate, area, galaxy.astype(np.int64), tuple(str(p.galaxy["id"]) for p in products),
        phase, star_formation, bool(first.galaxy["helium"]), ", ".join(sorted(kernels)),
    )  # fmt: skip


def has_rate(products: Sequence[GalaxyProduct], star_formation: str) -> bool:
    """Whether every product has the map of that star-formation rate, with a number in it."""
    name = RATES[star_formation]
    return all(
        name in view.maps and bool(np.isfinite(view.map(name).values).all())
        for product in products
        for view in product.views.values()
    )


def floor_of(particle_mass: float, pixels: Pixels) -> float:
    """Rate [Msun/yr/kpc^2] of one young star particle [Msun] in the median pixel."""
    return resolution_floor(particle_mass, float(np.median(pixels.area)))


def measure_relation(
    pixels: Pixels,
    bin_width: float = 0.25,
    floor: float = 0.0,
    least_young_particles: float = MIN_YOUNG_PARTICLES,
    all_pixels: bool = False,
) -> PixelRelation:
    """Both statistics in bins of log gas surface density.

    Parameters
    ----------
    pixels : Pixels
        At one redshift.
    bin_width : float
        In dex; edges lie at whole multiples of it. Default 0.25 (our choice).
    floor : float
        See `floor_of`; zero for rates that have none (gas cells), NaN where it is unknown.
    least_young_particles : float
        Bins whose median is below so many floors are flagged and not fitted; default 3 (specification F.3).
    all_pixels : bool
        Take medians over pixels without star formation, too.

    Raises
    ------
    InputError
        No pixel has gas.
    """
    has_gas = pixels.gas > 0.0
    if not has_gas.any():
        raise InputError("pixels", "none with gas", "at least one")
    log_gas, gas, rate = np.log10(pixels.gas[has_gas]), pixels.gas[has_gas], pixels.rate[has_gas]
    area = pixels.area[has_gas]
    edges = _edges(log_gas, bin_width)
    forming = rate > 0.0
    counted = np.ones_like(forming) if all_pixels else forming
    p16, median, p84 = _log_percentiles(log_gas[counted], rate[counted], edges)
    log_gas_median = binned_percentiles(log_gas[counted], log_gas[counted], edges)[1]
    time = _log_percentiles(log_gas[forming], gas[forming] / rate[forming], edges)[1]
    gas_sums, rate_sums, areas = (
        binned_sums(log_gas, v * area, edges) for v in (gas, rate, np.ones_like(gas))
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        mean_gas, ratio = gas_sums / areas, rate_sums / areas  # (rates over gas) times mean gas
        share = rate_sums / rate_sums.sum()
    n_forming = binned_counts(log_gas[forming], edges)
    resolved = is_resolved(median, floor, least_young_particles)
    return PixelRelation(
        log_gas=edges,
        n_pixels=binned_counts(log_gas, edges),
        n_star_forming=n_forming,
        median=median,
        p16=p16,
        p84=p84,
        log_gas_median=log_gas_median,
        ratio=ratio,
        mean_gas=mean_gas,
        depletion_time=time * _PC2_PER_KPC2 / _YR_PER_GYR,
        share_of_rate=share,
        floor=floor,
        is_resolved=resolved,
        lines=_lines(log_gas_median, median, n_forming, resolved),
    )


def distributions(pixels: Pixels, bin_width: float = 0.1) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Distribution of log gas surface density, weighted by the rate and by the gas.

    Returns
    -------
    edges : (bins + 1,)
        Of log Msun/pc^2; bins of `bin_width` dex (default 0.1: specification F.3).
    by_rate, by_gas : (bins,)
        Per dex, each with integral one; NaN without star formation. They obey
        by_rate = by_gas x (sum of rates / sum of gas in the bin) x (total gas / total rate).
    """
    has_gas = pixels.gas > 0.0
    log_gas = np.log10(pixels.gas[has_gas])
    edges = _edges(log_gas, bin_width)
    weights = (_star_formation(pixels)[has_gas], _gas_mass(pixels)[has_gas])
    by_rate, by_gas = (binned_density(log_gas, weight, edges) for weight in weights)
    return edges, by_rate, by_gas


def _gas_mass(pixels: Pixels) -> FloatArray:
    """Of each pixel [Msun]."""
    return np.asarray(pixels.gas * _PC2_PER_KPC2 * pixels.area)


def _star_formation(pixels: Pixels) -> FloatArray:
    """Of each pixel [Msun/yr]."""
    return np.asarray(pixels.rate * pixels.area)


def _edges(log_gas: FloatArray, width: float) -> FloatArray:
    first, last = math.floor(log_gas.min() / width), math.floor(log_gas.max() / width) + 1
    return np.asarray(width * np.arange(first, last + 1))


def _log_percentiles(log_gas: FloatArray, values: FloatArray, edges: FloatArray) -> FloatArray:
    """Percentiles (3, bins) of values >= 0, linear in their log: a power law of the gas keeps its slope."""
    logs = np.log10(values, out=np.full_like(values, _LOG_OF_ZERO), where=values > 0.0)
    return np.asarray(10.0 ** binned_percentiles(log_gas, logs, edges))


def _lines(
    log_gas: FloatArray, median: FloatArray, n: NDArray[np.int64], resolved: NDArray[np.bool_]
) -> Lines | None:
    used = resolved & (median > 0.0)
    if np.count_nonzero(used) < LEAST_BINS:
        return None
    return fit_lines(log_gas[used], np.log10(median[used]), n[used], SLOPE)


def _check_alike(products: Sequence[GalaxyProduct]) -> None:
    first = products[0]
    for product in products[1:]:
        for name in _SAME_SETTINGS:
            if product.galaxy[name] != first.galaxy[name]:
                raise InputError(
                    f"products {first.galaxy['id']} and {product.galaxy['id']}",
                    f"'{name}' {first.galaxy[name]} and {product.galaxy[name]}",
                    "products made with the same settings",
                )
        kernels = [
            {str(view.attributes.get("kernel", "")) for view in p.views.values()} for p in (first, product)
        ]
        if kernels[0] != kernels[1]:
            raise InputError(
                f"products {first.galaxy['id']} and {product.galaxy['id']}",
                f"kernels {sorted(kernels[0])} and {sorted(kernels[1])}",
                "products made with the same kernel",
            )


def _check_pixels(products: Sequence[GalaxyProduct], side: FloatArray) -> None:
    if side.max() > _MOST_PIXEL_RATIO * side.min():
        raise InputError(
            f"{len(products)} products",
            f"pixels of {side.min():.3g} to {side.max():.3g} kpc",
            "pixels of about one size",
            "map them with the same `maps.pixel`",
        )
