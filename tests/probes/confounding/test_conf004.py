"""CONF004: what a model knows when the lesion is gone."""

from dataclasses import replace

import numpy as np
import pytest

from audit.core import NotApplicable
from audit.edits import Fill
from audit.probes.confounding import EvidenceRemoved
from audit.testing import ArrayImages, check_probe, saved_context
from tests.probes.confounding import pictures as p

PROBE = EvidenceRemoved


@pytest.fixture(scope="module")
def plain():
    """Lesions alone tell cases from controls."""
    return p.cohort_of()


@pytest.fixture(scope="module")
def few():
    """As few as the check for traces needs."""
    return p.cohort_of(n=50)


@pytest.fixture(scope="module")
def shortcut():
    """The images of cases are also a little brighter all over."""
    return p.cohort_of(shortcut=6.0, seed=1)


@pytest.fixture(scope="module")
def of_healthy(plain):
    """What is measured on the model that counts lesions."""
    return p.measure(PROBE, p.made(p.healthy(), plain))


def test_a_model_that_counts_lesions_knows_nothing_without_them(of_healthy):
    """The AUC falls from near 1 to near 0.5, and filling elsewhere costs nothing."""
    assert of_healthy["auc_as_it_is", None].value > 0.97
    assert of_healthy["auc_filled_elsewhere", None].value > 0.95
    left = of_healthy["auc_without_evidence", None]
    assert left.low < 0.5 < left.high < 0.75
    assert p.status(PROBE, of_healthy.values(), "auc_without_evidence", max=0.75) == "PASS"
    shift = of_healthy["control_shift", None]
    assert shift.low <= 0 <= shift.high
    assert of_healthy["fill_trace_auc", None].value < 0.7
    assert (left.n, left.n_patients) == (80, 80)


def test_a_model_that_says_the_same_without_evidence_has_nothing_left(plain):
    """All ties are an AUC of 0.5, bounded by the share of 40 and 40 patients that may differ: 0.5 +- 0.0881."""
    found = p.measure(PROBE, p.made(p.model_of(lambda x: 2.0 * (p.bright(x) - 1.5)[:, None]), plain))
    left = found["auc_without_evidence", None]
    assert left.value == 0.5
    assert left.high == pytest.approx(0.5 + 1 - 0.025 ** (1 / 40), abs=1e-12)


def test_a_model_that_reads_brightness_knows_as_much_as_before(shortcut):
    """The planted shortcut survives the fill, FAILs, and follows a thumbnail within cases and within controls."""
    reader = p.model_of(lambda x: (x.mean(axis=(1, 2)) - 105)[:, None])
    found = p.measure(PROBE, p.made(reader, shortcut))
    assert found["auc_without_evidence", None].low > 0.9
    assert p.status(PROBE, found.values(), "auc_without_evidence", max=0.7) == "FAIL"
    assert found["thumbnail_auc", None].value > 0.9
    assert found["thumbnail_correlation", None].low > 0.2
    assert p.status(PROBE, found.values(), "thumbnail_correlation", max=0.1) == "FAIL"


def test_a_border_reader_follows_the_border():
    """A model that reads a bright rim of its cases correlates with what the border tells."""
    cohort = p.cohort_of(seed=2)
    images = cohort.images.array.copy()
    amount = np.where(cohort.targets == 1, 8.0, 0.0) + np.random.default_rng(0).normal(0, 6, len(images))
    images[:, :, :2] += np.rint(amount)[:, None, None, None]
    cohort = replace(cohort, images=ArrayImages(array=images))
    reader = p.model_of(lambda x: (x[:, :2].mean(axis=(1, 2)) - 103)[:, None])
    found = p.measure(PROBE, p.made(reader, cohort))
    assert found["border_correlation", None].low > 0.3
    assert found["auc_without_evidence", None].low > 0.6


def test_a_fill_that_gives_itself_away_decides_nothing(plain, monkeypatch):
    """Where a small classifier sees the fill the number is missing, and the finding is INCONCLUSIVE."""
    monkeypatch.setattr(Fill, "apply", lambda fill, image: np.where(fill.region, 0, image).astype(np.float32))
    found = p.measure(PROBE, p.made(p.healthy(), plain))
    assert found["fill_trace_auc", None].value > 0.95
    assert found["auc_without_evidence", None].value is None
    assert "trace" in found["auc_without_evidence", None].missing
    assert p.status(PROBE, found.values(), "auc_without_evidence", max=0.7) == "INCONCLUSIVE"


def test_a_smooth_fill_without_noise_is_found_out(plain, monkeypatch):
    """A flat patch of the right brightness is a trace, too."""
    flat = lambda fill, image: np.where(fill.region, np.median(image), image).astype(np.float32)  # noqa: E731
    monkeypatch.setattr(Fill, "apply", flat)
    found = p.measure(PROBE, p.made(p.healthy(), plain))
    assert found["auc_without_evidence", None].value is None


@pytest.mark.parametrize("answer", [0.0, np.nan])
def test_a_constant_or_broken_model_is_not_passed(few, answer):
    """A model that always says the same, or nothing, has no AUC left to judge."""
    model = p.model_of(lambda x: np.full((len(x), 1), answer))
    ctx = p.made(model, few, raw=np.zeros((len(few), 1)))
    found = p.measure(PROBE, ctx)
    assert p.status(PROBE, found.values(), "auc_without_evidence", max=0.7) == "INCONCLUSIVE"


def thrown_off(cohort, known, otherwise, **more):
    """Return a model that knows the untouched images by heart and answers any other by a number of its own."""
    kept = {image[0].tobytes(): value for image, value in zip(cohort.images.array, known, strict=True)}

    def answer(x):
        return np.array([[kept.get(one.tobytes(), otherwise(one))] for one in x])

    return p.model_of(answer, **more)


def by_chance(image):
    """A number that has nothing to do with what the image shows, standard normal."""
    return float(np.random.default_rng(np.frombuffer(image.tobytes(), np.uint8)).normal())


def test_a_model_that_any_fill_silences_does_not_pass(few):
    """It knows the answer from elsewhere, and says the same of every image that was edited: its controls move."""
    score = np.where(few.targets == 1, 2.0, -2.0) + np.random.default_rng(0).normal(0, 0.5, len(few))
    found = p.measure(PROBE, p.made(thrown_off(few, score, lambda _: 0.0), few))
    assert "moves the score of controls" in found["auc_without_evidence", None].missing
    assert p.status(PROBE, found.values(), "auc_without_evidence", max=0.7) == "INCONCLUSIVE"


def test_a_model_that_any_fill_scatters_does_not_pass(few):
    """Its controls move on average by nothing; what filling elsewhere costs opens the bounds on both sides."""
    score = np.where(few.targets == 1, 4.0, 0.0) + np.random.default_rng(0).normal(size=len(few))
    found = p.measure(PROBE, p.made(thrown_off(few, score, by_chance), few))
    left = found["auc_without_evidence", None]
    assert abs(left.value - 0.5) < 0.25
    assert found["auc_filled_elsewhere", None].value < 0.75
    assert left.high > 0.9
    assert left.low < 0.25
    for limit in ({"max": 0.75}, {"min": 0.25}):
        assert p.status(PROBE, found.values(), "auc_without_evidence", **limit) == "INCONCLUSIVE"


def test_images_without_room_for_the_control_fill_bar_the_number():
    """What a fill costs by itself must be known: 21 of 100 images without room bar the number, 20 do not."""
    from audit.probes.confounding._evidence import Filled
    from audit.probes.confounding._looked import unreached

    assert unreached(Filled(reached=[False] * 20 + [True] * 80)) is None
    assert "21 of 100" in unreached(Filled(reached=[False] * 21 + [True] * 79))


def test_a_value_that_any_fill_scatters_does_not_pass():
    """A count by heart has a slope of 1, of edited images none; the bound of what is left is opened to 1."""
    cohort = p.cohort_of(targets="count", counts=((0, 1), (1, 2)), seed=3, n=60)
    known = cohort.targets + np.random.default_rng(0).normal(0, 0.2, len(cohort))
    model = thrown_off(cohort, known, lambda image: 0.2 * by_chance(image), task="regression")
    found = p.measure(PROBE, p.made(model, cohort))
    assert abs(found["slope_without_evidence", None].value) < 0.1
    assert found["slope_filled_elsewhere", None].value < 0.1
    assert found["slope_without_evidence", None].high > 0.9
    assert p.status(PROBE, found.values(), "slope_without_evidence", max=0.2) == "INCONCLUSIVE"


@pytest.mark.parametrize("knows", [True, False])
def test_a_segmentation_that_marks_nothing_does_not_pass(knows):
    """Neither one that never marks anything nor one that any fill silences is said to mark nothing without a lesion."""
    cohort = replace(p.cohort_of(n=30, counts=((1, 2), (1, 3))), targets=np.zeros(30))
    kept = {image[0].tobytes() for image in cohort.images.array} if knows else set()
    bright = p.segmenter().answer

    def answer(x):
        return np.stack([bright(one[None, None])[0] if one.tobytes() in kept else -np.ones((1, 24, 24)) for one in x])

    found = p.measure(PROBE, p.made(p.model_of(answer, task="segmentation"), cohort, raw=np.zeros((30, 1))))
    assert p.status(PROBE, found.values(), "volume_in_filled_region", max=0.15) == "INCONCLUSIVE"


def test_a_segmentation_of_lesions_passes_and_one_that_ignores_them_fails():
    """What marks bright spots leaves none; what marks the middle whatever is there marks it as before."""
    cohort = replace(p.cohort_of(n=30, counts=((1, 2), (1, 3))), targets=np.zeros(30))
    middle = p.model_of(lambda x: np.ones((len(x), 1, 24, 24)), task="segmentation")
    for model, said in ((p.segmenter(), "PASS"), (middle, "FAIL")):
        found = p.measure(PROBE, p.made(model, cohort, raw=np.zeros((30, 1))))
        assert p.status(PROBE, found.values(), "volume_in_filled_region", max=0.3) == said


def test_cases_without_a_mask_bar_the_number(plain):
    """Where more than 5 % of the cases have no mask, the others do not answer for them."""
    masks = plain.masks.array.copy()
    masks[np.flatnonzero(plain.targets == 1)[:10]] = 0
    found = p.measure(PROBE, p.made(p.healthy(), replace(plain, masks=ArrayImages(array=masks))))
    assert "10 of 40 cases have no mask" in found["auc_without_evidence", None].missing


def test_few_patients_cannot_show_that_the_fill_is_unseen():
    """With less than 20 controls nothing can be learned about the fill, so nothing is concluded."""
    found = p.measure(PROBE, p.made(p.healthy(), p.cohort_of(n=30)))
    assert "could not be checked" in found["auc_without_evidence", None].missing


def test_a_count_is_no_longer_told_once_its_lesions_are_gone():
    """The slope on the reference falls from 1 to 0, and the mean answer to that of no lesion."""
    cohort = p.cohort_of(targets="count", counts=((0, 2), (2, 5)), seed=3)
    found = p.measure(PROBE, p.made(p.counter(), cohort))
    assert found["slope_as_it_is", None].value == pytest.approx(1.0, abs=0.15)
    left = found["slope_without_evidence", None]
    assert left.low < 0 < left.high < 0.1 or abs(left.value) < 0.05
    assert found["output_after_erasing", None].value < 0.3


def test_a_segmentation_marks_nothing_where_the_lesion_was():
    """The share of the reference region that is marked falls from most of it to nearly nothing."""
    cohort = p.cohort_of(n=60, counts=((1, 2), (1, 3)))
    cohort = replace(cohort, targets=np.zeros(60))
    model = p.segmenter()
    ctx = p.made(model, cohort, raw=np.zeros((60, 1)))
    found = p.measure(PROBE, ctx)
    assert found["volume_before_filling", None].low > 0.5
    assert found["volume_in_filled_region", None].high < 0.15


def test_of_two_findings_the_one_that_reads_the_ward_is_named():
    """Without evidence the finding that reads brightness is known as before, and the one that counts lesions is not."""
    shown = p.cohort_of(n=50, shortcut=6.0, seed=1)
    lesions = lambda x: 2.0 * (p.bright(x) - 1.5) + 0.02 * (x[:, 0, 0] - np.median(x, axis=(1, 2)))  # noqa: E731
    ward = lambda x: x.mean(axis=(1, 2)) - 105  # noqa: E731
    targets = {"lesion": shown.targets, "ward": shown.targets}
    card = replace(p.healthy().card, task="multilabel", classes=tuple(targets))
    model = replace(p.healthy(), card=card, answer=lambda x: np.stack([lesions(x[:, 0]), ward(x[:, 0])], axis=1))
    cohort = replace(shown, targets=np.stack(list(targets.values()), axis=1), classes=tuple(targets))
    found = {m.condition["class"]: m for m in PROBE().run(p.made(model, cohort)) if m.metric == "auc_without_evidence"}
    assert found["ward"].low > 0.8
    assert found["lesion"].low < 0.5


def test_every_mask_is_dealt_as_often_as_any_other(plain):
    """In a balanced cohort each case's mask goes to exactly one control, so place and size tell nothing."""
    from audit.probes.confounding._asked import setting_of
    from audit.probes.confounding._evidence import paired

    setting = setting_of(p.made(p.healthy(), plain))
    masks = {c: setting.mask(c) for c in range(len(plain))}
    cases = [c for c in masks if plain.targets[c] == 1]
    controls = [c for c in masks if plain.targets[c] == 0]
    subjects = paired(setting, cases, controls, masks)
    dealt = sorted(s.other.tobytes() for s in subjects if s.case in set(controls))
    assert dealt == sorted(masks[c].tobytes() for c in cases)
    size = {side: np.mean([(s.own | s.other).sum() for s in subjects if s.case in set(side)])
            for side in (tuple(cases), tuple(controls))}  # fmt: skip
    first, second = size.values()
    assert first == pytest.approx(second, rel=0.15)


def test_saved_answers_cannot_be_asked_again():
    """Without a model to ask, or without masks, the question has no meaning."""
    with pytest.raises(NotApplicable):
        list(PROBE().run(saved_context(np.linspace(0, 1, 80), p.cohort_of())))
    with pytest.raises(NotApplicable, match="masks"):
        list(PROBE().run(p.made(p.healthy(), p.cohort_of(masks=False))))


def test_it_conforms():
    """Deterministic by seed, inputs untouched, declared metrics only."""
    make = lambda: p.made(p.healthy(), p.cohort_of(n=48))  # noqa: E731
    assert check_probe(PROBE, {"pictures": make}) == ("pictures",)
