"""The page of figures of maintenance: alarms beside their targets, and how every machine held out."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NamedTuple

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse

from api.deps import ServicesDep  # noqa: TC001 - read when routes are made
from api.maintenance import figures as targets
from api.maintenance import orders_records
from api.pages.figures import number
from api.pages.page import Page, PageDep  # noqa: TC001 - read when routes are made
from api.pages.times import duration, full_day, local
from api.pages.words import NB, mark
from shopfloor.periods import MINUTE, SECOND

if TYPE_CHECKING:
    from collections.abc import Mapping

    from api.maintenance.orders_records import Held

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
PERIODS: Mapping[int, str] = {
    7: mark("7 days"), 30: mark("30 days"), 90: mark("90 days"), 365: mark("A year"),
}  # fmt: skip
_DEFAULT = 30
_NEVER = "–"  # noqa: RUF001 - as tables show nothing


class Shown(NamedTuple):
    """A figure as the page shows it.

    Attributes:
        name: what is counted.
        meaning: in words.
        value: as it is read.
        target: empty for none.
        source: of the target.
        is_over: it is beyond its target.
    """

    name: str
    meaning: str
    value: str
    target: str = ""
    source: str = ""
    is_over: bool = False


@router.get("/plan/figures")
async def figures_page(page: PageDep, found: ServicesDep) -> Response:
    """Alarms and machines over a period that is chosen."""
    asked = page.asked("days", 4)
    days = int(asked) if asked in {str(each) for each in PERIODS} else _DEFAULT
    machines = sorted(found.live.park.visible(page.scope), key=lambda each: each.name.casefold())

    def ask() -> tuple[dict[str, Any], dict[str, Held]]:
        with found.records.reading() as session:
            kept = orders_records.figures(session, page.scope, days=days, now=page.now)
            return kept, orders_records.held_out(session, [each.id for each in machines], days=days, now=page.now)

    kept, held = await asyncio.to_thread(ask)
    names = {each.id: each.name for each in machines}
    return page.show(
        "upkeep/figures.html",
        days=days,
        periods=[(each, page.say(word)) for each, word in PERIODS.items()],
        since=full_day(local(kept["since"], page.zone).date(), page.say),
        rows=[*_loads(page, kept), *_kinds(page, kept), *_handling(page, kept)],
        chattering=[(_called(each["alarm"], names), each["times"]) for each in kept["chattering"]],
        codes=list(kept["unknown_codes"].items())[:20],
        machines=[_machine(page, each.id, each.name, each.place, held[each.id]) for each in machines],
    )


def _loads(page: Page, kept: Mapping[str, Any]) -> list[Shown]:
    """Return how many alarms came, and how densely."""
    say = page.say
    at_most = [
        (say("Alarms a day"), say("the mean; every coming counts, also what nobody was told of"),
         number(kept["per_day"], say), kept["per_day"], targets.PER_DAY_MAX, "IEC 62682:2014"),
        (say("Most alarms in a minute"), say("the worst minute of the period"),
         str(kept["peak_minute"]), kept["peak_minute"], targets.PEAK_MINUTE_MAX, "EEMUA 191"),
        (say("Most alarms in ten minutes"), say("more than so many at once are a flood: nobody can read them"),
         str(kept["peak_ten_minutes"]), kept["peak_ten_minutes"], targets.FLOOD_BEGINS, "ISA-18.2"),
        (say("Most alarms in an hour"), say("the worst hour of the period"),
         str(kept["peak_hour"]), kept["peak_hour"], targets.PEAK_HOUR_MAX, "EEMUA 191"),
    ]  # fmt: skip
    found = [
        Shown(name, meaning, text, say("at most %(n)s", n=number(most, say)), source, value > most)
        for name, meaning, text, value, most, source in at_most
    ]
    flood, most = kept["flood_share"], targets.FLOOD_SHARE_MAX
    return [
        *found,
        Shown(say("Time in floods"), say("from more than 10 alarms in ten minutes until fewer than 5"),
              _percent(page, flood), say("at most %(n)s", n=_percent(page, most)), "ISA-18.2", flood > most),
    ]  # fmt: skip


def _kinds(page: Page, kept: Mapping[str, Any]) -> list[Shown]:
    """Return of what kind alarms were."""
    say, shares = page.say, kept["severities"]
    kinds = (("low", say("Slight")), ("medium", say("Of the shift")), ("high", say("Grave")))
    parts = ", ".join(f"{word}{NB}{_percent(page, shares.get(name, 0.0))}" for name, word in kinds)
    monthly, most = kept["incidents_per_machine_month"], targets.INCIDENTS_PER_MACHINE_MONTH_MAX
    return [
        Shown(say("Severities"), say("when much is grave, nothing is"), parts if shares else _NEVER,
              say("about 80, 15 and 5 %"), "EEMUA 191"),
        Shown(say("New alerts of a machine in a month"), say("alarms that belong together are one alert"),
              number(monthly, say), say("at most %(n)s", n=number(most, say)), say("our own, from a machine's log"),
              monthly > most),
        Shown(say("Chattering alarms"), say("came three times or more within an hour: their rule wants a longer delay"),
              str(len(kept["chattering"])), "0", "ISA-18.2", bool(kept["chattering"])),
    ]  # fmt: skip


def _handling(page: Page, kept: Mapping[str, Any]) -> list[Shown]:
    """Return how people and channels dealt with alerts."""
    say, minutes, dead = page.say, kept["minutes_to_take"], kept["deliveries"].get("dead", 0)
    return [
        Shown(say("Time until somebody takes an alert"), say("half of those that were taken went faster"),
              duration(int(minutes * MINUTE), say) if minutes is not None else _NEVER),
        Shown(say("Alerts open for more than 30 days"), say("close them, or set their machine out of service"),
              str(kept["stale"]), "0", "", kept["stale"] > 0),
        Shown(say("Messages that no channel took"), say("over all that is on record; try the channel with a test"),
              str(dead), "0", "", dead > 0),
    ]  # fmt: skip


def _machine(page: Page, machine: str, name: str, place: str, held: Held) -> dict[str, Any]:
    now, before = held.now, held.before
    say = page.say
    return {
        "id": machine,
        "name": name,
        "place": place,
        "failures": now.failures,
        "between": _length(page, now.mean_seconds_between),
        "repair": _length(page, now.mean_seconds_to_repair),
        "down": duration(now.down_seconds * SECOND, say) if now.down_seconds else _NEVER,
        "availability": _percent(page, now.availability),
        "before": _percent(page, before.availability) if before is not None else "",
        "since": full_day(local(held.since, page.zone).date(), say) if held.is_short else "",
    }


def _length(page: Page, seconds: float | None) -> str:
    return duration(int(seconds * SECOND), page.say) if seconds is not None else _NEVER


def _percent(page: Page, share: float) -> str:
    """Write a share; what is not the whole never looks like it."""
    value = round(share * 100, 1)
    if value == 100.0 and share < 1.0:  # noqa: PLR2004 - the whole
        value = 99.9
    return f"{number(value, page.say, decimals=0 if value == int(value) else 1)}{NB}%"


def _called(alarm: str, names: Mapping[str, str]) -> str:
    machine, _, rule = alarm.partition(": ")
    return f"{names.get(machine, machine)}: {rule}"
