"""Which finding a reader must see first: one order for every output."""

from __future__ import annotations

from collections.abc import Iterable

from audit.core.probe import FAMILIES
from audit.core.verdict import Finding, Verdict

# Which of several findings of one status comes first: a fault of set-up or data makes every other number doubtful,
# then what the model misses, then why, then how fragile it is.
_WEIGHT = ("SETUP", "DATA", "PERF", "CONF", "FAIR", "CAL", "SHIFT", "ADV", "XAI")
_FAIL, _OPEN, _ABSENT, _ACCEPTED, _PASS = range(5)


def family_weight(family: str) -> int:
    """Return the place of a family among findings of one status, 0 first; families that are not known come last."""
    return _WEIGHT.index(family) if family in _WEIGHT else len(_WEIGHT)


def worst_first(findings: Iterable[Finding], verdict: Verdict) -> list[Finding]:
    """Return the findings, those that matter most first.

    FAIL, INCONCLUSIVE, what was not assessed, an absence that the policy accepts, PASS; among those of one status what
    stands against the release, then other rules that may block, then rules that may not, then waived ones; then by
    family, and last in the order of the policy.

    Args:
        findings: In the order of the policy.
        verdict: What they mean together.
    """
    standing = frozenset(verdict.blocking)

    def key(finding: Finding) -> tuple[int, int, int]:
        family = next((f for f in FAMILIES if finding.probe.startswith(f)), "")
        return _severity(finding), _force(finding, standing), family_weight(family)

    return sorted(findings, key=key)


def _severity(finding: Finding) -> int:
    known = {"FAIL": _FAIL, "INCONCLUSIVE": _OPEN, "PASS": _PASS}
    return known.get(finding.status, _ACCEPTED if finding.allowed else _ABSENT)


def _force(finding: Finding, standing: frozenset[str]) -> int:
    if finding.waiver is not None:
        return 3
    if finding.rule in standing:
        return 0
    return 1 if finding.blocking else 2
