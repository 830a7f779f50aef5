"""XAI001: whether what an attribution marks is what the model uses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from audit.core import Access, Estimate, Measurement, NotApplicable, Probe, ProbeContext, ProbeInfo, Scalar
from audit.explain import (
    BLUR,
    LINEAR,
    MEAN,
    NO_DETAIL,
    controls_of,
    fractions,
    known_support,
    make_fill,
    plain_name,
    selftest_curves,
    stands,
)
from audit.probes._images import grey
from audit.probes.explanation._advantages import (
    FLAT,
    LEAST_FALL,
    NOTHING,
    UNTESTED,
    advantage_row,
    margins,
    why_absent,
)
from audit.probes.explanation._collect import DELETION, INSERTION, Found, sample_of
from audit.probes.explanation._in_turn import Turn, in_turn
from audit.probes.explanation._maps import Explainer, explainer
from audit.probes.explanation._stopping import Early, may_stop

if TYPE_CHECKING:
    from numpy.typing import NDArray

FILLS_OF = {DELETION: (LINEAR, BLUR, MEAN), INSERTION: (LINEAR, BLUR)}


class UnfaithfulAttribution(Probe):
    """Whether what an attribution marks is what the model uses.

    What it measures:
        Pixels are replaced in the order of an attribution map, most relevant first (deletion), or put back in that
        order into an image of which all was replaced (insertion; read from its end: least relevant first), and the
        probability of the model's own decision is followed. The smaller the area under the deletion curve, and the
        larger that under the insertion curve, the more the map marks what the model uses.

        The same is done with controls that have learnt nothing: a random order, the image's edges, its centre, the
        size of its detail |I - blur(I)|, and the same method on the same architecture untrained, where the weights are
        at hand. `deletion_advantage` is the area of the closest control minus that of the method, `insertion_advantage`
        the reverse, `ranking_advantage` that of insertion minus deletion, which is least relevant first against most
        relevant first: above 0, the method is better than every control. The interval is by patient and covers the
        choice of the control. The condition `attribution` names the method, `parameter` the fill.

        Fills: `linear`, each removed pixel the weighted mean of its neighbours and a noise of 1 % of the image's
        standard deviation, for all methods; `blur`, a copy blurred by 3 % of the shorter side, for the first method;
        and for comparison the image's mean, `deletion_advantage_mean_fill`.

        Explained is the logit of the class decided for, right or wrong; for a binary model the logit signed towards
        the decision; for a multilabel one the finding with the highest score; for a real value the value, followed by
        its distance from the clean one; for a segmentation the summed logit of the largest component, followed by its
        mean probability. A model that can only be asked is explained by occlusion and RISE.

        Before any of it counts, the curves are drawn of models whose important pixels are known: linear ones, each of
        which looks at a small box of an image of the cohort. `selftest_deletion` and `selftest_insertion` are the
        advantage of the true map; where it is not above 0, interval and all, the numbers that rest on it are missing.
        They are missing as well where the decision hardly moves whatever is replaced: `largest_fall` is the mean of
        the largest fall of the score over all orders and steps. `deletion_advantage_by_class` and
        `insertion_advantage_by_class` are those of the first method by the class decided for.

    Why it matters clinically:
        A heat map beside a finding is taken for the reason of the finding. One that is no better than an edge
        detector shows the reader the anatomy and calls it an explanation. A faithful map is not a clinically valid
        one: it shows what the model uses, not whether the model ought to use it.

    Known problems:
        Replaced pixels leave the distribution that the model knows, imputed ones less so than blurred or black; the
        controls share that fault, which is why only the difference counts. A finding so large that it outlives the
        blur is not deleted by it. A decision that rests on the absence of something is overturned by what replacing
        adds, not by what it takes away: look at it by class. Shares of pixels are few and lie close together near 0, so
        an area is a coarse one, the same for all orders. The untrained network is drawn anew for every batch of cases,
        so a small sample knows few of them. Where two maps tie, such as a method that marks the brightest pixels of a
        model that counts bright pixels and the control that does the same, no advantage is claimed. Where a rule says
        `sequential = true`, cases are explained until it is settled; the bounds then hold whenever it stops, but for a
        model of real values, whose scores have no known range and whose cases are all explained.

    Example:
        `probe = "XAI001"`, `metric = "deletion_advantage"`, `where = { attribution = "integrated_gradients" }`,
        `limit = { min = 0.0 }`.

    References:
        - Samek et al. 2017, Evaluating the visualization of what a deep neural network has learned, IEEE Transactions
          on Neural Networks and Learning Systems 28.
        - Petsiuk, Das and Saenko 2018, RISE: randomized input sampling for explanation of black-box models, BMVC.
        - Rong et al. 2022, A consistent and efficient evaluation strategy for attribution methods, ICML.
        - Adebayo et al. 2018, Sanity checks for saliency maps, NeurIPS.
    """

    info: ClassVar[ProbeInfo] = ProbeInfo(
        code="XAI001",
        name="unfaithful-attribution",
        family="XAI",
        tasks=("binary", "multiclass", "multilabel", "ordinal", "regression", "segmentation"),
        access=Access.QUERY,
        needs=("images",),
        metrics=(
            "deletion_advantage", "insertion_advantage", "ranking_advantage", "deletion_advantage_by_class",
            "insertion_advantage_by_class", "deletion_advantage_mean_fill", "largest_fall", "selftest_deletion",
            "selftest_insertion",
        ),
        sequential=("deletion_advantage", "insertion_advantage", "ranking_advantage"),
        descriptive=("deletion_advantage_mean_fill", "largest_fall", "selftest_deletion", "selftest_insertion"),
        title="Attribution that does not show what the model uses",
        question="Do its explanations show what it uses?",
        method=(
            "Area under deletion and insertion curves with imputed pixels, minus that of the closest of five controls "
            "that have learnt nothing; t interval of the paired difference by patient, over all controls; after a "
            "self-test on models whose important pixels are known."
        ),
        limits=(
            "Says whether pixels matter to the model, not whether they ought to: faithfulness is not clinical "
            "validity. Replaced pixels leave the distribution that the model knows."
        ),
        references=(
            "Samek et al. 2017, IEEE TNNLS 28", "Petsiuk et al. 2018, BMVC", "Rong et al. 2022, ICML",
            "Adebayo et al. 2018, NeurIPS",
        ),
    )  # fmt: skip

    def run(self, ctx: ProbeContext) -> Iterator[Measurement]:
        """Explain a sample of the cohort; see `Probe.run`."""
        made, early, cases = explainer(ctx), None, sample_of(ctx)
        if may_stop(ctx):
            early = Early.of(ctx, cases)
            cases = early.cases
        found = Found(shares=fractions(ctx.budget.explain_steps))
        turn = Turn(headline=made.methods[0])
        for turn in in_turn(ctx, made, found, cases, () if early is None else early.ends, _selftest):
            if early is not None and turn.tested is not None and turn.ready in early.ends[:-1]:
                early = early.at(turn.ready)
                known = _after(turn, ctx, found, made, early)
                if early.settled(ctx, known.advantages()):
                    break
        if turn.tested is None:
            raise NotApplicable(NOTHING)
        if early is not None and turn.ready == cases.size:
            early = early.at(cases.size, ctx.cohort.patients[np.concatenate(found.cases)])
        yield from _after(turn, ctx, found, made, early).rows()


def _selftest(
    ctx: ProbeContext, images: NDArray[np.float32], shares: NDArray[np.float64]
) -> dict[tuple[str, str], Estimate]:
    """Return the advantage of true maps by direction and fill."""
    known = known_support(images, ctx.rng)
    out = {}
    for direction, fills in FILLS_OF.items():
        for name in fills:
            if known is None:
                out[direction, name] = Estimate.absent(NO_DETAIL, method="none")
                continue
            fill = make_fill(name, known.images, ctx.rng, spacing=ctx.card.input.spacing_mm)
            out[direction, name] = selftest_curves(
                known, fill, shares, ctx.levels, ctx.rng, insertion=direction == INSERTION
            )
    return out


def _after(turn: Turn, ctx: ProbeContext, found: Found, made: Explainer, early: Early | None) -> _Result:
    return _Result(
        ctx=ctx, found=found, made=made, headline=turn.headline, tested=turn.tested or {}, early=early
    )  # fmt: skip


class _Result:
    """Turns curves into measurements and artifacts."""

    def __init__(
        self, *, ctx: ProbeContext, found: Found, made: Explainer, headline: str,
        tested: dict[tuple[str, str], Estimate], early: Early | None = None,
    ) -> None:  # fmt: skip
        self.ctx, self.found, self.made, self.headline, self.tested = ctx, found, made, headline, tested
        self.early = early
        self.patients = ctx.cohort.patients[np.concatenate(found.cases)]
        self.decided = np.concatenate(found.names)
        self.every = np.ones(self.patients.size, bool)
        self.scale = 1.0
        if ctx.card.task == "regression":
            self.scale = float(np.concatenate(found.values).std())

    def rows(self) -> Iterator[Measurement]:
        """Give all measurements, and keep what figures need."""
        for (direction, fill), estimate in self.tested.items():
            yield Measurement.of(
                estimate, metric=f"selftest_{direction}", level=self.ctx.levels.confidence, direction="higher",
                condition={"parameter": fill},
            )  # fmt: skip
        for fill in (LINEAR, BLUR):
            yield self._fall(fill, self.every)
        yield from self.advantages()
        yield self._row("deletion_advantage_mean_fill", self.headline, MEAN, self.every)
        for name in sorted(set(self.decided.tolist()) - {""}):
            members = self.decided == name
            yield self._fall(LINEAR, members, **{"class": name})
            for direction in (DELETION, INSERTION):
                yield self._row(f"{direction}_advantage_by_class", self.headline, LINEAR, members, **{"class": name})
        self._keep_curves()
        self._keep_margins()
        self._keep_examples()

    def advantages(self) -> Iterator[Measurement]:
        """Give the advantages that rules may wait for."""
        for direction in (DELETION, INSERTION):
            for method in self.made.methods:
                yield self._row(f"{direction}_advantage", method, LINEAR, self.every)
            yield self._row(f"{direction}_advantage", self.headline, BLUR, self.every)
        for method in self.made.methods:
            yield self._row("ranking_advantage", method, LINEAR, self.every)

    def _values(self, metric: str, fill: str, members: NDArray[np.bool_]) -> dict[str, NDArray[np.float64]]:
        if metric == "ranking_advantage":
            first, last = (self.found.areas(fill, d) for d in (DELETION, INSERTION))
            return {name: (last[name] - first[name])[members] for name in first if name in last}
        direction = INSERTION if metric.startswith(INSERTION) else DELETION
        return {name: v[members] for name, v in self.found.areas(fill, direction).items()}

    def _row(self, metric: str, method: str, fill: str, members: NDArray[np.bool_], **condition: Scalar) -> Measurement:
        return advantage_row(
            self.ctx, self.made, metric, self._values(metric, fill, members), method, self.patients[members],
            lower_is_better=metric.startswith(DELETION), reason=self._reason(metric, fill, members), scale=self.scale,
            paired=None if self.early is None else self.early.paired(metric),
            planned=None if self.early is None or not members.all() else self.early.planned, parameter=fill,
            **condition,
        )  # fmt: skip

    def _reason(self, metric: str, fill: str, members: NDArray[np.bool_]) -> str:
        """Return why no number of a metric counts, "" where it does."""
        needed = [d for d in (DELETION, INSERTION) if metric.startswith((d, "ranking"))]
        if not all(stands(self.tested[d, fill], self.ctx.levels) for d in needed):
            return UNTESTED
        fall = float(self.found.falls(fill)[members].mean())
        # Written so that a fall that is no number counts as none.
        return "" if self.scale > 0 and fall >= LEAST_FALL * self.scale else FLAT

    def _fall(self, fill: str, members: NDArray[np.bool_], **condition: Scalar) -> Measurement:
        from audit.stats import mean

        values, patients = self.found.falls(fill)[members], self.patients[members]
        if np.isfinite(values).all():
            estimate = mean(values, patients, self.ctx.levels)
            estimate = estimate if self.early is None else self.early.other(estimate)
        else:
            estimate = Estimate.absent(
                "the model gave no number on a changed image", method="mean", n=int(values.size),
                n_patients=int(np.unique(patients).size),
            )  # fmt: skip
        return Measurement.of(
            estimate, metric="largest_fall", level=self.ctx.levels.confidence, direction="higher",
            condition={"parameter": fill, **condition},
        )  # fmt: skip

    def _keep_curves(self) -> None:
        """Keep mean curves of the first method and its controls, and of every method."""
        for direction in (DELETION, INSERTION):
            names = self.found.names_of(LINEAR, direction)
            mean = {name: self.found.curve(LINEAR, direction, name).mean(axis=0) for name in names}
            if self.headline not in mean or not all(np.isfinite(c).all() for c in mean.values()):
                continue
            controls = {plain_name(name): mean[name] for name in controls_of(self.headline, mean)}
            others = {f"method {m}": mean[m] for m in self.made.methods if m in mean and m != self.headline}
            self.ctx.sink.artifact(
                f"{direction}_curve",
                f"Mean score of the decision as pixels are {'imputed' if direction == DELETION else 'put back'}, "
                "most relevant first",
                {"fraction": self.found.shares, "attribution": mean[self.headline], **controls, **others},
                attribution=self.headline,
                parameter=LINEAR,
                cases=int(self.patients.size),
            )

    def _keep_margins(self) -> None:
        """Keep the difference of the first method to each control on its own."""
        for direction in (DELETION, INSERTION):
            values = self._values(f"{direction}_advantage", LINEAR, self.every)
            if why_absent(self.made, values, self.headline):
                continue
            columns = margins(
                self.ctx, values, self.headline, self.patients, lower_is_better=direction == DELETION,
                paired=None if self.early is None else self.early.paired(direction),
            )  # fmt: skip
            self.ctx.sink.artifact(
                f"{direction}_margins", f"How much better than each control, {direction}", columns,
                attribution=self.headline, parameter=LINEAR,
            )  # fmt: skip

    def _keep_examples(self) -> None:
        """Offer three maps, whose pixels the runner stores for phantoms or on request."""
        if not self.found.examples:
            return
        low, span = self.ctx.card.input.range[0], self.ctx.card.input.span
        maps = self.found.examples["maps"]
        peak = np.abs(maps).reshape(len(maps), -1).max(axis=1).reshape(-1, *[1] * (maps.ndim - 1))
        self.ctx.sink.artifact(
            "attribution_examples",
            f"Images and where {self.headline.replace('_', ' ')} finds what speaks for the decision",
            {
                "images": grey((self.found.examples["images"] - low) / span),
                "attribution": grey(maps / np.maximum(peak, 1e-300)),
            },
            pixels=True,
            attribution=self.headline,
        )
