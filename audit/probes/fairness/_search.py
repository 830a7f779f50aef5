"""The search for subgroups in which a model errs more often, on one half of the patients."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, pairwise
from typing import TYPE_CHECKING

import numpy as np

from audit.core import MISSING_LEVEL, Aside, Attribute, Scalar
from audit.probes._shared import aside_levels
from audit.probes._unanswered import Unanswered

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bools = NDArray[np.bool_]
    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

MIN_PATIENTS = 20
"""Patients that a subgroup and the rest must have, in each half and in the metric's own class."""
BEAM = 10
MOST_LEVELS = 6
THIRDS = 3
CHUNK, AT_ONCE = 128, 8
DISTINCT = 0.5


@dataclass(frozen=True, kw_only=True, eq=False)
class Part:
    """One level of one attribute.

    Args:
        attribute: The attribute's name.
        level: The level.
        members: (n,) bool over all cases.
    """

    attribute: str
    level: str
    members: Bools


@dataclass(frozen=True, kw_only=True, eq=False)
class Candidate:
    """A subgroup that was looked at: a level, or several levels of different attributes together.

    Args:
        parts: One to three levels.
        score: Gap on the searched half over its standard error were there no gap; below 0 the subgroup is worse off.
        gap: Its rate minus that of the rest on the searched half; found by searching, so no estimate of anything.
        n: Cases of the metric's class on the searched half.
        n_patients: Patients of these.
    """

    parts: tuple[Part, ...]
    score: float
    gap: float
    n: int
    n_patients: int

    @property
    def members(self) -> Bools:
        """(n,) bool over all cases."""
        out: Bools = np.logical_and.reduce([part.members for part in self.parts])
        return out

    @property
    def subgroup(self) -> dict[str, Scalar]:
        """The `subgroup` of measurements."""
        return {part.attribute: part.level for part in self.parts}

    @property
    def name(self) -> str:
        """The subgroup in words."""
        return " and ".join(f"{part.attribute} = {part.level}" for part in self.parts)


def parts_of(attributes: Sequence[Attribute]) -> tuple[Part, ...]:
    """Return every level of every attribute; a number without declared bins is cut into thirds of the cases."""
    return tuple(part for attribute in attributes for part in _levels(attribute))


def _levels(attribute: Attribute) -> Iterator[Part]:
    labels = _thirds(attribute) if _is_continuous(attribute) else attribute.levels
    for name in dict.fromkeys(sorted(str(v) for v in labels)):
        yield Part(attribute=attribute.name, level=name, members=labels == name)


def _is_continuous(attribute: Attribute) -> bool:
    known = attribute.levels[attribute.levels != MISSING_LEVEL]
    return attribute.numbers is not None and not attribute.spec.bins and len(np.unique(known)) > MOST_LEVELS


def _thirds(attribute: Attribute) -> NDArray[np.str_]:
    numbers = np.asarray(attribute.numbers, dtype=np.float64)
    known = np.isfinite(numbers)
    cuts = np.unique(np.quantile(numbers[known], np.linspace(0, 1, THIRDS + 1)[1:-1]))
    ends = [numbers[known].min(), *cuts, numbers[known].max()]
    names = [f"[{a:g}, {b:g}{']' if i == len(cuts) else ')'}" for i, (a, b) in enumerate(pairwise(ends))]
    found = np.array([MISSING_LEVEL] * len(numbers), dtype=f"<U{max(len(n) for n in (*names, MISSING_LEVEL))}")
    found[known] = np.array(names)[np.searchsorted(cuts, numbers[known], side="right")]
    return found


def halves(labels: Bools, patients: Ints, rng: np.random.Generator) -> Bools:
    """Return (n,) True for the cases of the patients to search in: a random half of those with and without a positive.

    Args:
        labels: (n,) True for positive cases.
        patients: (n,) patient codes.
        rng: Draws the half.
    """
    ids, code = np.unique(patients, return_inverse=True)
    ill = np.bincount(code.reshape(-1), weights=labels, minlength=len(ids)) > 0
    searched = np.zeros(len(ids), dtype=bool)
    for kind in (ill, ~ill):
        drawn = rng.permutation(np.flatnonzero(kind))
        searched[drawn[: (len(drawn) + 1) // 2]] = True
    out: Bools = searched[code.reshape(-1)]
    return out


def whole(attribute: Attribute, gone: Unanswered, aside: Aside | None) -> Attribute:
    """Return an attribute of all cases of known target: those of the cohort, then those that were set aside."""
    if not gone.known.any():
        return attribute
    there = None if aside is None else aside.attributes.get(attribute.name)
    numbers = None
    if attribute.numbers is not None:
        more = np.nan if there is None or there.numbers is None else there.numbers[gone.known]
        numbers = gone.with_known(attribute.numbers, more)
    levels = np.concatenate([attribute.levels, aside_levels(attribute, aside)[gone.known]])
    return replace(attribute, levels=levels, numbers=numbers)


def not_searched(
    attributes: Sequence[Attribute], rows: Bools, searched: Bools, patients: Ints
) -> Iterator[tuple[str, str, Bools]]:
    """Give attribute, level and members (n,) of each single level that is too small to be searched.

    Which ones these are depends on numbers of patients alone. A level of all cases has nobody to be compared with.
    """
    for attribute in attributes:
        parts = tuple(_levels(attribute))
        for part in parts if len(parts) > 1 else ():
            sizes = [int(np.unique(patients[rows & part.members & half]).size) for half in (searched, ~searched)]
            if min(sizes) < MIN_PATIENTS:
                yield part.attribute, part.level, part.members
        if not _is_continuous(attribute):
            present = {part.level for part in parts}
            for name in attribute.level_names():
                if name not in present:
                    yield attribute.name, name, np.zeros(len(rows), dtype=bool)


class Search:
    """Looks at subgroups of the cases of one class, and scores them on the searched half alone.

    Which subgroups are large enough depends on the numbers of patients in both halves, never on what the model said
    of the half that is kept for confirmation.

    Args:
        parts: Levels to combine.
        hits: (n,) True where the model is right.
        rows: (n,) True for the cases of the metric's class.
        searched: (n,) True for the half to search in.
        patients: (n,) patient codes.
    """

    def __init__(self, parts: Sequence[Part], hits: Bools, rows: Bools, searched: Bools, patients: Ints) -> None:
        self._parts = parts
        self._halves = []
        for half in (searched, ~searched):
            index = np.flatnonzero(rows & half)
            # Cases of a patient in a row, so that sums by patient are sums of neighbours.
            self._halves.append(index[np.argsort(patients[index], kind="stable")])
        self._starts = [np.unique(patients[index], return_index=True)[1] for index in self._halves]
        rows_here = np.concatenate(self._halves)
        self._members = [part.members[rows_here] for part in parts]
        here = hits[self._halves[0]].astype(np.float64)
        self._residual = here - here.mean() if len(here) else here
        self._seen: set[bytes] = set()
        self.searched = 0

    def run(self) -> list[Candidate]:
        """Return every subgroup that was looked at, the weakest first.

        All levels and all pairs of levels of two attributes; then a third level added to each of the ten weakest.
        """
        index = range(len(self._parts))
        found = self._score([(i,) for i in index])
        pairs = self._score([pair for pair in combinations(index, 2) if self._apart(pair)])
        beam = sorted(pairs, key=_weakest)[:BEAM]
        position = {id(part): i for i, part in enumerate(self._parts)}
        held = [tuple(position[id(part)] for part in candidate.parts) for candidate in beam]
        triples = dict.fromkeys(tuple(sorted((*pair, i))) for pair in held for i in index if self._apart((*pair, i)))
        return sorted([*found, *pairs, *self._score(list(triples))], key=_weakest)

    def _apart(self, group: tuple[int, ...]) -> bool:
        return len({self._parts[i].attribute for i in group}) == len(group)

    def _score(self, groups: Sequence[tuple[int, ...]]) -> list[Candidate]:
        if not all(len(index) for index in self._halves):
            return []
        found: list[Candidate] = []
        for start in range(0, len(groups), CHUNK):
            found += self._chunk(groups[start : start + CHUNK])
        self.searched += len(found)
        return found

    def _chunk(self, groups: Sequence[tuple[int, ...]]) -> Iterator[Candidate]:
        members = np.stack([np.logical_and.reduce([self._members[i] for i in group]) for group in groups], axis=1)
        first = len(self._halves[0])
        large = np.ones(len(groups), dtype=bool)
        for inside, starts in zip((members[:first], members[first:]), self._starts, strict=True):
            for side in (inside, ~inside):
                large &= np.logical_or.reduceat(side, starts, axis=0).sum(axis=0) >= MIN_PATIENTS
        large &= self._new(members)
        for at, score, gap in zip(np.flatnonzero(large).tolist(), *self._scores(members[:first, large]), strict=True):
            own = members[:first, at]
            yield Candidate(
                parts=tuple(self._parts[i] for i in groups[at]), score=float(score), gap=float(gap), n=int(own.sum()),
                n_patients=int(np.logical_or.reduceat(own, self._starts[0]).sum()),
            )  # fmt: skip

    def _new(self, members: Bools) -> Bools:
        """Return which subgroups are not the same cases as one seen before, and remember them."""
        out = np.zeros(members.shape[1], dtype=bool)
        for at in range(members.shape[1]):
            key = hashlib.sha256(np.packbits(members[:, at]).tobytes()).digest()
            out[at] = key not in self._seen
            self._seen.add(key)
        return out

    def _scores(self, members: Bools) -> tuple[Floats, Floats]:
        """Return the gap of each subgroup and its score: the gap over its standard error between patients."""
        by_patient = np.empty((len(self._starts[0]), members.shape[1]))
        # A few subgroups at a time: all of them as numbers would take many times the room that they take as flags.
        for some in np.array_split(np.arange(members.shape[1]), max(1, members.shape[1] // AT_ONCE)):
            inside = members[:, some].astype(np.float64)
            n = inside.sum(axis=0)
            share = inside / n - (1 - inside) / (len(inside) - n)
            by_patient[:, some] = np.add.reduceat(self._residual[:, None] * share, self._starts[0], axis=0)
        gap, error = by_patient.sum(axis=0), np.sqrt((by_patient**2).sum(axis=0))
        return np.divide(gap, error, out=np.zeros_like(gap), where=error > 0), gap


def _weakest(candidate: Candidate) -> tuple[float, int, str]:
    # Where nothing tells them apart the larger subgroup comes first, then the name, so that a seed gives one order.
    return candidate.score, -candidate.n_patients, candidate.name


def distinct(candidates: Sequence[Candidate], rows: Bools, most: int) -> list[Candidate]:
    """Return the weakest subgroups of which none holds most of the cases of another.

    Args:
        candidates: The weakest first.
        rows: (n,) the cases on which they are compared.
        most: Number of subgroups at most.

    Returns:
        The first in any case; further ones only where the subgroup is worse off than the rest.
    """
    kept: list[Candidate] = []
    for candidate in candidates:
        if len(kept) == most or (kept and candidate.score >= 0):
            break
        own = candidate.members & rows
        if all(_overlap(own, other.members & rows) <= DISTINCT for other in kept):
            kept.append(candidate)
    return kept


def _overlap(one: Bools, two: Bools) -> float:
    # Over the smaller one: a part of a weak subgroup, or what contains it, is weak for that reason and tells no more.
    return float((one & two).sum()) / max(1, min(int(one.sum()), int(two.sum())))
