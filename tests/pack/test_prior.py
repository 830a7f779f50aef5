"""A policy counts as set before only where a signature that was checked says so."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from audit.config import load_policy
from audit.core import Evidence, Verdict
from audit.errors import InputError
from audit.evidence import Ledger
from audit.pack._der import _value, as_response, in_order
from audit.pack._prior import NOT_DEMONSTRATED, Given
from audit.pack._prior import prior_definition as defined
from audit.pack._stamp import _latest, stamped

pytest.importorskip("rfc3161_client")
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509 import load_pem_x509_certificate

DATA = Path(__file__).parent / "data"
STAMP, ROOT, POLICY = ((DATA / n).read_bytes() for n in ("policy.tsr", "root.pem", "policy.toml"))
READ = load_policy(DATA / "policy.toml")


TOKEN = (DATA / "policy.token").read_bytes()
LOOSE = _value(0x30, b"\x30\x04\x02\x02\x00\x00" + TOKEN)
"""A response whose status is longer than it needs to be, which no strict reader takes."""
LATE = "2099-01-01T00:00:00+00:00"
"""When a run begins and ends unless a test says otherwise."""


def evidence(started=LATE, finished=LATE):
    return Evidence(
        run={"started": started, "finished": finished, "evidence_digest": "of this run"}, cohort={"digest": "cohort"},
        policy=load_policy(DATA / "policy.toml"), verdict=Verdict(outcome="INCONCLUSIVE"),
    )  # fmt: skip


def lines(*events):
    """Return a log of events and their times."""
    return "".join(json.dumps({"time": t, "event": name, **more}) + "\n" for name, t, more in events).encode()


def log(start=LATE, verdict=LATE):
    return lines(("start", start, {"resume": False}), ("verdict", verdict, {}))


def entry(event, time, run="a", **more):
    return {"event": event, "time": time, "run": run, "cohort_digest": "cohort", **more}


OWN = (entry("began", LATE), entry("ended", LATE, evidence_digest="of this run"))


def prior_definition(evidence, given, **more):
    return defined(evidence, given, **{"log": log(), "ledger": Ledger(entries=OWN), **more})


@pytest.mark.parametrize("name", ["policy.tsr", "policy.token", "unordered.tsr"])
def test_a_checked_stamp_before_the_run_demonstrates_it(name):
    """A response and a bare token of openssl's own authority, over sha512 of the file, under a root that is trusted.

    In the third its certificates are in the order of the chain, as openssl sends them.
    """
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
            Given(stamp=LOOSE, roots=ROOT, policy_file=POLICY, policy=READ),
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


def test_putting_certificates_in_order_changes_nothing_else():
    """What is in order stays as it is to the byte, and what is out of order holds the same parts."""
    assert in_order(STAMP) == STAMP
    assert in_order(as_response(TOKEN)) == as_response(TOKEN)
    mixed = (DATA / "unordered.tsr").read_bytes()
    ordered = in_order(mixed)
    assert sorted(ordered) == sorted(mixed)
    assert ordered != mixed
    assert in_order(ordered) == ordered


@pytest.mark.parametrize(
    "data", [b"", b"0", b"0\x80\x00\x00", b"0\x03\x02\x01\x00", b"0\x85" + b"\xff" * 5, b"1\x00", b"0\x00"]
)
def test_what_is_no_response_is_put_in_no_order(data):
    """Too short, of indefinite or absurd length, another value, nothing in it."""
    with pytest.raises(ValueError, match=r"."):
        in_order(data)


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_a_response_that_ends_early_is_put_in_no_order(cut):
    """Every length is held against what is there."""
    with pytest.raises(ValueError, match=r"."):
        in_order(STAMP[:-cut])


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


def given_stamp():
    return Given(stamp=STAMP, roots=ROOT, policy_file=POLICY, policy=READ)


@pytest.mark.parametrize(("second", "before"), [("44", False), ("45", False), ("46", True)])
def test_a_stamp_counts_from_the_latest_time_that_it_can_mean(second, before):
    """This authority states 08:48:44 and an accuracy of one second: a run at 08:48:45 may have begun first."""
    time = f"2026-11-26T08:48:{second}+00:00"
    ledger = Ledger(entries=tuple({**line, "time": time} for line in OWN))
    prior = prior_definition(evidence(time, time), given_stamp(), log=log(time, time), ledger=ledger)
    assert prior.demonstrated is before
    assert dict(prior.facts)["accuracy of its time"] == "1 seconds either way"


def test_an_accuracy_that_nobody_states_or_no_calendar_holds_is_not_taken_for_none():
    """Without one a second is added, for the stamp holds whole ones; one beyond all years leaves no time."""
    when = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)

    class Stated:
        seconds, millis, micros = 0, 250, None

    assert _latest(when, None)[0] == when + dt.timedelta(seconds=1)
    assert _latest(when, Stated())[0] == when + dt.timedelta(milliseconds=250)
    Stated.seconds = 10**12
    assert _latest(when, Stated())[0] is None
    Stated.seconds = 10**20
    assert _latest(when, Stated())[0] is None


def test_an_imprint_counts_under_its_own_hash_only():
    """The same bytes said to be of another hash are another imprint."""
    value = hashlib.sha512(POLICY).digest()
    began = dt.datetime(2099, 1, 1, tzinfo=dt.UTC)
    assert stamped(STAMP, {"the file": ("sha512", value)}, ROOT, began).headline
    assert not stamped(STAMP, {"the file": ("sha256", value)}, ROOT, began).headline


def test_authority_and_root_are_named_for_a_reader_to_know():
    """Whoever makes a pack names the root: subject and fingerprint are in it, and that it is he who named it."""
    facts = prior_definition(evidence(), given_stamp()).facts
    fingerprint = load_pem_x509_certificate(ROOT).fingerprint(SHA256()).hex()
    assert dict(facts)["authority"] == "CN=Test time stamps"
    assert [v for k, v in facts if k == "root"] == [f"CN=Test root, sha256 {fingerprint}"]
    several = replace(given_stamp(), roots=(DATA / "other-root.pem").read_bytes() + ROOT + ROOT)
    found = prior_definition(evidence(), several)
    assert found.demonstrated
    assert found.facts == facts
    assert any("root is one that the maker of the pack named" in limit for limit in found.limits)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"log": None}, "has a log that does not begin with its start"),
        ({"log": b"{}"}, "no log whose lines each have a time"),
        ({"log": log("2026-11-25T00:00:00+00:00")}, "later than the start in the log"),
        ({"log": lines(("start", "2020-01-01T00:00:00+00:00", {}), ("start", LATE, {"resume": True}))}, "not earlier"),
    ],
)
def test_a_start_that_nothing_else_states_demonstrates_nothing(more, words):
    """No digest covers when a run began: its log must say the same, and the earliest of all counts."""
    prior = prior_definition(evidence(), given_stamp(), **more)
    assert not prior.demonstrated
    assert words in " ".join(prior.doubts)


BEFORE = "2026-11-26T08:48:45+00:00"


def test_a_run_on_the_cohort_before_the_stamp_bars_it():
    """Its results were known when the policy was stamped: how many there were is said, and it is not demonstrated."""
    policy = evidence().policy.digest
    earlier = (
        entry("began", "2026-11-01T00:00:00+00:00", "b", policy_digest=policy),
        entry("ended", "2026-12-01T00:00:00+00:00", "b"), entry("began", BEFORE, "c"), entry("began", "soon", "d"),
        entry("began", "2026-11-26T08:48:46+00:00", "e"),
    )  # fmt: skip
    prior = prior_definition(evidence(), given_stamp(), ledger=Ledger(entries=(*earlier, *OWN)))
    assert (prior.demonstrated, prior.earlier_runs) == (False, 3)
    assert prior.headline == (
        "prior definition not demonstrated: 3 runs on this cohort began before the time stamp of 2026-11-26 08:48:44 "
        "UTC, by the ledger, 0 of this model and 1 under this policy: it may have been set with their results known"
    )
    assert dict(prior.facts)["signature"] == "holds, by a root that the user trusts"


def test_a_ledger_without_earlier_runs_is_said_and_what_it_is():
    """Runs on other cases do not count, and neither do later ones."""
    other = {**entry("began", "2020-01-01T00:00:00+00:00", "x"), "cohort_digest": "another"}
    ledger = Ledger(entries=(other, *OWN, entry("began", LATE, "later")))
    prior = prior_definition(evidence(), given_stamp(), ledger=ledger)
    assert (prior.demonstrated, prior.earlier_runs) == (True, 0)
    assert prior.headline.endswith("UTC, before the run")
    assert prior.limits[0].startswith("By the ledger no other run on this cohort began before the time stamp of")


@pytest.mark.parametrize(
    ("ledger", "why"),
    [
        (None, "no ledger of runs was found"), (Ledger(entries=()), "this run is not in the ledger that was found"),
        (Ledger(entries=OWN, fault="line 2 cannot be read"), "changed or damaged, line 2 cannot be read"),
    ],
)  # fmt: skip
def test_where_no_ledger_tells_nothing_is_demonstrated(ledger, why):
    """Whoever takes the ledger away gains nothing: what is not known is not taken for none."""
    prior = prior_definition(evidence(), given_stamp(), ledger=ledger)
    assert (prior.demonstrated, prior.earlier_runs) == (False, None)
    assert "whether another run on this cohort began before the time stamp of 2026-11-26" in prior.headline
    assert why in prior.headline


@pytest.mark.parametrize(
    "own", [(entry("began", BEFORE), OWN[1]), (OWN[0], {**OWN[1], "time": BEFORE}), (OWN[0], {**OWN[1], "time": ""})]
)
def test_the_ledger_must_have_this_run_when_it_says_it_was(own):
    """Begin and end of the run, as the ledger has them, fit what the run states."""
    prior = prior_definition(evidence(), given_stamp(), ledger=Ledger(entries=own))
    assert not prior.demonstrated
