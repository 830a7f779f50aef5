"""Git's own objects, read as bytes: a commit without its signature, and the way through trees to a file."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

_NAME = re.compile(rb"[0-9a-f]{40}|[0-9a-f]{64}")
_COMMITTER = re.compile(rb"([^\n]*) <([^<>\n]*)> (\d{1,12}) [+-]\d{4}")
_Trees = dict[str, dict[bytes, tuple[bytes, str]]]
_SIGNATURES = {40: b"gpgsig", 64: b"gpgsig-sha256"}


@dataclass(frozen=True, kw_only=True)
class Commit:
    """A commit.

    Args:
        name: Its id (hex).
        tree: Id (hex) of its tree.
        committer: Name and address of who made it.
        when: When, as its maker's machine states.
        signature: The signature as armoured text, empty where it has none.
        signed: What that signature covers: the commit without it.
    """

    name: str
    tree: str
    committer: str
    when: dt.datetime
    signature: bytes
    signed: bytes


def read_commit(data: bytes) -> Commit:
    """Return a commit object, as `git cat-file commit` prints it.

    Args:
        data: Its bytes.

    Raises:
        ValueError: It is no commit that git would write.
    """
    head, blank, message = data.partition(b"\n\n")
    if not blank:
        raise ValueError("no blank line")
    headers = _headers(head)
    names = [name for name, _ in headers]
    if not names or names[0] != b"tree" or any(names.count(n) != 1 for n in (b"tree", b"author", b"committer")):
        raise ValueError("not one tree, author and committer")
    first = dict(headers)
    tree = first[b"tree"]
    by = _COMMITTER.fullmatch(first[b"committer"])
    if _NAME.fullmatch(tree) is None or by is None:
        raise ValueError("no tree or no time")
    own = _SIGNATURES[len(tree)]
    if names.count(own) > 1:
        raise ValueError("two signatures")
    kept = [(n, v) for n, v in headers if n not in _SIGNATURES.values()]
    signed = b"".join(n + b" " + v.replace(b"\n", b"\n ") + b"\n" for n, v in kept) + b"\n" + message
    return Commit(
        name=object_id("commit", data, len(tree)), tree=tree.decode(),
        committer=f"{by[1].decode(errors='replace')} <{by[2].decode(errors='replace')}>".strip(),
        when=dt.datetime.fromtimestamp(int(by[3]), dt.UTC), signature=first.get(own, b""), signed=signed,
    )  # fmt: skip


def _headers(head: bytes) -> list[tuple[bytes, bytes]]:
    found: list[tuple[bytes, bytes]] = []
    for line in head.split(b"\n"):
        if line.startswith(b" ") and found:
            found[-1] = (found[-1][0], found[-1][1] + b"\n" + line[1:])
            continue
        name, space, value = line.partition(b" ")
        if not name or not space:
            raise ValueError("a line without a name")
        found.append((name, value))
    return found


def object_id(kind: str, data: bytes, length: int) -> str:
    """Return the id (hex) that git gives an object.

    Args:
        kind: "commit", "tree" or "blob".
        data: Its bytes.
        length: 40 for repositories that name by SHA-1, 64 for SHA-256.
    """
    whole = b"%s %d\0%s" % (kind.encode(), len(data), data)
    hashed = hashlib.sha1(whole, usedforsecurity=False) if length == 40 else hashlib.sha256(whole)
    return hashed.hexdigest()


def path_of(blob: str, root: str, trees: Sequence[bytes]) -> str | None:
    """Return the path at which a tree holds a file, None where the trees that are given do not lead to it.

    Args:
        blob: Id (hex) of the file.
        root: Id (hex) of the tree of the commit.
        trees: Tree objects.

    Raises:
        ValueError: One of them is no tree that git would write.
    """
    way = _way_to(blob, root, _known(root, trees))
    return None if way is None else b"/".join(way).decode(errors="replace")


def _known(root: str, trees: Sequence[bytes]) -> _Trees:
    return {object_id("tree", t, len(root)): dict(_entries(t, len(root) // 2)) for t in trees}


def _way_to(blob: str, root: str, known: _Trees) -> tuple[bytes, ...] | None:
    # A tree that stands in several places is looked into once, so that no arrangement of trees takes long.
    waiting: list[tuple[tuple[bytes, ...], str]] = [((), root)]
    seen = {root}
    while waiting:
        prefix, at = waiting.pop(0)
        for name, (mode, id_) in known.get(at, {}).items():
            way = (*prefix, name)
            # A link's text is a blob, too, but no file.
            if mode in (b"100644", b"100755") and id_ == blob:
                return way
            if mode == b"40000" and id_ not in seen:
                seen.add(id_)
                waiting.append((way, id_))
    return None


@dataclass(frozen=True, kw_only=True)
class Beside:
    """What stands beside a file in the trees that lead to it; only names are known of it.

    Args:
        suffix: Suffix of the file.
        files: Entries of its folder that are no folders, without it.
        alike: Those of them with its suffix.
        above: Entries of the folders above that are no folders.
        folders: Folders that the way to it does not lead through.
    """

    suffix: str
    files: int
    alike: int
    above: int
    folders: int


def beside(blob: str, root: str, trees: Sequence[bytes]) -> Beside | None:
    """Return what stands beside a file, None where the trees that are given do not lead to it.

    Args:
        blob: Id (hex) of the file.
        root: Id (hex) of the tree of the commit.
        trees: Tree objects.

    Raises:
        ValueError: One of them is no tree that git would write.
    """
    known = _known(root, trees)
    way = _way_to(blob, root, known)
    if way is None:
        return None
    at, above, folders = root, 0, 0
    for folder in way[:-1]:
        inside = [mode == b"40000" for n, (mode, _) in known[at].items() if n != folder]
        above, folders = above + inside.count(False), folders + inside.count(True)
        at = known[at][folder][1]
    others = [(n, mode == b"40000") for n, (mode, _) in known[at].items() if n != way[-1]]
    files = [_suffix(n) for n, is_folder in others if not is_folder]
    own = _suffix(way[-1])
    return Beside(
        suffix=own, files=len(files), alike=files.count(own), above=above, folders=folders + len(others) - len(files)
    )


def _suffix(name: bytes) -> str:
    return PurePosixPath(name.decode(errors="replace")).suffix.lower()


def line_ends(text: bytes) -> tuple[bytes, ...]:
    """Return a text with the line ends of other systems, where they are others than its own."""
    plain = text.replace(b"\r\n", b"\n")
    return tuple(x for x in (plain, plain.replace(b"\n", b"\r\n")) if x != text)


def _entries(tree: bytes, size: int) -> Iterator[tuple[bytes, tuple[bytes, str]]]:
    at, seen = 0, set()
    while at < len(tree):
        end = tree.index(b"\0", at)
        mode, space, name = tree[at:end].partition(b" ")
        id_ = tree[end + 1 : end + 1 + size]
        if not space or not name or b"/" in name or name in seen or len(id_) != size:
            raise ValueError("no tree")
        seen.add(name)
        yield name, (mode, id_.hex())
        at = end + 1 + size
