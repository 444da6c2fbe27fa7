"""Months of a whole house, one after another: lines, statements, and adjustments of months closed before. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from api.billing.adjustments import adjust
from api.billing.calendars import civil_month, civil_zone
from api.billing.common import Common, true_up
from api.billing.rating import Terms, rate_machine, spent
from api.billing.statements import Line, Spent, Statement, compose

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from api.billing.tariffs import Book
    from api.usage.policy import Policy
    from api.usage.segments import Segment


@dataclass(frozen=True, slots=True)
class House:
    """Everything that a month is charged by, as it is known at one moment.

    Attributes:
        machines: the segments of each machine, in order, beyond the months as far as sessions reach.
        groups: the group of each member; every member is named.
        book: all tariffs.
        common: what is charged beside the use of machines.
        policy: the settings of metering and attribution.
        versions: what a statement names as the ground it stands on: calendars, time zone data, code.
    """

    machines: Mapping[str, Sequence[Segment]]
    groups: Mapping[str, str]
    book: Book
    common: Common
    policy: Policy
    versions: Mapping[str, str]

    def terms(self, month: str) -> Terms:
        """Return what a month is rated by."""
        zone = civil_zone(self.policy.zone)
        return Terms(self.book, self.groups, zone, month, civil_month(month, zone))

    def lines(self, month: str) -> list[Line]:
        """Charge a month.

        Raises:
            UnpricedError: there is use that no tariff covers.
            BadTariffError: a true-up of what was not provisional.
        """
        terms = self.terms(month)
        used = self._used(terms)
        ups = [up for up in self.common.true_ups if up.month == month]
        trued = [line for up in ups for line in true_up(up, self._year(up.year), self.book.provisional)]
        return [*used, *self.common.lines(month, used), *trued]

    def _used(self, terms: Terms) -> list[Line]:
        return [
            line
            for machine, segments in sorted(self.machines.items())
            for line in rate_machine(machine, segments, terms)
        ]

    def _year(self, year: int) -> list[Line]:
        return [line for number in range(1, 13) for line in self._used(self.terms(f"{year:04d}-{number:02d}"))]

    def spent(self, month: str) -> dict[str, list[Spent]]:
        """Sum the seconds of all machines in a month, by payer."""
        period = self.terms(month).period
        found: dict[str, list[Spent]] = {}
        for segments in self.machines.values():
            for payer, rows in spent(segments, period).items():
                found.setdefault(payer, []).extend(rows)
        return found


class Held(NamedTuple):
    """A line that stays out of a statement, because it is contested: its member and reference."""

    member: str
    reference: str


class Closing(NamedTuple):
    """A month that is stated.

    Attributes:
        month: as `2026-10`.
        house: what is known when it is closed.
        held: lines that are contested then; they come later, under their own month.
    """

    month: str
    house: House
    held: frozenset[Held] = frozenset()


def bill(closings: Iterable[Closing]) -> list[Statement]:
    """State months in their order; each statement also carries what changed in the months stated before.

    Returns:
        A statement for every member with a line or time on a machine in a month, by month and member.
    """
    charged: dict[str, list[Line]] = {}
    statements: list[Statement] = []
    for month, house, held in closings:
        lines = house.lines(month)
        stated = [line for line in lines if Held(line.member, line.reference) not in held]
        for earlier, before in charged.items():
            fresh = [line for line in house.lines(earlier) if Held(line.member, line.reference) not in held]
            kept = [line for line in before if Held(line.member, line.reference) in held]
            stated += adjust(before, [*fresh, *kept])
            charged[earlier] = [*fresh, *kept]
        charged[month] = [line for line in lines if Held(line.member, line.reference) not in held]
        statements += _state(month, house, stated)
    return statements


def _state(month: str, house: House, lines: Sequence[Line]) -> list[Statement]:
    terms = house.terms(month)
    time = house.spent(month)
    by_member: dict[str, list[Line]] = {member: [] for member in house.groups if member in time}
    for line in lines:
        by_member.setdefault(line.member, []).append(line)
    return [
        compose(
            member,
            month,
            terms.period,
            house.policy.zone,
            own,
            spent=time.get(member, ()),
            basis_versions={
                **house.versions,
                "tariffs": " ".join(sorted({line.tariff for line in own if line.tariff})),
            },
            policy=house.policy.printed(),
        )
        for member, own in sorted(by_member.items())
    ]
