"""Repositories with signed commits, made by git and ssh-keygen themselves."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

WHEN = "2026-01-05T10:00:00+00:00"
POLICY = b'name = "gate"\n'
needs_git = pytest.mark.skipif(
    not (shutil.which("git") and shutil.which("ssh-keygen")), reason="git or ssh-keygen is not installed"
)


def key(folder, name="key", kind="ed25519", *more):
    """Make a key pair and return its private file."""
    path = folder / name
    words = ["ssh-keygen", "-q", "-t", kind, *more, "-N", "", "-C", "", "-f", str(path)]
    subprocess.run(words, check=True, capture_output=True)
    return path


def allowed(path, principal="jane@example.org", options="", file=None):
    """Return the line of the allowed signers for a key, written to a file where one is named."""
    words = [principal, *([options] if options else []), path.with_suffix(".pub").read_text().strip()]
    line = (" ".join(words) + "\n").encode()
    if file is not None:
        file.write_bytes(line)
    return line


def git(place, *words, when=WHEN):
    """Run git without anything of this user's configuration."""
    env = {
        "PATH": os.environ["PATH"], "HOME": str(place), "GIT_CONFIG_NOSYSTEM": "1", "GIT_AUTHOR_DATE": when,
        "GIT_COMMITTER_DATE": when,
    }  # fmt: skip
    done = subprocess.run(["git", *words], cwd=place, check=True, capture_output=True, env=env)
    return done.stdout


def repository(folder, private, *, policy=POLICY, path="gates/policy.toml", when=WHEN, form="sha1"):
    """Make a repository whose one commit is signed with a key and holds the policy."""
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "--quiet", f"--object-format={form}")
    for name, value in {
        "user.name": "Jane Doe", "user.email": "jane@example.org", "gpg.format": "ssh",
        "user.signingkey": str(private), "commit.gpgsign": "true",
    }.items():  # fmt: skip
        git(folder, "config", name, value)
    place = folder / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(policy)
    (folder / "other.txt").write_text("other")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "set the limits\n\ngpgsig of nothing\ncommitter <x> 1", when=when)
    return folder
