"""SHIFT005 finds the modality that a model cannot do without."""

from dataclasses import replace

import numpy as np
import pytest

from audit.core import Access, InputSpec, ModelCard, NotApplicable, ProbeResult
from audit.judge import judge
from audit.probes.shift import MissingModality
from audit.testing import ArrayImages, FunctionModel, context, saved_context, small_cohort
from tests.judge._make import TODAY, policy, rule

SPEC = InputSpec(size=(6, 6), channels=2, range=(0.0, 10.0), modalities=("T1", "FLAIR"), absent=5.0)


def card(**more):
    """Return the card of a model of two modalities."""
    given = {"task": "binary", "output": "logits", "operating_point": 0.5, "classes": ("well", "ill"), "input": SPEC}
    return ModelCard(name="m", kind="callable", access=Access.QUERY, digest="d", **{**given, **more})


def images(n=160, seed=0):
    """Return labels and images whose second channel is brighter in the ill, and the first is not."""
    rng = np.random.default_rng(seed)
    label = np.arange(n) % 2
    x = rng.normal(5, 1, (n, 2, 6, 6))
    x[:, 1] += 0.6 * (label[:, None, None] - 0.5)
    return label, x.astype(np.float32)


def reads(channels, **more):
    """Return the context of a model that averages some channels."""
    label, x = images()

    def answer(batch):
        return 8 * (batch[:, channels].mean(axis=(1, 2, 3)) - 5)[:, None]

    return context(FunctionModel(card=card(**more), answer=answer), small_cohort(label, images=ArrayImages(array=x)))


def run(ctx):
    """Return the measurements by (metric, parameter)."""
    return {(m.metric, m.condition["parameter"]): m for m in MissingModality().run(ctx)}


def judged(ctx, *rules):
    """Return the status of each rule, as the judge gives it."""
    found = tuple(MissingModality().run(ctx))
    result = ProbeResult(info=MissingModality.info, state="completed", measurements=found)
    return [f.status for f in judge([result], policy(*rules), today=TODAY)]


CHANGES = ("performance_change", "sensitivity_change", "specificity_change")
METRICS = ("performance", "sensitivity", "specificity", "answered_differently", *CHANGES)
NO_LOSS = [rule(metric, low=-0.3, probe="SHIFT005", metric=metric) for metric in CHANGES]
NO_FLIPS = rule("flips", low=None, high=0.3, probe="SHIFT005", metric="answered_differently")


@pytest.mark.parametrize(
    "answer",
    [
        lambda x: np.full((len(x), 1), 2.0),
        lambda x: np.where(x[:, 0].mean(axis=(1, 2)) == 5, np.nan, 8 * (x[:, 1].mean(axis=(1, 2)) - 5))[:, None],
        lambda x: (1e6 * x[:, :, :1, :1].sum(axis=(1, 2, 3)) % 1 - 0.5)[:, None],
    ],
    ids=["constant", "refuses without T1", "at random"],
)
def test_a_model_that_has_nothing_to_lose_passes_no_rule(answer):
    """Neither a constant, nor chance, nor an answer that is refused without one modality shows that nothing is lost."""
    label, x = images()
    ctx = context(FunctionModel(card=card(), answer=answer), small_cohort(label, images=ArrayImages(array=x)))
    assert set(judged(ctx, *NO_LOSS, NO_FLIPS)) <= {"INCONCLUSIVE", "FAIL"}


def test_a_modality_that_is_absent_already_shows_nothing():
    """Where T1 is blank in every case the model never had it, and to take it away costs nothing."""
    label, x = images()
    x[:, 0] = 5.0
    model = FunctionModel(card=card(), answer=lambda b: 8 * (b.mean(axis=(1, 2, 3)) - 5)[:, None])
    ctx = context(model, small_cohort(label, images=ArrayImages(array=x)))
    assert "already" in run(ctx)["performance_change", "without T1"].missing
    assert judged(ctx, *NO_LOSS)[0] != "PASS"


def hasty(share, n=600):
    """Return the context of a model that reads FLAIR alone, which a share of the exams lacks."""
    label, x = images(n)
    x[np.random.default_rng(3).random(n) < share, 1] = 5.0
    model = FunctionModel(
        card=card(), answer=lambda b: 8 * (b[:, 1].mean(axis=(1, 2)) - 5)[:, None] + 1e-3 * b[:, 0, 0, :1]
    )
    return context(model, small_cohort(label, images=ArrayImages(array=x)))


def test_exams_that_lack_it_already_do_not_dilute_what_its_absence_costs():
    """Four exams of ten lack FLAIR, from which nothing can be taken: the loss is that of the other six."""
    ctx = hasty(0.4)
    ctx = replace(ctx, budget=replace(ctx.budget, foreign_cases=None))
    found = run(ctx)
    assert found["performance", "complete"].value > 0.9
    assert found["performance_change", "without FLAIR"].high < -0.3
    loss = rule("loss", low=-0.35, probe="SHIFT005", metric="performance_change", where={"parameter": "without FLAIR"})
    assert judged(ctx, loss) == ["FAIL"]


def test_as_many_complete_exams_are_looked_at_as_the_budget_allows():
    """Half of the exams lack FLAIR and 100 cases are asked for: about 100 complete ones are looked at."""
    ctx = hasty(0.5)
    fewer = replace(ctx, budget=replace(ctx.budget, foreign_cases=100))
    assert run(fewer)["performance", "complete"].n == pytest.approx(100, abs=25)


def test_a_model_that_reads_both_passes_a_wide_limit_and_fails_a_narrow_one():
    """The healthy model passes without T1; the one that reads FLAIR alone does not pass without it."""
    only = {"parameter": "without T1"}
    wide = [rule(m, low=-0.3, probe="SHIFT005", metric=m, where=only) for m in CHANGES]
    assert judged(reads([1]), *wide) == ["PASS"] * 3
    assert judged(reads([0, 1]), NO_LOSS[0]) != ["PASS"]


def test_a_model_that_reads_one_modality_falls_without_it_and_not_without_the_other():
    """Without FLAIR the scores are all alike: the AUC is one half; without T1 nothing changes."""
    found = run(reads([1]))
    assert found["performance", "complete"].value > 0.9
    assert found["performance_change", "without T1"].value == 0
    assert found["answered_differently", "without T1"].value == 0
    assert found["sensitivity_change", "without FLAIR"].value is not None
    gone = found["performance_change", "without FLAIR"]
    assert gone.value is None
    assert "do not vary" in gone.missing


def test_a_model_that_averages_both_loses_little_without_the_idle_one():
    """The healthy model: without T1 it is no worse."""
    found = run(reads([0, 1]))
    assert found["performance_change", "without T1"].low > -0.05
    assert found["performance_change", "without FLAIR"].high < -0.2


def test_the_stand_in_is_what_the_pipeline_sends():
    """The absent channel is 5 everywhere, as declared, whatever the range begins with."""
    seen = []
    label, x = images(40)

    def answer(batch):
        seen.append(batch.copy())
        return batch.mean(axis=(1, 2, 3))[:, None]

    ctx = context(FunctionModel(card=card(), answer=answer), small_cohort(label, images=ArrayImages(array=x)))
    seen.clear()
    run(ctx)
    without = [b for b in seen if np.all(b[:, 0] == 5.0)]
    assert without
    assert all(np.ptp(b[:, 1]) > 0 for b in without)


def test_a_real_value_is_judged_by_its_error():
    """The error grows by what the missing channel carried, to the number of a hand-made difference."""
    _, x = images(40)
    carried = x[:, 1].mean(axis=(1, 2)).astype(float)
    target = carried + np.random.default_rng(1).normal(0, 0.1, 40)
    model = FunctionModel(
        card=card(task="regression", output="value", operating_point=None, classes=()),
        answer=lambda batch: batch[:, 1].mean(axis=(1, 2))[:, None],
    )
    found = run(context(model, small_cohort(target, images=ArrayImages(array=x), classes=())))
    then, now = np.abs(carried - target).mean(), np.abs(5 - target).mean()
    assert found["performance", "complete"].value == pytest.approx(then, abs=1e-6)
    assert found["performance_change", "without FLAIR"].value == pytest.approx(now - then, abs=1e-6)


def test_no_number_without_it_is_missing_and_not_zero():
    """A model that answers NaN on an empty channel has no performance there, with the reason."""
    label, x = images(40)

    def answer(batch):
        score = batch.mean(axis=(1, 2, 3))
        return np.where(np.ptp(batch[:, 0], axis=(1, 2)) == 0, np.nan, score)[:, None]

    found = run(context(FunctionModel(card=card(), answer=answer), small_cohort(label, images=ArrayImages(array=x))))
    for metric in METRICS:
        assert "no usable number" in found[metric, "without T1"].missing
        assert found[metric, "without FLAIR"].value is not None or "change" in metric or "differently" in metric


def test_without_modalities_or_without_a_model_there_is_no_question():
    """Colours are no modalities, and saved predictions cannot be asked."""
    label, _ = images(40)
    with pytest.raises(NotApplicable, match="modalities"):
        run(reads([0], input=InputSpec(size=(6, 6), channels=2, range=(0.0, 10.0))))
    with pytest.raises(NotApplicable, match="saved"):
        run(saved_context(np.linspace(0, 1, 40), small_cohort(label)))


def test_a_mask_loses_its_dice_and_its_silence():
    """Marked where T1 and FLAIR are both bright: without FLAIR nothing is found; an OR marks what is not there."""
    labels = np.arange(60) % 2
    x = np.full((60, 2, 6, 6), 4.0, dtype=np.float32)
    x += np.random.default_rng(0).normal(0, 0.1, x.shape).astype(np.float32)
    masks = np.zeros((60, 1, 6, 6), dtype=np.uint8)
    masks[labels == 1, 0, 1:4, 1:4] = 1
    x[np.repeat(masks > 0, 2, axis=1)] = 8.0
    cohort = small_cohort(
        np.zeros(60), images=ArrayImages(array=x), masks=ArrayImages(array=masks), classes=("none", "lesion")
    )
    bright = InputSpec(size=(6, 6), channels=2, range=(0.0, 10.0), modalities=("T1", "FLAIR"))
    for stand_in, of in ((0.0, np.min), (10.0, np.max)):
        seg = card(task="segmentation", output="mask_logits", input=replace(bright, absent=stand_in))
        net = FunctionModel(card=seg, answer=lambda b, of=of: of(b, axis=1, keepdims=True) - 6)
        there, marked = masks[:, 0] > 0, net.predict(x)[:, 0] >= 0
        sizes = [m.sum(axis=(1, 2)).astype(float) for m in (there, marked)]
        dice = np.divide(2.0 * (there & marked).sum(axis=(1, 2)), sum(sizes), out=np.full(60, np.nan), where=labels > 0)
        raw = np.stack([dice, *sizes], axis=1)
        found = run(context(net, cohort, raw=raw, columns=("dice", "volume_reference", "volume_predicted")))
        assert found["performance", "complete"].value == found["specificity", "complete"].value == 1
        assert found["performance_change", "without FLAIR"].n + found["specificity_change", "without FLAIR"].n == 40
        lost = -1.0 if of is np.min else pytest.approx(2 * 9 / (9 + 36) - 1)
        assert found["performance_change", "without FLAIR"].value == lost
        assert found["specificity_change", "without FLAIR"].value == (0 if of is np.min else -1)
