"""`audit pack` and `audit verify` of what it wrote, from the command line."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from audit.pack._zip import write_zip
from tests.pack.test_sign import keys

pytest.importorskip("cryptography")


@pytest.fixture
def packed(folder, audit):
    """A signed pack of a run, beside its keys."""
    assert audit("run", "audit.toml", "--probes", "PERF001", "--out", "run")[0] in (0, 3)
    private, public = keys()
    (folder / "key.pem").write_bytes(private)
    (folder / "key.pub").write_bytes(public)
    code, said, _ = audit("pack", "run", "--out", "p.zip", "--sign", "key.pem", "--tester", "R. Tester")
    assert (code, "signed" in said) == (0, True)
    return folder / "p.zip"


def files_of(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as z:
        return {n: z.read(n) for n in z.namelist()}


def test_a_pack_verifies_with_and_without_its_key(packed, audit):
    """Exit 0 for an intact pack, whatever the verdict in it."""
    assert audit("verify", "p.zip")[0] == 0
    assert audit("verify", "p.zip", "--key", "key.pub")[0] == 0


def test_every_changed_file_is_named(packed, audit):
    """One byte of a document, of the evidence and of the signature: exit 1, with the file's name."""
    files = files_of(packed)
    for name in ("documents/model-card.html", "run/evidence.json", "run/predictions.parquet", "pack.json"):
        middle = len(files[name]) // 2
        changed = files[name][:middle] + bytes([files[name][middle] ^ 1]) + files[name][middle + 1 :]
        packed.write_bytes(write_zip({**files, name: changed}))
        code, out, err = audit("verify", "p.zip")
        assert code == 1, name
        assert name in out + err


def test_another_key_and_no_signature_are_told(packed, folder, audit):
    """A key that did not sign, and a pack whose signature was taken away, are no intact pack of that key."""
    (folder / "other.pub").write_bytes(keys()[1])
    assert audit("verify", "p.zip", "--key", "other.pub")[0] == 1
    files = files_of(packed)
    packed.write_bytes(write_zip({n: d for n, d in files.items() if n != "signature.dsse.json"}))
    assert audit("verify", "p.zip", "--key", "key.pub")[0] == 1


def test_sums_made_again_do_not_deceive(packed, audit):
    """A document that somebody wrote anew is named without a key; what somebody gave anew is for the key to tell."""
    from audit.pack._read import make_sums

    files = files_of(packed)
    other = {**files, "documents/signatures.html": files["documents/signatures.html"] + b"<!-- approved -->"}
    packed.write_bytes(write_zip({**other, "SHA256SUMS": make_sums(other)}))
    for words in ((), ("--key", "key.pub")):
        code, out, err = audit("verify", "p.zip", *words)
        assert code == 1
        assert "documents/signatures.html" in out + err
    assert audit("pack", "run", "--out", "q.zip", "--tester", "somebody else")[0] == 0
    assert audit("verify", "q.zip")[0] == 0
    packed.write_bytes(write_zip({**files_of(Path("q.zip")), "signature.dsse.json": files["signature.dsse.json"]}))
    for words in ((), ("--key", "key.pub")):
        code, out, err = audit("verify", "p.zip", *words)
        assert code == 1
        assert "inputs.json: not what was signed" in out + err


def test_a_pack_without_small_cells_verifies(folder, audit):
    """Numbers of what is shared come out the same, and what is not shared is no fault."""
    audit("run", "audit.toml", "--probes", "PERF001,FAIR001", "--out", "run")
    assert audit("pack", "run", "--out", "p.zip", "--min-cell", "70")[0] == 0
    assert json.loads(files_of(folder / "p.zip")["pack.json"])["restricted"] is False
    assert audit("verify", "p.zip")[0] == 0


def test_wrong_use_is_exit_2_with_a_way_out(packed, folder, audit):
    """A file that is there, a standard that is not, no browser, a key that is none."""
    (folder / "bad.pem").write_bytes(b"x")
    for words, told in (
        ((), "--overwrite"), (("--overwrite", "--standard", "iso"), "eu-ai-act"),
        (("--overwrite", "--sign", "bad.pem"), "openssl"), (("--overwrite", "--hazards", "none.csv"), "none.csv"),
        (("--overwrite", "--validation", "audit.toml"), "audit doctor --validate"),
    ):  # fmt: skip
        code, _, err = audit("pack", "run", "--out", "p.zip", *words)
        assert (code, told in err) == (2, True), (words, err)


def test_a_missing_browser_is_told_before_anything_is_made(packed, audit, monkeypatch):
    """The message names the variable, and the pack that was there stays."""
    before = packed.read_bytes()
    monkeypatch.setenv("AUDIT_CHROMIUM", "no-such-browser")
    code, _, err = audit("pack", "run", "--out", "p.zip", "--overwrite", "--pdf")
    assert (code, "AUDIT_CHROMIUM" in err) == (2, True)
    assert packed.read_bytes() == before


def test_chosen_standards_are_the_only_ones(packed, folder, audit):
    """--standard may be repeated."""
    assert audit("pack", "run", "--out", "q.zip", "--standard", "mdr", "--standard", "iec-62304")[0] == 0
    assert json.loads(files_of(folder / "q.zip")["pack.json"])["standards"] == ["mdr", "iec-62304"]


def test_the_validation_of_this_user_is_in_the_pack(packed, folder, audit, monkeypatch):
    """What lies beside the ledger goes in by itself, and a version that is not that of the run is told."""
    import os

    ledger = Path(os.environ["AUDIT_LEDGER_FILE"]).with_name("own") / "ledger.jsonl"
    ledger.parent.mkdir(exist_ok=True)
    monkeypatch.setenv("AUDIT_LEDGER_FILE", str(ledger))
    check = {"requirement": "r", "check": "a planted fault", "expected": "FAIL", "got": "FAIL", "held": True}
    values = {"kind": "imaging-audit validation", "version": "0.0.9", "date": "x", "environment": {}, "checks": [check]}
    ledger.with_name("validation.json").write_text(json.dumps(values), encoding="utf-8")
    assert audit("pack", "run", "--out", "q.zip")[0] == 0
    page = files_of(folder / "q.zip")["documents/tool-validation.html"].decode()
    assert "a planted fault" in page
    assert "which is not that of this run" in page


def test_a_baseline_goes_into_the_pack(packed, audit):
    """`--baseline RUN`; the run itself is none, and a pack is written into neither folder."""
    scores = Path("scores.csv").read_text().splitlines()
    at = scores[0].split(",").index("score")
    other = [row.split(",") for row in scores[1:]]
    for row in other:
        row[at] = str(round(float(row[at]) * 0.99, 6))
    Path("scores.csv").write_text("\n".join([scores[0], *(",".join(row) for row in other)]) + "\n")
    assert audit("run", "audit.toml", "--probes", "PERF001", "--out", "new")[0] in (0, 3)
    assert audit("pack", "new", "--out", "q.zip", "--baseline", "run")[0] == 0
    assert "baseline/evidence.json" in files_of(Path("q.zip"))
    assert audit("verify", "q.zip")[0] == 0
    code, out, err = audit("pack", "run", "--out", "r.zip", "--baseline", "run")
    assert code == 2
    assert "own baseline" in out + err
    assert audit("pack", "new", "--out", "run/r.zip", "--baseline", "run")[0] == 2
    assert audit("pack", "new", "--out", "r.zip", "--baseline", "absent")[0] == 2
