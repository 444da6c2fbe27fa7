"""What became of a booking, from stored facts: what it holds, what was given up late, whether it was used. Pure.

The answer is the same whenever and however often somebody asks.
"""

from __future__ import annotations

from enum import StrEnum
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from api.usage import evidence
from api.usage.segments import CONSORTIUM, UNATTRIBUTED
from shopfloor.periods import Period, subtract, union
from shopfloor.states import State

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from api.usage.segments import Segment

IN_USE = frozenset({State.SETUP, State.PROCESSING, State.IDLE, State.INTERRUPTED})
"""States in which somebody has the machine on."""
_OUT_OF_USE = frozenset({State.OUT_OF_SERVICE, State.MAINTENANCE, State.UNKNOWN, State.UNREACHABLE})
"""States in which a member that booked it could not use the machine, or nobody knows whether it did."""


class Kind(StrEnum):
    """What was done with a booking."""

    MADE = "made"
    CHANGED = "changed"
    CANCELLED = "cancelled"
    FREED = "freed"
    """By the consortium, which needs the machine: never the member's fault."""


class Change(NamedTuple):
    """One fact about a booking, never edited afterwards.

    Attributes:
        at: when it was done.
        kind: see `Kind`.
        machine: which machine it holds from then on.
        period: what it holds from then on; empty for nothing.
        binds: from when on giving it up costs what unused time costs.
    """

    at: int
    kind: Kind
    machine: str
    period: Period
    binds: int


class History(NamedTuple):
    """A booking and all that was done with it.

    Attributes:
        id: of the booking.
        member: whose it is.
        changes: in the order in which they were done.
    """

    id: str
    member: str
    changes: Sequence[Change]

    @property
    def is_cancelled(self) -> bool:
        """Whether its member gave it up, also when a part of it had passed by then."""
        return self.changes[-1].kind is Kind.CANCELLED

    @property
    def is_freed(self) -> bool:
        """Whether the consortium took it back."""
        return self.changes[-1].kind is Kind.FREED

    def held(self, machine: str) -> list[Period]:
        """Return what it holds of a machine: all of one period, or nothing."""
        last = self.changes[-1]
        return [last.period] if last.period and last.machine == machine else []

    def given_up_late(self, machine: str) -> list[tuple[int, Period]]:
        """Return what its member gave up of a machine when that cost already, each with when that was done."""
        kept = self.held(machine)
        return [
            (later.at, lost)
            for earlier, later in pairwise(self.changes)
            if later.kind in {Kind.CHANGED, Kind.CANCELLED} and later.at >= earlier.binds and earlier.machine == machine
            for lost in subtract(earlier.period, [later.period, *kept] if later.machine == machine else kept)
        ]

    @property
    def is_given_up_late(self) -> bool:
        """Whether anything was given up when that cost already."""
        return any(self.given_up_late(machine) for machine in {change.machine for change in self.changes})


def booked(histories: Iterable[History], machine: str, locked: Iterable[Period] = ()) -> list[evidence.Booking]:
    """Return who has booked a machine when, as evidence of its use.

    What was given up late stays with who gave it up, as given up: less what others have booked since, and less what
    the machine was locked for. Where two gave up the same hours, the later one had them.

    Args:
        histories: of bookings that ever held this machine, in any order.
        machine: which.
        locked: when nobody could have used it.

    Returns:
        Sorted, and no two overlap.
    """
    histories = sorted(histories)
    found = [evidence.Booking(period, each.member) for each in histories for period in each.held(machine)]
    taken = union([*(each.period for each in found), *locked])
    late = [(at, each.id, each.member, lost) for each in histories for at, lost in each.given_up_late(machine)]
    for _, _, member, lost in sorted(late, reverse=True):
        parts = list(subtract(lost, taken))
        found += [evidence.Booking(part, member, is_given_up=True) for part in parts]
        taken = union([*taken, *parts])
    return sorted(found)


class Outcome(StrEnum):
    """What became of a booking."""

    AHEAD = "ahead"
    RUNNING = "running"
    USED = "used"
    NO_SHOW = "no_show"
    EXCUSED = "excused"
    """Its member did not use the machine, which was out of order, in maintenance or unobserved in the slot."""
    USED_BY_OTHERS = "used_by_others"
    CANCELLED = "cancelled"
    CANCELLED_LATE = "cancelled_late"
    FREED = "freed"


def stage(history: History, *, now: int) -> Outcome | None:
    """Return what became of a booking as far as its own facts tell; None for one that is over and was held."""
    if history.is_freed:
        return Outcome.FREED
    if history.is_cancelled:
        return Outcome.CANCELLED_LATE if history.is_given_up_late else Outcome.CANCELLED
    period = history.changes[-1].period
    if now < period.start:
        return Outcome.AHEAD
    return Outcome.RUNNING if now < period.end else None


def outcome(history: History, segments: Iterable[Segment], *, now: int) -> Outcome:
    """Return what became of a booking.

    Args:
        history: of the booking.
        segments: of its machine, across its period at least; in any order.
        now: the present.
    """
    found = stage(history, now=now)
    if found is not None:
        return found
    period = history.changes[-1].period
    inside = [each for each in segments if each.period.overlaps(period)]
    users = {each.payer for each in inside if each.state in IN_USE}
    if history.member in users:
        return Outcome.USED
    if users - {UNATTRIBUTED, CONSORTIUM}:
        return Outcome.USED_BY_OTHERS
    if CONSORTIUM in users or any(each.state in _OUT_OF_USE for each in inside):
        return Outcome.EXCUSED
    return Outcome.USED_BY_OTHERS if users else Outcome.NO_SHOW


def judged(history: History, segments: Iterable[Segment], *, now: int) -> Outcome | None:
    """Return what became of a booking; None while what the machine did in it is not known to the end."""
    segments = list(segments)
    period = history.changes[-1].period
    known = sum(part.seconds for each in segments if (part := each.period.clip(period)) is not None)
    if stage(history, now=now) is None and known < period.seconds:
        return None
    return outcome(history, segments, now=now)


def unused_seconds(history: History, segments: Iterable[Segment]) -> int:
    """Return the seconds of a booking, held or given up late, in which the machine was off and its member pays.

    Args:
        history: of the booking.
        segments: of its machine.
    """
    machine = history.changes[-1].machine
    mine = union([*history.held(machine), *(lost for _, lost in history.given_up_late(machine))])
    return sum(
        part.seconds
        for each in segments
        if each.state is State.OFF and each.booked == each.payer == history.member
        for period in mine
        if (part := each.period.clip(period)) is not None
    )
