"""Numbers with units in a configuration: `30 pc`, `10 Myr`, `1e9 Msun`, `0.6 R_200c`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AllowInfNan,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainSerializer,
    PlainValidator,
    WithJsonSchema,
)
from pydantic_core import CoreSchema, core_schema

from simpost.core.units import INTERNAL_UNIT, UNITS_OF

_NUMBER_AND_UNIT = re.compile(r"^\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|inf)\s*(\S.*?)?\s*$")


def parse_quantity(value: Any, dimension: str) -> float:
    """Value of `30 pc` in the internal unit of its dimension; a float is already in it.

    Raises
    ------
    ValueError
        No unit, an unknown one, or one of another dimension (the message says which are known).
    """
    units = UNITS_OF[dimension]
    known = ", ".join(units)
    if isinstance(value, bool) or not isinstance(value, str):
        raise ValueError(
            f"{value!r} without a unit; expected: something like '{value} {INTERNAL_UNIT[dimension]}'"
        )
    match = _NUMBER_AND_UNIT.match(value)
    if match is None:
        raise ValueError(f"{value!r}; expected: a number with a unit ({known})")
    number, unit = match.groups()
    if unit is None:
        raise ValueError(
            f"{value!r} without a unit; expected: something like '{number} {INTERNAL_UNIT[dimension]}'"
        )
    if unit not in units:
        raise ValueError(f"{value!r}; expected: a {dimension.replace('_', ' ')} in {known}")
    return float(number) * units[unit]


def _positive(value: float) -> float:
    if not 0.0 < value < float("inf"):
        raise ValueError(f"{value:g}; expected: a positive, finite number")
    return value


@dataclass(frozen=True)
class Unit:
    """Marks a float field as a quantity of `dimension`: read with a unit, written with the internal one."""

    dimension: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        unit = INTERNAL_UNIT[self.dimension]
        return core_schema.no_info_before_validator_function(
            lambda value: parse_quantity(value, self.dimension),
            handler(source),
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda value: f"{value:.12g} {unit}"
            ),
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        unit = INTERNAL_UNIT[self.dimension]
        return {"type": "string", "pattern": _NUMBER_AND_UNIT.pattern, "examples": [f"1 {unit}"]}


Length = Annotated[float, Unit("length"), AfterValidator(_positive)]
Coordinate = Annotated[float, Unit("length")]
Mass = Annotated[float, Unit("mass"), AfterValidator(_positive)]
Time = Annotated[float, Unit("time"), AfterValidator(_positive)]
Velocity = Annotated[float, Unit("velocity"), AfterValidator(_positive)]
Energy = Annotated[float, AllowInfNan(True), Unit("energy_ev")]

R_200C = "R_200c"


@dataclass(frozen=True)
class OfHalo:
    """A length in units of the R_200c of a galaxy's halo."""

    factor: float

    def __str__(self) -> str:
        return f"{self.factor:.12g} {R_200C}"


def parse_halo_length(value: Any) -> float | OfHalo:
    """Positive length in kpc, or in units of R_200c, from `5 kpc` or `0.6 R_200c`.

    Raises
    ------
    ValueError
        As `parse_quantity`, or the number is not positive and finite.
    """
    if isinstance(value, OfHalo):
        return value
    match = _NUMBER_AND_UNIT.match(value) if isinstance(value, str) else None
    if match is not None and match.group(2) == R_200C:
        return OfHalo(_positive(float(match.group(1))))
    try:
        length = parse_quantity(value, "length")
    except ValueError as error:
        raise ValueError(f"{error}, or something like '0.6 {R_200C}'") from None
    return _positive(length)


HaloLength = Annotated[
    float | OfHalo,
    PlainValidator(parse_halo_length),
    PlainSerializer(lambda x: str(x) if isinstance(x, OfHalo) else f"{x:.12g} {INTERNAL_UNIT['length']}"),
    WithJsonSchema(
        {"type": "string", "pattern": _NUMBER_AND_UNIT.pattern, "examples": ["1 kpc", f"0.6 {R_200C}"]}
    ),
]
