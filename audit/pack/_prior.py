"""Whether the policy was there before the run: a time stamp (RFC 3161) or a signed commit that the user gives."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from audit.core import Evidence, Policy
from audit.errors import InputError
from audit.evidence import Ledger, Moments, moment, run_moments
from audit.pack._commit import committed
from audit.pack._proof import Proof, folded
from audit.pack._runs import lines_on
from audit.pack._stamp import HASHES, stamped
from audit.report.phrases import plural

_GIVEN = "given/"
NOT_DEMONSTRATED = "prior definition not demonstrated"
DEMONSTRATED = "prior definition demonstrated"
_ONE_FILE = "The ledger is one file of one user on one machine, and lists runs on the same cases only."


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
        demonstrated: True only where a signature that was checked binds this policy to a time before the run, and the
            ledger that has this run has no other on the cohort that began before that time.
        headline: One sentence.
        facts: What was found, as pairs of words.
        doubts: What keeps it from being demonstrated.
        limits: What a proof does not show even where it holds.
        earlier_runs: How many other runs on the cohort began before that time by the ledger; None: not known.
    """

    demonstrated: bool
    headline: str
    facts: tuple[tuple[str, str], ...] = ()
    doubts: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()
    earlier_runs: int | None = None


def prior_definition(
    evidence: Evidence, given: Given, *, log: bytes | None = None, ledger: Ledger | None = None
) -> Prior:
    """Return what shows that the policy was set before the run.

    Args:
        evidence: Holds the policy and when the run began.
        given: What the user gives.
        log: The run's log.jsonl, which states when it began as well; without it nothing is demonstrated.
        ledger: What the ledger has of runs on this cohort, None where there is none.

    Raises:
        InputError: A file cannot be read, or the policy file is not the policy of this run.
        MissingExtraError: A time stamp is given and the extra that reads it is not installed.
    """
    own = replace(evidence.policy, digest="").digest
    prints = {"the policy's digest": ("sha256", bytes.fromhex(own))}
    if given.policy_file is not None:
        _check_file(given.policy, evidence.policy)
        prints |= {f"{h} of the policy file": (h, hashlib.new(h, given.policy_file).digest()) for h in HASHES.values()}
    lines, others = ([], {}) if ledger is None else lines_on(evidence, ledger)
    times = run_moments(evidence, log, lines)
    proofs = [] if given.stamp is None else [stamped(given.stamp, prints, given.roots, times.began)]
    if given.commit is not None:
        proofs.append(committed(given.commit, given.trees, given.signers, given.policy_file, times.began))
    if proofs:
        unknown = _unknown(ledger, lines)
        return _together([_held(proof, evidence, times, others, unknown) for proof in proofs])
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


def _unknown(ledger: Ledger | None, own: Sequence[Mapping[str, Any]]) -> str:
    """Return why nothing is known of other runs on the cohort, empty where a ledger tells."""
    if ledger is None:
        return "no ledger of runs was found"
    if ledger.fault:
        return f"the ledger was changed or damaged, {ledger.fault}"
    return "" if own else "this run is not in the ledger that was found"


def _held(
    proof: Proof, evidence: Evidence, times: Moments, others: Mapping[str, Sequence[Mapping[str, Any]]], unknown: str
) -> Prior:
    """Return what a proof shows once the times of this run and of the others are held against it."""
    doubts = list(proof.doubts)
    if times.faults:
        doubts.append(f"The times that are stated of the run do not fit: {'; '.join(times.faults)}.")
    earlier = [found for found in others.values() if _before(found, proof.latest)]
    limits = proof.limits
    if earlier:
        doubts.append(_earlier(earlier, evidence, proof.what))
    elif unknown:
        doubts.append(f"Whether another run on this cohort began before {proof.what} is not known: {unknown}.")
    else:
        limits = (f"By the ledger no other run on this cohort began before {proof.what}. {_ONE_FILE}", *limits)
    known = None if proof.latest is None or (unknown and not earlier) else len(earlier)
    if doubts:
        return Prior(
            demonstrated=False, headline=f"{NOT_DEMONSTRATED}: {folded(doubts[0])}", facts=proof.facts,
            doubts=tuple(doubts), limits=limits, earlier_runs=known,
        )  # fmt: skip
    return Prior(
        demonstrated=True, headline=f"{DEMONSTRATED} by {proof.headline}", facts=proof.facts, limits=limits,
        earlier_runs=known,
    )  # fmt: skip


def _before(lines: Sequence[Mapping[str, Any]], latest: dt.datetime | None) -> bool:
    """Tell whether a run of the ledger began before a proof; one whose time cannot be read may have."""
    times = [moment(line.get("time")) for line in lines]
    return latest is not None and any(t is None or t <= latest for t in times)


def _earlier(runs: Sequence[Sequence[Mapping[str, Any]]], evidence: Evidence, what: str) -> str:
    model, policy = evidence.model.get("digest"), evidence.policy.digest
    same = sum(1 for lines in runs if model and any(e.get("model_digest") == model for e in lines))
    under = sum(1 for lines in runs if any(e.get("policy_digest") == policy for e in lines))
    return (
        f"{plural(len(runs), 'run')} on this cohort began before {what}, by the ledger, {same} of this model and "
        f"{under} under this policy: it may have been set with their results known."
    )


def prior_words(prior: Prior) -> tuple[str, ...]:
    """Return what a check of a pack says of prior definition: what was found, and what it does not show."""
    first = f"Of the policy, by what the pack holds: {prior.headline}."
    return (first, *prior.limits) if prior.demonstrated else (first,)


def _together(shown: Sequence[Prior]) -> Prior:
    """Return what several proofs show: one that holds is enough, and what is wrong with the other stays said."""
    best = sorted(shown, key=lambda p: not p.demonstrated)
    held = [p for p in best if p.demonstrated] or best[:1]
    return Prior(
        demonstrated=best[0].demonstrated,
        headline="; and ".join(p.headline for p in held),
        facts=tuple(f for p in shown for f in p.facts), doubts=tuple(d for p in shown for d in p.doubts),
        limits=tuple(x for p in shown for x in p.limits), earlier_runs=best[0].earlier_runs,
    )  # fmt: skip
