"""How large an image may be, and what a damaged file raises."""

from __future__ import annotations

import struct
import zlib

MAX_VALUES = 2**28
"""Values of one image at most: 1 GiB as float32, a volume of 640 x 640 x 640."""

MAX_PIXELS = 89_478_485
"""Pixels of one raster frame at most, Pillow's own line against decompression bombs."""

TOO_LARGE = "image is too large to be read"

DAMAGED = (
    OSError, ValueError, TypeError, KeyError, IndexError, AttributeError, NotImplementedError, EOFError, SyntaxError,
    OverflowError, ArithmeticError, MemoryError, RuntimeError, struct.error, zlib.error,
)  # fmt: skip
"""What decoders raise on bytes that are not what they claim to be; never a bare `Exception`, so that ours pass."""
