"""CONF008: an answer that follows the number of lesions."""

from dataclasses import replace

import numpy as np
import pytest

from audit.core import NotApplicable
from audit.probes.confounding import LesionDoseResponse
from audit.testing import ArrayImages, FunctionModel, check_probe, small_cohort
from tests.probes.confounding import pictures as p

PROBE = LesionDoseResponse


@pytest.fixture(scope="module")
def counts():
    """Images with none to four lesions and their number as the reference."""
    return p.cohort_of(n=50, targets="count", counts=((0, 2), (2, 4)))


def test_a_counter_counts_one_for_each_lesion_and_none_for_a_sham(counts):
    """The slope is 1 within its interval, putting in and taking out; the sham's is 0 within 0.1."""
    found = p.measure(PROBE, p.made(p.counter(), counts))
    for arm in ("insert", "erase"):
        assert found["slope", arm].value == pytest.approx(1.0, abs=0.2)
        assert found["sham_slope", arm].value == pytest.approx(0.0, abs=0.1)
        assert found["sham_ratio", arm].low < 0.1
        assert p.status(PROBE, found.values(), "slope", min=0.6, max=1.4, parameter=arm) == "PASS"


def test_a_blind_model_fails_and_a_constant_one_does_not_pass(counts):
    """A model that reads the level of the image does not PASS; nor does one that always says the same."""
    blind = p.model_of(lambda x: (np.median(x, axis=(1, 2)) / 40 + x[:, 0, 0] / 1000)[:, None], task="regression")
    found = p.measure(PROBE, p.made(blind, counts))
    assert p.status(PROBE, found.values(), "slope", min=0.6) in ("FAIL", "INCONCLUSIVE")
    constant = p.model_of(lambda x: np.ones((len(x), 1)), task="regression")
    nothing = p.measure(PROBE, p.made(constant, counts))
    assert p.status(PROBE, nothing.values(), "slope", min=0.6) == "INCONCLUSIVE"


def test_a_score_responds_or_does_not():
    """A classifier that counts responds to nearly every lesion; one that reads the corner to none."""
    cohort = p.cohort_of(n=40, counts=((0, 1), (1, 3)))
    found = p.measure(PROBE, p.made(p.healthy(), cohort))
    assert found["response_rate", "insert"].low > 0.8
    assert found["log_odds_slope", "insert"].value == pytest.approx(2.0, abs=0.5)
    assert ("slope", "insert") not in found
    reader = p.model_of(lambda x: (x[:, 0, 0] - 100)[:, None] / 4)
    other = p.measure(PROBE, p.made(reader, cohort))
    assert other["response_rate", "insert"].value == 0
    assert p.status(PROBE, other.values(), "response_rate", min=0.7, parameter="insert") == "FAIL"


def test_no_image_gets_more_lesions_than_the_95th_centile():
    """Where all have as many as the 95th centile, nothing is put in."""
    cohort = p.cohort_of(n=30, targets="count", counts=((2, 2), (2, 2)))
    cohort = replace(cohort, targets=cohort.targets + np.arange(30) % 2)
    found = p.measure(PROBE, p.made(p.counter(), cohort))
    assert "no image had room" in found["slope", "insert"].missing
    assert found["slope", "erase"].n > 0


def test_an_inserted_lesion_is_found_by_a_segmentation():
    """The mask touches nearly all inserted lesions, and marks as much as was put in."""
    cohort = replace(p.cohort_of(n=30, counts=((0, 2), (1, 3))), targets=np.zeros(30))
    areas = cohort.masks.array.reshape(30, -1).sum(axis=1).astype(float)
    ctx = p.made(p.segmenter(25.0), cohort, raw=areas[:, None], columns=("volume_predicted",))
    found = p.measure(PROBE, ctx)
    assert found["detection_rate", None].low > 0.7
    assert found["slope", "insert"].value == pytest.approx(1.0, abs=0.4)


def test_a_mask_of_everything_detects_nothing():
    """It touches every inserted lesion and every sham, so the rate is 0 and a rule on it does not pass."""
    cohort = replace(p.cohort_of(n=16, counts=((0, 2), (1, 3))), targets=np.zeros(16))
    model = p.model_of(lambda x: np.ones((len(x), 1, *x.shape[1:])), task="segmentation")
    ctx = p.made(model, cohort, raw=np.full((16, 1), 576.0), columns=("volume_predicted",))
    found = p.measure(PROBE, ctx)
    assert found["detection_rate", None].value in (0, None)
    assert p.status(PROBE, found.values(), "detection_rate", min=0.5) in ("FAIL", "INCONCLUSIVE")


def test_a_finding_that_counts_is_told_from_one_that_does_not():
    """Of two findings the one that counts lesions responds to them, under its own name; the other does not."""
    few = p.cohort_of(n=24, counts=((0, 1), (1, 3)))
    card = replace(p.healthy().card, task="multilabel", classes=("lesion", "device"))
    model = FunctionModel(
        card=card, answer=lambda x: np.stack([2.0 * (p.bright(x[:, 0]) - 1.5), (x[:, 0, 0, 0] - 100) / 4], axis=1)
    )
    cohort = replace(few, targets=np.eye(2, dtype=np.int64)[few.targets], classes=("lesion", "device"))
    found = {
        (m.condition["class"], m.condition["parameter"]): m
        for m in PROBE().run(p.made(model, cohort))
        if m.metric == "response_rate"
    }
    assert found["lesion", "insert"].low > 0.7
    assert found["device", "insert"].high < 0.3


def volumes(n=24):
    """Volumes of 13 planes with lesions, the middle plane of each being the one that was read."""
    rng = np.random.default_rng(4)
    images, masks = p.LEVEL + rng.normal(0, p.NOISE, (n, 13, 20, 20)), np.zeros((n, 13, 20, 20), dtype=np.uint8)
    for case in range(n):
        for _ in range(case % 3):
            at = tuple(int(rng.integers(2, s - 3)) for s in (13, 20, 20))
            box = (case, *(slice(a - 1, a + 2) for a in at))
            if masks[box].any():
                continue
            masks[box] = 1
            images[box] += p.CONTRAST
    return small_cohort(
        np.arange(n) % 3 * 1.0, images=ArrayImages(array=np.rint(images)[:, None].astype(np.float32)),
        masks=ArrayImages(array=masks[:, None]), classes=(), spacing_mm=(2.0, 1.0, 1.0),
        annotated_planes=np.full(n, 6),
    )  # fmt: skip


@pytest.mark.parametrize("plane_only", [True, False])
def test_a_model_that_counts_one_plane_is_told_from_one_that_counts_all(plane_only):
    """The ratio of the slopes off and in the annotated plane is 0 for the one and 1 for the other, to 0.25."""

    def answer(x):
        seen = x[:, 6:7] if plane_only else x
        level = np.median(x, axis=(1, 2, 3), keepdims=True)
        out = np.clip(seen - level - 25, 0, None).sum(axis=(1, 2, 3)) / (27 * 35) * (3 if plane_only else 1)
        return out + 0.001 * (x[:, 0, 0, 0] - p.LEVEL)

    model = p.model_of(lambda x: answer(x)[:, None], task="regression")
    assert isinstance(model, FunctionModel)
    found = p.measure(PROBE, p.made(model, volumes()))
    ratio = found["plane_ratio", None]
    assert ratio.value == pytest.approx(0.0 if plane_only else 1.0, abs=0.25)
    assert p.status(PROBE, found.values(), "plane_ratio", min=0.5) == ("FAIL" if plane_only else "PASS")


def test_without_a_mask_nothing_is_said_of_the_others(counts):
    """Where more than 5 % of the cases have no mask the numbers are missing."""
    masks = ArrayImages(array=counts.masks.array, broken=dict.fromkeys(range(10), "no mask for this case"))
    found = p.measure(PROBE, p.made(p.counter(), replace(counts, masks=masks)))
    assert "10 of 50 cases have no mask" in found["slope", "insert"].missing


def test_no_lesion_to_move_is_no_answer():
    """A cohort whose masks are empty has nothing to put in."""
    cohort = p.cohort_of(n=12, counts=((0, 0), (0, 0)))
    with pytest.raises(NotApplicable):
        list(PROBE().run(p.made(p.healthy(), cohort)))


def test_it_conforms():
    """Deterministic by seed, inputs untouched, declared metrics only."""
    assert check_probe(PROBE, {"pictures": lambda: p.made(p.healthy(), p.cohort_of(n=12))}) == ("pictures",)
