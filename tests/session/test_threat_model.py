"""A rule on an attack blocks with a threat model, or with a warning that it measures stress."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from audit import session
from audit.config import load_audit
from audit.core import Access, ThreatModel
from audit.errors import FaultsError
from audit.execution import warnings_before
from tests.execution._make import card, cohort
from tests.judge._make import policy, rule
from tests.session._make import write

DECLARED = """
[audit.threat_model]
who = "whoever handles the files"
pixels = "every intensity, by at most 1 %"
where = "between archive and model"
"""
MODEL = ThreatModel(
    who="whoever handles the files", pixels="every intensity, by at most 1 %", where="between archive and model"
)


def given(folder: Path, more: str) -> Path:
    path = write(folder)
    path.write_text(path.read_text() + more)
    return path


def test_a_threat_model_is_typed_and_part_of_the_digest(tmp_path: Path) -> None:
    """Who, pixels and where arrive as they are; a file without the table keeps the digest that it had."""
    plain, asked = load_audit(given(tmp_path / "a", "")), load_audit(given(tmp_path / "b", DECLARED))
    assert plain.threat_model is None
    assert asked.threat_model == MODEL
    assert asked.digest != plain.digest


@pytest.mark.parametrize("key", ["who", "pixels", "where"])
def test_a_threat_model_is_whole_or_refused(tmp_path: Path, key: str) -> None:
    """Each of the three questions has an answer, and an empty one is none."""
    lines = [line for line in DECLARED.splitlines() if not line.startswith(key)]
    with pytest.raises(FaultsError, match=key):
        load_audit(given(tmp_path / "a", "\n".join(lines)))
    with pytest.raises(FaultsError, match=key):
        load_audit(given(tmp_path / "b", "\n".join([*lines, f'{key} = ""'])))


def said(*rules: object, access: Access = Access.GRADIENT, threat: ThreatModel | None = None) -> str:
    c = cohort(np.zeros(400))
    found = warnings_before(policy(*rules), c, replace(card(), access=access), threat_model=threat)
    return " ".join(s for s in found if "threat model" in s)


def test_a_blocking_rule_without_a_threat_model_draws_a_warning() -> None:
    """The warning names the rules; one that does not block, another family, or saved answers draw none."""
    attack = rule(id="attack", probe="ADV001", metric="robust_accuracy", low=0.5)
    other = rule(id="other", probe="ADV002", metric="robust_accuracy", low=0.5)
    assert said(attack).startswith("Rule 'attack' may block on an attack")
    assert said(attack, other).startswith("Rules 'attack' and 'other' may block")
    assert said(attack, threat=MODEL) == ""
    assert said(attack, access=Access.SAVED) == ""
    assert said(replace(attack, blocking=False)) == ""
    assert said(rule(id="plain", probe="PERF001", metric="auc", low=0.5)) == ""


def test_the_evidence_says_against_whom(tmp_path: Path) -> None:
    """What was declared is in the evidence, where the report finds it."""
    folder = session.run_config(load_audit(given(tmp_path / "a", DECLARED)), out=tmp_path / "run").folder
    run = json.loads((folder / "evidence.json").read_text())["run"]
    assert run["threat_model"] == {
        "who": MODEL.who, "pixels": MODEL.pixels, "where": MODEL.where,
    }  # fmt: skip
