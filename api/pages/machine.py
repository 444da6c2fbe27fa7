"""The routes of one machine: as it is now, and as it was."""

from __future__ import annotations

import asyncio
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from fastapi import APIRouter, Path, Response
from fastapi.responses import HTMLResponse

from api.access.permissions import Rule, allows
from api.access.scope import Role
from api.bookings import views
from api.deps import ServicesDep  # noqa: TC001 - read when routes are made
from api.machines.schemas import ReducedPoint
from api.maintenance import orders_records, rulebook
from api.pages.alert_rows import PRIORITIES
from api.pages.bands import Band, band, bounds
from api.pages.beside import open_alerts
from api.pages.booking_rows import Clockwork, occupied
from api.pages.figures import label, number, unit
from api.pages.page import Page, PageDep  # noqa: TC001 - read when routes are made
from api.pages.paying import paying
from api.pages.plant import facts_of
from api.pages.plots import plot
from api.pages.rows import WINDOW_MINUTES, age_of, row
from api.pages.strips import strip
from api.pages.times import clock, full_day, local, long_day, since
from api.pages.upkeep import planned
from api.records import files
from api.records import service as records
from shopfloor.periods import HOUR, MINUTE, SECOND, Period, format_instant, from_datetime, parse_instant
from shopfloor.signals import find
from shopfloor.stores.port import StoreRefusedError, StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from api.deps import Services
    from api.machines.park import Machine
    from api.maintenance.rules import Rule as WatchRule
    from api.pages.strips import Strip
    from api.pages.upkeep import Planned
    from shopfloor.samples import Sample

STALE_SECONDS = 60
"""A gauge that was not heard for so long shows since when instead of its last value."""
ALERTS_MAX = 4
SERVICES_MAX = 3
CURVES = ("spindle_vibration", "spindle_load", "power_watts", "spindle_temperature", "feed_override")
"""Gauges that are worth a curve beside the state, best first."""
CURVES_MAX = 2
CURVE_STEP_SECONDS = 60
DAYS_SPAN = {"day": 1, "week": 7}
_DAY_SECONDS_MAX = 25 * 3600

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
MachineId = Annotated[str, Path(max_length=63)]


class Measure(NamedTuple):
    """A gauge as the page shows it."""

    name: str
    label: str
    value: str
    unit: str
    age: str
    is_stale: bool
    band: Band | None


class Upkeep(NamedTuple):
    """What the records know of how a machine is looked after.

    Attributes:
        services: those that come next.
        rules: what judges its values.
    """

    services: list[Planned]
    rules: tuple[WatchRule, ...]


class Day(NamedTuple):
    """The states of one day."""

    name: str
    iso: str
    strip: Strip


@router.get("/machines/{machine_id}")
async def machine_page(page: PageDep, found: ServicesDep, machine_id: MachineId) -> Response:
    """One machine, live."""
    machine = found.live.park.get(page.scope, machine_id)
    values = await _now(page, found, machine)
    aids = await asyncio.to_thread(_aids, page, found, machine)
    payer = await paying(page, found, machine)
    return page.show("machine/page.html", **values, **aids, payer=payer, curves=await _curves(page, found, machine))


def _aids(page: Page, found: Services, machine: Machine) -> dict[str, Any]:
    """Return what helps somebody at a machine: whom to call, its manuals and its photo; on a screen none of it."""
    if page.scope.role is Role.KIOSK:
        return {"contacts": [], "manuals": [], "photo": ""}
    contacts = records.one(found.records, page.scope, "machines", machine.id).contacts
    with found.records.reading() as session:
        kept = files.listed(session, machine.id)
    photos = [each["id"] for each in kept if each["purpose"] == "photo"]
    return {
        "contacts": contacts,
        "manuals": [(each["id"], each["name"]) for each in kept if each["purpose"] == "manual"],
        "photo": photos[-1] if photos else "",
    }


@router.get("/machines/{machine_id}/aids")
async def aids_page(page: PageDep, found: ServicesDep, machine_id: MachineId) -> Response:
    """Whom to call, manuals and spare parts: the page that a browser keeps for when there is no connection."""
    machine = found.live.park.get(page.scope, machine_id)

    def read() -> dict[str, Any]:
        if not allows(Rule.CARE, page.scope.role):
            return {"spares": None}
        with found.records.reading() as session:
            return {"spares": orders_records.spares(session, machine.id)}

    aids = await asyncio.to_thread(_aids, page, found, machine)
    here = local(page.now, page.zone)
    return page.show(
        "machine/aids.html",
        machine=machine,
        **aids,
        **await asyncio.to_thread(read),
        day=full_day(here.date(), page.say),
        time=f"{here:%H:%M}",
        read=page.now // 1_000_000,
    )


@router.get("/fragments/machines/{machine_id}")
async def machine_fragment(page: PageDep, found: ServicesDep, machine_id: MachineId) -> Response:
    """The part of a machine's page that changes by itself."""
    machine = found.live.park.get(page.scope, machine_id)
    return page.show("machine/fragment.html", **await _now(page, found, machine))


@router.get("/fragments/machines/{machine_id}/payer")
async def payer_fragment(page: PageDep, found: ServicesDep, machine_id: MachineId) -> Response:
    """Who pays now, which changes by itself."""
    machine = found.live.park.get(page.scope, machine_id)
    return page.show("machine/payer.html", machine=machine, payer=await paying(page, found, machine))


@router.get("/fragments/machines/{machine_id}/curves")
async def curves_fragment(page: PageDep, found: ServicesDep, machine_id: MachineId) -> Response:
    """The curves of a machine's page, which change slowly."""
    machine = found.live.park.get(page.scope, machine_id)
    return page.show("machine/curves.html", curves=await _curves(page, found, machine))


@router.get("/machines/{machine_id}/history")
async def history_page(page: PageDep, found: ServicesDep, machine_id: MachineId) -> Response:
    """A day or a week of a machine: its states, and one of its signals."""
    machine = found.live.park.get(page.scope, machine_id)
    span = page.asked("span") if page.asked("span") in DAYS_SPAN else "day"
    today = local(page.now, page.zone).date()
    last = min(_day(page.asked("day"), today), today)
    dates = [last - timedelta(days=back) for back in range(DAYS_SPAN[span])][::-1]
    days = await asyncio.gather(*(_states_of(page, found, machine, each) for each in dates))
    period = Period(_midnight(page, dates[0]), min(_midnight(page, dates[-1] + timedelta(days=1)), page.now))
    gauges = _gauges(page, found, machine)
    names = [name for name, _ in gauges]
    signal = page.asked("signal") if page.asked("signal") in names else next(iter(names), "")
    step = timedelta(days=DAYS_SPAN[span])
    return page.show(
        "machine/history.html",
        machine=machine,
        span=span,
        kept=f"&span={span}" + (f"&signal={signal}" if signal else ""),
        picked=f"&signal={signal}" if signal else "",
        day=last.isoformat(),
        may_correct=page.scope.role is Role.ADMINISTRATOR,
        title=long_day(last, page.say)
        if span == "day"
        else f"{full_day(dates[0], page.say)} \N{EN DASH} {full_day(last, page.say)}",
        before=(last - step).isoformat(),
        after=(last + step).isoformat() if last + step <= today else "",
        today=today.isoformat(),
        days=days,
        period=(period.start // SECOND, _midnight(page, dates[-1] + timedelta(days=1)) // SECOND),
        zone=page.zone.key,
        gauges=gauges,
        signal=signal,
        signal_label=dict(gauges).get(signal, ""),
        signal_unit=unit(find(signal).unit) if signal else "",
        source=_source(machine.id, signal, period) if signal else "",
        hours=await _hours(page, found, machine, signal, period) if signal else [],
    )


async def _now(page: Page, found: Services, machine: Machine) -> dict[str, Any]:
    [facts] = await facts_of(page, found, [machine])
    window = Period(page.now - WINDOW_MINUTES * MINUTE, page.now)
    shown = row(facts, window, page.zone, page.say)
    start = local(window.start, page.zone)
    kept = await asyncio.to_thread(_upkeep, page, found, machine)
    return {
        "machine": machine,
        "it": shown,
        "window": f"{start:%H:%M}\N{EN DASH}{local(window.end, page.zone):%H:%M}",
        "facts": work_of(page, found, machine) if page.scope.sees_work else [],
        "measures": _measures(page, found, machine, kept.rules) if page.scope.sees_work else [],
        "alarm": str((facts.work or {}).get("alarm") or ""),
        "sees_work": page.scope.sees_work,
        "alerts": await open_alerts(page, found, machine=machine.id, most=ALERTS_MAX),
        "priorities": {name: page.say(word) for name, word in PRIORITIES.items()},
        "may_act": allows(Rule.CARE, page.scope.role),
        "services": kept.services,
        "booked": await asyncio.to_thread(_booked, page, found, machine),
    }


def _upkeep(page: Page, found: Services, machine: Machine) -> Upkeep:
    """Return the next services and the rules of a machine, to who may ask the JSON API for them; to others nothing."""
    if not allows(Rule.SIGNALS, page.scope.role):
        return Upkeep([], ())
    with found.records.reading() as session:
        book = rulebook.read(session)
        entries = orders_records.plan(session, page.scope, machine.id)[:SERVICES_MAX]
    services = [planned(page, each, book, machine, {}) for each in entries]
    return Upkeep(services, book.of_machine(machine.id, machine.kind))


def _booked(page: Page, found: Services, machine: Machine) -> str:
    """Say whether the machine is free, and until when."""
    with found.records.reading() as session:
        [occupancy] = views.occupancy(session, page.scope, [machine.id], now=page.now).values()
    return occupied(occupancy, Clockwork(page.now, page.zone, page.say))


WORK = ("program", "job", "order", "tool_number")
"""What a machine works on, in its order."""


def work_of(page: Page, found: Services, machine: Machine, names: tuple[str, ...] = WORK) -> list[tuple[str, str, str]]:
    """Return what the machine works on: name, value, since when."""
    values = found.live.present(machine, now=page.now).values
    shown: list[tuple[str, str, str]] = []
    for name in names:
        sample = values.get(name)
        if sample is not None and sample.value not in (None, ""):
            shown.append(
                (label(find(name), page.say), str(sample.value), since(sample.stamp, page.now, page.zone, page.say))
            )
    parts = values.get("parts")
    today = found.today.parts(machine.id, parts.value) if parts is not None else None
    if today is not None:
        shown.append((page.say("Parts today"), number(today, page.say, decimals=0), ""))
    return shown


def _measures(page: Page, found: Services, machine: Machine, rules: tuple[WatchRule, ...]) -> list[Measure]:
    values = found.live.present(machine, now=page.now).values
    return [
        _measure(page, sample, rules) for name, sample in sorted(values.items()) if find(name).signal_class == "gauge"
    ]


def _measure(page: Page, sample: Sample, rules: tuple[WatchRule, ...]) -> Measure:
    signal = find(sample.signal)
    is_stale = page.now - sample.stamp > STALE_SECONDS * SECOND
    text, _ = age_of(sample.stamp, page.now, page.zone, page.say)
    shown, drawn = str(sample.value), None
    if isinstance(sample.value, int | float) and not isinstance(sample.value, bool):
        shown = number(sample.value, page.say)
        drawn = band(sample.value, signal.unit, bounds(rules, sample.signal), page.say) if not is_stale else None
    if sample.status:
        text = page.say("uncertain value, %(age)s", age=text)
    return Measure(sample.signal, label(signal, page.say), shown, unit(signal.unit), text, is_stale, drawn)


async def _curves(page: Page, found: Services, machine: Machine) -> list[dict[str, Any]]:
    """Draw the gauges that are worth it over the last hours; none where the store does not answer."""
    values = found.live.present(machine, now=page.now).values
    names = [name for name in CURVES if name in values and name in machine.allowed][:CURVES_MAX]
    if not page.scope.sees_work or not names:
        return []
    window = Period(page.now - WINDOW_MINUTES * MINUTE, page.now)
    try:
        answer = await found.machines.signals(page.scope, machine.id, names, window, resolution=CURVE_STEP_SECONDS)
    except (StoreUnavailableError, StoreRefusedError):
        return []
    drawn: list[dict[str, Any]] = []
    for series in answer.items:
        points = [(parse_instant(each.at), each.mean) for each in series.points if isinstance(each, ReducedPoint)]
        curve = plot(points, window, gap=3 * CURVE_STEP_SECONDS * SECOND)
        drawn.append(
            {
                "name": series.name,
                "label": label(find(series.name), page.say),
                "unit": unit(series.unit),
                "plot": curve,
                "scale": [(line.y, number(line.value, page.say)) for line in curve.lines],
                "ticks": strip([], window, page.zone, page.say).ticks,
                "is_empty": not points,
            }
        )
    return drawn


def _gauges(page: Page, found: Services, machine: Machine) -> list[tuple[str, str]]:
    """Return the gauges that a curve can be drawn of: those that the machine says, none to who may not see them."""
    if not page.scope.sees_work:
        return []
    values = found.live.present(machine, now=page.now).values
    said = [name for name in values if find(name).signal_class == "gauge"]
    known = said or [name for name in machine.allowed if find(name).signal_class == "gauge"]
    best = [name for name in CURVES if name in known]
    return [(name, label(find(name), page.say)) for name in (*best, *sorted(set(known) - set(best)))]


async def _states_of(page: Page, found: Services, machine: Machine, day: date) -> Day:
    period = Period(_midnight(page, day), _midnight(page, day + timedelta(days=1)))
    known = Period(period.start, max(period.start, min(period.end, page.now)))
    stretches = await asyncio.to_thread(found.machines.stretches, machine, known, now=page.now)
    laid_out = strip(stretches, period, page.zone, page.say, is_live=False)
    if known.end < period.end:  # what has not been yet is no gap: it is left out of the totals
        length = (period.end - known.end) // MINUTE
        minutes = dict(laid_out.minutes) | {"unknown": max(0, laid_out.minutes["unknown"] - length)}
        totals = [
            each._replace(text=clock(minutes["unknown"])) if each.mark == "unknown" else each
            for each in laid_out.totals
            if each.mark != "unknown" or minutes["unknown"]
        ]
        laid_out = laid_out._replace(minutes=minutes, totals=totals)
    return Day(full_day(day, page.say), day.isoformat(), laid_out)


async def _hours(
    page: Page, found: Services, machine: Machine, signal: str, period: Period
) -> Iterable[tuple[str, str, str, str]]:
    """Return the curve as a table: hour, lowest, mean, highest."""
    answer = await found.machines.signals(page.scope, machine.id, [signal], period, resolution=HOUR // SECOND)
    return [
        (
            f"{local(parse_instant(each.at), page.zone):%d/%m %H:%M}",
            number(each.min, page.say),
            number(each.mean, page.say),
            number(each.max, page.say),
        )
        for series in answer.items
        for each in series.points
        if isinstance(each, ReducedPoint)
    ]


def _source(machine: str, signal: str, period: Period) -> str:
    return (
        f"/api/v1/machines/{machine}/signals?names={signal}&from={format_instant(period.start)}"
        f"&to={format_instant(period.end)}&resolution={60 if period.seconds <= _DAY_SECONDS_MAX else 600}"
    )


def _midnight(page: Page, day: date) -> int:
    return from_datetime(datetime.combine(day, time(), page.zone))


def _day(text: str, default: date) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return default
