"""PERF008 finds metrics of one model that tell opposite stories."""

import numpy as np
import pytest

from audit.core import NotApplicable
from audit.probes.performance import MetricsDisagree
from audit.testing import check_probe, comparator, context, planted, saved_context, small_cohort, tiny_cohort


def run(ctx):
    """Return the count, the disagreements by pair and class, and the states of the pairs."""
    found = list(MetricsDisagree().run(ctx))
    rows = {}
    for m in found[1:]:
        key = (m.condition["parameter"], *([m.condition["class"]] if "class" in m.condition else []))
        assert key not in rows
        rows[key] = m
    drawn = next(a for a in ctx.sink.artifacts if a.name == "metric_disagreements").arrays
    return found[0], rows, dict(zip(rows, drawn["state"].tolist(), strict=True))


def table(tp, fn, tn, fp, rng=None):
    """Return scores and a cohort with these counts at 0.5; with a generator, ranked by label within a decision."""
    label = np.repeat([1, 1, 0, 0], [tp, fn, tn, fp])
    score = np.repeat([0.7, 0.3, 0.3, 0.7], [tp, fn, tn, fp])
    if rng is not None:
        score = score + 0.1 * label + rng.uniform(0, 0.05, len(label))
    return score, small_cohort(label)


def test_keeps_the_protocol():
    """It completes for every task, and not where one metric is all there is."""
    completed = set(check_probe(MetricsDisagree))
    assert {"binary, saved", "multiclass", "multilabel", "regression", "segmentation"} <= completed
    assert "binary, no operating point" not in completed


def test_a_rare_disease_that_is_missed_is_caught():
    """980 of 1,000 right, 10 of 60 found, and ranked well: accuracy and AUC both contradict the sensitivity."""
    count, rows, states = run(saved_context(*table(10, 50, 940, 0, np.random.default_rng(1))))
    assert count.value == 2
    assert states["accuracy and sensitivity",] == "conflict"
    assert states["AUC and sensitivity",] == "conflict"
    assert states["accuracy and specificity",] == "one story"
    m = rows["accuracy and sensitivity",]
    assert m.value == pytest.approx(min(0.95 - 0.5, 0.5 - 10 / 60))
    assert 0 < m.low < m.value < m.high
    assert m.n == 60


def test_silent_on_a_healthy_model():
    """A good model at a fair point tells one story: no fault, and every pair is settled below 0."""
    count, rows, states = run(context(planted(), tiny_cohort(np.random.default_rng(1), n=600)))
    assert count.value == 0
    assert set(states.values()) == {"one story"}
    assert all(m.high <= 0 for m in rows.values())


def test_few_cases_settle_nothing():
    """Twelve cases show no conflict, and that is no zero: the count is missing with how many pairs are open."""
    count, _, states = run(saved_context(*table(5, 1, 4, 2)))
    assert count.value is None
    assert "of 5 pairs of metrics are not settled" in count.missing
    assert "conflict" not in states.values()


def test_an_alarm_for_all_is_caught():
    """A model that ranks well and calls nearly everybody positive: AUC and specificity contradict each other."""
    score, cohort = table(100, 0, 10, 190, np.random.default_rng(2))
    _, _, states = run(saved_context(score, cohort))
    assert states["AUC and specificity",] == "conflict"


def test_a_reversed_model_with_a_rare_class_is_caught():
    """Right in 86 % of cases and worse than a coin in both classes together: accuracy against balanced accuracy."""
    _, rows, states = run(saved_context(*table(0, 100, 1290, 110)))
    assert states["accuracy and balanced accuracy",] == "conflict"
    balanced = (0 + 1290 / 1400) / 2
    assert rows["accuracy and balanced accuracy",].value == pytest.approx(0.5 - balanced)


def test_one_lost_class_is_caught():
    """Nine of ten cases are of two classes; the third is never named: the accuracy contradicts its sensitivity."""
    rng = np.random.default_rng(3)
    target = np.repeat([0, 1, 2], [180, 180, 40])
    raw = rng.normal(0, 0.3, (400, 3)) + 3.0 * np.eye(3)[target] - np.array([0, 0, 5.0])
    cohort = small_cohort(target, classes=("none", "glioma", "metastasis"))
    count, _, states = run(saved_context(raw, cohort, task="multiclass", output="logits", operating_point=None))
    assert states["accuracy and sensitivity", "metastasis"] == "conflict"
    assert states["accuracy and sensitivity", "glioma"] == "one story"
    assert count.value == sum(state == "conflict" for state in states.values())


def test_a_class_ranked_upside_down_is_caught():
    """Two classes ranked well hide one that is ranked upside down in the mean AUC."""
    rng = np.random.default_rng(4)
    target = rng.integers(0, 2, (400, 3))
    raw = rng.normal(0, 1, (400, 3)) + target * np.array([3.0, 3.0, -2.0])
    cohort = small_cohort(target, classes=("effusion", "nodule", "fracture"))
    _, _, states = run(saved_context(raw, cohort, task="multilabel", output="logits", operating_point=None))
    assert states["mean AUC over classes and AUC", "fracture"] == "conflict"
    assert states["mean AUC over classes and AUC", "nodule"] == "one story"


def test_a_class_without_a_number_settles_nothing():
    """A class of three has no AUC: its pairs are missing by name, and the count is not 0."""
    labels = np.r_[np.repeat([0, 1], 100), [2] * 3]
    cohort = small_cohort(labels, classes=("a", "b", "c"))
    count, rows, _ = run(saved_context(np.eye(3)[labels] * 0.7 + 0.1, cohort, task="multiclass"))
    assert "3 patients with a positive case" in rows["AUC and sensitivity", "c"].missing
    assert count.value is None


def test_better_ranking_and_worse_decisions_than_a_reader_are_caught():
    """The model ranks better than the reader, yet its threshold is far off: AUC up, both rates down."""
    rng = np.random.default_rng(5)
    label = np.arange(800) % 2
    noise = rng.normal(size=800)
    model, reader = 2.5 * label + noise + rng.normal(0, 0.5, 800), 1.5 * label + noise + rng.normal(0, 0.9, 800)
    rival = comparator("reader", reader, output="value", operating_point=0.75)
    cohort = small_cohort(label, comparators=[rival])
    off, fair = (run(saved_context(model, cohort, output="value", operating_point=point)) for point in (3.4, 1.25))
    assert off[2]["AUC over reader and both rates over it",] == "conflict"
    assert fair[2]["AUC over reader and both rates over it",] == "one story"


def regression(error, n=400, comparators=()):
    """Return a context with these errors of a real value."""
    target = np.random.default_rng(6).normal(50, 10, n)
    cohort = small_cohort(target, comparators=[comparator(k, target + v, output="value") for k, v in comparators])
    return saved_context(target + error, cohort, task="regression", output="value", operating_point=None)


def test_a_mean_that_hides_the_usual_case_is_caught():
    """Most values are 2 too low and a tenth 40 too high: the mean error is up, the median down."""
    rng = np.random.default_rng(7)
    error = np.where(np.arange(400) % 10 == 0, 40, -2) + rng.normal(0, 1, 400)
    count, rows, states = run(regression(error))
    assert states["mean error and median error",] == "conflict"
    assert count.value == 1
    assert rows["mean error and median error",].value == pytest.approx(error.mean() / error.std())


def test_an_unbiased_value_is_not_settled_and_no_conflict():
    """Errors around 0 have a mean and a median that may be on either side: no fault is claimed."""
    count, rows, states = run(regression(np.random.default_rng(8).normal(0, 3, 400)))
    assert states["mean error and median error",] == "not settled"
    assert count.value is None
    assert rows["mean error and median error",].low < 0
    biased = run(regression(np.random.default_rng(8).normal(3, 3, 400)))
    assert biased[0].value == 0


def test_nearer_on_average_and_further_in_most_cases_is_caught():
    """A formula that is gravely wrong in few cases: the model's mean error is smaller, and in most it is further."""
    rng = np.random.default_rng(9)
    own = rng.choice([-1, 1], 400) * rng.uniform(2, 3, 400)
    theirs = np.where(np.arange(400) % 20 == 0, 100.0, rng.uniform(0, 1, 400))
    _, _, states = run(regression(own, comparators=(("formula", theirs),)))
    assert states["mean absolute error over formula and share of cases that it is nearer in",] == "conflict"


def masks(dice, found, false, n=60):
    """Return a context of a segmentation: one large and four small lesions a case."""
    rng = np.random.default_rng(10)
    columns = {
        "dice": np.clip(rng.normal(dice, 0.03, n), 0, 1), "surface_dice": np.clip(rng.normal(dice, 0.03, n), 0, 1),
        "lesions_reference": np.full(n, 5), "lesions_found": np.full(n, found),
        "lesions_predicted": np.full(n, found + false), "lesions_false": np.full(n, false),
    }  # fmt: skip
    return saved_context(
        np.stack(list(columns.values()), axis=1), small_cohort(np.zeros(n)), task="segmentation",
        output="mask_probabilities", operating_point=None, columns=tuple(columns),
    )  # fmt: skip


def test_a_large_lesion_that_hides_small_ones_is_caught():
    """Dice 0.8 with one of five lesions found, and with two false ones for each real one."""
    _, _, states = run(masks(0.8, found=1, false=2))
    assert states["mean Dice and lesion-wise sensitivity",] == "conflict"
    assert states["mean Dice and share of its lesions that are real",] == "conflict"
    assert states["mean Dice and mean surface Dice",] == "one story"
    assert run(masks(0.8, found=5, false=0))[0].value == 0


def test_volumes_that_agree_and_lesions_that_are_missed_are_caught():
    """One large lesion of five is most of the volume: ICC above 0.9, one lesion in five found; all found is silent."""
    rng = np.random.default_rng(11)
    large = rng.lognormal(5, 0.8, 80)

    def judged(found):
        columns = {
            "dice": np.full(80, 0.9) + rng.normal(0, 0.01, 80),
            "volume_predicted": large * rng.uniform(0.95, 1.05, 80) + found - 1,
            "volume_reference": large + 4, "lesions_reference": np.full(80, 5), "lesions_found": np.full(80, found),
        }  # fmt: skip
        ctx = saved_context(
            np.stack(list(columns.values()), axis=1), small_cohort(np.zeros(80)), task="segmentation",
            output="mask_probabilities", operating_point=None, columns=tuple(columns),
        )  # fmt: skip
        return run(ctx)

    count, rows, states = judged(1)
    assert states["ICC of volumes and lesion-wise sensitivity",] == "conflict"
    # The smaller distance is that of the sensitivity: 0.5 - 0.2.
    assert rows["ICC of volumes and lesion-wise sensitivity",].value == pytest.approx(0.3, abs=1e-9)
    assert states["ICC of volumes and mean Dice",] == "one story"
    assert count.value == 2
    assert judged(5)[0].value == 0


def test_one_metric_alone_has_no_question():
    """Without an operating point there is the AUC alone; without Dice there is nothing to compare."""
    with pytest.raises(NotApplicable, match="one metric only"):
        run(saved_context(*table(50, 10, 50, 10), operating_point=None))
    volumes = saved_context(
        np.ones((20, 2)), small_cohort(np.zeros(20)), task="segmentation", output="mask_probabilities",
        operating_point=None, columns=("volume_predicted", "volume_reference"),
    )  # fmt: skip
    with pytest.raises(NotApplicable, match="fewer than two metrics"):
        run(volumes)


def test_figure_holds_both_sides():
    """The arrays name both metrics with their intervals and parities."""
    ctx = saved_context(*table(10, 50, 940, 0))
    run(ctx)
    drawn = next(a for a in ctx.sink.artifacts if a.name == "metric_disagreements").arrays
    at = drawn["pair"].tolist().index("accuracy and sensitivity")
    assert (drawn["first"][at], drawn["second"][at]) == ("accuracy", "sensitivity")
    assert drawn["second_high"][at] < drawn["second_parity"][at] < drawn["first_low"][at]


@pytest.mark.slow
@pytest.mark.parametrize("sensitivity", [0.5, 0.45, 0.6])
def test_bounds_hold_their_error(sensitivity):
    """On 1,000 cohorts neither bound of a disagreement misses the true one in more than 3.5 %."""
    rng, missed = np.random.default_rng(12), np.zeros(2)
    accuracy = (60 * sensitivity + 240 * 0.9) / 300
    truth = max(min(accuracy - 0.5, 0.5 - sensitivity), min(0.5 - accuracy, sensitivity - 0.5))
    for _ in range(1000):
        tp, tn = rng.binomial(60, sensitivity), rng.binomial(240, 0.9)
        m = run(saved_context(*table(tp, 60 - tp, tn, 240 - tn)))[1]["accuracy and sensitivity",]
        missed += m.low > truth, m.high < truth
    assert (missed / 1000).max() <= 0.035
