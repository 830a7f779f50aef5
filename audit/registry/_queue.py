"""What is to be audited and what was: one SQLite file, so that a kill loses nothing."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from audit.errors import InputError
from audit.models import Registered

# An audit that was killed so often is not begun again by itself: the next kill would be its doing.
MOST_TRIES = 3
_KEEP_DELIVERIES = 30 * 24 * 3600
_TABLES = """
CREATE TABLE IF NOT EXISTS jobs (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    created INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('queued', 'running', 'done', 'refused')),
    tries INTEGER NOT NULL DEFAULT 0,
    after REAL NOT NULL DEFAULT 0,
    outcome TEXT NOT NULL DEFAULT '',
    UNIQUE (name, version, created)
);
CREATE TABLE IF NOT EXISTS deliveries (id TEXT PRIMARY KEY, seen REAL NOT NULL);
CREATE TABLE IF NOT EXISTS announced (name TEXT NOT NULL, version TEXT NOT NULL, UNIQUE (name, version));
CREATE TABLE IF NOT EXISTS verdicts (rests_on TEXT PRIMARY KEY, files TEXT NOT NULL, folder TEXT NOT NULL);
"""


@dataclass(frozen=True, kw_only=True)
class Queued:
    """One version that waits for its audit, or is in it.

    Args:
        id: Of the job, which also names its folder.
        name: The registered model.
        version: Its version.
        created: When the version was registered, milliseconds since 1970.
        tries: How often its audit was begun.
    """

    id: int
    name: str
    version: str
    created: int
    tries: int


class Queue:
    """The jobs of one gate; safe to use from several threads.

    Args:
        path: The file; it is made where there is none.
        clock: Seconds since 1970.

    Raises:
        InputError: The file is no database of a gate.
    """

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.time) -> None:
        self._path, self._clock = path, clock
        try:
            with self._open() as db:
                db.execute("PRAGMA journal_mode = WAL")
                db.executescript(_TABLES)
        except sqlite3.DatabaseError as error:
            raise InputError(
                "the queue cannot be opened", expected="a file that the gate made, or none", got=str(error)[:100],
                fix="name another folder with --state",
            ) from error  # fmt: skip

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        db = sqlite3.connect(self._path, timeout=30, isolation_level=None)
        try:
            # What was acknowledged must survive a power cut, too.
            db.execute("PRAGMA synchronous = FULL")
            yield db
        finally:
            db.close()

    @contextmanager
    def _change(self) -> Iterator[sqlite3.Connection]:
        with self._open() as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
            except BaseException:
                db.execute("ROLLBACK")
                raise
            db.execute("COMMIT")

    def announce(self, delivery: str, version: tuple[str, str] | None) -> bool:
        """Note a delivery and the version that it announces in one step; False where it was noted before.

        Args:
            delivery: Its id.
            version: Name and number; None: it announces none.
        """
        now = self._clock()
        with self._change() as db:
            db.execute("DELETE FROM deliveries WHERE seen < ?", (now - _KEEP_DELIVERIES,))
            if db.execute("INSERT OR IGNORE INTO deliveries VALUES (?, ?)", (delivery, now)).rowcount != 1:
                return False
            if version is not None:
                db.execute("INSERT OR IGNORE INTO announced VALUES (?, ?)", version)
        return True

    def announced(self) -> list[tuple[str, str]]:
        """Return the versions that were announced and not looked at yet."""
        with self._open() as db:
            return db.execute("SELECT name, version FROM announced ORDER BY rowid").fetchall()

    def admitted(self, name: str, version: str) -> None:
        """Forget an announcement that was looked at."""
        with self._change() as db:
            db.execute("DELETE FROM announced WHERE name = ? AND version = ?", (name, version))

    def add(self, version: Registered) -> bool:
        """Queue a version once; False where it was queued before, whatever became of it.

        Args:
            version: The version; one that was deleted and registered again under its number is another one.
        """
        with self._change() as db:
            made = db.execute(
                "INSERT OR IGNORE INTO jobs (name, version, created, state) VALUES (?, ?, ?, 'queued')",
                (version.name, version.version, version.created),
            )
            return made.rowcount == 1

    def again(self, version: Registered) -> None:
        """Queue a version that was checked before, since its files are others now."""
        with self._change() as db:
            db.execute(
                "UPDATE jobs SET state = 'queued', after = 0, tries = 0 "
                "WHERE name = ? AND version = ? AND created = ? AND state IN ('done', 'refused')",
                (version.name, version.version, version.created),
            )

    def recover(self) -> int:
        """Queue again what was running when the gate was stopped; gives how many."""
        with self._change() as db:
            return db.execute("UPDATE jobs SET state = 'queued', after = 0 WHERE state = 'running'").rowcount

    def take(self) -> Queued | None:
        """Return the job that waits longest and count a try, None where none is due."""
        with self._change() as db:
            row = db.execute(
                "SELECT id, name, version, created, tries FROM jobs WHERE state = 'queued' AND after <= ? "
                "ORDER BY id LIMIT 1",
                (self._clock(),),
            ).fetchone()
            if row is None:
                return None
            db.execute("UPDATE jobs SET state = 'running', tries = tries + 1 WHERE id = ?", (row[0],))
        return Queued(id=row[0], name=row[1], version=row[2], created=row[3], tries=row[4] + 1)

    def finish(self, job: Queued, outcome: str, *, refused: bool = False) -> None:
        """Note what became of a job."""
        state = "refused" if refused else "done"
        with self._change() as db:
            db.execute("UPDATE jobs SET state = ?, outcome = ? WHERE id = ?", (state, outcome[:500], job.id))

    def put_back(self, job: Queued, seconds: float, why: str, *, counts: bool = False) -> None:
        """Queue a job again for later.

        Args:
            job: The job.
            seconds: How much later.
            why: The reason.
            counts: Whether the try counts, since it may be the version's fault.
        """
        with self._change() as db:
            db.execute(
                "UPDATE jobs SET state = 'queued', after = ?, outcome = ?, tries = tries - ? WHERE id = ?",
                (self._clock() + seconds, why[:500], 0 if counts else 1, job.id),
            )

    def next_due(self, most: float) -> float:
        """Return the seconds until the next job is due, `most` where none waits."""
        with self._open() as db:
            (first,) = db.execute("SELECT MIN(after) FROM jobs WHERE state = 'queued'").fetchone()
        return most if first is None else min(most, max(0.0, first - self._clock()))

    def remember(self, rests_on: str, files: str, folder: Path) -> None:
        """Note where the sealed run of some weights under some rules is."""
        with self._change() as db:
            db.execute("INSERT OR REPLACE INTO verdicts VALUES (?, ?, ?)", (rests_on, files, str(folder)))

    def known(self, rests_on: str) -> Path | None:
        """Return the folder of the sealed run of the same weights under the same rules, None where there is none."""
        with self._open() as db:
            row = db.execute("SELECT folder FROM verdicts WHERE rests_on = ?", (rests_on,)).fetchone()
        return None if row is None else Path(row[0])

    def counts(self) -> dict[str, int]:
        """Return how many jobs are in each state."""
        with self._open() as db:
            return dict(db.execute("SELECT state, COUNT(*) FROM jobs GROUP BY state").fetchall())

    def outcomes(self) -> list[tuple[str, str, str, str]]:
        """Return name, version, state and outcome of every job, in order."""
        with self._open() as db:
            return db.execute("SELECT name, version, state, outcome FROM jobs ORDER BY id").fetchall()
