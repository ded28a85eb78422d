"""What the numbers of a galaxy rest on, in words: the same for the terminal and for figures."""

from __future__ import annotations

import math
import textwrap
from dataclasses import dataclass

from simpost.emission.luminosity import FLAGS
from simpost.products.product import GalaxyProduct
from simpost.products.schema import BEYOND_TABLE, LINE_CII

LABELS = {
    "ionising": "spectrum with ionising photons",
    "non_ionising": "spectrum without ionising photons",
    "resolved_hii": "resolved HII region",
    "has_young_star": "young star in the cell",
    BEYOND_TABLE: "off the line grid, any axis",
    "density_low": "density below the line grid",
    "density_high": "density above the line grid",
    "metallicity_low": "metallicity below the line grid",
    "metallicity_high": "metallicity above the line grid",
    "field_low": "FUV field below the line grid",
    "field_high": "FUV field above the line grid",
    "column_low": "column below the line grid",
    "column_high": "column above the line grid",
    "mach_high": "Mach number above the line table",
    "pdf_outside": "sub-grid densities off the line grid",
    "dark": "too hot to shine",
    "no_density": "no hydrogen, dark",
    "no_metals": "no metals, dark",
    "habing_at_floor": "FUV field at its floor",
    "mach_clipped": "Mach number clipped",
    "gradient_undefined": "no velocity gradient",
    "column_replaced": "no density scale length",
    "effective_equation_of_state": "on an effective equation of state",
    "outside_two_phase_model": "outside the two-phase model",
    "on_pressure_floor": "nothing above the pressure floor",
    "low_resolution": "from outside the zoom region",
}
OFF_AXIS = FLAGS[: FLAGS.index("no_density")]
OFF_GRID = frozenset((*OFF_AXIS, BEYOND_TABLE, "pdf_outside"))
# columns whose recipe decides the line; the others follow from these and from what the run stores
INPUTS = {
    "metallicity": "metallicity",
    "habing": "FUV field",
    "turbulent_velocity": "turbulence",
    "column_density": "column",
}
SMALLEST = 5e-4  # share that is 0.1 % when rounded
_WIDTH = 100  # characters of a printed line


@dataclass(frozen=True)
class CoverageLine:
    """One thing that is true of part of the gas: shares of its mass and of the luminosity (NaN: no light)."""

    name: str
    share_of_mass: float
    share_of_luminosity: float
    treatment: str  # what was done, where the label does not say it

    @property
    def label(self) -> str:
        """What a reader understands without the documentation."""
        return LABELS.get(self.name, self.name.replace("_", " "))

    @property
    def largest(self) -> float:
        """The larger of the two shares."""
        return max(_or_zero(self.share_of_mass), _or_zero(self.share_of_luminosity))


def coverage_lines(product: GalaxyProduct) -> list[CoverageLine]:
    """Rows of the coverage that hold for any gas or light, by falling luminosity, then mass.

    The sum over all axes is left out where it repeats the row of a single one.
    """
    found = {
        name: CoverageLine(name, share.share_of_mass, share.share_of_luminosity, share.treatment)
        for name, share in product.coverage.items()
        if share.share_of_mass > 0.0 or share.share_of_luminosity > 0.0
    }
    if sum(name in OFF_AXIS for name in found) == 1:
        found.pop(BEYOND_TABLE, None)
    lines = found.values()
    return sorted(lines, key=lambda x: (-_or_zero(x.share_of_luminosity), -_or_zero(x.share_of_mass)))


def derived_inputs(product: GalaxyProduct) -> str:
    """Inputs of the line that the run did not store, each with its recipe; empty if it stored all."""
    found = []
    for field in product.fields:
        kind, _, recipe = field.origin.partition(": ")
        if field.column in INPUTS and kind == "derived":
            part = "" if field.share_of_mass >= 1.0 else f", {field.share_of_mass:.0%} of the gas"
            found.append(f"{INPUTS[field.column]} = {recipe}{part}")
    return "; ".join(found)


def line_name(product: GalaxyProduct) -> str:
    """The line whose luminosity the coverage shares: [CII] if it was computed, else the first line."""
    return "[CII]" if f"L_{LINE_CII}" in product.galaxy else "line"


def coverage_text(product: GalaxyProduct) -> list[str]:
    """The coverage as plain lines of text."""
    lines = coverage_lines(product)
    if not lines:
        return []
    width = max(len(line.label) for line in lines)
    heading = f"{product.galaxy['id']} rests on"
    width = max(width, len(heading) - 2)
    text = [f"{heading:{width + 2}s}  {'gas':>6s}  {line_name(product):>6s}"]
    for line in lines:
        shares = f"{shown(line.share_of_mass):>6s}  {shown(line.share_of_luminosity):>6s}"
        text.append(f"  {line.label:{width}s}  {shares}  {line.treatment}".rstrip())
    derived = derived_inputs(product)
    if derived:
        text += textwrap.wrap(
            derived, _WIDTH, initial_indent="  derived, not read: ", subsequent_indent="    "
        )
    return text


def shown(share: float) -> str:
    """A share as text: `<0.1%` for a little, `>99.9%` for nearly all, `-` where there is none to tell."""
    if math.isnan(share):
        return "-"
    if 0.0 < share < 1.0 and not SMALLEST <= share < 1.0 - SMALLEST:
        return "<0.1%" if share < SMALLEST else ">99.9%"
    return f"{share:.1%}"


def _or_zero(share: float) -> float:
    return 0.0 if math.isnan(share) else share
