"""Model card, cohort card, and what goes into the instructions for use."""

from __future__ import annotations

from audit.core import Measurement
from audit.pack._blocks import Block, Cell, Document, Facts, Heading, Listing, Table, Text, ToFill, row
from audit.pack._source import Source, counted, named, said, use_statement
from audit.report.phrases import (
    attribute_facts,
    attributes,
    cohort_facts,
    definition,
    heading,
    lead,
    mapping_of,
    metric_name,
    model_facts,
    plural,
)

_OVERALL = ("PERF001", "PERF002", "CAL001")
_BY_GROUP = ("FAIR001", "FAIR002", "FAIR003", "FAIR004", "CAL002", "SHIFT001")
_INPUT = ("DATA008", "SHIFT002", "SHIFT005", "SHIFT006", "CONF005", "PERF009")


def model_card(source: Source) -> Document:
    """Return the model card, in the order of Mitchell 2019."""
    e = source.evidence
    use = mapping_of(e.run.get("intended_use"))
    blocks: list[Block] = [
        Heading(text="Model details"), Facts(rows=tuple(model_facts(e))),
        Facts(rows=(("full digest", str(e.model.get("digest"))),)),
        ToFill(labels=("Developer", "Date and licence", "Relation to earlier versions", "Contact")),
        Heading(text="Intended use"),
        Facts(rows=(
            ("statement", use_statement(e) or "not declared"), ("role", str(use.get("role") or "not declared")),
            ("prevalence", _prevalence(source)),
        )),
        ToFill(labels=("Intended users", "Uses out of scope")),
        Heading(text="Factors"), *_factors(source),
        Heading(text="Metrics"), *_metrics(source),
        Heading(text="Evaluation data"), Facts(rows=tuple(cohort_facts(e))),
        Heading(text="Training data"), _training(source), ToFill(labels=("Training data, where not stated above",)),
        Heading(text="Quantitative analyses: all cases"), *_numbers(source, _OVERALL, grouped=False),
        Heading(text="Quantitative analyses: by group and by groups that meet"),
        *_numbers(source, _BY_GROUP, grouped=True),
        Heading(text="Ethical considerations"), ToFill(labels=("To be written by the manufacturer",), lines=3),
        Heading(text="Caveats and recommendations"),
        Listing(items=(heading(source.judged), *(x for x in (lead(e),) if x), *source.judged.verdict.notes)),
        Listing(items=tuple(f"{n.what}: {n.why}" for n in e.not_tested)),
    ]  # fmt: skip
    return Document(
        id="model-card", title="Model card", purpose="Describes the model, its use and how it did, in the order of "
        "Mitchell and others (2019), Model Cards for Model Reporting.", blocks=tuple(blocks),
    )  # fmt: skip


def _prevalence(source: Source) -> str:
    p = mapping_of(mapping_of(source.evidence.run.get("intended_use")).get("prevalence"))
    if not p:
        return "not declared"
    return f"{p.get('value')} ({p.get('low')} to {p.get('high')}), {p.get('source') or 'source not stated'}"


def _factors(source: Source) -> tuple[Block, ...]:
    found = attribute_facts(source.evidence)
    if not found:
        return (Text(text="No attribute was declared, so nothing is known by group.", tone="warn"),)
    return (
        Table(caption="Attributes that results are given for", head=("attribute", "roles", "levels", "remark"),
              rows=tuple(row(*f[:3], f[3] or "no remark") for f in found)),
    )  # fmt: skip


def _metrics(source: Source) -> tuple[Block, ...]:
    names = dict.fromkeys(r.metric for r in source.evidence.policy.rules)
    rows = tuple(row(metric_name(n), definition(n) or "as its probe's page says") for n in names)
    if not rows:
        return (Text(text="No rule names a metric; the metrics measured are defined in the report."),)
    return (Table(caption="Metrics that the release rests on", head=("metric", "what it means"), rows=rows),)


def _training(source: Source) -> Block:
    t = mapping_of(source.evidence.run.get("training"))
    c = source.evidence.cohort
    rows: list[tuple[str, Cell]] = [
        (str(o.get("name")), f"{o.get('n')} cases, {o.get('n_patients') or 'an unknown number of'} patients, compared "
         "with this cohort") for o in c.get("other_splits") or ()
    ]  # fmt: skip
    if t:
        rows.append(("training recipe", f"{t.get('recipe')}: {t.get('n')} cases of {t.get('n_patients')} patients"))
    return (
        Facts(rows=tuple(rows))
        if rows
        else Text(text="Nothing of the training data was given to this audit.", tone="warn")
    )


def _numbers(source: Source, codes: tuple[str, ...], *, grouped: bool) -> tuple[Block, ...]:
    blocks: list[Block] = []
    for code in codes:
        result = source.result(code)
        kept = [m for m in source.measurements(code) if bool(m.subgroup) is grouped or (grouped and _of_level(m))]
        if result is not None and kept:
            blocks.append(
                Table(caption=f"{code} {result.info.title}", head=("measured", "value (interval)", "n"),
                      rows=tuple(row(named(m, code), said(m), counted(m)) for m in kept), numbers=(1, 2))
            )  # fmt: skip
    return tuple(blocks) or (Text(text="No number of this kind was measured in this run.", tone="warn"),)


def _of_level(m: Measurement) -> bool:
    return "attribute" in m.condition or "protocol" in m.condition


def cohort_card(source: Source) -> Document:
    """Return what the cohort is, in counts."""
    e = source.evidence
    c = e.cohort
    blocks: list[Block] = [Facts(rows=(*cohort_facts(e), ("full digest", str(c.get("digest")))))]
    for a in attributes(e):
        rows = tuple(
            row(name, "not shared" if n is None else f"{n:,}", "not shared" if p is None else f"{p:,}")
            for name, n, p in a.levels
        )
        about = ", ".join(a.roles) + (f"; {a.note}" if a.note else "")
        if rows:
            blocks.append(
                Table(caption=f"{a.name} ({about})", head=("level", "cases", "patients"), rows=rows, numbers=(1, 2))
            )
        else:
            blocks.append(Text(text=f"{a.name} ({about}): its levels are not listed."))
    if not attributes(e):
        blocks.append(Text(text="The cohort has no attribute, so nothing can be said of subgroups.", tone="warn"))
    if c.get("remarks"):
        blocks.append(Listing(items=tuple(str(r) for r in c["remarks"])))
    blocks.append(ToFill(labels=(
        "Collection: who, why, when", "Consent, ethics approval, legal basis",
        "Known gaps against the intended population",
    )))  # fmt: skip
    return Document(
        id="cohort-card", title="Cohort card",
        purpose="Describes the cases that the model was audited on.", blocks=tuple(blocks),
    )  # fmt: skip


def instructions_extract(source: Source) -> Document:
    """Return performance by group, limits of the input and known failure conditions, for the instructions for use."""
    e = source.evidence
    spec, point = mapping_of(e.model.get("input")), e.model.get("operating_point")
    limits: list[tuple[str, Cell]] = [
        ("intended use", use_statement(e) or "not declared"),
        ("modality", str(spec.get("modality") or "not declared")),
        ("stored intensities", f"{spec.get('unit') or 'unit not declared'}, range {_span(spec.get('range'))}, "
                               f"window {_span(spec.get('window'))}"),
        ("size", _span(spec.get("size"), " × ")), ("spacing in mm", _span(spec.get("spacing_mm"), " × ")),
        ("another size", "is resized" if spec.get("resize") else "is set aside"),
        ("operating point", "none" if point is None else str(point)),
        ("acquisitions in clinical use", str(dict(mapping_of(e.run.get("envelope"))) or "not declared")),
    ]  # fmt: skip
    blocks: list[Block] = [
        Text(tone="note", text="A draft to take from, not a text to print: wording and completeness are the author's."),
        Heading(text="Performance, all cases"), *_numbers(source, ("PERF001", "PERF002"), grouped=False),
        Heading(text="Performance by group"), *_by_level(source), *_numbers(source, _BY_GROUP, grouped=True),
        Heading(text="Limits of the input"), Facts(rows=tuple(limits)), *_numbers(source, _INPUT, grouped=False),
        Heading(text="Known failure conditions"), *_failures(source),
        ToFill(labels=("Human oversight: when to overrule or not to use the output", "Maintenance and monitoring")),
    ]  # fmt: skip
    return Document(
        id="instructions-extract", title="Extract for the instructions for use",
        purpose="Gives what the instructions for use must state of accuracy, groups, limits and known failures.",
        blocks=tuple(blocks), source=("run/evidence.json", "run/predictions.parquet"),
    )  # fmt: skip


def _span(value: object, between: str = " to ") -> str:
    if not isinstance(value, (list, tuple)) or not value:
        return "not declared"
    return between.join(f"{v:g}" if isinstance(v, (int, float)) else str(v) for v in value)


def _by_level(source: Source) -> tuple[Block, ...]:
    rows = tuple(
        row(named(m, r.probe), said(m), counted(m))
        for r in source.evidence.results if r.info.family in ("PERF", "FAIR", "CONF", "SHIFT")
        for m in r.measurements if m.metric in ("sensitivity", "specificity", "auc") and m.subgroup
    )  # fmt: skip
    if not rows:
        return ()
    return (Table(caption="By level", head=("measured", "value (interval)", "n"), rows=rows, numbers=(1, 2)),)


def _failures(source: Source) -> tuple[Block, ...]:
    e = source.judged
    groups = (
        ("shown not to hold", [f for f in e.findings if f.status == "FAIL"]),
        ("neither shown to hold nor to be broken", [f for f in e.findings if f.status == "INCONCLUSIVE"]),
        ("not assessed", [f for f in e.findings if f.status in ("NOT_APPLICABLE", "ERROR", "NOT_RUN")]),
    )
    blocks: list[Block] = []
    for words, found in groups:
        if found:
            blocks.append(Text(text=f"{plural(len(found), 'limit')} {words}:"))
            blocks.append(Listing(items=tuple(f"{f.headline} ({f.rule})" for f in found)))
    if not e.findings:
        return (Text(text="The policy has no rule, so no failure condition was looked for.", tone="warn"),)
    return tuple(blocks) or (Text(text="Every limit of the policy was shown to hold in this cohort."),)
