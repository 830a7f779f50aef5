"""CONF004 for real values, grades and segmentations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from audit.core import Estimate, Measurement, ProbeContext
from audit.probes.confounding._asked import NO_NUMBER, Reading
from audit.probes.confounding._evidence import DILATION, Subject, mirrored, remove
from audit.probes.confounding._looked import Looked, measured, refusal, show, traced_by, unreached
from audit.probes.confounding._traces import refused

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

SLOPE = "slope on the reference, patient bootstrap"


def left_of_a_value(looked: Looked, reading: Reading) -> Iterator[Measurement]:
    """Give what is left of a real value or of a grade."""
    from audit.stats import mean

    ctx = looked.ctx
    target = np.asarray(ctx.clean.targets, dtype=np.float64)
    # Equal values in random order, so that which of them share a fill is not that of the manifest.
    shuffled = ctx.rng.permutation(np.array(sorted(looked.masks)))
    order = [int(c) for c in shuffled[np.argsort(target[shuffled], kind="stable")]]
    found = remove(looked.setting, mirrored(looked.setting, order, looked.masks), dilations=(DILATION,))
    rows = np.array(found.cases)
    patients, reference = ctx.cohort.patients[rows], target[rows]
    traced = traced_by(looked, found, found.cases)
    why = refusal(traced, found)

    left, clean, apart = (
        reading.value(raw) for raw in (found.answers(f"{DILATION:g}"), ctx.clean.raw[rows], found.answers("elsewhere"))
    )
    reached = np.array(found.reached, dtype=np.float64)
    slopes = _slopes_of(ctx, reference, left, clean, apart, patients, reached)
    for metric, said, direction, guarded in (
        ("slope_without_evidence", slopes[0], "lower", True),
        ("slope_as_it_is", slopes[1], "none", False),
        ("slope_filled_elsewhere", slopes[2], "none", True),
        ("output_after_erasing", mean(np.nan_to_num(left), patients, ctx.levels), "none", True),
        ("fill_trace_auc", traced, "lower", False),
    ):
        if guarded and why is not None:
            said = Estimate.absent(why, method=said.method, n=said.n, n_patients=said.n_patients)
        yield measured(ctx, said, metric, reading, direction)  # type: ignore[arg-type]
    show(looked, found, reading)


def _slopes_of(
    ctx: ProbeContext,
    reference: Floats,
    left: Floats,
    clean: Floats,
    apart: Floats,
    patients: NDArray[np.int64],
    reached: Floats,
) -> tuple[Estimate, ...]:
    """Return the slope without the evidence, as it is, and filled elsewhere.

    The bounds of the first are opened by what filling elsewhere takes from the slope: an answer that any fill throws
    off course has lost its slope for that reason. What it takes is seen in the images that had room for it.
    """
    from audit.stats import bootstrap_many

    if not np.isfinite([*left, *clean, *apart]).all():
        n_patients = int(np.unique(patients).size)
        return (Estimate.absent(NO_NUMBER, method=SLOPE, n=left.size, n_patients=n_patients),) * 3

    def statistic(weights: Floats) -> Floats:
        one, before = (_slopes(weights, reference, y) for y in (left, clean))
        fallen, after = (_slopes(weights * reached, reference, y) for y in (clean - apart, apart))
        return np.stack([one, before, after, one + fallen, one - fallen], axis=1)

    found = bootstrap_many(
        statistic, patients, ctx.levels, ctx.rng, resamples=ctx.budget.resamples, methods=(SLOPE,) * 5
    )
    return opened(found[0], above=found[3], below=found[4]), found[1], found[2]


def opened(found: Estimate, *, above: Estimate, below: Estimate | None = None) -> Estimate:
    """Return an estimate with no bound nearer than that of one above it, and of one below it.

    Args:
        found: With a curve, or absent.
        above: Its upper bounds count.
        below: Its lower bounds count; None: none do.
    """
    for other in (above, below):
        if found.value is not None and other is not None and other.value is None:
            return Estimate.absent(
                f"what filling elsewhere costs has no interval: {other.missing}", method=found.method, n=found.n,
                n_patients=found.n_patients,
            )  # fmt: skip
    if found.value is None:
        return found
    lows = found.curve if below is None else below.curve
    curve = tuple(
        (level, min(low, less[1]), max(high, more[2]))
        for (level, low, high), more, less in zip(found.curve, above.curve, lows, strict=True)
    )
    return Estimate(value=found.value, curve=curve, method=found.method, n=found.n, n_patients=found.n_patients)


def _slopes(weights: Floats, x: Floats, y: Floats) -> Floats:
    """Return (b,) least-squares slopes of y on x under (b, n) weights, NaN where x does not vary."""
    total = np.maximum(weights.sum(axis=1), 1e-300)
    mx, my = weights @ x / total, weights @ y / total
    spread = weights @ (x * x) / total - mx**2
    out = np.full(len(weights), np.nan)
    np.divide(weights @ (x * y) / total - mx * my, spread, out=out, where=spread > 1e-12)
    return out


def left_of_a_mask(looked: Looked) -> Iterator[Measurement]:
    """Give how much of the region of the reference a segmentation still marks."""
    ctx, setting = looked.ctx, looked.setting
    cases = [c for c, m in looked.masks.items() if m.any()]
    nothing = np.zeros(setting.size, dtype=bool)
    subjects = [Subject(case=c, own=looked.masks[c], other=nothing) for c in cases]
    found = remove(setting, subjects, dilations=(DILATION,))
    patients = ctx.cohort.patients[np.array(cases)]
    traced = traced_by(looked, found, cases)
    reading = Reading(value=lambda raw: raw[:, 0], score=lambda raw: raw[:, 0], decide=None)
    before = np.concatenate([
        setting.ask([setting.image(c) for c in cases[i : i + ctx.budget.batch_size]])
        for i in range(0, len(cases), ctx.budget.batch_size)
    ])  # fmt: skip
    shares = {
        metric: np.array([float(m[looked.masks[c]].mean()) for c, m in zip(cases, marked, strict=True)])
        for metric, marked in (
            ("volume_in_filled_region", found.answers(f"{DILATION:g}")), ("volume_before_filling", before),
            ("volume_filled_elsewhere", found.answers("elsewhere")),
        )
    }  # fmt: skip
    for metric, said in _shares(
        ctx, shares, patients, refused(traced) or unreached(found), np.array(found.reached)
    ).items():
        yield measured(ctx, said, metric, reading, "lower" if metric == "volume_in_filled_region" else "higher")
    yield measured(ctx, traced, "fill_trace_auc", reading, "lower")
    show(looked, found, reading)


def _shares(
    ctx: ProbeContext,
    shares: dict[str, Floats],
    patients: NDArray[np.int64],
    why: str | None,
    reached: NDArray[np.bool_],
) -> dict[str, Estimate]:
    """Return the mean of each share; a share that is left is opened by what filling elsewhere takes away."""
    from audit.stats import mean

    left, before, apart = shares.values()
    n, n_patients = left.size, int(np.unique(patients).size)
    if not np.isfinite([*left, *before, *apart]).all():
        return dict.fromkeys(shares, Estimate.absent(NO_NUMBER, method="none", n=n, n_patients=n_patients))
    found = {name: mean(values, patients, ctx.levels, support=(0.0, 1.0)) for name, values in shares.items()}
    key, *_ = shares
    if why is None and not before.any():
        why = (
            "the model marks nothing of the reference region as it is, so that it marks nothing without it says nothing"
        )
    if why is not None:
        found[key] = Estimate.absent(why, method="none", n=n, n_patients=n_patients)
    elif (before - apart).any():
        some = reached.mean()
        found[key] = opened(found[key], above=mean(left + (before - apart) / some, patients, ctx.levels))
    return found
