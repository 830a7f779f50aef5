"""policy.toml to a policy, its faults and its digest."""

import copy
import datetime as dt
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from audit.config import check_policy, load_policy, policy_from, schema
from audit.errors import FaultsError
from tests.config.conftest import POLICY
from tests.config.test_load_audit import INFO

RAW: dict[str, Any] = tomllib.loads(POLICY)


def test_typed_content(folder: Path) -> None:
    """A right policy gives typed rules, waivers and permissions."""
    policy = load_policy(folder / "policy.toml")
    first = policy.rules[0]
    assert (first.id, first.probe, first.metric, first.limit.min, first.limit.max) == (
        "sensitivity",
        "PERF001",
        "sensitivity",
        0.8,
        None,
    )
    assert (first.min_patients, first.blocking, first.margin_source) == (50, True, "literature")
    assert policy.waivers[0].expires == dt.date(2027, 3, 1)
    assert policy.allow_not_applicable == ("XAI*",)
    assert policy.digest == policy_from(RAW).digest


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every value in nested tables and lists."""
    if isinstance(value, dict):
        return [p for k, v in value.items() for p in leaves(v, (*path, k))]
    if isinstance(value, list):
        return [p for i, v in enumerate(value) for p in leaves(v, (*path, i))]
    return [path]


def other(value: Any) -> Any:
    """Return a valid value that differs from the one given."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        return value - 0.01 if isinstance(value, float) else value + 1
    if isinstance(value, dt.date):
        return value + dt.timedelta(days=1)
    return "4/255" if "/" in value else value + "x"


@pytest.mark.parametrize("path", leaves(RAW), ids=str)
def test_any_edited_value_changes_the_digest(path: tuple[Any, ...]) -> None:
    """Whatever value of a policy is edited, its digest is another one."""
    raw = copy.deepcopy(RAW)
    *head, last = path
    here: Any = raw
    for part in head:
        here = here[part]
    here[last] = other(here[last])
    if path == ("rule", 1, "id"):
        raw["waiver"][0]["rule"] = here[last]
    if path == ("waiver", 0, "rule"):
        here[last] = "sensitivity"
    assert policy_from(raw).digest != policy_from(RAW).digest


def test_comments_and_layout_leave_the_digest() -> None:
    """Comments, blank lines and 1 against 1.0 change nothing."""
    edited = "# why\n\n" + POLICY.replace("max = 1 }", "max = 1.0 } # both")
    assert policy_from(tomllib.loads(edited)).digest == policy_from(RAW).digest


@pytest.mark.parametrize(
    ("old", "new", "parts"),
    [
        ("limit = { min = 0.8 }", "limit = { }", ["rule 1 'sensitivity': limit", "{ min = … }"]),
        ("limit = { min = 0.8 }", "limit = { min = inf }", ["finite"]),
        ("limit = { min = 0.8 }", "limit = 0.8", ["limit", "a table"]),
        ("limit = { min = 0.8 }", "limit = { mim = 0.8 }", ["limit"]),
        ("min = 0.7, max = 1", "min = 1, max = 0.7", ["min is above max"]),
        ('id = "robust"', 'id = "sensitivity"', ["stands twice"]),
        ('rule = "robust"', 'rule = "robst"', ["did you mean 'robust'?"]),
        ("expires = 2027-03-01", 'expires = "2027-03-01"', ["waiver 1 'robust': expires", "a date without quotes"]),
        ("expires = 2027-03-01", "", ["expires: missing", "2027-03-01"]),
        ('owner = "M. Curie"\n', "", ["owner: missing"]),
        ('reason = "accepted"', 'reason = ""', ["waiver 1 'robust': reason"]),
        ('where = { epsilon = "2/255" }', 'where = { epsilom = "2/255" }', ["did you mean 'epsilon'?"]),
        ('where = { epsilon = "2/255" }', 'where = { epsilon = "2/0" }', ["share of the range"]),
        ('where = { epsilon = "2/255" }', "where = { epsilon = [1, 2] }", ["epsilon"]),
        ("min_patients = 50", "min_patient = 50", ["did you mean 'min_patients'?"]),
        ("min_patients = 50", "blocking = 1", ["blocking", "true or false"]),
        ("confidence = 0.95", "confidence = 95", ["confidence", "less than 1"]),
        ("[[rule]]\nid", "[[ruel]]\nid", ["did you mean 'rule'?"]),
        ('metric = "sensitivity"\n', "", ["metric: missing"]),
    ],
)
def test_faults(old: str, new: str, parts: list[str]) -> None:
    """Each fault names its rule and says what was expected."""
    assert old in POLICY
    with pytest.raises(FaultsError) as caught:
        policy_from(tomllib.loads(POLICY.replace(old, new)))
    for part in parts:
        assert part in str(caught.value)
    for fault in caught.value.faults:
        assert len(str(fault).splitlines()) <= 3


def test_two_faults_in_two_rules() -> None:
    """Faults of several rules come together."""
    text = POLICY.replace('metric = "sensitivity"\n', "").replace("max = 1 }", 'max = "1" }')
    with pytest.raises(FaultsError) as caught:
        policy_from(tomllib.loads(text))
    assert len(caught.value.faults) == 2


def test_rules_against_the_catalogue() -> None:
    """A rule on a probe that does not exist is refused with the nearest code."""
    good = policy_from({"rule": [{"id": "a", "probe": "PERF001", "metric": "auc", "limit": {"min": 0}}]})
    check_policy(good, {"PERF001": INFO})
    with pytest.raises(FaultsError, match="unknown metric of PERF001 'aux'"):
        check_policy(
            policy_from({"rule": [{"id": "a", "probe": "PERF001", "metric": "aux", "limit": {"min": 0}}]}),
            {"PERF001": INFO},
        )
    with pytest.raises(FaultsError, match="did you mean 'PERF001'"):
        check_policy(
            policy_from({"rule": [{"id": "a", "probe": "PERF01", "metric": "auc", "limit": {"min": 0}}]}),
            {"PERF001": INFO},
        )


def test_schema() -> None:
    """The published JSON Schema accepts the right policy and refuses a misspelt key."""
    raw = copy.deepcopy(RAW)
    raw["waiver"][0]["expires"] = "2027-03-01"
    jsonschema.validate(raw, schema("policy"))
    raw["rule"][0]["min_patient"] = 1
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(raw, schema("policy"))
