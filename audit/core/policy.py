"""Limits set before the run, and exceptions that somebody signed for."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from audit.core.canonical import SPARSE, digest
from audit.core.measurement import Scalar, frozen


@dataclass(frozen=True, kw_only=True, slots=True)
class Limit:
    """What a measurement must stay within: at least `min`, at most `max`, or both."""

    min: float | None = None
    max: float | None = None

    def __post_init__(self) -> None:
        if self.min is None and self.max is None:
            raise ValueError("a limit needs min, max or both")
        if not all(math.isfinite(side) for side in (self.min, self.max) if side is not None):
            raise ValueError(f"expected finite limits, got {self.min} and {self.max}")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"expected min <= max, got {self.min} and {self.max}")

    def __str__(self) -> str:
        """Return the limit in words, for example "at least 0.8"."""
        if self.max is None:
            text = f"at least {self.min:g}"
        elif self.min is None:
            text = f"at most {self.max:g}"
        else:
            text = f"from {self.min:g} to {self.max:g}"
        return text.replace("-", "\N{MINUS SIGN}")


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One limit on one metric of one probe.

    Args:
        id: The rule's name, unique in the policy.
        probe: Code of the probe.
        metric: One of the probe's metrics.
        limit: What the measurements must stay within.
        where: `attribute`, `subgroup` (one level) and condition keys; an absent key matches all.
        min_patients: Patients in the metric's own denominator below which nothing is decided.
        blocking: False: reported, never changes the outcome.
        rationale: Why this limit.
        margin_source: Where the margin comes from.
        sequential: Whether the probe looks at patients in a drawn order and stops as soon as this rule is settled.
    """

    id: str
    probe: str
    metric: str
    limit: Limit
    where: Mapping[str, Scalar] = field(default_factory=dict)
    min_patients: int = 0
    blocking: bool = True
    rationale: str = ""
    margin_source: str = ""
    sequential: bool = field(default=False, metadata=SPARSE)

    def __post_init__(self) -> None:
        object.__setattr__(self, "where", frozen(self.where))


@dataclass(frozen=True, kw_only=True)
class ComparisonRule:
    """How much worse than a baseline a candidate may be, on the same cases.

    Args:
        id: Its name, which no rule and no other comparison has.
        metric: A number that two runs can be compared by, for example "auc".
        margin: How much worse at most, 0 or more, in the metric's unit.
        where: `attribute`, `subgroup` (one level), `class`; an absent key matches all.
        min_patients: Patients in the metric's own denominator below which nothing is decided.
        blocking: False: reported, never changes the outcome.
        rationale: Why this margin.
        margin_source: Where the margin comes from.
    """

    id: str
    metric: str
    margin: float
    where: Mapping[str, Scalar] = field(default_factory=dict)
    min_patients: int = 0
    blocking: bool = True
    rationale: str = ""
    margin_source: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "where", frozen(self.where))
        if not (math.isfinite(self.margin) and self.margin >= 0):
            raise ValueError(f"expected a margin of 0 or more, got {self.margin}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Waiver:
    """A signed exception from one rule until a day (UTC, the day itself included)."""

    rule: str
    owner: str
    reason: str
    expires: dt.date

    def expired(self, today: dt.date) -> bool:
        """Tell whether the waiver no longer counts on a day."""
        return today > self.expires


@dataclass(frozen=True, kw_only=True)
class Policy:
    """`policy.toml`, typed.

    Args:
        name: The policy's name.
        confidence: Two-sided confidence of every interval.
        rules: Limits.
        waivers: Signed exceptions.
        allow_not_applicable: Codes or globs of probes whose absence this policy accepts.
        comparisons: How much worse than a baseline the model may be.
        digest: sha256 of the canonical policy; taken of the content where it is not given.
        source: "file", "proposed" or "embedded".
    """

    name: str = ""
    confidence: float = 0.95
    rules: tuple[Rule, ...] = ()
    waivers: tuple[Waiver, ...] = ()
    allow_not_applicable: tuple[str, ...] = ()
    comparisons: tuple[ComparisonRule, ...] = ()
    digest: str = ""
    source: str = "file"

    def __post_init__(self) -> None:
        ids = [*(rule.id for rule in self.rules), *(c.id for c in self.comparisons)]
        twice = sorted({i for i in ids if ids.count(i) > 1})
        if twice:
            raise ValueError(f"expected a name of its own for every rule, got twice: {', '.join(twice)}")
        if not self.digest:
            # A policy without comparisons keeps the digest that it had before there were any.
            more = {"comparisons": self.comparisons} if self.comparisons else {}
            object.__setattr__(self, "digest", digest({
                "name": self.name, "confidence": self.confidence, "rules": self.rules, "waivers": self.waivers,
                "allow": self.allow_not_applicable, **more,
            }))  # fmt: skip
