"""Whether a report is the one that its evidence gives, to the byte but for what libraries of others pack and draw."""

from __future__ import annotations

import base64
import hashlib
import io
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from audit.core import Evidence
from audit.errors import AuditError
from audit.evidence import Arrays, suppress

SAYS = "does not say what evidence.json says"
# What is compared by its content: two libraries pack the same text, or the same picture, in other bytes.
_PIECES = re.compile(
    rb'<script type="text/plain" id="(?P<packed>figures|plotly)-gzip">(?P<text>[^\n/]*)(?=</script>)'
    rb'|src="data:image/png;base64,(?P<picture>[A-Za-z0-9+/=]*)(?=")'
)
# RFC 1924 without a slash, so that no text of it can end its element.
_BASE_85 = re.compile(rb"[0-9A-Za-z!#$%&()*+\-;<=>?@^_`{|}~]*")
_BASE_64 = re.compile(rb"[A-Za-z0-9+/=]*")
_ODD = re.compile(r"[^0-9A-Za-z.+-]")
_MOST = 256 * 2**20
_INSIDE = re.compile(rb"<(/?)(style|script|svg)\b", re.IGNORECASE)
_TAG = re.compile(rb"<([a-z]+)", re.IGNORECASE)
_NAMED = {
    b"style": "has another style sheet", b"script": "has another script", b"svg": "has another drawing",
    b"meta": "has another policy on what may run in it", b"link": "loads other files", b"base": "loads other files",
    b"img": "has other pictures", b"iframe": "has a frame",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Compared:
    """What became of a report that was held against its evidence.

    Args:
        fault: What is another, in words; empty: nothing that was compared.
        unseen: What could not be compared, in words; empty: nothing.
    """

    fault: str = ""
    unseen: str = ""


def compare_report(evidence: Evidence, arrays: Arrays, page: bytes) -> Compared:
    """Make a report again from evidence and arrays, and hold a page against it.

    Text, tables, drawings, styles, scripts and the page's policy on what may run must be the same to the byte. Pictures
    are compared by their pixels, interactive figures by their numbers. Plotly's own script is the one of this machine,
    or nothing is known of it.

    Args:
        evidence: The run.
        arrays: Reads the arrays of its figures.
        page: The report's bytes.
    """
    from audit.report import render

    shared = suppress(evidence, int(evidence.run.get("min_cell", 0)))
    try:
        made = render(shared, arrays).encode()
    except (AuditError, OSError, ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        return Compared(fault=f"cannot be made again from evidence.json: {type(error).__name__}")
    if made == page:
        return Compared()
    made, unseen = _with_their_library(made, page, evidence)
    return Compared(fault=_first_difference(made, page), unseen=unseen)


def _with_their_library(made: bytes, page: bytes, evidence: Evidence) -> tuple[bytes, str]:
    """Return the page as it is with the script of another Plotly, where the run names another; and what that leaves."""
    mine, theirs = _library(made), _library(page)
    ours = _installed()
    stated = _stated(evidence)
    if mine is None or theirs is None or stated in ("", ours):
        return made, ""
    here, there = (_unpacked(text) for text in (mine, theirs))
    if here is None or there is None or here == there:
        return made, ""
    made = made.replace(_digest(here), _digest(there), 1).replace(mine, theirs, 1)
    return made, (
        f"report.html holds the script of Plotly {stated}, here is {ours}: that script, which runs where the report is "
        "opened, was not compared. Everything else in the report was."
    )


def _stated(evidence: Evidence) -> str:
    """Return the version of Plotly that a run names, which anybody may have written."""
    machine = evidence.run.get("machine")
    packages = machine.get("packages") if isinstance(machine, Mapping) else None
    said = packages.get("plotly") if isinstance(packages, Mapping) else None
    return _ODD.sub("", str(said or ""))[:20]


def _installed() -> str:
    from importlib import metadata

    try:
        return metadata.version("plotly")
    except metadata.PackageNotFoundError:
        return ""


def _library(page: bytes) -> bytes | None:
    found = next((m for m in _PIECES.finditer(page) if m["packed"] == b"plotly"), None)
    return None if found is None else found["text"]


def _digest(script: bytes) -> bytes:
    return b"'sha256-" + base64.b64encode(hashlib.sha256(script).digest()) + b"'"


def _first_difference(made: bytes, page: bytes) -> str:
    """Return what the first difference is, empty where there is none.

    Both pages are walked together: between the pieces every byte must agree, so nothing of the other page is skipped.
    """
    at = last = 0
    for piece in _PIECES.finditer(made):
        kind = "picture" if piece["picture"] is not None else "text"
        start, end = piece.span(kind)
        if page[at : at + start - last] != made[last:start]:
            return _where(made, last, page[at:])
        at += start - last
        stop = page.find(made[end : end + 1] if kind == "picture" else b"</script>", at)
        theirs = page[at:stop] if stop >= 0 else b""
        if theirs != piece[kind] and not (stop >= 0 and _SAME[kind](piece[kind], theirs)):
            return "has other pictures" if kind == "picture" else "has other interactive figures, or another script"
        at, last = stop, end
    return "" if page[at:] == made[last:] else _where(made, last, page[at:])


def _where(made: bytes, last: int, rest: bytes) -> str:
    """Return what the place is in which two pages part."""
    mine = made[last:]
    parted = next((i for i, (a, b) in enumerate(zip(mine, rest, strict=False)) if a != b), min(len(mine), len(rest)))
    opened = b""
    for tag in _INSIDE.finditer(made, 0, last + parted):
        opened = b"" if tag[1] else tag[2].lower()
    # Outside of all of these the element itself may be another one, or be one where none should be.
    begun = {_element(text, parted) for text in (mine, rest)}
    return _NAMED.get(opened) or next((_NAMED[name] for name in sorted(begun & _NAMED.keys())), SAYS)


def _element(text: bytes, place: int) -> bytes:
    """Return the name of the element in whose tag a place is, or which begins there."""
    found = _TAG.match(text, max(text.rfind(b"<", 0, place + 1), 0))
    return found[1].lower() if found and place <= text.find(b">", found.start()) else b""


def _same_text(mine: bytes, theirs: bytes) -> bool:
    """Tell whether two packed texts are one text.

    `<script` inside of a script's text would make a browser read on behind the element's end.
    """
    if not _BASE_85.fullmatch(theirs) or b"<script" in theirs.lower():
        return False
    found = _unpacked(theirs)
    return found is not None and found == _unpacked(mine)


def _unpacked(text: bytes) -> bytes | None:
    """Return what was packed as gzip in base 85; None where it is no such text, or too much."""
    reader = zlib.decompressobj(wbits=31)
    try:
        found = reader.decompress(base64.b85decode(text), _MOST)
    except (ValueError, zlib.error):
        return None
    return found if reader.eof and not reader.unused_data else None


def _same_picture(mine: bytes, theirs: bytes) -> bool:
    """Tell whether two PNG files have the same pixels, and nothing beside them that changes how they look."""
    if not _BASE_64.fullmatch(theirs):
        return False
    import numpy as np
    from PIL import Image

    try:
        held, other = (base64.b64decode(text, validate=True) for text in (mine, theirs))
        if _chunks(held) != _chunks(other):
            return False
        first, second = (Image.open(io.BytesIO(data), formats=("PNG",)) for data in (held, other))
        return first.mode == second.mode and bool(np.array_equal(np.asarray(first), np.asarray(second)))
    except (ValueError, OSError, SyntaxError):
        return False


def _chunks(data: bytes) -> tuple[bytes, frozenset[bytes]]:
    """Return the head of a PNG file, with its size, and the kinds of its parts.

    Raises:
        ValueError: It is none, or has parts beside head, pixels and end, or bytes after them.
    """
    if data[:8] != b"\x89PNG\r\n\x1a\n":
        raise ValueError("no PNG")
    kinds, at, head = set(), 8, b""
    while at < len(data):
        size, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        head = head or data[at : at + 8 + size]
        kinds.add(kind)
        at += 12 + size
        if kind == b"IEND":
            break
    if at != len(data) or not kinds <= {b"IHDR", b"IDAT", b"IEND"}:
        raise ValueError("other parts")
    return head, frozenset(kinds)


_SAME = {"text": _same_text, "picture": _same_picture}
