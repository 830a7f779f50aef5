"""One run at a time at a place of shared storage, as far as its store can tell."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audit.errors import InputError, StorageError
from audit.storage._faults import storage_faults
from audit.storage._fetch import read_bytes
from audit.storage._location import Remote, join
from audit.storage._write import remove, write_bytes

BEAT, STALE, SETTLE = 20.0, 90.0, 1.0
"""Seconds between two signs of life, after which one that gave none is gone, and that a store has to settle."""
_MOST = 4096
# A fork in the middle of a sign of life would leave the child with locks that nobody there opens.
_quiet = threading.Lock()
# By thread, since several may fork at a time: whether this one has the lock.
_forking = threading.local()
_FORK = 5.0


@dataclass(frozen=True, kw_only=True)
class _Sign:
    """What a run writes into its lock.

    Args:
        token: Names the run.
        machine: Names the machine, as far as it can be told from others; empty where it cannot.
        process: Names the process on it.
    """

    token: str
    machine: str
    process: str

    def data(self, beat: int) -> bytes:
        return json.dumps(
            {"token": self.token, "machine": self.machine, "process": self.process, "beat": beat}
        ).encode()


class Held:
    """A lock that this run holds.

    Args:
        lock: Where it lies.
        own: What stands in it.
    """

    def __init__(self, lock: Remote, own: _Sign) -> None:
        self._lock, self._own, self._end, self._beats = lock, own, threading.Event(), 0
        self._lost = False
        self._thread = threading.Thread(target=self._live, name="audit-lock", daemon=True)
        self._thread.start()

    def _live(self) -> None:
        while not self._end.wait(BEAT) and not self._lost:
            # A store that does not answer now may do so next time.
            with _quiet, suppress(StorageError, FileNotFoundError):
                self._beat()

    def _beat(self) -> None:
        if _token(_read(self._lock)) != self._own.token:
            self._lost = True
            return
        self._beats += 1
        write_bytes(self._lock, self._own.data(self._beats))

    def check(self) -> None:
        """Check that no other run has taken the place since.

        Raises:
            StorageError: One has, as where this machine was cut off for so long that it was taken for gone.
        """
        if self._lost or _token(_read(self._lock)) != self._own.token:
            raise StorageError(
                "storage: another run has taken the place of this one", expected="one run at a time at a place",
                got="the lock of another run", fix="name another place with --out",
            )  # fmt: skip

    def release(self) -> None:
        """Let the place go, where it is still held."""
        self._end.set()
        self._thread.join(timeout=_FORK)
        # A lock that stays behind is one of a run that gives no signs of life.
        with suppress(StorageError, FileNotFoundError):
            if _token(_read(self._lock)) == self._own.token:
                remove(self._lock)


@contextmanager
def held_alone(place: Remote, note: Callable[[str], None]) -> Iterator[Held]:
    """Hold a place of shared storage for one run, by a file beside it that shows signs of life.

    A lock of a run that was killed is taken over: at once where it ran on this machine, else after a time without a
    sign. Clocks of machines are not compared.

    Args:
        place: Where the run shall lie.
        note: Told what is waited for.

    Raises:
        InputError: Another run is writing there.
        StorageError: The store does not answer, or does not let anybody write.
    """
    lock = join(place.parent, f".{place.name}.lock")
    own = _Sign(token=secrets.token_hex(16), machine=_machine(), process=_process(os.getpid()))
    _take(lock, own, place, note)
    held = Held(lock, own)
    try:
        yield held
    finally:
        held.release()


def _take(lock: Remote, own: _Sign, place: Remote, note: Callable[[str], None]) -> None:
    for _ in range(3):
        # Read again, since a store that knows no exclusive creation has overwritten the lock of another run.
        if _created(lock, own.data(0)) and _token(_read(lock)) == own.token:
            return
        found = _read(lock)
        if found is None:
            continue
        if not _gone(found, own):
            _wait_silent(lock, found, place, note)
        write_bytes(lock, own.data(0))
        time.sleep(SETTLE)
        if _token(_read(lock)) == own.token:
            return
    raise _busy(place)


def _wait_silent(lock: Remote, found: bytes, place: Remote, note: Callable[[str], None]) -> None:
    """Wait until a lock has shown no sign of life for a time.

    Raises:
        InputError: It shows one, or goes, which its run alone does.
    """
    note(f"a lock lies at {lock.name}: waiting up to {STALE:g} s for a sign that its run is alive")
    until = time.monotonic() + STALE
    while time.monotonic() < until:
        time.sleep(min(1.0, STALE / 10))
        if _read(lock) != found:
            raise _busy(place)


def _gone(found: bytes, own: _Sign) -> bool:
    """Return whether a lock is of a process of this machine that has ended."""
    said = _said(found)
    if not own.machine or said.get("machine") != own.machine:
        return False
    pid = str(said.get("process", "")).partition(" ")[0]
    return not pid.isdigit() or _process(int(pid)) != said["process"]


def _busy(place: Remote) -> InputError:
    return InputError(
        f"another run is writing to {place}", expected="one run at a time in a folder", got="a run at work",
        fix="wait until it has ended, or name another folder with --out",
    )  # fmt: skip


def _created(lock: Remote, data: bytes) -> bool:
    """Write a file where there is none, and return whether there was none."""
    system, path = lock.filesystem()
    with storage_faults("writing a file"):
        try:
            system.pipe_file(path, data, mode="create")
        except FileExistsError:
            return False
        except (TypeError, NotImplementedError):
            return _written(lock, data)
        except FileNotFoundError:
            # No bucket, or no folder on a store that has folders.
            return _written(lock, data)
        except OSError as error:
            # What a store calls a condition that does not hold, a conflict, and a condition that it does not know.
            if error.errno not in (errno.EINVAL, errno.EBUSY, errno.ENOSYS):
                raise
            return _written(lock, data)
    return True


def _written(lock: Remote, data: bytes) -> bool:
    if _read(lock) is not None:
        return False
    write_bytes(lock, data)
    return True


def _read(lock: Remote) -> bytes | None:
    return read_bytes(lock, most=_MOST)


def _said(data: bytes | None) -> dict[str, Any]:
    try:
        said = json.loads(data or b"{}")
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _token(data: bytes | None) -> str:
    return str(_said(data).get("token", ""))


def _machine() -> str:
    """Return a digest of what names this machine since it was started, and the space that numbers processes in it."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
        space = Path("/proc/self/ns/pid").stat().st_ino
    except OSError:
        return ""
    return hashlib.sha256(f"{boot}{space} {socket.gethostname()}".encode()).hexdigest()


def _process(pid: int) -> str:
    """Return number and start of a process, "" where there is none: numbers are used again."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    # The name of the program, in brackets, may hold anything; "Z" is one that has ended and was not asked how.
    state, *fields = text.rpartition(")")[2].split()
    return "" if state == "Z" else f"{pid} {fields[18]}"


def _before_fork() -> None:
    _forking.quiet = _quiet.acquire(timeout=_FORK)


def _after_fork() -> None:
    # Another thread's lock is not to be opened: it would end with an error, and with it the signs of life.
    if _forking.quiet:
        _quiet.release()


def _after_fork_in_child() -> None:
    # The thread that held it is not there; none but this one is, so that nobody else opens it either.
    if _quiet.locked():
        _quiet.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork_in_child)
