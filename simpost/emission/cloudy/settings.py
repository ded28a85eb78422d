"""Which Cloudy models make a grid: axes, spectra, abundances, lines, release."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from simpost.config.load import read_yaml, validate
from simpost.config.models import Section
from simpost.core.errors import InputError
from simpost.core.files import user_path
from simpost.emission.cloudy.releases import cloudy_label
from simpost.emission.lines import CII, LINES


def _expand(value: Any) -> Any:
    """Nodes of `{first: -2, last: 6, step: 0.5}`; a list is left as it is."""
    if not isinstance(value, dict):
        return value
    if set(value) != {"first", "last", "step"}:
        raise ValueError(f"keys {', '.join(map(str, value))}; expected: first, last and step, or a list")
    first, last, step = (float(value[key]) for key in ("first", "last", "step"))
    count = round((last - first) / step) if step > 0.0 else 0
    if count < 1 or abs(first + count * step - last) > 1e-6 * step:
        raise ValueError(f"{first:g} to {last:g} in steps of {step:g}; expected: a whole number of steps")
    return np.linspace(first, last, count + 1).round(6).tolist()


def _ascending(nodes: list[float]) -> list[float]:
    if any(high - low < 2e-3 for low, high in pairwise(nodes)):
        raise ValueError(f"{nodes}; expected: ascending nodes, at least 0.002 apart")
    return [node + 0.0 for node in nodes]  # no -0


def _command(value: Any) -> Any:
    if not isinstance(value, str) or not value.strip() or "\n" in value or "\r" in value:
        raise ValueError(f"{value!r}; expected: one Cloudy command in one line")
    return value.strip()


Command = Annotated[str, BeforeValidator(_command)]
Variant = Literal["non_ionising", "ionising"]
Nodes = Annotated[list[float], Field(min_length=2), BeforeValidator(_expand), AfterValidator(_ascending)]


# ends beyond which no node can be meant: a linear value given as a logarithm, for one
_SENSIBLE = {"log_n": (-6.0, 12.0), "log_z": (-5.0, 1.5), "log_g0": (-4.0, 8.0), "log_column": (14.0, 25.0)}


def _steps(first: float, last: float, step: float, description: str) -> Any:
    nodes = _expand({"first": first, "last": last, "step": step})
    return Field(default_factory=lambda: list(nodes), description=description)


class CloudyGridConfig(Section):
    """The models of a Cloudy grid. Defaults: 17 x 8 x 12 x 2 models as in V25, whose ranges are lost.

    Physics that has no key here is that of the decks behind simpost's packaged `cloudy` grid.
    """

    cloudy_version: Literal["10", "13", "17", "22", "23", "25"] = Field(
        "17", description="release the decks are written for: labels of lines, words of commands"
    )
    log_n: Nodes = _steps(-2, 6, 0.5, "hydrogen nuclei [log10 cm^-3]")
    log_z: Nodes = _steps(-3, 0.5, 0.5, "metallicity [log10 of the abundance set's own]")
    log_g0: Nodes = _steps(-1, 4.5, 0.5, "field at the face, 6-13.6 eV [log10 Habing]")
    log_column: Nodes = _steps(16, 24, 0.125, "columns to store [log10 cm^-2]; the slab ends at the last")
    spectra: dict[Variant, Command] = Field(
        {"non_ionising": "blackbody 30000", "ionising": "blackbody 40000"},
        min_length=1,
        description="continuum command of each variant; `non_ionising` is extinguished beyond 13.6 eV",
    )
    abundances: str = Field(
        "ISM.abn", min_length=1, pattern=r'^[^"\n\r]+$', description="Cloudy's set at Z = 1"
    )
    grains: str = Field(
        "single no qheat",
        pattern=r"^[^\n\r]*$",
        description="options of ISM and PAH grains; default: one size bin, no quantum heating",
    )
    turbulence_kms: float = Field(1.5, ge=0, le=1e3, description="microturbulence [km/s]")
    lines: list[str] = Field(
        [label for label in LINES if not label.startswith("CO-")],
        description="simpost's labels; [CII] is needed",
    )
    labels: dict[str, Command] = Field(
        {}, description="Cloudy's own label of a line, where simpost's is wrong"
    )
    iterations: int = Field(1, ge=1, le=20, description="Cloudy's `iterate`")
    commands: list[Command] | None = Field(
        None, description="further commands, each a line; default: the short cuts of `decks.short_cuts`"
    )

    @model_validator(mode="after")
    def _consistent(self) -> CloudyGridConfig:
        for name, (low, high) in _SENSIBLE.items():
            nodes = getattr(self, name)
            if nodes[0] < low or nodes[-1] > high:
                raise ValueError(f"{name} from {nodes[0]:g} to {nodes[-1]:g}; expected: {low:g} to {high:g}")
        if CII not in self.lines or len(set(self.lines)) != len(self.lines):
            raise ValueError(f"lines {self.lines}; expected: different lines, {CII} among them")
        if unused := set(self.labels) - set(self.lines):
            raise ValueError(f"labels of {', '.join(sorted(unused))}; expected: labels of the `lines` only")
        for line in self.lines:
            try:
                cloudy_label(line, self.cloudy_version, self.labels)
            except InputError as error:
                raise ValueError(
                    f"{error.what}: {error.found}; expected: {error.expected}; {error.remedy}"
                ) from None
        return self


def load_cloudy_config(path: str | Path) -> CloudyGridConfig:
    """Read and validate the configuration of a Cloudy grid.

    Raises
    ------
    InvalidConfigError
        With one line for each unknown key or value out of range.
    """
    path = user_path(str(path), "configuration")
    return validate(CloudyGridConfig, read_yaml(path), str(path))
