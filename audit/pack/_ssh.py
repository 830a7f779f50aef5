"""SSH signatures (SSHSIG) held against a list of allowed signers, as `ssh-keygen -Y verify` does it."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import hashlib
import re
import shlex
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from audit.errors import InputError, MissingExtraError

_MAGIC = b"SSHSIG"
_BEGIN, _END = b"-----BEGIN SSH SIGNATURE-----", b"-----END SSH SIGNATURE-----"
_HASHES = {b"sha256": hashlib.sha256, b"sha512": hashlib.sha512}
_CURVES = {b"nistp256": "SHA256", b"nistp384": "SHA384", b"nistp521": "SHA512"}
_KEYS = {b"ssh-ed25519", b"ssh-rsa", *(b"ecdsa-sha2-" + curve for curve in _CURVES)}
_LEAST_RSA = 2048
_TIME = re.compile(r"\d{8}(?:\d{4}(?:\d{2})?)?Z?")
# A time without Z is one of a machine that nobody names here: no zone is further away than this.
_ANYWHERE = dt.timedelta(hours=14)


@dataclass(frozen=True, kw_only=True)
class Signer:
    """A line of the list of allowed signers.

    Args:
        principals: Who that is, as the list says.
        key: The public key as SSH encodes it.
        namespaces: Patterns of what the key may sign; empty: anything.
        after: From when the key counts.
        before: Until when.
    """

    principals: str
    key: bytes
    namespaces: tuple[str, ...] = ()
    after: dt.datetime | None = None
    before: dt.datetime | None = None

    @property
    def fingerprint(self) -> str:
        """What ssh-keygen -l shows of the key, to be held against what a reader knows of the signer."""
        return "SHA256:" + base64.b64encode(hashlib.sha256(self.key).digest()).decode().rstrip("=")

    def may_sign(self, namespace: str, when: dt.datetime) -> bool:
        """Tell whether the key counts for a purpose at a time."""
        in_time = (self.after is None or when >= self.after) and (self.before is None or when < self.before)
        return in_time and (not self.namespaces or _matches(namespace, self.namespaces))


def _matches(text: str, patterns: Sequence[str]) -> bool:
    if any(p.startswith("!") and _like(text, p[1:]) for p in patterns):
        return False
    return any(_like(text, p) for p in patterns if not p.startswith("!"))


def _like(text: str, pattern: str) -> bool:
    """Tell whether a text fits a pattern of ssh: * and ? mean something, brackets are brackets."""
    return fnmatchcase(text, pattern.replace("[", "[[]"))


def allowed_signers(data: bytes) -> tuple[Signer, ...]:
    """Return the keys of an allowed-signers file of ssh-keygen; authorities of certificates are not among them.

    Args:
        data: The file.

    Raises:
        InputError: A line cannot be read.
    """
    found = []
    # Line breaks of other alphabets end no line for ssh-keygen: a signer could hide behind one in a comment.
    for number, line in enumerate(data.split(b"\n"), 1):
        text = line.decode("utf-8", errors="replace").strip(" \t\r")
        if text and not text.startswith("#"):
            try:
                signer = _signer(text)
            except (ValueError, binascii.Error) as error:
                raise InputError(
                    f"line {number} of the allowed signers cannot be read",
                    expected='principals, options, type and key: jane@example.org namespaces="git" ssh-ed25519 AAAA…',
                    got=str(error)[:80], fix="correct the line; 'man ssh-keygen' describes it under ALLOWED SIGNERS",
                ) from error  # fmt: skip
            if signer is not None:
                found.append(signer)
    return tuple(found)


def _signer(text: str) -> Signer | None:
    lexer = shlex.shlex(text, posix=True)
    lexer.whitespace_split, lexer.commenters, lexer.escape, lexer.quotes = True, "", "", '"'
    words = list(lexer)
    kind = next((i for i, w in enumerate(words[1:], 1) if w.startswith(("ssh-", "ecdsa-", "sk-"))), 0)
    if not kind or len(words) < kind + 2:
        raise ValueError("no type and key")
    options = [w.partition("=") for w in ",".join(words[1:kind]).split(",") if w] if kind > 1 else []
    # A list of namespaces has commas of its own: an option without a known name belongs to the one before it.
    named: dict[str, str] = {}
    last = ""
    for name, equals, value in options:
        known = name.lower()
        if known in ("cert-authority", "namespaces", "valid-after", "valid-before"):
            if known in named:
                raise ValueError(f"the option {known} stands twice")
            if known != "cert-authority" and not (equals and value):
                raise ValueError(f"the option {known} says nothing")
            named[known], last = value, known
        elif last == "namespaces":
            named[last] += f",{name}"
        else:
            raise ValueError(f"unknown option {name[:40]!r}")
    key = base64.b64decode(words[kind + 1], validate=True)
    if next(_strings(key)) != words[kind].encode():
        raise ValueError("the key is of another type than the line says")
    if "namespaces" in named and not any(named["namespaces"].split(",")):
        raise ValueError("the option namespaces says nothing")
    if "cert-authority" in named:
        return None
    return Signer(
        principals=words[0], key=key, namespaces=tuple(n for n in named.get("namespaces", "").split(",") if n),
        after=_moment(named.get("valid-after"), _ANYWHERE), before=_moment(named.get("valid-before"), -_ANYWHERE),
    )  # fmt: skip


def _moment(text: str | None, margin: dt.timedelta) -> dt.datetime | None:
    if text is None:
        return None
    if not _TIME.fullmatch(text):
        raise ValueError(f"{text[:20]!r} is no time")
    when = dt.datetime.strptime(text.rstrip("Z").ljust(14, "0"), "%Y%m%d%H%M%S").replace(tzinfo=dt.UTC)
    return when if text.endswith("Z") else when + margin


def armoured(text: bytes) -> bool:
    """Tell whether a signature says that it is one of SSH."""
    return text.startswith(_BEGIN)


def check_signature(
    message: bytes, signature: bytes, signers: Sequence[Signer], namespace: str, when: dt.datetime
) -> tuple[Signer | None, str]:
    """Return who signed a message, or why nobody is known to have.

    Args:
        message: What was signed.
        signature: The signature, armoured.
        signers: Whose signatures count.
        namespace: What it must have been made for.
        when: When it is said to have been made.

    Raises:
        MissingExtraError: cryptography is not installed.
    """
    try:
        key, purpose, algorithm, signed = _parts(signature)
    except (ValueError, binascii.Error, struct.error, StopIteration) as error:
        return None, f"its signature cannot be read ({str(error)[:60] or 'it ends too early'})"
    if purpose != namespace.encode():
        return None, f"its signature was made for {purpose.decode(errors='replace')[:40]!r}, not for {namespace!r}"
    own = [s for s in signers if s.key == key]
    if not own:
        return None, "the key that signed it is not among the allowed signers"
    allowed = next((s for s in own if s.may_sign(namespace, when)), None)
    if allowed is None:
        return None, f"the key that signed it may not sign for {namespace!r} at that time, by the allowed signers"
    digest = _HASHES[algorithm](message).digest()
    content = _MAGIC + b"".join(_string(x) for x in (purpose, b"", algorithm, digest))
    why = _fault(key, signed, content)
    return (None, why) if why else (allowed, "")


def _parts(text: bytes) -> tuple[bytes, bytes, bytes, bytes]:
    """Return key, namespace, hash and signature of an armoured signature."""
    body = text.strip(b"\n")
    if not (body.startswith(_BEGIN) and body.endswith(_END)):
        raise ValueError("no armour")
    coded = body[len(_BEGIN) : -len(_END)].replace(b"\n", b"")
    data = base64.b64decode(coded, validate=True)
    if base64.b64encode(data) != coded or data[:6] != _MAGIC or data[6:10] != b"\x00\x00\x00\x01":
        raise ValueError("another version")
    key, purpose, reserved, algorithm, signed = _all(data[10:], 5)
    if reserved or algorithm not in _HASHES:
        raise ValueError("another hash")
    return key, purpose, algorithm, signed


def _strings(data: bytes) -> Iterator[bytes]:
    """Yield the strings that SSH wrote one behind the other."""
    at = 0
    while at < len(data):
        (size,) = struct.unpack_from(">I", data, at)
        if at + 4 + size > len(data):
            raise ValueError("it ends too early")
        yield data[at + 4 : at + 4 + size]
        at += 4 + size


def _all(data: bytes, n: int) -> list[bytes]:
    found = list(_strings(data))
    if len(found) != n:
        raise ValueError(f"{len(found)} parts, not {n}")
    return found


def _string(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def _fault(key: bytes, signed: bytes, content: bytes) -> str:
    """Return why a signature does not hold, empty where it does."""
    try:
        from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
        from cryptography.hazmat.primitives.serialization import load_ssh_public_key
    except ImportError as error:
        raise MissingExtraError("cryptography", "sign") from error
    kind = next(_strings(key))
    if kind not in _KEYS:
        # A certificate stands for an authority and a time that nobody looks at here.
        return f"its signature is by a key of type {kind.decode(errors='replace')[:40]}, which this tool does not check"
    try:
        public = load_ssh_public_key(kind + b" " + base64.b64encode(key))
        algorithm, raw = _all(signed, 2)
        return _verified(public, kind, algorithm, raw, content)
    except InvalidSignature:
        return "its signature does not hold"
    except UnsupportedAlgorithm:
        return f"its signature is by a key of type {kind.decode(errors='replace')[:40]}, which this tool does not check"
    except (ValueError, struct.error):
        return "its signature cannot be read"


def _verified(public: Any, kind: bytes, algorithm: bytes, raw: bytes, content: bytes) -> str:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils

    if isinstance(public, ed25519.Ed25519PublicKey) and algorithm == kind:
        public.verify(raw, content)
    elif isinstance(public, ec.EllipticCurvePublicKey) and algorithm == kind:
        r, s = (int.from_bytes(x, "big") for x in _all(raw, 2))
        hashed = getattr(hashes, _CURVES[kind.rpartition(b"-")[2]])()
        public.verify(utils.encode_dss_signature(r, s), content, ec.ECDSA(hashed))
    elif isinstance(public, rsa.RSAPublicKey) and algorithm in (b"rsa-sha2-256", b"rsa-sha2-512"):
        if public.key_size < _LEAST_RSA:
            return f"its signature is by an RSA key of {public.key_size} bits, which is too short"
        hash_ = hashes.SHA256() if algorithm.endswith(b"256") else hashes.SHA512()
        public.verify(raw, content, padding.PKCS1v15(), hash_)
    else:
        return "its signature is of a kind that this tool does not check"
    return ""
