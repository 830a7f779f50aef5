"""What an actor of a Ray cluster does: it holds the model and does tasks; nothing of Ray is named here."""

from __future__ import annotations

import hashlib
import pickle
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import audit
from audit.core import Cohort, ImagingModel, SourceView
from audit.errors import AuditError, InputError, ReadError
from audit.execution._marks import libraries
from audit.execution._pool import done_by, one_thread
from audit.execution._store import FolderFiles
from audit.execution._tasks import Done, Task
from audit.execution._workshop import Workshop

_LOOKED_AT = 5

Load = Callable[[], ImagingModel]


@dataclass(frozen=True, kw_only=True)
class Sent:
    """The model as it is sent.

    Args:
        state: Digest that the model has where it was loaded.
        code: What computes there; see `code_of`.
        pickled: The model itself, None where it is loaded anew.
        load: Loads it from its files.
    """

    state: str
    code: Mapping[str, str]
    pickled: bytes | None
    load: Load | None


class Bench:
    """One worker of a cluster."""

    def __init__(self) -> None:
        one_thread()
        self._model: ImagingModel | None = None
        self._workshop: Workshop | None = None

    def take(self, sent: Sent) -> str:
        """Take the model, and return what is wrong with it or with this place, "" where nothing is."""
        there, here = dict(sent.code), code_of()
        differing = sorted(name for name in there if there[name] != here.get(name))
        if differing:
            named = ", ".join(f"{n} {there[n] or 'none'} there, {here.get(n) or 'none'} here" for n in differing[:4])
            return f"other code than where the audit was started: {named}"
        try:
            self._model = pickle.loads(sent.pickled) if sent.pickled is not None else _loaded(sent.load)  # noqa: S301 - what the driver of the same cluster sent
        except Exception as error:  # noqa: BLE001 - whatever hinders it is told to the process that asked
            return f"the model cannot be loaded: {type(error).__name__}: {error}"[:300]
        if self._model.state_digest() != sent.state:
            return "the model has another digest than where the audit was started"
        return ""

    def equip(self, data: bytes) -> str:
        """Take what tasks need beside the model, and return what is wrong, "" where nothing is."""
        if self._model is None:
            return "no model was taken"
        try:
            workshop, seen = pickle.loads(data)  # noqa: S301 - as above
        except Exception as error:  # noqa: BLE001 - as above
            return f"the plan cannot be read: {type(error).__name__}: {error}"[:300]
        self._workshop = fitted(workshop, self._model)
        return unseen(self._workshop.cohort, seen)

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
    """Return what computes in this process: versions, and a digest over the files of this package."""
    root = Path(audit.__file__).parent
    whole = hashlib.sha256()
    for file in sorted(root.rglob("*.py")):
        whole.update(file.relative_to(root).as_posix().encode() + b"\0" + file.read_bytes())
    return {
        "imaging-audit": f"{audit.__version__} {whole.hexdigest()[:12]}", "Python": platform.python_version(),
        "machine": platform.machine(), **libraries(),
    }  # fmt: skip


def sizes_seen(cohort: Cohort) -> dict[int, tuple[str, int]]:
    """Return suffix and size of the files of a few cases, by position; {} where images lie in no files."""
    found: dict[int, tuple[str, int]] = {}
    if cohort.images is None or not len(cohort):
        return found
    for position in sorted({round(i * (len(cohort) - 1) / (_LOOKED_AT - 1)) for i in range(_LOOKED_AT)}):
        try:
            on_disk = _on_disk(cohort.images, position)
        except ReadError:
            # It went since the preflight; that is for the reading to say.
            continue
        if on_disk is not None:
            found[position] = on_disk
    return found


def _on_disk(images: Any, position: int) -> tuple[str, int] | None:
    while isinstance(images, SourceView):
        images, position = images.source, int(images.rows[position])
    look = getattr(images, "on_disk", None)
    return None if look is None else look(position)


def unseen(cohort: Cohort, seen: Mapping[int, tuple[str, int]]) -> str:
    """Return that files of the cohort are not seen here as they are elsewhere, "" where they are.

    A worker that does not see the images would set every case aside in earnest.
    """
    for position, expected in seen.items():
        try:
            got = _on_disk(cohort.images, position)
        except (AuditError, OSError):
            return "the cohort's files are not seen there: put them on shared storage, or mount them at the same path"
        if got != expected:
            return "the cohort's files are others there than where the audit was started"
    return ""


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
