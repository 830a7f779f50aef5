"""Sentences about the model, made from the evidence: the heading, the lead, the answers."""

from __future__ import annotations

from audit.core import MISSING_LEVEL, Evidence, Finding, Measurement
from audit.judge import fault_words, worst_first
from audit.report._facts import class_words, confounder_names, headline_rate
from audit.report._numbers import decimals_for, full_text, limit_text, number, value_text, whole, with_unit
from audit.report._words import (
    GROUPS,
    attribute_name,
    capital,
    epsilon_text,
    listed,
    metric_name,
    plural,
    where_text,
)

_LEANING = ("confounder_cost", "worst_cross_auc", "auc_drop")
_GAPS = ("sensitivity_gap", "specificity_gap", "auc_gap", "dice_gap")


def decisive(evidence: Evidence, finding: Finding) -> Measurement | None:
    """Return the measurement that decided a finding."""
    result = evidence.result(finding.probe)
    if result is None or finding.decisive is None or finding.decisive >= len(result.measurements):
        return None
    return result.measurements[finding.decisive]


def ordered(evidence: Evidence) -> list[Finding]:
    """Return the findings, those that matter most first."""
    return worst_first(evidence.findings, evidence.verdict)


def heading(evidence: Evidence) -> str:
    """Return the sentence about the model that stands above everything else."""
    outcome, findings = evidence.verdict.outcome, ordered(evidence)
    if outcome == "PASS":
        waived = [f for f in findings if f.rule in evidence.verdict.waivers]
        if waived:
            rests = "a waiver" if len(waived) == 1 else f"{len(waived)} waivers"
            return f"Release rests on {rests}: {_trouble(evidence, waived[0])}"
        passed = sum(1 for f in findings if f.status == "PASS")
        rules = plural(passed, "rule was shown to hold", "rules were shown to hold")
        return f"No rule stands against release: {rules} in this cohort"
    blocking = [f for f in findings if f.rule in evidence.verdict.blocking]
    if outcome == "FAIL":
        worst = next((f for f in blocking if f.status == "FAIL"), None)
        return f"Do not release: {weakness(evidence, worst)}" if worst else f"Do not release: {_reason(evidence)}"
    worst = next(iter(blocking), None)
    return f"Not decided: {doubt(evidence, worst)}" if worst else f"Not decided: {_reason(evidence)}"


def notes(evidence: Evidence) -> tuple[str, ...]:
    """Return what keeps the outcome from PASS beside rules, but for what the heading says already, and what to note."""
    said = heading(evidence).casefold()
    reasons = (r for r in evidence.verdict.reasons if r.rstrip(".").casefold() not in said)
    return (*reasons, *evidence.verdict.notes)


def _trouble(evidence: Evidence, finding: Finding) -> str:
    return weakness(evidence, finding) if finding.status == "FAIL" else doubt(evidence, finding)


def _reason(evidence: Evidence) -> str:
    reasons = evidence.verdict.reasons
    if not reasons:
        return "no rule was judged" if not evidence.findings else "the rules of the policy are not met"
    text = reasons[0].rstrip(".")
    return text[:1].lower() + text[1:] if text[:2].istitle() else text


def _side(finding: Finding, m: Measurement) -> str:
    """Return "low" where the value is too low for the limit, "high" where it is too high."""
    if finding.limit.min is not None and m.value is not None and m.value < finding.limit.min:
        return "low"
    return "high" if finding.limit.max is not None else "low"


def weakness(evidence: Evidence, finding: Finding | None) -> str:
    """Return a failing finding in plain words, without its interval."""
    m = decisive(evidence, finding) if finding else None
    if finding is None or m is None or m.value is None:
        return finding.headline if finding else "a rule is not met"
    special = _special(evidence, finding, m)
    if special:
        return special
    name, where, value = metric_name(m.metric), where_text(m), with_unit(m)
    return f"{name}{f' ({where})' if where else ''} is {value}, where {limit_text(finding.limit)} was required"


def _special(evidence: Evidence, finding: Finding, m: Measurement) -> str:
    value, negative, positive = m.value, *class_words(evidence)
    assert value is not None
    group = ", ".join(f"{k} {'missing' if v == MISSING_LEVEL else v}" for k, v in m.subgroup.items())
    attribute = m.condition.get("attribute") or next(iter(m.subgroup), None)
    low = _side(finding, m) == "low"
    if m.metric == "sensitivity" and m.k is not None and low:
        who = f" of {group}" if group else ""
        return f"the model misses {whole(m.n - m.k)} of {whole(m.n)} {_kind(m, positive)} cases{who}"
    if m.metric == "specificity" and m.k is not None and low:
        who = f" of {group}" if group else ""
        kind = _kind(m, negative, other=True)
        return f"the model calls {whole(m.n - m.k)} of {whole(m.n)} {kind} cases{who} positive"
    if m.metric in _LEANING:
        return f"the model leans on {_leant_on(evidence, finding, str(attribute or 'its confounders'))}"
    if m.metric == "score_shift_auc":
        return f"the model's score follows {attribute_name(attribute or 'an attribute')}"
    if m.metric in _GAPS and low and group:
        return f"{metric_name(m.metric)[:-4]} is {number(abs(value), _places(m))} lower for {group}"
    if m.metric.startswith("robust_") and "epsilon" in m.condition:
        what = metric_name("auc" if m.metric == "robust_auc" else m.metric[7:])
        return f"changes of at most {epsilon_text(m.condition)} bring the model's {what} down to {value_text(m)}"
    if m.metric in ("deletion_advantage", "insertion_advantage") and low:
        return "the model's explanations name the decisive pixels no better than a control"
    if m.metric == "localisation_advantage" and low and m.condition.get("stratum"):
        return f"the model's explanations miss the lesions: {m.condition['stratum']}"
    if m.metric == "similarity_after_randomisation" and _side(finding, m) == "high":
        method = str(m.condition.get("attribution", "the method")).replace("_", " ")
        return f"the model's explanations by {method} look alike whatever it has learnt"
    if m.metric in ("slope", "intercept", "ece"):
        off = f"{metric_name(m.metric)} {value_text(m)}"
        return f"the model's probabilities are off: {off}, {limit_text(finding.limit)} was required"
    if m.metric == "faults":
        return fault_words(m) or f"{plural(value, 'fault')} in {_title(evidence, finding)}"
    return ""


def _leant_on(evidence: Evidence, finding: Finding, attribute: str) -> str:
    """Return each confounder that fails by itself, or all declared ones where only the whole fails."""
    names = dict.fromkeys([attribute])
    for other in evidence.findings:
        m = decisive(evidence, other) if other.status == "FAIL" and other.metric == finding.metric else None
        if m is not None and m.condition.get("attribute"):
            names[str(m.condition["attribute"])] = None
    alone = [name for name in names if name != "(joint)"]
    return listed(alone) if alone else confounder_names(evidence)


def _kind(m: Measurement, word: str, *, other: bool = False) -> str:
    name = m.condition.get("class")
    return (f"non-{name}" if other else str(name)) if name is not None else word


def _title(evidence: Evidence, finding: Finding) -> str:
    result = evidence.result(finding.probe)
    title = result.info.title if result else finding.probe
    return title[:1].lower() + title[1:]


def doubt(evidence: Evidence, finding: Finding) -> str:
    """Return an undecided finding in plain words."""
    m = decisive(evidence, finding)
    name = f"{metric_name(finding.metric)}{f' ({where_text(m)})' if m and where_text(m) else ''}"
    if finding.status == "FAIL":
        return weakness(evidence, finding)
    if finding.status in ("NOT_APPLICABLE", "NOT_RUN", "ERROR"):
        return f"{name} was not assessed"
    if m is not None and m.value is not None:
        return f"this cohort cannot settle whether {name} is {limit_text(finding.limit)}"
    return f"{name} could not be measured"


def lead(evidence: Evidence) -> str:
    """Return one sentence with counts: the clinical fact."""
    m = headline_rate(evidence)
    if m is None:
        return ""
    rule = next((f for f in evidence.findings if f.probe == "PERF001" and f.metric == m.metric), None)
    required = f"; required {limit_text(rule.limit)}" if rule else ""
    confidence = number(m.level * 100)
    interval = full_text(m).replace(" (", f", {confidence} % CI ").replace(")", "")
    if m.metric == "sensitivity" and m.k is not None:
        kind = _kind(m, class_words(evidence)[1])
        return f"The model misses {whole(m.n - m.k)} of {whole(m.n)} {kind} cases: sensitivity {interval}{required}."
    return f"{capital(metric_name(m.metric))} {interval}{required}, {plural(m.n_patients, 'patient')}."


def count_words(evidence: Evidence) -> list[tuple[str, str]]:
    """Return `(status, "2 fail")` for each group of statuses that occurs."""
    out = []
    verbs = {"fail": "fail", "open": "inconclusive", "none": "not assessed", "pass": "pass"}
    for key, _, statuses in GROUPS:
        n = sum(1 for f in evidence.findings if f.status in statuses)
        if n:
            out.append((statuses[0], f"{whole(n)} {verbs[key]}"))
    return out


def counts_sentence(evidence: Evidence) -> str:
    """Return how the rules of the policy came out, in one sentence."""
    total = len(evidence.findings)
    if not total:
        return "Nothing could be decided."
    blocks = sum(1 for f in evidence.findings if f.rule in evidence.verdict.blocking)
    words = ", ".join(text for _, text in count_words(evidence))
    stand = f"{whole(blocks)} of them {'stands' if blocks == 1 else 'stand'}" if blocks else "none stands"
    return f"{plural(total, 'rule')}: {words}; {stand} against release."


def _places(m: Measurement) -> int:
    return 2 if m.low is None or m.high is None else decimals_for(m.low, m.high)
