"""Sentences about the model, made from the evidence."""

from __future__ import annotations

from dataclasses import replace

import pytest

from audit.core import Evidence, Finding, Limit, Verdict
from audit.report._sentence import counts_sentence, doubt, heading, lead, ordered, weakness
from tests.report import _sample
from tests.report._sample import measured


def test_fail_names_the_cause_in_plain_words() -> None:
    """A model that fails for its confounders is told so in the heading, by their names."""
    assert heading(_sample.evidence()) == "Do not release: the model leans on sex and protocol"


def test_pass_claims_no_more_than_the_rules() -> None:
    """A PASS says that no rule stands against release, and how many were shown to hold."""
    assert heading(_sample.passing()) == "No rule stands against release: 6 rules were shown to hold in this cohort"


def test_a_pass_by_waiver_says_what_is_waived() -> None:
    """A waived failure is in the heading of a PASS."""
    made = _sample.passing(also=("gap-by-sex",), waive=("gap-by-sex",))
    assert made.verdict.label == "PASS with 1 waiver"
    assert heading(made) == "Release rests on a waiver: sensitivity is 0.14 lower for sex female"


def test_inconclusive_says_what_is_open() -> None:
    """What could not be settled stands in the heading."""
    assert heading(_sample.undecided()) == "Not decided: sensitivity gap (age: missing) could not be measured"


def test_nothing_ran_is_not_decided() -> None:
    """Empty evidence reads as not decided, with the reason."""
    assert heading(_sample.empty()) == "Not decided: the policy has no rule, so nothing was judged"


def _one(metric: str, value: float, limit: Limit, family: str = "PERF001", **more: object) -> tuple[Evidence, Finding]:
    made = _sample.evidence()
    result = made.result(family)
    assert result is not None
    m = measured(metric, value, 0.02, bounds=(-9, 9), **more)  # type: ignore[arg-type]
    changed = tuple(replace(r, measurements=(m,)) if r.probe == family else r for r in made.results)
    finding = Finding(
        rule="r", probe=family, metric=metric, status="FAIL", headline="h", limit=limit, measurements=(0,), decisive=0
    )
    return replace(made, results=changed, findings=(finding,)), finding


@pytest.mark.parametrize(
    ("metric", "value", "limit", "more", "said"),
    [
        ("sensitivity", 53 / 114, Limit(min=0.8), {"n": 114, "k": 53}, "the model misses 61 of 114 high cases"),
        (
            "specificity", 0.5, Limit(min=0.8), {"n": 200, "k": 100},
            "the model calls 100 of 200 low cases positive",
        ),
        ("auc", 0.7, Limit(min=0.8), {}, "AUC is 0.700, where at least 0.8 was required"),
        (
            "robust_accuracy", 0.12, Limit(min=0.7), {"condition": {"epsilon": 2.0, "epsilon_unit": "HU"}},
            "changes of at most 2 HU bring the model's accuracy down to 0.120",
        ),
        ("confounder_cost", 0.1, Limit(max=0.02), {"condition": {"attribute": "scanner"}},
        "the model leans on scanner"),
        (
            "sensitivity_gap", -0.2, Limit(min=-0.1), {"subgroup": {"age": "(missing)"}},
            "sensitivity is 0.200 lower for age missing",
        ),
        ("slope", 0.4, Limit(min=0.8), {},
        "the model's probabilities are off: calibration slope 0.400, at least 0.8 was required"),
        ("score_shift_auc", 0.9, Limit(max=0.6), {}, "the model's score follows an attribute"),
        ("mae", 7.5, Limit(max=5.0), {"unit": "ml"}, "mean absolute error is 7.50 ml, where at most 5 was required"),
        ("acme_metric", 3.0, Limit(max=1.0), {}, "acme metric is 3.00, where at most 1 was required"),
    ],
)  # fmt: skip
def test_each_weakness_has_its_sentence(
    metric: str, value: float, limit: Limit, more: dict[str, object], said: str
) -> None:
    """The usual failures read as facts about the model, any other as value and requirement."""
    evidence, finding = _one(metric, value, limit, **more)
    assert weakness(evidence, finding) == said


def test_doubt_repeats_the_failure_of_a_failing_rule() -> None:
    """A failing rule is never softened to a doubt."""
    evidence, finding = _one("auc", 0.7, Limit(min=0.8))
    assert doubt(evidence, finding) == weakness(evidence, finding)


def test_the_lead_holds_the_clinical_fact() -> None:
    """Misses, value, interval and requirement stand in one sentence."""
    assert lead(_sample.evidence()) == (
        "The model misses 58 of 400 high cases: sensitivity 0.855, 95 % CI 0.819 to 0.891; required at least 0.8."
    )
    assert lead(_sample.empty()) == ""


def test_the_counts_add_up() -> None:
    """The sentence counts every rule once, the not assessed among them."""
    assert counts_sentence(_sample.evidence()) == (
        "15 rules: 4 fail, 1 inconclusive, 3 not assessed, 7 pass; 6 of them stand against release."
    )


def test_findings_are_sorted_worst_first() -> None:
    """FAIL, INCONCLUSIVE, not assessed, PASS; what blocks before what does not."""
    places = {"FAIL": 0, "INCONCLUSIVE": 1, "PASS": 3}
    found = [places.get(f.status, 2) for f in ordered(_sample.evidence())]
    assert found == sorted(found)


def test_a_verdict_without_reasons_still_has_a_heading() -> None:
    """A FAIL whose rules are unknown to the evidence says so."""
    made = replace(_sample.evidence(), findings=(), verdict=Verdict(outcome="FAIL"))
    assert heading(made) == "Do not release: no rule was judged"


def test_each_confounder_that_fails_alone_is_named() -> None:
    """Two confounders that fail by their own rules are both in the heading; one that passes is not."""
    made = _sample.evidence()
    result = made.result("CONF001")
    assert result is not None
    costs = tuple(
        measured("confounder_cost", value, 0.01, bounds=(-1, 1), condition={"attribute": name})
        for name, value in (("sex", 0.05), ("(joint)", 0.09), ("scanner", 0.06), ("site", 0.001))
    )
    findings = tuple(
        Finding(
            rule=str(i), probe="CONF001", metric="confounder_cost", status="PASS" if i == 3 else "FAIL", headline="h",
            limit=Limit(max=0.02), measurements=(i,), decisive=i,
        )
        for i in range(4)
    )  # fmt: skip
    changed = tuple(replace(r, measurements=costs) if r.probe == "CONF001" else r for r in made.results)
    made = replace(made, results=changed, findings=findings, verdict=Verdict(outcome="FAIL", blocking=("0", "1", "2")))
    assert heading(made) == "Do not release: the model leans on sex and scanner"
