"""Model versions of an MLflow registry: which one a URI means, and its files, fetched with distrust."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from audit.errors import InputError, ModelError, UnsafeModelError
from audit.models._extras import require

MOST_FILES, MOST_BYTES = 1000, 8 * 2**30
_MODELS = re.compile(r"models:/(?P<name>[^/@]+)(?:/(?P<version>[0-9]+)|@(?P<alias>[^/@]+))")
_RUNS = re.compile(r"runs:/[0-9a-f]{32}/[^?#]+")
# A submitter chooses the source of a version: files of this machine and other people's servers are none.
_STORES = ("mlflow-artifacts", "s3", "gs", "wasb", "wasbs", "abfs", "abfss", "dbfs", "hdfs", "viewfs")


class RegistryError(InputError):
    """The registry does not have what it was asked for, or cannot be asked.

    Args:
        absent: Whether it said that it has no such thing.
    """

    def __init__(self, what: str, said: str, *, absent: bool) -> None:
        super().__init__(
            "the registry cannot give what it was asked for", expected=what, got=said,
            fix="see MLFLOW_TRACKING_URI, the name and the number of the version",
        )  # fmt: skip
        self.absent = absent


@dataclass(frozen=True, kw_only=True)
class Registered:
    """One version of a registered model, as the registry has it now.

    Args:
        name: The registered model; empty for a model of a run.
        version: The version's number; empty for a model of a run.
        source: Where its files are.
        created: When it was registered, milliseconds since 1970; 0 for a model of a run.
    """

    name: str
    version: str
    source: str
    created: int = 0

    @property
    def uri(self) -> str:
        """The URI that means exactly this version."""
        return f"models:/{self.name}/{self.version}"


def client() -> Any:
    """Return a client of the registry that `MLFLOW_TRACKING_URI` and `MLFLOW_REGISTRY_URI` name.

    Raises:
        MissingExtraError: mlflow is not installed.
    """
    _quiet()
    return require("mlflow", "mlflow").MlflowClient()


def _quiet() -> None:
    # A bar a file, a call home and a search for git are no part of an audit.
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "4")


def parse_uri(uri: str) -> tuple[str, str, str]:
    """Return name, version and alias of a models:/ URI; one of the last two is empty.

    Raises:
        InputError: It names no version: a stage or the latest one may change its meaning at any time.
    """
    found = _MODELS.fullmatch(uri)
    if found is None:
        raise InputError(
            "this is no URI of a model version", expected="models:/NAME/VERSION or models:/NAME@ALIAS",
            got=repr(uri)[:100], fix="give the number of the version",
        )  # fmt: skip
    return found["name"], found["version"] or "", found["alias"] or ""


def resolve(uri: str, registry: Any = None) -> Registered:
    """Return the version that a URI means now.

    Args:
        uri: `models:/NAME/VERSION`, `models:/NAME@ALIAS`, or `runs:/ID/PATH`.
        registry: A client; by default a new one.

    Raises:
        InputError: It is no such URI, or the registry has no such version.
    """
    if _RUNS.fullmatch(uri):
        # The variables that a client sets are those that fetching needs, too.
        _quiet()
        require("mlflow", "mlflow")
        return Registered(name="", version="", source=uri)
    name, version, alias = parse_uri(uri)
    registry = registry or client()
    with registry_errors(uri):
        found = registry.get_model_version_by_alias(name, alias) if alias else registry.get_model_version(name, version)
        return Registered(
            name=name, version=str(found.version), created=int(found.creation_timestamp or 0),
            source=str(registry.get_model_version_download_uri(name, str(found.version))),
        )  # fmt: skip


@contextmanager
def registry_errors(what: str) -> Iterator[None]:
    """Turn what the registry says into an error of ours.

    Raises:
        RegistryError: The registry does not have it, or cannot be asked.
    """
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        absent = getattr(error, "error_code", "") == "RESOURCE_DOES_NOT_EXIST"
        raise RegistryError(what, " ".join(str(error).split())[:160], absent=absent) from error


def fetch(version: Registered, folder: Path, *, most_bytes: int = MOST_BYTES) -> Path:
    """Download the files of a version into a folder that is made for them.

    Args:
        version: The version.
        folder: Does not exist yet.
        most_bytes: Largest size of all files.

    Returns:
        The folder that holds `MLmodel`.

    Raises:
        ModelError: The files are too many or too large, or there are none.
        UnsafeModelError: They lie where a submitter must not point, or a path leaves the folder.
        FileExistsError: The folder is there.
    """
    _check_source(version.source)
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    folder.mkdir(parents=True)
    with registry_errors(f"the files of {version.source}"):
        store: Any = get_artifact_repository(version.source)
        _check_listing(store, most_bytes)
        store.download_artifacts("", dst_path=str(folder))
    _check_files(folder, most_bytes)
    if not (folder / "MLmodel").is_file():
        raise ModelError(
            "the version holds no MLflow model", expected="a file MLmodel", got=", ".join(_names(folder)) or "no file",
            fix="register what mlflow.<flavour>.log_model wrote",
        )  # fmt: skip
    return folder


def _names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())[:8]


def _check_source(source: str) -> None:
    from mlflow import get_tracking_uri

    scheme = source.partition(":")[0].lower()
    local = not get_tracking_uri().startswith(("http://", "https://"))
    if scheme in (*_STORES, "runs", "models") or (local and "://" not in source) or (local and scheme == "file"):
        return
    raise UnsafeModelError(
        "the version points to files outside of the registry's own stores; they were not fetched",
        expected=f"one of {', '.join(_STORES)}", got=source[:100],
        fix="serve the registry with --artifacts-destination, and register the model again",
    )  # fmt: skip


def _check_listing(store: Any, most_bytes: int) -> None:
    total = count = 0
    open_: list[tuple[str | None, int]] = [(None, 0)]
    while open_:
        place, depth = open_.pop()
        for entry in store.list_artifacts(place):
            path = PurePosixPath(entry.path)
            if path.is_absolute() or ".." in path.parts or "\\" in entry.path or "\0" in entry.path:
                raise UnsafeModelError(
                    "a file of the version would leave its folder; nothing was fetched", expected="paths inside",
                    got=repr(entry.path)[:80], fix="register the model again",
                )  # fmt: skip
            count, total = count + 1, total + int(entry.file_size or 0)
            if count > MOST_FILES or total > most_bytes or depth > 20:
                raise _too_large(count, total, most_bytes)
            if entry.is_dir:
                open_.append((entry.path, depth + 1))


def _check_files(folder: Path, most_bytes: int) -> None:
    """Check what arrived: the listing was the server's word."""
    total = count = 0
    for path in folder.rglob("*"):
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise UnsafeModelError(
                "the version holds a link or a device", expected="files", got=path.name, fix="register the model again"
            )
        count, total = count + 1, total + path.stat().st_size
    if count > MOST_FILES or total > most_bytes:
        raise _too_large(count, total, most_bytes)


def _too_large(count: int, total: int, most_bytes: int) -> ModelError:
    return ModelError(
        "the version is too large to be fetched", expected=f"at most {MOST_FILES} files and {most_bytes} bytes",
        got=f"{count} files and {total} bytes or more", fix="register the model alone, without data",
    )  # fmt: skip
