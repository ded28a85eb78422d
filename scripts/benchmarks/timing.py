"""Times of several competitors for one job, taken so that a loaded machine does not favour any of them.

All run in one process: once to warm up, then in rounds whose order rotates. The ratio of two competitors is
the median over rounds of the ratio within a round: what slows the machine slows both.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

Clock = Callable[[], float]


@dataclass(frozen=True)
class Record:
    """One line of a benchmark.

    Attributes
    ----------
    name : str
        The case.
    n, threads : int
        Elements (cells, particles, ...) and threads of simpost.
    ours_s, peer_s : float
        Medians over rounds [s]: CPU time with one thread, wall clock with more. A slow peer works on the
        first of the elements only; its time is scaled to n.
    peer : str
        What simpost is compared with; empty without one.
    ratio : float or None
        How many times faster than the peer simpost is.
    error : float or None
        Largest relative error of simpost against a slow float64 reference.
    peak_memory_bytes : int or None
        What one run adds to the resident memory beside its input and the output it fills; None where unknown.
    """

    name: str
    n: int
    threads: int
    ours_s: float
    peer: str
    peer_s: float | None
    ratio: float | None
    error: float | None
    peak_memory_bytes: int | None


@dataclass(frozen=True)
class Competitor:
    """Something that does a job: `run` treats `n` elements; without `run` it is not installed."""

    run: Callable[[], object] | None
    n: int


def seconds_per_element(
    competitors: Mapping[str, Competitor], rounds: int, clock: Clock = time.process_time
) -> dict[str, list[float]]:
    """Time over n of every installed competitor in every round, after one run to warm up."""
    runs = {name: (entry.run, entry.n) for name, entry in competitors.items() if entry.run is not None}
    for run, _ in runs.values():
        run()
    times: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(rounds):
        for name in rotated(list(runs), number):
            run, n = runs[name]
            start = clock()
            run()
            times[name].append((clock() - start) / n)
    return times


def rotated(names: list[str], number: int) -> list[str]:
    """The names, begun at another one in every round."""
    first = number % len(names)
    return names[first:] + names[:first]


def median_ratio(ours: list[float], peer: list[float]) -> float:
    """Median over rounds of peer over ours."""
    return median(b / a for a, b in zip(ours, peer, strict=True))


def compare(
    name: str,
    ours: Competitor,
    peers: Mapping[str, Competitor],
    rounds: int,
    error: float | None = None,
    threads: int = 1,
) -> Iterator[Record]:
    """One record per peer, or one alone; a peer that is not installed is named as such.

    With more than one thread everything is timed by the wall clock.
    """
    if ours.run is None:
        raise ValueError(f"{name}: nothing to compare")
    clock = time.process_time if threads == 1 else time.perf_counter
    times = seconds_per_element({"": ours, **peers}, rounds, clock)
    memory = added_memory(ours.run)
    ours_s = ours.n * median(times[""])
    for peer in peers or ("",):
        if peer not in times:
            yield Record(name, ours.n, threads, ours_s, f"{peer} (not installed)", None, None, error, memory)
        elif peer:
            peer_s = ours.n * median(times[peer])
            ratio = median_ratio(times[""], times[peer])
            yield Record(name, ours.n, threads, ours_s, peer, peer_s, ratio, error, memory)
        else:
            yield Record(name, ours.n, threads, ours_s, "", None, None, error, memory)


def added_memory(run: Callable[[], object]) -> int | None:
    """Peak of the resident memory during a run less what was resident before [bytes]; None off Linux."""
    try:
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
        before = _status_bytes("VmRSS")
        run()
        return max(_status_bytes("VmHWM") - before, 0)
    except OSError:
        return None


def _status_bytes(key: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(key + ":"):
            return 1024 * int(line.split()[1])
    raise OSError(f"no {key} in /proc/self/status")
