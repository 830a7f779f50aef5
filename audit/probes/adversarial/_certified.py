"""What the report shows of the attack itself: its checks, their limits, and the likely cause where one fails."""

from __future__ import annotations

from typing import Any

import numpy as np

from audit.attacks import must_be
from audit.core import ProbeContext
from audit.probes.adversarial._attacked import Attacked


def keep_certificate(ctx: ProbeContext, attacked: Attacked, norm: str) -> None:
    """Store the checks of an attack: what each gave, what it must give, and whether it does."""
    certificate = attacked.certificate
    names = tuple(certificate.values)
    ctx.sink.artifact(
        "attack_certificate",
        "Whether the attack may be believed",
        {
            "value": np.array([certificate.values[n] for n in names]),
            "holds": np.array([certificate.holds(n) for n in names]),
            "n_cases": np.array([certificate.cases[n] for n in names]),
            "n_patients": np.array([certificate.patients[n] for n in names]),
        },
        checks="|".join(names),
        must_be="|".join(must_be(n) for n in names),
        cause=certificate.cause,
        norm=norm,
        **_named(attacked),
    )


def _named(attacked: Attacked) -> dict[str, Any]:
    return {} if attacked.question.name is None else {"class": attacked.question.name}
