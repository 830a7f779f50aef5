"""The chain from hazard to result, whose first link is the manufacturer's own list."""

from __future__ import annotations

from audit.pack._blocks import Block, Cell, Document, Link, Listing, Mark, Table, Text, ToFill, row
from audit.pack._lists import Hazard
from audit.pack._source import Source
from audit.report.phrases import limit_text, metric_name, plural


def traceability(source: Source) -> Document:
    """Return hazard, control, rule, probe and result, with every broken link named."""
    hazards = source.inputs.hazards
    blocks: list[Block] = []
    if hazards is None:
        blocks.append(Text(tone="warn", text=(
            "No hazard list was given, so the chain begins at the rule. Hazards are the manufacturer's: this tool "
            "invents none. Give the list with --hazards."
        )))  # fmt: skip
    else:
        blocks += _gaps(source, hazards)
        rows = tuple(line for h in hazards for line in _lines(source, h))
        blocks.append(
            Table(
                caption="From hazard to result",
                head=("hazard", "situation and harm", "severity", "control", "rule", "probe", "result"), rows=rows,
            )
        )  # fmt: skip
    blocks.append(_rules(source))
    blocks.append(ToFill(labels=("Hazards that no test of a model can verify, and where they are handled",), lines=2))
    return Document(
        id="traceability", title="Traceability",
        purpose="Ties the manufacturer's hazards to rules, rules to probes, and probes to results.",
        blocks=tuple(blocks), source=("run/evidence.json",),
    )  # fmt: skip


def _lines(source: Source, h: Hazard) -> list[tuple[Cell, ...]]:
    head = (f"{h.id}: {h.hazard}", "; ".join(x for x in (h.situation, h.harm) if x) or "not stated",
            h.severity or "to be added", h.control or "to be added")  # fmt: skip
    if not h.rules:
        return [row(*head, "none: no test verifies it", "none", "not verified")]
    out = []
    for name in h.rules:
        finding = source.finding(name)
        if finding is None:
            margin = any(c.id == name for c in source.evidence.policy.comparisons)
            why = "no baseline was given" if margin else "no such rule in this policy"
            out.append(row(*head, f"{name}: {why}", "none", "not verified"))
            continue
        out.append(
            row(*head, (Link(name, source.record(name)),), finding.probe,
                (Mark(finding.status), " waived" if finding.waiver else ""))
        )  # fmt: skip
    return out


def _gaps(source: Source, hazards: tuple[Hazard, ...]) -> list[Block]:
    policy = source.evidence.policy
    rules = {r.id for r in policy.rules} | {c.id for c in policy.comparisons}
    without = [h.id for h in hazards if not set(h.rules) & rules]
    unknown = sorted({r for h in hazards for r in h.rules} - rules)
    unused = sorted(rules - {r for h in hazards for r in h.rules})
    said = []
    if without:
        said.append(f"{plural(len(without), 'hazard')} without a rule of this policy: {', '.join(without)}")
    if unknown:
        said.append(f"{plural(len(unknown), 'rule')} named for a hazard and not in this policy: {', '.join(unknown)}")
    if unused:
        said.append(f"{plural(len(unused), 'rule')} that no hazard names: {', '.join(unused)}")
    if not said:
        return [Text(text="Every hazard has a rule of this policy, and every rule a hazard.")]
    return [Text(tone="warn", text="The chain is broken at these links:"), Listing(items=tuple(said))]


def _rules(source: Source) -> Table:
    policy = source.evidence.policy
    asked = [(r.id, f"{metric_name(r.metric, r.probe)} {limit_text(r.limit)}", r.probe) for r in policy.rules]
    asked += [
        (c.id, f"{metric_name(c.metric)} worse than a baseline by at most {c.margin:g}", "paired comparison")
        for c in policy.comparisons
    ]
    rows = []
    for name, requirement, by in asked:
        finding = source.finding(name)
        hazards = ", ".join(h.id for h in source.inputs.hazards or () if name in h.rules)
        shown = (Link(name, source.record(name)),) if finding else name
        result = Mark(finding.status) if finding else "not verified: no baseline was given"
        rows.append(row(shown, hazards or "none named", requirement, by, result))
    return Table(
        caption="From rule back to hazard", head=("rule", "hazards", "requirement", "probe", "result"), rows=tuple(rows)
    )
