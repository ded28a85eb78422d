import shutil

import numpy as np
import pytest
from click.testing import CliRunner

from simpost.cli import cloudy as cli
from simpost.config import canonical_yaml
from simpost.core.errors import InputError
from simpost.emission.cloudy import assemble as module
from simpost.emission.cloudy.assemble import IncompleteGridError, assemble, survey
from simpost.emission.cloudy.decks import grid_nodes, write_decks
from simpost.emission.cloudy.outputs import read_slab
from simpost.emission.cloudy.runner import DEFAULT_TIMEOUT, MODELS, run_grid
from simpost.emission.grid import FLOOR, read_grid
from simpost.emission.lines import CII

FUV_1 = "fuv_n+2.0_Z1_G+2.0_z0"
STAR_1 = "star_n+2.0_Z1_G+2.0_z0"


@pytest.fixture
def names(config):
    return [node.name for node in grid_nodes(config)]


@pytest.fixture
def ran(config, tmp_path, fake):
    """A folder of models; `ran(modes)` runs them."""

    def run(modes=None, other=config):
        write_decks(other, tmp_path / "grid")
        run_grid(tmp_path / "grid", fake(modes), workers=4, timeout=3.0)
        return tmp_path / "grid"

    return run


def test_grid_holds_the_real_models_at_their_nodes(ran, real, config):
    folder = ran()
    grid = assemble(survey(folder))
    slab = read_slab(real, FUV_1, config.lines, [])
    assert list(grid.axes) == ["log_n", "log_z", "log_g0", "log_column"]
    assert grid.variants == ("non_ionising",) and grid.shape == (1, 3, 2, 2, 11)
    assert (grid.code, grid.version, grid.cmb_in_grid) == ("Cloudy", "17.02", False)
    assert grid.abundances["C"] == pytest.approx(2.51e-4) and grid.abundances["He"] == pytest.approx(0.098)
    at = (0, 1, 1, 0)  # n = 100, Z = 1, G0 = 100
    column = 10.0 ** grid.nodes("log_column")
    edges = np.concatenate([[0.0], slab.column])
    for line in config.lines:
        flux = np.interp(column, edges, np.concatenate([[0.0], slab.flux[line]]))
        expected = np.log10(np.maximum(flux / column, 10.0**FLOOR))
        np.testing.assert_allclose(grid.line(line)[at], expected, atol=2e-5)
    # -3.384 and -4.621 of the published comparison, there emergent, which is 0.0005 dex lower
    assert grid.line(CII)[at][-1] + 22.0 == pytest.approx(-3.3834, abs=2e-4)
    assert grid.line(CII)[at][6] + 20.0 == pytest.approx(-4.621, abs=6e-4)
    assert grid.line("OIII-88um")[at][0] == FLOOR
    assert grid.t_cii is not None and grid.c_cii is not None
    assert slab.temperature.min() < grid.t_cii[at][-1] < grid.t_cii[at][0] < slab.temperature.max()
    assert 7e-10 < grid.c_cii[at][0] < 1.1e-9  # 7.6e-10 for H at 100 K, and 7e-4 electrons
    text = " ".join(grid.notes)
    assert "blackbody 30000" in text and "ISM.abn" in text and "Filled" not in text


def test_no_cell_exceeds_the_ceiling_of_the_two_level_ion(ran):
    grid = assemble(survey(ran()))
    ceiling = np.log10(10.0 ** grid.nodes("log_z") * grid.abundances["C"] * 1.92e-20)
    assert (grid.line(CII) < ceiling[None, None, :, None, None]).all()


def test_flux_does_not_fall_with_column(ran):
    grid = assemble(survey(ran()))
    for table in grid.emission.values():
        assert (np.diff(table + grid.nodes("log_column"), axis=-1) > -1e-5).all()


def test_both_spectra_in_the_order_of_the_grid(ran, real, config):
    spectra = {"ionising": "blackbody 40000", "non_ionising": "blackbody 30000"}
    grid = assemble(survey(ran(other=config.model_copy(update={"spectra": spectra, "log_n": [2.0, 3.0]}))))
    assert grid.variants == ("non_ionising", "ionising") and grid.shape == (2, 2, 2, 2, 11)
    for variant, name in enumerate((FUV_1, STAR_1)):
        slab = read_slab(real, name, [CII], [])
        flux = np.interp(1e20, np.concatenate([[0.0], slab.column]), np.concatenate([[0.0], slab.flux[CII]]))
        assert grid.line(CII)[variant, 0, 1, 0, 6] == pytest.approx(np.log10(flux / 1e20), abs=2e-5)
    assert (grid.line("OIII-88um")[1] > FLOOR).all() and (grid.line("OIII-88um")[0] == FLOOR).all()


def test_one_isolated_hole_is_filled_and_said(ran, names):
    folder = ran({names[5]: "crash"})  # n = 100, Z = 0.1, G0 = 1000
    found = survey(folder)
    grid = assemble(found, max_filled=0.1)
    assert found.filled == [names[5]]
    line = grid.line(CII)[0, :, 0, 1]
    np.testing.assert_allclose(line[1], 0.5 * (line[0] + line[2]), atol=1e-5)
    note = next(note for note in grid.notes if note.startswith("Filled"))
    assert "1 models, by log-linear interpolation" in note and names[5] in note


def test_more_holes_than_allowed_are_refused(ran, names):
    folder = ran({names[5]: "crash"})
    with pytest.raises(IncompleteGridError, match=r"1 of 12 models to be filled, above 0\.05"):
        assemble(survey(folder))


@pytest.mark.parametrize("holes", [(0,), (8,), (4, 8)])
def test_holes_at_an_end_or_side_by_side_are_refused_and_named(ran, names, holes):
    folder = ran({names[i]: "crash" for i in holes})
    with pytest.raises(IncompleteGridError) as raised:
        assemble(survey(folder), max_filled=1.0)
    assert [line.partition(":")[0] for line in raised.value.missing] == sorted(names[i] for i in holes)
    assert all("ended with an error" in line for line in raised.value.missing)


def test_weights_of_the_filling_follow_the_axis(ran, config):
    uneven = config.model_copy(update={"log_n": [1.0, 1.5, 3.0]})
    names = [node.name for node in grid_nodes(uneven)]
    found = survey(ran({names[4]: "crash"}, uneven))
    found.tables[CII][0, 2] += 1.0  # the models of all densities are one model here
    line = assemble(found, max_filled=0.1).line(CII)[0, :, 0, 0]
    np.testing.assert_allclose(line[1], 0.75 * line[0] + 0.25 * line[2], atol=1e-5)


def test_emission_is_not_interpolated_with_none(ran, names):
    found = survey(ran({names[4]: "crash"}))
    found.tables["OI-63um"][0, 0, 0, 0, 3] = FLOOR
    with pytest.raises(IncompleteGridError, match="1 nodes missing"):
        assemble(found, max_filled=0.1)


def test_short_slab_is_masked_beyond_its_end_not_extrapolated(ran, names):
    """It stops at log N = 21.2 for another reason than the column."""
    folder = ran({names[-1]: "short"})
    found = survey(folder)
    assert found.good == 12 and list(found.short) == [names[-1]]
    assert found.short[names[-1]].startswith("lowest Te reached at log N = 21.")
    with pytest.raises(IncompleteGridError) as raised:
        assemble(found)
    assert raised.value.missing == (f"{names[-1]}: {found.short[names[-1]]}",)
    cut = assemble(survey(folder, max_log_column=21.0))
    assert cut.nodes("log_column")[-1] == 21.0
    with pytest.raises(InputError, match="max_log_column"):
        survey(folder, max_log_column=17.0)


def test_models_of_two_versions_are_refused_and_counted(ran, names):
    folder = ran({names[0]: "minor version", names[1]: "minor version"})
    with pytest.raises(InputError, match=r"10 of Cloudy 17\.02, 2 of Cloudy 17\.03"):
        survey(folder)


def test_models_of_other_abundances_are_refused(ran, names):
    folder = ran({names[7]: "abundances"})
    with pytest.raises(InputError, match="other abundances") as raised:
        survey(folder)
    assert names[7] in str(raised.value)


def test_two_models_for_one_node_and_foreign_models_are_refused(ran, names):
    folder = ran()
    shutil.copytree(folder / MODELS / names[0], folder / MODELS / "copy" / names[0])
    with pytest.raises(InputError, match=f"two models for one node: .*{names[0][-5:]}"):
        survey(folder)
    shutil.rmtree(folder / MODELS / "copy")
    (folder / MODELS / "mine.out").write_text("")
    with pytest.raises(InputError, match="mine"):
        survey(folder)


def test_outputs_of_another_node_are_noticed(ran, names):
    """Outputs copied under another name: the echo of the deck tells."""
    folder = ran()
    for suffix in (".out", ".ovr", ".pdr", ".cum", ".ecm"):
        shutil.copy(
            folder / MODELS / names[0] / f"{names[0]}{suffix}",
            folder / MODELS / names[4] / f"{names[4]}{suffix}",
        )
    failures = survey(folder).failures
    assert [(failure.node.name, failure.reason.value) for failure in failures] == [
        (names[4], "made from another deck")
    ]


def test_folder_without_models(config, tmp_path):
    write_decks(config, tmp_path / "grid")
    with pytest.raises(InputError, match=r"no good model.*12 not run"):
        survey(tmp_path / "grid")


def _call(command, *arguments):
    return CliRunner().invoke(command, [str(argument) for argument in arguments], standalone_mode=False)


def test_command_line_from_deck_to_grid(config, fake, names, tmp_path):
    (tmp_path / "cloudy.yaml").write_text(canonical_yaml(config))
    decks = _call(cli.cloudy_decks, tmp_path / "cloudy.yaml", "--output", tmp_path / "grid")
    assert decks.exception is None and "12 decks" in decks.stdout
    run = _call(cli.run_cloudy, tmp_path / "grid", "--cloudy", fake({names[5]: "crash"}), "--workers", 3)
    assert run.return_value == 1 and "0 models were finished, 11 are new, 1 failed" in run.stdout
    assert f"error: {names[5]}: ended with an error" in run.stderr
    output = tmp_path / "my.h5"
    refused = _call(cli.from_cloudy, tmp_path / "grid", "--output", output)
    assert isinstance(refused.exception, IncompleteGridError) and not output.exists()
    assert (tmp_path / "my.h5.missing.txt").read_text().startswith(f"{names[5]}: ended with an error")
    filled = _call(cli.from_cloudy, tmp_path / "grid", "--output", output, "--max-filled", 0.1)
    assert "models: 12; good: 11, 1 ended with an error" in filled.stdout
    assert "filled between neighbours in density: 1" in filled.stdout
    assert f"failed: {names[5]}: ended with an error" in filled.stderr
    run = _call(cli.run_cloudy, tmp_path / "grid", "--cloudy", fake())
    assert run.return_value == 0 and "11 models were finished, 1 are new, 0 failed" in run.stdout
    whole = _call(cli.from_cloudy, tmp_path / "grid", "--output", output)
    assert whole.exception is None and read_grid(output).checksum in whole.stdout
    assert not (tmp_path / "my.h5.missing.txt").exists()


def test_defaults_of_the_command_line_are_those_of_the_functions():
    defaults = {
        option.name: option.default
        for command in (cli.run_cloudy, cli.from_cloudy)
        for option in command.params
    }
    assert defaults["timeout"] == DEFAULT_TIMEOUT
    assert defaults["max_filled"] == module.DEFAULT_MAX_FILLED
