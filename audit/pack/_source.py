"""What the documents of a pack are made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from audit.core import COUNT, Evidence, Finding, Measurement, ModelCard, ProbeResult, Rule, StoredPredictions
from audit.pack._against import Against
from audit.pack._inputs import Inputs
from audit.pack._prior import Prior
from audit.pack._runs import RunHistory
from audit.pack._share import Shared
from audit.report.phrases import capital, full_text, mapping_of, metric_name, share_text, where_text
from audit.standards import Standard


@dataclass(frozen=True, kw_only=True)
class Source:
    """Everything that a document may speak of.

    Args:
        shared: The run as the pack holds it.
        stored: Its predictions, as shared.
        card: The model's card.
        prior: What shows that the policy was there before.
        history: Runs on this cohort.
        inputs: What people gave, and what only the machine that made the pack knew.
        validation: The validation file of the tool, None where none is given.
        against: The run against a baseline, None where none is given.
        standards: What the crosswalk covers.
    """

    shared: Shared
    stored: StoredPredictions
    card: ModelCard
    prior: Prior
    history: RunHistory
    inputs: Inputs
    validation: Mapping[str, Any] | None
    against: Against | None
    standards: tuple[Standard, ...]

    @property
    def evidence(self) -> Evidence:
        """The evidence, as shared."""
        return self.shared.evidence

    @property
    def judged(self) -> Evidence:
        """The evidence with its verdict, that of the comparison with a baseline included where there is one."""
        return self.evidence if self.against is None else self.against.judged

    def result(self, code: str) -> ProbeResult | None:
        """Return the result of one probe, None where it has none."""
        return self.evidence.result(code)

    def finding(self, rule: str) -> Finding | None:
        """Return what a rule or a margin says, None where there is no such one."""
        return next((f for f in self.judged.findings if f.rule == rule), None)

    def record(self, rule: str) -> str:
        """Return where the record of a rule or a margin is."""
        margins = {c.id for c in self.evidence.policy.comparisons}
        return f"{'comparison' if rule in margins else 'execution-records'}.html#rule-{rule}"

    def rule(self, finding: Finding) -> Rule:
        """Return the rule of a finding."""
        return next(r for r in self.evidence.policy.rules if r.id == finding.rule)

    def decisive(self, finding: Finding) -> Measurement | None:
        """Return the measurement that decided a finding."""
        result = self.result(finding.probe)
        if result is None or finding.decisive is None or finding.decisive >= len(result.measurements):
            return None
        return result.measurements[finding.decisive]

    def measurements(self, code: str, *metrics: str) -> tuple[Measurement, ...]:
        """Return the measurements of a probe, of some metrics where they are named."""
        result = self.result(code)
        found = () if result is None else result.measurements
        return tuple(m for m in found if not metrics or m.metric in metrics)


def named(m: Measurement, probe: str = "") -> str:
    """Return what a measurement is of, for example `Sensitivity, sex: female`."""
    where = where_text(m)
    return capital(metric_name(m.metric, probe)) + (f", {where}" if where else "")


def said(m: Measurement) -> str:
    """Return value and interval, or why there is none."""
    return full_text(m) or f"no number: {m.missing}"


def counted(m: Measurement) -> str:
    """Return k/n or n, with patients where they differ from cases."""
    if m.value is None and not m.n:
        return "none"
    text = share_text(m)
    return text if m.method == COUNT or m.n_patients == m.n else f"{text}; {m.n_patients:,} patients"


def use_statement(evidence: Evidence) -> str:
    """Return the declared intended use, empty where there is none."""
    return str(mapping_of(evidence.run.get("intended_use")).get("statement") or "")


def clock(time: object) -> str:
    """Return an ISO time as people write it, `2026-11-26 08:24:11 UTC`."""
    text = str(time or "not recorded")
    return f"{text[:10]} {text[11:19]} UTC" if text.endswith("+00:00") else text
