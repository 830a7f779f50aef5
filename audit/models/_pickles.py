"""What a pickle would import, read without running it."""

from __future__ import annotations

import pickletools
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import IO

_STRINGS = frozenset(
    ("SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "UNICODE", "STRING", "BINSTRING", "SHORT_BINSTRING")
)
_HARMLESS = ("collections.OrderedDict", "torch._utils._rebuild_", "torch._tensor._rebuild_")
_STORAGE = ("Storage", "float32", "float64", "float16", "bfloat16", "int64", "int32", "uint8", "bool", "Size", "device")
_MEMBERS = 200


def unsafe_globals(file: Path) -> tuple[str, ...]:
    """Return the objects beyond plain tensors that the pickles of a file would import, in order of appearance.

    Args:
        file: A pickle, a joblib file, or a zip that holds pickles, as torch.save writes it.

    Returns:
        Names such as "posix.system"; empty where none can be found, which is no proof that there is none.
    """
    names: dict[str, None] = {}
    for stream in _pickles(file):
        for name in _globals(stream):
            if not name.startswith(_HARMLESS) and not (name.startswith("torch.") and name.endswith(_STORAGE)):
                names[name] = None
    return tuple(names)


def _pickles(file: Path) -> Iterator[IO[bytes]]:
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            for member in archive.namelist()[:_MEMBERS]:
                if member.endswith(".pkl"):
                    yield BytesIO(archive.read(member))
        return
    with file.open("rb") as stream:
        yield stream


def _globals(stream: IO[bytes]) -> Iterator[str]:
    """Yield every global of the pickles that follow each other in a stream, until something else comes."""
    strings: list[str] = []
    memo: dict[int, str] = {}
    try:
        while True:
            for code, argument, _ in pickletools.genops(stream):
                if code.name in _STRINGS:
                    strings.append(str(argument))
                elif code.name == "MEMOIZE":
                    memo[len(memo)] = strings[-1] if strings else ""
                elif code.name in ("BINPUT", "LONG_BINPUT", "PUT") and isinstance(argument, int):
                    memo[argument] = strings[-1] if strings else ""
                elif code.name in ("BINGET", "LONG_BINGET", "GET") and isinstance(argument, int):
                    strings.append(memo.get(argument, ""))
                elif code.name in ("GLOBAL", "INST"):
                    yield str(argument).replace(" ", ".")
                elif code.name == "STACK_GLOBAL" and len(strings) >= 2:
                    yield f"{strings[-2]}.{strings[-1]}"
    except (ValueError, IndexError, KeyError, UnicodeDecodeError, OverflowError, MemoryError):
        return
