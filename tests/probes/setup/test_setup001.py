"""SETUP001: outputs are what they were declared to be, or it says so."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from audit.core import Access, InputSpec, Ledger, ModelCard, NotApplicable
from audit.probes.setup import OutputKind
from audit.testing import ArrayImages, FunctionModel, check_probe, context, saved_context, small_cohort
from tests.probes.setup.conftest import faults, with_fault

RNG = np.random.default_rng(0)
TARGETS = np.arange(40) % 2
SCALE = {"logits-of-both-signs", "decisions-of-both-kinds"}


def found(raw, targets=TARGETS, **more):
    """Return the failed checks of saved outputs."""
    classes = more.pop("classes", ("negative", "positive"))
    ctx = saved_context(raw, small_cohort(targets, classes=classes), **more)
    return {check for check, value in faults(OutputKind, ctx).items() if value}


def test_it_keeps_the_protocol():
    """It is deterministic, leaves its inputs alone, and completes on saved outputs too."""
    assert "binary, saved" in check_probe(OutputKind)


@pytest.mark.parametrize(
    "raw, more",
    [
        (RNG.uniform(0.01, 0.99, 40), {"output": "probabilities"}),
        (RNG.normal(0, 2, 40), {"output": "logits"}),
        (RNG.dirichlet((1, 1), 40), {"output": "probabilities"}),
        (RNG.normal(0, 2, (40, 2)), {"output": "logits"}),
        (RNG.normal(60, 9, 40), {"output": "value", "task": "regression"}),
        (RNG.dirichlet((1, 1, 1), 40), {"output": "probabilities", "task": "multiclass", "classes": ("a", "b", "c")}),
        (RNG.uniform(0, 1, (40, 3)), {"output": "probabilities", "task": "multilabel", "classes": ("a", "b", "c")}),
    ],
)
def test_it_is_silent_on_a_right_declaration(raw, more):
    """Outputs of each declared kind raise no fault."""
    targets = np.zeros((40, 3)) if more.get("task") == "multilabel" else TARGETS
    assert found(raw, targets, **more) == set()


@pytest.mark.parametrize(
    "raw, more, check",
    [
        (RNG.uniform(0, 1, 40), {"output": "logits"}, "logits-are-probabilities"),
        (RNG.dirichlet((1, 1), 40), {"output": "logits"}, "logits-are-probabilities"),
        (
            RNG.uniform(0, 1, (40, 3)),
            {"output": "logits", "task": "multilabel", "classes": ("a", "b", "c")},
            "logits-are-probabilities",
        ),
        (RNG.normal(0, 2, 40), {"output": "probabilities"}, "within-0-1"),
        (RNG.uniform(0, 1, (40, 2)), {"output": "probabilities"}, "sum-to-1"),
        (RNG.dirichlet((1, 1, 1), 40), {"output": "probabilities"}, "outputs-fit-classes"),
        (
            RNG.normal(size=(40, 2)),
            {"output": "logits", "task": "multiclass", "classes": ("a", "b", "c")},
            "outputs-fit-classes",
        ),
        (np.full(40, 0.3), {"output": "probabilities"}, "not-constant"),
        (
            np.stack([RNG.normal(size=40), np.ones(40)], axis=1),
            {"output": "logits", "task": "multilabel", "classes": ("a", "b")},
            "not-constant",
        ),
        (TARGETS.astype(float), {"output": "probabilities"}, "not-saturated"),
        (np.where(np.arange(40) == 3, np.nan, RNG.normal(0, 2, 40)), {"output": "logits"}, "finite"),
    ],
)
def test_it_finds_a_wrong_declaration(raw, more, check):
    """Each planted fault is counted by its own check and by no other but those of the scale."""
    targets = np.zeros((40, raw.shape[1])) if more.get("task") == "multilabel" else TARGETS
    assert found(raw, targets, **more) - SCALE == {check}


def test_a_model_that_gives_probabilities_for_logits_is_found():
    """The fault is seen on a model that is run, and the same model with logits is silent."""
    assert faults(OutputKind, with_fault("probabilities-as-logits"))["logits-are-probabilities"] == 1
    assert not any(faults(OutputKind, with_fault()).values())


def test_few_cases_are_missing_and_not_faultless():
    """With under 20 cases the checks that chance could fool have no value."""
    ctx = saved_context(np.full(12, 0.3), small_cohort(np.arange(12) % 2), output="logits")
    values = faults(OutputKind, ctx)
    assert values["logits-are-probabilities"] is None
    assert values["not-constant"] is None
    assert values["finite"] == 0


@pytest.mark.parametrize(
    "access, aside, fault", [(Access.QUERY, 1, 1), (Access.SAVED, 1, 0), (Access.SAVED, 5, 1), (Access.QUERY, 0, 0)]
)
def test_scores_set_aside_for_being_outside_count(access, aside, fault):
    """Logits declared as probabilities are not forgiven because the worst of them were set aside."""
    cohort = small_cohort(TARGETS)
    reasons = {"score outside [0, 1] though probabilities were declared": aside, "no target": 3}
    cohort = dataclasses.replace(cohort, ledger=Ledger(read=43 + aside, used=40, set_aside=reasons))
    ctx = saved_context(RNG.uniform(0.1, 0.9, 40), cohort)
    card = dataclasses.replace(ctx.card, access=access)
    ctx = dataclasses.replace(ctx, model=dataclasses.replace(ctx.model, card=card))
    assert faults(OutputKind, ctx)["within-0-1"] == fault


def mask_context(answer, output):
    """Return a context of a segmentation model on random images."""
    images = RNG.uniform(0, 1, (24, 1, 6, 6)).astype(np.float32)
    card = ModelCard(
        name="m", kind="callable", task="segmentation", output=output, access=Access.QUERY, digest="d",
        input=InputSpec(size=(6, 6)),
    )  # fmt: skip
    cohort = small_cohort(np.zeros(24), images=ArrayImages(array=images), classes=())
    raw = np.full((24, 5), 0.5)
    return context(FunctionModel(card=card, answer=answer), cohort, raw=raw, columns=("dice", "a", "b", "c", "d"))


def test_masks_are_checked_on_the_masks_themselves():
    """Probabilities for logits, numbers outside [0, 1] and constant masks are found; right masks are silent."""
    assert not any(faults(OutputKind, mask_context(lambda x: 6 * x - 3.0, "mask_logits")).values())
    assert not any(faults(OutputKind, mask_context(lambda x: x.astype(float), "mask_probabilities")).values())
    assert faults(OutputKind, mask_context(lambda x: x, "mask_logits"))["logits-are-probabilities"] == 1
    assert faults(OutputKind, mask_context(lambda x: 6 * x - 3.0, "mask_probabilities"))["within-0-1"] == 1
    assert faults(OutputKind, mask_context(lambda x: 0 * x - 3.0, "mask_logits"))["not-constant"] == 1


def test_saved_summaries_of_masks_cannot_be_checked():
    """Where the masks are not there, the probe says so."""
    ctx = saved_context(
        np.full((24, 5), 0.5), small_cohort(np.zeros(24), classes=()), task="segmentation", output="mask_logits",
        columns=("dice", "a", "b", "c", "d"),
    )  # fmt: skip
    with pytest.raises(NotApplicable, match="cannot be asked"):
        OutputKind().run(ctx)


MANY = np.arange(60) % 2


@pytest.mark.parametrize(
    ("raw", "more", "checks"),
    [
        (np.linspace(0.2, 99.3, 60), {"output": "logits"}, {"logits-of-both-signs", "decisions-of-both-kinds"}),
        (np.linspace(0.2, 99.3, 60), {"output": "logits", "operating_point": 0.9999}, {"logits-of-both-signs"}),
        (RNG.uniform(0, 0.02, 60), {"output": "probabilities"}, {"decisions-of-both-kinds"}),
        (RNG.uniform(0.1, 0.9, 60), {"output": "probabilities"}, set()),
        (RNG.normal(-4, 3, 60), {"output": "logits"}, set()),
        (RNG.normal(-9, 1, 60), {"output": "logits", "operating_point": None}, set()),
    ],
)
def test_a_scale_that_puts_all_cases_on_one_side_is_a_fault(raw, more, checks):
    """Percentages as logits call every case positive, a threshold of another scale none; a rare disease is no fault."""
    assert found(raw, MANY, **{"operating_point": 0.5, **more}) == checks


def test_few_cases_of_a_class_say_nothing_of_the_scale():
    """With nineteen positives the checks of the scale are missing with their reason."""
    labels = (np.arange(60) < 19).astype(int)
    ctx = saved_context(np.linspace(1, 99, 60), small_cohort(labels), output="logits", operating_point=0.5)
    lacking = {m.condition["parameter"]: m.missing for m in OutputKind().run(ctx) if m.value is None}
    assert set(lacking) == {"logits-of-both-signs", "decisions-of-both-kinds"}
    assert "fewer than 20" in lacking["logits-of-both-signs"]
