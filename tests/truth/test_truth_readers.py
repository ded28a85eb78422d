"""What the readers hand over is what the galaxy's functions say at the cells, in every style of file."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import h5py
import numpy as np
import pytest
from truth_runs import AREPO_SIZE, RAMSES_SIZE

from simpost.config.models import IsmConfig
from simpost.core import constants as c
from simpost.ism.recipes import choose_recipes
from simpost.ism.state import gas_state, survey
from simpost.snapshots.columns import concatenate
from simpost.snapshots.open import open_snapshot
from simpost.snapshots.regions import Cube, Sphere, whole_box
from simpost.snapshots.synthetic import AnalyticGalaxy, write_arepo, write_ramses
from simpost.snapshots.synthetic.particles import sample_stars

pytestmark = pytest.mark.slow

GALAXY = AnalyticGalaxy(
    bulk_velocity=(30.0, -20.0, 10.0), inclination=40.0, position_angle=25.0, solid_body_radius=1.0
)
LEAVES = RAMSES_SIZE | {"levelmax": 8, "leaves": 8000, "n_stars": 400, "n_dark_matter": 500}
VORONOI = AREPO_SIZE | {"n_cells": 2500, "n_stars": 400, "n_dark_matter": 500, "n_winds": 5}
BOX = whole_box(GALAXY.box_size)
DOUBLE = 1e-10  # RAMSES writes doubles, and units with 15 digits
SINGLE = 4e-7  # Arepo writes floats: 6e-8 for each of the up to four that a column is made of

RAMSES_STYLES = {
    "plain": {"n_domains": 1, "photon_descriptor": None},
    "molecular": {"molecular_chemistry": True, "non_thermal_pressure": True},
    "conformal": {"proper_time": False, "photon_descriptor": "photon_flux", "non_thermal_pressure": True},
}
AREPO_STYLES = {
    "zoom": {"n_files": 2},
    "one file": {"n_files": 1},
    "TNG": {"thesan_zoom": False},
}


@dataclass(frozen=True)
class Read:
    """A snapshot, its style, and all its cells with the state of the gas."""

    snapshot: object
    options: dict
    gas: object
    state: object
    rounding: float


def read(path, options, rounding):
    snapshot = open_snapshot(path)
    settings = IsmConfig()
    recipes = choose_recipes(snapshot.info, settings)
    gas = concatenate(snapshot.gas_chunks(BOX))
    around = survey(snapshot, BOX, snapshot.stars(BOX), recipes, settings, np.inf, BOX.half_width)
    state, _ = gas_state(gas, slice(0, gas.size), around, snapshot.info, recipes, settings)
    return Read(snapshot, options, gas, state, rounding)


@pytest.fixture(scope="module")
def style(tmp_path_factory):
    """A function that writes and reads a style, once."""

    @cache
    def sample_of(name):
        folder = tmp_path_factory.mktemp("style") / "run"
        if name in RAMSES_STYLES:
            options = RAMSES_STYLES[name]
            return read(write_ramses(GALAXY, folder, **LEAVES, **options), options, DOUBLE)
        options = AREPO_STYLES[name]
        return read(write_arepo(GALAXY, folder, **VORONOI, **options), options, SINGLE)

    return sample_of


@pytest.fixture(params=[*RAMSES_STYLES, *AREPO_STYLES])
def sample(request, style):
    return style(request.param)


def is_ramses(sample):
    return sample.rounding == DOUBLE


def has_radiation(sample):
    return sample.options.get("thesan_zoom", True)


def test_cells_fill_the_box_and_hold_the_gas(sample):
    gas = sample.gas
    assert gas["volume"].sum() == pytest.approx(GALAXY.box_size**3, rel=sample.rounding)
    np.testing.assert_allclose(gas["size"] ** 3, gas["volume"], rtol=DOUBLE)
    np.testing.assert_allclose(gas["density"] * gas["volume"], gas["mass"], rtol=sample.rounding)
    # the quadrature of RAMSES' leaf averages: cells of 156 pc for a disc of 100 pc
    expected = 2e-3 if is_ramses(sample) else SINGLE
    assert gas["mass"].sum() == pytest.approx(GALAXY.gas_mass, rel=expected)


def test_motion_and_metals(sample):
    gas = sample.gas
    np.testing.assert_allclose(
        gas["velocity"], GALAXY.velocity(gas["position"]), rtol=0, atol=200.0 * sample.rounding
    )
    np.testing.assert_allclose(gas["metallicity"], GALAXY.metallicity(gas["position"]), rtol=sample.rounding)
    np.testing.assert_allclose(gas["hydrogen_fraction"], GALAXY.hydrogen_fraction, rtol=sample.rounding)


def test_phases_and_temperature(sample):
    """Ions, H2, electrons, mu, T and c_s of the state against the galaxy at the cells' density."""
    state, density, exact = sample.state, sample.gas["density"], sample.rounding
    molecular = GALAXY.molecular_fraction(density)
    ionised = GALAXY.ionised_fraction(density)
    np.testing.assert_allclose(1.0 - state["neutral_fraction"], ionised, atol=exact)
    np.testing.assert_allclose(state["electron_fraction"], GALAXY.electron_abundance(density), atol=exact)
    np.testing.assert_allclose(state["n_H"], GALAXY.hydrogen_density(density), rtol=exact)
    knows_molecules = sample.options.get(
        "molecular_chemistry", not is_ramses(sample) and has_radiation(sample)
    )
    if not knows_molecules:  # then H2 is derived (McKee & Krumholz 2010) and mu with it
        assert choose_recipes(sample.snapshot.info, IsmConfig()).molecular == "kmt"
        molecular = state["f_H2"]
    np.testing.assert_allclose(state["f_H2"], molecular, atol=2.0 * exact)
    particles = 1.0 - 0.5 * molecular + GALAXY.helium_per_hydrogen + GALAXY.electron_abundance(density)
    mu = 1.0 / (GALAXY.hydrogen_fraction * particles)
    np.testing.assert_allclose(state["mean_molecular_weight"], mu, rtol=2.0 * exact)
    speed2 = GALAXY.thermal_velocity_squared(density)
    np.testing.assert_allclose(state["sound_speed"] ** 2, speed2, rtol=3.0 * exact)
    np.testing.assert_allclose(state["temperature"], speed2 * c.KM**2 * mu * c.M_H / c.K_B, rtol=5.0 * exact)


def test_stored_ions(sample):
    """The columns themselves: helium of both codes, HI where it is stored."""
    gas, density = sample.gas, sample.gas["density"]
    ionised = GALAXY.ionised_fraction(density)
    if is_ramses(sample):
        np.testing.assert_allclose(gas["f_HII"], ionised, rtol=sample.rounding)
        assert ("f_HI" in gas) == sample.options.get("molecular_chemistry", False)
    if "f_HeII" in gas:
        np.testing.assert_allclose(gas["f_HeII"], ionised, rtol=sample.rounding)
        assert not gas["f_HeIII"].any()
    if "f_HI" in gas:
        np.testing.assert_allclose(gas["f_HI"], GALAXY.atomic_fraction(density), atol=sample.rounding)
    assert ("neutral_fraction" in gas) == (not has_radiation(sample))


def test_habing_field_and_ionising_photons(sample):
    state, recipes = sample.state, choose_recipes(sample.snapshot.info, IsmConfig())
    if not has_radiation(sample):
        assert recipes.habing == "stars" and sample.snapshot.info.photon_groups is None
        return
    position, groups = sample.gas["position"], sample.snapshot.info.photon_groups
    np.testing.assert_allclose(state["habing"], GALAXY.habing(position), rtol=sample.rounding)
    ionising = sample.gas["photon_flux"][:, np.array(groups.low) >= 13.6].sum(axis=1)
    np.testing.assert_allclose(ionising, GALAXY.ionising_flux(position), rtol=sample.rounding)
    expected = GALAXY.ionising_flux(position) / (c.C_LIGHT * state["n_H"])
    np.testing.assert_allclose(state["ionisation_parameter"], expected, rtol=2.0 * sample.rounding)


def test_turbulence(sample):
    """Stored energy gives the galaxy's dispersion; the gradient of a solid body gives sqrt(2) Omega Dx."""
    sigma, gas = sample.state["turbulent_velocity"], sample.gas
    if "nonthermal_energy" in gas:
        np.testing.assert_allclose(sigma, GALAXY.turbulent_dispersion, rtol=DOUBLE)
        return
    radius = GALAXY.radius(gas["position"])
    reach = 1.7 * gas["size"] if is_ramses(sample) else 6.0 * gas["size"]
    solid = radius + reach < GALAXY.solid_body_radius
    assert solid.sum() > 20
    omega = GALAXY.rotation_velocity / GALAXY.solid_body_radius
    # float32 velocities of up to 200 km/s, 1e-5 km/s each, over cells that turn by 150 km/s/kpc x 30 pc
    exact = DOUBLE if is_ramses(sample) else 1e-4
    np.testing.assert_allclose(sigma[solid], np.sqrt(2.0) * omega * gas["size"][solid], rtol=exact)


def test_stars(sample):
    """Every star of the list, with its age, initial mass and metals; wind particles are no stars."""
    stars, listed = sample.snapshot.stars(BOX), sample_stars(GALAXY, LEAVES["n_stars"])
    mine, theirs = np.argsort(stars["position"][:, 0]), np.argsort(listed.position[:, 0])
    assert stars.size == len(listed)
    np.testing.assert_allclose(
        stars["position"][mine], listed.position[theirs], atol=1e-9 + 2e-5 * (not is_ramses(sample))
    )
    for column, values in (
        ("initial_mass", listed.initial_mass),
        ("mass", listed.mass),
        ("metallicity", listed.metallicity),
    ):
        np.testing.assert_allclose(stars[column][mine], values[theirs], rtol=sample.rounding)
    # a birth scale factor of 0.14 in single precision is good to 7.5e-9: 1e-4 Myr of dt = da/(a H)
    cosmology, a = GALAXY.cosmology, GALAXY.scale_factor
    single = 7.5e-9 / a / float(cosmology.expansion(a)) * cosmology.hubble_time
    exact = 1e-7 if is_ramses(sample) else 2.0 * single
    np.testing.assert_allclose(stars["age"][mine], listed.age[theirs], atol=exact)
    wind = sample.snapshot.wind(BOX)
    assert wind.size == (0 if is_ramses(sample) else VORONOI["n_winds"])
    assert wind["mass"].sum() == pytest.approx(wind.size * listed.initial_mass[0], rel=sample.rounding)


def test_dark_matter(sample):
    """The halo; Arepo also has a companion and heavy particles at the edge of the box."""
    halo = sample.snapshot.dark_matter(Sphere(BOX.centre, GALAXY.halo_edge * 1.001))
    assert halo["mass"].sum() == pytest.approx(GALAXY.halo_mass, rel=1e-9)
    np.testing.assert_allclose(np.linalg.norm(halo["position"], axis=1).max(), GALAXY.halo_edge, rtol=0.05)


@pytest.mark.parametrize("pair", [("plain", "molecular"), ("one file", "zoom")])
def test_domains_and_files_do_not_matter(style, pair):
    """A cube off the centre reads the same from one and from several files."""
    x, y, z = BOX.centre
    region = Cube((x + 0.4, y - 0.3, z + 0.1), 1.1)
    one, several = (concatenate(style(name).snapshot.gas_chunks(region)) for name in pair)
    assert one.size == several.size > 100
    order = [np.lexsort(gas["position"].T) for gas in (one, several)]
    for name in set(one) & set(several) - {"temperature_over_mu"}:  # the one with H2 has another pressure
        np.testing.assert_array_equal(one[name][order[0]], several[name][order[1]], err_msg=name)


class Lamp(AnalyticGalaxy):
    """A galaxy lit by one source of 1e43 erg/s between 6 and 13.6 eV in its centre, seen without dust."""

    LUMINOSITY = 1e43

    def habing(self, positions):
        """F = L/(4 pi r^2), softened where no cell looks."""
        distance = np.maximum(np.linalg.norm(positions, axis=1), 1e-3) * c.KPC
        return self.LUMINOSITY / (4.0 * np.pi * distance**2) / c.HABING_FLUX


@pytest.mark.parametrize("code", ["RAMSES", "Arepo"])
def test_source_of_known_luminosity(code, tmp_path):
    """4 pi r^2 F = L everywhere, though the codes store c_r N and N with c_r = 0.01 c."""
    lamp = Lamp()
    if code == "RAMSES":
        sample = read(write_ramses(lamp, tmp_path, **LEAVES), {}, DOUBLE)
    else:
        path = write_arepo(lamp, tmp_path / "run", n_files=1, **VORONOI)
        sample = read(path, {}, SINGLE)
        with h5py.File(path) as file:
            raw = file["PartType0/PhotonDensity"][:].astype(float)
            length = (
                file["Parameters"].attrs["UnitLength_in_cm"]
                * lamp.scale_factor
                / file["Header"].attrs["HubbleParam"]
            )
        # the file holds N = F/c_r: a hundred times the photons that a source in a steady state has
        true_photons = sample.gas["photon_flux"].sum() / c.C_LIGHT
        assert raw.sum() * 1e63 / length**3 == pytest.approx(100.0 * true_photons, rel=1e-6)
    assert sample.snapshot.info.photon_groups.light_speed_fraction == pytest.approx(0.01, rel=1e-12)
    distance = np.linalg.norm(sample.gas["position"], axis=1) * c.KPC
    lit = sample.state["habing"] > 0.11  # the rest is below the floor
    assert lit.sum() > 1000
    luminosity = 4.0 * np.pi * distance**2 * sample.state["habing"] * c.HABING_FLUX
    np.testing.assert_allclose(luminosity[lit], Lamp.LUMINOSITY, rtol=5.0 * sample.rounding)
