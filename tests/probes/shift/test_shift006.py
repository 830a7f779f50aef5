"""SHIFT006 hears whether anything says so when an image does not belong."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm

from audit.core import Access, InputSpec, ModelCard, NotApplicable, OtherSplit
from audit.probes.shift import OutOfDistribution
from audit.probes.shift._alarms import Threshold, unnoticed
from audit.probes.shift._foreign import KINDS
from audit.testing import ArrayImages, FunctionModel, context, planted, saved_context, small_cohort, tiny_cohort

SPEC = InputSpec(size=(24, 24), range=(0.0, 255.0))
CARD = ModelCard(
    name="m", kind="callable", task="binary", output="logits", access=Access.QUERY, digest="d", operating_point=0.5,
    classes=("well", "ill"), input=SPEC,
)  # fmt: skip


def scenes(n=60, seed=0):
    """Return labels and images of a grey disc on black, with a bright spot in the ill."""
    rng = np.random.default_rng(seed)
    y, x = np.meshgrid(*[np.linspace(-1, 1, 24)] * 2, indexing="ij")
    label = np.arange(n) % 2
    disc = 100.0 * (y**2 + x**2 < 0.7)
    spot = 60.0 * ((y - 0.2) ** 2 + (x + 0.1) ** 2 < 0.03)
    out = disc + label[:, None, None] * spot + rng.normal(0, 4, (n, 24, 24))
    return label, np.clip(np.round(out), 0, 255).astype(np.float32)[:, None]


def answer(batch):
    """Answer by the brightest pixels, surely."""
    return 0.2 * (np.sort(batch.reshape(len(batch), -1), axis=1)[:, -8:].mean(axis=1) - 125)[:, None]


def unlike(batch):
    """Return the distance from the mean image of the cohort: a monitor that works."""
    middle = scenes(200, seed=9)[1].mean(axis=0)
    return np.abs(batch - middle).mean(axis=(1, 2, 3))


def ctx_of(monitor=None, others=(), function=answer):
    """Return the context of the model with some monitor."""
    label, x = scenes()
    cohort = replace(small_cohort(label, images=ArrayImages(array=x)), others=tuple(others))
    return replace(context(FunctionModel(card=CARD, answer=function), cohort), monitor=monitor)


def run(ctx):
    """Return the measurements by (metric, parameter)."""
    return {(m.metric, m.condition["parameter"]): m for m in OutOfDistribution().run(ctx)}


def test_a_monitor_that_works_hears_every_kind():
    """The distance from the mean image tells whatever is not of the cohort."""
    found = run(ctx_of(unlike))
    for name in KINDS:
        assert found["ood_auroc", name].low > 0.8, name
        assert found["unnoticed_rate", name].value < 0.3, name
    assert found["ood_auroc", "noise"].condition["stratum"] == "by the declared monitor"


def test_a_deaf_monitor_is_caught():
    """A monitor that draws lots tells nothing: one half is inside, and nearly all goes unnoticed."""
    rng = np.random.default_rng(1)
    found = run(ctx_of(lambda batch: rng.random(len(batch))))
    m = found["ood_auroc", "noise"]
    assert m.low < 0.5 < m.high
    assert found["unnoticed_rate", "incidental finding"].low > 0.5


def test_a_model_without_a_monitor_is_heard_by_its_own_doubt():
    """The model looks for what is bright, and a dark gorilla on the disc leaves it as sure as ever."""
    found = run(ctx_of())
    m = found["ood_auroc", "incidental finding"]
    assert m.condition["stratum"] == "by the model's own doubt"
    assert m.low < 0.5 < m.high
    assert found["unnoticed_rate", "incidental finding"].value > 0.8
    assert found["confident_rate", "incidental finding"].value > 0.3


def test_every_case_counts_once_and_patients_are_the_unit():
    """As many foreign images as cases were drawn, of as many patients; both sides of the AUC."""
    found = run(ctx_of(unlike))
    assert (found["unnoticed_rate", "noise"].n, found["unnoticed_rate", "noise"].n_patients) == (40, 40)
    assert (found["ood_auroc", "noise"].n, found["ood_auroc", "noise"].n_patients) == (80, 40)


def test_the_incidental_finding_stands_out_wherever_it_is_planted():
    """On a bright disc it is dark, on the dark ground bright: half of the range at least, channel by channel."""
    image = np.zeros((2, 32, 32), dtype=np.float32)
    image[0, 8:, :] = 100
    image[1, :, :16] = 40
    for seed in range(20):
        made = KINDS["incidental finding"].make(image, None, np.random.default_rng(seed))
        for channel in range(2):
            changed = made[channel] != image[channel]
            assert changed.sum() >= 8
            assert np.abs(made[channel] - image[channel])[changed].min() >= 0.5 * np.ptp(image[channel])


def test_declared_images_of_another_organ_are_asked_about():
    """A split that is declared foreign is a kind of its own; another split is not asked about."""
    rng = np.random.default_rng(2)
    x = rng.uniform(0, 255, (30, 1, 24, 24)).astype(np.float32)
    ids = np.array([f"k{i}" for i in range(30)])
    knee = OtherSplit(name="knee", case_ids=ids, patient_ids=ids, images=ArrayImages(array=x), foreign=True)
    found = run(ctx_of(unlike, [knee, replace(knee, name="training", foreign=False)]))
    assert found["ood_auroc", "knee"].low > 0.85
    assert found["ood_auroc", "knee"].n_patients == 70
    assert ("ood_auroc", "training") not in found


def test_a_monitor_without_a_number_is_missing():
    """NaN is no alarm and no silence."""
    found = run(ctx_of(lambda batch: np.full(len(batch), np.nan)))
    assert "no finite number" in found["ood_auroc", "noise"].missing
    assert found["unnoticed_rate", "noise"].value is None


def test_a_monitor_of_the_wrong_shape_says_so():
    """One number an image, or the error says what came."""
    with pytest.raises(ValueError, match="one an image"):
        run(ctx_of(lambda batch: np.zeros((len(batch), 2))))


def test_a_foreign_split_without_images_is_missing_and_not_passed_over():
    """A rule on every kind must not pass over the one that could not be shown."""
    ids = np.array([f"k{i}" for i in range(30)])
    found = run(ctx_of(unlike, [OtherSplit(name="knee", case_ids=ids, patient_ids=ids, foreign=True)]))
    for metric in ("ood_auroc", "unnoticed_rate", "confident_rate"):
        assert "no images" in found[metric, "knee"].missing


def test_images_that_cannot_be_made_foreign_show_nothing():
    """A blank image is as blank as before, so that nothing can be heard of it and nothing is concluded."""
    _, x = scenes()
    ctx = ctx_of(unlike)
    blank = replace(ctx, cohort=replace(ctx.cohort, images=ArrayImages(array=np.full_like(x, 7.0))))
    found = run(blank)
    for name in ("blank", "incidental finding", "inverted intensities"):
        assert "0% of these images" in found["ood_auroc", name].missing, name


@pytest.mark.parametrize("n", [40, 150])
def test_the_interval_of_what_goes_unnoticed_holds_with_a_threshold_that_was_estimated(n):
    """Normal alarms one apart: 74.0 % lie under the threshold, which 5 % of the intervals may miss; 3 of 30 here."""
    rng, missed, levels = np.random.default_rng(0), 0, context(planted(), tiny_cohort(np.random.default_rng(1))).levels
    truth = float(norm.cdf(norm.ppf(0.95) - 1))
    for _ in range(30):
        own, foreign = rng.normal(size=n), rng.normal(1, 1, n)
        e = unnoticed(Threshold.of(own, np.arange(n), levels), foreign, np.arange(n) + n, levels)
        low, high = e.bounds(0.025)
        missed += not low <= truth <= high
    assert missed <= 3
    assert (high == 1) == (n == 40)


def test_results_do_not_depend_on_the_batch():
    """Every case has a generator of its own."""
    one, two = ctx_of(unlike), ctx_of(unlike)
    two = replace(two, budget=replace(two.budget, batch_size=7))
    first, second = run(one), run(two)
    assert {k: m.value for k, m in first.items()} == {k: m.value for k, m in second.items()}


@pytest.mark.parametrize("name", list(KINDS))
@pytest.mark.parametrize("shape", [(1, 24, 24), (3, 20, 16), (1, 6, 16, 12)])
def test_foreign_images_keep_shape_range_and_steps(name, shape):
    """Whatever is made of an image can be stored as the image is, and differs from it; the lesion stays visible."""
    image = np.random.default_rng(0).integers(20, 200, shape).astype(np.float32)
    keep = np.zeros(shape[1:], bool)
    keep[..., :4, :4] = True
    made = KINDS[name].make(image, keep, np.random.default_rng(1))
    assert made.shape == image.shape
    assert made.dtype == np.float32
    assert image.min() <= made.min() <= made.max() <= image.max()
    assert np.array_equal(made, np.round(made)) or name == "incidental finding"
    assert not np.array_equal(made, image)
    if name == "incidental finding":
        assert np.array_equal(made[:, keep], image[:, keep])


def test_saved_predictions_and_values_without_a_monitor_have_no_question():
    """Nothing can be asked of saved scores, and a value cannot be doubted."""
    label, x = scenes(40)
    with pytest.raises(NotApplicable, match="saved"):
        run(saved_context(np.linspace(0, 1, 40), small_cohort(label)))
    value = replace(CARD, task="regression", output="value", operating_point=None, classes=())
    cohort = small_cohort(label.astype(float), images=ArrayImages(array=x), classes=())
    with pytest.raises(NotApplicable, match="monitor"):
        run(context(FunctionModel(card=value, answer=lambda b: b.mean(axis=(1, 2, 3))[:, None]), cohort))


def test_the_doubt_of_a_mask_is_that_of_its_marked_pixels() -> None:
    """Two pixels of four are marked with 0.9 and 0.6: the mean doubt is 0.25; where none is, that of all pixels."""
    from audit.probes.shift._monitor import hear

    card = replace(CARD, task="segmentation", output="mask_probabilities", classes=())
    given = np.array([[[[0.9, 0.6], [0.1, 0.2]]], [[[0.1, 0.2], [0.3, 0.4]]]])
    ctx = replace(ctx_of(), model=FunctionModel(card=card, answer=lambda batch: given))
    assert hear(ctx, np.zeros((2, 1, 2, 2), np.float32)).doubt == pytest.approx([0.25, 0.25])


@pytest.mark.parametrize(("task", "classes", "raw", "doubt"), [
    ("multiclass", ("a", "b", "c"), [[0.7, 0.2, 0.1]], 0.3), ("multilabel", ("a", "b"), [[0.9, 0.6]], 0.4),
])  # fmt: skip
def test_doubt_is_what_the_answer_given_is_short_of(
    task: str, classes: tuple[str, ...], raw: Any, doubt: float
) -> None:
    """One minus the largest probability of a class, and the largest doubt of any finding."""
    from audit.probes.shift._monitor import hear

    card = replace(CARD, task=task, output="probabilities", classes=classes)
    ctx = replace(ctx_of(), model=FunctionModel(card=card, answer=lambda batch: np.array(raw)))
    assert hear(ctx, np.zeros((1, 1, 24, 24), np.float32)).doubt == pytest.approx([doubt])
