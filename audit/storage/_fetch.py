"""Files of shared storage as files of this machine, for as long as they are looked at."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from audit.errors import FileTooLargeError, StorageError
from audit.storage._faults import storage_faults
from audit.storage._location import Location, Remote

MOST_FILE = 2**32
"""Bytes of one file at most, unless its reader says less: 4 GiB."""

MOST_FILES = 100_000
"""Files of one folder at most."""

_AT_ONCE = 32 * 2**20
_CHUNK = 8 * 2**20
_SPARE_DISK = 0.5
# Up to so many files are asked for one by one; more are found by a listing of the folder that holds them.
_ONE_BY_ONE = 32
# What the stores of fsspec call a digest of the content, or the time when it was written.
_SAID = (
    "ETag", "etag", "md5Hash", "content_md5", "md5", "sha256", "generation", "LastModified", "last_modified", "mtime",
    "modificationTime", "timeModified", "last_write_time", "modified", "updated", "created",
)  # fmt: skip


def is_file(place: Location) -> bool:
    """Return whether a file is at a location.

    Raises:
        StorageError: The store does not answer.
    """
    if isinstance(place, Path):
        return os.path.isfile(place)  # noqa: PTH113 - False, not an error, for a text that can be no path
    try:
        return str(_info(place)["type"]) == "file"
    except (FileNotFoundError, NotADirectoryError):
        return False


def size_and_times(found: os.stat_result) -> str:
    """Return what tells a file of this machine from its like without reading it.

    The time of change of its content can be set back, as an unpacked archive does; that of its entry cannot.
    """
    return f"{found.st_size}:{found.st_mtime_ns}:{found.st_ctime_ns}"


def file_size(place: Remote) -> int:
    """Return the bytes of a file.

    Raises:
        FileNotFoundError: There is no such file.
        StorageError: The store does not answer.
    """
    info = _info(place)
    if info["type"] != "file":
        raise IsADirectoryError(place.name)
    return int(info["size"])


@contextmanager
def fetched(place: Location, *, most: int = MOST_FILE) -> Iterator[Path]:
    """Give a file as a path of this machine: itself, or a copy that goes afterwards.

    Args:
        place: Where it lies.
        most: Bytes that it may have where it has to be fetched.

    Raises:
        FileNotFoundError: There is no such file.
        StorageError: It is larger or may not be read, or the store does not answer.
    """
    if isinstance(place, Path):
        yield place
        return
    with tempfile.TemporaryDirectory(prefix="audit-fetch-") as folder:
        yield fetch(place, Path(folder), most=most)


@contextmanager
def fetched_files(place: Location, *, most: int = MOST_FILE) -> Iterator[Path]:
    """Give the files that lie directly in a folder, or one file, as a path of this machine; see `fetched`.

    Raises:
        FileNotFoundError: There is neither.
    """
    if isinstance(place, Path):
        yield place
        return
    with tempfile.TemporaryDirectory(prefix="audit-fetch-") as name:
        if is_file(place):
            yield fetch(place, Path(name), most=most)
            return
        inside = {r: s for r, s in sizes(place).items() if r.parent == place}
        if not inside:
            raise FileNotFoundError(place.name)
        if sum(inside.values()) > most:
            raise _too_large(most)
        folder = Path(name) / "files"
        folder.mkdir()
        for remote in sorted(inside):
            fetch(remote, folder, most=most)
        yield folder


def fetch(place: Remote, folder: Path, *, most: int = MOST_FILE, name: str | None = None) -> Path:
    """Copy one file into a folder of this machine and return the copy.

    Args:
        place: Where it lies.
        folder: Where the copy goes.
        most: Bytes that it may have.
        name: The copy's name; the file's own where None.
    """
    size = file_size(place)
    if size > most:
        raise _too_large(most)
    if size > _SPARE_DISK * shutil.disk_usage(folder).free:
        raise StorageError(
            "storage: a file is larger than the space left for temporary files", expected="room for it twice",
            got="less", fix="free some, or name a larger disk in TMPDIR",
        )  # fmt: skip
    target = folder / (name or place.name[-120:])
    system, path = place.filesystem()
    with storage_faults("reading a file"), target.open("xb") as out:
        taken = 0
        for data in _pieces(system, path, size):
            taken += len(data)
            # What grows while it is read does not get past the limit either.
            if taken > size:
                break
            out.write(data)
    if taken != size:
        raise StorageError(
            "storage: a file changed while it was read", expected=f"{size} bytes", got=f"{taken} or more",
            fix="run it again when nobody writes there",
        )  # fmt: skip
    return target


def read_bytes(place: Remote, *, most: int = MOST_FILE) -> bytes | None:
    """Return the bytes of a small file, None where there is none or it is larger than `most`.

    Raises:
        StorageError: The store does not answer.
    """
    system, path = place.filesystem()
    try:
        if file_size(place) > most:
            return None
        with storage_faults("reading a file"):
            data: bytes = system.cat_file(path)
            return data
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None


def _pieces(system: Any, path: str, size: int) -> Iterator[bytes]:
    if size == 0:
        return
    if size <= _AT_ONCE:
        # One byte more than it should have, so that a file that has grown is noticed.
        yield system.cat_file(path, start=0, end=size + 1)
        return
    with system.open(path, "rb", block_size=_CHUNK, cache_type="readahead") as stream:
        while data := stream.read(_CHUNK):
            yield data


def sizes(folder: Remote, *, most: int | None = None) -> dict[Remote, int]:
    """Return the files below a folder, at any depth, with their bytes; {} where nothing is there.

    Args:
        folder: The folder.
        most: How many files there may be.

    Raises:
        StorageError: There are more, or the store does not answer.
    """
    return {remote: int(info.get("size") or 0) for remote, info in _below(folder, most=most).items()}


def marks(places: Collection[Remote]) -> dict[Remote, str]:
    """Return, for those of many locations where a file or a folder is, a text that another content would change.

    Size and what the store says of the content, a digest or a time; of a folder that of all files in it.

    Raises:
        StorageError: The store does not answer, or refuses to.
    """
    found: dict[Remote, str] = {}
    for wanted in _by_bucket(places).values():
        if len(wanted) <= _ONE_BY_ONE:
            found |= _one_by_one(wanted)
            continue
        held = _below(_common(wanted))
        found |= {p: _mark(held[p]) for p in wanted if p in held}
        lacking = {p.path for p in wanted if p not in held}
        if lacking:
            found |= _folders(held, lacking)
    return found


def said_of(place: Remote) -> str:
    """Return what a store says of the content of a file, "" where it says nothing.

    Raises:
        FileNotFoundError: Nothing is there.
        StorageError: The store does not answer, or refuses to.
    """
    return _said(_info(place))


def there(places: Collection[Remote]) -> set[Remote]:
    """Return those of many locations where a file or a folder is; see `marks`."""
    return set(marks(places))


def _below(folder: Remote, *, most: int | None = None) -> dict[Remote, Mapping[str, Any]]:
    system, path = folder.filesystem()
    try:
        with storage_faults("listing a folder"):
            found = system.find(path, detail=True)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    if most is not None and len(found) > most:
        raise StorageError(
            "storage: a folder holds too many files", expected=f"at most {most}", got=str(len(found)),
            fix="name a folder that holds this alone",
        )  # fmt: skip
    held: dict[Remote, Mapping[str, Any]] = {}
    for name, info in found.items():
        inner = str(name).removeprefix(path).lstrip("/")
        # Some tools mark a folder by an empty object whose name ends in a slash.
        if info.get("type") == "file" and inner and not inner.endswith("/") and str(name).startswith(f"{path}/"):
            held[Remote(protocol=folder.protocol, path=f"{folder.path}/{inner}")] = info
    return held


def _one_by_one(places: Iterable[Remote]) -> dict[Remote, str]:
    found: dict[Remote, str] = {}
    for place in places:
        try:
            info = _info(place)
        except (FileNotFoundError, NotADirectoryError):
            continue
        if info["type"] == "file":
            found[place] = _mark(info)
        elif info["type"] == "directory":
            found |= _folders(_below(place), {place.path})
    return found


def _mark(info: Mapping[str, Any]) -> str:
    # A store that says nothing of the content might hold another one of the same size tomorrow.
    return f"{info.get('size')} {_said(info) or secrets.token_hex(16)}"


def _said(info: Mapping[str, Any]) -> str:
    return " ".join(f"{k}={info[k]}" for k in _SAID if info.get(k) is not None)


def _by_bucket(places: Iterable[Remote]) -> Mapping[tuple[str, str], list[Remote]]:
    parted: dict[tuple[str, str], list[Remote]] = {}
    for place in sorted(set(places)):
        parted.setdefault(place.bucket, []).append(place)
    return parted


def _common(places: list[Remote]) -> Remote:
    """Return the deepest folder that holds all."""
    parts = [p.path.split("/")[:-1] for p in (min(places), max(places))]
    shared = next((i for i, (a, b) in enumerate(zip(*parts, strict=False)) if a != b), min(map(len, parts)))
    return Remote(protocol=places[0].protocol, path="/".join(parts[0][:shared]))


def _folders(held: Mapping[Remote, Mapping[str, Any]], wanted: Collection[str]) -> dict[Remote, str]:
    """Return those of some paths that are folders of the files held."""
    inside: dict[Remote, list[str]] = {}
    for remote, info in sorted(held.items(), key=lambda item: item[0]):
        path = remote.path.rpartition("/")[0]
        while path:
            if path in wanted:
                inside.setdefault(replace(remote, path=path), []).append(_mark(info))
            path = path.rpartition("/")[0]
    return {folder: "; ".join(lines) for folder, lines in inside.items()}


def _info(place: Remote) -> Mapping[str, Any]:
    system, path = place.filesystem()
    with storage_faults("looking for a file"):
        info: Mapping[str, Any] = system.info(path)
        return info


def _too_large(most: int) -> FileTooLargeError:
    return FileTooLargeError(
        "storage: a file is too large to be fetched", expected=f"at most {most} bytes", got="more",
        fix="name a smaller file, or one on this machine",
    )  # fmt: skip
