"""The set of active alarms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_agent.alarms import AlarmBook
from edge_agent.events import Event, Kind
from edge_agent.notifications import NodeIdentity
from shopfloor.entries import Alarm, decode_all

if TYPE_CHECKING:
    from edge_agent.alarms import Told

NONE = NodeIdentity(0, 0)


def event(
    name: str, *, active: bool | None = True, severity: int = 500, interrupts: bool = False, **more: object
) -> Event:
    fields = {"condition": NodeIdentity(2, name), "condition_name": name, "active": active, "retain": active,
              "severity": severity, "message": name.lower(), "branch": NONE, **more}  # fmt: skip
    return Event(Kind.CONDITION, NodeIdentity(2, 39), fields, interrupts)  # type: ignore[arg-type]


def told(said: list[Told]) -> dict[str, object]:
    return {each.signal: each.value for each in said}


def ready() -> AlarmBook:
    book = AlarmBook()
    book.begin()
    book.end(1)
    return book


def test_each_change_tells_everything_that_is_active() -> None:
    book = ready()
    book.condition(event("A"), 10)
    found = told(book.condition(event("B", severity=900), 20))
    assert [each.id for each in decode_all(Alarm, str(found["alarms"]))[0]] == ["B", "A"]
    assert (found["alarm"], found["alarm_blocking"]) == ("b", True)
    assert told(book.condition(event("B", active=False), 30))["alarm_blocking"] is False


def test_the_same_state_by_another_notifier_tells_nothing() -> None:
    book = ready()
    assert book.condition(event("A"), 10)
    assert book.condition(event("A"), 10) == []
    assert book.condition(event("C", active=False), 11) == []
    assert book.condition(event("A", active=False, branch=NodeIdentity(2, 5)), 12) == []


def test_an_interruption_blocks_whatever_its_severity() -> None:
    assert told(ready().condition(event("I", active=None, retain=True, severity=1, interrupts=True), 5))[
        "alarm_blocking"
    ]


def test_what_a_refresh_does_not_repeat_is_over() -> None:
    book = ready()
    book.condition(event("A"), 10)
    book.condition(event("B"), 11)
    book.begin()
    assert book.condition(event("B"), 11) == []
    assert book.condition(event("D"), 12) == []
    found = decode_all(Alarm, str(told(book.end(50))["alarms"]))[0]
    assert [each.id for each in found] == ["B", "D"]


def test_without_a_refresh_nothing_is_claimed() -> None:
    book = ready()
    book.condition(event("A", severity=900), 10)
    book.begin()
    assert set(told(book.unknown(20)).values()) == {None}
