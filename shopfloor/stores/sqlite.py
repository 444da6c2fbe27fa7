"""The embedded telemetry store: one SQLite file, one process that collects and others that read beside it.

Records lie by series and stamp, so that one signal of one machine is read in one run over months. Gauges arrive from
thousands of series at once: they lie by block (a span of 8.6 s, then the series), so that a commit touches few pages
and what has expired is one run at the front.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections import defaultdict
from contextlib import contextmanager
from itertools import chain, repeat
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from shopfloor.periods import DAY, HOUR, INSTANT_MAX, INSTANT_MIN, SECOND, Period, union
from shopfloor.samples import GOOD, Run, Sample, Slice, days
from shopfloor.signals import UnknownSignalError, find
from shopfloor.states import Coverage, Hole
from shopfloor.stores import sqlite_statements as sql
from shopfloor.stores.port import Arrival, Reduced, Rejection, StoreRefusedError, StoreUnavailableError
from shopfloor.stores.values import DECODERS, MINUTE_SECONDS, NUMBERS, PROOFS, fuller, sift

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from shopfloor.samples import Minute, Value

GAUGE_DAYS = 90
"""How long raw gauges are kept, counted from their stamp or, where that is later, from when their day last came in."""
BUSY_SECONDS = 5.0
"""How long a call waits for another process that writes."""
PRUNE_ROWS = 5_000
"""At least so many expired gauge samples leave with one write."""
PRUNE_FACTOR = 2
"""A write of many samples may remove up to so many times as many expired ones: pruning always catches up."""
CHECKPOINT_PAGES = 8_000
"""Size of the write-ahead log at which it is folded into the file: 32 MB."""
LOG_BYTES_MAX = 67_108_864
"""What the write-ahead log is cut to after a rush."""
WRITER_CACHE_KIBIBYTES = 65_536
READER_CACHE_KIBIBYTES = 16_384
PLANS_MAX = 200_000
"""Known combinations of signals; beyond, they are learned again."""
READ_BLOCKS = 512
"""Gauges are read in windows of so many blocks (73 min), so that a limit ends a long period early."""

_NEVER = INSTANT_MIN
_NEWEST_MASK = 15  # the newest block of a series is known to 16 blocks (137 s), so that it is seldom written

_Row: TypeAlias = "tuple[int, int, Value | None, int | None, int | None]"
_Step: TypeAlias = "tuple[int, int, int, float, float, float]"
_Odd: TypeAlias = "dict[tuple[str, int], dict[str, tuple[Value | None, int | None, int | None]]]"


class _Part(NamedTuple):
    """The signals of one class in a slice; `names` is None when they are all of it."""

    is_gauge: bool
    ids: tuple[int, ...]
    names: tuple[str, ...] | None


class _Plan:
    """Where the signals of a slice go: learned once for each combination.

    Attributes:
        parts: its records, its gauges.
        is_gauge: whether a gauge is among them.
        alone: the series, when it is one signal only.
        watched: series of its proofs and holes, by name.
        newest: the last instant to which the newest block of its gauges is on record.
    """

    __slots__ = ("alone", "is_gauge", "newest", "parts", "watched")

    def __init__(self, ids: Mapping[str, int], names: tuple[str, ...]) -> None:
        classes = {is_gauge: tuple(name for name in names if _is_gauge(name) is is_gauge) for is_gauge in (False, True)}
        self.parts = [
            _Part(is_gauge, tuple(ids[name] for name in part), None if part == names else part)
            for is_gauge, part in classes.items()
            if part
        ]
        self.is_gauge = bool(classes[True])
        self.alone = ids[names[0]] if len(names) == 1 else None
        self.watched = {name: ids[name] for name in names if name in PROOFS or name == "hole"}
        self.newest = _NEVER if self.is_gauge else INSTANT_MAX


class _Batch:
    """What one write enters.

    Attributes:
        record: stamp, series, value, and so on.
        gauge: the same for gauges.
        odd: by machine and stamp the value, status and source of each signal, where one of them has a status or source.
        marks: machines and days.
        newest: newest block by series.
        proofs: series and start of the spans that were proven.
    """

    def __init__(self) -> None:
        self.record: list[Value | None] = []
        self.gauge: list[Value | None] = []
        self.odd: _Odd = {}
        self.marks: set[tuple[str, int]] = set()
        self.newest: dict[int, int] = {}
        self.proofs: set[tuple[int, int]] = set()

    def renew(self, plan: _Plan, stamp: int) -> None:
        """Note that the gauges of a plan reach a newer block."""
        newest = stamp >> sql.BLOCK_BITS | _NEWEST_MASK
        plan.newest = ((newest + 1) << sql.BLOCK_BITS) - 1
        for is_gauge, ids, _ in plan.parts:
            if is_gauge:
                for series in ids:
                    self.newest[series] = max(newest, self.newest.get(series, _NEVER))

    def watch(self, machine: str, plan: _Plan, values: Mapping[str, Value | None]) -> None:
        """Note proofs, so that older ones of their span can go.

        Raises:
            ValueError: when a hole cannot be read.
        """
        for name, series in plan.watched.items():
            value = values[name]
            if name == "hole" and value is not None:
                Hole.decode(machine, str(value))
            elif value is not None:
                self.proofs.add((series, int(value)))


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
        self._asked_at = _NEVER
        self._oldest_day = 0
        self._plan_count = 0
        with self._explained():
            if self._path != ":memory:":
                Path(self._path).parent.mkdir(parents=True, exist_ok=True)
            self._writer = self._connect(WRITER_CACHE_KIBIBYTES)
            self._prepare()

    def write(self, slices: Sequence[Slice | Run], minutes: Sequence[Minute] = (), *, now: int) -> list[Rejection]:
        """Commit everything in one transaction that survives a loss of power; see the port.

        `observed` and `unreachable` keep the newest proof of each span. Expired gauges leave in bounded runs.
        """
        rejections: list[Rejection] = []
        with self._lock, self._explained():
            try:
                self._commit(slices, minutes, now)
            except (sqlite3.IntegrityError, OverflowError, ValueError, UnknownSignalError):
                kept, rejections = sift(slices)
                if not rejections:
                    raise
                self._commit(kept, minutes, now)
        return rejections

    def read(self, machines: Sequence[str], signals: Sequence[str], period: Period, *, limit: int) -> list[Sample]:
        """Return samples by machine, then stamp; at most `limit` of each machine, the earliest ones."""
        found: list[Sample] = []
        with self._reading() as connection:
            for machine in machines:
                records, gauges = _series(connection, machine, signals)
                rows: list[_Row] = []
                if records:
                    rows = connection.execute(sql.READ_RECORD, {**_span(records, period), "limit": limit}).fetchall()
                if gauges:
                    rows += _gauge_rows(connection, gauges, period, limit)
                    rows.sort(key=_stamp)
                found += _samples(machine, {**records, **gauges}, rows[:limit])
        return found

    def last(self, machines: Sequence[str], signals: Sequence[str], before: int) -> dict[tuple[str, str], Sample]:
        """Return the newest sample of each machine and signal with a stamp before an instant."""
        found: dict[tuple[str, str], Sample] = {}
        with self._reading() as connection:
            for machine in machines:
                records, gauges = _series(connection, machine, signals)
                rows = [
                    connection.execute(sql.LAST_RECORD, {"series": series, "before": before}).fetchone()
                    for series in records
                ]
                rows += [_last_gauge(connection, series, before) for series in gauges]
                for sample in _samples(machine, {**records, **gauges}, filter(None, rows)):
                    found[machine, sample.signal] = sample
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
        numeric = [name for name in signals if find(name).type in NUMBERS]
        step = {"step": step_seconds * SECOND}
        stored: list[_Step] = []
        with self._reading() as connection:
            records, gauges = _series(connection, machine, numeric)
            names = {**records, **gauges}
            raw: list[_Step] = connection.execute(sql.REDUCE_RECORD, {**_span(records, period), **step}).fetchall()
            if gauges and (clipped := _held(connection, gauges, period)):
                raw += connection.execute(sql.REDUCE_GAUGE, {**_span(gauges, clipped), **step}).fetchall()
            if step_seconds % MINUTE_SECONDS == 0:
                stored = connection.execute(sql.REDUCE_MINUTES, {**_span(names, period), **step}).fetchall()
        return fuller(_reduced(names, raw), _reduced(names, stored))

    def gaps(self, machines: Sequence[str], period: Period) -> Mapping[str, Coverage]:
        """Return what is known of the watching: proven spans clipped to the period, and the holes that touch it."""
        known: dict[str, Coverage] = {}
        with self._reading() as connection:
            for machine in machines:
                records, _ = _series(connection, machine, (*PROOFS, "hole"))
                bounds = {
                    name: {"series": series, "start": period.start, "end": period.end}
                    for series, name in records.items()
                }
                observed, unreachable = (
                    _clipped(connection.execute(sql.SPANS, bounds[name]), period) if name in bounds else []
                    for name in PROOFS
                )
                texts = connection.execute(sql.HOLES, bounds["hole"]) if "hole" in bounds else ()
                holes = [hole for (text,) in texts if (hole := Hole.decode(machine, text)).period.overlaps(period)]
                known[machine] = Coverage(observed, unreachable, sorted(holes, key=_start))
        return known

    def arrivals(self, since: int) -> list[Arrival]:
        """Return the days of data that were written to at or after an instant, oldest arrival first."""
        with self._reading() as connection:
            return [Arrival(*row) for row in connection.execute(sql.ARRIVALS, (since,))]

    def contents(self) -> dict[str, list[str]]:
        """Return the signals of each machine that samples were ever written of."""
        found: dict[str, list[str]] = defaultdict(list)
        with self._reading() as connection:
            for machine, signal in connection.execute(sql.ALL_SERIES):
                found[machine].append(signal)
        return dict(found)

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._closed = True
            for connection in (*self._idle, self._writer):
                connection.close()
            self._idle.clear()

    def _connect(self, cache_kibibytes: int) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path,
            timeout=self._busy_seconds,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=4 * sql.ROWS_PER_STATEMENT,
        )
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
            connection.execute(f"PRAGMA journal_size_limit = {LOG_BYTES_MAX}")
            connection.execute(f"PRAGMA cache_size = -{cache_kibibytes}")
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self) -> None:
        try:
            (version,) = self._writer.execute("PRAGMA user_version").fetchone()
            if version < sql.SCHEMA_VERSION:
                self._writer.executescript(sql.SCHEMA)
        except BaseException:
            self._writer.close()
            raise
        if version > sql.SCHEMA_VERSION:
            self._writer.close()
            raise StoreRefusedError(f"{self._path} was written by a newer version of this program: update it")

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
        except sqlite3.DatabaseError as error:
            code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
            if code in _REFUSALS:
                raise StoreRefusedError(f"{self._path} {_REFUSALS[code]}: {error}") from error
            if code in _PASSING:
                raise StoreUnavailableError(f"{self._path}: {error}") from error
            raise

    def _commit(self, slices: Sequence[Slice | Run], minutes: Sequence[Minute], now: int) -> None:
        connection = self._writer
        connection.execute("BEGIN IMMEDIATE")
        try:
            batch = self._gather(slices)
            aggregates = self._aggregates(minutes)
            self._insert(sql.RECORD, batch.record)
            self._insert(sql.GAUGE, batch.gauge)
            self._insert_odd(batch.odd)
            connection.executemany(sql.THIN, ({"series": series, "start": start} for series, start in batch.proofs))
            connection.executemany(sql.RENEW_SERIES, sorted(batch.newest.items()))
            connection.executemany(sql.ENTER_MINUTE, aggregates)
            connection.executemany(sql.MARK_ARRIVAL, ((*mark, now) for mark in sorted(batch.marks)))
            self._prune(len(batch.gauge) // sql.PLAIN, batch.marks, now)
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

    def _gather(self, slices: Iterable[Slice | Run]) -> _Batch:
        if self._plan_count > PLANS_MAX:
            self._forget()
        batch = _Batch()
        record, gauge, odd = batch.record, batch.gauge, batch.odd
        at, start, end = "", 0, 0
        plans: dict[tuple[str, ...], _Plan] = {}
        for machine, stamp, values, status, source in self._without_runs(slices, batch):
            if machine != at or not start <= stamp < end:
                day = stamp // DAY
                at, start, end = machine, day * DAY, day * DAY + DAY
                batch.marks.add((machine, day))
                plans = self._plans[machine]
            names = tuple(values)
            plan = plans.get(names) or self._plan(machine, names)
            if stamp > plan.newest:
                batch.renew(plan, stamp)
            if plan.watched:
                batch.watch(machine, plan, values)
            if status or source or (odd and (machine, stamp) in odd):
                entries = odd.setdefault((machine, stamp), {})
                entries.update({name: (value, status.get(name), source.get(name)) for name, value in values.items()})
            elif plan.alone is not None:
                (value,) = values.values()
                (gauge if plan.is_gauge else record).extend((stamp, plan.alone, value))
            else:
                for is_gauge, ids, part in plan.parts:
                    of_part = values.values() if part is None else map(values.__getitem__, part)
                    columns = zip(repeat(stamp), ids, of_part)
                    (gauge if is_gauge else record).extend(chain.from_iterable(columns))
        return batch

    def _without_runs(self, slices: Iterable[Slice | Run], batch: _Batch) -> Iterator[Slice]:
        """Gather the runs on the way, and pass on the slices; runs that need a closer look come as slices."""
        for each in slices:
            if type(each) is Slice:
                yield each
            elif type(each) is Run and not self._gather_run(each, batch):
                yield from each.slices()

    def _gather_run(self, run: Run, batch: _Batch) -> bool:
        """Gather a run at once; False when its values are not all of one class, prove something or may be odd."""
        machine, stamps, values = run
        names = tuple(values)
        plan = self._plans[machine].get(names) or self._plan(machine, names)
        if len(plan.parts) > 1 or plan.watched or batch.odd:
            return False
        newest = max(stamps)
        if newest > plan.newest:
            batch.renew(plan, newest)
        batch.marks.update((machine, day) for day in days(run))
        columns = zip(stamps, plan.parts[0].ids, values.values(), strict=True)
        (batch.gauge if plan.is_gauge else batch.record).extend(chain.from_iterable(columns))
        return True

    def _plan(self, machine: str, names: tuple[str, ...]) -> _Plan:
        plan = self._plans[machine][names] = _Plan(self._identify(machine, names), names)
        self._plan_count += 1
        return plan

    def _identify(self, machine: str, signals: Iterable[str]) -> dict[str, int]:
        """Return the series of the machine's signals by name; those that are new are entered.

        Raises:
            UnknownSignalError: when one is neither in the signal table nor typed by its name.
        """
        known = self._series[machine]
        missing = [signal for signal in signals if signal not in known]
        if missing:
            self._writer.executemany(sql.ENTER_SERIES, ((machine, find(signal).name) for signal in missing))
            known.update(self._writer.execute(sql.FIND_SERIES, (machine, json.dumps(missing))).fetchall())
        return known

    def _insert(self, table: sql.Table, flat: list[Value | None], columns: int = sql.PLAIN) -> None:
        """Enter a flat run of samples, many in one statement."""
        size = sql.ROWS_PER_STATEMENT * columns
        whole = len(flat) // size * size
        execute = self._writer.execute
        for position in range(0, whole, size):
            execute(sql.enter_samples(table, sql.ROWS_PER_STATEMENT, columns), flat[position : position + size])
        if rest := flat[whole:]:
            execute(sql.enter_samples(table, len(rest) // columns, columns), rest)

    def _insert_odd(self, odd: _Odd) -> None:
        """Enter the samples that have a status or source time, after all others: what came last wins."""
        record: list[Value | None] = []
        gauge: list[Value | None] = []
        for (machine, stamp), entries in odd.items():
            ids = self._series[machine]
            for name, entry in entries.items():
                if isinstance(entry[0], float) and isnan(entry[0]):
                    raise ValueError(f"{name} is no number")  # SQLite would take it for no value
                (gauge if _is_gauge(name) else record).extend((stamp, ids[name], *entry))
        self._insert(sql.RECORD, record, sql.WHOLE)
        self._insert(sql.GAUGE, gauge, sql.WHOLE)

    def _aggregates(self, minutes: Sequence[Minute]) -> list[_Step]:
        wanted: dict[str, set[str]] = defaultdict(set)
        for minute in minutes:
            wanted[minute.machine].add(minute.signal)
        ids = {machine: self._identify(machine, signals) for machine, signals in wanted.items()}
        return [(ids[each.machine][each.signal], each.stamp, *each[3:]) for each in minutes]

    def _prune(self, written: int, marks: Iterable[tuple[str, int]], now: int) -> None:
        """Remove expired gauges, oldest first, so many as this write may.

        What came in late is kept as long as what came in time: a recording of another year does not vanish at once.
        """
        kept_from = now - GAUGE_DAYS * DAY
        if now - self._asked_at >= HOUR:
            self._asked_at = now
            [(self._oldest_day,)] = self._writer.execute(sql.OLDEST_DAY, (kept_from, now // DAY)).fetchall()
        self._oldest_day = min((self._oldest_day, *(day for _, day in marks)))
        expired = min(kept_from, self._oldest_day * DAY) >> sql.BLOCK_BITS << sql.SERIES_BITS
        rows = max(PRUNE_ROWS, PRUNE_FACTOR * written)
        beyond = self._writer.execute(sql.BEYOND_PRUNED, (expired, rows)).fetchone()
        self._writer.execute(sql.PRUNE, beyond or (expired,))


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


def _stamp(row: _Row) -> int:
    return row[0]


def _start(hole: Hole) -> int:
    return hole.period.start


def _series(
    connection: sqlite3.Connection,
    machine: str,
    signals: Iterable[str],
) -> tuple[dict[int, str], dict[int, str]]:
    """Return the names of those signals that the machine has, by series: records, then gauges."""
    rows = connection.execute(sql.FIND_SERIES, (machine, json.dumps(list(signals)))).fetchall()
    records = {series: name for name, series in rows if not _is_gauge(name)}
    return records, {series: name for name, series in rows if series not in records}


def _span(series: Iterable[int], period: Period) -> dict[str, int | str]:
    return {
        "series": json.dumps(list(series)),
        "start": period.start,
        "end": period.end,
        "first": period.start >> sql.BLOCK_BITS,
        "last": (period.end - 1) >> sql.BLOCK_BITS,
    }


def _clipped(proofs: Iterable[tuple[int, int]], period: Period) -> list[Period]:
    """Make spans of (start, proven until), as far as they lie in a period."""
    spans = (Period(start, until).clip(period) for start, until in proofs if start <= until)
    return union(span for span in spans if span)


def _samples(machine: str, names: Mapping[int, str], rows: Iterable[_Row]) -> list[Sample]:
    kinds = {series: (name, DECODERS[find(name).type]) for series, name in names.items()}
    samples: list[Sample] = []
    for stamp, series, stored, status, source in rows:
        name, decode = kinds[series]
        value = stored if stored is None or decode is None else decode(stored)
        samples.append(Sample(machine, name, stamp, value, status or GOOD, source))
    return samples


def _held(connection: sqlite3.Connection, series: Iterable[int], period: Period) -> Period | None:
    """Clip a period to the blocks that may hold gauges of these series."""
    oldest, newest = connection.execute(sql.HELD_BLOCKS, {"series": json.dumps(list(series))}).fetchone()
    if oldest is None or newest is None or newest < oldest:
        return None
    return period.clip(Period(oldest << sql.BLOCK_BITS, (newest + 1) << sql.BLOCK_BITS))


def _gauge_rows(connection: sqlite3.Connection, series: Iterable[int], period: Period, limit: int) -> list[_Row]:
    """Read gauges window by window, wider ones where there is nothing, until the limit is reached.

    Blocks are looked up one by one, so that years in which no machine said anything are stepped over.
    """
    rows: list[_Row] = []
    held = _held(connection, series, period)
    start, width = (held.start, READ_BLOCKS << sql.BLOCK_BITS) if held else (0, 0)
    while held and start < held.end and len(rows) < limit:
        window = Period(start, min(start + width, held.end))
        found = connection.execute(sql.READ_GAUGE, {**_span(series, window), "limit": limit - len(rows)}).fetchall()
        rows += found
        start = window.end
        if not found:
            (block,) = connection.execute(sql.NEXT_BLOCK, (start >> sql.BLOCK_BITS,)).fetchone()
            start = held.end if block is None else max(start, block << sql.BLOCK_BITS)
            width = 2 * width
    return rows


def _last_gauge(connection: sqlite3.Connection, series: int, before: int) -> _Row | None:
    """Search backwards from the newest block of the series, in wider and wider windows."""
    held = _held(connection, (series,), Period(min(INSTANT_MIN, before), before))
    if held is None:
        return None
    last, oldest, width = (held.end - 1) >> sql.BLOCK_BITS, held.start >> sql.BLOCK_BITS, 1
    while last >= oldest:
        first = max(last - width + 1, oldest)
        span = {"series": series, "before": before, "first": first, "last": last}
        row: _Row | None = connection.execute(sql.LAST_GAUGE, span).fetchone()
        if row is not None:
            return row
        (block,) = connection.execute(sql.BLOCK_BEFORE, (first,)).fetchone()
        last, width = oldest - 1 if block is None else block, min(2 * width, READ_BLOCKS)
    return None


def _reduced(names: Mapping[int, str], rows: Iterable[_Step]) -> dict[str, list[Reduced]]:
    found: dict[str, list[Reduced]] = defaultdict(list)
    for series, step, n, minimum, mean, maximum in rows:
        found[names[series]].append(Reduced(step, n, float(minimum), float(mean), float(maximum)))
    return found
