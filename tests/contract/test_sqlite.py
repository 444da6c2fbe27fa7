"""What only the SQLite store promises: durability, two processes on one file, bounded pruning, errors."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from shopfloor.periods import DAY, HOUR, SECOND, Period
from shopfloor.samples import UNCERTAIN, Minute, Sample, Slice, slices
from shopfloor.stores import sqlite, sqlite_statements
from shopfloor.stores.port import StoreRefusedError, StoreUnavailableError
from shopfloor.stores.sqlite import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = 20_700 * DAY
EVER = Period(0, 2 * NOW)
ROOT = Path(__file__).parents[2]

WRITER = """
import sys
from shopfloor.samples import Sample, Slice, slices
from shopfloor.stores.sqlite import SqliteStore

store = SqliteStore(sys.argv[1])
for n in range(1_000_000):
    store.write([Slice("m1", 20_700 * 86_400 * 10**9 + n, {"parts": n, "feed": n / 8})], now=20_700 * 86_400 * 10**9)
    print(n, flush=True)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "store.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    opened = SqliteStore(path, busy_seconds=0.05)
    yield opened
    opened.close()


def one(n: int = 0) -> list[Slice]:
    return [Slice("m1", NOW + n, {"parts": n})]


def count(store: SqliteStore, table: str) -> int:
    found: int = store._writer.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608 - a fixed name
    return found


def test_commits_wait_for_the_disk_and_readers_do_not_wait_for_commits(store: SqliteStore) -> None:
    full, extra = 2, 3

    assert store._writer.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert store._writer.execute("PRAGMA synchronous").fetchone()[0] in (full, extra)


def test_whatever_was_acknowledged_survives_a_kill(path: Path) -> None:
    for _ in range(3):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, path], stdout=subprocess.PIPE, cwd=ROOT, text=True
        ) as writer:
            assert writer.stdout is not None
            acknowledged = [int(writer.stdout.readline()) for _ in range(50)][-1]
            writer.kill()

        store = SqliteStore(path)
        found = {sample.value for sample in store.read(["m1"], ["parts"], EVER, limit=10**6)}
        gauges = {sample.value for sample in store.read(["m1"], ["feed"], EVER, limit=10**6)}
        store.close()

        assert found >= set(range(acknowledged + 1))
        assert {n / 8 for n in found if isinstance(n, int)} == gauges


def test_another_process_reads_whole_slices_while_this_one_writes(path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", WRITER, path], stdout=subprocess.PIPE, cwd=ROOT, text=True) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        store = SqliteStore(path)
        counts = [len(store.read(["m1"], ["parts", "runs_planned"], EVER, limit=10**6)) for _ in range(20)]
        writer.kill()
    store.close()

    assert counts == sorted(counts)


def test_a_file_that_another_process_holds_is_unavailable_and_then_available(store: SqliteStore, path: Path) -> None:
    store.write(one(), now=NOW)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(StoreUnavailableError):
        store.write(one(1), now=NOW)
    found_meanwhile = store.read(["m1"], ["parts"], EVER, limit=9)
    other.execute("ROLLBACK")
    other.close()

    assert [sample.value for sample in found_meanwhile] == [0]
    assert store.write(one(1), now=NOW) == []
    assert len(store.read(["m1"], ["parts"], EVER, limit=9)) == 2


def test_a_full_disk_is_unavailable_and_nothing_of_the_write_remains(store: SqliteStore) -> None:
    store.write(one(), now=NOW)
    (pages,) = store._writer.execute("PRAGMA page_count").fetchone()
    store._writer.execute(f"PRAGMA max_page_count = {pages + 2}")
    many = [Slice("m2", NOW + n, {"feed": 1.0, "parts": n, "spindle_load": 2.0}) for n in range(5_000)]

    with pytest.raises(StoreUnavailableError, match="full"):
        store.write(many, now=NOW)

    assert store.read(["m2"], ["feed", "parts"], EVER, limit=9) == []
    store._writer.execute("PRAGMA max_page_count = 1000000")
    assert store.write(many, now=NOW) == []
    assert len(store.read(["m2"], ["feed", "parts"], EVER, limit=10**6)) == 10_000
    assert store.last(["m2"], ["feed"], 2 * NOW)["m2", "feed"].stamp == NOW + 4_999


def test_a_file_that_is_no_store_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("no database at all, but long enough to be looked at" * 100)
    (tmp_path / "folder.db").mkdir()
    (tmp_path / "file").touch()

    for name in ("text.db", "folder.db", "file/below.db"):
        with pytest.raises(StoreRefusedError, match=name.split("/")[0]):
            SqliteStore(tmp_path / name)


def test_a_damaged_file_is_refused(store: SqliteStore, path: Path) -> None:
    store.write([Slice("m1", NOW + n, {"parts": n}) for n in range(20_000)], now=NOW)
    store._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(path.stat().st_size - 4096))
    again = SqliteStore(path)

    with pytest.raises(StoreRefusedError, match="damaged"):
        again.read(["m1"], ["parts"], EVER, limit=10**6)
    again.close()


def test_a_store_of_a_newer_version_is_refused(path: Path) -> None:
    SqliteStore(path).close()
    newer = sqlite3.connect(path)
    newer.execute(f"PRAGMA user_version = {sqlite_statements.SCHEMA_VERSION + 1}")
    newer.close()

    with pytest.raises(StoreRefusedError, match="update it"):
        SqliteStore(path)


def test_only_the_newest_proof_of_a_span_is_kept(store: SqliteStore) -> None:
    spans = [(NOW, NOW + HOUR), (NOW + 2 * HOUR, NOW + 3 * HOUR)]
    proofs = [Sample("m1", "observed", stamp, a) for a, b in spans for stamp in range(a, b + 1, 20 * SECOND)]
    for first in range(0, len(proofs), 7):
        store.write(slices(proofs[first : first + 7]), now=NOW)
    store.write(slices(proofs[5:9]), now=NOW)

    assert count(store, "record") == 2
    assert store.gaps(["m1"], EVER)["m1"].observed == [Period(*span) for span in spans]


def test_gauges_leave_after_ninety_days_in_bounded_runs_and_records_and_minutes_stay(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "PRUNE_ROWS", 100)
    old = [Slice("m1", NOW + n * 10 * SECOND, {"feed": float(n), "parts": n}) for n in range(1_000)]
    store.write(old, [Minute("m1", "feed", NOW, 6, 0.0, 2.5, 5.0)], now=NOW)
    later = NOW + (sqlite.GAUGE_DAYS + 1) * DAY

    left = []
    for n in range(12):
        store.write([Slice("m1", later + n, {"feed": 1.0})], now=later)
        left.append(count(store, "gauge"))

    removed = [before - after for before, after in zip([1_001, *left], [*left, 0], strict=True)][:10]
    assert max(removed) <= 110
    assert left[-1] == 12
    assert count(store, "record") == 1_000
    assert store.last(["m1"], ["feed"], later) == {}
    assert store.reduce("m1", ["feed"], Period(NOW, later), step_seconds=60)["feed"][0].n == 6


def test_gauges_of_another_year_stay_as_long_as_those_of_today(store: SqliteStore) -> None:
    long_ago = Slice("m1", NOW - 3_000 * DAY, {"feed": 7.0})
    store.write([long_ago], now=NOW)
    store.write([Slice("m1", NOW + 80 * DAY, {"feed": 8.0})], now=NOW + 80 * DAY)
    kept = store.read(["m1"], ["feed"], EVER, limit=9)
    store.write([Slice("m1", NOW + 100 * DAY, {"feed": 9.0})], now=NOW + 100 * DAY)

    assert [sample.value for sample in kept] == [7.0, 8.0]
    assert [sample.value for sample in store.read(["m1"], ["feed"], EVER, limit=9)] == [8.0, 9.0]


def test_many_kinds_of_slices_do_not_fill_the_memory(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "PLANS_MAX", 10)
    for n in range(50):
        store.write([Slice("m1", NOW + n, {f"own_{n}.double": 1.0, "parts": n})], now=NOW)

    assert store._plan_count <= 12
    assert len(store.read(["m1"], ["parts", "own_3.double", "own_49.double"], EVER, limit=99)) == 52


def test_a_long_silence_is_searched_in_wide_windows(store: SqliteStore) -> None:
    store.write([Slice("m1", NOW - 20 * DAY, {"feed": 1.0}), Slice("m1", NOW, {"feed": 2.0})], now=NOW)
    store.write([Slice("m2", NOW - day * DAY, {"feed": 3.0}) for day in range(20)], now=NOW)

    assert [sample.value for sample in store.read(["m1"], ["feed"], EVER, limit=9)] == [1.0, 2.0]
    assert store.last(["m1"], ["feed"], NOW)["m1", "feed"].value == 1.0


def test_a_write_that_fails_leaves_the_next_one_unharmed(store: SqliteStore) -> None:
    with pytest.raises(sqlite3.Error):
        store.write(one(), [Minute("m9", "feed", NOW, 1, None, 1.0, 1.0)], now=NOW)  # type: ignore[arg-type]
    new = Slice("m9", NOW, {"feed": 1.0, "parts": 1}, {"feed": UNCERTAIN})

    assert store.write([new], now=NOW) == []
    assert len(store.read(["m9"], ["feed", "parts"], EVER, limit=9)) == 2
