"""An archive of torch.export, cleaned of everything that its loader would run.

The loader of torch trusts its file: it unpickles sample inputs, constants and tensor subclasses, evaluates the
expressions of symbolic sizes as Python, calls whatever attribute of `torch` a node names, and executes guards. So the
archive is rebuilt from the parts that a network needs, and anything beyond them is refused.
"""

from __future__ import annotations

import ast
import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from audit.errors import ModelError, UnsafeModelError

_OPERATORS = re.compile(
    r"torch\.ops\.(?:aten|prims)\.[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)?"
    r"|torch\.ops\.higher_order\.(?:wrap_with_set_grad_enabled|wrap_with_autocast)"
    r"|torch\.sym_\w+"
    r"|_operator\.(?:add|sub|mul|floordiv|truediv|mod|neg|pow|eq|ne|lt|le|gt|ge|getitem|and_|or_|not_)"
    r"|math\.\w+"
)
_WORD = re.compile(r"[\w.\-+ ]*")
_FILE_OPERATORS = ("from_file", "save", "load")
# fmt: off
_FUNCTIONS = frozenset((
    "Symbol", "Integer", "Max", "Min", "Mod", "PythonMod", "FloorDiv", "CleanDiv", "IntTrueDiv", "ModularIndexing",
    "Pow", "PowByNatural", "CeilToInt", "FloorToInt", "TruncToInt", "TruncToFloat", "RoundToInt", "ToFloat", "floor",
    "ceiling", "Eq", "Ne", "Lt", "Le", "Gt", "Ge", "And", "Or", "Not", "Where",
))
# fmt: on
_ARITHMETIC = (ast.Expression, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.operator, ast.unaryop, ast.boolop)
_SPEC_TYPES = frozenset((None, "builtins.tuple", "builtins.list", "builtins.dict"))
_DATA = re.compile(r"data/(weights|constants)/[\w.\-]+")


def clean_archive(file: Path) -> tuple[io.BytesIO, bytes]:
    """Return an archive that holds nothing but a graph of tensor operators and raw tensors.

    Args:
        file: A file that torch.export.save wrote.

    Returns:
        The cleaned archive, and the graph as canonical JSON for the digest.

    Raises:
        ModelError: The file is no such archive.
        UnsafeModelError: It needs a pickle, compiled code, or more than tensor operators.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
            doubled = len(members) < len(archive.namelist())
    except (zipfile.BadZipFile, OSError, RuntimeError) as error:
        raise ModelError(
            f"{file.name} is no torch.export archive", expected="a file that torch.export.save wrote",
            got="no readable zip archive", fix="export the network again",
        ) from error  # fmt: skip
    tops = {name.partition("/")[0] for name in members}
    inner = {name.partition("/")[2]: content for name, content in members.items()}
    if doubled or len(tops) != 1 or "models/model.json" not in inner:
        raise ModelError(
            f"{file.name} is no torch.export archive of the present format", expected="models/model.json inside, once",
            got="another zip archive", fix="export the network again with torch 2.8 or newer",
        )  # fmt: skip
    for name in inner:
        if name.startswith(("data/aotinductor", "data/executorch", "executorch")) or name.endswith((".so", ".dll")):
            raise _unsafe(file, "compiled code")
    graph = _clean_graph(_json(inner["models/model.json"], file), file)
    text = json.dumps(graph, sort_keys=True).encode()
    kept = {name: content for name, content in inner.items() if _keep(name)}
    for name in [n for n in kept if n.endswith(".json")]:
        _check_payload(_json(kept[name], file), file)
    kept["models/model.json"] = text
    # Sample inputs are a pickle; the loader takes an empty member for "none".
    kept["data/sample_inputs/model.pt"] = b""
    return _zip(next(iter(tops)), kept), text


def _keep(name: str) -> bool:
    return name in ("archive_format", "archive_version", "byteorder", ".data/version") or bool(_DATA.fullmatch(name))


def _zip(top: str, members: dict[str, bytes]) -> io.BytesIO:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            archive.writestr(f"{top}/{name}", content)
    buffer.seek(0)
    return buffer


def _json(content: bytes, file: Path) -> Any:
    try:
        return json.loads(content)
    except ValueError as error:
        raise ModelError(f"{file.name} is damaged", expected="JSON inside the archive", got=str(error)) from error


def _unsafe(file: Path, what: str) -> UnsafeModelError:
    return UnsafeModelError(
        f"{file.name} could run code when it is loaded; it was refused and nothing of it was run",
        expected="a graph of tensor operators and raw tensors", got=what[:200], fix="export the network again",
    )  # fmt: skip


def _check_payload(config: Any, file: Path) -> None:
    entries = config.get("config", {}) if isinstance(config, dict) else {}
    for entry in entries.values():
        if not isinstance(entry, dict) or entry.get("use_pickle") is not False:
            raise _unsafe(file, "a constant or weight that is stored as a pickle")
        if not re.fullmatch(r"[\w.\-]+", str(entry.get("path_name"))):
            raise _unsafe(file, "a tensor outside the archive")


def _clean_graph(model: Any, file: Path) -> Any:
    """Return the graph without remarks and guards, after a look at every text in it."""
    if not isinstance(model, dict) or "graph_module" not in model:
        raise ModelError(f"{file.name} is damaged", expected="a graph inside the archive")
    # Guards repeat the checks of sizes, as Python text that would be executed.
    model = {**model, "guards_code": []}
    _drop_metadata(model)
    for fault in _faults(model, ""):
        raise _unsafe(file, fault)
    return model


def _drop_metadata(value: Any) -> None:
    """Empty every node's remarks: where it came from, which the loader would look up by name."""
    if isinstance(value, dict):
        if isinstance(value.get("metadata"), dict):
            value["metadata"] = {}
        for inner in value.values():
            _drop_metadata(inner)
    elif isinstance(value, list):
        for inner in value:
            _drop_metadata(inner)


def _faults(value: Any, key: str) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            # An empty entry is how the format writes "not this variant".
            if name in ("as_custom_obj", "custom_obj", "as_operator") and inner not in (None, {}):
                yield f"an argument of the kind {name}"
            elif not _WORD.fullmatch(name):
                yield f"the name {name!r}"
            elif name == "target" and "inputs" in value and not _operator(inner):
                yield f"the operator {inner!r}"
            else:
                yield from _faults(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from _faults(inner, key)
    elif isinstance(value, str) and not _text(value, key):
        yield f"the text {value!r}"


def _operator(name: Any) -> bool:
    return (
        isinstance(name, str)
        and _OPERATORS.fullmatch(name) is not None
        and "__" not in name
        and not any(part in _FILE_OPERATORS for part in name.split("."))
    )


def _text(value: str, key: str) -> bool:
    if key in ("in_spec", "out_spec"):
        return _structure(value)
    if key == "expr_str":
        return _size(value)
    # What is handed to an operator as a text stays a text.
    return key in ("as_string", "as_strings", "torch_version") or bool(_WORD.fullmatch(value))


def _size(value: str) -> bool:
    """Tell whether the expression of a symbolic size is arithmetic; the loader evaluates it as Python."""
    try:
        nodes = list(ast.walk(ast.parse(value, mode="eval"))) if len(value) < 1000 else []
    except (SyntaxError, ValueError):
        return False
    return bool(nodes) and all(map(_arithmetic, nodes))


def _arithmetic(node: ast.AST) -> bool:
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id in _FUNCTIONS
    if isinstance(node, ast.Name):
        return "__" not in node.id
    if isinstance(node, ast.Constant):
        return not isinstance(node.value, (str, bytes)) or re.fullmatch(r"[A-Za-z]\w*", str(node.value)) is not None
    return isinstance(node, (*_ARITHMETIC, ast.cmpop, ast.keyword, ast.Load))


def _structure(value: str) -> bool:
    """Tell whether the structure of inputs or outputs is made of tuples, lists and dicts alone."""
    try:
        parsed = json.loads(value)
    except ValueError:
        return False
    waiting = [parsed[1]] if isinstance(parsed, list) and len(parsed) == 2 else [None]
    while waiting:
        node = waiting.pop()
        if not isinstance(node, dict) or node.get("type") not in _SPEC_TYPES:
            return False
        if not re.fullmatch(r"[\w\s,\"\[\]]*", str(node.get("context"))):
            return False
        waiting.extend(node.get("children_spec", []))
    return True
