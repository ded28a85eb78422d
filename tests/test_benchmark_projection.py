"""The map and cube benchmarks: their inputs, their brute force, that peers do the same job, and the speed."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numba
import numpy as np
import pytest

SCRIPTS = Path(__file__).parents[1] / "scripts"
sys.path.insert(0, str(SCRIPTS))

from benchmarks import (  # noqa: E402
    command,
    cube,
    cube_peers,
    projection,
    projection_peers,
    timing,
)
from benchmarks import projection_reference as brute  # noqa: E402
from benchmarks import projection_workload as workload  # noqa: E402

from simpost.maps.deposit import PIXEL_INTEGRATED, PYRAMID  # noqa: E402
from simpost.maps.view import View  # noqa: E402

FIELDS = {"name", "n", "threads", "ours_s", "peer", "peer_s", "ratio", "error", "peak_memory_bytes"}
P = 64
ROWS = np.arange(P)
checked_kernels = bool(numba.config.BOUNDSCHECK or numba.config.DISABLE_JIT)
needs_speed = pytest.mark.skipif(checked_kernels, reason="checked kernels are slow")


@pytest.fixture(scope="module")
def tree():
    return workload.octree(3000)


@pytest.fixture(scope="module")
def some():
    return workload.particles(2000)


@pytest.fixture(scope="module")
def lines(tree):
    return cube.of_leaves(tree)


# inputs


@pytest.mark.parametrize("n", [64, 300, 20_000])
def test_leaves_fill_the_box_once_in_depth_first_order(n):
    tree = workload.octree(n)
    assert 0.7 * n < tree.size.size <= n
    assert np.sum(tree.size**3) == pytest.approx(1.0, rel=1e-12)
    finest = np.floor((tree.position + 0.5) * 2**13).astype(int)
    morton = sum(
        ((finest[:, axis] >> bit) & 1) << (3 * bit + 2 - axis) for bit in range(13) for axis in range(3)
    )
    assert np.all(np.diff(morton) > 0)  # so no two overlap: together they fill the box
    assert np.count_nonzero(tree.node_is_split == 0) * 8 == tree.size.size


def test_yt_has_the_same_leaves(tree):
    data = projection_peers.yt_dataset(tree).all_data()
    np.testing.assert_array_equal(data["index", "dx"].d, tree.size)
    np.testing.assert_array_equal(data["index", "x"].d, tree.position[:, 0])
    np.testing.assert_array_equal(data["index", "z"].d, tree.position[:, 2])
    np.testing.assert_array_equal(data["gas", "density"].d, tree.density)


def test_a_kernel_holds_58_neighbours():
    from scipy.spatial import cKDTree

    some = workload.particles(20_000)
    inner = np.flatnonzero(np.abs(some.position).max(axis=1) < 0.3)[:2000]
    tree = cKDTree(some.position)
    counts = tree.query_ball_point(some.position[inner], some.support[inner], return_length=True)
    assert np.median(counts) == pytest.approx(58.0, rel=0.25)  # the density varies within a kernel


def test_sorting_by_tile_keeps_the_particles(some):
    ordered = workload.sorted_by_tile(some)
    assert {*ordered.mass} == {*some.mass}
    assert np.all(np.diff(np.floor((ordered.position[:, 1] + 0.5) * workload.TILES)) >= 0)
    assert dict(zip(ordered.mass, ordered.support, strict=True)) == dict(
        zip(some.mass, some.support, strict=True)
    )


# brute force


@pytest.mark.parametrize(
    ("projected", "pixel", "share"), [(True, 0.5, 0.42423849), (True, 1.0, 0.89950891), (True, 2.0, 1.0)]
)
def test_brute_force_kernels_have_the_shares_of_the_reference_table(projected, pixel, share):
    image = np.zeros((1, 1))
    one, zero = np.ones(1), np.zeros(1)
    brute.add_discs(
        zero, zero, one, one, projected, brute.NODES, brute.NODE_WEIGHTS, pixel / 2, pixel, ROWS[:1], image
    )
    assert image[0, 0] == pytest.approx(share, rel=2e-5)


@pytest.mark.parametrize("projected", [False, True])
@pytest.mark.parametrize("support", [0.003, 0.05, 0.3])
def test_brute_force_kernels_keep_the_mass(projected, support):
    image = np.zeros((50, 50))
    x, y, one = np.array([0.013]), np.array([-0.07]), np.ones(1)
    brute.add_discs(
        x,
        y,
        np.array([support]),
        one,
        projected,
        brute.NODES,
        brute.NODE_WEIGHTS,
        0.5,
        0.02,
        ROWS[:50],
        image,
    )
    assert image.sum() == pytest.approx(1.0, rel=2e-5)


@pytest.mark.parametrize(
    ("centre", "side", "share"),
    [
        ((0.0, 0.0), 0.25, 0.0779511956),
        ((0.3, 0.2), 0.5, 0.2072099031),
        ((0.6, 0.3), 0.25, 0.0134029769),
        ((-0.5, -0.6), 0.4, 0.0156942758),
    ],
)
def test_brute_force_cubes_have_the_shares_of_convex_polytopes(centre, side, share):
    toward = np.array((3.0, 2.0, 1.0)) / np.sqrt(14.0)
    right = np.cross((0.0, 0.0, 1.0), toward)
    right /= np.linalg.norm(right)
    axes = np.array((right, np.cross(toward, right), toward))
    image = np.zeros((1, 1))
    one = np.ones(1)
    brute.add_cubes(np.array([-centre[0]]), np.array([-centre[1]]), one, one, axes, 0.5 * side, side, image)
    assert image[0, 0] == pytest.approx(share, rel=2e-3)


def test_brute_force_squares_are_cubes_seen_along_an_axis():
    x, y, size = np.array([0.11, -0.3]), np.array([-0.2, 0.45]), np.array([0.3, 0.2])
    squares, cubes = np.zeros((2, 10, 10))
    brute.add_squares(x, y, size, np.ones(2), 0.5, 0.1, squares)
    brute.add_cubes(x, y, size, np.ones(2), np.eye(3), 0.5, 0.1, cubes)
    assert squares.sum() == pytest.approx(1.0 + 0.75, rel=1e-12)  # a quarter of the second lies outside
    np.testing.assert_allclose(cubes, squares, atol=0.03 * squares.max())


def test_the_error_is_the_worst_of_map_pixels_and_mass():
    expected = np.array([[1.0, 1.0], [1.0, 0.1]])
    assert brute.error(1.02 * expected, expected) == pytest.approx(0.02, rel=1e-9)
    wrong = expected.copy()
    wrong[1, 1] *= 1.5  # one pixel of four
    assert brute.error(wrong, expected) == pytest.approx(0.25, rel=1e-9)
    cubes = expected[None]
    assert cube.error(2.0 * cubes, cubes, 0.5) == pytest.approx(0.0, abs=1e-15)
    assert cube.error(cubes, cubes, 1.01) == pytest.approx(0.01, rel=1e-9)


# the same job on both sides: a transposed or mirrored image differs by 0.4 at least


def test_yt_and_the_histograms_draw_the_leaves_exactly(tree):
    view = projection.axis_view(P)
    assert projection.leaf_error(projection_peers.yt_aligned(tree, P), tree, view) < 1e-12
    assert projection.leaf_error(projection_peers.level_histograms(tree, P), tree, view) < 1e-12
    assert projection.leaf_error(projection.leaf_map(tree, view), tree, view) < 1e-12


def test_yt_draws_the_oblique_leaves_at_the_scale_of_its_depth(tree):
    view = projection.oblique_view(P)
    draw = projection_peers.yt_oblique(tree, view)
    assert projection.leaf_error(draw, tree, view, scaled=True) < 0.2
    assert projection.leaf_error(draw, tree, view) < 0.2
    assert projection.leaf_error(projection.leaf_map(tree, view), tree, view) < 1e-3


@pytest.mark.parametrize(("backend", "most"), [("nested", 0.35), ("fast", 0.1), ("subsampled", 0.05)])
def test_swiftsimio_draws_the_particles(some, backend, most):
    draw = projection_peers.swiftsimio(backend, some, P)
    assert projection.smoothed_error(draw, some, P, projection.FLAT) < most


@pytest.mark.parametrize("kernel", [projection.FLAT, projection.PROJECTED])
@pytest.mark.parametrize(("backend", "most"), [(PYRAMID, 1e-3), (PIXEL_INTEGRATED, 1e-4)])
def test_we_draw_the_particles(kernel, backend, most):
    some = workload.particles(20_000)
    draw = projection.smoothed_map(some, P, backend, kernel)
    assert projection.smoothed_error(draw, some, P, kernel) < most


def test_two_threads_draw_the_same(some, tree):
    view = projection.oblique_view(P)
    for draw, tolerance in (
        # the pyramid of each thread is collapsed on its own
        (lambda threads: projection.smoothed_map(some, P, PYRAMID, threads=threads), 1e-6),
        (lambda threads: projection.leaf_map(tree, view, threads), 1e-11),
    ):
        np.testing.assert_allclose(draw(2)(), draw(1)(), rtol=tolerance)


def test_cubes_of_leaves_agree(tree, lines):
    expected = cube.brute_force(lines, smoothed=False)
    unit = cube_peers.CHANNEL / cube_peers.N_PIXELS**2
    assert cube.error(cube.cube_of(lines, smoothed=False)(), expected, unit) < 1e-4
    nearest = cube_peers.nearest_pixel(lines)()  # its spectrum is right where its pixels are not
    np.testing.assert_allclose(nearest.sum(axis=(0, 1)), expected.sum(axis=(0, 1)), rtol=1e-9)


def test_yt_ppv_draws_the_cube_of_leaves(tree, lines):
    pytest.importorskip("yt_astro_analysis", reason="yt_astro_analysis is not installed")
    theirs = cube_peers.ppv_cube(tree)()
    expected = cube.brute_force(lines, smoothed=False)
    assert cube.error(theirs, expected, expected.sum() / theirs.sum()) < 0.02


def test_cubes_of_kernels_agree():
    some = cube.of_particles(300)
    expected = cube.brute_force(some, smoothed=True)
    unit = cube_peers.CHANNEL / cube_peers.N_PIXELS**2
    assert cube.error(cube.cube_of(some, smoothed=True)(), expected, unit) < 1e-3


def test_martini_draws_the_cube_of_kernels():
    pytest.importorskip("martini", reason="astromartini is not installed")
    some = cube.of_particles(300)
    expected = cube.brute_force(some, smoothed=True)
    theirs = cube_peers.martini(some, 0.0)()
    assert cube.error(theirs, expected, expected.sum() / theirs.sum()) < 0.2


# the command


@pytest.mark.parametrize(
    ("package", "prepare"),
    [
        (
            "swiftsimio.visualisation.projection_backends",
            lambda: projection_peers.swiftsimio("fast", None, P),
        ),
        ("yt", lambda: projection_peers.yt_aligned(None, P)),
        ("yt_astro_analysis.ppv_cube.api", lambda: cube_peers.ppv_cube(None)),
        ("martini", lambda: cube_peers.martini(None, 0.0)),
    ],
)
def test_a_missing_peer_is_named_as_missing(monkeypatch, package, prepare):
    monkeypatch.setitem(sys.modules, package, None)
    for peers in (projection._peer("theirs", prepare, 9), cube._peer("theirs", prepare, 9, prepare, None)):
        (record,) = timing.compare("case", timing.Competitor(lambda: None, 9), peers, rounds=1)
        assert record.peer == "theirs (not installed)"
        assert record.ratio is None


@pytest.mark.parametrize("name", ["projection", "cube"])
def test_the_command_prints_one_json_record_per_case_and_peer(monkeypatch, capsys, name):
    monkeypatch.setattr(projection, "SMOOTHED_PIXELS", (64,))
    monkeypatch.setattr(projection, "ALIGNED_PIXELS", (50,))
    monkeypatch.setattr(projection, "OBLIQUE_PIXELS", (64,))
    monkeypatch.setattr(projection, "AFFORDABLE_PIXELS", {"subsampled": 2e5, "brute force": 1e7})
    monkeypatch.setattr(cube, "CHECKED_SMOOTHED", 100)
    assert command.main([name, "--json", "--n", "800", "--rounds", "1"]) == 0
    records = json.loads(capsys.readouterr().out)
    assert all(set(record) == FIELDS for record in records)
    assert len({(r["name"], r["threads"], r["peer"]) for r in records}) == len(records)
    assert {record["threads"] for record in records} == {1, 2}
    errors = [record["error"] for record in records if record["threads"] == 1]
    assert max(errors) < 1e-3


def test_brute_force_and_slow_peers_work_on_what_they_can_afford(monkeypatch, some):
    monkeypatch.setattr(projection, "AFFORDABLE_PIXELS", {"slow": 1e5})
    few = projection.affordable("slow", some, P)
    assert 1 <= few.mass.size < some.mass.size
    assert np.sum((2 * few.support * P + projection.MARGIN) ** 2) < 1e5
    assert projection.affordable("quick", some, P).mass.size == some.mass.size


def test_views_hold_the_whole_box_in_depth():
    assert projection.axis_view(8).depth >= np.sqrt(3.0)
    assert isinstance(projection.oblique_view(8), View)
    assert not projection.oblique_view(8).is_axis_aligned


# the speed: 30 % below what was reached on one thread with as many elements


GATE = 300_000  # elements


@pytest.fixture(scope="module")
def gate_tree():
    return workload.octree(GATE)


def ratios(draw, n, peers):
    ours = timing.Competitor(draw, n)
    competitors = {name: timing.Competitor(*entry) for name, entry in peers.items()}
    return {record.peer: record.ratio for record in timing.compare("gate", ours, competitors, rounds=5)}


def assert_not_below(least, found):
    assert found.keys() == least.keys()
    assert {peer: ratio for peer, ratio in found.items() if ratio < least[peer]} == {}


@needs_speed
def test_maps_of_particles_are_not_slower_than_they_were():
    some = workload.particles(GATE)
    few = projection.affordable("subsampled", some, 512)
    peers = {
        "nested": (projection_peers.swiftsimio("nested", some, 512), GATE),
        "fast": (projection_peers.swiftsimio("fast", some, 512), GATE),
        "subsampled": (projection_peers.swiftsimio("subsampled", few, 512), few.mass.size),
    }
    found = ratios(projection.smoothed_map(some, 512, PYRAMID), GATE, peers)
    assert_not_below({"nested": 0.6, "fast": 3.7, "subsampled": 65.0}, found)


@needs_speed
def test_maps_of_leaves_are_not_slower_than_they_were(gate_tree):
    n = gate_tree.size.size
    peers = {
        "yt": (projection_peers.yt_aligned(gate_tree, 512), n),
        "numpy": (projection_peers.level_histograms(gate_tree, 512), n),
    }
    found = ratios(projection.leaf_map(gate_tree, projection.axis_view(512)), n, peers)
    assert_not_below({"yt": 4.1, "numpy": 1.9}, found)


@needs_speed
def test_oblique_maps_are_not_slower_than_they_were(gate_tree):
    n, view = gate_tree.size.size, projection.oblique_view(256)
    peers = {"yt": (projection_peers.yt_oblique(gate_tree, view), n)}
    assert_not_below({"yt": 8.4}, ratios(projection.leaf_map(gate_tree, view), n, peers))


@needs_speed
def test_cubes_are_not_slower_than_they_were(gate_tree):
    lines = cube.of_leaves(gate_tree)
    some = lines.part(slice(None, None, 10))
    peers = {"numpy": (cube_peers.nearest_pixel(some), some.x.size)}
    found = ratios(cube.cube_of(lines, smoothed=False), lines.x.size, peers)
    assert_not_below({"numpy": 9.4}, found)
