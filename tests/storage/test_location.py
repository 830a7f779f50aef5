"""Where something lies is judged by its text, before anything is opened."""

from pathlib import Path

import pytest

from audit.errors import AuditError, InputError
from audit.storage import Remote, is_url, join, locate


@pytest.mark.parametrize("url", [
    "s3://key:secret@bucket/cases.csv", "s3://bucket/cases.csv?X-Amz-Signature=secret", "s3://bucket/a#b",
    "http://host/cases.csv", "https://host/cases.csv", "simplecache::s3://bucket/x", "zip://x.csv::s3://bucket/x.zip",
    "reference://x", "data://x", "s3://bucket/../other/x", "s3://bucket/./x", "s3://bucket//x", "s3://", "s3:///x",
    "s3://key:sec/ret@bucket/cases.csv", "s3://key:12/secret@bucket/x", "s3://secret@bucket/x", "sftp://me:secret@host/x",
    "hdfs://me:secret/x@host/x", "s3://bucket/a\nb", "s3://bucket/a\\b", "file://host/x", "local-exec://x",
])  # fmt: skip
def test_a_url_that_is_no_plain_place_of_storage_is_refused_without_its_secrets(url: str) -> None:
    """A URL that is no plain place of storage is refused without its secrets."""
    with pytest.raises(InputError) as caught:
        locate(url, Path("/home"))
    assert "sec" not in str(caught.value)


@pytest.mark.parametrize("url", [
    "hdfs://host:8020/data/a@b.png", "s3://bucket/a@b:c.png", "abfs://container@account.dfs.core.windows.net/x",
    "sftp://me@host/x",
])  # fmt: skip
def test_an_at_sign_that_follows_no_password_is_a_name(url: str) -> None:
    """Users, containers and names of files may hold one."""
    assert str(locate(url)) == url


@pytest.mark.parametrize(("text", "expected"), [("s3://b/x", True), ("C:/x", False), ("a/b.png", False)])
def test_what_has_a_protocol_is_a_url(text: str, expected: bool) -> None:
    """What has a protocol is a URL."""
    assert is_url(text) is expected


def test_a_relative_path_starts_at_the_root_and_a_file_url_is_a_path() -> None:
    """A relative path starts at the root and a file URL is a path."""
    assert locate("cases.csv", Path("/home")) == Path("/home/cases.csv")
    assert locate("/data/cases.csv", Path("/home")) == Path("/data/cases.csv")
    assert locate("file:///data/cases.csv", Path("/home")) == Path("/data/cases.csv")


def test_a_remote_place_has_the_parts_of_a_path() -> None:
    """A remote place has the parts of a path."""
    place = locate("S3://bucket/cohort/cases.csv")
    assert place == Remote(protocol="s3", path="bucket/cohort/cases.csv")
    assert isinstance(place, Remote)
    assert (place.name, place.suffix, str(place.parent)) == ("cases.csv", ".csv", "s3://bucket/cohort")
    assert place.bucket == ("s3", "bucket")


@pytest.mark.parametrize("name", ["../x.png", "a/../../x.png", "/etc/passwd", "C:\\x", "~/x", "a//b", "", ".", ".."])
def test_a_name_that_leaves_its_folder_is_refused(name: str) -> None:
    """A name that leaves its folder is refused."""
    with pytest.raises(InputError):
        join(Remote(protocol="s3", path="bucket/cohort"), name)


def test_a_name_below_its_folder_is_joined() -> None:
    """A name below its folder is joined."""
    folder = Remote(protocol="s3", path="bucket/cohort")
    assert str(join(folder, "images/a b.png")) == "s3://bucket/cohort/images/a b.png"
    assert join(folder, "./x.png") == join(folder, "x.png")


def test_a_protocol_without_its_package_says_which_one_to_install() -> None:
    """A protocol without its package says which one to install."""
    with pytest.raises(AuditError, match="smb:// needs a package") as caught:
        locate("smb://host/share/x").filesystem()
    assert caught.value.fix == "pip install smbprotocol"


def test_a_store_on_a_host_is_asked_at_that_host() -> None:
    """Its address stands in the URL, not in the environment."""
    system, path = locate("webhdfs://namenode.example:9870/data/cases.csv").filesystem()
    assert "namenode.example:9870" in system.url
    assert path == "/data/cases.csv"


def test_a_folder_without_a_host_is_no_host_of_that_name() -> None:
    """A cell of a table in hdfs:///data may not choose the server "data"."""
    assert locate("hdfs:///data/cases.csv").bucket != locate("hdfs://data/cases.csv").bucket
