"""Per-test execution records, the sheet of acceptance criteria, and findings that remain."""

from __future__ import annotations

from audit.core import Finding, Rule
from audit.judge import out_of_reach, settled_distance, worst_first
from audit.pack._blocks import Block, Cell, Document, Facts, Link, Listing, Mark, Record, Table, Text, ToFill, row
from audit.pack._source import Source, clock, counted, named, said
from audit.report.phrases import capital, limit_text, mapping_of, metric_name, number, plural


def execution_records(source: Source) -> Document:
    """Return one record a rule, and a line for every probe that no rule is about."""
    e = source.evidence
    records = tuple(_record(source, r) for r in e.policy.rules)
    ruled = {r.probe for r in e.policy.rules}
    others = tuple(
        row((Link(r.probe, f"../run/report.html#{r.probe}"), f" {r.info.title}"), str(r.info.version),
            r.state.replace("_", " "), r.reason or f"{plural(len(r.measurements), 'number')}", str(r.seed))
        for r in e.results if r.probe not in ruled
    )  # fmt: skip
    blocks: list[Block] = [Facts(title="What holds for every record", rows=_common(source))]
    blocks += records or [Text(text="The policy has no rule, so no test has a pass criterion.", tone="warn")]
    if others:
        blocks.append(
            Table(
                caption="Probes that no rule is about: measured or not, never judged",
                head=("probe", "version", "state", "why, or how much", "seed"), rows=others, numbers=(1, 4),
            )
        )  # fmt: skip
    return Document(
        id="execution-records", title="Test execution records",
        purpose="Shows for each test what was run, on what, by whom, against which criterion, and what came out.",
        blocks=tuple(blocks), source=("run/evidence.json", "run/log.jsonl", "run/SHA256SUMS"),
    )  # fmt: skip


def _common(source: Source) -> tuple[tuple[str, Cell], ...]:
    e = source.evidence
    machine = mapping_of(e.run.get("machine"))
    packages = mapping_of(machine.get("packages"))
    return (
        ("model", f"{e.model.get('name')} {e.model.get('version') or ''}".strip()),
        ("model digest", str(e.model.get("digest"))),
        ("cohort", f"{e.cohort.get('name')}: {plural(int(e.cohort.get('n') or 0), 'case')} of "
                   f"{plural(int(e.cohort.get('n_patients') or 0), 'patient')}"),
        ("cohort digest", str(e.cohort.get("digest"))),
        ("policy digest", e.policy.digest),
        ("configuration digest", str(e.run.get("config_digest") or "none: the run was not made from a file")),
        ("environment", _environment(source)),
        ("libraries", ", ".join(f"{k} {v}" for k, v in packages.items()) or "not recorded"),
        ("run", f"began {clock(e.run.get('started'))}, ended {clock(e.run.get('finished'))}, seed {e.run.get('seed')}, "
                f"profile {e.run.get('profile')}"),
        ("evidence digest", str(e.run.get("evidence_digest"))),
        ("made again with", str(e.run.get("command") or "the Python API")),
    )  # fmt: skip


def _environment(source: Source) -> str:
    machine = mapping_of(source.evidence.run.get("machine"))
    version = source.evidence.run.get("version")
    return f"imaging-audit {version}, Python {machine.get('python')}, {machine.get('system')}"


def _record(source: Source, rule: Rule) -> Record:
    e = source.evidence
    result, finding = source.result(rule.probe), source.finding(rule.id)
    assert finding is not None
    info = result.info if result else None
    files: tuple[str | Mark | Link, ...] = ()
    if result:
        kept = [a for a in result.artifacts if f"run/{a.file}" and a.file in source.shared.files]
        files = tuple(Link(f"{a.name.replace('_', ' ')} {a.sha256[:12]} ", f"../run/{a.file}") for a in kept)
    rows: list[tuple[str, Cell]] = [
        ("test", f"{rule.probe} {info.title if info else ''}, version {info.version if info else 'not known'}"),
        ("asks", info.question if info else "not known"),
        ("method", info.method if info else "not known"),
        ("pass criterion", _criterion(rule, e.policy.confidence)),
        ("result", finding.headline),
    ]
    if finding.open_because:
        rows.append(("open because", finding.open_because))
    if result and result.state != "completed":
        rows.append(("state of the test", f"{result.state.replace('_', ' ')}: {result.reason}"))
    rows += _waived(finding)
    rows += [
        ("tester", source.inputs.tester or "to be filled in: ____________________"),
        ("date", clock(e.run.get("started"))),
        ("environment", f"{_environment(source)}, libraries as above; seed {result.seed if result else 'none'}"),
        ("stored", files or "run/evidence.json"),
    ]
    return Record(title=rule.id, status=finding.status, rows=tuple(rows), anchor=f"rule-{rule.id}")


def _waived(finding: Finding) -> list[tuple[str, Cell]]:
    if finding.waiver is not None:
        w = finding.waiver
        return [("waiver", f"{w.reason}; {w.owner}, until {w.expires}")]
    if finding.waiver_expired is not None:
        w = finding.waiver_expired
        return [("waiver", f"expired on {w.expires}, counts as none: {w.reason}; {w.owner}")]
    return []


def _criterion(rule: Rule, confidence: float) -> str:
    where = ", ".join(f"{k} {v}" for k, v in rule.where.items())
    least = f"; at least {plural(rule.min_patients, 'patient')} in its own denominator" if rule.min_patients else ""
    least += "; the probe stops as soon as that is settled" if rule.sequential else ""
    return (
        f"{capital(metric_name(rule.metric, rule.probe))}{f' ({where})' if where else ''} {limit_text(rule.limit)}, "
        f"whole {number(confidence * 100)} % interval inside{least}; {'blocks' if rule.blocking else 'does not block'} "
        "the release"
    )


def acceptance_criteria(source: Source) -> Document:
    """Return the policy, when it was set, and each rule with meaning, source, sample size and power."""
    e, prior = source.evidence, source.prior
    family = e.family
    facts: tuple[tuple[str, Cell], ...] = (
        ("policy", e.policy.name or "without a name"), ("digest", e.policy.digest),
        ("confidence", f"{number(e.policy.confidence * 100)} %, two-sided, by patient"),
        ("came from", {"file": "a file", "proposed": "a proposal of this tool, set by nobody",
                       "embedded": "the tool's own demonstration"}.get(e.policy.source, e.policy.source)),
        ("hypotheses", f"{len(family.get('declared') or ())} declared before the results, {family.get('used')} tested"
                       if family else "not recorded"),
        ("absence accepted for", ", ".join(e.policy.allow_not_applicable) or "no probe"),
        ("margins against a baseline", _margins(len(e.policy.comparisons))),
        ("prior definition", prior.headline),
    )  # fmt: skip
    blocks: list[Block] = [Facts(rows=facts)]
    if prior.facts:
        blocks.append(Facts(title="What was given to show prior definition", rows=prior.facts))
    if prior.doubts:
        blocks.append(Listing(items=prior.doubts))
    if prior.limits:
        blocks += [Text(tone="note", text="What such a proof does not show:"), Listing(items=prior.limits)]
    blocks.append(
        Table(
            caption="Rules and their limits",
            head=("rule", "limit", "clinical meaning", "source of the margin"),
            rows=tuple(
                row((Link(r.id, f"execution-records.html#rule-{r.id}"), f" {_measured(r)}"), limit_text(r.limit),
                    r.rationale, r.margin_source or "to be added by the author")
                for r in e.policy.rules
            ),
        )
    )  # fmt: skip
    if e.policy.waivers:
        blocks.append(
            Table(
                caption="Waivers", head=("rule", "reason", "owner", "until", "in force"),
                rows=tuple(
                    row(w.rule, w.reason, w.owner, str(w.expires), "yes" if w.rule in e.verdict.waivers else "no")
                    for w in e.policy.waivers
                ),
            )
        )  # fmt: skip
    blocks.append(
        Table(
            caption="Sample size and power: what so many patients could tell",
            head=("rule", "patients asked for", "patients there", "power"),
            rows=tuple(_size(source, r) for r in e.policy.rules), numbers=(1, 2),
        )
    )  # fmt: skip
    blocks.append(Text(tone="note", text=(
        "Power is the distance from the limit at which a true value is told from it in about 8 of 10 cohorts of this "
        "size, from the interval that this cohort gave. It was not planned before the run."
    )))  # fmt: skip
    blocks.append(ToFill(labels=("Sample-size planning, where there was one", "Approval of these criteria")))
    return Document(
        id="acceptance-criteria", title="Acceptance criteria",
        purpose="Shows what had to hold, why, where margins come from, and whether limits were set before the run.",
        blocks=tuple(blocks), source=("policy.json", "run/evidence.json"),
    )  # fmt: skip


def _margins(n: int) -> Cell:
    return (f"{n}, in the ", Link("comparison with a baseline", "comparison.html")) if n else "none"


def _measured(rule: Rule) -> str:
    where = ", ".join(f"{k} {v}" for k, v in rule.where.items())
    return f"{rule.probe} {metric_name(rule.metric, rule.probe)}{f', {where}' if where else ''}"


def _size(source: Source, rule: Rule) -> tuple[Cell, ...]:
    finding = source.finding(rule.id)
    m = source.decisive(finding) if finding else None
    asked = f"{rule.min_patients:,}" if rule.min_patients else "no number"
    if finding is None or m is None or m.value is None:
        why = (m.missing if m else None) or "no number was measured"
        return row(rule.id, asked, "none" if m is None else f"{m.n_patients:,}", f"no statement: {why}")
    alpha = (1 - source.evidence.policy.confidence) / 2
    distance = settled_distance(rule, m, alpha, finding.holm_level or alpha)
    if m.method == "count":
        power = "a count of this cohort: no sampling error"
    elif distance is None:
        power = "no statement: the interval has no width, or none at this level"
    elif out_of_reach(rule, m, distance):
        power = "hardly any: at most an extreme value would be settled"
    else:
        power = f"{distance:.2g} or more from the limit"
    if finding.patients_needed:
        power += f"; about {finding.patients_needed:,} patients could settle it"
    return row(rule.id, asked, f"{m.n_patients:,}", power)


def residual_findings(source: Source) -> Document:
    """Return every finding that did not PASS, with severity left to the manufacturer."""
    e = source.judged
    open_ = [f for f in worst_first(e.findings, e.verdict) if f.status != "PASS"]
    rows = tuple(
        row((Link(f.rule, source.record(f.rule)),), Mark(f.status),
            f.headline + (f"; open because {f.open_because}" if f.open_because else ""),
            "yes" if f.rule in e.verdict.blocking else (f"waived until {f.waiver.expires}" if f.waiver else "no"),
            "", "")
        for f in open_
    )  # fmt: skip
    blocks: list[Block] = []
    if rows:
        blocks.append(
            Table(
                caption=f"{plural(len(rows), 'finding')} that did not PASS",
                head=("rule", "status", "what was found", "blocks", "severity", "decision"),
                rows=tuple((*r[:4], " ", " ") for r in rows),
            )
        )  # fmt: skip
    else:
        blocks.append(Text(text="Every rule PASSed. What no rule asks about is listed under what was not tested."))
    more = [*e.verdict.reasons, *e.verdict.notes]
    more += [f"{r.probe} {r.info.title}: ended in an error, {r.reason}" for r in e.results if r.state == "error"]
    if more:
        blocks.append(Listing(items=tuple(more)))
    blocks.append(Text(tone="note", text=(
        "Severity and decision are empty on purpose: this tool knows neither the harm nor its severity. The "
        "manufacturer fills them in from the risk management file."
    )))  # fmt: skip
    return Document(
        id="residual-findings", title="Residual findings",
        purpose="Lists what stays open after the audit, for the manufacturer to weigh.", blocks=tuple(blocks),
    )  # fmt: skip


def judged_numbers(source: Source, codes: tuple[str, ...], caption: str) -> tuple[Block, ...]:
    """Return the numbers of some probes as tables, and a sentence for those that have none."""
    blocks: list[Block] = []
    silent = []
    for code in codes:
        result = source.result(code)
        if result is None:
            silent.append(f"{code}: not part of this run")
        elif result.state != "completed" or not result.measurements:
            silent.append(
                f"{code} {result.info.title}: {result.state.replace('_', ' ')}, {result.reason or 'no number'}"
            )
        else:
            blocks.append(
                Table(
                    caption=f"{code} {result.info.title}", head=("measured", "value (interval)", "n"),
                    rows=tuple(row(named(m, code), said(m), counted(m)) for m in result.measurements), numbers=(1, 2),
                )
            )  # fmt: skip
    if silent:
        blocks += [Text(text=f"{caption}:", tone="note"), Listing(items=tuple(silent))]
    return tuple(blocks)
