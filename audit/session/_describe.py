"""What the evidence says of model, cohort and machine."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any

import numpy as np

from audit.core import (
    CLASSIFICATION,
    Attribute,
    Cohort,
    ModelCard,
    NotTested,
    OtherSplit,
    Predictions,
    ProbeInfo,
    ProbeResult,
    Training,
    plain,
)
from audit.models import bfloat16_allowed, cpu_has_bfloat16

_PACKAGES = (
    "numpy", "scipy", "pandas", "scikit-learn", "statsmodels", "fairlearn", "torch", "torchattacks", "captum",
    "onnxruntime", "onnx2torch", "skops", "pydicom", "nibabel", "plotly", "nilearn",
)  # fmt: skip
_FAMILY_WORDS = {
    "DATA": "faults of the data", "SETUP": "faults of the set-up", "PERF": "performance", "CAL": "calibration",
    "FAIR": "differences between subgroups", "CONF": "confounders", "ADV": "attacks", "XAI": "explanations",
    "SHIFT": "change of protocol or scanner",
}  # fmt: skip

_MOST_LEVELS = 13  # twelve, and the missing one


def describe_model(card: ModelCard, clean: Predictions, *, phantom: bool = False) -> dict[str, Any]:
    """Return the model's card as plain values, with a digest of what it said; simulated where its cases are."""
    values: dict[str, Any] = plain(card)
    values["phantom"] = card.phantom or phantom
    values["predictions_digest"] = hashlib.sha256(np.ascontiguousarray(clean.raw).tobytes()).hexdigest()
    return values


def describe_cohort(cohort: Cohort, card: ModelCard) -> dict[str, Any]:
    """Return counts of the cohort: cases, patients, ledger, targets, levels of each attribute."""
    return {
        "name": cohort.name,
        "digest": cohort.digest,
        "n": len(cohort),
        "n_patients": cohort.n_patients,
        "patient_declared": cohort.patient_declared,
        "ledger": plain(cohort.ledger),
        "design": cohort.design,
        "reference_method": cohort.reference_method,
        "provenance": cohort.provenance,
        "phantom": cohort.phantom,
        "remarks": list(cohort.remarks),
        "targets": _targets(cohort, card),
        "attributes": [_attribute(a, cohort) for a in cohort.attributes.values()],
        **_beside(cohort),
    }


def describe_training(training: Training) -> dict[str, Any]:
    """Return the recipe's name and counts of the development cohort."""
    cohort = training.cohort
    return {
        "recipe": training.recipe, "weighted": training.weighted, "target": training.target, "name": cohort.name,
        "digest": cohort.digest, "n": len(cohort), "n_patients": cohort.n_patients, "ledger": plain(cohort.ledger),
    }  # fmt: skip


def _beside(cohort: Cohort) -> dict[str, Any]:
    """Return counts of what stands beside the cases; nothing where nothing is declared."""
    said: dict[str, Any] = {
        "comparators": [
            {**plain(c.spec), **_count(cohort, np.isfinite(c.values))} for c in cohort.comparators.values()
        ],
        "raters": [{"name": k, **_count(cohort, np.isfinite(v))} for k, v in cohort.raters.items()],
        "other_splits": [_other(o) for o in cohort.others],
    }
    if cohort.ungradable is not None:
        said["ungradable"] = _count(cohort, cohort.ungradable)
    if cohort.event is not None:
        said["events"] = _count(cohort, cohort.event)
    if cohort.unverified is not None:
        cases = cohort.unverified.cohort
        said["unverified"] = {
            "n": len(cases), "n_patients": cases.n_patients, "unanswered": cohort.unverified.unanswered,
        }  # fmt: skip
    return {k: v for k, v in said.items() if v}


def _other(split: OtherSplit) -> dict[str, Any]:
    named = split.patient_ids[split.patient_ids != ""]
    patients = int(np.unique(named).size) if split.patient_declared else None
    return {"name": split.name, "n": len(split), "n_patients": patients}


def _count(cohort: Cohort, inside: Any) -> dict[str, int]:
    return {"n": int(inside.sum()), "n_patients": int(np.unique(cohort.patients[inside]).size)}


def _targets(cohort: Cohort, card: ModelCard) -> list[dict[str, Any]]:
    if card.task not in CLASSIFICATION:
        return []
    names = card.classes or cohort.classes
    width = cohort.targets.shape[1] if cohort.targets.ndim == 2 else len(names) or int(cohort.targets.max()) + 1
    found = []
    for c in range(width):
        inside = cohort.targets[:, c] == 1 if cohort.targets.ndim == 2 else cohort.targets == c
        found.append({"class": names[c] if c < len(names) else f"class {c}", **_count(cohort, inside)})
    return found


def _listed(attribute: Attribute) -> tuple[str, ...]:
    """Return the levels that may be named: not those of a number, of which a patient may be the only one."""
    names, roles = attribute.level_names(), set(attribute.roles)
    many = len(names) > _MOST_LEVELS and roles <= {"covariate", "severity", "repeat", "rater"}
    return () if many or roles <= {"repeat"} else names


def levels_shown(cohort: Cohort) -> dict[str, tuple[str, ...]]:
    """Return the levels that may be named, by attribute."""
    return {a.name: _listed(a) for a in cohort.attributes.values()}


def _attribute(attribute: Attribute, cohort: Cohort) -> dict[str, Any]:
    levels = []
    for level in _listed(attribute):
        inside = attribute.levels == level
        row: dict[str, Any] = {"level": level, **_count(cohort, inside)}
        if cohort.targets.ndim == 1 and cohort.targets.dtype.kind in "iub":
            row["n_positive"] = int((inside & (cohort.targets == 1)).sum())
        levels.append(row)
    spec = attribute.spec
    return {
        "name": attribute.name, "roles": list(attribute.roles), "reason": spec.reason, "unit": spec.unit,
        "bins": list(spec.bins), "recorded_by": spec.recorded_by, "shares": dict(spec.shares),
        "trained_on": list(spec.trained_on), "levels": levels,
    }  # fmt: skip


def describe_machine() -> dict[str, Any]:
    """Return interpreter, system and versions of the packages that numbers depend on."""
    versions = {}
    for name in _PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {
        "python": platform.python_version(),
        "system": platform.system(),
        "packages": versions,
        # Gradients in few digits may turn a single case of an attack, so two machines can differ by one.
        "bfloat16": bfloat16_allowed() and cpu_has_bfloat16(),
    }


def not_tested(results: Sequence[ProbeResult], infos: Mapping[str, ProbeInfo], cohort: Cohort) -> tuple[NotTested, ...]:
    """Return what this audit says nothing about, from what ran: generated, not written."""
    said: list[NotTested] = []
    by_code = {r.probe: r for r in results}
    for code, info in infos.items():
        result = by_code.get(code)
        if result is None:
            said.append(
                NotTested(what=f"{info.title} ({code})", why="not selected, and no rule asks for it", probe=code)
            )
        elif result.state != "completed":
            said.append(NotTested(what=f"{info.title} ({code})", why=result.reason, probe=code))
    families = {i.family for i in infos.values()}
    said += [
        NotTested(what=words, why="no probe of this family is installed")
        for family, words in _FAMILY_WORDS.items()
        if family not in families
    ]
    for role, words in (("protected", "subgroups of patients"), ("confounder", "leaning on a confounder")):
        if not cohort.by_role(role):  # type: ignore[arg-type]
            said.append(NotTested(what=words, why=f"no attribute is declared with the role {role}"))
    if not cohort.patient_declared:
        said.append(NotTested(what="several images of one patient", why="the manifest has no patient column"))
    said.append(NotTested(what="image reconstruction and synthesis", why="out of scope of this suite"))
    said.append(NotTested(what="use by readers, and effect on patients", why="only the model was audited, not its use"))
    return tuple(said)
