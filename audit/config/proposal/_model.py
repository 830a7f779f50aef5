"""What a model file seems to be."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audit.config._check import absent_file, is_file
from audit.config._faults import listed, one_line, shown
from audit.config.proposal import _words
from audit.config.proposal._manifest import Manifest, best
from audit.errors import InputError, MissingExtraError, ModelError, UnsafeModelError

if TYPE_CHECKING:
    from audit.cohorts import Table

_PICKLES = (".pkl", ".pickle", ".joblib")
_KINDS = {
    ".onnx": "onnx", ".pt2": "torch-export", ".skops": "sklearn", ".safetensors": "torch", ".csv": "predictions",
    ".parquet": "predictions", ".pq": "predictions", ".py": "callable", ".ts": "torchscript", ".jit": "torchscript",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Model:
    """What was found in a model file.

    Args:
        path: The file.
        kind: How it is loaded.
        factory: `module:object`, where the kind needs one.
        channels: Number of channels that it declares, None where it declares none.
        size: Spatial size that it declares, empty where it declares none.
        outputs: Number of outputs, None where it is not known.
        output: Kind of the raw output.
        output_seen: Whether that was read from the file; False: a guess.
        case: Column of case ids of saved predictions.
        scores: Columns of scores of saved predictions.
    """

    path: Path
    kind: str
    factory: str | None = None
    channels: int | None = None
    size: tuple[int, ...] = ()
    outputs: int | None = None
    output: str = "logits"
    output_seen: bool = False
    case: str | None = None
    scores: tuple[str, ...] = ()


def look(path: Path, manifest: Manifest, factory: str | None) -> Model:
    """Look at a model file, without running anything in it.

    Args:
        path: Weights or saved predictions.
        manifest: The manifest, for the names of classes and cases.
        factory: `module:object` that builds the architecture.

    Raises:
        InputError: The file is absent, of no known kind, or its kind needs a factory that is not named.
    """
    if not is_file(path):
        raise absent_file(f"--model: no such file '{one_line(path.name)}'", path, "a file of weights or predictions")
    kind = _kind(path)
    if kind in ("torch", "callable") and factory is None:
        what = "weights need the code that builds their network" if kind == "torch" else "name the function to call"
        raise InputError(
            f"{one_line(path.name)}: {what}", expected="--factory module:object", got="no --factory",
            fix="add --factory nets:build, where nets.py lies beside audit.toml",
        )  # fmt: skip
    if kind == "onnx":
        return _onnx(path)
    if kind == "predictions":
        return _predictions(path, manifest)
    if kind == "sklearn":
        return Model(path=path, kind=kind, output="probabilities")
    return Model(path=path, kind=kind, factory=factory)


def _kind(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix in _PICKLES:
        raise UnsafeModelError(
            f"{one_line(path.name)}: a pickle can run code when it is loaded, so it is refused",
            expected="a .skops, .onnx or .safetensors file", got=f"'{suffix}'",
            fix="save it again, for example with skops.io.dump",
        )  # fmt: skip
    if suffix in (".pt", ".pth", ".bin", ".ckpt"):
        return "torchscript" if _is_torchscript(path) else "torch"
    if suffix not in _KINDS:
        raise InputError(
            f"{one_line(path.name)}: a kind of model that is not known", expected=f"one of {listed([*_KINDS, '.pt'])}",
            got=f"'{suffix}'" if suffix else "no suffix", fix="export the model, for example to ONNX",
        )  # fmt: skip
    return _KINDS[suffix]


def _is_torchscript(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            return any("/code/" in name for name in archive.namelist())
    except (zipfile.BadZipFile, OSError):
        return False


def _onnx(path: Path) -> Model:
    try:
        import onnx
        from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
    except ImportError:
        raise MissingExtraError("onnx", "onnx") from None
    try:
        graph = onnx.load(str(path), load_external_data=False).graph
    except (DecodeError, ValueError, OSError) as error:
        raise ModelError(
            f"{one_line(path.name)}: not an ONNX model", expected="a file that onnx reads", got=one_line(error),
            fix="export it again; a copy may have been cut short",
        ) from None  # fmt: skip
    weights = {w.name for w in graph.initializer}
    inputs = [i for i in graph.input if i.name not in weights]
    shape, answer = (_shape(inputs[0]) if inputs else []), (_shape(graph.output[0]) if graph.output else [])
    last = next((n.op_type for n in reversed(graph.node) if graph.output and graph.output[0].name in n.output), "")
    size = tuple(d for d in shape[2:] if d) if all(shape[2:]) else ()
    return Model(
        path=path, kind="onnx", channels=(shape[1] or None) if len(shape) > 1 else None,
        size=size if len(size) in (2, 3) else (), outputs=_outputs(answer),
        output="probabilities" if last in ("Softmax", "Sigmoid") else "logits", output_seen=bool(last),
    )  # fmt: skip


def _shape(value: Any) -> list[int]:
    """Return an ONNX shape, 0 for a dimension that is left open."""
    return [int(d.dim_value) for d in value.type.tensor_type.shape.dim]


def _outputs(shape: list[int]) -> int | None:
    if len(shape) == 1:
        return 1
    return (shape[1] or None) if len(shape) == 2 else None


def _predictions(path: Path, manifest: Manifest) -> Model:
    from audit.cohorts import read_table

    table = manifest.table if path.resolve() == manifest.path.resolve() else read_table(path)
    own = {manifest.target, manifest.patient, manifest.case}
    numeric = [c for c in table.columns if c not in own and _spread(table, c)]
    scores = _by_class(numeric, manifest.levels)
    if not scores:
        named = best(numeric, _words.SCORES) or next((c for c in numeric if _says_score(c)), None)
        scores = (named,) if named else ()
    if not scores:
        raise InputError(
            f"{one_line(path.name)}: no column looks like a score", expected="numbers in a column such as 'score'",
            got=listed(table.columns), fix="rename the column of scores to 'score'",
        )  # fmt: skip
    values = [float(v) for c in scores for v in table[c] if v]
    shares = all(0 <= v <= 1 for v in values)
    if not shares and len(manifest.levels) == 2 and min(values) >= 0:
        # As logits every case would be called positive.
        raise InputError(
            f"{one_line(path.name)}: {shown(scores[0])} holds neither probabilities nor logits",
            expected="numbers from 0 to 1, or logits, which are below 0 for some cases",
            got=f"numbers from {min(values):.4g} to {max(values):.4g}", fix="divide percentages by 100",
        )  # fmt: skip
    case = manifest.case if manifest.case in table.columns else None
    return Model(
        path=path, kind="predictions", outputs=len(scores), output="probabilities" if shares else "logits",
        output_seen=False, case=case, scores=scores,
    )  # fmt: skip


def _spread(table: Table, column: str) -> bool:
    """Tell whether a column holds numbers of more than two values; a column of 0 and 1 is a decision, no score."""
    try:
        return len({float(v) for v in table[column] if v}) > 2
    except ValueError:
        return False


def _by_class(names: list[str], levels: list[str]) -> tuple[str, ...]:
    """Return one column of scores a class, in the order of the classes; empty where a class has none."""
    if len(levels) < 3:
        return ()
    found = []
    for level in levels:
        ends = f"_{_words.folded(level)}"
        mine = [n for n in names if _words.folded(n) == _words.folded(level) or _words.folded(n).endswith(ends)]
        if len(mine) != 1:
            return ()
        found.append(mine[0])
    return tuple(found)


def _says_score(name: str) -> bool:
    return bool(set(_words.folded(name).split("_")) & {"score", "prob", "probability", "proba", "logit", "risk"})
