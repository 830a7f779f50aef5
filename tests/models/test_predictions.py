"""Saved outputs."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from audit.core import Access, ModelSpec
from audit.errors import EXIT_INPUT, ModelError
from audit.models import SavedPredictions, load_model

SPEC = ModelSpec(
    kind="predictions", task="binary", output="probabilities", classes=("no", "yes"), path="scores.csv",
    case="case", scores=("p",),
)  # fmt: skip


def write(folder, text: str) -> None:
    """Write the CSV file that `SPEC` names."""
    (folder / "scores.csv").write_text(text)


def test_scores_come_back_by_case_in_any_order(tmp_path):
    """Scores follow the asked ids, not the rows of the file, and a case that is not there says so."""
    write(tmp_path, "case,p\n007,0.25\nb,0.5\nc,1\n")
    model = load_model(SPEC, tmp_path)
    raw, reasons = model.raw_for(np.array(["c", "x", "007"]))
    np.testing.assert_array_equal(raw, [[1.0], [np.nan], [0.25]])
    assert reasons == (None, "no saved prediction for this case", None)
    assert isinstance(model, SavedPredictions)
    assert model.card.access == Access.SAVED


def test_a_score_that_cannot_be_one_is_set_aside_and_never_clipped(tmp_path):
    """Empty, not a number, infinite and outside [0, 1] each give their reason; the neighbours are untouched."""
    write(tmp_path, "case,p\na,\nb,high\nc,1.2\nd,-0.01\ne,inf\nf,nan\ng,0.7\n")
    raw, reasons = load_model(SPEC, tmp_path).raw_for(list("abcdefg"))
    empty, number, outside = "the score is empty", "the score is no number", "the score is outside [0, 1]"
    assert reasons == (empty, number, outside, outside, number, number, None)
    assert np.isnan(raw[:6]).all()
    assert raw[6, 0] == 0.7


def test_logits_may_be_any_finite_number(tmp_path):
    """Only probabilities are bounded."""
    write(tmp_path, "case,p\na,-3.5\nb,12\n")
    raw, reasons = load_model(dataclasses.replace(SPEC, output="logits"), tmp_path).raw_for(["a", "b"])
    assert raw[:, 0].tolist() == [-3.5, 12.0]
    assert reasons == (None, None)


def test_one_bad_score_of_several_sets_the_case_aside(tmp_path):
    """A case with one unusable score of three has no output at all."""
    spec = dataclasses.replace(SPEC, task="multiclass", classes=("a", "b", "c"), scores=("x", "y", "z"))
    write(tmp_path, "case,x,y,z\n1,0.1,0.2,0.7\n2,0.1,?,0.7\n")
    raw, reasons = load_model(spec, tmp_path).raw_for(["1", "2"])
    assert raw[0].tolist() == [0.1, 0.2, 0.7]
    assert np.isnan(raw[1]).all()
    assert reasons == (None, "the score is no number")


def test_parquet_gives_what_csv_gives(tmp_path):
    """Whole numbers as ids are the same text in both, an empty cell is empty in both, and so are the digests."""
    pd.DataFrame({"case": [1, 2, 3], "p": [0.25, None, 0.75]}).to_parquet(tmp_path / "scores.parquet")
    write(tmp_path, "case,p\n3,0.75\n1,0.25\n2,\n")
    csv = load_model(SPEC, tmp_path)
    parquet = load_model(dataclasses.replace(SPEC, path="scores.parquet"), tmp_path)
    ids = ["1", "2", "3"]
    np.testing.assert_array_equal(csv.raw_for(ids)[0], parquet.raw_for(ids)[0])
    assert csv.raw_for(ids)[1] == parquet.raw_for(ids)[1] == (None, "the score is empty", None)
    assert csv.card.digest == parquet.card.digest == csv.state_digest()


def test_without_a_case_column_the_row_number_is_the_id(tmp_path):
    """Rows are counted from 0."""
    write(tmp_path, "p\n0.1\n0.9\n")
    raw, _ = load_model(dataclasses.replace(SPEC, case=None), tmp_path).raw_for(["1", "0"])
    assert raw[:, 0].tolist() == [0.9, 0.1]


@pytest.mark.parametrize(
    "text, part",
    [
        ("case,p\na,0.1\na,0.2\nb,0.3\n", "1 rows too many"),
        ("case,P_yes\na,0.1\n", "no column 'p'"),
        ("case,p\na,0.1\nb,0.2,0.3,0.4\n", "cannot be read"),
        ("case,p\na,0.1,0.2\nb,0.2,0.3\n", "cannot be read"),
        ("", "cannot be read"),
    ],
)
def test_a_table_that_cannot_be_used_is_a_message(text, part, tmp_path):
    """Duplicate ids, an absent column, ragged rows and an empty file end with exit 2 and name no case."""
    write(tmp_path, text)
    with pytest.raises(ModelError, match=part) as caught:
        load_model(SPEC, tmp_path)
    assert caught.value.exit_code == EXIT_INPUT


def test_a_broken_parquet_file_is_a_message(tmp_path):
    """A file that is called Parquet and is none is named."""
    (tmp_path / "scores.parquet").write_bytes(b"no parquet")
    with pytest.raises(ModelError, match=r"scores\.parquet"):
        load_model(dataclasses.replace(SPEC, path="scores.parquet"), tmp_path)


def test_score_columns_must_fit_the_classes(tmp_path):
    """A single score for three classes is a wrong declaration, not a case to guess."""
    write(tmp_path, "case,p\na,0.1\n")
    with pytest.raises(ModelError, match="does not fit the task"):
        load_model(dataclasses.replace(SPEC, task="multiclass", classes=("a", "b", "c")), tmp_path)
    with pytest.raises(ModelError, match="needs the columns"):
        load_model(dataclasses.replace(SPEC, scores=()), tmp_path)


def test_saved_predictions_answer_no_image(tmp_path):
    """Asking about an image is refused."""
    write(tmp_path, "case,p\na,0.1\n")
    with pytest.raises(ModelError, match="cannot be asked"):
        load_model(SPEC, tmp_path).predict(np.zeros((1, 1, 4, 4)))
