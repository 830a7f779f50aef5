"""Contexts of every task that needs no torch, from the ordinary to the poorest, and with all that can be declared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import MISSING_LEVEL, IntendedUse, Prevalence, ProbeContext
from audit.testing._cohorts import (
    ArrayImages,
    attribute,
    comparator,
    other_split,
    small_cohort,
    tiny_cohort,
    with_aside,
    with_unverified,
)
from audit.testing._conforming_images import lesions_and_distractors
from audit.testing._contexts import context, saved_context
from audit.testing._models import planted
from audit.testing._recipes import region_recipe, trained_context

if TYPE_CHECKING:
    from numpy.typing import NDArray

Make = Callable[[], ProbeContext]


def conforming_contexts() -> dict[str, Make]:
    """Return contexts of every task that needs no torch, from the ordinary to the poorest."""

    def images(**options: Any) -> Make:
        return lambda: context(planted(), tiny_cohort(np.random.default_rng(1), n=240, **options))

    return {
        "binary with images": images(),
        "binary, three cases a patient": images(per_patient=3),
        "binary, declared prevalence": lambda: context(
            planted(),
            tiny_cohort(np.random.default_rng(1), n=240),
            prevalence=Prevalence(value=0.1, low=0.05, high=0.2),
        ),
        "binary, golden batch": _golden,
        "binary, saved": lambda: _saved(n=200),
        "binary, no attributes": lambda: _saved(n=200, attributes=False),
        "binary, no operating point": lambda: _saved(n=200, operating_point=None),
        "binary, twelve cases": lambda: _saved(n=12),
        "binary, one class": lambda: _saved(n=60, positives=0.0),
        "binary, empty cells": lambda: _saved(n=200, empty=True),
        "multiclass": _multiclass,
        "multilabel": _multilabel,
        "regression": _regression,
        "segmentation": _segmentation,
        "binary, with all that can stand beside": _beside,
        "binary with images, other splits and cases set aside": _splits,
        "ordinal, raters": _ordinal,
        "regression, raters and a comparator": _measured,
        "survival": _survival,
        "binary, a training recipe": _trainable,
        "binary, MR with lesions and distractors": lesions_and_distractors,
    }


def _trainable() -> ProbeContext:
    development, audited = (tiny_cohort(np.random.default_rng(seed), n=160) for seed in (3, 1))
    return trained_context(development, audited, recipe=region_recipe, target=0.7)


def _golden() -> ProbeContext:
    model, cohort = planted(), tiny_cohort(np.random.default_rng(1), n=60)
    images = np.random.default_rng(7).normal(size=(4, 1, 8, 8))
    return context(model, cohort, golden={"images": images, "outputs": model.predict(images)})


def _saved(
    *, n: int, attributes: bool = True, operating_point: float | None = 0.5, positives: float = 0.4, empty: bool = False
) -> ProbeContext:
    rng = np.random.default_rng(2)
    target = (np.arange(n) < positives * n).astype(np.int64)
    score = 1 / (1 + np.exp(-(2 * target - 1 + rng.normal(size=n))))
    sites = np.array(["north", "south", ""])[rng.integers(0, 3 if empty else 2, n)]
    sites = np.where(sites == "", "(missing)", sites)
    given = _attributes(rng, n, sites) if attributes else ()
    return saved_context(score, small_cohort(target, attributes=given), operating_point=operating_point)


def _attributes(rng: np.random.Generator, n: int, sites: NDArray[Any] | None = None) -> tuple[Any, ...]:
    sex = np.array(["female", "male"])[rng.integers(0, 2, n)]
    place = np.array(["north", "south"])[rng.integers(0, 2, n)] if sites is None else sites
    age = np.array(["[20, 60)", "[60, 90]"])[rng.integers(0, 2, n)]
    return (
        attribute("sex", sex, "protected", also=("confounder",), reason="body size"),
        attribute("site", place, "protocol", also=("confounder",), reason="case mix"),
        attribute("age", age, "protected"),
    )


def _multiclass() -> ProbeContext:
    rng = np.random.default_rng(3)
    target = np.arange(240) % 3
    raw = rng.normal(size=(240, 3)) + 1.5 * np.eye(3)[target]
    cohort = small_cohort(target, attributes=_attributes(rng, 240), classes=("none", "glioma", "metastasis"))
    return saved_context(raw, cohort, task="multiclass", output="logits", operating_point=None)


def _multilabel() -> ProbeContext:
    rng = np.random.default_rng(4)
    target = rng.integers(0, 2, (240, 2))
    raw = rng.normal(size=(240, 2)) + 2.0 * target - 1
    cohort = small_cohort(target, attributes=_attributes(rng, 240), classes=("effusion", "nodule"))
    return saved_context(raw, cohort, task="multilabel", output="logits")


def _regression() -> ProbeContext:
    rng = np.random.default_rng(5)
    target = rng.normal(60, 12, 240)
    raw = target + rng.normal(1, 4, 240)
    cohort = small_cohort(target, attributes=_attributes(rng, 240), classes=())
    return saved_context(raw, cohort, task="regression", output="value", operating_point=None)


def _segmentation() -> ProbeContext:
    rng = np.random.default_rng(6)
    reference = rng.uniform(5, 40, 240)
    predicted = reference * rng.normal(0.95, 0.08, 240)
    dice = np.clip(rng.normal(0.85, 0.06, 240), 0, 1)
    lesions = rng.integers(0, 4, 240)
    found, false = rng.binomial(lesions, 0.8), rng.integers(0, 2, 240)
    columns = {
        "dice": dice, "surface_dice": np.clip(dice + 0.05, 0, 1), "hd95": rng.uniform(1, 6, 240),
        "volume_predicted": predicted, "volume_reference": reference, "lesions_reference": lesions,
        "lesions_found": found, "lesions_predicted": found + false, "lesions_false": false,
    }  # fmt: skip
    cohort = small_cohort(np.zeros(240), attributes=_attributes(rng, 240), classes=("background", "lesion"))
    return saved_context(
        np.stack(list(columns.values()), axis=1), cohort, task="segmentation", output="mask_probabilities",
        operating_point=None, columns=tuple(columns),
    )  # fmt: skip


def _beside() -> ProbeContext:
    rng, n, m = np.random.default_rng(8), 240, 45
    owner = np.repeat(np.arange(n // 2), 2)
    target = np.repeat((np.arange(n // 2) % 5 < 2).astype(np.int64), 2)
    logit = 2.0 * target - 1 + np.repeat(rng.normal(size=n // 2), 2)
    score = 1 / (1 + np.exp(-(logit + 0.3 * rng.normal(size=n))))
    first, second = (np.where(rng.random(n) < 0.1, 1 - target, target) for _ in range(2))
    given = (
        *_attributes(rng, n), attribute("severity", np.array(["mild", "severe"])[rng.integers(0, 2, n)], "severity"),
        attribute("reader_a", first.astype(str), "rater"), attribute("reader_b", second.astype(str), "rater"),
        attribute("examination", np.where(np.arange(n) < n // 2, owner.astype(str), MISSING_LEVEL), "repeat"),
    )  # fmt: skip
    cohort = small_cohort(
        target, attributes=given, patients=owner, ungradable=rng.random(n) < 0.05,
        comparators=(
            comparator("radiologist", 1 / (1 + np.exp(-(2 * target - 1 + rng.normal(size=n)))), operating_point=0.5),
            comparator("triage nurse", first, output="decision"),
        ),
        raters={"reader_a": first.astype(float), "reader_b": second.astype(float)},
        reference_method="method", reference_levels=np.array(["biopsy", "follow-up"])[rng.integers(0, 2, n)],
        others=(other_split([*range(5), *range(1000, 1040)]),),
    )  # fmt: skip
    levels = {a.name: a.levels[:m] for a in given}
    cohort = with_unverified(cohort, m, attributes=levels)
    reasons = ["ungradable", "image file not found", "no target"]
    cohort = with_aside(
        cohort, reasons=[reasons[i % 3] for i in range(m)], targets=target[:m], attributes=levels,
        known=np.arange(m) % 3 < 2, ungradable=np.arange(m) % 3 == 0,
    )  # fmt: skip
    use = IntendedUse(
        statement="triage", prevalence=Prevalence(value=0.1, low=0.05, high=0.2), cases_per_year=1000,
        population={"sex": {"female": 0.5, "male": 0.5}, "site": {"north": 0.3, "south": 0.6, "east": 0.1}},
    )  # fmt: skip
    return saved_context(
        score, cohort, intended_use=use, unverified_raw=rng.random(m),
        card={"training_rater": "reader_a", "operating_point_chosen_on": "validation"},
    )  # fmt: skip


def _splits() -> ProbeContext:
    cohort = tiny_cohort(np.random.default_rng(1), n=120)
    images = cohort.images
    if not isinstance(images, ArrayImages):  # pragma: no cover - a tiny cohort has its images in memory
        raise TypeError("expected images in memory")
    train = np.random.default_rng(9).normal(size=(40, *images.array.shape[1:]))
    train[:3] = images.array[:3]
    split = other_split([*range(2), *range(500, 538)], images=ArrayImages(array=train))
    levels = {name: np.resize(a.levels, 6) for name, a in cohort.attributes.items()}
    cohort = with_aside(
        replace(cohort, others=(split,)), reasons=["image file not found"] * 6, targets=np.arange(6) % 2,
        attributes=levels,
    )  # fmt: skip
    return context(planted(), cohort)


def _ordinal() -> ProbeContext:
    rng = np.random.default_rng(10)
    target = np.arange(240) % 4
    raw = rng.normal(size=(240, 4)) + 1.5 * np.eye(4)[target]
    readers = {f"reader_{k}": np.clip(target + rng.integers(-1, 2, 240), 0, 3).astype(float) for k in "ab"}
    given = (*_attributes(rng, 240), *(attribute(k, v.astype(int).astype(str), "rater") for k, v in readers.items()))
    cohort = small_cohort(target, attributes=given, classes=("none", "mild", "moderate", "severe"), raters=readers)
    return saved_context(raw, cohort, task="ordinal", output="logits", operating_point=None)


def _measured() -> ProbeContext:
    rng, n = np.random.default_rng(11), 240
    owner = np.repeat(np.arange(n // 2), 2)
    target = np.repeat(rng.normal(60, 12, n // 2), 2)
    readers = {f"reader_{k}": target + rng.normal(0, 3, n) for k in "ab"}
    given = (
        *_attributes(rng, n), *(attribute(k, v.astype(str), "rater") for k, v in readers.items()),
        attribute("examination", owner.astype(str), "repeat"),
    )  # fmt: skip
    cohort = small_cohort(
        target, attributes=given, patients=owner, classes=(), raters=readers,
        comparators=(comparator("formula", target + rng.normal(0, 6, n), output="value"),),
    )  # fmt: skip
    raw = target + rng.normal(1, 4, n)
    return saved_context(raw, cohort, task="regression", output="value", operating_point=None)


def _survival() -> ProbeContext:
    rng, n = np.random.default_rng(12), 200
    risk = rng.normal(size=n)
    event, censored = rng.exponential(700 * np.exp(-0.8 * risk)), rng.uniform(200, 1500, n)
    seen = event <= censored
    cohort = small_cohort(
        np.minimum(event, censored), event=seen, attributes=_attributes(rng, n), classes=(),
        comparators=(comparator("score", risk + rng.normal(size=n), output="value"),),
    )  # fmt: skip
    said = 1 - np.exp(-365 / 700 * np.exp(0.8 * risk))
    return saved_context(
        said, cohort, task="survival", output="probabilities", operating_point=None, card={"horizon": 365.0}
    )
