"""Nothing but simpost's cache folder is left in the home directory, also from a read-only installation."""

import os
import subprocess
import sys
from pathlib import Path

CONFIG = """
snapshots: [sample:arepo-box]
views: [z]
maps: {width: 4 kpc, pixel: 400 pc}
emission: {pdf: none}
"""
READ_ONLY = """
import pathlib, simpost.core.files as files
package = pathlib.Path(files.__file__).parents[1]
real = files.is_writable_folder
files.is_writable_folder = lambda folder: package not in [folder, *folder.parents] and real(folder)
from simpost.cli.main import main
main(["run", "run.yaml"])
"""


def _run(tmp_path: Path, command: list[str], **extra: str) -> Path:
    home = tmp_path / "home"
    home.mkdir()
    (tmp_path / "run.yaml").write_text(CONFIG)
    dropped = ("SIMPOST_CACHE", "MPLCONFIGDIR", "NUMBA_CACHE_DIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME")
    environment = {name: value for name, value in os.environ.items() if name not in dropped}
    result = subprocess.run(
        command,
        cwd=tmp_path,
        env={**environment, "HOME": str(home), **extra},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "results/summary.ecsv").is_file()
    return home


def test_a_run_leaves_only_the_cache_folder(tmp_path):
    home = _run(tmp_path, [sys.executable, "-m", "simpost", "run", "run.yaml"])
    assert [str(p.relative_to(home)) for p in sorted(home.glob("*/*"))] == [".cache/simpost"]
    assert [p.name for p in home.iterdir()] == [".cache"]


def test_read_only_installation_compiles_into_the_cache_folder(tmp_path):
    home = _run(tmp_path, [sys.executable, "-c", READ_ONLY])
    assert list((home / ".cache/simpost/numba").rglob("*.nbc"))


def test_the_user_can_name_the_cache_folder(tmp_path):
    home = _run(
        tmp_path, [sys.executable, "-m", "simpost", "run", "run.yaml"], SIMPOST_CACHE=str(tmp_path / "c")
    )
    assert list(home.iterdir()) == []
    assert (tmp_path / "c/samples").is_dir()
