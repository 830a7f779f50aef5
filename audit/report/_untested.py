"""What an audit says nothing about, by reason: a run on saved predictions has forty such entries and five reasons."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from audit.core import Evidence, NotTested
from audit.report._numbers import whole
from audit.report._words import plural

# So few are read at a glance.
_FEW = 6
_IN_PLURAL = {
    "it needs ": "need ", "it looks at ": "look at ",
    "not selected, and no rule asks for it": "were not selected, and no rule asks for them",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One thing that was not tested.

    Args:
        what: Its name.
        why: The reason.
        code: The probe, where it is one and its name does not hold it.
        anchor: Where the report says more, empty where it does not.
    """

    what: str
    why: str
    code: str = ""
    anchor: str = ""


@dataclass(frozen=True, kw_only=True)
class Group:
    """Probes that have no result for one reason, or each for its own.

    Args:
        count: How many, as the line begins: "22" or "5 others".
        text: What they have in common, to be read after the count.
        entries: The probes.
        alike: Whether the reason is that of all of them.
    """

    count: str
    text: str
    entries: tuple[Entry, ...]
    alike: bool


@dataclass(frozen=True, kw_only=True)
class Untested:
    """What was not tested.

    Args:
        sentence: How many probes gave no result, empty where they are few.
        groups: Those, the largest first, empty where they are few.
        entries: What is always in sight: probes that ended in an error, what no probe asks, and all where they are few.
    """

    sentence: str
    groups: tuple[Group, ...]
    entries: tuple[Entry, ...]


def untested(evidence: Evidence, shown: Collection[str]) -> Untested:
    """Return what was not tested, in groups where it is much.

    Args:
        evidence: Everything that the audit found out.
        shown: Codes of the probes of which the report has an article.
    """
    in_sight = {"", *(r.probe for r in evidence.results if r.state == "error")}
    folded = [n for n in evidence.not_tested if n.probe not in in_sight]
    if len(folded) <= _FEW:
        return Untested(sentence="", groups=(), entries=tuple(_entry(n, shown) for n in evidence.not_tested))
    by_reason: dict[str, list[Entry]] = {}
    for n in folded:
        by_reason.setdefault(n.why, []).append(_entry(n, shown))
    many = sorted((e for e in by_reason.values() if len(e) > 1), key=len, reverse=True)
    groups = [Group(count=whole(len(e)), text=_text(e[0].why), entries=tuple(e), alike=True) for e in many]
    alone = tuple(e[0] for e in by_reason.values() if len(e) == 1)
    if alone:
        count = plural(len(alone), "other") if groups else whole(len(alone))
        groups.append(Group(count=count, text="each for a reason of its own", entries=alone, alike=False))
    done, failed = (sum(r.state == state for r in evidence.results) for state in ("completed", "error"))
    rest = (f"{whole(failed)} ended in an error, " if failed else "") + f"{whole(len(folded))} gave none:"
    return Untested(
        sentence=f"{plural(done, 'probe')} gave a result on this model and cohort, {rest}",
        groups=tuple(groups),
        entries=tuple(_entry(n, shown) for n in evidence.not_tested if n.probe in in_sight),
    )


def _entry(n: NotTested, shown: Collection[str]) -> Entry:
    return Entry(
        what=n.what, why=n.why, code=n.probe if n.probe and n.probe not in n.what else "",
        anchor=n.probe if n.probe in shown else "",
    )  # fmt: skip


def _text(why: str) -> str:
    for one, many in _IN_PLURAL.items():
        if why.startswith(one):
            return many + why.removeprefix(one)
    return f"because {why}"
