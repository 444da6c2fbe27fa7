"""Use with money, by whatever a member charges its own customers by. Pure.

The money of a line goes to its days and sessions as its statement shows it, and from there to segments by their
seconds, each to the cent by largest remainder: so it adds up whatever it is divided by.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from api.billing.calendars import days_of
from api.billing.money import ZERO, share
from api.billing.statements import Basis, Line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import date
    from zoneinfo import ZoneInfo

    from api.billing.statements import Part
    from api.usage.segments import Segment, Work
    from shopfloor.periods import Period


class By(StrEnum):
    """What use may be told apart by."""

    MEMBER = "member"
    MACHINE = "machine"
    SITE = "site"
    STATE = "state"
    DAY = "day"
    JOB = "job"
    ORDER = "order"
    PART = "part"


class Piece(NamedTuple):
    """Use of one machine for one payer, in one state, day and job."""

    member: str
    machine: str
    site: str
    state: str
    day: str
    job: str
    order: str
    part: str


@dataclass(slots=True)
class Sum:
    """What of use has one key.

    Attributes:
        seconds: real seconds, charged or not.
        energy: charged milliwatt-hours.
        pieces: charged parts.
        net: euros.
    """

    seconds: int = 0
    energy: int = 0
    pieces: int = 0
    net: Decimal = ZERO


class Works:
    """What a machine was making, asked for by instant."""

    def __init__(self, work: Iterable[Work]) -> None:
        """Take spans that do not overlap."""
        self._work = sorted(work)
        self._starts = [each.period.start for each in self._work]

    def cut(self, period: Period) -> Iterator[tuple[Period, tuple[str, str, str]]]:
        """Cut a period where job, order or part change."""
        at = period.start
        index = max(0, bisect_right(self._starts, at) - 1)
        for each in self._work[index:]:
            inside = each.period.clip(period)
            if inside is None:
                if each.period.start >= period.end:
                    break
                continue
            if at < inside.start:
                yield type(period)(at, inside.start), ("", "", "")
            yield inside, (each.job, each.order, each.part)
            at = inside.end
        if at < period.end:
            yield type(period)(at, period.end), ("", "", "")


class Report:
    """Adds up use and money by some of what they may be told apart by.

    Args:
        by: the keys, in order.
        sites: the site of each machine.
        zone: whose days they are.
        first: first civil day.
        last: last civil day.
    """

    def __init__(self, by: Sequence[By], sites: Mapping[str, str], zone: ZoneInfo, first: date, last: date) -> None:
        self._by, self._sites, self._zone, self._first, self._last = by, sites, zone, first, last
        self._sums: dict[tuple[str, ...], Sum] = {}

    @property
    def rows(self) -> list[tuple[tuple[str, ...], Sum]]:
        """The sums by key, in order."""
        return sorted(self._sums.items(), key=lambda row: row[0])

    def take_time(self, segments: Iterable[Segment], works: Works) -> None:
        """Add the seconds of segments."""
        for segment in segments:
            for piece, seconds in self._pieces(segment, works):
                self._sum(piece).seconds += seconds

    def take_lines(self, lines: Iterable[Line], works: Works) -> None:
        """Add what lines charge, part by part."""
        for line in lines:
            for part in line.parts:
                if part.day is None or self._first <= part.day <= self._last:
                    self._take_part(line, part, works)

    def _take_part(self, line: Line, part: Part, works: Works) -> None:
        found = [each for segment in part.segments for each in self._pieces(segment, works)]
        if not found:
            state = "" if line.state is None else line.state.value
            day = "" if part.day is None else part.day.isoformat()
            site = self._sites.get(line.machine, "")
            found = [(Piece(line.member, line.machine, site, state, day, "", "", ""), 1)]
        weights = [Decimal(seconds) for _, seconds in found]
        for (piece, _), cents in zip(found, share(part.amount, weights), strict=True):
            self._sum(piece).net += cents
        if line.basis in {Basis.ENERGY, Basis.PARTS}:
            total, done, passed = sum(seconds for _, seconds in found), 0, 0
            for piece, seconds in found:
                passed += seconds
                amount = part.quantity * passed // total - done
                done += amount
                if line.basis is Basis.ENERGY:
                    self._sum(piece).energy += amount
                else:
                    self._sum(piece).pieces += amount

    def _pieces(self, segment: Segment, works: Works) -> Iterator[tuple[Piece, int]]:
        for day, of_day in days_of(segment.period, self._zone):
            if not self._first <= day <= self._last:
                continue
            for period, (job, order, part) in works.cut(of_day):
                if period.seconds:
                    site = self._sites.get(segment.machine, "")
                    yield Piece(segment.payer, segment.machine, site, segment.state.value, day.isoformat(), job,
                                order, part), period.seconds  # fmt: skip

    def _sum(self, piece: Piece) -> Sum:
        key = tuple(getattr(piece, each) for each in self._by)
        return self._sums.setdefault(key, Sum())
