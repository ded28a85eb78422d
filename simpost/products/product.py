"""What is known of one galaxy in one snapshot, in memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from simpost.core.errors import InputError, nearest_name
from simpost.core.units import quantity

if TYPE_CHECKING:
    import unyt

_ROUNDING = 1e-9  # a sum of shares may exceed one by rounding


def _check_share(what: str, share: float) -> None:
    if not (np.isnan(share) or 0.0 <= share <= 1.0 + _ROUNDING):
        raise InputError(what, str(share), "a share between 0 and 1, or NaN")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("simpost")
    except PackageNotFoundError:
        return "not installed"


@dataclass(frozen=True)
class Coverage:
    """Shares of the cells, of the gas mass and of the line luminosity; NaN where the total is zero.

    `treatment` says what was done to such cells, where the name of the row does not.
    """

    share_of_cells: float
    share_of_mass: float
    share_of_luminosity: float
    treatment: str = ""

    def __post_init__(self) -> None:
        for name in ("share_of_cells", "share_of_mass", "share_of_luminosity"):
            _check_share(name, getattr(self, name))


@dataclass(frozen=True)
class FieldOrigin:
    """Where one column came from, for the share of the mass whose value came that way.

    `origin` is `read: <where>`, `derived: <recipe>` or `override: <by whom>`.
    """

    column: str
    origin: str
    share_of_mass: float

    def __post_init__(self) -> None:
        head, _, detail = self.origin.partition(": ")
        if head not in ("read", "derived", "override") or not detail:
            expected = "'read: <where>', 'derived: <recipe>' or 'override: <by whom>'"
            raise InputError(f"origin of {self.column}", repr(self.origin), expected)
        _check_share(f"share_of_mass of {self.column}", self.share_of_mass)


@dataclass(frozen=True)
class EnsembleMember:
    """The [CII] luminosity of a galaxy under one modelling choice that differs from the configured one.

    Attributes
    ----------
    name : str
        For example `pdf = volume`; the first member of an ensemble is `as configured`.
    differs : str
        What was changed; empty for the configured model.
    luminosity : float
        In the region [Lsun]; NaN if the member was left out.
    ratio : float
        To the configured model; NaN where either is missing or that one is dark.
    share_beyond_table : float
        Share of the luminosity from cells beyond the line grid.
    closure : float
        Of the member's own map, the worst of all views; NaN if there is nothing to compare.
    left_out : str
        Why the member was left out, else empty.
    """

    name: str
    differs: str
    luminosity: float
    ratio: float
    share_beyond_table: float
    closure: float
    left_out: str = ""

    def __post_init__(self) -> None:
        if np.isnan(self.luminosity) and not self.left_out:
            raise InputError(
                f"ensemble member {self.name}", "NaN without a reason", "a number", "or left_out"
            )
        _check_share(f"share_beyond_table of {self.name}", self.share_beyond_table)


@dataclass(frozen=True, eq=False)
class ProductMap:
    """An image (ny, nx), row 0 at the bottom, or a cube (nv, ny, nx), in `unit`.

    `closure` is the sum over the pixels over what went in, minus one; NaN needs an attribute
    `closure_reason`. Other attributes: see the schema.
    """

    values: NDArray[np.float64]
    unit: str
    closure: float
    attributes: dict[str, Any] = field(default_factory=dict)

    def quantity(self) -> unyt.unyt_array:
        """The values as a unyt array."""
        return quantity(self.values, self.unit)


@dataclass(frozen=True, eq=False)
class ViewProduct:
    """Maps and cubes on identical pixels, and the attributes of the view they were seen from."""

    attributes: dict[str, Any]
    maps: dict[str, ProductMap]
    cubes: dict[str, ProductMap] = field(default_factory=dict)
    velocity: NDArray[np.float64] | None = None  # (nv,) km/s, the channels of all cubes

    def map(self, name: str) -> ProductMap:
        """Return the map called `name`; `InputError` names the nearest one there is."""
        if name not in self.maps:
            raise InputError(
                "view", f"no map {name!r}", "one of its maps", nearest_name(name, list(self.maps))
            )
        return self.maps[name]


@dataclass(frozen=True, eq=False)
class GalaxyProduct:
    """One galaxy of one snapshot: what later stages may know of it.

    `galaxy`, and the attributes of views and maps, hold the names and units of `schema.SCHEMA`; vectors are
    arrays (3,). `coverage` and `fields` say what the numbers rest on. `config` is canonical YAML,
    `provenance` anything that JSON can hold. `ensemble` is empty unless model uncertainty was asked for.
    """

    galaxy: dict[str, Any]
    coverage: dict[str, Coverage]
    fields: tuple[FieldOrigin, ...]
    views: dict[str, ViewProduct]
    config: str
    config_hash: str
    provenance: dict[str, Any]
    ensemble: tuple[EnsembleMember, ...] = ()
    simpost_version: str = field(default_factory=_version)
    created: str = field(default_factory=_now)

    def view(self, name: str) -> ViewProduct:
        """Return the view called `name`; `InputError` names the nearest one there is."""
        if name not in self.views:
            remedy = nearest_name(name, list(self.views))
            raise InputError(f"galaxy {self.galaxy['id']}", f"no view {name!r}", "one of its views", remedy)
        return self.views[name]
