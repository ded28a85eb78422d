import json
from pathlib import Path

import h5py
import pytest

from simpost.config.load import InvalidConfigError
from simpost.core.errors import InputError
from simpost.emission.cloudy.decks import (
    CONFIG_NAME,
    DECKS,
    Node,
    deck_of,
    grid_nodes,
    physics_of,
    write_decks,
)
from simpost.emission.cloudy.releases import RELEASES, cloudy_label, find_column, species_of
from simpost.emission.cloudy.settings import CloudyGridConfig, load_cloudy_config
from simpost.emission.lines import CII, LINES

REAL_COLUMNS = {"first": 16.0, "last": 22.0, "step": 0.5}


def test_default_grid_is_that_of_v25():
    nodes = list(grid_nodes(CloudyGridConfig()))
    assert len(nodes) == 17 * 8 * 12 * 2
    assert len({node.name for node in nodes}) == len(nodes)
    assert nodes[0] == Node("non_ionising", -2.0, -3.0, -1.0)
    assert nodes[-1] == Node("ionising", 6.0, 0.5, 4.5)
    assert len(CloudyGridConfig().log_column) == 65


def test_physics_is_that_of_every_real_deck(models):
    """All commands but title, save prefix and saves, of every model of z = 0 that really ran."""
    config = CloudyGridConfig(log_column=REAL_COLUMNS)
    with h5py.File(models / "cloudy17_slabs.h5") as file:
        attributes = [dict(group.attrs) for group in file.values() if group.attrs["z_cmb"] == 0]
    assert len(attributes) == 219
    for attrs in attributes:
        variant = {"fuv": "non_ionising", "star": "ionising"}[attrs["sed"]]
        log_z = {0.03: -1.5228787, 0.1: -1.0, 0.3: -0.5228787, 1.0: 0.0, 2.0: 0.30103}[float(attrs["Z"])]
        node = Node(variant, float(attrs["log_nH"]), log_z, float(attrs["log_G0_habing"]))
        deck = attrs["deck"].splitlines()
        saves = next(i for i, line in enumerate(deck) if line.startswith("save "))
        real = [line for line in deck[1:saves] if not line.startswith("set save prefix")]
        assert sorted(physics_of(node, config)) == sorted(real)


def test_deck_is_read_to_its_end_and_saves_under_its_prefix():
    config = CloudyGridConfig(lines=[CII, "OI-63um"], iterations=2, cloudy_version="17")
    lines = deck_of(Node("ionising", 2.0, 0.0, 2.0), config).splitlines()
    assert all(line.strip() for line in lines)
    first_save = next(i for i, line in enumerate(lines) if line.startswith("save "))
    assert lines[first_save - 1] == 'set save prefix "ionising_n+2.000_z+0.000_g+2.000"'
    assert lines.count("end of lines") == 2
    assert lines.count("C  2 157.636m") == 2
    assert "iterate 2" in lines and not any("extinguish" in line for line in lines)
    assert "set nend 5000" in lines  # to 1e24


def test_non_ionising_field_is_cut_at_the_lyman_limit():
    config = CloudyGridConfig(spectra={"non_ionising": 'table SED "burst.sed"'})
    commands = physics_of(Node("non_ionising", 0.0, -3.0, -1.0), config)
    assert commands[:3] == [
        'table SED "burst.sed"',
        "intensity -3.7959, range 0.4411 to 0.99 Ryd",
        "extinguish column = 24",
    ]
    assert "metals 0.001 linear" in commands


@pytest.mark.parametrize(
    ("release", "carbon", "nitrogen", "cumulative"),
    [
        ("10", "C  2 157.6m", "N  2 121.7m", "save lines, cumulative"),
        ("13", "C  2 157.6m", "N  2 121.7m", "save lines, cumulative"),
        ("17", "C  2 157.636m", "N  2 121.767m", "save lines, zone cumulative"),
        ("23", "C  2 157.636m", "N  2 121.769m", "save lines, zone cumulative"),
    ],
)
def test_words_of_releases(release, carbon, nitrogen, cumulative):
    config = CloudyGridConfig(cloudy_version=release, lines=[CII, "NII-122um"])
    deck = deck_of(next(grid_nodes(config)), config)
    assert f"\n{carbon}\n{nitrogen}\nend of lines\n" in deck
    assert f'\n{cumulative} ".cum" last\n' in deck


def test_every_label_is_found_again_as_a_header():
    """Headers write elements of two letters in upper case."""
    for release in RELEASES.values():
        headers = [label.upper()[:4] + label[4:] for label in release.labels.values()]
        for line in release.labels:
            assert find_column(line, headers) == release.labels[line].upper()[:4] + release.labels[line][4:]


def test_every_line_of_simpost_has_a_label_in_release_17():
    assert {line for line in LINES if line not in RELEASES["17"].labels} == {"CO-8-7"}
    assert [species_of(line) for line in (CII, "OIII-88um", "SiII-35um", "CO-1-0")] == [
        "C 2",
        "O 3",
        "SI 2",
        "CO",
    ]


def test_header_of_another_species_or_wavelength_is_not_taken():
    headers = ["depth", "C  1 157.636m", "C  2 158.100m", "^13CO 2719.67m", "HE 2 1640.41A", "C  2 1335.66A"]
    with pytest.raises(InputError, match="no column"):
        find_column(CII, headers)
    with pytest.raises(InputError, match="2 columns"):
        find_column(CII, ["C  2 157.636m", "C  2 157.6m"])
    assert find_column(CII, [*headers, "c  2 157.679m vacuum"]) == "c  2 157.679m vacuum"


def test_label_nobody_knows_is_asked_for():
    with pytest.raises(InputError, match=r"CI-609um.*Cloudy 13.*labels"):
        cloudy_label("CI-609um", "13", {})
    config = CloudyGridConfig(
        cloudy_version="13", lines=[CII, "CI-609um"], labels={"CI-609um": "C  1 609.2m"}
    )
    assert "\nC  1 609.2m\n" in deck_of(next(grid_nodes(config)), config)


def test_decks_and_configuration_come_back(config, tmp_path):
    folder = tmp_path / "grid"
    assert write_decks(config, folder) == 12
    assert load_cloudy_config(folder / CONFIG_NAME) == config
    for node in grid_nodes(config):
        assert (folder / DECKS / f"{node.name}.in").read_text() == deck_of(node, config)
    with pytest.raises(InputError, match="new or empty folder"):
        write_decks(config, folder)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"log_m": [0, 1]}, "log_m: found an unknown key"),
        ({"log_n": [2, 1]}, "expected ascending nodes"),
        ({"log_n": [100, 1000]}, "expected -6 to 12"),
        ({"log_n": {"first": 0, "last": 1, "step": 0.3}}, "whole number of steps"),
        ({"log_n": {"first": 0, "last": 1}}, "first, last and step"),
        ({"log_n": [1]}, "at least 2 items"),
        ({"lines": ["OI-63um"]}, "CII-158um among them"),
        ({"lines": [CII, "HI-21cm"]}, "HI-21cm"),
        ({"spectra": {"ionising": "blackbody 4e4\n\nsphere"}}, "one Cloudy command in one line"),
        ({"spectra": {"soft": "blackbody 4e4"}}, "'non_ionising' or 'ionising'"),
        ({"commands": [""]}, "one Cloudy command in one line"),
        ({"labels": {"CI-608um": "C  1 609.2m"}}, "CI-608um"),
        ({"cloudy_version": "07"}, "'10', '13'"),
        ({"abundances": 'a" no grains\nstop'}, "abundances"),
    ],
)
def test_bad_configuration_is_one_clear_line(content, words, tmp_path):
    path = tmp_path / "grid.yaml"
    path.write_text(json.dumps(content))
    with pytest.raises(InvalidConfigError) as raised:
        load_cloudy_config(path)
    assert words in str(raised.value) and "\n" not in str(raised.value)


def test_example_configuration_shows_the_defaults():
    example = Path(__file__).resolve().parents[3] / "configs" / "cloudy_grid.yaml"
    assert load_cloudy_config(example) == CloudyGridConfig()
