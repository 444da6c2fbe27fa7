"""Which hours of like machines are free. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from shopfloor.periods import MINUTE, Period, subtract

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence


class Free(NamedTuple):
    """Hours of a machine that nobody has booked, from one end to the other.

    Attributes:
        machine: which.
        period: all of them.
        slot: the first booking of the wanted length that fits.
    """

    machine: str
    period: Period
    slot: Period


class Likeness(NamedTuple):
    """What makes machines stand in for one another.

    Attributes:
        kind: what they are.
        tariff_group: what they cost.
    """

    kind: str
    tariff_group: str

    def fits(self, other: Likeness) -> bool:
        """Tell whether the one does what the other does, at the same tariff; of nothing known nothing is like."""
        mine = self.kind.strip().casefold(), self.tariff_group.strip().casefold()
        return any(mine) and mine == (other.kind.strip().casefold(), other.tariff_group.strip().casefold())


def free_periods(opened: Iterable[Period], taken: Sequence[Period]) -> Iterator[Period]:
    """Yield what is open and not taken: all of it, in order.

    Args:
        opened: when the machine can be used, sorted and disjoint.
        taken: bookings and locks, in any order.
    """
    for each in opened:
        yield from subtract(each, taken)


def first_slot(period: Period, *, minutes: int, step_minutes: int) -> Period | None:
    """Return the first booking of a length within free hours, on a step past the hour; None when none fits."""
    step = step_minutes * MINUTE
    start = -(-period.start // step) * step
    end = start + minutes * MINUTE
    return Period(start, end) if end <= period.end else None


def find_free(
    machine: str, opened: Iterable[Period], taken: Sequence[Period], *, minutes: int, step_minutes: int
) -> Iterator[Free]:
    """Yield the free hours of a machine in which a booking of a length fits, in order."""
    for period in free_periods(opened, taken):
        slot = first_slot(period, minutes=minutes, step_minutes=step_minutes)
        if slot is not None:
            yield Free(machine, period, slot)
