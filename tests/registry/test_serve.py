"""Webhooks: the signature first, nothing twice, nothing large."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time

import pytest

from audit.registry import HookServer, Queue
from audit.registry._serve import LARGEST, announced
from audit.registry._signature import is_recent, is_signed, sign

SECRET = b"a secret of the webhooks"
BODY = json.dumps({
    "entity": "model_version", "action": "created", "timestamp": "2026-11-22T10:00:00+00:00",
    "data": {"name": "toy", "version": "3", "source": "file:///etc", "run_id": None, "tags": {}, "description": None},
}).encode()  # fmt: skip


@pytest.fixture
def server(tmp_path):
    """A server with an empty queue."""
    made = HookServer(
        ("127.0.0.1", 0), secret=SECRET, queue=Queue(tmp_path / "q"), noted=lambda: made.calls.append(1),
        alive=lambda: made.living,
    )  # fmt: skip
    made.calls, made.living = [], True
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join()


def signed(body=BODY, *, delivery="d-1", timestamp=None, secret=SECRET):
    stamp = str(int(time.time())) if timestamp is None else timestamp
    return {
        "X-MLflow-Delivery-Id": delivery, "X-MLflow-Timestamp": stamp,
        "X-MLflow-Signature": sign(secret, delivery, stamp, body),
    }  # fmt: skip


def send(server, body=BODY, headers=None, path="/webhook", method="POST"):
    connection = http.client.HTTPConnection(*server.server_address, timeout=5)
    try:
        connection.request(method, path, body, signed(body) if headers is None else headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def test_a_signed_webhook_is_noted_and_answered_at_once(server):
    """The version that it names waits in the queue; nothing else of it is kept."""
    assert send(server)[0] == 202
    assert server.queue.announced() == [("toy", "3")]
    # It is told after the answer, by the server's own thread.
    until = time.monotonic() + 20
    while not server.calls and time.monotonic() < until:
        time.sleep(0.01)
    assert server.calls == [1]


def test_the_signature_is_that_of_mlflow():
    """The library's own function signs, ours reads it."""
    delivery = pytest.importorskip("mlflow.webhooks.delivery")
    theirs = delivery._generate_hmac_signature(SECRET.decode(), "d-1", "1700000000", BODY.decode())
    assert theirs == sign(SECRET, "d-1", "1700000000", BODY)
    assert is_signed(SECRET, "d-1", "1700000000", BODY, theirs)


def test_a_replayed_webhook_changes_nothing(server):
    """The same delivery a second time is answered and forgotten."""
    headers = signed()
    assert send(server, headers=headers)[0] == 202
    server.queue.admitted("toy", "3")
    assert send(server, headers=headers) == (200, {"status": "seen before"})
    assert server.queue.announced() == []


@pytest.mark.parametrize(
    "spoilt", ["none", "secret", "body", "delivery", "timestamp", "old", "future", "dots", "words"]
)
def test_an_unsigned_or_old_webhook_changes_nothing(server, spoilt):
    """Whatever part was changed after it was signed, and whatever was signed too long ago."""
    headers, body = signed(), BODY
    now = int(time.time())
    if spoilt == "none":
        headers.pop("X-MLflow-Signature")
    elif spoilt == "secret":
        headers = signed(secret=b"another secret, as long")
    elif spoilt == "body":
        body = BODY.replace(b'"3"', b'"4"')
    elif spoilt == "delivery":
        headers["X-MLflow-Delivery-Id"] = "d-2"
    elif spoilt == "timestamp":
        headers["X-MLflow-Timestamp"] = str(now + 1)
    elif spoilt == "dots":
        headers = signed(delivery=f"d.{now}")
    else:
        stamps = {"old": str(now - 400), "future": str(now + 400), "words": "now"}
        headers = signed(timestamp=stamps[spoilt])
    assert send(server, body, headers)[0] == 401
    assert (server.queue.announced(), server.calls) == ([], [])
    assert server.queue.announce("d-1", None), "the delivery was noted"


def test_a_large_body_is_not_read(server):
    """It is refused by the length that it claims, signed or not."""
    with socket.create_connection(server.server_address, timeout=5) as s:
        lines = [
            "POST /webhook HTTP/1.1",
            f"Content-Length: {LARGEST + 1}",
            *(f"{k}: {v}" for k, v in signed().items()),
        ]
        s.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        assert b" 413 " in s.recv(200)


@pytest.mark.parametrize("header", ["Transfer-Encoding: chunked", "Content-Length: -1", "Content-Length: 1e3", "X: y"])
def test_a_body_without_a_length_is_not_read(server, header):
    """Chunks and lengths that are none."""
    with socket.create_connection(server.server_address, timeout=5) as s:
        lines = ["POST /webhook HTTP/1.1", header, *(f"{k}: {v}" for k, v in signed().items())]
        s.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        assert b" 411 " in s.recv(200)


@pytest.mark.parametrize("body", [b"{", b"\xff", b"[" * 20000])
def test_a_signed_body_that_is_no_json_is_refused(server, body):
    """It is not noted as seen."""
    assert send(server, body)[0] == 400
    assert server.queue.announced() == []


@pytest.mark.parametrize(
    "change",
    [{"entity": "registered_model"}, {"action": "deleted"}, {"data": None}, {"data": {"name": "a/b", "version": "1"}},
     {"data": {"name": "toy", "version": "latest"}}, {"data": {"name": 3, "version": "1"}}, {"data": {"version": "1"}},
     {"data": {"name": "x" * 501, "version": "1"}}, {"data": {"name": "toy", "version": "1" * 20}}],
)  # fmt: skip
def test_other_events_announce_nothing(change):
    """Only a version that was made, with a name and a number."""
    assert announced({**json.loads(BODY), **change}) is None
    assert announced([]) is None


def test_health_checks_are_answered(server):
    """Alive as long as it answers, ready as long as audits are made."""
    assert send(server, b"", {}, "/health", "GET") == (200, {"status": "ok"})
    server.queue.announce("x", ("toy", "1"))
    assert send(server, b"", {}, "/ready", "GET")[0] == 200
    server.living = False
    assert send(server, b"", {}, "/ready", "GET")[0] == 503
    assert send(server, b"", {}, "/other", "GET")[0] == 404
    assert send(server, path="/other")[0] == 404


@pytest.mark.parametrize("stamp, fresh", [("1000", True), ("1300", True), ("700", True), ("1301", False),
                                          ("699", False),
                                          ("", False), ("-1000", False), ("1000.0", False), ("٣", False)])  # fmt: skip
def test_a_time_stamp_is_good_for_five_minutes(stamp, fresh):
    """Either way, and only as MLflow writes it."""
    assert is_recent(stamp, 1000.0) is fresh
