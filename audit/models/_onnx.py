"""Kind `onnx`: onnxruntime answers; onnx2torch gives gradients where it computes the same."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import Access, ModelCard, ModelSpec
from audit.errors import MissingExtraError, ModelError, UnsafeModelError
from audit.models._declare import check_input, make_card, model_file
from audit.models._digest import model_digest, tensor_parts
from audit.models._extras import require
from audit.models._lower import lowered
from audit.models._network import ask, ask_numpy, first_line
from audit.models._onnx_session import open_session, session_class
from audit.models._pipeline import build_pipeline

if TYPE_CHECKING:
    from numpy.typing import NDArray

AGREEMENT = 1e-4
_TRIAL = 6
_CONVERSION_ERRORS = (
    NotImplementedError, RuntimeError, ValueError, KeyError, TypeError, AttributeError, IndexError, AssertionError,
)  # fmt: skip


class OnnxModel:
    """An ONNX graph that onnxruntime answers.

    Args:
        graph: The whole model as bytes, external data included.
        spec: The declaration.
        answers: Pipeline whose network is onnxruntime's session.
        notes: Remarks for the report.
        access: How deep it may be probed.
    """

    def __init__(
        self, graph: bytes, spec: ModelSpec, answers: Any, *, notes: tuple[str, ...] = (), access: Access = Access.QUERY
    ) -> None:
        self._graph, self._spec, self._answers = graph, spec, answers
        self._card = make_card(spec, access=access, digest=self.state_digest(), notes=notes)

    @property
    def card(self) -> ModelCard:
        """The model's card."""
        return self._card

    def predict(self, images: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Return onnxruntime's raw outputs; see `audit.core.ImagingModel.predict`."""
        return ask_numpy(self._answers, images, self._spec)

    def state_digest(self) -> str:
        """Return the digest of the graph with its tensors and of the declaration."""
        return model_digest([("graph", hashlib.sha256(self._graph).digest())], self._spec)


class DifferentiableOnnxModel(OnnxModel):
    """An ONNX graph whose conversion to torch was seen to compute the same.

    Args:
        graph: The whole model as bytes.
        spec: The declaration.
        answers: Pipeline whose network is onnxruntime's session.
        converted: Pipeline whose network is the converted graph.
        notes: Remarks for the report.
    """

    def __init__(
        self, graph: bytes, spec: ModelSpec, answers: Any, converted: Any, *, notes: tuple[str, ...] = ()
    ) -> None:
        self._converted, self._tensors = converted, ""
        self._tensors = self._hash()
        super().__init__(graph, spec, answers, notes=notes, access=Access.GRADIENT)

    @property
    def module(self) -> Any:
        """The converted module from stored intensities to raw outputs."""
        return self._converted

    def forward(self, images: Any) -> Any:
        """Return the converted module's raw outputs; see `audit.core.DifferentiableModel.forward`."""
        return ask(self._converted, images, self._spec)

    def state_digest(self) -> str:
        """Return the digest of the graph; a converted copy whose tensors changed gives another one."""
        present = self._hash()
        whole = super().state_digest()
        return whole if present == self._tensors else hashlib.sha256((whole + present).encode()).hexdigest()

    def _hash(self) -> str:
        whole = hashlib.sha256()
        for name, content in sorted(tensor_parts(self._converted.net)):
            whole.update(name.encode())
            whole.update(content)
        return whole.hexdigest()


def load_onnx(spec: ModelSpec, root: Path) -> OnnxModel:
    """Return the model of an ONNX file.

    Gradients are offered only where the converted graph agrees with onnxruntime, to a relative difference of
    `AGREEMENT`, on seeded images within the declared range; the card's notes say why where they are not.

    Args:
        spec: The declaration, with `path`.
        root: The folder of audit.toml.

    Raises:
        ModelError: The file cannot be read, or is no network from one batch of images to one output.
        UnsafeModelError: Its tensors lie outside its own folder.
    """
    require("onnxruntime", "onnx")
    require("torch", "onnx")
    check_input(spec.input)
    file = model_file(spec, root)
    proto = _read(file)
    graph = proto.SerializeToString(deterministic=True)
    session = open_session(graph, file.name)
    entry, output = _entry(session, file), _output(session, file)
    fixed = entry.shape[0] if entry.shape and isinstance(entry.shape[0], int) else None
    answers = build_pipeline(session_class()(session, entry, output), spec, fixed_batch=fixed)
    notes = () if fixed is None else (f"the graph wants batches of {fixed}; images are answered in such groups",)
    trial = _trial_images(spec, entry.shape)
    converted, reason = _convert(proto, spec, fixed)
    if converted is not None and trial is not None:
        reason = _disagreement(answers, converted, trial, spec)
        if not reason:
            return DifferentiableOnnxModel(graph, spec, answers, converted, notes=notes)
    why = reason or "no image size is declared on which onnxruntime and onnx2torch could be compared"
    return OnnxModel(graph, spec, answers, notes=(*notes, f"gradients are not used: {why}"))


def _read(file: Path) -> Any:
    onnx = require("onnx", "onnx")
    decode_error = require("google.protobuf.message", "onnx").DecodeError
    try:
        proto = onnx.load(str(file), load_external_data=False)
        for tensor in _tensors(proto.graph):
            if onnx.external_data_helper.uses_external_data(tensor):
                _check_external(tensor, file)
        onnx.external_data_helper.load_external_data_for_model(proto, str(file.parent))
        onnx.checker.check_model(proto)
    except (decode_error, onnx.checker.ValidationError, ValueError, OSError, RuntimeError) as error:
        raise ModelError(
            f"{file.name} is no readable ONNX model", expected="a whole ONNX file, with its external data beside it",
            got=first_line(error), fix="export the network again",
        ) from error  # fmt: skip
    return proto


def _tensors(graph: Any) -> Iterator[Any]:
    """Yield every tensor of a graph, those inside nodes and inner graphs among them."""
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for node in graph.node:
        for attribute in node.attribute:
            yield from attribute.tensors
            if attribute.HasField("t"):
                yield attribute.t
            for inner in [*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])]:
                yield from _tensors(inner)


def _check_external(tensor: Any, file: Path) -> None:
    location = next((entry.value for entry in tensor.external_data if entry.key == "location"), "")
    folder = file.parent.resolve()
    target = (folder / location).resolve()
    if not location or not target.is_relative_to(folder) or target == folder:
        raise UnsafeModelError(
            f"{file.name} keeps tensors outside its own folder; it was refused and nothing of them was read",
            expected="external data beside the model", got="a location elsewhere",
            fix="save the model in one file, or with its data beside it",
        )  # fmt: skip


def _entry(session: Any, file: Path) -> Any:
    entries = session.get_inputs()
    if len(entries) != 1 or not entries[0].type.startswith("tensor("):
        raise ModelError(
            f"{file.name} wants more than images", expected="one input, the batch of images",
            got=", ".join(f"{e.name} {e.type}" for e in entries) or "none", fix="export a network of images alone",
        )  # fmt: skip
    return entries[0]


def _output(session: Any, file: Path) -> str:
    floats = [o for o in session.get_outputs() if o.type in ("tensor(float)", "tensor(double)", "tensor(float16)")]
    if len(floats) != 1:
        raise ModelError(
            f"{file.name} does not say which output is audited", expected="one output of numbers",
            got=", ".join(f"{o.name} {o.type}" for o in session.get_outputs()), fix="export that output alone",
        )  # fmt: skip
    return str(floats[0].name)


def _trial_images(spec: ModelSpec, shape: Any) -> NDArray[np.float32] | None:
    """Return seeded images within the declared range: flat ones at both ends, noise, and a smooth slope."""
    sizes = spec.input.tile or spec.input.size or tuple(shape[2:])
    if len(sizes) not in (2, 3) or not all(isinstance(s, int) and s > 0 for s in sizes):
        return None
    low, high = spec.input.window or spec.input.range
    images = np.random.default_rng(0).uniform(low, high, (_TRIAL, spec.input.channels, *sizes))
    images[0], images[1] = low, high
    images[2] = np.linspace(low, high, sizes[-1])
    return images.astype(np.float32)


def _convert(proto: Any, spec: ModelSpec, fixed: int | None) -> tuple[Any, str]:
    """Return the converted pipeline, or None and the reason."""
    try:
        onnx2torch = require("onnx2torch", "onnx")
    except MissingExtraError:
        return None, "onnx2torch is not installed"
    reason = ""
    for older in (False, True):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                net = onnx2torch.convert(lowered(proto) if older else proto)
            return build_pipeline(net.float().eval(), spec, fixed_batch=fixed), ""
        except _CONVERSION_ERRORS as error:
            reason = reason or f"onnx2torch cannot convert this graph ({first_line(error)})"
    return None, reason


def _disagreement(answers: Any, converted: Any, images: NDArray[np.float32], spec: ModelSpec) -> str:
    """Return why the converted graph cannot stand for the original, empty where it can.

    Raises:
        ModelError: onnxruntime itself cannot answer the declared input.
    """
    import torch

    expected = ask_numpy(answers, images, spec)
    try:
        got = ask_numpy(converted, images, spec)
        batch = torch.from_numpy(images).requires_grad_(True)
        ask(converted, batch, spec).sum().backward()
    except (ModelError, RuntimeError) as error:
        return f"the graph converted by onnx2torch fails ({first_line(error)})"
    if got.shape != expected.shape or not np.isfinite(expected).all():
        return "onnxruntime and onnx2torch answer in different shapes, or not with finite numbers"
    difference = float(np.abs(got - expected).max() / max(float(np.abs(expected).max()), np.finfo(np.float32).tiny))
    if not difference <= AGREEMENT:
        return f"onnxruntime and onnx2torch differ by {difference:.1e}, more than {AGREEMENT:.0e} of the largest output"
    if batch.grad is None or not bool(torch.isfinite(batch.grad).all()) or not bool((batch.grad != 0).any()):
        return "the graph converted by onnx2torch has no usable gradient"
    return ""
