"""The running collector: receive, commit, acknowledge, and stay sure that it still hears."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

import structlog

from collector.pipeline import Committed, Raw, acknowledgements, commit
from collector.quarantine import Quarantine, QuarantineError
from shopfloor import mqtt
from shopfloor.runtime import clock
from shopfloor.runtime.backoff import Backoff
from shopfloor.stores.port import StoreRefusedError, StoreUnavailableError
from shopfloor.wire import messages, topics
from shopfloor.wire.reading import REGISTRY_REASONS, Allowed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from collector.metrics import Metrics
    from shopfloor.stores.port import Store
    from shopfloor.wire.messages import PutAside, RowId

BATCH_MESSAGES_MAX = 512
BATCH_BYTES_MAX = 3 * 1024 * 1024
"""What is written in one commit at most."""
PENDING_BYTES_MAX = 256 * 1024 * 1024
"""Received and not yet in work; a message beyond it is dropped unacknowledged, counted, and asked for again later."""
ECHO_SECONDS = 5.0
"""How often the collector sends a message to itself."""
DEAF_SECONDS = 15.0
"""Without hearing it for so long it takes its subscriptions for lost, and connects anew."""
RETRY_SECONDS_MIN, RETRY_SECONDS_MAX = 0.2, 5.0
"""Wait between attempts to write while the store is away."""
QUARANTINE_SECONDS = 2.0
"""How often entries marked for another try are looked for."""
TELL_SECONDS = 300.0
"""How often the broker is told again what is in quarantine; a change is told at once."""
GATHER_SECONDS = 0.005
"""Messages that come within this time are taken together: waking up for each would cost more than reading it."""
SHARED_GROUP = "officina"
_AGENT_ROW = re.compile(rb'\{"MessageId":"[^":]{1,64}:[0-9a-f]{1,32}:[0-9]{1,18}"')

log = structlog.get_logger(__name__)


class _Pending(NamedTuple):
    message: mqtt.Message
    row: tuple[str, bytes] | None
    """Topic and head of an agent's message, which name its row: tells a redelivery while the first still waits."""


class Collector:
    """One collector.

    Args:
        broker: where messages come from.
        store: where samples go.
        quarantine: where the rest goes.
        metrics: counts.
        shared: share the subscription with other collectors.
        client_id: of a persistent session; None for a clean session under a name of its own.
        writers: batches in work at the same time.
    """

    def __init__(
        self,
        broker: mqtt.Broker,
        store: Store,
        quarantine: Quarantine,
        metrics: Metrics,
        *,
        shared: bool = False,
        client_id: str | None = None,
        writers: int = 4,
    ) -> None:
        self._store = store
        self._quarantine = quarantine
        self._metrics = metrics
        self._name = client_id or f"collector-{secrets.token_hex(6)}"
        self._client = mqtt.Client(broker, client_id=self._name, clean=client_id is None)
        self._data_filter = f"$share/{SHARED_GROUP}/{topics.DATA_FILTER}" if shared else topics.DATA_FILTER
        self._writers = writers
        self._allowed = Allowed()
        self._pending: deque[_Pending] = deque()
        self._pending_bytes = 0
        self._writing = 0
        self._dropped = 0
        self._asked_again = 0
        self._waiting: set[tuple[str, bytes] | None] = set()
        self._work = asyncio.Event()
        self._heard_at = 0.0
        self._echo_mid: int | None = None
        self._data_mid: int | None = None
        self._registered = False
        self._listening = False
        self._store_lost = False
        self._told: list[PutAside] | None = None
        self._told_at = 0.0
        metrics.ready.set_function(lambda: not self.problems)

    @property
    def problems(self) -> list[str]:
        """What stands in the way of collecting, a sentence each; empty when it works."""
        found = []
        if not self._client.is_connected:
            found.append("broker: not connected")
        elif not self._listening:
            found.append("broker: not subscribed yet; the registry of at least one publisher must be there")
        if self._store_lost:
            found.append("store: takes nothing")
        return found

    async def run(self) -> None:
        """Collect until cancelled. What is in work is finished by then; the rest was never acknowledged."""
        async with self._client, asyncio.TaskGroup() as group:
            group.create_task(self._receive(), name="collector.receive")
            group.create_task(self._watch_hearing(), name="collector.hearing")
            group.create_task(self._retry_quarantine(), name="collector.quarantine")
            for number in range(self._writers):
                group.create_task(self._write(), name=f"collector.write.{number}")

    async def _receive(self) -> None:
        while True:
            for event in await self._client.events():
                if type(event) is mqtt.Message:
                    self._take(event)
                else:
                    self._change(event)
            if self._pending:
                self._work.set()
            self._metrics.pending.set(len(self._pending))
            await asyncio.sleep(GATHER_SECONDS)

    def _take(self, message: mqtt.Message) -> None:
        topic = message.topic
        if topic.startswith(topics.DATA):
            match = _AGENT_ROW.match(message.payload)
            row = (topic, match[0]) if match else None
            if row in self._waiting:  # a redelivery of what waits here already: its acknowledgement will be for both
                self._client.acknowledge(message)
                return
            if self._pending_bytes + len(message.payload) > PENDING_BYTES_MAX:
                self._dropped += 1
                return
            if row is not None:
                self._waiting.add(row)
            self._pending_bytes += len(message.payload)
            self._pending.append(_Pending(message, row))
            return
        self._client.acknowledge(message)
        if topic.startswith(topics.REGISTRY):
            self._register(topics.last_level(topic), message.payload)
        elif topic == topics.echo(self._name):
            self._heard_at = clock.monotonic_seconds()
            self._registered = True
            self._listen()

    def _change(self, event: mqtt.Event) -> None:
        match event:
            case mqtt.Connected():
                log.info("collector.connected")
                self._told = None
                self._heard_at = clock.monotonic_seconds()
                self._registered = self._listening = False
                self._data_mid = None
                self._waiting.clear()
                self._pending_bytes = 0
                self._pending.clear()  # the broker or the publisher sends again what this connection left open
                # Registries are retained: they come before the echo, and the echo before data is asked for.
                self._echo_mid = self._client.subscribe(topics.REGISTRY_FILTER, topics.echo(self._name))
            case mqtt.Subscribed(mid=mid, refused=refused):
                if refused:
                    log.error("collector.refused", remedy="grant the collector's login to read data, registry and echo")
                elif mid == self._echo_mid:
                    self._client.publish(topics.echo(self._name), b"1")
                elif mid == self._data_mid:
                    self._listening = True
                    log.info("collector.listening", publishers=len(self._allowed.publishers))
                    self._say_hello()
            case mqtt.Disconnected(reason=reason):
                if self._listening:
                    log.warning("collector.disconnected", reason=reason)
                self._listening = False
            case _:
                pass

    def _listen(self) -> None:
        """Ask for data once it is known who may publish what."""
        if self._knows_publishers and self._data_mid is None:
            self._data_mid = self._client.subscribe(self._data_filter)
            self._work.set()

    @property
    def _knows_publishers(self) -> bool:
        return self._registered and bool(self._allowed.publishers)

    def _say_hello(self) -> None:
        """Tell publishers that a collector begins: what they have sent to another one may be lost with it."""
        hello = messages.encode_stored("", [])
        for publisher in self._allowed.publishers:
            self._client.publish(topics.stored(publisher), hello)

    def _register(self, publisher: str, payload: bytes) -> None:
        try:
            registry = messages.decode_registry(payload) if payload else None
        except messages.WireError as error:
            log.error("collector.bad_registry", publisher=publisher, error=str(error))
            return
        unknown = self._allowed.replace(publisher, registry)
        if unknown:
            log.error("collector.unknown_signals", publisher=publisher, signals=unknown[:20])
        try:
            for reason in REGISTRY_REASONS:
                self._quarantine.mark(publisher=publisher, reason=reason)
        except QuarantineError as error:
            log.error("collector.quarantine_not_marked", publisher=publisher, error=str(error))
        self._listen()

    async def _watch_hearing(self) -> None:
        while True:
            await asyncio.sleep(ECHO_SECONDS)
            if not self._client.is_connected:
                continue
            silent_seconds = clock.monotonic_seconds() - self._heard_at
            if not self._registered and self._pending and silent_seconds > ECHO_SECONDS:
                # Some brokers answer no subscription before all that they kept for this session is acknowledged.
                self._registered = True
                self._work.set()
            if silent_seconds > DEAF_SECONDS:
                log.warning("collector.deaf", seconds=DEAF_SECONDS)
                self._metrics.deaf.inc()
                self._heard_at = clock.monotonic_seconds()
                self._client.reconnect()
            else:
                self._client.publish(topics.echo(self._name), b"1")

    async def _write(self) -> None:
        while True:
            batch = self._next_batch()
            if not batch:
                self._ask_again()
                self._work.clear()
                await self._work.wait()
                continue
            self._writing += 1
            committed = await self._commit([Raw(each.message.topic, each.message.payload) for each in batch])
            self._acknowledge(batch, committed.rows)
            self._count(committed)
            self._writing -= 1

    def _next_batch(self) -> list[_Pending]:
        """Take what comes next; nothing before it is known who may publish what."""
        batch: list[_Pending] = []
        size = 0
        while self._registered and self._pending and len(batch) < BATCH_MESSAGES_MAX and size < BATCH_BYTES_MAX:
            pending = self._pending.popleft()
            size += len(pending.message.payload)
            batch.append(pending)
        self._pending_bytes -= size
        return batch

    def _ask_again(self) -> None:
        """Connect anew after messages were dropped, now that there is room: what is unacknowledged comes again."""
        dropped = self._dropped + self._client.dropped_messages
        is_idle = not self._pending and not self._writing and self._registered
        if dropped > self._asked_again and is_idle:
            log.warning("collector.dropped", messages=dropped - self._asked_again)
            self._metrics.dropped.inc(dropped - self._asked_again)
            self._asked_again = dropped
            self._client.reconnect()

    async def _commit(self, batch: Sequence[Raw]) -> Committed:
        """Commit a batch, however long the store is away."""
        backoff = Backoff(RETRY_SECONDS_MIN, RETRY_SECONDS_MAX)
        while True:
            try:
                committed = await self._commit_once(batch)
            except (StoreUnavailableError, StoreRefusedError, QuarantineError) as error:
                if not self._store_lost:
                    log.error("collector.store_lost", error=str(error))
                self._store_lost = True
                self._metrics.store_failures.inc()
                await asyncio.sleep(backoff.next_seconds())
            else:
                if self._store_lost:
                    log.info("collector.store_back")
                self._store_lost = False
                return committed

    async def _commit_once(self, batch: Sequence[Raw]) -> Committed:
        """Commit in a thread, and do not leave before it has ended: store and quarantine are closed after that."""
        work = asyncio.create_task(
            asyncio.to_thread(commit, batch, self._allowed, self._store, self._quarantine, now=clock.now())
        )
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            await asyncio.gather(work, return_exceptions=True)
            raise

    def _acknowledge(self, batch: Sequence[_Pending], rows: Sequence[RowId]) -> None:
        for (publisher, epoch), numbers in acknowledgements(rows).items():
            self._client.publish(topics.stored(publisher), messages.encode_stored(epoch, numbers))
        self._waiting.difference_update(pending.row for pending in batch)
        self._client.acknowledge(*(pending.message for pending in batch))

    def _count(self, committed: Committed) -> None:
        self._metrics.samples.inc(committed.samples)
        for (reason, machine), amount in committed.counted.items():
            self._metrics.put_aside.labels(reason=reason, machine=machine).inc(amount)
        for (publisher, machine), amount in committed.foreign.items():
            self._metrics.foreign.labels(publisher=publisher).inc(amount)
            log.warning("collector.foreign_machine", publisher=publisher, machine=machine, messages=amount)
        if any(committed.put_aside):
            log.warning("collector.quarantined", reasons=[f"{m}:{r}={n}" for (r, m), n in committed.counted.items()])

    async def _retry_quarantine(self) -> None:
        while True:
            await asyncio.sleep(QUARANTINE_SECONDS)
            try:
                await self._retry_marked()
            except QuarantineError as error:
                log.error("collector.quarantine_not_tried", error=str(error))

    async def _retry_marked(self) -> None:
        """Try the entries that are marked for it.

        Raises:
            QuarantineError: what is still marked is tried again later; to store a sample again changes nothing.
        """
        entries, samples, _ = self._quarantine.counts()
        self._metrics.quarantine_entries.set(entries)
        self._metrics.quarantine_samples.set(samples)
        for entry in self._quarantine.marked():
            committed = await self._commit([Raw(entry.topic, entry.raw)])
            self._metrics.samples.inc(committed.samples)
            self._quarantine.settle(entry, stored=not committed.put_aside[0])
        self._tell_quarantine()

    def _tell_quarantine(self) -> None:
        """Tell what is put aside to whoever lists what somebody has to see to."""
        seconds = clock.monotonic_seconds()
        held = self._quarantine.held(now=clock.now())
        if not self._client.is_connected or (held.held == self._told and seconds - self._told_at < TELL_SECONDS):
            return
        self._client.publish(topics.quarantine(self._quarantine.id), messages.encode_quarantine(held), retain=True)
        self._told, self._told_at = held.held, seconds
