"""Networks with weights that are tensors and nothing else."""

from __future__ import annotations

import dataclasses
import os
import pickle
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from audit.core import Access, DifferentiableModel, InputSpec, ModelSpec
from audit.errors import EXIT_INPUT, ModelError, UnsafeModelError
from audit.models import from_module, load_model
from tests.models.conftest import HEAD_NAMES, HEADS, SIZES, spec_for, tiny

torch = pytest.importorskip("torch")

FACTORY = """
from torch import nn
def build():
    return nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(),
                         nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 1))
def broken():
    raise RuntimeError("no such backbone")
def number():
    return 3
"""


class Bomb:
    """Unpickling it would write a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"echo boom > {self.target}",)


def saved(folder: Path, name: str = "net.safetensors") -> ModelSpec:
    """Write a factory and weights into a folder and return their declaration."""
    from safetensors.torch import save_file

    (folder / "nets.py").write_text(FACTORY)
    state = tiny("logits", 1, 2).state_dict()
    if name.endswith(".safetensors"):
        save_file(state, folder / name)
    else:
        torch.save(state, folder / name)
    return spec_for("single logit", 2, path=name, factory="nets:build")


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("head", HEAD_NAMES)
def test_every_output_kind_keeps_its_axes(head, dimensions, images):
    """Outputs are (n, k) float64, masks (n, k, *spatial), and equal the network on prepared images."""
    _, output, _, k = HEADS[head]
    net = tiny(output, k, dimensions)
    model = from_module(net, spec_for(head, dimensions))
    batch = images(3, dimensions)
    raw = model.predict(batch)
    assert raw.dtype == np.float64
    assert raw.shape == ((3, k, *SIZES[dimensions]) if head == "mask" else (3, k))
    with torch.inference_mode():
        expected = net((torch.from_numpy(batch) / 255 - 0.5) / 0.25).numpy()
    np.testing.assert_allclose(raw, expected, atol=1e-6)
    assert isinstance(model, DifferentiableModel)
    assert model.card.access == Access.GRADIENT


def test_an_answer_of_one_axis_gets_the_second(images):
    """A network that returns (n,) is a model with one output, also for a single image."""

    class Flat(torch.nn.Module):
        def forward(self, x):
            return x.mean(dim=(1, 2, 3))

    model = from_module(Flat(), spec_for("single logit", 2))
    assert model.predict(images(4)).shape == (4, 1)
    assert model.predict(images(1)).shape == (1, 1)


def test_the_window_clips_before_the_range_maps(images):
    """Intensities are clipped to the window, mapped to [0, 1], then normalised per channel."""
    spec = spec_for(
        "mask", 2,
        input=InputSpec(range=(0, 200), window=(50, 150), size=SIZES[2], channels=2, mean=(0.0, 0.5), std=(1.0, 2.0)),
    )  # fmt: skip
    model = from_module(torch.nn.Identity(), spec)
    batch = images(2, channels=2)
    unit = np.clip(batch, 50, 150) / 200
    expected = np.stack([unit[:, 0], (unit[:, 1] - 0.5) / 2], axis=1)
    np.testing.assert_allclose(model.predict(batch), expected, atol=1e-6)


def test_scale_false_leaves_the_intensities(images):
    """With scale = false nothing is mapped."""
    model = from_module(torch.nn.Identity(), spec_for("mask", 2, input=InputSpec(range=(0, 255), scale=False)))
    np.testing.assert_allclose(model.predict(images(2)), images(2))


def test_a_network_that_works_in_place_leaves_the_images_that_it_is_given(images):
    """Asked with gradients and without; its gradients are those of a network that does not."""

    class InPlace(torch.nn.Module):
        def forward(self, x):
            return x.sub_(3).pow(2).mean(dim=(1, 2, 3), keepdim=False)[:, None]

    spec = spec_for("single logit", 2, input=InputSpec(range=(0, 255), scale=False))
    model, given = from_module(InPlace(), spec), images(2)
    x, numbers = torch.from_numpy(given.copy()).requires_grad_(True), given.copy()
    model.forward(x).sum().backward()
    with torch.no_grad():
        model.forward(x)
    model.predict(numbers)
    assert np.array_equal(x.detach().numpy(), given)
    assert np.array_equal(numbers, given)
    np.testing.assert_allclose(x.grad.numpy(), 2 * (given - 3) / given[0].size, rtol=1e-5)


def test_gradients_reach_the_stored_intensities(images):
    """The gradient is that of the whole way from stored intensities, and parameters ask for none."""
    net = tiny("logits", 1, 2)
    model = from_module(net, spec_for("single logit", 2))
    x = torch.from_numpy(images(2)).requires_grad_(True)
    model.forward(x).sum().backward()
    prepared = ((x.detach() / 255 - 0.5) / 0.25).requires_grad_(True)
    net(prepared).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), prepared.grad.numpy() / (255 * 0.25), rtol=1e-4, atol=1e-9)
    assert not any(p.requires_grad for p in model.module.parameters())
    assert not any(m.training for m in model.module.train().modules())


def test_a_network_that_works_in_place_leaves_the_callers_images(images):
    """Images are the caller's, whatever the network does to its input."""
    spec = spec_for("mask", 2, input=InputSpec(scale=False))
    model = from_module(torch.nn.ReLU(inplace=True), spec)
    batch = -images(2)
    model.predict(batch)
    np.testing.assert_array_equal(batch, -images(2))


@pytest.mark.parametrize("name", ["net.safetensors", "net.pt"])
def test_weights_come_back_from_a_file(name, tmp_path, images):
    """Safetensors and a plain state dict give the model that was saved, and the same digest."""
    model = load_model(saved(tmp_path, name), tmp_path)
    direct = from_module(tiny("logits", 1, 2), spec_for("single logit", 2))
    np.testing.assert_array_equal(model.predict(images(3)), direct.predict(images(3)))
    assert model.card.digest == direct.card.digest == model.state_digest()
    assert model.card.name == "net"


def test_the_digest_sees_a_buffer_and_the_preprocessing():
    """A drifting running mean, another normalisation and another operating point are another model."""
    net, spec = tiny("logits", 1, 2), spec_for("single logit", 2)
    model = from_module(net, spec)
    net[1].running_mean += 1e-3
    assert model.state_digest() != model.card.digest
    net[1].running_mean -= 1e-3
    others = [
        dataclasses.replace(spec, operating_point=0.4),
        dataclasses.replace(spec, input=dataclasses.replace(spec.input, mean=(0.51,))),
        dataclasses.replace(spec, classes=("yes", "no")),
    ]
    digests = {from_module(net, s).card.digest for s in (spec, *others)}
    assert len(digests) == 4


def test_two_folders_with_the_same_module_name_do_not_mix(tmp_path, images):
    """Each audit gets the factory of its own folder, and neither stays importable."""
    specs = []
    for folder, bias in (("one", 1.0), ("two", 2.0)):
        (tmp_path / folder).mkdir()
        specs.append(saved(tmp_path / folder))
        (tmp_path / folder / "helper.py").write_text(f"BIAS = {bias}\n")
        (tmp_path / folder / "nets.py").write_text(
            "from torch import nn\nimport helper\n"
            "class Net(nn.Sequential):\n    def forward(self, x):\n        return super().forward(x) + helper.BIAS\n"
            "def build():\n    return Net(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(),\n"
            "        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 1))\n"
        )
    before = list(sys.path)
    one, two = (load_model(spec, tmp_path / folder) for spec, folder in zip(specs, ("one", "two"), strict=True))
    difference = two.predict(images(2)) - one.predict(images(2))
    np.testing.assert_allclose(difference, 1.0, atol=1e-5)
    assert sys.path == before
    assert "nets" not in sys.modules
    assert "helper" not in sys.modules


def test_a_loaded_module_of_the_same_name_is_put_back(tmp_path, monkeypatch):
    """A module that the process already uses is neither taken for the factory's nor lost."""
    import types

    mine = types.ModuleType("nets")
    monkeypatch.setitem(sys.modules, "nets", mine)
    model = load_model(saved(tmp_path), tmp_path)
    assert model.card.kind == "torch"
    assert sys.modules["nets"] is mine


@pytest.mark.parametrize("kind", ["raw", "protocol 0", "torch zip", "torch legacy", "inside a state dict"])
def test_a_pickle_that_would_run_code_is_refused(kind, tmp_path):
    """The code is not run, the exit code is 2 and the message names what the pickle wanted, not where it lies."""
    spec, target = saved(tmp_path, "net.pt"), tmp_path / "boom"
    file, bomb = tmp_path / "net.pt", Bomb(target)
    if kind == "raw":
        file.write_bytes(pickle.dumps(bomb))
    elif kind == "protocol 0":
        file.write_bytes(pickle.dumps(bomb, protocol=0))
    elif kind == "inside a state dict":
        torch.save({**tiny("logits", 1, 2).state_dict(), "extra": bomb}, file)
    else:
        torch.save(bomb, file, _use_new_zipfile_serialization=kind == "torch zip")
    with pytest.raises(UnsafeModelError, match="system") as caught:
        load_model(spec, tmp_path)
    assert not target.exists()
    assert caught.value.exit_code == EXIT_INPUT
    assert str(tmp_path) not in str(caught.value)


def test_a_whole_pickled_network_is_refused(tmp_path):
    """A network saved whole needs its class to be imported, which is refused like any other code."""
    spec = saved(tmp_path, "net.pt")
    torch.save(tiny("logits", 1, 2), tmp_path / "net.pt")
    with pytest.raises(UnsafeModelError, match=r"torch\.nn"):
        load_model(spec, tmp_path)


def test_a_bomb_called_safetensors_is_no_safetensors(tmp_path):
    """The suffix does not open a door to pickle."""
    spec = saved(tmp_path)
    (tmp_path / "net.safetensors").write_bytes(pickle.dumps(Bomb(tmp_path / "boom")))
    with pytest.raises(ModelError, match="no readable safetensors"):
        load_model(spec, tmp_path)
    assert not (tmp_path / "boom").exists()


def test_a_damaged_file_is_no_crash(tmp_path):
    """A zip that was cut short and an empty file give a message."""
    spec = saved(tmp_path, "net.pt")
    whole = (tmp_path / "net.pt").read_bytes()
    for content in (whole[: len(whole) // 2], b"", b"no weights at all"):
        (tmp_path / "net.pt").write_bytes(content)
        with pytest.raises(ModelError):
            load_model(spec, tmp_path)
    with zipfile.ZipFile(tmp_path / "net.pt", "w") as archive:
        archive.writestr("a.txt", "nothing")
    with pytest.raises(ModelError):
        load_model(spec, tmp_path)


def test_keys_that_do_not_match_are_named(tmp_path):
    """Missing, unexpected and misshaped tensors are named at once."""
    from safetensors.torch import save_file

    spec = saved(tmp_path)
    state = tiny("logits", 1, 2).state_dict()
    state["head.weight"] = state.pop("5.weight")
    state["0.weight"] = state["0.weight"][:2].contiguous()
    save_file(state, tmp_path / "net.safetensors")
    with pytest.raises(ModelError) as caught:
        load_model(spec, tmp_path)
    text = str(caught.value)
    assert "missing: 5.weight" in text
    assert "unexpected: head.weight" in text
    assert "0.weight (2, 1, 3, 3) for (4, 1, 3, 3)" in text


@pytest.mark.parametrize(
    "factory, part",
    [
        (None, "needs a factory"),
        ("nets.build", "names no object"),
        ("absent:build", "cannot be imported"),
        ("nets:bild", "has no bild"),
        ("nets:broken", "no such backbone"),
        ("nets:number", "torch.nn.Module"),
    ],
)
def test_a_wrong_factory_is_a_message(factory, part, tmp_path):
    """Whatever is wrong with the factory, the user is told and sees no traceback."""
    spec = dataclasses.replace(saved(tmp_path), factory=factory)
    with pytest.raises(ModelError, match=part):
        load_model(spec, tmp_path)


def test_an_unknown_kind_and_an_absent_file_are_named(tmp_path):
    """The nearest kind is proposed, and files that lie beside are listed."""
    spec = saved(tmp_path)
    with pytest.raises(ModelError, match="did you mean 'onnx'"):
        load_model(dataclasses.replace(spec, kind="onxx"), tmp_path)
    with pytest.raises(ModelError, match=r"net\.safetensors"):
        load_model(dataclasses.replace(spec, path="nett.safetensors"), tmp_path)


@pytest.mark.parametrize(
    "declared, part",
    [
        (InputSpec(range=(1, 1)), "range is empty"),
        (InputSpec(channels=3, mean=(0.1, 0.2)), "mean"),
        (InputSpec(std=(0.0,)), "std"),
        (InputSpec(size=(8, 6), tile=(4,)), "tile"),
    ],
)
def test_a_contradictory_input_is_refused(declared, part):
    """Preprocessing that cannot be computed is refused when the model is loaded."""
    with pytest.raises(ModelError, match=part):
        from_module(torch.nn.Identity(), spec_for("mask", 2, input=declared))


def test_wrong_images_and_wrong_answers_are_messages(images):
    """Channels that do not fit, a network that fails and an answer of another kind are no tracebacks."""
    with pytest.raises(ModelError, match="wrong layout"):
        from_module(torch.nn.Identity(), spec_for("mask", 2)).predict(images(2, channels=3))
    with pytest.raises(ModelError, match="fails on a batch"):
        from_module(torch.nn.Linear(3, 1), spec_for("single logit", 2)).predict(images(2))
    with pytest.raises(ModelError, match="does not fit output"):
        from_module(torch.nn.Identity(), spec_for("single logit", 2)).predict(images(2))
    with pytest.raises(ModelError, match="is not the mask"):
        from_module(tiny("logits", 1, 2), spec_for("mask", 2)).predict(images(2))


def test_a_layer_is_found_by_its_own_name():
    """Layers of the network are found under the names that its author gave them."""
    net = tiny("logits", 1, 2)
    module = from_module(net, spec_for("single logit", 2)).module
    assert module.get_submodule("0") is net[0]
    assert module.get_submodule("net.0") is net[0]
