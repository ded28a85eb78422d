import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simpost.core.errors import InputError
from simpost.snapshots.columns import Columns, concatenate
from simpost.snapshots.regions import Cube, Sphere, offset_from, whole_box


def columns(n=4):
    return Columns(
        {"mass": np.arange(1.0, n + 1), "density": np.ones(n)}, {"mass": "read: a", "density": "read: b"}
    )


def test_columns_keep_rows_together():
    part = columns().select(np.array([True, False, True, False]))
    assert part["mass"].tolist() == [1.0, 3.0] and part.size == 2
    joined = concatenate([part, columns()])
    assert joined["mass"].tolist() == [1.0, 3.0, 1.0, 2.0, 3.0, 4.0]
    assert joined.origin["mass"] == "read: a"
    assert str(columns().quantity("mass").units) == "Msun"


def test_unknown_missing_and_uneven_columns_are_refused():
    with pytest.raises(InputError, match="did you mean 'density'"):
        Columns({"densty": np.ones(3)}, {"densty": "read"})
    with pytest.raises(InputError, match="not in this snapshot"):
        columns()["temperature"]
    with pytest.raises(InputError, match=r"lengths \[2, 3\]"):
        Columns({"mass": np.ones(2), "density": np.ones(3)}, {"mass": "read: a", "density": "read: b"})


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, -1.0])
def test_bad_numbers_name_their_column(bad):
    damaged = columns().with_columns({"mass": np.array([1.0, bad, 2.0, 3.0])}, {"mass": "read: Masses"})
    with pytest.raises(InputError, match=r"column 'mass' \(read: Masses\): found 1 impossible value"):
        damaged.check("snap")


coordinate = st.floats(-50.0, 50.0)


@given(st.tuples(coordinate, coordinate, coordinate), st.floats(0.1, 20.0), st.floats(0.0, 10.0))
def test_sphere_overlap_equals_dense_sampling_of_the_cube(place, radius, size):
    """The nearest point of a cube to the centre decides: compare with a grid of points in it."""
    offset = np.array([place])
    region = Sphere((0.0, 0.0, 0.0), radius)
    ticks = np.linspace(-0.5, 0.5, 9) * size
    points = np.stack(np.meshgrid(ticks, ticks, ticks), axis=-1).reshape(-1, 3) + offset
    nearest = np.linalg.norm(points, axis=1).min()
    found = bool(region.overlaps(offset, np.array([size]))[0])
    if nearest < radius - 1e-9:
        assert found
    if nearest > radius + size / 8 * np.sqrt(3.0) + 1e-9:
        assert not found


@given(st.tuples(coordinate, coordinate, coordinate), st.floats(1.0, 100.0))
def test_offsets_take_the_nearest_image(place, box):
    centre = (0.9 * box, 0.1 * box, 0.5 * box)
    offset = offset_from(np.array([place]), centre, box)[0]
    assert np.all(np.abs(offset) <= 0.5 * box * (1 + 1e-12))
    turns = (np.array(place) - centre - offset) / box
    np.testing.assert_allclose(turns, np.round(turns), atol=1e-9)


@pytest.mark.parametrize("extent", [0.0, -1.0, np.nan, np.inf])
def test_extents_must_be_lengths(extent):
    for make in (Sphere, Cube):
        with pytest.raises(InputError, match="a positive length"):
            make((0.0, 0.0, 0.0), extent)


def test_whole_box_holds_everything():
    box = whole_box(10.0)
    assert box.overlaps(np.array([[4.9, -4.9, 0.0]])).all()
    assert box.padded(3.0) == box
