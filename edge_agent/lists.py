"""The lists that a machine keeps of its tools, lifetimes and prognoses: where their members are, what is new. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from edge_agent.alarms import Told
from edge_agent.nodemap import NAMESPACES, Address, parse_path
from edge_agent.units import seconds
from shopfloor.entries import Life, Prognosis, Tool, encode, encode_all
from shopfloor.periods import format_instant

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edge_agent.notifications import NodeIdentity


class Place(Enum):
    """The place of a list, by the path from the machine's node to its members."""

    TOOLS = ("MT:Equipment/MT:Tools/<MT:49>",)  # OPC 40501-1, 8.5: BaseToolType
    TOOLS_OF_TOOLS = ("MT:Equipment/MT:Tools/<MT:51>/<MT:49>",)  # MultiToolType
    PROGNOSES = ("MT:Notification/MT:Prognoses/<MT:3>",)  # OPC 40501-1, 8.6: PrognosisType
    LIFETIMES = ("MY:MachineryBuildingBlocks/<MY:1015>/<DI:468>", "MY:LifetimeCounters/<DI:468>")  # OPC 40001-1, 15

    @property
    def paths(self) -> tuple[str, ...]:
        """Where its members may be."""
        return tuple(self.value)

    @property
    def signal(self) -> str:
        """The signal that tells all of its members."""
        return {"TOOLS": "tools", "TOOLS_OF_TOOLS": "tools", "PROGNOSES": "prognoses", "LIFETIMES": "lifetimes"}[
            self.name
        ]


VERSIONS = tuple(parse_path(path) for path in ("MT:Equipment/MT:Tools/UA:NodeVersion",
                                               "MT:Notification/MT:Prognoses/UA:NodeVersion",
                                               "MT:Production/MT:ProductionPlan/UA:NodeVersion"))  # fmt: skip
"""What changes with the members of a list (OPC 10000-3, 9.32.2)."""

TOOL = {
    "number": "MT:ControlIdentifier1",
    "sister": "MT:ControlIdentifier2",
    "identifier": "MT:Identifier",
    "name": "MT:Name",
    "place": "MT:Location/MT:Name",
    "place_number": "MT:Location/MT:PlaceNumber",
    "locked": "MT:Locked",
    "reason": "MT:Locked/MT:ReasonForLocking",
    "last_used": "MT:LastUsage",
}
"""Nodes below a tool, by what they tell."""
TOOL_LIVES = "MT:ToolLife/<MT:61>"
"""The measures of a tool's life below it."""
LIFE = {
    "unit": ("MT:EngineeringUnits", "UA:EngineeringUnits"),
    "start": ("MT:StartValue", "DI:StartValue"),
    "warning": ("MT:WarningValue", "DI:WarningValues"),
    "limit": ("MT:LimitValue", "DI:LimitValue"),
    "measure": ("MT:Indication",),
    "counts_up": ("MT:IsCountingUp",),
}
"""Nodes below a measure of life, by what they tell."""
PREDICTED = "PredictedTime"
"""The BrowseName of the instant that a prognosis is about; its other variables are its details."""

KINDS = {1: "part_load", 4: "tool_load", 5: "part_unload", 6: "utility_change", 8: "process_changeover",
         9: "maintenance", 10: "manual_activity", 18: "tool_unload", 37: "job_end", 45: "tool_change"}  # fmt: skip
"""Types of prognoses by number in `MT`."""
_REASONS = ("capability_unavailable", "by_operator", "tool_break", "tool_life", "measurement_error", "other")
_MEASURES = ("time", "parts", "usages", "feed_distance", "cutting_distance", "length", "diameter", "other")


def kind_address(number: int) -> Address:
    """Return the type of a prognosis."""
    return Address(NAMESPACES["MT"], number)


@dataclass(slots=True)
class Member:
    """A member of a list, with the nodes that tell about it.

    Attributes:
        place: where it was found.
        id: its BrowseName, below that of the tool that it belongs to.
        kind: of a prognosis.
        nodes: node by what it tells.
        lives: node by what it tells, of each measure of its life, by BrowseName.
    """

    place: Place
    id: str
    kind: str = ""
    nodes: dict[str, NodeIdentity] = field(default_factory=dict)
    lives: dict[str, dict[str, NodeIdentity]] = field(default_factory=dict)

    def all_nodes(self) -> list[NodeIdentity]:
        """Return every node of it."""
        return [*self.nodes.values(), *(node for life in self.lives.values() for node in life.values())]


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _time(value: object) -> str:
    return format_instant(value) if isinstance(value, int) and value > 0 else ""


def _named(value: object, names: tuple[str, ...]) -> str:
    index = _whole(value)
    return names[index] if index is not None and 0 <= index < len(names) else ""


def _first_warning(levels: object, start: object) -> float | None:
    """Return the level that is reached first, where a counter warns at several (DI WarningValues)."""
    if not isinstance(levels, list | tuple):
        return _number(levels)
    numbers = [number for each in levels if (number := _number(each)) is not None]
    begin = _number(start)
    return min(numbers, key=lambda each: abs(each - begin) if begin is not None else 0.0, default=None)


def _life(name: str, nodes: Mapping[str, NodeIdentity], values: Mapping[NodeIdentity, object]) -> Life:
    told = {key: values.get(node) for key, node in nodes.items()}
    told["warning"] = _first_warning(told.get("warning"), told.get("start"))
    raw = _text(told.get("unit"))
    numbers = {key: seconds(_number(told.get(key)), raw)[0] for key in ("value", "start", "warning", "limit")}
    counts_up = told.get("counts_up")
    return Life(name, unit=seconds(None, raw)[1], measure=_named(told.get("measure"), _MEASURES),
                counts_up=counts_up if isinstance(counts_up, bool) else None, **numbers)  # fmt: skip


def _tool(member: Member, values: Mapping[NodeIdentity, object]) -> Tool:
    told = {key: values.get(node) for key, node in member.nodes.items()}
    locked = (_named(told.get("reason"), _REASONS) or "other") if told.get("locked") is True else ""
    return Tool(
        member.id,
        number=_whole(told.get("number")),
        sister=_whole(told.get("sister")),
        name=_text(told.get("name")) or _text(told.get("identifier")),
        place=_text(told.get("place")),
        place_number=_whole(told.get("place_number")),
        locked=locked,
        last_used=_time(told.get("last_used")),
        life=tuple(_life(name, nodes, values) for name, nodes in sorted(member.lives.items())),
    )


def _prognosis(member: Member, values: Mapping[NodeIdentity, object]) -> Prognosis:
    told = {key: values.get(node) for key, node in member.nodes.items()}
    details = {key: value for key, raw in told.items() if key != PREDICTED and (value := _text(raw))}
    return Prognosis(member.id, member.kind or "other", _time(told.get(PREDICTED)), details)


class Lists:
    """Remembers what was said of a machine's lists, and says what is new."""

    def __init__(self) -> None:
        self._tools: dict[str, Tool] = {}
        self._said: dict[str, str] = {}

    def forget_session(self) -> None:
        """Say everything again: what changed unheard is not known. Tools that are gone are still told once."""
        self._said.clear()
        self._tools = {name: Tool(name, removed=True) for name in self._tools}

    def look(
        self, present: set[Place], members: Sequence[Member], values: Mapping[NodeIdentity, object], stamp: int
    ) -> list[Told]:
        """Take in all members as they are now.

        Args:
            present: the lists that the machine has.
            members: of those lists.
            values: by node; a DateTime is nanoseconds UTC; nodes without a Good value are left out.
            stamp: when they were looked at.
        """
        told: list[Told] = []
        tools = {each.id: _tool(each, values) for each in members if each.place in {Place.TOOLS, Place.TOOLS_OF_TOOLS}}
        gone = {name: Tool(name, removed=True) for name in self._tools if name not in tools}
        told += [Told("tool", encode(tool), stamp) for name, tool in {**tools, **gone}.items()
                 if self._tools.get(name) != tool or name in gone]  # fmt: skip
        self._tools = tools
        prognoses = [_prognosis(each, values) for each in members if each.place is Place.PROGNOSES]
        prognoses.sort(key=lambda each: (each.predicted or "~", each.id))
        sets = {
            "tools": encode_all(sorted(tools)),
            "prognoses": encode_all(prognoses),
            "lifetimes": encode_all([_life(each.id, each.nodes, values) for each in members
                                     if each.place is Place.LIFETIMES]),
        }  # fmt: skip
        there = {each.signal for each in present}
        new = {signal: text for signal, text in sets.items()
               if (signal in there or signal in self._said) and self._said.get(signal) != text}  # fmt: skip
        self._said.update(new)
        return [*told, *(Told(signal, text, stamp) for signal, text in new.items())]
