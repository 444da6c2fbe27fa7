"""The books of the demonstration, kept as its office would: what is over is decided and closed, but for the last month.

That one is left to whoever looks at the demonstration, with everything that has to be decided before it can be closed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from api.access.scope import Role, Scope
from api.audit.service import CONSOLE
from api.billing import service as billing
from api.billing.calendars import civil_month, day_of, month_of, next_month
from api.billing.closing import EVERY, ClosingRefusedError, Order, close
from api.billing.deciding import enter, questions
from api.usage.doubts import Reason
from shopfloor.periods import DAY, SECOND

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from api.billing.ledger import Ledger

_OFFICE = Scope(Role.ADMINISTRATOR)
_HOUSE_PAYS = "consortium"
_WHY = "not observed, and nothing speaks of use"
_NOTE = "Bonifico"


def keep_books(ledger: Ledger, *, since: int, now: int, tell: Callable[[str], None]) -> None:
    """Close the months that are over, but for the last; one that is closed stays as it is.

    Use that nobody pays, such as warming up before the first job of a day, is charged to the consortium. Where somebody
    would have to say what a machine did, the month and those after it are left open.

    Args:
        ledger: of the demonstration.
        since: the first instant of its history.
        now: the present.
        tell: told of each month that was closed, and of one that could not be.
    """
    over = list(_over(ledger, since, now))
    longest = ledger.usage.policy.badge_seconds_max * SECOND
    for month in over[:-1]:
        first, last = ledger.days(month)
        ledger.usage.refresh(ledger.usage.machines(), first, last, now=now)
        until = civil_month(month, ledger.zone).end
        whiles = [
            each
            for question in questions(ledger, _OFFICE, now=until)  # as it was asked then
            if question.reason is Reason.UNATTRIBUTED
            for each in question.whiles
            if each.period.end <= until
        ]
        with ledger.records.writing() as session:
            enter(session, CONSOLE, _OFFICE, whiles, _HOUSE_PAYS, longest=longest, now=now)
        try:
            done = close(ledger, CONSOLE, Order(month, accepted={EVERY: _WHY}), now=now)
        except ClosingRefusedError as error:
            tell(f"{month} stays open: {error.problems[0][1]}")
            return
        if done.is_new:
            tell(f"{month} is closed: {done.statements} statements")
        if month != over[-2]:
            _take_payments(ledger, month, now)


def _over(ledger: Ledger, since: int, now: int) -> Iterator[str]:
    month = month_of(since, ledger.zone)
    while civil_month(month, ledger.zone).end + ledger.review_days * DAY <= now:
        yield month
        month = next_month(month)


def _take_payments(ledger: Ledger, month: str, now: int) -> None:
    """Note that every statement of an older month was paid, but for the last: somebody is always late."""
    rows = billing.statements(ledger.records, _OFFICE, month=month)
    with ledger.records.writing() as session:
        paid = {number for number, fate in billing.fates(session).items() if fate.is_paid}
        for row in rows[:-1]:
            if row.number not in paid:
                day = day_of(now, ledger.zone)
                billing.add_event(session, CONSOLE, row.number, "paid", day=day, note=_NOTE, now=now)
