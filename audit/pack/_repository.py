"""A commit and the trees on the way to a file, taken out of a repository or a bundle by git; nothing is changed."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

from audit.errors import InputError
from audit.pack._git import object_id

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
        InputError: git is not installed, or finds no such repository or commit.
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
        blob = object_id("blob", policy_file, len(root)).encode()
        listed = _git(repository, "ls-tree", "-r", "-t", "-z", "--full-tree", name.decode()).split(b"\0")
        entries = [(head.split(b" "), path) for head, _, path in (e.partition(b"\t") for e in listed) if path]
        found = min((path for head, path in entries if head[2] == blob and head[0].startswith(b"100")), default=b"")
        trees += [h[2].decode() for h, path in entries if h[1] == b"tree" and found.startswith(path + b"/")]
    return commit, tuple(_git(repository, "cat-file", "tree", t) for t in trees)


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
