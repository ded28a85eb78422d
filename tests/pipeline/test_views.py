"""Views of a galaxy: by axis, by rotation, spread or stated; read once, whatever their number."""

import dataclasses

import numpy as np
import pytest

from simpost.config import InvalidConfigError, canonical_yaml, config_hash, resolve
from simpost.core.errors import InputError
from simpost.ism.recipes import choose_recipes
from simpost.ism.state import gas_state, survey
from simpost.maps.deposit import Depositor
from simpost.maps.view import View
from simpost.pipeline import galaxy as stage
from simpost.pipeline import run
from simpost.pipeline.galaxy import map_galaxy
from simpost.pipeline.selection import select_galaxies
from simpost.pipeline.stars import star_maps
from simpost.pipeline.views import check_memory, gas_rotation, make_views
from simpost.products import read_product
from simpost.snapshots.columns import Columns, concatenate
from simpost.snapshots.galaxies import Galaxy, galaxy_at
from simpost.snapshots.open import open_snapshot
from simpost.snapshots.regions import Cube, Sphere, offset_from, whole_box
from simpost.snapshots.synthetic import AnalyticGalaxy, write_arepo, write_ramses

MINIMAL = {"snapshots": ["-"]}
OBLIQUE = {"line_of_sight": [1, 2, 3], "name": "oblique"}
DISC = ["face-on", "edge-on", "edge-on-2"]


def configuration(views, **maps):
    return resolve({**MINIMAL, "views": views, "maps": {"width": "5 kpc", "pixel": "0.25 kpc", **maps}})


# Configuration


def test_views_of_every_kind_in_one_list():
    written = ["x", "edge-on", {"directions": 10}, OBLIQUE | {"up": [0, 1, 0]}]
    config = configuration(written)
    names = [view.name for view in make_views(*inclined_place(), config)[0]]
    assert names == ["x", "edge-on", *(f"direction-{i:02d}" for i in range(1, 11)), "oblique"]
    from ruamel.yaml import YAML

    again = resolve(YAML(typ="safe").load(canonical_yaml(config)))
    assert config_hash(again) == config_hash(config)
    assert again.views == config.views


@pytest.mark.parametrize(
    ("views", "message"),
    [
        (["w"], "views.0: found 'w', expected 'x', 'y', 'z', 'face-on', 'edge-on' or 'edge-on-2'"),
        ([3], "views.0: found 3, expected x, y, z, face-on, edge-on, edge-on-2, {directions: N} or {line_"),
        ([{"los": [1, 0, 0]}], "views.0: found {'los': [1, 0, 0]}, expected x, y, z"),
        ([{"directions": 0}], "found 0, expected greater than or equal to 1"),
        ([{"directions": 1001}], "found 1001, expected less than or equal to 1000"),
        ([{"directions": 3, "name": "sky"}], "name: found an unknown key"),
        ([{"line_of_sight": [1, 0, 0]}], "name: found nothing, expected this key is needed"),
        ([{"line_of_sight": [1, 0], "name": "a"}], "found nothing, expected this key is needed"),
        ([{"line_of_sight": [0, 0, 0], "name": "a"}], "found three zeros, expected a direction"),
        ([{"line_of_sight": [0, np.nan, 1], "name": "a"}], "found nan, expected a finite number"),
        (
            [{"line_of_sight": [1e-30, 0, 0], "up": [-1e30, 0, 0], "name": "a"}],
            "along line_of_sight [1e-30, 0.0, 0.0], expected any other direction, or none",
        ),
        ([OBLIQUE | {"name": "../a"}], "found '../a', expected at most 60 letters, digits"),
        ([OBLIQUE | {"name": ""}], "found '', expected at most 60 letters, digits"),
        ([OBLIQUE | {"name": "a" * 61}], "expected at most 60 letters, digits"),
        ([OBLIQUE | {"name": "Face-On"}], "found 'Face-On', expected another name"),
        (["x", "x"], "views: found more than one view 'x', expected every view once"),
        ([OBLIQUE, OBLIQUE | {"name": "Oblique"}], "more than one view 'oblique'"),
        ([{"directions": 2}, OBLIQUE | {"name": "direction-2"}], "more than one view 'direction-2'"),
        ([], "views: found []"),
    ],
)
def test_damaged_views_are_one_line(views, message):
    with pytest.raises(InvalidConfigError) as caught:
        configuration(views)
    assert message in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "maps",
    [{"stars": "kernel"}, {"star_smoothing": "10 pc"}, {"stars": "points", "star_smoothing": "10 pc"}],
)
def test_kernel_of_stars_and_its_size_belong_together(maps):
    with pytest.raises(InvalidConfigError, match="expected both or neither"):
        configuration(["x"], **maps)


@pytest.mark.parametrize(
    ("r_200c", "pixel", "n_pixels"),
    [(10.0, "1 kpc", 6), (4.2, "1 kpc", 3), (0.5, "1 kpc", 1), (5.0, "0.1 kpc", 30)],
)
def test_sizes_in_units_of_the_halo(r_200c, pixel, n_pixels):
    config = configuration(
        ["z", "face-on"],
        width="0.6 R_200c",
        depth="2 R_200c",
        angular_momentum_radius="0.1 R_200c",
        pixel=pixel,
    )
    snapshot, place, recipes = inclined_place()
    halo = dataclasses.replace(place, r_200c=r_200c)
    views, (note,) = make_views(snapshot, halo, recipes, config)
    for view in views:
        assert view.width == pytest.approx(0.6 * r_200c, rel=1e-15)
        assert view.depth == pytest.approx(2.0 * r_200c, rel=1e-15)
        assert view.n_pixels == n_pixels
        assert view.pixel == pytest.approx(0.6 * r_200c / n_pixels, rel=1e-15)
    assert f"within {0.1 * r_200c:.4g} kpc" in note


def test_depth_and_radius_follow_a_width_in_units_of_the_halo():
    snapshot, place, recipes = inclined_place()
    config = configuration(["face-on"], width="0.6 R_200c")
    (view,), (note,) = make_views(snapshot, dataclasses.replace(place, r_200c=5.0), recipes, config)
    assert view.width == view.depth == 3.0
    assert "within 1.5 kpc" in note


@pytest.mark.parametrize("key", ["width", "depth", "angular_momentum_radius"])
def test_galaxy_without_a_halo_is_refused_by_name(key):
    snapshot, place, recipes = inclined_place()
    config = configuration(["face-on"], **{key: "0.6 R_200c"})
    nowhere = dataclasses.replace(place, r_200c=np.nan, identity="peak-3")
    message = (
        f"maps.{key} of peak-3: found 0.6 R_200c, and no R_200c, expected a halo; state the length in kpc"
    )
    with pytest.raises(InputError) as caught:
        make_views(snapshot, nowhere, recipes, config)
    assert str(caught.value) == message


def test_too_many_pixels_of_a_halo_are_refused():
    snapshot, place, recipes = inclined_place()
    config = configuration(["x"], width="0.6 R_200c", pixel="1e-6 kpc")
    with pytest.raises(InputError, match=r"view 'x': pixel: found 6e\+06 pixels a side"):
        make_views(snapshot, dataclasses.replace(place, r_200c=10.0), recipes, config)


def test_a_million_pixels_are_refused_with_their_memory():
    with pytest.raises(InvalidConfigError, match=r"1e\+06 pixels a side \(8e\+03 GB for each map\)"):
        configuration(["x"], pixel="5e-6 kpc")


# Rotation


def inclined(code, folder):
    galaxy = AnalyticGalaxy(seed=2, inclination=60.0, position_angle=30.0, bulk_velocity=(100.0, -50.0, 30.0))
    if code == "RAMSES":
        return galaxy, write_ramses(galaxy, folder, levelmin=4, levelmax=9, leaves=20_000, n_stars=500)
    return galaxy, write_arepo(galaxy, folder, n_cells=5000, n_stars=500)


_places = {}


@pytest.fixture(scope="module", autouse=True)
def places(tmp_path_factory):
    """Snapshot, galaxy and recipes of an inclined disc by code, and its true axis."""
    for code in ("RAMSES", "Arepo"):
        truth, path = inclined(code, tmp_path_factory.mktemp(code))
        snapshot = open_snapshot(path)
        place = galaxy_at(snapshot, np.full(3, 0.5 * truth.box_size), "inclined")
        _places[code] = snapshot, place, choose_recipes(snapshot.info, configuration(["x"]).ism)
        _places["axis"] = truth.rotation[:, 2]
    yield
    _places.clear()


def inclined_place(code="Arepo"):
    return _places[code]


@pytest.mark.parametrize("code", ["RAMSES", "Arepo"])
@pytest.mark.parametrize("radius", ["1 kpc", None])
def test_angular_momentum_finds_the_axis_of_the_disc(code, radius):
    config = configuration(DISC, **({"angular_momentum_radius": radius} if radius else {}))
    (face, edge, edge_2), (note,) = make_views(*inclined_place(code), config)
    axis = _places["axis"]
    assert np.degrees(np.arccos(np.dot(face.line_of_sight, axis))) < 0.05
    assert np.degrees(np.arccos(np.dot(edge.up, axis))) < 0.05
    np.testing.assert_allclose([edge.up, edge_2.up], [face.line_of_sight] * 2, atol=1e-14)
    where = "1 kpc" if radius else "2.5 kpc"
    assert f"of the neutral gas within {where}, along (0.43" in note


@pytest.mark.parametrize("name", ["ramses-zoom", "arepo-zoom", "arepo-box"])
def test_rotation_is_that_of_the_neutral_gas_of_the_maps(name):
    """Twin: the whole state of the gas, everything read, summed in one line."""
    snapshot = open_snapshot(f"sample:{name}")
    config = resolve({"snapshots": ["-"], "galaxies": {"finder": "peak"}})
    place = stage_galaxies(snapshot, config)
    recipes = choose_recipes(snapshot.info, config.ism)
    found = gas_rotation(snapshot, place, recipes, config.ism, 1.5)

    region = Sphere(place.centre, 1.5)
    stars = snapshot.stars(region)
    around = survey(snapshot, region, stars, recipes, config.ism, cutoff=1.0, reach=2.0)
    total, most, start = np.zeros(3), 0.0, 0
    for chunk in snapshot.gas_chunks(region):
        rows = slice(start, start + chunk.size)
        start += chunk.size
        state, _ = gas_state(chunk, rows, around, snapshot.info, recipes, config.ism)
        inside = np.linalg.norm(state["position"], axis=1) <= 1.5
        mass = (state["mass"] * state["neutral_fraction"])[inside]
        position, velocity = state["position"][inside], state["velocity"][inside] - place.velocity
        total += (mass[:, None] * np.cross(position, velocity)).sum(axis=0)
        most += (mass * np.linalg.norm(position, axis=1) * np.linalg.norm(velocity, axis=1)).sum()
    np.testing.assert_allclose(found.angular_momentum, total, rtol=1e-10)
    assert found.order == pytest.approx(np.linalg.norm(total) / most, rel=1e-10)
    assert found.gas == "the neutral gas"


def stage_galaxies(snapshot, config):
    return select_galaxies(snapshot, config.galaxies)[0][0]


class MadeUp:
    """A snapshot of a few cells; `columns` replaces or, with None, drops some."""

    def __init__(self, columns):
        rng = np.random.default_rng(1)
        n = 200
        position = rng.uniform(-1.0, 1.0, (n, 3))
        cells = {
            "position": position,
            "size": np.full(n, 0.1),
            "mass": np.ones(n),
            "density": np.full(n, 1e3),
            "velocity": np.cross([0.0, 0.0, 50.0], position),
            "temperature_over_mu": np.full(n, 100.0),
            "f_HII": np.where(position[:, 0] > 0, 1.0, 0.0),
        }
        cells = {name: value for name, value in (cells | columns).items() if value is not None}
        origin = dict.fromkeys(cells, "made up")
        self._cells = Columns(cells, origin)
        info = inclined_place()[0].info
        self.info = dataclasses.replace(info, fields_read={"gas": origin}, photon_groups=None)

    def gas_chunks(self, region, columns=None):
        inside = region.overlaps(self._cells["position"])
        names = [name for name in self._cells if columns is None or name in columns]
        rows = self._cells.select(inside)
        yield Columns({name: rows[name] for name in names}, rows.origin)

    def rotation(self, radius=1.0, options=None):
        options = options or configuration(["x"]).ism
        place = Galaxy("g", (5.0, 5.0, 5.0), (0.0, 0.0, 0.0), np.nan, np.nan, "made up")
        return gas_rotation(self, place, choose_recipes(self.info, options), options, radius)


def test_only_neutral_gas_counts_where_there_is_some():
    spin = np.zeros((200, 3))
    made = MadeUp({})
    half = made._cells["position"][:, 0] > 0  # ionised: turns the other way about another axis
    spin = np.where(half[:, None], np.cross([80.0, 0, 0], made._cells["position"]), made._cells["velocity"])
    found = MadeUp({"velocity": spin}).rotation()
    neutral = MadeUp({"velocity": np.where(half[:, None], 0.0, spin)}).rotation()
    assert found.gas == "the neutral gas"
    np.testing.assert_allclose(found.angular_momentum, neutral.angular_momentum, rtol=1e-12)


def test_cells_beyond_the_radius_do_not_count():
    made = MadeUp({})
    inside = np.linalg.norm(made._cells["position"], axis=1) <= 0.5
    spin = np.where(inside[:, None], made._cells["velocity"], 1e5)
    found = MadeUp({"velocity": spin}).rotation(0.5)
    np.testing.assert_array_equal(found.angular_momentum, made.rotation(0.5).angular_momentum)


def test_all_gas_counts_where_none_is_neutral_and_it_is_said():
    found = MadeUp({"f_HII": np.ones(200)}).rotation()
    assert found.gas == "all gas (no neutral gas there)"
    unknown = MadeUp({"f_HII": None, "temperature_over_mu": None}).rotation()
    assert unknown.gas == "all gas (no phases are known)"
    np.testing.assert_array_equal(found.angular_momentum, unknown.angular_momentum)
    assert found.angular_momentum[2] / np.linalg.norm(found.angular_momentum) > 0.9


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"velocity": None}, "no gas velocities"),
        ({"velocity": np.zeros((200, 3))}, r"no net rotation of gas within 1 kpc \(0.00%"),
        ({"position": np.full((200, 3), 40.0)}, "no net rotation"),
        ({"velocity": 1e3 * np.random.default_rng(1).uniform(-1.0, 1.0, (200, 3))}, "no net rotation"),
    ],
)
def test_no_rotation_is_one_clear_line(columns, message):
    """The last: gas that only expands (its velocities are along its positions)."""
    with pytest.raises(InputError, match=f"face-on and edge-on views of g: found {message}") as caught:
        MadeUp(columns).rotation()
    assert "\n" not in str(caught.value)


# Maps


class Counted:
    """A snapshot that counts passes over its cells and the columns asked for."""

    def __init__(self, snapshot):
        self._snapshot, self.info, self.passes = snapshot, snapshot.info, []

    def gas_chunks(self, region, columns=None):
        self.passes.append(columns)
        return self._snapshot.gas_chunks(region, columns)

    def __getattr__(self, name):
        return getattr(self._snapshot, name)


def mapped(views, code="Arepo", monkeypatch=None, **maps):
    """Maps of the inclined disc, the snapshot with its count, and how many cells got a state."""
    snapshot, place, _ = inclined_place(code)
    counted, stated = Counted(snapshot), []
    if monkeypatch is not None:
        monkeypatch.setattr(
            stage, "gas_state", lambda gas, *rest: stated.append(gas.size) or gas_state(gas, *rest)
        )
    result = map_galaxy(counted, place, configuration(views, **maps), {}, lambda name, share: None)
    return result, counted, sum(stated)


def test_more_views_read_and_state_no_more_cells(monkeypatch):
    _, one, lit_once = mapped(["x"], monkeypatch=monkeypatch)
    result, three, lit_thrice = mapped(["x", "y", "z"], monkeypatch=monkeypatch)
    assert len(result.views) == 3
    assert three.passes == one.passes and lit_thrice == lit_once
    assert sum(columns is None for columns in one.passes) == 1  # every column, once

    _, few, _ = mapped([{"directions": 3}])
    result, many, _ = mapped([{"directions": 12}])
    assert len(result.views) == 12
    assert many.passes == few.passes


def test_rotation_costs_one_pass_over_few_columns():
    face_on, counted, _ = mapped(["face-on"])
    line_of_sight = list(face_on.views[0].line_of_sight)
    stated, plain, _ = mapped([{"line_of_sight": line_of_sight, "name": "same"}])
    assert counted.passes[1:] == plain.passes
    assert "photon_flux" not in counted.passes[0] and "metallicity" not in counted.passes[0]
    for quantity, image in stated.gas["same"].items():
        # axes differ by rounding, and pixels' shares are single precision
        np.testing.assert_allclose(face_on.gas["face-on"][quantity].values, image.values, rtol=1e-7)


def test_stated_line_of_sight_gives_the_named_view():
    stated = {"line_of_sight": [0, 0, 7], "up": [0, 2, 0], "name": "top"}
    result, _, _ = mapped(["z", stated])
    for maps in (result.gas, result.stars):
        for quantity, image in maps["z"].items():
            np.testing.assert_array_equal(image.values, maps["top"][quantity].values)


def test_totals_are_those_of_the_cube_whatever_the_views():
    plain, _, _ = mapped(["x"])
    turned, _, _ = mapped([OBLIQUE, {"directions": 2}])
    for quantity, total in plain.totals.items():
        assert turned.totals[quantity] == pytest.approx(total, rel=1e-12, abs=0.0), quantity
    assert turned.n_cells == plain.n_cells


@pytest.mark.parametrize("code", ["RAMSES", "Arepo"])
@pytest.mark.parametrize("depth", ["1 kpc", "5 kpc", "9 kpc"])
def test_oblique_map_misses_no_cell(code, depth):
    """Twin: every cell of the box deposited on the same view."""
    result, _, _ = mapped([OBLIQUE], code, depth=depth)
    snapshot, place, _ = inclined_place(code)
    box = snapshot.info.box_size
    gas = concatenate(snapshot.gas_chunks(whole_box(box), ("position", "size", "mass")))
    (view,) = result.views
    depositor = Depositor(view, ["gas"])
    offset = offset_from(gas["position"] + 0.5 * box, place.centre, box)
    if code == "RAMSES":
        depositor.add_leaves(offset, gas["size"], {"gas": gas["mass"]})
    else:
        depositor.add_cells(offset, np.cbrt(0.75 / np.pi) * gas["size"], {"gas": gas["mass"]})
    expected = depositor.finish()["gas"].values
    found = result.gas["oblique"]["gas"]
    np.testing.assert_allclose(found.values, expected, rtol=1e-9, atol=1e-12 * expected.max())
    assert abs(found.closure) < (1e-10 if code == "RAMSES" else 1e-6)


def moments(image, pixel):
    middle = (np.arange(len(image)) + 0.5 - 0.5 * len(image)) * pixel
    x, y = np.meshgrid(middle, middle)
    return np.array([(image * a * b).sum() / image.sum() for a, b in ((x, x), (y, y), (x, y))])


def test_disc_is_round_face_on_and_flat_edge_on():
    result, _, _ = mapped(DISC, pixel="50 pc")
    shape = {name: moments(result.gas[name]["gas"].values, 0.05) for name in DISC}
    xx, yy, xy = shape["face-on"]
    assert yy == pytest.approx(xx, rel=0.1) and abs(xy) < 0.05 * xx
    for name, across in (("edge-on", xx), ("edge-on-2", yy)):
        wide, thin, tilt = shape[name]
        assert wide == pytest.approx(across, rel=0.05)  # the axis they share with the face-on image
        assert thin < 0.12 * wide and abs(tilt) < 0.02 * wide


def test_turned_maps_of_a_real_octree_are_positive():
    """Cells of all sizes, some seen along an edge: nothing is left of a bright leaf beside it."""
    snapshot = open_snapshot("sample:ramses-zoom")
    views = ["face-on", {"line_of_sight": [1, 1, 0], "name": "diagonal"}, {"directions": 2}]
    config = configuration(views, pixel="30 pc")
    result = map_galaxy(snapshot, stage_galaxies(snapshot, config), config, {}, lambda name, share: None)
    for name, maps in result.gas.items():
        for quantity in ("gas", "neutral", "molecular"):
            assert maps[quantity].values.min() >= 0.0, (name, quantity)
        assert maps["gas"].values.min() > 0.0, name  # leaves fill space


def test_opposite_lines_of_sight_are_mirror_images():
    """Why the spread directions fill one hemisphere only."""
    there = {"line_of_sight": [1, 2, 3], "up": [0, 0, 1], "name": "there"}
    back = {"line_of_sight": [-1, -2, -3], "up": [0, 0, 1], "name": "back"}
    result, _, _ = mapped([there, back])
    one, other = (result.gas[name]["gas"].values for name in ("there", "back"))
    # shares of pixels are single precision, as sums of seven terms some of which cancel
    np.testing.assert_allclose(one, other[:, ::-1], rtol=1e-5, atol=1e-7 * one.max())


def test_slab_without_a_cell_is_an_empty_map_that_says_so():
    """Voronoi cells are in the slab when their centres are: in a parsec there is none."""
    result, _, _ = mapped([OBLIQUE], depth="1e-6 pc")
    image = result.gas["oblique"]["gas"]
    assert not np.any(image.values) and np.isnan(image.closure) and image.closure_reason == "no cells"
    assert result.totals["gas"] > 0.0


def test_turned_window_beyond_half_the_box_is_one_line():
    snapshot, _, _ = inclined_place()
    width = 0.45 * snapshot.info.box_size
    maps = {"width": f"{width} kpc", "pixel": f"{width / 4} kpc"}
    mapped(["x"], **maps)
    with pytest.raises(InputError, match=r"maps.width: found .* kpc \(the field of view, turned\)"):
        mapped([OBLIQUE], **maps)


def test_maps_beyond_the_memory_are_refused_before_cells_are_read(monkeypatch):
    views = (View.named("z", 1.0, 1.0, 1.0 / 20000),)
    with pytest.raises(
        InputError, match=r"maps.pixel, views: found 1000 quantities of 20000\^2 pixels in 1 view"
    ):
        check_memory(views, 1000)  # 6.4 TB
    check_memory((View.named("z", 1.0, 1.0, 0.01),), 20)
    monkeypatch.setattr("simpost.pipeline.views.os.sysconf", lambda name: 1000)  # a megabyte
    snapshot, place, _ = inclined_place()
    counted = Counted(snapshot)
    with pytest.raises(InputError, match=r"at most the 0\.001 GB of this machine"):
        map_galaxy(counted, place, configuration(["z"], pixel="10 pc"), {}, lambda name, share: None)
    assert counted.passes == []


# Stars


STARS = Columns(
    {
        "position": np.random.default_rng(5).normal(0.0, 1.0, (300, 3)),
        "mass": np.random.default_rng(6).uniform(1e3, 2e3, 300),
        "initial_mass": np.full(300, 2e3),
        "age": np.random.default_rng(7).uniform(0.0, 200.0, 300),
    },
    dict.fromkeys(("position", "mass", "initial_mass", "age"), "made up"),
)
VIEWS = (View.named("z", 5.0, 40.0, 0.25), View("oblique", (1, 2, 3), (0, 0, 1), 5.0, 40.0, 0.25))


@pytest.mark.parametrize("smoothing", ["1 pc", "0.3 kpc", "4 kpc", "40 kpc"])
def test_smoothed_stars_are_conserved_on_the_same_pixels(smoothing):
    points, totals = star_maps(STARS, VIEWS, configuration(["z"]).maps)
    options = configuration(["z"], stars="kernel", star_smoothing=smoothing).maps
    maps, smoothed_totals = star_maps(STARS, VIEWS, options)
    assert smoothed_totals == totals
    for view in VIEWS:
        for quantity, image in maps[view.name].items():
            assert image.values.shape == points[view.name][quantity].values.shape
            # of a kernel wider than the map only the error of its share there is left to compare with
            assert abs(image.closure) < (1e-6 if options.star_smoothing < view.width else 1e-5)
            assert abs(points[view.name][quantity].closure) < 1e-12
            selected = points[view.name][quantity].total_selected
            on_map = image.values.sum() * view.pixel**2
            assert on_map + image.total_outside_fov == pytest.approx(selected, rel=1e-6)


def test_kernel_of_stars_ends_at_the_smoothing_and_is_wendland():
    """One star in the middle: <R^2> of the projection is 2/3 of <r^2> of the kernel in three dimensions."""
    one = STARS.select(np.array([0])).with_columns({"position": np.zeros((1, 3))}, {"position": "made up"})
    view = View.named("z", 5.0, 5.0, 0.02)
    options = configuration(["z"], stars="kernel", star_smoothing="1 kpc").maps
    image = star_maps(one, (view,), options)[0]["z"]["stars"].values
    middle = (np.arange(250) + 0.5 - 125) * 0.02
    radius = np.hypot(*np.meshgrid(middle, middle))
    assert not np.any(image[radius > 1.0 + 0.02]) and np.all(image[radius < 0.95] > 0.0)
    r = np.linspace(0.0, 1.0, 100_001)
    profile = (1.0 - r) ** 4 * (1.0 + 4.0 * r) * r**2
    expected = 2.0 / 3.0 * (profile * r**2).sum() / profile.sum()
    assert (image * radius**2).sum() / image.sum() == pytest.approx(expected, rel=1e-3)


def test_stars_beside_the_window_reach_in_by_their_kernels():
    points, _, _ = mapped(["z"], width="1 kpc", pixel="0.1 kpc", depth="2 kpc")
    options = {"stars": "kernel", "star_smoothing": "1.5 kpc"}
    smoothed, _, _ = mapped(["z"], width="1 kpc", pixel="0.1 kpc", depth="2 kpc", **options)
    snapshot, place, _ = inclined_place()
    stars = snapshot.stars(Cube(place.centre, 4.0))
    (view,) = smoothed.views
    expected = star_maps(stars, (view,), configuration(["z"], **options).maps)[0]["z"]["stars"].values
    np.testing.assert_allclose(smoothed.stars["z"]["stars"].values, expected, rtol=1e-9)
    assert points.totals["stars"] == smoothed.totals["stars"]
    assert "stars: projected Wendland-C2 kernels that end at 1.5 kpc" in smoothed.notes


# Whole runs


def test_run_with_views_of_every_kind(tmp_path):
    raw = {
        "snapshots": ["sample:arepo-box"],
        "views": ["face-on", {"directions": 2}, OBLIQUE | {"name": "a.B_c+d"}],
        "maps": {"width": "5 kpc", "pixel": "0.5 kpc", "stars": "kernel", "star_smoothing": "0.5 kpc"},
        "ism": {"assumed_metallicity": 0.1},
        "emission": {"pdf": "none"},
        "output": str(tmp_path / "results"),
    }
    result = run(resolve(raw))
    assert result.failures == []
    names = ["face-on", "direction-1", "direction-2", "a.B_c+d"]
    product = read_product(result.paths[0] / "product.h5")
    assert sorted(product.views) == sorted(names)
    for name in names:
        assert (result.paths[0] / f"panel_{name}.png").is_file()
        attributes = product.view(name).attributes
        toward, up = attributes["line_of_sight"], attributes["up"]
        np.testing.assert_allclose([np.linalg.norm(toward), np.linalg.norm(up)], 1.0, rtol=1e-14)
        assert abs(toward @ up) < 1e-14
        for quantity, image in product.view(name).maps.items():
            assert abs(image.closure) < 1e-3 or "closure_reason" in image.attributes, (name, quantity)
        assert attributes["star_depositor"] == "projected Wendland-C2 kernel"
        assert attributes["star_smoothing"] == 0.5
    assert any("angular momentum of the neutral gas within 2.5 kpc" in note for note in result.notes)
    assert any("stars: projected Wendland-C2" in note for note in product.provenance["notes"])
