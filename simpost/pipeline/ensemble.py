"""Model uncertainty: [CII] of the same cells under other modelling choices, one changed at a time.

A choice that changes neither the grid, nor the PDF, nor the CMB correction shares the averaged table of the
configured model; so a member costs one look-up per cell and one more quantity to deposit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simpost.config import Config
from simpost.core.errors import InputError
from simpost.emission.density_pdf import PDFS, AveragedTable
from simpost.emission.luminosity import table_marks
from simpost.ism.recipes import Recipes
from simpost.ism.turbulence import mach_number
from simpost.maps.deposit import MapResult
from simpost.pipeline.lighting import averaged_table, light_cells, line_grid
from simpost.products import EnsembleMember
from simpost.products.schema import BEYOND_TABLE, LINE_CII, PERCENTILES
from simpost.snapshots.columns import Columns

Array = NDArray[np.float64]

AS_CONFIGURED = "as configured"
FEWEST_MEMBERS = 3  # for a percentile, the configured model among them (our choice)
SAME_VALUE = 0.01  # two values of b closer than this are the same choice
MACH_FACTORS = {"Mach x 0.5": 0.5, "Mach x 2": 2.0}
# Variation -> member -> (section, key, value) of the configuration. The values of b are solenoidal, mixed and
# compressive driving (Federrath+2010); ism.mach `literal` is left out: it falls as the turbulence rises.
CHOICES: dict[str, dict[str, tuple[str, str, Any]]] = {
    "pdf": {f"pdf = {pdf}": ("emission", "pdf", pdf) for pdf in PDFS},
    "b": {
        "b = 1/3": ("emission", "pdf_b", 1.0 / 3.0),
        "b = 0.4": ("emission", "pdf_b", 0.4),
        "b = 1": ("emission", "pdf_b", 1.0),
    },
    "mach_definition": {
        "Mach = sqrt(sigma^2 + c_s^2)/c_s": ("ism", "mach", "total_over_thermal"),
        "Mach = sigma/c_s": ("ism", "mach", "turbulent_over_thermal"),
        "Mach = (sigma + c_s)/c_s": ("ism", "mach", "linear_sum"),
    },
    "grid": {f"grid = {grid}": ("emission", "grid", grid) for grid in ("slab", "cloudy")},
    "cmb": {"CMB on": ("emission", "cmb", True), "CMB off": ("emission", "cmb", False)},
}


@dataclass(frozen=True, eq=False)
class Member:
    """One model of the ensemble: its name, what it changes, and the configuration with that change."""

    name: str
    differs: str
    config: Config
    mach_factor: float = 1.0

    @property
    def table_key(self) -> tuple[str, str, bool]:
        """Members with equal keys share an averaged table."""
        options = self.config.emission
        return options.grid, options.pdf, options.cmb


@dataclass(frozen=True, eq=False)
class Ensemble:
    """The members that a snapshot allows, each with its averaged table, and those left out.

    Attributes
    ----------
    members : tuple of Member
        All members, the configured model first; none where no ensemble is asked for or possible.
    tables : mapping
        Member name to averaged [CII] table; the configured model is not among them.
    left_out : mapping
        Member name to why it cannot be computed.
    """

    members: tuple[Member, ...] = ()
    tables: Mapping[str, AveragedTable] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)


NO_ENSEMBLE = Ensemble()


@dataclass(frozen=True, eq=False)
class EnsembleResult:
    """The ensemble of one galaxy.

    Attributes
    ----------
    rows : tuple of EnsembleMember
        One per member, the configured model first.
    luminosity : dict
        Percentiles of the members' luminosities [Lsun] by name (`p16`, `p84`), NaN with `reason`.
    maps : dict
        View to percentile to surface brightness (ny, nx) [Lsun/kpc^2]; empty where there is a reason.
    reason : str
        Why there are no percentiles, else empty.
    """

    rows: tuple[EnsembleMember, ...]
    luminosity: dict[str, float]
    maps: dict[str, dict[str, Array]]
    reason: str

    def notes(self, warn_outside: float) -> tuple[str, ...]:
        """What a user must know, one line each.

        Members that were left out, members with more than `warn_outside` of their luminosity from cells
        beyond their line grid, and why there is no range.
        """
        lines = [f"{row.name} left out: {row.left_out}" for row in self.rows if row.left_out]
        lines += [
            f"{row.name}: {row.share_beyond_table:.1%} of its L from outside its line table"
            for row in self.rows[1:]  # the run warns of the configured model itself
            if row.share_beyond_table > warn_outside
        ]
        lines += [self.reason] if self.reason else []
        return tuple(f"ensemble: {line}" for line in lines)


def ensemble_members(config: Config) -> tuple[Member, ...]:
    """The configured model and all that `emission.ensemble` varies around it, one thing at a time."""
    members = [Member(AS_CONFIGURED, "", config)]
    for variation in config.emission.ensemble:
        for name, (section, key, value) in CHOICES.get(variation, {}).items():
            configured = getattr(getattr(config, section), key)
            if not _same(value, configured):
                differs = f"{section}.{key}: {_shown(value)} instead of {_shown(configured)}"
                members.append(Member(name, differs, _changed(config, section, key, value)))
        if variation == "mach":
            for name, factor in MACH_FACTORS.items():
                members.append(Member(name, f"Mach number of every cell x {factor:g}", config, factor))
    return tuple(members)


def _same(value: Any, other: Any) -> bool:
    if isinstance(value, float):
        return math.isclose(value, other, rel_tol=SAME_VALUE)
    return bool(value == other)


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _changed(config: Config, section: str, key: str, value: Any) -> Config:
    """A grid's own axes (`emission.at`) do not go along to another grid."""
    more: dict[str, Any] = {"at": {}} if key == "grid" else {}
    options = getattr(config, section).model_copy(update={key: value, **more})
    return config.model_copy(update={section: options})


def prepare_ensemble(
    config: Config, recipes: Recipes, tables: Mapping[str, AveragedTable], redshift: float
) -> Ensemble:
    """Average the tables that the members of `emission.ensemble` need beside the configured ones.

    Parameters
    ----------
    config : Config
        The configured model.
    recipes : Recipes
        How the state of the snapshot is made.
    tables : mapping
        Averaged tables of the configured model by line; [CII]'s is shared.
    redshift : float
        Of the snapshot.

    Returns
    -------
    Ensemble
        Without members if none is asked for or the snapshot allows no lines. A member that cannot be
        computed (no such grid, no data for the CMB, no turbulence to define a Mach number by) is left out
        with its reason.
    """
    if not config.emission.ensemble or not recipes.has_lines:
        return NO_ENSEMBLE
    members = ensemble_members(config)
    shared = {members[0].table_key: tables[LINE_CII]}
    of_member: dict[str, AveragedTable] = {}
    left_out: dict[str, str] = {}
    for member in members[1:]:
        reason = _no_difference(member, config, recipes)
        try:
            if not reason and member.table_key not in shared:
                shared[member.table_key] = _table(member, config, tables[LINE_CII], redshift)
        except InputError as error:
            reason = str(error)
        if reason:
            left_out[member.name] = reason
        else:
            of_member[member.name] = shared[member.table_key]
    return Ensemble(members, of_member, left_out)


def _no_difference(member: Member, config: Config, recipes: Recipes) -> str:
    """Why a member would repeat the configured model, and so narrow the range; empty if it does not."""
    if member.config.ism.mach != config.ism.mach and recipes.turbulence == "none":
        return "the snapshot has no turbulent velocity"
    if member.table_key == Member("", "", config).table_key and config.emission.pdf == "none":
        return "without a sub-grid PDF the Mach number and b have no effect"
    return ""


def _table(member: Member, config: Config, configured: AveragedTable, redshift: float) -> AveragedTable:
    options = member.config.emission
    grid = line_grid(options)
    if options.grid != config.emission.grid and grid.checksum == configured.grid_checksum:
        raise InputError(f"grid {options.grid}", "the content of the configured one", "another grid")
    return averaged_table(grid, LINE_CII, options, redshift, config.workers)


class EnsemblePass:
    """The members of one galaxy, accumulated chunk by chunk.

    Parameters
    ----------
    ensemble : Ensemble
        From `prepare_ensemble`.
    config : Config
        The configured model, whose Mach number the state has.
    """

    def __init__(self, ensemble: Ensemble, config: Config) -> None:
        self._ensemble, self._config = ensemble, config
        self._left_out = dict(ensemble.left_out)
        self._beyond = dict.fromkeys(ensemble.tables, 0.0)
        self.names = list(ensemble.tables)  # of the quantities that `light` returns

    def light(self, state: Columns, share: Array) -> dict[str, Array]:
        """Luminosity [Lsun] of cells (n,) by member; `share` (n,) is the part of each cell in the cube.

        A member that cannot take these cells is left out from then on, and dark.
        """
        luminosities = dict.fromkeys(self.names, np.zeros(len(share)))
        for member in self._ensemble.members:
            if member.name not in self.names or member.name in self._left_out:
                continue
            table, options = self._ensemble.tables[member.name], member.config.emission
            try:
                cells = light_cells(
                    state, self._mach_numbers(member, state), table, options, self._config.workers
                )
            except InputError as error:
                self._left_out[member.name] = str(error)
                continue
            luminosities[member.name] = cells.luminosity
            beyond = table_marks(cells)[BEYOND_TABLE]
            self._beyond[member.name] += float((cells.luminosity * beyond) @ share)
        return luminosities

    def _mach_numbers(self, member: Member, state: Columns) -> Array:
        options = member.config.ism
        if options.mach == self._config.ism.mach:
            return np.asarray(state["mach"] * member.mach_factor)
        sigma, sound_speed = state["turbulent_velocity"], state["sound_speed"]
        return mach_number(sigma, sound_speed, options.mach, options.sigma_dimension)[0]

    def result(
        self,
        maps: Mapping[str, Mapping[str, MapResult]],
        totals: Mapping[str, float],
        configured_beyond: float,
    ) -> EnsembleResult | None:
        """Rows and percentiles of the galaxy; None without an ensemble.

        Parameters
        ----------
        maps : mapping
            View to quantity to map; the members' names are among the quantities.
        totals : mapping
            Sums of the quantities over the cube.
        configured_beyond : float
            Share of the configured model's luminosity from cells beyond its grid.
        """
        if not self._ensemble.members:
            return None
        beyond = {name: _ratio(self._beyond[name], totals[name]) for name in self.names}
        self._refuse_outside(beyond)
        beyond[AS_CONFIGURED] = configured_beyond
        rows = tuple(self._row(member, maps, totals, beyond) for member in self._ensemble.members)
        whole = [_quantity(row.name) for row in rows if not row.left_out]
        if len(whole) < FEWEST_MEMBERS:
            count = f"{len(whole)} model{'s' if len(whole) > 1 else ''}"
            reason = f"{count} make no range: it takes {FEWEST_MEMBERS}, the configured one among them"
            return EnsembleResult(rows, dict.fromkeys(PERCENTILES, math.nan), {}, reason)
        luminosities = percentiles(np.array([totals[quantity] for quantity in whole]))
        images = {
            view: percentiles(np.stack([of_view[quantity].values for quantity in whole]))
            for view, of_view in maps.items()
        }
        return EnsembleResult(
            rows, {name: float(value) for name, value in luminosities.items()}, images, reason=""
        )

    def _refuse_outside(self, beyond: Mapping[str, float]) -> None:
        """Leave out members that rest on cells beyond their grid more than a galaxy may."""
        limit = self._config.emission.refuse_outside
        for name, share in beyond.items():
            if limit is not None and share > limit and name not in self._left_out:
                self._left_out[name] = f"{share:.1%} of L from outside its line table, above {limit:.1%}"

    def _row(
        self,
        member: Member,
        maps: Mapping[str, Mapping[str, MapResult]],
        totals: Mapping[str, float],
        beyond: Mapping[str, float],
    ) -> EnsembleMember:
        name = member.name
        if name in self._left_out:
            nan = math.nan
            return EnsembleMember(name, member.differs, nan, nan, nan, nan, self._left_out[name])
        total = totals[_quantity(name)]
        closures = [of_view[_quantity(name)].closure for of_view in maps.values()]
        return EnsembleMember(
            name,
            member.differs,
            luminosity=total,
            ratio=_ratio(total, totals[LINE_CII]),
            share_beyond_table=beyond[name],
            closure=_worst(closures),
        )


def _quantity(name: str) -> str:
    """What is deposited of a member: the configured model is the line itself."""
    return LINE_CII if name == AS_CONFIGURED else name


def percentiles(values: Array) -> dict[str, Array]:
    """Percentiles `p16` and `p84` over the members, axis 0; linear between ranks (numpy's default)."""
    low_and_high = np.percentile(values, list(PERCENTILES.values()), axis=0)
    return dict(zip(PERCENTILES, low_and_high, strict=True))


def _ratio(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator > 0.0 else math.nan


def _worst(closures: list[float]) -> float:
    """The closure farthest from zero; NaN if there is none."""
    return max((closure for closure in closures if not math.isnan(closure)), key=abs, default=math.nan)
