"""Images that are read when asked for, never all at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np
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
