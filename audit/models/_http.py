"""Kind `http`: a model behind a server, asked by MLflow's `/invocations` or the KServe v2 protocol."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from audit.core import Access, ModelCard, ModelSpec, canonical_json
from audit.errors import ModelError
from audit.models._declare import check_images, check_input, make_card, shaped
from audit.models._digest import model_digest
from audit.models._http_ask import Caller, Refused, place_of
from audit.models._prepare import prepare

if TYPE_CHECKING:
    from numpy.typing import NDArray

TIMEOUT = 60.0
_NOTE = (
    "a server: its weights cannot be hashed, so the digest stands for its address, what it says of itself and the "
    "declaration only"
)
# Numbers in one request; as JSON about ten bytes each.
_NUMBERS = 1_000_000
_FLOATS = {"FP16", "FP32", "FP64", "BF16"}
_DATATYPES = {"FP32": "float32", "FP64": "float64"}


class _Protocol(Protocol):
    def identity(self) -> dict[str, Any]: ...

    def ask(self, batch: NDArray[np.float32]) -> Any: ...


class HttpModel:
    """A model that answers over HTTP; prepared images go out, raw outputs come back.

    Args:
        spec: The declaration; `path` is the address that ends in `/invocations`, or `/v2/models/NAME` with or without
            `/infer`.

    Raises:
        ModelError: The address is none of these, or the server does not answer.
    """

    def __init__(self, spec: ModelSpec) -> None:
        check_input(spec.input)
        caller = Caller(timeout=TIMEOUT if spec.timeout is None else spec.timeout)
        self._spec, self._protocol = spec, _protocol(spec, caller)
        self._card = make_card(spec, access=Access.QUERY, digest=self.state_digest(), notes=(_NOTE,))

    @property
    def card(self) -> ModelCard:
        """The model's card."""
        return self._card

    @property
    def known_by_digest(self) -> bool:
        """False: another model may be put behind the same address, under the same name."""
        return False

    def predict(self, images: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Return raw outputs for stored intensities; see `audit.core.ImagingModel.predict`.

        Raises:
            ModelError: The server cannot be reached, refuses the images, or answers what does not belong to them.
        """
        check_images(images, self._spec.input)
        size = max(1, _NUMBERS // max(1, math.prod(images.shape[1:])))
        parts = [self._ask(images[i : i + size]) for i in range(0, len(images), size)]
        widths = {p.shape[1:] for p in parts}
        if len(widths) > 1:
            raise _lie("answers of different shapes to images of one shape", expected="one shape", got=str(widths))
        out: NDArray[np.float64] = np.concatenate(parts)
        return out

    def _ask(self, images: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        try:
            answer = self._protocol.ask(prepare(images, self._spec.input))
        except Refused as error:
            raise ModelError(
                "the server refuses a batch of images", expected=f"an answer for {tuple(images.shape)}",
                got=str(error), fix="compare [model.input] with the signature that the model was logged with",
            ) from error  # fmt: skip
        values = _numbers(answer)
        if not values.shape or len(values) != len(images):
            raise _lie(
                "an answer that does not belong to the images that it was asked for",
                expected=f"{len(images)} answers for {len(images)} images", got=f"an array of shape {values.shape}",
            )  # fmt: skip
        out: NDArray[np.float64] = shaped(values, images, self._spec)
        return out

    def state_digest(self) -> str:
        """Return the digest of the address, of what the server says of itself, and of the declaration."""
        try:
            said = self._protocol.identity()
        except Refused as error:
            raise ModelError(
                "the server does not say what it serves", expected=f"an answer from {place_of(self._spec.path)}",
                got=str(error), fix="correct [model] path, or start the server",
            ) from error  # fmt: skip
        return model_digest([("server", canonical_json(said).encode())], self._spec)


def load_http(spec: ModelSpec, root: Path) -> HttpModel:
    """Return the model behind the address that `path` holds.

    Raises:
        ModelError: The address has neither protocol, or the server does not answer.
    """
    del root
    return HttpModel(spec)


def _protocol(spec: ModelSpec, caller: Caller) -> _Protocol:
    address = place_of(spec.path)
    if address.endswith("/invocations"):
        return _Invocations(address, caller)
    if "/v2/models/" in address:
        return _KServe(address.removesuffix("/infer"), caller)
    raise ModelError(
        "[model] path names no protocol that is known", expected="http(s)://…/invocations or http(s)://…/v2/models/NAME",
        got=address, fix="give the whole address that predictions are asked at",
    )  # fmt: skip


class _Invocations:
    """MLflow's scoring server: `{"inputs": [...]}` to `{"predictions": [...]}`."""

    def __init__(self, address: str, caller: Caller) -> None:
        self._address, self._caller = address, caller

    def identity(self) -> dict[str, Any]:
        version = self._caller.get(self._address.removesuffix("/invocations") + "/version", as_json=False)
        return {"address": self._address, "version": version}

    def ask(self, batch: NDArray[np.float32]) -> Any:
        answer = self._caller.post(self._address, {"inputs": batch.tolist()})
        if not isinstance(answer, dict) or "predictions" not in answer:
            raise _lie("no predictions", expected='an object with "predictions"', got=_kind(answer))
        return answer["predictions"]


class _KServe:
    """The open inference protocol, version 2, with one tensor in and one out."""

    def __init__(self, address: str, caller: Caller) -> None:
        self._address, self._caller = address, caller
        self._input: tuple[str, str] | None = None

    def identity(self) -> dict[str, Any]:
        said = self._caller.get(self._address, as_json=True)
        if not isinstance(said, dict):
            raise _lie("no metadata", expected="an object with inputs and outputs", got=_kind(said))
        self._input = _one_input(said)
        return {"address": self._address, **{k: said.get(k) for k in ("name", "versions", "inputs", "outputs")}}

    def ask(self, batch: NDArray[np.float32]) -> Any:
        if self._input is None:
            self.identity()
        name, datatype = self._input or ("", "")
        data = batch.astype(_DATATYPES[datatype]).ravel().tolist()
        tensor = {"name": name, "shape": list(batch.shape), "datatype": datatype, "data": data}
        answer = self._caller.post(f"{self._address}/infer", {"inputs": [tensor]})
        outputs = answer.get("outputs") if isinstance(answer, dict) else None
        if not isinstance(outputs, list) or len(outputs) != 1 or not isinstance(outputs[0], dict):
            raise _lie("not one output", expected='"outputs" with one tensor', got=_kind(outputs))
        return _tensor(outputs[0])


def _one_input(said: dict[str, Any]) -> tuple[str, str]:
    inputs = said.get("inputs")
    if not isinstance(inputs, list) or len(inputs) != 1 or not isinstance(inputs[0], dict):
        raise _lie("metadata without one input", expected='"inputs" with one tensor, the images', got=_kind(inputs))
    name, datatype = str(inputs[0].get("name", "")), str(inputs[0].get("datatype", ""))
    if datatype not in _DATATYPES:
        raise ModelError(
            "the served model does not take images as numbers of 32 or 64 bits", expected=" or ".join(_DATATYPES),
            got=repr(datatype)[:40], fix="serve the model with a floating-point input",
        )  # fmt: skip
    return name, datatype


def _tensor(output: dict[str, Any]) -> NDArray[np.float64]:
    """Return the numbers of a tensor in the shape that it claims.

    Raises:
        ModelError: The claim and the numbers differ.
    """
    shape, values, datatype = output.get("shape"), _numbers(output.get("data")), output.get("datatype")
    whole = isinstance(shape, list) and all(isinstance(s, int) and not isinstance(s, bool) and s >= 0 for s in shape)
    if not whole or not isinstance(shape, list) or math.prod(shape) != values.size:
        raise _lie(
            "a tensor that is not of the shape that it claims", expected=f"{values.size} numbers, as many as it sent",
            got=f"shape {shape!r}"[:80],
        )  # fmt: skip
    if datatype not in _FLOATS and not str(datatype).startswith(("INT", "UINT")):
        raise _lie("a tensor that holds no numbers", expected="a datatype such as FP32", got=repr(datatype)[:40])
    return values.reshape(shape)


def _numbers(answer: Any) -> NDArray[np.float64]:
    """Return an answer as numbers; texts and objects are none, however much they look like them."""
    try:
        raw = np.asarray(answer)
    except ValueError as error:
        raise _lie("rows of different lengths", expected="one array of numbers", got=str(error)[:80]) from error
    if raw.dtype.kind not in "fiu" or not raw.size:
        what = "nothing" if not raw.size else f"{_kind(answer)} of {raw.dtype}"
        raise _lie("an answer that is no array of numbers", expected="numbers, in lists", got=what)
    return raw.astype(np.float64)


def _lie(what: str, *, expected: str, got: str) -> ModelError:
    return ModelError(
        f"the server sent {what}", expected=expected, got=got,
        fix="correct the served model; an answer that contradicts itself is not audited",
    )  # fmt: skip


def _kind(value: Any) -> str:
    if isinstance(value, dict):
        return f"an object with {', '.join(sorted(map(str, value))[:5]) or 'nothing'}"
    return f"{type(value).__name__} of {len(value)}" if isinstance(value, list) else type(value).__name__
