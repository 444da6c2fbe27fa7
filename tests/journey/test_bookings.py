"""Booking over HTTP: who may do what, what each sees, free hours, locks, calendars and their addresses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest
from icalendar import Calendar

from shopfloor.periods import DAY, HOUR, MINUTE, format_instant, parse_instant
from shopfloor.runtime import clock
from tests.journey.api_world import World, world

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.services
START = (clock.now() // DAY + 10) * DAY


@pytest.fixture(scope="module")
def it(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("bookings")) as made:
        yield made


def slot(hours: float, length: float = 1, *, machine: str = "mill-2", **more: Any) -> dict[str, Any]:
    start = START + int(hours * HOUR)
    return {
        "machine": machine, "from": format_instant(start), "to": format_instant(start + int(length * HOUR)), **more,
    }  # fmt: skip


def book(it: World, fields: dict[str, Any], holder: str = "member") -> dict[str, Any]:
    answer = it.send("POST", "/api/v1/bookings", holder, json=fields)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()["items"][0]
    return made


def test_a_member_books_moves_and_gives_up_and_others_see_that_the_machine_is_busy(it: World) -> None:
    made = book(it, slot(0, note="Lotto 7"))
    path = f"/api/v1/bookings/{made['id']}"
    assert (made["member"], made["status"], made["note"]) == ("firm-a", "ahead", "Lotto 7")
    assert parse_instant(made["free_until"]) == START - DAY

    window = {"from": format_instant(START), "to": format_instant(START + DAY), "machine": "mill-2"}
    [seen] = it.get("/api/v1/bookings", "other member", **window).json()["items"]
    assert {name: seen[name] for name in ("id", "member", "note", "status")} == {
        "id": None, "member": None, "note": None, "status": "busy",
    }  # fmt: skip
    moved = it.send("PATCH", path, "member", json={"to": format_instant(START + 2 * HOUR)}).json()
    assert [each["kind"] for each in moved["changes"]] == ["made", "changed"]
    [gone] = it.send("DELETE", path, "member").json()["items"]
    assert gone["status"] == "cancelled"
    assert it.get("/api/v1/bookings", "other member", **window).json()["items"] == []
    [kept] = it.get("/api/v1/bookings", "member", **window, given_up=True).json()["items"]
    assert (kept["id"], kept["status"]) == (made["id"], "cancelled")


def test_a_taken_machine_is_a_conflict_that_says_until_when(it: World) -> None:
    book(it, slot(10))
    answer = it.send("POST", "/api/v1/bookings", "other member", json=slot(10.5))

    assert answer.status_code == 409
    assert format_instant(START + 11 * HOUR) in answer.json()["detail"]
    assert "firm-a" not in answer.text


def test_what_breaks_a_rule_is_refused_with_the_mend(it: World) -> None:
    for fields, sentence in (
        (slot(0, 100), "72 hours at most"),
        (slot(-24 * 20), "choose"),
        (slot(0, machine="none"), "there is no machine"),
        (slot(0, member="firm-b"), "own firm"),
        (slot(0, weeks=30), "26 weeks"),
    ):
        answer = it.send("POST", "/api/v1/bookings", "member", json=fields)
        assert answer.status_code == 422, answer.text
        assert sentence in answer.json()["detail"]


@pytest.mark.parametrize(("holder", "status"), [("operator", 201), ("maintenance", 404), ("kiosk", 404)])
def test_the_desk_books_for_any_member_and_nobody_else_does(it: World, holder: str, status: int) -> None:
    assert it.send("POST", "/api/v1/bookings", holder, json=slot(20, member="firm-b")).status_code == status


def test_free_hours_leave_out_what_is_booked_and_say_when_no_tariff_is_stored(it: World) -> None:
    book(it, slot(30, machine="mill-1"))
    window = {"from": format_instant(START + 29 * HOUR), "to": format_instant(START + 33 * HOUR)}
    answer = it.get("/api/v1/bookings/free", "member", **window, machine="mill-1", minutes=90).json()

    found = [(each["machine"], each["from"], each["slot_from"], each["estimate"]) for each in answer["items"]]
    assert found == [
        ("mill-2", format_instant(START + 29 * HOUR), format_instant(START + 29 * HOUR), None),
        ("mill-1", format_instant(START + 31 * HOUR), format_instant(START + 31 * HOUR), None),
    ]
    first = it.get("/api/v1/bookings/free", "member", **window, machine="mill-1", minutes=90, limit=1).json()
    assert first["items"] == answer["items"][:1]
    assert it.get("/api/v1/bookings/free", "member", **window, machine="mill-1", minutes=90, limit=1,
                  cursor=first["next_cursor"]).json()["items"] == answer["items"][1:]  # fmt: skip


def test_maintenance_locks_a_machine_and_its_owner_is_told_what_else_is_free(it: World) -> None:
    lost = book(it, slot(40, machine="mill-1"))
    fields = slot(40, 5, machine="mill-1", reason="Mandrino rumoroso")
    assert it.send("POST", "/api/v1/lock-outs", "member", json=fields).status_code == 404
    locked = it.send("POST", "/api/v1/lock-outs", "maintenance", json=fields).json()

    assert it.get(f"/api/v1/bookings/{lost['id']}", "member").json()["status"] == "freed"
    [notice] = it.get("/api/v1/booking-notices", "member").json()["items"]
    assert (notice["booking"], notice["reason"], notice["proposals"]) == (lost["id"], "Mandrino rumoroso", ["mill-2"])
    assert it.get("/api/v1/booking-notices", "other member").json()["items"] == []
    assert it.send("POST", "/api/v1/bookings", "member", json=slot(41, machine="mill-1")).status_code == 409
    assert it.send("DELETE", f"/api/v1/lock-outs/{locked['id']}", "maintenance").status_code == 204
    assert it.send("DELETE", f"/api/v1/booking-notices/{notice['id']}", "member").status_code == 204
    [released] = it.get("/api/v1/booking-notices", "member").json()["items"]
    assert released["kind"] == "released"


def test_an_address_shows_a_calendar_to_who_knows_it_until_it_is_revoked(it: World) -> None:
    mine, theirs = book(it, slot(50)), book(it, slot(52), "other member")
    made = it.send("POST", "/api/v1/booking-feeds", "member", json={"machine": "mill-2"}).json()

    answer = httpx.get(f"{it.url}{made['path']}", headers={"Accept-Language": "en"})
    assert answer.headers["content-type"] == "text/calendar; charset=utf-8"
    events = {str(event["UID"]): event for event in Calendar.from_ical(answer.text).events}
    assert events[f"booking-{mine['id']}@officina"]["SUMMARY"] == "M 2 · firm-a"
    assert events[f"booking-{theirs['id']}@officina"]["SUMMARY"] == "M 2 · Busy"
    assert "firm-b" not in answer.text
    assert "firm-b" in it.get("/api/v1/machines/mill-2/bookings.ics", "operator").text
    assert it.send("DELETE", f"/api/v1/booking-feeds/{made['id']}", "other member").status_code == 404
    assert it.send("DELETE", f"/api/v1/booking-feeds/{made['id']}", "member").status_code == 204
    assert httpx.get(f"{it.url}{made['path']}").status_code == 404


def test_opening_hours_close_a_machine_to_members(it: World) -> None:
    hours = [{"weekday": day, "starts_minute": 0, "ends_minute": 15} for day in range(7)]
    fields = {"name": "Mai", "zone": "UTC", "hours": hours, "machines": ["lathe-1"]}
    assert it.send("PUT", "/api/v1/calendars/never", "operator", json=fields).status_code == 404
    assert it.send("PUT", "/api/v1/calendars/never", json=fields).status_code == 201

    answer = it.send("POST", "/api/v1/bookings", "member", json=slot(12, machine="lathe-1"))

    assert "the machine is closed then" in answer.json()["detail"]
    assert it.send("DELETE", "/api/v1/calendars/never").status_code == 204
    book(it, slot(12, machine="lathe-1"))


def test_a_time_that_no_quarter_hour_holds_is_refused(it: World) -> None:
    fields = slot(70) | {"to": format_instant(START + 71 * HOUR + 7 * MINUTE)}
    assert "15 minutes" in it.send("POST", "/api/v1/bookings", "member", json=fields).json()["detail"]
