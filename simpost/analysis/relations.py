"""Published relations and points to compare with, each with its IMF and helium convention.

The numbers live in `simpost/data/relations.yaml`. A number that is not known is null there, and
using it is an error that names it. Conversions are applied to the relation, never to data, and
the factors are kept: `relation("k98").in_convention(imf="chabrier").legend` prints them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from pydantic import BaseModel, ConfigDict, Field, model_validator

from simpost.analysis.conventions import helium_factor, imf_factor
from simpost.analysis.relation_forms import FORMS
from simpost.config.load import read_yaml, validate
from simpost.core.errors import InputError, nearest_name
from simpost.ism.arrays import Booleans, Floats, positive

Status = Literal["V", "C", "?", "user"]
Imf = Literal["salpeter", "kroupa", "chabrier", "any"]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Quantity(_Entry):
    """Unit of an axis, and the convention whose change multiplies it."""

    unit: str
    scales_with: Literal["imf", "helium"] | None = None


class Coefficient(_Entry):
    """A number with its 1 sigma error and whether it was verified (V), is from memory (C) or missing (?)."""

    value: float | None
    error: float | None = None
    status: Status


class Relation(_Entry):
    """One published relation y(x) in its own convention; see `relation_forms` for the formulae."""

    key: str
    form: str
    x: str
    y: str
    coefficients: dict[str, Coefficient]
    scatter: Coefficient | None = Field(None, description="dex at fixed x")
    imf: Imf | None = Field(description="null: the source is unsure")
    helium: bool | Literal["any"] | None = Field(description="null: the source is unsure")
    range: tuple[float | None, float | None] = (None, None)
    source: str
    note: str = ""

    @model_validator(mode="after")
    def _coefficients_of_form(self) -> Relation:
        if self.form not in FORMS:
            raise ValueError(f"form {self.form!r}; expected: {nearest_name(self.form, list(FORMS))}")
        needed, optional = FORMS[self.form].needed, FORMS[self.form].optional
        if not needed <= set(self.coefficients) <= needed | optional:
            raise ValueError(
                f"coefficients {', '.join(sorted(self.coefficients))}; "
                f"expected: {', '.join(sorted(needed | optional))}"
            )
        return self

    @property
    def status(self) -> Status:
        """The weakest status among the coefficients."""
        order: list[Status] = ["?", "user", "C", "V"]
        return min((entry.status for entry in self.coefficients.values()), key=order.index)

    @property
    def missing(self) -> list[str]:
        """Names of the coefficients nobody has looked up; a relation with any cannot be evaluated."""
        return [name for name, entry in self.coefficients.items() if entry.value is None]

    def coefficient(self, name: str) -> float:
        """The value of a coefficient; InputError if there is none of that name or its value is missing."""
        if name not in self.coefficients:
            near = nearest_name(name, list(self.coefficients))
            raise InputError(f"relation {self.key}", repr(name), "a coefficient", near)
        value = self.coefficients[name].value
        if value is None:
            raise InputError(
                f"relation {self.key} ({self.source}), coefficient {name}",
                "no number",
                "a published value",
                f"look it up and give it: relation({self.key!r}).with_coefficients({name}=...)",
            )
        return value

    def with_coefficients(self, **values: float) -> Relation:
        """Copy with coefficients given by the user (their status becomes `user`)."""
        known = set(FORMS[self.form].needed | FORMS[self.form].optional)
        for name, value in values.items():
            if name not in known or not np.isfinite(value):
                expected = f"finite values of {', '.join(sorted(known))}"
                raise InputError(f"relation {self.key}", f"{name} = {value}", expected)
        given = {name: Coefficient(value=float(value), status="user") for name, value in values.items()}
        return self.model_copy(update={"coefficients": {**self.coefficients, **given}})

    def __call__(self, x: ArrayLike, age: float | None = None) -> Floats:
        """Evaluate y(x) in the units of `quantities()` and the relation's own convention.

        Parameters
        ----------
        x : array_like
            Any shape, > 0 and finite. Values outside `range` are evaluated: see `in_range`.
        age : float, optional
            Age of the universe [Myr], for relations that change with time (`main_sequence`).

        Raises
        ------
        InputError
            If a coefficient or the age is missing, or x is not positive.
        """
        x = positive(f"relation {self.key}, {self.x}", x)
        numbers = {name: self.coefficient(name) for name in self.coefficients}
        if not FORMS[self.form].needs_age:
            return FORMS[self.form].evaluate(x, numbers)
        if age is None or not age > 0:
            raise InputError(f"relation {self.key}, age", repr(age), "the age of the universe in Myr")
        return FORMS[self.form].evaluate(x, {**numbers, "age": age})

    def in_range(self, x: ArrayLike) -> Booleans:
        """True where x lies in the range the relation was measured in."""
        low = -np.inf if self.range[0] is None else self.range[0]
        high = np.inf if self.range[1] is None else self.range[1]
        x = np.asarray(x, dtype=float)
        return np.asarray((x >= low) & (x <= high))

    def in_convention(self, imf: str | None = None, helium: bool | None = None) -> ConvertedRelation:
        """Return the relation for axes with this IMF and helium convention; None leaves its own.

        Raises
        ------
        InputError
            If a conversion is asked for of which the relation's own convention is unknown.
        """
        factor = {"imf": self._imf_factor(imf), "helium": self._helium_factor(helium)}
        of_axis = [factor.get(quantities()[axis].scales_with or "", 1.0) for axis in (self.x, self.y)]
        return ConvertedRelation(self, of_axis[0], of_axis[1], imf, helium)

    def _scales_with(self, convention: str) -> bool:
        return any(quantities()[axis].scales_with == convention for axis in (self.x, self.y))

    def _imf_factor(self, wanted: str | None) -> float:
        if wanted is None:
            return 1.0
        imf_factor(wanted, wanted)  # refuses an unknown name even where nothing scales with it
        if self.imf == "any" or not self._scales_with("imf"):
            return 1.0
        if self.imf is None:
            raise self._unsure("imf", "the IMF of its source")
        return imf_factor(self.imf, wanted)

    def _helium_factor(self, wanted: bool | None) -> float:
        if wanted is None or self.helium == "any" or not self._scales_with("helium"):
            return 1.0
        if self.helium is None:
            raise self._unsure("helium", "whether its gas mass includes helium")
        return helium_factor(self.helium, wanted)

    def _unsure(self, what: str, expected: str) -> InputError:
        return InputError(
            f"relation {self.key} ({self.source}), {what}",
            "no entry",
            expected,
            f"leave out {what}=... to use the relation as published",
        )


@dataclass(frozen=True)
class ConvertedRelation:
    """A relation for axes in another convention: y(x) = y_factor relation(x / x_factor)."""

    relation: Relation
    x_factor: float
    y_factor: float
    imf: str | None
    helium: bool | None

    def __call__(self, x: ArrayLike, age: float | None = None) -> Floats:
        """As `Relation.__call__`, x and y in the convention of this object."""
        return self.y_factor * self.relation(np.asarray(x, dtype=float) / self.x_factor, age)

    def in_range(self, x: ArrayLike) -> Booleans:
        """As `Relation.in_range`, x in the convention of this object."""
        return self.relation.in_range(np.asarray(x, dtype=float) / self.x_factor)

    @property
    def legend(self) -> str:
        """Source, own convention and factors, e.g. for the legend table of a figure."""
        own = self.relation
        helium = {True: "with helium", False: "without helium", "any": "any helium", None: "helium unsure"}
        text = f"{own.source}: {own.imf or 'unsure'} IMF, {helium[own.helium]}"
        for axis, factor in ((own.x, self.x_factor), (own.y, self.y_factor)):
            if factor != 1.0:
                text += f"; {axis} x {factor:.4g}"
        return text


class Points(_Entry):
    """Published points to plot; (x, y) pairs in the units of `quantities()`."""

    key: str
    x: str
    y: str
    values: list[tuple[float, float]] | None = None
    error_range: tuple[float, float] | None = Field(None, description="smallest and largest error of y")
    source: str
    status: Status

    @property
    def table(self) -> Floats:
        """Shape (n, 2): x, y. InputError if nobody has typed the points in."""
        if self.values is None:
            raise InputError(
                f"points {self.key} ({self.source})",
                "no data",
                "published points",
                "simpost does not ship them",
            )
        return np.array(self.values, dtype=float)


class _Library(_Entry):
    quantities: dict[str, Quantity]
    relations: dict[str, Relation]
    points: dict[str, Points]

    @model_validator(mode="before")
    @classmethod
    def _name_entries(cls, content: dict[str, dict[str, dict[str, object]]]) -> dict[str, object]:
        named: dict[str, object] = dict(content)
        for section in ("relations", "points"):
            named[section] = {key: {"key": key, **entry} for key, entry in content[section].items()}
        return named

    @model_validator(mode="after")
    def _axes_are_known(self) -> _Library:
        entries: list[Relation | Points] = [*self.relations.values(), *self.points.values()]
        for entry in entries:
            for axis in (entry.x, entry.y):
                if axis not in self.quantities:
                    raise ValueError(f"{entry.key} with axis {axis!r}; expected: one of the quantities")
        return self


@cache
def _library() -> _Library:
    path = Path(str(resources.files("simpost") / "data" / "relations.yaml"))
    return validate(_Library, read_yaml(path), str(path))


def quantities() -> dict[str, Quantity]:
    """Every axis of a relation with its unit."""
    return dict(_library().quantities)


def relations() -> dict[str, Relation]:
    """Every relation by its key."""
    return dict(_library().relations)


def relation(key: str) -> Relation:
    """The relation of a key; InputError with the nearest key if there is none."""
    known = _library().relations
    if key not in known:
        raise InputError("relation", repr(key), "a key of relations.yaml", nearest_name(key, list(known)))
    return known[key]


def points(key: str) -> Points:
    """The published points of a key; InputError with the nearest key if there are none."""
    known = _library().points
    if key not in known:
        raise InputError("points", repr(key), "a key of relations.yaml", nearest_name(key, list(known)))
    return known[key]
