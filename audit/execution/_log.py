"""log.jsonl: what happened when, one event a line."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any


class RunLog:
    """Appends events to a file, each line flushed, so that an interrupted run can be read up to its end.

    Args:
        path: File to write.
        on: Whether a log that is there is gone on with.
    """

    def __init__(self, path: Path, *, on: bool = False) -> None:
        self._path = path
        if not on or not path.is_file():
            path.write_text("", encoding="utf-8")

    def event(self, name: str, **facts: Any) -> None:
        """Write one event with its time (UTC)."""
        now = dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds")
        line = json.dumps({"time": now, "event": name, **facts}, ensure_ascii=False, allow_nan=False)
        with self._path.open("a", encoding="utf-8") as f:
            f.write(line + "\n")
