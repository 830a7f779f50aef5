"""Arrays behind the figures of SHIFT002."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.acquisition import Knob
from audit.core import Estimate, ProbeContext
from audit.probes.shift._losses import Quantity
from audit.probes.shift._severities import Tried
from audit.probes.shift._simulated import Simulated

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Curve:
    """The change of one quantity along one knob.

    Args:
        knob: The knob.
        quantity: The quantity.
        path: Severity, acquisition and paired change, rising.
        critical: Critical severity by direction.
    """

    knob: Knob
    quantity: Quantity
    path: tuple[tuple[float, Tried, Estimate], ...]
    critical: Mapping[str, Estimate]

    @property
    def label(self) -> str:
        """The quantity, with its class where there are several."""
        of = self.quantity.condition.get("class")
        return self.quantity.stratum if of is None else f"{self.quantity.stratum}, {of}"


def curves(ctx: ProbeContext, drawn: Sequence[Curve], made: Simulated, single: Sequence[Tried]) -> None:
    """Keep one set of curves a knob: the change of every quantity, the range in use, and critical severities."""
    similarity = {t.turned[0]: float(s) for t, s in zip(single, made.similarity, strict=True)}
    for knob in sorted(dict.fromkeys(c.knob for c in drawn), key=lambda k: _soonest(ctx, drawn, k)):
        mine = [c for c in drawn if c.knob is knob and any(e.value is not None for _, _, e in c.path)]
        if not mine:
            continue
        declared = ctx.envelope.knobs.get(knob.name)
        rows = [(c.label, s, e) for c in mine for s, _, e in _with_zero(c)]
        meta: dict[str, Any] = {
            "parameter": knob.title, "knob": knob.name, "unit": knob.unit, "amount": knob.amount,
            "tolerated": ctx.envelope.tolerated_drop, "higher": mine[0].quantity.higher,
            "in_use_low": None if declared is None else declared.low,
            "in_use_high": None if declared is None else declared.high,
            "undiagnostic_beyond": None if declared is None else declared.undiagnostic_beyond,
            "source": "" if declared is None else declared.source,
            "n": len(made.cases), "n_patients": made.ctx.cohort.n_patients,
        }  # fmt: skip
        for way in ("more", "less"):
            first = [c.critical[way] for c in mine if way in c.critical and _crossed(c.critical[way])]
            meta[f"critical_{way}"] = min((e.value for e in first if e.value is not None), default=None)
        ctx.sink.artifact(
            "severity_curve", f"Change of performance with {knob.title}",
            {
                "quantity": np.array([r[0] for r in rows], dtype=np.str_),
                "severity": np.array([r[1] for r in rows]),
                **{k: np.array([_number(ctx, r[2], k) for r in rows]) for k in ("change", "low", "high")},
                "similarity": np.array([similarity.get((knob, r[1]), 1.0 if r[1] == 0 else np.nan) for r in rows]),
            },
            **meta,
        )  # fmt: skip


def _soonest(ctx: ProbeContext, drawn: Sequence[Curve], knob: Knob) -> tuple[float, float]:
    """Return how soon a knob breaks anything, in ranges in use, then how much it changes at all."""
    declared, soonest, most = ctx.envelope.knobs.get(knob.name), float("inf"), 0.0
    for curve in (c for c in drawn if c.knob is knob):
        most = max([most, *(abs(e.value) for _, _, e in curve.path if e.value is not None)])
        for way, found in curve.critical.items():
            end = None if declared is None else declared.high if way == "more" else -declared.low
            if _crossed(found) and found.value is not None:
                soonest = min(soonest, found.value / (end or max(knob.ladder)))
    return soonest, -most


def _with_zero(curve: Curve) -> list[tuple[float, str, Estimate | None]]:
    """Return the path with severity 0, where the change is 0 by its definition."""
    here: list[tuple[float, str, Estimate | None]] = [(s, t.standing, e) for s, t, e in curve.path]
    return sorted([*here, (0.0, "in use", None)], key=lambda r: r[0])


def _number(ctx: ProbeContext, estimate: Estimate | None, which: str) -> float:
    if estimate is None:
        return 0.0
    bounds = estimate.bounds(ctx.levels.pointwise)
    if estimate.value is None or bounds is None:
        return float("nan")
    return {"change": estimate.value, "low": bounds[0], "high": bounds[1]}[which]


def _crossed(estimate: Estimate) -> bool:
    from audit.probes.shift._critical import CROSSED

    return estimate.value is not None and estimate.method == CROSSED


def summary(ctx: ProbeContext, drawn: Sequence[Curve], made: Simulated, single: Sequence[Tried]) -> None:
    """Keep a table of what breaks first: critical severities, nearest to the range in clinical use on top."""
    rows = []
    for curve in drawn:
        declared = ctx.envelope.knobs.get(curve.knob.name)
        for way, found in curve.critical.items():
            if found.value is None:
                continue
            end = None if declared is None else (declared.high if way == "more" else -declared.low)
            bounds = found.bounds(ctx.levels.pointwise) or (found.value, found.value)
            share = found.value / end if end else float("nan")
            rows.append((curve, way, found.value, *bounds, _crossed(found), end or float("nan"), share))
    if not rows:
        return
    # What was not lost at all comes last, and then what has no range in use to be counted in.
    rows.sort(key=lambda r: (not r[5], np.isnan(r[7]), r[7] if np.isfinite(r[7]) else r[2]))
    columns: dict[str, NDArray[Any]] = {
        "change": np.array([r[0].knob.title for r in rows], dtype=np.str_),
        "direction": np.array([r[1] for r in rows], dtype=np.str_),
        "quantity": np.array([r[0].label for r in rows], dtype=np.str_),
        "lost_at": np.array([r[2] if r[5] else np.nan for r in rows]),
        "not_before": np.array([r[3] for r in rows]),
        "surely_from": np.array([r[4] for r in rows]),
        "tried_up_to": np.array([max(abs(s) for s, _, _ in r[0].path if (s > 0) == (r[1] == "more")) for r in rows]),
        "in_use_up_to": np.array([r[6] for r in rows]),
        "unit": np.array([r[0].knob.unit for r in rows], dtype=np.str_),
    }
    del single
    ctx.sink.artifact(
        "severity_summary", "What breaks first", columns, tolerated=ctx.envelope.tolerated_drop,
        n=len(made.cases), n_patients=made.ctx.cohort.n_patients, crossed=sum(bool(r[5]) for r in rows),
    )  # fmt: skip


def trials(ctx: ProbeContext, combined: Sequence[Tried], made: Simulated, asked: Sequence[Quantity]) -> None:
    """Keep a table of the acquisitions in which all declared knobs were turned at once, and what each cost."""
    columns: dict[str, NDArray[Any]] = {
        knob.title: np.array([dict(t.turned)[knob] for t in combined]) for knob, _ in combined[0].turned
    }
    for quantity in asked:
        if quantity.reason:
            continue
        of = quantity.condition.get("class")
        named = "AUC" if quantity.stratum == "auc" else quantity.stratum
        label = named if of is None else f"{named}, {of}"
        found = [quantity.change(made.raw[t]) for t in range(len(combined))]
        columns[f"change of {label}"] = np.array([np.nan if e.value is None else e.value for e in found])
    columns["similarity"] = made.similarity
    ctx.sink.artifact(
        "combined_severity", "All properties changed at once", columns, n=len(made.cases),
        n_patients=made.ctx.cohort.n_patients,
    )  # fmt: skip


def parameters(ctx: ProbeContext, parts: Sequence[tuple[Sequence[Tried], Simulated]]) -> None:
    """Keep what replays every image: seeds by case, and the drawn parameters of the first case as JSON."""
    every = [(one, made, t) for tried, made in parts for t, one in enumerate(tried)]
    ctx.sink.artifact(
        "acquisition_parameters", "Parameters of the changed acquisitions",
        {
            "acquisition": np.array([one.name for one, _, _ in every], dtype=np.str_),
            "standing": np.array([one.standing for one, _, _ in every], dtype=np.str_),
            "similarity": np.array([made.similarity[t] for _, made, t in every]),
            "share_changed": np.array([made.changed[t] for _, made, t in every]),
            "first_case": np.array([made.examples[t] for _, made, t in every], dtype=np.str_),
            "seeds": parts[0][1].seeds[None, :],
        },
        n=len(parts[0][1].cases),
    )  # fmt: skip
