"""What the spool's file looks like, and what became of the one of older agents.

The file carries the number of its format, and rows are kept in `spooled`. They were in `row` once, uncompressed; an
agent of that time would send compressed bodies as they are, and lose them. `row` is a view now, which it cannot index:
it ends as it opens the spool, with everything still in it.
"""

from __future__ import annotations

FORMAT = 2
"""Of the file, in its `user_version`. 0 is that of the versions that had no mark and kept their rows in `row`."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS spooled (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    machine TEXT NOT NULL, class TEXT NOT NULL, size INTEGER NOT NULL,
    first INTEGER NOT NULL, last INTEGER NOT NULL, samples INTEGER NOT NULL, body BLOB NOT NULL,
    history INTEGER NOT NULL DEFAULT 0, crc INTEGER, whole INTEGER);
CREATE INDEX IF NOT EXISTS row_eviction ON spooled (class, n);
CREATE INDEX IF NOT EXISTS row_history ON spooled (n) WHERE history;
CREATE VIEW IF NOT EXISTS row AS SELECT 'a newer agent keeps its rows in the table spooled' AS note;
CREATE TABLE IF NOT EXISTS refill (
    machine TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, spans TEXT NOT NULL,
    PRIMARY KEY (machine, last, first, spans)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS known (
    machine TEXT NOT NULL, signal TEXT NOT NULL, raw INTEGER NOT NULL, ordinal INTEGER NOT NULL,
    value, status INTEGER NOT NULL, PRIMARY KEY (machine, signal)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS dead (
    n INTEGER PRIMARY KEY, machine TEXT NOT NULL, class TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
    samples INTEGER NOT NULL, body BLOB NOT NULL, reason TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS count (
    machine TEXT NOT NULL, name TEXT NOT NULL, total INTEGER NOT NULL, PRIMARY KEY (machine, name)) WITHOUT ROWID;
"""
