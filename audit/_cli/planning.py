"""`audit run --plan`: what a run would do and about how long it would take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from audit._cli.shell import say
from audit._cli.spent import columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from audit.execution import Forecast, Unit

_HEADS = ("unit", "shards", "images read", "images forward", "images backward", "seconds, about")
_SMALL, _BRIEF = 0.005, 0.1
"""Units below this share of all time, or below so many seconds, are shown as one."""


def print_plan(forecast: Forecast) -> None:
    """Print the units of a run with what they cost, the longest first, their sum, and what they rest on."""
    known = {name: seconds for name, seconds in forecast.seconds.items() if seconds is not None}
    total = sum(known.values())
    ranked = sorted((u for u in forecast.units if u.name in known), key=lambda u: -known[u.name])
    shown = [u for u in ranked if known[u.name] >= max(_SMALL * total, _BRIEF)]
    if len(ranked) - len(shown) == 1:
        shown = ranked
    small = ranked[len(shown) :]
    cohort = f"{_count(forecast.cases, 'case')} of {_count(forecast.patients, 'patient')}"
    say(f"plan: {_count(len(forecast.units), 'unit')} on {cohort}")
    rows = [_HEADS, *(_row(u.name, [u], forecast) for u in shown)]
    if small:
        rows.append(_row(f"{len(small)} others", small, forecast))
    rows += [(name, "?", "?", "?", "?", "?") for name in forecast.unknown]
    rows.append(_row("all", ranked, forecast))
    for line in columns(rows):
        say(f"  {line}")
    _say_inputs(forecast)
    _say_time(forecast)


def _say_inputs(forecast: Forecast) -> None:
    """Say what units rest on, those that rest on the same together."""
    found: dict[tuple[str, ...], list[str]] = {}
    for unit in forecast.units:
        found.setdefault(unit.inputs, []).append(unit.name)
    for inputs, names in found.items():
        say(f"  on {', '.join(inputs)}: {', '.join(names)}")
    absent = [u.name for u in forecast.plan.units if u.absent]
    if absent:
        say(f"  not applicable: {', '.join(absent)}")


def _say_time(forecast: Forecast) -> None:
    least, most = (_time(s) for s in forecast.span)
    pace = forecast.pace
    alone = forecast.workers == 1
    workers = "one worker" if alone else f"{forecast.workers} workers, if the work parts evenly"
    say(f"  an estimate: {least} to {most} with {workers}, and the report; nothing has been run or written")
    if pace.batch:
        gradient = f", {_milli(pace.backward)} ms more for its gradient" if pace.backward else ""
        say(
            f"  from one batch of {_count(pace.batch, 'case')}: {_milli(pace.read)} ms to read an image, "
            f"{_milli(pace.forward)} ms forward{gradient}; attacks end sooner on a model that breaks early"
        )
    if forecast.unknown:
        say(f"  not in the estimate, since nobody has said what they cost: {', '.join(forecast.unknown)}")


def _row(name: str, units: Sequence[Unit], forecast: Forecast) -> tuple[str, ...]:
    seconds = sum(forecast.seconds[u.name] or 0.0 for u in units)
    return (
        name, f"{sum(u.shards for u in units):,}", f"{sum(forecast.reads[u.name] for u in units):,}",
        f"{sum(u.passes.forwards for u in units):,.0f}", f"{sum(u.passes.backwards for u in units):,.0f}",
        f"{seconds:.1f}" if seconds < 9.95 else f"{seconds:,.0f}",
    )  # fmt: skip


def _time(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"


def _milli(seconds: float) -> str:
    return f"{1000 * seconds:.2g}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
