"""The typed configuration: every key with its meaning, unit, default and source.

Defaults written in code are those of preset `serra` (Vallini+2025) unless the description says
otherwise; a preset is a YAML file of the package that changes some of them.
"""

from __future__ import annotations

import math
import re
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, field_validator, model_validator

from simpost.config.quantities import Coordinate, Energy, HaloLength, Length, Mass, OfHalo, Time, Velocity


class Section(BaseModel):
    """A block of keys; unknown keys are refused and values do not change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class PhotonGroupsConfig(Section):
    """Energy bands of a radiation field whose file does not state them."""

    low: list[Energy] = Field(description="lower edge of each group")
    high: list[Energy] = Field(description="upper edge of each group; `inf eV` for no limit")
    mean_energy: list[Energy] = Field(description="mean photon energy of each group")
    light_speed_fraction: float = Field(gt=0, le=1, description="reduced over true speed of light")

    @model_validator(mode="after")
    def _one_entry_per_group(self) -> PhotonGroupsConfig:
        if not len(self.low) == len(self.high) == len(self.mean_energy) > 0:
            raise ValueError(
                f"{len(self.low)} low, {len(self.high)} high and {len(self.mean_energy)} mean energies; "
                "expected: as many of each"
            )
        return self


class ReaderConfig(Section):
    """What a snapshot does not tell about itself."""

    hydro_variables: list[str] | None = Field(None, description="RAMSES hydro variables in file order")
    birth_time: Literal["conformal", "proper"] | None = Field(
        None, description="RAMSES birth times, where values and namelist leave it open"
    )
    photon_groups: PhotonGroupsConfig | None = Field(None, description="bands of Arepo's PhotonDensity")
    effective_equation_of_state: bool | None = Field(
        None,
        description="star-forming Arepo gas is on an effective equation of state; default: as the run says",
    )


class GalaxiesConfig(Section):
    """Which galaxies to map."""

    finder: Literal["auto", "peak", "catalogue", "centres"] = Field(
        "auto", description="`auto`: the halo catalogue beside the snapshot, else `peak`, the built-in finder"
    )
    count: int = Field(1, ge=1, le=100000, description="at most so many per snapshot")
    min_mass: Mass | None = Field(None, description="smallest M_200c (catalogue)")
    uncontaminated: bool = Field(
        False, description="only galaxies without low-resolution dark matter within R_200c (S25)"
    )
    centres: list[tuple[Coordinate, Coordinate, Coordinate]] | None = Field(
        None, description="centres from the corner of the box, proper, for `finder: centres`"
    )

    @model_validator(mode="after")
    def _centres_belong_to_their_finder(self) -> GalaxiesConfig:
        if (self.finder == "centres") != (self.centres is not None):
            raise ValueError("one of 'centres' and 'finder: centres'; expected: both or neither")
        return self


NamedView = Literal["x", "y", "z", "face-on", "edge-on", "edge-on-2"]
Direction = tuple[float, float, float]
MOST_PIXELS = 20000  # along a side: a map of one quantity takes 3.2 GB then
_VIEW_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,59}")  # safe in any file system
_PARALLEL = 1e-6  # sine below which two directions are one


class SpreadViews(Section):
    """Lines of sight spread over a hemisphere."""

    directions: int = Field(ge=1, le=1000, description="so many nearly uniform lines of sight")

    @property
    def names(self) -> list[str]:
        """`direction-01` and so on, of equal length."""
        digits = len(str(self.directions))
        return [f"direction-{i:0{digits}d}" for i in range(1, self.directions + 1)]


class StatedView(Section):
    """A line of sight as stated."""

    line_of_sight: Direction = Field(description="from the galaxy to the observer, of any length")
    up: Direction | None = Field(
        None, description="up in the image; default: z, or y for a line of sight within 10 degrees of z"
    )
    name: str = Field(description="name of the view in files; letters, digits and _ . + -")

    @property
    def names(self) -> list[str]:
        """The one name."""
        return [self.name]

    @field_validator("name")
    @classmethod
    def _is_file_name(cls, value: str) -> str:
        if not _VIEW_NAME.fullmatch(value):
            raise ValueError(
                f"{value[:80]!r}; expected: at most 60 letters, digits, _ . + and -, a letter or digit first"
            )
        if value.lower() in get_args(NamedView):
            raise ValueError(f"{value!r}; expected: another name, this one is a view of simpost's own")
        return value

    @field_validator("line_of_sight", "up")
    @classmethod
    def _points_somewhere(cls, value: Direction | None) -> Direction | None:
        if value is not None and not any(value):
            raise ValueError("three zeros; expected: a direction")
        return value

    @model_validator(mode="after")
    def _up_is_across(self) -> StatedView:
        if self.up is None:
            return self
        a, b = ([x / max(map(abs, v)) for x in v] for v in (self.line_of_sight, self.up))
        across = (a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0])
        if math.hypot(*across) < _PARALLEL * math.hypot(*a) * math.hypot(*b):
            raise ValueError(
                f"up {list(self.up)} along line_of_sight {list(self.line_of_sight)}; "
                "expected: any other direction, or none"
            )
        return self


def _kind_of_view(value: Any) -> str | None:
    if isinstance(value, str):
        return "named"
    if isinstance(value, SpreadViews) or (isinstance(value, dict) and "directions" in value):
        return "spread"
    if isinstance(value, StatedView) or (isinstance(value, dict) and "line_of_sight" in value):
        return "stated"
    return None


ViewConfig = Annotated[
    Annotated[NamedView, Tag("named")]
    | Annotated[SpreadViews, Tag("spread")]
    | Annotated[StatedView, Tag("stated")],
    Discriminator(
        _kind_of_view,
        custom_error_type="view",
        custom_error_message=f"Input should be {', '.join(get_args(NamedView))}, {{directions: N}} or "
        "{line_of_sight: [x, y, z], name: NAME}",
    ),
]


class CubeConfig(Section):
    """Velocity channels, the same for every view and line."""

    channel: Velocity = Field(10.0, description="width of a channel (10 km/s: SERRA-like)")
    channels: int = Field(
        100, ge=2, le=10000, description="number of channels, centred on the galaxy's velocity"
    )


class MapsConfig(Section):
    """Field of view and pixels."""

    width: HaloLength = Field(
        5.0, description="side of the square field of view (5 kpc: V25), or in units of the halo's `R_200c`"
    )
    depth: HaloLength | None = Field(None, description="along the line of sight; default: the width")
    pixel: Length = Field(0.03, description="pixel side (30 pc: V25), rounded to a whole number of pixels")
    kernel: Literal["s25", "support", "wendland_3d", "gadget", "voronoi"] = Field(
        "s25",
        description="smoothing of Voronoi cells: Wendland-C2 as S25 hands it to swiftsimio; `voronoi`: none, "
        "the true cells, all in memory at once. Octree leaves are never smoothed",
    )
    helium: bool = Field(
        True, description="count the helium of neutral and molecular gas (V25; S25: hydrogen only)"
    )
    cube: CubeConfig | None = Field(
        None,
        description="position-position-velocity cubes of the lines; `{}` for the defaults, default: none",
    )
    stars: Literal["points", "kernel"] = Field(
        "points", description="stars in the pixel they lie in, or spread over `star_smoothing`"
    )
    star_smoothing: Length | None = Field(
        None,
        description="radius of support of the stars' kernel, the projected three-dimensional Wendland-C2; "
        "needed for `stars: kernel`",
    )
    angular_momentum_radius: HaloLength | None = Field(
        None,
        description="neutral gas within this radius of the galaxy sets face-on and edge-on; "
        "default: half the width (our choice)",
    )

    @model_validator(mode="after")
    def _stars_have_their_kernel(self) -> MapsConfig:
        if (self.stars == "kernel") != (self.star_smoothing is not None):
            raise ValueError("one of 'star_smoothing' and 'stars: kernel'; expected: both or neither")
        return self

    @model_validator(mode="after")
    def _no_cubes_of_true_cells(self) -> MapsConfig:
        if self.kernel == "voronoi" and self.cube is not None:
            raise ValueError("a 'cube' with 'kernel: voronoi'; expected: another kernel, or no cube")
        return self

    @model_validator(mode="after")
    def _pixels_fit(self) -> MapsConfig:
        if isinstance(self.width, OfHalo):
            return self  # known galaxy by galaxy: `View` looks then
        if self.pixel > self.width:
            raise ValueError(
                f"a pixel of {self.pixel:g} kpc; expected: at most the width of {self.width:g} kpc"
            )
        n = self.width / self.pixel
        if n > MOST_PIXELS:
            raise ValueError(
                f"{n:.6g} pixels a side ({8e-9 * n * n:.3g} GB for each map); expected: at most {MOST_PIXELS}"
            )
        return self


class IsmConfig(Section):
    """From snapshot columns to the state of the interstellar medium."""

    sigma: Literal["auto", "stored", "gradient", "both"] = Field(
        "auto",
        description="turbulent velocity: the stored non-thermal energy if there is one, else the gradient",
    )
    subtract_divergence: bool = Field(False, description="remove the trace of the velocity gradient")
    subtract_rotation: bool = Field(False, description="remove the antisymmetric part of the gradient")
    mach: Literal["total_over_thermal", "turbulent_over_thermal", "linear_sum", "literal"] = Field(
        "total_over_thermal",
        description="definition of the Mach number (V25 with one word corrected)",
    )
    sigma_dimension: Literal["3d", "1d"] = Field(
        "3d", description="velocity in the Mach number (Federrath+2010: 3d)"
    )
    column: Literal["cell", "jeans", "cell_jeans", "sobolev"] = Field(
        "cell", description="column through a cell"
    )
    molecular: Literal["kmt", "gk11", "none"] = Field(
        "kmt", description="H2 where the snapshot has none: McKee & Krumholz 2010, Gnedin & Kravtsov 2011"
    )
    uvb_rate: float | None = Field(
        None,
        ge=0,
        le=1e-8,
        description="HI photo-ionisation rate of the background [1/s] where ions are derived; "
        "default: none, collisions only",
    )
    assumed_metallicity: float | None = Field(
        None,
        ge=0,
        le=10,
        description="metallicity [Z_sun = 0.0134] of gas without metals; default: none, so no line",
    )
    young_star_age: Time = Field(
        10.0, description="stars up to this age ionise their cell (our choice: lost in V25)"
    )
    habing_floor: float = Field(0.1, gt=0, description="smallest FUV field [Habing], the edge of the grid")
    effective_equation_of_state: Literal["cold_neutral", "two_phase", "keep"] = Field(
        "cold_neutral",
        description="gas on an effective equation of state: 100 K and neutral, SH03 phases, or as stored",
    )
    pressure_floor: Literal["keep", "subtract"] = Field(
        "keep", description="RAMSES polytropic pressure floor"
    )


Variation = Literal["pdf", "b", "mach", "mach_definition", "grid", "cmb"]


class EmissionConfig(Section):
    """Line luminosities."""

    grid: str = Field("slab", description="name of a packaged grid, or a grid file")
    lines: list[str] = Field(["CII-158um"], min_length=1, description="lines of the grid")
    pdf: Literal["mass", "volume", "none", "meanC"] = Field("mass", description="sub-grid density PDF")
    pdf_b: float = Field(1.0 / 3.0, ge=0.01, le=1, description="turbulence driving parameter b (solenoidal)")
    pdf_column: Literal["cell", "clump", "depth"] = Field("cell", description="column of a sub-element")
    illumination: Literal["one_sided", "two_sided"] = Field("one_sided", description="slab geometry")
    cmb: bool = Field(True, description="correct for the cosmic microwave background")
    cmb_on: Literal["node", "cell"] = Field(
        "node", description="correct every density of the sub-grid PDF, or the cell at its mean density"
    )
    at: dict[str, float] = Field({}, description="values (log10) of axes of the grid that cells do not have")
    warn_outside: float = Field(0.2, ge=0, le=1, description="share of L from outside the table that warns")
    refuse_outside: float | None = Field(
        None,
        ge=0,
        le=1,
        description="share of L from outside the table above which a galaxy is refused; default: never",
    )
    ensemble: list[Variation] = Field(
        [],
        description="model uncertainty of [CII]: what to vary, one at a time; `true`: all, `false`: nothing",
    )

    @field_validator("ensemble", mode="before")
    @classmethod
    def _all_or_none(cls, value: Any) -> Any:
        if isinstance(value, bool):
            return list(get_args(Variation)) if value else []
        if not isinstance(value, list):
            raise ValueError(
                f"{value!r}; expected: true, false, or a list of {', '.join(get_args(Variation))}"
            )
        return value

    @field_validator("ensemble")
    @classmethod
    def _each_once(cls, value: list[Variation]) -> list[Variation]:
        if len(set(value)) != len(value):
            raise ValueError(f"{', '.join(value)}; expected: each variation once")
        return [variation for variation in get_args(Variation) if variation in value]

    @model_validator(mode="after")
    def _ensemble_has_its_line(self) -> EmissionConfig:
        if self.ensemble and "CII-158um" not in self.lines:
            raise ValueError("an 'ensemble' without its line; expected: CII-158um among 'lines'")
        return self


class Config(Section):
    """A whole configuration."""

    preset: str | None = Field(None, description="packaged preset this one starts from")
    snapshots: list[str] = Field(min_length=1, description="paths, globs, or sample:NAME")
    reader: ReaderConfig = Field(default_factory=ReaderConfig, description="what the snapshots do not tell")
    galaxies: GalaxiesConfig = Field(default_factory=GalaxiesConfig, description="which galaxies")
    views: list[ViewConfig] = Field(
        ["x", "y", "z"],
        min_length=1,
        description="lines of sight, any of: `x`, `y`, `z`, `face-on`, `edge-on`, `edge-on-2`, "
        "`{directions: 12}`, `{line_of_sight: [1, 1, 0], up: [0, 0, 1], name: oblique}`",
    )
    maps: MapsConfig = Field(default_factory=MapsConfig, description="field of view and pixels")
    ism: IsmConfig = Field(default_factory=IsmConfig, description="state of the interstellar medium")
    emission: EmissionConfig = Field(default_factory=EmissionConfig, description="line luminosities")
    output: str = Field("results", min_length=1, description="folder for products, figures and tables")
    seed: int = Field(0, ge=0, description="of every random number")
    workers: int = Field(1, ge=1, le=1024, description="threads; never changes a result")

    @field_validator("views")
    @classmethod
    def _views_have_their_own_names(cls, value: list[ViewConfig]) -> list[ViewConfig]:
        names = [name for view in value for name in ([view] if isinstance(view, str) else view.names)]
        lower = [name.lower() for name in names]  # some file systems do not tell case
        twice = [name for name, plain in zip(names, lower, strict=True) if lower.count(plain) > 1]
        if twice:
            raise ValueError(
                f"more than one view '{twice[0]}'; expected: every view once, names of their own"
            )
        return value
