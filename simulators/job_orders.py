"""The job orders of a machine that serves OPC 40001-3 JobManagement in place of the deprecated production plan.

The structures are those of OPC 10031-4 (ISA-95 job control), 6.3; of each only the fields up to the last one that a
simulated machine fills, because the mask says which ones there are (OPC 10000-6, 5.2.7).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from asyncua import ua
from asyncua.ua.ua_binary import struct_to_binary

from simulators.address_space import variant
from simulators.transitions import Notifier
from simulators.tree import JOBS, ORDERS, RESPONSES

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from asyncua import Server

    from simulators.address_space import AddressSpace, MachineNodes
    from simulators.jobs import Job
    from simulators.machine import PlannedJob

    Write = Callable[[Any, Any, int], Awaitable[None]]

_STATES = ((2, "AllowedToStart"), (3, "Running"), (5, "Ended"), (4, "Interrupted"))
"""Number and name of a job order's state (OPC 10031-4, 6.2.3), by the number of `PlannedJob.state`."""
_ALLOWED, _RUNNING = 0, 1  # numbers of PlannedJob.state
_PRODUCTION_MODE = 2  # JobExecutionMode, OPC 40001-3, 7.2
_OBJECT = ua.VariantType.ExtensionObject


@dataclass
class _Parameter:
    """ISA95ParameterDataType."""

    Encoding: ua.UInt32 = 0
    ID: ua.String = ""
    Value: ua.Variant = field(default_factory=ua.Variant)


@dataclass
class _WorkMaster:
    """ISA95WorkMasterDataType."""

    Encoding: ua.UInt32 = 0
    ID: ua.String = ""


@dataclass
class _State:
    """ISA95StateDataType."""

    BrowsePath: list[ua.RelativePathElement] = field(default_factory=list)
    StateText: ua.LocalizedText = field(default_factory=ua.LocalizedText)
    StateNumber: ua.UInt32 = 0


@dataclass
class _Order:
    """ISA95JobOrderDataType."""

    Encoding: ua.UInt32 = 0
    JobOrderID: ua.String = ""
    Description: list[ua.LocalizedText] | None = None
    WorkMasterID: list[_WorkMaster] | None = None
    StartTime: ua.DateTime | None = None
    EndTime: ua.DateTime | None = None
    Priority: ua.Int16 | None = None
    JobOrderParameters: list[_Parameter] | None = None


@dataclass
class _OrderAndState:
    """ISA95JobOrderAndStateDataType."""

    JobOrder: _Order = field(default_factory=_Order)
    State: list[_State] = field(default_factory=list)


@dataclass
class _Response:
    """ISA95JobResponseDataType."""

    Encoding: ua.UInt32 = 0
    JobResponseID: ua.String = ""
    Description: ua.LocalizedText | None = None
    JobOrderID: ua.String = ""
    StartTime: ua.DateTime | None = None
    EndTime: ua.DateTime | None = None
    JobState: list[_State] = field(default_factory=list)
    JobResponseData: list[_Parameter] | None = None


class OrderTable:
    """The job orders on the control and what became of them, as two lists whose values change as a whole.

    Each order that changes its state is told by an event as well (OPC 10031-4, ISA95JobOrderStatusEventType).

    Args:
        server: where the events are raised.
        space: where the nodes are.
        nodes: of the machine.
        write: serves a value: node, value, stamp.
    """

    def __init__(self, server: Server, space: AddressSpace, nodes: MachineNodes, write: Write) -> None:
        self._space = space
        self._nodes = nodes
        self._write = write
        self._results = nodes.at(f"{JOBS}/MJ:JobOrderResults")
        self._notifier = Notifier(server, space.node("SIM:1006"), self._results)
        self._states: dict[str, int] | None = None
        self._shown: tuple[PlannedJob, ...] | None = None

    async def build(self) -> None:
        """Add both lists, empty, and make the results a notifier."""
        await self._notifier.build()
        for path, data_type in ((ORDERS, "IJ:3015"), (RESPONSES, "IJ:3013")):
            parent, _, name = path.rpartition("/")
            await self._space.add_variable(
                self._nodes.at(path), self._nodes.at(parent), name, ua.Variant([], _OBJECT), self._space.node(data_type)
            )

    async def tell(self, jobs: Sequence[PlannedJob]) -> None:
        """Raise an event for each order that changed its state since the last call; the first call tells nothing."""
        before, self._states = self._states, {each.job.id: each.state for each in jobs}
        if before is None:
            return
        for each in sorted(jobs, key=lambda one: one.state == _RUNNING):  # what ended, ended before the next one ran
            if before.get(each.job.id, _ALLOWED) != each.state:
                await self._notifier.tell(self._results, f"Job {each.job.id}", each.since, {
                    "JobOrder": ua.Variant(self._packed("IJ:5014", _order(each.job)), _OBJECT),
                    "JobState": ua.Variant([self._packed("IJ:5029", _state(each))], _OBJECT),
                    "JobResponse": ua.Variant(self._packed("IJ:5026", _response(each)), _OBJECT),
                })  # fmt: skip

    async def show(self, jobs: Sequence[PlannedJob], now: int) -> None:
        """Bring the lists in line with the jobs on the control."""
        if tuple(jobs) == self._shown:
            return
        before = self._shown or ()
        is_shorter = {each.job.id for each in before} - {each.job.id for each in jobs}
        changed = [each.since for each in jobs if each not in before]
        stamp = now if is_shorter or not changed else max(changed)
        self._shown = tuple(jobs)
        orders = [self._packed("IJ:5032", _OrderAndState(_order(each.job), [_state(each)])) for each in jobs]
        responses = [self._packed("IJ:5026", _response(each)) for each in jobs]
        for path, members in ((ORDERS, orders), (RESPONSES, responses)):
            await self._write(self._nodes.at(path), ua.Variant(members, _OBJECT), stamp)

    def _packed(self, encoding: str, structure: Any) -> Any:
        return ua.ExtensionObject(self._space.node(encoding), struct_to_binary(structure))


def _state(each: PlannedJob) -> _State:
    number, name = _STATES[each.state]
    return _State([], ua.LocalizedText(name), number)


def _order(job: Job) -> _Order:
    """Describe a job by the parameters of OPC 40001-3, 7.2, Table 1."""
    parameters = [
        _Parameter(ID="JobName", Value=ua.Variant([ua.LocalizedText(job.part)], ua.VariantType.LocalizedText)),
        _Parameter(ID="OrderNumbers", Value=variant([job.order], "String")),
        _Parameter(ID="CustomerOrderNumbers", Value=variant([job.customer_order], "String")),
        _Parameter(ID="JobExecutionMode", Value=variant(_PRODUCTION_MODE, "Int32")),
        _Parameter(ID="RunsPlanned", Value=variant(job.runs_planned, "UInt32")),
    ]
    return _Order(JobOrderID=job.id, WorkMasterID=[_WorkMaster(ID=job.program)], JobOrderParameters=parameters)


def _response(each: PlannedJob) -> _Response:
    parts = {"ProducedQuantity": each.runs_completed, "GoodQuantity": each.parts_good}
    data = [_Parameter(ID=name, Value=variant(number, "Double")) for name, number in parts.items()]
    return _Response(JobResponseID=f"{each.job.id}-response", JobOrderID=each.job.id, JobState=[_state(each)],
                     JobResponseData=data)  # fmt: skip
