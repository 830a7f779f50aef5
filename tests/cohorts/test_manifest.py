"""From a manifest to a cohort."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from audit.cohorts import load_cohort
from audit.core import MISSING_LEVEL, AttributeSpec
from audit.errors import FaultsError, ManifestError, ReadError
from tests.cohorts.conftest import Write, gray, save_png, spec


def images(folder: Path, count: int) -> list[str]:
    """Write small gray images; return their names."""
    return [save_png(folder / f"{i}.png", np.full((4, 5), i, np.uint8)).name for i in range(count)]


def test_cohort_of_a_manifest(tmp_path: Path, write_csv: Write) -> None:
    """Ids, patients, targets, attributes and images come from their columns, in the order of the rows."""
    a, b, c = images(tmp_path, 3)
    write_csv([["id", "file", "label", "pat", "sex"], ["x", a, "mel", "p1", "F"], ["y", b, "nv", "p2", ""],
               ["z", c, "bkl", "p1", "M"]])  # fmt: skip
    sex = AttributeSpec(name="sex", role="protected")
    declared = spec(case="id", patient="pat", positive=("mel",), attributes=(sex,))
    cohort = load_cohort(declared, tmp_path, task="binary", classes=("other", "melanoma"), input=gray())
    assert cohort.case_ids.tolist() == ["x", "y", "z"]
    assert cohort.patients.tolist() == [0, 1, 0]
    assert cohort.patient_ids.tolist() == ["p1", "p2"]
    assert cohort.targets.tolist() == [1, 0, 0]
    assert cohort.attributes["sex"].levels.tolist() == ["F", MISSING_LEVEL, "M"]
    assert cohort.images is not None
    assert cohort.images.load(2).shape == (1, 4, 5)
    assert cohort.images.load(2).max() == 2
    assert (cohort.name, cohort.classes, cohort.patient_declared) == ("cases", ("other", "melanoma"), True)
    assert (cohort.ledger.read, cohort.ledger.used) == (3, 3)


def test_set_aside_cases_are_counted_by_reason(tmp_path: Path, write_csv: Write) -> None:
    """No case is dropped in silence: without target, patient or file it is in the ledger with the first reason."""
    (name,) = images(tmp_path, 1)
    write_csv([["file", "label", "pat"], [name, "1", "a"], [name, "", "b"], [name, "0", ""], ["gone.png", "0", "c"],
               ["../../etc/passwd", "0", "d"], ["", "1", "e"], ["x.gif", "1", "f"], ["gone.png", "", "g"]])  # fmt: skip
    cohort = load_cohort(spec(patient="pat"), tmp_path, task="binary", input=gray())
    assert len(cohort) == 1
    assert cohort.ledger.read == 8
    assert cohort.ledger.set_aside == {
        "image file not found": 1,
        "image format .gif is not supported": 1,
        "image outside the cohort's folder": 1,
        "no image is named": 1,
        "no target": 2,
        "patient id is empty": 1,
    }
    assert cohort.n_patients == 1
    assert cohort.patient_ids[cohort.patients].tolist() == ["a"]


def test_all_faults_at_once(write_csv: Write, tmp_path: Path) -> None:
    """Every column that is not there is named with those that are and with the nearest name."""
    write_csv([["file", "label", "patient_id"], ["a.png", "1", "x"]])
    attribute = AttributeSpec(name="sexx", role="protected")
    with pytest.raises(FaultsError) as caught:
        load_cohort(spec(patient="patientid", attributes=(attribute,)), tmp_path, task="binary")
    assert len(caught.value.faults) == 2
    assert "did you mean 'patient_id'?" in str(caught.value)
    assert "expected one of 'file', 'label', 'patient_id'; got 'sexx'" in str(caught.value)
    assert caught.value.exit_code == 2


def test_faults_of_the_cells_come_together(write_csv: Write, tmp_path: Path) -> None:
    """A strange target, a number without bins and repeated ids are said in one message, and no id is in it."""
    rows = [[f"MRN{i // 2}", str(i), "yes" if i else "1"] for i in range(40)]
    write_csv([["id", "age", "label"], *rows])
    declared = spec(image=None, case="id", attributes=(AttributeSpec(name="age", role="protected"),))
    with pytest.raises(FaultsError) as caught:
        load_cohort(declared, tmp_path, task="binary")
    text = str(caught.value)
    assert len(caught.value.faults) == 3
    assert "20 row(s) repeat a case id" in text
    assert "row(s) 1, 3, 5, 7, 9 ..." in text
    assert "bins = [...]" in text
    assert "'yes'" in text
    assert "MRN" not in text


def test_another_separator_is_named(write_csv: Write, tmp_path: Path) -> None:
    """A file separated by semicolons gets a message that says so."""
    write_csv([["file;label"], ["a.png;1"]])
    with pytest.raises(FaultsError, match="separated by another sign"):
        load_cohort(spec(), tmp_path, task="binary")


def test_no_case_left_is_wrong_input(write_csv: Write, tmp_path: Path) -> None:
    """A manifest none of whose images is there ends with the reasons, not with an empty audit."""
    write_csv([["file", "label"], ["a.png", "1"], ["b.png", "0"]])
    with pytest.raises(FaultsError, match="none of the 2 cases can be used") as caught:
        load_cohort(spec(), tmp_path, task="binary", input=gray())
    assert "2 x image file not found" in str(caught.value)


def test_row_number_is_the_id_where_none_is_declared(write_csv: Write, tmp_path: Path) -> None:
    """Without a case column the row number from 0 is the id, also behind a split; patients are the cases then."""
    write_csv([["label", "part"], ["1", "train"], ["0", "audit"], ["1", "audit"]])
    declared = spec(image=None, split="part", split_value="audit")
    cohort = load_cohort(declared, tmp_path, task="binary")
    assert cohort.case_ids.tolist() == ["1", "2"]
    assert not cohort.patient_declared
    assert cohort.remarks[0].startswith("No patient column is declared")
    assert "1 rows of the manifest belong to other splits" in cohort.remarks[1]
    assert cohort.ledger.read == 2


def test_unknown_split_is_named(write_csv: Write, tmp_path: Path) -> None:
    """A split that no row belongs to is an error that lists the splits there are."""
    write_csv([["label", "part"], ["1", "train"]])
    with pytest.raises(ManifestError, match="'train'"):
        load_cohort(spec(image=None, split="part", split_value="audit"), tmp_path, task="binary")


def test_reference_method_may_be_a_column_or_a_word(write_csv: Write, tmp_path: Path) -> None:
    """A column keeps its levels; a word is kept as it is."""
    write_csv([["label", "how"], ["1", "histology"], ["0", "follow-up"], ["0", ""]])
    column = load_cohort(spec(image=None, reference_method="how"), tmp_path, task="binary")
    word = load_cohort(spec(image=None, reference_method="histology"), tmp_path, task="binary")
    assert column.reference_levels is not None
    assert column.reference_levels.tolist() == ["histology", "follow-up", MISSING_LEVEL]
    assert word.reference_levels is None
    assert word.reference_method == "histology"


def test_markup_in_names_and_values_stays_text(write_csv: Write, tmp_path: Path) -> None:
    """A column or level that looks like HTML is read as any other text; escaping is the report's work."""
    name = "<script>alert(1)</script>"
    write_csv([["label", name], ["1", "<b>"], ["0", "{{ x }}"]])
    cohort = load_cohort(
        spec(image=None, attributes=(AttributeSpec(name=name, role="protected"),)), tmp_path, task="binary"
    )
    assert cohort.attributes[name].levels.tolist() == ["<b>", "{{ x }}"]


def test_digest_follows_what_the_cohort_says(write_csv: Write, tmp_path: Path) -> None:
    """The digest is the same for the same cells and another for any other target, attribute or patient."""
    header, rows = ["label", "pat", "sex"], [["1", "a", "F"], ["0", "b", "M"]]
    declared = spec(image=None, patient="pat", attributes=(AttributeSpec(name="sex", role="protected"),))

    def digest(cells: list[list[str]]) -> str:
        write_csv([header, *cells])
        return load_cohort(declared, tmp_path, task="binary").digest

    first = digest(rows)
    assert digest(rows) == first
    assert digest([["0", "a", "F"], ["0", "b", "M"]]) != first
    assert digest([["1", "a", "M"], ["0", "b", "M"]]) != first
    assert digest([["1", "a", "F"], ["0", "a", "M"]]) != first
    assert digest([["1", "a", "F"], ["0", "b", "M"], ["1", "c", "M"]]) != first


def test_parquet_gives_the_same_cohort(write_csv: Write, tmp_path: Path) -> None:
    """The same table as Parquet has the same digest."""
    path = write_csv([["id", "label"], ["1", "1"], ["2", "0"]])
    pd.DataFrame({"id": [1.0, 2.0], "label": [1, 0]}).to_parquet(tmp_path / "cases.parquet")
    csv = load_cohort(spec(image=None, case="id"), tmp_path, task="binary")
    parquet = load_cohort(spec(image=None, case="id", manifest="cases.parquet"), tmp_path, task="binary")
    assert path.exists()
    assert csv.digest == parquet.digest


def test_manifest_in_a_folder_of_its_own(write_csv: Write, tmp_path: Path) -> None:
    """Images are found from the manifest's folder, and a neighbour folder below audit.toml may be reached."""
    save_png(tmp_path / "images" / "a.png", np.zeros((4, 5), np.uint8))
    write_csv([["file", "label"], ["../images/a.png", "1"], ["../../a.png", "0"]], name="tables/cases.csv")
    cohort = load_cohort(spec(manifest="tables/cases.csv"), tmp_path, task="binary", input=gray())
    assert cohort.ledger.set_aside == {"image outside the cohort's folder": 1}


def test_segmentation_takes_its_reference_from_the_mask(write_csv: Write, tmp_path: Path) -> None:
    """A case without a reference segmentation has no target and is set aside; a mask of 0 and 255 becomes 0 and 1."""
    (name,) = images(tmp_path, 1)
    mask = np.zeros((4, 5), np.uint8)
    mask[1, 2] = 255
    save_png(tmp_path / "m.png", mask)
    write_csv([["file", "seg"], [name, "m.png"], [name, ""], [name, "gone.png"]])
    declared = spec(target=("seg",), mask="seg")
    cohort = load_cohort(declared, tmp_path, task="segmentation", input=gray())
    assert cohort.ledger.set_aside == {"no reference segmentation": 1, "reference segmentation file not found": 1}
    assert cohort.masks is not None
    assert cohort.masks.load(0).shape == (1, 4, 5)
    assert cohort.masks.load(0).sum() == 1
    assert cohort.masks.load(0)[0, 1, 2] == 1


def test_an_undeclared_size_is_that_of_the_first_image(write_csv: Write, tmp_path: Path) -> None:
    """Where the model declares no size the first readable image sets it for all, and the cohort says so."""
    names = [*images(tmp_path, 1), save_png(tmp_path / "big.png", np.zeros((9, 9), np.uint8)).name]
    write_csv([["file", "label"], *[[n, "1"] for n in names]])
    cohort = load_cohort(spec(), tmp_path, task="binary", input=gray(size=()))
    assert cohort.images is not None
    assert cohort.images.load(0).shape == (1, 4, 5)
    with pytest.raises(ReadError, match="wrong size: expected 4 x 5, got 9 x 9"):
        cohort.images.load(1)
    assert any("4 x 5" in remark for remark in cohort.remarks)
