"""The routes of the machines page and of the wall."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse

from api.billing.service import member_names
from api.deps import ServicesDep  # noqa: TC001 - read when routes are made
from api.live.attended import Attended
from api.pages.page import Page, PageDep  # noqa: TC001 - read when routes are made
from api.pages.rows import Facts, table
from api.pages.strips import COLUMNS
from api.usage.segments import CONSORTIUM

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from api.deps import Services
    from api.live.present import Present
    from api.machines.park import Machine

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@router.get("/")
async def machines_page(page: PageDep, found: ServicesDep) -> Response:
    """All machines, live."""
    return page.show("plant/page.html", **await _plant(page, found))


@router.get("/fragments/machines")
async def machines_fragment(page: PageDep, found: ServicesDep) -> Response:
    """The part of the machines page that changes by itself."""
    return page.show("plant/fragment.html", **await _plant(page, found))


async def _plant(page: Page, found: Services) -> dict[str, Any]:
    site = page.asked("site")
    visible = found.live.park.visible(page.scope)
    chosen = [machine for machine in visible if not site or machine.site == site]
    sites = sorted({(machine.place, machine.site) for machine in visible})
    return {
        "site": site,
        "sites": [(each, name, sum(machine.site == each for machine in visible)) for name, each in sites],
        "total": len(visible),
        "table": table(await facts_of(page, found, chosen), now=page.now, zone=page.zone, say=page.say),
        "columns": [(name, page.say(head)) for name, head in COLUMNS.items()],
        "sees_work": page.scope.sees_work,
    }


async def facts_of(page: Page, found: Services, machines: Sequence[Machine]) -> list[Facts]:
    """Return what machines are doing, with what they work on for who may see it."""
    sees_work = page.scope.sees_work
    names = await _names(found) if sees_work and any(machine.is_attended for machine in machines) else {}
    if sees_work:
        await found.today.learn([machine.id for machine in machines], now=page.now)
    gathered: list[Facts] = []
    for machine in machines:
        present = found.live.present(machine, now=page.now)
        work = {name: sample.value for name, sample in present.values.items()} if sees_work else None
        gathered.append(
            Facts(
                id=machine.id,
                name=machine.name,
                kind=machine.kind,
                site=machine.place,
                state=present.state,
                since=present.since,
                seen=present.seen,
                stretches=present.stretches(page.now),
                work=work,
                parts_today=found.today.parts(machine.id, work.get("parts")) if work else None,
                is_attended=machine.is_attended,
                checked_in=_checked_in(page, present, names),
            )
        )
    return gathered


async def _names(found: Services) -> dict[str, str]:
    """Return what firms are called."""

    def read() -> dict[str, str]:
        with found.records.reading() as session:
            return member_names(session)

    return await asyncio.to_thread(read)


def _checked_in(page: Page, present: Present, names: Mapping[str, str]) -> str:
    """Say whom somebody is checked in for, empty for nobody and for who may not see it."""
    holder = present.holder(page.now) if isinstance(present, Attended) and page.scope.sees_work else ""
    return page.say("The consortium") if holder == CONSORTIUM else names.get(holder, "")
