"""The intended population: shares of the levels of attributes, in audit.toml or in a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from audit.config._crosscheck import table
from audit.config._faults import did_you_mean, listed, one_line, shown, unknown
from audit.errors import AuditError, ConfigError

Population = Mapping[str, Mapping[str, float]]
TOLERANCE = 0.01
_COLUMNS = ("attribute", "level", "share")
_WHERE = "intended_use.population"


def population_of(raw: Mapping[str, Any], root: Path, faults: list[AuditError]) -> Population:
    """Return the declared population by attribute and level; what is wrong with it is added to the faults.

    Args:
        raw: audit.toml as TOML gives it.
        root: The folder of audit.toml.
        faults: Is added to.
    """
    declared = table(raw, "intended_use").get("population")
    found: list[AuditError] = []
    if isinstance(declared, str) and declared:
        population = _read(root / declared, declared, found)
    else:
        population = _inline(declared)
    found += population_faults(population, table(raw, "cohort", "attributes"))
    faults += found
    return {} if found else population


def population_faults(population: Population, attributes: Iterable[str]) -> list[ConfigError]:
    """Return what is wrong between a population and the attributes of a cohort.

    Args:
        population: By attribute and level, a share.
        attributes: Names of the declared attributes.
    """
    names = list(attributes)
    faults = []
    for name, shares in population.items():
        if name not in names:
            faults.append(unknown(_WHERE, name, names, noun="attribute"))
        bad = {level: share for level, share in shares.items() if not 0 <= share <= 1}
        total = sum(shares.values())
        if bad or not abs(total - 1) <= TOLERANCE:
            faults.append(
                ConfigError(
                    f"{_WHERE}.{one_line(name)}: shares that do not add up",
                    expected="shares from 0 to 1 that sum to 1",
                    got=f"{total:.4g} in all" if not bad else shown(bad),
                    fix="name every level, the rare ones, too",
                )
            )
    return faults


def _inline(declared: Any) -> Population:
    if not isinstance(declared, Mapping) or not all(isinstance(v, Mapping) for v in declared.values()):
        return {}
    numbers = [s for v in declared.values() for s in v.values()]
    if not all(isinstance(s, (int, float)) and not isinstance(s, bool) for s in numbers):
        return {}
    return {str(k): {str(level): float(s) for level, s in v.items()} for k, v in declared.items()}


def _read(path: Path, named: str, faults: list[AuditError]) -> Population:
    from audit.cohorts import read_table
    from audit.config._check import absent_file, is_file

    if not is_file(path):
        faults.append(absent_file(f"{_WHERE}: no such file '{one_line(named)}'", path, "a CSV file"))
        return {}
    try:
        cells = read_table(path)
    except AuditError as error:
        faults.append(error)
        return {}
    absent = [c for c in _COLUMNS if c not in cells.columns]
    faults += [_no_column(c, cells.columns, named) for c in absent]
    return {} if absent else _shares(cells, named, faults)


def _no_column(column: str, there: Sequence[str], named: str) -> ConfigError:
    return ConfigError(
        f"{_WHERE}: no column '{column}' in {one_line(named)}", expected="attribute, level and share",
        got=listed(there), fix=did_you_mean(column, there, "name the three columns so"),
    )  # fmt: skip


def _shares(cells: Any, named: str, faults: list[AuditError]) -> Population:
    from audit.cohorts import as_numbers

    shares = as_numbers(cells["share"])
    population: dict[str, dict[str, float]] = {}
    for row, (name, level, share) in enumerate(zip(cells["attribute"], cells["level"], shares, strict=True)):
        problem = ""
        if not (name and level) or not 0 <= share <= 1:
            problem = f"row {row} has no attribute, no level or no share from 0 to 1"
        elif str(level) in population.get(str(name), {}):
            problem = f"row {row} names a level twice"
        if problem:
            faults.append(
                ConfigError(
                    f"{_WHERE}: {one_line(named)}: {problem}",
                    expected="attribute, level, share from 0 to 1",
                    got=shown([str(name), str(level), str(cells["share"][row])]),
                    fix="correct the row",
                )
            )
            continue
        population.setdefault(str(name), {})[str(level)] = float(share)
    return population
