"""Who pays for a machine now, for how long, and by which evidence: the tablet and the machine's page say the same."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from api.access.permissions import Rule, allows
from api.access.scope import Role
from api.floor import service
from api.pages.rows import WINDOW_MINUTES
from api.pages.times import duration, local, moment
from api.pages.words import mark
from api.usage.segments import CONSORTIUM, UNATTRIBUTED, Claim
from shopfloor.periods import MINUTE
from shopfloor.states import State
from shopfloor.stores.port import StoreRefusedError, StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from api.deps import Services
    from api.floor.service import PayerNow
    from api.machines.park import Machine
    from api.pages.page import Page
    from api.usage.segments import Segment
    from shopfloor.states import Stretch

DAYS_BACK = 7
"""How far back the beginning is looked for, in what is kept of the days before; a longer time is told from there."""
WHY = {
    Claim.CORRECTION: mark("by a correction that was approved"),
    Claim.CONSORTIUM: mark("maintenance"),
    Claim.JOB: mark("by the job on the control"),
    Claim.BADGE: mark("by badge or check-in"),
    Claim.BOOKING: mark("by the booking"),
    Claim.NONE: mark("nobody has checked in: this time is not attributed"),
}
"""The evidence by which somebody pays, in words."""


class Paying(NamedTuple):
    """Who pays now, as a machine's page says it.

    Attributes:
        name: of the firm, the consortium or nobody.
        why: by which evidence.
        since: from when, empty where it is not known.
        length: for how long, empty where it is not known.
        is_nobody: the time is not attributed.
        may_change: the reader may say who pays.
    """

    name: str
    why: str
    since: str
    length: str
    is_nobody: bool
    may_change: bool


def stretches(page: Page, found: Services, machine: Machine) -> list[Stretch]:
    """Return the states of the hours that a page looks back to, the first from its own beginning."""
    oldest = page.now - WINDOW_MINUTES * MINUTE
    known = found.live.present(machine, now=page.now).stretches(page.now)
    return [each for each in known if each.period.end > oldest]


def payer_of(page: Page, found: Services, machine: Machine) -> PayerNow:
    """Return who pays for a machine now, from when the same evidence has held without a break.

    Raises:
        StoreUnavailableError: the store did not answer.
        StoreRefusedError: the store did not want to.
    """
    off = [each.period for each in stretches(page, found, machine) if each.state is State.OFF]
    today = local(page.now, page.zone).date()
    built = found.usage.fresh(machine.id, [today], now=page.now)
    segments = list(built[-1].day.segments) if built else []
    newest = segments[-1] if segments else None
    with found.records.reading() as session:
        payer = service.payer_now(session, newest, machine.id, off, found.settings.policy, now=page.now)
        if newest is None or payer.claim is Claim.BADGE or (payer.payer, payer.claim) != (newest.payer, newest.claim):
            return payer
        begun = _begun(segments)
        if begun == segments[0].period.start:
            before = found.usage.segments(
                session, today - timedelta(days=DAYS_BACK), today - timedelta(days=1), machine=machine.id
            )
            begun = _begun([*before.get(machine.id, []), *segments])
    return payer._replace(since=begun)


def _begun(segments: Sequence[Segment]) -> int:
    """Return since when the last of some segments has its payer by its evidence, whatever the machine did meanwhile."""
    last = segments[-1]
    begun = last.period.start
    for each in reversed(segments[:-1]):
        if (each.payer, each.claim) != (last.payer, last.claim) or each.period.end < begun:
            break
        begun = each.period.start
    return begun


async def paying(page: Page, found: Services, machine: Machine) -> Paying | None:
    """Say who pays for a machine now to who may know it: who works there all, a firm that it is itself; else None."""
    is_floor = allows(Rule.FLOOR, page.scope.role)
    if not is_floor and page.scope.role is not Role.MEMBER:
        return None
    try:
        now = await asyncio.to_thread(payer_of, page, found, machine)
    except (StoreUnavailableError, StoreRefusedError):
        return None
    if not is_floor and now.payer != page.scope.member:
        return None
    today = local(page.now, page.zone).date()
    return Paying(
        name=now.name or house(page, now.payer),
        why=page.say(WHY[now.claim]),
        since="" if now.since is None else moment(now.since, today, page.zone, page.say),
        length="" if now.since is None else duration(page.now - now.since, page.say),
        is_nobody=now.payer == UNATTRIBUTED,
        may_change=is_floor,
    )


def house(page: Page, payer: str) -> str:
    """Return what a payer is called that is no firm."""
    return page.say("The consortium") if payer == CONSORTIUM else page.say("Nobody")
