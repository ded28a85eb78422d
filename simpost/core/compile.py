"""How every numba kernel of simpost is compiled.

Kernels are strict (no fast-math), release the GIL and are compiled once: the machine code goes
beside the package where that is writable, else to simpost's cache folder, else it is kept in
memory only. numba decides this when a decorator runs, so the choice is made here, first.

numba compiles a kernel anew when its own file has changed, not when one it calls has. Here it does so
when any file of kernels has.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numba

from simpost.core.files import cache_folder, is_writable_folder


def _prepare_cache() -> bool:
    """Point numba at a writable cache; False if there is none."""
    if os.environ.get("NUMBA_CACHE_DIR") or numba.config.CACHE_DIR:  # type: ignore[attr-defined]
        return True
    if is_writable_folder(Path(__file__).parent):
        return True
    folder = cache_folder() / "numba"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    if not is_writable_folder(folder):
        return False
    numba.config.CACHE_DIR = str(folder)  # type: ignore[attr-defined]
    return True


_CACHE = _prepare_cache()


def kernel(function: Callable[..., Any] | None = None, *, fused: bool = False) -> Any:
    """Compile `function` as a simpost kernel: nopython, cached, nogil, IEEE semantics.

    `fused` lets a product and a sum round once (fused multiply-add), nothing else; it can change last digits.
    """
    fastmath = {"contract"} if fused else False

    def compile_it(function: Callable[..., Any]) -> Any:
        compiled = numba.njit(cache=_CACHE, nogil=True, error_model="numpy", fastmath=fastmath)(function)
        # numba compares the stamp of a cached kernel with that of its file
        index: Any = getattr(getattr(compiled, "_cache", None), "_cache_file", None)
        if hasattr(index, "_source_stamp"):
            index._source_stamp = (index._source_stamp, _digest_of_kernels())
        return compiled

    return compile_it if function is None else compile_it(function)


@cache
def _digest_of_kernels() -> str:
    """Of every file of kernels of the package."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parents[1].rglob("*_kernels.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()
