"""Files that are whole or absent, digests, and the one cache folder."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from simpost.core.errors import InputError

CACHE_VARIABLE = "SIMPOST_CACHE"


def cache_folder() -> Path:
    """Return the folder for unpacked samples, numba and matplotlib caches.

    `$SIMPOST_CACHE` if set, else the platform's user cache folder; it is not created here.
    """
    named = os.environ.get(CACHE_VARIABLE)
    if named:
        return Path(named).expanduser()
    import platformdirs

    return Path(platformdirs.user_cache_dir("simpost"))


def is_writable_folder(folder: Path) -> bool:
    """Whether a file can really be made in `folder` (mode bits lie to root and on network disks)."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path`; on success sync it and rename it to `path`.

    If the body raises, the temporary file is removed and `path` is left as it was.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
    except OSError as error:
        raise InputError(path, str(error.strerror), "a folder that can be written to") from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb+") as written:
            os.fsync(written.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
        _sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def write_whole(path: Path | str, content: bytes) -> None:
    """Write `content` so that `path` holds all of it or what it held before.

    Raises
    ------
    InputError
        The file cannot be written (full disk, quota, permission).
    """
    try:
        with atomic_path(Path(path)) as temporary:
            temporary.write_bytes(content)
    except OSError as error:
        remedy = "free some space or choose another folder"
        raise InputError(path, str(error.strerror), f"room for {len(content)} bytes", remedy) from error


@contextmanager
def whole_folder(target: Path, replace: bool = False) -> Iterator[Path]:
    """Yield a temporary folder beside `target`; on success rename it to `target`.

    If the body raises, the temporary folder is removed and `target` stays as it was. An existing
    folder with content is refused, or with `replace` exchanged at the end.

    Raises
    ------
    InputError
        `target` cannot be replaced, or its parent cannot be written to.
    """
    target = Path(target)
    if target.exists() and not (target.is_dir() and (replace or not any(target.iterdir()))):
        raise InputError(target, "a file or a folder with content", "a new or empty folder", "name another")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{target.name[:100]}-", dir=target.parent))
    except OSError as error:
        raise InputError(target, str(error.strerror), "a folder that can be written to") from error
    try:
        temporary.chmod(0o777 & ~_umask())
        yield temporary
        if target.exists():
            old = temporary.with_name(f"{temporary.name}-old")
            target.replace(old)
            temporary.replace(target)
            shutil.rmtree(old, ignore_errors=True)
        else:
            temporary.replace(target)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def user_path(text: str, what: str) -> Path:
    """Path of what a user wrote under `what`; `~` is the home directory.

    Raises
    ------
    InputError
        No path can be made of it (unknown user, forbidden characters, too long a name).
    """
    try:
        path = Path(text).expanduser()
        path.lstat()
    except FileNotFoundError:
        pass
    except (ValueError, RuntimeError, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise InputError(what, f"{text[:60]!r} ({reason})", "the path of a file or folder") from error
    return path


def keep_matplotlib_in_cache() -> None:
    """Point matplotlib's own cache into ours; to be called before its first import.

    It would write into the home directory else. A user's `$MPLCONFIGDIR` is respected.
    """
    if "matplotlib" not in sys.modules:
        os.environ.setdefault("MPLCONFIGDIR", str(cache_folder() / "matplotlib"))


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256(path: Path, first_bytes: int | None = None) -> str:
    """Hex digest of a file, or of its first `first_bytes`."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as stream:
        if first_bytes is not None:
            digest.update(stream.read(first_bytes))
        else:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
