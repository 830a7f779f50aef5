"""The tool's own validation, the log of the run, the history of runs, and privacy."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from audit.pack._blocks import Block, Cell, Document, Facts, Listing, Mark, Table, Text, ToFill, row
from audit.pack._source import Source, clock
from audit.report.phrases import listed, plural

_MOST_EVENTS = 400
# Fewer patients with the same attributes than this are easily told apart.
_FEW = 5


def tool_validation(source: Source) -> Document:
    """Return what the tool was shown to do on an installation, where a validation file was given."""
    v = source.validation
    blocks: list[Block] = []
    if v is None:
        blocks.append(Text(tone="warn", text=(
            "No validation file was given, so nothing here shows that this installation works as intended. Make one "
            "with 'audit doctor --validate'."
        )))  # fmt: skip
    else:
        blocks += _validated(source, v)
    blocks.append(
        ToFill(labels=("Intended use of this tool at the manufacturer", "Approval of this tool for that use"))
    )
    return Document(
        id="tool-validation", title="Validation of this tool",
        purpose="Shows what the tool was required to do and what it did, executed on an installation.",
        blocks=tuple(blocks), source=("validation.json",) if v else (),
    )  # fmt: skip


def _validated(source: Source, v: Mapping[str, Any]) -> list[Block]:
    checks = [c for c in v.get("checks") or () if isinstance(c, Mapping)]
    same = str(v.get("version")) == str(source.evidence.run.get("version"))
    held = sum(1 for c in checks if c.get("held") is True)
    env = v.get("environment") if isinstance(v.get("environment"), Mapping) else {}
    facts: tuple[tuple[str, Cell], ...] = (
        ("version", f"{v.get('version')}" + ("" if same else ", which is not that of this run")),
        ("date", clock(v.get("date"))), ("checks", f"{held} of {len(checks)} held"),
        ("environment", ", ".join(f"{k} {x}" for k, x in dict(env or {}).items()) or "not recorded"),
    )  # fmt: skip
    blocks: list[Block] = [Facts(rows=facts)]
    if not same or held != len(checks) or not checks:
        blocks.append(Text(tone="warn", text="This file does not show that the version of this run works as intended."))
    rows = tuple(
        row(str(c.get("requirement")), str(c.get("check")), str(c.get("expected")), str(c.get("got")),
            Mark("PASS") if c.get("held") is True else Mark("FAIL"))
        for c in checks
    )  # fmt: skip
    if rows:
        blocks.append(
            Table(
                caption="Requirements and checks, as executed",
                head=("requirement", "check", "expected", "got", "held"),
                rows=rows,
            )
        )
    return blocks


def run_log(source: Source) -> Document:
    """Return the log of the run as a table."""
    lines = source.shared.files["log.jsonl"].decode("utf-8", errors="replace").splitlines()
    events = [json.loads(line) for line in lines]
    rows = tuple(
        row(str(x.get("time", ""))[:19].replace("T", " "), str(x.get("event", "")), _detail(x)) for x in events
    )
    more = len(rows) - _MOST_EVENTS
    blocks: list[Block] = [Table(caption="Events, UTC", head=("time", "event", "detail"), rows=rows[:_MOST_EVENTS])]
    if more > 0:
        blocks.append(Text(text=f"{plural(more, 'further event')} in run/log.jsonl."))
    return Document(
        id="log", title="Log of the run", purpose="Shows what the run did, in order.", blocks=tuple(blocks),
        source=("run/log.jsonl",),
    )  # fmt: skip


def _detail(event: Mapping[str, Any]) -> str:
    parts = []
    for key, value in event.items():
        if key in ("time", "event"):
            continue
        text = f"{len(value)} {key}" if isinstance(value, list) and len(value) > 6 else f"{key} {_short(value)}"
        parts.append(text)
    return "; ".join(parts) or "nothing more"


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 300 else text[:299] + "…"


def history(source: Source) -> Document:
    """Return every run on this cohort that the ledger has."""
    h = source.history
    blocks: list[Block] = [Text(text=f"{h.headline[:1].upper()}{h.headline[1:]}.", tone="" if h.runs else "warn")]
    if h.runs:
        rows = tuple(
            row(clock(r.time), (Mark(r.outcome) if r.outcome in ("PASS", "FAIL", "INCONCLUSIVE") else r.outcome),
                "this run" if r.this else (listed(list(r.deviations)) or "none"), r.facts)
            for r in h.runs
        )  # fmt: skip
        blocks.append(
            Table(
                caption="Runs on this cohort, by the ledger",
                head=("began", "outcome", "deviation from the run of this pack", "what was run"),
                rows=rows,
            )
        )
    blocks.append(Listing(items=h.doubts))
    blocks.append(
        ToFill(labels=("Why the cohort was audited more than once, where it was", "Deviations from the plan"))
    )
    return Document(
        id="run-history", title="History of runs on this cohort",
        purpose="Shows how often this cohort was used, and with which outcomes: repeating until it passes shows.",
        blocks=tuple(blocks), source=("run-history.json",),
    )  # fmt: skip


def privacy(source: Source) -> Document:
    """Return how identifiable the patients are in this pack."""
    s, a = source.shared, source.shared.anonymity
    least = f"cells of fewer than {s.least} patients are left out" if s.least else "small cells are in the pack"
    facts: tuple[tuple[str, Cell], ...] = (
        ("state", "restricted: not to be passed on freely" if s.restricted else "suppressed throughout"),
        ("small cells", least), ("patients", f"{a.patients:,}, named by keyed hashes; the key is not in the pack"),
        ("attributes in the predictions", ", ".join(a.columns) or "none"),
        ("fewest patients with the same attributes (k)", "no attribute" if a.k is None else str(a.k)),
        ("combinations of attributes", f"{a.combinations:,}"),
        *((f"patients in combinations of fewer than {limit}", f"{n:,}") for limit, n in sorted(a.few.items())),
        ("dates", "none of examinations; those of the run stay"), ("images", _images(source)),
    )  # fmt: skip
    blocks: list[Block] = [Facts(rows=facts)]
    if a.k is not None and a.k < _FEW:
        alone = f"At least one combination of attributes is that of {plural(a.k, 'patient')} alone."
        blocks.append(Text(tone="warn", text=alone))
    if s.restricted:
        blocks += [Text(tone="warn", text="This pack is restricted:"), Listing(items=s.restricted)]
    if a.dropped:
        blocks.append(
            Table(caption="Columns of the predictions that are not in the pack", head=("column", "why"),
                  rows=tuple(row(k, v) for k, v in a.dropped.items()))
        )  # fmt: skip
    for caption, files in (("Files that differ from the run's", s.derived), ("Files that are left out", s.left_out)):
        if files:
            blocks.append(
                Table(caption=caption, head=("file", "why", "sha256 in the run"),
                      rows=tuple(row(f"run/{_end(f.path)}", f.why, f.sha256_in_run[:16]) for f in files))
            )  # fmt: skip
    blocks.append(Text(tone="note", text=(
        "A pack is pseudonymised personal data, not anonymous data: whoever has the key, or knows a patient's "
        "attributes and outputs, may find the patient. k counts patients in the predictions, not in the population."
    )))  # fmt: skip
    return Document(
        id="privacy", title="Privacy of this pack",
        purpose="Shows what was taken out, and how many patients share what is left.", blocks=tuple(blocks),
        source=("pack.json", "run/predictions.parquet"),
    )  # fmt: skip


def _end(path: str) -> str:
    """Return a path with the digest in it cut to its first sixteen characters."""
    folder, _, name = path.rpartition("/")
    return f"{folder}/{name[:16]}…" if folder == "artifacts" else path


def _images(source: Source) -> str:
    held = any(x.pixels for r in source.evidence.results for x in r.artifacts)
    if not held:
        return "none"
    return "of a phantom" if source.evidence.cohort.get("phantom") else "of cases, as the configuration asked by name"
