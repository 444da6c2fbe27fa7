"""Bookings and the maintenance plan as iCalendar (RFC 5545), bookings in UTC so that no zone has to be described.

The only file that knows icalendar.

An event keeps its UID for ever, counts its changes in SEQUENCE, and stays as CANCELLED when it was given up, so that a
calendar program that holds a copy takes it off.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from shopfloor.periods import MINUTE, to_datetime

if TYPE_CHECKING:
    from icalendar import Event

    from api.bookings.feeds import Due, Feed
    from api.bookings.feeds import Event as Booked

MEDIA_TYPE = "text/calendar; charset=utf-8"
REFRESH_MINUTES = 15
"""How often a calendar program should ask again."""
_BUSY = {"it": "Occupata", "en": "Busy"}
_PLAN = {"it": "Piano di manutenzione", "en": "Maintenance plan"}


def render(feed: Feed, *, house: str, language: str, zone: str) -> bytes:
    """Write a calendar.

    Args:
        feed: what it shows.
        house: name of the consortium.
        language: `it` or `en`, for the word that stands for other firms.
        zone: of the days on which something is due.
    """
    from icalendar import Calendar  # a fifth of a second, which no start of the API waits for

    calendar = Calendar()
    calendar.add("version", "2.0")
    calendar.add("prodid", "-//Officina//Bookings//EN")
    calendar.add("method", "PUBLISH")
    title = f"{feed.title or _PLAN[language]} · {house or 'Officina'}"
    calendar.add("name", title)
    calendar.add("x-wr-calname", title)
    calendar.add("refresh-interval", timedelta(minutes=REFRESH_MINUTES), parameters={"VALUE": "DURATION"})
    for each in feed.events:
        calendar.add_component(_event(each, language))
    for each_due in feed.due:
        calendar.add_component(_day(each_due, feed.now, ZoneInfo(zone)))
    return bytes(calendar.to_ical())


def _day(due: Due, now: int, zone: ZoneInfo) -> Event:
    """Write a day on which something is due: a forecast moves, so that each reading supersedes the one before."""
    from icalendar import Event

    event = Event()
    event.add("uid", f"{due.id}@officina")
    event.add("sequence", now // MINUTE % 2**31)
    event.add("dtstamp", to_datetime(now))
    event.add("dtstart", to_datetime(due.at).astimezone(zone).date())
    event.add("summary", f"{due.machine} · {due.what}")
    event.add("transp", "TRANSPARENT")
    return event


def _event(booked: Booked, language: str) -> Event:
    from icalendar import Event

    event = Event()
    who = booked.member or _BUSY[language]
    event.add("uid", f"booking-{booked.id}@officina")
    event.add("sequence", booked.sequence)
    event.add("dtstamp", to_datetime(booked.changed))
    event.add("created", to_datetime(booked.created))
    event.add("last-modified", to_datetime(booked.changed))
    event.add("dtstart", to_datetime(booked.period.start))
    event.add("dtend", to_datetime(booked.period.end))
    event.add("summary", f"{booked.machine} · {who}")
    event.add("location", booked.site)
    if booked.note:
        event.add("description", booked.note)
    event.add("status", "CANCELLED" if booked.is_over else "CONFIRMED")
    event.add("transp", "TRANSPARENT" if booked.is_over else "OPAQUE")
    return event
