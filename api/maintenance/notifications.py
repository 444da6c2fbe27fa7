"""Who is told of an incident, when, and how often. Pure: it decides; an outbox sends.

What is grave is said at once. A slight incident waits half a minute, so that what has the same cause arrives in its
message and what is over is not sent. An incident is said once; more of it at most hourly; again, while it is active and
nobody has taken it, after a day, two, four and so on. A chain goes on from step to step while nobody answers. Quiet
hours and shifts delay a message to a person; grave ones break through to those on call.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo

from api.maintenance.alarms import Change, What
from api.maintenance.rules import SEVERITIES
from shopfloor.periods import DAY, MINUTE, SECOND, to_datetime

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from api.maintenance.incidents import Incident

WAIT_SECONDS = 30
"""Before the first message of a slight incident; Alertmanager's group_wait. What is graver is said at once."""
SOON_SECONDS = 1
"""At once: what comes in the same second is in the same message."""
MORE_SECONDS = 3600
"""Between messages about more alarms of one incident."""
AGAIN_SECONDS = 86_400
"""Before an incident that nobody has taken is said again; doubled each time."""
_MINUTES_PER_WEEK = 7 * 24 * 60


class Hours(NamedTuple):
    """A weekly span in civil time; it may reach over midnight.

    Attributes:
        days: 0 for Monday to 6, on which it begins.
        start: minutes after midnight.
        end: minutes after midnight; not more than start for the next day.
    """

    days: tuple[int, ...]
    start: int
    end: int

    def holds(self, day: int, minute: int) -> bool:
        """Tell whether a minute of a weekday lies within."""
        if self.start < self.end:
            return day in self.days and self.start <= minute < self.end
        return (day in self.days and minute >= self.start) or ((day - 1) % 7 in self.days and minute < self.end)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who is told.

    Attributes:
        name: pseudonym or role, as the log shows it.
        channels: names of channels, whose addresses are secrets kept elsewhere.
        least: the least severity that concerns them.
        machines: those that concern them, None for all.
        member: the firm they speak for, which learns about its own running job alone; empty for staff.
        shifts: when they work, empty for always.
        quiet: when they are not to be disturbed.
        on_call: when grave incidents reach them all the same.
    """

    name: str
    channels: tuple[str, ...]
    least: str = "low"
    machines: frozenset[str] | None = None
    member: str = ""
    shifts: tuple[Hours, ...] = ()
    quiet: tuple[Hours, ...] = ()
    on_call: tuple[Hours, ...] = ()

    def wants(self, machine: str, severity: str, payer: str = "") -> bool:
        """Tell whether an incident concerns them.

        Args:
            machine: whose.
            severity: of it.
            payer: the firm whose job ran when it began, empty for none.
        """
        is_grave_enough = SEVERITIES.index(severity) >= SEVERITIES.index(self.least)
        is_theirs = not self.member or self.member == payer
        return is_grave_enough and is_theirs and (self.machines is None or machine in self.machines)

    def reachable_from(self, instant: int, severity: str, zone: ZoneInfo) -> int:
        """Return the first instant from which a message may reach them; a week on at the latest."""
        at = instant
        for _ in range(_MINUTES_PER_WEEK):
            if self._is_reachable(at, severity, zone):
                return at
            at = (at // MINUTE + 1) * MINUTE
        return instant + 7 * DAY

    def _is_reachable(self, instant: int, severity: str, zone: ZoneInfo) -> bool:
        local = to_datetime(instant).astimezone(zone)
        day, minute = local.weekday(), local.hour * 60 + local.minute
        if severity == "high" and any(each.holds(day, minute) for each in self.on_call):
            return True
        if any(each.holds(day, minute) for each in self.quiet):
            return False
        return not self.shifts or any(each.holds(day, minute) for each in self.shifts)


@dataclass(frozen=True, slots=True)
class Policy:
    """Who is told, in steps.

    Attributes:
        steps: people of each step of the chain; the next step is told while nobody has acknowledged.
        step_seconds: how long each step has, by severity; what is not named does not go on.
        zone: civil time of shifts and quiet hours.
    """

    steps: tuple[tuple[Person, ...], ...]
    step_seconds: Mapping[str, float]
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("Europe/Rome"))


class Message(NamedTuple):
    """Something to tell a person.

    Attributes:
        key: the same whenever it is decided; an outbox takes each key once.
        incident: its id.
        kind: `new`, `more`, `again`, `escalated`.
        at: event time of what is told.
        not_before: when it may be sent.
        person: whom.
        channels: through which.
        alarms: changes that it tells, the first cause first.
        severity: of the incident.
    """

    key: str
    incident: str
    kind: str
    at: int
    not_before: int
    person: str
    channels: tuple[str, ...]
    alarms: tuple[Change, ...]
    severity: str

    def encode(self) -> str:
        """Write it down."""
        return json.dumps({**self._asdict(), "alarms": [list(each) for each in self.alarms]})

    @classmethod
    def decode(cls, text: str) -> Message:
        """Read what `encode` wrote."""
        kept = json.loads(text)
        alarms = (Change(*each) for each in kept["alarms"])
        kept["alarms"] = tuple(each._replace(what=What(each.what)) for each in alarms)
        return cls(**kept | {"channels": tuple(kept["channels"])})


@dataclass(slots=True)
class _Told:
    """What has been told of an incident.

    Attributes:
        expected: it came in a planned window: what is over at its end is not said at all.
    """

    incident: Incident
    first_due: int = 0
    more_due: int = 0
    again_due: int = 0
    step_due: int = 0
    step: int = 0
    said: int = 0
    repeats: int = 0
    last: int = 0
    known: int = 0  # alarms that were told
    taken_by: str = ""
    expected: bool = False


class NotificationFold:
    """Decides on messages as incidents change and time goes by.

    Args:
        policy: who is told.
    """

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._told: dict[str, _Told] = {}

    @property
    def deadline(self) -> int | None:
        """When time alone makes a message, None for never."""
        return min((due for each in self._told.values() for due in _dues(each) if due), default=None)

    @property
    def known(self) -> Sequence[str]:
        """Ids of the incidents of which something has been said, or is to be."""
        return list(self._told)

    def save(self, incident: str) -> dict[str, Any]:
        """Return what has been told of an incident as JSON can hold it; empty when nothing is under way."""
        told = self._told.get(incident)
        return {} if told is None else {key: value for key, value in asdict(_bare(told)).items() if key != "incident"}

    def load(self, incident: Incident, kept: Mapping[str, Any]) -> None:
        """Take up what was saved, or the incident as it has become."""
        if kept:
            self._told[incident.id] = _Told(incident, **kept)

    def renew(self, incident: Incident) -> None:
        """Take up an incident as it has been computed again."""
        if incident.id in self._told:
            self._told[incident.id].incident = incident

    def forget(self, incident: str) -> None:
        """Say nothing more of an incident: later data have taken it back."""
        self._told.pop(incident, None)

    def adopt(self, incident: Incident, now: int) -> None:
        """Take up an incident of the time before anybody watched: it is shown, and said when it stands after a day."""
        if incident.id not in self._told and incident.is_active:
            told = self._told[incident.id] = _Told(incident, said=1, last=now, known=len(incident.alarms))
            told.again_due = now + _pause(told)

    def take(self, incident: Incident, change: Change, expected_until: int = 0) -> list[Message]:
        """Take in what became of an incident, in the order of event time.

        Args:
            incident: as it is with the change.
            change: what became of one of its alarms.
            expected_until: end of a planned window that the change lies in, 0 for none.
        """
        found = self.advance(change.stamp)
        told = self._told.get(incident.id)
        if told is None:
            if change.what not in {What.RAISED, What.AGAIN}:
                return found
            due = max(change.stamp + _wait(incident.severity), expected_until)
            told = self._told[incident.id] = _Told(incident, due)
            told.expected = bool(expected_until)
        elif told.first_due and not told.expected and incident.severity != SEVERITIES[1]:
            told.first_due = min(told.first_due, change.stamp + SOON_SECONDS * SECOND)
        if change.what is What.ACKNOWLEDGED:
            told.taken_by = change.by
            told.first_due = told.again_due = told.step_due = told.more_due = 0
        elif change.what is What.SHELVED:
            told.first_due = told.again_due = told.step_due = told.more_due = 0
        elif change.what is What.UNSHELVED and incident.is_active and not told.taken_by:
            told.again_due = change.stamp
        elif change.what is What.RAISED and told.said:
            told.more_due = told.more_due or max(
                change.stamp + WAIT_SECONDS * SECOND, told.last + MORE_SECONDS * SECOND
            )
        elif change.what is What.AGAIN and told.said:
            told.taken_by = ""
            told.again_due = told.again_due or max(change.stamp, told.last + _pause(told))
        if not incident.is_open:
            self._close(told)
        return found

    def look_at_windows(self, expected_until: Callable[[Change], int], now: int) -> None:
        """Say what still stands of a window that was ended early, as soon as that is known.

        Args:
            expected_until: the end of the planned window that a change lies in, 0 for none.
            now: nothing is due before.
        """
        for told in self._told.values():
            if told.expected and told.first_due > now:
                first, end = told.incident.first, expected_until(told.incident.first)
                due = max(first.stamp + _wait(told.incident.severity), end, now)
                told.first_due = min(told.first_due, due)

    def decide_by(self, policy: Policy) -> None:
        """Decide by another policy from here on."""
        self._policy = policy

    def advance(self, instant: int) -> list[Message]:
        """Let time pass up to an instant, and return the messages it makes."""
        found: list[Message] = []
        while (due := self.deadline) is not None and due < instant:
            for told in list(self._told.values()):
                if due in _dues(told):
                    found += self._say(told, due)
        return found

    def _say(self, told: _Told, due: int) -> list[Message]:
        incident = told.incident
        if told.first_due == due:
            told.first_due = 0
            if not incident.is_active and (told.expected or incident.severity == SEVERITIES[1]):
                return []  # over, and slight or expected
            told.again_due = due + _pause(told)
            told.step_due = self._next_step(told, due)
            if not incident.is_open:
                self._told.pop(incident.id, None)
            return self._write(told, "new", due)
        if told.more_due == due:
            told.more_due = 0
            return self._write(told, "more", due) if len(incident.alarms) > told.known else []
        if told.step_due == due:
            told.step = min(told.step + 1, len(self._policy.steps) - 1)
            told.step_due = self._next_step(told, due)
            return self._write(told, "escalated", due) if incident.is_active else []
        told.again_due = 0
        if told.taken_by or not incident.is_active:
            return []
        told.repeats += 1
        told.again_due = due + _pause(told)
        return self._write(told, "again", due)

    def _write(self, told: _Told, kind: str, due: int) -> list[Message]:
        incident, policy = told.incident, self._policy
        told.said += 1
        told.last, told.known = due, len(incident.alarms)
        people = policy.steps[told.step] if kind == "escalated" else _up_to(policy.steps, told.step)
        alarms = tuple(sorted(incident.alarms.values(), key=lambda change: change.since))
        return [
            Message(f"{incident.id}|{kind}|{told.said}|{person.name}", incident.id, kind, due,
                    person.reachable_from(due, incident.severity, policy.zone), person.name, person.channels,
                    alarms, incident.severity)
            for person in people if person.wants(incident.machine, incident.severity, incident.payer)
        ]  # fmt: skip

    def _next_step(self, told: _Told, due: int) -> int:
        seconds = self._policy.step_seconds.get(told.incident.severity)
        is_last = told.step + 1 >= len(self._policy.steps)
        return 0 if seconds is None or is_last or told.taken_by else due + int(seconds * SECOND)

    def _close(self, told: _Told) -> None:
        if told.first_due:
            return  # its first message is still to come, or not; then it is forgotten
        self._told.pop(told.incident.id, None)


def _bare(told: _Told) -> _Told:
    return replace(told, incident=None)  # type: ignore[arg-type]


def _wait(severity: str) -> int:
    return (WAIT_SECONDS if severity == SEVERITIES[1] else SOON_SECONDS) * SECOND


def _pause(told: _Told) -> int:
    return AGAIN_SECONDS * SECOND << told.repeats


def _dues(told: _Told) -> tuple[int, int, int, int]:
    return told.first_due, told.more_due, told.step_due, told.again_due


def _up_to(steps: Sequence[tuple[Person, ...]], step: int) -> list[Person]:
    return list(dict.fromkeys(person for people in steps[: step + 1] for person in people))
