"""What the section on confounders says above its probes: does it lean on each, and what is left without it."""

from __future__ import annotations

from audit.core import Evidence, Measurement
from audit.report._arrays import Columns
from audit.report._facts import mapping_of
from audit.report._numbers import full_text, whole
from audit.report._words import attribute_name, capital, listed

BY_DECLARATION = (
    "An attribute is a confounder because it was declared one, for the reason given: balancing over a true risk factor "
    "or over what the disease itself causes takes away legitimate signal. Covariates are adjusted for and never judged."
)
_TARGET, _JOINT, _CONTROLS = "(target)", "(joint)", "controls"
# From this Cramér's V on a source of labels is said to go with something; it is a matter of words, not of judgement.
_NOTEWORTHY = 0.1


def leaning(evidence: Evidence) -> Columns | None:
    """Return a table of confounders: does it lean on it, what is left without it, the control, and the score shift.

    None where no confounder was measured.
    """
    costs = [*_rows(evidence, "CONF001", "confounder_cost"), *_rows(evidence, "CONF001", "mae_change")]
    if not costs:
        return None
    reasons = _reasons(evidence)
    rows = tuple(_row(evidence, m, reasons) for m in costs)
    names = (
        "Confounder, and why", "Does it lean on it?", "What is left without it", "Random drop",
        "Score shift, controls", "Patients",
    )  # fmt: skip
    title = f"What the model leans on, and what is left without it, with {100 * costs[0].level:g} % intervals"
    return Columns(title=title, names=names, rows=rows, more=0)


def _rows(evidence: Evidence, probe: str, metric: str) -> tuple[Measurement, ...]:
    return tuple(m for r in evidence.results if r.probe == probe for m in r.measurements if m.metric == metric)


def _reasons(evidence: Evidence) -> dict[str, str]:
    raw = evidence.cohort.get("attributes")
    facts = [mapping_of(v) for v in (raw if isinstance(raw, (list, tuple)) else ())]
    return {str(f.get("name", "")): str(f.get("reason") or "").strip() for f in facts}


def _row(evidence: Evidence, cost: Measurement, reasons: dict[str, str]) -> tuple[str, ...]:
    name = str(cost.condition.get("attribute", ""))
    kind = cost.condition.get("class")
    named = capital(attribute_name(name)) + (f", {kind}" if kind else "")
    named += "" if name == _JOINT else f": {reasons.get(name) or 'no reason is given'}"
    patients = whole(cost.n_patients)
    if cost.metric == "mae_change":
        return named, _said(cost, "the mean error grows by", "the mean error falls by"), "", "", "", patients
    said = _said(cost, "it costs", "the AUC gains")
    return named, said, _left(evidence, cost), _control(evidence, cost), _shift(evidence, cost), patients


def _said(m: Measurement, up: str, down: str) -> str:
    """Return the plain answer: what the interval shows, never more."""
    if m.value is None or m.low is None or m.high is None:
        return f"No answer: {m.missing}"
    if m.low > 0:
        return f"Yes: {up} {full_text(m)}"
    if m.high < 0:
        return f"Not to its gain: balanced, {down} {full_text(m)}"
    return f"Not shown: {full_text(m)}, which holds 0"


def _of(evidence: Evidence, cost: Measurement, metric: str) -> Measurement | None:
    alike = ("attribute", "class")
    return next(
        (
            m
            for m in _rows(evidence, "CONF001", metric)
            if all(m.condition.get(k) == cost.condition.get(k) for k in alike) and m.value is not None
        ),
        None,
    )


def _left(evidence: Evidence, cost: Measurement) -> str:
    balanced, within = _of(evidence, cost, "auc_balanced"), _of(evidence, cost, "auc_within")
    if balanced is None or within is None:
        return "no number"
    return f"AUC {full_text(balanced)}; within levels {full_text(within)}"


def _control(evidence: Evidence, cost: Measurement) -> str:
    drop = _of(evidence, cost, "random_drop")
    return "no number" if drop is None else full_text(drop)


def _shift(evidence: Evidence, cost: Measurement) -> str:
    """Return the level among controls that the score tells best."""
    mine = [
        m
        for m in _rows(evidence, "CONF002", "score_shift_auc")
        if m.condition.get("stratum") == _CONTROLS and m.value is not None
        and all(m.condition.get(k) == cost.condition.get(k) for k in ("attribute", "class"))
    ]  # fmt: skip
    if not mine:
        return "not measured"
    # Of two mirror images the one above 0.5 is told.
    most = max(mine, key=lambda m: (round(abs((m.value or 0.0) - 0.5), 9), m.value or 0.0))
    return f"{', '.join(str(v) for v in most.subgroup.values())}: {full_text(most)}"


def limits_of_labels(evidence: Evidence) -> str:
    """Return what the labels themselves forbid to conclude, empty where nothing is known against them."""
    said = []
    sources = [
        m
        for m in _rows(evidence, "DATA005", "association")
        if m.low is not None and m.low >= _NOTEWORTHY and str(m.condition.get("attribute")) != _method(evidence)
    ]
    if sources:
        named = listed([f"{_with(m)} at {full_text(m)}" for m in sources])
        said.append(f"the source of the reference standard goes with {named} (Cramér's V, DATA005)")
    if any(r.probe == "DATA010" and r.state == "completed" and r.measurements for r in evidence.results):
        said.append("patients were not all verified in the same way (DATA010)")
    if not said:
        return ""
    return f"{capital('; '.join(said))}: what is said here holds for the labels as they are, not for the disease."


def _method(evidence: Evidence) -> str:
    """Return the column that says how the reference standard was established; it goes with itself."""
    return str(evidence.cohort.get("reference_method") or "")


def _with(m: Measurement) -> str:
    kind = m.condition.get("class")
    name = "the target" if m.condition.get("attribute") == _TARGET else str(m.condition.get("attribute"))
    return f"{name}, {kind}" if kind else name
