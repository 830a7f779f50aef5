"""Keyed hashes in place of case and patient ids; the key never leaves the machine."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from audit.errors import InputError

_LENGTH = 16


@dataclass(frozen=True, kw_only=True, repr=False)
class Pseudonyms:
    """Names that cannot be turned back without the key.

    Args:
        key: Secret bytes.
    """

    key: bytes

    @property
    def key_id(self) -> str:
        """Name of the key: two runs with one key_id have comparable pseudonyms."""
        return hmac.new(self.key, b"imaging-audit key id", hashlib.sha256).hexdigest()[:_LENGTH]

    def names(self, kind: str, ids: Iterable[str]) -> list[str]:
        """Return one pseudonym an id.

        Args:
            kind: "case" or "patient", so that equal ids of two kinds do not match.
            ids: Ids as the manifest has them.
        """
        return [hmac.new(self.key, f"{kind}\0{i}".encode(), hashlib.sha256).hexdigest()[:_LENGTH] for i in ids]


class Plain:
    """Ids as the manifest has them, for a run whose configuration asks for them by name."""

    key_id = "none: ids are shown"

    def names(self, kind: str, ids: Iterable[str]) -> list[str]:
        """Return the ids themselves."""
        del kind
        return list(ids)


def load_pseudonyms() -> Pseudonyms:
    """Return the pseudonyms of this machine's key.

    The key is in the file that `AUDIT_KEY_FILE` names, else in `~/.config/imaging-audit/key`, which is made once with
    mode 600.

    Raises:
        InputError: The file named cannot be read or is too short, or none is named and none can be made.
    """
    named = os.environ.get("AUDIT_KEY_FILE")
    path = Path(named) if named else _own()
    try:
        key = path.read_bytes().strip()
    except OSError as error:
        raise InputError(
            "the key for pseudonyms cannot be read", expected="a file of at least 32 bytes",
            got=error.strerror or "no file", fix="set AUDIT_KEY_FILE to a readable file, or unset it",
        ) from error  # fmt: skip
    if len(key) < 32:
        raise InputError(
            "the key for pseudonyms is too short", expected="at least 32 bytes", got=f"{len(key)} bytes",
            fix='make one with: python -c "import secrets; print(secrets.token_hex(32))"',
        )  # fmt: skip
    return Pseudonyms(key=key)


def _own() -> Path:
    """Return this user's key file, made where it is not there yet."""
    try:
        path = Path.home() / ".config" / "imaging-audit" / "key"
        if not path.exists():
            _make(path)
    except (OSError, RuntimeError) as error:
        # A service account may have no home, or one that cannot be written.
        raise InputError(
            "no key for pseudonyms can be made", expected="a home folder that can be written",
            got=getattr(error, "strerror", None) or "no home folder",
            fix="set AUDIT_KEY_FILE to a file of at least 32 bytes",
        ) from error  # fmt: skip
    return path


def _make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as f:
        f.write(secrets.token_hex(32) + "\n")
    try:
        # A link fails where the file is there by now, so that two first runs at once agree on one key.
        os.link(temporary, path)
    except FileExistsError:
        pass
    finally:
        temporary.unlink()
