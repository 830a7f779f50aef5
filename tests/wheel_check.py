"""Runs the installed command from an empty folder, as a user would: `python wheel_check.py PATH/TO/audit`."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

FILES = {
    "evidence.json", "predictions.parquet", "artifacts", "report.html", "junit.xml", "audit.sarif", "summary.md",
    "log.jsonl", "SHA256SUMS",
}  # fmt: skip
FAMILIES = {"DATA", "SETUP", "PERF", "CAL", "FAIR", "CONF", "ADV", "XAI", "SHIFT"}


def main(command: str) -> None:
    """Run the smoke demo from the wheel and check what it wrote."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run([command, "demo", "--profile", "smoke", "--out", "run"], cwd=folder, check=False)
        run = Path(folder) / "run"
        evidence = json.loads((run / "evidence.json").read_text(encoding="utf-8"))
        assert done.returncode == evidence["verdict"]["exit_code"] in (1, 3), done.returncode
        assert {p.name for p in run.iterdir()} == FILES, sorted(p.name for p in run.iterdir())
        completed = {r["family"] for r in evidence["results"] if r["state"] == "completed"}
        assert completed == FAMILIES, FAMILIES - completed
        gated = subprocess.run([command, "gate", "run"], cwd=folder, check=False)
        assert gated.returncode == done.returncode
        subprocess.run([command, "pack", "run", "--out", "pack.zip"], cwd=folder, check=True)
        with zipfile.ZipFile(Path(folder) / "pack.zip") as pack:
            assert len(json.loads(pack.read("crosswalk.json"))["standards"]) == 14
        assert "Content-Security-Policy" in (run / "report.html").read_text(encoding="utf-8")
    check_scores(command)
    check_reference(command)
    print("the wheel runs from an empty folder")


def check_scores(command: str) -> None:
    """Go from a table of scores to a report and a proposed policy."""
    rows = [f"{i},{i % 2},{(0.2 + 0.5 * (i % 2) + 0.002 * (i % 97)):.4f},{'ab'[i // 2 % 2]}" for i in range(200)]
    words = ["scores", "s.csv", "--target", "y", "--score", "p", "--attributes", "sex", "--out", "run"]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "s.csv").write_text("\n".join(["id,y,p,sex", *rows]) + "\n", encoding="utf-8")
        done = subprocess.run([command, *words], cwd=folder, check=False)
        assert done.returncode == 3, done.returncode
        assert {p.name for p in (Path(folder) / "run").iterdir()} == FILES
        assert "[[rule]]" in (Path(folder) / "run-policy.toml").read_text(encoding="utf-8")


def check_reference(command: str) -> None:
    """List the systems of the lecture, and audit the quickest from the files that the wheel brings."""
    listed = subprocess.run([command, "reference", "list"], capture_output=True, text=True, check=True).stdout
    assert {"gender-biased", "protocol-transfer"} <= {line.split()[0] for line in listed.splitlines()}
    words = ["reference", "audit", "protocol-transfer", "--profile", "smoke", "--out", "run"]
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run([command, *words], cwd=folder, check=False)
        assert done.returncode in (0, 1, 3), done.returncode
        assert {p.name for p in (Path(folder) / "run").iterdir()} == FILES
        evidence = json.loads((Path(folder) / "run" / "evidence.json").read_text(encoding="utf-8"))
        assert evidence["cohort"]["phantom"] is True


if __name__ == "__main__":
    main(sys.argv[1])
