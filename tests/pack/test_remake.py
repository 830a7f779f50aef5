"""Every document of a pack is made again from what the pack holds; one that somebody wrote anew is named."""

from __future__ import annotations

import datetime as dt
import json
import shutil
import sys
from pathlib import Path

import pytest

import audit
from audit.config import load_policy
from audit.errors import EvidenceError
from audit.evidence import Ledger, append_entry, ledger_path, read_ledger, seal
from audit.pack import (
    Given,
    Hazard,
    Pack,
    PackOptions,
    commit_objects,
    make_pack,
    read_pack,
    remade_faults,
    stated_faults,
)
from audit.pack._inputs import INPUTS, Inputs, read_inputs, write_inputs
from audit.pack._lists import Anomaly
from audit.pack._read import make_sums
from audit.pack._zip import write_zip
from tests.pack._make import small_run, text_of, unzipped
from tests.pack._signed import allowed, key, needs_git, repository

VALIDATION = {"kind": "imaging-audit validation", "version": audit.__version__, "checks": [], "date": "2026-01-01"}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of one run."""
    return small_run(tmp_path_factory.mktemp("remake"))


@pytest.fixture(scope="module")
def full(run, tmp_path_factory):
    """Options with everything that people can give but a proof."""
    digest = json.loads((run / "evidence.json").read_text())["cohort"]["digest"]
    path = tmp_path_factory.mktemp("ledger") / "ledger.jsonl"
    append_entry(path, {"event": "began", "run": "a", "cohort_digest": digest, "seed": 3})
    append_entry(path, {"event": "began", "run": "b", "cohort_digest": "of another", "model_name": "a secret"})
    return PackOptions(
        tester="R. Tester", hazards=(Hazard(id="H1", hazard="a miss", rules=("sensitivity", "x")),),
        anomalies=(Anomaly(package="numpy", anomaly="a <fault>", reference="https://example.org/1"),),
        validation=VALIDATION, ledger=read_ledger(path), standards=("mdr", "pccp"),
    )  # fmt: skip


@pytest.fixture(scope="module")
def files(run, full):
    """The files of a pack with all of it."""
    return unzipped(make_pack(run, full))


def faults(files):
    """Return what is found in files whose SHA256SUMS were written anew."""
    return remade_faults(Pack(files=files, faults=()), read).faults


def read(data):
    raise AssertionError(f"no policy file was given, got {len(data)} bytes")


def check(files, path):
    """Return what `audit verify` says of files whose SHA256SUMS were written anew."""
    path.write_bytes(write_zip({**files, "SHA256SUMS": make_sums(files)}))
    return audit.verify(path)


@pytest.mark.parametrize("least", [0, 30])
def test_a_pack_of_everything_is_made_again_to_the_byte(run, full, least, tmp_path):
    """Whatever was given, with and without small cells; what was and was not made again is said."""
    from dataclasses import replace

    path = tmp_path / "p.zip"
    path.write_bytes(make_pack(run, replace(full, min_cell=least)))
    checked = audit.verify(path)
    assert [str(f) for f in checked.faults] == []
    assert any("made again from evidence" in note and "byte for byte" in note for note in checked.notes)


def test_each_file_that_somebody_wrote_anew_is_named(files):
    """One other letter in any document, page or list, with digests written anew, and the file is named."""
    for name, data in files.items():
        if name.startswith("run/") or name in ("SHA256SUMS", INPUTS, "validation.json"):
            continue
        old, new = (b"PASS", b"PAST") if b"PASS" in data else (b"a", b"o")
        found = faults({**files, name: data.replace(old, new, 1)})
        assert any(f.startswith(f"{name}: ") for f in found) or name == "pack.json", name
        assert found or stated_faults(Pack(files={**files, name: data.replace(old, new, 1)}, faults=())), name


def test_verify_names_a_document_that_was_written_anew(files, tmp_path):
    """In a pack that nobody signed, and whose digests all fit."""
    name = "documents/residual-findings.html"
    other = files[name].replace(b"Residual", b"No residual")
    checked = check({**files, name: other}, tmp_path / "p.zip")
    assert checked.exit_code == 1
    assert [str(f) for f in checked.faults] == [f"{name}: does not say what the rest of the pack says"]


def test_files_that_nothing_makes_and_those_that_are_absent_are_named(files):
    """A document more, a document less, a file that claims to have been given."""
    assert faults({**files, "given/letter.txt": b"x"}) == ("given/letter.txt: nothing in this pack makes such a file",)
    assert faults({**files, "approval.pdf": b"x"}) == ("approval.pdf: nothing in this pack makes such a file",)
    gone = {k: v for k, v in files.items() if k != "documents/log.html"}
    assert faults(gone) == ("documents/log.html: absent",)
    assert faults({k: v for k, v in files.items() if k != INPUTS}) == (f"{INPUTS}: absent",)
    assert faults({**files, INPUTS: b"{}"})[0].startswith(f"{INPUTS}: {INPUTS} cannot be read")


def test_what_people_gave_must_be_what_the_documents_say(files):
    """Another tester or hazard in the data, and the documents do not follow from it."""
    other = files[INPUTS].replace(b"R. Tester", b"Q. Tester")
    found = faults({**files, INPUTS: other})
    assert {"documents/execution-records.html", "documents/signatures.html"} <= {f.partition(":")[0] for f in found}
    fewer = {k: v for k, v in files.items() if k != "validation.json"}
    assert any(f.startswith("documents/tool-validation.html") for f in faults(fewer))


def test_a_pdf_is_said_not_to_be_made_again(files):
    """The first page names it, and it is the only file of which nothing is known but its digest."""
    found = remade_faults(Pack(files={**files, "documents.pdf": b"%PDF"}, faults=()), read)
    assert [f.partition(":")[0] for f in found.faults] == ["index.html"]
    assert any(n.startswith("documents.pdf was printed by a browser") for n in found.notes)
    assert found.printed == ("documents.pdf",)


def test_only_lines_on_this_cohort_are_passed_on(files):
    """Audits of other cohorts are nobody's business."""
    assert b"a secret" not in files[INPUTS]
    assert read_inputs(files[INPUTS]).ledger.entries[0]["run"] == "a"


def test_inputs_are_read_as_they_were_written():
    """Everything comes back, and what is no such file is refused."""
    full = Inputs(
        tester="t", hazards=(Hazard(id="1", hazard="h", rules=("a", "b")),), anomalies=(),
        ledger=Ledger(entries=({"event": "began"},), fault="x"), licences={"numpy": "BSD"},
        dropped={"number.age": "raw"},
    )  # fmt: skip
    assert read_inputs(write_inputs(full)) == full
    assert read_inputs(write_inputs(Inputs())) == Inputs()
    for bad in (b"", b"[]", b'{"kind": "x"}', write_inputs(full).replace(b'"hazard"', b'"harzard"')):
        with pytest.raises(EvidenceError, match="cannot be read"):
            read_inputs(bad)


@pytest.fixture(scope="module")
def place(run, tmp_path_factory):
    """Policy, key, repository and allowed signers, and a run that began after the commit."""
    pytest.importorskip("cryptography")
    folder = tmp_path_factory.mktemp("commit")
    policy = (run.with_name("run-files") / "policy.toml").read_bytes()
    private = key(folder)
    repository(folder / "r", private, policy=policy)
    allowed(private, file=folder / "allowed")
    (folder / "policy.toml").write_bytes(policy)
    return folder


@pytest.fixture(scope="module")
def given(place):
    """What a user gives."""
    policy = (place / "policy.toml").read_bytes()
    commit, trees = commit_objects(place / "r", "HEAD", policy)
    return Given(
        commit=commit, trees=trees, signers=(place / "allowed").read_bytes(), policy_file=policy,
        policy=load_policy(place / "policy.toml"),
    )  # fmt: skip


@needs_git
def test_it_is_demonstrated_and_checked_again_from_the_pack_alone(run, place, given, tmp_path):
    """The first page says so; the pack is intact without repository, key or list beside it."""
    path = tmp_path / "p.zip"
    path.write_bytes(make_pack(run, PackOptions(given=given, ledger=read_ledger(ledger_path()))))
    pack = read_pack(path)
    said = "prior definition demonstrated by a signed commit of 2026-01-05 10:00:00 UTC by jane@example.org"
    assert pack.manifest["prior_definition"]["demonstrated"] is True
    assert said in pack.files["index.html"].decode()
    assert said in pack.files["documents/acceptance-criteria.html"].decode()
    assert audit.verify(path).intact


@needs_git
@pytest.mark.parametrize("forged", ["other key", "edited time", "other policy", "other tree", "no list"])
def test_forged_proofs_are_told_when_the_pack_is_checked(run, given, tmp_path, forged):
    """Whoever puts another proof under documents that call it good is found out from the pack alone."""
    files = unzipped(make_pack(run, PackOptions(given=given, ledger=read_ledger(ledger_path()))))
    if forged == "other key":
        files["given/allowed-signers"] = allowed(key(tmp_path))
    elif forged == "edited time":
        files["given/commit.txt"] = given.commit.replace(b"1767607200", b"1767607100")
    elif forged == "other policy":
        files["given/policy.toml"] = given.policy_file + b"# later\n"
    elif forged == "other tree":
        files["given/tree-01"] = files["given/tree-01"].replace(b"policy.toml", b"gates1.toml")
    else:
        del files["given/allowed-signers"]
    checked = check(files, tmp_path / "p.zip")
    assert checked.exit_code == 1
    named = {f.file for f in checked.faults}
    assert {"pack.json", "index.html", "documents/acceptance-criteria.html"} <= named


def later(text):
    """Return a time of a run as a forger would move it behind his commit."""
    return (dt.datetime.fromisoformat(text) + dt.timedelta(minutes=6)).isoformat(timespec="seconds")


@needs_git
@pytest.mark.parametrize("moved", ["started", "evidence", "evidence and log"])
def test_a_run_that_was_moved_behind_the_commit_is_told(run, place, tmp_path, moved):
    """No digest covers when a run began: evidence, log and ledger must say the same, and the earliest counts."""
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    values = json.loads((folder / "evidence.json").read_text())
    began = dt.datetime.fromisoformat(values["run"]["started"])
    for name in ("started",) if moved == "started" else ("started", "finished"):
        values["run"][name] = later(values["run"][name])
    (folder / "evidence.json").write_text(json.dumps(values, sort_keys=True, indent=1, ensure_ascii=False) + "\n")
    if moved == "evidence and log":
        lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
        moved_lines = [json.dumps({**line, "time": later(line["time"])}) + "\n" for line in lines]
        (folder / "log.jsonl").write_text("".join(moved_lines))
    seal(folder)
    when = (began + dt.timedelta(minutes=3)).isoformat()
    policy = (place / "policy.toml").read_bytes()
    commit, trees = commit_objects(repository(tmp_path / "r", place / "key", policy=policy, when=when), "HEAD", policy)
    given = Given(
        commit=commit, trees=trees, signers=(place / "allowed").read_bytes(), policy_file=policy,
        policy=load_policy(place / "policy.toml"),
    )  # fmt: skip
    path = tmp_path / "p.zip"
    path.write_bytes(make_pack(folder, PackOptions(given=given, ledger=read_ledger(ledger_path()))))
    assert read_pack(path).manifest["prior_definition"]["demonstrated"] is False
    said = [str(f) for f in audit.verify(path).faults]
    if moved == "evidence and log":
        # The report, which states the times as well, is named before the ledger is looked at.
        assert said == ["run/report.html: does not say what evidence.json says"]
        said = list(remade_faults(read_pack(path), lambda _: load_policy(place / "policy.toml")).faults)
        assert said[0].startswith("inputs.json: the start in the log")
        assert "is later than the start in the ledger" in said[0]
    else:
        assert any("run/log.jsonl: the start that the evidence states" in text for text in said)


@needs_git
def test_a_check_says_what_the_proof_shows_and_what_it_does_not(run, given, tmp_path):
    """The headline again, and that nobody saw whether other policies were committed."""
    path = tmp_path / "p.zip"
    path.write_bytes(make_pack(run, PackOptions(given=given, ledger=read_ledger(ledger_path()))))
    said = " ".join(audit.verify(path).notes)
    assert "Of the policy, by what the pack holds: prior definition demonstrated by a signed commit of" in said
    assert "1 file in the folders above it; none of their content was seen" in said
    assert "no other policy was committed beside this one" in said
    page = text_of(read_pack(path).files["documents/acceptance-criteria.html"])
    assert "What such a proof does not show" in page
    assert "1 file in the folders above it; none of their content was seen" in page


@needs_git
@pytest.mark.parametrize("lines", [[1], [{}], [{"cohort_digest": 1, "time": 2, "run": []}], "abc"])
def test_lines_of_a_ledger_that_nobody_wrote_are_a_fault(run, given, tmp_path, lines):
    """Whoever puts something else into the inputs gets a fault, not an error of the program."""
    files = unzipped(make_pack(run, PackOptions(given=given, ledger=read_ledger(ledger_path()))))
    values = json.loads(files[INPUTS])
    values["inputs"]["ledger"]["entries"] = lines
    files[INPUTS] = json.dumps(values).encode()
    assert check(files, tmp_path / "p.zip").exit_code == 1


@needs_git
def test_a_proof_that_cannot_be_read_here_spares_no_document(run, given, tmp_path, monkeypatch):
    """Without the extra the check says what to install, and never that the pack is intact."""
    from audit.errors import MissingExtraError

    path = tmp_path / "p.zip"
    path.write_bytes(make_pack(run, PackOptions(given=given, ledger=read_ledger(ledger_path()))))
    monkeypatch.setitem(sys.modules, "cryptography.exceptions", None)
    with pytest.raises(MissingExtraError, match="cryptography"):
        audit.verify(path)


@needs_git
def test_the_command_takes_repository_and_revision(run, place, tmp_path, monkeypatch):
    """`--commit HEAD --repository DIR --allowed-signers FILE --policy FILE`, or the commit's file alone."""
    from audit.cli import main

    monkeypatch.chdir(tmp_path)
    words = ["--policy", str(place / "policy.toml"), "--allowed-signers", str(place / "allowed")]
    more = ["--commit", "HEAD", "--repository", str(place / "r")]
    assert main(["pack", str(run), "--out", "a.zip", *words, *more]) == 0
    assert read_pack(Path("a.zip")).manifest["prior_definition"]["demonstrated"] is True
    Path("commit.txt").write_bytes(read_pack(Path("a.zip")).files["given/commit.txt"])
    assert main(["pack", str(run), "--out", "b.zip", *words, "--commit", "commit.txt"]) == 0
    prior = read_pack(Path("b.zip")).manifest["prior_definition"]
    assert prior["demonstrated"] is False
    assert "its tree was not given" in prior["headline"]
    assert main(["pack", str(run), "--out", "c.zip", *words, "--commit", "absent", "--repository", "."]) == 2
