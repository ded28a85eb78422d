"""True Voronoi cells in a run: exact shares, whatever the margin; what is not known is said."""

import numpy as np
import pytest
from scipy.spatial import cKDTree

from simpost.config import resolve
from simpost.core.errors import InputError
from simpost.pipeline import true_cells
from simpost.pipeline.galaxy import map_galaxy
from simpost.pipeline.lighting import averaged_table, line_grid
from simpost.pipeline.run import run
from simpost.pipeline.selection import select_galaxies
from simpost.products import read_product
from simpost.snapshots.columns import concatenate
from simpost.snapshots.galaxies import galaxy_at
from simpost.snapshots.open import open_snapshot
from simpost.snapshots.regions import Cube, whole_box

OBLIQUE = {"line_of_sight": [1, 2, 3], "name": "oblique"}
CII = "CII-158um"
LINE = f"surface_brightness_{CII}"


def configuration(views=("z",), sample="arepo-box", **maps):
    return resolve(
        {
            "snapshots": [f"sample:{sample}"],
            "views": list(views),
            "maps": {"width": "5 kpc", "pixel": "0.5 kpc", "kernel": "voronoi", **maps},
            "ism": {"assumed_metallicity": 0.1},
            "emission": {"pdf": "none"},
        }
    )


def mapped(config, galaxy=None):
    snapshot = open_snapshot(config.snapshots[0])
    galaxy = galaxy or select_galaxies(snapshot, config.galaxies)[0][0]
    return map_galaxy(snapshot, galaxy, config, {}, lambda stage, share: None)


def on_map(result, view, quantity="gas"):
    (area,) = {v.pixel**2 for v in result.views if v.name == view}
    return result.gas[view][quantity].values.sum() * area


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    config = configuration(["z", OBLIQUE], "arepo-zoom", pixel="0.25 kpc")
    return run(config.model_copy(update={"output": str(tmp_path_factory.mktemp("true") / "out")}))


def test_product_of_a_run_says_how_it_was_made(made):
    assert made.failures == []
    product = read_product(made.paths[0] / "product.h5")
    for view in product.views.values():
        assert view.attributes["kernel"] == "voronoi"
        assert view.attributes["depositor"] == "true Voronoi cells"
        assert "support_over_r_cell" not in view.attributes
        assert view.attributes["n_cut_down"] == view.attributes["n_failed_cuts"] == 0
        assert 0.0 < view.attributes["rms_rescaling"] < 1e-4  # the generators of the run, its own cells
    assert not any("true Voronoi cells" in note for note in product.provenance["notes"])
    assert (made.paths[0] / "panel_oblique.png").is_file()


def test_every_map_closes_and_holds_the_totals(made):
    product = made.products[0]
    area = product.views["z"].attributes["pixel"] ** 2
    for name, view in product.views.items():
        for quantity, image in view.maps.items():
            assert abs(image.closure) < 1e-10 or "closure_reason" in image.attributes, (name, quantity)
        for quantity in ("surface_density_gas", "surface_density_neutral", LINE):
            assert not np.isnan(view.maps[quantity].closure)
    maps, galaxy = product.views["z"].maps, product.galaxy  # the cube of the totals, cut exactly
    totals = {
        "surface_density_gas": "M_gas",
        "surface_density_neutral": "M_neutral",
        "surface_density_sfr_instantaneous": "SFR_instantaneous",
        LINE: f"L_{CII}",
    }
    for quantity, total in totals.items():
        assert maps[quantity].values.sum() * area == pytest.approx(galaxy[total], rel=1e-10)


def test_gas_in_the_window_is_that_of_the_nearest_generators(made):
    """Slow twin: the density of the nearest generator at a million places of the cube."""
    snapshot, product = open_snapshot("sample:arepo-zoom"), made.products[0]
    centre = tuple(float(x) for x in product.galaxy["centre"])
    gas = concatenate(snapshot.gas_chunks(Cube(centre, 15.0), ("position", "density")))
    axis = (np.arange(100) + 0.5) * 0.05 - 2.5
    places = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1)
    density = gas["density"][cKDTree(gas["position"]).query(places)[1]]
    assert density.mean() * 5.0**3 == pytest.approx(product.galaxy["M_gas"], rel=2e-3)
    column = density.sum(axis=2).reshape(20, 5, 20, 5).mean(axis=(1, 3)).T * 0.05  # rows y, columns x
    image = product.views["z"].maps["surface_density_gas"].values
    assert np.abs(column - image).max() < 0.05 * image.max()
    assert np.median(np.abs(column / image - 1.0)) < 0.02


@pytest.mark.parametrize("views", [["z"], [OBLIQUE]])
def test_region_grows_until_cells_are_true(monkeypatch, views):
    """At the first margin outer cells lack neighbours; the maps do not depend on where it begins."""
    usual = mapped(configuration(views))
    monkeypatch.setattr(true_cells, "KERNEL_MARGIN", 15.0)
    wide = mapped(configuration(views))
    for quantity, image in usual.gas[usual.views[0].name].items():
        other = wide.gas[wide.views[0].name][quantity]
        # phases follow the light of star-forming gas, which is summed by a tree over all that is read
        exact = quantity in ("gas", "sfr_instantaneous")
        np.testing.assert_allclose(image.values, other.values, rtol=1e-9 if exact else 5e-3)
        assert usual.totals[quantity] == pytest.approx(wide.totals[quantity], rel=1e-12 if exact else 2e-3)
    assert not any("true Voronoi" in note for note in (*usual.notes, *wide.notes))


def test_cells_whose_neighbours_are_not_read_are_counted(monkeypatch):
    box_size = open_snapshot("sample:arepo-box").info.box_size
    monkeypatch.setattr(true_cells, "MOST_OF_BOX", 4.25 / box_size)
    result = mapped(configuration())
    true = [note for note in result.notes if note.startswith("true Voronoi cells: ")]
    assert len(true) == 2
    assert "cells (0." in true[0] and "of the gas) may have neighbours beyond 4.25 kpc, not read" in true[0]
    assert "lack neighbours or share their generator: cut down to their own volume" in true[1]
    assert result.deposits["z"]["n_cut_down"] > 0
    assert abs(result.gas["z"]["gas"].closure) < 1e-10
    assert on_map(result, "z") == pytest.approx(result.totals["gas"], rel=1e-3)  # cut down in another frame


def test_window_inside_one_cell_holds_its_density():
    snapshot = open_snapshot("sample:arepo-box")
    box = whole_box(snapshot.info.box_size)
    cells = next(snapshot.gas_chunks(box, ("position", "size", "density")))
    largest = int(np.argmax(cells["size"]))
    galaxy = galaxy_at(snapshot, cells["position"][largest] + np.asarray(box.centre), "inside")
    result = mapped(configuration(width="0.1 kpc", pixel="50 pc"), galaxy)
    assert result.n_cells == 1
    assert result.totals["gas"] == pytest.approx(cells["density"][largest] * 0.1**3, rel=1e-4)
    np.testing.assert_allclose(result.gas["z"]["gas"].values, cells["density"][largest] * 0.1, rtol=1e-4)


def test_parts_of_the_depth_add_up():
    """The totals stay those of the cube; a thin slab, cut exactly, holds its part of the map."""
    whole, thin = mapped(configuration(["x", "z"])), mapped(configuration(depth="1 kpc"))
    assert on_map(whole, "x") == pytest.approx(on_map(whole, "z"), rel=1e-10)
    deep = mapped(configuration(depth="9 kpc"))
    for result in (thin, deep):
        for quantity in ("gas", "sfr_instantaneous", "stars"):
            assert result.totals[quantity] == pytest.approx(whole.totals[quantity], rel=1e-12)
    assert np.all(thin.gas["z"]["gas"].values < whole.gas["z"]["gas"].values)
    assert np.all(deep.gas["z"]["gas"].values > whole.gas["z"]["gas"].values)


def test_octree_leaves_are_drawn_as_always_and_it_is_said():
    views = ["z", OBLIQUE]
    asked = mapped(configuration(views, "ramses-zoom"))
    usual = mapped(configuration(views, "ramses-zoom", kernel="s25"))
    for view in ("z", "oblique"):
        for quantity, image in usual.gas[view].items():
            np.testing.assert_array_equal(asked.gas[view][quantity].values, image.values)
        assert asked.deposits[view] == {
            "depositor": "exact overlap of leaves",
            "star_depositor": "points",
        }
    note = "maps.kernel voronoi: octree leaves are drawn as they are in any case"
    assert note in asked.notes and note not in usual.notes


def test_cells_beyond_the_memory_are_refused(monkeypatch):
    monkeypatch.setattr(true_cells, "BYTES_PER_CELL", 10**13)
    with pytest.raises(InputError, match=r"maps.kernel voronoi: found \d+ cells with \d+ quantities, 1 view"):
        mapped(configuration())


def test_place_without_cells_is_one_line():
    snapshot = open_snapshot("sample:arepo-zoom")
    place = galaxy_at(snapshot, np.full(3, 1.0), "nowhere")
    config = configuration(sample="arepo-zoom", width="1 pc", pixel="1 pc")
    with pytest.raises(InputError, match=r"no gas cell within 0\.0005 kpc of nowhere"):
        mapped(config, place)


@pytest.mark.parametrize(
    ("sample", "maps"),
    [
        ("arepo-box", {}),
        ("arepo-box", {"kernel": "s25", "cube": {"channel": "50 km/s", "channels": 8}}),
        ("ramses-zoom", {"kernel": "s25", "cube": {"channel": "50 km/s", "channels": 8}}),
    ],
)
def test_threads_change_nothing(sample, maps):
    results = []
    config = configuration(["x", "z", OBLIQUE], sample, **maps)
    snapshot = open_snapshot(config.snapshots[0])
    galaxy = select_galaxies(snapshot, config.galaxies)[0][0]
    grid, options = line_grid(config.emission), config.emission
    tables = {CII: averaged_table(grid, CII, options, snapshot.info.redshift)}
    for workers in (1, 3):
        with_threads = config.model_copy(update={"workers": workers})
        results.append(map_galaxy(snapshot, galaxy, with_threads, tables, lambda stage, share: None))
    one, many = results
    assert one.totals == many.totals and CII in one.totals
    assert one.deposits == many.deposits
    for images, others in ((one.gas, many.gas), (one.cubes, many.cubes)):
        assert images.keys() == others.keys()
        for view, of_view in images.items():
            for quantity, image in of_view.items():
                np.testing.assert_array_equal(others[view][quantity].values, image.values)
    assert ("cube" in maps) == bool(one.cubes)
