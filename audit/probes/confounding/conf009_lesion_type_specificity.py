"""CONF009 lesion-type-specificity."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from audit.core import Access, Estimate, Measurement, NotApplicable, Probe, ProbeContext, ProbeInfo, Scalar
from audit.probes.confounding._asked import NO_NUMBER, Reading, Setting, readings
from audit.probes.confounding._dose_numbers import averaged, clean_answers, touched
from audit.probes.confounding._doses import METHOD, Doses, give
from audit.probes.confounding._scenes import LESION, scene_of, stock
from audit.probes.confounding._starting import begin, lacking

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


class LesionTypeSpecificity(Probe):
    """Whether the model answers to what looks like a lesion and is none.

    What it measures:
        Into the same images the cohort's own lesions are put, and apart from them its own distractors, each type that
        `[cohort.distractors]` declares with its masks: usual in size and contrast, from images of the same protocol, in
        tissue that may hold them, never more than the cohort's 95th centile of that type, and each beside a sham as in
        CONF008. `specificity_ratio` is the slope on distractors over the slope on lesions, both less their shams, over
        cases that got both, with Fieller's interval; by type (condition `parameter`). 0: the model tells them apart.
        1: a distractor counts as much as a lesion. `lesion_slope` and `distractor_slope` are its parts, on the scale of
        CONF008, and describe.

        For a segmentation the slopes are marked volume per volume put in, and `distractor_false_positives` is the share
        of inserted distractors that the mask touches; a mask that touches no inserted lesion either has none.

    Why it matters clinically:
        White matter lesions, lacunes and enlarged perivascular spaces, bone and calcified plaque: what a model was not
        told apart in training it will count together. The patients who have much of the one are then graded for the
        other.

    Known problems:
        A ratio needs a model that answers to lesions: where the slope on lesions is not told from 0 there is no number,
        and the finding is INCONCLUSIVE. A negative ratio means that distractors push the other way, which no upper
        limit sees: ask for a minimum as well. Only declared types are tried. What is put in was moved, not grown there.

    Example:
        The answer rises by 0.95 a lesion and by 0.20 a lacune: `specificity_ratio` is 0.21 (0.15 to 0.28) for
        `parameter = "lacune"`; the limit was 0.10.

    References:
        - Dubost and others 2019, 3D regression neural network for the quantification of enlarged perivascular spaces in
          brain MRI, Medical Image Analysis 51.
        - Fieller 1954, Some problems in interval estimation, Journal of the Royal Statistical Society B 16.
    """

    info: ClassVar[ProbeInfo] = ProbeInfo(
        code="CONF009",
        name="lesion-type-specificity",
        family="CONF",
        tasks=("binary", "multiclass", "multilabel", "ordinal", "regression", "segmentation"),
        access=Access.QUERY,
        needs=("images", "masks"),
        metrics=("specificity_ratio", "distractor_false_positives", "lesion_slope", "distractor_slope"),
        descriptive=("lesion_slope", "distractor_slope"),
        title="Lesions and what looks like them",
        question="Does it count what only looks like a lesion?",
        method=(
            "The cohort's own distractors and lesions put into the same images beside shams; slope on distractors over "
            "slope on lesions, Fieller's interval by patient."
        ),
        limits="Only declared types of distractors are tried; what is put in was moved to where it fits.",
        references=(
            "Dubost and others 2019, Medical Image Analysis 51",
            "Fieller 1954, Journal of the Royal Statistical Society B 16",
        ),
    )  # fmt: skip

    def run(self, ctx: ProbeContext) -> Iterable[Measurement]:
        """Edit a sample of the cohort and ask again; see `Probe.run`."""
        if not ctx.cohort.distractors:
            raise NotApplicable("no distractor is declared under [cohort.distractors]")
        setting, cases = begin(ctx)
        held = stock(setting, cases)
        kinds = tuple(ctx.cohort.distractors)
        scenes = (s for s in (scene_of(setting, c) for c in cases) if s is not None)
        found = give(setting, scenes, (LESION, *kinds), held, erase=False)
        clean, why = clean_answers(setting), lacking(setting, cases)
        out: list[Measurement] = []
        for reading in readings(ctx):
            for kind in kinds:
                out += _kind(setting, reading, found, kind, clean, why)
            _draw(ctx, reading, out)
        if ctx.card.task == "segmentation":
            out += [_false(setting, found, kind, why) for kind in kinds]
        return out


def _kind(
    setting: Setting, reading: Reading, found: dict[str, Doses], kind: str, clean: Floats, why: str | None
) -> Iterator[Measurement]:
    from audit.stats import ratio_of_means

    net: dict[str, dict[int, float]] = {}
    for name in (LESION, kind):
        doses = found.get(name, Doses())
        true, sham = doses.slopes(reading, clean)
        net[name] = dict(zip(doses.cases.tolist(), (true - sham).tolist(), strict=True))
    both = np.array(sorted(set(net[LESION]) & set(net[kind])), dtype=np.int64)
    lesion, other = (np.array([net[name][c] for c in both.tolist()]) for name in (LESION, kind))
    patients = setting.ctx.cohort.patients[both]
    n_patients = int(np.unique(patients).size)
    if not both.size:
        ratio = Estimate.absent("no case had room for both a lesion and this distractor", method=METHOD)
    elif not np.isfinite([*lesion, *other]).all():
        ratio = Estimate.absent(NO_NUMBER, method=METHOD, n=both.size, n_patients=n_patients)
    else:
        ratio = ratio_of_means(other, lesion, patients, setting.ctx.levels)
    yield _given(setting, reading, ratio, "specificity_ratio", kind, why, "lower")
    for metric, values in (("lesion_slope", lesion), ("distractor_slope", other)):
        said = averaged(setting, values, both)
        yield _given(setting, reading, said, metric, kind, why, "none")


def _false(setting: Setting, found: dict[str, Doses], kind: str, why: str | None) -> Measurement:
    """Return the share of inserted distractors that a segmentation touches, at the top dose of each case."""
    from audit.stats import mean

    cases, share = touched(found.get(kind, Doses()), sham=False)
    _, of_lesions = touched(found.get(LESION, Doses()), sham=False)
    patients = setting.ctx.cohort.patients[cases]
    reason = None if cases.size else "no image had room for this distractor"
    if not np.isfinite([*share, *of_lesions]).all():
        reason = NO_NUMBER
    elif cases.size and not of_lesions.any():
        reason = "the mask touches no inserted lesion either, so that it touches no distractor says nothing"
    if reason:
        said = Estimate.absent(reason, method="none", n=int(cases.size), n_patients=int(np.unique(patients).size))
    else:
        said = mean(share, patients, setting.ctx.levels, support=(0.0, 1.0))
    plain = Reading(value=lambda r: r[:, 0], score=lambda r: r[:, 0], decide=None)
    return _given(setting, plain, said, "distractor_false_positives", kind, why, "lower")


def _given(
    setting: Setting, reading: Reading, said: Estimate, metric: str, kind: str, why: str | None, direction: Any
) -> Measurement:
    if why is not None:
        said = Estimate.absent(why, method=said.method, n=said.n, n_patients=said.n_patients)
    condition: dict[str, Scalar] = {**reading.condition, "parameter": kind}
    unit = reading.unit if metric.endswith("_slope") else ""
    return Measurement.of(
        said, metric=metric, level=setting.ctx.levels.confidence, direction=direction, condition=condition, unit=unit
    )


def _draw(ctx: ProbeContext, reading: Reading, measured: list[Measurement]) -> None:
    """Keep slopes on lesions and distractors side by side."""
    name = reading.condition.get("class")
    mine = [m for m in measured if m.metric.endswith("_slope") and m.condition.get("class") == name]
    mine = [m for m in mine if m.value is not None]
    if not mine:
        return
    about: dict[str, Any] = dict(reading.condition)
    ctx.sink.artifact(
        "specificity_slopes", "Change of the answer for each lesion, and for each distractor",
        {
            "parameter": np.array([str(m.condition["parameter"]) for m in mine]),
            "what": np.array([m.metric.removesuffix("_slope") for m in mine]),
            "value": np.array([m.value for m in mine]), "low": np.array([m.low for m in mine]),
            "high": np.array([m.high for m in mine]), "n_patients": np.array([m.n_patients for m in mine]),
        },
        unit=reading.unit, **about,
    )  # fmt: skip
