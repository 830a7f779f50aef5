"""The examples, trained for a moment on real images and audited from end to end."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
FAMILIES = {"DATA", "SETUP", "PERF", "CAL", "FAIR", "CONF", "ADV", "XAI", "SHIFT"}

pytestmark = [pytest.mark.realdata, pytest.mark.timeout(900)]


def images(name: str) -> Path:
    """Return the folder of real images, or skip with the reason."""
    pytest.importorskip("torch")
    folder = Path(os.environ.get("AUDIT_REALDATA", ROOT.parent / "shared" / "data")) / name
    if not (folder / "images.npz").is_file():
        pytest.skip(f"no real images: set AUDIT_REALDATA to a folder that holds {name}/images.npz")
    return folder


def run(*command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a command as a user does, on one thread and without a colour."""
    (cwd / "key").write_bytes(bytes(range(32)))
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "NO_COLOR": "1", "AUDIT_KEY_FILE": str(cwd / "key")}
    return subprocess.run([sys.executable, *command], cwd=cwd, env=environment, capture_output=True, text=True)


def audited(name: str, folder: str, tmp_path: Path) -> tuple[int, dict[str, Any], str]:
    """Train for one round, audit under smoke; return exit code, evidence and report."""
    data = images(folder)
    trained = run(
        str(EXAMPLES / name / "train.py"), "--data", str(data), "--out", "work", "--epochs", "1", cwd=tmp_path
    )
    assert trained.returncode == 0, trained.stderr
    audit = ["-m", "audit.cli", "run", "work/audit.toml", "--profile", "smoke", "--out", "audited"]
    done = run(*audit, cwd=tmp_path)
    assert "Traceback" not in done.stdout + done.stderr
    assert done.returncode in (0, 1, 3), done.stdout + done.stderr
    out = tmp_path / "audited"
    evidence = json.loads((out / "evidence.json").read_text(encoding="utf-8"))
    return done.returncode, evidence, (out / "report.html").read_text(encoding="utf-8")


def states(evidence: dict[str, Any]) -> dict[str, str]:
    """State by probe."""
    return {result["probe"]: result["state"] for result in evidence["results"]}


def check_numbers(evidence: dict[str, Any]) -> None:
    """Every number has its n, its patients and an interval, or there is a reason instead."""
    for result in evidence["results"]:
        for m in result["measurements"]:
            where = f"{result['probe']} {m['metric']} {m['subgroup']} {m['condition']}"
            assert 0 <= m["n_patients"] <= m["n"], where
            if m["value"] is None:
                assert m["missing"], where
            else:
                assert m["low"] <= m["high"], where


def test_skin_lesions(tmp_path: Path) -> None:
    """Every family is in the audit of the melanoma model: attacked and explained, the others done or with a reason."""
    data = images("skin-lesions")
    code, evidence, report = audited("skin_lesions", "skin-lesions", tmp_path)
    by_probe = states(evidence)
    assert {probe.rstrip("0123456789") for probe in by_probe} == FAMILIES
    assert set(by_probe.values()) <= {"completed", "not_applicable"}
    assert by_probe["ADV001"] == by_probe["XAI001"] == by_probe["FAIR001"] == by_probe["CONF001"] == "completed"
    assert by_probe["SHIFT001"] == "not_applicable"
    assert all(r["reason"] for r in evidence["results"] if r["state"] != "completed")
    assert code == {"PASS": 0, "FAIL": 1, "INCONCLUSIVE": 3}[evidence["verdict"]["outcome"]]
    check_numbers(evidence)
    ledger = evidence["cohort"]["ledger"]
    assert ledger["read"] == ledger["used"] + sum(ledger["set_aside"].values()) > 1000
    stored = pd.read_parquet(tmp_path / "audited" / "predictions.parquet").astype(str).to_csv()
    text = json.dumps(evidence) + report + stored
    assert "ISIC_" not in text
    assert "HAM_" not in text
    assert str(data) not in text


def test_chest_xrays(tmp_path: Path) -> None:
    """Without a single attribute the probes of subgroups are not applicable, none of them passes."""
    images("chest-xrays")
    _, evidence, _ = audited("chest_xrays", "chest-xrays", tmp_path)
    by_probe = states(evidence)
    for probe in ("FAIR001", "CONF001", "SHIFT001"):
        assert by_probe[probe] == "not_applicable"
    findings = {f["rule"]: f["status"] for f in evidence["findings"]}
    assert findings["no-group-is-worse"] == "NOT_APPLICABLE"
    check_numbers(evidence)


def test_without_permission_a_subgroup_probe_that_cannot_run_bars_a_pass(tmp_path: Path) -> None:
    """The same audit under a policy that does not accept the absence of subgroups cannot PASS."""
    data = images("chest-xrays")
    trained = run(
        str(EXAMPLES / "chest_xrays" / "train.py"), "--data", str(data), "--out", ".", "--epochs", "4", cwd=tmp_path
    )
    assert trained.returncode == 0, trained.stderr
    policy = (tmp_path / "policy.toml").read_text(encoding="utf-8")
    allowed = 'allow = ["FAIR*", "CONF*", "SHIFT*", "SETUP004"]'
    assert allowed in policy
    (tmp_path / "policy.toml").write_text(policy.replace(allowed, 'allow = ["SETUP004"]'), encoding="utf-8")
    done = run(
        "-m", "audit.cli", "run", "audit.toml", "--profile", "smoke", "--probes", "PERF001,FAIR001", "--out", "o",
        cwd=tmp_path,
    )  # fmt: skip
    evidence = json.loads((tmp_path / "o" / "evidence.json").read_text(encoding="utf-8"))
    assert evidence["verdict"]["outcome"] != "PASS"
    assert "no-group-is-worse" in evidence["verdict"]["blocking"]
    assert done.returncode in (1, 3)
