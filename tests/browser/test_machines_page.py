"""The machines page, shown by Chromium."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from shopfloor.periods import SECOND
from shopfloor.runtime import clock
from shopfloor.samples import Sample
from tests.browser.chromium import Page, chromium
from tests.journey.api_world import World, world
from tests.journey.people import PASSWORD, add_people

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.services

WIDTHS = (1440, 1024, 390, 360)
LONG = "Centro di lavoro a portale, dodici metri"


@pytest.fixture(scope="module")
def it(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("pages")) as made:
        add_people(made.folder)
        now = clock.now()
        made.say(
            Sample("mill-1", "item_state", now - 600 * SECOND, 2),
            Sample("mill-1", "program", now - 600 * SECOND, "O4711 FLANGIA"),
            Sample("mill-1", "observed", now, now - 600 * SECOND),
        )
        made.say(Sample("lathe-1", "observed", now, now), publisher="south-1")
        yield made


async def sign_in(page: Page, it: World, holder: str) -> None:
    await page.open(f"{it.url}/?lang=it")
    await page.type("#email", f"{holder}@example.it")
    await page.type("#password", PASSWORD)
    await page.press_enter()
    await page.until("document.querySelector('#m-mill-1')")


async def test_a_person_signs_in_and_the_page_follows_the_machine_without_being_loaded_again(
    it: World, tmp_path: Path
) -> None:
    async with chromium(tmp_path) as page:
        await sign_in(page, it, "operator")
        await page.open(f"{it.url}/?lang=it")
        await page.until("document.querySelector('#m-mill-1').innerText.includes('In attesa')")
        assert "O4711 FLANGIA" in await page.text()
        await page.evaluate("window.isStillThere = true")

        await _say(it, Sample("mill-1", "item_state", clock.now(), 3))

        await page.until("document.querySelector('#m-mill-1').innerText.includes('In lavorazione')")
        await _say(it, Sample("mill-1", "item_state", clock.now(), 2))
        await page.until("document.querySelector('#m-mill-1').innerText.includes('In attesa')")
        assert await page.evaluate("window.isStillThere")
        assert page.complaints == []


async def _say(it: World, sample: Sample) -> None:
    await asyncio.to_thread(it.say, sample)


async def test_a_member_sees_states_and_no_work(it: World, tmp_path: Path) -> None:
    async with chromium(tmp_path) as page:
        await sign_in(page, it, "member")

        text = await page.text()

        assert "M 1" in text
        assert "FLANGIA" not in text


async def test_it_speaks_english_and_has_a_night(it: World, tmp_path: Path) -> None:
    async with chromium(tmp_path) as page:
        await sign_in(page, it, "operator")
        await page.open(f"{it.url}/?lang=en&theme=night")
        assert "Machines" in await page.text()

        await page.open(f"{it.url}/")

        assert "Machines" in await page.text()
        assert await page.evaluate("document.documentElement.dataset.theme") == "night"


async def test_nothing_scrolls_sideways_at_any_width(it: World, tmp_path: Path) -> None:
    async with chromium(tmp_path) as page:
        await sign_in(page, it, "operator")
        await page.evaluate(f"document.querySelector('#m-mill-1 .n b').textContent = {LONG!r}")
        for width in WIDTHS:
            await page.resize(width, 844)

            assert await page.evaluate("document.documentElement.scrollWidth") == width


async def test_the_page_works_without_script(it: World, tmp_path: Path) -> None:
    async with chromium(tmp_path) as page:
        await page.disable_script()
        await sign_in(page, it, "operator")

        assert "O4711 FLANGIA" in await page.text()
        assert page.complaints == []
