"""`import simpost` and `simpost --help` stay light."""

import subprocess
import sys
import time

HEAVY = ("yt", "swiftsimio", "astropy", "matplotlib", "dask", "numba", "unyt", "scipy")


def _loaded(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(' '.join(m for m in {HEAVY!r} if m in sys.modules))"
    return set(
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.split()
    )


def test_import_loads_no_heavy_package():
    assert _loaded("import simpost") == set()


def test_configuration_needs_no_heavy_package():
    assert _loaded("from simpost.config import load_config, preset_names; preset_names()") == set()


def test_help_is_quick():
    command = [sys.executable, "-m", "simpost", "--help"]
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        result = subprocess.run(command, capture_output=True, text=True, check=True)
        seconds.append(time.perf_counter() - start)
    assert "inspect" in result.stdout
    assert min(seconds) < 0.5


def test_public_names_exist():
    import simpost

    for name in simpost.__all__:
        assert getattr(simpost, name) is not None
