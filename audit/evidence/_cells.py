"""Which cells are too small to be shared, and which others would give them away by subtraction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from audit.core import COUNT, Evidence, Measurement

Counts = tuple[int, ...]
Cell = tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Hidden:
    """What is not shared.

    Args:
        least: Fewest patients of a cell that is shared.
        levels: Levels by attribute, whose every number is hidden.
        crossed: Cells of attributes that meet, by the names of the attributes.
    """

    least: int
    levels: Mapping[str, frozenset[str]]
    crossed: Mapping[Cell, frozenset[Cell]]

    def small(self, n: float) -> bool:
        """Tell whether a count of patients is one that must not be shared."""
        return 0 < n < self.least

    def covers(self, m: Measurement) -> bool:
        """Tell whether the subgroup of a measurement is hidden."""
        names = tuple(sorted(m.subgroup))
        cell = tuple(str(m.subgroup[name]) for name in names)
        if any(level in self.levels.get(name, ()) for name, level in zip(names, cell, strict=True)):
            return True
        if len(names) < 2 and str(m.condition.get("parameter", "")) in self.levels.get(
            str(m.condition.get("attribute", "")), ()
        ):
            return True
        return cell in self.crossed.get(names, ())


def hidden_cells(evidence: Evidence, least: int) -> Hidden:
    """Return what must not be shared where no cell may have fewer than `least` patients.

    A level counts as small where any of its denominators is: its patients, its positive or its negative cases, the
    rest. Then the smallest other levels join it until there are two and together they are `least` patients or more, so
    that no subtraction from a total gives a cell away. In tables of two attributes every row and column is completed in
    the same way, and a cell that is still fixed by the margins is hidden with its row (Willenborg and de Waal 2001).

    Args:
        evidence: Everything that was measured.
        least: Fewest patients of a cell, 1 or more.
    """
    tables: dict[Cell, dict[Cell, list[int]]] = {}
    totals: dict[Cell, dict[Cell, Counts]] = {}
    for a in evidence.cohort.get("attributes") or ():
        for row in a.get("levels") or ():
            counts = _level_counts(row)
            key: Cell = (str(a["name"]),)
            tables.setdefault(key, {}).setdefault((str(row["level"]),), []).extend(counts)
            totals.setdefault(key, {})[(str(row["level"]),)] = counts
    for result in evidence.results:
        for m in result.measurements:
            if m.subgroup and m.n_patients:
                names = tuple(sorted(m.subgroup))
                cell = tuple(str(m.subgroup[name]) for name in names)
                found = tables.setdefault(names, {}).setdefault(cell, [])
                rest = m.condition.get("n_rest")
                found += [m.n_patients, *([int(rest)] if isinstance(rest, (int, float)) else [])]
    levels = {
        key[0]: frozenset(c[0] for c in _one_way(cells, totals.get(key, {}), least))
        for key, cells in tables.items()
        if len(key) == 1
    }
    crossed = {key: _crossed(key, cells, levels, least) for key, cells in tables.items() if len(key) > 1}
    return Hidden(least=least, levels=levels, crossed=crossed)


def _level_counts(row: Mapping[str, Any]) -> Counts:
    patients, n, positive = row.get("n_patients", row.get("n", 0)), row.get("n", 0), row.get("n_positive")
    return (int(patients),) if positive is None else (int(patients), int(positive), int(n) - int(positive))


def _one_way(cells: Mapping[Cell, Sequence[int]], totals: Mapping[Cell, Counts], least: int) -> set[Cell]:
    gone = {cell for cell, counts in cells.items() if min(counts) < least}
    left = sorted((c for c in cells if c not in gone), key=lambda c: (min(cells[c]), c))
    while gone and left and not _safe(gone, cells, totals, least):
        gone.add(left.pop(0))
    return gone


def _safe(gone: Iterable[Cell], cells: Mapping[Cell, Sequence[int]], totals: Mapping[Cell, Counts], least: int) -> bool:
    """Tell whether hidden cells cannot be told apart, and are no small group together either."""
    members = list(gone)
    rows = [totals.get(c) or (max(cells[c]),) for c in members]
    width = min(len(row) for row in rows)
    return len(members) > 1 and all(sum(row[i] for row in rows) >= least for i in range(width))


def _crossed(
    names: Cell, cells: Mapping[Cell, Sequence[int]], levels: Mapping[str, frozenset[str]], least: int
) -> frozenset[Cell]:
    gone = {
        cell for cell, counts in cells.items()
        if min(counts) < least or any(v in levels.get(n, ()) for n, v in zip(names, cell, strict=True))
    }  # fmt: skip
    if len(names) > 2:
        # Beyond two attributes too many margins fix a cell.
        return frozenset(cells) if gone else frozenset()
    while True:
        before = len(gone)
        for axis in (0, 1):
            for level in {cell[axis] for cell in gone}:
                line = [c for c in cells if c[axis] == level]
                inside = gone.intersection(line)
                left = sorted((c for c in line if c not in inside), key=lambda c: (min(cells[c]), c))
                while left and not _safe(inside, cells, {}, least):
                    inside.add(left.pop(0))
                gone |= inside
        fixed = _fixed(gone)
        if fixed is not None:
            gone |= {c for c in cells if c[0] == fixed[0] or c[1] == fixed[1]}
        if len(gone) == before:
            return frozenset(gone)


def _fixed(gone: set[Cell]) -> Cell | None:
    """Return a hidden cell that the margins fix: one on no cycle of hidden cells that share a row or a column."""
    for cell in sorted(gone):
        others = gone - {cell}
        reached, front = {("row", cell[0])}, [("row", cell[0])]
        while front:
            kind, level = front.pop()
            axis = 0 if kind == "row" else 1
            for other in others:
                if other[axis] == level:
                    node = ("column", other[1]) if axis == 0 else ("row", other[0])
                    if node not in reached:
                        reached.add(node)
                        front.append(node)
        if ("column", cell[1]) not in reached:
            return cell
    return None


def hidden_numbers(evidence: Evidence, hidden: Hidden) -> frozenset[tuple[str, int]]:
    """Return the measurements that are not shared, as `(probe, index)`."""
    whole = int(evidence.cohort.get("n_patients") or 0)
    sizes = {
        (str(a["name"]), str(row["level"])): _level_counts(row)[0]
        for a in evidence.cohort.get("attributes") or () for row in a.get("levels") or ()
    }  # fmt: skip
    gone = set()
    for result in evidence.results:
        mine = list(enumerate(result.measurements))
        small = {i for i, m in mine if hidden.covers(m) or _small(m, hidden, _outer(m, sizes, whole))}
        groups: dict[tuple[Any, ...], list[tuple[int, Measurement]]] = {}
        for i, m in mine:
            groups.setdefault((m.metric, tuple(sorted(m.subgroup.items())), tuple(sorted(m.condition))), []).append(
                (i, m)
            )
        for group in groups.values():
            inside = [i for i, _ in group if i in small]
            left = sorted((m.n_patients, i) for i, m in group if i not in small)
            if len(inside) == 1 and len({m.n_patients for _, m in group}) > 1 and left:
                small.add(left[0][1])
        gone |= {(result.probe, i) for i in small}
    return frozenset(gone)


def _outer(m: Measurement, sizes: Mapping[tuple[str, str], int], whole: int) -> int:
    """Return the patients of the group that the number's own patients belong to, 0 where that is not known."""
    if not m.subgroup:
        return whole
    if len(m.subgroup) > 1:
        return 0
    ((name, level),) = m.subgroup.items()
    return sizes.get((name, str(level)), 0)


def _small(m: Measurement, hidden: Hidden, outer: int) -> bool:
    rest = m.condition.get("n_rest")
    counts = [float(m.n_patients), float(rest) if isinstance(rest, (int, float)) else 0.0]
    if outer and m.n_patients:
        # The few who are not in the number's own denominator are a cell, too.
        counts.append(abs(float(outer - m.n_patients)))
    if m.method == COUNT and m.k is not None:
        counts += [m.k, m.n - m.k]
    if m.metric.startswith("share_") and m.k is not None:
        counts.append(m.k)
    if m.method == COUNT and m.unit in ("patients", "cases") and m.value is not None:
        counts.append(m.value)
    return any(hidden.small(count) for count in counts)
