"""Task 19 of the administrator in a browser: decide, accept, close; clicks counted, on desktop, and read on a phone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser.screens import chromium, screen
from tests.journey.api_world import World, world
from tests.journey.people import add_people
from tests.journey.test_closing_pages import LOST, furnish

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.services
CLICKS_MAX = 4
"""Dry run, differences, lock: what the task allows."""


@pytest.fixture(scope="module")
def it(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("closing-screens"), more='second_factor = "optional"') as made:
        add_people(made.folder)
        furnish(made)
        yield made


def test_the_administrator_decides_and_closes_the_month_in_few_clicks(it: World) -> None:
    with chromium() as browser:
        with screen(browser, it, "administrator", "phone") as seen:
            for path in ("/closing", "/decide"):
                assert seen.open(f"{path}?lang=it") == 200
                assert seen.width() <= 390
                assert seen.barriers() == []
            assert "Uso che nessuno paga" in seen.texts()
            assert seen.complaints == []
        with screen(browser, it, "administrator", "desktop") as seen:
            seen.open("/decide")
            for _ in range(2):
                seen.page.select_option(".question select[name=payer]", index=1)
                seen.click(".question button")
                seen.page.wait_for_selector(".done")
            assert seen.clicks == 2
            assert seen.page.locator(".question").count() == 0

            seen.clicks = 0
            seen.click(".nav a[href='/closing']")
            assert seen.barriers() == []
            seen.page.fill("#why", LOST)
            seen.click(".lock .btn.main")
            seen.page.wait_for_selector(".done")
            assert seen.clicks <= CLICKS_MAX
            assert "Il mese è chiuso" in seen.texts()
            assert seen.barriers() == []
            assert seen.complaints == []
            assert seen.strangers == []
        with screen(browser, it, "member", "desktop") as seen:
            seen.click(".nav a[href='/statements']")
            for form in ("PDF", "Excel", "CSV"):
                seen.clicks = 1
                with seen.page.expect_download() as loading:
                    seen.click(f"main tbody a:text-is('{form}')")
                assert loading.value.path().stat().st_size > 0
                assert seen.clicks <= 2  # task 9
