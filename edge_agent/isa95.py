"""Reads the job orders and job responses of OPC 10031-4 (ISA-95 job control) from their binary encoding. Pure.

The layouts are those of the DataTypes in the namespace `IJ`; structures whose fields are optional begin with a mask of
the ones that are there (OPC 10000-6, 5.2.7).
"""

from __future__ import annotations

from struct import error as StructError  # noqa: N812 - it is an exception class in lower case
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from edge_agent.notifications import MalformedError, Reader

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edge_agent.notifications import Field, Structure

NOT_ALLOWED, ALLOWED, RUNNING, INTERRUPTED, ENDED, ABORTED = range(1, 7)
"""Numbers of the states of a job order (OPC 10031-4, 6.2.3)."""

ORDER_AND_STATE, ORDER, STATE, RESPONSE = 5032, 5014, 5029, 5026
"""Ids, in `IJ`, of the binary encodings of the structures that lists and events hold."""


class Job(NamedTuple):
    """A job as its order or its response tells it.

    Attributes:
        identifier: JobOrderID.
        state: number of its state, 0 when not told.
        programs: IDs of its work masters.
        parameters: value by ID of the job order's parameters, or of the response's data.
    """

    identifier: str
    state: int = 0
    programs: tuple[str, ...] = ()
    parameters: Mapping[str, Field] = MappingProxyType({})


_Layout: TypeAlias = "tuple[tuple[str, str], ...]"

_LAYOUTS: Mapping[str, tuple[bool, _Layout]] = {
    "Unit": (False, (("NamespaceUri", "String"), ("UnitId", "Int32"), ("Name", "Text"), ("Text", "Text"))),
    "Parameter": (True, (("ID", "String"), ("Value", "Value"), ("Description?", "Text*"), ("Unit?", "Unit"),
                         ("Subparameters?", "Parameter*"))),
    "WorkMaster": (True, (("ID", "String"), ("Description?", "Text"), ("Parameters?", "Parameter*"))),
    "Resource": (True, (("ID", "String"), ("Description?", "Text*"), ("Use?", "String"), ("Quantity?", "String"),
                        ("Unit?", "Unit"), ("Properties?", "Parameter*"))),
    "Material": (True, (("ClassID?", "String"), ("DefinitionID?", "String"), ("LotID?", "String"),
                        ("SublotID?", "String"), ("Description?", "Text*"), ("Use?", "String"),
                        ("Quantity?", "String"), ("Unit?", "Unit"), ("Properties?", "Parameter*"))),
    "PathElement": (False, (("Reference", "NodeId"), ("IsInverse", "Boolean"), ("IncludeSubtypes", "Boolean"),
                            ("TargetName", "Name"))),
    "State": (False, (("BrowsePath", "PathElement*"), ("StateText", "Text"), ("StateNumber", "UInt32"))),
    "Order": (True, (("JobOrderID", "String"), ("Description?", "Text*"), ("WorkMasterID?", "WorkMaster*"),
                     ("StartTime?", "DateTime"), ("EndTime?", "DateTime"), ("Priority?", "Int16"),
                     ("Parameters?", "Parameter*"), ("Personnel?", "Resource*"), ("Equipment?", "Resource*"),
                     ("PhysicalAssets?", "Resource*"), ("Materials?", "Material*"))),
    "OrderAndState": (False, (("JobOrder", "Order"), ("State", "State*"))),
    "Response": (True, (("JobResponseID", "String"), ("Description?", "Text"), ("JobOrderID", "String"),
                        ("StartTime?", "DateTime"), ("EndTime?", "DateTime"), ("JobState", "State*"),
                        ("Parameters?", "Parameter*"), ("Personnel?", "Resource*"), ("Equipment?", "Resource*"),
                        ("PhysicalAssets?", "Resource*"), ("Materials?", "Material*"))),
}  # fmt: skip
"""Whether a mask stands first, then the fields in their order: name, `?` when optional; type, `*` when an array."""

_BUILT_IN = {"Boolean": 1, "Int16": 4, "Int32": 6, "UInt32": 7, "String": 12, "DateTime": 13, "NodeId": 17, "Name": 20,
             "Text": 21}  # fmt: skip

_Record: TypeAlias = "dict[str, object]"


def _record(reader: Reader, name: str, depth: int = 0) -> _Record:
    if depth > _DEPTH_MAX:
        raise MalformedError("parameters are nested too deeply")
    has_mask, layout = _LAYOUTS[name]
    mask = reader.uint32() if has_mask else 0
    found: _Record = {}
    bit = 1
    for field, kind in layout:
        if field.endswith("?"):
            is_there, bit = bool(mask & bit), bit << 1
            if not is_there:
                continue
        base, is_array = kind.rstrip("*"), kind.endswith("*")
        values = [_value(reader, base, depth) for _ in range(reader.count() if is_array else 1)]
        found[field.rstrip("?")] = values if is_array else values[0]
    return found


_DEPTH_MAX = 10


def _value(reader: Reader, kind: str, depth: int) -> object:
    if kind == "Value":
        return reader.whole()
    return reader.element(_BUILT_IN[kind]) if kind in _BUILT_IN else _record(reader, kind, depth + 1)


def _list(record: _Record, field: str) -> list[_Record]:
    found = record.get(field)
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _state(states: list[_Record]) -> int:
    """Return the number of the state itself: sub-states are told after it, with a longer path."""
    tops = sorted(states, key=lambda each: len(_list(each, "BrowsePath")))
    number = tops[0]["StateNumber"] if tops else 0
    return number if isinstance(number, int) else 0


def _parameters(record: _Record) -> dict[str, Field]:
    return {str(each["ID"]): each["Value"] for each in _list(record, "Parameters")}  # type: ignore[misc]


def read_job(structure: Structure) -> Job:
    """Read a job from a structure of `ORDER_AND_STATE`, `ORDER` or `RESPONSE`.

    Raises:
        MalformedError: when it is of another type or does not follow its layout.
    """
    name = {ORDER_AND_STATE: "OrderAndState", ORDER: "Order", RESPONSE: "Response"}.get(_number(structure))
    if name is None:
        raise MalformedError(f"{structure.type} is no job order and no job response")
    record = _open(structure, name)
    inner = record.get("JobOrder", record)
    order = inner if isinstance(inner, dict) else {}
    masters = _list(order, "WorkMasterID")
    states = _list(record, "State") or _list(record, "JobState")
    return Job(str(order.get("JobOrderID") or ""), _state(states), tuple(str(each["ID"] or "") for each in masters),
               _parameters(order))  # fmt: skip


def read_state(structures: tuple[Structure, ...]) -> int:
    """Read the state of a job from the structures of `STATE` that an event tells it by, 0 when there are none.

    Raises:
        MalformedError: when one does not follow its layout.
    """
    return _state([_open(each, "State") for each in structures])


def _number(structure: Structure) -> int:
    identifier = structure.type.identifier
    return identifier if isinstance(identifier, int) else 0


def _open(structure: Structure, name: str) -> _Record:
    reader = Reader(structure.body)
    try:
        record = _record(reader, name)
    except (StructError, IndexError, UnicodeDecodeError) as error:
        raise MalformedError(f"a {name} breaks off at byte {reader.at}: {error}") from error
    if reader.at > len(structure.body):
        raise MalformedError(f"a {name} is shorter than what it holds")
    return record
