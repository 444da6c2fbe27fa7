"""What one value of a text signal holds when the machine says several things at once. Pure.

`alarms`, `prognoses`, `lifetimes` and `tools` hold everything that is there at that stamp, so that the last sample
alone tells it; `tool` and `message` hold one thing. Written as JSON, without what is empty.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, TypeVar

from shopfloor.signals import TEXT_MAX

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Alarm:
    """A condition that is active (OPC 10000-9), or an alert of the control (OPC 40501-1, 9.1).

    Attributes:
        id: what tells it from the machine's other conditions, the same each time that it comes.
        code: the maker's code, empty when it has none.
        text: what the control shows.
        severity: 1 to 1000 (OPC 10000-5, 6.4.2).
        since: when it became active, RFC 3339.
        source: the part of the machine that it comes from.
        kind: its condition class, such as `MaintenanceConditionClassType`, empty when it has none.
        blocking: whether it keeps the machine from working.
    """

    id: str
    code: str = ""
    text: str = ""
    severity: int = 0
    since: str = ""
    source: str = ""
    kind: str = ""
    blocking: bool = False


@dataclass(frozen=True, slots=True)
class Message:
    """Something that the control announced once (OPC 40501-1, 9.3).

    Attributes:
        code: its identifier.
        text: what the control shows.
        severity: 1 to 1000.
        source: the part of the machine that it comes from.
    """

    code: str = ""
    text: str = ""
    severity: int = 0
    source: str = ""


@dataclass(frozen=True, slots=True)
class Life:
    """A measure of how far something is used up (OPC 40501-1, 8.5.5; OPC 10000-100, LifetimeVariableType).

    Attributes:
        id: its BrowseName.
        value: where it stands; None when the machine does not tell.
        unit: as the machine writes it; durations in ms, min and h are turned into `s`.
        start: where it began.
        warning: where it becomes critical.
        limit: where it is used up.
        measure: what is counted, of a tool: `time`, `parts`, `usages`, `feed_distance`, `cutting_distance`, `length`,
            `diameter`, `other`.
        counts_up: whether it rises towards its limit; None when the machine does not tell.
    """

    id: str
    value: float | None = None
    unit: str = ""
    start: float | None = None
    warning: float | None = None
    limit: float | None = None
    measure: str = ""
    counts_up: bool | None = None


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that the machine has (OPC 40501-1, 8.5).

    Attributes:
        id: what tells it from the machine's other tools.
        number: ControlIdentifier1, by which programs call it; None when it has none.
        sister: ControlIdentifier2.
        name: what people call it.
        place: name of its magazine or holder.
        place_number: number of its place there.
        locked: why it may not be used: `capability_unavailable`, `by_operator`, `tool_break`, `tool_life`,
            `measurement_error`, `other`; empty while it may.
        last_used: RFC 3339, empty when not told.
        life: its measures of life.
        removed: it is there no more.
    """

    id: str
    number: int | None = None
    sister: int | None = None
    name: str = ""
    place: str = ""
    place_number: int | None = None
    locked: str = ""
    last_used: str = ""
    life: tuple[Life, ...] = ()
    removed: bool = False


@dataclass(frozen=True, slots=True)
class Prognosis:
    """What the control expects to happen (OPC 40501-1, 8.6.3 to 8.6.14): its statement, not ours.

    Attributes:
        id: what tells it from the machine's other prognoses.
        kind: `maintenance`, `manual_activity`, `part_load`, `part_unload`, `process_changeover`, `job_end`,
            `tool_change`, `tool_load`, `tool_unload`, `utility_change`, or `other`.
        predicted: when, RFC 3339, empty when not told.
        details: what it is about, such as `activity`, `location`, `part_name`, `tool_identifier`, `utility_name`.
    """

    id: str
    kind: str = "other"
    predicted: str = ""
    details: Mapping[str, str] = field(default_factory=dict)


Entry = TypeVar("Entry", Alarm, Message, Life, Tool, Prognosis)


def encode(entry: Alarm | Message | Life | Tool | Prognosis) -> str:
    """Write one entry; texts are cut where it would be longer than a text value may be."""
    plain = _plain(entry)
    text = _json(plain)
    if len(text) > TEXT_MAX:
        text = _json({key: value[:_CUT] if isinstance(value, str) else value for key, value in plain.items()
                      if key not in {"life", "details"}})  # fmt: skip
    return text


def encode_all(entries: Sequence[Alarm | Message | Life | Tool | Prognosis | str]) -> str:
    """Write several entries, the most important first: those that do not fit in a text value are counted at its end."""
    parts = [_json(each) if isinstance(each, str) else encode(each) for each in entries]
    room, kept = TEXT_MAX - len('[,{"more":1000000}]'), 0
    for part in parts:
        room -= len(part) + 1
        if room < 0:
            break
        kept += 1
    more = [_json({"more": len(parts) - kept})] if kept < len(parts) else []
    return f"[{','.join([*parts[:kept], *more])}]"


def decode(kind: type[Entry], text: str) -> Entry:
    """Read one entry.

    Raises:
        ValueError: when the text is no such entry.
    """
    try:
        return _entry(kind, json.loads(text))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{text[:80]!r} is no {kind.__name__}: {error}") from error


def decode_all(kind: type[Entry], text: str) -> tuple[list[Entry], int]:
    """Read several entries, and how many more there were.

    Raises:
        ValueError: when the text holds no such entries.
    """
    try:
        members = _members(text)
        more = members.pop()["more"] if members and set(members[-1]) == {"more"} else 0
        return [_entry(kind, each) for each in members], int(more)
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError(f"{text[:80]!r} are no entries of the kind {kind.__name__}: {error}") from error


_CUT = 400


def _members(text: str) -> list[Any]:
    found = json.loads(text)
    if not isinstance(found, list):
        raise TypeError("they are no list")
    return found


def _plain(entry: object) -> dict[str, object]:
    found: dict[str, object] = {}
    for each in fields(entry):  # type: ignore[arg-type]
        value = getattr(entry, each.name)
        if isinstance(value, tuple):
            value = tuple(_plain(part) for part in value)
        is_told = value not in ("", None, (), {}) and value is not each.default
        if is_told or each.name == "id":
            found[each.name] = value
    return found


def _entry(kind: type[Entry], plain: object) -> Entry:
    if not isinstance(plain, dict):
        raise TypeError("it is no object")
    known = {each.name for each in fields(kind)}
    given = {key: value for key, value in plain.items() if key in known}
    if kind is Tool and "life" in given:
        given["life"] = tuple(_entry(Life, each) for each in given["life"])
    return kind(**given)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
