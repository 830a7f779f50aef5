"""evidence.json holds everything that was found, and nothing is lost on the way back."""

from __future__ import annotations

import dataclasses
import json

import jsonschema
import pytest

from audit.core import SCHEMA_VERSION
from audit.errors import EvidenceError
from audit.evidence import evidence_digest, evidence_schema, from_plain, to_plain
from tests.evidence._make import evidence


def through_json(values):
    return json.loads(json.dumps(values, allow_nan=False))


def test_evidence_survives_the_file():
    """Typed evidence, written and read again, is equal."""
    made = evidence()
    assert from_plain(through_json(to_plain(made))) == made


def test_plain_evidence_fits_the_published_schema():
    """What is written is what `audit schema evidence` describes."""
    schema = evidence_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(through_json(to_plain(evidence())), schema)


@pytest.mark.parametrize("key", ["results", "verdict", "policy", "findings"])
def test_the_schema_refuses_what_lacks_a_part(key):
    """The schema is closed: a part that is absent, or one that is unknown, is refused."""
    values = through_json(to_plain(evidence()))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({k: v for k, v in values.items() if k != key}, evidence_schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**values, "surprise": 1}, evidence_schema())


def test_every_key_of_the_contract_is_there():
    """Top level, results, measurements and findings have the keys that other programs read."""
    values = to_plain(evidence())
    top = {"schema_version", "run", "model", "cohort", "policy", "results", "findings", "verdict", "not_tested"}
    assert set(values) == top | {"family"}
    wanted = {
        "probe", "version", "state", "reason", "measurements", "artifacts", "seed", "seconds", "title", "question",
        "method", "limits", "doc_url", "metrics",
    }  # fmt: skip
    assert all(wanted <= set(r) for r in values["results"])
    assert {"outcome", "exit_code", "blocking", "counts"} <= set(values["verdict"])


def test_a_newer_version_is_refused():
    """A file from a later version is refused with the way out."""
    with pytest.raises(EvidenceError, match="newer version") as caught:
        from_plain({**to_plain(evidence()), "schema_version": SCHEMA_VERSION + 1})
    assert "update imaging-audit" in str(caught.value)


def test_an_older_version_is_read():
    """A file from before the first release, without the keys that came later, is read with their defaults."""
    values = through_json(to_plain(evidence()))
    values["schema_version"] = SCHEMA_VERSION - 1
    for r in values["results"]:
        del r["selected"], r["last"], r["self_check"]
        for m in r["measurements"]:
            del m["simultaneous"], m["contrast"]
    del values["verdict"]["reasons"]
    old = from_plain(values)
    assert old.schema_version == SCHEMA_VERSION
    assert old.findings == evidence().findings


@pytest.mark.parametrize("version", [None, "1", True, -1, 1.5])
def test_a_version_that_is_no_whole_number_is_refused(version):
    """Anything but a whole number is not an evidence file."""
    with pytest.raises(EvidenceError, match="not an evidence file"):
        from_plain({**to_plain(evidence()), "schema_version": version})


def test_a_broken_invariant_is_refused():
    """A value outside its interval's order, edited in by hand, does not load."""
    values = through_json(to_plain(evidence()))
    values["results"][1]["measurements"][0]["low"] = 2.0
    with pytest.raises(EvidenceError, match="does not hold together"):
        from_plain(values)


def test_an_exit_code_that_contradicts_the_outcome_is_refused():
    """Outcome and exit code come from one place; a file where they differ was edited."""
    values = through_json(to_plain(evidence()))
    values["verdict"]["exit_code"] = 0
    with pytest.raises(EvidenceError):
        from_plain(values)


def test_the_digest_leaves_out_times_and_machine_only():
    """Times, machine, workers and seconds change nothing; a seed, a number or a model does."""
    made = evidence()
    base = evidence_digest(to_plain(made))

    def with_run(**run):
        return evidence_digest(to_plain(dataclasses.replace(made, run={**made.run, **run})))

    assert with_run(started="2030-01-01", machine={"python": "9"}, workers=7, executor="ray", command="x") == base
    slow = tuple(dataclasses.replace(r, seconds=9.0) for r in made.results)
    assert evidence_digest(to_plain(dataclasses.replace(made, results=slow))) == base
    assert with_run(seed=2) != base
    assert evidence_digest(to_plain(dataclasses.replace(made, model={**made.model, "digest": "f"}))) != base
    assert evidence_digest(to_plain(dataclasses.replace(made, results=made.results[:-1]))) != base
