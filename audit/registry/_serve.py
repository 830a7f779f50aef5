"""What MLflow's webhooks reach: the signature first, then a line in the queue, and nothing else."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from audit.registry._queue import Queue
from audit.registry._signature import DELIVERY, SIGNATURE, TIMESTAMP, is_id, is_recent, is_signed

LARGEST = 64 * 1024
_SECONDS = 10.0
_AT_ONCE = 16


class HookServer(ThreadingHTTPServer):
    """Takes webhooks at `/webhook` and answers `/health` and `/ready`.

    Args:
        address: Host and port; port 0: any that is free.
        secret: Shared with MLflow.
        queue: Where announcements are noted.
        noted: Called after each.
        alive: Tells whether audits are being made.
    """

    daemon_threads = True

    def __init__(
        self, address: tuple[str, int], *, secret: bytes, queue: Queue, noted: Callable[[], None],
        alive: Callable[[], bool],
    ) -> None:  # fmt: skip
        super().__init__(address, _Handler)
        self.secret, self.queue, self.noted, self.alive = secret, queue, noted, alive
        self._free = threading.BoundedSemaphore(_AT_ONCE)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread; more callers at once than there are threads are turned away."""
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer one caller and free its place."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a caller that went away."""


class _Handler(BaseHTTPRequestHandler):
    server: HookServer
    timeout = _SECONDS
    server_version = "imaging-audit"
    sys_version = ""

    def log_message(self, format: str, *args: Any) -> None:
        """Callers choose what would stand in the log."""

    def do_GET(self) -> None:
        """Answer health checks."""
        if self.path == "/health":
            self._answer(200, "ok")
        elif self.path == "/ready":
            self._ready()
        else:
            self._answer(404, "not found")

    def _ready(self) -> None:
        import sqlite3

        try:
            waiting = self.server.queue.counts()
        except sqlite3.Error:
            self._answer(503, "the queue cannot be read")
            return
        ready = self.server.alive()
        self._answer(200 if ready else 503, "ok" if ready else "no audits are made", queue=waiting)

    def do_POST(self) -> None:
        """Take a webhook."""
        if self.path != "/webhook":
            self._answer(404, "not found")
            return
        code, status = self._taken()
        self._answer(code, status)
        if code == 202:
            self.server.noted()

    def _taken(self) -> tuple[int, str]:
        delivery, timestamp, signature = (self.headers.get(k, "") for k in (DELIVERY, TIMESTAMP, SIGNATURE))
        length = self.headers.get("Content-Length", "")
        if not (delivery and timestamp and signature):
            return 401, "not signed"
        if "Transfer-Encoding" in self.headers or not (length.isascii() and length.isdigit() and len(length) < 10):
            return 411, "no length"
        if int(length) > LARGEST:
            return 413, "too large"
        body = self._body(int(length))
        if body is None:
            return 408, "the body does not end"
        if not is_id(delivery) or not is_signed(self.server.secret, delivery, timestamp, body, signature):
            return 401, "not signed"
        if not is_recent(timestamp, time.time()):
            return 401, "too old"
        try:
            version = announced(json.loads(body))
        except (ValueError, RecursionError):
            return 400, "no JSON"
        if not self.server.queue.announce(delivery, version):
            return 200, "seen before"
        return (202, "noted") if version is not None else (200, "nothing to do")

    def _body(self, length: int) -> bytes | None:
        until, parts, left = time.monotonic() + _SECONDS, [], length
        while left:
            part = self.rfile.read1(left) if time.monotonic() < until else b""
            if not part:
                return None
            parts.append(part)
            left -= len(part)
        return b"".join(parts)

    def _answer(self, code: int, status: str, **more: Any) -> None:
        content = json.dumps({"status": status, **more}).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        # Whatever of a body was not read must not be taken for another request.
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(content)
        self.close_connection = True


def announced(payload: Any) -> tuple[str, str] | None:
    """Return name and number of the version that a payload says was made, None where it says another thing.

    Nothing else of the payload is used: what a version is, the registry says.
    """
    if not isinstance(payload, dict) or (payload.get("entity"), payload.get("action")) != ("model_version", "created"):
        return None
    data = payload.get("data")
    name, version = (data.get("name"), data.get("version")) if isinstance(data, dict) else (None, None)
    number = str(version)
    if not isinstance(name, str) or not 0 < len(name) <= 500 or set(name) & {"/", "@", "\0"}:
        return None
    return (name, number) if number.isascii() and number.isdigit() and len(number) < 15 else None
