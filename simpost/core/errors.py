"""Errors as one clear line: what, found, expected, what to do.

Exit codes of the command line: 0 fine, 1 some tasks failed (the rest is whole),
2 wrong input or configuration, 70 a bug in simpost.
"""

from __future__ import annotations

EXIT_OK = 0
EXIT_TASKS_FAILED = 1
EXIT_WRONG_INPUT = 2
EXIT_BUG = 70


class SimpostError(Exception):
    """Base of every error simpost raises on purpose; `str(error)` is one line."""

    exit_code = EXIT_WRONG_INPUT


class InputError(SimpostError):
    """Something the user gave (a file, a field, a value) cannot be used.

    Parameters
    ----------
    what : str
        The file or key the error is about.
    found, expected : str
        What was there, and what should have been.
    remedy : str
        What the user can do about it.
    """

    def __init__(self, what: object, found: str, expected: str, remedy: str = "") -> None:
        self.what, self.found, self.expected, self.remedy = str(what), found, expected, remedy
        line = f"{what}: found {found}, expected {expected}"
        if remedy:
            line += f"; {remedy}"
        super().__init__(" ".join(line.split()))


class ConfigError(InputError):
    """A configuration key is unknown, of the wrong kind, or out of range."""


class SnapshotError(InputError):
    """A snapshot is damaged, incomplete, or not one simpost can read."""


def nearest_name(name: str, known: list[str]) -> str:
    """Return `did you mean 'x'?`, or the list of known names when none is near."""
    import difflib

    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    if near:
        return f"did you mean '{near[0]}'?"
    return "known: " + ", ".join(sorted(known))
