"""Assembly of the state: the recipe that is announced is the one that is followed."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from simpost.config.models import IsmConfig
from simpost.core import constants as c
from simpost.core.cosmology import Cosmology
from simpost.ism.recipes import choose_recipes
from simpost.ism.state import Surroundings, gas_state
from simpost.snapshots.columns import Columns
from simpost.snapshots.protocol import LEAVES, PhotonGroups, SnapshotInfo

N = 5
GROUPS = PhotonGroups((6.0, 11.2, 13.6), (11.2, 13.6, np.inf), (8.0, 12.0, 20.0), 0.01)
BASE = {
    "density": np.array([1e6, 1e7, 1e8, 1e5, 3e7]),
    "size": np.full(N, 0.1),
    "temperature_over_mu": np.array([1e4, 1e3, 50.0, 1e6, 200.0]),
    "velocity": np.zeros((N, 3)),
}


def info(**changes):
    return replace(
        SnapshotInfo(
            path=Path("toy"), code="toy", geometry=LEAVES, redshift=6.0, scale_factor=1 / 7, time=934.0, box_size=10.0,
            cosmology=Cosmology(67.74, 0.3089, 0.6911), counts={}, fields_read={"gas": {}}, photon_groups=None,
            files=(),
        ),
        **changes,
    )  # fmt: skip


def state_of(extra=None, options=None, around=None, drop=(), **changes):
    values = {**{k: v for k, v in BASE.items() if k not in drop}, **(extra or {})}
    options = IsmConfig(**(options or {}))
    snapshot = info(fields_read={"gas": dict.fromkeys(values, "file")}, **changes)
    recipes = choose_recipes(snapshot, options)
    around = around or Surroundings(
        np.full(N, 5.0), np.zeros(N, dtype=bool), np.zeros(N, dtype=bool), None, None
    )
    gas = Columns(values, dict.fromkeys(values, "read: file"))
    state, marks = gas_state(gas, slice(0, N), around, snapshot, recipes, options)
    return state, marks, recipes


def test_every_column_of_a_state_has_an_origin_and_is_finite():
    state, _, recipes = state_of({"f_HII": np.linspace(0, 1, N), "metallicity": np.full(N, 0.01)})
    for name in state:
        assert state.origin[name].split(":")[0] in ("read", "derived"), name
        assert np.all(np.isfinite(np.asarray(state[name], dtype=float))), name
    assert set(recipes.origins) <= set(state) | {"velocity"}


def test_hydrogen_is_where_the_snapshot_says():
    ionised = np.linspace(0, 1, N)
    state, _, _ = state_of({"f_HII": ionised, "hydrogen_fraction": np.full(N, 0.7)})
    np.testing.assert_allclose(state["neutral_fraction"], 1 - ionised)
    density = BASE["density"] * c.M_SUN / c.KPC**3
    np.testing.assert_allclose(state["n_H"], 0.7 * density / c.M_H, rtol=1e-12)


def test_molecular_chemistry_leaves_the_rest_to_h2():
    atomic, ionised = np.array([1, 0.5, 0.1, 0, 0.3]), np.array([0, 0.1, 0, 1, 0.2])
    state, _, recipes = state_of({"f_HI": atomic, "f_HII": ionised})
    assert recipes.molecular == "remainder"
    np.testing.assert_allclose(state["f_H2"], 1 - atomic - ionised, atol=1e-15)
    np.testing.assert_allclose(state["neutral_fraction"], 1 - ionised, atol=1e-15)


def test_thesan_zoom_fractions_add_up_and_tng_has_no_split():
    state, _, _ = state_of({"f_HI": np.full(N, 0.3), "f_H2": np.full(N, 0.6)})
    np.testing.assert_allclose(state["neutral_fraction"], 0.9)
    state, _, recipes = state_of({"neutral_fraction": np.full(N, 0.8)}, {"molecular": "none"})
    assert recipes.ions == "read_neutral"
    np.testing.assert_allclose(state["neutral_fraction"], 0.8)
    np.testing.assert_array_equal(state["f_H2"], 0.0)


def test_temperature_from_pressure_and_from_energy_agree():
    u = BASE["temperature_over_mu"] * 1.5 * c.K_B / c.M_H / c.KM**2
    ions = {"f_HII": np.full(N, 0.5)}
    by_pressure, _, _ = state_of(ions)
    by_energy, _, _ = state_of({**ions, "internal_energy": u}, drop=("temperature_over_mu",))
    np.testing.assert_allclose(by_energy["temperature"], by_pressure["temperature"], rtol=1e-12)


def test_effective_equation_of_state_is_overridden_only_where_it_holds():
    sfr = np.array([0.0, 1.0, 1.0, 0.0, 0.0])
    extra = {
        "star_formation_rate": sfr,
        "neutral_fraction": np.full(N, 0.5),
        "internal_energy": np.full(N, 200.0),
    }
    keep = ("temperature_over_mu",)
    state, marks, _ = state_of(extra, drop=keep, effective_equation_of_state=True)
    forming = sfr > 0
    np.testing.assert_array_equal(marks["effective_equation_of_state"], forming)
    np.testing.assert_array_equal(state["temperature"][forming], 100.0)
    np.testing.assert_array_equal(state["neutral_fraction"][forming], 1.0)
    resolved, marks, _ = state_of(extra, drop=keep, effective_equation_of_state=False)
    assert "effective_equation_of_state" not in marks
    np.testing.assert_array_equal(state["temperature"][~forming], resolved["temperature"][~forming])


def test_molecules_of_overridden_gas_follow_the_override():
    """Cold neutral gas has the H2 of neutral gas, however ionised its pressure proxy was stored."""
    stored = np.array([1e-4, 0.5, 1.0, 0.3, 0.9])
    extra = {
        "star_formation_rate": np.ones(N),
        "neutral_fraction": stored,
        "internal_energy": np.full(N, 200.0),
        "density": np.full(N, 4e8),
        "metallicity": np.full(N, 0.0134),
    }
    state, _, _ = state_of(extra, drop=("temperature_over_mu",), effective_equation_of_state=True)
    assert state["f_H2"][0] > 0.3
    np.testing.assert_allclose(state["f_H2"], state["f_H2"][0], rtol=1e-12)


def test_reduced_speed_of_light_is_in_the_flux_already():
    flux = np.zeros((N, 3))
    flux[:, 0] = 1e-3 * 0.01 * c.C_LIGHT  # 1e-3 photons/cm^3 of 8.4 eV at 0.01 c
    groups = replace(GROUPS, mean_energy=(8.4, 12.0, 20.0))
    extra = {"photon_flux": flux, "f_HII": np.zeros(N)}
    state, _, _ = state_of(extra, {"habing_floor": 1e-6}, photon_groups=groups)
    np.testing.assert_allclose(state["habing"], 2.521682e-3, rtol=1e-6)
    assert not np.any(state["ionisation_parameter"])


def test_floor_of_the_field_is_counted():
    extra = {"photon_flux": np.zeros((N, 3)), "f_HII": np.zeros(N)}
    state, marks, _ = state_of(extra, photon_groups=GROUPS)
    np.testing.assert_array_equal(state["habing"], 0.1)
    assert marks["habing_at_floor"].all()


def test_stored_turbulence_comes_first_and_both_add_in_quadrature():
    extra = {"nonthermal_energy": np.full(N, 8.0), "f_HII": np.zeros(N)}  # sigma = 4 km/s
    for choice, expected in (("auto", 4.0), ("stored", 4.0), ("gradient", 5.0), ("both", np.sqrt(41.0))):
        state, _, _ = state_of(extra, {"sigma": choice})
        np.testing.assert_allclose(state["turbulent_velocity"], expected, rtol=1e-12)


def test_young_stars_and_hii_regions_choose_the_spectrum():
    young = np.array([True, False, False, False, False])
    around = Surroundings(np.full(N, 5.0), np.zeros(N, dtype=bool), young, None, None)
    flux = np.ones((N, 3)) * 1e6
    extra = {"photon_flux": flux, "f_HII": np.array([0.0, 0.9, 0.4, 0.9, 0.0])}
    state, _, _ = state_of(extra, around=around, photon_groups=GROUPS)
    np.testing.assert_array_equal(state["ionising"], [True, True, False, True, False])
    np.testing.assert_array_equal(state["dark"], [False, False, False, True, False])


def test_without_temperature_there_is_mass_but_no_phase():
    state, _, recipes = state_of(drop=("temperature_over_mu", "velocity"))
    assert not recipes.complete
    assert "temperature" not in state and "n_H" in state
    assert any("no temperature" in line for line in recipes.missing)


@pytest.mark.parametrize("column", ["cell", "jeans", "cell_jeans", "sobolev"])
@pytest.mark.parametrize("molecular", ["kmt", "gk11", "none"])
def test_every_option_gives_a_finite_state(column, molecular):
    around = Surroundings(
        np.full(N, 5.0), np.zeros(N, dtype=bool), np.zeros(N, dtype=bool), np.full(N, 3.0), np.full(N, 0.2)
    )
    options = {"column": column, "molecular": molecular, "assumed_metallicity": 0.3}
    state, _, _ = state_of({"f_HII": np.full(N, 0.2)}, options, around)
    for name in ("column_density", "f_H2", "mach", "temperature"):
        assert np.all(np.isfinite(state[name])) and np.all(state[name] >= 0)
    assert np.all(state["f_H2"] <= state["neutral_fraction"])
