"""CONF004 for classes: the AUC that is left without the evidence."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import Direction, Estimate, Measurement, ProbeContext, Scalar
from audit.probes._shared import count_patients
from audit.probes.confounding._asked import NO_NUMBER, Reading
from audit.probes.confounding._evidence import DILATION, OTHERS, Filled, paired, remove
from audit.probes.confounding._looked import Looked, length, measured, refusal, show, traced_by
from audit.probes.confounding._traces import MOST

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

MOST_WITHOUT = 0.05
"""Share of the cases that may lack a mask; the others would answer for them."""
FEWEST = 5
ELSEWHERE = "elsewhere"
TIED = "all answers equal, exact bound on the share of patients who differ"


def left_of_a_class(looked: Looked, reading: Reading) -> Iterator[Measurement]:
    """Give what is left of one class."""
    ctx, labels = looked.ctx, reading.labels
    if labels is None:
        yield from _absent(looked, reading, "the answer has no classes")
        return
    positive = [c for c in looked.masks if labels[c]]
    cases = [c for c in positive if looked.masks[c].any()]
    controls = [c for c in looked.masks if not labels[c]]
    reason = _without_masks(len(positive), len(cases))
    if reason or not cases or not controls:
        yield from _absent(looked, reading, reason or "there are no cases, or no controls, among the sampled images")
        return
    found = remove(looked.setting, paired(looked.setting, cases, controls, looked.masks))
    rows, patients = np.array(found.cases), ctx.cohort.patients[np.array(found.cases)]
    truth = labels[rows]
    traced = traced_by(looked, found, controls)
    why = refusal(traced, found) or _moved(ctx, reading, found, rows, truth, patients)
    left_out = len(positive) - len(cases)
    clean = reading.value(ctx.clean.raw[rows])
    made = {
        f"{DILATION:g}": _area(ctx, "auc_without_evidence", reading, found, "2", truth, patients, why, left_out),
        "shift": _shift(ctx, reading, found, rows, truth, patients),
        "as it is": measured(ctx, _auc(ctx, clean, truth, patients), "auc_as_it_is", reading, "higher"),
        "elsewhere": _area(ctx, "auc_filled_elsewhere", reading, found, ELSEWHERE, truth, patients, why, left_out),
        "trace": measured(ctx, traced, "fill_trace_auc", reading, "lower"),
    }
    for dilation in OTHERS:
        extra: dict[str, Scalar] = {"parameter": length(looked.setting, dilation)}
        made[f"{dilation:g}"] = _area(
            ctx, "auc_without_evidence_by_dilation", reading, found, f"{dilation:g}", truth, patients, why, left_out,
            extra,
        )  # fmt: skip
    yield from made.values()
    _draw(looked, made, reading)
    show(looked, found, reading)


def _draw(looked: Looked, made: dict[str, Measurement], reading: Reading) -> None:
    """Keep the AUC as it is, with as much filled elsewhere, and without the evidence, for the figure."""
    names = {"as it is": "as it is", "elsewhere": "as much filled elsewhere"}
    names |= {
        f"{d:g}": f"lesion filled, {length(looked.setting, d)} beyond its mask"
        for d in (OTHERS[0], DILATION, OTHERS[1])
    }
    kept = {words: made[key] for key, words in names.items() if made[key].value is not None}
    if len(kept) < 2:
        return
    about: dict[str, Any] = dict(reading.condition)
    looked.ctx.sink.artifact(
        "evidence_removed", "AUC with and without the evidence",
        {
            "image": np.array(list(kept)), "auc": np.array([m.value for m in kept.values()]),
            "low": np.array([m.low for m in kept.values()]), "high": np.array([m.high for m in kept.values()]),
            "n_patients": np.array([m.n_patients for m in kept.values()]),
        },
        **about,
    )  # fmt: skip


def _without_masks(positive: int, masked: int) -> str | None:
    if positive - masked > MOST_WITHOUT * positive:
        return f"{positive - masked} of {positive} cases have no mask, more than {MOST_WITHOUT:.0%}"
    return None


def _auc(ctx: ProbeContext, score: Floats, truth: NDArray[np.bool_], patients: NDArray[np.int64]) -> Estimate:
    from audit.stats import auc

    if not np.isfinite(score).all():
        return Estimate.absent(NO_NUMBER, method="none", n=score.size, n_patients=int(np.unique(patients).size))
    return auc(score, truth, patients, ctx.levels)


def _tied(ctx: ProbeContext, truth: NDArray[np.bool_], patients: NDArray[np.int64]) -> Estimate:
    """Return the AUC of a model that says the same of every image once the evidence is gone, though not before.

    All pairs are ties, so it is 0.5. Of each class a share of the patients may still be told apart that so many could
    miss, 1 - level ** (1 / patients); were all of them ranked rightly, or wrongly, each share would move it by half.
    """
    counts = [count_patients(patients, rows) for rows in (truth, ~truth)]
    n, n_patients = truth.size, int(np.unique(patients).size)
    if min(counts) < FEWEST:
        return Estimate.absent("fewer than 5 patients of a class", method=TIED, n=n, n_patients=n_patients)
    curve = []
    for level in ctx.levels.rungs:
        arm = min(0.5, sum(1 - level ** (1 / c) for c in counts) / 2)
        curve.append((level, 0.5 - arm, 0.5 + arm))
    return Estimate(value=0.5, curve=tuple(curve), method=TIED, n=n, n_patients=n_patients)


def _area(
    ctx: ProbeContext, metric: str, reading: Reading, found: Filled, arm: str, truth: NDArray[np.bool_],
    patients: NDArray[np.int64], why: str | None, left_out: int, extra: dict[str, Scalar] | None = None,
) -> Measurement:  # fmt: skip
    from audit.stats import opened_by_fall

    score, clean = reading.value(found.answers(arm)), reading.value(ctx.clean.raw[found.cases])
    said = _auc(ctx, score, truth, patients)
    if np.isfinite([*score, *clean]).all() and np.ptp(score) == 0 and np.ptp(clean) > 0:
        said = _tied(ctx, truth, patients)
    if why is None and arm != ELSEWHERE and said.value is not None:
        apart = reading.value(found.answers(ELSEWHERE))
        reached = float(np.mean(found.reached))
        said = opened_by_fall(said, score, clean, apart, truth, patients, ctx.levels, reached=reached)
    if why is not None:
        said = Estimate.absent(why, method=said.method, n=said.n, n_patients=said.n_patients)
    elif left_out and said.value is not None:
        method = f"{said.method}; {left_out} cases without a mask left out"
        said = Estimate(value=said.value, curve=said.curve, method=method, n=said.n, n_patients=said.n_patients)
    better: Direction = "higher" if metric == "auc_filled_elsewhere" else "lower"
    return measured(ctx, said, metric, reading, better, extra)


def _moved(
    ctx: ProbeContext, reading: Reading, found: Filled, rows: NDArray[np.int64], truth: NDArray[np.bool_],
    patients: NDArray[np.int64],
) -> str | None:  # fmt: skip
    """Return that the model's own score sees the fill of plain tissue in controls, as plainly as a trace, or None."""
    after, before = (reading.value(raw)[~truth] for raw in (found.answers(ELSEWHERE), ctx.clean.raw[rows]))
    filled = np.arange(2 * after.size) < after.size
    said = _auc(ctx, np.concatenate([after, before]), filled, np.tile(patients[~truth], 2))
    if said.value is None or 1 - MOST <= said.value <= MOST:
        return None
    return (
        f"the fill of plain tissue moves the score of controls: the score alone tells filled from untouched ones with "
        f"an AUC of {said.value:.2f}, outside {1 - MOST:g} to {MOST:g}"
    )


def _shift(
    ctx: ProbeContext, reading: Reading, found: Filled, rows: NDArray[np.int64], truth: NDArray[np.bool_],
    patients: NDArray[np.int64],
) -> Measurement:  # fmt: skip
    """Return the mean change of the score of controls by a fill of plain tissue."""
    from audit.stats import paired_difference

    after, before = reading.score(found.answers(ELSEWHERE)), reading.score(ctx.clean.raw[rows])
    bounded = ctx.card.output != "value"
    if not np.isfinite([*after, *before]).all():
        count = count_patients(ctx.cohort.patients[rows], ~truth)
        said = Estimate.absent(NO_NUMBER, method="none", n=int((~truth).sum()), n_patients=count)
    else:
        said = paired_difference(
            after[~truth], before[~truth], patients[~truth], ctx.levels,
            support=(-1.0, 1.0) if bounded else (None, None),
        )  # fmt: skip
    return measured(ctx, said, "control_shift", reading, "zero")


def _absent(looked: Looked, reading: Reading, reason: str) -> Iterator[Measurement]:
    n, count = len(looked.masks), int(np.unique(looked.ctx.cohort.patients[looked.cases]).size)
    said = Estimate.absent(reason, method="none", n=n, n_patients=count)
    for metric in ("auc_without_evidence", "control_shift"):
        yield measured(looked.ctx, said, metric, reading, "lower")
