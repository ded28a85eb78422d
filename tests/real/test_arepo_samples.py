"""Real Arepo snapshots: what simpost reads equals what was measured with h5py alone."""

import numpy as np
import pytest

from simpost.core import constants as c
from simpost.snapshots.columns import concatenate
from simpost.snapshots.open import open_snapshot
from simpost.snapshots.regions import Cube, Sphere, offset_from, whole_box
from tests.conftest import YT_MSUN, reference


@pytest.fixture(scope="module", params=["arepo-zoom", "arepo-box"])
def case(request):
    snapshot = open_snapshot(f"sample:{request.param}")
    box = whole_box(snapshot.info.box_size)
    return snapshot, box, concatenate(snapshot.gas_chunks(box)), reference(request.param)


def test_header(case):
    snapshot, _, _, measured = case
    info = snapshot.info
    assert info.redshift == pytest.approx(measured["header"]["Redshift"], rel=1e-12)
    assert info.time == pytest.approx(measured["cosmic_time_Myr"], rel=1e-6)
    assert info.box_size / info.scale_factor / 1e3 == pytest.approx(
        measured["header"]["BoxSize_cMpc"], rel=1e-6
    )
    assert info.effective_equation_of_state


def test_gas(case):
    snapshot, _, gas, measured = case
    figures = measured["gas"]
    assert gas["mass"].sum() * c.M_SUN / YT_MSUN == pytest.approx(figures["gas_mass_Msun"], rel=1e-6)
    assert gas["volume"].sum() / snapshot.info.box_size**3 == pytest.approx(
        figures["cell_volume_sum_over_box"], rel=1e-9
    )
    radius = 1e3 * np.cbrt(0.75 / np.pi) * gas["size"]
    found = [radius.min(), np.percentile(radius, 5), np.median(radius), radius.max()]
    expected = [figures["cell_equiv_radius_pc"][key] for key in ("min", "p5", "median", "max")]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert gas["star_formation_rate"].sum() == pytest.approx(figures["sfr_sum_Msun_yr"], rel=1e-6)
    forming = gas["star_formation_rate"] > 0
    assert np.count_nonzero(forming) == figures["n_sf_cells"]
    speed = np.linalg.norm(gas["velocity"], axis=1)
    assert speed.max() == pytest.approx(figures["max_speed_km_s"], rel=1e-6)
    mean = np.average(gas["velocity"], axis=0, weights=gas["mass"])
    np.testing.assert_allclose(mean, figures["mass_weighted_mean_velocity_km_s"], rtol=1e-5)
    neutral = float(gas["mass"] @ gas["neutral_fraction"]) * 0.76 * c.M_SUN / YT_MSUN
    assert neutral == pytest.approx(figures["neutral_H_mass_Msun"], rel=1e-6)


def test_masses_of_every_type(case):
    snapshot, box, gas, measured = case
    masses = {name: value * YT_MSUN / c.M_SUN for name, value in measured["total_mass_Msun"].items()}
    dark = sum(value for name, value in masses.items() if name in ("PartType1", "PartType2", "PartType3"))
    assert snapshot.dark_matter(box)["mass"].sum() == pytest.approx(dark, rel=1e-6)
    assert snapshot.stars(box)["mass"].sum() == pytest.approx(masses["PartType4"], rel=1e-6)
    assert gas["mass"].sum() == pytest.approx(masses["PartType0"], rel=1e-6)


@pytest.mark.filterwarnings("ignore")
def test_totals_equal_those_of_yt(case, tmp_path):
    import yt
    from yt.frontends.arepo.api import ArepoHDF5Dataset

    snapshot, box, gas, _ = case
    yt.set_log_level(50)
    data = ArepoHDF5Dataset(str(snapshot.info.path), index_filename=str(tmp_path / "i.ewah")).all_data()
    assert gas["mass"].sum() * c.M_SUN == pytest.approx(
        float(data["gas", "mass"].sum().to_value("g")), rel=1e-12
    )
    stars = float(data["PartType4", "Masses"].sum().to_value("g"))
    assert snapshot.stars(box)["mass"].sum() * c.M_SUN == pytest.approx(stars, rel=1e-12)


@pytest.mark.parametrize("place", [(0.5376, 0.5278, 0.5406), (0.01, 0.99, 0.5)])
@pytest.mark.parametrize("make", [Sphere, Cube])
def test_regions_take_cells_by_their_generator(case, place, make):
    snapshot, box, gas, _ = case
    size = snapshot.info.box_size
    region = make(tuple(np.array(place) * size), 25.0)
    pairs = [
        (gas, concatenate(snapshot.gas_chunks(region))),
        (snapshot.dark_matter(box), snapshot.dark_matter(region)),
    ]
    for everything, found in pairs:
        inside = region.overlaps(
            offset_from(everything["position"] + np.asarray(box.centre), region.centre, size)
        )
        assert found.size == np.count_nonzero(inside) > 0
        assert found["mass"].sum() == pytest.approx(everything["mass"][inside].sum(), rel=1e-12)


def test_catalogue_agrees_with_a_recount(case):
    snapshot, box, gas, measured = case
    haloes = snapshot.haloes()
    row = int(np.argmax(haloes.m_200c))
    assert haloes.m_200c[row] * c.M_SUN / YT_MSUN == pytest.approx(
        max(group["Group_M_Crit200_Msun"] for group in measured["groups"]),
        rel=2e-3,  # the reference was measured on the catalogue before Arepo rewrote it for two files
    )
    parts = [gas, snapshot.stars(box), snapshot.dark_matter(box)]
    inside = 0.0
    velocity = np.zeros(3)
    for part in parts:
        offset = offset_from(
            part["position"] + np.asarray(box.centre), haloes.position[row], snapshot.info.box_size
        )
        near = np.linalg.norm(offset, axis=1) < haloes.r_200c[row]
        inside += part["mass"][near].sum()
        velocity += (part["mass"][near, None] * part["velocity"][near]).sum(axis=0)
    assert inside == pytest.approx(haloes.m_200c[row], rel=0.03)
    assert np.linalg.norm(velocity / inside - haloes.velocity[row]) < 15.0  # bound members against all inside


def test_nothing_is_written_beside_the_snapshot(sample_copy):
    path = sample_copy("arepo-zoom")
    before = sorted(p for p in path.parents[1].rglob("*"))
    snapshot = open_snapshot(path)
    region = Sphere((160.0, 160.0, 160.0), 10.0)
    assert sum(chunk.size for chunk in snapshot.gas_chunks(region)) > 0
    assert sorted(p for p in path.parents[1].rglob("*")) == before


def test_either_file_of_the_set_and_its_folder_are_the_same_snapshot(case):
    snapshot, *_ = case
    if len(snapshot._files.paths) == 1:
        pytest.skip("one file")
    for path in (snapshot._files.paths[1], snapshot._files.paths[0].parent):
        assert open_snapshot(path).info.counts == snapshot.info.counts


def test_tng_names_wind_and_ages(shared_data):
    import json

    snapshot = open_snapshot(shared_data / "arepo/tng100_subhalo9_sample.hdf5")
    measured = json.loads((shared_data / "arepo/measured/tng100_subhalo9_sample.json").read_text())["stars"]
    box = whole_box(snapshot.info.box_size)
    stars, wind = snapshot.stars(box), snapshot.wind(box)
    assert (stars.size, wind.size) == (measured["n_stars"], measured["n_wind"])
    assert stars["mass"].sum() * c.M_SUN / YT_MSUN == pytest.approx(measured["star_mass_Msun"], rel=1e-6)
    assert wind["mass"].sum() * c.M_SUN / YT_MSUN == pytest.approx(measured["wind_mass_Msun"], rel=1e-6)
    ages = measured["age_Myr"]
    np.testing.assert_allclose(
        [stars["age"].min(), np.median(stars["age"]), stars["age"].max()],
        [ages["min"], ages["median"], ages["max"]], rtol=1e-5,
    )  # fmt: skip
    for window in (10, 30, 100):
        rate = stars["initial_mass"][stars["age"] <= window].sum() / (window * 1e6)
        assert rate == pytest.approx(measured["sfr_from_stars_Msun_yr"][f"{window}Myr"], rel=1e-5)
    assert snapshot.info.effective_equation_of_state
    assert "hydrogen_fraction" in snapshot.info.fields_read["gas"]


def test_a_file_with_three_fields_says_what_it_cannot(shared_data):
    from simpost.ism.inspection import inspect_snapshot

    snapshot = open_snapshot(shared_data / "arepo/cluster_zoom_z0.hdf5")
    report = inspect_snapshot(snapshot)
    assert any("no temperature" in line for line in report["missing"])
    gas = concatenate(snapshot.gas_chunks(whole_box(snapshot.info.box_size)))
    assert gas["mass"].sum() == pytest.approx(258898202625314.97 * YT_MSUN / c.M_SUN, rel=1e-6)
