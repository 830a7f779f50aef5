"""`sequential = true` is taken only where the probe can stop early, and then of all rules on that probe."""

from __future__ import annotations

import copy
import tomllib
from pathlib import Path
from typing import Any

import pytest

from audit.config import check_policy, load_policy, policy_from
from audit.core import ProbeInfo
from audit.errors import FaultsError
from tests.config.conftest import POLICY


def info(code: str, *, sequential: tuple[str, ...] = ()) -> ProbeInfo:
    return ProbeInfo(
        code=code, name="x", family=code.rstrip("0123456789"), tasks=("binary",), title="t", question="q?", method="m",
        limits="l", metrics=("robust_accuracy", "robust_auc", "auc"), sequential=sequential,
    )  # fmt: skip


INFOS = {
    "ADV001": info("ADV001", sequential=("robust_accuracy",)),
    "ADV002": info("ADV002", sequential=("robust_accuracy",)),
    "PERF001": info("PERF001"),
}
RULE: dict[str, Any] = {
    "id": "r", "probe": "ADV001", "metric": "robust_accuracy", "where": {"parameter": "headline"},
    "limit": {"min": 0.6}, "sequential": True,
}  # fmt: skip


def checked(*rules: dict[str, Any]) -> None:
    check_policy(policy_from({"name": "p", "rule": list(rules)}), INFOS)


def test_the_flag_is_read_and_off_by_default(folder: Path) -> None:
    """Rules are not sequential unless they say so; what is no truth value is refused."""
    assert not any(r.sequential for r in load_policy(folder / "policy.toml").rules)
    assert policy_from({"rule": [RULE]}).rules[0].sequential
    with pytest.raises(FaultsError, match="sequential"):
        policy_from({"rule": [{**RULE, "sequential": "yes"}]})
    raw = copy.deepcopy(tomllib.loads(POLICY))
    before = policy_from(raw).digest
    raw["rule"][0]["sequential"] = False
    assert policy_from(raw).digest == before
    raw["rule"][0]["sequential"] = True
    assert policy_from(raw).digest != before


def test_a_right_rule_is_taken() -> None:
    """One size of a metric of which the probe can tell early whether it is settled."""
    checked(RULE, {**RULE, "id": "s", "where": {"epsilon": "2/255"}})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"probe": "PERF001", "metric": "auc", "where": {}}, "one of ADV001, ADV002"),
        ({"metric": "robust_auc"}, "one of robust_accuracy"),
        ({"where": {}}, "whole ladder"),
    ],
)
def test_what_cannot_stop_early_is_refused_and_the_fault_names_what_can(change: dict[str, Any], said: str) -> None:
    """A probe that looks at all its cases, a metric without a bound that holds at any time, no size: exit code 2."""
    with pytest.raises(FaultsError) as error:
        checked({**RULE, **change})
    assert said in str(error.value)


def test_a_rule_that_counts_on_all_patients_is_refused_beside_one_that_stops() -> None:
    """Where one rule stops a probe, another one on it must wait for the same; on another probe it need not."""
    other = {**RULE, "id": "fixed", "sequential": False, "metric": "robust_auc", "blocking": False}
    with pytest.raises(FaultsError, match="fewer patients than this rule counts on"):
        checked(RULE, other)
    checked(RULE, {**other, "probe": "ADV002"})
