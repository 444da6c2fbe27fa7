"""One month of a whole house from what is rated now and what was charged before: its statements. Pure.

What does not change is never calculated again: of closed months only the machines with other segments, or with lines
that were contested, are rated, and their difference to what was charged becomes adjustments.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from api.billing.adjustments import adjust
from api.billing.calendars import civil_month, civil_zone
from api.billing.common import true_up
from api.billing.rating import Terms, rate_machine, spent
from api.billing.statements import Basis, Line, Spent, Statement, compose

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from api.billing.common import Common
    from api.billing.tariffs import Book
    from api.usage.policy import Policy
    from api.usage.segments import Segment

OF_MACHINES = frozenset({*Basis} - {Basis.QUOTA, Basis.SHARED_COST, Basis.LENT_HOURS, Basis.TRUE_UP, Basis.FEE})
"""What is calculated from the use of one machine."""

NONE: Mapping[str, str] = MappingProxyType({})


class Contested(NamedTuple):
    """A line that stays out because it is contested."""

    month: str
    member: str
    reference: str


@dataclass(frozen=True, slots=True)
class MonthGround:
    """What one month is charged by, but for segments.

    Attributes:
        month: as `2026-10`.
        groups: the group of each member.
        book: all tariffs.
        common: what is charged beside the use of machines.
        policy: metering and attribution.
    """

    month: str
    groups: Mapping[str, str]
    book: Book
    common: Common
    policy: Policy

    def terms(self) -> Terms:
        """Return what machines are rated by."""
        zone = civil_zone(self.policy.zone)
        return Terms(self.book, self.groups, zone, self.month, civil_month(self.month, zone))


@dataclass(slots=True)
class MachineUse:
    """The lines of some machines in one month, and the time that everybody spent on them."""

    lines: list[Line] = field(default_factory=list)
    spent: dict[str, list[Spent]] = field(default_factory=dict)

    def take(self, machine: str, segments: Sequence[Segment], terms: Terms) -> None:
        """Rate a machine; the segments themselves are let go, so that a whole house has room.

        Raises:
            UnpricedError: there is use that no tariff covers.
        """
        for line in rate_machine(machine, segments, terms):
            parts = tuple(part._replace(segments=()) for part in line.parts)
            self.lines.append(replace(line, parts=parts))
        for payer, rows in spent(segments, terms.period).items():
            self.spent.setdefault(payer, []).extend(rows)


@dataclass(frozen=True, slots=True)
class Again:
    """A closed month that is looked at again.

    Attributes:
        ground: what it is charged by: members and settings of its closing, prices as they are now.
        charged: its lines as they were last charged.
        machines: those that were rated again.
        use: what came of it.
    """

    ground: MonthGround
    charged: Sequence[Line]
    machines: frozenset[str]
    use: MachineUse

    def used(self) -> list[Line]:
        """Return the lines of all machines as they ought to be."""
        kept = [line for line in self.charged if line.basis in OF_MACHINES and line.machine not in self.machines]
        return [*kept, *self.use.lines]


def state_month(
    ground: MonthGround,
    use: MachineUse,
    again: Mapping[str, Again],
    held: frozenset[Contested],
    *,
    versions: Mapping[str, str] = NONE,
    members: Iterable[str] | None = None,
) -> list[Statement]:
    """State a month.

    Args:
        ground: what it is charged by.
        use: the lines of all machines in it.
        again: closed months that are looked at again, by month; those of a year that is trued up have to be there.
        held: contested lines.
        versions: what the statements name as the ground they stand on.
        members: only of these; None for all.

    Returns:
        A statement for every member with a line, or with time on a machine; by member.

    Raises:
        BadTariffError: a true-up of what was not provisional.
    """
    months = {**{month: each.used() for month, each in again.items()}, ground.month: use.lines}
    stated = [line for line in _all(ground, use.lines, months) if not _is_held(line, held)]
    for month, each in sorted(again.items()):
        fresh = [line for line in _all(each.ground, months[month], months) if not _is_held(line, held)]
        kept = [line for line in each.charged if _is_held(line, held)]
        stated += adjust(each.charged, [*fresh, *kept])
    by_member: dict[str, list[Line]] = {member: [] for member in ground.groups if member in use.spent}
    for line in stated:
        by_member.setdefault(line.member, []).append(line)
    chosen = sorted(by_member if members is None else by_member.keys() & set(members))
    terms = ground.terms()
    return [
        compose(
            member,
            ground.month,
            terms.period,
            ground.policy.zone,
            by_member[member],
            spent=use.spent.get(member, ()),
            basis_versions={
                **versions,
                "tariffs": " ".join(sorted({line.tariff for line in by_member[member] if line.tariff})),
            },
            policy=ground.policy.printed(),
        )
        for member in chosen
    ]


def _all(ground: MonthGround, used: Sequence[Line], months: Mapping[str, Sequence[Line]]) -> Iterator[Line]:
    yield from used
    yield from ground.common.lines(ground.month, used)
    for up in ground.common.true_ups:
        if up.month == ground.month:
            year = [line for month, lines in months.items() if month.startswith(f"{up.year:04d}-") for line in lines]
            yield from true_up(up, year, ground.book.provisional)


def _is_held(line: Line, held: frozenset[Contested]) -> bool:
    return Contested(line.month, line.member, line.reference) in held
