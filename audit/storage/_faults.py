"""What a store raises, in words that hold no path, no address and no credential."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from audit.errors import AuditError, StorageError

_FIX = "check the network, the endpoint and the credentials in the environment, then run it again"


@contextmanager
def storage_faults(what: str) -> Iterator[None]:
    """Turn whatever a store raises into `StorageError`; what is absent stays what it is.

    What is forbidden is no absence: credentials that expire in the middle of a run would else thin out a cohort.

    Args:
        what: What was tried, in words.

    Raises:
        FileNotFoundError: There is no such thing, or no such bucket.
        StorageError: It may not be read or written, or the store does not answer, or not as it should.
    """
    try:
        yield
    except (AuditError, ImportError, FileNotFoundError, IsADirectoryError, NotADirectoryError):
        raise
    except PermissionError:
        raise StorageError(
            f"storage: {what} is not allowed", expected="credentials that open it, as long as a run lasts",
            got="a refusal", fix="check the rights of the credentials in the environment, and when they expire",
        ) from None  # fmt: skip
    except Exception as error:  # noqa: BLE001 - each protocol's package has errors of its own
        # The text of such an error names endpoints, buckets and key ids; its type does not.
        name = _kind(error)
        raise StorageError(f"storage: {what} failed", expected="an answer", got=name, fix=_FIX) from None


def _kind(error: BaseException) -> str:
    """Return the types of an error and of what caused it."""
    names = [type(error).__name__]
    cause = error.__cause__
    while cause is not None and len(names) < 3:
        names.append(type(cause).__name__)
        cause = cause.__cause__
    return " from ".join(dict.fromkeys(names))
