"""What a product says was done to cells beyond the line grid is what the grid prescribes."""

import dataclasses

import pytest

from simpost.config import resolve
from simpost.emission.axes import REFUSE
from simpost.emission.density_pdf import average_over_pdf
from simpost.emission.grid import load_grid
from simpost.emission.lines import CII
from simpost.emission.luminosity import FLAGS
from simpost.ism.recipes import choose_recipes
from simpost.pipeline.treatments import treatments
from simpost.snapshots.open import open_snapshot

EOS = "cold_neutral where SFR > 0 (effective equation of state)"


@pytest.fixture(scope="module")
def recipes():
    return choose_recipes(open_snapshot("sample:arepo-box").info, resolve({"snapshots": ["-"]}).ism)


@pytest.fixture(scope="module")
def table():
    return average_over_pdf(load_grid("slab"), CII, "none")


def test_ends_of_the_packaged_grid(table, recipes):
    found = treatments(table, recipes)
    assert found == {
        "density_low": "extrapolated, slope +1",
        "density_high": "clamped",
        "metallicity_low": "extrapolated, slope +1",
        "metallicity_high": "clamped",
        "field_low": "clamped",
        "field_high": "clamped",
        "column_low": "clamped",
        "column_high": "extrapolated, slope -1",
        "mach_high": "clamped",
        "pdf_outside": "below extrapolated, slope +1; above clamped",
        "effective_equation_of_state": EOS,
    }
    assert set(FLAGS[:9]) < set(found)


def test_ends_are_those_of_the_grid(table, recipes):
    ends = {"log_n": (0.5, REFUSE), "log_z": (0.0, 2.0), "log_g0": (-0.25, 0.0), "log_column": (0.0, REFUSE)}
    axes = {
        name: axis._replace(below=ends[name][0], above=ends[name][1]) for name, axis in table.axes.items()
    }
    found = treatments(dataclasses.replace(table, axes=axes), recipes)
    assert found["density_low"] == "extrapolated, slope +0.5"
    assert found["density_high"] == found["column_high"] == "refused"
    assert found["metallicity_low"] == "clamped"
    assert found["metallicity_high"] == "extrapolated, slope +2"
    assert found["field_low"] == "extrapolated, slope -0.25"
    # no cell lies there, but the tails of the sub-grid distribution of others do
    assert found["pdf_outside"] == "below extrapolated, slope +0.5; above clamped"


def test_without_a_line_there_is_nothing_beyond(recipes):
    assert treatments(None, recipes) == {"effective_equation_of_state": EOS}
    none = dataclasses.replace(recipes, origins={})
    assert treatments(None, none) == {"effective_equation_of_state": ""}
