"""A run's folder: written so that a half-written one is never mistaken for evidence, and read with distrust."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
import zlib
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audit.core import Artifact, Evidence, StoredArtifact
from audit.errors import EvidenceError
from audit.evidence._codec import evidence_digest, from_plain, to_plain

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FEW, DATED = "a figure that may hold cells of few patients", "a figure that holds dates"
"""Why a copy of a run leaves out a figure."""
Arrays = Callable[[StoredArtifact], Mapping[str, "NDArray[np.generic]"]]
SUMS = "SHA256SUMS"
EVIDENCE = "evidence.json"
# More than any run writes; what claims more was made to exhaust whoever reads it.
_MOST_EVIDENCE, _MOST_ARRAYS = 512 * 2**20, 2 * 2**30
FILES = ("evidence.json", "predictions.parquet", "report.html", "junit.xml", "audit.sarif", "summary.md", "log.jsonl")


class LeftOutError(EvidenceError):
    """The arrays of a figure that this copy of a run leaves out on purpose; `got` says why."""


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that it is there whole or not at all, even after a power cut."""
    temporary = path.with_name(f".{path.name}.part")
    with temporary.open("wb") as f:
        f.write(data)
        f.flush()
        os.fsync(f.fileno())
    temporary.replace(path)


def store_artifact(folder: Path, artifact: Artifact) -> StoredArtifact:
    """Write the arrays of one artifact under the sha256 of their bytes.

    Args:
        folder: The run's folder.
        artifact: Arrays of numbers or texts, never objects.
    """
    stored, data = pack_artifact(artifact)
    write_artifact(folder, stored.file, data)
    return stored


def write_artifact(folder: Path, file: str, data: bytes) -> None:
    """Write the bytes of an artifact to where the evidence names it."""
    (folder / "artifacts").mkdir(exist_ok=True)
    write_atomically(folder / file, data)


def pack_artifact(artifact: Artifact) -> tuple[StoredArtifact, bytes]:
    """Return an artifact as the evidence names it, and the bytes of its file.

    Args:
        artifact: Arrays of numbers or texts, never objects.
    """
    import numpy as np

    buffer = BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **{k: artifact.arrays[k] for k in sorted(artifact.arrays)})
    data = buffer.getvalue()
    sha = hashlib.sha256(data).hexdigest()
    stored = StoredArtifact(
        name=artifact.name, title=artifact.title, file=f"artifacts/{sha}.npz", sha256=sha,
        columns=tuple(sorted(artifact.arrays)), meta=dict(artifact.meta), pixels=artifact.pixels,
    )  # fmt: skip
    return stored, data


def loader(folder: Path) -> Arrays:
    """Return a function that reads the arrays of a stored artifact of this folder."""

    def load(stored: StoredArtifact) -> Mapping[str, NDArray[np.generic]]:
        path = (folder / stored.file).resolve()
        if not path.is_relative_to((folder / "artifacts").resolve()):
            raise EvidenceError("an artifact lies outside the run's folder", got=stored.name, fix="run the audit again")
        return _arrays(path, stored.name)

    return load


def held_loader(files: Mapping[str, bytes], left_out: Mapping[str, str] | None = None) -> Arrays:
    """Return a function that reads the arrays of a stored artifact from bytes by path inside the run's folder.

    Args:
        files: Bytes by path.
        left_out: Why, by path, a copy of a run has no such arrays; the function then raises `LeftOutError`.
    """
    gone = left_out or {}

    def load(stored: StoredArtifact) -> Mapping[str, NDArray[np.generic]]:
        if stored.file not in files and stored.file in gone:
            raise LeftOutError(f"'{stored.name}' is left out of this copy", got=gone[stored.file])
        if stored.file not in files:
            raise EvidenceError("an artifact is absent", expected=stored.file, got="no such file", fix="run it again")
        return _arrays(BytesIO(files[stored.file]), stored.name)

    return load


def _arrays(file: Path | BytesIO, name: str) -> dict[str, NDArray[np.generic]]:
    import numpy as np

    try:
        _check_size(file)
        with np.load(file, allow_pickle=False) as held:
            return {k: held[k] for k in held.files}
    except (zipfile.BadZipFile, ValueError, EOFError, MemoryError, zlib.error) as error:
        raise EvidenceError(
            f"the arrays of '{name}' cannot be read", expected="an .npz that 'audit run' wrote",
            got=f"{type(error).__name__}: {error}"[:100], fix="run the audit again",
        ) from error  # fmt: skip


def _check_size(file: Path | BytesIO) -> None:
    """Check that an .npz does not unpack to more than arrays behind a figure have.

    Raises:
        EvidenceError: It does.
    """
    with zipfile.ZipFile(file) as archive:
        size = sum(entry.file_size for entry in archive.infolist())
    if size > _MOST_ARRAYS:
        raise EvidenceError(
            "an artifact is too large", expected=f"at most {_MOST_ARRAYS} bytes of arrays", got=str(size),
            fix="take the folder from where it was made",
        )  # fmt: skip


def encode(values: Mapping[str, Any]) -> bytes:
    """Return evidence.json's bytes: sorted keys, two spaces, finite numbers only."""
    text = json.dumps(values, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False)
    return (text + "\n").encode()


def write_evidence(folder: Path, evidence: Evidence) -> Evidence:
    """Write evidence.json by atomic rename.

    Returns:
        The evidence as a reader of the file finds it, so that a report made now and one made later are equal.
    """
    data = encode(to_plain(evidence))
    write_atomically(folder / EVIDENCE, data)
    return from_plain(json.loads(data))


def seal(folder: Path) -> None:
    """Write SHA256SUMS, which covers every other file; a folder without it is unfinished."""
    lines = [f"{_sha256(folder / name)}  {name}\n" for name in _files(folder)]
    write_atomically(folder / SUMS, "".join(lines).encode())


def read_run(folder: Path) -> Evidence:
    """Return the evidence of a finished, unchanged run.

    Args:
        folder: The run's folder.

    Raises:
        EvidenceError: Not a run, unfinished, changed since, or from a newer version.
    """
    check_seal(folder)
    try:
        size = (folder / EVIDENCE).stat().st_size
        if size > _MOST_EVIDENCE:
            raise ValueError(f"{size} bytes, more than {_MOST_EVIDENCE}")
        values = json.loads((folder / EVIDENCE).read_text(encoding="utf-8"), parse_constant=_refuse)
    except (OSError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise EvidenceError(
            "evidence.json cannot be read", expected="JSON with finite numbers", got=str(error)[:120],
            fix="run the audit again",
        ) from error  # fmt: skip
    if not isinstance(values, dict):
        raise EvidenceError("evidence.json cannot be read", expected="an object", fix="run the audit again")
    evidence = from_plain(values)
    stated = evidence.run.get("evidence_digest")
    # Sums are made again in a moment; the digest inside must then fit as well.
    if stated is not None and stated != evidence_digest(values):
        raise EvidenceError(
            "evidence.json was changed after it was written", expected=f"the digest that it states, {str(stated)[:16]}",
            got=evidence_digest(values)[:16], fix="take the folder from where it was made",
        )  # fmt: skip
    return evidence


def check_seal(folder: Path) -> None:
    """Check that a run's folder is complete and that every file has the digest that SHA256SUMS lists.

    Raises:
        EvidenceError: The folder is no run, is unfinished, or a file is changed, unlisted or absent.
    """
    if not folder.is_dir():
        raise EvidenceError(
            "there is no such run", expected="a folder that 'audit run' wrote", got=folder.name,
            fix="name the folder that holds evidence.json",
        )  # fmt: skip
    if not {EVIDENCE, SUMS, "log.jsonl"} & {p.name for p in folder.iterdir()}:
        raise EvidenceError(
            f"{folder.name} is not the folder of a run", expected=f"a folder with {EVIDENCE}",
            got="a folder without", fix="name the run itself, for example one of the folders in audit-runs",
        )  # fmt: skip
    if not (folder / SUMS).is_file():
        raise EvidenceError(
            "the run is unfinished", expected=f"{SUMS}, which is written last", got="no such file",
            fix="run the audit again; an interrupted run is no evidence",
        )  # fmt: skip
    listed = _listed(folder)
    here = set(_files(folder))
    if here != set(listed):
        differing = sorted(here ^ set(listed))
        raise EvidenceError(
            f"the folder and {SUMS} differ", expected="every file listed and every listed file there",
            got=", ".join(f"{n} ({'not listed' if n in here else 'absent'})" for n in differing[:5]),
            fix="take the folder from where it was made; a finished run is never changed",
        )  # fmt: skip
    changed = [name for name, sha in listed.items() if _sha256(folder / name) != sha]
    if changed:
        raise EvidenceError(
            "the run was changed after it was finished", expected=f"the digests in {SUMS}",
            got=f"changed: {', '.join(changed[:5])}", fix="take the folder from where it was made",
        )  # fmt: skip


def _listed(folder: Path) -> dict[str, str]:
    listed: dict[str, str] = {}
    for line in (folder / SUMS).read_text(encoding="utf-8", errors="replace").splitlines():
        sha, _, name = line.partition("  ")
        if len(sha) != 64 or not name or name in listed:
            raise EvidenceError(f"{SUMS} cannot be read", expected="lines as sha256sum writes them", got=line[:60])
        listed[name] = sha
    return listed


def _files(folder: Path) -> list[str]:
    # Whatever is no folder counts, a link or a pipe as well: neither is a file of a run.
    inside = (p for p in folder.rglob("*") if p.is_symlink() or not p.is_dir())
    return sorted(p.relative_to(folder).as_posix() for p in inside if p != folder / SUMS)


def _sha256(path: Path) -> str:
    if path.is_symlink():
        raise EvidenceError("a file of the run is a link", expected="plain files", got=path.name)
    with path.open("rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is no finite number")
