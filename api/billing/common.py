"""What members pay together or to one another: quotas, shared costs, lent hours, fees, the true-up of a year. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from api.billing.money import ZERO, exact, share, times, to_cents
from api.billing.statements import Basis, Line, Part, Rule, Step, Tax, Unit
from api.billing.tariffs import METERED, ORDINARY, BadTariffError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import date

TRUED_UP = frozenset({*METERED, Basis.MONTHLY_MINIMUM, Basis.MONTHLY_CAP})
"""What a true-up compares with the real cost: all that a machine's use was charged."""


class Quota(NamedTuple):
    """A fixed amount a month.

    Attributes:
        item: what it is called.
        amounts: euros in whole cents, by member.
        first: the first month, as `2026-01`.
        last: the last month.
        tax: VAT.
    """

    item: str
    amounts: Mapping[str, Decimal]
    first: str
    last: str
    tax: Tax = ORDINARY


class SharedCost(NamedTuple):
    """A cost of one month that members share to the cent.

    Attributes:
        item: what it is called.
        month: as `2026-10`.
        amount: euros in whole cents.
        weights: by member; None shares by the charged seconds of the month.
        machines: whose seconds count; None for all.
        tax: VAT.
    """

    item: str
    month: str
    amount: Decimal
    weights: Mapping[str, Decimal] | None = None
    machines: frozenset[str] | None = None
    tax: Tax = ORDINARY


class LentHours(NamedTuple):
    """Work of a person whom one member lends to another: the borrower is charged, the lender credited the same.

    Attributes:
        lender: whose person it is.
        borrower: who pays.
        item: what was done, or a pseudonym of who did it.
        day: civil day.
        seconds: how long.
        rate: euros per hour.
        tax: VAT.
    """

    lender: str
    borrower: str
    item: str
    day: date
    seconds: int
    rate: Decimal
    tax: Tax = ORDINARY


class Fee(NamedTuple):
    """A single amount, such as for a late cancellation.

    Attributes:
        member: who pays.
        item: what for.
        day: civil day.
        amount: euros in whole cents; negative for a credit.
        machine: which it is about, empty for none.
        tax: VAT.
    """

    member: str
    item: str
    day: date
    amount: Decimal
    machine: str = ""
    tax: Tax = ORDINARY


class TrueUp(NamedTuple):
    """The end of a year at provisional rates: what a section of machines really cost.

    Attributes:
        section: what it is called.
        machines: of the section.
        year: whose use is trued up.
        cost: what they cost in truth, euros in whole cents.
        month: on whose statement it comes.
        by_seconds: share by charged seconds; else by what was charged, which keeps the proportions of the rates.
        tax: VAT.
    """

    section: str
    machines: frozenset[str]
    year: int
    cost: Decimal
    month: str
    by_seconds: bool = False
    tax: Tax = ORDINARY


@dataclass(frozen=True, slots=True)
class Common:
    """Everything that is charged beside the use of machines."""

    quotas: Sequence[Quota] = ()
    shared_costs: Sequence[SharedCost] = ()
    lent_hours: Sequence[LentHours] = ()
    fees: Sequence[Fee] = ()
    true_ups: Sequence[TrueUp] = ()
    members: Sequence[str] = field(default=())

    def lines(self, month: str, used: Sequence[Line]) -> list[Line]:
        """Return the lines of a month, but for true-ups.

        Args:
            month: as `2026-10`.
            used: the lines of the use of machines in that month.
        """
        return [
            *(line for quota in self.quotas for line in _quota(quota, month)),
            *(line for cost in self.shared_costs if cost.month == month for line in self._shared(cost, used)),
            *_lent([lent for lent in self.lent_hours if f"{lent.day:%Y-%m}" == month], month),
            *(_fee(fee, number, month) for number, fee in _numbered(self.fees, month)),
        ]

    def of(self, month: str) -> tuple[object, ...]:
        """Return what concerns a month: the same as long as nothing was added or changed for it."""
        return (
            tuple(quota for quota in self.quotas if quota.first <= month <= quota.last),
            tuple(cost for cost in self.shared_costs if cost.month == month),
            tuple(lent for lent in self.lent_hours if f"{lent.day:%Y-%m}" == month),
            tuple(fee for fee in self.fees if f"{fee.day:%Y-%m}" == month),
            tuple(up for up in self.true_ups if up.month == month),
        )

    def _shared(self, cost: SharedCost, used: Sequence[Line]) -> Iterator[Line]:
        weights = cost.weights
        if weights is None:
            weights = _seconds([line for line in used if cost.machines is None or line.machine in cost.machines])
            weights = weights or dict.fromkeys(self.members, Decimal(1))
        members = sorted(weights)
        total = sum(weights.values(), Decimal(0))
        for member, amount in zip(members, share(cost.amount, [weights[each] for each in members]), strict=True):
            yield Line(
                reference=f"{Basis.SHARED_COST}/{cost.item}",
                month=cost.month,
                member=member,
                machine="",
                basis=Basis.SHARED_COST,
                item=cost.item,
                tax=cost.tax,
                exact=exact(amount),
                amount=amount,
                steps=(Step(Rule.SHARE, None, weights[member], exact(amount), f"{cost.amount} by {total}"),),
                parts=(Part(None, None, 0, amount),),
            )


def true_up(up: TrueUp, lines: Iterable[Line], provisional: frozenset[str]) -> list[Line]:
    """Share what a section of machines really cost, and return what each member still owes or has paid too much.

    Args:
        up: the section and its cost.
        lines: of all machines and all months of the year, as last calculated.
        provisional: labels of the tariff versions that are provisional.

    Raises:
        BadTariffError: nothing was charged at a provisional rate, so that there is nothing to true up.
    """
    billed: dict[str, Decimal] = {}
    chosen = [
        line
        for line in lines
        if line.machine in up.machines
        and line.month.startswith(f"{up.year:04d}-")
        and line.basis in TRUED_UP
        and line.tariff in provisional
    ]
    for line in chosen:
        billed[line.member] = billed.get(line.member, ZERO) + line.amount
    weights = _seconds(chosen) if up.by_seconds else billed
    if not any(weights.values()):
        raise BadTariffError(f"the true-up of {up.section}, {up.year}: nothing was charged at a provisional rate: name "
                             "the machines of the section, and mark their tariff versions as provisional")  # fmt: skip
    members = sorted({*billed, *weights})
    shares = share(up.cost, [weights.get(member, ZERO) for member in members])
    return [
        Line(
            reference=f"{Basis.TRUE_UP}/{up.section}/{up.year}",
            month=up.month,
            member=member,
            machine="",
            basis=Basis.TRUE_UP,
            item=f"{up.section} {up.year}",
            tax=up.tax,
            exact=exact(cost - billed[member]),
            amount=cost - billed[member],
            steps=(
                Step(Rule.ACTUAL_COST, None, weights.get(member, ZERO), exact(cost), str(up.cost)),
                Step(Rule.BILLED, None, None, exact(billed[member])),
            ),
            parts=(Part(None, None, 0, cost - billed[member]),),
        )
        for member, cost in zip(members, shares, strict=True)
    ]


def _seconds(lines: Iterable[Line]) -> dict[str, Decimal]:
    seconds: dict[str, Decimal] = {}
    for line in lines:
        if line.basis is Basis.TIME:
            seconds[line.member] = seconds.get(line.member, Decimal(0)) + line.quantity
    return seconds


def _quota(quota: Quota, month: str) -> Iterator[Line]:
    if not quota.first <= month <= quota.last:
        return
    for member, amount in sorted(quota.amounts.items()):
        yield Line(
            reference=f"{Basis.QUOTA}/{quota.item}",
            month=month,
            member=member,
            machine="",
            basis=Basis.QUOTA,
            item=quota.item,
            tax=quota.tax,
            exact=exact(amount),
            amount=amount,
            steps=(Step(Rule.FIXED, amount=exact(amount)),),
            parts=(Part(None, None, 0, amount),),
        )


def _lent(lent: Sequence[LentHours], month: str) -> Iterator[Line]:
    """Sum the hours of one lender, borrower, item and rate into one line, rounded once, and its credit."""
    sums: dict[tuple[str, str, str, Decimal, Tax], dict[date, int]] = {}
    for each in lent:
        days = sums.setdefault((each.lender, each.borrower, each.item, each.rate, each.tax), {})
        days[each.day] = days.get(each.day, 0) + each.seconds
    for (lender, borrower, item, rate, tax), days in sorted(sums.items()):
        seconds = sum(days.values())
        whole = times(rate, seconds)
        amount = to_cents(whole)
        ordered = sorted(days.items())
        cents = share(amount, [Decimal(each) for _, each in ordered])
        for member, sign, name in ((borrower, 1, f"from {lender}"), (lender, -1, f"to {borrower}")):
            yield Line(
                reference=f"{Basis.LENT_HOURS}/{name}/{item}/{rate}/{tax}",
                month=month,
                member=member,
                machine="",
                basis=Basis.LENT_HOURS,
                item=f"{item} ({name})",
                tax=tax,
                unit=Unit.SECOND,
                quantity=sign * seconds,
                price=rate,
                exact=sign * whole,
                amount=sign * amount,
                steps=(Step(Rule.PRICE, sign * seconds, rate, sign * whole), Step(Rule.ROUND, amount=sign * whole)),
                parts=tuple(
                    Part(day, None, sign * each, sign * part) for (day, each), part in zip(ordered, cents, strict=True)
                ),
            )


def _numbered(fees: Sequence[Fee], month: str) -> Iterator[tuple[int, Fee]]:
    """Number the fees of one member, machine, day and name, which would else be one line."""
    seen: dict[tuple[str, str, str, date], int] = {}
    for fee in sorted(each for each in fees if f"{each.day:%Y-%m}" == month):
        key = (fee.member, fee.machine, fee.item, fee.day)
        seen[key] = seen.get(key, 0) + 1
        yield seen[key], fee


def _fee(fee: Fee, number: int, month: str) -> Line:
    names = (Basis.FEE, fee.machine, fee.item, fee.day.isoformat(), "" if number == 1 else str(number))
    return Line(
        reference="/".join(name for name in names if name),
        month=month,
        member=fee.member,
        machine=fee.machine,
        basis=Basis.FEE,
        item=fee.item,
        tax=fee.tax,
        exact=exact(fee.amount),
        amount=fee.amount,
        steps=(Step(Rule.FIXED, amount=exact(fee.amount)),),
        parts=(Part(fee.day, None, 0, fee.amount),),
    )
