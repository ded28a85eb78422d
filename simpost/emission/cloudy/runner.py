"""Run the decks of a grid: in parallel, resumable, and safe to kill at any moment.

A model runs in `running/`; when its outputs have been read and found good, its folder is renamed to
`models/NAME`, which is the only thing that counts as finished. A model that fails is kept in `failed/NAME`.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from simpost.core.errors import InputError
from simpost.emission.cloudy.decks import CONFIG_NAME, DECKS, Node, deck_of, grid_nodes, physics_of
from simpost.emission.cloudy.outputs import ModelError, Reason, Slab, read_slab
from simpost.emission.cloudy.settings import CloudyGridConfig, load_cloudy_config

MODELS, FAILED, RUNNING = "models", "failed", "running"
FAILURE_NAME = "failure.txt"
DEFAULT_TIMEOUT = 3600.0  # s; models of the packaged grid took 8 to 42 s, one with full physics 221 s


@dataclass(frozen=True)
class RunReport:
    """How many models were finished before and now, and a line for each that failed."""

    before: int
    now: int
    failures: tuple[str, ...]


def open_grid(folder: Path) -> CloudyGridConfig:
    """Configuration of a folder of decks.

    Raises
    ------
    InputError
        It is no such folder, or a deck is missing or was changed by hand.
    """
    if not (folder / CONFIG_NAME).is_file():
        raise InputError(folder, f"no {CONFIG_NAME}", "a folder made by `simpost grid cloudy-decks`")
    config = load_cloudy_config(folder / CONFIG_NAME)
    for node in grid_nodes(config):
        deck = folder / DECKS / f"{node.name}.in"
        if not deck.is_file() or deck.read_text(encoding="utf-8") != deck_of(node, config):
            found = "a deck that is missing" if not deck.is_file() else "a deck that was changed"
            raise InputError(deck, found, f"what {CONFIG_NAME} says", "make the decks again in a new folder")
    return config


def cloudy_executable(path: str) -> Path:
    """Absolute path of the executable, given as a path or as a name to be found in `$PATH`.

    Raises
    ------
    InputError
        There is no such file, or it cannot be executed.
    """
    found = shutil.which(path)
    if found is None:
        there = Path(path).is_file()
        what = "a file that is not executable" if there else "no such file"
        raise InputError(
            path, what, "the Cloudy executable", "chmod +x it" if there else "give --cloudy PATH"
        )
    return Path(found).resolve()


def read_model(folder: Path, node: Node, config: CloudyGridConfig) -> Slab:
    """Read the outputs of a node's model in its folder; ModelError if they are no good."""
    deck = folder / f"{node.name}.in"
    if not deck.is_file():
        raise ModelError(Reason.NOT_RUN, f"no {deck.name}")
    if deck.read_text(encoding="utf-8", errors="replace") != deck_of(node, config):
        raise ModelError(Reason.OTHER_DECK, f"{deck.name} is not the deck of this grid")
    return read_slab(folder, node.name, config.lines, physics_of(node, config))


def check_release(version: str, config: CloudyGridConfig, where: object) -> None:
    """Refuse models of another release than the decks were written for."""
    if not version.startswith(config.cloudy_version):
        expected = f"Cloudy {config.cloudy_version}, for which the decks are"
        raise InputError(where, f"Cloudy {version}", expected, "set cloudy_version and make new decks")


def run_grid(
    folder: Path,
    cloudy: str,
    workers: int = 2,
    timeout: float = DEFAULT_TIMEOUT,
    progress: Callable[[int, int], None] | None = None,
) -> RunReport:
    """Run every model of the grid in `folder` that is not finished yet.

    Parameters
    ----------
    folder : Path
        Made by `write_decks`.
    cloudy : str
        The executable; `$CLOUDY_DATA_PATH` is passed on.
    workers : int
        Models at the same time, one core each.
    timeout : float
        Seconds after which a model is ended and counted as failed.
    progress : callable, optional
        Called as progress(models done, models in all).

    Raises
    ------
    InputError
        Not a folder of decks, no executable, another run in the same folder, or a Cloudy of another release.
    """
    executable = cloudy_executable(cloudy)
    config = open_grid(folder)
    with _locked(folder):
        shutil.rmtree(folder / RUNNING, ignore_errors=True)
        nodes = list(grid_nodes(config))
        todo = [node for node in nodes if not _is_finished(folder / MODELS / node.name, node, config)]
        crew = _Crew(folder, config, executable, timeout)
        failures: list[str] = []
        with ThreadPoolExecutor(workers) as pool:
            futures = [pool.submit(crew.run, node) for node in todo]
            try:
                for done, future in enumerate(as_completed(futures), start=1 + len(nodes) - len(todo)):
                    failures += [] if (line := future.result()) is None else [line]
                    if progress is not None:
                        progress(done, len(nodes))
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                crew.dismiss()
                raise
    return RunReport(len(nodes) - len(todo), len(todo) - len(failures), tuple(sorted(failures)))


def _is_finished(folder: Path, node: Node, config: CloudyGridConfig) -> bool:
    try:
        read_model(folder, node, config)
    except ModelError:
        return False
    return True


class _Crew:
    """The Cloudy processes at work."""

    def __init__(self, folder: Path, config: CloudyGridConfig, executable: Path, timeout: float) -> None:
        self.folder, self.config, self.executable, self.timeout = folder, config, executable, timeout
        self._processes: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._dismissed = False

    def run(self, node: Node) -> str | None:
        """Run one model to its place; None, or a line that says why it failed."""
        try:
            return self._run(node)
        except OSError as error:
            raise InputError(self.folder, str(error.strerror), "room for the files of every model") from error

    def _run(self, node: Node) -> str | None:
        scratch = self.folder / RUNNING / node.name
        scratch.mkdir(parents=True)
        deck = scratch / f"{node.name}.in"
        deck.write_text(deck_of(node, self.config), encoding="utf-8")
        try:
            self._execute(scratch, node)
            slab = read_model(scratch, node, self.config)
        except ModelError as error:
            if self._dismissed:
                return None
            (scratch / FAILURE_NAME).write_text(f"{error.reason.value}\n{error.detail}\n", encoding="utf-8")
            _move(scratch, self.folder / FAILED / node.name)
            return f"{node.name}: {error}"
        check_release(slab.version, self.config, self.executable)
        _move(scratch, self.folder / MODELS / node.name)
        shutil.rmtree(self.folder / FAILED / node.name, ignore_errors=True)
        return None

    def dismiss(self) -> None:
        """End every process and start no other."""
        with self._lock:
            self._dismissed = True
            for process in self._processes:
                _end(process)

    def _execute(self, scratch: Path, node: Node) -> None:
        with (
            (scratch / f"{node.name}.in").open("rb") as deck,
            (scratch / f"{node.name}.out").open("wb") as out,
        ):
            process = self._start(scratch, deck.fileno(), out.fileno())
            try:
                code = process.wait(self.timeout)
            except subprocess.TimeoutExpired:
                _end(process)
                raise ModelError(Reason.TIMED_OUT, f"no end after {self.timeout:g} s") from None
            finally:
                with self._lock:
                    self._processes.discard(process)
        if code < 0:
            raise ModelError(Reason.KILLED, f"by signal {-code}")

    def _start(self, scratch: Path, deck: int, out: int) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._dismissed:
                raise ModelError(Reason.KILLED, "the run was interrupted")
            try:
                process = subprocess.Popen(
                    [self.executable],
                    cwd=scratch,
                    stdin=deck,
                    stdout=out,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,  # so that its own children end with it
                )
            except OSError as error:
                raise InputError(self.executable, str(error.strerror), "the Cloudy executable") from error
            self._processes.add(process)
        return process


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.wait()


def _move(source: Path, target: Path) -> None:
    target.parent.mkdir(exist_ok=True)
    shutil.rmtree(target, ignore_errors=True)
    source.replace(target)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder for one run; the lock goes with the process, however that ends."""
    try:
        file = (folder / ".lock").open("w")
    except OSError as error:
        raise InputError(folder, str(error.strerror), "a folder that can be written to") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                folder, "another run at work in it", "one run at a time", "wait for it"
            ) from None
        yield
