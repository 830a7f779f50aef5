"""What a probe gave, as an entry that can be kept and sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import Artifact, StoredArtifact
from audit.evidence import pack_artifact, result_from_plain, result_to_plain
from audit.execution._runner import Ran
from audit.execution._store import Kept

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Gathered:
    """Takes the artifacts of one probe in place of a run's folder."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    def __call__(self, artifact: Artifact) -> StoredArtifact:
        """Hold the bytes of an artifact."""
        stored, data = pack_artifact(artifact)
        self.files[stored.file] = data
        return stored


def keep(ran: Ran, files: Mapping[str, bytes]) -> Kept:
    """Return an entry of a probe's result, of its predictions under conditions, and of the files of its artifacts."""
    arrays: dict[str, NDArray[Any]] = {
        f"file.{i}": np.frombuffer(data, dtype=np.uint8) for i, data in enumerate(files.values())
    }
    for i, (_, cases, raw) in enumerate(ran.conditions):
        arrays |= {f"cases.{i}": cases, f"raw.{i}": raw}
    plain = {
        "result": result_to_plain(ran.result), "files": list(files), "batch": ran.batch,
        "conditions": [name for name, _, _ in ran.conditions],
    }  # fmt: skip
    return Kept(plain=plain, arrays=arrays)


def restore(kept: Kept, write: Callable[[str, bytes], None]) -> Ran:
    """Return a probe's result from its entry.

    Args:
        kept: The entry.
        write: Takes path and bytes of each artifact's file.

    Raises:
        KeyError, TypeError, ValueError: It is no such entry.
    """
    result = result_from_plain(kept.plain["result"])
    conditions = tuple(
        (name, kept.arrays[f"cases.{i}"], kept.arrays[f"raw.{i}"]) for i, name in enumerate(kept.plain["conditions"])
    )
    for i, file in enumerate(kept.plain["files"]):
        write(file, kept.arrays[f"file.{i}"].tobytes())
    return Ran(result=result, conditions=conditions, batch=int(kept.plain["batch"]))
