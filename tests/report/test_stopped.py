"""What a reader sees of a probe that stopped when its rule was settled."""

from __future__ import annotations

import json
from dataclasses import replace

import jsonschema
import pytest

from audit.core import Evidence
from audit.evidence import SUPPRESSED, evidence_schema, suppress
from audit.evidence._codec import from_plain, to_plain
from audit.judge import decide, judge
from audit.report import render
from tests.report import _sample
from tests.report._build import TODAY
from tests.report._sample import passing


@pytest.fixture(scope="module")
def stopped() -> Evidence:
    """Evidence in which the rule on the AUC is sequential, and its probe saw 800 of 1,000 patients."""
    made = passing()
    policy = replace(
        made.policy, rules=tuple(replace(r, sequential=r.id == "auc") for r in made.policy.rules), digest="6a" * 32
    )
    found = []
    for result in made.results:
        ms = tuple(
            replace(m, planned=m.n_patients + 200) if m.metric == "auc" or m.subgroup else m
            for m in result.measurements
        )
        found.append(replace(result, measurements=ms))
    findings = judge(found, policy, today=TODAY, input_range=(0, 255))
    return replace(
        made, policy=policy, results=tuple(found), findings=findings, verdict=decide(findings, found, policy)
    )


def test_the_report_says_how_many_were_looked_at_and_saved(stopped: Evidence) -> None:
    """Beside the rule, in the table of the probe and under the methods; otherwise no word of it."""
    finding = next(f for f in stopped.findings if f.rule == "auc")
    spent = finding.patients_spent
    assert finding.patients_saved == 200
    text = " ".join(render(stopped, _sample.arrays, static=True).split())
    assert f"{spent:,} of {spent + 200:,} patients: it stopped there, 200 saved" in text
    assert f"{spent:,} of {spent + 200:,} patients and saved 200" in text
    assert "Stopped when the answer was known" not in render(passing(), _sample.arrays, static=True)


def test_the_evidence_keeps_it_and_its_schema_knows_it(stopped: Evidence) -> None:
    """Plan, what was spent and what was saved come back from JSON that the published schema accepts."""
    values = json.loads(json.dumps(to_plain(stopped)))
    for part, key in (("findings", "findings"), ("policy", "policy"), ("results", "results")):
        jsonschema.validate(values[part], evidence_schema()["properties"][key])
    again = from_plain(values)
    assert again.findings == stopped.findings
    assert again.policy == stopped.policy
    assert again.results == stopped.results


def test_a_cell_that_is_not_shared_does_not_tell_its_plan(stopped: Evidence) -> None:
    """Where a number is left out for its few patients, what was planned and saved is left out with it."""
    few = suppress(stopped, 900)
    hidden = [m for r in few.results for m in r.measurements if m.method == SUPPRESSED]
    before = [m for r in stopped.results for m in r.measurements if m.subgroup]
    assert hidden
    assert all(m.planned for m in before)
    assert all(m.planned is None for m in hidden)
    assert {f.patients_saved for f in few.findings if "not shared" in f.headline} <= {None}
