"""Planted faults must be found, and a healthy model must pass."""

from __future__ import annotations

from pathlib import Path

from audit.session.validation._check import Check, audited

_FINDS = "A model with a fault never gets PASS, and the rule about the fault says so."
# The rule that must not PASS; None where the set-up checks bar the PASS.
_RULE_OF: dict[str, str | None] = {
    "leans-on-sex": "leans-on-sex", "leans-on-scanner": "leans-on-scanner", "misses-women": "misses-a-sex",
    "deaf-on-scanner-b": "deaf-on-a-scanner", "overconfident": "calibrated", "constant": "ranks", "reversed": "ranks",
    "probabilities-as-logits": None, "dropout-left-on": None, "weights-drift": None,
}  # fmt: skip


# Answers that are all alike have no AUC: the rule cannot FAIL, and must not PASS.
_WITHOUT_NUMBER = {"deaf-on-scanner-b", "constant"}


def fault_checks() -> tuple[Check, ...]:
    """Return a check for each planted fault of `audit.testing`, and one for the healthy model."""
    from audit.testing import FAULTS

    healthy = Check(
        requirement="A sound model on a cohort that is large enough gets PASS.", check="planted model: healthy",
        expected="PASS, every rule PASS", run=_healthy,
    )  # fmt: skip
    return (healthy, *(_check(name) for name in FAULTS))


def _healthy(folder: Path) -> tuple[bool, str]:
    found = audited("healthy", folder)
    worst = [f"{f.rule} {f.status}" for f in found.findings if f.status != "PASS"]
    return found.verdict.outcome == "PASS" and not worst, ", ".join([found.verdict.outcome, *worst])


def _check(fault: str) -> Check:
    rule = _RULE_OF.get(fault)
    allowed = ("INCONCLUSIVE",) if fault in _WITHOUT_NUMBER else ("FAIL",)
    expected = f"not PASS; rule {rule} {allowed[0]}" if rule else "not PASS, for a fault of the set-up"

    def run(folder: Path) -> tuple[bool, str]:
        found = audited(fault, folder)
        outcome = found.verdict.outcome
        if rule is None:
            return outcome != "PASS" and bool(found.verdict.reasons), "; ".join((outcome, *found.verdict.reasons))
        status = next(f.status for f in found.findings if f.rule == rule)
        return outcome != "PASS" and status in allowed, f"{outcome}; rule {rule} {status}"

    return Check(requirement=_FINDS, check=f"planted fault: {fault}", expected=expected, run=run)
