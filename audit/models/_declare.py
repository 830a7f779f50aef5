"""From a declaration to a card, with the checks that need no weights."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from audit.core import CHOSEN_ON, OUTPUT_KINDS, OUTPUTS_OF, TASKS, Access, InputSpec, ModelCard, ModelSpec
from audit.errors import ModelError


def make_card(
    spec: ModelSpec, *, access: Access, digest: str, notes: tuple[str, ...] = (), phantom: bool = False
) -> ModelCard:
    """Return the card of a loaded model.

    Raises:
        ModelError: The declaration contradicts itself; see `check_outputs`.
    """
    check_outputs(spec)
    return ModelCard(
        name=spec.name or _default_name(spec), version=spec.version, kind=spec.kind, task=spec.task,
        output=spec.output, classes=spec.classes, operating_point=spec.operating_point,
        operating_point_source=spec.operating_point_source, input=spec.input, access=access, digest=digest,
        notes=notes, phantom=phantom, clinical_tolerance=spec.clinical_tolerance,
        horizon=spec.horizon, training_rater=spec.training_rater,
        operating_point_chosen_on=spec.operating_point_chosen_on,
    )  # fmt: skip


def _default_name(spec: ModelSpec) -> str:
    if spec.path:
        return Path(spec.path).stem
    return spec.factory.rpartition(":")[2] if spec.factory else spec.kind


def check_outputs(spec: ModelSpec) -> None:
    """Check that task, output and operating point are known and fit each other, wherever they were declared.

    A kind of output that nothing knows would be read as it is, and no check of the set-up would look at it.

    Raises:
        ModelError: They are not, or do not.
    """
    _check_known("task", spec.task, TASKS)
    _check_known("output", spec.output, OUTPUTS_OF.get(spec.task, OUTPUT_KINDS))
    if spec.operating_point_chosen_on not in ("", *CHOSEN_ON):
        raise ModelError(
            "[model] operating_point_chosen_on that cannot be used here", expected=f"one of {', '.join(CHOSEN_ON)}",
            got=repr(spec.operating_point_chosen_on),
            fix="a threshold chosen on the audited cases makes the audit look better: choose it on other patients",
        )  # fmt: skip
    if spec.task == "survival" and not (spec.horizon and spec.horizon > 0):
        raise ModelError(
            "[model] horizon is missing", expected="a time above 0, in the unit of the cohort's time",
            got=repr(spec.horizon), fix="horizon = 365, for example: the time that a risk is said for",
        )  # fmt: skip
    points = spec.operating_point.values() if isinstance(spec.operating_point, Mapping) else [spec.operating_point]
    if spec.output != "value" and any(p is not None and not 0 <= p <= 1 for p in points):
        raise ModelError(
            "[model] operating_point is not a probability", expected="a number from 0 to 1",
            got=str(spec.operating_point), fix="give the threshold after sigmoid or softmax, not on the logit",
        )  # fmt: skip


def _check_known(key: str, value: str, known: Sequence[str]) -> None:
    if value in known:
        return
    near = difflib.get_close_matches(str(value), known, n=1)
    raise ModelError(
        f"[model] {key} that cannot be used here", expected=f"one of {', '.join(known)}", got=repr(value),
        fix=f"did you mean {near[0]!r}?" if near else f"correct {key}",
    )  # fmt: skip


def check_input(spec: InputSpec) -> None:
    """Check that range, normalisation and tile fit the declared input.

    Raises:
        ModelError: The range is empty, a list has the wrong length, or a divisor is 0.
    """
    if spec.scale and not spec.range[1] > spec.range[0]:
        raise ModelError(
            "[model.input] range is empty", expected="low < high", got=str(list(spec.range)),
            fix="give the stored intensities that stand for 0 and 1",
        )  # fmt: skip
    for name, values in (("mean", spec.mean), ("std", spec.std)):
        if values and len(values) not in (1, spec.channels):
            raise ModelError(
                f"[model.input] normalise.{name} does not fit the channels",
                expected=f"1 or {spec.channels} numbers", got=str(len(values)), fix="one number a channel",
            )  # fmt: skip
    if any(s <= 0 for s in spec.std):
        raise ModelError("[model.input] normalise.std divides", expected="numbers above 0", got=str(list(spec.std)))
    if spec.tile and spec.size and len(spec.tile) != len(spec.size):
        raise ModelError(
            "[model.input] tile and size differ in dimensions",
            expected=f"{len(spec.size)} numbers", got=str(len(spec.tile)),
        )  # fmt: skip


def model_file(spec: ModelSpec, root: Path) -> Path:
    """Return the declared file of a model.

    Raises:
        ModelError: No path is declared, or there is no such file.
    """
    if not spec.path:
        raise ModelError(f'kind = "{spec.kind}" needs a file', expected="[model] path", fix="add path to [model]")
    file = root / spec.path
    if not file.is_file():
        near = sorted(p.name for p in file.parent.glob(f"*{file.suffix}"))[:5] if file.parent.is_dir() else []
        raise ModelError(
            f"the model's file {spec.path} is not there", expected="a file, relative to audit.toml's folder",
            got=f"a folder that holds {', '.join(near)}" if near else "no such file",
            fix="correct [model] path",
        )  # fmt: skip
    return file


def check_images(images: Any, spec: InputSpec) -> None:
    """Check the layout of a batch.

    Raises:
        ModelError: Not (n, channels, *spatial), or another number of channels than declared.
    """
    want = f"(n, {spec.channels}, *spatial)"
    if images.ndim not in (4, 5) or images.shape[1] != spec.channels:
        raise ModelError("images have the wrong layout", expected=want, got=str(tuple(images.shape)))


def shaped(answer: Any, images: Any, spec: ModelSpec) -> Any:
    """Return an answer as (n, k), or (n, k, *spatial) for masks.

    Works on numpy arrays and on torch tensors alike, and keeps the graph of the latter.

    Args:
        answer: What the model returned.
        images: The batch (n, channels, *spatial).
        spec: The declaration.

    Raises:
        ModelError: The answer is no single array, or has a shape of another kind of output.
    """
    if not hasattr(answer, "shape") or not hasattr(answer, "reshape"):
        raise ModelError(
            "the model does not return one array", expected="a single array of outputs", got=type(answer).__name__,
            fix="return the output that is audited, alone",
        )  # fmt: skip
    n, spatial, shape = images.shape[0], tuple(images.shape[2:]), tuple(answer.shape)
    if spec.output in ("mask_logits", "mask_probabilities"):
        if shape == (n, *spatial):
            return answer[:, None]
        if len(shape) == 2 + len(spatial) and shape[0] == n and shape[2:] == spatial:
            return answer
        raise ModelError(
            f'the model\'s answer is not the mask that output = "{spec.output}" declares',
            expected=str((n, "k", *spatial)), got=str(shape), fix="correct [model] output, or the model",
        )  # fmt: skip
    if shape == (n,) or (n == 1 and shape == ()):
        return answer.reshape(n, 1)
    if len(shape) >= 2 and shape[0] == n and all(s == 1 for s in shape[2:]):
        return answer.reshape(n, shape[1])
    raise ModelError(
        f'the model\'s answer does not fit output = "{spec.output}"', expected=f"({n}, k)", got=str(shape),
        fix="correct [model] output, or the model",
    )  # fmt: skip
