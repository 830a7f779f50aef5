"""Whether the policy was there before the run: a time stamp (RFC 3161) or a signed commit that the user gives."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from audit.core import Evidence, Policy
from audit.errors import InputError
from audit.pack._commit import committed

_GIVEN = "given/"
_GIVEN = "given/"
NOT_DEMONSTRATED = "prior definition not demonstrated"
_DEMONSTRATED = "prior definition demonstrated"
_HASHES = {
    "2.16.840.1.101.3.4.2.1": "sha256", "2.16.840.1.101.3.4.2.2": "sha384", "2.16.840.1.101.3.4.2.3": "sha512",
}  # fmt: skip
# The object identifier of what a time stamp holds, in DER: some authorities write the rest of it less strictly.
_CONTENT = bytes.fromhex("060b2a864886f70d0109100104")


@dataclass(frozen=True, kw_only=True)
class Given:
    """What the user gives to show that the policy was there before the run.

    Args:
        stamp: A time-stamp response or token, DER.
        roots: Certificates (PEM) of the authorities that the user trusts; empty: its signature is not checked.
        commit: A commit object, as `git cat-file commit` prints it.
        trees: Tree objects on the way from that commit to the policy file.
        signers: Whose signatures of commits the user trusts: an allowed-signers file of ssh-keygen.
        policy_file: The policy file as it was stamped or committed, byte for byte.
        policy: What stands in that file.
    """

    stamp: bytes | None = None
    roots: bytes | None = None
    commit: bytes | None = None
    trees: tuple[bytes, ...] = ()
    signers: bytes | None = None
    policy_file: bytes | None = None
    policy: Policy | None = None


def given_files(given: Given) -> dict[str, bytes]:
    """Return what was given as files of a pack, byte for byte."""
    named = {"time-stamp.tsr": given.stamp, "time-stamp-roots.pem": given.roots, "commit.txt": given.commit,
             "allowed-signers": given.signers, "policy.toml": given.policy_file}  # fmt: skip
    named |= {f"tree-{i:02}": tree for i, tree in enumerate(given.trees)}
    return {f"{_GIVEN}{name}": data for name, data in named.items() if data is not None}


def given_again(files: Mapping[str, bytes], read_policy: Callable[[bytes], Policy]) -> Given:
    """Return what was given, from the files of a pack.

    Args:
        files: Bytes by path.
        read_policy: Reads a policy file.
    """
    held = {n.removeprefix(_GIVEN): data for n, data in files.items() if n.startswith(_GIVEN)}
    policy_file = held.get("policy.toml")
    return Given(
        stamp=held.get("time-stamp.tsr"), roots=held.get("time-stamp-roots.pem"), commit=held.get("commit.txt"),
        signers=held.get("allowed-signers"), trees=tuple(held[n] for n in sorted(held) if n.startswith("tree-")),
        policy_file=policy_file, policy=None if policy_file is None else read_policy(policy_file),
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Prior:
    """What is known of when the policy was set.

    Args:
        demonstrated: True only where a signature that was checked binds this policy to a time before the run.
        headline: One sentence.
        facts: What was found, as pairs of words.
        doubts: What keeps it from being demonstrated.
    """

    demonstrated: bool
    headline: str
    facts: tuple[tuple[str, str], ...] = ()
    doubts: tuple[str, ...] = ()


def prior_definition(evidence: Evidence, given: Given) -> Prior:
    """Return what shows that the policy was set before the run.

    Args:
        evidence: Holds the policy and when the run began.
        given: What the user gives.

    Raises:
        InputError: A file cannot be read, or the policy file is not the policy of this run.
        MissingExtraError: A time stamp is given and the extra that reads it is not installed.
    """
    own = replace(evidence.policy, digest="").digest
    prints = {"the policy's digest": bytes.fromhex(own)}
    if given.policy_file is not None:
        _check_file(given.policy, evidence.policy)
        prints |= {f"{h} of the policy file": hashlib.new(h, given.policy_file).digest() for h in _HASHES.values()}
    began = _time(evidence.run.get("started"))
    shown = [] if given.stamp is None else [_stamped(given, prints, began)]
    if given.commit is not None:
        shown.append(_committed(given, began))
    if shown:
        return _together(shown)
    return Prior(
        demonstrated=False, headline=f"{NOT_DEMONSTRATED}: no time stamp and no signed commit of the policy was given",
        doubts=("The run's own log names the policy's digest before its results, but the log is the run's own.",),
    )  # fmt: skip


def _check_file(read: Policy | None, policy: Policy) -> None:
    if (
        read is None
        or replace(read, digest="", source="file").digest != replace(policy, digest="", source="file").digest
    ):
        raise InputError(
            "the policy file is not the policy of this run", expected=f"one with digest {policy.digest[:16]}",
            got="none that was read" if read is None else read.digest[:16],
            fix="give the file that the run was made with",
        )  # fmt: skip


def _time(text: Any) -> dt.datetime | None:
    try:
        found = dt.datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return found if found.tzinfo else None


def _stamped(given: Given, prints: Mapping[str, bytes], began: dt.datetime | None) -> Prior:
    assert given.stamp is not None
    response = _decode(given.stamp)
    if response is None:
        return Prior(
            demonstrated=False, headline=f"{NOT_DEMONSTRATED} by this tool, which cannot read the time stamp given",
            doubts=("The time stamp is in the pack; it is not strict DER, so that this tool did not check it. "
                    "For a person: openssl ts -reply -in given/time-stamp.tsr -text",),
        )  # fmt: skip
    info = response.tst_info
    imprint = bytes(info.message_imprint.message)
    oid = info.message_imprint.hash_algorithm.dotted_string
    matched = next((what for what, value in prints.items() if value == imprint), "")
    when = info.gen_time if info.gen_time.tzinfo else info.gen_time.replace(tzinfo=dt.UTC)
    checked, problem = _check_signature(response, imprint, given.roots)
    doubts = []
    if not matched:
        doubts.append("The time stamp is of something else: its imprint is neither the policy's digest nor its file's.")
    if began is None or when >= began:
        doubts.append("The time stamp is not earlier than the run.")
    if not checked:
        doubts.append(problem)
    facts = (
        ("time stamp", when.isoformat(timespec="seconds")),
        ("run began, as the run states", began.isoformat(timespec="seconds") if began else "not known"),
        ("imprint", f"{_HASHES.get(oid, oid)} {imprint.hex()}"), ("imprint of", matched or "something else"),
        ("policy of the authority", info.policy.dotted_string), ("serial number", str(info.serial_number)),
        ("signature", "holds, by a root that the user trusts" if checked else "not checked by this tool"),
    )  # fmt: skip
    if doubts:
        return Prior(
            demonstrated=False, headline=f"{NOT_DEMONSTRATED}: {doubts[0][0].lower()}{doubts[0][1:].rstrip('.')}",
            facts=facts, doubts=tuple(doubts),
        )  # fmt: skip
    text = f"{_DEMONSTRATED} by a time stamp of {when:%Y-%m-%d %H:%M:%S} UTC, before the run"
    return Prior(demonstrated=True, headline=text, facts=facts)


def _decode(data: bytes) -> Any:
    """Return the response, or None for a time stamp that the strict reader refuses.

    Raises:
        InputError: It is no time stamp at all.
        MissingExtraError: The extra that reads it is not installed.
    """
    try:
        from rfc3161_client import decode_timestamp_response
    except ImportError as error:
        from audit.errors import MissingExtraError

        raise MissingExtraError("rfc3161-client", "sign") from error
    # A bare token becomes the response that an authority would have sent with it.
    for candidate in (data, _sequence(b"\x30\x03\x02\x01\x00" + data)):
        try:
            response = decode_timestamp_response(candidate)
            _ = response.tst_info.gen_time
        except ValueError:
            continue
        return response
    if _CONTENT in data:
        return None
    raise InputError(
        "the time stamp cannot be read", expected="a time-stamp response or token of RFC 3161, in DER",
        got=f"{len(data)} bytes that are none", fix="give the .tsr file that the authority sent",
    )  # fmt: skip


def _sequence(content: bytes) -> bytes:
    """Return a DER sequence."""
    size = len(content)
    if size < 128:
        return b"\x30" + bytes([size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return b"\x30" + bytes([0x80 | len(length)]) + length + content


def _check_signature(response: Any, imprint: bytes, roots: bytes | None) -> tuple[bool, str]:
    if roots is None:
        return False, "The signature of the authority was not checked: no root certificate was given."
    from cryptography import x509
    from rfc3161_client import VerificationError, VerifierBuilder

    try:
        certificates = x509.load_pem_x509_certificates(roots)
    except ValueError as error:
        raise InputError(
            "the root certificates cannot be read", expected="PEM", got=str(error)[:80],
            fix="give the certificate of the authority's root",
        ) from error  # fmt: skip
    builder = VerifierBuilder()
    for certificate in certificates:
        builder = builder.add_root_certificate(certificate)
    try:
        builder.build().verify(response, imprint)
    except (VerificationError, ValueError):
        return False, "The signature of the authority does not hold by the root certificates that were given."
    return True, ""


def _committed(given: Given, began: dt.datetime | None) -> Prior:
    assert given.commit is not None
    found = committed(given.commit, given.trees, given.signers, given.policy_file, began)
    if found.headline:
        return Prior(demonstrated=True, headline=f"{_DEMONSTRATED} by {found.headline}", facts=found.facts)
    first = found.doubts[0]
    return Prior(
        demonstrated=False, headline=f"{NOT_DEMONSTRATED}: {first[0].lower()}{first[1:].rstrip('.')}",
        facts=found.facts, doubts=found.doubts,
    )  # fmt: skip


def _together(shown: Sequence[Prior]) -> Prior:
    """Return what several proofs show: one that holds is enough, and what is wrong with the other stays said."""
    best = sorted(shown, key=lambda p: not p.demonstrated)
    held = [p for p in best if p.demonstrated] or best[:1]
    return Prior(
        demonstrated=best[0].demonstrated,
        headline="; and ".join(p.headline for p in held),
        facts=tuple(f for p in shown for f in p.facts), doubts=tuple(d for p in shown for d in p.doubts),
    )  # fmt: skip
