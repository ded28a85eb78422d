"""The command line of the benchmarks."""

from __future__ import annotations

import argparse
import importlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict

from benchmarks.timing import Record

# every benchmark with the elements of its cases
SIZES = {"emission": (1_000_000, 10_000_000), "projection": (1_000_000,), "cube": (100_000, 1_000_000)}
HEADER = (
    f"{'case':38} {'n':>9} {'threads':>7} {'ours ns':>8} {'peer':43} {'peer ns':>8} {'ratio':>7} "
    f"{'error':>8} {'memory MiB':>10}"
)


def main(arguments: Sequence[str]) -> int:
    options = _parser().parse_args(arguments)
    options.n = options.n or SIZES[options.name]
    records = importlib.import_module(f"benchmarks.{options.name}").records(options)
    if options.json:
        print(json.dumps([asdict(record) for record in records], indent=1))
        return 0
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print(HEADER)
    for record in records:
        print(_row(record), flush=True)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/benchmark", description="Speed of simpost beside its peers."
    )
    parser.add_argument("name", choices=SIZES)
    parser.add_argument("--json", action="store_true", help="print a list of records")
    parser.add_argument("--rounds", type=_positive, default=5, help="interleaved repeats (default 5)")
    parser.add_argument(
        "--n",
        type=_positive,
        nargs="+",
        help="elements of each case (default: those the benchmark is quoted for)",
    )
    parser.add_argument("--large", action="store_true", help="emission: also 1e8 cells, streamed")
    return parser


def _positive(text: str) -> int:
    value = int(float(text))
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not above zero")
    return value


def _row(record: Record) -> str:
    def column(value: float | None, width: int, form: str, scale: float = 1.0) -> str:
        return f"{'-':>{width}}" if value is None else f"{value * scale:{width}{form}}"

    per_element = 1e9 / record.n
    return (
        f"{record.name:38} {record.n:9d} {record.threads:7d} {column(record.ours_s, 8, '.2f', per_element)} "
        f"{record.peer:43} {column(record.peer_s, 8, '.1f', per_element)} {column(record.ratio, 7, '.2f')} "
        f"{column(record.error, 8, '.1e')} {column(record.peak_memory_bytes, 10, '.1f', 2.0**-20)}"
    )
