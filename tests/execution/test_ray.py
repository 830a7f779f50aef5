"""A Ray cluster of two machines gives the evidence of one process, also where one of them goes in the middle."""

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audit.cohorts import FileSource
from audit.core import Cohort, ImagingModel, Policy
from audit.errors import InputError, MissingExtraError, ModelError
from audit.execution._ray import RayExecutor
from audit.session import load_cohort, load_model
from audit.session._run import Options, Run, audit_model

ray = pytest.importorskip("ray")
# What Ray itself warns of while it starts and ends is no fault of an audit.
pytestmark = [pytest.mark.filterwarnings("ignore::Warning"), pytest.mark.timeout(120)]
N, SIDE = 96, 8
HEAD = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "include_dashboard": False}
INPUT = {"size": [SIDE, SIDE], "channels": 1, "range": [0, 255]}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A cluster on loopback, of one machine with one processor; a test may add others."""
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args=HEAD)
    yield made
    ray.shutdown()
    made.shutdown()


def cohort(folder: Path) -> Cohort:
    """Cases whose brightness follows their label, in one array file."""
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 2, N)
    images = rng.normal(100, 30, (N, 1, SIDE, SIDE)) + 25 * labels[:, None, None, None]
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "images.npy", np.clip(images, 0, 255).astype(np.uint8))
    sexes = rng.choice(["f", "m"], N)
    lines = [f"c{i:03d},p{i // 2:03d},{labels[i]},{sexes[i]},images.npy#[{i}]" for i in range(N)]
    (folder / "cases.csv").write_text("\n".join(["case,patient,label,sex,image", *lines]) + "\n")
    return load_cohort(
        "cases.csv", task="binary", root=folder, input=INPUT, case="case", patient="patient", target="label",
        positive="1", image="image", attributes={"sex": "protected"},
    )  # fmt: skip


def model(answer: Any) -> ImagingModel:
    return load_model(
        answer, task="binary", output="probabilities", classes=["no", "yes"], operating_point=0.5, input=INPUT
    )


def bright(images: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-(images.reshape(len(images), -1).mean(1, keepdims=True) - 112) / 8))


def audit(folder: Path, cases: Cohort, asked: ImagingModel, probes: str, **more: Any) -> Run:
    options = Options(profile="smoke", out=folder, probes=probes, **more)
    return audit_model(asked, cases, Policy(name="none"), options)


def same(one: Run, other: Run) -> None:
    assert one.run["evidence_digest"] == other.run["evidence_digest"]
    assert [(r.probe, r.state, r.reason) for r in one.results] == [(r.probe, r.state, r.reason) for r in other.results]
    assert one.verdict == other.verdict


def test_a_machine_that_goes_in_the_middle_changes_nothing(
    cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it was at is done again by another one: same answers, same digest, no case and no probe lost.

    No image passes through the process where the audit was started.
    """
    cases, asked = cohort(tmp_path / "cohort"), model(stuck_at(tmp_path))
    here = audit(tmp_path / "here", cases, asked, "PERF001,FAIR001")
    node = cluster.add_node(num_cpus=1, object_store_memory=80 * 2**20)
    (tmp_path / "target").write_text(node.node_id)
    gone = threading.Thread(target=_kill, args=(cluster, node, tmp_path / "reached"), daemon=True)
    monkeypatch.setattr(FileSource, "load", _refuse)
    with RayExecutor(cluster.address, workers=2) as executor:
        gone.start()
        there = audit(tmp_path / "there", cases, asked, "PERF001,FAIR001", executor=executor)
        assert executor.lost == 1
    gone.join()
    assert (tmp_path / "reached").exists()
    same(there, here)


def stuck_at(folder: Path) -> Any:
    """Return a model that never answers on the machine whose id stands in a file; the others wait until it is stuck."""

    def answer(images: np.ndarray) -> np.ndarray:
        target, reached = folder / "target", folder / "reached"
        if target.exists() and ray.is_initialized():
            if ray.get_runtime_context().get_node_id() == target.read_text():
                reached.touch()
                time.sleep(200)
            for _ in range(600):
                if reached.exists():
                    break
                time.sleep(0.1)
        return bright(images)

    return answer


def _refuse(source: FileSource, index: int) -> np.ndarray:
    raise AssertionError("an image was read where the audit was started")


def _kill(cluster: Any, node: Any, reached: Path) -> None:
    """Take a machine away without notice once it is at work."""
    while not reached.exists():
        time.sleep(0.05)
    cluster.remove_node(node, allow_graceful=False)


@pytest.mark.slow
def test_two_machines_give_the_evidence_of_one_process(cluster: Any, tmp_path: Path) -> None:
    """Answers, probes and the digest of all are the same, and the run says who worked."""
    cases, asked = cohort(tmp_path / "cohort"), model(bright)
    node = cluster.add_node(num_cpus=1, object_store_memory=80 * 2**20)
    probes = "PERF001,FAIR001,CAL001,CONF005,XAI005,SETUP*"
    here = audit(tmp_path / "here", cases, asked, probes)
    with RayExecutor(cluster.address) as executor:
        assert (executor.workers >= 2, executor.gpus) == (True, 0)
        there = audit(tmp_path / "there", cases, asked, probes, executor=executor)
    cluster.remove_node(node)
    same(there, here)
    assert (there.run["executor"], there.run["workers"]) == ("ray", executor.workers)
    assert not ray.is_initialized()


def failing(images: np.ndarray) -> np.ndarray:
    raise RuntimeError("no such layer")


@pytest.mark.slow
def test_a_model_that_fails_says_so_as_it_does_here(cluster: Any, tmp_path: Path) -> None:
    """What the model raises on readable images ends the audit with the same error."""
    cases = cohort(tmp_path / "cohort")
    with RayExecutor(cluster.address, workers=1) as executor, pytest.raises(ModelError, match="fails on a batch"):
        audit(tmp_path / "run", cases, model(failing), "PERF001", executor=executor)
    assert not (tmp_path / "run").exists()


def deadly_at(wrong: Callable[[np.ndarray], bool]) -> Any:
    """Return a model that kills its process at some images."""

    def answer(images: np.ndarray) -> np.ndarray:
        if any(wrong(image) for image in images):
            os.kill(os.getpid(), signal.SIGKILL)
        return bright(images)

    return answer


@pytest.mark.slow
def test_answers_at_which_every_worker_ends_are_an_error_with_its_reason(cluster: Any, tmp_path: Path) -> None:
    """After three tries the audit ends: a case that kills the model is no case to leave out in silence."""
    cases = cohort(tmp_path / "cohort")
    assert cases.images is not None
    last = cases.images.load(N - 1)
    asked = model(deadly_at(lambda image: np.array_equal(image, last)))
    with RayExecutor(cluster.address, workers=1) as executor, pytest.raises(ModelError, match="3 times"):
        audit(tmp_path / "run", cases, asked, "PERF001", executor=executor)


@pytest.mark.slow
def test_a_probe_at_which_every_worker_ends_is_an_error_and_the_others_go_on(cluster: Any, tmp_path: Path) -> None:
    """Only what asks about changed images kills its worker; that probe is in state error with its reason."""
    cases = cohort(tmp_path / "cohort")
    assert cases.images is not None
    known = {cases.images.load(i).tobytes() for i in range(N)}
    asked = model(deadly_at(lambda image: np.asarray(image, dtype=np.float32).tobytes() not in known))
    with RayExecutor(cluster.address, workers=1) as executor:
        run = audit(tmp_path / "run", cases, asked, "PERF001,CONF005", executor=executor)
    states = {r.probe: (r.state, r.reason) for r in run.results}
    assert states["PERF001"][0] == "completed"
    assert states["CONF005"] == ("error", "its worker ended, or its machine did, 3 times")


@pytest.mark.slow
def test_a_run_on_a_cluster_is_taken_up_again_from_what_it_kept(cluster: Any, tmp_path: Path) -> None:
    """Results of the cluster are used again by the cluster and by this machine alone, with the same digest."""
    torch = pytest.importorskip("torch")
    torch.manual_seed(1)
    # What a function of the user's own rests on cannot be named, so that its answers are never used again.
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(SIDE * SIDE, 1))
    asked = load_model(net, task="binary", output="logits", classes=["no", "yes"], operating_point=0.5, input=INPUT)
    cases, cache = cohort(tmp_path / "cohort"), tmp_path / "cache"
    with RayExecutor(cluster.address, workers=1) as executor:
        first = audit(tmp_path / "one", cases, asked, "PERF001,CONF005", executor=executor, cache=cache)
        again = audit(tmp_path / "two", cases, asked, "PERF001,CONF005", executor=executor, cache=cache, resume=True)
    here = audit(tmp_path / "three", cases, asked, "PERF001,CONF005", cache=cache, resume=True)
    same(again, first)
    same(here, first)
    assert "reused" not in first.run
    assert again.run["reused"] >= 2
    assert here.run["reused"] >= 2


@pytest.mark.slow
def test_a_model_that_was_changed_between_two_runs_is_sent_again(cluster: Any, tmp_path: Path) -> None:
    """Workers that kept it would answer as the one before did, under the name of this one."""
    cases, holds = cohort(tmp_path / "cohort"), {"sign": 1.0}

    def answer(images: np.ndarray) -> np.ndarray:
        return 0.5 + holds["sign"] * (bright(images) - 0.5)

    asked = model(answer)
    with RayExecutor(cluster.address, workers=1) as executor:
        before = audit(tmp_path / "before", cases, asked, "PERF001", executor=executor)
        holds["sign"] = -1.0
        after = audit(tmp_path / "after", cases, asked, "PERF001", executor=executor)
    same(after, audit(tmp_path / "here", cases, asked, "PERF001"))
    assert after.run["evidence_digest"] != before.run["evidence_digest"]


class Stopped(BaseException):
    """A signal came."""


def stop(number: int, frame: object) -> None:
    raise Stopped


@pytest.mark.slow
def test_a_signal_in_the_middle_is_a_clean_stop(cluster: Any, tmp_path: Path) -> None:
    """The answer of this process holds, not one of Ray; the run can be taken up again."""
    cases = cohort(tmp_path / "cohort")

    def answer(images: np.ndarray) -> np.ndarray:
        if ray.is_initialized() and not (tmp_path / "again").exists():
            (tmp_path / "reached").touch()
            time.sleep(100)
        return bright(images)

    def kill() -> None:
        while not (tmp_path / "reached").exists():
            time.sleep(0.05)
        time.sleep(1)
        os.kill(os.getpid(), signal.SIGTERM)

    asked, before = model(answer), signal.signal(signal.SIGTERM, stop)
    try:
        threading.Thread(target=kill, daemon=True).start()
        with pytest.raises(Stopped), RayExecutor(cluster.address, workers=1) as executor:
            audit(tmp_path / "run", cases, asked, "PERF001", executor=executor, cache=tmp_path / "cache")
    finally:
        signal.signal(signal.SIGTERM, before)
    (tmp_path / "again").touch()
    more: dict[str, Any] = {"cache": tmp_path / "cache", "resume": True}
    with RayExecutor(cluster.address, workers=1) as executor:
        there = audit(tmp_path / "run", cases, asked, "PERF001", executor=executor, **more)
    same(there, audit(tmp_path / "here", cases, asked, "PERF001"))


def placed_in(folder: Path) -> Any:
    """Return a model that notes on which machine it answers, and what of it its worker has."""

    def answer(images: np.ndarray) -> np.ndarray:
        if ray.is_initialized():
            here = ray.get_runtime_context()
            held = here.get_assigned_resources()
            (folder / f"{here.get_node_id()} {held.get('CPU', 0)} {held.get('GPU', 0)} {os.getpid()}").touch()
            for _ in range(100):
                # Each of the two waits for the other, so that one alone does not do all.
                if len(list(folder.iterdir())) == 2:
                    break
                time.sleep(0.1)
        return bright(images)

    return answer


@pytest.mark.slow
def test_workers_share_the_graphics_processor_of_a_machine_that_has_one(cluster: Any, tmp_path: Path) -> None:
    """Both are placed there, each with half of it; the evidence is that of processors alone."""
    (tmp_path / "placed").mkdir()
    cases, asked = cohort(tmp_path / "cohort"), model(placed_in(tmp_path / "placed"))
    here = audit(tmp_path / "here", cases, asked, "PERF001")
    node = cluster.add_node(num_cpus=2, num_gpus=1, object_store_memory=80 * 2**20)
    with RayExecutor(cluster.address, workers=2) as executor:
        assert executor.gpus == 0.5
        there = audit(tmp_path / "there", cases, asked, "PERF001", executor=executor)
    cluster.remove_node(node)
    same(there, here)
    found = [file.name.split() for file in (tmp_path / "placed").iterdir()]
    assert [words[:3] for words in found] == [[node.node_id, "1.0", "0.5"]] * 2


def test_without_ray_the_line_that_installs_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing else of the suite needs Ray."""
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError) as caught:
        RayExecutor()
    assert caught.value.fix == 'pip install "imaging-audit[cluster]"'


def test_a_client_of_a_cluster_is_told_to_send_a_job() -> None:
    """A client's process is on no machine of the cluster, where results are kept."""
    with pytest.raises(InputError, match="Ray client") as caught:
        RayExecutor("ray://head:10001")
    assert "ray job submit" in caught.value.fix


def test_a_cluster_that_is_not_there_is_said_so_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The address is named, from the command or from the environment, and what to do."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        closed = f"127.0.0.1:{bound.getsockname()[1]}"
    began = time.monotonic()
    with pytest.raises(InputError, match="cannot be reached") as caught:
        RayExecutor(closed)
    assert closed in str(caught.value)
    monkeypatch.setenv("RAY_ADDRESS", closed)
    with pytest.raises(InputError, match="cannot be reached"):
        RayExecutor()
    assert time.monotonic() - began < 30


def test_no_cluster_that_ran_here_once_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an address one is started; Ray's own default would take, or wait for, what it finds traces of."""
    asked: list[object] = []

    def note(**given: object) -> None:
        asked.append(given["address"])
        raise ConnectionError

    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(ray, "init", note)
    with pytest.raises(InputError):
        RayExecutor()
    assert asked == ["local"]
