"""A pack holds what was found out, says what it does not show, and gives nobody away."""

from __future__ import annotations

import csv
import hashlib
import json
import re

import pytest

from audit.errors import EvidenceError, InputError
from audit.evidence import append_entry, ledger_path, read_ledger, read_predictions
from audit.pack import ENVELOPE, Hazard, PackOptions, check_out, make_pack, read_pack, verify_envelope
from audit.pack._documents import document_ids
from tests.pack._make import HOSTILE, counted, hostile_run, small_run, text_of, unzipped

ACCEPTANCE = "documents/acceptance-criteria.html"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of one run."""
    return small_run(tmp_path_factory.mktemp("pack"))


@pytest.fixture(scope="module")
def files(run):
    """The files of its pack."""
    return unzipped(make_pack(run, PackOptions()))


def evidence(files):
    return json.loads(files["run/evidence.json"])


def test_a_pack_holds_every_document_and_the_whole_run(run, files):
    """Each document is one HTML file; the run's files are there byte for byte but for raw columns."""
    assert {f"documents/{d}.html" for d in (*document_ids(), "crosswalk")} <= set(files)
    beside = {
        "index.html",
        "policy.json",
        "sbom.cdx.json",
        "crosswalk.json",
        "run-history.json",
        "pack.json",
        "SHA256SUMS",
    }
    assert beside <= set(files)
    for path in run.rglob("*"):
        if path.is_file() and path.name != "predictions.parquet":
            assert files[f"run/{path.relative_to(run).as_posix()}"] == path.read_bytes()


def test_a_pack_made_twice_has_equal_bytes(run):
    """Neither the clock nor the machine leaves a trace."""
    assert make_pack(run, PackOptions()) == make_pack(run, PackOptions())


def test_making_a_pack_changes_nothing_in_the_run(run):
    """Every byte and every time of the run's folder stays."""
    before = {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in run.rglob("*") if p.is_file()}
    make_pack(run, PackOptions(min_cell=5))
    assert before == {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in run.rglob("*") if p.is_file()}


def test_a_pack_of_saved_predictions_is_small(run):
    """Documents weigh little beside the report: below a megabyte together."""
    files = unzipped(make_pack(run, PackOptions()))
    assert sum(len(d) for n, d in files.items() if n.startswith("documents/") or n == "index.html") < 1_000_000
    assert len(make_pack(run, PackOptions())) < 5_000_000


def test_no_page_asks_for_anything(files):
    """Pages have no script, no request, and a policy that forbids both."""
    for name, data in files.items():
        if name.endswith(".html") and not name.startswith("run/"):
            assert b"<script" not in data
            assert b"default-src 'none'" in data
            assert not re.search(rb"(?:src|href)=\"(?:https?:)?//", data)


def test_every_link_leads_to_a_file_of_the_pack(files):
    """Documents name each other, and the records inside them."""
    for name, data in files.items():
        if not name.endswith(".html") or name.startswith("run/"):
            continue
        for href in re.findall(r'href="([^"]+)"', data.decode()):
            path, _, anchor = href.partition("#")
            base = name.split("/")[:-1]
            for part in path.split("/"):
                base = base[:-1] if part == ".." else [*base, part]
            target = "/".join(base)
            assert target in files, (name, href)
            assert not anchor or f'id="{anchor}"'.encode() in files[target], (name, href)


def test_no_output_says_that_anything_conforms(files):
    """'Compliant' and 'certified' stand nowhere; 'evidence relevant to' does."""
    for name, data in files.items():
        if not name.startswith("run/artifacts/") and name != "run/report.html":
            assert not re.search(rb"\b(?:compliant|complies|compliance|certified)\b", data, re.IGNORECASE), name
    assert "evidence relevant to" in text_of(files["documents/crosswalk.html"]).lower()


def test_a_record_says_what_a_notified_body_asks_for(run, files):
    """Identity, version, criterion, result, tester, date, environment and seed of every rule."""
    text = text_of(files["documents/execution-records.html"])
    for finding in evidence(files)["findings"]:
        assert finding["headline"] in text
    for word in ("pass criterion", "result", "tester", "date", "environment", "seed", "version", "to be filled in"):
        assert word in text
    named = unzipped(make_pack(run, PackOptions(tester="R. Tester, quality")))["documents/execution-records.html"]
    assert text_of(named).count("R. Tester, quality") == len(evidence(files)["findings"])


def test_tables_of_answers_are_those_of_the_manifest(run, files):
    """True and false answers by sex, counted here from the CSV, stand in the table."""
    with (run.with_name("run-files") / "scores.csv").open() as f:
        rows = list(csv.DictReader(f))
    text = text_of(files["documents/cohort-flow.html"])
    for name, kept in [("all", rows), *((f"sex: {s}", [r for r in rows if r["sex"] == s]) for s in ("female", "male"))]:
        hit, miss, alarm, clear = counted([int(r["label"]) for r in kept], [float(r["score"]) for r in kept])
        patients = len({r["patient_id"] for r in kept})
        assert f"{name} {hit} {miss} {alarm} {clear} 0 {hit}/{hit + miss} {clear}/{alarm + clear} {patients}" in text


def test_predictions_of_another_run_are_refused(run, tmp_path):
    """A table that contradicts the judged numbers stops the pack."""
    from audit.evidence import SUMS, seal

    other = small_run(tmp_path, seed=5)
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in run.rglob("*"):
        target = copy / path.relative_to(run)
        target.mkdir(exist_ok=True) if path.is_dir() else target.write_bytes(path.read_bytes())
    (copy / "predictions.parquet").write_bytes((other / "predictions.parquet").read_bytes())
    (copy / SUMS).unlink()
    seal(copy)
    with pytest.raises(EvidenceError, match="predictions and evidence differ"):
        make_pack(copy, PackOptions())


def test_nothing_is_claimed_that_was_not_given(files):
    """Without time stamp, ledger, hazards, validation and anomalies each absence is told."""
    said = {name: text_of(data) for name, data in files.items() if name.endswith(".html") and "/report" not in name}
    assert "prior definition not demonstrated" in said[ACCEPTANCE]
    assert "prior definition not demonstrated" in said["index.html"]
    assert "not demonstrated" in said["documents/run-history.html"]
    assert "No hazard list was given" in said["documents/traceability.html"]
    assert "No validation file was given" in said["documents/tool-validation.html"]
    assert "No list of anomalies was given" in said["documents/bill-of-materials.html"]
    assert "severity" in said["documents/residual-findings.html"]


def test_where_no_value_lies_far_enough_from_its_limit_hardly_any_power_is_stated(tmp_path):
    """Of five patients with disease a rate would have to lie 0.7 or more from 0.7, and no rate does."""
    text = text_of(unzipped(make_pack(small_run(tmp_path, n=14, limit=0.7), PackOptions()))[ACCEPTANCE])
    assert "sensitivity 50 5 hardly any: at most an extreme value would be settled" in text
    assert "or more from the limit" not in text


def test_a_limit_that_was_not_assessed_is_no_good_news(files):
    """The extract for the instructions lists a rule whose probe did not run, and the crosswalk its clauses."""
    text = text_of(files["documents/instructions-extract.html"])
    assert "1 limit not assessed: ADV001 was not run" in text
    lines = [c for s in json.loads(files["crosswalk.json"])["standards"] for c in s["clauses"]]
    explained = next(c for c in lines if c["clause"] == "Explainability")
    assert (explained["results"], explained["no_result"]) == ([], ["XAI*"])
    assert "no result in this run of XAI*" in text_of(files["documents/crosswalk.html"])


def test_article_15_5_stands_line_by_line(files):
    """Poisoning and confidentiality are not tested; evasion did not run here and says so."""
    text = text_of(files["documents/not-tested.html"])
    for words in (
        "data poisoning",
        "model poisoning",
        "adversarial examples",
        "confidentiality attacks",
        "model flaws",
    ):
        assert words in text
    assert re.search(r"adversarial examples, model evasion not tested did not run: ADV001", text)


def test_a_run_that_was_repeated_until_it_passed_shows(run, monkeypatch, tmp_path):
    """Failed, unfinished and deviating runs on the cohort stand in the history beside this one."""
    monkeypatch.setenv("AUDIT_LEDGER_FILE", str(tmp_path / "ledger.jsonl"))
    e = json.loads((run / "evidence.json").read_text())
    common = {
        "cohort_digest": "given",
        "model_digest": "m",
        "policy_digest": "p",
        "version": "0.1.0",
        "profile": "smoke",
    }
    for name, seed, outcome in (("a", 1, "FAIL"), ("b", 2, "FAIL"), ("c", 3, None), ("d", 4, "this")):
        append_entry(ledger_path(), {**common, "event": "began", "run": name, "seed": seed})
        if outcome:
            digest = e["run"]["evidence_digest"] if outcome == "this" else "other"
            ended = {"event": "ended", "run": name, "seed": seed, "used_digest": e["cohort"]["digest"]}
            outcome = e["verdict"]["outcome"] if outcome == "this" else outcome
            append_entry(ledger_path(), {**common, **ended, "outcome": outcome, "evidence_digest": digest})
    made = unzipped(make_pack(run, PackOptions(ledger=read_ledger(ledger_path()))))
    history = json.loads(made["run-history.json"])
    assert [r["outcome"] for r in history["runs"]] == ["FAIL", "FAIL", "not finished", e["verdict"]["outcome"]]
    assert [r["this"] for r in history["runs"]] == [False, False, False, True]
    assert history["runs"][0]["deviations"] == ["another seed"]
    assert "this cohort was audited 4 times here" in text_of(made["index.html"])


def test_hazards_are_tied_to_results_and_gaps_are_named(run):
    """A hazard without a rule, a rule that is not in the policy, and a rule without a hazard each show."""
    hazards = (
        Hazard(id="H1", hazard="missed finding", rules=("sensitivity", "no-such-rule"), severity="serious"),
        Hazard(id="H2", hazard="misread report"),
    )
    text = text_of(unzipped(make_pack(run, PackOptions(hazards=hazards)))["documents/traceability.html"])
    assert "1 hazard without a rule of this policy: H2" in text
    assert "1 rule named for a hazard and not in this policy: no-such-rule" in text
    assert "2 rules that no hazard names: attack, gap" in text
    assert "serious" in text


def test_hostile_words_stay_words(tmp_path):
    """Markup in names, levels and rationales is shown, never run, and no path leaves the pack."""
    data = make_pack(hostile_run(tmp_path), PackOptions(tester=HOSTILE, hazards=(
        Hazard(id=HOSTILE, hazard="\"><svg onload=alert(3)>", rules=(HOSTILE,)),
    )))  # fmt: skip
    files = unzipped(data)
    for name, page in files.items():
        if name.endswith(".html") and not name.startswith("run/"):
            assert b"<script" not in page
            assert not re.search(rb"<(?:img|svg onload)", page), name
            assert page.count(b"</style>") == 1
    assert HOSTILE in text_of(files["documents/cohort-flow.html"])
    assert all(not n.startswith(("/", "..")) for n in files)


def test_raw_numbers_and_dates_of_patients_are_not_in_a_pack(tmp_path):
    """A numeric attribute is there in its bins alone, and a column of many levels is not there."""
    path = small_with_numbers(tmp_path)
    files = unzipped(make_pack(path, PackOptions()))
    import io

    import pyarrow.parquet as pq

    names = set(pq.read_schema(io.BytesIO(files["run/predictions.parquet"])).names)
    assert "number.age" in set(pq.read_schema(path / "predictions.parquet").names)
    assert not {n for n in names if n.startswith("number.")}
    assert "attribute.age" in names
    assert "attribute.weight" not in names
    manifest = json.loads(files["pack.json"])
    changed = {d["path"]: d["sha256_in_run"] for d in manifest["derived"]}
    assert changed == {"predictions.parquet": hashlib.sha256((path / "predictions.parquet").read_bytes()).hexdigest()}


def small_with_numbers(folder, days=False):
    import numpy as np

    from audit import session
    from audit.config import load_audit
    from tests.session._make import write

    path = write(folder / "files", n=300)
    table = path.with_name("scores.csv")
    rng = np.random.default_rng(0)
    head, *lines = table.read_text().splitlines()
    extra = [f"{rng.uniform(30, 90):.1f},{rng.uniform(50, 100):.2f},2025-01-{1 + i % 9:02d}" for i in range(len(lines))]
    table.write_text("\n".join([f"{head},age,weight,day", *(f"{a},{b}" for a, b in zip(lines, extra, strict=True))]))
    config = path.read_text().replace("[audit]", (
        'age = { role = "protected", bins = [0, 50, 70, 120], unit = "years" }\nweight = { role = "covariate" }\n'
        + ('day = { role = "protocol" }\n' if days else "") + "[audit]"
    ))  # fmt: skip
    path.write_text(config)
    session.run_config(load_audit(path), out=folder / "run", probes="PERF001,DATA003,SETUP*")
    return folder / "run"


def test_a_run_that_names_dates_is_refused(tmp_path):
    """Days of examination as levels would be in every file of the run."""
    with pytest.raises(InputError, match="holds no dates"):
        make_pack(small_with_numbers(tmp_path, days=True), PackOptions())


def test_a_run_that_shows_ids_is_refused(run):
    """Ids of the manifest never enter a pack."""
    from dataclasses import replace

    from audit.evidence import Plain, read_run
    from audit.pack._share import share_run

    e = read_run(run)
    with pytest.raises(InputError, match="holds no ids"):
        share_run(run, replace(e, run={**e.run, "key_id": Plain.key_id}), 0)


def test_small_cells_are_left_out_of_every_file(tmp_path):
    """With a least cell nobody's site is told, predictions included, and what stays is shared by so many patients."""
    run = small_run(tmp_path, sexes=("female", *["male"] * 13, "rare"))
    plain = unzipped(make_pack(run, PackOptions()))
    assert json.loads(plain["pack.json"])["restricted"] is True
    assert "restricted" in text_of(plain["index.html"])
    files = unzipped(make_pack(run, PackOptions(min_cell=40)))
    manifest = json.loads(files["pack.json"])
    assert (manifest["restricted"], manifest["min_cell"]) == (False, 40)
    stored = read_predictions(files["run/predictions.parquet"])
    groups = {}
    for i, patient in enumerate(stored.clean.patient):
        groups.setdefault(tuple(v[i] for v in stored.clean.levels.values()), set()).add(patient)
    assert min(len(g) for g in groups.values()) >= 40
    for name in ("run/predictions.parquet", "run/evidence.json", "run/log.jsonl", "run/summary.md"):
        assert hashlib.sha256(files[name]).hexdigest() != hashlib.sha256(plain[name]).hexdigest()
    e = json.loads(files["run/evidence.json"])
    hidden = [m for r in e["results"] for m in r["measurements"] if m["subgroup"].get("sex") == "rare"]
    assert hidden
    assert all(m["value"] is None and m["n"] == 0 for m in hidden)


def test_a_small_class_is_not_told_by_a_table_of_answers(run):
    """Where the ill of one site are fewer than the least cell, no row of that attribute and none of all is shown."""
    text = text_of(unzipped(make_pack(run, PackOptions(min_cell=110)))["documents/cohort-flow.html"])
    assert "all not shared not shared" in text or "site: A not shared" in text
    assert not re.search(r"(?:female|male|site: .) \d", text)


def test_evidence_without_small_cells_has_a_digest_of_its_own(run):
    """A reader finds it whole, and it names the evidence that it was made from."""
    from audit.evidence import evidence_digest

    e = evidence(unzipped(make_pack(run, PackOptions(min_cell=100))))
    full = json.loads((run / "evidence.json").read_text())
    assert e["run"]["derived_from"] == full["run"]["evidence_digest"]
    assert e["run"]["evidence_digest"] == evidence_digest(e) != full["run"]["evidence_digest"]


def test_k_is_the_number_of_patients_with_the_same_attributes(run, files):
    """Counted here from the manifest: the smallest group of patients by sex and site."""
    with (run.with_name("run-files") / "scores.csv").open() as f:
        rows = list(csv.DictReader(f))
    groups = {}
    for r in rows:
        groups.setdefault((r["sex"], r["site"]), set()).add(r["patient_id"])
    k = min(len(g) for g in groups.values())
    assert f"fewest patients with the same attributes (k) {k}" in text_of(files["documents/privacy.html"])


def test_every_flipped_byte_of_every_file_is_found_and_named(run, tmp_path):
    """One byte of each file, in its middle: the file is named."""
    from audit.pack._zip import write_zip

    files = unzipped(make_pack(run, PackOptions()))
    for name, data in files.items():
        middle = len(data) // 2
        changed = {**files, name: data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]}
        (tmp_path / "p.zip").write_bytes(write_zip(changed))
        assert any(name in fault or name == "SHA256SUMS" for fault in read_pack(tmp_path / "p.zip").faults), name


def test_a_signed_pack_holds_for_its_key_and_its_files(run, tmp_path):
    """The envelope signs every file, SHA256SUMS among them, and says which evidence it is about."""
    pytest.importorskip("cryptography")
    from tests.pack.test_sign import keys

    private, public = keys()
    (tmp_path / "p.zip").write_bytes(make_pack(run, PackOptions(key=private)))
    pack = read_pack(tmp_path / "p.zip")
    assert pack.faults == ()
    signed = verify_envelope(pack.envelope, public)
    assert signed.faults(pack.files, ENVELOPE) == ()
    assert signed.predicate["evidence_digest"] == evidence(pack.files)["run"]["evidence_digest"]


def test_a_pack_is_never_written_into_the_run_nor_over_a_file(run, tmp_path):
    """The run's folder, a folder, a missing folder and a file that is there are refused."""
    (tmp_path / "there.zip").write_bytes(b"x")
    for target in (run / "p.zip", tmp_path, tmp_path / "none" / "p.zip", tmp_path / "there.zip"):
        with pytest.raises(InputError):
            check_out(target, run, overwrite=False)
    assert check_out(tmp_path / "there.zip", run, overwrite=True) is None


def test_an_unfinished_run_makes_no_pack(tmp_path):
    """A folder without its seal is no evidence."""
    run = small_run(tmp_path)
    (run / "SHA256SUMS").unlink()
    with pytest.raises(EvidenceError, match="unfinished"):
        make_pack(run, PackOptions())


def test_making_a_pack_loads_no_model_and_no_image(run):
    """A writer needs neither torch nor a reader of images."""
    from tests.test_house import MODELS, loaded

    code = "import sys\nfrom pathlib import Path\nfrom audit.pack import *\nmake_pack(Path(sys.argv[1]), PackOptions())"
    assert not loaded(code, str(run)) & MODELS


def test_declined_cases_are_counted_as_the_judged_rates_count_them(tmp_path):
    """A model that declines some cases gains nothing in the table: k and n are those of the evidence."""
    from audit import session
    from audit.config import load_audit
    from tests.session.test_beside import beside

    session.run_config(load_audit(beside(tmp_path / "files", n=200)), out=tmp_path / "run", probes="PERF001,DATA003")
    files = unzipped(make_pack(tmp_path / "run", PackOptions()))
    text = text_of(files["documents/cohort-flow.html"])
    measured = [m for r in evidence(files)["results"] if r["probe"] == "PERF001" for m in r["measurements"]]
    rates = {m["metric"]: m for m in measured if m["metric"] in ("sensitivity", "specificity") and not m["condition"]}
    for m in rates.values():
        assert f"{m['k']:.0f}/{m['n']}" in text
    assert "counted as failures" in text
