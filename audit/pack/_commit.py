"""A signed commit that holds the policy: who signed it, when by their own word, and whether it was this policy."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from audit.errors import InputError
from audit.pack._git import Commit, beside, line_ends, object_id, path_of, read_commit
from audit.pack._proof import Proof, clock_of, said
from audit.pack._ssh import Signer, allowed_signers, armoured, check_signature
from audit.report.phrases import listed, plural

_NAMESPACE = "git"
_WEIGHT = (
    "the time is the one that the signer's machine stated: a weaker proof than a time stamp (RFC 3161), whose time an "
    "authority states"
)


_LIMITS = (
    "A signed commit does not show that no other policy was committed beside this one, in this or another commit: "
    "whoever had several committed before the run could choose among them after it.",
    "The list of allowed signers is that of the maker of the pack: hold the key's fingerprint against what you know of "
    "the signer.",
)


def committed(
    data: bytes, trees: Sequence[bytes], signers: bytes | None, policy_file: bytes | None, began: dt.datetime | None
) -> Proof:
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
    others, one_of = _others(path, commit, trees, policy_file)
    late = "" if began is not None and commit.when < began else "it is not earlier than the run"
    doubts = tuple(f"Of the commit: {said(d)}." for d in (unsigned, elsewhere, late) if d)
    when = f"{commit.when:%Y-%m-%d %H:%M:%S} UTC"
    facts = (
        ("commit", commit.name), ("committer, as the commit states", said(commit.committer)),
        ("time that its signer states", clock_of(commit.when)),
        ("run began, by the earliest that is stated", clock_of(began)),
        ("signature", f"holds, by an allowed signer: {said(who)}" if who else "not shown to hold"),
        ("key of the signature", "not known" if signer is None else signer.fingerprint),
        ("policy file", f"in the commit's tree as {said(path)}" if path else "not shown to be in the commit"),
        *((("beside the policy file", others),) if others else ()), ("weight", _WEIGHT),
    )  # fmt: skip
    shown = f"a signed commit of {when} by {said(who)}, a time that the signer states{one_of}"
    unseen = (f"In the commit, {others}: whether any is another policy is not known.",) if others else ()
    return Proof(
        what=f"the signed commit of {when}", headline="" if doubts else shown, facts=facts, doubts=doubts,
        limits=(*unseen, *_LIMITS), latest=commit.when,
    )  # fmt: skip


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
        if path is None and _other_line_ends(policy_file, commit, trees):
            return "", "its tree holds this policy file with other line ends, which is another file"
    except ValueError:
        return "", "its trees cannot be read"
    if path is None:
        return "", "its tree was not given" if not trees else "its tree does not hold this policy file"
    return path, ""


def _other_line_ends(policy_file: bytes, commit: Commit, trees: Sequence[bytes]) -> bool:
    blobs = (object_id("blob", text, len(commit.tree)) for text in line_ends(policy_file))
    return any(path_of(blob, commit.tree, trees) is not None for blob in blobs)


def _others(path: str, commit: Commit, trees: Sequence[bytes], policy_file: bytes | None) -> tuple[str, str]:
    """Return what stands beside the policy file, and, where it is one of several of its kind, that it is."""
    there = None
    if path and policy_file is not None:
        there = beside(object_id("blob", policy_file, len(commit.tree)), commit.tree, trees)
    if there is None:
        return "", ""
    kind = f"the suffix {said(there.suffix)}" if there.suffix else "no suffix"
    words = [
        f"{plural(there.files, 'other file')} in the folder of the policy file, {there.alike} of them with {kind}"
        if there.files else "",
        f"{plural(there.above, 'file')} in the folders above it" if there.above else "",
        f"{plural(there.folders, 'other folder')} with all that is in them" if there.folders else "",
    ]  # fmt: skip
    found = listed([w for w in words if w])
    one_of = f", one of {there.alike + 1} files with {kind} in its folder" if there.alike else ""
    return f"{found}; none of their content was seen" if found else "", one_of
