"""What was not tested, and the attacks that the AI Act names, line by line."""

from __future__ import annotations

from collections.abc import Sequence

from audit.core import ProbeResult
from audit.pack._blocks import Cell, Document, Table, Text, row
from audit.pack._source import Source

# Article 15(5): what it names, which probes speak of it, and what they leave out.
_ATTACKS: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("data poisoning: manipulated training data", (),
     "No probe looks for it. Checks for duplicates and label noise do not show that nobody meddled with the data."),
    ("model poisoning: manipulated pre-trained components", (),
     "No probe looks for it. The model's digest shows that it was not changed since, not that it was clean before."),
    ("adversarial examples, model evasion",
     ("ADV001", "ADV002", "ADV003", "ADV004", "ADV005", "ADV007", "ADV008", "ADV009"),
     "Digital changes of the image of the declared sizes; no physical attack, none on the systems around the model."),
    ("confidentiality attacks: drawing data or the model out of it", (),
     "No probe looks for membership inference, inversion or extraction."),
    ("model flaws",
     ("CONF001", "CONF002", "CONF004", "CONF005", "CONF008", "CONF009", "SHIFT001", "SHIFT002", "SHIFT006", "XAI001",
      "XAI002", "SETUP002"),
     "Flaws that the named probes look for: leaning on something other than the disease, breaking under another "
     "acquisition, explanations that do not show what is used."),
)  # fmt: skip


def not_tested(source: Source) -> Document:
    """Return what this audit says nothing about, generated from what ran."""
    e = source.evidence
    rows = tuple(row(n.what, n.why) for n in e.not_tested)
    table = Table(caption="Not tested, and why", head=("what", "why"), rows=rows)
    lines = Table(
        caption="Attacks named in Article 15(5) of the EU AI Act, line by line",
        head=("the text names", "state", "by", "what stays untested"),
        rows=tuple(_line(source, *a) for a in _ATTACKS),
    )
    return Document(
        id="not-tested", title="What was not tested",
        purpose="Lists what nobody should conclude from this audit; generated from what ran, not written.",
        blocks=(
            Text(text="Nothing was listed.") if not rows else table, lines,
            Text(tone="note", text=(
                "Tested means that a probe ran to its end, not that the model withstood: results are in the test "
                "execution records. Our words for the text of the Article are to be checked against the source."
            )),
        ),
    )  # fmt: skip


def _line(source: Source, what: str, codes: Sequence[str], rest: str) -> tuple[Cell, ...]:
    ran = [r for c in codes if (r := source.result(c)) is not None and r.state == "completed"]
    absent = [c for c in codes if c not in {r.probe for r in ran}]
    if not ran:
        return row(what, "not tested", "no probe" if not codes else f"did not run: {', '.join(absent)}", rest)
    state = "tested" if not absent else "tested in part"
    by = ", ".join(_worded(source, r) for r in ran) + (f"; did not run: {', '.join(absent)}" if absent else "")
    return row(what, state, by, rest)


def _worded(source: Source, result: ProbeResult) -> str:
    found = sorted({f.status for f in source.evidence.findings if f.probe == result.probe})
    return f"{result.probe} ({', '.join(found) if found else 'measured, not judged'})"
