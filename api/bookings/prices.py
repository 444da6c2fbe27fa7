"""Estimates of bookings by the price list that is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from api.billing.pricelist import read_prices
from api.billing.service import entries
from api.bookings.estimates import estimate
from api.records.tables import Member

if TYPE_CHECKING:
    from collections.abc import Callable
    from zoneinfo import ZoneInfo

    from sqlalchemy.orm import Session

    from api.bookings.estimates import Estimate
    from shopfloor.periods import Period


def estimator(session: Session, member: str | None, zone: ZoneInfo) -> Callable[[str, Period], Estimate | None]:
    """Return what estimates bookings of machines by a member, as the price list is now.

    Args:
        session: of the records.
        member: who would pay; for nobody nothing is estimated, because a tariff may be that of a group.
        zone: civil zone of bands.
    """
    row = None if not member else session.get(Member, member)
    kept = [] if row is None else entries(session)
    if row is None or not kept:
        return lambda _machine, _period: None
    book = read_prices(kept, zone, [row.id]).book
    return lambda machine, period: estimate(book, machine, row.id, row.group_name, period, zone=zone)
