"""What the section on explanations says above its probes: each method under each metric, and what that is worth."""

from __future__ import annotations

from collections.abc import Iterable

from audit.core import Evidence, Measurement
from audit.report._arrays import Columns
from audit.report._numbers import full_text
from audit.report._words import capital, metric_name, where_parts

CAVEAT = (
    "Faithfulness is not clinical validity: a map that passes here shows what this model uses, not whether the model "
    "ought to use it, and not whether a reader is helped by seeing it."
)
_MOST_WORDS = 40
METRICS = (
    ("XAI001", "deletion_advantage"), ("XAI001", "insertion_advantage"), ("XAI002", "similarity_after_randomisation"),
    ("XAI003", "localisation_advantage"), ("XAI003", "froc_area"), ("XAI004", "max_sensitivity"),
    ("XAI005", "infidelity_advantage"), ("XAI006", "faithfulness_gap"),
)  # fmt: skip


def methods_by_metric(evidence: Evidence) -> Columns | None:
    """Return a table of attribution methods by metrics, None where no method was measured.

    A cell holds value and interval, or in short why there is no number; of several groups the one furthest from 0
    stands for all, with its name.
    """
    found = {key: _rows(evidence, *key) for key in METRICS}
    shown = [key for key in METRICS if found[key]]
    methods = list(dict.fromkeys(str(m.condition["attribution"]) for key in shown for m in found[key]))
    if not methods:
        return None
    rows = tuple(
        (capital(method.replace("_", " ")), *(_cell(found[key], method) for key in shown)) for method in methods
    )
    names = ("Method", *(capital(metric_name(metric, probe)) for probe, metric in shown))
    level = next(m.level for key in shown for m in found[key])
    return Columns(title=f"Methods by metrics, with {100 * level:g} % intervals", names=names, rows=rows, more=0)


def _rows(evidence: Evidence, probe: str, metric: str) -> tuple[Measurement, ...]:
    mine = (m for r in evidence.results if r.probe == probe for m in r.measurements)
    return tuple(m for m in mine if m.metric == metric and m.condition.get("attribution") is not None)


def _cell(rows: Iterable[Measurement], method: str) -> str:
    mine = [m for m in rows if m.condition["attribution"] == method]
    if not mine:
        return "not measured"
    known = [m for m in mine if m.value is not None]
    if not known:
        # Whole reasons would make the table unreadable; they stand at the probe.
        short = str(mine[0].missing).partition(":")[0]
        return f"no number: {short}" if len(short) <= _MOST_WORDS else "no number, see below"
    if not any(m.subgroup for m in known):
        return full_text(known[0])
    furthest = max(known, key=lambda m: abs(m.value or 0.0))
    where = ", ".join(p for p in where_parts(furthest) if p != method.replace("_", " "))
    return f"{full_text(furthest)}, {where}"
