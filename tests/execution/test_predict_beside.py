"""Cases that are not used are kept where a probe can count them, and unverified ones are asked about, too."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from audit.core import BUDGETS, NOT_VERIFIED, UNGRADABLE, Attribute, AttributeSpec, Ledger
from audit.execution import NO_NUMBER, OUTSIDE, Silent, clean_predictions, redact
from audit.testing import other_split
from tests.execution._make import MeanModel, card, cohort


def ask(c, **more):
    return clean_predictions(MeanModel(card(**more)), c, BUDGETS["smoke"], workers=1, progress=Silent())


def whole(means, *, unreadable=()):
    """A cohort whose cases are all in the ledger, with an attribute."""
    c = cohort(means, unreadable=unreadable)
    levels = np.array(["F", "M"])[np.arange(len(means)) % 2]
    sex = Attribute(spec=AttributeSpec(name="sex", role="protected"), levels=levels)
    return replace(c, ledger=Ledger(read=len(means), used=len(means)), attributes={"sex": sex})


def test_cases_set_aside_accumulate():
    """Those of the manifest and those without an answer stand in one table, with what is known of each."""
    first = whole([0.1, np.nan, 0.3, 1.5, 0.5]).set_aside(
        [None, None, "no target", None, None], known=np.array([True, True, False, True, True])
    )
    clean = ask(first)
    aside = clean.cohort.aside
    assert aside is not None
    assert aside.reasons.tolist() == ["no target", NO_NUMBER, OUTSIDE]
    assert aside.case_ids.tolist() == ["case-2", "case-1", "case-3"]
    assert aside.known.tolist() == [False, True, True]
    assert aside.targets.tolist() == [-1, 1, 1]
    assert aside.attributes["sex"].levels.tolist() == ["F", "M", "M"]
    assert aside.patients.tolist() == [2, 1, 3]
    assert clean.cohort.ledger.read == len(clean.cohort) + len(aside) == 5


def test_a_declined_case_is_ungradable_where_it_has_no_score():
    """A case that the model declined stays where it has a score, be it wrong; without one that is its reason."""
    c = replace(whole([0.1, np.nan, 0.3, 1.5, 0.5], unreadable=[4]), ungradable=np.array([1, 1, 0, 1, 1], dtype=bool))
    used = ask(c).cohort
    assert used.ungradable is not None
    assert used.ungradable.tolist() == [True, False]
    assert used.ledger.set_aside == {UNGRADABLE: 2, OUTSIDE: 1}
    assert used.aside is not None
    assert used.aside.ungradable is not None
    assert used.aside.ungradable.tolist() == [True, True, True]


def test_unverified_cases_are_asked_about():
    """Their answers stand beside those of the audit, of which none moves; one without an answer is counted."""
    c = whole([0.1, 0.2, 0.3, 0.4, np.nan, 0.6])
    pending = [None, NOT_VERIFIED, None, NOT_VERIFIED, NOT_VERIFIED, None]
    clean = ask(c.set_aside(pending))
    assert clean.predictions.scores.tolist() == pytest.approx([0.1, 0.3, 0.6])
    assert clean.unverified is not None
    assert clean.unverified.scores.tolist() == pytest.approx([0.2, 0.4])
    assert clean.cohort.unverified is not None
    assert clean.cohort.unverified.cohort.case_ids.tolist() == ["case-1", "case-3"]
    assert clean.cohort.unverified.unanswered == 1
    assert clean.cohort.ledger.set_aside == {NOT_VERIFIED: 3}
    assert clean.cohort.aside is None
    assert clean.unverified.targets.tolist() == [0, 0]


def test_pixels_of_unverified_cases_are_in_the_digest():
    """Another image of a case that nobody verified is another cohort."""

    def digest(last):
        return ask(whole([0.1, 0.2, last]).set_aside([None, None, NOT_VERIFIED])).cohort.digest

    assert digest(0.3) != digest(0.4)


def test_no_answer_to_any_unverified_case_is_none():
    """Where the model answered none of them there is nothing to give to a probe, and the number says so."""
    clean = ask(whole([0.1, 0.2, np.nan]).set_aside([None, None, NOT_VERIFIED]))
    assert clean.unverified is None
    assert clean.cohort.unverified is not None
    assert (len(clean.cohort.unverified), clean.cohort.unverified.unanswered) == (0, 1)


def test_a_risk_outside_the_unit_interval_is_set_aside():
    """A survival model that declares probabilities is held to them; a risk score may be any number."""
    c = whole([0.1, 1.2])
    c = replace(c, targets=np.array([[1.0, 0], [2, 1]]), time=np.array([1.0, 2]), event=np.array([False, True]))
    assert ask(c, task="survival").cohort.ledger.set_aside == {OUTSIDE: 1}
    assert len(ask(c, task="survival", output="value").cohort) == 2


def test_no_id_of_what_stands_beside_is_in_a_message():
    """Ids of cases set aside, unverified cases and other splits are taken out of what a probe says."""
    c = whole([0.1, 0.2, 0.3]).set_aside([None, "no target", NOT_VERIFIED])
    c = replace(c, others=(other_split(["MRN77"], case_ids=["SERIES-9"]),))
    said = redact("no: case-1 case-2 patient-1 patient-2 patient-MRN77 SERIES-9", c)
    assert said == "no: " + " ".join(["<id>"] * 6)


def test_levels_lost_to_verification_are_remembered():
    """A level of which nobody was verified is lost, as one whose images cannot be read."""
    c = whole([0.1, 0.2, 0.3]).set_aside([None, NOT_VERIFIED, None])
    assert c.attributes["sex"].lost == ("M",)
