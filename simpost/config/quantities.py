"""Numbers with units in a configuration: `30 pc`, `10 Myr`, `1e9 Msun`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, AllowInfNan, GetCoreSchemaHandler, GetJsonSchemaHandler
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
