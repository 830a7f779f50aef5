"""Where something lies: a path on this machine, or a URL of shared storage."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audit.errors import InputError, MissingExtraError, StorageError
from audit.storage._faults import storage_faults

# Protocols of storage alone. Those of fsspec that wrap another one, run a command, or ask any server of the internet
# are not among them: a cell of a manifest must not be able to choose them.
PROTOCOLS = (
    "abfs", "abfss", "adl", "az", "file", "gcs", "gs", "hdfs", "memory", "oci", "oss", "s3", "s3a", "sftp", "smb",
    "ssh", "webhdfs",
)  # fmt: skip
_URL = re.compile(r"^(?P<protocol>[A-Za-z][A-Za-z0-9+.:-]+)://(?P<rest>.*)$", re.DOTALL)
# Names of buckets that hold no @; of other stores it parts a user or a container from the host.
_PLAIN_BUCKET = ("gcs", "gs", "memory", "oss", "s3", "s3a")


@dataclass(frozen=True, kw_only=True, order=True)
class Remote:
    """A file or folder on shared storage.

    Credentials are never part of it: they come from the environment, as every tool of that store finds them.

    Args:
        protocol: For example "s3".
        path: What follows ://, without a slash at its end: the bucket, then the key.
    """

    protocol: str
    path: str

    def __str__(self) -> str:
        """Return the URL."""
        return f"{self.protocol}://{self.path}"

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]

    @property
    def suffix(self) -> str:
        """The name's suffix with its point, "" where it has none."""
        return Path(self.name).suffix

    @property
    def parent(self) -> Remote:
        """The folder that holds it."""
        return Remote(protocol=self.protocol, path=self.path.rpartition("/")[0])

    @property
    def bucket(self) -> tuple[str, str]:
        """The protocol and the first part of the path: what one set of credentials usually opens."""
        lead = "/" if self.path.startswith("/") else ""
        return self.protocol, lead + self.path.lstrip("/").partition("/")[0]

    def below(self, folder: Remote) -> bool:
        """Return whether it lies in a folder, at any depth."""
        return self.protocol == folder.protocol and self.path.startswith(f"{folder.path}/")

    def filesystem(self) -> tuple[Any, str]:
        """Return fsspec's file system and the path in it; never kept, since it may not be taken across a fork.

        Raises:
            MissingExtraError: fsspec, or the package for this protocol, is not installed.
        """
        try:
            from fsspec.core import url_to_fs
        except ImportError:
            raise MissingExtraError("fsspec", "cluster") from None
        try:
            with storage_faults("opening the store"):
                # A listing that is kept would be taken for what is there now.
                system, path = url_to_fs(str(self), use_listings_cache=False)
        except ImportError as error:
            raise StorageError(
                f"{self.protocol}:// needs a package that is not installed", expected="fsspec's package for it",
                got=type(error).__name__, fix=_package(self.protocol),
            ) from None  # fmt: skip
        return system, str(path)


Location = Path | Remote


def is_url(text: str) -> bool:
    """Return whether a text is a URL and not a path."""
    return _URL.match(text) is not None


def was_url(path: Path) -> bool:
    """Return whether a path was made of a URL, as where a command takes files of this machine only."""
    return re.match(r"^[A-Za-z][A-Za-z0-9+.-]+:/(?!/)", path.as_posix()) is not None


def refuse_secrets(text: str) -> None:
    """Refuse a URL of storage that seems to hold a password: no message may repeat it.

    Args:
        text: Any text.

    Raises:
        InputError: It is such a URL.
    """
    match = _URL.match(text)
    if match and match["protocol"].lower() in PROTOCOLS and _holds_secret(match["protocol"].lower(), match["rest"]):
        raise _refused("a URL with a password in it", "a URL without credentials", "credentials",
                       fix="put them where the storage's own tools look: the environment or a profile")  # fmt: skip


def locate(text: str | Path | Remote, root: Path | None = None) -> Location:
    """Return where a path or a URL points; file:// is a path of this machine.

    Args:
        text: Path or URL.
        root: Folder that a relative path starts from.

    Raises:
        InputError: The URL names no storage, holds credentials or a query, or climbs with "..".
    """
    if isinstance(text, Remote):
        return text
    match = _URL.match(str(text)) if isinstance(text, str) else None
    if match is None:
        return Path(text) if root is None else root / text
    protocol, rest = match["protocol"].lower(), match["rest"]
    if protocol not in PROTOCOLS or "::" in rest:
        raise _refused("no storage that can be read", f"one of {', '.join(f'{p}://' for p in PROTOCOLS)}", protocol)
    refuse_secrets(str(text))
    if "?" in rest or "#" in rest or any(ord(c) < 32 or ord(c) == 127 for c in rest) or "\\" in rest:
        raise _refused("a URL with a query, a fragment or a sign that no name has", "protocol://bucket/key", "another")
    if protocol == "file":
        if not rest.startswith("/"):
            raise _refused("a file URL with a host", "file:///folder/name", "a name where the host stands")
        return Path(rest)
    # HDFS may leave the host to its configuration; for the store in memory a name is the same with and without.
    lead = "/" if protocol == "memory" or (protocol == "hdfs" and rest.startswith("/")) else ""
    parts = rest.removeprefix(lead).rstrip("/").split("/")
    if not parts[0] or any(p in ("", ".", "..") for p in parts):
        raise _refused("a URL that is no plain path", "protocol://bucket/key", "an empty part, . or ..")
    return Remote(protocol=protocol, path=lead + "/".join(parts))


def _holds_secret(protocol: str, rest: str) -> bool:
    """Return whether a URL seems to hold a password, which may have a slash in it as those of S3 do."""
    if "@" not in rest:
        return False
    host = rest.partition("/")[0]
    name, colon, port = host.rpartition(":")
    if ":" in host.rpartition("@")[0] or (colon and not port.isdigit()):
        return True
    return protocol in _PLAIN_BUCKET and ("@" in host or bool(colon and name))


def join(folder: Remote, name: str) -> Remote:
    """Return what a relative name means below a folder.

    Raises:
        InputError: The name is absolute, climbs out, or holds a sign that no name has.
    """
    if name.startswith(("/", "~")) or re.match(r"^[A-Za-z]:", name):
        raise _refused("an absolute name below a folder of shared storage", "a relative name", "an absolute one")
    # A dot at the start is common in manifests and harmless.
    plain = name[2:] if name.startswith("./") else name
    found = locate(f"{folder}/{plain}")
    if not isinstance(found, Remote) or not found.below(folder):
        raise _refused("a name outside of its folder", "a name below it", "another")
    return found


def _refused(problem: str, expected: str, got: str, fix: str = "name a plain location") -> InputError:
    return InputError(f"storage: {problem}", expected=expected, got=got[:40], fix=fix)


def _package(protocol: str) -> str:
    known = {
        "s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs", "abfss": "adlfs",
        "adl": "adlfs", "sftp": "paramiko", "ssh": "paramiko", "smb": "smbprotocol", "oci": "ocifs", "oss": "ossfs",
    }  # fmt: skip
    return f"pip install {known.get(protocol, 'the package that fsspec names for ' + protocol)}"
