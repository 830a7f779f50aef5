"""What the report says of attacks: who would attack, whether the attack may be believed, and what stands beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from audit.core import Evidence, StoredArtifact
from audit.report._array_parts import Arrays
from audit.report._arrays import Columns
from audit.report._facts import mapping_of
from audit.report._numbers import number, whole
from audit.report._words import capital, listed, metric_name

CAUSES: Mapping[str, str] = {
    "random transform": "asked twice, the model answers otherwise, so a success may be luck and a failure, too. The "
    "attack was run on the mean of several answers. Take the random step out, or audit the model that is released.",
    "constant answer": "no image that was tried turns any answer. A model that always says the same is not robust.",
    "saturated output": "the outputs sit at their ends, where float32 leaves no gradient. Give the model with its "
    'logits (output = "logits").',
    "argmax in the graph": "the outputs are decisions, which have no gradient. Give the model with its scores.",
    "quantised input": "the model rounds its input, so small changes do nothing and gradients vanish. Audit it "
    "without that step, or attack it by asking alone (ADV003).",
    "masked gradient": "the gradient is not that of the answer: a part of the graph is detached, replaced or no "
    "number. What is left standing says nothing; look at ADV003, which takes no gradient.",
    "graph of another function": "the module that gives gradients answers otherwise than the model that was asked.",
    "too few steps": "a longer search or one from another start breaks more. Run a larger profile.",
    "out of bounds": "the attack itself broke its bounds; this is a fault of the suite, please report it.",
    "chance level": "without any attack the answers are no better than one answer for all.",
}
"""What each likely cause means, and what to do; the names are those of `audit.attacks.CAUSES`."""


def threat(evidence: Evidence) -> str:
    """Return against whom the attacks are made, in a sentence or two."""
    declared = mapping_of(evidence.run.get("threat_model"))
    if not declared:
        return (
            "Stress measurement: no threat model is declared, so these numbers say how much the model takes, not "
            "against whom it is safe."
        )
    who, pixels, where = (str(declared.get(k) or "not said").rstrip(".") for k in ("who", "pixels", "where"))
    return f"Threat model, as declared. Who: {who}. Pixels: {pixels}. Where: {where}."


def certificate(artifact: StoredArtifact, arrays: Arrays) -> tuple[Columns, str]:
    """Return the checks of an attack as a table, and a sentence on those that fail, empty where none does.

    Raises:
        KeyError: A column is absent.
        ValueError: Names and columns do not fit each other.
    """
    names, wanted = (str(artifact.meta.get(k) or "").split("|") for k in ("checks", "must_be"))
    held = [bool(h) for h in np.asarray(arrays["holds"])]
    rows = tuple(
        (_check(name), number(float(value)), limit, "holds" if holds else "fails", whole(int(n)))
        for name, value, limit, holds, n in zip(
            names, arrays["value"], wanted, held, arrays["n_cases"], strict=True
        )
    )  # fmt: skip
    of = ", ".join(str(artifact.meta[k]) for k in ("attack", "class", "stratum") if artifact.meta.get(k))
    failed = [_check(name) for name, holds in zip(names, held, strict=True) if not holds]
    outcome = f"{len(failed)} of {len(names)} checks fail" if failed else f"all {len(names)} checks hold"
    title = f"{artifact.title}{f', {of}' if of else ''}: {outcome}"
    table = Columns(title=title, names=("Check", "Gave", "Must be", "Outcome", "Cases"), rows=rows, more=0)
    doubt = str(artifact.meta.get("doubt") or "")
    beyond = f"Whatever its checks say, the attack{f' on {of}' if of else ''} leaves doubt: {doubt}." if doubt else ""
    return table, " ".join(s for s in (_doubt(artifact.meta, failed, of), beyond) if s)


def winners(artifact: StoredArtifact, arrays: Arrays) -> Columns:
    """Return what was the first to overturn how many cases, by size, as a table.

    Raises:
        KeyError: A column is absent.
        ValueError: Names and columns do not fit each other.
    """
    counts = np.asarray(arrays["overturned"])
    ways = tuple(str(way) for way in arrays["attack"])
    if counts.shape != (len(ways), len(arrays["epsilon"])):
        raise ValueError("expected a row for each way of attacking and a column for each size")
    of = str(artifact.meta.get("class") or "")
    counts = np.vstack([counts, arrays["still_right"]])
    rows = tuple(
        (number(float(size)), *(whole(int(k)) for k in column))
        for size, column in zip(arrays["epsilon"], counts.T, strict=True)
    )
    names = ("Size of the change", *(capital(way) for way in ways), "Still right")
    return Columns(title=artifact.title + (f", {of}" if of else ""), names=names, rows=rows, more=0)


def _check(name: str) -> str:
    return capital(metric_name(name).removeprefix("certificate: "))


def _doubt(meta: Mapping[str, Any], failed: list[str], of: str) -> str:
    if not failed:
        return ""
    cause = str(meta.get("cause") or "")
    likely = f" Likely cause: {cause}; {CAUSES[cause]}" if cause in CAUSES else ""
    return (
        f"The attack{f' on {of}' if of else ''} cannot be believed where it fails ({listed(failed)}), so the lower "
        f"side of every robust number is open and no rule can pass on it; what it broke is a fact.{likely}"
    )
