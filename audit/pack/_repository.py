"""A commit and the trees on the way to a file, taken out of a repository or a bundle by git; nothing is changed."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from shlex import quote

from audit.errors import InputError
from audit.pack._git import line_ends, object_id
from audit.pack._proof import said

_SECONDS = 120
# Objects as they are stored: nothing put in their place, nothing fetched, nobody asked.
_ENVIRONMENT = {
    "GIT_NO_REPLACE_OBJECTS": "1", "GIT_NO_LAZY_FETCH": "1", "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0",
}  # fmt: skip


def commit_objects(repository: Path, revision: str, policy_file: bytes | None) -> tuple[bytes, tuple[bytes, ...]]:
    """Return a commit and the trees that lead from it to a file, as bytes.

    Args:
        repository: A repository, or the file of a git bundle.
        revision: The commit, as git understands it: HEAD, a tag, an id.
        policy_file: Content of the file; None or another content: the root tree alone.

    Raises:
        InputError: git is not installed, or finds no such repository or commit, or the commit holds the file with other
            line ends.
    """
    if not repository.is_file():
        return _objects(repository, revision, policy_file)
    with tempfile.TemporaryDirectory() as folder:
        _git(Path(folder), "clone", "--quiet", "--bare", "--", str(repository.resolve()), "bundle.git", protocol="file")
        return _objects(Path(folder) / "bundle.git", revision, policy_file)


def _objects(repository: Path, revision: str, policy_file: bytes | None) -> tuple[bytes, tuple[bytes, ...]]:
    name = _git(repository, "rev-parse", "--verify", "--quiet", "--end-of-options", revision + "^{commit}").strip()
    commit = _git(repository, "cat-file", "commit", name.decode())
    root = commit[5:].partition(b"\n")[0].decode()
    trees = [root]
    if policy_file is not None:
        listed = _git(repository, "ls-tree", "-r", "-t", "-z", "--full-tree", name.decode()).split(b"\0")
        entries = [(head.split(b" "), path) for head, _, path in (e.partition(b"\t") for e in listed) if path]
        plain = [(head[2].decode(), path) for head, path in entries if head[0].startswith(b"100")]
        found = _place(policy_file, plain, len(root))
        if not found:
            _check_line_ends(policy_file, plain, revision, len(root))
        trees += [h[2].decode() for h, path in entries if h[1] == b"tree" and found.startswith(path + b"/")]
    return commit, tuple(_git(repository, "cat-file", "tree", t) for t in trees)


def _place(content: bytes, plain: Sequence[tuple[str, bytes]], length: int) -> bytes:
    blob = object_id("blob", content, length)
    return min((path for id_, path in plain if id_ == blob), default=b"")


def _check_line_ends(policy_file: bytes, plain: Sequence[tuple[str, bytes]], revision: str, length: int) -> None:
    """Check that a commit does not hold a file with other line ends, as git gives it to some machines.

    Raises:
        InputError: It does.
    """
    for other in line_ends(policy_file):
        path = said(_place(other, plain, length).decode(errors="replace"))
        if path:
            raise InputError(
                "the policy file differs from the committed one in its line ends",
                expected=f"{path} as it was committed, byte for byte",
                got="the same text with " + ("CRLF" if b"\r\n" in policy_file else "LF") + " where the commit has "
                + ("CRLF" if b"\r\n" in other else "LF"),
                fix=f"git show {quote(f'{said(revision)}:{path}')} > committed.toml, then --policy committed.toml",
            )  # fmt: skip


def _git(place: Path, *words: str, protocol: str = "none") -> bytes:
    """Return what git prints.

    A repository that somebody hands over may name a remote whose command runs when an object is absent, which a git
    that does not know of lazy fetches asks: no protocol is allowed but that of a bundle. What the environment says of
    another repository does not count.
    """
    if not place.is_dir():
        raise _refused(f"no folder {place.name}")
    own = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(
            ["git", *words], cwd=place, capture_output=True, timeout=_SECONDS, check=True,
            env={**own, **_ENVIRONMENT, "GIT_ALLOW_PROTOCOL": protocol},
        )  # fmt: skip
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode("utf-8", errors="replace").strip().splitlines()
        raise _refused(said[-1][:160] if said else "git finds no such commit") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _refused("git is not installed" if isinstance(error, FileNotFoundError) else str(error)[:120]) from error
    return done.stdout


def _refused(got: str) -> InputError:
    return InputError(
        "the commit cannot be taken out of the repository", expected="a repository or a bundle, and a commit in it",
        got=got, fix="name both: --commit HEAD --repository DIR",
    )  # fmt: skip
