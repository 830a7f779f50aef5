"""Models and cohorts from files or from objects in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audit.core import (
    AttributeSpec,
    Cohort,
    CohortSpec,
    Comparator,
    ExplainSpec,
    ImagingModel,
    InputSpec,
    ModelSpec,
    OtherSpec,
)
from audit.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray


def load_model(
    source: Any, *, input: InputSpec | Mapping[str, Any] | None = None, root: Path | str = ".", **declared: Any
) -> ImagingModel:
    """Load a model for an audit from Python.

    Args:
        source: A file of weights, a `torch.nn.Module`, or a callable that maps stored intensities
            (n, channels, *spatial) to outputs.
        input: What the model receives: `[model.input]` of audit.toml.
        root: Folder that `factory` and paths are relative to.
        **declared: The other keys of `[model]`: kind, task, output, classes, operating_point, factory, ... but for
            those of a run, `golden`, `golden_tolerance` and `layer`, which `audit.run` takes.

    Returns:
        A model with a card.

    Raises:
        InputError: An unknown or absent declaration.
        ModelError: The model cannot be loaded.
    """
    from audit import models

    # Taken here they would be forgotten, and a check that the user believes in would never run.
    of_the_run = sorted({"golden", "golden_tolerance", "layer"} & declared.keys())
    if of_the_run:
        named = ", ".join(of_the_run)
        raise InputError(f"{named}: not of the model", expected="an argument of audit.run", got="one of load_model",
                         fix=f"give it to audit.run(model, cohort, {of_the_run[0]}=...)")  # fmt: skip
    spec_input = _input(input)
    # The keys of the file, and one text where a list of one is meant.
    if "score" in declared:
        declared["scores"] = declared.pop("score")
    for key in ("scores", "classes"):
        if isinstance(declared.get(key), str):
            declared[key] = (declared[key],)
    is_module = hasattr(source, "state_dict") and callable(source)
    kind = "torch" if is_module else "callable" if callable(source) else declared.pop("kind", None)
    if kind is None:
        raise InputError("the model's kind is not declared", expected="kind=...", fix='for example kind="onnx"')
    declared.pop("kind", None)
    given = {**declared, "kind": kind, "input": spec_input}
    if not callable(source):
        given["path"] = str(source)
    spec: ModelSpec = _typed(ModelSpec, given, "[model]")
    if is_module:
        return models.from_module(source, spec)
    if callable(source):
        return models.from_callable(source, spec)
    return models.load_model(spec, Path(root))


def load_cohort(
    source: Any,
    *,
    task: str,
    classes: tuple[str, ...] = (),
    input: InputSpec | Mapping[str, Any] | None = None,
    attributes: Mapping[str, Any] | None = None,
    root: Path | str = ".",
    **declared: Any,
) -> Cohort:
    """Load a cohort for an audit from Python.

    Args:
        source: A manifest (CSV or Parquet), or an array of images (n, channels, *spatial).
        task: The model's task.
        classes: Class names in the order of the outputs.
        input: What the model receives.
        attributes: For a manifest: role, or the keys of one entry of `[cohort.attributes]`, by column. For arrays:
            (values, role) or (values, role, reason) by name.
        root: Folder that paths are relative to.
        **declared: For a manifest the other keys of `[cohort]` (`comparators` by name with `column` and `output`,
            `training` and `other` with `manifest` and columns, `verified`, `ungradable`, `time`, `event`, ...); for
            arrays those of `audit.cohorts.from_arrays`.

    Returns:
        The cohort.

    Raises:
        InputError: An unknown or absent declaration.
        ManifestError: The manifest cannot be used.
    """
    from audit import cohorts

    if not isinstance(source, (str, Path)):
        given = {"task": task, "classes": classes, "attributes": _with_roles(attributes), **declared}
        try:
            signature(cohorts.from_arrays).bind(source, **given)
        except TypeError as error:
            raise InputError(
                f"a cohort of arrays: {error}", expected="images, targets=..., patients=...",
                got=", ".join(given), fix="see audit.cohorts.from_arrays",
            ) from error  # fmt: skip
        return cohorts.from_arrays(source, **given)
    spec_input = _input(input)
    for key in ("target", "positive", "ungradable_values"):
        if isinstance(declared.get(key), str):
            declared[key] = (declared[key],)
    if isinstance(declared.get("distractors"), Mapping):
        declared["distractors"] = tuple(declared["distractors"].items())
    declared |= _beside(declared)
    specs = tuple(_attribute(name, value) for name, value in (attributes or {}).items())
    spec: CohortSpec = _typed(CohortSpec, {**declared, "manifest": str(source), "attributes": specs}, "[cohort]")
    return cohorts.load_cohort(spec, Path(root), task=task, classes=classes, input=spec_input)  # type: ignore[arg-type]


def _beside(declared: dict[str, Any]) -> dict[str, Any]:
    """Return comparators and other splits as they are typed; their keys are taken out of what was declared."""
    comparators = tuple(
        _typed(Comparator, {**_keys(value, f"comparator {name}"), "name": name}, f"comparator {name}")
        for name, value in (declared.pop("comparators", None) or {}).items()
    )
    others = list(declared.pop("other", None) or ())
    training = declared.pop("training", None)
    if training is not None:
        others.insert(0, {"name": "training", **_keys(training, "training")})
    read = (_typed(OtherSpec, _keys(o, "other"), "[[cohort.other]]") for o in others)
    return {"comparators": comparators, "others": tuple(read)}


def _keys(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise InputError(
            f"{where}: no table of keys", expected="for example {\"column\": ..., \"output\": ...}",
            got=type(value).__name__, fix="give the keys that audit.toml has",
        )  # fmt: skip
    return dict(value)


def _with_roles(attributes: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    for name, value in (attributes or {}).items():
        if not isinstance(value, tuple) or len(value) not in (2, 3):
            raise InputError(
                f"attribute {name}: its role is missing", expected='(values, role), or (values, "confounder", reason)',
                got=type(value).__name__, fix=f'for example attributes={{"{name}": (values, "protected")}}',
            )  # fmt: skip
    return attributes


def _input(given: InputSpec | Mapping[str, Any] | None) -> InputSpec:
    if isinstance(given, InputSpec):
        return given
    keys = dict(given or {})
    normalise = keys.pop("normalise", None)
    return _typed(InputSpec, {**keys, **(dict(normalise) if normalise else {})}, "[model.input]")  # type: ignore[no-any-return]


def _attribute(name: str, value: Any) -> AttributeSpec:
    given = {"role": value} if isinstance(value, str) else dict(value)
    return _typed(AttributeSpec, {**given, "name": name}, f"attribute {name}")  # type: ignore[no-any-return]


def _typed(kind: Callable[..., Any], given: dict[str, Any], where: str) -> Any:
    for key, value in given.items():
        if isinstance(value, list):
            given[key] = tuple(value)
    try:
        return kind(**given)
    except TypeError as error:
        raise InputError(
            f"{where}: {str(error).partition('() ')[2] or error}", fix="see the keys of audit.toml"
        ) from error


def known_metrics(names: Sequence[str]) -> tuple[str, ...]:
    """Return names of metrics of fairlearn or scikit-learn that an audit can be asked for.

    Raises:
        InputError: A name is not one of them.
    """
    from audit.metrics import FAIRLEARN

    given = (names,) if isinstance(names, str) else tuple(names)
    for name in given:
        if name not in FAIRLEARN:
            raise InputError(
                f"fairlearn_metrics: unknown metric {name!r}", expected=f"one of {', '.join(FAIRLEARN)}", got=repr(name)
            )
    return given


def with_own_map(spec: ExplainSpec, root: Path) -> ExplainSpec:
    """Return how decisions are explained with the function that `[audit.explain] own_map` names.

    Raises:
        ModelError: There is no such function.
    """
    if spec.own_map is None:
        return spec
    from audit.models import named_function

    return replace(spec, own=named_function(spec.own_map, root, key="[audit.explain] own_map"))


def known_attacks(names: Sequence[str] | str) -> tuple[str, ...]:
    """Return names of attacks that an audit can be asked for; see `audit.attacks.known_attacks`.

    Raises:
        InputError: A name is not one of them.
    """
    from audit import attacks

    return attacks.known_attacks((names,) if isinstance(names, str) else tuple(names))


def load_golden(path: Path) -> Mapping[str, NDArray[Any]]:
    """Return the arrays `images` and `outputs` of a golden batch.

    Raises:
        InputError: The file is not there, is no .npz of plain arrays, lacks one of the two, or holds no image.
    """
    import zipfile

    import numpy as np

    fix = "write it with numpy.savez(file, images=..., outputs=...)"
    try:
        with np.load(path, allow_pickle=False) as held:
            arrays = {k: held[k] for k in held.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise InputError(
            "the golden batch cannot be read", expected="an .npz of plain arrays", got=path.name, fix=fix
        ) from error
    lacking = {"images", "outputs"} - set(arrays)
    if lacking:
        raise InputError(
            f"the golden batch lacks {' and '.join(sorted(lacking))}", got=", ".join(sorted(arrays)), fix=fix
        )
    if not arrays["images"].ndim or not len(arrays["images"]):
        raise InputError("the golden batch holds no image", expected="one image or more", got="none", fix=fix)
    return arrays
