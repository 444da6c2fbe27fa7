from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

import pytest

from edge_agent.recorder import UNSETTLED, SpoolRecorder
from edge_agent.refill import Refill
from edge_agent.spool import HISTORY_ROWS_MAX, REFILLS_MAX, Spool
from shopfloor.periods import DAY, SECOND, Period, parse_instant
from shopfloor.samples import BAD_NO_COMMUNICATION, Reading, Sample, Value
from shopfloor.states import Hole
from shopfloor.wire import messages
from tests.unit.edge_agent.test_spool import disk_takes_nothing_more

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PUBLISHER, MACHINE, OTHER = "site-a", "mill-1", "mill-2"
NOW = 1_760_000_000 * SECOND


class Agent:
    """A recorder on a real spool, restarted at will."""

    def __init__(self, path: Path, bytes_max: int = 10**9) -> None:
        self._path = path
        self.bytes_max = bytes_max
        self.now = NOW
        self.broken: list[str] = []
        self.in_flight: frozenset[int] = frozenset()
        self.wakes = 0
        self.start()

    def start(self) -> None:
        self.spool = Spool(self._path, host="host-1", bytes_max=self.bytes_max, durable=False)
        self.recorder = SpoolRecorder(
            self.spool,
            publisher=PUBLISHER,
            writer_ids={MACHINE: 1, OTHER: 2},
            clock=lambda: self.now,
            spooled=self.woken,
            in_flight=lambda: self.in_flight,
            broken=self.broken.append,
        )

    def woken(self) -> None:
        self.wakes += 1

    def restart(self) -> None:
        self.spool.close()
        self.start()

    def says(self, signal: str, value: Value | None, at: int, *, machine: str = MACHINE, status: int = 0) -> None:
        self.recorder.readings(machine, [Reading(signal, value, status, at, at, self.now)], trusted=True)

    def spooled(self) -> list[tuple[str, str, int, object]]:
        """What is in the spool: machine, signal, stamp, value as it is on the wire."""
        found: list[tuple[str, str, int, object]] = []
        waits = (self.spool.waiting(0, self.spool.newest, 10_000, history=which) for which in (False, True))
        for waiting in chain.from_iterable(waits):
            message = self.spool.message(waiting.n, PUBLISHER)
            assert message is not None
            payload = messages.decode(message[2])
            assert isinstance(payload.Messages, list)
            for dataset in payload.Messages:
                for name, field in (dataset.Payload or {}).items():
                    assert isinstance(field, messages.DataValue)
                    found.append((message[0], name, stamp_of(field), field.Value))
        return found

    def holes(self, machine: str = MACHINE) -> list[Hole]:
        return [
            Hole.decode(each, str(text)) for each, name, _, text in self.spooled() if (each, name) == (machine, "hole")
        ]


def stamp_of(field: messages.DataValue) -> int:
    assert field.SourceTimestamp is not None
    return parse_instant(field.SourceTimestamp) + field.SourcePicoseconds // 100


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Agent]:
    agent = Agent(tmp_path / "spool.db")
    yield agent
    agent.spool.close()


def test_readings_are_in_the_spool_when_the_call_returns(agent: Agent) -> None:
    agent.says("feed", 1.5, NOW)
    agent.restart()
    assert agent.spooled() == [(MACHINE, "feed", NOW, 1.5)]


def test_the_uplink_is_woken_when_there_is_something_new_and_only_then(agent: Agent) -> None:
    agent.says("feed", 1.5, NOW)
    assert agent.wakes == 1
    agent.says("feed", 1.5, NOW)
    assert agent.wakes == 1


def test_records_and_gauges_of_one_response_are_rows_of_their_own(agent: Agent) -> None:
    readings = [Reading(signal, 1, 0, NOW, NOW, NOW) for signal in ("item_state", "feed", "parts", "power_watts")]
    agent.recorder.readings(MACHINE, readings, trusted=True)
    rows = [agent.spool.message(n, PUBLISHER) for n in (1, 2)]
    assert [each and each[1] for each in rows] == ["record", "gauge"]
    assert agent.spool.rows == 2
    assert agent.recorder.signals(MACHINE) == ["feed", "item_state", "parts", "power_watts"]


def test_a_restart_keeps_ordinals_and_skips_an_initial_value_that_is_known(agent: Agent) -> None:
    agent.says("item_state", 1, NOW)
    agent.says("item_state", 2, NOW)
    agent.restart()
    agent.says("item_state", 2, NOW)
    assert [stamp for _, _, stamp, _ in agent.spooled()] == [NOW, NOW + 1]
    agent.says("item_state", 3, NOW)
    assert agent.spooled()[-1] == (MACHINE, "item_state", NOW + 2, 3)


def test_a_value_that_came_with_bad_quality_is_known_after_a_restart_too(agent: Agent) -> None:
    agent.says("item_state", None, NOW, status=BAD_NO_COMMUNICATION)
    agent.restart()
    agent.says("item_state", None, NOW, status=BAD_NO_COMMUNICATION)
    assert agent.spool.rows == 1


def test_proofs_only_move_forward(agent: Agent) -> None:
    agent.recorder.observed(MACHINE, NOW, NOW + 20)
    agent.recorder.observed(MACHINE, NOW, NOW + 20)
    agent.recorder.observed(MACHINE, NOW, NOW + 10)
    agent.recorder.observed(MACHINE, NOW, NOW + 40)
    assert [stamp for _, _, stamp, _ in agent.spooled()] == [NOW + 20, NOW + 40]
    agent.restart()
    assert agent.recorder.last_proof(MACHINE) == NOW + 40
    assert agent.recorder.last_proof(OTHER) is None


def test_unreachable_time_and_clock_offset_are_recorded(agent: Agent) -> None:
    agent.recorder.unreachable(MACHINE, NOW, NOW + 20)
    agent.recorder.clock(MACHINE, 0.25, NOW + 30)
    assert [(name, stamp) for _, name, stamp, _ in agent.spooled()] == [
        ("unreachable", NOW + 20),
        ("clock_offset_seconds", NOW + 30),
    ]


def test_a_run_that_ended_before_its_first_proof_is_complete_up_to_just_before_its_last_sample(agent: Agent) -> None:
    assert agent.recorder.last_proof(MACHINE) is None
    agent.says("item_state", 1, NOW)
    agent.says("parts", 1, NOW + SECOND)
    agent.restart()
    assert agent.recorder.last_proof(MACHINE) == NOW + SECOND - UNSETTLED
    agent.recorder.observed(MACHINE, NOW, NOW + 20)
    assert agent.recorder.last_proof(MACHINE) == NOW + 20


def hole(start: int, end: int, *signals: str) -> Hole:
    return Hole(MACHINE, Period(start, end), signals, "overflow")


def test_two_holes_that_end_together_are_both_kept_also_over_a_restart(agent: Agent) -> None:
    agent.recorder.hole(hole(NOW, NOW + 10, "feed"))
    agent.recorder.hole(hole(NOW + 5, NOW + 10, "parts"))
    agent.restart()
    agent.recorder.hole(hole(NOW + 7, NOW + 10))
    assert [stamp for _, _, stamp, _ in agent.spooled()] == [NOW + 10, NOW + 11, NOW + 12]
    assert [each.signals for each in agent.holes()] == [("feed",), ("parts",), ()]


def test_a_hole_that_ends_where_an_earlier_one_did_replaces_nothing(agent: Agent) -> None:
    for each in (hole(NOW, NOW + 10, "feed"), hole(NOW + 5, NOW + SECOND), hole(NOW, NOW + 10, "parts")):
        agent.recorder.hole(each)
    agent.restart()
    agent.recorder.hole(hole(NOW, NOW + 10))

    stamps = [stamp for _, name, stamp, _ in agent.spooled() if name == "hole"]
    assert len(set(stamps)) == 4


# At the bound.


def fill_with_gauges(agent: Agent, count: int = 200) -> None:
    for n in range(count):
        agent.now = NOW + n * SECOND
        agent.says("power_watts", float(n), agent.now)


def test_what_is_evicted_lies_inside_holes_that_name_it(tmp_path: Path) -> None:
    agent = Agent(tmp_path / "spool.db", bytes_max=20_000)
    fill_with_gauges(agent)
    left = {stamp for _, name, stamp, _ in agent.spooled() if name == "power_watts"}
    holes = agent.holes()
    assert holes
    for n in range(200):
        stamp = NOW + n * SECOND
        assert stamp in left or any(
            stamp in each.period and each.signals == ("power_watts",) and each.cause == "evicted" for each in holes
        )
    assert agent.spool.counts()[MACHINE]["evicted_samples"] == 200 - len(left)
    assert agent.broken == [], "no record was lost: the observation goes on"
    agent.spool.close()


def test_when_records_have_to_go_the_next_values_are_new_and_the_observation_begins_anew(tmp_path: Path) -> None:
    agent = Agent(tmp_path / "spool.db", bytes_max=20_000)
    agent.says("item_state", 3, NOW)
    agent.recorder.observed(MACHINE, NOW, NOW + 1)
    for n in range(100):
        agent.says("program", f"P{n}", NOW + n * SECOND)
    assert agent.broken
    assert set(agent.broken) == {MACHINE}
    evicted = agent.spool.counts()[MACHINE]["evicted_samples"]
    assert evicted
    gone = [each for each in agent.holes() if "item_state" in each.signals or not each.signals]
    assert any(NOW in each.period for each in gone)
    assert agent.recorder.last_proof(MACHINE) == NOW + 1, "a proof of what was seen stays one"
    before = agent.spool.rows
    agent.says("item_state", 3, NOW)
    assert agent.spool.rows == before + 1, "the value is taken again though it has not changed"
    agent.spool.close()


def test_rows_on_their_way_are_not_evicted(tmp_path: Path) -> None:
    agent = Agent(tmp_path / "spool.db", bytes_max=5_000)
    agent.says("power_watts", -1.0, NOW - SECOND)
    agent.in_flight = frozenset({1})
    fill_with_gauges(agent, 100)
    assert agent.spool.message(1, PUBLISHER) is not None
    agent.spool.close()


def test_what_is_too_old_goes_also_when_nothing_comes_in(agent: Agent) -> None:
    agent.says("power_watts", 1.0, NOW)
    agent.now = NOW + 32 * DAY
    agent.recorder.make_room()
    [left] = agent.holes()
    assert (left.cause, left.period.start, left.signals) == ("too_old", NOW, ("power_watts",))


def test_what_a_full_disk_refuses_lies_inside_a_hole_as_soon_as_there_is_room(agent: Agent) -> None:
    agent.says("item_state", 3, NOW)
    agent.recorder.observed(MACHINE, NOW, NOW + 1)
    with disk_takes_nothing_more():
        for n in range(1, 4):
            agent.says("item_state", n % 2, NOW + n * SECOND)
        agent.says("power_watts", 5.0, NOW + 9 * SECOND)
        agent.recorder.hole(hole(NOW - 5, NOW + 2 * SECOND))
    assert agent.broken == [MACHINE] * 5
    assert len(agent.spooled()) == 2
    agent.says("power_watts", 1.0, NOW + 20 * SECOND, machine=OTHER)
    assert agent.holes() == [], "the hole waits for its own machine"
    agent.says("item_state", 1, NOW + 3 * SECOND)
    [left] = agent.holes()
    assert left == Hole(MACHINE, Period(NOW - 5, NOW + 9 * SECOND + 1), (), "spool_full")
    assert agent.spooled()[-1] == (MACHINE, "item_state", NOW + 3 * SECOND, 1)
    agent.says("item_state", 2, NOW + 30 * SECOND)
    assert len(agent.holes()) == 1


def test_samples_lost_on_a_full_disk_are_counted(agent: Agent) -> None:
    agent.says("program", "P", NOW)
    with disk_takes_nothing_more():
        agent.says("program", "Q", NOW + SECOND)
        agent.says("program", "R", NOW + 2 * SECOND)
        assert agent.spool.counts() == {MACHINE: {"spool_full_samples": 2}}
    agent.says("program", "back", NOW + 3 * SECOND)
    agent.restart()
    assert agent.spool.counts() == {MACHINE: {"spool_full_samples": 2}}
    assert len(agent.holes()) == 1


def test_a_spool_at_the_bound_of_its_file_takes_what_fits_and_writes_the_rest_down(agent: Agent) -> None:
    agent.says("program", "P", NOW)
    (pages,) = agent.spool._db.execute("PRAGMA page_count").fetchone()
    agent.spool._db.execute(f"PRAGMA max_page_count = {pages}")
    lost = 0
    for n in range(1, 40):
        rows = agent.spool.rows
        agent.says("program", "x" * 2000, NOW + n * SECOND)
        lost += agent.spool.rows == rows
    assert lost
    agent.spool._db.execute("PRAGMA max_page_count = 100000")
    agent.says("program", "back", NOW + 99 * SECOND)
    assert agent.spool.counts() == {MACHINE: {"spool_full_samples": lost}}
    kept = {stamp for _, name, stamp, _ in agent.spooled() if name == "program"}
    [left] = agent.holes()
    assert all(NOW + n * SECOND in kept or NOW + n * SECOND in left.period for n in range(1, 40))


def test_a_loss_that_was_never_written_down_lies_after_the_last_durable_proof(agent: Agent) -> None:
    agent.recorder.observed(MACHINE, NOW, NOW + 10)
    with disk_takes_nothing_more():
        agent.says("item_state", 1, NOW + 20)
        agent.recorder.observed(MACHINE, NOW, NOW + 30)
    agent.restart()
    assert agent.recorder.last_proof(MACHINE) == NOW + 10, "the hole of the restart begins here"


def test_a_large_response_is_split_into_rows_in_one_commit(agent: Agent) -> None:
    readings = [Reading("program", f"{n} " + "x" * 4000, 0, NOW + n, NOW + n, NOW) for n in range(100)]
    agent.recorder.readings(MACHINE, readings, trusted=True)
    assert agent.spool.rows > 1
    assert agent.wakes == 1
    assert [stamp for _, _, stamp, _ in agent.spooled()] == [NOW + n for n in range(100)]


def refill(first: int = 0, last: int = 60, signals: tuple[str, ...] = ("feed", "parts")) -> Refill:
    period = Period(NOW + first * SECOND, NOW + last * SECOND)
    return Refill(MACHINE, period, dict.fromkeys(signals, period))


def test_history_is_marked_on_the_wire_and_changes_no_last_value(agent: Agent) -> None:
    agent.says("feed", 5.0, NOW + 90 * SECOND)
    before = agent.recorder.lasts(MACHINE)
    assert agent.recorder.history(MACHINE, [Sample(MACHINE, "feed", NOW + SECOND, 1.5)])
    assert agent.recorder.lasts(MACHINE) == before
    live, history = (agent.spool.message(n, PUBLISHER) for n in (1, 2))
    assert live is not None
    assert history is not None
    assert not messages.decode(live[2]).IsHistorical
    assert messages.decode(history[2]).IsHistorical


def test_a_hole_waits_for_its_history_over_a_restart_and_is_done_with_what_was_filled(agent: Agent) -> None:
    agent.recorder.want_refill(refill())
    agent.restart()
    (found,) = agent.recorder.refills(MACHINE)
    assert found == refill()
    assert agent.recorder.refilled(found, ["feed"])
    assert agent.recorder.refills(MACHINE) == []
    ((machine, signal, stamp, text),) = agent.spooled()
    assert (machine, signal, stamp) == (MACHINE, "filled", NOW + 60 * SECOND)
    assert Hole.decode(MACHINE, str(text)) == Hole(MACHINE, refill().period, ("feed",), "history")


def test_a_hole_of_which_the_server_remembers_nothing_leaves_no_word_of_it(agent: Agent) -> None:
    agent.recorder.want_refill(refill())
    assert agent.recorder.refilled(refill(), [])
    assert agent.recorder.refills(MACHINE) == []
    assert agent.spooled() == []


def test_what_was_filled_of_two_holes_that_end_together_is_kept_apart(agent: Agent) -> None:
    for each in (refill(signals=("feed",)), refill(signals=("parts",))):
        agent.recorder.want_refill(each)
    for each in agent.recorder.refills(MACHINE):
        assert agent.recorder.refilled(each, list(each.spans))
    assert [stamp - NOW - 60 * SECOND for _, _, stamp, _ in agent.spooled()] == [0, 1]


def test_of_too_many_holes_the_oldest_are_not_filled(agent: Agent) -> None:
    for number in range(REFILLS_MAX + 5):
        agent.recorder.want_refill(refill(number, number + 1))
    found = agent.recorder.refills(MACHINE)
    assert len(found) == REFILLS_MAX
    assert found[0].period.end == NOW + (REFILLS_MAX + 5) * SECOND


def test_history_is_refused_while_much_of_it_waits_or_the_spool_is_half_full(agent: Agent) -> None:
    room: list[bool] = []
    for number in range(HISTORY_ROWS_MAX):
        room.append(agent.recorder.has_room_for_history)
        agent.recorder.history(MACHINE, [Sample(MACHINE, "feed", NOW + number, 1.5)])
    assert all(room)
    room = [agent.recorder.has_room_for_history]
    agent.spool.delete([1])
    room.append(agent.recorder.has_room_for_history)
    agent.bytes_max = agent.spool.bytes_held
    agent.restart()
    room.append(agent.recorder.has_room_for_history)
    assert room == [False, True, False]


def test_a_row_that_was_damaged_on_the_disk_is_not_sent_and_leaves_a_hole_and_its_neighbours_flow(
    agent: Agent,
) -> None:
    for number in range(3):
        agent.says("feed", 100.0 + number, NOW + number * SECOND)
    agent.spool._db.execute("UPDATE spooled SET body = CAST(replace(body, '101.0', '901.0') AS BLOB) WHERE n = 2")
    sent = [agent.spool.message(n, PUBLISHER) is not None for n in (1, 2, 3)]
    agent.recorder.make_room()
    assert sent == [True, False, True]
    assert [row.reason for row in agent.spool.dead()] == ["damaged on the disk"]
    (hole,) = agent.holes()
    assert (hole.cause, hole.period) == ("damaged", Period(NOW + SECOND, NOW + SECOND + 1))
    assert agent.spool.counts() == {MACHINE: {"dead_samples": 1, "holes": 1}}


def test_a_damaged_row_that_has_to_go_leaves_a_hole_of_all_signals(agent: Agent) -> None:
    agent.says("feed", 100.0, NOW)
    agent.spool._db.execute("UPDATE spooled SET body = x'00'")
    agent.now = NOW + 400 * DAY
    agent.recorder.make_room()
    (hole,) = agent.holes()
    assert (hole.cause, hole.signals) == ("too_old", ())


def test_a_full_disk_keeps_a_refill_waiting(agent: Agent) -> None:
    agent.recorder.want_refill(refill())
    with disk_takes_nothing_more():
        assert not agent.recorder.history(MACHINE, [Sample(MACHINE, "feed", NOW, 1.5)])
        assert not agent.recorder.refilled(refill(), ["feed"])
    assert agent.recorder.refills(MACHINE) == [refill()]
