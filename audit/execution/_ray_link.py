"""The connection to a Ray cluster: waited for with a limit, and given up at a signal."""

from __future__ import annotations

import logging
import os
import re
import socket
import threading
from concurrent.futures import Future
from typing import Any

from audit.errors import InputError

CONNECT_SECONDS = 60.0
"""How long a cluster that runs has to answer."""
START_SECONDS = 180.0
"""How long one that is started here has to come up."""
_REACH, _END, _MOMENT = 10.0, 20.0, 3.0
_TRIES = 3
_PLAIN = re.compile(r"[\w.:\[\]-]{1,100}")


class Link:
    """A connection to a cluster, made and ended by a thread of its own.

    Ray takes over the answer to SIGTERM where it is called in the main thread, and may wait without end for a cluster
    that has gone. The thread stays for as long as the connection: what it has started ends with it.

    Args:
        ray: The module.
        address: Of a running cluster, "auto" for the one that was started on this machine; None: that of RAY_ADDRESS,
            else one is started.
        seconds: How long to wait for it; None: as long as such a one has.

    Raises:
        InputError: There is no such cluster, or it does not answer.
    """

    def __init__(self, ray: Any, address: str | None, *, seconds: float | None = None) -> None:
        if address is not None and address.startswith("ray://"):
            raise InputError(
                "a Ray client cannot start an audit", expected="a process on a machine of the cluster", got="ray://",
                fix="ray job submit --address http://HEAD:8265 -- audit run audit.toml --executor ray",
            )  # fmt: skip
        # A program that reads images of patients reports to nobody.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        # Ray itself would look for a cluster that ran here last, and wait a quarter of an hour for one that has gone.
        self._ray, self._target = ray, address or os.environ.get("RAY_ADDRESS") or "local"
        limit = seconds or (START_SECONDS if self._target == "local" else CONNECT_SECONDS)
        self._end, self._made = threading.Event(), Future[None]()
        self._thread = threading.Thread(target=self._hold, name="audit-ray", daemon=True)
        self._thread.start()
        try:
            self._made.result(timeout=limit)
        except TimeoutError as error:
            self._end.set()
            raise _unreached(self._target, str(error) or f"no answer in {limit:g} s") from error
        except (ConnectionError, ValueError, RuntimeError, OSError, ray.exceptions.RayError) as error:
            raise _unreached(self._target, type(error).__name__) from error
        except BaseException:
            # A signal. What does not come up and end in a moment ends with this process.
            self._leave(_MOMENT)
            raise

    def _hold(self) -> None:
        more: dict[str, Any] = {"include_dashboard": False} if self._target == "local" else {}
        speaks = logging.getLogger("ray._private.worker")
        before = speaks.level
        # That its answer to SIGTERM is not set is what is wanted.
        speaks.setLevel(logging.ERROR)
        try:
            _reach(self._target)
            for left in reversed(range(_TRIES if self._target == "local" else 1)):
                try:
                    self._ray.init(
                        address=self._target, logging_level=logging.ERROR, log_to_driver=False,
                        configure_logging=False, **more,
                    )  # fmt: skip
                    break
                except Exception as error:
                    # Ray gives a node 30 s to come up, which is little on a busy machine, and says so with this class.
                    if type(error) is not Exception:
                        raise
                    if self._end.is_set() or not left:
                        raise TimeoutError("the node did not come up") from error
        except BaseException as error:  # noqa: BLE001 - handed to the thread that waits, whatever it is
            self._made.set_exception(error)
            return
        finally:
            speaks.setLevel(before)
        self._made.set_result(None)
        self._end.wait()
        if self._ray.is_initialized():
            self._ray.shutdown()

    def close(self) -> None:
        """Leave the cluster; one that was started here ends."""
        self._leave(_END)

    def _leave(self, seconds: float) -> None:
        self._end.set()
        self._thread.join(timeout=seconds)


def linked(ray: Any, address: str | None) -> Link | None:
    """Return a connection, None for a program that is in that cluster already, and stays in it.

    Args:
        ray: The module.
        address: See `Link`.

    Raises:
        InputError: There is no such cluster, or the program is in another one.
    """
    if not ray.is_initialized():
        return Link(ray, address)
    port, own = (str(a or "").rpartition(":")[2] for a in (address, ray.get_runtime_context().gcs_address))
    # One machine has several names, so that hosts cannot be compared.
    if port.isdigit() and port != own:
        raise InputError(
            "this program is in another Ray cluster already", expected="that cluster, or none yet",
            got=f"an address with port {port}", fix="call ray.shutdown() before, or leave the address out",
        )  # fmt: skip
    return None


def _reach(target: str) -> None:
    """Check that somebody listens at a host and port.

    Raises:
        OSError: Nobody does.
    """
    host, _, port = target.rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), timeout=_REACH).close()


def _unreached(target: str, how: str) -> InputError:
    # An address of another form may hold a password.
    at = target if _PLAIN.fullmatch(target) else "an address that is not host:port"
    if target == "local":
        return InputError(
            "Ray does not start on this machine", expected="a node that comes up", got=how,
            fix="run it again when the machine is less busy, or leave --executor ray out: --workers needs no Ray",
        )  # fmt: skip
    return InputError(
        "the Ray cluster cannot be reached", expected="the address of a running cluster", got=f"{how} at {at}",
        fix="start one with `ray start --head`, or leave --address out and RAY_ADDRESS unset",
    )  # fmt: skip
