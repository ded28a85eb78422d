import pytest

from simpost.emission.density_pdf import average_over_pdf
from simpost.emission.grid import load_grid
from simpost.emission.lines import CII


@pytest.fixture(scope="session")
def slab_grid():
    return load_grid("slab")


@pytest.fixture(scope="session")
def average():
    """`average_over_pdf` of [CII], each set of options made once."""
    made = {}

    def get(grid, pdf="mass", **options):
        key = (grid.checksum, pdf, *sorted(options.items()))
        if key not in made:
            made[key] = average_over_pdf(grid, CII, pdf, **options)
        return made[key]

    return get
