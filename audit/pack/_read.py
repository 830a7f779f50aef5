"""A pack read with distrust: no path out of it, no bomb, no link, and nothing beside its files."""

from __future__ import annotations

import hashlib
import io
import json
import stat
import struct
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from audit.errors import EvidenceError
from audit.pack._zip import write_zip

MANIFEST = "pack.json"
SUMS = "SHA256SUMS"
ENVELOPE = "signature.dsse.json"
RUN = "run/"
PDF = "documents.pdf"
VALIDATION = "validation.json"
_MOST_FILES = 20_000
_MOST_BYTES = 2 * 1024**3
# What a zip of a pack's texts could reach if somebody packed it again; a bomb reaches a thousand.
_MOST_RATIO = 300
# What the standard library raises on zips that were damaged in one place or another.
_BROKEN = (
    zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, struct.error, EOFError, NotImplementedError, RuntimeError,
    ValueError, OSError, OverflowError,
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Pack:
    """The files of a pack, and what is wrong with them.

    Args:
        files: Bytes by path.
        faults: A sentence for everything that is not as it was written, naming the file; empty: intact.
    """

    files: Mapping[str, bytes]
    faults: tuple[str, ...]

    @property
    def manifest(self) -> Mapping[str, Any]:
        """The content of pack.json.

        Raises:
            EvidenceError: There is none that can be read.
        """
        return _json(self.files, MANIFEST)

    @property
    def envelope(self) -> bytes | None:
        """The signature, None where the pack has none."""
        return self.files.get(ENVELOPE)

    def run_files(self) -> dict[str, bytes]:
        """Return the files of the run by their path inside the run's folder."""
        return {name.removeprefix(RUN): data for name, data in self.files.items() if name.startswith(RUN)}


def read_pack(path: Path) -> Pack:
    """Return the files of a pack and its faults; nothing is written anywhere.

    Args:
        path: The zip.

    Raises:
        EvidenceError: It is no pack, or unsafe to read.
    """
    try:
        data = _bounded(path)
    except OSError as error:
        raise EvidenceError(
            f"{path.name} cannot be read", expected="a zip that 'audit pack' wrote", got=error.strerror or "an error",
            fix="name the file of a pack",
        ) from error  # fmt: skip
    files = unpack(data, path.name)
    if MANIFEST not in files or SUMS not in files:
        raise EvidenceError(
            f"{path.name} is not a pack", expected=f"a zip with {MANIFEST} and {SUMS}",
            got=f"{len(files)} files without them", fix="name a file that 'audit pack' wrote",
        )  # fmt: skip
    faults = check_files(files)
    if write_zip(files) != data:
        # A changed header, a comment, bytes before or between the files: none of them is in any file.
        faults = (*faults, f"{path.name}: the archive itself differs from what its files make")
    return Pack(files=files, faults=faults)


def _bounded(path: Path) -> bytes:
    if path.stat().st_size > _MOST_BYTES:
        raise EvidenceError(
            f"{path.name} is too large for a pack", expected=f"at most {_MOST_BYTES:,} bytes",
            got=f"{path.stat().st_size:,}", fix="name a file that 'audit pack' wrote",
        )  # fmt: skip
    return path.read_bytes()


def unpack(data: bytes, name: str) -> dict[str, bytes]:
    """Return the files of a zip by name, within limits of number and size.

    Args:
        data: The zip.
        name: What the user calls it.

    Raises:
        EvidenceError: No zip, a path that leaves it, a name twice, a link, a cipher, or more than the limits.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            _check_entries(entries, name)
            return {e.filename: _read(archive, e, name) for e in entries}
    except _BROKEN as error:
        raise EvidenceError(
            f"{name} cannot be read", expected="a zip that 'audit pack' wrote", got=str(error)[:80] or "a broken zip",
            fix="take the file from where it was made",
        ) from error  # fmt: skip


def _check_entries(entries: list[zipfile.ZipInfo], name: str) -> None:
    if len(entries) > _MOST_FILES:
        raise _refused(name, f"at most {_MOST_FILES:,} files", f"{len(entries):,}")
    if sum(e.file_size for e in entries) > _MOST_BYTES:
        raise _refused(name, f"at most {_MOST_BYTES:,} bytes inside", "more")
    seen: set[str] = set()
    for e in entries:
        fault = _entry_fault(e)
        if fault:
            raise _refused(name, "plain files at relative paths", f"{fault}: {e.filename[:60]!r}")
        # Two names that differ in case alone are one file on some systems.
        if e.filename.casefold() in seen:
            raise _refused(name, "every name once", f"{e.filename[:60]!r} twice")
        seen.add(e.filename.casefold())


def _entry_fault(entry: zipfile.ZipInfo) -> str:
    name, path = entry.filename, PurePosixPath(entry.filename)
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if name != entry.orig_filename or any(ord(c) < 32 for c in name):
        return "a name with control characters"
    if not name or path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name or name != str(path):
        return "a path that is not plain"
    if kind not in (0, stat.S_IFREG) or entry.is_dir():
        return "not a regular file"
    if entry.flag_bits & 1:
        return "an encrypted file"
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "an unusual compression"
    if entry.file_size > 1_000_000 and entry.file_size > _MOST_RATIO * max(1, entry.compress_size):
        return "a bomb"
    return ""


def _read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, name: str) -> bytes:
    # A changed byte must come out as a fault of its file: SHA256SUMS decides, not the archive's own weaker sum.
    entry.CRC = None  # type: ignore[assignment]
    with archive.open(entry) as f:
        # The header may lie about the size; what is read is bounded by it.
        data = f.read(entry.file_size + 1)
    if len(data) != entry.file_size:
        raise _refused(name, f"{entry.file_size:,} bytes in {entry.filename[:60]!r}", f"{len(data):,}")
    return data


def _refused(name: str, expected: str, got: str) -> EvidenceError:
    return EvidenceError(
        f"{name} is refused", expected=expected, got=got, fix="take the file from where it was made"
    )  # fmt: skip


def check_files(files: Mapping[str, bytes]) -> tuple[str, ...]:
    """Return a sentence for every file that SHA256SUMS and pack.json do not account for.

    Args:
        files: Bytes by path.
    """
    try:
        listed = parse_sums(files[SUMS])
    except EvidenceError as error:
        return (f"{SUMS}: {error.problem}",)
    faults = [f"{name}: absent" for name in sorted(set(listed) - set(files))]
    faults += [f"{name}: not listed" for name in sorted(set(files) - set(listed) - {SUMS, ENVELOPE})]
    faults += [
        f"{name}: changed" for name in sorted(set(listed) & set(files))
        if hashlib.sha256(files[name]).hexdigest() != listed[name]
    ]  # fmt: skip
    try:
        _json(files, MANIFEST)
    except EvidenceError as error:
        faults.append(f"{MANIFEST}: {error.problem}")
    return tuple(faults)


def make_sums(files: Mapping[str, bytes]) -> bytes:
    """Return SHA256SUMS over files, in `sha256sum` format."""
    lines = [
        f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n" for name in sorted(files) if name not in (SUMS, ENVELOPE)
    ]
    return "".join(lines).encode()


def parse_sums(data: bytes) -> dict[str, str]:
    """Return digests by name of a SHA256SUMS.

    Raises:
        EvidenceError: A line is not as sha256sum writes it, or a name is there twice.
    """
    listed: dict[str, str] = {}
    for line in data.decode("utf-8", errors="replace").splitlines():
        sha, _, name = line.partition("  ")
        if len(sha) != 64 or not name or name in listed:
            raise EvidenceError("cannot be read", expected="lines as sha256sum writes them", got=line[:60])
        listed[name] = sha
    if make_lines(listed) != data:
        raise EvidenceError("is not in the order and form that it was written in", expected="one line a file, sorted")
    return listed


def make_lines(listed: Mapping[str, str]) -> bytes:
    """Return digests by name as SHA256SUMS has them."""
    return "".join(f"{listed[name]}  {name}\n" for name in sorted(listed)).encode()


def read_json(data: bytes) -> Any:
    """Return what a JSON file of a pack says.

    Args:
        data: The file.

    Raises:
        ValueError: It is none, or a name stands twice in it: who takes the first would read another thing than we do.
    """
    return json.loads(data, object_pairs_hook=_once)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands twice in one object")
    return found


def _json(files: Mapping[str, bytes], name: str) -> Mapping[str, Any]:
    try:
        values = read_json(files[name])
    except (KeyError, ValueError, RecursionError) as error:
        raise EvidenceError("cannot be read", expected="a JSON object", got=type(error).__name__) from error
    if not isinstance(values, dict):
        raise EvidenceError("cannot be read", expected="a JSON object", got=type(values).__name__)
    return values
