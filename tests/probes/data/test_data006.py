"""DATA006 metadata-predicts-label."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from audit.cohorts import FileSource
from audit.core import Attribute, AttributeSpec, InputSpec, Measurement, NotApplicable, ProbeContext
from audit.probes.data import MetadataPredictsLabel
from audit.probes.data.data006_metadata_predicts_label import _cut, _exchanged
from audit.testing import (
    ArrayImages,
    attribute,
    check_probe,
    conforming_contexts,
    context,
    planted,
    saved_context,
    small_cohort,
    tiny_cohort,
)


def run(ctx: ProbeContext, metric: str = "auc") -> dict[tuple[Any, Any], Measurement]:
    """Measurements of one metric by (attribute, learner)."""
    return {
        (m.condition["attribute"], m.condition.get("parameter")): m
        for m in MetadataPredictsLabel().run(ctx)
        if m.metric == metric
    }


def made(*, follows: float, n: int = 500, seed: int = 0, **more: Any) -> ProbeContext:
    """A clinic that goes with the label as often as said, and a sex that does not."""
    rng = np.random.default_rng(seed)
    label = np.arange(n) % 2
    clinic = np.where(rng.random(n) < follows, label, rng.integers(0, 2, n))
    given = [
        attribute("clinic", np.array(["a", "b"])[clinic], "protocol"),
        attribute("sex", np.array(["f", "m"])[rng.integers(0, 2, n)], "protected"),
    ]
    return saved_context(rng.random(n), small_cohort(label, attributes=given, **more))


def test_a_column_that_tells_the_label_is_named() -> None:
    """Clinic is right in nine of ten, so its AUC is 0.9 to 0.03, alone and with all; sex stays at chance."""
    found = run(made(follows=0.8))
    assert found["clinic", "logistic regression"].value == pytest.approx(0.9, abs=0.03)
    for learner in ("logistic regression", "boosted trees"):
        low = found["(all)", learner].low
        assert low is not None
        assert low > 0.8
    high = found["sex", "logistic regression"].high
    assert high is not None
    assert high < 0.62


def test_columns_that_say_nothing_are_silent() -> None:
    """Without a relation nothing is above 0.6 with its interval, and over ten cohorts the mean is 0.5 to 0.02."""
    values = []
    for seed in range(10):
        found = run(made(follows=0.0, seed=seed))
        assert all(m.low is not None and m.low < 0.55 for m in found.values())
        values += [m.value for m in found.values() if m.value is not None]
    assert np.mean(values) == pytest.approx(0.5, abs=0.02)


def test_exchanged_labels_come_out_at_chance() -> None:
    """The control of the same column holds 0.5, while the column itself is far above."""
    control = run(made(follows=0.8), "auc_control")["clinic", None]
    assert control.low is not None
    assert control.low < 0.5
    assert control.high is not None
    assert control.high < 0.65


def test_the_source_of_the_label_is_a_column_too() -> None:
    """Histology for the ill and follow-up for most of the well tells the label."""
    label = np.arange(400) % 2
    source = np.where((label == 1) | (np.arange(400) % 8 == 0), "histology", "follow-up")
    found = run(made(follows=0.0, n=400, reference_levels=source, reference_method="how"))
    low = found["(label source)", "logistic regression"].low
    assert low is not None
    assert low > 0.8


def test_a_bent_relation_to_a_number_is_seen() -> None:
    """The middle-aged are ill, the young and the old are not: fifths show what a straight line would not."""
    rng = np.random.default_rng(1)
    age = rng.uniform(20, 80, 500)
    label = (np.abs(age - 50) < 15).astype(int)
    given = Attribute(spec=AttributeSpec(name="age", role="covariate"), levels=age.astype(str), numbers=age)
    found = run(saved_context(rng.random(500), small_cohort(label, attributes=[given])))
    low = found["age", "logistic regression"].low
    assert low is not None
    assert low > 0.75
    assert np.unique(_cut(given).levels).size == 5


def pictures(folder: Path, *, follows: bool) -> FileSource:
    """PNG files of noise; those of the ill are larger by four pixels, or every second one is."""
    rng = np.random.default_rng(2)
    for i in range(120):
        side = 20 if (i % 2 if follows else i // 2 % 2) else 16
        Image.fromarray(rng.integers(0, 256, (side, side), dtype=np.uint8)).save(folder / f"{i}.png")
    names = np.array([f"{i}.png" for i in range(120)])
    return FileSource(
        references=names, folder=folder, root=folder, input=InputSpec(range=(0, 255), size=(16, 16), resize="bilinear")
    )


@pytest.mark.parametrize("follows", [True, False])
def test_a_file_that_gives_the_label_away_is_found(tmp_path: Path, follows: bool) -> None:
    """Larger files of the ill are told by the file alone, though the model sees all images at one size."""
    cohort = small_cohort(np.arange(120) % 2, images=None)
    source: Any = pictures(tmp_path, follows=follows)
    found = run(saved_context(np.linspace(0, 1, 120), replace(cohort, images=source)))
    m = found["(file)", "boosted trees"]
    assert m.low is not None
    assert (m.low > 0.9) == follows
    assert m.n == 120


def test_images_that_are_alike_have_no_number() -> None:
    """Where size, type and depth are the same throughout, there is nothing to learn from, and the reason says so."""
    found = run(context(planted(), tiny_cohort(np.random.default_rng(1), n=100)))
    m = found["(file)", "boosted trees"]
    assert m.value is None
    assert "alike" in str(m.missing)


def test_an_image_that_cannot_be_read_is_left_out() -> None:
    """A broken file is not among the cases of the number."""
    images = ArrayImages(array=np.random.default_rng(0).normal(size=(100, 1, 8, 8)), broken={3: "damaged"})
    cohort = small_cohort(np.arange(100) % 2, images=images)
    assert run(saved_context(np.linspace(0, 1, 100), cohort))["(file)", "boosted trees"].n == 99


def test_images_none_of_which_can_be_read_have_no_number() -> None:
    """The file then has a row with a reason, and nothing crashes."""
    images = ArrayImages(array=np.zeros((60, 1, 8, 8)), broken=dict.fromkeys(range(60), "damaged"))
    found = run(saved_context(np.linspace(0, 1, 60), small_cohort(np.arange(60) % 2, images=images)))
    rows = [m for (name, _), m in found.items() if name == "(file)"]
    assert rows
    assert all(m.value is None and str(m.missing).startswith("0 patients among positives") for m in rows)


def test_exchanging_labels_keeps_patients_whole() -> None:
    """All images of a patient get one label, and as many patients are ill as before."""
    owner = np.repeat(np.arange(30), 4)
    label = owner % 3 == 0
    new = _exchanged(label, owner, np.random.default_rng(0))
    assert all(np.unique(new[owner == p]).size == 1 for p in range(30))
    assert new.sum() == label.sum()


def test_nothing_to_learn_from_is_not_applicable() -> None:
    """Saved predictions without any attribute offer no column."""
    with pytest.raises(NotApplicable, match="no attribute"):
        MetadataPredictsLabel().run(saved_context(np.linspace(0, 1, 40), small_cohort(np.arange(40) % 2)))


def test_it_keeps_the_protocol() -> None:
    """The conformance kit completes."""
    names = ("binary, twelve cases", "binary with images, other splits and cases set aside", "binary, empty cells")
    some = {name: make for name, make in conforming_contexts().items() if name in names}
    assert set(check_probe(MetadataPredictsLabel, some)) == set(names)


@pytest.mark.slow
def test_it_keeps_the_protocol_everywhere() -> None:
    """In all contexts of the conformance kit."""
    assert {"multiclass", "multilabel", "ordinal, raters"} <= set(check_probe(MetadataPredictsLabel))
