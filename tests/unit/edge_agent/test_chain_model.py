"""Spool, window, acknowledgement and collector as one machine under every fault: it never loses, doubles or waits."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from collector.pipeline import Raw, acknowledgements, commit
from collector.quarantine import Quarantine
from edge_agent.recorder import SpoolRecorder
from edge_agent.spool import Spool
from edge_agent.window import BREAKS_MAX, RETRY_SECONDS_MIN, Kill, Send, Window
from shopfloor.periods import SECOND, Period
from shopfloor.samples import Reading
from shopfloor.stores.port import StoreUnavailableError
from shopfloor.stores.sqlite import SqliteStore
from shopfloor.wire import messages, topics
from shopfloor.wire.reading import Allowed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shopfloor.samples import Minute, Run, Slice
    from shopfloor.stores.port import Rejection

PUBLISHER, MACHINE, SIGNAL = "site-a", "mill-1", "power_watts"
START = 1_760_000_000 * SECOND
REGISTRY = messages.Registry(PUBLISHER, [messages.RegisteredMachine(MACHINE, [SIGNAL, "hole", "observed"])])
LONG = os.environ.get("OFFICINA_TEST_SIZE") == "long"


class Store(SqliteStore):
    """The real store in memory, with a switch for an outage."""

    away = False

    def write(self, slices: Sequence[Slice | Run], minutes: Sequence[Minute] = (), *, now: int) -> list[Rejection]:
        if self.away:
            raise StoreUnavailableError("switched off")
        return super().write(slices, minutes, now=now)


@dataclass
class CollectorProcess:
    """What a collector holds in memory: it is gone when it is killed."""

    subscribed: bool = True
    received: list[Raw] = field(default_factory=list)


class Chain(RuleBasedStateMachine):
    """One agent, a broker without persistence, two collectors in a shared group, one store."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="chain-"))
        self.now = START
        self.emitted: dict[int, int] = {}
        self.poison_rows: set[int] = set()
        self.lost_rows: set[int] = set()
        self.store = Store(":memory:")
        self.quarantine = Quarantine(self.folder / "quarantine.db")
        self.allowed = Allowed()
        self.allowed.replace(PUBLISHER, REGISTRY)
        self.collectors: list[CollectorProcess | None] = [CollectorProcess(), CollectorProcess()]
        self.broker_up = True
        self.connected = False
        self.agent_hears = False
        self.pubacks: list[int] = []
        self.host = "host-1"
        self.disk = 0
        self.agent_up = False
        self.on_their_way: dict[int, int] = {}
        self.breaks_alone: dict[int, int] = {}

    @initialize(seed=st.integers(0, 2**32))
    def begin(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.start_agent()

    # The agent.

    def start_agent(self) -> None:
        self.spool = Spool(self.folder / f"spool-{self.disk}.db", host=self.host, durable=False)
        self.window = Window(self.spool.epoch)
        self.recorder = SpoolRecorder(
            self.spool,
            publisher=PUBLISHER,
            writer_ids={MACHINE: 1},
            clock=lambda: self.now,
            spooled=lambda: None,
            in_flight=lambda: self.window.in_flight,
            broken=lambda _: None,
        )
        self.agent_up = True
        self.connect_agent()

    def connect_agent(self) -> None:
        if self.agent_up and self.broker_up and not self.connected:
            self.connected = self.agent_hears = True
            self.pubacks = []
            self.window.connected(self.spool.newest)

    def disconnect_agent(self) -> None:
        if self.connected:
            unanswered = [n for n in self.on_their_way if self.agent_up and n in self.window.in_flight]
            # One with which the connection has lived for long enough may be taken for innocent.
            recent = [n for n in unanswered if self.now - self.on_their_way[n] < RETRY_SECONDS_MIN * SECOND]
            alone = {each[0] for each in (unanswered, recent) if len(each) == 1}
            self.breaks_alone |= {n: self.breaks_alone.get(n, 0) + 1 for n in alone}
            self.on_their_way = {}
            self.connected = self.agent_hears = False
            self.pubacks = []
            if self.agent_up:
                for kill in self.window.disconnected():
                    self.spool.kill(kill.n, kill.reason)

    @precondition(lambda self: self.agent_up)
    @rule(count=st.integers(1, 5))
    def machine_counts(self, count: int) -> None:
        for _ in range(count):
            self.now += self.random.randrange(1, SECOND)
            number = len(self.emitted) + 1
            stamp = self.now // 100 * 100
            self.emitted[number] = stamp
            self.recorder.readings(MACHINE, [Reading(SIGNAL, float(number), 0, stamp, stamp, self.now)], trusted=True)

    @precondition(lambda self: self.agent_up)
    @rule()
    def agent_sends(self) -> None:
        for action in self.window.step(self.spool, self.now):
            if isinstance(action, Kill):
                self.spool.kill(action.n, action.reason)
                continue
            assert isinstance(action, Send)
            if not self.connected:
                break
            found = self.spool.message(action.n, PUBLISHER)
            self.on_their_way[action.n] = self.now
            if found is None:
                self.window.forget([action.n])
            elif self.broker_takes(action.n, found[2]):
                break

    def broker_takes(self, n: int, payload: bytes) -> bool:
        """Route one message. Returns whether it broke the connection."""
        if n in self.poison_rows:
            self.disconnect_agent()
            self.connect_agent()
            return True
        self.pubacks.append(n)
        members = [each for each in self.collectors if each is not None and each.subscribed]
        if members and n not in self.lost_rows:
            copies = 2 if self.random.random() < 0.1 else 1
            topic = topics.data(PUBLISHER, "gauge", MACHINE)
            for _ in range(copies):
                received = self.random.choice(members).received
                received.insert(self.random.randint(0, len(received)), Raw(topic, payload))
        return False

    @precondition(lambda self: self.pubacks)
    @rule()
    def pubacks_arrive(self) -> None:
        self.random.shuffle(self.pubacks)
        for n in self.pubacks[: self.random.randint(1, len(self.pubacks))]:
            self.window.accepted(n)
            self.on_their_way.pop(n, None)
            self.pubacks.remove(n)

    @precondition(lambda self: self.agent_up)
    @rule()
    def agent_is_killed_and_restarted(self) -> None:
        self.disconnect_agent()
        self.spool.close()
        self.agent_up = False
        self.start_agent()

    @precondition(lambda self: self.agent_up)
    @rule()
    def disk_is_cloned_into_another_computer(self) -> None:
        epoch, newest = self.spool.epoch, self.spool.newest
        self.agent_is_killed_and_restarted()
        self.disconnect_agent()
        self.spool.close()
        for suffix in ("", "-wal", "-shm"):
            old = self.folder / f"spool-{self.disk}.db{suffix}"
            if old.exists():
                shutil.copy(old, self.folder / f"spool-{self.disk + 1}.db{suffix}")
        self.disk += 1
        self.host = f"host-{self.disk + 1}"
        self.start_agent()
        assert self.spool.epoch != epoch
        assert self.spool.newest == newest

    @precondition(lambda self: self.agent_up)
    @rule()
    def a_row_is_poison_to_the_broker(self) -> None:
        if len(self.poison_rows) < 2:
            self.machine_counts(1)
            self.poison_rows.add(self.spool.newest)

    @precondition(lambda self: self.agent_up)
    @rule()
    def a_row_vanishes_behind_the_broker(self) -> None:
        if len(self.lost_rows) < 2:
            self.machine_counts(1)
            self.lost_rows.add(self.spool.newest)

    @rule()
    def agents_subscription_is_wiped(self) -> None:
        self.agent_hears = False

    # Broker and time.

    @rule(seconds=st.sampled_from([1, 3, 11, 25, 400, 7200, 90_000]))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds * SECOND
        if self.connected and seconds > 10:
            self.agent_hears = True  # an overdue acknowledgement makes the agent subscribe again
        if seconds > 15:
            for process in self.collectors:
                if process is not None:
                    process.subscribed = True  # the missing echo makes the collector connect anew

    @rule()
    def broker_is_killed_and_restarted(self) -> None:
        self.disconnect_agent()
        for process in self.collectors:
            if process is not None:
                process.received.clear()
        self.connect_agent()

    @rule()
    def broker_goes_away(self) -> None:
        self.disconnect_agent()
        self.broker_up = False

    @rule()
    def broker_comes_back(self) -> None:
        self.broker_up = True
        self.connect_agent()

    # Collectors and store.

    @rule(index=st.integers(0, 1))
    def collector_commits(self, index: int) -> None:
        process = self.collectors[index]
        if process is None or not process.received:
            return
        take = self.random.randint(1, len(process.received))
        batch, process.received = process.received[:take], process.received[take:]
        try:
            committed = commit(batch, self.allowed, self.store, self.quarantine, now=self.now)
        except StoreUnavailableError:
            process.received = batch + process.received
            return
        if self.random.random() < 0.2:
            self.collectors[index] = None  # killed between the commit and the acknowledgement
            return
        for (publisher, epoch), rows in acknowledgements(committed.rows).items():
            assert publisher == PUBLISHER
            self.agent_hears_stored(messages.encode_stored(epoch, rows))

    def agent_hears_stored(self, payload: bytes) -> None:
        if self.connected and self.agent_hears:
            stored = messages.decode_stored(payload)
            self.spool.delete(self.window.stored(stored.epoch, stored.stored, self.now))

    @rule(index=st.integers(0, 1))
    def collector_is_killed(self, index: int) -> None:
        self.collectors[index] = None

    @rule(index=st.integers(0, 1))
    def collector_starts(self, index: int) -> None:
        if self.collectors[index] is None:
            self.collectors[index] = CollectorProcess()
            self.agent_hears_stored(messages.encode_stored("", []))

    @rule(index=st.integers(0, 1))
    def collector_goes_deaf(self, index: int) -> None:
        process = self.collectors[index]
        if process is not None:
            process.subscribed = False

    @rule(away=st.booleans())
    def store_switches(self, *, away: bool) -> None:
        self.store.away = away

    # The end: everything heals, and everything must come through.

    def teardown(self) -> None:
        try:
            if hasattr(self, "random"):
                self.heal()
                self.drain()
                self.nothing_is_lost_doubled_or_invented()
        finally:
            if self.agent_up:
                self.spool.close()
            self.quarantine.close()
            self.store.close()
            shutil.rmtree(self.folder, ignore_errors=True)

    def heal(self) -> None:
        self.store.away = False
        self.broker_comes_back()
        for index in (0, 1):
            self.collector_starts(index)
            process = self.collectors[index]
            assert process is not None
            process.subscribed = True
        self.agent_hears = True

    def drain(self) -> None:
        for _ in range(600):
            if not self.spool.rows:
                return
            self.machine_counts(1)
            self.agent_sends()
            while self.pubacks:
                self.pubacks_arrive()
            for index in (0, 1):
                self.collector_starts(index)
                while self.collectors[index] is not None and self.collectors[index].received:  # type: ignore[union-attr]
                    self.collector_commits(index)
            due = self.window.next_due()
            self.now = max(self.now + SECOND, due or 0)
        raise AssertionError(f"{self.spool.rows} rows still wait")

    def nothing_is_lost_doubled_or_invented(self) -> None:
        found = self.store.read([MACHINE], [SIGNAL], Period(START, self.now + SECOND), limit=1_000_000)
        stored = {sample.value: sample.stamp for sample in found}
        deaths = self.spool.dead()
        dead = {number for row in deaths for number, stamp in self.emitted.items() if row.first == stamp}
        assert len(stored) == len(found)
        assert all(self.emitted[int(value)] == stamp for value, stamp in stored.items() if value is not None)
        assert set(self.emitted) - set(stored) <= dead
        assert all(row.n in self.lost_rows or self.breaks_alone.get(row.n, 0) >= BREAKS_MAX for row in deaths)


TestChain = Chain.TestCase
TestChain.settings = settings(
    max_examples=2000 if LONG else 60,
    stateful_step_count=80,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
