"""Commit: everything of a batch is in the store or in quarantine, counted, before anything may be acknowledged."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest

from collector import quarantine as quarantine_module
from collector import service as service_module
from collector.metrics import Metrics
from collector.pipeline import DETAILS_MAX, Raw, acknowledgements, commit
from collector.quarantine import Entry, Quarantine, QuarantineError
from collector.service import Collector
from shopfloor.mqtt import Broker
from shopfloor.periods import DAY, SECOND, Period, format_instant
from shopfloor.runtime import clock
from shopfloor.samples import Sample
from shopfloor.stores.port import StoreUnavailableError
from shopfloor.stores.sqlite import SqliteStore
from shopfloor.wire import messages, topics
from shopfloor.wire.reading import Allowed, Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PUBLISHER, MACHINE = "site-a", "mill-1"
NOW = 1_760_000_000 * SECOND
TIME = format_instant(NOW)
EVER = Period(0, NOW + 10 * DAY)


def registry(*signals: str) -> messages.Registry:
    return messages.Registry(PUBLISHER, [messages.RegisteredMachine(MACHINE, list(signals))])


@pytest.fixture
def store() -> Iterator[SqliteStore]:
    opened = SqliteStore(":memory:")
    yield opened
    opened.close()


@pytest.fixture
def quarantine(tmp_path: Path) -> Iterator[Quarantine]:
    opened = Quarantine(tmp_path / "quarantine.db")
    yield opened
    opened.close()


@pytest.fixture
def allowed() -> Allowed:
    known = Allowed()
    known.replace(PUBLISHER, registry("feed", "power_watts", "program", "hole", "item_state"))
    return known


def test_a_message_that_names_another_publishers_machine_is_put_aside_and_counted_by_who_sent_it(
    store: SqliteStore, quarantine: Quarantine, allowed: Allowed
) -> None:
    allowed.replace("site-b", messages.Registry("site-b", [messages.RegisteredMachine("lathe-1", ["feed"])]))
    forged = written({"feed": 5.0}, machine="lathe-1")
    done = commit([forged, written({"feed": 1.5}, n=2)], allowed, store, quarantine, now=NOW)
    assert done.foreign == {(PUBLISHER, "lathe-1"): 1}
    assert done.counted == {(Reason.FOREIGN_MACHINE, "lathe-1"): 1}
    (entry,) = quarantine.entries()
    assert (entry.publisher, entry.reasons, entry.raw) == (PUBLISHER, "foreign_machine", forged.payload)
    assert "'site-b'" in entry.details
    assert list(store.read(["lathe-1"], ["feed"], EVER, limit=10)) == []
    assert done.samples == 1


def written(fields: dict[str, Any], *, n: int = 1, machine: str = MACHINE, publisher: str = PUBLISHER) -> Raw:
    payload = {
        name: value if isinstance(value, dict) else {"Value": value, "SourceTimestamp": TIME}
        for name, value in fields.items()
    }
    message = {
        "MessageId": f"{publisher}:ab:{n}",
        "MessageType": "ua-data",
        "PublisherId": publisher,
        "Messages": [{"DataSetWriterName": machine, "Payload": payload}],
    }
    return Raw(topics.data(publisher, "record", machine), json.dumps(message).encode())


GOOD = written({"feed": 1.5}, n=7)
ROW = messages.RowId(PUBLISHER, "ab", 7)
STORED = [Sample(MACHINE, "feed", NOW, 1.5)]


def stored_in(store: SqliteStore) -> list[Sample]:
    return store.read([MACHINE], ["feed", "power_watts", "program", "item_state"], EVER, limit=1000)


BAD: list[tuple[Raw, Reason, str]] = [
    (written({"program": 5}), Reason.WRONG_TYPE, MACHINE),
    (written({"spindle_load": 5.0}), Reason.UNKNOWN_SIGNAL, MACHINE),
    (written({"feed": 5.0}, machine="lathe-9"), Reason.UNKNOWN_MACHINE, ""),
    (written({"feed": 5.0}, publisher="site-b"), Reason.UNKNOWN_PUBLISHER, ""),
    (written({"feed": {"Value": 5.0}}), Reason.NO_TIME, MACHINE),
    (written({"feed": {"Value": 5.0, "SourceTimestamp": "soon"}}), Reason.BAD_TIME, MACHINE),
    (
        written({"feed": {"Value": 5.0, "SourceTimestamp": format_instant(NOW + 2 * DAY)}}),
        Reason.FAR_FUTURE,
        MACHINE,
    ),
    (
        written({"feed": {"Value": 5.0, "SourceTimestamp": TIME, "Status": "fine"}}),
        Reason.BAD_STATUS,
        MACHINE,
    ),
    (Raw(GOOD.topic, GOOD.payload.ljust(2**20 + 1)), Reason.OVERSIZE, ""),
    (Raw(GOOD.topic, GOOD.payload[:-9]), Reason.TRUNCATED, ""),
    (Raw(topics.data("site-c", "record", MACHINE), GOOD.payload), Reason.WRONG_PUBLISHER, ""),
    (written({"hole": "somewhere"}), Reason.STORE_REFUSED, MACHINE),
]


@pytest.mark.parametrize(("raw", "reason", "machine"), BAD, ids=[reason for _, reason, _ in BAD])
def test_a_bad_message_is_kept_raw_with_its_reason_counted_and_its_neighbours_are_stored(  # noqa: PLR0917
    raw: Raw, reason: Reason, machine: str, store: SqliteStore, quarantine: Quarantine, allowed: Allowed
) -> None:
    committed = commit([raw, GOOD], allowed, store, quarantine, now=NOW)
    assert stored_in(store) == STORED
    assert committed.counted == {(reason, machine): 1}
    assert committed.put_aside == [True, False]
    assert ROW in committed.rows
    [entry] = quarantine.entries()
    assert entry.raw == raw.payload[: 2**20]
    assert entry.size == len(raw.payload)
    assert (entry.topic, entry.reasons, entry.samples, entry.at) == (raw.topic, reason, 1, NOW)
    assert entry.details


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", float("nan"), float("inf")])
def test_nan_and_infinity_are_counted_and_not_put_aside(
    value: object, store: SqliteStore, quarantine: Quarantine, allowed: Allowed
) -> None:
    committed = commit([written({"power_watts": value}), GOOD], allowed, store, quarantine, now=NOW)
    assert committed.counted == {(Reason.NOT_A_NUMBER, MACHINE): 1}
    assert committed.put_aside == [False, False]
    assert quarantine.counts() == (0, 0, 0)
    [feed, power] = sorted(stored_in(store))
    assert feed == STORED[0]
    assert power.value is None
    assert power.status


def test_what_was_counted_is_seen_by_prometheus(store: SqliteStore, quarantine: Quarantine, allowed: Allowed) -> None:
    metrics = Metrics()
    collector = Collector(Broker("localhost", 1), store, quarantine, metrics)
    batch = [raw for raw, _, _ in BAD] + [written({"power_watts": "NaN"}), GOOD]
    collector._count(commit(batch, allowed, store, quarantine, now=NOW))
    for _, reason, machine in BAD:
        labels = {"reason": str(reason), "machine": machine}
        assert metrics.registry.get_sample_value("officina_quarantined_samples_total", labels) == 1, reason
    labels = {"reason": "not_a_number", "machine": MACHINE}
    assert metrics.registry.get_sample_value("officina_quarantined_samples_total", labels) == 1
    assert metrics.registry.get_sample_value("officina_stored_samples_total") == 2


def test_a_bad_field_leaves_the_good_ones_of_its_message_stored(
    store: SqliteStore, quarantine: Quarantine, allowed: Allowed
) -> None:
    committed = commit([written({"feed": 1.5, "program": 5}, n=7)], allowed, store, quarantine, now=NOW)
    assert stored_in(store) == STORED
    assert committed.samples == 1
    assert committed.rows == [ROW]
    assert quarantine.counts() == (1, 1, 0)


def test_a_message_with_many_faults_names_some_and_counts_all(
    store: SqliteStore, quarantine: Quarantine, allowed: Allowed
) -> None:
    raw = written({f"strange_{n}": 1.0 for n in range(100)})
    committed = commit([raw], allowed, store, quarantine, now=NOW)
    assert committed.counted == {(Reason.UNKNOWN_SIGNAL, MACHINE): 100}
    [entry] = quarantine.entries()
    assert entry.samples == 100
    assert len(entry.details.splitlines()) == DETAILS_MAX + 1
    assert entry.details.endswith(f"and {100 - DETAILS_MAX} more")


def test_the_same_batch_again_changes_nothing(store: SqliteStore, quarantine: Quarantine, allowed: Allowed) -> None:
    batch = [written({"feed": 1.5, "program": 5}, n=7), GOOD]
    for _ in range(3):
        commit(batch, allowed, store, quarantine, now=NOW)
    assert stored_in(store) == STORED
    assert quarantine.counts() == (1, 1, 0)


class Away(SqliteStore):
    """The real store, which is not there."""

    def write(self, *_: Any, **__: Any) -> Any:
        raise StoreUnavailableError("not there")


def test_nothing_is_put_aside_while_the_store_is_away(quarantine: Quarantine, allowed: Allowed) -> None:
    store = Away(":memory:")
    with pytest.raises(StoreUnavailableError):
        commit([written({"program": 5}), GOOD], allowed, store, quarantine, now=NOW)
    assert quarantine.counts() == (0, 0, 0)
    store.close()


def test_nothing_may_be_acknowledged_while_the_quarantine_takes_nothing(
    store: SqliteStore, quarantine: Quarantine, allowed: Allowed
) -> None:
    (pages,) = quarantine._db.execute("PRAGMA page_count").fetchone()
    quarantine._db.execute(f"PRAGMA max_page_count = {pages}")
    big = written({"program": ["x" * 200_000]})
    with pytest.raises(QuarantineError, match="disk is full"):
        commit([big, GOOD], allowed, store, quarantine, now=NOW)
    quarantine._db.execute("PRAGMA max_page_count = 1000000")
    commit([big, GOOD], allowed, store, quarantine, now=NOW)
    assert quarantine.counts() == (1, 1, 0)
    assert stored_in(store) == STORED


def test_rows_are_acknowledged_by_publisher_and_epoch() -> None:
    rows = [messages.RowId(*row) for row in (("a", "01", 3), ("b", "01", 1), ("a", "02", 9), ("a", "01", 2))]
    assert acknowledgements(rows) == {("a", "01"): [3, 2], ("b", "01"): [1], ("a", "02"): [9]}


# Another try.


def tried_again(store: SqliteStore, quarantine: Quarantine, allowed: Allowed) -> int:
    """Do what the running collector does with marked entries; return how many there were."""
    marked = quarantine.marked()
    for entry in marked:
        committed = commit([Raw(entry.topic, entry.raw)], allowed, store, quarantine, now=NOW)
        quarantine.settle(entry, stored=not committed.put_aside[0])
    return len(marked)


def test_after_a_change_of_the_registry_an_entry_is_stored_and_gone(store: SqliteStore, quarantine: Quarantine) -> None:
    allowed = Allowed()
    commit([GOOD], allowed, store, quarantine, now=NOW)
    assert tried_again(store, quarantine, allowed) == 0
    allowed.replace(PUBLISHER, registry("feed"))
    assert quarantine.mark(publisher=PUBLISHER, reason=Reason.UNKNOWN_PUBLISHER) == 1
    assert tried_again(store, quarantine, allowed) == 1
    assert stored_in(store) == STORED
    assert quarantine.counts() == (0, 0, 0)


def test_an_entry_that_fails_again_stays_once_with_what_is_wrong_now(
    store: SqliteStore, quarantine: Quarantine
) -> None:
    allowed = Allowed()
    commit([written({"feed": 1.5, "power_watts": 2.5})], allowed, store, quarantine, now=NOW)
    for signals, reason in ((["program"], "unknown_signal"), (["feed"], "unknown_signal")):
        allowed.replace(PUBLISHER, registry(*signals))
        quarantine.mark()
        assert tried_again(store, quarantine, allowed) == 1
        assert tried_again(store, quarantine, allowed) == 0
        assert [entry.reasons for entry in quarantine.entries()] == [reason]
    assert quarantine.counts() == (1, 1, 0)
    assert stored_in(store) == STORED


def test_a_mark_that_comes_during_a_try_is_not_forgotten(quarantine: Quarantine) -> None:
    quarantine.put(topic="t", publisher="p", raw=b"1", reasons=["no_time"], details=["d"], samples=1, now=NOW)
    quarantine.mark()
    [entry] = quarantine.marked()
    quarantine.mark()
    quarantine.settle(entry, stored=False)
    [again] = quarantine.marked()
    quarantine.settle(again, stored=False)
    assert quarantine.marked() == []


def test_marks_choose_by_publisher_and_reason_or_by_number(quarantine: Quarantine) -> None:
    for n, (publisher, reasons) in enumerate(
        [("a", ["no_time"]), ("a", ["unknown_signal", "wrong_type"]), ("b", ["unknown_signal"])]
    ):
        quarantine.put(topic="t", publisher=publisher, raw=b"%d" % n, reasons=reasons, details=[], samples=1, now=NOW)
    one, two, three = (entry.id for entry in quarantine.entries())

    def marked() -> list[int]:
        found = quarantine.marked()
        for entry in found:
            quarantine.settle(entry, stored=False)
        return [entry.id for entry in found]

    assert quarantine.mark(publisher="a", reason="unknown_signal") == 1
    assert marked() == [two]
    assert quarantine.mark(publisher="a", reason="signal") == 0
    assert quarantine.mark([one, three, 99]) == 2
    assert marked() == [one, three]
    assert quarantine.mark([]) == 0
    assert quarantine.mark() == 3


def put(quarantine: Quarantine, number: int, size: int = 10, samples: int = 2) -> None:
    quarantine.put(
        topic="t",
        publisher="p",
        raw=b"%0*d" % (size, number),
        reasons=["no_time"],
        details=["d"],
        samples=samples,
        now=NOW + number,
    )


def test_what_is_put_aside_is_told_by_topic_and_reason_and_the_file_keeps_its_name(tmp_path: Path) -> None:
    path = tmp_path / "quarantine.db"
    first = Quarantine(path)
    for number, (topic, reason) in enumerate(
        [("a/record/m1", "no_time"), ("a/record/m1", "no_time"), ("a/gauge/m1", "wrong_type"), ("", "wrong_publisher")]
    ):
        whole = f"{topics.DATA}/{topic}" if topic else "elsewhere"
        first.put(topic=whole, publisher="a", raw=b"%d" % number, reasons=[reason], details=[], samples=5, now=number)
    held, name = first.held(now=9), first.id
    first.close()
    second = Quarantine(path)
    again = second.id
    second.close()
    assert messages.decode_quarantine(messages.encode_quarantine(held)) == held
    assert [(each.machine, each.reasons, each.entries, each.samples, each.first, each.last) for each in held.held] == [
        ("", "wrong_publisher", 1, 5, 3, 3), ("m1", "wrong_type", 1, 5, 2, 2), ("m1", "no_time", 2, 10, 0, 1),
    ]  # fmt: skip
    assert again == name


def test_the_oldest_entries_go_at_the_bound_and_are_counted(
    quarantine: Quarantine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quarantine_module, "ENTRIES_MAX", 5)
    for number in range(8):
        put(quarantine, number)
    assert [int(entry.raw) for entry in quarantine.entries()] == [3, 4, 5, 6, 7]
    assert quarantine.counts() == (5, 10, 3)
    monkeypatch.setattr(quarantine_module, "BYTES_MAX", 1000)
    put(quarantine, 8, size=990)
    assert [int(entry.raw) for entry in quarantine.entries()] == [7, 8]
    assert quarantine.counts() == (2, 4, 7)


def test_the_bound_holds_over_a_restart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quarantine_module, "BYTES_MAX", 100)
    first = Quarantine(tmp_path / "deeper" / "q.db")
    for number in range(10):
        put(first, number)
    first.close()
    second = Quarantine(tmp_path / "deeper" / "q.db")
    put(second, 10)
    assert [int(entry.raw) for entry in second.entries()] == list(range(1, 11))
    assert second.counts() == (10, 20, 1)
    second.close()


def test_entries_are_listed_in_pages_and_found_by_number(quarantine: Quarantine) -> None:
    for number in range(5):
        put(quarantine, number)
    first = quarantine.entries(limit=2)
    rest = quarantine.entries(after=first[-1].id)
    assert [int(entry.raw) for entry in (*first, *rest)] == [0, 1, 2, 3, 4]
    assert quarantine.entry(first[1].id) == first[1]
    assert quarantine.entry(first[1].id + 100) is None


def test_a_file_that_is_no_quarantine_is_refused_with_its_path(tmp_path: Path) -> None:
    path = tmp_path / "q.db"
    path.write_bytes(b"this is no database, and it is long enough to be seen as none" * 20)
    with pytest.raises(QuarantineError, match=r"q\.db cannot be used"):
        Quarantine(path)


def test_a_message_is_kept_once_by_topic_and_content(quarantine: Quarantine) -> None:
    for topic, raw in (("t", b"1"), ("t", b"2"), ("u", b"1"), ("t", b"1")):
        quarantine.put(topic=topic, publisher="p", raw=raw, reasons=["no_time"], details=[], samples=1, now=NOW)
    assert [(entry.topic, entry.raw) for entry in quarantine.entries()] == [("t", b"1"), ("t", b"2"), ("u", b"1")]


def test_a_message_that_was_cut_stays_one_entry_when_what_is_left_of_it_is_tried(
    store: SqliteStore, quarantine: Quarantine, allowed: Allowed
) -> None:
    commit([Raw(GOOD.topic, GOOD.payload.ljust(2**20 + 1, b"x"))], allowed, store, quarantine, now=NOW)
    quarantine.mark()
    assert tried_again(store, quarantine, allowed) == 1
    [entry] = quarantine.entries()
    assert (entry.reasons, entry.size) == (Reason.TRUNCATED, 2**20 + 1)


def rename(folder: Path, name: str, other: str) -> None:
    """Take the table away from an open quarantine, or give it back."""
    with sqlite3.connect(folder / "quarantine.db") as db:
        db.execute(f"ALTER TABLE {name} RENAME TO {other}")
    db.close()


@pytest.mark.parametrize(
    "use",
    [
        lambda it: put(it, 2),
        lambda it: it.mark(),
        lambda it: it.marked(),
        lambda it: it.counts(),
        lambda it: it.entries(),
        lambda it: it.entry(1),
        lambda it: it.settle(Entry(1, NOW, "p", "t", "", "", 1, 1, b"", 1), stored=True),
        lambda it: it.settle(Entry(1, NOW, "p", "t", "", "", 1, 1, b"", 1), stored=False),
    ],
)
def test_a_file_that_cannot_be_used_any_more_is_told_by_its_path(
    use: Callable[[Quarantine], object], tmp_path: Path, quarantine: Quarantine
) -> None:
    put(quarantine, 1)
    rename(tmp_path, "entry", "elsewhere")
    with pytest.raises(QuarantineError, match=r"quarantine\.db cannot be used .*check its disk"):
        use(quarantine)


async def test_a_collector_goes_on_while_its_quarantine_cannot_be_used_and_tries_what_is_marked_later(
    tmp_path: Path, store: SqliteStore, quarantine: Quarantine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_module, "QUARANTINE_SECONDS", 0.01)
    collector = Collector(Broker("localhost", 1), store, quarantine, Metrics())
    commit([written({"program": "P1"})], Allowed(), store, quarantine, now=NOW)
    quarantine.mark()
    rename(tmp_path, "entry", "elsewhere")
    collector._register(PUBLISHER, messages.encode_registry(registry("program")))
    looked = counting(quarantine, monkeypatch)
    work = asyncio.create_task(collector._retry_quarantine())
    await until(lambda: len(looked) > 1)
    assert stored_in(store) == []
    rename(tmp_path, "elsewhere", "entry")
    await until(lambda: quarantine.counts() == (0, 0, 0))
    assert stored_in(store) == [Sample(MACHINE, "program", NOW, "P1")]
    work.cancel()


def counting(quarantine: Quarantine, monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """Note each time that somebody asks the quarantine what it holds."""
    asked: list[None] = []
    counts = quarantine.counts

    def count() -> tuple[int, int, int]:
        asked.append(None)
        return counts()

    monkeypatch.setattr(quarantine, "counts", count)
    return asked


async def until(condition: Callable[[], bool]) -> None:
    deadline = clock.monotonic_seconds() + 10
    while not condition():
        assert clock.monotonic_seconds() < deadline
        await asyncio.sleep(0.01)


def test_the_command_line_marks_what_the_collector_tries(tmp_path: Path) -> None:
    path = tmp_path / "q.db"
    collectors, command_line = Quarantine(path), Quarantine(path)
    put(collectors, 1)
    assert command_line.mark() == 1
    assert len(collectors.marked()) == 1
    collectors.close()
    command_line.close()
    with sqlite3.connect(path) as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    db.close()
