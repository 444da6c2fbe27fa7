"""The routes of the booking pages: the day of like machines, the week of one, the forms, calendar addresses."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse

from api.access.scope import Role
from api.billing.calendars import civil_day
from api.bookings import feeds, lock_outs, prices, reading, service, views
from api.bookings.civil import DoubtfulTimeError, MissingTimeError, Which, instant_of, wall_time
from api.bookings.desk import Desk
from api.bookings.rules import Reason, RefusedBookingError, check_period
from api.bookings.service import DESK, Wish
from api.deps import ServicesDep  # noqa: TC001 - read when routes are made
from api.formats import euros
from api.pages import booking_rows as rows
from api.pages import times
from api.pages.page import Form, Page, PageDep  # noqa: TC001 - read when routes are made
from api.records.service import UnknownRecordError
from shopfloor.periods import DAY, INSTANT_MAX, Period

if TYPE_CHECKING:
    from collections.abc import Sequence

    from api.bookings.estimates import Estimate
    from api.bookings.tables import BookingNotice
    from api.bookings.views import Found, Place, Seen
    from api.deps import Services

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
FOUND_MAX = 12
"""Most free hours that a page lists."""
UPCOMING_MAX = 20
"""Most of the reader's own bookings that a page lists."""
LENGTHS = (30, 60, 90, 120, 180, 240, 360, 480, 720, 1440)
"""Lengths in minutes that can be looked for."""


class View(Desk):
    """A page about bookings: who asks, and how times are written.

    Args:
        page: the request.
        found: the services of the process.
    """

    def __init__(self, page: Page, found: Services) -> None:
        super().__init__(found, page.actor, page.scope, page.now)
        self.page = page

    @property
    def clock(self) -> rows.Clockwork:
        """What times are written with."""
        return rows.Clockwork(self.page.now, self.page.zone, self.page.say)

    def today(self) -> date:
        """The civil day of now."""
        return times.local(self.page.now, self.page.zone).date()

    def day(self, text: str) -> date:
        """Return a day that was asked for: today where it cannot be read, or lies too far."""
        try:
            wanted = date.fromisoformat(text)
        except ValueError:
            return self.today()
        return wanted if abs(wanted - self.today()) < timedelta(days=3_650) else self.today()


@router.get("/bookings")
async def bookings_page(page: PageDep, found: ServicesDep) -> Response:
    """A day of the machines that can stand in for one another, what is free, and what is one's own."""
    desk = View(page, found)
    day = desk.day(page.asked("day"))
    return page.show("bookings/day.html", **await desk.reading(lambda session: _day(session, desk, day)))


def _day(session: Any, desk: View, day: date) -> dict[str, Any]:
    page = desk.page
    period = civil_day(day, page.zone)
    every = views.places(session, page.scope, on=period)
    wanted = _search_of(desk, day)
    try:
        shown = views.chosen(every, wanted)
    except RefusedBookingError:
        shown = every
    ids = [each.id for each in shown]
    occupied = views.occupancy(session, page.scope, ids, now=page.now)
    taken = _taken(session, desk, shown, period)
    lines = [
        rows.line(
            taken[each.id],
            period,
            desk.clock,
            name=each.name,
            detail=each.site_name,
            href=f"/bookings/machines/{each.id}?day={day.isoformat()}",
            remark=rows.occupied(occupied[each.id], desk.clock),
        )
        for each in shown
    ]
    step = timedelta(days=1)
    return {
        "day": day.isoformat(),
        "title": times.long_day(day, page.say),
        "before": (day - step).isoformat(),
        "after": (day + step).isoformat(),
        "today": desk.today().isoformat(),
        "lines": lines,
        "length": rows.length(period, page.say),
        "places": [
            ("", page.say("all machines")),
            *((each.id, page.say("like %(name)s", name=each.name)) for each in every),
        ],
        "like": wanted.like,
        "minutes": wanted.minutes,
        "lengths": [(each, times.duration(each * 60 * 10**9, page.say)) for each in LENGTHS],
        "results": _results(session, desk, wanted) if page.asked("minutes") else None,
        "own": _upcoming(session, desk),
        "notices": [_notice(session, desk, each) for each in lock_outs.notices(session, page.scope)],
        "may_book": desk.may_book,
        "is_member": page.scope.role is Role.MEMBER,
        "done_text": _done(page),
    }


def _done(page: Page) -> str:
    said = {
        "booked": page.say("The machine is booked."),
        "changed": page.say("The booking is changed."),
        "given_up": page.say("The booking is given up."),
        "revoked": page.say("The address shows nothing any more."),
    }
    return said.get(page.asked("done"), "")


def _search_of(desk: View, day: date) -> views.Search:
    """Return what the form of free hours asks for: from that day on, for two weeks."""
    page = desk.page
    minutes = page.asked("minutes")
    start = max(civil_day(day, page.zone).start, page.now)
    window = Period(start, start + 14 * DAY)
    return views.Search(
        window, int(minutes) if minutes.isdigit() and int(minutes) in LENGTHS else 60, page.asked("like")
    )


def _results(session: Any, desk: View, wanted: views.Search) -> list[dict[str, Any]]:
    try:
        found = views.search(session, desk.page.scope, wanted, desk.clerk.rules, now=desk.page.now)
    except RefusedBookingError:
        return []
    price = prices.estimator(session, desk.scope.member, desk.page.zone)
    return [_result(desk, each, price(each.place.id, each.free.slot)) for each in found[:FOUND_MAX]]


def _result(desk: View, found: Found, estimate: Estimate | None) -> dict[str, Any]:
    return {
        "estimate": "" if estimate is None else _price(desk.page, estimate),
        "name": found.place.name,
        "site": found.place.site_name,
        "span": desk.clock.span(found.free.slot),
        "until": desk.page.say("free %(until)s", until=desk.clock.until(found.free.period.end)),
        "href": rows.new_address(found.place.id, found.free.slot, desk.page.zone),
    }


def _upcoming(session: Any, desk: View) -> list[dict[str, Any]]:
    """Return the reader's own bookings that are not over; who looks after machines has none."""
    page = desk.page
    if page.scope.role is not Role.MEMBER:
        return []
    names = {each.id: each.name for each in views.places(session, page.scope, on=Period(page.now, page.now + 1))}
    ahead = Period(page.now, min(page.now + 400 * DAY, INSTANT_MAX))
    own = [each for each in views.visible(session, page.scope, ahead, now=page.now) if each.id is not None]
    return [_entry(desk, each, names.get(each.machine, each.machine)) for each in own[:UPCOMING_MAX]]


def _entry(desk: View, seen: Seen, name: str) -> dict[str, Any]:
    return {
        "href": f"/bookings/{seen.id}" if seen.id else "",
        "name": name,
        "span": desk.clock.span(seen.period),
        "member": seen.member or desk.page.say("another firm"),
        "note": seen.note or "",
        "status": desk.page.say(rows.STATUSES[seen.status]),
    }


def _notice(session: Any, desk: View, notice: BookingNotice) -> dict[str, Any]:
    say, period = desk.page.say, Period(notice.starts, notice.ends)
    every = {each.id: each.name for each in views.places(session, desk.page.scope, on=period)}
    name = every.get(notice.machine_id, notice.machine_id)
    is_free_again = notice.kind == "released"
    text = (
        say("%(machine)s is free again: you can book what you had.", machine=name)
        if is_free_again
        else say("%(machine)s was locked: %(reason)s. Your booking is taken back, and costs nothing.",
                 machine=name, reason=notice.reason)
    )  # fmt: skip
    return {
        "id": notice.id,
        "member": notice.member_id,
        "span": desk.clock.span(period),
        "text": text,
        "proposals": [
            (every[each], rows.new_address(each, period, desk.page.zone)) for each in notice.proposals if each in every
        ],
    }


def _taken(session: Any, desk: View, places: Sequence[Place], period: Period) -> dict[str, rows.Taken]:
    """Return what is known of machines in a period, asked for at once."""
    ids = [each.id for each in places]
    seen = views.visible(session, desk.scope, period, now=desk.now, machines=set(ids))
    locked = views.locks(session, desk.scope, period)
    opened = reading.openings(session, ids)
    return {
        machine: rows.Taken(
            machine=machine,
            seen=[each for each in seen if each.machine == machine],
            locks=[each for each in locked if each.machine_id == machine],
            opened=opened[machine].periods(period) if machine in opened else None,
            own=desk.scope.member or "",
            may_book=desk.may_book,
        )
        for machine in ids
    }


@router.get("/bookings/machines/{machine_id}")
async def week_page(page: PageDep, found: ServicesDep, machine_id: str) -> Response:
    """A week of one machine."""
    desk = View(page, found)
    day = desk.day(page.asked("day"))
    return page.show("bookings/week.html", **await desk.reading(lambda session: _week(session, desk, machine_id, day)))


def _week(session: Any, desk: View, machine_id: str, day: date) -> dict[str, Any]:
    page = desk.page
    first = day - timedelta(days=day.weekday())
    days = [first + timedelta(days=number) for number in range(7)]
    week = Period(civil_day(days[0], page.zone).start, civil_day(days[-1], page.zone).end)
    place = next((each for each in views.places(session, page.scope, on=week) if each.id == machine_id), None)
    if place is None:
        raise UnknownRecordError(machine_id)
    taken = _taken(session, desk, [place], week)[machine_id]
    periods = {each: civil_day(each, page.zone) for each in days}
    return {
        "machine": place,
        "days": [
            rows.line(
                taken, period, desk.clock,
                name=times.day(each, page.say), detail=rows.length(period, page.say), href="",
            )
            for each, period in periods.items()
        ],
        "title": f"{times.day(days[0], page.say)} {rows.DASH} {times.full_day(days[-1], page.say)}",
        "before": (first - timedelta(days=7)).isoformat(),
        "after": (first + timedelta(days=7)).isoformat(),
        "today": desk.today().isoformat(),
        "day": day.isoformat(),
        "entries": [_entry(desk, each, place.name) for each in taken.seen],
        "locks": [
            {"span": desk.clock.span(Period(each.starts, each.ends)), "reason": each.reason} for each in taken.locks
        ],
        "may_book": desk.may_book,
    }  # fmt: skip


FIELDS = ("machine", "member", "day", "start", "end_day", "end", "start_which", "end_which", "note", "weeks")


@router.get("/bookings/new")
async def new_page(page: PageDep, found: ServicesDep) -> Response:
    """The form with which a machine is booked, with what it comes to."""
    desk = View(page, found)
    values = {name: page.asked(name) for name in FIELDS}
    return await _form(desk, values, {}, template="bookings/new.html")


@router.post("/bookings/new")
async def book(page: PageDep, found: ServicesDep) -> Response:
    """Book a machine, or say what stands against it."""
    desk, form = View(page, found), await page.form()
    values = _typed(form)
    errors: dict[str, str] = {}
    bounds = _bounds(desk, values, errors)
    weeks = int(values["weeks"]) if values["weeks"].isdigit() else 1
    if bounds is not None and not errors:
        wish = Wish(values["machine"], values["member"], bounds.start, bounds.end, values["note"])
        try:
            await desk.writing(lambda session: service.book(session, desk.clerk, wish, weeks=weeks))
        except (RefusedBookingError, MissingTimeError, DoubtfulTimeError) as error:
            errors |= _why(desk, error)
        else:
            return page.go(f"/bookings?day={values['day']}&done=booked")
    return await _form(desk, values, errors, template="bookings/new.html")


def _typed(form: Form) -> dict[str, str]:
    return {name: form.text(name, 120) for name in FIELDS}


async def _form(desk: View, values: dict[str, str], errors: dict[str, str], **more: Any) -> Response:
    """Show a form of a booking: what was typed, what is wrong with it, and what it comes to."""
    page = desk.page
    if not values["day"]:
        values |= {"day": desk.today().isoformat(), "end_day": desk.today().isoformat()}
    unsaid: dict[str, str] = {}
    bounds = _bounds(desk, values, unsaid) if values["start"] and values["end"] else None
    template = more.pop("template")

    def ask(session: Any) -> dict[str, Any]:
        on = bounds or Period(page.now, page.now + 1)
        places = views.places(session, page.scope, on=on)
        firms = views.members(session, on=on) if page.scope.role in DESK else []
        return {
            "members": [("", page.say("choose")), *((each, f"{name} ({each})") for each, name in firms)],
            "machines": [("", page.say("choose")), *((each.id, f"{each.name}, {each.site_name}") for each in places)],
            "summary": _summary(session, desk, bounds, values) if bounds is not None and not errors else None,
        }

    status = HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK
    shown = await desk.reading(ask)
    doubtful = {name for name, error in unsaid.items() if name in {"start", "end"} and error == _doubt(page)}
    return page.show(
        template, status, values=values, errors=errors, weeks_max=desk.clerk.rules.series_weeks_max,
        step=desk.clerk.rules.step_minutes * 60, doubtful=doubtful, **shown, **more,
    )  # fmt: skip


def _price(page: Page, estimate: Estimate) -> str:
    """Write what a booking would cost."""
    written = page.say(
        "%(amount)s if it works all the time, %(unused)s if it stays off",
        amount=euros(estimate.processing, page.look.language),
        unused=euros(estimate.unused, page.look.language),
    )
    by_month = page.say("depending on the use of the month")
    return f"{written}, {by_month}" if estimate.is_tiered else written


def _summary(session: Any, desk: View, period: Period, values: dict[str, str]) -> dict[str, str] | None:
    """Say what a booking comes to, before it is made."""
    rules, page = desk.clerk.rules, desk.page
    try:
        check_period(period.start, period.end, rules, now=page.now, is_staff=page.scope.role in DESK)
    except RefusedBookingError:
        return None
    binds = rules.binds(period.start, now=page.now)
    estimate = prices.estimator(session, page.scope.member or values["member"], page.zone)(values["machine"], period)
    return {
        "estimate": page.say("no tariff is stored for this machine yet")
        if estimate is None
        else _price(page, estimate),
        "span": desk.clock.span(period),
        "length": times.duration(period.end - period.start, page.say),
        "free_until": desk.clock.moment(binds),
    }


def _bounds(desk: View, values: dict[str, str], errors: dict[str, str]) -> Period | None:
    """Return what a form's civil times mean, and note what is wrong with them by field."""
    instants = []
    for name, day in (("start", "day"), ("end", "end_day")):
        which = values[f"{name}_which"]
        try:
            wall = datetime.combine(date.fromisoformat(values[day] or values["day"]), _clock_time(values[name]))
            if name == "end" and values[name] == "24:00":
                wall += timedelta(days=1)
            instants.append(instant_of(wall, desk.page.zone, Which(which) if which in set(Which) else None))
        except MissingTimeError as error:
            errors[name] = _missing(desk.page, error)
        except DoubtfulTimeError:
            errors[name] = _doubt(desk.page)
        except (ValueError, OverflowError):
            errors[name] = desk.page.say("Write day and time, for example 08:00.")
    if len(instants) < 2:  # noqa: PLR2004
        return None
    if instants[1] <= instants[0]:
        errors["end"] = desk.page.say("A booking ends after it begins: choose a later end.")
        return None
    return Period(*instants)


def _clock_time(text: str) -> time:
    return time() if text == "24:00" else time.fromisoformat(text)


def _missing(page: Page, error: MissingTimeError) -> str:
    return page.say(
        "%(time)s does not exist on that day, because the clocks are set forward: write %(before)s or %(after)s.",
        time=f"{error.wall:%H:%M}",
        before=f"{error.before:%H:%M}",
        after=f"{error.after:%H:%M}",
    )


def _doubt(page: Page) -> str:
    return page.say("This time exists twice that night, because the clocks are set back: choose which one.")


def _why(desk: View, error: Exception) -> dict[str, str]:
    """Say by field why a booking is refused, and the mend."""
    page = desk.page
    if isinstance(error, MissingTimeError):
        return {"weeks": f"{times.full_day(error.wall.date(), page.say)}: {_missing(page, error)}"}
    if isinstance(error, DoubtfulTimeError):
        return {"weeks": f"{times.full_day(error.wall.date(), page.say)}: {_doubt(page)}"}
    assert isinstance(error, RefusedBookingError)  # noqa: S101 - the two above are all that else comes here
    span = "" if error.period is None else desk.clock.span(error.period)
    moment = "" if error.period is None else desk.clock.moment(error.period.start)
    if error.reason is Reason.CLOSED and error.period is None:
        return {"start": page.say("The machine is closed then. Choose a day and hours when it is open.")}
    field, text = rows.REFUSALS[error.reason]
    return {field: page.say(text, span=span, moment=moment, limit=error.limit)}


@router.get("/bookings/calendars")
async def calendars_page(page: PageDep, found: ServicesDep) -> Response:
    """The addresses with which calendar programs show bookings."""
    return await _calendars(View(page, found))


async def _calendars(desk: View, *, address: str = "", message: str = "") -> Response:
    page = desk.page

    def ask(session: Any) -> dict[str, Any]:
        places = views.places(session, page.scope, on=Period(page.now, page.now + 1))
        names = {each.id: each.name for each in places}
        is_firm = page.scope.role is Role.MEMBER
        own = [("", page.say("all bookings of my firm") if is_firm else page.say("Maintenance plan"))]
        return {
            "choices": [*own, *((each.id, f"{each.name}, {each.site_name}") for each in places)],
            "feeds": [
                {
                    "id": each.id,
                    "of": names.get(each.machine_id or "", each.machine_id or own[0][1]),
                    "eyes": each.member_id or page.say("with the names of the firms"),
                    "created": desk.clock.moment(each.created),
                }
                for each in feeds.feeds(session, page.scope)
            ],
        }

    return page.show(
        "bookings/calendars.html", address=address, message=message, done_text=_done(page), **await desk.reading(ask)
    )


@router.post("/bookings/calendars")
async def add_calendar(page: PageDep, found: ServicesDep) -> Response:
    """Make an address, and show it this once."""
    desk, form = View(page, found), await page.form()
    machine = form.text("machine", 63) or None
    try:
        _, token = await desk.writing(
            lambda session: feeds.add_feed(session, page.actor, page.scope, machine, now=page.now)
        )
    except feeds.TooManyFeedsError:
        return await _calendars(desk, message=page.say("There are too many addresses already: revoke one of them."))
    return await _calendars(desk, address=f"{page.origin}/feeds/{token}")


@router.post("/bookings/calendars/{feed_id}")
async def revoke_calendar(page: PageDep, found: ServicesDep, feed_id: str) -> Response:
    """Let an address show nothing from now on."""
    desk = View(page, found)
    await desk.writing(lambda session: feeds.revoke_feed(session, page.actor, page.scope, feed_id, now=page.now))
    return page.go("/bookings/calendars?done=revoked")


@router.post("/bookings/notices/{notice_id}")
async def note_notice(page: PageDep, found: ServicesDep, notice_id: str) -> Response:
    """Note that the owner of a booking knows."""
    desk = View(page, found)
    await desk.writing(lambda session: lock_outs.note_read(session, page.actor, page.scope, notice_id, now=page.now))
    return page.go("/bookings")


@router.get("/bookings/{booking_id}")
async def booking_page(page: PageDep, found: ServicesDep, booking_id: str) -> Response:
    """One booking: what it holds, what was done with it, and how to change it or give it up."""
    return await _booking(View(page, found), booking_id, {}, {})


@router.post("/bookings/{booking_id}")
async def change_booking(page: PageDep, found: ServicesDep, booking_id: str) -> Response:
    """Change a booking, or say what stands against it."""
    desk, form = View(page, found), await page.form()
    values = _typed(form)
    errors: dict[str, str] = {}
    bounds = _bounds(desk, values, errors)
    if bounds is not None and not errors:
        try:
            await desk.writing(
                lambda session: service.change(
                    session, desk.clerk, booking_id,
                    machine=values["machine"], start=bounds.start, end=bounds.end, note=values["note"],
                )
            )  # fmt: skip
        except RefusedBookingError as error:
            errors |= _why(desk, error)
        else:
            return page.go(f"/bookings?day={values['day']}&done=changed")
    return await _booking(desk, booking_id, values, errors)


@router.post("/bookings/{booking_id}/cancel")
async def cancel_booking(page: PageDep, found: ServicesDep, booking_id: str) -> Response:
    """Give a booking up, with those of its series that follow where that was asked for."""
    desk, form = View(page, found), await page.form()
    following = form.has("following")
    try:
        await desk.writing(lambda session: service.cancel(session, desk.clerk, booking_id, following=following))
    except RefusedBookingError as error:
        return await _booking(desk, booking_id, {}, _why(desk, error))
    return page.go("/bookings?done=given_up")


async def _booking(desk: View, booking_id: str, typed: dict[str, str], errors: dict[str, str]) -> Response:
    page = desk.page

    def ask(session: Any) -> tuple[dict[str, str], dict[str, Any]]:
        seen, history = views.details(session, service.own(session, page.scope, booking_id), now=page.now)
        places = {each.id: each for each in views.places(session, page.scope, on=Period(page.now, page.now + 1))}
        name = places[seen.machine].name if seen.machine in places else seen.machine
        reasons = views.reasons(session, booking_id)
        is_open = desk.may_book and seen.status in {views.Status.AHEAD, views.Status.RUNNING}
        binds = seen.binds or 0
        outcome, unused = desk.verdict(session, history)
        shown = {
            "outcome": page.say(rows.OUTCOMES[outcome]) if outcome in rows.OUTCOMES else "",
            "unused": "" if unused is None else times.clock(unused // 60),
            "entry": _entry(desk, seen, name),
            "is_open": is_open,
            "has_begun": seen.status is views.Status.RUNNING,
            "is_series": seen.series is not None,
            "is_free_to_cancel": page.now < binds,
            "binds": desk.clock.moment(binds),
            "until": desk.clock.until(binds),
            "changes": [
                {
                    "at": desk.clock.moment(each.at),
                    "what": page.say(rows.CHANGES[each.kind]),
                    "span": desk.clock.span(each.period) if each.period else rows.DASH,
                    "reason": reason,
                }
                for each, reason in zip(history.changes, reasons, strict=True)
            ],
        }
        return _values_of(seen, page), shown

    values, shown = await desk.reading(ask)
    return await _form(desk, typed or values, errors, template="bookings/booking.html", **shown)


def _values_of(seen: Seen, page: Page) -> dict[str, str]:
    """Return what the form of a booking holds before anybody typed."""
    start, end = wall_time(seen.period.start, page.zone), wall_time(seen.period.end, page.zone)
    return dict.fromkeys(FIELDS, "") | {
        "machine": seen.machine,
        "member": seen.member or "",
        "day": f"{start:%Y-%m-%d}",
        "start": f"{start:%H:%M}",
        "start_which": (Which.SECOND if start.fold else Which.FIRST).value,
        "end_day": f"{end:%Y-%m-%d}",
        "end": f"{end:%H:%M}",
        "end_which": (Which.SECOND if end.fold else Which.FIRST).value,
        "note": seen.note or "",
    }
