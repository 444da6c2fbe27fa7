"""The booking pages, shown by Chromium: without a script, on every width, in both languages."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from shopfloor.periods import DAY, HOUR, format_instant
from shopfloor.runtime import clock
from tests.browser.chromium import Page, chromium
from tests.journey.api_world import World, world
from tests.journey.people import PASSWORD, add_people

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.services
START = (clock.now() // DAY + 3) * DAY
DAY_OF_START = format_instant(START)[:10]
WIDTHS = (1440, 1024, 390, 360)


@pytest.fixture(scope="module")
def it(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("booking-pages")) as made:
        add_people(made.folder)
        yield made


async def sign_in(page: Page, it: World, holder: str) -> None:
    await page.open(f"{it.url}/?lang=it")
    await page.type("#email", f"{holder}@example.it")
    await page.type("#password", PASSWORD)
    await page.press_enter()
    await page.until("document.querySelector('.plant, #machines')")


async def fill_in(page: Page, **values: str) -> None:
    for name, value in values.items():
        await page.evaluate(f"document.querySelector('#{name}').value = '{value}'")


async def book(it: World, holder: str, hours: float, length: float, machine: str = "mill-1") -> str:
    start = START + int(hours * HOUR)
    fields: dict[str, Any] = {
        "machine": machine, "from": format_instant(start), "to": format_instant(start + int(length * HOUR)),
    }  # fmt: skip
    answer = await asyncio.to_thread(it.send, "POST", "/api/v1/bookings", holder, json=fields)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["items"][0]["id"])


async def test_a_member_finds_free_hours_books_and_gives_up_without_a_script(it: World, tmp_path: Path) -> None:
    await book(it, "other member", 8, 4)
    async with chromium(tmp_path) as page:
        await sign_in(page, it, "member")
        await page.disable_script()
        await page.open(f"{it.url}/bookings?day={DAY_OF_START}&minutes=120&like=mill-1&lang=it")
        assert "Cerca ore libere" in await page.text()
        await page.evaluate("document.querySelector('.side .list a.btn').click()")
        await page.until("document.querySelector('#weeks')")
        assert "Disdetta gratuita fino a" in await page.text()

        await fill_in(page, day=DAY_OF_START, end_day=DAY_OF_START, start="11:00", end="12:00", machine="mill-1")
        await page.evaluate("document.querySelector('.btn.main').click()")
        await page.until("document.querySelector('.field.bad')")
        assert "La macchina è già prenotata" in await page.text()
        assert "firm-b" not in await page.text()

        await fill_in(page, start="15:00", end="17:00")
        await page.evaluate("document.querySelector('.btn.main').click()")
        await page.until("document.querySelector('.done')")
        assert "La macchina è prenotata." in await page.text()

        await page.evaluate(
            "document.querySelector('.track .b-own').closest('a').dispatchEvent(new MouseEvent('click'))"
        )
        await page.until("document.querySelector('form[action$=cancel]')")
        assert "Non costa nulla fino" in await page.text()
        await page.evaluate("document.querySelector('form[action$=cancel] button').click()")
        await page.until("document.querySelector('.done')")
        assert "La prenotazione è disdetta." in await page.text()
        assert [each for each in page.complaints if "422" not in each] == []


async def test_nothing_scrolls_sideways_and_both_languages_speak(it: World, tmp_path: Path) -> None:
    mine = await book(it, "member", 30, 3, "mill-2")
    async with chromium(tmp_path) as page:
        await sign_in(page, it, "member")
        paths = (
            "/bookings?minutes=60",
            "/bookings/machines/mill-2",
            "/bookings/new",
            f"/bookings/{mine}",
            "/bookings/calendars",
        )
        for path in paths:
            for width in WIDTHS:
                await page.resize(width, 800)
                await page.open(it.url + path)
                wide = await page.evaluate("document.documentElement.scrollWidth")
                assert wide == width, (path, width, wide)
        await page.open(f"{it.url}/bookings?lang=en")
        assert "Find free hours" in await page.text()
        assert page.complaints == []


def long_night() -> date:
    """The next night in which Rome's clocks are set back."""
    today = date.fromisoformat(format_instant(clock.now())[:10])
    days = (today + timedelta(days=ahead) for ahead in range(2, 400))
    return next(day for day in days if day.month == 10 and day.weekday() == 6 and day.day > 24)


async def test_an_hour_that_exists_twice_is_asked_about(it: World, tmp_path: Path) -> None:
    async with chromium(tmp_path) as page:
        await sign_in(page, it, "operator")
        night = long_night()
        await page.open(
            f"{it.url}/bookings/new?machine=mill-1&day={night}&end_day={night}&start=02:15&end=04:00&lang=it"
        )
        await fill_in(page, member="firm-a")
        assert await page.evaluate("Boolean(document.querySelector('#start_which'))")
        await page.evaluate("document.querySelector('.btn.main').click()")
        await page.until("document.querySelector('.field.bad')")
        assert "questa ora c'è due volte" in await page.text()

        await fill_in(page, start_which="second", member="firm-a")
        await page.evaluate("document.querySelector('.btn.main').click()")
        await page.until("document.querySelector('.done')")
        window = {"from": f"{night}T00:00:00Z", "to": f"{night}T23:00:00Z", "machine": "mill-1"}
        found = await asyncio.to_thread(lambda: it.get("/api/v1/bookings", **window).json()["items"])
        assert [(each["from"], each["to"]) for each in found] == [(f"{night}T01:15:00Z", f"{night}T03:00:00Z")]
        await page.open(f"{it.url}/bookings?day={night}")
        assert "25 ore" in await page.text()
