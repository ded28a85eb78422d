"""Pixels of gas and star formation: identities, known relations, floors, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest

from simpost.analysis.kennicutt_schmidt import (
    Pixels,
    distributions,
    floor_of,
    has_rate,
    measure_relation,
    pixels_of,
)
from simpost.core.errors import InputError
from simpost.products.product import Coverage, FieldOrigin, GalaxyProduct, ProductMap, ViewProduct

AMPLITUDE = 7.331e-6  # Msun/yr/kpc^2 at 1 Msun/pc^2: the fiducial equilibrium line


def pixels(gas, rate, area=1.0, galaxy=0):
    gas = np.asarray(gas, dtype=float)
    return Pixels(
        gas, np.asarray(rate, dtype=float), np.full(gas.size, area), np.full(gas.size, galaxy), ("g",),
        "neutral", "young_stars", False, "s25",
    )  # fmt: skip


def scattered(seed=1, n=20000, slope=2.0, scatter=0.3):
    rng = np.random.default_rng(seed)
    gas = 10 ** rng.uniform(0.5, 3.0, n)
    return pixels(gas, AMPLITUDE * gas**slope * 10 ** rng.normal(0, scatter, n), 0.9)


def rate_weighted_time(some):
    """Mean depletion time of star-forming pixels, weighted by their rate [Gyr]."""
    forming = some.rate > 0
    times = some.gas[forming] * 1e6 / some.rate[forming] / 1e9
    return np.average(times, weights=(some.rate * some.area)[forming])


def product(name="g", gas=2e7, rate=1e-3, pixel=1.0, **galaxy):
    """Two views of four pixels; gas [Msun/kpc^2] and rate [Msun/yr/kpc^2] of each."""
    gas, rate = np.broadcast_to(gas, (2, 2)), np.broadcast_to(rate, (2, 2))
    images = {
        "surface_density_gas": ProductMap(2 * gas, "Msun/kpc**2", 0.0),
        "surface_density_neutral": ProductMap(gas, "Msun/kpc**2", 0.0),
        "surface_density_sfr_10": ProductMap(rate, "Msun/yr/kpc**2", 0.0),
    }
    view = ViewProduct({"pixel": pixel, "width": 2 * pixel, "kernel": "s25"}, images)
    settings = {"id": name, "helium": False, "gas": "total", "redshift": 6.0, "M_200c": 1e10, **galaxy}
    return GalaxyProduct(
        settings, {"all": Coverage(1.0, 1.0, 1.0)}, (FieldOrigin("mass", "read: x", 1.0),), {"x": view, "y": view},
        "", "", {},
    )  # fmt: skip


def test_depletion_times_are_three_ways_to_say_one_thing():
    some = scattered(n=500)
    total = some.depletion_time()
    assert rate_weighted_time(some) == pytest.approx(total, rel=1e-12)
    per_pixel = some.rate / (some.gas * 1e6)
    inverse = np.average(per_pixel, weights=some.gas * some.area) * 1e9
    assert 1.0 / inverse == pytest.approx(total, rel=1e-12)


def test_gas_without_star_formation_counts_in_the_total_only():
    some = pixels([100.0, 50.0, 50.0], [0.1, 0.0, 0.0])
    assert some.depletion_time() == pytest.approx(200e6 / 0.1 / 1e9, rel=1e-12)
    assert rate_weighted_time(some) == pytest.approx(100e6 / 0.1 / 1e9, rel=1e-12)


def test_distributions_obey_their_identity():
    some = scattered(n=3000)
    edges, by_rate, by_gas = distributions(some, 0.1)
    width = np.diff(edges)
    assert width == pytest.approx(0.1, rel=1e-9)
    assert by_rate @ width == pytest.approx(1.0, rel=1e-12)
    assert by_gas @ width == pytest.approx(1.0, rel=1e-12)
    relation = measure_relation(some, 0.1)
    rate_over_gas = relation.ratio / relation.mean_gas
    total = some.rate.sum() / some.gas.sum()
    assert by_rate == pytest.approx(by_gas * rate_over_gas / total, rel=1e-12)
    assert relation.share_of_rate == pytest.approx(by_rate * width, rel=1e-12)


def test_effective_density_of_a_square_law_gives_the_depletion_time():
    gas = np.random.default_rng(3).lognormal(4, 1, 300)
    some = pixels(gas, AMPLITUDE * gas**2)
    expected = 1e6 / (AMPLITUDE * some.effective_surface_density()) / 1e9
    assert some.depletion_time() == pytest.approx(expected, rel=1e-12)


def test_medians_of_bins_recover_the_slope():
    relation = measure_relation(scattered(), 0.25)
    assert relation.lines.y_on_x[0] == pytest.approx(2.0, abs=0.02)
    assert relation.lines.bisector[0] == pytest.approx(2.0, abs=0.02)
    slope, zero = relation.lines.fixed
    assert slope == 2.0
    assert zero - 2 * relation.lines.pivot == pytest.approx(np.log10(AMPLITUDE), abs=0.02)
    # 0.3 dex of scatter between the median and the 84th percentile
    assert np.log10(relation.p84 / relation.median) == pytest.approx(0.3, abs=0.05)
    # the mean of a log-normal is above its median, in every bin alike; so is the mean of the square of the gas
    log_square = np.log10([np.mean(in_bin**2) for in_bin in binned(scattered().gas, relation)])
    log_ratio = np.log10(relation.ratio) - log_square - np.log10(AMPLITUDE)
    assert log_ratio == pytest.approx(0.5 * np.log(10) * 0.09, abs=0.05)


def binned(gas, relation):
    index = np.digitize(np.log10(gas), relation.log_gas) - 1
    return [gas[index == k] for k in range(relation.n_pixels.size)]


@pytest.mark.parametrize(("n", "spread"), [(30, 0.2), (31, 0.2), (1000, 0.3), (100_000, 0.5)])
@pytest.mark.parametrize("all_pixels", [False, True])
def test_an_exact_square_law_has_slope_two_however_it_is_sampled(n, spread, all_pixels):
    gas = 10 ** np.random.default_rng(n).normal(1.6, spread, n)
    relation = measure_relation(pixels(gas, AMPLITUDE * gas**2), all_pixels=all_pixels)
    assert relation.lines.y_on_x[0] == pytest.approx(2.0, rel=1e-12)
    assert relation.lines.bisector[0] == pytest.approx(2.0, rel=1e-12)
    known = np.isfinite(relation.median)
    place = 10 ** relation.log_gas_median[known]
    assert relation.median[known] == pytest.approx(AMPLITUDE * place**2, rel=1e-12, abs=0.0)
    # gas over rate falls as the gas: its median stands over the same gas
    assert relation.depletion_time[known] == pytest.approx(1e-3 / (AMPLITUDE * place), rel=1e-12, abs=0.0)


def test_medians_stand_over_the_median_gas_of_their_pixels():
    some = scattered(n=400)
    rate = np.where(np.arange(400) % 3 == 0, 0.0, some.rate)
    relation = measure_relation(replace(some, rate=rate))
    over_all = measure_relation(replace(some, rate=rate), all_pixels=True)
    for k, (forming, every) in enumerate(
        zip(binned(some.gas[rate > 0], relation), binned(some.gas, relation), strict=True)
    ):
        assert relation.log_gas_median[k] == pytest.approx(np.median(np.log10(forming)), rel=1e-12)
        assert over_all.log_gas_median[k] == pytest.approx(np.median(np.log10(every)), rel=1e-12)
        assert relation.mean_gas[k] == pytest.approx(every.mean(), rel=1e-12)


def test_one_pixel_is_its_own_relation():
    relation = measure_relation(pixels([13.0], [2e-3], area=0.7))
    for values in (relation.ratio, relation.median, relation.p16, relation.p84):
        assert values == pytest.approx(2e-3, rel=1e-12, abs=0.0)
    assert relation.mean_gas == pytest.approx(13.0, rel=1e-12)
    assert 10**relation.log_gas_median == pytest.approx(13.0, rel=1e-12)
    assert relation.depletion_time == pytest.approx(13.0e-3 / 2e-3, rel=1e-12)


def test_mean_gas_weighs_pixels_by_their_area():
    some = replace(pixels([10.0, 14.0], [1e-3, 4e-3]), area=np.array([3.0, 1.0]))
    relation = measure_relation(some)
    assert relation.mean_gas == pytest.approx(11.0, rel=1e-12)
    assert relation.ratio == pytest.approx(1.75e-3, rel=1e-12, abs=0.0)


def test_an_unknown_floor_resolves_nothing():
    relation = measure_relation(scattered(), floor=float("nan"))
    assert not relation.is_resolved.any()
    assert relation.lines is None
    assert np.isfinite(relation.median).all()


def test_discrete_star_particles_flatten_the_median_and_not_the_ratio():
    some = scattered(n=60000)
    floor = floor_of(1e4, some)
    assert floor == pytest.approx(1e4 / 1e7 / 0.9, rel=1e-12)
    discrete = np.random.default_rng(5).poisson(some.rate / floor) * floor
    relation = measure_relation(replace(some, rate=discrete), 0.25, floor, 3.0)
    truth = measure_relation(some, 0.25)
    low = relation.log_gas_median < 0.9  # far below one particle a pixel
    assert np.all(relation.median[low] == pytest.approx(floor, rel=1e-9))
    assert not relation.is_resolved[low].any()
    assert np.log10(relation.ratio / truth.ratio) == pytest.approx(0.0, abs=0.1)
    assert relation.is_resolved[relation.log_gas_median > 2.2].all()
    assert relation.lines.y_on_x[0] == pytest.approx(2.0, abs=0.05)


def test_medians_over_all_pixels_are_lower_where_few_form_stars():
    gas = np.full(10, 30.0)
    some = pixels(gas, [0.1] * 4 + [0.0] * 6)
    assert measure_relation(some).median == pytest.approx(0.1)
    assert measure_relation(some, all_pixels=True).median.tolist() == [0.0]
    assert measure_relation(some).n_pixels.sum() == 10
    assert measure_relation(some).n_star_forming.sum() == 4


def test_bins_lie_at_multiples_of_their_width_and_hold_every_pixel():
    relation = measure_relation(pixels([1.0, 10.0, 99.9], [1e-3, 1e-2, 1e-1]), 0.25)
    assert relation.log_gas / 0.25 == pytest.approx(np.arange(0, 9))
    assert relation.n_pixels.sum() == 3
    assert np.isnan(relation.median[2])


def test_too_few_bins_give_no_line():
    assert measure_relation(pixels([10.0, 11.0], [1e-2, 2e-2])).lines is None


def test_pixels_of_products_hold_their_mass_and_their_rate():
    products = [product("a"), product("b", gas=[[1e6, 2e6], [3e6, 4e6]])]
    some = pixels_of(products)
    assert some.gas.size == 16
    assert some.galaxies == ("a", "b")
    assert some.gas[some.galaxy == 0] == pytest.approx(20.0)
    assert sorted(set(some.gas[some.galaxy == 1])) == pytest.approx([1.0, 2.0, 3.0, 4.0])
    assert some.depletion_time() == pytest.approx((8 * 20 + 2 * 10) * 1e6 / (16 * 1e-3) / 1e9, rel=1e-12)
    assert has_rate(products, "young_stars")
    assert not has_rate(products, "instantaneous")


@pytest.mark.parametrize(
    ("products", "words"),
    [
        ([], "at least one galaxy"),
        ([product("a"), product("b", helium=True)], "'helium' False and True"),
        ([product("a"), product("b", pixel=4.0)], "pixels of 1 to 4 kpc"),
    ],
)
def test_products_that_do_not_belong_together_are_refused(products, words):
    with pytest.raises(InputError, match=words):
        pixels_of(products)


def test_a_map_that_is_not_there_is_named():
    with pytest.raises(InputError, match="surface_density_molecular"):
        pixels_of([product()], phase="molecular")


def test_pixels_without_gas_are_refused():
    with pytest.raises(InputError, match="none with gas"):
        measure_relation(pixels([0.0, 0.0], [0.0, 0.0]))


def test_no_star_formation_is_no_number():
    some = pixels([10.0, 20.0], [0.0, 0.0])
    assert np.isinf(some.depletion_time())
    assert np.isnan(some.effective_surface_density())
    relation = measure_relation(some)
    assert np.isnan(relation.median).all()
    assert not relation.is_resolved.any()
