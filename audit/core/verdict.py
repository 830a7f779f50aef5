"""What a rule says of its measurements, and what all findings mean for the release."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from audit.core.canonical import SPARSE
from audit.core.policy import Limit, Waiver

Status = Literal["PASS", "FAIL", "INCONCLUSIVE", "NOT_APPLICABLE", "ERROR", "NOT_RUN"]
STATUSES: tuple[Status, ...] = ("FAIL", "INCONCLUSIVE", "NOT_APPLICABLE", "ERROR", "NOT_RUN", "PASS")
Outcome = Literal["PASS", "FAIL", "INCONCLUSIVE"]
EXIT_CODES: Mapping[str, int] = {"PASS": 0, "FAIL": 1, "INCONCLUSIVE": 3}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What one rule says.

    Args:
        rule: The rule's id.
        probe: The probe's code.
        metric: The metric judged.
        status: The worst of its measurements.
        headline: One sentence with value, interval, limit and n.
        limit: The rule's limit.
        measurements: Indices into the probe's measurements that the rule matched.
        decisive: Index of the measurement that decided, if any.
        blocking: Whether the rule may change the outcome.
        waiver: The waiver that is in force for it, if any.
        waiver_expired: The waiver that is no longer in force, if any.
        allowed: True for a NOT_APPLICABLE that the policy accepts.
        patients_needed: About how many patients could settle an INCONCLUSIVE, None where that is not what is missing.
        settled_distance: How far from the limit a true value must lie for this many patients to tell it from the limit
            in about 8 of 10 cohorts, in the metric's unit; None where that is not known, or no value of the metric lies
            so far.
        lacking: What else is missing, in words.
        holm_level: One-sided level at which a FAIL was tested.
        rationale: The rule's rationale.
        margin_source: Where its margin comes from.
        patients_spent: Patients that were looked at for the measurement that decided, where the probe could stop
            early; None elsewhere.
        patients_saved: Patients that need not be looked at any more, None likewise.
    """

    rule: str
    probe: str
    metric: str
    status: Status
    headline: str
    limit: Limit
    measurements: tuple[int, ...] = ()
    decisive: int | None = None
    blocking: bool = True
    waiver: Waiver | None = None
    waiver_expired: Waiver | None = None
    allowed: bool = False
    patients_needed: int | None = None
    settled_distance: float | None = None
    lacking: str = ""
    holm_level: float | None = None
    rationale: str = ""
    margin_source: str = ""
    patients_spent: int | None = field(default=None, metadata=SPARSE)
    patients_saved: int | None = field(default=None, metadata=SPARSE)

    @property
    def open_because(self) -> str:
        """What the headline does not say of an INCONCLUSIVE: what is lacking, and how many patients could settle it."""
        return self.open_words()

    def open_words(self, now: int | None = None) -> str:
        """Return what the headline does not say of an INCONCLUSIVE, empty for any other status.

        Args:
            now: Patients in the denominator of the measurement that decided, which are those that `patients_needed`
                counts; None where they are said beside it.
        """
        if self.status != "INCONCLUSIVE":
            return ""
        said = [self.lacking] if self.lacking and self.lacking not in self.headline else []
        if self.settled_distance:
            said.append(f"so many patients settle what lies about {self.settled_distance:.2g} or more from the limit")
        if self.patients_needed:
            noun = "patient" if self.patients_needed == 1 else "patients"
            # "Such": those of the measurement, say the positives of one subgroup, not those of the cohort.
            settle = f"about {_rounded_up(self.patients_needed):,} such {noun} could settle it"
            known = now is None or self.lacking.startswith(f"{now} patient")
            said.append(settle if known else f"{settle}, now {now:,}")
        return "; ".join(said)


def _rounded_up(n: int) -> int:
    """Return a whole number that is at least `n`, with three significant digits."""
    step: int = 10 ** max(0, len(str(n)) - 3)
    return -(-n // step) * step


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the findings together mean for the release.

    Args:
        outcome: PASS, FAIL or INCONCLUSIVE.
        blocking: Ids of the rules that keep the outcome from PASS.
        counts: Findings by status.
        reasons: Sentences for what keeps the outcome from PASS beside rules (a set-up fault, nothing ran, ...).
        waivers: Ids of rules whose finding is waived.
        notes: Sentences that change nothing in the outcome and that nobody should read it without.
    """

    outcome: Outcome
    blocking: tuple[str, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()
    waivers: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """0 PASS, 1 FAIL, 3 INCONCLUSIVE."""
        return EXIT_CODES[self.outcome]

    @property
    def label(self) -> str:
        """The outcome with its waivers, for example "PASS with 1 waiver"."""
        if not self.waivers:
            return self.outcome
        return f"{self.outcome} with {len(self.waivers)} waiver" + ("s" if len(self.waivers) > 1 else "")
