"""A policy counts as set before only where a signature that was checked says so."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path

import pytest

from audit.config import load_policy
from audit.core import Evidence, Verdict
from audit.errors import InputError
from audit.pack._prior import NOT_DEMONSTRATED, Given, prior_definition

pytest.importorskip("rfc3161_client")
DATA = Path(__file__).parent / "data"
STAMP, ROOT, POLICY = ((DATA / n).read_bytes() for n in ("policy.tsr", "root.pem", "policy.toml"))
READ = load_policy(DATA / "policy.toml")


def evidence(started="2099-01-01T00:00:00+00:00"):
    return Evidence(
        run={"started": started}, policy=load_policy(DATA / "policy.toml"), verdict=Verdict(outcome="INCONCLUSIVE")
    )


@pytest.mark.parametrize("name", ["policy.tsr", "policy.token"])
def test_a_checked_stamp_before_the_run_demonstrates_it(name):
    """A response and a bare token of openssl's own authority, over sha512 of the file, under a root that is trusted."""
    given = Given(stamp=(DATA / name).read_bytes(), roots=ROOT, policy_file=POLICY, policy=READ)
    prior = prior_definition(evidence(), given)
    assert prior.demonstrated
    assert dict(prior.facts)["imprint of"] == "sha512 of the policy file"
    assert prior.doubts == ()


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (Given(), "no time stamp and no signed commit"),
        (Given(stamp=STAMP, policy_file=POLICY, policy=READ), "was not checked"),
        (
            Given(stamp=STAMP, policy_file=POLICY, policy=READ, roots=(DATA / "other-root.pem").read_bytes()),
            "does not hold",
        ),
        (Given(stamp=STAMP, roots=ROOT), "something else"),
        (
            Given(stamp=(DATA / "unordered.tsr").read_bytes(), roots=ROOT, policy_file=POLICY, policy=READ),
            "cannot read",
        ),
    ],
)
def test_anything_less_does_not(given, why):
    """Nothing given, no root, another root, no file that was stamped, bytes that cannot be read: each says which."""
    prior = prior_definition(evidence(), given)
    assert not prior.demonstrated
    assert NOT_DEMONSTRATED in prior.headline
    assert why in prior.headline


@pytest.mark.parametrize("started", ["2020-01-01T00:00:00+00:00", "", "soon"])
def test_a_stamp_that_is_not_earlier_than_the_run_does_not(started):
    """A stamp after the run, or a run of unknown time, shows nothing."""
    prior = prior_definition(evidence(started), Given(stamp=STAMP, roots=ROOT, policy_file=POLICY, policy=READ))
    assert not prior.demonstrated
    assert "not earlier than the run" in prior.headline


def test_no_flipped_byte_makes_another_time_or_policy():
    """Whichever byte of a stamp is changed, it says the same time and imprint or it demonstrates nothing."""
    whole = prior_definition(evidence(), Given(stamp=STAMP, roots=ROOT, policy_file=POLICY, policy=READ))
    for i in range(0, len(STAMP), 3):
        bad = STAMP[:i] + bytes([STAMP[i] ^ 1]) + STAMP[i + 1 :]
        try:
            prior = prior_definition(evidence(), Given(stamp=bad, roots=ROOT, policy_file=POLICY, policy=READ))
        except InputError:
            continue
        assert not prior.demonstrated or prior.facts == whole.facts


@pytest.mark.parametrize("stamp", [b"", b"0\x03\x02\x01\x00", b"junk" * 100])
def test_a_file_that_is_no_stamp_is_an_error_of_the_input(stamp):
    """The message says what a stamp is."""
    with pytest.raises(InputError, match="time stamp cannot be read"):
        prior_definition(evidence(), Given(stamp=stamp))


def test_another_policy_file_is_refused(tmp_path):
    """A file with another limit is not what the run was judged by, and neither is one that nobody read."""
    other = POLICY.replace(b"0.6", b"0.5")
    (tmp_path / "policy.toml").write_bytes(other)
    for read in (load_policy(tmp_path / "policy.toml"), None):
        with pytest.raises(InputError, match="is not the policy of this run"):
            prior_definition(evidence(), Given(policy_file=other, policy=read))


def test_a_policy_digest_that_was_edited_is_not_believed():
    """The digest is computed again from the rules; the one that is stated counts for nothing."""
    import hashlib

    e = evidence()
    forged = replace(e, policy=replace(e.policy, digest=hashlib.sha512(POLICY).hexdigest()))
    assert not prior_definition(forged, Given(stamp=STAMP, roots=ROOT)).demonstrated


def test_a_commit_alone_shows_nothing():
    """Without its tree and the allowed signers a commit is stored with its name and time, and demonstrates nothing."""
    body = b"tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\nauthor A <a@b> 1700000000 +0000\n"
    body += b"committer A <a@b> 1700000000 +0000\ngpgsig -----BEGIN SSH SIGNATURE-----\n x\n\nset the policy\n"
    prior = prior_definition(evidence(), Given(commit=body))
    assert not prior.demonstrated
    assert dict(prior.facts)["signature"] == "not shown to hold"
    assert "no list of allowed signers" in prior.headline
    when = dt.datetime.fromtimestamp(1700000000, dt.UTC).isoformat(timespec="seconds")
    assert dict(prior.facts)["time that its signer states"] == when
    with pytest.raises(InputError, match="commit cannot be read"):
        prior_definition(evidence(), Given(commit=b"x"))


def test_a_stamp_and_a_commit_are_both_told():
    """The stamp that holds is enough; what the commit lacks stays said. Without the stamp's root neither is."""
    body = b"tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\nauthor A <a@b> 1600000000 +0000\n"
    body += b"committer A <a@b> 1600000000 +0000\n\nset the policy\n"
    given = Given(stamp=STAMP, roots=ROOT, policy_file=POLICY, policy=READ, commit=body)
    prior = prior_definition(evidence(), given)
    assert prior.demonstrated
    assert prior.headline.startswith("prior definition demonstrated by a time stamp of")
    assert "commit" not in prior.headline
    assert any("it has no signature" in d for d in prior.doubts)
    assert {"time stamp", "commit"} <= set(dict(prior.facts))
    assert not prior_definition(evidence(), replace(given, roots=None)).demonstrated
