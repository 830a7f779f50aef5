"""Which measurements a rule is about."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from audit.core import Measurement, Rule, Scalar
from audit.errors import PolicyError


def epsilon_value(wanted: Scalar, input_range: tuple[float, float] | None) -> float:
    """Return a rule's epsilon in the unit of `[model.input]`.

    Args:
        wanted: A number in that unit, or a text such as "2/255", a share of the input range.
        input_range: Stored range of the model's input.

    Raises:
        PolicyError: The text is not a share, or the range is not known.
    """
    if isinstance(wanted, (int, float)) and not isinstance(wanted, bool):
        return float(wanted)
    head, _, tail = str(wanted).partition("/")
    try:
        share = float(head) / float(tail) if tail else float(head)
    except (ValueError, ZeroDivisionError):
        raise PolicyError(
            "where.epsilon is no size of a change",
            expected='a number in the unit of [model.input], or a share of its range such as "2/255"',
            got=repr(wanted),
            fix='write for example epsilon = 4.0 or epsilon = "2/255"',
        ) from None
    if not tail:
        return share
    if input_range is None:
        raise PolicyError(
            "where.epsilon is a share of a range that is not declared",
            expected="range in [model.input]",
            got=repr(wanted),
            fix="declare the range, or write epsilon as a number",
        )
    return share * (input_range[1] - input_range[0])


def matches(rule: Rule, measurement: Measurement, input_range: tuple[float, float] | None) -> bool:
    """Tell whether a rule is about a measurement; an absent key of `where` matches all."""
    if measurement.metric != rule.metric:
        return False
    return all(_key_matches(key, wanted, measurement, input_range) for key, wanted in rule.where.items())


def _key_matches(key: str, wanted: Scalar, measurement: Measurement, input_range: tuple[float, float] | None) -> bool:
    subgroup, condition = measurement.subgroup, measurement.condition
    if key == "attribute":
        return str(wanted) in subgroup or condition.get("attribute") == wanted
    if key == "subgroup":
        return str(wanted) in {str(v) for v in subgroup.values()}
    if key not in condition:
        return False
    if key == "epsilon":
        return _close(condition["epsilon"], epsilon_value(wanted, input_range))
    if isinstance(wanted, (int, float)) and not isinstance(wanted, bool):
        return _close(condition[key], float(wanted))
    return str(condition[key]) == str(wanted)


def _close(value: Scalar, wanted: float) -> bool:
    # 1e-5: a ladder is rounded to six significant digits, a rule's "2/255" is not.
    return isinstance(value, (int, float)) and math.isclose(float(value), wanted, rel_tol=1e-5, abs_tol=1e-12)


def matched(
    rule: Rule, measurements: Sequence[Measurement], input_range: tuple[float, float] | None
) -> tuple[int, ...]:
    """Return the indices of the measurements that a rule is about."""
    return tuple(i for i, m in enumerate(measurements) if matches(rule, m, input_range))


def describe(where: Mapping[str, Scalar]) -> str:
    """Return a rule's `where` in words, empty for one that matches all."""
    return ", ".join(f"{k} = {v}" for k, v in where.items())
