"""Faults of the machine that reads, which say nothing of the case that is read."""

from __future__ import annotations

import errno

from audit.errors import StorageError

# A network disk that has gone, and a process that has no memory or files left. A disk that cannot read one of its
# sectors is not among them: that file stays unreadable.
_NAMES = (
    "ESTALE", "ETIMEDOUT", "ENOTCONN", "EHOSTDOWN", "EHOSTUNREACH", "ENETDOWN", "ENETUNREACH", "ECONNRESET",
    "ECONNABORTED", "EREMOTEIO", "EMFILE", "ENFILE", "ENOMEM",
)  # fmt: skip
_NUMBERS = {getattr(errno, name) for name in _NAMES if hasattr(errno, name)}


def fault_of_machine(error: BaseException | None) -> BaseException | None:
    """Return what of an error, or of its causes, is a fault of the machine, None where nothing is."""
    while error is not None:
        if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno in _NUMBERS):
            return error
        error = error.__cause__ or error.__context__
    return None


def machine_error(fault: BaseException) -> StorageError:
    """Return the error that ends a run where a machine cannot read."""
    number = getattr(fault, "errno", None)
    return StorageError(
        "an image cannot be read for a reason that is not its own", expected="a disk and memory that are there",
        got=type(fault).__name__ if number is None else errno.errorcode.get(number, str(number)),
        fix="mount the disk again, or free memory and open files, then run it again with --resume",
    )  # fmt: skip
