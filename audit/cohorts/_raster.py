"""PNG, JPEG and TIFF: the values as they are stored."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.cohorts._limits import MAX_PIXELS, MAX_VALUES, TOO_LARGE
from audit.errors import ReadError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SIXTEEN_BIT_COLOUR = "16-bit colour image: its values cannot be read in full depth"
_BITS_PER_SAMPLE = 258
_PLAIN = {"L", "RGB", "F", "I"}


def read_raster(path: Path) -> NDArray[Any]:
    """Return the stored values of a raster image.

    Palettes are looked up, one-bit images become 0 and 255, CMYK becomes RGB, the EXIF orientation is applied, and an
    opaque alpha channel is dropped. Nothing is rescaled: a 16-bit file gives 0 to 65535.

    Args:
        path: A PNG, JPEG or TIFF file.

    Returns:
        (1, h, w) or (3, h, w); a TIFF of several frames is a volume, (1, frames, h, w).

    Raises:
        ReadError: Damaged, too large, half-transparent, or of a depth that would be cut.
    """
    from PIL import Image

    try:
        with Image.open(path, formats=("PNG", "JPEG", "TIFF")) as image:
            frames = int(getattr(image, "n_frames", 1))
            if image.width * image.height > MAX_PIXELS or image.width * image.height * frames * 4 > MAX_VALUES * 4:
                raise ReadError(TOO_LARGE)
            _refuse_cut_depth(image, path)
            if frames == 1:
                return _frame(image)
            return _volume(image, frames)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise ReadError(TOO_LARGE) from None
    except (ReadError, FileNotFoundError, PermissionError):
        raise
    except Exception as error:  # a decoder may raise anything on bytes that are not what they claim to be
        raise ReadError("image file is damaged or is not of the format that its name says") from error


def _refuse_cut_depth(image: Any, path: Path) -> None:
    # Pillow reads 16-bit colour as 8-bit without a word; intensities of another depth would pass as those declared.
    if image.format == "PNG":
        with path.open("rb") as stream:
            head = stream.read(26)
        if len(head) == 26 and head[24] == 16 and head[25] != 0:
            raise ReadError(_SIXTEEN_BIT_COLOUR)
    if image.format == "TIFF":
        bits = image.tag_v2.get(_BITS_PER_SAMPLE, (1,))
        if len(bits) > 1 and max(bits) > 8:
            raise ReadError(_SIXTEEN_BIT_COLOUR)


def _volume(image: Any, frames: int) -> NDArray[Any]:
    if image.format != "TIFF":
        raise ReadError("animated image")
    planes = []
    for index in range(frames):
        image.seek(index)
        plane = _frame(image)
        if plane.shape[0] != 1:
            raise ReadError("TIFF of several colour frames")
        planes.append(plane[0])
    if len({p.shape for p in planes}) != 1:
        raise ReadError("TIFF whose frames differ in size")
    return np.stack(planes)[None]


def _frame(image: Any) -> NDArray[Any]:
    from PIL import ImageOps

    mode = image.mode
    if mode == "P":
        image = image.convert("RGBA" if "transparency" in image.info else "RGB")
    elif mode == "PA":
        image = image.convert("RGBA")
    elif mode == "CMYK" or mode == "YCbCr":
        image = image.convert("RGB")
    elif mode == "1":
        image = image.convert("L")
    elif mode not in _PLAIN and not mode.startswith("I;16") and mode not in ("LA", "RGBA"):
        raise ReadError("raster image of an unsupported colour mode")
    values = np.asarray(ImageOps.exif_transpose(image))
    if image.mode in ("LA", "RGBA"):
        values = _without_alpha(values)
    return values[None] if values.ndim == 2 else np.moveaxis(values, -1, 0)


def _without_alpha(values: NDArray[Any]) -> NDArray[Any]:
    if (values[..., -1] != 255).any():
        raise ReadError("image with transparent pixels")
    colour = values[..., :-1]
    return colour[..., 0] if colour.shape[-1] == 1 else colour
