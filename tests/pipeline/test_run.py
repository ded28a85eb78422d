"""Runs on real samples: products that are whole, traceable and consistent; wrong input in one line."""

import json

import h5py
import numpy as np
import pytest

from simpost.config import resolve
from simpost.core.errors import SimpostError
from simpost.pipeline import run
from simpost.products import read_product
from simpost.products.schema import LINE_CII
from simpost.snapshots.paths import snapshot_labels


def configuration(tmp_path, **changes):
    raw = {
        "snapshots": ["sample:ramses-zoom", "sample:arepo-zoom"],
        "maps": {"width": "5 kpc", "pixel": "125 pc"},
        "ism": {"assumed_metallicity": 0.1},
        "emission": {"pdf": "none"},
        "output": str(tmp_path / "results"),
    }
    for key, value in changes.items():
        raw[key] = {**raw.get(key, {}), **value} if isinstance(value, dict) else value
    return resolve(raw)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    stages = []
    result = run(configuration(folder), lambda stage, share: stages.append((stage, share)))
    return folder, result, stages


def test_everything_is_written_and_reads_back(made):
    folder, result, _ = made
    assert result.failures == [] and len(result.products) == 2
    for path, product in zip(result.paths, result.products, strict=True):
        again = read_product(path / "product.h5")
        assert again.galaxy["id"] == product.galaxy["id"] == path.name
        assert sorted(p.name for p in path.iterdir()) == [
            "maps.fits", "panel_x.png", "panel_y.png", "panel_z.png", "product.h5"
        ]  # fmt: skip
    assert json.loads((folder / "results/summary.json").read_text())["rows"][0]["id"] == "ramses-zoom_peak-0"
    assert not list(folder.rglob(".*"))


def test_maps_close_and_agree_between_views(made):
    _, result, _ = made
    for product, limit in zip(result.products, (1e-10, 1e-3), strict=True):
        area = product.views["z"].attributes["pixel"] ** 2
        for view in product.views.values():
            for name, image in view.maps.items():
                if not name.startswith("mean_") and "closure_reason" not in image.attributes:
                    assert abs(image.closure) < limit, (name, image.closure)
        gas = [view.maps["surface_density_gas"].values.sum() * area for view in product.views.values()]
        # leaves: the same cube, cut exactly, whatever the view; kernels spread over its faces
        leaves = product.galaxy["code"] == "RAMSES-RT"
        np.testing.assert_allclose(gas, product.galaxy["M_gas"], rtol=1e-10 if leaves else 0.03)


def test_scalars_are_consistent(made):
    _, result, _ = made
    galaxy = result.products[0].galaxy
    luminosity = galaxy[f"L_{LINE_CII}"]
    assert galaxy["alpha_CII"] == pytest.approx(galaxy["M_gas"] / luminosity, rel=1e-12)
    assert galaxy["depletion_time_source"] == "SFR_10"
    assert galaxy["depletion_time"] == pytest.approx(galaxy["M_gas"] / galaxy["SFR_10"] / 1e6, rel=1e-12)
    assert 0 < galaxy["M_molecular"] <= galaxy["M_neutral"] <= galaxy["M_gas"]
    maps = result.products[0].views["z"].maps
    area = result.products[0].views["z"].attributes["pixel"] ** 2
    gas, line = maps["surface_density_gas"].values, maps[f"surface_brightness_{LINE_CII}"].values
    mean = maps["mean_habing_mass_weighted"].values
    assert np.nansum(gas * mean) / gas.sum() == pytest.approx(galaxy["mean_habing_mass_weighted"], rel=1e-10)
    assert line.sum() * area == pytest.approx(luminosity, rel=1e-10)


def test_galaxy_agrees_with_independent_figures(made):
    """Centre, R_200c, M_200c and star formation of the main galaxy, measured through yt alone."""
    from tests.conftest import reference

    _, result, _ = made
    galaxy, figures = result.products[0].galaxy, reference("ramses-zoom")["figures"]
    centre = np.array(figures["centre_unitary"]) * figures["box_proper_kpc"]
    assert np.linalg.norm(galaxy["centre"] - centre) < 0.1
    assert galaxy["R_200c"] == pytest.approx(figures["R200c_kpc"], rel=5e-3)
    assert galaxy["M_200c"] == pytest.approx(figures["M200c_Msun"], rel=1e-2)
    # the reference counts stars in 0.2 R_200c, the product those in the 5 kpc cube
    assert galaxy["SFR_10"] == pytest.approx(figures["galaxy_SFR_10Myr_Msun_yr"], rel=0.1)
    assert galaxy["SFR_10"] >= figures["galaxy_SFR_10Myr_Msun_yr"] * 0.999


def test_every_number_is_traceable(made):
    _, result, _ = made
    for product in result.products:
        columns = {row.column for row in product.fields}
        assert {"density", "temperature", "metallicity", "habing", "mach", "neutral_fraction"} <= columns
        by_column = {}
        for row in product.fields:
            by_column[row.column] = by_column.get(row.column, 0.0) + row.share_of_mass
        assert by_column == pytest.approx(dict.fromkeys(by_column, 1.0))
        assert product.provenance["snapshot"]["files"]
        assert product.galaxy["line_grid_checksum"]
    origins = {row.column: row.origin for row in result.products[1].fields}
    assert origins["metallicity"] == "derived: 0.1 Z_sun assumed (ism.assumed_metallicity)"
    overridden = [row for row in result.products[1].fields if row.origin.startswith("override")]
    assert {row.column for row in overridden} == {"temperature", "neutral_fraction"}
    assert all(0.5 < row.share_of_mass < 1 for row in overridden)


def test_what_was_done_beyond_the_grid_is_stored(made):
    """The product alone says it: nobody needs to read the grid again."""
    folder, _, _ = made
    for path in sorted((folder / "results").glob("*/product.h5")):
        product = read_product(path)
        assert product.coverage["density_low"].treatment == "extrapolated, slope +1"
        assert product.coverage["column_high"].treatment == "extrapolated, slope -1"
        assert product.coverage["dark"].treatment == ""
        assert product.galaxy["cmb"] and 0.0 < product.galaxy["cmb_floored"] < 0.1
        for view in product.views.values():
            assert view.attributes["star_depositor"] == "points"
            assert "star_smoothing" not in view.attributes
    of_eos = product_of(made, "arepo-zoom").coverage["effective_equation_of_state"].treatment
    assert of_eos == "cold_neutral where SFR > 0 (effective equation of state)"


def product_of(made, sample):
    (product,) = [product for product in made[1].products if product.galaxy["id"].startswith(sample)]
    return product


def test_progress_rises_to_one(made):
    _, _, stages = made
    shares = [share for _, share in stages]
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1.0)


def test_hydro_run_without_radiation_lights_cells_by_its_stars(tmp_path):
    result = run(configuration(tmp_path, snapshots=["sample:ramses-hydro"], views=["z"]))
    galaxy = result.products[0].galaxy
    assert galaxy["mean_habing_mass_weighted"] > 1.0
    assert galaxy[f"L_{LINE_CII}"] > 0
    origins = {row.column: row.origin for row in result.products[0].fields}
    assert "starlight" in origins["habing"]
    assert "no UV background" in origins["neutral_fraction"]


def test_a_galaxy_without_stars_is_an_empty_but_valid_product(sample_copy, tmp_path):
    folder = sample_copy("ramses-hydro")
    for path in folder.glob("part_*"):
        path.unlink()
    result = run(configuration(tmp_path, snapshots=[str(folder)], views=["z"]))
    product = read_product(result.paths[0] / "product.h5")
    assert product.galaxy["M_stars"] == 0.0
    assert np.isnan(product.galaxy["SFR_10"]) and product.galaxy["SFR_10_reason"]
    assert product.views["z"].maps["surface_density_stars"].values.max() == 0.0
    assert product.galaxy["M_gas"] > 0


def test_without_metals_there_is_no_line_and_it_says_so(tmp_path):
    config = configuration(
        tmp_path, snapshots=["sample:arepo-box"], views=["z"], ism={"assumed_metallicity": None}
    )
    product = run(config).products[0]
    assert np.isnan(product.galaxy[f"L_{LINE_CII}"]) and "no metals" in product.galaxy[f"L_{LINE_CII}_reason"]
    assert np.isnan(product.galaxy["alpha_CII"]) and product.galaxy["alpha_CII_reason"]
    assert f"surface_brightness_{LINE_CII}" not in product.views["z"].maps
    assert any("no metals" in note for note in product.provenance["notes"])


def test_a_damaged_snapshot_leaves_the_others_whole(sample_copy, tmp_path):
    folder = sample_copy("ramses-hydro")
    with (folder / "hydro_00007.out00001").open("r+b") as stream:
        stream.truncate(1000)
    config = configuration(tmp_path, snapshots=[str(folder), "sample:arepo-box"], views=["z"])
    result = run(config)
    assert len(result.products) == 1 and len(result.failures) == 1
    assert "hydro_00007.out00001" in result.failures[0]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"emission": {"grid": "slba"}}, "slba"),
        ({"emission": {"lines": ["CII-185um"]}}, "CII-185um"),
        ({"snapshots": ["/nowhere/output_*"]}, "no file or folder that matches"),
        ({"snapshots": ["sample:arepo-box", "sample:arepo-box"]}, "named twice"),
        ({"snapshots": ["/tmp/x/output_00001", "/tmp/x/./output_00001/info_00001.txt"]}, "named twice"),
        ({"snapshots": ["~nobody-here/output_00001"]}, "the path of a file"),
        ({"output": "a" * 400}, "the path of a file"),
        ({"output": "a\0b"}, "the path of a file"),
    ],
)
def test_wrong_configuration_is_refused_before_anything_is_written(tmp_path, changes, words):
    with pytest.raises(SimpostError, match=words):
        run(configuration(tmp_path, **changes))
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"maps": {"width": "2 Mpc", "pixel": "1 kpc"}}, "at most half the box"),
        ({"galaxies": {"finder": "catalogue"}, "snapshots": ["sample:ramses-hydro"]}, "no halo catalogue"),
        ({"galaxies": {"min_mass": "1e15 Msun"}, "snapshots": ["sample:arepo-box"]}, "no central halo"),
        ({"snapshots": ["/nowhere/output_00001"]}, "no such file"),
        ({"galaxies": {"finder": "peak", "min_mass": "1e15 Msun"}}, "at least 1e+15 Msun"),
        ({"galaxies": {"finder": "centres", "centres": [["9 Mpc", "1 kpc", "1 kpc"]]}}, "a place in the box"),
        ({"ism": {"sigma": "stored"}}, "no stored non-thermal energy"),
        (
            {
                "reader": {
                    "photon_groups": {
                        "low": ["6 eV"],
                        "high": ["inf eV"],
                        "mean_energy": ["8 eV"],
                        "light_speed_fraction": 0.01,
                    }
                }
            },
            "no PhotonDensity",
        ),
        ({"emission": {"refuse_outside": 0.0}, "snapshots": ["sample:arepo-box"]}, "outside the line table"),
    ],
)
def test_failures_are_one_line_each(tmp_path, changes, words):
    result = run(configuration(tmp_path, **{"snapshots": ["sample:arepo-box"], "views": ["z"], **changes}))
    assert result.products == []
    assert len(result.failures) == 1 and "\n" not in result.failures[0]
    assert words in result.failures[0]
    assert not (tmp_path / "results").exists()  # nothing claimed: a corrected configuration may follow


def test_results_of_another_configuration_are_not_touched(tmp_path):
    run(configuration(tmp_path, snapshots=["sample:arepo-box"], views=["z"]))
    before = {p: p.read_bytes() for p in (tmp_path / "results").rglob("*") if p.is_file()}
    with pytest.raises(SimpostError, match="results of another configuration"):
        run(configuration(tmp_path, snapshots=["sample:arepo-box"], views=["x"]))
    assert {p: p.read_bytes() for p in (tmp_path / "results").rglob("*") if p.is_file()} == before
    other = configuration(tmp_path, output=str(tmp_path))
    with pytest.raises(SimpostError, match="not simpost's"):
        run(other)


def test_results_of_other_snapshot_files_are_not_touched(tmp_path):
    """The same configuration may come to name another snapshot, through a link for example."""
    from simpost.snapshots.samples import resolve_sample

    link = tmp_path / "snap_006.hdf5"
    link.symlink_to(resolve_sample("sample:arepo-box"))
    config = configuration(tmp_path, snapshots=[str(link)], views=["z"], galaxies={"finder": "peak"})
    folder = run(config).paths[0]
    assert run(config).failures == []  # the same files: made again
    before = (folder / "product.h5").read_bytes()
    link.unlink()
    raw = bytearray(resolve_sample("sample:arepo-box").read_bytes())
    link.write_bytes(raw + b"\0")  # other bytes, still a readable file
    result = run(config)
    assert "other snapshot files" in result.failures[0]
    assert (folder / "product.h5").read_bytes() == before


def test_names_of_snapshots_are_unique():
    paths = ["/a/one/output_00007", "/a/two/output_00007/info_00007.txt", "sample:x", "/b/snap_001.0.hdf5"]
    assert snapshot_labels(paths) == ["one_output_00007", "two_output_00007", "x", "snap_001"]


def test_product_bytes_do_not_depend_on_chance(tmp_path):
    config = configuration(tmp_path, snapshots=["sample:arepo-box"], views=["z"])
    contents = []
    for _ in range(2):
        path = run(config).paths[0] / "product.h5"
        with h5py.File(path) as file:
            contents.append({name: file[f"views/z/maps/{name}"][()] for name in file["views/z/maps"]})
    for name in contents[0]:
        np.testing.assert_array_equal(contents[0][name], contents[1][name])


def test_scalars_and_coverage_do_not_depend_on_views_or_depth(tmp_path):
    """They belong to the cube of the maps' width, whichever views are drawn and however deep."""
    results = []
    for n, (views, depth) in enumerate([(["x"], "1 kpc"), (["z", "y"], "5 kpc")]):
        maps = {"width": "5 kpc", "pixel": "250 pc", "depth": depth}
        config = configuration(
            tmp_path, snapshots=["sample:ramses-zoom"], views=views, maps=maps, output=str(tmp_path / f"{n}")
        )
        results.append(run(config).products[0])
    one, other = results
    for name, value in one.galaxy.items():
        if isinstance(value, float) and np.isfinite(value):
            assert value == pytest.approx(other.galaxy[name], rel=1e-12), name
    for name, share in one.coverage.items():
        assert share.share_of_mass == pytest.approx(other.coverage[name].share_of_mass, rel=1e-9, abs=1e-15)


def test_fields_of_view_follow_the_haloes(tmp_path):
    """As S25: each galaxy with its own width, whole pixels near the wanted one; one without R_200c is named."""
    maps = {"width": "0.6 R_200c", "pixel": "0.5 kpc"}
    config = configuration(tmp_path, snapshots=["sample:arepo-zoom"], views=["z"], maps=maps)
    product = read_product(run(config).paths[0] / "product.h5")
    seen = product.views["z"].attributes
    assert seen["width"] == seen["depth"] == pytest.approx(0.6 * product.galaxy["R_200c"], rel=1e-12)
    n_pixels = round(seen["width"] / 0.5)
    assert product.views["z"].maps["surface_density_gas"].values.shape == (n_pixels, n_pixels)
    assert "width: 0.6 R_200c" in product.config
    place = {"finder": "centres", "centres": [["1 kpc", "1 kpc", "1 kpc"]]}
    void = configuration(
        tmp_path / "void", snapshots=["sample:arepo-zoom"], views=["z"], maps=maps, galaxies=place
    )
    assert run(void).failures == [
        "maps.width of centre-0: found 0.6 R_200c, and no R_200c, expected a halo; state the length in kpc"
    ]


def test_cells_far_outside_lend_their_kernels(tmp_path):
    """The corner of the map of a coarse box does not depend on how far cells are read."""
    from simpost.pipeline import deposits as stage

    config = configuration(tmp_path, snapshots=["sample:arepo-box"], views=["z"])
    usual = run(config).products[0].views["z"].maps["surface_density_gas"].values
    before = stage.KERNEL_MARGIN
    try:
        stage.KERNEL_MARGIN = 15.0
        wide = run(config).products[0].views["z"].maps["surface_density_gas"].values
    finally:
        stage.KERNEL_MARGIN = before
    np.testing.assert_allclose(usual, wide, rtol=2e-3)


def test_an_interrupted_galaxy_leaves_nothing(tmp_path, monkeypatch):
    import importlib

    module = importlib.import_module("simpost.pipeline.run")

    def stopped(product, path):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "write_fits", stopped)
    config = configuration(tmp_path, snapshots=["sample:arepo-box"], views=["z"])
    with pytest.raises(KeyboardInterrupt):
        run(config)
    assert [p.name for p in (tmp_path / "results").rglob("*")] == ["config.yaml"]


def test_effective_equation_of_state_is_never_lost_silently(sample_copy, tmp_path):
    path = sample_copy("arepo-box")
    with h5py.File(path, "r+") as file:
        del file["PartType0/StarFormationRate"]
    config = configuration(tmp_path, snapshots=[str(path)], views=["z"])
    product = run(config).products[0]
    assert np.isnan(product.galaxy[f"L_{LINE_CII}"])
    assert "effective equation of state" in product.galaxy[f"L_{LINE_CII}_reason"]
    with h5py.File(path, "r+") as file:
        del file["Parameters"]
    result = run(configuration(tmp_path, snapshots=[str(path)], views=["z"]))
    assert "effective_equation_of_state" in result.failures[0]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("NeutralHydrogenAbundance", 7.0),
        ("ElectronAbundance", 500.0),
        ("StarFormationRate", -1.0),
        ("InternalEnergy", -5.0),
    ],
)
def test_impossible_values_name_their_field(sample_copy, tmp_path, field, value):
    path = sample_copy("arepo-box")
    with h5py.File(path, "r+") as file:
        values = file["PartType0"][field]
        values[...] = np.full(values.shape, value)
    result = run(configuration(tmp_path, snapshots=[str(path)], views=["z"]))
    assert result.products == []
    assert field in result.failures[0] and "impossible" in result.failures[0]


def test_a_region_without_cells_is_one_line(sample_copy, tmp_path):
    """A cut-out has places without gas: here all cells are made tiny, so that there are gaps."""
    path = sample_copy("arepo-box")
    with h5py.File(path, "r+") as file:
        file["PartType0/Density"][...] = file["PartType0/Density"][()] * 1e9
    place = {"finder": "centres", "centres": [["12 kpc", "5 kpc", "9 kpc"]]}
    maps = {"width": "100 pc", "pixel": "50 pc"}
    result = run(configuration(tmp_path, snapshots=[str(path)], views=["z"], galaxies=place, maps=maps))
    assert result.products == []
    assert "no gas cell within 0.05 kpc" in result.failures[0] and "\n" not in result.failures[0]


def test_a_window_inside_one_voronoi_cell_holds_its_density(tmp_path):
    from simpost.snapshots.open import open_snapshot
    from simpost.snapshots.regions import whole_box

    snapshot = open_snapshot("sample:arepo-box")
    box = whole_box(snapshot.info.box_size)
    chunk = next(snapshot.gas_chunks(box))
    cell = int(np.argmax(chunk["size"]))
    centre = chunk["position"][cell] + np.asarray(box.centre)
    place = {"finder": "centres", "centres": [[f"{x!r} kpc" for x in map(float, centre)]]}
    config = configuration(
        tmp_path, snapshots=["sample:arepo-box"], views=["z"], galaxies=place,
        maps={"width": "100 pc", "pixel": "50 pc"},
    )  # fmt: skip
    product = run(config).products[0]
    assert product.galaxy["M_gas"] == pytest.approx(chunk["density"][cell] * 0.1**3, rel=0.05)
