"""XAI005: whether a map foretells what the model does when its image is perturbed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from audit.core import Access, Estimate, Measurement, NotApplicable, Probe, ProbeContext, ProbeInfo
from audit.explain import (
    LOCAL,
    NO_DETAIL,
    PERTURBATIONS,
    blurred,
    collect_infidelity,
    control_maps,
    known_support,
    plain_name,
    selftest_scores,
    stands,
    untrained_control,
)
from audit.probes.explanation._advantages import advantage_row, why_absent
from audit.probes.explanation._collect import Batch, explained_batches
from audit.probes.explanation._maps import Explainer, explainer

if TYPE_CHECKING:
    from numpy.typing import NDArray

UNTESTED = "the metric failed its self-test: the true map of a known model is not better than the controls"
STILL = "the answer of most cases does not change under any perturbation"
SAME = "the output of most cases is the same on the image and on its blurred copy"
NOTHING = "nothing to explain: every mask is empty"


class Infidelity(Probe):
    """Whether a map foretells what the model does when its image is perturbed.

    What it measures:
        Each case is perturbed many times: pixels move towards the blurred image, all the way in a square at random
        (condition `parameter`: `square`) or each by a normal share of its own with a standard deviation of 0.2
        (`noise`). What a map foretells is the sum over pixels of its value times the share moved; for saliency and
        guided backprop, which are per unit of intensity, times the distance moved. `infidelity` is the mean over cases
        of the squared distance between the foretold and the true change of the explained logit, over the mean squared
        change, after the optimal scaling of the map for each case: 0 where the map foretells everything, 1 where it
        foretells nothing. The factor of the scaling is not allowed below 0, so that a map of the wrong sign has 1.

        `infidelity_advantage` is the infidelity of the closest control minus that of the method, by case: controls are
        a random map, the image's edges, its centre, the size of its detail |I - blur(I)|, and the same method on the
        same architecture untrained, where the weights are at hand. Above 0, the method is better than every control.
        The interval is by patient and covers the choice of the control.

        `completeness_error` is the median relative distance of the sum of a map from the change of output that it must
        equal, for integrated gradients, DeepLIFT and gradient SHAP.

        Before any of it counts, infidelity is taken of models whose important pixels are known, linear ones that look
        at a small box of an image of the cohort; `selftest_infidelity` is the advantage of the true map, and where it
        is not above 0, interval and all, the numbers of that perturbation are missing.

    Why it matters clinically:
        A map with numbers invites the reader to weigh them: this part counts twice as much as that one. Infidelity
        says whether such weights mean anything for this model. It does not say that the model is right to use them.

    Known problems:
        Perturbed images leave the distribution that the model knows, and the model may answer to that. Squares test
        large effects, noise those of single pixels; a map can be good at one only. Saliency has no sign, so it cannot
        foretell in which direction an answer goes. Of a colour image a map has one value a pixel, and what is foretold
        per unit of intensity is taken at the mean of its channels. A map that is right but for a factor of each case
        is as good as one that is right.

    Example:
        `probe = "XAI005"`, `metric = "infidelity_advantage"`,
        `where = { attribution = "integrated_gradients", parameter = "square" }`, `limit = { min = 0.0 }`.

    References:
        - Yeh et al. 2019, On the (in)fidelity and sensitivity of explanations, NeurIPS.
        - Sundararajan, Taly and Yan 2017, Axiomatic attribution for deep networks, ICML.
    """

    info: ClassVar[ProbeInfo] = ProbeInfo(
        code="XAI005",
        name="infidelity",
        family="XAI",
        tasks=("binary", "multiclass", "multilabel", "ordinal", "regression", "segmentation"),
        access=Access.QUERY,
        needs=("images",),
        metrics=("infidelity", "infidelity_advantage", "completeness_error", "selftest_infidelity"),
        descriptive=("selftest_infidelity",),
        title="Attribution that does not foretell what the model does",
        question="Do its explanations foretell its answers?",
        method=(
            "Squared distance between foretold and true changes of the answer under squares and noise, optimally "
            "scaled per case, against that of five controls that have learnt nothing; t intervals by patient; after a "
            "self-test on models whose important pixels are known."
        ),
        limits="Says whether a map's values mean anything for this model, not whether the model is right.",
        references=("Yeh et al. 2019, NeurIPS", "Sundararajan et al. 2017, ICML"),
    )

    def run(self, ctx: ProbeContext) -> Iterator[Measurement]:
        """Explain and perturb a sample of the cohort; see `Probe.run`."""
        limit = ctx.budget.explain_cases
        fewer = None if limit is None else max(min(limit, 24), limit // 2)
        ctx = replace(ctx, budget=replace(ctx.budget, explain_cases=fewer))
        made = explainer(ctx)
        tested: dict[str, Estimate] = {}
        parts: list[dict[str, dict[str, NDArray[np.float64]]]] = []
        cases: list[NDArray[np.int64]] = []
        for batch in explained_batches(ctx, made):
            if not parts:
                tested = {kind: _selftest(ctx, batch.images, kind) for kind in PERTURBATIONS}
            parts.append({kind: _infidelities(ctx, made, batch, kind) for kind in PERTURBATIONS})
            cases.append(batch.cases)
        if not parts:
            raise NotApplicable(NOTHING)
        patients = ctx.cohort.patients[np.concatenate(cases)]
        for kind in PERTURBATIONS:
            yield Measurement.of(
                tested[kind], metric="selftest_infidelity", level=ctx.levels.confidence, direction="higher",
                condition={"parameter": kind},
            )  # fmt: skip
        for kind in PERTURBATIONS:
            names = set.intersection(*(set(part[kind]) for part in parts))
            values = {n: np.concatenate([part[kind][n] for part in parts]) for n in parts[0][kind] if n in names}
            yield from _rows(ctx, made, values, patients, kind, tested[kind])
        for method in made.methods:
            if method in made.completeness and method not in made.refused:
                yield _completeness(ctx, method, np.concatenate(made.completeness[method]), patients)


def _infidelities(ctx: ProbeContext, made: Explainer, batch: Batch, kind: str) -> dict[str, NDArray[np.float64]]:
    """Return (m,) infidelities by map."""

    def ask(changed: NDArray[np.float32]) -> NDArray[np.float64]:
        with np.errstate(invalid="ignore"):
            return batch.explained.strength(batch.predict(changed))

    base = blurred(batch.images, spacing=ctx.card.input.spacing_mm)
    local = {n for m in made.methods if m in LOCAL for n in (m, untrained_control(m))}
    return collect_infidelity(
        ask, batch.images, base, batch.maps(), frozenset(local), ctx.rng, kind=kind,
        count=ctx.budget.explain_perturbations,
    )  # fmt: skip


def _selftest(ctx: ProbeContext, images: NDArray[np.float32], kind: str) -> Estimate:
    """Return the advantage of true maps."""
    known = known_support(images, ctx.rng)
    if known is None:
        return Estimate.absent(NO_DETAIL, method="none")
    maps = {"truth": known.truth, **control_maps(known.images, ctx.rng)}
    count = ctx.budget.explain_perturbations
    scores = collect_infidelity(
        known.strength, known.images, known.baseline, maps, frozenset(), ctx.rng, kind=kind, count=count
    )
    # A box that no square has touched says nothing of a map.
    touched = np.isfinite(scores["truth"])
    return selftest_scores({k: v[touched] for k, v in scores.items()}, ctx.levels, lower_is_better=True)


def _rows(
    ctx: ProbeContext, made: Explainer, values: dict[str, NDArray[np.float64]], patients: NDArray[np.int64],
    kind: str, tested: Estimate,
) -> Iterator[Measurement]:  # fmt: skip
    from audit.stats import mean

    # Whether an answer changes is the same for all maps: no method is spared a case that its controls must take.
    moved = ~np.isnan(next(iter(values.values()), np.empty(0)))
    reason = "" if stands(tested, ctx.levels) else UNTESTED
    if 2 * int(moved.sum()) < patients.size:
        reason = STILL
    kept = {name: v[moved] for name, v in values.items()}
    who = patients[moved]
    for method in made.methods:
        why = why_absent(made, kept, method) or reason
        estimate = (
            Estimate.absent(why, method="mean", n=int(who.size), n_patients=int(np.unique(who).size))
            if why else mean(kept[method], who, ctx.levels, support=(0.0, 1.0))
        )  # fmt: skip
        yield Measurement.of(
            estimate, metric="infidelity", level=ctx.levels.confidence, direction="lower",
            condition={"attribution": method, "parameter": kind},
        )  # fmt: skip
        yield advantage_row(
            ctx, made, "infidelity_advantage", kept, method, who, lower_is_better=True, reason=reason, parameter=kind
        )
    if not reason:
        _keep(ctx, made, kept, who, kind)


def _keep(
    ctx: ProbeContext, made: Explainer, values: dict[str, NDArray[np.float64]], patients: NDArray[np.int64], kind: str
) -> None:
    """Keep the mean infidelity of every method and of the controls of all, with intervals."""
    from audit.stats import mean

    names = [n for n in values if plain_name(n) == n and n not in made.refused and np.isfinite(values[n]).all()]
    found = [mean(values[n], patients, ctx.levels, support=(0.0, 1.0)) for n in names]
    bounds = [e.bounds((1 - ctx.levels.confidence) / 2) or (np.nan, np.nan) for e in found]
    if not names:
        return
    columns = {
        "map": np.array(names), "control": np.array([n not in made.methods for n in names]),
        "infidelity": np.array([np.nan if e.value is None else e.value for e in found]),
        "low": np.array([b[0] for b in bounds]), "high": np.array([b[1] for b in bounds]),
        "n_patients": np.array([e.n_patients for e in found]),
    }  # fmt: skip
    ctx.sink.artifact("infidelity_by_map", "Infidelity of methods and of controls", columns, parameter=kind)


def _completeness(
    ctx: ProbeContext, method: str, errors: NDArray[np.float64], patients: NDArray[np.int64]
) -> Measurement:
    """Return the median error of a method's sums; absent where most outputs do not change at all."""
    from audit.stats import median

    known = np.isfinite(errors)
    who = patients[known]
    estimate = (
        median(errors[known], who, ctx.levels, support=(0.0, None))
        if 2 * int(known.sum()) > errors.size
        else Estimate.absent(SAME, method="median", n=errors.size, n_patients=int(np.unique(patients).size))
    )
    return Measurement.of(
        estimate, metric="completeness_error", level=ctx.levels.confidence, direction="lower",
        condition={"attribution": method},
    )  # fmt: skip
