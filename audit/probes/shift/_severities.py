"""Which changed acquisitions are tried: severities of every knob, and knobs turned together."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from audit.acquisition import KNOBS, Knob, knobs_of
from audit.core import KnobRange, NotApplicable, ProbeContext

if TYPE_CHECKING:
    import numpy as np

    from audit.acquisition import ImageSpec

Standing = Literal["in use", "exploratory", "undiagnostic"]
COMBINED = "(combined)"
_TRIALS = {"smoke": 2, "standard": 6, "full": 24}


@dataclass(frozen=True, kw_only=True)
class Tried:
    """One changed acquisition.

    Args:
        turned: Knobs and severities.
        standing: Whether it is in clinical use, as declared.
    """

    turned: tuple[tuple[Knob, float], ...]
    standing: Standing

    @property
    def name(self) -> str:
        """How predictions under it are called."""
        return ", ".join(f"{knob.name} {severity:g}" for knob, severity in self.turned)


def knobs_asked(ctx: ProbeContext, spec: ImageSpec) -> tuple[tuple[Knob, ...], dict[str, str]]:
    """Return the knobs that are turned, and by name why a declared one cannot be.

    Declared ones are turned; where none is, or the budget is the full one, those of the modality that are tried by
    default, too.

    Raises:
        NotApplicable: No modality is declared, or it has no knob for these images.
    """
    modality = ctx.card.input.modality
    if not modality:
        raise NotApplicable("[model.input] declares no modality, so nobody knows how its images are acquired")
    declared = [KNOBS[name] for name in ctx.envelope.knobs if name in KNOBS]
    lacking = {knob.name: knob.lacks(spec) for knob in declared if not knob.fits(spec)}
    wanted = dict.fromkeys(knob for knob in declared if knob.fits(spec))
    if not declared or ctx.budget.profile == "full":
        wanted |= dict.fromkeys(knob for knob in knobs_of(modality, standard=True) if knob.fits(spec))
    if not wanted and not lacking:
        raise NotApplicable(f"there is no model of a changed acquisition for modality '{modality}' and these images")
    return tuple(wanted), lacking


def severities(knob: Knob, declared: KnobRange | None, *, brief: bool) -> Iterator[Tried]:
    """Give the severities of one knob, rising.

    Args:
        knob: The knob.
        declared: Its range in clinical use.
        brief: Whether fewer are tried.
    """
    every: list[float] = []
    for sign, limit in ((1, knob.most), (-1, -knob.least)):
        if declared is None:
            ladder = knob.ladder[1::2] if brief and len(knob.ladder) > 1 else knob.ladder
            every += [sign * rung for rung in ladder if rung <= limit]
            continue
        end = declared.high if sign > 0 else -declared.low
        # The end itself is as declared, to the last digit: rounded up it would be beyond the range and not judged.
        inside = (end,) if brief else (_short(end / 2), end)
        every += [sign * s for s in (*inside, min(_short(2 * end), limit)) if s > 0]
    for severity in sorted(set(every)):
        yield Tried(turned=((knob, severity),), standing=_standing(severity, declared))


def _short(severity: float) -> float:
    return float(f"{severity:.6g}")


def _standing(severity: float, declared: KnobRange | None) -> Standing:
    if declared is None:
        return "exploratory"
    if declared.undiagnostic_beyond is not None and abs(severity) > declared.undiagnostic_beyond:
        return "undiagnostic"
    return "in use" if severity in declared else "exploratory"


def together(ctx: ProbeContext, knobs: Sequence[Knob], harmful: Sequence[Mapping[str, float]] = ()) -> Iterator[Tried]:
    """Give acquisitions in which all declared knobs are turned at once: corners of the ranges, then places within.

    First come the corners that are named, then that with every upper end; further corners and places are drawn. Nothing
    is tried with fewer than two declared knobs.

    Args:
        ctx: The probe's context.
        knobs: The knobs that are turned.
        harmful: Severities by knob of the corners that are tried first.
    """
    ranges = {knob: ctx.envelope.knobs[knob.name] for knob in knobs if knob.name in ctx.envelope.knobs}
    if len(ranges) < 2:
        return
    seen: set[tuple[tuple[Knob, float], ...]] = set()
    places = [tuple((knob, corner[knob.name]) for knob in ranges) for corner in harmful]
    places.append(tuple((knob, r.high or r.low) for knob, r in ranges.items()))
    for trial in range(max(_TRIALS[ctx.budget.profile], len(harmful))):
        drawn = tuple((knob, _place(trial, r, ctx.rng)) for knob, r in ranges.items())
        turned = places[trial] if trial < len(places) else drawn
        # Where every knob turns one way there is one corner only.
        if turned not in seen:
            seen.add(turned)
            yield Tried(turned=turned, standing="in use")


def corners(ctx: ProbeContext, knobs: Sequence[Knob]) -> int:
    """Return how many corners the declared ranges have."""
    ranges = [ctx.envelope.knobs[knob.name] for knob in knobs if knob.name in ctx.envelope.knobs]
    return int(math.prod(2 if r.low < 0 < r.high else 1 for r in ranges))


def _place(trial: int, declared: KnobRange, rng: np.random.Generator) -> float:
    if trial % 2:
        return _short(rng.uniform(declared.low, declared.high))
    ends = [end for end in (declared.high, declared.low) if end != 0]
    return ends[int(rng.integers(len(ends)))]
