"""The rows of localisation: of sound methods against all controls, of the controls, and of the lesions themselves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from audit.core import Direction, Estimate, Measurement, ProbeContext, Scalar
from audit.explain import CONTROLS, advantage, controls_of, plain_name, region_name, stands, untrained_control
from audit.probes.explanation._advantages import NO_BLANK, NO_MAP
from audit.probes.explanation._collect import has_blank
from audit.probes.explanation._localise import TRUTH, Localised
from audit.probes.explanation._maps import Explainer
from audit.probes.explanation._qualify import Qualified
from audit.stats import froc_sensitivity, mean, median, proportion

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SHARE, _DIFFERENCE = (0.0, 1.0), (-1.0, 1.0)
_OF_CONTROLS = 400
HEADLINES = ("localisation_advantage", "froc_area", "pointing_game", "relevance_mass")


@dataclass(frozen=True, kw_only=True, eq=False)
class Rows:
    """Makes the measurements of one run.

    Args:
        ctx: The probe's context.
        make: Knows the methods and why one has no map.
        found: Where maps point.
        sound: Which methods may be believed on this model.
    """

    ctx: ProbeContext
    make: Explainer
    found: Localised
    sound: Qualified
    every: NDArray[np.int64] = field(init=False)
    patients: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "every", np.arange(len(self.found.cases)))
        object.__setattr__(self, "patients", self.ctx.cohort.patients[np.array(self.found.cases)])

    @cached_property
    def correct(self) -> NDArray[np.int64] | None:
        """Rows of the cases that the model found; None for a task without decisions."""
        if any(right is None for right in self.found.correct):
            return None
        return np.flatnonzero(np.array(self.found.correct, dtype=bool))

    @cached_property
    def scores(self) -> dict[str, dict[str, NDArray[np.float64]]]:
        """(n,) by advantage and map."""
        names = self.found.complete()
        return {
            "localisation_advantage": self.found.found(),
            "pointing_advantage": {name: self.found.pointed(name).astype(np.float64) for name in names},
            "mass_advantage": {name: np.array(self.found.mass[name]) for name in names},
        }

    @cached_property
    def told(self) -> Estimate:
        """Advantage of the lesion masks themselves, taken as maps, over the controls."""
        return self._advantage("localisation_advantage", TRUTH, self.every)

    def all(self) -> Iterator[Measurement]:
        """Yield every row."""
        for method in self.make.methods:
            reason = self._why_not(method)
            if reason:
                for metric in HEADLINES:
                    yield self._row(metric, method, self._absent(reason))
            else:
                yield from self._of(method)
        yield from self._controls()
        yield self._row("selftest_localisation", TRUTH, self.told)

    def _why_not(self, method: str) -> str:
        if method in self.make.refused:
            return self.make.refused[method]
        if method not in self.sound:
            return f"not qualified: {self.sound.reasons.get(method, NO_MAP)}"
        if method not in self.found.complete():
            return NO_MAP
        if has_blank(self.make, method) and untrained_control(method) not in self.found.complete():
            return NO_BLANK
        if not stands(self.told, self.ctx.levels):
            return "even the lesion masks themselves are not shown to stand out from the controls, so no map could be"
        return ""

    def _of(self, method: str) -> Iterator[Measurement]:
        where = self._where(method)
        for metric in self.scores:
            said = f"relevance {where}" if metric == "localisation_advantage" else None
            yield self._row(metric, method, self._advantage(metric, method, self.every), stratum=said)
        yield from self._levels(method, self.every, "")
        yield self._distance(method)
        yield from self._region(method)
        if self.correct is not None:
            estimate = self._advantage("localisation_advantage", method, self.correct)
            yield self._row("localisation_advantage_when_correct", method, estimate)
            yield from self._levels(method, self.correct, "_when_correct")

    def _levels(self, method: str, rows: NDArray[np.int64], ending: str) -> Iterator[Measurement]:
        yield self._row(f"froc_area{ending}", method, self._froc(method, rows, self.ctx.budget.resamples))
        yield self._row(f"pointing_game{ending}", method, self._pointing(method, rows))
        yield self._row(f"relevance_mass{ending}", method, self._mass(method, rows))

    def _controls(self) -> Iterator[Measurement]:
        chance, levels = self.found.chance, self.ctx.levels
        pointed, mass = np.array([c.pointed for c in chance]), np.array([c.mass for c in chance])
        yield self._row("control_pointing_game", "chance", mean(pointed, self.patients, levels, support=_SHARE))
        yield self._row("control_relevance_mass", "chance", mean(mass, self.patients, levels, support=_SHARE))
        for name in CONTROLS:
            resamples = min(_OF_CONTROLS, self.ctx.budget.resamples)
            yield self._row("control_froc_area", name, self._froc(name, self.every, resamples))
            yield self._row("control_pointing_game", name, self._pointing(name, self.every))
            yield self._row("control_relevance_mass", name, self._mass(name, self.every))

    def _advantage(self, metric: str, name: str, rows: NDArray[np.int64]) -> Estimate:
        scores = self.scores[metric]
        pairs = {control: scores[control][rows] for control in controls_of(name, scores)}
        own = scores[name][rows]
        known = np.isfinite(np.stack([own, *pairs.values()])).all(axis=0)
        if 2 * int(known.sum()) < rows.size or not known.any():
            return self._absent("most maps have nothing that speaks for the finding", int(known.sum()))
        estimate, _ = advantage(
            own[known], {c: v[known] for c, v in pairs.items()}, self.patients[rows][known], self.ctx.levels,
            lower_is_better=False, support=_DIFFERENCE,
        )  # fmt: skip
        return estimate

    def _froc(self, name: str, rows: NDArray[np.int64], resamples: int) -> Estimate:
        marks = self.found.marks(name, rows) if rows.size else None
        if marks is None:
            return self._absent("no case", 0)
        return froc_sensitivity(marks, self.patients[rows], self.ctx.levels, self.ctx.rng, resamples=resamples)

    def _pointing(self, name: str, rows: NDArray[np.int64]) -> Estimate:
        return proportion(self.found.pointed(name)[rows], self.patients[rows], self.ctx.levels)

    def _mass(self, name: str, rows: NDArray[np.int64]) -> Estimate:
        values = np.array(self.found.mass[name])[rows]
        known = np.isfinite(values)
        if 2 * int(known.sum()) < rows.size or not known.any():
            return self._absent("most maps have nothing that speaks for the finding", int(known.sum()))
        return mean(values[known], self.patients[rows][known], self.ctx.levels, support=_SHARE)

    def _distance(self, method: str) -> Measurement:
        far = [m.distance for m in self.found.marked[method]]
        known = np.array([d is not None for d in far], dtype=bool)
        values = np.array([d for d in far if d is not None], dtype=np.float64)
        if 2 * values.size < len(far) or not values.size:
            estimate = self._absent("most maps have no peak", values.size)
        else:
            estimate = median(values, self.patients[known], self.ctx.levels, support=(0.0, None))
        return self._row("relevance_distance", method, estimate, unit=self.found.on.unit)

    def _region(self, method: str) -> Iterator[Measurement]:
        place = self.found.place(method)
        if place is None:
            return
        cell, _ = place
        cells = self.found.cells[method]
        known = np.array([c is not None for c in cells], dtype=bool)
        values = np.array([c[cell] for c in cells if c is not None], dtype=np.float64)
        estimate = mean(np.clip(values, 0, 1), self.patients[known], self.ctx.levels, support=_SHARE)
        yield self._row("relevance_in_region", method, estimate, stratum=region_name(cell))

    def _where(self, method: str) -> str:
        """Return where most of the relevance lies, in words for a finding."""
        place, found = self.found.place(method), self.found
        far = [m.distance for m in found.marked[method] if m.distance is not None]
        if place is None or not far:
            return "nowhere: the maps have no peak"
        cell, share = place
        middle = float(np.median(far))
        if middle <= found.on.radius:
            return "on the lesion"
        return (
            f"at the {region_name(cell)} ({100 * share:.0f} % of it), highest {middle:.3g} {found.on.unit} from the "
            "lesion, see CONF005"
        )

    def _absent(self, reason: str, n: int | None = None) -> Estimate:
        count = len(self.found.cases) if n is None else n
        patients = int(np.unique(self.patients).size)
        return Estimate.absent(reason, method="none", n=count, n_patients=min(count, patients))

    def _row(self, metric: str, name: str, estimate: Estimate, *, unit: str = "", **condition: Scalar) -> Measurement:
        direction: Direction = "higher"
        if metric == "relevance_distance":
            direction = "lower"
        elif metric.startswith("control_") or metric == "relevance_in_region":
            direction = "none"
        return Measurement.of(
            estimate, metric=metric, level=self.ctx.levels.confidence, direction=direction, unit=unit,
            condition={
                "attribution": plain_name(name), "parameter": self.found.on.words,
                **{key: value for key, value in condition.items() if value is not None},
            },
        )  # fmt: skip
