"""How large an image may be."""

from __future__ import annotations

MAX_VALUES = 2**28
"""Values of one image at most: 1 GiB as float32, a volume of 640 x 640 x 640."""

MAX_PIXELS = 89_478_485
"""Pixels of one raster frame at most, Pillow's own line against decompression bombs."""

TOO_LARGE = "image is too large to be read"
