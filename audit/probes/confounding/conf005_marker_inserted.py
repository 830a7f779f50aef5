"""CONF005 marker-inserted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from audit.core import Access, Estimate, Measurement, NotApplicable, Probe, ProbeContext, ProbeInfo, Scalar
from audit.probes._shared import NO_OPERATING_POINT
from audit.probes.confounding._asked import NO_NUMBER, Reading, Setting, readings, sampled, setting_of
from audit.probes.confounding._flips import Marked, kinds_of, mark

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

ONE_ANSWER = "the model decides the same of every sampled image, so that no decision changing says nothing"


class MarkerInserted(Probe):
    """Whether a marker, text, ink or the way a file was made changes what the model decides.

    What it measures:
        Into each image of a sample the same things are put that images carry without being of the patient: a
        laterality letter, a line of text, a ruler, a pen mark, a chest tube, a bright corner patch; and two changes
        that tell how a file was made, a coarser grid and back, and a JPEG. Which of them depends on the modality, each
        at every corner or side that it may be at, never over a lesion where masks say where that is. `flip_rate` is
        the share of cases whose decision changes at any of the places; by kind (condition `parameter`).
        `sham_flip_rate` is the same for noise of the same energy in the same pixels, and `flip_rate_excess` the first
        minus the second, case by case. `score_change` is the mean signed change of the score over the places, by kind
        and by class (`stratum`): which way a marker pushes cases, and which way controls.

        For a grade a decision is the grade. A real value counts as changed where it moves beyond the declared clinical
        tolerance, the volume of a segmentation where it moves by more than that share of itself.

    Why it matters clinically:
        Films of the ward carry another letter than those of the clinic, and suspicious moles are ruled and marked
        before they are photographed. A model that has learned the mark calls the marked, not the ill.

    Known problems:
        The marks are drawn, not photographed, and a model may know those of one manufacturer only: no change is no
        proof that it reads no mark at all. Where the model decides the same of every image and no mark changes that,
        there is no number. Without masks a tube, a pen mark or a ruler may lie over the finding, and then a change is
        right; the sham, at the same place, shows as much. A model that is far from its threshold does
        not flip though its score moves: `score_change` shows that. Noise that flips as often as the marker means that
        the model is unstable, not that it reads the mark; then `flip_rate` fails all the same, since the patient does
        not care. Two letters and three texts are drawn, in white.

    Example:
        `probe = "CONF005"`, `metric = "flip_rate"`, `where = { parameter = "laterality marker" }`,
        `limit = { max = 0.02 }`. An L or R flips 31 of 200 cases (0.155), noise of the same energy 1: the model reads
        the letter.

    References:
        - Zech and others 2018, Variable generalization performance of a deep learning model to detect pneumonia in
          chest radiographs, PLoS Medicine 15.
        - Winkler and others 2019, Association between surgical skin markings in dermoscopic images and diagnostic
          performance of a deep learning convolutional neural network for melanoma recognition, JAMA Dermatology 155.
        - Oakden-Rayner and others 2020, Hidden stratification causes clinically meaningful failures in machine learning
          for medical imaging, CHIL.
    """

    info: ClassVar[ProbeInfo] = ProbeInfo(
        code="CONF005",
        name="marker-inserted",
        family="CONF",
        tasks=("binary", "multiclass", "multilabel", "ordinal", "regression", "segmentation"),
        access=Access.QUERY,
        needs=("images",),
        metrics=("flip_rate", "flip_rate_excess", "sham_flip_rate", "score_change"),
        descriptive=("sham_flip_rate",),
        title="Reading marks instead of the patient",
        question="Does a marker, or how a file was made, change its answer?",
        method=(
            "Markers are drawn into images at every place that they may be at, beside noise of the same energy in the "
            "same pixels; Korn-Graubard interval of the share of decisions that change."
        ),
        limits="Drawn marks are not those of every manufacturer; without masks a mark may cover the finding.",
        references=(
            "Zech and others 2018, PLoS Medicine 15", "Winkler and others 2019, JAMA Dermatology 155",
            "Oakden-Rayner and others 2020, CHIL",
        ),
    )  # fmt: skip

    def run(self, ctx: ProbeContext) -> Iterable[Measurement]:
        """Mark a sample of the cohort; see `Probe.run`."""
        if ctx.card.access < Access.QUERY:
            raise NotApplicable("the model answers for no new image")
        setting = setting_of(ctx)
        cases = sampled(ctx)
        found = mark(setting, cases)
        clean = _clean(ctx, cases)
        out = []
        for reading in readings(ctx):
            of = [_Kind(setting=setting, cases=cases, found=found, clean=clean, reading=reading, kind=k)
                  for k in kinds_of(setting)]  # fmt: skip
            made = {one.kind: list(one.measured()) for one in of}
            out += [m for measured in made.values() for m in measured]
            _show(ctx, made, reading)
        _examples(setting, found)
        return out


def _clean(ctx: ProbeContext, cases: NDArray[np.int64]) -> Floats:
    """Return (m, k) what the model says of the images as they are."""
    if ctx.card.task == "segmentation":
        if "volume_predicted" not in ctx.clean.columns:
            raise NotApplicable("volumes were not measured on these cases")
        return ctx.clean.column("volume_predicted")[cases][:, None]
    return ctx.clean.raw[cases]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Kind:
    """One kind of marker and one question."""

    setting: Setting
    cases: NDArray[np.int64]
    found: Marked
    clean: Floats
    reading: Reading
    kind: str

    def measured(self) -> Iterator[Measurement]:
        """Give the four metrics, or the reason why there are none."""
        from audit.stats import paired_difference, proportion

        ctx, patients = self.setting.ctx, self.setting.ctx.cohort.patients[self.cases]
        turned = {arm: self.turned(arm) for arm in ("marker", "sham")}
        silent = not turned["marker"].any() and self.stuck()
        known = np.bincount(self.found.of(self.kind, "marker")[0], minlength=len(self.cases)) > 0
        reason = self.reason(known) or (ONE_ANSWER if silent else None)
        n, count = int(known.sum()), int(np.unique(patients[known]).size)
        if reason is None:
            shares = [proportion(turned[arm][known], patients[known], ctx.levels) for arm in ("marker", "sham")]
            more = paired_difference(turned["marker"][known], turned["sham"][known], patients[known], ctx.levels)
        else:
            shares = [Estimate.absent(reason, method="none", n=n, n_patients=count)] * 2
            more = shares[0]
        yield self.given("flip_rate", shares[0], "lower")
        yield self.given("flip_rate_excess", more, "lower")
        yield self.given("sham_flip_rate", shares[1], "lower")
        yield from self.changes(known)

    def reason(self, known: NDArray[np.bool_]) -> str | None:
        """Return why there is no number, or None."""
        card = self.setting.ctx.card
        if not known.any():
            return "every place where it could be is taken by a lesion"
        said = [self.clean, *(self.found.of(self.kind, arm)[1] for arm in ("marker", "sham"))]
        if not all(np.isfinite(raw).all() for raw in said):
            return NO_NUMBER
        if self.reading.labels is not None and self.reading.decide is None:
            return NO_OPERATING_POINT
        if self.reading.decide is None and card.clinical_tolerance is None:
            return "no clinical tolerance is declared"
        return None

    def stuck(self) -> bool:
        """Return whether the images as they are all have one answer, so that none turning is no proof of anything."""
        of = self.reading.decide or self.reading.value
        return len(np.unique(of(self.clean))) == 1

    def turned(self, arm: str) -> NDArray[np.bool_]:
        """Return (m,) whether the decision changes at any place."""
        places, raw = self.found.of(self.kind, arm)
        differs = self._differs(raw, self.clean[places])
        return np.bincount(places[differs], minlength=len(self.cases)) > 0

    def _differs(self, raw: Floats, clean: Floats) -> NDArray[np.bool_]:
        """Return which of (r, k) answers decide otherwise than the (r, k) clean ones."""
        card, decide = self.setting.ctx.card, self.reading.decide
        if decide is not None:
            return np.asarray(decide(raw) != decide(clean), dtype=np.bool_)
        if self.reading.labels is not None or card.clinical_tolerance is None:
            return np.zeros(len(raw), dtype=bool)
        moved = np.abs(self.reading.value(raw) - self.reading.value(clean))
        least = self.setting.grid.voxel
        of = np.maximum(clean[:, 0], least) if card.task == "segmentation" else np.ones(len(raw))
        return np.asarray(moved > card.clinical_tolerance * of, dtype=np.bool_)

    def changes(self, known: NDArray[np.bool_]) -> Iterator[Measurement]:
        """Give the mean signed change of the score by class, beside that of the sham in the method's place."""
        from audit.stats import mean

        ctx, labels = self.setting.ctx, self.reading.labels
        change = self.moved("marker")
        sides = {"": np.ones(len(change), dtype=bool)}
        if labels is not None:
            own = labels[self.cases]
            sides = {"cases": own, "controls": ~own}
        bounded = labels is not None and ctx.card.output != "value"
        for name, rows in sides.items():
            keep = rows & known
            patients = ctx.cohort.patients[self.cases][keep]
            if not np.isfinite(change[keep]).all():
                said = Estimate.absent(
                    NO_NUMBER, method="none", n=int(keep.sum()), n_patients=int(np.unique(patients).size)
                )
            elif not change.any() and np.ptp(self.reading.score(self.clean)) == 0:
                said = Estimate.absent(
                    ONE_ANSWER, method="none", n=int(keep.sum()), n_patients=int(np.unique(patients).size)
                )
            else:
                said = mean(change[keep], patients, ctx.levels, support=(-1.0, 1.0) if bounded else (None, None))
            yield self.given("score_change", said, "zero", {"stratum": name} if name else {})

    def moved(self, arm: str) -> Floats:
        """Return (m,) mean change of the score over the places, 0 where there was none."""
        places, raw = self.found.of(self.kind, arm)
        score = self.reading.score
        change = score(raw) - score(self.clean[places])
        count = np.bincount(places, minlength=len(self.cases))
        return np.asarray(np.bincount(places, weights=change, minlength=len(self.cases)) / np.maximum(count, 1))

    def given(self, metric: str, said: Estimate, direction: Any, extra: dict[str, Scalar] | None = None) -> Measurement:
        """Return the measurement of a metric."""
        condition: dict[str, Scalar] = {**self.reading.condition, "parameter": self.kind, **(extra or {})}
        return Measurement.of(
            said, metric=metric, level=self.setting.ctx.levels.confidence, direction=direction, condition=condition
        )


def _show(ctx: ProbeContext, found: dict[str, list[Measurement]], reading: Reading) -> None:
    """Keep what the figure of the flips needs."""
    made = {kind: {m.metric: m for m in measured} for kind, measured in found.items()}
    names = [k for k, v in made.items() if v["flip_rate"].value is not None]
    if not names:
        return
    columns: dict[str, NDArray[Any]] = {"marker": np.array(names)}
    for arm, metric in (("flip", "flip_rate"), ("sham", "sham_flip_rate")):
        for part, key in (("value", arm), ("low", f"{arm}_low"), ("high", f"{arm}_high")):
            columns[key] = np.array([getattr(made[k][metric], part) for k in names], dtype=np.float64)
    columns["n_patients"] = np.array([made[k]["flip_rate"].n_patients for k in names])
    about: dict[str, Any] = dict(reading.condition)
    ctx.sink.artifact("marker_flips", "Decisions that a marker changes, and noise in its place", columns, **about)


def _examples(setting: Setting, found: Marked) -> None:
    """Keep the parameters; offer one image with every marker, whose pixels are stored for phantoms or on request."""
    low, high = setting.ctx.card.input.window or setting.span
    if found.drawn:
        columns = {k: np.array([row[k] for row in found.drawn]) for k in found.drawn[0]}
        setting.ctx.sink.artifact("marker_parameters", "Markers as drawn, the first of them", columns)
    if found.examples:
        stack = np.stack(found.examples)
        grey = np.clip(np.round(255 * (stack - low) / (high - low)), 0, 255).astype(np.uint8)
        setting.ctx.sink.artifact(
            "marker_examples", "One image with each marker", {"images": grey, "marker": np.array(found.labels)},
            pixels=True,
        )  # fmt: skip
