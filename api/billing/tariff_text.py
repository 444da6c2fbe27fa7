"""The text of a tariff, changed version by version; what is not changed stays as it was written. Pure."""

from __future__ import annotations

import json
import re
import tomllib
from copy import deepcopy
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from api.billing.calendars import civil_month, next_month
from api.billing.pricelist import BadPriceError, Entry, table_of
from api.billing.scenarios.values import Node
from shopfloor.periods import INSTANT_MAX

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from zoneinfo import ZoneInfo

_HEADING = re.compile(r"\s*\[\[\s*versions\s*\]\]")
_ANY_HEADING = re.compile(r"\s*\[")
_FIRST = ("name", "from", "to")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_UNFIT = (
    "tariffs: this entry is written in a way that cannot be continued version by version, such as versions in one "
    "line: change it as text"
)


class TakenError(BadPriceError):
    """A version of this tariff begins at that time already."""


class Change(NamedTuple):
    """What becomes of a tariff.

    Attributes:
        version: the table of the version that is added, or that takes the place of another one.
        place: of the version whose place it takes, from 0; None for one that is added.
        head: what is changed of the tariff itself; None takes a key away.
    """

    version: Mapping[str, Any]
    place: int | None = None
    head: Mapping[str, Any] = {}


def begun(name: str, change: Change) -> str:
    """Return the text of a tariff that begins with a version."""
    head = {"name": name, **{key: value for key, value in change.head.items() if value is not None}}
    return "".join(f"{line}\n" for line in (*_lines(head), "[[versions]]", *_lines(change.version)))


def changed(text: str, change: Change, zone: ZoneInfo) -> str:
    """Return the text of a tariff with a change.

    An added version ends the one in force at its beginning, and holds until the next one begins. Where a version
    begins at another time than before, one that ended there ends then.

    Args:
        text: of the entry.
        change: what is added or takes another one's place.
        zone: of times without an offset.

    Raises:
        TakenError: another version begins at that time.
        BadPriceError: the text cannot be changed in parts.
    """
    before = table_of(Entry("", "tariffs", text))
    after = _table(before, change, zone)
    lines = text.rstrip().splitlines()
    starts = [number for number, line in enumerate(lines) if _HEADING.match(line)]
    if len(starts) != len(before["versions"]):
        raise BadPriceError(_UNFIT)
    blocks = [lines[start:end] for start, end in zip(starts, [*starts[1:], len(lines)], strict=True)]
    head = _block(lines[: starts[0]], before, after, "name")
    kept = list(zip(blocks, before["versions"], after["versions"], strict=False))
    written = [*head, *(line for block, was, is_now in kept for line in _block(block, was, is_now, "from"))]
    if change.place is None:
        written += ["", "[[versions]]", *_lines(after["versions"][-1])]
    found = "".join(f"{line}\n" for line in written)
    if table_of(Entry("", "tariffs", found)) != after:
        raise BadPriceError(_UNFIT)
    return found


def tried(text: str, change: Change, month: str, zone: ZoneInfo) -> str:
    """Return the text of a tariff as if a version had been in force for the whole of a month, for trying it alone.

    Args:
        text: of the entry; empty for a tariff that there is not yet.
        change: see `changed`; when its version begins does not count.
        month: as `2026-10`.
        zone: of times without an offset.
    """
    table = table_of(Entry("", "tariffs", text)) if text else {"versions": []}
    _put_head(table, change)
    period = civil_month(month, zone)
    first, after = (date.fromisoformat(f"{each}-01") for each in (month, next_month(month)))
    rows = []
    for number, each in enumerate(table["versions"]):
        if number == change.place:
            continue
        named = {"name": str(number + 1), **each}
        start, end = _span(each, zone)
        if start < period.start:
            rows.append(named | ({"to": first} if end > period.start else {}))
        if end > period.end:
            follows = {"name": f"{named['name']} +"} if start < period.start else {}
            rows.append(named | follows | ({"from": after} if start < period.end else {}))
    rows.append({**change.version, "name": str(change.version.get("name", "")), "from": first, "to": after})
    head = [f"{line}\n" for key, value in table.items() if key != "versions" for line in _lines({key: value})]
    return "".join(head) + "".join("".join(f"{line}\n" for line in ("[[versions]]", *_lines(row))) for row in rows)


def in_force(versions: Sequence[Mapping[str, Any]], instant: int, zone: ZoneInfo) -> int:
    """Return the place of the version in force at an instant; of the last one where none is."""
    spans = [_span(each, zone) for each in versions]
    return next((place for place, (start, end) in enumerate(spans) if start <= instant < end), len(versions) - 1)


def begins(version: Mapping[str, Any], zone: ZoneInfo) -> int:
    """Return when the table of a version says that it begins."""
    return _span(version, zone)[0]


def _span(version: Mapping[str, Any], zone: ZoneInfo) -> tuple[int, int]:
    node = Node(version, "versions", zone)
    return node["from"].instant(), node["to"].instant() if "to" in node else INSTANT_MAX


def _put_head(table: dict[str, Any], change: Change) -> None:
    for key, value in change.head.items():
        if value is None:
            table.pop(key, None)
        else:
            table[key] = value


def _table(before: Mapping[str, Any], change: Change, zone: ZoneInfo) -> dict[str, Any]:
    """Return the table that a tariff becomes."""
    after = deepcopy(dict(before))
    _put_head(after, change)
    versions, wanted = after["versions"], dict(change.version)
    spans = [_span(each, zone) for each in versions]
    start = begins(wanted, zone)
    others = [place for place in range(len(versions)) if place != change.place]
    if any(spans[place][0] == start for place in others):
        raise TakenError("tariffs, from: another version of this tariff begins then: correct that one")
    if change.place is not None:
        was = spans[change.place][0]
        for place in others:
            if was != start and spans[place][1] == was:
                versions[place]["to"] = wanted["from"]
        versions[change.place] = wanted
        return after
    wanted.pop("to", None)
    covering = next((place for place, (first, end) in enumerate(spans) if first < start < end), None)
    if covering is not None:
        if "to" in versions[covering]:
            wanted["to"] = versions[covering]["to"]
        versions[covering]["to"] = wanted["from"]
    elif later := [place for place, (first, _) in enumerate(spans) if first > start]:
        wanted["to"] = versions[min(later, key=lambda place: spans[place][0])]["from"]
    versions.append(wanted)
    return after


def _block(lines: Sequence[str], before: Mapping[str, Any], after: Mapping[str, Any], anchor: str) -> list[str]:
    """Write what is changed between two tables of single lines; every other line stays.

    Args:
        lines: the text of the first one.
        before: the table that it is.
        after: the table that it becomes.
        anchor: the key that what is new stands behind.
    """
    until = next((number for number, line in enumerate(lines) if number and _ANY_HEADING.match(line)), len(lines))
    own, rest = list(lines[:until]), list(lines[until:])
    for key in sorted(key for key in {*before, *after} - {"versions"} if before.get(key) != after.get(key)):
        place = _place(own, key)
        written = _lines({key: after[key]}) if key in after else []
        if place is None:
            behind = (_place(own, anchor) or 0) + 1
            own[behind:behind] = written
        else:
            own[place : place + 1] = [line + _comment(own[place]) for line in written]
    return [*own, *rest]


def _place(lines: Sequence[str], key: str) -> int | None:
    found = re.compile(rf'\s*(?:{re.escape(key)}|"{re.escape(key)}")\s*=')
    return next((number for number, line in enumerate(lines) if found.match(line)), None)


def _comment(line: str) -> str:
    """Return the remark at the end of a line, with a blank before it."""
    for found in re.finditer("#", line):
        try:
            tomllib.loads(line[: found.start()])
        except tomllib.TOMLDecodeError:
            continue
        return f"  {line[found.start() :]}"
    return ""


def _lines(table: Mapping[str, Any]) -> list[str]:
    """Write a table, what a reader looks for first at its beginning."""
    order = sorted(table, key=lambda key: _FIRST.index(key) if key in _FIRST else len(_FIRST))
    return [f"{_key(key)} = {_value(table[key])}" for key in order]


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _value(key)


def _value(value: Any) -> str:
    """Write a value in one line of TOML."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | Decimal):
        return str(value)
    if isinstance(value, date | datetime):
        return value.isoformat()
    if isinstance(value, dict):
        return (
            "{ " + ", ".join(f"{_key(key)} = {_value(each)}" for key, each in value.items()) + " }" if value else "{}"
        )
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
