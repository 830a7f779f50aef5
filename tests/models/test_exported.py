"""Networks from files that hold graphs: TorchScript, torch.export and ONNX."""

from __future__ import annotations

import dataclasses
import json
import pickle
import warnings
import zipfile

import numpy as np
import pytest

from audit.core import Access, DifferentiableModel, InputSpec
from audit.errors import ModelError, UnsafeModelError
from audit.models import from_module, load_model
from tests.models.conftest import HEAD_NAMES, HEADS, SIZES, spec_for, tiny
from tests.models.test_torch import Bomb

torch = pytest.importorskip("torch")
FILES = {"torchscript": "net.ts", "torch-export": "net.pt2", "onnx": "net.onnx"}


def export(net, kind, folder, dimensions, batch=None):
    """Write a network in one of the formats; `batch` fixes the number of images."""
    file = folder / FILES[kind]
    x = torch.rand(batch or 2, 1, *SIZES[dimensions])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if kind == "torchscript":
            torch.jit.trace(net, x).save(file)
        elif kind == "torch-export":
            shapes = None if batch else ({0: torch.export.Dim.DYNAMIC},)
            torch.export.save(torch.export.export(net, (x,), dynamic_shapes=shapes), file)
        else:
            axes = None if batch else {"x": {0: "n"}, "y": {0: "n"}}
            torch.onnx.export(
                net, (x,), file, dynamo=False, input_names=["x"], output_names=["y"], dynamic_axes=axes
            )  # fmt: skip
    return file


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("head", HEAD_NAMES)
@pytest.mark.parametrize("kind", sorted(FILES))
def test_every_kind_and_output_comes_back(kind, head, dimensions, tmp_path, images):
    """A graph read from a file answers like the network it was made from, with gradients, for any number of images."""
    _, output, _, k = HEADS[head]
    net = tiny(output, k, dimensions)
    export(net, kind, tmp_path, dimensions)
    spec = spec_for(head, dimensions, kind=kind, path=FILES[kind])
    model, direct = load_model(spec, tmp_path), from_module(net, spec)
    for n in (1, 5):
        np.testing.assert_allclose(
            model.predict(images(n, dimensions)), direct.predict(images(n, dimensions)), atol=1e-5
        )
    assert isinstance(model, DifferentiableModel)
    assert model.card.access == Access.GRADIENT
    x, y = (torch.from_numpy(images(2, dimensions)).requires_grad_(True) for _ in range(2))
    (model.forward(x) ** 2).sum().backward()
    (direct.forward(y) ** 2).sum().backward()
    np.testing.assert_allclose(x.grad, y.grad, rtol=1e-3, atol=1e-7)
    assert load_model(spec, tmp_path).card.digest == model.card.digest == model.state_digest()


@pytest.mark.parametrize("kind", ["torch-export", "onnx"])
@pytest.mark.parametrize("batch", [1, 3])
def test_a_fixed_batch_is_filled_up(kind, batch, tmp_path, images):
    """A graph that insists on a batch size answers any number of images, and the card says so."""
    net = tiny("logits", 1, 2)
    export(net, kind, tmp_path, 2, batch=batch)
    spec = spec_for("single logit", 2, kind=kind, path=FILES[kind])
    model = load_model(spec, tmp_path)
    np.testing.assert_allclose(model.predict(images(5)), from_module(net, spec).predict(images(5)), atol=1e-5)
    assert any(f"batches of {batch}" in note for note in model.card.notes)


@pytest.mark.parametrize("kind", sorted(FILES))
def test_other_weights_are_another_digest(kind, tmp_path):
    """The digest of a graph stands for its weights."""
    digests = []
    for bias in (0.0, 0.5):
        net = tiny("logits", 1, 2)
        with torch.no_grad():
            net[5].bias += bias
        export(net, kind, tmp_path, 2)
        digests.append(load_model(spec_for("single logit", 2, kind=kind, path=FILES[kind]), tmp_path).card.digest)
    assert digests[0] != digests[1]


@pytest.mark.parametrize("kind", sorted(FILES))
@pytest.mark.parametrize("content", ["pickle", "torch zip", "cut", "empty"])
def test_a_file_that_is_something_else_is_a_message(kind, content, tmp_path):
    """A malicious pickle under any suffix does not run, and damage is no traceback."""
    file, target = export(tiny("logits", 1, 2), kind, tmp_path, 2), tmp_path / "boom"
    if content == "torch zip":
        torch.save(Bomb(target), file)
    else:
        whole = file.read_bytes()
        file.write_bytes({"pickle": pickle.dumps(Bomb(target)), "cut": whole[: len(whole) // 2], "empty": b""}[content])
    with pytest.raises(ModelError) as caught:
        load_model(spec_for("single logit", 2, kind=kind, path=FILES[kind]), tmp_path)
    assert not target.exists()
    assert str(tmp_path) not in str(caught.value)


def rewrite(file, change):
    """Rewrite the members of an archive."""
    with zipfile.ZipFile(file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def change_graph(file, change):
    """Rewrite the graph of an exported network."""

    def edit(members):
        graph = json.loads(members["net/models/model.json"])
        change(graph)
        members["net/models/model.json"] = json.dumps(graph).encode()

    rewrite(file, edit)


def exported(folder):
    """Return a small exported network and its declaration."""
    file = export(tiny("logits", 1, 2), "torch-export", folder, 2)
    return file, spec_for("single logit", 2, kind="torch-export", path=file.name)


def test_a_pickle_among_the_sample_inputs_is_never_read(tmp_path, images):
    """The loader of torch would unpickle it; the network is used without it."""
    file, spec = exported(tmp_path)
    target = tmp_path / "boom"
    rewrite(file, lambda m: m.update({"net/data/sample_inputs/model.pt": pickle.dumps(Bomb(target))}))
    assert load_model(spec, tmp_path).predict(images(2)).shape == (2, 1)
    assert not target.exists()


def test_guards_are_never_executed(tmp_path, images):
    """Guards are Python text that the loader of torch would execute; they are left out."""
    file, spec = exported(tmp_path)
    target = tmp_path / "boom"
    change_graph(file, lambda g: g.update(guards_code=[f"open({str(target)!r}, 'w')"]))
    load_model(spec, tmp_path).predict(images(2))
    assert not target.exists()


@pytest.mark.parametrize("what", ["expression", "operator", "name", "pickled constant", "opaque constant", "compiled"])
def test_an_archive_that_would_run_code_is_refused(what, tmp_path):
    """Sizes that are evaluated, functions that are no operators, pickled constants and compiled code are refused."""
    file, spec = exported(tmp_path)
    target = tmp_path / "boom"
    entry = {"path_name": "opaque_obj_0", "is_param": False, "use_pickle": True, "tensor_meta": None}
    code = f"__import__('pathlib').Path({str(target)!r}).touch()"

    def expression(graph):
        values = graph["graph_module"]["graph"]["tensor_values"]
        size = next(s for v in values.values() for s in v["sizes"] if "as_expr" in s)
        size["as_expr"]["expr_str"] = code

    def operator(graph):
        graph["graph_module"]["graph"]["nodes"][0]["target"] = "torch.load"

    def name(graph):
        graph["graph_module"]["module_call_graph"][0]["signature"]["forward_arg_names"] = [f"x, y={code}"]

    def constant(members):
        members["net/data/constants/model_constants_config.json"] = json.dumps({"config": {"c": entry}}).encode()
        members["net/data/constants/opaque_obj_0"] = pickle.dumps(Bomb(target))

    def weight(members):
        config = json.loads(members["net/data/weights/model_weights_config.json"])
        config["config"]["0.weight"]["use_pickle"] = True
        members["net/data/weights/model_weights_config.json"] = json.dumps(config).encode()
        members["net/data/weights/weight_0"] = pickle.dumps(Bomb(target))

    graphs = {"expression": expression, "operator": operator, "name": name}
    if what in graphs:
        change_graph(file, graphs[what])
    elif what == "compiled":
        rewrite(file, lambda m: m.update({"net/data/aotinductor/model/a.so": b"\x7fELF"}))
    else:
        rewrite(file, constant if what == "opaque constant" else weight)
    with pytest.raises(UnsafeModelError):
        load_model(spec, tmp_path)
    assert not target.exists()


def test_an_exported_network_of_two_inputs_is_a_message(tmp_path):
    """A network that wants more than images is named as such."""

    class Two(torch.nn.Module):
        def forward(self, x, y):
            return (x + y).mean(dim=(1, 2, 3))

    x = torch.rand(2, 1, 8, 6)
    torch.export.save(torch.export.export(Two(), (x, x)), tmp_path / "net.pt2")
    with pytest.raises(ModelError, match="more than images"):
        load_model(spec_for("single logit", 2, kind="torch-export", path="net.pt2"), tmp_path)


@pytest.mark.parametrize("operator", ["save", "from_file"])
def test_torchscript_that_touches_files_is_refused(operator, tmp_path):
    """The interpreter has operators that write and read files; a network has no need of them."""

    class Save(torch.nn.Module):
        def forward(self, x):
            torch.save(x, "boom")
            return x.mean(dim=(1, 2, 3))

    class Read(torch.nn.Module):
        def forward(self, x):
            return torch.from_file("boom", False, 1) + x.mean(dim=(1, 2, 3))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(Save() if operator == "save" else Read()).save(tmp_path / "net.ts")
    with pytest.raises(UnsafeModelError, match=operator):
        load_model(spec_for("single logit", 2, kind="torchscript", path="net.ts"), tmp_path)


def test_a_traced_constant_is_part_of_the_digest(tmp_path):
    """Tensors that a trace froze into the code count, though they are neither parameters nor buffers."""
    digests = []
    for value in (1.0, 2.0):
        shift = torch.full((1, 1, 8, 6), value)

        class Shift(torch.nn.Module):
            def forward(self, x, shift=shift):
                return (x * shift).mean(dim=(1, 2, 3))

        export(Shift(), "torchscript", tmp_path, 2)
        digests.append(load_model(spec_for("single logit", 2, kind="torchscript", path="net.ts"), tmp_path).card.digest)
    assert digests[0] != digests[1]


@pytest.mark.slow
@pytest.mark.parametrize("dimensions", [2, 3])
def test_a_graph_of_todays_exporter_gives_gradients(dimensions, tmp_path, images):
    """The newer operator set that torch writes by itself is put into the words that onnx2torch knows."""
    net = tiny("logits", 2, dimensions)
    x = torch.rand(2, 1, *SIZES[dimensions])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            net, (x,), tmp_path / "net.onnx", dynamo=True, verbose=False,
            dynamic_shapes=({0: torch.export.Dim.DYNAMIC},),
        )  # fmt: skip
    spec = spec_for("two logits", dimensions, kind="onnx", path="net.onnx")
    model, direct = load_model(spec, tmp_path), from_module(net, spec)
    assert model.card.access == Access.GRADIENT
    assert model.card.notes == ()
    batch = images(3, dimensions)
    np.testing.assert_allclose(model.predict(batch), direct.predict(batch), atol=1e-5)


def test_a_conversion_that_differs_gives_no_gradients(tmp_path, images, monkeypatch):
    """Where onnx2torch computes something else, onnxruntime's answer counts and the card says why."""
    import onnx2torch

    net = tiny("logits", 1, 2)
    export(net, "onnx", tmp_path, 2)
    spec = spec_for("single logit", 2, kind="onnx", path="net.onnx")
    convert = onnx2torch.convert

    def other(proto):
        module = convert(proto)
        with torch.no_grad():
            next(module.parameters()).mul_(1.01)
        return module

    monkeypatch.setattr(onnx2torch, "convert", other)
    model = load_model(spec, tmp_path)
    assert model.card.access == Access.QUERY
    assert not isinstance(model, DifferentiableModel)
    assert any("onnxruntime and onnx2torch differ" in note for note in model.card.notes)
    np.testing.assert_allclose(model.predict(images(2)), from_module(net, spec).predict(images(2)), atol=1e-5)


def test_a_graph_that_cannot_be_converted_is_still_answered(tmp_path, images, monkeypatch):
    """Without a conversion the model can be asked, and the card says why it gives no gradients."""
    import onnx2torch

    def fails(proto):
        raise NotImplementedError("operator Odd is not there")

    export(tiny("logits", 1, 2), "onnx", tmp_path, 2)
    monkeypatch.setattr(onnx2torch, "convert", fails)
    model = load_model(spec_for("single logit", 2, kind="onnx", path="net.onnx"), tmp_path)
    assert model.card.access == Access.QUERY
    assert any("cannot convert" in note for note in model.card.notes)
    assert model.predict(images(2)).shape == (2, 1)


def test_a_converted_copy_that_changes_is_seen(tmp_path):
    """Gradients of changed weights would be those of another model."""
    export(tiny("logits", 1, 2), "onnx", tmp_path, 2)
    model = load_model(spec_for("single logit", 2, kind="onnx", path="net.onnx"), tmp_path)
    with torch.no_grad():
        next(model.module.net.parameters()).add_(1e-3)
    assert model.state_digest() != model.card.digest


def test_external_data_must_lie_beside_the_model(tmp_path, images):
    """Tensors in a file beside the model are read; a way out of its folder is refused."""
    import onnx

    (tmp_path / "in").mkdir()
    file = export(tiny("logits", 1, 2), "onnx", tmp_path / "in", 2)
    onnx.save(onnx.load(file), file, save_as_external_data=True, location="net.bin", size_threshold=0)
    spec = spec_for("single logit", 2, kind="onnx", path="net.onnx")
    assert load_model(spec, tmp_path / "in").predict(images(1)).shape == (1, 1)
    (tmp_path / "in" / "net.bin").rename(tmp_path / "net.bin")
    for place in ("../net.bin", str(tmp_path / "net.bin"), "link.bin"):
        proto = onnx.load(file, load_external_data=False)
        for tensor in proto.graph.initializer:
            for entry in tensor.external_data:
                if entry.key == "location":
                    entry.value = place
        file.write_bytes(proto.SerializeToString())
        if place == "link.bin":
            (tmp_path / "in" / "link.bin").symlink_to(tmp_path / "net.bin")
        with pytest.raises(UnsafeModelError, match="outside its own folder"):
            load_model(spec, tmp_path / "in")


def test_a_graph_without_declared_size_is_compared_on_its_own(tmp_path):
    """The size comes from the graph where audit.toml gives none."""
    export(tiny("logits", 1, 2), "onnx", tmp_path, 2)
    spec = dataclasses.replace(
        spec_for("single logit", 2, kind="onnx", path="net.onnx"), input=InputSpec(range=(0.0, 255.0))
    )
    assert load_model(spec, tmp_path).card.access == Access.GRADIENT


def test_a_graph_of_two_outputs_is_a_message(tmp_path):
    """Which of two outputs is audited is not guessed."""

    class Two(torch.nn.Module):
        def forward(self, x):
            return x.mean(dim=(1, 2, 3)), x.amax(dim=(1, 2, 3))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(Two(), (torch.rand(2, 1, 8, 6),), tmp_path / "net.onnx", dynamo=False)
    with pytest.raises(ModelError, match="which output"):
        load_model(spec_for("single logit", 2, kind="onnx", path="net.onnx"), tmp_path)
