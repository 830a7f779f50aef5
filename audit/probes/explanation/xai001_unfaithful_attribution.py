"""XAI001: whether what an attribution marks is what the model uses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from audit.core import (
    Access,
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
    advantage,
    fractions,
)
from audit.probes._images import batch_size, load_images, sample_cases
from audit.probes.explanation._collect import HEADLINE, METHODS, Found, explain

if TYPE_CHECKING:
    from numpy.typing import NDArray


class UnfaithfulAttribution(Probe):
    """Whether what an attribution marks is what the model uses.

    What it measures:
        Pixels are replaced by a blurred copy of the image in the order of an attribution map, most relevant first
        (deletion), or put back into the blurred image in that order (insertion), and the probability of the model's
        own decision is followed. The smaller the area under the deletion curve, and the larger that under the
        insertion curve, the more the map marks what the model uses. The same is done with controls that know nothing
        of the model: a random order, the image's edges, its centre. `deletion_advantage` is the area of the closest
        control minus that of the method, `insertion_advantage` the reverse: above 0, the method is better than every
        control. The interval covers the choice of the control.

        Explained is the logit of the class decided for, right or wrong; for a binary model the logit signed towards
        the decision; for a multilabel one the finding with the highest score; for a real value the value, followed by
        its distance from the clean one; for a segmentation the summed logit of the marked pixels, followed by their
        mean probability. Methods (condition `attribution`): integrated gradients from the blurred image, signed and
        absolute, input x gradient, saliency.

        `deletion_advantage_mean_fill` repeats deletion of the first method with the image's mean instead of the blur;
        `deletion_advantage_by_class` gives it by the class decided for. `completeness_error` is the median relative
        distance of the sum of integrated gradients from the change of output that it must equal.

    Why it matters clinically:
        A heat map beside a finding is taken for the reason of the finding. One that is no better than an edge
        detector shows the reader the anatomy and calls it an explanation.

    Known problems:
        Replaced pixels leave the distribution that the model knows, a narrow blur less so than black; the controls
        share that fault, which is why only the difference counts. A finding so large that it outlives the blur (3 %
        of the shorter side) is not deleted: the curves are flat and nothing passes; the mean fill then says more. A
        decision that rests on the absence of something is overturned by what replacing adds, not by what it takes
        away: look at it by class. One map for each method; smoothing is not applied. Integrated gradients use 32
        points.

    Example:
        `probe = "XAI001"`, `metric = "deletion_advantage"`, `where = { attribution = "integrated_gradients" }`,
        `limit = { min = 0.0 }`.

    References:
        - Samek et al. 2017, Evaluating the visualization of what a deep neural network has learned, IEEE Transactions
          on Neural Networks and Learning Systems 28.
        - Petsiuk, Das and Saenko 2018, RISE: randomized input sampling for explanation of black-box models, BMVC.
        - Adebayo et al. 2018, Sanity checks for saliency maps, NeurIPS.
        - Sundararajan, Taly and Yan 2017, Axiomatic attribution for deep networks, ICML.
    """

    info: ClassVar[ProbeInfo] = ProbeInfo(
        code="XAI001",
        name="unfaithful-attribution",
        family="XAI",
        tasks=("binary", "multiclass", "multilabel", "ordinal", "regression", "segmentation"),
        access=Access.GRADIENT,
        needs=("images",),
        metrics=(
            "deletion_advantage", "insertion_advantage", "deletion_advantage_by_class", "deletion_advantage_mean_fill",
            "completeness_error",
        ),
        title="Attribution that does not show what the model uses",
        question="Do its explanations show what it uses?",
        method=(
            "Area under deletion and insertion curves with a blurred fill, minus that of the closest of a random, an "
            "edge and a centre control; t interval of the paired difference by patient, over all controls."
        ),
        limits=(
            "Says whether pixels matter to the model, not whether they ought to; replaced pixels leave the "
            "distribution that the model knows."
        ),
        references=(
            "Samek et al. 2017, IEEE TNNLS 28", "Petsiuk et al. 2018, BMVC", "Adebayo et al. 2018, NeurIPS",
            "Sundararajan et al. 2017, ICML",
        ),
    )  # fmt: skip

    def run(self, ctx: ProbeContext) -> Iterator[Measurement]:
        """Explain a sample of the cohort; see `Probe.run`."""
        if ctx.card.access < Access.GRADIENT:
            raise NotApplicable("the model gives no gradients")
        if ctx.cohort.images is None:
            raise NotApplicable("the cohort has no images")
        cases = sample_cases(ctx.cohort.patients, ctx.budget.explain_cases, ctx.rng)
        found = Found(shares=fractions(ctx.budget.explain_steps))
        size = batch_size(load_images(ctx.cohort, cases[:1])[0], ctx.budget.batch_size)
        for start in range(0, cases.size, size):
            explain(ctx, found, cases[start : start + size], size)
            ctx.sink.progress(min(start + size, cases.size), cases.size)
        if not found.cases:
            raise NotApplicable("nothing to explain: every mask is empty, or no changed image gives a number")
        yield from _measure(ctx, found)
        _keep(ctx, found)


def _measure(ctx: ProbeContext, found: Found) -> Iterator[Measurement]:
    patients = ctx.cohort.patients[np.concatenate(found.cases)]
    every = np.ones(patients.size, bool)
    for direction in ("deletion", "insertion"):
        areas = found.areas("blur", direction)
        for method in METHODS:
            yield _against_controls(ctx, f"{direction}_advantage", areas, method, patients, every, "blur")
    areas, decided = found.areas("blur", "deletion"), np.concatenate(found.names)
    for name in sorted(set(decided.tolist()) - {""}):
        yield _against_controls(
            ctx, "deletion_advantage_by_class", areas, HEADLINE, patients, decided == name, "blur", **{"class": name}
        )
    areas = found.areas("mean", "deletion")
    yield _against_controls(ctx, "deletion_advantage_mean_fill", areas, HEADLINE, patients, every, "mean")
    yield _completeness(ctx, np.concatenate(found.completeness), patients)


def _against_controls(
    ctx: ProbeContext, metric: str, areas: dict[str, NDArray[np.float64]], method: str, patients: NDArray[np.int64],
    members: NDArray[np.bool_], fill: str, **condition: Scalar,
) -> Measurement:  # fmt: skip
    estimate, control = advantage(
        areas[method][members], {name: areas[name][members] for name in CONTROLS}, patients[members], ctx.levels,
        lower_is_better=not metric.startswith("insertion"),
    )  # fmt: skip
    return Measurement.of(
        estimate, metric=metric, level=ctx.levels.confidence, direction="higher",
        condition={"attribution": method, "parameter": fill, "control": control, **condition},
    )  # fmt: skip


def _completeness(ctx: ProbeContext, errors: NDArray[np.float64], patients: NDArray[np.int64]) -> Measurement:
    """Return the median error of integrated gradients; absent where the output hardly ever changes."""
    middle, n, count = float(np.median(errors)), errors.size, int(np.unique(patients).size)
    reason = "the output is the same on the image and on its blurred copy"
    estimate = (
        Estimate.counted(middle, n=n, n_patients=count)
        if np.isfinite(middle)
        else Estimate.absent(reason, method="count", n=n, n_patients=count)
    )
    return Measurement.of(
        estimate, metric="completeness_error", level=ctx.levels.confidence, direction="lower",
        condition={"attribution": HEADLINE},
    )  # fmt: skip


def _keep(ctx: ProbeContext, found: Found) -> None:
    """Keep mean curves; offer three maps, whose pixels the runner stores for phantoms or on request."""
    for direction in ("deletion", "insertion"):
        group = found.curves["blur", direction]
        columns = {name: np.concatenate(group[name]).mean(axis=0) for name in (HEADLINE, *CONTROLS)}
        ctx.sink.artifact(
            f"{direction}_curve",
            f"Mean score of the decision as pixels are {'blurred' if direction == 'deletion' else 'put back'}, "
            "most relevant first",
            {"fraction": found.shares, "attribution": columns.pop(HEADLINE), **columns},
            attribution=HEADLINE,
            cases=sum(c.size for c in found.cases),
            skipped=found.skipped,
        )
    low, span = ctx.card.input.range[0], ctx.card.input.span
    maps = found.examples["maps"]
    peak = np.abs(maps).reshape(len(maps), -1).max(axis=1).reshape(-1, *[1] * (maps.ndim - 1))
    ctx.sink.artifact(
        "attribution_examples",
        "Images and where integrated gradients find what speaks for the decision",
        {
            "images": _grey((found.examples["images"] - low) / span),
            "attribution": _grey(maps / np.maximum(peak, 1e-300)),
        },
        pixels=True,
        attribution=HEADLINE,
    )


def _grey(shares: NDArray[Any]) -> NDArray[np.uint8]:
    return np.clip(np.round(255 * shares), 0, 255).astype(np.uint8)
