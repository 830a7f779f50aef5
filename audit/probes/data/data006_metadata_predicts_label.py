"""DATA006 metadata-predicts-label."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from audit.core import (
    Arrays,
    Attribute,
    AttributeSpec,
    ClassView,
    Estimate,
    Measurement,
    NotApplicable,
    Probe,
    ProbeContext,
    ProbeInfo,
    Scalar,
    joined,
)
from audit.probes._metadata import columns_of, known_before
from audit.probes._out_of_fold import FOLDS, lacking, log_odds_out_of_fold
from audit.probes.data._stream import Looked, drawn, in_shards

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from audit.probes._out_of_fold import Rows

    Floats = NDArray[np.float64]

METHOD = f"out of fold, {FOLDS} folds of patients"
ALL, FILE, SOURCE = "(all)", "(file)", "(label source)"
LOGISTIC, BOOSTED = "logistic regression", "boosted trees"
NOTHING = "there is no attribute, no source of the labels and no image that could tell the label"
ALIKE = "all cases are alike in it"
PIECES = 5
OF_A_FILE = 9


@dataclass(frozen=True, kw_only=True, eq=False)
class Columns:
    """What a small model may learn the label from.

    Args:
        name: The attribute, or `ALL`, `FILE`, `SOURCE`.
        table: (m, p) columns, NaN where unknown.
        cases: (m,) indices into the cohort.
        learners: Which small models are tried.
    """

    name: str
    table: Rows
    cases: NDArray[np.int64]
    learners: tuple[str, ...] = (LOGISTIC,)

    @property
    def varies(self) -> bool:
        """Whether the columns tell any two cases apart."""
        return any(np.unique(c[np.isfinite(c)]).size + (~np.isfinite(c)).any() > 1 for c in np.asarray(self.table).T)


class MetadataPredictsLabel(Probe):
    """Whether the label can be told without looking at the image.

    What it measures:
        `auc` out of fold by patient of small models that are given no image: each attribute that is known before the
        image (condition `attribute`), all of them together under `(all)`, the source of the reference standard under
        `(label source)`, and under `(file)` what the file gives away: size, number of channels, stored type, bit
        depth, spacing, kind of file and bytes on disk. A single column is given to a logistic regression, a number in
        fifths; `(all)` and `(file)` to a logistic regression, whose penalty is chosen in inner folds where there are
        six columns or more, and to boosted trees (condition `parameter`). `auc_control` is the same with the labels
        exchanged between patients, which must not come out above 0.5; a little below it is usual, since a fold lacks
        what the others have too much of. Scores are compared within their fold only.

    Why it matters clinically:
        If all melanomas come as large files from one clinic and all naevi as small ones from another, a network needs
        no skin to reach a high AUC. What a column without image can tell is the least that any performance on this
        cohort must be held against.

    Known problems:
        A high AUC is a property of the cohort, not a fault of the model: age rightly tells of risk. It says which
        shortcuts are there to be taken; whether they are is asked by CONF001, CONF002 and CONF007. Only declared
        columns are tried. Bytes on disk follow the image's content, so they may tell of the disease rightly.
        Severities and readings are left out, since they come from somebody who knows the disease. Images beyond the
        budget are not opened.

    Example:
        In a cohort of skin lesions the way in which the diagnosis was made tells melanoma with an AUC of 0.75: all
        melanomas and half of the naevi were excised. No image is needed for that.

    References:
        - Obuchowski 1997, Nonparametric analysis of clustered ROC curve data, Biometrics 53.
        - Badgeley and others 2019, Deep learning predicts hip fracture using confounding patient and healthcare
          variables, npj Digital Medicine 2.
    """

    info: ClassVar[ProbeInfo] = ProbeInfo(
        code="DATA006",
        name="metadata-predicts-label",
        family="DATA",
        tasks=("binary", "multiclass", "multilabel", "ordinal"),
        metrics=("auc", "auc_control"),
        descriptive=("auc_control",),
        title="Label told by metadata",
        question="Can the label be told without the image?",
        method=(
            "Logistic regression and boosted trees on columns without image, out of fold by patient; Obuchowski's "
            "interval; labels exchanged between patients as the control."
        ),
        limits="Shows which shortcuts the cohort offers, not whether the model takes them; only declared columns.",
        references=("Obuchowski 1997, Biometrics 53", "Badgeley and others 2019, npj Digital Medicine 2"),
    )

    def run(self, ctx: ProbeContext) -> Iterable[Measurement]:
        """Try every column by itself, all together, the source of the labels and the files; see `Probe.run`."""
        sets = list(_sets(ctx))
        if not sets:
            raise NotApplicable(NOTHING)
        return _all(ctx, sets)


def _all(ctx: ProbeContext, sets: Sequence[Columns]) -> Iterator[Measurement]:
    total = len(sets) * len(ctx.clean.views)
    for i, view in enumerate(ctx.clean.views):
        rows = []
        for j, columns in enumerate(sets):
            for learner in columns.learners:
                condition: dict[str, Scalar] = {
                    **view.condition, "attribute": columns.name, "parameter": learner,
                }  # fmt: skip
                found = _area(ctx, view.labels, columns, learner)
                yield _given(ctx, found, "auc", condition)
                rows.append((f"{_words(columns.name)}, {learner}", found))
            exchanged = _exchanged(view.labels[columns.cases], ctx.cohort.patients[columns.cases], ctx.rng)
            whole = np.zeros(len(view.labels), dtype=bool)
            whole[columns.cases] = exchanged
            control = _area(ctx, whole, columns, columns.learners[0])
            yield _given(ctx, control, "auc_control", {**view.condition, "attribute": columns.name})
            ctx.sink.progress(i * len(sets) + j + 1, total)
        _draw(ctx, view, rows)


def _words(name: str) -> str:
    return {ALL: "all attributes", FILE: "the file", SOURCE: "source of the label"}.get(name, name)


def _sets(ctx: ProbeContext) -> Iterator[Columns]:
    cohort = ctx.cohort
    everyone = np.arange(len(cohort))
    given = [a for a in known_before(cohort) if len(a.level_names()) > 1]
    for attribute in given:
        yield Columns(name=attribute.name, table=columns_of([_cut(attribute)], cohort.patients), cases=everyone)
    if given:
        yield Columns(name=ALL, table=columns_of(given, cohort.patients), cases=everyone, learners=(LOGISTIC, BOOSTED))
    if cohort.reference_levels is not None and np.unique(cohort.reference_levels).size > 1:
        source = Attribute(spec=AttributeSpec(name=SOURCE, role="covariate"), levels=cohort.reference_levels)
        yield Columns(name=SOURCE, table=columns_of([source], cohort.patients), cases=everyone)
    if cohort.images is not None:
        yield _files(ctx)


def _cut(attribute: Attribute) -> Attribute:
    """Return a number as levels of about as many cases each, so that a straight line is not asked of it."""
    from audit.core.binning import equal_mass_bins

    if attribute.numbers is None:
        return attribute
    known = np.isfinite(attribute.numbers)
    levels = np.full(len(known), "(missing)", dtype=np.str_)
    levels[known] = equal_mass_bins(attribute.numbers[known], PIECES).astype(np.str_)
    return replace(attribute, levels=levels, numbers=None)


def _files(ctx: ProbeContext) -> Columns:
    """Return what the stored files say beside the picture itself; NaN where the format does not say it."""
    assert ctx.cohort.images is not None
    every = joined(in_shards(ctx, "files looked at", ctx.cohort.images, drawn(ctx), _read))
    cases, known = every["cases"], every["rows"]
    kind = np.unique(every["kinds"], return_inverse=True)[1].reshape(-1)
    table = np.concatenate([known, np.eye(int(kind.max(initial=0)) + 1)[kind]], axis=1)
    return Columns(name=FILE, table=table, cases=cases, learners=(LOGISTIC, BOOSTED))


def _read(images: Iterator[Looked]) -> Arrays:
    """Return what is known of the files that can be read."""
    rows, cases, kinds = [], [], []
    for image in images:
        if image.values is None:
            continue
        values = image.values
        size = [float(s) for s in values.shape[1:]]
        spacing = [float(s) for s in image.spacing] if image.spacing else []
        depth = np.ceil(np.log2(max(float(np.abs(values).max()), 1.0) + 1e-9))
        stored = [8.0 if depth <= 8 else 16.0, np.nan if image.size is None else np.log(image.size + 1.0)]
        rows.append([*_three(size), float(values.shape[0]), *_three(spacing), *stored])
        kinds.append(f"{values.dtype} {image.suffix}")
        cases.append(image.case)
    return {
        "cases": np.array(cases, dtype=np.int64), "kinds": np.array(kinds, dtype=np.str_),
        "rows": np.array(rows, dtype=np.float64).reshape(len(cases), OF_A_FILE),
    }  # fmt: skip


def _three(values: list[float]) -> list[float]:
    return [*values, np.nan, np.nan, np.nan][:3]


def _area(ctx: ProbeContext, labels: NDArray[np.bool_], columns: Columns, learner: str) -> Estimate:
    from audit.stats import stratified_auc

    own, patients = labels[columns.cases], ctx.cohort.patients[columns.cases]
    reason = lacking(own, patients, "positives") or (None if columns.varies else ALIKE)
    if reason:
        return Estimate.absent(reason, method=METHOD, n=len(own), n_patients=int(np.unique(patients).size))
    found = log_odds_out_of_fold(columns.table, own, patients, ctx.rng, learner=learner)
    estimate = stratified_auc(found.values, own, found.fold, patients, ctx.levels, folds=FOLDS)
    return replace(estimate, method=f"{estimate.method}; {METHOD}")


def _exchanged(labels: NDArray[np.bool_], patients: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return labels of which each patient has those of another, as many images as there are."""
    ids, code = np.unique(patients, return_inverse=True)
    ill = np.bincount(code.reshape(-1), weights=labels) / np.bincount(code.reshape(-1)) >= 0.5
    out: NDArray[np.bool_] = ill[rng.permutation(len(ids))][code.reshape(-1)]
    return out


def _given(ctx: ProbeContext, estimate: Estimate, metric: str, condition: dict[str, Scalar]) -> Measurement:
    return Measurement.of(estimate, metric=metric, level=ctx.levels.confidence, direction="lower", condition=condition)


def _draw(ctx: ProbeContext, view: ClassView, rows: list[tuple[str, Estimate]]) -> None:
    known = [(name, e, e.bounds(ctx.levels.pointwise)) for name, e in rows if e.value is not None]
    if not known:
        return
    about: dict[str, Any] = dict(view.condition)
    ctx.sink.artifact(
        "metadata_auc", "How well the label is told without the image, out of fold", {
            "columns": np.array([name for name, _, _ in known]),
            "value": np.array([e.value for _, e, _ in known], dtype=np.float64),
            "low": np.array([np.nan if b is None else b[0] for _, _, b in known]),
            "high": np.array([np.nan if b is None else b[1] for _, _, b in known]),
            "n_patients": np.array([e.n_patients for _, e, _ in known]),
        }, **about,
    )  # fmt: skip
