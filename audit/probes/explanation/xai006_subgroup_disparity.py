"""XAI006: whether explanations are as good for one group of patients as for the others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from audit.core import (
    Access,
    Attribute,
    Estimate,
    Measurement,
    NotApplicable,
    Probe,
    ProbeContext,
    ProbeInfo,
)
from audit.explain import controls_of, plain_name
from audit.probes._shared import Contrast, comparable, contrast_levels, mean_contrast
from audit.probes.explanation._advantages import why_absent
from audit.probes.explanation._localise import localise
from audit.probes.explanation._maps import Explainer, explainer
from audit.probes.explanation._qualify import Tried, try_deletion

if TYPE_CHECKING:
    from numpy.typing import NDArray

UNSOUND = "the method is not shown to beat every control on this model for anybody, so its gaps mean nothing"
_NO_MASKS = "the cohort has no lesion masks"


class SubgroupDisparity(Probe):
    """Whether explanations are as good for one group of patients as for the others.

    What it measures:
        For the first method of the run, how well its map tells what the model uses is taken case by case: the area
        under the deletion curve (XAI001, imputed pixels) of the control that comes closest over all cases, minus that
        of the method. `faithfulness_gap` is the mean of a level of a protected attribute minus that of all other
        cases: below 0, the explanations of that group show less of what the model used. `localisation_gap` is the
        same of the share of lesions found with few false marks (XAI003), over positive cases with a lesion in their
        mask. Both are signed, with an interval of each level and one that holds for all levels together.

        `control_faithfulness_gap` is the same for the closest control against the one that follows, with nothing of
        the model in it: where it has a gap as well, the images differ between the groups, not the explanations alone.

    Why it matters clinically:
        A reader who may overrule the model does so with the explanation in hand. If it is worse for one group, that
        group loses the safeguard, even where sensitivity and specificity are equal.

    Known problems:
        Groups with other decisions, lesions or image quality have other deletion curves for good reasons; the gap says
        where to look. A method that is no better than its controls for anybody, on this model, has no gap: maps that
        are worthless for all are equally good for all. Whether maps depend on the weights is left to XAI002. The sample
        is one of all patients, so that small groups have wide intervals or none.

    Example:
        `probe = "XAI006"`, `metric = "faithfulness_gap"`, `where = { attribute = "sex" }`, `limit = { min = -0.1 }`.

    References:
        - Dai et al. 2022, Fairness via explanation quality: evaluating disparities in the quality of post hoc
          explanations, AAAI/ACM Conference on AI, Ethics, and Society.
        - Balagopalan et al. 2022, The road to explainability is paved with bias: measuring the fairness of
          explanations, ACM FAccT.
    """

    info: ClassVar[ProbeInfo] = ProbeInfo(
        code="XAI006",
        name="subgroup-disparity",
        family="XAI",
        tasks=("binary", "multiclass", "multilabel", "ordinal", "regression", "segmentation"),
        access=Access.QUERY,
        needs=("images", "protected"),
        metrics=("faithfulness_gap", "localisation_gap", "control_faithfulness_gap"),
        descriptive=("control_faithfulness_gap",),
        title="Explanations that are worse for some patients",
        question="Are its explanations as good for every group?",
        method=(
            "Deletion advantage and share of lesions found of the cases of a level, minus those of all other cases; "
            "MOVER of cluster t bounds, simultaneous by Bonferroni over levels."
        ),
        limits="Says that explanations differ between groups, not why; a method that beats no control has no gap.",
        references=("Dai et al. 2022, AIES", "Balagopalan et al. 2022, FAccT"),
    )  # fmt: skip

    def run(self, ctx: ProbeContext) -> Iterator[Measurement]:
        """Compare explanations between the levels of protected attributes; see `Probe.run`."""
        attributes = comparable(ctx.cohort.by_role("protected"), "protected")
        make = explainer(ctx)
        make = replace(make, methods=make.methods[:1])
        (method,) = make.methods
        limit = ctx.budget.explain_cases
        fewer = replace(ctx.budget, explain_cases=None if limit is None else max(min(limit, 24), limit // 2))
        ctx = replace(ctx, budget=fewer)
        own, control, reason = _faithfulness(ctx, make, method)
        found, why = _localised(ctx, make, method, reason)
        rows = [m for a in attributes for m in _gaps(ctx, a, "faithfulness_gap", own, reason, method)]
        yield from rows
        for attribute in attributes:
            yield from _gaps(ctx, attribute, "localisation_gap", found, why, method)
        name, values = control
        for attribute in attributes:
            yield from _gaps(ctx, attribute, "control_faithfulness_gap", values, reason, name)
        _keep(ctx, rows, method)


def _faithfulness(
    ctx: ProbeContext, make: Explainer, method: str
) -> tuple[NDArray[np.float64], tuple[str, NDArray[np.float64]], str]:
    """Return (n,) deletion advantages of the method, and of the closest control, NaN where not known, and why none is.

    The control is picked once, over all cases, so that all levels are held against the same one.
    """
    tried = try_deletion(ctx, make)
    empty = np.full(len(ctx.cohort), np.nan)
    reason = _why_not(ctx, make, method, tried)
    if reason:
        return empty, ("control", empty), reason
    areas, n = tried.areas, len(ctx.cohort)
    names = sorted(controls_of(method, areas), key=lambda name: float(areas[name].mean()))
    closest, next_one = names[0], names[1]
    return (
        _placed(n, tried.cases, areas[closest] - areas[method]),
        (plain_name(closest), _placed(n, tried.cases, areas[next_one] - areas[closest])), "",
    )  # fmt: skip


def _why_not(ctx: ProbeContext, make: Explainer, method: str, tried: Tried) -> str:
    """Return why nothing can be said: the maps are not shown to beat the controls for anybody.

    Maps that are worthless for all are equally good for all. It is enough that they are sound for one group: if they
    are not for another, that is what is asked for here.
    """
    whole = tried.advantage(ctx, make, method)
    reason = why_absent(make, tried.areas, method) or tried.reason(ctx)
    if reason:
        return reason
    levels = [a.levels[tried.cases] for a in ctx.cohort.by_role("protected")]
    groups = [tried.advantage(ctx, make, method, of == level) for of in levels for level in np.unique(of)]
    shared = ctx.levels.pointwise / (1 + len(groups))
    bounds = [e.bounds(shared) for e in (whole, *groups) if e.value is not None]
    return "" if any(found is not None and found[0] > 0 for found in bounds) else UNSOUND


def _localised(ctx: ProbeContext, make: Explainer, method: str, reason: str) -> tuple[NDArray[np.float64], str]:
    """Return (n,) shares of lesions found, NaN where not known, and why none is."""
    empty = np.full(len(ctx.cohort), np.nan)
    if ctx.card.task == "segmentation":
        return empty, "the explanation of a segmentation is its own mask"
    if ctx.cohort.masks is None:
        return empty, _NO_MASKS
    if reason:
        return empty, reason
    limit = None if ctx.budget.explain_cases is None else max(1, ctx.budget.explain_cases // 2)
    try:
        found = localise(ctx, make, limit=limit)
    except NotApplicable as why:
        # The other gap is there all the same.
        return empty, why.reason
    if method not in found.complete():
        return empty, make.refused.get(method, "the method gave no map")
    return _placed(len(ctx.cohort), np.array(found.cases), found.found()[method]), ""


def _placed(n: int, cases: NDArray[np.int64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    out = np.full(n, np.nan)
    out[cases] = values
    return out


def _gaps(
    ctx: ProbeContext, attribute: Attribute, metric: str, values: NDArray[np.float64], reason: str, method: str
) -> Iterator[Measurement]:
    from audit.stats import mean_gap

    contrast = replace(
        mean_contrast(ctx, metric, values, direction="zero" if metric.startswith("control_") else "higher"),
        condition={"attribution": method},
    )  # fmt: skip
    if metric == "localisation_gap":
        known, patients = np.isfinite(values), ctx.cohort.patients

        def gap(members: NDArray[np.bool_]) -> Estimate:
            # Shares of lesions found may be 1 in all cases, which is no reason to have no interval.
            return mean_gap(values[known], members[known], patients[known], ctx.levels, support=(0.0, 1.0))

        contrast = replace(contrast, estimate=gap)
    if reason:
        contrast = _without(contrast, reason)
    yield from contrast_levels(ctx, attribute, contrast)


def _without(contrast: Contrast, reason: str) -> Contrast:
    return replace(contrast, estimate=lambda _: Estimate.absent(reason, method="none"))


def _keep(ctx: ProbeContext, rows: list[Measurement], method: str) -> None:
    """Keep the gaps with both intervals, for the figure."""
    known = [m for m in rows if m.value is not None and m.low is not None and m.high is not None]
    if not known:
        return
    levels = [", ".join(f"{k}: {v}" for k, v in m.subgroup.items()) for m in known]
    ctx.sink.artifact(
        "explanation_gaps",
        "How well explanations show what the model uses: level minus rest",
        {
            "level": np.array(levels, dtype=np.str_), "gap": np.array([m.value for m in known], dtype=np.float64),
            "low": np.array([m.low for m in known], dtype=np.float64),
            "high": np.array([m.high for m in known], dtype=np.float64),
            "n_patients": np.array([m.n_patients for m in known]),
        },
        attribution=method,
    )  # fmt: skip
