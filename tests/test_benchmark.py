"""The benchmark harness is fair, its peers do the same job, and simpost stays fast beside them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numba
import numpy as np
import pytest

SCRIPTS = Path(__file__).parents[1] / "scripts"
sys.path.insert(0, str(SCRIPTS))

from benchmarks import command, emission, emission_peers, timing  # noqa: E402
from benchmarks import emission_workload as workload  # noqa: E402
from benchmarks.timing import Competitor  # noqa: E402

FIELDS = {"name", "n", "threads", "ours_s", "peer", "peer_s", "ratio", "error", "peak_memory_bytes"}
PEERS = (emission_peers.INTERPOLATION, emission_peers.INTERPN, emission_peers.SCIPY)
# 30 % below what was reached on one thread
LEAST_RATIO = {
    emission_peers.INTERPOLATION: 3.3,
    emission_peers.INTERPN: 3.7,
    emission_peers.SCIPY: 38.0,
    emission_peers.QUADRATURE: 175.0,
}


@pytest.fixture(scope="module")
def table():
    return workload.made_up_table()


class FakeTime:
    """A clock that only jobs move, and their order."""

    def __init__(self):
        self.now, self.order = 0.0, []

    def __call__(self):
        return self.now

    def job(self, name, n, seconds):
        durations = iter(seconds)

        def run():
            self.order.append(name)
            self.now += next(durations)

        return Competitor(run, n)


def test_every_competitor_is_warmed_up_and_then_leads_a_round():
    clock = FakeTime()
    jobs = {name: clock.job(name, 1, [9.0, 1.0, 1.0, 1.0]) for name in "abc"}
    timing.seconds_per_element(jobs, 3, clock)
    assert "".join(clock.order) == "abc" + "abc" + "bca" + "cab"


def test_times_are_per_element_without_the_warm_up():
    clock = FakeTime()
    jobs = {"ours": clock.job("ours", 10, [99.0, 1.0, 2.0]), "slow": clock.job("slow", 2, [99.0, 4.0, 6.0])}
    times = timing.seconds_per_element(jobs, 2, clock)
    assert times == {"ours": [0.1, 0.2], "slow": [2.0, 3.0]}


def test_the_ratio_is_the_median_of_the_rounds_not_the_ratio_of_medians():
    assert timing.median_ratio([1.0, 2.0, 10.0], [3.0, 2.0, 10.0]) == 1.0


@pytest.mark.parametrize(("threads", "clock"), [(1, "process_time"), (2, "perf_counter")])
def test_a_record_scales_a_slow_peer_and_takes_the_clock_of_the_threads(monkeypatch, threads, clock):
    fake = FakeTime()
    ours = fake.job("ours", 100, [0.0, 1.0, 1.0, 4.0, 1.0])
    peer = fake.job("peer", 10, [0.0, 0.5, 0.5, 0.4])
    monkeypatch.setattr(timing.time, clock, fake)
    (record,) = timing.compare("case", ours, {"peer": peer}, rounds=3, error=1e-6, threads=threads)
    assert (record.n, record.threads, record.error) == (100, threads, 1e-6)
    assert record.ours_s == 1.0
    assert record.peer_s == pytest.approx(5.0)
    assert record.ratio == pytest.approx(5.0)


def test_a_missing_peer_is_named_as_missing(monkeypatch, table):
    monkeypatch.setitem(sys.modules, "interpn", None)
    cells = workload.random_cells(table, 100)
    others = emission_peers.peers((emission_peers.INTERPN,), table, cells)
    (record,) = timing.compare("case", Competitor(lambda: None, 100), others, rounds=1)
    assert record.peer == "interpn MultilinearRegular (not installed)"
    assert record.peer_s is None
    assert record.ratio is None


def test_added_memory_is_what_a_run_holds_at_most():
    size = 64 * 2**20
    allocating = timing.added_memory(lambda: np.ones(size, np.uint8).sum())
    if allocating is None:
        pytest.skip("the peak of the resident memory is unknown here")
    assert allocating == pytest.approx(size, rel=0.1)
    assert timing.added_memory(lambda: None) < 2**20


def test_cells_stay_inside_the_table_and_sorting_keeps_them(table):
    cells = workload.random_cells(table, 5000)
    for nodes, x in zip(table.nodes, workload.coordinates(cells), strict=True):
        assert x.min() > nodes[0] - 1e-9
        assert x.max() < nodes[-1] + 1e-9
    ordered = workload.sorted_cells(table, cells)
    assert np.all(np.diff(np.searchsorted(table.nodes[0], np.log10(ordered[0]))) >= 0)
    assert {*zip(*cells, strict=True)} == {*zip(*ordered, strict=True)}


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("column", [False, True])
def test_every_peer_does_the_same_job(peer, column):
    table = workload.made_up_table(column)
    cells = workload.random_cells(table, 40_000)  # more than a chunk
    entry = emission_peers.peers((peer,), table, cells)[peer]
    if entry.run is None:
        pytest.skip(f"{peer} is not installed")
    tolerance = 3e-5 if peer == emission_peers.INTERPN else 1e-10  # float32 there
    np.testing.assert_allclose(entry.run(), workload.multilinear(table, cells), rtol=tolerance)


def test_the_quadrature_agrees_with_the_averaged_table_at_its_nodes(table):
    rng = np.random.default_rng(1)
    picks = [rng.integers(0, nodes.size, 2000) for nodes in table.nodes]
    *logs, width = (nodes[i] for nodes, i in zip(table.nodes, picks, strict=True))
    inside = np.abs(logs[0]) < 1.0  # five widths of every distribution within the table
    cells = (*(10.0 ** x[inside] for x in logs), np.sqrt(np.expm1(width[inside] ** 2)) / workload.B)
    entry = emission_peers.peers((emission_peers.QUADRATURE,), table, cells)[emission_peers.QUADRATURE]
    expected = 10.0 ** table.log_l[tuple(i[inside] for i in picks)]
    np.testing.assert_allclose(entry.run(), expected, rtol=0.01)


def test_the_streamed_case_sums_its_parts(monkeypatch, table):
    monkeypatch.setattr(emission, "STREAMED", 3000)
    monkeypatch.setattr(emission, "PART", 1000)
    (record,) = emission._streamed(table)
    assert record.n == 3000
    assert record.ours_s > 0.0


def test_the_command_prints_one_json_record_per_case_and_peer(capsys):
    assert command.main(["emission", "--json", "--n", "3000", "--rounds", "1"]) == 0
    records = json.loads(capsys.readouterr().out)
    assert all(set(record) == FIELDS for record in records)
    assert len({(record["name"], record["peer"]) for record in records}) == len(records)
    assert {record["threads"] for record in records} == {1, 2}
    errors = [record["error"] for record in records if "axes" in record["name"] and record["threads"] == 1]
    assert 0.0 < max(errors) < 2e-5


def test_the_script_refuses_what_it_does_not_know():
    done = subprocess.run([sys.executable, SCRIPTS / "benchmark", "nothing"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "invalid choice" in done.stderr


@pytest.mark.skipif(
    bool(numba.config.BOUNDSCHECK or numba.config.DISABLE_JIT), reason="checked kernels are slow"
)
def test_the_look_up_is_not_slower_than_it_was(table):
    cells = workload.random_cells(table, 300_000)
    others = emission_peers.peers(tuple(LEAST_RATIO), table, cells)
    ratios = {r.peer: r.ratio for r in timing.compare("gate", emission.ours(table, cells), others, rounds=7)}
    slow = {peer: r for peer, r in ratios.items() if r is not None and r < LEAST_RATIO[peer]}
    assert not slow
    assert ratios[emission_peers.SCIPY] is not None
