"""A time stamp (RFC 3161) of the policy: by whom, of what, and at what time at the latest."""

from __future__ import annotations

import datetime as dt
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from audit.errors import InputError, MissingExtraError
from audit.pack._der import as_response, in_order
from audit.pack._proof import Proof, clock_of, said

HASHES = {
    "2.16.840.1.101.3.4.2.1": "sha256", "2.16.840.1.101.3.4.2.2": "sha384", "2.16.840.1.101.3.4.2.3": "sha512",
}  # fmt: skip
"""Names of the hashes that a policy is looked for under, by object identifier."""
# The object identifier of what a time stamp holds, in DER: some authorities write the rest of it less strictly.
_CONTENT = bytes.fromhex("060b2a864886f70d0109100104")
_LIMITS = (
    "A time stamp does not show that no other policy was stamped beside this one: whoever had several stamped before "
    "the run could choose among them after it.",
    "The root is one that the maker of the pack named: hold its fingerprint against what you know of the authority. "
    "Whether the authority withdrew the certificate was not asked.",
)


def stamped(
    data: bytes, prints: Mapping[str, tuple[str, bytes]], roots: bytes | None, began: dt.datetime | None
) -> Proof:
    """Return what a time stamp shows of when the policy was set.

    It shows something only where all of this holds: an authority under a root that the user trusts signed it with the
    one certificate that it names, its imprint is of this policy, and the latest time it can mean is before the run.

    Args:
        data: A response or a token, DER.
        prints: By what it is of, name of the hash and digest.
        roots: Certificates (PEM) of the authorities that the user trusts; None: its signature is not checked.
        began: When the run began.

    Raises:
        InputError: The stamp or the roots cannot be read.
        MissingExtraError: The extra that reads them is not installed.
    """
    response = _decode(data)
    if response is None:
        return Proof(
            what="the time stamp", headline="", doubts=(
                "This tool cannot read the time stamp given: it is in the pack, it is not strict DER, and it was not "
                "checked. For a person: openssl ts -reply -in given/time-stamp.tsr -text",),
        )  # fmt: skip
    info = response.tst_info
    imprint = bytes(info.message_imprint.message)
    oid = info.message_imprint.hash_algorithm.dotted_string
    hashed = HASHES.get(oid, "")
    matched = next((what for what, found in prints.items() if found == (hashed, imprint)), "")
    when = info.gen_time if info.gen_time.tzinfo else info.gen_time.replace(tzinfo=dt.UTC)
    latest, accuracy = _latest(when, info.accuracy)
    authority, anchors, problem = _check_signature(response, imprint, roots)
    doubts = []
    if not matched:
        doubts.append("The time stamp is of something else: its imprint is neither the policy's digest nor its file's.")
    if began is None or latest is None or latest >= began:
        doubts.append("The time stamp is not earlier than the run.")
    if problem:
        doubts.append(problem)
    facts = (
        ("time stamp", clock_of(when)), ("accuracy of its time", accuracy),
        ("run began, by the earliest that is stated", clock_of(began)),
        ("imprint", f"{hashed or oid} {imprint.hex()}"), ("imprint of", matched or "something else"),
        ("policy of the authority", info.policy.dotted_string), ("serial number", str(info.serial_number)),
        ("authority", authority or "not known"),
        ("signature", "not checked by this tool" if problem else "holds, by a root that the user trusts"),
        *(("root", anchor) for anchor in anchors),
    )  # fmt: skip
    text = f"a time stamp of {when:%Y-%m-%d %H:%M:%S} UTC, before the run"
    return Proof(
        what=f"the time stamp of {when:%Y-%m-%d %H:%M:%S} UTC", headline="" if doubts else text, facts=facts,
        doubts=tuple(doubts), limits=_LIMITS, latest=latest,
    )  # fmt: skip


def _latest(when: dt.datetime, accuracy: Any) -> tuple[dt.datetime | None, str]:
    """Return the latest time that a stamp can mean, and its accuracy in words."""
    if accuracy is None:
        # What is stated in whole seconds may have been up to a second later.
        margin, text = dt.timedelta(seconds=1), "not stated by the authority; taken as one second"
    else:
        parts = [int(x or 0) for x in (accuracy.seconds, accuracy.millis, accuracy.micros)]
        try:
            margin = dt.timedelta(seconds=parts[0], milliseconds=parts[1], microseconds=parts[2])
        except OverflowError:
            return None, f"{parts[0]} seconds"
        text = f"{margin.total_seconds():g} seconds either way"
    try:
        return when + margin, text
    except OverflowError:
        return None, text


def _decode(data: bytes) -> Any:
    """Return the response, or None for a time stamp that the strict reader refuses.

    Raises:
        InputError: It is no time stamp at all.
        MissingExtraError: The extra that reads it is not installed.
    """
    try:
        from rfc3161_client import decode_timestamp_response
    except ImportError as error:
        raise MissingExtraError("rfc3161-client", "sign") from error
    for candidate in _candidates(data):
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


def _candidates(data: bytes) -> Iterator[bytes]:
    """Yield a file as a response, and as a bare token, each as it stands and with its certificates in order."""
    for response in (data, as_response(data)):
        yield response
        with suppress(ValueError):
            yield in_order(response)


def _check_signature(response: Any, imprint: bytes, roots: bytes | None) -> tuple[str, tuple[str, ...], str]:
    """Return the authority, the roots by which its signature holds, and why it does not, empty where it does."""
    from cryptography.x509 import InvalidVersion

    with warnings.catch_warnings():
        # On certificates that a later version of the library will not read at all.
        warnings.simplefilter("ignore")
        try:
            authority = _authority(response)
        except (ValueError, KeyError, InvalidVersion) as error:
            return "", (), f"The time stamp does not name one certificate of an authority ({said(str(error))[:60]})."
        if roots is None:
            return authority, (), "The signature of the authority was not checked: no root certificate was given."
        certificates = _certificates(roots)
        if not _holds(response, imprint, certificates):
            why = "The signature of the authority does not hold by the root certificates that were given."
            return authority, (), why
        alone = [c for c in certificates if _holds(response, imprint, [c])]
        return authority, tuple(_named(c) for c in alone or certificates), ""


def _authority(response: Any) -> str:
    """Return who the certificate that a stamp says it was signed with is of.

    Raises:
        ValueError: There is not exactly one such certificate.
    """
    from cryptography import x509

    signers = list(response.signed_data.signer_infos)
    if len(signers) != 1:
        raise ValueError(f"{len(signers)} signers")
    own = [
        c for c in map(x509.load_der_x509_certificate, response.signed_data.certificates)
        if (c.issuer, c.serial_number) == (signers[0].issuer, signers[0].serial_number)
    ]  # fmt: skip
    if len(own) != 1:
        raise ValueError(f"{len(own)} certificates of that name and number")
    return said(own[0].subject.rfc4514_string())


def _certificates(roots: bytes) -> list[Any]:
    from cryptography import x509

    try:
        return list(dict.fromkeys(x509.load_pem_x509_certificates(roots)))
    except ValueError as error:
        raise InputError(
            "the root certificates cannot be read", expected="PEM", got=str(error)[:80],
            fix="give the certificate of the authority's root",
        ) from error  # fmt: skip


def _holds(response: Any, imprint: bytes, certificates: Sequence[Any]) -> bool:
    from rfc3161_client import VerificationError, VerifierBuilder

    try:
        return bool(VerifierBuilder(roots=list(certificates)).build().verify(response, imprint))
    except (VerificationError, ValueError):
        return False


def _named(certificate: Any) -> str:
    from cryptography.hazmat.primitives import hashes

    return f"{said(certificate.subject.rfc4514_string())}, sha256 {certificate.fingerprint(hashes.SHA256()).hex()}"
