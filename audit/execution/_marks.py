"""What a result rests on, as one digest: whatever cannot be told apart from its like is refused."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import inspect
import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from importlib import metadata
from pathlib import Path
from types import FunctionType, MethodType
from typing import Any

import numpy as np

import audit
from audit.core import ImagingModel, digest, plain
from audit.execution._loaded import loaded
from audit.models import bfloat16_allowed, cpu_has_bfloat16
from audit.storage import size_and_times

_LIBRARIES = ("numpy", "scipy", "scikit-learn", "torch", "captum", "torchattacks", "onnxruntime", "onnx2torch")
_PLAIN = (str, bool, int, type(None), bytes)
_RUN = "log.jsonl"
_MOST_READ = 256 * 2**20
_INERT = (
    ".toml", ".md", ".rst", ".txt", ".log", ".out", ".err", ".html", ".pdf", ".sarif", ".ipynb", ".pyc", ".part",
    ".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".gif", ".dcm", ".nii", ".nii.gz",
)  # fmt: skip


class NoMark(Exception):
    """A value whose content cannot be named, so that what rests on it is never used again.

    Args:
        what: Its type.
    """

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


def mark(value: Any) -> str:
    """Return the sha256 (hex) over the content of a value.

    Arrays count by their bytes, files by name, size and times of change, functions by name and the content of their
    file, models by their card and their state, what has a `mark` method by that, what has a method `rests_on` by the
    values that it returns.

    Raises:
        NoMark: The value, or one inside, is of a kind that has no such content.
    """
    whole = hashlib.sha256()
    _feed(whole, value)
    return whole.hexdigest()


def _feed(whole: Any, value: Any) -> None:
    """Add a value to a digest, each with its kind and length before it, so that no two values read alike."""
    if isinstance(value, _PLAIN):
        _say(whole, type(value).__name__, repr(value))
    elif isinstance(value, (float, np.generic)):
        _say(whole, type(value).__name__, float(value).hex() if isinstance(value, float) else repr(value.tolist()))
    elif isinstance(value, np.ndarray):
        _array(whole, value)
    elif isinstance(value, Enum):
        _say(whole, type(value).__name__, value.name)
    elif isinstance(value, Path):
        _say(whole, "file", file_mark(value))
    elif isinstance(value, Mapping):
        _say(whole, "mapping", str(len(value)))
        # The order of keys is that of the user's file; it may decide the order of rows.
        for key, item in value.items():
            _feed(whole, key)
            _feed(whole, item)
    elif isinstance(value, (set, frozenset)):
        _say(whole, "set", repr(sorted(mark(v) for v in value)))
    elif isinstance(value, Sequence):
        _say(whole, type(value).__name__, str(len(value)))
        for item in value:
            _feed(whole, item)
    else:
        _feed_object(whole, value)


def _feed_object(whole: Any, value: Any) -> None:
    kind = f"{type(value).__module__}.{type(value).__qualname__}"
    own, rests_on = getattr(value, "mark", None), getattr(value, "rests_on", None)
    if callable(own):
        _say(whole, kind, str(own()))
    elif callable(rests_on):
        _say(whole, kind, "")
        _feed(whole, rests_on())
    elif isinstance(value, functools.partial):
        _feed(whole, [value.func, list(value.args), dict(value.keywords)])
    elif isinstance(value, MethodType):
        _feed(whole, [value.__func__, value.__self__])
    elif isinstance(value, FunctionType):
        _say(whole, "function", _function(value))
    elif isinstance(value, ImagingModel):
        _say(whole, kind, model_mark(value))
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        _say(whole, kind, "")
        for item in dataclasses.fields(value):
            _say(whole, "field", item.name)
            _feed(whole, getattr(value, item.name))
    else:
        raise NoMark(kind)


def _array(whole: Any, value: np.ndarray[Any, Any]) -> None:
    if value.dtype.hasobject:
        raise NoMark("an array of objects")
    _say(whole, "array", f"{value.dtype.str}{value.shape}")
    whole.update(np.ascontiguousarray(value).data if value.size else b"")


def _say(whole: Any, kind: str, text: str) -> None:
    data = text.encode(errors="surrogatepass")
    whole.update(f"{kind}:{len(data)}:".encode())
    whole.update(data)


def _function(value: FunctionType) -> str:
    """Return the name of a function and the digest of its file; what it closed over cannot be seen from there."""
    try:
        source = inspect.getsourcefile(value)
    except TypeError:
        source = None
    if value.__closure__ or "<" in value.__qualname__ or source is None or not Path(source).is_file():
        raise NoMark("a function that is not at the top of a file")
    return f"{value.__module__}.{value.__qualname__}:{hashlib.sha256(Path(source).read_bytes()).hexdigest()}"


def file_mark(path: Path) -> str:
    """Return name, size and times of change of a file, or that it is not there."""
    try:
        found = path.stat()
    except OSError:
        return f"{path}:absent"
    return f"{path}:{size_and_times(found)}"


def content_mark(path: Path, root: Path) -> str:
    """Return the place of a file below a folder and the digest of its content, the same on every machine."""
    try:
        content = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        # A folder of that name, or a file that may not be read: no code that ran.
        content = "unread"
    return f"{path.relative_to(root).as_posix()}:{content}"


@functools.cache
def code_mark() -> str:
    """Return a digest of the installed code: this package, file by file, and what computes for it."""
    device = [platform.python_version(), platform.machine(), bfloat16_allowed() and cpu_has_bfloat16()]
    return digest([audit.__version__, device, libraries(), installed(), package_files()])


def package_files() -> list[str]:
    """Return the files of this package that compute, or are computed with, each with the digest of its content."""
    root = Path(audit.__file__).parent
    files = sorted(p for p in root.rglob("*") if p.suffix in (".py", ".npz", ".json", ".toml", ".safetensors"))
    return [content_mark(p, root) for p in files]


def installed() -> list[str]:
    """Return name and version of every distribution: a model, a plugin or a reader of files may rest on any."""
    return sorted({f"{d.name}:{d.version}" for d in metadata.distributions()})


def libraries() -> dict[str, str]:
    """Return the versions of the packages that compute, "" for one that is not installed."""
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = ""
    return found


def model_mark(model: ImagingModel, root: Path | None = None) -> str:
    """Return the sha256 (hex) over a model: its card, its state, and the code that answers.

    Args:
        model: The model.
        root: The folder of audit.toml, whose files may have built it.

    Raises:
        NoMark: Its digest does not stand for what it answers.
    """
    if not known_by_digest(model):
        raise NoMark(f"a model of kind {model.card.kind}")
    return digest(
        [plain(model.card), model.state_digest(), _code_of(model), _settings_of(model), _code_below(root), loaded()]
    )


def known_by_digest(model: ImagingModel) -> bool:
    """Return whether a model's digest covers what its answers rest on.

    What a function holds, and what stands behind an address, can change without a trace.
    """
    return bool(getattr(model, "known_by_digest", True))


def _settings_of(model: ImagingModel) -> list[str]:
    """Return the plain values that the parts of a network hold beside their tensors, as read from a file perhaps."""
    module: Any = getattr(model, "module", None)
    if not hasattr(module, "named_modules"):
        return []
    return [
        f"{name}.{key}={value!r}" for name, part in module.named_modules() for key, value in sorted(vars(part).items())
        if _simple(value)
    ]  # fmt: skip


def _simple(value: Any) -> bool:
    if isinstance(value, (tuple, list)):
        return all(_simple(v) for v in value)
    if isinstance(value, dict):
        return all(_simple(v) for pair in value.items() for v in pair)
    return isinstance(value, (*_PLAIN, float, complex))


def _code_of(model: ImagingModel) -> list[str]:
    """Return the files of the classes that a network is made of, with their digests; those of torch go by version."""
    module: Any = getattr(model, "module", None)
    kinds = {type(m) for m in module.modules()} if hasattr(module, "modules") else set()
    files = set()
    for kind in kinds:
        if kind.__module__.partition(".")[0] not in ("torch", "torchvision"):
            try:
                files.add(inspect.getfile(kind))
            except (TypeError, OSError):
                # A class made while loading has no file; the digest of the model stands for it.
                continue
    return sorted(hashlib.sha256(Path(f).read_bytes()).hexdigest() for f in files if Path(f).is_file())


def _code_below(root: Path | None) -> list[str]:
    """Return the code that lies beside audit.toml, and the files that such code may read, three folders deep.

    Configuration counts value by value, images count where the cohort names them, and what runs leave behind counts
    not at all. Large files go by size and times.
    """
    if root is None:
        return []
    found, read = [], 0
    for path in sorted(_below(root, 2), key=lambda p: (len(p.parts), p)):
        if path.name.lower().endswith(_INERT):
            continue
        try:
            about = path.stat()
        except OSError:
            continue
        read += about.st_size
        if path.suffix == ".py" or read <= _MOST_READ:
            found.append(content_mark(path, root))
        else:
            found.append(f"{path.relative_to(root).as_posix()}:{size_and_times(about)}")
    return found


def _below(folder: Path, deeper: int) -> Iterator[Path]:
    """Give the files of a folder, without what is hidden and without the folders of runs."""
    try:
        held = [entry for entry in os.scandir(folder) if not entry.name.startswith(".")]
    except OSError:
        return
    if any(entry.name == _RUN for entry in held):
        return
    for entry in held:
        if not entry.is_dir():
            yield Path(entry.path)
        elif deeper and entry.name != "__pycache__":
            yield from _below(Path(entry.path), deeper - 1)
