"""Probes are isolated, and each has a generator of its own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from audit.core import Access, Attribute, AttributeSpec, Estimate, Measurement, NotApplicable
from audit.execution import Silent, order, probe_seed, redact, run_probe, unattainable
from tests.execution._make import MeanModel, card, cohort, draw, probe, setting
from tests.judge._make import policy, rule


def run(p, **more):
    return run_probe(p, setting(**more), Silent()).result


def test_a_crash_is_a_state_with_its_message():
    """An exception ends one probe, not the audit."""
    result = run(probe("PERF001", lambda ctx: 1 / 0))
    assert (result.state, result.reason) == ("error", "ZeroDivisionError: division by zero")
    assert result.measurements == ()


def test_a_probe_that_leaves_ends_itself_alone():
    """`sys.exit(0)` in a probe is a crash of that probe."""

    def leave(ctx):
        raise SystemExit(0)

    assert run(probe("PERF001", leave)).state == "error"


def test_a_crash_half_way_leaves_no_measurement():
    """What a generator gave before it crashed does not count."""

    def half(ctx):
        yield draw(ctx)[0]
        raise RuntimeError("later")

    assert run(probe("PERF001", half)).measurements == ()


def test_not_applicable_keeps_its_reason():
    """A probe may say itself that its question has no meaning here."""

    def absent(ctx):
        raise NotApplicable("one level only")

    result = run(probe("PERF001", absent))
    assert (result.state, result.reason) == ("not_applicable", "one level only")


def test_an_undeclared_metric_is_an_error():
    """Rules can only name declared metrics, so an undeclared one would never be judged."""
    other = Measurement.of(Estimate.counted(1.0, n=1, n_patients=1), metric="surprise", level=0.95)
    assert "surprise" in run(probe("PERF001", lambda ctx: [other])).reason


def test_no_measurement_at_all_is_an_error():
    """A probe that completes without a number has shown nothing."""
    assert run(probe("PERF001", lambda ctx: [])).state == "error"


@pytest.mark.parametrize(
    ("more", "word"),
    [
        ({"access": Access.GRADIENT}, "gradients"),
        ({"tasks": ("regression",)}, "task"),
        ({"needs": ("protected",)}, "protected"),
        ({"needs": ("masks", "operating_point")}, "operating point"),
    ],
)
def test_what_a_probe_lacks_is_said(more, word):
    """Task, access and needs are checked before it runs."""
    result = run(probe("PERF001", draw, **more))
    assert result.state == "not_applicable"
    assert word in result.reason


def test_a_probe_draws_the_same_whatever_runs_beside_it():
    """The seed comes from the run's seed and the code alone."""
    a, b = probe("PERF001", draw), probe("PERF002", draw)
    alone = run(a).measurements[0].value
    run(b)
    assert run(a).measurements[0].value == alone
    assert run(b).measurements[0].value != alone
    assert run(a, seed=2).measurements[0].value != alone
    assert probe_seed(1, "PERF001") < 2**48


def test_checks_of_the_set_up_run_first_and_the_last_one_last():
    """A digest that is compared before and after must be read at the very end."""
    probes = [
        probe("PERF001", draw),
        probe("SETUP005", draw, last=True, self_check=True),
        probe("SETUP001", draw, self_check=True),
    ]
    assert [p.info.code for p in order(probes)] == ["SETUP001", "PERF001", "SETUP005"]


def test_nothing_runs_after_the_last_check_of_the_set_up():
    """A probe of another package that asks to run last still runs before the model's digest is taken again."""
    digest = probe("SETUP005", draw, last=True, self_check=True)
    other = probe("DATA900", draw, last=True)
    assert [p.info.code for p in order([digest, other])] == ["DATA900", "SETUP005"]


def test_pixels_are_stored_for_phantoms_or_on_request_only():
    """Image content is patient data."""

    def pictures(ctx):
        ctx.sink.artifact("missed_cases", "Missed", {"images": np.zeros((1, 2, 2))}, pixels=True)
        ctx.sink.artifact("roc_curve", "ROC", {"fpr": np.zeros(2)})
        return draw(ctx)

    def kept(**more):
        names = []
        run(probe("PERF001", pictures), store=lambda a: names.append(a.name), **more)
        return names

    assert kept() == ["roc_curve"]
    assert kept(show_pixels=True) == ["missed_cases", "roc_curve"]
    assert kept(cohort=replace(setting().cohort, phantom=True)) == ["missed_cases", "roc_curve"]
    # A model of phantoms may well be audited on patients.
    assert kept(model=MeanModel(card(phantom=True))) == ["roc_curve"]


def test_messages_hold_no_path_and_no_id():
    """A library's message may quote a file or an id; the evidence does not."""
    c = cohort([0.1, 0.2], ids=["MRN-778", "x"])
    text = redact("cannot open '/home/someone/data/MRN-778.png' of MRN-778 or C:\\scans\\a\\b.dcm, patient-1", c)
    assert "someone" not in text
    assert "MRN-778" not in text
    assert "patient-1" not in text
    assert "scans" not in text
    assert text.startswith("cannot open '<path>'")


def test_a_rule_out_of_reach_is_announced():
    """Ten positives cannot show a sensitivity of 0.95: even 10 of 10 has a lower bound of 0.025^(1/10) = 0.69."""
    c = cohort(np.linspace(0, 1, 20))
    (sentence,) = unattainable(policy(rule(low=0.95)), c, card())
    assert "10 patients with positives" in sentence
    assert "0.69" in sentence
    assert unattainable(policy(rule(low=0.6)), c, card()) == ()
    assert len(unattainable(policy(rule(low=0.6, min_patients=11)), c, card())) == 1
    (one,) = unattainable(policy(rule(low=0.6)), cohort([0.1, 0.2]), card())
    assert "1 patient with positives" in one


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_a_rule_on_what_the_cohort_does_not_have_is_said_before_the_run(task):
    """An attribute or a level that is not there would match nothing; a probe's own name in brackets may match."""
    sex = Attribute(spec=AttributeSpec(name="sex", role="protected"), levels=np.array(["f", "m"] * 4))
    cases = replace(cohort(np.zeros(8)), attributes={"sex": sex})

    def said(**where):
        gap = rule(probe="FAIR001", metric="mae_gap", where=where)
        return unattainable(policy(gap), cases, card(task=task))

    assert said(attribute="gender")[0].endswith("it has no attribute 'gender' (there is: sex).")
    assert "no level 'x' (there is: f, m)" in said(attribute="sex", subgroup="x")[0]
    assert said(attribute="sex", subgroup="f") == said(attribute="(joint)") == said() == ()


def test_addresses_of_shared_storage_are_taken_out_of_messages() -> None:
    """A bucket's name and what lies in it tell as much as a path."""
    said = redact(
        "cannot read s3://hospital/cohort/MRN-4711.dcm (from https://minio.example:9000/x?y=1)", cohort([0.1])
    )
    assert said == "cannot read <path> (from <path>)"
