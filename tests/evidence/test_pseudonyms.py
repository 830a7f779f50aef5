"""Ids leave as keyed hashes only."""

from __future__ import annotations

import stat

import numpy as np
import pyarrow.parquet as pq
import pytest

from audit.core import Access, Attribute, AttributeSpec, Cohort, Ledger, ModelCard, Predictions
from audit.errors import InputError
from audit.evidence import Pseudonyms, load_pseudonyms, write_predictions


def test_the_key_is_made_once_and_is_private(tmp_path, monkeypatch):
    """Without a key one is made, readable by its owner alone, and used again."""
    monkeypatch.delenv("AUDIT_KEY_FILE", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    first = load_pseudonyms()
    path = tmp_path / ".config" / "imaging-audit" / "key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_pseudonyms().key_id == first.key_id
    assert [p.name for p in path.parent.iterdir()] == ["key"]


@pytest.mark.parametrize("content", [None, b"short"])
def test_a_named_key_that_cannot_be_used_is_an_input_error(tmp_path, monkeypatch, content):
    """A key file that is absent or too short is said so; no other key is made in its place."""
    path = tmp_path / "key"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setenv("AUDIT_KEY_FILE", str(path))
    with pytest.raises(InputError, match="key for pseudonyms"):
        load_pseudonyms()


def test_a_home_that_cannot_be_written_asks_for_a_named_key(tmp_path, monkeypatch):
    """A service account without a home is told what to set; no run is made under a key that nobody can find again."""
    (tmp_path / "file").write_text("no folder")
    monkeypatch.delenv("AUDIT_KEY_FILE", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    with pytest.raises(InputError) as caught:
        load_pseudonyms()
    assert "set AUDIT_KEY_FILE" in str(caught.value)


def test_names_depend_on_key_and_kind():
    """The same id has other names under another key, and as a case or a patient."""
    a, b = Pseudonyms(key=b"a" * 32), Pseudonyms(key=b"b" * 32)
    assert a.names("case", ["1", "2"]) == a.names("case", ["1", "2"])
    assert len({*a.names("case", ["1"]), *a.names("patient", ["1"]), *b.names("case", ["1"])}) == 3
    assert a.key_id != b.key_id
    assert "a" * 8 not in repr(a)


def test_stored_predictions_hold_no_id(tmp_path):
    """predictions.parquet has outputs, targets and attributes by pseudonym; no id of the manifest is in its bytes."""
    card = ModelCard(name="m", kind="torch", task="binary", output="logits", access=Access.QUERY, digest="d")
    cohort = Cohort(
        name="c", case_ids=np.array(["CASE-A", "CASE-B"]), patients=np.array([1, 0]),
        patient_ids=np.array(["PAT-X", "PAT-Y"]), patient_declared=True, targets=np.array([0, 1]),
        attributes={"sex": Attribute(spec=AttributeSpec(name="sex", role="protected"), levels=np.array(["f", "m"]))},
        ledger=Ledger(read=2, used=2),
    )  # fmt: skip
    clean = Predictions(raw=np.array([[0.5], [-1.0]]), card=card, targets=cohort.targets)
    path = tmp_path / "p.parquet"
    names = Pseudonyms(key=b"k" * 32)
    write_predictions(path, cohort, clean, [("linf epsilon=2", np.array([1]), np.array([[-3.0]]))], names)
    table = pq.read_table(path).to_pydict()
    assert table["condition"] == ["clean", "clean", "linf epsilon=2"]
    assert table["output_0"] == [0.5, -1.0, -3.0]
    assert table["target"] == [0, 1, 1]
    assert table["attribute.sex"] == ["f", "m", "m"]
    assert table["patient"] == [names.names("patient", [p])[0] for p in ("PAT-Y", "PAT-X", "PAT-X")]
    everything = str(table) + str(pq.read_metadata(path).metadata)
    assert not any(secret in everything for secret in ("CASE-A", "CASE-B", "PAT-X", "PAT-Y"))
