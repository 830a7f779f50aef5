"""The crosswalk claims nothing that no artefact stands behind."""

from __future__ import annotations

import fnmatch
import re
from importlib.resources import files

import pytest

from audit.errors import InputError
from audit.pack._documents import document_ids
from audit.probes import PROBES
from audit.standards import Clause, load_standards, standard_names
from audit.standards._load import standard

ASKED = {
    "claim-2024", "eu-ai-act", "fda-ai-dsf", "future-ai", "gmlp-n88", "iec-62304", "iso-14971", "mdr", "metric",
    "medical-algorithmic-audit", "model-cards", "pccp", "stard-ai", "tripod-ai",
}  # fmt: skip
CLAUSES = [(s.name, c) for s in load_standards() for c in s.clauses]
GOOD = {"id": "1", "asks": "something", "status": "automatic", "checked": "know", "probes": ["PERF001"]}


def test_every_text_that_is_needed_is_there():
    """Fourteen texts, each with source, date, version and clauses."""
    assert set(standard_names()) == ASKED
    assert all(s.source and s.date and s.version >= 1 and s.compiled and s.clauses for s in load_standards())


@pytest.mark.parametrize(("name", "clause"), CLAUSES, ids=[f"{n} {c.id}" for n, c in CLAUSES])
def test_every_claim_has_an_artefact_behind_it(name, clause):
    """Every probe that is named exists, every document is in every pack, and no claim is without either."""
    codes = [p.info.code for p in PROBES]
    for pattern in clause.probes:
        assert any(fnmatch.fnmatchcase(code, pattern) for code in codes), f"{name} {clause.id}: {pattern}"
    assert set(clause.documents) <= set(document_ids())
    assert clause.status != "automatic" or clause.probes or clause.documents


@pytest.mark.parametrize(
    "change",
    [
        {"probes": []}, {"status": "not covered", "author": "x"}, {"status": "needs author"}, {"status": "done"},
        {"checked": "yes"}, {"asks": ""}, {"status": "not covered", "probes": []},
    ],
)  # fmt: skip
def test_a_claim_that_does_not_hold_together_is_refused(change):
    """Automatic without evidence, not covered with evidence, and a gap that nobody names are errors of the data."""
    head = {"title": "t", "source": "s", "date": "d", "version": 1, "compiled": "c"}
    assert standard("x", {**head, "clause": [GOOD]}).clauses[0].probes == ("PERF001",)
    with pytest.raises(ValueError, match="1"):
        standard("x", {**head, "clause": [{**GOOD, **change}]})


def test_a_clause_that_stands_twice_is_refused():
    """Two lines of one clause could say two things."""
    head = {"title": "t", "source": "s", "date": "d", "version": 1, "compiled": "c"}
    with pytest.raises(ValueError, match="twice"):
        standard("x", {**head, "clause": [GOOD, GOOD]})


def test_nothing_claims_to_meet_a_clause():
    """No word of the data says that anything conforms."""
    text = " ".join((files("audit.standards") / f"{n}.toml").read_text(encoding="utf-8") for n in standard_names())
    assert not re.search(r"\b(?:compliant|complies|compliance|certified|conforms)\b", text, re.IGNORECASE)


def test_a_text_that_is_not_there_is_an_error_of_the_input():
    """The message lists those that are."""
    with pytest.raises(InputError, match="eu-ai-act"):
        load_standards(["iso-9999"])


def test_gaps_are_shown_as_gaps():
    """At least one clause is not covered, and says why."""
    gaps = [c for _, c in CLAUSES if c.status == "not covered"]
    assert gaps
    assert all(isinstance(c, Clause) and c.author for c in gaps)
