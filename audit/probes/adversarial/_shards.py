"""White-box attacks in shards of cases, and their certificates as one unit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from audit.attacks import (
    Cases,
    Certificate,
    Check,
    Checks,
    Ladder,
    Meter,
    Outcome,
    Plan,
    Question,
    Refusal,
    attack_part,
    extended_part,
)
from audit.core import Arrays, DifferentiableModel, ProbeContext, joined
from audit.probes._parted import alone, shard_of, tell, told

if TYPE_CHECKING:
    from numpy.typing import NDArray

_TOGETHER = 2
"""Usual shards in one of an attack, whose slots hold more than a batch."""
_ROWS, _FORWARDS, _GRADIENTS, _ONCE = "looked_rows", "forwards", "gradients", "once"


class Watch(Protocol):
    """What looks at the worst images of some rows while they are there."""

    @property
    def rows(self) -> NDArray[np.int64]:
        """The rows that it looks at, rising."""
        ...

    def part(self, positions: NDArray[np.int64]) -> Watch:
        """Return one for some of the cases only."""
        ...

    def look(self, rows: NDArray[np.int64], images: NDArray[np.float32], worst: NDArray[np.float32]) -> None:
        """Look at some cases."""
        ...

    @property
    def found(self) -> Mapping[str, NDArray[Any]]:
        """What it saw, by row; the arrays themselves."""
        ...


def attack_shards(
    ctx: ProbeContext, name: str, model: DifferentiableModel, question: Question, stream: Cases, *, plan: Plan,
    seed: int, meter: Meter, rows: NDArray[np.int64] | None = None, keep: int = 0, watches: Sequence[Watch] = (),
    progress: Callable[[int], None] | None = None,
) -> Outcome:  # fmt: skip
    """Attack cases shard by shard; what becomes of a case does not depend on the others of its shard.

    Args:
        ctx: The probe's context.
        name: What is done, once a run of the probe.
        model: The model under attack.
        question: What is to be overturned.
        stream: All cases.
        plan: How much is tried.
        seed: Keys the random numbers of every case, with its row.
        meter: Where the cost is counted, as that of one attack.
        rows: (m,) which of the cases, all by default; those of a shard are attacked together.
        keep: The worst images of so many first cases are kept.
        watches: What looks at the worst images.
        progress: Called with the number of cases done.

    Returns:
        The outcome of the m cases, in the order of `rows`.
    """
    chosen = np.arange(stream.count) if rows is None else rows

    def work(positions: NDArray[np.int64]) -> Arrays:
        at, own, once = np.sort(chosen[positions]), Meter(), Meter()
        eyes = [watch.part(at) for watch in watches]

        def observe(local: NDArray[np.int64], images: NDArray[np.float32], worst: NDArray[np.float32]) -> None:
            for eye in eyes:
                eye.look(at[local], images, worst)

        outcome = attack_part(
            model, question, stream.part(at), plan=plan, seed=seed, meter=own, once=once, keep=int((at < keep).sum()),
            observe=observe, progress=lambda done, _: progress(int(positions[0]) + done) if progress else None,
        )  # fmt: skip
        back = np.searchsorted(at, chosen[positions])
        return {
            **{f.name: getattr(outcome, f.name)[back] for f in fields(outcome) if f.name != "worst"},
            "worst": outcome.worst,
            **spent(own, once),
            **{f"{_ROWS}_{i}": eye.rows for i, eye in enumerate(eyes)},
            **{f"{key}_{i}": values for i, eye in enumerate(eyes) for key, values in eye.found.items()},
        }

    parts = ctx.parts.map(name, work, chosen.size, size=_TOGETHER * shard_of(plan.batch))
    count(meter, parts)
    every = joined(parts)
    for i, watch in enumerate(watches):
        at = np.searchsorted(watch.rows, every[f"{_ROWS}_{i}"])
        for key, values in watch.found.items():
            values[at] = every[f"{key}_{i}"]
    return Outcome(**{f.name: every[f.name] for f in fields(Outcome)})


def spent(own: Meter, once: Meter | None = None) -> dict[str, NDArray[np.int64]]:
    """Return what a shard cost, as arrays for `count`."""
    again = once or Meter()
    return {
        _FORWARDS: np.array([own.forwards]), _GRADIENTS: np.array([own.gradients]),
        _ONCE: np.array([[again.forwards, again.gradients]]),
    }  # fmt: skip


def count(meter: Meter, parts: Sequence[Arrays]) -> None:
    """Add what shards cost; what each of them asked alike counts once, as in a run without shards."""
    every = joined([{key: part[key] for key in (_FORWARDS, _GRADIENTS, _ONCE)} for part in parts])
    once = every[_ONCE].max(axis=0)
    meter.forwards += int(every[_FORWARDS].sum() + once[0])
    meter.gradients += int(every[_GRADIENTS].sum() + once[1])


def extend_shards(
    ctx: ProbeContext, name: str, model: DifferentiableModel, question: Question, stream: Cases, outcome: Outcome, *,
    plan: Plan, seeds: Sequence[int], meter: Meter,
) -> tuple[Outcome, tuple[Refusal, ...]]:  # fmt: skip
    """Return `extended`, in shards of whole batches: a library draws for a batch at once.

    Args:
        ctx: The probe's context, with the attacks by name.
        name: What is done.
        model: The model under attack.
        question: What is to be overturned.
        stream: The n cases.
        outcome: What became of them before.
        plan: Sizes, steps and norm.
        seeds: Of each attack.
        meter: Where the cost is counted.
    """

    def work(batches: NDArray[np.int64]) -> Arrays:
        at = np.concatenate([np.arange(b * plan.batch, min((b + 1) * plan.batch, stream.count)) for b in batches])
        own = Meter()
        found, refused = extended_part(
            model, question, stream.part(at), outcome.take(at), ctx.attacks, plan=plan, seeds=seeds, meter=own
        )
        reasons = {r.name: (r.reason, r.cases) for r in refused}
        given = [reasons.get(attack, ("", 0)) for attack in ctx.attacks]
        return {
            **{f.name: getattr(found, f.name) for f in fields(found)}, **spent(own),
            "reason": np.array([[reason for reason, _ in given]], dtype=np.str_),
            "lost": np.array([[lost for _, lost in given]]),
        }  # fmt: skip

    batches = -(-stream.count // plan.batch)
    parts = ctx.parts.map(name, work, batches, size=max(1, shard_of(plan.batch) // plan.batch))
    count(meter, parts)
    every = joined(parts)
    refused = []
    for attack, reasons, lost in zip(ctx.attacks, every["reason"].T, every["lost"].T, strict=True):
        said = [str(reason) for reason in reasons if reason]
        if said:
            refused.append(Refusal(name=attack, reason=said[-1], cases=int(lost.sum())))
    return Outcome(**{f.name: every[f.name] for f in fields(Outcome)}), tuple(refused)


def certify_alone(ctx: ProbeContext, name: str, work: Callable[[np.random.Generator], Certificate]) -> Certificate:
    """Certify an attack as one unit, drawing from the probe's generator.

    Args:
        ctx: The probe's context.
        name: What is done.
        work: From a generator to the certificate.
    """

    def unit(rng: np.random.Generator) -> Arrays:
        found = work(rng)
        return {"certificate": told([found.values, found.cases, found.patients, found.cause])}

    values, cases, patients, cause = tell(alone(ctx, name, unit)["certificate"])
    return Certificate(values=values, cases=cases, patients=patients, cause=cause)


def checks_alone(
    ctx: ProbeContext, name: str, work: Callable[[np.random.Generator, Meter], Checks], meter: Meter
) -> Checks:
    """Check an attack as one unit, drawing from the probe's generator.

    Args:
        ctx: The probe's context.
        name: What is done.
        work: From a generator and a meter to the checks.
        meter: Where the cost is counted.
    """

    def unit(rng: np.random.Generator) -> Arrays:
        own = Meter()
        checks = work(rng, own)
        found = {key: asdict(check) for key, check in checks.found.items()}
        return {"checks": told([found, checks.doubt]), **spent(own)}

    given = alone(ctx, name, unit)
    count(meter, [given])
    found, doubt = tell(given["checks"])
    return Checks(found={key: Check(**check) for key, check in found.items()}, doubt=doubt)


def ladder_alone(ctx: ProbeContext, work: Callable[[np.random.Generator], Ladder]) -> Ladder:
    """Measure the sizes of an attack as one unit: many images are read for it."""

    def unit(rng: np.random.Generator) -> Arrays:
        found = work(rng)
        return {"ladder": told({f.name: getattr(found, f.name) for f in fields(found)})}

    given = tell(alone(ctx, "sizes", unit)["ladder"])
    return Ladder(**{**given, "epsilons": tuple(given["epsilons"])})
