"""Progress: a bar on a terminal, plain lines in a log; never both, never neither."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, TypeVar

Result = TypeVar("Result")

_LINE_EVERY = 0.1  # of the whole, between two lines of one stage in a log


class Progress:
    """Shows how far a run is, on standard error."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._task: Any = None
        self._last, self._printed = "", 0.0
        self._start = time.monotonic()

    def __enter__(self) -> Progress:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
            from rich.progress import Progress as Bar

            columns = (
                BarColumn(),
                TaskProgressColumn(),
                TimeElapsedColumn(),
                TextColumn("{task.description}"),
            )
            self._bar = Bar(*columns, console=Console(stderr=True), transient=True)
            self._bar.start()
            self._task = self._bar.add_task("", total=1.0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def report(self, stage: str, share: float) -> None:
        """Say that the run is in `stage` and `share` (0 to 1) of it is done."""
        if self._bar is not None:
            self._bar.update(self._task, completed=share, description=stage)
        elif stage != self._last or share >= self._printed + _LINE_EVERY:
            seconds = time.monotonic() - self._start
            print(f"[{seconds:7.1f} s] {share:4.0%} {stage}", file=sys.stderr, flush=True)
            self._last, self._printed = stage, share


def with_progress(work: Callable[[Callable[[str, float], None]], Result], quiet: bool) -> Result:
    """Call `work` with what it reports its progress to: shown from its first import on, or nowhere."""
    if quiet:
        return work(lambda stage, share: None)
    with Progress() as progress:
        progress.report("starting", 0.0)
        return work(progress.report)
