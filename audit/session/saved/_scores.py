"""One call from a table of saved predictions to a report."""

from __future__ import annotations

import csv
import tempfile
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audit.core import Cohort, OutputKind, Policy, Profile, digest
from audit.errors import InputError
from audit.session._folder import check_folder, default_folder
from audit.session.saved._asked import Asked
from audit.session.saved._read import Understood, understand

if TYPE_CHECKING:
    from audit.config.proposal import Offered
    from audit.execution import Progress
    from audit.session._run import Run

# How a missing value of numpy or pandas reads.
_ABSENT = {"nan", "<NA>", "NaT"}


@dataclass(frozen=True, kw_only=True)
class Scored:
    """A run on saved predictions and what lies beside it.

    Args:
        run: The evidence with its folder.
        proposed: The policy that was proposed, beside the run's folder; None where one was given.
        offered: Columns that nobody named.
    """

    run: Run
    proposed: Path | None
    offered: Offered


def scores(
    source: Any,
    *,
    target: str,
    score: str | Sequence[str],
    patient: str | None = None,
    case: str | None = None,
    attributes: Sequence[str] = (),
    positive: str | Sequence[str] = (),
    classes: Sequence[str] = (),
    output: OutputKind | None = None,
    operating_point: float | None = None,
    policy: Policy | Path | str | None = None,
    profile: Profile = "standard",
    seed: int = 1,
    out: Path | str | None = None,
    overwrite: bool = False,
    min_cell: int = 0,
) -> Run:
    """Audit saved predictions: `audit scores` from Python.

    Args:
        source: A CSV or Parquet file, or a table in memory: a DataFrame, or a mapping from column to values.
        target: Column of the reference standard.
        score: Column of scores; one a class for more than two classes.
        patient: Column of patients; without it every case counts as its own patient.
        case: Column of case ids; without it the row number.
        attributes: Columns that are audited as protected attributes.
        positive: Values of the target that count as positive.
        classes: Names of the classes, in the order of the scores.
        output: "probabilities", "logits" or "value"; by default probabilities.
        operating_point: Threshold on the probability scale; without one and without a policy 0.5 is assumed and said.
        policy: A policy or the path of policy.toml; without one a policy is proposed beside the run's folder and
            the verdict is INCONCLUSIVE.
        profile: smoke, standard or full.
        seed: Seed of the run.
        out: Folder of the run; audit-runs/<UTC time> by default.
        overwrite: Whether an earlier run in that folder is replaced.
        min_cell: Cells with fewer patients are left out of report, summary, JUnit and SARIF; 0: none is.

    Returns:
        The evidence, with `folder` and, in a notebook, a picture of the verdict.

    Raises:
        InputError: The table, a column or the folder cannot be used.
    """
    asked = Asked(
        target=target, scores=_texts(score), patient=patient, case=case, attributes=_texts(attributes),
        positive=_texts(positive), classes=_texts(classes), output=output, operating_point=operating_point,
    )  # fmt: skip
    with _file(source) as path:
        return score_table(
            path, asked, policy=policy, profile=profile, seed=seed, out=None if out is None else Path(out),
            overwrite=overwrite, min_cell=min_cell,
        ).run  # fmt: skip


def score_table(
    path: Path,
    asked: Asked,
    *,
    policy: Policy | Path | str | None = None,
    profile: Profile = "standard",
    seed: int = 1,
    out: Path | None = None,
    overwrite: bool = False,
    min_cell: int = 0,
    command: str = "",
    progress: Progress | None = None,
) -> Scored:
    """Audit the saved predictions of a file.

    Args:
        path: CSV or Parquet file.
        asked: What its columns are.
        policy: A policy or the path of policy.toml; None: one is proposed and nothing is judged.
        profile: smoke, standard or full.
        seed: Seed of the run.
        out: Folder of the run; audit-runs/<UTC time> by default.
        overwrite: Whether an earlier run in that folder is replaced.
        min_cell: Cells with fewer patients are left out of report, summary, JUnit and SARIF; 0: none is.
        command: The command line that makes this run again.
        progress: Somebody who watches.

    Returns:
        The run and the proposed policy.

    Raises:
        InputError: The table, a column or the folder cannot be used.
    """
    from audit import cohorts, models
    from audit.config import load_policy
    from audit.session._run import Options, audit_model

    folder = out or default_folder()
    check_folder(folder, overwrite=overwrite)
    rules = load_policy(Path(policy)) if isinstance(policy, (str, Path)) else policy
    understood = understand(path, asked, assume=rules is None)
    spec, root = understood.model, path.resolve().parent
    cohort = cohorts.load_cohort(understood.cohort, root, task=spec.task, classes=spec.classes, input=spec.input)
    cohort = replace(cohort, remarks=(*cohort.remarks, *understood.remarks))
    model = models.load_model(spec, root)
    options = Options(
        profile=profile, seed=seed, out=folder, overwrite=overwrite, command=command,
        min_cell=min_cell, config_digest=digest({"model": spec, "cohort": understood.cohort}),
    )  # fmt: skip
    run = audit_model(model, cohort, rules or Policy(name="none"), options, progress)
    proposed = _propose(folder, cohort, understood) if rules is None else None
    return Scored(run=run, proposed=proposed, offered=understood.offered)


def _propose(folder: Path, cohort: Cohort, understood: Understood) -> Path:
    """Write the proposed policy beside the run's folder, which is sealed; a file that is there is never replaced."""
    from audit.config import policy_from
    from audit.config.proposal import propose_policy

    text = propose_policy(cohort, task=understood.model.task)
    # Read back, so that a proposal that does not run is known at once.
    policy_from(tomllib.loads(text), source="the proposed policy", origin="proposed")
    number = 1
    while True:
        file = folder.with_name(f"{folder.name}-policy{'' if number == 1 else f'-{number}'}.toml")
        if not file.exists():
            file.write_text(text, encoding="utf-8")
            return file
        if file.is_file() and file.read_text(encoding="utf-8", errors="replace") == text:
            return file
        number += 1


def _texts(given: str | Sequence[str]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)


@contextmanager
def _file(source: Any) -> Iterator[Path]:
    """Give the file of a table, one of our own for a table in memory."""
    if isinstance(source, (str, Path)):
        yield Path(source)
        return
    columns = {str(name): list(source[name]) for name in _names(source)}
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        raise InputError(
            "the columns differ in length", expected="one value a case in each",
            got=", ".join(f"{n} in '{c}'" for c, n in lengths.items()), fix="give the same cases to each, in one order",
        )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scores.csv"
        with path.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(columns)
            writer.writerows(zip(*(map(_cell, v) for v in columns.values()), strict=True))
        yield path


def _names(source: Any) -> list[Any]:
    if isinstance(source, Mapping):
        return list(source)
    if hasattr(source, "columns") and hasattr(source, "__getitem__"):
        return list(source.columns)
    raise InputError(
        "this is no table", expected="a CSV or Parquet file, a DataFrame, or a mapping from column to values",
        got=type(source).__name__, fix='for example audit.scores("scores.csv", target="label", score="score")',
    )  # fmt: skip


def _cell(value: Any) -> str:
    """Return a value as the cell of a CSV; a whole number that is stored as a float is written without its ".0"."""
    plain = value.item() if hasattr(value, "item") else value
    if isinstance(plain, bool):
        return "true" if plain else "false"
    if plain is None or str(plain) in _ABSENT:
        return ""
    whole = isinstance(plain, float) and plain.is_integer() and abs(plain) < 2**53
    return str(int(plain)) if whole else str(plain)
