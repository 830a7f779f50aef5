"""The cohort and the answers of a run, made again from its evidence and its stored predictions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import (
    BUDGETS,
    Aside,
    Attribute,
    AttributeSpec,
    Budget,
    Cohort,
    Comparator,
    ComparatorValues,
    Evidence,
    ImagingModel,
    Ledger,
    Levels,
    ModelCard,
    Predictions,
    StoredPredictions,
    StoredRows,
    Unverified,
)
from audit.errors import EvidenceError, ModelError
from audit.evidence import card_of, use_of
from audit.execution import Setting

if TYPE_CHECKING:
    from numpy.typing import NDArray


class StoredModel:
    """A model of which only the card and the stored answers are there."""

    def __init__(self, card: ModelCard) -> None:
        self._card = card

    @property
    def card(self) -> ModelCard:
        """The card in the evidence."""
        return self._card

    def predict(self, images: NDArray[Any]) -> NDArray[np.float64]:
        """Refuse: there is no model here.

        Raises:
            ModelError: Always.
        """
        del images
        raise ModelError("stored predictions cannot be asked about images")

    def state_digest(self) -> str:
        """Return the digest in the card."""
        return self._card.digest


def setting_of(evidence: Evidence, stored: StoredPredictions) -> Setting:
    """Return what the probes of a run shared, as far as it can be made from what is stored.

    Args:
        evidence: The run.
        stored: Its predictions.

    Raises:
        EvidenceError: The evidence does not describe the run, or the two do not fit together.
    """
    card = card_of(evidence.model)
    try:
        cohort = _cohort(evidence, stored, card)
        run = evidence.run
        model: ImagingModel = StoredModel(card)
        columns = stored.outputs if card.task == "segmentation" else ()
        return Setting(
            model=model, cohort=cohort, seed=int(run["seed"]), budget=_budget(run), intended_use=use_of(
                run.get("intended_use") or {}),
            clean=Predictions(raw=stored.clean.raw, card=card, targets=cohort.targets, columns=columns),
            levels=Levels(confidence=evidence.policy.confidence), golden=None, golden_tolerance=0.0,
            digest_before=card.digest, layer=None, show_pixels=False, store=_nowhere,
            fairlearn_metrics=tuple(run.get("fairlearn_metrics") or ()),
            unverified=_unverified(stored, card, cohort),
        )  # fmt: skip
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise EvidenceError(
            "the evidence and the stored predictions do not fit together", expected="files of one run",
            got=f"{type(error).__name__}: {error}"[:120], fix="take the folder from where it was made",
        ) from error  # fmt: skip


def _nowhere(artifact: Any) -> Any:
    from audit.core import StoredArtifact

    return StoredArtifact(name=artifact.name, title=artifact.title, file="", sha256="", columns=())


def _budget(run: Mapping[str, Any]) -> Budget:
    profile = run.get("profile", "standard")
    # What an older version did not know has the value that it has today.
    return Budget(**{**_plain(BUDGETS[profile]), **(run.get("budget") or {})})


def _plain(budget: Budget) -> dict[str, Any]:
    return {name: getattr(budget, name) for name in budget.__slots__}


def _cohort(evidence: Evidence, stored: StoredPredictions, card: ModelCard) -> Cohort:
    said, rows = evidence.cohort, stored.clean
    # An attribute that a copy leaves out takes the probes with it that look at it.
    specs = {a["name"]: _spec(a) for a in said.get("attributes") or () if a["name"] in rows.levels}
    lost = {a["name"]: _lost(a) for a in said.get("attributes") or ()}
    used = _used(rows, card)
    everybody = _patients(stored)
    cohort = Cohort(
        name=str(said.get("name", "")), case_ids=rows.case, patients=rows.codes, patient_ids=everybody,
        patient_declared=bool(said.get("patient_declared", True)), targets=used,
        attributes=_attributes(specs, rows, lost),
        ledger=_ledger(evidence, stored),
        classes=tuple(card.classes) or tuple(str(t["class"]) for t in said.get("targets") or ()),
        design=said.get("design", ""), reference_method=said.get("reference_method", ""),
        reference_levels=rows.reference, provenance=said.get("provenance", ""), digest=said.get("digest", ""),
        phantom=bool(said.get("phantom")), raters=rows.raters, comparators=_comparators(said, rows),
        ungradable=rows.ungradable, aside=_aside(stored.aside, specs, used),
        time=used[:, 0] if card.task == "survival" else None,
        event=used[:, 1] == 1 if card.task == "survival" else None,
    )  # fmt: skip
    if not said.get("unverified"):
        return cohort
    from dataclasses import replace

    return replace(cohort, unverified=_pending(said["unverified"], stored.unverified, cohort, specs))


def _ledger(evidence: Evidence, stored: StoredPredictions) -> Ledger:
    """Return the ledger; where reasons of few rows were left out, that of the stored rows."""
    said = evidence.cohort.get("ledger") or {}
    if "suppressed_levels" not in evidence.run:
        return Ledger(read=said["read"], used=said["used"], set_aside=said.get("set_aside") or {})
    reasons = [] if stored.aside is None or stored.aside.reason is None else stored.aside.reason.tolist()
    used = len(stored.clean)
    return Ledger(read=used + len(reasons), used=used, set_aside={r: reasons.count(r) for r in dict.fromkeys(reasons)})


def _used(rows: StoredRows, card: ModelCard) -> NDArray[Any]:
    if card.task in ("regression", "survival"):
        return np.asarray(rows.targets, dtype=np.float64)
    return rows.targets


def _patients(stored: StoredPredictions) -> NDArray[np.str_]:
    """Return the pseudonym of each patient by code; a code of two patients would make too few of them."""
    kinds = [rows for rows in (stored.clean, stored.aside, stored.unverified) if rows is not None]
    codes = np.concatenate([rows.codes for rows in kinds])
    names = np.concatenate([rows.patient for rows in kinds])
    if codes.min() < 0 or codes.max() > 10 * len(codes) + 1000:
        raise ValueError("patient codes are out of range")
    ids = np.full(int(codes.max()) + 1, "", dtype=names.dtype)
    ids[codes] = names
    if (ids[codes] != names).any() or len(set(names.tolist())) != len(set(codes.tolist())):
        raise ValueError("patient codes and pseudonyms do not go together")
    return ids


def _spec(a: Mapping[str, Any]) -> AttributeSpec:
    role, *also = a["roles"]
    return AttributeSpec(
        name=a["name"], role=role, also=tuple(also), reason=a.get("reason", ""), bins=tuple(a.get("bins") or ()),
        unit=a.get("unit", ""), recorded_by=a.get("recorded_by", ""), shares=dict(a.get("shares") or {}),
        trained_on=tuple(a.get("trained_on") or ()),
    )  # fmt: skip


def _lost(a: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(row["level"]) for row in a.get("levels") or () if row.get("n") == 0)


def _attributes(
    specs: Mapping[str, AttributeSpec], rows: StoredRows, lost: Mapping[str, tuple[str, ...]]
) -> dict[str, Attribute]:
    return {
        name: Attribute(spec=spec, levels=rows.levels[name], numbers=rows.numbers.get(name), lost=lost.get(name, ()))
        for name, spec in specs.items()
    }


def _comparators(said: Mapping[str, Any], rows: StoredRows) -> dict[str, ComparatorValues]:
    keys = ("name", "column", "output", "operating_point")
    return {
        c["name"]: ComparatorValues(spec=Comparator(**{k: c[k] for k in keys}), values=rows.comparators[c["name"]])
        for c in said.get("comparators") or ()
    }


def _aside(rows: StoredRows | None, specs: Mapping[str, AttributeSpec], used: NDArray[Any]) -> Aside | None:
    if rows is None or rows.reason is None:
        return None
    targets = rows.targets
    first = targets[:, 0] if targets.ndim == 2 else targets
    known = np.isfinite(first) if first.dtype.kind == "f" else first >= 0
    if used.dtype.kind == "f":
        targets = np.where(known if targets.ndim == 1 else known[:, None], targets.astype(np.float64), np.nan)
    return Aside(
        case_ids=rows.case, patients=rows.codes, targets=targets, known=known,
        attributes=_attributes(specs, rows, {}), reasons=rows.reason, ungradable=rows.ungradable,
    )  # fmt: skip


def _pending(
    said: Mapping[str, Any], rows: StoredRows | None, cohort: Cohort, specs: Mapping[str, AttributeSpec]
) -> Unverified:
    from dataclasses import replace

    unanswered = int(said.get("unanswered", 0))
    bare = replace(
        cohort.subset(np.zeros(0, dtype=np.int64)), aside=None, unverified=None, time=None, event=None,
        reference_levels=None,
    )  # fmt: skip
    if rows is None:
        return Unverified(cohort=bare, unanswered=unanswered)
    n = len(rows)
    cases = replace(
        bare, case_ids=rows.case, patients=rows.codes, attributes=_attributes(specs, rows, {}),
        targets=np.zeros((n, *cohort.targets.shape[1:]), dtype=cohort.targets.dtype), raters=rows.raters,
        comparators={k: replace(c, values=rows.comparators[k]) for k, c in cohort.comparators.items()},
        ungradable=rows.ungradable, ledger=Ledger(read=n, used=n),
    )  # fmt: skip
    return Unverified(cohort=cases, unanswered=unanswered)


def _unverified(stored: StoredPredictions, card: ModelCard, cohort: Cohort) -> Predictions | None:
    if stored.unverified is None or cohort.unverified is None:
        return None
    return Predictions(raw=stored.unverified.raw, card=card, targets=cohort.unverified.cohort.targets)
