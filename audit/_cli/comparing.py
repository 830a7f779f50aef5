"""`audit compare`, and what `audit gate --baseline` says of a comparison."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from audit._cli.folders import relative
from audit._cli.outcome import coloured, print_findings
from audit._cli.runs import writable
from audit._cli.shell import say
from audit.errors import EXIT_INCONCLUSIVE, EXIT_PASS
from audit.storage import Location

if TYPE_CHECKING:
    from collections.abc import Iterable

    from audit.core import Comparison, Difference

_ROWS = 40


def compare_runs(
    baseline: Location, candidate: Location, policy: Path | None, out: Path | None, *, min_cell: int
) -> int:
    """Compare two runs, print a table, and return an exit code.

    0, 1 or 3 by the policy's margins; without margins 0 where the runs are paired and 3 where they are not.
    """
    from audit import session

    target = None if out is None else writable(out, baseline, candidate)
    found = session.compare(baseline, candidate, policy, min_cell=min_cell)
    print_comparison(found)
    if target is not None:
        from audit.report import render_comparison

        target.write_text(render_comparison(found), encoding="utf-8")
        say(f"  page      {relative(target)}")
    if found.verdict is None:
        return EXIT_PASS if found.paired else EXIT_INCONCLUSIVE
    return found.verdict.exit_code


def print_comparison(found: Comparison) -> None:
    """Print what was compared, every difference, and what the margins say of them."""
    say("")
    say(f"  {_named(found)}", head=_head(found))
    for reason in found.reasons:
        say(f"  not paired  {reason}")
    for line in table(found.differences):
        say(line)
    print_findings(found.findings)
    for text in found.notes:
        say(f"  note  {text}")
    if found.verdict is None:
        say("  note  Nothing is judged: the policy has no [[comparison]] with a margin.")


def print_against(found: Comparison) -> None:
    """Print what a comparison adds to a verdict that was printed: the margins, and the differences over all cases."""
    say(f"  compared  {_named(found)}")
    for reason in found.reasons:
        say(f"  not paired  {reason}")
    for line in table(d for d in found.differences if not d.measurement.subgroup):
        say(line)
    print_findings(found.findings)


def _head(found: Comparison) -> str:
    if found.verdict is None:
        return "COMPARED"
    return coloured(found.verdict.label, found.verdict.outcome)


def _named(found: Comparison) -> str:
    names = [f"{side['name']} {side['version']}".strip() for side in (found.candidate, found.baseline)]
    digests = [str(side["digest"])[:8] for side in (found.candidate, found.baseline)]
    phantom = " (phantom)" if found.candidate.get("phantom") else ""
    size = f"{found.candidate['n']} cases of {found.candidate['n_patients']} patients{phantom}"
    return f"{names[0]} ({digests[0]}) against the baseline {names[1]} ({digests[1]}) on {size}"


def table(differences: Iterable[Difference]) -> list[str]:
    """Return the differences as lines of one table, candidate minus baseline."""
    from audit.judge import figures, interval, metric_words, place

    rows = [("", "baseline", "candidate", "candidate minus baseline", "patients")]
    for d in differences:
        where = place(d.measurement)
        name = metric_words(d.metric) + (f" ({where})" if where else "")
        if d.measurement.value is None:
            rows.append((name, "", "", f"none: {d.measurement.missing}", str(d.measurement.n_patients)))
            continue
        a, b = ("" if v is None else figures(v) for v in (d.baseline, d.candidate))
        rows.append((name, a, b, interval(d.measurement), str(d.measurement.n_patients)))
    if len(rows) == 1:
        return []
    more = len(rows) - 1 - _ROWS
    rows = rows[: _ROWS + 1]
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    lines = [
        f"  {row[0]:<{widths[0]}}  {row[1]:>{widths[1]}}  {row[2]:>{widths[2]}}  {row[3]}, {row[4]} patients"
        if i
        else f"  {row[0]:<{widths[0]}}  {row[1]:>{widths[1]}}  {row[2]:>{widths[2]}}  {row[3]}"
        for i, row in enumerate(rows)
    ]
    return lines + ([f"  and {more} more: write the page with --out"] if more > 0 else [])
