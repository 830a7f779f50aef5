"""What a pack claims of itself that counts most, held against the rest of it, whatever version wrote the words."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from html import unescape
from typing import Any

from audit.pack._against import BASELINE, COMPARED, comparison_values
from audit.pack._inputs import INPUTS
from audit.pack._prior import DEMONSTRATED
from audit.pack._read import MANIFEST, RUN, Pack, read_json
from audit.pack._source import Source

_INDEX, _HISTORY = "index.html", "run-history.json"
# From the best to the worst; of another version a worse word than ours is no fault, a better one is.
_OUTCOMES = ("PASS", "INCONCLUSIVE", "FAIL")
_PAGES = (".html", ".htm", ".xhtml", ".svg", ".xml")
_VERDICT = re.compile(r'<p class="verdict"><span class="mark ([A-Z_]+)">([^<]*)')
_RECORD = re.compile(r'<section class="record"[^>]*><h2>([^<]*) <span class="mark ([A-Z_]+)">([^<]*)')
_HIDDEN = re.compile(
    r"<(script|iframe|object|embed|link|form|base)\b|[\s/\"']on[a-z]+\s*=|javascript:|http-equiv\s*=\s*\"?refresh",
    re.IGNORECASE,
)


def claim_faults(pack: Pack, source: Source) -> Iterator[str]:
    """Yield where a pack says better of itself than what it holds shows.

    Words differ between versions. Whether the policy was there before, what the outcome is, how often the cohort was
    audited and whether the pack may be passed on do not.

    Args:
        pack: The pack.
        source: What its documents are made from.
    """
    manifest = pack.manifest
    if manifest.get("made_with") != source.inputs.made_with:
        yield f"{MANIFEST}: names another version of the program than {INPUTS}"
    if _demonstrated(manifest) and not source.prior.demonstrated:
        yield f"{MANIFEST}: states prior definition as demonstrated, what was given does not show it"
    if source.shared.restricted and not manifest.get("restricted"):
        yield f"{MANIFEST}: leaves out that the pack is restricted"
    yield from _compared(pack, source)
    yield from _history(pack, source)
    for name in sorted(n for n in pack.files if not n.startswith((RUN, BASELINE))):
        if name == _INDEX or name.startswith("documents/") or name.lower().endswith(_PAGES):
            yield from _page(name, pack.files[name].decode("utf-8", errors="replace"), source)


def _demonstrated(manifest: Mapping[str, Any]) -> bool:
    prior = manifest.get("prior_definition") or {"demonstrated": False}
    return not isinstance(prior, Mapping) or prior.get("demonstrated") is not False or _claims(str(prior))


def _claims(text: str) -> bool:
    return DEMONSTRATED in " ".join(text.split())


def _compared(pack: Pack, source: Source) -> Iterator[str]:
    """Yield where the comparison with a baseline is another than evidence and predictions of both runs give."""
    against, manifest = source.against, pack.manifest
    outcome = None if against is None else against.judged.verdict.outcome
    digest = None if against is None else str(against.comparison.baseline["evidence_digest"])
    if manifest.get("outcome_with_baseline") != outcome:
        yield f"{MANIFEST}: names another outcome with the baseline than both runs give"
    if manifest.get("baseline_evidence_digest") != digest:
        yield f"{MANIFEST}: names another baseline than the pack holds"
    if against is None or COMPARED not in pack.files:
        return
    ours, theirs = json.loads(comparison_values(against)), read_json(pack.files[COMPARED])
    for key in ("verdict", "verdict_of_margins"):
        mine, said = ours.get(key) or {}, theirs.get(key) or {}
        if mine.get("outcome") != said.get("outcome"):
            yield f"{COMPARED}: states another outcome of the {key.replace('_', ' ')} than both runs give"
    if [(f["rule"], f["status"]) for f in ours["findings"]] != [(f["rule"], f["status"]) for f in theirs["findings"]]:
        yield f"{COMPARED}: states other margins, or margins that hold otherwise, than both runs give"


def _history(pack: Pack, source: Source) -> Iterator[str]:
    if _HISTORY not in pack.files:
        return
    said = read_json(pack.files[_HISTORY])
    if said.get("outcomes") != dict(source.history.outcomes) or len(said.get("runs") or ()) != len(source.history.runs):
        yield f"{_HISTORY}: counts other runs than the lines of the ledger in {INPUTS}"


def _page(name: str, page: str, source: Source) -> Iterator[str]:
    """Yield what a page claims that is known to be otherwise; what it says beyond that is not looked at."""
    text = " ".join(unescape(re.sub(r"<[^>]*>", " ", page)).split())
    if _HIDDEN.search(page):
        yield f"{name}: holds what no document of a pack holds: a script, a frame, a form or a file from elsewhere"
    if _claims(text) and not source.prior.demonstrated:
        yield f"{name}: states prior definition as demonstrated, what was given does not show it"
    verdict = source.judged.verdict
    if name == _INDEX and len(_VERDICT.findall(page)) != 1:
        yield f"{name}: states no verdict, or several, where a first page has its one"
    for mark, word in _VERDICT.findall(page):
        if mark != verdict.outcome or not unescape(word).startswith(verdict.outcome):
            yield f"{name}: states {mark} {unescape(word)}, the pack holds {verdict.label}"
    statuses = {f.rule: f.status for f in source.judged.findings}
    for rule, mark, word in _RECORD.findall(page):
        status = statuses.get(unescape(rule))
        if status is not None and (mark != status or unescape(word) != status.replace("_", " ")):
            yield f"{name}: states {mark} of '{unescape(rule)}', the pack holds {status}"
