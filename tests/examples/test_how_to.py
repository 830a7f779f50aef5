"""The lines of the how-tos are typed as they stand, one after the other, and do what their page says."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tests.session._make import write

PAGES = Path(__file__).resolve().parents[2] / "docs" / "how-to"
NETS = """
import torch

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.gain = torch.nn.Parameter(torch.tensor(1.0))

    def forward(self, x):
        return 40.0 * self.gain * (x.mean(dim=(2, 3)) - 0.392)

def net():
    return Net()
"""
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
ANY = (0, 1, 3)


def lines(page, word=""):
    """Return the lines to type of a page, but for those that install."""
    text = (PAGES / page).read_text(encoding="utf-8")
    found = "".join(re.findall(r"^```bash\n(.*?)^```", text, re.DOTALL | re.MULTILINE)).splitlines()
    return [line for line in found if not line.startswith("pip install") and word in line]


def type_line(line, folder, codes=(0,)):
    """Type one line and return what it says."""
    bin_ = str(Path(sys.executable).parent)
    environment = {
        **os.environ, "PATH": bin_ + os.pathsep + os.environ["PATH"], "AUDIT_LEDGER_FILE": str(folder / "ledger.jsonl"),
        "HOME": str(folder), "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    done = subprocess.run(["bash", "-c", line], cwd=folder, capture_output=True, text=True, env=environment)
    assert done.returncode in codes, (line, done.stdout, done.stderr)
    return done.stdout


def test_the_regulatory_writer_ends_with_a_pack_that_shows_prior_definition(tmp_path):
    """A signed commit before the run, a pack with hazards that is signed, and a check that needs the pack alone."""
    if not all(shutil.which(w) for w in ("git", "ssh-keygen", "openssl")):
        pytest.skip("git, ssh-keygen or openssl is not installed")
    write(tmp_path, n=300)
    page = (PAGES / "regulatory-writer.md").read_text(encoding="utf-8")
    hazards = re.search(r"^```\n(id,hazard.*?)^```", page, re.DOTALL | re.MULTILINE)
    (tmp_path / "hazards.csv").write_text(hazards[1], encoding="utf-8")
    typed = lines("regulatory-writer.md")
    assert len(typed) > 12
    for line in typed:
        said = type_line(line, tmp_path, ANY if line.startswith("audit run") else (0,))
    assert said.startswith("INTACT")
    with zipfile.ZipFile(tmp_path / "pack.zip") as pack:
        manifest = json.loads(pack.read("pack.json"))
        assert "no such rule" not in pack.read("documents/traceability.html").decode()
    assert manifest["prior_definition"]["demonstrated"] is True
    assert "by a signed commit of" in manifest["prior_definition"]["headline"]


def test_the_engineer_gets_an_answer_and_a_comparison(tmp_path):
    """From weights and a table to a run, and to a comparison with the model in use."""
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file

    rng = np.random.default_rng(3)
    labels = np.arange(120) % 2
    images = rng.integers(60, 120, (120, 8, 8)).astype(np.uint8)
    images[labels == 1, 2:6, 2:6] += 80
    np.savez(tmp_path / "images.npz", images=images)
    with (tmp_path / "cases.csv").open("w", newline="") as f:
        rows = csv.writer(f)
        rows.writerow(["case_id", "patient_id", "file", "label", "sex"])
        rows.writerows(
            [f"c{i}", f"p{i}", f"images.npz#images[{i}]", int(labels[i]), "fm"[i // 2 % 2]] for i in range(120)
        )
    (tmp_path / "nets.py").write_text(NETS)
    save_file({"gain": torch.tensor(1.0)}, tmp_path / "weights.safetensors")
    for line in lines("ml-engineer.md"):
        if "champion" in line and not (tmp_path / "champion").exists():
            save_file({"gain": torch.tensor(0.9)}, tmp_path / "weights.safetensors")
            type_line("audit run audit.toml --out champion", tmp_path, ANY)
        codes = (1,) if line.startswith("audit demo") else ANY if re.match(r"audit (run|gate|compare)", line) else (0,)
        type_line(line, tmp_path, codes)
    assert (tmp_path / "demo-run" / "report.html").is_file()
    assert (tmp_path / "candidate" / "report.html").is_file()
    assert (tmp_path / "candidate.html").stat().st_size < 400_000
    assert (tmp_path / "comparison.html").is_file()
