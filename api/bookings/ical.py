"""Bookings as iCalendar (RFC 5545), in UTC, so that no zone has to be described. The only file that knows icalendar.

An event keeps its UID for ever, counts its changes in SEQUENCE, and stays as CANCELLED when it was given up, so that a
calendar program that holds a copy takes it off.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from shopfloor.periods import to_datetime

if TYPE_CHECKING:
    from icalendar import Event

    from api.bookings.feeds import Event as Booked
    from api.bookings.feeds import Feed

MEDIA_TYPE = "text/calendar; charset=utf-8"
REFRESH_MINUTES = 15
"""How often a calendar program should ask again."""
_BUSY = {"it": "Occupata", "en": "Busy"}


def render(feed: Feed, *, house: str, language: str) -> bytes:
    """Write a calendar.

    Args:
        feed: what it shows.
        house: name of the consortium.
        language: `it` or `en`, for the word that stands for other firms.
    """
    from icalendar import Calendar  # a fifth of a second, which no start of the API waits for

    calendar = Calendar()
    calendar.add("version", "2.0")
    calendar.add("prodid", "-//Officina//Bookings//EN")
    calendar.add("method", "PUBLISH")
    calendar.add("name", f"{feed.title} · {house or 'Officina'}")
    calendar.add("x-wr-calname", f"{feed.title} · {house or 'Officina'}")
    calendar.add("refresh-interval", timedelta(minutes=REFRESH_MINUTES), parameters={"VALUE": "DURATION"})
    for each in feed.events:
        calendar.add_component(_event(each, language))
    return bytes(calendar.to_ical())


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
