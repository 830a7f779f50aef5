"""A model among readers: who of them agrees better with the other readers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from audit.core.levels import Levels
from audit.core.measurement import Estimate
from audit.stats._common import Bounds, Floats, Ints, Patients, alphas, estimate, t_quantile, too_few
from audit.stats._jackknife import Jackknife, covariance, fisher_bounds, patient_sums
from audit.stats._kappa import Kappa, Measure, agreement

Consensus = Literal["majority", "median", "mean"]
RANDOM_FROM = 5
FEWEST = 60
# Below so many patients the bounds of a rung are those of this share of its level; see docs/decisions.
STRICTER = ((100, 0.25), (300, 0.4), (1000, 0.6))
# Patients that each one with a reading other than the commonest stands for at most.
OTHERS = 4


@dataclass(frozen=True, kw_only=True, eq=False)
class Panel:
    """Readings of some cases by several readers and by the model.

    Args:
        model: (n,) the model's answers.
        readers: (n, readers) their answers, NaN where a reader did not read.
        patients: (n,) patient codes.
        measure: How agreement is measured.
        consensus: How the readings of the others become one: "majority" and "median" need a kappa (ties count in equal
            parts), "mean" a measure of numbers.
    """

    model: NDArray[Any]
    readers: Floats
    patients: Ints
    measure: Measure
    consensus: Consensus

    def __post_init__(self) -> None:
        n = len(self.patients)
        if np.shape(self.model) != (n,) or np.ndim(self.readers) != 2 or len(self.readers) != n:
            raise ValueError(f"expected {n} answers of the model and of every reader")
        if (self.consensus == "mean") == isinstance(self.measure, Kappa):
            raise ValueError(f"consensus: {self.consensus} does not fit {self.measure.name}")

    def faced(self, reader: int) -> NDArray[np.bool_]:
        """Return (n,) the cases that the reader and at least one other read."""
        known = np.isfinite(self.readers)
        out: NDArray[np.bool_] = known[:, reader] & (known.sum(axis=1) > 1)
        return out

    def others(self, reader: int, rows: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return the consensus of the other readers on some cases, (m,) or (m, categories) shares."""
        others = np.delete(self.readers[rows], reader, axis=1)
        if not isinstance(self.measure, Kappa):
            return np.asarray(np.nanmean(others, axis=1), dtype=np.float64)
        return _shares(others, self.measure.categories, self.consensus)


def _shares(readings: NDArray[np.float64], categories: int, consensus: Consensus) -> NDArray[np.float64]:
    """Return (m, categories) shares of the consensus; a tie is shared evenly by the answers that tie."""
    votes = (readings[:, :, None] == np.arange(categories)).sum(axis=1)
    if consensus == "majority":
        chosen = (votes == votes.max(axis=1, keepdims=True)).astype(np.float64)
    else:
        # The two middle readings are one and the same where their number is odd.
        upto = np.cumsum(votes, axis=1)
        total = upto[:, -1:]
        middle = np.argmax(upto > (total - 1) // 2, axis=1), np.argmax(upto > total // 2, axis=1)
        chosen = np.eye(categories)[middle[0]] + np.eye(categories)[middle[1]]
    out: NDArray[np.float64] = chosen / chosen.sum(axis=1, keepdims=True)
    return out


@dataclass(frozen=True, kw_only=True)
class Faced:
    """Agreement with the other readers on the cases of one reader.

    Args:
        reader: The reader's own agreement with the consensus of the others.
        model: The model's agreement with the same consensus on the same cases.
    """

    reader: Estimate
    model: Estimate


def by_reader(panel: Panel, levels: Levels) -> tuple[Faced, ...]:
    """Return for each reader how well he and the model agree with the consensus of the others, for display.

    Args:
        panel: The readings.
        levels: Levels of the bounds.
    """
    found = []
    for reader in range(panel.readers.shape[1]):
        rows = panel.faced(reader)
        others, who = panel.others(reader, rows), panel.patients[rows]
        own = panel.readers[rows, reader]
        found.append(
            Faced(
                reader=agreement(panel.measure, own, others, who, levels),
                model=agreement(panel.measure, panel.model[rows], others, who, levels),
            )
        )
    return tuple(found)


def agreement_difference(panel: Panel, levels: Levels, *, random_readers: bool | None = None) -> Estimate:
    """Estimate the model's mean agreement with readers minus the readers' own.

    Each reader in turn is taken out: the reader and the model face the consensus of the others on the same cases. The
    difference of the two agreements is averaged over readers. Its bounds combine those of the two mean agreements
    (patient jackknife, t on Fisher's z) by MOVER with their jackknife correlation; where readers stand for others, too
    (five or more), the jackknife deviation over readers with its own t quantile is added in squares.

    No interval of such a difference holds its level with few patients. With fewer than 60 there is therefore no
    number; from 60 on every rung of the curve carries the bounds of 0.25 times its level, from 100 on of 0.4 times
    (.01 for .025), from 300 on of 0.6 times, and from 1000 on its own. For a kappa each patient with a reading other
    than the commonest stands for four of these at most, since a rare answer makes kappa rest on few.

    Args:
        panel: The readings, two readers or more.
        levels: Levels of the bounds.
        random_readers: The readers stand for readers like them; by default where there are five or more.

    Returns:
        Difference, above 0 where the model agrees better; for `NearnessOfNumbers` in the target's unit. Absent with
        fewer than two readers, with fewer than 60 patients, and where an agreement cannot be computed.
    """
    readers = panel.readers.shape[1]
    random = readers >= RANDOM_FROM if random_readers is None else random_readers
    method = (
        f"{panel.measure.name}, model minus readers against the other readers, patient jackknife and MOVER; readers as "
    )
    method += "a sample of readers" if random else "these and no others"
    if readers < 2:
        reason = f"{readers} reader{'' if readers == 1 else 's'}; two are the least whose agreement can be compared"
        return Estimate.absent(reason, method=method)
    used = np.isfinite(panel.readers).sum(axis=1) > 1
    found, n = Patients.of(panel.patients[used]), int(used.sum())
    problem = "no case was read by two readers" if n == 0 else too_few(found.count) or _too_few_for_readers(panel, used)
    if problem:
        return Estimate.absent(problem, method=method, n=n, n_patients=found.count)
    sides = _sides(panel, used, found)
    problem = _problem(panel, sides)
    if problem:
        return Estimate.absent(problem, method=method, n=n, n_patients=found.count)
    alpha = alphas(levels) * next((share for limit, share in STRICTER if _counted(panel, used) < limit), 1.0)
    down, up = _arms(sides, panel.measure.bounded, alpha)
    if random:
        among = _among_readers(panel)
        if among is None:
            reason = "without one of the readers an agreement cannot be computed"
            return Estimate.absent(reason, method=method, n=n, n_patients=found.count)
        apart = t_quantile(alpha, readers - 1) * np.sqrt(among)
        down, up = np.hypot(down, apart), np.hypot(up, apart)
    value = sides[0].value - sides[1].value
    if max(float(down[0]), float(up[0])) <= 1e-12:
        reason = "no interval: it does not vary between patients"
        return Estimate.absent(reason, method=method, n=n, n_patients=found.count)
    return estimate(value, (value - down, value + up), levels, method=method, n=n, n_patients=found.count)


def _unlike(panel: Panel, used: NDArray[np.bool_]) -> int | None:
    """Return how many patients have a reading other than the commonest one, None for numbers."""
    if not isinstance(panel.measure, Kappa):
        return None
    readings = panel.readers[used]
    known = np.isfinite(readings)
    commonest = np.bincount(readings[known].astype(np.int64)).argmax()
    return int(np.unique(panel.patients[used][(known & (readings != commonest)).any(axis=1)]).size)


def _counted(panel: Panel, used: NDArray[np.bool_]) -> int:
    """Return how many patients a comparison counts as having: where one answer is rare, few carry all agreement."""
    count, unlike = int(np.unique(panel.patients[used]).size), _unlike(panel, used)
    return count if unlike is None else min(count, OTHERS * unlike)


def _too_few_for_readers(panel: Panel, used: NDArray[np.bool_]) -> str | None:
    if _counted(panel, used) >= FEWEST:
        return None
    count, unlike = int(np.unique(panel.patients[used]).size), _unlike(panel, used)
    if count < FEWEST or unlike is None:
        return f"{count} patients; a comparison with readers holds its error from {FEWEST} patients on"
    least = FEWEST // OTHERS
    return f"{unlike} patients with a reading other than the commonest; a comparison with readers needs {least}"


def _sides(panel: Panel, used: NDArray[np.bool_], found: Patients) -> tuple[Jackknife, Jackknife]:
    """Return the mean agreement over readers of the model and of the readers themselves, each patient left out."""
    values: list[list[Floats]] = [[], []]
    rank = np.cumsum(used) - 1
    for reader in range(panel.readers.shape[1]):
        rows = panel.faced(reader)
        others = panel.others(reader, rows)
        patients = Patients(code=found.code[rank[rows]], ids=found.ids)
        for side, answers in enumerate((panel.model[rows], panel.readers[rows, reader])):
            sums = patient_sums(panel.measure.rows(answers, others), patients)
            total = sums.sum(axis=0)
            values[side].append(panel.measure.value(np.concatenate([total[None], total - sums])))
    model, readers = (np.mean(side, axis=0) for side in values)
    return Jackknife(value=float(model[0]), left=model[1:]), Jackknife(value=float(readers[0]), left=readers[1:])


def _arms(sides: tuple[Jackknife, Jackknife], bounded: bool, alpha: Floats) -> Bounds:
    """Return how far the difference may lie below and above, by MOVER with the two sides' own correlation.

    A low agreement is known less well than a high one. A t interval of the difference alone misses that, and is too
    near on the side that matters where the model is the worse one.
    """
    model, readers = sides
    shared = covariance(model, readers)
    if not bounded:
        variance = max(model.variance + readers.variance - 2 * shared, 0.0)
        half = t_quantile(alpha, len(model.left) - 1) * float(np.sqrt(variance))
        return half, half
    spread = float(np.sqrt(model.variance * readers.variance))
    rho = shared / spread if spread > 0 else 0.0
    (low, high), (least, most) = (fisher_bounds(side, alpha) for side in sides)
    down = _combined(model.value - low, most - readers.value, rho)
    return down, _combined(high - model.value, readers.value - least, rho)


def _combined(a: Floats, b: Floats, rho: float) -> Floats:
    out: Floats = np.sqrt(np.maximum(a**2 + b**2 - 2 * rho * a * b, 0.0))
    return out


def _among_readers(panel: Panel) -> float | None:
    """Return the jackknife variance over readers, each in turn taken out of the panel as reader and from consensus."""
    means = []
    for reader in range(panel.readers.shape[1]):
        kept = np.delete(panel.readers, reader, axis=1)
        smaller = Panel(
            model=panel.model, readers=kept, patients=panel.patients, measure=panel.measure, consensus=panel.consensus
        )
        means.append(_on_all_cases(smaller))
    values = np.array(means)
    return _variance(values) if np.isfinite(values).all() else None


def _on_all_cases(panel: Panel) -> float:
    found = []
    for reader in range(panel.readers.shape[1]):
        rows = panel.faced(reader)
        others = panel.others(reader, rows)
        totals = [
            panel.measure.rows(answers, others).sum(axis=0)[None]
            for answers in (panel.model[rows], panel.readers[rows, reader])
        ]
        found.append(float(panel.measure.value(totals[0])[0] - panel.measure.value(totals[1])[0]))
    return float(np.mean(found))


def _variance(left: NDArray[np.float64]) -> float:
    """Return the jackknife variance of leave-one-out values."""
    return (len(left) - 1) / len(left) * float(np.sum((left - left.mean()) ** 2))


def _problem(panel: Panel, sides: tuple[Jackknife, Jackknife]) -> str | None:
    if not all(np.isfinite(side.value) for side in sides):
        return "the agreement of a reader cannot be computed: only one answer was given, or no case read by others"
    if not all(np.isfinite(side.left).all() for side in sides):
        return "an agreement rests on a single patient: without that one it cannot be computed"
    if panel.measure.bounded and max(side.value for side in sides) >= 1 - 1e-12:
        return "no interval: one side never disagrees with the consensus"
    return None
