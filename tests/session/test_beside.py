"""A run with all that can stand beside its cases, from a file and from Python."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import audit
from audit import session
from audit.config import load_audit, load_policy
from audit.core import Cohort, ImagingModel, IntendedUse
from audit.errors import FaultsError, InputError
from audit.evidence import read_run
from audit.probes import catalogue
from tests.session._make import evidence_of, write

MORE = """
[cohort.reference]
verified = "done"
[cohort.comparators]
nurse = { column = "nurse", output = "decision" }
[cohort.training]
manifest = "train.csv"
patient = "who"
case = "series"
[audit]
"""


def beside(folder: Path, n: int = 400) -> Path:
    """Write a cohort of which every fourth case is unverified, some are declined and some set aside."""
    path = write(folder, n=n)
    head, *rows = (folder / "scores.csv").read_text().splitlines()
    for i, row in enumerate(rows):
        cells = row.split(",")
        declined = i % 20 == 3
        cells[3] = "" if i % 40 == 3 else cells[3]
        cells[2] = "" if i % 50 == 7 else cells[2]
        rows[i] = ",".join([*cells, str(int(i % 4 != 0)), str(int(declined)), cells[2] or "0", f"READ-{i % 2}"])
    (folder / "scores.csv").write_text("\n".join([f"{head},done,declined,nurse,reading", *rows]) + "\n")
    (folder / "train.csv").write_text("who,series\nPAT-0001,SERIES-77\nPAT-9999,SERIES-78\n")
    text = path.read_text().replace("[audit]", MORE)
    text = text.replace('patient = "patient_id"', 'patient = "patient_id"\nungradable = "declined"')
    path.write_text(text)
    return path


def test_a_run_counts_what_stands_beside_its_cases(tmp_path: Path) -> None:
    """Readers, other splits, declined and unverified cases are in the evidence as numbers, and their ids nowhere."""
    folder = session.run_config(load_audit(beside(tmp_path)), out=tmp_path / "run").folder
    said = evidence_of(folder)["cohort"]
    assert said["ledger"]["set_aside"]["reference standard not obtained"] == 100
    assert said["ledger"]["set_aside"]["ungradable"] == 10
    assert said["ledger"]["read"] == said["n"] + sum(said["ledger"]["set_aside"].values()) == 400
    # Eight of them are said to be verified and have an empty target cell.
    assert said["unverified"]["n"] == 108
    assert said["ungradable"]["n"] == 10
    assert said["other_splits"] == [{"name": "training", "n": 2, "n_patients": 2}]
    assert [c["name"] for c in said["comparators"]] == ["nurse"]
    for file in folder.rglob("*"):
        if file.is_file():
            held = file.read_bytes() if file.suffix != ".parquet" else str(pq.read_table(file).to_pydict()).encode()
            assert not any(word in held for word in (b"SERIES-7", b"PAT-", b"CASE-")), file.name
    assert read_run(folder).cohort["unverified"]["n"] == 108


def test_unverified_answers_are_stored_without_a_target(tmp_path: Path) -> None:
    """predictions.parquet has every output of the model; where nobody verified, the target is empty."""
    folder = session.run_config(load_audit(beside(tmp_path)), out=tmp_path / "run").folder
    rows = pq.read_table(folder / "predictions.parquet").to_pylist()
    pending = [r for r in rows if r["condition"] == "unverified"]
    assert len(pending) == 108
    assert all(r["target"] is None and 0 <= r["output_0"] <= 1 and r["attribute.sex"] for r in pending)
    assert all(r["target"] in (0, 1) for r in rows if r["condition"] == "clean")


def test_a_cohort_of_python_has_the_same_beside_it(tmp_path: Path) -> None:
    """The keys of audit.toml, given to `audit.load_cohort`, make the cohort that the file makes."""
    from audit.cohorts import load_cohort

    config = load_audit(beside(tmp_path))
    spec = config.model
    from_file = load_cohort(config.cohort, tmp_path, task=spec.task, classes=spec.classes, input=spec.input)
    mixed = {"role": "protected", "also": ("confounder",), "reason": "more men than women were referred with disease"}
    from_python = audit.load_cohort(
        "scores.csv", root=tmp_path, task="binary", classes=spec.classes, case="case_id", target="label", positive="1",
        patient="patient_id", attributes={"sex": mixed, "site": "protocol"}, verified="done", ungradable="declined",
        comparators={"nurse": {"column": "nurse", "output": "decision"}},
        training={"manifest": "train.csv", "patient": "who", "case": "series"},
    )  # fmt: skip
    assert from_python.digest == from_file.digest
    assert [o.name for o in from_python.others] == ["training"]
    with pytest.raises(InputError, match="comparator nurse"):
        audit.load_cohort("scores.csv", root=tmp_path, task="binary", target="label", comparators={"nurse": {"col": 1}})
    with pytest.raises(InputError, match="comparator nurse: no table of keys"):
        audit.load_cohort("scores.csv", root=tmp_path, task="binary", target="label", comparators={"nurse": "column"})


def test_a_survival_model_is_audited(tmp_path: Path) -> None:
    """Times and events from a table reach the evidence and the stored predictions; a model without horizon does not."""
    rng = np.random.default_rng(0)
    rows = [f"C{i},P{i},{rng.exponential(300):.1f},{i % 3 == 0},{rng.random():.4f}" for i in range(120)]
    (tmp_path / "s.csv").write_text("case,pat,days,died,risk\n" + "\n".join(rows) + "\n")
    declared = {"kind": "predictions", "task": "survival", "output": "probabilities", "case": "case", "score": "risk"}
    with pytest.raises(InputError, match="horizon is missing"):
        audit.load_model(tmp_path / "s.csv", **declared)
    model = audit.load_model(tmp_path / "s.csv", horizon=365.0, **declared)
    cohort = audit.load_cohort(
        "s.csv", root=tmp_path, task="survival", case="case", patient="pat", time="days", event="died"
    )
    folder = audit.run(model, cohort, profile="smoke", probes="DATA003", out=tmp_path / "run").folder
    assert evidence_of(folder)["cohort"]["events"]["n"] == 40
    assert evidence_of(folder)["model"]["horizon"] == 365
    stored = pq.read_table(folder / "predictions.parquet").to_pydict()
    assert sum(stored["event"]) == 40
    assert stored["time"] == pytest.approx(cohort.targets[:, 0].tolist())
    with pytest.raises(InputError, match="not those of task"):
        session.run(model, audit.load_cohort(None, task="binary", targets=np.arange(4) % 2), out=tmp_path / "no")


def saved(folder: Path) -> tuple[ImagingModel, Cohort]:
    """Return the model and the cohort of scores.csv, loaded from Python."""
    model = audit.load_model(
        folder / "scores.csv", kind="predictions", task="binary", output="probabilities", case="case_id",
        score="score", operating_point=0.5,
    )  # fmt: skip
    cohort = audit.load_cohort(
        "scores.csv", root=folder, task="binary", case="case_id", target="label", attributes={"sex": "protected"}
    )
    return model, cohort


def test_a_population_of_python_is_checked(tmp_path: Path) -> None:
    """Shares that do not add up and attributes that are not there are refused before anything is written."""
    write(tmp_path, n=60)
    use = IntendedUse(population={"sex": {"female": 0.5}, "ag": {"old": 1.0}})
    with pytest.raises(FaultsError) as caught:
        audit.run(*saved(tmp_path), intended_use=use, out=tmp_path / "run")
    assert len(caught.value.faults) == 2
    assert not (tmp_path / "run").exists()


def test_a_rule_that_needs_a_prevalence_is_refused(tmp_path: Path) -> None:
    """Neither file nor Python takes a rule on predictive values where nobody says how many are ill."""
    path = write(tmp_path, n=60)
    (tmp_path / "policy.toml").write_text(
        '[[rule]]\nid = "ppv"\nprobe = "PERF001"\nmetric = "ppv"\nlimit = { min = 0.01 }\n'
    )
    with pytest.raises(FaultsError, match="rule 'ppv'"):
        load_audit(path, infos=catalogue().infos)
    with pytest.raises(FaultsError, match="declare prevalence"):
        audit.run(*saved(tmp_path), policy=tmp_path / "policy.toml", out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_gate_takes_no_number_of_a_sample_for_one_of_a_population(tmp_path: Path) -> None:
    """A policy that comes later cannot PASS on a predictive value of the audited sample."""
    write(tmp_path, n=400)
    (tmp_path / "policy.toml").write_text(
        '[[rule]]\nid = "ppv"\nprobe = "PERF001"\nmetric = "ppv"\nlimit = { min = 0.01 }\n'
    )
    folder = audit.run(*saved(tmp_path), probes="PERF001", profile="smoke", out=tmp_path / "run").folder
    judged = session.gate(folder, load_policy(tmp_path / "policy.toml"))
    assert [f.status for f in judged.findings if f.rule == "ppv"] == ["INCONCLUSIVE"]
