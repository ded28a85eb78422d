import pytest

from simpost.emission.grid import load_grid


@pytest.fixture(scope="session")
def slab_grid():
    return load_grid("slab")
