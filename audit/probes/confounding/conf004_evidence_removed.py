"""CONF004 evidence-removed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from audit.core import Access, Direction, Estimate, Measurement, NotApplicable, Probe, ProbeContext, ProbeInfo, Scalar
from audit.probes._shared import count_patients
from audit.probes.confounding._asked import NO_NUMBER, Reading, Setting, finite_rows, readings, sampled, setting_of
from audit.probes.confounding._evidence import DILATION, OTHERS, Filled, Subject, mirrored, paired, remove
from audit.probes.confounding._thumbnails import comparators
from audit.probes.confounding._traces import MOST, refused, trace

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Mask = NDArray[np.bool_]

MOST_WITHOUT = 0.05
"""Share of the cases that may lack a mask; the others would answer for them."""
FEWEST = 5
TIED = "all answers equal, exact bound on the share of patients who differ"
SLOPE = "slope on the reference, patient bootstrap"


class EvidenceRemoved(Probe):
    """Whether the model still knows the answer when the evidence has been taken out of the image.

    What it measures:
        In every case the lesion, its mask dilated by 2 mm, is filled with tissue of the same image. Every control is
        filled as well, with the mask of a case at the place where the case has it; masks of cases are dealt out evenly
        to controls that look alike around that place, and masks of controls, where they have any, to cases. So what is
        filled has the same place and size on both sides, and nothing can be told from it. `auc_without_evidence` is
        the AUC that the model has left: what it knows from elsewhere. `auc_without_evidence_by_dilation` repeats it at
        0 and at 5 mm. Without a declared spacing the lengths are pixels.

        Beside it: `auc_as_it_is` of the same images untouched; `auc_filled_elsewhere` where the same shapes are filled
        off the lesion, which must not cost anything; `control_shift`, the mean change of the score of controls by the
        fill of plain tissue, which must be near 0; and `fill_trace_auc`, with which a small classifier, out of fold by
        patient, tells filled controls from untouched ones. Where that is above 0.7, or cannot be found out, a network
        could use the trace as well: the numbers on filled images are then missing, and the finding is INCONCLUSIVE.

        `thumbnail_auc` and `border_auc` are what a linear model reaches out of fold on an 8 x 8 thumbnail and on the
        border of the image alone; `thumbnail_correlation` and `border_correlation` are how closely the model's score
        follows theirs within cases and within controls. The audited model is never shown a thumbnail.

        For a real value and for a grade: `output_after_erasing`, the mean answer, and `slope_without_evidence`, the
        slope on the reference value that is left, beside `slope_as_it_is`; two images of opposite rank share what is
        filled. For a segmentation: `volume_in_filled_region`, the share of the reference region that the model still
        marks after the fill, beside `volume_before_filling`.

    Why it matters clinically:
        A model that tells disease from health without the lesion has found something else: the ward, the scanner, a
        tube, a second projection. It will be wrong wherever that something does not go with the disease.

    Known problems:
        Disease may show beyond its mask: oedema, a pushed midline, an enlarged heart. Then performance that is left is
        earned, so the limit needs a clinical reason; 0.5 is none. A model may lean the other way, so a rule should also
        ask for a minimum. A rule on `auc_without_evidence` wants one on `control_shift` beside it: a model that every
        fill throws off course has no AUC left for that reason. Cases without a mask are left out and counted; beyond
        5 % of them the number is missing. The fill is made of the same image, so a lesion that covers most of it cannot
        be filled, and the check for traces says so. The classifier behind that check is small: a trace that it does not
        find may still be there. A thumbnail shows large lesions, so following it is no fault by itself.

    Example:
        AUC is 0.91 as it is, 0.90 with as much filled elsewhere and 0.74 (0.69 to 0.79) without the lesion; the limit
        was 0.60, since one case in ten shows oedema beyond its mask. The model reads the ward's film marker.

    References:
        - Maguolo and Nanni 2021, A critic evaluation of methods for COVID-19 automatic detection from X-ray images,
          Information Fusion 76.
        - DeGrave, Janizek and Lee 2021, AI for radiographic COVID-19 detection selects shortcuts over signal, Nature
          Machine Intelligence 3.
        - Bissoto and others 2019, (De)constructing bias on skin lesion datasets, CVPR Workshops.
        - Pérez, Gangnet and Blake 2003, Poisson image editing, ACM Transactions on Graphics 22.
    """

    info: ClassVar[ProbeInfo] = ProbeInfo(
        code="CONF004",
        name="evidence-removed",
        family="CONF",
        tasks=("binary", "multiclass", "multilabel", "ordinal", "regression", "segmentation"),
        access=Access.QUERY,
        needs=("images", "masks"),
        metrics=(
            "auc_without_evidence", "control_shift", "auc_as_it_is", "auc_filled_elsewhere", "fill_trace_auc",
            "auc_without_evidence_by_dilation", "thumbnail_auc", "thumbnail_correlation", "border_auc",
            "border_correlation", "slope_without_evidence", "slope_as_it_is", "output_after_erasing",
            "volume_in_filled_region", "volume_before_filling",
        ),
        descriptive=(
            "auc_as_it_is", "auc_filled_elsewhere", "fill_trace_auc", "auc_without_evidence_by_dilation",
            "thumbnail_auc", "border_auc", "slope_as_it_is", "volume_before_filling",
        ),
        title="Knowing the answer without the evidence",
        question="Does it still know when the lesion is gone?",
        method=(
            "Lesions are filled with tissue of the same image, controls with masks of cases; AUC of what is left, "
            "Obuchowski on the logit scale, given only where a small classifier cannot see the fill."
        ),
        limits=(
            "Disease may show beyond its mask, and a trace of the fill that the small classifier does not find may "
            "still be there."
        ),
        references=(
            "Maguolo and Nanni 2021, Information Fusion 76",
            "DeGrave, Janizek and Lee 2021, Nature Machine Intelligence 3",
            "Bissoto and others 2019, CVPR Workshops",
            "Pérez, Gangnet and Blake 2003, ACM Transactions on Graphics 22",
        ),
    )  # fmt: skip

    def run(self, ctx: ProbeContext) -> Iterable[Measurement]:
        """Fill a sample of the cohort and ask again; see `Probe.run`."""
        if ctx.card.access < Access.QUERY:
            raise NotApplicable("the model answers for no new image")
        if ctx.cohort.masks is None:
            raise NotApplicable("the cohort has no masks")
        setting = setting_of(ctx)
        cases = sampled(ctx)
        looked = _Looked(setting, cases)
        given = readings(ctx)
        if not looked.some:
            raise NotApplicable("every mask is empty: there is no evidence to remove")
        if ctx.card.task == "segmentation":
            return list(_volumes(looked))
        if given[0].labels is None:
            return [*_values(looked, given[0]), *comparators(setting, cases, given)]
        return [*(m for reading in given for m in _areas(looked, reading)), *comparators(setting, cases, given)]


class _Looked:
    """The masks and the tissue of the sampled cases.

    Args:
        setting: Where it happens.
        cases: The sampled cases.
    """

    def __init__(self, setting: Setting, cases: NDArray[np.int64]) -> None:
        self.setting, self.ctx, self.cases = setting, setting.ctx, cases
        found = {int(c): setting.mask(int(c)) for c in cases}
        nothing = np.zeros(setting.size, dtype=bool)
        self.masks: dict[int, Mask] = {c: nothing if m is None else m for c, m in found.items()}

    @property
    def some(self) -> bool:
        """Whether any mask holds anything."""
        return any(m.any() for m in self.masks.values())


def _areas(looked: _Looked, reading: Reading) -> Iterator[Measurement]:
    """Give what is left of one class."""
    ctx, labels = looked.ctx, reading.labels
    assert labels is not None
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
    traced = _trace(looked, found, controls)
    why = _refused(traced, found)
    left_out = len(positive) - len(cases)
    clean = reading.value(ctx.clean.raw[rows])
    made = {
        f"{DILATION:g}": _area(ctx, "auc_without_evidence", reading, found, "2", truth, patients, why, left_out),
        "shift": _shift(ctx, reading, found, rows, truth, patients),
        "as it is": _measured(ctx, _auc(ctx, clean, truth, patients), "auc_as_it_is", reading, "higher"),
        "elsewhere": _area(ctx, "auc_filled_elsewhere", reading, found, "elsewhere", truth, patients, why, left_out),
        "trace": _measured(ctx, traced, "fill_trace_auc", reading, "lower"),
    }
    for dilation in OTHERS:
        extra: dict[str, Scalar] = {"parameter": _length(looked.setting, dilation)}
        made[f"{dilation:g}"] = _area(
            ctx, "auc_without_evidence_by_dilation", reading, found, f"{dilation:g}", truth, patients, why, left_out,
            extra,
        )  # fmt: skip
    yield from made.values()
    _draw(looked, made, reading)
    _show(looked, found, reading)


def _draw(looked: _Looked, made: dict[str, Measurement], reading: Reading) -> None:
    """Keep the AUC as it is, with as much filled elsewhere, and without the evidence, for the figure."""
    names = {"as it is": "as it is", "elsewhere": "as much filled elsewhere"}
    names |= {
        f"{d:g}": f"lesion filled, {_length(looked.setting, d)} beyond its mask"
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


def _length(setting: Setting, dilation: float) -> str:
    return f"{dilation:g} {setting.grid.unit}"


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
    score = reading.value(found.answers(arm))
    said = _auc(ctx, score, truth, patients)
    if np.isfinite(score).all() and np.ptp(score) == 0 and np.ptp(reading.value(ctx.clean.raw[found.cases])) > 0:
        said = _tied(ctx, truth, patients)
    if why is not None:
        said = Estimate.absent(why, method=said.method, n=said.n, n_patients=said.n_patients)
    elif left_out and said.value is not None:
        method = f"{said.method}; {left_out} cases without a mask left out"
        said = Estimate(value=said.value, curve=said.curve, method=method, n=said.n, n_patients=said.n_patients)
    better: Direction = "higher" if metric == "auc_filled_elsewhere" else "lower"
    return _measured(ctx, said, metric, reading, better, extra)


def _shift(
    ctx: ProbeContext, reading: Reading, found: Filled, rows: NDArray[np.int64], truth: NDArray[np.bool_],
    patients: NDArray[np.int64],
) -> Measurement:  # fmt: skip
    """Return the mean change of the score of controls by a fill of plain tissue."""
    from audit.stats import paired_difference

    after, before = reading.score(found.answers("elsewhere")), reading.score(ctx.clean.raw[rows])
    bounded = ctx.card.output != "value"
    if not np.isfinite(after).all():
        count = count_patients(ctx.cohort.patients[rows], ~truth)
        said = Estimate.absent(NO_NUMBER, method="none", n=int((~truth).sum()), n_patients=count)
    else:
        said = paired_difference(
            after[~truth], before[~truth], patients[~truth], ctx.levels,
            support=(-1.0, 1.0) if bounded else (None, None),
        )  # fmt: skip
    return _measured(ctx, said, "control_shift", reading, "zero")


def _trace(looked: _Looked, found: Filled, among: Iterable[int]) -> Estimate:
    """Return how well fills of plain tissue are told from the same places untouched, in some of the images."""
    wanted = set(among)
    keep = [i for i, c in enumerate(found.traced) if c in wanted]
    patients = looked.ctx.cohort.patients[np.array([found.traced[i] for i in keep], dtype=np.int64)]
    return trace(looked.ctx, [found.filled[i] for i in keep], [found.untouched[i] for i in keep], patients)


def _refused(traced: Estimate, found: Filled) -> str | None:
    why = refused(traced)
    if why is None and not finite_rows(r for part in found.raws.values() for r in part):
        return NO_NUMBER
    return why


def _measured(
    ctx: ProbeContext, said: Estimate, metric: str, reading: Reading, direction: Direction,
    extra: dict[str, Scalar] | None = None,
) -> Measurement:  # fmt: skip
    return Measurement.of(
        said, metric=metric, level=ctx.levels.confidence, direction=direction,
        condition={**reading.condition, **(extra or {})},
    )  # fmt: skip


def _absent(looked: _Looked, reading: Reading, reason: str) -> Iterator[Measurement]:
    n, count = len(looked.masks), int(np.unique(looked.ctx.cohort.patients[looked.cases]).size)
    said = Estimate.absent(reason, method="none", n=n, n_patients=count)
    for metric in ("auc_without_evidence", "control_shift"):
        yield _measured(looked.ctx, said, metric, reading, "lower")


def _values(looked: _Looked, reading: Reading) -> Iterator[Measurement]:
    """Give what is left of a real value or of a grade."""
    from audit.stats import bootstrap, mean

    ctx = looked.ctx
    target = np.asarray(ctx.clean.targets, dtype=np.float64)
    # Equal values in random order, so that which of them share a fill is not that of the manifest.
    shuffled = ctx.rng.permutation(np.array(sorted(looked.masks)))
    order = [int(c) for c in shuffled[np.argsort(target[shuffled], kind="stable")]]
    found = remove(looked.setting, mirrored(looked.setting, order, looked.masks), dilations=(DILATION,))
    rows = np.array(found.cases)
    patients, reference = ctx.cohort.patients[rows], target[rows]
    traced = _trace(looked, found, found.cases)
    why = _refused(traced, found)

    def slope(value: Floats) -> Estimate:
        if not np.isfinite(value).all():
            return Estimate.absent(NO_NUMBER, method=SLOPE, n=rows.size, n_patients=int(np.unique(patients).size))
        return bootstrap(
            lambda w: _slopes(w, reference, value), patients, ctx.levels, ctx.rng, resamples=ctx.budget.resamples,
            method=SLOPE, vectorised=True,
        )  # fmt: skip

    left = reading.value(found.answers(f"{DILATION:g}"))
    for metric, said, direction, guarded in (
        ("slope_without_evidence", slope(left), "lower", True),
        ("slope_as_it_is", slope(reading.value(ctx.clean.raw[rows])), "none", False),
        ("output_after_erasing", mean(np.nan_to_num(left), patients, ctx.levels), "none", True),
        ("fill_trace_auc", traced, "lower", False),
    ):
        if guarded and why is not None:
            said = Estimate.absent(why, method=said.method, n=said.n, n_patients=said.n_patients)
        yield _measured(ctx, said, metric, reading, direction)  # type: ignore[arg-type]
    _show(looked, found, reading)


def _slopes(weights: Floats, x: Floats, y: Floats) -> Floats:
    """Return (b,) least-squares slopes of y on x under (b, n) weights, NaN where x does not vary."""
    total = weights.sum(axis=1)
    mx, my = weights @ x / total, weights @ y / total
    spread = weights @ (x * x) / total - mx**2
    out = np.full(len(weights), np.nan)
    np.divide(weights @ (x * y) / total - mx * my, spread, out=out, where=spread > 1e-12)
    return out


def _volumes(looked: _Looked) -> Iterator[Measurement]:
    """Give how much of the region of the reference a segmentation still marks."""
    from audit.stats import mean

    ctx, setting = looked.ctx, looked.setting
    cases = [c for c, m in looked.masks.items() if m.any()]
    nothing = np.zeros(setting.size, dtype=bool)
    subjects = [Subject(case=c, own=looked.masks[c], other=nothing) for c in cases]
    found = remove(setting, subjects, dilations=(DILATION,))
    patients = ctx.cohort.patients[np.array(cases)]
    traced = _trace(looked, found, cases)
    reading = Reading(value=lambda raw: raw[:, 0], score=lambda raw: raw[:, 0], decide=None)
    before = np.concatenate([
        setting.ask([setting.image(c) for c in cases[i : i + ctx.budget.batch_size]])
        for i in range(0, len(cases), ctx.budget.batch_size)
    ])  # fmt: skip
    arms = (("volume_in_filled_region", found.answers(f"{DILATION:g}")), ("volume_before_filling", before))
    for metric, marked in arms:
        shares = np.array([float(m[looked.masks[c]].mean()) for c, m in zip(cases, marked, strict=True)])
        why = refused(traced) if metric == "volume_in_filled_region" else None
        if not np.isfinite(shares).all():
            why = NO_NUMBER
        n_patients = int(np.unique(patients).size)
        said = (
            Estimate.absent(why, method="none", n=len(cases), n_patients=n_patients)
            if why is not None
            else mean(shares, patients, ctx.levels, support=(0.0, 1.0))
        )
        yield _measured(ctx, said, metric, reading, "lower" if why or metric.endswith("region") else "higher")
    yield _measured(ctx, traced, "fill_trace_auc", reading, "lower")
    _show(looked, found, reading)


def _show(looked: _Looked, found: Filled, reading: Reading) -> None:
    """Offer some images before and after, whose pixels the runner stores for phantoms or on request."""
    low, high = looked.setting.span
    about: dict[str, Any] = dict(reading.condition)

    def grey(stack: list[NDArray[np.float32]]) -> NDArray[np.uint8]:
        return np.clip(np.round(255 * (np.stack(stack) - low) / (high - low)), 0, 255).astype(np.uint8)

    looked.ctx.sink.artifact(
        "evidence_examples",
        "Images, the same without their evidence, and with as much filled elsewhere",
        {
            "images": grey(found.examples["images"]),
            "without_evidence": grey(found.examples[f"{DILATION:g}"]),
            "filled_elsewhere": grey(found.examples["elsewhere"]),
        },
        pixels=True, dilation=_length(looked.setting, DILATION), most_trace=MOST, **about,
    )  # fmt: skip
