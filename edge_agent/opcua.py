"""Watches the machines of one OPC UA server: subscribes, hands on what changes, proves that nothing was missed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from edge_agent import history
from edge_agent.certificate import OwnCertificate, own_certificate
from edge_agent.clock import MEASURE_EVERY, OffsetEstimate
from edge_agent.nodemap import BAD_NO_DATA, Converter, Refused, Wanted
from edge_agent.observation import Missed, Proof
from edge_agent.opcua_client import ItemRequest, NoAnswerError, RefusedError, status_name
from edge_agent.opcua_connect import connect
from edge_agent.resolve import FoundMachine, FoundSignal, Walker
from edge_agent.watched import Item, MachineHealth, WatchedMachine
from shopfloor.periods import SECOND, Period
from shopfloor.runtime.backoff import Backoff
from shopfloor.samples import OVERFLOW_BIT, Reading
from shopfloor.states import Hole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from edge_agent.config import ServerConfig
    from edge_agent.notifications import NodeIdentity, Published, Scalar
    from edge_agent.observation import Event
    from edge_agent.opcua_client import ItemResult, Session
    from edge_agent.ports import Recorder
    from shopfloor.samples import Value

log = structlog.get_logger(__name__)

RETRY_SECONDS_MIN, RETRY_SECONDS_MAX = 1.0, 10.0
"""Bounds of the wait between two attempts to reach a server; short enough that its silence is proven every 20 s."""
RECONCILE_SECONDS = 30.0
"""How often the items that should be watched are compared with those that are."""
FOLLOW_SECONDS = 0.2
"""How long the values that belong to a change of job are gathered before its node is looked for."""
STEADY_SECONDS = 30.0
"""How long a session must last for the next wait to be short again."""
SILENCE_MARGIN_SECONDS = 3.0
_UNREACHABLE_EVERY = 10 * SECOND
_PUBLISHERS_MAX = 10
_COMPARISONS_FIRST, _COMPARISONS_EACH = 5, 3
_CLOCK_CHANGE_SECONDS = 1.0
_FLAGS = 0x0000_FFFF
"""The part of a StatusCode that holds flags such as Overflow, not the quality (OPC 10000-4, 7.38.1)."""
_GONE = {0x8033_0000, 0x8034_0000}  # BadNodeIdInvalid, BadNodeIdUnknown
_FILTER_REFUSED = {0x8043_0000, 0x8044_0000, 0x8045_0000, 0x808E_0000}
"""BadMonitoredItemFilterInvalid, BadMonitoredItemFilterUnsupported, BadFilterNotAllowed, BadDeadbandFilterInvalid."""


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
    own = own_certificate(server.own_certificates, server.publisher, clock()) if server.policy != "none" else None
    if own is None:
        log.warning("source.insecure", endpoint=server.endpoint, machines=[each.id for each in server.machines])
    await ServerWatch(server, recorder, own, clock=clock, health=health).run()


class ServerWatch:
    """Watches one server. See `watch` for the arguments."""

    def __init__(
        self,
        server: ServerConfig,
        recorder: Recorder,
        own: OwnCertificate | None,
        *,
        clock: Callable[[], int],
        health: Callable[[MachineHealth], None],
    ) -> None:
        self._server = server
        self._recorder = recorder
        self._own = own
        self._clock = clock
        self._report = health
        self._machines = [
            WatchedMachine(each, server.endpoint, recorder.last_proof(each.id)) for each in server.machines
        ]
        self._by_subscription: dict[int, WatchedMachine] = {}
        self._items: dict[int, Item] = {}
        self._handles = 0
        self._acknowledgements: list[tuple[int, int]] = []
        self._offset = OffsetEstimate()
        self._unreachable_since: int | None = None
        self._unreachable_told = 0
        self._complaint = ""
        for machine in self._machines:
            machine.health.certificate_expires = own.expires if own else None

    async def run(self) -> None:
        """Connect, watch, and begin again when that ends, for ever."""
        backoff = Backoff(RETRY_SECONDS_MIN, RETRY_SECONDS_MAX)
        while True:
            attempted = self._clock()
            try:
                session = await connect(self._server, self._own)
            except NoAnswerError as error:
                self._no_answer(attempted, error)
            except RefusedError as error:
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
        elif now - self._unreachable_told >= _UNREACHABLE_EVERY:
            self._unreachable_told = now
            for machine in self._machines:
                shift = self._shift(machine)
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
        self._acknowledgements.clear()
        for machine in self._machines:
            self._keep(machine, machine.observation.lost(cause))
            history.settle(machine, self._recorder)
            machine.forget_session()
            machine.health.reason = reason
            self._tell(machine)

    async def _watch_session(self, session: Session) -> None:
        table = await session.namespaces()
        for _ in range(_COMPARISONS_FIRST):
            self._offset.compare(*await session.current_time(self._clock))
        self._judge_clocks(stepped=False)
        walker = Walker(session, table)
        for machine in self._machines:
            await self._begin(session, walker, machine)
        for machine in self._machines:
            machine.heard_at = asyncio.get_running_loop().time()
        publishers = min(_PUBLISHERS_MAX, 1 + len(self._machines))
        works = [
            *(self._publish(session) for _ in range(publishers)),
            self._measure(session),
            self._reconcile(session),
            self._guard(),
            history.fill(session, self._recorder, self._machines),
            *(self._follow_jobs(session, machine) for machine in self._machines),
        ]
        await _until_one_ends([asyncio.create_task(work) for work in works])
        raise NoAnswerError("the session ended")

    # Beginning to watch

    async def _begin(self, session: Session, walker: Walker, machine: WatchedMachine) -> None:
        """Find a machine and subscribe to its signals; when it is not there, say why and let the others be."""
        try:
            found = await walker.machine(machine.config, machine.root)
        except RefusedError as error:
            if machine.health.reason != str(error):
                log.warning("source.machine_missing", machine=machine.id, reason=str(error))
            machine.health.reason = str(error)
            self._tell(machine)
            return
        self._identified(machine, found)
        machine.before = self._recorder.lasts(machine.id)
        machine.subscription = await session.subscribe(machine.config.publishing_milliseconds)
        machine.heard_at = asyncio.get_running_loop().time()
        machine.sequence = None
        self._by_subscription[machine.subscription.id] = machine
        await self._want(walker, machine, machine.wishes)
        deciding = machine.deciding()
        self._keep(machine, machine.observation.subscribed(deciding, self._clock() + self._shift(machine)))
        machine.health.connected = True
        machine.health.reason = "" if deciding else "none of the signals that tell its state is there"
        await self._create(session, machine, list(machine.items.values()))
        if self._complaint:
            log.info("source.recovered", endpoint=self._server.endpoint, machine=machine.id)
            self._complaint = ""
        self._tell(machine)

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
            self._add(walker, machine, found)

    def _add(self, walker: Walker, machine: WatchedMachine, found: FoundSignal, not_before: int | None = None) -> Item:
        self._handles += 1
        convert = Converter(found.wish, found.candidate, walker.table)
        item = Item(machine, found, convert, self._handles, not_before)
        machine.items[item.signal] = item
        self._items[item.handle] = item
        return item

    async def _create(self, session: Session, machine: WatchedMachine, items: Sequence[Item]) -> None:
        """Create monitored items; a filter that the server refuses is left out."""
        if machine.subscription is None or not items:
            return
        results = await session.create_items(machine.subscription, [_request(item) for item in items])
        again = [item for item, result in zip(items, results, strict=True) if result.status in _FILTER_REFUSED]
        if again:
            plain = [_request(item)._replace(deadband=0.0, repeats=False) for item in again]
            second = dict(zip((item.handle for item in again), await session.create_items(machine.subscription, plain),
                              strict=True))  # fmt: skip
            results = [second.get(item.handle, result) for item, result in zip(items, results, strict=True)]
        for item, result in zip(items, results, strict=True):
            self._created(item, result)
        machine.count()

    def _created(self, item: Item, result: ItemResult) -> None:
        item.server_item = result.item
        item.gone = result.item is None
        if result.item is None:
            reason = f"{item.found.candidate.text}: the server refuses to watch it: {status_name(result.status)}"
            item.machine.health.refused[item.signal] = reason
            log.warning("source.item_refused", machine=item.machine.id, signal=item.signal, reason=reason)
        else:
            item.machine.health.refused.pop(item.signal, None)

    # Handing on what changes

    async def _publish(self, session: Session) -> None:
        """Keep one publish request with the server, and acknowledge only what is kept."""
        while True:
            acknowledgements, self._acknowledgements = self._acknowledgements, []
            published = await session.publish(acknowledgements)
            self._take(published)

    def _take(self, published: Published) -> None:
        """Hand on one publish response. Everything in it is durable when this returns."""
        if published.fault or published.subscription not in self._by_subscription:
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
        self._keep(machine, machine.observation.alive(received + self._shift(machine)))

    def _check_sequence(self, machine: WatchedMachine, sequence: int) -> None:
        """Refuse to go on when a notification is missing: a new session reads everything again."""
        expected = machine.sequence
        machine.sequence = sequence
        if expected is not None and sequence not in (expected + 1, 1):
            raise RefusedError(f"notification {expected + 1} is missing, {sequence} came")

    def _take_changes(self, machine: WatchedMachine, published: Published, received: int) -> None:
        trusted, items = machine.trust.trusted, self._items
        readings: list[Reading] = []
        telling: list[tuple[Item, Reading, int]] = []
        holes: list[Hole] = []
        for handle, raw, code, said, server in published.changes:
            item = items.get(handle)
            if item is None:
                continue
            if code or item.not_before is not None:
                status, source = self._unusual(item, code, said, received, holes)
            else:
                status, source = 0, said
            value: Value | None = None
            if item.convert.is_plain and type(raw) is float and raw - raw == 0.0 and not status:
                value = raw
            elif not status >> 31:
                value, status = self._convert(item, raw, status)
            reading = Reading(item.signal, value, status, source, server, received)
            readings.append(reading)
            stamp = source if trusted and source is not None else received
            if item.last is None:
                item.first = stamp
            item.last = stamp
            if item.tells:
                telling.append((item, reading, stamp))
        for hole in holes:
            self._hole(machine, hole)
        self._recorder.readings(machine.id, readings, trusted=trusted)
        self._heed(machine, telling, received)

    def _heed(self, machine: WatchedMachine, telling: list[tuple[Item, Reading, int]], received: int) -> None:
        """Draw the consequences of values that tell the machine's state or its job."""
        now, latest = received + self._shift(machine), received + self._shift_max(machine)
        for item, reading, stamp in telling:
            if item.decides:
                good = not reading.status >> 30
                self._keep(
                    machine, machine.observation.said(item.signal, good=good, stamp=stamp, now=now, latest=latest)
                )
            if item.signs_job:
                self._job_sign(machine, item.signal, reading.value, stamp)

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

    def _keep(self, machine: WatchedMachine, events: Iterable[Event]) -> None:
        """Record proofs and holes, and note whether the machine is observed."""
        for event in events:
            if isinstance(event, Proof):
                self._recorder.observed(machine.id, event.since, event.at)
            elif isinstance(event, Missed):
                self._hole(machine, Hole(machine.id, event.period, event.signals, event.cause))
        since = machine.observation.since
        if since != machine.health.observed_since:
            machine.health.observed_since = since
            if machine.health.connected:
                machine.health.reason = "" if since is not None else "a signal that tells its state has no good value"
            self._tell(machine)

    def _hole(self, machine: WatchedMachine, hole: Hole) -> None:
        self._recorder.hole(hole)
        history.note(machine, hole)

    def _tell(self, machine: WatchedMachine) -> None:
        self._report(machine.health)

    # Clocks

    def _shift(self, machine: WatchedMachine) -> int:
        """Return what the agent's clock needs to become the machine's, where that is trusted."""
        return self._offset.offset if machine.trust.trusted else 0

    def _shift_max(self, machine: WatchedMachine) -> int:
        """Return the most that the agent's clock may need to become the machine's."""
        return self._offset.offset_max if machine.trust.trusted else 0

    async def _measure(self, session: Session) -> None:
        while True:
            await asyncio.sleep(MEASURE_EVERY / SECOND)
            stepped = False
            for _ in range(_COMPARISONS_EACH):
                stepped |= self._offset.compare(*await session.current_time(self._clock))
            self._judge_clocks(stepped=stepped)

    def _judge_clocks(self, *, stepped: bool) -> None:
        """Decide anew whose clock stamps; a span of observation does not outlast a change of clocks."""
        offset = self._offset.offset
        seconds = offset / SECOND
        for machine in self._machines:
            trusted = machine.trust.judge(offset)
            machine.health.offset_seconds, machine.health.trusted = seconds, trusted
            now = self._clock() + self._shift(machine)
            if stepped or trusted != machine.told_trusted:
                log.warning(
                    "source.clock_changed", machine=machine.id, offset_seconds=round(seconds, 3), trusted=trusted
                )
                self._keep(machine, machine.observation.clock_changed(now, self._clock() + self._shift_max(machine)))
            moved = machine.told_offset is None or abs(seconds - machine.told_offset) >= _CLOCK_CHANGE_SECONDS
            if moved or trusted != machine.told_trusted:
                machine.told_offset, machine.told_trusted = seconds, trusted
                self._recorder.clock(machine.id, seconds, now)
            self._tell(machine)

    # Keeping it whole

    async def _guard(self) -> None:
        """Break the session when a subscription is silent for longer than it promised."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(0.5)
            for machine in self._machines:
                if machine.subscription is None:
                    continue
                silent = loop.time() - machine.heard_at
                limit = 2 * machine.subscription.keep_alive_seconds + SILENCE_MARGIN_SECONDS
                if silent > limit:
                    raise NoAnswerError("the subscription has gone silent")

    async def _reconcile(self, session: Session) -> None:
        """Compare, again and again, what should be watched with what is."""
        while True:
            await asyncio.sleep(RECONCILE_SECONDS)
            walker = Walker(session, await session.namespaces())
            for machine in self._machines:
                if machine.subscription is None:
                    await self._begin(session, walker, machine)
                else:
                    await self._repair(session, walker, machine)
                    machine.job_changed.set()
                self._tell(machine)

    async def _repair(self, session: Session, walker: Walker, machine: WatchedMachine) -> None:
        """Look again for what was not there, was refused or has gone."""
        gone = [item for item in machine.items.values() if item.gone and item.not_before is None]
        for item in gone:
            self._items.pop(item.handle, None)
            machine.items.pop(item.signal, None)
        job_signals = {wish.signal.name for wish in machine.job_wishes()}
        missing = [wish for wish in machine.wishes
                   if wish.signal.name not in machine.items and wish.signal.name not in job_signals]  # fmt: skip
        if not missing or machine.subscription is None:
            return
        ended = [item.server_item for item in gone if item.server_item is not None]
        if ended:
            await session.delete_items(machine.subscription, ended)
        before = set(machine.items)
        await self._want(walker, machine, missing)
        new = [item for name, item in machine.items.items() if name not in before]
        for item in new:
            if item.decides:
                self._keep(machine, machine.observation.expects(item.signal))
        await self._create(session, machine, new)

    # The job in hand

    def _job_sign(self, machine: WatchedMachine, signal: str, value: object, stamp: int) -> None:
        """Take in a value that may mean that another job is in hand."""
        if signal == "job":
            machine.job = (value, stamp)
        elif not machine.job[0]:
            machine.job = ("", stamp)
        machine.job_changed.set()

    async def _follow_jobs(self, session: Session, machine: WatchedMachine) -> None:
        """Watch the order, customer and counts of whichever job is in hand."""
        followed: tuple[NodeIdentity | None, object] | None = None
        while True:
            await machine.job_changed.wait()
            await asyncio.sleep(FOLLOW_SECONDS)
            machine.job_changed.clear()
            if machine.node is None or machine.subscription is None:
                continue
            identifier, stamp = machine.job
            walker = Walker(session, await session.namespaces())
            jobs = await walker.jobs(machine.node)
            job = next((job.node for job in jobs if (job.identifier == identifier if identifier else job.runs)), None)
            had_one = followed is not None and followed[0] is not None
            if (job, identifier) != followed and (jobs or had_one):
                followed = job, identifier
                await self._change_job(walker, machine, job, stamp)

    async def _change_job(self, walker: Walker, machine: WatchedMachine, job: NodeIdentity | None, stamp: int) -> None:
        """Watch the signals of another job, from the moment that it came in hand."""
        if machine.node is None or machine.subscription is None:
            return
        wishes = machine.job_wishes()
        old = [machine.items.pop(wish.signal.name) for wish in wishes if wish.signal.name in machine.items]
        for item in old:
            self._items.pop(item.handle, None)
        ended = [item.server_item for item in old if item.server_item is not None]
        await walker.session.delete_items(machine.subscription, ended)
        found = (await walker.resolve(machine.node, wishes, job)).found
        told = {each.wish.signal.name for each in found}
        self._end_job(machine, [wish for wish in wishes if wish.signal.name not in told], stamp)
        await self._create(walker.session, machine, [self._add(walker, machine, each, stamp) for each in found])

    def _end_job(self, machine: WatchedMachine, wishes: Sequence[Wanted], stamp: int) -> None:
        """Record that the job in hand, if any, has no such order, customer or count."""
        received = self._clock()
        readings = [
            Reading(wish.signal.name, "", 0, stamp, None, received) if wish.signal.type == "String"
            else Reading(wish.signal.name, None, BAD_NO_DATA, stamp, None, received)
            for wish in wishes
        ]  # fmt: skip
        if readings:
            self._recorder.readings(machine.id, readings, trusted=machine.trust.trusted)


async def _until_one_ends(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Wait until one of these tasks ends, raise what it raised, and end the rest.

    A TaskGroup would do, but until Python 3.13 it forgets a cancellation that comes together with a failure.
    """
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _request(item: Item) -> ItemRequest:
    wish, config = item.found.wish, item.machine.config
    return ItemRequest(item.found.node, item.handle, wish.sampling_milliseconds, config.queue_size, wish.deadband,
                       config.repeats)  # fmt: skip
