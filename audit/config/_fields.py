"""Kinds of values that both files share; imported only when a file is read, since pydantic takes time to load."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, WithJsonSchema
from pydantic_core import PydanticCustomError


class Table(BaseModel):
    """A table of the file: unknown keys, NaN, infinity and values of another type are faults."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)


def fault(problem: str, *, expected: str, fix: str, got: str = "") -> PydanticCustomError:
    """Return the error of a value that has the right type and is wrong all the same."""
    texts = {"problem": problem, "expected": expected, "fix": fix, "got": got}
    return PydanticCustomError("audit", "{problem}", texts)


def _texts(value: Any) -> Any:
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, list) or not value or not all(isinstance(v, str) and v for v in value):
        raise fault("wrong value", expected="a text or a list of texts", fix="put each in quotes")
    return value


def _levels(value: Any) -> Any:
    values = value if isinstance(value, list) else [value]
    if not values or not all(isinstance(v, (str, int, float)) for v in values):
        raise fault("wrong value", expected="a list of values of the column", fix='for example positive = ["1"]')
    # A whole number that was written as 1.0 stands in a column as 1.
    return [str(int(v)) if isinstance(v, float) and v.is_integer() else _word(v) for v in values]


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def is_number(value: object) -> bool:
    """Tell whether a value of a TOML file is a finite number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < float("inf")


def _point(value: Any) -> Any:
    flat = value if isinstance(value, dict) else {"": value}
    if not flat or not all(is_number(v) for v in flat.values()):
        raise fault("wrong value", expected="a number, or a table of numbers by finding", fix="write 0.5, for example")
    return {k: float(v) for k, v in value.items()} if isinstance(value, dict) else float(value)


def _pair(value: Any) -> Any:
    if not isinstance(value, list) or len(value) != 2 or not all(map(is_number, value)) or not value[0] < value[1]:
        raise fault("wrong value", expected="two numbers, the lower one first", fix="write [0, 255], for example")
    return [float(v) for v in value]


def _edges(value: Any) -> Any:
    numbers = isinstance(value, list) and len(value) >= 2 and all(map(is_number, value))
    if not numbers or any(a >= b for a, b in pairwise(value)):
        raise fault("wrong value", expected="two or more rising numbers", fix="write [0, 40, 60, 120], for example")
    return [float(v) for v in value]


def _size(value: Any) -> Any:
    whole = isinstance(value, list) and all(isinstance(v, int) and not isinstance(v, bool) and v > 0 for v in value)
    if not whole or len(value) not in (2, 3):
        raise fault("wrong value", expected="two or three whole numbers above 0", fix="write [64, 64], for example")
    return value


def _spacing(value: Any) -> Any:
    if not isinstance(value, list) or len(value) not in (2, 3) or not all(is_number(v) and v > 0 for v in value):
        raise fault("wrong value", expected="two or three lengths in mm above 0", fix="write [1.0, 1.0, 1.0]")
    return [float(v) for v in value]


def _population(value: Any) -> Any:
    if isinstance(value, str) and value:
        return value
    tables = isinstance(value, dict) and value and all(isinstance(v, dict) and v for v in value.values())
    if not tables or not all(is_number(share) and 0 <= share <= 1 for v in value.values() for share in v.values()):
        raise fault(
            "wrong value", expected="a share from 0 to 1 for each level of each attribute, or the name of a CSV file",
            fix="write sex = { female = 0.5, male = 0.5 } under [intended_use.population]",
        )  # fmt: skip
    return {name: {level: float(share) for level, share in levels.items()} for name, levels in value.items()}


_SHARES = {
    "type": "object",
    "additionalProperties": {
        "type": "object", "additionalProperties": {"type": "number", "minimum": 0, "maximum": 1},
    },
}  # fmt: skip
_TEXT_LIST = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}
_NUMBERS = {"type": "array", "items": {"type": "number"}}
Texts = Annotated[list[str], BeforeValidator(_texts), WithJsonSchema(_TEXT_LIST)]
LevelNames = Annotated[list[str], BeforeValidator(_levels), WithJsonSchema({"type": ["array", "string", "number"]})]
Point = Annotated[
    Any,
    BeforeValidator(_point),
    WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "object", "additionalProperties": {"type": "number"}}]}),
]
Pair = Annotated[list[float], BeforeValidator(_pair), WithJsonSchema({**_NUMBERS, "minItems": 2, "maxItems": 2})]
Edges = Annotated[list[float], BeforeValidator(_edges), WithJsonSchema({**_NUMBERS, "minItems": 2})]
Population = Annotated[
    Any, BeforeValidator(_population), WithJsonSchema({"anyOf": [{"type": "string", "minLength": 1}, _SHARES]})
]
Size = Annotated[
    list[int],
    BeforeValidator(_size),
    WithJsonSchema({"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 3}),
]
Spacing = Annotated[list[float], BeforeValidator(_spacing), WithJsonSchema({**_NUMBERS, "minItems": 2, "maxItems": 3})]
