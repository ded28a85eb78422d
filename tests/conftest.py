"""Fixtures shared by all tests: reference numbers, samples, and third-party data where present."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

REFERENCE = Path(__file__).parent / "reference"
SHARED = Path(os.environ.get("SIMPOST_TEST_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
YT_MSUN = 1.98841586e33  # g, yt's solar mass, in which the reference masses are given

# the same examples on every machine; HYPOTHESIS_PROFILE=default looks for new ones
settings.register_profile("reproducible", derandomize=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "reproducible"))


def reference(name: str) -> dict[str, Any]:
    """Figures measured on a sample independently of simpost (yt and h5py alone)."""
    return json.loads((REFERENCE / f"{name}.json").read_text())


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Third-party data that the package does not ship; tests that need it are skipped without it."""
    if not SHARED.is_dir():
        pytest.skip(f"third-party data not found at {SHARED} (set SIMPOST_TEST_DATA)")
    return SHARED


@pytest.fixture
def sample_copy(tmp_path: Path):
    """A private, writable copy of a sample, to be damaged; returns the path to open."""
    from simpost.snapshots.samples import SAMPLES, resolve_sample

    def copy(name: str) -> Path:
        entry = resolve_sample(f"sample:{name}")
        depth = len(Path(SAMPLES[name].entry).parts)
        root = entry.parents[depth - 1]
        target = tmp_path / name
        shutil.copytree(root, target)
        for path in target.rglob("*"):
            path.chmod(0o755 if path.is_dir() else 0o644)
        return target / SAMPLES[name].entry

    return copy
