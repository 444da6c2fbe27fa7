"""What a booking would cost by the tariff, calculated by the same functions that rate its use. Pure."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from api.billing.calendars import civil_month, month_of
from api.billing.rating import Terms, rate_machine
from api.billing.statements import Basis
from api.billing.tariffs import UnpricedError
from api.usage.segments import Claim, Quality, Segment
from shopfloor.periods import Period
from shopfloor.states import State

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from api.billing.tariffs import Book

_OF_A_SESSION = frozenset({Basis.TIME, Basis.BOOKED_UNUSED, Basis.START_UP, Basis.SESSION_MINIMUM})
"""What one booking costs by itself; what a month adds, as its minimum and cap, is not known yet."""


class Estimate(NamedTuple):
    """What a booking would cost, net of VAT.

    Attributes:
        processing: when the machine works all the time, in euros.
        unused: when it stays off and the booking is kept or given up late, in euros.
        is_tiered: the price depends on the use of the whole month; this is that of its first hours.
    """

    processing: Decimal
    unused: Decimal
    is_tiered: bool


def estimate(book: Book, machine: str, member: str, group: str, period: Period, *, zone: ZoneInfo) -> Estimate | None:
    """Estimate a booking; None when no tariff is valid for all of it.

    Args:
        book: all tariffs.
        machine: which is booked.
        member: who books.
        group: of that member.
        period: of the booking.
        zone: civil zone of bands.
    """
    versions = [version for _, version in book.pieces(machine, group, period)]
    prices = [version.price(Basis.TIME, State.PROCESSING) for version in versions if version is not None]
    if len(prices) < len(versions) or None in prices:
        return None
    month = month_of(period.end - 1, zone)
    whole = civil_month(month, zone)
    terms = Terms(book, {member: group}, zone, month, Period(min(period.start, whole.start), whole.end))
    segment = Segment(machine, period, State.PROCESSING, Quality.MEASURED, member, Claim.BOOKING, member)
    try:
        return Estimate(
            _cost(machine, segment, terms),
            _cost(machine, segment._replace(state=State.OFF), terms),
            any(price is not None and bool(price.tiers) for price in prices),
        )
    except UnpricedError:
        return None


def _cost(machine: str, segment: Segment, terms: Terms) -> Decimal:
    lines = rate_machine(machine, [segment], terms)
    return sum((line.amount for line in lines if line.basis in _OF_A_SESSION), Decimal("0.00"))
