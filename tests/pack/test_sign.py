"""A signature holds for one key and one content, and for nothing else."""

from __future__ import annotations

import base64
import json

import pytest

from audit.errors import EvidenceError, InputError
from audit.pack._sign import sign_files, verify_envelope

pytest.importorskip("cryptography")
FILES = {"a.txt": b"one", "b/c.txt": b"two"}


def keys(kind="pem"):
    from cryptography.hazmat.primitives import serialization as s
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    if kind == "pem":
        private = key.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.NoEncryption())
        return private, key.public_key().public_bytes(s.Encoding.PEM, s.PublicFormat.SubjectPublicKeyInfo)
    private = key.private_bytes(s.Encoding.PEM, s.PrivateFormat.OpenSSH, s.NoEncryption())
    return private, key.public_key().public_bytes(s.Encoding.OpenSSH, s.PublicFormat.OpenSSH)


@pytest.mark.parametrize("kind", ["pem", "ssh"])
def test_a_signature_holds_for_what_was_signed(kind):
    """Digests, predicate and key come back, and the files have no fault."""
    private, public = keys(kind)
    envelope = sign_files(FILES, private, {"outcome": "FAIL"})
    signed = verify_envelope(envelope, public)
    assert signed.predicate == {"outcome": "FAIL"}
    assert signed.faults({**FILES, "sig": envelope}, "sig") == ()


def test_the_signature_is_over_the_encoding_of_dsse():
    """An implementation of the specification's text, written here, accepts the signature."""
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    private, public = keys()
    envelope = json.loads(sign_files(FILES, private, {}))
    payload, kind = base64.b64decode(envelope["payload"]), envelope["payloadType"]
    text = b" ".join([b"DSSEv1", str(len(kind)).encode(), kind.encode(), str(len(payload)).encode(), payload])
    key = load_pem_public_key(public)
    assert key.verify(base64.b64decode(envelope["signatures"][0]["sig"]), text) is None  # type: ignore[union-attr,call-arg]
    assert json.loads(payload)["_type"] == "https://in-toto.io/Statement/v1"


def test_another_key_is_refused():
    """A pack signed by somebody else is not accepted."""
    envelope = sign_files(FILES, keys()[0], {})
    with pytest.raises(EvidenceError, match="does not hold"):
        verify_envelope(envelope, keys()[1])


def test_a_changed_statement_is_refused():
    """A digest or an outcome that was edited after signing breaks the signature."""
    private, public = keys()
    envelope = json.loads(sign_files(FILES, private, {"outcome": "FAIL"}))
    payload = base64.b64decode(envelope["payload"]).replace(b"FAIL", b"PASS")
    forged = json.dumps({**envelope, "payload": base64.b64encode(payload).decode()}).encode()
    with pytest.raises(EvidenceError, match="does not hold"):
        verify_envelope(forged, public)


def test_files_beside_the_signed_ones_are_named():
    """A changed, an added and an absent file are each named."""
    private, public = keys()
    signed = verify_envelope(sign_files(FILES, private, {}), public)
    said = signed.faults({"a.txt": b"other", "new.txt": b""}, "sig")
    assert said == ("b/c.txt: signed, but absent", "new.txt: not signed", "a.txt: not what was signed")


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"[1]", b'{"payloadType": "x", "payload": "", "signatures": []}', b"\xff"]
)
def test_an_envelope_that_is_none_is_an_error_of_the_input(data):
    """Whatever stands in the file, the answer is one clear error."""
    with pytest.raises(EvidenceError):
        verify_envelope(data, keys()[1])


@pytest.mark.parametrize(
    "data", [b"", b"ssh-rsa AAAA", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"]
)
def test_a_key_that_is_none_is_an_error_of_the_input(data):
    """The message says what a key must be and how to make one."""
    with pytest.raises(InputError, match="public key cannot be used"):
        verify_envelope(sign_files(FILES, keys()[0], {}), data)


def test_a_key_of_another_kind_is_refused():
    """An elliptic key of another curve is no Ed25519 key."""
    from cryptography.hazmat.primitives import serialization as s
    from cryptography.hazmat.primitives.asymmetric import ec

    other = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        s.Encoding.PEM, s.PrivateFormat.PKCS8, s.NoEncryption()
    )
    with pytest.raises(InputError, match="private key cannot be used"):
        sign_files(FILES, other, {})
