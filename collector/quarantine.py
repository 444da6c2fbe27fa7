"""What could not be stored: the whole message as it came, with every reason. Bounded, and never silently emptied.

One SQLite file per collector. The command line marks entries for another try; the collector that owns the file tries
them.
"""

from __future__ import annotations

import hashlib
import secrets
import sqlite3
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from shopfloor.errors import ExpectedError
from shopfloor.wire.messages import PutAside, QuarantineHeld
from shopfloor.wire.topics import parse_data

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

ENTRIES_MAX = 100_000
BYTES_MAX = 512 * 1024 * 1024
RAW_BYTES_MAX = 1024 * 1024
"""Of a larger payload only this much is kept."""
TOLD_MAX = 100
"""Most kinds of entries that are told."""
RETRY_AT_ONCE = 200
"""Entries tried again in one go."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS entry (
    id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, publisher TEXT NOT NULL, topic TEXT NOT NULL,
    reasons TEXT NOT NULL, details TEXT NOT NULL, samples INTEGER NOT NULL, size INTEGER NOT NULL, raw BLOB NOT NULL,
    digest BLOB NOT NULL, marks INTEGER NOT NULL DEFAULT 0, UNIQUE (topic, digest));
CREATE TABLE IF NOT EXISTS file (id TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS lost (entries INTEGER NOT NULL, samples INTEGER NOT NULL);
"""
_SELECT = "SELECT id, at, publisher, topic, reasons, details, samples, size, raw, marks FROM entry"


class QuarantineError(ExpectedError):
    """The quarantine file cannot be used: what should go into it must stay unacknowledged."""


class Entry(NamedTuple):
    """A message put aside.

    Attributes:
        id: number of the entry.
        at: when it was put aside.
        publisher: by topic.
        topic: that it came on.
        reasons: names of the reasons, comma-separated.
        details: one sentence per refusal, one a line.
        samples: how many values are concerned.
        size: bytes of the payload.
        raw: the payload.
        marks: how often it was marked for another try that has not ended yet.
    """

    id: int
    at: int
    publisher: str
    topic: str
    reasons: str
    details: str
    samples: int
    size: int
    raw: bytes
    marks: int


class Quarantine:
    """The open file. May be used from several threads.

    Raises:
        QuarantineError: by every method, too, when the file cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.executescript(_SCHEMA)
            self.id = self._identity()
            self._held, self._bytes = self._db.execute(
                "SELECT count(*), coalesce(sum(length(raw)), 0) FROM entry",
            ).fetchone()
        except (sqlite3.Error, OSError) as error:
            raise QuarantineError(f"the quarantine file {path} cannot be used ({error}): check its folder") from error

    def put(
        self,
        *,
        topic: str,
        publisher: str,
        raw: bytes,
        reasons: Sequence[str],
        details: Sequence[str],
        samples: int,
        now: int,
    ) -> None:
        """Put a message aside, durably. The same message is kept once, with what is wrong with it now."""
        kept = raw[:RAW_BYTES_MAX]
        digest = hashlib.sha256(kept).digest()
        wrong = (",".join(sorted(set(reasons))), "\n".join(details), samples)
        with self._using() as db:
            known = db.execute(
                "UPDATE entry SET reasons = ?, details = ?, samples = ? WHERE topic = ? AND digest = ?",
                (*wrong, topic, digest),
            ).rowcount
            if known:
                return
            db.execute(
                "INSERT INTO entry (reasons, details, samples, at, publisher, topic, size, raw, digest) "
                "VALUES (?,?,?,?,?,?,?,?,?)",
                (*wrong, now, publisher, topic, len(raw), kept, digest),
            )
            self._held += 1
            self._bytes += len(kept)
            self._trim()

    def entries(self, *, after: int = 0, limit: int = 50) -> list[Entry]:
        """Return entries with a higher id, lowest first."""
        with self._using() as db:
            found = db.execute(f"{_SELECT} WHERE id > ? ORDER BY id LIMIT ?", (after, limit)).fetchall()
        return [Entry(*row) for row in found]

    def entry(self, number: int) -> Entry | None:
        """Return one entry."""
        found = self.entries(after=number - 1, limit=1)
        return found[0] if found and found[0].id == number else None

    def mark(self, ids: Iterable[int] | None = None, *, publisher: str | None = None, reason: str | None = None) -> int:
        """Mark entries for another try; those of a publisher and reason, or by id, or all.

        Returns:
            How many are marked.
        """
        clauses, values = ["1"], list[object]()
        if publisher is not None:
            clauses.append("publisher = ?")
            values.append(publisher)
        if reason is not None:
            clauses.append("instr(',' || reasons || ',', ',' || ? || ',') > 0")
            values.append(reason)
        if ids is not None:
            numbers = list(ids)
            clauses.append(f"id IN ({','.join('?' * len(numbers))})")
            values += numbers
        with self._using() as db:
            query = f"UPDATE entry SET marks = marks + 1 WHERE {' AND '.join(clauses)}"  # noqa: S608 - placeholders only
            return db.execute(query, values).rowcount

    def marked(self) -> list[Entry]:
        """Return entries to be tried again now."""
        with self._using() as db:
            found = db.execute(f"{_SELECT} WHERE marks > 0 ORDER BY id LIMIT ?", (RETRY_AT_ONCE,)).fetchall()
        return [Entry(*row) for row in found]

    def settle(self, entry: Entry, *, stored: bool) -> None:
        """End a try: the entry goes when all of it is stored, else it stays; a mark that came meanwhile holds."""
        with self._using() as db:
            if stored:
                gone = db.execute("DELETE FROM entry WHERE id = ? RETURNING length(raw)", (entry.id,)).fetchone()
                self._held -= 1 if gone else 0
                self._bytes -= gone[0] if gone else 0
            else:
                db.execute("UPDATE entry SET marks = max(marks - ?, 0) WHERE id = ?", (entry.marks, entry.id))

    def counts(self) -> tuple[int, int, int]:
        """Return how many entries and samples are held, and how many entries had to go at the bound."""
        with self._using() as db:
            held = db.execute("SELECT count(*), coalesce(sum(samples), 0) FROM entry").fetchone()
            lost = db.execute("SELECT coalesce(sum(entries), 0) FROM lost").fetchone()
        return int(held[0]), int(held[1]), int(lost[0])

    def held(self, *, now: int) -> QuarantineHeld:
        """Return what is in the file, gathered by topic and reasons."""
        with self._using() as db:
            rows = db.execute(
                "SELECT publisher, topic, reasons, count(*), sum(samples), min(at), max(at) FROM entry "
                "GROUP BY topic, reasons ORDER BY max(at) DESC, topic, reasons LIMIT ?",
                (TOLD_MAX,),
            ).fetchall()
            (lost,) = db.execute("SELECT coalesce(sum(entries), 0) FROM lost").fetchone()
        return QuarantineHeld(now, lost, [PutAside(row[0], _machine(row[1]), *row[2:]) for row in rows])

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def _identity(self) -> str:
        """Return what names this file for as long as it is there: a collector has another name after each start."""
        found = self._db.execute("SELECT id FROM file").fetchone()
        if found is None:
            found = (secrets.token_hex(8),)
            self._db.execute("INSERT INTO file VALUES (?)", found)
        return str(found[0])

    @contextmanager
    def _using(self) -> Iterator[sqlite3.Connection]:
        """Use the file alone for a while."""
        try:
            with self._lock:
                yield self._db
        except sqlite3.Error as error:
            raise QuarantineError(
                f"the quarantine file {self._path} cannot be used ({error}): check its disk and its folder"
            ) from error

    def _trim(self) -> None:
        """Keep the bounds: the oldest entries go, and are counted."""
        while self._held > ENTRIES_MAX or self._bytes > BYTES_MAX:
            samples, size = self._db.execute(
                "DELETE FROM entry WHERE id = (SELECT min(id) FROM entry) RETURNING samples, length(raw)",
            ).fetchone()
            self._db.execute("INSERT INTO lost VALUES (1, ?)", (samples,))
            self._held -= 1
            self._bytes -= size


def _machine(topic: str) -> str:
    try:
        return parse_data(topic).writer
    except ValueError:  # a topic that names nobody is one of the reasons
        return ""
