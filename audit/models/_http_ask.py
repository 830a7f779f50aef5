"""Requests to a server that is not trusted: a timeout, retries with backoff, and bounds on what it may send."""

from __future__ import annotations

import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from email.message import Message
from typing import IO, Any
from urllib.parse import urlsplit

from audit.errors import ModelError

# What a server says when it is busy or starting, not when the question is wrong.
_AGAIN = {429, 502, 503, 504}
_TRIES = 4
_LONGEST_WAIT = 30.0
_LARGEST = 256 * 2**20


class Refused(Exception):
    """The server gave no answer that could be used; the message says why, in one line."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would send patients' images somewhere that nobody declared."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> None:
        del req, fp, code, msg, headers, newurl


def place_of(path: str | None) -> str:
    """Return the address in `[model] path` without a slash at its end.

    Raises:
        ModelError: It is no http or https address, or it holds a password.
    """
    address = (path or "").rstrip("/")
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ModelError(
            'kind = "http" needs an address', expected="[model] path = \"http://…\"", got=repr(address)[:80],
            fix="give the whole address that predictions are asked at",
        )  # fmt: skip
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ModelError(
            "[model] path holds more than an address", expected="no user, password, query or fragment",
            got="one of them", fix="keep secrets out of audit.toml, which the evidence describes",
        )  # fmt: skip
    return address


class Caller:
    """Asks a server and gives up after a bounded time.

    Args:
        timeout: Seconds that one request may take to connect, and between two pieces of its answer.
        wait: Called with the seconds between two tries.
    """

    def __init__(self, *, timeout: float, wait: Callable[[float], None] = time.sleep) -> None:
        self._timeout, self._wait = timeout, wait
        self._opener = urllib.request.build_opener(_NoRedirect)

    def get(self, address: str, *, as_json: bool) -> Any:
        """Return what a server says at an address.

        Raises:
            Refused: No usable answer.
        """
        return self._asked(urllib.request.Request(address), as_json=as_json)

    def post(self, address: str, body: Any) -> Any:
        """Return the answer to a JSON body.

        Raises:
            Refused: No usable answer.
        """
        data = json.dumps(body, allow_nan=False).encode()
        request = urllib.request.Request(address, data=data, headers={"Content-Type": "application/json"})
        return self._asked(request, as_json=True)

    def _asked(self, request: urllib.request.Request, *, as_json: bool) -> Any:
        for attempt in range(_TRIES):
            last = attempt == _TRIES - 1
            try:
                content = self._once(request)
                break
            except urllib.error.HTTPError as error:
                with error:
                    said = _line(error.read(2000))
                    named = error.headers.get("Retry-After")
                if error.code not in _AGAIN or last:
                    raise Refused(f"HTTP {error.code}: {said}".rstrip(": ") + _tried(attempt)) from error
                self._wait(_pause(attempt, named))
            except (OSError, http.client.HTTPException) as error:
                if last:
                    reason = getattr(error, "reason", error)
                    raise Refused(f"{type(error).__name__}: {reason}"[:200] + _tried(attempt)) from error
                self._wait(_pause(attempt, None))
        text = content.decode("utf-8", errors="replace")
        if not as_json:
            return text[:200]
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            raise Refused(f"no JSON: {_line(content)}") from error

    def _once(self, request: urllib.request.Request) -> bytes:
        # A slow drip keeps every single read in time, so the whole has its own limit.
        until = time.monotonic() + 10 * self._timeout
        parts: list[bytes] = []
        size = 0
        with self._opener.open(request, timeout=self._timeout) as answer:
            while part := answer.read1(1 << 20):
                size += len(part)
                if size > _LARGEST:
                    raise Refused(f"more than {_LARGEST} bytes")
                if time.monotonic() > until:
                    raise TimeoutError("the answer does not end")
                parts.append(part)
        return b"".join(parts)


def _pause(attempt: int, named: str | None) -> float:
    asked = float(named) if named and named.isdigit() else 0.0
    return min(_LONGEST_WAIT, max(asked, 0.5 * float(2**attempt)))


def _tried(attempt: int) -> str:
    return f" (after {attempt + 1} tries)" if attempt else ""


def _line(content: bytes) -> str:
    return " ".join(content.decode("utf-8", errors="replace").split())[:200]
