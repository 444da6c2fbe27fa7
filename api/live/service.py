"""The live view: one connection to the broker that every page and stream of this process shares."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from typing import TYPE_CHECKING

import structlog

from api.audit.service import note_foreign_machines
from api.edges.asking import HEALTH_FILTER, REPLY_FILTER, Asking
from api.live.attended import ATTENDED_DAYS, Attended
from api.live.present import Present
from api.live.streams import Change, Streams, View
from api.machines.park import ParkError
from api.machines.past import read_beginning, read_memory
from api.records.database import RecordsUnavailableError
from api.records.service import read_park
from api.usage.service import CHANGED
from shopfloor import mqtt
from shopfloor.periods import DAY, SECOND, Period
from shopfloor.runtime import clock
from shopfloor.runtime.backoff import Backoff
from shopfloor.samples import samples
from shopfloor.stores.port import StoreRefusedError, StoreUnavailableError
from shopfloor.wire import messages, topics
from shopfloor.wire.reading import Allowed, Reason, open_message

if TYPE_CHECKING:
    from collections.abc import Iterable

    from api.access.service import Access
    from api.machines.ownership import Sessions
    from api.machines.park import Machine, Park
    from api.metrics import Metrics
    from api.records.database import Records
    from api.settings import LiveSettings
    from api.usage.attending import Attending
    from shopfloor.samples import Sample
    from shopfloor.stores.port import Store

ECHO_SECONDS = 5.0
"""How often the feed sends a message to itself."""
DEAF_SECONDS = 15.0
"""Without hearing it for so long it takes its subscriptions for lost, and connects anew."""
TICK_SECONDS = 1.0
"""How often silence is noticed, heartbeats are sent and files are looked at."""
SESSIONS_SECONDS = 10.0
"""How often it is asked whose sessions are going on."""
MEMORY_MACHINES = 25
"""So many machines are read from the store in one step."""
MEMORY_SECONDS_MIN, MEMORY_SECONDS_MAX = 0.5, 15.0
"""Wait between attempts to read the store."""
_MESSAGES_PER_TURN = 20

log = structlog.get_logger(__name__)


class Live:
    """All machines as they are now.

    Args:
        broker: where messages come from.
        store: what was known before.
        records: the machines; read again when they change.
        access: whose streams may stay open.
        sessions: whose work a machine is doing.
        attending: who is checked in at equipment that says nothing.
        metrics: counts.
        settings: how the present is sent out.
    """

    def __init__(
        self,
        broker: mqtt.Broker,
        store: Store,
        records: Records,
        *,
        access: Access,
        sessions: Sessions,
        attending: Attending,
        metrics: Metrics,
        settings: LiveSettings,
    ) -> None:
        self._records = records
        self._version = (records.change_number("machines"), clock.now() // DAY)
        self.park = park = read_park(records, now=clock.now())
        self.streams = Streams(
            per_caller_max=settings.streams_per_caller_max,
            heartbeat_seconds=settings.heartbeat_seconds,
            sessions=sessions,
        )
        self._store = store
        self._access = access
        self._metrics = metrics
        self._coalesce_seconds = settings.coalesce_milliseconds / 1000
        self._name = f"api-{secrets.token_hex(6)}"
        self._client = mqtt.Client(broker, client_id=self._name)
        self.asking = Asking(self._client.publish)
        self._presents: dict[str, Present] = {}
        self._allowed = Allowed()
        self._changed: dict[str, set[str]] = {}
        self._foreign: dict[str, Counter[str]] = {}
        self._quarantines: dict[str, messages.QuarantineHeld] = {}
        self._sessions = sessions
        self._sessions_at = 0.0
        self._attending = attending
        self._attended_number = -1
        self._woken = asyncio.Event()
        self._recall = asyncio.Event()
        self._data_mid: int | None = None
        self._is_listening = False
        self._remembers = False
        self._heard_at = 0.0
        self._adopt(park)

    @property
    def broker_problem(self) -> str | None:
        """Why the broker is not ready, None when it is."""
        return None if self._client.is_connected else "not connected"

    @property
    def feed_problem(self) -> str | None:
        """Why the live view is not ready, None when it is."""
        if not self._is_listening:
            return "not subscribed to data"
        return None if self._remembers else "the last known states are not read from the store yet"

    @property
    def dropped_messages(self) -> int:
        """Messages that came faster than they could be taken."""
        return self._client.dropped_messages

    def present(self, machine: Machine, *, now: int) -> Present:
        """Return a machine as it is now."""
        present = self._presents[machine.id]
        if present.needs_evaluation(now) and present.evaluate(now):
            self._mark(machine.id)
        return present

    def snapshot(self, view: View) -> bytes:
        """Encode all that a view shows now."""
        now = clock.now()
        shown = [(machine, self.present(machine, now=now)) for machine in self.park.visible(view.scope)]
        return self.streams.snapshot(view, shown, now=now)

    async def run(self) -> None:
        """Follow the machines until cancelled."""
        async with self._client, asyncio.TaskGroup() as group:
            group.create_task(self._receive(), name="live.receive")
            group.create_task(self._send(), name="live.send")
            group.create_task(self._remember(), name="live.remember")
            group.create_task(self._tick(), name="live.tick")
            group.create_task(self._watch_hearing(), name="live.hearing")

    async def _receive(self) -> None:
        while True:
            taken = 0
            for event in await self._client.events():
                if type(event) is mqtt.Message:
                    self._take(event)
                    self._client.acknowledge(event)
                    taken += 1
                    if taken % _MESSAGES_PER_TURN == 0:
                        await asyncio.sleep(0)
                else:
                    self._change(event)

    def _take(self, message: mqtt.Message) -> None:
        topic = message.topic
        if topic.startswith(topics.DATA):
            self._hear(message)
        elif topic.startswith(topics.REGISTRY):
            publisher = topics.last_level(topic)
            if message.payload and not self._allowed.knows(publisher):
                self._client.publish(topic, b"", retain=True)
                log.info("registry.cleared", publisher=publisher)
        elif topic.startswith(topics.EDGE):
            self.asking.hear(topic, message.payload)
        elif topic.startswith(topics.QUARANTINE):
            self._hear_quarantine(topics.last_level(topic), message.payload)
        elif topic == topics.echo(self._name):
            self._heard_at = clock.monotonic_seconds()

    def _hear_quarantine(self, file: str, payload: bytes) -> None:
        try:
            self._quarantines[file] = messages.decode_quarantine(payload)
        except messages.WireError as error:
            log.warning("live.bad_quarantine", file=file, error=str(error))

    def put_aside(self, *, now: int) -> list[messages.PutAside]:
        """Return what collectors hold in quarantine, what came last first; none that has been silent for a day."""
        found = [held for each in self._quarantines.values() if now - each.timestamp < DAY for held in each.held]
        return sorted(found, key=lambda each: -each.last)

    def _hear(self, message: mqtt.Message) -> None:
        opened = open_message(message.topic, message.payload, self._allowed, now=clock.now())
        for refusal in opened.refusals:
            self._metrics.refused.labels(reason=refusal.reason).inc(refusal.samples)
            if refusal.reason is Reason.FOREIGN_MACHINE:
                self._foreign.setdefault(opened.publisher, Counter())[refusal.machine] += 1
        self._metrics.samples.inc(sum(len(each.values) for each in opened.slices))
        self._learn(samples(opened.slices))

    def _learn(self, heard: Iterable[Sample]) -> None:
        for sample in heard:
            present = self._presents.get(sample.machine)
            if present is None:
                continue
            names = self._changed.setdefault(sample.machine, set())
            if present.learn(sample):
                names.add(sample.signal)
        self._woken.set()

    def _change(self, event: mqtt.Event) -> None:
        match event:
            case mqtt.Connected():
                log.info("live.connected")
                self._heard_at = clock.monotonic_seconds()
                self._is_listening = False
                self._announce(self._allowed.publishers)
                self._data_mid = self._client.subscribe(
                    topics.DATA_FILTER, topics.REGISTRY_FILTER, HEALTH_FILTER, REPLY_FILTER, topics.echo(self._name)
                )
                self._client.subscribe(topics.QUARANTINE_FILTER)  # alone: older rights do not allow it
            case mqtt.Subscribed(mid=mid, refused=refused) if mid == self._data_mid:
                if refused:
                    log.error("live.refused", remedy="grant the API's login to read data, registry and echo")
                else:
                    self._is_listening = True
                    self._recall.set()  # what was said while nobody listened is in the store, or soon will be
            case mqtt.Disconnected(reason=reason):
                if self._is_listening:
                    log.warning("live.disconnected", reason=reason)
                self._is_listening = False
            case _:
                pass

    def _announce(self, publishers: Iterable[str]) -> None:
        """Publish, retained, what these publishers may publish."""
        registries = self.park.registries()
        for publisher in publishers:
            registry = registries.get(publisher)
            payload = messages.encode_registry(registry) if registry else b""
            self._client.publish(topics.registry(publisher), payload, retain=True)

    def _adopt(self, park: Park) -> set[str]:
        """Take a park in place of the one before. Returns the publishers whose registry is another one."""
        now = clock.now()
        before, after = (self.park.registries() if self._allowed.publishers else {}), park.registries()
        self.park = park
        self._allowed = Allowed()
        for publisher, registry in after.items():
            self._allowed.replace(publisher, registry)
        self._presents = {machine.id: self._present_of(machine, now) for machine in park}
        self._attended_number = -1
        return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}

    def _present_of(self, machine: Machine, now: int) -> Present:
        kind = Attended if machine.is_attended else Present
        known = self._presents.get(machine.id)
        return known if type(known) is kind else kind(now)

    async def _remember(self) -> None:
        """Read what the store knows, at the start and after each time that nobody listened."""
        backoff = Backoff(MEMORY_SECONDS_MIN, MEMORY_SECONDS_MAX)
        while True:
            await self._recall.wait()
            self._recall.clear()
            if await self._read_store():
                backoff.reset()
                self._remembers = True
            else:
                self._recall.set()
                await asyncio.sleep(backoff.next_seconds())

    async def _read_store(self) -> bool:
        await self._refresh_attended(clock.now())
        machines = [machine.id for machine in self.park if not machine.is_attended]
        try:
            for at in range(0, len(machines), MEMORY_MACHINES):
                await self._read_machines(machines[at : at + MEMORY_MACHINES])
        except (StoreUnavailableError, StoreRefusedError) as error:
            log.warning("live.store_unavailable", error=str(error))
            return False
        return True

    async def _read_machines(self, machines: list[str]) -> None:
        now = clock.now()
        presents = {machine: self._presents[machine] for machine in machines if machine in self._presents}
        if not presents:
            return
        window = Period(min(present.start for present in presents.values()), now)
        memory = await asyncio.to_thread(read_memory, self._store, list(presents), window)
        for machine, coverage in memory.coverage.items():
            presents[machine].learn_coverage(coverage)
        self._learn(memory.samples)
        for machine, present in presents.items():
            present.evaluate(clock.now())
            if present.since is None and present.seen is not None:
                beginning = await asyncio.to_thread(read_beginning, self._store, machine, present.start)
                if beginning is not None:
                    present.begin(beginning)
            self._mark(machine)

    def _mark(self, machine: str) -> None:
        self._changed.setdefault(machine, set())
        self._woken.set()

    async def _send(self) -> None:
        """Send what changed: at once when nothing was sent for a while, else together with what follows soon."""
        told: dict[str, tuple[str, int | None]] = {}
        sent_at = 0.0
        while True:
            await self._woken.wait()
            wait_seconds = sent_at + self._coalesce_seconds - clock.monotonic_seconds()
            if wait_seconds > 0:
                await asyncio.sleep(wait_seconds)
            self._woken.clear()
            changed, self._changed = self._changed, {}
            now, sent_at = clock.now(), clock.monotonic_seconds()
            changes: list[Change] = []
            for machine_id, names in changed.items():
                machine, present = self.park.find(machine_id), self._presents.get(machine_id)
                if machine is None or present is None:
                    continue
                if present.needs_evaluation(now):
                    present.evaluate(now)
                shown = (present.state.value, present.since)
                changes.append(Change(machine, present, told.get(machine_id) != shown, names))
                told[machine_id] = shown
            if changes:
                self.streams.publish(changes, now=now)
                self._measure(changes, now)

    def _measure(self, changes: list[Change], now: int) -> None:
        newest = [change.present.values[name].stamp for change in changes for name in change.names]
        if newest:
            self._metrics.lag.observe(max(0, now - max(newest)) / SECOND)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            now = clock.now()
            for machine_id, present in self._presents.items():
                if present.needs_evaluation(now):
                    self._mark(machine_id)
            await self._access.refresh(now=now)
            await self._refresh_sessions(now)
            await self._refresh_attended(now)
            self.streams.beat(lambda caller: self._access.is_valid(caller, now=clock.now()), now=now)
            await self._refresh_park(now)
            await self._note_foreign(now)

    async def _refresh_sessions(self, now: int) -> None:
        """Learn whose work the machines are doing: what is not known yet is shown to no member."""
        if clock.monotonic_seconds() - self._sessions_at < SESSIONS_SECONDS:
            return
        self._sessions_at = clock.monotonic_seconds()
        try:
            await asyncio.to_thread(self._sessions.refresh, now=now)
        except RecordsUnavailableError as error:
            log.warning("live.sessions_not_read", error=str(error))

    async def _refresh_attended(self, now: int) -> None:
        """Learn who came to equipment that says nothing, and who went."""
        attended = {name: each for name, each in self._presents.items() if type(each) is Attended}
        if not attended:
            return
        try:
            number = await asyncio.to_thread(self._records.change_number, CHANGED)
            if number == self._attended_number:
                return
            span = Period(now - ATTENDED_DAYS * DAY, now + DAY)
            held = await asyncio.to_thread(self._attending.held, list(attended), span)
        except RecordsUnavailableError as error:
            log.warning("live.check_ins_not_read", error=str(error))
            return
        self._attended_number = number
        for name, present in attended.items():
            present.attend(held[name])
            self._mark(name)

    async def _note_foreign(self, now: int) -> None:
        """Put on record who spoke for a machine of another one; what was said is in the collector's quarantine."""
        while self._foreign:
            publisher, machines = self._foreign.popitem()
            try:
                await asyncio.to_thread(note_foreign_machines, self._records, publisher, machines, now=now)
            except RecordsUnavailableError as error:
                log.warning("live.foreign_machine_not_noted", publisher=publisher, error=str(error))
                self._foreign.setdefault(publisher, Counter()).update(machines)
                return

    async def _refresh_park(self, now: int) -> None:
        """Read the machines again when they have changed, or another day may have ended the sharing of one."""
        try:
            current = (await asyncio.to_thread(self._records.change_number, "machines"), now // DAY)
            if current == self._version:
                return
            park = await asyncio.to_thread(read_park, self._records, now=now)
        except (ParkError, RecordsUnavailableError) as error:
            log.error("park.refused", reason=str(error))
            return
        self._version = current
        other = self._adopt(park)
        self._announce(other)
        self._recall.set()
        self.streams.restart()
        log.info("park.read", machines=len(park), registries=sorted(other))

    async def _watch_hearing(self) -> None:
        while True:
            await asyncio.sleep(ECHO_SECONDS)
            if not self._is_listening:
                continue
            if clock.monotonic_seconds() - self._heard_at > DEAF_SECONDS:
                log.warning("live.deaf", seconds=DEAF_SECONDS)
                self._heard_at = clock.monotonic_seconds()
                self._client.reconnect()
            else:
                self._client.publish(topics.echo(self._name), b"1")
