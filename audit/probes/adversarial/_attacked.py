"""The white-box attack of a cohort: which cases, what sizes, how much is tried, and one question at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.attacks import (
    ANCHORS,
    Averaged,
    Bounds,
    Cases,
    Certificate,
    Chance,
    Ladder,
    Meter,
    Norm,
    Outcome,
    Plan,
    Question,
    Refusal,
    above_chance,
    certify,
    default_ladder,
    steady,
)
from audit.core import Arrays, ProbeContext, Scalar, joined
from audit.probes._images import batch_size, load_images, load_masks
from audit.probes._parted import alone
from audit.probes._stopping import looks
from audit.probes.adversarial._blocks import Ahead, Assault
from audit.probes.adversarial._shards import certify_alone, ladder_alone

if TYPE_CHECKING:
    from numpy.typing import NDArray

LADDER_SAMPLE = 64
_TARGETS_A_SHARD = 1024
SHOWN = 3
"""Perturbed images offered as examples."""
_CERTIFICATE_SAMPLE = 64
_VISIBILITY_SAMPLE = 64
_ELEMENTS = 2**25
_LEAST_CASES_A_FINDING = 100
ATTACK = "pgd"
RANKED = ("binary", "multilabel")


@dataclass(frozen=True, kw_only=True, eq=False)
class Attacked:
    """One question after the attack.

    Args:
        question: What was to be overturned.
        cases: (m,) the attacked cases, indices into the cohort.
        targets: (m, ...) their targets; 0 for segmentation.
        patients: (m,) their patient codes.
        outcome: What became of them.
        certificate: Whether that may be believed.
        visibility: How visible the change of some of them is.
        refused: Further attacks that were asked for and did not run.
        ahead: What there was to attack, where it could stop early; None where all was attacked.
    """

    question: Question
    cases: NDArray[np.int64]
    targets: NDArray[Any]
    patients: NDArray[np.int64]
    outcome: Outcome
    certificate: Certificate
    visibility: Visibility
    refused: tuple[Refusal, ...] = ()
    ahead: Ahead | None = None

    @property
    def condition(self) -> dict[str, Scalar]:
        """Condition keys of all measurements of the question."""
        named: dict[str, Scalar] = {} if self.question.name is None else {"class": self.question.name}
        return {"attack": ATTACK, **named}


class Visibility:
    """Decibels and structural similarity of evenly spread cases at the headline size, as the attack goes by.

    Args:
        rows: Which of the attacked cases are looked at.
        span: Width of the displayed range.
    """

    def __init__(self, rows: NDArray[np.int64], span: float) -> None:
        self.rows, self.span = rows, span
        self.psnr, self.ssim = (np.full(rows.size, np.nan) for _ in range(2))

    def part(self, positions: NDArray[np.int64]) -> Visibility:
        """Return what looks at some of the cases only, by their rows among all."""
        return Visibility(self.rows[np.isin(self.rows, positions)], self.span)

    @property
    def found(self) -> dict[str, NDArray[np.float64]]:
        """What was measured of each row, not finite where nothing was."""
        return {"psnr": self.psnr, "ssim": self.ssim}

    def look(self, rows: NDArray[np.int64], images: NDArray[np.float32], worst: NDArray[np.float32]) -> None:
        """Compare the images of some cases with their worst ones."""
        from audit.metrics import psnr, ssim

        for row, image, changed in zip(rows, images, worst, strict=True):
            at = int(np.searchsorted(self.rows, row))
            if at < self.rows.size and self.rows[at] == row and (image != changed).any():
                noise, alike = psnr(image, changed, self.span), ssim(image, changed, self.span)
                self.psnr[at] = np.nan if noise is None else noise
                self.ssim[at] = np.nan if alike is None else alike


def plan_of(ctx: ProbeContext, ladder: Ladder, norm: Norm) -> Plan:
    """Return how much the budget allows."""
    image = load_images(ctx.cohort, np.zeros(1, dtype=np.int64))[0]
    return Plan(
        epsilons=ladder.epsilons, headline=ladder.headline, steps=ctx.budget.attack_steps,
        restarts=ctx.budget.attack_restarts, norm=norm, ranking=ctx.card.task in RANKED,
        batch=batch_size(image, ctx.budget.batch_size),
    )  # fmt: skip


def ladder_of(ctx: ProbeContext, norm: Norm) -> Ladder:
    """Return the default sizes, measured on evenly spread cases where they have to be, so the same for every probe."""
    rows = spread(len(ctx.cohort), LADDER_SAMPLE)
    return ladder_alone(
        ctx, lambda _: default_ladder(ctx.card.input, list(load_images(ctx.cohort, rows)), norm)
    )  # fmt: skip


def spread(count: int, wanted: int) -> NDArray[np.int64]:
    """Return at most so many positions, evenly spread."""
    return np.unique(np.linspace(0, count - 1, min(count, wanted)).round().astype(np.int64))


def targets_of(ctx: ProbeContext, question: Question, cases: NDArray[np.int64]) -> NDArray[Any]:
    """Return the targets of a question for some cases."""
    if ctx.card.task == "segmentation":
        return question.targets(load_masks(ctx.cohort, cases))
    return question.targets(ctx.cohort.targets[cases])


def anchor_rows(raw: NDArray[np.float64], elements: int) -> NDArray[np.int64]:
    """Return rows of few cases, evenly spread over the order of their answers, so that both extremes are among them.

    Args:
        raw: (m, k[, *spatial]) answers without an attack.
        elements: Values of an image.
    """
    order = np.asarray(raw, dtype=np.float64).reshape(len(raw), -1)[:, -1].argsort(kind="stable")
    few = order[spread(len(raw), max(2, min(ANCHORS, _ELEMENTS // elements)))]
    out: NDArray[np.int64] = np.sort(few)
    return out


def called(what: str, question: Question) -> str:
    """Return the name of a piece of work on a question."""
    return what if question.name is None else f"{what}: {question.name}"


def share_of(budget: int | None, findings: int) -> int | None:
    """Return the cases of each finding: the budget is shared among them, down to a least number."""
    if budget is None or findings == 1:
        return budget
    return max(min(budget, _LEAST_CASES_A_FINDING), budget // findings)


def concerned(ctx: ProbeContext, question: Question, cases: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the cases that have a question."""
    if not cases.size:
        return cases
    # Masks of volumes are read one by one: a batch of them would not fit.
    size = 1 if ctx.card.task == "segmentation" else ctx.budget.batch_size

    def work(positions: NDArray[np.int64]) -> Arrays:
        parts = [cases[positions[i : i + size]] for i in range(0, positions.size, size)]
        return {"concerned": np.concatenate([question.applies(targets_of(ctx, question, part)) for part in parts])}

    every = ctx.parts.map(called("cases concerned", question), work, cases.size, size=_TARGETS_A_SHARD)
    out: NDArray[np.int64] = cases[joined(every)["concerned"]]
    return out


def attack_question(
    ctx: ProbeContext, question: Question, cases: NDArray[np.int64], plan: Plan, meter: Meter, *, done: int, total: int,
    enough: Callable[[Attacked], bool] | None = None,
) -> Attacked:  # fmt: skip
    """Attack the cases of one question, image by image as they are read, and certify the attack.

    Where it may stop early, what is looked at for visibility and certificate is taken from the first block of patients,
    whose size is fixed beforehand.

    Args:
        ctx: The probe's context.
        question: What is to be overturned.
        cases: (m,) the cases, indices into the cohort.
        plan: How much is tried.
        meter: Where the cost is counted.
        done: Cases done before, for the progress.
        total: Cases in all.
        enough: From what is known of the first cases whether further ones are not needed; the cases then stand in drawn
            order. None: all are attacked.
    """
    patients, segmentation = ctx.cohort.patients[cases], ctx.card.task == "segmentation"
    ends = (int(cases.size),) if enough is None else looks(patients)
    elements = load_images(ctx.cohort, cases[:1])[0].size
    window = ctx.card.input.window or ctx.card.input.range
    looked = Visibility(spread(ends[0], max(1, min(_VISIBILITY_SAMPLE, _ELEMENTS // elements))), window[1] - window[0])
    stream = Cases(
        count=cases.size,
        images=lambda rows: load_images(ctx.cohort, cases[rows]),
        targets=lambda rows: targets_of(ctx, question, cases[rows]),
        anchors=lambda: load_images(ctx.cohort, cases[anchor_rows(ctx.clean.raw[cases], elements)]),
    )
    sample = spread(ends[0], max(1, min(_CERTIFICATE_SAMPLE, _ELEMENTS // elements)))
    asked: Any = ctx.model
    same = alone(
        ctx, called("answers asked for twice", question),
        lambda _: {"same": steady(asked, stream.images(sample), plan.batch)[1]},
    )["same"]  # fmt: skip
    model = asked if same.all() else Averaged(asked)
    # A faster copy would draw for itself, once, where the mean over draws is under attack.
    plan = plan if same.all() else replace(plan, gradients="exact")
    kept = Bounds(sample, ctx.card.input, plan.headline, plan.norm)
    seed, *seeds = int(ctx.rng.integers(2**63)), *(int(ctx.rng.integers(2**31)) for _ in ctx.attacks)
    targets = np.zeros(cases.size) if segmentation else targets_of(ctx, question, cases)
    ahead = None if enough is None else _ahead(ctx, question, cases, targets)
    made = Assault(
        ctx=ctx, what=called("", question), model=model, question=question, stream=stream, plan=plan, seed=seed,
        seeds=seeds, meter=meter, keep=SHOWN, watches=(looked, kept),
        progress=lambda ready: ctx.sink.progress(done + ready, total),
    )  # fmt: skip

    def known(outcome: Outcome, certificate: Certificate, refused: tuple[Refusal, ...] = ()) -> Attacked:
        m = len(outcome.right)
        return Attacked(
            question=question, cases=cases[:m], targets=targets[:m], patients=patients[:m], outcome=outcome,
            certificate=certificate, visibility=looked, refused=refused, ahead=ahead,
        )  # fmt: skip

    def stop(outcome: Outcome) -> bool:
        # Whether the attack may be believed is asked once, in the end; if not, what seemed settled is open.
        return enough is not None and enough(known(outcome, Certificate(values={}, cases={}, patients={})))

    outcome, refused = made.until(ends, None if enough is None else stop)
    m = len(outcome.right)
    clean = outcome.clean if segmentation else ctx.clean.raw[cases[:m]]
    certificate = certify_alone(
        ctx, called("certificate", question),
        lambda rng: certify(
            model, question, outcome, images=stream.images(sample), target=stream.targets(sample), clean=clean[sample],
            sample=sample, patients=patients[:m], plan=plan, rng=rng, batch=plan.batch, bounds=kept, same=same,
            targets=None if segmentation else targets[:m], chance=_chance(question, ahead),
        ),
    )  # fmt: skip
    return known(outcome, certificate, refused)


def _ahead(ctx: ProbeContext, question: Question, cases: NDArray[np.int64], targets: NDArray[Any]) -> Ahead:
    """Return what is known of all cases before any is attacked."""
    patients = ctx.cohort.patients[cases]
    if ctx.card.task == "segmentation":
        return Ahead(patients=patients, targets=targets)
    clean = ctx.clean.raw[cases]
    return Ahead(patients=patients, targets=targets, right=question.objectives[0].right(clean, targets), clean=clean)


def _chance(question: Question, ahead: Ahead | None) -> Chance | None:
    """Return the lead of all cases over chance: that of few attacked ones would be uncertain for no reason."""
    if ahead is None or ahead.right is None or ahead.clean is None:
        return None
    lead = above_chance(question, ahead.right, ahead.targets, ahead.clean, ahead.patients)
    return None if lead is None else (lead, ahead.patients)
