"""What the report shows of the attack itself: its checks, their limits, and the likely cause where one fails."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from audit.attacks import Certificate, Check, Checks, must_be
from audit.core import ProbeContext, Scalar
from audit.probes.adversarial._attacked import Attacked

_MUST_BE = {
    "certificate_repeat": "1", "certificate_queries": "at most 0.05", "certificate_response": "at least 0.9",
    "certificate_surrogate": "at most 0.5", "certificate_agreement": "at least 0.6",
}  # fmt: skip
"""What the checks must give that are not among those of the certificate of a white-box attack."""
_FACTS = ("class", "attack", "norm", "stratum")


def keep_certificate(ctx: ProbeContext, attacked: Attacked, norm: str) -> None:
    """Store the checks of an attack: what each gave, what it must give, and whether it does."""
    named = {} if attacked.question.name is None else {"class": attacked.question.name}
    keep_full(ctx, attacked.certificate, {"norm": norm, **named})


def keep_full(ctx: ProbeContext, certificate: Certificate, facts: Mapping[str, Scalar]) -> None:
    """Store a full certificate, with facts that tell it from others of the probe."""
    found = {
        name: Check(
            value=certificate.values[name], holds=certificate.holds(name), n=certificate.cases[name],
            n_patients=certificate.patients[name],
        )
        for name in certificate.values
    }  # fmt: skip
    keep_checks(ctx, Checks(found=found), facts, cause=certificate.cause)


def keep_checks(
    ctx: ProbeContext, checks: Checks, facts: Mapping[str, Scalar], *, cause: str = "",
    must: Mapping[str, str] | None = None,
) -> None:  # fmt: skip
    """Store the checks of an attack.

    Args:
        ctx: The probe's context.
        checks: What was found.
        facts: What tells this attack from others of the probe.
        cause: Why the failed ones fail, or "".
        must: What checks must give in words, where they do not mean what the name does elsewhere.
    """
    names = tuple(checks.found)
    wanted = [(must or {}).get(name) or _MUST_BE.get(name) or must_be(name) for name in names]
    found = [checks.found[name] for name in names]
    told: dict[str, Any] = {k: v for k, v in facts.items() if k in _FACTS}
    ctx.sink.artifact(
        "attack_certificate",
        "Whether the attack may be believed",
        {
            "value": np.array([c.value for c in found]),
            "holds": np.array([c.holds for c in found]),
            "n_cases": np.array([c.n for c in found]),
            "n_patients": np.array([c.n_patients for c in found]),
        },
        checks="|".join(names),
        must_be="|".join(wanted),
        cause=cause,
        doubt=checks.doubt,
        **told,
    )
