"""`module:object`, looked for beside audit.toml first, without leaving a trace in this process."""

from __future__ import annotations

import functools
import importlib
import re
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

from audit.core import ModelSpec
from audit.errors import ModelError

_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
# sys.path and sys.modules belong to the whole process.
_LOCK = threading.RLock()


def _loaded() -> dict[str, ModuleType]:
    # Another thread may import meanwhile, as one that reads images ahead does. A copy is made in one go; a list of the
    # items is not, since what collects garbage may let that thread in between two of them.
    return sys.modules.copy()


class LocalModules:
    """Makes the modules of one folder importable for the length of a `with` block, and hides them afterwards.

    Two audits with different `nets.py` must not mix, so modules of the folder are taken out of `sys.modules` at the
    end of the block and put back at the start of the next one of the same object.

    Args:
        root: The folder.
    """

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()
        self._own: dict[str, ModuleType] = {}
        self._hidden: dict[str, ModuleType] = {}
        # A model is asked thousands of times, with a thousand modules loaded: each name is looked up on the disk once.
        self._there: dict[str, bool] = {}

    def __enter__(self) -> LocalModules:
        _LOCK.acquire()
        self._hidden = {name: module for name, module in _loaded().items() if self._shadows(name, module)}
        for name in self._hidden:
            del sys.modules[name]
        self._before = set(_loaded())
        sys.modules.update(self._own)
        sys.path.insert(0, str(self._root))
        importlib.invalidate_caches()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if str(self._root) in sys.path:
            sys.path.remove(str(self._root))
        for name, module in _loaded().items():
            if name not in self._before and self._is_local(name, module):
                self._own[name] = sys.modules.pop(name)
        sys.modules.update(self._hidden)
        _LOCK.release()

    def _shadows(self, name: str, module: ModuleType) -> bool:
        """Tell whether a loaded module stands in the way of one of this folder with the same name."""
        top = name.partition(".")[0]
        if top == "audit" or top in sys.stdlib_module_names or not self._has(top) or self._is_local(name, module):
            return False
        origin = getattr(sys.modules.get(top), "__file__", None) or ""
        return "site-packages" not in origin and "dist-packages" not in origin

    def _has(self, top: str) -> bool:
        if top not in self._there:
            self._there[top] = (self._root / f"{top}.py").is_file() or (self._root / top / "__init__.py").is_file()
        return self._there[top]

    def _is_local(self, name: str, module: ModuleType) -> bool:
        if name.partition(".")[0] == "audit":
            return False
        place = self._root.joinpath(*name.split("."))
        origin = getattr(module, "__file__", None)
        if origin is None:
            return str(place) in [str(Path(p)) for p in getattr(module, "__path__", [])]
        return Path(origin).resolve() in (place.with_name(place.name + ".py"), place / "__init__.py")


def named_function(name: str, root: Path, *, key: str) -> Callable[..., Any]:
    """Return a function by its name, ready to be called.

    Args:
        name: For example "skin.nets:unlike".
        root: Folder that is looked in first.
        key: The key of audit.toml that names it, for errors.

    Raises:
        ModelError: There is no such function.
    """
    local = LocalModules(root)
    with local:
        function = find_object(name, key=key)
    if not callable(function):
        raise ModelError(
            f"{key}: {name} cannot be called", expected="a function", got=type(function).__name__, fix=f"correct {key}"
        )

    # What it takes and where it stands can still be asked of it.
    @functools.wraps(function, updated=())
    def call(*given: Any, **named: Any) -> Any:
        with local:
            return function(*given, **named)

    return call


def load_monitor(spec: ModelSpec, root: Path) -> Callable[[Any], Any] | None:
    """Return the function that `[model] monitor` names, None where it names none.

    Args:
        spec: `[model]`.
        root: Folder that is looked in first.

    Raises:
        ModelError: There is no such function.
    """
    return None if spec.monitor is None else named_function(spec.monitor, root, key="[model] monitor")


def find_object(name: str, *, key: str = "[model] factory") -> Any:
    """Return the object that `module:object` names; call it inside a `LocalModules` block.

    Args:
        name: For example "skin.nets:small_cnn".
        key: The key of audit.toml that names it, for errors.

    Raises:
        ModelError: The name has another form, the module cannot be imported, or it has no such object.
    """
    if not _NAME.fullmatch(name):
        raise ModelError(
            "this names no object", expected='"module:object", for example "nets:small_cnn"', got=repr(name),
            fix=f"correct {key}",
        )  # fmt: skip
    module_name, _, path = name.partition(":")
    try:
        found: Any = importlib.import_module(module_name)
    # The user's own module may raise anything while it is imported, or leave: a script without a main guard does.
    except (Exception, SystemExit) as error:
        raise ModelError(
            f"the module {module_name} cannot be imported", expected="a module beside audit.toml or an installed one",
            got=f"{type(error).__name__}: {error}", fix=f"correct {key}, or the module",
        ) from error  # fmt: skip
    for part in path.split("."):
        if not hasattr(found, part):
            there = sorted(n for n, v in vars(found).items() if callable(v) and not n.startswith("_"))[:8]
            raise ModelError(
                f"the module {module_name} has no {path}", expected="one of its functions or classes",
                got=f"a module that has {', '.join(there)}" if there else "a module without any",
                fix=f"correct {key}",
            )  # fmt: skip
        found = getattr(found, part)
    return found
