"""What stands beside machines: open alerts that somebody has to answer, and the service that comes next.

Read by the same services as the JSON API, in the reader's scope; who may not ask there gets nothing here.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from api.access.permissions import Rule, allows
from api.maintenance import alerts_records
from api.pages import alert_rows as rows

if TYPE_CHECKING:
    from collections.abc import Collection

    from api.deps import Services
    from api.maintenance.alerts_records import Seen
    from api.pages.alert_rows import AlertRow
    from api.pages.page import Page


class Beside(NamedTuple):
    """Open alerts, what wants a person first.

    Attributes:
        rows: those that have room.
        total: how many there are.
    """

    rows: list[AlertRow]
    total: int

    @property
    def more(self) -> int:
        """How many have no room."""
        return self.total - len(self.rows)


def may_ask(page: Page) -> bool:
    """Tell whether alerts are the reader's business at all: a screen that hangs on a wall has no reader."""
    return allows(Rule.ALERTS, page.scope.role)


async def open_alerts(
    page: Page, found: Services, *, machine: str | None = None, sites: Collection[str] = (), most: int
) -> Beside | None:
    """Return the open alerts that the reader may see, without those put aside; None for who may not ask.

    Args:
        page: says who asks, when, in which language.
        found: the services of the process.
        machine: only of this one.
        sites: only of these; none means all.
        most: how many have room.
    """
    if not may_ask(page):
        return None

    def ask() -> list[Seen]:
        with found.records.reading() as session:
            return alerts_records.listed(session, page.scope, state="open", machine=machine)

    seen = [
        each
        for each in await asyncio.to_thread(ask)
        if rows.tab_of(each, page.now) != "shelved" and (not sites or each.place.site in sites)
    ]
    seen.sort(key=lambda each: _need(each, page.now))
    places = {each.id: each.place for each in found.live.park.visible(page.scope)}
    teller = rows.Teller(page.now, page.zone, page.say, places)
    return Beside([rows.row_of(each, teller) for each in seen[:most]], len(seen))


def _need(seen: Seen, now: int) -> tuple[bool, int, int]:
    """Return where an alert stands: those that nobody has first, then by priority, then the oldest."""
    ranks = list(rows.PRIORITIES)
    return rows.tab_of(seen, now) == "taken", ranks.index(rows.priority_of(seen)), seen.row.since
