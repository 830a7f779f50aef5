"""One run at a time at a place of shared storage; the lock of a run that is gone keeps nobody out."""

import json
import os
import threading
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from audit.errors import InputError, StorageError
from audit.session import run
from audit.storage import Remote, _lock, join, run_folder, sizes
from audit.storage._lock import Held
from tests.storage.conftest import put
from tests.storage.test_runs import LAST, make, names, ours, write

LOCK = ".run1.lock"
OWN = _lock._Sign(token="own", machine="", process="")


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Signs of life in fractions of a second."""
    for name, value in (("BEAT", 0.05), ("STALE", 0.6), ("SETTLE", 0.01)):
        monkeypatch.setattr(_lock, name, value)


def held(place: Remote) -> dict[str, object]:
    system, path = place.filesystem()
    found: dict[str, object] = json.loads(system.cat_file(path))
    return found


@pytest.mark.parametrize("kind", ["memory", "bucket"])
def test_a_second_run_at_a_place_is_refused_and_changes_nothing(kind: str, request: pytest.FixtureRequest) -> None:
    """Also one that would resume or replace; when the first has ended the place is free, and no lock is left."""
    folder: Remote = request.getfixturevalue(kind)
    place = join(folder, "runs/run1")
    with run_folder(place, overwrite=False, ours=ours, last=LAST) as one:
        assert one is not None
        for more in ({"overwrite": True}, {"overwrite": False, "resume": True}, {"overwrite": False}):
            again = run_folder(place, ours=ours, last=LAST, **more)
            with pytest.raises(InputError, match="another run is writing to") as caught, again:
                pass
            assert caught.value.fix.startswith("wait until it has ended")
        assert names(place) == ["log.jsonl"]
        write(one)
    assert LAST in names(place)
    assert [r.name for r in sizes(join(folder, "runs")) if r.name == LOCK] == []
    make(place, overwrite=True)


def test_the_lock_of_a_process_that_was_killed_here_is_taken_over_at_once(
    memory: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its number may be that of another process by now; the time of its start is not."""
    monkeypatch.setattr(_lock, "STALE", 1000)
    own = _lock._process(os.getpid())
    for gone in ("99999999 1", f"{os.getpid()} 1", "strange"):
        said = {"token": "theirs", "machine": _lock._machine(), "process": gone, "beat": 3}
        put(join(memory, LOCK), json.dumps(said).encode())
        with run_folder(join(memory, "run1"), overwrite=True, ours=ours, last=LAST) as folder:
            assert folder is not None
            assert held(join(memory, LOCK))["process"] == own
            write(folder)


@pytest.mark.parametrize("data", [b'{"token": "theirs", "machine": "m", "process": "1 1"}', b"no lock at all", b"[1]"])
def test_a_lock_of_another_machine_without_a_sign_of_life_is_taken_over(memory: Remote, data: bytes) -> None:
    """After a time, of which the user is told; clocks are not compared."""
    put(join(memory, LOCK), data)
    told: list[str] = []
    place = join(memory, "run1")
    with run_folder(place, overwrite=False, ours=ours, last=LAST, resume=True, note=told.append) as folder:
        assert folder is not None
        write(folder)
    assert told == ["a lock lies at .run1.lock: waiting up to 0.6 s for a sign that its run is alive"]
    assert LAST in names(place)


def test_a_run_whose_place_was_taken_writes_no_seal_and_leaves_the_lock(memory: Remote) -> None:
    """As where its machine was cut off for so long that it was taken for gone; the run stays on this machine."""
    place = join(memory, "run1")
    with pytest.raises(StorageError, match="could not be copied") as caught:
        _robbed(place)
    assert caught.value.got == "the lock of another run"
    assert LAST not in names(place)
    assert held(join(memory, LOCK)) == {"token": "theirs"}
    kept = Path(caught.value.fix.removeprefix("copy it from ").partition(",")[0])
    assert (kept / LAST).is_file()


def _robbed(place: Remote) -> None:
    with run_folder(place, overwrite=False, ours=ours, last=LAST) as folder:
        assert folder is not None
        write(folder)
        put(join(place.parent, LOCK), b'{"token": "theirs"}')


@pytest.mark.parametrize("kind", ["overwrites", "knows no mode"])
def test_a_store_without_exclusive_creation_refuses_a_second_run_as_well(
    kind: str, memory: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is looked first, and read again afterwards."""
    import fsspec

    store = type(fsspec.filesystem("memory"))
    pipe_file = store.pipe_file

    def plain(self: object, path: str, value: bytes, mode: str = "overwrite", **more: object) -> None:
        if mode == "create" and kind == "knows no mode":
            raise TypeError
        pipe_file(self, path, value, **more)

    monkeypatch.setattr(store, "pipe_file", plain)
    place = join(memory, "run1")
    put(join(memory, LOCK), OWN.data(0))
    if kind == "knows no mode":
        first = Held(join(memory, LOCK), OWN)
        with pytest.raises(InputError, match="another run"), run_folder(place, overwrite=False, ours=ours, last=LAST):
            pass
        first.release()
    else:
        # Whoever wrote last holds it; the other one notices before anything is sealed.
        with run_folder(place, overwrite=False, ours=ours, last=LAST) as folder:
            assert folder is not None
            with pytest.raises(StorageError, match="another run has taken"):
                Held(join(memory, LOCK), OWN).check()
            write(folder)
    assert not [r for r in sizes(memory) if r.name == LOCK]


def test_a_fork_while_a_sign_of_life_takes_long_ends_neither_it_nor_those_after(
    memory: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fork goes on without waiting for ever, opens no lock that it did not take, and leaves none to its child."""
    monkeypatch.setattr(_lock, "_FORK", 0.02)
    writing, go_on, written = threading.Event(), threading.Event(), threading.Semaphore(0)

    def slow(lock: Remote, data: bytes) -> None:
        writing.set()
        assert go_on.wait(30)
        written.release()

    put(join(memory, LOCK), OWN.data(0))
    monkeypatch.setattr(_lock, "write_bytes", slow)
    one = Held(join(memory, LOCK), OWN)
    assert writing.wait(30)
    assert _exit_of_a_child(lambda: not _lock._quiet.locked())
    assert _lock._quiet.locked()
    go_on.set()
    assert all(written.acquire(timeout=30) for _ in range(3))
    assert _exit_of_a_child(lambda: not _lock._quiet.locked())
    one.release()


def _exit_of_a_child(holds: Callable[[], bool]) -> bool:
    with warnings.catch_warnings():
        # Said of any fork beside a thread, which is what is tried here.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        os._exit(0 if holds() else 1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_run_needs_a_folder_in_its_bucket() -> None:
    """Its lock and its kept results lie beside it."""
    with pytest.raises(InputError, match="a folder of its own"):
        run(None, None, out="s3://bucket")  # type: ignore[arg-type]
