"""What each probe costs, foretold from the cohort and the budget: images through the model, images read, statistics.

The factors were counted on the embedded reference models, whose attacks and explanations they describe to within a
factor of two. A model that stands longer, or whose network allows fewer methods, costs more or less.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from audit.core import Access, Budget, ModelCard
from audit.execution._units import Passes

_FEWEST = 24
"""Cases of a probe that may spend a part of what ADV001 may; where the budget has them."""
_A_SHARD = 64
"""Cases of a shard of a probe's work, about."""
_IN_SLOTS = ("ADV001", "ADV002", "ADV005", "ADV007")
"""Attacks that hold several batches at a time, whose shards have twice as many."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What one piece of a run costs.

    Args:
        forwards: Images that go forward through the model.
        backwards: Images of which a gradient is taken.
        reads: Images that are read.
        looks: Images that are looked at or changed without the model, in units of putting their pixels in order.
        numbers: Numbers whose interval is found by resampling patients.
        known: Whether anybody has said what it costs.
    """

    forwards: int = 0
    backwards: int = 0
    reads: int = 0
    looks: int = 0
    numbers: int = 0
    known: bool = True

    @property
    def passes(self) -> Passes:
        """Images through the model."""
        return Passes(forwards=self.forwards, backwards=self.backwards)

    def __add__(self, other: Cost) -> Cost:
        """Return both together."""
        return Cost(
            forwards=self.forwards + other.forwards, backwards=self.backwards + other.backwards,
            reads=self.reads + other.reads, looks=self.looks + other.looks, numbers=self.numbers + other.numbers,
            known=self.known and other.known,
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Scope:
    """What a cost hangs on.

    Args:
        cases: Cases of the cohort.
        card: The model's card.
        budget: What a probe may spend.
        inside: Whether the network can be looked into.
        surrogates: Models that stand in for the audited one.
    """

    cases: int
    card: ModelCard
    budget: Budget
    inside: bool
    surrogates: int = 0

    @property
    def gradients(self) -> bool:
        """Whether the model gives gradients."""
        return self.card.access >= Access.GRADIENT

    def at_most(self, limit: int | None) -> int:
        """Return how many cases a budget leaves of the cohort; None: all."""
        return self.cases if limit is None else min(self.cases, limit)

    def attacked(self, part: int = 1) -> int:
        """Return the cases of an attack that may spend one part in so many of what ADV001 may."""
        limit = self.budget.attack_cases
        return self.at_most(None if limit is None else max(min(limit, _FEWEST), limit // part))


Formula = Callable[[Scope], Cost]


def cost_of(code: str, scope: Scope) -> Cost:
    """Return what a probe costs; one that is not ours is not known.

    Args:
        code: The probe's code.
        scope: What its cost hangs on.
    """
    formula = _FORMULAS.get(code)
    if formula is not None:
        return formula(scope)
    return Cost(numbers=_NUMBERS) if code.startswith(_BY_NUMBERS) else Cost(known=False)


def clean_cost(cases: int) -> Cost:
    """Return what the clean predictions cost."""
    return Cost(forwards=cases, reads=cases)


def probe_shards(cost: Cost, code: str) -> int:
    """Return into how many shards a probe's work is parted, about: those that pass images do it by cases."""
    each = 2 * _A_SHARD if code in _IN_SLOTS else _A_SHARD
    return max(1, -(-cost.reads // each)) if cost.forwards or cost.looks else 1


_NUMBERS = 3
_BY_NUMBERS = ("DATA", "SETUP", "PERF", "CAL", "FAIR", "CONF", "SHIFT")


def _evasion(steps: float, verified: int) -> Formula:
    """Gradients at every step of a search, images that are verified, and a certificate of 64 cases."""

    def cost(s: Scope) -> Cost:
        cases = s.attacked()
        taken = round(cases * steps * s.budget.attack_steps * s.budget.attack_restarts)
        return Cost(forwards=taken + verified * cases, backwards=taken, reads=cases) + _certificate(s, min(cases, 64))

    return cost


def _certificate(s: Scope, cases: int) -> Cost:
    """Further attacks on some cases: longer, larger, by questions, along paths."""
    steps = s.budget.attack_steps
    taken = round(cases * (24 + 1.5 * steps))
    asked = max(400 if steps > 10 else 150, 4 * steps) * min(cases, 24)
    return Cost(forwards=taken + asked + 70 * cases, backwards=taken, reads=cases)


def _by_questions(s: Scope) -> Cost:
    blind, queries = not s.gradients, s.budget.attack_queries
    cases = s.attacked(3) if blind else min(s.attacked(3), 40)
    asked = round(cases * (114 + 3.1 * queries) * (3 if blind else 1))
    taken = 0 if blind else 30 * cases
    return Cost(forwards=asked + taken, backwards=taken, reads=cases)


def _transfer(s: Scope) -> Cost:
    cases, steps = s.attacked(4), s.budget.attack_steps
    taken = round(cases * (9 + 4.8 * steps)) * max(1, s.surrogates)
    taught = 0 if s.surrogates else s.at_most(s.budget.attack_cases) + max(150 * steps, 2 * s.attacked())
    return Cost(forwards=taught + taken + 18 * cases, backwards=taken, reads=cases)


def _smallest(s: Scope) -> Cost:
    """Two norms, each with a certificate of 16 cases."""
    cases = s.attacked(4)
    taken = 2 * round(cases * (30 + 2 * s.budget.attack_steps))
    found = Cost(forwards=taken + 120 * cases, backwards=taken, reads=cases)
    return found + _certificate(s, min(cases, 16)) + _certificate(s, min(cases, 16))


def _controls(s: Scope) -> Cost:
    cases = s.attacked(3)
    if not s.gradients:
        return Cost(forwards=round(cases * (10 + 3 * s.budget.attack_queries)), reads=cases)
    taken = round(cases * (6.6 + 0.6 * s.budget.attack_steps))
    return Cost(forwards=taken + 16 * cases, backwards=taken, reads=cases)


def _targeted(s: Scope) -> Cost:
    cases = s.attacked(4)
    taken = round(cases * 2.6 * s.budget.attack_steps)
    found = Cost(forwards=taken + 38 * cases, backwards=taken, reads=cases)
    return found + _certificate(s, 32) + Cost(forwards=1600, backwards=1400)


def _sparse(s: Scope) -> Cost:
    cases = s.attacked(4)
    own = Cost(forwards=round(cases * (48 + 3.6 * s.budget.attack_steps)), backwards=11 * cases, reads=cases)
    return own + Cost(forwards=46 * min(cases, 16), backwards=34 * min(cases, 16))


def _universal(s: Scope) -> Cost:
    cases, steps = s.attacked(3), s.budget.attack_steps
    batches = max(1, cases // (2 * s.budget.batch_size))
    taken = 9 * cases * min(steps, max(3, -(-steps // batches)))
    return Cost(forwards=taken + 38 * cases, backwards=taken, reads=cases)


def _maps(s: Scope, cases: int) -> Cost:
    """Every method of attribution once a case: by gradients along a path, or by hiding parts of the image."""
    if not s.gradients:
        return Cost(forwards=cases * (s.budget.explain_masks + 150))
    return Cost(forwards=cases * (18 + s.budget.explain_points), backwards=cases * (18 + s.budget.explain_points))


def _explained(s: Scope, most: int | None = None, least: int = 1, part: float = 1) -> int:
    limit = s.budget.explain_cases
    few = None if limit is None else max(min(limit, least), int(limit * part))
    return min(s.at_most(few), s.cases if most is None else most)


def _unfaithful(s: Scope) -> Cost:
    cases = _explained(s)
    return _maps(s, cases) + Cost(forwards=40 * s.budget.explain_steps * cases, reads=cases, looks=240 * cases)


def _randomised(s: Scope) -> Cost:
    cases = s.at_most(s.budget.randomised_cases) * s.budget.randomised_steps
    return Cost(forwards=33 * cases, backwards=27 * cases, reads=cases)


def _localised(s: Scope) -> Cost:
    """Maps of its own cases and of those that methods are qualified on, twice each."""
    cases = _explained(s, least=40, part=0.4)
    return _maps(s, 3 * cases) + Cost(forwards=110 * cases, reads=cases, looks=240 * cases)


def _unstable(s: Scope) -> Cost:
    copies = {"smoke": 2, "standard": 3, "full": 8}[s.budget.profile]
    limit = s.budget.explain_cases
    cases = s.at_most(None if limit is None else max(min(limit, 20), limit // 6) if limit > 24 else min(limit, 12))
    return _maps(s, cases * (1 + copies)) + Cost(forwards=4 * cases, reads=cases)


def _infidelity(s: Scope) -> Cost:
    cases = _explained(s, least=24, part=0.5)
    return _maps(s, cases) + Cost(forwards=round(2.4 * cases * s.budget.explain_perturbations), reads=cases)


def _disparity(s: Scope) -> Cost:
    cases = _explained(s, least=24, part=0.5)
    return _maps(s, cases) + Cost(forwards=8 * s.budget.explain_steps * cases, reads=cases, looks=60 * cases)


def _edited(times: float, looks: int) -> Formula:
    """Cases whose images are edited so many times."""

    def cost(s: Scope) -> Cost:
        cases = s.at_most(s.budget.edit_cases)
        return Cost(forwards=round(times * cases), reads=cases, looks=looks * cases, numbers=_NUMBERS)

    return cost


def _severity(s: Scope) -> Cost:
    cases = s.at_most(s.budget.severity_cases)
    return Cost(forwards=cases * (21 if s.budget.profile == "smoke" else 31), reads=cases, looks=10 * cases)


def _foreign(s: Scope) -> Cost:
    cases = s.at_most(s.budget.foreign_cases)
    return Cost(forwards=8 * cases, reads=cases, looks=4 * cases)


def _features(times: int, limit: bool) -> Formula:
    """Cases whose features inside the network are looked at, where it can be looked into."""

    def cost(s: Scope) -> Cost:
        cases = s.at_most(s.budget.feature_cases) if limit else s.cases
        seen = Cost(forwards=times * cases, reads=times * cases) if s.inside else Cost()
        return seen + Cost(numbers=_NUMBERS, looks=cases)

    return cost


def _absent(s: Scope) -> Cost:
    """Every choice of modalities that may be absent; nothing where there is one alone."""
    channels = len(s.card.input.modalities)
    cases = s.at_most(s.budget.foreign_cases) if channels > 1 else 0
    return Cost(forwards=cases * 2 ** min(channels, 4), reads=cases)


def _looked(looks: int) -> Formula:
    def cost(s: Scope) -> Cost:
        cases = s.at_most(s.budget.image_cases)
        return Cost(reads=cases, looks=looks * cases)

    return cost


def _again(times: int) -> Formula:
    def cost(s: Scope) -> Cost:
        cases = s.at_most(s.budget.repeat_cases)
        return Cost(forwards=times * cases + 4, reads=times * cases)

    return cost


_FORMULAS: Mapping[str, Formula] = {
    "DATA002": _looked(10), "DATA007": _looked(5), "DATA008": _looked(1),
    "DATA011": lambda s: Cost(known=False), "PERF007": lambda s: Cost(known=False),
    "SHIFT004": lambda s: Cost(known=False),
    "SETUP002": _again(3), "SETUP004": lambda s: Cost(), "SETUP005": _again(1),
    "CONF001": lambda s: Cost(numbers=15), "CONF003": _features(2, limit=True),
    "CONF004": _edited(4, 46), "CONF005": _edited(28, 15), "CONF008": _edited(9.4, 35), "CONF009": _edited(10, 30),
    "ADV001": _evasion(2.65, 38), "ADV002": _evasion(3.05, 42), "ADV003": _by_questions, "ADV004": _transfer,
    "ADV005": _smallest, "ADV006": _controls, "ADV007": _targeted, "ADV008": _sparse, "ADV009": _universal,
    "XAI001": _unfaithful, "XAI002": _randomised, "XAI003": _localised, "XAI004": _unstable, "XAI005": _infidelity,
    "XAI006": _disparity,
    "SHIFT002": _severity, "SHIFT003": _features(1, limit=False),
    "SHIFT005": _absent,
    "SHIFT006": _foreign,
}  # fmt: skip
