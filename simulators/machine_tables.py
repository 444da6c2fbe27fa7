"""The lists of a machine that change while it runs: jobs (OPC 40501-1, 8.4.1) and tools (8.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asyncua import ua

from simulators.address_space import HAS_ORDERED_COMPONENT, AddressSpace, MachineNodes, add_units, variant
from simulators.plan import tool_life_seconds
from simulators.transitions import JobTransitions
from simulators.tree import JOB_STATES, PLAN, PROGRAM, TOOLS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from asyncua import Server

    from simulators.machine import PlannedJob

    Write = Callable[[Any, Any, int], Awaitable[None]]

_NODE_ID = ua.VariantType.NodeId


class JobTable:
    """The production plan: nodes come and go with the jobs, told by NodeVersion and a model change event.

    Args:
        server: where the events are raised.
        space: where the nodes are.
        nodes: of the machine.
        write: serves a value: node, value, stamp.
    """

    def __init__(self, server: Server, space: AddressSpace, nodes: MachineNodes, write: Write) -> None:
        self._server = server
        self._space = space
        self._nodes = nodes
        self._write = write
        self._shown: dict[str, dict[str, Any]] = {}
        self._version = 0
        self._events: Any = None
        self._transitions = JobTransitions(server, space, nodes)
        self.job_node_id = nodes.at(f"{PROGRAM}/MT:JobNodeId")

    async def build(self) -> None:
        """Add what the plan has before its first job."""
        program, plan = self._nodes.at(PROGRAM), self._nodes.at(PLAN)
        await self._space.add_property(program, "UA:NumberInList", variant(0, "UInt16"))
        await self._space.add_variable(self.job_node_id, program, "MT:JobNodeId", ua.Variant(ua.NodeId(), _NODE_ID))
        await self._space.add_property(plan, "UA:NodeVersion", variant("0", "String"))
        self._events = await self._server.get_event_generator(ua.ObjectIds.GeneralModelChangeEventType)
        await self._transitions.build()

    def reference(self, job: Any) -> Any:
        """Return the value of JobNodeId for the job on the control."""
        return ua.Variant(self._node(job) if job else ua.NodeId(), _NODE_ID)

    async def tell(self, jobs: Sequence[PlannedJob]) -> None:
        """Raise an event for each job that changed its state."""
        await self._transitions.tell(jobs)

    async def show(self, jobs: Sequence[PlannedJob], now: int) -> None:
        """Bring the nodes in line with the jobs on the control."""
        listed = {each.job.id: each for each in jobs}
        added = [each for each in jobs if each.job.id not in self._shown]
        removed = [name for name in self._shown if name not in listed]
        for each in added:
            await self._add(each)
        for number, each in enumerate(jobs):
            await self._update(each, number)
        for name in removed:
            await self._remove(name, now)
        if added or removed:
            await self._tell(now)

    def _node(self, job: str, path: str = "") -> Any:
        return self._nodes.at(f"{PLAN}/SIM:{job}" + (f"/{path}" if path else ""))

    async def _add(self, each: PlannedJob) -> None:
        job, space = each.job, self._space
        node = self._node(job.id)
        await space.add_object(node, self._nodes.at(PLAN), f"SIM:{job.id}", "MT:29", HAS_ORDERED_COMPONENT)
        for name, text in {
            "MT:Identifier": job.id,
            "MT:OrderIdentifier": job.order,
            "MT:CustomerOrderIdentifier": job.customer_order,
        }.items():
            await space.add_property(node, name, variant(text, "String"))
        await space.add_property(node, "UA:NumberInList", variant(0, "UInt16"))
        for name in ("RunsPlanned", "RunsCompleted", "PartsCompleted", "PartsGood"):
            await space.add_variable(self._node(job.id, f"MT:{name}"), node, f"MT:{name}", variant(0, "UInt32"))
        await space.add_property(
            self._node(job.id, "MT:RunsPlanned"), "MT:IsValid", variant(value=True, built_in="Boolean")
        )
        state = self._node(job.id, "MT:State")
        await space.add_object(state, node, "MT:State", "MT:28")
        current = self._node(job.id, "MT:State/UA:CurrentState")
        initial = ua.Variant(ua.LocalizedText(JOB_STATES[0].name))
        await space.add_variable(current, state, "UA:CurrentState", initial, type_definition=ua.NodeId(2760))
        await space.add_property(current, "UA:Id", ua.Variant(space.node(JOB_STATES[0].node)))
        await space.add_property(current, "UA:Number", variant(0, "UInt32"))
        programs = self._node(job.id, "MT:ProductionPrograms")
        await space.add_object(programs, node, "MT:ProductionPrograms", "UA:23518")
        program = self._node(job.id, "MT:ProductionPrograms/SIM:Program")
        await space.add_object(program, programs, "SIM:Program", "MT:59", HAS_ORDERED_COMPONENT)
        await space.add_property(program, "MT:Name", variant(job.program, "String"))
        await space.add_property(program, "UA:NumberInList", variant(0, "UInt16"))
        self._shown[job.id] = {}

    async def _update(self, each: PlannedJob, number: int) -> None:
        state, shown = JOB_STATES[each.state], self._shown[each.job.id]
        values: Mapping[str, Any] = {
            "UA:NumberInList": variant(number, "UInt16"),
            "MT:RunsPlanned": variant(each.job.runs_planned, "UInt32"),
            "MT:RunsCompleted": variant(each.runs_completed, "UInt32"),
            "MT:PartsCompleted": variant(each.runs_completed, "UInt32"),
            "MT:PartsGood": variant(each.parts_good, "UInt32"),
            "MT:State/UA:CurrentState": ua.Variant(ua.LocalizedText(state.name)),
            "MT:State/UA:CurrentState/UA:Id": ua.Variant(self._space.node(state.node)),
            "MT:State/UA:CurrentState/UA:Number": variant(each.state, "UInt32"),
        }
        for path, value in values.items():
            if shown.get(path) != value.Value:
                shown[path] = value.Value
                await self._write(self._node(each.job.id, path), value, each.since)

    async def _remove(self, job: str, now: int) -> None:
        """Delete a job's nodes after telling those who watch them that they are gone."""
        aspace, prefix = self._server.iserver.aspace, self._node(job)
        gone = [node for node in list(aspace.keys()) if _is_below(node, prefix)]
        for node in gone:
            value = aspace[node].attributes.get(ua.AttributeIds.Value)
            if value is not None and value.datachange_callbacks:
                await self._write(node, None, now)
                for handle in list(value.datachange_callbacks):
                    aspace.delete_datachange_callback(handle)
        # Only the plan points at the job: to look for others would mean to walk the whole address space.
        reference = ua.DeleteReferencesItem()
        reference.SourceNodeId, reference.TargetNodeId = self._nodes.at(PLAN), prefix
        reference.ReferenceTypeId, reference.IsForward = ua.NodeId(HAS_ORDERED_COMPONENT), True
        await self._server.iserver.isession.delete_references([reference])
        items = [ua.DeleteNodesItem(NodeId=node, DeleteTargetReferences=False) for node in gone]
        await self._server.iserver.isession.delete_nodes(ua.DeleteNodesParameters(items))
        del self._shown[job]

    async def _tell(self, now: int) -> None:
        self._version += 1
        plan = self._nodes.at(PLAN)
        await self._write(self._nodes.at(f"{PLAN}/UA:NodeVersion"), variant(str(self._version), "String"), now)
        change = ua.ModelChangeStructureDataType(Affected=plan, AffectedType=self._space.node("MT:30"), Verb=3)
        self._events.event.Changes = [change]
        await self._events.trigger(message="The production plan has changed")


class ToolTable:
    """The tools in the magazine and the life that each has left."""

    def __init__(self, space: AddressSpace, nodes: MachineNodes, write: Write) -> None:
        self._space = space
        self._nodes = nodes
        self._write = write
        self._shown: list[float] = []

    async def build(self, minutes: Sequence[float]) -> None:
        """Add a node for each tool."""
        await self._space.add_property(self._nodes.at(TOOLS), "UA:NodeVersion", variant("0", "String"))
        for place, left in enumerate(minutes, start=1):
            await self._add(place, left)
        self._shown = list(minutes)

    async def show(self, minutes: Sequence[float], now: int) -> None:
        """Bring the remaining life of each tool up to date."""
        for place, left in enumerate(minutes, start=1):
            if self._shown[place - 1] != left:
                self._shown[place - 1] = left
                path = f"{TOOLS}/SIM:T{place:02d}"
                await self._write(self._nodes.at(f"{path}/MT:ToolLife/SIM:Time"), variant(left, "Double"), now)

    async def _add(self, place: int, left: float) -> None:
        space, path = self._space, f"{TOOLS}/SIM:T{place:02d}"
        node = self._nodes.at(path)
        await space.add_object(node, self._nodes.at(TOOLS), f"SIM:T{place:02d}", "MT:50")
        await space.add_property(node, "MT:Identifier", variant(f"T{place:02d}", "String"))
        await space.add_property(node, "MT:Name", variant(f"Tool {place}", "String"))
        location = self._nodes.at(f"{path}/MT:Location")
        await space.add_object(location, node, "MT:Location", "UA:58")
        await space.add_property(location, "MT:Name", variant("Magazine 1", "String"))
        await space.add_property(location, "MT:PlaceNumber", variant(place, "UInt16"))
        for name, value, data_type in (
            ("ControlIdentifier1", variant(place, "UInt32"), None),
            ("ControlIdentifierInterpretation", variant(0, "Int32"), space.node("MT:69")),
            ("Locked", variant(value=False, built_in="Boolean"), None),
        ):
            await space.add_variable(self._nodes.at(f"{path}/MT:{name}"), node, f"MT:{name}", value, data_type)
        locked = self._nodes.at(f"{path}/MT:Locked")
        await space.add_property(locked, "MT:ReasonForLocking", variant(5, "Int32"), space.node("MT:66"))
        await self._add_life(path, place, left)

    async def _add_life(self, path: str, place: int, left: float) -> None:
        space, life, time = self._space, f"{path}/MT:ToolLife", self._nodes.at(f"{path}/MT:ToolLife/SIM:Time")
        await space.add_object(self._nodes.at(life), self._nodes.at(path), "MT:ToolLife", "UA:58")
        value = variant(left, "Double")
        await space.add_variable(time, self._nodes.at(life), "SIM:Time", value, type_definition=space.node("MT:61"))
        whole = tool_life_seconds(place) / 60
        await add_units(space, time, "MT:EngineeringUnits", "MIN")
        await space.add_property(time, "MT:Indication", variant(0, "Int32"), space.node("MT:68"))
        await space.add_property(time, "MT:IsCountingUp", variant(value=False, built_in="Boolean"))
        for name, number in (("StartValue", whole), ("WarningValue", round(whole / 10, 1)), ("LimitValue", 0.0)):
            await space.add_property(time, f"MT:{name}", variant(number, "Double"))


def _is_below(node: Any, top: Any) -> bool:
    identifier = node.Identifier
    if node.NamespaceIndex != top.NamespaceIndex or not isinstance(identifier, str):
        return False
    return identifier == top.Identifier or identifier.startswith(f"{top.Identifier}/")
