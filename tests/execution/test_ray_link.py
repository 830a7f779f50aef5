"""A cluster is waited for with a limit, and a signal is answered at once meanwhile; without a cluster."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, SimpleNamespace
from typing import Any

import pytest

from audit.errors import InputError
from audit.execution._ray_link import Link, linked
from audit.execution._ray_share import share_of
from audit.execution._ray_signals import held_back
from tests.session._make import write


class Stopped(BaseException):
    """A signal came."""


class FakeRay:
    """What Ray does as far as a connection goes; `init` ends when it is let."""

    exceptions = SimpleNamespace(RayError=KeyError)

    def __init__(self) -> None:
        self.go, self.up = threading.Event(), False
        self.inits: list[tuple[str, str]] = []

    def init(self, *, address: str, **more: object) -> None:
        self.inits.append((address, threading.current_thread().name))
        self.go.wait(20)
        self.up = True

    def is_initialized(self) -> bool:
        return self.up

    def shutdown(self) -> None:
        self.up = False


@contextmanager
def sigterm_raises() -> Iterator[None]:
    def stop(number: int, frame: FrameType | None) -> None:
        raise Stopped

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_cluster_that_does_not_answer_is_an_error_in_time_and_left_when_it_comes() -> None:
    """As where traces of one are found that has gone: the address, the time, and what to do are said."""
    ray = FakeRay()
    with pytest.raises(InputError, match="cannot be reached") as caught:
        Link(ray, "auto", seconds=0.05)
    assert caught.value.got == "no answer in 0.05 s at auto"
    assert "ray start --head" in caught.value.fix
    ray.go.set()
    _wait_until(lambda: not ray.up and not any(t.name == "audit-ray" for t in threading.enumerate()))


def test_a_signal_ends_the_waiting_and_what_comes_up_later_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray is asked in a thread of its own, where it cannot take the answer to SIGTERM over."""
    monkeypatch.setattr("audit.execution._ray_link._MOMENT", 0.05)
    ray = FakeRay()
    threading.Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGTERM)).start()
    with sigterm_raises(), pytest.raises(Stopped):
        Link(ray, "auto")
    assert ray.inits == [("auto", "audit-ray")]
    ray.go.set()
    _wait_until(lambda: not ray.up)


def test_a_connection_lasts_until_it_is_closed() -> None:
    """The thread that made it stays: what Ray has started ends with the thread that started it."""
    ray = FakeRay()
    ray.go.set()
    link = Link(ray, "auto")
    assert ray.up
    assert any(t.name == "audit-ray" for t in threading.enumerate())
    link.close()
    assert not ray.up


@pytest.mark.parametrize("error", [ConnectionError("x"), ValueError("x"), KeyError("x"), TimeoutError("x")])
def test_what_ray_raises_is_told_by_its_kind(error: Exception) -> None:
    """The text of it may name more than an address; so may an address of another form."""
    ray: Any = FakeRay()

    def fail(**more: object) -> None:
        raise error

    ray.init = fail
    with pytest.raises(InputError) as caught:
        Link(ray, "http://me:secret@head/x")
    assert "secret" not in str(caught.value)
    assert "an address that is not host:port" in caught.value.got


def test_a_program_in_one_cluster_is_not_said_to_be_in_another() -> None:
    """The address would be ignored in silence, and the audit run on the wrong machines."""
    ray: Any = FakeRay()
    ray.up, ray.get_runtime_context = True, lambda: SimpleNamespace(gcs_address="10.0.0.1:6379")
    assert [linked(ray, address) for address in (None, "auto", "head:6379")] == [None, None, None]
    with pytest.raises(InputError, match="in another Ray cluster already"):
        linked(ray, "head:6380")
    assert not ray.inits


@pytest.mark.slow
def test_sigterm_while_a_cluster_does_not_answer_is_a_clean_stop(tmp_path: Path) -> None:
    """The command ends with 143 and leaves no folder; whoever listens there speaks no Ray."""
    config = write(tmp_path / "audit", n=60)
    with socket.socket() as hole:
        hole.bind(("127.0.0.1", 0))
        hole.listen(8)
        address = f"127.0.0.1:{hole.getsockname()[1]}"
        words = ["run", str(config), "--executor", "ray", "--address", address, "--out", str(tmp_path / "run")]
        code = f"import sys; from audit.cli import main; sys.exit(main({words!r}))"
        with subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True) as made:
            try:
                # The look whether anybody listens; what comes then is Ray's own waiting.
                hole.settimeout(60)
                hole.accept()[0].close()
                time.sleep(2)
                made.send_signal(signal.SIGTERM)
                began = time.monotonic()
                _, said = made.communicate(timeout=60)
            finally:
                made.kill()
    assert (made.returncode, "stopped by SIGTERM" in said) == (143, True)
    assert time.monotonic() - began < 30
    assert not (tmp_path / "run").exists()


def test_a_signal_in_a_call_into_ray_is_answered_after_it() -> None:
    """What an answer raises in the middle of such a call comes out as another error, or as none."""
    done: list[str] = []

    def outer() -> None:
        with held_back():
            # Calls may lie in each other.
            with held_back():
                os.kill(os.getpid(), signal.SIGTERM)
                done.append("inner")
            done.append("outer")
        done.append("after")

    with sigterm_raises():
        expected = signal.getsignal(signal.SIGTERM)
        with pytest.raises(Stopped):
            outer()
        assert signal.getsignal(signal.SIGTERM) is expected
        with held_back():
            done.append("again")
    assert done == ["inner", "outer", "again"]


def _wait_until(true: Any) -> None:
    until = time.monotonic() + 10
    while not true():
        assert time.monotonic() < until
        time.sleep(0.01)


def node(cpus: int, gpus: float = 0.0, *, alive: bool = True) -> dict[str, Any]:
    return {"Alive": alive, "Resources": {"CPU": float(cpus), **({"GPU": gpus} if gpus else {})}}


@pytest.mark.parametrize(("nodes", "workers", "expected"), [
    ([node(4), node(2)], None, (6, 0.0)),
    ([node(4), node(2, alive=False)], None, (4, 0.0)),
    ([node(4, 1)], None, (4, 0.25)),
    ([node(4, 1)], 1, (1, 1.0)),
    # Two thirds each would leave room for two of the three.
    ([node(8, 2)], 3, (3, 0.5)),
    ([node(3, 1)], 3, (3, 0.3333)),
    ([node(2, 1), node(2, 4)], 4, (4, 0.5)),
    ([node(4, 1), node(4)], 2, (2, 0.5)),
    ([node(4, 1), node(4)], None, (8, 0.0)),
    ([], None, (1, 0.0)),
])  # fmt: skip
def test_every_worker_finds_a_place_with_its_share(
    nodes: list[dict[str, Any]], workers: int | None, expected: tuple[int, float]
) -> None:
    """All have the same share of a graphics processor, or none has one and the user is told."""
    share = share_of(nodes, workers)
    assert (share.workers, share.gpus) == expected
    has = any("GPU" in n["Resources"] for n in nodes)
    assert bool(share.note) == (has and not share.gpus)


def test_a_cluster_with_few_graphics_processors_says_how_many_workers_could_have_one() -> None:
    """A number that the user can type."""
    assert share_of([node(4, 1), node(4)], None).note.endswith("with --workers 4 each has a share")


class SlowRay(FakeRay):
    """A machine so busy that the first nodes do not come up in the time that Ray gives them."""

    def __init__(self, failing: int, error: Exception | None = None) -> None:
        super().__init__()
        self.failing, self.error = failing, error or Exception("The current node timed out during startup.")

    def init(self, *, address: str, **more: object) -> None:
        self.inits.append((address, threading.current_thread().name))
        if len(self.inits) <= self.failing:
            raise self.error
        self.up = True


def test_a_node_that_does_not_come_up_in_time_is_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray has 30 s for it, which a busy machine may need; after three times the error says what to do."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    ray = SlowRay(2)
    Link(ray, None).close()
    assert len(ray.inits) == 3
    ray = SlowRay(3)
    with pytest.raises(InputError, match="does not start on this machine") as caught:
        Link(ray, None)
    assert len(ray.inits) == 3
    assert "--workers" in caught.value.fix


def test_only_a_node_of_this_machine_is_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cluster that is there already is asked once, and what Ray refuses is not asked for again."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    for ray, address in ((SlowRay(1), "auto"), (SlowRay(1, ValueError("no such resource")), None)):
        with pytest.raises(InputError):
            Link(ray, address)
        assert len(ray.inits) == 1
