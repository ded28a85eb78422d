"""Steps of `simpost fit` that fail or are stopped leave the others whole."""

import numpy as np
import pytest

from simpost.analysis.shen2025 import cosmology, efficiency_evolution
from simpost.config.analyses import load_analysis
from simpost.config.models import ReaderConfig
from simpost.config.shen2025 import Shen2025Config, SimulationConfig, UVLuminosityConfig
from simpost.core.errors import SimpostError
from simpost.pipeline.shen2025 import analyse
from simpost.pipeline.shen2025.histories import open_simulation
from simpost.pipeline.shen2025.luminosity import luminosity_functions
from simpost.snapshots.synthetic.history import HistorySet, TrueEfficiency, write_histories

TRUTH = TrueEfficiency(-1.73, 9.32, 0.31, 0.62)


def test_a_redshift_without_efficiency_leaves_the_others():
    notes, failures = [], []
    options = UVLuminosityConfig(redshifts=[2, 12, 20], log_mass_caps=[10])
    curves = luminosity_functions(options, [], notes, failures)
    assert {curve.redshift for curve in curves} == {12.0, 20.0}
    assert len(failures) == 1 and "at least 4" in failures[0]
    assert len(notes) == 1 and "z = 20" in notes[0]


def test_between_rows_of_table_3_log_efficiency_is_interpolated():
    (published, _) = luminosity_functions(UVLuminosityConfig(redshifts=[9], log_mass_caps=[12]), [], [], [])
    haloes = published.function.haloes
    mass = haloes.mass[(haloes.mass > 1e9) & (haloes.mass < 1e10)]
    table = efficiency_evolution()
    expected = np.sqrt(table.at(8)(mass) * table.at(10)(mass))
    assert haloes.efficiency[np.isin(haloes.mass, mass)] == pytest.approx(expected, rel=1e-12)
    assert "z = 9" in published.label


@pytest.fixture
def config(tmp_path):
    tree = write_histories(HistorySet(TRUTH, cosmology(), count=30), tmp_path / "trees")
    return Shen2025Config.model_validate(
        {
            "analysis": "shen2025",
            "runs": [
                {
                    "name": "made up",
                    "trees": str(tree),
                    "cosmology": {"h0": 67.74, "omega_m": 0.3089, "omega_lambda": 0.6911, "omega_b": 0.0486},
                }
            ],
            "efficiency": {"redshifts": [6]},
            "double_power_law": {"resamplings": 20},
            "in_situ": {"redshifts": [6]},
            "uv_luminosity": {"redshifts": [12]},
            "output": str(tmp_path / "results"),
        }
    )


def test_a_stopped_analysis_keeps_what_is_done_and_says_so(config, tmp_path, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("simpost.pipeline.shen2025.run.luminosity_functions", stop)
    with pytest.raises(KeyboardInterrupt):
        analyse(config)
    results = tmp_path / "results"
    assert (results / "efficiency.ecsv").is_file() and (results / "in_situ.ecsv").is_file()
    assert "stopped: UV luminosity functions not done" in (results / "summary.txt").read_text()
    monkeypatch.undo()
    assert analyse(config).failures == []
    assert "stopped" not in (results / "summary.txt").read_text()


def test_trees_alone_give_everything_but_maps(config, tmp_path):
    result = analyse(config)
    names = {path.name for path in result.files}
    assert {"growth.ecsv", "efficiency.ecsv", "in_situ.ecsv", "uv_luminosity.ecsv", "growth.png"} <= names
    assert any("nothing mapped" in note for note in result.notes)


@pytest.mark.parametrize("name", ["../out", "a/b", "", ".", "x" * 61, "/abs", "*"])
def test_names_of_runs_that_are_no_file_names_are_refused(name, tmp_path):
    path = tmp_path / "analysis.yaml"
    runs = f"runs: [{{name: '{name}', snapshots: [sample:arepo-zoom]}}]"
    path.write_text(f"analysis: shen2025\n{runs}\nefficiency: {{redshifts: [7]}}\n")
    with pytest.raises(Exception, match="letters, digits"):
        load_analysis(path)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("maps", {"maps": {}}, "both or neither"),
        ("double_power_law", {"fixed_log_break": {5: 9.0}}, "redshifts of 'efficiency'"),
        ("in_situ", {"redshifts": [-1]}, "none below zero"),
        ("uv_luminosity", {"redshifts": []}, "one or more"),
    ],
)
def test_settings_that_nothing_would_come_of_are_refused(config, key, value, words):
    raw = {**config.model_dump(mode="json"), key: value}
    with pytest.raises(ValueError, match=words):
        Shen2025Config.model_validate(raw)


def test_haloes_that_shrink_are_counted_in_words(config, tmp_path):
    tree = write_histories(HistorySet(TRUTH, cosmology(), count=30, falling=0.4), tmp_path / "falling")
    raw = config.model_dump(mode="json")
    raw["runs"][0]["trees"] = str(tree)
    raw |= {"in_situ": None, "uv_luminosity": None, "efficiency": {"redshifts": [5, 6]}}
    result = analyse(Shen2025Config.model_validate(raw))
    assert any("haloes with segments in which the halo shrinks" in note for note in result.notes)


def test_what_snapshots_do_not_tell_is_told_to_every_reader():
    run = SimulationConfig(name="zoom", snapshots=["sample:arepo-zoom-history/snap_00[45].hdf5"])
    bands = {"low": ["6 eV"], "high": ["13.6 eV"], "mean_energy": ["9 eV"], "light_speed_fraction": 0.01}
    with pytest.raises(SimpostError, match="drop 'reader: photon_groups'"):  # the sample has no radiation
        open_simulation(run, ReaderConfig.model_validate({"photon_groups": bands}))
    simulation = open_simulation(run, ReaderConfig(effective_equation_of_state=False))
    assert not simulation.snapshot(5).info.effective_equation_of_state
    assert open_simulation(run).snapshot(5).info.effective_equation_of_state
