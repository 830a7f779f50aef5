"""What a pack of another version may hold beside its documents."""

from __future__ import annotations

import pytest

import audit
from audit.cli import main
from audit.pack import read_pack
from audit.pack._read import make_sums
from audit.pack._zip import write_zip
from tests.pack._make import small_run


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The files of a pack that says it is of another version."""
    folder = tmp_path_factory.mktemp("pages")
    assert main(["pack", str(small_run(folder)), "--out", str(folder / "p.zip")]) == 0
    held = dict(read_pack(folder / "p.zip").files)
    return {n: d.replace(b'"made_with": "', b'"made_with": "9.9.') for n, d in held.items()}


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("README.html", b"", b"<script>alert(1)</script>"),
        ("index.html", b"</main>", b"<svg/onload=alert(1)></svg></main>"),
        ("index.html", b'<p class="verdict">', b'<p  class="verdict">'),
    ],
)
def test_no_version_hides_a_script_or_the_verdict(files, tmp_path, name, old, new):
    """Whatever the words: a page that runs something, or a first page whose verdict cannot be found, is a fault."""
    changed = {n: d for n, d in files.items() if n != "SHA256SUMS"}
    changed[name] = changed.get(name, b"").replace(old, new) if old else new
    changed["SHA256SUMS"] = make_sums(changed)
    (tmp_path / "p.zip").write_bytes(write_zip(changed))
    checked = audit.verify(tmp_path / "p.zip")
    assert checked.exit_code == 1
    assert name in {f.file for f in checked.faults}
