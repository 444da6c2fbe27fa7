"""What an earlier version left behind or still says: its spool, its wire, its records, with the present program."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from sqlalchemy import text

from api.records import database
from collector.pipeline import Raw, commit
from collector.quarantine import Quarantine
from edge_agent.identity import host_identity
from edge_agent.spool import Spool
from shopfloor.periods import INSTANT_MAX, INSTANT_MIN, Period
from shopfloor.samples import Sample
from shopfloor.stores.sqlite import SqliteStore
from shopfloor.wire import messages, topics
from shopfloor.wire.reading import Allowed

if TYPE_CHECKING:
    from pathlib import Path

STAMP = 1_790_000_000_000_000_000
FIRST_SPOOL = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE row (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    machine TEXT NOT NULL, class TEXT NOT NULL, size INTEGER NOT NULL,
    first INTEGER NOT NULL, last INTEGER NOT NULL, samples INTEGER NOT NULL, body BLOB NOT NULL);
CREATE INDEX row_eviction ON row (class, n);
CREATE TABLE known (
    machine TEXT NOT NULL, signal TEXT NOT NULL, raw INTEGER NOT NULL, ordinal INTEGER NOT NULL,
    value, status INTEGER NOT NULL, PRIMARY KEY (machine, signal)) WITHOUT ROWID;
CREATE TABLE dead (
    n INTEGER PRIMARY KEY, machine TEXT NOT NULL, class TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
    samples INTEGER NOT NULL, body BLOB NOT NULL, reason TEXT NOT NULL);
CREATE TABLE count (
    machine TEXT NOT NULL, name TEXT NOT NULL, total INTEGER NOT NULL, PRIMARY KEY (machine, name)) WITHOUT ROWID;
"""
FIRST_BODY = (
    b'"MessageType":"ua-data","PublisherId":"site-a","WriterGroupName":"record","Messages":[{"DataSetWriterId":1,'
    b'"DataSetWriterName":"mc-1","MessageType":"ua-deltaframe","Payload":{"item_state":{"SourceTimestamp":'
    b'"2026-09-21T14:13:20.0000000Z","Value":3},"program":{"SourceTimestamp":"2026-09-21T14:13:20.0000000Z","Value":'
    b'"O1001"},"alarm":{"SourceTimestamp":"2026-09-21T14:13:20.0000000Z","Value":"","SourcePicoseconds":100}}},'
    b'{"DataSetWriterId":1,"DataSetWriterName":"mc-1","MessageType":"ua-deltaframe","Payload":{"item_state":'
    b'{"SourceTimestamp":"2026-09-21T14:13:21.5000000Z","Value":1}}}]}'
)
"""A row as the first version of the agent wrote it."""
SAID = [
    Sample("mc-1", "item_state", STAMP, 3),
    Sample("mc-1", "program", STAMP, "O1001"),
    Sample("mc-1", "alarm", STAMP + 1, ""),
    Sample("mc-1", "item_state", STAMP + 1_500_000_000, 1),
]


def old_spool(path: Path) -> None:
    with closing(sqlite3.connect(path)) as spool:
        spool.executescript(FIRST_SPOOL)
        spool.executemany("INSERT INTO meta VALUES (?, ?)", [("epoch", "0a1b2c3d"), ("host", host_identity())])
        row = ("mc-1", "record", len(FIRST_BODY), STAMP, STAMP + 1_500_000_000, 4, FIRST_BODY)
        spool.executemany(
            "INSERT INTO row (machine, class, size, first, last, samples, body) VALUES (?,?,?,?,?,?,?)", [row] * 3
        )
        spool.execute("DELETE FROM row WHERE n = 3")
        spool.execute("INSERT INTO known VALUES ('mc-1', 'item_state', ?, 0, 1, 0)", (STAMP + 1_500_000_000,))
        spool.execute("INSERT INTO count VALUES ('mc-1', 'evicted', 7)")
        spool.commit()


def collected(payload: bytes, folder: Path) -> tuple[list[messages.RowId], list[Sample]]:
    """Have a collector of today take a message; return what it acknowledges and what it stored."""
    allowed, quarantine = Allowed(), Quarantine(folder / "quarantine.db")
    names = ["item_state", "program", "alarm"]
    allowed.replace("site-a", messages.Registry("site-a", [messages.RegisteredMachine("mc-1", names)]))
    store = SqliteStore(":memory:")
    topic = topics.data("site-a", "record", "mc-1")
    done = commit([Raw(topic, payload)], allowed, store, quarantine, now=STAMP + 10**12)
    found = store.read(["mc-1"], names, Period(INSTANT_MIN, INSTANT_MAX), limit=100)
    quarantine.close()
    store.close()
    return done.rows, found


def test_a_spool_of_the_first_version_is_taken_over_with_everything_in_it(tmp_path: Path) -> None:
    old_spool(tmp_path / "spool.sqlite")
    spool = Spool(tmp_path / "spool.sqlite")

    assert (spool.epoch, spool.rows, spool.newest) == ("0a1b2c3d", 2, 3)
    assert spool.known()["mc-1"]["item_state"].raw == STAMP + 1_500_000_000
    assert spool.counts()["mc-1"]["evicted"] == 7
    assert spool.take_damage() == []
    sent = spool.message(1, "site-a")
    assert sent is not None
    rows, stored = collected(sent[2], tmp_path)
    assert rows == [messages.RowId("site-a", "0a1b2c3d", 1)]
    assert sorted(stored) == sorted(SAID)
    spool.delete([1, 2])
    assert spool.rows == 0
    spool.close()


def test_an_agent_of_the_first_version_is_understood_by_the_collector_of_today(tmp_path: Path) -> None:
    rows, stored = collected(b'{"MessageId":"site-a:0a1b2c3d:17",' + FIRST_BODY, tmp_path)

    assert rows == [messages.RowId("site-a", "0a1b2c3d", 17)]
    assert sorted(stored) == sorted(SAID)


def test_an_agent_of_the_first_version_understands_what_the_collector_of_today_says() -> None:
    assert messages.encode_stored("0a1b2c3d", [17, 18, 20]) == b'{"epoch":"0a1b2c3d","stored":[[17,18],[20,20]]}'


def test_records_of_the_first_version_are_brought_to_the_present_with_everything_in_them(tmp_path: Path) -> None:
    records = database.connect(f"sqlite://{tmp_path / 'records.db'}")
    database.upgrade(records, "0001")
    with records.migrating() as connection:
        connection.execute(
            text(
                "INSERT INTO people (id, email, name, language, password_hash, totp_secret, totp_step, is_active, "
                "created) VALUES ('p1', 'ada@example.it', 'Ada', 'it', 'x', '', 0, 1, 5)"
            )
        )
    assert database.version_of(records).is_older

    database.upgrade(records)
    assert not database.version_of(records).is_older
    with records.reading() as session:
        assert session.execute(text("SELECT email FROM people")).scalar() == "ada@example.it"
    records.close()
