import numpy as np
import pytest

from simpost.pipeline.tally import Tally


def test_shares_do_not_depend_on_chunks():
    draw = np.random.default_rng(1)
    mass, luminosity, mark, share = draw.random((4, 100))
    marks = {"mark": mark > 0.7, "share": share}
    whole, parts = Tally(), Tally()
    whole.add(mass, luminosity, marks)
    for rows in np.array_split(np.arange(100), 7):
        parts.add(mass[rows], luminosity[rows], {name: values[rows] for name, values in marks.items()})
    for name, coverage in whole.coverage().items():
        assert parts.coverage()[name].share_of_luminosity == pytest.approx(
            coverage.share_of_luminosity, rel=1e-12
        )
    found = whole.coverage()["mark"]
    assert found.share_of_cells == pytest.approx(np.mean(mark > 0.7))
    assert found.share_of_mass == pytest.approx(mass[mark > 0.7].sum() / mass.sum())
    assert whole.coverage()["share"].share_of_luminosity == pytest.approx(
        share @ luminosity / luminosity.sum()
    )


def test_a_dark_galaxy_has_no_share_of_light():
    tally = Tally()
    tally.add(np.ones(3), np.zeros(3), {"mark": np.array([True, False, False])})
    assert np.isnan(tally.coverage()["mark"].share_of_luminosity)
    assert tally.coverage()["mark"].share_of_mass == pytest.approx(1 / 3)
