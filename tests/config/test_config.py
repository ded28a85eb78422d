import fnmatch
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simpost.config import InvalidConfigError, canonical_yaml, config_hash, load_config, preset_names, resolve
from simpost.config.analyses import load_analysis
from simpost.config.quantities import OfHalo, parse_quantity
from simpost.core.errors import ConfigError, SimpostError
from simpost.emission.cloudy.settings import load_cloudy_config

MINIMAL = {"snapshots": ["sample:ramses-zoom"]}


def _errors(raw):
    with pytest.raises(InvalidConfigError) as caught:
        resolve(raw)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "dimension", "expected"),
    [
        ("30 pc", "length", 0.03),
        ("1e9 Msun", "mass", 1e9),
        ("10 Myr", "time", 10.0),
        ("2.5Gyr", "time", 2500.0),
        ("1 Mpc", "length", 1000.0),
        ("-3 kpc", "length", -3.0),
    ],
)
def test_quantities_become_internal_units(text, dimension, expected):
    assert parse_quantity(text, dimension) == pytest.approx(expected, rel=1e-12)


@given(st.floats(1e-6, 1e6), st.sampled_from(["pc", "kpc", "Mpc"]))
def test_dumped_configuration_means_the_same(value, unit):
    config = resolve({**MINIMAL, "maps": {"width": f"{value!r} {unit}", "pixel": f"{value!r} {unit}"}})
    from ruamel.yaml import YAML

    again = resolve(YAML(typ="safe").load(canonical_yaml(config)))
    assert again.maps.width == pytest.approx(config.maps.width, rel=1e-11)


ALL_VARIATIONS = ["pdf", "b", "mach", "mach_definition", "grid", "cmb"]


@pytest.mark.parametrize(
    ("written", "varied"),
    [(True, ALL_VARIATIONS), (False, []), ([], []), (["cmb", "pdf"], ["pdf", "cmb"])],
)
def test_ensemble_is_all_none_or_a_list_in_one_order(written, varied):
    assert resolve({**MINIMAL, "emission": {"ensemble": written}}).emission.ensemble == varied


def test_ensemble_written_in_two_ways_is_one_configuration():
    spellings = (True, ALL_VARIATIONS, ALL_VARIATIONS[::-1])
    assert len({config_hash(resolve({**MINIMAL, "emission": {"ensemble": e}})) for e in spellings}) == 1


@pytest.mark.parametrize(
    ("emission", "message"),
    [
        (
            {"ensemble": "all"},
            "emission.ensemble: found 'all', expected true, false, or a list of pdf, b, mach",
        ),
        ({"ensemble": 1}, "emission.ensemble: found 1, expected true, false, or a list"),
        ({"ensemble": None}, "emission.ensemble: found None, expected true, false, or a list"),
        ({"ensemble": ["pfd"]}, "emission.ensemble.0: found 'pfd', expected 'pdf', 'b', 'mach'"),
        ({"ensemble": ["b", "b"]}, "emission.ensemble: found b, b, expected each variation once"),
        ({"ensemble": True, "lines": ["OI-63um"]}, "emission: found an 'ensemble' without its line"),
    ],
)
def test_damaged_ensemble_is_one_line(emission, message):
    lines = _errors({**MINIMAL, "emission": emission})
    assert message in lines and "\n" not in lines


def test_unknown_key_names_file_line_and_nearest(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text("snapshots: [a]\nmaps:\n  widht: 5 kpc\n")
    with pytest.raises(InvalidConfigError) as caught:
        load_config(path)
    assert str(caught.value) == (
        f"{path}, line 3, maps.widht: found an unknown key, expected a key simpost knows; "
        "did you mean 'width'?"
    )


STATED = {"line_of_sight": [1, 2, 3], "name": "a"}


@pytest.mark.parametrize(
    ("views", "line"),
    [
        (["x", STATED | {"upp": [1, 0, 0]}], "views.1.upp: found an unknown key, *; did you mean 'up'?"),
        ([{"directions": 3, "name": "a"}], "views.0.name: found an unknown key, *; known: directions"),
        (["x", STATED | {"up": [0, 0, 0]}], "views.1.up: found three zeros, expected a direction"),
        ([STATED | {"up": [0, "a", 0]}], "views.0.up.1: found 'a', expected a valid number, *"),
        ([STATED | {"up": [0, 1]}], "views.0.up.2: found nothing, expected this key is needed"),
        ([{"line_of_sight": [1, 2, 3]}], "views.0.name: found nothing, expected this key is needed"),
        ([STATED | {"up": [2, 4, 6]}], "views.0: found up [[]2.0, 4.0, 6.0] along line_of_sight *"),
        (["w"], "views.0: found 'w', expected 'x', 'y', 'z', *"),
    ],
)
def test_problems_inside_a_list_of_alternatives_are_named_as_written(views, line):
    found = _errors({**MINIMAL, "views": views})
    assert fnmatch.fnmatchcase(found, f"configuration, {line}"), found


def test_unknown_key_in_a_list_has_its_line(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text(
        "snapshots: [a]\nviews:\n  - x\n  - line_of_sight: [1, 0, 0]\n    name: a\n    pu: [0, 0, 1]\n"
    )
    with pytest.raises(InvalidConfigError) as caught:
        load_config(path)
    assert str(caught.value).startswith(f"{path}, line 6, views.1.pu: found an unknown key")


@pytest.mark.parametrize("text", ["0.6 R_200c", " 6e-1R_200c", "0.60 R_200c"])
def test_lengths_may_be_stated_in_units_of_the_halo(text):
    from ruamel.yaml import YAML

    maps = {"width": text, "depth": "2 R_200c", "angular_momentum_radius": "0.1 R_200c", "pixel": "0.1 kpc"}
    config = resolve({**MINIMAL, "maps": maps})
    assert config.maps.width == OfHalo(0.6) and config.maps.depth == OfHalo(2.0)
    assert "width: 0.6 R_200c\n" in canonical_yaml(config)
    again = resolve(YAML(typ="safe").load(canonical_yaml(config)))
    assert again == config and config_hash(again) == config_hash(config)
    assert config_hash(config) != config_hash(resolve({**MINIMAL, "maps": maps | {"width": "0.6 kpc"}}))


@pytest.mark.parametrize(
    ("maps", "words"),
    [
        ({"width": "0.6 R_200"}, "maps.width: found '0.6 R_200', expected a length in pc, kpc, Mpc, or some"),
        ({"width": 0.6}, "maps.width: found 0.6 without a unit, expected something like '0.6 kpc', or"),
        ({"width": "0 R_200c"}, "maps.width: found 0, expected a positive, finite number"),
        ({"depth": "inf R_200c"}, "maps.depth: found inf, expected a positive, finite number"),
        ({"depth": "-1 R_200c"}, "maps.depth: found -1, expected a positive, finite number"),
        ({"pixel": "0.1 R_200c"}, "maps.pixel: found '0.1 R_200c', expected a length in pc, kpc, Mpc"),
        ({"kernel": "voronoi", "cube": {}}, "maps: found a 'cube' with 'kernel: voronoi', expected another"),
        ({"kernel": "voronoy"}, "maps.kernel: found 'voronoy', expected 's25', 'support', "),
    ],
)
def test_wrong_lengths_and_kernels_are_one_line(maps, words):
    lines = _errors({**MINIMAL, "maps": maps})
    assert words in lines and "\n" not in lines


@pytest.mark.parametrize("workers", [0, -1, 1025, 1.5, "all"])
def test_threads_are_a_sensible_number(workers):
    assert "workers: found" in _errors({**MINIMAL, "workers": workers})


def test_every_problem_has_its_own_line():
    lines = _errors(
        {**MINIMAL, "maps": {"width": "5 Msun", "pixel": 30}, "emission": {"pdf": "mas", "pdf_b": 3}}
    )
    assert len(lines.splitlines()) == 4
    assert "maps.width: found '5 Msun', expected a length in pc, kpc, Mpc" in lines
    assert "maps.pixel: found 30 without a unit, expected something like '30 kpc'" in lines
    assert "emission.pdf: found 'mas', expected 'mass', 'volume', 'none' or 'meanC'" in lines
    assert "emission.pdf_b: found 3, expected less than or equal to 1" in lines


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ({"snapshots": []}, "snapshots"),
        ({}, "snapshots: found nothing, expected this key is needed"),
        ({**MINIMAL, "maps": {"width": "1 kpc", "pixel": "2 kpc"}}, "at most the width"),
        ({**MINIMAL, "maps": {"width": "1 Mpc", "pixel": "1 pc"}}, "at most 20000"),
        ({**MINIMAL, "maps": {"width": "nan kpc"}}, "a number with a unit"),
        ({**MINIMAL, "maps": {"width": "0 kpc"}}, "a positive, finite number"),
        ({**MINIMAL, "views": ["q"]}, "views.0"),
        ({**MINIMAL, "galaxies": {"count": 0}}, "greater than or equal to 1"),
        ({**MINIMAL, "galaxies": {"finder": "centres"}}, "both or neither"),
    ],
)
def test_values_out_of_range_are_refused(raw, words):
    assert words in _errors(raw)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("snapshots: [a]\nsnapshots: [b]\n", "line 2"),
        ("snapshots: [a\n b: {", "line 2"),
        ("", "an empty file"),
        ("- a\n", "no mapping of keys"),
        ("preset: sera\nsnapshots: [a]\n", "did you mean 'serra'?"),
    ],
)
def test_broken_files_are_one_line(tmp_path, text, words):
    path = tmp_path / "run.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_and_binary_files_are_one_line(tmp_path):
    with pytest.raises(SimpostError, match="no such file"):
        load_config(tmp_path / "none.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(SimpostError, match="no text"):
        load_config(tmp_path / "binary.yaml")


def test_file_wins_over_preset_and_preset_over_default():
    config = resolve({**MINIMAL, "preset": "thesan_zoom", "maps": {"pixel": "0.5 kpc"}})
    assert config.maps.pixel == 0.5
    assert config.maps.width == 10.0
    assert config.emission.cmb is False


def test_hash_ignores_the_output_folder_and_the_threads_only():
    base = config_hash(resolve(MINIMAL))
    assert config_hash(resolve({**MINIMAL, "output": "elsewhere"})) == base
    assert config_hash(resolve({**MINIMAL, "workers": 7})) == base
    assert config_hash(resolve({**MINIMAL, "seed": 1})) != base


def test_presets_and_examples_are_valid():
    for name in preset_names():
        resolve({**MINIMAL, "preset": name})
    examples = sorted((Path(__file__).parents[2] / "configs").glob("*.yaml"))
    assert examples
    others = {
        "cloudy_grid": load_cloudy_config,
        "shen2025": load_analysis,
        "shen2025_synthetic": load_analysis,
    }
    for path in examples:
        others.get(path.stem, load_config)(path)


def test_the_whole_configuration_of_an_analysis_is_itself_valid(tmp_path):
    configs = Path(__file__).parents[2] / "configs"
    for name in ("shen2025", "shen2025_synthetic"):
        config = load_analysis(configs / f"{name}.yaml")
        path = tmp_path / "config.yaml"
        path.write_text(canonical_yaml(config))
        assert config_hash(load_analysis(path)) == config_hash(config)
