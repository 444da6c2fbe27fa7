"""Events of jobs and programs that change their state: OPC 40501-1, 9.4 and 9.6, and OPC 10031-4, 6.3.

A control raises them when the change happens; the nodes that show the same follow. The types of the standards are
abstract, so that each server has subtypes of its own.
"""

from __future__ import annotations

import uuid
from copy import copy
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Any

from asyncua import ua

from simulators.tree import JOB_STATES, PLAN, PROGRAM

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from asyncua import Server

    from simulators.address_space import AddressSpace, MachineNodes
    from simulators.machine import PlannedJob
    from simulators.tree import Served, State

PRODUCTION = "MT:Production"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SEVERITY = 100
_RUNNING = 1
_KNOWN = {
    "InitializingToRunning", "InitializingToAborted", "RunningToRunning", "RunningToEnded", "RunningToInterrupted",
    "RunningToAborted", "InterruptedToRunning", "InterruptedToAborted", "EndedToInitializing", "AbortedToInitializing",
}  # fmt: skip
"""The transitions of ProductionStateMachineType (OPC 40501-1, 8.4.2); others happen without an event."""


class Notifier:
    """Raises events of one type below a machine, at a notifier of its own and at the Server object.

    Args:
        server: where the events are raised.
        kind: their type.
        emitter: the node below the machine that tells them.
    """

    def __init__(self, server: Server, kind: Any, emitter: Any) -> None:
        self._server = server
        self._kind = kind
        self._emitter = emitter
        self._event: Any = None

    async def build(self) -> None:
        """Make the node a notifier of these events."""
        generator = await self._server.get_event_generator(self._kind, self._emitter)
        self._event = generator.event

    async def tell(self, source: Any, name: str, stamp: int, fields: Mapping[str, Any], text: str = "") -> None:
        """Raise one.

        Args:
            source: the node that it is about.
            name: of that node.
            stamp: when it happened.
            fields: variants by name; a name that the type does not declare is added.
            text: the message; the name when there is none.
        """
        event = self._event
        event.EventId = uuid.uuid4().bytes
        event.Time = event.ReceiveTime = _EPOCH + timedelta(microseconds=stamp // 1000)
        event.SourceNode, event.SourceName, event.Severity = source, name, _SEVERITY
        event.Message = ua.LocalizedText(text or name)
        for field, value in fields.items():
            event.add_property(field, value.Value, value.VariantType)
        for emitter in (self._emitter, ua.NodeId(ua.ObjectIds.Server)):
            told = copy(event)
            told.emitting_node = emitter
            await self._server.iserver.subscription_service.trigger_event(told)


class JobTransitions:
    """Tells each job of the production plan that changes its state, with its orders and counts (9.4)."""

    def __init__(self, server: Server, space: AddressSpace, nodes: MachineNodes) -> None:
        self._space = space
        self._nodes = nodes
        self._notifier = Notifier(server, space.node("SIM:1031"), nodes.at(PRODUCTION))
        self._states: dict[str, int] | None = None

    async def build(self) -> None:
        """Make the production a notifier."""
        await self._notifier.build()

    async def tell(self, jobs: Sequence[PlannedJob]) -> None:
        """Compare the jobs with those of the last call; the first call tells nothing."""
        before, self._states = self._states, {each.job.id: each.state for each in jobs}
        if before is None:
            return
        for each in sorted(jobs, key=lambda one: one.state == _RUNNING):  # what ended, ended before the next one ran
            old = before.get(each.job.id, 0)
            if old != each.state:
                await self._tell(each, old)

    async def _tell(self, each: PlannedJob, old: int) -> None:
        from_state, to_state = JOB_STATES[old], JOB_STATES[each.state]
        if f"{from_state.name}To{to_state.name}" not in _KNOWN:
            return
        job, machine = each.job, self._nodes.at(f"{PLAN}/SIM:{each.job.id}/MT:State")
        await self._notifier.tell(machine, f"Job {job.id}", each.since, {
            **_states(self._space, from_state, to_state, each.state),
            "Identifier": ua.Variant(job.id),
            "OrderIdentifier": ua.Variant(job.order),
            "CustomerOrderIdentifier": ua.Variant(job.customer_order),
            "RunsPlanned": ua.Variant(job.runs_planned, ua.VariantType.UInt32),
            "RunsPlanned/IsValid": ua.Variant(True),  # noqa: FBT003 - a value
            "RunsCompleted": ua.Variant(each.runs_completed, ua.VariantType.UInt32),
        })  # fmt: skip


class ProgramTransitions:
    """Tells each change of the active program's state, with its name and the job that it is run for (9.6).

    Args:
        server: where the events are raised.
        space: where the nodes are.
        nodes: of the machine.
        states: of the program, by number.
    """

    def __init__(self, server: Server, space: AddressSpace, nodes: MachineNodes, states: Sequence[State]) -> None:
        self._space = space
        self._states = states
        self._machine = nodes.at(f"{PROGRAM}/MT:State")
        self._notifier = Notifier(server, space.node("SIM:1017"), nodes.at(PRODUCTION))
        self._facts: dict[str, Any] = {"program_state": None, "program": None, "job": None}

    async def build(self) -> None:
        """Make the production a notifier."""
        await self._notifier.build()

    def know(self, served: Iterable[Served]) -> None:
        """Take in what holds already."""
        self._facts.update((each.signal, each.value) for each in served if each.signal in self._facts)

    async def tell(self, served: Iterable[Served]) -> None:
        """Tell what values mean that are about to be served: those of one instant belong together."""
        facts = [each for each in served if each.signal in self._facts]
        for stamp, group in groupby(facts, key=lambda each: each.stamp):
            before = dict(self._facts)
            self.know(group)
            await self._compare(before, stamp)

    async def _compare(self, before: Mapping[str, Any], stamp: int) -> None:
        old, new = before["program_state"], self._facts["program_state"]
        changed = old != new or (new == _RUNNING and before["program"] != self._facts["program"])
        if not changed or old is None or new is None:
            return
        from_state, to_state = self._states[old], self._states[new]
        if f"{from_state.name}To{to_state.name}" not in _KNOWN:
            return
        await self._notifier.tell(self._machine, "Program", stamp, {
            **_states(self._space, from_state, to_state, new),
            "Name": ua.Variant(self._facts["program"] or ""),
            "JobIdentifier": ua.Variant(self._facts["job"] or ""),
        })  # fmt: skip


def _states(space: AddressSpace, old: State, new: State, number: int) -> dict[str, Any]:
    return {
        "Transition": ua.Variant(ua.LocalizedText(f"{old.name}To{new.name}")),
        "FromState": ua.Variant(ua.LocalizedText(old.name)),
        "FromState/Id": ua.Variant(space.node(old.node)),
        "ToState": ua.Variant(ua.LocalizedText(new.name)),
        "ToState/Id": ua.Variant(space.node(new.node)),
        "ToState/Number": ua.Variant(number, ua.VariantType.UInt32),
    }
