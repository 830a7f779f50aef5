"""From what was seen to what is proposed."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from audit.config._faults import listed
from audit.config.proposal import _images, _manifest, _model, _words
from audit.config.proposal._audit_text import Seen, audit_text
from audit.config.proposal._margins import Cases
from audit.config.proposal._policy_text import policy_text
from audit.core import reads_as_number
from audit.errors import InputError

_MOST_CLASSES = 20


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """Two files as text, and what the user should know of them.

    Args:
        audit: audit.toml.
        policy: policy.toml.
        notes: Sentences on what was found.
    """

    audit: str
    policy: str
    notes: tuple[str, ...] = ()


def propose(
    manifest: Path, model: Path, folder: Path, *, factory: str | None = None, target: str | None = None
) -> Proposal:
    """Look at a manifest and a model and propose a configuration and a policy.

    Args:
        manifest: CSV or Parquet file, a row a case.
        model: Weights or saved predictions; nothing in it is run.
        folder: Folder that the configuration is written to; paths in it are relative to it.
        factory: `module:object` that builds the architecture of torch weights.
        target: Column of the reference standard; by default the one whose name suggests it.

    Raises:
        InputError: One of the two cannot be used, or leaves open what cannot be guessed.
    """
    table = _manifest.look(manifest, target)
    found = _model.look(model, table, factory)
    if found.kind != "predictions" and table.image is None:
        raise InputError(
            f"{manifest.name}: no column looks like images", expected="a column of file names",
            got=listed(table.table.columns), fix="add a column 'image': a path, or file.npz#key[row], for each case",
        )  # fmt: skip
    images = _images.Images()
    if found.kind != "predictions":
        images = _images.look(table, folder, found.channels, found.size)
    task, classes, positive = _task(table, found)
    seen = Seen(
        manifest=table, model=found, images=images, task=task, classes=classes, positive=positive,
        manifest_path=_relative(manifest, folder), model_path=_relative(model, folder),
    )  # fmt: skip
    cases = _cases(table, positive) if task == "binary" else None
    return Proposal(audit=audit_text(seen), policy=policy_text(seen, cases), notes=tuple(_notes(seen)))


def _relative(path: Path, folder: Path) -> str:
    try:
        return Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:
        return path.resolve().as_posix()


def _task(table: _manifest.Manifest, model: _model.Model) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    levels, outputs = table.levels, model.outputs
    if len(levels) < 2:
        raise InputError(
            f"column '{table.target}' has one value only", expected="two classes or more", got=f"{len(levels)} value",
            fix="name another column with --target",
        )  # fmt: skip
    if len(levels) == 2:
        return _binary(table, levels)
    if all(reads_as_number(v) for v in levels) and len(levels) > _MOST_CLASSES and outputs in (None, 1):
        return "regression", (), ()
    if len(levels) > _MOST_CLASSES:
        raise InputError(
            f"column '{table.target}' has {len(levels)} different values", expected=f"at most {_MOST_CLASSES} classes",
            got=f"{len(levels)}", fix="name the reference standard with --target",
        )  # fmt: skip
    known = any(v.casefold() in _words.POSITIVES for v in levels)
    if outputs != len(levels) and (outputs in (1, 2) or known):
        return _binary(table, levels)
    return "multiclass", tuple(levels), ()


def _binary(table: _manifest.Manifest, levels: list[str]) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    counts = {v: int((table.table[table.target] == v).sum()) for v in levels}
    named = [w for w in _words.POSITIVES for v in levels if v.casefold() == w]
    positive = next((v for v in levels if named and v.casefold() == named[0]), None)
    if positive is None:
        others = [v for v in levels if v.casefold() not in _words.NEGATIVES]
        positive = min(others or levels, key=lambda v: counts[v])
    negative = "other" if len(levels) > 2 else next(v for v in levels if v != positive)
    names = ("negative", "positive") if {negative, positive} <= {"0", "1"} else (negative, positive)
    return "binary", names, (positive,)


def _cases(table: _manifest.Manifest, positive: tuple[str, ...]) -> Cases:
    target = table.table[table.target]
    known = target != ""
    patients = table.table[table.patient] if table.patient is not None else np.arange(len(target)).astype(str)
    known &= patients != ""
    levels = {a.name: a.attribute(table.table)[known] for a in table.attributes}
    return Cases(
        positive=np.isin(target, list(positive))[known], patients=np.unique(patients[known], return_inverse=True)[1],
        levels=levels,
    )  # fmt: skip


def _notes(seen: Seen) -> list[str]:
    table, images = seen.manifest, seen.images
    notes = [f"{table.table.rows} rows; target '{table.target}', task {seen.task}; model kind {seen.model.kind}"]
    if table.patient is None:
        notes.append("no column of patients was found: every case counts as its own patient, which is seldom true")
    if seen.model.kind != "predictions":
        notes.append(
            f"{images.read} of {images.tried} images tried could be read"
            + (f" ({images.failure})" if images.failure else "")
        )
    if seen.ignored:
        notes.append(f"columns left out (like an id, one value only, or of no known role): {listed(seen.ignored)}")
    return notes
