"""Every configuration the pages show is valid, and the tutorial shows the one that is run."""

import pytest
from pages import ROOT, blocks

from simpost.config import config_hash, load_config
from simpost.config.analyses import load_analysis

CONFIGURATIONS = blocks("yaml")


@pytest.mark.parametrize("block", CONFIGURATIONS, ids=lambda block: block.name)
def test_configuration_is_valid(block, tmp_path):
    path = tmp_path / "shown.yaml"
    path.write_text(block.text, encoding="utf-8")
    if "analysis:" in block.text:
        assert load_analysis(path).runs
    else:
        assert load_config(path).snapshots


def test_tutorial_shows_the_quickstart(tmp_path):
    (block,) = [block for block in CONFIGURATIONS if block.page.endswith("quickstart.md")]
    path = tmp_path / "shown.yaml"
    path.write_text(block.text, encoding="utf-8")
    shown, real = load_config(path), load_config(ROOT / "configs" / "quickstart.yaml")
    assert config_hash(shown) == config_hash(real)
    assert shown.output == real.output
