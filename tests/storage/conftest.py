"""Storage of each kind: in memory, and an S3-compatible server on loopback."""

from collections.abc import Iterator

import pytest

from audit.storage import Remote, locate


@pytest.fixture
def memory() -> Iterator[Remote]:
    """An empty folder of fsspec's storage in memory."""
    import fsspec

    fsspec.filesystem("memory").store.clear()
    yield locate("memory://bucket/folder")
    fsspec.filesystem("memory").store.clear()


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """The address of an S3-compatible server on loopback."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Remote]:
    """An empty bucket; where it is and what opens it stands in the environment, as for every tool of that store."""
    import s3fs

    for name, value in (
        ("AWS_ENDPOINT_URL", s3_server), ("AWS_ACCESS_KEY_ID", "testing-key-id"), ("AWS_DEFAULT_REGION", "us-east-1"),
        ("AWS_SECRET_ACCESS_KEY", "testing-secret-key"), ("NO_PROXY", "127.0.0.1"), ("no_proxy", "127.0.0.1"),
    ):  # fmt: skip
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    system = s3fs.S3FileSystem(use_listings_cache=False)
    system.mkdir("audit-test")
    yield locate("s3://audit-test")
    system.rm("audit-test", recursive=True)
    s3fs.S3FileSystem.clear_instance_cache()


def put(place: Remote, data: bytes) -> Remote:
    """Write a file to shared storage."""
    system, path = place.filesystem()
    system.pipe_file(path, data)
    return place
