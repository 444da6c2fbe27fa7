"""The embedded telemetry store: one SQLite file, one process that collects and others that read beside it.

Records lie by series and stamp, so that one signal of one machine is read in one run over months. Gauges arrive from
thousands of series at once: they lie by block (a span of 8.6 s, then the series), so that a commit touches few pages and
what has expired is one run at the front.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections import defaultdict
from contextlib import contextmanager
from functools import lru_cache
from itertools import chain, repeat
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from shopfloor.periods import DAY, INSTANT_MIN, SECOND, Period, union
from shopfloor.samples import GOOD, Sample, Slice
from shopfloor.signals import UnknownSignalError, find
from shopfloor.states import Coverage, Hole
from shopfloor.stores.port import Arrival, Reduced, Rejection, StoreRefusedError, StoreUnavailableError
from shopfloor.stores.values import DECODERS, MINUTE_SECONDS, NUMBERS, PROOFS, fuller, sift

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from shopfloor.samples import Minute, Value

GAUGE_DAYS = 90
"""How long raw gauges are kept."""
BUSY_SECONDS = 5.0
"""How long a call waits for another process that writes."""
PRUNE_ROWS = 5_000
"""At least so many expired gauge samples leave with one write."""
PRUNE_FACTOR = 2
"""A write of many samples may remove up to so many times as many expired ones: pruning always catches up."""
CHECKPOINT_PAGES = 8_000
"""Size of the write-ahead log at which it is folded into the file: 32 MB."""
WRITER_CACHE_KIBIBYTES = 65_536
READER_CACHE_KIBIBYTES = 16_384
ROWS_PER_STATEMENT = 100
"""So many samples enter in one step: beyond, nothing is gained. The interpreter is free for others meanwhile."""
PLANS_MAX = 200_000
"""Known combinations of signals; beyond, they are learned again."""
READ_BLOCKS = 512
"""Gauges are read in windows of so many blocks (73 min), so that a limit ends a long period early."""

_SCHEMA_VERSION = 1
_BLOCK_BITS = 33  # a block lasts 2**33 ns = 8.6 s
_SERIES_BITS = 24
_SERIES_MASK = (1 << _SERIES_BITS) - 1
_NEVER = -(2**62)
_NEWEST_MASK = 15  # the newest block of a series is known to 16 blocks (137 s), so that it is seldom written
_COLUMNS = ("block", "stamp", "value", "status", "source")
_PLAIN, _ALL = 3, 5  # a Good sample with a trusted stamp fills three columns, which takes half the time of five


class _Table(NamedTuple):
    """Where samples lie, and how their block follows from {0} the stamp and {1} the series."""

    name: str
    block: str


_RECORD = _Table("record", "?{1}")
_GAUGE = _Table("gauge", f"?{{0}} >> {_BLOCK_BITS} << {_SERIES_BITS} | ?{{1}}")

_SAMPLES = """
CREATE TABLE IF NOT EXISTS {name} (
    block INTEGER NOT NULL, stamp INTEGER NOT NULL, value, status INTEGER, source INTEGER,
    PRIMARY KEY (block, stamp), CHECK (value IS NOT NULL OR ifnull(status, 0))
) WITHOUT ROWID;
"""
_SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS series (
    id INTEGER PRIMARY KEY, machine TEXT NOT NULL, signal TEXT NOT NULL, newest INTEGER NOT NULL DEFAULT ({_NEVER}),
    UNIQUE (machine, signal)
);
{_SAMPLES.format(name="record")}{_SAMPLES.format(name="gauge")}
CREATE TABLE IF NOT EXISTS minute (
    series INTEGER NOT NULL, stamp INTEGER NOT NULL, n INTEGER NOT NULL,
    minimum REAL NOT NULL, mean REAL NOT NULL, maximum REAL NOT NULL, PRIMARY KEY (series, stamp)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS arrival (
    machine TEXT NOT NULL, day INTEGER NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (machine, day)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS arrival_at ON arrival (at);
PRAGMA user_version = {_SCHEMA_VERSION};
COMMIT;
"""

_BUCKETS = "WITH RECURSIVE bucket(k) AS (SELECT :first UNION ALL SELECT k + 1 FROM bucket WHERE k < :last) "
_STEP = "stamp - ((stamp % :step) + :step) % :step"
_READ_RECORD = """
SELECT stamp, block, value, status, source FROM json_each(:series) AS s CROSS JOIN record ON block = s.value
WHERE stamp >= :start AND stamp < :end ORDER BY stamp LIMIT :limit"""
_READ_GAUGE = f"""{_BUCKETS}
SELECT stamp, s.value, gauge.value, status, source FROM json_each(:series) AS s CROSS JOIN bucket
CROSS JOIN gauge ON block = (k << {_SERIES_BITS} | s.value)
WHERE stamp >= :start AND stamp < :end ORDER BY stamp LIMIT :limit"""
_LAST_RECORD = """
SELECT stamp, value, status, source FROM record WHERE block = ? AND stamp < ? ORDER BY stamp DESC LIMIT 1"""
_LAST_GAUGE = f"""{_BUCKETS}
SELECT stamp, value, status, source FROM bucket CROSS JOIN gauge ON block = (k << {_SERIES_BITS} | :series)
WHERE stamp < :before ORDER BY stamp DESC LIMIT 1"""
_REDUCED = f"SELECT s.value, {_STEP} AS step, count(*), min({{v}}), avg({{v}}), max({{v}}) FROM json_each(:series) AS s "
_REDUCIBLE = "WHERE stamp >= :start AND stamp < :end AND {v} IS NOT NULL AND ifnull(status, 0) = 0 GROUP BY 1, 2"
_REDUCE_RECORD = (
    _REDUCED.format(v="record.value") + "CROSS JOIN record ON block = s.value " + _REDUCIBLE.format(v="record.value")
)
_REDUCE_GAUGE = (
    _BUCKETS
    + _REDUCED.format(v="gauge.value")
    + f"CROSS JOIN bucket CROSS JOIN gauge ON block = (k << {_SERIES_BITS} | s.value) "
    + _REDUCIBLE.format(v="gauge.value")
)
_REDUCE_MINUTES = f"""
SELECT series, {_STEP} AS step, sum(n), min(minimum), sum(n * mean) / sum(n), max(maximum)
FROM json_each(:series) AS s CROSS JOIN minute ON series = s.value
WHERE stamp >= :start AND stamp < :end AND n > 0 GROUP BY 1, 2"""
_SPANS = """
SELECT value, stamp FROM record WHERE block = :series AND stamp > :start AND stamp < :end AND value < :end
UNION ALL
SELECT * FROM (SELECT value, stamp FROM record WHERE block = :series AND stamp >= :end AND value IS NOT NULL
               ORDER BY stamp LIMIT 1) WHERE value < :end"""
_HOLES = "SELECT value FROM record WHERE block = :series AND stamp > :start AND value IS NOT NULL ORDER BY stamp"
_THIN = """
DELETE FROM record WHERE block = :series AND stamp >= :start AND value = :start AND stamp < (
    SELECT max(stamp) FROM record WHERE block = :series AND stamp >= :start AND value = :start)"""


class _Part(NamedTuple):
    """The signals of one class in a slice; `names` is None when they are all of it."""

    is_gauge: bool
    ids: tuple[int, ...]
    names: tuple[str, ...] | None


class _Plan:
    """Where the signals of a slice go."""

    __slots__ = ("holds_hole", "newest", "parts", "proofs")

    def __init__(self, parts: Sequence[_Part], proofs: Sequence[tuple[int, str]], *, holds_hole: bool) -> None:
        self.parts = parts
        self.proofs = proofs
        self.holds_hole = holds_hole
        self.newest = _NEVER if any(part.is_gauge for part in parts) else 2**62


class _Batch:
    """What one write enters: flat runs of stamp, series, value; then what has a quality or source time of its own."""

    def __init__(self) -> None:
        self.record: list[Value | None] = []
        self.gauge: list[Value | None] = []
        self.odd: dict[tuple[str, int], dict[str, tuple[Value | None, int | None, int | None]]] = {}
        self.marks: set[tuple[str, int]] = set()
        self.newest: dict[int, int] = {}
        self.proofs: set[tuple[int, int]] = set()


class SqliteStore:
    """A store in one file; `:memory:` keeps it in this process."""

    def __init__(self, path: Path | str, *, busy_seconds: float = BUSY_SECONDS) -> None:
        """Open the file, and create it with its folder when it does not exist.

        Raises:
            StoreUnavailableError: another process holds it, or the disk is full.
            StoreRefusedError: it may not be read or written, is damaged, or is of a newer version.
        """
        self._path = str(path)
        self._busy_seconds = busy_seconds
        self._lock = threading.RLock()
        self._idle: list[sqlite3.Connection] = []
        self._closed = False
        self._series: dict[str, dict[str, int]] = defaultdict(dict)
        self._plans: dict[str, dict[tuple[str, ...], _Plan]] = defaultdict(dict)
        self._plan_count = 0
        with self._explained():
            if self._path != ":memory:":
                Path(self._path).parent.mkdir(parents=True, exist_ok=True)
            self._writer = self._connect(WRITER_CACHE_KIBIBYTES)
            self._prepare()

    def write(self, slices: Sequence[Slice], minutes: Sequence[Minute] = (), *, now: int) -> list[Rejection]:
        """Commit everything in one transaction that survives a loss of power; see the port.

        `observed` and `unreachable` keep the newest proof of each span. Expired gauges leave in bounded runs.
        """
        with self._lock, self._explained():
            try:
                self._commit(slices, minutes, now)
            except (sqlite3.IntegrityError, OverflowError, ValueError, UnknownSignalError):
                kept, rejections = sift(slices)
                self._commit(kept, minutes, now)
                return rejections
            return []

    def read(self, machines: Sequence[str], signals: Sequence[str], period: Period, *, limit: int) -> list[Sample]:
        """Return samples by machine, then stamp; at most `limit` of each machine, the earliest ones."""
        found: list[Sample] = []
        with self._reading() as connection:
            for machine in machines:
                names = self._find(connection, machine, signals)
                records = {series: name for series, name in names.items() if not _is_gauge(name)}
                gauges = {series: name for series, name in names.items() if _is_gauge(name)}
                samples: list[Sample] = []
                if records:
                    rows = connection.execute(_READ_RECORD, {**_span(records, period), "limit": limit})
                    samples = _samples(machine, records, rows)
                if gauges:
                    samples += _samples(machine, gauges, _gauge_rows(connection, gauges, period, limit))
                    samples.sort(key=_by_stamp)
                found += samples[:limit]
        return found

    def last(self, machines: Sequence[str], signals: Sequence[str], before: int) -> dict[tuple[str, str], Sample]:
        """Return the newest sample of each machine and signal with a stamp before an instant."""
        found: dict[tuple[str, str], Sample] = {}
        with self._reading() as connection:
            for machine in machines:
                for series, name in self._find(connection, machine, signals).items():
                    if _is_gauge(name):
                        row = _last_gauge(connection, series, before)
                    else:
                        row = connection.execute(_LAST_RECORD, (series, before)).fetchone()
                    if row is not None:
                        stamp, *rest = row
                        found[machine, name] = _samples(machine, {series: name}, [(stamp, series, *rest)])[0]
        return found

    def reduce(
        self,
        machine: str,
        signals: Sequence[str],
        period: Period,
        *,
        step_seconds: int,
    ) -> dict[str, list[Reduced]]:
        """Return each signal's Good samples reduced to steps; see the port."""
        with self._reading() as connection:
            names = self._find(connection, machine, [name for name in signals if find(name).type in NUMBERS])
            records = {series: name for series, name in names.items() if not _is_gauge(name)}
            gauges = {series: name for series, name in names.items() if _is_gauge(name)}
            step = {"step": step_seconds * SECOND}
            raw = connection.execute(_REDUCE_RECORD, {**_span(records, period), **step}).fetchall()
            if gauges and (clipped := _held(connection, gauges, period)):
                raw += connection.execute(_REDUCE_GAUGE, {**_span(gauges, clipped), **step}).fetchall()
            stored: list[tuple[int, int, int, float, float, float]] = []
            if step_seconds % MINUTE_SECONDS == 0:
                stored = connection.execute(_REDUCE_MINUTES, {**_span(gauges, period), **step}).fetchall()
        return fuller(_reduced(names, raw), _reduced(names, stored))

    def gaps(self, machines: Sequence[str], period: Period) -> Mapping[str, Coverage]:
        """Return what is known of the watching: proven spans clipped to the period, and the holes that touch it."""
        known: dict[str, Coverage] = {}
        with self._reading() as connection:
            for machine in machines:
                ids = {name: series for series, name in self._find(connection, machine, (*PROOFS, "hole")).items()}
                observed, unreachable = (
                    union(
                        clipped
                        for start, stamp in connection.execute(_SPANS, _bounds(ids.get(name), period))
                        if start <= stamp and (clipped := Period(start, stamp).clip(period))
                    )
                    for name in PROOFS
                )
                texts = connection.execute(_HOLES, _bounds(ids.get("hole"), period))
                holes = [Hole.decode(machine, text) for (text,) in texts]
                touching = [hole for hole in holes if hole.period.overlaps(period)]
                known[machine] = Coverage(observed, unreachable, sorted(touching, key=lambda hole: hole.period))
        return known

    def arrivals(self, since: int) -> list[Arrival]:
        """Return the days of data that were written to at or after an instant, oldest arrival first."""
        with self._reading() as connection:
            rows = connection.execute("SELECT machine, day, at FROM arrival WHERE at >= ? ORDER BY at", (since,))
            return [Arrival(*row) for row in rows]

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._closed = True
            for connection in (*self._idle, self._writer):
                connection.close()
            self._idle.clear()

    # Connections and errors.

    def _connect(self, cache_kibibytes: int) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path,
            timeout=self._busy_seconds,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=2 * ROWS_PER_STATEMENT,
        )
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        connection.execute(f"PRAGMA cache_size = -{cache_kibibytes}")
        return connection

    def _prepare(self) -> None:
        (version,) = self._writer.execute("PRAGMA user_version").fetchone()
        if version > _SCHEMA_VERSION:
            raise StoreRefusedError(f"{self._path} was written by a newer version of this program: update it")
        if version < _SCHEMA_VERSION:
            self._writer.executescript(_SCHEMA)

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection to one read: each runs on its own, beside the one that writes."""
        with self._explained():
            if self._path == ":memory:":
                with self._lock:
                    yield self._writer
                return
            with self._lock:
                connection = self._idle.pop() if self._idle else None
            connection = connection or self._connect(READER_CACHE_KIBIBYTES)
            try:
                yield connection
            finally:
                with self._lock:
                    if self._closed:
                        connection.close()
                    else:
                        self._idle.append(connection)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Say an error of SQLite in the words of the port."""
        try:
            yield
        except OSError as error:
            raise StoreRefusedError(f"the folder of {self._path} cannot be made: {error}") from error
        except sqlite3.IntegrityError:
            raise
        except sqlite3.DatabaseError as error:
            code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
            if code in _REFUSALS:
                raise StoreRefusedError(f"{self._path} {_REFUSALS[code]}: {error}") from error
            if code in _PASSING:
                raise StoreUnavailableError(f"{self._path}: {error}") from error
            raise

    # Writing.

    def _commit(self, slices: Sequence[Slice], minutes: Sequence[Minute], now: int) -> None:
        connection = self._writer
        connection.execute("BEGIN IMMEDIATE")
        try:
            batch = self._gather(slices)
            aggregates = self._aggregates(minutes)
            self._insert(_RECORD, batch.record)
            self._insert(_GAUGE, batch.gauge)
            self._insert_odd(batch.odd)
            connection.executemany(_THIN, ({"series": series, "start": start} for series, start in batch.proofs))
            connection.executemany(
                "UPDATE series SET newest = max(newest, ?2) WHERE id = ?1",
                sorted(batch.newest.items()),
            )
            connection.executemany("INSERT OR REPLACE INTO minute VALUES (?, ?, ?, ?, ?, ?)", aggregates)
            connection.executemany(
                "INSERT INTO arrival VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET at = max(at, excluded.at)",
                ((machine, day, now) for machine, day in sorted(batch.marks)),
            )
            self._prune(len(batch.gauge) // _PLAIN, now)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            self._forget()
            raise

    def _forget(self) -> None:
        """Drop what was learned: it may name series and newest blocks that were not committed."""
        self._series.clear()
        self._plans.clear()
        self._plan_count = 0

    def _gather(self, slices: Iterable[Slice]) -> _Batch:
        if self._plan_count > PLANS_MAX:
            self._forget()
        batch = _Batch()
        record, gauge, all_plans = batch.record, batch.gauge, self._plans
        odd = batch.odd
        at, start, end = "", 0, 0
        plans: dict[tuple[str, ...], _Plan] = {}
        for machine, stamp, values, status, source in slices:
            if machine != at or not start <= stamp < end:
                day = stamp // DAY
                at, start, end = machine, day * DAY, day * DAY + DAY
                batch.marks.add((machine, day))
                plans = all_plans[machine]
            signals = tuple(values)
            plan = plans.get(signals) or self._plan(machine, signals)
            if status or source or (odd and (machine, stamp) in odd):
                entries = odd.setdefault((machine, stamp), {})
                entries.update({name: (values[name], status.get(name), source.get(name)) for name in signals})
            elif len(signals) == 1:
                is_gauge, ids, _ = plan.parts[0]
                (gauge if is_gauge else record).extend((stamp, ids[0], values[signals[0]]))
            else:
                for is_gauge, ids, names in plan.parts:
                    of_part = values.values() if names is None else map(values.__getitem__, names)
                    (gauge if is_gauge else record).extend(
                        chain.from_iterable(zip(repeat(stamp), ids, of_part)),  # noqa: B905 - repeat has no end
                    )
            if stamp >> _BLOCK_BITS > plan.newest:
                plan.newest = stamp >> _BLOCK_BITS | _NEWEST_MASK
                _renew(batch.newest, plan)
            for series, name in plan.proofs:
                if (since := values[name]) is not None:
                    batch.proofs.add((series, int(since)))
            if plan.holds_hole and (text := values["hole"]) is not None:
                Hole.decode(machine, str(text))
        return batch

    def _plan(self, machine: str, signals: tuple[str, ...]) -> _Plan:
        ids = self._identify(machine, signals)
        gauges = tuple(name for name in signals if _is_gauge(name))
        records = tuple(name for name in signals if not _is_gauge(name))
        parts = [
            _Part(is_gauge, tuple(ids[name] for name in names), names if gauges and records else None)
            for is_gauge, names in ((False, records), (True, gauges))
            if names
        ]
        proofs = [(ids[name], name) for name in records if name in PROOFS]
        plan = _Plan(parts, proofs, holds_hole="hole" in records)
        self._plans[machine][signals] = plan
        self._plan_count += 1
        return plan

    def _identify(self, machine: str, signals: Iterable[str]) -> dict[str, int]:
        """Return the series of these signals by name; those that are new are entered."""
        known = self._series[machine]
        missing = [signal for signal in signals if signal not in known]
        if missing:
            for signal in missing:
                find(signal)
            self._writer.executemany(
                "INSERT OR IGNORE INTO series (machine, signal) VALUES (?, ?)",
                ((machine, signal) for signal in missing),
            )
            known.update(
                self._writer.execute(
                    "SELECT signal, id FROM series WHERE machine = ?1 AND signal IN (SELECT value FROM json_each(?2))",
                    (machine, json.dumps(missing)),
                ).fetchall(),
            )
        return known

    def _insert(self, table: _Table, flat: list[Value | None], columns: int = _PLAIN) -> None:
        """Enter a flat run of samples, many in one statement."""
        size = ROWS_PER_STATEMENT * columns
        whole = len(flat) // size * size
        execute = self._writer.execute
        if whole:
            statement = _insert_statement(table, ROWS_PER_STATEMENT, columns)
            for position in range(0, whole, size):
                execute(statement, flat[position : position + size])
        if rest := flat[whole:]:
            execute(_insert_statement(table, len(rest) // columns, columns), rest)

    def _insert_odd(self, odd: Mapping[tuple[str, int], Mapping[str, tuple[Value | None, int | None, int | None]]]) -> None:
        """Enter the samples that have a status or source time, after all others: what came last wins."""
        record: list[Value | None] = []
        gauge: list[Value | None] = []
        for (machine, stamp), entries in odd.items():
            ids = self._series[machine]
            for name, entry in entries.items():
                (gauge if _is_gauge(name) else record).extend((stamp, ids[name], *entry))
        self._insert(_RECORD, record, _ALL)
        self._insert(_GAUGE, gauge, _ALL)

    def _aggregates(self, minutes: Sequence[Minute]) -> list[tuple[int, int, int, float, float, float]]:
        wanted: dict[str, set[str]] = defaultdict(set)
        for minute in minutes:
            wanted[minute.machine].add(minute.signal)
        for machine, signals in wanted.items():
            self._identify(machine, signals)
        return [(self._series[machine][signal], *rest) for machine, signal, *rest in minutes]

    def _prune(self, written: int, now: int) -> None:
        """Remove expired gauges, oldest first, so many as this write may."""
        expired = (now - GAUGE_DAYS * DAY) >> _BLOCK_BITS << _SERIES_BITS
        beyond = self._writer.execute(
            "SELECT block FROM gauge WHERE block < ? ORDER BY block LIMIT 1 OFFSET ?",
            (expired, max(PRUNE_ROWS, PRUNE_FACTOR * written)),
        ).fetchone()
        self._writer.execute("DELETE FROM gauge WHERE block < ?", beyond or (expired,))

    # Reading.

    def _find(self, connection: sqlite3.Connection, machine: str, signals: Iterable[str]) -> dict[int, str]:
        """Return the signals that the machine has, by series."""
        rows = connection.execute(
            "SELECT id, signal FROM series WHERE machine = ?1 AND signal IN (SELECT value FROM json_each(?2))",
            (machine, json.dumps(list(signals))),
        )
        return dict(rows.fetchall())


_REFUSALS = {
    sqlite3.SQLITE_PERM: "may not be used by this program",
    sqlite3.SQLITE_READONLY: "may not be written by this program",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened",
    sqlite3.SQLITE_CORRUPT: "is damaged, restore it from a backup",
    sqlite3.SQLITE_NOTADB: "is no SQLite file",
    sqlite3.SQLITE_AUTH: "may not be used by this program",
}
_PASSING = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_PROTOCOL,
}


def _is_gauge(name: str) -> bool:
    return find(name).signal_class == "gauge"


def _by_stamp(sample: Sample) -> int:
    return sample.stamp


def _renew(newest: dict[int, int], plan: _Plan) -> None:
    for is_gauge, ids, _ in plan.parts:
        if is_gauge:
            for series in ids:
                newest[series] = max(plan.newest, newest.get(series, _NEVER))


@lru_cache(maxsize=4 * ROWS_PER_STATEMENT)
def _insert_statement(table: _Table, rows: int, columns: int) -> str:
    """Return the statement that enters so many samples: stamp, series, value, then status and source if wanted."""
    values = ", ".join(
        f"({table.block.format(at, at + 1)}, ?{at}, {', '.join(f'?{at + more}' for more in range(2, columns))})"
        for at in range(1, rows * columns + 1, columns)
    )
    return f"INSERT OR REPLACE INTO {table.name} ({', '.join(_COLUMNS[:columns])}) VALUES {values}"  # noqa: S608 - fixed


def _span(series: Iterable[int], period: Period) -> dict[str, int | str]:
    return {
        "series": json.dumps(list(series)),
        "start": period.start,
        "end": period.end,
        "first": period.start >> _BLOCK_BITS,
        "last": (period.end - 1) >> _BLOCK_BITS,
    }


def _bounds(series: int | None, period: Period) -> dict[str, int | None]:
    return {"series": series, "start": period.start, "end": period.end}


def _samples(
    machine: str,
    names: Mapping[int, str],
    rows: Iterable[tuple[int, int, Value | None, int | None, int | None]],
) -> list[Sample]:
    decoders = {series: DECODERS[find(name).type] for series, name in names.items()}
    return [
        Sample(
            machine,
            names[series],
            stamp,
            value if value is None or (decode := decoders[series]) is None else decode(value),
            status or GOOD,
            source,
        )
        for stamp, series, value, status, source in rows
    ]


def _held(connection: sqlite3.Connection, series: Iterable[int], period: Period) -> Period | None:
    """Clip a period to the blocks that may hold gauges of these series."""
    oldest, newest = connection.execute(
        f"SELECT (SELECT min(block) >> {_SERIES_BITS} FROM gauge),"  # noqa: S608 - a constant
        " (SELECT max(newest) FROM series WHERE id IN (SELECT value FROM json_each(?)))",
        (json.dumps(list(series)),),
    ).fetchone()
    if oldest is None or newest is None or newest < oldest:
        return None
    return period.clip(Period(oldest << _BLOCK_BITS, (newest + 1) << _BLOCK_BITS))


def _gauge_rows(
    connection: sqlite3.Connection,
    series: Mapping[int, str],
    period: Period,
    limit: int,
) -> list[tuple[int, int, Value | None, int | None, int | None]]:
    """Read gauges window by window, wider ones where there is little, until the limit is reached."""
    rows: list[tuple[int, int, Value | None, int | None, int | None]] = []
    held = _held(connection, series, period)
    if held is None:
        return rows
    start, width = held.start, READ_BLOCKS << _BLOCK_BITS
    while start < held.end and len(rows) < limit:
        window = Period(start, min(start + width, held.end))
        found = connection.execute(_READ_GAUGE, {**_span(series, window), "limit": limit - len(rows)}).fetchall()
        rows += found
        start = window.end
        width = width if found else 2 * width
    return rows


def _last_gauge(
    connection: sqlite3.Connection,
    series: int,
    before: int,
) -> tuple[int, Value | None, int | None, int | None] | None:
    """Search backwards from the newest block of the series, in wider and wider windows."""
    held = _held(connection, (series,), Period(min(INSTANT_MIN, before), before))
    if held is None:
        return None
    last, oldest, width = (held.end - 1) >> _BLOCK_BITS, held.start >> _BLOCK_BITS, 1
    while last >= oldest:
        first = max(last - width + 1, oldest)
        span = {"series": series, "before": before, "first": first, "last": last}
        row: tuple[int, Value | None, int | None, int | None] | None
        if row := connection.execute(_LAST_GAUGE, span).fetchone():
            return row
        last, width = first - 1, min(2 * width, READ_BLOCKS)
    return None


def _reduced(
    names: Mapping[int, str],
    rows: Iterable[tuple[int, int, int, float, float, float]],
) -> dict[str, list[Reduced]]:
    found: dict[str, list[Reduced]] = defaultdict(list)
    for series, step, n, minimum, mean, maximum in rows:
        found[names[series]].append(Reduced(step, n, float(minimum), mean, float(maximum)))
    return found
