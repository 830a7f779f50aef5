"""What has been worked out already, kept under what it rests on."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from audit.core import Arrays

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MAGIC = b"imaging-audit kept 1\n"
_HEAD = len(_MAGIC) + 32
_MOST_BYTES = 4 * 2**30
_PLAIN = "plain"
UNSEEN = "unseen"
"""Marks an entry that was kept when nobody had looked whether the model was still the same: no other run uses it."""
MOST_KEPT = 10 * 2**30
"""Bytes of the cache of one configuration."""


class Files(Protocol):
    """Where entries lie: a folder, or storage that several machines share."""

    def read(self, name: str) -> bytes | None:
        """Return the bytes under a name, None where there are none."""
        ...

    def write(self, name: str, data: bytes) -> None:
        """Write bytes whole or not at all, whoever else writes the same name."""
        ...


@dataclass(frozen=True, kw_only=True)
class FolderFiles:
    """Entries in a folder of this machine.

    Args:
        folder: Made when the first entry is written.
    """

    folder: Path

    def read(self, name: str) -> bytes | None:
        """Return the bytes under a name; see `Files.read`."""
        path = self.folder / name[:2] / name
        try:
            if path.is_symlink() or path.stat().st_size > _MOST_BYTES:
                return None
            data = path.read_bytes()
            # What was of use last goes last.
            os.utime(path)
        except OSError:
            return None
        return data

    def write(self, name: str, data: bytes) -> None:
        """Write bytes by atomic rename; see `Files.write`."""
        path = self.folder / name[:2] / name
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{name[:16]}.{os.getpid()}.{secrets.token_hex(4)}.part")
        try:
            temporary.write_bytes(data)
            temporary.replace(path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise

    def prune(self, most: int = MOST_KEPT) -> None:
        """Delete what was of use the longest ago, until the rest is of a size.

        Args:
            most: Bytes that may stay.
        """
        found = []
        for path in self.folder.glob("*/*"):
            try:
                about = path.lstat()
            except OSError:
                continue
            found.append((about.st_mtime_ns, about.st_size, path))
        kept = 0
        for _, size, path in sorted(found, reverse=True):
            kept += size
            if kept > most:
                # Another run may have deleted it, or be on a disk that cannot be written to now.
                with suppress(OSError):
                    path.unlink()


@dataclass(frozen=True, kw_only=True, eq=False)
class Kept:
    """One entry.

    Args:
        plain: JSON values.
        arrays: By name, numbers, truth values or texts.
    """

    plain: Mapping[str, Any] = field(default_factory=dict)
    arrays: Arrays = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Store:
    """Entries under the sha256 of what they rest on.

    A damaged entry is as good as none. Nothing is unpickled.

    Args:
        files: Where they lie; None: nothing is kept.
        run: Names the run that writes.
        earlier: Whether entries of other runs are used, too.
    """

    files: Files | None
    run: str
    earlier: bool = False

    def get(self, key: str, *, made: bool = False) -> Kept | None:
        """Return what is kept under a key, None where there is nothing that may be used.

        Args:
            key: The key.
            made: Whether this run has made it, whoever has written it again meanwhile.
        """
        data = None if self.files is None else self.files.read(key)
        kept = None if data is None else decode(data, key)
        if kept is None or made or kept.plain.get("run") == self.run:
            return kept
        return kept if self.earlier and UNSEEN not in kept.plain else None

    def put(self, key: str, kept: Kept) -> None:
        """Keep an entry.

        Raises:
            OSError: It cannot be written.
        """
        if self.files is not None:
            self.files.write(key, encode(Kept(plain={**kept.plain, "run": self.run}, arrays=kept.arrays), key))


def encode(kept: Kept, key: str) -> bytes:
    """Return the bytes of an entry: a mark, a sha256 over key and content, and an .npz."""
    text = json.dumps(kept.plain, sort_keys=True, ensure_ascii=False, allow_nan=False).encode()
    buffer = BytesIO()
    held: dict[str, NDArray[Any]] = {f"a.{name}": np.asarray(array) for name, array in kept.arrays.items()}
    np.savez(buffer, allow_pickle=False, **{_PLAIN: np.frombuffer(text, dtype=np.uint8)}, **held)
    data = buffer.getvalue()
    return _MAGIC + _sum(key, data) + data


def decode(data: bytes, key: str) -> Kept | None:
    """Return an entry, None where the bytes are not what was written under this key."""
    content = data[_HEAD:]
    if not data.startswith(_MAGIC) or data[len(_MAGIC) : _HEAD] != _sum(key, content):
        return None
    try:
        with np.load(BytesIO(content), allow_pickle=False) as held:
            arrays = {name.removeprefix("a."): held[name] for name in held.files if name != _PLAIN}
            return Kept(plain=json.loads(held[_PLAIN].tobytes()), arrays=arrays)
    except (ValueError, KeyError, OSError, zipfile.BadZipFile):
        return None


def _sum(key: str, content: bytes) -> bytes:
    return hashlib.sha256(key.encode() + b"\n" + content).digest()
