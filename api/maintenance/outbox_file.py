"""The outbox as one SQLite file: what was queued, every attempt, and the links that were used. Safe across threads.

One program sends; any may queue and cancel. A row is written before anything leaves, so that a program that dies knows
afterwards which attempts have no answer.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from api.maintenance.notifications import Message
from api.maintenance.outbox import Answer, Attempt, Delivery, Status
from shopfloor.errors import ExpectedError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from pathlib import Path

WAIT_SECONDS = 10
"""How long a statement waits for another program's."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS delivery (
    key TEXT PRIMARY KEY, incident TEXT NOT NULL, channel TEXT NOT NULL, grave INTEGER NOT NULL, due INTEGER NOT NULL,
    status TEXT NOT NULL, begun INTEGER NOT NULL DEFAULT 0, message TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS delivery_due ON delivery (due) WHERE status = 'queued';
CREATE INDEX IF NOT EXISTS delivery_incident ON delivery (incident);
CREATE TABLE IF NOT EXISTS attempt (
    key TEXT NOT NULL REFERENCES delivery (key) ON DELETE CASCADE, number INTEGER NOT NULL, at INTEGER NOT NULL,
    answer TEXT NOT NULL, words TEXT NOT NULL, PRIMARY KEY (key, number)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS used_link (id TEXT PRIMARY KEY, until INTEGER NOT NULL) WITHOUT ROWID;
"""
_SELECT = "SELECT key, channel, due, status, begun, message FROM delivery"


class OutboxError(ExpectedError):
    """The outbox's file cannot be used; the sentence says what to do."""


class FileOutbox:
    """The open file; see `api.maintenance.outbox.Outbox`.

    Args:
        path: of the file, in a folder that exists; nobody but its owner can read it.

    Raises:
        OutboxError: by every method, too, when the file cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        try:
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            self._database = sqlite3.connect(path, WAIT_SECONDS, isolation_level=None, check_same_thread=False)
        except (OSError, sqlite3.Error) as error:
            raise OutboxError(f"the outbox {path} cannot be opened ({error}): make its folder first") from error
        try:
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
                self._database.execute(f"PRAGMA {pragma}")
            self._database.executescript(_SCHEMA)
        except sqlite3.Error as error:
            self._database.close()
            raise OutboxError(
                f"the outbox {path} cannot be used ({error}): move it away and begin a new one"
            ) from error

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._database.close()

    def add(self, messages: Iterable[Message]) -> int:
        """Queue messages; see `Outbox`."""
        rows = [
            (f"{message.key}|{channel}", message.incident, channel, message.severity == "high", message.not_before,
             str(Status.QUEUED), message.encode())
            for message in messages for channel in message.channels
        ]  # fmt: skip
        with self._writing() as database:
            before = database.total_changes
            database.executemany(
                "INSERT OR IGNORE INTO delivery (key, incident, channel, grave, due, status, message)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                rows,
            )
            return database.total_changes - before

    def due(self, now: int, limit: int, busy: Collection[str] = ()) -> list[Delivery]:
        """Return what is due; see `Outbox`."""
        marks = ", ".join("?" * len(busy))
        return self._read(
            f"WHERE status = 'queued' AND begun = 0 AND due <= ? AND channel NOT IN ({marks})"
            " ORDER BY grave DESC, due, key LIMIT ?",
            (now, *busy, limit),
        )

    def begin(self, delivery: Delivery, now: int) -> bool:
        """Begin an attempt; see `Outbox`."""
        with self._writing() as database:
            changed = database.execute(
                "UPDATE delivery SET begun = ? WHERE key = ? AND status = 'queued' AND begun = 0", (now, delivery.key)
            ).rowcount
        if changed:
            delivery.begun = now
        return bool(changed)

    def note(self, delivery: Delivery) -> None:
        """Keep a delivery and its attempts; see `Outbox`."""
        with self._writing() as database:
            database.execute(
                "UPDATE delivery SET due = ?, status = ?, begun = ? WHERE key = ?",
                (delivery.due, str(delivery.status), delivery.begun, delivery.key),
            )
            database.executemany(
                "INSERT OR IGNORE INTO attempt (key, number, at, answer, words) VALUES (?, ?, ?, ?, ?)",
                [(delivery.key, number, each.at, str(each.answer), each.words)
                 for number, each in enumerate(delivery.attempts)],
            )  # fmt: skip

    def begun(self) -> list[Delivery]:
        """Return what was begun; see `Outbox`."""
        return self._read("WHERE begun != 0 AND status = 'queued' ORDER BY key")

    def cancel(self, incident: str) -> int:
        """Cancel what is queued of an incident; see `Outbox`."""
        with self._writing() as database:
            return database.execute(
                "UPDATE delivery SET status = 'cancelled' WHERE incident = ? AND status = 'queued' AND begun = 0",
                (incident,),
            ).rowcount

    def of_incident(self, incident: str) -> list[Delivery]:
        """Return every delivery of an incident with its attempts, in the order in which they were due."""
        return self._read("WHERE incident = ? ORDER BY due, key", (incident,))

    def counts(self) -> dict[str, int]:
        """Count deliveries by status."""
        with self._reading() as database:
            return dict(database.execute("SELECT status, count(*) FROM delivery GROUP BY status").fetchall())

    def use_link(self, link_id: str, until: int) -> bool:
        """Note that a link was used, which works once; False when it was used before.

        Args:
            link_id: of `api.maintenance.links`.
            until: when it expires; then it may be forgotten.
        """
        with self._writing() as database:
            return bool(database.execute("INSERT OR IGNORE INTO used_link VALUES (?, ?)", (link_id, until)).rowcount)

    def forget(self, before: int) -> int:
        """Drop what ended, and links that expired, before an instant; what is still queued stays. Returns how many."""
        with self._writing() as database:
            database.execute("DELETE FROM used_link WHERE until < ?", (before,))
            return database.execute("DELETE FROM delivery WHERE status != 'queued' AND due < ?", (before,)).rowcount

    def _read(self, where: str, values: tuple[object, ...] = ()) -> list[Delivery]:
        with self._reading() as database:
            found = []
            for key, channel, due, status, begun, text in database.execute(f"{_SELECT} {where}", values).fetchall():
                attempts = database.execute(
                    "SELECT at, answer, words FROM attempt WHERE key = ? ORDER BY number", (key,)
                ).fetchall()
                tried = [Attempt(at, Answer(answer), words) for at, answer, words in attempts]
                found.append(Delivery(Message.decode(text), channel, due, Status(status), tried, begun))
            return found

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                yield self._database
            except sqlite3.Error as error:
                raise OutboxError(f"the outbox {self._path} cannot be read ({error})") from error

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """Change the file: all that is done in the block, or nothing."""
        with self._lock:
            try:
                with self._database:
                    self._database.execute("BEGIN IMMEDIATE")
                    yield self._database
            except sqlite3.Error as error:
                raise OutboxError(f"the outbox {self._path} cannot be written ({error})") from error
