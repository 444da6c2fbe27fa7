"""Watches the machines of one OPC UA server: subscribes, hands on what changes, proves that nothing was missed."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import structlog

from edge_agent import history
from edge_agent.arrangement import Arrangement, until_one_ends
from edge_agent.certificate import CertificateUnusableError, own_certificates
from edge_agent.chronicle import UNREACHABLE_EVERY, Chronicle
from edge_agent.clock import MEASURE_EVERY
from edge_agent.follow import FOLLOW_SECONDS, follow_jobs
from edge_agent.inventory import Inventory
from edge_agent.items import ItemBook
from edge_agent.listen import REFRESH_SECONDS, Listener, learn_types
from edge_agent.nodemap import BAD_NO_DATA, Refused, Wanted
from edge_agent.opcua_client import NoAnswerError, RefusedError, status_name
from edge_agent.opcua_connect import is_trusted, open_session
from edge_agent.opcua_renewal import offer_successor
from edge_agent.resolve import FoundMachine, Walker
from edge_agent.watched import Item, MachineHealth, WatchedMachine
from shopfloor.periods import SECOND, Period
from shopfloor.runtime.backoff import Backoff
from shopfloor.samples import OVERFLOW_BIT, Reading
from shopfloor.states import Hole

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edge_agent.config import MachineConfig, ServerConfig
    from edge_agent.events import EventTypes
    from edge_agent.notifications import Change, EventFields, Published, Scalar
    from edge_agent.opcua_client import Session
    from edge_agent.ports import Recorder
    from shopfloor.samples import Value

log = structlog.get_logger(__name__)

RETRY_SECONDS_MIN, RETRY_SECONDS_MAX = 1.0, 10.0
"""Bounds of the wait between two attempts to reach a server; short enough that its silence is proven every 20 s."""
RECONCILE_SECONDS = 30.0
"""How often the items that should be watched are compared with those that are."""
LISTS_SECONDS = 10.0
"""How often the tools, lifetimes and prognoses of a machine are read."""
STEADY_SECONDS = 30.0
"""How long a session must last for the next wait to be short again."""
SILENCE_MARGIN_SECONDS = 3.0
_PUBLISHERS_MAX = 10
_COMPARISONS_FIRST = 5
_FLAGS = 0x0000_FFFF
"""The part of a StatusCode that holds flags such as Overflow, not the quality (OPC 10000-4, 7.38.1)."""
_GONE = {0x8033_0000, 0x8034_0000}  # BadNodeIdInvalid, BadNodeIdUnknown
_NO_NODE = 0x8034_0000  # BadNodeIdUnknown


async def watch(
    server: ServerConfig,
    recorder: Recorder,
    *,
    clock: Callable[[], int],
    health: Callable[[MachineHealth], None],
) -> None:
    """Watch the machines of one server for ever.

    Args:
        server: which one, and its machines.
        recorder: is given all that happens, synchronously.
        clock: the agent's own clock, nanoseconds UTC.
        health: is told of each machine's health when it changes, and regularly.

    Raises:
        CertificateUnusableError: when the agent's own certificate cannot be used.
    """
    await ServerWatch(server, recorder, clock=clock, health=health).run()


class ServerWatch:
    """Watches one server. See `watch` for the arguments, and `Arrangement` for `is_change`."""

    def __init__(
        self,
        server: ServerConfig,
        recorder: Recorder,
        *,
        clock: Callable[[], int],
        health: Callable[[MachineHealth], None],
        is_change: bool = False,
    ) -> None:
        self._server = server
        self._recorder = recorder
        self._clock = clock
        self._chronicle = Chronicle(recorder, clock, health)
        self._certificate: bytes | None = None
        self._arrangement = Arrangement(
            server, make=self._make, begin=self._begin, end=self._forget, is_change=is_change,
            works=lambda session, machine: [
                follow_jobs(session, machine, self._items, self._end_job), self._follow_lists(session, machine)
            ],
        )  # fmt: skip
        self._by_subscription: dict[int, WatchedMachine] = {}
        self._items = ItemBook()
        self._looks_changed = asyncio.Event()
        self._types: EventTypes | None = None
        self._acknowledgements: list[tuple[int, int]] = []
        self._unreachable_since: int | None = None
        self._unreachable_told = 0
        self._complaint = ""

    @property
    def _machines(self) -> list[WatchedMachine]:
        return self._arrangement.machines

    def _make(self, machine: MachineConfig, is_change: bool) -> WatchedMachine:  # noqa: FBT001 - one of two callers
        watched = WatchedMachine(machine, self._server.endpoint, self._recorder.last_proof(machine.id))
        if is_change:
            watched.observation.lost("configuration")
        return watched

    def change(self, server: ServerConfig) -> None:
        """Watch other machines of the same server; those that stay as they are, are not touched.

        Args:
            server: the same one, with the machines that are to be watched.
        """
        self._server = server
        for machine in self._machines:
            if machine.config not in server.machines:
                machine.health.connected = False  # whoever awaits the new one must not see the old
        self._arrangement.change(server)

    async def is_trusted(self) -> bool:
        """Tell whether the server that is being watched would be let in again."""
        return self._certificate is None or await is_trusted(self._server, self._certificate)

    async def run(self) -> None:
        """Connect, watch, and begin again when that ends, for ever."""
        if self._server.policy == "none":
            log.warning(
                "source.insecure", endpoint=self._server.endpoint, machines=[each.id for each in self._machines]
            )
        else:
            own_certificates(self._server.own_certificates, self._server.publisher, self._clock())
        backoff = Backoff(RETRY_SECONDS_MIN, RETRY_SECONDS_MAX)
        while True:
            attempted = self._clock()
            self._arrangement.adopt()
            try:
                session = await open_session(self._server, attempted)
            except NoAnswerError as error:
                self._no_answer(attempted, error)
            except (RefusedError, CertificateUnusableError) as error:
                self._unreachable_since = None
                self._lost("refused", str(error))
            else:
                self._unreachable_since = None
                loop = asyncio.get_running_loop()
                begun = loop.time()
                try:
                    await self._serve(session)
                finally:
                    await session.close()
                if loop.time() - begun > STEADY_SECONDS:
                    backoff.reset()
            await asyncio.sleep(backoff.next_seconds())

    async def _serve(self, session: Session) -> None:
        """Watch over one session until it breaks, and prove what was observed over it."""
        reason = ""
        try:
            reason = await self._until_broken(session)
        finally:
            if reason:
                self._lost("session", reason)
            else:
                self._end("session", "stopped")

    async def _until_broken(self, session: Session) -> str:
        """Watch over one session and return what broke it."""
        reason = "the session ended"
        try:
            await self._watch_session(session)
        except* (NoAnswerError, RefusedError) as group:
            reason = str(group.exceptions[0])
        return reason

    def _no_answer(self, attempted: int, error: NoAnswerError) -> None:
        now = self._clock()
        self._lost("network" if error.own_side else "unreachable", str(error))
        if error.own_side:
            self._unreachable_since = None
        elif self._unreachable_since is None:
            self._unreachable_since = self._unreachable_told = attempted
        elif now - self._unreachable_told >= UNREACHABLE_EVERY:
            self._unreachable_told = now
            for machine in self._machines:
                shift = self._chronicle.shift(machine)
                self._recorder.unreachable(machine.id, self._unreachable_since + shift, now + shift)

    def _lost(self, cause: str, reason: str) -> None:
        """Take in that nothing is being observed, and say so once."""
        self._end(cause, reason)
        if reason != self._complaint:
            log.warning("source.lost", endpoint=self._server.endpoint, cause=cause, reason=reason)
        self._complaint = reason

    def _end(self, cause: str, reason: str) -> None:
        """Forget the session, with a last proof of what was observed over it."""
        self._by_subscription.clear()
        self._items.clear()
        self._arrangement.ended.clear()
        self._acknowledgements.clear()
        self._certificate = None
        for machine in self._machines:
            self._chronicle.keep(machine, machine.observation.lost(cause))
            history.settle(machine, self._recorder)
            machine.forget_session()
            machine.health.reason = reason
            self._chronicle.tell(machine)

    def _forget(self, machine: WatchedMachine) -> None:
        """Take in that one machine is no longer watched, though the session goes on."""
        self._by_subscription = {key: each for key, each in self._by_subscription.items() if each is not machine}
        self._items.forget(machine)
        self._chronicle.keep(machine, machine.observation.lost("configuration"))
        history.settle(machine, self._recorder)
        machine.forget_session()
        machine.health.reason = "its configuration was changed"
        self._chronicle.tell(machine)

    async def _watch_session(self, session: Session) -> None:
        table = await session.namespaces()
        await self._chronicle.compare(session, _COMPARISONS_FIRST)
        self._chronicle.judge_clocks(self._machines, stepped=False)
        walker = Walker(session, table)
        self._types = await learn_types(walker)
        self._certificate = session.peer.certificate if session.peer else None
        self._arrangement.adopt()
        for machine in self._machines:
            await self._arrangement.try_begin(session, walker, machine)
        for machine in self._machines:
            machine.heard_at = asyncio.get_running_loop().time()
        publishers = min(_PUBLISHERS_MAX, 1 + len(self._machines))
        works = [
            *(self._publish(session) for _ in range(publishers)),
            self._measure(session),
            self._reconcile(session),
            self._guard(),
            self._arrangement.run(session),
            offer_successor(self._server, session.peer, self._clock, self._successor),
            history.fill(session, self._recorder, lambda: self._machines),
        ]
        await until_one_ends([asyncio.create_task(work) for work in works])
        raise NoAnswerError("the session ended")

    def _successor(self, is_trusted: bool | None) -> None:  # noqa: FBT001 - the answer
        for machine in self._machines:
            machine.health.successor_trusted = is_trusted
            self._chronicle.tell(machine)

    # Beginning to watch

    async def _begin(self, session: Session, walker: Walker, machine: WatchedMachine) -> None:
        """Find a machine and subscribe to its signals; when it is not there, say why and let the others be."""
        try:
            found = await walker.machine(machine.config, machine.root)
        except RefusedError as error:
            if machine.health.reason != str(error):
                log.warning("source.machine_missing", machine=machine.id, reason=str(error))
            machine.health.reason = str(error)
            self._chronicle.tell(machine)
            return
        if machine.told_offset is None:
            self._chronicle.judge_clocks(self._machines, stepped=False)
        self._identified(machine, found)
        machine.before = self._recorder.lasts(machine.id)
        machine.subscription = await session.subscribe(machine.config.publishing_milliseconds)
        machine.heard_at = asyncio.get_running_loop().time()
        machine.sequence = None
        self._by_subscription[machine.subscription.id] = machine
        await self._want(walker, machine, machine.wishes)
        await self._listen(walker, machine)
        deciding = machine.deciding()
        self._chronicle.keep(
            machine, machine.observation.subscribed(deciding, self._clock() + self._chronicle.shift(machine))
        )
        self._heed_alarms(machine, self._clock())  # perhaps all were told before the call was answered
        machine.health.connected = True
        machine.health.reason = "" if deciding else "none of the signals that tell its state is there"
        await self._items.create(session, machine, list(machine.items.values()))
        if self._complaint:
            log.info("source.recovered", endpoint=self._server.endpoint, machine=machine.id)
            self._complaint = ""
        self._chronicle.tell(machine)

    def _identified(self, machine: WatchedMachine, found: FoundMachine) -> None:
        machine.node = found.node
        machine.health.identification = dict(found.identification)

    async def _want(self, walker: Walker, machine: WatchedMachine, wishes: Sequence[Wanted]) -> None:
        """Resolve signals to items that are not created yet."""
        if machine.node is None:
            return
        resolution = await walker.resolve(machine.node, wishes)
        for wish in wishes:
            machine.health.refused.pop(wish.signal.name, None)
        machine.health.refused.update(resolution.refused)
        for found in resolution.found:
            self._items.add(walker, machine, found)

    async def _listen(self, walker: Walker, machine: WatchedMachine) -> None:
        """Subscribe to what the machine says beside its signals."""
        types = self._types or await learn_types(walker)
        machine.alarms.begin()
        machine.listener = Listener(machine, self._items.handle, partial(self._model_changed, machine))
        await machine.listener.begin(walker, types)

    def _model_changed(self, machine: WatchedMachine) -> None:
        """Look again at once: the server says that its nodes changed."""
        self._looks_changed.set()
        machine.lists_changed.set()

    # Handing on what changes

    async def _publish(self, session: Session) -> None:
        """Keep one publish request with the server, and acknowledge only what is kept."""
        while True:
            acknowledgements, self._acknowledgements = self._acknowledgements, []
            ended = self._arrangement.ended  # some servers refuse a request that names one
            published = await session.publish([each for each in acknowledgements if each[0] not in ended])
            self._take(published)

    def _take(self, published: Published) -> None:
        """Hand on one publish response. Everything in it is durable when this returns."""
        is_known = published.subscription in self._by_subscription
        is_new = not (is_known or published.fault or published.carries)  # alive before its creation was answered
        if is_new or published.subscription in self._arrangement.ended:
            return
        if published.fault or not is_known:
            raise RefusedError(f"the server ended publishing: {status_name(published.fault or 0x8028_0000)}")
        if published.status is not None:
            raise RefusedError(f"the server ended the subscription: {status_name(published.status)}")
        machine = self._by_subscription[published.subscription]
        received = self._clock()
        machine.heard_at = asyncio.get_running_loop().time()
        if published.carries:
            self._check_sequence(machine, published.sequence)
            self._take_changes(machine, published, received)
            self._acknowledgements.append((published.subscription, published.sequence))
        self._chronicle.keep(machine, machine.observation.alive(received + self._chronicle.shift(machine)))

    def _check_sequence(self, machine: WatchedMachine, sequence: int) -> None:
        """Refuse to go on when a notification is missing: a new session reads everything again."""
        expected = machine.sequence
        machine.sequence = sequence
        if expected is not None and sequence not in (expected + 1, 1):
            raise RefusedError(f"notification {expected + 1} is missing, {sequence} came")

    def _take_changes(self, machine: WatchedMachine, published: Published, received: int) -> None:
        trusted, items = machine.trust.trusted, self._items.by_handle
        readings: list[Reading] = []
        joined: list[Reading] = []
        others: list[Change] = []
        telling: list[tuple[Item, Reading, int]] = []
        holes: list[Hole] = []
        for change in published.changes:
            handle, raw, code, source, server = change
            item = items.get(handle)
            if item is None:
                others.append(change)
                continue
            status = 0
            if code or item.not_before is not None:
                status, source = self._unusual(item, code, source, received, holes)
            value: Value | None = None
            if item.convert.is_plain and type(raw) is float and raw - raw == 0.0 and not status:
                value = raw
            elif not status >> 31:
                value, status = self._convert(item, raw, status)
            reading = Reading(item.signal, value, status, source, server, received)
            (joined if item.joined else readings).append(reading)
            stamp = source if trusted and source is not None else received
            if item.last is None:
                item.first = stamp
            item.last = stamp
            if item.tells:
                telling.append((item, reading, stamp))
        for hole in holes:
            self._chronicle.hole(machine, hole)
        readings += self._beside(machine, joined, others, published.events, received)
        self._recorder.readings(machine.id, readings, trusted=trusted)
        self._heed(machine, telling, received)
        if published.events:
            self._heed_alarms(machine, received)

    def _beside(
        self,
        machine: WatchedMachine,
        joined: list[Reading],
        others: list[Change],
        events: list[EventFields],
        received: int,
    ) -> list[Reading]:
        """Join what tells of jobs, and read job orders and events."""
        readings = machine.jobs.plain(joined) if joined else []
        if machine.listener is not None and (others or events):
            now = received + self._chronicle.shift(machine)
            for change in others:
                readings += machine.listener.changed(change, received)
            for event in events:
                readings += machine.listener.heard(event, received, now)
        return readings

    def _heed(self, machine: WatchedMachine, telling: list[tuple[Item, Reading, int]], received: int) -> None:
        """Draw the consequences of values that tell the machine's state or its job."""
        now, latest = received + self._chronicle.shift(machine), received + self._chronicle.shift_max(machine)
        for item, reading, stamp in telling:
            if item.decides:
                good = not reading.status >> 30
                machine.qualify(item.signal, reading.status, max(stamp, now))
                self._chronicle.keep(
                    machine, machine.observation.said(item.signal, good=good, stamp=stamp, now=now, latest=latest)
                )
            if item.signs_job:
                machine.sign_job(item.signal, reading.value, stamp)

    def _unusual(
        self, item: Item, status: int, source: int | None, received: int, holes: list[Hole]
    ) -> tuple[int, int | None]:
        """Read a status that is not plainly Good, and keep values of a job from reaching back before it was in hand."""
        machine = item.machine
        if item.not_before is not None:
            source = max(source or 0, item.not_before)
        if status & OVERFLOW_BIT == OVERFLOW_BIT:
            machine.health.overflows += 1
            stamp = source if machine.trust.trusted and source is not None else received
            if item.last is not None and item.last < stamp:
                holes.append(Hole(machine.id, Period(item.last, stamp), (item.signal,), "overflow"))
        status &= ~_FLAGS
        if status in _GONE:
            item.gone = True
        return status, source

    def _convert(self, item: Item, raw: Scalar, status: int) -> tuple[Value | None, int]:
        """Turn a node's value into the signal's, or into the quality that stands in its place."""
        value = item.convert(raw)
        if not isinstance(value, Refused):
            return value, status
        refused, health = value, item.machine.health
        health.wrong_values += 1
        if health.refused.get(item.signal) != refused.reason:
            health.refused[item.signal] = refused.reason
            log.warning("source.value_refused", machine=health.machine, signal=item.signal, reason=refused.reason)
        return None, refused.status

    # Keeping it whole

    async def _measure(self, session: Session) -> None:
        """Compare the clocks again and again."""
        while True:
            await self._chronicle.measure(session, lambda: self._machines)
            await asyncio.sleep(MEASURE_EVERY / SECOND)

    async def _guard(self) -> None:
        """Break the session when a subscription is silent for longer than it promised."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(0.5)
            for machine in self._machines:
                if machine.subscription is None:
                    continue
                self._chronicle.prove_silence(machine)
                silent = loop.time() - machine.heard_at
                limit = 2 * machine.subscription.keep_alive_seconds + SILENCE_MARGIN_SECONDS
                if silent > limit:
                    raise NoAnswerError("the subscription has gone silent")

    async def _reconcile(self, session: Session) -> None:
        """Compare, again and again, what should be watched with what is."""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._looks_changed.wait(), RECONCILE_SECONDS)
                await asyncio.sleep(FOLLOW_SECONDS)  # nodes come and go together
            self._looks_changed.clear()
            async with self._arrangement.lock:
                walker = Walker(session, await session.namespaces())
                for machine in self._machines:
                    if machine.subscription is None:
                        await self._arrangement.try_begin(session, walker, machine)
                    else:
                        await self._repair(session, walker, machine)
                        machine.job_changed.set()
                        machine.lists_changed.set()
                    self._chronicle.tell(machine)

    async def _repair(self, session: Session, walker: Walker, machine: WatchedMachine) -> None:
        """Look again for every node: what was not there, was refused, has gone or is another one now."""
        if machine.node is None or machine.subscription is None:
            return
        wishes = machine.own_wishes()
        resolution = await walker.resolve(machine.node, wishes)
        nodes = {found.wish.signal.name: found.node for found in resolution.found}
        old = [item for item in machine.items.values()
               if item.not_before is None and (item.gone or nodes.get(item.signal) != item.found.node)]  # fmt: skip
        await self._items.drop(session, machine, old)
        for item in old:
            if item.signal not in nodes:
                self._vanished(machine, item)
        missing = {wish.signal.name for wish in wishes if wish.signal.name not in machine.items}
        for signal in missing:
            machine.health.refused.pop(signal, None)
        machine.health.refused.update((name, why) for name, why in resolution.refused.items() if name in missing)
        new = [self._items.add(walker, machine, each) for each in resolution.found if each.wish.signal.name in missing]
        for item in new:
            if item.decides:
                self._chronicle.keep(machine, machine.observation.expects(item.signal))
        await self._items.create(session, machine, new)

    def _vanished(self, machine: WatchedMachine, item: Item) -> None:
        """Record that a node is there no more, so that its last value is not taken to hold."""
        received = self._clock()
        now = received + self._chronicle.shift(machine)
        if item.last is not None:
            gone = [Reading(item.signal, None, _NO_NODE, now, None, received)]
            self._recorder.readings(machine.id, machine.jobs.plain(gone) if item.joined else gone,
                                    trusted=machine.trust.trusted)  # fmt: skip
        if item.decides and not item.found.wish.mapped:
            self._chronicle.keep(
                machine, machine.observation.forget(item.signal, received + self._chronicle.shift_max(machine))
            )

    def _end_job(self, machine: WatchedMachine, wishes: Sequence[Wanted], stamp: int) -> None:
        """Record that the job in hand, if any, has no such order, customer or count."""
        received = self._clock()
        readings = [
            Reading(wish.signal.name, "", 0, stamp, None, received) if wish.signal.type == "String"
            else Reading(wish.signal.name, None, BAD_NO_DATA, stamp, None, received)
            for wish in wishes
        ]  # fmt: skip
        self._chronicle.record(machine, machine.jobs.plain(readings))

    # Lists and conditions

    async def _follow_lists(self, session: Session, machine: WatchedMachine) -> None:
        """Read the tools, lifetimes and prognoses of a machine again and again, and see that conditions were told."""
        loop = asyncio.get_running_loop()
        began, inventory, look_again = loop.time(), None, True
        while True:
            listener = machine.listener
            if machine.node is not None and listener is not None:
                if listener.refresh_wanted:
                    self._chronicle.keep(machine, machine.observation.expects("alarm_blocking"))
                    await listener.refresh(session)
                    began = loop.time()
                self._complete(machine, loop.time() - began)
                inventory = inventory or Inventory(machine.node, machine.lists)
                if look_again:
                    await inventory.find(Walker(session, await session.namespaces()))
                told, look_again = await inventory.read(session, self._clock() + self._chronicle.shift(machine))
                self._chronicle.record(machine, listener.told(told, self._clock()))
            with suppress(TimeoutError):
                await asyncio.wait_for(machine.lists_changed.wait(), LISTS_SECONDS)
                look_again = True
                await asyncio.sleep(FOLLOW_SECONDS)
            machine.lists_changed.clear()

    def _complete(self, machine: WatchedMachine, waited_seconds: float) -> None:
        """Take the conditions that were told for all, when the server does not repeat them or never ends doing so."""
        listener = machine.listener
        if listener is None or machine.alarms.is_complete:
            return
        if not listener.hears_conditions or waited_seconds > REFRESH_SECONDS:
            received = self._clock()
            readings = listener.complete(received + self._chronicle.shift(machine), received)
            if listener.heard_events:
                self._chronicle.record(machine, readings)
            self._heed_alarms(machine, received)

    def _heed_alarms(self, machine: WatchedMachine, received: int) -> None:
        """Let the observation begin once it is told which alarms are active."""
        if "alarm_blocking" not in machine.mapped and machine.alarms.is_complete:
            now, latest = received + self._chronicle.shift(machine), received + self._chronicle.shift_max(machine)
            self._chronicle.keep(
                machine, machine.observation.said("alarm_blocking", good=True, stamp=now, now=now, latest=latest)
            )
