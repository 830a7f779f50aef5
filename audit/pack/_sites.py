"""The reference standard, where the cases come from, and how independent they are of the model's development."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from audit.pack._blocks import Block, Cell, Document, Facts, Listing, Table, Text, ToFill, row
from audit.pack._records import judged_numbers
from audit.pack._source import Source
from audit.report.phrases import listed, mapping_of, plural, whole

_PLACE = re.compile(
    r"site|hospital|cent(?:er|re)|clinic|manufacturer|vendor|scanner|device|model|protocol|sequence|field|kvp|period|"
    r"year|quarter|month|country|region", re.IGNORECASE,
)  # fmt: skip
_MOST_ROWS = 200


def reference_standard(source: Source) -> Document:
    """Return how the targets were established, and what was found out about them."""
    c, stored = source.evidence.cohort, source.stored.clean
    unverified = mapping_of(c.get("unverified"))
    facts: tuple[tuple[str, Cell], ...] = (
        ("established by", str(c.get("reference_method") or "not declared")),
        ("sampling", str(c.get("design") or "not declared")),
        ("cases with a reference standard", f"{int(c.get('n') or 0):,}"),
        ("cases without one, not analysed", _size(unverified) if unverified else "none declared"),
        ("readers in the cohort", "; ".join(f"{r.get('name')}: {_size(r)}" for r in c.get("raters") or ()) or "none"),
        ("rater of the training data", str(source.evidence.model.get("training_rater") or "not declared")),
    )
    blocks: list[Block] = [Facts(rows=facts)]
    if c.get("targets"):
        blocks.append(
            Table(
                caption="Reference standard by class", head=("class", "cases", "patients"), numbers=(1, 2),
                rows=tuple(row(str(t.get("class")), whole(int(t.get("n") or 0)), whole(int(t.get("n_patients") or 0)))
                           for t in c["targets"]),
            )
        )  # fmt: skip
    if stored.reference is not None:
        methods: dict[str, set[str]] = {}
        for method, patient in zip(stored.reference.tolist(), stored.patient.tolist(), strict=True):
            methods.setdefault(str(method) or "not stated", set()).add(str(patient))
        # One small way alone could be told by subtraction, so that none is.
        few = any(len(p) < source.shared.least for p in methods.values())
        shown = {} if few else methods
        blocks.append(
            Table(
                caption="Patients by the way in which the reference standard was established",
                head=("established by", "patients"), numbers=(1,),
                rows=tuple(row(k, whole(len(v))) for k, v in sorted(shown.items())),
            )
        )  # fmt: skip
    blocks += judged_numbers(
        source, ("PERF003", "DATA005", "DATA010", "DATA011"), "Not measured of the reference standard"
    )
    blocks.append(
        ToFill(labels=(
            "Who established it, with which training and experience",
            "Blinded to the model's answers, and to what else",
            "How differences between readers were resolved",
            "Why it is the best standard there is for the intended use",
        ))
    )  # fmt: skip
    return Document(
        id="reference-standard", title="Reference standard",
        purpose="Shows how the target of every case was established and how much it can be trusted.",
        blocks=tuple(blocks), source=("run/evidence.json", "run/predictions.parquet"),
    )  # fmt: skip


def _size(counts: Mapping[str, Any]) -> str:
    if counts.get("n") is None:
        return "too few to be shared"
    return f"{plural(int(counts['n']), 'case')} of {plural(int(counts.get('n_patients') or 0), 'patient')}"


def places(source: Source) -> Document:
    """Return where and when the cases were acquired, and what ties them to development data."""
    c = source.evidence.cohort
    columns = _place_columns(source)
    blocks: list[Block] = [Facts(rows=(
        ("provenance", str(c.get("provenance") or "not declared")),
        ("attributes of place, device, protocol and time", listed(list(columns)) if columns else "none declared"),
    ))]  # fmt: skip
    if columns:
        blocks.append(_crossed(source, columns))
    else:
        blocks.append(Text(tone="warn", text=(
            "No attribute says at which site, on which device, by which protocol or when a case was acquired, so this "
            "audit shows nothing on how its cases represent them."
        )))  # fmt: skip
    blocks += _independence(source)
    return Document(
        id="sites-and-independence", title="Sites, devices, protocols and periods; independence",
        purpose="Shows where the cases come from and whether the model can have seen them or their patients before.",
        blocks=tuple(blocks), source=("run/evidence.json", "run/predictions.parquet"),
    )  # fmt: skip


def _place_columns(source: Source) -> tuple[str, ...]:
    stored = source.stored.clean
    return tuple(
        str(a["name"]) for a in source.evidence.cohort.get("attributes") or ()
        if str(a["name"]) in stored.levels and ("protocol" in (a.get("roles") or ()) or _PLACE.search(str(a["name"])))
    )  # fmt: skip


def _crossed(source: Source, columns: tuple[str, ...]) -> Block:
    stored = source.stored.clean
    cells: dict[tuple[str, ...], tuple[int, set[str]]] = {}
    for i in range(len(stored)):
        key = tuple(str(stored.levels[c][i]) for c in columns)
        n, who = cells.get(key, (0, set()))
        who.add(str(stored.patient[i]))
        cells[key] = (n + 1, who)
    rows = [row(*key, whole(n), whole(len(who))) for key, (n, who) in sorted(cells.items())]
    more = (
        f"; {len(rows) - _MOST_ROWS} further combinations are in run/predictions.parquet"
        if len(rows) > _MOST_ROWS
        else ""
    )
    return Table(
        caption=f"Cases by {listed(list(columns))}{more}", head=(*columns, "cases", "patients"),
        rows=tuple(rows[:_MOST_ROWS]), numbers=(len(columns), len(columns) + 1),
    )  # fmt: skip


def _independence(source: Source) -> list[Block]:
    c, m = source.evidence.cohort, source.evidence.model
    others = c.get("other_splits") or ()
    training = mapping_of(source.evidence.run.get("training"))
    facts: tuple[tuple[str, Cell], ...] = (
        ("development data compared", "; ".join(f"{o.get('name')}: {_size(o)}" for o in others) or "none given"),
        ("operating point", f"{m.get('operating_point_source') or 'source not declared'}; chosen on "
                            f"{m.get('operating_point_chosen_on') or 'data that is not declared'}"),
        ("training recipe", str(training.get("recipe") or "none declared")),
    )  # fmt: skip
    found: list[Block] = [Facts(title="Independence from development data", rows=facts)]
    if not others:
        found.append(
            Text(
                tone="warn",
                text="Independence from development data is not shown: no training data was given to compare with.",
            )
        )
    found += judged_numbers(source, ("DATA001", "DATA002"), "Not checked")
    found.append(
        Listing(items=("That the cases were collected and kept apart from development is for the author to state.",))
    )
    found.append(
        ToFill(labels=("How the cases were kept apart from development", "Sites and periods of the development data"))
    )
    return found
