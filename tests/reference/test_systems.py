"""The systems of the lecture: found by being there, built with figures, compared, and audited in a folder of files."""

from __future__ import annotations

import importlib
import json
import pkgutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from audit.core import Estimate, Levels
from audit.errors import InputError
from audit.reference import _catalogue, _systems, audit_folder, check_audit_folder, rebuild, systems, write_audit
from audit.reference._compare import Compared, compare, lines
from audit.reference._files import read_figures, read_metadata, tensors_digest, write_figures, write_weights
from audit.reference._system import Figure, Made, System
from audit.stats import proportion

ONE = Figure(name="auc", value=0.8, low=0.7, high=0.9, n=100, n_patients=50, method="m")
SHIPPED = [s for s in _systems.all_systems().values() if _systems.weights_of(s).is_file()]


def test_every_folder_brings_systems() -> None:
    """Each package below `systems` declares at least one system, of its own name."""
    for module in pkgutil.iter_modules(systems.__path__):
        found = importlib.import_module(f"{systems.__name__}.{module.name}").SYSTEMS
        assert found
        assert {s.package for s in found} == {module.name}


def test_two_systems_of_one_name_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A name is given once; the second one is an error, not a replacement."""
    for package in ("one", "two"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text(
            "from audit.reference._system import System\n"
            f"SYSTEMS = (System(name='x', title='t', task='binary', slides='1', package='{package}'),)\n"
        )
    monkeypatch.setattr(systems, "__path__", [str(tmp_path)])
    with pytest.raises(ValueError, match="'x' is taken"):
        _systems.all_systems.__wrapped__()
    for package in ("one", "two"):
        sys.modules.pop(f"audit.reference.systems.{package}", None)


def test_the_list_loads_neither_numpy_nor_torch() -> None:
    """A list of names needs no array library."""
    code = "import sys, audit.cli; audit.cli.main(['reference', 'list']); print({'numpy', 'torch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "set()"


@pytest.mark.parametrize("system", SHIPPED, ids=lambda s: s.name)
def test_a_shipped_system_is_complete(system: System) -> None:
    """Weights under 1 MB, figures of just these weights, card, audit.toml and policy are in its folder."""
    from safetensors.numpy import load_file

    folder, weights = _systems.folder_of(system), _systems.weights_of(system)
    assert weights.stat().st_size < 1_000_000
    about, content = read_metadata(weights), json.loads(_systems.figures_of(system).read_text())
    assert about["tensors_sha256"] == content["tensors_sha256"] == tensors_digest(load_file(weights))
    assert about["seed"] == str(content["seed"])
    assert content["phantom"] is True
    assert content["figures"]
    assert (folder / "card.md").is_file()
    assert sorted(folder.glob("*audit.toml"))
    assert sorted(folder.glob("*policy.toml"))


def test_a_figure_has_the_interval_of_its_estimate() -> None:
    """The 95 % interval is that of the rung at 0.025; an estimate without value keeps its reason."""
    estimate = proportion(np.arange(40) < 30, np.arange(40), Levels())
    figure = Figure.of("sensitivity", estimate, "at the operating point")
    low, high = next((low, high) for level, low, high in estimate.curve if level == 0.025)
    assert (figure.value, figure.low, figure.high, figure.n) == (0.75, low, high, 40)
    assert figure.method == f"at the operating point; {estimate.method}"
    none = Figure.of("auc", Estimate.absent("no cases", method="m"))
    assert (none.value, none.low, none.missing) == (None, None, "no cases")


@pytest.mark.parametrize(
    ("rebuilt", "agrees"),
    [
        (ONE, True),
        (replace(ONE, value=0.7), True),
        (replace(ONE, value=0.69), False),
        (replace(ONE, value=None, low=None, high=None, missing="why"), False),
        (None, False),
    ],
)
def test_a_rebuilt_figure_lies_in_the_shipped_interval(rebuilt: Figure | None, agrees: bool) -> None:
    """The ends count as inside; a figure that is gone or has no value any more does not agree."""
    row = Compared(name="auc", shipped=ONE, rebuilt=rebuilt)
    assert row.agrees is agrees
    assert ("differs" in lines([row])[-1]) is not agrees


def test_without_an_interval_figures_must_be_equal() -> None:
    """A thousandth is the most that a figure without interval may move; two that are missing agree."""
    bare = replace(ONE, low=None, high=None)
    assert Compared(name="a", shipped=bare, rebuilt=replace(bare, value=0.8005)).agrees
    assert not Compared(name="a", shipped=bare, rebuilt=replace(bare, value=0.802)).agrees
    gone = replace(bare, value=None, missing="why")
    assert Compared(name="a", shipped=gone, rebuilt=gone).agrees
    assert [(r.name, r.agrees) for r in compare([ONE], [replace(ONE, name="new")])] == [("auc", False), ("new", False)]


def test_figures_come_back_as_they_were_written(tmp_path: Path) -> None:
    """Six digits of a number are kept; a second figure of one name is refused."""
    path = write_figures([replace(ONE, value=0.123456789)], name="x", seed=3, digest="d", path=tmp_path / "f.json")
    assert read_figures(path) == (3, (replace(ONE, value=0.123457),))
    with pytest.raises(ValueError, match="one name"):
        write_figures([ONE, ONE], name="x", seed=3, digest="d", path=path)
    with pytest.raises(InputError, match="no figures there"):
        read_figures(tmp_path / "other.json")


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> System:
    """A system whose training is a draw of one number and whose audit is one text file."""
    system = System(name="planted", title="t", task="binary", slides="7", package="planted", curves="c")

    class Recipe:
        @staticmethod
        def train(name: str, *, seed: int, say: object) -> Made:
            drawn = np.random.default_rng(seed).random(2).astype(np.float32)
            return Made(tensors={"w": drawn}, metadata={"operating_point": "0.5"}, figures=(ONE,))

        @staticmethod
        def write(name: str, folder: Path, *, weights: Path, seed: int, profile: str) -> None:
            (folder / "audit.toml").write_text(f"# {name} {seed} {profile} {weights.name}\n")

    monkeypatch.setattr(_systems, "all_systems", lambda: {"planted": system})
    monkeypatch.setattr(_systems, "folder_of", lambda s: tmp_path / "shipped")
    monkeypatch.setattr(_systems, "recipe_of", lambda s: Recipe)
    return system


def test_building_writes_weights_and_figures(planted: System, tmp_path: Path) -> None:
    """The first build has nothing to be held against; once shipped, the next has its seed and its figures."""
    made = rebuild("planted", tmp_path / "shipped")
    assert made.seed == 1
    assert [r.shipped for r in made.rows] == [None]
    about = read_metadata(made.weights)
    assert (about["name"], about["seed"], about["operating_point"]) == ("planted", "1", "0.5")
    again = rebuild("planted", tmp_path / "again")
    assert all(r.agrees for r in again.rows)
    assert again.weights.read_bytes() == made.weights.read_bytes()
    other = rebuild("planted", tmp_path / "other", seed=5)
    assert read_metadata(other.weights)["tensors_sha256"] != about["tensors_sha256"]


def test_the_audit_has_a_folder_of_its_own(planted: System, tmp_path: Path) -> None:
    """Files lie beside the run; they replace those of an earlier audit, and nothing else."""
    folder = audit_folder(tmp_path / "run")
    assert folder.name == "run-files"
    with pytest.raises(InputError, match="no reference model"):
        write_audit("planted", folder)
    rebuild("planted", tmp_path / "shipped")
    assert write_audit("planted", folder).read_text() == "# planted 1 standard planted.safetensors\n"
    with pytest.raises(InputError, match="not empty"):
        check_audit_folder(folder, overwrite=False)
    (folder / "stale").touch()
    write_audit("planted", folder, seed=2, profile="smoke")
    assert sorted(p.name for p in folder.iterdir()) == [".reference-model", "audit.toml"]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis").touch()
    with pytest.raises(InputError, match="not empty"):
        write_audit("planted", tmp_path / "mine")


def test_figures_of_a_twin_come_from_its_metadata(tmp_path: Path) -> None:
    """1,500 validation planes of either label give sensitivity and specificity of a twin, with their intervals."""
    seed, figures = _catalogue._shipped("healthy", None)
    about = read_metadata(_catalogue.weights_path("healthy"))
    assert seed == int(about["seed"])
    assert [f.name for f in figures] == ["sensitivity, validation", "specificity, validation"]
    assert figures[0].value == pytest.approx(float(about["validation_sensitivity"]), abs=5e-4)
    assert figures[0].n == 1500
    assert figures[0].low < figures[0].value < figures[0].high


def test_weights_carry_the_digest_of_their_tensors(tmp_path: Path) -> None:
    """Equal tensors give equal bytes, whatever their order or layout in memory."""
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    first = write_weights({"a": values, "b": values.T}, {"k": "v"}, tmp_path / "1.safetensors")
    again = write_weights({"b": values.T.copy(), "a": values}, {"k": "v"}, tmp_path / "2.safetensors")
    assert first.read_bytes() == again.read_bytes()
    assert read_metadata(first)["k"] == "v"
    assert not list(tmp_path.glob("*.part"))
