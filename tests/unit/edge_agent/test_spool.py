from __future__ import annotations

import random
import resource
import shutil
import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import pytest

from edge_agent import spool as spool_module
from edge_agent import spool_format
from edge_agent.identity import host_identity
from edge_agent.packing import packed
from edge_agent.spool import Evicted, NewRow, Spool, SpoolError, SpoolFullError
from edge_agent.stamps import Known
from shopfloor.periods import DAY, SECOND, Period
from shopfloor.samples import Sample
from shopfloor.states import Hole
from shopfloor.wire import messages

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from shopfloor.signals import SignalClass

MACHINE = "mill-1"
NOW = 1_760_000_000 * SECOND
NOTHING_IN_FLIGHT: frozenset[int] = frozenset()


def row(stamp: int = NOW, *, gauge: bool = False, size: int = 0, machine: str = MACHINE) -> NewRow:
    """Make a row of one sample; a record of `size` or more bytes."""
    signal_class: SignalClass = "gauge" if gauge else "record"
    sample = Sample(machine, "feed", stamp, 1.5) if gauge else Sample(machine, "program", stamp, "x" * size)
    [body] = messages.pack([sample], publisher="site-a", writer_group=signal_class, writer_id=1)
    return NewRow(machine, signal_class, stamp, stamp, 1, body.data)


def hole_row(period: Period, *signals: str) -> NewRow:
    sample = Sample(MACHINE, "hole", period.end, Hole(MACHINE, period, signals, "overflow").encode())
    [body] = messages.pack([sample], publisher="site-a", writer_group="record", writer_id=1)
    return NewRow(MACHINE, "record", period.end, period.end, 1, body.data, is_hole=True)


def make_room(spool: Spool, *, spare: frozenset[int] = NOTHING_IN_FLIGHT, incoming_bytes: int = 0) -> list[Evicted]:
    """Evict at NOW; the holes are written down as the recorder does it."""

    def note(hole: Hole) -> tuple[list[NewRow], list[tuple[str, str, Known]]]:
        return [hole_row(hole.period, *hole.signals)], [(MACHINE, "hole", Known(hole.period.end, 0, "", 0))]

    return spool.evict(NOW, spare=spare, note=note, incoming_bytes=incoming_bytes)


def numbers(spool: Spool) -> list[int]:
    return [each.n for each in spool.waiting(0, spool.newest, 10_000)]


class Disk:
    """A folder whose spool is opened, closed and opened again."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.spool: Spool | None = None

    def open(self, *, host: str = "host-1", bytes_max: int = 10**9, age_days_max: int = 31) -> Spool:
        if self.spool is not None:
            self.spool.close()
        self.spool = Spool(self.path, host=host, bytes_max=bytes_max, age_days_max=age_days_max, durable=False)
        return self.spool

    def close(self) -> None:
        if self.spool is not None:
            self.spool.close()
        self.spool = None


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    disk = Disk(tmp_path / "deeper" / "spool.db")
    yield disk
    disk.close()


def test_rows_are_numbered_in_order_and_found_again(disk: Disk) -> None:
    spool = disk.open()
    assert (spool.newest, spool.rows, spool.bytes_held) == (0, 0, 0)
    rows = [row(NOW), row(NOW + 1), row(NOW + 2)]
    assert spool.put(rows) == [1, 2, 3]
    assert [(each.n, each.size) for each in spool.waiting(1, 3, 10)] == [(2, len(rows[1].body)), (3, len(rows[2].body))]
    assert [each.n for each in spool.waiting(0, 2, 1)] == [1]
    assert (spool.newest, spool.rows, spool.bytes_held) == (3, 3, sum(len(each.body) for each in rows))


def test_a_number_is_never_given_out_again_though_everything_is_delivered_and_the_agent_restarts(disk: Disk) -> None:
    spool = disk.open()
    assert spool.put([row(), row()]) == [1, 2]
    spool.delete([1, 2])
    assert (spool.newest, spool.rows, spool.bytes_held) == (2, 0, 0)
    assert spool.put([row()]) == [3]
    spool.delete([3])
    spool = disk.open()
    assert spool.newest == 3
    assert spool.put([row()]) == [4]


def test_what_is_spooled_is_there_after_a_restart(disk: Disk) -> None:
    spool = disk.open()
    spool.put([row(), row(NOW + 5, gauge=True)])
    before = [spool.message(n, "site-a") for n in (1, 2)]
    held = (spool.rows, spool.bytes_held)
    spool = disk.open()
    assert [spool.message(n, "site-a") for n in (1, 2)] == before
    assert (spool.rows, spool.bytes_held) == held


def test_a_message_carries_the_id_of_its_row_the_same_each_time(disk: Disk) -> None:
    spool = disk.open()
    spool.put([row(size=3)])
    first = spool.message(1, "site-a")
    assert first == spool.message(1, "site-a")
    assert first is not None
    machine, signal_class, payload = first
    assert (machine, signal_class) == (MACHINE, "record")
    assert messages.decode(payload).MessageId == f"site-a:{spool.epoch}:1"
    assert spool.message(2, "site-a") is None


def full_row() -> tuple[NewRow, bytes]:
    """Make a compressed row of a hundred samples, and return what is sent of it."""
    samples = [Sample(MACHINE, f"signal_{number}.double", NOW, number / 4) for number in range(100)]
    [body] = messages.pack(samples, publisher="site-a", writer_group="gauge", writer_id=1)
    kept, whole = packed(body.data)
    return NewRow(MACHINE, "gauge", NOW, NOW, len(samples), kept, whole=whole), body.data


def test_a_full_row_takes_a_seventh_of_its_size_on_the_disk_and_is_sent_as_it_was(disk: Disk) -> None:
    spool, (new, body) = disk.open(), full_row()
    spool.put([new])
    held = spool.bytes_held
    spool = disk.open()
    [waiting] = spool.waiting(0, 1, 1)
    assert held < len(body) / 7
    assert (spool.bytes_held, spool.bytes_in, waiting.size) == (held, 0, len(body))
    sent = messages.with_id(messages.RowId("site-a", spool.epoch, 1), body)
    assert spool.message(1, "site-a") == (MACHINE, "gauge", sent)
    spool.delete([1])
    assert spool.bytes_held == 0


def test_a_full_row_that_died_is_whole_again_and_one_that_was_damaged_is_kept_as_it_is(disk: Disk) -> None:
    spool, (new, body) = disk.open(), full_row()
    spool.put([new, new])
    spool.kill(1, "for a test")
    spool._db.execute("UPDATE spooled SET body = x'0102' WHERE n = 2")
    assert spool.message(2, "site-a") is None
    bodies = [body for (body,) in spool._db.execute("SELECT body FROM dead ORDER BY n")]
    assert bodies == [body, b"\x01\x02"]


UNMARKED = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS row (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    machine TEXT NOT NULL, class TEXT NOT NULL, size INTEGER NOT NULL,
    first INTEGER NOT NULL, last INTEGER NOT NULL, samples INTEGER NOT NULL, body BLOB NOT NULL,
    history INTEGER NOT NULL DEFAULT 0, crc INTEGER);
CREATE INDEX IF NOT EXISTS row_eviction ON row (class, n);
"""
"""What an agent of before formats were marked does first with its file; the index is on every one of them."""


def unmarked_spool(path: Path, new: NewRow) -> None:
    """Leave a row as agents left it before formats were marked, after one that was delivered."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as file:
        file.executescript(UNMARKED)
        if new.whole is not None:
            file.execute("ALTER TABLE row ADD COLUMN whole INTEGER")
        values = {"n": 8, "machine": new.machine, "class": new.signal_class, "size": len(new.body), "first": new.first,
                  "last": new.last, "samples": new.samples, "body": new.body}  # fmt: skip
        values |= {} if new.whole is None else {"whole": new.whole}
        marks = ",".join("?" * len(values))
        file.execute(f"INSERT INTO row ({','.join(values)}) VALUES ({marks})", (*values.values(),))  # noqa: S608 - own names
        file.execute("UPDATE sqlite_sequence SET seq = 9")
        file.commit()


@pytest.mark.parametrize("is_packed", [False, True])
def test_a_spool_of_before_formats_were_marked_is_read_on_and_numbered_on(disk: Disk, *, is_packed: bool) -> None:
    new, body = full_row()
    unmarked_spool(disk.path, new if is_packed else new._replace(body=body, whole=None))
    spool = disk.open()
    assert (spool.newest, numbers(spool)) == (9, [8])
    found = spool.message(8, "site-a")
    assert found is not None
    assert found[2].endswith(body)
    assert spool.put([row()]) == [10]
    assert numbers(disk.open()) == [8, 10]


def test_an_agent_of_before_formats_were_marked_ends_as_it_opens_the_spool_and_takes_nothing(disk: Disk) -> None:
    spool, (new, _) = disk.open(), full_row()
    spool.put([new])
    spool.close()
    with closing(sqlite3.connect(disk.path)) as older, pytest.raises(sqlite3.OperationalError, match="indexed"):
        older.executescript(UNMARKED)
    assert numbers(disk.open()) == [1]


def test_an_upgrade_that_was_cut_off_leaves_the_spool_as_it_was(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    new, body = full_row()
    unmarked_spool(disk.path, new._replace(body=body, whole=None))
    with monkeypatch.context() as patch:
        patch.setattr(spool_module, "SCHEMA", "no statement")
        with pytest.raises(SpoolError, match="cannot be used"):
            disk.open()
    with closing(sqlite3.connect(disk.path)) as older:
        older.executescript(UNMARKED)
        assert older.execute("SELECT n, body FROM row").fetchall() == [(8, body)]
    assert numbers(disk.open()) == [8]


def test_a_spool_of_a_newer_format_is_refused_as_it_is_with_what_to_do(disk: Disk) -> None:
    disk.open().put([row()])
    disk.close()
    with closing(sqlite3.connect(disk.path)) as newer:
        newer.execute(f"PRAGMA user_version = {spool_format.FORMAT + 1}")
    before = disk.path.read_bytes()
    with pytest.raises(
        SpoolError, match=r"spool\.db was written by a newer agent .*bring the newer agent back; or let"
    ):
        disk.open()
    assert disk.path.read_bytes() == before


def test_an_epoch_belongs_to_a_computer_and_a_cloned_disk_gets_another(disk: Disk) -> None:
    first = disk.open(host="host-1").epoch
    assert disk.open(host="host-1").epoch == first
    second = disk.open(host="host-2").epoch
    assert second != first
    assert disk.open(host="host-2").epoch == second
    assert disk.open(host="host-1").epoch not in {first, second}


def test_a_copy_of_a_spool_gets_another_epoch_also_with_the_machine_id_that_was_copied_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def epoch(path: Path) -> str:
        with closing(Spool(path, host="machine-id", durable=False)) as spool:
            spool.put([row()])
            return spool.epoch

    first = tmp_path / "spool.db"
    epochs = [epoch(first), epoch(first)]
    shutil.copy(first, tmp_path / "copy.db")
    epochs += [epoch(tmp_path / "copy.db"), epoch(first)]
    assert epochs == [epochs[0], epochs[0], epochs[2], epochs[0]]
    assert epochs[2] != epochs[0], "copied on this computer"
    monkeypatch.setattr("edge_agent.identity.uuid.getnode", lambda: 1)
    monkeypatch.setattr("edge_agent.identity._BOARD", tmp_path / "serial-number")
    assert epoch(first) not in epochs, "its disk is in another computer, by its network card"
    (tmp_path / "serial-number").write_bytes(b"10000000abcd\0")
    assert epoch(first) not in epochs, "by its own number"


def test_this_computer_has_an_identity_that_stays() -> None:
    assert host_identity()
    assert host_identity() == host_identity()


def test_only_what_is_named_is_deleted(disk: Disk) -> None:
    spool = disk.open()
    spool.put([row() for _ in range(5)])
    spool.delete([2, 4, 99])
    assert numbers(spool) == [1, 3, 5]
    spool.delete([2])
    assert spool.rows == 3


def test_last_values_are_as_durable_as_their_rows(disk: Disk) -> None:
    spool = disk.open()
    last = [
        (MACHINE, "feed", Known(NOW, 3, 1.5, 0)),
        (MACHINE, "program", Known(NOW, 0, "P1", 0)),
        (MACHINE, "alarm_blocking", Known(NOW, 0, None, 0x8031_0000)),
        ("mill-2", "parts", Known(NOW, 0, 2**63 - 1, 0)),
    ]
    spool.put([row()], last)
    spool.put([row()], [(MACHINE, "feed", Known(NOW + 1, 0, 2.5, 0))])
    known = disk.open().known()
    assert known[MACHINE] == {
        "feed": Known(NOW + 1, 0, 2.5, 0),
        "program": Known(NOW, 0, "P1", 0),
        "alarm_blocking": Known(NOW, 0, None, 0x8031_0000),
    }
    assert known["mill-2"] == {"parts": Known(NOW, 0, 2**63 - 1, 0)}


def test_a_machines_values_are_forgotten_and_its_proofs_are_not(disk: Disk) -> None:
    spool = disk.open()
    known = Known(NOW, 0, 1, 0)
    spool.put([row()], [(MACHINE, "observed", known), (MACHINE, "parts", known), ("mill-2", "parts", known)])
    spool.forget(MACHINE)
    assert disk.open().known() == {MACHINE: {"observed": known}, "mill-2": {"parts": known}}


def test_a_dead_row_is_kept_aside_counted_and_no_longer_sent(disk: Disk) -> None:
    spool = disk.open()
    spool.put([row(NOW), row(NOW + 1)])
    spool.kill(1, "the connection broke")
    spool.kill(1, "again")
    spool.kill(99, "never was")
    assert numbers(spool) == [2]
    assert [(each.n, each.reason, each.first) for each in spool.dead()] == [(1, "the connection broke", NOW)]
    assert spool.counts() == {MACHINE: {"dead_samples": 1}}
    assert (spool.rows, spool.message(1, "site-a")) == (1, None)
    spool = disk.open()
    assert [each.n for each in spool.dead()] == [1]
    assert spool.rows == 1


def test_a_dead_row_that_was_stored_after_all_is_gone(disk: Disk) -> None:
    spool = disk.open()
    spool.put([row()])
    spool.kill(1, "no collector stored it")
    spool.delete([1])
    assert spool.dead() == []


def test_dead_rows_are_bounded_and_the_oldest_go_first(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool_module, "DEAD_ROWS_MAX", 3)
    spool = disk.open()
    for n in spool.put([row() for _ in range(5)]):
        spool.kill(n, "poison")
    assert [each.n for each in spool.dead()] == [3, 4, 5]
    assert spool.counts() == {MACHINE: {"dead_samples": 5}}


def test_the_oldest_unstored_stamp_is_known_by_machine(disk: Disk) -> None:
    spool = disk.open()
    spool.put([row(NOW + 5), row(NOW + 2), row(NOW + 9, machine="mill-2")])
    assert spool.oldest() == {MACHINE: NOW + 2, "mill-2": NOW + 9}
    spool.delete([2])
    assert spool.oldest()[MACHINE] == NOW + 5


# At the bounds.


def evicted_rows(evicted: list[Evicted]) -> list[int]:
    return sorted(n for each in evicted for n in each.rows)


def test_nothing_goes_while_there_is_room(disk: Disk) -> None:
    spool = disk.open()
    spool.put([row(NOW - 30 * DAY), row()])
    assert make_room(spool) == []
    assert spool.rows == 2


def test_rows_past_the_bound_of_age_go_and_leave_a_hole(disk: Disk) -> None:
    spool = disk.open(age_days_max=31)
    spool.put([row(NOW - 31 * DAY - 1), row(NOW - 31 * DAY), row(NOW)])
    [evicted] = make_room(spool)
    stamp = NOW - 31 * DAY - 1
    assert evicted.hole == (MACHINE, Period(stamp, stamp + 1), ("program",), "too_old")
    assert (evicted.rows, evicted.samples, evicted.signal_class) == ([1], 1, "record")
    assert numbers(spool) == [2, 3, 4], "4 is the hole"
    assert spool.counts() == {MACHINE: {"too_old_samples": 1}}


def test_gauges_go_before_records_and_the_oldest_first(disk: Disk) -> None:
    spool = disk.open(bytes_max=20_000)
    spool.put([row(NOW + n, gauge=n % 2 == 1) for n in range(100)])
    gauges = [n for n in numbers(spool) if n % 2 == 0]
    gone = evicted_rows(make_room(spool))
    assert gone == gauges[: len(gone)]
    assert 0 < len(gone) < len(gauges), "a part of them is enough"
    assert spool.bytes_held <= 20_000


def test_records_go_when_no_gauge_is_left(disk: Disk) -> None:
    spool = disk.open(bytes_max=60_000)
    spool.put([row(NOW + n, gauge=n % 2 == 1) for n in range(600)])
    evicted = make_room(spool)
    assert {n for each in evicted if each.signal_class == "gauge" for n in each.rows} == set(range(2, 601, 2))
    records = sorted(n for each in evicted if each.signal_class == "record" for n in each.rows)
    assert records == list(range(1, 600, 2))[: len(records)]
    assert records
    assert spool.bytes_held <= 60_000


def test_a_hole_names_machine_signals_and_period_of_what_had_to_go(disk: Disk) -> None:
    spool = disk.open(bytes_max=1_000)
    spool.put(
        [row(NOW + 7, size=900), row(NOW + 3, gauge=True), row(NOW + 9, gauge=True), row(NOW, gauge=True, machine="m2")]
    )
    evicted = make_room(spool)
    holes = {each.hole.machine: each.hole for each in evicted if each.signal_class == "gauge"}
    assert {hole.cause for hole in holes.values()} == {"evicted"}
    assert all(each.hole.signals == ("feed",) for each in evicted if each.signal_class == "gauge")
    spans = [each.hole.period for each in evicted if each.hole.machine == MACHINE and each.signal_class == "gauge"]
    assert min(span.start for span in spans) == NOW + 3
    assert max(span.end for span in spans) == NOW + 10
    assert holes["m2"].period == Period(NOW, NOW + 1)
    assert spool.counts()[MACHINE]["evicted_samples"] == sum(
        each.samples for each in evicted if each.hole.machine == MACHINE
    )


def test_rows_on_their_way_are_spared(disk: Disk) -> None:
    spool = disk.open(bytes_max=2_000, age_days_max=1)
    spool.put([row(NOW - 9 * DAY), *(row(NOW + n, gauge=True) for n in range(30))])
    spare = frozenset({1, 2, 3})
    gone = evicted_rows(make_room(spool, spare=spare))
    assert not spare & set(gone)
    assert gone
    assert {1, 2, 3} <= set(numbers(spool))


def test_room_is_made_for_what_is_about_to_come(disk: Disk) -> None:
    spool = disk.open(bytes_max=10_000)
    spool.put([row(NOW + n, size=100) for n in range(20)])
    assert spool.bytes_held < 10_000
    assert evicted_rows(make_room(spool, incoming_bytes=9_000))
    assert spool.bytes_held + 9_000 <= 10_000


def holes(spool: Spool) -> list[Hole]:
    """Open the rows of holes."""
    found: list[Hole] = []
    for n in numbers(spool):
        message = spool.message(n, "site-a")
        assert message is not None
        assert message[1] in {"record", "gauge"}
        [dataset] = messages.decode(message[2]).Messages  # type: ignore[misc]
        for name, field in (dataset.Payload or {}).items():
            if name == "hole":
                assert isinstance(field, messages.DataValue)
                found.append(Hole.decode(message[0], field.Value))
    return found


def test_a_hole_enters_the_spool_with_the_rows_that_leave_it(disk: Disk) -> None:
    spool = disk.open(bytes_max=5_000)
    spool.put([row(NOW + n, gauge=True) for n in range(60)])
    [evicted] = make_room(spool)
    spool = disk.open()
    [hole] = holes(spool)
    assert hole.period == evicted.hole.period
    assert hole.signals == ("feed",)
    assert spool.known() == {MACHINE: {"hole": Known(hole.period.end, 0, "", 0)}}


def test_a_kill_during_eviction_leaves_rows_or_their_hole(disk: Disk) -> None:
    spool = disk.open(bytes_max=2_000)
    spool.put([row(NOW + n, gauge=True) for n in range(20)])
    before = (numbers(spool), spool.rows, spool.bytes_held, spool.newest)

    def note(_: Hole) -> tuple[list[NewRow], list[tuple[str, str, Known]]]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        spool.evict(NOW, spare=NOTHING_IN_FLIGHT, note=note)
    assert (numbers(spool), spool.rows, spool.bytes_held, spool.newest) == before
    assert spool.counts() == {}


def test_a_hole_outlives_what_is_older_than_the_bound_of_age(disk: Disk) -> None:
    spool = disk.open(age_days_max=1)
    spool.put([hole_row(Period(NOW - 9 * DAY, NOW - 8 * DAY)), row(NOW - 8 * DAY)])
    make_room(spool)
    assert numbers(spool) == [1, 3]


def test_holes_go_last_and_the_one_that_takes_their_place_covers_them(disk: Disk) -> None:
    spool = disk.open(bytes_max=1_000)
    spool.put([hole_row(Period(NOW + 10 * n, NOW + 10 * n + 5), "item_state") for n in range(20)])
    spool.put([row(NOW + 500)])
    [evicted] = make_room(spool)
    assert evicted.rows[0] == 21, "the record went first, though it is newer"
    assert evicted.hole.signals == ("item_state", "program")
    left = holes(spool)
    for n in range(20):
        period = Period(NOW + 10 * n, NOW + 10 * n + 5)
        assert any(hole.period.start <= period.start and period.end <= hole.period.end for hole in left)


def test_a_hole_of_all_signals_stays_one_when_it_is_merged(disk: Disk) -> None:
    spool = disk.open(bytes_max=100)
    spool.put([hole_row(Period(NOW, NOW + 5), "item_state"), hole_row(Period(NOW + 7, NOW + 9))])
    [evicted] = make_room(spool)
    assert evicted.hole.signals == ()
    assert evicted.hole.period.start == NOW


# What the disk does.


def test_a_full_disk_takes_all_of_a_put_or_nothing(disk: Disk) -> None:
    spool = disk.open()
    spool.put([row()], [(MACHINE, "program", Known(NOW, 0, "P1", 0))])
    (pages,) = spool._db.execute("PRAGMA page_count").fetchone()
    spool._db.execute(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(SpoolFullError):
        spool.put([row(size=500) for _ in range(100)], [(MACHINE, "program", Known(NOW, 0, "P2", 0))])
    assert (spool.newest, spool.rows, numbers(spool)) == (1, 1, [1])
    assert spool.known() == {MACHINE: {"program": Known(NOW, 0, "P1", 0)}}
    spool._db.execute("PRAGMA max_page_count = 100000")
    assert spool.put([row()]) == [2]


@contextmanager
def disk_takes_nothing_more() -> Iterator[None]:
    """Refuse each write beyond the first bytes of any file, as a full disk does, by the limit of this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_disk_that_takes_nothing_ends_no_agent_and_loses_no_row(disk: Disk) -> None:
    spool = disk.open(bytes_max=1_000)
    spool.put([row(NOW + n, size=400) for n in range(4)])
    held = spool.bytes_held
    with disk_takes_nothing_more():
        with pytest.raises(SpoolFullError):
            spool.put([row()])
        spool.delete([1])
        spool.kill(2, "poison")
        spool.count(MACHINE, "spool_full_samples", 5)
        assert make_room(spool) == []
        spool.forget(MACHINE)
        assert (spool.rows, spool.bytes_held, spool.newest) == (4, held, 4)
        assert numbers(spool) == [1, 2, 3, 4]
    spool.delete([3])
    assert numbers(spool) == [2, 4], "what could not be deleted then is deleted now"
    spool = disk.open()
    assert numbers(spool) == [2, 4]
    assert spool.put([row()]) == [5]


def test_two_agents_do_not_share_a_spool(disk: Disk) -> None:
    disk.open().put([row()])
    with pytest.raises(SpoolError, match="no other agent"):
        Spool(disk.path, host="host-1")


def test_a_file_that_is_no_spool_is_refused_with_its_path(tmp_path: Path) -> None:
    path = tmp_path / "spool.db"
    path.write_bytes(b"this is no database, and it is long enough to be seen as none" * 20)
    with pytest.raises(SpoolError, match=r"spool\.db cannot be used"):
        Spool(path)


def test_a_spool_is_durable_unless_a_test_says_otherwise(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool.db", host="host-1")
    assert spool._db.execute("PRAGMA synchronous").fetchone() == (2,)
    assert spool._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    spool.close()


def test_an_agent_that_was_killed_between_two_commits_finds_the_first(disk: Disk, tmp_path: Path) -> None:
    spool = disk.open()
    spool.put([row()])
    for suffix in ("", "-wal"):
        source = disk.path.with_name(disk.path.name + suffix)
        (tmp_path / f"copy.db{suffix}").write_bytes(source.read_bytes())
    copy = Spool(tmp_path / "copy.db", host="host-1")
    assert numbers(copy) == [1]
    copy.close()
    assert sqlite3.connect(tmp_path / "copy.db").execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_power_cut_at_any_moment_leaves_whole_rows_and_every_row_whose_commit_was_on_the_disk(
    disk: Disk, tmp_path: Path
) -> None:
    spool = disk.open()
    log = disk.path.with_name(disk.path.name + "-wal")
    sizes = [log.stat().st_size]
    for number in range(12):
        spool.put([row(NOW + number)])
        sizes.append(log.stat().st_size)
    whole = log.read_bytes()
    dice = random.Random(7)
    for cut in (*sizes, *(dice.randrange(sizes[0], sizes[-1]) for _ in range(40))):
        (tmp_path / "copy.db").write_bytes(disk.path.read_bytes())
        (tmp_path / "copy.db-wal").write_bytes(whole[:cut] + dice.randbytes(dice.randrange(200)))
        copy = Spool(tmp_path / "copy.db", host="host-1")
        committed = sum(size <= cut for size in sizes[1:])
        assert numbers(copy) == list(range(1, committed + 1))
        assert all(copy.message(n, "site-a") is not None for n in numbers(copy))
        copy.close()
        (tmp_path / "copy.db-wal").unlink(missing_ok=True)


def test_a_spool_with_a_damaged_page_is_refused_with_what_to_do(disk: Disk) -> None:
    spool = disk.open()
    spool.put([row(NOW + number, size=3_000) for number in range(50)])
    spool.close()
    content = bytearray(disk.path.read_bytes())
    content[20_000:20_400] = bytes(400)
    disk.path.write_bytes(content)
    with pytest.raises(SpoolError, match="cannot be used"):
        Spool(disk.path, host="host-1")
