from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.window import (
    BACKLOG_SHARE,
    BREAKS_MAX,
    BYTES_MAX,
    RETRY_SECONDS_MAX,
    RETRY_SECONDS_MIN,
    ROWS_MAX,
    TAKEN_MAX,
    Kill,
    Send,
    SpoolRow,
    Window,
)
from shopfloor.periods import DAY, SECOND

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

EPOCH = "ab"
BACKLOG_ROWS = ROWS_MAX // BACKLOG_SHARE
LIVE_ROWS = ROWS_MAX - BACKLOG_ROWS


class Rows:
    """The waiting rows of a spool, in memory."""

    def __init__(self, count: int = 0, size: int = 100) -> None:
        self.sizes: dict[int, int] = {}
        self.history: set[int] = set()
        self.newest = 0
        self.add(count, size)

    def add(self, count: int, size: int = 100, *, history: bool = False) -> None:
        for _ in range(count):
            self.newest += 1
            self.sizes[self.newest] = size
            if history:
                self.history.add(self.newest)

    def waiting(self, after: int, until: int, limit: int, *, history: bool = False) -> Sequence[SpoolRow]:
        rows = [SpoolRow(n, size) for n, size in self.sizes.items() if after < n <= until]
        return [row for row in rows if (row.n in self.history) is history][:limit]

    def delete(self, rows: list[int]) -> None:
        for n in rows:
            self.sizes.pop(n, None)


class Agent:
    """A window on rows, with a broker that takes what it is given."""

    def __init__(self, count: int = 0, size: int = 100) -> None:
        self.rows = Rows(count, size)
        self.window = Window(EPOCH)
        self.now = 0
        self.sent: list[int] = []
        self.dead: dict[int, str] = {}

    def connect(self) -> None:
        self.window.connected(self.rows.newest)

    def step(self) -> list[int]:
        """Return what is sent now."""
        sent: list[int] = []
        for action in self.window.step(self.rows, self.now):
            if isinstance(action, Kill):
                self.dead[action.n] = action.reason
                self.rows.delete([action.n])
            else:
                sent.append(action.n)
        self.sent += sent
        return sent

    def accept(self, rows: list[int]) -> None:
        for n in rows:
            self.window.accepted(n)

    def stored(self, first: int, last: int | None = None) -> list[int]:
        done = self.window.stored(EPOCH, [(first, last or first)], self.now)
        self.rows.delete(done)
        return done

    def lose(self) -> None:
        for kill in self.window.disconnected():
            self.dead[kill.n] = kill.reason
            self.rows.delete([kill.n])


def connected(count: int = 0, size: int = 100) -> Agent:
    agent = Agent(count, size)
    agent.connect()
    return agent


def test_nothing_is_sent_before_the_broker_works() -> None:
    agent = Agent(5)
    assert agent.step() == []
    assert agent.window.next_due() is None
    agent.connect()
    assert agent.step() == [1, 2, 3, 4, 5]
    assert agent.window.in_flight == {1, 2, 3, 4, 5}


def test_a_row_is_sent_once_while_its_acknowledgement_is_awaited() -> None:
    agent = connected(3)
    assert agent.step() == [1, 2, 3]
    assert agent.step() == []


def test_only_what_a_collector_stored_leaves_the_window() -> None:
    agent = connected(3)
    agent.accept(agent.step())
    assert agent.window.in_flight == {1, 2, 3}
    assert agent.stored(2) == [2]
    assert agent.window.in_flight == {1, 3}
    assert agent.stored(2) == []


def test_rows_that_this_process_has_not_sent_are_not_its_to_delete() -> None:
    agent = connected(5)
    agent.step()
    agent.rows.add(5)
    assert agent.stored(1, 10) == [1, 2, 3, 4, 5]


def test_another_epochs_acknowledgement_deletes_nothing() -> None:
    agent = connected(3)
    agent.step()
    assert agent.window.stored("cd", [(1, 3)], 0) == []
    assert agent.window.stored("", [(1, 3)], 0) == []
    assert agent.window.in_flight == {1, 2, 3}


def test_backlog_takes_a_quarter_of_the_window_and_live_rows_the_rest() -> None:
    agent = connected(1000)
    assert agent.step() == list(range(1, BACKLOG_ROWS + 1))
    agent.rows.add(500)
    assert len(agent.step()) == LIVE_ROWS
    assert len(agent.window.in_flight) == ROWS_MAX


def test_live_rows_are_not_delayed_by_a_backlog() -> None:
    agent = connected(10_000)
    agent.step()
    agent.rows.add(3)
    assert agent.step() == [10_001, 10_002, 10_003]


def test_a_backlog_drains_oldest_first_beside_live_rows() -> None:
    agent = connected(100)
    agent.step()
    agent.rows.add(1)
    assert agent.step() == [101]
    agent.stored(1, 10)
    assert agent.step() == list(range(BACKLOG_ROWS + 1, BACKLOG_ROWS + 11))


def test_when_live_rows_pile_up_the_newest_go_first_and_the_others_become_backlog() -> None:
    agent = connected()
    agent.rows.add(LIVE_ROWS)
    agent.step()
    agent.rows.add(1000)
    newest = agent.rows.newest
    agent.stored(1, LIVE_ROWS)
    live = [n for n in agent.step() if n > newest - LIVE_ROWS]
    assert live == list(range(newest - LIVE_ROWS + 1, newest + 1))
    while agent.rows.sizes:
        agent.stored(min(agent.window.in_flight), max(agent.window.in_flight))
        agent.step()
    assert sorted(set(agent.sent)) == list(range(1, newest + 1)), "nothing is passed over"


def test_the_window_is_bounded_in_bytes_too() -> None:
    size = 120_000
    agent = connected(200, size)
    sent = agent.step()
    assert sum(agent.rows.sizes[n] for n in sent) <= BYTES_MAX // BACKLOG_SHARE
    agent.rows.add(500, size)
    agent.step()
    assert BYTES_MAX - 2 * size < len(agent.window.in_flight) * size <= BYTES_MAX


def test_a_row_larger_than_the_bound_is_sent_alone() -> None:
    agent = connected(2, BYTES_MAX * 2)
    assert agent.step() == [1]
    agent.stored(1)
    assert agent.step() == [2]


def test_an_unacknowledged_row_is_sent_again_after_ten_seconds_doubling_to_five_minutes() -> None:
    agent = connected(1)
    agent.step()
    waits = []
    for _ in range(8):
        agent.accept([1])
        due = agent.window.next_due()
        assert due is not None
        waits.append((due - agent.now) // SECOND)
        agent.now = due - 1
        assert agent.step() == []
        agent.now = due
        [action] = agent.window.step(agent.rows, agent.now)
        assert action == Send(1, again=True)
    assert waits[0] == RETRY_SECONDS_MIN
    assert waits == [10, 20, 40, 80, 160, RETRY_SECONDS_MAX, RETRY_SECONDS_MAX, RETRY_SECONDS_MAX]


def test_after_a_reconnect_everything_unacknowledged_is_sent_at_once() -> None:
    agent = connected(5)
    agent.accept(agent.step())
    agent.stored(2)
    agent.lose()
    assert agent.step() == []
    agent.connect()
    assert agent.window.next_due() == 0
    assert agent.step() == [1, 3, 4, 5]


def test_the_hello_of_a_collector_makes_all_sendings_due_at_once() -> None:
    agent = connected(1)
    agent.accept(agent.step())
    agent.now = 2 * SECOND
    agent.rows.add(1)
    assert agent.step() == [2]
    assert agent.window.stored("", [], agent.now) == []
    assert agent.step() == [1, 2]
    agent.accept([1, 2])
    due = agent.window.next_due()
    assert due is not None
    assert due - agent.now <= 2 * RETRY_SECONDS_MIN * SECOND, "the waits begin anew"


def take_again_and_again(agent: Agent, n: int, times: int, *, others_are_stored: bool) -> None:
    """Let the broker take a row many times, while rows sent after it are stored or are not."""
    for _ in range(times):
        if n not in agent.window.in_flight:
            return
        agent.accept([n])
        agent.rows.add(1)
        agent.now += SECOND
        other = agent.rows.newest
        agent.accept(agent.step())
        if others_are_stored:
            agent.stored(other)
        due = agent.window.next_due()
        assert due is not None
        agent.now = max(agent.now, due)
        agent.step()


def test_a_row_that_the_broker_took_ten_times_while_later_ones_were_stored_is_dead() -> None:
    agent = connected(1)
    agent.step()
    take_again_and_again(agent, 1, TAKEN_MAX - 1, others_are_stored=True)
    assert agent.dead == {}
    take_again_and_again(agent, 1, 1, others_are_stored=True)
    assert list(agent.dead) == [1]
    assert "10 times" in agent.dead[1]
    assert 1 not in agent.window.in_flight


def test_a_row_taken_ten_times_is_not_dead_while_nothing_else_is_stored_either() -> None:
    agent = connected(1)
    agent.step()
    take_again_and_again(agent, 1, 50, others_are_stored=False)
    assert agent.dead == {}
    assert 1 in agent.window.in_flight


def test_a_dead_row_that_was_stored_after_all_is_deleted() -> None:
    agent = connected(1)
    agent.step()
    take_again_and_again(agent, 1, TAKEN_MAX, others_are_stored=True)
    assert list(agent.dead) == [1]
    assert agent.window.stored(EPOCH, [(1, 1)], agent.now) == [1]
    assert agent.window.stored(EPOCH, [(1, 1)], agent.now) == []


def test_the_row_that_breaks_the_connection_each_time_it_is_alone_is_dead_and_no_other() -> None:
    agent = connected(10)
    poison = 4
    for _ in range(40):
        sent = agent.step()
        if poison in sent:
            agent.accept([n for n in sent if n < poison])  # what came before it in the stream was taken
            agent.lose()
            agent.now += SECOND
            agent.connect()
        else:
            agent.accept(sent)
            for n in sent:
                agent.stored(n)
            agent.now += SECOND
    assert list(agent.dead) == [poison]
    assert f"{BREAKS_MAX} times" in agent.dead[poison]
    assert agent.rows.sizes == {}


def test_a_suspect_is_tried_alone() -> None:
    agent = connected(5)
    agent.step()
    agent.lose()
    agent.connect()
    assert agent.step() == [1, 2, 3, 4, 5], "one break says nothing"
    agent.lose()
    agent.connect()
    assert agent.step() == [1]
    assert agent.step() == [], "until it is known to be innocent"
    agent.accept([1])
    assert agent.step() == [2]
    agent.now += RETRY_SECONDS_MIN * SECOND
    assert agent.step() == []
    assert agent.step() == [3], "the connection has lived with 2 for long enough"


def test_a_stored_row_is_no_suspect_any_more() -> None:
    agent = connected(2)
    for _ in range(2):
        agent.step()
        agent.lose()
        agent.connect()
    assert agent.step() == [1]
    agent.stored(1)
    assert agent.step() == [2]


def test_an_outage_alone_never_kills_however_long_it_lasts() -> None:
    agent = connected(300)
    for n in range(200):
        sent = agent.step()
        if n % 3:
            agent.accept(sent)
        agent.lose()
        agent.now += DAY // 2
        agent.rows.add(1)
        agent.connect()
        agent.accept(agent.step())
        agent.now += DAY // 2
    assert agent.dead == {}


def test_a_broker_that_is_away_kills_nothing() -> None:
    agent = connected(1)
    agent.step()
    agent.lose()
    for _ in range(10):
        agent.lose()
        assert agent.step() == []
    assert agent.dead == {}


def test_a_row_that_is_gone_from_the_spool_leaves_the_window() -> None:
    agent = connected(2)
    agent.step()
    agent.window.forget([1, 99])
    assert agent.window.in_flight == {2}


@settings(max_examples=150, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(1, 600))
def test_whatever_happens_the_bounds_hold_and_in_the_end_every_row_was_sent(random: Random, count: int) -> None:
    agent = connected(count // 2, 50_000)
    for _ in range(60):
        agent.now += random.randrange(1, 30) * SECOND
        what = random.random()
        if what < 0.1:
            agent.lose()
            agent.connect()
        elif what < 0.5 and agent.window.in_flight:
            agent.stored(random.choice(sorted(agent.window.in_flight)))
        elif what < 0.7:
            agent.accept(sorted(agent.window.in_flight))
        elif agent.rows.newest < count:
            agent.rows.add(random.randrange(1, 40), random.randrange(1, 120_000))
        agent.accept(agent.step())
        assert len(agent.window.in_flight) <= ROWS_MAX
        assert sum(agent.rows.sizes[n] for n in agent.window.in_flight) <= BYTES_MAX + 120_000
    for _ in range(1000):
        if not agent.rows.sizes:
            break
        agent.now += SECOND
        agent.accept(agent.step())
        agent.stored(1, agent.rows.newest)
    assert agent.rows.sizes == {}
    assert agent.dead == {}


def test_history_never_takes_the_place_of_what_is_live() -> None:
    agent = Agent()
    agent.connect()
    agent.rows.add(1_000, history=True)
    agent.rows.add(LIVE_ROWS)
    sent = agent.step()
    assert len(set(sent) & agent.rows.history) == BACKLOG_ROWS
    assert [n for n in sent if n not in agent.rows.history] == list(range(1_001, 1_001 + LIVE_ROWS))


def test_history_waits_for_all_other_backlog() -> None:
    agent = Agent(BACKLOG_ROWS + 1)
    agent.rows.add(5, history=True)
    agent.connect()
    assert set(agent.step()) & agent.rows.history == set()
    agent.window.stored(EPOCH, [(1, BACKLOG_ROWS)], agent.now)
    assert agent.step() == [BACKLOG_ROWS + 1, *sorted(agent.rows.history)]


def test_history_that_waited_over_a_reconnect_is_sent_once() -> None:
    agent = Agent()
    agent.rows.add(3, history=True)
    agent.connect()
    assert agent.step() == [1, 2, 3]
    agent.window.disconnected()
    agent.connect()
    assert agent.step() == [1, 2, 3]
    assert agent.step() == []
