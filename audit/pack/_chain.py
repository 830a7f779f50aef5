"""The chain from hazard to result, whose first link is the manufacturer's own list."""

from __future__ import annotations

from audit.pack._blocks import Block, Cell, Document, Link, Listing, Mark, Table, Text, ToFill, row
from audit.pack._lists import Hazard
from audit.pack._source import Source
from audit.report.phrases import limit_text, metric_name, plural


def traceability(source: Source) -> Document:
    """Return hazard, control, rule, probe and result, with every broken link named."""
    hazards = source.hazards
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
            out.append(row(*head, f"{name}: no such rule in this policy", "none", "not verified"))
            continue
        out.append(
            row(*head, (Link(name, f"execution-records.html#rule-{name}"),), finding.probe,
                (Mark(finding.status), " waived" if finding.waiver else ""))
        )  # fmt: skip
    return out


def _gaps(source: Source, hazards: tuple[Hazard, ...]) -> list[Block]:
    rules = {r.id for r in source.evidence.policy.rules}
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
    e = source.evidence
    named = {r: [h.id for h in source.hazards or () if r in h.rules] for r in (x.id for x in e.policy.rules)}
    rows = []
    for rule in e.policy.rules:
        finding = source.finding(rule.id)
        rows.append(
            row((Link(rule.id, f"execution-records.html#rule-{rule.id}"),), ", ".join(named[rule.id]) or "none named",
                f"{metric_name(rule.metric, rule.probe)} {limit_text(rule.limit)}", rule.probe,
                Mark(finding.status) if finding else "no finding")
        )  # fmt: skip
    return Table(
        caption="From rule back to hazard", head=("rule", "hazards", "requirement", "probe", "result"), rows=tuple(rows)
    )
