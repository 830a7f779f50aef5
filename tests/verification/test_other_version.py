"""Files that say another version made them are made again all the same, and what cannot be is never called intact."""

from __future__ import annotations

import pytest

import audit
from audit.cli import main
from tests.verification._runs import copy, made_to_fit, make, sealed_again
from tests.verification.test_content import number_of, rewrite


@pytest.fixture(scope="module")
def failed(tmp_path_factory):
    """A run that FAILs."""
    return make(tmp_path_factory.mktemp("failed"), limit=0.99)


def of_version(folder, *, report=lambda text: text, change=lambda values: None):
    """Say that another version made a run, and make all of it fit but what is changed."""
    rewrite(folder, lambda v: (v["run"].update(version="9.9.9"), change(v)))
    made_to_fit(folder)
    path = folder / "report.html"
    path.write_text(report(path.read_text()))
    sealed_again(folder)
    return audit.verify(folder)


def test_another_version_is_not_believed_where_its_files_can_be_made_again(failed, tmp_path):
    """All of it the same: intact. Other words: not intact without more, and not 0. Another outcome: a fault."""
    assert of_version(copy(failed, tmp_path / "a")).exit_code == 0
    checked = of_version(copy(failed, tmp_path / "b"), report=lambda t: t.replace("</style>", ".FAIL{}</style>", 1))
    assert (checked.intact, checked.exit_code, checked.not_made) == (True, 3, ("report.html",))
    checked = of_version(copy(failed, tmp_path / "c"), report=lambda t: t.replace("FAIL", "PASS"))
    assert [str(f) for f in checked.faults] == ["report.html: states PASS, evidence.json FAIL"]


def test_numbers_of_another_version_of_a_probe_are_named_in_the_first_line(failed, tmp_path, capsys):
    """An older probe may have measured otherwise, so nothing holds what is said of it."""

    def older(values):
        result = next(r for r in values["results"] if r["probe"] == "PERF001")
        result["version"] -= 1
        number_of(values, "PERF001", "auc")["value"] += 1e-3

    folder = copy(failed, tmp_path / "run")
    assert of_version(folder, change=older).exit_code == 3
    assert main(["verify", str(folder)]) == 3
    assert capsys.readouterr().out.startswith("INTACT, numbers of PERF001 not made again  run")


def test_unreadable_predictions_of_another_version_are_not_intact(failed, tmp_path):
    """No number was made again."""
    folder = copy(failed, tmp_path / "run")
    (folder / "predictions.parquet").write_bytes(b"PAR1" + b"\0" * 50 + b"PAR1")
    assert of_version(folder).not_made == ("numbers",)
