"""CONF009: what only looks like a lesion."""

import numpy as np
import pytest

from audit.core import NotApplicable
from audit.probes.confounding import LesionTypeSpecificity
from audit.testing import check_probe
from tests.probes.confounding import pictures as p

PROBE = LesionTypeSpecificity


@pytest.fixture(scope="module")
def counts():
    """Images with bright lesions, their number as the reference, and dark lacunes."""
    return p.cohort_of(n=50, targets="count", counts=((0, 2), (1, 3)), distractors=3)


def test_a_counter_of_lesions_does_not_count_lacunes(counts):
    """The ratio is 0 within 0.1, and passes a limit of 0.3 on either side."""
    found = p.measure(PROBE, p.made(p.counter(), counts))
    assert found["specificity_ratio", "lacune"].value == pytest.approx(0.0, abs=0.1)
    assert p.status(PROBE, found.values(), "specificity_ratio", min=-0.3, max=0.3) == "PASS"


def test_a_counter_of_both_is_exposed(counts):
    """A model to which a lacune is half a lesion has a ratio of 0.5, to 0.2, and FAILs."""
    both = p.model_of(lambda x: (p.bright(x) + 0.5 * p.dark(x))[:, None] + x[:, 0, :1] / 1000, task="regression")
    found = p.measure(PROBE, p.made(both, counts))
    ratio = found["specificity_ratio", "lacune"]
    assert ratio.value == pytest.approx(0.5, abs=0.2)
    assert ratio.method.startswith("Fieller")
    assert p.status(PROBE, found.values(), "specificity_ratio", max=0.2) == "FAIL"


def test_a_model_that_sees_no_lesion_has_no_ratio(counts):
    """Where the slope on lesions is not told from 0 the ratio may be anything: INCONCLUSIVE, never PASS."""
    blind = p.model_of(lambda x: x[:, 0, :1] / 4, task="regression")
    found = p.measure(PROBE, p.made(blind, counts))
    assert found["specificity_ratio", "lacune"].value is None
    assert p.status(PROBE, found.values(), "specificity_ratio", max=0.2) == "INCONCLUSIVE"


def test_undeclared_distractors_are_not_tried():
    """Without [cohort.distractors] the question has no meaning, and the reason names the table."""
    with pytest.raises(NotApplicable, match=r"cohort\.distractors"):
        list(PROBE().run(p.made(p.healthy(), p.cohort_of(n=12))))


def test_inserted_distractors_are_marked_or_not():
    """A segmentation of bright spots touches no lacune; one of anything unlike its surroundings touches them."""
    from dataclasses import replace

    cohort = replace(p.cohort_of(n=30, counts=((0, 2), (1, 3)), distractors=3), targets=np.zeros(30))
    areas = cohort.masks.array.reshape(30, -1).sum(axis=1).astype(float)
    either = p.model_of(
        lambda x: (np.abs(x - np.median(x, axis=(1, 2), keepdims=True)) - 25)[:, None], task="segmentation"
    )
    found = {}
    for name, model in (("bright", p.segmenter(25.0)), ("either", either)):
        ctx = p.made(model, cohort, raw=areas[:, None], columns=("volume_predicted",))
        found[name] = p.measure(PROBE, ctx)["distractor_false_positives", "lacune"]
    assert found["bright"].high < 0.3
    assert found["either"].low > 0.7


def test_a_mask_of_nothing_is_not_praised_for_sparing_distractors():
    """It touches no inserted lesion either, so that there is no number and no rule passes."""
    from dataclasses import replace

    cohort = replace(p.cohort_of(n=16, counts=((0, 2), (1, 3)), distractors=3), targets=np.zeros(16))
    model = p.model_of(lambda x: -np.ones((len(x), 1, *x.shape[1:])), task="segmentation")
    ctx = p.made(model, cohort, raw=np.zeros((16, 1)), columns=("volume_predicted",))
    found = p.measure(PROBE, ctx)
    assert "no inserted lesion either" in found["distractor_false_positives", "lacune"].missing
    assert p.status(PROBE, found.values(), "distractor_false_positives", max=0.5) == "INCONCLUSIVE"


def test_it_conforms():
    """Deterministic by seed, inputs untouched, declared metrics only."""
    make = lambda: p.made(p.healthy(), p.cohort_of(n=12, distractors=2))  # noqa: E731
    assert check_probe(PROBE, {"pictures": make}) == ("pictures",)
