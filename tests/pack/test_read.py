"""A zip that is no pack, or that means harm, is refused; a pack that was edited is told file by file."""

from __future__ import annotations

import io
import stat
import zipfile

import pytest

from audit.errors import EvidenceError
from audit.pack._read import MANIFEST, SUMS, make_sums, read_pack, unpack
from audit.pack._zip import write_zip

FILES = {MANIFEST: b'{"kind": "imaging-audit pack"}\n', "run/evidence.json": b"{}", "index.html": b"<p>x</p>"}


def sealed(files=FILES):
    return {**files, SUMS: make_sums(files)}


def zipped(entries, compress=zipfile.ZIP_STORED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compress) as out:
        for name, data, *attr in entries:
            info = zipfile.ZipInfo(name)
            info.compress_type = compress
            info.external_attr = (attr[0] if attr else stat.S_IFREG | 0o644) << 16
            out.writestr(info, data)
    return buffer.getvalue()


def told(path):
    """Return the faults of a pack, or the words that refuse it."""
    try:
        return read_pack(path).faults
    except EvidenceError as error:
        return (str(error),)


def test_a_pack_is_read_as_it_was_written(tmp_path):
    """Files come back byte for byte, without a fault."""
    (tmp_path / "p.zip").write_bytes(write_zip(sealed()))
    pack = read_pack(tmp_path / "p.zip")
    assert dict(pack.files) == sealed()
    assert pack.faults == ()
    assert pack.run_files() == {"evidence.json": b"{}"}


def test_equal_files_make_equal_bytes():
    """The order in which files are given, and the clock, leave no trace."""
    files = sealed()
    assert write_zip(files) == write_zip(dict(reversed(files.items())))


def test_every_flipped_byte_of_the_archive_is_found(tmp_path):
    """Every third byte is changed in turn: the zip is refused or the fault is told."""
    data = write_zip(sealed())
    silent = []
    for i in range(0, len(data), 3):
        (tmp_path / "p.zip").write_bytes(data[:i] + bytes([data[i] ^ 1]) + data[i + 1 :])
        if not told(tmp_path / "p.zip"):
            silent.append(i)
    assert silent == []


@pytest.mark.parametrize("extra", [b"x", b"\0" * 30])
def test_bytes_before_or_after_the_files_are_found(tmp_path, extra):
    """What hangs on to an archive is no part of any file, and is told."""
    for data in (extra + write_zip(sealed()), write_zip(sealed()) + extra):
        (tmp_path / "p.zip").write_bytes(data)
        assert told(tmp_path / "p.zip")


def test_changed_added_and_absent_files_are_named(tmp_path):
    """Each file that is not as it was is named, and those that are are not."""
    files = {**sealed(), "index.html": b"<p>y</p>", "new.txt": b""}
    del files["run/evidence.json"]
    (tmp_path / "p.zip").write_bytes(write_zip(files))
    assert read_pack(tmp_path / "p.zip").faults == (
        "run/evidence.json: absent", "new.txt: not listed", "index.html: changed",
    )  # fmt: skip


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../../x", "C:/x", "a\\..\\x", "a//b", "./a", "a/", "a\nb"])
def test_a_path_that_leaves_the_pack_is_refused(name):
    """No name may point outside of the folder that a reader unpacks to."""
    with pytest.raises(EvidenceError, match="refused"):
        unpack(zipped([(name, b"x")]), "p.zip")


def test_a_link_is_refused():
    """A symbolic link would make a reader follow it out of the pack."""
    with pytest.raises(EvidenceError, match="regular file"):
        unpack(zipped([("link", b"/etc/passwd", stat.S_IFLNK | 0o777)]), "p.zip")


def test_a_bomb_is_refused():
    """Fifty megabytes of zeros in fifty kilobytes are not read."""
    with pytest.raises(EvidenceError, match="bomb"):
        unpack(zipped([("z", b"\0" * 50_000_000)], zipfile.ZIP_DEFLATED), "p.zip")


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("pair", [("a", "a"), ("a", "A")])
def test_a_name_twice_is_refused(pair):
    """Of two files of one name a reader and a checker might see different ones."""
    with pytest.raises(EvidenceError, match="twice"):
        unpack(zipped([(pair[0], b"1"), (pair[1], b"2")]), "p.zip")


@pytest.mark.parametrize("data", [b"", b"PK", b"not a zip", b"PK\x05\x06" + b"\0" * 18])
def test_what_is_no_pack_is_an_error_of_the_input(tmp_path, data):
    """An empty file, a text and an empty zip are each refused with one sentence."""
    (tmp_path / "p.zip").write_bytes(data)
    with pytest.raises(EvidenceError):
        read_pack(tmp_path / "p.zip")


def test_a_pack_that_is_not_there_is_an_error_of_the_input(tmp_path):
    """The name is told, no traceback."""
    with pytest.raises(EvidenceError, match="cannot be read"):
        read_pack(tmp_path / "none.zip")
