"""What was done to the cells of each row of the coverage, in words."""

from __future__ import annotations

from collections.abc import Mapping

from simpost.emission.axes import CELL_AXES, DENSITY, REFUSE, Axis, Beyond
from simpost.emission.density_pdf import AveragedTable, slopes_beyond
from simpost.emission.luminosity import FLAGS
from simpost.ism.recipes import Recipes


def treatments(table: AveragedTable | None, recipes: Recipes) -> dict[str, str]:
    """What was done to cells beyond each end of the line table, and by overrides: by the row's name.

    Parameters
    ----------
    table : AveragedTable, optional
        Of the line whose luminosity the coverage shares; None without a line.
    recipes : Recipes
        Of the snapshot.
    """
    overrides = {origin.partition("; override: ")[2] for origin in recipes.origins.values()}
    found = {"effective_equation_of_state": "; ".join(sorted(overrides - {""}))}
    return found if table is None else found | _beyond(table.axes)


def _beyond(axes: Mapping[str, Axis]) -> dict[str, str]:
    """Of the flags of a cell; the first are the ends of `CELL_AXES`, below and above."""
    found = {"mach_high": _policy(0.0)}
    for number, name in enumerate(CELL_AXES):
        if name in axes:
            ends = axes[name].below, axes[name].above
            found |= dict(zip(FLAGS[2 * number : 2 * number + 2], map(_policy, ends), strict=True))
    if DENSITY in axes:
        below, above = map(_policy, slopes_beyond(axes[DENSITY]))
        found["pdf_outside"] = f"below {below}; above {above}"
    return found


def _policy(beyond: Beyond) -> str:
    if beyond == REFUSE:
        return "refused"
    return "clamped" if beyond == 0.0 else f"extrapolated, slope {beyond:+g}"
