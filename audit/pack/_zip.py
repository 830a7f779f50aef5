"""One way to write a pack's files as a zip, so that equal files make equal bytes."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

SUFFIX = ".zip"
# The first moment that a zip can name; a time of its own would make two equal packs differ.
_TIME = (1980, 1, 1, 0, 0, 0)
_REGULAR = 0o100644


def write_zip(files: Mapping[str, bytes]) -> bytes:
    """Return a zip of the files in the order of their names, with fixed times and modes.

    Nothing is compressed: compressors of two machines give different bytes, and a reader who wants to know whether a
    zip holds anything beside its files makes it again and compares.

    Args:
        files: Bytes by path inside the zip.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as out:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _TIME)
            entry.create_system = 3
            entry.external_attr = _REGULAR << 16
            out.writestr(entry, files[name])
    return buffer.getvalue()
