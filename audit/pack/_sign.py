"""Ed25519 signatures over digests, in a DSSE envelope around an in-toto statement."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from audit.core import canonical_json
from audit.errors import EvidenceError, InputError, MissingExtraError
from audit.pack._read import MANIFEST, read_json

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "urn:imaging-audit:pack:v1"
_ID = re.compile(r"[0-9a-f]{64}")
_SIGNATURE = 64


@dataclass(frozen=True, kw_only=True)
class Signed:
    """What an envelope says.

    Args:
        digests: sha256 (hex) by file.
        predicate: What is said of them: evidence, model, outcome.
        key_id: sha256 (hex) of the raw public key; of an envelope whose signature was not checked, what it states.
    """

    digests: Mapping[str, str]
    predicate: Mapping[str, Any]
    key_id: str

    def faults(self, files: Mapping[str, bytes], envelope: str) -> tuple[str, ...]:
        """Return a sentence for each file that differs from what was signed, or says something else than is signed.

        Args:
            files: Bytes by path.
            envelope: Path of the envelope, which cannot sign itself.
        """
        names = set(files) - {envelope}
        said = [f"{n}: signed, but absent" for n in sorted(set(self.digests) - names)]
        said += [f"{n}: not signed" for n in sorted(names - set(self.digests))]
        said += [
            f"{n}: not what was signed" for n in sorted(names & set(self.digests))
            if hashlib.sha256(files[n]).hexdigest() != self.digests[n]
        ]  # fmt: skip
        about = _about(files)
        said += [
            f"{envelope}: states another {k.replace('_', ' ')} than {MANIFEST}" for k in sorted(self.predicate)
            if about is not None and (k not in about or about[k] != self.predicate[k])
        ]  # fmt: skip
        return tuple(said)


def _about(files: Mapping[str, bytes]) -> Mapping[str, Any] | None:
    """Return pack.json, None where it cannot be read, which is a fault of its own."""
    try:
        values = read_json(files[MANIFEST])
    except (KeyError, ValueError, RecursionError):
        return None
    return values if isinstance(values, dict) else None


def sign_files(files: Mapping[str, bytes], private: bytes, predicate: Mapping[str, Any]) -> bytes:
    """Return a DSSE envelope (JSON) over the digests of files.

    Args:
        files: Bytes by path.
        private: An Ed25519 private key, PEM (PKCS 8) or OpenSSH, without a passphrase.
        predicate: What is said of them.

    Raises:
        InputError: The key cannot be used.
        MissingExtraError: cryptography is not installed.
    """
    key = _private(private)
    subject = [{"name": n, "digest": {"sha256": hashlib.sha256(files[n]).hexdigest()}} for n in sorted(files)]
    statement = {"_type": STATEMENT, "subject": subject, "predicateType": PREDICATE, "predicate": predicate}
    payload = canonical_json(statement).encode()
    signature = key.sign(_encoding(PAYLOAD_TYPE, payload))
    envelope = {
        "payloadType": PAYLOAD_TYPE,
        "payload": base64.b64encode(payload).decode(),
        "signatures": [{"keyid": key_id(key.public_key()), "sig": base64.b64encode(signature).decode()}],
    }
    return (json.dumps(envelope, indent=1, sort_keys=True) + "\n").encode()


def verify_envelope(data: bytes, public: bytes) -> Signed:
    """Return what an envelope says, once its signature was found to hold.

    The digests must still be held against the files: `Signed.faults`.

    Args:
        data: The envelope.
        public: An Ed25519 public key, PEM or one line of OpenSSH.

    Raises:
        EvidenceError: The envelope cannot be read, or no signature in it is by this key.
        InputError: The key cannot be used.
        MissingExtraError: cryptography is not installed.
    """
    key = _public(public)
    payload, signatures = _open(data)
    if not any(_holds(key, s, payload) for s in signatures):
        raise EvidenceError(
            "the signature does not hold", expected=f"one by the key {key_id(key)[:16]}",
            got="none that fits the content", fix="ask the manufacturer for the pack and the key that belong together",
        )  # fmt: skip
    return _said(payload, key_id(key))


def read_envelope(data: bytes) -> Signed:
    """Return what an envelope says without asking whether its signature holds: no key, no cryptography.

    Args:
        data: The envelope.

    Raises:
        EvidenceError: It is none that `sign_files` could have written.
    """
    payload, signatures = _open(data)
    if not signatures or any(len(s) != _SIGNATURE for s in signatures):
        raise _no_envelope("no signature, or one that is not of Ed25519")
    named = [str(s.get("keyid") or "") for s in read_json(data)["signatures"]]
    if not all(_ID.fullmatch(name) for name in named):
        raise _no_envelope("a key id that is no sha256")
    return _said(payload, " and ".join(named))


def _said(payload: bytes, who: str) -> Signed:
    try:
        statement = read_json(payload)
        if (statement["_type"], statement["predicateType"]) != (STATEMENT, PREDICATE):
            raise ValueError("another kind of statement")
        digests = {str(s["name"]): str(s["digest"]["sha256"]) for s in statement["subject"]}
        if len(digests) != len(statement["subject"]):
            raise ValueError("a file twice")
        return Signed(digests=digests, predicate=dict(statement["predicate"]), key_id=who)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise EvidenceError(
            "the signed statement cannot be read", expected="digests by file", got=str(error)
        ) from error


def _open(data: bytes) -> tuple[bytes, list[bytes]]:
    try:
        envelope = read_json(data)
        if envelope["payloadType"] != PAYLOAD_TYPE:
            raise ValueError(f"payload of type {envelope['payloadType']!r}")
        payload = base64.b64decode(envelope["payload"], validate=True)
        signatures = [base64.b64decode(s["sig"], validate=True) for s in envelope["signatures"]]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, binascii.Error) as error:
        raise _no_envelope(str(error)[:80]) from error
    return payload, signatures


def _no_envelope(got: str) -> EvidenceError:
    return EvidenceError(
        "the signature cannot be read", expected="a DSSE envelope", got=got, fix="take the file from where it was made"
    )


def _encoding(kind: str, payload: bytes) -> bytes:
    """Return DSSE's pre-authentication encoding, which binds the payload to its type."""
    return b"DSSEv1 %d %s %d %s" % (len(kind.encode()), kind.encode(), len(payload), payload)


def _holds(key: Ed25519PublicKey, signature: bytes, payload: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature

    try:
        key.verify(signature, _encoding(PAYLOAD_TYPE, payload))
    except InvalidSignature:
        return False
    return True


def key_id(key: Ed25519PublicKey) -> str:
    """Return the sha256 (hex) of the raw public key."""
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()


def _private(data: bytes) -> Ed25519PrivateKey:
    try:
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    except ImportError as error:
        raise MissingExtraError("cryptography", "sign") from error
    ssh = b"BEGIN OPENSSH" in data
    try:
        load = serialization.load_ssh_private_key if ssh else serialization.load_pem_private_key
        key = load(data, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _bad_key("private", "PEM or OpenSSH, without a passphrase") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise _bad_key("private", "Ed25519")
    return key


def _public(data: bytes) -> Ed25519PublicKey:
    try:
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ImportError as error:
        raise MissingExtraError("cryptography", "sign") from error
    try:
        ssh = data.lstrip().startswith(b"ssh-")
        key = serialization.load_ssh_public_key(data) if ssh else serialization.load_pem_public_key(data)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _bad_key("public", "PEM or one line of OpenSSH") from error
    if not isinstance(key, Ed25519PublicKey):
        raise _bad_key("public", "Ed25519")
    return key


def _bad_key(side: str, expected: str) -> InputError:
    return InputError(
        f"the {side} key cannot be used", expected=f"an Ed25519 {side} key, {expected}", got="something else",
        fix="make one with: openssl genpkey -algorithm ed25519 -out key.pem; "
        "openssl pkey -in key.pem -pubout -out key.pub",
    )  # fmt: skip
