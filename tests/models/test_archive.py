"""What may stand in the graph of an exported network."""

from __future__ import annotations

import json

import numpy as np
import pytest

from audit.core import InputSpec
from audit.models._archive import _operator, _size, _structure
from audit.models._prepare import prepare


@pytest.mark.parametrize(
    "text, harmless",
    [
        ("Symbol('s77', positive=True, integer=True)", True),
        ("2*Symbol('s0', integer=True) + 1", True),
        ("Max(1, s0 // 2)", True),
        ("__import__('os')", False),
        ("().__class__", False),
        ("s0.func", False),
        ("open('file')", False),
        ("Symbol('a b')", False),
        ("[s0 for s0 in (1, 2)]", False),
        ("(lambda: 1)()", False),
        ("1 +", False),
        ("", False),
        ("1" * 2000, False),
    ],
)
def test_sizes_are_arithmetic(text, harmless):
    """The size of an image is a number, a symbol, or arithmetic over both; nothing else is evaluated."""
    assert _size(text) is harmless


@pytest.mark.parametrize(
    "name, harmless",
    [
        ("torch.ops.aten.conv2d.default", True),
        ("_operator.mul", True),
        ("torch.sym_max", True),
        ("torch.load", False),
        ("torch.hub.load", False),
        ("torch.ops.load_library", False),
        ("torch.ops.aten.from_file.default", False),
        ("torch.ops.aten.__class__", False),
        ("_operator.call", False),
        ("_operator.attrgetter", False),
        ("#mine", False),
        (None, False),
    ],
)
def test_operators_are_those_on_tensors(name, harmless):
    """Operators of tensors and arithmetic on sizes are allowed; functions of torch and of Python are not."""
    assert _operator(name) is harmless


def test_structures_are_tuples_lists_and_dicts():
    """A class of somebody's own among the inputs is refused."""
    leaf = {"type": None, "context": None, "children_spec": []}

    def spec(kind, context="null"):
        return json.dumps([1, {"type": kind, "context": context, "children_spec": [leaf]}])

    assert _structure(spec("builtins.tuple"))
    assert _structure(spec("builtins.dict", '["x"]'))
    assert not _structure(spec("mine.Batch"))
    assert not _structure(spec("builtins.dict", '["x: print()"]'))
    assert not _structure("no structure")
    assert not _structure("[1]")


def test_preparation_without_torch_follows_the_same_steps():
    """Clip, map, normalise, as the torch pipeline does; by hand for one intensity a channel."""
    image = np.array([-5.0, 300.0]).reshape(1, 2, 1, 1)
    spec = InputSpec(range=(0, 200), window=(0, 100), channels=2, mean=(0.5, 0.25), std=(1.0, 0.5))
    np.testing.assert_allclose(prepare(image, spec).reshape(-1), [-0.5, 0.5])
    np.testing.assert_allclose(prepare(image, InputSpec(scale=False)).reshape(-1), [-5, 300])
