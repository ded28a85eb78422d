"""True Voronoi cells on pixels: geometry, conservation, symmetry, and what is reported."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import ConvexHull, Voronoi, cKDTree
from scipy.spatial.transform import Rotation

from simpost.core.errors import InputError
from simpost.maps import voronoi
from simpost.maps.view import View
from simpost.maps.voronoi import deposit_voronoi, voronoi_maps


def square(width=1.0, depth=1.0, n_pixels=16):
    return View.named("z", width, depth, width / n_pixels)


def surrounded(seed, n):
    """`n` uniform points in the cube of side 1, with copies beyond its faces: numbers of the originals."""
    points = np.random.default_rng(seed).uniform(-0.5, 0.5, (n, 3))
    shifts = np.stack(np.meshgrid(*[(0, -1, 1)] * 3, indexing="ij"), axis=-1).reshape(-1, 1, 3)
    copies = (points + shifts).reshape(-1, 3)
    near = np.all(np.abs(copies) < 1.0, axis=1)
    near[:n] = True
    return copies[near], n


def steep_cloud(seed, n, decades=4.0):
    """Generators with density r^-3: as many in every decade of radius below 1."""
    rng = np.random.default_rng(seed)
    direction = rng.normal(size=(n, 3))
    radius = 10.0 ** rng.uniform(-decades, 0.0, n)
    return direction * (radius / np.linalg.norm(direction, axis=1))[:, None]


def qhull_volumes(points):
    """Volumes of the closed cells by an independent construction; NaN for open ones."""
    diagram = Voronoi(points)
    volumes = np.full(len(points), np.nan)
    for i, region in enumerate(diagram.point_region):
        corners = diagram.regions[region]
        if -1 not in corners:
            volumes[i] = ConvexHull(diagram.vertices[corners]).volume
    return volumes


def typical_volumes(points):
    """Something like the volumes: that of a sphere to the nearest generator, times ten."""
    nearest = cKDTree(points).query(points, 2)[0][:, 1]
    return 10.0 * nearest**3


def sampled_image(points, density, view, n_fine):
    """Slow twin: the nearest generator of every point of a fine grid; quantity per pixel."""
    tree = cKDTree(points)
    per_pixel = n_fine // view.n_pixels
    step = view.width / n_fine
    plane = (np.arange(n_fine) + 0.5) * step - 0.5 * view.width
    n_deep = round(view.depth / step)
    image = np.zeros((view.n_pixels, view.n_pixels))
    y, x = np.meshgrid(plane, plane, indexing="ij")
    for z in (np.arange(n_deep) + 0.5) * (view.depth / n_deep) - 0.5 * view.depth:
        nearest = tree.query(np.stack([x, y, np.full_like(x, z)], axis=-1))[1]
        fine = density[nearest] * step**2 * view.depth / n_deep
        image += fine.reshape(view.n_pixels, per_pixel, view.n_pixels, per_pixel).sum(axis=(1, 3))
    return image


@pytest.mark.parametrize("angle", [0.0, 0.3, 0.5 * np.pi, 2.0])
def test_two_generators_share_space_at_their_bisector(angle):
    # half spaces, divided by a plane through the origin that is tilted against the image by `angle`
    normal = np.array([np.sin(angle), 0.0, np.cos(angle)])
    points = np.stack([-2.0 * normal, 2.0 * normal])
    volume = np.full(2, 1e6)  # large: the view lies deep inside
    image, account = deposit_voronoi(*points.T, volume, np.eye(2), square(2.0, 1.0, 10))
    x = np.linspace(-1.0, 1.0, 1000000, endpoint=False) + 1e-6
    depth = 0.5 + np.sign(np.cos(angle)) * np.clip(-x * np.tan(angle), -0.5, 0.5)
    expected = np.tile(depth.reshape(10, -1).mean(axis=1) * 0.2**2, (10, 1))
    behind = image * (account.volume_ratio * volume)[:, None, None]  # volume of each cell behind each pixel
    np.testing.assert_allclose(behind[0], expected, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(behind[1], 0.04 - expected, rtol=1e-9, atol=1e-9)


def test_uniform_points_give_a_uniform_column():
    points, n = surrounded(1, 400)
    volume = qhull_volumes(points)
    volume = np.where(np.isfinite(volume), volume, 1.0 / n)
    view = square(n_pixels=37)
    (image,), account = deposit_voronoi(*points.T, volume, volume[:, None], view)
    np.testing.assert_allclose(image, view.pixel**2, rtol=1e-11)
    assert account.rms_rescaling < 1e-12
    assert account.n_failed_cuts == 0


@pytest.mark.parametrize("n_pixels", [1, 7, 64, 300])
def test_cells_of_any_size_keep_what_they_hold(n_pixels):
    # one quantity per cell: every cell is followed by itself, from far smaller to far larger than a pixel
    points = steep_cloud(2, 60)
    volume = typical_volumes(points)
    view = square(width=30.0, depth=30.0, n_pixels=n_pixels)
    image, account = deposit_voronoi(*points.T, volume, np.eye(60), view)
    np.testing.assert_allclose(image.sum(axis=(1, 2)), account.in_view, rtol=1e-11)
    assert np.all(image >= 0.0)
    inside = np.max(np.abs(points), axis=1) + np.sqrt(3.0) * 10.0 * np.cbrt(0.24 * volume) < 15.0
    assert np.count_nonzero(inside) > 50
    np.testing.assert_allclose(account.in_view[inside], 1.0, rtol=1e-12)


def test_volumes_agree_with_qhull():
    for points in (surrounded(3, 300)[0], steep_cloud(4, 2000)):
        expected = qhull_volumes(points)
        given = np.where(np.isfinite(expected), expected, typical_volumes(points))
        account = deposit_voronoi(*points.T, given, given[:, None], square(1.0, 1.0, 8))[1]
        # qhull loses digits on cells that are far longer than wide; none is out by more than rounding
        tested = np.isfinite(expected) & np.isfinite(account.volume_ratio) & (account.in_view > 0.0)
        compact = tested & (np.abs(account.volume_ratio - 1.0) < 1e-9)
        assert np.count_nonzero(compact) > 0.995 * np.count_nonzero(tested) > 200


def test_a_steep_cloud_closes():
    points = steep_cloud(5, 5000)
    mass = np.random.default_rng(5).uniform(0.5, 2.0, 5000)
    for n_pixels in (16, 100):
        view = square(4.0, 4.0, n_pixels)
        (image,), account = deposit_voronoi(*points.T, typical_volumes(points), mass[:, None], view)
        np.testing.assert_allclose(image.sum(), mass @ account.in_view, rtol=1e-12)
        # the outermost cells reach out of the view; the half of the generators within 0.01 do not
        inner = np.linalg.norm(points, axis=1) < 0.01
        np.testing.assert_allclose(account.in_view[inner], 1.0, rtol=1e-12)


@pytest.mark.parametrize("direction", [(0.0, 0.0, 1.0), (1.0, -2.0, 0.5)])
def test_against_the_nearest_generator_of_a_fine_grid(direction):
    points, n = surrounded(6, 60)
    volume = qhull_volumes(points)
    volume = np.where(np.isfinite(volume), volume, 1.0 / n)
    density = np.random.default_rng(6).uniform(0.1, 10.0, len(points))
    view = View("v", direction, (0.0, 1.0, 0.0), 0.5, 0.4, 0.5 / 8)
    projected = np.stack(view.project(points), axis=1)
    (image,), account = deposit_voronoi(*projected.T, volume, (density * volume)[:, None], view)
    assert account.rms_rescaling < 1e-10
    expected = sampled_image(projected, density, view, 96)
    # surfaces are sampled at 12 x 12 points per pixel
    np.testing.assert_allclose(image, expected, rtol=2e-2)
    assert np.std(image / expected) < 3e-3


def test_the_slab_cuts_cells_exactly():
    points, n = surrounded(7, 100)
    volume = np.full(len(points), 1.0 / n)
    mass = np.random.default_rng(7).uniform(1.0, 5.0, (len(points), 1))
    whole = deposit_voronoi(*points.T, volume, mass, square(0.8, 0.6, 20))[0]
    halves = [
        deposit_voronoi(x, y, z + shift, volume, mass, square(0.8, 0.3, 20))[0]
        for x, y, z in [points.T]
        for shift in (-0.15, 0.15)
    ]
    np.testing.assert_allclose(halves[0] + halves[1], whole, rtol=1e-11)


def test_a_window_is_a_part_of_a_larger_one():
    points, n = surrounded(8, 100)
    volume = np.full(len(points), 1.0 / n)
    mass = np.random.default_rng(8).uniform(1.0, 5.0, (len(points), 1))
    large = deposit_voronoi(*points.T, volume, mass, square(0.8, 0.5, 32))[0]
    small = deposit_voronoi(*points.T, volume, mass, square(0.4, 0.5, 16))[0]
    np.testing.assert_allclose(small, large[:, 8:24, 8:24], rtol=1e-11)
    # four pixels are one pixel of twice the side
    coarse = deposit_voronoi(*points.T, volume, mass, square(0.8, 0.5, 16))[0]
    np.testing.assert_allclose(large.reshape(1, 16, 2, 16, 2).sum(axis=(2, 4)), coarse, rtol=1e-11)


def test_turning_cells_and_view_together_changes_nothing():
    points, n = surrounded(9, 150)
    volume = np.full(len(points), 1.0 / n)
    mass = np.random.default_rng(9).uniform(1.0, 5.0, (len(points), 2))
    turn = Rotation.from_rotvec([0.4, -1.1, 0.7])
    straight = square(0.6, 0.6, 12)
    line_of_sight, up = turn.apply([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
    turned = View("turned", tuple(line_of_sight), tuple(up), 0.6, 0.6, 0.05)
    before = deposit_voronoi(*straight.project(points), volume, mass, straight)[0]
    after = deposit_voronoi(*turned.project(turn.apply(points)), volume, mass, turned)[0]
    np.testing.assert_allclose(after, before, rtol=1e-10)


def test_a_quarter_turn_permutes_pixels():
    points = steep_cloud(10, 300)
    volume, mass = typical_volumes(points), np.ones((300, 1))
    x, y, z = points.T
    before = deposit_voronoi(x, y, z, volume, mass, square(1.0, 1.0, 11))[0]
    after = deposit_voronoi(-y, x, z, volume, mass, square(1.0, 1.0, 11))[0]
    np.testing.assert_allclose(after[0], np.rot90(before[0], -1), rtol=1e-9, atol=1e-12)


def test_a_lattice_in_which_eight_cells_meet_in_every_corner():
    axis = np.arange(-4, 5) * 0.25
    points = np.stack(np.meshgrid(axis, axis, axis), axis=-1).reshape(-1, 3)
    mass = np.random.default_rng(11).uniform(1.0, 5.0, len(points))
    turn = Rotation.from_rotvec([0.5, 0.2, -0.9])
    for positions in (
        points,
        turn.apply(points),
        points + 1e-13 * np.sin(np.arange(points.size)).reshape(-1, 3),
    ):
        volume = np.full(len(points), 0.25**3)
        account = deposit_voronoi(*positions.T, volume, mass[:, None], square(1.0, 1.0, 30))[1]
        assert account.n_failed_cuts == 0
        assert account.largest_rescaling < 1e-9
    (image,), _ = deposit_voronoi(*points.T, volume, mass[:, None], square(1.25, 1.25, 5))
    columns = mass.reshape(9, 9, 9)[2:7, 2:7, 2:7].sum(axis=2)  # meshgrid: y, x, z
    np.testing.assert_allclose(image, columns, rtol=1e-11)


def test_many_generators_around_one_need_many_faces():
    rng = np.random.default_rng(12)
    shell = rng.normal(size=(700, 3))
    points = np.concatenate([np.zeros((1, 3)), shell / np.linalg.norm(shell, axis=1)[:, None]])
    volume = np.full(701, 1.0)
    volume[0] = 4.0 / 3.0 * np.pi * 0.5**3
    assert voronoi._FACES < 300
    (image,), account = deposit_voronoi(*points.T, volume, np.eye(701, 1), square(2.0, 2.0, 40))
    assert abs(account.volume_ratio[0] - 1.0) < 0.02  # nearly the sphere of radius 1/2
    np.testing.assert_allclose(image.sum(), 1.0, rtol=1e-12)
    x = square(2.0, 2.0, 40).edges()[:-1] + 0.025
    assert np.all(image[np.hypot(x[:, None], x[None, :]) > 0.6] == 0.0)
    assert abs(image[20, 20] / 0.05**2 * volume[0] - 1.0) < 0.03  # the sphere's diameter


def test_cells_without_neighbours_are_cut_down_to_their_volume():
    # one generator alone: a cube of its volume; and a cloud in nothing: outer cells do not fill the box
    image, account = deposit_voronoi([0.105], [0.205], [0.0], [0.027], [[5.0]], square(1.0, 1.0, 100))
    assert account.n_cut_down == 1
    np.testing.assert_allclose(image.sum(), 5.0, rtol=1e-12)
    assert np.count_nonzero(image > 0.0) <= 32**2
    assert abs(image.max() - 5.0 / 0.3**2 * 0.01**2) < 2e-3 * image.max()
    points = np.random.default_rng(13).uniform(-0.2, 0.2, (200, 3))
    volume = np.full(200, 0.4**3 / 200)
    account = deposit_voronoi(*points.T, volume, np.ones((200, 1)), square(4.0, 4.0, 8))[1]
    assert 50 < account.n_cut_down < 200
    np.testing.assert_allclose(account.in_view, 1.0, rtol=1e-12)


def test_generators_that_coincide_are_counted_and_keep_their_mass():
    points, n = surrounded(16, 100)
    volume = np.where(np.isfinite(qhull_volumes(points)), qhull_volumes(points), 1.0 / n)
    points, volume = np.concatenate([points, points[:3]]), np.concatenate([volume, volume[:3]])
    halved = np.concatenate([np.arange(3), np.arange(-3, 0)])
    volume[halved] *= 0.5
    mass = np.zeros((len(points), 1))
    mass[halved] = 1.0
    (image,), account = deposit_voronoi(*points.T, volume, mass, square(3.0, 3.0, 9))
    np.testing.assert_allclose(image.sum(), 6.0, rtol=1e-12)
    np.testing.assert_allclose(account.volume_ratio[halved], 1.0, rtol=2e-3)
    before = deposit_voronoi(*points[:-3].T, volume[:-3], mass[:-3], square(3.0, 3.0, 9))[1]
    assert account.n_cut_down == before.n_cut_down + 3


def test_horizon_of_a_lattice_cell():
    # a cube of side 0.25: the sphere around a corner through the centre reaches half a side and half a diagonal
    axis = np.arange(-3, 4) * 0.25
    points = np.stack(np.meshgrid(axis, axis, axis), axis=-1).reshape(-1, 3)
    points[:, 1] += 0.05
    volume = np.full(len(points), 0.25**3)
    account = deposit_voronoi(*points.T, volume, volume[:, None], square(0.2, 0.2, 1))[1]
    middle = np.flatnonzero(np.all(np.abs(points) < 0.1, axis=1))
    assert account.horizon[middle] == pytest.approx(0.05 + 0.125 * (1.0 + np.sqrt(3.0)), rel=1e-12)
    far = np.max(np.abs(points), axis=1) > 0.74  # cut down, but they seem to need what is not there
    assert np.all(account.horizon[far & account.cut_down] > 0.75)


@pytest.mark.parametrize("seed", range(4))
def test_generators_beyond_the_horizon_do_not_matter_and_those_inside_do(seed):
    points = steep_cloud(20 + seed, 400, decades=1.5)
    volume = qhull_volumes(points)
    volume = np.where(np.isfinite(volume), volume, 100.0 * typical_volumes(points))
    view = square(0.2, 0.2, 4)
    mass = np.random.default_rng(seed).uniform(1.0, 2.0, len(points))
    before, account = deposit_voronoi(*points.T, volume, mass[:, None], view)
    seen = account.in_view > 0.0
    assert account.n_cut_down == 0
    horizon = account.horizon[seen].max()
    within = np.max(np.abs(points), axis=1) < horizon
    assert not np.all(within)
    after = deposit_voronoi(*points[within].T, volume[within], mass[within, None], view)[0]
    np.testing.assert_allclose(after, before, rtol=1e-12)
    # a point just inside the horizon of the cell that reaches farthest cuts it; one just outside does not
    g = np.flatnonzero(seen)[np.argmax(account.horizon[seen])]
    diagram = Voronoi(points)
    corners = diagram.vertices[diagram.regions[diagram.point_region[g]]]
    reach = np.abs(corners) + np.linalg.norm(corners - points[g], axis=1)[:, None]
    corner, axis = np.unravel_index(np.argmax(reach), reach.shape)
    assert reach.max() == pytest.approx(horizon, rel=1e-9)
    tip = corners[corner].copy()
    tip[axis] += np.sign(tip[axis]) * (reach.max() - abs(tip[axis]))
    for factor, is_cut in ((0.999, True), (1.001, False)):
        more = np.vstack([points, corners[corner] + factor * (tip - corners[corner])])
        found = deposit_voronoi(*more.T, np.append(volume, 1.0), np.ones((len(more), 1)), view)[1]
        assert (found.volume_ratio[g] < account.volume_ratio[g] * (1.0 - 1e-12)) == is_cut


def test_cells_that_are_only_neighbours_are_not_drawn():
    points, n = surrounded(17, 200)
    volume = np.where(np.isfinite(qhull_volumes(points)), qhull_volumes(points), 1.0 / n)
    mass = np.random.default_rng(17).uniform(1.0, 2.0, len(points))
    view = square(0.6, 0.5, 13)
    drawn = np.random.default_rng(18).random(len(points)) < 0.5
    (expected,), every = deposit_voronoi(*points.T, volume, (mass * drawn)[:, None], view)
    (image,), account = deposit_voronoi(*points.T, volume, mass[:, None], view, drawn=drawn)
    np.testing.assert_allclose(image, expected, rtol=1e-13)
    np.testing.assert_array_equal(account.in_view, np.where(drawn, every.in_view, 0.0))
    assert account.n_cells == np.count_nonzero(drawn & (every.in_view > 0.0))
    with pytest.raises(InputError, match="drawn: found shape"):
        deposit_voronoi(*points.T, volume, mass[:, None], view, drawn=drawn[1:])


def test_maps_of_true_cells_are_in_the_units_and_the_account_of_all_maps():
    points, n = surrounded(19, 150)
    volume = np.where(np.isfinite(qhull_volumes(points)), qhull_volumes(points), 1.0 / n)
    rng = np.random.default_rng(19)
    columns = np.stack(
        [rng.uniform(1.0, 2.0, len(points)), rng.normal(size=len(points)), volume * 0.0], axis=1
    )
    view = View("v", (1.0, -2.0, 0.5), (0.0, 1.0, 0.0), 0.5, 0.4, 0.05)
    maps, account = voronoi_maps(points, volume, columns, ["mass", "either", "dark"], view)
    image, same = deposit_voronoi(*view.project(points), volume, columns, view)
    assert same.n_cells == account.n_cells
    for k, name in enumerate(maps):
        np.testing.assert_array_equal(maps[name].values, image[k] / 0.05**2)
        assert maps[name].n_cells == account.n_cells
        assert maps[name].total_selected - maps[name].total_outside_fov == pytest.approx(
            columns[:, k] @ account.in_view, rel=1e-12, abs=1e-15
        )
    assert abs(maps["mass"].closure) < 1e-12 and abs(maps["either"].closure) < 1e-12
    assert np.isnan(maps["dark"].closure) and maps["dark"].closure_reason == "quantity is zero in every cell"
    away = View("v", (1.0, -2.0, 0.5), (0.0, 1.0, 0.0), 0.5, 0.4, 0.05)
    empty = voronoi_maps(points + 90.0, volume, columns, ["mass", "either", "dark"], away)[0]
    assert np.isnan(empty["mass"].closure) and empty["mass"].closure_reason == "no cells"
    assert not np.any(empty["mass"].values)


def test_neighbours_beyond_the_window_count():
    # the cell's right-hand neighbour lies far outside the window, and yet bounds it
    x, y, z = [0.0, 1.2], [0.0, 0.0], [0.0, 0.0]
    view = square(1.4, 0.2, 14)
    (image,), _ = deposit_voronoi(x, y, z, [1e3, 1e3], [[1.0], [0.0]], view)
    assert np.all(image[:, :13] > 0.0)
    assert np.all(image[:, 13] == 0.0)


def test_rescaling_is_reported():
    points, n = surrounded(14, 200)
    volume = qhull_volumes(points)
    volume = np.where(np.isfinite(volume), volume, 1.0 / n)
    wrong = volume * np.where(np.arange(len(points)) % 2, 1.02, 0.98)
    view = square(0.5, 0.5, 4)
    image, account = deposit_voronoi(*points.T, wrong, volume[:, None], view)
    assert abs(account.rms_rescaling - 0.02) < 2e-3
    assert abs(account.largest_rescaling - 1.0 / 49.0) < 1e-9
    np.testing.assert_allclose(image, 0.5 * view.pixel**2, rtol=1e-11)  # mass is spread over the true cell


def test_threads_change_nothing():
    points = steep_cloud(15, 500)
    volume, mass = typical_volumes(points), np.random.default_rng(15).uniform(1.0, 2.0, (500, 3))
    one, account = deposit_voronoi(*points.T, volume, mass, square(1.0, 1.0, 20))
    many, accounts = deposit_voronoi(*points.T, volume, mass, square(1.0, 1.0, 20), threads=3)
    np.testing.assert_allclose(many, one, rtol=1e-13)
    np.testing.assert_array_equal(accounts.in_view, account.in_view)


@st.composite
def clouds(draw):
    # generators nearer to each other than rounding share one cell: tested below
    fine = st.floats(-0.7, 0.7).map(lambda value: round(value, 8))
    coordinate = st.one_of(st.sampled_from([-0.5, -0.25, 0.0, 0.25, 0.5]), fine)
    points = draw(st.lists(st.tuples(*[coordinate] * 3), min_size=1, max_size=40, unique=True))
    return np.array(points), draw(st.sampled_from([1, 3, 8])), draw(st.sampled_from([0.3, 1.0, 2.0]))


@settings(max_examples=60, deadline=None)
@given(clouds())
def test_any_cloud_closes_and_fills_no_place_twice(cloud):
    points, n_pixels, depth = cloud
    # a frame of generators far around: together all cells fill the view
    frame = np.stack(np.meshgrid(*[[-3.0, 0.0, 3.0]] * 3), axis=-1).reshape(-1, 3)
    points = np.concatenate([points, frame[np.any(frame != 0.0, axis=1)]])
    volume = np.full(len(points), 1e4)
    view = square(1.0, depth, n_pixels)
    image, account = deposit_voronoi(*points.T, volume, np.eye(len(points)), view)
    np.testing.assert_allclose(image.sum(axis=(1, 2)), account.in_view, rtol=1e-9, atol=1e-18)
    behind = np.einsum("k,kji->ji", np.nan_to_num(account.volume_ratio * volume), image)
    np.testing.assert_allclose(behind, view.pixel**2 * depth, rtol=1e-7)
    assert account.n_failed_cuts == 0


def test_no_cells_and_none_in_view():
    image, account = deposit_voronoi([], [], [], [], np.empty((0, 2)), square())
    assert image.shape == (2, 16, 16)
    assert np.all(image == 0.0)
    assert account.n_cells == 0
    assert np.isnan(account.rms_rescaling)
    image, account = deposit_voronoi([90.0], [0.0], [0.0], [1.0], [[1.0]], square())
    assert np.all(image == 0.0)
    assert account.n_cells == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": [np.nan, 0.0]}, "x: found 1 NaN"),
        ({"volume": [1.0, 0.0]}, "volume: found 1 not above zero"),
        ({"volume": [1.0]}, r"depth of shape \(2,\), volume of shape \(1,\)"),
        ({"columns": [1.0, 2.0]}, "columns of shape"),
        ({"depth": [[0.0, 1.0]]}, r"depth of shape \(1, 2\)"),
        ({"threads": 0}, "threads"),
    ],
)
def test_bad_input_is_one_clear_line(change, message):
    good = {
        "x": [0.0, 0.1],
        "y": [0.0, 0.0],
        "depth": [0.0, 0.0],
        "volume": [1.0, 1.0],
        "columns": [[1.0], [1.0]],
    }
    with pytest.raises(InputError, match=message) as caught:
        deposit_voronoi(**(good | change), view=square())
    assert "\n" not in str(caught.value)
