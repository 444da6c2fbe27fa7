"""What a machine says beside its signals: the events of its notifiers and the lists of its job orders."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from edge_agent.events import INTERRUPTION, EventTypes, Kind, selection
from edge_agent.isa95 import STATE, read_job, read_state
from edge_agent.nodemap import BAD_NO_DATA, index_of, parse_path
from edge_agent.notifications import MalformedError, NodeIdentity, Structure, Structures
from edge_agent.opcua_client import RefusedError, status_name
from edge_agent.opcua_items import EventField, ItemRequest
from shopfloor.samples import Reading
from shopfloor.signals import TEXT_MAX

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from edge_agent.alarms import Told
    from edge_agent.events import Event, Selected
    from edge_agent.isa95 import Job
    from edge_agent.notifications import Change, EventFields
    from edge_agent.opcua_client import Session
    from edge_agent.resolve import Walker
    from edge_agent.watched import WatchedMachine

log = structlog.get_logger(__name__)

REFRESH_SECONDS = 15.0
"""How long a server may take to repeat its conditions; then what came is taken for all."""
_SERVER = NodeIdentity(0, 2253)
_JOB_MANAGEMENT = ("MY:MachineryBuildingBlocks/MJ:JobManagement", "MJ:JobManagement")
ORDERS = tuple(f"{place}/MJ:JobOrderControl/IJ:JobOrderList" for place in _JOB_MANAGEMENT)
"""Where a machine keeps the list of its job orders (OPC 40001-3, 6.2; OPC 10031-4, 6.2.1)."""
RESPONSES = tuple(f"{place}/MJ:JobOrderResults/IJ:JobOrderResponseList" for place in _JOB_MANAGEMENT)
"""Where it keeps the list of what became of them (OPC 10031-4, 6.2.2)."""
NOTIFIERS = (
    "MT:Notification", "MT:Notification/MT:Messages", "MT:Notification/MT:Prognoses", "MT:Production",
    "MT:Production/MT:ActiveProgram", "MT:Production/MT:ProductionPlan", "MT:Equipment/MT:Tools",
    "MY:MachineryBuildingBlocks", "MY:Notifications", "MY:MachineryBuildingBlocks/MY:Notifications",
    *_JOB_MANAGEMENT, *(f"{place}/MJ:JobOrderControl" for place in _JOB_MANAGEMENT),
    *(f"{place}/MJ:JobOrderResults" for place in _JOB_MANAGEMENT), "<CNC:1007>",
)  # fmt: skip
"""Nodes below a machine that may be notifiers, besides the machine itself."""
_JOB_LIST_MILLISECONDS = 250
_SYSTEM = (Kind.REFRESH_START, Kind.REFRESH_END, Kind.REFRESH_REQUIRED, Kind.OVERFLOW)
_DEPTH_MAX = 32
_RUNNING = 1
"""The number of the state Running of OPC 40501-1, 8.4, in jobs and programs alike."""


async def learn_types(walker: Walker) -> EventTypes:
    """Learn which event types of a server are of which kind, from the subtypes that it has."""
    kinds: dict[NodeIdentity, Kind] = {}
    for kind in Kind:
        base = index_of(kind.type, walker.table)
        if base is not None:
            kinds.update(dict.fromkeys(await _family(walker.session, base), kind))
    base = index_of(INTERRUPTION, walker.table)
    return EventTypes(kinds, frozenset(await _family(walker.session, base) if base is not None else ()))


async def _family(session: Session, base: NodeIdentity) -> list[NodeIdentity]:
    """List a type and all of its subtypes."""
    found, level = [base], [base]
    for _ in range(_DEPTH_MAX):
        level = [each.node for below in await session.subtypes(level) for each in below]
        if not level:
            break
        found += level
    return found


class Listener:
    """Listens to one machine over one session.

    Args:
        machine: whose events and job orders; it keeps what they amount to.
        handle: gives numbers for monitored items.
        model_changed: called when the server says that its nodes changed.
    """

    def __init__(self, machine: WatchedMachine, handle: Callable[[], int], model_changed: Callable[[], None]) -> None:
        self._machine = machine
        self._handle = handle
        self._model_changed = model_changed
        self._types = EventTypes({}, frozenset())
        self._selected: list[Selected] = []
        self._lists: dict[int, str] = {}
        self._untold: set[int] = set()
        self._events: set[int] = set()
        self._own_sources: frozenset[NodeIdentity] | None = None
        self._table: Sequence[str] = ()
        self.hears_conditions = False
        self.heard_events = False
        self.refresh_wanted = False

    @property
    def waits_for_lists(self) -> bool:
        """Whether a list of job orders or responses is still to be told for the first time."""
        return bool(self._untold)

    @property
    def waits_for_conditions(self) -> bool:
        """Whether the conditions that are active are still to be told."""
        return self.hears_conditions and not self._machine.alarms.is_complete

    async def begin(self, walker: Walker, types: EventTypes) -> None:
        """Subscribe to whatever there is, and have the conditions repeated."""
        self._types, self._table = types, walker.table
        self._selected = selection(walker.table)
        await self._watch_lists(walker)
        await self._watch_events(walker)

    async def _watch_lists(self, walker: Walker) -> None:
        machine = self._machine
        if machine.node is None or machine.subscription is None:
            return
        paths = [(which, parse_path(path)) for which, places in (("orders", ORDERS), ("responses", RESPONSES))
                 for path in places]  # fmt: skip
        ends = await walker.find(machine.node, [path for _, path in paths])
        found = {which: fitting[0].node for (which, _), (fitting, _) in zip(paths, ends, strict=True) if fitting}
        handles = {self._handle(): which for which in found}
        requests = [ItemRequest(found[which], handle, _JOB_LIST_MILLISECONDS, machine.config.queue_size, 0.0,
                                repeats=False) for handle, which in handles.items()]  # fmt: skip
        results = await walker.session.create_items(machine.subscription, requests) if requests else []
        for (handle, which), result in zip(handles.items(), results, strict=True):
            if result.item is None:
                self._refuse(which, f"the server refuses to watch it: {status_name(result.status)}")
            else:
                self._lists[handle] = which
                self._untold.add(handle)

    async def _watch_events(self, walker: Walker) -> None:
        machine = self._machine
        if machine.node is None:
            return
        paths = [parse_path(path) for path in NOTIFIERS]
        below = [fitting[0].node for fitting, _ in await walker.find(machine.node, paths) if fitting]
        own = await walker.session.notifiers(list(dict.fromkeys([machine.node, *below])))
        for node in own:
            self.hears_conditions |= await self._subscribe(walker, node, ())
        system = self._types.of((Kind.MODEL_CHANGE, *_SYSTEM))
        if own:
            await self._subscribe(walker, _SERVER, system, is_own=False)
        else:
            self._own_sources = await self._sources(walker)
            self.hears_conditions = await self._subscribe(walker, _SERVER, self._types.of(Kind))
        if self.hears_conditions:
            await self.refresh(walker.session)

    async def _subscribe(
        self, walker: Walker, node: NodeIdentity, types: Sequence[NodeIdentity], *, is_own: bool = True
    ) -> bool:
        """Subscribe to the events of a notifier; unfiltered and with a modest selection where more is refused.

        Args:
            walker: of the session.
            node: the notifier.
            types: the event types that matter; empty for all.
            is_own: whether it tells the machine's conditions and messages.

        Returns:
            Whether it tells them whole.
        """
        subscription = self._machine.subscription
        if subscription is None:
            return False
        handle, status = self._handle(), 0
        for selected, wanted in (
            (self._selected, types),
            (self._selected, ()),
            (selection(walker.table, modest=True), ()),
        ):
            fields = [EventField(index_of(each.type, walker.table) or _SERVER, self._steps(each)) for each in selected]
            try:
                result = await walker.session.create_event_item(subscription, node, handle, fields, wanted)
            except RefusedError as error:
                self._refuse("alarms", f"the server refuses to tell its events: {error}")
                return False
            if result.item is not None:
                self._events.add(handle)
                self.heard_events |= is_own
                return selected is self._selected
            status = result.status
        if is_own:
            self._refuse("alarms", f"the server refuses to tell its events: {status_name(status)}")
        return False

    def _steps(self, selected: Selected) -> tuple[tuple[int, str], ...]:
        return tuple((self._table.index(step[0]), step[1]) for step in selected.path if isinstance(step[0], str))

    async def _sources(self, walker: Walker) -> frozenset[NodeIdentity] | None:
        """List the nodes whose events, heard at the server, are this machine's; None when there is no other machine."""
        try:
            alone = len(await walker.machines()) <= 1
        except RefusedError:
            alone = True
        if alone or self._machine.node is None:
            return None
        return frozenset([self._machine.node, *await walker.below(self._machine.node)])

    async def refresh(self, session: Session) -> None:
        """Have all conditions repeated; where the server cannot, what is active stays unknown until it changes."""
        machine = self._machine
        self.refresh_wanted = False
        if machine.subscription is None:
            return
        machine.alarms.begin()
        try:
            status = await session.refresh_conditions(machine.subscription)
            reason = status_name(status) if status else ""
        except RefusedError as error:
            reason = str(error)
        if reason:
            self._refuse("alarms", f"the server does not repeat its conditions ({reason}): those that were active "
                                   "before are not known")  # fmt: skip
            self.hears_conditions = False

    def _refuse(self, what: str, reason: str) -> None:
        if self._machine.health.refused.get(what) != reason:
            log.warning("source.not_heard", machine=self._machine.id, what=what, reason=reason)
        self._machine.health.refused[what] = reason

    # What comes

    def changed(self, change: Change, received: int) -> list[Reading]:
        """Take in a list of job orders or responses."""
        handle, raw, status, source, server = change
        which = self._lists.get(handle)
        self._untold.discard(handle)
        if which is None or status >> 31 or not isinstance(raw, Structures):
            return []
        stamp = source or server or received
        jobs = self._jobs(raw.members, which)
        if jobs is None:
            return []
        join = self._machine.jobs
        return (join.listed if which == "orders" else join.responded)(jobs, stamp, received)

    def _jobs(self, structures: Iterable[Structure], what: str) -> list[Job] | None:
        try:
            jobs = [read_job(each) for each in structures]
        except MalformedError as error:
            self._machine.health.wrong_values += 1
            self._refuse(what, f"the job orders cannot be read: {error}")
            return None
        self._machine.health.refused.pop(what, None)
        return jobs

    def heard(self, found: EventFields, received: int, now: int) -> list[Reading]:
        """Take in an event.

        Args:
            found: its fields as they came.
            received: the agent's own clock.
            now: the same on the machine's clock, where that is trusted.
        """
        event = self._types.read(self._selected, found.fields) if found.handle in self._events else None
        if event is None:
            return []
        time = event.fields.get("time")
        stamp = time if isinstance(time, int) and time > 0 else now
        if event.kind is Kind.MODEL_CHANGE:
            self._model_changed()
            return []
        if event.kind in _SYSTEM:
            return self._system(event.kind, stamp, received)
        if self._own_sources is not None and event.fields.get("source_node") not in self._own_sources:
            return []
        return self._said(event, stamp, received)

    def _system(self, kind: Kind, stamp: int, received: int) -> list[Reading]:
        if kind in {Kind.REFRESH_REQUIRED, Kind.OVERFLOW}:
            self.refresh_wanted = True
            self._machine.lists_changed.set()
        if kind is Kind.REFRESH_END and self.waits_for_conditions:
            return self.told(self._machine.alarms.end(stamp), received)
        return []

    def _said(self, event: Event, stamp: int, received: int) -> list[Reading]:
        book = self._machine.alarms
        if event.kind is Kind.CONDITION:
            return self.told(book.condition(event, stamp), received)
        if event.kind in {Kind.NOTIFICATION, Kind.CNC_MESSAGE}:
            return self.told(book.message(event, stamp), received)
        if event.kind is Kind.JOB_STATUS:
            return self._job_status(event, stamp, received)
        return self._transition(event, stamp, received)

    def _job_status(self, event: Event, stamp: int, received: int) -> list[Reading]:
        order, states = event.fields.get("job_order"), event.fields.get("job_state")
        if not isinstance(order, Structure) or not order.body:
            return []
        jobs = self._jobs([order], "orders")
        if not jobs:
            return []
        told = event.fields.get("job_response")
        responses = self._jobs([told], "responses") if isinstance(told, Structure) and told.body else []
        members = states if isinstance(states, tuple) else ()
        try:
            state = read_state(tuple(each for each in members if isinstance(each, Structure)
                                     and each.type.identifier == STATE))  # fmt: skip
        except MalformedError:
            state = 0
        response = responses[0] if responses else None
        return self._machine.jobs.status(jobs[0]._replace(state=state), response, stamp, received)

    def _transition(self, event: Event, stamp: int, received: int) -> list[Reading]:
        """Take in that a job or program of the Production tree changed its state; only one that runs is in hand."""
        runs = event.number("to_state_number") == _RUNNING or event.text("to_state") == "Running"
        if not runs:
            return []
        if event.kind is Kind.JOB_TRANSITION:
            facts = {"job": event.text("job"), "order": event.text("order"),
                     "customer_order": event.text("customer_order")}  # fmt: skip
            for signal in ("runs_planned", "runs_completed"):
                value = event.fields.get(signal)
                if isinstance(value, int):
                    facts[signal] = value  # type: ignore[assignment]
        else:
            facts = {"program": event.text("program")}
            if event.text("program_job"):
                facts["job"] = event.text("program_job")
        if "job" in facts:
            self._machine.sign_job("job", facts["job"], stamp)
        return self._machine.jobs.transition(facts, stamp, received)

    def told(self, said: Iterable[Told], received: int) -> list[Reading]:
        """Turn what a book says into readings, but for signals that the node map reads from elsewhere."""
        mapped = self._machine.mapped
        return [Reading(signal, value[:TEXT_MAX] if isinstance(value, str) else value,
                        0 if value is not None else BAD_NO_DATA, stamp, None, received)
                for signal, value, stamp in said if signal not in mapped]  # fmt: skip

    def complete(self, now: int, received: int) -> list[Reading]:
        """Take what came for all that is active: the server never says that it has repeated everything."""
        book = self._machine.alarms
        return self.told(book.end(now) if self.hears_conditions else book.unknown(now), received)
