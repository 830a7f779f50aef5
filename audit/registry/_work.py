"""The gate's own loop: what the registry has, what was announced, one audit after the other."""

from __future__ import annotations

import fcntl
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from audit.errors import InputError, ModelError
from audit.models import Registered, RegistryError, fetch, flavour_of, registry_errors, resolve
from audit.registry._gate import Gate, Outcome, Refusal
from audit.registry._orders import Order, held_against
from audit.registry._queue import MOST_TRIES, Queue, Queued
from audit.registry._tags import FILES_TAG, REASON_TAG, VERDICT_TAG, clear_tags, read_tags, write_tags

_PAUSE, _LONG_PAUSE = 10.0, 300.0
# Between two looks at files that have a verdict already; each fetches them whole.
_HOLD = 24 * 3600.0
_STOPPED = "the gate was stopped each time during its audit"


@contextmanager
def only_gate(state: Path) -> Iterator[None]:
    """Hold the folder of a gate: two that share one would audit everything twice.

    Raises:
        InputError: Another gate has it.
    """
    state.mkdir(parents=True, exist_ok=True)
    with (state / "lock").open("w") as lock:
        try:
            # Given back by the system however this process ends.
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise InputError(
                "another gate has this folder", expected="a folder for each gate", got=state.name,
                fix="stop the other one, or name another --state",
            ) from error  # fmt: skip
        yield


@dataclass(frozen=True, kw_only=True)
class Worker:
    """Takes jobs from the queue, one at a time.

    Args:
        gate: Checks a version.
        queue: What is to be checked.
        orders: The operator's map.
        root: Files of the map lie below it.
        state: Folder of the gate.
        tell: Told in one line what happens.
    """

    gate: Gate
    queue: Queue
    orders: Mapping[str, Order]
    root: Path
    state: Path
    tell: Callable[[str], None]
    wake: threading.Event = field(default_factory=threading.Event)

    def scan(self) -> int:
        """Queue every version of the operator's models that was not queued before; gives how many.

        Raises:
            RegistryError: The registry cannot be asked.
        """
        new = 0
        for name in self.orders:
            with registry_errors(f"the versions of {name}"):
                quoted = name.replace("'", "''")
                found = self.gate.registry.search_model_versions(f"name = '{quoted}'", order_by=["version_number ASC"])
                ready = [v for v in found if str(v.status) == "READY"]
            for v in ready:
                created = int(v.creation_timestamp or 0)
                new += self.queue.add(Registered(name=name, version=str(v.version), source="", created=created))
        return new

    def admit(self) -> None:
        """Queue what webhooks announced, as the registry has it.

        Raises:
            RegistryError: The registry cannot be asked; the announcements stay.
        """
        for name, version in self.queue.announced():
            if name in self.orders:
                try:
                    self.queue.add(resolve(f"models:/{name}/{version}", self.gate.registry))
                except RegistryError as error:
                    if not error.absent:
                        raise
            self.queue.admitted(name, version)

    def hold(self) -> None:
        """Hold the files of every version that the operator's aliases name against the digest of its verdict.

        Files that were replaced behind the registry's back have no verdict: tags and alias go, and the version is
        queued again.
        """
        for order in self.orders.values():
            try:
                self._hold(order)
            except RegistryError as error:
                said = "is not registered yet" if error.absent else f"cannot be looked at: {error.got}"
                self.tell(f"{order.name} {said}")
            except InputError as error:
                # One model that cannot be looked at must not keep the gate from the others.
                self.tell(f"{order.name}: its alias could not be held against its files: {error.problem}")

    def _hold(self, order: Order) -> None:
        registry = self.gate.registry
        with registry_errors(f"the registered model {order.name}"):
            number = dict(registry.get_registered_model(order.name).aliases).get(order.alias)
        if number is None:
            return
        version = resolve(f"models:/{order.name}/{number}", registry)
        said = read_tags(registry, version).get(FILES_TAG)
        if said is None or said == self._digest_of(version):
            return
        # In this order: a gate that is stopped in between checks the version again in any case.
        self.queue.again(version)
        with registry_errors(f"the alias {order.alias}"):
            registry.delete_registered_model_alias(order.name, order.alias)
        clear_tags(registry, version)
        self.tell(f"{version.uri}: its files were replaced; the alias {order.alias} was taken away")

    def _digest_of(self, version: Registered) -> str:
        files = self.state / "work" / "held"
        shutil.rmtree(files, ignore_errors=True)
        try:
            return flavour_of(fetch(version, files, most_bytes=self.gate.most_bytes)).digest
        except ModelError:
            # What cannot be read is not what was audited.
            return ""
        finally:
            shutil.rmtree(files, ignore_errors=True)

    def step(self) -> bool:
        """Check the version that waits longest; False where none is due."""
        job = self.queue.take()
        if job is None:
            return False
        named = f"models:/{job.name}/{job.version}"
        try:
            self._do(job, named)
        except Refusal as error:
            self.queue.finish(job, error.problem, refused=True)
            self.tell(f"{named}: refused: {error.problem}")
        except RegistryError as error:
            if error.absent:
                self.queue.finish(job, "gone from the registry", refused=True)
                self.tell(f"{named}: gone from the registry")
            else:
                self._later(job, named, _PAUSE, error)
        except InputError as error:
            # Neither the version's fault nor the registry's: it waits until the operator has corrected the files.
            self._later(job, named, _LONG_PAUSE, error)
        except Exception as error:  # noqa: BLE001 - one version must not end the gate for all others
            self.queue.put_back(job, _PAUSE, repr(error), counts=True)
            self.tell(f"{named}: internal error, tried again: {type(error).__name__}: {error}")
        return True

    def _later(self, job: Queued, named: str, seconds: float, error: InputError) -> None:
        self.queue.put_back(job, seconds, error.problem)
        self.tell(f"{named}: waits {seconds:g} s: {' '.join(str(error).split())}")

    def _do(self, job: Queued, named: str) -> None:
        order = self.orders.get(job.name)
        if order is None:
            self.queue.finish(job, "no longer in the operator's map", refused=True)
            return
        version = resolve(named, self.gate.registry)
        if version.created != job.created:
            self.queue.finish(job, "registered again under its number", refused=True)
            return
        if job.tries > MOST_TRIES:
            write_tags(self.gate.registry, version, {VERDICT_TAG: "INCONCLUSIVE", REASON_TAG: _STOPPED})
            self.queue.finish(job, _STOPPED, refused=True)
            self.tell(f"{named}: refused: {_STOPPED}")
            return
        self.tell(f"{named}: audit begins" + (f" (try {job.tries})" if job.tries > 1 else ""))
        found = self._check(job, version, self._ordered(order, version))
        self.queue.finish(job, found.evidence.verdict.outcome)
        moved = f", {found.alias} names it now" if found.alias else ""
        self.tell(f"{named}: {found.evidence.verdict.label}{moved}")
        for note in found.notes:
            self.tell(f"{named}: note: {note}")

    def _ordered(self, order: Order, version: Registered) -> Order:
        with registry_errors(version.uri):
            tags = {
                **self.gate.registry.get_registered_model(version.name).tags,
                **self.gate.registry.get_model_version(version.name, version.version).tags,
            }
        return held_against(order, tags, self.root)

    def _check(self, job: Queued, version: Registered, order: Order) -> Outcome:
        work, out = self.state / "work" / str(job.id), self.state / "runs" / str(job.id)
        work.mkdir(parents=True, exist_ok=True)
        found = self.gate.check(version, order, work, out, overwrite=True)
        shutil.rmtree(work, ignore_errors=True)
        return found

    def run(self, *, every: float, until: Callable[[], bool] = lambda: False) -> None:
        """Scan, admit and check until told to stop.

        Args:
            every: Seconds between two looks at the registry.
            until: Asked after each round.
        """
        stopped = self.queue.recover()
        if stopped:
            self.tell(f"{stopped} audit(s) that were stopped begin again")
        held = -_HOLD
        while True:
            try:
                if time.monotonic() - held >= _HOLD:
                    self.hold()
                    held = time.monotonic()
                self.admit()
                self.scan()
            except RegistryError as error:
                self.tell(f"the registry cannot be asked: {error.got}")
            while self.step():
                self._admit_quietly()
            if until():
                return
            self.wake.wait(min(every, self.queue.next_due(every)))
            self.wake.clear()

    def _admit_quietly(self) -> None:
        try:
            self.admit()
        except RegistryError as error:
            self.tell(f"the registry cannot be asked: {error.got}")
