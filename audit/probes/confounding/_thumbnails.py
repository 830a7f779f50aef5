"""Small models that see a thumbnail of the image, or its border, alone; the audited model is never shown either."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import Estimate, Measurement, ProbeContext
from audit.probes._out_of_fold import FOLDS, lacking, log_odds_out_of_fold, values_out_of_fold
from audit.probes.confounding._asked import Reading, Setting

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

SIDE = 8
LEAST = 5
BORDER = 0.06
"""Width of the border as a share of the shorter side."""
CORRELATED = "rank correlation within each side, patient bootstrap"
LEARNED = "linear model on {} out of fold by patient; Obuchowski, logit scale"


def thumbnail(image: NDArray[Any]) -> Floats:
    """Return the means of eight by eight blocks of every channel, flat; of a volume those of its mean plane."""
    values = np.asarray(image, dtype=np.float64)
    flat = values.mean(axis=1) if values.ndim == 4 else values
    for axis in (1, 2):
        size = flat.shape[axis]
        starts = np.unique(np.linspace(0, size, min(size, SIDE) + 1).astype(int)[:-1])
        lengths = np.diff([*starts, size]).reshape([-1 if a == axis else 1 for a in range(3)])
        flat = np.add.reduceat(flat, starts, axis=axis) / lengths
    return np.asarray(flat.ravel(), dtype=np.float64)


def border(image: NDArray[Any]) -> Floats:
    """Return means and spreads of sixteen pieces of the frame of every channel, flat."""
    values = np.asarray(image, dtype=np.float64)
    flat = values.mean(axis=1) if values.ndim == 4 else values
    rows, columns = flat.shape[1:]
    width = max(1, round(BORDER * min(rows, columns)))
    strips = (flat[:, :width], flat[:, -width:], flat[:, :, :width].swapaxes(1, 2), flat[:, :, -width:].swapaxes(1, 2))
    out = []
    for strip in strips:
        for piece in np.array_split(strip, min(4, strip.shape[2]), axis=2):
            out += [piece.mean(axis=(1, 2)), piece.std(axis=(1, 2))]
    return np.concatenate(out)


_VIEWS = {"thumbnail": (thumbnail, "an 8 x 8 thumbnail"), "border": (border, "the border of the image")}


def comparators(setting: Setting, cases: NDArray[np.int64], given: tuple[Reading, ...]) -> Iterator[Measurement]:
    """Give, for thumbnail and border, how well they tell the classes and how closely the model's score follows them.

    Args:
        setting: Where it happens.
        cases: Cases whose images are looked at.
        given: What is read from the answers.
    """
    tables: dict[str, list[Floats]] = {name: [] for name in _VIEWS}
    for case in cases.tolist():
        image = setting.image(case)
        for name, (make, _) in _VIEWS.items():
            tables[name].append(make(image))
    for name, (_, words) in _VIEWS.items():
        x = np.stack(tables[name])
        for reading in given:
            yield from _one(setting.ctx, cases, reading, x, name, words)


def _one(
    ctx: ProbeContext, cases: NDArray[np.int64], reading: Reading, x: Floats, name: str, words: str
) -> Iterator[Measurement]:
    from audit.stats import stratified_auc

    patients, method = ctx.cohort.patients[cases], LEARNED.format(words)
    n_patients = int(np.unique(patients).size)
    value = reading.value(ctx.clean.raw[cases])
    if reading.labels is None:
        target = np.asarray(ctx.clean.targets, dtype=np.float64)[cases]
        few = n_patients < 20 or np.ptp(target) == 0
        reason = "fewer than 20 patients, or one reference value alone" if few else None
        if not reason:
            guess = values_out_of_fold(x, target, patients, ctx.rng, learner="ridge regression")
        strata = np.searchsorted(np.unique(np.quantile(target, (0.2, 0.4, 0.6, 0.8))), target)
    else:
        labels = reading.labels[cases]
        reason = lacking(labels, patients)
        if reason:
            found = Estimate.absent(reason, method=method, n=len(cases), n_patients=n_patients)
        else:
            guess = log_odds_out_of_fold(x, labels, patients, ctx.rng, learner="linear probe")
            found = stratified_auc(guess.values, labels, guess.fold, patients, ctx.levels, folds=FOLDS)
        yield _given(ctx, found, f"{name}_auc", reading)
        strata = labels.astype(np.int64)
    if reason:
        follows = Estimate.absent(reason, method=CORRELATED, n=len(cases), n_patients=n_patients)
    else:
        follows = _within(ctx, value, guess.values, strata * (int(guess.fold.max()) + 1) + guess.fold, patients)
    yield _given(ctx, follows, f"{name}_correlation", reading)


def _within(
    ctx: ProbeContext, value: Floats, guess: Floats, strata: NDArray[np.int64], patients: NDArray[np.int64]
) -> Estimate:
    """Return the mean over strata, by their cases, of the rank correlation of two scores.

    A stratum is a side within one fold: scores of several fits cannot be ranked together.
    """
    from scipy.stats import rankdata

    from audit.stats import bootstrap

    parts = []
    for level in np.unique(strata):
        rows = np.flatnonzero(strata == level)
        if len(rows) < LEAST:
            continue
        a, b = (rankdata(v[rows]) - (len(rows) + 1) / 2 for v in (value, guess))
        parts.append((rows, a, b))

    def statistic(weights: Floats) -> Floats:
        total, sizes = np.zeros(len(weights)), np.zeros(len(weights))
        for rows, a, b in parts:
            w = weights[:, rows]
            size = w.sum(axis=1)
            safe = np.maximum(size, 1e-300)
            at, bt = w @ a / safe, w @ b / safe
            cov = w @ (a * b) / safe - at * bt
            va, vb = (np.maximum(w @ (v * v) / safe - m**2, 0.0) for v, m in ((a, at), (b, bt)))
            found = cov / np.sqrt(np.where(va * vb > 0, va * vb, 1.0))
            # A comparator that is the same for all tells nothing; a model that is the same for all cannot be judged.
            there = va > 0
            total += np.where(there, size * np.where(vb <= 0, 0.0, found), 0.0)
            sizes += np.where(there, size, 0.0)
        out = np.full(len(weights), np.nan)
        np.divide(total, sizes, out=out, where=sizes > 0)
        return out

    return bootstrap(
        statistic, patients, ctx.levels, ctx.rng, resamples=ctx.budget.resamples, method=CORRELATED, vectorised=True,
        support=(-1.0, 1.0),
    )  # fmt: skip


def _given(ctx: ProbeContext, found: Estimate, metric: str, reading: Reading) -> Measurement:
    return Measurement.of(
        found, metric=metric, level=ctx.levels.confidence, direction="none", condition=reading.condition
    )
