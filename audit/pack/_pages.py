"""Documents as HTML: one file each, without scripts, made to be printed."""

from __future__ import annotations

from collections.abc import Sequence

from audit.pack._blocks import Document
from audit.pack._source import Source
from audit.report.phrases import environment, phantom


def page(source: Source, document: Document, number: int, total: int) -> bytes:
    """Return one document as an HTML file.

    Args:
        source: What the pack is made from.
        document: Its content.
        number: Its place, 0 for the first page of the pack.
        total: Number of documents.
    """
    return _render(source, ((number, document),), total, single=True)


def one_page(source: Source, cover: Document, documents: Sequence[Document]) -> bytes:
    """Return the cover and all documents as one HTML file, for print."""
    numbered = tuple(enumerate((cover, *documents)))
    return _render(source, numbered, len(documents), single=False)


def _render(source: Source, numbered: Sequence[tuple[int, Document]], total: int, *, single: bool) -> bytes:
    e = source.evidence
    text = environment().get_template("pack_page.html.j2").render(
        documents=numbered, total=total, single=single, model=str(e.model.get("name") or "unnamed model"),
        version=str(e.model.get("version") or ""), phantom=phantom(e), outcome=source.judged.verdict.outcome,
        restricted=bool(source.shared.restricted), digest=str(e.run.get("evidence_digest"))[:16],
        run=str(e.run.get("started"))[:10], tool=str(e.run.get("version")),
    )  # fmt: skip
    return text.encode()
