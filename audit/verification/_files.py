"""What is in a run's folder, byte for byte: everything that is not as it was sealed is named."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from audit.errors import EvidenceError
from audit.evidence import EVIDENCE, SUMS

_LINE = re.compile(r"[0-9a-f]{64}  [^\x00-\x1f\x7f]+")
_MOST_LISTED = 64 * 2**20
_MOST_EVIDENCE = 512 * 2**20
_CHUNK = 1 << 20


@dataclass(frozen=True, kw_only=True, order=True)
class Fault:
    """Something that is not as it was written.

    Args:
        file: Path inside the folder or pack.
        what: What is wrong with it, in words.
    """

    file: str
    what: str

    def __str__(self) -> str:
        """Return both in one line."""
        return f"{self.file}: {self.what}"


def folder_faults(folder: Path) -> tuple[Fault, ...]:
    """Return everything in a run's folder that differs from its SHA256SUMS, in the order of the names.

    Links are not followed, and nothing outside of the folder is opened.

    Args:
        folder: The run's folder.

    Raises:
        EvidenceError: There is no run to check: no folder, no evidence, or no SHA256SUMS.
    """
    if not folder.is_dir():
        raise EvidenceError(
            "there is no such run", expected="a folder that 'audit run' wrote, or a pack", got=folder.name,
            fix="name the folder that holds evidence.json",
        )  # fmt: skip
    files, odd = _inside(folder)
    if SUMS not in files and EVIDENCE not in files:
        raise EvidenceError(
            f"{folder.name} is not the folder of a run", expected=f"a folder with {EVIDENCE} and {SUMS}",
            got="a folder without", fix="name the run itself, for example one of the folders in audit-runs",
        )  # fmt: skip
    if SUMS not in files:
        raise EvidenceError(
            "the run is unfinished", expected=f"{SUMS}, which is written last", got="no such file",
            fix="run the audit again; an interrupted run is no evidence",
        )  # fmt: skip
    listed, faults = _listed(folder / SUMS)
    faults += odd
    here = files - {SUMS}
    faults += [Fault(file=n, what="absent") for n in set(listed) - here - {f.file for f in odd}]
    faults += [Fault(file=n, what="not listed in SHA256SUMS: it was added") for n in here - set(listed)]
    for name in sorted(here & set(listed)):
        if _sha256(folder / name) != listed[name]:
            faults.append(Fault(file=name, what="changed: its bytes have another digest than SHA256SUMS lists"))
    return tuple(sorted(faults))


def read_bounded(path: Path) -> bytes:
    """Return the bytes of evidence.json.

    Raises:
        EvidenceError: It is larger than any that this program writes.
    """
    if path.stat().st_size > _MOST_EVIDENCE:
        raise EvidenceError(
            f"{path.name} is too large", expected=f"at most {_MOST_EVIDENCE} bytes", got=str(path.stat().st_size),
            fix="take the folder from where it was made",
        )  # fmt: skip
    return path.read_bytes()


def _inside(folder: Path) -> tuple[set[str], list[Fault]]:
    """Return the plain files, and a fault for everything else that is there."""
    files: set[str] = set()
    odd: list[Fault] = []
    for name, entry in _walk(folder, ""):
        kind = entry.stat(follow_symlinks=False).st_mode
        if stat.S_ISREG(kind):
            files.add(name)
        elif stat.S_ISLNK(kind):
            odd.append(Fault(file=name, what="a link, where a run has plain files"))
        elif not stat.S_ISDIR(kind):
            odd.append(Fault(file=name, what="neither a file nor a folder"))
        elif name != "artifacts":
            odd.append(Fault(file=name, what="a folder that was added"))
    return files, odd


def _walk(folder: Path, prefix: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda e: e.name):
            yield prefix + entry.name, entry
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(folder / entry.name, f"{prefix}{entry.name}/")


def _listed(sums: Path) -> tuple[dict[str, str], list[Fault]]:
    """Return the digests by name, and what is wrong with the list itself: it is one line a file, sorted."""
    if sums.stat().st_size > _MOST_LISTED:
        raise EvidenceError(f"{SUMS} is too large", expected=f"at most {_MOST_LISTED} bytes",
                            got=str(sums.stat().st_size), fix="take the folder from where it was made")  # fmt: skip
    data = sums.read_bytes()
    listed: dict[str, str] = {}
    bad = 0
    for line in data.decode("utf-8", errors="replace").split("\n")[:-1]:
        sha, _, name = line.partition("  ")
        if not _LINE.fullmatch(line) or name in listed or _leaves(name):
            bad += 1
        else:
            listed[name] = sha
    faults = []
    if bad:
        faults.append(Fault(file=SUMS, what=f"changed: {bad} of its lines are not as sha256sum writes them"))
    elif _canonical(listed) != data:
        faults.append(Fault(file=SUMS, what="changed: not one line a file in the order of the names"))
    return listed, faults


def _leaves(name: str) -> bool:
    return name.startswith("/") or "\\" in name or ".." in name.split("/")


def _canonical(listed: Mapping[str, str]) -> bytes:
    return "".join(f"{listed[name]}  {name}\n" for name in sorted(listed)).encode()


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    # A link that takes a file's place between the look and the reading is not followed either.
    with os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0)), "rb") as f:
        while chunk := f.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
