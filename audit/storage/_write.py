"""Single files of shared storage: written and taken away."""

from __future__ import annotations

from typing import Any

from audit.errors import StorageError
from audit.storage._faults import storage_faults
from audit.storage._location import Remote

_WITH_FOLDERS = ("hdfs", "sftp", "smb", "ssh", "webhdfs")


def write_bytes(place: Remote, data: bytes) -> None:
    """Write a small file.

    Raises:
        StorageError: It cannot be written there, or the store does not answer.
    """
    system, path = place.filesystem()
    try:
        with storage_faults("writing a file"):
            make_folder(system, place, path.rpartition("/")[0])
            system.pipe_file(path, data)
    except FileNotFoundError as error:
        raise StorageError(
            f"{place.parent}: nothing can be written there", expected="a bucket or folder that may be written",
            got=type(error).__name__, fix="check its name and the rights of the credentials in the environment",
        ) from None  # fmt: skip


def remove(remote: Remote) -> None:
    """Take a file away; one that has gone already is as well."""
    system, path = remote.filesystem()
    try:
        with storage_faults("removing a file"):
            system.rm_file(path)
    except FileNotFoundError:
        return


def make_folder(system: Any, place: Remote, path: str) -> None:
    """Make a folder on a store that has folders."""
    # An object store has no folders, and asked for one it would make the bucket that somebody misspelt.
    if place.protocol in _WITH_FOLDERS:
        system.makedirs(path, exist_ok=True)
