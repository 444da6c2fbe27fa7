"""From the spool to the broker: connects, sends what the window allows, deletes what collectors have stored."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import structlog

from edge_agent.expiry import WARN_DAYS, days_left
from edge_agent.window import Kill, Send, Window
from shopfloor import mqtt, signals
from shopfloor.periods import SECOND
from shopfloor.wire import messages, topics

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from edge_agent.spool import Spool
    from shopfloor.signals import SignalClass

STATUS_SECONDS = 30
"""How often the status is reported; the next report is announced for twice as long."""
CERTIFICATE_SECONDS = 3600.0
"""How often the broker is asked for a new certificate while the one that the connection was made with ends soon."""
IDLE_SECONDS_MAX = 1.0
GOODBYE_SECONDS = 2.0
"""How long a stopping agent waits for the broker to take in that it stops."""
SPOOLED_SECONDS = 0.02
"""Rows that are spooled within this time are sent together."""

log = structlog.get_logger(__name__)


class Uplink:
    """The sending half of an agent.

    Args:
        broker: where to.
        publisher: the agent's PublisherId.
        spool: what to send.
        machines: the signals of each machine.
        clock: reads the present.
        health: returns the health message.
        writer_ids: the DataSetWriterId of each machine; None numbers them in order.
        asked: is given each request as it came.
    """

    def __init__(
        self,
        broker: mqtt.Broker,
        *,
        publisher: str,
        spool: Spool,
        machines: Callable[[], Mapping[str, Sequence[str]]],
        clock: Callable[[], int],
        health: Callable[[], bytes],
        writer_ids: Mapping[str, int] | None = None,
        asked: Callable[[bytes], None] | None = None,
    ) -> None:
        self._publisher = publisher
        self._spool = spool
        self._machines = machines
        self._clock = clock
        self._health = health
        self._writer_ids = writer_ids
        self._asked = asked
        self._window = Window(spool.epoch)
        self._rows_of_mid: dict[int, int] = {}
        self._work = asyncio.Event()
        self._stored_mid: int | None = None
        self._status_mid: int | None = None
        self._announced: Mapping[str, Sequence[str]] = {}
        self._last_said = ""
        self._other_epoch = ""
        self._client = mqtt.Client(
            broker,
            client_id=publisher,
            will=mqtt.Will(
                topics.status(publisher),
                messages.encode_status(publisher, messages.STATUS_ERROR),
            ),
        )

    @property
    def in_flight(self) -> frozenset[int]:
        """Rows on their way."""
        return self._window.in_flight

    @property
    def is_connected(self) -> bool:
        """Whether the broker has let the agent in."""
        return self._client.is_connected

    @property
    def secured_until(self) -> int | None:
        """When the first certificate ends that the connection to the broker rests on; None while unknown."""
        return self._client.secured_until

    def spooled(self) -> None:
        """Say that there are new rows."""
        self._work.set()

    def reply(self, payload: bytes) -> bool:
        """Answer a request. Returns whether there was a connection; without one whoever asked asks again."""
        return self._client.publish(topics.reply(self._publisher), payload) is not None

    async def run(self) -> None:
        """Send until cancelled; then say goodbye."""
        async with self._client as client:
            listening = asyncio.create_task(self._listen(), name="uplink.listen")
            reporting = asyncio.create_task(self._report(), name="uplink.report")
            looking = asyncio.create_task(self._watch_certificate(), name="uplink.certificate")
            try:
                await asyncio.gather(listening, reporting, looking, self._send_on())
            finally:
                for task in (listening, reporting, looking):
                    task.cancel()
                await self._say_goodbye(client)

    async def look_at_certificate(self) -> None:
        """Look whether the broker has a new certificate, if the one that the connection rests on ends soon."""
        until = self.secured_until
        if until is not None and days_left(until, self._clock()) <= WARN_DAYS[0]:
            await self._client.look_at_certificate()

    async def _watch_certificate(self) -> None:
        while True:
            await asyncio.sleep(CERTIFICATE_SECONDS)
            await self.look_at_certificate()

    async def _say_goodbye(self, client: mqtt.Client) -> None:
        """Say that this agent is stopped by intent, and wait until the broker has taken that in.

        A broker that reads a DISCONNECT may drop what it had not worked on yet; amqtt does.
        """
        goodbye = messages.encode_status(self._publisher, messages.STATUS_DISABLED)
        mid = client.publish(topics.status(self._publisher), goodbye, retain=True)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE_SECONDS):
                while mid is not None and mqtt.Published(mid) not in (events := await client.events()):
                    if any(type(event) is mqtt.Disconnected for event in events):
                        return

    async def _listen(self) -> None:
        while True:
            for event in await self._client.events():
                if type(event) is mqtt.Published:
                    self._taken(event.mid)
                else:
                    self._heard(event)
            self._work.set()

    def _taken(self, mid: int) -> None:
        n = self._rows_of_mid.pop(mid, None)
        if n is not None:
            self._window.accepted(n)
        elif mid == self._status_mid:
            self._window.connected(self._spool.newest)

    def _heard(self, event: mqtt.Event) -> None:
        match event:
            case mqtt.Connected():
                self._said("connected")
                self._stored_mid = self._client.subscribe(topics.stored(self._publisher))
                if self._asked is not None:
                    self._client.subscribe(topics.request(self._publisher))
            case mqtt.Subscribed(mid=mid, refused=refused) if mid == self._stored_mid:
                if refused:
                    log.error(
                        "uplink.refused", topic=topics.stored(self._publisher), remedy="grant the agent to read it"
                    )
                    self._client.reconnect()
                else:
                    self._announce()
            case mqtt.Subscribed(refused=True):
                log.warning(
                    "uplink.refused", topic=topics.request(self._publisher), remedy="grant the agent to read it"
                )
            case mqtt.Disconnected(reason=reason):
                self._said("disconnected", reason=reason)
                self._rows_of_mid.clear()
                self._announced = {}
                for kill in self._window.disconnected():
                    self._kill(kill)
            case mqtt.Message():
                self._client.acknowledge(event)
                self._take(event)
            case _:
                pass

    def _take(self, message: mqtt.Message) -> None:
        if message.topic == topics.stored(self._publisher):
            self._stored(message.payload)
        elif self._asked is not None and not message.retain:  # a retained one would come again at each connection
            self._asked(message.payload)

    def _said(self, what: str, **detail: object) -> None:
        """Log a change once, not every attempt."""
        if self._last_said != what:
            self._last_said = what
            log.info("uplink.connection", state=what, **detail)

    def _stored(self, payload: bytes) -> None:
        try:
            stored = messages.decode_stored(payload)
        except messages.WireError as error:
            log.warning("uplink.bad_acknowledgement", error=str(error))
            return
        if stored.stored and stored.epoch not in {self._spool.epoch, self._other_epoch}:
            self._other_epoch = stored.epoch  # told once of each, not for each of its rows
            log.warning("uplink.another_spool", epoch=stored.epoch, own=self._spool.epoch,
                        remedy="if it goes on, another agent has this name: stop it, or enrol it anew")  # fmt: skip
        rows = self._window.stored(stored.epoch, stored.stored, self._clock())
        if rows:
            self._spool.delete(rows)

    def _announce(self) -> None:
        """Publish what is retained, the status last: its PUBACK proves that the connection carries messages."""
        now = self._clock()
        machines = self._machines()
        groups: dict[str, list[tuple[int, str]]] = {"record": [], "gauge": []}
        for order, (machine, names) in enumerate(machines.items(), start=1):
            number = order if self._writer_ids is None else self._writer_ids[machine]
            by_class: dict[SignalClass, list[str]] = {}
            for name in names:
                by_class.setdefault(signals.find(name).signal_class, []).append(name)
            for signal_class, members in by_class.items():
                groups[signal_class].append((number, machine))
                version = now // SECOND
                data = messages.encode_metadata(
                    self._publisher, signal_class, machine, number, members, version=version, now=now
                )
                self._client.publish(topics.metadata(self._publisher, signal_class, machine), data, retain=True)
        connection = messages.encode_connection(self._publisher, groups)
        self._client.publish(topics.connection(self._publisher), connection, retain=True)
        for machine in self._announced.keys() - machines.keys():
            for group in groups:  # what is retained of a machine that is gone would show it for ever
                self._client.publish(topics.metadata(self._publisher, group, machine), b"", retain=True)
        self._announced = machines
        self._status_mid = self._publish_status()
        self._client.publish(topics.health(self._publisher), self._health(), retain=True)

    def _publish_status(self) -> int | None:
        status = messages.encode_status(
            self._publisher,
            messages.STATUS_OPERATIONAL,
            now=self._clock(),
            next_report_seconds=2 * STATUS_SECONDS,
        )
        return self._client.publish(topics.status(self._publisher), status, retain=True)

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(STATUS_SECONDS / 3)
            if not self._announced:
                continue
            if self._announced != self._machines():
                self._announce()
            else:
                self._publish_status()
            self._client.publish(topics.health(self._publisher), self._health(), retain=True)

    async def _send_on(self) -> None:
        while True:
            self._work.clear()
            self._step()
            due = self._window.next_due()
            seconds = IDLE_SECONDS_MAX
            if due is not None:
                seconds = min(max((due - self._clock()) / SECOND, SPOOLED_SECONDS), IDLE_SECONDS_MAX)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._work.wait(), seconds)
            await asyncio.sleep(SPOOLED_SECONDS)

    def _step(self) -> None:
        now = self._clock()
        again = False
        for action in self._window.step(self._spool, now):
            if isinstance(action, Kill):
                self._kill(action)
            else:
                again = self._send(action) or again
        if again and self._client.is_connected:
            # Acknowledgements are overdue: perhaps the broker has lost the subscription that brings them.
            self._client.subscribe(topics.stored(self._publisher))

    def _send(self, action: Send) -> bool:
        """Publish one row. Returns whether it had been sent before."""
        found = self._spool.message(action.n, self._publisher)
        if found is None:
            self._window.forget([action.n])
            return False
        machine, signal_class, payload = found
        mid = self._client.publish(topics.data(self._publisher, signal_class, machine), payload)
        if mid is not None:
            self._rows_of_mid[mid] = action.n
        return action.again

    def _kill(self, kill: Kill) -> None:
        log.error("uplink.dead_row", n=kill.n, reason=kill.reason)
        self._spool.kill(kill.n, kill.reason)
