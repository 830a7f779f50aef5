"""The volumes are what they are said to be, and the example runs from nothing to a curve with its certificate."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

HERE = Path(__file__).resolve().parents[2] / "examples" / "phantom_volumes"


def phantom() -> ModuleType:
    spec = importlib.util.spec_from_file_location("phantom_of_volumes", HERE / "phantom.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # A dataclass looks its module up by name.
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    finally:
        del sys.modules[spec.name]
    return module


def test_scans_are_reproducible_and_hold_what_was_planted() -> None:
    """Same seed, same volumes, in HU; a nodule is brighter than what surrounds it, and a patient has one label."""
    module = phantom()
    made, again = (module.scans(40, np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(made.volumes, again.volumes)
    assert made.volumes.dtype == np.int16
    assert made.volumes.min() >= module.LOWEST
    assert made.volumes.max() <= module.HIGHEST
    assert made.volumes.shape == (50, *module.SHAPE)
    np.testing.assert_array_equal(made.nodules.any(axis=(1, 2, 3)), made.label == 1)
    for volume, nodule in zip(made.volumes[made.label == 1], made.nodules[made.label == 1], strict=True):
        assert volume[nodule].mean() > volume[~nodule].mean() + 100
    assert all(np.unique(made.label[made.patient == p]).size == 1 for p in made.patient)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_from_nothing_to_a_curve_with_its_certificate(tmp_path: Path) -> None:
    """Trained for a moment and attacked as a volume: every size has a number, every check is made."""
    pytest.importorskip("torch")
    (tmp_path / "key").write_bytes(bytes(range(32)))
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "NO_COLOR": "1", "AUDIT_KEY_FILE": str(tmp_path / "key")}

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, *command], cwd=tmp_path, env=environment, capture_output=True, text=True)

    trained = run(str(HERE / "train.py"), "--out", "work", "--epochs", "8")
    assert trained.returncode == 0, trained.stderr
    done = run(
        "-m", "audit.cli", "run", "work/audit.toml", "--profile", "smoke", "--probes", "PERF001,ADV001", "--out", "out"
    )
    assert done.returncode in (0, 1, 3), done.stdout + done.stderr
    evidence = json.loads((tmp_path / "out" / "evidence.json").read_text(encoding="utf-8"))
    (attacked,) = [r for r in evidence["results"] if r["probe"] == "ADV001"]
    assert attacked["state"] == "completed"
    curve = [m["value"] for m in attacked["measurements"] if m["metric"] == "robust_accuracy"]
    assert len(curve) == 5
    assert curve == sorted(curve, reverse=True)
    assert curve[-1] < 0.3
    checks = {m["metric"]: m["value"] for m in attacked["measurements"] if m["metric"].startswith("certificate")}
    assert len(checks) == 14
    assert checks["certificate_path"] >= 0.8
    report = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "whoever can write to the archive" in report
