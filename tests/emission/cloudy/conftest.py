import json
import lzma
import shutil
import sys
from pathlib import Path

import pytest

from simpost.emission.cloudy.settings import CloudyGridConfig


@pytest.fixture(scope="session")
def models(shared_data):
    return shared_data / "cloudy" / "models"


@pytest.fixture(scope="session")
def real(models, tmp_path_factory):
    """Folder with the unpacked outputs of real models and of real failures."""
    folder = tmp_path_factory.mktemp("real")
    for path in (models / "raw").glob("*/*"):
        if path.suffix == ".xz":
            (folder / path.stem).write_bytes(lzma.decompress(path.read_bytes()))
        else:
            shutil.copy(path, folder)
    for path in (models / "failed_examples").iterdir():
        shutil.copy(path, folder)
    return folder


@pytest.fixture
def fake(real, tmp_path):
    """A Cloudy that replays real outputs; `fake(modes)` returns its path."""
    home = tmp_path / "fake cloudy"
    home.mkdir()
    (home / "real").symlink_to(real)
    executable = home / "cloudy.exe"
    executable.write_text(
        f"#!{sys.executable}\n" + Path(__file__).with_name("fake_cloudy.py").read_text(), encoding="utf-8"
    )
    executable.chmod(0o755)

    def with_modes(modes=None):
        (home / "modes.json").write_text(json.dumps(modes or {}))
        return str(executable)

    with_modes()
    with_modes.runs = lambda: (home / "runs.log").read_text().split() if (home / "runs.log").exists() else []
    return with_modes


@pytest.fixture
def config():
    """Three densities, two metallicities, two fields, one spectrum: two of the twelve models are real."""
    return CloudyGridConfig(
        log_n=[1.0, 2.0, 3.0],
        log_z=[-1.0, 0.0],
        log_g0=[2.0, 3.0],
        log_column={"first": 17.0, "last": 22.0, "step": 0.5},
        spectra={"non_ionising": "blackbody 30000"},
    )
