"""From an empty machine: a registry, a gate that serves it, two versions of a model, and a gate that is killed."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.registry import _demo, _toys
from tests.registry.conftest import free_port, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
SECRET = "a secret of the webhooks"


@contextmanager
def serving(rules, *words):
    """A gate in a process of its own; gives the process and the address of its webhooks."""
    environment = {**os.environ, "AUDIT_WEBHOOK_SECRET": SECRET, "PYTHONWARNINGS": "ignore"}
    port = free_port()
    log = rules / "gate.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "audit.cli", "registry", "serve", "--map", "gate.toml",
             "--port", str(port), "--every", "3600", *words],
            cwd=rules, env=environment, stdout=output, stderr=output,
        )  # fmt: skip
        try:
            wait_for(f"http://127.0.0.1:{port}/health", process)
            yield process, f"http://127.0.0.1:{port}/webhook"
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def jobs(rules):
    """State and outcome of every version, as the gate's queue has them."""
    with sqlite3.connect(rules / ".audit-gate" / "queue.sqlite") as db:
        rows = db.execute("SELECT version, state, outcome, tries FROM jobs ORDER BY id").fetchall()
    db.close()
    return {row[0]: row[1:] for row in rows}


def wait_until(true, seconds=400):
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, "it took too long"
        time.sleep(0.2)


def descendants(process):
    """Ids of the processes that a process has started."""
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(process.pid)], capture_output=True, text=True)
    return [int(pid) for pid in listed.stdout.split()]


def is_gone(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:  # noqa: PTH123
            return f.read().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_the_biased_version_is_refused_and_the_healthy_one_aliased(registry, tracking, tmp_path, monkeypatch):
    """Both arrive by MLflow's own webhooks; tags of the registry that name a lenient policy change nothing."""
    (tmp_path / "key").write_bytes(b"k" * 40)
    monkeypatch.setenv("AUDIT_KEY_FILE", str(tmp_path / "key"))
    rules = _demo.write_rules(tmp_path / "rules")
    registry.create_registered_model(_demo.NAME, tags={"audit.policy": "lenient.toml", "audit.alias": "other"})
    with serving(rules) as (_, address):
        hook = registry.create_webhook("gate", address, ["model_version.created"], secret=SECRET)
        try:
            for twin in ("biased", "healthy"):
                done = subprocess.run(
                    [sys.executable, "-W", "ignore", _demo.REGISTER, twin], capture_output=True, text=True
                )
                assert "version" in done.stdout, done.stderr
            wait_until(lambda: [j[0] for j in jobs(rules).values()] == ["done", "done"])
        finally:
            registry.delete_webhook(hook.webhook_id)
    tags = {v: registry.get_model_version(_demo.NAME, v).tags for v in ("1", "2")}
    assert {v: t["audit.verdict"] for v, t in tags.items()} == {"1": "FAIL", "2": "PASS"}
    assert dict(registry.get_registered_model(_demo.NAME).aliases) == {"champion": "2"}
    for held in tags.values():
        assert "report.html" in {a.path for a in registry.list_artifacts(held["audit.run"])}
        assert re.fullmatch(r"[0-9a-f]{64}", held["audit.evidence_digest"])
    assert tags["1"]["audit.model_digest"] != tags["2"]["audit.model_digest"]
    assert "audit.policy differs" in (rules / "gate.log").read_text()


def test_a_gate_that_is_killed_ends_the_same(registry, register, rules, tmp_path):
    """kill -9 during the audit: the isolated process goes with it, and a restart comes to the same verdicts."""
    name = "killed"
    _toys.write_rules(rules, name=name, n=2000)
    text = (rules / "audit.toml").read_text().replace('probes = ["PERF001"]', 'probes = ["PERF001", "ADV001"]')
    (rules / "audit.toml").write_text(text)
    table = f'[models.{name}]\nconfig = "audit.toml"\npolicy = "policy.toml"\nalias = "champion"\n'
    (rules / "gate.toml").write_text(table)
    assert register(name, _toys.write_model(tmp_path / "healthy")) == "1"
    with serving(rules) as (process, _):
        wait_until(lambda: jobs(rules).get("1", ("",))[0] == "running" and descendants(process))
        children = descendants(process)
        wait_until((rules / ".audit-gate" / "runs" / "1" / "log.jsonl").is_file)
        process.kill()
        process.wait()
        wait_until(lambda: all(is_gone(pid) for pid in children), 30)
        assert jobs(rules)["1"][0] == "running"
        assert "audit.verdict" not in registry.get_model_version(name, "1").tags
    assert register(name, _toys.write_model(tmp_path / "wrong", right=False)) == "2"
    assert register(name, tmp_path / "healthy") == "3"
    with serving(rules):
        wait_until(lambda: [j[0] for j in jobs(rules).values()] == ["done"] * 3)
    assert jobs(rules)["1"] == ("done", "PASS", 2)
    tags = {v: registry.get_model_version(name, v).tags for v in ("1", "2", "3")}
    assert {v: t["audit.verdict"] for v, t in tags.items()} == {"1": "PASS", "2": "FAIL", "3": "PASS"}
    # Equal weights under equal rules are audited once.
    assert tags["3"]["audit.run"] == tags["1"]["audit.run"]
    assert not (rules / ".audit-gate" / "runs" / "3").exists()
    assert dict(registry.get_registered_model(name).aliases) == {"champion": "3"}


def test_watch_checks_what_is_new_and_stops_when_told_once(registry, register, rules, tmp_path):
    """A second round finds nothing to do."""
    name = "watched"
    _toys.write_rules(rules, name=name)
    (rules / "gate.toml").write_text(
        f'[models.{name}]\nconfig = "audit.toml"\npolicy = "policy.toml"\nalias = "champion"\n'
    )
    register(name, _toys.write_model(tmp_path / "healthy"))
    words = [sys.executable, "-W", "ignore", "-m", "audit.cli", "registry", "watch", "--map", "gate.toml", "--once"]
    first = subprocess.run(words, cwd=rules, capture_output=True, text=True)
    assert first.returncode == 0, first.stderr
    assert f"models:/{name}/1: PASS, champion names it now" in first.stdout
    second = subprocess.run(words, cwd=rules, capture_output=True, text=True)
    assert "audit begins" not in second.stdout
    assert registry.get_model_version(name, "1").tags["audit.verdict"] == "PASS"


def test_a_model_that_mlflow_serves_is_asked(tmp_path):
    """`mlflow models serve` on loopback gives the numbers that the network itself gives."""
    import numpy as np
    import torch

    from audit.core import InputSpec, ModelSpec
    from audit.models import load_model

    folder = tmp_path / "m"
    script = (
        "import sys, mlflow, numpy as np\nfrom tests.registry._toys import network\n"
        "x = np.zeros((2, 1, 8, 8), dtype=np.float32)\n"
        "mlflow.pytorch.save_model(network(), sys.argv[1], serialization_format='pt2', input_example=x,"
        " pip_requirements=[])\n"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", script, str(folder)], check=True, capture_output=True)
    port = free_port()
    # It starts uvicorn by its name.
    bin_ = str(Path(sys.executable).parent)
    environment = {**os.environ, "PATH": bin_ + os.pathsep + os.environ["PATH"], "PYTHONWARNINGS": "ignore"}
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "mlflow", "models", "serve", "-m", str(folder), "--env-manager",
             "local", "--host", "127.0.0.1", "--port", str(port)],
            stdout=log, stderr=log, start_new_session=True, env=environment,
        )  # fmt: skip
        try:
            wait_for(f"http://127.0.0.1:{port}/ping", process)
            spec = ModelSpec(
                kind="http", path=f"http://127.0.0.1:{port}/invocations", task="binary", output="logits",
                operating_point=0.5, input=InputSpec(size=(8, 8), range=(0.0, 255.0)),
            )  # fmt: skip
            images = np.random.default_rng(0).integers(0, 255, (5, 1, 8, 8)).astype(np.float32)
            got = load_model(spec, tmp_path).predict(images)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            process.wait(60)
    with torch.no_grad():
        wanted = _toys.network()(torch.as_tensor(images / 255)).numpy()
    assert got == pytest.approx(wanted, abs=1e-4)
