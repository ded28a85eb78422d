"""L_[CII] and star-formation rate of the sample galaxies beside published relations, for the documentation.

    simpost run configs/uncertainty.yaml
    python scripts/compare_cii_sfr.py results/uncertainty

Writes `docs/images/cii-sfr.png` and the tables between the marks of `docs/explanation/cii-sfr.md`; and the
table of the members in `docs/explanation/uncertainty.md`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from simpost import read_product
from simpost.core.constants import Z_SUN
from simpost.figures.canvas import new_figure, save_png

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from simpost.products import GalaxyProduct

sys.path.insert(0, str(Path(__file__).resolve().parent))

from compare_grids import DOCS, insert_tables

PAGE = DOCS / "explanation" / "cii-sfr.md"
PAGE_OF_MEMBERS = DOCS / "explanation" / "uncertainty.md"
LINE = "CII-158um"
OTHER_GRID = "grid = cloudy"
COLOURS = ("C0", "C3")


class Fit(NamedTuple):
    """log SFR [Msun/yr] = intercept + slope log L [Lsun], scatter in log SFR; De Looze+2014, Table 3."""

    intercept: float
    slope: float
    scatter: float

    def luminosity(self, sfr: float) -> float:
        """L at which the fit gives `sfr`."""
        return float(10.0 ** ((np.log10(sfr) - self.intercept) / self.slope))


OBSERVED = {
    "metal-poor dwarfs": Fit(-5.73, 0.80, 0.37),
    "starbursts": Fit(-7.06, 1.00, 0.27),
    "all nearby": Fit(-6.99, 1.01, 0.42),
    "high redshift": Fit(-8.52, 1.18, 0.40),
}


def modelled(sfr: float, z_solar: float) -> float:
    """L_[CII] [Lsun] of the z = 7 models of Vallini+2015, eq. 8."""
    log_sfr, log_z = np.log10(sfr), np.log10(z_solar)
    return float(10.0 ** (7.0 + 1.2 * log_sfr + 0.021 * log_z + 0.012 * log_sfr * log_z - 0.74 * log_z**2))


class Sample(NamedTuple):
    """What is compared of one galaxy; `sfr` is the one compared, `rates` are all there are [Msun/yr]."""

    name: str
    redshift: float
    sfr: float
    rates: dict[str, float]
    z_solar: float
    members: dict[str, float]
    percentiles: tuple[float, float]

    @property
    def luminosity(self) -> float:
        """[Lsun], as configured."""
        return self.members["as configured"]


def sample_of(product: GalaxyProduct) -> Sample:
    """The longest window is compared: relations from FUV and 24 um look back over about 100 Myr."""
    galaxy = product.galaxy
    rates = {
        name: galaxy[key]
        for name, key in (
            ("10 Myr", "SFR_10"),
            ("30 Myr", "SFR_30"),
            ("100 Myr", "SFR_100"),
            ("of the gas", "SFR_instantaneous"),
        )
        if np.isfinite(galaxy[key])
    }
    return Sample(
        galaxy["id"].partition("_")[0],
        galaxy["redshift"],
        rates.get("100 Myr", rates.get("of the gas", np.nan)),
        rates,
        galaxy["mean_metallicity_mass_weighted"] / Z_SUN,
        {member.name: member.luminosity for member in product.ensemble if not member.left_out},
        (galaxy[f"L_{LINE}_p16"], galaxy[f"L_{LINE}_p84"]),
    )


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """A table whose first row is its head."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], "| --- " * len(rows[0]) + "|", *lines[1:]])


def samples_table(samples: Sequence[Sample]) -> str:
    """L_[CII] of both grids, the range, and what else the comparison needs."""
    columns = [
        {
            "": f"`{sample.name}`",
            "redshift": f"{sample.redshift:.2f}",
            "SFR [Msun/yr]": ", ".join(f"{rate:.2g} ({name})" for name, rate in sample.rates.items()),
            "metallicity [solar], by gas mass": f"{sample.z_solar:.2f}",
            "L, grid `slab` (as configured)": f"{sample.luminosity:.3g}",
            "L, grid `cloudy`": f"{sample.members[OTHER_GRID]:.3g}",
            "L, 16-84 % of the ensemble": " to ".join(f"{value:.2g}" for value in sample.percentiles),
            "L, faintest member": _described(sample, min(sample.members, key=sample.members.__getitem__)),
            "L, brightest member": _described(sample, max(sample.members, key=sample.members.__getitem__)),
        }
        for sample in samples
    ]
    return markdown([[label, *(column[label] for column in columns)] for label in columns[0]])


def _described(sample: Sample, member: str) -> str:
    return f"{sample.members[member]:.3g} ({member})"


def members_table(samples: Sequence[Sample]) -> str:
    """L of every member, over the configured model in brackets, and the range."""
    rows = [["member", *(f"`{sample.name}`, z = {sample.redshift:.2f}" for sample in samples)]]
    for name in samples[0].members:
        pairs = [(sample.members[name], sample.luminosity) for sample in samples]
        rows.append([name, *(f"{member:.3g} ({member / own:.2f})" for member, own in pairs)])
    ranges = (" to ".join(f"{value:.2g}" for value in sample.percentiles) for sample in samples)
    rows.append(["**16-84 %**", *(f"**{text}**" for text in ranges)])
    return markdown(rows)


def offsets_table(samples: Sequence[Sample]) -> str:
    """What each relation gives at the star-formation rate, and by how many dex the galaxy differs."""
    head = ["relation", "scatter [dex of L]", *(f"`{sample.name}`" for sample in samples)]
    rows = [[*head, *(f"`{sample.name}`, 16-84 %" for sample in samples)]]
    for name, fit in OBSERVED.items():
        expected = [fit.luminosity(sample.sfr) for sample in samples]
        scatter = f"{fit.scatter / fit.slope:.2f}"
        rows.append([f"De Looze+2014, {name}", scatter, *_offsets(samples, expected)])
    expected = [modelled(sample.sfr, sample.z_solar) for sample in samples]
    rows.append(["Vallini+2015, models", "-", *_offsets(samples, expected)])
    return markdown(rows)


def _offsets(samples: Sequence[Sample], expected: Sequence[float]) -> list[str]:
    pairs = list(zip(samples, expected, strict=True))
    own = [f"{np.log10(sample.luminosity / there):+.2f} (L = {there:.2g})" for sample, there in pairs]
    ranges = [
        " to ".join(f"{np.log10(value / there):+.2f}" for value in sample.percentiles)
        for sample, there in pairs
    ]
    return own + ranges


def draw(samples: Sequence[Sample], path: Path) -> None:
    """Relations as lines, each galaxy with its range, its members and both grids."""
    figure = new_figure(6.8, 5.2)
    axes = figure.subplots()
    rates = np.logspace(-1.3, 0.7, 50)
    for (name, fit), style in zip(OBSERVED.items(), ("-", "--", "-.", ":"), strict=True):
        relation = np.array([fit.luminosity(rate) for rate in rates])
        axes.plot(rates, relation, style, color="0.35", linewidth=1.2, label=f"De Looze+2014, {name}")
        if name == "metal-poor dwarfs":
            width = 10.0 ** (fit.scatter / fit.slope)
            axes.fill_between(rates, relation / width, relation * width, color="0.9", linewidth=0.0)
    models = [modelled(rate, samples[0].z_solar) for rate in rates]
    label = f"Vallini+2015, models, Z = {samples[0].z_solar:.1f} solar"
    axes.plot(rates, models, color="C2", linewidth=1.2, label=label)
    for sample, colour in zip(samples, COLOURS, strict=True):
        _draw_sample(axes, sample, colour)
    axes.set(xscale="log", yscale="log", xlim=(rates[0], rates[-1]), ylim=(1e4, 1e8))
    axes.set(xlabel="star-formation rate [M$_\\odot$/yr]", ylabel="L$_\\mathrm{[CII]}$ [L$_\\odot$]")
    axes.legend(fontsize=7, loc="lower right")
    save_png(figure, path, dots_per_inch=130)


def _draw_sample(axes: Axes, sample: Sample, colour: str) -> None:
    members = list(sample.members.values())
    axes.plot(
        [sample.sfr] * 2, sample.percentiles, color=colour, linewidth=7, alpha=0.3, solid_capstyle="butt"
    )
    axes.plot([sample.sfr] * len(members), members, "_", color=colour, markersize=9.0, markeredgewidth=1.0)
    extremes = [min(sample.rates.values()), max(sample.rates.values())]
    axes.plot(extremes, [sample.luminosity] * 2, color=colour, linewidth=1.0)
    label = f"{sample.name}, z = {sample.redshift:.1f}"
    axes.plot(sample.sfr, sample.luminosity, "o", color=colour, label=f"{label}: slab")
    cloudy = sample.members[OTHER_GRID]
    axes.plot(sample.sfr, cloudy, "D", color=colour, markerfacecolor="white", label=f"{label}: cloudy")


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print(__doc__)
        return 2
    products = sorted(Path(arguments[0]).glob("*/product.h5"), reverse=True)
    samples = [sample_of(read_product(path)) for path in products]
    draw(samples, DOCS / "images" / "cii-sfr.png")
    insert_tables(PAGE, {"samples": samples_table(samples), "offsets": offsets_table(samples)})
    insert_tables(PAGE_OF_MEMBERS, {"members": members_table(samples)})
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
