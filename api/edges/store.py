"""Where logins and codes are kept."""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, NamedTuple, Protocol

from shopfloor.broker_files import Login
from shopfloor.errors import ExpectedError
from shopfloor.wire.rights import Kind, Principal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from api.edges.codes import Code

_SCHEMA = """
CREATE TABLE IF NOT EXISTS login (
    name TEXT PRIMARY KEY, kind TEXT NOT NULL, password_hash TEXT NOT NULL, since INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS code (
    publisher TEXT PRIMARY KEY, digest TEXT NOT NULL, expires INTEGER NOT NULL, used_by TEXT) STRICT;
"""


class EdgeStoreError(ExpectedError):
    """The file of the logins cannot be used."""


class KeptLogin(NamedTuple):
    """A login, and since when it holds its password."""

    login: Login
    since: int


class EdgeStore(Protocol):
    """Keeps the logins of the broker and the codes that wait for an agent. Each method is one transaction."""

    def logins(self) -> list[KeptLogin]:
        """Return every login, by name."""
        ...

    def codes(self) -> dict[str, int]:
        """Return the agents whose code was not used yet, and when it expires."""
        ...

    def put_login(self, login: Login, *, now: int) -> None:
        """Add a login, or give it another password."""
        ...

    def remove_login(self, name: str) -> bool:
        """Remove a login, and the code that waits for it. Returns whether there was one of them."""
        ...

    def put_code(self, code: Code, *, expires: int) -> None:
        """Let a code enrol its agent until it expires; a code that waited for the same agent is void."""
        ...

    def redeem(self, code: Code, login: Login, *, used_by: str, now: int) -> bool:
        """Use a code up and put the agent's login, both or neither.

        Args:
            code: as it was typed.
            login: of the agent.
            used_by: tells who used the code, so that the same one may say it again when it missed the answer.
            now: the present.

        Returns:
            Whether the code holds.
        """
        ...


class SqliteEdgeStore:
    """An `EdgeStore` in an SQLite file. May be used by several threads and processes.

    Raises:
        EdgeStoreError: by every method, too, when the file cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)
        except OSError as error:
            raise EdgeStoreError(f"the logins in {path} cannot be used ({error.strerror}): check its folder") from error
        with self._using() as db:
            db.executescript(_SCHEMA)

    def logins(self) -> list[KeptLogin]:
        """Return every login, by name."""
        with self._using() as db:
            rows = db.execute("SELECT name, kind, password_hash, since FROM login ORDER BY name").fetchall()
        return [KeptLogin(Login(Principal(name, Kind(kind)), kept), since) for name, kind, kept, since in rows]

    def codes(self) -> dict[str, int]:
        """Return the agents whose code was not used yet, and when it expires."""
        with self._using() as db:
            return dict(db.execute("SELECT publisher, expires FROM code WHERE used_by IS NULL ORDER BY publisher"))

    def put_login(self, login: Login, *, now: int) -> None:
        """Add a login, or give it another password."""
        with self._using() as db:
            _put(db, login, now)

    def remove_login(self, name: str) -> bool:
        """Remove a login, and the code that waits for it. Returns whether there was one of them."""
        with self._using() as db:
            gone = db.execute("DELETE FROM code WHERE publisher = ?", (name,)).rowcount
            return gone + db.execute("DELETE FROM login WHERE name = ?", (name,)).rowcount > 0

    def put_code(self, code: Code, *, expires: int) -> None:
        """Let a code enrol its agent until it expires; a code that waited for the same agent is void."""
        with self._using() as db:
            db.execute("INSERT OR REPLACE INTO code VALUES (?, ?, ?, NULL)", (*code, expires))

    def redeem(self, code: Code, login: Login, *, used_by: str, now: int) -> bool:
        """Use a code up and put the agent's login, both or neither. Returns whether the code holds."""
        with self._using() as db:
            holds = db.execute(
                "UPDATE code SET used_by = ? WHERE publisher = ? AND digest = ? AND expires > ? "
                "AND (used_by IS NULL OR used_by = ?)",
                (used_by, *code, now, used_by),
            ).rowcount
            if holds:
                _put(db, login, now)
            return bool(holds)

    @contextmanager
    def _using(self) -> Iterator[sqlite3.Connection]:
        """Use the file alone, in one transaction."""
        try:
            with closing(sqlite3.connect(self._path, timeout=10)) as db, db:
                db.execute("PRAGMA synchronous = FULL")
                db.execute("BEGIN IMMEDIATE")
                yield db
        except sqlite3.Error as error:
            raise EdgeStoreError(f"the logins in {self._path} cannot be used ({error}): check its disk") from error


def _put(db: sqlite3.Connection, login: Login, now: int) -> None:
    name, kind = login.principal
    db.execute("INSERT OR REPLACE INTO login VALUES (?, ?, ?, ?)", (name, kind.value, login.password_hash, now))
