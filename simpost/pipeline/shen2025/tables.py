"""The tables of the analysis and the words that sum it up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simpost.analysis.double_power_law_fit import REPORTED_LOG_MASS
from simpost.analysis.efficiency import efficiency_table
from simpost.analysis.kennicutt_schmidt import PixelRelation
from simpost.analysis.simulation_sets import (
    EfficiencyFit,
    EfficiencyPoint,
    GalaxyPixels,
    InSituPoint,
    PixelSample,
    UVCurve,
)
from simpost.core import units as u
from simpost.products.tables import TableColumn, write_table
from simpost.trees.history import COLUMN_UNITS, growth_table
from simpost.trees.track import Track

_EFFICIENCY_UNITS = {"dynamical_time": u.TIME, "longest_segment": u.TIME}
_PARAMETERS = ("log_eps0", "log_m0", "alpha", "beta")
_BLANKS: dict[str, Any] = {"beta_redundant": False, "m0_fixed": False, "n_points": 0, "n_left_out": 0}
_GYR, _PER_PC2 = "Gyr", "Msun/pc**2"


def write_growth(path: Path, tracks: Sequence[Track]) -> None:
    """Histories of all tracks, one below the other."""
    table = growth_table(tracks)
    columns = {name: TableColumn(values, COLUMN_UNITS[name]) for name, values in table.items()}
    notes = [f"{track.name}: {note}" for track in tracks for note in track.notes]
    write_table(path, columns, ["main-progenitor tracks", *dict.fromkeys(notes)])


def write_efficiencies(path: Path, points: Sequence[EfficiencyPoint]) -> None:
    """One row per galaxy and target redshift."""
    table = efficiency_table([point.result for point in points])
    columns = {
        "run": TableColumn([point.run.name for point in points]),
        "level": TableColumn([point.run.level for point in points]),
        "variant": TableColumn([point.run.variant for point in points]),
        "group": TableColumn([point.group for point in points]),
        **{name: TableColumn(values, _EFFICIENCY_UNITS.get(name, "")) for name, values in table.items()},
    }
    first = points[0].result
    comments = [
        "halo-scale efficiency Delta M_* / (f_b Delta M_200c) over one dynamical time (Shen+2025 eq. 1)",
        f"window {first.window}, segments {first.spacing}; log_mass is log10 of M_200c in Msun",
    ]
    write_table(path, columns, comments)


def write_fits(path: Path, fits: Sequence[EfficiencyFit]) -> None:
    """One row per variant and target redshift, also where nothing could be fitted."""
    rows = [_fit_row(fit) for fit in fits]
    names = max(rows, key=len)
    columns = {
        name: TableColumn([row.get(name, _BLANKS.get(name, np.nan)) for row in rows]) for name in names
    }
    comments = [
        "double power law eps0 / ((M/M0)^-alpha + (M/M0)^-beta) (Shen+2025 eq. 3), masses in Msun",
        "eps0 and M0 are degenerate: read log10 eps at fixed mass; p16, p84 from the bootstrap over galaxies",
    ]
    write_table(path, columns, comments)


def _fit_row(found: EfficiencyFit) -> dict[str, Any]:
    """Columns of one fit; where there was none only which it is and why."""
    row: dict[str, Any] = {"redshift": found.redshift, "variant": found.variant, "reason": found.reason}
    fit = found.fit
    if fit is None:
        return row
    row |= {name: getattr(fit.law, name) for name in (*_PARAMETERS, "log_m_max")}
    at_mass = [f"log_eps_at_{log_mass:g}" for log_mass in REPORTED_LOG_MASS]
    row |= dict(zip(at_mass, fit.log_efficiency, strict=True))
    if fit.bootstrap is not None:
        for names, found_interval in (
            (_PARAMETERS, fit.bootstrap.parameters),
            (at_mass, fit.bootstrap.log_efficiency),
        ):
            for side in ("p16", "p84"):
                values = getattr(found_interval, side)
                row |= {f"{name}_{side}": value for name, value in zip(names, values, strict=True)}
    row |= {
        "reason": "; ".join(filter(None, (fit.collapse_reason, found.reason))),
        "scatter": fit.scatter,
        "beta_redundant": fit.beta_redundant,
        "m0_fixed": fit.m0_fixed,
        "n_points": sum(fit.n_points.values()),
        "n_left_out": fit.n_left_out,
    }
    return row


def write_relations(path: Path, samples: Sequence[PixelSample]) -> None:
    """One row per sample and bin of gas surface density."""
    rate, time = u.SFR_SURFACE_DENSITY, _GYR
    columns = {
        "sample": TableColumn(_repeat(samples, lambda s: s.label)),
        "variant": TableColumn(_repeat(samples, lambda s: s.variant)),
        "redshift": TableColumn(_repeat(samples, lambda s: s.redshift)),
        "log_gas_low": TableColumn(_joined(samples, lambda r: r.log_gas[:-1])),
        "log_gas_high": TableColumn(_joined(samples, lambda r: r.log_gas[1:])),
        "n_pixels": TableColumn(_joined(samples, lambda r: r.n_pixels)),
        "n_star_forming": TableColumn(_joined(samples, lambda r: r.n_star_forming)),
        "log_gas_median": TableColumn(
            _joined(samples, lambda r: r.log_gas_median), "", "of star-forming pixels: abscissa of the median"
        ),
        "median": TableColumn(_joined(samples, lambda r: r.median), rate, "over star-forming pixels"),
        "p16": TableColumn(_joined(samples, lambda r: r.p16), rate),
        "p84": TableColumn(_joined(samples, lambda r: r.p84), rate),
        "ratio": TableColumn(_joined(samples, lambda r: r.ratio), rate, "ratio of sums times mean_gas"),
        "mean_gas": TableColumn(
            _joined(samples, lambda r: r.mean_gas), _PER_PC2, "of all pixels: abscissa of the ratio"
        ),
        "depletion_time": TableColumn(_joined(samples, lambda r: r.depletion_time), time, "median"),
        "share_of_rate": TableColumn(_joined(samples, lambda r: r.share_of_rate)),
        "is_resolved": TableColumn(_joined(samples, lambda r: r.is_resolved)),
    }
    first = samples[0].pixels
    comments = [
        f"{first.phase} gas {'with' if first.helium else 'without'} helium, rate from {first.star_formation}",
        "bins of log10 gas surface density in Msun/pc^2 (Shen+2025 section 4)",
        *dict.fromkeys(_floor_words(sample) for sample in samples if sample.relation.floor != 0.0),
    ]
    write_table(path, columns, comments)


def write_galaxies(path: Path, galaxies: Sequence[GalaxyPixels]) -> None:
    """One row per mapped galaxy."""
    columns = {
        "name": TableColumn([galaxy.name for galaxy in galaxies], "", "run, snapshot and halo"),
        "track": TableColumn([galaxy.track for galaxy in galaxies], "", "as in growth.ecsv"),
        "run": TableColumn([galaxy.run.name for galaxy in galaxies]),
        "level": TableColumn([galaxy.run.level for galaxy in galaxies]),
        "variant": TableColumn([galaxy.run.variant for galaxy in galaxies]),
        "target_redshift": TableColumn([galaxy.target for galaxy in galaxies]),
        "redshift": TableColumn([galaxy.redshift for galaxy in galaxies]),
        "M_200c": TableColumn([galaxy.m_200c for galaxy in galaxies], u.MASS),
        "aperture": TableColumn([galaxy.aperture for galaxy in galaxies], "", "radius of supply, in R_200c"),
        "supply": TableColumn([galaxy.supply for galaxy in galaxies], "", "neutral gas over f_b M_200c"),
        "supply_total": TableColumn([galaxy.supply_total for galaxy in galaxies], "", "all gas, likewise"),
        "depletion_time": TableColumn(
            [galaxy.depletion_time for galaxy in galaxies], _GYR, "gas over rate of all pixels"
        ),
        "effective_surface_density": TableColumn(
            [galaxy.effective_surface_density for galaxy in galaxies], _PER_PC2
        ),
    }
    first = galaxies[0]
    helium = "with helium" if first.helium else "without helium"
    comments = [
        f"supply: gas {helium} of cells whose centre lies within `aperture` (half the width of the maps)",
        f"pixels: {first.phase} gas {helium}, rate from {first.star_formation}",
    ]
    write_table(path, columns, comments)


def write_in_situ(path: Path, points: Sequence[InSituPoint]) -> None:
    """One row per galaxy and target redshift."""
    columns = {
        "run": TableColumn([point.run.name for point in points]),
        "group": TableColumn([point.group for point in points]),
        "name": TableColumn([point.name for point in points]),
        "target_redshift": TableColumn([point.target for point in points]),
        "redshift": TableColumn([point.redshift for point in points], "", "of the snapshot"),
        "M_200c": TableColumn([point.m_200c for point in points], u.MASS),
        "in_situ": TableColumn([point.fraction for point in points], "", "of the stars of known birth place"),
        "in_situ_low": TableColumn([point.low for point in points], "", "unknown counted as ex situ"),
        "in_situ_high": TableColumn([point.high for point in points], "", "unknown counted as in situ"),
        "flags": TableColumn([point.reason for point in points]),
    }
    write_table(path, columns, ["share of the birth mass that formed in the main progenitor (Shen+2025 5.1)"])


def write_luminosity_functions(path: Path, curves: Sequence[UVCurve]) -> None:
    """One row per curve and magnitude."""
    functions = [curve.function for curve in curves]
    sizes = [function.magnitudes.size for function in functions]
    columns = {
        "model": TableColumn(np.repeat([curve.label for curve in curves], sizes)),
        "redshift": TableColumn(np.repeat([curve.redshift for curve in curves], sizes)),
        "M_UV": TableColumn(np.concatenate([f.magnitudes for f in functions]), "mag"),
        "log_phi": TableColumn(np.concatenate([f.log_phi for f in functions]), "", "Mpc^-3 mag^-1"),
        "share_extrapolated": TableColumn(np.concatenate([f.share_extrapolated for f in functions])),
    }
    first = functions[0]
    comments = [
        f"halo mass function {first.mass_function.model}, accretion {first.model.accretion}, "
        f"dust {first.model.dust}, scatter {first.model.scatter}",
        "share_extrapolated: of phi, from haloes beyond the masses the efficiency was measured at",
    ]
    write_table(path, columns, comments)


def fit_words(fits: Sequence[EfficiencyFit]) -> list[str]:
    """One or two lines per fit, with errors."""
    lines = []
    for fit in fits:
        name = f"z = {fit.redshift:g}, {fit.variant}"
        if fit.fit is None:
            lines.append(f"{name}: not fitted ({fit.reason})")
            continue
        law, errors = fit.fit.law, fit.fit.bootstrap
        kind = "power law" if fit.fit.beta_redundant else "double power law"
        lines.append(
            f"{name}: {kind}, log eps0 {law.log_eps0:.2f}, log M0 {law.log_m0:.2f}"
            f"{' (fixed)' if fit.fit.m0_fixed else ''}, alpha {law.alpha:.2f}, beta {law.beta:.2f}, "
            f"up to log M {law.log_m_max:.2f}; {sum(fit.fit.n_points.values())} galaxies, "
            f"scatter {fit.fit.scatter:.2f} dex"
        )
        if errors is not None:
            low, high = errors.log_efficiency.p16, errors.log_efficiency.p84
            at = [
                f"{fit.fit.log_efficiency[i]:.2f} ({low[i]:.2f} to {high[i]:.2f}) at {log_mass:g}"
                + (", extrapolated" if fit.fit.is_extrapolated[i] else "")
                for i, log_mass in enumerate(REPORTED_LOG_MASS)
            ]
            lines.append("    log eps " + "; ".join(at))
        if fit.reason:
            lines.append(f"    {fit.reason}")
    return lines


def relation_words(samples: Sequence[PixelSample]) -> list[str]:
    """One line per sample; of runs only where there are several, since one alone is its redshift's sample."""
    runs = {sample.label for sample in samples if not _is_of_redshift(sample)}
    lines = []
    for sample in samples:
        if len(runs) == 1 and sample.label in runs:
            continue
        found = sample.relation.lines
        slope = "too few resolved bins for a line"
        if found is not None:
            slope = (
                f"slope {found.y_on_x[0]:.2f} (least squares), {found.bisector[0]:.2f} (bisector); "
                f"log rate {found.fixed[1]:.2f} at log gas {found.pivot:.2f} with slope 2"
            )
        lines.append(
            f"{_sample_name(sample)}, {sample.variant}: {sample.pixels.gas.size} pixels of "
            f"{len(sample.pixels.galaxies)} galaxies, t_dep {sample.pixels.depletion_time():.3g} Gyr; {slope}"
        )
    return lines


def _is_of_redshift(sample: PixelSample) -> bool:
    """Whether it stands for a redshift, not for a run."""
    return sample.label == f"z = {sample.redshift:g}"


def _sample_name(sample: PixelSample) -> str:
    return sample.label if _is_of_redshift(sample) else f"{sample.label}, z = {sample.redshift:g}"


def _floor_words(sample: PixelSample) -> str:
    floor, name = sample.relation.floor, f"{_sample_name(sample)}, {sample.variant}"
    known = f"floor {floor:.4g} Msun/yr/kpc^2"
    return f"{name}: {known if np.isfinite(floor) else 'floor unknown, no bin counts as resolved'}"


def together(notes: Sequence[str]) -> list[str]:
    """Notes with those that say the same of several galaxies in one line."""
    names: dict[str, list[str]] = {}
    for note in dict.fromkeys(notes):
        name, colon, text = note.partition(": ")
        names.setdefault(text if colon else note, []).append(name if colon else "")
    return [_of_names(found, text) for text, found in names.items()]


def _of_names(names: list[str], text: str) -> str:
    if len(names) == 1:
        return f"{names[0]}: {text}" if names[0] else text
    return f"{names[0]} and {len(names) - 1} more: {text}"


def _repeat(samples: Sequence[PixelSample], value: Callable[[PixelSample], Any]) -> list[Any]:
    return [value(sample) for sample in samples for _ in range(sample.relation.median.size)]


def _joined(samples: Sequence[PixelSample], value: Callable[[PixelRelation], NDArray[Any]]) -> NDArray[Any]:
    return np.concatenate([value(sample.relation) for sample in samples])
