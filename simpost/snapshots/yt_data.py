"""What the readers share of yt: quiet loading, and its failures as one line."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from simpost.core.errors import SimpostError, SnapshotError
from simpost.core.files import keep_matplotlib_in_cache
from simpost.snapshots.regions import Region, Sphere, WholeBox

keep_matplotlib_in_cache()  # yt imports it, wherever yt is imported first


@contextmanager
def reported_as(path: Path) -> Iterator[None]:
    """Keep yt quiet, and turn any failure of yt or HDF5 inside into one `SnapshotError` line about `path`."""
    from yt.config import ytcfg

    setting = ("yt", "suppress_stream_logging")
    before = ytcfg.get(*setting)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ytcfg.set(*setting, True)  # no progress bars
            yield
    except (SimpostError, KeyboardInterrupt, MemoryError):
        raise
    except Exception as error:
        text = " ".join(str(error).split())[:200] or type(error).__name__
        raise SnapshotError(
            path,
            f"data that yt cannot read ({type(error).__name__}: {text})",
            "a whole snapshot",
            "restore the file",
        ) from error
    finally:
        ytcfg.set(*setting, before)


def load_dataset(path: Path, make: Callable[..., Any], **options: Any) -> Any:
    """A yt dataset of class `make`, opened without a word on the terminal."""
    import yt

    yt.set_log_level(50)
    with reported_as(path):
        return make(str(path), **options)


def select(dataset: Any, region: Region, length_unit_kpc: float, box_size: float) -> Any:
    """Yt's data object that holds at least `region` (whose centre is in kpc from the box corner).

    A region as wide as the box of `box_size` [kpc] is all of it: yt has no wider one.
    """
    if isinstance(region, WholeBox) or 2.0 * region.half_width >= box_size:
        return dataset.all_data()
    centre = dataset.arr([value / length_unit_kpc for value in region.centre], "code_length")
    if isinstance(region, Sphere):
        return dataset.sphere(centre, dataset.quan(region.radius / length_unit_kpc, "code_length"))
    half = dataset.quan(region.half_width / length_unit_kpc, "code_length")
    return dataset.box(centre - half, centre + half)
