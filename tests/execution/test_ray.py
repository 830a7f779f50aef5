"""A Ray cluster of two machines gives the evidence of one process, also where one of them goes in the middle."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audit.core import Cohort, ImagingModel, Policy
from audit.errors import InputError, ModelError
from audit.execution._ray import RayExecutor
from audit.session import load_cohort, load_model
from audit.session._run import Options, Run, audit_model

ray = pytest.importorskip("ray")
# What Ray itself warns of while it starts and ends is no fault of an audit.
pytestmark = [pytest.mark.filterwarnings("ignore::Warning"), pytest.mark.timeout(240)]
N, SIDE = 96, 8
INPUT = {"size": [SIDE, SIDE], "channels": 1, "range": [0, 255]}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two machines with one processor each, on loopback; the test may take the second one away."""
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "object_store_memory": 80 * 2**20})
    made.add_node(num_cpus=1, object_store_memory=80 * 2**20)
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


def slow(images: np.ndarray) -> np.ndarray:
    time.sleep(0.15)
    return bright(images)


def audit(folder: Path, cases: Cohort, asked: ImagingModel, probes: str, **more: Any) -> Run:
    options = Options(profile="smoke", out=folder, probes=probes, **more)
    return audit_model(asked, cases, Policy(name="none"), options)


def same(one: Run, other: Run) -> None:
    assert one.run["evidence_digest"] == other.run["evidence_digest"]
    assert [(r.probe, r.state, r.reason) for r in one.results] == [(r.probe, r.state, r.reason) for r in other.results]
    assert one.verdict == other.verdict


def test_two_machines_give_the_evidence_of_one_process(cluster: Any, tmp_path: Path) -> None:
    """Answers, probes and the digest of all are the same, and the run says who worked."""
    cases, asked = cohort(tmp_path / "cohort"), model(bright)
    probes = "PERF001,FAIR001,CAL001,SHIFT002,SETUP*"
    here = audit(tmp_path / "here", cases, asked, probes)
    with RayExecutor(cluster.address) as executor:
        assert (executor.workers, executor.gpus) == (2, 0)
        there = audit(tmp_path / "there", cases, asked, probes, executor=executor)
    same(there, here)
    assert (there.run["executor"], there.run["workers"]) == ("ray", 2)
    assert not ray.is_initialized()
