"""Columns of gas along the axes of the real RAMSES sample, beside yt's projection of the same leaves."""

import numpy as np
import pytest

from simpost.maps.deposit import Depositor
from simpost.maps.view import View
from simpost.snapshots.open import open_snapshot
from simpost.snapshots.regions import whole_box
from simpost.snapshots.samples import resolve_sample

AXES = {"x": 0, "y": 1, "z": 2}
WINDOW = 1.0 / 16  # of the box, around its densest leaf


@pytest.fixture(scope="module")
def leaves():
    snapshot = open_snapshot("sample:ramses-zoom")
    box = whole_box(snapshot.info.box_size)
    chunks = list(snapshot.gas_chunks(box, ("position", "size", "mass", "density")))
    columns = {name: np.concatenate([chunk[name] for chunk in chunks]) for name in chunks[0]}
    return columns | {"box": snapshot.info.box_size, "corner": np.asarray(box.centre)}


@pytest.fixture(scope="module")
def dataset():
    import yt

    yt.set_log_level(50)
    return yt.load(str(resolve_sample("sample:ramses-zoom")), default_species_fields=None)


@pytest.mark.parametrize("name", AXES)
@pytest.mark.parametrize("n_pixels", [128, 100])
def test_columns_are_those_of_yt_to_round_off(leaves, dataset, name, n_pixels):
    box, width = leaves["box"], leaves["box"] * WINDOW
    peak = (leaves["position"][np.argmax(leaves["density"])] + leaves["corner"]) / box
    centre = (np.floor(peak / WINDOW * 4) / 4 + 0.125) * WINDOW  # of the box
    view = View(name, *_axes(name), width=width, depth=4 * box, pixel=width / n_pixels)
    depositor = Depositor(view, ["gas"])
    position = leaves["position"] + leaves["corner"] - centre * box
    depositor.add_leaves(position, leaves["size"], {"gas": leaves["mass"]})
    ours = depositor.finish()["gas"].values

    projection = dataset.proj(("gas", "density"), AXES[name])
    image = projection.to_frb(
        (width / box, "code_length"), n_pixels, center=dataset.arr(centre, "code_length"), periodic=False
    )
    theirs = np.asarray(image[("gas", "density")].to("g/cm**2"))
    ratio = ours / theirs
    # one factor of units and constants, the same for every pixel
    np.testing.assert_allclose(ratio / np.median(ratio), 1.0, rtol=0, atol=1e-11)
    np.testing.assert_allclose(np.median(ratio), (3.0856775814913673e21) ** 2 / 1.98847e33, rtol=2e-4)


def _axes(name):
    toward, up = np.zeros(3), np.zeros(3)
    toward[AXES[name]] = 1.0
    up[(AXES[name] + 2) % 3] = 1.0
    return tuple(toward), tuple(up)
