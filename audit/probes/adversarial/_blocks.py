"""An attack in blocks of patients, after each of which it may be known enough; one block holds all by default."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.attacks import Cases, Meter, Outcome, Plan, Question, Refusal
from audit.core import DifferentiableModel, ProbeContext
from audit.probes.adversarial._shards import Watch, attack_shards, extend_shards

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, eq=False)
class Ahead:
    """What there was to attack before it was known when to stop; the attacked cases are the first of these.

    Args:
        patients: (n,) patient codes, in drawn order.
        targets: (n, ...) targets; 0 for segmentation.
        right: (n,) right without an attack; None where that is known of attacked cases alone.
        clean: (n, k) answers without an attack, None likewise.
    """

    patients: NDArray[np.int64]
    targets: NDArray[Any]
    right: NDArray[np.bool_] | None = None
    clean: NDArray[np.float64] | None = None

    def count(self, members: NDArray[np.bool_] | None = None) -> int:
        """Return the patients that there were to attack, with cases among the members."""
        return int(np.unique(self.patients if members is None else self.patients[members]).size)


@dataclass(frozen=True, kw_only=True, eq=False)
class Assault:
    """What is attacked, and how.

    Args:
        ctx: The probe's context.
        what: Ending of the names of the work, for example that of the finding.
        model: The model under attack.
        question: What is to be overturned.
        stream: All n cases.
        plan: How much is tried.
        seed: Keys the random numbers of every case.
        seeds: Of each further attack that the run asks for.
        meter: Where the cost is counted.
        keep: The worst images of so many first cases are kept.
        watches: What looks at the worst images.
        progress: Called with the number of cases done.
    """

    ctx: ProbeContext
    what: str
    model: DifferentiableModel
    question: Question
    stream: Cases
    plan: Plan
    seed: int
    seeds: Sequence[int]
    meter: Meter
    keep: int
    watches: Sequence[Watch]
    progress: Callable[[int], None]

    def until(
        self, ends: Sequence[int], enough: Callable[[Outcome], bool] | None
    ) -> tuple[Outcome, tuple[Refusal, ...]]:  # fmt: skip
        """Attack block after block until enough is known, or none is left.

        Args:
            ends: Cases attacked after each block; the last is n.
            enough: From the outcome of the first cases whether further ones are not needed; None: all are attacked.

        Returns:
            The outcome of the first m cases, and the further attacks that refused.
        """
        parts: list[Outcome] = []
        refused: list[Refusal] = []
        for start, end in zip((0, *ends[:-1]), ends, strict=True):
            outcome, lost = self._block(start, end, f", block {len(parts) + 1}" if len(ends) > 1 else "")
            parts.append(outcome)
            refused += lost
            if enough is not None and end < ends[-1] and enough(Outcome.joined(parts)):
                break
        return Outcome.joined(parts) if len(parts) > 1 else parts[0], _merged(refused)

    def _block(self, start: int, end: int, named: str) -> tuple[Outcome, tuple[Refusal, ...]]:
        rows = np.arange(start, end)
        outcome = attack_shards(
            self.ctx, f"cases attacked{self.what}{named}", self.model, self.question, self.stream, plan=self.plan,
            seed=self.seed, meter=self.meter, rows=rows, keep=self.keep, watches=self.watches,
            progress=lambda ready: self.progress(start + ready),
        )  # fmt: skip
        if not self.ctx.attacks:
            return outcome, ()
        whole = rows.size == self.stream.count
        return extend_shards(
            self.ctx, f"further attacks{self.what}{named}", self.model, self.question,
            self.stream if whole else self.stream.part(rows), outcome, plan=self.plan,
            seeds=[seed + start for seed in self.seeds], meter=self.meter,
        )  # fmt: skip


def _merged(refused: Sequence[Refusal]) -> tuple[Refusal, ...]:
    """Return one refusal an attack, with the cases of all blocks."""
    out: dict[str, Refusal] = {}
    for one in refused:
        before = out[one.name].cases if one.name in out else 0
        out[one.name] = Refusal(name=one.name, reason=one.reason, cases=before + one.cases)
    return tuple(out.values())
