"""One real server of MLflow on loopback, for all tests of a worker that want it."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

from tests.registry._toys import write_rules


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(address, process, seconds=200):
    """Wait until a server says that it is there."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        assert process.poll() is None, "the server ended"
        try:
            with urllib.request.urlopen(address, timeout=2) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise TimeoutError(address)


@pytest.fixture(scope="session")
def tracking(tmp_path_factory):
    """The address of a server with its own database and store of files; its webhooks may reach loopback."""
    import base64

    folder = tmp_path_factory.mktemp("mlflow")
    port = free_port()
    environment = {
        **os.environ, "MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "http,https", "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true",
        "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_WEBHOOK_CACHE_TTL": "1",
    }  # fmt: skip
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "mlflow", "server", "--backend-store-uri",
             f"sqlite:///{folder / 'mlflow.db'}", "--artifacts-destination", str(folder / "artifacts"),
             "--host", "127.0.0.1", "--port", str(port), "--workers", "1"],
            stdout=log, stderr=log, env=environment,
        )  # fmt: skip
        address = f"http://127.0.0.1:{port}"
        try:
            wait_for(f"{address}/health", process)
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("MLFLOW_TRACKING_URI", address)
                yield address
        finally:
            process.terminate()
            process.wait(20)


@pytest.fixture(scope="session")
def registry(tracking):
    """A client of that server."""
    from audit.models import client

    assert tracking
    return client()


@pytest.fixture(scope="session")
def register(registry):
    """Register the files of a folder as a new version of a model; gives its number."""
    from mlflow.exceptions import MlflowException

    experiment = registry.create_experiment("versions")

    def one(name, folder):
        try:
            registry.create_registered_model(name)
        except MlflowException:
            registry.get_registered_model(name)
        run = registry.create_run(experiment)
        registry.log_artifacts(run.info.run_id, str(folder), "model")
        made = registry.create_model_version(name, f"runs:/{run.info.run_id}/model", run_id=run.info.run_id)
        return str(made.version)

    return one


@pytest.fixture
def rules(tmp_path, monkeypatch):
    """The current folder with all that judges the model `toy`."""
    monkeypatch.chdir(write_rules(tmp_path / "rules"))
    (tmp_path / "key").write_bytes(b"k" * 40)
    monkeypatch.setenv("AUDIT_KEY_FILE", str(tmp_path / "key"))
    return tmp_path / "rules"
