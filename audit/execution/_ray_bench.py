"""What an actor of a Ray cluster does: it holds the model and does tasks; nothing of Ray is named here."""

from __future__ import annotations

import pickle
import platform
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import audit
from audit.core import ImagingModel, digest
from audit.errors import InputError
from audit.execution._loaded import loaded_modules
from audit.execution._marks import installed, libraries, package_files
from audit.execution._pool import done_by, one_thread
from audit.execution._store import FolderFiles
from audit.execution._tasks import Done, Task
from audit.execution._workshop import Workshop
from audit.models import bfloat16_allowed, cpu_has_bfloat16

_OTHER = "other code than where the audit was started"

Load = Callable[[], ImagingModel]


@dataclass(frozen=True, kw_only=True)
class Sent:
    """The model as it is sent.

    Args:
        state: Digest that the model has where it was loaded.
        code: What computes there; see `code_of`.
        modules: Code that was loaded there and that no version names; see `loaded_modules`.
        pickled: The model itself, None where it is loaded anew.
        load: Loads it from its files.
    """

    state: str
    code: Mapping[str, str]
    modules: Mapping[str, str]
    pickled: bytes | None
    load: Load | None


class Bench:
    """One worker of a cluster."""

    def __init__(self) -> None:
        one_thread()
        self._model: ImagingModel | None = None
        self._workshop: Workshop | None = None
        self._modules: Mapping[str, str] = {}

    def take(self, sent: Sent) -> str:
        """Take the model, and return what is wrong with it or with this place, "" where nothing is."""
        there, here = dict(sent.code), code_of()
        differing = sorted(name for name in there if there[name] != here.get(name))
        self._modules = sent.modules
        if differing:
            named = ", ".join(f"{n} {there[n] or 'none'} there, {here.get(n) or 'none'} here" for n in differing[:4])
            return f"{_OTHER}: {named}"
        try:
            self._model = pickle.loads(sent.pickled) if sent.pickled is not None else _loaded(sent.load)  # noqa: S301 - what the driver of the same cluster sent
        except Exception as error:  # noqa: BLE001 - whatever hinders it is told to the process that asked
            return f"the model cannot be loaded: {type(error).__name__}: {error}"[:300]
        if self._model.state_digest() != sent.state:
            return "the model has another digest than where the audit was started"
        return self._other_modules()

    def equip(self, data: bytes) -> str:
        """Take what tasks need beside the model, and return what is wrong, "" where nothing is."""
        if self._model is None:
            return "no model was taken"
        try:
            workshop, sight = pickle.loads(data)  # noqa: S301 - as above
        except Exception as error:  # noqa: BLE001 - as above
            return f"the plan cannot be read: {type(error).__name__}: {error}"[:300]
        cohort = workshop.cohort
        self._workshop = replace(fitted(workshop, self._model), blind=lambda: sight.gone(cohort))
        return self._other_modules() or str(sight.unseen(cohort))

    def _other_modules(self) -> str:
        """Return that a module which both have loaded is another one here, "" where none is."""
        here = loaded_modules()
        differing = sorted(n for n in self._modules if n in here and n != "__main__" and here[n] != self._modules[n])
        return f"{_OTHER}: the files of {', '.join(differing[:4])}" if differing else ""

    def do(self, task: Task) -> Done:
        """Do one task; what it raises comes back in the answer."""
        if self._workshop is None:
            raise ValueError("a task came before what it needs")
        return done_by(self._workshop, task)


def stripped(workshop: Workshop) -> Workshop:
    """Return a workshop without what is sent apart, or cannot be sent."""
    setting = workshop.setting
    bare = None if setting is None else replace(setting, model=_NONE, store=_NONE)
    return replace(workshop, model=_NONE, setting=bare)


def fitted(workshop: Workshop, model: ImagingModel) -> Workshop:
    """Return a stripped workshop with a model."""
    setting = workshop.setting
    whole = None if setting is None else replace(setting, model=model)
    return replace(workshop, model=model, setting=whole)


def code_of() -> dict[str, str]:
    """Return what computes in this process: versions, a digest over this package, and how torch is set.

    Every distribution counts: a model, a plugin or a reader of files may rest on any.
    """
    versions = dict(line.split(":", 1) for line in installed())
    return {
        **versions, **libraries(), "imaging-audit": f"{audit.__version__} {digest(package_files())[:12]}",
        "Python": platform.python_version(), "machine": platform.machine(),
        "bfloat16": "on" if bfloat16_allowed() and cpu_has_bfloat16() else "off", "torch's precision": _precision(),
    }  # fmt: skip


def _precision() -> str:
    """Return how torch computes, which a script may have changed; as it does by itself where it is not loaded."""
    torch = sys.modules.get("torch")
    if torch is None:
        return "highest float32"
    return f"{torch.get_float32_matmul_precision()} {str(torch.get_default_dtype()).removeprefix('torch.')}"


class Keeper:
    """Keeps results in the folder of the machine where the audit was started; it runs there."""

    def __init__(self, folder: str) -> None:
        self._files = FolderFiles(folder=Path(folder))

    def read(self, name: str) -> bytes | None:
        """Return the bytes under a name; see `Files.read`."""
        return self._files.read(name)

    def write(self, name: str, data: bytes) -> str:
        """Write bytes under a name, and return why that failed, "" where it did not."""
        try:
            self._files.write(name, data)
        except OSError as error:
            return f"{error.errno or 0}:{error.strerror or type(error).__name__}"
        return ""


def _loaded(load: Load | None) -> ImagingModel:
    if load is None:
        raise InputError("the model can be neither sent nor loaded", fix="run it with --executor local")
    return load()


_NONE: Any = None
