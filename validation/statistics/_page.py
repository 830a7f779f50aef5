"""The tables of docs/statistics.md, made from the stored results; the words around them are written by hand."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from validation.statistics._run import ROOT
from validation.statistics._study import Accept

PAGE = ROOT / "docs" / "statistics.md"
COMMAND = "make validate-statistics"
ORDER = (
    "coverage", "low_miss", "high_miss", "false_pass", "false_fail", "rejected", "found", "passed", "value", "width",
    "decided", "patients", "estimable",
)  # fmt: skip
WORDS = {
    "coverage": "coverage", "low_miss": "low miss", "high_miss": "high miss", "false_pass": "false PASS",
    "false_fail": "false FAIL", "rejected": "rejected", "found": "found", "passed": "PASS", "value": "mean value",
    "width": "mean width", "decided": "decided", "patients": "mean patients", "estimable": "estimable",
}  # fmt: skip
TALL = ("judge",)
"""Jobs whose studies have many quantities of their own: one row each."""

Row = Mapping[str, Any]


def verdict_of(accept: Mapping[str, Any]) -> str:
    """Return what became of one acceptance in a word."""
    if accept["deviation"]:
        return "stale deviation" if accept["kept"] else "deviates"
    return "kept" if accept["kept"] else "**not kept**"


def _asked(accept: Mapping[str, Any]) -> str:
    return str(Accept(low=accept["low"], high=accept["high"]))


def _number(cell: Mapping[str, Any] | None) -> str:
    """Return a mean with its Monte-Carlo standard error; an error of 0 is left out."""
    if cell is None or cell["mean"] is None:
        return ""
    text = f"{cell['mean']:.4f}" if abs(cell["mean"]) < 10 else f"{cell['mean']:.0f}"
    if not cell["error"]:
        return text
    return f"{text} ± {cell['error']:.4f}" if abs(cell["mean"]) < 10 else f"{text} ± {cell['error']:.1f}"


def _table(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in body)])


def table(rows: Sequence[Row]) -> str:
    """Return the table of one job."""
    if rows and rows[0]["job"] in TALL:
        return "\n\n".join(_tall(row) for row in rows)
    used = [q for q in ORDER if any(_shown(row, q) for row in rows)]
    head = ["method", "scenario", "R", *(WORDS[q] for q in used), "accepted"]
    body = [
        [
            row["method"], row["scenario"], f"{row['repeats']:,}",
            *(_number(row["quantities"].get(q)) if _shown(row, q) else "" for q in used), _judged(row),
        ]
        for row in rows
    ]  # fmt: skip
    return _table(head, body)


def _shown(row: Row, quantity: str) -> bool:
    cell = row["quantities"].get(quantity)
    if cell is None or cell["mean"] is None:
        return False
    # Where every repeat has an estimate the column would say 1 everywhere.
    return quantity != "estimable" or cell["mean"] < 1


def _judged(row: Row) -> str:
    if not row["accept"]:
        return "described"
    parts = [f"{WORDS[name]} {_asked(a)}: {verdict_of(a)}" for name, a in row["accept"].items()]
    return "; ".join(parts)


def _tall(row: Row) -> str:
    body = [
        [name, _number(cell), f"{_asked(row['accept'][name])}: {verdict_of(row['accept'][name])}"
         if name in row["accept"] else "described"]
        for name, cell in row["quantities"].items()
    ]  # fmt: skip
    words = f"{row['scenario'][:1].upper()}{row['scenario'][1:]}; {row['repeats']:,} cohorts."
    return f"{words}\n\n{_table(['of all cohorts', 'share', 'accepted'], body)}"


def summary(results: Mapping[str, Any]) -> str:
    """Return how the results were made, and every acceptance that is not kept."""
    rows = results["studies"]
    codes = sorted({row["code"] for row in rows})
    libraries = ", ".join(f"{name} {number}" for name, number in results["versions"].items())
    accepted = [(row, name, a) for row in rows for name, a in row["accept"].items()]
    kept = sum(a["kept"] for _, _, a in accepted)
    lines = [
        f"{len(rows)} simulations, {sum(row['repeats'] for row in rows):,} simulated cohorts, seed {results['seed']}, "
        f"{sum(row['seconds'] for row in rows) / 60:.0f} minutes of one core. {libraries}. Code of `audit/stats`, "
        f"`audit/judge` and `audit/metrics`: sha256 {', '.join(codes)}. Made by `{COMMAND}`.",
        "",
        f"Of {len(accepted)} acceptances {kept} are kept.",
    ]
    for row, name, a in accepted:
        if not a["kept"]:
            mean = row["quantities"][name]["mean"]
            word = "deviates: " + a["deviation"] if a["deviation"] else "**not kept**"
            found = "none" if mean is None else f"{mean:.4f}"
            lines.append(
                f"- {row['method']}; {row['scenario']}: {WORDS.get(name, name)} {found}, accepted {_asked(a)}; {word}"
            )
    return "\n".join(lines)


def filled(text: str, results: Mapping[str, Any]) -> str:
    """Return a page with every generated part made anew.

    A generated part stands between `<!-- table: JOB -->` (or `<!-- summary -->`) and `<!-- end -->`.

    Raises:
        ValueError: A job has no place in the page, or two.
    """
    jobs: dict[str, list[Row]] = {}
    for row in results["studies"]:
        jobs.setdefault(row["job"], []).append(row)
    places = re.findall(r"<!-- table: (\S+) -->", text)
    if len(set(places)) < len(places) or not set(jobs) <= set(places):
        raise ValueError(f"expected one place in the page for each of {sorted(jobs)}, got {sorted(places)}")

    def made(match: re.Match[str]) -> str:
        job = match.group(2)
        body = summary(results) if not job else table(jobs[job]) if job in jobs else "Not simulated yet."
        return f"{match.group(1)}\n{body}\n<!-- end -->"

    return re.sub(r"(<!-- (?:table: (\S+)|summary) -->)\n.*?<!-- end -->", made, text, flags=re.DOTALL)


def write(results: Mapping[str, Any], page: Path = PAGE) -> None:
    """Write the generated parts of the page."""
    page.write_text(filled(page.read_text(encoding="utf-8"), results), encoding="utf-8")
