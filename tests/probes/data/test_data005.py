"""DATA005 label-source-differs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audit.core import Measurement, NotApplicable, ProbeContext
from audit.probes.data import LabelSourceDiffers
from audit.testing import attribute, check_probe, saved_context, small_cohort


def made(follows_sex: bool, *, n: int = 400, source: Any = None, **options: Any) -> ProbeContext:
    """Half men, half women; histology for the men and follow-up for the women, or a draw."""
    rng = np.random.default_rng(3)
    men = np.arange(n) % 2 == 0
    histology = men if follows_sex else rng.random(n) < 0.5
    target = rng.integers(0, 2, n)
    cohort = small_cohort(
        target, attributes=(attribute("sex", np.where(men, "male", "female"), "protected"),),
        reference_levels=np.where(histology, "histology", "follow-up") if source is None else source,
        reference_method="how", **options,
    )  # fmt: skip
    return saved_context(rng.random(n), cohort)


def associations(ctx: ProbeContext) -> dict[object, Measurement]:
    """V by attribute."""
    return {m.condition["attribute"]: m for m in LabelSourceDiffers().run(ctx) if m.metric == "association"}


def test_a_source_that_follows_sex_is_found() -> None:
    """Histology for men, follow-up for women: V is 1, and far from 0 in its interval."""
    found = associations(made(True))["sex"]
    assert found.value == pytest.approx(1, abs=0.01)
    assert found.low is not None
    assert found.low > 0.8
    assert (found.n, found.n_patients) == (400, 400)


def test_sources_mixed_alike_are_silent() -> None:
    """Drawn sources: the interval of V begins at 0 for sex and for the target, in nine of ten cohorts at least."""
    starts = []
    for seed in range(30):
        source = np.array(["a", "b", "c"])[np.random.default_rng(seed).integers(0, 3, 400)]
        starts += [m.low == 0 for m in associations(made(False, source=source)).values()]
    assert np.mean(starts) >= 0.9


def test_prevalence_is_given_by_source() -> None:
    """Ten of 40 under histology and 30 of 60 under follow-up, each with its own n."""
    source = np.array(["histology"] * 40 + ["follow-up"] * 60)
    target = np.concatenate([np.arange(40) < 10, np.arange(60) < 30]).astype(int)
    ctx = saved_context(np.linspace(0, 1, 100), small_cohort(target, reference_levels=source, reference_method="how"))
    rows = {m.condition["stratum"]: m for m in LabelSourceDiffers().run(ctx) if m.metric == "prevalence"}
    assert {k: (m.k, m.n, m.value) for k, m in rows.items()} == {
        "histology": (10, 40, 0.25), "follow-up": (30, 60, 0.5),
    }  # fmt: skip
    # Chi-square of [[10, 30], [30, 30]] is 100 (300 - 900)^2 / (40 60 40 60) = 6.25.
    v = np.sqrt((0.0625 - 1 / 99) / (1 - 1 / 99))
    assert associations(ctx)["(target)"].value == pytest.approx(v, abs=1e-12)


def test_the_cross_table_is_kept() -> None:
    """Cases by source and level, with the p-value of the exchange."""
    ctx = made(True, n=40)
    list(LabelSourceDiffers().run(ctx))
    table = next(a for a in ctx.sink.artifacts if a.meta["attribute"] == "sex")
    assert table.name == "label_sources"
    assert table.arrays["cases"].tolist() == [[20, 0], [0, 20]]
    assert table.meta["p"] == pytest.approx(1 / 401)


@pytest.mark.parametrize("given, why", [
    ({"reference_method": ""}, "not declared"),
    ({"reference_method": "histology"}, "in one way"),
    ({"reference_method": "how", "reference_levels": np.array(["histology"] * 20)}, "in one way"),
])  # fmt: skip
def test_one_source_is_not_applicable(given: dict[str, Any], why: str) -> None:
    """An undeclared source and a single one each say so; neither is a pass."""
    ctx = saved_context(np.linspace(0, 1, 20), small_cohort(np.arange(20) % 2, **given))
    with pytest.raises(NotApplicable, match=why):
        list(LabelSourceDiffers().run(ctx))


@pytest.mark.realdata
def test_diagnosis_and_its_source_are_tied_in_skin_lesions(skin_lesions: Path) -> None:
    """Melanoma is proven by histology and naevi mostly by follow-up: V with the target is above 0.3, with sex below."""
    import pandas as pd

    table = pd.read_csv(skin_lesions / "cases.csv").fillna({"sex": "(missing)"})
    cohort = small_cohort(
        (table.dx == "mel").to_numpy().astype(int), reference_method="dx_type",
        attributes=(attribute("sex", table.sex.to_numpy(dtype=str), "protected"),),
        reference_levels=table.dx_type.to_numpy(dtype=str),
    )  # fmt: skip
    found = associations(saved_context(np.linspace(0, 1, len(table)), cohort))
    assert (found["(target)"].low or 0) > 0.25
    assert (found["sex"].value or 0) < 0.2


def contexts() -> Iterator[tuple[str, Any]]:
    """Every task with two sources."""
    n = 60
    source = np.array(["a", "b"])[np.arange(n) % 2]
    rng = np.random.default_rng(0)
    yield "binary", lambda: made(True, n=n)
    many = small_cohort(np.arange(n) % 3, classes=("x", "y", "z"), reference_levels=source, reference_method="how")
    yield (
        "multiclass",
        lambda: saved_context(np.eye(3)[np.arange(n) % 3], many, task="multiclass", operating_point=None),
    )
    labels = rng.integers(0, 2, (n, 2))
    two = small_cohort(labels, classes=("x", "y"), reference_levels=source, reference_method="how")
    yield "multilabel", lambda: saved_context(labels * 0.5, two, task="multilabel")
    real = small_cohort(
        rng.normal(size=n), classes=(), reference_levels=source, reference_method="how",
        attributes=(attribute("sex", source, "protected"),),
    )  # fmt: skip
    yield (
        "regression",
        lambda: saved_context(rng.normal(size=n) * 0, real, task="regression", output="value", operating_point=None),
    )


def test_it_keeps_the_protocol() -> None:
    """It completes in every task that has two sources."""
    assert check_probe(LabelSourceDiffers, dict(contexts())) == ("binary", "multiclass", "multilabel", "regression")
