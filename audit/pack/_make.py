"""A finished run to a pack: one zip with everything in it, and nothing of the clock of whoever makes it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from audit.core import plain
from audit.errors import EvidenceError, InputError
from audit.evidence import Ledger, card_of, policy_to_plain, read_predictions, read_run
from audit.pack._bill import bill_of_materials
from audit.pack._crosswalk import crosswalk_values
from audit.pack._documents import cover, documents
from audit.pack._lists import Anomaly, Hazard
from audit.pack._pages import one_page, page
from audit.pack._pdf import find_browser, print_pdf
from audit.pack._prior import Given, prior_definition
from audit.pack._read import ENVELOPE, MANIFEST, RUN, SUMS, make_sums
from audit.pack._runs import run_history
from audit.pack._share import PREDICTIONS, Left, share_run
from audit.pack._sign import sign_files
from audit.pack._source import Source
from audit.pack._zip import write_zip
from audit.standards import load_standards

KIND, SCHEMA_VERSION = "imaging-audit pack", 1


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
    if not (folder / PREDICTIONS).is_file():
        raise EvidenceError(
            "the run has no predictions", expected=PREDICTIONS, got="no such file", fix="run the audit again"
        )
    shared = share_run(folder, evidence, options.min_cell)
    source = Source(
        shared=shared, stored=read_predictions(shared.files[PREDICTIONS]), card=card_of(shared.evidence.model),
        prior=prior_definition(evidence, options.given), history=run_history(shared.evidence, options.ledger),
        validation=options.validation, hazards=options.hazards, anomalies=options.anomalies,
        tester=options.tester, standards=standards,
    )  # fmt: skip
    files = _files(source, options)
    files[SUMS] = make_sums(files)
    if options.key is not None:
        files[ENVELOPE] = sign_files(files, options.key, _about(source))
    return write_zip(files)


def _files(source: Source, options: PackOptions) -> dict[str, bytes]:
    made = documents(source)
    files = {f"{RUN}{name}": data for name, data in source.shared.files.items()}
    files |= {f"documents/{d.id}.html": page(source, d, i, len(made)) for i, d in enumerate(made, 1)}
    first = cover(source, made, pdf=options.pdf)
    files["index.html"] = page(source, first, 0, len(made))
    if options.pdf:
        files["documents.pdf"] = print_pdf(one_page(source, first, made), str(source.evidence.run.get("finished")))
    files["policy.json"] = _json(policy_to_plain(source.evidence.policy))
    files["sbom.cdx.json"] = bill_of_materials(source)
    files["crosswalk.json"] = _json(crosswalk_values(source))
    files["run-history.json"] = _json(plain(source.history))
    if source.validation is not None:
        files["validation.json"] = _json(source.validation)
    if options.hazards is not None:
        files["hazards.json"] = _json(plain(options.hazards))
    files |= {f"given/{name}": data for name, data in _given(options.given).items()}
    files[MANIFEST] = _json({
        "kind": KIND, "schema_version": SCHEMA_VERSION, **_about(source),
        "restricted": bool(source.shared.restricted), "why_restricted": list(source.shared.restricted),
        "min_cell": source.shared.least, "derived": _left(source.shared.derived),
        "left_out": _left(source.shared.left_out), "prior_definition": plain(source.prior),
        "documents": [{"id": d.id, "title": d.title, "path": f"documents/{d.id}.html"} for d in made],
        "standards": [s.name for s in source.standards],
    })  # fmt: skip
    return files


def _about(source: Source) -> dict[str, Any]:
    e = source.evidence
    return {
        "version": str(e.run.get("version")), "outcome": e.verdict.outcome,
        "evidence_digest": str(e.run.get("evidence_digest")), "model_digest": str(e.model.get("digest")),
        "cohort_digest": str(e.cohort.get("digest")), "policy_digest": e.policy.digest,
    }  # fmt: skip


def _given(given: Given) -> dict[str, bytes]:
    named = {"time-stamp.tsr": given.stamp, "time-stamp-roots.pem": given.roots, "commit.txt": given.commit,
             "policy.toml": given.policy_file}  # fmt: skip
    return {name: data for name, data in named.items() if data is not None}


def _left(files: tuple[Left, ...]) -> list[dict[str, str]]:
    return [{"path": f.path, "sha256_in_run": f.sha256_in_run, "why": f.why} for f in files]


def _json(values: Any) -> bytes:
    return (json.dumps(values, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n").encode()


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
