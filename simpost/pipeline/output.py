"""The folder of results: it belongs to one configuration."""

from __future__ import annotations

from pathlib import Path

from simpost.core.errors import InputError
from simpost.core.files import user_path, write_whole

CONFIG_FILE = "config.yaml"


def check_output(name: str, stamp: str) -> Path:
    """The folder `name`: new, empty, or with results of the configuration `stamp` (its first line tells).

    Raises
    ------
    InputError
        It is a file, or holds results of another configuration or files that are not simpost's.
    """
    output = user_path(name, "output")
    mark = output / CONFIG_FILE
    if output.exists() and not output.is_dir():
        raise InputError(output, "a file", "a folder for the results", "set 'output' to another place")
    if mark.is_file():
        if mark.read_text(encoding="utf-8").splitlines()[:1] != stamp.splitlines()[:1]:
            raise InputError(
                output,
                "results of another configuration",
                "an empty folder or results of this one",
                "set 'output' to another folder, or move the old results away",
            )
    elif output.is_dir() and any(output.iterdir()):
        raise InputError(
            output,
            "a folder with files that are not simpost's",
            "an empty or new folder",
            "set 'output' to another",
        )
    return output


def claim_output(output: Path, stamp: str) -> None:
    """Stamp the folder with the configuration, once there is something to put in."""
    if not (output / CONFIG_FILE).is_file():
        write_whole(output / CONFIG_FILE, stamp.encode())
