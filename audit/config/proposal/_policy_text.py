"""policy.toml as text: the margins that this cohort can show, which are not what is acceptable."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from audit.config._faults import listed, one_line
from audit.config.proposal._audit_text import GUESS, Seen, quoted
from audit.config.proposal._manifest import Column
from audit.config.proposal._margins import (
    Cases,
    auc_floor,
    auc_width,
    gap_margins,
    level_floor,
    likely_margin,
    rate_floor,
    shift_margin,
)
from audit.config.proposal._words import folded
from audit.core import MISSING_LEVEL

Mask = NDArray[np.bool_]
SOURCE = "what this cohort can show, not what is acceptable"
_HEAD = f"""\
# Written by 'audit BY'. Set limits before the run; the policy's digest is in the evidence.
# Every limit below is {SOURCE}:
# it comes from the numbers of patients alone. Choose your own limit, say why in `rationale`, and only then set
# `blocking = true`. As long as no rule blocks, a run cannot PASS and ends INCONCLUSIVE.
name = "proposed by audit BY"
confidence = 0.95
[not_applicable]
allow = []                              # probes whose absence you accept, for example ["XAI*"]
"""


def policy_text(seen: Seen, cases: Cases | None) -> str:
    """Return policy.toml.

    Args:
        seen: What was seen.
        cases: Labels and patients of a binary task; None for other tasks, which get the rules that need no margin.
    """
    rules = list(_of_cases(seen.manifest.attributes, cases))
    if seen.model.kind != "predictions" and cases is not None:
        rules += _of_images(seen)
    return _text(rules, "init")


def saved_policy_text(attributes: Sequence[Column], by_class: Mapping[str, Cases]) -> str:
    """Return policy.toml for saved predictions.

    Args:
        attributes: The attributes that are audited.
        by_class: Labels, patients and levels by class; one of no name for a binary task, none for a task that is no
            classification, which gets the rules that need no margin.
    """
    if set(by_class) <= {""}:
        return _text(_of_cases(attributes, by_class.get("")), "scores")
    rules = [rule for name, cases in by_class.items() for rule in _of_class(name, cases)]
    return _text([_lost(), *rules], "scores")


def _of_class(name: str, cases: Cases) -> Iterator[str]:
    """Yield the rules of one class of several; with no operating point they are about its ranking."""
    limit, where = auc_floor(cases), f"class = {quoted(name)}"
    if limit is None:
        yield f"# no rule on {one_line(name)}: too few patients for any margin\n"
        return
    counts = f"{_count(cases, cases.positive)} patients of this class"
    text = f"With {counts} an AUC of 0.9 against the others shows at least {limit:g}."
    yield _rule(f"auc-of-{slug(name)}", "PERF001", "auc", f"min = {limit:g}", text, where=where)


def _text(rules: Iterable[str], by: str) -> str:
    return _HEAD.replace("audit BY", f"audit {by}") + "\n" + "\n".join(_distinct(rules))


def _of_cases(attributes: Sequence[Column], cases: Cases | None) -> Iterator[str]:
    yield _lost()
    if cases is not None:
        yield from _performance(cases)
        yield from _gaps(attributes, cases)
        yield from _confounding(attributes, cases)


def _distinct(rules: Iterable[str]) -> Iterator[str]:
    """Number the ids that stand twice: columns whose names differ in case or signs alone fold to one."""
    taken: dict[str, int] = {}
    for rule in rules:
        if not rule.startswith("[[rule]]"):
            yield rule
            continue
        line = next(x for x in rule.splitlines() if x.startswith("id = "))
        taken[line] = taken.get(line, 0) + 1
        yield rule if taken[line] == 1 else rule.replace(line, f'{line[:-1]}-{taken[line]}"', 1)


def _of_images(seen: Seen) -> Iterator[str]:
    if seen.images.range in ((0.0, 255.0), (0.0, 1.0)):
        yield _rule(
            "accuracy-under-attack", "ADV001", "robust_accuracy", "min = 0.5",
            "Changes of every pixel by 1/255 of the range are invisible; below one half the answer is theirs.",
            where='epsilon = "1/255"', source="a floor for any use, not what is acceptable",
            once="the limit is yours and [audit.threat_model] says against whom",
        )  # fmt: skip
    yield _rule(
        "explanations-beat-controls", "XAI001", "deletion_advantage", "min = 0",
        "Below 0 a random or an edge map explains the model as well as its attribution does.",
        where=f'attribution = "{_method(seen)}"', source="the best control",
    )  # fmt: skip


def _method(seen: Seen) -> str:
    """Return the first attribution method that a model of this kind allows."""
    return "integrated_gradients" if seen.model.kind.startswith(("torch", "onnx")) else "occlusion"


def _rule(
    name: str, probe: str, metric: str, limit: str, rationale: str, *, where: str = "", min_patients: int = 0,
    source: str = SOURCE, once: str = "the limit is yours",
) -> str:  # fmt: skip
    lines = ["[[rule]]", f"id = {quoted(name)}", f'probe = "{probe}"', f'metric = "{metric}"']
    lines += [f"where = {{ {where} }}"] if where else []
    lines += [f"limit = {{ {limit} }}   {GUESS}"]
    lines += [f"min_patients = {min_patients}"] if min_patients else []
    lines += [f"blocking = false   {GUESS}: true once {once}"]
    lines += [f"rationale = {quoted(rationale)}", f"margin_source = {quoted(source)}", ""]
    return "\n".join(lines)


def _lost() -> str:
    return _rule(
        "cases-lost", "DATA003", "share_set_aside", "max = 0.05",
        "Cases that are set aside are cases that nothing is known of.", source="a convention; " + SOURCE,
    )  # fmt: skip


def _performance(cases: Cases) -> Iterator[str]:
    limit = auc_floor(cases)
    if limit is not None:
        counts = f"{_count(cases, cases.positive)} positive and {_count(cases, ~cases.positive)} negative patients"
        text = f"With {counts} an AUC of 0.9 shows at least {limit:g}."
        yield _rule("auc", "PERF001", "auc", f"min = {limit:g}", text)
    for metric, inside, word in (
        ("sensitivity", cases.positive, "positive"),
        ("specificity", ~cases.positive, "negative"),
    ):
        floor = rate_floor(cases, inside)
        if floor is not None:
            text = f"With {_count(cases, inside)} {word} patients a {metric} of 0.9 shows at least {floor:g}."
            yield _rule(metric, "PERF001", metric, f"min = {floor:g}", text)


def _count(cases: Cases, inside: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> int:
    return cases.patients_in(inside)


def _gaps(attributes: Sequence[Column], cases: Cases) -> Iterator[str]:
    for column in attributes:
        probe = {"protected": "FAIR001", "protocol": "SHIFT001"}.get(column.role)
        if probe is None:
            continue
        for metric, inside in (("sensitivity_gap", cases.positive), ("specificity_gap", ~cases.positive)):
            yield from _gap_rules(column.name, probe, metric, cases, inside)
            if column.role == "protected":
                yield from _floor_rule(column.name, metric.removesuffix("_gap"), cases, inside)


def _floor_rule(attribute: str, metric: str, cases: Cases, inside: Mask) -> Iterator[str]:
    """Yield a rule on each level's own rate: where a gap alone is bounded, equally bad for all would do."""
    floor = level_floor(cases, attribute, inside)
    if floor is not None:
        text = f"A {metric} of 0.9 in each level shows at least {floor:g} in the smallest; a gap alone lets all be bad."
        yield _rule(
            f"{metric}-of-each-{slug(attribute)}", "FAIR001", metric, f"min = {floor:g}", text,
            where=f"attribute = {quoted(attribute)}",
        )  # fmt: skip


def _gap_rules(attribute: str, probe: str, metric: str, cases: Cases, inside: Mask) -> Iterator[str]:
    """Yield one rule for all levels where each can hold one, else a rule for each level that can."""
    name, where = f"{metric.replace('_', '-')}-by-{slug(attribute)}", f"attribute = {quoted(attribute)}"
    margins = gap_margins(cases, attribute, inside)
    found = {level: m for level, m in margins.items() if m is not None}
    least = max((m for m, _ in found.values()), default=1.0)
    together = likely_margin(cases, attribute, inside, least) if len(found) == len(margins) else None
    if together is not None:
        count = min(n for _, n in found.values())
        text = f"With {count} patients in the smallest level, equal levels pass {together:g} in 8 of 10 such cohorts."
        margin = together
        yield _rule(name, probe, metric, f"min = {-margin:g}", text, where=where)
        return
    for level, (first, count) in found.items():
        alone = likely_margin(cases, attribute, inside, first, level)
        if level != MISSING_LEVEL and alone is not None:
            margin = alone
            text = (
                f"With {count} patients in this level, one that equals the rest passes {margin:g} in 8 of 10 cohorts."
            )
            at = f"{where}, subgroup = {quoted(level)}"
            yield _rule(f"{name}-{slug(level)}", probe, metric, f"min = {-margin:g}", text, where=at)
    few = [one_line(level) for level in margins if level not in found]
    yield f"# no rule on {metric} by {one_line(attribute)} for {listed(few)}: too few patients for any margin\n"


def _confounding(attributes: Sequence[Column], cases: Cases) -> Iterator[str]:
    width = auc_width(cases)
    for column in attributes:
        if column.role == "confounder" and width is not None:
            text = f"The interval of an AUC of 0.9 reaches {width:g} to either side in this cohort."
            yield _rule(
                f"confounder-cost-of-{slug(column.name)}", "CONF001", "confounder_cost", f"max = {width:g}", text,
                where=f"attribute = {quoted(column.name)}",
            )  # fmt: skip
        if column.role == "confounder":
            yield _shift_rule(column.name, cases)


def _shift_rule(attribute: str, cases: Cases) -> str:
    """Return the rule on the score of controls by level: a cost in ranking alone would let a shift through."""
    found = shift_margin(cases, attribute, ~cases.positive)
    if found is None:
        return f"# no rule on score_shift_auc by {one_line(attribute)}: too few patients for any margin\n"
    margin, count = found
    text = f"With {count} controls in the smallest level, a score that follows none passes in 8 of 10 such cohorts."
    return _rule(
        f"score-shift-by-{slug(attribute)}", "CONF002", "score_shift_auc",
        f"min = {0.5 - margin:g}, max = {0.5 + margin:g}", text,
        where=f'attribute = {quoted(attribute)}, stratum = "controls"',
    )  # fmt: skip


def slug(name: str) -> str:
    """Return a name as it may stand in a rule's id; names that fold to nothing keep their code points."""
    return folded(name).replace("_", "-") or "-".join(f"{ord(c):x}" for c in re.sub(r"\s", "", name)[:8])
