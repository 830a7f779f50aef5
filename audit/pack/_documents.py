"""All documents of a pack, in order, and the pages that stand around them."""

from __future__ import annotations

from collections.abc import Sequence

from audit.pack._against import comparison_document
from audit.pack._bill import materials
from audit.pack._blocks import Block, Cell, Document, Facts, Link, Listing, Mark, Table, Text, ToFill, row
from audit.pack._cards import cohort_card, instructions_extract, model_card
from audit.pack._chain import traceability
from audit.pack._crosswalk import crosswalk
from audit.pack._flow import cohort_flow
from audit.pack._records import acceptance_criteria, execution_records, residual_findings
from audit.pack._sites import places, reference_standard
from audit.pack._source import Source, clock, use_statement
from audit.pack._tool import history, privacy, run_log, tool_validation
from audit.pack._untested import not_tested
from audit.report.phrases import counts_sentence, heading, lead, plural


def baseline(source: Source) -> Document:
    """Return what the model is against the one before it."""
    return comparison_document(source.evidence, source.against)


_MAKERS = (
    execution_records, acceptance_criteria, baseline, history, cohort_flow, reference_standard, places, model_card,
    cohort_card, instructions_extract, residual_findings, not_tested, traceability, materials, tool_validation, run_log,
    privacy,
)  # fmt: skip
FILES = (
    ("run/report.html", "the report, with every figure"),
    ("run/evidence.json", "everything that was measured and judged"),
    ("run/predictions.parquet", "every output of the model by pseudonymous case and patient"),
    ("run/artifacts/", "the arrays behind the figures"),
    ("run/log.jsonl", "the log of the run"),
    ("policy.json", "the policy"),
    ("sbom.cdx.json", "the software bill of materials, CycloneDX"),
    ("crosswalk.json", "the crosswalk as data"),
    ("run-history.json", "the runs on this cohort"),
    ("inputs.json", "what people gave: tester, hazards, anomalies, lines of the ledger"),
    ("comparison.json", "every difference to the baseline"),
    ("baseline/", "evidence and predictions of the baseline"),
    ("pack.json", "what this pack is and what differs from the run"),
    ("SHA256SUMS", "the digest of every file"),
)  # fmt: skip


def document_ids() -> tuple[str, ...]:
    """Return the ids of the documents that every pack has, but for the crosswalk itself."""
    return (
        "execution-records", "acceptance-criteria", "comparison", "run-history", "cohort-flow", "reference-standard",
        "sites-and-independence", "model-card", "cohort-card", "instructions-extract", "residual-findings",
        "not-tested", "traceability", "bill-of-materials", "tool-validation", "log", "privacy", "signatures",
    )  # fmt: skip


def documents(source: Source) -> tuple[Document, ...]:
    """Return every document of a pack, the crosswalk and the page for signatures last."""
    made = tuple(make(source) for make in _MAKERS)
    signed = signatures(source, made)
    walk = crosswalk(source, (*made, signed))
    return (*made, walk, signed)


def signatures(source: Source, made: Sequence[Document]) -> Document:
    """Return the page that responsible persons sign and date."""
    e = source.judged
    facts: tuple[tuple[str, Cell], ...] = (
        ("outcome", (Mark(e.verdict.outcome), f" {e.verdict.label}" if e.verdict.waivers else "")),
        ("model", _model(source)),
        ("model digest", str(e.model.get("digest"))), ("cohort digest", str(e.cohort.get("digest"))),
        ("policy digest", e.policy.digest), ("evidence digest", str(e.run.get("evidence_digest"))),
        ("run", f"{clock(e.run.get('started'))} to {clock(e.run.get('finished'))}"),
    )  # fmt: skip
    blocks: list[Block] = [
        Text(text="The signature covers the files of this pack by their digests in SHA256SUMS, whose own digest the "
                  "signer writes below. A digital signature, where there is one, is in signature.dsse.json."),
        Facts(rows=facts),
        ToFill(labels=("sha256 of SHA256SUMS, from: sha256sum SHA256SUMS",)),
        Table(
            caption="Signatures", head=("role", "name and function", "date", "signature"),
            rows=tuple(
                row(role, name or " ", " ", " ") for role, name in (
                    ("Tested by", source.inputs.tester), ("Reviewed by", ""), ("Approved by", ""),
                    ("Quality assurance", ""),
                )
            ),
        ),
        Listing(items=(
            f"{plural(len(made) + 2, 'document')} and the files of the run belong to this signature",
            "The tool states what was measured and judged; what it means for a release is for those who sign",
        )),
    ]  # fmt: skip
    return Document(
        id="signatures", title="Signatures", purpose="To be dated and signed by the responsible persons.",
        blocks=tuple(blocks), source=("SHA256SUMS",),
    )  # fmt: skip


def _model(source: Source) -> str:
    m = source.evidence.model
    return f"{m.get('name') or 'unnamed model'} {m.get('version') or ''}".strip()


def cover(source: Source, made: Sequence[Document], *, pdf: bool = False) -> Document:
    """Return the first page: outcome, identity, contents, how to check it."""
    e = source.judged
    facts: tuple[tuple[str, Cell], ...] = (
        ("model", _model(source)), ("intended use", use_statement(e) or "not declared"),
        ("cohort", f"{e.cohort.get('name')}, {plural(int(e.cohort.get('n') or 0), 'case')} of "
                   f"{plural(int(e.cohort.get('n_patients') or 0), 'patient')}"),
        ("run", f"{clock(e.run.get('started'))}, imaging-audit {e.run.get('version')}"),
        ("policy", f"{e.policy.name or 'without a name'}; {source.prior.headline}"),
        ("baseline", _against(source)), ("history", source.history.headline),
        ("privacy", "restricted: not to be passed on freely" if source.shared.restricted else "suppressed throughout"),
        ("evidence digest", str(e.run.get("evidence_digest"))),
    )  # fmt: skip
    files = [f for f in FILES if f[0] in _beside(source)]
    blocks: list[Block] = [
        Text(text=lead(e)) if lead(e) else Text(text=counts_sentence(e)),
        *((Text(text=counts_sentence(e)),) if lead(e) else ()),
        *((Listing(items=(*e.verdict.reasons, *e.verdict.notes)),) if e.verdict.reasons or e.verdict.notes else ()),
        Facts(rows=facts),
        Table(
            caption="Documents", head=("", "document", "what it is for"),
            rows=tuple(
                row(str(i), (Link(d.title, f"documents/{d.id}.html"),), d.purpose) for i, d in enumerate(made, 1)
            ),
            numbers=(0,),
        ),
        Table(
            caption="Files", head=("file", "what it holds"),
            rows=tuple(row((Link(name, name),) if not name.endswith("/") else name, what) for name, what in files),
        ),
        *((Text(text="All documents in one file for print: documents.pdf."),) if pdf else ()),
        Text(tone="note", text=(
            "To check that no byte was changed: audit verify PACK.zip, with --key PUBLIC_KEY where the pack is signed. "
            "It needs nothing but the pack, makes numbers and documents again from what the pack holds, and "
            "names every file that was changed, added or taken away. Without the tool: sha256sum --check SHA256SUMS."
        )),
    ]  # fmt: skip
    return Document(id="index", title=heading(e), purpose=e.verdict.label, blocks=tuple(blocks), source=())


def _against(source: Source) -> str:
    if source.against is None:
        wanted = bool(source.evidence.policy.comparisons)
        return "none was given, though the policy has margins" if wanted else "none; the policy has no margin"
    c = source.against.comparison.baseline
    name = f"{c.get('name')} {c.get('version') or ''}".strip()
    return f"{name}, evidence {str(c.get('evidence_digest'))[:16]}; the run alone is {source.evidence.verdict.label}"


def _beside(source: Source) -> set[str]:
    absent = set() if "report.html" in source.shared.files else {"run/report.html"}
    if source.against is None:
        absent |= {"comparison.json", "baseline/"}
    return {f[0] for f in FILES} - absent
