"""Images that are read when asked for, never all at once."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from audit.errors import StorageError

if TYPE_CHECKING:
    from numpy.typing import NDArray


class ImageSource(Protocol):
    """Images that are read when asked for, never all at once."""

    def __len__(self) -> int:
        """Number of images."""
        ...

    def load(self, index: int) -> NDArray[Any]:
        """Return one image, (channels, *spatial) stored intensities.

        Raises:
            ReadError: The image cannot be read or does not fit; the message is the reason for setting it aside.
        """
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class SourceView:
    """Some images of a source, in a given order."""

    source: ImageSource
    rows: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.rows)

    def load(self, index: int) -> NDArray[Any]:
        """Return one image of the view; see `ImageSource.load`."""
        return self.source.load(int(self.rows[index]))


@dataclass(frozen=True, kw_only=True, eq=False)
class SeenView(SourceView):
    """A view of images that were read before: each is the same to the bit as it was then, or it is an error.

    What lies in files or in a bucket can change while an audit runs, and machines that should see the same files may
    not. Then answers to one image would stand beside measurements on another one.

    Args:
        digests: (n,) rows of 32 bytes, sha256 of each image as (channels, *spatial) float32.
    """

    digests: NDArray[np.uint8]

    def load(self, index: int) -> NDArray[Any]:
        """Return one image of the view; see `ImageSource.load`.

        Raises:
            StorageError: It is another image than before.
        """
        image = super().load(index)
        if image_digest(image) != self.digests[index].tobytes():
            raise StorageError(
                "an image is no longer the one that the model was asked about first",
                expected="images that stay the same while they are audited, and are the same for every worker",
                got="another content at the same place",
                fix="run it again with --resume when nobody writes to the cohort",
            )  # fmt: skip
        return image


def seen_view(source: ImageSource, digests: NDArray[np.uint8]) -> ImageSource:
    """Return a source whose images are held against what was read of them, where they lie in files.

    Args:
        source: The source.
        digests: (n, 32) uint8, sha256 of each image.
    """
    inner: Any = source
    while isinstance(inner, SourceView):
        inner = inner.source
    if not hasattr(inner, "on_disk"):
        return source
    return SeenView(source=source, rows=np.arange(len(source)), digests=digests)


def image_digest(image: NDArray[Any]) -> bytes:
    """Return the sha256 of an image, as float32 and without its shape."""
    return hashlib.sha256(np.ascontiguousarray(image, dtype=np.float32).data).digest()
