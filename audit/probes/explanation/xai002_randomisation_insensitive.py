"""XAI002: whether an attribution changes when the weights that it is said to explain are drawn again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from audit.core import (
    Access,
    Estimate,
    ImagingModel,
    Measurement,
    NotApplicable,
    Probe,
    ProbeContext,
    ProbeInfo,
    Scalar,
    TrainingsSpent,
)
from audit.explain import OWN_MAP, RANKS, STRUCTURES, compare_with, draws, explained_by
from audit.probes._images import load_images
from audit.probes.explanation._maps import DRAWN, Explainer, explainer, one_a_patient
from audit.probes.explanation._randomised import A_DRAW, LEAST_DRAWS, Randomised, randomised

if TYPE_CHECKING:
    from audit.core import Training

SIGNED, ABSOLUTE = RANKS
_UNTRAINABLE = "no training recipe is declared, so no model could be trained on shuffled labels"


class RandomisationInsensitive(Probe):
    """Whether an attribution changes when the weights that it is said to explain are drawn again.

    What it measures:
        On a copy of the network the weights are drawn again, from the output down in a few steps, until none is left
        that was learnt. After each step the maps of the same images and the same decisions are made again and
        compared with those of the audited weights. `similarity_after_randomisation` is Spearman's correlation of the
        two maps over pixels, mean over the steps, on a scale that is fixed by measured controls: 1 is a map made
        twice on the audited weights, 0 the map of another patient under drawn weights, which shares neither image nor
        weights. A map that ignores the weights, as edges, brightness and the centre of the image do, has 1; one that
        shows what the network has learnt comes near 0. Where the absolute values are not shown to change (upper bound
        0.9 or more), the number is theirs, and its method says so: edges whose sign alone follows the weights are
        edges. Every draw of the weights has patients of its own, and the
        interval clusters by draw, so that it holds for other draws as well as for other patients.

        Beside it, on the same scale: `absolute_similarity_after_randomisation`, the correlation of absolute values;
        `structural_similarity_after_randomisation`, signed and absolute, with maps scaled by their largest value and
        by their second moment; `similarity_after_all_layers`, after the last step alone; `similarity_after_one_layer`,
        with the layers of one step drawn and all others as learnt, a different step with each draw; and
        `similarity_after_random_labels`, against a model that the declared recipe trained on shuffled labels.

        The audited network is copied, never changed. A model's own map is measured even where the checks of
        explanations refuse it, since what they find, that it does not follow the weights, is what is asked for here.

    Why it matters clinically:
        A map that looks the same whatever the network has learnt cannot show what it has learnt. It shows the
        anatomy, which looks convincing because it is there in any case, and it would look as convincing beside a
        model that is wrong.

    Known problems:
        Drawing the upper layers first leaves what the lower ones pass on, and a map that is the product of a
        gradient with the image keeps the image's part: its absolute values stay alike (Binder 2023), and its sign
        does not. The signed comparison is the one for rules; the absolute one says how much of a map is the image.
        A random map of its own would change, too; that is why 1 is a map made twice, and where two maps of one case
        differ as much as those of two patients, or those of two patients are alike, there is no number. A method
        that changes with the weights may still be wrong: faithfulness is XAI001. Normalisation layers are drawn
        again with their running moments. Of volumes, maps are averaged over blocks before they are compared.

    Example:
        `probe = "XAI002"`, `metric = "similarity_after_randomisation"`,
        `where = { attribution = "integrated_gradients" }`, `limit = { max = 0.4 }`.

    References:
        - Adebayo et al. 2018, Sanity checks for saliency maps, NeurIPS.
        - Binder et al. 2023, Shortcomings of top-down randomization-based sanity checks for evaluations of deep neural
          network explanations, CVPR.
        - Sixt, Granz and Landgraf 2020, When explanations lie: why many modified BP attributions fail, ICML.
        - Wang et al. 2004, Image quality assessment: from error visibility to structural similarity, IEEE Transactions
          on Image Processing 13.
    """

    info: ClassVar[ProbeInfo] = ProbeInfo(
        code="XAI002",
        name="randomisation-insensitive",
        family="XAI",
        tasks=("binary", "multiclass", "multilabel", "ordinal", "regression", "segmentation"),
        access=Access.GRADIENT,
        needs=("images",),
        metrics=(
            "similarity_after_randomisation", "absolute_similarity_after_randomisation",
            "structural_similarity_after_randomisation", "similarity_after_all_layers", "similarity_after_one_layer",
            "similarity_after_random_labels",
        ),
        title="Attribution that does not depend on what the model has learnt",
        question="Would its explanations look the same, had it learnt nothing?",
        method=(
            "Weights drawn again from the output down on a copy; rank correlation of maps before and after, between "
            "that of unrelated maps (0) and of a map made twice (1); t interval over draws with patients of their own."
        ),
        limits=(
            "A method that depends on the weights can still be wrong; one that does not cannot explain the model."
        ),
        references=(
            "Adebayo et al. 2018, NeurIPS", "Binder et al. 2023, CVPR", "Sixt et al. 2020, ICML",
            "Wang et al. 2004, IEEE TIP 13",
        ),
    )  # fmt: skip

    def run(self, ctx: ProbeContext) -> Iterator[Measurement]:
        """Compare maps under the audited and under drawn weights; see `Probe.run`."""
        if ctx.card.access < Access.GRADIENT:
            raise NotApplicable("the model gives no network whose weights could be drawn again")
        make = explainer(ctx)
        budget = ctx.budget
        found = randomised(ctx, make, limit=budget.randomised_cases, steps=budget.randomised_steps)
        if OWN_MAP in make.refused:
            _unchecked(ctx, make, found)
        labels = _random_labels(ctx, make)
        for method in make.methods:
            yield from _measured(ctx, found, make, method)
        if ctx.training is None:
            absent = Estimate.absent(_UNTRAINABLE, method="none")
            yield Measurement.of(absent, metric="similarity_after_random_labels", level=ctx.levels.confidence)
        else:
            for method in make.standing:
                estimate = labels.estimate(ctx, method, SIGNED)
                yield _row(ctx, "similarity_after_random_labels", make, method, estimate)
        if found.likeness:
            _keep(ctx, found)


def _unchecked(ctx: ProbeContext, make: Explainer, found: Randomised) -> None:
    """Measure a model's own map although it was refused: that it ignores the weights is what is asked for here."""
    alone = replace(make, methods=(OWN_MAP,), refused={}, checked=True)
    again = randomised(ctx, alone, limit=ctx.budget.randomised_cases, steps=ctx.budget.randomised_steps)
    if OWN_MAP in again.likeness:
        found.likeness[OWN_MAP], found.steps = again.likeness[OWN_MAP], again.steps
        del make.refused[OWN_MAP]


def _measured(ctx: ProbeContext, found: Randomised, make: Explainer, method: str) -> Iterator[Measurement]:
    last = len(found.steps) - 1
    yield _row(ctx, "similarity_after_randomisation", make, method, found.headline(ctx, method))
    if method in make.refused:
        return
    yield _row(ctx, "absolute_similarity_after_randomisation", make, method, found.estimate(ctx, method, ABSOLUTE))
    for measure in STRUCTURES:
        estimate = found.estimate(ctx, method, measure)
        yield _row(ctx, "structural_similarity_after_randomisation", make, method, estimate, parameter=measure)
    yield _row(ctx, "similarity_after_all_layers", make, method, found.estimate(ctx, method, SIGNED, step=last))
    yield _row(ctx, "similarity_after_one_layer", make, method, found.alone(ctx, method, SIGNED))


def _row(
    ctx: ProbeContext, metric: str, make: Explainer, method: str, estimate: Estimate, **condition: Scalar
) -> Measurement:
    if method in make.refused:
        estimate = Estimate.absent(f"refused: {make.refused[method]}", method="none")
    return Measurement.of(
        estimate, metric=metric, level=ctx.levels.confidence, direction="lower",
        condition={"attribution": method, **condition},
    )  # fmt: skip


def _random_labels(ctx: ProbeContext, make: Explainer) -> Randomised:
    """Return how alike maps are under models that were trained on shuffled labels."""
    found = Randomised(reason=_UNTRAINABLE)
    if ctx.training is None:
        return found
    cases = one_a_patient(ctx.cohort.patients, A_DRAW * LEAST_DRAWS, ctx.rng)
    try:
        for number, rows in enumerate(draws(cases.size, LEAST_DRAWS)):
            other = _shuffled(ctx.training, ctx.rng)
            images = load_images(ctx.cohort, cases[rows])
            explained = explained_by(ctx.model.predict(images), ctx.card)
            kept = np.flatnonzero(explained.usable)
            if kept.size >= 2:
                model: Any = ctx.model
                compare_with(
                    model, other, make, images[kept], explained.take(kept), found.likeness, number=number, repeat=DRAWN
                )
    except TrainingsSpent as spent:
        return Randomised(reason=spent.reason)
    found.reason = "no map under a model that was trained on shuffled labels"
    return found


def _shuffled(training: Training, rng: np.random.Generator) -> ImagingModel:
    """Return the recipe's model of the development cohort with its labels dealt out anew."""
    rows = np.arange(len(training.cohort))
    targets = training.trainer.targets(rng.permutation(rows))
    return training.fit(rows, targets, seed=int(rng.integers(2**31)))


def _keep(ctx: ProbeContext, found: Randomised) -> None:
    """Keep how alike the maps are after each step, by method."""
    rows: list[tuple[str, int, float, float, float, int]] = []
    for method in found.likeness:
        for step in range(len(found.steps)):
            estimate = found.estimate(ctx, method, SIGNED, step=step)
            bounds = estimate.bounds(ctx.levels.pointwise)
            if estimate.value is not None and bounds is not None:
                rows.append((method, step + 1, estimate.value, *bounds, estimate.n_patients))
    if not rows:
        return
    columns = list(zip(*rows, strict=True))
    ctx.sink.artifact(
        "randomisation_cascade",
        "How alike explanations stay as layers are drawn again, from the output down",
        {
            "attribution": np.array(columns[0], dtype=np.str_), "step": np.array(columns[1]),
            "similarity": np.array(columns[2]), "low": np.array(columns[3]), "high": np.array(columns[4]),
            "n_patients": np.array(columns[5]),
        },
        steps="|".join(", ".join(names) for names in found.steps),
    )  # fmt: skip
