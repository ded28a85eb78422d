"""The one door to matplotlib: figures without pyplot, its cache in simpost's own folder."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from simpost.core.files import keep_matplotlib_in_cache, write_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EMPTY = "0.88"  # colour of what has no value
TEXT_SIZE = 8.0  # pt


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure [inch] drawn by Agg, whatever backend the user has chosen."""
    keep_matplotlib_in_cache()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def save_png(figure: Figure, path: Path | str, dots_per_inch: int = 300) -> None:
    """Write `figure` as PNG; the file is whole or untouched.

    Raises
    ------
    InputError
        The file cannot be written.
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dots_per_inch)
    write_whole(path, buffer.getvalue())
