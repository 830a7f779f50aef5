"""Run folders on shared storage: written so that half a run is no evidence, read with distrust."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from audit.errors import EvidenceError, InputError, StorageError
from audit.storage._faults import storage_faults
from audit.storage._fetch import fetch, read_bytes, sizes
from audit.storage._location import Location, Remote, join
from audit.storage._lock import Held, held_alone
from audit.storage._write import make_folder, remove, write_bytes

_MOST_BYTES = 8 * 2**30
_MOST_RUN_FILES = 50_000
_LOG = "log.jsonl"


@contextmanager
def held_run(place: Location) -> Iterator[Path]:
    """Give a finished run as a folder of this machine: itself, or a copy that goes afterwards.

    What is copied is checked by whoever reads it, as any other folder is; here only its names and its size are.

    Args:
        place: Where the run lies.

    Raises:
        EvidenceError: Nothing is there, it is larger than any run, or a name in it leads elsewhere.
        StorageError: The store does not answer.
    """
    if isinstance(place, Path):
        yield place
        return
    held = sizes(place, most=_MOST_RUN_FILES)
    if not held:
        raise EvidenceError(
            "there is no such run", expected="a folder that 'audit run' wrote", got=place.name,
            fix="name the folder that holds evidence.json",
        )  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="audit-held-") as name:
        folder = Path(name) / place.name
        _copy_here(held, place, folder)
        yield folder


def _copy_here(held: Mapping[Remote, int], place: Remote, folder: Path) -> None:
    """Copy the files of a run into a new folder of this machine."""
    if sum(held.values()) > _MOST_BYTES:
        raise EvidenceError(
            "the folder is too large for a run", expected=f"at most {_MOST_BYTES} bytes", got=str(sum(held.values())),
            fix="name the run itself",
        )  # fmt: skip
    folder.mkdir()
    for remote in sorted(held):
        inner = remote.path[len(place.path) + 1 :].split("/")
        if any(not _plain(part) for part in inner):
            raise EvidenceError(
                "a name in the run's folder leads elsewhere", expected="plain names", got="another",
                fix="take the run from where it was made",
            )  # fmt: skip
        home = folder.joinpath(*inner[:-1])
        home.mkdir(parents=True, exist_ok=True)
        fetch(remote, home, name=inner[-1])


@contextmanager
def run_folder(
    place: Location | None,
    *,
    overwrite: bool,
    ours: Callable[[str], bool],
    last: str,
    resume: bool = False,
    note: Callable[[str], None] = lambda text: None,
    begun: Callable[[], bool] = lambda: False,
) -> Iterator[Path | None]:
    """Give the folder of this machine in which a run is made; one for shared storage is copied there at the end.

    File by file, and the seal last: what breaks off in between has no seal and is no evidence. Where the copy fails,
    the run stays on this machine, and the message says where. Where nothing could be measured, what lay there before
    is as it was.

    Args:
        place: Where the run shall lie.
        overwrite: Whether a run that lies there may be replaced.
        ours: Whether a name, at the top of a folder, is one of a run's.
        last: Name of the seal.
        resume: Whether a run that lies there may be taken up again; one that is finished is copied here first, and only
            what was changed by then is copied back.
        note: Told what is waited for.
        begun: Asked after an error whether anything was measured by then, so that an earlier run is gone for good.

    Raises:
        InputError: Something lies there that may not be replaced, or another run is writing there.
        StorageError: The store does not answer, or does not let anybody write.
    """
    if not isinstance(place, Remote):
        yield place
        return
    with held_alone(place, note) as lock, _copied_there(
        place, lock, overwrite=overwrite or resume, ours=ours, last=last, resume=resume, begun=begun
    ) as folder:  # fmt: skip
        yield folder


@contextmanager
def _copied_there(
    place: Remote, lock: Held, *, overwrite: bool, ours: Callable[[str], bool], last: str, resume: bool,
    begun: Callable[[], bool],
) -> Iterator[Path]:  # fmt: skip
    """Give a folder of this machine whose content is copied to a place that is held; see `run_folder`."""
    held = sizes(place, most=_MOST_RUN_FILES)
    _check_earlier(held, place, overwrite=overwrite, ours=ours)
    earlier = tuple(sorted(held))
    folder = Path(tempfile.mkdtemp(prefix="audit-run-")) / place.name
    seal, before = b"", _Before()
    if resume and join(place, last) in held:
        _copy_here(held, place, folder)
        seal = (folder / last).read_bytes()
    else:
        before = _Before.of(place, held, (_LOG, last))
    try:
        if not seal:
            # A run takes hours; that its end cannot be written is better known before. A log without a seal is an
            # unfinished run to every reader, and one that is half replaced.
            write_bytes(join(place, _LOG), b"")
            remove(join(place, last))
        yield folder
    except InputError:
        # Nothing was measured: the next try finds the folder as it was.
        shutil.rmtree(folder.parent, ignore_errors=True)
        if not earlier:
            # What the store refuses here it has refused before, and that has to be told.
            with suppress(StorageError):
                remove(join(place, _LOG))
        elif not begun():
            before.restore(lock)
        raise
    except BaseException:
        shutil.rmtree(folder.parent, ignore_errors=True)
        raise
    try:
        if not seal or (folder / last).read_bytes() != seal:
            lock.check()
            remove(join(place, last))
            _upload(folder, place, earlier, last, lock)
    except (StorageError, OSError) as error:
        raise StorageError(
            "storage: the finished run could not be copied", expected=f"all of it at {place}",
            got=error.got if isinstance(error, StorageError) else type(error).__name__,
            fix=f"copy it from {folder}, {last} last",
        ) from None  # fmt: skip
    shutil.rmtree(folder.parent, ignore_errors=True)


@dataclass(frozen=True, kw_only=True)
class _Before:
    """Files of an earlier run that make way for another one, in the order in which they come back."""

    files: Sequence[tuple[Remote, bytes]] = ()

    @classmethod
    def of(cls, place: Remote, held: Mapping[Remote, int], names: Sequence[str]) -> _Before:
        found = ((join(place, n), read_bytes(join(place, n))) for n in names if join(place, n) in held)
        return cls(files=tuple((remote, data) for remote, data in found if data is not None))

    def restore(self, lock: Held) -> None:
        # The error that ended the run is what the user has to be told; without its seal the earlier run is unfinished.
        with suppress(StorageError):
            lock.check()
            for remote, data in self.files:
                write_bytes(remote, data)


def _check_earlier(held: Mapping[Remote, int], place: Remote, *, overwrite: bool, ours: Callable[[str], bool]) -> None:
    """Check that what lies somewhere may be replaced."""
    if held and not overwrite:
        raise InputError(
            f"{place} is not empty", expected="an empty or new folder", got="one with files",
            fix="name another folder, or add --overwrite to replace the run in it, or --resume to take it up again",
        )  # fmt: skip
    foreign = [r for r in held if not ours(r.path[len(place.path) + 1 :].partition("/")[0])]
    if foreign:
        raise InputError(
            f"{place} is not the folder of a run, so it is not replaced", expected="what 'audit run' wrote, only",
            got=", ".join(r.name for r in sorted(foreign)[:5]), fix="name another folder",
        )  # fmt: skip


def _upload(folder: Path, place: Remote, earlier: tuple[Remote, ...], last: str, lock: Held) -> None:
    names = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    if last not in names:
        raise StorageError("storage: the run is unfinished", expected=last, got="no such file", fix="run it again")
    for remote in earlier:
        if remote.path[len(place.path) + 1 :] not in names:
            remove(remote)
    for name in names:
        if name != last:
            _copy(folder / name, place, name)
    lock.check()
    _copy(folder / last, place, last)


def _copy(file: Path, place: Remote, name: str) -> None:
    system, path = place.filesystem()
    with storage_faults("writing a file"):
        make_folder(system, place, f"{path}/{name}".rpartition("/")[0])
        system.put_file(str(file), f"{path}/{name}")
        written = int(system.info(f"{path}/{name}")["size"])
    if written != file.stat().st_size:
        raise StorageError(
            "storage: a file was not written whole", expected=f"{file.stat().st_size} bytes", got=str(written),
            fix="run it again",
        )  # fmt: skip


def _plain(part: str) -> bool:
    return part not in ("", ".", "..") and "\\" not in part and all(ord(c) > 31 and ord(c) != 127 for c in part)
