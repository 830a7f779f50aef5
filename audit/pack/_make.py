"""A finished run to a pack: one zip with everything in it, and nothing of the clock of whoever makes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from audit.core import Evidence
from audit.errors import EvidenceError, InputError
from audit.evidence import Ledger, card_of, policy_to_plain, read_predictions, read_run
from audit.pack._against import BASELINE, COMPARED, comparison_values, held_against, share_baseline
from audit.pack._bill import bill_of_materials
from audit.pack._crosswalk import crosswalk_values
from audit.pack._documents import cover, documents
from audit.pack._inputs import INPUTS, Inputs, ledger_on, licences_of, write_inputs
from audit.pack._lists import Anomaly, Hazard
from audit.pack._pages import one_page, page
from audit.pack._pdf import find_browser, print_pdf
from audit.pack._prior import Given, given_files, prior_definition
from audit.pack._read import ENVELOPE, MANIFEST, PDF, RUN, SUMS, VALIDATION, make_sums
from audit.pack._runs import run_history
from audit.pack._share import PREDICTIONS, Left, share_run
from audit.pack._sign import sign_files
from audit.pack._source import Source
from audit.pack._stored import json_bytes
from audit.pack._zip import write_zip
from audit.standards import Standard, load_standards

KIND, SCHEMA_VERSION = "imaging-audit pack", 2


@dataclass(frozen=True, kw_only=True)
class PackOptions:
    """How a pack is made.

    Args:
        standards: Names of the texts in the crosswalk; empty: all.
        key: Ed25519 private key (PEM or OpenSSH) that signs; None: not signed.
        pdf: Whether all documents are printed to one PDF, too.
        given: What shows that the policy was there before the run.
        hazards: The manufacturer's hazards; None: no list.
        anomalies: Known faults of software of others; None: no list.
        validation: Content of the tool's validation file; None: none given.
        ledger: The ledger of runs; None: none found.
        tester: Who ran the tests.
        min_cell: Fewest patients of a cell that is shared; 0: as the run asked.
        baseline: Folder of the run that this one is held against by the policy's margins; None: none.
    """

    standards: tuple[str, ...] = ()
    key: bytes | None = None
    pdf: bool = False
    given: Given = field(default_factory=Given)
    hazards: tuple[Hazard, ...] | None = None
    anomalies: tuple[Anomaly, ...] | None = None
    validation: Mapping[str, Any] | None = None
    ledger: Ledger | None = None
    tester: str = ""
    min_cell: int = 0
    baseline: Path | None = None


def make_pack(folder: Path, options: PackOptions) -> bytes:
    """Return the pack of a run as the bytes of a zip; nothing in the run's folder is changed.

    Args:
        folder: The run's folder.
        options: How.

    Returns:
        Equal bytes for an equal run and equal options, but for the PDF of another browser.

    Raises:
        EvidenceError: The run is unfinished, changed, or from another version.
        InputError: A file that was given cannot be used, or no browser prints.
        MissingExtraError: A signature or a time stamp needs the extra 'sign'.
    """
    standards = load_standards(options.standards)
    if options.pdf:
        # First, since a browser that is not there must not cost the making of a pack.
        find_browser()
    evidence = read_run(folder)
    _check_predictions(folder)
    source = _source(folder, evidence, options, standards)
    files = pack_files(source, options.given, pdf=options.pdf)
    if options.pdf:
        made = documents(source)
        whole = one_page(source, cover(source, made, pdf=True), made)
        files[PDF] = print_pdf(whole, str(source.evidence.run.get("finished")))
    files[SUMS] = make_sums(files)
    if options.key is not None:
        files[ENVELOPE] = sign_files(files, options.key, _about(source))
    return write_zip(files)


def _source(folder: Path, evidence: Evidence, options: PackOptions, standards: tuple[Standard, ...]) -> Source:
    other = None if options.baseline is None else _baseline(options.baseline, folder)
    least = max(options.min_cell, *(int(e.run.get("min_cell") or 0) for e in (evidence, other or evidence)))
    shared = share_run(folder, evidence, least)
    stored = read_predictions(shared.files[PREDICTIONS])
    against = None
    if other is not None and options.baseline is not None:
        theirs = share_baseline(options.baseline, other, shared.least)
        against = held_against(shared.evidence, stored, theirs, shared.least)
    inputs = Inputs(
        tester=options.tester, hazards=options.hazards, anomalies=options.anomalies, dropped=shared.dropped,
        ledger=ledger_on(shared.evidence, options.ledger), licences=licences_of(shared.evidence),
    )  # fmt: skip
    return Source(
        shared=shared, stored=stored, card=card_of(shared.evidence.model), inputs=inputs, against=against,
        prior=prior_definition(
            shared.evidence, options.given, log=shared.files.get("log.jsonl"), ledger=inputs.ledger
        ),
        history=run_history(shared.evidence, inputs.ledger),
        validation=options.validation, standards=standards,
    )  # fmt: skip


def _baseline(folder: Path, run: Path) -> Evidence:
    if folder.resolve() == run.resolve():
        raise InputError(
            "a run cannot be its own baseline", expected="the run of another model", got=str(folder),
            fix="name the run of the model that this one is to replace",
        )  # fmt: skip
    evidence = read_run(folder)
    _check_predictions(folder)
    return evidence


def _check_predictions(folder: Path) -> None:
    if not (folder / PREDICTIONS).is_file():
        raise EvidenceError(
            "the run has no predictions", expected=PREDICTIONS, got=f"no such file in {folder.name}",
            fix="run the audit again",
        )  # fmt: skip


def pack_files(source: Source, given: Given, *, pdf: bool) -> dict[str, bytes]:
    """Return every file of a pack but the PDF, the list of digests and the signature: the same of the same source.

    Args:
        source: What the pack is made from.
        given: What shows that the policy was there before the run.
        pdf: Whether the pack has a PDF, which the first page then names.
    """
    made = documents(source)
    files = {f"{RUN}{name}": data for name, data in source.shared.files.items()}
    files |= {f"documents/{d.id}.html": page(source, d, i, len(made)) for i, d in enumerate(made, 1)}
    files["index.html"] = page(source, cover(source, made, pdf=pdf), 0, len(made))
    files["policy.json"] = json_bytes(policy_to_plain(source.evidence.policy))
    files["sbom.cdx.json"] = bill_of_materials(source)
    files["crosswalk.json"] = json_bytes(crosswalk_values(source))
    files["run-history.json"] = json_bytes(source.history)
    files[INPUTS] = write_inputs(source.inputs)
    if source.validation is not None:
        files[VALIDATION] = json_bytes(source.validation)
    derived: tuple[Left, ...] = ()
    if source.against is not None:
        derived = source.against.baseline.derived
        files |= {f"{BASELINE}{name}": data for name, data in source.against.baseline.files.items()}
        files[COMPARED] = comparison_values(source.against)
    files |= given_files(given)
    files[MANIFEST] = json_bytes({
        "kind": KIND, "schema_version": SCHEMA_VERSION, **_about(source), "made_with": source.inputs.made_with,
        "restricted": bool(source.shared.restricted), "why_restricted": list(source.shared.restricted),
        "min_cell": source.shared.least, "derived": source.shared.derived,
        "left_out": source.shared.left_out, "baseline_derived": derived, "prior_definition": source.prior,
        "documents": [{"id": d.id, "title": d.title, "path": f"documents/{d.id}.html"} for d in made],
        "standards": [s.name for s in source.standards],
    })  # fmt: skip
    return files


def _about(source: Source) -> dict[str, Any]:
    e = source.evidence
    against = source.against
    return {
        "version": str(e.run.get("version")), "outcome": e.verdict.outcome,
        "outcome_with_baseline": None if against is None else against.judged.verdict.outcome,
        "baseline_evidence_digest": None if against is None else str(against.comparison.baseline["evidence_digest"]),
        "evidence_digest": str(e.run.get("evidence_digest")), "model_digest": str(e.model.get("digest")),
        "cohort_digest": str(e.cohort.get("digest")), "policy_digest": e.policy.digest,
    }  # fmt: skip


def check_out(target: Path, folder: Path, *, overwrite: bool) -> None:
    """Check that a pack may be written to a file.

    Raises:
        InputError: It lies in the run's folder, is a folder, is there already, or has no folder.
    """
    if target.resolve().is_relative_to(folder.resolve()):
        raise InputError(
            "a finished run is never changed", expected="a file outside of the run's folder", got=str(target),
            fix=f"--out {folder.resolve().name}.zip",
        )  # fmt: skip
    if target.is_dir() or not target.resolve().parent.is_dir():
        raise InputError(
            f"{target}: cannot be written", expected="a file in a folder that is there",
            got="a folder" if target.is_dir() else "no such folder", fix="name another file",
        )  # fmt: skip
    if target.exists() and not overwrite:
        raise InputError(
            f"{target} is there already", expected="a new file", got="a file", fix="name another, or add --overwrite"
        )
