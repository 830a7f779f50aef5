"""CONF005: markers, ink and file formats that change an answer."""

from dataclasses import replace

import numpy as np
import pytest

from audit.core import NotApplicable
from audit.edits import MARKERS, TELLTALES
from audit.probes.confounding import MarkerInserted
from audit.testing import check_probe, saved_context
from tests.probes.confounding import pictures as p

PROBE = MarkerInserted


@pytest.fixture(scope="module")
def cohort():
    """Images that hold lesions and no marker."""
    return p.cohort_of(n=60)


@pytest.fixture(scope="module")
def of_healthy(cohort):
    """What is measured on the model that counts lesions near the middle."""
    middle = p.model_of(lambda x: 4.0 * (p.bright(x[:, 5:-5, 5:-5]) - 1.5)[:, None])
    return p.measure(PROBE, p.made(middle, cohort))


def corner(x):
    """Return the brightness of the top left corner."""
    return x[:, :4, :4].max(axis=(1, 2)) - 150


def test_a_marker_reader_is_exposed_by_the_markers_name(cohort):
    """A model that calls whatever has a bright corner flips by what is put there, and not by a resampled file."""
    reader = p.model_of(lambda x: np.where(corner(x) > 0, 5.0, 4.0 * (p.bright(x) - 1.5))[:, None])
    found = p.measure(PROBE, p.made(reader, cohort))
    for kind in ("laterality marker", "corner patch"):
        assert found["flip_rate", kind].low > 0.2
        assert p.status(PROBE, found.values(), "flip_rate", max=0.1, parameter=kind) == "FAIL"
    assert found["flip_rate", "JPEG"].high < 0.2
    changes = {
        (m.condition["parameter"], m.condition["stratum"]): m
        for m in PROBE().run(p.made(reader, cohort))
        if m.metric == "score_change"
    }
    assert changes["corner patch", "controls"].low > 0.05
    assert changes["corner patch", "cases"].high < changes["corner patch", "controls"].low


def test_a_model_that_looks_at_the_lesion_is_not_moved(of_healthy):
    """No marker turns a decision beyond what so few cases can show, and noise in its place does neither."""
    for kind in ("laterality marker", "corner patch"):
        assert of_healthy["flip_rate", kind].value == 0
        assert of_healthy["flip_rate_excess", kind].value <= 0.02
        assert p.status(PROBE, of_healthy.values(), "flip_rate", max=0.1, parameter=kind) == "PASS"


def test_every_kind_of_mark_is_tried_where_none_is_ruled_out(of_healthy):
    """An undeclared modality gets them all, each with its sham, and a grey film no fewer."""
    kinds = {parameter for metric, parameter in of_healthy if metric == "flip_rate"}
    assert kinds == {*MARKERS, *TELLTALES}
    assert {k for m, k in of_healthy if m == "sham_flip_rate"} == kinds


def test_a_value_needs_a_tolerance(cohort):
    """A real value flips where it moves beyond the declared tolerance; without one there is no number."""
    counts = p.cohort_of(n=40, targets="count")
    bare = p.measure(PROBE, p.made(p.counter(), counts))
    assert "tolerance" in bare["flip_rate", "corner patch"].missing
    held = p.measure(PROBE, p.made(p.counter(clinical_tolerance=1.0), counts))
    assert held["flip_rate", "corner patch"].low > 0.5


@pytest.mark.parametrize("offset", [0.0, -60.0])
def test_a_model_that_decides_the_same_of_all_does_not_pass(offset):
    """Constant, or far below its threshold for every image: that nothing flips says nothing, and no rule passes."""
    few = p.cohort_of(n=12)
    model = p.model_of(lambda x: (offset + (p.bright(x) if offset else np.zeros(len(x))))[:, None])
    found = p.measure(PROBE, p.made(model, few))
    assert "decides the same" in found["flip_rate", "corner patch"].missing
    for metric in ("flip_rate", "flip_rate_excess"):
        assert p.status(PROBE, found.values(), metric, max=0.5, parameter="corner patch") == "INCONCLUSIVE"
    if not offset:
        assert p.status(PROBE, found.values(), "score_change", max=0.5, parameter="corner patch") == "INCONCLUSIVE"


def test_a_finding_that_reads_the_marker_is_told_from_one_that_does_not():
    """Of two findings, and of three classes, the one that reads the corner flips under its own name."""
    few = p.cohort_of(n=24)
    lesions = lambda x: 4.0 * (p.bright(x[:, 5:-5, 5:-5]) - 1.5)  # noqa: E731
    marked = lambda x: np.where(corner(x) > 0, 9.0, -9.0)  # noqa: E731
    shapes = {
        "multilabel": (lambda x: np.stack([lesions(x), marked(x) + lesions(x)], axis=1), np.eye(2)[few.targets]),
        "multiclass": (lambda x: np.stack([0 * lesions(x), lesions(x), marked(x)], axis=1), few.targets),
    }
    for task, (answer, targets) in shapes.items():
        names = ("lesion", "device", "other")[: 2 if task == "multilabel" else 3]
        card = replace(
            p.healthy().card, task=task, classes=names, operating_point=0.5 if task == "multilabel" else None
        )
        model = replace(p.model_of(lambda x: x), card=card, answer=lambda x, f=answer: f(x[:, 0]))
        cohort = replace(few, targets=targets.astype(np.int64), classes=names)
        found = {
            (m.condition["class"], m.condition["parameter"]): m
            for m in PROBE().run(p.made(model, cohort))
            if m.metric == "flip_rate"
        }
        reader = "device" if task == "multilabel" else "other"
        assert found[reader, "corner patch"].low > 0.4
        assert found[reader, "JPEG"].missing
        assert found["lesion", "JPEG"].value < 0.3
        if task == "multilabel":
            assert found["lesion", "corner patch"].value == 0


def test_an_answer_that_is_no_number_is_no_pass(cohort):
    """A model that breaks on an edited image has no flip rate."""
    broken = p.model_of(lambda x: np.where(corner(x) > 0, np.nan, p.bright(x))[:, None])
    found = p.measure(PROBE, p.made(broken, cohort))
    assert found["flip_rate", "corner patch"].value is None
    assert p.status(PROBE, found.values(), "flip_rate", max=0.1) == "INCONCLUSIVE"


def test_saved_answers_cannot_be_asked_again():
    """Without a model to ask the question has no meaning."""
    with pytest.raises(NotApplicable):
        list(PROBE().run(saved_context(np.linspace(0, 1, 80), p.cohort_of())))


def test_it_conforms():
    """Deterministic by seed, inputs untouched, declared metrics only."""
    assert check_probe(PROBE, {"pictures": lambda: p.made(p.healthy(), p.cohort_of(n=12))}) == ("pictures",)
