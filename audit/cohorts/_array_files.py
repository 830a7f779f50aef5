"""Rows of .npy and .npz files, memory-mapped: one case is read, never the whole array."""

from __future__ import annotations

import shutil
import struct
import tempfile
import threading
import weakref
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from audit.cohorts._limits import MAX_VALUES, TOO_LARGE
from audit.errors import ReadError, StorageError
from audit.storage import Location, Remote, fetch

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from audit.cohorts._references import Reference

_LOCAL_HEADER = struct.Struct("<4s5H3L2H")
_SPARE_DISK = 0.5
_DAMAGED = "array file is damaged or holds objects that are not numbers"


class ArrayFiles:
    """Open arrays of one process, by file and key.

    A stored member of an .npz is mapped where it lies. A compressed one is unpacked once into a temporary file, which
    goes when the object does; a file of shared storage is copied there, since all its rows are asked for. Objects
    (pickle) are never read. A copy sent to a worker opens the files anew.
    """

    def __init__(self) -> None:
        self._start()

    def _start(self) -> None:
        self._open: dict[tuple[Location, str | None], NDArray[Any]] = {}
        self._copies: dict[Remote, Path] = {}
        self._lock = threading.Lock()
        self._folder: Path | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._start()

    def read(self, reference: Reference) -> NDArray[Any]:
        """Return the array, or the row of it, that a reference names.

        Raises:
            ReadError: Damaged, pickled, too large, no such array or no such row.
            FileNotFoundError: The file is not there.
        """
        try:
            array = self._array(reference.path, reference.key)
            if reference.row is not None:
                if array.ndim < 2 or reference.row >= array.shape[0]:
                    raise ReadError("row outside the array")
                array = array[reference.row]
            if array.size > MAX_VALUES:
                raise ReadError(TOO_LARGE)
            return np.array(array)
        except (ReadError, StorageError, FileNotFoundError, PermissionError):
            raise
        except Exception as error:  # a decoder may raise anything on bytes that are not what they claim to be
            raise ReadError(_DAMAGED) from error

    def _array(self, path: Location, key: str | None) -> NDArray[Any]:
        with self._lock:
            if (path, key) not in self._open:
                self._open[path, key] = self._opened(self._here(path), key)
            return self._open[path, key]

    def _here(self, path: Location) -> Path:
        if isinstance(path, Path):
            return path
        if path not in self._copies:
            self._copies[path] = fetch(path, self._temporary(), name=f"fetched-{len(self._copies)}{path.suffix}")
        return self._copies[path]

    def _temporary(self) -> Path:
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="audit-arrays-"))
            weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        return self._folder

    def _opened(self, path: Path, key: str | None) -> NDArray[Any]:
        if path.suffix.lower() == ".npy":
            if key is not None:
                raise ReadError("image reference names an array of an .npy file, which has only one")
            return np.lib.format.open_memmap(path, mode="r")
        with zipfile.ZipFile(path) as archive:
            info = _member(archive, key)
            if info.flag_bits & 1:
                raise ReadError("array file is encrypted")
            if info.compress_type == zipfile.ZIP_STORED:
                return _mapped(path, info)
            return self._unpacked(archive, info)

    def _unpacked(self, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> NDArray[Any]:
        with archive.open(info) as stream:
            _check_header(stream, info.file_size)
        folder = self._temporary()
        if info.file_size > _SPARE_DISK * shutil.disk_usage(folder).free:
            raise ReadError("array is larger than the space left for temporary files")
        target = folder / f"{len(self._open)}.npy"
        with archive.open(info) as stream, target.open("wb") as out:
            shutil.copyfileobj(stream, out, 1 << 20)
        return np.lib.format.open_memmap(target, mode="r")


def _member(archive: zipfile.ZipFile, key: str | None) -> zipfile.ZipInfo:
    names = [i for i in archive.infolist() if i.filename.endswith(".npy")]
    if key is None:
        if len(names) != 1:
            raise ReadError("image reference names no array of an .npz file that holds several")
        return names[0]
    for info in names:
        if info.filename == f"{key}.npy":
            return info
    raise ReadError("no such array in the .npz file")


def _check_header(stream: Any, size: int) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Return shape, order and type of an array, after checking that they account for the bytes that follow."""
    major = np.lib.format.read_magic(stream)[0]
    read = np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(stream)
    values = 1
    for length in shape:
        values *= int(length)
    if dtype.hasobject or stream.tell() + values * dtype.itemsize != size:
        raise ReadError(_DAMAGED)
    return shape, fortran, dtype


def _mapped(path: Path, info: zipfile.ZipInfo) -> NDArray[Any]:
    with path.open("rb") as stream:
        start = _start(stream, info)
        stream.seek(start)
        shape, fortran, dtype = _check_header(_Window(stream, start), info.file_size)
        offset = stream.tell()
    return np.memmap(path, dtype=dtype, mode="r", offset=offset, shape=shape, order="F" if fortran else "C")


def _start(stream: BinaryIO, info: zipfile.ZipInfo) -> int:
    stream.seek(info.header_offset)
    fields = _LOCAL_HEADER.unpack(stream.read(_LOCAL_HEADER.size))
    if fields[0] != b"PK\x03\x04":
        raise ReadError(_DAMAGED)
    return info.header_offset + _LOCAL_HEADER.size + int(fields[-2]) + int(fields[-1])


class _Window:
    """A member of an archive as a stream that starts at 0."""

    def __init__(self, stream: BinaryIO, start: int) -> None:
        self.stream, self.start = stream, start

    def read(self, size: int = -1) -> bytes:
        """Read on."""
        return self.stream.read(size)

    def tell(self) -> int:
        """Position from the member's start."""
        return self.stream.tell() - self.start
