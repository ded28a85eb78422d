import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from simpost.core.errors import InputError
from simpost.emission.cloudy.assemble import survey
from simpost.emission.cloudy.decks import DECKS, grid_nodes, write_decks
from simpost.emission.cloudy.outputs import Reason
from simpost.emission.cloudy.runner import FAILED, MODELS, RUNNING, run_grid

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture
def folder(config, tmp_path):
    write_decks(config, tmp_path / "grid")
    return tmp_path / "grid"


@pytest.fixture
def names(config):
    return [node.name for node in grid_nodes(config)]


def test_all_models_run_once_and_are_kept(folder, fake, names):
    told = []
    report = run_grid(folder, fake(), workers=4, progress=lambda done, total: told.append((done, total)))
    assert (report.before, report.now, report.failures) == (0, 12, ())
    assert told == [(i, 12) for i in range(1, 13)]
    assert sorted(path.name for path in (folder / MODELS).iterdir()) == sorted(names)
    assert not list((folder / RUNNING).iterdir()) and not (folder / FAILED).exists()
    again = run_grid(folder, fake())
    assert (again.before, again.now) == (12, 0)
    assert sorted(fake.runs()) == sorted(names)


def test_each_failure_is_one_line_and_is_run_again(folder, fake, names):
    modes = {
        names[0]: "crash",
        names[1]: "zones",
        names[2]: "killed",
        names[3]: "disaster",
        names[4]: "half",
        names[5]: "lost rows",
        names[6]: "replaced",
        names[7]: "unconverged",
    }
    report = run_grid(folder, fake(modes), workers=4)
    assert report.now == 4 and len(report.failures) == 8
    words = {
        names[0]: "ended with an error: I do not recognize a keyword",
        names[1]: "ended with an error: Calculation stopped because default number of zones reached",
        names[2]: "killed before its end: by signal 9",
        names[3]: "ended with an error",
        names[4]: "half-written or missing files",
        names[5]: "half-written or missing files",
        names[6]: "line replaced by another",
        names[7]: "not converged",
    }
    for line in report.failures:
        name, _, why = line.partition(": ")
        assert why.startswith(words[name]) and "\n" not in line
        assert not (folder / MODELS / name).exists()
        assert (folder / FAILED / name / f"{name}.out").exists()
    again = run_grid(folder, fake(), workers=4)
    assert (again.before, again.now, again.failures) == (4, 8, ())
    assert not list((folder / FAILED).iterdir())


def test_failures_keep_their_reason(folder, fake, names):
    run_grid(folder, fake({names[0]: "hang", names[1]: "crash"}), workers=4, timeout=2.0)
    reasons = {failure.node.name: failure.reason for failure in survey(folder).failures}
    assert reasons == {names[0]: Reason.TIMED_OUT, names[1]: Reason.CRASHED}


def test_hanging_model_is_ended_with_its_children(folder, fake, names):
    start = time.monotonic()
    report = run_grid(folder, fake(dict.fromkeys(names[:2], "hang")), workers=4, timeout=2.0)
    assert time.monotonic() - start < 20.0
    assert len(report.failures) == 2 and all(
        "timed out: no end after 2 s" in line for line in report.failures
    )
    assert not _processes_of(folder)


def _processes_of(folder):
    """Processes whose working directory lies in `folder`."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if str((process / "cwd").readlink()).startswith(str(folder)):
                found.append(process.name)
        except OSError:
            continue
    return found


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_run_that_is_killed_leaves_nothing_half_done(folder, fake, names, number):
    script = f"from simpost.emission.cloudy.runner import run_grid; from pathlib import Path; run_grid(Path({str(folder)!r}), {fake(dict.fromkeys(names[6:], 'hang'))!r}, workers=2)"
    process = subprocess.Popen([sys.executable, "-c", script], cwd=REPOSITORY, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 30.0
    while time.monotonic() < deadline and len(fake.runs()) < 8:
        time.sleep(0.05)
    with pytest.raises(InputError, match="another run at work"):
        run_grid(folder, fake())
    orphans = _processes_of(folder)
    process.send_signal(number)
    process.wait(10.0)
    if number == signal.SIGINT:
        assert not _processes_of(folder)
    assert not (folder / FAILED).exists()
    finished = {path.name for path in (folder / MODELS).iterdir()}
    assert finished == set(names[:6])
    report = run_grid(folder, fake(), workers=4)  # beside the orphans of a killed run
    assert (report.before, report.now, report.failures) == (6, 6, ())
    for orphan in orphans:
        _end(int(orphan))


def _end(process):
    try:
        os.kill(process, signal.SIGKILL)
    except ProcessLookupError:
        return


def test_model_damaged_later_is_run_again(folder, fake, names):
    run_grid(folder, fake(), workers=4)
    table = folder / MODELS / names[3] / f"{names[3]}.cum"
    table.write_text(table.read_text()[:-5])
    shutil.rmtree(folder / MODELS / names[4])
    (folder / MODELS / names[5] / f"{names[5]}.in").write_text("title another\n")
    report = run_grid(folder, fake())
    assert (report.before, report.now) == (9, 3)


def test_executable_is_checked_first(folder, tmp_path):
    with pytest.raises(InputError, match="no such file"):
        run_grid(folder, str(tmp_path / "nothing.exe"))
    plain = tmp_path / "plain"
    plain.write_text("no program")
    with pytest.raises(InputError, match="not executable"):
        run_grid(folder, str(plain))
    plain.chmod(0o755)
    with pytest.raises(InputError, match="Exec format error"):
        run_grid(folder, str(plain))
    assert not (folder / MODELS).exists()


def test_cloudy_of_another_release_stops_the_run(folder, fake, names):
    with pytest.raises(InputError, match=r"Cloudy 23.01, expected Cloudy 17"):
        run_grid(folder, fake(dict.fromkeys(names, "version")), workers=2)
    assert len(fake.runs()) < len(names)


def test_folder_without_decks_and_decks_changed_by_hand(folder, fake, names, tmp_path):
    with pytest.raises(InputError, match=r"grid\.yaml"):
        run_grid(tmp_path, fake())
    deck = folder / DECKS / f"{names[0]}.in"
    deck.write_text(deck.read_text().replace("hden 1", "hden 1.1"))
    with pytest.raises(InputError, match="a deck that was changed"):
        run_grid(folder, fake())
    deck.unlink()
    with pytest.raises(InputError, match="a deck that is missing"):
        run_grid(folder, fake())
