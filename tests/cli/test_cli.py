"""The command line as a user meets it: what it prints, where, and its exit codes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest


def simpost(*arguments, cwd=None):
    command = [sys.executable, "-m", "simpost", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd)


@pytest.mark.parametrize("name", ["ramses-zoom", "ramses-hydro", "arepo-zoom", "arepo-box"])
def test_inspect_in_seconds(name):
    import time

    simpost("sample", "path", name)  # unpacked before the clock starts
    start = time.perf_counter()
    result = simpost("inspect", f"sample:{name}")
    assert time.perf_counter() - start < 5.0
    assert result.returncode == 0 and result.stderr == ""
    for word in ("z = ", "read: ", "derived: ", "haloes"):
        assert word in result.stdout


def test_inspect_json_is_machine_readable():
    report = json.loads(simpost("inspect", "sample:arepo-zoom", "--json").stdout)
    assert report["counts"]["gas"] == 121183
    assert report["haloes"]["count"] == 20
    assert report["derived"]["metallicity"].startswith("none in the snapshot")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["inspect", "/nowhere"], "no such file or folder"),
        (["inspect", "sample:ramses-zom"], "did you mean 'ramses-zoom'?"),
        (["run", "/nowhere.yaml"], "no such file"),
        (["config", "show", "/nowhere.yaml"], "no such file"),
        (["grid", "show", "slbb"], "slbb"),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_2(arguments, words, tmp_path):
    result = simpost(*arguments, cwd=tmp_path)
    assert result.returncode == 2
    assert result.stderr.startswith("error: ") and result.stderr.count("\n") == 1
    assert words in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_unknown_verbs_and_options_are_exit_code_2():
    assert simpost("rnu").returncode == 2
    assert simpost("run").returncode == 2
    assert simpost("inspect", "--jsno", "x").returncode == 2


def test_run_prints_plain_lines_and_a_table(tmp_path):
    (tmp_path / "run.yaml").write_text(
        "snapshots: [sample:arepo-box, /nowhere/output_00001]\nviews: [z]\n"
        "maps: {width: 4 kpc, pixel: 400 pc}\nemission: {pdf: none}\n"
    )
    result = simpost("run", "run.yaml", cwd=tmp_path)
    assert result.returncode == 1  # one of two snapshots failed
    lines = result.stderr.splitlines()
    assert all(line.startswith(("[", "note: ", "error: ")) for line in lines)
    assert sum(line.startswith("error: ") for line in lines) == 1
    assert "arepo-box_halo-0" in result.stdout and "M_gas" in result.stdout
    again = simpost("run", "run.yaml", "--json", cwd=tmp_path)
    assert json.loads(again.stdout)["rows"][0]["id"] == "arepo-box_halo-0"


def test_samples_and_configuration_verbs(tmp_path):
    assert "sample:ramses-zoom" in simpost("sample", "list").stdout
    assert set(json.loads(simpost("sample", "list", "--json").stdout)) >= {"ramses-zoom", "arepo-zoom"}
    schema = json.loads(simpost("config", "schema").stdout)
    assert "snapshots" in schema["properties"]
    (tmp_path / "run.yaml").write_text("preset: serra\nsnapshots: [a]\n")
    shown = simpost("config", "show", "run.yaml", cwd=tmp_path).stdout
    assert "width: 5 kpc" in shown and shown.startswith("# hash ")
    assert "log_column: 16 to 24" in simpost("grid", "show").stdout


def test_synthetic_sample_can_be_inspected(tmp_path):
    made = simpost("sample", "make", "arepo", str(tmp_path / "galaxy"), "--size", "small")
    assert made.returncode == 0
    report = json.loads(simpost("inspect", made.stdout.strip(), "--json").stdout)
    assert report["photon_groups"] and report["code"] == "Arepo-RT"
    assert "f_H2" in report["read"]["gas"]


def test_a_bug_is_exit_code_70_with_the_traceback_in_a_file(tmp_path, monkeypatch, capsys):
    from simpost.cli import inspect, main

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(inspect, "_print", lambda report: 1 / 0)
    with pytest.raises(SystemExit) as stopped:
        main.main(["inspect", "sample:arepo-box"])
    assert stopped.value.code == 70
    assert "simpost-traceback.txt" in capsys.readouterr().err
    assert "ZeroDivisionError" in (tmp_path / "simpost-traceback.txt").read_text()


@pytest.mark.parametrize(("limit", "code"), [("warn_outside", 0), ("refuse_outside", 2)])
def test_light_from_outside_the_line_table_warns_or_refuses(tmp_path, limit, code):
    (tmp_path / "run.yaml").write_text(
        "snapshots: [sample:arepo-box]\nviews: [z]\nmaps: {width: 20 kpc, pixel: 1 kpc}\n"
        f"ism: {{assumed_metallicity: 0.1}}\nemission: {{grid: cloudy, {limit}: 0.0}}\noutput: out\n"
    )
    result = simpost("run", "run.yaml", cwd=tmp_path)
    assert result.returncode == code
    lines = [line for line in result.stderr.splitlines() if "outside the line table" in line]
    assert len(lines) == 1
    assert lines[0].startswith("warning: " if code == 0 else "error: ")
    assert (tmp_path / "out" / "summary.ecsv").exists() == (code == 0)


@pytest.mark.parametrize(("verb", "config"), [("run", "quickstart"), ("fit", "shen2025")])
def test_an_empty_output_folder_is_refused(verb, config):
    path = Path(__file__).parents[2] / "configs" / f"{config}.yaml"
    result = simpost(verb, str(path), "--output", "", "--quiet")
    assert result.returncode == 2
    assert result.stderr.startswith("error: --output: found an empty name")


def test_configurations_of_run_and_fit_are_told_apart():
    configs = Path(__file__).parents[2] / "configs"
    result = simpost("run", str(configs / "shen2025.yaml"), "--quiet")
    assert result.returncode == 2
    assert "`simpost fit`" in result.stderr and len(result.stderr.splitlines()) == 1
    result = simpost("fit", str(configs / "quickstart.yaml"), "--quiet")
    assert result.returncode == 2
    assert "no key 'analysis'" in result.stderr and len(result.stderr.splitlines()) == 1
