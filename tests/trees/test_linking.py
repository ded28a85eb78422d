"""Linking catalogues by shared particles: against a plain count, on mergers of known story, on a real zoom."""

import json
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest

from simpost.core import constants as c
from simpost.core.errors import InputError, SnapshotError
from simpost.snapshots.arepo_members import Members, subhalo_members
from simpost.snapshots.protocol import HaloCatalogue
from simpost.trees.forest import main_branch, tracks_of
from simpost.trees.linking import descendants, link_snapshots, main_progenitors, shared_particles
from simpost.trees.measure import with_measured_masses
from tests.conftest import YT_MSUN
from tests.trees.forests import PLANCK


def members(*subhaloes, outside=(), known=()):
    """Members from lists of identities, the most bound first; `outside` are in groups only."""
    length = np.array([len(ids) for ids in subhaloes], dtype=np.int64)
    identity = np.array([i for ids in subhaloes for i in ids] + list(outside), dtype=np.int64)
    return Members(identity, np.cumsum(length) - length, length, *known)


def story(*snapshots, particle_masses=MappingProxyType({}), **changes):
    """A reader for `link_snapshots` from lists of members, one per snapshot; mass = number of members."""

    def read(path, central):
        number = int(path.name)
        own = members(*snapshots[number], known=(f"snap_{number}", particle_masses.get(number, 1e5)))
        n = len(own.length)
        a = 0.1 + 0.02 * number
        columns = {
            "source": path, "position": np.full((n, 3), 10.0 * a), "velocity": np.zeros((n, 3)),
            "mass": own.length.astype(float), "m_200c": own.length * 1.0, "r_200c": np.ones(n),
            "is_central": np.ones(n, dtype=bool), "group": np.arange(n), "scale_factor": a,
            "galaxy_stellar_mass": np.full(n, 2.0), "sfr": np.full(n, 3.0), "number": number,
            "cosmology": PLANCK, "box_size": 100.0 * a,
        }  # fmt: skip
        return HaloCatalogue(**(columns | changes.get(f"at_{number}", {}))), lambda: own

    return read, [Path(str(n)) for n in range(len(snapshots))]


def linked(*snapshots, weight="rank", **changes):
    read, paths = story(*snapshots, **changes)
    return link_snapshots(paths, weight, read=read)


@pytest.mark.parametrize("weight", ["rank", "count"])
@pytest.mark.parametrize("seed", range(8))
def test_shared_particles_equal_a_plain_count(seed, weight):
    draw = np.random.default_rng(seed)

    def random_members():
        ids = draw.permutation(200)
        cuts = np.sort(draw.integers(0, 150, 5))
        return [ids[i:j].tolist() for i, j in zip(np.r_[0, cuts], np.r_[cuts, 150], strict=True)]

    early, late = random_members(), random_members()
    links = shared_particles(members(*early, outside=[900, 901]), members(*late, outside=[900]), weight)
    found = {
        (before, after): (n, score)
        for before, after, n, score in zip(links.earlier, links.later, links.shared, links.score, strict=True)
    }
    expected = {}
    for before, ids in enumerate(early):
        for after, others in enumerate(late):
            ranks = [rank for rank, i in enumerate(ids) if i in others]
            if ranks:
                score = sum(1.0 / (1 + rank) for rank in ranks) if weight == "rank" else float(len(ranks))
                expected[before, after] = (len(ranks), pytest.approx(score, rel=1e-12))
    assert found == expected


def test_the_bound_core_decides():
    """A satellite that loses its outer 80 particles to the host is still itself."""
    satellite, host = list(range(100)), list(range(1000, 1500))
    later = [host + satellite[20:], satellite[:20]]
    links = shared_particles(members(host, satellite), members(*later), "rank")
    assert descendants(links, 2).tolist() == [0, 1]
    by_count = shared_particles(members(host, satellite), members(*later), "count")
    assert descendants(by_count, 2).tolist() == [0, 0]


def test_the_main_progenitor_shares_most():
    big, small = list(range(300)), list(range(1000, 1100))
    links = shared_particles(members(small, big), members(big + small), "rank")
    to = descendants(links, 2)
    assert to.tolist() == [0, 0]
    assert main_progenitors(links, to, 1).tolist() == [1]


def test_no_particle_shared_is_no_link():
    links = shared_particles(members([1, 2], [3]), members([7, 8]))
    assert len(links.earlier) == 0
    assert descendants(links, 2).tolist() == [-1, -1]
    empty = shared_particles(members(), members([1]))
    assert main_progenitors(empty, descendants(empty, 0), 1).tolist() == [-1]
    assert len(shared_particles(members([1]), members()).earlier) == 0


def test_a_merger_along_three_snapshots():
    a, b = list(range(200)), list(range(500, 580))
    wood = linked([b, a], [a, b], [a + b])
    assert wood.snapshot.tolist() == [0, 0, 1, 1, 2]
    assert wood.descendant.tolist() == [3, 2, 4, 4, -1]
    assert main_branch(wood, 4).tolist() == [4, 2, 1]
    track = tracks_of(wood, 4)[0]
    assert track.m_halo.tolist() == pytest.approx([200, 200, 280], rel=1e-12)
    assert track.row.tolist() == [1, 0, 0]
    assert (track.m_star.tolist(), track.sfr.tolist()) == ([2.0] * 3, [3.0] * 3)


@pytest.mark.parametrize("absorbed", [True, False], ids=["in the host", "not in the catalogue"])
def test_a_halo_lost_for_one_snapshot_is_found_again(absorbed):
    host, satellite = list(range(400)), list(range(1000, 1060))
    middle = [host + satellite] if absorbed else [host]
    wood = linked([host, satellite], middle, [host, satellite], [host, satellite])
    again = wood.row_of(2, 1)
    branch = main_branch(wood, wood.row_of(3, 1))
    assert wood.snapshot[branch].tolist() == [3, 2, 0]
    assert wood.identity[branch].tolist() == [1, 1, 1]
    assert wood.descendant[wood.row_of(0, 1)] == again
    assert main_branch(wood, wood.row_of(3, 0)).tolist() == [wood.row_of(n, 0) for n in (3, 2, 1, 0)]
    track = tracks_of(wood, wood.row_of(3, 1))[0]
    assert track.snapshot.tolist() == [0, 1, 2, 3]
    assert track.is_bridged.tolist() == [False, True, False, False]


def test_a_fragment_of_the_host_takes_nobody():
    host = list(range(400))
    wood = linked([host], [host], [host[:300], host[300:]])
    assert main_branch(wood, wood.row_of(2, 0)).tolist() == [2, 1, 0]
    assert main_branch(wood, wood.row_of(2, 1)).tolist() == [3]


def test_a_halo_lost_for_two_snapshots_begins_anew():
    host, satellite = list(range(400)), list(range(1000, 1060))
    wood = linked([host, satellite], [host], [host], [host, satellite])
    assert len(main_branch(wood, wood.row_of(3, 1))) == 1


def test_the_order_of_the_snapshots_given_does_not_matter():
    a, b = list(range(200)), list(range(500, 580))
    read, paths = story([b, a], [a, b], [a + b])
    one, other = link_snapshots(paths, read=read), link_snapshots(paths[::-1], read=read)
    for name in ("descendant", "main_progenitor", "identity", "snapshot"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_members_are_read_once():
    """And not before they are needed: three snapshots are in memory at a time."""
    a = list(range(100))
    read, paths = story([a], [a], [a], [a])
    calls = []

    def counted(path, central):
        catalogue, own = read(path, central)

        def members_of():
            calls.append(path.name)
            return own()

        assert not calls
        return catalogue, members_of

    link_snapshots(paths, read=counted)
    assert calls == ["0", "1", "2", "3"]


def test_bad_input_is_one_line():
    ids = list(range(50))
    with pytest.raises(InputError, match=r"^snap_0: found 2 particle identities twice"):
        linked([ids, [3, 4]], [ids])
    with pytest.raises(InputError, match="every snapshot once"):
        linked([ids], [ids], at_1={"scale_factor": 0.1, "box_size": 10.0})
    with pytest.raises(InputError, match="another cosmology or box"):
        linked([ids], [ids], at_1={"box_size": 50.0})
    with pytest.raises(InputError, match="0: found no cosmology"):
        linked([ids], [ids], at_0={"cosmology": None})
    with pytest.raises(InputError, match="found 1, expected two or more"):
        linked([ids])
    with pytest.raises(InputError, match="'rank' or 'count'"):
        linked([ids], [ids], weight="mass")


def test_runs_of_other_particles_are_not_linked():
    ids = list(range(50))
    with pytest.raises(InputError, match=r"^snap_2: found .* of 8e\+05 Msun, expected 1e\+05 as in snap_1;"):
        linked([ids], [ids], [ids], particle_masses={2: 8e5})
    assert len(linked([ids], [ids], particle_masses={1: 1e5 * (1 + 1e-6)})) == 2  # rounded otherwise
    assert len(linked([ids], [ids], particle_masses={1: float("nan")})) == 2  # not known


def test_another_real_run_is_not_linked(zoom, shared_data):
    box = shared_data / "arepo/box/snap_006.hdf5"
    masses = [subhalo_members(path).particle_mass for path in (zoom[0][5], box)]
    assert masses == pytest.approx([5.92e5, 1.60e7], rel=2e-3)
    with pytest.raises(InputError, match=rf"^{box}: .* as in {zoom[0][5]}; link one run"):
        link_snapshots([zoom[0][4], zoom[0][5], box])


# -- a real zoom -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def zoom(shared_data):
    folder = shared_data / "arepo/zoom"
    paths = {n: folder / f"snap_{n:03d}.hdf5" for n in (0, 1, 3, 4, 5)}
    paths[7] = folder / "snapdir_007/snap_007.0.hdf5"
    measured = json.loads((shared_data / "arepo/measured/zoom_tracks.json").read_text())["main_progenitor"]
    return paths, [step for step in measured if int(step["snapshot"]) in paths]


@pytest.fixture(scope="module")
def zoom_forest(zoom):
    return link_snapshots(list(zoom[0].values()))


@pytest.mark.parametrize("weight", ["rank", "count"])
def test_real_zoom_main_progenitor(zoom, weight):
    """The branch of zoom_tracks.json, over a non-central subhalo at z = 7.9."""
    wood = link_snapshots(list(zoom[0].values()), weight)
    branch = main_branch(wood, wood.row_of(7, 0))[::-1]
    assert wood.identity[branch].tolist() == [step["subhalo"] for step in zoom[1]]
    assert "no snapshot of number 2, 6" in wood.notes


def test_real_zoom_shared_members(zoom):
    paths, measured = zoom
    for (early, late), step in zip([(3, 4), (4, 5)], measured[2:], strict=False):
        links = shared_particles(subhalo_members(paths[early]), subhalo_members(paths[late]))
        later_row = measured[[int(s["snapshot"]) for s in measured].index(late)]["subhalo"]
        pair = (links.earlier == step["subhalo"]) & (links.later == later_row)
        assert links.shared[pair].item() == step["dm_members_shared_with_later"]


def test_real_zoom_track(zoom, zoom_forest):
    """Catalogue masses along the branch; the step where the halo is no central is bridged."""
    track = tracks_of(zoom_forest, zoom_forest.row_of(7, 0))[0]
    np.testing.assert_allclose(track.redshift, [step["z"] for step in zoom[1]], rtol=1e-9)
    expected = np.array([step["group_M_Crit200_of_its_group_Msun"] for step in zoom[1]]) * YT_MSUN / c.M_SUN
    central = ~track.is_satellite
    assert central.tolist() == [True, True, True, True, False, True]
    np.testing.assert_allclose(track.m_halo[central][:-1], expected[central][:-1], rtol=1e-5)
    # the last snapshot is stored with a catalogue made anew, with other members at the border
    assert track.m_halo[-1] == pytest.approx(expected[-1], rel=2e-3)
    np.testing.assert_array_equal(track.is_bridged, track.is_satellite)
    assert np.all(np.diff(track.m_star) > 0)


def test_real_zoom_measured_masses(zoom, zoom_forest):
    """M_200c around the halo itself, also where it is no central, equals an independent measurement."""
    paths, measured = zoom
    chosen = {n: paths[n] for n in (5, 7)}
    root = zoom_forest.row_of(7, 0)
    wood = with_measured_masses(zoom_forest, main_branch(zoom_forest, root), chosen)
    track = tracks_of(wood, root)[0]
    expected = np.array([step["M_200c_recomputed_Msun"] for step in measured]) * YT_MSUN / c.M_SUN
    np.testing.assert_allclose(track.m_halo[-2:], expected[-2:], rtol=2e-3)
    assert not np.any(track.is_bridged)
    assert "M_200c measured around the halo itself at snapshot(s) 5, 7" in track.notes
    changed = np.flatnonzero(~np.equal(wood.m_200c, zoom_forest.m_200c) & (wood.m_200c > 0))
    assert set(changed.tolist()) == wood.measured == {zoom_forest.row_of(5, 1), root}
    for other in wood.roots()[1:]:
        tracks = tracks_of(wood, int(other)) if wood.m_200c[other] > 0 else []
        assert not any("measured" in note for track in tracks for note in track.notes)
    with pytest.raises(InputError, match="the snapshot is another one"):
        with_measured_masses(zoom_forest, [root], {7: paths[5]})


def test_a_snapshot_without_catalogue(zoom, tmp_path):
    lonely = tmp_path / "snap_003.hdf5"
    lonely.symlink_to(zoom[0][3])
    with pytest.raises(SnapshotError, match="no group catalogue of the same number"):
        link_snapshots([lonely, zoom[0][4]])
