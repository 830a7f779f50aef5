"""What `make reference` does with each system, and what it says of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from audit._cli import remaking
from audit.errors import InputError
from audit.reference import _systems
from audit.reference._curves import measure_curves
from audit.reference._files import read_metadata, write_figures, write_weights
from audit.reference._system import Figure, System

ONE = Figure(name="auc", value=0.8, low=0.7, high=0.9, n=100, n_patients=50, method="m")


@pytest.fixture
def shipped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """A shipped system with one figure and two cells of a curve."""
    import numpy as np

    system = System(name="planted", title="t", task="binary", slides="7", package="planted", curves="a by b")
    bare = replace(system, name="bare", curves="")

    class Recipe:
        @staticmethod
        def curves(name: str, folder: Path, *, say: object) -> None:
            for seed in (1, 2):
                if not (folder / f"cell-{seed}.json").exists():
                    (folder / f"cell-{seed}.json").write_text(json.dumps({"seed": seed, "auc": 0.5}))

    monkeypatch.setattr(_systems, "all_systems", lambda: {"planted": system, "bare": bare})
    monkeypatch.setattr(_systems, "folder_of", lambda s: tmp_path / "shipped")
    monkeypatch.setattr(_systems, "recipe_of", lambda s: Recipe)
    path = write_weights({"w": np.zeros(2)}, {"seed": "1"}, tmp_path / "shipped" / "planted.safetensors")
    digest = read_metadata(path)["tensors_sha256"]
    write_figures([ONE], name="planted", seed=1, digest=digest, path=path.with_suffix(".figures.json"))
    return "planted"


class Audit:
    """Stands for the command: writes a figure when it builds, answers with a code when it audits."""

    def __init__(self, *, value: float = 0.8, build: int = 0, audit: int = 1) -> None:
        self.value, self.codes, self.calls = value, {"build": build, "audit": audit}, []

    def __call__(self, words: Sequence[str], log: Path) -> int:
        self.calls.append(words[1])
        if words[1] == "build" and not self.codes["build"]:
            target = Path(words[-1]) / f"{words[2]}.figures.json"
            write_figures([replace(ONE, value=self.value)], name=words[2], seed=1, digest="d", path=target)
        return self.codes[words[1]]


@pytest.mark.parametrize("code", [0, 1, 3])
def test_a_system_with_its_figures_and_any_verdict_is_sound(
    shipped: str, tmp_path: Path, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """FAIL and INCONCLUSIVE are verdicts, too: a reference model may be faulty on purpose."""
    run = Audit(audit=code)
    assert remaking.remake_all([shipped], tmp_path / "out", jobs=1, run=run) == 0
    assert run.calls == ["build", "audit"]
    said = capsys.readouterr().out
    assert {0: "PASS", 1: "FAIL", 3: "INCONCLUSIVE"}[code] in said
    assert "1 of 1" in said


@pytest.mark.parametrize(
    "run", [Audit(value=0.6), Audit(build=1), Audit(audit=2), Audit(audit=4)], ids=["off", "build", "input", "crash"]
)
def test_a_figure_that_is_off_or_a_crash_is_no_success(shipped: str, tmp_path: Path, run: Audit) -> None:
    """The driver then ends with exit 1, and tries again the next time."""
    assert remaking.remake_all([shipped], tmp_path / "out", jobs=2, run=run) == 1
    calls = len(run.calls)
    remaking.remake_all([shipped], tmp_path / "out", jobs=2, run=run)
    assert len(run.calls) == 2 * calls


def test_nothing_is_done_twice(shipped: str, tmp_path: Path) -> None:
    """A sound result of the same weights is kept; other weights are built and audited anew."""
    import numpy as np

    run = Audit()
    first = remaking.remake(shipped, tmp_path / "out", run)
    assert remaking.remake(shipped, tmp_path / "out", run) == first
    assert len(run.calls) == 2
    write_weights({"w": np.ones(2)}, {"seed": "1"}, tmp_path / "shipped" / "planted.safetensors")
    remaking.remake(shipped, tmp_path / "out", run)
    assert len(run.calls) == 4


def test_cells_of_a_curve_are_gathered(shipped: str, tmp_path: Path) -> None:
    """One file holds every cell with its seed; a system without curves is named as an input error."""
    path = measure_curves(shipped, tmp_path / "cells", tmp_path / "docs", say=print)
    content = json.loads(path.read_text())
    assert [c["cell"] for c in content["cells"]] == ["cell-1", "cell-2"]
    assert (content["name"], content["measures"], content["phantom"]) == ("planted", "a by b", True)
    with pytest.raises(InputError, match="no curves of 'bare'"):
        measure_curves("bare", tmp_path / "cells", tmp_path / "docs", say=print)


def test_an_unknown_name_is_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    """The names that there are stand in the message; exit 2."""
    with pytest.raises(SystemExit) as caught:
        remaking.main(["planned"])
    assert caught.value.code == 2
    assert "no shipped system planned" in capsys.readouterr().err
