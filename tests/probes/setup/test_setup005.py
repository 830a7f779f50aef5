"""SETUP005: the model stays the one that it was."""

from __future__ import annotations

from audit.probes.setup import PROBES, DigestChanged
from audit.testing import check_probe
from tests.probes.setup.conftest import faults, with_fault


def test_digest_changed_keeps_the_protocol():
    """It is deterministic and completes on a model that can be asked."""
    assert "binary with images" in check_probe(DigestChanged)


def test_a_model_that_stays_as_it_was_is_silent():
    """Equal digests and equal answers raise no fault."""
    assert faults(DigestChanged, with_fault()) == {"weights": 0, "answers": 0}


def test_weights_that_changed_are_found():
    """Another digest than before the audit is a fault."""
    assert faults(DigestChanged, with_fault("weights-drift", digest_before="other"))["weights"] == 1


def test_answers_that_changed_are_found_where_weights_cannot_be_seen():
    """A model behind a function that now answers otherwise is found by its answers."""
    ctx = with_fault()
    healthy = ctx.model.answer
    ctx.model.answer = lambda x: healthy(x) + 0.1
    assert faults(DigestChanged, ctx) == {"weights": 0, "answers": 1}


def test_without_a_digest_from_before_there_is_no_value():
    """Nothing to compare with is missing, not faultless."""
    assert faults(DigestChanged, with_fault(digest_before=""))["weights"] is None


def test_all_five_run_in_every_audit_and_the_last_one_last():
    """Each is a check of the set-up; only the digest waits for all others."""
    assert [p.info.code for p in PROBES] == [f"SETUP00{i}" for i in range(1, 6)]
    assert all(p.info.self_check for p in PROBES)
    assert [p.info.code for p in PROBES if p.info.last] == ["SETUP005"]
