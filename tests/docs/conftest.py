"""A folder in which the documented Python runs: configurations, and the results of one small run."""

import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # pages

from pages import ROOT, blocks

DOCUMENTED = "ramses-zoom_peak-0"  # the galaxy that the pages read


@pytest.fixture(scope="session")
def workshop(tmp_path_factory):
    """The run of how-to/synthetic-snapshots.md, its results under the names of the tutorial."""
    from simpost import load_config, run
    from simpost.snapshots.synthetic import make_sample

    folder = tmp_path_factory.mktemp("docs")
    shutil.copytree(ROOT / "configs", folder / "configs")
    snapshot = make_sample("ramses", folder / "synthetic" / "ramses").parent
    (page,) = [block for block in blocks("yaml") if block.page.endswith("synthetic-snapshots.md")]
    results = folder / "results" / "quickstart"
    text = page.text.replace("synthetic/ramses/output_00001", str(snapshot))
    config = folder / "synthetic.yaml"
    config.write_text(text.replace("results/synthetic", str(results)))
    result = run(load_config(config))
    assert not result.failures
    result.paths[0].rename(results / DOCUMENTED)
    return folder
