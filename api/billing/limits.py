"""The least and the most that a machine costs a member in a month. Pure.

What is missing, or too much, is shared over the rates of VAT by what was charged at each, to the cent by largest
remainder, so that the net is the limit itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from api.billing.money import ZERO, exact, share
from api.billing.statements import Basis, Line, Part, Rule, Step
from api.billing.tariffs import METERED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import date
    from decimal import Decimal

    from api.billing.statements import Tax
    from api.billing.tariffs import Book, Version
    from shopfloor.periods import Period


def limit_lines(
    machine: str, lines: Sequence[Line], *, book: Book, groups: Mapping[str, str], month: str, period: Period
) -> Iterator[Line]:
    """Yield what the monthly minimum adds and the monthly cap takes away, for every member of one machine.

    The version in force at the end of the month decides.

    Args:
        machine: identifier of the machine.
        lines: all lines of that machine and month.
        book: all tariffs.
        groups: the group of each member.
        month: as `2026-10`.
        period: of that month.
    """
    used: dict[str, list[Line]] = {member: [] for member in book.committed(machine)}
    for line in lines:
        used.setdefault(line.member, []).append(line)
    for member, charged in sorted(used.items()):
        version = book.at(machine, groups.get(member, ""), period.end - 1)
        if version is None:
            continue
        covered = [line for line in charged if line.basis in METERED]
        net = sum((line.amount for line in covered), ZERO)
        minimum = _minimum(version, member, covered)
        if minimum is not None and net < minimum:
            step = Step(Rule.MINIMUM, None, minimum, exact(net))
            limit = _Limit(machine, month, member, version, Basis.MONTHLY_MINIMUM, step)
            yield from _shared(limit, minimum - net, covered)
        if version.monthly_cap is not None and net > version.monthly_cap:
            step = Step(Rule.CAP, None, version.monthly_cap, exact(net))
            limit = _Limit(machine, month, member, version, Basis.MONTHLY_CAP, step)
            yield from _shared(limit, version.monthly_cap - net, covered)


def _minimum(version: Version, member: str, covered: Sequence[Line]) -> Decimal | None:
    minimum = version.monthly_minimum
    if minimum is None:
        return None
    committed = bool(covered) if minimum.members is None else member in minimum.members
    return minimum.amount if committed else None


class _Limit(NamedTuple):
    """Which limit of whom is reached."""

    machine: str
    month: str
    member: str
    version: Version
    basis: Basis
    step: Step


def _shared(limit: _Limit, difference: Decimal, covered: Sequence[Line]) -> Iterator[Line]:
    bases: dict[Tax, Decimal] = {}
    for line in covered:
        bases[line.tax] = bases.get(line.tax, ZERO) + line.amount
    if not any(bases.values()):
        bases = {limit.version.tax_of(Basis.TIME): ZERO}
    taxes = sorted(bases)
    for tax, amount in zip(taxes, share(difference, [bases[tax] for tax in taxes]), strict=True):
        if not amount:
            continue
        yield Line(
            reference=f"{limit.basis}/{limit.machine}/{tax}",
            month=limit.month,
            member=limit.member,
            machine=limit.machine,
            basis=limit.basis,
            tariff=limit.version.label,
            tax=tax,
            exact=exact(amount),
            amount=amount,
            steps=(limit.step, Step(Rule.VAT_SHARE, None, bases[tax], exact(amount), str(tax))),
            parts=tuple(_parts(amount, [line for line in covered if line.tax == tax])),
        )


def _parts(amount: Decimal, lines: Sequence[Line]) -> Iterator[Part]:
    """Share an amount to the days and sessions that were charged, by what each was charged."""
    charged: dict[tuple[date | None, int | None], Decimal] = {}
    for line in lines:
        for part in line.parts:
            key = (part.day, part.session)
            charged[key] = charged.get(key, ZERO) + part.amount
    keys = sorted(charged, key=str) or [(None, None)]
    weights = [charged.get(key, ZERO) for key in keys]
    for (day, session), cents in zip(keys, share(amount, weights), strict=True):
        yield Part(day, session, 0, cents)
