"""What a manifest says beside the target: readers, comparators, follow-up, other splits, verification."""

from pathlib import Path

import numpy as np
import pytest

from audit.cohorts import load_cohort
from audit.core import NOT_VERIFIED, AttributeSpec, Cohort, CohortSpec, Comparator, OtherSpec
from audit.errors import FaultsError, ManifestError
from tests.cohorts.conftest import Write, gray, save_png


def load(root: Path, task: str = "binary", classes: tuple[str, ...] = (), **more: object) -> Cohort:
    """Load cases.csv without images; the target is `label` but for survival."""
    target = () if task == "survival" else ("label",)
    spec = CohortSpec(**{"manifest": "cases.csv", "target": target, **more})  # type: ignore[arg-type]
    return load_cohort(spec, root, task=task, classes=classes, input=gray())  # type: ignore[arg-type]


def rater(name: str) -> AttributeSpec:
    """A reader's column."""
    return AttributeSpec(name=name, role="rater")


def test_readings_are_on_the_scale_of_the_target(write_csv: Write, tmp_path: Path) -> None:
    """A reader may write the target's values, class names or flags; an empty cell and a gap are no reading."""
    write_csv([["label", "a", "b", "c"], ["mel", "mel", "melanoma", "1"], ["nv", "bkl", "other", "0"],
               ["bkl", "", "other", "NA"], ["nv", "mel", "melanoma", "1"]])  # fmt: skip
    cohort = load(
        tmp_path, classes=("other", "melanoma"), positive=("mel",), attributes=(rater("a"), rater("b"), rater("c"))
    )
    assert cohort.raters["a"][[0, 1, 3]].tolist() == [1, 0, 1]
    assert cohort.raters["b"].tolist() == [1, 0, 0, 1]
    assert cohort.raters["c"][[0, 1, 3]].tolist() == [1, 0, 1]
    assert np.isnan([cohort.raters["a"][2], cohort.raters["c"][2]]).all()


def test_readings_of_other_tasks(write_csv: Write, tmp_path: Path) -> None:
    """An ordinal reading is a class by name or index, that of a regression a number."""
    write_csv([["label", "a"], ["mild", "severe"], ["severe", "mild"], ["none", ""]])
    classes = ("none", "mild", "severe")
    ordinal = load(tmp_path, "ordinal", classes, attributes=(rater("a"),))
    np.testing.assert_array_equal(ordinal.raters["a"], [2, 1, np.nan])
    write_csv([["label", "a"], *([str(i), str(i + 0.5)] for i in range(30))])
    measured = load(tmp_path, "regression", attributes=(rater("a"),))
    np.testing.assert_array_equal(measured.raters["a"], np.arange(30) + 0.5)


def test_a_reading_outside_the_vocabulary_is_a_fault(write_csv: Write, tmp_path: Path) -> None:
    """A word that the target does not have is no negative; every column is named at once, with the nearest word."""
    write_csv([["label", "a", "b"], ["mel", "mell", "x"], ["nv", "nv", "nv"]])
    with pytest.raises(FaultsError) as caught:
        load(tmp_path, classes=("other", "melanoma"), positive=("mel",), attributes=(rater("a"), rater("b")))
    assert [f.problem.split(":")[0] for f in caught.value.faults] == ["a", "b"]
    assert "did you mean 'mel'?" in str(caught.value)
    assert caught.value.exit_code == 2


def test_no_reader_is_turned_round(write_csv: Write, tmp_path: Path) -> None:
    """Where 0 is the positive value a reader is read in the target's words, and in no others that say the opposite."""
    write_csv([["label", "a"], ["0", "0"], ["1", "1"], ["1", "0"]])
    cohort = load(tmp_path, classes=("well", "ill"), positive=("0",), attributes=(rater("a"),))
    assert cohort.raters["a"].tolist() == [1, 0, 1]
    write_csv([["label", "a"], ["0", "0.0"], ["1", "1"], ["1", "0"]])
    with pytest.raises(FaultsError, match="a value that the target does not have"):
        load(tmp_path, classes=("well", "ill"), positive=("0",), attributes=(rater("a"),))


def test_comparators(write_csv: Write, tmp_path: Path) -> None:
    """Probabilities, values and decisions are read; an empty cell is no answer."""
    write_csv([["label", "p", "v", "d"], ["1", "0.8", "12.5", "yes"], ["0", "", "-3", "no"], ["1", "1", "", ""]])
    given = (
        Comparator(name="reader", column="p", output="probabilities", operating_point=0.5),
        Comparator(name="score", column="v", output="value"),
        Comparator(name="rule", column="d", output="decision"),
    )
    cohort = load(tmp_path, classes=("no", "yes"), comparators=given)
    np.testing.assert_array_equal(cohort.comparators["reader"].values, [0.8, np.nan, 1])
    np.testing.assert_array_equal(cohort.comparators["score"].values, [12.5, -3, np.nan])
    np.testing.assert_array_equal(cohort.comparators["rule"].values, [1, 0, np.nan])
    assert cohort.comparators["reader"].spec.operating_point == 0.5
    assert cohort.subset(np.array([2])).comparators["reader"].values.tolist() == [1]


@pytest.mark.parametrize(
    ("output", "cells", "said"),
    [
        ("probabilities", ["0.2", "1.2", "0.4"], "outside [0, 1]"),
        ("probabilities", ["0.2", "high", "0.4"], "no finite number"),
        ("value", ["0.2", "inf", "0.4"], "no finite number"),
        ("decision", ["1", "0", "2"], "a value that the target does not have"),
        ("value", ["", "", ""], "is empty"),
    ],
)
def test_a_comparator_that_gives_no_answer_is_a_fault(
    write_csv: Write, tmp_path: Path, output: str, cells: list[str], said: str
) -> None:
    """What cannot be compared is wrong input, named by row and never by its content."""
    write_csv([["label", "c"], *zip(["1", "0", "1"], cells, strict=True)])
    spec = Comparator(name="reader", column="c", output=output)  # type: ignore[arg-type]
    with pytest.raises(FaultsError) as caught:
        load(tmp_path, comparators=(spec,))
    assert said in str(caught.value)
    assert "cohort.comparators.reader" in str(caught.value)
    assert "high" not in str(caught.value)


def test_one_column_is_no_answer_for_several_classes(write_csv: Write, tmp_path: Path) -> None:
    """One probability a case cannot be held against a model of three classes."""
    write_csv([["label", "c"], ["0", "0.1"], ["1", "0.2"], ["2", "0.3"]])
    spec = Comparator(name="reader", column="c", output="probabilities")
    with pytest.raises(FaultsError, match="does not go with the task"):
        load(tmp_path, "multiclass", ("a", "b", "c"), comparators=(spec,))


def test_follow_up(write_csv: Write, tmp_path: Path) -> None:
    """Survival has a time and an event; a case that lacks one has no target and is set aside."""
    write_csv([["days", "died"], ["10", "1"], ["20.5", "no"], ["", "0"], ["30", ""], ["0", "true"]])
    cohort = load(tmp_path, "survival", time="days", event="died")
    assert cohort.targets.tolist() == [[10, 1], [20.5, 0], [0, 1]]
    assert cohort.time is not None
    assert cohort.event is not None
    assert cohort.time.tolist() == [10, 20.5, 0]
    assert cohort.event.tolist() == [True, False, True]
    assert cohort.ledger.set_aside == {"no target": 2}
    assert cohort.aside is not None
    assert not cohort.aside.known.any()
    assert np.isnan(cohort.aside.targets).all()


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([["soon", "1"], ["3", "0"]], "no finite number"),
        ([["-1", "1"], ["3", "0"]], "a time below 0"),
        ([["1", "dead"], ["3", "0"]], "neither yes nor no"),
    ],
)
def test_a_follow_up_that_cannot_be_read_is_a_fault(
    write_csv: Write, tmp_path: Path, rows: list[list[str]], said: str
) -> None:
    """A time that is no time and an event that is neither yes nor no end with exit 2."""
    write_csv([["days", "died"], *rows])
    with pytest.raises(FaultsError, match=said):
        load(tmp_path, "survival", time="days", event="died")


def test_survival_needs_both_columns(write_csv: Write, tmp_path: Path) -> None:
    """Without its event a time says nothing."""
    write_csv([["days"], ["3"]])
    with pytest.raises(ManifestError, match="event: missing"):
        load(tmp_path, "survival", time="days")


def test_cases_set_aside_keep_what_is_known_of_them(write_csv: Write, tmp_path: Path) -> None:
    """Target, attribute and patient of a lost case stay; one without a target alone is kept as unverified."""
    write_csv([["label", "pat", "sex", "file"], ["1", "p1", "F", "0.png"], ["0", "p2", "M", "gone.png"],
               ["", "p1", "F", "0.png"], ["1", "", "M", "0.png"], ["0", "", "", "0.png"]])  # fmt: skip
    save_png(tmp_path / "0.png", np.zeros((4, 5), np.uint8))
    cohort = load(tmp_path, patient="pat", image="file", attributes=(AttributeSpec(name="sex", role="protected"),))
    aside = cohort.aside
    assert aside is not None
    assert aside.reasons.tolist() == ["image file not found", "patient id is empty", "patient id is empty"]
    assert aside.known.all()
    assert aside.targets.tolist() == [0, 1, 0]
    assert aside.attributes["sex"].levels.tolist() == ["M", "M", "(missing)"]
    assert cohort.patients.tolist() == [0]
    assert cohort.patient_ids[aside.patients[:1]].tolist() == ["p2"]
    # A row without a patient is a patient of its own.
    assert len(set(aside.patients.tolist())) == 3
    assert cohort.n_patients == 1
    assert (cohort.ledger.read, cohort.ledger.used, len(aside)) == (5, 1, 3)
    assert cohort.unverified is not None
    pending = cohort.unverified.cohort
    assert pending.patient_ids[pending.patients].tolist() == ["p1"]
    assert pending.attributes["sex"].levels.tolist() == ["F"]
    assert cohort.ledger.set_aside["no target"] == 1


def test_a_number_that_is_not_there_is_set_aside(write_csv: Write, tmp_path: Path) -> None:
    """Without classes nothing is asked of a case whose target is unknown."""
    write_csv([["label", "pat"], ["1.5", "a"], ["", "b"]])
    cohort = load(tmp_path, "regression")
    assert cohort.unverified is None
    assert cohort.aside is not None
    assert cohort.aside.known.tolist() == [False]


def test_unverified_cases_are_no_negatives(write_csv: Write, tmp_path: Path) -> None:
    """Whatever stands in the target of a case that nobody verified is not read; the case is kept apart."""
    write_csv([["label", "done", "pat"], ["1", "1", "a"], ["0", "yes", "b"], ["0", "0", "a"], ["pending", "no", "c"],
               ["", "", "d"], ["", "1", "e"], ["0", "0", ""]])  # fmt: skip
    cohort = load(tmp_path, patient="pat", verified="done")
    assert cohort.targets.tolist() == [1, 0]
    assert cohort.ledger.set_aside == {"no target": 1, "patient id is empty": 1, NOT_VERIFIED: 3}
    assert cohort.unverified is not None
    cases = cohort.unverified.cohort
    # A cell that is empty though the case is said to be verified is no answer either.
    assert len(cases) == 4
    assert cases.patient_ids[cases.patients].tolist() == ["a", "c", "d", "e"]
    # Both are resampled by patient, so a patient has one code.
    assert cases.patients[0] == cohort.patients[0]
    assert cohort.aside is not None
    assert cohort.aside.reasons.tolist() == ["patient id is empty"]


def test_unverified_cases_have_their_images(write_csv: Write, tmp_path: Path) -> None:
    """The model is asked about them, too, so that their images are at hand, in their own order."""
    names = [save_png(tmp_path / f"{i}.png", np.full((4, 5), i, np.uint8)).name for i in range(4)]
    write_csv([["label", "done", "file"], *([str(i % 2), str(int(i > 1)), n] for i, n in enumerate(names))])
    cohort = load(tmp_path, verified="done", image="file")
    assert cohort.unverified is not None
    pending = cohort.unverified.cohort.images
    assert cohort.images is not None
    assert pending is not None
    assert [int(cohort.images.load(i).max()) for i in range(2)] == [2, 3]
    assert [int(pending.load(i).max()) for i in range(2)] == [0, 1]


def test_nobody_verified_is_no_audit(write_csv: Write, tmp_path: Path) -> None:
    """A cohort without one verified case ends with the reason."""
    write_csv([["label", "done"], ["1", "0"], ["0", "0"]])
    with pytest.raises(FaultsError, match=f"2 x {NOT_VERIFIED}"):
        load(tmp_path, verified="done")


def test_ungradable(write_csv: Write, tmp_path: Path) -> None:
    """Where the model declined is a flag of the case; a word for it may be declared."""
    write_csv([["label", "q"], ["1", "poor"], ["0", "good"], ["1", ""]])
    cohort = load(tmp_path, ungradable="q", ungradable_values=("poor",))
    assert cohort.ungradable is not None
    assert cohort.ungradable.tolist() == [True, False, False]
    with pytest.raises(FaultsError, match="neither yes nor no"):
        load(tmp_path, ungradable="q")
    none = load(tmp_path, ungradable="q", ungradable_values=("bad",))
    assert "q: no case is ungradable; none has the value 'bad'." in none.remarks


def test_other_splits_of_one_manifest(write_csv: Write, tmp_path: Path) -> None:
    """Rows of another split are kept with their ids; they are neither read as cases nor in the ledger."""
    write_csv([["id", "label", "pat", "part"], ["a", "1", "p1", "test"], ["b", "x", "p1", "train"],
               ["c", "0", "p2", "test"], ["d", "1", "p3", ""], ["e", "1", "p4", "train"]])  # fmt: skip
    cohort = load(tmp_path, case="id", patient="pat", split="part", split_value="test")
    assert {o.name: (o.case_ids.tolist(), o.patient_ids.tolist()) for o in cohort.others} == {
        "train": (["b", "e"], ["p1", "p4"]),
        "(missing)": (["d"], ["p3"]),
    }
    assert cohort.ledger.read == 2
    assert all(o.patient_declared and o.case_declared for o in cohort.others)


def test_a_column_of_ids_names_no_splits(write_csv: Write, tmp_path: Path) -> None:
    """Where the split column has many values they are pooled: its cells may be ids, and names of splits are shown."""
    write_csv([["label", "part"], *([str(i % 2), f"MRN{i}"] for i in range(40))])
    cohort = load(tmp_path, split="part", split_value="MRN3")
    assert [(o.name, len(o)) for o in cohort.others] == [("other splits", 39)]


def test_a_table_of_training_cases(write_csv: Write, tmp_path: Path) -> None:
    """Another table gives ids, dates and images of its own folder; a column that is not there is a fault."""
    save_png(tmp_path / "old" / "0.png", np.full((4, 5), 7, np.uint8))
    write_csv([["file", "who", "on"], ["0.png", "p9", "2020-01-01"]], "old/train.csv")
    save_png(tmp_path / "1.png", np.zeros((4, 5), np.uint8))
    write_csv([["label", "pat", "file"], ["1", "p1", "1.png"]])
    other = OtherSpec(name="training", manifest="old/train.csv", patient="who", image="file", date="on")
    (split,) = load(tmp_path, patient="pat", image="file", others=(other,)).others
    assert split.patient_ids.tolist() == ["p9"]
    assert split.dates is not None
    assert split.dates.tolist() == ["2020-01-01"]
    assert not split.case_declared
    assert split.images is not None
    assert split.images.load(0).max() == 7
    wrong = OtherSpec(name="training", manifest="old/train.csv", patient="whom")
    with pytest.raises(FaultsError, match="did you mean 'who'"):
        load(tmp_path, patient="pat", image="file", others=(wrong,))


def test_the_digest_covers_what_stands_beside(write_csv: Write, tmp_path: Path) -> None:
    """One changed cell of a reader, a comparator, a flag or another split gives another digest."""
    head = ["label", "a", "p", "q", "part", "pat", "done"]
    rows = [["1", "1", "0.5", "0", "test", "p1", "1"], ["0", "0", "0.2", "0", "test", "p2", "1"],
            ["0", "0", "0.2", "0", "test", "p3", "0"], ["", "0", "0.2", "0", "train", "p4", "1"]]  # fmt: skip

    def digest(row: int, column: int, value: str) -> str:
        changed = [list(r) for r in rows]
        changed[row][column] = value
        write_csv([head, *changed])
        return load(
            tmp_path, attributes=(rater("a"),), split="part", split_value="test", patient="pat", verified="done",
            comparators=(Comparator(name="c", column="p", output="probabilities"),), ungradable="q",
        ).digest  # fmt: skip

    changes = [(0, 0, "1"), (0, 1, "0"), (1, 2, "0.3"), (1, 3, "1"), (3, 5, "p5"), (2, 5, "p6"), (3, 4, "val")]
    assert len({digest(*change) for change in changes}) == len(changes)
