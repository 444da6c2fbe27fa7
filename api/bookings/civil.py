"""Times on the wall clock as instants: what does not exist is refused, what exists twice is asked about. Pure."""

from __future__ import annotations

from datetime import UTC, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from shopfloor.periods import from_datetime, to_datetime

if TYPE_CHECKING:
    from datetime import datetime
    from zoneinfo import ZoneInfo


class Which(StrEnum):
    """Which of two instants a wall clock means in the night in which it is set back."""

    FIRST = "first"
    SECOND = "second"


class WallTimeError(ValueError):
    """A time on the wall clock is not one instant.

    Attributes:
        wall: the time that was read.
    """

    def __init__(self, wall: datetime, sentence: str) -> None:
        super().__init__(sentence)
        self.wall = wall


class MissingTimeError(WallTimeError):
    """Clocks are set forward over this time, so that it does not exist.

    Attributes:
        before: the same reading of a clock that was not set, as the others show it.
        after: the same, one hour on.
    """

    def __init__(self, wall: datetime, before: datetime, after: datetime) -> None:
        super().__init__(
            wall,
            f"{wall:%Y-%m-%d %H:%M} does not exist: clocks are set forward over it; write {before:%H:%M} or "
            f"{after:%H:%M}",
        )
        self.before, self.after = before, after


class DoubtfulTimeError(WallTimeError):
    """Clocks are set back over this time, so that it exists twice; the caller has to say which is meant.

    Attributes:
        first: the instant in summer time.
        second: the instant in winter time.
    """

    def __init__(self, wall: datetime, first: int, second: int) -> None:
        super().__init__(
            wall,
            f"{wall:%Y-%m-%d %H:%M} exists twice, because clocks are set back over it: say whether the first (summer "
            "time) or the second (winter time) is meant",
        )
        self.first, self.second = first, second


def instant_of(wall: datetime, zone: ZoneInfo, which: Which | None = None) -> int:
    """Return the instant at which wall clocks show a time.

    Args:
        wall: the time, without a zone.
        zone: whose wall clocks.
        which: the first or the second, where there are two; ignored elsewhere.

    Raises:
        MissingTimeError: no clock ever shows it.
        DoubtfulTimeError: it is shown twice, and `which` does not say which one is meant.
    """
    # PEP 495: over a gap fold 0 lies after fold 1, over a repeated hour before it.
    first, second = (from_datetime(wall.replace(tzinfo=zone, fold=fold)) for fold in (0, 1))
    if first > second:
        raise MissingTimeError(wall, wall_time(second, zone), wall_time(first, zone))
    if first < second and which is None:
        raise DoubtfulTimeError(wall, first, second)
    return second if which is Which.SECOND else first


def wall_time(instant: int, zone: ZoneInfo) -> datetime:
    """Return what wall clocks show at an instant, without a zone; `fold` is 1 for the second of two."""
    return to_datetime(instant).astimezone(zone).replace(tzinfo=None)


def is_doubtful(instant: int, zone: ZoneInfo) -> bool:
    """Tell whether the wall clock shows this time twice, so that a page has to say which one it is."""
    wall = wall_time(instant, zone)
    first, second = (wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    return second - first > timedelta(0)
