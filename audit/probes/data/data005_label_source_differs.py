"""DATA005 label-source-differs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from audit.core import Measurement, NotApplicable, Probe, ProbeContext, ProbeInfo, Scalar

if TYPE_CHECKING:
    from numpy.typing import NDArray

TARGET = "(target)"
UNDECLARED = "it is not declared how the reference standard was established"
ONE_WAY = "the reference standard was established in one way for all cases"


class LabelSourceDiffers(Probe):
    """Whether the reference standard comes from another source in some patients than in others.

    What it measures:
        `association` between the source of the reference standard, a declared column such as histology, follow-up or
        consensus, and each protected, protocol and confounder attribute (condition `attribute`): Cramer's V, 0 where
        the source is the same mix in every level and 1 where the level tells the source. Under `attribute =
        "(target)"` the same with the reference standard itself. `prevalence` is the share of positive cases under
        each source (condition `stratum`). A permutation test of independence between patients stands beside each V.

    Why it matters clinically:
        If the disease of men is proven by histology and that of women by a second look at the image, the labels of the
        one are harder than those of the other. A gap between the two then cannot be told from a gap in the labels, and
        a model that copies the second look is praised for it.

    Known problems:
        V says how tightly source and attribute go together, not how wrong either source is. A source may rightly
        differ between classes, as when only suspicious lesions are excised: this is partial verification, see
        DATA010. Levels with very few patients widen the interval. Only the declared column is known.

    Example:
        In 2,992 lesions of HAM10000 melanoma is proven by histology and most naevi by follow-up: the source and the
        target have V = 0.35 (0.31 to 0.39), the source and sex V = 0.17 (0.14 to 0.19).

    References:
        - Bergsma 2013, A bias-correction for Cramer's V and Tschuprow's T, Journal of the Korean Statistical Society
          42.
        - Rutjes and others 2007, Evaluation of diagnostic tests when there is no gold standard, Health Technology
          Assessment 11.
    """

    info: ClassVar[ProbeInfo] = ProbeInfo(
        code="DATA005",
        name="label-source-differs",
        family="DATA",
        tasks=("binary", "multiclass", "multilabel", "ordinal", "regression", "segmentation", "survival"),
        metrics=("association", "prevalence"),
        title="Source of the labels",
        question="Do the labels of some patients come from another source?",
        method=(
            "Bias-corrected Cramer's V with each patient counted once, bounds by the noncentral chi-square; "
            "prevalence with Korn-Graubard bounds."
        ),
        limits="That sources differ does not say which of them is wrong, nor by how much.",
        references=(
            "Bergsma 2013, Journal of the Korean Statistical Society 42",
            "Rutjes and others 2007, Health Technology Assessment 11",
        ),
    )

    def run(self, ctx: ProbeContext) -> Iterable[Measurement]:
        """Associate the declared sources with every compared attribute; see `Probe.run`."""
        sources = ctx.cohort.reference_levels
        if sources is None:
            raise NotApplicable(ONE_WAY if ctx.cohort.reference_method else UNDECLARED)
        if np.unique(sources).size < 2:
            raise NotApplicable(ONE_WAY)
        for attribute in ctx.cohort.by_role("protected", "protocol", "confounder"):
            yield _association(ctx, sources, attribute.levels, {"attribute": attribute.name})
        yield from _with_target(ctx, sources)


def _association(
    ctx: ProbeContext, sources: NDArray[np.str_], levels: NDArray[np.str_], condition: dict[str, Scalar]
) -> Measurement:
    from audit.stats import association, association_p

    patients = ctx.cohort.patients
    p = association_p(sources, levels, patients, ctx.rng, resamples=ctx.budget.resamples)
    _keep_table(ctx, sources, levels, condition, p)
    return Measurement.of(
        association(sources, levels, patients, ctx.levels), metric="association", level=ctx.levels.confidence,
        direction="lower", condition=condition,
    )  # fmt: skip


def _with_target(ctx: ProbeContext, sources: NDArray[np.str_]) -> Iterator[Measurement]:
    from audit.stats import proportion

    views = ctx.clean.views
    if ctx.card.task == "multilabel":
        for view in views:
            named = np.where(view.labels, "positive", "negative")
            yield _association(ctx, sources, named, {"attribute": TARGET, **view.condition})
    elif views:
        names = list(ctx.cohort.classes) or [f"class {i}" for i in range(int(ctx.clean.targets.max()) + 1)]
        yield _association(ctx, sources, np.array(names)[ctx.clean.targets], {"attribute": TARGET})
    for view in views:
        for source in np.unique(sources):
            rows = sources == source
            yield Measurement.of(
                proportion(view.labels[rows], ctx.cohort.patients[rows], ctx.levels), metric="prevalence",
                level=ctx.levels.confidence, condition={**view.condition, "stratum": str(source)},
            )  # fmt: skip


def _keep_table(
    ctx: ProbeContext, sources: NDArray[np.str_], levels: NDArray[np.str_], condition: dict[str, Scalar],
    p: float | None,
) -> None:  # fmt: skip
    """Keep the cross table; its p-value is shown and never judged."""
    first, a = np.unique(sources, return_inverse=True)
    second, b = np.unique(levels, return_inverse=True)
    counts = np.bincount(a * len(second) + b, minlength=len(first) * len(second)).reshape(len(first), len(second))
    by = "class" if condition["attribute"] == TARGET else condition["attribute"]
    about: dict[str, Any] = dict(condition)
    ctx.sink.artifact(
        "label_sources",
        f"Source of the reference standard by {by}",
        {"source": first, "level": second, "cases": counts.astype(np.int64)},
        p=p, **about,
    )  # fmt: skip
