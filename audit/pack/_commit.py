"""A signed commit that holds the policy: who signed it, when by their own word, and whether it was this policy."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass

from audit.errors import InputError
from audit.pack._git import Commit, object_id, path_of, read_commit
from audit.pack._ssh import Signer, allowed_signers, armoured, check_signature

_NAMESPACE = "git"
_PLAIN = re.compile(r"[^\x20-\x7e\u00a1-\uffff]")
_WEIGHT = (
    "the time is the one that the signer's machine stated: a weaker proof than a time stamp (RFC 3161), whose time an "
    "authority states"
)


@dataclass(frozen=True, kw_only=True)
class Committed:
    """What a commit shows.

    Args:
        headline: What it shows, empty where it shows nothing.
        facts: What was found, as pairs of words.
        doubts: What keeps it from showing anything, the weightiest first.
    """

    headline: str
    facts: tuple[tuple[str, str], ...]
    doubts: tuple[str, ...]


def committed(
    data: bytes, trees: Sequence[bytes], signers: bytes | None, policy_file: bytes | None, began: dt.datetime | None
) -> Committed:
    """Return what a commit shows of when the policy was set.

    It shows something only where all of this holds: an SSH signature for git by an allowed signer is over this very
    commit, its tree holds the policy file byte for byte, and its time is before the run.

    Args:
        data: The commit, as `git cat-file commit` prints it.
        trees: Tree objects on the way to the policy file.
        signers: Allowed-signers file of ssh-keygen; None: whose signature it is cannot be told.
        policy_file: The policy file, which was found to hold the policy of the run; None: not given.
        began: When the run began.

    Raises:
        InputError: The commit or the allowed signers cannot be read.
        MissingExtraError: The extra that checks signatures is not installed.
    """
    try:
        commit = read_commit(data)
    except ValueError as error:
        raise InputError(
            "the commit cannot be read", expected="what 'git cat-file commit' prints",
            got=f"{len(data)} bytes: {error}", fix="name the commit and its repository: --commit HEAD --repository .",
        ) from error  # fmt: skip
    signer, unsigned = _signed_by(commit, signers)
    who = "" if signer is None else signer.principals
    path, elsewhere = _place(commit, trees, policy_file)
    late = "" if began is not None and commit.when < began else "it is not earlier than the run"
    doubts = tuple(f"Of the commit: {d}." for d in (unsigned, elsewhere, late) if d)
    when = f"{commit.when:%Y-%m-%d %H:%M:%S} UTC"
    facts = (
        ("commit", commit.name), ("committer, as the commit states", _said(commit.committer)),
        ("time that its signer states", commit.when.isoformat(timespec="seconds")),
        ("run began, as the run states", began.isoformat(timespec="seconds") if began else "not known"),
        ("signature", f"holds, by an allowed signer: {_said(who)}" if who else "not shown to hold"),
        ("key of the signature", "not known" if signer is None else signer.fingerprint),
        ("policy file", f"in the commit's tree as {_said(path)}" if path else "not shown to be in the commit"),
        ("weight", _WEIGHT),
    )  # fmt: skip
    shown = f"a signed commit of {when} by {_said(who)}, a time that the signer states"
    return Committed(headline="" if doubts else shown, facts=facts, doubts=doubts)


def _signed_by(commit: Commit, signers: bytes | None) -> tuple[Signer | None, str]:
    if not commit.signature:
        return None, "it has no signature"
    if not armoured(commit.signature):
        return (
            None,
            "its signature is OpenPGP's or another kind, which this tool does not verify; only those of SSH are",
        )
    if signers is None:
        return None, "its signature was not verified, for no list of allowed signers was given"
    return check_signature(commit.signed, commit.signature, allowed_signers(signers), _NAMESPACE, commit.when)


def _place(commit: Commit, trees: Sequence[bytes], policy_file: bytes | None) -> tuple[str, str]:
    if policy_file is None:
        return "", "the policy file that was committed was not given"
    try:
        path = path_of(object_id("blob", policy_file, len(commit.tree)), commit.tree, trees)
    except ValueError:
        return "", "its trees cannot be read"
    if path is None:
        return "", "its tree was not given" if not trees else "its tree does not hold this policy file"
    return path, ""


def _said(text: str) -> str:
    """Return a text of others without characters that a terminal or a page could take for something else."""
    return _PLAIN.sub("?", text)[:120]
