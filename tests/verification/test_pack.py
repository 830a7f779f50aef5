"""A pack is checked as a run is: a flipped byte in any of its files is found and the file is named."""

from __future__ import annotations

import base64
import hashlib
import json
import zipfile

import pytest

import audit
from audit.cli import main
from audit.pack import ENVELOPE, read_pack
from audit.pack._read import make_sums
from audit.pack._sign import PAYLOAD_TYPE, PREDICATE, STATEMENT, sign_files
from audit.pack._zip import write_zip


@pytest.fixture(scope="module")
def pack(run, tmp_path_factory):
    """A pack of the run, not signed."""
    path = tmp_path_factory.mktemp("packs") / "pack.zip"
    assert main(["pack", str(run), "--out", str(path)]) == 0
    return path


def places(path):
    """Return, by name, where the bytes of each file lie in the archive."""
    data = path.read_bytes()
    found = {}
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            start = entry.header_offset
            names = sum(int.from_bytes(data[start + i : start + i + 2], "little") for i in (26, 28))
            found[entry.filename] = (start + 30 + names, entry.file_size)
    return found


def test_a_pack_that_nobody_touched_is_intact(pack):
    """The numbers of its evidence come out of its own predictions."""
    checked = audit.verify(pack)
    assert checked.exit_code == 0
    assert "PERF001" in checked.again.probes
    assert checked.again.numbers > 50


def test_a_flipped_byte_in_each_file_is_found_and_named(pack, tmp_path):
    """1 and never 2: the pack can be read, and one of its files is another."""
    data, copy = pack.read_bytes(), tmp_path / "copy.zip"
    for name, (start, size) in places(pack).items():
        changed = bytearray(data)
        changed[start + size // 2] ^= 1
        copy.write_bytes(changed)
        checked = audit.verify(copy)
        assert checked.exit_code == 1, name
        assert name == "SHA256SUMS" or name in {f.file for f in checked.faults}, name


def test_a_file_that_was_added_or_taken_away_is_named(pack, tmp_path):
    """In an archive that is otherwise well made."""
    files = dict(read_pack(pack).files)
    copy = tmp_path / "copy.zip"
    copy.write_bytes(write_zip({**files, "extra.txt": b"x"}))
    assert "extra.txt" in {f.file for f in audit.verify(copy).faults}
    gone = next(name for name in files if name.startswith("documents/"))
    copy.write_bytes(write_zip({k: v for k, v in files.items() if k != gone}))
    assert gone in {f.file for f in audit.verify(copy).faults}


def test_a_signature_that_was_asked_for_must_be_there(pack, tmp_path):
    """An unsigned pack under --key is changed, not intact."""
    pytest.importorskip("cryptography")
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    public = Ed25519PrivateKey.generate().public_key()
    key = tmp_path / "release.pub"
    key.write_bytes(public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo))
    assert audit.verify(pack, key=key).exit_code == 1


def test_a_signature_holds_under_its_key_alone(run, tmp_path):
    """0 with the key that signed, 1 with another."""
    pytest.importorskip("cryptography")
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    form = serialization.Encoding.PEM
    mine, other = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    private = mine.private_bytes(form, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (tmp_path / "key.pem").write_bytes(private)
    for name, key in (("mine.pub", mine), ("other.pub", other)):
        spki = serialization.PublicFormat.SubjectPublicKeyInfo
        (tmp_path / name).write_bytes(key.public_key().public_bytes(form, spki))
    signed = tmp_path / "signed.zip"
    assert main(["pack", str(run), "--out", str(signed), "--sign", str(tmp_path / "key.pem")]) == 0
    assert main(["verify", str(signed), "--key", str(tmp_path / "mine.pub")]) == 0
    assert main(["verify", str(signed), "--key", str(tmp_path / "other.pub")]) == 1
    assert main(["verify", str(signed)]) == 0
    # Who signed stands for every byte, whichever version wrote it; without the key nobody does.
    files = {n: d for n, d in read_pack(signed).files.items() if n not in (ENVELOPE, "SHA256SUMS")}
    files = {n: d.replace(b'"made_with": "', b'"made_with": "0.0.') for n, d in files.items()}
    files["documents/log.html"] = files["documents/log.html"].replace(b"</main>", b"<!-- other words --></main>")
    files["SHA256SUMS"] = make_sums(files)
    files[ENVELOPE] = sign_files(files, private, {})
    signed.write_bytes(write_zip(files))
    assert main(["verify", str(signed), "--key", str(tmp_path / "mine.pub")]) == 0
    assert main(["verify", str(signed)]) == 3


def envelope(files, **other):
    """Return an envelope over files, in form, by a key that nobody has."""
    subject = [{"name": n, "digest": {"sha256": hashlib.sha256(d).hexdigest()}} for n, d in sorted(files.items())]
    statement = {
        "_type": STATEMENT, "predicateType": PREDICATE, "predicate": {}, "subject": subject,
        **{k: v for k, v in other.items() if k in ("subject", "predicate")},
    }  # fmt: skip
    signature = base64.b64encode(b"x" * other.get("size", 64)).decode()
    signatures = [{"keyid": other.get("keyid", "ab" * 32), "sig": signature}]
    payload = base64.b64encode(json.dumps(statement).encode()).decode()
    values = {"payloadType": PAYLOAD_TYPE, "payload": payload, "signatures": signatures}
    return json.dumps({**values, **{k: v for k, v in other.items() if k == "signatures"}}).encode()


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda f: b"junk", "signature.dsse.json: the signature cannot be read"),
        (lambda f: b"[]", "signature.dsse.json: the signature cannot be read"),
        (lambda f: envelope(f, signatures=[]), "signature.dsse.json: the signature cannot be read"),
        (lambda f: envelope(f, size=3), "signature.dsse.json: the signature cannot be read"),
        (lambda f: envelope(f, keyid="Jane"), "signature.dsse.json: the signature cannot be read"),
        (
            lambda f: envelope(f).replace(b'{"payloadType"', b'{"payload": "", "payloadType"'),
            "signature.dsse.json: the",
        ),
        (lambda f: envelope(f, subject=[{"name": "a"}]), "signature.dsse.json: the signed statement cannot be read"),
        (lambda f: envelope({**f, "pack.json": b"{}"}), "pack.json: not what was signed"),
        (lambda f: envelope({n: d for n, d in f.items() if n != "index.html"}), "index.html: not signed"),
        (lambda f: envelope(f, predicate={"outcome": "WAIVED"}), "signature.dsse.json: states another outcome"),
    ],
)
def test_an_envelope_must_be_one_of_this_pack_even_without_a_key(pack, tmp_path, change, fault):
    """Junk beside a pack is no signature, and neither is one of other files."""
    files = dict(read_pack(pack).files)
    path = tmp_path / "p.zip"
    path.write_bytes(write_zip({**files, ENVELOPE: change(files)}))
    checked = audit.verify(path)
    assert checked.exit_code == 1
    assert any(str(f).startswith(fault) for f in checked.faults)


def test_an_envelope_in_form_is_named_by_its_key_and_said_not_to_be_checked(pack, tmp_path):
    """Anybody can write one; what it states of its key is for the reader to hold against a key."""
    files = dict(read_pack(pack).files)
    path = tmp_path / "p.zip"
    path.write_bytes(write_zip({**files, ENVELOPE: envelope(files)}))
    checked = audit.verify(path)
    assert checked.exit_code == 0
    assert checked.notes[0].startswith(
        "The pack holds an envelope by key id abababababababab, not checked: give --key."
    )


def test_a_pack_without_small_cells_is_intact_too(run, tmp_path):
    """What --min-cell left out is named; it is no change."""
    path = tmp_path / "small.zip"
    assert main(["pack", str(run), "--out", str(path), "--min-cell", "20"]) == 0
    checked = audit.verify(path)
    assert [str(f) for f in checked.faults] == []
    assert "PERF001" in checked.again.probes
