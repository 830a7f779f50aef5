"""PERF003 observer-agreement."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from audit.core import Estimate, Measurement, NotApplicable, Probe, ProbeContext, ProbeInfo, Scalar
from audit.probes._shared import NO_OPERATING_POINT
from audit.probes.performance._rates import given

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from audit.stats import Faced, Panel

    Floats = NDArray[np.float64]

TRAINED = "trained on this rater"
NUMBERS = ("regression", "segmentation")
TIES = "ties count in equal parts"


class ObserverAgreement(Probe):
    """Whether the model agrees with readers as well as readers agree with each other.

    What it measures:
        Each reader in turn faces the consensus of the other readers, and so does the model on the same cases.
        `agreement_difference` is the model's agreement minus the reader's, averaged over readers: above 0 the model is
        nearer to the others than a reader is. Agreement is kappa for classes (consensus by majority), quadratic
        weighted kappa for grades (by median) and ICC(A,1) for a real value (by mean), which for a segmentation is the
        volume that it marks and that each reader marked, in mm³, or in voxels where no spacing is known. For these
        `distance_advantage` says the same in the unit of the value: the readers' mean distance from the others minus
        the model's. Where others tie, the answers that tie count in equal parts, for the reader and the model alike.
        With fewer than five readers the interval is of these readers (`parameter = "readers fixed"`); from five on they
        stand for readers like them, and their own differences are part of it (`parameter = "readers random"`).
        `agreement` shows each reader beside the model, for reading only. A reader who trained the model
        (`training_rater`) is left out of the comparison, on both sides, and shown apart with the model's agreement
        under `stratum = "trained on this rater"`.

    Why it matters clinically:
        A reading task without a test that settles it has no better yardstick than other readers. A model that agrees
        with them less than they agree among themselves adds noise to the ward, and one that was trained on a reader
        repeats that reader's habits, which looks like skill when it is measured on the same reader.

    Known problems:
        Agreement is not truth: readers may share an error, and a model that is better than they are disagrees with
        them. Kappa and ICC depend on how common each answer is and how different the patients are, so they compare
        within a cohort and not between cohorts. Volumes that agree may be those of different lesions. With few cases no
        interval of such a difference holds its error: below 60 patients (or 15 with a reading other than the commonest)
        there is no number, up to 999 the bounds are those of a stricter level. A consensus of two readers ties often;
        with two readers in all, each is the other's consensus. Readings made with the model's output in view are not
        independent, which cannot be seen from here.

    Example:
        Three readers grade 400 scans. Their mean weighted kappa with the other two is 0.71, the model's 0.69:
        `agreement_difference` -0.02 (-0.06 to 0.02). A rule `limit = { min = -0.05 }` is not shown to hold; with
        `limit = { min = -0.10 }` it is.

    References:
        - Cohen 1968, Weighted kappa: nominal scale agreement with provision for scaled disagreement or partial credit,
          Psychological Bulletin 70.
        - McGraw and Wong 1996, Forming inferences about some intraclass correlation coefficients,
          Psychological Methods 1.
        - Zou and Donner 2008, Construction of confidence limits about effect measures: a general approach,
          Statistics in Medicine 27.
    """

    info: ClassVar[ProbeInfo] = ProbeInfo(
        code="PERF003",
        name="observer-agreement",
        family="PERF",
        tasks=("binary", "multiclass", "ordinal", "regression", "segmentation"),
        needs=("raters",),
        metrics=("agreement_difference", "distance_advantage", "agreement"),
        descriptive=("agreement",),
        title="Agreement with readers",
        question="Does it agree with readers as well as they agree with each other?",
        method=(
            "Each reader and the model face the consensus of the other readers on the same cases; difference of mean "
            "agreements by patient jackknife on Fisher's z and variance estimates recovery, stricter below 1,000 "
            "patients; readers are a sample from five on."
        ),
        limits=(
            "Agreement is not truth, and with fewer than five readers it is agreement with these readers and no "
            "others; below 60 patients there is no number."
        ),
        references=("Cohen 1968, Psychological Bulletin 70", "Zou and Donner 2008, Statistics in Medicine 27"),
        since="0.1.0",
    )  # fmt: skip

    def run(self, ctx: ProbeContext) -> Iterable[Measurement]:
        """Measure the model among its readers; see `Probe.run`."""
        if not ctx.cohort.raters:
            raise NotApplicable("the cohort has no readings of an attribute of role rater")
        if ctx.card.task == "segmentation" and "volume_predicted" not in ctx.clean.columns:
            raise NotApplicable("the volumes were not measured on these cases")
        return _measured(ctx)


def _measured(ctx: ProbeContext) -> Iterator[Measurement]:
    from audit.stats import RANDOM_FROM, NearnessOfNumbers, agreement_difference, by_reader

    trained = ctx.card.training_rater
    names = [name for name in ctx.cohort.raters if name != trained]
    condition: dict[str, Scalar] = {"parameter": "readers random" if len(names) >= RANDOM_FROM else "readers fixed"}
    answers = _answers(ctx)
    if answers is None:
        yield given(ctx, Estimate.absent(NO_OPERATING_POINT, method="none"), "agreement_difference", condition)
        return
    readings = np.stack([ctx.cohort.raters[n] for n in names], axis=1) if names else np.zeros((len(answers), 0))
    panel = _panel(ctx, answers, readings)
    difference = _without_trained(agreement_difference(panel, ctx.levels), trained in ctx.cohort.raters)
    yield given(ctx, difference, "agreement_difference", condition)
    if ctx.card.task in NUMBERS:
        near = agreement_difference(_panel(ctx, answers, readings, NearnessOfNumbers()), ctx.levels)
        yield given(ctx, _without_trained(near, trained in ctx.cohort.raters), "distance_advantage", condition)
    faced = by_reader(panel, ctx.levels) if len(names) > 1 else ()
    for name, row in zip(names, faced, strict=False):
        yield given(ctx, row.reader, "agreement", {"parameter": name, "stratum": "reader"})
        yield given(ctx, row.model, "agreement", {"parameter": name, "stratum": "model"})
    apart = _with_trained(ctx, answers, trained)
    if apart is not None:
        yield given(ctx, apart, "agreement", {"parameter": trained, "stratum": TRAINED})
    _draw(ctx, panel, names, faced, difference)


def _answers(ctx: ProbeContext) -> NDArray[Any] | None:
    """Return the model's answers on the readers' scale, None where a decision has no operating point."""
    if ctx.card.task == "binary":
        decisions = ctx.clean.views[0].decisions
        return None if decisions is None else decisions.astype(np.int64)
    if ctx.card.task == "segmentation":
        return ctx.clean.column("volume_predicted")
    return ctx.clean.scores if ctx.card.task == "regression" else ctx.clean.scores.argmax(axis=1)


def _panel(ctx: ProbeContext, answers: NDArray[Any], readings: Floats, measure: Any = None) -> Panel:
    from audit.stats import AbsoluteIcc, Kappa, Panel

    patients = ctx.cohort.patients
    if ctx.card.task in NUMBERS:
        if measure is None:
            # Whatever the centre, the value is the same; near the readings no digits are lost.
            known = readings[np.isfinite(readings)]
            measure = AbsoluteIcc(centre=float(known.mean()) if known.size else 0.0)
        return Panel(model=answers, readers=readings, patients=patients, measure=measure, consensus="mean")
    ordinal = ctx.card.task == "ordinal"
    categories = 2 if ctx.card.task == "binary" else ctx.clean.scores.shape[1]
    kappa = Kappa(categories=categories, weights="quadratic" if ordinal else "none")
    return Panel(
        model=answers, readers=readings, patients=patients, measure=kappa,
        consensus="median" if ordinal else "majority",
    )  # fmt: skip


def _without_trained(estimate: Estimate, left_out: bool) -> Estimate:
    """Return the estimate with a reason that says whose readings are not in it."""
    from dataclasses import replace

    if estimate.value is not None or not left_out:
        return estimate
    return replace(estimate, missing=f"{estimate.missing} (without the reader who trained the model)")


def _with_trained(ctx: ProbeContext, answers: NDArray[Any], trained: str) -> Estimate | None:
    """Return the model's agreement with the readings that trained it, None where there is no such reader."""
    from audit.stats import agreement

    if trained not in ctx.cohort.raters:
        return None
    readings = ctx.cohort.raters[trained]
    read = np.isfinite(readings)
    measure = _panel(ctx, answers, readings[:, None]).measure
    return agreement(measure, answers[read], readings[read], ctx.cohort.patients[read], ctx.levels)


def _draw(ctx: ProbeContext, panel: Panel, names: list[str], faced: tuple[Faced, ...], difference: Estimate) -> None:
    """Keep each reader beside the model, NaN where there is no number."""
    if not faced:
        return
    columns: dict[str, list[float]] = {
        f"{who}{end}": [] for who in ("reader", "model") for end in ("", "_low", "_high")
    }
    for row in faced:
        for who, estimate in (("reader", row.reader), ("model", row.model)):
            low, high = estimate.bounds(ctx.levels.pointwise) or (np.nan, np.nan)
            value = np.nan if estimate.value is None else estimate.value
            for end, number in (("", value), ("_low", low), ("_high", high)):
                columns[who + end].append(number)
    about: dict[str, Any] = {"measure": panel.measure.name, "consensus": f"{panel.consensus}, {TIES}"}
    bounds = difference.bounds(ctx.levels.pointwise)
    if difference.value is not None and bounds is not None:
        about |= {"difference": difference.value, "difference_low": bounds[0], "difference_high": bounds[1]}
    ctx.sink.artifact(
        "agreement_by_reader",
        f"{panel.measure.name} with the other readers: each reader, and the model in that reader's place",
        {
            "name": np.array(names), **{k: np.array(v) for k, v in columns.items()},
            "n": np.array([row.reader.n for row in faced]),
            "n_patients": np.array([row.reader.n_patients for row in faced]),
        },
        **about,
    )  # fmt: skip
