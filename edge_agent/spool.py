"""The spool: one SQLite file between the machines and the network.

What is in it survives a power cut. A row is one encoded NetworkMessage of one machine and class, and leaves only when a
collector has stored it. Bodies of more than a sample or two are kept compressed, full ones to a tenth of what they are
sent as. In the same transaction the last value of each signal is kept, so that after a restart an initial value that is
already known is not taken for a new one.
"""

from __future__ import annotations

import contextlib
import secrets
import sqlite3
import zlib
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from edge_agent.identity import file_identity, host_identity
from edge_agent.packing import unpacked
from edge_agent.spool_format import FORMAT, SCHEMA
from edge_agent.stamps import Known
from edge_agent.window import SpoolRow
from shopfloor.errors import ExpectedError
from shopfloor.periods import DAY, Period
from shopfloor.states import Hole
from shopfloor.wire import messages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from shopfloor.signals import SignalClass

BYTES_MAX = 2 * 1024**3
AGE_DAYS_MAX = 31
EVICTION_ORDER = ("gauge", "record", "hole")
"""What goes first. A row of holes goes last, and not by age: it says what else had to go."""
EVICT_TO = 0.95
"""A full spool is emptied to this share of its bound, so that it is not at the bound again at once."""
EVICT_ROWS = 256
"""Rows past the bound of age that are evicted in one go."""
DEAD_ROWS_MAX = 10_000
"""Dead rows that are kept for inspection; the oldest go first, and stay counted."""
REFILLS_MAX = 256
"""Holes of one machine that wait to be filled from its server's history; the oldest are given up first."""
HISTORY_ROWS_MAX = 64
"""Rows of history that may wait; more is not read before they are stored."""
HISTORY_SHARE_MAX = 0.5
"""History is taken in only while the spool is emptier than this share of its bound, so that it evicts nothing."""


class SpoolError(ExpectedError):
    """The spool cannot be used: the sentence says where and what to do."""


class SpoolFullError(Exception):
    """The disk took nothing: the rows are not in the spool."""


class NewRow(NamedTuple):
    """A row to be spooled.

    Attributes:
        machine: whose samples.
        signal_class: of all its samples.
        first: smallest stamp in it.
        last: largest stamp in it.
        samples: how many.
        body: the NetworkMessage without its MessageId, as it is kept.
        is_hole: whether all its samples are holes.
        is_history: whether it was read from a server's history, so that it goes behind what is live.
        whole: how large it is as it is sent, when it is compressed (`packing`); None when it is kept so.
    """

    machine: str
    signal_class: SignalClass
    first: int
    last: int
    samples: int
    body: bytes
    is_hole: bool = False
    is_history: bool = False
    whole: int | None = None


class Evicted(NamedTuple):
    """Rows of one machine and class that had to go, and the hole they leave."""

    hole: Hole
    signal_class: SignalClass
    rows: list[int]
    samples: int


class Dead(NamedTuple):
    """A row that could not be delivered though everything else could."""

    n: int
    machine: str
    first: int
    last: int
    samples: int
    reason: str


class Spool:
    """The open spool of one agent. One process at a time, one thread.

    Args:
        path: the file; made when missing.
        bytes_max: bound of all bodies together, as they are kept.
        age_days_max: bound of the age of a row's newest sample.
        host: identity of this computer; another one than last time means that the disk was cloned: a new epoch begins.
        durable: False lets a test run without waiting for the disk.

    Raises:
        SpoolError: the file is no spool or a newer agent's, cannot be opened, or another agent has it open.
    """

    def __init__(
        self,
        path: Path,
        *,
        bytes_max: int = BYTES_MAX,
        age_days_max: int = AGE_DAYS_MAX,
        host: str | None = None,
        durable: bool = True,
    ) -> None:
        self._bytes_max = bytes_max
        self._age_max = age_days_max * DAY
        self._stored: set[int] = set()
        self._uncounted: Counter[tuple[str, str]] = Counter()
        self._newest = self._rows = self._bytes = self._bytes_in = 0
        self._damage: list[Hole] = []
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.ExitStack() as opened:
                self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=0)
                opened.callback(self._db.close)
                self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
                self._refuse_newer(path)
                self._db.execute("PRAGMA journal_mode = WAL")
                self._db.execute(f"PRAGMA synchronous = {'FULL' if durable else 'OFF'}")
                self._db.execute("PRAGMA journal_size_limit = 67108864")
                with self._transaction():
                    _upgrade(self._db)
                self._check()
                self._epoch = self._load_epoch(host or host_identity(), file_identity(path))
                opened.pop_all()
        except (sqlite3.Error, OSError) as error:
            raise SpoolError(
                f"the spool {path} cannot be used ({error}): check that no other agent runs with it, that its folder "
                "can be written to, and that its disk has room",
            ) from error
        self._newest = self._one("SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'spooled'), 0)")
        self._bytes = self._one("SELECT coalesce(sum(size), 0) FROM spooled")
        self._rows = self._one("SELECT count(*) FROM spooled")

    @property
    def epoch(self) -> str:
        """Names this spool on this computer; row numbers mean nothing without it."""
        return self._epoch

    @property
    def newest(self) -> int:
        """The highest row number ever given out, also when the row is gone."""
        return self._newest

    @property
    def rows(self) -> int:
        """How many rows wait."""
        return self._rows

    @property
    def bytes_held(self) -> int:
        """How large they are together, as they are kept."""
        return self._bytes

    @property
    def bytes_in(self) -> int:
        """How many bytes were put since the spool was opened, as they are kept."""
        return self._bytes_in

    def put(
        self,
        rows: Sequence[NewRow],
        known: Iterable[tuple[str, str, Known]] = (),
        *,
        refilled: tuple[str, Period, str] | None = None,
    ) -> list[int]:
        """Make rows and last values durable, in one transaction.

        Args:
            rows: to be appended.
            known: machine, signal and last value, of the signals in these rows.
            refilled: machine, period and spans of a refill that ends with them.

        Returns:
            The numbers of the rows.

        Raises:
            SpoolFullError: nothing was kept.
        """
        try:
            with self._transaction():
                numbers = self._insert(rows, known)
                if refilled is not None:
                    machine, period, spans = refilled
                    self._db.execute(
                        "DELETE FROM refill WHERE machine = ? AND first = ? AND last = ? AND spans = ?",
                        (machine, period.start, period.end, spans),
                    )
                self._write_counts()
        except sqlite3.Error as error:
            raise SpoolFullError(str(error)) from error
        self._uncounted.clear()
        return numbers

    def waiting(self, after: int, until: int, limit: int, *, history: bool = False) -> list[SpoolRow]:
        """Return rows with `after < n <= until`, lowest first: those of history, or all others."""
        which = "history" if history else "NOT history"
        found = self._db.execute(
            f"SELECT n, coalesce(whole, size) FROM spooled WHERE n > ? AND n <= ? AND {which} ORDER BY n LIMIT ?",  # noqa: S608 - one of two
            (after, until, limit),
        )
        return [SpoolRow(*row) for row in found]

    @property
    def has_room_for_history(self) -> bool:
        """Whether history may be read now without being in the way of what is live."""
        waiting = self._one("SELECT count(*) FROM spooled WHERE history")
        return waiting < HISTORY_ROWS_MAX and self._bytes < self._bytes_max * HISTORY_SHARE_MAX

    def want_refill(self, machine: str, period: Period, spans: str) -> None:
        """Remember that a hole is to be filled from the server's history, until `put` ends it. A full disk forgets it.

        Args:
            machine: whose hole.
            period: of the hole.
            spans: what to read, as `edge_agent.refill` writes it.
        """
        with contextlib.suppress(sqlite3.Error), self._transaction():
            self._db.execute(
                "INSERT OR REPLACE INTO refill (machine, first, last, spans) VALUES (?,?,?,?)",
                (machine, period.start, period.end, spans),
            )
            self._db.execute(
                "DELETE FROM refill WHERE machine = ?1 AND last < (SELECT last FROM refill WHERE machine = ?1 "
                "ORDER BY last DESC LIMIT 1 OFFSET ?2)", (machine, REFILLS_MAX - 1),
            )  # fmt: skip

    def refills(self, machine: str) -> list[tuple[Period, str]]:
        """Return the holes of a machine that wait to be filled, newest first, each with what to read."""
        found = self._db.execute("SELECT first, last, spans FROM refill WHERE machine = ? ORDER BY last DESC, first",
                                 (machine,))  # fmt: skip
        return [(Period(first, last), spans) for first, last, spans in found]

    def message(self, n: int, publisher: str) -> tuple[str, str, bytes] | None:
        """Return machine, class and complete NetworkMessage of a row; None when it is gone.

        One whose checksum does not fit is dead from now on, and its hole waits in `take_damage`.
        """
        row = self._db.execute(
            "SELECT machine, class, body, whole, crc, first, last FROM spooled WHERE n = ?", (n,)
        ).fetchone()
        if row is None:
            return None
        machine, kind, body, whole, crc, first, last = row
        if crc is not None and zlib.crc32(body) != crc:
            self.kill(n, "damaged on the disk")
            self._damage.append(Hole(machine, Period(first, max(first, last) + 1), (), "damaged"))
            return None
        row_id = messages.RowId(publisher, self._epoch, n)
        return machine, _signal_class(kind), messages.with_id(row_id, unpacked(body, whole))

    def take_damage(self) -> list[Hole]:
        """Return the holes that damaged rows have left since the last call."""
        damage, self._damage = self._damage, []
        return damage

    def delete(self, rows: Iterable[int]) -> None:
        """Forget rows that a collector has stored or quarantined, dead ones too.

        What a full disk does not let go is deleted with the next ones.
        """
        self._stored.update(rows)
        with contextlib.suppress(sqlite3.Error):
            with self._transaction():
                for n in self._stored:
                    found = self._db.execute("DELETE FROM spooled WHERE n = ? RETURNING size", (n,)).fetchone()
                    if found:
                        self._rows -= 1
                        self._bytes -= found[0]
                    self._db.execute("DELETE FROM dead WHERE n = ?", (n,))
            self._stored = set()

    def kill(self, n: int, reason: str) -> None:
        """Move a row to the dead table and count its samples. On a full disk it stays a row, for the next run."""
        with contextlib.suppress(sqlite3.Error), self._transaction():
            row = self._db.execute(
                "DELETE FROM spooled WHERE n = ? RETURNING machine, class, first, last, samples, body, whole",
                (n,),
            ).fetchone()
            if row is None:
                return
            *told, body, whole = row
            self._db.execute(
                "INSERT OR REPLACE INTO dead VALUES (?,?,?,?,?,?,?,?)", (n, *told, unpacked(body, whole), reason)
            )
            self._db.execute(
                "DELETE FROM dead WHERE n IN (SELECT n FROM dead ORDER BY n DESC LIMIT -1 OFFSET ?)",
                (DEAD_ROWS_MAX,),
            )
            self._count(row[0], "dead_samples", row[4])
            self._rows -= 1
            self._bytes -= len(body)

    def dead(self) -> list[Dead]:
        """Return the dead rows, without their bodies."""
        found = self._db.execute("SELECT n, machine, first, last, samples, reason FROM dead ORDER BY n")
        return [Dead(*row) for row in found]

    def known(self) -> dict[str, dict[str, Known]]:
        """Return the last value of every signal, by machine."""
        lasts: dict[str, dict[str, Known]] = {}
        for machine, signal, *rest in self._db.execute("SELECT * FROM known"):
            lasts.setdefault(machine, {})[signal] = Known(*rest)
        return lasts

    def forget(self, machine: str) -> None:
        """Forget the last values of a machine, except its proofs: the next ones are new, whatever they are."""
        with contextlib.suppress(sqlite3.Error):
            self._db.execute("DELETE FROM known WHERE machine = ? AND signal <> 'observed'", (machine,))

    def evict(
        self,
        now: int,
        *,
        spare: frozenset[int],
        note: Callable[[Hole], tuple[Sequence[NewRow], Iterable[tuple[str, str, Known]]]],
        incoming_bytes: int = 0,
    ) -> list[Evicted]:
        """Make room: rows past the age bound, then, while the spool is too large, the oldest in `EVICTION_ORDER`.

        Args:
            now: the present.
            spare: rows that are on their way: they stay, and do not count, so that nothing goes in their stead.
            note: makes the rows, and their last values, that write a hole down: they enter as the others leave.
            incoming_bytes: what is about to be put.

        Returns:
            What had to go; nothing when a full disk does not let it.
        """
        old = self._db.execute(
            "SELECT n FROM spooled WHERE last < ? AND class <> 'hole' ORDER BY n LIMIT ?",
            (now - self._age_max, EVICT_ROWS),
        )
        too_old = [n for (n,) in old if n not in spare]
        excess = self._excess(spare, incoming_bytes)
        if not too_old and excess <= 0:
            return []
        try:
            with self._transaction():
                evicted = self._drop(too_old, "too_old")
                if excess > 0:
                    evicted += self._shrink(spare, self._excess(spare, incoming_bytes))
                for item in evicted:
                    self._insert(*note(item.hole))
        except sqlite3.Error:
            return []
        return evicted

    def count(self, machine: str, name: str, amount: int) -> None:
        """Add to a counter of loss of a machine. What a full disk does not take is written with the next rows."""
        self._uncounted[machine, name] += amount
        with contextlib.suppress(sqlite3.Error):
            with self._transaction():
                self._write_counts()
            self._uncounted.clear()

    def counts(self) -> dict[str, dict[str, int]]:
        """Return every counter of loss, by machine and name."""
        totals: dict[str, dict[str, int]] = {}
        for machine, name, total in self._db.execute("SELECT machine, name, total FROM count"):
            totals.setdefault(machine, {})[name] = total
        for (machine, name), amount in self._uncounted.items():
            totals.setdefault(machine, {})[name] = totals.get(machine, {}).get(name, 0) + amount
        return totals

    def oldest(self) -> dict[str, int]:
        """Return the oldest stamp that is not stored yet, by machine."""
        return dict(self._db.execute("SELECT machine, min(first) FROM spooled GROUP BY machine"))

    def writer_id(self, machine: str) -> int:
        """Return the DataSetWriterId of a machine: given out once, kept when machines come and go, never reused."""
        key = f"writer:{machine}"
        found = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        if found is not None:
            return int(found[0])
        number = 1 + self._one("SELECT coalesce(max(CAST(value AS INTEGER)), 0) FROM meta WHERE key LIKE 'writer:%'")
        with contextlib.suppress(sqlite3.Error), self._transaction():
            self._db.execute("INSERT INTO meta VALUES (?,?)", (key, str(number)))
        return number

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _insert(self, rows: Sequence[NewRow], known: Iterable[tuple[str, str, Known]]) -> list[int]:
        numbers = list(range(self._newest + 1, self._newest + 1 + len(rows)))
        self._db.executemany(
            "INSERT INTO spooled (n, machine, class, size, first, last, samples, body, history, crc, whole) "
            "VALUES (?,?,?,?,?,?,?,?,?,?,?)",
            [
                (
                    n,
                    each.machine,
                    "hole" if each.is_hole else each.signal_class,
                    len(each.body),
                    *each[2:6],
                    each.is_history,
                    zlib.crc32(each.body),
                    each.whole,
                )
                for n, each in zip(numbers, rows, strict=True)
            ],
        )
        self._db.executemany(
            "INSERT OR REPLACE INTO known VALUES (?,?,?,?,?,?)",
            [(machine, signal, k.raw, k.ordinal, k.value, k.status) for machine, signal, k in known],
        )
        self._newest += len(rows)
        self._rows += len(rows)
        size = sum(len(each.body) for each in rows)
        self._bytes += size
        self._bytes_in += size
        return numbers

    def _excess(self, spare: frozenset[int], incoming_bytes: int) -> int:
        """Return how many bytes there are beyond the bound; those on their way do not count."""
        excess = self._bytes + incoming_bytes - self._bytes_max
        if excess > 0:
            sizes = (self._db.execute("SELECT size FROM spooled WHERE n = ?", (n,)).fetchone() for n in spare)
            excess -= sum(size for (size,) in filter(None, sizes))
        return excess

    def _shrink(self, spare: frozenset[int], excess: int) -> list[Evicted]:
        """Delete what is oldest, in `EVICTION_ORDER`, until there is room."""
        excess += self._bytes_max - round(self._bytes_max * EVICT_TO)
        chosen: list[int] = []
        for kind in EVICTION_ORDER:
            rows = self._db.execute("SELECT n, size FROM spooled WHERE class = ? ORDER BY n", (kind,))
            for n, size in rows:
                if excess <= 0:
                    break
                if n not in spare:
                    chosen.append(n)
                    excess -= size
        return self._drop(chosen, "evicted")

    def _drop(self, numbers: list[int], cause: str) -> list[Evicted]:
        losses: dict[tuple[str, SignalClass], _Loss] = {}
        for n in numbers:
            machine, kind, size, body, whole, first, last, samples = self._db.execute(
                "DELETE FROM spooled WHERE n = ? RETURNING machine, class, size, body, whole, first, last, samples",
                (n,),
            ).fetchone()
            loss = losses.setdefault((machine, _signal_class(kind)), _Loss(machine))
            self._count(machine, f"{cause}_samples", loss.add(n, first, last, samples, unpacked(body, whole)))
            self._rows -= 1
            self._bytes -= size
        return [
            Evicted(loss.hole(cause), signal_class, loss.rows, loss.samples)
            for (_, signal_class), loss in losses.items()
        ]

    def _count(self, machine: str, name: str, amount: int) -> None:
        self._db.execute(
            "INSERT INTO count VALUES (?,?,?) ON CONFLICT (machine, name) DO UPDATE SET total = total + excluded.total",
            (machine, name, amount),
        )

    def _write_counts(self) -> None:
        for (machine, name), amount in self._uncounted.items():
            self._count(machine, name, amount)

    def _refuse_newer(self, path: Path) -> None:
        """Leave a file alone whose rows may mean something else than this version knows."""
        found = self._one("PRAGMA user_version")
        if found > FORMAT:
            raise SpoolError(
                f"the spool {path} was written by a newer agent (format {found}, this one reads up to {FORMAT}): bring "
                "the newer agent back; or let it send what waits, then move the file away and start this one",
            )

    def _check(self) -> None:
        """Refuse a file whose pages are damaged, before anything is read from the wrong one."""
        (found,) = self._db.execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            raise sqlite3.DatabaseError(f"it is damaged: {found}; move it away, the agent begins a new one")

    def _load_epoch(self, host: str, file: str) -> str:
        """Return the epoch; another one where the file is a copy. One that an older agent made is its own."""
        found = dict(self._db.execute("SELECT key, value FROM meta"))
        is_own = "epoch" in found and found.get("host") == host and found.get("file", file) == file
        epoch = str(found["epoch"]) if is_own else secrets.token_hex(8)
        wanted = {"epoch": epoch, "host": host, "file": file}
        if not wanted.items() <= found.items():
            with self._transaction():
                self._db.executemany("INSERT OR REPLACE INTO meta VALUES (?,?)", wanted.items())
        return epoch

    def _one(self, query: str) -> int:
        return int(self._db.execute(query).fetchone()[0])

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        held = self._newest, self._rows, self._bytes
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            self._newest, self._rows, self._bytes = held
            raise


def _upgrade(file: sqlite3.Connection) -> None:
    """Make what is missing, in the transaction that is open. A file without the mark keeps its rows."""
    is_unmarked = file.execute("PRAGMA user_version").fetchone()[0] < FORMAT
    present = {name for _, name, *_ in file.execute("PRAGMA table_info(row)")} if is_unmarked else set()
    if present:
        for name, kind in (("history", "INTEGER NOT NULL DEFAULT 0"), ("crc", "INTEGER"), ("whole", "INTEGER")):
            if name not in present:
                file.execute(f"ALTER TABLE row ADD COLUMN {name} {kind}")
        file.execute("ALTER TABLE row RENAME TO spooled")
    for statement in SCHEMA.split(";"):
        file.execute(statement)
    if is_unmarked:
        file.execute(f"PRAGMA user_version = {FORMAT}")


def _signal_class(kind: str) -> SignalClass:
    return "gauge" if kind == "gauge" else "record"


class _Loss:
    """Gathers what rows of one machine and class held, and what the holes among them said is missing besides."""

    def __init__(self, machine: str) -> None:
        self.rows: list[int] = []
        self.samples = 0
        self._machine = machine
        self._instants: list[int] = []
        self._signals: set[str] = set()
        self._is_of_all = False

    def add(self, n: int, first: int, last: int, samples: int, body: bytes) -> int:
        """Take in a row. Returns how many samples it held."""
        self.rows.append(n)
        self.samples += samples
        self._instants += first, last
        try:
            message = messages.decode(messages.with_id(messages.RowId("-", "0", 0), body))
        except messages.WireError:  # damaged on the disk
            self._is_of_all = True
            return samples
        sets = message.Messages if isinstance(message.Messages, list) else [message.Messages]
        for name, item in (field for each in sets for field in (each.Payload or {}).items()):
            if name == "hole" and isinstance(item, messages.DataValue):
                hole = Hole.decode(self._machine, item.Value)
                self._instants.append(hole.period.start)
                self._signals.update(hole.signals)
                self._is_of_all = self._is_of_all or not hole.signals
            else:
                self._signals.add(name)
        return samples

    def hole(self, cause: str) -> Hole:
        """Return the one hole that covers all of it."""
        signals = () if self._is_of_all else tuple(sorted(self._signals))
        return Hole(self._machine, Period(min(self._instants), max(self._instants) + 1), signals, cause)
