"""A pack that says another version made it is made again all the same; its weightiest claims must hold."""

from __future__ import annotations

import json

import pytest

import audit
from audit.errors import EvidenceError
from audit.evidence import append_entry, read_ledger
from audit.pack import PackOptions, make_pack
from audit.pack._read import make_sums
from audit.pack._zip import write_zip
from tests.pack._make import small_run, unzipped


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The files of a pack with a ledger."""
    folder = tmp_path_factory.mktemp("claims")
    run = small_run(folder)
    digest = json.loads((run / "evidence.json").read_text())["cohort"]["digest"]
    path = folder / "ledger.jsonl"
    append_entry(path, {"event": "began", "run": "a", "cohort_digest": digest, "seed": 3})
    return unzipped(make_pack(run, PackOptions(ledger=read_ledger(path), standards=("mdr",))))


def check(files, path):
    """Return what `audit verify` says of files whose SHA256SUMS were written anew."""
    path.write_bytes(write_zip({**files, "SHA256SUMS": make_sums(files)}))
    return audit.verify(path)


def old(files):
    """Return files that say that another version made them."""
    now = b'"made_with": "' + audit.__version__.encode()
    return {n: d.replace(now, b'"made_with": "0.0.1') for n, d in files.items()}


def test_a_pack_of_another_version_says_that_it_was_not_made_again(files, tmp_path):
    """No fault, a sentence and another code than 0: its documents may say anything."""
    others = old(files)
    others["documents/log.html"] += b"<!-- anything -->"
    checked = check(others, tmp_path / "p.zip")
    assert checked.intact
    assert (checked.exit_code, checked.not_made) == (3, ("documents",))
    assert any("imaging-audit 0.0.1 made it" in note and "documents/log.html" in note for note in checked.notes)


def test_a_pack_that_says_another_version_and_comes_out_the_same_is_intact(files, tmp_path):
    """Its version is what it states; its documents are what this one makes."""
    checked = check(old(files), tmp_path / "p.zip")
    assert (checked.exit_code, checked.not_made) == (0, ())


def in_manifest(key, value):
    def change(files):
        values = json.loads(files["pack.json"])
        values[key] = value
        files["pack.json"] = json.dumps(values).encode()

    return change


def in_page(name, before, after):
    def change(files):
        assert before in files[name]
        files[name] = files[name].replace(before, after)

    return change


def shorter_history(files):
    values = json.loads(files["run-history.json"])
    files["run-history.json"] = json.dumps({**values, "runs": [], "outcomes": {}}).encode()


SHOWN = {"demonstrated": True, "headline": "prior definition demonstrated", "facts": [], "doubts": []}


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (in_manifest("prior_definition", SHOWN), "pack.json: states prior definition as demonstrated"),
        (in_manifest("restricted", False), "pack.json: leaves out that the pack is restricted"),
        (in_manifest("made_with", "0.0.2"), "pack.json: names another version"),
        (in_manifest("outcome_with_baseline", "PASS"), "pack.json: names another outcome with the baseline"),
        (in_manifest("baseline_evidence_digest", "ab"), "pack.json: names another baseline"),
        (shorter_history, "run-history.json: counts other runs"),
        (in_page("index.html", b"INCONCLUSIVE", b"PASS"), "index.html: states PASS"),
        (in_page("index.html", b"definition not demonstrated", b"definition demonstrated"), "index.html: states prior"),
        (in_page("index.html", b"</main>", b"<script>1</script></main>"), "index.html: holds what no document"),
        (
            in_page("documents/execution-records.html", b"PASS", b"FAIL"),
            "documents/execution-records.html: states FAIL",
        ),
    ],
)
def test_another_version_is_no_way_to_a_better_claim(files, tmp_path, change, fault):
    """What counts most is held against the rest of the pack, whatever version wrote the words."""
    others = old(files)
    change(others)
    checked = check(others, tmp_path / "p.zip")
    assert checked.exit_code == 1
    assert any(str(f).startswith(fault) for f in checked.faults)


def test_a_pack_of_another_version_that_cannot_be_read_is_neither_intact_nor_changed(files, tmp_path):
    """A text of the crosswalk that this version does not know, for example."""
    others = old(files)
    in_manifest("standards", ["one that is not there yet"])(others)
    with pytest.raises(EvidenceError, match="made with another version"):
        check(others, tmp_path / "p.zip")


def test_names_that_stand_twice_are_refused(files, tmp_path):
    """Who takes the first of two outcomes would read another one."""
    others = {**files, "pack.json": files["pack.json"].replace(b"{\n", b'{\n "outcome": "PASS",\n', 1)}
    assert {"pack.json"} == {f.file for f in check(others, tmp_path / "p.zip").faults}
