"""`audit pack`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audit._cli.folders import relative
from audit._cli.shell import say
from audit.errors import EXIT_PASS, InputError

if TYPE_CHECKING:
    from audit.evidence import Ledger


@dataclass(frozen=True, kw_only=True)
class PackWords:
    """What the user asked for.

    Args:
        standards: Names of the texts in the crosswalk.
        sign: File of a private key.
        pdf: Whether documents are printed to a PDF.
        hazards: File of hazards.
        anomalies: File of anomalies.
        timestamp: File of a time stamp.
        timestamp_ca: File of root certificates.
        commit: A commit of a repository, or the file of a commit object.
        repository: The repository or bundle of that commit.
        signers: File of the allowed signers.
        policy: The policy file that was stamped or committed.
        baseline: Folder of the run that this one is held against.
        validation: The tool's validation file.
        tester: Who ran the tests.
        min_cell: Fewest patients of a cell.
    """

    standards: Sequence[str]
    sign: Path | None
    pdf: bool
    hazards: Path | None
    anomalies: Path | None
    timestamp: Path | None
    timestamp_ca: Path | None
    commit: str
    repository: Path | None
    signers: Path | None
    policy: Path | None
    baseline: Path | None
    validation: Path | None
    tester: str
    min_cell: int


def pack_run(run: Path, out: Path | None, words: PackWords, *, overwrite: bool) -> int:
    """Write the pack of a finished run to a file outside of it."""
    from audit.config import load_policy
    from audit.evidence import write_atomically
    from audit.pack import Given, PackOptions, check_out, make_pack, read_anomalies, read_hazards

    target = out if out is not None else Path(f"{run.resolve().name}.zip")
    check_out(target, run, overwrite=overwrite)
    if words.baseline is not None:
        check_out(target, words.baseline, overwrite=True)
    commit, trees = _committed(words)
    given = Given(
        stamp=_bytes(words.timestamp), roots=_bytes(words.timestamp_ca), commit=commit, trees=trees,
        signers=_bytes(words.signers), policy_file=_bytes(words.policy),
        policy=None if words.policy is None else load_policy(words.policy),
    )  # fmt: skip
    options = PackOptions(
        standards=tuple(words.standards), key=_bytes(words.sign), pdf=words.pdf, given=given,
        hazards=None if words.hazards is None else read_hazards(words.hazards),
        anomalies=None if words.anomalies is None else read_anomalies(words.anomalies),
        validation=_validation(words.validation or _own_validation()), ledger=_ledger(), tester=words.tester,
        min_cell=words.min_cell, baseline=words.baseline,
    )  # fmt: skip
    data = make_pack(run, options)
    write_atomically(target, data)
    say(f"{relative(target)}  {len(data) / 1e6:.1f} MB" + (", signed" if words.sign else ", not signed"))
    say("  check it with: audit verify " + relative(target) + (" --key PUBLIC-KEY" if words.sign else ""))
    return EXIT_PASS


def _committed(words: PackWords) -> tuple[bytes | None, tuple[bytes, ...]]:
    """Return the commit that was given, and the trees on the way to the policy file."""
    from audit.pack import commit_objects

    if not words.commit:
        return None, ()
    if words.repository is None and Path(words.commit).is_file():
        return _bytes(Path(words.commit)), ()
    return commit_objects(words.repository or Path(), words.commit, _bytes(words.policy))


def _ledger() -> Ledger | None:
    from audit.evidence import ledger_path, read_ledger

    try:
        return read_ledger(ledger_path())
    except RuntimeError:
        # Nobody's home: the pack then says that no history was found.
        return None
    except OSError as error:
        raise InputError(
            "the ledger of runs cannot be read", expected="a file that may be read", got=error.strerror or "an error",
            fix="name another with AUDIT_LEDGER_FILE",
        ) from error  # fmt: skip


def _bytes(path: Path | None, most: int = 2_000_000) -> bytes | None:
    if path is None:
        return None
    try:
        if path.stat().st_size > most:
            raise InputError(f"{path.name} is too large", expected=f"at most {most:,} bytes", got="more")
        return path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{path.name} cannot be read", expected="a file", got=error.strerror or "an error", fix="correct the path"
        ) from error


def _own_validation() -> Path | None:
    """Return this user's validation file, where 'audit doctor --validate' wrote one."""
    from audit._cli.doctor import validation_path

    try:
        path = validation_path()
    except RuntimeError:
        return None
    return path if path.is_file() else None


def _validation(path: Path | None) -> Mapping[str, Any] | None:
    data = _bytes(path)
    if path is None or data is None:
        return None
    try:
        values = json.loads(data)
    except ValueError as error:
        raise InputError(
            f"{path.name} cannot be read", expected="what 'audit doctor --validate' wrote", got=str(error)[:80]
        ) from error
    if not isinstance(values, dict) or values.get("kind") != "imaging-audit validation":
        raise InputError(
            f"{path.name} is no validation file", expected="what 'audit doctor --validate' wrote", got="another file",
            fix="audit doctor --validate --out validation.json",
        )  # fmt: skip
    return values
