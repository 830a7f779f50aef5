"""A metric that describes decides nothing, from the file to the gate."""

from dataclasses import replace

import pytest

from audit.config import check_policy
from audit.core import Limit, Policy, Rule
from audit.errors import FaultsError, PolicyError
from audit.evidence import from_plain, to_plain
from audit.judge import judge
from tests.evidence._make import evidence
from tests.judge._make import TODAY, info, measurement, result


def policy(*, blocking):
    """Return a policy of one rule on a descriptive metric."""
    rule = Rule(id="r", probe="PERF001", metric="specificity", limit=Limit(min=0.5), blocking=blocking)
    return Policy(name="p", rules=(rule,))


def described():
    """Return a catalogue entry of which one metric describes."""
    return replace(info(), descriptive=("specificity",))


def test_a_blocking_rule_is_refused_before_the_run():
    """The message names the metric and the way out."""
    with pytest.raises(FaultsError, match=r"(?s)specificity of PERF001 describes.*blocking = false"):
        check_policy(policy(blocking=True), {"PERF001": described()})
    check_policy(policy(blocking=False), {"PERF001": described()})


def test_a_blocking_rule_is_refused_at_the_gate():
    """Judging evidence again with another policy does not let the metric decide either."""
    ran = replace(result(measurement(metric="specificity")), info=described())
    with pytest.raises(PolicyError, match="may not decide"):
        judge([ran], policy(blocking=True), today=TODAY)
    assert judge([ran], policy(blocking=False), today=TODAY)[0].status == "PASS"


def test_the_evidence_remembers_which_metrics_describe():
    """Written and read again the entry still says so."""
    made = evidence()
    first = replace(made.results[0], info=replace(made.results[0].info, descriptive=made.results[0].info.metrics[:1]))
    kept = from_plain(to_plain(replace(made, results=(first, *made.results[1:]))))
    assert kept.results[0].info.descriptive == made.results[0].info.metrics[:1]


def test_only_a_metric_of_the_probe_can_describe():
    """A name that the probe does not give is a fault of the probe."""
    with pytest.raises(ValueError, match="among its metrics"):
        replace(info(), descriptive=("nothing",))
