"""Which way of attacking broke what at which size."""

from __future__ import annotations

import numpy as np

from audit.attacks import Ladder
from audit.core import ProbeContext
from audit.probes.adversarial._asked import named
from audit.probes.adversarial._attacked import Attacked
from audit.probes.adversarial._measures import WAYS


def keep_winners(ctx: ProbeContext, attacked: Attacked, ladder: Ladder, norm: str) -> None:
    """Store how many right cases each way of attacking was the first to overturn, counted up by size.

    Args:
        ctx: The probe's context; attacks that the run asks for have rows of their own.
        attacked: One question after the attack.
        ladder: Its sizes.
        norm: How they are measured.
    """
    outcome = attacked.outcome
    ways = (*WAYS, *ctx.attacks)
    broken = outcome.right_clean[:, None] & ~outcome.right
    ctx.sink.artifact(
        "attack_winners",
        "Cases that each way of attacking was the first to overturn, by size",
        {
            "attack": np.array(ways, dtype=np.str_),
            "epsilon": np.array(ladder.epsilons),
            "overturned": np.array([[int((outcome.by[b] == way).sum()) for b in broken.T] for way in ways]),
            "still_right": outcome.right.sum(axis=0),
        },
        epsilon_unit=ladder.unit,
        norm=norm,
        refused="; ".join(f"{r.name}: {r.reason}" for r in attacked.refused),
        **named(attacked.question),
    )
