"""The probe of evasion, for every norm."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from audit.attacks import Ladder, Meter, Norm, questions, unasked
from audit.core import Access, Measurement, NotApplicable, ProbeContext, Stop
from audit.probes._images import sample_cases
from audit.probes._stopping import drawn_order
from audit.probes.adversarial._attacked import Attacked, attack_question, concerned, ladder_of, plan_of, share_of
from audit.probes.adversarial._certified import keep_certificate
from audit.probes.adversarial._measures import absent, measurements, rates
from audit.probes.adversarial._record import keep_answers, keep_examples, keep_settings, keep_visibility
from audit.probes.adversarial._winners import keep_winners


def evasion(ctx: ProbeContext, norm: Norm) -> Iterator[Measurement]:
    """Attack a sample of the cohort under one norm and give every measurement.

    Args:
        ctx: The probe's context.
        norm: "linf" or "l2".

    Raises:
        NotApplicable: No gradients, no images, or no question.
    """
    if ctx.card.access < Access.GRADIENT:
        raise NotApplicable("the model gives no gradients")
    if ctx.cohort.images is None:
        raise NotApplicable("the cohort has no images")
    asked = questions(ctx.card)
    ladder = ladder_of(ctx, norm)
    cases = sample_cases(ctx.cohort.patients, share_of(ctx.budget.attack_cases, len(asked)), ctx.rng)
    enough, count = None, 0
    if ctx.stop is not None:
        cases = cases[drawn_order(ctx.cohort.patients[cases], ctx.rng)]
        # What cannot be asked is a hypothesis of the rule all the same.
        enough = partial(_enough, ctx, ctx.stop, ladder, len(asked) + len(unasked(ctx.card)))
    plan, meter = plan_of(ctx, ladder, norm), Meter()
    for name, why in unasked(ctx.card).items():
        yield from absent(ctx, name, why, ladder)
    for number, question in enumerate(asked):
        own = concerned(ctx, question, cases)
        if not own.size:
            yield from absent(ctx, question.name, "none of the cases sampled has this question", ladder)
            continue
        attacked = attack_question(
            ctx, question, own, plan, meter, done=number * cases.size, total=len(asked) * cases.size, enough=enough
        )
        own, count = attacked.cases, count + attacked.cases.size
        yield from measurements(ctx, attacked, ladder)
        keep_answers(ctx, question, own, attacked.outcome, plan)
        keep_examples(ctx, question, own, attacked.outcome, plan)
        keep_visibility(ctx, attacked, plan)
        keep_winners(ctx, attacked, ladder, norm)
        keep_certificate(ctx, attacked, norm)
    keep_settings(ctx, ladder, plan, meter, cases.size if enough is None else count)


def _enough(ctx: ProbeContext, stop: Stop, ladder: Ladder, among: int, attacked: Attacked) -> bool:
    return stop.settled(list(rates(ctx, attacked, ladder, stop.metrics)), among=among)
