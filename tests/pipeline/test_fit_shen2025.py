"""`simpost fit` with the packaged Arepo zoom: whole, traceable, and one line for what is wrong."""

import json

import h5py
import numpy as np
import pytest
from astropy.table import Table
from click.testing import CliRunner

from simpost.cli.main import simpost
from simpost.config.analyses import load_analysis
from simpost.core import constants
from simpost.core.errors import SimpostError
from simpost.pipeline.shen2025 import analyse
from simpost.products import read_product
from simpost.snapshots.samples import resolve_sample

CONFIG = """
analysis: shen2025
runs:
  - name: zoom
    snapshots: [sample:arepo-zoom-history/snap_*.hdf5, sample:arepo-zoom]
maps:
  views: [x, y]
  maps: {width: 0.6 R_200c, pixel: 1 kpc, helium: false}
  ism: {assumed_metallicity: 0.1}
  emission: {pdf: none}
efficiency: {redshifts: [7, 8, 9]}
double_power_law: {resamplings: 20}
kennicutt_schmidt: {redshifts: [7]}
in_situ: {redshifts: [7]}
uv_luminosity: {redshifts: [12]}
output: OUTPUT
"""


def load(folder, text):
    path = folder / "analysis.yaml"
    path.write_text(text.replace("OUTPUT", str(folder / "results")))
    return load_analysis(path)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fit")
    return analyse(load(folder, CONFIG)), folder / "results"


def table(made, name):
    return Table.read(made[1] / f"{name}.ecsv")


def test_every_step_leaves_its_table_and_its_figures(made):
    result, output = made
    assert result.failures == []
    names = {path.name for path in result.files}
    tables = (
        "growth",
        "efficiency",
        "double_power_law",
        "kennicutt_schmidt",
        "galaxies",
        "in_situ",
        "uv_luminosity",
    )
    assert {f"{name}.ecsv" for name in tables} <= names
    assert all(path.stat().st_size > 0 for path in result.files)
    assert "analysis: shen2025" in (output / "config.yaml").read_text()


def test_the_main_progenitor_is_that_of_the_shared_particles(made, shared_data):
    steps = json.loads((shared_data / "arepo" / "measured" / "zoom_tracks.json").read_text())[
        "main_progenitor"
    ]
    growth = table(made, "growth")
    main = growth[growth["track"] == "zoom/7/0"]
    assert list(main["snapshot"]) == [0, 1, 3, 4, 5, 7]
    assert not main["is_bridged"].any()
    assert not main[
        "is_satellite"
    ].any()  # of its group it has most stars, also where FoF ranks a neighbour first
    for row in main:
        (step,) = [step for step in steps if int(step["snapshot"]) == row["snapshot"]]
        assert row["row"] == step["subhalo"]
        # the group's mass, around its deepest particle, or measured where the group is a neighbour's
        assert row["m_halo"] == pytest.approx(step["M_200c_recomputed_Msun"], rel=0.15)
    bridge = main[main["snapshot"] == 5][0]
    assert bridge["m_halo"] == pytest.approx(1.61e9, rel=0.02)


def test_efficiency_is_recomputed_from_the_growth_table(made):
    growth, efficiency = table(made, "growth"), table(made, "efficiency")
    row = efficiency[(efficiency["name"] == "zoom/7/0") & (efficiency["redshift"] == 9.0)][0]
    main = growth[growth["track"] == "zoom/7/0"]
    fraction = 0.0486 / 0.3089
    # three segments that begin at snapshots further apart than a dynamical time end at the next one
    total = np.diff(main["m_star"]) / (fraction * np.diff(main["m_halo"]))
    assert total.min() < row["efficiency"] < total.max()
    assert row["is_coarse"]
    assert row["group"] == "target"


def test_supply_is_recomputed_from_the_columns_of_the_snapshot(made):
    """Shen+2025's M_neutral(< 0.3 R_vir) is a sphere: hydrogen of the cells whose centre lies in it."""
    product = read_product(made[1] / "maps" / "zoom" / "snapshot_007" / "arepo-zoom_centre-0" / "product.h5")
    galaxy = product.galaxy
    columns, header = read_gas(resolve_sample("sample:arepo-zoom").parent)
    to_kpc = header["UnitLength_in_cm"] / constants.KPC * header["Time"] / header["HubbleParam"]
    to_msun = header["UnitMass_in_g"] / constants.M_SUN / header["HubbleParam"]
    place = columns["Coordinates"] * to_kpc - galaxy["centre"]
    hydrogen = 0.76 * columns["Masses"] * to_msun
    # gas on the effective equation of state is neutral
    neutral = hydrogen * np.where(
        columns["StarFormationRate"] > 0.0, 1.0, columns["NeutralHydrogenAbundance"]
    )
    near = np.sqrt((place**2).sum(axis=1)) <= 0.3 * galaxy["R_200c"]
    # the abundance of the file is HI alone, and H2 is counted in cells that are not quite neutral, too
    assert galaxy["M_neutral_sphere"] == pytest.approx(neutral[near].sum(), rel=1e-3)
    assert galaxy["M_gas_sphere"] == pytest.approx(hydrogen[near].sum(), rel=1e-5)
    row = table(made, "galaxies")[0]
    baryons = header["OmegaBaryon"] / header["Omega0"] * galaxy["M_200c"]
    assert row["supply"] == pytest.approx(galaxy["M_neutral_sphere"] / baryons, rel=1e-12)
    assert row["supply_total"] == pytest.approx(galaxy["M_gas_sphere"] / baryons, rel=1e-12)
    assert row["supply"] == pytest.approx(0.206, abs=0.001)
    assert row["aperture"] == pytest.approx(0.3, rel=1e-9)


def read_gas(folder):
    """Gas columns of all files of a snapshot as they stand, and the header of the first."""
    names = ("Coordinates", "Masses", "StarFormationRate", "NeutralHydrogenAbundance")
    parts, header = [], {}
    for path in sorted(folder.glob("*.hdf5")):
        with h5py.File(path) as file:
            header = header or dict(file["Header"].attrs)
            parts.append([file["PartType0"][name][...] for name in names])
    return {
        name: np.concatenate(of) for name, of in zip(names, zip(*parts, strict=True), strict=True)
    }, header


def test_names_of_galaxies_join_with_tracks(made):
    galaxies, growth = table(made, "galaxies"), table(made, "growth")
    assert set(galaxies["track"]) <= set(growth["track"])
    assert galaxies["name"][0] == galaxies["track"][0] == "zoom/7/0"


def test_depletion_time_is_that_of_the_maps_of_the_product(made):
    galaxies = table(made, "galaxies")
    product = read_product(made[1] / "maps" / "zoom" / "snapshot_007" / "arepo-zoom_centre-0" / "product.h5")
    gas, rate = (
        sum(view.map(name).values.sum() * view.attributes["pixel"] ** 2 for view in product.views.values())
        for name in ("surface_density_neutral", "surface_density_sfr_instantaneous")
    )
    assert galaxies["depletion_time"][0] == pytest.approx(gas / rate / 1e9, rel=1e-12)
    for view in product.views.values():
        assert view.attributes["width"] == pytest.approx(0.6 * product.galaxy["R_200c"], rel=1e-9)


def test_too_few_galaxies_are_not_fitted_and_say_so(made):
    fits = table(made, "double_power_law")
    missing = np.isnan(fits["log_eps0"])
    assert missing.any()
    assert all("at least" in reason for reason in fits["reason"][missing])
    assert all("carries half the weight" in reason for reason in fits["reason"][~missing])  # one target
    assert "not fitted" in (made[1] / "summary.txt").read_text()


def test_luminosity_functions_are_those_of_the_paper(made):
    curves = table(made, "uv_luminosity")
    capped = curves[[("10^10 " in str(model)) for model in curves["model"]]]
    printed = {-17.0: -2.742, -20.0: -4.647, -22.0: -7.112}
    for magnitude, log_phi in printed.items():
        assert capped["log_phi"][capped["M_UV"] == magnitude][0] == pytest.approx(log_phi, abs=0.01)


def test_the_command_prints_the_summary_and_refuses_other_results(made, tmp_path):
    path = tmp_path / "other.yaml"
    path.write_text(CONFIG.replace("OUTPUT", str(made[1])).replace("[7, 8, 9]", "[8]"))
    outcome = CliRunner().invoke(simpost, ["fit", str(path), "--quiet"])
    assert isinstance(outcome.exception, SimpostError)
    assert "another configuration" in str(outcome.exception)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("efficiency: {redshifts: [7, 8, 9]}", "efficiency: {redshifts: [-1]}"), "none below zero"),
        (("analysis: shen2025", "analysis: shen2024"), "shen2025"),
        (("in_situ: {redshifts: [7]}", "in_situs: {redshifts: [7]}"), "in_situ"),
        (("    snapshots: [sample:arepo-zoom-history/snap_*.hdf5, sample:arepo-zoom]\n", ""), "snapshots"),
        (("uv_luminosity: {redshifts: [12]}", "uv_luminosity: {scatter: power}"), "sigma_max"),
    ],
)
def test_wrong_configurations_are_one_line(tmp_path, change, words):
    with pytest.raises(SimpostError, match=words):
        load(tmp_path, CONFIG.replace(*change))


def test_a_configuration_of_maps_is_not_an_analysis(tmp_path):
    with pytest.raises(SimpostError, match="no key 'analysis'"):
        load(tmp_path, "snapshots: [sample:arepo-zoom]\n")


def test_one_snapshot_makes_no_history(tmp_path):
    text = CONFIG.replace("sample:arepo-zoom-history/snap_*.hdf5, ", "")
    with pytest.raises(SimpostError, match="two snapshots or more"):
        analyse(load(tmp_path, text))
    assert not (tmp_path / "results").exists()


def test_a_run_that_cannot_be_read_leaves_the_others_whole(tmp_path):
    other = "  - name: gone\n    snapshots: [/nowhere/snap_001.hdf5, /nowhere/snap_002.hdf5]\n"
    runs, settings = CONFIG.replace("kennicutt_schmidt: {redshifts: [7]}\n", "").split("maps:\n", 1)
    text = f"{runs}{other}efficiency{settings.partition('efficiency')[2]}"
    result = analyse(load(tmp_path, text))
    assert len(result.failures) == 1
    assert "gone" in result.failures[0]
    assert (tmp_path / "results" / "growth.ecsv").is_file()
