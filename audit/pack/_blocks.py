"""What a document of a pack is made of; one template draws all of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audit.report.phrases import limit_text

__all__ = [
    "Block", "Cell", "Document", "Drawing", "Facts", "Heading", "Link", "Listing", "Mark", "Record", "Table", "Text",
    "ToFill", "limit_text", "row",
]  # fmt: skip


@dataclass(frozen=True)
class Mark:
    """A status in a cell: a word and a sign, never colour alone."""

    status: str
    kind: str = "mark"


@dataclass(frozen=True)
class Link:
    """A way to another file of the pack."""

    text: str
    href: str
    kind: str = "link"


Cell = str | Mark | Link | tuple["str | Mark | Link", ...]


@dataclass(frozen=True, kw_only=True)
class Heading:
    """A heading inside a document."""

    text: str
    kind: str = "heading"


@dataclass(frozen=True, kw_only=True)
class Text:
    """A paragraph; `tone` is "", "note" or "warn"."""

    text: str
    tone: str = ""
    kind: str = "text"


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Names with what is said of them."""

    rows: tuple[tuple[str, Cell], ...]
    title: str = ""
    kind: str = "facts"


@dataclass(frozen=True, kw_only=True)
class Listing:
    """Sentences one below the other."""

    items: tuple[str, ...]
    kind: str = "listing"


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table; the first cell of a row names it, columns in `numbers` are set to the right."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    numbers: tuple[int, ...] = ()
    kind: str = "table"

    def __post_init__(self) -> None:
        if any(len(r) != len(self.head) for r in self.rows):
            raise ValueError(f"{self.caption}: a row has other columns than the head")


@dataclass(frozen=True, kw_only=True)
class Record:
    """One test on a card of its own, which is not broken over two pages."""

    title: str
    status: str
    rows: tuple[tuple[str, Cell], ...]
    anchor: str
    kind: str = "record"


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """A picture of ours as SVG, whose texts were escaped, and what it shows in words."""

    svg: str
    title: str
    kind: str = "drawing"


@dataclass(frozen=True, kw_only=True)
class ToFill:
    """Lines that a person fills in by hand or in another document."""

    labels: tuple[str, ...]
    lines: int = 1
    kind: str = "fill"


Block = Heading | Text | Facts | Listing | Table | Record | Drawing | ToFill


@dataclass(frozen=True, kw_only=True)
class Document:
    """One document of a pack.

    Args:
        id: Short name, in the crosswalk and in the file's name.
        title: Heading.
        purpose: What it is for, in one sentence.
        blocks: Its content.
        source: Files of the pack that it was made from.
    """

    id: str
    title: str
    purpose: str
    blocks: tuple[Block, ...]
    source: tuple[str, ...] = ("run/evidence.json",)


def row(*cells: Cell) -> tuple[Cell, ...]:
    """Return the cells of one row, with words where there is nothing."""
    return tuple(c if c != "" else "not stated" for c in cells)


def joined(parts: Sequence[str], empty: str = "none") -> str:
    """Return texts in one cell, or a word where there are none."""
    return "; ".join(p for p in parts if p) or empty
