"""How well a small classifier tells one protocol from the others, by patients that it has not learned from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import Attribute, Estimate, Measurement, ProbeContext, Scalar, contrast_key
from audit.probes._descriptors import described_cases, descriptor_names
from audit.probes._features import features, look_inside
from audit.probes._images import sample_cases
from audit.probes._out_of_fold import FOLDS, lacking, log_odds_out_of_fold
from audit.probes._shared import Level

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

FIFTHS = 5
METHOD = "out of fold by patient, Obuchowski within labels and folds"
IMAGES, FEATURES, OUTPUTS = "images", "features", "outputs"
LEARNERS = {IMAGES: "logistic regression", FEATURES: "linear probe", OUTPUTS: "logistic regression"}


@dataclass(frozen=True, kw_only=True, eq=False)
class Source:
    """What protocols may differ in.

    Args:
        name: `images`, `features` or `outputs`.
        rows: (m,) cases that it is known of.
        columns: (m, p) numbers.
        names: Names of the columns.
    """

    name: str
    rows: Ints
    columns: Floats
    names: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Told:
    """What the classifier said of one level.

    Args:
        source: What it was told from.
        level: The level.
        evidence: (m,) log odds for the level, None where nothing could be learned.
        fold: (m,) fold of each case; only evidence of one fold comes from one fit and can be ranked together.
        reason: Why not.
    """

    source: Source
    level: Level
    evidence: Floats | None
    fold: Ints
    reason: str = ""


def sources(ctx: ProbeContext) -> tuple[Source, ...]:
    """Return what there is to compare; a source that is the same for every case tells nothing and is left out."""
    found = [_outputs(ctx)]
    if ctx.cohort.images is not None:
        rows = sample_cases(ctx.cohort.patients, ctx.budget.image_cases, ctx.rng)
        found = [_images(ctx, rows), *_features(ctx, rows), *found]
    return tuple(s for s in found if s.columns.size and np.ptp(s.columns, axis=0).max() > 0)


def _features(ctx: ProbeContext, rows: Ints) -> list[Source]:
    """Return the model's own features, none where it does not give them."""
    if look_inside(ctx) is not None:
        return []
    found = features(ctx, ctx.model, rows)
    if isinstance(found, str):
        return []
    return [Source(name=FEATURES, rows=rows, columns=found, names=tuple(f"feature {i}" for i in range(found.shape[1])))]


def _images(ctx: ProbeContext, rows: Ints) -> Source:
    columns = described_cases(ctx, rows)
    return Source(name=IMAGES, rows=rows, columns=columns, names=descriptor_names(ctx.card.input.channels))


def _outputs(ctx: ProbeContext) -> Source:
    """Return scores, their slope and their spread by label: what only draws both labels together has the same mean."""
    scores = np.asarray(ctx.clean.scores, dtype=np.float64)
    scores = scores.reshape(len(scores), -1)
    everyone = np.arange(len(scores))
    if not np.ptp(scores, axis=0).any():
        return Source(name=OUTPUTS, rows=everyone, columns=np.zeros((len(scores), 0)), names=())
    if ctx.card.task == "regression":
        error = scores - np.asarray(ctx.clean.targets, dtype=np.float64)[:, None]
        columns = np.concatenate([scores, error, error**2], axis=1)
        return Source(name=OUTPUTS, rows=everyone, columns=columns, names=("value", "error", "squared error"))
    made: list[Floats] = []
    names: list[str] = []
    for view in ctx.clean.views:
        own = np.where(view.labels, *(_middle(view.scores, side) for side in (view.labels, ~view.labels)))
        made += [view.scores, view.labels.astype(np.float64), view.labels * view.scores, (view.scores - own) ** 2]
        names += [f"{view.name or 'score'}: {what}" for what in ("score", "label", "score if positive", "spread")]
    return Source(name=OUTPUTS, rows=everyone, columns=np.stack(made, axis=1), names=tuple(names))


def _middle(values: Floats, rows: NDArray[np.bool_]) -> float:
    return float(values[rows].mean()) if rows.any() else 0.0


def label_strata(ctx: ProbeContext) -> Ints:
    """Return (n,) codes of equal label, or of equal fifth of the reference value."""
    targets = np.asarray(ctx.clean.targets)
    if ctx.card.task == "regression":
        edges = np.quantile(targets, np.linspace(0, 1, FIFTHS + 1)[1:-1])
        return np.searchsorted(edges, targets, side="right").astype(np.int64)
    return joint_codes(targets.reshape(len(targets), -1).T)


def joint_codes(columns: Iterable[NDArray[Any]]) -> Ints:
    """Return (n,) codes of the combinations of values that several columns (n,) have."""
    coded = [np.unique(column, return_inverse=True)[1].reshape(-1) for column in columns]
    rows = np.stack(coded, axis=1)
    return np.unique(rows, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)


def told(ctx: ProbeContext, source: Source, level: Level) -> Told:
    """Return what a classifier says of every case that it has not learned from."""
    members, patients = level.members[source.rows], ctx.cohort.patients[source.rows]
    reason = lacking(members, patients, f"cases of {level.name}")
    if reason:
        return Told(source=source, level=level, evidence=None, fold=np.zeros_like(source.rows), reason=reason)
    found = log_odds_out_of_fold(source.columns, members, patients, ctx.rng, learner=LEARNERS[source.name])
    return Told(source=source, level=level, evidence=found.values, fold=found.fold)


def effect(ctx: ProbeContext, found: Told, strata: Ints) -> Estimate:
    """Return the AUC of the classifier within strata (n,) of the cohort."""
    from audit.stats import stratified_auc

    rows = found.source.rows
    members, patients = found.level.members[rows], ctx.cohort.patients[rows]
    if found.evidence is None:
        own = patients[members]
        return Estimate.absent(found.reason, method=METHOD, n=int(members.sum()), n_patients=int(np.unique(own).size))
    both = joint_codes([strata[rows], found.fold])
    return stratified_auc(found.evidence, members, both, patients, ctx.levels, folds=FOLDS)


def told_of_each(ctx: ProbeContext, source: Source, levels: Sequence[Level]) -> Iterator[Told]:
    """Give what a classifier says of each level; of two one says all, since what speaks for it speaks against it."""
    if len(levels) != 2:
        yield from (told(ctx, source, level) for level in levels)
        return
    first = told(ctx, source, levels[0])
    mirrored = None if first.evidence is None else -first.evidence
    yield first
    yield Told(source=source, level=levels[1], evidence=mirrored, fold=first.fold, reason=first.reason)


def within_others(
    ctx: ProbeContext, source: Source, levels: Sequence[Level], others: Sequence[Attribute]
) -> Iterator[Measurement]:
    """Give the distance of each level among cases that agree in all other protocol attributes."""
    if not others:
        return
    codes = joint_codes([a.levels for a in others])
    # What the other attributes do to the columns is taken out first; else the classifier learns that instead.
    columns = _centred(source.columns, codes[source.rows])
    equal = Source(name=source.name, rows=source.rows, columns=columns, names=source.names)
    both = joint_codes([codes, label_strata(ctx)])
    stratum = "within " + " and ".join(a.name for a in others)
    for found in told_of_each(ctx, equal, levels):
        yield made(ctx, "drift_effect_within", effect(ctx, found, both), found, levels, stratum=stratum)


def _centred(columns: Floats, codes: Ints) -> Floats:
    out = columns.copy()
    for code in np.unique(codes):
        rows = codes == code
        out[rows] -= out[rows].mean(axis=0)
    return out


def made(
    ctx: ProbeContext, metric: str, estimate: Estimate, found: Told, levels: Sequence[Level], **condition: Scalar
) -> Measurement:
    """Return a measurement of one source and level; two levels are one comparison."""
    source, level = found.source, found.level
    rest = int(np.unique(ctx.cohort.patients[source.rows][~level.members[source.rows]]).size)
    named = f"{metric}[{source.name}]"
    key = contrast_key(level.attribute, [x.name for x in levels], named) if len(levels) == 2 else None
    return Measurement.of(
        estimate, metric=metric, level=ctx.levels.confidence, direction="lower", subgroup=level.subgroup,
        condition={"parameter": source.name, "n_rest": rest, **condition}, contrast=key,
    )  # fmt: skip
