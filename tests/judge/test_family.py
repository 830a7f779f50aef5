"""The family of hypotheses is declared before any result and counted after the run."""

from __future__ import annotations

import pytest

from audit.core import contrast_key
from audit.judge import count_family, declare, family_values, judge
from audit.judge._holm import hypotheses
from tests.judge._make import TODAY, measurement, policy, result, rule

LEVELS = {"sex": ("female", "male"), "site": ("A", "B", "C")}


def test_every_rule_side_and_level_is_declared():
    """A rule on an attribute has a hypothesis a level and side, another one a side; no result is needed."""
    rules = policy(
        rule("floor"), rule("by-site", where={"attribute": "site"}),
        rule("one", where={"attribute": "sex", "subgroup": "male"}, low=0.1, high=0.9),
    )  # fmt: skip
    family = declare(rules, LEVELS)
    assert [(h["rule"], h["side"], dict(h["subgroup"])) for h in family.declared] == [
        ("floor", "min", {}),
        ("by-site", "min", {"site": "A"}), ("by-site", "min", {"site": "B"}), ("by-site", "min", {"site": "C"}),
        ("one", "min", {"sex": "male"}), ("one", "max", {"sex": "male"}),
    ]  # fmt: skip
    assert (family.used, family.before_results, family.policy_digest) == (None, True, rules.digest)


def test_what_holm_counts_is_what_is_recorded():
    """Mirror images count once and counts of the cohort not at all, in the record as in the correction."""
    key = contrast_key("sex", ("female", "male"), "sensitivity_gap")
    gaps = [
        measurement(v, metric="sensitivity_gap", subgroup={"sex": s}, contrast=key)
        for s, v in (("female", -0.02), ("male", 0.02))
    ]
    ms = [*gaps, *(measurement(0.9, subgroup={"site": s}) for s in "ABC")]
    rules = policy(rule("gap", metric="sensitivity_gap", low=-0.1), rule("floor", high=1.0))
    family = count_family(declare(rules, LEVELS), [result(*ms)], rules, None)
    assert (family.used, dict(family.by_rule), family.built, family.undeclared) == (7, {"gap": 1, "floor": 6}, 0, ())
    keys = {h.key for r in rules.rules for h in hypotheses(r, {i: m for i, m in enumerate(ms) if m.metric == r.metric})}
    assert family.used == len(keys)


def test_a_level_that_was_not_there_before_is_named():
    """A measurement on a level that nobody declared is listed; one on levels put together by a probe is counted."""
    ms = [
        measurement(0.9, subgroup={"site": "Z"}), measurement(0.9, subgroup={"site": "A"}),
        measurement(0.9, subgroup={"site": "A", "sex": "male"}), measurement(0.9, subgroup={"found": "x"}),
    ]  # fmt: skip
    family = count_family(declare(policy(rule()), LEVELS), [result(*ms)], policy(rule()), None)
    assert (family.used, family.built, family.undeclared) == (4, 2, ("r: site Z",))


def test_a_rule_without_a_result_uses_nothing():
    """A probe that did not run leaves no hypothesis, and its rule stays in the record with 0."""
    family = count_family(declare(policy(rule()), {}), [], policy(rule()), None)
    assert family_values(family, policy(rule()))["by_rule"] == {"r": 0}


@pytest.mark.parametrize("n", [1, 4, 10])
def test_the_level_of_a_fail_is_that_of_the_recorded_number(n):
    """With n hypotheses that all fail by far, the worst is tested at alpha / n, n being the number recorded."""
    rules = policy(*(rule(f"r{i}", where={"class": f"c{i}"}) for i in range(n)))
    results = [result(*(measurement(0.2, condition={"class": f"c{i}"}) for i in range(n)))]
    family = count_family(declare(rules, {}), results, rules, None)
    findings = judge(results, rules, today=TODAY)
    assert min(f.holm_level for f in findings) == pytest.approx(0.025 / family.used, rel=1e-12)
