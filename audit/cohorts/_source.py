"""Images and masks of a cohort, read one by one from their files."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from audit.cohorts._array_files import ArrayFiles
from audit.cohorts._dicom import read_dicom
from audit.cohorts._fit import fit, with_channels
from audit.cohorts._limits import MAX_VALUES, TOO_LARGE
from audit.cohorts._machine import fault_of_machine, machine_error
from audit.cohorts._nifti import read_nifti
from audit.cohorts._patience import TooSlowError, within
from audit.cohorts._preflight import readable
from audit.cohorts._raster import read_raster
from audit.cohorts._references import NOT_FOUND, Reference, resolve
from audit.cohorts._sample import content_sample
from audit.cohorts._stored import Stored
from audit.core import READ_SECONDS, canonical_json
from audit.errors import FileTooLargeError, ReadError, StorageError
from audit.storage import Location, Remote, fetched, fetched_files, file_size, marks, size_and_times

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from audit.core import InputSpec

# The most values that an image may have, each of eight bytes.
_MOST_BYTES = 8 * MAX_VALUES


@dataclass(frozen=True, kw_only=True, eq=False)
class FileSource:
    """Images that lie in files; nothing is opened before it is asked for, and it can be sent to a worker.

    Args:
        references: (n,) text, the image cells of the manifest.
        folder: The manifest's folder.
        root: The folder of audit.toml.
        input: What the model receives.
        seconds: How long one image may take to be read.
    """

    references: NDArray[np.str_]
    folder: Location
    root: Path
    input: InputSpec
    seconds: float = READ_SECONDS
    files: ArrayFiles = field(default_factory=ArrayFiles, repr=False)

    def __len__(self) -> int:
        return len(self.references)

    def load(self, index: int) -> NDArray[np.float32]:
        """Return one image, (channels, *spatial) float32 stored intensities; see `ImageSource.load`."""
        image = self.stored(index)
        return fit(image.values, self.input, spacing=image.spacing)

    def stored(self, index: int) -> Stored:
        """Return one image as it is stored, before any check of its size.

        Raises:
            ReadError: The image cannot be read; the message holds no path and no id.
            StorageError: Shared storage does not give it, or a network disk or the memory of this machine has gone:
                nothing follows from that for the case.
        """
        reference = resolve(str(self.references[index]), folder=self.folder, root=self.root)
        if isinstance(reference.path, Path) and not readable(reference.path):
            raise ReadError(NOT_FOUND)
        try:
            return within(self.seconds, self._read, reference)
        except FileNotFoundError:
            raise ReadError(NOT_FOUND) from None
        except PermissionError:
            raise ReadError("image file may not be read (permission)") from None
        except TooSlowError as error:
            if isinstance(reference.path, Remote):
                raise _no_answer(self.seconds) from error
            raise
        except ReadError as error:
            fault = fault_of_machine(error)
            if fault is not None:
                raise machine_error(fault) from error
            raise
        except IsADirectoryError:
            raise ReadError("image reference names a folder") from None
        except FileTooLargeError:
            raise ReadError(TOO_LARGE) from None

    def on_disk(self, index: int) -> tuple[str, int]:
        """Return the suffix of an image's file, in small letters, and its size in bytes.

        Raises:
            ReadError: The reference names no file that can be looked at.
        """
        reference = resolve(str(self.references[index]), folder=self.folder, root=self.root)
        path = reference.path
        try:
            return path.suffix.lower(), file_size(path) if isinstance(path, Remote) else path.stat().st_size
        except OSError:
            raise ReadError(NOT_FOUND) from None

    def sample(self, index: int) -> str:
        """Return what a few pieces of an image's file tell of its content; see `content_sample`.

        Raises:
            ReadError: The reference names no file that can be read.
        """
        reference = resolve(str(self.references[index]), folder=self.folder, root=self.root)
        try:
            return content_sample(reference.path)
        except OSError:
            raise ReadError(NOT_FOUND) from None

    def mark(self) -> str:
        """Return a digest over the references, and over size and times of change of the files that they name."""
        whole = hashlib.sha256(canonical_json([self.input, self.references.tolist()]).encode())
        places = self._places()
        for path in sorted(p for p in places if isinstance(p, Path)):
            for file in sorted(path.iterdir()) if path.is_dir() else [path]:
                try:
                    found = file.stat()
                except OSError:
                    whole.update(b"absent\n")
                else:
                    whole.update(f"{size_and_times(found)}\n".encode())
        remote = sorted(p for p in places if isinstance(p, Remote))
        said = marks(remote)
        for place in remote:
            whole.update(f"{said.get(place, 'absent')}\n".encode())
        return whole.hexdigest()

    def _places(self) -> set[Location]:
        places: set[Location] = set()
        for cell in np.unique(self.references):
            try:
                places.add(resolve(str(cell), folder=self.folder, root=self.root).path)
            except ReadError:
                # A cell that names no file stands in the references already.
                continue
        return places

    def _read(self, reference: Reference) -> Stored:
        if reference.kind == "array":
            return Stored(with_channels(self.files.read(reference), self.input))
        place = reference.path
        # A DICOM reference may be the folder of a series.
        get = fetched_files if reference.kind == "dicom" else fetched
        with get(place, most=_MOST_BYTES) as path:
            if reference.kind == "dicom":
                return read_dicom(path, self.input.orientation)
            if reference.kind == "nifti":
                return read_nifti(path, self.input.orientation)
            return Stored(read_raster(path))

    def sized(self) -> FileSource:
        """Return the source with the model's size filled in from its first readable image, where none is declared.

        Images of several sizes cannot be answered in one batch, and a size that depended on which cases are looked at
        would make the ledger depend on it, too.
        """
        if self.input.size:
            return self
        for index in range(len(self)):
            try:
                shape = self.load(index).shape[1:]
            except ReadError:
                continue
            return replace(self, input=replace(self.input, size=tuple(int(s) for s in shape)))
        return self


@dataclass(frozen=True, kw_only=True, eq=False)
class MaskSource:
    """Lesion masks or reference segmentations.

    Args:
        source: The masks' files; its `input` has one channel.
        binary: True: every value above 0 is 1; False: values are class indices.
    """

    source: FileSource
    binary: bool = True

    def __len__(self) -> int:
        return len(self.source)

    def load(self, index: int) -> NDArray[np.float32]:
        """Return one mask, (1, *spatial) float32, on the grid of the model's input; see `ImageSource.load`."""
        cell = str(self.source.references[index])
        if not cell:
            raise ReadError("no mask for this case")
        if cell.lower().endswith((".jpg", ".jpeg")):
            raise ReadError("mask in a lossy format")
        values, spacing = self.source.stored(index)
        if values.shape[0] == 3 and (values == values[:1]).all():
            values = values[:1]
        mask = fit(values, self.source.input, nearest=True, spacing=spacing)
        return (mask > 0).astype(np.float32) if self.binary else mask


def _no_answer(seconds: float) -> StorageError:
    return StorageError(
        "storage: reading an image did not end in time", expected=f"at most {seconds:g} s", got="no end",
        fix="check the network and run it again with --resume, or raise read_timeout under [cohort]",
    )  # fmt: skip
