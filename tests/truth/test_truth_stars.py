"""Star-formation rates: against the list of stars that was written, and against the analytic history."""

from __future__ import annotations

import numpy as np
import pytest
from truth_runs import N_STARS
from truth_tracers import Rings, pixel_integrals

from simpost.snapshots.synthetic.particles import sample_stars

pytestmark = pytest.mark.slow

HALF = 2.5  # kpc, half the window
RINGS = Rings((0.0, 0.3, 0.6, 1.0, 1.6), width=2.0 * HALF, depth=2.0 * HALF, pixel=0.05)
SIGMAS = 4.0
ROUNDING = {"RAMSES": 1e-12, "Arepo": 1e-7}  # single-precision masses


@pytest.fixture(scope="module")
def stars(galaxy):
    return sample_stars(galaxy, N_STARS)


def share_of_disc(galaxy):
    """Share of the stellar disc above each pixel; sech^2 lies in the slab to e^-50."""
    length = galaxy.stellar_scale_length

    def surface(x, y):
        return np.exp(-np.hypot(x, y) / length) / (2.0 * np.pi * length**2)

    return pixel_integrals(surface, RINGS.width, RINGS.pixel)


@pytest.mark.parametrize("window", [10, 30, 100])
def test_rate_of_the_stars_that_were_written(case, stars, window):
    inside = ((stars.position >= -HALF) & (stars.position < HALF)).all(axis=1)
    expected = stars.initial_mass[inside & (stars.age < window)].sum() / (window * 1e6)
    found = case.product.galaxy[f"SFR_{window}"]
    assert found == pytest.approx(expected, rel=ROUNDING[case.code])
    for name, view in case.product.views.items():
        total = view.map(f"surface_density_sfr_{window}").values.sum() * RINGS.pixel**2
        assert total == pytest.approx(expected, rel=ROUNDING[case.code]), name
    everything = case.product.galaxy["M_stars"]
    assert everything == pytest.approx(stars.mass[inside].sum(), rel=ROUNDING[case.code])


@pytest.mark.parametrize("window", [10, 30, 100])
def test_rate_of_the_analytic_history(case, window):
    """SFR(t) times the disc's share of the window, and of rings.

    Ages are quantiles, so the N stars of a time window are right to one; each lies in a part of the
    disc of share f at random: their number there scatters by sqrt(N f (1 - f)).
    """
    galaxy = case.galaxy
    particle = float(galaxy.stars_formed(galaxy.oldest_age)) / N_STARS
    number = float(galaxy.stars_formed(window)) / particle
    rate = particle / (window * 1e6)
    share = share_of_disc(galaxy)
    parts = np.append(RINGS.total(share), share.sum())
    image = case.product.view("z").map(f"surface_density_sfr_{window}").values * RINGS.pixel**2
    found = np.append(RINGS.total(image), case.product.galaxy[f"SFR_{window}"])
    truth = galaxy.mean_sfr(window) * parts
    tolerance = rate * (1.0 + SIGMAS * np.sqrt(number * parts * (1.0 - parts)))
    print(
        f"\n{case.code} SFR_{window}: {found[-1]:.4g}, truth {truth[-1]:.4g} +- {tolerance[-1] / SIGMAS:.2g}"
    )
    print(f"rings {found[:-1] / truth[:-1] - 1}, one sigma {tolerance[:-1] / truth[:-1] / SIGMAS}")
    assert (np.abs(found - truth) < tolerance).all()


def test_instantaneous_rate(case):
    """Arepo shares the galaxy's rate among dense cells, all in the window; RAMSES stores none."""
    found = case.product.galaxy["SFR_instantaneous"]
    if case.code == "RAMSES":
        assert np.isnan(found)
        assert case.product.galaxy["SFR_instantaneous_reason"]
        return
    # the map's rows carry the kernels' rounding of 1e-6 (rank-7 table)
    assert found == pytest.approx(case.galaxy.instantaneous_sfr, rel=1e-6)
    image = case.product.view("z").map("surface_density_sfr_instantaneous").values
    assert image.sum() * RINGS.pixel**2 == pytest.approx(found, rel=1e-6)
