"""A run whose rule stops its probe: the same whoever does the work, in a folder that is as any other."""

from __future__ import annotations

from dataclasses import replace

import jsonschema
import numpy as np
import pytest

from audit import session
from audit.core import BUDGETS, Limit, Policy, Rule
from audit.errors import FaultsError
from audit.evidence import evidence_schema
from audit.testing import network, network_cohort
from tests.session._make import evidence_of

STOPS = Rule(
    id="stands", probe="ADV001", metric="robust_accuracy", limit=Limit(min=0.3), where={"parameter": "headline"},
    sequential=True,
)  # fmt: skip
POLICY = Policy(name="stop early", rules=(STOPS,))


def run(folder, monkeypatch, *, workers=1, policy=POLICY, name="adversarially-trained"):
    """Audit a planted network on 90 patients with a small budget."""
    small = replace(BUDGETS["smoke"], attack_cases=None, attack_steps=3, batch_size=32)
    monkeypatch.setitem(BUDGETS, "smoke", small)  # type: ignore[arg-type]
    return session.run(
        network(name), network_cohort(np.random.default_rng(0), n=90), policy=policy, probes="ADV001",
        profile="smoke", out=folder, workers=workers,
    )  # fmt: skip


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Return the same audit with one process and with two."""
    folder = tmp_path_factory.mktemp("stopping")
    with pytest.MonkeyPatch.context() as patch:
        return {n: run(folder / str(n), patch, workers=n) for n in (1, 2)}


def test_the_evidence_says_what_was_spent_and_saved(runs):
    """32 of 90 patients, in the finding, the measurement, the summary and the report; the schema knows all of it."""
    values = evidence_of(runs[1].folder)
    jsonschema.validate(values, evidence_schema())
    (finding,) = values["findings"]
    assert finding["status"] == "PASS"
    assert (finding["patients_spent"], finding["patients_saved"]) == (32, 58)
    assert values["policy"]["rules"][0]["sequential"] is True
    assert values["family"]["sequential"] == {"stands": 0.025}
    (result,) = [r for r in values["results"] if r["probe"] == "ADV001"]
    assert result["measurements"][finding["decisive"]]["planned"] == 90
    assert "32 of 90 patients" in (runs[1].folder / "summary.md").read_text(encoding="utf-8")
    page = " ".join((runs[1].folder / "report.html").read_text(encoding="utf-8").split())
    assert "32 of 90 patients and saved 58" in page


def test_two_workers_stop_where_one_does(runs):
    """The digest of what was found out is the same: blocks of patients do not depend on who attacks them."""
    assert runs[1].run["evidence_digest"] == runs[2].run["evidence_digest"]


def test_a_second_judgement_from_the_evidence_says_the_same(runs):
    """The gate reads a stopped run as any other; a plain rule with another limit takes the bounds."""
    assert session.gate(runs[1].folder).findings == runs[1].findings
    other = replace(POLICY, rules=(replace(STOPS, limit=Limit(min=0.999), sequential=False),), digest="")
    assert session.gate(runs[1].folder, policy=other).findings[0].status != "PASS"


def test_a_stricter_limit_than_it_stopped_for_is_open_and_says_who_is_left(runs):
    """32 patients settled 0.3; under 0.9 they settle nothing, and the other 58 were never attacked."""
    stricter = replace(POLICY, rules=(replace(STOPS, limit=Limit(min=0.9)),), digest="")
    (finding,) = session.gate(runs[1].folder, policy=stricter).findings
    assert finding.status == "INCONCLUSIVE"
    assert "a run under this policy has 58 patients left" in finding.lacking


def test_what_cannot_stop_early_is_refused_before_anything_runs(tmp_path, monkeypatch):
    """From Python as from a file: a rule on an AUC is an error that names what can."""
    policy = replace(POLICY, rules=(replace(STOPS, metric="robust_auc"),), digest="")
    with pytest.raises(FaultsError, match="one of robust_accuracy"):
        run(tmp_path / "run", monkeypatch, policy=policy)
    assert not (tmp_path / "run").exists()
