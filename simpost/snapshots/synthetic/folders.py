"""Folders that are whole or absent."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from simpost.core.errors import InputError


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `target`; on success rename it to `target`.

    If the body raises, the temporary folder is removed and `target` stays absent.

    Raises
    ------
    InputError
        `target` exists and is not an empty folder, or its parent cannot be written to.
    """
    target = Path(target)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InputError(target, "a file or a folder with content", "a new or empty folder", "name another")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    except OSError as error:
        raise InputError(target, str(error.strerror), "a folder that can be written to") from error
    try:
        temporary.chmod(0o755)
        yield temporary
        temporary.replace(target)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
