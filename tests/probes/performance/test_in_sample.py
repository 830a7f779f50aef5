"""Numbers that depend on prevalence never look like numbers of the intended population."""

import numpy as np
import pytest

from audit.core import NotApplicable, Prevalence
from audit.probes._prevalence import IN_SAMPLE
from audit.probes.performance import PROBES
from audit.testing import saved_context, small_cohort

RNG = np.random.default_rng(1)
LABEL = np.arange(300) % 3
BINARY = (LABEL == 0).astype(int)


def contexts(**more):
    """Return a binary, a multilabel and a multiclass context."""
    raw = RNG.normal(size=(300, 3)) + 2.0 * np.eye(3)[LABEL]
    names = ("a", "b", "c")
    return (
        saved_context(1 / (1 + np.exp(-raw[:, 0])), small_cohort(BINARY), **more),
        saved_context(raw, small_cohort(np.eye(3, dtype=int)[LABEL], classes=names), task="multilabel", output="logits",
                      **more),
        saved_context(raw, small_cohort(LABEL, classes=names), task="multiclass", output="logits", **more),
    )  # fmt: skip


@pytest.mark.parametrize("probe", PROBES, ids=lambda p: p.info.code)
def test_every_number_of_this_sample_is_declared_as_such(probe):
    """What is given in the stratum of this sample is a metric that the configuration refuses rules on."""
    for ctx in contexts():
        if ctx.card.task in probe.info.tasks:
            try:
                given = list(probe().run(ctx))
            except NotApplicable:
                continue
            bound = {m.metric for m in given if m.condition.get("stratum") == IN_SAMPLE}
            assert bound <= set(probe.info.at_prevalence)
            values = [m for m in given if m.metric in probe.info.at_prevalence and m.value is not None]
            assert all(m.condition.get("stratum") == IN_SAMPLE for m in values)


@pytest.mark.parametrize("probe", [p for p in PROBES if p.info.at_prevalence], ids=lambda p: p.info.code)
def test_without_a_prevalence_a_plain_rule_finds_a_missing_number(probe):
    """Each such metric is also given without a value and without a stratum, so that no rule on it can PASS."""
    given = list(probe().run(contexts()[0]))
    missing = {m.metric for m in given if m.value is None and not m.condition}
    assert missing >= {m for m in probe.info.at_prevalence if m in {g.metric for g in given}}


@pytest.mark.parametrize("probe", [p for p in PROBES if p.info.at_prevalence], ids=lambda p: p.info.code)
def test_with_a_prevalence_nothing_is_of_this_sample(probe):
    """With a declared prevalence every such number names the prevalence that it is given at."""
    given = list(probe().run(contexts(prevalence=Prevalence(value=0.04))[0]))
    bound = [m for m in given if m.metric in probe.info.at_prevalence]
    assert bound
    assert all(m.condition == {"parameter": "prevalence 0.04"} for m in bound)
