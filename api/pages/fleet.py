"""The routes of the fleet: every agent, how it is and what waits in it, and when each machine was heard last."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NamedTuple

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse

from api.access.scope import Role
from api.deps import ServicesDep  # noqa: TC001 - read when routes are made
from api.pages.figures import number
from api.pages.page import Page, PageDep  # noqa: TC001 - read when routes are made
from api.pages.times import ago, duration, since
from api.pages.words import word_of
from api.records import service
from shopfloor.periods import HOUR, SECOND

if TYPE_CHECKING:
    from api.deps import Services
    from api.machines.park import Machine
    from shopfloor.wire.edge import Health, MachineHealth

CERTIFICATE_DAYS = 30
"""A certificate that ends sooner wants a person."""
HOURS_LEFT = 24
"""A spool that is full sooner wants a person."""
OFFSET_SECONDS = 60.0
"""A machine's clock that is further off is not trusted (the limit is each machine's own; this is its default)."""
_MEGABYTE = 1_000_000

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


class ShownMachine(NamedTuple):
    """A machine of an agent as the page shows it."""

    id: str
    name: str
    kind: str
    mark: str
    word: str
    seen: str
    offset: str
    certificate: str
    reason: str


class ShownAgent(NamedTuple):
    """An agent as the page shows it; `wants` says why somebody should look at it."""

    id: str
    name: str
    site: str
    is_silent: bool
    state: str
    version: str
    waiting: str
    oldest: str
    left: str
    certificate: str
    lost: str
    wants: list[str]
    machines: list[ShownMachine]


@router.get("/fleet")
async def fleet_page(page: PageDep, found: ServicesDep) -> Response:
    """Every agent at the caller's sites, live."""
    return page.show("fleet/page.html", **await _fleet(page, found))


@router.get("/fragments/fleet")
async def fleet_fragment(page: PageDep, found: ServicesDep) -> Response:
    """The part that changes by itself."""
    return page.show("fleet/fragment.html", **await _fleet(page, found))


async def _fleet(page: Page, found: Services) -> dict[str, Any]:
    def read() -> tuple[list[Any], dict[str, str]]:
        sites = {row.id: row.name for row in service.visible(found.records, page.scope, "sites")}
        return list(service.visible(found.records, page.scope, "edges")), sites

    rows, sites = await asyncio.to_thread(read)
    visible = found.live.park.visible(page.scope)
    machines: dict[str, list[Machine]] = {}
    for machine in visible:
        machines.setdefault(machine.publisher or "", []).append(machine)
    agents = [
        _agent(page, found, row.id, row.name or row.id, sites.get(row.site_id, ""), machines.get(row.id, []))
        for row in rows
    ]
    return {
        "agents": sorted(agents, key=lambda each: (not each.is_silent, not each.wants, each.name)),
        "added": page.asked("added", 63),
        "may_add": page.scope.role is Role.ADMINISTRATOR,
        "silent": sum(each.is_silent for each in agents),
        "attended": [_machine(page, found, each, None) for each in machines.get("", [])],
    }


def _agent(page: Page, found: Services, name: str, called: str, site: str, machines: list[Machine]) -> ShownAgent:  # noqa: PLR0917 - a row
    say, asking = page.say, found.live.asking
    health, is_silent = asking.health(name), asking.is_silent(name, now=page.now)
    if health is None:
        state, wants = say("never heard"), [say("Enrol the agent, or start it.")]
        shown = [_machine(page, found, each, None) for each in machines]
        return ShownAgent(name, called, site, True, state, "", "", "", "", "", "", wants, shown)  # noqa: FBT003 - a row
    state = (
        say("silent %(since)s", since=since(health.timestamp, page.now, page.zone, say))
        if is_silent
        else say("heard %(ago)s", ago=ago(page.now - health.timestamp, say))
    )
    said = {each.machine: each for each in health.machines}
    rows = say.plural("%(n)s row", "%(n)s rows", health.rows)
    days = min((each.days for each in health.certificates), default=None)
    lost = sum(count for each in health.losses.values() for count in each.values())
    oldest = min(health.oldest_unstored.values(), default=None)
    return ShownAgent(
        id=name,
        name=called,
        site=site,
        is_silent=is_silent,
        state=state,
        version=health.version,
        waiting=f"{rows}, {number(health.bytes / _MEGABYTE, say)}\N{NO-BREAK SPACE}MB",
        oldest="" if oldest is None else duration(page.now - oldest, say),
        left="" if health.hours_left is None else duration(int(health.hours_left * HOUR), say),
        certificate="" if days is None else say.plural("%(n)s day", "%(n)s days", days),
        lost=number(lost, say, decimals=0) if lost else "",
        wants=_wants(page, health, is_silent=is_silent),
        machines=[_machine(page, found, each, said.get(each.id)) for each in machines],
    )  # fmt: skip


def _wants(page: Page, health: Health, *, is_silent: bool) -> list[str]:
    """Say what of an agent wants a person; empty for nothing."""
    say, found = page.say, []
    if is_silent:
        found.append(say("Look at its computer and network; what it has in its spool comes when it is back."))
    if health.hours_left is not None and health.hours_left < HOURS_LEFT:
        found.append(say("Its spool will be full soon: look at the network and the collector."))
    if any(each.days < CERTIFICATE_DAYS for each in health.certificates):
        found.append(say("Its own certificate ends soon: let the machines trust its successor."))
    if health.broker_days is not None and health.broker_days < CERTIFICATE_DAYS:
        found.append(
            say.plural(
                "A certificate of the broker, or the agent's for it, ends in %(n)s day: renew it.",
                "A certificate of the broker, or the agent's for it, ends in %(n)s days: renew it.",
                health.broker_days,
            )
        )
    if any(each.certificate_days is not None and each.certificate_days < CERTIFICATE_DAYS for each in health.machines):
        found.append(say("The certificate of a machine ends soon: renew it at the machine."))
    if health.clock_ahead_seconds:
        found.append(say("The clock of its computer was put wrong: set it. The agent goes on by its own meanwhile."))
    if any(abs(each.offset_seconds or 0.0) > OFFSET_SECONDS for each in health.machines):
        found.append(say("The clock of a machine is off: set it at the machine."))
    if health.configuration.problem:
        found.append(health.configuration.problem)
    return found


def _machine(page: Page, found: Services, machine: Machine, said: MachineHealth | None) -> ShownMachine:
    say = page.say
    present = found.live.present(machine, now=page.now)
    offset = (
        "" if said is None or said.offset_seconds is None else f"{number(said.offset_seconds, say)}\N{NO-BREAK SPACE}s"
    )
    days = None if said is None else said.certificate_days
    return ShownMachine(
        id=machine.id,
        name=machine.name,
        kind=machine.kind,
        mark=present.state.value,
        word=say(word_of(present.state, is_attended=machine.is_attended)),
        seen=say("never") if present.seen is None else ago(max(0, page.now - present.seen) // SECOND * SECOND, say),
        offset=offset,
        certificate="" if days is None else say.plural("%(n)s day", "%(n)s days", days),
        reason="" if said is None else said.reason,
    )
