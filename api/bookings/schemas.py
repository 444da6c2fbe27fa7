"""Bookings as HTTP carries them: what comes in is closed, what goes out is described."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, Field, StringConstraints

from api.bookings.facts import Outcome
from api.bookings.tables import REASON_MAX
from api.records.schemas import Closed, Id, Name, Page, Text
from api.records.tables import ID_MAX, NAME_MAX

Instant: TypeAlias = Annotated[str, Field(max_length=40, description="RFC 3339, with its offset.")]
_TEXT = r"^[^\x00-\x1f\x7f]*$"
Note: TypeAlias = Annotated[str, StringConstraints(strip_whitespace=True, max_length=NAME_MAX, pattern=_TEXT)]
LockReason: TypeAlias = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=REASON_MAX, pattern=_TEXT)
]


class BookingPost(Closed):
    """A booking to be made."""

    machine: Id
    member: Id | None = Field(None, description="For whom; a member's own firm when it is left out.")
    start: Instant = Field(alias="from")
    end: Instant = Field(alias="to")
    note: Note = ""
    weeks: Annotated[int, Field(ge=1, le=520, description="How many weeks at the same time of the wall clock.")] = 1


class BookingPatch(Closed):
    """What is to be otherwise; what is left out stays."""

    machine: Id | None = None
    start: Instant | None = Field(None, alias="from")
    end: Instant | None = Field(None, alias="to")
    note: Note | None = None


class BookingOut(BaseModel):
    """A machine that is reserved. Of other firms' bookings it is shown that the machine is busy, and no more."""

    id: str | None = Field(description="Null for a booking of another firm.")
    machine: str
    member: str | None = Field(description="Null for a booking of another firm.")
    start: str = Field(serialization_alias="from")
    end: str = Field(serialization_alias="to")
    status: Literal["busy", "ahead", "running", "over", "cancelled", "cancelled_late", "freed"] = Field(
        description="`busy` is another firm's; `freed` was taken back by the consortium."
    )
    free_until: str | None = Field(description="Given up later than this it costs what unused time costs.")
    note: str | None
    series: str | None = Field(description="Bookings that were made together.")


class ChangeOut(BaseModel):
    """One thing that was done with a booking."""

    at: str
    kind: Literal["made", "changed", "cancelled", "freed"]
    machine: str
    start: str = Field(serialization_alias="from")
    end: str = Field(serialization_alias="to", description="Equal to `from` when it held nothing from then on.")
    free_until: str
    reason: str


class BookingDetails(BookingOut):
    """A booking with its history."""

    outcome: Outcome | None = Field(
        description="What became of it, from the use of the machine; null while that is not known to the end."
    )
    unused_seconds: int | None = Field(description="Charged as booked and unused; null while that is not known.")
    changes: list[ChangeOut]


class BookingList(Page):
    """Bookings, a page of them."""

    items: list[BookingOut]


class EstimateOut(BaseModel):
    """What a booking would cost by the tariff of that time, net of VAT."""

    processing: str = Field(description="When the machine works all the time.")
    unused: str = Field(description="When it stays off, and the booking is kept or given up late.")
    currency: Literal["EUR"] = "EUR"
    is_tiered: bool = Field(description="The price depends on the use of the whole month.")


class FreeOut(BaseModel):
    """Hours of a machine that nobody has booked."""

    machine: str
    name: str
    site: str
    start: str = Field(serialization_alias="from")
    end: str = Field(serialization_alias="to")
    slot_start: str = Field(serialization_alias="slot_from", description="First booking of that length within them.")
    slot_end: str = Field(serialization_alias="slot_to")
    estimate: EstimateOut | None = Field(
        description="For a member; null where no tariff is valid for that machine, time and member."
    )


class FreeList(Page):
    """Free hours of machines, by their first booking."""

    items: list[FreeOut]


class LockOutPost(Closed):
    """A machine to be locked."""

    machine: Id
    start: Instant | None = Field(None, alias="from", description="By default now.")
    end: Instant | None = Field(None, alias="to", description="By default until it is released.")
    reason: LockReason


class LockOutOut(BaseModel):
    """A machine that nobody can book for a while."""

    id: str
    machine: str
    start: str = Field(serialization_alias="from")
    end: str | None = Field(serialization_alias="to", description="Null until it is released.")
    reason: str


class LockOutList(Page):
    """Locks of machines that are not over."""

    items: list[LockOutOut]


class NoticeOut(BaseModel):
    """Something that the owner of a booking has to know."""

    id: str
    booking: str
    member: str
    kind: Literal["freed", "released"] = Field(description="`released`: the machine is free again.")
    at: str
    machine: str
    start: str = Field(serialization_alias="from")
    end: str = Field(serialization_alias="to")
    reason: str
    proposals: list[str] = Field(description="Machines that were free in that period when it was written.")


class NoticeList(Page):
    """Notices that nobody has noted yet, the newest first."""

    items: list[NoticeOut]


class FeedPost(Closed):
    """An address for a calendar program."""

    machine: Id | None = Field(
        None,
        description="Whose bookings; when it is left out all of the caller's firm, and for staff the maintenance plan.",
    )


class FeedOut(BaseModel):
    """An address of a calendar."""

    id: str
    machine: str | None
    member: str | None = Field(description="Through whose eyes it looks; null for who looks after machines.")
    created: str


class NewFeedOut(FeedOut):
    """An address that was just made."""

    path: str = Field(description="Add it to this server's address. It is shown once, and opens without a login.")


class FeedList(Page):
    """Addresses that are open."""

    items: list[FeedOut]


class HoursFields(Closed):
    """Hours that are open on a day of the week."""

    weekday: Annotated[int, Field(ge=0, le=6, description="0 is Monday.")]
    starts_minute: Annotated[int, Field(ge=0, le=1439, description="Minutes after midnight of the wall clock.")]
    ends_minute: Annotated[int, Field(ge=1, le=1440, description="First minute not open; 1440 is the end of the day.")]


class DayFields(Closed):
    """A day that is unlike its day of the week."""

    day: Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$", description="As 2026-12-08.")]
    kind: Literal["holiday", "closed", "worked"]
    name: Text = ""


class CalendarPut(Closed):
    """Opening hours, and the machines that keep to them; its identifier stands in the address."""

    name: Name
    zone: Annotated[str, Field(max_length=64, description="IANA name.")] = "Europe/Rome"
    hours: Annotated[list[HoursFields], Field(max_length=100, default_factory=list)]
    days: Annotated[list[DayFields], Field(max_length=1_000, default_factory=list)]
    machines: Annotated[list[Annotated[str, Field(max_length=ID_MAX)]], Field(max_length=5_000, default_factory=list)]


class CalendarFields(CalendarPut):
    """A calendar."""

    id: Id


class CalendarList(Page):
    """Calendars, a page of them."""

    items: list[CalendarFields]
