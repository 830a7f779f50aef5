"""A pack is checked as a run is: a flipped byte in any of its files is found and the file is named."""

from __future__ import annotations

import zipfile

import pytest

import audit
from audit.cli import main
from audit.pack import read_pack
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


def test_a_pack_without_small_cells_is_intact_too(run, tmp_path):
    """What --min-cell left out is named; it is no change."""
    path = tmp_path / "small.zip"
    assert main(["pack", str(run), "--out", str(path), "--min-cell", "20"]) == 0
    checked = audit.verify(path)
    assert [str(f) for f in checked.faults] == []
    assert "PERF001" in checked.again.probes
