"""Declared acquisitions go with the run: into the probe, the evidence, its digest and the report."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from audit import session
from audit.core import Envelope, KnobRange
from audit.testing import planted, tiny_cohort
from tests.judge._make import policy, rule

ENVELOPE = Envelope(
    tolerated_drop=0.1,
    knobs={
        "us_gain": KnobRange(low=-3, high=3, source="a survey"),
        "us_noise": KnobRange(low=0, high=12, source="a survey"),
    },
)


def test_a_run_holds_its_envelope_and_what_came_of_it(tmp_path: Path) -> None:
    """The evidence has ranges and sources, the rule is judged, and the report has the curves with their words."""
    model = planted()
    model = replace(model, card=replace(model.card, input=replace(model.card.input, modality="us")))
    wanted = rule("no-loss", low=-0.2, probe="SHIFT002", metric="performance_change", where={"stratum": "auc"})
    ran = session.run(
        model, tiny_cohort(np.random.default_rng(1), n=80), policy=policy(wanted), probes="SHIFT002", profile="smoke",
        out=tmp_path / "run", envelope=ENVELOPE,
    )  # fmt: skip
    stored = json.loads((tmp_path / "run" / "evidence.json").read_text())
    assert stored["run"]["envelope"]["knobs"]["us_gain"]["source"] == "a survey"
    result = next(r for r in stored["results"] if r["probe"] == "SHIFT002")
    assert result["state"] == "completed"
    assert {"severity_curve", "severity_summary", "acquisition_parameters"} <= {a["name"] for a in result["artifacts"]}
    assert next(f for f in ran.findings if f.rule == "no-loss").measurements
    page = (tmp_path / "run" / "report.html").read_text()
    assert "Shaded: in clinical use (a survey)" in page
    assert "What breaks first" in page
    article = page[page.index('id="SHIFT002"') :]
    said = next(
        article.index(words) for words in ("First to break it", "No change of the acquisition") if words in article
    )
    assert said < article.index("<figure")
