"""What the SQLite store says to SQLite.

A gauge's block is `stamp >> 33 << 24 | series`: a span of 2**33 ns (8.6 s), then the series.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

SCHEMA_VERSION = 1
BLOCK_BITS = 33
SERIES_BITS = 24
ROWS_PER_STATEMENT = 100
"""So many samples enter in one step: beyond, nothing is gained. The interpreter is free for others meanwhile."""

SCHEMA = """
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS series (
    id INTEGER PRIMARY KEY, machine TEXT NOT NULL, signal TEXT NOT NULL, newest INTEGER, UNIQUE (machine, signal)
);
CREATE TABLE IF NOT EXISTS record (
    block INTEGER NOT NULL, stamp INTEGER NOT NULL, value, status INTEGER, source INTEGER,
    PRIMARY KEY (block, stamp),
    CHECK (value IS NOT NULL OR ifnull(status, 0)), CHECK (value NOT IN (9e999, -9e999))
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS gauge (
    block INTEGER NOT NULL, stamp INTEGER NOT NULL, value, status INTEGER, source INTEGER,
    PRIMARY KEY (block, stamp),
    CHECK (value IS NOT NULL OR ifnull(status, 0)), CHECK (value NOT IN (9e999, -9e999))
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS minute (
    series INTEGER NOT NULL, stamp INTEGER NOT NULL, n INTEGER NOT NULL,
    minimum REAL NOT NULL, mean REAL NOT NULL, maximum REAL NOT NULL, PRIMARY KEY (series, stamp)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS arrival (
    machine TEXT NOT NULL, day INTEGER NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (machine, day)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS arrival_at ON arrival (at);
PRAGMA user_version = 1;
COMMIT;
"""

ENTER_SERIES = "INSERT OR IGNORE INTO series (machine, signal) VALUES (?, ?)"
FIND_SERIES = """
SELECT signal, id FROM series WHERE machine = ? AND signal IN (SELECT value FROM json_each(?))"""
ALL_SERIES = "SELECT machine, signal FROM series ORDER BY machine, signal"
RENEW_SERIES = "UPDATE series SET newest = max(ifnull(newest, ?2), ?2) WHERE id = ?1"
"""The newest block of a gauge's series, so that its last sample is found without a search through silence."""
HELD_BLOCKS = """
SELECT (SELECT min(block) >> 24 FROM gauge),
       (SELECT max(newest) FROM series WHERE id IN (SELECT value FROM json_each(:series)))"""

NEXT_BLOCK = "SELECT min(block) >> 24 FROM gauge WHERE block >= ? << 24"
BLOCK_BEFORE = "SELECT max(block) >> 24 FROM gauge WHERE block < ? << 24"

ENTER_MINUTE = "INSERT OR REPLACE INTO minute VALUES (?, ?, ?, ?, ?, ?)"
MARK_ARRIVAL = "INSERT INTO arrival VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET at = max(at, excluded.at)"
ARRIVALS = "SELECT machine, day, at FROM arrival WHERE at >= ? ORDER BY at"

THIN = """
DELETE FROM record WHERE block = :series AND stamp >= :start AND value = :start AND stamp < (
    SELECT max(stamp) FROM record WHERE block = :series AND stamp >= :start AND value = :start)"""
OLDEST_DAY = "SELECT coalesce(min(day), ?2) FROM arrival WHERE at >= ?1"
BEYOND_PRUNED = "SELECT block FROM gauge WHERE block < ? ORDER BY block LIMIT 1 OFFSET ?"
PRUNE = "DELETE FROM gauge WHERE block < ?"

READ_RECORD = """
SELECT stamp, block, record.value, status, source FROM json_each(:series) AS s CROSS JOIN record ON block = s.value
WHERE stamp >= :start AND stamp < :end ORDER BY stamp LIMIT :limit"""
READ_GAUGE = """
WITH RECURSIVE bucket(k) AS (SELECT :first UNION ALL SELECT k + 1 FROM bucket WHERE k < :last)
SELECT stamp, s.value, gauge.value, status, source
FROM json_each(:series) AS s CROSS JOIN bucket CROSS JOIN gauge ON block = (k << 24 | s.value)
WHERE stamp >= :start AND stamp < :end ORDER BY stamp LIMIT :limit"""
LAST_RECORD = """
SELECT stamp, block, value, status, source FROM record
WHERE block = :series AND stamp < :before ORDER BY stamp DESC LIMIT 1"""
LAST_GAUGE = """
WITH RECURSIVE bucket(k) AS (SELECT :first UNION ALL SELECT k + 1 FROM bucket WHERE k < :last)
SELECT stamp, :series, value, status, source FROM bucket CROSS JOIN gauge ON block = (k << 24 | :series)
WHERE stamp < :before ORDER BY stamp DESC LIMIT 1"""

REDUCE_RECORD = """
SELECT s.value, stamp - ((stamp % :step) + :step) % :step,
       count(*), min(record.value), avg(record.value), max(record.value)
FROM json_each(:series) AS s CROSS JOIN record ON block = s.value
WHERE stamp >= :start AND stamp < :end AND record.value IS NOT NULL AND ifnull(status, 0) = 0 GROUP BY 1, 2"""
REDUCE_GAUGE = """
WITH RECURSIVE bucket(k) AS (SELECT :first UNION ALL SELECT k + 1 FROM bucket WHERE k < :last)
SELECT s.value, stamp - ((stamp % :step) + :step) % :step,
       count(*), min(gauge.value), avg(gauge.value), max(gauge.value)
FROM json_each(:series) AS s CROSS JOIN bucket CROSS JOIN gauge ON block = (k << 24 | s.value)
WHERE stamp >= :start AND stamp < :end AND gauge.value IS NOT NULL AND ifnull(status, 0) = 0 GROUP BY 1, 2"""
REDUCE_MINUTES = """
SELECT series, stamp - ((stamp % :step) + :step) % :step,
       sum(n), min(minimum), sum(n * mean) / sum(n), max(maximum)
FROM json_each(:series) AS s CROSS JOIN minute ON series = s.value
WHERE stamp >= :start AND stamp < :end AND n > 0 GROUP BY 1, 2"""

SPANS = """
SELECT value, stamp FROM record WHERE block = :series AND stamp > :start AND stamp < :end AND value < :end
UNION ALL
SELECT value, stamp FROM (SELECT value, stamp FROM record WHERE block = :series AND stamp >= :end
                          AND value IS NOT NULL ORDER BY stamp LIMIT 1) WHERE value < :end"""
"""Proofs within a period, and the next one after it: it says whether the end was being watched."""
HOLES = "SELECT value FROM record WHERE block = :series AND stamp > :start AND value IS NOT NULL ORDER BY stamp"


class Table(NamedTuple):
    """Where samples lie, and how their block follows from {0} the stamp and {1} the series."""

    name: str
    block: str


RECORD = Table("record", "?{1}")
GAUGE = Table("gauge", "?{0} >> 33 << 24 | ?{1}")
PLAIN, WHOLE = 3, 5
"""Columns that a sample fills: a Good one with a trusted stamp has neither status nor source, and costs half."""


@lru_cache(maxsize=4 * ROWS_PER_STATEMENT)
def enter_samples(table: Table, rows: int, columns: int) -> str:
    """Return the statement that enters so many samples: stamp, series, value, then status and source if wanted."""
    names = ("block", "stamp", "value", "status", "source")[:columns]
    values = ", ".join(
        f"({table.block.format(at, at + 1)}, ?{at}, {', '.join(f'?{at + more}' for more in range(2, columns))})"
        for at in range(1, rows * columns + 1, columns)
    )
    return f"INSERT OR REPLACE INTO {table.name} ({', '.join(names)}) VALUES {values}"  # noqa: S608 - fixed texts
