"""From evidence to one HTML file that opens offline."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audit.core import STATUSES, Evidence, StoredArtifact
from audit.evidence import suppress, time_table
from audit.report._about import attribute_facts, cohort_facts, ledger_text, methods, model_facts, reproduction, short
from audit.report._facts import cases, first, ledger, patients, phantom, words_of
from audit.report._numbers import whole
from audit.report._probe_view import ArrayLoader, families
from audit.report._room import STEPS, Budget, Thrift
from audit.report._sentence import count_words, counts_sentence, heading, lead, notes
from audit.report._strip import strips, worst
from audit.report._untested import untested
from audit.report._words import GROUPS, capital, plural

if TYPE_CHECKING:
    import numpy as np
    from jinja2 import Environment
    from numpy.typing import NDArray

# Bytes of the page, below its limits of 400 KB and 2.5 MB.
_MOST_STATIC, _MOST = 395_000, 2_480_000
# Bytes of arrays that are worth keeping between two tries at a page.
_SMALL = 200_000


def render(evidence: Evidence, arrays: ArrayLoader, *, static: bool = False) -> str:
    """Return the report of an audit as one HTML file.

    Args:
        evidence: Everything that the audit found out.
        arrays: Returns the arrays of a stored artifact by column; called for the artifacts of `evidence` alone.
        static: True: pictures only, no Plotly, under 400 KB.

    Returns:
        The page: no request to anywhere, the same text with scripts off, equal bytes for equal evidence.
    """
    evidence, arrays = _shared(evidence), _once(arrays)
    page = ""
    for thrift, idle in STEPS:
        page = _page(evidence, arrays, static=static, thrift=thrift, idle=idle)
        if len(page.encode()) <= (_MOST_STATIC if static else _MOST):
            break
    return page


def _once(arrays: ArrayLoader) -> ArrayLoader:
    """Return a loader that reads small arrays once, however many tries a page takes to become small enough."""
    held: dict[str, Mapping[str, NDArray[np.generic]]] = {}

    def load(artifact: StoredArtifact) -> Mapping[str, NDArray[np.generic]]:
        if artifact.file in held:
            return held[artifact.file]
        found = arrays(artifact)
        if sum(array.nbytes for array in found.values()) <= _SMALL:
            held[artifact.file] = found
        return found

    return load


def _shared(evidence: Evidence) -> Evidence:
    """Return the evidence without small cells where the run asks for that, however it came here."""
    return suppress(evidence, int(evidence.run.get("min_cell") or 0))


def _page(evidence: Evidence, arrays: ArrayLoader, *, static: bool, thrift: Thrift, idle: Thrift) -> str:
    shown = strips(evidence)
    budget = Budget(thrift=thrift, idle=idle, interactive=not static)
    found = families(evidence, arrays, shown, budget)
    script = _template("report.js")
    plotly, packed = ("", "") if static else _plotly()
    return environment().get_template("report.html.j2").render(
        e=evidence, verdict=evidence.verdict, tone=_tone(evidence), heading=heading(evidence), lead=lead(evidence),
        notes=notes(evidence), counts=counts_sentence(evidence), count_words=count_words(evidence), strips=shown,
        top=worst(shown), top_title=_top_title(evidence), ledger=_ledger(evidence), remarks=_remarks(evidence),
        phantom=phantom(evidence),
        header=_header(evidence), model=model_facts(evidence), cohort=cohort_facts(evidence),
        attributes=attribute_facts(evidence), families=found, methods=methods(evidence), again=reproduction(evidence),
        spent=time_table(evidence.run), untested=untested(evidence, {p.code for f in found for p in f.probes}),
        filters=_filters(shown), whole=whole, css=_template("report.css"), script=script, packed=packed,
        specs="" if static else _packed(budget.specs), interactive=not static,
        policy_csp=_policy([script] if static else [script, plotly]),
        min_cell=int(evidence.run.get("min_cell") or 0),
        foreseen=[s for key in ("unattainable", "warnings") for s in words_of(evidence.run.get(key))],
    )  # fmt: skip


def fragment(evidence: Evidence) -> str:
    """Return verdict and rules as a piece of HTML for a notebook: no script, no style outside its own box."""
    evidence = _shared(evidence)
    shown = strips(evidence)
    return environment().get_template("fragment.html.j2").render(
        verdict=evidence.verdict, tone=_tone(evidence), heading=heading(evidence), lead=lead(evidence),
        phantom=phantom(evidence),
        counts=counts_sentence(evidence), strips=shown, ledger=_ledger(evidence), remarks=_remarks(evidence),
    )  # fmt: skip


def _tone(evidence: Evidence) -> str:
    return {"PASS": "pass", "FAIL": "fail", "INCONCLUSIVE": "open"}[evidence.verdict.outcome]


def _top_title(evidence: Evidence) -> str:
    if all(f.status == "PASS" for f in evidence.findings):
        return "Closest to their limit"
    if not any(f.status in ("FAIL", "INCONCLUSIVE") for f in evidence.findings):
        return "Not assessed, or closest to the limit"
    return "What weighs most"


def _ledger(evidence: Evidence) -> str:
    rows = ledger(evidence)
    return ledger_text(evidence) + "." if rows is not None and rows.aside else ""


def _remarks(evidence: Evidence) -> tuple[str, ...]:
    said = [capital(text) for text in words_of(evidence.cohort.get("remarks"))]
    if evidence.cohort.get("patient_declared") is False and not any("patient" in s for s in said):
        said.insert(0, "Patients are not declared: each case counts as a patient, so intervals may be too narrow.")
    return tuple(said)


def _header(evidence: Evidence) -> dict[str, str]:
    n, people = cases(evidence), patients(evidence)
    size = plural(n, "case") if n is not None else ""
    if people is not None and size:
        size += f" of {plural(people, 'patient')}"
    started = str(first(evidence.run, "started", "start", "time") or "")
    return {
        "model": str(evidence.model.get("name") or "unnamed model"),
        "version": str(evidence.model.get("version") or ""),
        "digest": short(evidence.model.get("digest")), "cohort": str(evidence.cohort.get("name") or ""), "size": size,
        "policy": evidence.policy.name, "proposed": "proposed, not set" if evidence.policy.source == "proposed" else "",
        "started": started[:16].replace("T", ", ") + (" UTC" if "T" in started else ""),
    }  # fmt: skip


def _filters(shown: tuple[Any, ...]) -> list[tuple[str, str, int]]:
    out = [("all", "All", len(shown))]
    for key, name, statuses in GROUPS:
        assert set(statuses) <= set(STATUSES)
        out.append((key, name, sum(1 for s in shown if s.group == key)))
    return out


def _packed(value: Mapping[str, Any]) -> str:
    """Return JSON as gzip in base 85 (RFC 1924): an eighth of its size, without a slash that could end its element."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return base64.b85encode(gzip.compress(text.encode(), 9, mtime=0)).decode()


def _policy(scripts: list[str]) -> str:
    hashes = (base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in scripts)
    sources = " ".join(f"'sha256-{h}'" for h in hashes)
    return f"default-src 'none'; style-src 'unsafe-inline'; img-src data: blob:; script-src {sources}"


@cache
def _plotly() -> tuple[str, str]:
    """Return Plotly's own script, and the same as gzip in base 85, a sixteenth shorter than in base 64."""
    from plotly.offline import get_plotlyjs

    text: str = get_plotlyjs()
    return text, base64.b85encode(gzip.compress(text.encode(), 9, mtime=0)).decode()


def _folder() -> Path:
    """Return the folder of the templates: inside the wheel, or at the top of the repository."""
    packed = Path(str(files("audit.report"))) / "templates"
    return packed if packed.is_dir() else Path(__file__).resolve().parents[2] / "reports" / "templates"


def _template(name: str) -> str:
    return (_folder() / name).read_text(encoding="utf-8")


@cache
def environment() -> Environment:
    """Return the templates: everything that is put into them is escaped, and a name that is not there is an error."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(_folder()),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
