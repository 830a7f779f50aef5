"""`audit scores`: saved predictions to a report in one command."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from audit._cli.folders import relative
from audit._cli.outcome import print_outcome
from audit._cli.progress import shown_progress
from audit._cli.runs import again
from audit._cli.shell import say
from audit.errors import InputError

if TYPE_CHECKING:
    from audit.config.proposal import Offered
    from audit.core import Evidence, OutputKind, Profile
    from audit.session import Asked

_HEADLINE = ("auc", "sensitivity", "specificity", "mean_error", "mae")
_GAPS = ("sensitivity_gap", "specificity_gap")
_SHOWN, _WORST = 6, 2


@dataclass(frozen=True, kw_only=True)
class Words:
    """The options as they were typed; see `audit scores --help`."""

    target: str
    score: str
    patient: str | None = None
    attributes: str | None = None
    policy: Path | None = None
    positive: str | None = None
    classes: str | None = None
    output: OutputKind | None = None
    operating_point: float | None = None
    case: str | None = None

    def options(self) -> dict[str, object]:
        """Return the options that say what the columns are, as a command line has them."""
        return {
            "target": self.target, "score": self.score, "patient": self.patient, "case": self.case,
            "attributes": self.attributes, "positive": self.positive, "classes": self.classes, "output": self.output,
            "operating-point": self.operating_point,
        }  # fmt: skip


def score_file(
    path: Path, words: Words, out: Path | None, *, profile: Profile, seed: int, overwrite: bool, min_cell: int = 0
) -> int:  # fmt: skip
    """Audit the saved predictions of a file and return the verdict's exit code."""
    from audit import session

    folder = out or session.default_folder()
    with shown_progress() as progress:
        scored = session.score_table(
            path, _asked(path, words), policy=words.policy, profile=profile, seed=seed, out=folder,
            overwrite=overwrite, progress=progress, min_cell=min_cell,
            command=again("scores", path.name, **words.options(), profile=profile, seed=seed,
                          policy=None if words.policy is None else words.policy.name,
                          **({"min-cell": min_cell} if min_cell else {})),
        )  # fmt: skip
    code = print_outcome(scored.run, folder)
    for line in measured(scored.run):
        say(f"  measured  {line}")
    for hint in _hints(scored.offered, words):
        say(f"  hint      {hint}")
    if scored.proposed is not None:
        _say_next(path, words, scored.proposed)
    return code


def measured(evidence: Evidence) -> list[str]:
    """Return the headline numbers, and of the gaps between subgroups those that lie furthest below 0."""
    from audit.core import Measurement
    from audit.judge import interval, metric_words, patients, place

    def line(m: Measurement) -> str:
        where = place(m)
        return f"{metric_words(m.metric)}{f' ({where})' if where else ''}: {interval(m)}; {patients(m)}"

    performance, gaps = evidence.result("PERF001"), evidence.result("FAIR001")
    heads = [m for m in (performance.measurements if performance else ()) if m.metric in _HEADLINE]
    lower = [m for m in (gaps.measurements if gaps else ()) if m.metric in _GAPS and m.value is not None]
    worst = sorted(lower, key=lambda m: (m.value or 0.0, m.metric, str(dict(m.subgroup))))
    return [line(m) for m in (*heads[:_SHOWN], *(m for m in worst[:_WORST] if (m.value or 0.0) < 0))]


def _asked(path: Path, words: Words) -> Asked:
    from audit.session import Asked

    there = _columns(path)
    return Asked(
        target=words.target, scores=_columns_in(words.score, there, "--score"), patient=words.patient, case=words.case,
        attributes=_columns_in(words.attributes, there, "--attributes"), positive=_listed(words.positive),
        classes=_listed(words.classes), output=words.output, operating_point=words.operating_point,
    )  # fmt: skip


def _columns(path: Path) -> tuple[str, ...]:
    """Return the columns of a file, none where it cannot be read; what is wrong with it is said later."""
    from audit.cohorts import read_columns

    try:
        return read_columns(path)
    except InputError:
        return ()


def _columns_in(text: str | None, there: tuple[str, ...], option: str) -> tuple[str, ...]:
    """Return the columns that a text names; a column whose own name has a comma is one column."""
    if text is not None and text in there:
        return (text,)
    named = _listed(text)
    if text is not None and not named:
        raise InputError(f"{option} names no column", expected="a column, or several with commas", got=repr(text))
    return named


def _listed(text: str | None) -> tuple[str, ...]:
    return tuple(w for w in (part.strip() for part in (text or "").split(",")) if w)


def _hints(offered: Offered, words: Words) -> list[str]:
    """Return what could be said of columns that nobody named."""
    hints = []
    if words.patient is None and offered.patient is not None:
        hints.append(f"'{offered.patient}' looks like patients: --patient {shlex.quote(offered.patient)}")
    if offered.attributes:
        could = ",".join([*_listed(words.attributes), *offered.attributes])
        said = "no subgroup was looked at" if words.attributes is None else "more subgroups could be looked at"
        hints.append(f"{said}: --attributes {shlex.quote(could)}")
    return hints


def _say_next(path: Path, words: Words, proposed: Path) -> None:
    say(f"  policy    {relative(proposed)}: proposed, not applied. Its margins are what this cohort can show, not what")
    say("            is acceptable: set limits of your own, say why, and write blocking = true")
    assumed = {"operating-point": 0.5} if words.operating_point is None and words.output != "value" else {}
    options = {**words.options(), **assumed, "policy": relative(proposed)}
    say(f"  next      {again('scores', relative(path), **options)}")
