"""The queue of a gate: nothing twice, nothing lost."""

from __future__ import annotations

import threading

import pytest

from audit.errors import InputError
from audit.models import Registered, RegistryError
from audit.registry import Queue, only_gate
from audit.registry._gate import Refusal
from audit.registry._orders import Order
from audit.registry._queue import MOST_TRIES
from audit.registry._work import Worker


def version(number, created=5, name="toy"):
    return Registered(name=name, version=str(number), source="", created=created)


@pytest.fixture
def clock():
    """Seconds that a test sets."""
    return [1000.0]


@pytest.fixture
def queue(tmp_path, clock):
    """An empty queue."""
    return Queue(tmp_path / "queue.sqlite", clock=lambda: clock[0])


def again(queue, clock):
    return Queue(queue._path, clock=lambda: clock[0])


def test_a_version_is_queued_once_whatever_became_of_it(queue):
    """One that was registered again under its number is another one."""
    assert queue.add(version(1))
    assert not queue.add(version(1))
    queue.finish(queue.take(), "PASS")
    assert not queue.add(version(1))
    assert queue.add(version(1, created=6))
    assert queue.counts() == {"done": 1, "queued": 1}


def test_jobs_are_taken_in_order_and_by_one_only(queue):
    """Two threads never have the same job."""
    for i in range(40):
        queue.add(version(i))
    taken, lock = [], threading.Lock()

    def work():
        while job := queue.take():
            with lock:
                taken.append(int(job.version))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert sorted(taken) == list(range(40))


def test_what_was_running_when_the_gate_was_killed_is_queued_again(queue, clock):
    """With its number of tries, so that one that kills the gate is not begun for ever."""
    queue.add(version(1))
    assert queue.take().tries == 1
    restarted = again(queue, clock)
    assert restarted.take() is None
    assert restarted.recover() == 1
    assert restarted.take().tries == 2


def test_a_job_that_is_put_back_waits_and_its_try_does_not_count(queue, clock):
    """Unless it is said to count."""
    queue.add(version(1))
    queue.put_back(queue.take(), 60, "the registry is away")
    assert queue.take() is None
    assert queue.next_due(300) == 60
    clock[0] += 61
    assert queue.take().tries == 1
    assert queue.next_due(300) == 300


def test_a_delivery_is_noted_once_with_what_it_announces(queue, clock):
    """A second one with the same id announces nothing, also after a restart."""
    assert queue.announce("d1", ("toy", "1"))
    assert not again(queue, clock).announce("d1", ("toy", "2"))
    assert queue.announce("d2", ("toy", "1"))
    assert queue.announced() == [("toy", "1")]
    queue.admitted("toy", "1")
    assert queue.announced() == []


def test_a_verdict_is_found_by_what_it_rests_on(queue, tmp_path):
    """And by nothing else."""
    queue.remember("k1", "f1", tmp_path)
    assert (queue.known("k1"), queue.known("k2")) == (tmp_path, None)


def test_a_file_of_another_kind_is_refused(tmp_path):
    """It is not overwritten."""
    (tmp_path / "q").write_bytes(b"not a database" * 100)
    with pytest.raises(InputError, match="queue cannot be opened"):
        Queue(tmp_path / "q")


def test_two_gates_do_not_share_a_folder(tmp_path):
    """The second one is told so, and may have it when the first one is gone."""
    with only_gate(tmp_path), pytest.raises(InputError, match="another gate"), only_gate(tmp_path):
        pass
    with only_gate(tmp_path):
        assert (tmp_path / "lock").is_file()


class Client:
    """A registry that knows the versions that a test sets."""

    def __init__(self):
        self.tags, self.versions, self.away, self.aliases = {}, {"1": 5, "2": 6}, False, {}

    def search_model_versions(self, text, order_by=None):
        from types import SimpleNamespace as Made

        assert text == "name = 'toy'"
        return [Made(version=v, creation_timestamp=c, status="READY") for v, c in self.versions.items()]

    def get_model_version(self, name, version):
        from types import SimpleNamespace as Made

        if self.away or version not in self.versions:
            raise RegistryError(name, "away", absent=not self.away)
        held = {k: v for (number, k), v in self.tags.items() if number == version}
        return Made(version=version, creation_timestamp=self.versions[version], tags=held, aliases=[])

    def get_model_version_download_uri(self, name, version):
        return "mlflow-artifacts:/x"

    def get_registered_model(self, name):
        from types import SimpleNamespace as Made

        return Made(tags={"audit.policy": "lenient.toml"}, aliases=self.aliases)

    def delete_registered_model_alias(self, name, alias):
        del self.aliases[alias]

    def delete_model_version_tag(self, name, version, key):
        del self.tags[version, key]

    def set_model_version_tag(self, name, version, key, value):
        self.tags[version, key] = value


class Checks:
    """A gate that notes what it is asked and answers as a test sets."""

    def __init__(self):
        self.registry, self.asked, self.answer = Client(), [], None

    def check(self, version, order, work, out, *, overwrite):
        from types import SimpleNamespace as Made

        self.asked.append((version.version, order))
        assert overwrite
        assert work.is_dir()
        if isinstance(self.answer, Exception):
            raise self.answer
        return Made(evidence=Made(verdict=Made(outcome="PASS", label="PASS")), alias="champion", notes=order.notes)


@pytest.fixture
def worker(queue, tmp_path):
    """A worker whose checks are quick."""
    order = Order(name="toy", config=tmp_path / "audit.toml", policy=tmp_path / "policy.toml", alias="champion")
    told = []
    made = Worker(
        gate=Checks(), queue=queue, orders={"toy": order}, root=tmp_path, state=tmp_path, tell=told.append
    )  # fmt: skip
    made.__dict__["told"] = told
    return made


def outcomes(worker):
    return [(v, state, outcome) for _, v, state, outcome in worker.queue.outcomes()]


def test_every_version_of_the_registry_is_checked_once(worker):
    """Found by a look or announced by a webhook, in any order and any number of times."""
    worker.queue.announce("d1", ("toy", "2"))
    worker.queue.announce("d2", ("other", "1"))
    worker.queue.announce("d3", ("toy", "9"))
    worker.run(every=1, until=lambda: True)
    worker.queue.announce("d4", ("toy", "1"))
    worker.run(every=1, until=lambda: True)
    assert sorted(v for v, _ in worker.gate.asked) == ["1", "2"]
    assert {state for _, state, _ in outcomes(worker)} == {"done"}
    assert worker.queue.announced() == []


def test_a_tag_that_names_a_lenient_policy_is_not_followed(worker, tmp_path):
    """The operator's judges, and the difference is said."""
    worker.run(every=1, until=lambda: True)
    assert {order.policy for _, order in worker.gate.asked} == {tmp_path / "policy.toml"}
    assert any("audit.policy differs" in text for text in worker.told)


def test_a_version_that_stops_the_gate_each_time_is_given_up(worker):
    """After three tries it is tagged INCONCLUSIVE, and the next version is checked."""
    for _ in range(MOST_TRIES):
        worker.queue.add(version(1))
        assert worker.queue.take().version == "1"
        worker.queue.recover()
    worker.run(every=1, until=lambda: True)
    assert worker.gate.registry.tags["1", "audit.verdict"] == "INCONCLUSIVE"
    assert [v for v, _ in worker.gate.asked] == ["2"]


@pytest.mark.parametrize(
    "answer, state, tries",
    [
        (Refusal(InputError("no")), "refused", 1),
        (RegistryError("x", "away", absent=False), "queued", 0),
        (RegistryError("x", "gone", absent=True), "refused", 1),
        (InputError("the operator's file"), "queued", 0),
        (RuntimeError("ours"), "queued", 1),
    ],
)
def test_what_goes_wrong_ends_no_gate(worker, queue, clock, answer, state, tries):
    """A refusal is final; the registry's and the operator's faults wait without counting; ours counts."""
    worker.gate.answer = answer
    del worker.gate.registry.versions["2"]
    worker.run(every=1, until=lambda: True)
    assert [s for _, s, _ in outcomes(worker)] == [state]
    if state == "queued":
        clock[0] += 1000
        assert queue.take().tries == tries + 1


def test_a_version_registered_again_is_another_one(worker):
    """What was queued of the old one is dropped, the new one is checked."""
    worker.queue.add(version(1, created=4))
    worker.run(every=1, until=lambda: True)
    assert ("1", "refused", "registered again under its number") in outcomes(worker)
    assert sorted(v for v, _ in worker.gate.asked) == ["1", "2"]


@pytest.mark.parametrize("digest, kept", [("same", True), ("other", False), ("", False)])
def test_replaced_files_lose_verdict_and_alias(worker, monkeypatch, digest, kept):
    """What the alias names is held against the tag; other files, or none that can be read, are checked again."""
    worker.run(every=1, until=lambda: True)
    asked = len(worker.gate.asked)
    registry = worker.gate.registry
    registry.tags.update({("2", "audit.files_digest"): "same", ("2", "audit.verdict"): "PASS"})
    registry.aliases["champion"] = "2"
    monkeypatch.setattr(Worker, "_digest_of", lambda self, version: digest)
    worker.hold()
    assert (registry.aliases == {"champion": "2"}) is kept
    assert (("2", "audit.verdict") in registry.tags) is kept
    while worker.step():
        pass
    assert [v for v, _ in worker.gate.asked[asked:]] == ([] if kept else ["2"])


@pytest.mark.parametrize(
    "absent, said", [(True, "toy is not registered yet"), (False, "toy cannot be looked at: away")]
)
def test_a_gate_that_starts_before_its_model_is_registered_says_so(worker, monkeypatch, absent, said):
    """A first start is no fault of the files; a registry that is away is told as such."""

    def look(self, order):
        raise RegistryError("the registered model toy", "away", absent=absent)

    monkeypatch.setattr(Worker, "_hold", look)
    worker.hold()
    assert worker.told == [said]
