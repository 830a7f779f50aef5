"""The reference models are there, small, and can be made again."""

import json
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from audit.errors import InputError, MissingExtraError
from audit.reference import build, is_twin, list_models
from audit.reference._catalogue import read_metadata, weights_path
from audit.reference._needs import needs
from audit.reference._recipe import AUDIT, AUDIT_COMPOSITION, TRAINING, TWINS, VALIDATION, Recipe
from audit.reference._training import slices, train

TINY = Recipe(n_training=128, n_validation=64, epochs=1, clean_until=0.0, full_from=0.5)


def test_every_twin_is_shipped() -> None:
    """Weights of all five twins are there, each under 1 MB."""
    models = [m for m in list_models() if is_twin(m.name)]
    assert [m.name for m in models] == ["biased", "healthy", "sex-only", "protocol-only", "undefended"]
    assert all(0 < m.size_bytes < 1_000_000 for m in models)
    assert all(m.task == "binary" for m in models)


@pytest.mark.parametrize("name", list(TWINS))
def test_weights_carry_their_recipe(name: str) -> None:
    """The metadata hold the recipe that the code has now, the composition and the operating point."""
    about = read_metadata(weights_path(name))
    assert json.loads(about["recipe"]) == json.loads(json.dumps(asdict(Recipe())))
    assert json.loads(about["composition"]) == asdict(TWINS[name].composition)
    assert 0 < float(about["operating_point"]) < 1
    assert len(about["tensors_sha256"]) == 64


def test_twins_share_everything_but_the_composition() -> None:
    """All shipped weights have one recipe and one seed; only `undefended` was not trained under attack."""
    about = {name: read_metadata(weights_path(name)) for name in TWINS}
    assert len({(a["recipe"], a["seed"]) for a in about.values()}) == 1
    assert [name for name, a in about.items() if a["defended"] == "false"] == ["undefended"]
    assert about["undefended"]["composition"] == about["healthy"]["composition"]


def test_an_unknown_name_is_an_input_error(tmp_path: Path) -> None:
    """A reference model that is not there is named, with those that are."""
    with pytest.raises(InputError, match="no such reference model"):
        build("sick", tmp_path)


def test_training_is_deterministic() -> None:
    """The same seed gives the same weights; another seed gives others."""
    first, again = (train(TWINS["biased"], seed=3, recipe=TINY) for _ in range(2))
    other = train(TWINS["biased"], seed=4, recipe=TINY)
    key = "0.weight"
    assert all(np.array_equal(a, b) for a, b in zip(_values(first), _values(again), strict=True))
    assert first.operating_point == again.operating_point
    assert not np.array_equal(first.net.state_dict()[key].numpy(), other.net.state_dict()[key].numpy())


def _values(trained: object) -> list[np.ndarray]:
    return [value.numpy() for value in trained.net.state_dict().values()]  # type: ignore[attr-defined]


def test_training_leaves_the_global_generator_alone() -> None:
    """The random state of torch is the same before and after."""
    import torch

    before = torch.random.get_rng_state()
    train(TWINS["undefended"], seed=3, recipe=replace(TINY, n_training=64))
    assert torch.equal(before, torch.random.get_rng_state())


def test_the_undefended_twin_is_trained_without_attack() -> None:
    """With the same seed and composition, the defence alone changes the weights."""
    healthy, undefended = (train(TWINS[name], seed=3, recipe=TINY) for name in ("healthy", "undefended"))
    assert not all(np.array_equal(a, b) for a, b in zip(_values(healthy), _values(undefended), strict=True))


def test_parts_of_a_seed_share_no_plane() -> None:
    """Training, validation and audit planes are drawn from seeds of their own."""
    recipe = Recipe()
    drawn = {
        part: slices(AUDIT_COMPOSITION, n=20, seed=1, part=part, recipe=recipe)
        for part in (TRAINING, VALIDATION, AUDIT)
    }
    noise = [{planes.parameters(index).noise_seed for index in range(20)} for planes in drawn.values()]
    assert len(set.union(*noise)) == 60


def test_listing_needs_no_torch() -> None:
    """The list of reference models opens no weights and loads no torch."""
    code = "import sys; from audit.reference import list_models; list_models(); print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_a_missing_package_is_named_with_the_line_that_installs_it() -> None:
    """Without the package the message says which extra brings it; with it nothing happens."""
    needs("numpy", "reference")
    with pytest.raises(MissingExtraError, match="surely_absent is not installed") as caught:
        needs("surely_absent", "reference")
    assert 'pip install "imaging-audit[reference]"' in str(caught.value)
