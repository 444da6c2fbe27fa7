"""Which events the agent listens to, and what it reads of each. Pure.

One selection of fields serves all: a server leaves empty what an event's type does not have. What kind an event is says
its EventType, whose subtypes the agent learns when it connects.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from edge_agent.nodemap import NAMESPACES, Address, Named, index_of, parse_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from edge_agent.nodemap import Path
    from edge_agent.notifications import Field, NodeIdentity


class Kind(Enum):
    """What an event may be, by the type that its EventType is or descends from."""

    CONDITION = "UA:2782"  # ConditionType, OPC 10000-9, 5.5.2; alerts, interruptions and CNC alarms are subtypes
    NOTIFICATION = "MT:35"  # NotificationEventType, OPC 40501-1, 9.3
    CNC_MESSAGE = "CNC:1011"  # CncMessageType, OPC 40502
    JOB_STATUS = "IJ:1006"  # ISA95JobOrderStatusEventType, OPC 10031-4
    JOB_TRANSITION = "MT:31"  # ProductionJobTransitionEventType, OPC 40501-1, 9.4
    PROGRAM_TRANSITION = "MT:17"  # ProductionProgramTransitionEventType, OPC 40501-1, 9.6
    MODEL_CHANGE = "UA:2132"  # BaseModelChangeEventType, OPC 10000-3, 9.32; GeneralModelChangeEventType is a subtype
    REFRESH_START = "UA:2787"  # OPC 10000-9, 5.11.2
    REFRESH_END = "UA:2788"
    REFRESH_REQUIRED = "UA:2789"
    OVERFLOW = "UA:3035"  # EventQueueOverflowEventType, OPC 10000-4, 7.25.3

    @property
    def type(self) -> Address:
        """The type that its members are or descend from."""
        prefix, _, number = self.value.partition(":")
        return Address(NAMESPACES[prefix], int(number))


class Selected(NamedTuple):
    """A field to select.

    Attributes:
        name: what it is called in `Event.fields`.
        type: the event type that has it.
        path: its BrowseNames; empty for the NodeId of the condition itself.
    """

    name: str
    type: Address
    path: Path


def _selected(name: str, owner: str, path: str) -> Selected:
    prefix, _, number = owner.partition(":")
    return Selected(name, Address(NAMESPACES[prefix], int(number)), parse_path(path) if path else ())


_BASE = (
    _selected("event_id", "UA:2041", "UA:EventId"),
    _selected("event_type", "UA:2041", "UA:EventType"),
    _selected("source_node", "UA:2041", "UA:SourceNode"),
    _selected("source_name", "UA:2041", "UA:SourceName"),
    _selected("time", "UA:2041", "UA:Time"),
    _selected("message", "UA:2041", "UA:Message"),
    _selected("severity", "UA:2041", "UA:Severity"),
)
_MORE = (
    _selected("condition", "UA:2782", ""),
    _selected("condition_name", "UA:2782", "UA:ConditionName"),
    _selected("condition_class", "UA:2782", "UA:ConditionClassName"),
    _selected("branch", "UA:2782", "UA:BranchId"),
    _selected("retain", "UA:2782", "UA:Retain"),
    _selected("enabled", "UA:2782", "UA:EnabledState/UA:Id"),
    _selected("active", "UA:2915", "UA:ActiveState/UA:Id"),
    _selected("error_code", "MT:39", "MT:ErrorCode"),
    _selected("alarm_identifier", "CNC:1006", "CNC:AlarmIdentifier"),
    _selected("notification", "MT:35", "MT:Identifier"),
    _selected("to_state", "UA:2311", "UA:ToState"),
    _selected("to_state_number", "UA:2311", "UA:ToState/UA:Number"),
    _selected("job", "MT:31", "MT:Identifier"),
    _selected("order", "MT:31", "MT:OrderIdentifier"),
    _selected("customer_order", "MT:31", "MT:CustomerOrderIdentifier"),
    _selected("runs_planned", "MT:31", "MT:RunsPlanned"),
    _selected("runs_completed", "MT:31", "MT:RunsCompleted"),
    _selected("program", "MT:17", "MT:Name"),
    _selected("program_job", "MT:17", "MT:JobIdentifier"),
    _selected("job_order", "IJ:1006", "IJ:JobOrder"),
    _selected("job_state", "IJ:1006", "IJ:JobState"),
    _selected("job_response", "IJ:1006", "IJ:JobResponse"),
)


class Event(NamedTuple):
    """An event.

    Attributes:
        kind: what it is.
        type: its EventType.
        fields: value by name; what its type does not have is None.
        interrupts: whether it is a condition that interrupts production (OPC 40501-1, 9.2).
    """

    kind: Kind
    type: NodeIdentity
    fields: Mapping[str, Field]
    interrupts: bool = False

    def text(self, name: str) -> str:
        """Return a field as text, empty when there is none."""
        value = self.fields.get(name)
        return value if isinstance(value, str) else ""

    def number(self, name: str) -> int:
        """Return a field as a number, 0 when there is none."""
        value = self.fields.get(name)
        return value if isinstance(value, int) else 0


def selection(table: Sequence[str], *, modest: bool = False) -> list[Selected]:
    """List the fields to select.

    Args:
        table: the server's namespaces; fields in others are left out.
        modest: only those that every server knows, for one that refuses the rest.
    """
    found = _BASE if modest else (*_BASE, *_MORE)
    return [each for each in found if index_of(each.type, table) and all(_is_known(step, table) for step in each.path)]


def _is_known(step: object, table: Sequence[str]) -> bool:
    return isinstance(step, Named) and step.namespace in table


INTERRUPTION = Address(NAMESPACES["MT"], 19)
"""InterruptionConditionType (OPC 40501-1, 9.2)."""


class EventTypes:
    """Which kind each event type of a server is.

    Args:
        kinds: kind by type, subtypes included.
        interruptions: the types of conditions that interrupt production.
    """

    def __init__(self, kinds: Mapping[NodeIdentity, Kind], interruptions: frozenset[NodeIdentity]) -> None:
        self._kinds = kinds
        self._interruptions = interruptions

    def of(self, kinds: Iterable[Kind]) -> list[NodeIdentity]:
        """List the types of some kinds: all of them, because some servers compare a filter with the very type only."""
        wanted = set(kinds)
        return [each for each, kind in self._kinds.items() if kind in wanted]

    def read(self, selected: Sequence[Selected], values: Sequence[Field]) -> Event | None:
        """Read an event; None for one that is not listened to."""
        fields = {each.name: value for each, value in zip(selected, values, strict=False)}
        kind_of = fields.get("event_type")
        kind = self._kinds.get(kind_of) if isinstance(kind_of, tuple) else None  # type: ignore[call-overload]
        if kind is None:
            return None
        return Event(kind, kind_of, fields, kind_of in self._interruptions)  # type: ignore[arg-type]
