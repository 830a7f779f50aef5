"""How well an attribute can be read from what a model says, and from what its last layer is given."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import Estimate, Measurement, ProbeContext, Scalar
from audit.explain import untrained
from audit.probes._features import features, look_inside
from audit.probes._images import sample_cases
from audit.probes._out_of_fold import FOLDS, lacking, log_odds_out_of_fold
from audit.probes.confounding._strata import Strata

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

OUTPUTS, FEATURES = "outputs", "features"
EXCHANGED, UNTRAINED = "levels exchanged", "untrained network"
AS_IS, GIVEN = "all", "given the label"
PROBE = "linear probe"
METHOD = f"linear probe, {FOLDS} folds of patients"


@dataclass(frozen=True, kw_only=True, eq=False)
class Representation:
    """Numbers of some cases that an attribute may be read from.

    Args:
        name: `OUTPUTS` or `FEATURES`.
        cases: (m,) indices into the cohort.
        table: (m, p), or why there is none.
        control: (m, p) of the untrained network, where there is one.
    """

    name: str
    cases: NDArray[np.int64]
    table: Floats | str
    control: Floats | None = None


def representations(ctx: ProbeContext) -> tuple[Representation, ...]:
    """Return the outputs of all cases, and the features of as many as the budget allows."""
    everyone = np.arange(len(ctx.cohort))
    outputs = Representation(name=OUTPUTS, cases=everyone, table=ctx.clean.raw)
    closed = look_inside(ctx)
    cases = sample_cases(ctx.cohort.patients, ctx.budget.feature_cases, ctx.rng)
    if closed:
        return outputs, Representation(name=FEATURES, cases=cases, table=closed)
    table, control = features(ctx, ctx.model, cases), None
    twin = untrained(ctx.model, ctx.rng)
    if twin is not None and not isinstance(table, str):
        found = features(ctx, twin, cases)
        control = None if isinstance(found, str) else found
    return outputs, Representation(name=FEATURES, cases=cases, table=table, control=control)


def encoded(ctx: ProbeContext, strata: Strata, given: tuple[Representation, ...]) -> Iterator[Measurement]:
    """Give how well each level is read from each representation, as it is and given the label, and the controls."""
    drawn: list[tuple[str, bool, Estimate]] = []
    codes = range(len(strata.names))
    # Of two levels one tells the other.
    for code in codes[1:] if len(codes) == 2 else codes:
        for representation in given:
            yield from _one(ctx, strata, code, representation, drawn)
    _draw(ctx, strata, drawn)


def _one(
    ctx: ProbeContext, strata: Strata, code: int, given: Representation, drawn: list[tuple[str, bool, Estimate]]
) -> Iterator[Measurement]:
    known = strata.known[given.cases]
    cases, level = given.cases[known], strata.names[code]
    members = strata.codes[cases] == code
    patients = ctx.cohort.patients[cases]
    condition: dict[str, Scalar] = {"attribute": strata.attribute, "parameter": given.name}

    def measured(estimate: Estimate, metric: str, **more: Scalar) -> Measurement:
        words = ", ".join(str(v) for v in (level, given.name, *more.values()))
        drawn.append((words, metric != "decodability_auc", estimate))
        return Measurement.of(
            estimate, metric=metric, level=ctx.levels.confidence, direction="none",
            subgroup={strata.attribute: level}, condition={**condition, **more},
        )  # fmt: skip

    reason = given.table if isinstance(given.table, str) else lacking(members, patients, f"cases of {level}")
    if reason is None and not np.ptp(given.table, axis=0).any():
        reason = "it is the same for all cases"
    if reason or isinstance(given.table, str):
        absent = Estimate.absent(str(reason), method=METHOD, n=len(cases), n_patients=int(np.unique(patients).size))
        yield measured(absent, "decodability_auc", stratum=AS_IS)
        return
    label = _labels(ctx)[cases]
    as_is, given_label = _read(ctx, given.table[known], members, patients, label)
    yield measured(as_is, "decodability_auc", stratum=AS_IS)
    yield measured(given_label, "decodability_auc", stratum=GIVEN)
    mixed = _exchanged(members, patients, ctx.rng)
    nothing = _read(ctx, given.table[known], mixed, patients, label)[0]
    yield measured(nothing, "decodability_control_auc", stratum=EXCHANGED)
    if given.control is not None:
        found = _read(ctx, given.control[known], members, patients, label)
        yield measured(found[0], "decodability_control_auc", stratum=UNTRAINED)


def _read(
    ctx: ProbeContext, table: Floats, members: NDArray[np.bool_], patients: NDArray[np.int64], label: NDArray[np.int64]
) -> tuple[Estimate, Estimate]:
    """Return how well the members are told from the rest, out of fold, over all pairs and over pairs of one label."""
    from audit.stats import stratified_auc

    found = log_odds_out_of_fold(table, members, patients, ctx.rng, learner=PROBE)
    cells = found.fold * (int(label.max()) + 1) + label
    areas = (stratified_auc(found.values, members, s, patients, ctx.levels, folds=FOLDS) for s in (found.fold, cells))
    one, two = (replace(a, method=f"{METHOD}; {a.method}") for a in areas)
    return one, two


def _labels(ctx: ProbeContext) -> NDArray[np.int64]:
    """Return (n,) a code of each case's label; of a real value its fifth, of several findings their combination."""
    targets = np.asarray(ctx.clean.targets)
    if ctx.card.task == "regression":
        edges = np.quantile(targets, np.linspace(0, 1, 6)[1:-1])
        return np.searchsorted(edges, targets, side="right").astype(np.int64)
    return np.unique(targets, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)


def _exchanged(members: NDArray[np.bool_], patients: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return levels of which each patient has another's."""
    ids, code = np.unique(patients, return_inverse=True)
    code = code.reshape(-1)
    most = np.bincount(code, weights=members) / np.bincount(code) >= 0.5
    out: NDArray[np.bool_] = most[rng.permutation(len(ids))][code]
    return out


def _draw(ctx: ProbeContext, strata: Strata, drawn: list[tuple[str, bool, Estimate]]) -> None:
    known = [(w, c, e, e.bounds(ctx.levels.pointwise)) for w, c, e in drawn if e.value is not None]
    if not known:
        return
    arrays: dict[str, Any] = {
        "part": np.array([w for w, *_ in known]),
        "control": np.array([c for _, c, *_ in known]),
        "value": np.array([e.value for *_, e, _ in known], dtype=np.float64),
        "low": np.array([np.nan if b is None else b[0] for *_, b in known]),
        "high": np.array([np.nan if b is None else b[1] for *_, b in known]),
        "n_patients": np.array([e.n_patients for *_, e, _ in known]),
    }
    title = f"How well {strata.attribute} can be read, which is not how much it is used"
    ctx.sink.artifact("decodability", title, arrays, attribute=strata.attribute)
