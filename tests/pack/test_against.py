"""A pack of a run under margins holds its baseline, and whoever checks the pack makes the comparison again."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

import audit
from audit import session
from audit.errors import InputError
from audit.pack import Hazard, PackOptions, make_pack
from audit.pack._read import make_sums
from audit.pack._zip import write_zip
from tests.pack._make import text_of, unzipped
from tests.verification._runs import MARGINS, make

PROBES = "PERF001,FAIR001,SETUP*"


@pytest.fixture(scope="module")
def champion(tmp_path_factory):
    """A run to be held against."""
    return make(tmp_path_factory.mktemp("champion"), noise=0.9, seed=1, margins=MARGINS, probes=PROBES)


@pytest.fixture(scope="module")
def candidate(tmp_path_factory):
    """A run of another model on the same cases."""
    return make(tmp_path_factory.mktemp("candidate"), noise=0.9, seed=2, margins=MARGINS, probes=PROBES)


@pytest.fixture(scope="module")
def files(candidate, champion):
    """The files of the pack of both."""
    return unzipped(make_pack(candidate, PackOptions(baseline=champion)))


def verdict(data, path):
    path.write_bytes(data)
    return audit.verify(path)


def test_the_pack_says_what_compare_and_gate_say(files, candidate, champion):
    """Every difference to eight digits, and the verdict of rules and margins together."""
    found, gated = session.compare(champion, candidate), session.gate(candidate, baseline=champion)
    said = json.loads(files["comparison.json"])
    assert len(said["differences"]) == len(found.differences) > 5
    for mine, theirs in zip(said["differences"], found.differences, strict=True):
        assert mine["measurement"]["subgroup"] == dict(theirs.measurement.subgroup)
        for name in ("value", "low", "high"):
            a, b = mine["measurement"][name], getattr(theirs.measurement, name)
            assert a is b is None or math.isclose(a, b, rel_tol=1e-7, abs_tol=1e-12)
    assert said["verdict"]["outcome"] == gated.verdict.outcome
    manifest = json.loads(files["pack.json"])
    assert manifest["outcome_with_baseline"] == gated.verdict.outcome
    digest = json.loads((champion / "evidence.json").read_text())["run"]["evidence_digest"]
    assert manifest["baseline_evidence_digest"] == digest
    text = text_of(files["documents/comparison.html"])
    for finding in found.findings:
        assert finding.headline in text
    assert digest in text


@pytest.mark.parametrize("least", [0, 20, 70])
def test_it_is_intact_and_the_comparison_is_made_again(candidate, champion, least, tmp_path):
    """With and without small cells."""
    data = make_pack(candidate, PackOptions(baseline=champion, min_cell=least))
    assert [str(f) for f in verdict(data, tmp_path / "p.zip").faults] == []
    counts = [d["measurement"]["n_patients"] for d in json.loads(unzipped(data)["comparison.json"])["differences"]]
    assert min(counts) >= least


def test_a_number_or_a_file_of_the_baseline_that_was_changed_is_named(files, tmp_path):
    """The table, the document, the evidence of the baseline, its predictions, its absence."""
    said = files["comparison.json"]
    for name, data in {
        "comparison.json": said.replace(b'"outcome": "', b'"outcome": "_', 1),
        "documents/comparison.html": files["documents/comparison.html"].replace(b"baseline", b"base line", 1),
        "baseline/evidence.json": files["baseline/evidence.json"].replace(b'"seed": ', b'"seed": 1', 1),
        "baseline/predictions.parquet": files["run/predictions.parquet"],
    }.items():
        other = {**files, name: data}
        checked = verdict(write_zip({**other, "SHA256SUMS": make_sums(other)}), tmp_path / "p.zip")
        assert name in {f.file for f in checked.faults}, name
    without = {k: v for k, v in files.items() if not k.startswith("baseline/")}
    checked = verdict(write_zip({**without, "SHA256SUMS": make_sums(without)}), tmp_path / "p.zip")
    assert "comparison.json" in {f.file for f in checked.faults}


def test_without_a_baseline_the_pack_says_that_the_margins_were_not_shown(candidate, tmp_path):
    """Each margin is named, on the document and on the first page."""
    data = make_pack(candidate, PackOptions())
    text = text_of(unzipped(data)["documents/comparison.html"])
    assert "no baseline was given" in text
    assert "auc no worse" in text
    assert "none was given, though the policy has margins" in text_of(unzipped(data)["index.html"])
    assert verdict(data, tmp_path / "p.zip").intact


def test_hazards_may_name_margins(candidate, champion):
    """With a baseline the chain ends at the margin's record, without one it says what is lacking."""
    hazards = (Hazard(id="H1", hazard="worse than before", rules=("auc no worse",)),)
    for baseline in (champion, None):
        files = unzipped(make_pack(candidate, PackOptions(hazards=hazards, baseline=baseline)))
        page = files["documents/traceability.html"].decode()
        assert "no such rule" not in page
        assert ("no baseline was given" in page) is (baseline is None)
        assert ('href="comparison.html#rule-auc no worse"' in page) is (baseline is not None)


def test_a_run_that_passes_alone_and_is_worse_than_its_baseline_fails_on_every_page(tmp_path):
    """First page, signatures and residual findings show the verdict of rules and margins together."""
    margins = MARGINS.replace("margin = 0.05", "margin = 0.01\nblocking = true")
    best = make(tmp_path / "a", n=600, noise=0.2, seed=1, margins=margins, probes=PROBES)
    worse = make(tmp_path / "b", n=600, noise=2.5, seed=2, margins=margins, probes=PROBES, limit=0.3)
    files = unzipped(make_pack(worse, PackOptions(baseline=best)))
    assert json.loads(files["pack.json"])["outcome_with_baseline"] == "FAIL"
    assert json.loads(files["pack.json"])["outcome"] != "FAIL"
    assert "Do not release" in text_of(files["index.html"])
    assert 'href="comparison.html#rule-auc no worse"' in files["documents/residual-findings.html"].decode()
    assert "FAIL" in text_of(files["documents/signatures.html"])


def test_what_cannot_be_paired_is_inconclusive_and_says_why(candidate, tmp_path):
    """Another cohort gives no number and no PASS."""
    other = make(tmp_path / "a", n=200, seed=3, margins=MARGINS, probes=PROBES)
    data = make_pack(candidate, PackOptions(baseline=other))
    said = json.loads(unzipped(data)["comparison.json"])
    assert said["differences"] == []
    assert said["verdict"]["outcome"] != "PASS"
    assert "different cohorts" in text_of(unzipped(data)["documents/comparison.html"])
    assert verdict(data, tmp_path / "p.zip").intact


def test_a_run_is_not_its_own_baseline(candidate):
    """Its folder is refused."""
    with pytest.raises(InputError, match="own baseline"):
        make_pack(candidate, PackOptions(baseline=candidate))


def test_what_barred_a_pass_stays_though_the_shared_copy_does_not_tell_it(candidate, champion):
    """A reason of the run's verdict that judging its copy again does not give keeps the outcome from PASS."""
    from audit.evidence import read_run
    from audit.pack._against import _no_better

    evidence = read_run(candidate)
    reason = "DATA001 ended in an error: something"
    held = replace(evidence, verdict=replace(evidence.verdict, reasons=(*evidence.verdict.reasons, reason)))
    passed = replace(evidence.verdict, outcome="PASS", reasons=())
    assert _no_better(evidence, passed, 0) == passed
    assert _no_better(held, passed, 0).outcome == "INCONCLUSIVE"
    assert _no_better(held, passed, 0).reasons == (reason,)
