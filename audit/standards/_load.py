"""The files of this folder, typed and held to their own rules."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Literal, get_args

from audit.errors import InputError, InternalError

ClauseStatus = Literal["automatic", "needs author", "not covered"]
Checked = Literal["page", "know"]


@dataclass(frozen=True, kw_only=True)
class Clause:
    """One clause, item or principle.

    Args:
        id: As the source numbers it.
        asks: What it asks for, in our words.
        status: "automatic": the tool makes evidence relevant to it by itself; "needs author": a person must add to it;
            "not covered": this tool has nothing on it.
        checked: "page": an excerpt of a public page was read; "know": from general knowledge, to be checked against the
            source.
        probes: Codes or globs of probes whose results are evidence.
        documents: Ids of documents of the pack that are evidence.
        author: What a person must add, or why there is nothing.
    """

    id: str
    asks: str
    status: ClauseStatus
    checked: Checked
    probes: tuple[str, ...] = ()
    documents: tuple[str, ...] = ()
    author: str = ""

    def __post_init__(self) -> None:
        held = bool(self.probes or self.documents)
        if self.status == "automatic" and not held:
            raise ValueError(f"{self.id}: automatic, but no probe and no document is named as evidence")
        if self.status == "not covered" and held:
            raise ValueError(f"{self.id}: not covered, but evidence is named")
        if self.status != "automatic" and not self.author:
            raise ValueError(f"{self.id}: {self.status}, but nothing says what is missing")
        if not self.asks:
            raise ValueError(f"{self.id}: nothing says what it asks for")


@dataclass(frozen=True, kw_only=True)
class Standard:
    """A regulation, standard or guideline.

    Args:
        name: Short name, that of its file.
        title: Full title.
        source: Where it was published.
        date: When, as exactly as known.
        version: Version of this crosswalk, counted up whenever a clause changes.
        compiled: When this crosswalk was made.
        remark: What a reader must know of it, for example that it is a draft.
        clauses: In the order of the source.
    """

    name: str
    title: str
    source: str
    date: str
    version: int
    compiled: str
    clauses: tuple[Clause, ...]
    remark: str = ""

    def __post_init__(self) -> None:
        ids = [c.id for c in self.clauses]
        if len(set(ids)) != len(ids):
            raise ValueError(f"{self.name}: a clause is there twice")


def standard_names() -> tuple[str, ...]:
    """Return the names of the standards that this version has, in alphabetical order."""
    return tuple(sorted(f.name.removesuffix(".toml") for f in files("audit.standards").iterdir() if _is_data(f.name)))


def load_standards(names: Sequence[str] = ()) -> tuple[Standard, ...]:
    """Return standards by name, all of them where none is named.

    Raises:
        InputError: There is no standard of a name.
    """
    known = standard_names()
    for name in names:
        if name not in known:
            raise InputError(
                f"unknown standard '{name}'", expected=", ".join(known), got=f"'{name}'", fix="choose one of them"
            )
    return tuple(_load(name) for name in dict.fromkeys(names or known))


def _is_data(name: str) -> bool:
    return name.endswith(".toml")


def _load(name: str) -> Standard:
    text = (files("audit.standards") / f"{name}.toml").read_text(encoding="utf-8")
    try:
        return standard(name, tomllib.loads(text))
    except (tomllib.TOMLDecodeError, ValueError, TypeError, KeyError) as error:
        raise InternalError(f"the crosswalk '{name}' does not hold together: {error}") from error


def standard(name: str, values: Mapping[str, Any]) -> Standard:
    """Return one standard from the content of its file.

    Raises:
        ValueError: A status, a source or evidence does not fit.
        TypeError: A key is unknown or absent.
    """
    head = {k: v for k, v in values.items() if k != "clause"}
    return Standard(name=name, clauses=tuple(_clause(c) for c in values["clause"]), **head)


def _clause(values: Mapping[str, Any]) -> Clause:
    for key, allowed in (("status", get_args(ClauseStatus)), ("checked", get_args(Checked))):
        if values.get(key) not in allowed:
            raise ValueError(f"{values.get('id')}: {key}: expected one of {allowed}, got {values.get(key)!r}")
    lists = {k: tuple(values.get(k, ())) for k in ("probes", "documents")}
    return Clause(**{**values, **lists})
