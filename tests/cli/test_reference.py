"""`audit reference list`, `build` and `audit`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from audit.reference import Rebuilt
from audit.reference._compare import Compared
from audit.reference._system import Figure
from tests.cli.conftest import AUDIT, POLICY, Said, rows, write_scores

Audit = Callable[..., Said]
ONE = Figure(name="auc", value=0.8, low=0.7, high=0.9, n=100, n_patients=50, method="m")


def test_the_first_word_of_a_row_is_the_name(audit: Audit) -> None:
    """Twins of the demo come first; every row says slides and task, and a line beside the rows says whose slides."""
    code, out, err = audit("reference", "list")
    table = [line.split() for line in out.splitlines()]
    assert code == 0
    assert [row[0] for row in table[:2]] == ["biased", "healthy"]
    assert all(row[1] in ("demo", "slides") for row in table)
    assert 'slides: of the lecture "Machine Learning in Medical Imaging" (M. de Bruijne, 12 March 2021)' in err


@pytest.mark.parametrize("command", ["build", "audit"])
def test_an_unknown_name_is_answered_with_the_nearest(audit: Audit, command: str) -> None:
    """Exit 2, and the name that was probably meant."""
    code, _, err = audit("reference", command, "biasd")
    assert code == 2
    assert "did you mean 'biased'?" in err


def test_building_prints_the_figures_beside_the_shipped_ones(
    audit: Audit, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row a figure with both intervals, and last the file of weights; another seed reaches the recipe."""
    asked = []

    def rebuild(name: str, out: Path, *, seed: int | None, say: Callable[[str], None]) -> Rebuilt:
        asked.append((name, seed))
        say("epoch 1")
        return Rebuilt(
            weights=out / f"{name}.safetensors", seed=7, rows=(Compared(name="auc", shipped=ONE, rebuilt=ONE),)
        )

    monkeypatch.setattr("audit.reference.rebuild", rebuild)
    code, out, err = audit("reference", "build", "biased", "--out", "w", "--seed", "7")
    assert code == 0
    assert asked == [("biased", 7)]
    assert out.splitlines()[-1] == "w/biased.safetensors"
    assert "auc" in out
    assert out.count("0.8 (0.7 to 0.9)") == 2
    assert "epoch 1" in err


def test_an_audit_ends_as_any_audit(audit: Audit, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The exit code is the verdict's, the files lie beside the run, and a second audit needs --overwrite."""

    def write(name: str, files: Path, *, seed: int | None, profile: str) -> Path:
        files.mkdir(exist_ok=True)
        (files / ".reference-model").touch()
        write_scores(files / "scores.csv", rows())
        (files / "policy.toml").write_text(POLICY.replace("0.5", "0.999"))
        (files / "audit.toml").write_text(AUDIT)
        return files / "audit.toml"

    monkeypatch.setattr("audit.reference.write_audit", write)
    monkeypatch.setattr("audit._cli.reference.check_name", lambda name: None)
    code, out, _ = audit("reference", "audit", "planted", "--out", "run", "--profile", "smoke", "--seed", "3")
    assert code == 1
    assert "report    run/report.html" in out
    assert (folder / "run-files" / "audit.toml").is_file()
    assert "audit reference audit planted --profile smoke --seed 3" in (folder / "run/evidence.json").read_text()
    assert audit("reference", "audit", "planted", "--out", "run")[0] == 2
    assert audit("reference", "audit", "planted", "--out", "run", "--overwrite")[0] == 1


def test_a_system_is_no_twin_of_the_demo(audit: Audit, monkeypatch: pytest.MonkeyPatch) -> None:
    """`audit demo --twin` names the command that audits a system instead."""
    from audit.reference import ReferenceModel

    known = tuple(
        ReferenceModel(name=n, title="t", task="binary", size_bytes=1, slides=s)
        for n, s in (("biased", "demo"), ("epvs", "61-74"))
    )
    monkeypatch.setattr("audit.reference.list_models", lambda: known)
    code, _, err = audit("demo", "--twin", "epvs")
    assert code == 2
    assert "audit reference audit epvs" in err
