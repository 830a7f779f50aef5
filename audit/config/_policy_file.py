"""The shape of policy.toml."""

from __future__ import annotations

import datetime as dt
import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

from audit.config._fields import Table, fault, is_number

WHERE_KEYS = (
    "attribute", "subgroup", "epsilon", "epsilon_unit", "attack", "attribution", "class", "stratum", "protocol",
    "parameter", "severity", "n_rest",
)  # fmt: skip
_SHARE = re.compile(r"\s*\d+(\.\d+)?\s*/\s*\d*[1-9]\d*\s*")


def _limit(value: Any) -> Any:
    if is_number(value):
        raise fault(
            "a number alone",
            expected="a table, { min = … }, { max = … } or both",
            fix=f"write {{ min = {value} }}, or max",
        )
    if not isinstance(value, dict) or value.keys() - {"min", "max"}:
        return value
    low: Any = value.get("min")
    high: Any = value.get("max")
    if not {"min", "max"} & value.keys():
        raise fault(
            "empty limit", expected="{ min = … }, { max = … } or both", fix="say what the metric must stay within"
        )
    if is_number(low) and is_number(high) and low > high:
        raise fault("min is above max", expected="min <= max", got=f"{low} and {high}", fix="swap them or correct one")
    return value


def _epsilon(value: Any) -> Any:
    if (is_number(value) and value >= 0) or (isinstance(value, str) and _SHARE.fullmatch(value)):
        return value
    raise fault(
        "wrong value", expected='a number >= 0 or a share of the range, "2/255"', fix='write "2/255", for example'
    )


def _scalar(value: Any) -> Any:
    if isinstance(value, (str, bool)) or is_number(value):
        return value
    raise fault("wrong value", expected="one text, number, true or false", fix="write one rule for each value")


_ONE = {"type": ["string", "number", "boolean"]}
Scalar = Annotated[Any, BeforeValidator(_scalar), WithJsonSchema(_ONE)]
Epsilon = Annotated[Any, BeforeValidator(_epsilon), WithJsonSchema({"type": ["number", "string"]})]


class LimitTable(Table):
    """`limit` of a rule."""

    min: float | None = None
    max: float | None = None


class WhereTable(Table):
    """`where` of a rule: a key that is absent matches all."""

    attribute: str | None = None
    subgroup: Scalar | None = None
    epsilon: Epsilon | None = None
    epsilon_unit: str | None = None
    attack: str | None = None
    attribution: str | None = None
    class_: Scalar | None = Field(default=None, alias="class")
    stratum: Scalar | None = None
    protocol: Scalar | None = None
    parameter: str | None = None
    severity: Scalar | None = None
    n_rest: Scalar | None = None


class RuleTable(Table):
    """`[[rule]]`."""

    id: str = Field(min_length=1, description="a name that no other rule has")
    probe: str = Field(min_length=1, description="a code of `audit probes`")
    metric: str = Field(min_length=1, description="a metric of that probe")
    where: WhereTable = Field(default_factory=WhereTable)
    limit: Annotated[LimitTable, BeforeValidator(_limit)] = Field(description="{ min = … }, { max = … } or both")
    min_patients: int = Field(default=0, ge=0)
    blocking: bool = True
    rationale: str = ""
    margin_source: str = ""
    sequential: bool = Field(default=False, description="whether the probe stops as soon as this rule is settled")


class WaiverTable(Table):
    """`[[waiver]]`: all four keys are required."""

    rule: str = Field(min_length=1, description="the id of a rule")
    owner: str = Field(min_length=1, description="who signs for it")
    reason: str = Field(min_length=1, description="why it is accepted")
    expires: dt.date = Field(description="a date without quotes, for example 2027-03-01")


class WhereCompared(Table):
    """`where` of a comparison: a key that is absent matches all."""

    attribute: str | None = None
    subgroup: Scalar | None = None
    class_: Scalar | None = Field(default=None, alias="class")


class ComparisonTable(Table):
    """`[[comparison]]`: how much worse than a baseline the model may be, on the same cases."""

    id: str = Field(min_length=1, description="a name that no rule and no other comparison has")
    metric: str = Field(min_length=1, description="a number that two runs can be compared by, for example auc")
    margin: float = Field(ge=0, allow_inf_nan=False, description="how much worse at most, in the metric's unit")
    where: WhereCompared = Field(default_factory=WhereCompared)
    min_patients: int = Field(default=0, ge=0)
    blocking: bool = True
    rationale: str = ""
    margin_source: str = ""


class NotApplicableTable(Table):
    """`[not_applicable]`."""

    allow: list[str] = Field(default_factory=list)


class PolicyFile(Table):
    """policy.toml."""

    name: str = ""
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    not_applicable: NotApplicableTable = Field(default_factory=NotApplicableTable)
    rule: list[RuleTable] = Field(default_factory=list)
    waiver: list[WaiverTable] = Field(default_factory=list)
    comparison: list[ComparisonTable] = Field(default_factory=list)
