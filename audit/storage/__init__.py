"""Shared storage: cohorts and finished runs that lie in a bucket or on another store that fsspec reaches."""

from audit.storage._fetch import (
    MOST_FILE,
    fetch,
    fetched,
    fetched_files,
    file_size,
    is_file,
    marks,
    read_bytes,
    said_of,
    size_and_times,
    sizes,
    there,
)
from audit.storage._location import Location, Remote, is_url, join, locate, refuse_secrets, was_url
from audit.storage._runs import held_run, run_folder
from audit.storage._write import write_bytes

__all__ = [
    "MOST_FILE", "Location", "Remote", "fetch", "fetched", "fetched_files", "file_size", "held_run", "is_file",
    "is_url", "join", "locate", "marks", "read_bytes", "refuse_secrets", "run_folder", "said_of",
    "size_and_times", "sizes", "there", "was_url", "write_bytes",
]  # fmt: skip
