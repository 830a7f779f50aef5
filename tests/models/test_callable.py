"""Functions that answer batches of stored intensities."""

from __future__ import annotations

import gc
import importlib
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from audit.core import Access, DifferentiableModel, InputSpec, ModelSpec
from audit.errors import ModelError
from audit.models import from_callable, load_model
from audit.models._objects import LocalModules

SPEC = ModelSpec(kind="callable", task="binary", output="logits", classes=("no", "yes"), factory="scorer:score")
BATCH = np.random.default_rng(1).uniform(0, 255, (4, 1, 8, 6))


def test_a_callable_gets_stored_intensities():
    """Nothing is scaled or normalised before the function sees it."""
    spec = ModelSpec(
        kind="callable", task="binary", output="logits", input=InputSpec(range=(0, 255), mean=(0.5,), std=(0.1,))
    )
    seen = []
    model = from_callable(lambda x: seen.append(x) or x.mean(axis=(1, 2, 3)), spec)
    raw = model.predict(BATCH)
    np.testing.assert_array_equal(seen[0], BATCH)
    assert raw.shape == (4, 1)
    np.testing.assert_allclose(raw[:, 0], BATCH.mean(axis=(1, 2, 3)))
    assert model.card.access == Access.QUERY
    assert not isinstance(model, DifferentiableModel)
    assert any("cannot be hashed" in note for note in model.card.notes)


def test_a_callable_is_looked_for_beside_the_audit(tmp_path):
    """What the function imports only when it is called is found in the same folder."""
    (tmp_path / "late.py").write_text("SHIFT = 3.0\n")
    (tmp_path / "scorer.py").write_text(
        "def score(x):\n    import late\n    return x.mean(axis=(1, 2, 3)) + late.SHIFT\n"
    )
    model = load_model(SPEC, tmp_path)
    np.testing.assert_allclose(model.predict(BATCH)[:, 0], BATCH.mean(axis=(1, 2, 3)) + 3)


def test_another_source_is_another_digest(tmp_path):
    """The digest of a callable stands for its source."""
    digests = []
    for shift in (0, 1):
        folder = tmp_path / str(shift)
        folder.mkdir()
        (folder / "scorer.py").write_text(f"def score(x):\n    return x.mean(axis=(1, 2, 3)) + {shift}\n")
        model = load_model(SPEC, folder)
        digests.append(model.card.digest)
        assert model.state_digest() == model.card.digest
    assert digests[0] != digests[1]


def test_a_callable_that_works_in_place_leaves_the_callers_images():
    """Images are the caller's, whatever the function does to its argument."""

    def spoil(x):
        x *= 0
        return x.mean(axis=(1, 2, 3))

    batch = BATCH.copy()
    from_callable(spoil, SPEC).predict(batch)
    np.testing.assert_array_equal(batch, BATCH)


def test_a_failing_callable_is_a_message():
    """Errors of the function, answers of another length and things that cannot be called are messages."""
    with pytest.raises(ModelError, match="fails on a batch"):
        from_callable(lambda x: 1 / 0, SPEC).predict(BATCH)
    with pytest.raises(ModelError, match="does not fit output"):
        from_callable(lambda x: np.zeros(3), SPEC).predict(BATCH)
    with pytest.raises(ModelError, match="fails on a batch"):
        from_callable(lambda x: ["high"] * len(x), SPEC).predict(BATCH)
    with pytest.raises(ModelError, match="cannot be called"):
        from_callable(3, SPEC)


@pytest.mark.parametrize("code", ["import sys\nsys.exit(0)\n", "def score(x):\n    raise SystemExit(0)\n"])
def test_code_that_leaves_is_an_error(tmp_path, code):
    """A module that is a script, or a function that exits with 0, never ends the audit as if it had passed."""
    (tmp_path / "scorer.py").write_text(code)
    with pytest.raises(ModelError, match=r"imported|fails"):
        load_model(SPEC, tmp_path).predict(BATCH)


@pytest.mark.parametrize(
    ("more", "part"),
    [
        ({"output": "logit"}, "did you mean 'logits'"),
        ({"output": "mask_logits"}, "one of logits, probabilities, value"),
        ({"task": "binray"}, "did you mean 'binary'"),
        ({"operating_point": -0.8}, "a number from 0 to 1"),
    ],
)
def test_a_declaration_from_python_is_checked_as_one_from_a_file(more, part):
    """A misspelt kind of output would be read as it is, unseen by any check of the set-up."""
    with pytest.raises(ModelError) as caught:
        from_callable(len, replace(SPEC, **more))
    assert part in str(caught.value)


def test_names_are_looked_up_on_the_disk_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that is asked again looks at no file again: a thousand modules may be loaded."""
    local, seen = LocalModules(tmp_path), []
    found = Path.is_file
    monkeypatch.setattr(Path, "is_file", lambda self: seen.append(self) or found(self))
    with local:
        assert seen
    seen.clear()
    with local:
        assert not seen


def _from_file(folder, shift):
    (folder / "scorer.py").write_text(
        "def score(path):\n    shift = float(path.read_text())\n    return lambda x: x.mean(axis=(1, 2, 3)) + shift\n"
    )
    (folder / "shift.txt").write_text(f"{shift}")
    return load_model(replace(SPEC, path="shift.txt"), folder)


def test_a_callable_is_made_from_the_file_that_path_names(tmp_path):
    """The factory is given the file, and another content is another digest, before and after."""
    model = _from_file(tmp_path, 3)
    np.testing.assert_allclose(model.predict(BATCH)[:, 0], BATCH.mean(axis=(1, 2, 3)) + 3)
    digest = model.card.digest
    assert model.state_digest() == digest
    (tmp_path / "shift.txt").write_text("4")
    assert model.state_digest() != digest
    assert _from_file(tmp_path, 4).card.digest != digest
    assert any("the file that it reads" in note for note in model.card.notes)


@pytest.mark.parametrize(
    ("body", "problem"), [("return 3", "that can be called"), ("raise ValueError(1)", "the factory fails")]
)
def test_a_factory_that_makes_no_function_is_named(tmp_path, body, problem):
    """What the factory returns must answer images; the message says what to leave out."""
    (tmp_path / "scorer.py").write_text(f"def score(path):\n    {body}\n")
    (tmp_path / "w.txt").touch()
    with pytest.raises(ModelError, match=problem) as caught:
        load_model(replace(SPEC, path="w.txt"), tmp_path)
    assert "leave path out" in str(caught.value)


def test_what_is_imported_meanwhile_disturbs_no_question(tmp_path: Path) -> None:
    """As by a thread that reads images ahead: here whenever garbage is collected, which is nearly always."""
    (tmp_path / "nets.py").write_text("")
    local, late, threshold = LocalModules(tmp_path), [], gc.get_threshold()

    def load(phase: str, info: dict[str, int]) -> None:
        if len(late) % 20:
            late.append(f"audit_late_{len(late)}")
            sys.modules[late[-1]] = ModuleType("late")

    gc.callbacks.append(load)
    gc.set_threshold(1, 1000, 1000)
    try:
        # Twenty at the start of the block and twenty at its end.
        late.append("audit_late_start")
        with local:
            importlib.import_module("nets")
            late.append("audit_late_end")
    finally:
        gc.set_threshold(*threshold)
        gc.callbacks.remove(load)
    assert len([sys.modules.pop(name) for name in late if name in sys.modules]) > 20
    assert "nets" not in sys.modules
