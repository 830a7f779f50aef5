"""Clauses of regulations and guidelines with the evidence in this pack that is relevant to them."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence

from audit.errors import InternalError
from audit.pack._blocks import Block, Cell, Document, Facts, Heading, Link, Table, Text, row
from audit.pack._source import Source
from audit.report.phrases import plural
from audit.standards import Clause, Standard

_CHECKED = {"page": "excerpt of a public page read", "know": "to be checked against the source"}


def crosswalk(source: Source, documents: Sequence[Document]) -> Document:
    """Return every clause with its status and what this pack holds on it.

    Args:
        source: What the pack is made from.
        documents: The documents of the pack.

    Raises:
        InternalError: A clause names a document that no pack has.
    """
    titles = {d.id: d.title for d in documents}
    blocks: list[Block] = [Text(tone="note", text=(
        "Each line names evidence relevant to a clause. It does not say that the clause is met: that is for the "
        "manufacturer to claim and for others to judge. Clauses are in our words; those marked 'to be checked against "
        "the source' must be, before they are quoted."
    ))]  # fmt: skip
    for s in source.standards:
        blocks += _standard(source, s, titles)
    return Document(
        id="crosswalk", title="Crosswalk to regulations and guidelines",
        purpose="Shows for each clause which results and documents are relevant to it, and which clauses have none.",
        blocks=tuple(blocks), source=("crosswalk.json",),
    )  # fmt: skip


def _standard(source: Source, s: Standard, titles: dict[str, str]) -> list[Block]:
    rows = tuple(_line(source, c, titles) for c in s.clauses)
    counts = {k: sum(1 for c in s.clauses if c.status == k) for k in ("automatic", "needs author", "not covered")}
    facts: tuple[tuple[str, Cell], ...] = (
        ("source", s.source), ("date", s.date), ("crosswalk", f"version {s.version}, compiled {s.compiled}"),
        ("clauses", ", ".join(f"{n} {k}" for k, n in counts.items())), *((("remark", s.remark),) if s.remark else ()),
    )  # fmt: skip
    return [
        Heading(text=s.title), Facts(rows=facts),
        Table(caption=f"{s.title}: evidence relevant to each clause",
              head=("clause", "asks for", "status", "evidence in this pack", "to add"), rows=rows),
    ]  # fmt: skip


def _line(source: Source, c: Clause, titles: dict[str, str]) -> tuple[Cell, ...]:
    missing = [d for d in c.documents if d not in titles]
    if missing:
        raise InternalError(f"{c.id} names documents that no pack has: {', '.join(missing)}")
    ran, silent = evidence_of(source, c)
    parts: list[str | Link] = []
    for d in c.documents:
        parts += ["; " if parts else "", Link(titles[d], f"{d}.html")]
    for words, codes in (("results of", ran), ("no result in this run of", silent)):
        if codes:
            parts.append(f"{'; ' if parts else ''}{words} {', '.join(codes)}")
    lacking = c.status == "automatic" and bool(c.probes) and not ran
    status = "automatic, but no result in this run" if lacking else c.status
    asks = f"{c.asks} ({_CHECKED[c.checked]})"
    return row(c.id, asks, status, tuple(parts) or "none", c.author or "nothing known")


def evidence_of(source: Source, c: Clause) -> tuple[list[str], list[str]]:
    """Return the probes of a clause that have results in this run, and those that have none."""
    results = source.evidence.results
    codes = [r.probe for r in results if any(fnmatch.fnmatchcase(r.probe, p) for p in c.probes)]
    ran = [r.probe for r in results if r.probe in codes and r.state == "completed" and r.measurements]
    absent = [p for p in c.probes if not any(fnmatch.fnmatchcase(r.probe, p) for r in results)]
    return ran, [*(x for x in codes if x not in ran), *absent]


def crosswalk_values(source: Source) -> dict[str, object]:
    """Return the crosswalk as plain values."""
    return {
        "wording": "evidence relevant to a clause, never a claim that it is met",
        "standards": [
            {
                "name": s.name, "title": s.title, "source": s.source, "date": s.date, "version": s.version,
                "compiled": s.compiled, "remark": s.remark,
                "clauses": [
                    {"clause": c.id, "asks": c.asks, "status": c.status, "source_checked": _CHECKED[c.checked],
                     "results": evidence_of(source, c)[0], "no_result": evidence_of(source, c)[1],
                     "documents": list(c.documents), "to_add": c.author}
                    for c in s.clauses
                ],
            }
            for s in source.standards
        ],
    }  # fmt: skip


def summary_text(source: Source) -> str:
    """Return how many clauses have what, in one sentence."""
    clauses = [c for s in source.standards for c in s.clauses]
    none = sum(1 for c in clauses if c.status == "not covered")
    return f"{plural(len(clauses), 'clause')} of {plural(len(source.standards), 'text')}, {none} of them not covered"
