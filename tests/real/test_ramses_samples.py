"""Real RAMSES outputs: what simpost reads equals what was measured independently, and yt's own totals."""

import numpy as np
import pytest

from simpost.core import constants as c
from simpost.core.units import MASS_DENSITY_CGS
from simpost.snapshots.columns import concatenate
from simpost.snapshots.open import open_snapshot
from simpost.snapshots.regions import Cube, Sphere, offset_from, whole_box
from tests.conftest import YT_MSUN, reference

SAME_CONSTANTS = 1e-6
OWN_CONSTANTS = 1e-3


@pytest.fixture(scope="module", params=["ramses-zoom", "ramses-hydro"])
def case(request):
    snapshot = open_snapshot(f"sample:{request.param}")
    box = whole_box(snapshot.info.box_size)
    gas = concatenate(snapshot.gas_chunks(box))
    return snapshot, box, gas, reference(request.param)["figures"]


def test_header(case):
    snapshot, _, _, figures = case
    info = snapshot.info
    assert info.redshift == pytest.approx(figures["redshift"], rel=1e-12)
    assert info.time == pytest.approx(figures["current_time_Myr"], rel=SAME_CONSTANTS)
    assert info.box_size == pytest.approx(figures["box_proper_kpc"], rel=SAME_CONSTANTS)
    assert info.counts["gas"] == figures["leaf_cells"]
    assert (info.counts["stars"], info.counts["dark_matter"]) == (figures["star_count"], figures["dm_count"])


def test_gas_totals_and_extremes(case):
    _, _, gas, figures = case
    assert gas.size == figures["leaf_cells"]
    assert gas["mass"].sum() * c.M_SUN / YT_MSUN == pytest.approx(
        figures["gas_mass_Msun"], rel=SAME_CONSTANTS
    )
    metals = float(gas["mass"] @ gas["metallicity"])
    assert metals * c.M_SUN / YT_MSUN == pytest.approx(figures["metal_mass_Msun"], rel=SAME_CONSTANTS)
    density = gas["density"] * MASS_DENSITY_CGS
    np.testing.assert_allclose(
        [density.min(), density.max()], figures["density_min_max_g_cm3"], rtol=SAME_CONSTANTS
    )
    ratio = gas["temperature_over_mu"]
    np.testing.assert_allclose([ratio.min(), ratio.max()], figures["T_over_mu_min_max_K"], rtol=OWN_CONSTANTS)
    size = [gas["size"].min() * 1e3, gas["size"].max() * 1e3]
    np.testing.assert_allclose(size, figures["cell_size_pc_min_max"], rtol=SAME_CONSTANTS)
    levels = {
        str(level): int(n) for level, n in zip(*np.unique(gas["level"], return_counts=True), strict=True)
    }
    assert levels == figures["leaf_cells_per_ramses_level"]


def test_leaves_fill_the_box_once(case):
    snapshot, _, gas, _ = case
    assert gas["volume"].sum() / snapshot.info.box_size**3 == pytest.approx(1.0, abs=1e-12)
    finest = 2**snapshot.info.finest_level
    centres = 2 * gas["corner"] + (finest >> gas["level"])[:, None]
    assert len(np.unique(centres, axis=0)) == gas.size
    again = gas["position"] + 0.5 * snapshot.info.box_size - 0.5 * gas["size"][:, None]
    np.testing.assert_allclose(again / snapshot.info.box_size * finest, gas["corner"], atol=1e-6)


def test_stars_and_star_formation(case):
    snapshot, box, _, figures = case
    stars = snapshot.stars(box)
    assert stars.size == figures["star_count"]
    assert stars["mass"].sum() * c.M_SUN / YT_MSUN == pytest.approx(
        figures["star_mass_Msun"], rel=SAME_CONSTANTS
    )
    ages = stars["age"]
    reading = "proper" if "rt_c_frac" in figures else "conformal"
    assert ages.max() == pytest.approx(max(figures["own_age_min_max_Myr"][reading]), rel=1e-4)
    assert ages.min() >= 0.0
    for window in (10, 30, 100):
        rate = stars["initial_mass"][ages < window].sum() / (window * 1e6)
        assert rate == pytest.approx(figures[f"SFR_{window}Myr_Msun_yr"], rel=OWN_CONSTANTS)


def test_dark_matter(case):
    snapshot, box, _, figures = case
    dark = snapshot.dark_matter(box)
    assert dark.size == figures["dm_count"]
    assert dark["mass"].sum() * c.M_SUN / YT_MSUN == pytest.approx(
        figures["dm_mass_Msun"], rel=SAME_CONSTANTS
    )


@pytest.mark.filterwarnings("ignore")
def test_totals_equal_those_of_yt(case):
    import yt

    snapshot, box, gas, _ = case
    yt.set_log_level(50)
    data = yt.load(str(snapshot.info.files[0].parent / snapshot._files.header.path.name)).all_data()
    grams = float(data["gas", "mass"].sum().to_value("g"))
    assert gas["mass"].sum() * c.M_SUN == pytest.approx(grams, rel=1e-12)
    metals = float((data["gas", "mass"] * data["gas", "metallicity"]).sum().to_value("g"))
    assert float(gas["mass"] @ gas["metallicity"]) * c.M_SUN == pytest.approx(metals, rel=1e-12)
    stars = float(data["star", "particle_mass"].sum().to_value("g"))
    assert snapshot.stars(box)["mass"].sum() * c.M_SUN == pytest.approx(stars, rel=1e-12)


@pytest.mark.parametrize("place", [(0.5, 0.546, 0.504), (0.01, 0.99, 0.5), (0.0, 0.0, 0.0)])
@pytest.mark.parametrize("make", [Sphere, Cube])
@pytest.mark.parametrize("extent", [3.0, 30.0])
def test_regions_take_every_leaf_that_overlaps_and_no_other(case, place, make, extent):
    snapshot, box, gas, _ = case
    size = snapshot.info.box_size
    region = make(tuple(np.array(place) * size), extent)
    offset = offset_from(gas["position"] + np.asarray(box.centre), region.centre, size)
    expected = gas.select(region.overlaps(offset, gas["size"]))
    found = concatenate(snapshot.gas_chunks(region))
    assert found.size == expected.size
    assert found["mass"].sum() == pytest.approx(expected["mass"].sum(), rel=1e-12)
    for read in (snapshot.stars, snapshot.dark_matter):
        everything = read(box)
        inside = region.overlaps(
            offset_from(everything["position"] + np.asarray(box.centre), region.centre, size)
        )
        assert read(region).size == np.count_nonzero(inside)


def test_photon_fluxes_and_ions_of_the_radiation_run():
    snapshot = open_snapshot("sample:ramses-zoom")
    figures = reference("ramses-zoom")["figures"]
    gas = concatenate(snapshot.gas_chunks(whole_box(snapshot.info.box_size)))
    reduced = figures["rt_c_frac"] * c.C_LIGHT
    for group in range(5):
        density = figures[f"photon_{group + 1}_density_cm3_min_max"][1]
        assert gas["photon_flux"][:, group].max() == pytest.approx(density * reduced, rel=SAME_CONSTANTS)
    groups = snapshot.info.photon_groups
    assert list(groups.mean_energy) == figures["photon_group_mean_energy_eV"]
    assert groups.high[-1] == np.inf
    hydrogen = gas["mass"] * gas["hydrogen_fraction"]
    ionised = float(hydrogen @ gas["f_HII"]) * c.M_SUN / YT_MSUN
    assert ionised == pytest.approx(figures["HII_mass_Msun"], rel=SAME_CONSTANTS)


def test_only_domains_that_a_region_touches_are_read():
    snapshot = open_snapshot("sample:ramses-zoom")
    size = snapshot.info.box_size
    region = Sphere((0.05 * size, 0.05 * size, 0.05 * size), 0.02 * size)
    assert concatenate(snapshot.gas_chunks(region)).size > 0
    read = [
        domain.domain_id for domain in snapshot._dataset.index.domains if "oct_handler" in domain.__dict__
    ]
    assert 0 < len(read) < 4


def test_no_particle_is_lost_at_domain_borders():
    """yt drops the particles of a domain of which it selects no leaf; many small spheres would show it."""
    snapshot = open_snapshot("sample:ramses-zoom")
    box = whole_box(snapshot.info.box_size)
    size = snapshot.info.box_size
    dark = snapshot.dark_matter(box)
    places = dark["position"] + np.asarray(box.centre)
    draw = np.random.default_rng(5)
    for centre in places[draw.choice(len(places), 30, replace=False)] + draw.normal(0.0, 1.0, (30, 3)):
        region = Sphere(tuple(centre % size), float(draw.uniform(1.0, 12.0)))
        expected = region.overlaps(offset_from(places, region.centre, size))
        assert snapshot.dark_matter(region).size == np.count_nonzero(expected)
