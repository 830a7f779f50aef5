"""What a forger puts beside the numbers, or takes from under them, with digest and lists made to fit."""

from __future__ import annotations

import hashlib
import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import audit
from audit.evidence import evidence_digest
from audit.evidence._folder import encode
from tests.verification._runs import copy, made_to_fit


def said(folder):
    return " ".join(str(f) for f in audit.verify(folder).faults)


def forged(run, tmp_path, change):
    """Return a copy of a run whose evidence was changed and all that is made from it written anew."""
    folder = copy(run, tmp_path / "run")
    values = json.loads((folder / "evidence.json").read_text())
    change(values, folder)
    values["run"]["evidence_digest"] = evidence_digest(values)
    (folder / "evidence.json").write_bytes(encode(values))
    made_to_fit(folder)
    return said(folder)


def result(values, code="PERF001"):
    return next(r for r in values["results"] if r["probe"] == code)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda v: v.update(approved_by="a notified body"), "approved_by: nothing that a run writes"),
        (lambda v: v["verdict"].update(note="x"), "verdict.note: nothing that a run writes"),
        (lambda v: v["verdict"].update(label="PASS for release"), "verdict.label: states another thing"),
        (lambda v: result(v).update(title="Approved"), "PERF001: describes the probe in other words"),
        (lambda v: result(v)["artifacts"][0].update(title="Approved"), "PERF001: names other figures"),
    ],
)
def test_words_beside_those_of_a_run_are_named(run, tmp_path, change, words):
    """Another program reads evidence.json by its keys, and a reader the words of a probe."""
    assert words in forged(run, tmp_path, lambda v, _: change(v))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda a: {k: v * 0 + 1 if v.dtype.kind == "f" else v for k, v in a.items()}, "draws other numbers"),
        (lambda a: a | {"names": np.array(["Jane Doe"])}, "holds other arrays than evidence.json names"),
    ],
)
def test_a_figure_of_other_numbers_is_named(run, tmp_path, change, words):
    """Its file is known by a digest that whoever writes the evidence writes, too."""

    def draw(values, folder):
        stored = next(a for a in result(values)["artifacts"] if a["name"] == "roc_curve")
        with np.load(folder / stored["file"]) as held:
            arrays = change({k: held[k] for k in held.files})
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **arrays)
        (folder / stored["file"]).unlink()
        stored["sha256"] = hashlib.sha256(buffer.getvalue()).hexdigest()
        stored["file"] = f"artifacts/{stored['sha256']}.npz"
        (folder / stored["file"]).write_bytes(buffer.getvalue())

    assert words in forged(run, tmp_path, draw)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.drop_columns(["attribute.sex"]), "attribute.sex: a column that is absent"),
        (lambda t: t.append_column("name", pa.array(["Doe"] * len(t))), "name: a column that no run writes"),
        (
            lambda t: t.append_column("attribute.hiv", pa.array(["no"] * len(t))),
            "hiv: a column of an attribute that evidence.json does not have",
        ),
    ],
)
def test_stored_predictions_have_the_columns_of_the_run(run, tmp_path, change, words):
    """Without the column of an attribute no number of its subgroups could be made again."""

    def columns(values, folder):
        path = folder / "predictions.parquet"
        pq.write_table(change(pq.read_table(path)), path, compression="zstd")

    assert words in forged(run, tmp_path, columns)
