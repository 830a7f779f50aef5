"""Small sealed runs on saved predictions."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np

from audit import session
from audit.config import load_audit
from audit.evidence import from_plain, junit, loader, sarif, seal, summary
from audit.report import render
from tests.session._make import write

PROBES = "PERF001,PERF002,CAL001,FAIR001,CONF001,SHIFT001,DATA003,ADV001"
MARGINS = """
[[comparison]]
id = "auc no worse"
metric = "auc"
margin = 0.05
rationale = "half of what two readers differ by"
[[comparison]]
id = "sensitivity no worse by sex"
metric = "sensitivity"
where = { attribute = "sex" }
margin = 0.10
"""


def scores(n, noise=1.0, seed=0):
    """Return scores of the labels that `write` draws, with so much noise and little of their own."""
    labels = np.random.default_rng(0).integers(0, 2, n)
    shared = np.random.default_rng(7).normal(0, 1, n)
    own = np.random.default_rng(seed).normal(0, 0.2, n)
    return 1 / (1 + np.exp(-(2.4 * (labels - 0.5) + noise * shared + own)))


def make(folder: Path, *, n=240, noise=1.0, seed=0, margins="", probes=PROBES, limit=0.5, run_seed=None, change=None):
    """Audit saved predictions and return the run's folder."""
    path = write(folder, n=n, limit=limit, scores=scores(n, noise, seed))
    if margins:
        policy = folder / "policy.toml"
        policy.write_text(policy.read_text() + margins)
    if change is not None:
        change(folder)
    return session.run_config(load_audit(path), out=folder / "run", probes=probes, seed=run_seed).folder


def copy(run: Path, to: Path) -> Path:
    """Return a copy of a run."""
    shutil.copytree(run, to)
    return to


def sealed_again(folder: Path) -> None:
    """Write SHA256SUMS anew, as somebody would who wants a change not to show."""
    (folder / "SHA256SUMS").unlink()
    seal(folder)


def made_to_fit(folder: Path) -> None:
    """Write everything anew that is made from the evidence of a run, and SHA256SUMS after it."""
    evidence = from_plain(json.loads((folder / "evidence.json").read_text()))
    for name, made in (("junit.xml", junit), ("audit.sarif", sarif), ("summary.md", summary)):
        (folder / name).write_text(made(evidence))
    (folder / "report.html").write_text(render(evidence, loader(folder)))
    sealed_again(folder)
