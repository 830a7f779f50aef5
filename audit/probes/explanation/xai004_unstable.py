"""XAI004: whether an explanation stays where it is when the image changes by its own noise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from audit.attacks import noise_sd, stored_step
from audit.core import (
    Access,
    Direction,
    Estimate,
    Measurement,
    NotApplicable,
    Probe,
    ProbeContext,
    ProbeInfo,
    Scalar,
)
from audit.explain import (
    CONTROLS,
    Explained,
    advantage,
    control_maps,
    explained_by,
    noisy,
    plain_name,
    relative_change,
    untrained,
    untrained_control,
)
from audit.probes._images import load_images, sample_cases
from audit.probes.explanation._collect import has_blank
from audit.probes.explanation._maps import Explainer, batches, explainer
from audit.stats import mean

if TYPE_CHECKING:
    from numpy.typing import NDArray

COPIES = {"smoke": 2, "standard": 3, "full": 8}
"""Noisy copies of an image, by profile."""
MOVING = tuple(name for name in CONTROLS if name != "centre")
"""Controls that follow the image at all; the centre of an image never moves."""
_NO_NOISE = "the noise of these images cannot be measured"
_FLAT = "most maps are zero everywhere"


class Unstable(Probe):
    """Whether an explanation stays where it is when the image changes by its own noise.

    What it measures:
        Noise of the cohort's own standard deviation, measured on its images, is added to each image a few times, in
        whole stored steps where stored intensities are integers. The same decision is explained again.
        `max_sensitivity` is the largest distance of such a map from that of the image as it is, relative to the length
        of the latter, mean over cases: 0 where nothing moves, 1 where as much is new as there was. A method that draws
        at random is charged with its own luck as well, and one whose maps do not follow the image has no number.

        `control_max_sensitivity` gives the same for the controls: a random map, edges, the magnitude of detail, the
        centre (0 by construction), and the same network untrained. `stability_advantage` is the sensitivity of the
        closest of them, the centre left out, minus that of the method, paired by case and clustered by patient: above
        0, the method moves less than all. `epsilon` is the noise.

    Why it matters clinically:
        Two acquisitions of one patient differ by noise at least. An explanation that moves with the noise points
        elsewhere in the next image of the same lesion, and nobody can act on it.

    Known problems:
        Stable is not right: a map that ignores the model is the most stable of all, so faithfulness (XAI001) and
        randomisation (XAI002) come first. Noise is taken as white and alike everywhere; texture counts as noise, so it
        is rather too large. The largest of a few draws grows with their number, which the profile sets. Where noise
        turns the decision itself (ADV006), its explanation ought to move.

    Example:
        `probe = "XAI004"`, `metric = "max_sensitivity"`, `where = { attribution = "integrated_gradients" }`,
        `limit = { max = 0.5 }`.

    References:
        - Yeh et al. 2019, On the (in)fidelity and sensitivity of explanations, NeurIPS.
        - Alvarez-Melis and Jaakkola 2018, On the robustness of interpretability methods, ICML workshop on human
          interpretability in machine learning.
    """

    info: ClassVar[ProbeInfo] = ProbeInfo(
        code="XAI004",
        name="unstable",
        family="XAI",
        tasks=("binary", "multiclass", "multilabel", "ordinal", "regression", "segmentation"),
        access=Access.QUERY,
        needs=("images",),
        metrics=("max_sensitivity", "stability_advantage", "control_max_sensitivity"),
        descriptive=("control_max_sensitivity",),
        title="Explanations that move with the noise",
        question="Do its explanations stay where they are in the next image of the same patient?",
        method=(
            "Largest relative distance of maps under noise of the cohort's own size, mean over cases, t interval by "
            "patient; paired with edges, detail, chance and the untrained network."
        ),
        limits="A map that ignores the model is stable, too; noise is taken as white and alike everywhere.",
        references=("Yeh et al. 2019, NeurIPS", "Alvarez-Melis and Jaakkola 2018, WHI at ICML"),
    )  # fmt: skip

    def run(self, ctx: ProbeContext) -> Iterator[Measurement]:
        """Explain a sample with and without noise; see `Probe.run`."""
        make = explainer(ctx)
        cases = sample_cases(ctx.cohort.patients, _part(ctx.budget.explain_cases), ctx.rng)
        sd = noise_sd([load_images(ctx.cohort, cases[i : i + 1])[0] for i in range(min(cases.size, 32))])
        moved = _Moved(ctx=ctx, make=make, sd=sd)
        if sd is not None:
            for part in batches(cases, make.batch):
                moved.add(part)
                ctx.sink.progress(len(moved.cases), cases.size)
            if not moved.cases:
                raise NotApplicable("nothing to explain: every mask is empty")
        for method in make.methods:
            yield moved.sensitivity("max_sensitivity", method, make.refused.get(method, ""))
            yield moved.advantage(method)
        for name in CONTROLS:
            yield moved.sensitivity("control_max_sensitivity", name)
        if sd is not None:
            moved.keep()


def _part(limit: int | None) -> int | None:
    return None if limit is None else max(min(limit, 20), limit // 6) if limit > 24 else min(limit, 12)


@dataclass(kw_only=True, eq=False)
class _Moved:
    """Largest relative changes of the cases so far.

    Args:
        ctx: The probe's context.
        make: Makes the maps.
        sd: Noise in stored units, None where it cannot be measured.
        cases: Cases.
        largest: By map, one array a batch.
    """

    ctx: ProbeContext
    make: Explainer
    sd: float | None
    cases: list[int] = field(default_factory=list)
    largest: dict[str, list[NDArray[np.float64]]] = field(default_factory=dict)
    blank: Any = None

    def __post_init__(self) -> None:
        self.blank = untrained(self.ctx.model, self.ctx.rng)

    def add(self, part: NDArray[np.int64]) -> None:
        """Add a batch of cases."""
        ctx = self.ctx
        images = load_images(ctx.cohort, part)
        explained = explained_by(ctx.model.predict(images), ctx.card)
        rows = np.flatnonzero(explained.usable)
        if not rows.size:
            return
        images, explained = images[rows], explained.take(rows)
        spec = ctx.card.input
        whole = stored_step(images, spec.span) is not None
        before = self._maps(images, explained)
        worst: dict[str, NDArray[np.float64]] = {}
        for _ in range(COPIES[ctx.budget.profile]):
            changed = noisy(images, self.sd or 0.0, ctx.rng, limits=spec.range, whole=whole)
            after = self._maps(changed, explained)
            for name in before:
                if name in after:
                    change = relative_change(before[name], after[name])
                    worst[name] = np.maximum(worst[name], change) if name in worst else change
        for name, values in worst.items():
            self.largest.setdefault(name, []).append(values)
        self.cases += part[rows].tolist()

    def _maps(self, images: NDArray[np.float32], explained: Explained) -> dict[str, NDArray[np.float64]]:
        own = self.make(self.ctx.model, images, explained)
        blanks = {} if self.blank is None else self.make(self.blank, images, explained)
        blanks = {name: values for name, values in blanks.items() if name in own and has_blank(self.make, name)}
        return {**own, **control_maps(images, self.ctx.rng, untrained=blanks)}

    def values(self, name: str) -> NDArray[np.float64] | None:
        """Return (n,) largest changes of a map, None where not every case has one."""
        parts = self.largest.get(name, [])
        values = np.concatenate(parts) if parts else np.empty(0)
        return values if values.size == len(self.cases) and values.size else None

    def sensitivity(self, metric: str, name: str, refused: str = "") -> Measurement:
        """Return the mean of the largest changes of one map."""
        values = self.values(name)
        if refused or self.sd is None or values is None:
            estimate = self._absent(refused or (_NO_NOISE if self.sd is None else "the method gave no map"))
        else:
            known = np.isfinite(values)
            estimate = self._absent(_FLAT)
            if 2 * int(known.sum()) >= values.size and known.any():
                estimate = self._mean(values[known], self._patients[known], name in CONTROLS)
        return self._row(metric, name, estimate)

    def _mean(self, values: NDArray[np.float64], patients: NDArray[np.int64], control: bool) -> Estimate:
        n, n_patients = values.size, int(np.unique(patients).size)
        if values.any():
            return mean(values, patients, self.ctx.levels, support=(0.0, None))
        if control:
            return Estimate.counted(0.0, n=n, n_patients=n_patients)
        # No method may pass by ignoring the image.
        return Estimate.absent("its maps do not follow the image at all", method="none", n=n, n_patients=n_patients)

    def advantage(self, method: str) -> Measurement:
        """Return how much less a method moves than the closest control that moves at all."""
        own = self.values(method)
        pairs = {name: self.values(name) for name in MOVING}
        blank = untrained_control(method)
        if has_blank(self.make, method):
            pairs[blank] = self.values(blank)
        reason = self.make.refused.get(method) or (_NO_NOISE if self.sd is None else "")
        if not reason and (own is None or any(v is None for v in pairs.values())):
            reason = "the method or one of its controls gave no map"
        if reason or own is None:
            return self._row("stability_advantage", method, self._absent(reason))
        controls = {name: v for name, v in pairs.items() if v is not None}
        known = np.isfinite(np.stack([own, *controls.values()])).all(axis=0)
        if 2 * int(known.sum()) < own.size or not known.any():
            return self._row("stability_advantage", method, self._absent(_FLAT))
        estimate, _ = advantage(
            own[known], {name: v[known] for name, v in controls.items()}, self._patients[known], self.ctx.levels,
            lower_is_better=True,
        )  # fmt: skip
        return self._row("stability_advantage", method, estimate)

    def keep(self) -> None:
        """Keep mean sensitivities by map, for the figure."""
        names = [n for n in (*self.make.methods, *CONTROLS) if self.values(n) is not None]
        rows = []
        for name in names:
            found = self.sensitivity("max_sensitivity", name)
            if found.value is not None and found.low is not None and found.high is not None:
                kind = "control" if name in CONTROLS else "method"
                rows.append((plain_name(name), kind, found.value, found.low, found.high, found.n_patients))
        if not rows:
            return
        columns = list(zip(*rows, strict=True))
        self.ctx.sink.artifact(
            "explanation_stability",
            "How far explanations move when the image changes by its own noise",
            {
                "name": np.array(columns[0], dtype=np.str_), "kind": np.array(columns[1], dtype=np.str_),
                "value": np.array(columns[2]), "low": np.array(columns[3]), "high": np.array(columns[4]),
                "n_patients": np.array(columns[5]),
            },
            noise_sd=self.sd, unit=self._unit, copies=COPIES[self.ctx.budget.profile],
        )  # fmt: skip

    @property
    def _patients(self) -> NDArray[np.int64]:
        return self.ctx.cohort.patients[np.array(self.cases, dtype=np.int64)]

    @property
    def _unit(self) -> str:
        return self.ctx.card.input.unit or "stored units"

    def _absent(self, reason: str) -> Estimate:
        n = len(self.cases)
        patients = int(np.unique(self._patients).size) if n else 0
        return Estimate.absent(reason, method="none", n=n, n_patients=patients)

    def _row(self, metric: str, name: str, estimate: Estimate) -> Measurement:
        size: dict[str, Scalar] = {}
        if self.sd is not None:
            size = {"epsilon": float(f"{self.sd:.6g}"), "epsilon_unit": self._unit}
        ways: dict[str, Direction] = {"max_sensitivity": "lower", "stability_advantage": "higher"}
        return Measurement.of(
            estimate, metric=metric, level=self.ctx.levels.confidence, direction=ways.get(metric, "none"),
            condition={"attribution": plain_name(name), **size},
        )  # fmt: skip
