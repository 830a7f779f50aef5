"""The user's own lists, read with distrust: hazards, and anomalies of software that others made."""

from __future__ import annotations

import csv
import io
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audit.errors import InputError

_MOST_BYTES, _MOST_ROWS, _MOST_TEXT = 2_000_000, 5_000, 4_000


@dataclass(frozen=True, kw_only=True)
class Hazard:
    """One line of the manufacturer's hazard list.

    Args:
        id: Its name there.
        hazard: What may go wrong.
        situation: The sequence of events that leads to harm.
        harm: What harm.
        severity: As the manufacturer states it; never ours.
        control: What is meant to prevent it.
        rules: Ids of the rules that verify the control.
    """

    id: str
    hazard: str
    situation: str = ""
    harm: str = ""
    severity: str = ""
    control: str = ""
    rules: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Anomaly:
    """A known fault of software that somebody else made.

    Args:
        package: Its name.
        version: In which version.
        anomaly: What is wrong.
        assessment: What it means for this use, as the manufacturer states it.
        reference: Where it is listed.
    """

    package: str
    anomaly: str
    version: str = ""
    assessment: str = ""
    reference: str = ""


def read_hazards(path: Path) -> tuple[Hazard, ...]:
    """Return hazards from a CSV, or from `[[hazard]]` tables of a TOML file.

    Raises:
        InputError: The file cannot be read, a column is unknown or absent, or an id stands twice.
    """
    rows = _rows(path, "hazard", ("id", "hazard"), ("situation", "harm", "severity", "control", "rules"))
    hazards = tuple(Hazard(**{**r, "rules": _listed(r.get("rules", ""))}) for r in rows)
    ids = [h.id for h in hazards]
    twice = sorted({i for i in ids if ids.count(i) > 1})
    if twice:
        raise InputError(f"{path.name}: hazards share an id", expected="an id each", got=", ".join(twice[:5]))
    return hazards


def read_anomalies(path: Path) -> tuple[Anomaly, ...]:
    """Return anomalies from a CSV, or from `[[anomaly]]` tables of a TOML file.

    Raises:
        InputError: The file cannot be read, or a column is unknown or absent.
    """
    rows = _rows(path, "anomaly", ("package", "anomaly"), ("version", "assessment", "reference"))
    return tuple(Anomaly(**{k: str(v) for k, v in r.items()}) for r in rows)


def _listed(value: Any) -> tuple[str, ...]:
    words = value.replace(",", ";").split(";") if isinstance(value, str) else [str(v) for v in value]
    return tuple(dict.fromkeys(w.strip() for w in words if w.strip()))


def _rows(path: Path, table: str, needed: Sequence[str], more: Sequence[str]) -> list[dict[str, Any]]:
    try:
        size = path.stat().st_size
        data = path.read_bytes() if size <= _MOST_BYTES else b""
        text = data.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path.name} cannot be read", expected="a CSV or TOML file in UTF-8", got=str(error)[:80],
            fix="name the file, or save it as UTF-8",
        ) from error  # fmt: skip
    if size > _MOST_BYTES:
        raise InputError(f"{path.name} is too large", expected=f"at most {_MOST_BYTES:,} bytes", got=f"{size:,}")
    found = _toml(path, text, table) if path.suffix.lower() == ".toml" else _csv(path, text)
    if len(found) > _MOST_ROWS:
        raise InputError(f"{path.name} is too long", expected=f"at most {_MOST_ROWS:,} rows", got=f"{len(found):,}")
    return [_checked(path, i, row, needed, more) for i, row in enumerate(found, 1)]


def _toml(path: Path, text: str, table: str) -> list[Mapping[str, Any]]:
    try:
        values = tomllib.loads(text).get(table, [])
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InputError(f"{path.name} cannot be read", expected="TOML", got=str(error)[:80]) from error
    if not isinstance(values, list) or not values or not all(isinstance(v, dict) for v in values):
        raise InputError(f"{path.name} has no [[{table}]]", expected=f"one [[{table}]] a line", got="none")
    return values


def _csv(path: Path, text: str) -> list[Mapping[str, Any]]:
    try:
        reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        rows: list[Mapping[str, Any]] = [dict(row) for row in reader]
    except csv.Error as error:
        raise InputError(f"{path.name} cannot be read", expected="a CSV file", got=str(error)[:80]) from error
    if not rows:
        raise InputError(f"{path.name} has no rows", expected="a header and a row each", got="none")
    return rows


def _checked(
    path: Path, number: int, row: Mapping[str, Any], needed: Sequence[str], more: Sequence[str]
) -> dict[str, Any]:  # fmt: skip
    # A CSV row that is longer than its header has the rest under None, a shorter one has None for a value.
    unknown = [str(k) for k in row if k not in (*needed, *more)]
    if unknown or any(v is None for v in row.values()):
        raise InputError(
            f"{path.name}, row {number}: other columns than expected", expected=", ".join((*needed, *more)),
            got=", ".join(u[:40] for u in unknown[:5]) or "fewer cells than the header",
        )  # fmt: skip
    out = {k: tuple(map(_clean, v)) if isinstance(v, list) else _clean(v) for k, v in row.items()}
    empty = [k for k in needed if not out.get(k)]
    if empty:
        raise InputError(
            f"{path.name}, row {number}: empty", expected=f"a value in {', '.join(empty)}", got="none",
            fix="fill it in, or take the row out",
        )  # fmt: skip
    return out


def _clean(value: Any) -> str:
    """Return a text on one line, without control characters and of bounded length."""
    text = " ".join("".join(c if c.isprintable() else " " for c in str(value)).split())
    return text[:_MOST_TEXT]
