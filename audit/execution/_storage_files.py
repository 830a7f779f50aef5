"""Kept results on shared storage, where a run that is stopped on one machine is taken up on another."""

from __future__ import annotations

from dataclasses import dataclass

from audit.storage import Remote, join, read_bytes, write_bytes

_MOST_BYTES = 4 * 2**30


@dataclass(frozen=True, kw_only=True)
class StorageFiles:
    """Entries below a URL; see `Files`.

    Args:
        folder: Where they lie.
    """

    folder: Remote

    def read(self, name: str) -> bytes | None:
        """Return the bytes under a name; see `Files.read`."""
        return read_bytes(join(self.folder, f"{name[:2]}/{name}"), most=_MOST_BYTES)

    def write(self, name: str, data: bytes) -> None:
        """Write bytes; see `Files.write`."""
        write_bytes(join(self.folder, f"{name[:2]}/{name}"), data)
