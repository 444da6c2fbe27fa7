"""The active alarms of a machine, from the events of its conditions (OPC 10000-9). Pure.

A condition speaks when it changes, and again when it is asked to by ConditionRefresh. Everything that is active is kept
as one set, so that each change says all that holds from then on.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

from edge_agent.events import Kind
from shopfloor.entries import Alarm, Message, encode, encode_all
from shopfloor.periods import format_instant

if TYPE_CHECKING:
    from collections.abc import Hashable

    from edge_agent.events import Event
    from shopfloor.samples import Value

BLOCKING_SEVERITY = 801
"""Least severity of an alarm that is taken to stop the machine: the top band of OPC 10000-9, where controls put errors
(SINUMERIK: error 1000, warning 500). An interruption of production blocks whatever its severity."""
ALARMS_MAX = 1000
"""Most alarms that are known at once; the oldest is forgotten beyond."""
_REMEMBERED_MAX = 1000
_CODE_IN_TEXT_MAX = 200
SIGNALS = ("alarm", "alarm_blocking", "alarms")
"""What the set of alarms is told by."""


class Told(NamedTuple):
    """A value to record.

    Attributes:
        signal: a name of the signal table.
        value: None when it is not known.
        stamp: on the machine's clock.
    """

    signal: str
    value: Value | None
    stamp: int


class AlarmBook:
    """Keeps the alarms of one machine.

    Args:
        blocking_severity: least severity of an alarm that stops the machine.
    """

    def __init__(self, blocking_severity: int = BLOCKING_SEVERITY) -> None:
        self._blocking_severity = blocking_severity
        self._active: OrderedDict[Hashable, Alarm] = OrderedDict()
        self._stale: set[Hashable] = set()
        self._complete = False
        self._stamp = 0
        self._events: OrderedDict[object, None] = OrderedDict()

    @property
    def is_complete(self) -> bool:
        """Whether all that is active has been told since the session began."""
        return self._complete

    def begin(self) -> None:
        """Take in that conditions may have changed unheard, and are about to be repeated."""
        self._stale = set(self._active)
        self._complete = False

    def end(self, stamp: int) -> list[Told]:
        """Take in that all conditions were repeated: what was not, is over. Says the whole set."""
        for key in self._stale:
            self._active.pop(key, None)
        self._stale.clear()
        self._complete = True
        return self._set(stamp)

    def unknown(self, stamp: int) -> list[Told]:
        """Take in that the server does not repeat conditions: what is active is not known until it changes."""
        self._active.clear()
        self._stale.clear()
        self._complete = True
        self._stamp = max(self._stamp, stamp)
        return [Told(signal, None, self._stamp) for signal in SIGNALS]

    def condition(self, event: Event, stamp: int) -> list[Told]:
        """Take in an event of a condition; says the whole set when that changes it."""
        if event.fields.get("branch") not in _NO_NODE:
            return []  # an earlier state that still waits for an acknowledgement
        key = _key(event)
        self._stale.discard(key)
        before = self._active.get(key)
        if _is_active(event):
            alarm = self._alarm(event, stamp, before)
            if alarm == before:
                return []
            self._active[key] = alarm
            if len(self._active) > ALARMS_MAX:
                self._active.popitem(last=False)
        elif before is None:
            return []
        else:
            del self._active[key]
        return self._set(stamp) if self._complete else []

    def message(self, event: Event, stamp: int) -> list[Told]:
        """Take in an announcement; the same one by another notifier says nothing."""
        identity = event.fields.get("event_id")
        if identity is not None:
            if identity in self._events:
                return []
            self._events[identity] = None
            if len(self._events) > _REMEMBERED_MAX:
                self._events.popitem(last=False)
        code = event.text("notification") if event.kind is Kind.NOTIFICATION else ""
        told = Message(code, event.text("message"), event.number("severity"), event.text("source_name"))
        return [Told("message", encode(told), stamp)]

    def _alarm(self, event: Event, stamp: int, before: Alarm | None) -> Alarm:
        severity = event.number("severity")
        code = event.text("error_code") or event.text("alarm_identifier")
        source, name = event.text("source_name"), event.text("condition_name")
        return Alarm(
            id="/".join(dict.fromkeys(part for part in (source, name, code) if part)),
            code=code,
            text=event.text("message"),
            severity=severity,
            since=before.since if before else format_instant(stamp),
            source=source,
            kind=event.text("condition_class"),
            blocking=event.interrupts or severity >= self._blocking_severity,
        )

    def _set(self, stamp: int) -> list[Told]:
        self._stamp = stamp = max(self._stamp, stamp)
        alarms = sorted(
            self._active.values(), key=lambda each: (not each.blocking, -each.severity, each.since, each.id)
        )
        first = alarms[0] if alarms else None
        text = f"{first.code[:_CODE_IN_TEXT_MAX]} {first.text}".strip()[:_TEXT_MAX] if first else ""
        return [
            Told("alarm", text, stamp),
            Told("alarm_blocking", any(each.blocking for each in alarms), stamp),
            Told("alarms", encode_all(alarms), stamp),
        ]


_TEXT_MAX = 1000
_NO_NODE = (None, (0, 0), (0, ""), (0, None))


def _key(event: Event) -> Hashable:
    node = event.fields.get("condition")
    if node not in _NO_NODE and isinstance(node, tuple):
        return node
    return (event.text("source_name"), event.text("condition_name"), event.text("error_code"),
            event.text("alarm_identifier"))  # fmt: skip


def _is_active(event: Event) -> bool:
    """Tell whether a condition is active: an alarm by its ActiveState, any other one while it is to be shown."""
    if event.fields.get("enabled") is False:
        return False
    active = event.fields.get("active")
    return bool(event.fields.get("retain")) if active is None else bool(active)
